/* Drains as they are given, kept, carried out and ended.
 *
 *   1. One drain a target; a second order for it is refused with the name of the
 *      first.  What is on record of it (who, why, until when) never changes.
 *   2. From the order on nothing new is placed on the part: its cubes, and those
 *      behind its ports, are given to nobody; over its switches new slices that
 *      accept degraded go around, others are refused, as over a FAILED one.
 *   3. "Now" moves jobs off as drain_rules.c says; what is blocked is tried again
 *      every LOOK_MS, for ever, and budgets of remediation do not count: it is a
 *      person's word.
 *   4. A slice that was there before keeps a drained switch in use until other routes
 *      are asked for, or the drain is DRAINED.  Afterwards its circuits there are as
 *      dead ones: not made, not put back, no reason to wait.  While it is BLOCKED they
 *      are as good as any: put back when lost, a symptom when down.
 *      Drains that are "now" are gone around in the order of their age (`routed` of
 *      the slice is the newest of them), so one that blocks holds those after it.
 *   5. A DRAINED switch that does not answer is waited for by nobody (D7: nothing
 *      that is made needs it): what it should break becomes a lien (A8).  Not so
 *      after a restore, before its map was read: what stands there is not known.
 *   6. It ends by a person's word or at the time that the order gave.  Then lost
 *      circuits are put back and slices get their full routes.  Other words on
 *      the part (FAILED, SUSPECT, a ticket) stay. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "core/internal.h"
#include "mem.h"

enum { LOOK_MS = 250 };

/* -------------------------------------------------------------- the list -- */

struct drain *model_drain(const struct model *m, struct id id)
{
    for (size_t i = 0; i < m->n_drains; i++) {
        if (id_compare(m->drains[i]->id, id) == 0) {
            return m->drains[i];
        }
    }
    return NULL;
}

struct drain *model_drain_of(const struct model *m, const struct part *part)
{
    for (size_t i = 0; i < m->n_drains; i++) {
        if (part_same(&m->drains[i]->order.part, part)) {
            return m->drains[i];
        }
    }
    return NULL;
}

static void raise_to(enum admin *admin, enum admin state)
{
    *admin = state > *admin ? state : *admin;
}

/* The part of a drain, and what hangs on it, show it. */
static void mark(struct model *m, const struct drain *d)
{
    const struct part *part = &d->order.part;

    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        bool whole = part->kind == PART_CUBE || part->kind == PART_POWER;
        if (whole && d->extent.cubes[c]) {
            raise_to(&m->cubes[c].admin, d->state);
            for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
                raise_to(&m->hosts[c * TPUNET_CUBE_HOSTS + h].admin, d->state);
            }
        }
    }
    if (part->kind == PART_HOST) {
        raise_to(&m->hosts[part->cube * TPUNET_CUBE_HOSTS + part->host].admin, d->state);
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        if ((d->extent.ocs >> o & 1) != 0) {
            raise_to(&m->ocs[o].admin, d->state);
        }
    }
    m->drained_ocs |= d->extent.ocs;
    for (size_t i = 0; i < d->extent.n_ports; i++) {
        m->drained_ocs |= UINT64_C(1) << d->extent.ports[i].ocs;
    }
}

/* Derived anew from all of them: few, and seldom changed. */
static void mark_all(struct model *m)
{
    m->drained_ocs = 0;
    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        m->cubes[c].admin = ADMIN_IN_SERVICE;
    }
    for (unsigned h = 0; h < model_hosts(m); h++) {
        m->hosts[h].admin = ADMIN_IN_SERVICE;
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        m->ocs[o].admin = ADMIN_IN_SERVICE;
    }
    for (size_t i = 0; i < m->n_drains; i++) {
        mark(m, m->drains[i]);
    }
}

void model_add_drain(struct model *m, struct drain *drain)
{
    assert(m->n_drains == 0 || id_compare(m->drains[m->n_drains - 1]->id, drain->id) < 0);
    (void)extent_of_part(m, &drain->order.part, &drain->extent);
    VEC_GROW(m->drains, m->n_drains, m->cap_drains);
    m->drains[m->n_drains++] = drain;
    mark_all(m);
}

void model_remove_drain(struct model *m, struct id id)
{
    size_t at = 0;

    while (at < m->n_drains && id_compare(m->drains[at]->id, id) != 0) {
        at++;
    }
    assert(at < m->n_drains);
    free(m->drains[at]);
    m->n_drains--;
    memmove(m->drains + at, m->drains + at + 1, (m->n_drains - at) * sizeof(struct drain *));
    mark_all(m);
}

