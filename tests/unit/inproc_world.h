/* A small fabric in memory for tests and benches: chips, fibres, switches,
 * and the fabric seam on top, answered before the call returns.
 *
 * It is the outside judge of libtpunet's wiring, so it has its own copy of the
 * rule and uses none of the library's functions. */
#ifndef TESTS_INPROC_WORLD_H
#define TESTS_INPROC_WORLD_H

#include "tpunet.h"

struct inproc_world;

/* `ports` a side on each OCS, all mirrors dark, every fibre on its port. */
struct inproc_world *inproc_create(unsigned cubes, unsigned ports);
void inproc_destroy(struct inproc_world *w);
/* The seam; valid as long as the world. */
const struct tpunet_fabric *inproc_fabric(struct inproc_world *w);

/* Drives a search to its end; 0 or what the fabric or the search said. */
int inproc_discover(struct inproc_world *w, struct tpunet_discovery *d, struct tpunet_error *err);

/* Mirrors: makes circuits (both ports must be free) and breaks them. */
void inproc_make(struct inproc_world *w, const struct tpunet_xc *xcs, size_t n);
void inproc_break(struct inproc_world *w, const struct tpunet_xc *xcs, size_t n);

/* Faults.  A link is named by either end; (chip, port) of a fibre are those of
 * the face chip where it starts. */
void inproc_swap_fibres(struct inproc_world *w, uint32_t chip_a, unsigned port_a, uint32_t chip_b,
                        unsigned port_b);
void inproc_move_fibre(struct inproc_world *w, uint32_t chip, unsigned port, unsigned ocs_port);
void inproc_cut(struct inproc_world *w, uint32_t chip, unsigned port);
void inproc_kill_chip(struct inproc_world *w, uint32_t chip);
/* The call after the next `n` ends with TPUNET_EFABRIC. */
void inproc_fail_after(struct inproc_world *w, unsigned n);

/* What a chip forwards by: its row of a class, NULL before any commit. */
const uint8_t *inproc_row(const struct inproc_world *w, uint32_t chip, unsigned cls);
/* The stamp a chip holds; .generation 0 when it was never written. */
const struct tpunet_stamp *inproc_stamp(const struct inproc_world *w, uint32_t chip);
bool inproc_injects(const struct inproc_world *w, uint32_t chip); /* not quiesced */
unsigned inproc_calls(const struct inproc_world *w);              /* on the seam, so far */

#endif
