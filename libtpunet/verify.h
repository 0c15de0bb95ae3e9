/* The two halves of the verifier: blocks of destinations (verify.c) and the
 * graph of channels that they add up to (verify_channels.c).
 *
 * A channel is (chip, port, VC), numbered densely, the channels of one chip
 * side by side.  It depends on a channel of the chip at its far end when some
 * packet holds the one and asks for the other; so the successors of a channel
 * are a bit mask over the channels of one chip. */
#ifndef LIBTPUNET_VERIFY_H
#define LIBTPUNET_VERIFY_H

#include "internal.h"

struct channel_graph {
    const uint16_t *peer; /* of the topology */
    unsigned n_vcs;
    uint32_t n_channels;
    uint32_t *next;  /* [n_channels] successors, see above */
    bool *used;      /* [n_channels] some packet takes it */
    uint32_t *order; /* channels in use, every one before its successors */
    uint32_t n_order;
};

int channel_graph_init(struct channel_graph *g, const struct tpunet_topology *topology,
                       unsigned n_vcs, struct tpunet_error *err);
void channel_graph_fini(struct channel_graph *g);

/* Counts channels and dependencies; then fills order[] (acyclic), or names one
 * cycle in the proof. */
int channel_graph_sort(struct channel_graph *g, struct tpunet_proof *proof,
                       struct tpunet_error *err);

static inline uint32_t channel_first(const struct channel_graph *g, uint32_t chip)
{
    return chip * TPUNET_PORTS * g->n_vcs;
}

static inline uint32_t channel_far_end(const struct channel_graph *g, uint32_t channel)
{
    return g->peer[channel / g->n_vcs];
}

#endif
