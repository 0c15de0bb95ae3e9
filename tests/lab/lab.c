/* The loop around the core, on the virtual clock. */
#include "lab.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "simulator/chance.h"

enum { TICK_MS = 25, RETRY_MS = 2000, JOURNAL_KEEP = 100000 };

static const int64_t epoch_ms = INT64_C(1750000000000);

int64_t lab_now_ns(const struct lab *lab)
{
    return evq_now_ns(lab->w->evq);
}

struct wall_ms lab_wall(const struct lab *lab)
{
    return (struct wall_ms){epoch_ms + lab_now_ns(lab) / LAB_MS};
}

uint64_t lab_random(struct lab *lab, uint64_t below)
{
    lab->rng += UINT64_C(0x9E3779B97F4A7C15);
    return chance_mix(lab->rng) % below;
}

void lab_after(struct lab *lab, double ms, evq_fn *fn, void *arg)
{
    evq_at(lab->w->evq, lab_now_ns(lab) + (int64_t)(ms * 1e6), fn, arg);
}

void lab_run(struct lab *lab, int64_t until_ns)
{
    evq_advance(lab->w->evq, until_ns);
}

/* ---------------------------------------------------------------- batches -- */

static struct now now_of(const struct lab *lab)
{
    return (struct now){.mono = {.ns = 1 + lab_now_ns(lab)}, .wall = lab_wall(lab)};
}

static void carry_out(struct lab *lab, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_REPLY:
        if (lab->on_reply != NULL) {
            lab->on_reply(lab->hook_arg, effect->cookie, effect->id, &effect->reply);
        }
        return;
    case EFFECT_OCS_ATTACH:
        dispatch_attach(lab->dispatch, effect->ocs);
        return;
    case EFFECT_OCS_APPLY:
        dispatch_apply(lab->dispatch, effect->ocs, effect->id);
        return;
    case EFFECT_BRING_UP:
        lab_bring_up(lab, effect);
        return;
    case EFFECT_WATCH:
        lab_watch_order(lab, effect);
        return;
    case EFFECT_PREFLIGHT:
        return; /* off in the lab's pods */
    case EFFECT_RELEASE:
        lab_release(lab, effect);
        return;
    case EFFECT_FENCE:
        lab_fence(lab, effect);
        return;
    case EFFECT_STOP:
        (void)fprintf(stderr, "lab: podmgr stops: %s\n", effect->text);
        abort(); /* there is no other podmgr */
    }
    abort();
}

static void commit(struct lab *lab)
{
    struct error err;

    if (lab->store != NULL && (lab->out.n_changes > 0 || lab->out.n_journal > 0) &&
        store_commit(lab->store, lab->model, &lab->out, &err) < 0) {
        (void)fprintf(stderr, "lab: %s\n", err.text);
        abort();
    }
}

static void run_batch(struct lab *lab)
{
    struct event *batch = lab->queue;
    size_t n = lab->n_queue;
    unsigned life = lab->life;

    lab->queue = NULL;
    lab->n_queue = lab->cap_queue = 0;
    outbox_clear(&lab->out);
    for (size_t i = 0; i < n; i++) {
        batch[i].now = now_of(lab);
        core_step(lab->model, &batch[i], &lab->out);
        event_fini(&batch[i]);
    }
    lab->steps += n;
    free(batch);
    commit(lab);
    for (size_t i = 0; i < lab->out.n_effects; i++) {
        carry_out(lab, &lab->out.effects[i]);
    }
    dispatch_flush(lab->dispatch);
    for (size_t i = 0; lab->on_journal != NULL && i < lab->out.n_journal; i++) {
        lab->on_journal(lab->hook_arg, &lab->out.journal[i]);
    }
    assert(lab->life == life); /* hooks do not kill */
}

static void turn(void *arg)
{
    struct lab *lab = arg;

    lab->turn_set = false;
    while (lab->model != NULL && lab->n_queue > 0) {
        run_batch(lab);
    }
}

void lab_post(struct lab *lab, struct event *ev)
{
    if (lab->model == NULL) {
        event_fini(ev);
        return;
    }
    VEC_GROW(lab->queue, lab->n_queue, lab->cap_queue);
    ev->arrived = now_of(lab).mono;
    lab->queue[lab->n_queue++] = *ev;
    if (!lab->turn_set) {
        lab->turn_set = true;
        evq_at(lab->w->evq, lab_now_ns(lab), turn, lab);
    }
}

static void sink(void *arg, struct event *ev)
{
    lab_post(arg, ev);
}

/* ------------------------------------------------------------------ ticks -- */

static void tick(void *arg)
{
    struct lab *lab = arg;
    struct event ev = {.kind = EV_TICK};
    int64_t now = lab_now_ns(lab);

    lab->tick_set = false;
    if (lab->model == NULL) {
        return;
    }
    if (now >= lab->beat_ns) {
        lab->beat_ns = now + (int64_t)(lab->options.times.beat * 1e6);
        lab_beat(lab);
    }
    lab_post(lab, &ev);
    if (now >= lab->retry_ns) {
        lab->retry_ns = now + RETRY_MS * LAB_MS;
        dispatch_retry(lab->dispatch);
    }
    if (now >= lab->look_ns) {
        lab->look_ns = now + (int64_t)(lab->options.times.look * 1e6);
        dispatch_look(lab->dispatch);
    }
    lab->tick_ns = now;
    if (now < lab->awake_until_ns) {
        lab->tick_set = true;
        lab_after(lab, TICK_MS, tick, lab);
    }
}

