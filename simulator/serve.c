#include "serve.h"

#include <stdlib.h>

#include "mem.h"

struct podsim {
    uv_loop_t *loop;
    struct sim_config config; /* the caller's, and the run */
    struct world *world;
    struct ocs_endpoint *ocs;
    struct fabric_endpoint *fabric;
    struct control_endpoint *control;
    struct probe_endpoint *probe;
    uv_timer_t timer;   /* the world's next event */
    uint64_t origin_ns; /* wall clock at the world's time 0 */
};

struct world *podsim_world(struct podsim *p)
{
    return p->world;
}

struct world *podsim_tick(struct podsim *p)
{
    evq_advance(p->world->evq, (int64_t)(uv_hrtime() - p->origin_ns));
    return p->world;
}

static void on_due(uv_timer_t *timer)
{
    struct podsim *p = timer->data;
    (void)podsim_tick(p);
    podsim_arm(p);
}

void podsim_arm(struct podsim *p)
{
    int64_t at_ns;

    if (uv_is_closing((uv_handle_t *)&p->timer)) {
        return;
    }
    if (!evq_next_ns(p->world->evq, &at_ns)) {
        (void)uv_timer_stop(&p->timer);
        return;
    }
    int64_t in_ns = at_ns - (int64_t)(uv_hrtime() - p->origin_ns);
    uv_update_time(p->loop);
    (void)uv_timer_start(&p->timer, on_due, in_ns > 0 ? (uint64_t)(in_ns + 999999) / 1000000 : 0,
                         0);
}

static void on_link_events(void *arg)
{
    fabric_endpoint_changed(((struct podsim *)arg)->fabric);
}

static void on_agent(void *arg, unsigned ocs, bool up)
{
    ocs_endpoint_agent(((struct podsim *)arg)->ocs, ocs, up);
}

/* A start of the daemon is hardware that was never there before: its boot ids
 * and its numbering of link changes are new, whatever the seed (D8). */
static uint64_t draw_run(void)
{
    uint64_t run = 0;

    while (run == 0) {
        if (uv_random(NULL, NULL, &run, sizeof run, 0, NULL) != 0) {
            run = uv_hrtime();
        }
    }
    return run;
}

int podsim_create(struct podsim **out, uv_loop_t *loop, const struct sim_config *config,
                  struct error *err)
{
    struct podsim *p = xcalloc(1, sizeof *p);
    p->config = *config;
    p->config.run = draw_run();
    int status = world_create(&p->world, &p->config, err);

    if (status < 0) {
        free(p);
        return status;
    }
    p->loop = loop;
    p->origin_ns = uv_hrtime();
    (void)uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    if ((status = ocs_endpoint_create(&p->ocs, p, loop, err)) < 0 ||
        (status = fabric_endpoint_create(&p->fabric, p, loop, err)) < 0 ||
        (status = probe_endpoint_create(&p->probe, p, loop, err)) < 0 ||
        (status = control_endpoint_create(&p->control, p, loop, err)) < 0) {
        podsim_stop(p);
        (void)uv_run(loop, UV_RUN_DEFAULT);
        podsim_fini(p);
        return status;
    }
    p->world->hook_arg = p;
    p->world->on_link_events = on_link_events;
    p->world->on_agent = on_agent;
    *out = p;
    return 0;
}

void podsim_stop(struct podsim *p)
{
    uv_close((uv_handle_t *)&p->timer, NULL);
    ocs_endpoint_stop(p->ocs);
    fabric_endpoint_stop(p->fabric);
    probe_endpoint_stop(p->probe);
    control_endpoint_stop(p->control);
}

void podsim_fini(struct podsim *p)
{
    ocs_endpoint_fini(p->ocs);
    fabric_endpoint_fini(p->fabric);
    probe_endpoint_fini(p->probe);
    control_endpoint_fini(p->control);
    world_destroy(p->world);
    free(p);
}
