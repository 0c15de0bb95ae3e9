/* A kind of fault, as the tables in fault.c (what breaks chips, links and
 * switches) and health_faults.c (what the instruments of a host notice) have
 * it. */
#ifndef SIMULATOR_FAULT_KINDS_H
#define SIMULATOR_FAULT_KINDS_H

#include "fault.h"

struct fault_kind {
    struct fault_kind_info info;
    enum part_kind part;
    void (*set)(struct world *w, const struct fault *f, bool on);
    int (*take)(const struct world *w, struct fault *f, const char *text, struct error *err);
    int64_t default_for_ns;
    double dflt, min, max; /* of fault_take_amount() */
};

/* Reads the value of a kind with one number. */
int fault_take_amount(const struct world *w, struct fault *f, const char *text, struct error *err);

extern const struct fault_kind health_fault_kinds[];
extern const size_t n_health_fault_kinds;

#endif
