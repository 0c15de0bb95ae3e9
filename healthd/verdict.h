/* From readings to findings: the policy table and the state of each check.
 *
 *          bad (at once)
 *   FINE ────────────────> RAISED ──┐ bad again: the clear time starts anew
 *    ^                       │  <───┘
 *    └───────────────────────┘
 *      fine for clear_ms, and not damped
 *
 * Down fast, up slow.  Each raise adds to a penalty that halves every 15
 * minutes; a check that was raised too often is damped: it stays raised, fine or
 * not, until the penalty has decayed (as BGP damps routes, RFC 2439).
 *
 * A value that is unknown changes nothing, in particular it heals nothing.
 * Pure: readings and time come in, findings go out by a callback. */
#ifndef HEALTHD_VERDICT_H
#define HEALTHD_VERDICT_H

#include <stdint.h>

#include "failslow.h"
#include "metric.h"
#include "window.h"

enum rule_kind {
    RULE_COUNT, /* so many events in the window */
    RULE_ABOVE, /* the value is above the limit for the window */
    RULE_BELOW,
    RULE_STUCK, /* the counter does not move for the window */
    RULE_SLOW,  /* failslow says so for the window */
};
struct rule {
    const char *name; /* of the check */
    enum metric metric;
    enum rule_kind kind;
    enum severity severity;
    double limit;
    double fine; /* events in the window, or the value, up to which all is well */
    unsigned window_ms, clear_ms;
};

enum { RULES = 25 };
struct policy {
    struct rule rules[RULES];
};
extern const struct policy policy_default;

enum {
    PENALTY_RAISE = 1000,
    PENALTY_DAMP = 3500,    /* from here on it is damped: the fourth raise at once */
    PENALTY_RELEASE = 1000, /* below it no more */
    PENALTY_MAX = 12000,    /* damped for less than an hour after the last raise */
    PENALTY_HALF_LIFE_MS = 15 * 60 * 1000,
};

/* `host` is an index into the hosts that the judge was created for. */
typedef void judge_fn(void *arg, size_t host, const struct finding *finding);

struct judge;
struct judge *judge_create(const struct policy *policy, size_t n_hosts, judge_fn *sink, void *arg);
void judge_destroy(struct judge *j);
/* One reading of a class of signals of a host. */
void judge_reading(struct judge *j, size_t host, enum probe_class class,
                   const struct reading *reading, struct now now);
/* What failslow says of a part. */
void judge_slowness(struct judge *j, size_t host, enum metric metric, unsigned part,
                    enum slowness slowness, const char *evidence, struct now now);

/* What outlives the process. */
struct raised {
    enum finding_scope scope;
    uint8_t index;
    const char *check;
    struct wall_ms since;
    double penalty; /* as of `now` */
    bool damped;
};
typedef void judge_each_fn(void *arg, size_t host, const struct raised *raised);
void judge_each_raised(const struct judge *j, struct now now, judge_each_fn *fn, void *arg);
/* Puts a check back to RAISED without a word, its window as full as its limit;
 * false if the policy has no such. */
bool judge_restore(struct judge *j, size_t host, const struct raised *raised, struct now now);

/* Counters of checks that a single event raises, as last read: an event that
 * comes while nobody looks is found when the next judge begins from there. */
struct counted {
    enum finding_scope scope;
    uint8_t index;
    const char *check;
    double value;
    unsigned long long incarnation;
};
typedef void judge_counter_fn(void *arg, size_t host, const struct counted *counted);
void judge_each_counter(const struct judge *j, judge_counter_fn *fn, void *arg);
/* Passed over if the policy has no such check. */
void judge_restore_counter(struct judge *j, size_t host, const struct counted *counted);

#endif
