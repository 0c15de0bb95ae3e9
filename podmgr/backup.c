#include "backup.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

/* Every PAUSE_MS the copy goes on for COPY_NS: at most so much longer does an
 * event wait, and a commit, because of a backup. */
enum { PAUSE_MS = 2, COPY_NS = 500 * 1000 };

enum phase { IDLE, COPYING, SEALING };

struct backup {
    struct podmgr *p;
    uv_timer_t timer;
    uv_work_t seal;
    enum phase phase;
    bool closing;
    struct store_backup *copy;
    char name[BACKUP_NAME_MAX + 1];
    char partial[PATH_MAX], path[PATH_MAX];
    backup_done_fn *done;
    void *arg;
    uint64_t started_ns;
    struct wall_ms last;
    struct backup_outcome outcome; /* written by the pool's thread while SEALING */
};

bool backup_name_is_good(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._-";
    size_t len = strlen(name);

    return len >= 1 && len <= BACKUP_NAME_MAX && strspn(name, allowed) == len &&
           isalnum((unsigned char)name[0]) != 0;
}

struct wall_ms backup_last(const struct backup *backup)
{
    return backup->last;
}

struct backup *backup_create(struct podmgr *p)
{
    struct backup *b = xcalloc(1, sizeof *b);

    b->p = p;
    (void)uv_timer_init(p->loop, &b->timer);
    b->timer.data = b->seal.data = b;
    return b;
}

static void finish(struct backup *b)
{
    struct backup_outcome *outcome = &b->outcome;

    outcome->name = b->name;
    outcome->path = b->path;
    outcome->took_ms = (double)(uv_hrtime() - b->started_ns) / 1e6;
    b->phase = IDLE;
    if (outcome->status < 0) {
        (void)unlink(b->partial);
        log_error("backup", "%s", outcome->err.text);
    } else {
        b->last = clock_read().wall;
        log_notice("backup", "%s, %llu bytes, epoch %llu, audit record %llu, in %.0f ms", b->path,
                   (unsigned long long)outcome->facts.size_bytes,
                   (unsigned long long)outcome->facts.epoch,
                   (unsigned long long)outcome->facts.audit.seq, outcome->took_ms);
    }
    b->done(b->arg, outcome);
}

/* ---------------------------------------------------------------- seal -- */

static void seal(uv_work_t *work)
{
    struct backup *b = work->data;
    struct backup_outcome *outcome = &b->outcome;

    outcome->status =
        store_backup_seal(b->partial, b->path, &b->p->config->pod, &outcome->facts, &outcome->err);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_sealed(uv_work_t *work, int status)
{
    struct backup *b = work->data;

    if (status < 0) { /* podmgr stopped before a thread took it */
        (void)unlink(b->partial);
    }
    if (b->closing) {
        uv_close((uv_handle_t *)&b->timer, on_timer_closed);
    } else {
        finish(b);
    }
}

/* ---------------------------------------------------------------- copy -- */

static void on_copy(uv_timer_t *timer)
{
    struct backup *b = timer->data;
    uint64_t start_ns = uv_hrtime();
    int status;

    do {
        status = store_backup_step(b->copy, &b->outcome.err);
    } while (status == 0 && uv_hrtime() - start_ns < COPY_NS);
    if (status == 0) {
        return;
    }
    (void)uv_timer_stop(&b->timer);
    store_backup_end(b->copy);
    b->copy = NULL;
    if (status < 0) {
        b->outcome.status = status;
        finish(b);
        return;
    }
    b->phase = SEALING;
    (void)uv_queue_work(b->p->loop, &b->seal, seal, on_sealed);
}

int backup_start(struct backup *b, const char *name, backup_done_fn *done, void *arg,
                 struct error *err)
{
    const struct config *config = b->p->config;

    assert(backup_name_is_good(name));
    if (b->phase != IDLE) {
        return err_set(err, E_BUSY, "the backup %s is under way", b->name);
    }
    (void)snprintf(b->name, sizeof b->name, "%s", name);
    (void)snprintf(b->path, sizeof b->path, "%s/%s.backup", config->backup_dir, name);
    (void)snprintf(b->partial, sizeof b->partial, "%s/.%s.partial", config->backup_dir,
                   config->pod.id);
    if (access(b->path, F_OK) == 0) {
        return err_set(err, E_CONFLICT, "%s exists; take another name", b->path);
    }
    b->outcome = (struct backup_outcome){0};
    int status = store_backup_begin(&b->copy, b->p->store, b->partial, err);
    if (status < 0) {
        (void)unlink(b->partial);
        return status;
    }
    b->done = done;
    b->arg = arg;
    b->started_ns = uv_hrtime();
    b->phase = COPYING;
    (void)uv_timer_start(&b->timer, on_copy, 0, PAUSE_MS);
    return 0;
}

/* A thread that seals ends by itself; what it names stays. */
void backup_destroy(struct backup *b)
{
    if (b == NULL) {
        return;
    }
    b->closing = true;
    if (b->phase == COPYING) {
        store_backup_end(b->copy);
        (void)unlink(b->partial);
    }
    if (b->phase != SEALING) {
        uv_close((uv_handle_t *)&b->timer, on_timer_closed);
    } else {
        (void)uv_cancel((uv_req_t *)&b->seal);
    }
}
