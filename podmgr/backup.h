/* Online backups, one at a time: the open database is copied a little a turn,
 * so that no commit waits long; then a thread of the loop's pool, which touches
 * the copy alone, verifies it and gives it its name. */
#ifndef PODMGR_BACKUP_H
#define PODMGR_BACKUP_H

#include "podmgr.h"

enum { BACKUP_NAME_MAX = 64 };

struct backup_outcome {
    int status; /* 0 or an E_ code: nothing is there then */
    struct error err;
    const char *name, *path;
    struct store_backup_facts facts;
    double took_ms;
};
/* Called once, unless podmgr stops first; the texts live during the call. */
typedef void backup_done_fn(void *arg, const struct backup_outcome *outcome);

struct backup *backup_create(struct podmgr *p);
/* Drops the one under way, and its file. */
void backup_destroy(struct backup *backup);

/* 1 to 64 of A-Z a-z 0-9 . _ -, first a letter or a digit: never a path. */
bool backup_name_is_good(const char *name);
/* The file will be NAME.backup in the configured directory.  E_BUSY while
 * another is under way, E_CONFLICT if there is such a file, E_IO. */
int backup_start(struct backup *backup, const char *name, backup_done_fn *done, void *arg,
                 struct error *err);
/* When the last one since the start of this process was complete; 0: none. */
struct wall_ms backup_last(const struct backup *backup);

#endif
