/* The slice machine: what clients ask of slices, and what follows when the
 * switches have moved.  Bringing up is in bringup.c.
 *
 *   1. Create: placement chooses the cubes, the intent and its operation are
 *      made in the same batch as the slice; nothing is sent before that batch
 *      is durable (D6).
 *   2. Every torus needs all switches: while one is unreachable, its state is
 *      unknown and nothing new is made (D7).  Over a FAILED or drained one a slice
 *      that accepts degraded is made, with routes around it.
 *   3. When a port or cube turns out SUSPECT while a slice is coming up, other cubes
 *      take the place of those behind it, PLACEMENTS_MAX times in all, unless the
 *      cubes were asked for by number and it has not served yet.  Where that cannot
 *      be, a new slice is rolled back as a whole and FAILs with the port's name; one
 *      that served goes around the port if it accepts that.
 *      So it is with a cube that the preflight (preflight.c) blames, but that the
 *      slice FAILs where it stands, circuits and all, for a person to look.
 *   4. Delete: an open operation ends first, then the circuits are broken, and
 *      when all are confirmed down, or hold a lien, are the cubes free (A8).
 *   5. Migrate swaps cubes under a serving slice; the other cubes keep their
 *      circuits, and one operation does it all.
 *   6. Rule 3 under a slice that has served is remediation, if that is `auto` (else it
 *      was a person who had the slice moved): each cube counts as a swap of the hour,
 *      an open breaker forbids it, and what would exceed the budget trips the breaker
 *      (A7), unless the slice can do without, around the part.
 *      Under a slice that has not served yet it is placement: no job is disturbed,
 *      PLACEMENTS_MAX bounds it, and where it ends is what its client is told.  Only
 *      what such a slice makes SUSPECT counts, against the cubes (found.c, preflight.c).
 */
#include "core/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/advice.h"
#include "core/placement.h"
#include "core/remedy.h"

enum { PLACEMENTS_MAX = 4 };

const char *slice_subject(const struct slice *slice, char buf[static 64])
{
    char id[48];
    (void)snprintf(buf, 64, "slice/%s", id_format(slice->id, id));
    return buf;
}

double slice_age_ms(const struct slice *slice, struct now now)
{
    return slice->created_mono.ns != 0 ? mono_ms_since(slice->created_mono, now.mono)
                                       : (double)(now.wall.ms - slice->created.ms);
}

void slice_blame(const struct model *m, struct slice *slice, const char *otherwise)
{
    char cause[SLICE_CAUSE_MAX], id[48];

    (void)snprintf(cause, sizeof cause, "incident/%s", id_format(m->mending, id));
    advice_blame(slice, id_is_none(m->mending) ? otherwise : cause);
}

/* What every event of a slice's service says; takes `data`. */
static json_t *with_advice(const struct slice *slice, json_t *data)
{
    advice_add(slice, data);
    return data;
}

void slice_enter(struct model *m, struct slice *slice, enum slice_state state, struct now now,
                 struct outbox *out)
{
    static const char *const types[] = {
        [SLICE_ACTIVATING] = "slice.created",
        [SLICE_ACTIVE] = "slice.active",
        [SLICE_ACTIVE_DEGRADED] = "slice.degraded",
        [SLICE_RECONFIGURING] = "slice.reconfiguring",
        [SLICE_FAILED] = "slice.failed",
        [SLICE_DEACTIVATING] = "slice.deactivating",
        [SLICE_DELETED] = "slice.deleted",
    };
    char subject[64], shape[24];

    if (slice_serves(slice)) {
        slice_blame(m, slice, "");
    }
    preflight_drop(slice);
    if (state != SLICE_ACTIVATING) {
        slice_move(slice, state, now.wall);
    }
    slice->changed_mono = now.mono;
    if (slice_serves(slice)) {
        watch_begin(m, slice, out);
    }
    emit_slice(out, slice->id);
    json_t *data = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I}", "name", slice->spec.name, "owner",
                             slice->spec.owner, "state", slice_state_name(state), "topology",
                             tpunet_shape_format(&slice->spec.shape, shape), "reason",
                             slice->reason, "version", (json_int_t)slice->version);
    emit_journal(m, out, now, types[state], slice_subject(slice, subject),
                 with_advice(slice, data));
    advice_told(slice);
}

