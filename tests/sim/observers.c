/* The observers (healthd) of the hosts: leases, and reports of chips that are gone,
 * numbered and repeated until podmgr has them, as healthd/report.c has it; besides
 * a finding of no weight now and then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/health.h"
#include "core/preflight.h"
#include "mem.h"
#include "sim.h"

enum { BEAT_MS = 1000, CHIPS = 4, NOISE_BIT = CHIPS };

struct told { /* of a host */
    const struct manager *to;
    uint64_t sequence;
    unsigned mask; /* chips that are gone, and the noise */
};

struct healthd {
    struct sim *s;
    char name[64];
    uint64_t instance;
    uint16_t first, n_hosts;
    int64_t silent_until_ns;
    const struct manager *taken_of; /* orders up to `taken` of this podmgr are taken */
    uint64_t taken;
    struct told *told;
};

static unsigned mask_now(struct sim *s, unsigned host, unsigned before)
{
    unsigned mask = s->chaos ? before & 1U << NOISE_BIT : 0;

    for (unsigned k = 0; k < CHIPS; k++) {
        struct tpunet_chip chip =
            tpunet_host_chip((uint16_t)(host / TPUNET_CUBE_HOSTS), host % TPUNET_CUBE_HOSTS, k);
        mask |= (unsigned)(s->w->chips[tpunet_chip_number(chip)].dead > 0) << k;
    }
    return s->chaos && sim_chance(s, 0.002) ? mask ^ 1U << NOISE_BIT : mask;
}

static struct finding finding_of(unsigned bit, bool on, struct wall_ms now)
{
    bool noise = bit == NOISE_BIT;
    struct finding f = {.scope = noise ? SCOPE_HOST : SCOPE_CHIP,
                        .index = (uint8_t)(noise ? 0 : bit),
                        .severity = !on     ? SEVERITY_OK
                                    : noise ? SEVERITY_DEGRADED
                                            : SEVERITY_FATAL,
                        .since = now};

    (void)snprintf(f.check, sizeof f.check, "%s", noise ? "host-hot" : "accelerator-missing");
    (void)snprintf(f.text, sizeof f.text, "the simulation says so");
    return f;
}

static void post_report(struct healthd *d, uint32_t observer, unsigned host, struct told *told,
                        unsigned mask, uint64_t awaited)
{
    struct event ev = {.kind = EV_HEALTH,
                       .health = {.observer = observer,
                                  .host = (uint16_t)host,
                                  .snapshot = awaited == 0 || sim_chance(d->s, 0.2),
                                  .sequence = awaited != 0 ? awaited : told->sequence + 1}};
    struct wall_ms now = {(sim_now(d->s) / MS) + d->s->wall_offset_ms};

    ev.health.findings = xcalloc(CHIPS + 1, sizeof *ev.health.findings);
    for (unsigned bit = 0; bit <= NOISE_BIT; bit++) {
        bool on = (mask >> bit & 1) != 0, was = (told->mask >> bit & 1) != 0;
        if (ev.health.snapshot ? on : on != was) {
            ev.health.findings[ev.health.n_findings++] = finding_of(bit, on, now);
        }
    }
    *told = (struct told){d->s->current, ev.health.sequence, mask};
    manager_post(d->s->current, &ev);
}

static void report(struct healthd *d, const struct observer *known)
{
    const struct model *m = d->s->current->model;

    for (unsigned i = 0; i < d->n_hosts; i++) {
        struct told *told = &d->told[i];
        const struct host_health *host = health_of(m, d->first + i);
        uint64_t awaited = host->next_sequence;
        bool ours = host->observer == known->id;
        bool on_its_way = told->to == d->s->current && told->sequence >= awaited;
        unsigned mask = mask_now(d->s, d->first + i, told->mask);
        if (ours && !on_its_way && (awaited == 0 || mask != told->mask)) {
            post_report(d, known->id, d->first + i, told, mask, awaited);
        }
    }
}

