/* The way to the switches and back, and their agents.
 *
 * An agent does what simulator/serve_ocs.c does, on the same device code: the
 * fence, the expected generation, one batch at a time.  The network between
 * may drop, delay, duplicate and reorder, so an agent may be told twice, and
 * late; a caller hears one answer: the first that comes in time, or none. */
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "sim.h"

enum { TIME_LIMIT_MS = 1000 };
enum call_kind { IDENTIFY, FENCE, READ, APPLY };

struct call {
    struct manager *m;
    struct call *next_call, *next_waiting;
    uint16_t ocs;
    enum call_kind kind;
    struct ocs_claim claim;
    uint64_t expected;
    struct sim_op *ops;
    size_t n_ops;
    ocs_answer_fn *done;
    void *arg;
    bool ended;
};

struct letter {
    struct call *call;
    struct ocs_answer answer;
};

/* -------------------------------------------------------------- network -- */

enum way { TO_AGENT, FROM_AGENT };

static bool is_cut(const struct sim *s, unsigned ocs, enum way way)
{
    return sim_now(s) < s->sw[ocs].cut_until_ns[way];
}

/* Sends it once, twice or not at all. */
static void send(struct sim *s, unsigned ocs, enum way way, evq_fn *fn, void *arg)
{
    int64_t delay = (int64_t)(50 + sim_random(s, 1000)) * 1000;

    if (is_cut(s, ocs, way)) {
        return;
    }
    if (sim_fault(s, F_DUPLICATE, 0.02)) {
        sim_after(s, delay + (int64_t)sim_random(s, 5000) * MS, fn, arg);
    }
    if (sim_fault(s, F_DROP, 0.003)) {
        return;
    }
    if (sim_fault(s, F_DELAY, 0.003)) {
        delay += (int64_t)(200 + sim_random(s, 3000)) * MS;
    } else if (sim_fault(s, F_REORDER, 0.02)) {
        delay += (int64_t)sim_random(s, 50) * MS;
    }
    sim_after(s, delay, fn, arg);
}

void switch_cut(struct sim *s, unsigned ocs, bool from_agent, int64_t ns)
{
    sim_note(s, "way %s ocs/%u cut", from_agent ? "from" : "to", ocs);
    s->sw[ocs].cut_until_ns[from_agent ? FROM_AGENT : TO_AGENT] = sim_now(s) + ns;
}

static void end_call(struct call *call, const struct ocs_answer *answer)
{
    struct call **at = &call->m->calls;

    call->ended = true;
    while (*at != call) {
        at = &(*at)->next_call;
    }
    *at = call->next_call;
    call->done(call->arg, answer);
}

static void on_answer(void *arg)
{
    struct letter *letter = arg;
    struct call *call = letter->call;

    if (!call->ended && call->m->alive) {
        end_call(call, &letter->answer);
    }
}

static void on_time_limit(void *arg)
{
    struct call *call = arg;
    struct ocs_answer answer = {.status = E_TIMEOUT, .text = "no answer in time"};

    if (!call->ended && call->m->alive) {
        end_call(call, &answer);
    }
}

/* -------------------------------------------------------------- answers -- */

static struct letter *letter_to(struct call *call, int status, const char *text)
{
    struct sim *s = call->m->s;
    const struct sim_ocs *o = &s->w->ocs[call->ocs];
    struct letter *letter = sim_new(s, sizeof *letter);
    struct ocs_identity *identity = &letter->answer.identity;

    letter->call = call;
    letter->answer.status = status;
    (void)snprintf(letter->answer.text, sizeof letter->answer.text, "%s", text);
    memcpy(identity->boot_id, o->boot_id, sizeof identity->boot_id);
    identity->generation = o->generation;
    identity->epoch = o->epoch;
    identity->instance = o->instance;
    identity->north_ports = identity->south_ports = (uint16_t)s->config.ports_per_side;
    identity->light = true;
    return letter;
}

static void answer(struct sim *s, struct letter *letter)
{
    send(s, letter->call->ocs, FROM_AGENT, on_answer, letter);
}

