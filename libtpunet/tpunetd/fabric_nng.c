/* struct tpunet_fabric over proto/fabric.proto: packs a call into as many
 * messages as its size asks for, and ends it when all are answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.pb-c.h"
#include "log.h"
#include "mem.h"
#include "tpunetd.h"

enum {
    CALL_MS = 30000,
    MESSAGE_BYTES = 1 << 20, /* of rows in one message */
    PATHS_A_MESSAGE = 2048,
    MAX_BYTES = 16 << 20,
};

struct fabric_nng {
    struct tpunetd *t;
    struct rpc_client *client;
};

/* One call of the seam: several messages, one end. */
struct call {
    struct fabric_session *session;
    tpunet_done_fn *done;
    void *arg;
    size_t open; /* messages not answered yet, and 1 while sending */
    int status;  /* the first failure */
    struct tpunet_probe_answer *answers;
};
struct part {
    struct call *call;
    size_t first, n; /* answers of this message */
};

/* ----------------------------------------------------------------- replies -- */

static void part_done(struct call *call, int status)
{
    if (call->status == 0) {
        call->status = status;
    }
    if (--call->open == 0) {
        if (call->answers != NULL) {
            call->session->probed = clock_read().mono;
        }
        call->done(call->arg, call->status);
        free(call);
    }
}

static int status_of(Wire__FabricStatus status)
{
    switch (status) {
    case WIRE__FABRIC_STATUS__FABRIC_OK:
        return 0;
    case WIRE__FABRIC_STATUS__FABRIC_STALE:
        return TPUNET_ESTALE;
    case WIRE__FABRIC_STATUS__FABRIC_WRONG_VERSION:
    case WIRE__FABRIC_STATUS__FABRIC_WRONG_POD:
    case WIRE__FABRIC_STATUS__FABRIC_UNREACHABLE:
    case WIRE__FABRIC_STATUS__FABRIC_MALFORMED:
    case _WIRE__FABRIC_STATUS_IS_INT_SIZE:
        return TPUNET_EFABRIC;
    }
    return TPUNET_EFABRIC;
}

static void take_answer(struct tpunet_probe_answer *out, const Wire__FabricAnswer *in)
{
    *out = (struct tpunet_probe_answer){0};
    if (!in->answered || in->n_peers != TPUNET_PORTS || in->peer_ports.len != TPUNET_PORTS) {
        return;
    }
    out->answered = true;
    (void)snprintf(out->slice, sizeof out->slice, "%s", in->slice);
    out->epoch = in->epoch;
    out->generation = in->generation;
    out->chip = in->chip;
    for (unsigned p = 0; p < TPUNET_PORTS; p++) {
        out->port[p] = (struct tpunet_port_state){.up = (in->up_mask >> p & 1) != 0,
                                                  .enabled = (in->enabled_mask >> p & 1) != 0,
                                                  .peer_port = in->peer_ports.data[p],
                                                  .peer = in->peers[p]};
    }
}

static int take_answers(const struct part *part, const Wire__FabricReply *reply)
{
    if (part->call->answers == NULL) {
        return 0;
    }
    if (reply->n_answers != part->n) {
        return TPUNET_EFABRIC;
    }
    for (size_t i = 0; i < part->n; i++) {
        take_answer(&part->call->answers[part->first + i], reply->answers[i]);
    }
    return 0;
}

static void complain(struct fabric_session *s, const char *text)
{
    (void)snprintf(s->complaint, sizeof s->complaint, "%s", text);
    log_warning("fabric", "%s", s->complaint);
}

static void on_reply(void *arg, int status, const uint8_t *body, size_t len)
{
    struct part *part = arg;
    struct call *call = part->call;
    Wire__FabricReply *reply =
        status == 0 ? rpc_unpack(&wire__fabric_reply__descriptor, body, len) : NULL;
    int outcome = reply != NULL ? status_of(reply->status) : TPUNET_EFABRIC;

    if (status != 0) {
        complain(call->session, err_name(status));
    } else if (outcome != 0) {
        complain(call->session, reply != NULL ? reply->text : "not a FabricReply");
    } else if ((outcome = take_answers(part, reply)) != 0) {
        complain(call->session, "not as many answers as probes");
    }
    if (reply != NULL) {
        wire__fabric_reply__free_unpacked(reply, NULL);
    }
    free(part);
    part_done(call, outcome);
}