static void lease(struct healthd *d, uint32_t observer)
{
    struct event ev = {.kind = EV_HEALTH_LEASE, .lease = {.observer = observer}};

    ev.lease.n_bytes = (d->n_hosts + 7U) / 8;
    ev.lease.answering = xcalloc(d->n_hosts / 8U + 1, 1);
    for (unsigned h = 0; h < d->n_hosts; h++) {
        bool answers = (mask_now(d->s, d->first + h, 0) & 15U) != 15;
        ev.lease.answering[h / 8] |= (uint8_t)(answers << h % 8);
    }
    manager_post(d->s->current, &ev);
}

static void hello(struct healthd *d)
{
    struct event ev = {.kind = EV_HEALTH_HELLO};

    (void)snprintf(ev.observer.name, sizeof ev.observer.name, "%s", d->name);
    ev.observer.instance = d->instance;
    ev.observer.hosts = xcalloc(d->n_hosts, sizeof *ev.observer.hosts);
    for (uint16_t h = 0; h < d->n_hosts; h++) {
        ev.observer.hosts[ev.observer.n_hosts++] = d->first + h;
    }
    manager_post(d->s->current, &ev);
}

static void beat(void *arg)
{
    struct healthd *d = arg;
    struct sim *s = d->s;

    sim_after(s, BEAT_MS * MS, beat, d);
    if (sim_now(s) < d->silent_until_ns || s->current == NULL || !s->current->alive ||
        manager_is_paused(s->current)) {
        return;
    }
    const struct observer *known = health_observer_named(s->current->model, d->name);
    if (known == NULL || known->instance != d->instance) {
        hello(d);
    } else {
        lease(d, known->id);
        report(d, known);
    }
}

/* -------------------------------------------------------------- preflight -- */

struct order {
    struct healthd *d;
    uint64_t instance;
    struct fitness verdict;
};

static void check_host(struct order *o, uint16_t host)
{
    unsigned mask = mask_now(o->d->s, host, 0);

    o->verdict.hosts[o->verdict.n_hosts++] = host;
    for (unsigned k = 0; k < CHIPS; k++) {
        bool gone = (mask >> k & 1) != 0;
        o->verdict.checked++;
        o->verdict.failures += gone;
        if (gone && o->verdict.n_unfit < PREFLIGHT_UNFIT) {
            struct unfit *unfit = &o->verdict.unfit[o->verdict.n_unfit++];
            *unfit = (struct unfit){.host = host, .scope = SCOPE_CHIP, .index = (uint8_t)k};
            (void)snprintf(unfit->text, sizeof unfit->text, "chip %u of host %u is gone", k, host);
        }
    }
}

static void answer(void *arg)
{
    struct order *o = arg;
    struct sim *s = o->d->s;
    struct event ev = {.kind = EV_PREFLIGHT};

    if (o->d->instance != o->instance || sim_now(s) < o->d->silent_until_ns || s->current == NULL ||
        !s->current->alive) {
        return; /* podmgr waits for so long, and no longer */
    }
    ev.fitness = xmemdup(&o->verdict, sizeof o->verdict);
    ev.fitness->hosts = xmemdup(o->verdict.hosts, o->verdict.n_hosts * sizeof *o->verdict.hosts);
    ev.fitness->unfit = xmemdup(o->verdict.unfit, PREFLIGHT_UNFIT * sizeof *o->verdict.unfit);
    manager_post(s->current, &ev);
}

