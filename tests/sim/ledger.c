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
#include "simulator/sim_wiring.h"

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

static bool contains(const struct tpunet_xc *all, size_t n_all, const struct tpunet_xc *part,
                     size_t n_part)
{
    bool contained = true;

    for (size_t i = 0; i < n_part && contained; i++) {
        contained = n_all > 0 && bsearch(&part[i], all, n_all, sizeof *all, tpunet_xc_compare);
    }
    return contained;
}

/* D8: that a switch does not show a circuit, or shows none at all, is no proof
 * that it was lost; one that a hand has made anew since then was.  Not asked of one that is
 * deposed: its successor may have restored what it was shown as lost, and then the switch is
 * fenced.  Where it is not, D2 and D3 judge what the deposed one moves. */
static void judge_restore(struct sim *s, const struct op *op)
{
    char id[48];

    for (size_t i = 0; i < op->n_makes; i++) {
        const struct tpunet_xc *xc = &op->makes[i];
        if (s->w->ocs[xc->ocs].map[xc->north] == xc->south &&
            s->oracle->foreign[xc->ocs][xc->north] != xc->south) {
            sim_found(s, V_D8, "operation %s restores ocs/%u north %u to south %u, never lost",
                      id_format(op->id, id), xc->ocs, xc->north, xc->south);
        }
    }
}

/* Two podmgrs that go on with it see different obstacles, each in its own database; and a
 * RELEASE may lose what may be another's. */
static void add_breaks(struct sim *s, struct record *record, const struct op *op)
{
    struct tpunet_xc *all = sim_new(s, (record->n_breaks + op->n_breaks) * sizeof *all);
    size_t n = 0;

    if (op->n_breaks == 0) {
        return;
    }
    for (; n < record->n_breaks; n++) {
        all[n] = record->breaks[n];
    }
    for (size_t i = 0; i < op->n_breaks; i++) {
        if (!contains(record->breaks, record->n_breaks, &op->breaks[i], 1)) {
            all[n++] = op->breaks[i];
        }
    }
    qsort(all, n, sizeof *all, tpunet_xc_compare);
    record->breaks = all;
    record->n_breaks = n;
}

static void record_op(struct sim *s, const struct op *op, bool deposed)
{
    struct record **at = oracle_record(s->oracle, op->id);
    char id[48];

    if (*at != NULL) {
        (*at)->deposed = (*at)->deposed || deposed;
    }
    if (*at == NULL) {
        *at = sim_new(s, sizeof **at);
        **at = (struct record){.id = op->id,
                               .deposed = deposed,
                               .slice = op->slice,
                               .breaks = sim_copy(s, op->breaks, op->n_breaks * sizeof *op->breaks),
                               .n_breaks = op->n_breaks,
                               .makes = sim_copy(s, op->makes, op->n_makes * sizeof *op->makes),
                               .n_makes = op->n_makes};
        if (op->kind == OP_RESTORE && !deposed) {
            judge_restore(s, op);
        }
    } else if (op->id.epoch > s->oracle->old_epoch && !(*at)->deposed &&
               /* else a backup may know less of it, or two podmgrs have gone on with it */
               (!contains((*at)->makes, (*at)->n_makes, op->makes, op->n_makes) ||
                (op->kind != OP_RESTORE && !(op->kind == OP_RELEASE && s->oracle->restored) &&
                 !contains(op->breaks, op->n_breaks, (*at)->breaks, (*at)->n_breaks)))) {
        /* Obstacles may be seen, a RESTORE may lose what is withdrawn, and a RELEASE after
         * a restored backup what may be another's. */
        sim_found(s, V_D5, "operation %s stands for two things (makes %zu, %zu; breaks %zu, %zu)",
                  id_format(op->id, id), (*at)->n_makes, op->n_makes, (*at)->n_breaks,
                  op->n_breaks);
    } else if ((*at)->deposed || op->kind == OP_RELEASE) { /* what was sent may yet arrive */
        add_breaks(s, *at, op);
    } else {
        (*at)->breaks = sim_copy(s, op->breaks, op->n_breaks * sizeof *op->breaks);
        (*at)->n_breaks = op->n_breaks;
    }
}

void oracle_sent(struct sim *s, const struct model *m, uint16_t ocs, struct id wire)
{
    struct record **at = oracle_record(s->oracle, wire);

    for (size_t i = 0; i < m->n_ops && *at == NULL; i++) {
        const struct op *op = m->ops[i];
        if (op->state == OP_OPEN && id_compare(op->part[ocs].wire, wire) == 0) {
            *at = sim_new(s, sizeof **at);
            **at = (struct record){.id = wire, .of = *oracle_record(s->oracle, op->id)};
        }
    }
}

