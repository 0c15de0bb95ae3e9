/* The witness stands beside the core of the newest podmgr: it hears what the
 * core is told, and judges each step by what came of it.
 *
 *   D7   no slice is made while a switch that it needs was lost, or is FAILED
 *        unless it goes around it; and none is given up because of silence
 *   A5   a verdict counts for its own epoch and generation alone
 *   A6   no slice is made on hosts for which nobody spoke within the lease, nor on
 *        what an operator has drained
 *   A9   a refusal changes nothing
 *   A7   what podmgr changes by itself has a cause, and stays within the budgets
 *   A10  one audit record for each mutation, with its author; none without
 *
 * It keeps account of its own; from podmgr's tables it takes only the names of
 * the slice that a step made or changed. */
#include "core/remedy.h"
#include "core/health.h"
#include "mem.h"
#include "oracle.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The core looks at leases every 250 ms, and its first look renews them; the
 * rest is the way of a message. */
static const int64_t LEASE_SLACK = 600 * MS;

void oracle_heard(struct sim *s, const uint16_t *hosts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->oracle->heard_ns[hosts[i]] = sim_now(s);
    }
}

/* ----------------------------------------------------------------- told -- */

/* Circuits that a switch showed lit, as the core reads it (A5). */
static void see(struct manager *m, uint16_t ocs, const struct seen_circuit *seen, size_t n)
{
    struct oracle *oracle = m->s->oracle;

    for (size_t i = 0; i < n; i++) {
        struct tpunet_xc xc = {ocs, seen[i].north, seen[i].south};
        struct entry *entry = xc.north < m->s->cubes ? oracle->owner[xc.north] : NULL;
        bool lit = seen[i].loss_db <= (float)m->s->pod.loss_db_max;
        oracle->lit[ocs][xc.north] = lit ? xc.south : TPUNET_NONE;
        if (entry == NULL || entry->n_lit == entry->n_xcs || !lit) {
            continue;
        }
        const struct tpunet_xc *at =
            bsearch(&xc, entry->xcs, entry->n_xcs, sizeof xc, tpunet_xc_compare);
        if (at != NULL && !entry->lit[at - entry->xcs]) {
            entry->lit[at - entry->xcs] = true;
            entry->n_lit++;
        }
    }
}

static void count_flap(struct oracle *oracle, uint32_t chip, bool down)
{
    uint8_t *flaps = &oracle->told_flaps[chip];

    *flaps = (uint8_t)(*flaps + (down && *flaps < UINT8_MAX));
}

/* Ends of links that podmgr was told are down. */
static void hear_links(struct oracle *oracle, const struct event *ev)
{
    for (size_t i = 0; i < ev->links.n; i++) {
        const struct link_change *change = &ev->links.links[i];
        uint8_t bit = (uint8_t)(1U << change->port), *down = &oracle->told_down[change->chip];
        *down = (uint8_t)(change->up ? *down & ~bit : *down | bit);
        count_flap(oracle, change->chip, !change->up);
    }
}

/* A link that a bring-up misses is down at both ends, whichever it names. */
static void hear_verdict(struct sim *s, const struct verdict *verdict)
{
    uint8_t *down = s->oracle->told_down;

    for (size_t i = 0; i < verdict->n_down; i++) {
        const struct chip_port *end = &verdict->down[i];
        unsigned peer_port;
        uint32_t peer;
        down[end->chip] |= (uint8_t)(1U << end->port);
        count_flap(s->oracle, end->chip, true);
        if (world_wired(s->w, end->chip, end->port, &peer, &peer_port)) {
            down[peer] |= (uint8_t)(1U << peer_port);
            count_flap(s->oracle, peer, true);
        }
    }
}

