/* The disk of podmgr's machine, in memory (tests/crash/disk.h): what a kill or a
 * loss of power leaves of a database, what fails at commits, backups.
 *
 * tests/crash sweeps every call of SQLite; here faults strike at commits among
 * all the others. */
#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim.h"
#include "tests/crash/vfs.h"

enum { WRITES_MAX = 6, JOURNAL_KEEP = 1000 };

struct storage {
    struct sim *s;
    struct disk disk;
    unsigned files;
    bool fails_sync, struck, closed;
    int fails_write; /* after so many; negative: not */
    int64_t full_until_ns;
    char backup[DISK_NAME_MAX];
    uint64_t backup_audits;
};

static int strike(struct storage *st, enum fault_class class, int rc)
{
    st->s->outcome->activated[class] += !st->struck;
    st->struck = true;
    return rc;
}

static int gate(void *arg, enum disk_call call, bool grows)
{
    struct storage *st = arg;

    if (st->closed) {
        return SQLITE_IOERR;
    }
    if (grows && sim_now(st->s) < st->full_until_ns) {
        return strike(st, F_FULL, SQLITE_FULL);
    }
    if (call == CALL_WRITE && st->fails_write >= 0 && st->fails_write-- == 0) {
        return strike(st, F_EIO, SQLITE_IOERR_WRITE);
    }
    if (call == CALL_SYNC && st->fails_sync) {
        return strike(st, F_FSYNC, SQLITE_IOERR_FSYNC);
    }
    return SQLITE_OK;
}

void storage_init(struct sim *s)
{
    struct storage *st = s->storage = sim_new(s, sizeof *st);

    st->s = s;
    st->fails_write = -1;
    vfs_install(&st->disk, gate, st);
}

void storage_fini(struct sim *s)
{
    disk_fini(&s->storage->disk);
}

/* ---------------------------------------------------------------- files -- */

static const char *const suffixes[] = {"", "-wal", "-journal"};

static void remove_one(struct storage *st, const char *path, const char *suffix)
{
    char name[DISK_NAME_MAX];

    (void)snprintf(name, sizeof name, "%s%s", path, suffix);
    if (disk_find(&st->disk, name) != NULL) {
        disk_remove(&st->disk, name);
    }
}

void storage_close(struct sim *s, struct store *store)
{
    s->storage->closed = true;
    store_close(store);
    s->storage->closed = false;
}

void storage_remove(struct sim *s, const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        remove_one(s->storage, path, suffixes[i]);
    }
    disk_sync_names(&s->storage->disk);
}

static void copy_files(struct storage *st, const char *from, const char *to, bool durable)
{
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char source[DISK_NAME_MAX], target[DISK_NAME_MAX];
        (void)snprintf(source, sizeof source, "%s%s", from, suffixes[i]);
        (void)snprintf(target, sizeof target, "%s%s", to, suffixes[i]);
        const struct disk_file *f =
            durable ? disk_find_durable(&st->disk, source) : disk_find(&st->disk, source);
        if (f != NULL) {
            disk_copy(&st->disk, f, target, durable);
        }
    }
    disk_sync_names(&st->disk);
}

static void new_name(struct sim *s, char out[static DISK_NAME_MAX])
{
    (void)snprintf(out, DISK_NAME_MAX, "podmgr-%u.db", s->storage->files++);
}

void storage_fork(struct sim *s, const char *from, bool lost_power)
{
    new_name(s, s->db);
    copy_files(s->storage, from, s->db, lost_power);
}

/* --------------------------------------------------------------- faults -- */

void storage_arm(struct sim *s)
{
    struct storage *st = s->storage;

    st->struck = false;
    if (!s->chaos) {
        return;
    }
    if (s->on[F_FULL] && sim_chance(s, 0.0005)) {
        st->full_until_ns = sim_now(s) + (int64_t)sim_random(s, 3000) * MS;
    }
    if (s->on[F_EIO] && sim_chance(s, 0.0005)) {
        st->fails_write = (int)sim_random(s, WRITES_MAX);
    }
    st->fails_sync = s->on[F_FSYNC] && sim_chance(s, 0.0005);
}

bool storage_disarm(struct sim *s)
{
    struct storage *st = s->storage;

    st->fails_write = -1;
    st->fails_sync = false;
    return st->struck;
}

bool storage_is_full(const struct sim *s)
{
    return sim_now(s) < s->storage->full_until_ns;
}

void storage_heal(struct sim *s)
{
    s->storage->full_until_ns = 0;
}

/* -------------------------------------------------------------- backups -- */

/* Opens a database that nobody else has open; NULL and a find if it is bad. */
static struct store *open_model(struct sim *s, const char *path, struct model **m)
{
    struct store *store;
    struct error err;

    *m = model_create(&s->pod, 0);
    if (store_open(&store, path, JOURNAL_KEEP, &err) < 0) {
        sim_found(s, V_A2, "%s", err.text);
        return NULL;
    }
    if (store_load(store, *m, &err) < 0) {
        sim_found(s, V_A2, "%s", err.text);
        store_close(store);
        return NULL;
    }
    return store;
}

uint64_t storage_next_event(struct sim *s, const char *path)
{
    char name[DISK_NAME_MAX];
    struct model *m;
    uint64_t next = 0;

    new_name(s, name);
    copy_files(s->storage, path, name, false);
    struct store *store = open_model(s, name, &m);
    if (store != NULL) {
        next = m->next_event;
        store_close(store);
    }
    model_destroy(m);
    storage_remove(s, name);
    return next;
}

void storage_back_up(struct sim *s)
{
    struct storage *st = s->storage;

    if (st->backup[0] != '\0') {
        storage_remove(s, st->backup);
    }
    new_name(s, st->backup);
    copy_files(st, s->current->path, st->backup, false);
    st->backup_audits = oracle_audits(s);
}

bool storage_has_backup(const struct sim *s)
{
    return s->storage->backup[0] != '\0';
}

/* What `podmgr restore` does: the files of the backup, marked. */
bool storage_restore(struct sim *s)
{
    struct storage *st = s->storage;
    struct change meta = {.kind = CHANGE_META};
    struct outbox batch = {.changes = &meta, .n_changes = 1};
    struct model *m;
    struct error err;

    if (storage_is_full(s)) {
        return false;
    }
    store_close(open_model(s, s->db, &m));
    uint64_t replaced = m->epoch;
    model_destroy(m);
    storage_remove(s, s->db);
    new_name(s, s->db);
    copy_files(st, st->backup, s->db, false);
    struct store *store = open_model(s, s->db, &m);
    if (store != NULL) {
        m->restored = true;
        m->epoch = store_epoch_restored(m->epoch, replaced, (struct wall_ms){0});
        m->backup_epoch = m->epoch; /* the backup may be of a restored one */
        (void)snprintf(m->incarnation, sizeof m->incarnation, "restored-%u", st->files);
        if (store_commit(store, m, &batch, &err) < 0) {
            sim_found(s, V_A2, "%s", err.text);
        }
        store_close(store);
    }
    model_destroy(m);
    s->restored = true;
    return true;
}

uint64_t storage_backup_audits(const struct sim *s)
{
    return s->storage->backup_audits;
}
