#include "tpunetd.h"

#include <stdlib.h>
#include <sys/random.h>

#include "hostlist.h"
#include "route_store.h"

int tpunetd_parse_hosts(struct tpunetd_config *config, const char *text, unsigned cubes,
                        struct error *err)
{
    return hostlist_parse(&config->hosts, &config->n_hosts, text, cubes, err);
}

void tpunetd_config_fini(struct tpunetd_config *config)
{
    free(config->hosts);
    free(config->fabric_url);
    free(config->podmgr_url);
    free(config->route_cache);
    free(config->epoch_file);
}

/* -------------------------------------------------------------- life cycle -- */

int tpunetd_start(struct tpunetd *t, uv_loop_t *loop, const struct tpunetd_config *config,
                  struct error *err)
{
    *t = (struct tpunetd){.loop = loop, .config = config};
    if (getrandom(&t->instance, sizeof t->instance, 0) != (ssize_t)sizeof t->instance) {
        return err_set(err, E_IO, "no randomness for the instance id");
    }
    int status = claim_load(t, err);
    if (status == 0) {
        status = fabric_nng_create(&t->fabric, t, err);
    }
    if (status < 0) {
        return status;
    }
    status = agent_create(&t->agent, t, err);
    if (status < 0) {
        fabric_nng_stop(t->fabric);
        fabric_nng_fini(t->fabric);
        return status;
    }
    t->routes = route_store_create(loop, config->route_cache);
    t->jobs = jobs_create(t);
    t->watch = watch_create(t);
    return 0;
}

void tpunetd_stop(struct tpunetd *t)
{
    agent_stop(t->agent);  /* nobody is told of what ends because we end */
    jobs_destroy(t->jobs); /* those under way end with the fabric's calls */
    route_store_stop(t->routes);
    watch_stop(t->watch);
    fabric_nng_stop(t->fabric);
}

void tpunetd_fini(struct tpunetd *t)
{
    watch_fini(t->watch);
    route_store_destroy(t->routes);
    fabric_nng_fini(t->fabric);
    agent_fini(t->agent);
}