void slice_tell(struct model *m, const struct slice *slice, const char *type, struct now now,
                struct outbox *out, json_t *data)
{
    char subject[64];

    emit_journal(m, out, now, type, slice_subject(slice, subject), with_advice(slice, data));
}

/* What the audit keeps of a slice before and after a mutation. */
static json_t *audited(const struct slice *slice)
{
    char shape[24];
    json_t *cubes = json_array();

    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        (void)json_array_append_new(cubes, json_integer(slice->intent->cubes[i]));
    }
    return json_pack("{s:s,s:s,s:I,s:s,s:o}", "name", slice->spec.name, "state",
                     slice_state_name(slice->state), "version", (json_int_t)slice->version,
                     "topology", tpunet_shape_format(&slice->spec.shape, shape), "cubes", cubes);
}

void slice_fail(struct model *m, struct slice *slice, struct now now, struct outbox *out,
                const char *reason)
{
    if (reason != slice->reason) {
        (void)snprintf(slice->reason, sizeof slice->reason, "%s", reason);
    }
    slice_enter(m, slice, SLICE_FAILED, now, out);
}

void slice_add_reason(struct slice *slice, const char *fmt, ...)
{
    size_t len = strlen(slice->reason);
    va_list ap;

    len += (size_t)snprintf(slice->reason + len, sizeof slice->reason - len, "%s",
                            len > 0 ? "; " : "");
    if (len < sizeof slice->reason) {
        va_start(ap, fmt);
        (void)vsnprintf(slice->reason + len, sizeof slice->reason - len, fmt, ap);
        va_end(ap);
    }
}

/* ------------------------------------------------------------- create -- */

/* Rule 2. */
static bool switches_allow(const struct model *m, const struct slice *slice, bool accept_degraded,
                           uint64_t cookie, struct outbox *out)
{
    char why[400];

    if (!switches_all_reachable(m, slice, true, why, sizeof why)) {
        emit_refusal(out, cookie, E_UNREACHABLE, "switch-unreachable",
                     "every torus needs all switches: %s", why);
        return false;
    }
    if (!accept_degraded && !switches_all_reachable(m, slice, false, why, sizeof why)) {
        emit_refusal(out, cookie, E_CONFLICT, "switch-failed",
                     "without accept_degraded a slice needs all switches: %s", why);
        return false;
    }
    return true;
}

static bool may_create(const struct model *m, const struct event *ev, struct outbox *out)
{
    char why[400], shape[24];

    if (!core_ready(m, why, sizeof why)) {
        emit_refusal(out, ev->cookie, E_UNREACHABLE, "not-ready", "podmgr is starting: %s", why);
        return false;
    }
    if (ev->create->shape.mesh) {
        emit_refusal(out, ev->cookie, E_INVALID, "unsupported-topology",
                     "topology: %s is below one cube (64 chips); slices are made of whole cubes, "
                     "the smallest is 4x4x4",
                     tpunet_shape_format(&ev->create->shape, shape));
        return false;
    }
    if (m->n_slices == MODEL_SLICES_MAX) {
        emit_refusal(out, ev->cookie, E_FULL, "insufficient-capacity", "there are %zu slices",
                     m->n_slices);
        return false;
    }
    return switches_allow(m, NULL, ev->create->accept_degraded, ev->cookie, out);
}

static const char *placement_code(int status)
{
    return status == E_INVALID    ? "invalid-request"
           : status == E_CONFLICT ? "cube-unavailable"
                                  : "insufficient-capacity";
}

