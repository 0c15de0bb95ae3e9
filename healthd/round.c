/* One round: all classes of all hosts are read, what fails slowly is compared
 * with its peers, and what changed is sealed, saved and sent.  A round that is
 * not over when the next is due lets it pass. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "healthd.h"
#include "hostlist.h"
#include "log.h"
#include "mem.h"

/* Metrics that failslow looks at, and what a part's cost is. */
static const struct peer_metric {
    enum metric metric;
    bool rate; /* the cost is one over it */
} peer_metrics[] = {{METRIC_CHIP_STEP, false}, {METRIC_LINK_RATE, true}};
enum { PEER_METRICS = 2, STALE_PERIODS = 3 };

struct peers {
    unsigned parts; /* of a host */
    size_t n;
    double *cost;
    enum slowness *slowness;
    struct failslow *failslow;
};

struct round {
    struct healthd *d;
    uv_timer_t timer;
    size_t open; /* reads not answered yet */
    bool beginning, stopped, saved;
    unsigned skipped;
    struct now begun, ended;
    bool *answers;  /* of the round under way */
    bool *answered; /* of the last one */
    struct peers peers[PEER_METRICS];
};

/* --------------------------------------------------------------- readings -- */

static size_t index_of(const struct healthd_config *config, uint16_t host)
{
    size_t lo = 0, hi = config->n_hosts;

    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;
        if (config->hosts[mid] <= host) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void note_costs(struct round *r, size_t host, enum probe_class class,
                       const struct reading *reading)
{
    for (size_t i = 0; i < PEER_METRICS; i++) {
        const struct peer_metric *pm = &peer_metrics[i];
        struct peers *peers = &r->peers[i];
        if (metric_info(pm->metric)->class != class) {
            continue;
        }
        for (unsigned part = 0; part < peers->parts; part++) {
            double v = *reading_at((struct reading *)(uintptr_t)reading, part, pm->metric);
            double cost = pm->rate ? 1 / v : v;
            peers->cost[host * peers->parts + part] =
                isfinite(cost) && cost > 0 ? cost : (double)NAN;
        }
    }
}

static void end(struct round *r);

static void on_reading(void *arg, uint16_t host, enum probe_class class,
                       const struct reading *reading)
{
    struct round *r = arg;
    size_t index = index_of(r->d->config, host);

    if (reading != NULL && !r->stopped) {
        r->answers[index] = true;
        note_costs(r, index, class, reading);
        judge_reading(r->d->judge, index, class, reading, r->begun);
    }
    if (--r->open == 0 && !r->beginning && !r->stopped) {
        end(r);
    }
}

/* ------------------------------------------------------------------ peers -- */

static void compare_peers(struct round *r, size_t i)
{
    const struct peer_metric *pm = &peer_metrics[i];
    const char *unit = metric_info(pm->metric)->unit;
    struct peers *peers = &r->peers[i];

    failslow_round(peers->failslow, peers->cost, peers->slowness);
    for (size_t k = 0; k < peers->n; k++) {
        double median = failslow_median(peers->failslow), past = failslow_past(peers->failslow, k);
        char text[120] = "";
        if (peers->slowness[k] == SLOW_SLOW) {
            (void)snprintf(text, sizeof text, "%.4g %s, its peers' median %.4g, its own past %.4g",
                           pm->rate ? 1 / peers->cost[k] : peers->cost[k], unit,
                           pm->rate ? 1 / median : median, pm->rate ? 1 / past : past);
        }
        judge_slowness(r->d->judge, k / peers->parts, pm->metric, (unsigned)(k % peers->parts),
                       peers->slowness[k], text, r->begun);
    }
}

/* ------------------------------------------------------------------ rounds -- */

static void end(struct round *r)
{
    struct healthd *d = r->d;

    for (size_t i = 0; i < PEER_METRICS; i++) {
        compare_peers(r, i);
    }
    memcpy(r->answered, r->answers, d->config->n_hosts * sizeof *r->answered);
    r->ended = clock_read();
    bool news = reports_seal(d->reports, r->begun.wall);
    if ((news || !r->saved) && healthd_save(d, r->ended)) {
        r->saved = true; /* once at least: where the counters began */
        uplink_wake(d->uplink);
    }
}

static void begin(struct round *r)
{
    struct healthd *d = r->d;
    const struct healthd_config *config = d->config;

    r->begun = clock_read();
    memset(r->answers, 0, config->n_hosts * sizeof *r->answers);
    for (size_t i = 0; i < PEER_METRICS; i++) {
        for (size_t k = 0; k < r->peers[i].n; k++) {
            r->peers[i].cost[k] = (double)NAN;
        }
    }
    r->open = config->n_hosts * PROBE_CLASSES;
    r->beginning = true;
    for (unsigned class = 0; class < PROBE_CLASSES; class ++) {
        for (size_t h = 0; h < config->n_hosts; h++) {
            d->probe->ops->read(d->probe, config->hosts[h], (enum probe_class) class, on_reading,
                                r);
        }
    }
    d->probe->ops->flush(d->probe);
    r->beginning = false;
    if (r->open == 0) {
        end(r);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct round *r = timer->data;

    if (r->open > 0) {
        log_warning("round", "the last one is not over; %u were let pass", ++r->skipped);
    } else if (r->d->probe->ready) {
        begin(r);
    }
}

bool round_answered(const struct round *r, size_t host, struct now now)
{
    unsigned stale_ms = STALE_PERIODS * r->d->config->period_ms + 1000;
    return r->ended.mono.ns != 0 && mono_ms_since(r->ended.mono, now.mono) <= stale_ms &&
           r->answered[host];
}

/* -------------------------------------------------------------- life cycle -- */

struct round *round_create(struct healthd *d)
{
    struct round *r = xcalloc(1, sizeof *r);
    size_t n = d->config->n_hosts;

    r->d = d;
    r->answers = xcalloc(n, sizeof *r->answers);
    r->answered = xcalloc(n, sizeof *r->answered);
    for (size_t i = 0; i < PEER_METRICS; i++) {
        struct peers *peers = &r->peers[i];
        peers->parts = finding_parts(class_scope(metric_info(peer_metrics[i].metric)->class));
        peers->n = n * peers->parts;
        peers->cost = xcalloc(peers->n, sizeof *peers->cost);
        peers->slowness = xcalloc(peers->n, sizeof *peers->slowness);
        peers->failslow = failslow_create(peers->n);
    }
    (void)uv_timer_init(d->loop, &r->timer);
    r->timer.data = r;
    (void)uv_timer_start(&r->timer, on_timer, 0, d->config->period_ms);
    return r;
}

void round_stop(struct round *r)
{
    r->stopped = true;
    uv_close((uv_handle_t *)&r->timer, NULL);
}

void round_fini(struct round *r)
{
    for (size_t i = 0; i < PEER_METRICS; i++) {
        failslow_destroy(r->peers[i].failslow);
        free(r->peers[i].cost);
        free(r->peers[i].slowness);
    }
    free(r->answers);
    free(r->answered);
    free(r);
}
