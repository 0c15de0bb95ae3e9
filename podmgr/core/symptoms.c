/* The rules:
 *
 *   1. A link end that is down is LINK_DOWN, SEVERE, from its onset until it is
 *      up, or a slice over it comes up ACTIVE, which proves it, or its circuit is
 *      another.  (Asked of no clock: a wall clock may jump.)
 *   2. Each time that it goes down costs it a penalty of one, which halves every
 *      half_life_ms (as BGP damps routes, RFC 2439).  Up again it is LINK_FLAP:
 *      INFO after a few, DEGRADED from `flaps` on until `forgiven`, SEVERE from
 *      `evict` on.  So what flaps is one symptom that lasts, until a person mends it.
 *   3. What observers found is as grave as they say: LINK_ERRORS, CHIP_SICK,
 *      HOST_SICK, since they say.
 *   4. A host that was heard and is heard no more, by neither of its daemons, is
 *      HOST_SILENT, DEGRADED; who was never heard is not known, not silent.
 *   5. A daemon all of whose hosts are silent is OBSERVER_SILENT.
 *   6. A switch that does not answer is OCS_UNREACHABLE, DEGRADED (D7); one that
 *      was declared FAILED is that, FATAL.
 *      While its ticket is VERIFYING, only its silence counts.
 *      Of what a person has drained silence is no symptom, in this rule and the
 *      two before.
 *   7. A circuit of a slice at rest, that is made and read back: its north port is
 *      PORT_DARK without light from the fibre; else, losing too much, both its
 *      ports are PORT_LOSSY.  The rest is PORT_STUCK, as it was said.
 *   8. The map follows the model: circuits that are seen, who stands for whom; the
 *      links of a cube are watched while a slice has it. */
#include "core/symptoms.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "core/health.h"
#include "core/slice.h"
#include "mem.h"

static const float DARK_DBM = -30;

struct link_end {
    struct wall_ms since; /* of being down or of flapping */
    struct wall_ms reckoned;
    float penalty; /* at `reckoned` */
    bool down, flapping;
    uint64_t serial; /* of going down */
};
struct heard {
    uint32_t observer; /* the last who stood for it, or RISKMAP_NONE */
    struct wall_ms silent_since;
    bool ever;
    bool planned; /* a person has drained its cube: its silence says nothing */
};

/* Observers by number: healthd by its id, tpunetd by its first host. */
enum { FIRST_AGENT = MODEL_HOSTS_MAX + 1, OBSERVERS = FIRST_AGENT + MODEL_HOSTS_MAX };

struct symptoms {
    uint64_t serial; /* of the newest link that went down */
    const struct pod *pod;
    const struct symptom_params *params;
    struct riskmap *map;
    size_t n_ends, n_hosts;
    struct link_end *ends;
    struct heard *heard;
    struct wall_ms stuck[2 * TPUNET_OCSES][MODEL_PORTS_MAX]; /* since, 0: it moves */
    struct wall_ms dim[TPUNET_OCSES][MODEL_PORTS_MAX];       /* circuits, since, 0: bright */
    bool watched[MODEL_CUBES_MAX];
    uint16_t mapped[TPUNET_OCSES][MODEL_PORTS_MAX]; /* circuits as the map has them */
    bool *silent_observer;                          /* scratch of rule 5 */
    struct symptom *items;
    size_t n, cap;
};

/* Cubes before their hosts, which may hang on another feed. */
static void feed(struct riskmap *map, const struct pod *pod)
{
    for (int hosts = 0; hosts < 2; hosts++) {
        for (size_t i = 0; i < pod->n_feeds; i++) {
            const struct power_feed *f = &pod->feeds[i];
            if ((f->part.kind == PART_HOST) == (hosts != 0)) {
                int status = riskmap_add_power(map, f->domain, &f->part, NULL);
                assert(status == 0); /* the configuration was checked */
                (void)status;
            }
        }
    }
}

struct symptoms *symptoms_create(const struct pod *pod, const struct symptom_params *params)
{
    struct symptoms *s = xcalloc(1, sizeof *s);

    s->pod = pod;
    s->params = params;
    s->map = riskmap_create(pod->wiring, OBSERVERS);
    s->n_hosts = (size_t)pod->n_cubes * TPUNET_CUBE_HOSTS;
    s->n_ends = (size_t)pod->n_cubes * TPUNET_CUBE_CHIPS * TPUNET_PORTS;
    s->ends = xcalloc(s->n_ends, sizeof *s->ends);
    s->heard = xcalloc(s->n_hosts, sizeof *s->heard);
    s->silent_observer = xcalloc(OBSERVERS, sizeof *s->silent_observer);
    memset(s->mapped, 0xFF, sizeof s->mapped);
    feed(s->map, pod);
    for (unsigned c = 0; c < pod->n_cubes; c++) {
        riskmap_set_watched(s->map, c, false);
    }
    for (size_t h = 0; h < s->n_hosts; h++) {
        s->heard[h].observer = RISKMAP_NONE;
    }
    return s;
}

