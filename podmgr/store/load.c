/* From the tables back to the model.  Whatever contradicts itself is
 * E_CORRUPT with the row named: podmgr must not act on half a truth. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mem.h"
#include "store/blob.h"
#include "store/sqlite_util.h"

static int contradiction(const struct store *store, struct error *err, const char *table,
                         struct id id, const char *what)
{
    char text[48];
    return err_set(err, E_CORRUPT, "%s: table %s, row %s: %s", store->path, table,
                   id_format(id, text), what);
}

/* ---------------------------------------------------------------- meta -- */

static bool get_meta(struct store *store, const char *key, char *out, size_t size)
{
    sqlite3_stmt *s = store->stmt[ST_META_GET];

    (void)sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    bool found = sqlite3_step(s) == SQLITE_ROW;
    if (found) {
        (void)snprintf(out, size, "%s", sqlite3_column_text(s, 0));
    }
    (void)sqlite3_reset(s);
    return found;
}

/* Names one history of the journal: a new database begins another. */
static int new_incarnation(struct model *m, struct error *err)
{
    uint8_t bytes[12];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return err_set(err, E_IO, "no randomness for the journal's incarnation");
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        (void)snprintf(m->incarnation + 2 * i, 3, "%02x", bytes[i]);
    }
    return 0;
}

static int load_meta(struct store *store, struct model *m, struct error *err)
{
    char text[64];

    if (!get_meta(store, "epoch", text, sizeof text)) {
        return new_incarnation(m, err); /* a new database */
    }
    m->epoch = strtoull(text, NULL, 10);
    if (!get_meta(store, "incarnation", m->incarnation, sizeof m->incarnation) ||
        !get_meta(store, "pod", text, sizeof text)) {
        return err_set(err, E_CORRUPT, "%s: table meta lacks 'pod' or 'incarnation'", store->path);
    }
    if (strcmp(text, m->pod->id) != 0) {
        return err_set(err, E_CONFIG, "%s is the database of pod '%s', the configuration says '%s'",
                       store->path, text, m->pod->id);
    }
    return 0;
}

static int load_journal_position(struct store *store, struct model *m, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_JOURNAL_FIRST];
    int rc = sqlite3_step(s);

    if (rc == SQLITE_ROW) {
        store->pruned_below = column_u64(s, 0);
        m->next_event = column_u64(s, 1) + 1;
    }
    (void)sqlite3_reset(s);
    return rc == SQLITE_ROW ? 0 : store_failed(store, err, "read the journal");
}

/* -------------------------------------------------------------- slices -- */

static void copy_text(char *out, size_t size, sqlite3_stmt *s, int at)
{
    (void)snprintf(out, size, "%s", sqlite3_column_text(s, at));
}

/* Rebuilds the intent: the shape on its cubes, then the explicit weave. */
static int load_intent(const struct store *store, struct slice *slice, sqlite3_stmt *s,
                       struct error *err)
{
    size_t n_cubes, n_next;
    uint16_t *cubes = column_u16s(s, 16, &n_cubes);
    uint16_t *next = column_u16s(s, 17, &n_next);
    struct tpunet_error net_err = {0};
    int status = tpunet_intent_create(&slice->intent, &slice->spec.shape, cubes, n_cubes, &net_err);

    if (status < 0) {
        status = contradiction(store, err, "slices", slice->id, net_err.text);
    } else if (n_next != (size_t)TPUNET_OCSES * n_cubes) {
        status = contradiction(store, err, "slices", slice->id, "'next' has the wrong length");
    } else {
        memcpy(slice->intent->next, next, n_next * sizeof *next);
    }
    free(cubes);
    free(next);
    return status;
}

static void load_figures(struct slice *slice, sqlite3_stmt *s)
{
    slice->op = (struct id){column_u64(s, 18), column_u64(s, 19)};
    slice->planned_ms = sqlite3_column_double(s, 20);
    slice->programmed_ms = sqlite3_column_double(s, 21);
    slice->verified_ms = sqlite3_column_double(s, 22);
    slice->active_ms = sqlite3_column_double(s, 23);
    slice->coordinator = (uint32_t)column_u64(s, 24);
    copy_text(slice->routes.algorithm, sizeof slice->routes.algorithm, s, 25);
    slice->routes.vcs = (uint32_t)column_u64(s, 26);
    slice->routes.max_hops = (uint32_t)column_u64(s, 27);
    slice->routes.table_bytes_per_chip = (uint32_t)column_u64(s, 28);
    slice->routes.max_link_load = sqlite3_column_double(s, 29);
    slice->routes.unreachable_pairs = column_u64(s, 30);
}

