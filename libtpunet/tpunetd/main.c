/* tpunetd: brings slices up and watches their links. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "mem.h"
#include "opts.h"
#include "sd.h"
#include "stop_signal.h"
#include "tpunetd.h"
#include "yconf.h"

/* The command line; what it leaves open comes from the file, then defaults. */
static const char *file, *pod, *hosts, *cubes, *fabric, *podmgr, *name, *route_cache, *epoch_file;
static bool json;

static void stop(void *daemon)
{
    tpunetd_stop(daemon);
}

static int run(const struct tpunetd_config *config)
{
    static struct tpunetd daemon;
    static struct stop_signal signals;
    uv_loop_t *loop = uv_default_loop();
    struct error err;

    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a write that fails */
    if (tpunetd_start(&daemon, loop, config, &err) < 0) {
        log_error("tpunetd", "%s", err.text);
        return EX_OSERR;
    }
    stop_signal_watch(&signals, loop, stop, &daemon);
    sd_ready();
    (void)uv_run(loop, UV_RUN_DEFAULT);
    tpunetd_fini(&daemon);
    return 0;
}

static const char *first_of(const char *flag, struct yconf *doc, const char *key, const char *dflt)
{
    const char *value = doc != NULL ? yconf_str(doc, yconf_root(doc), key, dflt) : dflt;
    return flag != NULL ? flag : value;
}

static int read_config(struct tpunetd_config *out, struct yconf *doc, struct error *err)
{
    int64_t n =
        doc != NULL ? yconf_int(doc, yconf_root(doc), "cubes", 64, 1, TPUNET_CUBES_MAX) : 64;
    const char *host_list = first_of(hosts, doc, "hosts", "all");

    (void)snprintf(out->pod, sizeof out->pod, "%s", first_of(pod, doc, "pod", ""));
    (void)snprintf(out->name, sizeof out->name, "%s", first_of(name, doc, "name", "local"));
    out->fabric_url = xstrdup(first_of(fabric, doc, "fabric_url", "ipc:///run/podsim/fabric.sock"));
    const char *cache = first_of(route_cache, doc, "route_cache", "");
    out->route_cache = cache[0] != '\0' ? xstrdup(cache) : NULL;
    const char *epoch = first_of(epoch_file, doc, "epoch_file", "");
    out->epoch_file = epoch[0] != '\0' ? xstrdup(epoch) : NULL;
    out->podmgr_url = xstrdup(first_of(podmgr, doc, "podmgr_url", "ipc:///run/podmgr/agents.sock"));
    if (doc != NULL) {
        yconf_finish(doc, yconf_root(doc));
        int status = yconf_error(doc, err);
        if (status < 0) {
            return status;
        }
    }
    if (cubes != NULL) {
        char *end;
        n = strtol(cubes, &end, 10);
        if (*end != '\0' || n < 1 || n > TPUNET_CUBES_MAX) {
            return err_set(err, E_CONFIG, "--cubes: '%s' is not a number from 1 to %d", cubes,
                           TPUNET_CUBES_MAX);
        }
    }
    if (out->pod[0] == '\0') {
        return err_set(err, E_CONFIG, "which pod? give --pod ID, or 'pod' in the file");
    }
    return tpunetd_parse_hosts(out, host_list, (unsigned)n, err);
}

int main(int argc, char **argv)
{
    static const struct opt options[] = {
        {"config", 'c', "FILE", "configuration (none: the options alone)", &file, NULL},
        {"pod", 0, "ID", "the pod that we belong to", &pod, NULL},
        {"name", 0, "NAME", "our name at podmgr (default local)", &name, NULL},
        {"hosts", 0, "LIST", "hosts that we stand for: all, or 0-0..3-15,7-2", &hosts, NULL},
        {"cubes", 0, "N", "cubes of the pod (default 64)", &cubes, NULL},
        {"fabric", 0, "URL", "where our chips are reached", &fabric, NULL},
        {"podmgr", 0, "URL", "podmgr's endpoint for agents", &podmgr, NULL},
        {"route-cache", 0, "FILE", "keep routes around dead switches there", &route_cache, NULL},
        {"epoch-file", 0, "FILE", "remember there which podmgr was here last", &epoch_file, NULL},
        OPT_LOG_JSON(&json),
        {0}};
    static const struct program program = {
        .name = "tpunetd",
        .about = "Brings slices up: discovers their links, verifies them against the intent,\n"
                 "computes and proves routes, installs them, then watches the links.",
        .options = options};
    struct tpunetd_config config = {0};
    struct yconf *doc = NULL;
    struct error err;

    (void)opts_parse(&program, argc, argv);
    log_init("tpunetd", json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, LOG_INFO);
    int status = file != NULL ? yconf_load(&doc, file, &err) : 0;
    if (status == 0) {
        status = read_config(&config, doc, &err);
    }
    yconf_destroy(doc);
    if (status < 0) {
        log_error("config", "%s", err.text);
        tpunetd_config_fini(&config);
        return EX_CONFIG;
    }
    status = run(&config);
    tpunetd_config_fini(&config);
    return status;
}