/* ---------------------------------------------------------------- requests -- */

static struct call *call_begin(void *ctx, tpunet_done_fn *done, void *arg)
{
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.session = ctx, .done = done, .arg = arg, .open = 1};
    return call;
}

static void call_send(struct call *call, Wire__FabricRequest *request, size_t first, size_t n)
{
    struct part *part = xmalloc(sizeof *part);
    struct fabric_nng *fabric = call->session->fabric;

    *part = (struct part){.call = call, .first = first, .n = n};
    request->version = RPC_VERSION;
    request->pod = (char *)(uintptr_t)fabric->t->config->pod;
    call->open++;
    rpc_call(fabric->client, &request->base, CALL_MS, on_reply, part);
}

static void pack_path(Wire__FabricPath *out, const struct tpunet_path *in)
{
    wire__fabric_path__init(out);
    out->entry = in->entry;
    out->hops.data = (uint8_t *)(uintptr_t)in->hops; /* packed only, never written */
    out->hops.len = in->n_hops;
}

static void pack_stamp(Wire__FabricStamp *out, const struct tpunet_stamp *in)
{
    wire__fabric_stamp__init(out);
    out->slice = (char *)(uintptr_t)in->slice;
    out->epoch = in->epoch;
    out->generation = in->generation;
}

/* Paths packed for one message. */
struct path_list {
    Wire__FabricPath *store;
    Wire__FabricPath **list;
};

static struct path_list pack_paths(const struct tpunet_path *paths, size_t n)
{
    struct path_list out = {.store = xcalloc(n, sizeof *out.store),
                            .list = xcalloc(n, sizeof(Wire__FabricPath *))};
    for (size_t i = 0; i < n; i++) {
        pack_path(&out.store[i], &paths[i]);
        out.list[i] = &out.store[i];
    }
    return out;
}

static void path_list_fini(struct path_list *list)
{
    free(list->store);
    free(list->list);
}

static size_t at_most(size_t n, size_t limit)
{
    return n < limit ? n : limit;
}

static int probe(void *ctx, const struct tpunet_path *paths, size_t n,
                 struct tpunet_probe_answer *answers, tpunet_done_fn *done, void *arg)
{
    struct call *call = call_begin(ctx, done, arg);

    call->answers = answers;
    for (size_t first = 0; first < n; first += PATHS_A_MESSAGE) {
        size_t count = at_most(n - first, PATHS_A_MESSAGE);
        struct path_list list = pack_paths(paths + first, count);
        Wire__FabricProbe body = WIRE__FABRIC_PROBE__INIT;
        Wire__FabricRequest request = WIRE__FABRIC_REQUEST__INIT;
        body.n_paths = count;
        body.paths = list.list;
        request.body_case = WIRE__FABRIC_REQUEST__BODY_PROBE;
        request.probe = &body;
        call_send(call, &request, first, count);
        path_list_fini(&list);
    }
    part_done(call, 0);
    return 0;
}

static int write_rows(void *ctx, const struct tpunet_stamp *stamp, uint32_t n_chips,
                      const struct tpunet_row_write *rows, size_t n, tpunet_done_fn *done,
                      void *arg)
{
    struct call *call = call_begin(ctx, done, arg);
    size_t rows_a_message = at_most(n, 1 + MESSAGE_BYTES / (size_t)n_chips);
    Wire__FabricRow *store = xcalloc(rows_a_message, sizeof *store);
    Wire__FabricPath *paths = xcalloc(rows_a_message, sizeof *paths);
    Wire__FabricRow **list = xcalloc(rows_a_message, sizeof *list);
    Wire__FabricStamp packed_stamp;

    if (call->session->wrote.ns == 0) {
        call->session->wrote = clock_read().mono;
    }
    pack_stamp(&packed_stamp, stamp);
    for (size_t first = 0; first < n; first += rows_a_message) {
        size_t count = at_most(n - first, rows_a_message);
        Wire__FabricWriteRows body = WIRE__FABRIC_WRITE_ROWS__INIT;
        Wire__FabricRequest request = WIRE__FABRIC_REQUEST__INIT;
        for (size_t i = 0; i < count; i++) {
            const struct tpunet_row_write *row = &rows[first + i];
            wire__fabric_row__init(&store[i]);
            pack_path(&paths[i], &row->path);
            store[i].path = &paths[i];
            store[i].self = row->self;
            store[i].class_mask = row->class_mask;
            store[i].row.data = (uint8_t *)(uintptr_t)row->row;
            store[i].row.len = n_chips;
            list[i] = &store[i];
        }
        body.stamp = &packed_stamp;
        body.n_chips = n_chips;
        body.n_rows = count;
        body.rows = list;
        request.body_case = WIRE__FABRIC_REQUEST__BODY_WRITE_ROWS;
        request.write_rows = &body;
        call_send(call, &request, first, count);
    }
    free(store);
    free(paths);
    free(list);
    part_done(call, 0);
    return 0;
}