void symptoms_destroy(struct symptoms *s)
{
    if (s != NULL) {
        riskmap_destroy(s->map);
        free(s->ends);
        free(s->heard);
        free(s->silent_observer);
        free(s->items);
        free(s);
    }
}

struct riskmap *symptoms_map(struct symptoms *s)
{
    return s->map;
}

static void say(struct symptoms *s, enum symptom_kind kind, enum severity severity, uint32_t number,
                struct wall_ms first, struct wall_ms last)
{
    VEC_GROW(s->items, s->n, s->cap);
    s->items[s->n++] = (struct symptom){kind, severity, number, first, last};
}

/* ----------------------------------------------------------------- links -- */

static double penalty_at(const struct symptoms *s, const struct link_end *end, struct wall_ms at)
{
    double halvings = (double)(at.ms - end->reckoned.ms) / (double)s->params->half_life_ms;
    return halvings > 0 ? (double)end->penalty * exp2(-halvings) : (double)end->penalty;
}

void symptoms_link(struct symptoms *s, uint32_t chip, unsigned port, bool up, struct wall_ms at)
{
    uint32_t number = riskmap_end(chip, port);

    assert(number < s->n_ends && port < TPUNET_PORTS);
    struct link_end *end = &s->ends[number];
    if (end->down == !up) {
        return;
    }
    end->down = !up;
    if (!up) {
        end->serial = ++s->serial;
        end->penalty = (float)(penalty_at(s, end, at) + 1);
        end->reckoned = at;
        end->since = end->flapping ? end->since : at;
    }
}

uint64_t symptoms_serial(const struct symptoms *s)
{
    return s->serial;
}

void symptoms_proved(struct symptoms *s, uint32_t chip, unsigned port, uint64_t serial,
                     struct wall_ms at)
{
    if (s->ends[riskmap_end(chip, port)].serial <= serial) {
        symptoms_link(s, chip, port, true, at);
    }
}

bool symptoms_is_down(const struct symptoms *s, uint32_t chip, unsigned port)
{
    return s->ends[riskmap_end(chip, port)].down;
}

void symptoms_forget_link(struct symptoms *s, uint32_t chip, unsigned port)
{
    s->ends[riskmap_end(chip, port)] = (struct link_end){0};
}

void symptoms_forget_idle_link(struct symptoms *s, uint32_t chip, unsigned port)
{
    if (!s->watched[chip / TPUNET_CUBE_CHIPS]) {
        symptoms_forget_link(s, chip, port);
    }
}

void symptoms_calm_link(struct symptoms *s, uint32_t chip, unsigned port)
{
    struct link_end *end = &s->ends[riskmap_end(chip, port)];

    symptoms_forget_idle_link(s, chip, port);
    end->penalty = 0;
    end->flapping = false;
}

/* Rules 1 and 2. */
static void say_links(struct symptoms *s, struct wall_ms now)
{
    for (uint32_t number = 0; number < s->n_ends; number++) {
        struct link_end *end = &s->ends[number];
        if (!end->down && end->reckoned.ms == 0) {
            continue;
        }
        if (now.ms < end->reckoned.ms) {
            end->reckoned = now; /* a wall clock that was set back keeps nothing flapping */
        }
        double penalty = penalty_at(s, end, now);
        end->flapping =
            penalty >= s->params->flaps || (end->flapping && penalty >= s->params->forgiven);
        if (end->down) {
            say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, number, end->since, now);
        } else if (end->flapping) {
            say(s, SYMPTOM_LINK_FLAP,
                penalty >= s->params->evict ? SEVERITY_SEVERE : SEVERITY_DEGRADED, number,
                end->since, now);
        } else if (penalty >= s->params->forgiven / 2) {
            say(s, SYMPTOM_LINK_FLAP, SEVERITY_INFO, number, end->since, end->reckoned);
        } else {
            *end = (struct link_end){0};
        }
    }
}

/* ----------------------------------------------------------------- hosts -- */

/* Rule 3. */
static void say_findings(struct symptoms *s, const struct model *m, unsigned host,
                         struct wall_ms now)
{
    const struct host_health *health = health_of(m, host);