static int load_slice(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct id id = {column_u64(s, 0), column_u64(s, 1)};
    struct slice_spec spec = {0};
    struct tpunet_error net_err;
    enum slice_state state;

    copy_text(spec.name, sizeof spec.name, s, 2);
    if (tpunet_shape_parse(&spec.shape, (const char *)sqlite3_column_text(s, 3),
                           sqlite3_column_int(s, 4) != 0, &net_err) < 0) {
        return contradiction(store, err, "slices", id, net_err.text);
    }
    if (!slice_state_parse(&state, (const char *)sqlite3_column_text(s, 5))) {
        return contradiction(store, err, "slices", id, "no such state");
    }
    copy_text(spec.owner, sizeof spec.owner, s, 10);
    spec.priority = sqlite3_column_int(s, 11);
    copy_text(spec.labels, sizeof spec.labels, s, 12);
    spec.accept_degraded = sqlite3_column_int(s, 13) != 0;

    struct slice *slice = slice_create(id, &spec);
    slice->state = state;
    slice->degraded = sqlite3_column_int(s, 6) != 0;
    copy_text(slice->reason, sizeof slice->reason, s, 7);
    slice->version = column_u64(s, 8);
    slice->generation = column_u64(s, 9);
    slice->created.ms = sqlite3_column_int64(s, 14);
    slice->changed.ms = sqlite3_column_int64(s, 15);
    load_figures(slice, s);
    int status = load_intent(store, slice, s, err);
    for (unsigned i = 0; status == 0 && i < slice->intent->n_cubes; i++) {
        unsigned cube = slice->intent->cubes[i];
        if (cube >= m->pod->n_cubes || !id_is_none(m->cubes[cube].owner)) {
            status = contradiction(store, err, "slices", id,
                                   "a cube that the pod lacks or that another slice owns");
        }
    }
    if (status < 0) {
        slice_destroy(slice);
        return status;
    }
    model_add_slice(m, slice);
    return 0;
}

/* ------------------------------------------------------------ circuits -- */

static bool port_of_slice(const struct model *m, struct tpunet_ocs_port port, struct id slice)
{
    struct tpunet_fibre fibre;
    return tpunet_wiring_fibre(m->pod->wiring, port, &fibre) &&
           id_compare(m->cubes[fibre.cube].owner, slice) == 0;
}

static int load_circuit(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    unsigned ocs = (unsigned)sqlite3_column_int(s, 0), north = (unsigned)sqlite3_column_int(s, 1);
    unsigned south = (unsigned)sqlite3_column_int(s, 2);
    struct id slice = {column_u64(s, 3), column_u64(s, 4)};
    struct tpunet_xc xc = {(uint16_t)ocs, (uint16_t)north, (uint16_t)south};

    if (ocs >= TPUNET_OCSES || north >= m->pod->ports_per_side || south >= m->pod->ports_per_side ||
        model_slice(m, slice) == NULL ||
        !port_of_slice(m, (struct tpunet_ocs_port){xc.ocs, TPUNET_NORTH, xc.north}, slice) ||
        !port_of_slice(m, (struct tpunet_ocs_port){xc.ocs, TPUNET_SOUTH, xc.south}, slice)) {
        char text[48];
        return err_set(err, E_CORRUPT,
                       "%s: table circuits: ocs/%u north %u to south %u is not of slice/%s",
                       store->path, ocs, north, south, id_format(slice, text));
    }
    model_intend(m, xc, slice);
    if (sqlite3_column_int(s, 5) != 0) {
        model_breaking(m, xc);
    }
    return 0;
}

/* ---------------------------------------------------------- operations -- */

static int load_op(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct op *op = xcalloc(1, sizeof *op);

    op->id = (struct id){column_u64(s, 0), column_u64(s, 1)};
    op->slice = (struct id){column_u64(s, 2), column_u64(s, 3)};
    op->kind = (enum op_kind)sqlite3_column_int(s, 4);
    op->state = (enum op_state)sqlite3_column_int(s, 5);
    op->created.ms = sqlite3_column_int64(s, 6);
    op->finished.ms = sqlite3_column_int64(s, 7);
    op->breaks = column_xcs(s, 8, &op->n_breaks);
    op->makes = column_xcs(s, 9, &op->n_makes);
    copy_text(op->reason, sizeof op->reason, s, 10);
    if (op->kind > OP_RESTORE || op->state > OP_FAILED ||
        (op->state == OP_OPEN && op->kind != OP_RESTORE && model_slice(m, op->slice) == NULL)) {
        struct id id = op->id;
        op_destroy(op);
        return contradiction(store, err, "ops", id, "no such kind, state or slice");
    }
    op_plan_parts(op);
    model_add_op(m, op);
    return 0;
}

/* ---------------------------------------------------------------- all -- */

typedef int load_row_fn(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err);

static int load_table(struct store *store, struct model *m, enum stmt which, load_row_fn *row,
                      struct error *err)
{
    sqlite3_stmt *s = store->stmt[which];
    int rc, status = 0;

    while ((rc = sqlite3_step(s)) == SQLITE_ROW && status == 0) {
        status = row(store, m, s, err);
    }
    if (status == 0 && rc != SQLITE_DONE) {
        status = store_failed(store, err, "load");
    }
    (void)sqlite3_reset(s);
    return status;
}

int store_load(struct store *store, struct model *m, struct error *err)
{
    static const struct {
        enum stmt which;
        load_row_fn *row;
    } tables[] = {
        /* Circuits and operations refer to slices. */
        {ST_SLICE_ALL, load_slice},
        {ST_CIRCUIT_ALL, load_circuit},
        {ST_OP_ALL, load_op},
    };
    int status = load_meta(store, m, err);

    for (size_t i = 0; i < ARRAY_LEN(tables) && status == 0; i++) {
        status = load_table(store, m, tables[i].which, tables[i].row, err);
    }
    return status == 0 ? load_journal_position(store, m, err) : status;
}
