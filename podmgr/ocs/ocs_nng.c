/* Packs requests, checks and unpacks replies; no policy. */
#include "ocs_nng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "ocs.pb-c.h"
#include "rpc.h"

struct nng_driver;

struct switch_link {
    struct nng_driver *driver;
    uint16_t ocs;
    struct rpc_client *client;
};

struct nng_driver {
    struct ocs_driver base;
    const struct pod *pod;
    unsigned timeout_ms;
    ocs_link_fn *on_link;
    void *arg;
    struct switch_link links[TPUNET_OCSES];
};

struct ask {
    struct switch_link *link;
    bool wants_map;
    ocs_answer_fn *done;
    void *arg;
};

/* ------------------------------------------------------------ replies -- */

static int status_of(Wire__OcsStatus status)
{
    switch (status) {
    case WIRE__OCS_STATUS__OCS_OK:
        return 0;
    case WIRE__OCS_STATUS__OCS_WRONG_VERSION:
        return E_VERSION;
    case WIRE__OCS_STATUS__OCS_STALE_EPOCH:
        return E_STALE;
    case WIRE__OCS_STATUS__OCS_WRONG_GENERATION:
        return E_CONFLICT;
    case WIRE__OCS_STATUS__OCS_WRONG_TARGET:
    case WIRE__OCS_STATUS__OCS_MALFORMED:
    case _WIRE__OCS_STATUS_IS_INT_SIZE:
        return E_INVALID;
    }
    return E_PARSE; /* of a newer protocol */
}

static bool take_identity(struct ocs_identity *out, const Wire__OcsIdentity *in)
{
    if (in == NULL || in->boot_id[0] == '\0' || in->north_ports > MODEL_PORTS_MAX ||
        in->south_ports > MODEL_PORTS_MAX) {
        return false;
    }
    (void)snprintf(out->boot_id, sizeof out->boot_id, "%s", in->boot_id);
    out->generation = in->generation;
    out->epoch = in->epoch;
    out->instance = in->instance;
    out->north_ports = (uint16_t)in->north_ports;
    out->south_ports = (uint16_t)in->south_ports;
    out->light = in->light;
    return true;
}

/* A loss that is no number would be below every limit. */
static bool is_sane(const Wire__OcsLight *in)
{
    return in->north < MODEL_PORTS_MAX && in->south < MODEL_PORTS_MAX &&
           isfinite(in->north_power_dbm) && isfinite(in->south_power_dbm) && isfinite(in->loss_db);
}

/* NULL if a port is out of range, or a power is no number. */
static struct seen_circuit *take_circuits(size_t n, Wire__OcsLight *const *in, size_t n_dark,
                                          const uint32_t *dark)
{
    struct seen_circuit *out = xcalloc(n + n_dark, sizeof *out);

    for (size_t i = 0; i < n; i++) {
        if (!is_sane(in[i])) {
            free(out);
            return NULL;
        }
        out[i] = (struct seen_circuit){.north = (uint16_t)in[i]->north,
                                       .south = (uint16_t)in[i]->south,
                                       .north_dbm = in[i]->north_power_dbm,
                                       .south_dbm = in[i]->south_power_dbm,
                                       .loss_db = in[i]->loss_db};
    }
    for (size_t i = 0; i < n_dark; i++) {
        if (dark[i] >= MODEL_PORTS_MAX) {
            free(out);
            return NULL;
        }
        out[n + i] = (struct seen_circuit){.north = (uint16_t)dark[i], .south = TPUNET_NONE};
    }
    return out;
}

static bool take_results(struct ocs_answer *answer, const Wire__OcsReply *reply)
{
    answer->results = xcalloc(reply->n_results, sizeof *answer->results);
    for (size_t i = 0; i < reply->n_results; i++) {
        const Wire__OcsOpResult *in = reply->results[i];
        struct ocs_op_result *out = &answer->results[i];
        out->op = (struct id){.epoch = in->epoch, .seq = in->sequence};
        out->done = in->status == WIRE__OCS_OP_STATUS__OCS_OP_DONE;
        out->mirror_fault =
            in->status == WIRE__OCS_OP_STATUS__OCS_OP_MIRROR_FAULT && in->port < MODEL_PORTS_MAX;
        out->south = in->south;
        out->port = (uint16_t)in->port;
        (void)snprintf(out->text, sizeof out->text, "%s", in->text);
        out->seen = take_circuits(in->n_readback, in->readback, in->n_dark_north, in->dark_north);
        out->n_seen = in->n_readback + in->n_dark_north;
        answer->n_results = i + 1;
        if (out->seen == NULL) {
            return false;
        }
    }
    return true;
}

