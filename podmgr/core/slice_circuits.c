/* The circuits of one slice: which stand, have light or are dead, and which its routes go
 * around. */
#include <assert.h>

#include "core/internal.h"
#include "mem.h"

static bool is_of(const struct model *m, struct tpunet_xc xc, const struct slice *slice)
{
    const struct circuit *circuit = &m->ocs[xc.ocs].north[xc.north];

    return circuit->south != TPUNET_NONE && id_compare(circuit->slice, slice->id) == 0;
}

bool slice_each_circuit(const struct model *m, const struct slice *slice, circuit_fn *each,
                        void *arg)
{
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
            struct tpunet_xc xc = {o, p, m->ocs[o].north[p].south};
            if (is_of(m, xc, slice) && !each(m, xc, arg)) {
                return false;
            }
        }
    }
    return true;
}

bool slice_circuit_stands(const struct model *m, struct tpunet_xc xc, void *arg)
{
    (void)arg;
    return m->ocs[xc.ocs].north[xc.north].seen == xc.south || model_circuit_dead(m, xc);
}

/* A circuit that stood before it was intended has been judged by nobody. */
static bool is_lit(const struct model *m, struct tpunet_xc xc, void *arg)
{
    const struct ocs *ocs = &m->ocs[xc.ocs];
    bool lit = !ocs->supports_light || model_circuit_dead(m, xc) ||
               ocs->north[xc.north].loss_db <= (float)m->pod->loss_db_max;

    if (!lit) {
        *(struct tpunet_xc *)arg = xc;
    }
    return lit;
}

bool slice_is_whole(const struct model *m, const struct slice *slice)
{
    return slice_each_circuit(m, slice, slice_circuit_stands, NULL);
}

bool slice_is_dim(const struct model *m, const struct slice *slice, struct tpunet_xc *dim)
{
    return !slice_each_circuit(m, slice, is_lit, dim);
}

struct dead_list {
    struct chip_port *out;
    size_t n, max;
};

static bool collect_dead(const struct model *m, struct tpunet_xc xc, void *arg)
{
    struct dead_list *list = arg;
    struct tpunet_ocs_port north = {xc.ocs, TPUNET_NORTH, xc.north};

    if (model_circuit_dead(m, xc) && list->n < list->max) {
        bool wired = model_chip_port(m, north, &list->out[list->n++]);
        assert(wired); /* it is of a cube of the slice */
    }
    return true;
}

size_t core_dead_links(const struct model *m, const struct slice *slice, struct chip_port *out,
                       size_t max)
{
    struct dead_list list = {.out = out, .max = max};

    (void)slice_each_circuit(m, slice, collect_dead, &list);
    return list.n;
}

static bool add_dead(const struct model *m, struct tpunet_xc xc, void *arg)
{
    struct circuit_set *set = arg;

    if (model_circuit_dead(m, xc)) {
        circuit_set_add(set, xc.ocs, xc.north);
    }
    return true;
}

void slice_find_dead(const struct model *m, const struct slice *slice, struct circuit_set *out)
{
    *out = (struct circuit_set){0};
    (void)slice_each_circuit(m, slice, add_dead, out);
}

static unsigned count_both(const struct circuit_set *a, const struct circuit_set *b)
{
    unsigned n = 0;

    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        for (unsigned i = 0; i < ARRAY_LEN(a->at[o]); i++) {
            n += (unsigned)__builtin_popcountll(a->at[o][i] & b->at[o][i]);
        }
    }
    return n;
}

void slice_go_around(const struct model *m, struct slice *slice)
{
    slice_find_dead(m, slice, &slice->around);
    slice->dead_links = (uint16_t)count_both(&slice->around, &slice->around);
}

bool slice_goes_around(const struct model *m, const struct slice *slice, struct tpunet_xc xc)
{
    return circuit_set_has(&slice->around, xc.ocs, xc.north) && model_circuit_dead(m, xc);
}

bool slice_is_without(const struct model *m, const struct slice *slice, struct tpunet_xc xc)
{
    return slice->state == SLICE_ACTIVE_DEGRADED && slice_goes_around(m, slice, xc);
}

bool slice_has_some_back(const struct model *m, const struct slice *slice)
{
    struct circuit_set dead;

    if (slice->dead_links == 0) {
        return false; /* asked of every slice at every look */
    }
    slice_find_dead(m, slice, &dead);
    return slice->dead_links > count_both(&dead, &slice->around);
}
