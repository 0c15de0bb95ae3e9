/* Fault sets as people write them, and random ones for tests and benches.
 *
 *   ocs:17           every circuit of one OCS
 *   link:12+x        the link that leaves logical chip 12 by port +x
 *   link:3.0.2-z     the same by coordinates
 *   chip:12          a dead chip, by index or coordinates
 *   random:SEED      1 to 3 OCSes, 0 to 8 links, 0 to 2 chips
 *
 * Several are separated by commas. */
#ifndef TPUNET_TOOL_FAULTS_H
#define TPUNET_TOOL_FAULTS_H

#include "tpunet.h"

/* Applies a list to a topology; TPUNET_EINVAL names the fault that cannot be
 * (those before it have been applied). */
int faults_apply(struct tpunet_topology *topology, const char *list, struct tpunet_error *err);
/* The set of random:SEED. */
void faults_random(struct tpunet_topology *topology, uint64_t seed);

#endif
