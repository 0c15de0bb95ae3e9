/* Intake of reports and leases.
 *
 *   1. A hello names the hosts that an observer stands for; a host has one
 *      observer, the newest.  A new instance starts its numbering anew.
 *   2. A report of a host counts only from the host's observer.
 *   3. Reports of a host are numbered without gaps.  One that was taken before
 *      is acknowledged again without effect; one before which another is
 *      missing is refused; a snapshot fills every gap.
 *   4. A finding is what holds now: OK takes it away, the same check again
 *      replaces it.  Only a change of severity is news for the journal.
 *   5. A host whose probe does not answer while its observer lives is silent; that
 *      and the end of it are news.
 *   6. What was found stays until its observer, or the next one's snapshot,
 *      takes it back: silence heals nothing (D7 of observers).
 *   7. What a preflight found is our own word, which no observer takes back: it
 *      stays until a later one passes or an operator clears the cube or host. */
#include "core/health.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "mem.h"

struct observed {
    struct host_health hosts[MODEL_HOSTS_MAX];
    struct observer *observers;
    size_t n_observers, cap_observers;
    uint32_t next_id;
};

struct observed *health_create(void)
{
    struct observed *health = xcalloc(1, sizeof *health);

    health->next_id = 1;
    return health;
}

void health_destroy(struct observed *health)
{
    if (health == NULL) {
        return;
    }
    for (size_t i = 0; i < health->n_observers; i++) {
        free(health->observers[i].hosts);
        free(health->observers[i].goldens);
    }
    for (size_t h = 0; h < MODEL_HOSTS_MAX; h++) {
        free(health->hosts[h].findings);
    }
    free(health->observers);
    free(health);
}

/* ----------------------------------------------------------- accessors -- */

const struct host_health *health_of(const struct model *m, unsigned host)
{
    assert(host < model_hosts(m));
    return &m->health->hosts[host];
}

static struct observer *observer_named(struct observed *health, const char *name)
{
    for (size_t i = 0; i < health->n_observers; i++) {
        if (strcmp(health->observers[i].name, name) == 0) {
            return &health->observers[i];
        }
    }
    return NULL;
}

const struct observer *health_observer_named(const struct model *m, const char *name)
{
    return observer_named(m->health, name);
}

const struct observer *health_observers(const struct model *m, size_t *n)
{
    *n = m->health->n_observers;
    return m->health->observers;
}

uint32_t health_observer(const struct model *m, unsigned host, struct mono_ns now,
                         unsigned within_ms)
{
    uint32_t id = health_of(m, host)->observer;

    if (id == 0) {
        return 0;
    }
    const struct observer *o = &m->health->observers[id - 1];
    assert(o->id == id); /* ids are given in turn, and nobody goes */
    return mono_ms_since(o->seen, now) <= within_ms ? id : 0;
}

static bool is_worse(const struct finding *f, const struct finding *than)
{
    return than == NULL || f->severity > than->severity;
}

const struct finding *health_worst_of_host(const struct model *m, unsigned host)
{
    const struct host_health *h = health_of(m, host);
    const struct finding *worst = NULL;

    for (size_t i = 0; i < h->n_findings; i++) {
        worst = is_worse(&h->findings[i], worst) ? &h->findings[i] : worst;
    }
    return worst;
}

const struct finding *health_worst_of_part(const struct model *m, unsigned host,
                                           enum finding_scope scope, unsigned index)
{
    const struct host_health *h = health_of(m, host);
    const struct finding *worst = NULL;

    for (size_t i = 0; i < h->n_findings; i++) {
        const struct finding *f = &h->findings[i];
        if (f->scope == scope && f->index == index && is_worse(f, worst)) {
            worst = f;
        }
    }
    return worst;
}

bool health_is_observed(const struct model *m, unsigned host, struct mono_ns now,
                        unsigned within_ms)
{
    const struct host_health *h = health_of(m, host);
    return h->heard.ns != 0 && mono_ms_since(h->heard, now) <= within_ms;
}

/* -------------------------------------------------------------- hello -- */

