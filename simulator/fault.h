/* What can break, and how it heals: a table of kinds, each with how to put it
 * on and take it off.  Faults are counted where they overlap, so healing one
 * leaves the other. */
#ifndef SIMULATOR_FAULT_H
#define SIMULATOR_FAULT_H

#include "world.h"

struct fault_kind;
struct fault {
    struct fault *next;
    unsigned id;
    const struct fault_kind *kind;
    struct part target, with;    /* with: the second fibre of a swap */
    double db;                   /* loss */
    int64_t since_ns, until_ns;  /* until: 0 = until healed */
};

/* Parameters of `inject KIND TARGET --set k=v ...`. */
struct fault_request {
    const char *kind, *target;
    const char *with, *db;       /* NULL if not given */
    int64_t for_ns;              /* 0: until healed */
};
/* E_INVALID names the kind or target at fault and lists what would be right. */
int fault_inject(struct world *w, const struct fault_request *request, struct error *err);
/* Heals every fault of that target ("all": every fault); returns their number. */
int fault_heal(struct world *w, const char *target, struct error *err);
void faults_destroy(struct world *w);

/* For listings: NULL after the last. */
struct fault_kind_info {
    const char *name, *target, *help;
};
const struct fault_kind_info *fault_kind_at(size_t i);
const char *fault_kind_name(const struct fault *fault);

#endif
