/* What was acknowledged, kept outside of podmgr.  After each commit: the rows of
 * every table, whatever tables there are; how many audit records there are; the
 * next event's number; the epoch.  The slices and what operations may do are in
 * the ledger of tests/sim/oracle.c, what clients were promised in client.c.
 *
 * What a start loads has to be the state after the last commit, or after the
 * one that was under way; which rows the latter makes, the process that did not
 * crash tells afterwards (run.c). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "store/sqlite_util.h"

/* ----------------------------------------------------------------- rows -- */

static const uint64_t EMPTY = UINT64_C(0xCBF29CE484222325); /* FNV-1a */

static uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ p[i]) * UINT64_C(0x100000001B3);
    }
    return hash;
}

static uint64_t hash_rows(sqlite3 *db, const char *table)
{
    uint64_t hash = EMPTY;
    char query[64];
    sqlite3_stmt *s;
    int rc;

    (void)snprintf(query, sizeof query, "SELECT * FROM %s", table);
    if (sqlite3_prepare_v2(db, query, -1, &s, NULL) != SQLITE_OK) {
        return 0;
    }
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            int type = sqlite3_column_type(s, i);
            const void *value = sqlite3_column_blob(s, i);
            int size = sqlite3_column_bytes(s, i);
            hash = mix(mix(hash, &type, sizeof type), &size, sizeof size);
            hash = mix(hash, value, (size_t)size);
        }
    }
    (void)sqlite3_finalize(s);
    return rc == SQLITE_DONE ? hash : 0;
}

/* Of tables without rows nothing is said: so one that is not made yet is the
 * same as one that is. */
static void add_table(struct digest *out, sqlite3 *db, const char *name)
{
    uint64_t rows = hash_rows(db, name);

    if (rows == EMPTY) {
        return;
    }
    if (out->n == TABLES_MAX) {
        abort();
    }
    (void)snprintf(out->table[out->n].name, TABLE_NAME_MAX, "%s", name);
    out->table[out->n++].rows = rows;
    out->all = mix(mix(out->all, name, strlen(name)), &rows, sizeof rows);
}

void record_rows(struct digest *out, struct store *store)
{
    sqlite3_stmt *s;

    *out = (struct digest){.all = EMPTY};
    if (sqlite3_prepare_v2(store->db,
                           "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", -1,
                           &s, NULL) != SQLITE_OK) {
        return;
    }
    while (sqlite3_step(s) == SQLITE_ROW) {
        add_table(out, store->db, (const char *)sqlite3_column_text(s, 0));
    }
    (void)sqlite3_finalize(s);
}

static const char *differing_table(const struct digest *a, const struct digest *b)
{
    for (unsigned i = 0; i < a->n; i++) {
        if (i >= b->n || strcmp(a->table[i].name, b->table[i].name) != 0 ||
            a->table[i].rows != b->table[i].rows) {
            return a->table[i].name;
        }
    }
    return b->n > a->n ? b->table[a->n].name : "none";
}

/* --------------------------------------------------------------- record -- */

void record_init(struct record *r)
{
    *r = (struct record){.rows.all = EMPTY, .next_event = 1};
}

static void count(struct crash *c, const struct manager *m)
{
    c->record.commits++;
    c->record.audits += m->out.n_audits;
    c->record.next_event += m->out.n_journal;
    oracle_committed((struct manager *)m);
}

/* Clients and switches are told from here on.  The rows cost time: they are read
 * where a crash may come yet. */
void record_committed(struct crash *c, const struct manager *m)
{
    count(c, m);
    if (m->model->epoch < c->record.epoch) {
        sim_found(&c->s, V_D4, "epoch %" PRIu64 " comes after %" PRIu64, m->model->epoch,
                  c->record.epoch);
    }
    c->record.epoch = m->model->epoch;
    if (c->level == 0 || c->second_point > 0 || c->failing || c->full) {
        record_rows(&c->record.rows, m->store);
    }
    for (size_t i = 0; i < c->n_adoptions; i++) {
        const struct adoption *a = &c->adoptions[i];
        if (a->rows != c->record.rows.all) {
            sim_found(&c->s, V_A2, "point %" PRIu64 ", %s: half of what was under way was loaded",
                      a->point, class_words[a->class]);
        }
    }
    c->n_adoptions = 0;
}

/* ---------------------------------------------------------------- judge -- */

/* The commit under way when the last podmgr died is durable: it counts. */
static void adopt(struct crash *c, const struct digest *rows)
{
    if (c->record.commits != c->born_in_commit) {
        sim_found(&c->s, V_A2, "a commit that failed is durable");
    }
    c->s.current = c->last; /* its word on slices counts once more */
    c->report.adopted = true;
    c->report.rows = rows->all;
    count(c, c->last);
    c->record.epoch = c->last->model->epoch;
}

void record_judge(struct crash *c, const struct manager *m)
{
    struct digest rows;

    record_rows(&rows, m->store);
    if (rows.all != c->record.rows.all && c->in_commit) {
        adopt(c, &rows);
    } else if (rows.all != c->record.rows.all) {
        sim_found(&c->s, V_A2, "table %s is not as it was committed",
                  differing_table(&c->record.rows, &rows));
    }
    c->in_commit = false;
    c->record.rows = rows;
    if (m->model->next_event != c->record.next_event) {
        sim_found(&c->s, V_A2, "the next event is %" PRIu64 ", published are those before %" PRIu64,
                  m->model->next_event, c->record.next_event);
    }
    if (m->model->epoch != c->record.epoch) {
        sim_found(&c->s, V_D4, "epoch %" PRIu64 " was taken, %" PRIu64 " is loaded",
                  c->record.epoch, m->model->epoch);
    }
}

void record_read_audit(struct crash *c, struct audit_tip *tip)
{
    struct error err;

    *tip = (struct audit_tip){0};
    /* Before the first commit there may be no tables. */
    if (c->record.commits > 0 && store_audit_verify(c->s.db, tip, &err) < 0) {
        sim_found(&c->s, V_A2, "%s", err.text);
    }
}

void record_judge_audit(struct crash *c, const struct audit_tip *tip)
{
    if (tip->seq != c->record.audits) {
        sim_found(&c->s, V_A2, "%" PRIu64 " mutations were accepted, %" PRIu64 " are on record",
                  c->record.audits, tip->seq);
    }
}

void record_judge_words(struct crash *c, const struct error *err)
{
    int expected = c->full ? E_FULL : E_IO;

    sim_note(&c->s, "podmgr stops: %s", err->text);
    if (err->code != expected || strstr(err->text, c->s.db) == NULL) {
        sim_found(&c->s, V_A2, "after %s podmgr stops with '%s': %s", class_words[c->class],
                  err_name(err->code), err->text);
    }
}
