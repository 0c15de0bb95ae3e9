/* What can break, and how it heals: a table of kinds, each with how to put it
 * on and take it off.  Different faults may overlap (a dead chip in a dead
 * cube): they are counted, so healing one leaves the other. */
#ifndef SIMULATOR_FAULT_H
#define SIMULATOR_FAULT_H

#include "world.h"

struct fault_kind;
struct fault {
    struct fault *next;
    unsigned id;
    const struct fault_kind *kind;
    struct part target, with;   /* with: the second fibre of a swap */
    double amount;              /* dB, rate, factor: what the kind says */
    bool one_way;               /* link: this port sends nothing, but hears */
    int64_t since_ns, until_ns; /* until: 0 = until healed */
};

/* `inject KIND TARGET --for D --set KEY=VALUE`; a kind has one key at most. */
struct fault_request {
    const char *kind, *target;
    const char *key, *value; /* NULL if not given */
    int64_t for_ns;          /* 0: until healed */
};
/* E_INVALID names the kind, target or key at fault and lists what would be
 * right; E_CONFLICT: that very fault, or one of these fibres' swaps, is there
 * already. */
int fault_inject(struct world *w, const struct fault_request *request, struct error *err);
/* Heals every fault of that target ("all": every fault); returns their number. */
int fault_heal(struct world *w, const char *target, struct error *err);
void faults_destroy(struct world *w);

/* For listings: NULL after the last. */
struct fault_kind_info {
    const char *name, *target;
    const char *key; /* of its --set, or NULL */
    const char *help;
};
const struct fault_kind_info *fault_kind_at(size_t i);
const char *fault_kind_name(const struct fault *fault);

#endif
