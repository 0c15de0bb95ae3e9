/* The ways to the disk in memory: SQLite's, and the store's own calls of names
 * (files.c); and the gate before each call that changes something there. */
#ifndef TESTS_CRASH_VFS_H
#define TESTS_CRASH_VFS_H

#include "disk.h"

enum disk_call { CALL_CREATE, CALL_WRITE, CALL_TRUNCATE, CALL_SYNC, CALL_DELETE, CALL_RENAME };

/* SQLITE_OK: the call goes on.  SQLITE_IOERR_WRITE: half of it is done first.
 * SQLITE_IOERR_FSYNC: what was to be synced never will be.  Else: it fails. */
typedef int vfs_gate_fn(void *arg, enum disk_call call, bool grows);

/* Makes it the default VFS of this process. */
void vfs_install(struct disk *d, vfs_gate_fn *gate, void *arg);
int vfs_pass(enum disk_call call, bool grows);
struct disk *vfs_disk(void);

#endif
