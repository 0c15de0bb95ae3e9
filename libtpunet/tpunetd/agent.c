/* The conversation with podmgr: hello, then a poll always under way (which
 * renews the lease and brings commands) while our chips are within reach, and
 * reports that are repeated until
 * they are acknowledged, since only then they are durable. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "tpunetd.h"

enum { HOLD_MS = 500, CALL_MS = 3000, RETRY_MS = 200 };

struct report {
    struct report *next;
    struct agent *agent;
    bool sent;
    bool is_verdict;
    uint8_t *bytes;              /* packed AgentVerdict or AgentLinks */
    size_t len;
};

struct agent {
    struct tpunetd *t;
    struct rpc_client *client;
    uv_timer_t retry;
    char name[64];
    bool greeted, asking;
    uint64_t taken;              /* highest command taken over */
    struct report *first, **last;
};

static void greet(struct agent *a);
static void poll_commands(struct agent *a);
static void send_reports(struct agent *a);

static bool reaches_chips(const struct agent *a)
{
    return rpc_client_connected(fabric_nng_client(a->t->fabric));
}

static void request_init(const struct agent *a, Wire__AgentRequest *request,
                         Wire__AgentRequest__BodyCase what)
{
    wire__agent_request__init(request);
    request->version = RPC_VERSION;
    request->pod = (char *)(uintptr_t)a->t->config->pod;
    request->agent = (char *)(uintptr_t)a->name;
    request->instance = a->t->instance;
    request->body_case = what;
}

/* NULL if there is no good answer; then the conversation begins anew. */
static Wire__AgentReply *take_reply(struct agent *a, int status, const uint8_t *body, size_t len)
{
    Wire__AgentReply *reply = status == 0 ? wire__agent_reply__unpack(NULL, len, body) : NULL;

    if (reply != NULL && reply->status == WIRE__AGENT_STATUS__AGENT_OK) {
        if (reply->epoch > a->t->epoch) {
            a->t->epoch = reply->epoch;
        }
        return reply;
    }
    if (reply != NULL) {
        if (reply->status != WIRE__AGENT_STATUS__AGENT_SAY_HELLO) {
            log_warning("podmgr", "refused: %s", reply->text);
        }
        wire__agent_reply__free_unpacked(reply, NULL);
    }
    a->greeted = false;
    if (!uv_is_closing((uv_handle_t *)&a->retry)) {
        (void)uv_timer_start(&a->retry, a->retry.timer_cb, RETRY_MS, 0);
    }
    return NULL;
}

/* -------------------------------------------------------------------- hello -- */

static void on_greeted(void *arg, int status, const uint8_t *body, size_t len)
{
    struct agent *a = arg;

    a->asking = false;
    Wire__AgentReply *reply = take_reply(a, status, body, len);
    if (reply == NULL) {
        return;
    }
    wire__agent_reply__free_unpacked(reply, NULL);
    if (a->greeted) {
        return;
    }
    log_notice("podmgr", "lease for %zu hosts, epoch %llu", a->t->config->n_hosts,
               (unsigned long long)a->t->epoch);
    a->greeted = true;
    a->taken = 0; /* a new podmgr numbers its commands anew */
    for (struct report *r = a->first; r != NULL; r = r->next) {
        r->sent = false;
    }
    send_reports(a);
    poll_commands(a);
}

static void greet(struct agent *a)
{
    Wire__AgentHello hello = WIRE__AGENT_HELLO__INIT;
    Wire__AgentRequest request;
    const struct tpunetd_config *config = a->t->config;

    if (a->asking || a->greeted || !rpc_client_connected(a->client) || !reaches_chips(a)) {
        return;
    }
    request_init(a, &request, WIRE__AGENT_REQUEST__BODY_HELLO);
    hello.version_min = hello.version_max = RPC_VERSION;
    hello.n_hosts = config->n_hosts;
    hello.hosts = xcalloc(config->n_hosts, sizeof *hello.hosts);
    for (size_t i = 0; i < config->n_hosts; i++) {
        hello.hosts[i] = config->hosts[i];
    }
    request.hello = &hello;
    a->asking = true;
    rpc_call(a->client, &request.base, CALL_MS, on_greeted, a);
    free(hello.hosts);
}

/* --------------------------------------------------------------------- poll -- */

static void take_command(struct agent *a, const Wire__AgentCommand *command)
{
    if (command->sequence <= a->taken) {
        return; /* again, because our word of it was lost */
    }
    a->taken = command->sequence;
    switch (command->body_case) {
    case WIRE__AGENT_COMMAND__BODY_BRING_UP:
        jobs_bring_up(a->t->jobs, command->bring_up);
        return;
    case WIRE__AGENT_COMMAND__BODY_RELEASE:
        jobs_release(a->t->jobs, command->release);
        return;
    case WIRE__AGENT_COMMAND__BODY__NOT_SET:
    case _WIRE__AGENT_COMMAND__BODY__CASE_IS_INT_SIZE:
        break;
    }
    log_warning("podmgr", "command %llu is of a kind unknown here",
                (unsigned long long)command->sequence);
}

