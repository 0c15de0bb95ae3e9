/* The conversation with podmgr.
 *
 *      connected           hello ok
 *   ──────────────> HELLO ──────────> READY: one poll always under way (it
 *                     ^                 │    renews the lease and brings
 *                     └─────────────────┘    commands), reports beside it
 *           connection lost, or "say hello"
 *
 * Reports are repeated until they are acknowledged, since only then they are
 * durable; what podmgr refuses would be refused again, and is dropped.  step()
 * starts whatever can be started; everything that ends calls it. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "tpunetd.h"

enum {
    CALL_TIMEOUT_MS = 5000,
    POLL_HOLD_MS = 500,
    POLL_TIMEOUT_MS = POLL_HOLD_MS + CALL_TIMEOUT_MS,
    BACKOFF_MS = 1000,
    LINKS_A_REPORT = 4096,
};

/* A verdict on its way. */
struct outgoing {
    struct outgoing *next;
    struct agent *agent;
    Wire__AgentVerdict *verdict;
    bool sent;
};

struct agent {
    struct tpunetd *t;
    struct rpc_client *client;
    uv_timer_t backoff; /* runs after a refusal */
    char name[64];
    bool greeted, stopped;
    bool greeting, polling, reporting; /* that call is under way */
    uint64_t taken;                    /* sequence of the last command carried out */
    struct outgoing *outgoing;         /* oldest first */
    struct link_change report[LINKS_A_REPORT];
    size_t n_report;
    uint64_t link_seq; /* of the first in the report */
};

static void step(struct agent *a);

static void call(struct agent *a, Wire__AgentRequest *request, unsigned timeout_ms,
                 rpc_done_fn *done, void *arg)
{
    request->version = RPC_VERSION;
    request->pod = (char *)(uintptr_t)a->t->config->pod; /* packed only, never written */
    request->agent = a->name;
    request->instance = a->t->instance;
    rpc_call(a->client, &request->base, timeout_ms, done, arg);
}

/* ---------------------------------------------------------------- replies -- */

enum outcome {
    ACCEPTED,
    NO_ANSWER, /* lost or late: the same again */
    REFUSED,   /* and would be again */
};

static void on_backoff(uv_timer_t *timer)
{
    step(timer->data);
}

static void refuse_older(struct agent *a, uint64_t epoch)
{
    log_error("podmgr",
              "epoch %" PRIu64 " answers, and %" PRIu64 " was here before: it is not obeyed; if "
              "that one is gone for good, stop tpunetd and remove its epoch_file",
              epoch, a->t->epoch);
    a->greeted = false;
    (void)uv_timer_start(&a->backoff, on_backoff, BACKOFF_MS, 0);
}

/* What became of a call; *reply is the caller's to free when ACCEPTED. */
static enum outcome take_reply(struct agent *a, const char *what, int status, const uint8_t *body,
                               size_t len, Wire__AgentReply **reply)
{
    enum outcome outcome = REFUSED;

    if (status != 0) {
        return NO_ANSWER;
    }
    *reply = rpc_unpack(&wire__agent_reply__descriptor, body, len);
    if (*reply != NULL && (*reply)->status == WIRE__AGENT_STATUS__AGENT_OK) {
        if (claim_take(a->t, (*reply)->epoch)) {
            return ACCEPTED;
        }
        refuse_older(a, (*reply)->epoch);
        wire__agent_reply__free_unpacked(*reply, NULL);
        return NO_ANSWER; /* whoever is obeyed has not heard it */
    }
    if (*reply != NULL && (*reply)->status == WIRE__AGENT_STATUS__AGENT_SAY_HELLO) {
        a->greeted = false;
        outcome = NO_ANSWER;
    } else {
        log_error("podmgr", "%s refused: %s", what,
                  *reply != NULL ? (*reply)->text : "not an AgentReply");
        (void)uv_timer_start(&a->backoff, on_backoff, BACKOFF_MS, 0);
    }
    wire__agent_reply__free_unpacked(*reply, NULL);
    return outcome;
}

/* ------------------------------------------------------------------ hello -- */

static void on_hello(void *arg, int status, const uint8_t *body, size_t len)
{
    struct agent *a = arg;
    Wire__AgentReply *reply;

    a->greeting = false;
    if (a->stopped) {
        return;
    }
    if (take_reply(a, "hello", status, body, len, &reply) == ACCEPTED) {
        log_notice("podmgr", "lease for %zu hosts, epoch %" PRIu64, a->t->config->n_hosts,
                   reply->epoch);
        wire__agent_reply__free_unpacked(reply, NULL);
        a->greeted = true;
        a->taken = 0; /* a new podmgr counts anew; what comes twice is known by its stamp */
        jobs_tell_again(a->t->jobs);
    }
    step(a);
}

