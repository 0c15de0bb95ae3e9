/* The agents of the 48 switches (proto/ocs.proto).  An agent does one thing at
 * a time: what arrives while its mirrors move waits in line. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "ocs.pb-c.h"
#include "ocs_device.h"
#include "rpc.h"
#include "serve.h"

struct waiting {
    struct waiting *next;
    struct rpc_request *req;
    Wire__OcsRequest *in;
};

struct ocs_agent {
    struct ocs_endpoint *endpoint;
    unsigned ocs;
    struct rpc_server *rpc; /* NULL while the agent is away */
    struct waiting *first, **last;
    bool moving; /* a batch is under way: */
    struct rpc_request *req;
    Wire__OcsRequest *in;
    struct sim_op *ops;
    size_t n_ops;
    bool changed;
    unsigned boots; /* of the switch when the batch began */
};

struct ocs_endpoint {
    struct podsim *p;
    uv_loop_t *loop;
    struct ocs_agent agents[SIM_OCSES];
};

/* ---------------------------------------------------------------- replies -- */

static void fill_light(const struct world *w, unsigned ocs, unsigned north, Wire__OcsLight *out)
{
    float loss_db = world_loss_db(w, ocs, north);
    static const float sent_dbm = 0, dark_dbm = -60;

    wire__ocs_light__init(out);
    out->north = north;
    out->south = w->ocs[ocs].map[north];
    out->north_power_dbm = sent_dbm;
    out->south_power_dbm = loss_db >= 60 ? dark_dbm : sent_dbm - loss_db;
    out->loss_db = loss_db;
}

struct reply {
    Wire__OcsReply reply;
    Wire__OcsIdentity identity;
    Wire__OcsMap map;
    Wire__OcsLight light[SIM_PORTS_MAX], *light_list[SIM_PORTS_MAX];
};

static struct reply *reply_begin(const struct ocs_agent *agent, Wire__OcsStatus status, char *text)
{
    const struct world *w = podsim_world(agent->endpoint->p);
    const struct sim_ocs *o = &w->ocs[agent->ocs];
    struct reply *r = xcalloc(1, sizeof *r);

    wire__ocs_reply__init(&r->reply);
    wire__ocs_identity__init(&r->identity);
    r->identity.pod = (char *)(uintptr_t)w->config->pod;
    r->identity.ocs = agent->ocs;
    r->identity.boot_id = (char *)(uintptr_t)o->boot_id;
    r->identity.generation = o->generation;
    r->identity.epoch = o->claim.epoch;
    r->identity.instance = o->claim.instance;
    r->identity.north_ports = r->identity.south_ports = w->config->ports_per_side;
    r->identity.durable_fence = r->identity.op_log = r->identity.atomic = r->identity.light = 1;
    r->reply.version = RPC_VERSION;
    r->reply.status = status;
    r->reply.text = text;
    r->reply.identity = &r->identity;
    return r;
}

static void reply_end(struct rpc_request *req, struct reply *r)
{
    rpc_reply(req, &r->reply.base);
    free(r);
}

static void reply_status(const struct ocs_agent *agent, struct rpc_request *req,
                         Wire__OcsStatus status, char *text)
{
    reply_end(req, reply_begin(agent, status, text));
}

static void reply_map(const struct ocs_agent *agent, struct rpc_request *req)
{
    const struct world *w = podsim_world(agent->endpoint->p);
    struct reply *r = reply_begin(agent, WIRE__OCS_STATUS__OCS_OK, "");

    wire__ocs_map__init(&r->map);
    r->reply.map = &r->map;
    r->map.circuits = r->light_list;
    for (unsigned p = 0; p < w->config->ports_per_side; p++) {
        if (w->ocs[agent->ocs].map[p] != SIM_NONE) {
            size_t i = r->map.n_circuits++;
            fill_light(w, agent->ocs, p, &r->light[i]);
            r->light_list[i] = &r->light[i];
        }
    }
    reply_end(req, r);
}

/* ---------------------------------------------------------------- batches -- */

