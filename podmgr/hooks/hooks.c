#include "hooks/hooks.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/webhooks.h"
#include "hooks/letter.h"
#include "log.h"
#include "mem.h"

enum {
    GATHER_MS = 5, /* what happens at once travels together */
    SAVE_MS = 1000,
    CROWDED_MS = 100, /* the courier takes no more just now */
    READ_MAX = 200,   /* entries of the journal at a time, */
    READS_MAX = 2,    /* and so often a turn */
};

struct run {
    struct hook_status status; /* its cursor and told are ahead of the model's */
    struct id id;
    uint64_t saved_ms;
    struct letter letter; /* body NULL: there is none */
    uint64_t gap_from;    /* the letter tells of a gap from here; 0: it does not */
    uint64_t due_ms;      /* of the next try */
    uint64_t parcel;      /* under way; 0: none */
    bool said_failing;
    hook_test_fn *test_done; /* a test is wanted; NULL: none */
    void *test_arg;
    bool test_sent;
};

struct hooks {
    struct podmgr *p;
    struct courier *courier;
    struct hook_policy policy;
    uv_timer_t timer;
    uint64_t next_parcel;
    struct run runs[WEBHOOKS_MAX];
    size_t n_runs, first; /* the one that is asked first */
};

static struct run *find(const struct hooks *hooks, struct id id)
{
    for (size_t i = 0; i < hooks->n_runs; i++) {
        if (id_compare(hooks->runs[i].id, id) == 0) {
            return (struct run *)&hooks->runs[i];
        }
    }
    return NULL;
}

static void on_timer(uv_timer_t *timer);

/* At the latest then. */
static void wake_in(struct hooks *hooks, uint64_t ms)
{
    if (!uv_is_active((uv_handle_t *)&hooks->timer) || uv_timer_get_due_in(&hooks->timer) > ms) {
        (void)uv_timer_start(&hooks->timer, on_timer, ms, 0);
    }
}

/* ------------------------------------------------------------------ news -- */

static void post(struct hooks *hooks, struct run *run, enum webhook_news_kind kind,
                 const char *text)
{
    struct event ev = {.kind = EV_WEBHOOK_NEWS,
                       .hook = {.kind = kind,
                                .id = run->id,
                                .cursor = run->status.cursor,
                                .told = run->status.told,
                                .gap_from = run->gap_from,
                                .since = run->status.failing_since}};

    (void)snprintf(ev.hook.text, sizeof ev.hook.text, "%s", text);
    run->saved_ms = uv_now(hooks->p->loop);
    podmgr_post(hooks->p, &ev);
}

static void save_in_time(struct hooks *hooks, struct run *run, const struct webhook *hook)
{
    uint64_t now_ms = uv_now(hooks->p->loop);

    if (run->status.cursor == hook->cursor) {
        return;
    }
    if (now_ms >= run->saved_ms + SAVE_MS) {
        post(hooks, run, WEBHOOK_PROGRESS, "");
    } else {
        wake_in(hooks, run->saved_ms + SAVE_MS - now_ms);
    }
}

void hooks_save(struct hooks *hooks)
{
    for (size_t i = 0; i < hooks->n_runs; i++) {
        const struct webhook *hook = model_webhook(hooks->p->model, hooks->runs[i].id);
        if (hook != NULL && hooks->runs[i].status.cursor != hook->cursor) {
            post(hooks, &hooks->runs[i], WEBHOOK_PROGRESS, "");
        }
    }
}

/* --------------------------------------------------------------- letters -- */

struct reading {
    struct letter *letter;
    const struct webhook *hook;
};

static void read_entry(void *arg, const struct journal_entry *entry)
{
    struct reading *reading = arg;
    letter_add(reading->letter, reading->hook, entry);
}

/* Leaves a sealed letter, or none if nothing is to be told so far. */
static void write_letter(struct hooks *hooks, struct run *run, const struct webhook *hook)
{
    struct podmgr *p = hooks->p;
    uint64_t first = store_journal_first(p->store);
    struct letter letter;
    struct reading reading = {&letter, hook};
    struct error err;

    letter_begin(&letter, run->status.told, run->status.cursor);
    run->gap_from = 0;
    if (run->status.cursor + 1 < first) {
        run->gap_from = run->status.cursor + 1;
        letter_tell_gap(&letter, hook, run->gap_from, first - 1, clock_read().wall);
    } else if (store_journal(p->store, run->status.cursor, READ_MAX, read_entry, &reading, &err) <
               0) {
        log_error("webhook", "%s", err.text);
        letter_fini(&letter);
        wake_in(hooks, SAVE_MS);
        return;
    }
    if (letter.n_events == 0) {
        wake_in(hooks, letter.next > run->status.cursor ? 0 : SAVE_MS); /* there may be more */
        run->status.cursor = letter.next;
        letter_fini(&letter);
        return;
    }
    letter_seal(&letter, hook, p->model);
    run->letter = letter;
}

