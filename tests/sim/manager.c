/* One podmgr: what podmgr/shell.c does around the core, on the virtual clock,
 * and able to die at any of its steps.
 *
 * A kill leaves the database as it lies on the disk: the files are copied
 * before SQLite could tidy them up, and the next podmgr starts from the copy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim.h"

enum { TICK_MS = 250, RETRY_TICKS = 8, LOOK_TICKS = 120, JOURNAL_KEEP = 1000 };

static struct now now_of(const struct sim *s)
{
    return (struct now){
        .mono = {.ns = 1 + sim_now(s)},
        .wall = {.ms = INT64_C(1750000000000) + s->wall_offset_ms + sim_now(s) / MS}};
}

/* ---------------------------------------------------------------- batch -- */

/* The next step of a manager that is to die is its last. */
static bool dies(struct manager *m)
{
    if (m->alive && m->crash_in >= 0 && m->crash_in-- == 0) {
        m->alive = false;
    }
    return !m->alive;
}

/* Past a failed commit the model is ahead of the disk: the process stops, and
 * says why. */
static void stop_after_commit(struct manager *m, bool struck, const struct error *err)
{
    sim_note(m->s, "podmgr stops: %s", err->text);
    m->alive = false;
    m->commit_failed = true;
    if (!struck || strstr(err->text, m->path) == NULL) {
        sim_found(m->s, V_A2, "a commit failed without a reason: %s", err->text);
    }
}

static void commit(struct manager *m)
{
    struct error err;

    if (m->out.n_changes == 0 && m->out.n_journal == 0) {
        return;
    }
    if (m->out.n_journal > 0) { /* else the disk does not tell if it was done */
        storage_arm(m->s);
    }
    int status = store_commit(m->store, m->model, &m->out, &err);
    bool struck = storage_disarm(m->s);
    if (status < 0) {
        stop_after_commit(m, struck, &err);
    } else {
        oracle_committed(m);
    }
}

static void carry_out(struct manager *m, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_REPLY:
        if (m == m->s->current) {
            client_answer(m->s, effect);
        }
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
        daemons_watch(m, effect);
        return;
    case EFFECT_RELEASE:
        daemons_release(m, effect);
        return;
    case EFFECT_FENCE:
        daemons_fence(m, effect);
        return;
    case EFFECT_STOP:
        sim_note(m->s, "podmgr epoch %llu stops: %s", (unsigned long long)m->model->epoch,
                 effect->text);
        if (m == m->s->current) {
            sim_found(m->s, V_CONVERGE, "the newest podmgr stopped: %s", effect->text);
        }
        m->alive = false;
        return;
    }
    abort();
}

static void run_batch(struct manager *m)
{
    struct event *batch = m->queue;
    size_t n = m->n, i;

    m->queue = NULL;
    m->n = m->cap = 0;
    outbox_clear(&m->out);
    for (i = 0; i < n && !dies(m); i++) {
        batch[i].now = now_of(m->s);
        oracle_step(m, &batch[i]);
        m->s->outcome->events++;
    }
    for (size_t k = 0; k < n; k++) {
        event_fini(&batch[k]);
    }
    free(batch);
    if (dies(m)) {
        return; /* before the commit */
    }
    commit(m);
    for (i = 0; i < m->out.n_effects && !dies(m); i++) {
        carry_out(m, &m->out.effects[i]);
    }
    if (!dies(m)) {
        dispatch_flush(m->dispatch);
    }
}

static void restart(void *arg)
{
    struct sim *s = arg;

    if (s->current == NULL && !s->stop) {
        manager_start(s);
    }
}