/* Read-back of the north ports that an operation named. */
static void fill_result(const struct world *w, unsigned ocs, const struct sim_op *op,
                        char text[static 64], Wire__OcsOpResult *out)
{
    size_t n = op->n_breaks + op->n_makes;
    Wire__OcsLight *light = xcalloc(n, sizeof *light);

    wire__ocs_op_result__init(out);
    (void)sim_op_text(&op->result, text);
    out->epoch = op->epoch;
    out->sequence = op->sequence;
    out->status = (Wire__OcsOpStatus)op->result.status;
    out->replayed = op->replayed;
    out->port = op->result.port;
    out->south = op->result.south;
    out->text = text;
    out->readback = xcalloc(n, sizeof(Wire__OcsLight *));
    out->dark_north = xcalloc(n, sizeof *out->dark_north);
    out->readback[0] = light; /* also owns the store when all are dark */
    for (size_t i = 0; i < n; i++) {
        unsigned north = i < op->n_breaks ? op->breaks[i].north : op->makes[i - op->n_breaks].north;
        if (north >= w->config->ports_per_side) {
            continue;
        }
        if (w->ocs[ocs].map[north] == SIM_NONE) {
            out->dark_north[out->n_dark_north++] = north;
        } else {
            fill_light(w, ocs, north, &light[out->n_readback]);
            out->readback[out->n_readback] = &light[out->n_readback];
            out->n_readback++;
        }
    }
}

static void reply_results(struct ocs_agent *agent)
{
    const struct world *w = podsim_world(agent->endpoint->p);
    struct reply *r = reply_begin(agent, WIRE__OCS_STATUS__OCS_OK, "");
    Wire__OcsOpResult *store = xcalloc(agent->n_ops, sizeof *store);
    Wire__OcsOpResult **list = xcalloc(agent->n_ops, sizeof *list);
    char(*texts)[64] = xcalloc(agent->n_ops, sizeof *texts);

    for (size_t i = 0; i < agent->n_ops; i++) {
        fill_result(w, agent->ocs, &agent->ops[i], texts[i], &store[i]);
        list[i] = &store[i];
    }
    r->reply.n_results = agent->n_ops;
    r->reply.results = list;
    reply_end(agent->req, r);
    for (size_t i = 0; i < agent->n_ops; i++) {
        free(store[i].readback[0]);
        free(store[i].readback);
        free(store[i].dark_north);
    }
    free(texts);
    free(list);
    free(store);
}

static struct sim_xc *take_circuits(size_t n, Wire__OcsCircuit *const *in)
{
    struct sim_xc *out = xcalloc(n, sizeof *out);

    for (size_t i = 0; i < n; i++) {
        out[i].north = in[i]->north < SIM_NONE ? (uint16_t)in[i]->north : SIM_NONE;
        out[i].south = in[i]->south < SIM_NONE ? (uint16_t)in[i]->south : SIM_NONE;
    }
    return out;
}

static void take_ops(struct ocs_agent *agent, const Wire__OcsApply *apply)
{
    agent->n_ops = apply->n_ops;
    agent->ops = xcalloc(apply->n_ops, sizeof *agent->ops);
    for (size_t i = 0; i < apply->n_ops; i++) {
        const Wire__OcsOp *in = apply->ops[i];
        agent->ops[i] = (struct sim_op){.epoch = in->epoch,
                                        .sequence = in->sequence,
                                        .n_breaks = in->n_breaks,
                                        .breaks = take_circuits(in->n_breaks, in->breaks),
                                        .n_makes = in->n_makes,
                                        .makes = take_circuits(in->n_makes, in->makes)};
    }
}

static void free_ops(struct ocs_agent *agent)
{
    for (size_t i = 0; i < agent->n_ops; i++) {
        free(agent->ops[i].breaks);
        free(agent->ops[i].makes);
    }
    free(agent->ops);
    agent->ops = NULL;
    agent->n_ops = 0;
}

static void end_batch(struct ocs_agent *agent)
{
    free_ops(agent);
    agent->moving = false;
}

