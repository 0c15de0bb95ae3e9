/* Opening, committing and the journal; loading is in load.c. */
#include "store/store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/keys.h"
#include "core/remedy.h"
#include "mem.h"
#include "store/blob.h"
#include "store/sqlite_util.h"

/* Entries beyond the retention before any is pruned, and pruned in one commit
 * at most: no batch waits long for the sake of old entries. */
enum { PRUNE_SLACK = 256, PRUNE_MAX = 1024 };

int store_open(struct store **out, const char *path, unsigned journal_keep, struct error *err)
{
    struct store *store = xcalloc(1, sizeof *store);

    (void)snprintf(store->path, sizeof store->path, "%s", path);
    store->journal_keep = journal_keep;
    int rc = sqlite3_open_v2(
        path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int status = rc == SQLITE_OK ? store_schema_open(store, err) : store_failed(store, err, "open");
    if (status < 0) {
        store_close(store);
        return status;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store != NULL) {
        (void)store_check_place(store, NULL);
        for (int i = 0; i < ST_COUNT; i++) {
            (void)sqlite3_finalize(store->stmt[i]);
        }
        (void)sqlite3_close(store->db);
        free(store);
    }
}

/* -------------------------------------------------------------- commit -- */

static int put_meta(struct store *store, const char *key, const char *value, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_META_PUT];

    (void)sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(s, 2, value, -1, SQLITE_TRANSIENT);
    return store_run(store, ST_META_PUT, err);
}

static int put_meta_all(struct store *store, const struct model *m, struct error *err)
{
    char epoch[32], backup[32];
    const struct {
        const char *key, *value;
    } rows[] = {
        {"epoch", epoch},
        {"pod", m->pod->id},
        {"restored", m->restored ? "yes" : "no"},
        {"backup_epoch", backup},
        {"incarnation", m->incarnation},
        {"breaker", m->remediation->breaker_open ? "open" : "closed"},
    };
    int status = 0;

    (void)snprintf(epoch, sizeof epoch, "%" PRIu64, m->epoch);
    (void)snprintf(backup, sizeof backup, "%" PRIu64, m->restored ? m->backup_epoch : 0);
    for (size_t i = 0; i < ARRAY_LEN(rows) && status == 0; i++) {
        status = put_meta(store, rows[i].key, rows[i].value, err);
    }
    return status;
}

static int delete_key(struct store *store, enum stmt which, struct id id, struct error *err)
{
    bind_u64(store->stmt[which], 1, id.epoch);
    bind_u64(store->stmt[which], 2, id.seq);
    return store_run(store, which, err);
}

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    (void)sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
}

/* Switch and north port of each; most slices go around nothing. */
static void bind_around(sqlite3_stmt *s, int at, const struct slice *slice)
{
    uint16_t list[2 * TPUNET_OCSES * MODEL_CUBES_MAX];
    size_t n = 0;

    for (uint16_t o = 0; o < TPUNET_OCSES && slice->dead_links > 0; o++) {
        for (uint16_t p = 0; p < MODEL_PORTS_MAX; p++) {
            if (circuit_set_has(&slice->around, o, p)) {
                assert(n + 2 <= ARRAY_LEN(list));
                list[n++] = o;
                list[n++] = p;
            }
        }
    }
    bind_u16s(s, at, list, n);
}

