/* The daemons on the hosts: leases, and bring-ups by the real libtpunet over
 * the chips of the simulated world.
 *
 * Fabric calls act at once and answer a little later, so a daemon can die and
 * a circuit can break between any two of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim.h"
#include "simulator/fabric_device.h"

enum { BEAT_MS = 500, CALL_US = 300, RETRY_MS = 500 };

struct job {
    struct job *next;
    struct daemon *d;
    uint64_t instance; /* of the daemon that took it */
    struct id slice;
    uint64_t epoch, generation;
    bool check_only, ended;
    struct tpunet_intent *intent;
    struct tpunet_bringup *bringup;
    struct tpunet_fabric fabric;
    struct verdict verdict;
    uint32_t entry;
    bool accept_degraded;
    struct tpunet_link_end *dead;
    size_t n_dead;
    uint64_t links_since; /* place in the world's log of links when it began */
};

/* --------------------------------------------------------------- fabric -- */

struct fabric_end {
    struct sim *s;
    tpunet_done_fn *done;
    void *arg;
    int status;
};

static void on_fabric_end(void *arg)
{
    struct fabric_end *end = arg;

    if (!end->s->stop) {
        end->done(end->arg, end->status);
    }
}

static int later(struct sim *s, tpunet_done_fn *done, void *arg, enum sim_fabric_status status)
{
    struct fabric_end *end = sim_new(s, sizeof *end);

    *end = (struct fabric_end){.s = s,
                               .done = done,
                               .arg = arg,
                               .status = status == SIM_FABRIC_OK      ? 0
                                         : status == SIM_FABRIC_STALE ? TPUNET_ESTALE
                                                                      : TPUNET_EFABRIC};
    sim_after(s, CALL_US * 1000, on_fabric_end, end);
    return 0;
}

static struct sim_path path_of(const struct tpunet_path *path)
{
    return (struct sim_path){.entry = path->entry, .hops = path->hops, .n_hops = path->n_hops};
}

static int probe(void *ctx, const struct tpunet_path *paths, size_t n,
                 struct tpunet_probe_answer *answers, tpunet_done_fn *done, void *arg)
{
    struct sim *s = ctx;

    for (size_t i = 0; i < n; i++) {
        struct sim_path path = path_of(&paths[i]);
        struct tpunet_probe_answer *answer = &answers[i];
        *answer = (struct tpunet_probe_answer){0};
        answer->answered = sim_follow(s->w, &path, &answer->chip);
        if (answer->answered) {
            const struct sim_stamp *stamp = &s->w->chips[answer->chip].active.stamp;
            memcpy(answer->slice, stamp->slice, sizeof answer->slice);
            answer->epoch = stamp->epoch;
            answer->generation = stamp->generation;
        }
        for (unsigned p = 0; answer->answered && p < SIM_CHIP_PORTS; p++) {
            uint32_t peer;
            unsigned peer_port;
            struct tpunet_port_state *port = &answer->port[p];
            port->enabled = (s->w->chips[answer->chip].disabled_mask >> p & 1) == 0;
            port->up = world_peer(s->w, answer->chip, p, &peer, &peer_port);
            port->peer = peer;
            port->peer_port = (uint8_t)peer_port;
        }
    }
    return later(s, done, arg, SIM_FABRIC_OK);
}

static struct sim_stamp stamp_of(const struct tpunet_stamp *stamp)
{
    struct sim_stamp out = {.epoch = stamp->epoch, .generation = stamp->generation};
    memcpy(out.slice, stamp->slice, sizeof out.slice);
    return out;
}

static int write_rows(void *ctx, const struct tpunet_stamp *stamp, uint32_t n_chips,
                      const struct tpunet_row_write *rows, size_t n, tpunet_done_fn *done,
                      void *arg)
{
    struct sim *s = ctx;
    struct sim_stamp sim_stamp = stamp_of(stamp);
    enum sim_fabric_status status = SIM_FABRIC_OK;

    for (size_t i = 0; i < n && status == SIM_FABRIC_OK; i++) {
        struct sim_path path = path_of(&rows[i].path);
        status = sim_write_row(s->w, &sim_stamp, &path, rows[i].self, n_chips, rows[i].class_mask,
                               rows[i].row, n_chips);
        s->fabric_writes++;
    }
    return later(s, done, arg, status);
}

