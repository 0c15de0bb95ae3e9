/* A disk in memory that can lose power.
 *
 * Each file has two contents: what the operating system shows (`now`), and what
 * is on the platter (`durable`).  A write changes the first and waits in a list
 * until a sync puts it into the second.  Names are the same: a file that was
 * made or removed is so for good only after a sync of its directory.  So a
 * kill leaves everything, and a loss of power leaves what was synced and any
 * part of the rest, sector by sector and in any order. */
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum { DISK_NAME_MAX = 64, DISK_FILES_MAX = 32 };

/* Not synced yet: bytes at an offset, or (no bytes) a new size. */
struct unsynced {
    size_t offset, size;
    uint8_t *bytes;
};

struct disk_file {
    bool used;
    bool failed; /* a sync, so that what is shown may never reach the platter */
    unsigned opened;
    struct bytes now, durable;
    struct unsynced *unsynced;
    size_t n, cap;
};

/* A name of the directory, and the file that it stands for or NULL. */
struct disk_name {
    char name[DISK_NAME_MAX];
    struct disk_file *now, *durable;
};

/* Not synced yet: `to` stands for the file, `from` for none; either may be NULL. */
struct disk_change {
    struct disk_name *from, *to;
    struct disk_file *file;
};

struct disk {
    struct disk_file files[DISK_FILES_MAX];
    struct disk_name names[DISK_FILES_MAX];
    struct disk_change *changes;
    size_t n, cap;
    uint64_t durable_changes; /* rises with each change of what power cannot take */
};

/* What a sector is, how likely one that was not synced is on the platter all the
 * same, and what stands where a file grew and its bytes were not written. */
struct disk_loss {
    uint64_t seed;
    size_t sector;
    double kept;
    uint8_t filling;
};

void disk_fini(struct disk *d);
struct disk_file *disk_find(struct disk *d, const char *name);         /* NULL: no such file */
struct disk_file *disk_find_durable(struct disk *d, const char *name); /* if power went now */
struct disk_file *disk_create(struct disk *d, const char *name);
/* Of what the system shows, or of what is on the platter; synced. */
void disk_copy(struct disk *d, const struct disk_file *from, const char *name, bool durable);
/* Of names that there are; as the calls of POSIX of that name. */
void disk_remove(struct disk *d, const char *name);
void disk_link(struct disk *d, const char *name, const char *other);
void disk_rename(struct disk *d, const char *from, const char *to);
void disk_write(struct disk_file *f, const void *bytes, size_t n, size_t offset);
void disk_truncate(struct disk_file *f, size_t size);
void disk_sync(struct disk *d, struct disk_file *f);
void disk_sync_names(struct disk *d);
/* A sync that failed: the system takes the pages for clean from now on, so that
 * later syncs leave them out, and still shows them. */
void disk_fail_sync(struct disk_file *f);
bool disk_has_unsynced(const struct disk *d);
/* NULL: nothing that was not synced is kept.  No file is open. */
void disk_lose_power(struct disk *d, const struct disk_loss *loss);

#endif
