/* Words on parts: what is not to be relied on, and what follows.
 *
 *   1. FAILED is an operator's word on a switch, a cube or a host, or podmgr's own
 *      on a switch that root cause blames; silence alone never makes it (D7).  Who
 *      said it, when and why is kept until an operator clears it; each word of a
 *      person has its audit record (A10).
 *   2. A FAILED switch is commanded no more: nobody waits for it, and what it should
 *      have broken becomes a lien.  After a person's word slices over it that accept
 *      degraded go around it and the others FAIL with the reason; after podmgr's
 *      own only those that hurt (remedy_act.c): who works is left alone.
 *   3. A FAILED cube or host is given to no new slice (A6).
 *      podmgr's own word ends when the switch comes back from a loss of power, and
 *      when the part's ticket says that it is mended (repair_readmit.c).
 *   4. A cube that remediation took out of service is SUSPECT, and so is a port that
 *      it blames or that read-back showed to be bad.  Nothing more is made over
 *      it, its cube is given to no new slice, and slices go around it.
 *   5. Clearing a switch claims it anew: what is intended is put back, liens are
 *      broken.  Clearing a port lets its lost circuit be put back.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/internal.h"
#include "core/remedy.h"
#include "mem.h"

/* -------------------------------------------------------------- the list -- */

static size_t position(const struct model *m, const struct part *part, bool *found)
{
    char name[80], other[80];
    size_t i = 0;
    int order = 1;

    (void)part_format(part, name);
    while (i < m->n_faults && (order = strcmp(part_format(&m->faults[i].part, other), name)) < 0) {
        i++;
    }
    *found = i < m->n_faults && order == 0;
    return i;
}

/* Asked often: names are not written for it. */
struct part_fault *model_fault(const struct model *m, const struct part *part)
{
    for (size_t i = 0; i < m->n_faults; i++) {
        if (part_same(&m->faults[i].part, part)) {
            return &m->faults[i];
        }
    }
    return NULL;
}

/* What the part's own record shows. */
static void mark(struct model *m, const struct part *part, bool on, enum health health)
{
    if (part->kind == PART_PORT) {
        m->ocs[part->ocs].suspect[part->south ? TPUNET_SOUTH : TPUNET_NORTH][part->port] = on;
    } else if (part->kind == PART_CUBE) {
        /* After a restore the next look at a map decides what it is. */
        enum health cleared = m->restored ? HEALTH_QUARANTINED : HEALTH_HEALTHY;
        m->cubes[part->cube].health = on ? health : cleared;
    } else if (part->kind == PART_HOST) {
        m->hosts[part->cube * TPUNET_CUBE_HOSTS + part->host].failed = on;
    } else {
        assert(part->kind == PART_OCS);
    }
}

void model_add_fault(struct model *m, const struct part_fault *fault)
{
    bool found;
    size_t at = position(m, &fault->part, &found);

    if (!found) {
        VEC_GROW(m->faults, m->n_faults, m->cap_faults);
        assert(m->faults != NULL);
        memmove(m->faults + at + 1, m->faults + at, (m->n_faults - at) * sizeof *m->faults);
        m->n_faults++;
    }
    assert(at < m->n_faults && m->faults != NULL);
    m->faults[at] = *fault;
    mark(m, &fault->part, true, fault->health);
    if (fault->part.kind == PART_CUBE) {
        m->cubes[fault->part.cube].since = fault->since;
    }
    if (fault->part.kind == PART_OCS) {
        m->ocs[fault->part.ocs].state = OCS_STATE_FAILED;
        m->ocs[fault->part.ocs].since = fault->since;
    }
}

void model_remove_fault(struct model *m, const struct part *part)
{
    bool found;
    size_t at = position(m, part, &found);

    assert(found);
    m->n_faults--;
    memmove(m->faults + at, m->faults + at + 1, (m->n_faults - at) * sizeof *m->faults);
    mark(m, part, false, HEALTH_HEALTHY);
}

bool model_circuit_broken(const struct model *m, struct tpunet_xc xc)
{
    const struct ocs *ocs = &m->ocs[xc.ocs];

    return ocs->state == OCS_STATE_FAILED || ocs->suspect[TPUNET_NORTH][xc.north] ||
           (xc.south < MODEL_PORTS_MAX && ocs->suspect[TPUNET_SOUTH][xc.south]);
}

