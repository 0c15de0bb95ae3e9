/* The chips of the pod, as tpunetd reaches them (proto/fabric.proto).  Watches
 * are held until a link of their hosts changes, or their time is up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.pb-c.h"
#include "fabric_device.h"
#include "health_device.h"
#include "mem.h"
#include "rpc.h"
#include "serve.h"

enum { WATCH_MAX_MS = 60000, EVENTS_A_REPLY = 8192, MAX_BYTES = 16 << 20 };

struct watch {
    struct watch *next;
    struct rpc_request *req;
    uint64_t since, until_ms;
    bool all;
    uint8_t hosts[SIM_CUBES_MAX * 16 / 8]; /* bit per host */
};

struct fabric_endpoint {
    struct podsim *p;
    uv_loop_t *loop;
    struct rpc_server *rpc;
    uv_timer_t sweep; /* the watch whose time is up first, or a change */
    struct watch *watches;
    bool changed; /* answer_watches() is due this turn */
};

static void reply_status(struct rpc_request *req, Wire__FabricStatus status, char *text)
{
    Wire__FabricReply reply = WIRE__FABRIC_REPLY__INIT;

    reply.version = RPC_VERSION;
    reply.status = status;
    reply.text = text;
    rpc_reply(req, &reply.base);
}

static struct sim_path take_path(const Wire__FabricPath *in)
{
    struct sim_path path = {.entry = UINT32_MAX};

    if (in != NULL) {
        path = (struct sim_path){.entry = in->entry, .hops = in->hops.data, .n_hops = in->hops.len};
    }
    return path;
}

/* ----------------------------------------------------------------- probe -- */

struct answer {
    Wire__FabricAnswer message;
    uint32_t peers[SIM_CHIP_PORTS];
    uint8_t peer_ports[SIM_CHIP_PORTS];
};

static void answer_probe(const struct world *w, const Wire__FabricPath *in, struct answer *out)
{
    struct sim_path path = take_path(in);
    uint32_t chip;

    wire__fabric_answer__init(&out->message);
    if (!sim_follow(w, &path, &chip)) {
        return;
    }
    out->message.answered = 1;
    out->message.chip = chip;
    /* Packed only, never written. */
    out->message.slice = (char *)(uintptr_t)w->chips[chip].active.stamp.slice;
    out->message.epoch = w->chips[chip].active.stamp.epoch;
    out->message.generation = w->chips[chip].active.stamp.generation;
    out->message.enabled_mask = ~(uint32_t)w->chips[chip].disabled_mask & 0x3f;
    for (unsigned p = 0; p < SIM_CHIP_PORTS; p++) {
        uint32_t peer;
        unsigned peer_port;
        if (world_peer(w, chip, p, &peer, &peer_port)) {
            out->message.up_mask |= 1U << p;
            out->peers[p] = peer;
            out->peer_ports[p] = (uint8_t)peer_port;
        }
    }
    out->message.n_peers = SIM_CHIP_PORTS;
    out->message.peers = out->peers;
    out->message.peer_ports.len = SIM_CHIP_PORTS;
    out->message.peer_ports.data = out->peer_ports;
}

static void probe(const struct world *w, struct rpc_request *req, const Wire__FabricProbe *in)
{
    Wire__FabricReply reply = WIRE__FABRIC_REPLY__INIT;
    struct answer *answers = xcalloc(in->n_paths, sizeof *answers);
    Wire__FabricAnswer **list = xcalloc(in->n_paths, sizeof *list);

    for (size_t i = 0; i < in->n_paths; i++) {
        answer_probe(w, in->paths[i], &answers[i]);
        list[i] = &answers[i].message;
    }
    reply.version = RPC_VERSION;
    reply.n_answers = in->n_paths;
    reply.answers = list;
    rpc_reply(req, &reply.base);
    free(list);
    free(answers);
}

/* ---------------------------------------------------------------- writes -- */

