/* The graph that routes may use: the chips of a slice by logical index, and
 * the neighbour on each of their six ports.  Who starts from physical chips
 * (discovery, placement, bring-up) translates with a chip_map. */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Splits torus coordinates into the logical cube and the chip in it. */
static struct tpunet_chip chip_at(const struct tpunet_intent *intent,
                                  const uint16_t at[static TPUNET_AXES], uint16_t *cube)
{
    struct tpunet_chip chip;
    uint16_t pos[TPUNET_AXES] = {0, 0, 0};
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        if (!intent->shape.mesh)
            pos[k] = at[k] / TPUNET_CUBE_DIM;
        chip.at[k] = (uint8_t)(intent->origin[k] + at[k] % TPUNET_CUBE_DIM);
    }
    *cube = tpunet_cube_index(&intent->shape, pos);
    chip.cube = intent->cubes[*cube];
    return chip;
}

void chip_map_init(struct chip_map *map, const struct tpunet_intent *intent)
{
    map->n_chips = tpunet_shape_chips(&intent->shape);
    memset(map->chip_of, 0xFF, sizeof map->chip_of);
    memset(map->logical_of, 0xFF, sizeof map->logical_of);
    for (uint32_t logical = 0; logical < map->n_chips; logical++) {
        uint16_t at[TPUNET_AXES], cube;
        tpunet_logical_at(&intent->shape, logical, at);
        uint32_t number = tpunet_chip_number(chip_at(intent, at, &cube));
        assert(number < TPUNET_CHIPS_MAX && map->logical_of[number] == TPUNET_NONE);
        map->chip_of[logical] = (uint16_t)number;
        map->logical_of[number] = (uint16_t)logical;
    }
}

unsigned logical_ocs(const struct tpunet_shape *shape, uint32_t logical, unsigned port)
{
    uint16_t at[TPUNET_AXES];
    struct tpunet_chip chip = {.cube = 0};
    struct tpunet_fibre fibre;
    tpunet_logical_at(shape, logical, at);
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        chip.at[k] = (uint8_t)(at[k] % TPUNET_CUBE_DIM);
    if (shape->mesh || !tpunet_chip_fibre(chip, port, &fibre))
        return TPUNET_NONE;
    return tpunet_fibre_ocs(fibre);
}

/* The logical chip that the + port of `axis` of the chip at `at` is to meet. */
static uint16_t intended_peer(const struct tpunet_intent *intent,
                              const uint16_t at[static TPUNET_AXES], unsigned axis)
{
    const struct tpunet_shape *shape = &intent->shape;
    uint16_t cube, to[TPUNET_AXES] = {at[0], at[1], at[2]};
    if (shape->mesh || at[axis] % TPUNET_CUBE_DIM != TPUNET_CUBE_DIM - 1) {
        if (++to[axis] >= shape->dim[axis])
            return TPUNET_NONE;
        return (uint16_t)tpunet_logical_index(shape, to);
    }
    struct tpunet_fibre fibre;
    bool optical = tpunet_chip_fibre(chip_at(intent, at, &cube), 2 * axis, &fibre);
    assert(optical);
    uint16_t next = intent->next[tpunet_fibre_ocs(fibre) * intent->n_cubes + cube];
    if (next == TPUNET_NONE)
        return TPUNET_NONE;
    tpunet_cube_position(shape, next, to);
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        to[k] = (uint16_t)(to[k] * TPUNET_CUBE_DIM + (k == axis ? 0 : at[k] % TPUNET_CUBE_DIM));
    return (uint16_t)tpunet_logical_index(shape, to);
}

int tpunet_topology_create(struct tpunet_topology **out, const struct tpunet_intent *intent,
                           struct tpunet_error *err)
{
    int rc = tpunet_intent_check(intent, err);
    if (rc < 0)
        return rc;
    uint32_t n = tpunet_shape_chips(&intent->shape);
    struct tpunet_topology *t = malloc(sizeof *t);
    uint16_t *peer = malloc((size_t)n * TPUNET_PORTS * sizeof *peer);
    bool *dead = calloc(n, sizeof *dead);
    if (t == NULL || peer == NULL || dead == NULL) {
        free(t);
        free(peer);
        free(dead);
        return tpunet_fail_nomem(err);
    }
    *t = (struct tpunet_topology){.shape = intent->shape, .n_chips = n, .peer = peer, .dead = dead};
    memset(peer, 0xFF, (size_t)n * TPUNET_PORTS * sizeof *peer);
    for (uint32_t chip = 0; chip < n; chip++) {
        uint16_t at[TPUNET_AXES];
        tpunet_logical_at(&intent->shape, chip, at);
        for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
            uint16_t to = intended_peer(intent, at, axis);
            peer[chip * TPUNET_PORTS + 2 * axis] = to;
            if (to != TPUNET_NONE)
                peer[to * TPUNET_PORTS + 2 * axis + 1] = (uint16_t)chip;
        }
    }
    *out = t;
    return 0;
}

int tpunet_topology_of_shape(struct tpunet_topology **out, const struct tpunet_shape *shape,
                             struct tpunet_error *err)
{
    uint16_t cubes[TPUNET_CUBES_MAX];
    char text[24];
    int rc = tpunet_shape_check(shape, tpunet_shape_format(shape, text), err);
    if (rc < 0)
        return rc;
    for (uint16_t i = 0; i < TPUNET_CUBES_MAX; i++)
        cubes[i] = i;
    struct tpunet_intent *intent;
    rc = tpunet_intent_create(&intent, shape, cubes, tpunet_shape_cubes(shape), err);
    if (rc < 0)
        return rc;
    rc = tpunet_topology_create(out, intent, err);
    tpunet_intent_destroy(intent);
    return rc;
}

void tpunet_topology_destroy(struct tpunet_topology *t)
{
    if (t == NULL)
        return;
    free(t->peer);
    free(t->dead);
    free(t);
}

void tpunet_topology_cut(struct tpunet_topology *t, uint32_t logical, unsigned port)
{
    assert(logical < t->n_chips && port < TPUNET_PORTS);
    uint16_t *end = &t->peer[logical * TPUNET_PORTS + port];
    if (*end == TPUNET_NONE)
        return;
    uint16_t *far_end = &t->peer[*end * TPUNET_PORTS + tpunet_port_peer(port)];
    assert(*far_end == logical);
    *end = TPUNET_NONE;
    *far_end = TPUNET_NONE;
}

void tpunet_topology_kill(struct tpunet_topology *t, uint32_t logical)
{
    assert(logical < t->n_chips);
    for (unsigned port = 0; port < TPUNET_PORTS; port++)
        tpunet_topology_cut(t, logical, port);
    t->n_dead += !t->dead[logical];
    t->dead[logical] = true;
}

int tpunet_topology_cut_ocs(struct tpunet_topology *t, unsigned ocs, struct tpunet_error *err)
{
    if (ocs >= TPUNET_OCSES)
        return tpunet_fail(err, TPUNET_EINVAL, "ocs/%u is not one of %d", ocs, TPUNET_OCSES);
    for (uint32_t chip = 0; !t->shape.mesh && chip < t->n_chips; chip++) {
        if (logical_ocs(&t->shape, chip, 2 * (ocs / TPUNET_FACE_LINKS)) == ocs)
            tpunet_topology_cut(t, chip, 2 * (ocs / TPUNET_FACE_LINKS));
    }
    return 0;
}
