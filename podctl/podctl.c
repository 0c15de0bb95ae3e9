/* The commands, in a table, and how a command line becomes a call of one. */
#include "podctl/podctl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#define SOCKET_DEFAULT "/run/podmgr/podmgr.sock"

const struct cmd_opt podctl_options[] = {
    {"output", 'o', "FORMAT", false, "table, or json: as podmgr sent it (default table)"},
    {"socket", 0, "PATH", false,
     "podmgr's Unix socket (default $PODCTL_SOCKET or " SOCKET_DEFAULT ")"},
    {"url", 0, "URL", false, "talk to podmgr over TCP, such as http://127.0.0.1:8470"},
    {"help", 'h', NULL, false, "print this, or the help of the command, and exit"},
    {"version", 0, NULL, false, "print the version and exit"},
    {0},
};

#define WAIT_OPTIONS                                                                               \
    {"wait", 0, "TIME", true, "wait that long for it to settle (default 30s, at most 600s)"},      \
    {                                                                                              \
        "no-wait", 0, NULL, false, "return when podmgr has accepted it"                            \
    }

static const struct cmd_opt create_options[] = {
    {"name", 0, "NAME", false, "what to call it (default slice-ID)"},
    {"cubes", 0, "N,N,...", false, "these cubes, in logical order, x fastest (default: any)"},
    {"twisted", 0, NULL, false, "a twisted torus (the default where the shape has one)"},
    {"no-twisted", 0, NULL, false, "a plain torus"},
    {"weave", 0, "FILE", false, "circuits as tpunet optimise wrote them, in place of a torus"},
    {"no-degraded", 0, NULL, false, "refuse fault-tolerant routes"},
    {"owner", 0, "OWNER", false, "whose it is"},
    {"priority", 0, "N", false, "a whole number, more is more important"},
    {"label", 0, "KEY=VALUE", false, "a label; may be repeated"},
    WAIT_OPTIONS,
    {0},
};
static const struct cmd_opt delete_options[] = {WAIT_OPTIONS, {0}};
static const struct cmd_opt list_options[] = {
    {"state", 0, "STATE", false, "only those in this state, such as ACTIVE"},
    {"name", 0, "NAME", false, "only those of this name"},
    {"owner", 0, "OWNER", false, "only those of this owner"},
    {0},
};
static const struct cmd_opt links_options[] = {
    {"trace", 0, "CHIP+AXIS", false, "one link from chip to chip, such as chip/5-3-1-2+x"}, {0}};
static const struct cmd_opt host_options[] = {
    {"health", 0, "HEALTH", false, "only those of this health, such as FAILED"}, {0}};
static const struct cmd_opt operation_options[] = {
    {"limit", 0, "N", false, "the last N (default 50)"}, {0}};
static const struct cmd_opt incident_options[] = {
    {"state", 0, "STATE", false, "only those in this state, OPEN or CLOSED"},
    {"limit", 0, "N", false, "the last N (default 50)"},
    {0},
};
static const struct cmd_opt repair_options[] = {
    {"state", 0, "STATE", false, "only those in this state, such as READY_FOR_REPAIR"},
    {"limit", 0, "N", false, "the last N (default 50)"},
    {0},
};
static const struct cmd_opt advance_options[] = {
    {"note", 0, "TEXT", false, "a line for the history, such as what was replaced"}, {0}};
static const struct cmd_opt event_options[] = {
    {"since", 0, "SEQ", false, "those after this number (default: the last 50)"},
    {"follow", 'f', NULL, false, "go on with what happens, also over a restart of podmgr"},
    {0},
};

static const struct cmd_opt audit_options[] = {
    {"since", 0, "SEQ", false, "those after this number (default: the last ones)"},
    {"limit", 0, "N", false, "at most N, up to 500 (default 50)"},
    {0},
};

static const struct cmd_opt migrate_options[] = {
    {"replace", 0, "CUBE[=CUBE]", false, "swap this cube, for that one if given; may be repeated"},
    WAIT_OPTIONS,
    {0},
};

static const struct cmd_opt word_options[] = {
    {"reason", 0, "TEXT", false, "what you saw or did; it is kept for the next person"}, {0}};

static const struct cmd_opt drain_options[] = {
    {"reason", 0, "TEXT", false, "why; it is kept for the next person"},
    {"mode", 0, "MODE", false, "graceful: wait for the jobs (the default); now: move them off"},
    {"until", 0, "TIME", false, "when it ends by itself, such as 2026-01-31T12:00:00Z"},
    {0},
};