static int put_slice(struct store *store, const struct model *m, struct id id, struct error *err)
{
    const struct slice *slice = model_slice(m, id);
    sqlite3_stmt *s = store->stmt[ST_SLICE_PUT];
    char shape[24];
    int at = 1;

    if (slice == NULL) {
        return delete_key(store, ST_SLICE_DELETE, id, err);
    }
    bind_u64(s, at++, id.epoch);
    bind_u64(s, at++, id.seq);
    bind_text(s, at++, slice->spec.name);
    bind_text(s, at++, tpunet_shape_format(&slice->spec.shape, shape));
    (void)sqlite3_bind_int(s, at++, slice->spec.shape.twisted);
    bind_text(s, at++, slice_state_name(slice->state));
    (void)sqlite3_bind_int(s, at++, slice->degraded);
    bind_text(s, at++, slice->reason);
    bind_u64(s, at++, slice->version);
    bind_u64(s, at++, slice->generation);
    bind_text(s, at++, slice->spec.owner);
    (void)sqlite3_bind_int(s, at++, slice->spec.priority);
    bind_text(s, at++, slice->spec.labels);
    (void)sqlite3_bind_int(s, at++, slice->spec.accept_degraded);
    (void)sqlite3_bind_int64(s, at++, slice->created.ms);
    (void)sqlite3_bind_int64(s, at++, slice->changed.ms);
    bind_u16s(s, at++, slice->intent->cubes, slice->intent->n_cubes);
    bind_u16s(s, at++, slice->intent->next, (size_t)TPUNET_OCSES * slice->intent->n_cubes);
    (void)sqlite3_bind_blob(s, at++, slice->intent->origin, TPUNET_AXES, SQLITE_STATIC);
    bind_u64(s, at++, slice->op.epoch);
    bind_u64(s, at++, slice->op.seq);
    (void)sqlite3_bind_double(s, at++, slice->planned_ms);
    (void)sqlite3_bind_double(s, at++, slice->programmed_ms);
    (void)sqlite3_bind_double(s, at++, slice->verified_ms);
    (void)sqlite3_bind_double(s, at++, slice->active_ms);
    bind_u64(s, at++, slice->coordinator);
    bind_text(s, at++, slice->routes.algorithm);
    bind_u64(s, at++, slice->routes.vcs);
    bind_u64(s, at++, slice->routes.max_hops);
    bind_u64(s, at++, slice->routes.table_bytes_per_chip);
    (void)sqlite3_bind_double(s, at++, slice->routes.max_link_load);
    bind_u64(s, at++, slice->routes.unreachable_pairs);
    (void)sqlite3_bind_int(s, at++, slice->pinned);
    (void)sqlite3_bind_int(s, at++, slice->placements);
    (void)sqlite3_bind_int(s, at++, slice->dead_links);
    (void)sqlite3_bind_double(s, at++, slice->routes.retained);
    bind_text(s, at++, slice->losses.cause);
    (void)sqlite3_bind_int(s, at++, slice->losses.chips);
    bind_u16s(s, at++, &slice->losses.cubes[0].was, 2 * (size_t)slice->losses.n_cubes);
    (void)sqlite3_bind_double(s, at++, slice->preflight_ms);
    bind_u64(s, at++, slice->routed.epoch);
    bind_u64(s, at++, slice->routed.seq);
    bind_around(s, at++, slice);
    return store_run(store, ST_SLICE_PUT, err);
}

static int put_op(struct store *store, const struct model *m, struct id id, struct error *err)
{
    const struct op *op = model_op(m, id);
    sqlite3_stmt *s = store->stmt[ST_OP_PUT];

    if (op == NULL) {
        return delete_key(store, ST_OP_DELETE, id, err);
    }
    bind_u64(s, 1, id.epoch);
    bind_u64(s, 2, id.seq);
    bind_u64(s, 3, op->slice.epoch);
    bind_u64(s, 4, op->slice.seq);
    (void)sqlite3_bind_int(s, 5, (int)op->kind);
    (void)sqlite3_bind_int(s, 6, (int)op->state);
    (void)sqlite3_bind_int64(s, 7, op->created.ms);
    (void)sqlite3_bind_int64(s, 8, op->finished.ms);
    bind_xcs(s, 9, op->breaks, op->n_breaks);
    bind_xcs(s, 10, op->makes, op->n_makes);
    bind_text(s, 11, op->reason);
    return store_run(store, ST_OP_PUT, err);
}

static int put_circuit(struct store *store, const struct model *m, uint16_t ocs, uint16_t north,
                       struct error *err)
{
    const struct circuit *circuit = &m->ocs[ocs].north[north];
    sqlite3_stmt *s = store->stmt[ST_CIRCUIT_PUT];

    if (circuit->south == TPUNET_NONE) {
        return 0; /* clear_circuit() did it */
    }
    (void)sqlite3_bind_int(s, 1, ocs);
    (void)sqlite3_bind_int(s, 2, north);
    (void)sqlite3_bind_int(s, 3, circuit->south);
    bind_u64(s, 4, circuit->slice.epoch);
    bind_u64(s, 5, circuit->slice.seq);
    return store_run(store, ST_CIRCUIT_PUT, err);
}

static int clear_circuit(struct store *store, const struct model *m, uint16_t ocs, uint16_t north,
                         struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_CIRCUIT_CLEAR];

    (void)sqlite3_bind_int(s, 1, ocs);
    (void)sqlite3_bind_int(s, 2, north);
    (void)sqlite3_bind_int(s, 3, m->ocs[ocs].north[north].south);
    return store_run(store, ST_CIRCUIT_CLEAR, err);
}

