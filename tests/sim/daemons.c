/* The daemons on the hosts: leases, and what podmgr orders but for bring-ups. */
#include "daemons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "simulator/fabric_device.h"

enum { BEAT_MS = 500 };

const struct agent *daemon_known(const struct daemon *d)
{
    const struct manager *m = d->s->current;
    const struct agent *agent = m != NULL && m->alive ? model_agent_named(m->model, d->name) : NULL;

    return agent != NULL && agent->instance == d->instance ? agent : NULL;
}

bool daemon_is_heard(const struct daemon *d)
{
    return d->up && !d->silent && daemon_known(d) != NULL;
}

/* -------------------------------------------------------------- commands -- */

void daemon_deliver(struct daemon *d, evq_fn *fn, void *arg)
{
    int64_t at = sim_now(d->s) + (int64_t)(1 + sim_random(d->s, 5)) * MS;

    d->delivered_ns = at > d->delivered_ns ? at : d->delivered_ns;
    evq_at(d->s->w->evq, d->delivered_ns, fn, arg);
}

/* The daemon that the effect is for; NULL if it is gone or obeys another by now. */
static struct daemon *addressee(const struct manager *m, const struct effect *effect)
{
    const struct agent *agent = model_agent(m->model, effect->agent);
    struct daemon *found = NULL;

    for (unsigned i = 0; agent != NULL && i < m->s->n_daemons; i++) {
        struct daemon *d = &m->s->daemons[i];
        if (strcmp(d->name, agent->name) == 0 && d->instance == agent->instance && d->up &&
            m->model->epoch >= d->epoch) {
            found = d;
        }
    }
    return found;
}

void daemons_release(struct manager *m, const struct effect *effect)
{
    struct daemon *d = addressee(m, effect);

    if (d != NULL) {
        watch_drop(d, effect->id, m->model->epoch, effect->generation);
    }
}

void daemons_watch(struct manager *m, const struct effect *effect)
{
    struct daemon *d = addressee(m, effect);
    const struct slice *slice = model_slice(m->model, effect->id);
    struct chip_port down[SIM_CUBE_CHIPS * SIM_CHIP_PORTS];

    if (d != NULL && slice != NULL && slice->generation == effect->generation) {
        size_t n = core_down_ends(m->model, slice, effect->agent, down, ARRAY_LEN(down));
        watch_order(d, slice, m->model->epoch, down, n);
    }
}

struct fencing {
    struct daemon *d;
    uint64_t instance;
    uint64_t epoch, generation;
    struct chip_port *ports;
    size_t n;
};

static void disable(void *arg)
{
    struct fencing *f = arg;
    struct sim_stamp stamp = {.epoch = f->epoch, .generation = f->generation};
    struct event ev = {.kind = EV_FENCED,
                       .fenced = {.epoch = f->epoch, .generation = f->generation}};

    if (!f->d->up || f->d->instance != f->instance || f->d->silent || daemon_known(f->d) == NULL) {
        return; /* podmgr asks again */
    }
    ev.fenced.ports = xcalloc(f->n, sizeof *ev.fenced.ports);
    for (size_t i = 0; i < f->n; i++) {
        struct sim_path path = {.entry = f->ports[i].chip};
        if (sim_set_port(f->d->s->w, &stamp, &path, f->ports[i].port, false) == SIM_FABRIC_OK) {
            ev.fenced.ports[ev.fenced.n++] = f->ports[i];
        }
    }
    manager_post(f->d->s->current, &ev);
}

void daemons_fence(struct manager *m, const struct effect *effect)
{
    struct sim *s = m->s;
    const struct agent *agent = model_agent(m->model, effect->agent);
    struct chip_port ports[TPUNET_OCSES * SIM_CUBES_MAX];

    for (unsigned i = 0; agent != NULL && i < s->n_daemons; i++) {
        struct daemon *d = &s->daemons[i];
        if (strcmp(d->name, agent->name) == 0 && d->instance == agent->instance) {
            struct fencing *f = sim_new(s, sizeof *f);
            size_t n = core_unfenced(m->model, effect->agent, ports, ARRAY_LEN(ports));
            *f = (struct fencing){.d = d,
                                  .instance = d->instance,
                                  .epoch = effect->epoch,
                                  .generation = effect->generation,
                                  .ports = sim_copy(s, ports, n * sizeof *ports),
                                  .n = n};
            daemon_deliver(d, disable, f);
        }
    }
}

/* --------------------------------------------------------------- leases -- */

