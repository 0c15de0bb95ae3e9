/* Opening: whose database it is, of which version, whole and ours alone; the
 * tables, the statements, and how an older database becomes today's.
 *
 * Every table has a primary key without NULLs and none has triggers, cascades
 * or AUTOINCREMENT, so that changesets could replicate it one day.  The keys
 * of `circuits` hold D1 by themselves: a north port and a south port of a
 * switch each occur once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store/sqlite_util.h"
#include "store/wal.h"

/* migrations[v] leads from schema version v to v + 1. */
static const char *const migrations[] = {
    "PRAGMA application_id = 1886348397;" /* APPLICATION_ID */
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
    "  cubes BLOB NOT NULL, next BLOB NOT NULL," /* u16 little endian */
    "  origin BLOB NOT NULL,"                    /* x, y, z: a byte each */
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
    "  kind INTEGER NOT NULL, state INTEGER NOT NULL," /* as in model.h */
    "  created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,"
    "  breaks BLOB NOT NULL, makes BLOB NOT NULL," /* ocs, north, south: u16 each */
    "  reason TEXT NOT NULL,"
    "  PRIMARY KEY (epoch, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE idempotency ("
    "  number INTEGER NOT NULL PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
    "  body_hash INTEGER NOT NULL, slice_epoch INTEGER NOT NULL, slice_seq INTEGER NOT NULL,"
    "  at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE journal ("
    "  seq INTEGER NOT NULL PRIMARY KEY, at_ms INTEGER NOT NULL,"
    "  type TEXT NOT NULL, subject TEXT NOT NULL, data TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    "CREATE TABLE audit ("
    "  seq INTEGER NOT NULL PRIMARY KEY, at_ms INTEGER NOT NULL,"
    "  who TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,"
    "  before TEXT NOT NULL, after TEXT NOT NULL,"
    "  hash BLOB NOT NULL) STRICT, WITHOUT ROWID;",
    /* A key belongs to its caller, and its body is known by SHA-256; what is not
     * known of older keys is left empty. */
    "CREATE TABLE keys ("
    "  number INTEGER NOT NULL PRIMARY KEY, caller TEXT NOT NULL, key TEXT NOT NULL,"
    "  body_sha256 BLOB NOT NULL, slice_epoch INTEGER NOT NULL, slice_seq INTEGER NOT NULL,"
    "  at_ms INTEGER NOT NULL, UNIQUE (caller, key)) STRICT, WITHOUT ROWID;"
    "INSERT INTO keys SELECT number, '', key, x'', slice_epoch, slice_seq, at_ms FROM idempotency;"
    "DROP TABLE idempotency;"
    "ALTER TABLE keys RENAME TO idempotency;",
    /* Lists are text, an item a word (slices, incidents) or a line. */
    "CREATE TABLE incidents ("
    "  epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, part TEXT NOT NULL, confidence REAL NOT NULL,"
    "  rivals TEXT NOT NULL, severity TEXT NOT NULL,"
    "  began_ms INTEGER NOT NULL, opened_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    "  closed_ms INTEGER NOT NULL, decided_ms INTEGER NOT NULL, recovered_ms INTEGER NOT NULL,"
    "  symptoms INTEGER NOT NULL, healthy INTEGER NOT NULL, count INTEGER NOT NULL,"
    "  merged_epoch INTEGER NOT NULL, merged_seq INTEGER NOT NULL,"
    "  slices TEXT NOT NULL, actions TEXT NOT NULL,"
    "  PRIMARY KEY (epoch, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE repairs ("
    "  epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, part TEXT NOT NULL, state TEXT NOT NULL,"
    "  position TEXT NOT NULL, action TEXT NOT NULL, safe TEXT NOT NULL, spare TEXT NOT NULL,"
    "  opened_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, well_since_ms INTEGER NOT NULL,"
    "  relapses INTEGER NOT NULL, version INTEGER NOT NULL,"
    "  incidents TEXT NOT NULL, history TEXT NOT NULL,"
    "  PRIMARY KEY (epoch, seq)) STRICT, WITHOUT ROWID;",
    /* Circuits that are intended no more stand in the breaks of an open operation
     * alone. */
    "CREATE TABLE intended ("
    "  ocs INTEGER NOT NULL, north INTEGER NOT NULL, south INTEGER NOT NULL,"
    "  slice_epoch INTEGER NOT NULL, slice_seq INTEGER NOT NULL,"
    "  PRIMARY KEY (ocs, north), UNIQUE (ocs, south)) STRICT, WITHOUT ROWID;"
    "INSERT INTO intended SELECT ocs, north, south, slice_epoch, slice_seq FROM circuits"
    "  WHERE breaking = 0;"
    "DROP TABLE circuits;"
    "ALTER TABLE intended RENAME TO circuits;"
    "ALTER TABLE slices ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE slices ADD COLUMN placements INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE slices ADD COLUMN dead_links INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE slices ADD COLUMN retained REAL NOT NULL DEFAULT 1;"
    "CREATE TABLE faults ("
    "  part TEXT NOT NULL PRIMARY KEY, health TEXT NOT NULL, since_ms INTEGER NOT NULL,"
    "  who TEXT NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE liens ("
    "  ocs INTEGER NOT NULL, side INTEGER NOT NULL, port INTEGER NOT NULL,"
    "  held_epoch INTEGER NOT NULL, held_seq INTEGER NOT NULL,"
    "  slice_epoch INTEGER NOT NULL, slice_seq INTEGER NOT NULL,"
    "  since_ms INTEGER NOT NULL, fenced INTEGER NOT NULL,"
    "  PRIMARY KEY (ocs, side, port)) STRICT, WITHOUT ROWID;",
    /* What a slice has lost since it last served: was and is of each swapped cube,
     * u16 each. */
    "ALTER TABLE slices ADD COLUMN cause TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE slices ADD COLUMN chips_lost INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE slices ADD COLUMN swapped BLOB NOT NULL DEFAULT x'';"
    "CREATE TABLE webhooks ("
    "  epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    "  url TEXT NOT NULL, secret TEXT NOT NULL, events TEXT NOT NULL,"
    "  owner TEXT NOT NULL, who TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    "  cursor INTEGER NOT NULL, told INTEGER NOT NULL, failing_ms INTEGER NOT NULL,"
    "  disabled TEXT NOT NULL,"
    "  PRIMARY KEY (epoch, seq)) STRICT, WITHOUT ROWID;",
    "ALTER TABLE slices ADD COLUMN preflight_ms REAL NOT NULL DEFAULT -1;",
    /* When a slice's routes were last asked for says which drains they go around. */
    "ALTER TABLE slices ADD COLUMN routed_epoch INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE slices ADD COLUMN routed_seq INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE drains ("
    "  epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    "  target TEXT NOT NULL UNIQUE, mode TEXT NOT NULL, state TEXT NOT NULL,"
    "  who TEXT NOT NULL, reason TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL, drained_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  caller TEXT NOT NULL, key TEXT NOT NULL, body_sha256 BLOB NOT NULL,"
    "  PRIMARY KEY (epoch, seq)) STRICT, WITHOUT ROWID;",
    /* Which circuits the dead_links are: switch and north port of each, u16 each. */
    "ALTER TABLE slices ADD COLUMN around BLOB NOT NULL DEFAULT x'';",
    /* Keys of all creates are in one table: a drain's stay when it has ended. */
    "ALTER TABLE idempotency RENAME COLUMN slice_epoch TO made_epoch;"
    "ALTER TABLE idempotency RENAME COLUMN slice_seq TO made_seq;"
    "ALTER TABLE idempotency ADD COLUMN kind TEXT NOT NULL DEFAULT 'slice';"
    "INSERT INTO idempotency SELECT"
    "  (SELECT coalesce(max(number), 0) FROM idempotency) +"
    "  row_number() OVER (ORDER BY epoch, seq), caller, key, body_sha256, epoch, seq, created_ms,"
    "  'drain' FROM drains AS d"
    "  WHERE key <> '' AND NOT EXISTS (SELECT 1 FROM idempotency AS i"
    "    WHERE i.caller = d.caller AND i.key = d.key);"
    "ALTER TABLE drains DROP COLUMN caller;"
    "ALTER TABLE drains DROP COLUMN key;"
    "ALTER TABLE drains DROP COLUMN body_sha256;",
};
enum { SCHEMA_VERSION = (int)ARRAY_LEN(migrations), APPLICATION_ID = 0x706F646D }; /* "podm" */

static const char *const sql[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_META_PUT] = "INSERT INTO meta (key, value) VALUES (?1, ?2) "
                    "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [ST_META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [ST_SLICE_PUT] =
        "INSERT OR REPLACE INTO slices VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, "
        "?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, "
        "?43)",
    [ST_SLICE_DELETE] = "DELETE FROM slices WHERE epoch = ?1 AND seq = ?2",
    [ST_SLICE_ALL] = "SELECT * FROM slices ORDER BY epoch, seq",
    [ST_OP_PUT] =
        "INSERT OR REPLACE INTO ops VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [ST_OP_DELETE] = "DELETE FROM ops WHERE epoch = ?1 AND seq = ?2",
    [ST_OP_ALL] = "SELECT * FROM ops ORDER BY epoch, seq",
    /* Not OR REPLACE: that would silently drop the circuit on the same south
     * port, which is just what must not happen (D1). */
    [ST_CIRCUIT_PUT] = "INSERT INTO circuits VALUES (?1, ?2, ?3, ?4, ?5) "
                       "ON CONFLICT (ocs, north) DO UPDATE SET south = excluded.south, "
                       "slice_epoch = excluded.slice_epoch, slice_seq = excluded.slice_seq",
    [ST_CIRCUIT_CLEAR] = "DELETE FROM circuits WHERE ocs = ?1 AND north = ?2 AND south <> ?3",
    [ST_CIRCUIT_ALL] = "SELECT * FROM circuits ORDER BY ocs, north",
    [ST_KEY_PUT] = "INSERT INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [ST_KEY_DELETE] = "DELETE FROM idempotency WHERE number = ?1",
    [ST_KEY_ALL] = "SELECT * FROM idempotency ORDER BY number",
    [ST_FAULT_PUT] = "INSERT OR REPLACE INTO faults VALUES (?1, ?2, ?3, ?4, ?5)",
    [ST_FAULT_DELETE] = "DELETE FROM faults WHERE part = ?1",
    [ST_FAULT_ALL] = "SELECT * FROM faults ORDER BY part",
    [ST_LIEN_PUT] = "INSERT OR REPLACE INTO liens VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [ST_LIEN_DELETE] = "DELETE FROM liens WHERE ocs = ?1 AND side = ?2 AND port = ?3",
    [ST_LIEN_ALL] = "SELECT * FROM liens ORDER BY ocs, side, port",
    [ST_JOURNAL_ADD] = "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5)",
    [ST_JOURNAL_READ] = "SELECT seq, at_ms, type, subject, data FROM journal WHERE seq > ?1 "
                        "ORDER BY seq LIMIT ?2",
    [ST_JOURNAL_FIRST] = "SELECT min(seq), max(seq), count(*) FROM journal",
    [ST_AUDIT_ADD] = "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [ST_AUDIT_LAST] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
    [ST_AUDIT_READ] = "SELECT * FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [ST_INCIDENT_PUT] = "INSERT OR REPLACE INTO incidents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                        "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
    [ST_INCIDENT_DELETE] = "DELETE FROM incidents WHERE epoch = ?1 AND seq = ?2",
    [ST_INCIDENT_ALL] = "SELECT * FROM incidents ORDER BY epoch, seq",
    [ST_TICKET_PUT] = "INSERT OR REPLACE INTO repairs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                      "?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [ST_TICKET_DELETE] = "DELETE FROM repairs WHERE epoch = ?1 AND seq = ?2",
    [ST_TICKET_ALL] = "SELECT * FROM repairs ORDER BY epoch, seq",
    /* Not OR REPLACE: a second drain of a part must not push the first one out. */
    [ST_DRAIN_PUT] = "INSERT INTO drains VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
                     "ON CONFLICT (epoch, seq) DO UPDATE SET "
                     "state = excluded.state, drained_ms = excluded.drained_ms, "
                     "version = excluded.version",
    [ST_DRAIN_DELETE] = "DELETE FROM drains WHERE epoch = ?1 AND seq = ?2",
    [ST_DRAIN_ALL] = "SELECT * FROM drains ORDER BY epoch, seq",
    [ST_WEBHOOK_PUT] =
        "INSERT OR REPLACE INTO webhooks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12)",
    [ST_WEBHOOK_DELETE] = "DELETE FROM webhooks WHERE epoch = ?1 AND seq = ?2",
    [ST_WEBHOOK_ALL] = "SELECT * FROM webhooks ORDER BY epoch, seq",
    [ST_JOURNAL_PRUNE] = "DELETE FROM journal WHERE seq < ?1",
};