/* A key never changes: it comes, and goes when it expires. */
static int put_key(struct store *store, const struct model *m, uint64_t number, struct error *err)
{
    const struct key_entry *entry = keys_at(m->keys, number);
    enum stmt which = entry == NULL ? ST_KEY_DELETE : ST_KEY_PUT;
    sqlite3_stmt *s = store->stmt[which];

    bind_u64(s, 1, number);
    if (entry != NULL) {
        bind_text(s, 2, entry->of.caller);
        bind_text(s, 3, entry->of.key);
        (void)sqlite3_bind_blob(s, 4, entry->of.body_hash, entry->has_body ? KEY_HASH_SIZE : 0,
                                SQLITE_STATIC);
        bind_u64(s, 5, entry->made.epoch);
        bind_u64(s, 6, entry->made.seq);
        (void)sqlite3_bind_int64(s, 7, entry->at.ms);
        bind_text(s, 8, key_kind_name(entry->kind));
    }
    return store_run(store, which, err);
}

static int put_fault(struct store *store, const struct model *m, const struct part *part,
                     struct error *err)
{
    const struct part_fault *fault = model_fault(m, part);
    enum stmt which = fault == NULL ? ST_FAULT_DELETE : ST_FAULT_PUT;
    sqlite3_stmt *s = store->stmt[which];
    char name[80];

    bind_text(s, 1, part_format(part, name));
    if (fault != NULL) {
        bind_text(s, 2, health_name(fault->health));
        (void)sqlite3_bind_int64(s, 3, fault->since.ms);
        bind_text(s, 4, fault->who);
        bind_text(s, 5, fault->reason);
    }
    return store_run(store, which, err);
}

static int put_lien(struct store *store, const struct model *m, struct tpunet_ocs_port port,
                    struct error *err)
{
    const struct lien *lien = model_lien(m, port);
    enum stmt which = lien == NULL ? ST_LIEN_DELETE : ST_LIEN_PUT;
    sqlite3_stmt *s = store->stmt[which];

    (void)sqlite3_bind_int(s, 1, port.ocs);
    (void)sqlite3_bind_int(s, 2, port.side);
    (void)sqlite3_bind_int(s, 3, port.port);
    if (lien != NULL) {
        bind_u64(s, 4, lien->held.epoch);
        bind_u64(s, 5, lien->held.seq);
        bind_u64(s, 6, lien->slice.epoch);
        bind_u64(s, 7, lien->slice.seq);
        (void)sqlite3_bind_int64(s, 8, lien->since.ms);
        (void)sqlite3_bind_int(s, 9, lien->fenced);
    }
    return store_run(store, which, err);
}

static int put_change(struct store *store, const struct model *m, const struct change *change,
                      struct error *err)
{
    switch (change->kind) {
    case CHANGE_META:
        return put_meta_all(store, m, err);
    case CHANGE_SLICE:
        return put_slice(store, m, change->id, err);
    case CHANGE_OP:
        return put_op(store, m, change->id, err);
    case CHANGE_CIRCUIT:
        return put_circuit(store, m, change->circuit.ocs, change->circuit.north, err);
    case CHANGE_KEY:
        return put_key(store, m, change->key, err);
    case CHANGE_INCIDENT:
        return store_put_incident(store, m, change->id, err);
    case CHANGE_TICKET:
        return store_put_ticket(store, m, change->id, err);
    case CHANGE_FAULT:
        return put_fault(store, m, &change->part, err);
    case CHANGE_LIEN:
        return put_lien(store, m, change->port, err);
    case CHANGE_DRAIN:
        return store_put_drain(store, m, change->id, err);
    case CHANGE_WEBHOOK:
        return store_put_webhook(store, m, change->id, err);
    }
    abort();
}

static int compare_numbers(uint64_t x, uint64_t y)
{
    return x < y ? -1 : x > y;
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    char x_name[80], y_name[80];

    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    switch (x->kind) {
    case CHANGE_META:
        return 0;
    case CHANGE_SLICE:
    case CHANGE_OP:
    case CHANGE_INCIDENT:
    case CHANGE_TICKET:
    case CHANGE_DRAIN:
    case CHANGE_WEBHOOK:
        return id_compare(x->id, y->id);
    case CHANGE_CIRCUIT:
        return compare_numbers(x->circuit.ocs * 65536UL + x->circuit.north,
                               y->circuit.ocs * 65536UL + y->circuit.north);
    case CHANGE_KEY:
        return compare_numbers(x->key, y->key);
    case CHANGE_FAULT:
        return strcmp(part_format(&x->part, x_name), part_format(&y->part, y_name));
    case CHANGE_LIEN:
        return compare_numbers((x->port.ocs * 2UL + x->port.side) * 65536 + x->port.port,
                               (y->port.ocs * 2UL + y->port.side) * 65536 + y->port.port);
    }
    abort();
}

