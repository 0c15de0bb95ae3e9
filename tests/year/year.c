/* One year, from an empty pod to the closing of the books. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "year.h"

enum { IDLE_TICK_MS = 600 * 1000, START_MS = 5000 };

double year_chance(struct year *y)
{
    return (double)lab_random(y->lab, UINT64_C(1) << 53) / 9007199254740992.0;
}

double year_exponential(struct year *y, double mean)
{
    return -mean * log(1 - year_chance(y));
}

double year_lognormal(struct year *y, double median, double p95)
{
    static const double z95 = 1.6448536269514722, two_pi = 6.283185307179586;
    double radius = sqrt(-2 * log(1 - year_chance(y))), angle = two_pi * year_chance(y);

    return median * exp(log(p95 / median) / z95 * radius * cos(angle));
}

static void on_journal(void *arg, const struct journal_entry *entry)
{
    struct year *y = arg;

    if (!y->over) {
        jobs_journal(y, entry);
        people_journal(y, entry);
    }
}

static void on_reply(void *arg, uint64_t cookie, struct id id, const struct reply *reply)
{
    struct year *y = arg;

    if (!y->over) {
        jobs_reply(y, cookie, id, reply);
    }
}

/* What podmgr does by the clock alone: tickets, incidents, what waits. */
static void on_idle(void *arg)
{
    struct year *y = arg;

    if (!y->over) {
        lab_wake(y->lab, 0);
        lab_after(y->lab, IDLE_TICK_MS, on_idle, y);
    }
}

static struct lab *build(const struct year_config *c, uint64_t seed)
{
    struct lab_options options = {.cubes = c->cubes,
                                  .ports_per_side = c->cubes + c->spare_ports,
                                  .seed = seed,
                                  .times = c->times,
                                  .remedy = c->remedy,
                                  .repair = c->repair,
                                  .lease_ms = c->lease_ms};

    return lab_create(&options);
}

void year_run(const struct year_config *config, uint64_t seed, bool quiet, struct tally *out)
{
    struct year *y = xcalloc(1, sizeof *y);
    unsigned days = quiet && config->quiet_days < YEAR_DAYS ? config->quiet_days : YEAR_DAYS;

    *out = (struct tally){.days = days};
    y->lab = build(config, seed);
    y->config = config;
    y->tally = out;
    y->quiet = quiet;
    y->last_cause = CAUSE_OTHER;
    y->cubes_target = (unsigned)(config->load * config->cubes);
    if (y->cubes_target > config->cubes - config->remedy.hot_spares) {
        y->cubes_target = config->cubes - config->remedy.hot_spares;
    }
    y->lab->on_journal = on_journal;
    y->lab->on_reply = on_reply;
    y->lab->hook_arg = y;
    lab_wake(y->lab, START_MS);
    lab_run(y->lab, START_MS * LAB_MS);
    jobs_start(y);
    lab_wake(y->lab, START_MS);
    lab_run(y->lab, 2 * START_MS * LAB_MS);
    on_idle(y);
    people_start(y);
    if (quiet) {
        noise_start(y);
    } else {
        faults_begin(y);
    }
    lab_run(y->lab, days * 86400 * LAB_S);
    jobs_end(y);
    y->over = true;
    out->running = out->asked - tally_lost(out);
    out->cross_connects = y->lab->cross_connects;
    out->batches = y->lab->batches;
    out->steps = y->lab->steps;
    year_faults_free(y);
    lab_destroy(y->lab);
    free(y);
}
