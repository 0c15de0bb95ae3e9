/* The oracle.  It reads the world, not the tables of podmgr, and compares each
 * change of it with a ledger of what was made durable: which slices there are,
 * on which cubes, and what each operation said that it would do.
 *
 *   D1  the two directions of a switch's map agree
 *   D2  a circuit that is made joins two cubes of one owner
 *   D3  what changed was named by the batch; nobody else's circuit was broken
 *   D4  the batch is of the newest claim that this switch has granted
 *   D5  no operation has two effects on a switch
 *   D6  the operation was durable, with these circuits in it
 *   A1  no cube has two owners; A8: none is freed with its circuits in place
 *   A2  what is loaded after a crash is what was committed before it
 *
 * A circuit made by hand at the switch is nobody's fault but is on record. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim.h"

enum { BUCKETS = 1024 };

struct entry { /* a slice on record */
    struct entry *next;
    struct id id;
    enum slice_state state;
    uint64_t version;
    uint16_t *cubes;
    size_t n_cubes;
    struct tpunet_xc *xcs;
    size_t n_xcs;
};
struct record { /* an operation on record */
    struct record *next;
    struct id id, slice;
    struct tpunet_xc *breaks, *makes;
    size_t n_breaks, n_makes;
    uint64_t effects; /* bit per switch */
};
struct oracle {
    struct entry *entries;
    struct record *records[BUCKETS];
    struct entry *owner[SIM_CUBES_MAX];
    struct ocs_claim claim[SIM_OCSES];
    uint16_t map[SIM_OCSES][SIM_PORTS_MAX]; /* as last looked at */
    uint16_t foreign[SIM_OCSES][SIM_PORTS_MAX];
    unsigned looked;
    char text[200];
};

void oracle_init(struct sim *s)
{
    s->oracle = sim_new(s, sizeof *s->oracle);
    memset(s->oracle->map, 0xff, sizeof s->oracle->map);
    memset(s->oracle->foreign, 0xff, sizeof s->oracle->foreign);
}

/* --------------------------------------------------------------- ledger -- */

static struct record **record_of(struct oracle *oracle, struct id id)
{
    struct record **at = &oracle->records[(id.seq * 31 + id.epoch) % BUCKETS];

    while (*at != NULL && id_compare((*at)->id, id) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static bool same(const struct tpunet_xc *a, size_t n_a, const struct tpunet_xc *b, size_t n_b)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof *a) == 0);
}

static void record_op(struct sim *s, const struct op *op)
{
    struct record **at = record_of(s->oracle, op->id);
    char id[48];

    if (*at == NULL) {
        *at = sim_new(s, sizeof **at);
        **at = (struct record){.id = op->id,
                               .slice = op->slice,
                               .breaks = sim_copy(s, op->breaks, op->n_breaks * sizeof *op->breaks),
                               .n_breaks = op->n_breaks,
                               .makes = sim_copy(s, op->makes, op->n_makes * sizeof *op->makes),
                               .n_makes = op->n_makes};
    } else if (!same((*at)->breaks, (*at)->n_breaks, op->breaks, op->n_breaks) ||
               !same((*at)->makes, (*at)->n_makes, op->makes, op->n_makes)) {
        sim_found(s, V_D5, "operation %s stands for two things", id_format(op->id, id));
    }
}

static void own(struct sim *s, struct entry *entry)
{
    char id[48], other[48];

    for (size_t i = 0; i < entry->n_cubes; i++) {
        struct entry **owner = &s->oracle->owner[entry->cubes[i]];
        if (*owner != NULL) {
            sim_found(s, V_A1, "cube/%u is of slice/%s and slice/%s", entry->cubes[i],
                      id_format((*owner)->id, other), id_format(entry->id, id));
        }
        *owner = entry;
    }
}

/* Only its own circuits count: others may be made by hand meanwhile. */
static void release(struct sim *s, struct entry *entry)
{
    char id[48];

    for (size_t i = 0; i < entry->n_xcs; i++) {
        const struct tpunet_xc *xc = &entry->xcs[i];
        if (s->w->ocs[xc->ocs].map[xc->north] == xc->south &&
            s->oracle->foreign[xc->ocs][xc->north] != xc->south) {
            sim_found(s, V_A8, "slice/%s is gone, ocs/%u north %u to south %u is not",
                      id_format(entry->id, id), xc->ocs, xc->north, xc->south);
        }
    }
    for (size_t i = 0; i < entry->n_cubes; i++) {
        s->oracle->owner[entry->cubes[i]] = NULL;
    }
}