static bool take_stamp(const Wire__FabricStamp *in, struct sim_stamp *out)
{
    if (in == NULL || strlen(in->slice) >= sizeof out->slice || in->epoch == 0) {
        return false; /* no command without an epoch */
    }
    *out = (struct sim_stamp){.epoch = in->epoch, .generation = in->generation};
    (void)snprintf(out->slice, sizeof out->slice, "%s", in->slice);
    return true;
}

/* The first chip that refuses ends the request. */
static void reply_outcome(struct rpc_request *req, enum sim_fabric_status status, size_t at)
{
    static const Wire__FabricStatus wire_status[] = {
        [SIM_FABRIC_OK] = WIRE__FABRIC_STATUS__FABRIC_OK,
        [SIM_FABRIC_STALE] = WIRE__FABRIC_STATUS__FABRIC_STALE,
        [SIM_FABRIC_UNREACHABLE] = WIRE__FABRIC_STATUS__FABRIC_UNREACHABLE,
        [SIM_FABRIC_BAD] = WIRE__FABRIC_STATUS__FABRIC_MALFORMED,
    };
    static const char *const texts[] = {
        [SIM_FABRIC_OK] = "",
        [SIM_FABRIC_STALE] = "the chip holds a newer intent",
        [SIM_FABRIC_UNREACHABLE] = "the path leads nowhere",
        [SIM_FABRIC_BAD] = "the chip cannot take this",
    };
    char text[80] = "";

    if (status != SIM_FABRIC_OK) {
        (void)snprintf(text, sizeof text, "item %zu: %s", at, texts[status]);
    }
    reply_status(req, wire_status[status], text);
}

static void write_rows(struct world *w, struct rpc_request *req, const Wire__FabricWriteRows *in)
{
    enum sim_fabric_status status = SIM_FABRIC_OK;
    struct sim_stamp stamp;
    size_t i = 0;

    if (!take_stamp(in->stamp, &stamp) || in->n_chips > w->n_chips) {
        status = SIM_FABRIC_BAD;
    }
    for (; i < in->n_rows && status == SIM_FABRIC_OK; i++) {
        const Wire__FabricRow *row = in->rows[i];
        struct sim_path path = take_path(row->path);
        status = sim_write_row(w, &stamp, &path, row->self, in->n_chips, row->class_mask,
                               row->row.data, row->row.len);
    }
    reply_outcome(req, status, i);
}

typedef enum sim_fabric_status path_fn(struct world *w, const struct sim_stamp *stamp,
                                       const struct sim_path *path);

static void each_path(struct world *w, struct rpc_request *req, const Wire__FabricPaths *in,
                      path_fn *fn)
{
    enum sim_fabric_status status = SIM_FABRIC_OK;
    struct sim_stamp stamp;
    size_t i = 0;

    if (!take_stamp(in->stamp, &stamp)) {
        status = SIM_FABRIC_BAD;
    }
    for (; i < in->n_paths && status == SIM_FABRIC_OK; i++) {
        struct sim_path path = take_path(in->paths[i]);
        status = fn(w, &stamp, &path);
    }
    reply_outcome(req, status, i);
}

static void set_port(struct world *w, struct rpc_request *req, const Wire__FabricSetPort *in)
{
    struct sim_stamp stamp;
    struct sim_path path = take_path(in->path);

    reply_outcome(req,
                  take_stamp(in->stamp, &stamp)
                      ? sim_set_port(w, &stamp, &path, in->port, in->enabled)
                      : SIM_FABRIC_BAD,
                  0);
}

/* ----------------------------------------------------------------- watch -- */

static bool wants(const struct world *w, const struct watch *watch, uint32_t chip)
{
    unsigned host = sim_host_of(chip);
    bool asked = watch->all || (watch->hosts[host / 8] >> host % 8 & 1) != 0;
    return asked && !sim_host_is_silent(w, host);
}

