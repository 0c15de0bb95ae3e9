/* The store: what was committed is what is loaded, a database that is wrong is
 * refused by name and left alone, and a failed commit leaves the old state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <math.h>

#include "agent.pb-c.h"
#include "agents/pack.h"
#include "core/drain.h"
#include "core/keys.h"
#include "mem.h"
#include "store/sqlite_util.h"
#include "store/store.h"

enum { KEEP = 100 };

static char dir[] = "/tmp/test_store.XXXXXX";
static char path[64];

/* A pod of 8 cubes, a model, its store, and the batch being made. */
struct fixture {
    struct pod pod;
    struct model *m;
    struct store *store;
    struct outbox batch;
};

static void fixture_open(struct fixture *f)
{
    struct error err = {0};
    if (store_open(&f->store, path, KEEP, &err) < 0)
        fail_msg("%s", err.text);
    f->m = model_create(&f->pod, 1);
    if (store_load(f->store, f->m, &err) < 0)
        fail_msg("%s", err.text);
}

static void fixture_close(struct fixture *f)
{
    model_destroy(f->m);
    store_close(f->store);
    f->m = NULL;
    f->store = NULL;
}

static void reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

static void remove_files(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->pod = (struct pod){.id = "pod-1", .n_cubes = 8, .ports_per_side = 12, .vc_classes = 3};
    assert_int_equal(tpunet_wiring_create(&f->pod.wiring, 8, 12, NULL, 0, NULL), 0);
    remove_files();
    fixture_open(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    outbox_clear(&f->batch);
    outbox_fini(&f->batch);
    tpunet_wiring_destroy(f->pod.wiring);
    free(f);
    remove_files();
    return 0;
}

/* ------------------------------------------------------------- batches -- */

static struct change *add_change(struct fixture *f, enum change_kind kind)
{
    VEC_GROW(f->batch.changes, f->batch.n_changes, f->batch.cap_changes);
    struct change *change = &f->batch.changes[f->batch.n_changes++];
    *change = (struct change){.kind = kind};
    return change;
}

static void add_journal(struct fixture *f)
{
    VEC_GROW(f->batch.journal, f->batch.n_journal, f->batch.cap_journal);
    struct journal_entry *entry = &f->batch.journal[f->batch.n_journal++];
    *entry = (struct journal_entry){.seq = f->m->next_event++, .type = "slice.active"};
    entry->at.ms = 1700000000000 + (int64_t)entry->seq;
    (void)snprintf(entry->subject, sizeof entry->subject, "slice/1-%llu",
                   (unsigned long long)entry->seq);
    entry->data = xstrdup("{\"n\":1}");
}

static int try_commit(struct fixture *f, struct error *err)
{
    int status = store_commit(f->store, f->m, &f->batch, err);
    outbox_clear(&f->batch);
    return status;
}

static void commit(struct fixture *f)
{
    struct error err = {0};
    if (try_commit(f, &err) < 0)
        fail_msg("%s", err.text);
}

static void take_epoch(struct fixture *f, uint64_t epoch)
{
    f->m->epoch = epoch;
    f->m->next_seq = 1;
    (void)add_change(f, CHANGE_META);
    commit(f);
}

static void change_circuits(struct fixture *f, const struct op *op)
{
    for (size_t i = 0; i < op->n_makes; i++) {
        struct change *change = add_change(f, CHANGE_CIRCUIT);
        change->circuit.ocs = op->makes[i].ocs;
        change->circuit.north = op->makes[i].north;
    }
}

/* A slice that is being programmed: record, open operation, circuits. */
static struct slice *add_slice(struct fixture *f, const char *shape, const uint16_t *cubes,
                               size_t n_cubes)
{
    struct slice_spec spec = {.name = "n", .owner = "o", .priority = -3, .labels = "{\"a\":\"b\"}"};
    assert_int_equal(tpunet_shape_parse(&spec.shape, shape, strcmp(shape, "4x4x8") == 0, NULL), 0);
    struct slice *slice = slice_create(model_new_id(f->m), &spec);
    assert_int_equal(tpunet_intent_create(&slice->intent, &spec.shape, cubes, n_cubes, NULL), 0);
    model_add_slice(f->m, slice);

    struct op *op = xcalloc(1, sizeof *op);
    op->id = model_new_id(f->m);
    op->slice = slice->id;
    op->created.ms = 77;
    assert_int_equal(
        tpunet_intent_xcs(slice->intent, f->pod.wiring, &op->makes, &op->n_makes, NULL), 0);
    for (size_t i = 0; i < op->n_makes; i++)
        model_intend(f->m, op->makes[i], slice->id);
    model_plan_parts(f->m, op);
    model_add_op(f->m, op);
    slice->op = op->id;
    add_change(f, CHANGE_SLICE)->id = slice->id;
    add_change(f, CHANGE_OP)->id = op->id;
    change_circuits(f, op);
    return slice;
}

static const uint16_t two_cubes[] = {5, 2}, one_cube[] = {7};

/* ---------------------------------------------------------- round trip -- */

static void same_slice(const struct slice *a, const struct slice *b)
{
    assert_int_equal(id_compare(a->id, b->id), 0);
    assert_string_equal(a->spec.name, b->spec.name);
    assert_string_equal(a->spec.owner, b->spec.owner);
    assert_string_equal(a->spec.labels, b->spec.labels);
    assert_int_equal(a->spec.priority, b->spec.priority);
    assert_int_equal(a->spec.accept_degraded, b->spec.accept_degraded);
    assert_memory_equal(&a->spec.shape, &b->spec.shape, sizeof a->spec.shape);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->degraded, b->degraded);
    assert_string_equal(a->reason, b->reason);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(id_compare(a->op, b->op), 0);
    assert_int_equal(a->created.ms, b->created.ms);
    assert_int_equal(a->changed.ms, b->changed.ms);
    assert_true(a->planned_ms == b->planned_ms && a->programmed_ms == b->programmed_ms &&
                a->verified_ms == b->verified_ms && a->active_ms == b->active_ms);
    assert_int_equal(a->coordinator, b->coordinator);
    assert_int_equal(a->dead_links, b->dead_links);
    assert_memory_equal(&a->around, &b->around, sizeof a->around);
    assert_string_equal(a->losses.cause, b->losses.cause);
    assert_int_equal(a->losses.chips, b->losses.chips);
    assert_int_equal(a->losses.n_cubes, b->losses.n_cubes);
    assert_memory_equal(a->losses.cubes, b->losses.cubes, sizeof a->losses.cubes);
    assert_string_equal(a->routes.algorithm, b->routes.algorithm);
    assert_int_equal(a->routes.vcs, b->routes.vcs);
    assert_int_equal(a->routes.max_hops, b->routes.max_hops);
    assert_int_equal(a->routes.table_bytes_per_chip, b->routes.table_bytes_per_chip);
    assert_true(a->routes.max_link_load == b->routes.max_link_load);
    assert_int_equal(a->routes.unreachable_pairs, b->routes.unreachable_pairs);
    assert_int_equal(a->intent->n_cubes, b->intent->n_cubes);
    assert_memory_equal(a->intent->cubes, b->intent->cubes, 2U * a->intent->n_cubes);
    assert_memory_equal(a->intent->next, b->intent->next, 2U * TPUNET_OCSES * a->intent->n_cubes);
    assert_memory_equal(a->intent->origin, b->intent->origin, TPUNET_AXES);
}