static void hear(struct manager *m, const struct event *ev)
{
    struct oracle *oracle = m->s->oracle;

    switch ((int)ev->kind) {
    case EV_OCS_ATTACHED:
    case EV_OCS_LOOKED:
        if (ev->ocs.identity.epoch == m->model->epoch) {
            oracle->reached[ev->ocs.ocs] |= ev->kind == EV_OCS_ATTACHED;
            memset(oracle->lit[ev->ocs.ocs], 0xff, sizeof oracle->lit[ev->ocs.ocs]);
            see(m, ev->ocs.ocs, ev->ocs.seen, ev->ocs.n_seen);
        }
        return;
    case EV_OCS_LOST:
        oracle->reached[ev->ocs.ocs] = false;
        return;
    case EV_OCS_APPLIED:
        for (size_t i = 0; i < ev->applied.n_results; i++) {
            see(m, ev->applied.ocs, ev->applied.results[i].seen, ev->applied.results[i].n_seen);
        }
        return;
    case EV_LINKS:
        hear_links(oracle, ev);
        return;
    case EV_VERDICT:
        hear_verdict(m->s, ev->verdict);
        return;
    default: /* daemons are heard where they speak: oracle_heard() */
        return;
    }
}

/* --------------------------------------------------------------- judged -- */

struct before {
    size_t changes, journal, audits, effects, slices;
    bool there; /* the slice that a client wants deleted */
    enum slice_state state;
    bool breaker_open;
    bool current; /* the verdict: of this epoch and the slice's generation */
    unsigned out; /* cubes that podmgr has taken out of service, */
    uint64_t which[SIM_CUBES_MAX / 64 + 1];
};

/* Cubes out of service by podmgr's word: bits, and how many count: on probation they are
 * a technician's doing. */
static unsigned cubes_out(const struct model *m, uint64_t which[static SIM_CUBES_MAX / 64 + 1])
{
    unsigned out = 0;

    for (size_t i = 0; i < m->n_faults; i++) {
        const struct part_fault *fault = &m->faults[i];
        if (fault->part.kind == PART_CUBE && strcmp(fault->who, "podmgr") == 0) {
            which[fault->part.cube / 64] |= UINT64_C(1) << fault->part.cube % 64;
            out += m->cubes[fault->part.cube].in_hand != HEALTH_PROBATION;
        }
    }
    return out;
}

static struct before look_before(const struct manager *m, const struct event *ev)
{
    const struct slice *slice = ev->kind == EV_DELETE_SLICE ? model_slice(m->model, ev->del.id)
                                : ev->kind == EV_VERDICT ? model_slice(m->model, ev->verdict->slice)
                                                         : NULL;

    struct before before = {.changes = m->out.n_changes,
                            .journal = m->out.n_journal,
                            .audits = m->out.n_audits,
                            .effects = m->out.n_effects,
                            .slices = m->model->n_slices,
                            .breaker_open = m->model->remediation->breaker_open,
                            .there = slice != NULL,
                            .state = slice != NULL ? slice->state : SLICE_DELETED,
                            .current = ev->kind == EV_VERDICT && slice != NULL &&
                                       ev->verdict->epoch == m->model->epoch &&
                                       ev->verdict->generation == slice->generation};
    if (ev->kind == EV_TICK) {
        before.out = cubes_out(m->model, before.which);
        for (unsigned c = 0; c < m->s->cubes; c++) { /* whatever is said of them besides */
            before.which[c / 64] |= (uint64_t)(m->model->cubes[c].in_hand == HEALTH_PROBATION)
                                    << c % 64;
        }
    }
    return before;
}

/* A6: what a restored backup cannot explain may be somebody's, and through an
 * enabled port comes whatever is at its other end. */
static bool has_unexplained(const struct sim *s, unsigned cube)
{
    bool has = false;

    for (unsigned o = 0; o < SIM_OCSES && !has; o++) {
        uint16_t north = s->w->ocs[o].back[cube];
        has = (oracle_is_unexplained(s, o, cube) && oracle_port_enabled(s, cube, o, false)) ||
              (north != SIM_NONE && oracle_is_unexplained(s, o, north) &&
               oracle_port_enabled(s, cube, o, true));
    }
    return has;
}

