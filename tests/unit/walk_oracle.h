/* A second verifier, from the definition alone: every packet is walked through
 * the tables hop by hop, what it holds and asks for is written down, and the
 * graph of that is searched for a cycle.  It shares no code and no trick with
 * the first (libtpunet/verify.c), and is as slow as that sounds. */
#ifndef TESTS_WALK_ORACLE_H
#define TESTS_WALK_ORACLE_H

#include "tpunet.h"

enum { WALK_CHIPS_MAX = 128 };

struct walk_verdict {
    bool bad_entry; /* one that no table of this topology may have, used or not */
    uint64_t lost;  /* pairs whose packet meets no route, a bad entry, or goes round for ever */
    bool acyclic;   /* the channel dependency graph */
    uint64_t channels, dependencies;
    uint32_t max_hops; /* of the packets that arrive */
    uint64_t hops;     /* of all packets, up to where they are lost */
    uint32_t max_load; /* of a link */
};
/* At most WALK_CHIPS_MAX chips. */
struct walk_verdict walk_all_pairs(const struct tpunet_tables *tables,
                                   const struct tpunet_topology *topology);

/* Asserts that tpunet_verify() says the same, figure by figure; returns what it
 * returned. */
int walk_agrees(const struct tpunet_tables *tables, const struct tpunet_topology *topology);

#endif