typedef enum sim_fabric_status chip_fn(struct world *w, const struct sim_stamp *stamp,
                                       const struct sim_path *path);

static int each_chip(struct sim *s, chip_fn *fn, const struct tpunet_stamp *stamp,
                     const struct tpunet_path *paths, size_t n, tpunet_done_fn *done, void *arg)
{
    struct sim_stamp sim_stamp = stamp_of(stamp);
    enum sim_fabric_status status = SIM_FABRIC_OK;

    for (size_t i = 0; i < n && status == SIM_FABRIC_OK; i++) {
        struct sim_path path = path_of(&paths[i]);
        status = fn(s->w, &sim_stamp, &path);
        s->fabric_writes++;
    }
    return later(s, done, arg, status);
}

static int quiesce(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                   size_t n, tpunet_done_fn *done, void *arg)
{
    return each_chip(ctx, sim_quiesce, stamp, paths, n, done, arg);
}

static int commit(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                  size_t n, tpunet_done_fn *done, void *arg)
{
    return each_chip(ctx, sim_commit, stamp, paths, n, done, arg);
}

static int set_port(void *ctx, const struct tpunet_stamp *stamp, struct tpunet_path path,
                    unsigned port, bool enabled, tpunet_done_fn *done, void *arg)
{
    struct sim *s = ctx;
    struct sim_stamp sim_stamp = stamp_of(stamp);
    struct sim_path sim_path = path_of(&path);

    s->fabric_writes++;
    return later(s, done, arg, sim_set_port(s->w, &sim_stamp, &sim_path, port, enabled));
}

/* ------------------------------------------------------------- verdicts -- */

static void unlink_job(struct job *job)
{
    struct job **at = &job->d->jobs;

    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    tpunet_bringup_destroy(job->bringup);
    tpunet_intent_destroy(job->intent);
}

static const struct agent *known(const struct daemon *d)
{
    const struct manager *m = d->s->current;
    const struct agent *agent = m != NULL && m->alive ? model_agent_named(m->model, d->name) : NULL;

    return agent != NULL && agent->instance == d->instance ? agent : NULL;
}

bool daemon_is_heard(const struct daemon *d)
{
    return d->up && !d->silent && known(d) != NULL;
}

/* Told until somebody takes it. */
static void tell(void *arg)
{
    struct job *job = arg;
    struct daemon *d = job->d;
    struct event ev = {.kind = EV_VERDICT};

    if (!d->up || d->instance != job->instance) {
        return; /* it died, and the verdict with it */
    }
    if (d->silent || known(d) == NULL) {
        sim_after(d->s, RETRY_MS * MS, tell, job);
        return;
    }
    ev.verdict = malloc(sizeof *ev.verdict);
    if (ev.verdict == NULL) {
        abort();
    }
    *ev.verdict = job->verdict;
    d->s->told[d->s->n_told++ % TOLD_KEPT] = job->verdict;
    manager_post(d->s->current, &ev);
}

bool daemon_replay(struct sim *s)
{
    unsigned kept = s->n_told < TOLD_KEPT ? s->n_told : TOLD_KEPT;
    struct event ev = {.kind = EV_VERDICT};

    if (kept == 0 || s->current == NULL || !s->current->alive) {
        return false;
    }
    ev.verdict = xmemdup(&s->told[sim_random(s, kept)], sizeof *ev.verdict);
    manager_post(s->current, &ev);
    return true;
}

/* The ends of links that are not there: of a missing chip all six. */
static void list_down(struct verdict *out, const struct tpunet_verdict *verdict)
{
    for (size_t i = 0; i < verdict->n_mismatches; i++) {
        const struct tpunet_mismatch *m = &verdict->mismatches[i];
        bool chip = m->kind == TPUNET_CHIP_MISSING;
        for (uint8_t p = 0; p < TPUNET_PORTS && out->n_down < VERDICT_DOWN_MAX; p++) {
            if (chip || (m->kind == TPUNET_LINK_MISSING && p == m->port)) {
                out->down[out->n_down++] = (struct chip_port){m->chip, p};
            }
        }
    }
}

