/* Slices and the agents that bring them up and watch them.
 *
 *   1. The coordinator is the first host in logical order whose agent holds a
 *      lease.  If the agent goes before its verdict, the next one is asked, with
 *      a new generation.
 *   2. Nobody is asked while a circuit of the slice is missing that is not known
 *      to be dead: what was lost is put back first.  A bad verdict about such a
 *      slice says nothing new.
 *   3. A good verdict of the current generation and a passed preflight make the
 *      slice ACTIVE (A5), or ACTIVE_DEGRADED if its routes go around dead links; a
 *      bad one FAILED with what was found, unless other cubes can be had (found.c).
 *      A FAILED slice keeps its cubes until it is deleted, so that a person can look.
 *   4. After a restart, or a loss that was put right, a serving slice goes on and
 *      is checked: links compared, nothing written.  A check that fails, or is
 *      not answered, is repeated every CHECK_AGAIN_MS.  Chips that have lost their
 *      tables get them again, proved anew.
 *   5. When a switch FAILs or a port becomes SUSPECT, slices over it that accept
 *      degraded are brought up again around it; the others FAIL.  Where that is
 *      remediation's word, only those that it names.  When the part is good again
 *      and all circuits are back, they are brought up with full routes.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "core/internal.h"
#include "core/remedy.h"
#include "mem.h"

enum { CHECK_AGAIN_MS = 5000 };

static bool is_coming_up(const struct slice *slice)
{
    return slice->state == SLICE_ACTIVATING || slice->state == SLICE_RECONFIGURING;
}

/* -------------------------------------------------------------- asking -- */

/* Rule 1. */
static bool choose_coordinator(struct model *m, struct slice *slice)
{
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
            uint32_t number = slice->intent->cubes[i] * (uint32_t)TPUNET_CUBE_HOSTS + h;
            if (m->hosts[number].agent != 0) {
                slice->coordinator = number;
                slice->coordinator_agent = m->hosts[number].agent;
                return true;
            }
        }
    }
    slice->coordinator_agent = 0;
    return false;
}

static void ask(const struct model *m, struct slice *slice, bool check_only, struct outbox *out)
{
    struct effect *effect = emit_effect(out, EFFECT_BRING_UP);

    effect->id = slice->id;
    effect->agent = slice->coordinator_agent;
    effect->generation = slice->generation;
    effect->check_only = check_only;
    remedy_asked(m, slice);
}

static void say_waiting(struct slice *slice, const char *why, struct outbox *out)
{
    slice->waiting = true;
    if (strcmp(slice->reason, why) != 0) {
        (void)snprintf(slice->reason, sizeof slice->reason, "%s", why);
        emit_slice(out, slice->id);
    }
}

static bool find_dead(const struct model *m, struct tpunet_xc xc, void *arg)
{
    char *text = arg; /* SLICE_REASON_MAX */
    const struct ocs *ocs = &m->ocs[xc.ocs];
    bool south = !ocs->suspect[TPUNET_NORTH][xc.north];

    if (!model_circuit_dead(m, xc)) {
        return true;
    }
    if (ocs->state == OCS_STATE_FAILED) {
        (void)snprintf(text, SLICE_REASON_MAX, "ocs/%u is FAILED", xc.ocs);
    } else {
        (void)snprintf(text, SLICE_REASON_MAX, "port/%u-%c-%u is SUSPECT", xc.ocs, "ns"[south],
                       (unsigned)(south ? xc.south : xc.north));
    }
    return false;
}

/* Numbers begin anew with each epoch, so the next one may be what it has. */
void bringup_new_generation(struct model *m, struct slice *slice)
{
    struct id id = model_new_id(m);

    if (id.seq == slice->generation) {
        id = model_new_id(m);
    }
    slice->generation = id.seq;
}

