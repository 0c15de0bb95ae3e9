/* The agents of the switches, which do what simulator/serve_ocs.c does, on the
 * same device code: the fence, the expected generation, one batch at a time.
 * And what goes wrong there: mirrors that go elsewhere, batches that end half
 * way, maps of yesterday, switches that see no light. */
#include "switches.h"

#include <stdio.h>
#include <string.h>

#include "simulator/fault.h"

/* -------------------------------------------------------------- answers -- */

struct letter *switch_letter(struct call *call, int status, const char *text)
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
    identity->epoch = o->claim.epoch;
    identity->instance = o->claim.instance;
    identity->north_ports = identity->south_ports = (uint16_t)s->config.ports_per_side;
    identity->light = !s->sw[call->ocs].blind;
    return letter;
}

/* What the switch tells of a north port; one that is blind takes any circuit for
 * a good one. */
static struct seen_circuit look(struct sim *s, unsigned ocs, unsigned north)
{
    uint16_t south = s->w->ocs[ocs].map[north];
    float loss_db = world_loss_db(s->w, ocs, north);

    if (s->sw[ocs].blind) {
        s->outcome->activated[F_BLIND] += south != SIM_NONE && loss_db > (float)s->pod.loss_db_max;
        loss_db = 0;
    }
    return (struct seen_circuit){.north = (uint16_t)north,
                                 .south = south == SIM_NONE ? TPUNET_NONE : south,
                                 .south_dbm = -loss_db,
                                 .loss_db = loss_db};
}

/* The map before the last change, as a cache may hold it: with its generation. */
static size_t look_back(const struct sw *sw, unsigned ports, struct seen_circuit *seen)
{
    size_t n = 0;

    for (unsigned p = 0; p < ports; p++) {
        if (sw->old.map[p] != SIM_NONE) {
            seen[n++] = (struct seen_circuit){
                .north = (uint16_t)p, .south = sw->old.map[p], .south_dbm = -1, .loss_db = 1};
        }
    }
    return n;
}

static void answer_map(struct call *call)
{
    struct sim *s = call->m->s;
    const struct sw *sw = &s->sw[call->ocs];
    const struct sim_ocs *o = &s->w->ocs[call->ocs];
    struct letter *letter = switch_letter(call, 0, "");
    struct seen_circuit seen[SIM_PORTS_MAX];
    size_t n = 0;

    if (sw->old.boots == o->boots && sw->old.generation < o->generation &&
        sim_fault(s, F_STALE_READ, 0.02)) {
        letter->answer.identity.generation = sw->old.generation;
        n = look_back(sw, s->config.ports_per_side, seen);
    } else {
        for (unsigned p = 0; p < s->config.ports_per_side; p++) {
            if (o->map[p] != SIM_NONE) {
                seen[n++] = look(s, call->ocs, p);
            }
        }
    }
    letter->answer.seen = sim_copy(s, seen, n * sizeof *seen);
    letter->answer.n_seen = n;
    switches_answer(s, letter);
}

