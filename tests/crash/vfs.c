#include "vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "simulator/chance.h"

enum { SHM_REGIONS_MAX = 16, SECTOR = 4096 };

struct handle {
    sqlite3_file base; /* first: SQLite's view of it */
    struct disk_file *f;
    bool read_only;
    bool names_too; /* the first sync is one of the directory too, as the unix VFS does it */
    /* For readers beside no writer: podmgr's own connection needs none. */
    void *shm[SHM_REGIONS_MAX];
};

static struct {
    struct disk *d;
    vfs_gate_fn *gate;
    void *arg;
    uint64_t random;
} vfs;

static struct handle *handle_of(sqlite3_file *file)
{
    return (struct handle *)file;
}

int vfs_pass(enum disk_call call, bool grows)
{
    return vfs.gate(vfs.arg, call, grows);
}

struct disk *vfs_disk(void)
{
    return vfs.d;
}

/* ---------------------------------------------------------------- files -- */

static int on_close(sqlite3_file *file)
{
    handle_of(file)->f->opened--;
    return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *out, int n, sqlite3_int64 offset)
{
    const struct bytes *now = &handle_of(file)->f->now;
    size_t at = (size_t)offset, want = (size_t)n;
    size_t have = at >= now->size ? 0 : now->size - at < want ? now->size - at : want;

    if (have > 0) {
        bytes_read(now, out, have, at);
    }
    memset((char *)out + have, 0, want - have);
    return have == want ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 offset)
{
    struct disk_file *f = handle_of(file)->f;
    size_t size = (size_t)n, at = (size_t)offset;
    int rc = vfs_pass(CALL_WRITE, at + size > f->now.size);

    if (rc == SQLITE_OK || rc == SQLITE_IOERR_WRITE) {
        disk_write(f, bytes, rc == SQLITE_OK ? size : size / 2, at);
    }
    return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct disk_file *f = handle_of(file)->f;
    int rc = vfs_pass(CALL_TRUNCATE, (size_t)size > f->now.size);

    if (rc == SQLITE_OK) {
        disk_truncate(f, (size_t)size);
    }
    return rc;
}

static int on_sync(sqlite3_file *file, int flags)
{
    struct handle *h = handle_of(file);
    int rc = vfs_pass(CALL_SYNC, false);

    (void)flags;
    if (rc == SQLITE_IOERR_FSYNC) {
        disk_fail_sync(h->f);
    } else if (rc == SQLITE_OK) {
        disk_sync(vfs.d, h->f);
        if (h->names_too) {
            disk_sync_names(vfs.d);
            h->names_too = false;
        }
    }
    return rc;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)handle_of(file)->f->now.size;
    return SQLITE_OK;
}

/* One process, which opens a database once: nobody to lock out.  But a file open
 * for reading takes no write lock, which keeps its last reader from tidying. */
static int on_lock(sqlite3_file *file, int level)
{
    return level > SQLITE_LOCK_SHARED && handle_of(file)->read_only ? SQLITE_IOERR_LOCK : SQLITE_OK;
}

static int on_unlock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int on_check_reserved(sqlite3_file *file, int *out)
{
    (void)file;
    *out = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

/* What the unix VFS says of any file system: bytes beside a write stay as they
 * are when power goes. */
static int on_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int on_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    void **at = &handle_of(file)->shm[region];

    if (region >= SHM_REGIONS_MAX) {
        return SQLITE_IOERR_SHMMAP;
    }
    if (*at == NULL && extend != 0) {
        *at = xcalloc(1, (size_t)size);
    }
    *out = *at;
    return SQLITE_OK;
}

static int on_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    (void)file;
    (void)offset;
    (void)n;
    (void)flags;
    return SQLITE_OK;
}

static void on_shm_barrier(sqlite3_file *file)
{
    (void)file;
}

static int on_shm_unmap(sqlite3_file *file, int remove)
{
    struct handle *h = handle_of(file);

    (void)remove;
    for (size_t i = 0; i < SHM_REGIONS_MAX; i++) {
        free(h->shm[i]);
        h->shm[i] = NULL;
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_reserved,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

/* ------------------------------------------------------------ directory -- */

static int on_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags,
                   int *out_flags)
{
    struct handle *h = handle_of(file);
    struct disk_file *f = name != NULL ? disk_find(vfs.d, name) : NULL;
    bool may_be_new = (flags & SQLITE_OPEN_CREATE) != 0;
    bool is_log = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;

    (void)self;
    *h = (struct handle){.f = f,
                         .read_only = (flags & SQLITE_OPEN_READONLY) != 0,
                         .names_too = may_be_new && is_log};
    if (f == NULL) {
        /* Temporary files: the statements of the store need none. */
        if (name == NULL || !may_be_new) {
            return SQLITE_CANTOPEN;
        }
        int rc = vfs_pass(CALL_CREATE, true);
        if (rc != SQLITE_OK) {
            return rc;
        }
        h->f = disk_create(vfs.d, name);
    }
    h->f->opened++;
    h->base.pMethods = &methods;
    if (out_flags != NULL) {
        *out_flags = flags;
    }
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *self, const char *name, int sync_names)
{
    (void)self;
    if (disk_find(vfs.d, name) == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    int rc = vfs_pass(CALL_DELETE, false);
    if (rc == SQLITE_OK) {
        disk_remove(vfs.d, name);
        if (sync_names != 0) {
            disk_sync_names(vfs.d);
        }
    }
    return rc;
}

static int on_access(sqlite3_vfs *self, const char *name, int flags, int *out)
{
    const struct disk_file *f = disk_find(vfs.d, name);

    (void)self;
    /* SQLite takes an empty log for none. */
    *out = f != NULL && (flags != SQLITE_ACCESS_EXISTS || f->now.size > 0);
    return SQLITE_OK;
}

static int on_full_name(sqlite3_vfs *self, const char *name, int size, char *out)
{
    (void)self;
    (void)snprintf(out, (size_t)size, "%s", name);
    return SQLITE_OK;
}

/* Each run draws the same. */
static int on_random(sqlite3_vfs *self, int n, char *out)
{
    (void)self;
    for (int i = 0; i < n; i++) {
        out[i] = (char)chance_mix(++vfs.random);
    }
    return n;
}

static int on_sleep(sqlite3_vfs *self, int us)
{
    (void)self;
    return us;
}

static int on_time(sqlite3_vfs *self, double *days)
{
    (void)self;
    *days = 2460000.5;
    return SQLITE_OK;
}

void vfs_install(struct disk *d, vfs_gate_fn *gate, void *arg)
{
    static sqlite3_vfs self = {.iVersion = 1,
                               .szOsFile = sizeof(struct handle),
                               .mxPathname = DISK_NAME_MAX,
                               .zName = "crash",
                               .xOpen = on_open,
                               .xDelete = on_delete,
                               .xAccess = on_access,
                               .xFullPathname = on_full_name,
                               .xRandomness = on_random,
                               .xSleep = on_sleep,
                               .xCurrentTime = on_time};

    vfs.d = d;
    vfs.gate = gate;
    vfs.arg = arg;
    vfs.random = 0;
    if (sqlite3_vfs_register(&self, 1) != SQLITE_OK) {
        abort();
    }
}
