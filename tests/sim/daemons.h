/* What the files of the daemons share.
 *
 *   daemons.c   leases, fences, watching; a daemon comes and goes
 *   bringups.c  bring-ups and checks, and their verdicts
 *   fabric.c    the chips as libtpunet sees them
 *   watch.c     the links of the slices that a daemon watches */
#ifndef TESTS_SIM_DAEMONS_H
#define TESTS_SIM_DAEMONS_H

#include "sim.h"

struct tpunet_fabric daemon_fabric(struct sim *s);
/* As the newest podmgr knows it; NULL if that is down or has yet to hear of it. */
const struct agent *daemon_known(const struct daemon *d);
/* Commands travel for 1 to 5 ms and arrive in the order in which they were given. */
void daemon_deliver(struct daemon *d, evq_fn *fn, void *arg);
/* It dies: what is under way ends, and nobody hears of it. */
void bringups_drop(struct daemon *d);
/* At the end of the seed: the clock stands still, and nothing under way will end. */
void bringups_fini(struct daemon *d);

#endif
