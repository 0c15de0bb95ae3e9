/* Operations on the switches: sent to every switch that they concern, judged by
 * what is read back.  What they break and make is planned in plans.c.
 *
 *   1. The intent is in the model (and durable with this batch) before any
 *      switch is told (D6).
 *   2. A part is done when the read-back shows every make with light within
 *      the loss threshold and no break any more, whatever the switch's word:
 *      so a replay after a lost answer ends the same way.
 *   3. A part that is not done is tried again after a pause that doubles, with
 *      jitter, OP_ATTEMPTS times in all, each time under an id of its own (D5).
 *      The ports that the second failure blames become SUSPECT and are left out
 *      from then on, so that one bad mirror does not hold the other circuits
 *      back; each further port found costs one more attempt.
 *   4. An operation ends when all its parts have; it failed if one did, and its
 *      reason names the switch, the port and what was seen.
 *   5. What it was to break and is not confirmed down becomes a lien on both
 *      ports (A8).
 *   6. A part at a switch that is FAILED, or DRAINED and silent, or becomes so, is
 *      skipped.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "core/remedy.h"
#include "mem.h"

enum { OP_ATTEMPTS = 3, RETRY_MS = 150 };

/* The stretch of a sorted list that concerns one switch. */
struct stretch {
    const struct tpunet_xc *first;
    size_t n;
};

static struct stretch of_switch(const struct tpunet_xc *xcs, size_t n, unsigned ocs)
{
    size_t lo = 0, hi;

    while (lo < n && xcs[lo].ocs < ocs) {
        lo++;
    }
    for (hi = lo; hi < n && xcs[hi].ocs == ocs; hi++) {
    }
    return (struct stretch){xcs + lo, hi - lo};
}

static void tell_end(struct model *m, const struct op *op, struct now now, struct outbox *out)
{
    char id[48], slice[48], subject[64];

    (void)snprintf(subject, sizeof subject, "operation/%s", id_format(op->id, id));
    emit_journal(m, out, now, op->state == OP_DONE ? "operation.done" : "operation.failed", subject,
                 json_pack("{s:s?,s:s,s:I,s:I,s:I,s:s}", "slice",
                           op->kind == OP_RESTORE ? NULL : id_format(op->slice, slice), "kind",
                           op_kind_name(op->kind), "breaks", (json_int_t)op->n_breaks, "makes",
                           (json_int_t)op->n_makes, "took_ms",
                           (json_int_t)(op->finished.ms - op->created.ms), "reason", op->reason));
}

/* ---------------------------------------------------------------- the end -- */

/* Rule 5. */
static void leave_liens(struct model *m, const struct op *op, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < op->n_breaks; i++) {
        const struct tpunet_xc *xc = &op->breaks[i];
        uint8_t state = op->part[xc->ocs].state;
        bool unknown = state == PART_SKIPPED;
        bool still_there = m->ocs[xc->ocs].north[xc->north].seen == xc->south;
        if (state != PART_DONE && (unknown || still_there)) {
            liens_hold(m, *xc, op->slice, now, out);
        }
    }
}

/* The slices whose lost circuits an operation put back hear of it. */
static void tell_restored(struct model *m, const struct op *op, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        bool touched = false;
        for (size_t k = 0; k < op->n_makes && !touched; k++) {
            const struct tpunet_xc *xc = &op->makes[k];
            touched = id_compare(m->ocs[xc->ocs].north[xc->north].slice, slice->id) == 0;
        }
        if (touched) {
            bringup_circuits_moved(m, slice, now, out);
        }
    }
}

/* Drops the oldest finished operations beyond what is kept. */
static void prune(struct model *m, struct outbox *out)
{
    for (size_t i = 0; m->n_ops > MODEL_OPS_KEPT && i < m->n_ops;) {
        struct id id = m->ops[i]->id;
        if (m->ops[i]->state == OP_OPEN) {
            i++;
            continue;
        }
        model_remove_op(m, id);
        emit_op(out, id);
    }
}

/* Rule 4. */
static void end_op(struct model *m, struct op *op, struct now now, struct outbox *out)
{
    struct slice *slice = op->kind == OP_RESTORE ? NULL : model_slice(m, op->slice);

    assert(op->open_parts == 0 && op->state == OP_OPEN);
    assert((slice == NULL) == (op->kind == OP_RESTORE));
    op->state = op->reason[0] == '\0' ? OP_DONE : OP_FAILED;
    op->finished = now.wall;
    emit_op(out, op->id);
    tell_end(m, op, now, out);
    leave_liens(m, op, now, out);
    if (slice == NULL) {
        tell_restored(m, op, now, out);
    } else {
        slice->op = (struct id){0};
        model_free_departed(m, slice);
        slices_op_ended(m, slice, op, now, out);
    }
    switches_quarantine(m, now, out); /* of what a slice has left standing */
    liens_tick(m, now, out);
    prune(m, out);
}

