/* An online backup: SQLite's backup interface copies pages of the open
 * database some at a time.  What commits change meanwhile on pages that are
 * copied already goes into the copy with the commit (the source has one
 * connection, ours), so the copy ends as the database is then.
 *
 * The copy is nothing until it is sealed: checked as a start would check it and
 * its audit chain walked, then fsynced and given its name, which no file had. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "store/sqlite_util.h"

/* A step ends within a fraction of a millisecond; the copy's own cache stays so
 * small that its last step has little to write. */
enum { PAGES_A_STEP = 16 };
static const char scratch[] = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                              "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = 64";

struct store_backup {
    sqlite3 *to;
    sqlite3_backup *copy;
    char path[600];
};

static int failed(const struct store_backup *b, int rc, struct error *err)
{
    return err_set(err, (rc & 0xff) == SQLITE_FULL ? E_FULL : E_IO, "cannot copy to %s: %s",
                   b->path, sqlite3_errstr(rc));
}

static int create_file(const char *path, struct error *err)
{
    (void)unlink(path); /* of an earlier attempt */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        return err_set(err, E_IO, "cannot create %s: %s", path, strerror(errno));
    }
    (void)close(fd);
    return 0;
}

int store_backup_begin(struct store_backup **out, struct store *store, const char *path,
                       struct error *err)
{
    struct store_backup *b = xcalloc(1, sizeof *b);
    int status = create_file(path, err);

    (void)snprintf(b->path, sizeof b->path, "%s", path);
    if (status == 0) {
        int rc = sqlite3_open_v2(path, &b->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        if (rc == SQLITE_OK) {
            rc = sqlite3_exec(b->to, scratch, NULL, NULL, NULL);
        }
        if (rc == SQLITE_OK) {
            b->copy = sqlite3_backup_init(b->to, "main", store->db, "main");
            rc = b->copy != NULL ? SQLITE_OK : sqlite3_errcode(b->to);
        }
        status = rc == SQLITE_OK ? 0 : failed(b, rc, err);
    }
    if (status < 0) {
        store_backup_end(b);
        return status;
    }
    *out = b;
    return 0;
}

int store_backup_step(struct store_backup *b, struct error *err)
{
    int rc = sqlite3_backup_step(b->copy, PAGES_A_STEP);

    return rc == SQLITE_OK ? 0 : rc == SQLITE_DONE ? 1 : failed(b, rc, err);
}

void store_backup_end(struct store_backup *b)
{
    if (b != NULL) {
        (void)sqlite3_backup_finish(b->copy);
        (void)sqlite3_close(b->to);
        free(b);
    }
}

/* ---------------------------------------------------------------- seal -- */

/* Loads it all, into a model of its own. */
static int check_content(const char *path, const struct pod *pod, struct store_backup_facts *facts,
                         struct error *err)
{
    struct store *store;
    int status = store_open(&store, path, 1, err);

    if (status < 0) {
        return status;
    }
    struct model *m = model_create(pod, 0);
    status = store_load(store, m, err);
    facts->epoch = m->epoch;
    model_destroy(m);
    store_close(store);
    return status;
}

static int take_word(void *arg, int n, char **values, char **names)
{
    (void)n;
    (void)names;
    (void)snprintf(arg, 200, "%s", values[0] != NULL ? values[0] : "");
    return 0;
}

/* Indexes too; and back to a plain file, so that reading it makes none beside. */
static int check_pages(const char *path, struct error *err)
{
    char word[200] = "";
    sqlite3 *db;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, "PRAGMA integrity_check(1)", take_word, word, NULL);
    }
    (void)sqlite3_close(db);
    if (rc != SQLITE_OK) {
        return err_set(err, E_IO, "%s: check the copy: %s", path, sqlite3_errstr(rc));
    }
    return strcmp(word, "ok") == 0 ? 0 : err_set(err, E_CORRUPT, "%s: %s", path, word);
}

static int sync_path(const char *path, int flags, struct error *err)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    int status = fd >= 0 && fsync(fd) == 0
                     ? 0
                     : err_set(err, E_IO, "cannot fsync %s: %s", path, strerror(errno));

    if (fd >= 0) {
        (void)close(fd);
    }
    return status;
}

void store_dir_of(const char *path, char *dir, size_t size)
{
    (void)snprintf(dir, size, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL) {
        (void)snprintf(dir, size, ".");
    } else {
        slash[slash == dir] = '\0';
    }
}

int store_sync_names(const char *path, struct error *err)
{
    char dir[600];

    store_dir_of(path, dir, sizeof dir);
    return sync_path(dir, O_DIRECTORY, err);
}

/* Durable under its name, or not there. */
static int put_in_place(const char *partial, const char *path, struct error *err)
{
    int status = sync_path(partial, 0, err);

    if (status < 0) {
        return status;
    }
    if (renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
        return err_set(err, errno == EEXIST ? E_CONFLICT : E_IO, "cannot name the backup %s: %s",
                       path, strerror(errno));
    }
    return store_sync_names(path, err);
}

int store_backup_seal(const char *partial, const char *path, const struct pod *pod,
                      struct store_backup_facts *facts, struct error *err)
{
    struct stat st = {0};
    int status = check_content(partial, pod, facts, err);

    if (status == 0) {
        status = check_pages(partial, err);
    }
    if (status == 0) {
        status = store_audit_verify(partial, &facts->audit, err);
    }
    if (status == 0) {
        status = put_in_place(partial, path, err);
    }
    if (status == 0 && stat(path, &st) == 0) {
        facts->size_bytes = (uint64_t)st.st_size;
    }
    return status;
}