static void answer_fini(struct ocs_answer *answer)
{
    for (size_t i = 0; i < answer->n_results; i++) {
        free(answer->results[i].seen);
    }
    free(answer->results);
}

static int malformed(struct ocs_answer *answer, const struct ask *ask)
{
    (void)snprintf(answer->text, sizeof answer->text, "ocs/%u sent a malformed reply",
                   ask->link->ocs);
    return E_PARSE;
}

static int take_reply(struct ocs_answer *answer, const struct ask *ask, const Wire__OcsReply *reply,
                      struct seen_circuit **map)
{
    if (reply == NULL || !take_identity(&answer->identity, reply->identity)) {
        return malformed(answer, ask);
    }
    (void)snprintf(answer->text, sizeof answer->text, "ocs/%u: %s", ask->link->ocs, reply->text);
    int status = status_of(reply->status);
    if (status != 0) {
        return status;
    }
    if (reply->identity->ocs != ask->link->ocs) {
        (void)snprintf(answer->text, sizeof answer->text, "the agent at ocs/%u says it is ocs/%u",
                       ask->link->ocs, reply->identity->ocs);
        return E_INVALID;
    }
    if (reply->identity->north_ports < ask->link->driver->pod->ports_per_side ||
        reply->identity->south_ports < ask->link->driver->pod->ports_per_side) {
        (void)snprintf(answer->text, sizeof answer->text,
                       "ocs/%u has %u north and %u south ports, the pod needs %u", ask->link->ocs,
                       reply->identity->north_ports, reply->identity->south_ports,
                       ask->link->driver->pod->ports_per_side);
        return E_INVALID;
    }
    if (ask->wants_map && reply->map == NULL) {
        return malformed(answer, ask); /* missing is not empty (D8) */
    }
    if (reply->map != NULL) {
        *map = take_circuits(reply->map->n_circuits, reply->map->circuits, 0, NULL);
        answer->seen = *map;
        answer->n_seen = reply->map->n_circuits;
        if (*map == NULL) {
            return malformed(answer, ask);
        }
    }
    return take_results(answer, reply) ? 0 : malformed(answer, ask);
}

static void on_reply(void *arg, int status, const uint8_t *body, size_t len)
{
    struct ask *ask = arg;
    struct ocs_answer answer = {.status = status};
    struct seen_circuit *map = NULL;

    if (status == 0) {
        Wire__OcsReply *reply = rpc_unpack(&wire__ocs_reply__descriptor, body, len);
        answer.status = take_reply(&answer, ask, reply, &map);
        if (reply != NULL) {
            wire__ocs_reply__free_unpacked(reply, NULL);
        }
    } else {
        (void)snprintf(answer.text, sizeof answer.text, "ocs/%u: %s", ask->link->ocs,
                       err_name(status));
    }
    ask->done(ask->arg, &answer);
    answer_fini(&answer);
    free(map);
    free(ask);
}

/* ----------------------------------------------------------- requests -- */

static void send_request(struct ocs_driver *d, uint16_t ocs, Wire__OcsRequest *request,
                         struct ocs_claim claim, ocs_answer_fn *done, void *arg)
{
    struct nng_driver *driver = (struct nng_driver *)d;
    struct ask *ask = xcalloc(1, sizeof *ask);

    *ask = (struct ask){.link = &driver->links[ocs],
                        .wants_map = request->body_case == WIRE__OCS_REQUEST__BODY_READ,
                        .done = done,
                        .arg = arg};
    request->version = RPC_VERSION;
    request->pod = (char *)(uintptr_t)driver->pod->id; /* packed only, never written */
    request->ocs = ocs;
    request->epoch = claim.epoch;
    request->instance = claim.instance;
    request->session = claim.session;
    rpc_call(driver->links[ocs].client, &request->base, driver->timeout_ms, on_reply, ask);
}

static void identify(struct ocs_driver *d, uint16_t ocs, ocs_answer_fn *done, void *arg)
{
    Wire__OcsIdentify identify_body = WIRE__OCS_IDENTIFY__INIT;
    Wire__OcsRequest request = WIRE__OCS_REQUEST__INIT;

    request.body_case = WIRE__OCS_REQUEST__BODY_IDENTIFY;
    request.identify = &identify_body;
    send_request(d, ocs, &request, (struct ocs_claim){0}, done, arg);
}

static void fence(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim, ocs_answer_fn *done,
                  void *arg)
{
    Wire__OcsFence fence_body = WIRE__OCS_FENCE__INIT;
    Wire__OcsRequest request = WIRE__OCS_REQUEST__INIT;

    request.body_case = WIRE__OCS_REQUEST__BODY_FENCE;
    request.fence = &fence_body;
    send_request(d, ocs, &request, claim, done, arg);
}