static void answer_results(struct sim *s, struct sw *sw)
{
    struct call *call = sw->moving;
    struct letter *letter = switch_letter(call, 0, "");

    letter->answer.n_results = sw->n_ops;
    letter->answer.results = sim_new(s, sw->n_ops * sizeof *letter->answer.results);
    for (size_t i = 0; i < sw->n_ops; i++) {
        const struct sim_op *op = &sw->ops[i];
        struct ocs_op_result *result = &letter->answer.results[i];
        char text[64];
        result->op = (struct id){op->epoch, op->sequence};
        result->done = op->result.status == SIM_OP_DONE;
        result->mirror_fault = op->result.status == SIM_OP_MIRROR;
        result->south = op->result.south;
        result->port = op->result.port;
        (void)snprintf(result->text, sizeof result->text, "%s", sim_op_text(&op->result, text));
        result->seen = sim_new(s, (op->n_breaks + op->n_makes) * sizeof *result->seen);
        for (size_t k = 0; k < op->n_breaks; k++) {
            result->seen[result->n_seen++] = look(s, call->ocs, op->breaks[k].north);
        }
        for (size_t k = 0; k < op->n_makes; k++) {
            result->seen[result->n_seen++] = look(s, call->ocs, op->makes[k].north);
        }
    }
    switches_answer(s, letter);
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

/* By hand, not by podmgr: on record as such. */
static bool change_by_hand(struct sim *s, unsigned ocs, struct sim_op *op)
{
    op->sequence = ++s->foreign_ids;
    bool changed = sim_ocs_begin(s->w, ocs, op, 1);
    sim_ocs_finish(s->w, ocs, op, 1, changed);
    for (size_t i = 0; changed && i < op->n_breaks; i++) {
        oracle_broken_by_hand(s, ocs, op->breaks[i].north);
    }
    for (size_t i = 0; changed && i < op->n_makes; i++) {
        oracle_foreign(s, ocs, op->makes[i]);
    }
    return changed;
}

/* One of the mirrors that just moved stands at another free port. */
static void misaim(struct sim *s, unsigned ocs, const struct sw *sw)
{
    const struct sim_ocs *o = &s->w->ocs[ocs];
    const struct sim_op *op = &sw->ops[sim_random(s, sw->n_ops)];
    uint16_t port = (uint16_t)sim_random(s, s->config.ports_per_side);

    if (op->replayed || op->result.status != SIM_OP_DONE || op->n_makes == 0 ||
        o->back[port] != SIM_NONE || !sim_fault(s, F_WRONG_PORT, 0.01)) {
        return;
    }
    struct sim_xc meant = op->makes[sim_random(s, op->n_makes)], stands = {meant.north, port};
    struct sim_op hand = {.breaks = &meant, .n_breaks = 1, .makes = &stands, .n_makes = 1};
    sim_note(s, "ocs/%u: north %u to south %u instead of %u", ocs, meant.north, port, meant.south);
    (void)change_by_hand(s, ocs, &hand);
}

static void settle(void *arg)
{
    struct call *call = arg;
    struct sim *s = call->m->s;
    struct sw *sw = &s->sw[call->ocs];

    sim_ocs_finish(s->w, call->ocs, sw->ops, sw->n_ops, sw->changed);
    oracle_moved(s, call->ocs, call->claim, sw->ops, sw->n_ops, true);
    if (sw->n_ops > 0) {
        misaim(s, call->ocs, sw);
    }
    answer_results(s, sw);
    sw->moving = NULL;
    serve_waiting(s, sw);
}

/* The agent dies between two operations; who asked hears that it is gone. */
static void cut_short(struct sim *s, unsigned ocs, struct sw *sw)
{
    char name[16];
    struct fault_request request = {.kind = "agent-restart", .target = name};
    struct error err;

    if (sw->n_ops > 1 && sim_fault(s, F_PARTIAL, 0.2)) {
        (void)snprintf(name, sizeof name, "ocs/%u", ocs);
        sw->n_ops = 1 + sim_random(s, sw->n_ops - 1);
        sim_note(s, "ocs/%u: %zu operations, and the agent restarts", ocs, sw->n_ops);
        (void)fault_inject(s->w, &request, &err);
    }
}

static void remember_map(struct sw *sw, const struct sim_ocs *o)
{
    sw->old.boots = o->boots;
    sw->old.generation = o->generation;
    memcpy(sw->old.map, o->map, sizeof sw->old.map);
}

static struct sim_claim claim_of(const struct call *call)
{
    return (struct sim_claim){call->claim.epoch, call->claim.instance, call->claim.session};
}

static void apply(struct sim *s, struct call *call)
{
    struct sim_ocs *o = &s->w->ocs[call->ocs];
    struct sw *sw = &s->sw[call->ocs];

    if (!sim_ocs_holds(o, claim_of(call))) {
        switches_answer(s, switch_letter(call, E_STALE, "the sender does not hold the claim"));
        return;
    }
    if (call->expected != o->generation && !sim_ocs_all_replayed(o, call->ops, call->n_ops)) {
        switches_answer(s,
                        switch_letter(call, E_CONFLICT, "the map has changed since it was read"));
        return;
    }
    sw->moving = call;
    sw->n_ops = call->n_ops;
    sw->ops = sim_copy(s, call->ops, call->n_ops * sizeof *call->ops);
    sw->boots = o->boots;
    cut_short(s, call->ocs, sw);
    remember_map(sw, o);
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
    case CALL_IDENTIFY:
        switches_answer(s, switch_letter(call, 0, ""));
        return;
    case CALL_FENCE:
        if (sim_ocs_claim(o, claim_of(call))) {
            oracle_fenced(s, call->ocs, call->claim);
            switches_answer(s, switch_letter(call, 0, ""));
        } else {
            switches_answer(s, switch_letter(call, E_STALE, "another claim is on record"));
        }
        return;
    case CALL_READ:
        answer_map(call);
        return;
    case CALL_APPLY:
        apply(s, call);
        return;
    }
}

void switch_request(void *arg)
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

void switch_changed(struct sim *s, unsigned ocs, bool up)
{
    struct sw *sw = &s->sw[ocs];

    if (sw->moving != NULL && s->w->ocs[ocs].boots != sw->boots) {
        (void)evq_cancel(s->w->evq, settle, sw->moving);
        sw->moving = NULL;
    }
    if (!up) {
        sw->first = NULL;
        sw->last = &sw->first;
    }
}

/* Somebody at the switch itself joins two free ports. */
void switch_foreign(struct sim *s)
{
    unsigned ocs = (unsigned)sim_random(s, SIM_OCSES);
    const struct sim_ocs *o = &s->w->ocs[ocs];
    struct sim_xc xc = {(uint16_t)sim_random(s, s->cubes), (uint16_t)sim_random(s, s->cubes)};
    struct sim_op op = {.makes = &xc, .n_makes = 1};

    if (s->sw[ocs].moving == NULL && o->power_down == 0 && o->map[xc.north] == SIM_NONE &&
        o->back[xc.south] == SIM_NONE) {
        s->outcome->activated[F_FOREIGN]++;
        (void)change_by_hand(s, ocs, &op);
    }
}

/* Foreign circuits may come while it is at it, or the next restore. */
void switch_clear_foreign(void *sim)
{
    struct sim *s = sim;

    if (!oracle_is_restored(s)) {
        return;
    }
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        for (uint16_t p = 0; p < s->config.ports_per_side; p++) {
            struct sim_xc xc = {p, s->w->ocs[o].map[p]};
            struct sim_op op = {.breaks = &xc, .n_breaks = 1};
            if (oracle_is_foreign(s, o, p) && s->sw[o].moving == NULL &&
                s->w->ocs[o].power_down == 0) {
                (void)change_by_hand(s, o, &op);
            }
        }
    }
    sim_after(s, 500 * MS, switch_clear_foreign, s);
}
