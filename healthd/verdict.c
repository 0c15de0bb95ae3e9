/* What counts as sick.
 *
 *   chip   1 accelerator-missing    not there for 2 s                  FATAL
 *          2 hbm-uncorrectable      1 error in an hour                 SEVERE
 *          3 hbm-correctable        60 errors in a minute              DEGRADED
 *          4 hbm-correctable-storm  10,000 errors in a minute          SEVERE
 *          5 hot                    above 90 C for 5 s                 DEGRADED
 *          6 overheated             above 105 C for 2 s                SEVERE
 *          7 throttled              6 s of a minute                    DEGRADED
 *          8 hung                   no heartbeat for 5 s               SEVERE
 *          9 slow-chip              slow for 30 s (failslow.h)         DEGRADED
 *   host  10 pcie-correctable       1,000 errors in a minute           INFO
 *         11 pcie-uncorrectable     1 error in 10 minutes              SEVERE
 *         12 pcie-width             lanes missing for 2 s              DEGRADED
 *         13 pcie-speed             slower than it could be for 2 s    DEGRADED
 *         14 memory-correctable     1,000 errors in 10 minutes         INFO
 *         15 memory-uncorrectable   1 error in an hour                 SEVERE
 *         16 host-hot               above 85 C for 10 s                DEGRADED
 *         17 power-alarm            one sensor for 5 s                 DEGRADED
 *         18 driver-errors          3 lines in a minute                DEGRADED
 *         19 kernel-errors          10 lines in a minute               INFO
 *   link  20 link-crc               10 frames in 10 s                  DEGRADED
 *         21 link-crc-storm         10,000 frames in 10 s              SEVERE
 *         22 link-fec               a million words in 10 s            DEGRADED
 *         23 link-retraining        3 trainings in 5 minutes           DEGRADED
 *         24 low-light              below -8 dBm for 3 s               DEGRADED
 *         25 slow-link              slow for 30 s (failslow.h)         DEGRADED
 *
 * A check is fine again far below its limit only (`fine`), and clears after a
 * time that grows with what it means: a minute for a sensor, ten for counts, an
 * hour for lost data. */
#include "verdict.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define S                           1000
#define MIN                         (60 * S)
#define H                           (60 * MIN)
#define ROW(metric, kind, severity) METRIC_##metric, RULE_##kind, SEVERITY_##severity
const struct policy policy_default = {
    .rules = {
        {"accelerator-missing", ROW(CHIP_PRESENT, BELOW, FATAL), 1, 1, 2 * S, 1 * MIN},
        {"hbm-uncorrectable", ROW(HBM_UNCORRECTABLE, COUNT, SEVERE), 1, 0, 1 * H, 1 * MIN},
        {"hbm-correctable", ROW(HBM_CORRECTABLE, COUNT, DEGRADED), 60, 6, 1 * MIN, 10 * MIN},
        {"hbm-correctable-storm", ROW(HBM_CORRECTABLE, COUNT, SEVERE), 10000, 60, 1 * MIN,
         10 * MIN},
        {"hot", ROW(CHIP_TEMPERATURE, ABOVE, DEGRADED), 90, 85, 5 * S, 1 * MIN},
        {"overheated", ROW(CHIP_TEMPERATURE, ABOVE, SEVERE), 105, 90, 2 * S, 5 * MIN},
        {"throttled", ROW(CHIP_THROTTLED, COUNT, DEGRADED), 6 * S, 600, 1 * MIN, 5 * MIN},
        {"hung", ROW(CHIP_HEARTBEAT, STUCK, SEVERE), 0, 0, 5 * S, 1 * MIN},
        {"slow-chip", ROW(CHIP_STEP, SLOW, DEGRADED), 0, 0, 30 * S, 5 * MIN},
        {"pcie-correctable", ROW(PCIE_CORRECTABLE, COUNT, INFO), 1000, 100, 1 * MIN, 10 * MIN},
        {"pcie-uncorrectable", ROW(PCIE_UNCORRECTABLE, COUNT, SEVERE), 1, 0, 10 * MIN, 1 * MIN},
        {"pcie-width", ROW(PCIE_WIDTH, BELOW, DEGRADED), 100, 100, 2 * S, 1 * MIN},
        {"pcie-speed", ROW(PCIE_SPEED, BELOW, DEGRADED), 100, 100, 2 * S, 1 * MIN},
        {"memory-correctable", ROW(MEMORY_CORRECTABLE, COUNT, INFO), 1000, 100, 10 * MIN, 10 * MIN},
        {"memory-uncorrectable", ROW(MEMORY_UNCORRECTABLE, COUNT, SEVERE), 1, 0, 1 * H, 1 * MIN},
        {"host-hot", ROW(HOST_TEMPERATURE, ABOVE, DEGRADED), 85, 80, 10 * S, 1 * MIN},
        {"power-alarm", ROW(POWER_ALARMS, ABOVE, DEGRADED), 0, 0, 5 * S, 1 * MIN},
        {"driver-errors", ROW(DRIVER_ERRORS, COUNT, DEGRADED), 3, 0, 1 * MIN, 10 * MIN},
        {"kernel-errors", ROW(KERNEL_ERRORS, COUNT, INFO), 10, 1, 1 * MIN, 10 * MIN},
        {"link-crc", ROW(LINK_CRC, COUNT, DEGRADED), 10, 0, 10 * S, 10 * MIN},
        {"link-crc-storm", ROW(LINK_CRC, COUNT, SEVERE), 10000, 10, 10 * S, 10 * MIN},
        {"link-fec", ROW(LINK_FEC, COUNT, DEGRADED), 1e6, 1e5, 10 * S, 10 * MIN},
        {"link-retraining", ROW(LINK_RETRAINS, COUNT, DEGRADED), 3, 0, 5 * MIN, 10 * MIN},
        {"low-light", ROW(LINK_LIGHT, BELOW, DEGRADED), -8, -6, 3 * S, 1 * MIN},
        {"slow-link", ROW(LINK_RATE, SLOW, DEGRADED), 0, 0, 30 * S, 5 * MIN},
    }};

