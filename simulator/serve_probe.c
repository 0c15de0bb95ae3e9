/* The instruments of the pod, as healthd reads them (proto/probe.proto). */
#include <stdlib.h>
#include <string.h>

#include "health_device.h"
#include "mem.h"
#include "probe.pb-c.h"
#include "rpc.h"
#include "serve.h"

enum { MAX_BYTES = 16 << 20, ITEMS_MAX = 65536, ROUNDS_MAX = 4096 };

struct probe_endpoint {
    struct podsim *p;
    struct rpc_server *rpc;
};

static void refuse(struct rpc_request *req, Wire__ProbeStatus status, char *text)
{
    Wire__ProbeReply reply = WIRE__PROBE_REPLY__INIT;

    reply.version = RPC_VERSION;
    reply.status = status;
    reply.text = text;
    rpc_reply(req, &reply.base);
}

/* -------------------------------------------------------------- readings -- */

static void read_one(struct world *w, Wire__ProbeReading *out, uint32_t host,
                     Wire__ProbeClass class, double *values)
{
    uint64_t incarnation = 0;
    bool exists = host < w->n_chips / SIM_HOST_CHIPS;
    size_t n = exists ? sim_read(w, host, class, values, &incarnation) : 0;

    wire__probe_reading__init(out);
    out->host = host;
    out->class_ = class;
    out->answered = n > 0;
    out->incarnation = incarnation;
    out->n_values = n;
    out->values = values;
}

static void read_all(struct world *w, struct rpc_request *req, const Wire__ProbeRead *in)
{
    Wire__ProbeReply reply = WIRE__PROBE_REPLY__INIT;
    size_t n = in->n_hosts * in->n_classes;
    Wire__ProbeReading *store = xcalloc(n, sizeof *store);
    Wire__ProbeReading **list = xcalloc(n, sizeof(Wire__ProbeReading *));
    double *values = xcalloc(n, SIM_READING_MAX * sizeof *values);

    for (size_t i = 0; i < n; i++) {
        read_one(w, &store[i], in->hosts[i / in->n_classes], in->classes[i % in->n_classes],
                 values + i * SIM_READING_MAX);
        list[i] = &store[i];
    }
    reply.version = RPC_VERSION;
    reply.n_readings = n;
    reply.readings = list;
    rpc_reply(req, &reply.base);
    free(values);
    free(list);
    free(store);
}

static bool read_makes_sense(const Wire__ProbeRead *in)
{
    if (in->n_classes > 3 || in->n_hosts > ITEMS_MAX) {
        return false;
    }
    for (size_t i = 0; i < in->n_classes; i++) {
        if ((unsigned)in->classes[i] > WIRE__PROBE_CLASS__PROBE_LINKS) {
            return false;
        }
    }
    return true;
}

/* --------------------------------------------------------------- working -- */

static void transfer_one(struct world *w, Wire__ProbeDelivery *out, uint32_t from, uint32_t to,
                         uint64_t seed, struct error *err)
{
    struct sim_delivery delivery = {0};

    wire__probe_delivery__init(out);
    if (from >= w->n_chips || to >= w->n_chips) {
        (void)err_set(err, E_UNREACHABLE, "no such chip");
    } else if (sim_transfer(w, from, to, seed, &delivery, err) == 0) {
        out->delivered = 1;
        out->hops = delivery.hops;
        out->microseconds = delivery.us;
        out->value = delivery.value;
        return;
    }
    out->died_at = delivery.end;
    out->text = err->text;
}

static void transfer(struct world *w, struct rpc_request *req, const Wire__ProbeTransfer *in)
{
    Wire__ProbeReply reply = WIRE__PROBE_REPLY__INIT;
    Wire__ProbeDelivery *store = xcalloc(in->n_from, sizeof *store);
    Wire__ProbeDelivery **list = xcalloc(in->n_from, sizeof(Wire__ProbeDelivery *));
    struct error *errors = xcalloc(in->n_from, sizeof *errors);

    for (size_t i = 0; i < in->n_from; i++) {
        transfer_one(w, &store[i], in->from[i], in->to[i], in->seed, &errors[i]);
        list[i] = &store[i];
    }
    reply.version = RPC_VERSION;
    reply.n_deliveries = in->n_from;
    reply.deliveries = list;
    rpc_reply(req, &reply.base);
    free(errors);
    free(list);
    free(store);
}

