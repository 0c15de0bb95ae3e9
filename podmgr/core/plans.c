/* Plans: which circuits an operation breaks and which it makes.
 *
 *   1. On behalf of a slice: from the circuits that it is to have and those
 *      that are intended for it, the smallest difference (D3).  What is wanted,
 *      intended and not seen is made, too: the attempt before this one failed.
 *      What is dead is intended, and made once it is good again (rule 4).
 *   2. A port that a make needs, or that a RELEASE leaves behind, and that holds
 *      a circuit nobody intended is freed by the same operation (A8); other
 *      foreign circuits are not touched.
 *   3. While a restored backup cannot explain what the switches show, no
 *      foreign circuit is broken: it may be of a slice made since the backup.
 *   4. RESTORE makes what is intended and not seen, and breaks what stands on a
 *      port with a lien, on one switch.  Nothing is made over a SUSPECT port, so
 *      that a mirror that does not move is not asked for ever.  A circuit that is
 *      intended no more, or anew, is withdrawn from a RESTORE that is still open.
 */
#include <assert.h>
#include <stdlib.h>

#include "core/internal.h"
#include "mem.h"

/* A growing list of circuits. */
struct xcs {
    struct tpunet_xc *list;
    size_t n, cap;
};

static void add(struct xcs *xcs, struct tpunet_xc xc)
{
    VEC_GROW(xcs->list, xcs->n, xcs->cap);
    xcs->list[xcs->n++] = xc;
}

/* Sorts them and leaves each once: a circuit can be in the way twice. */
static void tidy(struct xcs *xcs)
{
    size_t kept = 0;

    if (xcs->n > 0) {
        qsort(xcs->list, xcs->n, sizeof *xcs->list, tpunet_xc_compare);
    }
    for (size_t i = 0; i < xcs->n; i++) {
        if (i == 0 || tpunet_xc_compare(&xcs->list[kept - 1], &xcs->list[i]) != 0) {
            xcs->list[kept++] = xcs->list[i];
        }
    }
    xcs->n = kept;
}

static bool is_planned(const struct tpunet_xc *xcs, size_t n, struct tpunet_xc xc)
{
    return n > 0 && bsearch(&xc, xcs, n, sizeof xc, tpunet_xc_compare) != NULL;
}

static void circuits_of(const struct model *m, struct id slice, struct xcs *out)
{
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
            const struct circuit *circuit = &m->ocs[o].north[p];
            if (circuit->south != TPUNET_NONE && id_compare(circuit->slice, slice) == 0) {
                add(out, (struct tpunet_xc){o, p, circuit->south});
            }
        }
    }
}

/* A circuit that nobody intended on one of the two ports. */
static bool is_in_the_way(const struct ocs *ocs, uint16_t north, const struct tpunet_xc *wanted)
{
    uint16_t south = ocs->north[north].seen;

    return south != TPUNET_NONE && south != ocs->north[north].south &&
           (north == wanted->north || south == wanted->south);
}

/* Rules 2 and 3. */
static void add_obstacles(const struct model *m, const struct tpunet_xc *xcs, size_t n,
                          struct xcs *breaks)
{
    for (size_t i = 0; i < n && !m->restored; i++) {
        const struct ocs *ocs = &m->ocs[xcs[i].ocs];
        for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
            if (is_in_the_way(ocs, p, &xcs[i])) {
                add(breaks, (struct tpunet_xc){xcs[i].ocs, p, ocs->north[p].seen});
            }
        }
    }
}

static void take_lists(struct op *op, struct xcs *breaks, struct xcs *makes)
{
    tidy(breaks);
    tidy(makes);
    op->breaks = breaks->list;
    op->n_breaks = breaks->n;
    op->makes = makes->list;
    op->n_makes = makes->n;
}

/* What a switch that answers does not show, and nobody is making, is down. */
static bool may_stand(const struct model *m, struct tpunet_xc xc)
{
    const struct ocs *ocs = &m->ocs[xc.ocs];

    return ocs->state != OCS_STATE_REACHABLE || ocs->north[xc.north].seen == xc.south ||
           plan_is_open(m, xc, true);
}

/* A list of circuits without those of another; true if it became shorter. */
static bool strike(struct tpunet_xc *list, size_t *n, const struct tpunet_xc *out, size_t n_out)
{
    size_t kept = 0, before = *n;

    for (size_t i = 0; i < before; i++) {
        if (!is_planned(out, n_out, list[i])) {
            list[kept++] = list[i];
        }
    }
    *n = kept;
    return kept < before;
}

/* Rule 4.  What is withdrawn may be on its way already: the switch hears of the
 * rest under another id, and of what the slice wants after it. */
static void withdraw(struct model *m, const struct tpunet_xc *gone, size_t n_gone,
                     const struct tpunet_xc *fresh, size_t n_fresh, struct outbox *out)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        struct op *op = m->ops[i];
        if (op->kind != OP_RESTORE || op->state != OP_OPEN) {
            continue;
        }
        bool makes = strike(op->makes, &op->n_makes, gone, n_gone);
        bool breaks = strike(op->breaks, &op->n_breaks, fresh, n_fresh);
        for (uint16_t o = 0; (makes || breaks) && o < TPUNET_OCSES; o++) {
            if (op->part[o].state == PART_PENDING) {
                op->part[o].wire = model_new_id(m);
                emit_op(out, op->id);
            }
        }
    }
}

