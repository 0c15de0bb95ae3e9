#include "disk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "simulator/chance.h"

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
    bytes_fini(&f->now);
    bytes_fini(&f->durable);
    *f = (struct disk_file){.used = false};
}

void disk_fini(struct disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        release(&d->files[i]);
    }
    free(d->changes);
}

/* ---------------------------------------------------------------- names -- */

static struct disk_name *find_name(struct disk *d, const char *name)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (strcmp(d->names[i].name, name) == 0) {
            return &d->names[i];
        }
    }
    return NULL;
}

/* Stands for nothing, on the platter neither, and no change waits for it. */
static bool is_free(const struct disk *d, const struct disk_name *name)
{
    bool free = name->now == NULL && name->durable == NULL;

    for (size_t i = 0; free && i < d->n; i++) {
        free = d->changes[i].from != name && d->changes[i].to != name;
    }
    return free;
}

/* The name, a new one if need be. */
static struct disk_name *name_of(struct disk *d, const char *name)
{
    struct disk_name *at = find_name(d, name);

    assert(strlen(name) < DISK_NAME_MAX);
    for (size_t i = 0; at == NULL; i++) {
        assert(i < DISK_FILES_MAX);
        if (is_free(d, &d->names[i])) {
            at = &d->names[i];
            (void)snprintf(at->name, sizeof at->name, "%s", name);
        }
    }
    return at;
}

/* What no name stands for any more, and nobody has open. */
static void release_unnamed(struct disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *f = &d->files[i];
        bool named = f->opened > 0;
        for (size_t k = 0; k < DISK_FILES_MAX; k++) {
            named = named || d->names[k].now == f || d->names[k].durable == f;
        }
        for (size_t k = 0; k < d->n; k++) {
            named = named || d->changes[k].file == f;
        }
        if (f->used && !named) {
            release(f);
        }
    }
}

static void change(struct disk *d, struct disk_name *from, struct disk_name *to,
                   struct disk_file *f)
{
    if (from != NULL) {
        from->now = NULL;
    }
    if (to != NULL) {
        to->now = f;
    }
    VEC_GROW(d->changes, d->n, d->cap);
    d->changes[d->n++] = (struct disk_change){from, to, f};
}

struct disk_file *disk_find(struct disk *d, const char *name)
{
    const struct disk_name *at = find_name(d, name);
    return at != NULL ? at->now : NULL;
}

struct disk_file *disk_find_durable(struct disk *d, const char *name)
{
    const struct disk_name *at = find_name(d, name);
    return at != NULL ? at->durable : NULL;
}

struct disk_file *disk_create(struct disk *d, const char *name)
{
    struct disk_file *f = d->files;

    assert(disk_find(d, name) == NULL);
    release_unnamed(d);
    while (f->used) {
        f++;
        assert(f < d->files + DISK_FILES_MAX);
    }
    *f = (struct disk_file){.used = true};
    change(d, NULL, name_of(d, name), f);
    return f;
}

void disk_copy(struct disk *d, const struct disk_file *from, const char *name, bool durable)
{
    struct disk_file *f = disk_create(d, name);

    bytes_copy(&f->now, durable ? &from->durable : &from->now);
    bytes_copy(&f->durable, &f->now);
}

void disk_remove(struct disk *d, const char *name)
{
    assert(disk_find(d, name) != NULL);
    change(d, name_of(d, name), NULL, NULL);
}

void disk_link(struct disk *d, const char *name, const char *other)
{
    assert(disk_find(d, name) != NULL && disk_find(d, other) == NULL);
    change(d, NULL, name_of(d, other), disk_find(d, name));
}

void disk_rename(struct disk *d, const char *from, const char *to)
{
    assert(disk_find(d, from) != NULL);
    change(d, name_of(d, from), name_of(d, to), disk_find(d, from));
}

void disk_sync_names(struct disk *d)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        d->names[i].durable = d->names[i].now;
    }
    d->durable_changes += d->n > 0;
    d->n = 0;
    release_unnamed(d);
}

/* ------------------------------------------------------------- contents -- */

static struct unsynced *add_unsynced(struct disk_file *f)
{
    VEC_GROW(f->unsynced, f->n, f->cap);
    return &f->unsynced[f->n++];
}

void disk_write(struct disk_file *f, const void *bytes, size_t n, size_t offset)
{
    if (bytes_share(&f->now, &f->durable, bytes, n, offset)) {
        return; /* it is there already, and on the platter */
    }
    bytes_write(&f->now, bytes, n, offset, 0);
    *add_unsynced(f) = (struct unsynced){offset, n, xmemdup(bytes, n)};
}

void disk_truncate(struct disk_file *f, size_t size)
{
    bytes_resize(&f->now, size, 0);
    *add_unsynced(f) = (struct unsynced){0, size, NULL};
}

void disk_sync(struct disk *d, struct disk_file *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct unsynced *u = &f->unsynced[i];
        if (u->bytes == NULL) {
            bytes_resize(&f->durable, u->size, 0);
        } else if (f->failed) {
            bytes_write(&f->durable, u->bytes, u->size, u->offset, 0);
        } else {
            bytes_copy_part(&f->durable, &f->now, u->size, u->offset);
        }
    }
    d->durable_changes += f->n > 0;
    forget_unsynced(f);
}

void disk_fail_sync(struct disk_file *f)
{
    f->failed = true;
    forget_unsynced(f);
}

bool disk_has_unsynced(const struct disk *d)
{
    bool found = d->n > 0;

    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        found = found || d->files[i].n > 0;
    }
    return found;
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
            bytes_resize(&f->durable, u->size, loss->filling);
        }
        return;
    }
    for (size_t at = u->offset, end = u->offset + u->size; at < end;) {
        size_t next = (at / loss->sector + 1) * loss->sector;
        size_t to = next < end ? next : end;
        if (draw(loss, state)) {
            bytes_write(&f->durable, u->bytes + (at - u->offset), to - at, at, loss->filling);
        }
        at = to;
    }
}

static void keep_some_names(struct disk *d, const struct disk_loss *loss, uint64_t *state)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct disk_change *c = &d->changes[i];
        if (!draw(loss, state)) {
            continue;
        }
        if (c->from != NULL) {
            c->from->durable = NULL;
        }
        if (c->to != NULL) {
            c->to->durable = c->file;
        }
    }
    d->n = 0;
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        d->names[i].now = d->names[i].durable;
    }
}

void disk_lose_power(struct disk *d, const struct disk_loss *loss)
{
    uint64_t state = loss != NULL ? loss->seed : 0;

    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *f = &d->files[i];
        assert(f->opened == 0);
        for (size_t k = 0; loss != NULL && k < f->n; k++) {
            keep_some(f, &f->unsynced[k], loss, &state);
        }
        forget_unsynced(f);
        bytes_copy(&f->now, &f->durable);
        f->failed = false;
    }
    keep_some_names(d, loss, &state);
    release_unnamed(d);
    d->durable_changes++;
}
