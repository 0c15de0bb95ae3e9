/* The switch seam: how podmgr reaches an optical circuit switch.
 *
 * Calls start work; the callback comes later, exactly once, from the loop.
 * Implementations: ocs_nng.c (the agent protocol of proto/ocs.proto, which
 * podsim speaks); vendor drivers later. */
#ifndef PODMGR_OCS_H
#define PODMGR_OCS_H

#include "core/core.h"

struct ocs_driver;

/* status 0, or E_UNREACHABLE, E_TIMEOUT (both: unknown whether it happened),
 * E_STALE (another claim holds the switch: see identity), E_CONFLICT (the
 * generation is not the expected one), E_INVALID (wrong switch or pod),
 * E_VERSION. */
struct ocs_answer {
    int status;
    char text[160];
    struct ocs_identity identity;
    const struct seen_circuit *seen; /* read: all circuits */
    size_t n_seen;
    struct ocs_op_result *results; /* apply, in the order asked */
    size_t n_results;
};
typedef void ocs_answer_fn(void *arg, const struct ocs_answer *answer);
typedef void ocs_link_fn(void *arg, uint16_t ocs, bool connected);

struct ocs_batch_op {
    struct id id;
    const struct tpunet_xc *breaks, *makes;
    size_t n_breaks, n_makes;
};
struct ocs_claim {
    uint64_t epoch, instance, session;
};

struct ocs_driver_ops {
    void (*identify)(struct ocs_driver *d, uint16_t ocs, ocs_answer_fn *done, void *arg);
    void (*fence)(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim, ocs_answer_fn *done,
                  void *arg);
    void (*read)(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim, ocs_answer_fn *done,
                 void *arg);
    void (*apply)(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                  uint64_t expected_generation, const struct ocs_batch_op *ops, size_t n,
                  ocs_answer_fn *done, void *arg);
    void (*destroy)(struct ocs_driver *d);
};
struct ocs_driver {
    const struct ocs_driver_ops *ops;
};

#endif
