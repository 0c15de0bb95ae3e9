#include "agents/agents.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.pb-c.h"
#include "agents/pack.h"
#include "log.h"
#include "mem.h"
#include "rpc.h"

enum { HOLD_MAX_MS = 1000, SWEEP_MS = 50, COMMANDS_A_REPLY = 64, LINKS_A_REPORT = 65536 };

/* What an agent instance has yet to take over, and its poll if one waits. */
struct mailbox {
    char name[64];
    uint64_t instance;
    uint64_t next_seq;
    struct command *commands;
    size_t n, cap;
    struct rpc_request *poll;
    uint64_t poll_until_ms;
};

struct agents_server {
    struct podmgr *p;
    struct rpc_server *rpc;
    uv_timer_t sweep;
    struct mailbox **boxes;
    size_t n_boxes, cap_boxes;
    struct rpc_request **pending; /* cookie - 1 -> request, NULL = free place */
    size_t n_pending, cap_pending;
};

/* ------------------------------------------------------------- replies -- */

static void reply_status(struct agents_server *s, struct rpc_request *req, Wire__AgentStatus status,
                         const char *text)
{
    Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;

    reply.version = RPC_VERSION;
    reply.status = status;
    reply.text = (char *)(uintptr_t)text; /* packed only, never written */
    reply.epoch = s->p->model->epoch;
    rpc_reply(req, &reply.base);
}

static uint64_t remember(struct agents_server *s, struct rpc_request *req)
{
    size_t i = 0;

    while (i < s->n_pending && s->pending[i] != NULL) {
        i++;
    }
    if (i == s->n_pending) {
        VEC_GROW(s->pending, s->n_pending, s->cap_pending);
        s->n_pending++;
    }
    s->pending[i] = req;
    return COOKIE_AGENT | (i + 1);
}

void agents_server_reply(struct agents_server *s, const struct effect *effect)
{
    size_t i = (size_t)(effect->cookie & ~COOKIE_AGENT) - 1;

    assert(i < s->n_pending && s->pending[i] != NULL);
    struct rpc_request *req = s->pending[i];
    s->pending[i] = NULL;
    if (effect->reply.status == 0) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_OK, "");
    } else {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED, effect->reply.text);
    }
}

/* ----------------------------------------------------------- mailboxes -- */

static struct mailbox *box_of(const struct agents_server *s, const char *name)
{
    for (size_t i = 0; i < s->n_boxes; i++) {
        if (strcmp(s->boxes[i]->name, name) == 0) {
            return s->boxes[i];
        }
    }
    return NULL;
}

/* A new instance starts with an empty box: the core asks again for what the
 * old one left undone. */
static struct mailbox *open_box(struct agents_server *s, const char *name, uint64_t instance)
{
    struct mailbox *box = box_of(s, name);

    if (box == NULL) {
        box = xcalloc(1, sizeof *box);
        (void)snprintf(box->name, sizeof box->name, "%s", name);
        VEC_GROW(s->boxes, s->n_boxes, s->cap_boxes);
        s->boxes[s->n_boxes++] = box;
    }
    if (box->instance != instance) {
        box->instance = instance;
        box->n = 0;
        box->next_seq = 1;
    }
    return box;
}

static void answer_poll(struct agents_server *s, struct mailbox *box)
{
    size_t n = box->n < COMMANDS_A_REPLY ? box->n : COMMANDS_A_REPLY;
    const struct agent *agent = model_agent_named(s->p->model, box->name);
    struct rpc_request *req = box->poll;

    box->poll = NULL;
    pack_commands(s->p->model, agent != NULL ? agent->id : 0, box->commands, n, req);
}

static void enqueue(struct agents_server *s, struct command command, uint32_t agent_id)
{
    const struct agent *agent = model_agent(s->p->model, agent_id);
    struct mailbox *box = agent != NULL ? box_of(s, agent->name) : NULL;

    if (box == NULL) {
        return; /* it went meanwhile: the core has heard or will hear of it */
    }
    command.seq = box->next_seq++;
    VEC_GROW(box->commands, box->n, box->cap);
    box->commands[box->n++] = command;
    if (box->poll != NULL) {
        answer_poll(s, box);
    }
}

static void enqueue_effect(struct agents_server *s, enum command_kind kind,
                           const struct effect *effect)
{
    struct command command = {.kind = kind,
                              .slice = effect->id,
                              .epoch = effect->epoch,
                              .generation = effect->generation};

    enqueue(s, command, effect->agent);
}