/* After a restore, what a slice of the backup had on a cube of which the database does not
 * know all may be of a slice made since: it stays, unexplained, for an operator to clear or
 * adopt. */
static bool may_be_anothers(const struct model *m, const struct op *op, struct tpunet_xc xc)
{
    uint16_t cubes[2];
    bool seen = m->ocs[xc.ocs].state == OCS_STATE_REACHABLE &&
                m->ocs[xc.ocs].north[xc.north].seen == xc.south;

    model_cubes_of(m, xc, cubes);
    return op->kind == OP_RELEASE && model_is_doubted(m, op->slice) && seen &&
           ((cubes[0] != TPUNET_NONE && m->cubes[cubes[0]].unexplained) ||
            (cubes[1] != TPUNET_NONE && m->cubes[cubes[1]].unexplained));
}

void plan_slice(struct model *m, struct op *op, const struct tpunet_xc *wanted, size_t n_wanted,
                struct outbox *out)
{
    struct xcs have = {0}, breaks = {0}, makes = {0};
    struct tpunet_xc *gone, *fresh;
    size_t n_gone, n_fresh;

    circuits_of(m, op->slice, &have);
    int status =
        tpunet_xc_diff(have.list, have.n, wanted, n_wanted, &gone, &n_gone, &fresh, &n_fresh);
    assert(status == 0);
    for (size_t i = 0; i < n_gone; i++) {
        model_forget(m, gone[i]);
        emit_circuit(out, gone[i]);
        if (may_stand(m, gone[i]) && !may_be_anothers(m, op, gone[i])) {
            add(&breaks, gone[i]);
        }
    }
    withdraw(m, gone, n_gone, fresh, n_fresh, out);
    for (size_t i = 0; i < n_fresh; i++) {
        model_intend(m, fresh[i], op->slice);
        emit_circuit(out, fresh[i]);
        if (!model_circuit_dead(m, fresh[i])) {
            add(&makes, fresh[i]); /* one that stands already is judged all the same (A5) */
        }
    }
    for (size_t i = 0; i < n_wanted; i++) { /* rule 1 */
        if (m->ocs[wanted[i].ocs].north[wanted[i].north].seen != wanted[i].south &&
            !model_circuit_dead(m, wanted[i])) {
            add(&makes, wanted[i]);
        }
    }
    add_obstacles(m, makes.list, makes.n, &breaks);
    if (op->kind == OP_RELEASE) {
        add_obstacles(m, gone, n_gone, &breaks);
    }
    take_lists(op, &breaks, &makes);
    free(have.list);
    free(gone);
    free(fresh);
}

bool plan_again(const struct model *m, struct op *op, uint16_t ocs)
{
    struct xcs breaks = {op->breaks, op->n_breaks, op->n_breaks};
    size_t before = op->n_breaks;

    for (size_t i = 0; i < op->n_makes; i++) {
        if (op->makes[i].ocs == ocs) {
            add_obstacles(m, &op->makes[i], 1, &breaks);
        }
    }
    tidy(&breaks);
    op->breaks = breaks.list;
    op->n_breaks = 0;
    for (size_t i = 0; i < breaks.n; i++) { /* its switch may have been silent until now */
        if (breaks.list[i].ocs != ocs || !may_be_anothers(m, op, breaks.list[i])) {
            op->breaks[op->n_breaks++] = breaks.list[i];
        }
    }
    return op->n_breaks != before;
}

bool plan_is_open(const struct model *m, struct tpunet_xc xc, bool made)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        const struct op *op = m->ops[i];
        if (op->state == OP_OPEN && op->part[xc.ocs].state == PART_PENDING &&
            is_planned(made ? op->makes : op->breaks, made ? op->n_makes : op->n_breaks, xc)) {
            return true;
        }
    }
    return false;
}

/* Rule 3. */
static bool must_wait(const struct model *m, const struct tpunet_xc *make)
{
    bool found = false;

    for (uint16_t p = 0; m->restored && !found && p < MODEL_PORTS_MAX; p++) {
        found = is_in_the_way(&m->ocs[make->ocs], p, make);
    }
    return found;
}

/* Rule 4. */
static bool is_lost(const struct model *m, struct tpunet_xc xc)
{
    const struct circuit *circuit = &m->ocs[xc.ocs].north[xc.north];
    const struct slice *slice = model_slice(m, circuit->slice);

    return circuit->south != TPUNET_NONE && circuit->seen != circuit->south && slice != NULL &&
           slice->state != SLICE_FAILED && !model_circuit_dead(m, xc) &&
           !plan_is_open(m, xc, true) && !must_wait(m, &xc);
}

static bool is_left_over(const struct model *m, struct tpunet_xc xc)
{
    return model_circuit_left(m, xc) && m->ocs[xc.ocs].north[xc.north].south != xc.south &&
           !model_circuit_dead(m, xc) && !plan_is_open(m, xc, false);
}

void plan_restore(const struct model *m, struct op *op, uint16_t number)
{
    const struct ocs *ocs = &m->ocs[number];
    struct xcs breaks = {0}, makes = {0};

    for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
        struct tpunet_xc intended = {number, p, ocs->north[p].south};
        struct tpunet_xc seen = {number, p, ocs->north[p].seen};
        if (is_lost(m, intended)) {
            add(&makes, intended);
        }
        if (seen.south != TPUNET_NONE && is_left_over(m, seen)) {
            add(&breaks, seen);
        }
    }
    add_obstacles(m, makes.list, makes.n, &breaks);
    take_lists(op, &breaks, &makes);
}