static struct seen_circuit look(const struct world *w, unsigned ocs, unsigned north)
{
    uint16_t south = w->ocs[ocs].map[north];
    float loss_db = world_loss_db(w, ocs, north);

    return (struct seen_circuit){.north = (uint16_t)north,
                                 .south = south == SIM_NONE ? TPUNET_NONE : south,
                                 .south_dbm = -loss_db,
                                 .loss_db = loss_db};
}

static void answer_map(struct call *call)
{
    struct sim *s = call->m->s;
    struct letter *letter = letter_to(call, 0, "");
    struct seen_circuit seen[SIM_PORTS_MAX];
    size_t n = 0;

    for (unsigned p = 0; p < s->config.ports_per_side; p++) {
        if (s->w->ocs[call->ocs].map[p] != SIM_NONE) {
            seen[n++] = look(s->w, call->ocs, p);
        }
    }
    letter->answer.seen = sim_copy(s, seen, n * sizeof *seen);
    letter->answer.n_seen = n;
    answer(s, letter);
}

static void answer_results(struct sim *s, struct sw *sw)
{
    struct call *call = sw->moving;
    struct letter *letter = letter_to(call, 0, "");

    letter->answer.n_results = sw->n_ops;
    letter->answer.results = sim_new(s, sw->n_ops * sizeof *letter->answer.results);
    for (size_t i = 0; i < sw->n_ops; i++) {
        const struct sim_op *op = &sw->ops[i];
        struct ocs_op_result *result = &letter->answer.results[i];
        char text[64];
        result->op = (struct id){op->epoch, op->sequence};
        result->done = op->result.status == SIM_OP_DONE;
        (void)snprintf(result->text, sizeof result->text, "%s", sim_op_text(&op->result, text));
        result->seen = sim_new(s, (op->n_breaks + op->n_makes) * sizeof *result->seen);
        for (size_t k = 0; k < op->n_breaks; k++) {
            result->seen[result->n_seen++] = look(s->w, call->ocs, op->breaks[k].north);
        }
        for (size_t k = 0; k < op->n_makes; k++) {
            result->seen[result->n_seen++] = look(s->w, call->ocs, op->makes[k].north);
        }
    }
    answer(s, letter);
}

/* --------------------------------------------------------------- agents -- */

static void serve(struct sim *s, struct call *call);

static void serve_waiting(struct sim *s, struct sw *sw)
{
    while (sw->first != NULL && sw->moving == NULL) {
        struct call *call = sw->first;
        sw->first = call->next_waiting;
        if (sw->first == NULL) {
            sw->last = &sw->first;
        }
        serve(s, call);
    }
}

static void settle(void *arg)
{
    struct call *call = arg;
    struct sim *s = call->m->s;
    struct sw *sw = &s->sw[call->ocs];

    sim_ocs_finish(s->w, call->ocs, sw->ops, sw->n_ops, sw->changed);
    oracle_moved(s, call->ocs, call->claim, sw->ops, sw->n_ops, true);
    answer_results(s, sw);
    sw->moving = NULL;
    serve_waiting(s, sw);
}

static void apply(struct sim *s, struct call *call)
{
    struct sim_ocs *o = &s->w->ocs[call->ocs];
    struct sw *sw = &s->sw[call->ocs];

    if (!sim_ocs_holds(o, call->claim.epoch, call->claim.instance)) {
        answer(s, letter_to(call, E_STALE, "the sender does not hold the claim"));
        return;
    }
    if (call->expected != o->generation && !sim_ocs_all_replayed(o, call->ops, call->n_ops)) {
        answer(s, letter_to(call, E_CONFLICT, "the map has changed since it was read"));
        return;
    }
    sw->moving = call;
    sw->n_ops = call->n_ops;
    sw->ops = sim_copy(s, call->ops, call->n_ops * sizeof *call->ops);
    sw->boots = o->boots;
    sw->changed = sim_ocs_begin(s->w, call->ocs, sw->ops, sw->n_ops);
    oracle_moved(s, call->ocs, call->claim, sw->ops, sw->n_ops, false);
    if (sw->changed) {
        sim_after(s, world_mirror_time_ns(s->w), settle, call);
    } else {
        settle(call);
    }
}

