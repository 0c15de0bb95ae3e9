/* The rules:
 *
 *   1. What breaks at once is mended as one: root cause is asked, and its answer
 *      followed, when the symptoms have been the same for SETTLE_MS, at the latest
 *      after LOOK_MS, and each LOOK_MS while an incident or a ticket is open, and
 *      when a slice that an incident touched has got on.  What is new and SEVERE
 *      has its incident without waiting for the rest: root cause is asked at once,
 *      though not within AGAIN_MS of the last such time, and nothing is done yet.
 *   2. A slice is hurt if a SEVERE symptom of the cause is about a chip, host or
 *      link of it that its routes do not go around; else it "works".
 *   3. Explanations that call for the same remedy count together: which end of a
 *      circuit is broken matters to the technician, not to the routes.  Of two faces
 *      that look at each other either may be the broken one: the better is taken, and
 *      if it was the other, the bring-up on the new cube finds it (found.c).
 *   4. While slices of one incident are being changed, those of others wait
 *      (A7); a change that does not get on holds nobody longer than HOLD_MS.
 *   5. Spares are the free cubes, in placement's order.
 *   6. An incident has recovered when every slice that it touched serves and is
 *      hurt no more.
 *   7. What is ACTIVE_DEGRADED without new routes (remedy_act.c, rule 4) is brought
 *      up again when nothing SEVERE is wrong with it any more, and a check since podmgr's
 *      start, or since a link came back, has found all of it.
 *   8. A cube that a cause, SEVERE and sure enough, puts out of order is given to
 *      nobody while that lasts (A6), whether or not anything may be done about it:
 *      a slice asked for anew would get it again.  Where nothing may be done, so does
 *      what an incident blamed that was open when podmgr started, until it is closed:
 *      nobody watches the links of an idle cube, so they are not told anew.  (Where
 *      something may, such a cube is SUSPECT.) */
#include "core/remedy.h"

#include <stdlib.h>
#include <string.h>

#include "core/extent.h"
#include "core/internal.h"
#include "mem.h"

enum { SETTLE_MS = 40, AGAIN_MS = 100, LOOK_MS = 1000, HOLD_MS = 30000 };

/* ----------------------------------------------------------------- state -- */

struct remediation *remediation_create(const struct pod *pod)
{
    struct remediation *r = xcalloc(1, sizeof *r);

    if (pod->remedy.mode != REMEDY_OFF) {
        r->symptoms = symptoms_create(pod, &symptom_defaults);
    }
    return r;
}

void remediation_destroy(struct remediation *r)
{
    if (r != NULL) {
        symptoms_destroy(r->symptoms);
        free(r->swaps);
        free(r);
    }
}

/* ------------------------------------------------------------ the slices -- */

static bool is_busy(const struct slice *slice)
{
    return !id_is_none(slice->op) || slice->state == SLICE_RECONFIGURING;
}

