/* What can be measured: one table of metrics, by class of signals. */
#ifndef HEALTHD_METRIC_H
#define HEALTHD_METRIC_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"

enum probe_class { PROBE_CHIPS, PROBE_HOST, PROBE_LINKS, PROBE_CLASSES };

/* GAUGE: a value; COUNTER: only ever rises, and its 32 bits wrap around or, past
 * 53 bits, never do within a machine's life. */
enum metric_kind { METRIC_GAUGE, METRIC_COUNTER, METRIC_COUNTER_32 };

/* id, class, name, kind, unit; in the order of proto/probe.proto */
#define METRICS(X)                                                                                 \
    X(CHIP_PRESENT, PROBE_CHIPS, "chip-present", METRIC_GAUGE, "")                                 \
    X(HBM_CORRECTABLE, PROBE_CHIPS, "hbm-correctable", METRIC_COUNTER_32, "errors")                \
    X(HBM_UNCORRECTABLE, PROBE_CHIPS, "hbm-uncorrectable", METRIC_COUNTER_32, "errors")            \
    X(CHIP_TEMPERATURE, PROBE_CHIPS, "chip-temperature", METRIC_GAUGE, "C")                        \
    X(CHIP_THROTTLED, PROBE_CHIPS, "chip-throttled", METRIC_COUNTER, "ms")                         \
    X(CHIP_HEARTBEAT, PROBE_CHIPS, "chip-heartbeat", METRIC_COUNTER_32, "steps")                   \
    X(CHIP_STEP, PROBE_CHIPS, "chip-step", METRIC_GAUGE, "us")                                     \
    X(PCIE_CORRECTABLE, PROBE_HOST, "pcie-correctable", METRIC_COUNTER, "errors")                  \
    X(PCIE_UNCORRECTABLE, PROBE_HOST, "pcie-uncorrectable", METRIC_COUNTER, "errors")              \
    X(PCIE_WIDTH, PROBE_HOST, "pcie-width", METRIC_GAUGE, "%")                                     \
    X(PCIE_SPEED, PROBE_HOST, "pcie-speed", METRIC_GAUGE, "%")                                     \
    X(MEMORY_CORRECTABLE, PROBE_HOST, "memory-correctable", METRIC_COUNTER, "errors")              \
    X(MEMORY_UNCORRECTABLE, PROBE_HOST, "memory-uncorrectable", METRIC_COUNTER, "errors")          \
    X(HOST_TEMPERATURE, PROBE_HOST, "host-temperature", METRIC_GAUGE, "C")                         \
    X(POWER_ALARMS, PROBE_HOST, "power-alarms", METRIC_GAUGE, "alarms")                            \
    X(DRIVER_ERRORS, PROBE_HOST, "driver-errors", METRIC_COUNTER, "lines")                         \
    X(KERNEL_ERRORS, PROBE_HOST, "kernel-errors", METRIC_COUNTER, "lines")                         \
    X(LINK_CRC, PROBE_LINKS, "link-crc", METRIC_COUNTER_32, "frames")                              \
    X(LINK_FEC, PROBE_LINKS, "link-fec", METRIC_COUNTER_32, "words")                               \
    X(LINK_RETRAINS, PROBE_LINKS, "link-retrains", METRIC_COUNTER_32, "trainings")                 \
    X(LINK_LIGHT, PROBE_LINKS, "link-light", METRIC_GAUGE, "dBm")                                  \
    X(LINK_RATE, PROBE_LINKS, "link-rate", METRIC_GAUGE, "Gbit/s")

enum metric {
#define X(id, class, name, kind, unit) METRIC_##id,
    METRICS(X)
#undef X
        N_METRICS,
};

struct metric_info {
    const char *name, *unit;
    enum probe_class class;
    enum metric_kind kind;
    unsigned place; /* among those of its class */
};
const struct metric_info *metric_info(enum metric metric);
bool metric_named(const char *name, enum metric *out);

/* A class has so many metrics, of so many parts. */
unsigned class_metrics(enum probe_class class);
enum finding_scope class_scope(enum probe_class class);
size_t class_values(enum probe_class class);

/* One reading of a class at one host: part by part, metric by metric.  NAN is
 * what the instrument does not know, which is never zero. */
enum { READING_MAX = 120 };
struct reading {
    unsigned long long incarnation; /* a new one: counters began anew */
    double values[READING_MAX];
};
void reading_clear(struct reading *reading); /* all unknown */
static inline double *reading_at(struct reading *r, unsigned part, enum metric metric)
{
    const struct metric_info *info = metric_info(metric);
    return &r->values[part * class_metrics(info->class) + info->place];
}

#endif
