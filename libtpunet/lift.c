/* Finds the translations of a slice; see lift.h. */
#include "lift.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void lift_fini(struct lift *lift)
{
    free(lift->peer);
    free(lift->to);
    free(lift->node);
    free(lift->logical);
}

static int alloc(struct lift *l, const struct tpunet_topology *t, struct tpunet_error *err)
{
    const size_t n = t->n_chips, cubes = tpunet_shape_cubes(&t->shape);
    *l = (struct lift){
        .n = t->n_chips,
        .n_cubes = (uint16_t)cubes,
        .peer = malloc(n * TPUNET_PORTS * sizeof *l->peer),
        .to = malloc(cubes * cubes * sizeof *l->to),
        .node = malloc(n * sizeof *l->node),
        .logical = malloc(n * sizeof *l->logical),
    };
    if (l->peer == NULL || l->to == NULL || l->node == NULL || l->logical == NULL) {
        lift_fini(l);
        return tpunet_fail_nomem(err);
    }
    return 0;
}

static void number_nodes(struct lift *l, const struct tpunet_topology *t)
{
    for (uint32_t chip = 0; chip < l->n; chip++) {
        uint16_t at[TPUNET_AXES], pos[TPUNET_AXES];
        struct tpunet_chip place = {.cube = 0};
        tpunet_logical_at(&t->shape, chip, at);
        for (unsigned k = 0; k < TPUNET_AXES; k++) {
            pos[k] = at[k] / TPUNET_CUBE_DIM;
            place.at[k] = (uint8_t)(at[k] % TPUNET_CUBE_DIM);
        }
        place.cube = tpunet_cube_index(&t->shape, pos);
        l->node[chip] = (uint16_t)tpunet_chip_number(place);
        l->logical[l->node[chip]] = (uint16_t)chip;
    }
    for (uint32_t node = 0; node < l->n; node++) {
        const uint16_t *from = &t->peer[(size_t)l->logical[node] * TPUNET_PORTS];
        for (unsigned port = 0; port < TPUNET_PORTS; port++)
            l->peer[node * TPUNET_PORTS + port] =
                from[port] == TPUNET_NONE ? TPUNET_NONE : l->node[from[port]];
    }
}

/* A link leads from a place to the same place in all cubes, or is down in all. */
static bool links_alike(struct lift *l)
{
    for (unsigned link = 0; link < LIFT_LINKS; link++) {
        uint16_t first = l->peer[link];
        for (uint32_t cube = 1; cube < l->n_cubes; cube++) {
            uint16_t peer = l->peer[cube * LIFT_LINKS + link];
            if ((peer == TPUNET_NONE) != (first == TPUNET_NONE) ||
                (peer != TPUNET_NONE && (peer ^ first) % TPUNET_CUBE_CHIPS != 0))
                return false;
        }
        l->n_links = (uint16_t)(l->n_links + (first != TPUNET_NONE));
    }
    return true;
}

/* The translation that takes cube 0 to cube g follows from that, link by link,
 * as far as links lead; then each link must agree with it. */
static bool translate(const struct lift *l, uint16_t g, uint16_t *to)
{
    uint16_t queue[TPUNET_CUBES_MAX];
    unsigned head = 0, tail = 0;
    memset(to, 0xFF, l->n_cubes * sizeof *to);
    to[0] = g;
    queue[tail++] = 0;
    while (head < tail) {
        uint16_t cube = queue[head++];
        for (unsigned link = 0; link < LIFT_LINKS; link++) {
            if (l->peer[link] == TPUNET_NONE)
                continue;
            uint16_t next = l->peer[(size_t)cube * LIFT_LINKS + link] / TPUNET_CUBE_CHIPS;
            uint16_t image = l->peer[(size_t)to[cube] * LIFT_LINKS + link] / TPUNET_CUBE_CHIPS;
            if (to[next] == TPUNET_NONE) {
                to[next] = image;
                queue[tail++] = next;
            } else if (to[next] != image) {
                return false;
            }
        }
    }
    return tail == l->n_cubes;
}

int lift_init(struct lift *out, const struct tpunet_topology *topology, struct tpunet_error *err)
{
    if (topology->shape.mesh || topology->n_dead > 0)
        return false;
    int rc = alloc(out, topology, err);
    if (rc < 0)
        return rc;
    number_nodes(out, topology);
    bool alike = links_alike(out);
    for (uint16_t g = 0; alike && g < out->n_cubes; g++)
        alike = translate(out, g, &out->to[(size_t)g * out->n_cubes]);
    if (!alike)
        lift_fini(out);
    return alike;
}