static bool has_circuit_on(const struct model *m, const struct slice *slice, const bool *switches)
{
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        for (unsigned p = 0; switches[o] && p < m->pod->ports_per_side; p++) {
            const struct circuit *c = &m->ocs[o].north[p];
            if (c->south != TPUNET_NONE && id_compare(c->slice, slice->id) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Do the slice's routes go around what leaves the chip there? */
static bool is_avoided(const struct model *m, const struct slice *slice, uint32_t end)
{
    struct tpunet_xc xc;

    return remedy_find_circuit(m, end / TPUNET_PORTS, end % TPUNET_PORTS, &xc) &&
           slice_goes_around(m, slice, xc);
}

/* Rule 2. */
static bool symptom_hurts(const struct model *m, const struct slice *slice, const struct symptom *s)
{
    if (s->severity < SEVERITY_SEVERE) {
        return false;
    }
    switch (symptom_signal_kind(s->kind)) {
    case SIGNAL_LINK_END:
        return slice_has_cube(slice, s->number / (uint32_t)(TPUNET_PORTS * TPUNET_CUBE_CHIPS)) &&
               !is_avoided(m, slice, s->number);
    case SIGNAL_CHIP:
        return slice_has_cube(slice, s->number / (uint32_t)TPUNET_CUBE_CHIPS);
    case SIGNAL_HOST:
        return slice_has_cube(slice, s->number / (uint32_t)TPUNET_CUBE_HOSTS);
    case SIGNAL_HOST_LEASE:
    case SIGNAL_PORT_LIGHT:
    case SIGNAL_OCS:
    case SIGNAL_OBSERVER_LEASE:
        return false;
    }
    abort();
}

static bool is_hurt(const struct mending *w, const struct slice *slice,
                    const struct symptom *symptoms)
{
    for (size_t i = 0; i < w->cause->n_symptoms; i++) {
        if (symptom_hurts(w->m, slice, &symptoms[w->cause->symptoms[i]])) {
            return true;
        }
    }
    return false;
}

static size_t collect_slices(struct mending *w, const struct symptom *symptoms,
                             struct remedy_slice *slices)
{
    size_t n = 0;

    for (size_t i = 0; i < w->m->n_slices; i++) {
        const struct slice *slice = w->m->slices[i];
        struct remedy_slice *s = &slices[n];
        if (!slice_serves(slice) && slice->state != SLICE_RECONFIGURING) {
            continue;
        }
        *s = (struct remedy_slice){.id = slice->id,
                                   .accepts_degraded = slice->spec.accept_degraded,
                                   .busy = is_busy(slice),
                                   .works = !is_hurt(w, slice, symptoms)};
        for (size_t c = 0; c < w->impact.n_cubes; c++) {
            if (slice_has_cube(slice, w->impact.cubes[c])) {
                s->cubes[s->n_cubes++] = w->impact.cubes[c];
            }
        }
        if (s->n_cubes > 0 || has_circuit_on(w->m, slice, w->impact.ocs)) {
            n++;
            if (!s->works && incident_touches(w->incident, slice->id)) {
                emit_incident(w->out, w->incident->id);
            }
        }
    }
    return n;
}

/* A restarted podmgr counts from its own start: a wall clock may have jumped. */
static bool is_held(const struct mending *w, const struct slice *slice)
{
    struct mono_ns since =
        slice->changed_mono.ns != 0 ? slice->changed_mono : w->m->remediation->began;

    return is_busy(slice) && slice->state == SLICE_RECONFIGURING &&
           mono_ms_since(since, w->now.mono) < HOLD_MS;
}

/* Rule 4. */
static bool others_are_mended(const struct mending *w)
{
    const struct incidents *list = w->m->incidents;

    for (size_t i = 0; i < incidents_count(list); i++) {
        const struct incident *other = incidents_at(list, i);
        if (other == w->incident || !incident_is_open(other)) {
            continue;
        }
        for (size_t k = 0; k < other->n_slices; k++) {
            const struct slice *slice = model_slice(w->m, other->slices[k]);
            if (slice != NULL && is_held(w, slice)) {
                return true;
            }
        }
    }
    return false;
}

/* For how long slices have been hurt without a break. */
static double hurt_ms(struct mending *w, const struct remedy_slice *slices, size_t n)
{
    struct mono_ns *since = &w->incident->hurt_since;
    bool hurt = false;

    for (size_t i = 0; i < n; i++) {
        hurt = hurt || !slices[i].works;
    }
    if (!hurt) {
        since->ns = 0;
    } else if (since->ns == 0) {
        *since = w->now.mono;
    }
    return hurt ? mono_ms_since(*since, w->now.mono) : 0;
}

/* Rule 6. */
static void see_recovery(struct mending *w, const struct symptom *symptoms)
{
    struct incident *incident = w->incident;
    char subject[64], id[48];

    for (size_t i = 0; i < incident->n_slices; i++) {
        const struct slice *slice = model_slice(w->m, incident->slices[i]);
        if (slice != NULL && (!slice_serves(slice) || is_hurt(w, slice, symptoms))) {
            return;
        }
    }
    if (incident->n_slices > 0 && incident->recovered.ms == 0) {
        incident_recover(incident, w->now.wall);
        emit_incident(w->out, incident->id);
        (void)snprintf(subject, sizeof subject, "incident/%s", id_format(incident->id, id));
        emit_journal(w->m, w->out, w->now, "incident.recovered", subject,
                     json_pack("{s:s,s:I}", "part", incident->part, "recover_ms",
                               (json_int_t)incident_times(incident).recover_ms));
    }
}

/* ----------------------------------------------------------- one incident -- */

static bool is_same_remedy(const struct model *m, const struct impact *a, const struct impact *b)
{
    if (a->port_known && b->port_known) {
        return a->port.ocs == b->port.ocs && model_north_of(m, a->port) != TPUNET_NONE &&
               model_north_of(m, a->port) == model_north_of(m, b->port);
    }
    return !a->port_known && !b->port_known && a->n_cubes == 1 && b->n_cubes == 1 &&
           a->cubes[0] == b->cubes[0] && memcmp(a->ocs, b->ocs, sizeof a->ocs) == 0;
}

/* Rule 3. */
static double confidence_in(const struct mending *w, const struct riskmap *map)
{
    double sum = w->cause->confidence;
    struct impact rival;
    uint32_t number;

    for (size_t i = 0; i < w->cause->n_rivals; i++) {
        bool faces = w->cause->kind == RISK_FACE &&
                     riskmap_group_kind(map, w->cause->rivals[i].group, &number) == RISK_FACE;
        remediation_impact(w->m, map, w->cause->rivals[i].group, &rival);
        sum +=
            faces || is_same_remedy(w->m, &w->impact, &rival) ? w->cause->rivals[i].confidence : 0;
    }
    return sum < 1 ? sum : 1;
}

/* Rule 5. */
static size_t find_spares(const struct mending *w, uint16_t *spares)
{
    size_t n = 0;

    for (unsigned c = 0; c < w->m->pod->n_cubes; c++) {
        bool blamed = false;
        for (size_t i = 0; i < w->impact.n_cubes; i++) {
            blamed = blamed || w->impact.cubes[i] == c;
        }
        if (!blamed && model_cube_free(w->m, c, NULL, 0)) {
            spares[n++] = (uint16_t)c;
        }
    }
    return n;
}

static void mend(struct mending *w, const struct riskmap *map, const struct symptom *symptoms)
{
    const struct remedy_policy *policy = &w->m->pod->remedy;
    bool is_out[MODEL_CUBES_MAX];
    struct remedy_slice *slices = xcalloc(w->m->n_slices + 1, sizeof *slices);
    uint16_t spares[MODEL_CUBES_MAX];
    struct remedies remedies;

    for (unsigned c = 0; c < MODEL_CUBES_MAX; c++) { /* be the slice FAILED or coming up */
        is_out[c] = c < w->m->pod->n_cubes && !id_is_none(w->m->cubes[c].owner);
    }
    for (size_t i = 0; i < w->m->n_faults; i++) {
        const struct part *part = &w->m->faults[i].part;
        if (part->kind == PART_CUBE) {
            is_out[part->cube] = true;
        }
    }
    remediation_impact(w->m, map, w->cause->group, &w->impact);
    struct remedy_input in = {
        .kind = w->cause->kind,
        .severity = w->cause->severity,
        .confidence = confidence_in(w, map),
        .part = w->incident->part,
        .impact = &w->impact,
        .slices = slices,
        .n_slices = collect_slices(w, symptoms, slices),
        .spares = spares,
        .n_spares = find_spares(w, spares),
        .mode = policy->mode,
        .breaker_open = w->m->remediation->breaker_open,
        .other_domain_busy = others_are_mended(w),
        .is_out = is_out,
        .cubes_out = remediation_cubes_out(w->m),
        .cubes_out_max = policy->cubes_out_max,
        .swaps_last_hour = remediation_swaps(w->m, w->now.mono),
        .swaps_per_hour_max = policy->swaps_per_hour_max,
        .confidence_min = policy->confidence_min,
    };
    in.hurt_ms = hurt_ms(w, slices, in.n_slices);
    remediation_decide(&in, &remedies);
    remedy_carry_out(w, &remedies);
    see_recovery(w, symptoms);
    remedies_fini(&remedies);
    free(slices);
}

/* ----------------------------------------------------------------- a look -- */

static struct id new_id(void *arg)
{
    return model_new_id(arg);
}

static void tell(struct model *m, const struct incident_news *news, struct now now,
                 struct outbox *out)
{
    static const char *const types[] = {
        [INCIDENT_OPENED] = "incident.opened",     [INCIDENT_UPDATED] = "incident.updated",
        [INCIDENT_REOPENED] = "incident.reopened", [INCIDENT_MERGED] = "incident.merged",
        [INCIDENT_CLOSED] = "incident.closed",
    };
    const struct incident *incident = incidents_find(m->incidents, news->id);
    char subject[64], id[48];

    emit_incident(out, news->id);
    if (incident == NULL) { /* FORGOTTEN */
        return;
    }
    if (!id_is_none(incident->merged_into)) {
        emit_incident(out, incident->merged_into);
    }
    (void)snprintf(subject, sizeof subject, "incident/%s", id_format(news->id, id));
    emit_journal(m, out, now, types[news->kind], subject,
                 json_pack("{s:s,s:s,s:s,s:f,s:I}", "part", incident->part, "kind",
                           risk_kind_name(incident->kind), "severity",
                           severity_name(incident->severity), "confidence", incident->confidence,
                           "symptoms", (json_int_t)incident->symptoms));
}

static struct incident *incident_of(const struct model *m, const struct riskmap *map,
                                    const struct cause *cause)
{
    char part[RISKMAP_NAME_MAX];

    (void)riskmap_group_name(map, cause->group, part);
    for (size_t i = incidents_count(m->incidents); i-- > 0;) {
        struct incident *incident = incidents_at(m->incidents, i);
        if (incident_is_open(incident) && incident->kind == cause->kind &&
            strcmp(incident->part, part) == 0) {
            return incident;
        }
    }
    return NULL;
}

/* Rule 7. */
static void see_the_well(struct model *m, const struct symptom *symptoms, size_t n, struct now now,
                         struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        bool hurt = slice->state != SLICE_ACTIVE_DEGRADED || slice->dead_links > 0 ||
                    !slice->verified || !id_is_none(slice->op);
        for (size_t k = 0; k < n && !hurt; k++) {
            hurt = symptom_hurts(m, slice, &symptoms[k]);
        }
        if (!hurt) {
            bringup_again(m, slice, "what was broken is well again", now, out);
        }
    }
}

/* Rule 8. */
static void blame_cubes(struct model *m, const struct riskmap *map,
                        const struct diagnosis *diagnosis)
{
    struct impact impact;

    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        m->cubes[c].blamed = false;
    }
    for (size_t i = 0; i < diagnosis->n_causes; i++) {
        const struct cause *cause = &diagnosis->causes[i];
        if (cause->severity < SEVERITY_SEVERE || cause->kind == RISK_PORT_GROUP ||
            cause->confidence < m->pod->remedy.confidence_min) {
            continue;
        }
        remediation_impact(m, map, cause->group, &impact);
        for (size_t k = 0; k < impact.n_cubes; k++) {
            m->cubes[impact.cubes[k]].blamed = true;
        }
    }
}

static void blame_recalled(struct model *m)
{
    struct extent extent;

    for (size_t i = incidents_count(m->incidents); i-- > 0 && remedy_stops(m, 1) != NULL;) {
        const struct incident *incident = incidents_at(m->incidents, i);
        if (!incident->recalled || !incident_is_open(incident) ||
            incident->severity < SEVERITY_SEVERE || incident->kind == RISK_PORT_GROUP ||
            incident->confidence < m->pod->remedy.confidence_min) {
            continue;
        }
        extent_of_blamed(m, incident->kind, incident->part, &extent);
        for (unsigned c = 0; c < m->pod->n_cubes; c++) {
            m->cubes[c].blamed = m->cubes[c].blamed || extent_holds_cube(m, &extent, c);
        }
    }
}

/* The caller ends the diagnosis. */
static void diagnose(struct model *m, const struct symptom *symptoms, size_t n, struct now now,
                     struct outbox *out, struct diagnosis *diagnosis)
{
    struct riskmap *map = symptoms_map(m->remediation->symptoms);
    size_t n_news;

    rootcause_find(map, symptoms, n, &rootcause_defaults, diagnosis);
    const struct incident_look at = {.map = map,
                                     .symptoms = symptoms,
                                     .diagnosis = diagnosis,
                                     .now = now.wall,
                                     .new_id = new_id,
                                     .arg = m};
    struct incident_news *news = incidents_look(m->incidents, &at, &incident_defaults, &n_news);
    for (size_t i = 0; i < n_news; i++) {
        tell(m, &news[i], now, out);
    }
    free(news);
}

static void look(struct model *m, const struct symptom *symptoms, size_t n, struct now now,
                 struct outbox *out)
{
    struct riskmap *map = symptoms_map(m->remediation->symptoms);
    struct diagnosis diagnosis;

    diagnose(m, symptoms, n, now, out, &diagnosis);
    blame_cubes(m, map, &diagnosis);
    blame_recalled(m);
    for (size_t i = 0; i < diagnosis.n_causes; i++) {
        struct mending w = {.m = m, .cause = &diagnosis.causes[i], .now = now, .out = out};
        w.incident = incident_of(m, map, w.cause);
        if (w.incident != NULL) {
            mend(&w, map, symptoms);
        }
    }
    diagnosis_fini(&diagnosis);
    see_the_well(m, symptoms, n, now, out);
    remedy_repairs(m, now, out);
}

/* FNV-1a of what is wrong, whenever it was seen. */
static uint64_t hash_of(const struct symptom *symptoms, size_t n)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++) {
        uint64_t words[] = {(uint64_t)symptoms[i].kind, (uint64_t)symptoms[i].severity,
                            symptoms[i].number};
        for (size_t k = 0; k < ARRAY_LEN(words); k++) {
            hash = (hash ^ words[k]) * UINT64_C(0x100000001b3);
        }
    }
    return hash;
}

