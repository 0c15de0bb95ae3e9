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
 *
 * A circuit made by hand at the switch is nobody's fault but is on record. */
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

void oracle_init(struct sim *s)
{
    s->oracle = sim_new(s, sizeof *s->oracle);
    memset(s->oracle->map, 0xff, sizeof s->oracle->map);
    memset(s->oracle->lit, 0xff, sizeof s->oracle->lit);
    memset(s->oracle->unexplained, 0xff, sizeof s->oracle->unexplained);
    memset(s->oracle->foreign, 0xff, sizeof s->oracle->foreign);
    memset(s->oracle->left, 0xff, sizeof s->oracle->left);
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

/* Do the newest proved routes of the slice go around the circuit?  Then nobody relies on it,
 * until it was read back and they are proved anew (proof.c). */
static bool goes_around(const struct entry *entry, struct tpunet_xc xc)
{
    const struct tpunet_xc *at =
        entry != NULL && entry->around != NULL && entry->n_xcs > 0
            ? bsearch(&xc, entry->xcs, entry->n_xcs, sizeof xc, tpunet_xc_compare)
            : NULL;

    return at != NULL && entry->around[at - entry->xcs];
}

/* What was sent to a switch before it was called FAILED may arrive later, and it obeys the
 * podmgr before until it is claimed.  Nobody relies on it: all of its ports that slices go
 * around are disabled, or nothing stands there. */
static void judge_late(struct sim *s, struct tpunet_xc xc)
{
    const struct entry *north = s->oracle->owner[xc.north], *south = s->oracle->owner[xc.south];

    s->oracle->foreign[xc.ocs][xc.north] = xc.south;
    if (north != NULL && south != NULL && north != south &&
        oracle_port_enabled(s, xc.north, xc.ocs, false) &&
        oracle_port_enabled(s, xc.south, xc.ocs, true)) {
        sim_found(s, V_D2, "late, cube/%u and cube/%u of two owners are joined on ocs/%u", xc.north,
                  xc.south, xc.ocs);
    }
}

static void judge_circuit(struct sim *s, const struct record *record, bool make,
                          struct tpunet_xc xc)
{
    struct oracle *oracle = s->oracle;
    const struct entry *north = oracle->owner[xc.north], *south = oracle->owner[xc.south];
    char id[48];

    if (oracle->of_before) { /* begun before the restore */
        uint16_t unexplained = make && !oracle_intends(oracle, north, xc) ? xc.south : SIM_NONE;
        oracle->unexplained[xc.ocs][xc.north] = oracle->foreign[xc.ocs][xc.north] = unexplained;
    } else if (make && record->deposed) {
        /* By its own lights it was right; the newest podmgr gives nothing to anybody
         * before it has claimed every switch, and then sees a foreign circuit. */
        oracle->foreign[xc.ocs][xc.north] = xc.south;
    } else if (make && (oracle->late || oracle->failed[xc.ocs])) {
        judge_late(s, xc);
    } else if (make && (north == NULL || north != south)) {
        sim_found(s, V_D2, "operation %s joins cube/%u and cube/%u on ocs/%u, not of one owner",
                  id_format(record->id, id), xc.north, xc.south, xc.ocs);
    } else if (!make && oracle->restored && oracle->unexplained[xc.ocs][xc.north] == xc.south &&
               record->id.epoch > oracle->old_epoch) { /* what the backup had open is finished */
        sim_found(s, V_D3, "operation %s breaks ocs/%u north %u to south %u, unexplained so far",
                  id_format(record->id, id), xc.ocs, xc.north, xc.south);
    } else if (!make && !oracle->failed[xc.ocs] && !goes_around(north, xc) &&
               oracle_intends(oracle, north, xc) && id_compare(north->id, record->slice) != 0) {
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
        const struct record *record = *oracle_record(s->oracle, op);
        if (record != NULL && record->of != NULL) {
            record = record->of;
        }
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
        struct record *record = *oracle_record(s->oracle, op);
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
    oracle->of_before = claim.epoch <= oracle->old_epoch;
    oracle->late = claim.epoch <= oracle->loaded_epoch;
    for (uint16_t p = 0; p < s->config.ports_per_side; p++) {
        uint16_t old = oracle->map[ocs][p], now = s->w->ocs[ocs].map[p];
        if (old == now) {
            continue;
        }
        if (old != SIM_NONE) {
            judge_change(s, ops, n, false, (struct tpunet_xc){(uint16_t)ocs, p, old});
            oracle->foreign[ocs][p] = oracle->left[ocs][p] = SIM_NONE;
            oracle->unexplained[ocs][p] = SIM_NONE;
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
    memset(s->oracle->unexplained[ocs], 0xff, sizeof s->oracle->unexplained[ocs]);
    memset(s->oracle->left[ocs], 0xff, sizeof s->oracle->left[ocs]);
    oracle_look(s);
}

void oracle_foreign(struct sim *s, unsigned ocs, struct sim_xc xc)
{
    s->oracle->map[ocs][xc.north] = s->oracle->foreign[ocs][xc.north] = xc.south;
}

void oracle_broken_by_hand(struct sim *s, unsigned ocs, unsigned north)
{
    s->oracle->map[ocs][north] = s->oracle->foreign[ocs][north] = SIM_NONE;
    s->oracle->unexplained[ocs][north] = s->oracle->left[ocs][north] = SIM_NONE;
}

bool oracle_is_foreign(const struct sim *s, unsigned ocs, unsigned north)
{
    uint16_t south = s->w->ocs[ocs].map[north];

    return south != SIM_NONE &&
           (s->oracle->foreign[ocs][north] == south || s->oracle->left[ocs][north] == south);
}

bool oracle_is_restored(const struct sim *s)
{
    return s->oracle->restored;
}

bool oracle_is_unexplained(const struct sim *s, unsigned ocs, unsigned north)
{
    uint16_t south = s->oracle->unexplained[ocs][north];

    return south != SIM_NONE && s->w->ocs[ocs].map[north] == south;
}

void oracle_look(struct sim *s)
{
    unsigned ocs = s->oracle->looked++ % SIM_OCSES;

    if (memcmp(s->oracle->map[ocs], s->w->ocs[ocs].map, sizeof s->oracle->map[ocs]) != 0) {
        sim_found(s, V_D3, "the map of ocs/%u changed by itself", ocs);
    }
    judge_map(s, ocs);
}
