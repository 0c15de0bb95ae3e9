/* podmgr: owns the intent of one pod. */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
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

/* `podmgr restore BACKUP`. */
static int restore(const struct config *config, const char *backup)
{
    char aside[600];
    struct error err;

    if (store_restore(config->database, backup, &config->pod, aside, sizeof aside, &err) < 0) {
        log_error("restore", "%s", err.text);
        return 1;
    }
    (void)printf("%s restored from %s; what was there is %s\n", config->database, backup, aside);
    return 0;
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
        .operands = "[audit verify | restore BACKUP]",
        .about = "Allocates the cubes of an accelerator pod, programs its optical circuit\n"
                 "switches and serves schedulers and operators over REST.\n"
                 "`podmgr audit verify` walks the audit records of a stopped podmgr's\n"
                 "database, or of a copy, and names the first that was changed or removed; `podmgr "
                 "restore\n"
                 "BACKUP` puts a backup in the place of the database.",
        .options = options};
    struct config config;
    struct error err;

    char **words = argv + opts_parse(&program, argc, argv);
    bool audit = words[0] != NULL && words[1] != NULL && strcmp(words[0], "audit") == 0 &&
                 strcmp(words[1], "verify") == 0 && words[2] == NULL;
    bool restores = words[0] != NULL && words[1] != NULL && strcmp(words[0], "restore") == 0 &&
                    words[2] == NULL;
    if (words[0] != NULL && !audit && !restores) {
        opts_usage_error(&program, "%s: the commands are: audit verify, restore BACKUP", words[0]);
    }
    (void)umask(0077);              /* the database holds the secrets of webhooks */
    (void)signal(SIGPIPE, SIG_IGN); /* a client that hangs up is no news */
    /* A file at the limit of its size (ulimit -f) is a write that fails, as on a full disk. */
    (void)signal(SIGXFSZ, SIG_IGN);
    log_init("podmgr", json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, LOG_INFO);
    if (config_load(&config, file, &err) < 0) {
        log_error("config", "%s", err.text);
        return EX_CONFIG;
    }
    int status = 0;
    if (audit) {
        status = verify_audit(&config);
    } else if (restores) {
        status = restore(&config, words[1]);
    } else if (check) {
        config_print(&config, stdout);
    } else {
        status = run(&config);
    }
    config_fini(&config);
    return status;
}
