/* The ledger of what the newest podmgr made durable, kept from its commits and
 * compared with what the next one loads.
 *
 *   D5  no operation stands for two things
 *   D8  what is restored was lost
 *   A1  no cube has two owners
 *   A2  what is loaded after a crash is what was committed before it, and a
 *       slice goes at its owner's wish alone
 *   A5  what becomes ACTIVE was read back and proved
 *   A8  no cube is freed with its circuits in place */
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

struct record **oracle_record(struct oracle *oracle, struct id id)
{
    struct record **at = &oracle->records[(id.seq * 31 + id.epoch) % ORACLE_BUCKETS];

    while (*at != NULL && id_compare((*at)->id, id) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static bool same(const struct tpunet_xc *a, size_t n_a, const struct tpunet_xc *b, size_t n_b)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof *a) == 0);
}

/* D8: that a switch does not show a circuit, or shows none at all, is no proof
 * that it was lost. */
static void judge_restore(struct sim *s, const struct op *op)
{
    char id[48];

    for (size_t i = 0; i < op->n_makes; i++) {
        const struct tpunet_xc *xc = &op->makes[i];
        if (s->w->ocs[xc->ocs].map[xc->north] == xc->south) {
            sim_found(s, V_D8, "operation %s restores ocs/%u north %u to south %u, never lost",
                      id_format(op->id, id), xc->ocs, xc->north, xc->south);
        }
    }
}

static void record_op(struct sim *s, const struct op *op)
{
    struct record **at = oracle_record(s->oracle, op->id);
    char id[48];

    if (*at == NULL) {
        *at = sim_new(s, sizeof **at);
        **at = (struct record){.id = op->id,
                               .slice = op->slice,
                               .breaks = sim_copy(s, op->breaks, op->n_breaks * sizeof *op->breaks),
                               .n_breaks = op->n_breaks,
                               .makes = sim_copy(s, op->makes, op->n_makes * sizeof *op->makes),
                               .n_makes = op->n_makes};
        if (op->kind == OP_RESTORE) {
            judge_restore(s, op);
        }
    } else if (!same((*at)->breaks, (*at)->n_breaks, op->breaks, op->n_breaks) ||
               !same((*at)->makes, (*at)->n_makes, op->makes, op->n_makes)) {
        sim_found(s, V_D5, "operation %s stands for two things", id_format(op->id, id));
    }
}

/* --------------------------------------------------------------- owners -- */

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
    entry->n_cubes = entry->n_xcs = entry->n_lit = 0;
}

/* --------------------------------------------------------------- slices -- */

static struct entry **find_entry(struct oracle *oracle, struct id id)
{
    struct entry **at = &oracle->entries;

    while (*at != NULL && id_compare((*at)->id, id) != 0) {
        at = &(*at)->next;
    }
    return at;
}

struct entry *oracle_entry(struct oracle *oracle, struct id id)
{
    return *find_entry(oracle, id);
}

static void take_intent(struct sim *s, struct entry *entry, const struct tpunet_intent *intent)
{
    struct tpunet_xc *xcs = NULL;

    if (tpunet_intent_xcs(intent, s->pod.wiring, &xcs, &entry->n_xcs, NULL) < 0) {
        abort();
    }
    entry->n_cubes = intent->n_cubes;
    entry->cubes = sim_copy(s, intent->cubes, entry->n_cubes * sizeof *entry->cubes);
    entry->xcs = sim_copy(s, xcs, entry->n_xcs * sizeof *xcs);
    entry->lit = sim_new(s, entry->n_xcs * sizeof *entry->lit);
    for (size_t i = 0; i < entry->n_xcs; i++) { /* made by hand, and shown before */
        entry->lit[i] = s->oracle->lit[xcs[i].ocs][xcs[i].north] == xcs[i].south;
        entry->n_lit += entry->lit[i];
    }
    free(xcs);
    own(s, entry);
}

static bool same_cubes(const struct entry *entry, const struct tpunet_intent *intent)
{
    return entry->n_cubes == intent->n_cubes &&
           memcmp(entry->cubes, intent->cubes, entry->n_cubes * sizeof *entry->cubes) == 0;
}

/* What the slice had and has no longer. */
static void record_loss(struct sim *s, const struct model *m, struct id id)
{
    struct entry **at = find_entry(s->oracle, id), *entry = *at;
    const struct slice *slice = model_slice(m, id);
    char text[48];

    if (entry == NULL || (slice != NULL && same_cubes(entry, slice->intent))) {
        return;
    }
    release(s, entry);
    if (slice == NULL) {
        *at = entry->next;
        if (!entry->delete_asked) {
            sim_found(s, V_A2, "slice/%s is gone, and nobody asked for it", id_format(id, text));
        }
    }
}

bool oracle_serves(enum slice_state state)
{
    return state == SLICE_ACTIVE || state == SLICE_ACTIVE_DEGRADED;
}