/* Rule 1.  Its record, by name; *fresh if this instance was not known. */
static struct observer *enlist(struct observed *health, struct event *ev, bool *fresh)
{
    struct observer *o = observer_named(health, ev->observer.name);

    *fresh = o == NULL || o->instance != ev->observer.instance;
    if (o == NULL) {
        VEC_GROW(health->observers, health->n_observers, health->cap_observers);
        o = &health->observers[health->n_observers++];
        *o = (struct observer){.id = health->next_id++};
        memcpy(o->name, ev->observer.name, sizeof o->name);
    }
    o->instance = ev->observer.instance;
    free(o->hosts);
    o->hosts = ev->observer.hosts; /* taken over */
    o->n_hosts = ev->observer.n_hosts;
    ev->observer.hosts = NULL;
    free(o->goldens);
    o->goldens = ev->observer.goldens;
    ev->observer.goldens = NULL;
    return o;
}

void health_hello(struct model *m, struct event *ev, struct outbox *out)
{
    struct observed *health = m->health;
    bool fresh;

    if (health_observer_named(m, ev->observer.name) == NULL &&
        health->n_observers == MODEL_HOSTS_MAX) {
        emit_refusal(out, ev->cookie, E_FULL, "too-many-observers",
                     "%zu observers are known already", health->n_observers);
        return;
    }
    struct observer *o = enlist(health, ev, &fresh);
    o->seen = ev->now.mono;
    for (size_t i = 0; i < o->n_hosts; i++) {
        struct host_health *host = &health->hosts[o->hosts[i]];
        if (fresh || host->observer != o->id) {
            host->observer = o->id;
            host->next_sequence = 0;
            host->silent = false;
        }
    }
    if (fresh) {
        emit_journal(m, out, ev->now, "observer.arrived", o->name,
                     json_pack("{s:I}", "hosts", (json_int_t)o->n_hosts));
    }
    emit_done(out, ev->cookie, (struct id){.epoch = fresh});
}

/* -------------------------------------------------------------- leases -- */

/* Rule 5. */
static void hear(struct model *m, struct event *ev, unsigned number, bool answers,
                 struct outbox *out)
{
    struct host_health *host = &m->health->hosts[number];
    char subject[80];

    if (answers) {
        host->heard = ev->now.mono;
    }
    if (host->silent == answers) {
        struct part part = finding_part(number, SCOPE_HOST, 0);
        host->silent = !answers;
        emit_journal(m, out, ev->now, answers ? "host.answers" : "host.silent",
                     part_format(&part, subject), NULL);
    }
}

void health_lease(struct model *m, struct event *ev, struct outbox *out)
{
    for (size_t i = 0; i < m->health->n_observers; i++) {
        struct observer *o = &m->health->observers[i];
        if (o->id != ev->lease.observer) {
            continue;
        }
        o->seen = ev->now.mono;
        /* A hello of other hosts may have stood before it in the queue. */
        bool of_these = ev->lease.n_bytes == (o->n_hosts + 7) / 8;
        for (size_t h = 0; h < o->n_hosts && of_these; h++) {
            if (m->health->hosts[o->hosts[h]].observer == o->id) { /* else another's by now */
                hear(m, ev, o->hosts[h], (ev->lease.answering[h / 8] >> h % 8 & 1) != 0, out);
            }
        }
        return;
    }
}

void health_renew(struct model *m, struct now now)
{
    for (size_t i = 0; i < m->health->n_observers; i++) {
        m->health->observers[i].seen = now.mono;
    }
    for (unsigned h = 0; h < model_hosts(m); h++) {
        struct host_health *host = &m->health->hosts[h];
        if (host->heard.ns != 0 && !host->silent) {
            host->heard = now.mono;
        }
    }
}

/* ------------------------------------------------------------- reports -- */

static struct finding *find(struct host_health *host, const struct finding *like)
{
    for (size_t i = 0; i < host->n_findings; i++) {
        struct finding *f = &host->findings[i];
        if (finding_same(f, like)) {
            return f;
        }
    }
    return NULL;
}

