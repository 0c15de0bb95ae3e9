/* The rules, in the order in which they are asked; the first that applies to a
 * slice decides for it:
 *
 *   1. Of what has nothing of the part, or goes around it, nothing is wanted.
 *   2. One that is being deleted, or on which an operation is under way: wait.
 *   3. A FAILED slice keeps its cubes until somebody deletes it: it blocks.  Over
 *      light alone nothing of it runs.
 *   4. Graceful: it keeps what it has until its job ends.
 *   5. A switch or an optical link under a slice that demands fault-free routes
 *      blocks; podmgr does not kill what a person may still want.
 *   6. So does what would leave cubes of the slice without any link to the others, and
 *      what is behind an older drain that blocks: light is gone around in the order of age.
 *   7. Cubes of the part are swapped, all of the slice or none; routes around the
 *      rest of the part come with the new cubes.
 *   8. Without enough free cubes it blocks, until one is free.
 *   9. Only light: new routes.
 *
 * The part is drained when every slice is at rule 1 and no operation that was
 * begun moves its mirrors. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "mem.h"

const char *drain_mode_name(enum drain_mode mode)
{
    return mode == DRAIN_NOW ? "now" : "graceful";
}

bool drain_mode_parse(enum drain_mode *out, const char *text)
{
    for (int mode = DRAIN_GRACEFUL; mode <= DRAIN_NOW; mode++) {
        if (strcmp(text, drain_mode_name((enum drain_mode)mode)) == 0) {
            *out = (enum drain_mode)mode;
            return true;
        }
    }
    return false;
}

const char *drain_action_name(enum drain_action action)
{
    static const char *const names[] = {
#define X(name) [DRAIN_##name] = #name,
        DRAIN_ACTIONS(X)
#undef X
    };
    return names[action];
}

static struct drain_step *say(struct drain_steps *out, const struct drain_slice *slice,
                              enum drain_action action, unsigned rule, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
static struct drain_step *say(struct drain_steps *out, const struct drain_slice *slice,
                              enum drain_action action, unsigned rule, const char *fmt, ...)
{
    VEC_GROW(out->items, out->n, out->cap);
    struct drain_step *step = &out->items[out->n++];
    va_list ap;

    *step = (struct drain_step){
        .slice = slice->id, .action = action, .rule = rule, .n_cubes = slice->n_cubes};
    va_start(ap, fmt);
    (void)vsnprintf(step->text, sizeof step->text, fmt, ap);
    va_end(ap);
    out->n_open += action != DRAIN_NONE;
    return step;
}

/* Rules 7 and 8. */
static void swap_cubes(const struct drain_input *in, const struct drain_slice *slice,
                       struct drain_steps *out)
{
    size_t left = in->n_spares - out->n_swaps;

    if (left < slice->n_cubes) {
        say(out, slice, DRAIN_BLOCKED, 8, "%zu of its cubes are of %s and %zu others are free",
            slice->n_cubes, in->part, left);
        return;
    }
    struct drain_step *step =
        say(out, slice, DRAIN_SWAP, 7, "cube/%u instead of cube/%u%s", in->spares[out->n_swaps],
            slice->cubes[0], slice->n_cubes > 1 ? ", and others" : "");
    step->first_swap = out->n_swaps;
    step->n_swaps = slice->n_cubes;
    for (size_t i = 0; i < slice->n_cubes; i++) {
        VEC_GROW(out->swaps, out->n_swaps, out->cap_swaps);
        out->swaps[out->n_swaps] = (struct swap){slice->cubes[i], in->spares[out->n_swaps]};
        out->n_swaps++;
    }
}

static void decide_slice(const struct drain_input *in, const struct drain_slice *slice,
                         struct drain_steps *out)
{
    if (slice->n_cubes == 0 && !slice->light) {
        say(out, slice, DRAIN_NONE, 1, "nothing of it runs over %s", in->part);
    } else if (slice->leaving || slice->busy) {
        say(out, slice, DRAIN_WAIT, 2, "%s",
            slice->leaving ? "it is being deleted" : "a change of it is under way");
    } else if (slice->failed && slice->n_cubes == 0) {
        say(out, slice, DRAIN_NONE, 3, "it is FAILED: nothing runs over its light");
    } else if (slice->failed) {
        say(out, slice, DRAIN_BLOCKED, 3, "it is FAILED and keeps cube/%u until it is deleted",
            slice->cubes[0]);
    } else if (in->mode == DRAIN_GRACEFUL) {
        say(out, slice, DRAIN_WAIT, 4, "until its job ends");
    } else if (slice->light && !slice->accepts_degraded) {
        say(out, slice, DRAIN_BLOCKED, 5, "it uses %s and demands fault-free routes", in->part);
    } else if (slice->light && slice->cut) {
        say(out, slice, DRAIN_BLOCKED, 6, "without %s no link is left between some of its cubes",
            in->part);
    } else if (slice->light && !id_is_none(slice->behind)) {
        char id[48];
        say(out, slice, DRAIN_BLOCKED, 6, "drain/%s is older and has to be carried out first",
            id_format(slice->behind, id));
    } else if (slice->n_cubes > 0) {
        swap_cubes(in, slice, out);
    } else {
        say(out, slice, DRAIN_REROUTE, 9, "routes around %s", in->part);
    }
}

void drain_decide(const struct drain_input *in, struct drain_steps *out)
{
    *out = (struct drain_steps){0};
    for (size_t i = 0; i < in->n_slices; i++) {
        decide_slice(in, &in->slices[i], out);
    }
}

void drain_steps_fini(struct drain_steps *steps)
{
    free(steps->items);
    free(steps->swaps);
    *steps = (struct drain_steps){0};
}
