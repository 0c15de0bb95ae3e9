/* Which chip ports a slice needs enabled, and which not.
 *
 *  1. A port whose link routes may use is enabled: an earlier slice may have
 *     left it disabled because its circuit was not confirmed down.
 *  2. Every other port of the slice's chips is disabled: a link that is taken as
 *     dead may come back to life, and at the border of a mesh there are others.
 *  3. Commands travel over these same links, so the farthest chips come first,
 *     and of one chip the port that leads back comes last.
 */
#include "internal.h"

#include <stdlib.h>

/* Routes may use it, by the intent without the dead links. */
static void take_dead(struct tpunet_topology *t, const struct chip_map *map,
                      const struct tpunet_link_end *dead, size_t n_dead)
{
    for (size_t i = 0; i < n_dead; i++) {
        uint16_t logical = map->logical_of[dead[i].chip];
        if (logical != TPUNET_NONE && t->peer[logical * TPUNET_PORTS + dead[i].port] != TPUNET_NONE)
            tpunet_topology_cut(t, logical, dead[i].port);
    }
}

static size_t list_changes(const struct tpunet_graph *graph, const struct tpunet_topology *t,
                           const struct chip_map *map, struct port_change *out)
{
    size_t n = 0;
    for (size_t i = graph->n; i-- > 0;) {
        const struct tpunet_found *f = &graph->chips[i];
        uint16_t logical = map->logical_of[f->chip];
        unsigned back = f->depth > 0 ? tpunet_port_peer(f->via) : 0;
        for (unsigned k = 1; k <= TPUNET_PORTS; k++) {
            unsigned port = (back + k) % TPUNET_PORTS; /* `back` comes last */
            bool wanted = t->peer[logical * TPUNET_PORTS + port] != TPUNET_NONE;
            if (f->port[port].enabled != wanted)
                out[n++] = (struct port_change){(uint32_t)i, (uint8_t)port, wanted};
        }
    }
    return n;
}

int ports_to_change(struct port_change **out, size_t *n, const struct tpunet_graph *graph,
                    const struct tpunet_intent *intent, const struct tpunet_link_end *dead,
                    size_t n_dead, struct tpunet_error *err)
{
    struct tpunet_topology *t;
    struct chip_map *map = malloc(sizeof *map);
    struct port_change *list = malloc(graph->n * TPUNET_PORTS * sizeof *list);
    int rc = map == NULL || list == NULL ? tpunet_fail_nomem(err)
                                         : tpunet_topology_create(&t, intent, err);
    if (rc == 0) {
        chip_map_init(map, intent);
        take_dead(t, map, dead, n_dead);
        *n = list_changes(graph, t, map, list);
        *out = list;
        tpunet_topology_destroy(t);
    } else {
        free(list);
    }
    free(map);
    return rc;
}

uint16_t graph_path(const struct tpunet_graph *graph, uint32_t found, uint8_t *hops)
{
    uint16_t depth = graph->chips[found].depth;
    for (uint32_t at = found, k = depth; k-- > 0; at = graph->chips[at].parent)
        hops[k] = graph->chips[at].via;
    return depth;
}