static bool send_letter(struct hooks *hooks, struct run *run, const struct webhook *hook,
                        const struct letter *letter)
{
    struct parcel parcel = {.number = hooks->next_parcel,
                            .url = hook->url,
                            .body = letter->body,
                            .body_len = letter->body_len};
    char at[32], signature[LETTER_SIGNATURE_MAX];

    (void)snprintf(at, sizeof at, "%" PRId64, clock_read().wall.ms / 1000);
    (void)snprintf(parcel.headers[0], sizeof parcel.headers[0], "Content-Type: application/json");
    (void)snprintf(parcel.headers[1], sizeof parcel.headers[1], "User-Agent: podmgr/%s",
                   PODMGR_VERSION);
    (void)snprintf(parcel.headers[2], sizeof parcel.headers[2], "Podmgr-Delivery: %s", letter->id);
    (void)snprintf(parcel.headers[3], sizeof parcel.headers[3], "Podmgr-Attempt: %u",
                   run->status.failures + 1);
    (void)snprintf(parcel.headers[4], sizeof parcel.headers[4], "Podmgr-Timestamp: %s", at);
    if (hook->secret[0] != '\0') {
        letter_sign(hook->secret, at, letter->body, letter->body_len, signature);
        (void)snprintf(parcel.headers[5], sizeof parcel.headers[5], "Podmgr-Signature: %s",
                       signature);
    }
    if (!courier_send(hooks->courier, &parcel)) {
        wake_in(hooks, CROWDED_MS);
        return false;
    }
    run->parcel = hooks->next_parcel++;
    return true;
}

static void send_test(struct hooks *hooks, struct run *run, const struct webhook *hook)
{
    struct letter letter;

    letter_begin(&letter, run->status.told, run->status.told);
    letter_tell_test(&letter, hook, clock_read().wall);
    letter_seal(&letter, hook, hooks->p->model);
    run->test_sent = send_letter(hooks, run, hook, &letter);
    letter_fini(&letter);
}

/* --------------------------------------------------------------- outcome -- */

static void take_delivery(struct hooks *hooks, struct run *run)
{
    bool recovers = run->said_failing;

    run->status.cursor = run->status.told = run->letter.next;
    run->status.delivered += run->letter.n_events;
    run->status.failures = 0;
    run->status.failing_since = run->status.next_try = (struct wall_ms){0};
    letter_fini(&run->letter);
    if (run->gap_from != 0) {
        post(hooks, run, WEBHOOK_GAP, "");
    }
    if (recovers) {
        run->said_failing = false;
        post(hooks, run, WEBHOOK_RECOVERED, "");
    }
}

static void take_failure(struct hooks *hooks, struct run *run, const struct receipt *receipt)
{
    uint64_t random = 0;
    struct wall_ms now = clock_read().wall;
    char id[48], source[64];

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random) {
        random = uv_hrtime(); /* will do */
    }
    run->status.failures++;
    if (run->status.failing_since.ms == 0) {
        run->status.failing_since = now;
    }
    uint64_t delay_ms =
        hook_delay_ms(&hooks->policy, run->status.failures, &receipt->outcome, random);
    run->due_ms = uv_now(hooks->p->loop) + delay_ms;
    run->status.next_try.ms = now.ms + (int64_t)delay_ms;
    (void)snprintf(source, sizeof source, "webhook/%s", id_format(run->id, id));
    log_info(source, "try %u: %s; again in %" PRIu64 " ms", run->status.failures, receipt->text,
             delay_ms);
    if (hook_is_failing(run->status.failures) && !run->said_failing) {
        run->said_failing = true;
        post(hooks, run, WEBHOOK_FAILING, receipt->text);
    }
}

static void take_test(struct hooks *hooks, struct run *run, const struct receipt *receipt)
{
    hook_test_fn *done = run->test_done;

    (void)hooks;
    run->test_done = NULL;
    run->test_sent = false;
    if (hook_judge(&receipt->outcome) == HOOK_DELIVERED) {
        run->due_ms = 0; /* it works: what waits need not wait longer */
    }
    done(run->test_arg, receipt);
}

static void take_outcome(struct hooks *hooks, struct run *run, const struct receipt *receipt)
{
    switch (hook_judge(&receipt->outcome)) {
    case HOOK_DELIVERED:
        take_delivery(hooks, run);
        return;
    case HOOK_AGAIN:
        take_failure(hooks, run, receipt);
        return;
    case HOOK_GONE:
        letter_fini(&run->letter);
        post(hooks, run, WEBHOOK_DISABLED, "the receiver answered 410 Gone");
        return;
    }
    abort();
}

static void on_receipt(void *arg, const struct receipt *receipt)
{
    struct hooks *hooks = arg;

    for (size_t i = 0; i < hooks->n_runs; i++) {
        struct run *run = &hooks->runs[i];
        if (run->parcel != receipt->number) {
            continue; /* its webhook is deleted, if there is none */
        }
        run->parcel = 0;
        run->status.last = *receipt;
        run->status.last_at = clock_read().wall;
        if (run->test_sent) {
            take_test(hooks, run, receipt);
        } else {
            take_outcome(hooks, run, receipt);
        }
        wake_in(hooks, 0);
        return;
    }
}

/* ------------------------------------------------------------------ turn -- */

