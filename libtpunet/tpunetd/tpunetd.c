#include "tpunetd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mem.h"
#include "part.h"

/* ------------------------------------------------------------------- hosts -- */

static int parse_host(const char *text, unsigned cubes, uint16_t *out, struct error *err)
{
    char name[64];
    struct part part;

    (void)snprintf(name, sizeof name, "host/%s", text);
    int status = part_parse(&part, name, err);
    if (status == 0 && part.cube >= cubes) {
        status = err_set(err, E_INVALID, "%s: the pod has cube/0 to cube/%u", name, cubes - 1);
    }
    if (status == 0) {
        *out = (uint16_t)(part.cube * TPUNET_CUBE_HOSTS + part.host);
    }
    return status;
}

/* "3-0" or "3-0..4-15"; marks its hosts. */
static int parse_range(char *item, unsigned cubes, bool *wanted, struct error *err)
{
    char *dots = strstr(item, "..");
    uint16_t first = 0, last = 0;

    if (dots != NULL) {
        *dots = '\0';
    }
    int status = parse_host(item, cubes, &first, err);
    if (status == 0) {
        status = parse_host(dots != NULL ? dots + 2 : item, cubes, &last, err);
    }
    if (status == 0 && last < first) {
        status =
            err_set(err, E_INVALID, "%s..%s: the first host comes after the last", item, dots + 2);
    }
    for (unsigned h = first; status == 0 && h <= last; h++) {
        wanted[h] = true;
    }
    return status;
}

int tpunetd_parse_hosts(struct tpunetd_config *config, const char *text, unsigned cubes,
                        struct error *err)
{
    bool wanted[TPUNETD_HOSTS_MAX] = {false};
    char *copy = xstrdup(text), *rest = copy, *item;
    int status = 0;

    if (strcmp(text, "all") == 0) {
        memset(wanted, true, cubes * (size_t)TPUNET_CUBE_HOSTS);
        rest = NULL;
    }
    while (status == 0 && (item = strsep(&rest, ",")) != NULL) {
        status = parse_range(item, cubes, wanted, err);
    }
    free(copy);
    config->hosts = xcalloc(TPUNETD_HOSTS_MAX, sizeof *config->hosts);
    config->n_hosts = 0;
    for (uint16_t h = 0; h < TPUNETD_HOSTS_MAX; h++) {
        if (wanted[h]) {
            config->hosts[config->n_hosts++] = h;
        }
    }
    return status;
}

void tpunetd_config_fini(struct tpunetd_config *config)
{
    free(config->hosts);
    free(config->fabric_url);
    free(config->podmgr_url);
}

/* -------------------------------------------------------------- life cycle -- */

int tpunetd_start(struct tpunetd *t, uv_loop_t *loop, const struct tpunetd_config *config,
                  struct error *err)
{
    *t = (struct tpunetd){.loop = loop, .config = config};
    if (getrandom(&t->instance, sizeof t->instance, 0) != (ssize_t)sizeof t->instance) {
        return err_set(err, E_IO, "no randomness for the instance id");
    }
    int status = fabric_nng_create(&t->fabric, t, err);
    if (status < 0) {
        return status;
    }
    status = agent_create(&t->agent, t, err);
    if (status < 0) {
        fabric_nng_stop(t->fabric);
        fabric_nng_fini(t->fabric);
        return status;
    }
    t->jobs = jobs_create(t);
    t->watch = watch_create(t);
    return 0;
}

void tpunetd_stop(struct tpunetd *t)
{
    agent_stop(t->agent);  /* nobody is told of what ends because we end */
    jobs_destroy(t->jobs); /* those under way end with the fabric's calls */
    watch_stop(t->watch);
    fabric_nng_stop(t->fabric);
}

void tpunetd_fini(struct tpunetd *t)
{
    watch_fini(t->watch);
    fabric_nng_fini(t->fabric);
    agent_fini(t->agent);
}
