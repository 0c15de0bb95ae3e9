/* Operations on the switches: the intent of one slice, sent to every switch
 * that it concerns, judged by what is read back.
 *
 *   1. The intent is in the model (and durable with this batch) before any
 *      switch is told (D6).
 *   2. A part is done when the read-back shows every make with light within
 *      the loss threshold and no break any more, whatever the switch's word:
 *      so a replay after a lost answer ends the same way.
 *   3. An operation ends when all its parts have; it failed if one did, and its
 *      reason names the switch, the port and what was seen.
 *   4. Circuits that were broken are forgotten only when their operation is
 *      done (A8).
 *   5. A port that a make needs and that holds a circuit nobody intended is
 *      freed by the same operation; other foreign circuits are not touched.
 *   6. While a restored backup cannot explain what the switches show, no
 *      foreign circuit is broken: it may be of a slice made since the backup.
 */
#include "core/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

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

static void owned_circuits(const struct model *m, struct id slice, struct tpunet_xc **out,
                           size_t *n)
{
    size_t cap = 0;

    *out = NULL;
    *n = 0;
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        for (unsigned p = 0; p < m->pod->ports_per_side; p++) {
            const struct circuit *circuit = &m->ocs[o].north[p];
            if (circuit->south != TPUNET_NONE && id_compare(circuit->slice, slice) == 0) {
                VEC_GROW(*out, *n, cap);
                (*out)[(*n)++] = (struct tpunet_xc){
                    .ocs = (uint16_t)o, .north = (uint16_t)p, .south = circuit->south};
            }
        }
    }
}

static void send_part(struct outbox *out, const struct op *op, uint16_t ocs)
{
    struct effect *effect = emit_effect(out, EFFECT_OCS_APPLY);
    effect->id = op->id;
    effect->ocs = ocs;
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

/* The slices whose lost circuits an operation put back hear of it once no
 * switch misses any of theirs. */
static void tell_restored(struct model *m, const struct op *op, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        bool touched = false, whole = true;
        for (size_t k = 0; k < op->n_makes && !touched; k++) {
            const struct tpunet_xc *xc = &op->makes[k];
            touched = id_compare(m->ocs[xc->ocs].north[xc->north].slice, slice->id) == 0;
        }
        for (unsigned o = 0; touched && whole && o < TPUNET_OCSES; o++) {
            for (unsigned p = 0; whole && p < m->pod->ports_per_side; p++) {
                const struct circuit *circuit = &m->ocs[o].north[p];
                whole =
                    id_compare(circuit->slice, slice->id) != 0 || circuit->south == circuit->seen;
            }
        }
        if (touched && whole) {
            slices_restored(m, slice, out);
        }
    }
}

/* Rule 3; also drops the oldest finished operations beyond what is kept. */
static void end_op(struct model *m, struct op *op, struct now now, struct outbox *out)
{
    struct slice *slice = op->kind == OP_RESTORE ? NULL : model_slice(m, op->slice);

    assert(op->open_parts == 0 && op->state == OP_OPEN);
    assert((slice == NULL) == (op->kind == OP_RESTORE));
    op->state = op->reason[0] == '\0' ? OP_DONE : OP_FAILED;
    op->finished = now.wall;
    emit_op(out, op->id);
    tell_end(m, op, now, out);
    for (size_t i = 0; op->state == OP_DONE && op->kind == OP_RELEASE && i < op->n_breaks; i++) {
        model_forget(m, op->breaks[i]);
        emit_circuit(out, op->breaks[i]);
    }
    if (slice == NULL) {
        tell_restored(m, op, out);
    } else {
        slice->op = (struct id){0};
        slices_op_ended(m, slice, op, now, out);
    }

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

/* One circuit can be in the way twice, by its north and by its south port. */
static size_t drop_repeats(struct tpunet_xc *xcs, size_t n)
{
    size_t kept = 1;

    for (size_t i = 1; i < n; i++) {
        if (tpunet_xc_compare(&xcs[kept - 1], &xcs[i]) != 0) {
            xcs[kept++] = xcs[i];
        }
    }
    return kept;
}

/* A circuit that nobody intended on one of the two ports. */
static bool is_in_the_way(const struct ocs *ocs, uint16_t north, const struct tpunet_xc *make)
{
    uint16_t south = ocs->north[north].seen;

    return south != TPUNET_NONE && south != ocs->north[north].south &&
           (north == make->north || south == make->south);
}

/* Rule 6. */
static bool must_wait(const struct model *m, const struct tpunet_xc *make)
{
    bool found = false;

    for (uint16_t p = 0; m->restored && !found && p < MODEL_PORTS_MAX; p++) {
        found = is_in_the_way(&m->ocs[make->ocs], p, make);
    }
    return found;
}

/* Rule 5: appends the circuits in the way of the makes, sorted. */
static void add_obstacles(const struct model *m, struct op *op)
{
    size_t cap = op->n_breaks;

    for (size_t i = 0; i < op->n_makes && !m->restored; i++) {
        const struct tpunet_xc *make = &op->makes[i];
        const struct ocs *ocs = &m->ocs[make->ocs];
        for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
            if (is_in_the_way(ocs, p, make)) {
                VEC_GROW(op->breaks, op->n_breaks, cap);
                op->breaks[op->n_breaks++] = (struct tpunet_xc){make->ocs, p, ocs->north[p].seen};
            }
        }
    }
    if (op->n_breaks > 1) {
        qsort(op->breaks, op->n_breaks, sizeof *op->breaks, tpunet_xc_compare);
        op->n_breaks = drop_repeats(op->breaks, op->n_breaks);
    }
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
    op_plan_parts(op);
    model_add_op(m, op);
    emit_op(out, op->id);
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        if (op->part[o] == PART_PENDING) {
            send_part(out, op, o);
        }
    }
    if (op->open_parts == 0) {
        end_op(m, op, now, out);
    }
}

