/* The rules:
 *
 *   1. A symptom is of one signal.  Several of one signal are one piece of
 *      evidence, as grave as the gravest; its time is the last onset.
 *   2. Symptoms whose onsets are closer than the gap belong to one episode and
 *      are explained together.  A signal that is sick since another episode
 *      speaks neither for nor against a cause in this one.
 *   3. A cause has a prior, the published rate of such failures (Zu et al.,
 *      NSDI'24) shared out among the parts that a failure may be of.
 *   4. A broken group makes each of its signals sick with probability 0.97 (a
 *      report may be lost).  Or it is broken in part, any fraction being as
 *      likely as any other; that is less likely to begin with, and each healthy
 *      signal costs.  Links, leases and switches are judged apart: a part that
 *      loses its links may well go on answering.  Only watched signals count as
 *      healthy: what nobody reports is not fine.
 *   5. What no cause explains costs: little if it is mere INFO, for links flap
 *      now and then without a cause that lasts, and never because of podmgr;
 *      more than the rarest single cause if it is graver.
 *   6. The causes are the weighted set cover of largest posterior (cover.h):
 *      many links of one switch blame the switch, 16 of a face the bundle, all
 *      of a host's chips the host, because one cause is likelier than many.
 *   7. Which symptom a part shows: a stuck mirror is the switch's alone; no
 *      light from a fibre speaks for the fibre and what is before it rather
 *      than for the port, and loss on the circuit the other way round.  Loss that
 *      both its ports show is the circuit's, and tells neither of them apart.
 *   8. A silent host with live links is its daemon's fault; a switch that does
 *      not answer while its light goes on is its controller's (D7).  A daemon that does
 *      not tell of links takes none down: one that calls all its hosts sick hides none.
 *   9. Silence of many at once blames the network between them and podmgr, and
 *      everything at once podmgr itself: never the cubes.
 *  10. Confidence is a cause's share among all single groups that could stand
 *      in its place, and leaving its symptoms unexplained.
 *
 * Rules 8 and 9 need hardly any code of their own: a host's links that are up are
 * counter-evidence against the host, and the network and podmgr are groups. */
#include "core/rootcause.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cover.h"
#include "mem.h"

/* Rule 3: failures of one such part in a day.  Hosts 8e-4, cables 5e-5 and
 * switches 4e-4 are published; an optical link is two fibres and two ports, and
 * daemons restart more often than hardware dies.  Of bundles, boards, cubes and
 * feeds nothing is published: rarer than their members, likelier than all of
 * them at once. */
static const double prior_per_day[RISK_KIND_COUNT] = {
    [RISK_LINK] = 5e-5,     [RISK_FIBRE] = 1.5e-5,     [RISK_PORT] = 1e-5, [RISK_PORT_GROUP] = 2e-6,
    [RISK_CHIP] = 5e-5,     [RISK_HOST] = 8e-4,        [RISK_FACE] = 1e-6, [RISK_CUBE] = 2e-6,
    [RISK_OCS] = 4e-4,      [RISK_OCS_CONTROL] = 1e-3, [RISK_AXIS] = 1e-8, [RISK_POWER] = 1e-5,
    [RISK_OBSERVER] = 1e-3, [RISK_NETWORK] = 1e-4,     [RISK_SELF] = 1e-5,
};
/* Of five seconds: two failures at once are that unlikely. */
static const double log_episode_days = -9.757;
/* Rule 4: logarithms of 0.97, of what is left of it, and of 0.05: how rarely a
 * broken group is broken in part. */
static const double log_shown = -0.030459, log_lost = -3.506558, log_partial = -2.995732;
/* Rule 5, in nats. */
static const double cost_info = 3.5, cost_grave = 30;
/* Rule 7: how much worse a symptom fits that is another part's habit. */
static const double cost_odd = 2.5;

static const struct symptom_row {
    const char *name;
    enum signal_kind signal;
} symptom_rows[] = {
#define X(kind, text, signal) [SYMPTOM_##kind] = {text, signal},
    SYMPTOM_KINDS(X)
#undef X
};

const char *symptom_kind_name(enum symptom_kind kind)
{
    return symptom_rows[kind].name;
}

enum signal_kind symptom_signal_kind(enum symptom_kind kind)
{
    return symptom_rows[kind].signal;
}

/* --------------------------------------------------------------- signals -- */

