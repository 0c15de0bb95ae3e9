/* Bring-ups and checks by the real libtpunet, and their verdicts. */
#include "daemons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { RETRY_MS = 500 };

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

/* Told until somebody takes it. */
static void tell(void *arg)
{
    struct job *job = arg;
    struct daemon *d = job->d;
    struct event ev = {.kind = EV_VERDICT};

    if (!d->up || d->instance != job->instance) {
        return; /* it died, and the verdict with it */
    }
    if (d->silent || daemon_known(d) == NULL) {
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
    job->fabric = daemon_fabric(d->s);
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
        daemon_deliver(d, start_job, job);
        return;
    }
}

void bringups_drop(struct daemon *d)
{
    for (struct job *job = d->jobs; job != NULL; job = job->next) {
        drop_job(job);
    }
}

void bringups_fini(struct daemon *d)
{
    while (d->jobs != NULL) {
        struct job *job = d->jobs;
        d->jobs = job->next;
        tpunet_intent_destroy(job->intent); /* the bring-up goes with the process */
    }
}
