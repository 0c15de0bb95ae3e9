/* From the tables back to the model.  Whatever contradicts itself is
 * E_CORRUPT with the row named: podmgr must not act on half a truth. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/keys.h"
#include "core/remedy.h"
#include "mem.h"
#include "store/blob.h"
#include "store/sqlite_util.h"

int store_contradiction(const struct store *store, struct error *err, const char *table,
                        struct id id, const char *what)
{
    char text[48];
    return err_set(err, E_CORRUPT, "%s: table %s, row %s: %s", store->path, table,
                   id_format(id, text), what);
}

/* ---------------------------------------------------------------- meta -- */

/* A row that is not there leaves the text empty. */
static int get_meta(struct store *store, const char *key, char *out, size_t size, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_META_GET];

    out[0] = '\0';
    (void)sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    int status = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_failed(store, err, "load");
    if (rc == SQLITE_ROW) {
        (void)snprintf(out, size, "%s", sqlite3_column_text(s, 0));
    }
    (void)sqlite3_reset(s);
    return status;
}

/* Names one history of the journal: a new database begins another. */
int store_new_incarnation(struct model *m, struct error *err)
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
    char epoch[64] = "", pod[64] = "", restored[8] = "", backup[32] = "", breaker[8] = "", *end;
    int status = get_meta(store, "epoch", epoch, sizeof epoch, err);

    if (status == 0) {
        status = get_meta(store, "pod", pod, sizeof pod, err);
    }
    if (status == 0) {
        status = get_meta(store, "incarnation", m->incarnation, sizeof m->incarnation, err);
    }
    if (status == 0) {
        status = get_meta(store, "restored", restored, sizeof restored, err);
    }
    if (status == 0) {
        status = get_meta(store, "backup_epoch", backup, sizeof backup, err);
    }
    if (status == 0) {
        status = get_meta(store, "breaker", breaker, sizeof breaker, err);
    }
    if (status < 0) {
        return status;
    }
    if (epoch[0] == '\0' && pod[0] == '\0' && m->incarnation[0] == '\0') {
        return store_new_incarnation(m, err); /* a new database */
    }
    m->restored = strcmp(restored, "yes") == 0;
    m->backup_epoch = strtoull(backup, NULL, 10);
    m->remediation->breaker_open = strcmp(breaker, "open") == 0;
    m->epoch = strtoull(epoch, &end, 10);
    if (m->restored && m->backup_epoch == 0) {
        m->backup_epoch = m->epoch; /* the first start after the restore */
    }
    if (m->epoch == 0 || m->epoch > INT64_MAX || *end != '\0' || pod[0] == '\0' ||
        m->incarnation[0] == '\0') {
        return err_set(err, E_CORRUPT, "%s: table meta: 'epoch', 'pod' or 'incarnation' is wrong",
                       store->path);
    }
    if (strcmp(pod, m->pod->id) != 0) {
        return err_set(err, E_CONFIG, "%s is the database of pod '%s', the configuration says '%s'",
                       store->path, pod, m->pod->id);
    }
    return 0;
}

static int load_journal_position(struct store *store, struct model *m, struct error *err)
{
    sqlite3_stmt *s = store->stmt[ST_JOURNAL_FIRST];

    if (sqlite3_step(s) != SQLITE_ROW) {
        int status = store_failed(store, err, "read the journal");
        (void)sqlite3_reset(s);
        return status;
    }
    uint64_t first = column_u64(s, 0), last = column_u64(s, 1), count = column_u64(s, 2);
    (void)sqlite3_reset(s);
    if (count > 0 && (first == 0 || last >= INT64_MAX || last - first + 1 != count)) {
        return err_set(err, E_CORRUPT,
                       "%s: table journal: %" PRIu64 " entries from %" PRIu64 " to %" PRIu64
                       ": some are missing",
                       store->path, count, first, last);
    }
    store->pruned_below = count > 0 ? first : 1;
    m->next_event = last + 1;
    return 0;
}

/* -------------------------------------------------------------- slices -- */

static void copy_text(char *out, size_t size, sqlite3_stmt *s, int at)
{
    (void)snprintf(out, size, "%s", sqlite3_column_text(s, at));
}

/* Every id was taken in an epoch that is not newer than the last one taken;
 * else this epoch could give the same id again. */
bool store_id_was_taken(const struct model *m, struct id id)
{
    return !id_is_none(id) && id.epoch <= m->epoch && id.seq > 0 && id.seq <= INT64_MAX;
}

