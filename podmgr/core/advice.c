/* The rules, the first that fits:
 *
 *   1. FAILED, or on its way out: stop.  Nothing brings this slice back.
 *   2. It has never served and does not yet: wait.
 *   3. It serves for the first time: start.
 *   4. Since it last served cubes were swapped, or chips lost their tables: what
 *      the job had in their memory is gone, so restart from a checkpoint.  This is
 *      known, and told, before the slice serves again.
 *   5. It serves, but links are missing that its routes do not go around: wait.
 *      podmgr is at it, or at the end of its budgets.
 *   6. It does not serve for now, and nothing is lost so far: wait.
 *   7. It serves on the chips of before, perhaps over other routes: continue.
 */
#include "core/advice.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *advice_name(enum advice advice)
{
    static const char *const names[] = {
#define X(name, text) [ADVICE_##name] = (text),
        ADVICES(X)
#undef X
    };
    return names[advice];
}

static bool has_lost(const struct slice *slice)
{
    return slice->losses.n_cubes > 0 || slice->losses.chips;
}

/* Shown as degraded, but its routes are as they were: rule 5. */
static bool is_hurt(const struct slice *slice)
{
    return slice_serves(slice) && (slice->check_failed || (slice->state == SLICE_ACTIVE_DEGRADED &&
                                                           slice->dead_links == 0));
}

enum advice advice_of(const struct slice *slice)
{
    bool serves = slice_serves(slice);

    switch (slice->state) {
    case SLICE_FAILED:
    case SLICE_DEACTIVATING:
    case SLICE_DELETED:
        return ADVICE_STOP;
    case SLICE_ACTIVATING:
    case SLICE_ACTIVE:
    case SLICE_ACTIVE_DEGRADED:
    case SLICE_RECONFIGURING:
        if (!slice->served) {
            return serves ? ADVICE_START : ADVICE_WAIT;
        }
        if (has_lost(slice)) {
            return ADVICE_RESTART;
        }
        return is_hurt(slice) || !serves ? ADVICE_WAIT : ADVICE_CONTINUE;
    }
    abort();
}

void advice_blame(struct slice *slice, const char *cause)
{
    if (slice->losses.cause[0] == '\0') {
        (void)snprintf(slice->losses.cause, sizeof slice->losses.cause, "%s", cause);
    }
}

/* A cube that takes the place of one that came since is one swap, not two. */
void advice_swapped(struct slice *slice, uint16_t was, uint16_t is)
{
    struct slice_losses *losses = &slice->losses;
    unsigned i = 0;

    while (i < losses->n_cubes && losses->cubes[i].is != was) {
        i++;
    }
    if (i == losses->n_cubes) {
        assert(losses->n_cubes < MODEL_CUBES_MAX); /* each of its cubes once */
        losses->n_cubes++;
        losses->cubes[i].was = was;
    }
    losses->cubes[i].is = is;
}

void advice_told(struct slice *slice)
{
    if (slice_serves(slice)) {
        slice->served = true;
        slice->losses = (struct slice_losses){0};
    }
}

void advice_add(const struct slice *slice, json_t *data)
{
    const struct slice_losses *losses = &slice->losses;

    (void)json_object_set_new(data, "advice", json_string(advice_name(advice_of(slice))));
    (void)json_object_set_new(data, "degraded", json_boolean(slice->degraded));
    if (losses->cause[0] != '\0') {
        (void)json_object_set_new(data, "cause", json_string(losses->cause));
    }
    if (losses->n_cubes > 0) {
        json_t *list = json_array();
        for (unsigned i = 0; i < losses->n_cubes; i++) {
            (void)json_array_append_new(list, json_pack("{s:i,s:i}", "cube", losses->cubes[i].was,
                                                        "with", losses->cubes[i].is));
        }
        (void)json_object_set_new(data, "swapped", list);
    }
    if (slice_serves(slice) && !is_hurt(slice) && slice->routes.algorithm[0] != '\0') {
        (void)json_object_set_new(data, "throughput_retained", json_real(slice->routes.retained));
    }
}