static void forget_deleted(struct hooks *hooks)
{
    for (size_t i = 0; i < hooks->n_runs;) {
        struct run run = hooks->runs[i];
        if (model_webhook(hooks->p->model, run.id) != NULL) {
            i++;
            continue;
        }
        hooks->runs[i] = hooks->runs[--hooks->n_runs];
        letter_fini(&run.letter);
        if (run.test_done != NULL) {
            run.test_done(run.test_arg, NULL);
        }
    }
}

static void find_new(struct hooks *hooks)
{
    const struct model *m = hooks->p->model;

    for (size_t i = 0; i < m->n_webhooks; i++) {
        const struct webhook *hook = &m->webhooks[i];
        if (find(hooks, hook->id) == NULL) {
            hooks->runs[hooks->n_runs++] = (struct run){
                .id = hook->id,
                .said_failing = hook->failing_since.ms != 0,
                .status = {.cursor = hook->cursor,
                           .told = hook->told,
                           .failing_since = hook->failing_since},
            };
        }
    }
}

/* *reads: how often the journal may be read yet. */
static void attend(struct hooks *hooks, struct run *run, unsigned *reads)
{
    const struct webhook *hook = model_webhook(hooks->p->model, run->id);
    uint64_t now_ms = uv_now(hooks->p->loop);

    save_in_time(hooks, run, hook);
    if (run->parcel != 0) {
        return;
    }
    if (run->test_done != NULL) {
        send_test(hooks, run, hook);
        return;
    }
    if (hook->disabled[0] != '\0') {
        return;
    }
    if (run->letter.body == NULL && run->status.cursor + 1 < hooks->p->model->next_event) {
        if (*reads == 0) {
            wake_in(hooks, 0);
            return;
        }
        --*reads;
        write_letter(hooks, run, hook);
    }
    if (run->letter.body == NULL) {
        return;
    }
    if (run->due_ms > now_ms) {
        wake_in(hooks, run->due_ms - now_ms);
    } else {
        (void)send_letter(hooks, run, hook, &run->letter);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct hooks *hooks = timer->data;
    unsigned reads = READS_MAX;

    forget_deleted(hooks);
    find_new(hooks);
    hooks->first++; /* each comes first in turn */
    for (size_t i = 0; i < hooks->n_runs; i++) {
        attend(hooks, &hooks->runs[(hooks->first + i) % hooks->n_runs], &reads);
    }
}

void hooks_batch_done(struct hooks *hooks, const struct outbox *batch)
{
    bool concerns = batch->n_journal > 0;

    for (size_t i = 0; i < batch->n_changes && !concerns; i++) {
        concerns = batch->changes[i].kind == CHANGE_WEBHOOK;
    }
    if (concerns && (hooks->p->model->n_webhooks > 0 || hooks->n_runs > 0)) {
        wake_in(hooks, GATHER_MS);
    }
}

/* ------------------------------------------------------------- from outside -- */

bool hooks_status(const struct hooks *hooks, struct id id, struct hook_status *out)
{
    const struct webhook *hook = model_webhook(hooks->p->model, id);
    const struct run *run = find(hooks, id);

    if (hook != NULL && run == NULL) { /* just made */
        *out = (struct hook_status){
            .cursor = hook->cursor, .told = hook->told, .failing_since = hook->failing_since};
    } else if (hook != NULL) {
        *out = run->status;
    }
    return hook != NULL;
}

int hooks_test(struct hooks *hooks, struct id id, hook_test_fn *done, void *arg)
{
    const struct webhook *hook = model_webhook(hooks->p->model, id);

    if (hook == NULL) {
        return E_NOT_FOUND;
    }
    if (hook->disabled[0] != '\0') {
        return E_CONFLICT;
    }
    forget_deleted(hooks);
    find_new(hooks);
    struct run *run = find(hooks, id);
    if (run->test_done != NULL) {
        return E_BUSY;
    }
    run->test_done = done;
    run->test_arg = arg;
    wake_in(hooks, 0);
    return 0;
}

int hooks_create(struct hooks **out, struct podmgr *p, struct error *err)
{
    const struct courier_config config = {.timeout_ms = p->config->webhooks.timeout_ms,
                                          .ca_file = p->config->webhooks.ca_file};
    struct hooks *hooks = xcalloc(1, sizeof *hooks);
    int status = courier_create(&hooks->courier, p->loop, &config, on_receipt, hooks, err);

    if (status < 0) {
        free(hooks);
        return status;
    }
    hooks->p = p;
    hooks->policy =
        (struct hook_policy){p->config->webhooks.backoff_ms, p->config->webhooks.backoff_max_ms};
    hooks->next_parcel = 1;
    (void)uv_timer_init(p->loop, &hooks->timer);
    hooks->timer.data = hooks;
    *out = hooks;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void hooks_destroy(struct hooks *hooks)
{
    if (hooks != NULL) {
        courier_destroy(hooks->courier);
        for (size_t i = 0; i < hooks->n_runs; i++) {
            letter_fini(&hooks->runs[i].letter);
        }
        uv_close((uv_handle_t *)&hooks->timer, on_closed);
    }
}