static void same_op(const struct op *a, const struct op *b)
{
    assert_int_equal(id_compare(a->id, b->id), 0);
    assert_int_equal(id_compare(a->slice, b->slice), 0);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->created.ms, b->created.ms);
    assert_int_equal(a->finished.ms, b->finished.ms);
    assert_string_equal(a->reason, b->reason);
    assert_int_equal(a->n_breaks, b->n_breaks);
    assert_int_equal(a->n_makes, b->n_makes);
    assert_memory_equal(a->makes, b->makes, a->n_makes * sizeof *a->makes);
    if (a->n_breaks > 0)
        assert_memory_equal(a->breaks, b->breaks, a->n_breaks * sizeof *a->breaks);
    assert_int_equal(a->open_parts, b->open_parts);
    assert_memory_equal(a->part, b->part, sizeof a->part);
}

static void same_model(const struct model *a, const struct model *b)
{
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->next_event, b->next_event);
    assert_string_equal(a->incarnation, b->incarnation);
    assert_int_equal(a->n_slices, b->n_slices);
    assert_int_equal(a->n_ops, b->n_ops);
    for (size_t i = 0; i < a->n_slices; i++)
        same_slice(a->slices[i], b->slices[i]);
    for (size_t i = 0; i < a->n_ops; i++)
        same_op(a->ops[i], b->ops[i]);
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        for (unsigned p = 0; p < a->pod->ports_per_side; p++) {
            const struct circuit *x = &a->ocs[o].north[p], *y = &b->ocs[o].north[p];
            assert_int_equal(x->south, y->south);
            assert_int_equal(id_compare(x->slice, y->slice), 0);
        }
    }
    for (unsigned c = 0; c < a->pod->n_cubes; c++)
        assert_int_equal(id_compare(a->cubes[c].owner, b->cubes[c].owner), 0);
    assert_int_equal(a->n_faults, b->n_faults);
    for (size_t i = 0; i < a->n_faults; i++) {
        assert_memory_equal(&a->faults[i].part, &b->faults[i].part, sizeof(struct part));
        assert_int_equal(a->faults[i].health, b->faults[i].health);
        assert_int_equal(a->faults[i].since.ms, b->faults[i].since.ms);
        assert_string_equal(a->faults[i].who, b->faults[i].who);
        assert_string_equal(a->faults[i].reason, b->faults[i].reason);
    }
    assert_int_equal(a->n_liens, b->n_liens);
    for (size_t i = 0; i < a->n_liens; i++) {
        const struct lien *x = &a->liens[i], *y = &b->liens[i];
        assert_int_equal(x->port.ocs, y->port.ocs);
        assert_int_equal(x->port.side, y->port.side);
        assert_int_equal(x->port.port, y->port.port);
        assert_int_equal(id_compare(x->held, y->held), 0);
        assert_int_equal(id_compare(x->slice, y->slice), 0);
        assert_int_equal(x->since.ms, y->since.ms);
        assert_int_equal(x->fenced, y->fenced);
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++)
        assert_memory_equal(a->ocs[o].suspect, b->ocs[o].suspect, sizeof a->ocs[o].suspect);
}

static void compare_with_disk(struct fixture *f)
{
    struct model *before = f->m;
    f->m = NULL;
    reopen(f);
    same_model(before, f->m);
    model_destroy(before);
}

/* The operation has ended well. */
static void finish(struct fixture *f, struct slice *slice)
{
    struct op *op = model_op(f->m, slice->op);
    op->state = OP_DONE;
    op->finished.ms = 99;
    memset(op->part, 0, sizeof op->part);
    model_plan_parts(f->m, op);
    slice->op = (struct id){0};
    slice_move(slice, SLICE_ACTIVE, (struct wall_ms){100});
    add_change(f, CHANGE_OP)->id = op->id;
    add_change(f, CHANGE_SLICE)->id = slice->id;
}

static void add_fault_and_lien(struct fixture *f)
{
    struct part_fault fault = {.part = {.kind = PART_OCS, .ocs = 11},
                               .health = HEALTH_FAILED,
                               .since = {1234},
                               .who = "unix uid 7",
                               .reason = "smoke"};
    struct part_fault suspect = {.part = {.kind = PART_PORT, .ocs = 3, .port = 4, .south = true},
                                 .health = HEALTH_SUSPECT,
                                 .since = {1235},
                                 .who = "podmgr"};
    struct lien lien = {.port = {11, TPUNET_SOUTH, 5}, .held = {1, 9}, .slice = {1, 2}};

    model_add_fault(f->m, &fault);
    model_add_fault(f->m, &suspect);
    lien.fenced = true;
    model_add_lien(f->m, &lien);
    add_change(f, CHANGE_FAULT)->part = fault.part;
    add_change(f, CHANGE_FAULT)->part = suspect.part;
    add_change(f, CHANGE_LIEN)->port = lien.port;
}