static bool is_being_made(const struct model *m, struct tpunet_xc xc)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        const struct op *op = m->ops[i];
        if (op->state == OP_OPEN && op->part[xc.ocs] == PART_PENDING && op->n_makes > 0 &&
            bsearch(&xc, op->makes, op->n_makes, sizeof xc, tpunet_xc_compare) != NULL) {
            return true;
        }
    }
    return false;
}

void ops_restore(struct model *m, uint16_t number, struct now now, struct outbox *out)
{
    const struct ocs *ocs = &m->ocs[number];
    struct tpunet_xc *missing = NULL;
    size_t n = 0, cap = 0;

    for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
        const struct circuit *circuit = &ocs->north[p];
        struct tpunet_xc xc = {number, p, circuit->south};
        const struct slice *slice = model_slice(m, circuit->slice);
        if (circuit->south != TPUNET_NONE && !circuit->breaking &&
            circuit->seen != circuit->south && slice != NULL && slice->state != SLICE_FAILED &&
            !is_being_made(m, xc) && !must_wait(m, &xc)) {
            VEC_GROW(missing, n, cap);
            missing[n++] = xc;
        }
    }
    if (n == 0) {
        return;
    }
    struct op *op = op_create(m, OP_RESTORE, (struct id){0}, now);
    op->makes = missing;
    op->n_makes = n;
    add_obstacles(m, op);
    op_start(m, op, now, out);
}

void ops_open(struct model *m, struct slice *slice, enum op_kind kind, struct now now,
              struct outbox *out)
{
    struct op *op = op_create(m, kind, slice->id, now);

    assert(id_is_none(slice->op) && kind != OP_RESTORE);
    if (kind == OP_PROGRAM) {
        int status =
            tpunet_intent_xcs(slice->intent, m->pod->wiring, &op->makes, &op->n_makes, NULL);
        assert(status == 0); /* the intent was checked when it was made */
        for (size_t i = 0; i < op->n_makes; i++) {
            model_intend(m, op->makes[i], slice->id);
            emit_circuit(out, op->makes[i]);
        }
        add_obstacles(m, op);
    } else {
        owned_circuits(m, slice->id, &op->breaks, &op->n_breaks);
        for (size_t i = 0; i < op->n_breaks; i++) {
            model_breaking(m, op->breaks[i]);
            emit_circuit(out, op->breaks[i]);
        }
    }
    slice->op = op->id;
    emit_slice(out, slice->id);
    op_start(m, op, now, out);
}

void ops_resend(struct model *m, uint16_t ocs, struct outbox *out)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        if (m->ops[i]->state == OP_OPEN && m->ops[i]->part[ocs] == PART_PENDING) {
            send_part(out, m->ops[i], ocs);
        }
    }
}

/* Rule 2.  False with a reason if the read-back contradicts the intent. */
static bool part_holds(const struct model *m, const struct op *op, uint16_t number,
                       const char *word, char *why, size_t why_size)
{
    const struct ocs *ocs = &m->ocs[number];
    struct stretch makes = of_switch(op->makes, op->n_makes, number);
    struct stretch breaks = of_switch(op->breaks, op->n_breaks, number);

    for (size_t i = 0; i < breaks.n; i++) {
        const struct tpunet_xc *xc = &breaks.first[i];
        if (ocs->north[xc->north].seen == xc->south) {
            (void)snprintf(why, why_size, "ocs/%u north %u to south %u is still connected: %s",
                           number, xc->north, xc->south, word);
            return false;
        }
    }
    for (size_t i = 0; i < makes.n; i++) {
        const struct tpunet_xc *xc = &makes.first[i];
        const struct circuit *circuit = &ocs->north[xc->north];
        if (circuit->seen != xc->south) {
            (void)snprintf(why, why_size, "ocs/%u north %u to south %u did not connect: %s", number,
                           xc->north, xc->south, word);
            return false;
        }
        if (ocs->supports_light && !(circuit->loss_db <= (float)m->pod->loss_db_max)) {
            (void)snprintf(why, why_size,
                           "ocs/%u north %u to south %u loses %.1f dB, at most %.1f is good: "
                           "port/%u-n-%u or port/%u-s-%u is dark or dirty",
                           number, xc->north, xc->south, (double)circuit->loss_db,
                           m->pod->loss_db_max, number, xc->north, number, xc->south);
            return false;
        }
    }
    return true;
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
        char why[sizeof op->reason];

        if (op == NULL || op->state != OP_OPEN || op->part[number] != PART_PENDING) {
            continue; /* an answer to a repeated question */
        }
        if (part_holds(m, op, number, result->done ? "the switch says it is" : result->text, why,
                       sizeof why)) {
            op->part[number] = PART_DONE;
        } else {
            op->part[number] = PART_FAILED;
            if (op->reason[0] == '\0') {
                memcpy(op->reason, why, sizeof op->reason);
            }
        }
        op->open_parts--;
        if (op->open_parts == 0) {
            end_op(m, op, ev->now, out);
        }
    }
}