/* --------------------------------------------------------- what it means -- */

const struct drain *model_cube_drain(const struct model *m, unsigned cube)
{
    for (size_t i = 0; i < m->n_drains; i++) {
        if (extent_holds_cube(m, &m->drains[i]->extent, cube)) {
            return m->drains[i];
        }
    }
    return NULL;
}

bool model_cube_drained(const struct model *m, unsigned cube)
{
    for (size_t i = 0; i < m->n_drains; i++) {
        if (m->drains[i]->extent.cubes[cube] && m->drains[i]->state == ADMIN_DRAINED) {
            return true;
        }
    }
    return false;
}

/* Rule 4. */
bool drain_avoids(const struct drain *d, const struct slice *slice)
{
    bool newer = id_compare(slice->id, d->id) > 0;
    bool moved = d->order.mode == DRAIN_NOW && id_compare(slice->routed, d->id) >= 0;

    return slice->spec.accept_degraded && (newer || moved || d->state == ADMIN_DRAINED);
}

void drains_pass(const struct model *m, struct slice *slice, struct outbox *out)
{
    struct id before = slice->routed;
    uint64_t lost;
    const struct drain *held = drain_holds(m, slice, DRAIN_PREVIEW, &lost);

    for (size_t i = 0; i < m->n_drains && m->drains[i] != held; i++) {
        if (id_compare(slice->routed, m->drains[i]->id) < 0) {
            slice->routed = m->drains[i]->id;
        }
    }
    if (id_compare(slice->routed, before) != 0) {
        emit_slice(out, slice->id);
    }
}

bool drains_avoid(const struct model *m, struct tpunet_xc xc)
{
    const struct circuit *circuit = &m->ocs[xc.ocs].north[xc.north];

    if ((m->drained_ocs >> xc.ocs & 1) == 0 || circuit->south != xc.south) {
        return false;
    }
    const struct slice *slice = model_slice(m, circuit->slice);
    for (size_t i = 0; slice != NULL && i < m->n_drains; i++) {
        if (extent_has_circuit(&m->drains[i]->extent, xc) && drain_avoids(m->drains[i], slice)) {
            return true;
        }
    }
    return false;
}

bool drains_avoid_switch(const struct model *m, unsigned ocs, const struct slice *slice)
{
    for (size_t i = 0; i < m->n_drains && (m->drained_ocs >> ocs & 1) != 0; i++) {
        const struct drain *d = m->drains[i];
        if ((d->extent.ocs >> ocs & 1) != 0 && (slice == NULL || drain_avoids(d, slice))) {
            return true;
        }
    }
    return false;
}

bool model_given_up(const struct model *m, unsigned ocs)
{
    const struct ocs *o = &m->ocs[ocs];
    /* The drain may have ended since the backup, and slices been made there. */
    bool doubted = m->restored && o->boot_id[0] == '\0';

    return o->state == OCS_STATE_FAILED ||
           (o->admin == ADMIN_DRAINED && o->state == OCS_STATE_UNREACHABLE && !doubted);
}

/* ----------------------------------------------------------------- tell -- */

static const char *subject_of(const struct drain *d, char buf[static 64])
{
    char id[48];

    (void)snprintf(buf, 64, "drain/%s", id_format(d->id, id));
    return buf;
}

static json_t *audited(const struct drain *d)
{
    char name[80], until[32];

    return json_pack("{s:s,s:s,s:s,s:s,s:s?}", "target", part_format(&d->order.part, name), "mode",
                     drain_mode_name(d->order.mode), "state", admin_name(d->state), "reason",
                     d->order.reason, "until",
                     d->order.until.ms != 0 ? wall_format(d->order.until, until) : NULL);
}

static void tell(struct model *m, const struct drain *d, const char *type, const char *who,
                 const char *why, struct now now, struct outbox *out)
{
    char subject[64], name[80];

    emit_drain(out, d->id);
    emit_journal(m, out, now, type, subject_of(d, subject),
                 json_pack("{s:s,s:s,s:s,s:s}", "target", part_format(&d->order.part, name), "mode",
                           drain_mode_name(d->order.mode), "by", who, "reason", why));
}

/* ---------------------------------------------------------- carrying out -- */

/* Its new circuits are not made over what is drained, nor waited for there. */
static int swap_around(struct model *m, const struct drain *d, struct slice *slice,
                       const struct swap *swaps, size_t n, const char *reason, struct now now,
                       struct outbox *out, struct error *err)
{
    struct id before = slice->routed;
    uint64_t lost;

