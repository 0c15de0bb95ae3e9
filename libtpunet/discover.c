/* Discovery: breadth-first search over live links from one entry chip, as a
 * machine without I/O.  The caller takes a whole frontier, asks the fabric in
 * one call, and gives the answers back.
 *
 * The queue holds every chip of the slice that was seen, in order; the
 * frontier is its unanswered tail.  A chip enters the graph when it answers.
 * Paths are spelled out from the graph's parents into one arena a frontier.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A chip seen on a neighbour's port. */
struct seen {
    uint32_t chip;
    uint32_t parent; /* position in graph.chips */
    uint16_t depth;
    uint8_t via;
};

struct tpunet_discovery {
    struct tpunet_graph graph;
    struct seen *queue;        /* [n_chips] */
    struct tpunet_path *paths; /* [n_chips], of the frontier */
    uint8_t *hops;             /* arena of the paths */
    size_t head, tail;         /* the frontier in queue */
    bool *known;               /* [n_chips] by logical index: in the queue */
    struct chip_map map;
};

int tpunet_discovery_create(struct tpunet_discovery **out, uint32_t entry_chip,
                            const struct tpunet_intent *intent, struct tpunet_error *err)
{
    int rc = tpunet_intent_check(intent, err);
    if (rc < 0)
        return rc;
    struct tpunet_discovery *d = calloc(1, sizeof *d);
    if (d == NULL)
        return tpunet_fail_nomem(err);
    chip_map_init(&d->map, intent);
    if (entry_chip >= TPUNET_CHIPS_MAX || d->map.logical_of[entry_chip] == TPUNET_NONE) {
        tpunet_discovery_destroy(d);
        return tpunet_fail(err, TPUNET_EINVAL, "the entry, chip number %u, is not of the slice",
                           entry_chip);
    }
    size_t n = d->map.n_chips;
    d->graph.index_len = TPUNET_CHIPS_MAX;
    d->graph.index = malloc(TPUNET_CHIPS_MAX * sizeof *d->graph.index);
    d->graph.chips = malloc(n * sizeof *d->graph.chips);
    d->queue = malloc(n * sizeof *d->queue);
    d->paths = malloc(n * sizeof *d->paths);
    d->known = calloc(n, sizeof *d->known);
    if (d->graph.index == NULL || d->graph.chips == NULL || d->queue == NULL || d->paths == NULL ||
        d->known == NULL) {
        tpunet_discovery_destroy(d);
        return tpunet_fail_nomem(err);
    }
    memset(d->graph.index, 0xFF, TPUNET_CHIPS_MAX * sizeof *d->graph.index);
    d->known[d->map.logical_of[entry_chip]] = true;
    d->queue[d->tail++] = (struct seen){.chip = entry_chip};
    d->paths[0] = (struct tpunet_path){.entry = entry_chip};
    *out = d;
    return 0;
}

void tpunet_discovery_destroy(struct tpunet_discovery *d)
{
    if (d == NULL)
        return;
    free(d->graph.index);
    free(d->graph.chips);
    free(d->queue);
    free(d->paths);
    free(d->hops);
    free(d->known);
    free(d);
}

size_t tpunet_discovery_frontier(struct tpunet_discovery *d, const struct tpunet_path **paths)
{
    *paths = d->paths;
    return d->tail - d->head;
}

const struct tpunet_graph *tpunet_discovery_graph(const struct tpunet_discovery *d)
{
    return &d->graph;
}

