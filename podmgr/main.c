/* podmgr: owns the intent of one pod. */
#include <signal.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "opts.h"
#include "podmgr.h"
#include "sd.h"
#include "stop_signal.h"

static void stop(void *podmgr)
{
    podmgr_stop(podmgr);
}

static int run(const struct config *config)
{
    static struct podmgr podmgr;
    static struct stop_signal signals;
    uv_loop_t *loop = uv_default_loop();
    struct error err;

    (void)signal(SIGPIPE, SIG_IGN); /* a client that hangs up is no news */
    if (podmgr_start(&podmgr, loop, config, &err) < 0) {
        log_error("podmgr", "%s", err.text);
        return err.code == E_CONFIG ? EX_CONFIG : EX_UNAVAILABLE;
    }
    stop_signal_watch(&signals, loop, stop, &podmgr);
    sd_ready();
    (void)uv_run(loop, UV_RUN_DEFAULT);
    podmgr_fini(&podmgr);
    return 0;
}

/* `podmgr audit verify`: is the chain of audit records whole. */
static int verify_audit(const struct config *config)
{
    struct audit_tip tip;
    struct error err;

    if (store_audit_verify(config->database, &tip, &err) < 0) {
        log_error("audit", "%s", err.text);
        return 1;
    }
    (void)printf("%llu audit records, the chain is whole, the last hash is ",
                 (unsigned long long)tip.seq);
    for (size_t i = 0; i < sizeof tip.hash; i++) {
        (void)printf("%02x", tip.hash[i]);
    }
    (void)putchar('\n');
    return 0;
}

/* Takes the words of the sub-command out of the command line. */
static bool take_audit_verify(int *argc, char **argv)
{
    if (*argc < 3 || strcmp(argv[1], "audit") != 0 || strcmp(argv[2], "verify") != 0) {
        return false;
    }
    *argc -= 2;
    memmove(argv + 1, argv + 3, (size_t)*argc * sizeof *argv); /* and the NULL */
    return true;
}

int main(int argc, char **argv)
{
    static const char *file = "/etc/podmgr/podmgr.yaml";
    static bool json, check;
    static const struct opt options[] = {
        OPT_CONFIG(&file, "/etc/podmgr/podmgr.yaml"),
        OPT_LOG_JSON(&json),
        {"check-config", 0, NULL, "print the normalised configuration and exit", NULL, &check},
        {0}};
    static const struct program program = {
        .name = "podmgr",
        .about = "Allocates the cubes of an accelerator pod, programs its optical circuit\n"
                 "switches and serves schedulers and operators over REST.\n"
                 "`podmgr audit verify` walks the audit records of a stopped podmgr's\n"
                 "database, or of a copy, and names the first that was changed or removed.",
        .options = options};
    struct config config;
    struct error err;

    bool audit = take_audit_verify(&argc, argv);
    (void)opts_parse(&program, argc, argv);
    log_init("podmgr", json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, LOG_INFO);
    if (config_load(&config, file, &err) < 0) {
        log_error("config", "%s", err.text);
        return EX_CONFIG;
    }
    int status = 0;
    if (audit) {
        status = verify_audit(&config);
    } else if (check) {
        config_print(&config, stdout);
    } else {
        status = run(&config);
    }
    config_fini(&config);
    return status;
}