static void settle(struct ocs_agent *agent)
{
    struct world *w = podsim_world(agent->endpoint->p);

    assert(w->ocs[agent->ocs].boots == agent->boots); /* else abandon_batch() */
    sim_ocs_finish(w, agent->ocs, agent->ops, agent->n_ops, agent->changed);
    reply_results(agent);
    end_batch(agent);
}

static void serve_waiting(struct ocs_agent *agent);
static void on_settled(void *arg);

/* Power was lost while the mirrors moved, and with it the batch. */
static bool abandon_batch(struct ocs_agent *agent)
{
    struct world *w = podsim_world(agent->endpoint->p);

    if (!agent->moving || w->ocs[agent->ocs].boots == agent->boots) {
        return false;
    }
    (void)evq_cancel(w->evq, on_settled, agent);
    rpc_drop(agent->req);
    end_batch(agent);
    return true;
}

static void on_settled(void *arg)
{
    struct ocs_agent *agent = arg;

    if (!abandon_batch(agent)) {
        settle(agent);
    }
    serve_waiting(agent);
    podsim_arm(agent->endpoint->p);
}

static void refuse_batch(struct ocs_agent *agent, struct rpc_request *req, Wire__OcsStatus status,
                         char *text)
{
    free_ops(agent);
    reply_status(agent, req, status, text);
}

static void apply(struct ocs_agent *agent, struct rpc_request *req, const Wire__OcsApply *in)
{
    struct world *w = podsim_world(agent->endpoint->p);
    struct sim_ocs *o = &w->ocs[agent->ocs];

    take_ops(agent, in);
    if (!sim_ocs_ids_differ(agent->ops, agent->n_ops)) {
        refuse_batch(agent, req, WIRE__OCS_STATUS__OCS_MALFORMED, "an operation id is there twice");
        return;
    }
    if (in->expected_generation != o->generation &&
        !sim_ocs_all_replayed(o, agent->ops, agent->n_ops)) {
        refuse_batch(agent, req, WIRE__OCS_STATUS__OCS_WRONG_GENERATION,
                     "the map has changed since it was read");
        return;
    }
    agent->req = req;
    agent->moving = true;
    agent->boots = o->boots;
    agent->changed = sim_ocs_begin(w, agent->ocs, agent->ops, agent->n_ops);
    int64_t time_ns = agent->changed ? world_mirror_time_ns(w) : 0;
    if (time_ns == 0) {
        settle(agent);
        return;
    }
    evq_at(w->evq, evq_now_ns(w->evq) + time_ns, on_settled, agent);
    podsim_arm(agent->endpoint->p);
}

/* --------------------------------------------------------------- requests -- */

static void serve(struct ocs_agent *agent, struct rpc_request *req, const Wire__OcsRequest *in)
{
    struct sim_ocs *o = &podsim_world(agent->endpoint->p)->ocs[agent->ocs];
    const struct sim_claim claim = {in->epoch, in->instance, in->session};
    bool holds = sim_ocs_holds(o, claim);

    switch (in->body_case) {
    case WIRE__OCS_REQUEST__BODY_IDENTIFY:
        reply_status(agent, req, WIRE__OCS_STATUS__OCS_OK, "");
        return;
    case WIRE__OCS_REQUEST__BODY_FENCE:
        holds = in->epoch != 0 && sim_ocs_claim(o, claim);
        reply_status(agent, req,
                     holds ? WIRE__OCS_STATUS__OCS_OK : WIRE__OCS_STATUS__OCS_STALE_EPOCH,
                     holds ? "" : "another claim is on record");
        return;
    case WIRE__OCS_REQUEST__BODY_READ:
        reply_map(agent, req); /* reading changes nothing: no claim is asked for */
        return;
    case WIRE__OCS_REQUEST__BODY_APPLY:
        if (holds) {
            apply(agent, req, in->apply);
        } else {
            reply_status(agent, req, WIRE__OCS_STATUS__OCS_STALE_EPOCH,
                         "the sender does not hold the claim");
        }
        return;
    case WIRE__OCS_REQUEST__BODY__NOT_SET:
    case _WIRE__OCS_REQUEST__BODY__CASE_IS_INT_SIZE:
        break;
    }
    reply_status(agent, req, WIRE__OCS_STATUS__OCS_MALFORMED, "empty request");
}