static struct entry **entry_of(struct oracle *oracle, struct id id)
{
    struct entry **at = &oracle->entries;

    while (*at != NULL && id_compare((*at)->id, id) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void record_slice(struct sim *s, const struct model *m, struct id id)
{
    struct entry **at = entry_of(s->oracle, id);
    const struct slice *slice = model_slice(m, id);

    if (slice == NULL) {
        if (*at != NULL) {
            struct entry *gone = *at;
            *at = gone->next;
            release(s, gone);
        }
        return;
    }
    if (*at == NULL) {
        struct entry *entry = *at = sim_new(s, sizeof *entry);
        struct tpunet_xc *xcs = NULL;
        entry->id = id;
        entry->n_cubes = slice->intent->n_cubes;
        entry->cubes = sim_copy(s, slice->intent->cubes, entry->n_cubes * sizeof *entry->cubes);
        if (tpunet_intent_xcs(slice->intent, s->pod.wiring, &xcs, &entry->n_xcs, NULL) < 0) {
            abort();
        }
        entry->xcs = sim_copy(s, xcs, entry->n_xcs * sizeof *xcs);
        free(xcs);
        own(s, entry);
    }
    (*at)->state = slice->state;
    (*at)->version = slice->version;
}

/* The slices are what the newest podmgr says; a deposed one's operations are
 * on record too, for the switches that still obey it. */
void oracle_committed(struct manager *m)
{
    struct sim *s = m->s;

    for (size_t i = 0; i < m->out.n_changes; i++) {
        const struct change *change = &m->out.changes[i];
        const struct op *op;
        if (change->kind == CHANGE_OP && (op = model_op(m->model, change->id)) != NULL) {
            record_op(s, op);
        } else if (change->kind == CHANGE_SLICE && m == s->current) {
            record_slice(s, m->model, change->id);
        }
    }
    for (size_t i = 0; i < m->out.n_journal; i++) {
        sim_note(s, "%s %s", m->out.journal[i].type, m->out.journal[i].subject);
    }
}

void oracle_loaded(struct manager *m)
{
    struct sim *s = m->s;
    size_t n = 0;
    char id[48];

    for (const struct entry *entry = s->oracle->entries; entry != NULL; entry = entry->next) {
        const struct slice *slice = model_slice(m->model, entry->id);
        n++;
        if (slice == NULL) {
            sim_found(s, V_A2, "slice/%s is lost", id_format(entry->id, id));
        } else if (slice->state != entry->state || slice->version != entry->version) {
            sim_found(s, V_A2, "slice/%s was %s and is loaded as %s", id_format(entry->id, id),
                      slice_state_name(entry->state), slice_state_name(slice->state));
        }
    }
    if (n != m->model->n_slices) {
        sim_found(s, V_A2, "%zu slices were committed, %zu are loaded", n, m->model->n_slices);
    }
}

/* -------------------------------------------------------------- changes -- */

void oracle_fenced(struct sim *s, unsigned ocs, struct ocs_claim claim)
{
    struct ocs_claim *newest = &s->oracle->claim[ocs];

    if (claim.epoch < newest->epoch ||
        (claim.epoch == newest->epoch && claim.instance != newest->instance)) {
        sim_found(s, V_D4, "ocs/%u granted epoch %llu after %llu", ocs,
                  (unsigned long long)claim.epoch, (unsigned long long)newest->epoch);
    }
    *newest = claim;
}

static bool names(const struct sim_op *op, bool make, unsigned north, unsigned south)
{
    const struct sim_xc *xcs = make ? op->makes : op->breaks;
    size_t n = make ? op->n_makes : op->n_breaks;

    for (size_t i = 0; i < n && op->result.status == SIM_OP_DONE && !op->replayed; i++) {
        if (xcs[i].north == north && xcs[i].south == south) {
            return true;
        }
    }
    return false;
}

static bool on_record(const struct record *record, bool make, struct tpunet_xc xc)
{
    const struct tpunet_xc *xcs = make ? record->makes : record->breaks;
    size_t n = make ? record->n_makes : record->n_breaks;

    return n > 0 && bsearch(&xc, xcs, n, sizeof xc, tpunet_xc_compare) != NULL;
}

static bool intends(const struct entry *entry, struct tpunet_xc xc)
{
    return entry != NULL && entry->n_xcs > 0 &&
           bsearch(&xc, entry->xcs, entry->n_xcs, sizeof xc, tpunet_xc_compare) != NULL;
}

static void judge_circuit(struct sim *s, const struct record *record, bool make,
                          struct tpunet_xc xc)
{
    struct oracle *oracle = s->oracle;
    const struct entry *north = oracle->owner[xc.north], *south = oracle->owner[xc.south];
    char id[48];

    if (make && (north == NULL || north != south)) {
        sim_found(s, V_D2, "operation %s joins cube/%u and cube/%u on ocs/%u, not of one owner",
                  id_format(record->id, id), xc.north, xc.south, xc.ocs);
    } else if (!make && intends(north, xc) && id_compare(north->id, record->slice) != 0) {
        sim_found(s, V_D3, "operation %s breaks ocs/%u north %u to south %u of another slice",
                  id_format(record->id, id), xc.ocs, xc.north, xc.south);
    }
}

/* One circuit appeared or went. */
static void judge_change(struct sim *s, const struct sim_op *ops, size_t n, bool make,
                         struct tpunet_xc xc)
{
    char id[48];

    for (size_t i = 0; i < n; i++) {
        if (!names(&ops[i], make, xc.north, xc.south)) {
            continue;
        }
        struct id op = {ops[i].epoch, ops[i].sequence};
        const struct record *record = *record_of(s->oracle, op);
        if (record == NULL || !on_record(record, make, xc)) {
            sim_found(s, V_D6, "operation %s moves ocs/%u north %u to south %u and is not durable",
                      id_format(op, id), xc.ocs, xc.north, xc.south);
        } else {
            judge_circuit(s, record, make, xc);
        }
        return;
    }
    sim_found(s, V_D3, "ocs/%u north %u to south %u changed and no operation named it", xc.ocs,
              xc.north, xc.south);
}

static void judge_map(struct sim *s, unsigned ocs)
{
    const struct sim_ocs *o = &s->w->ocs[ocs];

    for (unsigned p = 0; p < s->config.ports_per_side; p++) {
        if ((o->map[p] != SIM_NONE && o->back[o->map[p]] != p) ||
            (o->back[p] != SIM_NONE && o->map[o->back[p]] != p)) {
            sim_found(s, V_D1, "ocs/%u port %u has two peers", ocs, p);
        }
    }
}

static void judge_effects(struct sim *s, unsigned ocs, const struct sim_op *ops, size_t n)
{
    char id[48];

    for (size_t i = 0; i < n; i++) {
        struct id op = {ops[i].epoch, ops[i].sequence};
        struct record *record = *record_of(s->oracle, op);
        if (record == NULL || ops[i].replayed || ops[i].result.status != SIM_OP_DONE) {
            continue;
        }
        if ((record->effects >> ocs & 1) != 0) {
            sim_found(s, V_D5, "operation %s had a second effect on ocs/%u", id_format(op, id),
                      ocs);
        }
        record->effects |= UINT64_C(1) << ocs;
    }
}

void oracle_moved(struct sim *s, unsigned ocs, struct ocs_claim claim, const struct sim_op *ops,
                  size_t n, bool finished)
{
    struct oracle *oracle = s->oracle;
    const struct ocs_claim *newest = &oracle->claim[ocs];

    /* What was begun under a claim may end after the next was granted. */
    if (!finished && (claim.epoch != newest->epoch || claim.instance != newest->instance)) {
        sim_found(s, V_D4, "ocs/%u took a batch of epoch %llu, fenced at %llu", ocs,
                  (unsigned long long)claim.epoch, (unsigned long long)newest->epoch);
    }
    judge_map(s, ocs);
    for (uint16_t p = 0; p < s->config.ports_per_side; p++) {
        uint16_t old = oracle->map[ocs][p], now = s->w->ocs[ocs].map[p];
        if (old == now) {
            continue;
        }
        if (old != SIM_NONE) {
            judge_change(s, ops, n, false, (struct tpunet_xc){(uint16_t)ocs, p, old});
            oracle->foreign[ocs][p] = SIM_NONE;
        }
        if (now != SIM_NONE) {
            judge_change(s, ops, n, true, (struct tpunet_xc){(uint16_t)ocs, p, now});
        }
        oracle->map[ocs][p] = now;
    }
    if (finished) {
        judge_effects(s, ocs, ops, n);
    }
}

void oracle_lost_power(struct sim *s, unsigned ocs)
{
    memset(s->oracle->map[ocs], 0xff, sizeof s->oracle->map[ocs]);
    memset(s->oracle->foreign[ocs], 0xff, sizeof s->oracle->foreign[ocs]);
    oracle_look(s);
}

void oracle_foreign(struct sim *s, unsigned ocs, struct sim_xc xc)
{
    s->oracle->map[ocs][xc.north] = s->oracle->foreign[ocs][xc.north] = xc.south;
}

void oracle_look(struct sim *s)
{
    unsigned ocs = s->oracle->looked++ % SIM_OCSES;

    if (memcmp(s->oracle->map[ocs], s->w->ocs[ocs].map, sizeof s->oracle->map[ocs]) != 0) {
        sim_found(s, V_D3, "the map of ocs/%u changed by itself", ocs);
    }
    judge_map(s, ocs);
}

/* -------------------------------------------------------------- the end -- */

static const char *unsettled_slice(struct oracle *oracle, const struct sim *s,
                                   const struct entry *entry)
{
    const struct slice *slice = model_slice(s->current->model, entry->id);
    char id[48];

    if (slice == NULL || slice->state != SLICE_ACTIVE || !id_is_none(slice->op)) {
        (void)snprintf(oracle->text, sizeof oracle->text, "slice/%s is %s: %.100s",
                       id_format(entry->id, id), slice_state_name(entry->state),
                       slice != NULL ? slice->reason : "gone");
        return oracle->text;
    }
    for (size_t i = 0; i < entry->n_xcs; i++) {
        const struct tpunet_xc *xc = &entry->xcs[i];
        if (s->w->ocs[xc->ocs].map[xc->north] != xc->south ||
            world_loss_db(s->w, xc->ocs, xc->north) > (float)s->pod.loss_db_max) {
            (void)snprintf(oracle->text, sizeof oracle->text,
                           "slice/%s lacks ocs/%u north %u to south %u", id_format(entry->id, id),
                           xc->ocs, xc->north, xc->south);
            return oracle->text;
        }
    }
    return NULL;
}

static const char *unexplained_circuit(struct oracle *oracle, const struct sim *s)
{
    for (uint16_t o = 0; o < SIM_OCSES; o++) {
        for (uint16_t p = 0; p < s->config.ports_per_side; p++) {
            struct tpunet_xc xc = {o, p, s->w->ocs[o].map[p]};
            if (xc.south != SIM_NONE && oracle->foreign[o][p] != xc.south &&
                !intends(oracle->owner[p], xc)) {
                (void)snprintf(oracle->text, sizeof oracle->text,
                               "ocs/%u north %u to south %u is nobody's", o, p, xc.south);
                return oracle->text;
            }
        }
    }
    return NULL;
}

const char *oracle_unsettled(struct sim *s)
{
    struct oracle *oracle = s->oracle;

    if (s->current == NULL || !core_ready(s->current->model, oracle->text, sizeof oracle->text)) {
        return s->current == NULL ? "podmgr is down" : oracle->text;
    }
    for (const struct manager *m = s->managers; m != NULL; m = m->next) {
        if (m != s->current && m->alive) {
            return "an old podmgr is alive";
        }
    }
    const struct model *model = s->current->model;
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        if (model->ocs[o].state != OCS_STATE_REACHABLE) {
            (void)snprintf(oracle->text, sizeof oracle->text, "ocs/%u is %s", o,
                           ocs_state_name(model->ocs[o].state));
            return oracle->text;
        }
    }
    for (size_t i = 0; i < model->n_ops; i++) {
        if (model->ops[i]->state == OP_OPEN) {
            return "an operation is open";
        }
    }
    for (const struct entry *entry = oracle->entries; entry != NULL; entry = entry->next) {
        const char *why = unsettled_slice(oracle, s, entry);
        if (why != NULL) {
            return why;
        }
    }
    return unexplained_circuit(oracle, s);
}
