/* Cross-connects: which mirrors make a slice, and the smallest change from one
 * set of them to another (D3). */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------- intents -- */

static int check_cubes(const struct tpunet_shape *shape, const uint16_t *cubes, size_t n_cubes,
                       struct tpunet_error *err)
{
    bool seen[TPUNET_CUBES_MAX] = {false};
    char text[24];
    if (n_cubes != tpunet_shape_cubes(shape))
        return tpunet_fail(err, TPUNET_EINVAL, "%s takes %u cubes, not %zu",
                           tpunet_shape_format(shape, text), tpunet_shape_cubes(shape), n_cubes);
    for (size_t i = 0; i < n_cubes; i++) {
        if (cubes[i] >= TPUNET_CUBES_MAX)
            return tpunet_fail(err, TPUNET_EINVAL, "cube/%u is above the limit of %d cubes",
                               cubes[i], TPUNET_CUBES_MAX);
        if (seen[cubes[i]])
            return tpunet_fail(err, TPUNET_EINVAL, "cube/%u is named twice", cubes[i]);
        seen[cubes[i]] = true;
    }
    return 0;
}

static void weave_torus(struct tpunet_intent *intent)
{
    size_t n = intent->n_cubes;
    for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
        uint16_t *first = &intent->next[axis * TPUNET_FACE_LINKS * n];
        for (uint16_t i = 0; i < n; i++)
            first[i] = intent->shape.mesh ? TPUNET_NONE : tpunet_next_cube(&intent->shape, i, axis);
        for (size_t k = 1; k < TPUNET_FACE_LINKS; k++)
            memcpy(&first[k * n], first, n * sizeof *first);
    }
}

int tpunet_intent_create(struct tpunet_intent **out, const struct tpunet_shape *shape,
                         const uint16_t *cubes, size_t n_cubes, struct tpunet_error *err)
{
    char text[24];
    int rc = tpunet_shape_check(shape, tpunet_shape_format(shape, text), err);
    if (rc == 0)
        rc = check_cubes(shape, cubes, n_cubes, err);
    if (rc < 0)
        return rc;
    struct tpunet_intent *intent = calloc(1, sizeof *intent);
    if (intent == NULL)
        return tpunet_fail_nomem(err);
    intent->shape = *shape;
    intent->n_cubes = (uint16_t)n_cubes;
    intent->cubes = malloc(n_cubes * sizeof *intent->cubes);
    intent->next = malloc(TPUNET_OCSES * n_cubes * sizeof *intent->next);
    if (intent->cubes == NULL || intent->next == NULL) {
        tpunet_intent_destroy(intent);
        return tpunet_fail_nomem(err);
    }
    memcpy(intent->cubes, cubes, n_cubes * sizeof *cubes);
    weave_torus(intent);
    *out = intent;
    return 0;
}

void tpunet_intent_destroy(struct tpunet_intent *intent)
{
    if (intent == NULL)
        return;
    free(intent->cubes);
    free(intent->next);
    free(intent);
}

int tpunet_intent_check(const struct tpunet_intent *intent, struct tpunet_error *err)
{
    size_t n = intent->n_cubes;
    for (unsigned k = 0; k < TPUNET_AXES && intent->shape.mesh; k++) {
        if (intent->origin[k] + intent->shape.dim[k] > TPUNET_CUBE_DIM)
            return tpunet_fail(err, TPUNET_EINVAL, "the mesh reaches out of cube/%u along %c",
                               intent->cubes[0], "xyz"[k]);
    }
    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs++) {
        bool met[TPUNET_CUBES_MAX] = {false};
        for (size_t i = 0; i < n; i++) {
            uint16_t next = intent->next[ocs * n + i];
            if (next == TPUNET_NONE)
                continue;
            if (next >= n)
                return tpunet_fail(err, TPUNET_EINVAL,
                                   "ocs/%u: cube/%u is to meet logical cube %u of %zu", ocs,
                                   intent->cubes[i], next, n);
            if (met[next])
                return tpunet_fail(err, TPUNET_EINVAL,
                                   "ocs/%u: two cubes are to meet the - face of cube/%u", ocs,
                                   intent->cubes[next]);
            met[next] = true;
        }
    }
    return 0;
}

/* ------------------------------------------------------- cross-connects -- */

int tpunet_xc_compare(const void *a, const void *b)
{
    const struct tpunet_xc *l = a, *r = b;
    if (l->ocs != r->ocs)
        return l->ocs < r->ocs ? -1 : 1;
    if (l->north != r->north)
        return l->north < r->north ? -1 : 1;
    return (l->south > r->south) - (l->south < r->south);
}

int tpunet_intent_xcs(const struct tpunet_intent *intent, const struct tpunet_wiring *wiring,
                      struct tpunet_xc **out, size_t *n, struct tpunet_error *err)
{
    size_t n_cubes = intent->n_cubes, count = 0;
    int rc = tpunet_intent_check(intent, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n_cubes; i++) {
        if (intent->cubes[i] >= tpunet_wiring_cubes(wiring))
            return tpunet_fail(err, TPUNET_EINVAL, "cube/%u is not one of the pod's %u cubes",
                               intent->cubes[i], tpunet_wiring_cubes(wiring));
    }
    assert(n_cubes > 0);
    struct tpunet_xc *xcs = malloc(TPUNET_OCSES * n_cubes * sizeof *xcs);
    if (xcs == NULL)
        return tpunet_fail_nomem(err);
    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs++) {
        struct tpunet_fibre f = {
            .axis = (uint8_t)(ocs / TPUNET_FACE_LINKS), .a = ocs & 3U, .b = ocs >> 2 & 3U};
        for (size_t i = 0; i < n_cubes; i++) {
            uint16_t next = intent->next[ocs * n_cubes + i];
            if (next == TPUNET_NONE)
                continue;
            f.cube = intent->cubes[i], f.minus = false;
            xcs[count].ocs = (uint16_t)ocs;
            xcs[count].north = tpunet_wiring_port(wiring, f).port;
            f.cube = intent->cubes[next], f.minus = true;
            xcs[count++].south = tpunet_wiring_port(wiring, f).port;
        }
    }
    qsort(xcs, count, sizeof *xcs, tpunet_xc_compare);
    if (count == 0) {
        free(xcs);
        xcs = NULL;
    }
    *out = xcs;
    *n = count;
    return 0;
}

int tpunet_xc_diff(const struct tpunet_xc *have, size_t n_have, const struct tpunet_xc *want,
                   size_t n_want, struct tpunet_xc **breaks, size_t *n_breaks,
                   struct tpunet_xc **makes, size_t *n_makes)
{
    /* One more than needed, so that an empty set is not a failed allocation. */
    struct tpunet_xc *gone = malloc((n_have + 1) * sizeof *gone);
    struct tpunet_xc *new = malloc((n_want + 1) * sizeof *new);
    if (gone == NULL || new == NULL) {
        free(gone);
        free(new);
        return TPUNET_ENOMEM;
    }
    size_t h = 0, w = 0, n_gone = 0, n_new = 0;
    while (h < n_have || w < n_want) {
        int order = h == n_have ? 1 : w == n_want ? -1 : tpunet_xc_compare(&have[h], &want[w]);
        if (order < 0)
            gone[n_gone++] = have[h++];
        else if (order > 0)
            new[n_new++] = want[w++];
        else
            h++, w++;
    }
    *breaks = gone, *n_breaks = n_gone;
    *makes = new, *n_makes = n_new;
    return 0;
}
