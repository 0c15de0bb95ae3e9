/* One podmgr on the virtual clock: what podmgr/shell.c does around the core, a
 * point before each of its steps. */
#include <stdio.h>
#include <stdlib.h>

#include "crash.h"
#include "mem.h"

enum { TICK_MS = 250, RETRY_TICKS = 8, LOOK_TICKS = 120, JOURNAL_KEEP = 40 };

static struct crash *crash_of(const struct manager *m)
{
    return (struct crash *)m->s;
}

static struct now now_of(const struct sim *s)
{
    return (struct now){.mono = {.ns = 1 + sim_now(s)},
                        .wall = {.ms = INT64_C(1750000000000) + sim_now(s) / MS}};
}

static bool dies(struct manager *m, enum place place)
{
    if (m->alive && crash_step(crash_of(m), place)) {
        m->alive = false;
    }
    return !m->alive;
}

/* ---------------------------------------------------------------- batch -- */

static void commit(struct manager *m)
{
    struct crash *c = crash_of(m);
    struct error err;

    if (m->out.n_changes == 0 && m->out.n_journal == 0) {
        return;
    }
    c->in_commit = true;
    int status = store_commit(m->store, m->model, &m->out, &err);
    if (c->crashed) {
        m->alive = false;
        return;
    }
    if (status < 0 && !c->setup->goes_on) {
        record_judge_words(c, &err);
        c->report.stopped = true;
        m->alive = false;
        return;
    }
    c->in_commit = false;
    record_committed(c, m);
}

static void carry_out(struct manager *m, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_REPLY:
        client_answer(m->s, effect);
        return;
    case EFFECT_OCS_ATTACH:
        dispatch_attach(m->dispatch, effect->ocs);
        return;
    case EFFECT_OCS_APPLY:
        dispatch_apply(m->dispatch, effect->ocs, effect->id);
        return;
    case EFFECT_BRING_UP:
        daemons_bring_up(m, effect);
        return;
    case EFFECT_WATCH:
    case EFFECT_RELEASE:
        return; /* nobody watches links here */
    case EFFECT_FENCE:
        daemons_fence(m, effect);
        return;
    case EFFECT_STOP:
        sim_found(m->s, V_CONVERGE, "podmgr stopped: %s", effect->text);
        return;
    }
    abort();
}

static void carry_all_out(struct manager *m)
{
    for (size_t i = 0; i < m->out.n_effects && !dies(m, PLACE_EFFECT); i++) {
        carry_out(m, &m->out.effects[i]);
    }
    if (m->alive) {
        dispatch_flush(m->dispatch);
    }
}

static void run_batch(struct manager *m)
{
    struct event *batch = m->queue;
    size_t n = m->n;

    m->queue = NULL;
    m->n = m->cap = 0;
    outbox_clear(&m->out);
    for (size_t i = 0; i < n && !dies(m, PLACE_EVENT); i++) {
        batch[i].now = now_of(m->s);
        oracle_step(m, &batch[i]);
    }
    for (size_t i = 0; i < n; i++) {
        event_fini(&batch[i]);
    }
    free(batch);
    if (m->alive && crash_of(m)->setup->effects_first) {
        carry_all_out(m);
    }
    if (dies(m, PLACE_COMMIT)) {
        return;
    }
    commit(m);
    if (dies(m, PLACE_COMMITTED)) {
        return;
    }
    if (!crash_of(m)->setup->effects_first) {
        carry_all_out(m);
    }
}

static void turn(void *arg)
{
    struct manager *m = arg;

    m->turn_set = false;
    while (m->n > 0 && m->alive && !m->s->stop) {
        run_batch(m);
    }
}

void manager_post(struct manager *m, struct event *ev)
{
    VEC_GROW(m->queue, m->n, m->cap);
    ev->arrived = now_of(m->s).mono;
    m->queue[m->n++] = *ev;
    if (!m->turn_set) {
        m->turn_set = true;
        sim_after(m->s, (int64_t)sim_random(m->s, 300) * 1000, turn, m);
    }
}

static void sink(void *arg, struct event *ev)
{
    manager_post(arg, ev);
}

static void tick(void *arg)
{
    struct manager *m = arg;
    struct event ev = {.kind = EV_TICK};

    if (!m->alive) {
        return;
    }
    manager_post(m, &ev);
    if (++m->ticks % RETRY_TICKS == 0) {
        dispatch_retry(m->dispatch);
    }
    if (m->ticks % LOOK_TICKS == 0) {
        dispatch_look(m->dispatch);
    }
    sim_after(m->s, TICK_MS * MS, tick, m);
}

/* ----------------------------------------------------------- life cycle -- */

static int load(struct crash *c, struct manager *m, struct error *err)
{
    int status = store_open(&m->store, c->s.db, JOURNAL_KEEP, err);

    if (status < 0) {
        return status;
    }
    m->model = model_create(&c->s.pod, sim_random(&c->s, UINT64_MAX));
    return store_load(m->store, m->model, err);
}

bool crash_manager_start(struct crash *c)
{
    struct sim *s = &c->s;
    struct manager *m = sim_new(s, sizeof *m);
    struct event start = {.kind = EV_START};
    struct error err;

    m->driver.ops = &switches_ops;
    m->s = s;
    outbox_init(&m->out);
    if (load(c, m, &err) < 0) {
        model_destroy(m->model);
        store_close(m->store);
        if (c->failing || c->full) {
            record_judge_words(c, &err);
            c->report.stopped = true;
        } else if (!c->crashed) {
            sim_found(s, V_A2, "%s", err.text);
        }
        return false;
    }
    record_judge(c, m);
    m->alive = true;
    m->next = s->managers;
    s->managers = s->current = c->last = m;
    oracle_loaded(m);
    m->dispatch = dispatch_create(m->model, sink, m);
    dispatch_set_driver(m->dispatch, &m->driver);
    sim_note(s, "podmgr starts after epoch %llu", (unsigned long long)m->model->epoch);
    manager_post(m, &start);
    switches_connect(m);
    sim_after(s, TICK_MS * MS, tick, m);
    return true;
}

static void end(struct crash *c)
{
    struct manager *m = c->last;

    m->alive = false;
    c->s.current = NULL;
    for (size_t i = 0; i < m->n; i++) {
        event_fini(&m->queue[i]);
    }
    free(m->queue);
    m->queue = NULL;
    m->n = m->cap = 0;
    dispatch_destroy(m->dispatch);
    m->dispatch = NULL;
    store_close(m->store);
    m->store = NULL;
    m->calls = NULL;
}

void crash_manager_stop(struct crash *c)
{
    struct manager *m = c->last;

    if (m->store != NULL) {
        end(c);
    }
    model_destroy(m->model);
    m->model = NULL;
    outbox_fini(&m->out);
    outbox_init(&m->out);
    sim_note(&c->s, "podmgr was stopped");
}

void crash_manager_cut(struct crash *c)
{
    c->crashed = true; /* no call gets to the disk */
    if (c->last != NULL && c->last->store != NULL) {
        end(c);
    }
    c->crashed = false;
    sim_note(&c->s, "podmgr is dead");
}