/* --------------------------------------------------------------- owners -- */

bool oracle_port_enabled(const struct sim *s, unsigned cube, unsigned ocs, bool minus)
{
    unsigned port, axis = ocs / 16;
    uint32_t chip =
        sim_fibre_chip(sim_fibre_number(cube, axis, minus, ocs % 4, ocs / 4 % 4), &port);

    return (s->w->chips[chip].disabled_mask >> port & 1) == 0;
}

/* A8: what was left standing at the cube leads into nothing. */
static void judge_left(struct sim *s, const struct entry *entry, unsigned cube)
{
    char id[48];

    for (unsigned o = 0; o < SIM_OCSES; o++) {
        for (unsigned p = 0; p < s->config.ports_per_side; p++) {
            unsigned south = s->oracle->left[o][p];
            bool touches = south != SIM_NONE && (p == cube || south == cube);
            if (touches && oracle_port_enabled(s, cube, o, south == cube && p != cube)) {
                sim_found(s, V_A8, "slice/%s gets cube/%u, ocs/%u north %u to south %u still up",
                          id_format(entry->id, id), cube, o, p, south);
            }
        }
    }
}

bool oracle_has_left(const struct sim *s, const struct entry *entry, uint16_t cube)
{
    bool departs = false, stands = false;

    for (size_t i = 0; i < entry->n_old_cubes; i++) {
        departs = departs || entry->old_cubes[i] == cube;
    }
    for (size_t i = 0; i < entry->n_old_xcs && departs; i++) {
        const struct tpunet_xc *xc = &entry->old_xcs[i];
        stands = stands || ((xc->north == cube || xc->south == cube) &&
                            s->w->ocs[xc->ocs].map[xc->north] == xc->south);
    }
    return departs && !stands;
}

static void own(struct sim *s, struct entry *entry)
{
    char id[48], other[48];

    for (size_t i = 0; i < entry->n_cubes; i++) {
        struct entry **owner = &s->oracle->owner[entry->cubes[i]];
        if (*owner != NULL && *owner != entry && !oracle_has_left(s, *owner, entry->cubes[i])) {
            sim_found(s, V_A1, "cube/%u is of slice/%s and slice/%s", entry->cubes[i],
                      id_format((*owner)->id, other), id_format(entry->id, id));
        } else if (*owner == NULL) {
            judge_left(s, entry, entry->cubes[i]);
        }
        if (*owner != entry) {
            oracle_judge_placed(s, entry->id, entry->cubes[i]);
        }
        *owner = entry;
    }
}

/* Only its own circuits count: others may be made by hand meanwhile.  What still
 * stands, on a mirror that did not move, is judged when its cubes serve again. */
static void leave(struct sim *s, const struct tpunet_xc *xcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct tpunet_xc *xc = &xcs[i];
        if (s->w->ocs[xc->ocs].map[xc->north] == xc->south &&
            s->oracle->foreign[xc->ocs][xc->north] != xc->south) {
            s->oracle->left[xc->ocs][xc->north] = xc->south;
        }
    }
}

static void disown(struct sim *s, const struct entry *entry, const uint16_t *cubes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s->oracle->owner[cubes[i]] == entry) {
            s->oracle->owner[cubes[i]] = NULL;
        }
    }
}

/* The cubes that it left are free. */
static void settle_departed(struct sim *s, struct entry *entry)
{
    leave(s, entry->old_xcs, entry->n_old_xcs);
    disown(s, entry, entry->old_cubes, entry->n_old_cubes);
    entry->n_old_xcs = entry->n_old_cubes = 0;
}

static void release(struct sim *s, struct entry *entry)
{
    settle_departed(s, entry);
    leave(s, entry->xcs, entry->n_xcs);
    disown(s, entry, entry->cubes, entry->n_cubes);
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
        uint16_t *unexplained = &s->oracle->unexplained[xcs[i].ocs][xcs[i].north];
        entry->lit[i] = s->oracle->lit[xcs[i].ocs][xcs[i].north] == xcs[i].south;
        entry->n_lit += entry->lit[i];
        *unexplained = *unexplained == xcs[i].south ? SIM_NONE : *unexplained;
    }
    free(xcs);
    own(s, entry);
}

static bool same_cubes(const struct entry *entry, const struct tpunet_intent *intent)
{
    return entry->n_cubes == intent->n_cubes &&
           memcmp(entry->cubes, intent->cubes, entry->n_cubes * sizeof *entry->cubes) == 0;
}