/* Overwrites the weave of the shape by the stored one, which has to be one that
 * the pod's wiring can make. */
static const char *take_weave(struct tpunet_intent *intent, const struct tpunet_wiring *wiring,
                              sqlite3_stmt *s, int at, struct tpunet_error *net_err)
{
    struct tpunet_xc *xcs = NULL;
    size_t n_next, n_xcs;
    uint16_t *next = column_u16s(s, at, &n_next);

    if (next == NULL || n_next != (size_t)TPUNET_OCSES * intent->n_cubes ||
        sqlite3_column_bytes(s, at + 1) != TPUNET_AXES) {
        free(next);
        return "'next' or 'origin' has the wrong length";
    }
    memcpy(intent->next, next, n_next * sizeof *next);
    memcpy(intent->origin, sqlite3_column_blob(s, at + 1), TPUNET_AXES);
    free(next);
    int status = tpunet_intent_xcs(intent, wiring, &xcs, &n_xcs, net_err);
    free(xcs);
    return status < 0 ? net_err->text : NULL;
}

/* NULL, or what is wrong. */
static const char *take_intent(struct slice *slice, const struct model *m, sqlite3_stmt *s, int at,
                               struct tpunet_error *net_err)
{
    size_t n_cubes;
    uint16_t *cubes = column_u16s(s, at, &n_cubes);

    if (cubes == NULL) {
        return "'cubes' has the wrong length";
    }
    int status = tpunet_intent_create(&slice->intent, &slice->spec.shape, cubes, n_cubes, net_err);
    free(cubes);
    if (status < 0) {
        return net_err->text;
    }
    const char *wrong = take_weave(slice->intent, m->pod->wiring, s, at + 1, net_err);
    for (unsigned i = 0; wrong == NULL && i < slice->intent->n_cubes; i++) {
        if (!id_is_none(m->cubes[slice->intent->cubes[i]].owner)) {
            wrong = "another slice owns one of its cubes"; /* A1 */
        }
    }
    return wrong;
}

static void take_routes(struct slice_routes *routes, sqlite3_stmt *s, int at)
{
    copy_text(routes->algorithm, sizeof routes->algorithm, s, at);
    routes->vcs = (uint32_t)column_u64(s, at + 1);
    routes->max_hops = (uint32_t)column_u64(s, at + 2);
    routes->table_bytes_per_chip = (uint32_t)column_u64(s, at + 3);
    routes->max_link_load = sqlite3_column_double(s, at + 4);
    routes->unreachable_pairs = column_u64(s, at + 5);
}

static bool take_losses(struct slice_losses *losses, const struct model *m, sqlite3_stmt *s, int at)
{
    size_t n;
    uint16_t *swapped = column_u16s(s, at + 2, &n);
    bool good = swapped != NULL && n % 2 == 0 && n / 2 <= ARRAY_LEN(losses->cubes);

    copy_text(losses->cause, sizeof losses->cause, s, at);
    losses->chips = sqlite3_column_int(s, at + 1) != 0;
    for (size_t i = 0; good && i < n; i += 2) {
        good = swapped[i] < m->pod->n_cubes && swapped[i + 1] < m->pod->n_cubes;
        losses->cubes[i / 2].was = swapped[i];
        losses->cubes[i / 2].is = swapped[i + 1];
        losses->n_cubes = (uint16_t)(i / 2 + 1);
    }
    free(swapped);
    return good;
}

static bool take_circuit_set(struct circuit_set *out, sqlite3_stmt *s, int at)
{
    size_t n;
    uint16_t *list = column_u16s(s, at, &n);
    bool good = list != NULL && n % 2 == 0;

    for (size_t i = 0; good && i < n; i += 2) {
        good = list[i] < TPUNET_OCSES && list[i + 1] < MODEL_PORTS_MAX;
        if (good) {
            circuit_set_add(out, list[i], list[i + 1]);
        }
    }
    free(list);
    return good;
}