static void serve_waiting(struct ocs_agent *agent)
{
    while (agent->first != NULL && !agent->moving) {
        struct waiting *next = agent->first;
        agent->first = next->next;
        if (agent->first == NULL) {
            agent->last = &agent->first;
        }
        serve(agent, next->req, next->in);
        wire__ocs_request__free_unpacked(next->in, NULL);
        free(next);
    }
}

static void on_request(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    struct ocs_agent *agent = arg;
    const struct sim_config *config = podsim_tick(agent->endpoint->p)->config;
    Wire__OcsRequest *in = rpc_unpack(&wire__ocs_request__descriptor, body, len);

    if (in == NULL) {
        reply_status(agent, req, WIRE__OCS_STATUS__OCS_MALFORMED, "not an OcsRequest");
        return;
    }
    if (in->version != RPC_VERSION) {
        reply_status(agent, req, WIRE__OCS_STATUS__OCS_WRONG_VERSION,
                     "this agent speaks version 1");
    } else if (strcmp(in->pod, config->pod) != 0 || in->ocs != agent->ocs) {
        reply_status(agent, req, WIRE__OCS_STATUS__OCS_WRONG_TARGET,
                     "another pod or switch is meant");
    } else if (agent->moving) {
        struct waiting *w = xmalloc(sizeof *w);
        *w = (struct waiting){.req = req, .in = in};
        *agent->last = w;
        agent->last = &w->next;
        return;
    } else {
        serve(agent, req, in);
    }
    wire__ocs_request__free_unpacked(in, NULL);
}

/* ------------------------------------------------------------- life cycle -- */

static int open_agent(struct ocs_agent *agent, struct error *err)
{
    char url[256];

    sim_ocs_url(podsim_world(agent->endpoint->p)->config, agent->ocs, url, sizeof url);
    return rpc_server_create(&agent->rpc, agent->endpoint->loop, url, RPC_MAX_BYTES, on_request,
                             agent, err);
}

static void drop_waiting(struct ocs_agent *agent)
{
    while (agent->first != NULL) {
        struct waiting *w = agent->first;
        agent->first = w->next;
        rpc_drop(w->req);
        wire__ocs_request__free_unpacked(w->in, NULL);
        free(w);
    }
    agent->last = &agent->first;
}

void ocs_endpoint_agent(struct ocs_endpoint *e, unsigned ocs, bool up)
{
    struct ocs_agent *agent = &e->agents[ocs];
    struct error err;

    (void)abandon_batch(agent);
    if (up && agent->rpc == NULL) {
        if (open_agent(agent, &err) < 0) {
            log_error("podsim", "ocs/%u: %s", ocs, err.text);
        }
    } else if (!up) {
        drop_waiting(agent); /* a batch under way ends by itself: its mirrors move */
        rpc_server_destroy(agent->rpc);
        agent->rpc = NULL;
    }
}

int ocs_endpoint_create(struct ocs_endpoint **out, struct podsim *p, uv_loop_t *loop,
                        struct error *err)
{
    struct ocs_endpoint *e = xcalloc(1, sizeof *e);

    *out = e; /* for podsim_stop(), also when this fails half-way */
    e->p = p;
    e->loop = loop;
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        e->agents[o].endpoint = e;
        e->agents[o].ocs = o;
        e->agents[o].last = &e->agents[o].first;
        int status = open_agent(&e->agents[o], err);
        if (status < 0) {
            return status;
        }
    }
    return 0;
}

void ocs_endpoint_stop(struct ocs_endpoint *e)
{
    for (unsigned o = 0; e != NULL && o < SIM_OCSES; o++) {
        struct ocs_agent *agent = &e->agents[o];
        if (agent->last != NULL) {
            drop_waiting(agent);
        }
        if (agent->moving) {
            rpc_drop(agent->req);
            end_batch(agent);
        }
        rpc_server_destroy(agent->rpc);
        agent->rpc = NULL;
    }
}

void ocs_endpoint_fini(struct ocs_endpoint *e)
{
    free(e);
}
