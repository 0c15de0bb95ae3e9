/* The operator: fails parts (F_FAILED) and drains them (F_DRAINED), looks from time
 * to time at what podmgr does not rely on, clears what has been repaired, and puts
 * back what he has drained. */
#include <stdio.h>
#include <string.h>

#include "core/drain.h"
#include "mem.h"
#include "core/remedy.h"
#include "oracle.h"
#include "sim.h"
#include "simulator/fault.h"

enum { WALK_MS = 1500 };

uint64_t operator_cookie(struct sim *s)
{
    static const uint64_t cookie_operator = UINT64_C(1) << 62;

    return cookie_operator | ++s->words;
}

static void say(struct sim *s, enum event_kind kind, const struct part *part, const char *reason)
{
    struct event ev = {.kind = kind, .who = "the operator", .word = {.part = *part}};

    ev.cookie = operator_cookie(s);
    (void)snprintf(ev.word.reason, sizeof ev.word.reason, "%s", reason);
    manager_post(s->current, &ev);
}

static bool is_repaired(const struct sim *s, const struct part *part)
{
    const struct sim_ocs *o = &s->w->ocs[part->ocs];

    if (part->kind == PART_PORT) {
        return o->stuck[part->south][part->port] == 0 && o->dark[part->south][part->port] == 0 &&
               o->extra_loss_db[part->south][part->port] == 0;
    }
    return sim_now(s) >= s->failed_until_ns && (part->kind != PART_OCS || o->agent_down == 0);
}

/* Once nothing breaks any more, what is in quarantine still is podmgr's own:
 * what others made has been taken down by hand. */
static void clear_quarantine(struct sim *s, const struct manager *m)
{
    for (uint16_t c = 0; c < m->model->pod->n_cubes; c++) {
        if (m->model->cubes[c].health == HEALTH_QUARANTINED) {
            struct event ev = {
                .kind = EV_CLEAR_QUARANTINE, .who = "the operator", .clear = {.cube = c}};
            ev.cookie = operator_cookie(s);
            manager_post(s->current, &ev);
            /* His word explains what is left. */
            memset(s->oracle->unexplained, 0xff, sizeof s->oracle->unexplained);
        }
    }
}

static void end_drains(struct sim *s, const struct manager *m)
{
    for (size_t i = 0; i < m->model->n_drains && sim_now(s) >= s->drained_until_ns; i++) {
        struct event ev = {.kind = EV_END_DRAIN, .who = "the operator"};
        ev.del.id = m->model->drains[i]->id;
        ev.cookie = operator_cookie(s);
        manager_post(s->current, &ev);
    }
}

static void walk(void *arg)
{
    struct sim *s = arg;
    const struct manager *m = s->current;

    for (size_t i = 0; m != NULL && m->alive && i < m->model->n_faults; i++) {
        const struct part *part = &m->model->faults[i].part;
        if (is_repaired(s, part)) {
            say(s, EV_CLEAR_PART, part, "repaired");
        }
    }
    if (m != NULL && m->alive) {
        end_drains(s, m);
    }
    if (m != NULL && m->alive) {
        technician_walk(s);
    }
    if (m != NULL && m->alive && !s->chaos) {
        clear_quarantine(s, m);
    }
    if (m != NULL && m->alive && m->model->remediation->breaker_open && sim_chance(s, 0.5)) {
        struct event ev = {.kind = EV_RESET_BREAKER, .who = "the operator"};
        ev.cookie = operator_cookie(s);
        manager_post(s->current, &ev);
    }
    sim_after(s, (int64_t)(1 + sim_random(s, 2 * WALK_MS)) * MS, walk, s);
}

void operator_start(struct sim *s)
{
    sim_after(s, WALK_MS * MS, walk, s);
}

void operator_fail_switch(struct sim *s, unsigned ocs, int64_t for_ns)
{
    struct part part = {.kind = PART_OCS, .ocs = (uint16_t)ocs};

    s->failed_until_ns = sim_now(s) + for_ns;
    say(s, EV_FAIL_PART, &part, "it is dead");
}

/* Half of the switches that he calls FAILED are dead indeed. */
bool operator_fail(struct sim *s)
{
    struct part part = {.kind = sim_chance(s, 0.7) ? PART_OCS : PART_CUBE,
                        .ocs = (uint16_t)sim_random(s, SIM_OCSES),
                        .cube = (uint16_t)sim_random(s, s->cubes)};
    char name[16];
    struct fault_request request = {.kind = "agent-down", .target = name};
    struct error err;

    if (s->current == NULL || !s->current->alive || sim_now(s) < s->failed_until_ns) {
        return false;
    }
    s->failed_until_ns = sim_now(s) + (int64_t)(1000 + sim_random(s, 6000)) * MS;
    if (part.kind == PART_OCS && sim_chance(s, 0.5)) {
        request.for_ns = s->failed_until_ns - sim_now(s);
        (void)snprintf(name, sizeof name, "ocs/%u", part.ocs);
        (void)fault_inject(s->w, &request, &err);
    }
    say(s, EV_FAIL_PART, &part, "the simulation says so");
    return true;
}

/* A third of what he drains has its power cut, agent and map, while he works on
 * it: not before nothing runs over it, if he is careful, and he is not always. */
static void cut_power(struct sim *s, const struct part *part)
{
    char name[16];
    struct fault_request request = {.kind = "power-loss", .target = name};
    struct error err;

    if (part->kind == PART_OCS && sim_chance(s, 0.35)) {
        request.for_ns = s->drained_until_ns - sim_now(s);
        (void)snprintf(name, sizeof name, "ocs/%u", part->ocs);
        if (fault_inject(s->w, &request, &err) == 0) {
            oracle_lost_power(s, part->ocs);
        }
    }
}

bool operator_drain(struct sim *s)
{
    static const enum part_kind kinds[] = {PART_OCS, PART_OCS, PART_CUBE, PART_HOST};
    struct drain_order order = {.mode = sim_chance(s, 0.6) ? DRAIN_NOW : DRAIN_GRACEFUL,
                                .reason = "the simulation says so"};
    struct event ev = {.kind = EV_CREATE_DRAIN, .who = "the operator"};

    if (s->current == NULL || !s->current->alive || sim_now(s) < s->drained_until_ns) {
        return false;
    }
    order.part.kind = kinds[sim_random(s, ARRAY_LEN(kinds))];
    if (order.part.kind == PART_OCS) {
        order.part.ocs = (uint16_t)sim_random(s, SIM_OCSES);
    } else {
        order.part.cube = (uint16_t)sim_random(s, s->cubes);
        order.part.host = order.part.kind == PART_HOST ? (uint16_t)sim_random(s, 16) : 0;
    }
    s->drained_until_ns = sim_now(s) + (int64_t)(1000 + sim_random(s, 6000)) * MS;
    ev.cookie = operator_cookie(s);
    ev.drain = xmemdup(&order, sizeof order);
    manager_post(s->current, &ev);
    cut_power(s, &order.part);
    return true;
}