/* The columns in the order of the schema, as put_slice() writes them. */
static const char *take_slice(struct slice *slice, const struct model *m, sqlite3_stmt *s,
                              struct tpunet_error *net_err)
{
    copy_text(slice->spec.name, sizeof slice->spec.name, s, 2);
    if (tpunet_shape_parse(&slice->spec.shape, (const char *)sqlite3_column_text(s, 3),
                           sqlite3_column_int(s, 4) != 0, net_err) < 0) {
        return net_err->text;
    }
    if (!slice_state_parse(&slice->state, (const char *)sqlite3_column_text(s, 5)) ||
        slice->state == SLICE_DELETED) {
        return "no such state";
    }
    slice->degraded = sqlite3_column_int(s, 6) != 0;
    copy_text(slice->reason, sizeof slice->reason, s, 7);
    slice->version = column_u64(s, 8);
    slice->generation = column_u64(s, 9);
    copy_text(slice->spec.owner, sizeof slice->spec.owner, s, 10);
    slice->spec.priority = sqlite3_column_int(s, 11);
    copy_text(slice->spec.labels, sizeof slice->spec.labels, s, 12);
    slice->spec.accept_degraded = sqlite3_column_int(s, 13) != 0;
    slice->created.ms = sqlite3_column_int64(s, 14);
    slice->changed.ms = sqlite3_column_int64(s, 15);
    slice->op = (struct id){column_u64(s, 19), column_u64(s, 20)};
    slice->planned_ms = sqlite3_column_double(s, 21);
    slice->programmed_ms = sqlite3_column_double(s, 22);
    slice->verified_ms = sqlite3_column_double(s, 23);
    slice->active_ms = sqlite3_column_double(s, 24);
    slice->coordinator = (uint32_t)column_u64(s, 25);
    if (slice->coordinator >= model_hosts(m) && slice->coordinator != UINT32_MAX) {
        return "its coordinator is a host that the pod lacks";
    }
    take_routes(&slice->routes, s, 26);
    slice->pinned = sqlite3_column_int(s, 32) != 0;
    slice->placements = (uint16_t)sqlite3_column_int(s, 33);
    slice->dead_links = (uint16_t)sqlite3_column_int(s, 34);
    slice->routes.retained = sqlite3_column_double(s, 35);
    slice->routed = (struct id){column_u64(s, 40), column_u64(s, 41)};
    slice->served = slice->active_ms >= 0;
    slice->preflight_ms = sqlite3_column_double(s, 39);
    if (!take_losses(&slice->losses, m, s, 36)) {
        return "'swapped' names no cubes";
    }
    if (!take_circuit_set(&slice->around, s, 42)) {
        return "'around' names no circuits";
    }
    slice->fit = slice->served && slice->losses.n_cubes == 0; /* else it has cubes unchecked */
    return take_intent(slice, m, s, 16, net_err);
}

