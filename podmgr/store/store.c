/* Opening, committing and the journal; loading is in load.c. */
#include "store/store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "store/blob.h"
#include "store/sqlite_util.h"

enum { PRUNE_SLACK = 1024 }; /* entries beyond the retention before they are pruned */

int store_open(struct store **out, const char *path, unsigned journal_keep, struct error *err)
{
    struct store *store = xcalloc(1, sizeof *store);

    (void)snprintf(store->path, sizeof store->path, "%s", path);
    store->journal_keep = journal_keep;
    int rc = sqlite3_open_v2(path, &store->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
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
    char epoch[32];

    (void)snprintf(epoch, sizeof epoch, "%" PRIu64, m->epoch);
    int status = put_meta(store, "epoch", epoch, err);
    if (status == 0) {
        status = put_meta(store, "pod", m->pod->id, err);
    }
    return status == 0 ? put_meta(store, "incarnation", m->incarnation, err) : status;
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
    enum stmt which = circuit->south == TPUNET_NONE ? ST_CIRCUIT_DELETE : ST_CIRCUIT_PUT;
    sqlite3_stmt *s = store->stmt[which];

    (void)sqlite3_bind_int(s, 1, ocs);
    (void)sqlite3_bind_int(s, 2, north);
    if (which == ST_CIRCUIT_PUT) {
        (void)sqlite3_bind_int(s, 3, circuit->south);
        bind_u64(s, 4, circuit->slice.epoch);
        bind_u64(s, 5, circuit->slice.seq);
        (void)sqlite3_bind_int(s, 6, circuit->breaking);
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
    }
    abort();
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *x = a, *y = b;

    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    if (x->kind == CHANGE_CIRCUIT) {
        int xk = x->circuit.ocs * 65536 + x->circuit.north;
        int yk = y->circuit.ocs * 65536 + y->circuit.north;
        return xk < yk ? -1 : xk > yk;
    }
    return x->kind == CHANGE_META ? 0 : id_compare(x->id, y->id);
}

/* Each key once, whatever the number of its changes.  Circuits that go are
 * deleted before others come, since a south port may pass from one to another
 * in the same batch. */
static int put_changes(struct store *store, const struct model *m, const struct outbox *batch,
                       struct error *err)
{
    size_t n = batch->n_changes;
    struct change *sorted = xmemdup(batch->changes, n * sizeof *sorted);
    int status = 0;

    qsort(sorted, n, sizeof *sorted, compare_changes);
    for (int pass = 0; pass < 2 && status == 0; pass++) {
        for (size_t i = 0; i < n && status == 0; i++) {
            const struct change *change = &sorted[i];
            bool goes = change->kind == CHANGE_CIRCUIT &&
                        m->ocs[change->circuit.ocs].north[change->circuit.north].south ==
                            TPUNET_NONE;
            bool repeated = i > 0 && compare_changes(&sorted[i - 1], change) == 0;
            if (!repeated && goes == (pass == 0)) {
                status = put_change(store, m, change, err);
            }
        }
    }
    free(sorted);
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

static int prune_journal(struct store *store, uint64_t next, struct error *err)
{
    if (next < store->pruned_below + store->journal_keep + PRUNE_SLACK) {
        return 0;
    }
    store->pruned_below = next - store->journal_keep;
    bind_u64(store->stmt[ST_JOURNAL_PRUNE], 1, store->pruned_below);
    return store_run(store, ST_JOURNAL_PRUNE, err);
}

int store_commit(struct store *store, const struct model *m, const struct outbox *batch,
                 struct error *err)
{
    int status = store_run(store, ST_BEGIN, err);

    if (status < 0) {
        return status;
    }
    status = put_changes(store, m, batch, err);
    if (status == 0) {
        status = add_journal(store, batch, err);
    }
    if (status == 0) {
        status = prune_journal(store, m->next_event, err);
    }
    if (status == 0) {
        status = store_run(store, ST_COMMIT, err);
    }
    if (status < 0) {
        (void)store_run(store, ST_ROLLBACK, NULL);
    }
    return status;
}

/* ------------------------------------------------------------- journal -- */

int store_journal(struct store *store, uint64_t since, size_t max, store_journal_fn *each,
                  void *arg, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_JOURNAL_READ];
    int n = 0, rc;

    if (since + 1 < store->pruned_below) {
        return err_set(err, E_NOT_FOUND, "events up to %" PRIu64 " are no longer kept; begin at %" PRIu64,
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