static void say_hello(struct agent *a)
{
    Wire__AgentRequest request = WIRE__AGENT_REQUEST__INIT;
    Wire__AgentHello hello = WIRE__AGENT_HELLO__INIT;

    hello.version_min = hello.version_max = RPC_VERSION;
    hello.n_hosts = a->t->config->n_hosts;
    hello.hosts = xcalloc(hello.n_hosts, sizeof *hello.hosts);
    for (size_t i = 0; i < hello.n_hosts; i++) {
        hello.hosts[i] = a->t->config->hosts[i];
    }
    request.body_case = WIRE__AGENT_REQUEST__BODY_HELLO;
    request.hello = &hello;
    a->greeting = true;
    call(a, &request, CALL_TIMEOUT_MS, on_hello, a);
    free(hello.hosts);
}

/* ------------------------------------------------------------------- poll -- */

static bool has_chips(const struct agent *a)
{
    return rpc_client_connected(fabric_nng_client(a->t->fabric));
}

static void carry_out(struct agent *a, const Wire__AgentCommand *command)
{
    switch (command->body_case) {
    case WIRE__AGENT_COMMAND__BODY_BRING_UP:
        jobs_bring_up(a->t->jobs, command->bring_up);
        break;
    case WIRE__AGENT_COMMAND__BODY_RELEASE:
        jobs_release(a->t->jobs, command->release);
        break;
    case WIRE__AGENT_COMMAND__BODY_FENCE:
        fence_ports(a->t, command->fence);
        break;
    case WIRE__AGENT_COMMAND__BODY__NOT_SET:
    case _WIRE__AGENT_COMMAND__BODY__CASE_IS_INT_SIZE:
        log_warning("podmgr", "command %" PRIu64 " is of a kind unknown here", command->sequence);
        break;
    }
}

static void on_poll(void *arg, int status, const uint8_t *body, size_t len)
{
    struct agent *a = arg;
    Wire__AgentReply *reply;

    a->polling = false;
    if (a->stopped) {
        return;
    }
    if (take_reply(a, "poll", status, body, len, &reply) == ACCEPTED) {
        for (size_t i = 0; i < reply->n_commands && has_chips(a); i++) {
            if (reply->commands[i]->sequence > a->taken) {
                a->taken = reply->commands[i]->sequence;
                carry_out(a, reply->commands[i]);
            }
        }
        wire__agent_reply__free_unpacked(reply, NULL);
    }
    step(a);
}

static void poll_commands(struct agent *a)
{
    Wire__AgentRequest request = WIRE__AGENT_REQUEST__INIT;
    Wire__AgentPoll poll = WIRE__AGENT_POLL__INIT;

    poll.taken = a->taken;
    poll.hold_ms = POLL_HOLD_MS;
    request.body_case = WIRE__AGENT_REQUEST__BODY_POLL;
    request.poll = &poll;
    a->polling = true;
    call(a, &request, POLL_TIMEOUT_MS, on_poll, a);
}

/* --------------------------------------------------------------- verdicts -- */

static void forget(struct outgoing *out)
{
    struct outgoing **at = &out->agent->outgoing;

    while (*at != out) {
        at = &(*at)->next;
    }
    *at = out->next;
    wire__agent_verdict__free_unpacked(out->verdict, NULL);
    free(out);
}

static void on_verdict_taken(void *arg, int status, const uint8_t *body, size_t len)
{
    struct outgoing *out = arg;
    struct agent *a = out->agent;
    Wire__AgentReply *reply;

    out->sent = false;
    if (a->stopped) {
        return;
    }
    switch (take_reply(a, "verdict", status, body, len, &reply)) {
    case ACCEPTED:
        wire__agent_reply__free_unpacked(reply, NULL);
        forget(out);
        break;
    case REFUSED:
        forget(out);
        break;
    case NO_ANSWER:
        break;
    }
    step(a);
}

static void send_verdict(struct outgoing *out)
{
    Wire__AgentRequest request = WIRE__AGENT_REQUEST__INIT;

    request.body_case = WIRE__AGENT_REQUEST__BODY_VERDICT;
    request.verdict = out->verdict;
    out->sent = true;
    call(out->agent, &request, CALL_TIMEOUT_MS, on_verdict_taken, out);
}

static bool same_command(const Wire__AgentVerdict *a, const Wire__AgentVerdict *b)
{
    return strcmp(a->slice, b->slice) == 0 && a->epoch == b->epoch &&
           a->generation == b->generation && a->check_only == b->check_only;
}

static Wire__AgentVerdict *copy(const Wire__AgentVerdict *verdict)
{
    size_t size = wire__agent_verdict__get_packed_size(verdict);
    uint8_t *bytes = xmalloc(size);

    (void)wire__agent_verdict__pack(verdict, bytes);
    Wire__AgentVerdict *out = wire__agent_verdict__unpack(NULL, size, bytes);
    assert(out != NULL);
    free(bytes);
    return out;
}

void agent_report_verdict(struct agent *a, const Wire__AgentVerdict *verdict)
{
    struct outgoing **at = &a->outgoing;

    for (; *at != NULL; at = &(*at)->next) {
        if (same_command((*at)->verdict, verdict)) {
            return; /* on its way already */
        }
    }
    *at = xcalloc(1, sizeof **at);
    (*at)->agent = a;
    (*at)->verdict = copy(verdict);
    step(a);
}