static void judge_allocation(struct sim *s, const struct slice *slice)
{
    const struct oracle *oracle = s->oracle;
    int64_t oldest = sim_now(s) - s->pod.lease_ms * MS - LEASE_SLACK;
    bool just_paused = s->current->paused_until_ns >= oldest; /* our stall is not their silence */
    char id[48];

    for (unsigned o = 0; o < SIM_OCSES; o++) {
        bool drained = oracle_is_drained(oracle->answered, PART_OCS, o);
        bool around = (oracle->failed[o] || drained) && slice->spec.accept_degraded;
        if (drained && !slice->spec.accept_degraded) {
            sim_found(s, V_A6, "slice/%s is made over ocs/%u, which is drained",
                      id_format(slice->id, id), o);
            return;
        }
        if ((!oracle->reached[o] || oracle->failed[o]) && !around) {
            sim_found(s, V_D7, "slice/%s is made though ocs/%u does not answer",
                      id_format(slice->id, id), o);
            return;
        }
    }
    for (size_t i = 0; i < slice->intent->n_cubes; i++) {
        unsigned cube = slice->intent->cubes[i];
        if (oracle_is_drained(oracle->answered, PART_CUBE, cube)) {
            sim_found(s, V_A6, "slice/%s is made on cube/%u, which is drained",
                      id_format(slice->id, id), cube);
            return;
        }
        if (has_unexplained(s, cube)) {
            sim_found(s, V_A6, "slice/%s is made on cube/%u, which has circuits unexplained",
                      id_format(slice->id, id), cube);
            return;
        }
        for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
            if (oracle->heard_ns[cube * TPUNET_CUBE_HOSTS + h] < oldest && !just_paused) {
                sim_found(s, V_A6, "slice/%s is made on cube/%u, and host/%u-%u is silent",
                          id_format(slice->id, id), cube, cube, h);
                return;
            }
        }
    }
}

static const struct effect *answer_to(const struct manager *m, const struct before *before,
                                      uint64_t cookie)
{
    for (size_t i = before->effects; i < m->out.n_effects; i++) {
        if (m->out.effects[i].kind == EFFECT_REPLY && m->out.effects[i].cookie == cookie) {
            return &m->out.effects[i];
        }
    }
    return NULL;
}

static void judge_audit(struct manager *m, const struct before *before, const struct event *ev,
                        const char *action, struct id id)
{
    const struct audit_entry *entry = &m->out.audits[before->audits];
    char subject[80], text[48];

    (void)snprintf(subject, sizeof subject, "slice/%s", id_format(id, text));
    if (m->out.n_audits != before->audits + 1) {
        sim_found(m->s, V_A10, "%s of %s has %zu audit records", action, subject,
                  m->out.n_audits - before->audits);
    } else if (strcmp(entry->action, action) != 0 || strcmp(entry->subject, subject) != 0 ||
               strcmp(entry->who, ev->who) != 0) {
        sim_found(m->s, V_A10, "%s of %s by %s is audited as %s of %s by %s", action, subject,
                  ev->who, entry->action, entry->subject, entry->who);
    }
}

static void judge_create(struct manager *m, const struct before *before, const struct event *ev,
                         const struct effect *answer)
{
    bool made = m->model->n_slices > before->slices;

    if (made != (m->out.n_audits > before->audits)) {
        sim_found(m->s, V_A10, "a create that made %s has %zu audit records",
                  made ? "a slice" : "nothing", m->out.n_audits - before->audits);
    } else if (made) {
        judge_audit(m, before, ev, "slice.create", answer->id);
        judge_allocation(m->s, model_slice(m->model, answer->id));
    }
}