    if (id_compare(before, d->id) < 0 && drain_holds(m, slice, d->id, &lost) == NULL) {
        slice->routed = d->id;
    }
    int status = slices_swap(m, slice, swaps, n, reason, now, out, err);
    if (status < 0) {
        slice->routed = before;
    }
    return status;
}

static void move_slice(struct model *m, struct drain *d, const struct drain_steps *steps,
                       const struct drain_step *step, struct now now, struct outbox *out)
{
    struct slice *slice = model_slice(m, step->slice);
    char reason[SLICE_REASON_MAX], subject[64], name[80];
    struct error err = {0};

    (void)snprintf(reason, sizeof reason, "%s of %s: %s", subject_of(d, subject),
                   part_format(&d->order.part, name), step->text);
    if (step->action == DRAIN_REROUTE) {
        slice_blame(m, slice, subject);
        bringup_again(m, slice, reason, now, out);
        d->trouble[0] = '\0';
    } else if (swap_around(m, d, slice, steps->swaps + step->first_swap, step->n_swaps, reason, now,
                           out, &err) < 0) {
        (void)snprintf(d->trouble, sizeof d->trouble, "no swap yet: %s", err.text);
    } else {
        d->trouble[0] = '\0';
    }
}

/* Rule 3; true if anything was to be moved. */
static bool carry_out(struct model *m, struct drain *d, const struct drain_steps *steps,
                      struct now now, struct outbox *out)
{
    bool moved = false;

    for (size_t i = 0; i < steps->n; i++) {
        const struct drain_step *step = &steps->items[i];
        if (step->action == DRAIN_SWAP || step->action == DRAIN_REROUTE) {
            moved = true;
            move_slice(m, d, steps, step, now, out);
        }
    }
    return moved;
}

static void enter(struct model *m, struct drain *d, enum admin state, const char *why,
                  struct now now, struct outbox *out)
{
    d->state = state;
    d->drained = state == ADMIN_DRAINED ? now.wall : (struct wall_ms){0};
    d->version++;
    mark_all(m);
    tell(m, d, state == ADMIN_DRAINED ? "drain.drained" : "drain.in-use", "podmgr", why, now, out);
}

/* Which circuits a slice goes around is as unknown as of an old database, so new routes
 * are asked for (bringup.c, rule 5). */
void drains_doubt(struct model *m, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        if (m->slices[i]->dead_links > 0) {
            m->slices[i]->around = (struct circuit_set){0};
            emit_slice(out, m->slices[i]->id);
        }
    }
    for (size_t i = 0; i < m->n_drains; i++) {
        if (m->drains[i]->state == ADMIN_DRAINED) {
            enter(m, m->drains[i], ADMIN_DRAINING, "the database is of before", now, out);
        }
    }
}

/* Rule 5, of those that fell silent while they were DRAINING. */
static void give_up_the_silent(struct model *m, const struct drain *d, struct now now,
                               struct outbox *out)
{
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        if ((d->extent.ocs >> o & 1) != 0 && model_given_up(m, o)) {
            ops_skip(m, o, now, out);
        }
    }
}

static void look(struct model *m, struct drain *d, struct now now, struct outbox *out)
{
    struct drain_steps steps;

    drain_ask(m, d, &steps);
    bool drained = steps.n_open == 0 && id_is_none(steps.op);
    if (d->order.mode == DRAIN_NOW && carry_out(m, d, &steps, now, out)) {
        drained = false;
    }
    if (drained && d->state == ADMIN_DRAINING) {
        enter(m, d, ADMIN_DRAINED, "nothing runs over it", now, out);
        give_up_the_silent(m, d, now, out);
    } else if (steps.n_open > 0 && d->state == ADMIN_DRAINED) {
        enter(m, d, ADMIN_DRAINING, "a slice uses it", now, out);
    }
    drain_steps_fini(&steps);
}

/* ------------------------------------------------------------ the orders -- */

int drain_check(const struct model *m, const struct drain_order *order, struct wall_ms now,
                struct extent *extent, const char **code, struct error *err)
{
    static const bool may_be[PART_SLICE + 1] = {[PART_CUBE] = true,
                                                [PART_HOST] = true,
                                                [PART_OCS] = true,
                                                [PART_LINK] = true,
                                                [PART_POWER] = true};
    const struct drain *other = model_drain_of(m, &order->part);
    char name[80], id[48], at[32];