void agents_server_bring_up(struct agents_server *s, const struct effect *effect)
{
    enqueue_effect(s, effect->check_only ? COMMAND_CHECK : COMMAND_BRING_UP, effect);
}

void agents_server_watch(struct agents_server *s, const struct effect *effect)
{
    enqueue_effect(s, COMMAND_WATCH, effect);
}

void agents_server_release(struct agents_server *s, const struct effect *effect)
{
    enqueue_effect(s, COMMAND_RELEASE, effect);
}

void agents_server_fence(struct agents_server *s, const struct effect *effect)
{
    enqueue_effect(s, COMMAND_FENCE, effect);
}

/* ------------------------------------------------------------ requests -- */

static void take_hello(struct agents_server *s, struct rpc_request *req,
                       const Wire__AgentRequest *in)
{
    struct event ev = {.kind = EV_AGENT_HELLO};
    const Wire__AgentHello *hello = in->hello;

    if (hello->version_min > RPC_VERSION || hello->version_max < RPC_VERSION) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_WRONG_VERSION,
                     "this podmgr speaks version 1");
        return;
    }
    ev.agent.hosts = xcalloc(hello->n_hosts, sizeof *ev.agent.hosts);
    for (size_t i = 0; i < hello->n_hosts; i++) {
        if (hello->hosts[i] >= model_hosts(s->p->model)) {
            char text[96];
            (void)snprintf(text, sizeof text, "host/%u-%u is not in this pod",
                           hello->hosts[i] / TPUNET_CUBE_HOSTS,
                           hello->hosts[i] % TPUNET_CUBE_HOSTS);
            free(ev.agent.hosts);
            reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED, text);
            return;
        }
        ev.agent.hosts[i] = (uint16_t)hello->hosts[i];
    }
    ev.agent.n_hosts = hello->n_hosts;
    ev.agent.instance = in->instance;
    (void)snprintf(ev.agent.name, sizeof ev.agent.name, "%s", in->agent);
    (void)open_box(s, in->agent, in->instance);
    ev.cookie = remember(s, req);
    podmgr_post(s->p, &ev);
}

static void drop_taken(struct mailbox *box, uint64_t taken)
{
    size_t n = 0;

    while (n < box->n && box->commands[n].seq <= taken) {
        n++;
    }
    if (n > 0) {
        box->n -= n;
        memmove(box->commands, box->commands + n, box->n * sizeof *box->commands);
    }
}

static void take_poll(struct agents_server *s, struct rpc_request *req,
                      const Wire__AgentRequest *in)
{
    struct mailbox *box = box_of(s, in->agent);
    uint32_t hold_ms = in->poll->hold_ms < HOLD_MAX_MS ? in->poll->hold_ms : HOLD_MAX_MS;

    drop_taken(box, in->poll->taken);
    if (box->poll != NULL) {
        rpc_drop(box->poll); /* the agent gave up on it, or it would not ask again */
    }
    box->poll = req;
    box->poll_until_ms = uv_now(s->p->loop) + hold_ms;
    if (box->n > 0) {
        answer_poll(s, box);
    }
}

static void take_verdict(struct agents_server *s, struct rpc_request *req,
                         const Wire__AgentRequest *in)
{
    struct event ev = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};

    if (!unpack_verdict(ev.verdict, in->verdict,
                        s->p->model->pod->n_cubes * (uint32_t)TPUNET_CUBE_CHIPS)) {
        free(ev.verdict);
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED,
                     "verdict: no such slice id, or a number that is none");
        return;
    }
    ev.cookie = remember(s, req);
    podmgr_post(s->p, &ev);
}

static void take_links(struct agents_server *s, struct rpc_request *req,
                       const Wire__AgentRequest *in)
{
    struct event ev = {.kind = EV_LINKS};
    const Wire__AgentLinks *links = in->links;
    uint32_t chips = s->p->model->pod->n_cubes * (uint32_t)TPUNET_CUBE_CHIPS;

    if (links->n_links > LINKS_A_REPORT) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED, "too many links in one report");
        return;
    }
    ev.links.links = xcalloc(links->n_links, sizeof *ev.links.links);
    for (size_t i = 0; i < links->n_links; i++) {
        const Wire__AgentLink *in_link = links->links[i];
        struct link_change *out = &ev.links.links[ev.links.n];
        if (!id_parse(&out->slice, in_link->slice) || in_link->chip >= chips ||
            in_link->port >= TPUNET_PORTS) {
            free(ev.links.links);
            reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED,
                         "links: no such slice, chip or port");
            return;
        }
        out->chip = in_link->chip;
        out->port = (uint8_t)in_link->port;
        out->up = in_link->up;
        ev.links.n++;
    }
    ev.cookie = remember(s, req);
    podmgr_post(s->p, &ev);
}