static const struct cmd_opt webhook_options[] = {
    {"secret-file", 0, "FILE", false, "its first line signs what is sent: 16 to 128 bytes"},
    {"event", 0, "PREFIX", false, "only types that begin so, such as slice.; may be repeated"},
    {"owner", 0, "NAME", false, "whose it is, for people"},
    {"since", 0, "SEQ", false, "begin after this event (default: with what happens from now on)"},
    {0},
};

static const struct cmd_opt backup_options[] = {
    {"name", 0, "NAME", false, "of the file, NAME.backup (default: the pod's id and the time)"},
    {0},
};

const struct command podctl_commands[] = {
    {"pod", "", "the pod at a glance", cmd_pod, NULL, 0, 0, false},
    {"cube list", "", "cubes: health, owner, why one is not free", cmd_cube_list, NULL, 0, 0,
     false},
    {"cube show", "CUBE", "one cube and its hosts", cmd_cube_show, NULL, 1, 1, false},
    {"host list", "", "hosts: health, owner, agent", cmd_host_list, host_options, 0, 0, false},
    {"host show", "HOST", "one host and its chips", cmd_host_show, NULL, 1, 1, false},
    {"ocs list", "", "optical circuit switches", cmd_ocs_list, NULL, 0, 0, false},
    {"ocs show", "OCS", "one switch: desired and observed map, light, loss", cmd_ocs_show, NULL, 1,
     1, false},
    {"slice create", "TOPOLOGY", "join cubes into a torus such as 4x4x8, wait until it is ACTIVE",
     cmd_slice_create, create_options, 1, 1, false},
    {"slice list", "", "slices and their states", cmd_slice_list, list_options, 0, 0, false},
    {"slice show", "SLICE", "one slice: cubes, timings, routes", cmd_slice_show, NULL, 1, 1, true},
    {"slice links", "SLICE", "its links between cubes, or one traced from chip to chip",
     cmd_slice_links, links_options, 1, 1, true},
    {"slice delete", "SLICE...", "release slices, wait until every mirror is dark",
     cmd_slice_delete, delete_options, 1, 4096, true},
    {"slice migrate", "SLICE", "swap cubes under a serving slice", cmd_slice_migrate,
     migrate_options, 1, 1, true},
    {"fault list", "", "what is FAILED or SUSPECT, and the liens", cmd_fault_list, NULL, 0, 0,
     false},
    {"fail", "PART", "call ocs/17, cube/5 or host/5-3 FAILED; needs --reason", cmd_fail,
     word_options, 1, 1, false},
    {"clear", "PART", "it is good again; also for a SUSPECT port such as port/12-n-5", cmd_clear,
     word_options, 1, 1, false},
    {"drain create", "TARGET",
     "take ocs/12, cube/5, host/5-3, link/5-3-0-2+x or power/ID out of service", cmd_drain_create,
     drain_options, 1, 1, false},
    {"drain plan", "TARGET", "what that would do to whom; changes nothing", cmd_drain_plan,
     drain_options, 1, 1, false},
    {"drain list", "", "what is being drained or is drained, newest first", cmd_drain_list, NULL, 0,
     0, false},
    {"drain show", "DRAIN", "one drain, by id or target: what it waits for, what is safe",
     cmd_drain_show, NULL, 1, 1, false},
    {"drain end", "DRAIN", "put it back into service, by id or target", cmd_drain_end, NULL, 1, 1,
     false},
    {"quarantine list", "", "groups of cubes that a restored backup cannot explain",
     cmd_quarantine_list, NULL, 0, 0, false},
    {"quarantine clear", "CUBE", "break the unexplained circuits of its group, wait until dark",
     cmd_quarantine_clear, delete_options, 1, 1, false},
    {"quarantine adopt", "TOPOLOGY", "make a slice of --cubes as they are joined now",
     cmd_quarantine_adopt, create_options, 1, 1, false},
    {"remediation show", "", "what podmgr mends by itself, its breaker and budgets",
     cmd_remediation_show, NULL, 0, 0, false},
    {"remediation reset", "", "reset the breaker: podmgr may mend again", cmd_remediation_reset,
     NULL, 0, 0, false},
    {"operation list", "", "changes of the switches, newest first", cmd_operation_list,
     operation_options, 0, 0, false},
    {"operation show", "OPERATION", "one change, switch by switch", cmd_operation_show, NULL, 1, 1,
     false},
    {"incident list", "", "what went wrong, newest first", cmd_incident_list, incident_options, 0,
     0, false},
    {"incident show", "INCIDENT", "one incident: cause, evidence, what was done, times",
     cmd_incident_show, NULL, 1, 1, false},
    {"repair list", "", "repair tickets, newest first", cmd_repair_list, repair_options, 0, 0,
     false},
    {"repair show", "REPAIR", "one ticket: where to walk, what to do, what is safe to unplug",
     cmd_repair_show, NULL, 1, 1, false},
    {"repair advance", "REPAIR STATE",
     "move a ticket on: IN_REPAIR when beginning, VERIFYING when done", cmd_repair_advance,
     advance_options, 2, 2, false},
    {"event", "", "what happened, and with --follow what happens", cmd_event, event_options, 0, 0,
     false},
    {"webhook create", "URL", "have events told to a URL as they happen", cmd_webhook_create,
     webhook_options, 1, 1, false},
    {"webhook list", "", "who is told of events, and how far each is", cmd_webhook_list, NULL, 0, 0,
     false},
    {"webhook show", "WEBHOOK", "one webhook, its last try and why it fails", cmd_webhook_show,
     NULL, 1, 1, false},
    {"webhook delete", "WEBHOOK", "tell it nothing more", cmd_webhook_delete, NULL, 1, 1, false},
    {"webhook test", "WEBHOOK", "send it an event of type webhook.test, now", cmd_webhook_test,
     NULL, 1, 1, false},
    {"audit list", "", "who changed what, oldest first", cmd_audit_list, audit_options, 0, 0,
     false},
    {"backup", "", "copy the database, verified, while podmgr runs", cmd_backup, backup_options, 0,
     0, false},
    {"completion bash", "", "bash's completion script: source <(podctl completion bash)",
     cmd_completion_bash, NULL, 0, 0, false},
    {"completion words", "[--] [WORD]...", "what may follow these words (the script asks)",
     cmd_completion_words, NULL, 0, 4096, false},
    {0},
};

