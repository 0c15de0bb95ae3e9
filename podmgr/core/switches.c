/* What we know of the switches, and the claim on them.
 *
 *   1. At start the epoch rises by one, durably, before any switch hears of it.
 *   2. A switch that holds a claim not older than ours, before we ever held
 *      it: our database is behind (an old copy, or an empty one); the epoch rises above
 *      the largest seen, every switch is claimed again, and what stands is doubted as
 *      after a restore (rule 4).
 *   3. A switch that we held and that now holds another claim: a newer manager
 *      took over; we stop at once (D4).
 *   4. What the intent has and the switch does not show is put back, in one
 *      operation per switch.  A circuit that nobody intended is reported as
 *      drift and left alone until a slice of ours needs its port.
 *      After a restore it may be of a slice made since the backup: its cubes
 *      are QUARANTINED, given to nobody, until every switch shows what the
 *      database says and nothing else.
 *   5. A switch that does not answer is UNREACHABLE, never FAILED: its map is
 *      unknown, nothing is evicted because of it (D7).
 *   6. FAILED is a person's word, or podmgr's own (faults.c).  Such a switch is claimed and its
 *      map read as that of any other, but nothing is asked of it.
 *   7. A DRAINED one (drains.c) that does not answer is waited for by nobody.
 */
#include "core/drain.h"
#include "core/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A database holds it, and a restore leaves out a million. */
static const uint64_t EPOCH_MAX = INT64_MAX / 2;

static const char *subject_of(uint16_t ocs, char buf[static 16])
{
    (void)snprintf(buf, 16, "ocs/%u", ocs);
    return buf;
}

static void set_state(struct ocs *ocs, enum ocs_state state, struct wall_ms at)
{
    if (ocs->state != state) {
        ocs->state = state;
        ocs->since = at;
    }
}

static void take_epoch(struct model *m, uint64_t epoch, struct now now, struct outbox *out)
{
    m->epoch = epoch;
    m->next_seq = 1;
    emit_meta(out);
    char subject[48];
    (void)snprintf(subject, sizeof subject, "pod/%s", m->pod->id);
    emit_journal(m, out, now, "epoch.taken", subject,
                 json_pack("{s:I}", "epoch", (json_int_t)epoch));
    emit_effect(out, EFFECT_OCS_ATTACH)->ocs = TPUNET_NONE;
    bringup_epoch_taken(m, now, out);
}

void switches_start(struct model *m, struct event *ev, struct outbox *out)
{
    bool first = m->restored && m->epoch == m->backup_epoch;

    take_epoch(m, m->epoch + 1, ev->now, out);
    if (first) {
        drains_doubt(m, ev->now, out);
    }
    liens_start(m, first, ev->now, out);
}

void switches_saw(struct ocs *ocs, const struct seen_circuit *seen, size_t n, struct wall_ms at)
{
    for (size_t i = 0; i < n; i++) {
        assert(seen[i].north < MODEL_PORTS_MAX);
        struct circuit *circuit = &ocs->north[seen[i].north];
        circuit->seen = seen[i].south;
        circuit->north_dbm = seen[i].north_dbm;
        circuit->south_dbm = seen[i].south_dbm;
        circuit->loss_db = seen[i].loss_db;
    }
    ocs->observed_at = at;
}

static void take_identity(struct ocs *ocs, const struct ocs_identity *identity)
{
    memcpy(ocs->boot_id, identity->boot_id, sizeof ocs->boot_id);
    ocs->generation = identity->generation;
    ocs->epoch = identity->epoch;
    ocs->supports_light = identity->light;
}

/* Takes the whole map as the switch shows it. */
static void take_map(struct ocs *ocs, const struct event *ev)
{
    take_identity(ocs, &ev->ocs.identity);
    for (unsigned p = 0; p < MODEL_PORTS_MAX; p++) {
        ocs->north[p].seen = TPUNET_NONE;
    }
    switches_saw(ocs, ev->ocs.seen, ev->ocs.n_seen, ev->now.wall);
}