static void faults_and_liens_come_and_go(void **state)
{
    static const struct part port = {.kind = PART_PORT, .ocs = 3, .port = 4, .south = true};
    struct fixture *f = *state;

    take_epoch(f, 1);
    add_fault_and_lien(f);
    commit(f);
    compare_with_disk(f);
    model_remove_fault(f->m, &port);
    model_remove_lien(f->m, f->m->liens[0].port);
    add_fault_and_lien(f); /* all are there again in the same batch */
    model_remove_fault(f->m, &port);
    add_change(f, CHANGE_FAULT)->part = port;
    commit(f);
    compare_with_disk(f);
    assert_int_equal(f->m->n_faults, 1);
    model_remove_lien(f->m, f->m->liens[0].port);
    add_change(f, CHANGE_LIEN)->port = (struct tpunet_ocs_port){11, TPUNET_SOUTH, 5};
    commit(f);
    compare_with_disk(f);
}

static void round_trip(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->m->epoch, 0);
    assert_int_equal(strlen(f->m->incarnation), 24);
    take_epoch(f, 3);
    (void)add_slice(f, "4x4x8", two_cubes, 2);
    (void)add_slice(f, "4x4x4", one_cube, 1);
    add_journal(f);
    commit(f);
    compare_with_disk(f);

    struct slice *slice = model_slice(f->m, (struct id){3, 1});
    struct slice *other = model_slice(f->m, (struct id){3, 3});
    finish(f, slice);
    slice->degraded = slice->spec.accept_degraded = true;
    slice->generation = 1ULL << 40;
    slice->planned_ms = 0.125;
    slice->active_ms = 1e6;
    slice->coordinator = 127;
    slice->routes = (struct slice_routes){"dor", 2, 8, 128, 73.5, 9, 0.75};
    slice->losses = (struct slice_losses){"incident/3-9", true, 2, {{1, 6}, {0, 7}}};
    slice->dead_links = 2;
    circuit_set_add(&slice->around, 0, 0);
    circuit_set_add(&slice->around, TPUNET_OCSES - 1, MODEL_PORTS_MAX - 1);
    (void)snprintf(slice->reason, sizeof slice->reason, "caf\xc3\xa9 'quoted'");
    for (unsigned i = 0; i < 3; i++) { /* the weave of somebody else: a mirror left dark */
        other->intent->next[i] = TPUNET_NONE;
        other->intent->origin[i] = (uint8_t)i;
    }
    add_change(f, CHANGE_SLICE)->id = other->id;
    struct op *op = model_op(f->m, other->op);
    free(op->breaks);
    op->breaks = xmemdup(&(struct tpunet_xc){3, 7, 1}, sizeof *op->breaks); /* a foreign one */
    op->n_breaks = 1;
    add_change(f, CHANGE_OP)->id = op->id;
    struct op *restore = xcalloc(1, sizeof *restore); /* of no slice */
    restore->id = model_new_id(f->m);
    restore->kind = OP_RESTORE;
    restore->makes = xmemdup(op->makes, op->n_makes * sizeof *op->makes);
    restore->n_makes = op->n_makes;
    model_plan_parts(f->m, restore);
    model_add_op(f->m, restore);
    add_change(f, CHANGE_OP)->id = restore->id;
    add_change(f, CHANGE_META);
    f->m->epoch = 4;
    commit(f); /* ids of epoch 3 stay good */
    compare_with_disk(f);
}

static void deleted_by_key(void **state)
{
    struct fixture *f = *state;
    take_epoch(f, 1);
    struct slice *slice = add_slice(f, "4x4x4", one_cube, 1);
    commit(f);
    finish(f, slice);
    commit(f);
    compare_with_disk(f);

    struct op *op = f->m->ops[0];
    change_circuits(f, op);
    for (size_t i = 0; i < op->n_makes; i++)
        model_forget(f->m, op->makes[i]);
    /* The same keys many times, and one that never was. */
    for (int i = 0; i < 3; i++) {
        add_change(f, CHANGE_SLICE)->id = f->m->slices[0]->id;
        add_change(f, CHANGE_OP)->id = op->id;
        add_change(f, CHANGE_SLICE)->id = (struct id){1, 999};
    }
    model_remove_slice(f->m, f->m->slices[0]->id);
    model_remove_op(f->m, op->id);
    commit(f);
    compare_with_disk(f);
    assert_int_equal(f->m->n_slices, 0);
    assert_int_equal(f->m->n_ops, 0);
}

/* A slice goes and another comes in one batch, on the same cubes in another
 * order: the circuits of two north ports exchange their south ports. */
static void circuits_exchange_south_ports(void **state)
{
    static const uint16_t turned[] = {2, 5};
    struct fixture *f = *state;
    take_epoch(f, 1);
    struct slice *slice = add_slice(f, "4x4x8", two_cubes, 2);
    struct op *op = model_op(f->m, slice->op);
    finish(f, slice);
    for (size_t i = 0; i < op->n_makes; i++)
        model_forget(f->m, op->makes[i]);
    for (size_t i = 0; i < op->n_makes; i++) { /* straight instead of crossed */
        struct tpunet_xc xc = op->makes[i];
        xc.south = xc.north;
        model_intend(f->m, xc, slice->id);
    }
    change_circuits(f, op);
    commit(f);
    for (size_t i = 0; i < op->n_makes; i++) {
        struct tpunet_xc xc = op->makes[i];
        xc.south = xc.north;
        model_forget(f->m, xc);
    }
    change_circuits(f, op);
    add_change(f, CHANGE_SLICE)->id = slice->id;
    model_remove_slice(f->m, slice->id);
    (void)add_slice(f, "4x4x8", turned, 2);
    commit(f);
    compare_with_disk(f);
}

/* ------------------------------------------------------------- refusals -- */