static void serve(struct sim *s, struct call *call)
{
    struct sim_ocs *o = &s->w->ocs[call->ocs];

    sim_note(s, "ocs/%u: %d of epoch %llu, generation %llu", call->ocs, (int)call->kind,
             (unsigned long long)call->claim.epoch, (unsigned long long)o->generation);
    switch (call->kind) {
    case IDENTIFY:
        answer(s, letter_to(call, 0, ""));
        return;
    case FENCE:
        if (sim_ocs_claim(o, call->claim.epoch, call->claim.instance)) {
            oracle_fenced(s, call->ocs, call->claim);
            answer(s, letter_to(call, 0, ""));
        } else {
            answer(s, letter_to(call, E_STALE, "another claim is on record"));
        }
        return;
    case READ:
        answer_map(call);
        return;
    case APPLY:
        apply(s, call);
        return;
    }
}

static void on_request(void *arg)
{
    struct call *call = arg;
    struct sim *s = call->m->s;
    struct sw *sw = &s->sw[call->ocs];

    if (s->w->ocs[call->ocs].agent_down != 0) {
        return;
    }
    if (sw->moving != NULL) {
        for (const struct call *w = sw->first; w != NULL; w = w->next_waiting) {
            if (w == call) {
                return; /* its double waits already */
            }
        }
        call->next_waiting = NULL;
        *sw->last = call;
        sw->last = &call->next_waiting;
    } else {
        serve(s, call);
    }
}

/* ---------------------------------------------------------- connections -- */

struct connecting {
    struct manager *m;
    uint16_t ocs;
};

static void on_connected(void *arg)
{
    struct connecting *c = arg;

    if (c->m->alive && !c->m->connected[c->ocs] && c->m->s->w->ocs[c->ocs].agent_down == 0) {
        c->m->connected[c->ocs] = true;
        dispatch_link(c->m->dispatch, c->ocs, true);
    }
}

static void connect_soon(struct manager *m, unsigned ocs)
{
    struct connecting *c = sim_new(m->s, sizeof *c);

    *c = (struct connecting){m, (uint16_t)ocs};
    sim_after(m->s, (int64_t)(1 + sim_random(m->s, 100)) * MS, on_connected, c);
}

void switches_connect(struct manager *m)
{
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        connect_soon(m, o);
    }
}

static void disconnect(struct manager *m, unsigned ocs)
{
    struct ocs_answer answer = {.status = E_UNREACHABLE, .text = "the connection was lost"};

    if (!m->alive || !m->connected[ocs]) {
        return;
    }
    m->connected[ocs] = false;
    dispatch_link(m->dispatch, (uint16_t)ocs, false);
    for (struct call *call = m->calls, *next; call != NULL; call = next) {
        next = call->next_call;
        if (call->ocs == ocs) {
            end_call(call, &answer);
        }
    }
}

/* The world's word that an agent came or went.  What waited is lost; a batch
 * under way ends by itself, unless the power went. */
static void on_agent(void *arg, unsigned ocs, bool up)
{
    struct sim *s = arg;
    struct sw *sw = &s->sw[ocs];

    if (sw->moving != NULL && s->w->ocs[ocs].boots != sw->boots) {
        (void)evq_cancel(s->w->evq, settle, sw->moving);
        sw->moving = NULL;
    }
    if (!up) {
        sw->first = NULL;
        sw->last = &sw->first;
    }
    for (struct manager *m = s->managers; m != NULL; m = m->next) {
        if (!up) {
            disconnect(m, ocs);
        } else if (m->alive) {
            connect_soon(m, ocs);
        }
    }
}

void switches_init(struct sim *s)
{
    s->w->on_agent = on_agent;
    s->w->hook_arg = s;
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        s->sw[o].last = &s->sw[o].first;
    }
}