static void read_map(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                     ocs_answer_fn *done, void *arg)
{
    Wire__OcsRead read_body = WIRE__OCS_READ__INIT;
    Wire__OcsRequest request = WIRE__OCS_REQUEST__INIT;

    request.body_case = WIRE__OCS_REQUEST__BODY_READ;
    request.read = &read_body;
    send_request(d, ocs, &request, claim, done, arg);
}

/* A request's circuits in two allocations, whatever their number. */
static Wire__OcsCircuit **pack_circuits(const struct tpunet_xc *xcs, size_t n,
                                        Wire__OcsCircuit *store)
{
    Wire__OcsCircuit **list = xcalloc(n, sizeof *list);

    for (size_t i = 0; i < n; i++) {
        wire__ocs_circuit__init(&store[i]);
        store[i].north = xcs[i].north;
        store[i].south = xcs[i].south;
        list[i] = &store[i];
    }
    return list;
}

static void apply(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                  uint64_t expected_generation, const struct ocs_batch_op *ops, size_t n,
                  ocs_answer_fn *done, void *arg)
{
    Wire__OcsApply body = WIRE__OCS_APPLY__INIT;
    Wire__OcsRequest request = WIRE__OCS_REQUEST__INIT;
    Wire__OcsOp *store = xcalloc(n, sizeof *store);
    Wire__OcsOp **list = xcalloc(n, sizeof *list);
    Wire__OcsCircuit **circuits = xcalloc(n, sizeof *circuits);

    for (size_t i = 0; i < n; i++) {
        circuits[i] = xcalloc(ops[i].n_breaks + ops[i].n_makes, sizeof **circuits);
        wire__ocs_op__init(&store[i]);
        store[i].epoch = ops[i].id.epoch;
        store[i].sequence = ops[i].id.seq;
        store[i].n_breaks = ops[i].n_breaks;
        store[i].breaks = pack_circuits(ops[i].breaks, ops[i].n_breaks, circuits[i]);
        store[i].n_makes = ops[i].n_makes;
        store[i].makes = pack_circuits(ops[i].makes, ops[i].n_makes, circuits[i] + ops[i].n_breaks);
        list[i] = &store[i];
    }
    body.expected_generation = expected_generation;
    body.n_ops = n;
    body.ops = list;
    request.body_case = WIRE__OCS_REQUEST__BODY_APPLY;
    request.apply = &body;
    send_request(d, ocs, &request, claim, done, arg);
    for (size_t i = 0; i < n; i++) {
        free(store[i].breaks);
        free(store[i].makes);
        free(circuits[i]);
    }
    free(circuits);
    free(list);
    free(store);
}

/* --------------------------------------------------------- life cycle -- */

static void destroy(struct ocs_driver *d)
{
    struct nng_driver *driver = (struct nng_driver *)d;

    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        rpc_client_destroy(driver->links[o].client);
    }
    free(driver);
}

static void on_state(void *arg, bool connected)
{
    struct switch_link *link = arg;
    link->driver->on_link(link->driver->arg, link->ocs, connected);
}

/* The configuration has checked that the pattern holds one %u and no other
 * conversion. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void format_url(char *buf, size_t size, const char *pattern, unsigned ocs)
{
    (void)snprintf(buf, size, pattern, ocs);
}
#pragma GCC diagnostic pop

int ocs_nng_create(struct ocs_driver **out, uv_loop_t *loop, const struct pod *pod, const char *url,
                   unsigned timeout_ms, ocs_link_fn *on_link, void *arg, struct error *err)
{
    static const struct ocs_driver_ops ops = {
        .identify = identify, .fence = fence, .read = read_map, .apply = apply, .destroy = destroy};
    struct nng_driver *driver = xcalloc(1, sizeof *driver);

    driver->base.ops = &ops;
    driver->pod = pod;
    driver->timeout_ms = timeout_ms;
    driver->on_link = on_link;
    driver->arg = arg;
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        struct switch_link *link = &driver->links[o];
        char one[256];
        *link = (struct switch_link){.driver = driver, .ocs = o};
        format_url(one, sizeof one, url, o);
        int status =
            rpc_client_create(&link->client, loop, one, RPC_MAX_BYTES, on_state, link, err);
        if (status < 0) {
            destroy(&driver->base);
            return err_prefix(err, "ocs/%u", o);
        }
    }
    *out = &driver->base;
    return 0;
}
