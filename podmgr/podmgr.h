/* The map of podmgr: one process, one thread, one event loop.
 *
 *   http requests ─┐                                  ┌─> http answers
 *   switch agents ─┼─> events ─> core ─> commit ─> effects ─> switch batches
 *   host daemons  ─┤   (queue)  (pure)  (SQLite)      └─> commands to coordinators
 *   timers        ─┘
 *
 * A turn of the loop collects events; at its end the shell (shell.c) lets the
 * core take them all, commits once, and carries out the effects. */
#ifndef PODMGR_H
#define PODMGR_H

#include <uv.h>

#include "config.h"
#include "core/core.h"
#include "ocs/dispatch.h"
#include "store/store.h"

struct agents_server; /* agents/agents.h: endpoint for daemons on hosts */
struct health_server; /* agents/health.h: endpoint for their observers */
struct api;           /* api/api.h: the REST surface */
struct backup;        /* backup.h: copies of the database */
struct hooks;         /* hooks/hooks.h: events told to webhooks */
struct shell;         /* shell.c: queue, batch, effects */

/* Whose request a core event's cookie is. */
#define COOKIE_AGENT  (1ULL << 63)
#define COOKIE_HEALTH (1ULL << 62)

/* Cumulative histogram: le[i] counts what took at most metrics_le_s[i]. */
enum { METRICS_BUCKETS = 12 };
extern const double metrics_le_s[METRICS_BUCKETS];
struct histogram {
    uint64_t le[METRICS_BUCKETS];
    uint64_t count;
    double sum_s;
};
void histogram_add(struct histogram *h, double seconds);

struct metrics {
    struct histogram commit, activation, reconfigure;
    uint64_t events;
    uint64_t cross_connects; /* made or broken since start */
    uint64_t readback_mismatches;
};

struct podmgr {
    uv_loop_t *loop;
    const struct config *config;
    struct model *model;
    struct store *store;
    struct shell *shell;
    struct ocs_driver *ocs_driver;
    struct dispatch *dispatch;
    struct agents_server *agents;
    struct health_server *health; /* NULL: not configured */
    struct api *api;
    struct backup *backup;
    struct hooks *hooks;
    struct metrics metrics;
};

/* Queues an event for the end of this turn; takes over its payload. */
void podmgr_post(struct podmgr *p, struct event *ev);
/* Opens everything in order: store, model, epoch, listeners. */
int podmgr_start(struct podmgr *p, uv_loop_t *loop, const struct config *config, struct error *err);
/* Answers who still waits and closes everything; the loop runs out by itself
 * after it.  Then podmgr_fini() frees the rest. */
void podmgr_stop(struct podmgr *p);
void podmgr_fini(struct podmgr *p);

/* shell.c, used by podmgr.c */
struct shell *shell_create(struct podmgr *p);
void shell_destroy(struct shell *shell);
/* Lets the core take what is queued, now. */
void shell_drain(struct shell *shell);

#endif
