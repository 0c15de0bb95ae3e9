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

struct agents_server;            /* agents/agents.h: nng endpoint for daemons on hosts */
struct api;                      /* api/api.h: the REST surface */
struct shell;                    /* shell.c: queue, batch, effects */

struct podmgr {
    uv_loop_t *loop;
    const struct config *config;
    struct model *model;
    struct store *store;
    struct shell *shell;
    struct ocs_driver *ocs_driver;
    struct dispatch *dispatch;
    struct agents_server *agents;
    struct api *api;
    struct metrics {
        uint64_t batches, events, commits;
        double commit_seconds_sum, commit_seconds_max;
        uint64_t commit_le[12];  /* histogram, see api/metrics.c */
        uint64_t readback_mismatches;
        uint64_t cross_connects; /* made or broken since start */
        double activation_seconds_sum;
        uint64_t activations;
        uint64_t activation_le[12];
        double reconfigure_seconds_sum;
        uint64_t reconfigures;
    } metrics;
};

/* Queues an event for the end of this turn; takes over its payload. */
void podmgr_post(struct podmgr *p, struct event *ev);
/* Opens everything in order: store, model, epoch, listeners. */
int podmgr_start(struct podmgr *p, uv_loop_t *loop, const struct config *config,
                 struct error *err);
/* Drains and closes; the loop ends by itself after it. */
void podmgr_stop(struct podmgr *p);
struct now podmgr_now(const struct podmgr *p);

#endif
