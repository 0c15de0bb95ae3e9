/* The map of healthd: one thread, one loop, and between its ends no I/O.
 *
 *   instruments ── probe.h (the seam; probes/) ──> readings
 *                     │ round.c: every period_ms, all hosts
 *                     v
 *   window.c, failslow.c ──> verdict.c (the policy table) ──> findings
 *                     │
 *                     v
 *   report.c (the outbox) ── state.c (durable first) ──> uplink.c ──> podmgr
 *                                         a lease a second beside it
 *   preflight.c <── orders.c <────────────── orders ──────┘
 *       └───────────────────────────────── verdicts ────────> podmgr
 *
 * One process stands for one host, or for as many of a simulated pod as it is
 * told. */
#ifndef HEALTHD_H
#define HEALTHD_H

#include <uv.h>

#include "clock.h"
#include "golden.h"
#include "probe.h"
#include "report.h"
#include "verdict.h"

struct healthd_config {
    char pod[32];
    char name[48];
    unsigned cubes;
    uint16_t *hosts; /* cube * 16 + host, rising */
    size_t n_hosts;
    char *podmgr_url;
    char *probe_url;  /* podsim's; NULL: this machine's sysfs */
    char *sysfs_root; /* "" on a live machine */
    char *driver;     /* what lines of the accelerator's driver begin with */
    char *state_file; /* NULL: nothing outlives the process */
    char *golden_file;
    struct golden *golden; /* what it says; NULL: a preflight knows no limits */
    unsigned period_ms, lease_ms;
    struct policy policy;
};
/* config.c: what the command line says wins over the file.  E_CONFIG names file,
 * line, column and key, or the option. */
struct healthd_options {
    const char *file, *pod, *name, *hosts, *cubes, *podmgr, *probe, *sysfs, *state, *golden;
};
int healthd_config_load(struct healthd_config *out, const struct healthd_options *options,
                        struct error *err);
void healthd_config_fini(struct healthd_config *config);

struct orders; /* orders.h: preflights that podmgr asked for */
struct round;
struct uplink;
struct healthd {
    uv_loop_t *loop;
    const struct healthd_config *config;
    struct probe *probe;
    struct judge *judge;
    struct reports *reports;
    struct round *round;
    struct orders *orders;
    struct uplink *uplink;
};
int healthd_start(struct healthd *d, uv_loop_t *loop, const struct healthd_config *config,
                  struct error *err);
void healthd_stop(struct healthd *d); /* the loop runs out after it */
void healthd_fini(struct healthd *d);
/* The instruments that the configuration names. */
int healthd_probe(struct probe **out, uv_loop_t *loop, const struct healthd_config *config,
                  struct error *err);
/* Writes the state file; a failure is logged, and nothing is then sent. */
bool healthd_save(struct healthd *d, struct now now);

/* check.c: one preflight of the configured hosts, told on stdout.  Returns the
 * exit status: 0 fit, 1 not, EX_CONFIG, EX_UNAVAILABLE. */
int healthd_check(const struct healthd_config *config, const char *golden_file, bool pattern);

/* round.c: reads all hosts, judges, seals. */
struct round *round_create(struct healthd *d);
void round_stop(struct round *r);
void round_fini(struct round *r);
/* Did the host answer when it was last read?  Nobody did if that is long ago. */
bool round_answered(const struct round *r, size_t host, struct now now);

/* uplink.c: the conversation with podmgr. */
int uplink_create(struct uplink **out, struct healthd *d, struct error *err);
void uplink_stop(struct uplink *u);
void uplink_fini(struct uplink *u);
/* There may be something to send. */
void uplink_wake(struct uplink *u);

#endif
