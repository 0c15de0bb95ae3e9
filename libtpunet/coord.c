/* Coordinates: chips, hosts and ports of the pod, and the step around a torus
 * (with ring.h the one place where a coordinate wraps around). */
#include "ring.h"

#include "internal.h"

#include <assert.h>
#include <stdio.h>

const char *tpunet_port_name(unsigned port)
{
    static const char *const names[TPUNET_PORTS] = {"+x", "-x", "+y", "-y", "+z", "-z"};
    return port < TPUNET_PORTS ? names[port] : "?";
}

uint32_t tpunet_chip_number(struct tpunet_chip chip)
{
    assert(chip.at[0] < TPUNET_CUBE_DIM && chip.at[1] < TPUNET_CUBE_DIM);
    assert(chip.at[2] < TPUNET_CUBE_DIM);
    return chip.cube * (uint32_t)TPUNET_CUBE_CHIPS + chip.at[0] + 4U * chip.at[1] +
           16U * chip.at[2];
}

struct tpunet_chip tpunet_chip_of(uint32_t number)
{
    assert(number / TPUNET_CUBE_CHIPS < UINT16_MAX);
    return (struct tpunet_chip){
        .cube = (uint16_t)(number / TPUNET_CUBE_CHIPS),
        .at = {number & 3U, number >> 2 & 3U, number >> 4 & 3U},
    };
}

unsigned tpunet_chip_host(struct tpunet_chip chip)
{
    return chip.at[0] / 2U + 2U * (chip.at[1] / 2U) + 4U * chip.at[2];
}

struct tpunet_chip tpunet_host_chip(uint16_t cube, unsigned host, unsigned k)
{
    assert(host < TPUNET_CUBE_HOSTS && k < 4);
    return (struct tpunet_chip){
        .cube = cube,
        .at = {(uint8_t)(2 * (host & 1) + (k & 1)), (uint8_t)(2 * (host >> 1 & 1) + (k >> 1)),
               (uint8_t)(host >> 2)},
    };
}

struct part_name chip_name(uint32_t number)
{
    struct tpunet_chip c = tpunet_chip_of(number);
    struct part_name name;
    snprintf(name.text, sizeof name.text, "chip/%u-%u-%u-%u", c.cube, c.at[0], c.at[1], c.at[2]);
    return name;
}

struct part_name fibre_name(struct tpunet_fibre f)
{
    struct part_name name;
    snprintf(name.text, sizeof name.text, "fibre/%u%c%c-%u-%u", f.cube, f.minus ? '-' : '+',
             f.axis < TPUNET_AXES ? "xyz"[f.axis] : '?', f.a, f.b);
    return name;
}

void torus_step(const uint16_t len[static TPUNET_AXES], bool twisted,
                uint16_t at[static TPUNET_AXES], unsigned port)
{
    unsigned axis = tpunet_port_axis(port);
    bool minus = tpunet_port_minus(port);
    assert(port < TPUNET_PORTS && at[axis] < len[axis]);

    bool wraps = ring_wraps(at[axis], minus, len[axis]);
    at[axis] = (uint16_t)ring_step(at[axis], minus, len[axis]);
    /* Lengths rise, so len[0] is the short one; half a ring of 2k is the same
     * shift in both directions. */
    if (!twisted || !wraps || len[axis] != len[0])
        return;
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        if (len[k] != len[0])
            at[k] = (uint16_t)ring_add(at[k], len[0], len[k]);
    }
}

void torus_add(const uint16_t len[static TPUNET_AXES], bool twisted,
               uint16_t at[static TPUNET_AXES], const uint16_t by[static TPUNET_AXES])
{
    unsigned wraps = 0; /* of short axes */
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        wraps += len[k] == len[0] && at[k] + by[k] >= len[k];
        at[k] = (uint16_t)ring_add(at[k], by[k], len[k]);
    }
    for (unsigned k = 0; k < TPUNET_AXES && twisted && wraps % 2 != 0; k++) {
        if (len[k] != len[0])
            at[k] = (uint16_t)ring_add(at[k], len[0], len[k]);
    }
}
