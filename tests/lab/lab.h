/* A pod in virtual time: podmgr's real core and dispatcher, the simulator's
 * switches, chips and fibres, and in place of the daemons on the hosts what they
 * tell.  For the year (tests/year) and the scenarios (tests/scenario).
 *
 *   switches.c  the agents of the switches, on the simulator's devices
 *   hosts.c     tpunetd and healthd: leases, link reports, findings, bring-ups
 *   truth.c     does a slice work, by the emulated hardware?
 *   lab.c       the loop around the core, after podmgr/shell.c
 *
 * Bring-ups take the configured time and are judged by the emulated links, not by
 * libtpunet: discovery and routing have tests of their own (tests/sim), and years
 * have to pass in minutes.  For the same reason podmgr's ticks stop when nothing
 * is to happen: lab_wake() asks for them.  Two ticks that far apart are what the
 * core knows as a stall of its own, by which nobody's lease ends. */
#ifndef TESTS_LAB_H
#define TESTS_LAB_H

#include "core/core.h"
#include "core/incident.h"
#include "core/remedy.h"
#include "ocs/dispatch.h"
#include "simulator/ocs_device.h"
#include "simulator/world.h"
#include "store/store.h"

#define LAB_MS INT64_C(1000000)
#define LAB_S  (1000 * LAB_MS)

/* What takes time, in milliseconds. */
struct lab_times {
    double mirror_median, mirror_p99; /* a batch of mirrors */
    double call;                      /* a question to a switch, there and back */
    double link_report;               /* a link changed: until podmgr hears of it */
    double health_report;             /* a part is sick: until healthd's verdict is there */
    double bringup, bringup_a_chip;   /* discovery, routes, proof, installation */
    double reroute, reroute_a_chip;   /* more, with routes around something */
    double beat;                      /* between two signs of life of a daemon */
    double look;                      /* between two looks at all maps */
};

struct lab_options {
    unsigned cubes, ports_per_side;
    uint64_t seed;
    struct lab_times times;
    struct remedy_policy remedy;
    struct repair_policy repair; /* zeros: the defaults */
    struct power_feed *feeds;
    size_t n_feeds;
    unsigned lease_ms;
    const char *database; /* NULL: nothing is durable, and podmgr cannot be killed */
};

struct lab_host {
    unsigned tpunetd_silent, healthd_silent; /* reasons, counted */
    unsigned broken;                         /* reasons for which its job cannot run, counted */
};

/* Chip and port of a link end: its number is chip * 6 + port. */
struct lab {
    struct ocs_driver driver; /* first: the dispatcher's calls come back by it */
    struct lab_options options;
    struct sim_config config;
    struct world *w;
    struct pod pod;
    uint64_t rng;
    struct model *model; /* NULL: podmgr is down */
    struct dispatch *dispatch;
    struct store *store;
    unsigned life; /* rises when podmgr is killed: what was under way is of before */
    struct event *queue;
    size_t n_queue, cap_queue;
    struct outbox out;
    bool turn_set, tick_set;
    int64_t awake_until_ns, beat_ns, look_ns, retry_ns, tick_ns;
    uint64_t steps;
    struct lab_call *calls;
    bool connected[SIM_OCSES], moving[SIM_OCSES];
    struct lab_host hosts[MODEL_HOSTS_MAX];
    uint64_t instances; /* of daemons, so far */
    uint64_t *health_seq;
    uint64_t links_told; /* place in the world's log of links */
    bool report_set;
    struct lab_watch *watches;
    size_t n_watches, cap_watches;
    uint64_t cross_connects, batches; /* that the switches carried out */

    /* Told after each batch: */
    void (*on_journal)(void *arg, const struct journal_entry *entry);
    void (*on_reply)(void *arg, uint64_t cookie, struct id id, const struct reply *reply);
    void (*on_verdict)(void *arg, struct id slice); /* it was told, before podmgr takes it */
    void *hook_arg;
};

/* ------------------------------------------------------------------ lab.c -- */

struct lab *lab_create(const struct lab_options *options);
void lab_destroy(struct lab *lab);
int64_t lab_now_ns(const struct lab *lab);
struct wall_ms lab_wall(const struct lab *lab);
uint64_t lab_random(struct lab *lab, uint64_t below);
void lab_after(struct lab *lab, double ms, evq_fn *fn, void *arg);
/* Until then all that is due happens, in order. */
void lab_run(struct lab *lab, int64_t until_ns);
/* podmgr ticks as always for so long: for what it waits for by the clock. */
void lab_wake(struct lab *lab, double ms);
void lab_post(struct lab *lab, struct event *ev);
void lab_look(struct lab *lab); /* podmgr reads all maps now */
/* kill -9, and a new podmgr from the database. */
void lab_kill(struct lab *lab);
void lab_start(struct lab *lab);

/* ------------------------------------------------------------- switches.c -- */

extern const struct ocs_driver_ops lab_switches;
void lab_switches_start(struct lab *lab); /* podmgr has started */
void lab_switches_stop(struct lab *lab);  /* or has gone */
void lab_on_agent(void *lab, unsigned ocs, bool up);

/* ---------------------------------------------------------------- hosts.c -- */

void lab_hosts_start(struct lab *lab);
void lab_beat(struct lab *lab);
void lab_on_link_events(void *lab);
void lab_bring_up(struct lab *lab, const struct effect *effect);
void lab_watch_order(struct lab *lab, const struct effect *effect);
void lab_release(struct lab *lab, const struct effect *effect);
void lab_fence(struct lab *lab, const struct effect *effect);
/* A daemon falls silent, or is heard again. */
void lab_silence_tpunetd(struct lab *lab, unsigned host, bool on);
void lab_silence_healthd(struct lab *lab, unsigned host, bool on);
/* healthd's verdict about a part of the host; OK takes it back. */
void lab_find(struct lab *lab, unsigned host, enum finding_scope scope, unsigned index,
              const char *check, enum severity severity);

/* ---------------------------------------------------------------- truth.c -- */

/* Every chip lives, every host can run its job, every link that the slice's
 * routes use is up at both ends. */
bool lab_slice_works(const struct lab *lab, const struct slice *slice);
/* The links alone, as a bring-up sees them: those given up on may be down. */
bool lab_slice_is_whole(const struct lab *lab, const struct slice *slice);
/* Those that such a bring-up misses, by one of their ends or by both. */
size_t lab_links_down(const struct lab *lab, const struct slice *slice, struct chip_port *out,
                      size_t max);

#endif