/* ---------------------------------------------------------------- help -- */

static void print_options(FILE *out, const struct cmd_opt *rows)
{
    for (; rows != NULL && rows->name != NULL; rows++) {
        char left[64];
        const char *open = rows->arg_optional ? "[=" : " ", *close = rows->arg_optional ? "]" : "";
        (void)snprintf(left, sizeof left, "%c%c%c --%s%s%s%s", rows->short_name != 0 ? '-' : ' ',
                       rows->short_name != 0 ? rows->short_name : ' ',
                       rows->short_name != 0 ? ',' : ' ', rows->name, rows->arg != NULL ? open : "",
                       rows->arg != NULL ? rows->arg : "", rows->arg != NULL ? close : "");
        (void)fprintf(out, "  %-24s  %s\n", left, rows->help);
    }
}

static void print_exit_codes(FILE *out)
{
    (void)fputs("\nExit codes:\n"
                "  0  done\n"
                "  1  podmgr refused (its detail and code are printed), or no such slice\n"
                "  2  the command line is wrong\n"
                "  3  podmgr cannot be reached\n"
                "  4  the slice settled as FAILED (its reason is printed)\n"
                "  5  the slice has not settled within --wait\n",
                out);
}

static void print_command_help(FILE *out, const struct command *command)
{
    (void)fprintf(out, "Usage: podctl %s%s%s [OPTION]...\n\n%s\n\nOptions:\n", command->name,
                  command->operands[0] != '\0' ? " " : "", command->operands, command->help);
    print_options(out, command->options);
    print_options(out, podctl_options);
    print_exit_codes(out);
}

/* Commands that begin with `group`, all of them if it is "". */
static void print_commands(FILE *out, const char *group)
{
    size_t len = strlen(group);

    for (const struct command *c = podctl_commands; c->name != NULL; c++) {
        char left[64];
        if (strncmp(c->name, group, len) == 0) {
            (void)snprintf(left, sizeof left, "%s %s", c->name, c->operands);
            (void)fprintf(out, "  %-31s  %s\n", left, c->help);
        }
    }
}

static void print_help(FILE *out, const char *group)
{
    (void)fprintf(out,
                  "Usage: podctl [OPTION]... COMMAND [OPTION]... [OPERAND]...\n\n"
                  "Operates a pod through podmgr.  Parts are named cube/5 or 5, host/5-3, ocs/12;\n"
                  "slices by id or by name.\n\nCommands:\n");
    print_commands(out, group);
    (void)fputs("\nOptions:\n", out);
    print_options(out, podctl_options);
    print_exit_codes(out);
    (void)fputs("\nColours are used on a terminal only, and not if NO_COLOR is set.\n", out);
}

/* ------------------------------------------------------------- running -- */

static bool is_group(const char *word)
{
    size_t len = strlen(word);

    for (const struct command *c = podctl_commands; c->name != NULL; c++) {
        if (strncmp(c->name, word, len) == 0 && c->name[len] == ' ') {
            return true;
        }
    }
    return false;
}

