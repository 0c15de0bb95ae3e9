/* `make bench`: the figures that podmgr promises, measured.  Prints a table for
 * people and writes the same as JSON for machines (docs/benchmarks.md).
 *
 * A figure that misses its goal is told, not an error: a slow machine is no
 * broken build.  A bench that cannot run ends the program with status 1. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "opts.h"
#include "tests/bench/bench.h"

enum { RUNS_MAX = 1000 };

enum better { LOWER, HIGHER };

/* goal 0: none of its own, shown for what it explains. */
static const struct bench {
    const char *name, *what, *unit;
    enum better better;
    double goal;
    unsigned runs;
    bench_fn *fn;
} benches[] = {
    {"discover_4096_ms", "search, placement, mismatch check of 16x16x16", "ms", LOWER, 5, 15,
     bench_discover},
    {"routes_4096_ms", "dimension-order tables of 16x16x16, cold", "ms", LOWER, 10, 15,
     bench_routes},
    {"proof_4096_ms", "reachability and no deadlock on 16x16x16", "ms", LOWER, 120, 9, bench_proof},
    {"ft_cold_8x8x8_ms", "a dead switch: solve, expand, prove", "ms", LOWER, 150, 9,
     bench_ft_cold_8},
    {"ft_cold_16x16x16_ms", "the same for 4096 chips", "ms", LOWER, 2500, 9, bench_ft_cold_16},
    {"ft_cached_8x8x8_ms", "a dead switch: look up, expand, prove", "ms", LOWER, 20, 9,
     bench_ft_cached_8},
    {"ft_cached_16x16x16_ms", "the same for 4096 chips", "ms", LOWER, 300, 9, bench_ft_cached_16},
    {"ft_random_8x8x8_ms", "1-3 switches, 0-8 links, 0-2 chips dead: route, prove", "ms", LOWER,
     1000, 9, bench_ft_random_8},
    {"ft_link_16x16x16_ms", "one dead link, 4096 chips: route, prove", "ms", LOWER, 1000, 5,
     bench_ft_link_16},
    {"ft_peak_16x16x16_mib", "peak memory of solve, expand, prove", "MiB", LOWER, 1024, 3,
     bench_ft_peak},
    {"bringup_4096_ms", "tpunetd and podsim: discover to installed", "ms", LOWER, 400, 7,
     bench_bringup},
    {"activate_8x8x8_ms", "POST to ACTIVE, 512 chips", "ms", LOWER, 100, 15, bench_activate_8},
    {"activate_16x16x16_ms", "POST to ACTIVE, 4096 chips", "ms", LOWER, 800, 7, bench_activate_16},
    {"podmgr_rss_mib", "podmgr's memory, full-pod slice ACTIVE", "MiB", LOWER, 64, 3,
     bench_podmgr_rss},
    {"podsim_rss_mib", "podsim's memory, full-pod slice ACTIVE", "MiB", LOWER, 256, 3,
     bench_podsim_rss},
    {"slice_cycles_per_s", "create and delete one cube, 32 clients", "1/s", HIGHER, 150, 3,
     bench_cycles_per_s},
    {"slice_cycle_p50_ms", "of these cycles, the middle one", "ms", LOWER, 0, 3, bench_cycle_p50},
    {"slice_cycle_p99_ms", "of these cycles, the slowest hundredth", "ms", LOWER, 0, 3,
     bench_cycle_p99},
    {"commit_p99_ms", "of the commits during these cycles, by podmgr", "ms", LOWER, 5, 3,
     bench_commit_p99},
    {"accept_p99_ms", "POST to 202 durable, 32 clients", "ms", LOWER, 0, 3, bench_accept_p99},
    {"restart_ready_ms", "kill -9 with 64 slices, start, to ready", "ms", LOWER, 1000, 5,
     bench_restart},
    {"restore_pod_ms", "48 switches lost power, back to in step", "ms", LOWER, 300, 5,
     bench_restore},
    {"intake_events_per_s", "findings durably taken, in bursts of 24,576", "1/s", HIGHER, 50000, 5,
     bench_intake_events},
    {"intake_cpu_pct", "podmgr's processor at 1,024 leases a second", "%", LOWER, 5, 3,
     bench_intake_cpu},
    {"preflight_4x4x8_ms", "32 hosts found fit before a slice is ACTIVE", "ms", LOWER, 0, 9,
     bench_preflight_4x4x8},
    {"preflight_4096_ms", "the same of 1,024 hosts", "ms", LOWER, 0, 5, bench_preflight_4096},
    {"detect_link_down_ms", "link down under 8x8x8, to durable incident", "ms", LOWER, 50, 9,
     bench_detect_link_down},
    {"failover_cube_ms", "8x8x8: a host's links reported down, to ACTIVE", "ms", LOWER, 100, 9,
     bench_failover_cube},
    {"failover_ocs_ms", "the same of a switch, to new routes", "ms", LOWER, 150, 9,
     bench_failover_ocs},
};

