/* What the store does with names beside SQLite, on the disk in memory: the
 * program is linked with --wrap for these. */
#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

#include "crash.h"

int __wrap_unlink(const char *name);
int __wrap_link(const char *name, const char *other);
int __wrap_rename(const char *from, const char *to);
int __wrap_fsync(int fd);

static int allowed(enum disk_call call, bool grows)
{
    int rc = vfs_pass(call, grows);

    errno = rc == SQLITE_FULL ? ENOSPC : EIO;
    return rc == SQLITE_OK ? 0 : -1;
}

static int is_there(const char *name)
{
    errno = ENOENT;
    return disk_find(vfs_disk(), name) != NULL ? 0 : -1;
}

int __wrap_unlink(const char *name)
{
    if (is_there(name) < 0 || allowed(CALL_DELETE, false) < 0) {
        return -1;
    }
    disk_remove(vfs_disk(), name);
    return 0;
}

int __wrap_link(const char *name, const char *other)
{
    if (is_there(name) < 0 || allowed(CALL_CREATE, true) < 0) {
        return -1;
    }
    disk_link(vfs_disk(), name, other);
    return 0;
}

int __wrap_rename(const char *from, const char *to)
{
    if (is_there(from) < 0 || allowed(CALL_RENAME, false) < 0) {
        return -1;
    }
    disk_rename(vfs_disk(), from, to);
    return 0;
}

/* Of a directory: all else goes through SQLite. */
int __wrap_fsync(int fd)
{
    (void)fd;
    if (crash_names_stay_unsynced()) {
        return 0;
    }
    if (allowed(CALL_SYNC, false) < 0) {
        return -1;
    }
    disk_sync_names(vfs_disk());
    return 0;
}