static void take_order(struct healthd *d, const struct model *m, const struct slice *slice,
                       uint32_t observer)
{
    struct order *o = sim_new(d->s, sizeof *o);

    *o = (struct order){.d = d,
                        .instance = d->instance,
                        .verdict = {.observer = observer,
                                    .epoch = m->epoch,
                                    .order = slice->preflight->order,
                                    .slice = slice->id,
                                    .generation = slice->generation}};
    o->verdict.hosts = sim_new(d->s, slice->preflight->n_hosts * sizeof *o->verdict.hosts);
    o->verdict.unfit = sim_new(d->s, PREFLIGHT_UNFIT * sizeof *o->verdict.unfit);
    for (size_t h = 0; h < slice->preflight->n_hosts; h++) {
        if (slice->preflight->asked[h] == observer) {
            check_host(o, preflight_host(slice, h));
        }
    }
    sim_after(d->s, (int64_t)(1 + sim_random(d->s, 5)) * MS, answer, o);
}

void observers_preflight(struct manager *m, const struct effect *effect)
{
    for (unsigned i = 0; i < m->s->n_observers; i++) {
        struct healthd *d = &m->s->observers[i];
        const struct observer *known = health_observer_named(m->model, d->name);
        const struct slice *slice;
        if (known == NULL || known->id != effect->agent || known->instance != d->instance) {
            continue;
        }
        d->taken = d->taken_of == m ? d->taken : 0;
        d->taken_of = m;
        while ((slice = preflight_next(m->model, known->id, d->taken)) != NULL) {
            d->taken = slice->preflight->order;
            take_order(d, m->model, slice, known->id);
        }
    }
}

/* ------------------------------------------------------------------ chaos -- */

/* An old report again, or one about a host that is another's. */
static bool misspeak(struct healthd *d)
{
    struct sim *s = d->s;
    const struct observer *known =
        s->current != NULL && s->current->alive && !manager_is_paused(s->current)
            ? health_observer_named(s->current->model, d->name)
            : NULL;
    unsigned host = (unsigned)sim_random(s, s->cubes * TPUNET_CUBE_HOSTS);

    if (known == NULL || known->instance != d->instance) {
        return false;
    }
    const struct host_health *health = health_of(s->current->model, host);
    if (health->observer == known->id && health->next_sequence < 2) {
        return false;
    }
    struct event ev = {.kind = EV_HEALTH,
                       .health = {.observer = known->id,
                                  .host = (uint16_t)host,
                                  .snapshot = true,
                                  .sequence = health->observer == known->id
                                                  ? 1 + sim_random(s, health->next_sequence - 1)
                                                  : health->next_sequence + 1}};
    ev.health.findings = xcalloc(1, sizeof *ev.health.findings);
    ev.health.findings[ev.health.n_findings++] = finding_of(0, true, (struct wall_ms){1});
    ev.cookie = COOKIE_MISSPOKEN;
    manager_post(s->current, &ev);
    return true;
}

bool observer_strike(struct sim *s)
{
    struct healthd *d = &s->observers[sim_random(s, s->n_observers)];

    switch (sim_random(s, 4)) {
    case 0:
        d->silent_until_ns = sim_now(s) + (int64_t)(2000 + sim_random(s, 4000)) * MS;
        return true;
    case 1:
        d->instance++;
        memset(d->told, 0, d->n_hosts * sizeof *d->told);
        return true;
    default:
        return misspeak(d);
    }
}

void observers_init(struct sim *s)
{
    unsigned hosts = s->cubes * TPUNET_CUBE_HOSTS;

    s->n_observers = 1 + (unsigned)sim_random(s, OBSERVERS_MAX);
    s->observers = sim_new(s, s->n_observers * sizeof *s->observers);
    for (unsigned i = 0; i < s->n_observers; i++) {
        struct healthd *d = &s->observers[i];
        *d = (struct healthd){
            .s = s,
            .instance = 1,
            .first = (uint16_t)(hosts * i / s->n_observers),
            .n_hosts = (uint16_t)(hosts * (i + 1) / s->n_observers - hosts * i / s->n_observers)};
        d->told = sim_new(s, d->n_hosts * sizeof *d->told);
        (void)snprintf(d->name, sizeof d->name, "healthd/%u", i);
        sim_after(s, (int64_t)sim_random(s, BEAT_MS) * MS, beat, d);
    }
}
