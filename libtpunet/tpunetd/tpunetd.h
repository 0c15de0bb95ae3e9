/* The map of tpunetd: a thin shell over libtpunet, one loop; only routes are made
 * on another thread (worker.c), so that the lease outlives them.
 *
 *   podmgr <─ hello, poll, verdicts, link reports ─ agent.c
 *                       │ commands
 *                       v
 *   jobs.c: one job a slice that this daemon coordinates (bring-up, then watch)
 *   jobs_watch.c: or that podmgr has it watch; what is told of links
 *                       │ struct tpunet_fabric
 *                       v
 *   fabric_nng.c ─ proto/fabric.proto ─> the chips of its hosts
 *   claim.c: which podmgr is obeyed
 *   route_store.c: routes around dead switches, prepared and kept for the jobs
 *   watch.c: link changes of its hosts, to the jobs they concern
 */
#ifndef TPUNETD_H
#define TPUNETD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agent.pb-c.h"
#include "clock.h"
#include "err.h"
#include "rpc.h"
#include "tpunet.h"

enum { TPUNETD_HOSTS_MAX = TPUNET_CUBES_MAX * TPUNET_CUBE_HOSTS };

struct tpunetd_config {
    char pod[32];
    char name[48];
    char *fabric_url, *podmgr_url;
    char *route_cache; /* file, or NULL: see route_store.h */
    char *epoch_file;  /* or NULL: see claim.c */
    uint16_t *hosts;   /* cube * 16 + host, rising */
    size_t n_hosts;
};
/* "all", or a list such as "0-0..3-15,7-2"; `cubes` bounds it. */
int tpunetd_parse_hosts(struct tpunetd_config *config, const char *text, unsigned cubes,
                        struct error *err);
void tpunetd_config_fini(struct tpunetd_config *config);

struct fabric_nng;
struct agent;
struct jobs;
struct route_store;
struct watch;

struct tpunetd {
    uv_loop_t *loop;
    const struct tpunetd_config *config;
    uint64_t instance;
    uint64_t epoch;        /* highest that a podmgr has shown us: claim.c */
    uint64_t stored_epoch; /* on the disk */
    struct fabric_nng *fabric;
    struct agent *agent;
    struct route_store *routes;
    struct jobs *jobs;
    struct watch *watch;
};
int tpunetd_start(struct tpunetd *t, uv_loop_t *loop, const struct tpunetd_config *config,
                  struct error *err);
void tpunetd_stop(struct tpunetd *t); /* the loop runs out after it */
void tpunetd_fini(struct tpunetd *t);

/* fabric_nng.c: the fabric seam over the wire.  Entry chips must be of the
 * hosts that it stands for. */
int fabric_nng_create(struct fabric_nng **out, struct tpunetd *t, struct error *err);
void fabric_nng_stop(struct fabric_nng *f);
void fabric_nng_fini(struct fabric_nng *f);
struct rpc_client *fabric_nng_client(const struct fabric_nng *f);

/* One user's way to the chips: its seam, and what it has seen of them.  Must
 * outlive the calls made through it. */
struct fabric_session {
    struct tpunet_fabric seam;
    struct fabric_nng *fabric;
    struct mono_ns probed; /* when the last answer to a probe came; 0: never */
    struct mono_ns wrote;  /* when the first row was given; 0: never */
    char complaint[160];   /* what the chips said of the last failure, or "" */
};
void fabric_session_init(struct fabric_session *s, struct fabric_nng *f);

/* worker.c: routes on another thread. */
struct tpunet_executor worker_executor(uv_loop_t *loop);

/* agent.c: the conversation with podmgr; silent while the chips cannot be
 * reached, so that the lease ends and no slice is asked of us. */
int agent_create(struct agent **out, struct tpunetd *t, struct error *err);
void agent_stop(struct agent *a);
void agent_fini(struct agent *a);
/* Sent until acknowledged; the message is copied. */
void agent_report_verdict(struct agent *a, const Wire__AgentVerdict *verdict);
void agent_report_fenced(struct agent *a, const Wire__AgentFenced *report);
/* There may be something to do: the chips can be reached, or links changed. */
void agent_wake(struct agent *a);

/* claim.c: what was on the disk when we started; E_CORRUPT, E_CONFIG: another pod's. */
int claim_load(struct tpunetd *t, struct error *err);
/* False: a newer podmgr has spoken to us. */
bool claim_take(struct tpunetd *t, uint64_t epoch);

/* fence.c: disables chip ports and reports those that are disabled. */
void fence_ports(struct tpunetd *t, const Wire__AgentFence *command);

/* jobs.c */
struct jobs *jobs_create(struct tpunetd *t);
void jobs_destroy(struct jobs *jobs);
void jobs_bring_up(struct jobs *jobs, const Wire__AgentBringUp *command);
void jobs_release(struct jobs *jobs, const Wire__AgentRelease *command);
/* What a chip says of one of its ports; passed over if it is no slice's. */
void jobs_see_link(struct jobs *jobs, uint32_t chip, unsigned port, bool up, int64_t wall_ms);
/* The chips of all slices known, in an array that the caller frees. */
uint32_t *jobs_chips(const struct jobs *jobs, size_t *n);

struct link_change {
    struct tpunet_stamp stamp; /* of the slice, when it was seen */
    uint32_t chip;
    unsigned port;
    bool up;
    int64_t wall_ms;
};
/* Link changes of watched slices that podmgr has not been told; their number. */
size_t jobs_untold(struct jobs *jobs, struct link_change *out, size_t max);
void jobs_told(struct jobs *jobs, const struct link_change *changes, size_t n);
/* podmgr greets us anew, and may have forgotten what it was told. */
void jobs_tell_again(struct jobs *jobs);

/* watch.c */
struct watch *watch_create(struct tpunetd *t);
void watch_stop(struct watch *w);
void watch_fini(struct watch *w);
/* The fabric's connection came up. */
void watch_resume(struct watch *w);
/* Events alone do not tell how the links of all jobs are. */
void watch_ask_chips(struct watch *w);

#endif
