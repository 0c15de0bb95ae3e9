/* Where fibres begin and end, and the names of their ends.
 *
 * The + face fibre of cube c at in-face position (a, b) of axis k goes to
 * switch 16 k + a + 4 b, north port c; the - face fibre to its south port c.
 * (a, b) are the coordinates on the two other axes, in rising order. */
#include "sim_wiring.h"

#include <stdio.h>

/* ---------------------------------------------------------------- names -- */

uint32_t sim_chip_number(unsigned cube, const uint8_t at[3])
{
    return cube * SIM_CUBE_CHIPS + at[0] + 4U * at[1] + 16U * at[2];
}

void sim_chip_name(uint32_t chip, char buf[static 32])
{
    (void)snprintf(buf, 32, "chip/%u-%u-%u-%u", chip / SIM_CUBE_CHIPS, chip % 4, chip / 4 % 4,
                   chip / 16 % 4);
}

unsigned sim_fibre_number(unsigned cube, unsigned axis, bool minus, unsigned a, unsigned b)
{
    return ((cube * 3 + axis) * 2 + minus) * 16 + a + 4 * b;
}

/* --------------------------------------------------------------- fibres -- */

/* The chip port at the cube's end of a fibre. */
uint32_t sim_fibre_chip(unsigned fibre, unsigned *port)
{
    unsigned axis = fibre / 32 % 3, minus = fibre / 16 % 2;
    uint8_t at[3];

    at[axis] = minus != 0 ? 0 : 3;
    at[axis == 0 ? 1 : 0] = (uint8_t)(fibre % 4);
    at[axis == 2 ? 1 : 2] = (uint8_t)(fibre / 4 % 4);
    *port = axis * 2 + minus;
    return sim_chip_number(fibre / SIM_FIBRES_A_CUBE, at);
}

bool sim_chip_fibre(uint32_t chip, unsigned port, unsigned *fibre)
{
    unsigned axis = port / 2, minus = port % 2;
    uint32_t at[3] = {chip % 4, chip / 4 % 4, chip / 16 % 4};

    if (at[axis] != (minus != 0 ? 0U : 3U)) {
        return false; /* copper */
    }
    *fibre = sim_fibre_number(chip / SIM_CUBE_CHIPS, axis, minus != 0, at[axis == 0 ? 1 : 0],
                              at[axis == 2 ? 1 : 2]);
    return true;
}

uint32_t *sim_fibre_at(struct world *w, struct sim_port end)
{
    return &w->port_fibre[(end.ocs * 2U + end.south) * SIM_PORTS_MAX + end.port];
}

void sim_wire(struct world *w)
{
    for (unsigned f = 0; f < w->config->cubes * SIM_FIBRES_A_CUBE; f++) {
        unsigned axis = f / 32 % 3, minus = f / 16 % 2, position = f % 16;
        w->fibre_end[f] = (struct sim_port){.ocs = (uint16_t)(16 * axis + position),
                                            .south = (uint8_t)minus,
                                            .port = (uint16_t)(f / SIM_FIBRES_A_CUBE)};
        *sim_fibre_at(w, w->fibre_end[f]) = f;
    }
}

int sim_move_fibre(struct world *w, const struct sim_move *move, struct error *err)
{
    const struct part *f = &move->fibre, *p = &move->port;
    char fibre_name[80], port_name[80];

    (void)part_format(f, fibre_name);
    (void)part_format(p, port_name);
    if (f->cube >= w->config->cubes || p->port >= w->config->ports_per_side) {
        return err_set(err, E_CONFIG, "%s to %s: not in this pod", fibre_name, port_name);
    }
    unsigned number = sim_fibre_number(f->cube, f->axis, f->minus, f->a, f->b);
    struct sim_port to = {.ocs = p->ocs, .south = p->south, .port = p->port};
    if (to.ocs != w->fibre_end[number].ocs || to.south != w->fibre_end[number].south ||
        *sim_fibre_at(w, to) != UINT32_MAX) {
        return err_set(err, E_CONFIG, "%s to %s: another switch or side, or the port is taken",
                       fibre_name, port_name);
    }
    *sim_fibre_at(w, w->fibre_end[number]) = UINT32_MAX;
    w->fibre_end[number] = to;
    *sim_fibre_at(w, to) = number;
    return 0;
}

void sim_swap_fibres(struct world *w, unsigned one, unsigned other)
{
    struct sim_port end = w->fibre_end[one];

    w->fibre_end[one] = w->fibre_end[other];
    w->fibre_end[other] = end;
    *sim_fibre_at(w, w->fibre_end[one]) = one;
    *sim_fibre_at(w, w->fibre_end[other]) = other;
}
