/* Weaves: which cube's + face meets which cube's - face, on each of the 48
 * switches.  A torus is one weave of many; the search for better ones is in
 * weave_search.c, what routes over them in route_woven.c. */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int tpunet_weave_create(struct tpunet_weave **out, const struct tpunet_shape *shape,
                        struct tpunet_error *err)
{
    char text[24];
    int rc = tpunet_shape_check(shape, tpunet_shape_format(shape, text), err);
    if (rc < 0)
        return rc;
    if (shape->mesh)
        return tpunet_fail(err, TPUNET_EINVAL, "%s has no circuits to weave", text);
    const size_t n = tpunet_shape_cubes(shape);
    struct tpunet_weave *weave = malloc(sizeof *weave);
    uint16_t *next = malloc(TPUNET_OCSES * n * sizeof *next);
    if (weave == NULL || next == NULL) {
        free(weave);
        free(next);
        return tpunet_fail_nomem(err);
    }
    *weave = (struct tpunet_weave){.shape = *shape, .n_cubes = (uint16_t)n, .next = next};
    for (size_t i = 0; i < TPUNET_OCSES * n; i++)
        next[i] = tpunet_next_cube(shape, (uint16_t)(i % n), (unsigned)(i / n / TPUNET_FACE_LINKS));
    *out = weave;
    return 0;
}

void tpunet_weave_destroy(struct tpunet_weave *weave)
{
    if (weave == NULL)
        return;
    free(weave->next);
    free(weave);
}

int tpunet_weave_check(const struct tpunet_weave *weave, struct tpunet_error *err)
{
    const size_t n = weave->n_cubes;
    char text[24];
    int rc = tpunet_shape_check(&weave->shape, tpunet_shape_format(&weave->shape, text), err);
    if (rc < 0)
        return rc;
    if (weave->shape.mesh || n != tpunet_shape_cubes(&weave->shape))
        return tpunet_fail(err, TPUNET_EINVAL, "%s is no shape of %zu whole cubes", text, n);
    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs++) {
        uint16_t by[TPUNET_CUBES_MAX];
        memset(by, 0xFF, sizeof by);
        for (uint16_t i = 0; i < n; i++) {
            uint16_t next = weave->next[ocs * n + i];
            if (next >= n)
                return tpunet_fail(err, TPUNET_EINVAL,
                                   "ocs/%u: logical cube %u is to meet cube %u of %zu", ocs, i,
                                   next, n);
            if (by[next] != TPUNET_NONE)
                return tpunet_fail(err, TPUNET_EINVAL,
                                   "ocs/%u: logical cubes %u and %u are both to meet cube %u", ocs,
                                   by[next], i, next);
            by[next] = i;
        }
    }
    return 0;
}

int tpunet_intent_weave(struct tpunet_intent *intent, const struct tpunet_weave *weave,
                        struct tpunet_error *err)
{
    char want[24], have[24];
    int rc = tpunet_weave_check(weave, err);
    if (rc < 0)
        return rc;
    if (intent->shape.mesh ||
        memcmp(intent->shape.dim, weave->shape.dim, sizeof weave->shape.dim) != 0)
        return tpunet_fail(err, TPUNET_EINVAL, "a weave of %s for a slice of %s",
                           tpunet_shape_format(&weave->shape, have),
                           tpunet_shape_format(&intent->shape, want));
    assert(intent->n_cubes == weave->n_cubes);
    memcpy(intent->next, weave->next, (size_t)TPUNET_OCSES * weave->n_cubes * sizeof *weave->next);
    return 0;
}

int tpunet_topology_of_weave(struct tpunet_topology **out, const struct tpunet_weave *weave,
                             struct tpunet_error *err)
{
    uint16_t cubes[TPUNET_CUBES_MAX];
    struct tpunet_intent *intent;
    int rc = tpunet_weave_check(weave, err);
    if (rc < 0)
        return rc;
    for (uint16_t i = 0; i < TPUNET_CUBES_MAX; i++)
        cubes[i] = i;
    rc = tpunet_intent_create(&intent, &weave->shape, cubes, weave->n_cubes, err);
    if (rc < 0)
        return rc;
    rc = tpunet_intent_weave(intent, weave, err);
    if (rc == 0)
        rc = tpunet_topology_create(out, intent, err);
    tpunet_intent_destroy(intent);
    return rc;
}
