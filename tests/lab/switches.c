/* The agents of the switches: what simulator/serve_ocs.c does, without a network
 * that loses anything.  A call takes its time and ends once; when the agent goes
 * away it ends at once, and what the mirrors do they do all the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "mem.h"

enum { CONNECT_MS = 50, BUSY_MS = 5 };
enum call_kind { CALL_IDENTIFY, CALL_FENCE, CALL_READ, CALL_APPLY };

struct lab_call {
    struct lab *lab;
    struct lab_call *next;
    unsigned life, boots;
    uint16_t ocs;
    enum call_kind kind;
    struct sim_claim claim;
    uint64_t expected;
    struct sim_op *ops;
    size_t n_ops;
    bool changed, ended;
    ocs_answer_fn *done;
    void *arg;
};

/* ---------------------------------------------------------------- answers -- */

static void call_free(struct lab_call *call)
{
    for (size_t i = 0; i < call->n_ops; i++) {
        free(call->ops[i].breaks);
        free(call->ops[i].makes);
    }
    free(call->ops);
    free(call);
}

/* Its caller hears of it, unless it is dead; the call goes on to exist until the
 * event that holds it has come. */
static void end(struct lab_call *call, struct ocs_answer *answer)
{
    struct lab *lab = call->lab;
    const struct sim_ocs *o = &lab->w->ocs[call->ocs];
    struct lab_call **at = &lab->calls;

    while (*at != NULL && *at != call) {
        at = &(*at)->next;
    }
    if (call->ended || call->life != lab->life) {
        return;
    }
    *at = call->next;
    call->ended = true;
    answer->identity = (struct ocs_identity){.generation = o->generation,
                                             .epoch = o->claim.epoch,
                                             .instance = o->claim.instance,
                                             .north_ports = (uint16_t)lab->config.ports_per_side,
                                             .south_ports = (uint16_t)lab->config.ports_per_side,
                                             .light = true};
    memcpy(answer->identity.boot_id, o->boot_id, sizeof answer->identity.boot_id);
    call->done(call->arg, answer);
}

static void refuse(struct lab_call *call, int status, const char *text)
{
    struct ocs_answer answer = {.status = status};

    (void)snprintf(answer.text, sizeof answer.text, "%s", text);
    end(call, &answer);
}

static struct seen_circuit look_at(const struct lab *lab, unsigned ocs, unsigned north)
{
    uint16_t south = lab->w->ocs[ocs].map[north];
    float loss_db = world_loss_db(lab->w, ocs, north);

    return (struct seen_circuit){.north = (uint16_t)north,
                                 .south = south == SIM_NONE ? TPUNET_NONE : south,
                                 .south_dbm = -loss_db,
                                 .loss_db = loss_db};
}

static void answer_map(struct lab_call *call)
{
    struct lab *lab = call->lab;
    struct seen_circuit seen[SIM_PORTS_MAX];
    struct ocs_answer answer = {.seen = seen};

    for (unsigned p = 0; p < lab->config.ports_per_side; p++) {
        if (lab->w->ocs[call->ocs].map[p] != SIM_NONE) {
            seen[answer.n_seen++] = look_at(lab, call->ocs, p);
        }
    }
    end(call, &answer);
}

static void take_result(const struct lab_call *call, const struct sim_op *op,
                        struct ocs_op_result *result)
{
    char text[64];

    *result = (struct ocs_op_result){.op = {op->epoch, op->sequence},
                                     .done = op->result.status == SIM_OP_DONE,
                                     .mirror_fault = op->result.status == SIM_OP_MIRROR,
                                     .south = op->result.south,
                                     .port = op->result.port};
    (void)snprintf(result->text, sizeof result->text, "%s", sim_op_text(&op->result, text));
    result->seen = xcalloc(op->n_breaks + op->n_makes + 1, sizeof *result->seen);
    for (size_t k = 0; k < op->n_breaks + op->n_makes; k++) {
        const struct sim_xc *xc = k < op->n_breaks ? &op->breaks[k] : &op->makes[k - op->n_breaks];
        result->seen[result->n_seen++] = look_at(call->lab, call->ocs, xc->north);
    }
}