/* One rule at one part. */
struct condition {
    struct counter counter;
    union {
        struct window window; /* COUNT */
        int64_t beyond_ms;    /* others: since when it is beyond the limit, 0: it is not */
    };
    int64_t fine_ms;       /* RAISED: since when it is fine, 0: it is not */
    struct wall_ms raised; /* 0: FINE */
    int64_t penalty_ms;    /* when the penalty was last reckoned */
    float penalty;
    bool damped;
};

struct judge {
    struct policy policy;
    size_t n_hosts, a_host; /* conditions of a host */
    size_t first[RULES];    /* of each rule, within those of a host */
    judge_fn *sink;
    void *arg;
    struct condition *conditions;
};

enum outcome { UNKNOWN, FINE, BETWEEN, BAD };

static int64_t ms_of(struct now now)
{
    return now.mono.ns / 1000000;
}

static struct condition *condition_at(const struct judge *j, size_t host, size_t rule,
                                      unsigned part)
{
    assert(host < j->n_hosts);
    return &j->conditions[host * j->a_host + j->first[rule] + part];
}

/* ------------------------------------------------------------ outcomes -- */

/* Beyond the limit: bad once that has lasted. */
static enum outcome lasts(struct condition *c, const struct rule *rule, bool beyond, bool fine,
                          int64_t now_ms)
{
    if (!beyond) {
        c->beyond_ms = 0;
        return fine ? FINE : BETWEEN;
    }
    if (c->beyond_ms == 0) {
        c->beyond_ms = now_ms;
    }
    return now_ms - c->beyond_ms >= rule->window_ms ? BAD : BETWEEN;
}

static enum outcome weigh(struct condition *c, const struct rule *rule, double value,
                          unsigned long long incarnation, int64_t now_ms, double *shown)
{
    unsigned bits = metric_info(rule->metric)->kind == METRIC_COUNTER_32 ? 32 : 0;
    bool counts = rule->kind == RULE_COUNT || rule->kind == RULE_STUCK;
    double delta = counts ? counter_take(&c->counter, value, incarnation, bits) : value;

    *shown = value;
    if (isnan(delta)) {
        return UNKNOWN;
    }
    switch (rule->kind) {
    case RULE_COUNT:
        window_add(&c->window, rule->window_ms, now_ms, delta);
        *shown = window_sum(&c->window, rule->window_ms, now_ms);
        return *shown >= rule->limit ? BAD : *shown <= rule->fine ? FINE : BETWEEN;
    case RULE_ABOVE:
        return lasts(c, rule, value > rule->limit, value <= rule->fine, now_ms);
    case RULE_BELOW:
        return lasts(c, rule, value < rule->limit, value >= rule->fine, now_ms);
    case RULE_STUCK:
        return lasts(c, rule, delta <= 0, delta > 0, now_ms);
    case RULE_SLOW:
        return UNKNOWN; /* judge_slowness() */
    }
    abort();
}