void bringup_start(struct model *m, struct slice *slice, struct now now, struct outbox *out)
{
    char dead[SLICE_REASON_MAX] = "";
    struct tpunet_xc dim;

    assert(is_coming_up(slice) && id_is_none(slice->op));
    preflight_drop(slice);
    drains_pass(m, slice, out);
    if (slice_is_whole(m, slice) && slice_is_dim(m, slice, &dim)) {
        say_waiting(slice, "waiting for a circuit with light", out); /* the next tick sees */
        faults_suspect(m, (struct tpunet_ocs_port){dim.ocs, TPUNET_NORTH, dim.north},
                       "it loses too much light", now, out);
        faults_suspect(m, (struct tpunet_ocs_port){dim.ocs, TPUNET_SOUTH, dim.south},
                       "it loses too much light", now, out);
    } else if (!slice->spec.accept_degraded && !slice_each_circuit(m, slice, find_dead, dead)) {
        slice_fail(m, slice, now, out, dead);
    } else if (!slice_is_whole(m, slice)) {
        say_waiting(slice, "waiting for circuits that a switch has lost", out);
    } else if (!choose_coordinator(m, slice)) {
        say_waiting(slice, "waiting for a host of the slice whose tpunetd holds a lease", out);
    } else {
        slice->waiting = false;
        slice->verified = false;
        /* Rises across slices too: chips refuse what is older than they hold. */
        bringup_new_generation(m, slice);
        slice->reason[0] = '\0';
        slice_go_around(m, slice);
        emit_slice(out, slice->id);
        ask(m, slice, false, out);
    }
}

/* Rule 4. */
static void check(struct model *m, struct slice *slice, struct outbox *out)
{
    slice->check_at.ns = m->last_tick.ns + CHECK_AGAIN_MS * INT64_C(1000000);
    if (slice_is_whole(m, slice) && choose_coordinator(m, slice)) {
        emit_slice(out, slice->id);
        ask(m, slice, true, out);
    }
}

void bringup_stop(const struct model *m, struct slice *slice, struct outbox *out)
{
    watch_end(m, slice, out);
    slice->coordinator_agent = 0;
}

void bringup_tick(struct model *m, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        if (!id_is_none(slice->op)) {
            continue;
        }
        if (is_coming_up(slice) && slice->waiting) {
            bringup_start(m, slice, now, out);
        } else if (slice_serves(slice) && !slice->verified && now.mono.ns >= slice->check_at.ns) {
            check(m, slice, out);
        }
    }
}

/* ------------------------------------------------------------- verdicts -- */

/* Generations begin anew with each epoch, so only the pair names an intent; a
 * slice whose switches still move has not been handed to anybody. */
static bool verdict_is_current(const struct model *m, const struct slice *slice,
                               const struct verdict *verdict)
{
    return slice != NULL && id_is_none(slice->op) && slice->generation != 0 &&
           slice->generation == verdict->generation && verdict->epoch == m->epoch;
}

void bringup_again(struct model *m, struct slice *slice, const char *reason, struct now now,
                   struct outbox *out)
{
    if (slice_serves(slice)) {
        (void)snprintf(slice->reason, sizeof slice->reason, "%s", reason);
        slice_enter(m, slice, SLICE_RECONFIGURING, now, out);
    }
    bringup_start(m, slice, now, out);
}

static void take_check(struct model *m, struct slice *slice, const struct verdict *verdict,
                       struct now now, struct outbox *out)
{
    bool ok = verdict->ok && slice_is_whole(m, slice);

    if (slice_serves(slice) && !ok && strcmp(verdict->code, "tables") == 0) {
        slice->losses.chips = true;
        bringup_again(m, slice, verdict->text, now, out); /* what chips have lost */
        return;
    }
    found_symptoms(m, slice, verdict, now);
    if (slice_serves(slice) && !ok) {
        watch_again(m, slice, out);
    }
    if (!slice_serves(slice) || (!ok && slice->check_failed)) {
        return; /* told already */
    }
    slice->verified = ok;
    slice->check_failed = !ok;
    if (ok) {
        remedy_proved(m, slice, now);
    }
    slice_tell(m, slice, ok ? "slice.checked" : "slice.check-failed", now, out,
               json_pack("{s:s}", "reason", verdict->text));
}

/* Rules 2 and 3. */
static void take_bringup(struct model *m, struct slice *slice, const struct verdict *verdict,
                         struct now now, struct outbox *out)
{
    struct circuit_set dead;