/* ------------------------------------------------------------------ start -- */

static void send_part(struct op *op, uint16_t ocs, struct outbox *out)
{
    struct effect *effect = emit_effect(out, EFFECT_OCS_APPLY);

    effect->id = op->id;
    effect->ocs = ocs;
    op->part[ocs].retry_at = (struct mono_ns){0};
}

static struct op *op_create(struct model *m, enum op_kind kind, struct id slice, struct now now)
{
    struct op *op = xcalloc(1, sizeof *op);

    op->id = model_new_id(m);
    op->slice = slice;
    op->kind = kind;
    op->created = now.wall;
    return op;
}

/* From here on it is on record, and each switch is told after the commit. */
static void op_start(struct model *m, struct op *op, struct now now, struct outbox *out)
{
    model_plan_parts(m, op);
    model_add_op(m, op);
    emit_op(out, op->id);
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        if (op->part[o].state == PART_PENDING) {
            send_part(op, o, out);
        }
    }
    if (op->open_parts == 0) {
        end_op(m, op, now, out);
    }
}

static void open_for_slice(struct model *m, struct slice *slice, enum op_kind kind, struct now now,
                           struct outbox *out)
{
    struct op *op = op_create(m, kind, slice->id, now);
    struct tpunet_xc *wanted = NULL;
    size_t n = 0;

    assert(id_is_none(slice->op));
    if (kind != OP_RELEASE) {
        int status = tpunet_intent_xcs(slice->intent, m->pod->wiring, &wanted, &n, NULL);
        assert(status == 0); /* the intent was checked when it was made */
    }
    plan_slice(m, op, wanted, n, out);
    free(wanted);
    if (kind == OP_RECONFIGURE) {
        model_keep_departing(m, op);
    }
    slice->op = op->id;
    emit_slice(out, slice->id);
    op_start(m, op, now, out);
}

void ops_program(struct model *m, struct slice *slice, struct now now, struct outbox *out)
{
    open_for_slice(m, slice, OP_PROGRAM, now, out);
}

void ops_reconfigure(struct model *m, struct slice *slice, struct tpunet_intent *to, struct now now,
                     struct outbox *out)
{
    model_change_intent(m, slice, to);
    open_for_slice(m, slice, OP_RECONFIGURE, now, out);
}

void ops_release(struct model *m, struct slice *slice, struct now now, struct outbox *out)
{
    open_for_slice(m, slice, OP_RELEASE, now, out);
}

void ops_restore(struct model *m, uint16_t ocs, struct now now, struct outbox *out)
{
    struct op plan = {.kind = OP_RESTORE};

    plan_restore(m, &plan, ocs);
    if (plan.n_breaks + plan.n_makes == 0) {
        return;
    }
    for (size_t i = 0; i < plan.n_makes; i++) {
        bringup_lost(model_slice(m, m->ocs[ocs].north[plan.makes[i].north].slice), out);
    }
    struct op *op = op_create(m, OP_RESTORE, (struct id){0}, now);
    op->breaks = plan.breaks;
    op->n_breaks = plan.n_breaks;
    op->makes = plan.makes;
    op->n_makes = plan.n_makes;
    op_start(m, op, now, out);
}

struct id ops_break(struct model *m, struct tpunet_xc *breaks, size_t n, struct now now,
                    struct outbox *out)
{
    struct op *op = op_create(m, OP_RESTORE, (struct id){0}, now);
    struct id id = op->id;

    op->breaks = breaks;
    op->n_breaks = n;
    op_start(m, op, now, out);
    return id;
}

/* ------------------------------------------------------------ send again -- */

/* True if there is more to break than it knew. */
static bool plan_anew(struct model *m, struct op *op, uint16_t ocs, struct outbox *out)
{
    bool changed = plan_again(m, op, ocs);

    if (changed && op->kind == OP_RECONFIGURE) {
        model_keep_departing(m, op);
    }
    if (changed) {
        emit_op(out, op->id);
    }
    return changed;
}