void slices_create(struct model *m, struct event *ev, struct outbox *out)
{
    uint16_t cubes[MODEL_CUBES_MAX];
    struct tpunet_intent *intent;
    struct error err = {0};
    char subject[64];

    if (create_is_repeat(m, ev, KEY_SLICE, out) || !may_create(m, ev, out)) {
        return;
    }
    int status = ev->create->adopt ? quarantine_adopt(m, ev->create, cubes, &err)
                                   : placement_choose(m, ev->create, cubes, &err);
    if (status < 0) {
        emit_refusal(out, ev->cookie, status, placement_code(status), "%s", err.text);
        return;
    }
    struct tpunet_error net_err;
    status = slice_spec_intent(&intent, ev->create, cubes, &net_err);
    if (status < 0) {
        emit_refusal(out, ev->cookie, E_INVALID, "invalid-request", "%s", net_err.text);
        return;
    }

    struct slice *slice = slice_create(model_new_id(m), ev->create);
    slice->intent = intent;
    slice->created = slice->changed = ev->now.wall;
    slice->created_mono = ev->arrived;
    if (slice->spec.name[0] == '\0') {
        char id[48];
        (void)snprintf(slice->spec.name, sizeof slice->spec.name, "slice-%s",
                       id_format(slice->id, id));
    }
    slice->planned_ms = slice_age_ms(slice, ev->now);
    model_add_slice(m, slice);
    create_is_made(m, ev, KEY_SLICE, slice->id, out);
    slice_enter(m, slice, SLICE_ACTIVATING, ev->now, out);
    emit_audit(out, ev, ev->create->adopt ? "slice.adopt" : "slice.create",
               slice_subject(slice, subject), NULL, audited(slice));
    emit_done(out, ev->cookie, slice->id);
    ops_program(m, slice, ev->now, out);
    switches_quarantine(m, ev->now, out); /* of adopted cubes */
}

/* ------------------------------------------------------------- delete -- */

static void release_circuits(struct model *m, struct slice *slice, struct now now,
                             struct outbox *out)
{
    bringup_stop(m, slice, out);
    ops_release(m, slice, now, out);
}

static bool found_in_version(const struct slice *slice, struct id id, uint64_t if_version,
                             uint64_t cookie, struct outbox *out)
{
    char text[48];

    if (slice == NULL) {
        emit_refusal(out, cookie, E_NOT_FOUND, "slice-not-found", "no slice/%s",
                     id_format(id, text));
        return false;
    }
    if (if_version != 0 && if_version != slice->version) {
        emit_refusal(out, cookie, E_STALE, "version-mismatch",
                     "slice/%s has version %" PRIu64 ", If-Match says %" PRIu64 "; read it again",
                     id_format(id, text), slice->version, if_version);
        return false;
    }
    return true;
}

void slices_delete(struct model *m, struct event *ev, struct outbox *out)
{
    struct slice *slice = model_slice(m, ev->del.id);
    char subject[64];

    if (!found_in_version(slice, ev->del.id, ev->del.if_version, ev->cookie, out)) {
        return;
    }
    emit_done(out, ev->cookie, slice->id);
    if (slice->state == SLICE_DEACTIVATING) {
        return; /* a second delete asks for what already happens */
    }
    json_t *before = audited(slice);
    slice_blame(m, slice, "request");
    slice_enter(m, slice, SLICE_DEACTIVATING, ev->now, out);
    emit_audit(out, ev, "slice.delete", slice_subject(slice, subject), before, audited(slice));
    if (id_is_none(slice->op)) {
        release_circuits(m, slice, ev->now, out);
    }
}

/* ------------------------------------------------------------ migrate -- */

/* The intent on other cubes, the logical positions kept. */
static struct tpunet_intent *intent_on(const struct slice *slice, const uint16_t *cubes)
{
    struct tpunet_intent *intent;
    const struct tpunet_intent *old = slice->intent;
    int status = tpunet_intent_create(&intent, &old->shape, cubes, old->n_cubes, NULL);

    assert(status == 0); /* placement gave as many, none twice */
    memcpy(intent->next, old->next, (size_t)TPUNET_OCSES * old->n_cubes * sizeof *old->next);
    memcpy(intent->origin, old->origin, sizeof intent->origin);
    return intent;
}

/* Before the slice's next event, which tells of it. */
static void note_swapped(struct slice *slice, const uint16_t *cubes)
{
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        if (slice->intent->cubes[i] != cubes[i]) {
            advice_swapped(slice, slice->intent->cubes[i], cubes[i]);
        }
    }
}

static void move_to(struct model *m, struct slice *slice, const uint16_t *cubes, struct now now,
                    struct outbox *out)
{
    slice->placements++;
    slice->fit = false;
    preflight_drop(slice);
    bringup_stop(m, slice, out);
    bringup_new_generation(m, slice); /* what was asked of the old cubes is void */
    ops_reconfigure(m, slice, intent_on(slice, cubes), now, out);
}

