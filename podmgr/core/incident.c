/* The rules:
 *
 *   1. A cause that names the part of an open incident is that incident.
 *   2. A cause that shares symptoms with an open incident whose own cause is no
 *      longer named is the same incident, understood better: it takes the new
 *      cause.  Of several the oldest lives on and the others are merged into it.
 *   3. Any other cause opens an incident.
 *   4. An open incident whose cause is gone stays open for quiet_ms: then it is
 *      closed, having recovered when its cause went.  A wall clock that was set
 *      back begins that time anew.
 *   5. A cause that comes back while its incident is open, or within return_ms of
 *      its end, counts as one more time of the same incident.
 *   6. Each return doubles the quiet that it takes to close: what flaps stays
 *      one open incident with a count.
 *   7. News is what a person would want to hear: the cause, the severity, or
 *      symptoms that doubled; not each wobble of a probability.
 *   8. The newest INCIDENTS_CLOSED_KEPT closed incidents are kept. */
#include "core/incident.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct incidents {
    struct incident **items;
    size_t n, cap;
};

void incident_destroy(struct incident *incident)
{
    if (incident != NULL) {
        free(incident->slices);
        free(incident->signals);
        free(incident);
    }
}

struct incidents *incidents_create(void)
{
    return xcalloc(1, sizeof(struct incidents));
}

void incidents_destroy(struct incidents *list)
{
    if (list != NULL) {
        for (size_t i = 0; i < list->n; i++) {
            incident_destroy(list->items[i]);
        }
        free(list->items);
        free(list);
    }
}

size_t incidents_count(const struct incidents *list)
{
    return list->n;
}

struct incident *incidents_at(const struct incidents *list, size_t i)
{
    assert(i < list->n);
    return list->items[i];
}