/* 75 % to 125 % of the pause, by chance that is the same in every run. */
static int64_t retry_pause_ns(const struct op *op, uint16_t ocs, unsigned attempts)
{
    uint64_t mixed = (op->id.epoch * 0x9E3779B97F4A7C15U + op->id.seq) * 0xD1342543DE82EF95U +
                     ocs * 0x2545F4914F6CDD1DU + attempts;
    int64_t pause_ns = (int64_t)RETRY_MS * 1000000 << (attempts - 1);

    return pause_ns * 3 / 4 + (int64_t)((mixed >> 33) % (uint64_t)(pause_ns / 2));
}

void ops_tick(struct model *m, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        struct op *op = m->ops[i];
        if (op->state == OP_OPEN && op->open_parts == 0) {
            end_op(m, op, now, out); /* loaded, after all of it was struck (plan_again()) */
            i = (size_t)-1;
            continue;
        }
        for (uint16_t o = 0; op->state == OP_OPEN && o < TPUNET_OCSES; o++) {
            struct op_part *part = &op->part[o];
            if (part->state == PART_PENDING && part->retry_at.ns != 0 &&
                part->retry_at.ns <= now.mono.ns) {
                send_part(op, o, out);
            }
        }
    }
}

void ops_resend(struct model *m, uint16_t ocs, bool lost_power, struct outbox *out)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        struct op *op = m->ops[i];
        if (op->state != OP_OPEN || op->part[ocs].state != PART_PENDING) {
            continue;
        }
        bool changed = plan_anew(m, op, ocs, out);
        if (changed || lost_power) { /* what it did under the old id is gone */
            op->part[ocs].wire = model_new_id(m);
        }
        send_part(op, ocs, out);
    }
}

/* Rule 6. */
void ops_skip(struct model *m, uint16_t ocs, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        struct op *op = m->ops[i];
        if (op->state != OP_OPEN || op->part[ocs].state != PART_PENDING) {
            continue;
        }
        op->part[ocs].state = PART_SKIPPED;
        op->open_parts--;
        if (op->open_parts == 0) {
            end_op(m, op, now, out);
            i = (size_t)-1; /* ending one may open or drop others */
        }
    }
}

/* ------------------------------------------------------------- read back -- */

/* What a part's read-back says against it. */
struct findings {
    char why[sizeof((struct op *)0)->reason]; /* of the first, "" = it holds */
    struct tpunet_ocs_port suspects[2 * MODEL_PORTS_MAX];
    size_t n_suspects;
    bool stuck; /* the port that the switch names is the operation's */
};

static void blame(struct findings *f, uint16_t ocs, uint8_t side, uint16_t port)
{
    if (f->n_suspects < ARRAY_LEN(f->suspects)) {
        f->suspects[f->n_suspects++] = (struct tpunet_ocs_port){ocs, side, port};
    }
}

static void judge_break(const struct ocs *ocs, const struct tpunet_xc *xc, const char *word,
                        struct findings *f)
{
    if (ocs->north[xc->north].seen == xc->south && f->why[0] == '\0') {
        (void)snprintf(f->why, sizeof f->why, "ocs/%u north %u to south %u is still connected: %s",
                       xc->ocs, xc->north, xc->south, word);
    }
}

/* Too dim a circuit may be the fault of either port. */
static void judge_make(const struct model *m, const struct tpunet_xc *xc, const char *word,
                       struct findings *f)
{
    const struct ocs *ocs = &m->ocs[xc->ocs];
    const struct circuit *circuit = &ocs->north[xc->north];

    if (circuit->seen != xc->south) {
        if (f->why[0] == '\0') {
            (void)snprintf(f->why, sizeof f->why, "ocs/%u north %u to south %u did not connect: %s",
                           xc->ocs, xc->north, xc->south, word);
        }
    } else if (ocs->supports_light && !(circuit->loss_db <= (float)m->pod->loss_db_max)) {
        if (f->why[0] == '\0') {
            (void)snprintf(f->why, sizeof f->why,
                           "ocs/%u north %u to south %u loses %.1f dB, at most %.1f is good: "
                           "port/%u-n-%u or port/%u-s-%u is dark or dirty",
                           xc->ocs, xc->north, xc->south, (double)circuit->loss_db,
                           m->pod->loss_db_max, xc->ocs, xc->north, xc->ocs, xc->south);
        }
        blame(f, xc->ocs, TPUNET_NORTH, xc->north);
        blame(f, xc->ocs, TPUNET_SOUTH, xc->south);
    }
}

