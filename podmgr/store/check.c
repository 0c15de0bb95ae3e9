/* What the tables say of each other, once all of them are loaded. */
#include <stdio.h>
#include <stdlib.h>

#include "store/sqlite_util.h"

/* A slice that serves is intended whole: what is not would not be put back after a loss,
 * and be taken for a circuit of nobody. */
static int check_whole(const struct store *store, const struct model *m, struct error *err)
{
    int status = 0;

    for (size_t i = 0; i < m->n_slices && status == 0; i++) {
        const struct slice *slice = m->slices[i];
        struct tpunet_xc *xcs = NULL;
        size_t n = 0;
        if (!slice_serves(slice) || !id_is_none(slice->op)) {
            continue;
        }
        if (tpunet_intent_xcs(slice->intent, m->pod->wiring, &xcs, &n, NULL) < 0) {
            status = store_contradiction(store, err, "slices", slice->id, "its intent is none");
        }
        for (size_t k = 0; k < n && status == 0; k++) {
            const struct circuit *circuit = &m->ocs[xcs[k].ocs].north[xcs[k].north];
            if (circuit->south != xcs[k].south || id_compare(circuit->slice, slice->id) != 0) {
                char what[96];
                (void)snprintf(what, sizeof what,
                               "its circuit ocs/%u north %u to south %u is missing", xcs[k].ocs,
                               xcs[k].north, xcs[k].south);
                status = store_contradiction(store, err, "circuits", slice->id, what);
            }
        }
        free(xcs);
    }
    return status;
}

/* The other direction of what load.c checks. */
static int check_open_ops(const struct store *store, const struct model *m, struct error *err)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        const struct slice *slice = m->slices[i];
        const struct op *op = model_op(m, slice->op);
        if (!id_is_none(slice->op) && (op == NULL || op->state != OP_OPEN)) {
            return store_contradiction(store, err, "slices", slice->id,
                                       "its operation is not open");
        }
    }
    return 0;
}

int store_check_slices(const struct store *store, const struct model *m, struct error *err)
{
    int status = check_whole(store, m, err);

    return status == 0 ? check_open_ops(store, m, err) : status;
}