/* --------------------------------------------------------------- states -- */

static double penalty_at(const struct condition *c, int64_t now_ms)
{
    double age = (double)(now_ms - c->penalty_ms) / PENALTY_HALF_LIFE_MS;
    return (double)c->penalty * exp2(-age);
}

static void say(const struct judge *j, size_t host, const struct rule *rule, unsigned part,
                enum severity severity, struct wall_ms since, const char *text)
{
    struct finding f = {.scope = class_scope(metric_info(rule->metric)->class),
                        .index = (uint8_t)part,
                        .severity = severity,
                        .since = since};

    (void)snprintf(f.check, sizeof f.check, "%s", rule->name);
    (void)snprintf(f.text, sizeof f.text, "%s", text);
    j->sink(j->arg, host, &f);
}

static void raise(struct condition *c, struct now now)
{
    int64_t now_ms = ms_of(now);

    c->penalty = (float)fmin(penalty_at(c, now_ms) + PENALTY_RAISE, PENALTY_MAX);
    c->penalty_ms = now_ms;
    c->damped = c->damped || c->penalty >= PENALTY_DAMP;
    c->raised = now.wall;
    c->fine_ms = 0;
}

/* True if the check may be cleared now. */
static bool has_healed(struct condition *c, const struct rule *rule, int64_t now_ms)
{
    if (c->fine_ms == 0) {
        c->fine_ms = now_ms;
    }
    if (c->damped && penalty_at(c, now_ms) < PENALTY_RELEASE) {
        c->damped = false;
    }
    return !c->damped && now_ms - c->fine_ms >= rule->clear_ms;
}

static void step(struct judge *j, size_t host, size_t r, unsigned part, enum outcome outcome,
                 const char *evidence, struct now now)
{
    const struct rule *rule = &j->policy.rules[r];
    struct condition *c = condition_at(j, host, r, part);
    char text[160];

    if (c->raised.ms == 0) {
        if (outcome == BAD) {
            raise(c, now);
            (void)snprintf(text, sizeof text, "%s%s", evidence,
                           c->damped ? "; flaps, held until it is quiet" : "");
            say(j, host, rule, part, rule->severity, c->raised, text);
        }
    } else if (outcome != FINE) {
        c->fine_ms = 0;
    } else if (has_healed(c, rule, ms_of(now))) {
        c->raised.ms = 0;
        say(j, host, rule, part, SEVERITY_OK, now.wall, evidence);
    }
}

/* ------------------------------------------------------------- readings -- */

static void explain(char *text, size_t size, const struct rule *rule, double shown)
{
    const char *unit = metric_info(rule->metric)->unit;
    double window_s = rule->window_ms / 1e3;

    switch (rule->kind) {
    case RULE_COUNT:
        (void)snprintf(text, size, "%.0f %s in %g s, limit %g", shown, unit, window_s, rule->limit);
        return;
    case RULE_ABOVE:
    case RULE_BELOW:
        (void)snprintf(text, size, "%.1f %s, limit %g for %g s", shown, unit, rule->limit,
                       window_s);
        return;
    case RULE_STUCK:
        (void)snprintf(text, size, "at %.0f %s, limit %g s without one", shown, unit, window_s);
        return;
    case RULE_SLOW:
        return;
    }
}

void judge_reading(struct judge *j, size_t host, enum probe_class class,
                   const struct reading *reading, struct now now)
{
    unsigned parts = finding_parts(class_scope(class));

    for (size_t r = 0; r < RULES; r++) {
        const struct rule *rule = &j->policy.rules[r];
        if (metric_info(rule->metric)->class != class || rule->kind == RULE_SLOW) {
            continue;
        }
        for (unsigned part = 0; part < parts; part++) {
            struct condition *c = condition_at(j, host, r, part);
            char text[160];
            double shown,
                value = *reading_at((struct reading *)(uintptr_t)reading, part, rule->metric);
            enum outcome outcome = weigh(c, rule, value, reading->incarnation, ms_of(now), &shown);
            if (c->raised.ms == 0 && outcome != BAD) {
                continue;
            }
            explain(text, sizeof text, rule, shown);
            step(j, host, r, part, outcome, text, now);
        }
    }
}

void judge_slowness(struct judge *j, size_t host, enum metric metric, unsigned part,
                    enum slowness slowness, const char *evidence, struct now now)
{
    for (size_t r = 0; r < RULES; r++) {
        const struct rule *rule = &j->policy.rules[r];
        if (rule->kind != RULE_SLOW || rule->metric != metric) {
            continue;
        }
        enum outcome outcome = slowness == SLOW_UNKNOWN ? UNKNOWN
                                                        : lasts(condition_at(j, host, r, part),
                                                                rule, slowness == SLOW_SLOW,
                                                                slowness == SLOW_FINE, ms_of(now));
        step(j, host, r, part, outcome, evidence, now);
    }
}