/* Somebody at the switch itself joins two free ports. */
void switch_foreign(struct sim *s)
{
    unsigned ocs = (unsigned)sim_random(s, SIM_OCSES);
    struct sim_ocs *o = &s->w->ocs[ocs];
    struct sim_xc xc = {(uint16_t)sim_random(s, s->cubes), (uint16_t)sim_random(s, s->cubes)};
    struct sim_op op = {.sequence = ++s->foreign_ids, .makes = &xc, .n_makes = 1};

    if (s->sw[ocs].moving != NULL || o->power_down != 0 || o->map[xc.north] != SIM_NONE ||
        o->back[xc.south] != SIM_NONE) {
        return;
    }
    s->outcome->activated[F_FOREIGN]++;
    bool changed = sim_ocs_begin(s->w, ocs, &op, 1);
    sim_ocs_finish(s->w, ocs, &op, 1, changed);
    if (changed) {
        oracle_foreign(s, ocs, xc);
    }
}

/* --------------------------------------------------------------- driver -- */

static struct call *begin(struct ocs_driver *d, uint16_t ocs, enum call_kind kind,
                          struct ocs_claim claim, ocs_answer_fn *done, void *arg)
{
    struct manager *m = (struct manager *)d;
    struct call *call = sim_new(m->s, sizeof *call);

    *call = (struct call){.m = m,
                          .next_call = m->calls,
                          .ocs = ocs,
                          .kind = kind,
                          .claim = claim,
                          .done = done,
                          .arg = arg};
    m->calls = call;
    return call;
}

static void go(struct call *call)
{
    struct sim *s = call->m->s;

    if (call->m->connected[call->ocs]) {
        send(s, call->ocs, TO_AGENT, on_request, call);
        sim_after(s, TIME_LIMIT_MS * MS, on_time_limit, call);
    } else {
        sim_after(s, MS, on_answer, letter_to(call, E_UNREACHABLE, "no connection"));
    }
}

static void identify(struct ocs_driver *d, uint16_t ocs, ocs_answer_fn *done, void *arg)
{
    go(begin(d, ocs, IDENTIFY, (struct ocs_claim){0}, done, arg));
}

static void fence(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim, ocs_answer_fn *done,
                  void *arg)
{
    go(begin(d, ocs, FENCE, claim, done, arg));
}

static void read_map(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                     ocs_answer_fn *done, void *arg)
{
    go(begin(d, ocs, READ, claim, done, arg));
}

static struct sim_xc *copy_xcs(struct sim *s, const struct tpunet_xc *xcs, size_t n)
{
    struct sim_xc *copy = sim_new(s, n * sizeof *copy);

    for (size_t i = 0; i < n; i++) {
        copy[i] = (struct sim_xc){xcs[i].north, xcs[i].south};
    }
    return copy;
}

static void apply_batch(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                        uint64_t expected_generation, const struct ocs_batch_op *ops, size_t n,
                        ocs_answer_fn *done, void *arg)
{
    struct call *call = begin(d, ocs, APPLY, claim, done, arg);
    struct sim *s = call->m->s;

    s->applies++;
    call->expected = expected_generation;
    call->n_ops = n;
    call->ops = sim_new(s, n * sizeof *call->ops);
    for (size_t i = 0; i < n; i++) {
        call->ops[i] = (struct sim_op){.epoch = ops[i].id.epoch,
                                       .sequence = ops[i].id.seq,
                                       .breaks = copy_xcs(s, ops[i].breaks, ops[i].n_breaks),
                                       .n_breaks = ops[i].n_breaks,
                                       .makes = copy_xcs(s, ops[i].makes, ops[i].n_makes),
                                       .n_makes = ops[i].n_makes};
    }
    go(call);
}

static void destroy(struct ocs_driver *d)
{
    (void)d; /* its memory is the seed's */
}

const struct ocs_driver_ops switches_ops = {.identify = identify,
                                            .fence = fence,
                                            .read = read_map,
                                            .apply = apply_batch,
                                            .destroy = destroy};
