/* The way to the switches and back: podmgr's driver of the seam ocs.h, its
 * connections, and a network that may drop, delay, duplicate, reorder and cut,
 * so that an agent may be told twice, and late. */
#include "switches.h"

#include <stdio.h>
#include <string.h>

enum { TIME_LIMIT_MS = 1000 };

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

/* What reaches a paused process waits until it goes on. */
static bool waits(struct manager *m, evq_fn *fn, void *arg)
{
    bool paused = m->alive && manager_is_paused(m);

    if (paused) {
        evq_at(m->s->w->evq, m->paused_until_ns, fn, arg);
    }
    return paused;
}

static void on_answer(void *arg)
{
    struct letter *letter = arg;
    struct call *call = letter->call;

    if (!call->ended && call->m->alive && !waits(call->m, on_answer, letter)) {
        end_call(call, &letter->answer);
    }
}

static void on_time_limit(void *arg)
{
    struct call *call = arg;
    struct ocs_answer answer = {.status = E_TIMEOUT, .text = "no answer in time"};

    if (!call->ended && call->m->alive && !waits(call->m, on_time_limit, call)) {
        end_call(call, &answer);
    }
}

void switches_answer(struct sim *s, struct letter *letter)
{
    send(s, letter->call->ocs, FROM_AGENT, on_answer, letter);
}

/* ---------------------------------------------------------- connections -- */

struct connecting {
    struct manager *m;
    uint16_t ocs;
};

static void on_connected(void *arg)
{
    struct connecting *c = arg;
    struct manager *m = c->m;

    if (m->alive && !waits(m, on_connected, c) && !m->connected[c->ocs] &&
        m->s->w->ocs[c->ocs].agent_down == 0) {
        m->connected[c->ocs] = true;
        dispatch_link(m->dispatch, c->ocs, true);
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

static void on_disconnected(void *arg)
{
    struct connecting *c = arg;
    struct manager *m = c->m;
    struct ocs_answer answer = {.status = E_UNREACHABLE, .text = "the connection was lost"};

    if (!m->alive || !m->connected[c->ocs] || waits(m, on_disconnected, c)) {
        return;
    }
    m->connected[c->ocs] = false;
    dispatch_link(m->dispatch, c->ocs, false);
    for (struct call *call = m->calls, *next; call != NULL; call = next) {
        next = call->next_call;
        if (call->ocs == c->ocs) {
            end_call(call, &answer);
        }
    }
}

static void disconnect(struct manager *m, unsigned ocs)
{
    struct connecting *c = sim_new(m->s, sizeof *c);

    *c = (struct connecting){m, (uint16_t)ocs};
    on_disconnected(c);
}

/* The world's word that an agent came or went. */
static void on_agent(void *arg, unsigned ocs, bool up)
{
    struct sim *s = arg;

    switch_changed(s, ocs, up);
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
        send(s, call->ocs, TO_AGENT, switch_request, call);
        sim_after(s, TIME_LIMIT_MS * MS, on_time_limit, call);
    } else {
        sim_after(s, MS, on_answer, switch_letter(call, E_UNREACHABLE, "no connection"));
    }
}

static void identify(struct ocs_driver *d, uint16_t ocs, ocs_answer_fn *done, void *arg)
{
    go(begin(d, ocs, CALL_IDENTIFY, (struct ocs_claim){0}, done, arg));
}

static void fence(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim, ocs_answer_fn *done,
                  void *arg)
{
    go(begin(d, ocs, CALL_FENCE, claim, done, arg));
}

static void read_map(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                     ocs_answer_fn *done, void *arg)
{
    go(begin(d, ocs, CALL_READ, claim, done, arg));
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
    struct call *call = begin(d, ocs, CALL_APPLY, claim, done, arg);
    struct sim *s = call->m->s;

    s->applies++;
    call->expected = expected_generation;
    call->n_ops = n;
    call->ops = sim_new(s, n * sizeof *call->ops);
    for (size_t i = 0; i < n; i++) {
        oracle_sent(s, call->m->model, ocs, ops[i].id);
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