    for (size_t i = 0; i < health->n_findings; i++) {
        const struct finding *f = &health->findings[i];
        unsigned k = f->scope == SCOPE_LINK ? f->index / TPUNET_PORTS : f->index;
        uint32_t chip = tpunet_chip_number(tpunet_host_chip((uint16_t)(host / TPUNET_CUBE_HOSTS),
                                                            host % TPUNET_CUBE_HOSTS, k % 4));
        switch (f->scope) {
        case SCOPE_LINK:
            say(s, SYMPTOM_LINK_ERRORS, f->severity, riskmap_end(chip, f->index % TPUNET_PORTS),
                f->since, now);
            break;
        case SCOPE_CHIP:
            say(s, SYMPTOM_CHIP_SICK, f->severity, chip, f->since, now);
            break;
        case SCOPE_HOST:
            say(s, SYMPTOM_HOST_SICK, f->severity, host, f->since, now);
            break;
        }
    }
}

/* Who stands for the host now; RISKMAP_NONE: nobody who is heard. */
static uint32_t observer_of(const struct symptoms *s, const struct model *m, unsigned host,
                            struct mono_ns now)
{
    if (health_is_observed(m, host, now, s->params->silence_ms)) {
        return health_of(m, host)->observer % (uint32_t)FIRST_AGENT;
    }
    const struct agent *agent =
        m->hosts[host].agent != 0 ? model_agent(m, m->hosts[host].agent) : NULL;
    return agent != NULL && agent->n_hosts > 0 ? FIRST_AGENT + (uint32_t)agent->hosts[0]
                                               : RISKMAP_NONE;
}

/* Rules 4 and 8. */
static void listen_to(struct symptoms *s, const struct model *m, unsigned host, struct now now)
{
    struct heard *heard = &s->heard[host];
    uint32_t observer = observer_of(s, m, host, now.mono);
    bool hears = observer != RISKMAP_NONE, was_heard = heard->ever && heard->silent_since.ms == 0;

    if (hears && (!was_heard || heard->observer != observer)) {
        const struct agent *agent =
            observer >= FIRST_AGENT ? model_agent(m, m->hosts[host].agent) : NULL;
        riskmap_set_observer(s->map, host, observer, true);
        if (agent != NULL) {
            riskmap_name_observer(s->map, observer, agent->name);
        }
        if (observer < FIRST_AGENT) { /* healthd: tpunetd tells of links */
            riskmap_set_tells_no_links(s->map, observer);
        }
    } else if (!hears && was_heard) {
        riskmap_set_observer(s->map, host, heard->observer, false);
        heard->silent_since = now.wall;
    }
    if (hears) {
        *heard = (struct heard){.observer = observer, .ever = true};
    }
    heard->planned = model_cube_drained(m, host / TPUNET_CUBE_HOSTS);
    if (heard->ever && !hears && !heard->planned) {
        say(s, SYMPTOM_HOST_SILENT, SEVERITY_DEGRADED, host, heard->silent_since, now.wall);
    }
}

/* Rule 5. */
static void say_observers(struct symptoms *s, struct wall_ms now)
{
    memset(s->silent_observer, 0, OBSERVERS * sizeof *s->silent_observer);
    for (size_t h = 0; h < s->n_hosts; h++) {
        if (s->heard[h].silent_since.ms != 0 && !s->heard[h].planned) {
            s->silent_observer[s->heard[h].observer] = true;
        }
    }
    for (size_t h = 0; h < s->n_hosts; h++) {
        if (s->heard[h].ever && s->heard[h].silent_since.ms == 0) {
            s->silent_observer[s->heard[h].observer] = false;
        }
    }
    for (size_t h = 0; h < s->n_hosts; h++) {
        uint32_t observer = s->heard[h].observer;
        if (s->heard[h].silent_since.ms != 0 && !s->heard[h].planned &&
            s->silent_observer[observer]) {
            say(s, SYMPTOM_OBSERVER_SILENT, SEVERITY_DEGRADED, observer, s->heard[h].silent_since,
                now);
            s->silent_observer[observer] = false; /* once is enough */
        }
    }
}

/* -------------------------------------------------------------- switches -- */

void symptoms_stuck(struct symptoms *s, struct tpunet_ocs_port port, bool stuck, struct wall_ms at)
{
    struct wall_ms *since = &s->stuck[2U * port.ocs + (port.side == TPUNET_SOUTH)][port.port];

    assert(port.ocs < TPUNET_OCSES && port.port < MODEL_PORTS_MAX);
    if (!stuck) {
        since->ms = 0;
    } else if (since->ms == 0) {
        *since = at;
    }
}

static bool is_at_rest(const struct model *m, struct id id)
{
    const struct slice *slice = model_slice(m, id);
    return slice != NULL && id_is_none(slice->op);
}

