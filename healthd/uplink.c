/* The conversation with podmgr.
 *
 *      connected           hello ok
 *   ──────────────> HELLO ──────────> READY: a lease every lease_ms; beside it one
 *                     ^                 │    message of reports at a time, a poll for
 *                     └─────────────────┘    orders, and a verdict at a time
 *           connection lost, "say hello", or another epoch
 *
 * step() starts whatever can be started; everything that ends calls it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health.pb-c.h"
#include "healthd.h"
#include "log.h"
#include "mem.h"
#include "orders.h"
#include "rpc.h"

enum { CALL_TIMEOUT_MS = 5000, BACKOFF_MS = 1000, UNMUTE_LEASES = 30, HOLD_MS = 10000 };

struct uplink {
    struct healthd *d;
    struct rpc_client *client;
    uv_timer_t lease, backoff;
    char name[64];
    uint64_t epoch; /* podmgr's, of the last hello */
    uint64_t taken; /* highest order since then */
    uint64_t told;  /* the order whose verdict is under way */
    bool greeted, stopped;
    bool greeting, leasing, reporting, polling, telling; /* that call is under way */
    unsigned leases;
};

static void step(struct uplink *u);

static void call(struct uplink *u, Wire__HealthRequest *request, unsigned hold_ms,
                 rpc_done_fn *done)
{
    request->version = RPC_VERSION;
    request->pod = (char *)(uintptr_t)u->d->config->pod; /* packed only, never written */
    request->observer = u->name;
    request->instance = reports_instance(u->d->reports);
    rpc_call(u->client, &request->base, hold_ms + CALL_TIMEOUT_MS, done, u);
}

static void on_backoff(uv_timer_t *timer)
{
    step(timer->data);
}

/* The reply if podmgr agreed, to be freed by the caller.  A new hello mends
 * what came of a restart on either side, and is tried later for the rest. */
static Wire__HealthReply *take_reply(struct uplink *u, const char *what, int status,
                                     const uint8_t *body, size_t len)
{
    Wire__HealthReply *reply =
        status == 0 ? rpc_unpack(&wire__health_reply__descriptor, body, len) : NULL;

    if (status != 0) {
        return NULL;
    }
    if (reply != NULL && reply->status == WIRE__HEALTH_STATUS__HEALTH_OK) {
        return reply;
    }
    bool restarted = reply != NULL && (reply->status == WIRE__HEALTH_STATUS__HEALTH_SAY_HELLO ||
                                       reply->status == WIRE__HEALTH_STATUS__HEALTH_OLD_EPOCH);
    u->greeted = false;
    if (!restarted) {
        log_error("podmgr", "%s refused: %s", what,
                  reply != NULL ? reply->text : "not a HealthReply");
        (void)uv_timer_start(&u->backoff, on_backoff, BACKOFF_MS, 0);
    }
    if (reply != NULL) {
        wire__health_reply__free_unpacked(reply, NULL);
    }
    return NULL;
}

/* ------------------------------------------------------------------ hello -- */

static void on_hello(void *arg, int status, const uint8_t *body, size_t len)
{
    struct uplink *u = arg;
    Wire__HealthReply *reply = take_reply(u, "hello", status, body, len);

    u->greeting = false;
    if (reply != NULL) {
        log_notice("podmgr", "observer of %zu hosts, epoch %" PRIu64 "%s", u->d->config->n_hosts,
                   reply->epoch, reply->fresh ? ", from the beginning" : "");
        u->greeted = true;
        u->taken = 0;
        if (u->epoch != reply->epoch) {
            u->epoch = reply->epoch;
            orders_forget(u->d->orders);
        }
        reports_unmute(u->d->reports);
        if (reply->fresh) {
            reports_start_over(u->d->reports);
        }
        wire__health_reply__free_unpacked(reply, NULL);
    }
    step(u);
}

static void put_golden(Wire__HealthHello *hello, const char *name, const char *unit,
                       const struct golden_limit *limit)
{
    Wire__HealthGolden *g;

    if (!limit->there) {
        return;
    }
    g = xcalloc(1, sizeof *g);
    wire__health_golden__init(g);
    g->metric = (char *)(uintptr_t)name; /* packed only, never written */
    g->unit = (char *)(uintptr_t)unit;
    g->min = isinf(limit->min) ? (double)NAN : limit->min;
    g->max = isinf(limit->max) ? (double)NAN : limit->max;
    g->required = limit->required;
    hello->goldens[hello->n_goldens++] = g;
}