/* ------------------------------------------------------------------ fence -- */

static void on_fenced_taken(void *arg, int status, const uint8_t *body, size_t len)
{
    struct agent *a = arg;
    Wire__AgentReply *reply;

    if (!a->stopped && take_reply(a, "fence report", status, body, len, &reply) == ACCEPTED) {
        wire__agent_reply__free_unpacked(reply, NULL);
    }
}

/* Not repeated: podmgr asks again for what it has not heard of. */
void agent_report_fenced(struct agent *a, const Wire__AgentFenced *report)
{
    Wire__AgentRequest request = WIRE__AGENT_REQUEST__INIT;

    if (a->stopped) {
        return;
    }
    request.body_case = WIRE__AGENT_REQUEST__BODY_FENCED;
    request.fenced = (Wire__AgentFenced *)(uintptr_t)report; /* packed only, never written */
    call(a, &request, CALL_TIMEOUT_MS, on_fenced_taken, a);
}

/* ------------------------------------------------------------------ links -- */

static void on_links_taken(void *arg, int status, const uint8_t *body, size_t len)
{
    struct agent *a = arg;
    Wire__AgentReply *reply;

    a->reporting = false;
    if (a->stopped) {
        return;
    }
    enum outcome outcome = take_reply(a, "link report", status, body, len, &reply);
    if (outcome == ACCEPTED) {
        wire__agent_reply__free_unpacked(reply, NULL);
    }
    if (outcome != NO_ANSWER) {
        jobs_told(a->t->jobs, a->report, a->n_report);
        a->link_seq += a->n_report;
    }
    step(a);
}

static void report_links(struct agent *a)
{
    Wire__AgentRequest request = WIRE__AGENT_REQUEST__INIT;
    Wire__AgentLinks links = WIRE__AGENT_LINKS__INIT;
    size_t n = a->n_report = jobs_untold(a->t->jobs, a->report, LINKS_A_REPORT);

    if (n == 0) {
        return;
    }
    Wire__AgentLink *items = xcalloc(n, sizeof *items);
    Wire__AgentLink **list = xcalloc(n, sizeof(Wire__AgentLink *));
    for (size_t i = 0; i < n; i++) {
        wire__agent_link__init(&items[i]);
        items[i].slice = a->report[i].stamp.slice;
        items[i].chip = a->report[i].chip;
        items[i].port = a->report[i].port;
        items[i].up = a->report[i].up;
        items[i].wall_ms = a->report[i].wall_ms;
        list[i] = &items[i];
    }
    links.first_seq = a->link_seq;
    links.n_links = n;
    links.links = list;
    request.body_case = WIRE__AGENT_REQUEST__BODY_LINKS;
    request.links = &links;
    a->reporting = true;
    call(a, &request, CALL_TIMEOUT_MS, on_links_taken, a);
    free(list);
    free(items);
}

/* ------------------------------------------------------------------- loop -- */

/* Starts whatever can be started now. */
static void step(struct agent *a)
{
    if (a->stopped || a->greeting || !has_chips(a) || !rpc_client_connected(a->client) ||
        uv_is_active((uv_handle_t *)&a->backoff)) {
        return;
    }
    if (!a->greeted) {
        say_hello(a);
        return;
    }
    if (!a->polling) {
        poll_commands(a);
    }
    for (struct outgoing *out = a->outgoing; out != NULL; out = out->next) {
        if (!out->sent) {
            send_verdict(out);
        }
    }
    if (!a->reporting) {
        report_links(a);
    }
}

void agent_wake(struct agent *a)
{
    step(a);
}

/* ----------------------------------------------------------- life cycle -- */

static void on_state(void *arg, bool connected)
{
    struct agent *a = arg;

    if (!connected) {
        log_warning("podmgr", "connection lost; the slices go on as they are");
    }
    a->greeted = false;
    (void)uv_timer_stop(&a->backoff);
    step(a);
}

int agent_create(struct agent **out, struct tpunetd *t, struct error *err)
{
    struct agent *a = xcalloc(1, sizeof *a);

    a->t = t;
    a->link_seq = 1;
    (void)snprintf(a->name, sizeof a->name, "tpunetd/%s", t->config->name);
    int status = rpc_client_create(&a->client, t->loop, t->config->podmgr_url, RPC_MAX_BYTES,
                                   on_state, a, err);
    if (status < 0) {
        free(a);
        return status;
    }
    (void)uv_timer_init(t->loop, &a->backoff);
    a->backoff.data = a;
    *out = a;
    return 0;
}

void agent_stop(struct agent *a)
{
    a->stopped = true;
    uv_close((uv_handle_t *)&a->backoff, NULL);
    rpc_client_destroy(a->client); /* ends the calls under way */
}

void agent_fini(struct agent *a)
{
    for (struct outgoing *out = a->outgoing, *next; out != NULL; out = next) {
        next = out->next;
        wire__agent_verdict__free_unpacked(out->verdict, NULL);
        free(out);
    }
    free(a);
}
