#include "agents/health.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core/preflight.h"
#include "health.pb-c.h"
#include "mem.h"
#include "rpc.h"

enum {
    HOLD_MAX_MS = 10000,
    SWEEP_MS = 250,
    ORDERS_A_REPLY = 16,
    REPORTS_A_MESSAGE = 4096,
    SKEW_MAX_MS = 5 * 60 * 1000, /* a clock that is further ahead is wrong */
    INDEX_BITS = 16,
};

/* A message some of whose reports the core has yet to take. */
struct pending {
    struct rpc_request *req; /* NULL: a free place */
    size_t open;
    Wire__HealthRefusal *refusals; /* room for all its reports */
    size_t n_refusals;
    Wire__HealthReports *reports; /* whose numbers the refusals name; NULL: a hello */
    Wire__HealthRequest *in;
};

/* An observer's poll that waits for an order; one each. */
struct held {
    struct rpc_request *req;
    uint32_t observer;
    uint64_t taken, until_ms;
};

struct health_server {
    struct podmgr *p;
    struct rpc_server *rpc;
    uv_timer_t sweep;
    struct held *held;
    size_t n_held, cap_held;
    struct pending *pending;
    size_t n_pending, cap_pending;
};

/* ------------------------------------------------------------- replies -- */

static void reply_status(struct health_server *s, struct rpc_request *req,
                         Wire__HealthStatus status, const char *text)
{
    Wire__HealthReply reply = WIRE__HEALTH_REPLY__INIT;

    reply.version = RPC_VERSION;
    reply.status = status;
    reply.text = (char *)(uintptr_t)text; /* packed only, never written */
    reply.epoch = s->p->model->epoch;
    rpc_reply(req, &reply.base);
}

static void pending_fini(struct pending *p)
{
    for (size_t i = 0; i < p->n_refusals; i++) {
        free(p->refusals[i].text);
    }
    free(p->refusals);
    wire__health_request__free_unpacked(p->in, NULL);
    *p = (struct pending){0};
}

static void answer_reports(struct health_server *s, struct pending *p)
{
    Wire__HealthReply reply = WIRE__HEALTH_REPLY__INIT;
    Wire__HealthRefusal **list = xcalloc(p->n_refusals, sizeof *list);

    for (size_t i = 0; i < p->n_refusals; i++) {
        list[i] = &p->refusals[i];
    }
    reply.version = RPC_VERSION;
    reply.epoch = s->p->model->epoch;
    reply.n_refusals = p->n_refusals;
    reply.refusals = list;
    rpc_reply(p->req, &reply.base);
    free(list);
    pending_fini(p);
}

/* Takes `in` over. */
static size_t remember(struct health_server *s, struct rpc_request *req, Wire__HealthRequest *in)
{
    size_t i = 0;

    while (i < s->n_pending && s->pending[i].req != NULL) {
        i++;
    }
    if (i == s->n_pending) {
        VEC_GROW(s->pending, s->n_pending, s->cap_pending);
        s->n_pending++;
    }
    s->pending[i] = (struct pending){.req = req, .in = in};
    return i;
}

static uint64_t cookie_of(size_t place, size_t index)
{
    return COOKIE_HEALTH | (uint64_t)(place + 1) << INDEX_BITS | index;
}

static void refuse_report(struct pending *p, size_t index, Wire__HealthStatus status,
                          const char *text)
{
    Wire__HealthRefusal *refusal = &p->refusals[p->n_refusals++];

    wire__health_refusal__init(refusal);
    refusal->host = p->reports->reports[index]->host;
    refusal->sequence = p->reports->reports[index]->sequence;
    refusal->status = status;
    refusal->text = xstrdup(text);
}

static Wire__HealthStatus status_of(int code)
{
    return code == E_STALE      ? WIRE__HEALTH_STATUS__HEALTH_STALE
           : code == E_DENIED   ? WIRE__HEALTH_STATUS__HEALTH_WRONG_HOST
           : code == E_CONFLICT ? WIRE__HEALTH_STATUS__HEALTH_OUT_OF_ORDER
                                : WIRE__HEALTH_STATUS__HEALTH_FULL;
}