static void on_polled(void *arg, int status, const uint8_t *body, size_t len)
{
    struct agent *a = arg;

    a->asking = false;
    Wire__AgentReply *reply = take_reply(a, status, body, len);
    if (reply == NULL) {
        return;
    }
    for (size_t i = 0; i < reply->n_commands; i++) {
        take_command(a, reply->commands[i]);
    }
    wire__agent_reply__free_unpacked(reply, NULL);
    poll_commands(a);
}

static void poll_commands(struct agent *a)
{
    Wire__AgentPoll body = WIRE__AGENT_POLL__INIT;
    Wire__AgentRequest request;

    if (a->asking || !a->greeted || !reaches_chips(a)) {
        return;
    }
    request_init(a, &request, WIRE__AGENT_REQUEST__BODY_POLL);
    body.taken = a->taken;
    body.hold_ms = HOLD_MS;
    request.poll = &body;
    a->asking = true;
    rpc_call(a->client, &request.base, CALL_MS, on_polled, a);
}

/* ------------------------------------------------------------------ reports -- */

static void forget(struct report *report)
{
    struct agent *a = report->agent;

    for (struct report **at = &a->first; *at != NULL; at = &(*at)->next) {
        if (*at == report) {
            *at = report->next;
            if (a->last == &report->next) {
                a->last = at;
            }
            break;
        }
    }
    free(report->bytes);
    free(report);
}

static void on_reported(void *arg, int status, const uint8_t *body, size_t len)
{
    struct report *report = arg;
    struct agent *a = report->agent;

    Wire__AgentReply *reply = take_reply(a, status, body, len);
    if (reply != NULL) {
        wire__agent_reply__free_unpacked(reply, NULL);
        forget(report);
    }
}

static void send_report(struct agent *a, struct report *report)
{
    Wire__AgentRequest request;

    request_init(a, &request,
                 report->is_verdict ? WIRE__AGENT_REQUEST__BODY_VERDICT
                                    : WIRE__AGENT_REQUEST__BODY_LINKS);
    report->sent = true;
    if (report->is_verdict) {
        request.verdict = wire__agent_verdict__unpack(NULL, report->len, report->bytes);
        rpc_call(a->client, &request.base, CALL_MS, on_reported, report);
        wire__agent_verdict__free_unpacked(request.verdict, NULL);
    } else {
        request.links = wire__agent_links__unpack(NULL, report->len, report->bytes);
        rpc_call(a->client, &request.base, CALL_MS, on_reported, report);
        wire__agent_links__free_unpacked(request.links, NULL);
    }
}

static void send_reports(struct agent *a)
{
    for (struct report *r = a->first; r != NULL && a->greeted; r = r->next) {
        if (!r->sent) {
            send_report(a, r);
        }
    }
}

static void add_report(struct agent *a, const ProtobufCMessage *message, bool is_verdict)
{
    struct report *report = xcalloc(1, sizeof *report);

    report->agent = a;
    report->is_verdict = is_verdict;
    report->len = protobuf_c_message_get_packed_size(message);
    report->bytes = xmalloc(report->len);
    (void)protobuf_c_message_pack(message, report->bytes);
    *a->last = report;
    a->last = &report->next;
    send_reports(a);
}

void agent_report_verdict(struct agent *a, const Wire__AgentVerdict *verdict)
{
    add_report(a, &verdict->base, true);
}

void agent_report_links(struct agent *a, const Wire__AgentLinks *links)
{
    add_report(a, &links->base, false);
}

/* --------------------------------------------------------------- life cycle -- */

static void on_state(void *arg, bool connected)
{
    struct agent *a = arg;

    if (connected) {
        greet(a);
    } else {
        a->greeted = false;
        log_warning("podmgr", "connection lost; the slices go on as they are");
    }
}

void agent_fabric_changed(struct agent *a)
{
    if (reaches_chips(a)) {
        greet(a);
        poll_commands(a);
    } else {
        a->greeted = false;
        log_warning("fabric", "connection lost; the lease ends until it is back");
    }
}

static void on_retry(uv_timer_t *timer)
{
    greet(timer->data);
}

int agent_create(struct agent **out, struct tpunetd *t, struct error *err)
{
    struct agent *a = xcalloc(1, sizeof *a);

    a->t = t;
    a->last = &a->first;
    (void)snprintf(a->name, sizeof a->name, "tpunetd/%s", t->config->name);
    int status =
        rpc_client_create(&a->client, t->loop, t->config->podmgr_url, RPC_MAX_BYTES, on_state, a, err);
    if (status < 0) {
        free(a);
        return status;
    }
    (void)uv_timer_init(t->loop, &a->retry);
    a->retry.data = a;
    (void)uv_timer_start(&a->retry, on_retry, RETRY_MS, 0);
    *out = a;
    return 0;
}

void agent_stop(struct agent *a)
{
    uv_close((uv_handle_t *)&a->retry, NULL);
    rpc_client_destroy(a->client); /* ends the calls under way */
}

void agent_fini(struct agent *a)
{
    while (a->first != NULL) {
        struct report *report = a->first;
        a->first = report->next;
        free(report->bytes);
        free(report);
    }
    free(a);
}