    if (!is_coming_up(slice) || slice->waiting || slice->preflight != NULL) {
        return;
    }
    drains_pass(m, slice, out); /* who came meanwhile */
    if (!slice_is_whole(m, slice)) {
        say_waiting(slice, "waiting for circuits that a switch has lost", out);
        return;
    }
    slice_find_dead(m, slice, &dead);
    if (memcmp(&dead, &slice->around, sizeof dead) != 0) {
        bringup_start(m, slice, now, out); /* what is to be gone around has changed since */
        return;
    }
    if (!verdict->ok) {
        found_symptoms(m, slice, verdict, now);
        if (!found_down(m, slice, verdict, now, out)) {
            slice_fail(m, slice, now, out, slice->reason);
        }
        return;
    }
    slice->verified = true;
    slice->check_failed = false;
    slice->degraded = slice->dead_links > 0;
    slice->routes = verdict->routes;
    if (slice->active_ms < 0) { /* the timings are of the activation */
        /* Installing follows verifying at the coordinator; the rest is transport. */
        slice->verified_ms = slice_age_ms(slice, now) - verdict->installed_ms;
    }
    preflight_begin(m, slice, now, out);
}

void bringup_fit(struct model *m, struct slice *slice, struct now now, struct outbox *out)
{
    if (!slice_is_whole(m, slice)) {
        say_waiting(slice, "waiting for circuits that a switch has lost", out);
        return;
    }
    if (!slice->verified) { /* circuits were lost meanwhile, and are back */
        bringup_start(m, slice, now, out);
        return;
    }
    if (slice->active_ms < 0) {
        slice->active_ms = slice_age_ms(slice, now);
    }
    remedy_proved(m, slice, now);
    slice_enter(m, slice, slice->degraded ? SLICE_ACTIVE_DEGRADED : SLICE_ACTIVE, now, out);
}

void bringup_verdict(struct model *m, struct event *ev, struct outbox *out)
{
    const struct verdict *verdict = ev->verdict;
    struct slice *slice = model_slice(m, verdict->slice);

    emit_done(out, ev->cookie, verdict->slice); /* taken, whatever it is worth now */
    if (!verdict_is_current(m, slice, verdict)) {
        return;
    }
    if (verdict->check_only) {
        take_check(m, slice, verdict, ev->now, out);
    } else {
        take_bringup(m, slice, verdict, ev->now, out);
    }
}

void bringup_links(struct model *m, struct event *ev, struct outbox *out)
{
    for (size_t i = 0; i < ev->links.n; i++) {
        const struct link_change *change = &ev->links.links[i];
        struct slice *slice = model_slice(m, change->slice);
        if (slice != NULL && slice->preflight != NULL && !change->up) {
            bringup_start(m, slice, ev->now, out); /* what was verified is so no more */
        }
        if (slice == NULL || !slice_serves(slice)) {
            continue; /* its circuits are meant to move */
        }
        struct tpunet_chip chip = tpunet_chip_of(change->chip);
        char link[48], id[48];
        if (change->up) { /* a chip that was away may have lost its routes */
            slice->verified = false;
            slice->check_at = (struct mono_ns){0};
        }
        (void)snprintf(link, sizeof link, "link/%u-%u-%u-%u%s", chip.cube, chip.at[0], chip.at[1],
                       chip.at[2], tpunet_port_name(change->port));
        emit_journal(m, out, ev->now, change->up ? "link.up" : "link.down", link,
                     json_pack("{s:s}", "slice", id_format(slice->id, id)));
    }
    emit_done(out, ev->cookie, (struct id){0});
}

/* ----------------------------------------------------- loss and return -- */

void bringup_lost(struct slice *slice, struct outbox *out)
{
    if (slice->verified) {
        slice->verified = false;
        slice->check_at = (struct mono_ns){0};
        emit_slice(out, slice->id);
    }
}

