/* Remediation at work: from symptoms to incidents, tickets, swaps and new routes.
 *
 * The parts are pure (symptoms.h, rootcause.h, incident.h, remediation.h,
 * repair.h); here they are asked, in this order, and what they say is done.
 * The rules stand in remedy.c. */
#ifndef PODMGR_CORE_REMEDY_H
#define PODMGR_CORE_REMEDY_H

#include "core/core.h"
#include "core/incident.h"
#include "core/remediation.h"
#include "core/repair.h"
#include "core/symptoms.h"

struct remediation {
    bool breaker_open; /* kept over a restart */
    /* Of this process: */
    struct symptoms *symptoms; /* NULL: off */
    struct mono_ns began;      /* its first look */
    uint64_t hash;             /* of the last symptoms */
    struct mono_ns changed;    /* when they were last others */
    struct mono_ns look_at;    /* at the latest, while something is open */
    bool looked;               /* at these symptoms */
    unsigned severe;           /* how many of them are SEVERE or worse */
    struct mono_ns open_at;    /* when incidents may be opened ahead of a look again */
    uint64_t versions;         /* of the slices that have not recovered, summed */
    struct mono_ns *swaps;     /* of the last hour, rising */
    size_t n_swaps, cap_swaps;
};
struct remediation *remediation_create(const struct pod *pod);
void remediation_destroy(struct remediation *r);

/* What counts against the budgets: cubes that remediation has taken out of
 * service, until a person has mended them (on probation they are his doing), and
 * swaps of the last hour. */
unsigned remediation_cubes_out(const struct model *m);
unsigned remediation_swaps(const struct model *m, struct mono_ns now);

/* remedy_budget.c.
 * Outside of an incident, at a bring-up: why podmgr may not act of its own accord, or
 * not take n_cubes more out of service; NULL: it may. */
const char *remedy_stops(const struct model *m, size_t n_cubes);
/* May it swap n cubes under a slice that has served?  Whoever then does calls
 * remedy_swapped(). */
bool remedy_may_swap(const struct model *m, size_t n, struct now now);
void remedy_swapped(struct model *m, size_t n, struct now now);
/* What is wanted exceeds a budget: the breaker opens, if it is not open. */
void remedy_trip(struct model *m, const char *why, struct now now, struct outbox *out);

/* An operator's word (EV_RESET_BREAKER). */
void remedy_reset_breaker(struct model *m, struct event *ev, struct outbox *out);

void remedy_tick(struct model *m, struct now now, struct outbox *out);

/* remedy_heard.c.
 * The intended circuit that a chip's port leads to; false if there is none. */
bool remedy_find_circuit(const struct model *m, uint32_t chip, unsigned port,
                         struct tpunet_xc *out);
/* Links of slices have changed. */
void remedy_links(struct model *m, const struct event *ev);
/* The mirror of this port did not move. */
void remedy_stuck(struct model *m, struct tpunet_ocs_port port, struct now now);
/* A bring-up or check of the slice begins. */
void remedy_asked(const struct model *m, struct slice *slice);
/* Every link of the slice was found up, but for those that it goes around. */
void remedy_proved(struct model *m, const struct slice *slice, struct now now);
/* An operator cleared the part: what was said of it before counts no more. */
void remedy_cleared(struct model *m, const struct part *part, struct now now);
/* A technician says that it is mended: likewise, of all that it takes along. */
struct extent;
void remedy_mended(struct model *m, const struct extent *extent, struct now now);
/* It is being verified: what its links were when their slice went is no news. */
void remedy_verifying(struct model *m, const struct extent *extent);
/* A person says that nothing was broken: how often its links went down counts no more. */
void remedy_dismissed(struct model *m, const struct extent *extent);

/* remedy_act.c: what was decided about one incident is done. */
struct mending {
    struct model *m;
    struct incident *incident;
    const struct cause *cause;
    struct impact impact;
    struct now now;
    struct outbox *out;
};
void remedy_carry_out(struct mending *w, const struct remedies *remedies);
/* remedy_repair.c: tickets follow what is true of their parts. */
struct repair_facts remedy_facts(const struct model *m, const struct ticket *ticket);
void remedy_repairs(struct model *m, struct now now, struct outbox *out);

#endif