static void on_verdict(void *arg, const struct tpunet_verdict *verdict)
{
    struct job *job = arg;
    struct sim *s = job->d->s;

    job->verdict = (struct verdict){.slice = job->slice,
                                    .epoch = job->epoch,
                                    .generation = job->generation,
                                    .check_only = job->check_only,
                                    .ok = verdict->status == 0};
    if (verdict->status == 0) {
        (void)snprintf(job->verdict.routes.algorithm, sizeof job->verdict.routes.algorithm, "%s",
                       verdict->algorithm != NULL ? verdict->algorithm : "");
        job->verdict.routes.vcs = verdict->n_vcs;
        job->verdict.routes.max_hops = verdict->proof.max_hops;
        job->verdict.routes.max_link_load = verdict->proof.max_link_load;
    } else {
        (void)snprintf(job->verdict.text, sizeof job->verdict.text, "%s", verdict->error.text);
        (void)snprintf(job->verdict.code, sizeof job->verdict.code, "%s",
                       verdict->status == TPUNET_ETABLES ? "tables" : "mismatch");
        list_down(&job->verdict, verdict);
    }
    oracle_proved(s, &job->verdict, job->intent, job->links_since, job->dead,
                  job->accept_degraded ? job->n_dead : 0);
    if (verdict->status == 0 && job->instance == job->d->instance) {
        watch_eye(job->d, &job->verdict, job->intent, job->links_since);
        job->intent = NULL;
    }
    job->ended = true;
    unlink_job(job);
    sim_after(s, MS, tell, job);
}

/* -------------------------------------------------------------- commands -- */

static void drop_job(struct job *job)
{
    job->instance = 0; /* its verdict is not told */
    tpunet_bringup_cancel(job->bringup);
}

/* Routes around one dead switch are the same in every run; solved once. */
static struct tpunet_route_cache *route_cache;

static void prepare(const struct tpunet_shape *shape, unsigned axis)
{
    const struct tpunet_route_options options = {.vcs = 3, .cache = route_cache};
    struct tpunet_topology *topology;
    struct tpunet_tables *tables;

    if (tpunet_topology_of_shape(&topology, shape, NULL) < 0 ||
        tpunet_topology_cut_ocs(topology, axis * TPUNET_FACE_LINKS, NULL) < 0 ||
        tpunet_route_around(&tables, topology, &options, NULL) < 0) {
        abort();
    }
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy(topology);
}

void daemons_prepare(void)
{
    static const char *const shapes[] = {"4x4x4", "4x4x8", "4x4x12", "4x8x8"};
    struct tpunet_shape shape;

    if (tpunet_route_cache_create(&route_cache, 64 << 20, NULL) < 0) {
        abort();
    }
    for (size_t i = 0; i < 2 * ARRAY_LEN(shapes); i++) {
        if (tpunet_shape_parse(&shape, shapes[i / 2], false, NULL) < 0) {
            abort();
        }
        shape.twisted = i % 2 != 0 && tpunet_shape_twistable(&shape);
        for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
            prepare(&shape, axis);
        }
    }
}

static void start_job(void *arg)
{
    struct job *job = arg;
    struct daemon *d = job->d;
    struct tpunet_stamp stamp = {.epoch = job->epoch, .generation = job->generation};
    struct tpunet_error err;
    char name[48];

    if (!d->up || d->instance != job->instance || job->epoch < d->epoch) {
        tpunet_intent_destroy(job->intent);
        return;
    }
    d->epoch = job->epoch;
    for (struct job *old = d->jobs; old != NULL; old = old->next) {
        if (id_compare(old->slice, job->slice) == 0) {
            drop_job(old);
        }
    }
    if (!job->check_only) {
        watch_drop(d, job->slice, job->epoch, job->generation);
    }
    (void)snprintf(stamp.pod, sizeof stamp.pod, "%s", d->s->pod.id);
    (void)snprintf(stamp.slice, sizeof stamp.slice, "%.31s", id_format(job->slice, name));
    job->fabric = (struct tpunet_fabric){.ctx = d->s,
                                         .probe = probe,
                                         .write_rows = write_rows,
                                         .quiesce = quiesce,
                                         .commit = commit,
                                         .set_port = set_port};
    struct tpunet_bringup_options options = {
        .mode = job->check_only ? TPUNET_CHECK : TPUNET_INSTALL,
        .route = {.vcs = d->s->pod.vc_classes, .cache = route_cache},
        .accept_degraded = job->accept_degraded,
        .dead = job->dead,
        .n_dead = job->n_dead};
    if (tpunet_bringup_create(&job->bringup, &job->fabric, job->intent, d->s->pod.wiring, &stamp,
                              job->entry, &options, &err) < 0) {
        abort();
    }
    job->next = d->jobs;
    job->links_since = d->s->w->log_next;
    d->jobs = job;
    tpunet_bringup_start(job->bringup, on_verdict, job);
}