bool model_circuit_dead(const struct model *m, struct tpunet_xc xc)
{
    return model_circuit_broken(m, xc) || drains_avoid(m, xc);
}

/* ------------------------------------------------------- operators' words -- */

static json_t *described(const struct part_fault *fault)
{
    return fault == NULL ? NULL
                         : json_pack("{s:s,s:s}", "health", health_name(fault->health), "reason",
                                     fault->reason);
}

bool model_knows(const struct model *m, const struct part *part)
{
    switch (part->kind) {
    case PART_OCS:
        return part->ocs < TPUNET_OCSES;
    case PART_PORT:
        return part->ocs < TPUNET_OCSES && part->port < m->pod->ports_per_side;
    case PART_CUBE:
    case PART_HOST:
        return part->cube < m->pod->n_cubes;
    case PART_POD:
    case PART_CHIP:
    case PART_FIBRE:
    case PART_FACE:
    case PART_LINK:
    case PART_POWER:
    case PART_SLICE:
        break;
    }
    return false;
}

static bool may_speak_of(const struct model *m, const struct event *ev, bool ports,
                         struct outbox *out)
{
    const struct part *part = &ev->word.part;
    char name[80];
    bool right_kind = part->kind == PART_OCS || part->kind == PART_CUBE ||
                      part->kind == PART_HOST || (ports && part->kind == PART_PORT);

    if (!right_kind) {
        emit_refusal(out, ev->cookie, E_INVALID, "invalid-field",
                     "target: %s: only a switch, a cube or a host can be called FAILED%s",
                     part_format(part, name), ports ? ", and a port cleared" : "");
        return false;
    }
    if (!model_knows(m, part)) {
        emit_refusal(out, ev->cookie, E_NOT_FOUND, "part-not-found",
                     "target: %s is not in this pod of %u cubes, %u ports a side",
                     part_format(part, name), m->pod->n_cubes, m->pod->ports_per_side);
        return false;
    }
    return true;
}

/* Rule 2. */
static void give_up_switch(struct model *m, const struct part_fault *fault, bool doubted,
                           struct now now, struct outbox *out)
{
    char name[80], text[320];

    (void)snprintf(text, sizeof text, "%s is FAILED: %s", part_format(&fault->part, name),
                   fault->reason);
    ops_skip(m, fault->part.ocs, now, out);
    liens_doubt_switch(m, fault->part.ocs, now, out);
    (doubted ? bringup_part_doubted : bringup_part_lost)(m, fault->part, text, now, out);
}

/* podmgr's own word; false if something is on record of the part already. */
static bool say(struct model *m, const struct part *part, const char *reason, struct now now,
                struct outbox *out)
{
    static const char *const types[] = {
        [PART_OCS] = "part.failed", [PART_CUBE] = "cube.suspect", [PART_PORT] = "port.suspect"};
    struct part_fault fault = {.part = *part, .since = now.wall, .who = "podmgr"};
    char name[80];

    assert(part->kind == PART_OCS || part->kind == PART_CUBE || part->kind == PART_PORT);
    if (model_fault(m, part) != NULL) {
        return false;
    }
    fault.health = part->kind == PART_OCS ? HEALTH_FAILED : HEALTH_SUSPECT;
    (void)snprintf(fault.reason, sizeof fault.reason, "%s", reason);
    model_add_fault(m, &fault);
    emit_fault(out, part);
    emit_journal(m, out, now, types[part->kind], part_format(part, name),
                 json_pack("{s:s,s:s}", "by", fault.who, "reason", fault.reason));
    return true;
}

void faults_say(struct model *m, const struct part *part, const char *reason, struct now now,
                struct outbox *out)
{
    if (!say(m, part, reason, now, out)) {
        return;
    }
    if (part->kind == PART_OCS) {
        struct part_fault fault = *model_fault(m, part); /* what follows may move the list */
        give_up_switch(m, &fault, true, now, out);
    } else if (part->kind == PART_PORT) {
        bringup_part_doubted(m, *part, reason, now, out);
    }
}