/* Answers if there is something of its hosts to say, or its time is up. */
static bool try_watch(const struct world *w, struct watch *watch, bool time_is_up)
{
    Wire__FabricReply reply = WIRE__FABRIC_REPLY__INIT;
    Wire__FabricEvents events = WIRE__FABRIC_EVENTS__INIT;
    uint64_t oldest = w->log_next > SIM_LINK_LOG ? w->log_next - SIM_LINK_LOG : 1;
    bool known = watch->since >= oldest && watch->since <= w->log_next;
    uint64_t seq = known ? watch->since : oldest;

    /* Numbers that are yet to come are another incarnation's. */
    events.lost = (watch->since < oldest && watch->since != 0) || watch->since > w->log_next;
    if (seq >= w->log_next && !time_is_up && !events.lost) {
        return false;
    }
    size_t room = w->log_next - seq < EVENTS_A_REPLY ? w->log_next - seq : EVENTS_A_REPLY;
    Wire__FabricLinkEvent *store = xcalloc(room, sizeof *store);
    Wire__FabricLinkEvent **list = xcalloc(room, sizeof *list);
    for (; seq < w->log_next && events.n_events < room; seq++) {
        const struct sim_link_event *ev = &w->log[seq % SIM_LINK_LOG];
        if (wants(w, watch, ev->chip)) {
            Wire__FabricLinkEvent *out = &store[events.n_events];
            wire__fabric_link_event__init(out);
            out->seq = ev->seq;
            out->chip = ev->chip;
            out->port = ev->port;
            out->up = ev->up;
            list[events.n_events++] = out;
        }
    }
    watch->since = seq; /* nothing of its hosts: it waits on from here */
    bool answered = events.n_events > 0 || time_is_up || events.lost;
    if (answered) {
        events.next = seq;
        events.incarnation = w->incarnation;
        events.events = list;
        reply.version = RPC_VERSION;
        reply.events = &events;
        rpc_reply(watch->req, &reply.base);
    }
    free(list);
    free(store);
    return answered;
}

static void on_sweep(uv_timer_t *timer);

static void arm_sweep(struct fabric_endpoint *e)
{
    uint64_t now_ms = uv_now(e->loop), first_ms = UINT64_MAX;

    for (const struct watch *watch = e->watches; watch != NULL; watch = watch->next) {
        first_ms = watch->until_ms < first_ms ? watch->until_ms : first_ms;
    }
    if (first_ms == UINT64_MAX) {
        (void)uv_timer_stop(&e->sweep);
    } else {
        (void)uv_timer_start(&e->sweep, on_sweep, first_ms > now_ms ? first_ms - now_ms : 0, 0);
    }
}

static void answer_watches(struct fabric_endpoint *e)
{
    const struct world *w = podsim_tick(e->p);
    uint64_t now_ms = uv_now(e->loop);

    e->changed = false;
    for (struct watch **at = &e->watches; *at != NULL;) {
        struct watch *watch = *at;
        if (try_watch(w, watch, now_ms >= watch->until_ms)) {
            *at = watch->next;
            free(watch);
        } else {
            at = &watch->next;
        }
    }
    arm_sweep(e);
    podsim_arm(e->p);
}

static void watch(struct fabric_endpoint *e, struct rpc_request *req, const Wire__FabricWatch *in)
{
    const struct world *w = podsim_world(e->p);
    struct watch *watch = xcalloc(1, sizeof *watch);
    uint32_t wait_ms = in->timeout_ms < WATCH_MAX_MS ? in->timeout_ms : WATCH_MAX_MS;

    watch->req = req;
    watch->since = in->since == 0 ? w->log_next : in->since; /* 0: from now on */
    watch->until_ms = uv_now(e->loop) + (in->since == 0 ? 0 : wait_ms);
    watch->all = in->n_hosts == 0;
    for (size_t i = 0; i < in->n_hosts; i++) {
        if (in->hosts[i] < sizeof watch->hosts * 8) {
            watch->hosts[in->hosts[i] / 8] |= (uint8_t)(1U << in->hosts[i] % 8);
        }
    }
    if (try_watch(w, watch, in->since == 0)) {
        free(watch);
        return;
    }
    watch->next = e->watches;
    e->watches = watch;
    if (!e->changed) {
        arm_sweep(e);
    }
}