static void answer_results(struct lab_call *call)
{
    struct ocs_answer answer = {.n_results = call->n_ops};

    answer.results = xcalloc(call->n_ops, sizeof *answer.results);
    for (size_t i = 0; i < call->n_ops; i++) {
        take_result(call, &call->ops[i], &answer.results[i]);
    }
    end(call, &answer);
    for (size_t i = 0; i < call->n_ops; i++) {
        free(answer.results[i].seen);
    }
    free(answer.results);
}

/* ----------------------------------------------------------------- agents -- */

static void count(struct lab *lab, const struct lab_call *call)
{
    for (size_t i = 0; i < call->n_ops; i++) {
        if (!call->ops[i].replayed && call->ops[i].result.status == SIM_OP_DONE) {
            lab->cross_connects += call->ops[i].n_breaks + call->ops[i].n_makes;
        }
    }
    lab->batches++;
}

static void settle(void *arg)
{
    struct lab_call *call = arg;
    struct lab *lab = call->lab;

    lab->moving[call->ocs] = false;
    if (lab->w->ocs[call->ocs].boots == call->boots) { /* else the power went */
        sim_ocs_finish(lab->w, call->ocs, call->ops, call->n_ops, call->changed);
        count(lab, call);
        answer_results(call);
    }
    call_free(call);
}

/* True if the call is done with; else settle() ends it. */
static bool apply(struct lab_call *call)
{
    struct lab *lab = call->lab;
    const struct sim_ocs *o = &lab->w->ocs[call->ocs];

    if (!sim_ocs_holds(o, call->claim)) {
        refuse(call, E_STALE, "the sender does not hold the claim");
        return true;
    }
    if (call->expected != o->generation && !sim_ocs_all_replayed(o, call->ops, call->n_ops)) {
        refuse(call, E_CONFLICT, "the map has changed since it was read");
        return true;
    }
    call->boots = o->boots;
    call->changed = sim_ocs_begin(lab->w, call->ocs, call->ops, call->n_ops);
    lab->moving[call->ocs] = true;
    evq_at(lab->w->evq, lab_now_ns(lab) + (call->changed ? world_mirror_time_ns(lab->w) : 0),
           settle, call);
    return false;
}

static void serve(void *arg)
{
    struct lab_call *call = arg;
    struct lab *lab = call->lab;
    struct sim_ocs *o = &lab->w->ocs[call->ocs];
    struct ocs_answer answer = {0};

    if (call->ended || call->life != lab->life) {
        call_free(call);
        return;
    }
    if (o->agent_down != 0) {
        refuse(call, E_UNREACHABLE, "no connection");
        call_free(call);
        return;
    }
    if (lab->moving[call->ocs]) { /* one thing at a time */
        lab_after(lab, BUSY_MS, serve, call);
        return;
    }
    switch (call->kind) {
    case CALL_IDENTIFY:
        end(call, &answer);
        break;
    case CALL_FENCE:
        if (sim_ocs_claim(o, call->claim)) {
            end(call, &answer);
        } else {
            refuse(call, E_STALE, "another claim is on record");
        }
        break;
    case CALL_READ:
        answer_map(call);
        break;
    case CALL_APPLY:
        if (!apply(call)) {
            return;
        }
        break;
    }
    call_free(call);
}

/* ------------------------------------------------------------ connections -- */

struct connecting {
    struct lab *lab;
    unsigned life, ocs;
};

static void on_connected(void *arg)
{
    struct connecting *c = arg;
    struct lab *lab = c->lab;

    if (c->life == lab->life && !lab->connected[c->ocs] && lab->w->ocs[c->ocs].agent_down == 0) {
        lab->connected[c->ocs] = true;
        dispatch_link(lab->dispatch, (uint16_t)c->ocs, true);
    }
    free(c);
}