/* After a restore, what it leaves behind may be another's, and would be broken. */
static const uint16_t *find_unexplained(const struct model *m, const struct slice *slice)
{
    for (unsigned i = 0; i < slice->intent->n_cubes && model_is_doubted(m, slice->id); i++) {
        if (m->cubes[slice->intent->cubes[i]].unexplained) {
            return &slice->intent->cubes[i];
        }
    }
    return NULL;
}

int slices_swap(struct model *m, struct slice *slice, const struct swap *swaps, size_t n,
                const char *reason, struct now now, struct outbox *out, struct error *err)
{
    uint16_t cubes[MODEL_CUBES_MAX];
    char why[400];

    assert(slice_serves(slice));
    assert(id_is_none(slice->op));
    if (!switches_all_reachable(m, slice, slice->spec.accept_degraded, why, sizeof why)) {
        return err_set(err, E_UNREACHABLE, "it needs all switches: %s", why);
    }
    const uint16_t *unexplained = find_unexplained(m, slice);
    if (unexplained != NULL) {
        return err_set(err, E_CONFLICT,
                       "cube/%u is in circuits that nobody intended since a restore: clear or "
                       "adopt them first",
                       *unexplained);
    }
    int status = placement_replace(m, slice->intent, swaps, n, cubes, err);
    if (status == 0) {
        (void)snprintf(slice->reason, sizeof slice->reason, "%s", reason);
        slice_blame(m, slice, "request");
        note_swapped(slice, cubes);
        slice_enter(m, slice, SLICE_RECONFIGURING, now, out);
        slice->placements = 0; /* what it served on was good: rule 3 counts anew */
        move_to(m, slice, cubes, now, out);
    }
    return status;
}

void slices_migrate(struct model *m, struct event *ev, struct outbox *out)
{
    struct slice *slice = model_slice(m, ev->migrate.id);
    struct error err = {0};
    char id[48], subject[64];

    if (!found_in_version(slice, ev->migrate.id, ev->migrate.if_version, ev->cookie, out)) {
        return;
    }
    if (!slice_serves(slice) || !id_is_none(slice->op)) {
        emit_refusal(out, ev->cookie, E_CONFLICT, "state-conflict",
                     "slice/%s is %s; only an ACTIVE slice can be migrated",
                     id_format(slice->id, id), slice_state_name(slice->state));
        return;
    }
    if (!switches_allow(m, slice, slice->spec.accept_degraded, ev->cookie, out)) {
        return;
    }
    json_t *before = audited(slice);
    int status =
        slices_swap(m, slice, ev->migrate.swaps, ev->migrate.n_swaps, "", ev->now, out, &err);
    if (status < 0) {
        json_decref(before);
        emit_refusal(out, ev->cookie, status, placement_code(status), "%s", err.text);
        return;
    }
    emit_audit(out, ev, "slice.migrate", slice_subject(slice, subject), before, audited(slice));
    emit_done(out, ev->cookie, slice->id);
}

/* ------------------------------------------------- an operation has ended -- */

/* Rule 6. */
static void ask_a_person(struct model *m, struct slice *slice, size_t n, struct now now,
                         struct outbox *out)
{
    char why[160], subject[64];

    if (m->remediation->breaker_open) {
        slice_add_reason(slice, "no other cubes: the breaker is open");
        return;
    }
    (void)snprintf(why, sizeof why, "%u swaps in the last hour of %u: %s would need %zu more",
                   remediation_swaps(m, now.mono), m->pod->remedy.swaps_per_hour_max,
                   slice_subject(slice, subject), n);
    remedy_trip(m, why, now, out);
    slice_add_reason(slice, "no other cubes, the breaker has tripped: %s", why);
}