static int load_slice(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    static const struct slice_spec nothing = {.name = ""};
    struct id id = {column_u64(s, 0), column_u64(s, 1)};
    struct tpunet_error net_err = {0};
    struct slice *slice = slice_create(id, &nothing);
    const char *wrong = store_id_was_taken(m, id) ? take_slice(slice, m, s, &net_err)
                                                  : "an id that was never given";

    if (wrong != NULL) {
        slice_destroy(slice);
        return store_contradiction(store, err, "slices", id, wrong);
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

static bool circuit_exists(const struct model *m, const uint64_t *ports)
{
    return ports[0] < TPUNET_OCSES && ports[1] < m->pod->ports_per_side &&
           ports[2] < m->pod->ports_per_side;
}

static int load_circuit(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    uint64_t ports[] = {column_u64(s, 0), column_u64(s, 1), column_u64(s, 2)};
    struct tpunet_xc xc = {(uint16_t)ports[0], (uint16_t)ports[1], (uint16_t)ports[2]};
    struct id slice = {column_u64(s, 3), column_u64(s, 4)};
    const char *wrong = NULL;

    if (!circuit_exists(m, ports)) {
        wrong = "no such switch or port";
    } else if (m->ocs[xc.ocs].owner_of_south[xc.south] != TPUNET_NONE) {
        wrong = "its south port is in another circuit"; /* D1 */
    } else if (model_slice(m, slice) == NULL) {
        wrong = "no such slice";
    } else if (!port_of_slice(m, (struct tpunet_ocs_port){xc.ocs, TPUNET_NORTH, xc.north}, slice) ||
               !port_of_slice(m, (struct tpunet_ocs_port){xc.ocs, TPUNET_SOUTH, xc.south}, slice)) {
        /* D2; also what a wiring changed under a slice looks like. */
        wrong = "by the configured wiring no fibre of the slice's cubes is on one of its ports";
    }
    if (wrong != NULL) {
        char text[48];
        return err_set(err, E_CORRUPT,
                       "%s: table circuits, ocs/%" PRIu64 " north %" PRIu64 " to south %" PRIu64
                       " of slice/%s: %s",
                       store->path, ports[0], ports[1], ports[2], id_format(slice, text), wrong);
    }
    model_intend(m, xc, slice);
    return 0;
}

/* ---------------------------------------------------------- operations -- */

/* Sorted, and within the model's arrays: what a switch showed may be beyond the
 * ports of the pod. */
static bool is_plan(const struct tpunet_xc *xcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (xcs[i].ocs >= TPUNET_OCSES || xcs[i].north >= MODEL_PORTS_MAX ||
            xcs[i].south >= MODEL_PORTS_MAX ||
            (i > 0 && tpunet_xc_compare(&xcs[i - 1], &xcs[i]) >= 0)) {
            return false;
        }
    }
    return true;
}

/* What an open operation makes is intended by its slice: it will be sent to the
 * switches again. */
static bool makes_what_is_intended(const struct model *m, const struct op *op)
{
    for (size_t i = 0; i < op->n_makes; i++) {
        const struct tpunet_xc *xc = &op->makes[i];
        const struct circuit *circuit = &m->ocs[xc->ocs].north[xc->north];
        if (circuit->south != xc->south || id_compare(circuit->slice, op->slice) != 0) {
            return false;
        }
    }
    return true;
}

/* And what it breaks is not. */
static bool breaks_what_is_not(const struct model *m, const struct op *op)
{
    for (size_t i = 0; i < op->n_breaks; i++) {
        const struct tpunet_xc *xc = &op->breaks[i];
        if (m->ocs[xc->ocs].north[xc->north].south == xc->south) {
            return false;
        }
    }
    return true;
}

static const char *take_op(struct op *op, struct model *m, sqlite3_stmt *s)
{
    op->slice = (struct id){column_u64(s, 2), column_u64(s, 3)};
    uint64_t kind = column_u64(s, 4), state = column_u64(s, 5);
    op->created.ms = sqlite3_column_int64(s, 6);
    op->finished.ms = sqlite3_column_int64(s, 7);
    op->breaks = column_xcs(s, 8, &op->n_breaks);
    op->makes = column_xcs(s, 9, &op->n_makes);
    copy_text(op->reason, sizeof op->reason, s, 10);
    if (!store_id_was_taken(m, op->id)) {
        return "an id that was never given";
    }
    if (kind > OP_RECONFIGURE || state > OP_FAILED) {
        return "no such kind or state";
    }
    op->kind = (enum op_kind)kind;
    op->state = (enum op_state)state;
    if (op->breaks == NULL || op->makes == NULL || !is_plan(op->breaks, op->n_breaks) ||
        !is_plan(op->makes, op->n_makes)) {
        return "its circuits make no sense";
    }
    if (op->kind == OP_RESTORE && op->n_breaks + op->n_makes == 0) {
        op->state = OP_DONE; /* all of it was withdrawn */
    }
    if (op->state != OP_OPEN || op->kind == OP_RESTORE) {
        return NULL;
    }
    const struct slice *slice = model_slice(m, op->slice);
    if (slice == NULL || id_compare(slice->op, op->id) != 0) {
        return "it is open, and its slice does not know it";
    }
    if (!makes_what_is_intended(m, op) || !breaks_what_is_not(m, op)) {
        return "its circuits are not those of its slice";
    }
    if (op->kind == OP_RECONFIGURE) {
        model_keep_departing(m, op);
    }
    return NULL;
}

static int load_op(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct op *op = xcalloc(1, sizeof *op);

    op->id = (struct id){column_u64(s, 0), column_u64(s, 1)};
    const char *wrong = take_op(op, m, s);
    if (wrong != NULL) {
        struct id id = op->id;
        op_destroy(op);
        return store_contradiction(store, err, "ops", id, wrong);
    }
    model_plan_parts(m, op);
    model_add_op(m, op);
    return 0;
}

/* ---------------------------------------------------- idempotency keys -- */

static int load_key(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct key_entry entry = {.number = column_u64(s, 0),
                              .has_body = sqlite3_column_bytes(s, 3) == KEY_HASH_SIZE,
                              .made = {column_u64(s, 4), column_u64(s, 5)},
                              .at = {sqlite3_column_int64(s, 6)}};

    copy_text(entry.of.caller, sizeof entry.of.caller, s, 1);
    copy_text(entry.of.key, sizeof entry.of.key, s, 2);
    if (entry.has_body) {
        memcpy(entry.of.body_hash, sqlite3_column_blob(s, 3), KEY_HASH_SIZE);
    }
    if (!key_kind_parse(&entry.kind, (const char *)sqlite3_column_text(s, 7))) {
        return err_set(err, E_CORRUPT, "%s: table idempotency: number %llu made a '%s'",
                       store->path, (unsigned long long)entry.number, sqlite3_column_text(s, 7));
    }
    if (entry.number == 0 || !keys_may_add(m->keys, &entry)) {
        return err_set(err, E_CORRUPT,
                       "%s: table idempotency: number %llu repeats a key or leaves a gap",
                       store->path, (unsigned long long)entry.number);
    }
    (void)keys_add(m->keys, &entry);
    return 0;
}

/* ------------------------------------------------------ faults, liens -- */

static int load_fault(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct part_fault fault = {.since = {sqlite3_column_int64(s, 2)}};
    const char *name = (const char *)sqlite3_column_text(s, 0);
    const char *health = (const char *)sqlite3_column_text(s, 1);
    struct error why = {0};
    bool ours = part_parse(&fault.part, name, &why) == 0 && model_knows(m, &fault.part);

    bool suspect = strcmp(health, health_name(HEALTH_SUSPECT)) == 0;
    bool may_be =
        suspect ? fault.part.kind == PART_PORT || fault.part.kind == PART_CUBE
                : fault.part.kind != PART_PORT && strcmp(health, health_name(HEALTH_FAILED)) == 0;
    fault.health = suspect ? HEALTH_SUSPECT : HEALTH_FAILED;
    copy_text(fault.who, sizeof fault.who, s, 3);
    copy_text(fault.reason, sizeof fault.reason, s, 4);
    if (!ours || !may_be) {
        return err_set(err, E_CORRUPT, "%s: table faults: %s cannot be %s in this pod", store->path,
                       name, health);
    }
    model_add_fault(m, &fault);
    return 0;
}

static int load_lien(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    uint64_t ocs = column_u64(s, 0), side = column_u64(s, 1), port = column_u64(s, 2);
    struct lien lien = {.port = {(uint16_t)ocs, (uint8_t)side, (uint16_t)port},
                        .held = {column_u64(s, 3), column_u64(s, 4)},
                        .slice = {column_u64(s, 5), column_u64(s, 6)},
                        .since = {sqlite3_column_int64(s, 7)},
                        .fenced = sqlite3_column_int(s, 8) != 0};
    struct chip_port chip;

    if (ocs >= TPUNET_OCSES || side > TPUNET_SOUTH || port >= MODEL_PORTS_MAX ||
        !model_chip_port(m, lien.port, &chip)) {
        return err_set(err, E_CORRUPT,
                       "%s: table liens: ocs/%" PRIu64 " side %" PRIu64 " port %" PRIu64
                       ": no chip is behind it",
                       store->path, ocs, side, port);
    }
    model_add_lien(m, &lien);
    return 0;
}

/* ---------------------------------------------------------------- all -- */

typedef int load_row_fn(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err);

static int load_table(struct store *store, struct model *m, enum stmt which, load_row_fn *row,
                      struct error *err)
{
    sqlite3_stmt *s = store->stmt[which];
    int rc = SQLITE_OK, status = 0;

    while (status == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
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
        {ST_FAULT_ALL, load_fault}, /* before the operations: they skip what FAILED */
        {ST_LIEN_ALL, load_lien},
        {ST_DRAIN_ALL, store_load_drain},
        {ST_SLICE_ALL, load_slice},
        {ST_CIRCUIT_ALL, load_circuit},
        {ST_OP_ALL, load_op},
        {ST_KEY_ALL, load_key},
        {ST_INCIDENT_ALL, store_load_incident},
        {ST_TICKET_ALL, store_load_ticket},
    };
    int status = load_meta(store, m, err);

    for (size_t i = 0; i < ARRAY_LEN(tables) && status == 0; i++) {
        status = load_table(store, m, tables[i].which, tables[i].row, err);
    }
    core_mark_repairs(m);
    if (status == 0) {
        status = store_check_slices(store, m, err);
    }
    if (status == 0) {
        status = store_audit_load(store, err);
    }
    if (status == 0) {
        status = load_journal_position(store, m, err);
    }
    return status == 0 ? load_table(store, m, ST_WEBHOOK_ALL, store_load_webhook, err) : status;
}