static void connect_soon(struct lab *lab, unsigned ocs)
{
    struct connecting *c = xcalloc(1, sizeof *c);

    *c = (struct connecting){lab, lab->life, ocs};
    lab_after(lab, CONNECT_MS, on_connected, c);
}

void lab_switches_start(struct lab *lab)
{
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        connect_soon(lab, o);
    }
}

void lab_switches_stop(struct lab *lab)
{
    lab->calls = NULL; /* their events find that they are of before */
    memset(lab->connected, 0, sizeof lab->connected);
}

void lab_on_agent(void *arg, unsigned ocs, bool up)
{
    struct lab *lab = arg;

    if (up) {
        connect_soon(lab, ocs);
        lab_wake(lab, 2000);
        return;
    }
    if (lab->model == NULL || !lab->connected[ocs]) {
        return;
    }
    lab->connected[ocs] = false;
    dispatch_link(lab->dispatch, (uint16_t)ocs, false);
    for (struct lab_call *call = lab->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (call->ocs == ocs) {
            refuse(call, E_UNREACHABLE, "the connection was lost");
        }
    }
}

/* ----------------------------------------------------------------- driver -- */

static struct lab_call *begin(struct ocs_driver *d, uint16_t ocs, enum call_kind kind,
                              struct ocs_claim claim, ocs_answer_fn *done, void *arg)
{
    struct lab *lab = (struct lab *)d;
    struct lab_call *call = xcalloc(1, sizeof *call);

    *call = (struct lab_call){.lab = lab,
                              .next = lab->calls,
                              .life = lab->life,
                              .ocs = ocs,
                              .kind = kind,
                              .claim = {claim.epoch, claim.instance, claim.session},
                              .done = done,
                              .arg = arg};
    lab->calls = call;
    lab_after(lab, lab->options.times.call, serve, call);
    return call;
}

static void identify(struct ocs_driver *d, uint16_t ocs, ocs_answer_fn *done, void *arg)
{
    (void)begin(d, ocs, CALL_IDENTIFY, (struct ocs_claim){0}, done, arg);
}

static void fence(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim, ocs_answer_fn *done,
                  void *arg)
{
    (void)begin(d, ocs, CALL_FENCE, claim, done, arg);
}

static void read_map(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                     ocs_answer_fn *done, void *arg)
{
    (void)begin(d, ocs, CALL_READ, claim, done, arg);
}

static struct sim_xc *copy_xcs(const struct tpunet_xc *xcs, size_t n)
{
    struct sim_xc *copy = xcalloc(n + 1, sizeof *copy);

    for (size_t i = 0; i < n; i++) {
        copy[i] = (struct sim_xc){xcs[i].north, xcs[i].south};
    }
    return copy;
}

static void apply_batch(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                        uint64_t expected_generation, const struct ocs_batch_op *ops, size_t n,
                        ocs_answer_fn *done, void *arg)
{
    struct lab_call *call = begin(d, ocs, CALL_APPLY, claim, done, arg);

    call->expected = expected_generation;
    call->n_ops = n;
    call->ops = xcalloc(n, sizeof *call->ops);
    for (size_t i = 0; i < n; i++) {
        call->ops[i] = (struct sim_op){.epoch = ops[i].id.epoch,
                                       .sequence = ops[i].id.seq,
                                       .breaks = copy_xcs(ops[i].breaks, ops[i].n_breaks),
                                       .n_breaks = ops[i].n_breaks,
                                       .makes = copy_xcs(ops[i].makes, ops[i].n_makes),
                                       .n_makes = ops[i].n_makes};
    }
}

static void destroy(struct ocs_driver *d)
{
    (void)d;
}

const struct ocs_driver_ops lab_switches = {.identify = identify,
                                            .fence = fence,
                                            .read = read_map,
                                            .apply = apply_batch,
                                            .destroy = destroy};