int store_code(int rc)
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
    int code = store_code(rc);

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

/* The first column of the first row of a query that has one. */
static int read_text(struct store *store, const char *query, char *out, size_t size,
                     struct error *err)
{
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(store->db, query, -1, &s, NULL) != SQLITE_OK) {
        return store_failed(store, err, "open");
    }
    int status = sqlite3_step(s) == SQLITE_ROW ? 0 : store_failed(store, err, "open");
    if (status == 0) {
        (void)snprintf(out, size, "%s", sqlite3_column_text(s, 0));
    }
    (void)sqlite3_finalize(s);
    return status;
}

static int read_number(struct store *store, const char *query, int *out, struct error *err)
{
    char text[32];
    int status = read_text(store, query, text, sizeof text, err);

    if (status == 0) {
        *out = (int)strtol(text, NULL, 10);
    }
    return status;
}

/* Reads only. */
static int check_identity(struct store *store, int *version, struct error *err)
{
    int application = 0, objects = 0;
    int status = read_number(store, "PRAGMA user_version", version, err);

    if (status == 0) {
        status = read_number(store, "PRAGMA application_id", &application, err);
    }
    if (status == 0) {
        status = read_number(store, "SELECT count(*) FROM sqlite_schema", &objects, err);
    }
    if (status < 0) {
        return status;
    }
    bool fresh = *version == 0 && application == 0 && objects == 0;
    if (!fresh && application != APPLICATION_ID) {
        return err_set(err, E_CONFIG, "%s is the database of another program", store->path);
    }
    if (*version > SCHEMA_VERSION) {
        return err_set(err, E_VERSION,
                       "%s: schema version %d is newer than this podmgr's %d; install the newer "
                       "podmgr, or restore a backup",
                       store->path, *version, SCHEMA_VERSION);
    }
    return 0;
}

