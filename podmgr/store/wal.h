/* Inside the store: the log of a database that an earlier process left. */
#ifndef PODMGR_STORE_WAL_H
#define PODMGR_STORE_WAL_H

#include <sqlite3.h>
#include <stdbool.h>

#include "err.h"

/* What a look at the log found: it verifies up to byte `end` (0: no log, or none that SQLite
 * would read).  `cut`: its header was being replaced, so all behind it is in the database. */
struct wal {
    sqlite3_int64 end;
    bool cut;
};

/* Before the database at `path` is used through `db`, which nobody else has open: E_CORRUPT if
 * the log is damaged so that commits which were acknowledged would be lost without a word; then
 * closing `db` leaves the log as it is.  What SQLite itself refuses is left to the caller. */
int wal_check(sqlite3 *db, const char *path, struct wal *wal, struct error *err);

/* Writes the log over itself and syncs it, before anything is committed behind it. */
int wal_rewrite(sqlite3 *db, const char *path, const struct wal *wal, struct error *err);

#endif