struct tpunet_intent *daemon_copy_intent(const struct tpunet_intent *in)
{
    struct tpunet_intent *out;

    if (tpunet_intent_create(&out, &in->shape, in->cubes, in->n_cubes, NULL) < 0) {
        abort();
    }
    memcpy(out->next, in->next, (size_t)TPUNET_OCSES * in->n_cubes * sizeof *in->next);
    memcpy(out->origin, in->origin, sizeof out->origin);
    return out;
}

static void take_dead_links(struct job *job, const struct model *m, const struct slice *slice)
{
    struct chip_port dead[TPUNET_OCSES * SIM_CUBES_MAX];

    job->accept_degraded = slice->spec.accept_degraded;
    job->n_dead = core_dead_links(m, slice, dead, ARRAY_LEN(dead));
    job->dead = sim_new(job->d->s, job->n_dead * sizeof *job->dead);
    for (size_t i = 0; i < job->n_dead; i++) {
        job->dead[i] = (struct tpunet_link_end){dead[i].chip, dead[i].port};
    }
}

/* Commands travel for 1 to 5 ms and arrive in the order in which they were given. */
static void deliver(struct daemon *d, evq_fn *fn, void *arg)
{
    int64_t at = sim_now(d->s) + (int64_t)(1 + sim_random(d->s, 5)) * MS;

    d->delivered_ns = at > d->delivered_ns ? at : d->delivered_ns;
    evq_at(d->s->w->evq, d->delivered_ns, fn, arg);
}

void daemons_bring_up(struct manager *m, const struct effect *effect)
{
    struct sim *s = m->s;
    const struct agent *agent = model_agent(m->model, effect->agent);
    const struct slice *slice = model_slice(m->model, effect->id);

    for (unsigned i = 0; agent != NULL && slice != NULL && i < s->n_daemons; i++) {
        struct daemon *d = &s->daemons[i];
        if (strcmp(d->name, agent->name) != 0 || d->instance != agent->instance ||
            slice->generation != effect->generation) { /* then it would travel as a release */
            continue;
        }
        struct job *job = sim_new(s, sizeof *job);
        *job = (struct job){.d = d,
                            .instance = d->instance,
                            .slice = slice->id,
                            .epoch = m->model->epoch,
                            .generation = effect->generation,
                            .check_only = effect->check_only,
                            .intent = daemon_copy_intent(slice->intent)};
        take_dead_links(job, m->model, slice);
        uint32_t host = slice->coordinator;
        job->entry = tpunet_chip_number(
            tpunet_host_chip((uint16_t)(host / TPUNET_CUBE_HOSTS), host % TPUNET_CUBE_HOSTS, 0));
        deliver(d, start_job, job);
        return;
    }
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

    if (!f->d->up || f->d->instance != f->instance || f->d->silent || known(f->d) == NULL) {
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
                                  .epoch = m->model->epoch,
                                  .generation = effect->generation,
                                  .ports = sim_copy(s, ports, n * sizeof *ports),
                                  .n = n};
            deliver(d, disable, f);
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
    const struct agent *agent = known(d);
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
        d->epoch = 0;
    }
}

void daemon_restart(struct daemon *d, int64_t down_ns)
{
    d->up = false;
    watch_drop_all(d);
    for (struct job *job = d->jobs; job != NULL; job = job->next) {
        drop_job(job);
    }
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
        while (s->daemons[i].jobs != NULL) {
            struct job *job = s->daemons[i].jobs;
            s->daemons[i].jobs = job->next;
            tpunet_intent_destroy(job->intent); /* the bring-up goes with the process */
        }
    }
}