/* What it has on other cubes now and had before, for as long as the operation
 * is open that leads there. */
static void depart(struct sim *s, struct entry *entry, const struct slice *slice)
{
    struct tpunet_xc *xcs = NULL;
    size_t n = 0;

    if (tpunet_intent_xcs(slice->intent, s->pod.wiring, &xcs, &n, NULL) < 0) {
        abort();
    }
    settle_departed(s, entry); /* of the operation before, if that failed */
    entry->leaving = slice->op;
    entry->old_xcs = sim_new(s, entry->n_xcs * sizeof *entry->old_xcs);
    entry->old_cubes = sim_new(s, entry->n_cubes * sizeof *entry->old_cubes);
    for (size_t i = 0; i < entry->n_xcs; i++) {
        if (bsearch(&entry->xcs[i], xcs, n, sizeof *xcs, tpunet_xc_compare) == NULL) {
            entry->old_xcs[entry->n_old_xcs++] = entry->xcs[i];
        }
    }
    for (size_t i = 0; i < entry->n_cubes; i++) {
        bool stays = false;
        for (size_t k = 0; k < slice->intent->n_cubes; k++) {
            stays = stays || slice->intent->cubes[k] == entry->cubes[i];
        }
        if (!stays) {
            entry->old_cubes[entry->n_old_cubes++] = entry->cubes[i];
        }
    }
    entry->n_cubes = entry->n_xcs = entry->n_lit = 0;
    free(xcs);
}

/* What the slice had and has no longer. */
static void record_loss(struct sim *s, const struct model *m, struct id id)
{
    struct entry **at = find_entry(s->oracle, id), *entry = *at;
    const struct slice *slice = model_slice(m, id);
    char text[48];

    if (entry == NULL ||
        (slice != NULL && (entry->n_cubes == 0 || same_cubes(entry, slice->intent)))) {
        return; /* nothing, or noted already in this batch */
    }
    if (slice != NULL) {
        depart(s, entry, slice);
    } else {
        release(s, entry);
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
    if (id_compare(slice->op, entry->leaving) != 0) {
        settle_departed(s, entry);
    }
    if (oracle_serves(slice->state) && !oracle_serves(entry->state)) {
        oracle_judge_active(s, entry, m);
    }
    entry->state = slice->state;
    entry->version = slice->version;
}

/* From here on foreign circuits may be broken again.  What stands at a FAILED
 * switch is known to nobody, and stays dangerous where it is not fenced (A6). */
static void judge_explained(struct sim *s)
{
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        for (unsigned p = 0; p < s->config.ports_per_side && !s->oracle->failed[o]; p++) {
            if (oracle_is_unexplained(s, o, p)) {
                sim_found(s, V_D3, "ocs/%u north %u is taken for explained", o, p);
            }
        }
        if (!s->oracle->failed[o]) {
            memset(s->oracle->unexplained[o], 0xff, sizeof s->oracle->unexplained[o]);
        }
    }
    s->oracle->restored = false;
}

/* The slices are what the newest podmgr says; a deposed one's operations are
 * on record too, for the switches that still obey it. */
void oracle_committed(struct manager *m)
{
    struct sim *s = m->s;
    const struct outbox *out = &m->out;

    oracle_drains_ended(m);
    oracle_repairs_ended(m);
    for (size_t i = 0; i < out->n_changes && m == s->current; i++) {
        if (out->changes[i].kind == CHANGE_SLICE) {
            record_loss(s, m->model, out->changes[i].id);
        }
    }
    for (size_t i = 0; i < out->n_changes; i++) {
        const struct change *change = &out->changes[i];
        const struct op *op;
        if (change->kind == CHANGE_CIRCUIT && m == s->current) {
            const struct circuit *circuit =
                &m->model->ocs[change->circuit.ocs].north[change->circuit.north];
            s->oracle->intended[change->circuit.ocs][change->circuit.north] =
                (struct intended){circuit->south, circuit->slice};
        }
        if (change->kind == CHANGE_OP && (op = model_op(m->model, change->id)) != NULL) {
            record_op(s, op, m != s->current);
        } else if (change->kind == CHANGE_SLICE && m == s->current) {
            record_slice(s, m->model, change->id);
        }
    }
    oracle_drains_committed(m);
    oracle_repairs_committed(m);
    for (size_t i = 0; i < out->n_journal; i++) {
        sim_note(s, "%s %s", out->journal[i].type, out->journal[i].subject);
        if (m == s->current && strcmp(out->journal[i].type, "restore.explained") == 0) {
            judge_explained(s);
        }
        s->outcome->repairs[R_OUT] += strcmp(out->journal[i].type, "cube.suspect") == 0;
        s->outcome->repairs[R_BREAKER] +=
            strcmp(out->journal[i].type, "remediation.breaker-open") == 0;
    }
    s->oracle->audits += m == s->current ? out->n_audits : 0;
}