/* Pages, cells and column constraints, so that what load reads has the types it
 * expects. */
static int check_pages(struct store *store, struct error *err)
{
    char text[200];
    int status = read_text(store, "PRAGMA quick_check(1)", text, sizeof text, err);

    if (status == 0 && strcmp(text, "ok") != 0) {
        for (char *p = text; (p = strchr(p, '\n')) != NULL;) {
            *p = ' ';
        }
        status = err_set(err, E_CORRUPT, "%s is damaged, restore a backup: %s", store->path, text);
    }
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

static int take_over(struct store *store, const struct wal *wal, struct error *err)
{
    char mode[16];
    int status = wal_rewrite(store->db, store->path, wal, err);

    if (status == 0) {
        status = read_text(store, "PRAGMA journal_mode = WAL", mode, sizeof mode, err);
    }

    if (status == 0 && strcmp(mode, "wal") != 0) {
        status =
            err_set(err, E_IO, "%s: the file system cannot hold a write-ahead log", store->path);
    }
    if (status == 0) {
        status = exec(store, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; COMMIT", "lock", err);
    }
    return status;
}

static int prepare_all(struct store *store, struct error *err)
{
    for (int i = 0; i < ST_COUNT; i++) {
        if (sqlite3_prepare_v3(store->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->stmt[i],
                               NULL) != SQLITE_OK) {
            return store_failed(store, err, "prepare");
        }
    }
    return 0;
}

/* Whether closing leaves the log as it is. */
static void keep_log(struct store *store, bool keep)
{
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep, NULL);
}

int store_check_place(struct store *store, struct error *err)
{
    int moved = 0;

    (void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved == 0) {
        return 0;
    }
    keep_log(store, true); /* the name of the log is another database's by now */
    return err_set(err, E_BUSY,
                   "%s was moved, replaced or removed while it was open: what is written now would "
                   "be lost with it; start podmgr again",
                   store->path);
}

/* Everything is checked before anything is written: a newer database, or one
 * that is not ours, is left as it was, to the byte, its log included. */
int store_schema_open(struct store *store, struct error *err)
{
    struct wal wal;
    int version = 0;

    keep_log(store, true);
    int status = exec(store,
                      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF;"
                      "PRAGMA cell_size_check = ON",
                      "open", err);
    if (status == 0) {
        status = wal_check(store->db, store->path, &wal, err);
    }
    if (status == 0) {
        status = check_identity(store, &version, err);
    }
    if (status == 0) {
        status = check_pages(store, err);
    }
    if (status == 0) {
        status = take_over(store, &wal, err);
    }
    if (status == 0) { /* locked: from now on nobody exchanges it */
        status = store_check_place(store, err);
    }
    if (status == 0 && version < SCHEMA_VERSION) {
        status = migrate(store, version, err);
    }
    if (status == 0) {
        keep_log(store, false); /* first: it makes SQLite prepare all statements again */
        status = prepare_all(store, err);
    }
    if (status < 0) {
        keep_log(store, true);
    }
    return status;
}