static void answer_hello(struct health_server *s, struct pending *p, const struct effect *effect)
{
    Wire__HealthReply reply = WIRE__HEALTH_REPLY__INIT;

    if (effect->reply.status < 0) {
        reply_status(s, p->req, status_of(effect->reply.status), effect->reply.text);
    } else {
        reply.version = RPC_VERSION;
        reply.epoch = s->p->model->epoch;
        reply.fresh = effect->id.epoch != 0;
        rpc_reply(p->req, &reply.base);
    }
    pending_fini(p);
}

void health_server_reply(struct health_server *s, const struct effect *effect)
{
    uint64_t key = effect->cookie & ~COOKIE_HEALTH;
    size_t place = (size_t)(key >> INDEX_BITS) - 1, index = key & ((1U << INDEX_BITS) - 1);

    assert(place < s->n_pending && s->pending[place].req != NULL);
    struct pending *p = &s->pending[place];
    if (p->in->body_case == WIRE__HEALTH_REQUEST__BODY_VERDICT) {
        Wire__HealthStatus status = effect->reply.status < 0 ? status_of(effect->reply.status)
                                                             : WIRE__HEALTH_STATUS__HEALTH_OK;
        reply_status(s, p->req, status, effect->reply.status < 0 ? effect->reply.text : "");
        pending_fini(p);
        return;
    }
    if (p->reports == NULL) {
        answer_hello(s, p, effect);
        return;
    }
    if (effect->reply.status < 0) {
        refuse_report(p, index, status_of(effect->reply.status), effect->reply.text);
    }
    assert(p->open > 0);
    if (--p->open == 0) {
        answer_reports(s, p);
    }
}

/* --------------------------------------------------------------- hello -- */

static bool goldens_fit(const Wire__HealthHello *hello)
{
    const struct golden_word *word = NULL;
    bool fit = hello->n_goldens <= GOLDENS_MAX &&
               strlen(hello->golden_file) < sizeof((struct goldens *)0)->file;

    for (size_t i = 0; fit && i < hello->n_goldens; i++) {
        const Wire__HealthGolden *g = hello->goldens[i];
        fit = g->metric[0] != '\0' && strlen(g->metric) < sizeof word->metric &&
              strlen(g->unit) < sizeof word->unit;
    }
    return fit;
}

static struct goldens *take_goldens(const Wire__HealthHello *hello)
{
    if (hello->n_goldens == 0) {
        return NULL;
    }
    struct goldens *out = xcalloc(1, sizeof *out);
    (void)snprintf(out->file, sizeof out->file, "%s", hello->golden_file);
    for (; out->n < hello->n_goldens; out->n++) {
        const Wire__HealthGolden *g = hello->goldens[out->n];
        struct golden_word *word = &out->limits[out->n];
        (void)snprintf(word->metric, sizeof word->metric, "%s", g->metric);
        (void)snprintf(word->unit, sizeof word->unit, "%s", g->unit);
        word->min = isfinite(g->min) ? g->min : (double)NAN;
        word->max = isfinite(g->max) ? g->max : (double)NAN;
        word->required = g->required;
    }
    return out;
}

static void take_hello(struct health_server *s, struct rpc_request *req, Wire__HealthRequest *in)
{
    const Wire__HealthHello *hello = in->hello;
    struct event ev = {.kind = EV_HEALTH_HELLO};
    unsigned n = model_hosts(s->p->model);
    char text[96];

    if (!goldens_fit(hello)) {
        reply_status(s, req, WIRE__HEALTH_STATUS__HEALTH_MALFORMED,
                     "goldens: too many, or a name or unit that is too long or none");
        wire__health_request__free_unpacked(in, NULL);
        return;
    }
    if (hello->version_min > RPC_VERSION || hello->version_max < RPC_VERSION) {
        reply_status(s, req, WIRE__HEALTH_STATUS__HEALTH_WRONG_VERSION,
                     "this podmgr speaks version 1");
        wire__health_request__free_unpacked(in, NULL);
        return;
    }
    ev.observer.hosts = xcalloc(hello->n_hosts, sizeof *ev.observer.hosts);
    for (size_t i = 0; i < hello->n_hosts; i++) {
        if (hello->hosts[i] >= n || (i > 0 && hello->hosts[i] <= hello->hosts[i - 1])) {
            (void)snprintf(text, sizeof text, "hosts: %u is not below %u, or does not rise",
                           hello->hosts[i], n);
            reply_status(s, req,
                         hello->hosts[i] >= n ? WIRE__HEALTH_STATUS__HEALTH_NO_SUCH_HOST
                                              : WIRE__HEALTH_STATUS__HEALTH_MALFORMED,
                         text);
            free(ev.observer.hosts);
            wire__health_request__free_unpacked(in, NULL);
            return;
        }
        ev.observer.hosts[i] = (uint16_t)hello->hosts[i];
    }
    ev.observer.n_hosts = hello->n_hosts;
    ev.observer.goldens = take_goldens(hello);
    ev.observer.instance = in->instance;
    (void)snprintf(ev.observer.name, sizeof ev.observer.name, "%s", in->observer);
    ev.cookie = cookie_of(remember(s, req, in), 0);
    podmgr_post(s->p, &ev);
}

