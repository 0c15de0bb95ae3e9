#include "podmgr.h"

#include <stdlib.h>
#include <sys/random.h>

#include "agents/agents.h"
#include "agents/health.h"
#include "api/api.h"
#include "backup.h"
#include "hooks/hooks.h"
#include "log.h"
#include "mem.h"
#include "ocs/ocs_nng.h"

static void sink(void *arg, struct event *ev)
{
    podmgr_post(arg, ev);
}

static int open_state(struct podmgr *p, struct error *err)
{
    const struct config *config = p->config;
    uint64_t instance;

    if (getrandom(&instance, sizeof instance, 0) != sizeof instance) {
        return err_set(err, E_IO, "no randomness for the instance id");
    }
    int status = store_open(&p->store, config->database, config->journal_keep, err);
    if (status < 0) {
        return status;
    }
    p->model = model_create(&config->pod, instance);
    status = store_load(p->store, p->model, err);
    return status;
}

/* After the listeners and before the first request: the epoch is taken and
 * durable, since shell_drain() runs the batch of EV_START. */
int podmgr_start(struct podmgr *p, uv_loop_t *loop, const struct config *config, struct error *err)
{
    struct event start = {.kind = EV_START};

    *p = (struct podmgr){.loop = loop, .config = config};
    int status = open_state(p, err);
    if (status < 0) {
        goto err_after_state;
    }
    p->shell = shell_create(p);
    p->backup = backup_create(p);
    p->dispatch = dispatch_create(p->model, sink, p);
    status = ocs_nng_create(&p->ocs_driver, loop, &config->pod, config->ocs_url,
                            config->ocs_timeout_ms, dispatch_link, p->dispatch, err);
    if (status < 0) {
        goto err_after_dispatch;
    }
    dispatch_set_driver(p->dispatch, p->ocs_driver);
    status = agents_server_create(&p->agents, p, config->agent_url, err);
    if (status < 0) {
        goto err_after_driver;
    }
    if (config->health_url != NULL) {
        status = health_server_create(&p->health, p, config->health_url, err);
        if (status < 0) {
            goto err_after_agents;
        }
    }
    status = hooks_create(&p->hooks, p, err);
    if (status < 0) {
        goto err_after_health;
    }
    status = api_create(&p->api, p, err);
    if (status < 0) {
        goto err_after_hooks;
    }
    podmgr_post(p, &start);
    shell_drain(p->shell);
    log_notice("podmgr", "pod %s, epoch %llu, %zu slices; unix:%s, http://%s:%u", config->pod.id,
               (unsigned long long)p->model->epoch, p->model->n_slices, config->http_socket,
               config->http_address != NULL ? config->http_address : "none", api_port(p->api));
    return 0;

err_after_hooks:
    hooks_destroy(p->hooks);
err_after_health:
    health_server_destroy(p->health);
err_after_agents:
    agents_server_destroy(p->agents);
err_after_driver:
    p->ocs_driver->ops->destroy(p->ocs_driver);
err_after_dispatch:
    backup_destroy(p->backup);
    shell_destroy(p->shell);
    dispatch_destroy(p->dispatch);
err_after_state:
    model_destroy(p->model);
    store_close(p->store);
    return status;
}

void podmgr_stop(struct podmgr *p)
{
    hooks_save(p->hooks);
    shell_drain(p->shell);
    shell_destroy(p->shell); /* no batch runs any more */
    hooks_destroy(p->hooks);
    backup_destroy(p->backup);
    api_destroy(p->api);
    health_server_destroy(p->health);
    agents_server_destroy(p->agents);
    p->ocs_driver->ops->destroy(p->ocs_driver);
}

void podmgr_fini(struct podmgr *p)
{
    dispatch_destroy(p->dispatch);
    model_destroy(p->model);
    store_close(p->store);
}