/* ------------------------------------------------------------ life cycle -- */

struct judge *judge_create(const struct policy *policy, size_t n_hosts, judge_fn *sink, void *arg)
{
    struct judge *j = xcalloc(1, sizeof *j);

    *j = (struct judge){.policy = *policy, .n_hosts = n_hosts, .sink = sink, .arg = arg};
    for (size_t r = 0; r < RULES; r++) {
        j->first[r] = j->a_host;
        j->a_host += finding_parts(class_scope(metric_info(policy->rules[r].metric)->class));
    }
    j->conditions = xcalloc(n_hosts * j->a_host, sizeof *j->conditions);
    return j;
}

void judge_destroy(struct judge *j)
{
    if (j != NULL) {
        free(j->conditions);
        free(j);
    }
}

/* ------------------------------------------------------------- restarts -- */

void judge_each_raised(const struct judge *j, struct now now, judge_each_fn *fn, void *arg)
{
    for (size_t host = 0; host < j->n_hosts; host++) {
        for (size_t r = 0; r < RULES; r++) {
            const struct rule *rule = &j->policy.rules[r];
            enum finding_scope scope = class_scope(metric_info(rule->metric)->class);
            for (unsigned part = 0; part < finding_parts(scope); part++) {
                const struct condition *c = condition_at(j, host, r, part);
                if (c->raised.ms != 0) {
                    fn(arg, host,
                       &(struct raised){.scope = scope,
                                        .index = (uint8_t)part,
                                        .check = rule->name,
                                        .since = c->raised,
                                        .penalty = penalty_at(c, ms_of(now)),
                                        .damped = c->damped});
                }
            }
        }
    }
}

/* NULL if the policy has no such check of such a part; else *rule is its rule. */
static struct condition *find(struct judge *j, size_t host, const char *check,
                              enum finding_scope scope, unsigned part, const struct rule **rule)
{
    for (size_t r = 0; r < RULES; r++) {
        *rule = &j->policy.rules[r];
        if (strcmp((*rule)->name, check) == 0 &&
            class_scope(metric_info((*rule)->metric)->class) == scope &&
            part < finding_parts(scope)) {
            return condition_at(j, host, r, part);
        }
    }
    return NULL;
}

bool judge_restore(struct judge *j, size_t host, const struct raised *raised, struct now now)
{
    const struct rule *rule;
    struct condition *c = find(j, host, raised->check, raised->scope, raised->index, &rule);

    if (c == NULL || raised->since.ms <= 0) {
        return false;
    }
    c->raised = raised->since;
    c->penalty = (float)fmax(0, fmin(raised->penalty, PENALTY_MAX));
    c->penalty_ms = ms_of(now);
    c->damped = raised->damped;
    if (rule->kind == RULE_COUNT) {
        window_add(&c->window, rule->window_ms, ms_of(now), rule->limit);
    }
    return true;
}

static bool is_raised_by_one(const struct rule *rule)
{
    return rule->kind == RULE_COUNT && rule->limit <= 1;
}

void judge_each_counter(const struct judge *j, judge_counter_fn *fn, void *arg)
{
    for (size_t host = 0; host < j->n_hosts; host++) {
        for (size_t r = 0; r < RULES; r++) {
            const struct rule *rule = &j->policy.rules[r];
            enum finding_scope scope = class_scope(metric_info(rule->metric)->class);
            for (unsigned part = 0; is_raised_by_one(rule) && part < finding_parts(scope); part++) {
                const struct counter *counter = &condition_at(j, host, r, part)->counter;
                if (counter->known) {
                    fn(arg, host,
                       &(struct counted){.scope = scope,
                                         .index = (uint8_t)part,
                                         .check = rule->name,
                                         .value = counter->last,
                                         .incarnation = counter->incarnation});
                }
            }
        }
    }
}

void judge_restore_counter(struct judge *j, size_t host, const struct counted *counted)
{
    const struct rule *rule;
    struct condition *c = find(j, host, counted->check, counted->scope, counted->index, &rule);

    if (c != NULL && is_raised_by_one(rule) && counted->value >= 0) {
        c->counter = (struct counter){
            .last = counted->value, .incarnation = counted->incarnation, .known = true};
    }
}