static void compute(struct world *w, struct rpc_request *req, const Wire__ProbeCompute *in)
{
    Wire__ProbeReply reply = WIRE__PROBE_REPLY__INIT;
    Wire__ProbeResult *store = xcalloc(in->n_chips, sizeof *store);
    Wire__ProbeResult **list = xcalloc(in->n_chips, sizeof(Wire__ProbeResult *));

    for (size_t i = 0; i < in->n_chips; i++) {
        wire__probe_result__init(&store[i]);
        store[i].answered = in->chips[i] < w->n_chips &&
                            sim_compute(w, in->chips[i], in->seed, in->rounds, &store[i].value);
        list[i] = &store[i];
    }
    reply.version = RPC_VERSION;
    reply.n_results = in->n_chips;
    reply.results = list;
    rpc_reply(req, &reply.base);
    free(list);
    free(store);
}

/* -------------------------------------------------------------- requests -- */

static void serve(struct world *w, struct rpc_request *req, const Wire__ProbeRequest *in)
{
    static char what[] = "neither a reading, a transfer nor a computation within the bounds";

    switch (in->body_case) {
    case WIRE__PROBE_REQUEST__BODY_READ:
        if (read_makes_sense(in->read)) {
            read_all(w, req, in->read);
            return;
        }
        break;
    case WIRE__PROBE_REQUEST__BODY_TRANSFER:
        if (in->transfer->n_from == in->transfer->n_to && in->transfer->n_from <= ITEMS_MAX) {
            transfer(w, req, in->transfer);
            return;
        }
        break;
    case WIRE__PROBE_REQUEST__BODY_COMPUTE:
        if (in->compute->n_chips <= ITEMS_MAX && in->compute->rounds <= ROUNDS_MAX) {
            compute(w, req, in->compute);
            return;
        }
        break;
    case WIRE__PROBE_REQUEST__BODY__NOT_SET:
    case _WIRE__PROBE_REQUEST__BODY__CASE_IS_INT_SIZE:
        break;
    }
    refuse(req, WIRE__PROBE_STATUS__PROBE_MALFORMED, what);
}

static void on_request(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    static char none[] = "not a ProbeRequest", version[] = "version 1 is spoken here",
                pod[] = "another pod is meant";
    const struct probe_endpoint *e = arg;
    Wire__ProbeRequest *in = rpc_unpack(&wire__probe_request__descriptor, body, len);

    if (in == NULL) {
        refuse(req, WIRE__PROBE_STATUS__PROBE_MALFORMED, none);
        return;
    }
    if (in->version != RPC_VERSION) {
        refuse(req, WIRE__PROBE_STATUS__PROBE_WRONG_VERSION, version);
    } else if (strcmp(in->pod, podsim_world(e->p)->config->pod) != 0) {
        refuse(req, WIRE__PROBE_STATUS__PROBE_WRONG_POD, pod);
    } else {
        serve(podsim_tick(e->p), req, in);
        podsim_arm(e->p);
    }
    wire__probe_request__free_unpacked(in, NULL);
}

/* ------------------------------------------------------------ life cycle -- */

int probe_endpoint_create(struct probe_endpoint **out, struct podsim *p, uv_loop_t *loop,
                          struct error *err)
{
    const char *url = podsim_world(p)->config->probe_url;

    *out = NULL;
    if (url == NULL) {
        return 0;
    }
    struct probe_endpoint *e = xcalloc(1, sizeof *e);
    e->p = p;
    *out = e;
    return rpc_server_create(&e->rpc, loop, url, MAX_BYTES, on_request, e, err);
}

void probe_endpoint_stop(struct probe_endpoint *e)
{
    if (e != NULL) {
        rpc_server_destroy(e->rpc);
    }
}

void probe_endpoint_fini(struct probe_endpoint *e)
{
    free(e);
}