/* Rule 5. */
void faults_look_again(struct model *m, const struct part *part, struct now now, struct outbox *out)
{
    if (part->kind == PART_OCS) {
        m->ocs[part->ocs].state = OCS_STATE_UNREACHABLE; /* until it answers */
        m->ocs[part->ocs].since = now.wall;
    }
    if (part->kind == PART_OCS || part->kind == PART_PORT) {
        emit_effect(out, EFFECT_OCS_ATTACH)->ocs = part->ocs;
    }
}

bool faults_take_back(struct model *m, const struct part *part, const char *why, struct now now,
                      struct outbox *out)
{
    const struct part_fault *fault = model_fault(m, part);
    char name[80];

    if (fault == NULL || strcmp(fault->who, "podmgr") != 0) {
        return false;
    }
    model_remove_fault(m, part);
    remedy_cleared(m, part, now);
    emit_fault(out, part);
    emit_journal(m, out, now, "part.cleared", part_format(part, name),
                 json_pack("{s:s,s:s}", "by", "podmgr", "reason", why));
    return true;
}

void faults_fail(struct model *m, struct event *ev, struct outbox *out)
{
    struct part_fault fault = {
        .part = ev->word.part, .health = HEALTH_FAILED, .since = ev->now.wall};
    char name[80];

    if (!may_speak_of(m, ev, false, out)) {
        return;
    }
    const struct part_fault *old = model_fault(m, &fault.part);
    json_t *before = described(old);
    (void)snprintf(fault.who, sizeof fault.who, "%s", ev->who);
    (void)snprintf(fault.reason, sizeof fault.reason, "%s", ev->word.reason);
    bool known = old != NULL && old->health == HEALTH_FAILED;
    bool ours = known && strcmp(old->who, "podmgr") == 0; /* who works was left alone (rule 2) */
    if (known) {
        fault.since = old->since;
    }
    model_add_fault(m, &fault);
    emit_fault(out, &fault.part);
    (void)part_format(&fault.part, name);
    emit_audit(out, ev, "part.fail", name, before, described(&fault));
    if (!known) {
        emit_journal(m, out, ev->now, "part.failed", name,
                     json_pack("{s:s,s:s}", "by", fault.who, "reason", fault.reason));
    }
    if ((!known || ours) && fault.part.kind == PART_OCS) {
        give_up_switch(m, &fault, false, ev->now, out);
    }
    emit_done(out, ev->cookie, (struct id){0});
}

void faults_clear(struct model *m, struct event *ev, struct outbox *out)
{
    struct part part = ev->word.part;
    char name[80];

    if (!may_speak_of(m, ev, true, out)) {
        return;
    }
    const struct part_fault *fault = model_fault(m, &part);
    (void)part_format(&part, name);
    if (fault == NULL) {
        emit_refusal(out, ev->cookie, E_NOT_FOUND, "fault-not-found",
                     "target: %s is neither FAILED nor SUSPECT", name);
        return;
    }
    json_t *before = described(fault);
    model_remove_fault(m, &part);
    remedy_cleared(m, &part, ev->now);
    for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
        if (part.kind == PART_CUBE || (part.kind == PART_HOST && part.host == h)) {
            health_forgive(m, (uint16_t)(part.cube * TPUNET_CUBE_HOSTS + h), ev->now, out);
        }
    }
    emit_fault(out, &part);
    emit_audit(out, ev, "part.clear", name, before, NULL);
    emit_journal(m, out, ev->now, "part.cleared", name,
                 json_pack("{s:s,s:s}", "by", ev->who, "reason", ev->word.reason));
    faults_look_again(m, &part, ev->now, out);
    emit_done(out, ev->cookie, (struct id){0});
}

/* ------------------------------------------------------------- read back -- */

void faults_suspect(struct model *m, struct tpunet_ocs_port port, const char *reason,
                    struct now now, struct outbox *out)
{
    struct part part = {
        .kind = PART_PORT, .ocs = port.ocs, .port = port.port, .south = port.side == TPUNET_SOUTH};
    char name[80], text[320];

    if (say(m, &part, reason, now, out)) {
        (void)snprintf(text, sizeof text, "%s is SUSPECT: %s", part_format(&part, name), reason);
        bringup_part_lost(m, part, text, now, out);
    }
}