/* Does the port show a circuit that nobody intends, nobody is breaking, and no
 * slice of ours left behind? */
static bool is_foreign(const struct model *m, uint16_t ocs, uint16_t north)
{
    const struct circuit *circuit = &m->ocs[ocs].north[north];
    struct tpunet_xc seen = {ocs, north, circuit->seen};

    return circuit->seen != TPUNET_NONE && circuit->seen != circuit->south &&
           !plan_is_open(m, seen, false) && !model_circuit_left(m, seen);
}

/* Rule 4: counts what nobody intended, and says so when the count changes. */
static void report_drift(struct model *m, uint16_t number, struct now now, struct outbox *out)
{
    struct ocs *ocs = &m->ocs[number];
    unsigned foreign = 0, first = 0;
    char subject[16];

    for (uint16_t p = MODEL_PORTS_MAX; p-- > 0;) {
        if (is_foreign(m, number, p)) {
            foreign++;
            first = p;
        }
    }
    if (foreign != ocs->foreign && foreign > 0) {
        emit_journal(m, out, now, "ocs.drift", subject_of(number, subject),
                     json_pack("{s:i,s:i,s:i}", "circuits", (int)foreign, "north", (int)first,
                               "south", (int)ocs->north[first].seen));
    }
    ocs->foreign = foreign;
}

/* What a slice's own operation breaks is explained. */
static bool is_being_released(const struct model *m, struct tpunet_xc xc)
{
    for (size_t i = 0; i < m->n_ops; i++) {
        const struct op *op = m->ops[i];
        if (op->state == OP_OPEN && op->kind != OP_RESTORE && op->n_breaks > 0 &&
            bsearch(&xc, op->breaks, op->n_breaks, sizeof xc, tpunet_xc_compare) != NULL) {
            return true;
        }
    }
    return false;
}

/* Is a port of the cube in a circuit that nobody intended?  How many there are. */
static size_t mark_unexplained(const struct model *m, bool marks[static MODEL_CUBES_MAX])
{
    size_t n = 0;

    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
            const struct circuit *circuit = &m->ocs[o].north[p];
            struct tpunet_fibre fibre;
            if (circuit->seen == TPUNET_NONE || circuit->seen == circuit->south ||
                is_being_released(m, (struct tpunet_xc){o, p, circuit->seen})) {
                continue;
            }
            n++;
            if (tpunet_wiring_fibre(m->pod->wiring, (struct tpunet_ocs_port){o, TPUNET_NORTH, p},
                                    &fibre)) {
                marks[fibre.cube] = true;
            }
            if (circuit->seen < m->pod->ports_per_side &&
                tpunet_wiring_fibre(m->pod->wiring,
                                    (struct tpunet_ocs_port){o, TPUNET_SOUTH, circuit->seen},
                                    &fibre)) {
                marks[fibre.cube] = true;
            }
        }
    }
    return n;
}

/* Rule 4, after a restore. */
void switches_quarantine(struct model *m, struct now now, struct outbox *out)
{
    bool marks[MODEL_CUBES_MAX] = {false};
    bool explained;
    char subject[48];

    if (!m->restored) {
        return;
    }
    explained = mark_unexplained(m, marks) == 0;
    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        struct cube *cube = &m->cubes[c];
        enum health health = marks[c] ? HEALTH_QUARANTINED : HEALTH_HEALTHY;
        cube->unexplained = marks[c];
        if (cube->health != health && cube->health != HEALTH_FAILED &&
            cube->health != HEALTH_SUSPECT) {
            cube->health = health;
            cube->since = now.wall;
            (void)snprintf(subject, sizeof subject, "cube/%u", c);
            emit_journal(m, out, now, marks[c] ? "cube.quarantined" : "cube.cleared", subject,
                         NULL);
        }
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        enum ocs_state state = m->ocs[o].state;
        explained = explained && (state == OCS_STATE_REACHABLE || state == OCS_STATE_FAILED);
    }
    if (explained) {
        m->restored = false;
        emit_meta(out);
        (void)snprintf(subject, sizeof subject, "pod/%s", m->pod->id);
        emit_journal(m, out, now, "restore.explained", subject, NULL);
    }
}