static void judge_delete(struct manager *m, const struct before *before, const struct event *ev)
{
    const struct slice *slice = model_slice(m->model, ev->del.id);
    struct entry *entry = oracle_entry(m->s->oracle, ev->del.id);
    bool changed = before->there && (slice == NULL || slice->state != before->state);

    if (entry != NULL) {
        entry->delete_asked = true;
    }
    if (changed) {
        judge_audit(m, before, ev, "slice.delete", ev->del.id);
    } else if (m->out.n_audits > before->audits) {
        sim_found(m->s, V_A10, "a delete that changed nothing has an audit record");
    }
}

/* Every word is on record, be it news or not. */
static void judge_word(struct manager *m, const struct before *before, const struct event *ev)
{
    const struct audit_entry *entry = &m->out.audits[before->audits];

    if (m->out.n_audits != before->audits + 1 || strcmp(entry->who, ev->who) != 0) {
        sim_found(m->s, V_A10, "a word of %s has %zu audit records", ev->who,
                  m->out.n_audits - before->audits);
    }
}

static void judge_evictions(struct manager *m, const struct before *before, enum event_kind kind);

/* It kills nobody. */
static void judge_drain(struct manager *m, const struct before *before, const struct event *ev,
                        const struct effect *answer)
{
    const struct audit_entry *entry = &m->out.audits[before->audits];
    const char *action = ev->kind == EV_CREATE_DRAIN ? "drain.create" : "drain.end";

    if (m->out.n_audits != before->audits + 1 || strcmp(entry->who, ev->who) != 0 ||
        strcmp(entry->action, action) != 0) {
        sim_found(m->s, V_A10, "a %s of %s has %zu audit records", action, ev->who,
                  m->out.n_audits - before->audits);
    }
    oracle_drain_answered(m->s, ev, answer->id);
    judge_evictions(m, before, ev->kind);
}

static bool left_something(const struct manager *m, const struct before *before)
{
    return m->out.n_changes > before->changes || m->out.n_journal > before->journal ||
           m->out.n_audits > before->audits;
}

static void judge(struct manager *m, const struct before *before, const struct event *ev)
{
    const struct effect *answer = answer_to(m, before, ev->cookie);

    if (answer == NULL) {
        sim_found(m->s, V_A9, "a request has no answer");
    } else if (answer->reply.status != 0) {
        if (left_something(m, before) || m->out.n_effects > before->effects + 1) {
            sim_found(m->s, V_A9, "a request was refused (%s) and left something behind",
                      answer->reply.code);
        }
    } else if (ev->kind == EV_CREATE_SLICE) {
        judge_create(m, before, ev, answer);
    } else if (ev->kind == EV_DELETE_SLICE) {
        judge_delete(m, before, ev);
    } else if (ev->kind == EV_MIGRATE_SLICE) {
        judge_audit(m, before, ev, "slice.migrate", ev->migrate.id);
    } else if (ev->kind == EV_CREATE_DRAIN || ev->kind == EV_END_DRAIN) {
        judge_drain(m, before, ev, answer);
    } else {
        judge_word(m, before, ev);
    }
}

static bool is_mutation(enum event_kind kind)
{
    return kind == EV_CREATE_SLICE || kind == EV_DELETE_SLICE || kind == EV_MIGRATE_SLICE ||
           kind == EV_FAIL_PART || kind == EV_CLEAR_PART || kind == EV_CREATE_DRAIN ||
           kind == EV_END_DRAIN || kind == EV_ADVANCE_REPAIR;
}

/* D7: none of these is a reason to give up a slice that serves; but for what
 * daemons have seen, which remediation acts on in its own time. */
static bool may_evict(enum event_kind kind)
{
    return kind != EV_START && kind != EV_TICK && kind != EV_OCS_ATTACHED &&
           kind != EV_OCS_LOOKED && kind != EV_OCS_LOST && kind != EV_AGENT_HELLO &&
           kind != EV_AGENT_SEEN;
}