/* When the next one starts, if it was the newest. */
static int64_t end(struct manager *m)
{
    struct sim *s = m->s;
    int64_t starts = sim_now(s) + (int64_t)(20 + sim_random(s, 1500)) * MS;

    if (m->store == NULL) {
        return starts;
    }
    if (m == s->current) {
        storage_fork(s, m->path, sim_fault(s, F_MACHINE, 0.3));
        if (m->commit_failed && storage_next_event(s, s->db) == m->model->next_event) {
            oracle_committed(m); /* it was durable, though nobody can know */
        }
        s->current = NULL;
        sim_note(s, "podmgr is dead");
        evq_at(s->w->evq, starts, restart, s);
    }
    for (size_t i = 0; i < m->n; i++) {
        event_fini(&m->queue[i]);
    }
    free(m->queue);
    m->queue = NULL;
    m->n = m->cap = 0;
    dispatch_destroy(m->dispatch);
    model_destroy(m->model);
    storage_close(s, m->store);
    outbox_fini(&m->out);
    m->store = NULL;
    m->calls = NULL;
    storage_remove(s, m->path);
    return starts;
}

bool manager_has_requests(const struct manager *m)
{
    bool has = false;

    for (size_t i = 0; i < m->n; i++) {
        has = has || (m->queue[i].cookie != 0 && m->queue[i].kind != EV_VERDICT);
    }
    return has;
}

static void turn(void *arg)
{
    struct manager *m = arg;

    if (!m->alive) {
        return;
    }
    if (manager_is_paused(m)) {
        evq_at(m->s->w->evq, m->paused_until_ns, turn, m);
        return;
    }
    m->turn_set = false;
    while (m->n > 0 && m->alive && !m->s->stop) {
        run_batch(m);
    }
    if (!m->alive) {
        (void)end(m);
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
    if (manager_is_paused(m)) {
        evq_at(m->s->w->evq, m->paused_until_ns, tick, m);
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

/* With a full disk, again later. */
static void could_not_start(struct manager *m, const struct error *err)
{
    struct sim *s = m->s;

    m->alive = false;
    if (!storage_is_full(s)) {
        sim_found(s, V_A2, "%s", err->text);
        return;
    }
    sim_note(s, "podmgr does not start: %s", err->text);
    dispatch_destroy(m->dispatch);
    model_destroy(m->model);
    store_close(m->store);
    outbox_fini(&m->out);
    m->store = NULL;
    if (s->current == NULL) {
        sim_after(s, 300 * MS, restart, s);
    }
}

void manager_start(struct sim *s)
{
    struct manager *m = sim_new(s, sizeof *m);
    struct event start = {.kind = EV_START};
    struct error err;

    m->driver.ops = &switches_ops;
    m->s = s;
    m->alive = true;
    m->crash_in = -1;
    m->next = s->managers;
    s->managers = m;
    (void)snprintf(m->path, sizeof m->path, "%s", s->db);
    outbox_init(&m->out);
    if (store_open(&m->store, m->path, JOURNAL_KEEP, &err) < 0) {
        m->store = NULL;
        could_not_start(m, &err);
        return;
    }
    m->model = model_create(&s->pod, sim_random(s, UINT64_MAX));
    m->dispatch = dispatch_create(m->model, sink, m);
    dispatch_set_driver(m->dispatch, &m->driver);
    if (store_load(m->store, m->model, &err) < 0) {
        could_not_start(m, &err);
        return;
    }
    s->current = m;
    if (s->restored) {
        s->restored = false;
        oracle_restored(m, storage_backup_audits(s));
        client_restored(s);
    } else {
        oracle_loaded(m);
    }
    sim_note(s, "podmgr starts after epoch %llu", (unsigned long long)m->model->epoch);
    manager_post(m, &start);
    switches_connect(m);
    sim_after(s, TICK_MS * MS, tick, m);
}

void manager_start_second(struct sim *s)
{
    struct manager *old = s->current;

    storage_fork(s, old->path, false);
    manager_start(s);
}

int64_t manager_kill(struct manager *m)
{
    m->alive = false;
    return end(m);
}

void managers_fini(struct sim *s)
{
    s->current = NULL;
    for (struct manager *m = s->managers; m != NULL; m = m->next) {
        m->alive = false;
        (void)end(m);
    }
    storage_remove(s, s->db);
}