/* -------------------------------------------------------------- leases -- */

static void take_lease(struct health_server *s, struct rpc_request *req,
                       const struct observer *observer, const Wire__HealthLease *lease)
{
    struct event ev = {.kind = EV_HEALTH_LEASE, .lease = {.observer = observer->id}};

    if (lease->answering.len != (observer->n_hosts + 7) / 8) {
        reply_status(s, req, WIRE__HEALTH_STATUS__HEALTH_MALFORMED,
                     "answering: one bit for each host of the hello");
        return;
    }
    ev.lease.n_bytes = lease->answering.len;
    ev.lease.answering = xcalloc(lease->answering.len + 1, 1);
    if (lease->answering.len > 0) {
        memcpy(ev.lease.answering, lease->answering.data, lease->answering.len);
    }
    podmgr_post(s->p, &ev);
    reply_status(s, req, WIRE__HEALTH_STATUS__HEALTH_OK, "");
}

/* ------------------------------------------------------------- reports -- */

static bool is_check_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && text[len] == '\0' && len < sizeof((struct finding *)0)->check &&
           strcmp(text, HEALTH_PREFLIGHT) != 0; /* our own word */
}

static bool take_finding(struct finding *out, const Wire__HealthFinding *in)
{
    if ((unsigned)in->scope > SCOPE_LINK ||
        in->index >= finding_parts((enum finding_scope)in->scope) ||
        (unsigned)in->severity > SEVERITY_FATAL || !is_check_name(in->check) ||
        strlen(in->text) >= sizeof out->text || in->since_wall_ms < 0) {
        return false;
    }
    *out = (struct finding){.scope = (enum finding_scope)in->scope,
                            .index = (uint8_t)in->index,
                            .severity = (enum severity)in->severity,
                            .since = {.ms = in->since_wall_ms}};
    (void)snprintf(out->check, sizeof out->check, "%s", in->check);
    (void)snprintf(out->text, sizeof out->text, "%s", in->text);
    return true;
}

/* HEALTH_OK, or what is wrong with it that needs no look at what came before. */
static Wire__HealthStatus unpack_report(struct health_server *s, struct health_report *out,
                                        const Wire__HealthReport *in, int64_t now_wall_ms,
                                        const char **text)
{
    *text = "no such host in this pod";
    if (in->host >= model_hosts(s->p->model)) {
        return WIRE__HEALTH_STATUS__HEALTH_NO_SUCH_HOST;
    }
    *text = "wall_ms is yet to come";
    if (in->wall_ms > now_wall_ms + SKEW_MAX_MS) {
        return WIRE__HEALTH_STATUS__HEALTH_FUTURE;
    }
    *text = "too many findings";
    if (in->n_findings > HEALTH_FINDINGS || in->sequence == UINT64_MAX) {
        return WIRE__HEALTH_STATUS__HEALTH_MALFORMED;
    }
    out->host = (uint16_t)in->host;
    out->sequence = in->sequence;
    out->snapshot = in->snapshot;
    out->findings = xcalloc(in->n_findings, sizeof *out->findings);
    *text = "finding: no such scope, index, check or severity, or a text too long";
    for (; out->n_findings < in->n_findings; out->n_findings++) {
        const Wire__HealthFinding *finding = in->findings[out->n_findings];
        if (!take_finding(&out->findings[out->n_findings], finding)) {
            free(out->findings);
            return WIRE__HEALTH_STATUS__HEALTH_MALFORMED;
        }
    }
    return WIRE__HEALTH_STATUS__HEALTH_OK;
}

