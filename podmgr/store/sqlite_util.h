/* Inside the store: the database handle and small helpers over sqlite3. */
#ifndef PODMGR_STORE_SQLITE_UTIL_H
#define PODMGR_STORE_SQLITE_UTIL_H

#include <sqlite3.h>

#include "store/store.h"

/* Every statement of the store; prepared once. */
enum stmt {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_META_PUT,
    ST_META_GET,
    ST_SLICE_PUT,
    ST_SLICE_DELETE,
    ST_SLICE_ALL,
    ST_OP_PUT,
    ST_OP_DELETE,
    ST_OP_ALL,
    ST_CIRCUIT_PUT,
    ST_CIRCUIT_CLEAR,
    ST_CIRCUIT_ALL,
    ST_KEY_PUT,
    ST_KEY_DELETE,
    ST_KEY_ALL,
    ST_FAULT_PUT,
    ST_FAULT_DELETE,
    ST_FAULT_ALL,
    ST_LIEN_PUT,
    ST_LIEN_DELETE,
    ST_LIEN_ALL,
    ST_JOURNAL_ADD,
    ST_JOURNAL_READ,
    ST_JOURNAL_FIRST,
    ST_JOURNAL_PRUNE,
    ST_AUDIT_ADD,
    ST_AUDIT_LAST,
    ST_AUDIT_READ,
    ST_INCIDENT_PUT,
    ST_INCIDENT_DELETE,
    ST_INCIDENT_ALL,
    ST_TICKET_PUT,
    ST_TICKET_DELETE,
    ST_TICKET_ALL,
    ST_DRAIN_PUT,
    ST_DRAIN_DELETE,
    ST_DRAIN_ALL,
    ST_WEBHOOK_PUT,
    ST_WEBHOOK_DELETE,
    ST_WEBHOOK_ALL,
    ST_COUNT,
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *stmt[ST_COUNT];
    char path[512];
    unsigned journal_keep;
    uint64_t pruned_below; /* journal entries before this one are gone */
    struct audit_tip audit;
};

/* The one map from SQLite's codes to ours; and for a text that names the file. */
int store_code(int rc);
int store_failed(const struct store *store, struct error *err, const char *what);
/* After loading: do slices, circuits and operations fit together? */
int store_check_slices(const struct store *store, const struct model *m, struct error *err);
int store_schema_open(struct store *store, struct error *err);
/* Has somebody exchanged the file under us?  Then closing leaves the log alone. */
int store_check_place(struct store *store, struct error *err);

/* load.c: names one history of the journal. */
int store_new_incarnation(struct model *m, struct error *err);

/* backup.c: makes the names in the directory of `path` durable. */
int store_sync_names(const char *path, struct error *err);
void store_dir_of(const char *path, char *dir, size_t size); /* "." if it names none */

/* load.c, for those who read rows: E_CORRUPT with the row named; and whether an
 * id can have been given in an epoch that was taken. */
int store_contradiction(const struct store *store, struct error *err, const char *table,
                        struct id id, const char *what);
bool store_id_was_taken(const struct model *m, struct id id);

/* repairs.c: incidents and repair tickets. */
int store_put_incident(struct store *store, const struct model *m, struct id id, struct error *err);
int store_put_ticket(struct store *store, const struct model *m, struct id id, struct error *err);
int store_load_incident(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err);
int store_load_ticket(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err);

/* drains.c */
int store_put_drain(struct store *store, const struct model *m, struct id id, struct error *err);
int store_load_drain(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err);
/* webhooks.c */
int store_put_webhook(struct store *store, const struct model *m, struct id id, struct error *err);
int store_load_webhook(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err);

/* audit.c: reads the tip of the chain into store->audit; adds the records of a
 * batch behind *tip and moves it. */
int store_audit_load(struct store *store, struct error *err);
int store_audit_add(struct store *store, const struct outbox *batch, struct audit_tip *tip,
                    struct error *err);

/* Steps a statement that returns no row and resets it. */
int store_run(struct store *store, enum stmt which, struct error *err);

static inline void bind_u64(sqlite3_stmt *s, int at, uint64_t value)
{
    (void)sqlite3_bind_int64(s, at, (sqlite3_int64)value);
}
static inline uint64_t column_u64(sqlite3_stmt *s, int at)
{
    return (uint64_t)sqlite3_column_int64(s, at);
}

#endif
