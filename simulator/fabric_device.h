/* The chips' side of the fabric protocol: probes and table writes that travel
 * in band, and what a chip accepts.
 *
 * A chip refuses a stamp older than any it has accepted, ordered by (epoch,
 * generation); one of the same age must name the same slice. */
#ifndef SIMULATOR_FABRIC_DEVICE_H
#define SIMULATOR_FABRIC_DEVICE_H

#include "world.h"

struct sim_path {
    uint32_t entry;
    const uint8_t *hops;
    size_t n_hops;
};
enum sim_fabric_status { SIM_FABRIC_OK, SIM_FABRIC_STALE, SIM_FABRIC_UNREACHABLE, SIM_FABRIC_BAD };

/* Follows the path over live links; false if it leads nowhere. */
bool sim_follow(const struct world *w, const struct sim_path *path, uint32_t *chip);

enum sim_fabric_status sim_write_row(struct world *w, const struct sim_stamp *stamp,
                                     const struct sim_path *path, uint32_t self, uint32_t n_chips,
                                     unsigned class_mask, const uint8_t *bytes, size_t len);
enum sim_fabric_status sim_quiesce(struct world *w, const struct sim_stamp *stamp,
                                   const struct sim_path *path);
enum sim_fabric_status sim_commit(struct world *w, const struct sim_stamp *stamp,
                                  const struct sim_path *path);
enum sim_fabric_status sim_set_port(struct world *w, const struct sim_stamp *stamp,
                                    const struct sim_path *path, unsigned port, bool enabled);
void sim_bank_clear(struct sim_bank *bank);

#endif