static void put_goldens(Wire__HealthHello *hello, const struct healthd_config *config)
{
    if (config->golden == NULL) {
        return;
    }
    hello->golden_file = config->golden_file;
    hello->goldens = xcalloc(N_METRICS + 1, sizeof(Wire__HealthGolden *));
    for (size_t m = 0; m < N_METRICS; m++) {
        const struct metric_info *info = metric_info((enum metric)m);
        put_golden(hello, info->name, info->unit, &config->golden->metrics[m]);
    }
    put_golden(hello, "transfer", "us", &config->golden->transfer);
}

static void free_goldens(Wire__HealthHello *hello)
{
    for (size_t i = 0; i < hello->n_goldens; i++) {
        free(hello->goldens[i]);
    }
    free(hello->goldens);
}

static void say_hello(struct uplink *u)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthHello hello = WIRE__HEALTH_HELLO__INIT;
    const struct healthd_config *config = u->d->config;

    hello.version_min = hello.version_max = RPC_VERSION;
    hello.n_hosts = config->n_hosts;
    hello.hosts = xcalloc(hello.n_hosts, sizeof *hello.hosts);
    for (size_t i = 0; i < hello.n_hosts; i++) {
        hello.hosts[i] = config->hosts[i];
    }
    put_goldens(&hello, config);
    request.body_case = WIRE__HEALTH_REQUEST__BODY_HELLO;
    request.hello = &hello;
    u->greeting = true;
    call(u, &request, 0, on_hello);
    free_goldens(&hello);
    free(hello.hosts);
}

/* ----------------------------------------------------------------- leases -- */

static void on_lease_taken(void *arg, int status, const uint8_t *body, size_t len)
{
    struct uplink *u = arg;
    Wire__HealthReply *reply = take_reply(u, "lease", status, body, len);

    u->leasing = false;
    if (reply != NULL) {
        wire__health_reply__free_unpacked(reply, NULL);
    }
    step(u);
}

static void on_lease_due(uv_timer_t *timer)
{
    struct uplink *u = timer->data;
    const struct healthd_config *config = u->d->config;
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthLease lease = WIRE__HEALTH_LEASE__INIT;
    struct now now = clock_read();

    if (!u->greeted || u->leasing || !rpc_client_connected(u->client)) {
        return;
    }
    if (++u->leases % UNMUTE_LEASES == 0) {
        reports_unmute(u->d->reports); /* what was refused may be welcome by now */
        step(u);
    }
    lease.epoch = u->epoch;
    lease.answering.len = (config->n_hosts + 7) / 8;
    lease.answering.data = xcalloc(lease.answering.len, 1);
    for (size_t h = 0; h < config->n_hosts; h++) {
        if (round_answered(u->d->round, h, now)) {
            lease.answering.data[h / 8] |= (uint8_t)(1U << h % 8);
        }
    }
    request.body_case = WIRE__HEALTH_REQUEST__BODY_LEASE;
    request.lease = &lease;
    u->leasing = true;
    call(u, &request, 0, on_lease_taken);
    free(lease.answering.data);
}

/* ---------------------------------------------------------------- reports -- */

static void on_reports_taken(void *arg, int status, const uint8_t *body, size_t len)
{
    struct uplink *u = arg;
    Wire__HealthReply *reply = take_reply(u, "reports", status, body, len);

    u->reporting = false;
    if (reply == NULL) {
        reports_lost(u->d->reports);
    } else {
        for (size_t i = 0; i < reply->n_refusals; i++) {
            log_warning("podmgr", "report %" PRIu64 " of host/%u-%u refused: %s",
                        reply->refusals[i]->sequence, reply->refusals[i]->host / 16,
                        reply->refusals[i]->host % 16, reply->refusals[i]->text);
        }
        (void)reports_taken(u->d->reports, reply);
        wire__health_reply__free_unpacked(reply, NULL);
    }
    step(u);
}

static void send_reports(struct uplink *u)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthReports *reports = reports_next(u->d->reports, u->epoch);

    if (reports == NULL) {
        return;
    }
    request.body_case = WIRE__HEALTH_REQUEST__BODY_REPORTS;
    request.reports = reports;
    u->reporting = true;
    call(u, &request, 0, on_reports_taken);
    wire__health_reports__free_unpacked(reports, NULL);
}

/* ----------------------------------------------------------------- orders -- */