    (void)part_format(&order->part, name);
    *code = "invalid-field";
    if (!may_be[order->part.kind]) {
        return err_set(err, E_INVALID,
                       "target: %s: only a cube, host, switch, link or power domain is drained",
                       name);
    }
    if (!extent_of_part(m, &order->part, extent)) {
        *code = "part-not-found";
        return err_set(err, E_NOT_FOUND, "target: %s is not in this pod of %u cubes", name,
                       m->pod->n_cubes);
    }
    if (order->until.ms != 0 && order->until.ms <= now.ms) {
        return err_set(err, E_INVALID, "until: %s is past", wall_format(order->until, at));
    }
    if (other != NULL) {
        *code = "drain-exists";
        return err_set(err, E_CONFLICT, "%s is %s already, drain/%s of %s: %s", name,
                       admin_name(other->state), id_format(other->id, id), other->who,
                       other->order.reason);
    }
    if (m->n_drains == DRAINS_MAX) {
        *code = "too-many-drains";
        return err_set(err, E_FULL, "there are %d drains; end some first", DRAINS_MAX);
    }
    return 0;
}

void drains_create(struct model *m, struct event *ev, struct outbox *out)
{
    struct error err = {0};
    struct extent extent;
    const char *code;
    char name[80];

    if (create_is_repeat(m, ev, KEY_DRAIN, out)) {
        return;
    }
    if (m->epoch == 0) {
        emit_refusal(out, ev->cookie, E_UNREACHABLE, "not-ready", "podmgr is starting");
        return;
    }
    int status = drain_check(m, ev->drain, ev->now.wall, &extent, &code, &err);
    if (status < 0) {
        emit_refusal(out, ev->cookie, status, code, "%s", err.text);
        return;
    }
    struct drain *d = xcalloc(1, sizeof *d);
    d->id = model_new_id(m);
    d->order = *ev->drain;
    d->state = ADMIN_DRAINING;
    d->created = ev->now.wall;
    d->version = 1;
    (void)snprintf(d->who, sizeof d->who, "%s", ev->who);
    model_add_drain(m, d);
    create_is_made(m, ev, KEY_DRAIN, d->id, out);
    emit_audit(out, ev, "drain.create", part_format(&d->order.part, name), NULL, audited(d));
    tell(m, d, "drain.created", d->who, d->order.reason, ev->now, out);
    emit_done(out, ev->cookie, d->id);
    look(m, d, ev->now, out);
}

/* Rule 6.  What the switches have lost is put back when they have shown their maps
 * anew: what we know of a port that nobody was to use may be old (D8). */
static void give_back(struct model *m, const struct extent *extent, struct now now,
                      struct outbox *out)
{
    uint64_t switches = extent->ocs;

    for (size_t i = 0; i < extent->n_ports; i++) {
        switches |= UINT64_C(1) << extent->ports[i].ocs;
    }
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        if ((switches >> o & 1) != 0) {
            emit_effect(out, EFFECT_OCS_ATTACH)->ocs = o;
        }
    }
    bringup_looked(m, now, out);
}

static void end_drain(struct model *m, struct drain *d, const char *who, const char *why,
                      struct now now, struct outbox *out)
{
    struct extent extent = d->extent;

    tell(m, d, "drain.ended", who, why, now, out);
    model_remove_drain(m, d->id);
    give_back(m, &extent, now, out);
}

void drains_end(struct model *m, struct event *ev, struct outbox *out)
{
    struct drain *d = model_drain(m, ev->del.id);
    char id[48], name[80];

    if (d == NULL) {
        emit_refusal(out, ev->cookie, E_NOT_FOUND, "drain-not-found", "no drain/%s",
                     id_format(ev->del.id, id));
        return;
    }
    if (ev->del.if_version != 0 && ev->del.if_version != d->version) {
        emit_refusal(out, ev->cookie, E_STALE, "version-mismatch",
                     "If-Match: drain/%s has version %llu", id_format(d->id, id),
                     (unsigned long long)d->version);
        return;
    }
    emit_audit(out, ev, "drain.end", part_format(&d->order.part, name), audited(d), NULL);
    emit_done(out, ev->cookie, d->id);
    end_drain(m, d, ev->who, "ended", ev->now, out);
}

void drains_tick(struct model *m, struct now now, struct outbox *out)
{
    bool due = mono_ms_since(m->drains_looked, now.mono) >= LOOK_MS;

    if (m->n_drains == 0 || m->epoch == 0 || !due) {
        return;
    }
    m->drains_looked = now.mono;
    for (size_t i = m->n_drains; i-- > 0;) {
        struct drain *d = m->drains[i];
        if (d->order.until.ms != 0 && now.wall.ms >= d->order.until.ms) {
            end_drain(m, d, d->who, "its time is up", now, out);
        } else {
            look(m, d, now, out);
        }
    }
}