/* After a pause of the ticks all leases are as fresh as they would be. */
void lab_wake(struct lab *lab, double ms)
{
    int64_t until = lab_now_ns(lab) + (int64_t)(ms * 1e6);

    lab->awake_until_ns = until > lab->awake_until_ns ? until : lab->awake_until_ns;
    if (!lab->tick_set && lab_now_ns(lab) > lab->look_ns) {
        lab->look_ns = lab_now_ns(lab) + (int64_t)(lab->options.times.look * 1e6);
    }
    if (!lab->tick_set && lab_now_ns(lab) > lab->beat_ns) {
        lab->beat_ns = lab_now_ns(lab) + (int64_t)(lab->options.times.beat * 1e6);
    }
    if (!lab->tick_set && lab->model != NULL) {
        lab->tick_set = true;
        evq_at(lab->w->evq, lab_now_ns(lab), tick, lab);
    }
}

void lab_look(struct lab *lab)
{
    if (lab->model != NULL) {
        dispatch_look(lab->dispatch);
    }
}

/* ------------------------------------------------------------- life cycle -- */

static void open_store(struct lab *lab)
{
    struct error err;

    if (lab->options.database != NULL &&
        (store_open(&lab->store, lab->options.database, JOURNAL_KEEP, &err) < 0 ||
         store_load(lab->store, lab->model, &err) < 0)) {
        (void)fprintf(stderr, "lab: %s\n", err.text);
        abort();
    }
}

void lab_start(struct lab *lab)
{
    struct event start = {.kind = EV_START};

    assert(lab->model == NULL);
    lab->model = model_create(&lab->pod, lab_random(lab, UINT64_MAX));
    lab->dispatch = dispatch_create(lab->model, sink, lab);
    dispatch_set_driver(lab->dispatch, &lab->driver);
    open_store(lab);
    lab_post(lab, &start);
    lab_switches_start(lab);
    lab_hosts_start(lab);
    lab->look_ns = lab_now_ns(lab) + (int64_t)(lab->options.times.look * 1e6);
    lab_wake(lab, 1000);
}

static void stop(struct lab *lab)
{
    for (size_t i = 0; i < lab->n_queue; i++) {
        event_fini(&lab->queue[i]);
    }
    free(lab->queue);
    lab->queue = NULL;
    lab->n_queue = lab->cap_queue = 0;
    lab->life++;
    lab_switches_stop(lab);
    dispatch_destroy(lab->dispatch);
    model_destroy(lab->model);
    lab->model = NULL;
    store_close(lab->store);
    lab->store = NULL;
}

void lab_kill(struct lab *lab)
{
    assert(lab->model != NULL && lab->options.database != NULL);
    stop(lab);
}

struct lab *lab_create(const struct lab_options *options)
{
    struct lab *lab = xcalloc(1, sizeof *lab);
    struct error err;

    lab->options = *options;
    lab->driver.ops = &lab_switches;
    lab->rng = chance_mix(options->seed);
    lab->config = (struct sim_config){.pod = "lab",
                                      .cubes = options->cubes,
                                      .ports_per_side = options->ports_per_side,
                                      .seed = options->seed,
                                      .mirror_median_ms = options->times.mirror_median,
                                      .mirror_p99_ms = options->times.mirror_p99,
                                      .vc_classes = 3};
    lab->pod = (struct pod){.id = "lab",
                            .n_cubes = (uint16_t)options->cubes,
                            .ports_per_side = (uint16_t)options->ports_per_side,
                            .vc_classes = 3,
                            .loss_db_max = 3,
                            .lease_ms = options->lease_ms,
                            .feeds = options->feeds,
                            .n_feeds = options->n_feeds,
                            .remedy = options->remedy,
                            .repair = options->repair};
    if (tpunet_wiring_create(&lab->pod.wiring, options->cubes, options->ports_per_side, NULL, 0,
                             NULL) < 0 ||
        world_create(&lab->w, &lab->config, &err) < 0) {
        abort();
    }
    lab->health_seq = xcalloc(MODEL_HOSTS_MAX, sizeof *lab->health_seq);
    lab->links_told = lab->w->log_next;
    lab->w->on_agent = lab_on_agent;
    lab->w->on_link_events = lab_on_link_events;
    lab->w->hook_arg = lab;
    outbox_init(&lab->out);
    lab_start(lab);
    return lab;
}

void lab_destroy(struct lab *lab)
{
    int64_t next;

    if (lab->model != NULL) {
        stop(lab);
    }
    while (evq_next_ns(lab->w->evq, &next)) { /* each frees what it holds */
        evq_advance(lab->w->evq, next);
    }
    outbox_fini(&lab->out);
    world_destroy(lab->w);
    tpunet_wiring_destroy(lab->pod.wiring);
    free(lab->health_seq);
    free(lab->watches);
    free(lab);
}