/* Rule 5. */
void bringup_circuits_moved(struct model *m, struct slice *slice, struct now now,
                            struct outbox *out)
{
    if (!id_is_none(slice->op) || !slice_is_whole(m, slice)) {
        return;
    }
    if (is_coming_up(slice) && slice->waiting) {
        bringup_start(m, slice, now, out);
    } else if (slice_serves(slice) && slice_has_some_back(m, slice)) {
        bringup_again(m, slice, "links that were dead are back", now, out);
    } else if (slice_serves(slice)) {
        slice->verified = false;
        check(m, slice, out);
    }
}

/* Are the circuits that are not dead seen on switches that answer?  What one
 * showed before it went silent may be gone. */
static bool is_certain(const struct model *m, struct tpunet_xc xc, void *arg)
{
    return model_circuit_dead(m, xc) ||
           (m->ocs[xc.ocs].state == OCS_STATE_REACHABLE && slice_circuit_stands(m, xc, arg));
}

void bringup_looked(struct model *m, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        if (slice_serves(slice) && id_is_none(slice->op) && slice_has_some_back(m, slice) &&
            slice_each_circuit(m, slice, is_certain, NULL)) {
            bringup_again(m, slice, "links that were dead are back", now, out);
        }
    }
}

/* False for a circuit that is dead because of this part alone. */
static bool is_spared(const struct model *m, struct tpunet_xc xc, void *arg)
{
    const struct part *part = arg;
    const struct ocs *ocs = &m->ocs[xc.ocs];
    bool north = ocs->suspect[TPUNET_NORTH][xc.north];
    bool south = ocs->suspect[TPUNET_SOUTH][xc.south];

    if (xc.ocs != part->ocs || drains_avoid(m, xc)) {
        return true;
    }
    if (part->kind == PART_OCS) {
        return north || south;
    }
    return part->port != (part->south ? xc.south : xc.north) || (part->south ? north : south) ||
           ocs->state == OCS_STATE_FAILED;
}

/* Who is not asked yet will be asked with what is dead then. */
static bool is_asked(const struct slice *slice)
{
    return is_coming_up(slice) && slice->generation != 0 && !slice->waiting;
}

struct over {
    const struct slice *slice;
    struct part *part;
};

static bool is_none_of(const struct model *m, struct tpunet_xc xc, void *arg)
{
    const struct over *over = arg;

    return is_spared(m, xc, over->part) || slice_is_without(m, over->slice, xc);
}

static bool runs_over(const struct model *m, const struct slice *slice, struct part *part)
{
    struct over over = {slice, part};

    return id_is_none(slice->op) && !slice_each_circuit(m, slice, is_none_of, &over);
}

void bringup_part_lost(struct model *m, struct part part, const char *reason, struct now now,
                       struct outbox *out)
{
    char name[80];

    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        if ((!slice_serves(slice) && !is_asked(slice)) || !runs_over(m, slice, &part)) {
            continue;
        }
        slice_blame(m, slice, part_format(&part, name));
        if (slice->spec.accept_degraded) {
            bringup_again(m, slice, reason, now, out);
        } else {
            slice_fail(m, slice, now, out, reason);
        }
    }
}

void bringup_part_doubted(struct model *m, struct part part, const char *reason, struct now now,
                          struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        if (is_asked(slice) && slice->spec.accept_degraded && runs_over(m, slice, &part)) {
            bringup_again(m, slice, reason, now, out);
        }
    }
}

/* ------------------------------------------------------------- agents -- */

static void seek_coordinator(struct model *m, struct slice *slice, struct now now,
                             struct outbox *out)
{
    if (slice->coordinator_agent != 0 || !id_is_none(slice->op)) {
        return;
    }
    if (is_coming_up(slice)) {
        bringup_start(m, slice, now, out);
    } else if (slice_serves(slice)) {
        slice->verified = false;
        check(m, slice, out);
    }
}

void bringup_agent_came(struct model *m, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        seek_coordinator(m, m->slices[i], now, out);
    }
}

void bringup_epoch_taken(struct model *m, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        m->slices[i]->coordinator_agent = 0;
        seek_coordinator(m, m->slices[i], now, out);
    }
}

void bringup_agent_gone(struct model *m, uint32_t agent, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        if (slice->coordinator_agent == agent) {
            slice->coordinator_agent = 0;
            seek_coordinator(m, slice, now, out);
        }
    }
}