/* Rules 3 and 6: for those of its cubes that are `bad`. */
static bool try_other_cubes(struct model *m, struct slice *slice,
                            const bool bad[static MODEL_CUBES_MAX], bool has_way, struct now now,
                            struct outbox *out)
{
    struct swap swaps[MODEL_CUBES_MAX];
    uint16_t cubes[MODEL_CUBES_MAX];
    size_t n = 0;
    char why[400];

    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        if (bad[slice->intent->cubes[i]]) {
            swaps[n++] = (struct swap){slice->intent->cubes[i], TPUNET_NONE};
        }
    }
    bool pinned = slice->pinned && slice->state == SLICE_ACTIVATING;
    if (n == 0 || pinned || slice->placements >= PLACEMENTS_MAX ||
        find_unexplained(m, slice) != NULL ||
        !switches_all_reachable(m, slice, slice->spec.accept_degraded, why, sizeof why) || /* D7 */
        placement_replace(m, slice->intent, swaps, n, cubes, NULL) < 0) {
        return false;
    }
    bool counts = slice->state == SLICE_RECONFIGURING && m->pod->remedy.mode == REMEDY_AUTO;
    if (counts && !remedy_may_swap(m, n, now)) {
        if (!has_way) {
            ask_a_person(m, slice, n, now, out);
        }
        return false;
    }
    if (counts) {
        remedy_swapped(m, n, now);
    }
    note_swapped(slice, cubes);
    slice_tell(m, slice, "slice.replaced", now, out,
               json_pack("{s:I,s:i,s:s}", "cubes", (json_int_t)n, "first", (int)swaps[0].cube,
                         "reason", slice->reason));
    move_to(m, slice, cubes, now, out);
    return true;
}

bool slices_other_cubes(struct model *m, struct slice *slice, bool has_way, struct now now,
                        struct outbox *out)
{
    bool bad[MODEL_CUBES_MAX] = {false};

    for (uint16_t c = 0; c < m->pod->n_cubes; c++) {
        struct part part = {.kind = PART_CUBE, .cube = c};
        bad[c] = model_port_fault(m, c) != NULL || model_fault(m, &part) != NULL;
    }
    return try_other_cubes(m, slice, bad, has_way, now, out);
}

/* Every circuit that it was to make is there, or (if that will do) known to be
 * dead.  What it could not break holds liens and is nobody's any more. */
static bool all_made(const struct model *m, const struct op *op, bool dead_will_do)
{
    bool made = true;

    for (size_t i = 0; i < op->n_makes && made; i++) {
        const struct tpunet_xc *xc = &op->makes[i];
        bool dead = model_circuit_dead(m, *xc);
        bool skipped = op->part[xc->ocs].state == PART_SKIPPED;
        made = dead ? dead_will_do || skipped : m->ocs[xc->ocs].north[xc->north].seen == xc->south;
    }
    return made;
}

static void take_failure(struct model *m, struct slice *slice, const struct op *op, struct now now,
                         struct outbox *out)
{
    bool has_way =
        slice->state == SLICE_RECONFIGURING && slice->spec.accept_degraded && all_made(m, op, true);

    (void)snprintf(slice->reason, sizeof slice->reason, "%s", op->reason);
    if (slices_other_cubes(m, slice, has_way, now, out)) {
        return;
    }
    if (has_way) {
        bringup_start(m, slice, now, out);
        return;
    }
    release_circuits(m, slice, now, out); /* back as a whole; then it FAILs */
}

void slices_unfit(struct model *m, struct slice *slice, const bool cubes[static MODEL_CUBES_MAX],
                  bool may_move, struct now now, struct outbox *out)
{
    if (!may_move || !try_other_cubes(m, slice, cubes, false, now, out)) {
        slice_fail(m, slice, now, out, slice->reason);
    }
}

static void take_release(struct model *m, struct slice *slice, struct now now, struct outbox *out)
{
    if (slice->state == SLICE_DEACTIVATING) {
        slice_enter(m, slice, SLICE_DELETED, now, out);
        model_remove_slice(m, slice->id);
    } else {
        slice_fail(m, slice, now, out, slice->reason);
    }
}

void slices_op_ended(struct model *m, struct slice *slice, const struct op *op, struct now now,
                     struct outbox *out)
{
    emit_slice(out, slice->id);
    if (op->kind == OP_RELEASE) {
        take_release(m, slice, now, out);
    } else if (slice->state == SLICE_DEACTIVATING) {
        release_circuits(m, slice, now, out); /* it was deleted meanwhile (rule 4) */
    } else if (op->state == OP_FAILED && !all_made(m, op, false)) {
        take_failure(m, slice, op, now, out);
    } else {
        if (slice->programmed_ms < 0) {
            slice->programmed_ms = slice_age_ms(slice, now);
        }
        bringup_start(m, slice, now, out);
    }
}
