/* What a bench is: one row of the table in main.c.
 *
 * main.c calls a row's function once a run and takes the median of the runs;
 * the function measures one run, which it bounds in count and time itself, and
 * keeps what is costly to set up (a world, a pod of processes) for the next. */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <jansson.h>
#include <stddef.h>

struct sample {
    double value;
    size_t n; /* observations behind the value */
};
/* `run` counts from 0; rows that share one measurement share it within a run. */
typedef struct sample bench_fn(unsigned run);

/* libtpunet alone (library.c). */
bench_fn bench_discover, bench_routes, bench_proof;
/* libtpunet after a switch has died (faults.c). */
bench_fn bench_ft_cold_8, bench_ft_cold_16, bench_ft_cached_8, bench_ft_cached_16,
    bench_ft_random_8, bench_ft_link_16, bench_ft_peak;
/* Real processes (pod.c). */
bench_fn bench_bringup, bench_activate_8, bench_activate_16, bench_podmgr_rss, bench_podsim_rss;
/* Many clients at once (cycles.c). */
bench_fn bench_cycles_per_s, bench_cycle_p50, bench_cycle_p99, bench_commit_p99, bench_accept_p99;
/* A full pod whose manager or whose switches go away (recovery.c). */
bench_fn bench_restart, bench_restore;
/* A slice under which something breaks (failover.c). */
bench_fn bench_failover_cube, bench_failover_ocs, bench_detect_link_down;

/* Observers of 1,024 hosts (health.c). */
bench_fn bench_preflight_4x4x8, bench_preflight_4096, bench_intake_events, bench_intake_cpu;

/* The pod that all rows with processes share: 64 cubes, mirrors that move at
 * once, the database on the disk under the build directory. */
struct pod *bench_pod(void);
/* The same, but mending by itself, or with a healthd for all hosts; one takes the
 * other one's place. */
struct pod *bench_mending_pod(void);
struct pod *bench_observed_pod(void);
json_t *bench_activate(const char *body); /* ACTIVE, or the bench ends */
json_t *bench_activate_on(const struct pod *on, const char *body);
void bench_delete(json_t *slice); /* takes it */
void bench_pod_down(void);
const char *bench_pod_logs(void); /* "; logs in DIR" while there is a pod */
/* Ends the program, and with it the processes, but leaves their logs: a figure
 * of something broken is none. */
_Noreturn void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int compare_doubles(const void *a, const void *b); /* for qsort */

#endif