/* What an operator with the sqlite3 tool, or a bit that fell over, does. */
static void tamper(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    char *text = NULL;
    fixture_close(f);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static char *read_file(size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = xmalloc(*size);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static void write_file(const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void open_is_refused(int code, const char *what)
{
    struct store *store = NULL;
    struct error err = {0};
    size_t size, size_after;
    char *before = read_file(&size);
    assert_int_equal(store_open(&store, path, KEEP, &err), code);
    assert_null(store);
    if (strncmp(err.text, path, strlen(path)) != 0 || strstr(err.text, what) == NULL)
        fail_msg("got %s, want %s", err.text, what);
    char *after = read_file(&size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
}

static void start_anew(struct fixture *f)
{
    remove_files();
    fixture_open(f);
}

static void files_that_are_refused(void **state)
{
    struct fixture *f = *state;
    take_epoch(f, 1);
    tamper(f, "PRAGMA user_version = 99");
    open_is_refused(E_VERSION, "schema version 99 is newer than this podmgr's 10");

    start_anew(f);
    tamper(f, "PRAGMA application_id = 7");
    open_is_refused(E_CONFIG, "is the database of another program");
    remove_files();
    f->m = NULL;
    tamper(f, "CREATE TABLE bookmarks (url)");
    open_is_refused(E_CONFIG, "is the database of another program");

    start_anew(f);
    take_epoch(f, 1);
    fixture_close(f);
    size_t size;
    char *bytes = read_file(&size);
    assert_true(size > 3U * 4096);
    write_file(bytes, size - 4096);
    open_is_refused(E_CORRUPT, "malformed");
    write_file(bytes, 1000);
    open_is_refused(E_CORRUPT, "");
    memset(bytes + 4096, 0xA5, 4096);
    write_file(bytes, size);
    open_is_refused(E_CORRUPT, "damaged, restore a backup: ");
    memset(bytes, 'x', 100);
    write_file(bytes, size);
    open_is_refused(E_CORRUPT, "not a database");
    free(bytes);
    start_anew(f);
}

static void no_such_directory(void **state)
{
    (void)state;
    struct store *store;
    struct error err = {0};
    assert_int_equal(store_open(&store, "/nonexistent/podmgr.db", KEEP, &err), E_IO);
    assert_non_null(strstr(err.text, "/nonexistent/podmgr.db: open: "));
}

static void second_opener(void **state)
{
    (void)state;
    struct store *store;
    struct error err = {0};
    assert_int_equal(store_open(&store, path, KEEP, &err), E_BUSY);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "another process has the database open"));
}

static void contradictions_are_named(void **state)
{
    static const struct {
        const char *sql;
        int code;
        const char *what;
    } rows[] = {
        {"UPDATE meta SET value = 'pod-2' WHERE key = 'pod'", E_CONFIG,
         "is the database of pod 'pod-2', the configuration says 'pod-1'"},
        {"UPDATE meta SET value = '2x' WHERE key = 'epoch'", E_CORRUPT, "table meta: 'epoch'"},
        {"DELETE FROM meta WHERE key = 'incarnation'", E_CORRUPT, "table meta: 'epoch', 'pod' or"},
        {"DELETE FROM meta", E_CORRUPT, "table slices, row 2-1: an id that was never given"},
        {"UPDATE slices SET epoch = 9 WHERE seq = 1", E_CORRUPT, "row 9-1: an id that was never"},
        {"UPDATE slices SET state = 'UP'", E_CORRUPT, "table slices, row 2-1: no such state"},
#define WEBHOOK "INSERT INTO webhooks VALUES (1, 1, 'http://h/', '', "
        {WEBHOOK "'slice.', '', '', 0, 0, 0, 0, '')", E_CORRUPT,
         "row 1-1: 'events' makes no sense"},
        {WEBHOOK "'', '', '', 0, 99999, 0, 0, '')", E_CORRUPT, "row 1-1: 'cursor' or 'told'"},
        {WEBHOOK "'', '', '', 0, 0, 1, 0, '')", E_CORRUPT, "row 1-1: 'cursor' or 'told'"},
        {WEBHOOK "'', printf('%064d', 7), '', 0, 0, 0, 0, '')", E_CORRUPT, "a text is too long"},
        {"UPDATE slices SET swapped = x'00000800'", E_CORRUPT, "row 2-1: 'swapped' names no cubes"},
        {"UPDATE slices SET swapped = x'0000'", E_CORRUPT, "row 2-1: 'swapped' names no cubes"},
        {"UPDATE slices SET state = 'DELETED'", E_CORRUPT, "row 2-1: no such state"},
        {"UPDATE slices SET topology = '5x4x4'", E_CORRUPT, "table slices, row 2-1: "},
        {"UPDATE slices SET coordinator = 128", E_CORRUPT, "its coordinator is a host that"},
        {"UPDATE slices SET cubes = x'0500' WHERE seq = 1", E_CORRUPT, "slices, row 2-1: "},
        {"UPDATE slices SET cubes = x'05000200ff' WHERE seq = 1", E_CORRUPT, "'cubes' has the"},
        {"UPDATE slices SET cubes = x'05000800' WHERE seq = 1", E_CORRUPT, "cube/8"},
        {"UPDATE slices SET cubes = x'05000700' WHERE seq = 1", E_CORRUPT,
         "table slices, row 2-3: another slice owns one of its cubes"},
        {"UPDATE slices SET next = x'0000'", E_CORRUPT, "'next' or 'origin' has the wrong length"},
        {"UPDATE slices SET next = zeroblob(192) WHERE seq = 1", E_CORRUPT, "slices, row 2-1: "},
        {"UPDATE slices SET origin = x''", E_CORRUPT, "'next' or 'origin' has the wrong length"},
        {"UPDATE slices SET op_seq = 77 WHERE seq = 1", E_CORRUPT,
         "table ops, row 2-2: it is open, and its slice does not know it"},
        {"DELETE FROM ops WHERE seq = 2", E_CORRUPT,
         "table slices, row 2-1: its operation is not open"},
        {"UPDATE circuits SET ocs = 48 WHERE ocs = 3 AND north = 7", E_CORRUPT,
         "table circuits, ocs/48 north 7 to south 7 of slice/2-3: no such switch or port"},
        {"UPDATE circuits SET north = 4294967303 WHERE ocs = 3 AND north = 7", E_CORRUPT,
         "no such switch or port"},
        {"UPDATE circuits SET south = 11 WHERE ocs = 3 AND north = 7", E_CORRUPT,
         "table circuits, ocs/3 north 7 to south 11 of slice/2-3: by the configured wiring"},
        {"UPDATE circuits SET slice_seq = 1 WHERE ocs = 3 AND north = 7", E_CORRUPT,
         "by the configured wiring"},
        {"UPDATE circuits SET slice_seq = 8 WHERE ocs = 3 AND north = 7", E_CORRUPT,
         "of slice/2-8: no such slice"},
        {"DELETE FROM circuits WHERE ocs = 3 AND north = 7", E_CORRUPT,
         "table ops, row 2-4: its circuits are not those of its slice"},
        {"DELETE FROM ops; UPDATE slices SET state = 'ACTIVE', op_epoch = 0, op_seq = 0;"
         "DELETE FROM circuits WHERE ocs = 3 AND north = 7",
         E_CORRUPT, "table circuits, row 2-3: its circuit ocs/3 north 7 to south 7 is missing"},
        {"UPDATE faults SET part = 'cube/8' WHERE part = 'ocs/11'", E_CORRUPT,
         "table faults: cube/8 cannot be FAILED in this pod"},
        {"UPDATE faults SET health = 'HEALTHY' WHERE part = 'ocs/11'", E_CORRUPT,
         "table faults: ocs/11 cannot be HEALTHY in this pod"},
        {"UPDATE liens SET port = 99", E_CORRUPT,
         "table liens: ocs/11 side 1 port 99: no chip is behind it"},
        {"UPDATE ops SET state = 3", E_CORRUPT, "table ops, row 2-2: no such kind or state"},
        {"UPDATE ops SET kind = -1", E_CORRUPT, "table ops, row 2-2: no such kind or state"},
        {"UPDATE ops SET makes = x'300000000000'", E_CORRUPT,
         "table ops, row 2-2: its circuits make no sense"},
        {"UPDATE ops SET makes = x'ff'", E_CORRUPT, "its circuits make no sense"},
        {"UPDATE ops SET breaks = x'000001000100000000000000'", E_CORRUPT,
         "its circuits make no sense"},
        {"INSERT INTO idempotency VALUES (1, '', 'k', x'', 2, 1, 0, 'host')", E_CORRUPT,
         "table idempotency: number 1 made a 'host'"},
        {"DELETE FROM journal WHERE seq = 2", E_CORRUPT, "table journal: 2 entries from 1 to 3"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = {0};
        take_epoch(f, 2);
        (void)add_slice(f, "4x4x8", two_cubes, 2);
        (void)add_slice(f, "4x4x4", one_cube, 1);
        add_fault_and_lien(f);
        for (int n = 0; n < 3; n++)
            add_journal(f);
        commit(f);
        tamper(f, rows[i].sql);
        assert_int_equal(store_open(&f->store, path, KEEP, &err), 0);
        f->m = model_create(&f->pod, 1);
        assert_int_equal(store_load(f->store, f->m, &err), rows[i].code);
        if (strncmp(err.text, path, strlen(path)) != 0 || strstr(err.text, rows[i].what) == NULL)
            fail_msg("%s: got %s", rows[i].sql, err.text);
        fixture_close(f);
        start_anew(f);
    }
}

/* -------------------------------------------------- commits that fail -- */

static void same_south_port_twice(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    take_epoch(f, 1);
    struct slice *slice = add_slice(f, "4x4x8", two_cubes, 2);
    commit(f);

    f->m->ocs[40].north[5].south = f->m->ocs[40].north[2].south; /* past the model's asserts */
    struct change *change = add_change(f, CHANGE_CIRCUIT);
    change->circuit.ocs = 40;
    change->circuit.north = 5;
    slice->version = 77;
    add_change(f, CHANGE_SLICE)->id = slice->id;
    add_journal(f);
    assert_int_equal(try_commit(f, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "UNIQUE constraint failed: circuits.ocs, circuits.south"));

    reopen(f);
    assert_int_equal(f->m->slices[0]->version, 1);
    assert_int_equal(f->m->next_event, 1);
    assert_int_not_equal(f->m->ocs[40].north[5].south, f->m->ocs[40].north[2].south);
}

static void disk_full(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    take_epoch(f, 1);
    (void)add_slice(f, "4x4x8", two_cubes, 2);
    commit(f);
    assert_int_equal(sqlite3_exec(f->store->db, "PRAGMA max_page_count = 20", NULL, NULL, NULL),
                     SQLITE_OK);
    f->store->journal_keep = 100000;
    uint64_t durable = 0;
    int status = 0;
    for (int batch = 0; batch < 100 && status == 0; batch++) {
        durable = f->m->next_event;
        for (int i = 0; i < 100; i++)
            add_journal(f);
        status = try_commit(f, &err);
    }
    assert_int_equal(status, E_FULL);
    assert_non_null(strstr(err.text, path));
    f->m->next_event = durable;
    compare_with_disk(f);

    add_journal(f); /* and there is room again */
    commit(f);
}

/* -------------------------------------------------------------- journal -- */

struct seen {
    uint64_t first, last;
};

static void see(void *arg, const struct journal_entry *entry)
{
    struct seen *seen = arg;
    char subject[40];
    if (seen->first == 0) {
        seen->first = entry->seq;
    } else {
        assert_int_equal(entry->seq, seen->last + 1);
    }
    seen->last = entry->seq;
    (void)snprintf(subject, sizeof subject, "slice/1-%llu", (unsigned long long)entry->seq);
    assert_string_equal(entry->subject, subject);
    assert_string_equal(entry->type, "slice.active");
    assert_string_equal(entry->data, "{\"n\":1}");
    assert_int_equal(entry->at.ms, 1700000000000 + (int64_t)entry->seq);
}

static int read_journal(struct fixture *f, uint64_t since, size_t max, struct seen *seen,
                        struct error *err)
{
    *seen = (struct seen){0};
    return store_journal(f->store, since, max, see, seen, err);
}

static void journal_pages_and_expires(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    struct error err = {0};

    take_epoch(f, 1);
    assert_int_equal(read_journal(f, 0, 10, &seen, &err), 0);
    for (int i = 0; i < 50; i++)
        add_journal(f);
    commit(f);
    assert_int_equal(read_journal(f, 0, 20, &seen, &err), 20);
    assert_int_equal(seen.last, 20);
    assert_int_equal(read_journal(f, 20, 100, &seen, &err), 30);
    assert_int_equal(seen.first, 21);
    assert_int_equal(read_journal(f, 50, 100, &seen, &err), 0);
    assert_int_equal(read_journal(f, 1000, 100, &seen, &err), 0);

    for (int batch = 0; batch < 40; batch++) {
        for (int i = 0; i < 50; i++)
            add_journal(f);
        commit(f);
    }
    for (int pass = 0; pass < 2; pass++) {
        uint64_t newest = f->m->next_event - 1;
        assert_int_equal(newest, 2050);
        assert_int_equal(read_journal(f, 0, 10, &seen, &err), E_NOT_FOUND);
        assert_non_null(strstr(err.text, "are no longer kept"));
        assert_int_equal(read_journal(f, newest - KEEP, 1000, &seen, &err), KEEP);
        assert_int_equal(seen.last, newest);
        reopen(f); /* the same after a restart */
    }
}

/* A retention that was lowered is reached in steps. */
static void pruned_in_steps(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    take_epoch(f, 1);
    f->store->journal_keep = 10000;
    for (int i = 0; i < 5000; i++)
        add_journal(f);
    commit(f);
    f->store->journal_keep = KEEP;
    add_journal(f);
    commit(f);
    assert_int_equal(read_journal(f, 0, 1, &seen, NULL), E_NOT_FOUND);
    assert_true(read_journal(f, 1024, 10000, &seen, NULL) > 3000);
    for (int i = 0; i < 5; i++) {
        add_journal(f);
        commit(f);
    }
    assert_int_equal(read_journal(f, 1024, 1, &seen, NULL), E_NOT_FOUND);
    assert_int_equal(read_journal(f, f->m->next_event - 1 - KEEP, 1000, &seen, NULL), KEEP);
}

/* ---------------------------------------------------------------- audit -- */

static void add_audit(struct fixture *f, const char *action)
{
    VEC_GROW(f->batch.audits, f->batch.n_audits, f->batch.cap_audits);
    struct audit_entry *entry = &f->batch.audits[f->batch.n_audits++];
    *entry = (struct audit_entry){.at = {77}, .action = action};
    (void)snprintf(entry->who, sizeof entry->who, "unix uid 0 pid 1 admin");
    (void)snprintf(entry->subject, sizeof entry->subject, "slice/1-1");
    entry->before = xstrdup("null");
    entry->after = xstrdup("{\"state\":\"ACTIVE\"}");
}

/* Leaves the store closed. */
static void chain_breaks(struct fixture *f, const char *sql, const char *what)
{
    struct audit_tip tip;
    struct error err = {0};
    tamper(f, sql);
    assert_int_equal(store_audit_verify(path, &tip, &err), E_CORRUPT);
    if (strstr(err.text, what) == NULL)
        fail_msg("got %s, want %s", err.text, what);
}

static void audit_chain_names_the_broken_record(void **state)
{
    struct fixture *f = *state;
    struct audit_tip tip, none = {0};
    struct error err = {0};
    take_epoch(f, 1);
    for (int i = 0; i < 3; i++) {
        add_audit(f, "slice.create");
        add_audit(f, "slice.delete");
        commit(f);
        reopen(f); /* the chain goes on after a restart */
    }
    tip = f->store->audit;
    assert_int_equal(tip.seq, 6);
    fixture_close(f);
    assert_int_equal(store_audit_verify(path, &none, &err), 0);
    assert_memory_equal(&none, &tip, sizeof tip);
    fixture_open(f);
    chain_breaks(f, "UPDATE audit SET who = 'unix uid 7 pid 1 admin' WHERE seq = 4", "record 4 ");
    fixture_open(f);
    chain_breaks(f, "UPDATE audit SET hash = zeroblob(32) WHERE seq = 2", "record 2 is not");
    fixture_open(f);
    chain_breaks(f, "DELETE FROM audit WHERE seq = 1", "record 1 is missing");
    fixture_open(f);
}

static void add_key(struct fixture *f, enum key_kind kind, const char *caller, const char *key,
                    uint8_t body)
{
    struct key_entry entry = {.has_body = true, .kind = kind, .made = {1, 5}, .at = {99}};
    (void)snprintf(entry.of.caller, sizeof entry.of.caller, "%s", caller);
    (void)snprintf(entry.of.key, sizeof entry.of.key, "%s", key);
    memset(entry.of.body_hash, body, sizeof entry.of.body_hash);
    add_change(f, CHANGE_KEY)->key = keys_add(f->m->keys, &entry);
}

static void keys_come_back(void **state)
{
    struct fixture *f = *state;
    uint8_t body[KEY_HASH_SIZE];
    take_epoch(f, 1);
    add_key(f, KEY_SLICE, "uid 1", "k", 7);
    add_key(f, KEY_DRAIN, "uid 2", "k", 8);
    add_key(f, KEY_WEBHOOK, "uid 3", "k", 9);
    commit(f);
    reopen(f);
    for (unsigned i = 1; i <= 3; i++) {
        char caller[8];
        (void)snprintf(caller, sizeof caller, "uid %u", i);
        const struct key_entry *entry = keys_find(f->m->keys, caller, "k");
        assert_int_equal(entry->number, i);
        memset(body, (int)(6 + i), sizeof body);
        assert_memory_equal(entry->of.body_hash, body, sizeof body);
        assert_int_equal(entry->kind, KEY_SLICE + i - 1);
        assert_int_equal(entry->made.seq, 5);
        assert_int_equal(entry->at.ms, 99);
    }
    assert_null(keys_find(f->m->keys, "uid 4", "k"));
}

static void webhooks_come_back(void **state)
{
    struct fixture *f = *state;
    struct webhook hook = {.id = {1, 7},
                           .url = "https://s.example/x?y=z",
                           .secret = "caf\xc3\xa9 'quoted' secret",
                           .prefixes = {"slice.", "link.down"},
                           .n_prefixes = 2,
                           .owner = "borg",
                           .who = "unix uid 0",
                           .created = {99},
                           .cursor = 2,
                           .told = 1,
                           .failing_since = {98},
                           .disabled = "gone"};
    struct webhook other = {.id = {1, 8}, .url = "http://h/"};
    take_epoch(f, 1);
    add_journal(f);
    add_journal(f);
    model_add_webhook(f->m, &hook);
    model_add_webhook(f->m, &other);
    add_change(f, CHANGE_WEBHOOK)->id = hook.id;
    add_change(f, CHANGE_WEBHOOK)->id = other.id;
    commit(f);
    reopen(f);
    assert_int_equal(f->m->n_webhooks, 2);
    assert_memory_equal(model_webhook(f->m, hook.id), &hook, sizeof hook);
    assert_memory_equal(model_webhook(f->m, other.id), &other, sizeof other);

    model_remove_webhook(f->m, hook.id);
    model_webhook(f->m, other.id)->cursor = 1;
    add_change(f, CHANGE_WEBHOOK)->id = hook.id;
    add_change(f, CHANGE_WEBHOOK)->id = other.id;
    commit(f);
    reopen(f);
    assert_int_equal(f->m->n_webhooks, 1);
    assert_int_equal(f->m->webhooks[0].cursor, 1);
}

/* The table of keys that the first schemas had. */
#define OLD_KEYS                                                                                   \
    "DROP TABLE idempotency; CREATE TABLE idempotency ("                                           \
    "  number INTEGER NOT NULL PRIMARY KEY, key TEXT NOT NULL UNIQUE,"                             \
    "  body_hash INTEGER NOT NULL, slice_epoch INTEGER NOT NULL, slice_seq INTEGER NOT NULL,"      \
    "  at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"                                             \
    "INSERT INTO idempotency VALUES (3, 'old', -5, 1, 1, 99);"

static void assert_old_key(const struct fixture *f)
{
    const struct key_entry *entry = keys_find(f->m->keys, "uid 7", "old");
    assert_non_null(entry);
    assert_false(entry->has_body);
    assert_int_equal(entry->number, 3);
    assert_int_equal(entry->kind, KEY_SLICE);
    assert_int_equal(entry->made.seq, 1);
}

/* A database of the first schema, as the first podmgr left it. */
static void version_1_becomes_today(void **state)
{
    struct fixture *f = *state;
    take_epoch(f, 1);
    (void)add_slice(f, "4x4x8", two_cubes, 2);
    add_journal(f);
    commit(f);
    struct model *before = f->m;
    f->m = NULL;
    tamper(f, OLD_KEYS "DROP TABLE audit; DROP TABLE incidents; DROP TABLE repairs; DROP TABLE "
                       "faults; DROP TABLE liens; DROP TABLE drains; DROP TABLE webhooks;"
                       "ALTER TABLE slices DROP COLUMN routed_epoch;"
                       "ALTER TABLE slices DROP COLUMN routed_seq;"
                       "ALTER TABLE slices DROP COLUMN pinned;"
                       "ALTER TABLE slices DROP COLUMN placements;"
                       "ALTER TABLE slices DROP COLUMN dead_links;"
                       "ALTER TABLE slices DROP COLUMN retained;"
                       "ALTER TABLE slices DROP COLUMN cause;"
                       "ALTER TABLE slices DROP COLUMN chips_lost;"
                       "ALTER TABLE slices DROP COLUMN swapped;"
                       "ALTER TABLE slices DROP COLUMN preflight_ms;"
                       "ALTER TABLE slices DROP COLUMN around;"
                       "CREATE TABLE old (ocs INTEGER NOT NULL, north INTEGER NOT NULL,"
                       "  south INTEGER NOT NULL, slice_epoch INTEGER NOT NULL,"
                       "  slice_seq INTEGER NOT NULL, breaking INTEGER NOT NULL,"
                       "  PRIMARY KEY (ocs, north), UNIQUE (ocs, south)) STRICT, WITHOUT ROWID;"
                       "INSERT INTO old SELECT *, 0 FROM circuits; DROP TABLE circuits;"
                       "ALTER TABLE old RENAME TO circuits; PRAGMA user_version = 1");
    fixture_open(f);
    assert_old_key(f);
    same_model(before, f->m);
    model_destroy(before);
    assert_int_equal(f->store->audit.seq, 0);
    add_audit(f, "slice.create");
    commit(f);
    reopen(f);
    assert_int_equal(f->store->audit.seq, 1);
}

#define SHA "x'00000000000000000000000000000000000000000000000000000000000000aa'"

/* Drains had their keys in their rows: two have one, one has none, and one has a key
 * that the same caller gave a slice too: that one stays the slice's. */
static void keys_of_drains_move_to_the_others(void **state)
{
    struct fixture *f = *state;
    take_epoch(f, 1);
    add_key(f, KEY_SLICE, "uid 1", "k", 7);
    add_key(f, KEY_SLICE, "uid 1", "both", 8);
    commit(f);
    tamper(f, "ALTER TABLE idempotency DROP COLUMN kind;"
              "ALTER TABLE idempotency RENAME COLUMN made_epoch TO slice_epoch;"
              "ALTER TABLE idempotency RENAME COLUMN made_seq TO slice_seq;"
              "ALTER TABLE drains ADD COLUMN caller TEXT NOT NULL DEFAULT '';"
              "ALTER TABLE drains ADD COLUMN key TEXT NOT NULL DEFAULT '';"
              "ALTER TABLE drains ADD COLUMN body_sha256 BLOB NOT NULL DEFAULT x'';"
              "INSERT INTO drains VALUES"
              "  (1, 2, 'cube/2', 'now', 'DRAINED', 'w', 'r', 50, 60, 0, 2, 'uid 2', 'k',"
              "   " SHA "),"
              "  (1, 3, 'cube/3', 'now', 'DRAINED', 'w', 'r', 51, 60, 0, 2, '', '', x''),"
              "  (1, 4, 'cube/4', 'now', 'DRAINED', 'w', 'r', 52, 60, 0, 2, 'uid 1', 'both',"
              "   " SHA "),"
              "  (1, 5, 'cube/5', 'now', 'DRAINED', 'w', 'r', 53, 60, 0, 2, 'uid 2', 'k2',"
              "   " SHA ");"
              "PRAGMA user_version = 9");
    fixture_open(f);
    assert_int_equal(keys_count(f->m->keys), 4);
    assert_int_equal(f->m->n_drains, 4);
    assert_int_equal(f->m->drains[3]->version, 2);
    assert_int_equal(keys_find(f->m->keys, "uid 1", "both")->kind, KEY_SLICE);
    for (unsigned i = 0; i < 2; i++) {
        const struct key_entry *entry = keys_find(f->m->keys, "uid 2", i == 0 ? "k" : "k2");
        assert_non_null(entry);
        assert_int_equal(entry->number, 3 + i);
        assert_int_equal(entry->kind, KEY_DRAIN);
        assert_true(entry->has_body);
        assert_int_equal(entry->of.body_hash[31], 0xaa);
        assert_int_equal(entry->made.seq, i == 0 ? 2 : 5);
        assert_int_equal(entry->at.ms, i == 0 ? 50 : 53);
    }
    add_key(f, KEY_DRAIN, "uid 2", "k3", 9); /* the next number */
    commit(f);
    reopen(f);
    assert_int_equal(keys_count(f->m->keys), 5);
}

static void statements_are_prepared_once(void **state)
{
    struct fixture *f = *state;

    reopen(f);
    take_epoch(f, 2);
    add_journal(f);
    commit(f);
    for (int i = 0; i < ST_COUNT; i++) {
        assert_int_equal(sqlite3_stmt_status(f->store->stmt[i], SQLITE_STMTSTATUS_REPREPARE, false),
                         0);
    }
}

/* -------------------------------------------------------------- restore -- */

static void backup_comes_back_marked(void **state)
{
    struct fixture *f = *state;
    char backup[80], aside[160], incarnation[40];
    struct error err = {0};
    size_t size;
    (void)snprintf(backup, sizeof backup, "%s/backup.db", dir);
    take_epoch(f, 1);
    (void)add_slice(f, "4x4x8", two_cubes, 2);
    commit(f);
    memcpy(incarnation, f->m->incarnation, sizeof incarnation);
    fixture_close(f);
    char *bytes = read_file(&size);
    FILE *file = fopen(backup, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(bytes);
    fixture_open(f);
    take_epoch(f, 2);
    (void)add_slice(f, "4x4x4", one_cube, 1);
    commit(f);
    assert_int_equal(store_restore(path, backup, &f->pod, aside, sizeof aside, &err), E_BUSY);

    fixture_close(f);
    struct pod other = f->pod;
    (void)snprintf(other.id, sizeof other.id, "pod-2");
    assert_int_equal(store_restore(path, backup, &other, aside, sizeof aside, &err), E_CONFIG);
    assert_int_equal(store_restore(path, "/dev/null", &f->pod, aside, sizeof aside, &err),
                     E_CORRUPT);
    fixture_open(f);
    assert_int_equal(f->m->n_slices, 2); /* refusals changed nothing */
    assert_false(f->m->restored);
    fixture_close(f);
    if (store_restore(path, backup, &f->pod, aside, sizeof aside, &err) < 0)
        fail_msg("%s", err.text);
    fixture_open(f);
    assert_int_equal(f->m->n_slices, 1);
    assert_true(f->m->restored);
    assert_true(f->m->epoch > STORE_RESTORE_EPOCHS); /* no id is given twice, */
    take_epoch(f, f->m->epoch + 1);
    uint64_t taken = f->m->epoch;
    assert_string_not_equal(f->m->incarnation, incarnation);
    assert_int_equal(access(aside, R_OK), 0);
    assert_int_equal(unlink(aside), 0);
    fixture_close(f);
    if (store_restore(path, backup, &f->pod, aside, sizeof aside, &err) < 0)
        fail_msg("%s", err.text);
    fixture_open(f);
    assert_true(f->m->epoch > taken); /* after a second restore neither, */
    fixture_close(f);
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(unlink(aside), 0);
    if (store_restore(path, backup, &f->pod, aside, sizeof aside, &err) < 0)
        fail_msg("%s", err.text);
    fixture_open(f);
    assert_true(f->m->epoch > taken + STORE_RESTORE_EPOCHS); /* nor after one of a lost database */
    assert_int_equal(unlink(aside), 0);
    assert_int_equal(unlink(backup), 0);
    (void)snprintf(aside, sizeof aside, "%s-wal", backup); /* SQLite's, of reading it */
    (void)unlink(aside);
    (void)snprintf(aside, sizeof aside, "%s-shm", backup);
    (void)unlink(aside);
}

/* What an agent tells is stored: no word of one may make a commit fail. */
static void a_verdict_without_numbers_is_refused(void **state)
{
    struct fixture *f = *state;
    Wire__AgentVerdict word = WIRE__AGENT_VERDICT__INIT;
    struct verdict verdict = {.ok = false};
    struct error err = {0};

    take_epoch(f, 1);
    struct slice *slice = add_slice(f, "4x4x8", two_cubes, 2);
    commit(f);
    word.slice = (char *)(uintptr_t) "1-1";
    word.ok = true;
    word.max_link_load = (double)NAN;
    if (unpack_verdict(&verdict, &word, 512)) {
        slice->routes = verdict.routes; /* as take_bringup() does */
        add_change(f, CHANGE_SLICE)->id = slice->id;
        if (try_commit(f, &err) < 0) /* podmgr ends here, with EX_IOERR */
            fail_msg("%s", err.text);
    }
}

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/podmgr.db", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(round_trip),
        TEST(faults_and_liens_come_and_go),
        TEST(deleted_by_key),
        TEST(circuits_exchange_south_ports),
        TEST(files_that_are_refused),
        TEST(no_such_directory),
        TEST(second_opener),
        TEST(contradictions_are_named),
        TEST(same_south_port_twice),
        TEST(disk_full),
        TEST(journal_pages_and_expires),
        TEST(pruned_in_steps),
        TEST(audit_chain_names_the_broken_record),
        TEST(keys_come_back),
        TEST(webhooks_come_back),
        TEST(version_1_becomes_today),
        TEST(keys_of_drains_move_to_the_others),
        TEST(statements_are_prepared_once),
        TEST(backup_comes_back_marked),
        TEST(a_verdict_without_numbers_is_refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