struct figure {
    double median;
    size_t n;
    unsigned runs;
    bool wanted;
};

void bench_die(const char *fmt, ...)
{
    va_list ap;

    (void)fputs("bench: ", stderr);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "%s\n", bench_pod_logs());
    exit(1); /* the processes die with us */
}

int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ------------------------------------------------------------- choice -- */

static const struct bench *find(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(benches); i++) {
        if (strlen(benches[i].name) == len && strncmp(benches[i].name, name, len) == 0) {
            return &benches[i];
        }
    }
    return NULL;
}

static void choose(const struct program *program, const char *only, struct figure *figures)
{
    for (size_t i = 0; only == NULL && i < ARRAY_LEN(benches); i++) {
        figures[i].wanted = true;
    }
    while (only != NULL && *only != '\0') {
        size_t len = strcspn(only, ",");
        const struct bench *bench = find(only, len);
        if (bench == NULL) {
            opts_usage_error(program, "no bench '%.*s'; --list names them", (int)len, only);
        }
        figures[bench - benches].wanted = true;
        only += len + (only[len] == ',');
    }
}

static unsigned read_repeat(const struct program *program, const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || n < 1 || n > RUNS_MAX) {
        opts_usage_error(program, "--repeat: a number from 1 to %d, not '%s'", RUNS_MAX, text);
    }
    return (unsigned)n;
}

/* -------------------------------------------------------------- output -- */

static const char *judge(const struct bench *bench, double value)
{
    if (bench->goal == 0) {
        return "";
    }
    return (bench->better == LOWER ? value <= bench->goal : value >= bench->goal) ? "ok" : "OVER";
}

static void print_head(void)
{
    (void)printf("%-20s  %-45s  %8s  %-4s  %6s  %-4s  %s\n", "name", "what", "median", "unit",
                 "goal", "", "n");
}

static void print_row(const struct bench *bench, const struct figure *figure)
{
    char goal[16] = "";

    if (bench->goal != 0) {
        (void)snprintf(goal, sizeof goal, "%s%g",
                       bench->better == LOWER ? "<=" : ">=", bench->goal);
    }
    (void)printf("%-20s  %-45s  %8.2f  %-4s  %6s  %-4s  %zu\n", bench->name, bench->what,
                 figure->median, bench->unit, goal, judge(bench, figure->median), figure->n);
    (void)fflush(stdout);
}

static void write_json(const char *file, const struct figure *figures)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < ARRAY_LEN(benches); i++) {
        const struct bench *bench = &benches[i];
        if (figures[i].wanted) {
            (void)json_array_append_new(
                rows, json_pack("{s:s,s:f,s:s,s:s,s:I,s:i}", "name", bench->name, "value",
                                figures[i].median, "unit", bench->unit, "better",
                                bench->better == LOWER ? "lower" : "higher", "n",
                                (json_int_t)figures[i].n, "median_of", (int)figures[i].runs));
        }
    }
    if (json_dump_file(rows, file, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0) {
        bench_die("cannot write %s", file);
    }
    json_decref(rows);
}

/* ---------------------------------------------------------------- main -- */

static void measure(const struct bench *bench, unsigned runs, struct figure *figure)
{
    double values[RUNS_MAX] = {0};

    for (unsigned run = 0; run < runs; run++) {
        struct sample sample = bench->fn(run);
        values[run] = sample.value;
        figure->n += sample.n;
    }
    figure->runs = runs;
    figure->median = median(values, runs);
}

int main(int argc, char **argv)
{
    static const char *json, *only, *repeat;
    static bool list;
    static const struct opt options[] = {
        {"json", 0, "FILE", "write the figures to FILE, too", &json, NULL},
        {"only", 0, "NAME[,NAME]", "measure these alone", &only, NULL},
        {"list", 0, NULL, "name the benches and exit", NULL, &list},
        {"repeat", 0, "N", "runs of each bench", &repeat, NULL},
        {0}};
    static const struct program program = {
        .name = "bench", .about = "Measures what podmgr promises.", .options = options};
    static struct figure figures[ARRAY_LEN(benches)];

    (void)opts_parse(&program, argc, argv);
    choose(&program, only, figures);
    unsigned runs = repeat != NULL ? read_repeat(&program, repeat) : 0;
    if (!list) {
        print_head();
    }
    for (size_t i = 0; i < ARRAY_LEN(benches); i++) {
        if (list) {
            (void)printf("%-20s  %s\n", benches[i].name, benches[i].what);
        } else if (figures[i].wanted) {
            measure(&benches[i], runs != 0 ? runs : benches[i].runs, &figures[i]);
            print_row(&benches[i], &figures[i]);
        }
    }
    bench_pod_down();
    if (json != NULL && !list) {
        write_json(json, figures);
    }
    return 0;
}