struct incident *incidents_find(const struct incidents *list, struct id id)
{
    size_t lo = 0, hi = list->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = id_compare(list->items[mid]->id, id);
        if (order == 0) {
            return list->items[mid];
        }
        if (order < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

void incidents_add(struct incidents *list, struct incident *incident)
{
    assert(list->n == 0 || id_compare(list->items[list->n - 1]->id, incident->id) < 0);
    VEC_GROW(list->items, list->n, list->cap);
    list->items[list->n++] = incident;
}

/* --------------------------------------------------------------- signals -- */

static int compare_signals(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t *signals_of(const struct incident_look *look, const struct cause *cause)
{
    uint64_t *signals = xcalloc(cause->n_symptoms + 1, sizeof *signals);

    for (size_t i = 0; i < cause->n_symptoms; i++) {
        const struct symptom *s = &look->symptoms[cause->symptoms[i]];
        signals[i] = (uint64_t)symptom_signal_kind(s->kind) << 32 | s->number;
    }
    qsort(signals, cause->n_symptoms, sizeof *signals, compare_signals);
    return signals;
}

static bool share_a_signal(const uint64_t *a, size_t n_a, const uint64_t *b, size_t n_b)
{
    for (size_t i = 0, k = 0; i < n_a && k < n_b;) {
        if (a[i] == b[k]) {
            return true;
        }
        if (a[i] < b[k]) {
            i++;
        } else {
            k++;
        }
    }
    return false;
}

/* ---------------------------------------------------------------- a look -- */

/* What a look has found out so far of each incident and each cause. */
struct looking {
    struct incidents *list;
    const struct incident_look *look;
    const struct incident_params *params;
    bool *named;  /* [incidents before the look] by a cause of this look */
    size_t n_old; /* incidents before the look */
    struct incident_news *news;
    size_t n_news, cap_news;
};

static void tell(struct looking *l, enum incident_news_kind kind, struct id id)
{
    for (size_t i = 0; i < l->n_news; i++) {
        if (id_compare(l->news[i].id, id) == 0) {
            /* Later news of the same look says more, unless it merely updates. */
            l->news[i].kind = kind == INCIDENT_UPDATED ? l->news[i].kind : kind;
            return;
        }
    }
    VEC_GROW(l->news, l->n_news, l->cap_news);
    l->news[l->n_news++] = (struct incident_news){kind, id};
}

static void describe_rivals(const struct incident_look *look, const struct cause *cause,
                            char out[static INCIDENT_TEXT_MAX])
{
    char name[RISKMAP_NAME_MAX];
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < cause->n_rivals && len < INCIDENT_TEXT_MAX; i++) {
        if (cause->rivals[i].confidence >= 0.01) {
            len += (size_t)snprintf(out + len, INCIDENT_TEXT_MAX - len, "%s%s %.2f",
                                    len > 0 ? ", " : "",
                                    riskmap_group_name(look->map, cause->rivals[i].group, name),
                                    cause->rivals[i].confidence);
        }
    }
}

/* Rule 7. */
static bool take_cause(struct incident *incident, const struct incident_look *look,
                       const struct cause *cause)
{
    char part[RISKMAP_NAME_MAX];
    uint32_t symptoms = (uint32_t)cause->n_symptoms;

    (void)riskmap_group_name(look->map, cause->group, part);
    bool news = strcmp(incident->part, part) != 0 || incident->kind != cause->kind ||
                cause->severity > incident->severity || symptoms >= 2 * incident->symptoms;
    memcpy(incident->part, part, sizeof part);
    incident->kind = cause->kind;
    incident->confidence = cause->confidence;
    describe_rivals(look, cause, incident->rivals);
    incident->severity =
        cause->severity > incident->severity ? cause->severity : incident->severity;
    incident->symptoms = symptoms;
    incident->healthy = cause->healthy;
    free(incident->signals);
    incident->signals = signals_of(look, cause);
    incident->n_signals = cause->n_symptoms;
    incident->updated = look->now;
    return news;
}

/* Rules 1 and 5. */
static void is_there(struct looking *l, struct incident *incident, const struct cause *cause)
{
    bool reopened = !incident_is_open(incident), back = reopened || incident->gone.ms != 0;

    incident->recalled = false;
    if (back) {
        incident->count++;
        incident->closed.ms = incident->gone.ms = 0;
        incident->recovered.ms = 0;
    }
    if (take_cause(incident, l->look, cause) || back) {
        tell(l, reopened ? INCIDENT_REOPENED : INCIDENT_UPDATED, incident->id);
    }
}

/* Rules 1 and 5: the newest incident of that part that is open or ended lately. */
static struct incident *of_part(struct looking *l, const struct cause *cause, size_t *at)
{
    char part[RISKMAP_NAME_MAX];

    (void)riskmap_group_name(l->look->map, cause->group, part);
    for (size_t i = l->n_old; i-- > 0;) {
        struct incident *incident = l->list->items[i];
        bool alive = incident_is_open(incident) ||
                     (id_is_none(incident->merged_into) &&
                      l->look->now.ms - incident->closed.ms <= l->params->return_ms);
        if (alive && incident->kind == cause->kind && strcmp(incident->part, part) == 0) {
            *at = i;
            return incident;
        }
    }
    return NULL;
}

static void merge(struct looking *l, struct incident *from, struct incident *into)
{
    for (size_t i = 0; i < from->n_slices; i++) {
        (void)incident_touches(into, from->slices[i]);
    }
    into->began = from->began.ms < into->began.ms ? from->began : into->began;
    from->merged_into = into->id;
    from->closed = from->updated = l->look->now;
    tell(l, INCIDENT_MERGED, from->id);
}

/* Rule 2: the open incidents of which no cause speaks any more and that share
 * symptoms with this one.  The oldest takes the cause, unless `into` has it. */
static struct incident *take_over(struct looking *l, const struct cause *cause,
                                  struct incident *into)
{
    uint64_t *signals = signals_of(l->look, cause);

    for (size_t i = 0; i < l->n_old; i++) {
        struct incident *old = l->list->items[i];
        if (l->named[i] || !incident_is_open(old) ||
            !share_a_signal(old->signals, old->n_signals, signals, cause->n_symptoms)) {
            continue;
        }
        l->named[i] = true;
        if (into == NULL) {
            into = old;
            is_there(l, old, cause);
        } else {
            merge(l, old, into);
        }
    }
    free(signals);
    return into;
}

/* Rule 3; one incident for the episodes of one part. */
static void open_incident(struct looking *l, const struct cause *cause)
{
    char part[RISKMAP_NAME_MAX];

    (void)riskmap_group_name(l->look->map, cause->group, part);
    for (size_t i = l->n_old; i < l->list->n; i++) {
        struct incident *twin = l->list->items[i];
        if (twin->kind == cause->kind && strcmp(twin->part, part) == 0) {
            twin->began = cause->first.ms < twin->began.ms ? cause->first : twin->began;
            twin->count++;
            return;
        }
    }
    struct incident *incident = xcalloc(1, sizeof *incident);

    incident->id = l->look->new_id(l->look->arg);
    incident->began = cause->first;
    incident->opened = l->look->now;
    incident->count = 1;
    (void)take_cause(incident, l->look, cause);
    incidents_add(l->list, incident);
    tell(l, INCIDENT_OPENED, incident->id);
}

static void look_at_causes(struct looking *l)
{
    const struct diagnosis *d = l->look->diagnosis;
    struct incident **same = xcalloc(d->n_causes + 1, sizeof *same);

    for (size_t c = 0; c < d->n_causes; c++) {
        size_t at;
        same[c] = of_part(l, &d->causes[c], &at);
        if (same[c] != NULL && !l->named[at]) {
            l->named[at] = true;
            is_there(l, same[c], &d->causes[c]);
        }
    }
    for (size_t c = 0; c < d->n_causes; c++) {
        if (take_over(l, &d->causes[c], same[c]) == NULL) {
            open_incident(l, &d->causes[c]);
        }
    }
    free(same);
}

/* Rules 4 and 6. */
static void look_at_the_rest(struct looking *l)
{
    for (size_t i = 0; i < l->n_old; i++) {
        struct incident *incident = l->list->items[i];
        if (l->named[i] || !incident_is_open(incident)) {
            continue;
        }
        if (incident->gone.ms == 0 || l->look->now.ms < incident->gone.ms) {
            incident->gone = l->look->now;
        }
        unsigned returns = incident->count - 1;
        int64_t quiet_ms = l->params->quiet_ms
                           << (returns < l->params->damp_max ? returns : l->params->damp_max);
        if (l->look->now.ms - incident->gone.ms >= quiet_ms) {
            incident_recover(incident, incident->gone);
            incident->closed = incident->updated = l->look->now;
            tell(l, INCIDENT_CLOSED, incident->id);
        }
    }
}

/* Rule 8. */
static void forget_old(struct looking *l)
{
    size_t closed = 0, kept = 0;

    for (size_t i = 0; i < l->list->n; i++) {
        closed += !incident_is_open(l->list->items[i]);
    }
    for (size_t i = 0; i < l->list->n; i++) {
        struct incident *incident = l->list->items[i];
        if (!incident_is_open(incident) && closed > INCIDENTS_CLOSED_KEPT) {
            closed--;
            tell(l, INCIDENT_FORGOTTEN, incident->id);
            incident_destroy(incident);
        } else {
            l->list->items[kept++] = incident;
        }
    }
    l->list->n = kept;
}

static int compare_news(const void *a, const void *b)
{
    return id_compare(((const struct incident_news *)a)->id, ((const struct incident_news *)b)->id);
}

struct incident_news *incidents_look(struct incidents *list, const struct incident_look *look,
                                     const struct incident_params *params, size_t *n_news)
{
    struct looking l = {.list = list,
                        .look = look,
                        .params = params,
                        .named = xcalloc(list->n + 1, sizeof *l.named),
                        .n_old = list->n};

    assert(params->quiet_ms > 0 && params->damp_max < 16);
    look_at_causes(&l);
    look_at_the_rest(&l);
    forget_old(&l);
    free(l.named);
    if (l.n_news > 0) {
        qsort(l.news, l.n_news, sizeof *l.news, compare_news);
    }
    *n_news = l.n_news;
    return l.news;
}

/* --------------------------------------------------------------- actions -- */

bool incident_touches(struct incident *incident, struct id slice)
{
    for (size_t i = 0; i < incident->n_slices; i++) {
        if (id_compare(incident->slices[i], slice) == 0) {
            return false;
        }
    }
    VEC_GROW(incident->slices, incident->n_slices, incident->cap_slices);
    incident->slices[incident->n_slices++] = slice;
    return true;
}

void incident_act(struct incident *incident, struct wall_ms now, const char *text)
{
    if (incident->n_actions == INCIDENT_ACTIONS) {
        memmove(incident->actions, incident->actions + 1,
                (INCIDENT_ACTIONS - 1) * sizeof *incident->actions);
        incident->n_actions--;
    }
    struct incident_action *action = &incident->actions[incident->n_actions++];
    action->at = now;
    (void)snprintf(action->text, sizeof action->text, "%s", text);
    if (incident->decided.ms == 0) {
        incident->decided = now;
    }
    incident->updated = now;
}

void incident_recover(struct incident *incident, struct wall_ms now)
{
    if (incident->recovered.ms == 0) {
        incident->recovered = now;
    }
}

struct incident_times incident_times(const struct incident *incident)
{
    return (struct incident_times){
        .detect_ms = incident->opened.ms - incident->began.ms,
        .decide_ms = incident->decided.ms == 0 ? -1 : incident->decided.ms - incident->opened.ms,
        .recover_ms =
            incident->recovered.ms == 0 ? -1 : incident->recovered.ms - incident->opened.ms,
    };
}