/* Was podmgr told of something SEVERE in the slice? */
static bool has_cause(const struct manager *m, const struct entry *entry)
{
    const struct oracle *oracle = m->s->oracle;
    bool has = false;

    for (size_t i = 0; i < entry->n_cubes * TPUNET_CUBE_HOSTS; i++) {
        const struct finding *worst = health_worst_of_host(
            m->model, entry->cubes[i / TPUNET_CUBE_HOSTS] * (unsigned)TPUNET_CUBE_HOSTS +
                          i % TPUNET_CUBE_HOSTS);
        has = has || (worst != NULL && worst->severity >= SEVERITY_SEVERE);
    }

    for (size_t i = 0; i < entry->n_cubes; i++) {
        const uint8_t *chips = &oracle->told_down[entry->cubes[i] * SIM_CUBE_CHIPS];
        const uint8_t *flaps = &oracle->told_flaps[entry->cubes[i] * SIM_CUBE_CHIPS];
        for (unsigned c = 0; c < SIM_CUBE_CHIPS; c++) {
            has = has || chips[c] != 0 || flaps[c] >= symptom_defaults.evict;
        }
    }
    return has;
}

static void judge_evictions(struct manager *m, const struct before *before, enum event_kind kind)
{
    char id[48];

    for (size_t i = before->changes; i < m->out.n_changes; i++) {
        const struct change *change = &m->out.changes[i];
        const struct entry *entry =
            change->kind == CHANGE_SLICE ? oracle_entry(m->s->oracle, change->id) : NULL;
        const struct slice *slice = entry != NULL ? model_slice(m->model, entry->id) : NULL;
        bool caused = entry != NULL && kind == EV_TICK && has_cause(m, entry);
        if (entry != NULL && oracle_serves(entry->state) && !entry->delete_asked && !caused &&
            (slice == NULL || slice->state == SLICE_FAILED || slice->state == SLICE_DEACTIVATING)) {
            sim_found(m->s, V_D7, "slice/%s was ACTIVE, is %s, and nobody asked for it",
                      id_format(entry->id, id),
                      slice != NULL ? slice_state_name(slice->state) : "gone");
        }
    }
}

/* How many cubes of a slice that serves were exchanged, but for those that a person
 * has drained: that was his word. */
static unsigned exchanged(const struct oracle *oracle, const struct entry *entry,
                          const struct slice *slice)
{
    unsigned n = 0;

    for (size_t i = 0; slice != NULL && oracle_serves(entry->state) && i < entry->n_cubes; i++) {
        n += entry->cubes[i] != slice->intent->cubes[i] &&
             !oracle_is_drained(oracle->answered, PART_CUBE, entry->cubes[i]);
    }
    return n;
}

static bool is_first_of(const struct outbox *out, size_t from, size_t at)
{
    while (from < at && (out->changes[from].kind != CHANGE_SLICE ||
                         id_compare(out->changes[from].id, out->changes[at].id) != 0)) {
        from++;
    }
    return from == at;
}

