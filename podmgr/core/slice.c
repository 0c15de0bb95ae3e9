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

void slice_spec_fini(struct slice_spec *spec)
{
    free(spec->cubes);
    spec->cubes = NULL;
    spec->n_cubes = 0;
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
