/* The shell around the core: a queue of events, one transaction a batch, then
 * the effects.  The only place where the three meet, so the only place that
 * can break "durable before visible" (D6, A2). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "agents/agents.h"
#include "agents/health.h"
#include "api/api.h"
#include "hooks/hooks.h"
#include "log.h"
#include "mem.h"
#include "podmgr.h"

/* A tick is what remediation's first look waits for; the others count ticks. */
enum { TICK_MS = 25, RETRY_TICKS = 2000 / TICK_MS, LOOK_TICKS = 30000 / TICK_MS };

struct shell {
    struct podmgr *p;
    uv_prepare_t prepare; /* events that timers made */
    uv_check_t check;     /* events that sockets made */
    uv_timer_t timer;
    unsigned ticks;
    int open_handles;
    struct event *queue;
    size_t n, cap;
    struct outbox out;
};

void podmgr_post(struct podmgr *p, struct event *ev)
{
    struct shell *shell = p->shell;

    VEC_GROW(shell->queue, shell->n, shell->cap);
    ev->arrived = clock_read().mono;
    shell->queue[shell->n++] = *ev;
}

/* Past a failed commit the model is ahead of the disk: only a restart, which
 * loads what is durable, is safe. */
static void commit(struct shell *shell)
{
    struct podmgr *p = shell->p;
    struct error err;

    if (shell->out.n_changes == 0 && shell->out.n_journal == 0) {
        return;
    }
    uint64_t start_ns = uv_hrtime();
    if (store_commit(p->store, p->model, &shell->out, &err) < 0) {
        log_error("store", "cannot commit, stopping; nothing acknowledged is lost: %s", err.text);
        _exit(EX_IOERR);
    }
    histogram_add(&p->metrics.commit, (double)(uv_hrtime() - start_ns) / 1e9);
}

static void carry_out(struct podmgr *p, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_REPLY:
        if ((effect->cookie & COOKIE_AGENT) != 0) {
            agents_server_reply(p->agents, effect);
        } else if ((effect->cookie & COOKIE_HEALTH) != 0) {
            health_server_reply(p->health, effect);
        } else {
            api_reply(p->api, effect);
        }
        return;
    case EFFECT_OCS_ATTACH:
        dispatch_attach(p->dispatch, effect->ocs);
        return;
    case EFFECT_OCS_APPLY:
        dispatch_apply(p->dispatch, effect->ocs, effect->id);
        return;
    case EFFECT_BRING_UP:
        agents_server_bring_up(p->agents, effect);
        return;
    case EFFECT_WATCH:
        agents_server_watch(p->agents, effect);
        return;
    case EFFECT_RELEASE:
        agents_server_release(p->agents, effect);
        return;
    case EFFECT_FENCE:
        agents_server_fence(p->agents, effect);
        return;
    case EFFECT_STOP:
        log_error("podmgr", "stopping: %s", effect->text);
        _exit(EX_TEMPFAIL); /* its own status: a restart would fight the new one */
    }
    abort();
}

/* What the journal says of this batch, as figures. */
static void measure(struct podmgr *p, const struct outbox *out)
{
    for (size_t i = 0; i < out->n_journal; i++) {
        const struct journal_entry *entry = &out->journal[i];
        const char *name = strchr(entry->subject, '/');
        struct id id;
        if (name == NULL || !id_parse(&id, name + 1)) {
            continue;
        }
        const struct op *op = model_op(p->model, id);
        const struct slice *slice = model_slice(p->model, id);
        if (strcmp(entry->type, "operation.done") == 0 && op != NULL) {
            p->metrics.cross_connects += op->n_breaks + op->n_makes;
            histogram_add(&p->metrics.reconfigure,
                          (double)(op->finished.ms - op->created.ms) / 1e3);
        } else if (strcmp(entry->type, "operation.failed") == 0) {
            p->metrics.readback_mismatches++;
        } else if (strcmp(entry->type, "slice.active") == 0 && slice != NULL) {
            histogram_add(&p->metrics.activation, slice->active_ms / 1e3);
        }
    }
}

static void run_batch(struct shell *shell)
{
    struct podmgr *p = shell->p;
    struct event *batch = shell->queue;
    size_t n = shell->n;
    struct now now = clock_read();

    shell->queue = NULL; /* effects may post to a queue of their own */
    shell->n = shell->cap = 0;
    outbox_clear(&shell->out);
    for (size_t i = 0; i < n; i++) {
        batch[i].now = now;
        core_step(p->model, &batch[i], &shell->out);
        event_fini(&batch[i]);
    }
    p->metrics.events += n;
    free(batch);
    commit(shell);
    measure(p, &shell->out);
    for (size_t i = 0; i < shell->out.n_effects; i++) {
        carry_out(p, &shell->out.effects[i]);
    }
    dispatch_flush(p->dispatch);
    api_batch_done(p->api, &shell->out);
    hooks_batch_done(p->hooks, &shell->out);
}

void shell_drain(struct shell *shell)
{
    while (shell->n > 0) {
        run_batch(shell);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    shell_drain(handle->data);
}

static void on_check(uv_check_t *handle)
{
    shell_drain(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct shell *shell = timer->data;
    struct event ev = {.kind = EV_TICK};

    podmgr_post(shell->p, &ev);
    if (++shell->ticks % RETRY_TICKS == 0) {
        dispatch_retry(shell->p->dispatch);
    }
    if (shell->ticks % LOOK_TICKS == 0) {
        dispatch_look(shell->p->dispatch); /* intent against reality, every 30 s */
    }
}

struct shell *shell_create(struct podmgr *p)
{
    struct shell *shell = xcalloc(1, sizeof *shell);

    shell->p = p;
    outbox_init(&shell->out);
    (void)uv_prepare_init(p->loop, &shell->prepare);
    (void)uv_check_init(p->loop, &shell->check);
    (void)uv_timer_init(p->loop, &shell->timer);
    shell->prepare.data = shell->check.data = shell->timer.data = shell;
    shell->open_handles = 3;
    (void)uv_prepare_start(&shell->prepare, on_prepare);
    (void)uv_check_start(&shell->check, on_check);
    (void)uv_timer_start(&shell->timer, on_timer, TICK_MS, TICK_MS);
    return shell;
}

static void on_closed(uv_handle_t *handle)
{
    struct shell *shell = handle->data;

    if (--shell->open_handles == 0) {
        for (size_t i = 0; i < shell->n; i++) {
            event_fini(&shell->queue[i]);
        }
        free(shell->queue);
        outbox_fini(&shell->out);
        free(shell);
    }
}

void shell_destroy(struct shell *shell)
{
    if (shell != NULL) {
        uv_close((uv_handle_t *)&shell->prepare, on_closed);
        uv_close((uv_handle_t *)&shell->check, on_closed);
        uv_close((uv_handle_t *)&shell->timer, on_closed);
    }
}
