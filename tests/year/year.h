/* Years of a pod: the real core of podmgr with its root cause, remediation,
 * repairs and placement, in virtual time on tests/lab.
 *
 *   config.c  simulator/year.yaml
 *   jobs.c    who asks for slices, and what each had of what it asked for
 *   faults.c  what breaks, at the published rates
 *   people.c  technicians and operators, by their tickets
 *   noise.c   what looks like a fault and is none
 *   year.c    one year; tally.c adds them up, report.c tells
 *
 * A year is decided by its seed. */
#ifndef TESTS_YEAR_H
#define TESTS_YEAR_H

#include "tests/lab/lab.h"

#define CAUSES(X)                                                                                  \
    X(HOST_DEAD, "host_dead", HOST)                                                                \
    X(HOST_CHIP, "host_chip", HOST)                                                                \
    X(HOST_SICK, "host_sick", HOST)                                                                \
    X(HOST_HUNG, "host_hung", HOST)                                                                \
    X(CABLE_DARK, "cable_dark", CABLE)                                                             \
    X(CABLE_LINK, "cable_link", CABLE)                                                             \
    X(SWITCH_POWER, "switch_power", SWITCH)                                                        \
    X(SWITCH_AGENT, "switch_agent", SWITCH)                                                        \
    X(SWITCH_BOARD, "switch_board", SWITCH)
enum year_cause {
#define X(name, key, part) CAUSE_##name,
    CAUSES(X)
#undef X
        CAUSE_OTHER, /* none of them: it should not be */
    CAUSE_COUNT
};
const char *cause_name(enum year_cause cause);

#define NOISES(X)                                                                                  \
    X(HOST, "host_silent")                                                                         \
    X(OBSERVER, "observer_silent")                                                                 \
    X(RACK, "rack_silent")                                                                         \
    X(NETWORK, "network_silent")                                                                   \
    X(AGENT, "switch_agent")                                                                       \
    X(FINDING, "finding")
enum noise {
#define X(name, key) NOISE_##name,
    NOISES(X)
#undef X
        NOISE_COUNT
};

enum { MIX_MAX = 16, SAMPLES_MAX = 16384, JOBS_MAX = 160, YEAR_DAYS = 365 };
enum part_class { CLASS_HOST, CLASS_CABLE, CLASS_SWITCH, CLASS_COUNT };
enum part_class cause_class(enum year_cause cause);

struct year_config {
    unsigned years, quiet_days, cubes, spare_ports;
    uint64_t seed;
    double load;
    struct remedy_policy remedy;
    struct repair_policy repair;
    double failures[CLASS_COUNT]; /* percent a day */
    double share[CAUSE_COUNT];    /* of its class */
    struct {
        double median, p95;
    } repair_hours[CLASS_COUNT];
    enum ticket_state clear_at;
    double breaker_reset_minutes, watchdog_seconds, resubmit_seconds, walk_hours;
    double mean_hours, accept_degraded, restart_seconds;
    struct {
        struct tpunet_shape shape;
        double share;
    } mix[MIX_MAX];
    size_t n_mix;
    struct lab_times times;
    unsigned lease_ms;
    struct {
        double a_day, seconds;
    } noise[NOISE_COUNT];
};
int year_config_read(struct year_config *out, const char *file, struct error *err);

/* What came of it; plain data, so that a child process can hand it over. */
struct tally {
    double days, asked, running, degraded, waited; /* chip-seconds, but for the days */
    double lost[CAUSE_COUNT], restarts;            /* chip-seconds */
    unsigned faults[CAUSE_COUNT], hits[CAUSE_COUNT], watchdog[CAUSE_COUNT];
    unsigned jobs, jobs_touched, swaps, reroutes, failed_slices, resubmitted, refused;
    unsigned tickets, incidents, merged, reopened, breaker_trips, cleared_by_walk, healed_by_walk;
    unsigned noises[NOISE_COUNT], touched_by_noise;
    uint64_t cross_connects, batches, steps;
    unsigned n_samples;
    struct sample {
        float ms;
        uint8_t cause;
    } samples[SAMPLES_MAX]; /* from the fault until the job has what it asked for */
};
void tally_add(struct tally *sum, const struct tally *one);

struct fault_record {
    struct fault_record *next;
    enum year_cause cause;
    struct part part;
    uint16_t host; /* of a host's, else TPUNET_NONE */
    int64_t since_ns;
    bool seen_to; /* a technician is on the way */
};

struct job {
    bool used, works, touched, ending, resubmits, has_run;
    bool was_refused, asks_again;
    bool steps_aside; /* refused, and not for want of room */
    struct id slice;  /* none: asked for, or waiting */
    struct slice_spec spec;
    unsigned chips, cubes;
    int64_t asked_ns;                       /* since then it is to have its chips */
    int64_t lost_ns, degraded_ns, waits_ns; /* since; negative: not */
    enum year_cause cause;                  /* of its last loss */
    uint64_t cookie, number;
};

struct year {
    struct lab *lab;
    const struct year_config *config;
    struct tally *tally;
    bool quiet, over;
    struct job jobs[JOBS_MAX];
    unsigned cubes_target;
    uint64_t next_job, next_cookie;
    enum year_cause last_cause; /* that changed the world */
    struct fault_record *faults;
    struct id newest_ticket;
};

/* year.c */
void year_run(const struct year_config *config, uint64_t seed, bool quiet, struct tally *out);
double year_chance(struct year *y); /* in [0, 1) */
double year_exponential(struct year *y, double mean);
double year_lognormal(struct year *y, double median, double p95);

/* jobs.c */
void jobs_start(struct year *y);
void jobs_judge(struct year *y); /* the world has changed */
void jobs_journal(struct year *y, const struct journal_entry *entry);
void jobs_reply(struct year *y, uint64_t cookie, struct id id, const struct reply *reply);
void jobs_end(struct year *y); /* the year is over: the books are closed */

/* faults.c */
void faults_begin(struct year *y);
void faults_mend(struct year *y, struct fault_record *fault);
void year_faults_free(struct year *y);

/* people.c */
void people_start(struct year *y);
void people_journal(struct year *y, const struct journal_entry *entry);

/* noise.c */
void noise_start(struct year *y);

/* report.c */
void report_print(const struct year_config *config, const struct tally *years,
                  const struct tally *quiet);
int report_write(const char *file, const struct year_config *config, const struct tally *years,
                 const struct tally *quiet);
double tally_lost(const struct tally *t);
double tally_availability(const struct tally *t);

#endif
