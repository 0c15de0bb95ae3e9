#include "links.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

int slice_links_init(struct slice_links *l, const struct tpunet_intent *intent,
                     struct tpunet_error *err)
{
    struct tpunet_topology *topology;
    int status = tpunet_topology_create(&topology, intent, err);

    if (status < 0) {
        return status;
    }
    *l = (struct slice_links){.n_chips = topology->n_chips};
    l->own = xcalloc(l->n_chips, 1);
    l->down = xcalloc(l->n_chips, 1);
    l->told = xcalloc(l->n_chips, 1);
    l->again = xcalloc(l->n_chips, 1);
    for (uint32_t i = 0; i < l->n_chips * TPUNET_PORTS; i++) {
        if (topology->peer[i] != TPUNET_NONE) {
            l->own[i / TPUNET_PORTS] |= (uint8_t)(1U << i % TPUNET_PORTS);
        }
    }
    tpunet_topology_destroy(topology);
    return 0;
}

void slice_links_fini(struct slice_links *l)
{
    free(l->own);
    free(l->down);
    free(l->told);
    free(l->again);
    *l = (struct slice_links){.n_chips = 0};
}

static bool put_bit(uint8_t *mask, unsigned port, bool value)
{
    uint8_t before = *mask;

    *mask = (uint8_t)(value ? before | 1U << port : before & ~(1U << port));
    return *mask != before;
}

bool slice_links_see(struct slice_links *l, uint32_t logical, unsigned port, bool up,
                     int64_t wall_ms)
{
    if (logical >= l->n_chips || port >= TPUNET_PORTS || (l->own[logical] & 1U << port) == 0 ||
        !put_bit(&l->down[logical], port, !up)) {
        return false;
    }
    l->untold = true;
    l->seen_ms = wall_ms;
    return true;
}

bool slice_links_untold(const struct slice_links *l, uint32_t *at, uint32_t *logical,
                        unsigned *port, bool *up)
{
    for (; *at < l->n_chips * TPUNET_PORTS; ++*at) {
        uint32_t chip = *at / TPUNET_PORTS;
        unsigned p = *at % TPUNET_PORTS;
        if ((((l->down[chip] ^ l->told[chip]) | l->again[chip]) & 1 << p) != 0) {
            *logical = chip;
            *port = p;
            *up = (l->down[chip] & 1U << p) == 0;
            ++*at;
            return true;
        }
    }
    return false;
}

void slice_links_tell(struct slice_links *l, uint32_t logical, unsigned port, bool up)
{
    assert(port < TPUNET_PORTS);
    if (logical < l->n_chips) {
        (void)put_bit(&l->told[logical], port, !up);
        (void)put_bit(&l->again[logical], port, false);
    }
}

void slice_links_told_up(struct slice_links *l)
{
    memset(l->told, 0, l->n_chips);
    memset(l->again, 0, l->n_chips);
    l->untold = true;
}

void slice_links_tell_again(struct slice_links *l)
{
    for (uint32_t i = 0; i < l->n_chips; i++) {
        l->again[i] = l->down[i] | l->told[i];
        l->untold = l->untold || l->again[i] != 0;
    }
}

uint32_t slice_logical(const struct tpunet_intent *intent, uint32_t number)
{
    struct tpunet_chip chip = tpunet_chip_of(number);
    uint16_t at[TPUNET_AXES] = {0}, index = 0;

    while (index < intent->n_cubes && intent->cubes[index] != chip.cube) {
        index++;
    }
    if (index == intent->n_cubes) {
        return TPUNET_NONE;
    }
    if (!intent->shape.mesh) {
        tpunet_cube_position(&intent->shape, index, at);
    }
    for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
        unsigned origin = intent->shape.mesh ? intent->origin[axis] : 0;
        if (chip.at[axis] < origin) {
            return TPUNET_NONE;
        }
        at[axis] = (uint16_t)(at[axis] * (unsigned)TPUNET_CUBE_DIM + chip.at[axis] - origin);
        if (at[axis] >= intent->shape.dim[axis]) {
            return TPUNET_NONE;
        }
    }
    return tpunet_logical_index(&intent->shape, at);
}

uint32_t slice_chip(const struct tpunet_intent *intent, uint32_t logical)
{
    uint16_t at[TPUNET_AXES], pos[TPUNET_AXES];
    struct tpunet_chip chip = {.cube = 0};

    tpunet_logical_at(&intent->shape, logical, at);
    for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
        unsigned origin = intent->shape.mesh ? intent->origin[axis] : 0;
        pos[axis] = at[axis] / TPUNET_CUBE_DIM;
        chip.at[axis] = (uint8_t)(at[axis] % TPUNET_CUBE_DIM + origin);
    }
    chip.cube = intent->cubes[intent->shape.mesh ? 0 : tpunet_cube_index(&intent->shape, pos)];
    return tpunet_chip_number(chip);
}
