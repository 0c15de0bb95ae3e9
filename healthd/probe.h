/* The seam to the instruments of a host: reads one class of signals.
 *
 * Implementations (probes/): sysfs of the machine it runs on, and podsim, where
 * one process may stand for many hosts.  tests/contract/test_probe.c runs on
 * both. */
#ifndef HEALTHD_PROBE_H
#define HEALTHD_PROBE_H

#include <stdint.h>
#include <uv.h>

#include "err.h"
#include "metric.h"

/* `reading` is valid during the call; NULL: the host's instruments do not
 * answer.  What they do not know is NAN in it, never zero. */
typedef void probe_read_fn(void *arg, uint16_t host, enum probe_class class,
                           const struct reading *reading);

/* What became of one item of a pattern. */
struct probe_delivery {
    bool delivered;
    unsigned hops;
    double us;
    char text[160];   /* why not, */
    uint32_t died_at; /* and at which chip */
    uint64_t value;   /* of its payload, as it arrived */
};
struct probe_result {
    bool answered;
    uint64_t value;
};
typedef void probe_transfer_fn(void *arg, const struct probe_delivery *deliveries, size_t n);
typedef void probe_compute_fn(void *arg, const struct probe_result *results, size_t n);

struct probe;
struct probe_ops {
    /* Calls `done` exactly once, during the call or later on the loop. */
    void (*read)(struct probe *probe, uint16_t host, enum probe_class class, probe_read_fn *done,
                 void *arg);
    /* No more reads for now: those that were gathered to travel together go. */
    void (*flush)(struct probe *probe);
    /* Chip numbers are cube * 64 + x + 4 y + 16 z.  n = 0 in `done`: there was no
     * answer.  NULL where the instruments cannot do it. */
    void (*transfer)(struct probe *probe, const uint32_t *from, const uint32_t *to, size_t n,
                     uint64_t seed, probe_transfer_fn *done, void *arg);
    void (*compute)(struct probe *probe, const uint32_t *chips, size_t n, uint64_t seed,
                    unsigned rounds, probe_compute_fn *done, void *arg);
    /* Ends the calls under way; the loop has to run out after it. */
    void (*destroy)(struct probe *probe);
};
struct probe { /* the head of each implementation's own */
    const struct probe_ops *ops;
    /* It can be asked; podsim's connection may come later. */
    bool ready;
};

/* What the right answer of a computation is. */
uint64_t probe_expected(uint32_t chip, uint64_t seed, unsigned rounds);
/* And what arrives of a flit that nothing has changed. */
static inline uint64_t probe_payload(uint32_t from, uint32_t to, uint64_t seed)
{
    return probe_expected(from + (to << 16), seed, 1);
}

int podsim_probe_create(struct probe **out, uv_loop_t *loop, const char *pod, const char *url,
                        struct error *err);
/* `root` is where the machine's /sys and /dev are found ("" on a live one);
 * `driver` is what lines of the accelerator's driver begin with. */
int sysfs_probe_create(struct probe **out, const char *root, const char *driver, struct error *err);

#endif