/* The command that the first one or two words name; NULL if none. */
static const struct command *find_command(char **words, size_t n, size_t *used)
{
    for (const struct command *c = podctl_commands; c->name != NULL; c++) {
        const char *space = strchr(c->name, ' ');
        size_t len = space != NULL ? (size_t)(space - c->name) : strlen(c->name);
        *used = space != NULL ? 2 : 1;
        if (n >= *used && strlen(words[0]) == len && strncmp(words[0], c->name, len) == 0 &&
            (space == NULL || strcmp(words[1], space + 1) == 0)) {
            return c;
        }
    }
    return NULL;
}

static int no_command(struct podctl *ctl)
{
    char **words = ctl->args.operands;
    size_t n = ctl->args.n_operands;

    if (n == 0) {
        print_help(ctl->err, "");
        return PODCTL_USAGE;
    }
    if (!is_group(words[0])) {
        return ctl_usage(ctl, "no command '%s'; try `podctl --help`", words[0]);
    }
    if (n > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0)) {
        print_help(ctl->out, words[0]);
        return PODCTL_OK;
    }
    (void)ctl_usage(ctl, n > 1 ? "no command '%s %s'; there are:" : "'%s%s' needs one more word:",
                    words[0], n > 1 ? words[1] : "");
    print_commands(ctl->err, words[0]);
    return PODCTL_USAGE;
}

/* False after a usage error. */
static bool set_output(struct podctl *ctl)
{
    const char *format = args_value(&ctl->args, "output");
    const char *no_colour = getenv("NO_COLOR");

    if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "table") != 0) {
        (void)ctl_usage(ctl, "--output: '%s' is neither table nor json", format);
        return false;
    }
    ctl->json = format != NULL && strcmp(format, "json") == 0;
    ctl->colour = (no_colour == NULL || no_colour[0] == '\0') && isatty(fileno(ctl->out));
    return true;
}

static void connect_client(struct podctl *ctl)
{
    const char *socket = args_value(&ctl->args, "socket");
    const char *from_environment = getenv("PODCTL_SOCKET");

    if (socket == NULL) {
        socket = from_environment != NULL && from_environment[0] != '\0' ? from_environment
                                                                         : SOCKET_DEFAULT;
    }
    ctl->client = client_create(socket, args_value(&ctl->args, "url"),
                                isatty(fileno(ctl->err)) ? ctl->err : NULL);
}

static int run_command(struct podctl *ctl, const struct command *command)
{
    size_t n = ctl->args.n_operands;

    if (args_has(&ctl->args, "help")) {
        print_command_help(ctl->out, command);
        return PODCTL_OK;
    }
    if (n < command->min_operands) {
        return ctl_usage(ctl, "%s needs %s; try `podctl %s --help`", command->name,
                         command->operands, command->name);
    }
    if (n > command->max_operands) {
        return ctl_usage(ctl, "%s: unexpected argument '%s'; try `podctl %s --help`", command->name,
                         ctl->args.operands[command->max_operands], command->name);
    }
    if (!set_output(ctl)) {
        return PODCTL_USAGE;
    }
    connect_client(ctl);
    return command->fn(ctl);
}

/* Options of podctl, the command's words, then its own options and operands. */
static int parse_and_run(struct podctl *ctl, int argc, char **argv)
{
    struct error err;
    size_t used;

    if (args_parse(&ctl->args, podctl_options, NULL, true, argc, argv, &err) < 0) {
        return ctl_usage(ctl, "%s; try `podctl --help`", err.text);
    }
    if (args_has(&ctl->args, "version")) {
        (void)fprintf(ctl->out, "podctl %s\n", PODMGR_VERSION);
        return PODCTL_OK;
    }
    const struct command *command = find_command(ctl->args.operands, ctl->args.n_operands, &used);
    if (command == NULL && args_has(&ctl->args, "help")) {
        print_help(ctl->out, "");
        return PODCTL_OK;
    }
    if (command == NULL) {
        return no_command(ctl);
    }
    /* The command's last word takes the place of argv[0]. */
    int rest = (int)(ctl->args.n_operands - used) + 1;
    if (args_parse(&ctl->args, podctl_options, command->options, false, rest,
                   ctl->args.operands + used - 1, &err) < 0) {
        return ctl_usage(ctl, "%s; try `podctl %s --help`", err.text, command->name);
    }
    return run_command(ctl, command);
}

int podctl_run(int argc, char **argv, FILE *out, FILE *err)
{
    struct podctl ctl = {.out = out, .err = err};
    int code = parse_and_run(&ctl, argc, argv);

    client_destroy(ctl.client);
    args_fini(&ctl.args);
    (void)fflush(out);
    return code;
}