static void tell(struct model *m, struct outbox *out, struct now now, uint16_t host,
                 const struct finding *f, enum severity was)
{
    struct part part = finding_part(host, f->scope, f->index);
    char subject[80], since[32];

    emit_journal(m, out, now, "health.verdict", part_format(&part, subject),
                 json_pack("{s:s,s:s,s:s,s:s,s:s}", "check", f->check, "severity",
                           severity_name(f->severity), "was", severity_name(was), "since",
                           wall_format(f->since, since), "text", f->text));
}

/* Rule 4. */
static void take_finding(struct model *m, uint16_t number, const struct finding *new,
                         struct now now, struct outbox *out)
{
    struct host_health *host = &m->health->hosts[number];
    struct finding *old = find(host, new);
    enum severity was = old != NULL ? old->severity : SEVERITY_OK;

    if (was != new->severity) {
        tell(m, out, now, number, new, was);
    }
    if (new->severity == SEVERITY_OK) {
        if (old != NULL) {
            *old = host->findings[--host->n_findings];
        }
    } else if (old != NULL) {
        *old = *new;
    } else if (host->n_findings < HEALTH_FINDINGS) {
        VEC_GROW(host->findings, host->n_findings, host->cap_findings);
        assert(host->findings != NULL);
        host->findings[host->n_findings++] = *new;
    }
}

/* Whatever the snapshot does not name is OK by now. */
static void drop_unnamed(struct model *m, struct event *ev, struct outbox *out)
{
    struct host_health *host = &m->health->hosts[ev->health.host];

    for (size_t i = host->n_findings; i-- > 0;) {
        struct finding gone = host->findings[i];
        bool named = strcmp(gone.check, HEALTH_PREFLIGHT) == 0; /* not the observer's */
        for (size_t k = 0; k < ev->health.n_findings && !named; k++) {
            named = finding_same(&ev->health.findings[k], &gone);
        }
        if (!named) {
            gone.severity = SEVERITY_OK;
            gone.since = ev->now.wall;
            take_finding(m, ev->health.host, &gone, ev->now, out);
        }
    }
}

void health_report(struct model *m, struct event *ev, struct outbox *out)
{
    const struct health_report *r = &ev->health;
    struct host_health *host = &m->health->hosts[r->host];

    assert(r->host < model_hosts(m));
    if (host->observer != r->observer) { /* rule 2 */
        emit_refusal(out, ev->cookie, E_DENIED, "wrong-host", "another observer stands for it");
        return;
    }
    if (host->next_sequence != 0 && r->sequence < host->next_sequence) { /* rule 3 */
        emit_done(out, ev->cookie, (struct id){0});
        return;
    }
    if (!r->snapshot && r->sequence != host->next_sequence) {
        emit_refusal(out, ev->cookie, E_CONFLICT, "out-of-order",
                     "report %llu came, %llu is awaited", (unsigned long long)r->sequence,
                     (unsigned long long)host->next_sequence);
        return;
    }
    if (r->snapshot) {
        drop_unnamed(m, ev, out);
    }
    for (size_t i = 0; i < r->n_findings; i++) {
        take_finding(m, r->host, &r->findings[i], ev->now, out);
    }
    host->next_sequence = r->sequence + 1;
    emit_done(out, ev->cookie, (struct id){0});
}

/* ------------------------------------------------------------ our own word -- */

void health_blame(struct model *m, uint16_t host, enum finding_scope scope, unsigned index,
                  const char *text, struct now now, struct outbox *out)
{
    struct finding f = {.scope = scope,
                        .index = (uint8_t)index,
                        .severity = SEVERITY_SEVERE,
                        .since = now.wall,
                        .check = HEALTH_PREFLIGHT};

    (void)snprintf(f.text, sizeof f.text, "%s", text);
    take_finding(m, host, &f, now, out);
}

void health_forgive(struct model *m, uint16_t host, struct now now, struct outbox *out)
{
    struct host_health *h = &m->health->hosts[host];

    for (size_t i = h->n_findings; i-- > 0;) {
        struct finding gone = h->findings[i];
        if (strcmp(gone.check, HEALTH_PREFLIGHT) == 0) {
            gone.severity = SEVERITY_OK;
            gone.since = now.wall;
            take_finding(m, host, &gone, now, out);
        }
    }
}
