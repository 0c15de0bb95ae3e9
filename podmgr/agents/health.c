#include "agents/health.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "health.pb-c.h"
#include "mem.h"
#include "rpc.h"

enum {
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

struct health_server {
    struct podmgr *p;
    struct rpc_server *rpc;
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
    return code == E_DENIED     ? WIRE__HEALTH_STATUS__HEALTH_WRONG_HOST
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

static void take_hello(struct health_server *s, struct rpc_request *req, Wire__HealthRequest *in)
{
    const Wire__HealthHello *hello = in->hello;
    struct event ev = {.kind = EV_HEALTH_HELLO};
    unsigned n = model_hosts(s->p->model);
    char text[96];

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
    return len > 0 && text[len] == '\0' && len < sizeof((struct finding *)0)->check;
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

/* Anything but a hello; takes `in` over. */
static void dispatch_session(struct health_server *s, struct rpc_request *req,
                             Wire__HealthRequest *in)
{
    const struct observer *observer = health_observer_named(s->p->model, in->observer);
    bool is_lease = in->body_case == WIRE__HEALTH_REQUEST__BODY_LEASE;
    bool is_reports = in->body_case == WIRE__HEALTH_REQUEST__BODY_REPORTS;
    Wire__HealthStatus status = WIRE__HEALTH_STATUS__HEALTH_MALFORMED;
    const char *text = "empty request";

    if (is_lease || is_reports) {
        uint64_t epoch = is_lease ? in->lease->epoch : in->reports->epoch;
        status = check_session(s, observer, in, epoch, &text);
    }
    if (is_reports && in->reports->n_reports > REPORTS_A_MESSAGE) {
        status = WIRE__HEALTH_STATUS__HEALTH_MALFORMED;
        text = "too many reports in one message";
    }
    if (status == WIRE__HEALTH_STATUS__HEALTH_OK && is_reports) {
        take_reports(s, req, observer->id, in);
        return;
    }
    if (status == WIRE__HEALTH_STATUS__HEALTH_OK) {
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
    *out = s;
    return 0;
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
    rpc_server_destroy(s->rpc);
    free(s->pending);
    free(s);
}