/* Rule 7. */
static void say_circuit(struct symptoms *s, const struct model *m, uint16_t number, uint16_t north)
{
    const struct ocs *ocs = &m->ocs[number];
    const struct circuit *c = &ocs->north[north];
    struct wall_ms *since = &s->dim[number][north];
    bool dark = !(c->north_dbm > DARK_DBM), lossy = !(c->loss_db <= (float)s->pod->loss_db_max);

    if (c->south == TPUNET_NONE || c->seen != c->south || !ocs->supports_light ||
        !is_at_rest(m, c->slice) || (!dark && !lossy)) {
        since->ms = 0;
        return;
    }
    *since = since->ms == 0 ? ocs->observed_at : *since;
    if (dark) {
        say(s, SYMPTOM_PORT_DARK, SEVERITY_DEGRADED, riskmap_port(number, false, north), *since,
            ocs->observed_at);
    } else {
        say(s, SYMPTOM_PORT_LOSSY, SEVERITY_SEVERE, riskmap_port(number, false, north), *since,
            ocs->observed_at);
        say(s, SYMPTOM_PORT_LOSSY, SEVERITY_SEVERE, riskmap_port(number, true, c->south), *since,
            ocs->observed_at);
    }
}

static void say_stuck(struct symptoms *s, uint16_t number, struct wall_ms now)
{
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned p = 0; p < s->pod->ports_per_side; p++) {
            struct wall_ms since = s->stuck[2U * number + side][p];
            if (since.ms != 0) {
                say(s, SYMPTOM_PORT_STUCK, SEVERITY_SEVERE, riskmap_port(number, side != 0, p),
                    since, now);
            }
        }
    }
}

/* What was down over the circuit that went is no news of the next one. */
static void forget_link(struct symptoms *s, struct tpunet_ocs_port port)
{
    struct tpunet_fibre fibre;
    unsigned chip_port;

    if (port.port < s->pod->ports_per_side && tpunet_wiring_fibre(s->pod->wiring, port, &fibre)) {
        uint32_t chip = tpunet_chip_number(tpunet_fibre_chip(fibre, &chip_port));
        s->ends[riskmap_end(chip, chip_port)].down = false;
    }
}

/* Breaks first, since south ports may have been exchanged. */
static void follow_circuits(struct symptoms *s, const struct ocs *ocs, uint16_t number)
{
    for (uint16_t north = 0; north < s->pod->ports_per_side; north++) {
        uint16_t south = s->mapped[number][north];
        if (south != TPUNET_NONE && south != ocs->north[north].seen) {
            forget_link(s, (struct tpunet_ocs_port){number, TPUNET_NORTH, north});
            forget_link(s, (struct tpunet_ocs_port){number, TPUNET_SOUTH, south});
            riskmap_set_circuit(s->map, number, north, TPUNET_NONE);
        }
    }
    for (uint16_t north = 0; north < s->pod->ports_per_side; north++) {
        uint16_t seen = ocs->north[north].seen;
        if (s->mapped[number][north] != seen) {
            s->mapped[number][north] = seen;
            riskmap_set_circuit(s->map, number, north,
                                seen < s->pod->ports_per_side ? seen : TPUNET_NONE);
        }
    }
}

/* Rules 6 to 8.  While a switch does not answer its last map stands (it is
 * fail-static). */
static void look_at_switch(struct symptoms *s, const struct model *m, uint16_t number,
                           struct wall_ms now)
{
    const struct ocs *ocs = &m->ocs[number];

    bool planned = ocs->admin == ADMIN_DRAINED && ocs->state == OCS_STATE_UNREACHABLE;
    bool mended = ocs->mended && ocs->answers; /* our own word is no evidence any more */

    if (!planned && !mended &&
        (ocs->state == OCS_STATE_UNREACHABLE || ocs->state == OCS_STATE_FAILED)) {
        say(s, SYMPTOM_OCS_UNREACHABLE,
            ocs->state == OCS_STATE_FAILED ? SEVERITY_FATAL : SEVERITY_DEGRADED, number, ocs->since,
            now);
    }
    for (uint16_t north = 0; north < s->pod->ports_per_side; north++) {
        if (ocs->state == OCS_STATE_REACHABLE) {
            say_circuit(s, m, number, north);
        }
    }
    follow_circuits(s, ocs, number);
    say_stuck(s, number, now);
}

static void follow_owners(struct symptoms *s, const struct model *m)
{
    for (unsigned c = 0; c < s->pod->n_cubes; c++) {
        bool watched = !id_is_none(m->cubes[c].owner);
        if (watched != s->watched[c]) {
            s->watched[c] = watched;
            riskmap_set_watched(s->map, c, watched);
        }
    }
}

const struct symptom *symptoms_now(struct symptoms *s, const struct model *m, struct now now,
                                   size_t *n)
{
    assert(m->pod->n_cubes == s->pod->n_cubes);
    s->n = 0;
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        look_at_switch(s, m, o, now.wall);
    }
    follow_owners(s, m);
    say_links(s, now.wall);
    for (unsigned h = 0; h < s->n_hosts; h++) {
        say_findings(s, m, h, now.wall);
        listen_to(s, m, h, now);
    }
    say_observers(s, now.wall);
    *n = s->n;
    return s->items;
}
