#include "orders.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "hostlist.h"
#include "log.h"
#include "mem.h"
#include "preflight.h"

enum { ORDERS_MAX = 64, ORDERS_A_REPLY = 16 }; /* a reply to a poll carries so many */

struct order {
    struct orders *o;
    uint64_t number, epoch, generation;
    char slice[48];
    uint16_t *yours, *all;
    size_t n_yours, n_all;
    bool pattern;
    bool running, done, forgotten; /* forgotten: goes when it is done */
    struct preflight_result result;
};

struct orders {
    struct healthd *d;
    struct order *items[ORDERS_MAX]; /* in the order of their numbers */
    size_t n;
};

static void free_order(struct order *order)
{
    free(order->yours);
    free(order->all);
    free(order);
}

static void drop(struct orders *o, size_t at)
{
    free_order(o->items[at]);
    o->n--;
    memmove(o->items + at, o->items + at + 1, (o->n - at) * sizeof(struct order *));
}

static size_t place_of(const struct orders *o, uint64_t number)
{
    size_t at = 0;

    while (at < o->n && o->items[at]->number != number) {
        at++;
    }
    return at;
}

bool orders_have_room(const struct orders *o)
{
    return o->n + ORDERS_A_REPLY <= ORDERS_MAX && o->d->probe->ready;
}

/* ------------------------------------------------------------------ taking -- */

static bool is_ours(const struct healthd_config *config, uint16_t host)
{
    for (size_t i = 0; i < config->n_hosts; i++) {
        if (config->hosts[i] == host) {
            return true;
        }
    }
    return false;
}

/* Hosts that there can be, each once; NULL if not. */
static uint16_t *take_hosts(const uint32_t *hosts, size_t n)
{
    uint16_t *out;
    bool *seen;
    bool good = n > 0 && n <= HOSTLIST_MAX;

    if (!good) {
        return NULL;
    }
    out = xcalloc(n, sizeof *out);
    seen = xcalloc(HOSTLIST_MAX, sizeof *seen);
    for (size_t i = 0; i < n && good; i++) {
        good = hosts[i] < HOSTLIST_MAX && !seen[hosts[i]];
        if (good) {
            seen[hosts[i]] = true;
            out[i] = (uint16_t)hosts[i];
        }
    }
    free(seen);
    if (!good) {
        free(out);
        out = NULL;
    }
    return out;
}

static bool is_among(const uint16_t *hosts, size_t n, uint16_t host)
{
    for (size_t i = 0; i < n; i++) {
        if (hosts[i] == host) {
            return true;
        }
    }
    return false;
}

static bool makes_sense(const struct orders *o, const struct order *order)
{
    if (order->yours == NULL || order->all == NULL) {
        return false;
    }
    for (size_t i = 0; i < order->n_yours; i++) {
        if (!is_ours(o->d->config, order->yours[i]) ||
            !is_among(order->all, order->n_all, order->yours[i])) {
            return false;
        }
    }
    return true;
}

static void on_result(void *arg, const struct preflight_result *result);

static void start(struct order *order)
{
    struct probe *probe = order->o->d->probe;
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = order->number; /* any will do */
    }
    order->running = true;
    preflight_run(probe,
                  &(struct preflight_job){.golden = order->o->d->config->golden,
                                          .hosts = order->yours,
                                          .n_hosts = order->n_yours,
                                          .all = order->all,
                                          .n_all = order->n_all,
                                          .pattern = order->pattern &&
                                                     probe->ops->transfer != NULL &&
                                                     probe->ops->compute != NULL,
                                          .seed = seed},
                  on_result, order);
}

/* Without instruments nothing was judged; it is done again when they are back. */
static void on_result(void *arg, const struct preflight_result *result)
{
    struct order *order = arg;
    struct orders *o = order->o;

    order->running = false;
    order->done = o->d->probe->ready;
    if (order->done) {
        order->result = *result;
        log_notice("preflight", "slice/%s: %zu hosts, %zu values, %zu transfers: %zu failures%s%s",
                   order->slice, order->n_yours, result->checked, result->transfers,
                   result->failures, result->failures > 0 ? ", the first: " : "",
                   result->failures > 0 ? result->unfit[0].text : "");
    }
    if (order->forgotten) {
        drop(o, place_of(o, order->number));
    }
    uplink_wake(o->d->uplink);
}

