/* A conversation with one switch whose agent answers as a test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "ocs/dispatch.h"

enum { CUBES = 4, PORTS = 8, QUEUE = 4096 };

struct call {
    uint16_t ocs;
    bool apply, read;
    ocs_answer_fn *done;
    void *arg;
    uint64_t epoch;
    struct id ids[64];
    size_t n;
};

struct world {
    struct ocs_driver driver; /* first */
    struct pod pod;
    struct model *model;
    struct dispatch *dispatch;
    struct outbox out;
    struct now now;
    struct event events[QUEUE];
    size_t n_events;
    struct call calls[QUEUE];
    size_t n_calls;
    int apply_status;
    unsigned applies, journal;
};

static void add_call(struct ocs_driver *d, struct call call)
{
    struct world *w = (struct world *)(void *)d;

    assert_true(w->n_calls < QUEUE);
    w->calls[w->n_calls++] = call;
}

static void identify(struct ocs_driver *d, uint16_t ocs, ocs_answer_fn *done, void *arg)
{
    add_call(d, (struct call){.ocs = ocs, .done = done, .arg = arg});
}

static void claim_call(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim,
                       ocs_answer_fn *done, void *arg)
{
    add_call(d, (struct call){.ocs = ocs, .done = done, .arg = arg, .epoch = claim.epoch});
}

static void apply(struct ocs_driver *d, uint16_t ocs, struct ocs_claim claim, uint64_t generation,
                  const struct ocs_batch_op *ops, size_t n, ocs_answer_fn *done, void *arg)
{
    struct call call = {
        .ocs = ocs, .apply = true, .done = done, .arg = arg, .epoch = claim.epoch, .n = n};

    (void)generation;
    (void)ops;
    add_call(d, call);
}

static void sink(void *arg, struct event *ev)
{
    struct world *w = arg;

    assert_true(w->n_events < QUEUE);
    w->events[w->n_events++] = *ev;
}

static void step(struct world *w, struct event *ev)
{
    ev->now = w->now;
    ev->arrived = w->now.mono;
    outbox_clear(&w->out);
    core_step(w->model, ev, &w->out);
    event_fini(ev);
    w->journal += (unsigned)w->out.n_journal;
    for (size_t i = 0; i < w->out.n_effects; i++) {
        const struct effect *e = &w->out.effects[i];
        if (e->kind == EFFECT_OCS_ATTACH) {
            dispatch_attach(w->dispatch, e->ocs);
        } else if (e->kind == EFFECT_OCS_APPLY) {
            dispatch_apply(w->dispatch, e->ocs, e->id);
        }
    }
    dispatch_flush(w->dispatch);
}

/* The answers of all calls made so far, and what follows in the core; no time passes. */
static void round_trip(struct world *w)
{
    static struct call calls[QUEUE];
    static struct event events[QUEUE];
    size_t n = w->n_calls;

    memcpy(calls, w->calls, n * sizeof *calls);
    w->n_calls = 0;
    for (size_t i = 0; i < n; i++) {
        struct ocs_answer answer = {.identity = {.boot_id = "boot",
                                                 .epoch = w->model->epoch,
                                                 .generation = 1,
                                                 .instance = w->model->instance,
                                                 .north_ports = PORTS,
                                                 .south_ports = PORTS}};
        if (calls[i].apply) {
            w->applies += calls[i].ocs == 0;
            answer.status = w->apply_status;
        }
        calls[i].done(calls[i].arg, &answer);
    }
    n = w->n_events;
    memcpy(events, w->events, n * sizeof *events);
    w->n_events = 0;
    for (size_t i = 0; i < n; i++) {
        step(w, &events[i]);
    }
}

static void applies_are_not_repeated_for_ever(void **state)
{
    static const struct ocs_driver_ops ops = {
        .identify = identify, .fence = claim_call, .read = claim_call, .apply = apply};
    static const int statuses[] = {E_CONFLICT, E_PARSE, E_INVALID};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        w = xcalloc(1, sizeof *w);
        w->driver.ops = &ops;
        w->apply_status = statuses[i];
        w->pod = (struct pod){.id = "test",
                              .n_cubes = CUBES,
                              .ports_per_side = PORTS,
                              .vc_classes = 3,
                              .loss_db_max = 3,
                              .lease_ms = 1500};
        assert_int_equal(tpunet_wiring_create(&w->pod.wiring, CUBES, PORTS, NULL, 0, NULL), 0);
        w->model = model_create(&w->pod, 7);
        w->now = (struct now){.mono = {1000000000}, .wall = {1700000000000}};
        outbox_init(&w->out);
        w->dispatch = dispatch_create(w->model, sink, w);
        dispatch_set_driver(w->dispatch, &w->driver);
        struct event start = {.kind = EV_START};
        step(w, &start);
        for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
            dispatch_link(w->dispatch, o, true);
        }
        for (int k = 0; k < 4; k++) {
            round_trip(w);
        }
        assert_int_equal(w->model->ocs[0].state, OCS_STATE_REACHABLE);
        struct event hello = {.kind = EV_AGENT_HELLO,
                              .agent = {.name = "tpunetd/t", .instance = 1}};
        hello.agent.hosts = xcalloc(CUBES * TPUNET_CUBE_HOSTS, sizeof *hello.agent.hosts);
        for (uint16_t h = 0; h < CUBES * TPUNET_CUBE_HOSTS; h++) {
            hello.agent.hosts[hello.agent.n_hosts++] = h;
        }
        step(w, &hello);
        struct event create = {.kind = EV_CREATE_SLICE, .cookie = 1};
        create.create = xcalloc(1, sizeof *create.create);
        assert_int_equal(tpunet_shape_parse(&create.create->shape, "4x4x4", false, NULL), 0);
        step(w, &create);
        unsigned journal = w->journal;
        for (int k = 0; k < 400; k++) {
            round_trip(w);
        }
        printf("status %d: %u applies at ocs/0, %u journal entries in no time\n", statuses[i],
               w->applies, w->journal - journal);
        unsigned applies = w->applies;
        dispatch_destroy(w->dispatch);
        model_destroy(w->model);
        tpunet_wiring_destroy(w->pod.wiring);
        outbox_fini(&w->out);
        free(w);
        assert_true(applies < 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(applies_are_not_repeated_for_ever)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