static void take_fenced(struct agents_server *s, struct rpc_request *req,
                        const Wire__AgentRequest *in)
{
    struct event ev = {.kind = EV_FENCED};

    if (!unpack_fenced(&ev, in->fenced, s->p->model->pod->n_cubes * (uint32_t)TPUNET_CUBE_CHIPS)) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED, "fenced: no such chip or port");
        return;
    }
    ev.cookie = remember(s, req);
    podmgr_post(s->p, &ev);
}

/* Anything but a hello is for agents on record, and renews their lease. */
static bool is_known(struct agents_server *s, struct rpc_request *req, const Wire__AgentRequest *in)
{
    const struct agent *agent = model_agent_named(s->p->model, in->agent);

    if (agent == NULL || agent->instance != in->instance || box_of(s, in->agent) == NULL) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_SAY_HELLO, "say hello first");
        return false;
    }
    struct event ev = {.kind = EV_AGENT_SEEN, .agent = {.id = agent->id}};
    podmgr_post(s->p, &ev);
    return true;
}

static void dispatch_request(struct agents_server *s, struct rpc_request *req,
                             const Wire__AgentRequest *in)
{
    size_t name_len = strlen(in->agent);

    if (in->version != RPC_VERSION) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_WRONG_VERSION,
                     "this podmgr speaks version 1");
    } else if (strcmp(in->pod, s->p->model->pod->id) != 0) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_WRONG_POD, s->p->model->pod->id);
    } else if (name_len == 0 || name_len >= sizeof((struct mailbox *)0)->name) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED, "agent: 1 to 63 characters");
    } else if (in->body_case == WIRE__AGENT_REQUEST__BODY_HELLO) {
        take_hello(s, req, in);
    } else if (is_known(s, req, in)) {
        switch (in->body_case) {
        case WIRE__AGENT_REQUEST__BODY_POLL:
            take_poll(s, req, in);
            return;
        case WIRE__AGENT_REQUEST__BODY_VERDICT:
            take_verdict(s, req, in);
            return;
        case WIRE__AGENT_REQUEST__BODY_LINKS:
            take_links(s, req, in);
            return;
        case WIRE__AGENT_REQUEST__BODY_FENCED:
            take_fenced(s, req, in);
            return;
        case WIRE__AGENT_REQUEST__BODY_HELLO:
        case WIRE__AGENT_REQUEST__BODY__NOT_SET:
        case _WIRE__AGENT_REQUEST__BODY__CASE_IS_INT_SIZE:
            break;
        }
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED, "empty request");
    }
}

static void on_request(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    struct agents_server *s = arg;
    Wire__AgentRequest *in = rpc_unpack(&wire__agent_request__descriptor, body, len);

    if (in == NULL) {
        reply_status(s, req, WIRE__AGENT_STATUS__AGENT_MALFORMED, "not an AgentRequest");
        return;
    }
    dispatch_request(s, req, in);
    wire__agent_request__free_unpacked(in, NULL);
}

/* ---------------------------------------------------------- life cycle -- */

static void close_box(struct mailbox *box)
{
    if (box->poll != NULL) {
        rpc_drop(box->poll);
    }
    free(box->commands);
    free(box);
}

/* Boxes of agents that are on record no more go; whoever returns says hello. */
static void on_sweep(uv_timer_t *timer)
{
    struct agents_server *s = timer->data;

    for (size_t i = s->n_boxes; i-- > 0;) {
        struct mailbox *box = s->boxes[i];
        if (model_agent_named(s->p->model, box->name) == NULL) {
            close_box(box);
            s->boxes[i] = s->boxes[--s->n_boxes];
        } else if (box->poll != NULL && uv_now(s->p->loop) >= box->poll_until_ms) {
            answer_poll(s, box);
        }
    }
}

int agents_server_create(struct agents_server **out, struct podmgr *p, const char *url,
                         struct error *err)
{
    struct agents_server *s = xcalloc(1, sizeof *s);

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

void agents_server_destroy(struct agents_server *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_boxes; i++) {
        close_box(s->boxes[i]);
    }
    for (size_t i = 0; i < s->n_pending; i++) {
        if (s->pending[i] != NULL) {
            rpc_drop(s->pending[i]);
        }
    }
    free(s->boxes);
    free(s->pending);
    rpc_server_destroy(s->rpc);
    uv_close((uv_handle_t *)&s->sweep, on_closed);
}