void orders_resume(struct orders *o)
{
    for (size_t i = 0; i < o->n && o->d->probe->ready; i++) {
        if (!o->items[i]->running && !o->items[i]->done) {
            start(o->items[i]);
            return; /* it may have changed the list */
        }
    }
}

bool orders_take(struct orders *o, const Wire__HealthOrder *in)
{
    if (place_of(o, in->order) < o->n) {
        return true;
    }
    if (o->n == ORDERS_MAX || (o->n > 0 && in->order < o->items[o->n - 1]->number)) {
        return false;
    }
    struct order *order = xcalloc(1, sizeof *order);
    order->o = o;
    order->number = in->order;
    order->epoch = in->epoch;
    order->generation = in->generation;
    (void)snprintf(order->slice, sizeof order->slice, "%s", in->slice);
    order->yours = take_hosts(in->yours, in->n_yours);
    order->all = take_hosts(in->hosts, in->n_hosts);
    order->n_yours = in->n_yours;
    order->n_all = in->n_hosts;
    if (!makes_sense(o, order)) {
        log_error("podmgr", "order %" PRIu64 " names hosts that are not ours, or twice",
                  order->number);
        free_order(order);
        return false;
    }
    order->pattern = in->pattern;
    o->items[o->n++] = order;
    start(order);
    return true;
}

/* ---------------------------------------------------------------- verdicts -- */

static void put_unfit(Wire__HealthVerdict *out, const struct preflight_result *result)
{
    size_t n = result->failures < PREFLIGHT_LINES ? result->failures : PREFLIGHT_LINES;

    out->unfit = xcalloc(n + 1, sizeof(Wire__HealthUnfit *));
    for (out->n_unfit = 0; out->n_unfit < n; out->n_unfit++) {
        const struct preflight_unfit *in = &result->unfit[out->n_unfit];
        Wire__HealthUnfit *unfit = xcalloc(1, sizeof *unfit);
        wire__health_unfit__init(unfit);
        unfit->host = in->host;
        unfit->scope = (Wire__HealthScope)in->scope;
        unfit->index = in->index;
        unfit->unplaced = in->unplaced;
        unfit->text = xstrdup(in->text);
        out->unfit[out->n_unfit] = unfit;
    }
}

static Wire__HealthVerdict *verdict_of(const struct order *order)
{
    const struct preflight_result *result = &order->result;
    Wire__HealthVerdict *out = xcalloc(1, sizeof *out);

    wire__health_verdict__init(out);
    out->epoch = order->epoch;
    out->order = order->number;
    out->slice = xstrdup(order->slice);
    out->generation = order->generation;
    out->hosts = xcalloc(order->n_yours, sizeof *out->hosts);
    for (size_t i = 0; i < order->n_yours; i++) {
        out->hosts[i] = order->yours[i];
    }
    out->n_hosts = order->n_yours;
    out->checked = result->checked;
    out->unknown = result->unknown;
    out->transfers = result->transfers;
    out->computations = result->computations;
    out->failures = result->failures;
    put_unfit(out, result);
    return out;
}

Wire__HealthVerdict *orders_next(const struct orders *o)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->items[i]->done) {
            return verdict_of(o->items[i]);
        }
    }
    return NULL;
}

void orders_told(struct orders *o, uint64_t number)
{
    size_t at = place_of(o, number);

    if (at < o->n && o->items[at]->done) {
        drop(o, at);
    }
}

void orders_forget(struct orders *o)
{
    for (size_t i = o->n; i-- > 0;) {
        o->items[i]->forgotten = true;
        if (!o->items[i]->running) {
            drop(o, i);
        }
    }
}

/* -------------------------------------------------------------- life cycle -- */

struct orders *orders_create(struct healthd *d)
{
    struct orders *o = xcalloc(1, sizeof *o);

    o->d = d;
    return o;
}

void orders_destroy(struct orders *o)
{
    for (size_t i = 0; o != NULL && i < o->n; i++) {
        free_order(o->items[i]);
    }
    free(o);
}