static void on_orders(void *arg, int status, const uint8_t *body, size_t len)
{
    struct uplink *u = arg;
    Wire__HealthReply *reply = take_reply(u, "poll", status, body, len);

    u->polling = false;
    for (size_t i = 0; reply != NULL && i < reply->n_orders; i++) {
        const Wire__HealthOrder *order = reply->orders[i];
        if (order->epoch == u->epoch && order->order > u->taken) {
            u->taken = order->order;
            (void)orders_take(u->d->orders, order);
        }
    }
    if (reply != NULL) {
        wire__health_reply__free_unpacked(reply, NULL);
    }
    step(u);
}

static void poll_for_orders(struct uplink *u)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthPoll poll = WIRE__HEALTH_POLL__INIT;

    poll.epoch = u->epoch;
    poll.taken = u->taken;
    poll.hold_ms = HOLD_MS;
    request.body_case = WIRE__HEALTH_REQUEST__BODY_POLL;
    request.poll = &poll;
    u->polling = true;
    call(u, &request, HOLD_MS, on_orders);
}

static void on_verdict_taken(void *arg, int status, const uint8_t *body, size_t len)
{
    struct uplink *u = arg;
    Wire__HealthReply *stale =
        status == 0 ? rpc_unpack(&wire__health_reply__descriptor, body, len) : NULL;
    bool is_stale = stale != NULL && stale->status == WIRE__HEALTH_STATUS__HEALTH_STALE;
    Wire__HealthReply *reply = is_stale ? NULL : take_reply(u, "verdict", status, body, len);

    u->telling = false;
    if (is_stale || reply != NULL) {
        orders_told(u->d->orders, u->told);
    }
    if (reply != NULL) {
        wire__health_reply__free_unpacked(reply, NULL);
    }
    if (stale != NULL) {
        wire__health_reply__free_unpacked(stale, NULL);
    }
    step(u);
}

static void tell_verdict(struct uplink *u)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthVerdict *verdict = orders_next(u->d->orders);

    if (verdict == NULL) {
        return;
    }
    request.body_case = WIRE__HEALTH_REQUEST__BODY_VERDICT;
    request.verdict = verdict;
    u->told = verdict->order;
    u->telling = true;
    call(u, &request, 0, on_verdict_taken);
    wire__health_verdict__free_unpacked(verdict, NULL);
}

/* ------------------------------------------------------------------- loop -- */

static void step(struct uplink *u)
{
    if (u->stopped || u->greeting || !rpc_client_connected(u->client) ||
        uv_is_active((uv_handle_t *)&u->backoff)) {
        return;
    }
    if (!u->greeted) {
        say_hello(u);
        return;
    }
    orders_resume(u->d->orders);
    if (!u->telling) {
        tell_verdict(u);
    }
    if (!u->polling && orders_have_room(u->d->orders)) {
        poll_for_orders(u);
    }
    if (!u->reporting) {
        send_reports(u);
    }
}

void uplink_wake(struct uplink *u)
{
    step(u);
}

/* ----------------------------------------------------------- life cycle -- */

static void on_state(void *arg, bool connected)
{
    struct uplink *u = arg;

    if (!connected) {
        log_warning("podmgr", "connection lost; reports wait");
    }
    u->greeted = false;
    (void)uv_timer_stop(&u->backoff);
    step(u);
}

int uplink_create(struct uplink **out, struct healthd *d, struct error *err)
{
    struct uplink *u = xcalloc(1, sizeof *u);

    u->d = d;
    (void)snprintf(u->name, sizeof u->name, "healthd/%s", d->config->name);
    int status = rpc_client_create(&u->client, d->loop, d->config->podmgr_url, RPC_MAX_BYTES,
                                   on_state, u, err);
    if (status < 0) {
        free(u);
        return status;
    }
    (void)uv_timer_init(d->loop, &u->lease);
    (void)uv_timer_init(d->loop, &u->backoff);
    u->lease.data = u->backoff.data = u;
    (void)uv_timer_start(&u->lease, on_lease_due, d->config->lease_ms, d->config->lease_ms);
    *out = u;
    return 0;
}

void uplink_stop(struct uplink *u)
{
    u->stopped = true;
    uv_close((uv_handle_t *)&u->lease, NULL);
    uv_close((uv_handle_t *)&u->backoff, NULL);
    rpc_client_destroy(u->client); /* ends the calls under way */
}

void uplink_fini(struct uplink *u)
{
    free(u);
}