/* Takes `in` over. */
static void take_reports(struct health_server *s, struct rpc_request *req, uint32_t observer,
                         Wire__HealthRequest *in)
{
    Wire__HealthReports *reports = in->reports;
    int64_t now_wall_ms = clock_read().wall.ms;
    size_t place = remember(s, req, in);
    struct pending *p = &s->pending[place];

    p->reports = reports;
    p->refusals = xcalloc(reports->n_reports, sizeof *p->refusals);
    for (size_t i = 0; i < reports->n_reports; i++) {
        struct event ev = {.kind = EV_HEALTH, .cookie = cookie_of(place, i)};
        const char *text;
        ev.health.observer = observer;
        Wire__HealthStatus status =
            unpack_report(s, &ev.health, reports->reports[i], now_wall_ms, &text);
        if (status != WIRE__HEALTH_STATUS__HEALTH_OK) {
            refuse_report(p, i, status, text);
        } else {
            p->open++;
            podmgr_post(s->p, &ev);
        }
    }
    if (p->open == 0) {
        answer_reports(s, p);
    }
}

/* -------------------------------------------------------------- orders -- */

/* Everything of an order that has to be freed stands in it. */
static Wire__HealthOrder *pack_order(const struct model *m, const struct slice *slice,
                                     uint32_t observer)
{
    const struct preflight *p = slice->preflight;
    Wire__HealthOrder *out = xcalloc(1, sizeof *out);
    char id[48];

    wire__health_order__init(out);
    out->order = p->order;
    out->slice = xstrdup(id_format(slice->id, id));
    out->epoch = m->epoch;
    out->generation = slice->generation;
    out->pattern = p->pattern;
    out->hosts = xcalloc(p->n_hosts, sizeof *out->hosts);
    out->yours = xcalloc(p->n_hosts, sizeof *out->yours);
    for (size_t h = 0; h < p->n_hosts; h++) {
        out->hosts[out->n_hosts++] = preflight_host(slice, h);
        if (p->asked[h] == observer) {
            out->yours[out->n_yours++] = preflight_host(slice, h);
        }
    }
    return out;
}

/* The orders that it does not have, none if there are none; the poll is over. */
static void answer_poll(struct health_server *s, size_t at)
{
    const struct model *m = s->p->model;
    struct held held = s->held[at];
    Wire__HealthReply reply = WIRE__HEALTH_REPLY__INIT;
    Wire__HealthOrder *orders[ORDERS_A_REPLY];
    const struct slice *slice;

    s->held[at] = s->held[--s->n_held];
    reply.version = RPC_VERSION;
    reply.epoch = m->epoch;
    reply.orders = orders;
    while (reply.n_orders < ORDERS_A_REPLY &&
           (slice = preflight_next(m, held.observer, held.taken)) != NULL) {
        held.taken = slice->preflight->order;
        orders[reply.n_orders++] = pack_order(m, slice, held.observer);
    }
    rpc_reply(held.req, &reply.base);
    for (size_t i = 0; i < reply.n_orders; i++) {
        wire__health_order__free_unpacked(orders[i], NULL);
    }
}

static void take_poll(struct health_server *s, struct rpc_request *req,
                      const struct observer *observer, const Wire__HealthPoll *poll)
{
    uint32_t hold_ms = poll->hold_ms < HOLD_MAX_MS ? poll->hold_ms : HOLD_MAX_MS;
    size_t at = 0;

    while (at < s->n_held && s->held[at].observer != observer->id) {
        at++;
    }
    if (at < s->n_held) {
        rpc_drop(s->held[at].req); /* the observer gave up on it, or it would not ask again */
    } else {
        VEC_GROW(s->held, s->n_held, s->cap_held);
        s->n_held++;
    }
    s->held[at] = (struct held){.req = req,
                                .observer = observer->id,
                                .taken = poll->taken,
                                .until_ms = uv_now(s->p->loop) + hold_ms};
    if (preflight_next(s->p->model, observer->id, poll->taken) != NULL || hold_ms == 0) {
        answer_poll(s, at);
    }
}

