/* A backup becomes the database: copied beside it, checked as a start would
 * check it, marked as restored, and only then put in its place.  What was there
 * is kept under another name.  All the while it is locked, so that no podmgr begins
 * to use it; one that opened it just before finds it exchanged once it has the lock
 * (store_check_place()). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite_util.h"
#include "store/wal.h"

uint64_t store_epoch_restored(uint64_t backup, uint64_t replaced, struct wall_ms now)
{
    uint64_t least = replaced > 0 ? replaced : (uint64_t)now.ms;

    return (backup > least ? backup : least) + STORE_RESTORE_EPOCHS;
}

static int take_epoch(void *epoch, int n, char **values, char **names)
{
    (void)n;
    (void)names;
    *(uint64_t *)epoch = values[0] != NULL ? strtoull(values[0], NULL, 10) : 0;
    return 0;
}

static int busy(const char *path, struct error *err)
{
    return err_set(err, E_BUSY, "%s: a podmgr has it open; stop that first", path);
}

/* A process that has the database open holds its lock.  *epoch: the last one
 * that the database names, 0 if it names none, or may not name the last. */
static int refuse_live(const char *path, uint64_t *epoch, struct error *err)
{
    struct wal wal;
    sqlite3 *db;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT", NULL,
                          NULL, NULL);
    }
    *epoch = 0;
    if (rc == SQLITE_OK && wal_check(db, path, &wal, NULL) == 0) {
        (void)sqlite3_exec(db, "SELECT value FROM meta WHERE key = 'epoch'", take_epoch, epoch,
                           NULL);
    }
    (void)sqlite3_close(db);                        /* folds its log in, if it is whole */
    return rc == SQLITE_BUSY ? busy(path, err) : 0; /* damaged or gone: all the more reason */
}

/* Locks the bytes that SQLite locks (its file format keeps them free), but as no
 * connection of SQLite's, which would tidy up what is exchanged.  *fd: -1 if there is no
 * such file. */
static int lock(const char *path, int *fd, struct error *err)
{
    struct flock bytes = {.l_type = F_WRLCK, .l_start = 0x40000000, .l_len = 512};

    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0) {
        return errno == ENOENT ? 0 : err_set(err, E_IO, "%s: %s", path, strerror(errno));
    }
    if (fcntl(*fd, F_OFD_SETLK, &bytes) == 0) {
        return 0;
    }
    (void)close(*fd);
    *fd = -1;
    return busy(path, err);
}

/* Through SQLite, since a backup may come with a log beside it. */
static int copy(const char *from, const char *to, struct error *err)
{
    sqlite3 *source, *target;
    struct wal wal;
    int rc = sqlite3_open_v2(from, &source, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    int opened = sqlite3_open_v2(
        to, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int status = rc == SQLITE_OK ? wal_check(source, from, &wal, err) : 0;

    if (status == 0 && rc == SQLITE_OK && opened == SQLITE_OK) {
        sqlite3_backup *backup = sqlite3_backup_init(target, "main", source, "main");
        (void)sqlite3_backup_step(backup, -1);
        rc = sqlite3_backup_finish(backup);
    }
    if (status == 0 && (rc != SQLITE_OK || opened != SQLITE_OK)) {
        status = err_set(err, E_IO, "cannot copy %s to %s: %s", from, to,
                         sqlite3_errstr(rc != SQLITE_OK ? rc : opened));
    }
    (void)sqlite3_close(source);
    (void)sqlite3_close(target);
    return status;
}

/* Everything that a start checks; then the mark and a journal of its own. */
static int check_and_mark(const char *path, const struct pod *pod, uint64_t replaced_epoch,
                          struct error *err)
{
    struct change meta = {.kind = CHANGE_META};
    struct outbox batch = {.changes = &meta, .n_changes = 1};
    struct store *store;
    int status = store_open(&store, path, 1, err);

    if (status < 0) {
        return status;
    }
    struct model *m = model_create(pod, 0);
    status = store_load(store, m, err);
    if (status == 0 && m->epoch == 0) {
        status = err_set(err, E_CORRUPT, "%s holds nothing: no podmgr ever used it", path);
    }
    if (status == 0) {
        m->restored = true;
        m->epoch = store_epoch_restored(m->epoch, replaced_epoch, clock_read().wall);
        m->backup_epoch = m->epoch; /* the backup may be of a restored one */
        status = store_new_incarnation(m, err);
    }
    if (status == 0) {
        status = store_commit(store, m, &batch, err);
    }
    /* All of it goes into the one file that will be renamed; closing alone would
     * not tell that it did not. */
    if (status == 0 && sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                                 NULL) != SQLITE_OK) {
        status = store_failed(store, err, "fold the log in");
    }
    model_destroy(m);
    store_close(store);
    return status;
}

/* Whoever runs this, podmgr's own user has to open it: as what it replaces (fd), else as
 * its directory. */
static int give_to_owner(const char *fresh, const char *path, int fd, struct error *err)
{
    char dir[600];
    struct stat st;

    store_dir_of(path, dir, sizeof dir);
    if ((fd >= 0 ? fstat(fd, &st) : stat(dir, &st)) != 0 || geteuid() != 0 ||
        chown(fresh, st.st_uid, st.st_gid) == 0 || errno == ENOENT) { /* the rename will say so */
        return 0;
    }
    return err_set(err, E_IO, "cannot give %s to uid %u: %s", fresh, (unsigned)st.st_uid,
                   strerror(errno));
}

/* The log goes first, durably: a log beside a database that is not its own
 * would be replayed into it.  What was there has its other name, durably,
 * before it loses this one. */
static int exchange(const char *fresh, const char *path, const char *aside, struct error *err)
{
    char log[600], log_aside[600];

    (void)snprintf(log, sizeof log, "%s-wal", path);
    (void)snprintf(log_aside, sizeof log_aside, "%s-wal", aside);
    bool moved = (rename(log, log_aside) == 0 || errno == ENOENT) &&
                 (link(path, aside) == 0 || errno == ENOENT);
    if (moved && store_sync_names(path, err) < 0) {
        return E_IO;
    }
    if (!moved || rename(fresh, path) != 0) {
        return err_set(err, E_IO, "cannot put %s in the place of %s: %s", fresh, path,
                       strerror(errno));
    }
    return store_sync_names(path, err);
}

int store_restore(const char *path, const char *backup, const struct pod *pod, char *aside,
                  size_t aside_size, struct error *err)
{
    char fresh[560], log[600];
    uint64_t replaced_epoch;
    int fd = -1;

    (void)snprintf(fresh, sizeof fresh, "%s.restoring", path);
    (void)snprintf(log, sizeof log, "%s-wal", fresh);
    (void)snprintf(aside, aside_size, "%s.before-%lld", path, (long long)clock_read().wall.ms);
    int status = refuse_live(path, &replaced_epoch, err);
    if (status == 0) {
        status = lock(path, &fd, err);
    }
    if (status < 0) {
        return status; /* another restore may be at it */
    }
    (void)unlink(fresh); /* of an earlier attempt */
    (void)unlink(log);
    status = copy(backup, fresh, err);
    if (status == 0) {
        status = check_and_mark(fresh, pod, replaced_epoch, err);
    }
    if (status == 0) {
        status = give_to_owner(fresh, path, fd, err);
    }
    if (status == 0) {
        status = exchange(fresh, path, aside, err);
    }
    if (status < 0) {
        (void)unlink(fresh);
        (void)unlink(log);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return status;
}