/* What was said to the one before does not count (A6, D7). */
static void forget_what_was_told(struct oracle *oracle, const struct model *m)
{
    oracle->loaded_epoch = m->epoch;
    for (unsigned o = 0; o < SIM_OCSES; o++) { /* durable, unlike the rest */
        oracle->failed[o] = m->ocs[o].state == OCS_STATE_FAILED;
    }
    memset(oracle->reached, 0, sizeof oracle->reached);
    memset(oracle->told_down, 0, sizeof oracle->told_down);
    memset(oracle->told_flaps, 0, sizeof oracle->told_flaps);
    oracle->swaps = 0;
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

    forget_what_was_told(s->oracle, m->model);
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
    oracle_drains_loaded(s, m->model, false);
    oracle_repairs_loaded(s, m->model, false);
    if (n != m->model->n_slices) {
        sim_found(s, V_A2, "%zu slices were committed, %zu are loaded", n, m->model->n_slices);
    }
}

bool oracle_intends(const struct oracle *oracle, const struct entry *entry, struct tpunet_xc xc)
{
    const struct intended *intended = &oracle->intended[xc.ocs][xc.north];

    return entry != NULL && intended->south == xc.south &&
           id_compare(intended->slice, entry->id) == 0;
}

static bool is_being_broken(const struct model *m, struct tpunet_xc xc)
{
    bool found = false;

    for (size_t i = 0; i < m->n_ops && !found; i++) {
        const struct op *op = m->ops[i];
        found = op->state == OP_OPEN && contains(op->breaks, op->n_breaks, &xc, 1);
    }
    return found;
}

/* Cubes that a restored slice is about to leave. */
static void take_departing(struct sim *s, struct entry *entry, const struct model *m,
                           const struct slice *slice)
{
    entry->leaving = slice->op;
    entry->old_cubes = sim_new(s, SIM_CUBES_MAX * sizeof *entry->old_cubes);
    for (uint16_t c = 0; c < m->pod->n_cubes; c++) {
        if (id_compare(m->cubes[c].owner, slice->id) == 0 && s->oracle->owner[c] == NULL) {
            entry->old_cubes[entry->n_old_cubes++] = c;
            s->oracle->owner[c] = entry;
        }
    }
}

/* What was made durable since the backup is not any more: the ledger begins
 * with what is loaded.  Operations stay on record: switches may have them. */
void oracle_restored(struct manager *m, uint64_t audits)
{
    struct sim *s = m->s;
    struct oracle *oracle = s->oracle;

    forget_what_was_told(oracle, m->model);
    oracle->entries = NULL;
    memset(oracle->owner, 0, sizeof oracle->owner);
    memset(oracle->left, 0xff, sizeof oracle->left);
    oracle->audits = audits;
    oracle->restored = true;
    oracle->drains = NULL; /* who had the cubes before is not placed on them now */
    oracle->worked = NULL;
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
        take_departing(s, entry, m->model, slice);
        if (id_is_none(slice->op)) { /* read back before the backup */
            memset(entry->lit, true, entry->n_xcs);
            entry->n_lit = entry->n_xcs;
        }
    }
    for (uint16_t o = 0; o < SIM_OCSES; o++) {
        for (uint16_t p = 0; p < s->config.ports_per_side; p++) {
            struct tpunet_xc xc = {o, p, s->w->ocs[o].map[p]};
            const struct circuit *circuit = &m->model->ocs[o].north[p];
            oracle->intended[o][p] = (struct intended){circuit->south, circuit->slice};
            bool unexplained = xc.south != SIM_NONE &&
                               !oracle_intends(oracle, oracle->owner[p], xc) &&
                               !is_being_broken(m->model, xc);
            oracle->unexplained[o][p] = unexplained ? xc.south : SIM_NONE;
            oracle->foreign[o][p] = oracle->unexplained[o][p];
        }
    }
    oracle_drains_loaded(s, m->model, true);
    oracle_repairs_loaded(s, m->model, true);
    sim_note(s, "restored: %zu slices", m->model->n_slices);
}
