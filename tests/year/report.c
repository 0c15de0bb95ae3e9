/* What came of the years: a table for people, the same as JSON. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "year.h"

static const double chip_day = 86400;

/* ------------------------------------------------------------- percentiles -- */

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

struct spread {
    unsigned n;
    double mean, p50, p95, p99, max; /* ms */
};

/* Of one cause, or of all (CAUSE_COUNT). */
static struct spread spread_of(const struct tally *t, int cause)
{
    float *ms = xcalloc(t->n_samples + 1, sizeof *ms);
    struct spread s = {0};

    for (unsigned i = 0; i < t->n_samples; i++) {
        if (cause == CAUSE_COUNT || t->samples[i].cause == cause) {
            ms[s.n++] = t->samples[i].ms;
            s.mean += (double)t->samples[i].ms;
        }
    }
    qsort(ms, s.n, sizeof *ms, compare);
    if (s.n > 0) {
        s.mean /= s.n;
        s.p50 = (double)ms[s.n / 2];
        s.p95 = (double)ms[s.n * 95 / 100];
        s.p99 = (double)ms[s.n * 99 / 100];
        s.max = (double)ms[s.n - 1];
    }
    free(ms);
    return s;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double with_waiting(const struct tally *t)
{
    return 1 - share(tally_lost(t) + t->waited, t->asked + t->waited);
}

static double with_restarts(const struct tally *t)
{
    return 1 - share(tally_lost(t) + t->restarts, t->asked);
}

static double load_of(const struct year_config *config, const struct tally *t)
{
    return share(t->asked, t->days * 86400 * config->cubes * TPUNET_CUBE_CHIPS);
}

/* ------------------------------------------------------------------- table -- */

static void print_cause(const char *name, unsigned faults, unsigned hits, double lost,
                        unsigned watchdog, const struct spread *s)
{
    printf("%-14s %7u %7u %11.1f %10.2f %10.2f %12.1f %9u\n", name, faults, hits, lost / chip_day,
           s->p50 / 1e3, s->p95 / 1e3, s->max / 1e3, watchdog);
}

static void print_causes(const struct tally *t)
{
    unsigned faults = 0, hits = 0, watchdog = 0;

    printf("\n%-14s %7s %7s %11s %10s %10s %12s %9s\n", "cause", "faults", "losses", "chip-days",
           "p50 s", "p95 s", "max s", "watchdog");
    for (int c = 0; c < CAUSE_COUNT; c++) {
        struct spread s = spread_of(t, c);
        if (t->faults[c] + t->hits[c] > 0) {
            print_cause(cause_name((enum year_cause)c), t->faults[c], t->hits[c], t->lost[c],
                        t->watchdog[c], &s);
        }
        faults += t->faults[c];
        hits += t->hits[c];
        watchdog += t->watchdog[c];
    }
    struct spread all = spread_of(t, CAUSE_COUNT);
    print_cause("all", faults, hits, tally_lost(t), watchdog, &all);
    printf("losses: times that a job was without what it had asked for; chip-days: what that cost;"
           "\np50 to max: until it had it again; watchdog: given back by its scheduler while podmgr"
           " said that it serves\n\n");
}

static void print_years(const struct year_config *config, const struct tally *t)
{
    printf("%-34s %.6f %%\n", "availability", 100 * tally_availability(t));
    printf("%-34s %.6f %%\n", "  with requests that waited", 100 * with_waiting(t));
    printf("%-34s %.6f %%\n", "  with restarts from checkpoints", 100 * with_restarts(t));
    print_causes(t);
    printf("%-34s %.2f years, %u cubes, %.2f %% asked for\n", "simulated", t->days / YEAR_DAYS,
           config->cubes, 100 * load_of(config, t));
    printf("%-34s %u, of which %u (%.2f %%) were touched\n", "jobs", t->jobs, t->jobs_touched,
           100 * share(t->jobs_touched, t->jobs));
    printf("%-34s %u, %u\n", "swaps, reroutes", t->swaps, t->reroutes);
    printf("%-34s %u, %u, %u\n", "slices FAILED, asked anew, refused", t->failed_slices,
           t->resubmitted, t->refused);
    printf("%-34s %.3f %% of what was asked for\n", "ACTIVE_DEGRADED",
           100 * share(t->degraded, t->asked));
    printf("%-34s %u (%u merged, %u came back)\n", "incidents", t->incidents, t->merged,
           t->reopened);
    printf("%-34s %u\n", "tickets", t->tickets);
    printf("%-34s %u\n", "breaker trips", t->breaker_trips);
    printf("%-34s %u mended, %u cleared\n", "by a walk, without a ticket", t->healed_by_walk,
           t->cleared_by_walk);
    printf("%-34s %.0f\n", "cross-connects a day", share((double)t->cross_connects, t->days));
    printf("%-34s %llu\n", "steps of the core", (unsigned long long)t->steps);
}

void report_print(const struct year_config *config, const struct tally *years,
                  const struct tally *quiet)
{
    unsigned noises = 0;

    if (years->days > 0) {
        print_years(config, years);
    }
    for (int n = 0; n < NOISE_COUNT; n++) {
        noises += quiet->noises[n];
    }
    if (quiet->days > 0) {
        printf("%-34s %u in %.0f days without a fault, %u events that looked like one\n",
               "wrong evictions", quiet->touched_by_noise, quiet->days, noises);
    }
}

/* -------------------------------------------------------------------- JSON -- */

static json_t *json_spread(const struct spread *s)
{
    return json_pack("{s:i,s:f,s:f,s:f,s:f,s:f}", "n", (int)s->n, "mean", s->mean, "p50", s->p50,
                     "p95", s->p95, "p99", s->p99, "max", s->max);
}

static json_t *json_causes(const struct tally *t)
{
    json_t *causes = json_object();

    for (int c = 0; c < CAUSE_COUNT; c++) {
        struct spread s = spread_of(t, c);
        json_object_set_new(causes, cause_name((enum year_cause)c),
                            json_pack("{s:i,s:i,s:f,s:f,s:i,s:o}", "faults", (int)t->faults[c],
                                      "losses", (int)t->hits[c], "lost_chip_seconds", t->lost[c],
                                      "unavailability", share(t->lost[c], t->asked), "watchdog",
                                      (int)t->watchdog[c], "recovery_ms", json_spread(&s)));
    }
    return causes;
}

static json_t *json_all(const struct year_config *config, const struct tally *t,
                        const struct tally *quiet)
{
    struct spread s = spread_of(t, CAUSE_COUNT);
    json_t *all =
        json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "availability", tally_availability(t),
                  "availability_with_waiting", with_waiting(t), "availability_with_restarts",
                  with_restarts(t), "days", t->days, "load", load_of(config, t),
                  "asked_chip_seconds", t->asked, "degraded_share", share(t->degraded, t->asked));
    json_t *counts = json_pack(
        "{s:i,s:i,s:f,s:i,s:i,s:i,s:i,s:i}", "jobs", (int)t->jobs, "jobs_touched",
        (int)t->jobs_touched, "jobs_touched_share", share(t->jobs_touched, t->jobs), "swaps",
        (int)t->swaps, "reroutes", (int)t->reroutes, "slices_failed", (int)t->failed_slices,
        "slices_asked_anew", (int)t->resubmitted, "requests_refused", (int)t->refused);
    json_t *more = json_pack(
        "{s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:I}", "incidents", (int)t->incidents, "incidents_reopened",
        (int)t->reopened, "tickets", (int)t->tickets, "breaker_trips", (int)t->breaker_trips,
        "mended_without_ticket", (int)t->healed_by_walk, "cleared_without_ticket",
        (int)t->cleared_by_walk, "cross_connects_a_day", share((double)t->cross_connects, t->days),
        "core_steps", (json_int_t)t->steps);

    json_object_update(all, counts);
    json_object_update(all, more);
    json_decref(counts);
    json_decref(more);
    json_object_set_new(all, "recovery_ms", json_spread(&s));
    json_object_set_new(all, "causes", json_causes(t));
    json_object_set_new(all, "quiet",
                        json_pack("{s:f,s:i}", "days", quiet->days, "wrong_evictions",
                                  (int)quiet->touched_by_noise));
    return all;
}

int report_write(const char *file, const struct year_config *config, const struct tally *years,
                 const struct tally *quiet)
{
    json_t *all = json_all(config, years, quiet);
    int status = json_dump_file(all, file, JSON_INDENT(1) | JSON_REAL_PRECISION(9));

    json_decref(all);
    if (status < 0) {
        perror(file);
    }
    return status;
}
