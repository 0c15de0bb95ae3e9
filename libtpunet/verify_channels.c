/* The channel dependency graph and its topological order; see verify.h. */
#include "verify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int channel_graph_init(struct channel_graph *g, const struct tpunet_topology *topology,
                       unsigned n_vcs, struct tpunet_error *err)
{
    uint32_t n = topology->n_chips * TPUNET_PORTS * n_vcs;
    *g = (struct channel_graph){.peer = topology->peer, .n_vcs = n_vcs, .n_channels = n};
    g->next = calloc(n, sizeof *g->next);
    g->used = calloc(n, sizeof *g->used);
    g->order = malloc(n * sizeof *g->order);
    if (g->next == NULL || g->used == NULL || g->order == NULL) {
        channel_graph_fini(g);
        return tpunet_fail_nomem(err);
    }
    return 0;
}

void channel_graph_fini(struct channel_graph *g)
{
    free(g->next);
    free(g->used);
    free(g->order);
}

static const uint32_t not_entered = 0, finished = UINT32_MAX;

/* Depth-first search without recursion: the path from the root, and for each
 * channel on it the successors not yet followed. */
struct search {
    struct channel_graph *g;
    uint32_t *mark; /* [n_channels] not_entered, finished, or depth on the path */
    uint32_t *path;
    uint32_t *left;
    uint32_t depth;
};

static void enter(struct search *s, uint32_t channel)
{
    s->path[s->depth] = channel;
    s->left[s->depth] = s->g->next[channel];
    s->mark[channel] = ++s->depth;
}

/* Searches all that `root` leads to.  A channel is finished after all that it
 * leads to, so filling the order from its end makes it topological.  Returns
 * false with a cycle in path[*start .. depth). */
static bool visit(struct search *s, uint32_t root, uint32_t *end_of_order, uint32_t *start)
{
    enter(s, root);
    while (s->depth > 0) {
        uint32_t channel = s->path[s->depth - 1];
        uint32_t *left = &s->left[s->depth - 1];
        if (*left == 0) {
            s->mark[channel] = finished;
            s->g->order[--*end_of_order] = channel;
            s->depth--;
            continue;
        }
        uint32_t to =
            channel_first(s->g, channel_far_end(s->g, channel)) + (uint32_t)__builtin_ctz(*left);
        *left &= *left - 1;
        if (s->mark[to] == not_entered) {
            enter(s, to);
        } else if (s->mark[to] != finished) {
            *start = s->mark[to] - 1;
            return false;
        }
    }
    return true;
}

static void name_cycle(const struct search *s, uint32_t start, struct tpunet_proof *proof)
{
    proof->cycle_len = s->depth - start;
    for (uint32_t i = 0; i < proof->cycle_len && i < 16; i++) {
        uint32_t channel = s->path[start + i], code = channel % (TPUNET_PORTS * s->g->n_vcs);
        proof->cycle[i].chip = channel / (TPUNET_PORTS * s->g->n_vcs);
        proof->cycle[i].port = (uint8_t)(code / s->g->n_vcs);
        proof->cycle[i].vc = (uint8_t)(code % s->g->n_vcs);
    }
}

int channel_graph_sort(struct channel_graph *g, struct tpunet_proof *proof,
                       struct tpunet_error *err)
{
    struct search s = {
        .g = g,
        .mark = calloc(g->n_channels, sizeof *s.mark),
        .path = malloc(g->n_channels * sizeof *s.path),
        .left = malloc(g->n_channels * sizeof *s.left),
    };
    int rc = 0;
    if (s.mark == NULL || s.path == NULL || s.left == NULL) {
        rc = tpunet_fail_nomem(err);
        goto done;
    }
    uint32_t first = g->n_channels, start;
    proof->acyclic = true;
    for (uint32_t i = 0; i < g->n_channels; i++) {
        proof->channels += g->used[i];
        proof->dependencies += (unsigned)__builtin_popcount(g->next[i]);
    }
    for (uint32_t i = 0; proof->acyclic && i < g->n_channels; i++) {
        if (g->used[i] && s.mark[i] == not_entered && !visit(&s, i, &first, &start)) {
            proof->acyclic = false;
            name_cycle(&s, start, proof);
        }
    }
    if (proof->acyclic) {
        g->n_order = g->n_channels - first;
        assert(g->n_order == proof->channels);
        memmove(g->order, g->order + first, g->n_order * sizeof *g->order);
    }
done:
    free(s.mark);
    free(s.path);
    free(s.left);
    return rc;
}