void health_server_preflight(struct health_server *s, const struct effect *effect)
{
    for (size_t at = 0; s != NULL && at < s->n_held; at++) {
        const struct held *held = &s->held[at];
        if (held->observer == effect->agent &&
            preflight_next(s->p->model, held->observer, held->taken) != NULL) {
            answer_poll(s, at);
            return;
        }
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct health_server *s = timer->data;

    for (size_t at = s->n_held; at-- > 0;) {
        if (uv_now(s->p->loop) >= s->held[at].until_ms) {
            answer_poll(s, at);
        }
    }
}

static bool take_unfit(struct unfit *out, const Wire__HealthUnfit *in, unsigned n_hosts)
{
    if (in->host >= n_hosts || (unsigned)in->scope > SCOPE_LINK ||
        in->index >= finding_parts((enum finding_scope)in->scope) || in->text[0] == '\0' ||
        strlen(in->text) >= sizeof out->text) {
        return false;
    }
    *out = (struct unfit){.host = (uint16_t)in->host,
                          .scope = (enum finding_scope)in->scope,
                          .index = (uint8_t)in->index,
                          .unplaced = in->unplaced};
    (void)snprintf(out->text, sizeof out->text, "%s", in->text);
    return true;
}

/* False: not what a verdict can be. */
static bool unpack_fitness(struct fitness *out, const Wire__HealthVerdict *in, unsigned n_hosts)
{
    if (!id_parse(&out->slice, in->slice) || in->n_hosts > n_hosts ||
        in->n_unfit > PREFLIGHT_UNFIT || in->failures < in->n_unfit ||
        (in->failures > 0) != (in->n_unfit > 0)) {
        return false;
    }
    out->epoch = in->epoch;
    out->order = in->order;
    out->generation = in->generation;
    out->checked = in->checked;
    out->unknown = in->unknown;
    out->transfers = in->transfers;
    out->computations = in->computations;
    out->failures = in->failures;
    out->hosts = xcalloc(in->n_hosts, sizeof *out->hosts);
    out->unfit = xcalloc(in->n_unfit, sizeof *out->unfit);
    for (; out->n_hosts < in->n_hosts; out->n_hosts++) {
        if (in->hosts[out->n_hosts] >= n_hosts) {
            return false;
        }
        out->hosts[out->n_hosts] = (uint16_t)in->hosts[out->n_hosts];
    }
    for (; out->n_unfit < in->n_unfit; out->n_unfit++) {
        if (!take_unfit(&out->unfit[out->n_unfit], in->unfit[out->n_unfit], n_hosts)) {
            return false;
        }
    }
    return true;
}

/* Takes `in` over. */
static void take_verdict(struct health_server *s, struct rpc_request *req, uint32_t observer,
                         Wire__HealthRequest *in)
{
    struct event ev = {.kind = EV_PREFLIGHT, .fitness = xcalloc(1, sizeof *ev.fitness)};

    ev.fitness->observer = observer;
    if (!unpack_fitness(ev.fitness, in->verdict, model_hosts(s->p->model))) {
        event_fini(&ev);
        reply_status(s, req, WIRE__HEALTH_STATUS__HEALTH_MALFORMED,
                     "verdict: no such slice, host or part, or counts that contradict each other");
        wire__health_request__free_unpacked(in, NULL);
        return;
    }
    ev.cookie = cookie_of(remember(s, req, in), 0);
    podmgr_post(s->p, &ev);
}

/* ------------------------------------------------------------ requests -- */

/* What a lease or a report must fit; HEALTH_OK if it does. */
static Wire__HealthStatus check_session(const struct health_server *s,
                                        const struct observer *observer,
                                        const Wire__HealthRequest *in, uint64_t epoch,
                                        const char **text)
{
    *text = "say hello first";
    if (observer == NULL || observer->instance != in->instance) {
        return WIRE__HEALTH_STATUS__HEALTH_SAY_HELLO;
    }
    *text = "podmgr restarted since the hello";
    if (epoch < s->p->model->epoch) {
        return WIRE__HEALTH_STATUS__HEALTH_OLD_EPOCH;
    }
    *text = "that epoch is yet to come";
    return epoch > s->p->model->epoch ? WIRE__HEALTH_STATUS__HEALTH_FUTURE
                                      : WIRE__HEALTH_STATUS__HEALTH_OK;
}

static uint64_t epoch_of(const Wire__HealthRequest *in)
{
    switch (in->body_case) {
    case WIRE__HEALTH_REQUEST__BODY_LEASE:
        return in->lease->epoch;
    case WIRE__HEALTH_REQUEST__BODY_REPORTS:
        return in->reports->epoch;
    case WIRE__HEALTH_REQUEST__BODY_POLL:
        return in->poll->epoch;
    case WIRE__HEALTH_REQUEST__BODY_VERDICT:
        return in->verdict->epoch;
    case WIRE__HEALTH_REQUEST__BODY_HELLO:
    case WIRE__HEALTH_REQUEST__BODY__NOT_SET:
    case _WIRE__HEALTH_REQUEST__BODY__CASE_IS_INT_SIZE:
        break;
    }
    return 0;
}

/* Anything but a hello; takes `in` over. */
static void dispatch_session(struct health_server *s, struct rpc_request *req,
                             Wire__HealthRequest *in)
{
    const struct observer *observer = health_observer_named(s->p->model, in->observer);
    bool is_reports = in->body_case == WIRE__HEALTH_REQUEST__BODY_REPORTS;
    bool is_poll = in->body_case == WIRE__HEALTH_REQUEST__BODY_POLL;
    bool is_verdict = in->body_case == WIRE__HEALTH_REQUEST__BODY_VERDICT;
    Wire__HealthStatus status = WIRE__HEALTH_STATUS__HEALTH_MALFORMED;
    const char *text = "empty request";

    if (in->body_case != WIRE__HEALTH_REQUEST__BODY__NOT_SET) {
        status = check_session(s, observer, in, epoch_of(in), &text);
    }
    if (is_reports && in->reports->n_reports > REPORTS_A_MESSAGE) {
        status = WIRE__HEALTH_STATUS__HEALTH_MALFORMED;
        text = "too many reports in one message";
    }
    if (status == WIRE__HEALTH_STATUS__HEALTH_OK && is_reports) {
        take_reports(s, req, observer->id, in);
        return;
    }
    if (status == WIRE__HEALTH_STATUS__HEALTH_OK && is_verdict) {
        take_verdict(s, req, observer->id, in);
        return;
    }
    if (status == WIRE__HEALTH_STATUS__HEALTH_OK && is_poll) {
        take_poll(s, req, observer, in->poll);
    } else if (status == WIRE__HEALTH_STATUS__HEALTH_OK) {
        take_lease(s, req, observer, in->lease);
    } else {
        reply_status(s, req, status, text);
    }
    wire__health_request__free_unpacked(in, NULL);
}

static void on_request(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    struct health_server *s = arg;
    Wire__HealthRequest *in = rpc_unpack(&wire__health_request__descriptor, body, len);
    Wire__HealthStatus status = WIRE__HEALTH_STATUS__HEALTH_OK;
    const char *text = "";

    if (in == NULL) {
        reply_status(s, req, WIRE__HEALTH_STATUS__HEALTH_MALFORMED, "not a HealthRequest");
        return;
    }
    size_t name_len = strlen(in->observer);
    if (in->version != RPC_VERSION) {
        status = WIRE__HEALTH_STATUS__HEALTH_WRONG_VERSION;
        text = "this podmgr speaks version 1";
    } else if (strcmp(in->pod, s->p->model->pod->id) != 0) {
        status = WIRE__HEALTH_STATUS__HEALTH_WRONG_POD;
        text = s->p->model->pod->id;
    } else if (name_len == 0 || name_len >= sizeof((struct observer *)0)->name) {
        status = WIRE__HEALTH_STATUS__HEALTH_MALFORMED;
        text = "observer: 1 to 63 characters";
    }
    if (status != WIRE__HEALTH_STATUS__HEALTH_OK) {
        reply_status(s, req, status, text);
        wire__health_request__free_unpacked(in, NULL);
    } else if (in->body_case == WIRE__HEALTH_REQUEST__BODY_HELLO) {
        take_hello(s, req, in);
    } else {
        dispatch_session(s, req, in);
    }
}

/* ---------------------------------------------------------- life cycle -- */

int health_server_create(struct health_server **out, struct podmgr *p, const char *url,
                         struct error *err)
{
    struct health_server *s = xcalloc(1, sizeof *s);

    s->p = p;
    int status = rpc_server_create(&s->rpc, p->loop, url, RPC_MAX_BYTES, on_request, s, err);
    if (status < 0) {
        free(s);
        return status;
    }
    (void)uv_timer_init(p->loop, &s->sweep);
    s->sweep.data = s;
    (void)uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    *out = s;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void health_server_destroy(struct health_server *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_pending; i++) {
        if (s->pending[i].req != NULL) {
            rpc_drop(s->pending[i].req);
            pending_fini(&s->pending[i]);
        }
    }
    for (size_t i = 0; i < s->n_held; i++) {
        rpc_drop(s->held[i].req);
    }
    rpc_server_destroy(s->rpc);
    free(s->held);
    free(s->pending);
    uv_close((uv_handle_t *)&s->sweep, on_closed);
}