/* Rule 4, after the map was read. */
static void set_right(struct model *m, uint16_t ocs, struct now now, struct outbox *out)
{
    liens_settle(m, ocs, out);
    report_drift(m, ocs, now, out);
    switches_quarantine(m, now, out);
    if (m->ocs[ocs].state == OCS_STATE_REACHABLE) {
        ops_restore(m, ocs, now, out);
        bringup_looked(m, now, out);
    }
}

void switches_looked(struct model *m, struct event *ev, struct outbox *out)
{
    struct ocs *ocs = &m->ocs[ev->ocs.ocs];

    if (ev->ocs.identity.epoch > m->epoch) {
        switches_superseded(m, ev, out); /* rule 3, also while we have no work for it */
        return;
    }
    if (ocs->state != OCS_STATE_REACHABLE || ev->ocs.identity.epoch != m->epoch) {
        return;
    }
    take_map(ocs, ev);
    set_right(m, ev->ocs.ocs, ev->now, out);
}

/* What a loss of power looks like to a podmgr that was not there before: all is dark,
 * and something stood there when the switch FAILED.  What was asked for since was never
 * made. */
static bool has_forgotten_all(const struct model *m, uint16_t ocs)
{
    struct part part = {.kind = PART_OCS, .ocs = ocs};
    const struct part_fault *fault = model_fault(m, &part);
    bool stood = false;

    for (unsigned p = 0; p < MODEL_PORTS_MAX; p++) {
        const struct circuit *circuit = &m->ocs[ocs].north[p];
        const struct slice *slice =
            circuit->south != TPUNET_NONE ? model_slice(m, circuit->slice) : NULL;
        if (circuit->seen != TPUNET_NONE) {
            return false;
        }
        stood = stood || (fault != NULL && slice != NULL && slice->created.ms < fault->since.ms);
    }
    return stood;
}

void switches_attached(struct model *m, struct event *ev, struct outbox *out)
{
    struct ocs *ocs = &m->ocs[ev->ocs.ocs];
    char subject[16];

    if (ev->ocs.identity.epoch != m->epoch) {
        return; /* of a claim that we have since replaced (rule 2) */
    }
    bool known = ocs->boot_id[0] != '\0';
    bool lost_power = known && strcmp(ocs->boot_id, ev->ocs.identity.boot_id) != 0;
    take_map(ocs, ev);
    ocs->answers = true;
    if (lost_power || (!known && has_forgotten_all(m, ev->ocs.ocs))) {
        struct part part = {.kind = PART_OCS, .ocs = ev->ocs.ocs};
        if (faults_take_back(m, &part, "it came back from a loss of power", ev->now, out)) {
            ocs->state = OCS_STATE_UNREACHABLE; /* until the next lines */
        }
    }
    if (ocs->state != OCS_STATE_FAILED) { /* rule 6 */
        set_state(ocs, OCS_STATE_REACHABLE, ev->now.wall);
    }
    emit_journal(m, out, ev->now, "ocs.attached", subject_of(ev->ocs.ocs, subject),
                 json_pack("{s:s,s:I,s:I,s:b}", "boot_id", ocs->boot_id, "generation",
                           (json_int_t)ocs->generation, "circuits", (json_int_t)ev->ocs.n_seen,
                           "lost_power", lost_power));
    switches_quarantine(m, ev->now, out); /* first: what may be another's is not broken */
    ops_resend(m, ev->ocs.ocs, lost_power, out);
    set_right(m, ev->ocs.ocs, ev->now, out);
}