static void beat(void *arg)
{
    struct daemon *d = arg;
    struct sim *s = d->s;

    sim_after(s, BEAT_MS * MS, beat, d);
    if (!d->up || d->silent || s->current == NULL || !s->current->alive) {
        return;
    }
    const struct agent *agent = daemon_known(d);
    struct event ev = {.kind = EV_AGENT_SEEN};
    if (agent != NULL) {
        ev.agent.id = agent->id;
    } else {
        ev.kind = EV_AGENT_HELLO;
        (void)snprintf(ev.agent.name, sizeof ev.agent.name, "%s", d->name);
        ev.agent.instance = d->instance;
        ev.agent.n_hosts = d->n_hosts;
        ev.agent.hosts = malloc(d->n_hosts * sizeof *d->hosts);
        if (ev.agent.hosts == NULL) {
            abort();
        }
        memcpy(ev.agent.hosts, d->hosts, d->n_hosts * sizeof *d->hosts);
        watch_tell_again(d);
    }
    oracle_heard(s, d->hosts, d->n_hosts);
    manager_post(s->current, &ev);
    watch_tell(d);
}

/* A daemon that was given the wrong list of hosts, or the name of another. */
struct impostor {
    struct sim *s;
    char name[64];
    uint64_t instance;
    uint16_t *hosts;
    size_t n_hosts;
    int64_t until_ns;
};

static void impersonate(void *arg)
{
    struct impostor *i = arg;
    struct sim *s = i->s;
    struct event ev = {.kind = EV_AGENT_HELLO};

    if (sim_now(s) >= i->until_ns || !s->chaos) {
        return;
    }
    sim_after(s, BEAT_MS * MS, impersonate, i);
    if (s->current != NULL && s->current->alive) {
        (void)snprintf(ev.agent.name, sizeof ev.agent.name, "%s", i->name);
        ev.agent.instance = i->instance;
        ev.agent.n_hosts = i->n_hosts;
        ev.agent.hosts = xmemdup(i->hosts, i->n_hosts * sizeof *i->hosts);
        oracle_heard(s, i->hosts, i->n_hosts);
        manager_post(s->current, &ev);
    }
}

void daemon_impersonate(struct sim *s, int64_t ns)
{
    struct daemon *d = &s->daemons[sim_random(s, s->n_daemons)];
    struct impostor *i = sim_new(s, sizeof *i);

    *i = (struct impostor){.s = s,
                           .instance = 1000000 + s->outcome->events,
                           .hosts = d->hosts,
                           .n_hosts = 1 + (size_t)sim_random(s, d->n_hosts),
                           .until_ns = sim_now(s) + ns};
    (void)snprintf(i->name, sizeof i->name, "%s%s", d->name, sim_chance(s, 0.5) ? "x" : "");
    impersonate(i);
}

static void come_back(void *arg)
{
    struct daemon *d = arg;

    if (!d->up) {
        d->up = true;
        d->instance++;
    }
}

void daemon_restart(struct daemon *d, int64_t down_ns)
{
    d->up = false;
    watch_drop_all(d);
    bringups_drop(d);
    sim_after(d->s, down_ns, come_back, d);
}

static void speak(void *arg)
{
    struct daemon *d = arg;
    d->silent = false;
}

void daemon_silence(struct daemon *d, int64_t ns)
{
    d->silent = true;
    sim_after(d->s, ns, speak, d);
}

void daemons_init(struct sim *s)
{
    unsigned hosts = s->cubes * TPUNET_CUBE_HOSTS;

    watch_init(s);
    s->n_daemons = 1 + (unsigned)sim_random(s, DAEMONS_MAX);
    for (unsigned i = 0; i < s->n_daemons; i++) {
        struct daemon *d = &s->daemons[i];
        unsigned first = hosts * i / s->n_daemons, last = hosts * (i + 1) / s->n_daemons;
        d->s = s;
        d->up = true;
        d->instance = 1;
        (void)snprintf(d->name, sizeof d->name, "tpunetd/%u", i);
        d->hosts = sim_new(s, (last - first) * sizeof *d->hosts);
        for (unsigned h = first; h < last; h++) {
            d->hosts[d->n_hosts++] = (uint16_t)h;
        }
        sim_after(s, (int64_t)sim_random(s, BEAT_MS) * MS, beat, d);
    }
}

/* The clock stands still by now: nothing that is under way will end. */
void daemons_fini(struct sim *s)
{
    for (unsigned i = 0; i < s->n_daemons; i++) {
        watch_drop_all(&s->daemons[i]);
        bringups_fini(&s->daemons[i]);
    }
}
