/* The audit records: one per mutation, in the transaction of the mutation, each
 * with the SHA-256 of the hash before it and of its own fields.
 *
 * Whoever changes or removes a record breaks the chain at that place.  Whoever
 * removes the last ones leaves a chain that is whole but shorter: keep the
 * number and the hash that `podmgr audit verify` prints where the database's
 * owner cannot write. */
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "store/sqlite_util.h"
#include "store/wal.h"

_Static_assert(STORE_HASH_SIZE == SHA256_DIGEST_SIZE, "a link of the chain is a SHA-256");

static void add_number(struct sha256_ctx *ctx, uint64_t value)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    sha256_update(ctx, sizeof bytes, bytes);
}

/* With its length, so that no text can pass for part of its neighbour. */
static void add_text(struct sha256_ctx *ctx, const char *text)
{
    size_t len = strlen(text);

    add_number(ctx, len);
    sha256_update(ctx, len, (const uint8_t *)text);
}

/* Replaces the hash of the record before by that of this one. */
static void chain(uint8_t hash[static STORE_HASH_SIZE], uint64_t seq,
                  const struct audit_entry *entry)
{
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    sha256_update(&ctx, STORE_HASH_SIZE, hash);
    add_number(&ctx, seq);
    add_number(&ctx, (uint64_t)entry->at.ms);
    add_text(&ctx, entry->who);
    add_text(&ctx, entry->action);
    add_text(&ctx, entry->subject);
    add_text(&ctx, entry->before);
    add_text(&ctx, entry->after);
    sha256_digest(&ctx, STORE_HASH_SIZE, hash);
}

int store_audit_add(struct store *store, const struct outbox *batch, struct audit_tip *tip,
                    struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_AUDIT_ADD];
    int status = 0;

    for (size_t i = 0; i < batch->n_audits && status == 0; i++) {
        const struct audit_entry *entry = &batch->audits[i];
        chain(tip->hash, ++tip->seq, entry);
        bind_u64(s, 1, tip->seq);
        (void)sqlite3_bind_int64(s, 2, entry->at.ms);
        (void)sqlite3_bind_text(s, 3, entry->who, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 4, entry->action, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 5, entry->subject, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 6, entry->before, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 7, entry->after, -1, SQLITE_STATIC);
        (void)sqlite3_bind_blob(s, 8, tip->hash, STORE_HASH_SIZE, SQLITE_STATIC);
        status = store_run(store, ST_AUDIT_ADD, err);
    }
    return status;
}

int store_audit_load(struct store *store, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_AUDIT_LAST];
    int rc = sqlite3_step(s);
    int status = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_failed(store, err, "load");

    if (rc == SQLITE_ROW && sqlite3_column_bytes(s, 1) != STORE_HASH_SIZE) {
        status = err_set(err, E_CORRUPT, "%s: table audit: the last hash has the wrong length",
                         store->path);
    } else if (rc == SQLITE_ROW) {
        store->audit.seq = column_u64(s, 0);
        memcpy(store->audit.hash, sqlite3_column_blob(s, 1), STORE_HASH_SIZE);
    }
    (void)sqlite3_reset(s);
    return status;
}

/* ---------------------------------------------------------------- read -- */

/* The columns in the order of the schema; the texts live until the next step. */
static void read_entry(sqlite3_stmt *s, struct audit_entry *entry)
{
    *entry = (struct audit_entry){.at = {sqlite3_column_int64(s, 1)},
                                  .action = (const char *)sqlite3_column_text(s, 3),
                                  .before = (char *)(uintptr_t)sqlite3_column_text(s, 5),
                                  .after = (char *)(uintptr_t)sqlite3_column_text(s, 6)};
    (void)snprintf(entry->who, sizeof entry->who, "%s", sqlite3_column_text(s, 2));
    (void)snprintf(entry->subject, sizeof entry->subject, "%s", sqlite3_column_text(s, 4));
}

struct audit_tip store_audit_tip(const struct store *store)
{
    return store->audit;
}

int store_audit_read(struct store *store, uint64_t since, size_t max, store_audit_fn *each,
                     void *arg, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_AUDIT_READ];
    int n = 0, status = 0, rc = SQLITE_DONE;

    bind_u64(s, 1, since);
    bind_u64(s, 2, max);
    while (status == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct audit_entry entry;
        read_entry(s, &entry);
        if (sqlite3_column_bytes(s, 7) != STORE_HASH_SIZE) {
            status = err_set(err, E_CORRUPT, "%s: audit record %" PRIu64 " has no hash",
                             store->path, column_u64(s, 0));
        } else {
            each(arg, column_u64(s, 0), &entry, sqlite3_column_blob(s, 7));
            n++;
        }
    }
    if (status == 0 && rc != SQLITE_DONE) {
        status = store_failed(store, err, "read the audit records");
    }
    (void)sqlite3_reset(s);
    return status < 0 ? status : n;
}

static int verify_row(const char *path, sqlite3_stmt *s, struct audit_tip *tip, struct error *err)
{
    struct audit_entry entry;
    uint64_t seq = column_u64(s, 0);

    if (seq != tip->seq + 1) {
        return err_set(err, E_CORRUPT, "%s: audit record %" PRIu64 " is missing", path,
                       tip->seq + 1);
    }
    read_entry(s, &entry);
    chain(tip->hash, seq, &entry);
    if (sqlite3_column_bytes(s, 7) != STORE_HASH_SIZE ||
        memcmp(sqlite3_column_blob(s, 7), tip->hash, STORE_HASH_SIZE) != 0) {
        return err_set(err, E_CORRUPT,
                       "%s: audit record %" PRIu64 " is not what was written: its hash differs",
                       path, seq);
    }
    tip->seq = seq;
    return 0;
}

/* *rc is what SQLite said in the end. */
static int verify_with(const char *path, int flags, struct audit_tip *tip, int *rc,
                       struct error *err)
{
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    struct wal wal;
    int status = 0;

    *tip = (struct audit_tip){0};
    *rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (*rc == SQLITE_OK && (status = wal_check(db, path, &wal, err)) < 0) {
        (void)sqlite3_close(db);
        return status;
    }
    if (*rc == SQLITE_OK) {
        *rc = sqlite3_prepare_v2(db, "SELECT * FROM audit ORDER BY seq", -1, &s, NULL);
    }
    while (*rc == SQLITE_OK || *rc == SQLITE_ROW) {
        *rc = sqlite3_step(s);
        if (*rc == SQLITE_ROW && (status = verify_row(path, s, tip, err)) < 0) {
            break;
        }
    }
    if (status == 0 && *rc != SQLITE_DONE) {
        status = err_set(err, *rc == SQLITE_BUSY ? E_BUSY : E_IO, "%s: read the audit records: %s",
                         path, sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    return status;
}

/* Reads only, unless a crash has left something that has to be rolled back
 * before anybody can read. */
int store_audit_verify(const char *path, struct audit_tip *tip, struct error *err)
{
    int rc;
    int status = verify_with(path, SQLITE_OPEN_READONLY, tip, &rc, err);

    if (status < 0 && rc == SQLITE_READONLY) {
        status = verify_with(path, SQLITE_OPEN_READWRITE, tip, &rc, err);
    }
    return status;
}