/* Rule 2: what we have is of before, whoever put it there. */
static void doubt(struct model *m, const struct event *ev, struct outbox *out)
{
    char subject[48];

    if (!m->restored || m->backup_epoch < m->epoch) {
        m->restored = true;
        m->backup_epoch = m->epoch;
        (void)snprintf(subject, sizeof subject, "pod/%s", m->pod->id);
        emit_journal(m, out, ev->now, "database.behind", subject,
                     json_pack("{s:I,s:I,s:i}", "epoch", (json_int_t)m->epoch, "claimed",
                               (json_int_t)ev->ocs.identity.epoch, "ocs", (int)ev->ocs.ocs));
        drains_doubt(m, ev->now, out);
    }
}

void switches_superseded(struct model *m, struct event *ev, struct outbox *out)
{
    const struct ocs_identity *identity = &ev->ocs.identity;
    const struct ocs *ocs = &m->ocs[ev->ocs.ocs];

    if (identity->epoch < m->epoch) {
        return; /* answered before we took a larger one (rule 2) */
    }
    if (identity->epoch >= EPOCH_MAX) { /* of no podmgr: there would be none above it */
        (void)snprintf(ev->ocs.why, sizeof ev->ocs.why, "it reports a claim of epoch %llu",
                       (unsigned long long)identity->epoch);
        switches_lost(m, ev, out);
        return;
    }
    if (ocs->epoch == m->epoch) {
        (void)snprintf(emit_effect(out, EFFECT_STOP)->text, sizeof((struct effect *)0)->text,
                       "ocs/%u is claimed by another podmgr (its epoch %llu, ours %llu)",
                       ev->ocs.ocs, (unsigned long long)identity->epoch,
                       (unsigned long long)m->epoch);
        return;
    }
    doubt(m, ev, out);
    take_epoch(m, identity->epoch + 1, ev->now, out);
    liens_start(m, true, ev->now, out);
}

void switches_lost(struct model *m, struct event *ev, struct outbox *out)
{
    struct ocs *ocs = &m->ocs[ev->ocs.ocs];
    char subject[16];

    ocs->answers = false;
    if (ocs->state == OCS_STATE_UNREACHABLE || ocs->state == OCS_STATE_FAILED) {
        return;
    }
    set_state(ocs, OCS_STATE_UNREACHABLE, ev->now.wall);
    emit_journal(m, out, ev->now, "ocs.unreachable", subject_of(ev->ocs.ocs, subject),
                 json_pack("{s:s}", "reason", ev->ocs.why));
    if (model_given_up(m, ev->ocs.ocs)) {
        ops_skip(m, ev->ocs.ocs, ev->now, out); /* a person works on it */
    }
}

/* May the slice do without it, or (false) must it be there? */
static bool is_spared(const struct model *m, unsigned ocs, const struct slice *slice,
                      bool accept_degraded)
{
    const struct ocs *o = &m->ocs[ocs];
    bool unread = m->restored && o->boot_id[0] == '\0'; /* it may hold what nobody knows of */

    return accept_degraded &&
           (o->state == OCS_STATE_FAILED || (drains_avoid_switch(m, ocs, slice) && !unread));
}

bool switches_all_reachable(const struct model *m, const struct slice *slice, bool accept_degraded,
                            char *why, size_t why_size)
{
    size_t len = 0;

    why[0] = '\0';
    for (unsigned o = 0; o < TPUNET_OCSES && len + 60 < why_size; o++) {
        enum ocs_state state = m->ocs[o].state;
        bool drained = slice == NULL && drains_avoid_switch(m, o, NULL);
        if ((state != OCS_STATE_REACHABLE || drained) && !is_spared(m, o, slice, accept_degraded)) {
            char since[32];
            bool is_there = state == OCS_STATE_REACHABLE;
            len += (size_t)snprintf(
                why + len, why_size - len, "%socs/%u %s%s%s", len > 0 ? "; " : "", o,
                is_there ? admin_name(m->ocs[o].admin) : ocs_state_name(state),
                is_there ? "" : " since ", is_there ? "" : wall_format(m->ocs[o].since, since));
        }
    }
    return len == 0;
}