static bool something_is_open(const struct model *m)
{
    for (size_t i = incidents_count(m->incidents); i-- > 0;) {
        if (incident_is_open(incidents_at(m->incidents, i))) {
            return true;
        }
    }
    for (size_t i = tickets_count(m->tickets); i-- > 0;) {
        if (tickets_at(m->tickets, i)->state != TICKET_CLOSED) {
            return true;
        }
    }
    return false;
}

/* Rises when a slice that is waited for gets on. */
static uint64_t versions_of_hurt(const struct model *m)
{
    uint64_t sum = 0;

    for (size_t i = incidents_count(m->incidents); i-- > 0;) {
        const struct incident *incident = incidents_at(m->incidents, i);
        bool waits = incident_is_open(incident) && incident->recovered.ms == 0;
        for (size_t k = 0; waits && k < incident->n_slices; k++) {
            const struct slice *slice = model_slice(m, incident->slices[k]);
            sum += slice != NULL ? slice->version : 0;
        }
    }
    return sum;
}

static unsigned count_severe(const struct symptom *symptoms, size_t n)
{
    unsigned severe = 0;

    for (size_t i = 0; i < n; i++) {
        severe += symptoms[i].severity >= SEVERITY_SEVERE;
    }
    return severe;
}

/* Rule 1. */
void remedy_tick(struct model *m, struct now now, struct outbox *out)
{
    struct remediation *r = m->remediation;
    size_t n;

    if (r->symptoms == NULL || m->epoch == 0) {
        return;
    }
    r->began = r->began.ns != 0 ? r->began : now.mono;
    const struct symptom *symptoms = symptoms_now(r->symptoms, m, now, &n);
    uint64_t hash = hash_of(symptoms, n);
    if (hash != r->hash) {
        unsigned severe = count_severe(symptoms, n);
        bool first = severe > r->severe && now.mono.ns >= r->open_at.ns;
        r->hash = hash;
        r->changed = now.mono;
        r->looked = false;
        r->severe = severe;
        if (first) {
            struct diagnosis diagnosis;
            r->open_at.ns = now.mono.ns + AGAIN_MS * INT64_C(1000000);
            diagnose(m, symptoms, n, now, out, &diagnosis);
            diagnosis_fini(&diagnosis);
        }
    }
    bool settled = mono_ms_since(r->changed, now.mono) >= SETTLE_MS;
    bool due = now.mono.ns >= r->look_at.ns || versions_of_hurt(m) != r->versions;
    if (r->looked ? due && something_is_open(m) : settled || due) {
        r->looked = r->looked || settled;
        r->look_at.ns = now.mono.ns + LOOK_MS * INT64_C(1000000);
        look(m, symptoms, n, now, out);
        r->versions = versions_of_hurt(m);
    }
}
