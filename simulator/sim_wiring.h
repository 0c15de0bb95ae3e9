/* The fixed part of the world: which chip port holds which fibre, and at which
 * switch port it ends.  Written from the hardware's description alone. */
#ifndef SIMULATOR_SIM_WIRING_H
#define SIMULATOR_SIM_WIRING_H

#include "world.h"

uint32_t sim_chip_number(unsigned cube, const uint8_t at[3]);
void sim_chip_name(uint32_t chip, char buf[static 32]);
unsigned sim_fibre_number(unsigned cube, unsigned axis, bool minus, unsigned a, unsigned b);

/* The fibre of a chip's port; false if that port is copper. */
bool sim_chip_fibre(uint32_t chip, unsigned port, unsigned *fibre);
uint32_t sim_fibre_chip(unsigned fibre, unsigned *port);
/* The fibre plugged in there, or UINT32_MAX: a place in the world's table. */
uint32_t *sim_fibre_at(struct world *w, struct sim_port end);

/* All fibres where they are by default. */
void sim_wire(struct world *w);
/* One to a spare port; E_CONFIG names what does not fit. */
int sim_move_fibre(struct world *w, const struct sim_move *move, struct error *err);
/* Exchanges the switch ends of two fibres; nobody looks yet. */
void sim_swap_fibres(struct world *w, unsigned one, unsigned other);

#endif