/* Many changes of one loop turn make one answer: the sweep sends it. */
void fabric_endpoint_changed(struct fabric_endpoint *e)
{
    if (!e->changed && e->watches != NULL) {
        e->changed = true;
        (void)uv_timer_start(&e->sweep, on_sweep, 0, 0);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    answer_watches(timer->data);
}

/* -------------------------------------------------------------- requests -- */

static void serve(struct fabric_endpoint *e, struct rpc_request *req, const Wire__FabricRequest *in)
{
    struct world *w = podsim_tick(e->p);

    switch (in->body_case) {
    case WIRE__FABRIC_REQUEST__BODY_PROBE:
        probe(w, req, in->probe);
        return;
    case WIRE__FABRIC_REQUEST__BODY_WRITE_ROWS:
        write_rows(w, req, in->write_rows);
        return;
    case WIRE__FABRIC_REQUEST__BODY_QUIESCE:
        each_path(w, req, in->quiesce, sim_quiesce);
        return;
    case WIRE__FABRIC_REQUEST__BODY_COMMIT:
        each_path(w, req, in->commit, sim_commit);
        return;
    case WIRE__FABRIC_REQUEST__BODY_SET_PORT:
        set_port(w, req, in->set_port);
        return;
    case WIRE__FABRIC_REQUEST__BODY_WATCH:
        watch(e, req, in->watch);
        return;
    case WIRE__FABRIC_REQUEST__BODY__NOT_SET:
    case _WIRE__FABRIC_REQUEST__BODY__CASE_IS_INT_SIZE:
        break;
    }
    reply_status(req, WIRE__FABRIC_STATUS__FABRIC_MALFORMED, "empty request");
}

static void on_request(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    struct fabric_endpoint *e = arg;
    Wire__FabricRequest *in = rpc_unpack(&wire__fabric_request__descriptor, body, len);

    if (in == NULL) {
        reply_status(req, WIRE__FABRIC_STATUS__FABRIC_MALFORMED, "not a FabricRequest");
        return;
    }
    if (in->version != RPC_VERSION) {
        reply_status(req, WIRE__FABRIC_STATUS__FABRIC_WRONG_VERSION, "these chips speak version 1");
    } else if (strcmp(in->pod, podsim_world(e->p)->config->pod) != 0) {
        reply_status(req, WIRE__FABRIC_STATUS__FABRIC_WRONG_POD, "another pod is meant");
    } else {
        serve(e, req, in);
    }
    wire__fabric_request__free_unpacked(in, NULL);
}

/* ------------------------------------------------------------ life cycle -- */

int fabric_endpoint_create(struct fabric_endpoint **out, struct podsim *p, uv_loop_t *loop,
                           struct error *err)
{
    struct fabric_endpoint *e = xcalloc(1, sizeof *e);

    e->p = p;
    e->loop = loop;
    (void)uv_timer_init(loop, &e->sweep);
    e->sweep.data = e;
    *out = e;
    return rpc_server_create(&e->rpc, loop, podsim_world(p)->config->fabric_url, MAX_BYTES,
                             on_request, e, err);
}

void fabric_endpoint_stop(struct fabric_endpoint *e)
{
    if (e == NULL) {
        return;
    }
    while (e->watches != NULL) {
        struct watch *watch = e->watches;
        e->watches = watch->next;
        rpc_drop(watch->req);
        free(watch);
    }
    rpc_server_destroy(e->rpc);
    uv_close((uv_handle_t *)&e->sweep, NULL);
}

void fabric_endpoint_fini(struct fabric_endpoint *e)
{
    free(e);
}