/* Rule 1: a signal with all that was said of it. */
struct sick {
    uint32_t signal;
    uint32_t kinds; /* mask of enum symptom_kind */
    enum severity severity;
    struct wall_ms first, last;
    uint32_t refs; /* the first of its symptoms in `order` */
    uint32_t n_refs;
    uint32_t *groups;
    unsigned n_groups;
    enum watch watch; /* of its kind, be it watched now or not */
    bool mutual;      /* rule 7: the other port of the circuit shows it as well */
};

struct ref {
    uint32_t signal, index;
};

struct work {
    struct riskmap *map;
    const struct symptom *symptoms;
    struct ref *order; /* symptoms by signal */
    size_t n_order;
    struct sick *sick; /* by signal; episodes, the latest first, if there are several */
    size_t n_sick;
    uint32_t *groups; /* of all signals, one after the other */
    const struct watched *watched;
    struct watched *sick_of; /* [groups] watched signals that are sick, of any episode */
    uint32_t *slot;          /* [groups] candidate of this episode, or RISKMAP_NONE */
    double log_prior[RISK_KIND_COUNT];
    struct diagnosis *out;
    size_t cap_causes, cap_unexplained;
};

static int compare_refs(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;

    if (x->signal != y->signal) {
        return x->signal < y->signal ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Latest onset first, so that the first episode is the latest. */
static int compare_sick(const void *a, const void *b)
{
    const struct sick *x = a, *y = b;

    if (x->first.ms != y->first.ms) {
        return x->first.ms > y->first.ms ? -1 : 1;
    }
    return x->signal < y->signal ? -1 : x->signal > y->signal;
}

static void add_unexplained(struct work *w, uint32_t index)
{
    VEC_GROW(w->out->unexplained, w->out->n_unexplained, w->cap_unexplained);
    w->out->unexplained[w->out->n_unexplained++] = index;
}

static void order_symptoms(struct work *w, size_t n)
{
    bool rising = true;

    w->order = xcalloc(n + 1, sizeof *w->order);
    for (size_t i = 0; i < n; i++) {
        const struct symptom *s = &w->symptoms[i];
        uint32_t signal = riskmap_signal(w->map, symptom_signal_kind(s->kind), s->number);
        if (signal == RISKMAP_NONE) {
            add_unexplained(w, (uint32_t)i);
            continue;
        }
        rising = rising && (w->n_order == 0 || w->order[w->n_order - 1].signal <= signal);
        w->order[w->n_order++] = (struct ref){signal, (uint32_t)i};
    }
    if (!rising) {
        qsort(w->order, w->n_order, sizeof *w->order, compare_refs);
    }
}

static void gather_sick(struct work *w)
{
    w->sick = xcalloc(w->n_order + 1, sizeof *w->sick);
    for (size_t i = 0; i < w->n_order; i++) {
        const struct symptom *s = &w->symptoms[w->order[i].index];
        if (i == 0 || w->order[i - 1].signal != w->order[i].signal) {
            w->sick[w->n_sick++] = (struct sick){.signal = w->order[i].signal,
                                                 .refs = (uint32_t)i,
                                                 .first = s->first,
                                                 .last = s->last};
        }
        struct sick *sick = &w->sick[w->n_sick - 1];
        sick->kinds |= 1U << s->kind;
        sick->n_refs++;
        sick->severity = s->severity > sick->severity ? s->severity : sick->severity;
        sick->first.ms = s->first.ms > sick->first.ms ? s->first.ms : sick->first.ms;
        sick->last.ms = s->last.ms > sick->last.ms ? s->last.ms : sick->last.ms;
    }
}

#define KIND_BIT(name) (1U << SYMPTOM_##name)

static enum watch watch_of(uint32_t kinds)
{
    return (kinds & (KIND_BIT(LINK_DOWN) | KIND_BIT(LINK_FLAP) | KIND_BIT(LINK_ERRORS))) != 0
               ? WATCH_LINKS
           : (kinds & KIND_BIT(HOST_SILENT)) != 0     ? WATCH_LEASES
           : (kinds & KIND_BIT(OCS_UNREACHABLE)) != 0 ? WATCH_SWITCHES
                                                      : WATCH_NOT;
}

/* Rule 7.  The signals are in order still. */
static bool is_mutual(const struct work *w, const struct sick *sick)
{
    uint32_t port, far;
    size_t lo = 0, hi = w->n_sick;

    if ((sick->kinds & KIND_BIT(PORT_LOSSY)) == 0) {
        return false;
    }
    (void)riskmap_signal_kind(w->map, sick->signal, &port);
    far = riskmap_far_port(w->map, port);
    far = far != RISKMAP_NONE ? riskmap_signal(w->map, SIGNAL_PORT_LIGHT, far) : far;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (w->sick[mid].signal < far) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < w->n_sick && w->sick[lo].signal == far &&
           (w->sick[lo].kinds & KIND_BIT(PORT_LOSSY)) != 0;
}

static void find_groups(struct work *w)
{
    uint32_t *end = w->groups = xmalloc((w->n_sick + 1) * RISKMAP_OF_SIGNAL * sizeof *w->groups);

    for (size_t i = 0; i < w->n_sick; i++) {
        struct sick *sick = &w->sick[i];
        bool far = (sick->kinds & KIND_BIT(PORT_LOSSY)) != 0;
        sick->groups = end;
        sick->n_groups = riskmap_groups_of(w->map, sick->signal, far, end);
        end += sick->n_groups;
        sick->watch = watch_of(sick->kinds);
        sick->mutual = is_mutual(w, sick);
        enum watch by = riskmap_watch(w->map, sick->signal);
        for (unsigned k = 0; k < sick->n_groups && by != WATCH_NOT; k++) {
            w->sick_of[sick->groups[k]].by[by]++;
        }
    }
}

/* ------------------------------------------------------------ candidates -- */

struct candidate {
    uint32_t group, n_sick;
    struct watched sick; /* of these, by what watches them */
    double odd, cost;    /* of its signals: rule 7, rule 5 */
};

/* One episode as a set cover. */
struct episode {
    const struct sick *sick;
    uint32_t n;
    struct candidate *candidates;
    size_t n_candidates, cap_candidates;
    double *cost, *weight;
    uint32_t *set_at, *members, *element_at, *sets;
};

static const uint32_t light_mask =
    KIND_BIT(PORT_DARK) | KIND_BIT(PORT_LOSSY) | KIND_BIT(PORT_STUCK);

/* Rule 7, of a symptom of light. */
static double odd_cost(const struct work *w, uint32_t group, const struct sick *sick)
{
    uint32_t number, port, mirror = KIND_BIT(PORT_LOSSY) | KIND_BIT(PORT_STUCK);
    enum risk_kind kind = riskmap_group_kind(w->map, group, &number);

    (void)riskmap_signal_kind(w->map, sick->signal, &port);
    bool other = kind == RISK_PORT ? number != port : number != port / RISKMAP_PORT_GROUP;
    bool odd = (kind == RISK_PORT && (sick->kinds & mirror) == 0) ||
               ((kind == RISK_PORT || kind == RISK_PORT_GROUP) && other && !sick->mutual) ||
               (kind == RISK_FIBRE && (sick->kinds & KIND_BIT(PORT_LOSSY)) != 0);
    return odd ? cost_odd : 0;
}

/* Rules 5, 7 and 8: do only some kinds of groups explain it? */
static bool is_picky(const struct sick *sick)
{
    return sick->severity <= SEVERITY_INFO ||
           (sick->kinds & (KIND_BIT(PORT_STUCK) | KIND_BIT(LINK_DOWN))) != 0;
}

static bool explains(const struct work *w, uint32_t group, const struct sick *sick)
{
    uint32_t number;
    enum risk_kind kind = riskmap_group_kind(w->map, group, &number);

    if (sick->severity <= SEVERITY_INFO) {
        return kind == RISK_LINK || kind == RISK_FIBRE || kind == RISK_PORT;
    }
    if ((sick->kinds & KIND_BIT(LINK_DOWN)) != 0) {
        return !riskmap_group_tells_no_links(w->map, group);
    }
    return kind == RISK_PORT || kind == RISK_PORT_GROUP || kind == RISK_OCS || kind == RISK_AXIS ||
           kind == RISK_POWER || kind == RISK_SELF;
}

static void find_candidates(struct work *w, struct episode *ep)
{
    ep->cost = xmalloc(ep->n * sizeof *ep->cost);
    for (uint32_t e = 0; e < ep->n; e++) {
        const struct sick *sick = &ep->sick[e];
        bool picky = is_picky(sick), light = (sick->kinds & light_mask) != 0;
        ep->cost[e] = sick->severity <= SEVERITY_INFO ? cost_info : cost_grave;
        for (unsigned i = 0; i < sick->n_groups; i++) {
            uint32_t group = sick->groups[i];
            if (picky && !explains(w, group, sick)) {
                continue;
            }
            if (w->slot[group] == RISKMAP_NONE) {
                VEC_GROW(ep->candidates, ep->n_candidates, ep->cap_candidates);
                w->slot[group] = (uint32_t)ep->n_candidates;
                ep->candidates[ep->n_candidates++] = (struct candidate){.group = group};
            }
            struct candidate *c = &ep->candidates[w->slot[group]];
            c->n_sick++;
            if (sick->watch != WATCH_NOT) {
                c->sick.by[sick->watch]++;
            }
            c->cost += ep->cost[e];
            c->odd += light ? odd_cost(w, group, sick) : 0;
        }
    }
}

static uint32_t healthy_by(const struct work *w, uint32_t group, unsigned by)
{
    assert(w->watched[group].by[by] >= w->sick_of[group].by[by]);
    return w->watched[group].by[by] - w->sick_of[group].by[by];
}

/* Of how many members a group consists that break each on its own. */
static double members_of(const struct work *w, uint32_t group)
{
    uint32_t number;

    switch (riskmap_group_kind(w->map, group, &number)) {
    case RISK_LINK:
    case RISK_FIBRE:
    case RISK_PORT:
    case RISK_OCS_CONTROL:
        return 1;
    case RISK_PORT_GROUP:
        return RISKMAP_PORT_GROUP;
    case RISK_CHIP:
        return TPUNET_PORTS;
    case RISK_HOST:
        return 20; /* links: 16 that leave it and 4 within */
    case RISK_FACE:
    case RISK_AXIS:
        return TPUNET_FACE_LINKS;
    case RISK_CUBE:
        return TPUNET_CUBE_HOSTS;
    case RISK_POWER:
        return riskmap_power_parts(w->map, number);
    case RISK_OCS:
        return w->watched[group].by[WATCH_LINKS] / 2.0; /* circuits */
    case RISK_OBSERVER:
        return 4 * TPUNET_PORTS;
    case RISK_NETWORK:
    case RISK_SELF:
        return 64; /* what hangs on one switch of that network */
    }
    abort();
}

/* Rule 4: log likelihood of so many sick and so many well signals of a broken
 * group; "in part" has the fraction integrated out.  A member's signals go
 * together, so a good part of the group is counted in members; a small part is
 * not the group's doing and is counted in signals. */
static double likelihood(double sick, double well, double members)
{
    double all = sick + well, scale = 1;
    double whole = sick * log_shown + well * log_lost;

    if (sick >= all / 4 && members < all) {
        scale = members / all;
    }
    double in_part = log_partial - log(scale * all + 1);
    if (sick > 0 && well > 0) {
        in_part -= lgamma(scale * all + 1) - lgamma(scale * sick + 1) - lgamma(scale * well + 1);
    }
    return whole > in_part ? whole : in_part;
}

/* Rules 3, 4 and 7. */
static double weight_of(const struct work *w, const struct candidate *c)
{
    uint32_t number, judged = 0;
    double members = members_of(w, c->group), weight = -c->odd;

    weight += w->log_prior[riskmap_group_kind(w->map, c->group, &number)];

    for (unsigned by = 0; by < WATCH_NOT; by++) {
        uint32_t well = healthy_by(w, c->group, by);
        judged += c->sick.by[by];
        if (c->sick.by[by] + well > 0) {
            weight += likelihood(c->sick.by[by], well, members);
        }
    }
    return weight + (c->n_sick - judged) * log_shown;
}

/* Drops the candidates that cannot pay even if nothing else explained their
 * symptoms. */
static void keep_useful(const struct work *w, struct episode *ep)
{
    size_t n = 0;

    ep->weight = xmalloc((ep->n_candidates + 1) * sizeof *ep->weight);
    for (size_t i = 0; i < ep->n_candidates; i++) {
        double weight = weight_of(w, &ep->candidates[i]);
        if (weight + ep->candidates[i].cost > 0) {
            ep->weight[n] = weight;
            w->slot[ep->candidates[i].group] = (uint32_t)n;
            ep->candidates[n++] = ep->candidates[i];
        } else {
            w->slot[ep->candidates[i].group] = RISKMAP_NONE;
        }
    }
    ep->n_candidates = n;
}

/* Both directions of "set contains element". */
static void build_cover(const struct work *w, struct episode *ep)
{
    uint32_t at = 0;
    size_t total = 0;

    keep_useful(w, ep);
    ep->set_at = xcalloc(ep->n_candidates + 2, sizeof *ep->set_at);
    ep->element_at = xcalloc(ep->n + 1, sizeof *ep->element_at);
    for (size_t i = 0; i < ep->n_candidates; i++) {
        ep->set_at[i + 2] = ep->set_at[i + 1] + ep->candidates[i].n_sick;
        total += ep->candidates[i].n_sick;
    }
    ep->members = xmalloc((total + 1) * sizeof *ep->members);
    ep->sets = xmalloc((total + 1) * sizeof *ep->sets);
    for (uint32_t e = 0; e < ep->n; e++) {
        const struct sick *sick = &ep->sick[e];
        bool picky = is_picky(sick);
        ep->element_at[e] = at;
        for (unsigned i = 0; i < sick->n_groups; i++) {
            uint32_t group = sick->groups[i], set = w->slot[group];
            if (set != RISKMAP_NONE && (!picky || explains(w, group, sick))) {
                ep->members[ep->set_at[set + 1]++] = e;
                ep->sets[at++] = set;
            }
        }
    }
    ep->element_at[ep->n] = at;
    for (size_t i = 0; i < ep->n_candidates; i++) {
        w->slot[ep->candidates[i].group] = RISKMAP_NONE;
    }
}

/* --------------------------------------------------------------- answers -- */

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Storms mostly come in order. */
static void sort_numbers(uint32_t *numbers, size_t n)
{
    size_t i = 1;

    while (i < n && numbers[i - 1] <= numbers[i]) {
        i++;
    }
    if (i < n) {
        qsort(numbers, n, sizeof *numbers, compare_numbers);
    }
}

static void take_evidence(const struct work *w, const struct episode *ep, uint32_t set,
                          struct cause *cause)
{
    size_t n = 0;

    for (uint32_t i = ep->set_at[set]; i < ep->set_at[set + 1]; i++) {
        n += ep->sick[ep->members[i]].n_refs;
    }
    cause->symptoms = xcalloc(n + 1, sizeof *cause->symptoms);
    for (uint32_t i = ep->set_at[set]; i < ep->set_at[set + 1]; i++) {
        const struct sick *sick = &ep->sick[ep->members[i]];
        for (uint32_t k = 0; k < sick->n_refs; k++) {
            const struct symptom *s = &w->symptoms[w->order[sick->refs + k].index];
            bool begin = cause->n_symptoms == 0;
            cause->first = begin || s->first.ms < cause->first.ms ? s->first : cause->first;
            cause->last = begin || s->last.ms > cause->last.ms ? s->last : cause->last;
            cause->severity = s->severity > cause->severity ? s->severity : cause->severity;
            cause->symptoms[cause->n_symptoms++] = w->order[sick->refs + k].index;
        }
    }
    sort_numbers(cause->symptoms, n);
}

static void take_cause(struct work *w, const struct episode *ep, const struct cover *cover,
                       uint32_t set)
{
    struct cover_rival rivals[CAUSE_RIVALS_MAX];
    uint32_t number;
    double odds;

    assert(set < ep->n_candidates && ep->candidates != NULL);
    VEC_GROW(w->out->causes, w->out->n_causes, w->cap_causes);
    struct cause *cause = &w->out->causes[w->out->n_causes++];
    uint32_t group = ep->candidates[set].group;
    *cause = (struct cause){.group = group,
                            .kind = riskmap_group_kind(w->map, group, &number),
                            .alone = cover_alone(cover, set)};
    for (unsigned by = 0; by < WATCH_NOT; by++) {
        cause->healthy += healthy_by(w, group, by);
    }
    take_evidence(w, ep, set, cause);
    cause->n_rivals = cover_rivals(cover, set, rivals, CAUSE_RIVALS_MAX, &odds);
    cause->confidence = 1 / (1 + odds);
    for (size_t i = 0; i < cause->n_rivals; i++) {
        cause->rivals[i].group = ep->candidates[rivals[i].set].group;
        cause->rivals[i].confidence = exp(-rivals[i].loss) / (1 + odds);
    }
}

static void explain(struct work *w, const struct sick *sick, uint32_t n)
{
    struct episode ep = {.sick = sick, .n = n};
    size_t n_picked;

    find_candidates(w, &ep);
    build_cover(w, &ep);
    struct cover_problem problem = {
        n,      (uint32_t)ep.n_candidates, ep.cost, ep.weight, ep.set_at, ep.members, ep.element_at,
        ep.sets};
    struct cover *cover = cover_solve(&problem);
    const uint32_t *picked = cover_picked(cover, &n_picked);
    for (size_t i = 0; i < n_picked; i++) {
        take_cause(w, &ep, cover, picked[i]);
    }
    for (uint32_t e = 0; e < n; e++) {
        for (uint32_t k = 0; k < sick[e].n_refs && !cover_has(cover, e); k++) {
            add_unexplained(w, w->order[sick[e].refs + k].index);
        }
    }
    cover_destroy(cover);
    free(ep.candidates);
    free(ep.cost);
    free(ep.weight);
    free(ep.set_at);
    free(ep.members);
    free(ep.element_at);
    free(ep.sets);
}

/* The gap between any two is small then, whatever their order. */
static bool is_one_episode(const struct work *w, const struct rootcause_params *params)
{
    int64_t first = w->sick[0].first.ms, last = first; /* of none: 0, as allocated */

    for (size_t i = 1; i < w->n_sick; i++) {
        first = w->sick[i].first.ms < first ? w->sick[i].first.ms : first;
        last = w->sick[i].first.ms > last ? w->sick[i].first.ms : last;
    }
    return last - first <= params->episode_gap_ms;
}

void rootcause_find(struct riskmap *map, const struct symptom *symptoms, size_t n,
                    const struct rootcause_params *params, struct diagnosis *out)
{
    size_t n_groups = riskmap_groups(map);
    struct work w = {.map = map, .symptoms = symptoms, .out = out};

    assert(n < UINT32_MAX);
    *out = (struct diagnosis){0};
    if (n == 0) {
        return;
    }
    for (unsigned kind = 0; kind < RISK_KIND_COUNT; kind++) {
        w.log_prior[kind] = log(prior_per_day[kind]) + log_episode_days;
    }
    w.watched = riskmap_watched(map);
    w.sick_of = xcalloc(n_groups, sizeof *w.sick_of);
    w.slot = xmalloc(n_groups * sizeof *w.slot);
    memset(w.slot, 0xFF, n_groups * sizeof *w.slot);
    order_symptoms(&w, n);
    gather_sick(&w);
    find_groups(&w);
    if (!is_one_episode(&w, params)) {
        qsort(w.sick, w.n_sick, sizeof *w.sick, compare_sick);
    }
    for (size_t from = 0, to; from < w.n_sick; from = to) { /* rule 2 */
        to = from + 1;
        while (to < w.n_sick &&
               w.sick[to - 1].first.ms - w.sick[to].first.ms <= params->episode_gap_ms) {
            to++;
        }
        explain(&w, w.sick + from, (uint32_t)(to - from));
    }
    sort_numbers(out->unexplained, out->n_unexplained);
    free(w.order);
    free(w.sick);
    free(w.groups);
    free(w.sick_of);
    free(w.slot);
}

void diagnosis_fini(struct diagnosis *d)
{
    for (size_t i = 0; i < d->n_causes; i++) {
        free(d->causes[i].symptoms);
    }
    free(d->causes);
    free(d->unexplained);
    *d = (struct diagnosis){0};
}

size_t rootcause_healthy(const struct riskmap *map, const struct symptom *symptoms, size_t n,
                         uint32_t group, uint32_t *signals, size_t max)
{
    bool *sick = xcalloc(riskmap_signals(map), sizeof *sick);
    uint32_t groups[RISKMAP_OF_SIGNAL];
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t signal =
            riskmap_signal(map, symptom_signal_kind(symptoms[i].kind), symptoms[i].number);
        if (signal != RISKMAP_NONE) {
            sick[signal] = true;
        }
    }
    for (uint32_t s = 0; s < riskmap_signals(map) && found < max; s++) {
        if (sick[s] || riskmap_watch(map, s) == WATCH_NOT) {
            continue;
        }
        for (unsigned k = riskmap_groups_of(map, s, false, groups); k-- > 0 && found < max;) {
            if (groups[k] == group) {
                signals[found++] = s;
                break;
            }
        }
    }
    free(sick);
    return found;
}