/* What an agent says of others is no news of this operation. */
static bool names_port(struct stretch xcs, bool south, uint16_t port)
{
    bool found = false;

    for (size_t i = 0; i < xcs.n && !found; i++) {
        found = port == (south ? xcs.first[i].south : xcs.first[i].north);
    }
    return found;
}

/* Rule 2. */
static void judge_part(const struct model *m, const struct op *op, uint16_t number,
                       const struct ocs_op_result *result, struct findings *f)
{
    struct stretch makes = of_switch(op->makes, op->n_makes, number);
    struct stretch breaks = of_switch(op->breaks, op->n_breaks, number);
    const char *word = result->done ? "the switch says it is" : result->text;

    f->why[0] = '\0';
    f->n_suspects = 0;
    f->stuck = false;
    for (size_t i = 0; i < breaks.n; i++) {
        judge_break(&m->ocs[number], &breaks.first[i], word, f);
    }
    for (size_t i = 0; i < makes.n; i++) {
        if (!drains_avoid(m, makes.first[i])) { /* drained meanwhile: nobody asked for it */
            judge_make(m, &makes.first[i], word, f);
        }
    }
    bool its = names_port(makes, result->south, result->port) ||
               names_port(breaks, result->south, result->port);
    if (f->why[0] != '\0' && !result->done && result->mirror_fault && its &&
        result->port < m->pod->ports_per_side) {
        blame(f, number, result->south ? TPUNET_SOUTH : TPUNET_NORTH, result->port);
        f->stuck = true;
    }
}

/* Rule 3.  True if that is news of a port. */
static bool suspect(struct model *m, const struct findings *f, struct now now, struct outbox *out)
{
    size_t before = m->n_faults;

    for (size_t i = 0; i < f->n_suspects; i++) {
        faults_suspect(m, f->suspects[i], f->why, now, out);
    }
    return m->n_faults > before;
}

static void try_again(struct model *m, struct op *op, uint16_t number, struct now now,
                      struct outbox *out)
{
    struct op_part *part = &op->part[number];
    unsigned doublings = part->attempts < OP_ATTEMPTS ? part->attempts : OP_ATTEMPTS - 1;

    (void)plan_anew(m, op, number, out);
    part->wire = model_new_id(m);
    part->retry_at.ns = now.mono.ns + retry_pause_ns(op, number, doublings);
}

static void end_part(struct model *m, struct op *op, uint16_t number, enum part_state state,
                     struct now now, struct outbox *out)
{
    op->part[number].state = (uint8_t)state;
    op->open_parts--;
    if (op->open_parts == 0) {
        end_op(m, op, now, out);
    }
}

static void take_result(struct model *m, struct op *op, uint16_t number,
                        const struct ocs_op_result *result, struct now now, struct outbox *out)
{
    struct op_part *part = &op->part[number];
    struct findings f;

    judge_part(m, op, number, result, &f);
    if (f.why[0] == '\0') {
        end_part(m, op, number, PART_DONE, now, out);
        return;
    }
    bool first = part->attempts++ == 0;
    if (!first && op->reason[0] == '\0') {
        memcpy(op->reason, f.why, sizeof op->reason);
    }
    bool news = !first && suspect(m, &f, now, out);
    if (news && f.stuck) {
        struct tpunet_ocs_port port = {number, result->south ? TPUNET_SOUTH : TPUNET_NORTH,
                                       result->port};
        remedy_stuck(m, port, now);
    }
    if (part->attempts < OP_ATTEMPTS || news) {
        try_again(m, op, number, now, out);
    } else {
        end_part(m, op, number, PART_FAILED, now, out);
    }
}

void ops_applied(struct model *m, struct event *ev, struct outbox *out)
{
    uint16_t number = ev->applied.ocs;
    struct ocs *ocs = &m->ocs[number];

    ocs->generation = ev->applied.identity.generation;
    for (size_t i = 0; i < ev->applied.n_results; i++) {
        const struct ocs_op_result *result = &ev->applied.results[i];
        switches_saw(ocs, result->seen, result->n_seen, ev->now.wall);
    }
    for (size_t i = 0; i < ev->applied.n_results; i++) {
        const struct ocs_op_result *result = &ev->applied.results[i];
        struct op *op = model_op(m, result->op);
        if (op != NULL && op->state == OP_OPEN && op->part[number].state == PART_PENDING) {
            take_result(m, op, number, result, ev->now, out);
        } /* else an answer to a repeated question */
    }
    liens_settle(m, number, out);
    switches_quarantine(m, ev->now, out);
}