/* Quiesce and commit differ in one field of the request only. */
static int each_path(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                     size_t n, Wire__FabricRequest__BodyCase what, tpunet_done_fn *done, void *arg)
{
    struct call *call = call_begin(ctx, done, arg);
    Wire__FabricStamp packed_stamp;

    pack_stamp(&packed_stamp, stamp);
    for (size_t first = 0; first < n; first += PATHS_A_MESSAGE) {
        size_t count = at_most(n - first, PATHS_A_MESSAGE);
        struct path_list list = pack_paths(paths + first, count);
        Wire__FabricPaths body = WIRE__FABRIC_PATHS__INIT;
        Wire__FabricRequest request = WIRE__FABRIC_REQUEST__INIT;
        body.stamp = &packed_stamp;
        body.n_paths = count;
        body.paths = list.list;
        request.body_case = what;
        request.quiesce = &body; /* the same place as request.commit */
        call_send(call, &request, first, count);
        path_list_fini(&list);
    }
    part_done(call, 0);
    return 0;
}

static int quiesce(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                   size_t n, tpunet_done_fn *done, void *arg)
{
    return each_path(ctx, stamp, paths, n, WIRE__FABRIC_REQUEST__BODY_QUIESCE, done, arg);
}

static int commit(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                  size_t n, tpunet_done_fn *done, void *arg)
{
    return each_path(ctx, stamp, paths, n, WIRE__FABRIC_REQUEST__BODY_COMMIT, done, arg);
}

static int set_port(void *ctx, const struct tpunet_stamp *stamp, struct tpunet_path path,
                    unsigned port, bool enabled, tpunet_done_fn *done, void *arg)
{
    struct call *call = call_begin(ctx, done, arg);
    Wire__FabricSetPort body = WIRE__FABRIC_SET_PORT__INIT;
    Wire__FabricRequest request = WIRE__FABRIC_REQUEST__INIT;
    Wire__FabricStamp packed_stamp;
    Wire__FabricPath packed_path;

    pack_stamp(&packed_stamp, stamp);
    pack_path(&packed_path, &path);
    body.stamp = &packed_stamp;
    body.path = &packed_path;
    body.port = port;
    body.enabled = enabled;
    request.body_case = WIRE__FABRIC_REQUEST__BODY_SET_PORT;
    request.set_port = &body;
    call_send(call, &request, 0, 0);
    part_done(call, 0);
    return 0;
}

void fabric_session_init(struct fabric_session *s, struct fabric_nng *f)
{
    *s = (struct fabric_session){.fabric = f,
                                 .seam = {.ctx = s,
                                          .probe = probe,
                                          .write_rows = write_rows,
                                          .quiesce = quiesce,
                                          .commit = commit,
                                          .set_port = set_port}};
}

/* -------------------------------------------------------------- life cycle -- */

static void on_state(void *arg, bool connected)
{
    const struct tpunetd *t = ((struct fabric_nng *)arg)->t;

    log_info("fabric", connected ? "connected" : "connection lost");
    if (connected && t->watch != NULL) {
        watch_resume(t->watch);
        agent_wake(t->agent);
    }
}

int fabric_nng_create(struct fabric_nng **out, struct tpunetd *t, struct error *err)
{
    struct fabric_nng *f = xcalloc(1, sizeof *f);

    f->t = t;
    int status =
        rpc_client_create(&f->client, t->loop, t->config->fabric_url, MAX_BYTES, on_state, f, err);
    if (status < 0) {
        free(f);
        return status;
    }
    *out = f;
    return 0;
}

void fabric_nng_stop(struct fabric_nng *f)
{
    rpc_client_destroy(f->client);
}

void fabric_nng_fini(struct fabric_nng *f)
{
    free(f);
}

struct rpc_client *fabric_nng_client(const struct fabric_nng *f)
{
    return f->client;
}
