#include "core/slice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/preflight.h"
#include "mem.h"

/* Row: from; bit: to.  See the diagram in slice.h. */
#define TO(state) (1U << SLICE_##state)
static const unsigned allowed[] = {
    [SLICE_ACTIVATING] = TO(ACTIVE) | TO(ACTIVE_DEGRADED) | TO(FAILED) | TO(DEACTIVATING),
    [SLICE_ACTIVE] = TO(ACTIVE_DEGRADED) | TO(RECONFIGURING) | TO(FAILED) | TO(DEACTIVATING),
    [SLICE_ACTIVE_DEGRADED] = TO(ACTIVE) | TO(RECONFIGURING) | TO(FAILED) | TO(DEACTIVATING),
    [SLICE_RECONFIGURING] = TO(ACTIVE) | TO(ACTIVE_DEGRADED) | TO(FAILED) | TO(DEACTIVATING),
    [SLICE_FAILED] = TO(DEACTIVATING),
    [SLICE_DEACTIVATING] = TO(DELETED),
    [SLICE_DELETED] = 0,
};

static const char *const names[] = {
#define X(name) [SLICE_##name] = #name,
    SLICE_STATES(X)
#undef X
};

const char *slice_state_name(enum slice_state state)
{
    assert(state <= SLICE_DELETED);
    return names[state];
}

bool slice_state_parse(enum slice_state *out, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], text) == 0) {
            *out = (enum slice_state)i;
            return true;
        }
    }
    return false;
}

bool slice_state_settled(enum slice_state state)
{
    return (TO(ACTIVE) | TO(ACTIVE_DEGRADED) | TO(FAILED) | TO(DELETED)) >> state & 1U;
}

bool slice_may_move(enum slice_state from, enum slice_state to)
{
    return (allowed[from] >> to & 1U) != 0;
}

void slice_move(struct slice *slice, enum slice_state to, struct wall_ms now)
{
    assert(slice_may_move(slice->state, to));
    slice->state = to;
    slice->changed = now;
    slice->version++;
}

bool slice_serves(const struct slice *slice)
{
    return slice->state == SLICE_ACTIVE || slice->state == SLICE_ACTIVE_DEGRADED;
}

bool slice_has_cube(const struct slice *slice, unsigned cube)
{
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        if (slice->intent->cubes[i] == cube) {
            return true;
        }
    }
    return false;
}

void slice_spec_fini(struct slice_spec *spec)
{
    free(spec->cubes);
    spec->cubes = NULL;
    spec->n_cubes = 0;
    free(spec->weave);
    spec->weave = NULL;
    spec->n_weave = 0;
}

int slice_spec_intent(struct tpunet_intent **out, const struct slice_spec *spec,
                      const uint16_t *cubes, struct tpunet_error *err)
{
    const size_t n = tpunet_shape_cubes(&spec->shape);
    const struct tpunet_weave weave = {
        .shape = spec->shape, .n_cubes = (uint16_t)n, .next = spec->weave};
    struct tpunet_intent *intent;
    int status = tpunet_intent_create(&intent, &spec->shape, cubes, n, err);

    if (status < 0) {
        return status;
    }
    if (spec->weave != NULL) {
        assert(spec->n_weave == TPUNET_OCSES * n); /* the API has seen to it */
        status = tpunet_intent_weave(intent, &weave, err);
    }
    if (status < 0) {
        tpunet_intent_destroy(intent);
        return status;
    }
    *out = intent;
    return 0;
}

bool slice_is_woven(const struct slice *slice)
{
    const struct tpunet_intent *intent = slice->intent;
    const struct tpunet_shape *shape = &intent->shape;
    const size_t n = intent->n_cubes;

    for (size_t i = 0; !shape->mesh && i < TPUNET_OCSES * n; i++) {
        unsigned axis = (unsigned)(i / n / TPUNET_FACE_LINKS);
        if (intent->next[i] != tpunet_next_cube(shape, (uint16_t)(i % n), axis)) {
            return true;
        }
    }
    return false;
}

struct slice *slice_create(struct id id, const struct slice_spec *spec)
{
    struct slice *slice = xcalloc(1, sizeof *slice);

    slice->id = id;
    slice->spec = *spec;
    slice->pinned = spec->cubes != NULL;
    slice->placements = 1;
    slice->spec.cubes = NULL;
    slice->spec.n_cubes = 0;
    slice->spec.weave = NULL;
    slice->spec.n_weave = 0;
    slice->state = SLICE_ACTIVATING;
    slice->version = 1;
    slice->planned_ms = slice->programmed_ms = slice->verified_ms = slice->active_ms = -1;
    slice->preflight_ms = -1;
    slice->coordinator = UINT32_MAX;
    return slice;
}

void slice_destroy(struct slice *slice)
{
    if (slice != NULL) {
        slice_spec_fini(&slice->spec);
        preflight_free(slice->preflight);
        tpunet_intent_destroy(slice->intent);
        free(slice);
    }
}
