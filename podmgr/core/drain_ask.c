/* What is true of a drain now: who uses the part, whether routes still lead over
 * it, what could take its place.  drain_rules.c decides on it; nothing here
 * changes anything. */
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "core/internal.h"
#include "mem.h"

/* The slice of an intended circuit whose routes may use it, or NULL. */
static const struct slice *user_of(const struct model *m, const struct drain *drain, uint16_t ocs,
                                   uint16_t north)
{
    const struct circuit *circuit = &m->ocs[ocs].north[north];
    struct tpunet_xc xc = {ocs, north, circuit->south};

    if (xc.south == TPUNET_NONE || !extent_has_circuit(&drain->extent, xc)) {
        return NULL;
    }
    const struct slice *slice = model_slice(m, circuit->slice);
    /* What is DRAINED stays gone around, whatever else is done to the slice. */
    bool kept = slice != NULL && drain->state == ADMIN_DRAINED && drain_avoids(drain, slice);
    bool around = slice == NULL || kept || id_compare(slice->id, drain->id) > 0 ||
                  slice_is_without(m, slice, xc);
    return around ? NULL : slice;
}

/* ------------------------------------------------------------ the slices -- */

struct asking {
    const struct model *m;
    const struct drain *drain;
    struct drain_slice *slices; /* as many as the model has */
    size_t n;
};

static struct drain_slice *entry_of(struct asking *a, const struct slice *slice)
{
    for (size_t i = 0; i < a->n; i++) {
        if (id_compare(a->slices[i].id, slice->id) == 0) {
            return &a->slices[i];
        }
    }
    struct drain_slice *entry = &a->slices[a->n++];
    *entry =
        (struct drain_slice){.id = slice->id,
                             .accepts_degraded = slice->spec.accept_degraded,
                             .busy = !id_is_none(slice->op) || slice->state == SLICE_ACTIVATING ||
                                     slice->state == SLICE_RECONFIGURING,
                             .failed = slice->state == SLICE_FAILED,
                             .leaving = slice->state == SLICE_DEACTIVATING};
    return entry;
}

static void take_cubes(struct asking *a)
{
    for (uint16_t c = 0; c < a->m->pod->n_cubes; c++) {
        const struct slice *slice =
            a->drain->extent.cubes[c] ? model_slice(a->m, a->m->cubes[c].owner) : NULL;
        if (slice != NULL) {
            struct drain_slice *entry = entry_of(a, slice);
            entry->cubes[entry->n_cubes++] = c;
        }
    }
}

/* Inside a cube all is copper, so it is the circuits between cubes that count, be they
 * those of a torus, twisted or not, or of another weave. */
bool drain_cuts(const struct slice *slice, uint64_t lost)
{
    const struct tpunet_intent *intent = slice->intent;
    const size_t n = intent->n_cubes;
    bool reached[MODEL_CUBES_MAX] = {true};
    size_t n_reached = 1, before = 0;

    while (n_reached != before) {
        before = n_reached;
        for (size_t i = 0; i < TPUNET_OCSES * n; i++) {
            bool *here = &reached[i % n], *there = &reached[intent->next[i]];
            if ((lost >> i / n & 1) == 0 && *here != *there) {
                *here = *there = true;
                n_reached++;
            }
        }
    }
    return n_reached < n;
}

static bool has_any_cube(const struct slice *slice, const struct extent *extent)
{
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        if (extent->cubes[slice->intent->cubes[i]]) {
            return true;
        }
    }
    return false;
}

/* One that takes no light along is between the slice and its cubes alone. */
static bool may_hold(const struct drain *d, const struct slice *slice)
{
    return d->order.mode == DRAIN_NOW && !drain_avoids(d, slice) &&
           (d->extent.ocs != 0 || d->extent.n_ports > 0);
}

const struct drain *drain_holds(const struct model *m, const struct slice *slice, struct id before,
                                uint64_t *lost)
{
    *lost = 0;
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        bool without = m->ocs[o].state == OCS_STATE_FAILED || drains_avoid_switch(m, o, slice);
        *lost |= (uint64_t)without << o;
    }
    for (size_t i = 0; i < m->n_drains && id_compare(m->drains[i]->id, before) < 0; i++) {
        const struct drain *d = m->drains[i];
        if (!may_hold(d, slice)) {
            continue;
        }
        if (has_any_cube(slice, &d->extent) || drain_cuts(slice, *lost | d->extent.ocs)) {
            return d;
        }
        *lost |= d->extent.ocs;
    }
    return NULL;
}

static void take_lit(struct asking *a, const struct slice *slice, struct drain_slice *entry)
{
    uint64_t lost;
    const struct drain *held = drain_holds(a->m, slice, a->drain->id, &lost);

    entry->light = true;
    entry->cut = drain_cuts(slice, lost | a->drain->extent.ocs);
    entry->behind = held != NULL ? held->id : (struct id){0};
}

static void take_light(struct asking *a)
{
    uint64_t switches = a->drain->extent.ocs;

    for (size_t i = 0; i < a->drain->extent.n_ports; i++) {
        switches |= UINT64_C(1) << a->drain->extent.ports[i].ocs;
    }
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        for (uint16_t p = 0; (switches >> o & 1) != 0 && p < a->m->pod->ports_per_side; p++) {
            const struct slice *slice = user_of(a->m, a->drain, o, p);
            struct drain_slice *entry = slice != NULL ? entry_of(a, slice) : NULL;
            if (entry != NULL && !entry->light) {
                take_lit(a, slice, entry);
            }
        }
    }
}

/* -------------------------------------------------------- what is left over -- */

size_t drain_spares(const struct model *m, const struct extent *extent,
                    uint16_t out[static MODEL_CUBES_MAX])
{
    size_t n = 0;

    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        if (!extent_holds_cube(m, extent, c) && model_cube_free(m, c, NULL, 0)) {
            out[n++] = (uint16_t)c;
        }
    }
    return n;
}

static bool has_any(const struct extent *e, const struct tpunet_xc *xcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (extent_has_circuit(e, xcs[i])) {
            return true;
        }
    }
    return false;
}

/* An operation that was begun may be at the mirrors at any moment. */
static struct id moving(const struct model *m, const struct drain *drain)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        const struct op *op = m->ops[i];
        bool pending = false;
        for (unsigned o = 0; op->state == OP_OPEN && o < TPUNET_OCSES && !pending; o++) {
            pending = op->part[o].state == PART_PENDING;
        }
        if (pending && (has_any(&drain->extent, op->breaks, op->n_breaks) ||
                        has_any(&drain->extent, op->makes, op->n_makes))) {
            return op->id;
        }
    }
    return (struct id){0};
}

void drain_ask(const struct model *m, const struct drain *drain, struct drain_steps *out)
{
    struct asking a = {.m = m, .drain = drain};
    uint16_t spares[MODEL_CUBES_MAX];
    char name[80];

    a.slices = xcalloc(m->n_slices + 1, sizeof *a.slices);
    take_cubes(&a);
    take_light(&a);
    struct drain_input in = {.mode = drain->order.mode,
                             .part = part_format(&drain->order.part, name),
                             .slices = a.slices,
                             .n_slices = a.n,
                             .spares = spares};
    if (drain->order.mode == DRAIN_NOW && a.n > 0) {
        in.n_spares = drain_spares(m, &drain->extent, spares);
    }
    drain_decide(&in, out);
    out->op = moving(m, drain);
    free(a.slices);
}