static void record_slice(struct sim *s, const struct model *m, struct id id)
{
    const struct slice *slice = model_slice(m, id);
    struct entry **at = find_entry(s->oracle, id);

    if (slice == NULL) {
        return;
    }
    if (*at == NULL) {
        *at = sim_new(s, sizeof **at);
        (*at)->id = id;
    }
    struct entry *entry = *at;
    if (entry->n_cubes == 0) {
        take_intent(s, entry, slice->intent);
    }
    if (oracle_serves(slice->state) && !oracle_serves(entry->state)) {
        oracle_judge_active(s, entry, m);
    }
    entry->state = slice->state;
    entry->version = slice->version;
}

/* From here on foreign circuits may be broken again. */
static void judge_explained(struct sim *s)
{
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        for (unsigned p = 0; p < s->config.ports_per_side; p++) {
            if (oracle_is_unexplained(s, o, p)) {
                sim_found(s, V_D3, "ocs/%u north %u is taken for explained", o, p);
            }
        }
    }
    memset(s->oracle->unexplained, 0xff, sizeof s->oracle->unexplained);
    s->oracle->restored = false;
}

/* The slices are what the newest podmgr says; a deposed one's operations are
 * on record too, for the switches that still obey it. */
void oracle_committed(struct manager *m)
{
    struct sim *s = m->s;
    const struct outbox *out = &m->out;

    for (size_t i = 0; i < out->n_changes && m == s->current; i++) {
        if (out->changes[i].kind == CHANGE_SLICE) {
            record_loss(s, m->model, out->changes[i].id);
        }
    }
    for (size_t i = 0; i < out->n_changes; i++) {
        const struct change *change = &out->changes[i];
        const struct op *op;
        if (change->kind == CHANGE_OP && (op = model_op(m->model, change->id)) != NULL) {
            record_op(s, op);
        } else if (change->kind == CHANGE_SLICE && m == s->current) {
            record_slice(s, m->model, change->id);
        }
    }
    for (size_t i = 0; i < out->n_journal; i++) {
        sim_note(s, "%s %s", out->journal[i].type, out->journal[i].subject);
        if (m == s->current && strcmp(out->journal[i].type, "restore.explained") == 0) {
            judge_explained(s);
        }
    }
    s->oracle->audits += m == s->current ? out->n_audits : 0;
}

/* What was said to the one before does not count (A6, D7). */
static void forget_what_was_told(struct oracle *oracle)
{
    memset(oracle->reached, 0, sizeof oracle->reached);
    memset(oracle->lit, 0xff, sizeof oracle->lit);
    for (size_t h = 0; h < ORACLE_HOSTS_MAX; h++) {
        oracle->heard_ns[h] = INT64_MIN / 2;
    }
}

uint64_t oracle_audits(const struct sim *s)
{
    return s->oracle->audits;
}

void oracle_loaded(struct manager *m)
{
    struct sim *s = m->s;
    size_t n = 0;
    char id[48];

    forget_what_was_told(s->oracle);
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

bool oracle_intends(const struct entry *entry, struct tpunet_xc xc)
{
    return entry != NULL && entry->n_xcs > 0 &&
           bsearch(&xc, entry->xcs, entry->n_xcs, sizeof xc, tpunet_xc_compare) != NULL;
}

/* What was made durable since the backup is not any more: the ledger begins
 * with what is loaded.  Operations stay on record: switches may have them. */
void oracle_restored(struct manager *m, uint64_t audits)
{
    struct sim *s = m->s;
    struct oracle *oracle = s->oracle;

    forget_what_was_told(oracle);
    oracle->entries = NULL;
    memset(oracle->owner, 0, sizeof oracle->owner);
    oracle->audits = audits;
    oracle->restored = true;
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        oracle->old_epoch =
            oracle->claim[o].epoch > oracle->old_epoch ? oracle->claim[o].epoch : oracle->old_epoch;
    }
    for (size_t i = 0; i < m->model->n_slices; i++) {
        const struct slice *slice = m->model->slices[i];
        struct entry *entry = sim_new(s, sizeof *entry);
        *entry = (struct entry){.next = oracle->entries,
                                .id = slice->id,
                                .state = slice->state,
                                .version = slice->version,
                                .delete_asked = slice->state == SLICE_DEACTIVATING};
        oracle->entries = entry;
        take_intent(s, entry, slice->intent);
        if (id_is_none(slice->op)) { /* read back before the backup */
            memset(entry->lit, true, entry->n_xcs);
            entry->n_lit = entry->n_xcs;
        }
    }
    for (uint16_t o = 0; o < SIM_OCSES; o++) {
        for (uint16_t p = 0; p < s->config.ports_per_side; p++) {
            struct tpunet_xc xc = {o, p, s->w->ocs[o].map[p]};
            bool unexplained = xc.south != SIM_NONE && !oracle_intends(oracle->owner[p], xc);
            oracle->unexplained[o][p] = unexplained ? xc.south : SIM_NONE;
            oracle->foreign[o][p] = oracle->unexplained[o][p];
        }
    }
    sim_note(s, "restored: %zu slices", m->model->n_slices);
}
