/* What the seed draws.  Everything random in the world comes from here, so the
 * same seed makes the same world. */
#ifndef SIMULATOR_CHANCE_H
#define SIMULATOR_CHANCE_H

#include <stdint.h>

uint64_t chance_mix(uint64_t z);              /* a good hash of 64 bits */
double chance_next(uint64_t *state);          /* [0, 1) */
double chance_gaussian(double u1, double u2); /* from two of [0, 1) */
/* A lognormal draw of a batch's mirror time; a median of 0 takes no time. */
int64_t chance_mirror_ns(uint64_t *state, double median_ms, double p99_ms);
/* The loss that a pair of ports has when nothing is wrong: always the same for
 * the same pair, around 1.3 dB and below 2. */
double chance_pair_loss_db(uint64_t seed, unsigned ocs, unsigned north, unsigned south);

#endif
