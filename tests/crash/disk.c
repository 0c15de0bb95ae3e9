#include "disk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "simulator/chance.h"

/* ---------------------------------------------------------------- bytes -- */

static void resize(struct bytes *b, size_t size, uint8_t filling)
{
    if (size > b->cap) {
        b->cap = size > 2 * b->cap ? size : 2 * b->cap;
        b->at = xrealloc_array(b->at, b->cap, 1);
    }
    if (size > b->size) {
        memset(b->at + b->size, filling, size - b->size);
    }
    b->size = size;
}

static void put(struct bytes *b, const void *bytes, size_t n, size_t offset, uint8_t filling)
{
    if (offset + n > b->size) {
        resize(b, offset + n, filling);
    }
    memcpy(b->at + offset, bytes, n);
}

static void copy_bytes(struct bytes *to, const struct bytes *from)
{
    to->size = 0;
    resize(to, from->size, 0);
    if (from->size > 0) {
        memcpy(to->at, from->at, from->size);
    }
}

/* ---------------------------------------------------------------- files -- */

static void forget_unsynced(struct disk_file *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->unsynced[i].bytes);
    }
    f->n = 0;
}

static void release(struct disk_file *f)
{
    forget_unsynced(f);
    free(f->unsynced);
    free(f->now.at);
    free(f->durable.at);
    *f = (struct disk_file){.used = false};
}

void disk_fini(struct disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        release(&d->files[i]);
    }
}

struct disk_file *disk_find(struct disk *d, const char *name)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (d->files[i].linked && strcmp(d->files[i].name, name) == 0) {
            return &d->files[i];
        }
    }
    return NULL;
}

struct disk_file *disk_create(struct disk *d, const char *name)
{
    struct disk_file *f = d->files;

    assert(disk_find(d, name) == NULL && strlen(name) < DISK_NAME_MAX);
    while (f->used) {
        f++;
        assert(f < d->files + DISK_FILES_MAX);
    }
    *f = (struct disk_file){.used = true, .linked = true};
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}

void disk_copy(struct disk *d, const struct disk_file *from, const char *name, bool durable)
{
    struct disk_file *f = disk_create(d, name);

    copy_bytes(&f->now, durable ? &from->durable : &from->now);
    copy_bytes(&f->durable, &f->now);
}

void disk_remove(struct disk *d, struct disk_file *f)
{
    (void)d;
    assert(f->linked && f->opened == 0);
    f->linked = false;
}

static struct unsynced *add_unsynced(struct disk_file *f)
{
    VEC_GROW(f->unsynced, f->n, f->cap);
    return &f->unsynced[f->n++];
}

void disk_write(struct disk_file *f, const void *bytes, size_t n, size_t offset)
{
    put(&f->now, bytes, n, offset, 0);
    *add_unsynced(f) = (struct unsynced){offset, n, xmemdup(bytes, n)};
}

void disk_truncate(struct disk_file *f, size_t size)
{
    resize(&f->now, size, 0);
    *add_unsynced(f) = (struct unsynced){0, size, NULL};
}

void disk_sync(struct disk *d, struct disk_file *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct unsynced *u = &f->unsynced[i];
        if (u->bytes == NULL) {
            resize(&f->durable, u->size, 0);
        } else {
            put(&f->durable, u->bytes, u->size, u->offset, 0);
        }
    }
    d->durable_changes += f->n > 0;
    forget_unsynced(f);
}

void disk_sync_names(struct disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *f = &d->files[i];
        d->durable_changes += f->linked_durably != f->linked;
        f->linked_durably = f->linked;
        if (f->used && !f->linked && f->opened == 0) {
            release(f);
        }
    }
}

void disk_fail_sync(struct disk_file *f)
{
    forget_unsynced(f);
}

bool disk_has_unsynced(const struct disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (d->files[i].n > 0 || d->files[i].linked != d->files[i].linked_durably) {
            return true;
        }
    }
    return false;
}

/* -------------------------------------------------------- loss of power -- */

static bool draw(const struct disk_loss *loss, uint64_t *state)
{
    return loss != NULL && chance_next(state) < loss->kept;
}

/* Of a write, the sectors that the draw keeps. */
static void keep_some(struct disk_file *f, const struct unsynced *u, const struct disk_loss *loss,
                      uint64_t *state)
{
    if (u->bytes == NULL) {
        if (draw(loss, state)) {
            resize(&f->durable, u->size, loss->filling);
        }
        return;
    }
    for (size_t at = u->offset, end = u->offset + u->size; at < end;) {
        size_t next = (at / loss->sector + 1) * loss->sector;
        size_t to = next < end ? next : end;
        if (draw(loss, state)) {
            put(&f->durable, u->bytes + (at - u->offset), to - at, at, loss->filling);
        }
        at = to;
    }
}

/* A new file under an old name has taken the name only if its own was kept. */
static void resolve_names(struct disk *d, struct disk_file *newest)
{
    for (size_t i = 0; newest->linked && i < DISK_FILES_MAX; i++) {
        struct disk_file *f = &d->files[i];
        if (f != newest && f->linked && strcmp(f->name, newest->name) == 0) {
            f->linked = f->linked_durably = false;
        }
    }
}

void disk_lose_power(struct disk *d, const struct disk_loss *loss)
{
    uint64_t state = loss != NULL ? loss->seed : 0;

    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *f = &d->files[i];
        bool is_new = f->linked && !f->linked_durably;
        if (!f->used) {
            continue;
        }
        for (size_t k = 0; loss != NULL && k < f->n; k++) {
            keep_some(f, &f->unsynced[k], loss, &state);
        }
        forget_unsynced(f);
        copy_bytes(&f->now, &f->durable);
        if (f->linked != f->linked_durably && !draw(loss, &state)) {
            f->linked = f->linked_durably;
        }
        f->linked_durably = f->linked;
        if (is_new) {
            resolve_names(d, f);
        }
    }
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (d->files[i].used && !d->files[i].linked) {
            assert(d->files[i].opened == 0);
            release(&d->files[i]);
        }
    }
    d->durable_changes++;
}
