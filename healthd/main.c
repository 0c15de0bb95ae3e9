/* healthd: watches hosts, chips and links, and tells podmgr what is wrong. */
#include <signal.h>
#include <sysexits.h>

#include "healthd.h"
#include "log.h"
#include "opts.h"
#include "sd.h"
#include "stop_signal.h"

static void stop(void *daemon)
{
    healthd_stop(daemon);
}

static int run(const struct healthd_config *config)
{
    static struct healthd daemon;
    static struct stop_signal signals;
    uv_loop_t *loop = uv_default_loop();
    struct error err;

    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a write that fails */
    if (healthd_start(&daemon, loop, config, &err) < 0) {
        log_error("healthd", "%s", err.text);
        return EX_OSERR;
    }
    stop_signal_watch(&signals, loop, stop, &daemon);
    sd_ready();
    (void)uv_run(loop, UV_RUN_DEFAULT);
    healthd_fini(&daemon);
    return 0;
}

int main(int argc, char **argv)
{
    static struct healthd_options o;
    static const char *golden;
    static bool json, no_pattern;
    static const struct opt options[] = {
        {"config", 'c', "FILE", "configuration (none: the options alone)", &o.file, NULL},
        {"pod", 0, "ID", "the pod that we belong to", &o.pod, NULL},
        {"name", 0, "NAME", "our name at podmgr (default local)", &o.name, NULL},
        {"hosts", 0, "LIST", "hosts that we stand for: all, or 0-0..3-15,7-2", &o.hosts, NULL},
        {"cubes", 0, "N", "cubes of the pod (default 64)", &o.cubes, NULL},
        {"podmgr", 0, "URL", "podmgr's endpoint for observers", &o.podmgr, NULL},
        {"probe", 0, "URL", "instruments of an emulated pod (default: this machine's)", &o.probe,
         NULL},
        {"sysfs", 0, "DIR", "where /sys and /dev of the machine are (default /)", &o.sysfs, NULL},
        {"state", 0, "FILE", "what outlives a restart (default: nothing does)", &o.state, NULL},
        {"golden", 0, "FILE", "limits that hosts must keep before a slice gets them", &o.golden,
         NULL},
        {"preflight", 0, "GOLDEN", "check the hosts once against these limits, and exit", &golden,
         NULL},
        {"no-pattern", 0, NULL, "of the preflight: neither transfers nor computations", NULL,
         &no_pattern},
        OPT_LOG_JSON(&json),
        {0}};
    static const struct program program = {
        .name = "healthd",
        .about = "Reads the instruments of hosts, chips and links, judges them by a policy table\n"
                 "and reports to podmgr what is wrong, until it has acknowledged it.",
        .options = options};
    struct healthd_config config;
    struct error err;

    (void)opts_parse(&program, argc, argv);
    log_init("healthd", json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, LOG_INFO);
    if (healthd_config_load(&config, &o, &err) < 0) {
        log_error("config", "%s", err.text);
        return EX_CONFIG;
    }
    int status = golden != NULL ? healthd_check(&config, golden, !no_pattern) : run(&config);
    healthd_config_fini(&config);
    return status;
}