/* Sorts the changes and leaves each key once, however often it changed. */
static size_t unique_changes(struct change *changes, size_t n)
{
    size_t kept = 0;

    if (n > 0) {
        qsort(changes, n, sizeof *changes, compare_changes);
    }
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || compare_changes(&changes[kept - 1], &changes[i]) != 0) {
            changes[kept++] = changes[i];
        }
    }
    return kept;
}

/* North ports whose south port is another now are cleared before any is put: in
 * one batch two circuits may have exchanged their south ports. */
static int put_changes(struct store *store, const struct model *m, const struct outbox *batch,
                       struct error *err)
{
    struct change *changes = xmemdup(batch->changes, batch->n_changes * sizeof *changes);
    size_t n = unique_changes(changes, batch->n_changes);
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++) {
        if (changes[i].kind == CHANGE_CIRCUIT) {
            status = clear_circuit(store, m, changes[i].circuit.ocs, changes[i].circuit.north, err);
        }
    }
    for (size_t i = 0; i < n && status == 0; i++) {
        status = put_change(store, m, &changes[i], err);
    }
    free(changes);
    return status;
}

static int add_journal(struct store *store, const struct outbox *batch, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_JOURNAL_ADD];
    int status = 0;

    for (size_t i = 0; i < batch->n_journal && status == 0; i++) {
        const struct journal_entry *entry = &batch->journal[i];
        bind_u64(s, 1, entry->seq);
        (void)sqlite3_bind_int64(s, 2, entry->at.ms);
        (void)sqlite3_bind_text(s, 3, entry->type, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 4, entry->subject, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 5, entry->data, -1, SQLITE_STATIC);
        status = store_run(store, ST_JOURNAL_ADD, err);
    }
    return status;
}

/* Raises *first, the first entry that stays, if there is enough to prune. */
static int prune_journal(struct store *store, uint64_t next, uint64_t *first, struct error *err)
{
    if (next < *first + store->journal_keep + PRUNE_SLACK) {
        return 0;
    }
    *first = next - store->journal_keep;
    if (*first > store->pruned_below + PRUNE_MAX) {
        *first = store->pruned_below + PRUNE_MAX;
    }
    bind_u64(store->stmt[ST_JOURNAL_PRUNE], 1, *first);
    return store_run(store, ST_JOURNAL_PRUNE, err);
}

int store_commit(struct store *store, const struct model *m, const struct outbox *batch,
                 struct error *err)
{
    uint64_t first = store->pruned_below;
    struct audit_tip tip = store->audit;
    int status = store_check_place(store, err);

    if (status == 0) {
        status = store_run(store, ST_BEGIN, err);
    }
    if (status < 0) {
        return status;
    }
    status = put_changes(store, m, batch, err);
    if (status == 0) {
        status = add_journal(store, batch, err);
    }
    if (status == 0) {
        status = store_audit_add(store, batch, &tip, err);
    }
    if (status == 0) {
        status = prune_journal(store, m->next_event, &first, err);
    }
    if (status == 0) {
        status = store_run(store, ST_COMMIT, err);
    }
    if (status < 0) {
        (void)store_run(store, ST_ROLLBACK, NULL);
        return status;
    }
    store->pruned_below = first;
    store->audit = tip;
    return 0;
}

/* ------------------------------------------------------------- journal -- */

uint64_t store_journal_first(const struct store *store)
{
    return store->pruned_below;
}

int store_journal(struct store *store, uint64_t since, size_t max, store_journal_fn *each,
                  void *arg, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_JOURNAL_READ];
    int n = 0, rc;

    if (since + 1 < store->pruned_below) {
        return err_set(err, E_NOT_FOUND,
                       "events up to %" PRIu64 " are no longer kept; begin at %" PRIu64,
                       store->pruned_below - 1, store->pruned_below - 1);
    }
    bind_u64(s, 1, since);
    bind_u64(s, 2, max);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct journal_entry entry = {.seq = column_u64(s, 0),
                                      .at = {sqlite3_column_int64(s, 1)},
                                      .type = (const char *)sqlite3_column_text(s, 2),
                                      .data = (char *)(uintptr_t)sqlite3_column_text(s, 4)};
        (void)snprintf(entry.subject, sizeof entry.subject, "%s", sqlite3_column_text(s, 3));
        each(arg, &entry);
        n++;
    }
    int status = rc == SQLITE_DONE ? n : store_failed(store, err, "read the journal");
    (void)sqlite3_reset(s);
    return status;
}
