/* The tables, the statements, and how an older database becomes today's.
 *
 * Every table has a primary key without NULLs and none has triggers, cascades
 * or AUTOINCREMENT, so that changesets could replicate it one day.  The keys
 * of `circuits` hold D1 by themselves: a north port and a south port of a
 * switch each occur once. */
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "store/sqlite_util.h"

/* migrations[v] leads from schema version v to v + 1. */
static const char *const migrations[] = {
    "CREATE TABLE meta ("
    "  key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE slices ("
    "  epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    "  name TEXT NOT NULL, topology TEXT NOT NULL, twisted INTEGER NOT NULL,"
    "  state TEXT NOT NULL, degraded INTEGER NOT NULL, reason TEXT NOT NULL,"
    "  version INTEGER NOT NULL, generation INTEGER NOT NULL,"
    "  owner TEXT NOT NULL, priority INTEGER NOT NULL, labels TEXT NOT NULL,"
    "  accept_degraded INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"
    "  cubes BLOB NOT NULL, next BLOB NOT NULL,"     /* u16 little endian */
    "  op_epoch INTEGER NOT NULL, op_seq INTEGER NOT NULL,"
    "  planned_ms REAL NOT NULL, programmed_ms REAL NOT NULL,"
    "  verified_ms REAL NOT NULL, active_ms REAL NOT NULL,"
    "  coordinator INTEGER NOT NULL,"
    "  algorithm TEXT NOT NULL, vcs INTEGER NOT NULL, max_hops INTEGER NOT NULL,"
    "  table_bytes INTEGER NOT NULL, max_link_load REAL NOT NULL,"
    "  unreachable_pairs INTEGER NOT NULL,"
    "  PRIMARY KEY (epoch, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE circuits ("
    "  ocs INTEGER NOT NULL, north INTEGER NOT NULL, south INTEGER NOT NULL,"
    "  slice_epoch INTEGER NOT NULL, slice_seq INTEGER NOT NULL, breaking INTEGER NOT NULL,"
    "  PRIMARY KEY (ocs, north), UNIQUE (ocs, south)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE ops ("
    "  epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    "  slice_epoch INTEGER NOT NULL, slice_seq INTEGER NOT NULL,"
    "  kind INTEGER NOT NULL, state INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,"
    "  breaks BLOB NOT NULL, makes BLOB NOT NULL,"   /* ocs, north, south: u16 each */
    "  reason TEXT NOT NULL,"
    "  PRIMARY KEY (epoch, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE journal ("
    "  seq INTEGER NOT NULL PRIMARY KEY, at_ms INTEGER NOT NULL,"
    "  type TEXT NOT NULL, subject TEXT NOT NULL, data TEXT NOT NULL) STRICT, WITHOUT ROWID;",
};
enum { SCHEMA_VERSION = (int)ARRAY_LEN(migrations) };

static const char *const sql[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_META_PUT] = "INSERT INTO meta (key, value) VALUES (?1, ?2) "
                    "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [ST_META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [ST_SLICE_PUT] = "INSERT OR REPLACE INTO slices VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                     "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, "
                     "?25, ?26, ?27, ?28, ?29, ?30, ?31)",
    [ST_SLICE_DELETE] = "DELETE FROM slices WHERE epoch = ?1 AND seq = ?2",
    [ST_SLICE_ALL] = "SELECT * FROM slices ORDER BY epoch, seq",
    [ST_OP_PUT] = "INSERT OR REPLACE INTO ops VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [ST_OP_DELETE] = "DELETE FROM ops WHERE epoch = ?1 AND seq = ?2",
    [ST_OP_ALL] = "SELECT * FROM ops ORDER BY epoch, seq",
    /* Not OR REPLACE: that would silently drop the circuit on the same south
     * port, which is just what must not happen (D1). */
    [ST_CIRCUIT_PUT] = "INSERT INTO circuits VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                       "ON CONFLICT (ocs, north) DO UPDATE SET south = excluded.south, "
                       "slice_epoch = excluded.slice_epoch, slice_seq = excluded.slice_seq, "
                       "breaking = excluded.breaking",
    [ST_CIRCUIT_DELETE] = "DELETE FROM circuits WHERE ocs = ?1 AND north = ?2",
    [ST_CIRCUIT_ALL] = "SELECT * FROM circuits ORDER BY ocs, north",
    [ST_JOURNAL_ADD] = "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5)",
    [ST_JOURNAL_READ] = "SELECT seq, at_ms, type, subject, data FROM journal WHERE seq > ?1 "
                        "ORDER BY seq LIMIT ?2",
    [ST_JOURNAL_FIRST] = "SELECT min(seq), max(seq) FROM journal",
    [ST_JOURNAL_PRUNE] = "DELETE FROM journal WHERE seq < ?1",
};

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return E_BUSY;
    case SQLITE_FULL:
        return E_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return E_CORRUPT;
    default:
        return E_IO;
    }
}