/* A7: swaps of podmgr's own, and the cubes that it has taken out of service. */
static void judge_budgets(struct manager *m, const struct before *before)
{
    const struct remedy_policy *policy = &m->s->pod.remedy;
    struct oracle *oracle = m->s->oracle;
    uint64_t which[SIM_CUBES_MAX / 64 + 1] = {0};
    unsigned taken = 0;
    char id[48];

    for (size_t i = before->changes; i < m->out.n_changes; i++) {
        const struct change *change = &m->out.changes[i];
        const struct entry *entry =
            change->kind == CHANGE_SLICE ? oracle_entry(oracle, change->id) : NULL;
        const struct slice *slice = entry != NULL ? model_slice(m->model, entry->id) : NULL;
        unsigned n = entry != NULL && is_first_of(&m->out, before->changes, i)
                         ? exchanged(oracle, entry, slice)
                         : 0;
        m->s->outcome->repairs[R_AGAIN] += n == 0 && slice != NULL && oracle_serves(entry->state) &&
                                           slice->state == SLICE_RECONFIGURING;
        oracle->swaps += n;
        m->s->outcome->repairs[R_SWAP] += n;
        if (n == 0) {
            continue;
        }
        if (before->breaker_open || !has_cause(m, entry)) {
            sim_found(m->s, V_A7, "slice/%s is moved %s", id_format(entry->id, id),
                      before->breaker_open ? "while the breaker is open" : "without a cause");
        }
    }
    /* What relapses from probation counts again, and that was nobody's decision. */
    (void)cubes_out(m->model, which);
    for (size_t i = 0; i < ARRAY_LEN(which); i++) {
        taken += (unsigned)__builtin_popcountll(which[i] & ~before->which[i]);
    }
    if ((taken > 0 && before->out + taken > policy->cubes_out_max) ||
        oracle->swaps > policy->swaps_per_hour_max) {
        sim_found(m->s, V_A7, "%u cubes are taken out of service beside %u, of %u; %u swaps of %u",
                  taken, before->out, policy->cubes_out_max, oracle->swaps,
                  policy->swaps_per_hour_max);
    }
}

/* A7: other cubes at a bring-up are swaps, too, under a slice that has served. */
static void judge_replaced(struct manager *m, const struct before *before)
{
    struct oracle *oracle = m->s->oracle;
    struct id id;

    for (size_t i = before->journal; i < m->out.n_journal; i++) {
        const struct journal_entry *entry = &m->out.journal[i];
        const struct slice *slice = strcmp(entry->type, "slice.replaced") == 0 &&
                                            id_parse(&id, entry->subject + strlen("slice/"))
                                        ? model_slice(m->model, id)
                                        : NULL;
        if (slice == NULL || slice->state != SLICE_RECONFIGURING) {
            continue;
        }
        json_t *data = json_loads(entry->data, 0, NULL);
        oracle->swaps += (unsigned)json_integer_value(json_object_get(data, "cubes"));
        json_decref(data);
        if (before->breaker_open || oracle->swaps > m->s->pod.remedy.swaps_per_hour_max) {
            sim_found(m->s, V_A7, "%s gets other cubes %s", entry->subject,
                      before->breaker_open ? "while the breaker is open" : "beyond the budget");
        }
    }
}

static void hear_words(struct manager *m, const struct before *before)
{
    for (size_t i = before->changes; i < m->out.n_changes; i++) {
        const struct change *change = &m->out.changes[i];
        if (change->kind == CHANGE_FAULT && change->part.kind == PART_OCS) {
            m->s->oracle->failed[change->part.ocs] = model_fault(m->model, &change->part) != NULL;
        }
    }
}

void oracle_step(struct manager *m, struct event *ev)
{
    struct before before = look_before(m, ev);
    bool newest = m == m->s->current;

    if (newest) {
        hear(m, ev);
    }
    core_step(m->model, ev, &m->out);
    if (newest) {
        hear_words(m, &before);
        m->s->oracle->swaps *= ev->kind != EV_RESET_BREAKER; /* the operator has seen to them */
    }
    if (newest) {
        judge_replaced(m, &before);
    }
    if (newest && ev->kind == EV_TICK) {
        judge_budgets(m, &before);
    }
    if (newest && ev->kind == EV_HEALTH && ev->cookie == COOKIE_MISSPOKEN &&
        left_something(m, &before)) {
        sim_found(m->s, V_A9, "a report that does not count has changed something");
    }
    if (newest && is_mutation(ev->kind)) {
        judge(m, &before, ev);
    } else if (newest && ev->kind == EV_VERDICT && !before.current && left_something(m, &before)) {
        sim_found(m->s, V_A5, "a verdict of another epoch or generation counts");
    } else if (newest && !may_evict(ev->kind)) {
        judge_evictions(m, &before, ev->kind);
    }
}