static int check_answer(const struct tpunet_discovery *d, const struct seen *asked,
                        const struct tpunet_probe_answer *answer, struct tpunet_error *err)
{
    if (!answer->answered) {
        if (asked->depth > 0)
            return 0;
        return tpunet_fail(err, TPUNET_EFABRIC, "the entry, %s, does not answer",
                           chip_name(asked->chip).text);
    }
    if (answer->chip != asked->chip && asked->depth == 0)
        return tpunet_fail(err, TPUNET_EFABRIC, "chip number %u answers at the entry, %s",
                           answer->chip, chip_name(asked->chip).text);
    if (answer->chip != asked->chip)
        return tpunet_fail(err, TPUNET_EFABRIC,
                           "chip number %u answers behind %s %s, where %s was seen", answer->chip,
                           chip_name(d->graph.chips[asked->parent].chip).text,
                           tpunet_port_name(asked->via), chip_name(asked->chip).text);
    for (unsigned p = 0; p < TPUNET_PORTS; p++) {
        const struct tpunet_port_state *port = &answer->port[p];
        if (port->up && (port->peer >= TPUNET_CHIPS_MAX || port->peer_port >= TPUNET_PORTS))
            return tpunet_fail(err, TPUNET_EFABRIC, "%s %s claims to see port %u of chip number %u",
                               chip_name(asked->chip).text, tpunet_port_name(p), port->peer_port,
                               port->peer);
    }
    return 0;
}

/* Queues the chip behind a live port, unless it is known or of no concern. */
static void look_behind(struct tpunet_discovery *d, uint32_t position, unsigned p)
{
    const struct tpunet_found *from = &d->graph.chips[position];
    const struct tpunet_port_state *port = &from->port[p];
    if (!port->up || !port->enabled)
        return;
    uint16_t logical = d->map.logical_of[port->peer];
    if (logical == TPUNET_NONE || d->known[logical])
        return;
    d->known[logical] = true;
    assert(d->tail < d->map.n_chips);
    d->queue[d->tail++] = (struct seen){
        .chip = port->peer,
        .parent = position,
        .depth = (uint16_t)(from->depth + 1),
        .via = (uint8_t)p,
    };
}

static void take_answer(struct tpunet_discovery *d, const struct seen *asked,
                        const struct tpunet_probe_answer *answer)
{
    if (!answer->answered)
        return;
    uint32_t position = (uint32_t)d->graph.n++;
    struct tpunet_found *found = &d->graph.chips[position];
    *found = (struct tpunet_found){
        .chip = asked->chip, .parent = asked->parent, .via = asked->via, .depth = asked->depth};
    memcpy(found->port, answer->port, sizeof found->port);
    d->graph.index[asked->chip] = position;
    for (unsigned p = 0; p < TPUNET_PORTS; p++)
        look_behind(d, position, p);
}

/* Spells the paths of the new frontier, all of the same depth. */
static void spell_paths(struct tpunet_discovery *d)
{
    uint8_t *hops = d->hops;
    for (size_t i = d->head; i < d->tail; i++) {
        const struct seen *s = &d->queue[i];
        uint8_t via = s->via;
        uint32_t at = s->parent;
        for (size_t k = s->depth; k-- > 0;) {
            hops[k] = via;
            via = d->graph.chips[at].via;
            at = d->graph.chips[at].parent;
        }
        d->paths[i - d->head] =
            (struct tpunet_path){.entry = d->queue[0].chip, .n_hops = s->depth, .hops = hops};
        hops += s->depth;
    }
}

int tpunet_discovery_answer(struct tpunet_discovery *d, const struct tpunet_probe_answer *answers,
                            size_t n, struct tpunet_error *err)
{
    if (n != d->tail - d->head || n == 0)
        return tpunet_fail(err, TPUNET_EINVAL, "%zu answers to a frontier of %zu chips", n,
                           d->tail - d->head);
    for (size_t i = 0; i < n; i++) {
        int rc = check_answer(d, &d->queue[d->head + i], &answers[i], err);
        if (rc < 0)
            return rc;
    }
    /* Room for whatever the next frontier can be, so that nothing fails
     * after the first change. */
    size_t most = d->map.n_chips - d->tail, depth = d->queue[d->head].depth + 1U;
    if (most > n * TPUNET_PORTS)
        most = n * TPUNET_PORTS;
    uint8_t *hops = realloc(d->hops, most * depth + 1);
    if (hops == NULL)
        return tpunet_fail_nomem(err);
    d->hops = hops;
    for (size_t i = 0; i < n; i++)
        take_answer(d, &d->queue[d->head + i], &answers[i]);
    d->head += n;
    spell_paths(d);
    return 0;
}