int store_failed(const struct store *store, struct error *err, const char *what)
{
    int rc = sqlite3_extended_errcode(store->db);
    int code = code_of(rc);

    if (code == E_BUSY) {
        return err_set(err, code, "%s: another process has the database open", store->path);
    }
    return err_set(err, code, "%s: %s: %s (SQLite %d)", store->path, what,
                   sqlite3_errmsg(store->db), rc);
}

int store_run(struct store *store, enum stmt which, struct error *err)
{
    int rc = sqlite3_step(store->stmt[which]);
    int status = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : store_failed(store, err, "write");

    (void)sqlite3_reset(store->stmt[which]);
    return status;
}

static int exec(struct store *store, const char *text, const char *what, struct error *err)
{
    return sqlite3_exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : store_failed(store, err, what);
}

static int read_version(struct store *store, int *version, struct error *err)
{
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &s, NULL) != SQLITE_OK) {
        return store_failed(store, err, "open");
    }
    int rc = sqlite3_step(s);
    *version = rc == SQLITE_ROW ? sqlite3_column_int(s, 0) : 0;
    int status = rc == SQLITE_ROW ? 0 : store_failed(store, err, "open");
    (void)sqlite3_finalize(s);
    return status;
}

/* All steps in one transaction: a crash leaves the old version whole. */
static int migrate(struct store *store, int version, struct error *err)
{
    int status = exec(store, "BEGIN IMMEDIATE", "migrate", err);

    for (int v = version; v < SCHEMA_VERSION && status == 0; v++) {
        char pragma[64];
        (void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", v + 1);
        status = exec(store, migrations[v], "migrate", err);
        if (status == 0) {
            status = exec(store, pragma, "migrate", err);
        }
    }
    return status == 0 ? exec(store, "COMMIT", "migrate", err) : status;
}

/* The version is read before anything is written: a newer database is left as
 * it was, to the byte. */
int store_schema_open(struct store *store, struct error *err)
{
    int version;
    int status = exec(store, "PRAGMA locking_mode = EXCLUSIVE", "open", err);

    if (status == 0) {
        status = read_version(store, &version, err);
    }
    if (status < 0) {
        return status;
    }
    if (version > SCHEMA_VERSION) {
        return err_set(err, E_VERSION,
                       "%s: schema version %d is newer than this podmgr's %d; install the newer "
                       "podmgr, or restore a backup",
                       store->path, version, SCHEMA_VERSION);
    }
    status = exec(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                         "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
                  "open", err);
    if (status == 0) {
        status = exec(store, "BEGIN IMMEDIATE; COMMIT", "lock", err); /* takes the lock for good */
    }
    if (status == 0 && version < SCHEMA_VERSION) {
        status = migrate(store, version, err);
    }
    for (int i = 0; i < ST_COUNT && status == 0; i++) {
        if (sqlite3_prepare_v3(store->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->stmt[i],
                               NULL) != SQLITE_OK) {
            status = store_failed(store, err, "prepare");
        }
    }
    return status;
}
