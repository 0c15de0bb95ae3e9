/* podsim: the hardware of a pod, on sockets. */
#include <stdio.h>
#include <sysexits.h>

#include "log.h"
#include "opts.h"
#include "sd.h"
#include "serve.h"
#include "stop_signal.h"

static void stop(void *podsim)
{
    podsim_stop(podsim);
}

static int run(const struct sim_config *config)
{
    uv_loop_t *loop = uv_default_loop();
    static struct stop_signal signals;
    struct podsim *p;
    struct error err;

    int status = podsim_create(&p, loop, config, &err);
    if (status < 0) {
        log_error("podsim", "%s", err.text);
        return status == E_CONFIG ? EX_CONFIG : EX_OSERR;
    }
    stop_signal_watch(&signals, loop, stop, p);
    log_notice("podsim", "pod %s: %u cubes, %u chips, 48 switches", config->pod, config->cubes,
               config->cubes * SIM_CUBE_CHIPS);
    sd_ready();
    (void)uv_run(loop, UV_RUN_DEFAULT);
    podsim_fini(p);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *file = "/etc/podmgr/podsim.yaml";
    static bool json;
    static const struct opt options[] = {
        OPT_CONFIG(&file, "/etc/podmgr/podsim.yaml"), OPT_LOG_JSON(&json), {0}};
    static const struct program program = {
        .name = "podsim",
        .about = "Emulates the hardware of a pod: chips, links, switches, mirrors, light, faults.",
        .options = options};
    struct sim_config config;
    struct error err;

    (void)opts_parse(&program, argc, argv);
    log_init("podsim", json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, LOG_INFO);
    if (sim_config_load(&config, file, &err) < 0) {
        log_error("config", "%s", err.text);
        return EX_CONFIG;
    }
    int status = run(&config);
    sim_config_fini(&config);
    return status;
}
