/* The map of podctl, the person's hands on a pod: one process a command, which
 * holds no state and decides nothing; podmgr's REST surface does.
 *
 *   argv ─> args.c ─> podctl.c (table of commands) ─> cmd_*  ─> table.c ─> stdout
 *                                                      │ request.c
 *                                                      v
 *                                      client.c (libcurl, Unix socket) ─> podmgr
 *
 * A command returns its exit code; who meets an error prints it, once. */
#ifndef PODCTL_H
#define PODCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "podctl/args.h"
#include "podctl/client.h"
#include "podctl/table.h"

enum podctl_exit {
    PODCTL_OK = 0,
    PODCTL_REFUSED = 1, /* by podmgr: the problem's detail and code are printed */
    PODCTL_USAGE = 2,
    PODCTL_UNREACHABLE = 3,
    PODCTL_SLICE_FAILED = 4,
    PODCTL_UNSETTLED = 5, /* when --wait ended */
};

struct podctl {
    struct client *client;
    struct args args; /* options and operands of the command */
    FILE *out, *err;
    bool json; /* -o json */
    bool colour;
};

struct command {
    const char *name;     /* one or two words */
    const char *operands; /* for the usage line, "" if it takes none */
    const char *help;     /* a line, or more: the first is the summary */
    int (*fn)(struct podctl *ctl);
    const struct cmd_opt *options; /* NULL: none of its own */
    unsigned min_operands, max_operands;
    bool takes_slices; /* operands are slices: for completion */
};
/* Ends with a row without a name. */
extern const struct command podctl_commands[];
extern const struct cmd_opt podctl_options[]; /* those that every command takes */

/* The whole program but for main(). */
int podctl_run(int argc, char **argv, FILE *out, FILE *err);

/* request.c */
void ctl_complain(struct podctl *ctl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Says what is wrong with the command line; returns PODCTL_USAGE. */
int ctl_usage(struct podctl *ctl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The answer's JSON (the caller's to release), or NULL and *exit_code after
 * the complaint was printed. */
json_t *ctl_call(struct podctl *ctl, const struct http_call *call, int *exit_code);
json_t *ctl_get(struct podctl *ctl, int *exit_code, const char *path_fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Prints the problem document of an answer; returns PODCTL_REFUSED. */
int ctl_refused(struct podctl *ctl, const struct answer *answer);
/* The id that an operand names: "3-41", "slice/3-41", or the slice's name, which
 * must be that of one slice only. */
int ctl_slice_id(struct podctl *ctl, const char *operand, char id[static 48]);
/* The operand without its kind: "cube/5" and "5" are both cube 5; escaped for a
 * path.  Free it. */
char *ctl_part_segment(const char *kind, const char *operand);
/* Reads --wait and --no-wait; 0 = do not wait.  False after a usage error. */
bool ctl_read_wait(struct podctl *ctl, unsigned *wait_ms);
/* Reads a whole number option; false after a usage error. */
bool ctl_read_number(struct podctl *ctl, const char *option, json_int_t dflt, json_int_t *out);

void ctl_print_json(struct podctl *ctl, const json_t *json);
/* The member `key` of the answer as a table, or the answer as JSON. */
void ctl_print_list(struct podctl *ctl, const json_t *json, const char *key,
                    const struct column *columns);
void ctl_print_fields(struct podctl *ctl, const json_t *json, const struct column *fields);

/* inventory.c */
int cmd_pod(struct podctl *ctl);
int cmd_cube_list(struct podctl *ctl);
int cmd_cube_show(struct podctl *ctl);
int cmd_host_list(struct podctl *ctl);
int cmd_host_show(struct podctl *ctl);
int cmd_ocs_list(struct podctl *ctl);
int cmd_ocs_show(struct podctl *ctl);
int cmd_operation_list(struct podctl *ctl);
int cmd_operation_show(struct podctl *ctl);
/* repairs.c */
int cmd_incident_list(struct podctl *ctl);
int cmd_incident_show(struct podctl *ctl);
int cmd_repair_list(struct podctl *ctl);
int cmd_repair_show(struct podctl *ctl);
int cmd_repair_advance(struct podctl *ctl);
/* drains.c */
int cmd_drain_create(struct podctl *ctl);
int cmd_drain_plan(struct podctl *ctl);
int cmd_drain_list(struct podctl *ctl);
int cmd_drain_show(struct podctl *ctl);
int cmd_drain_end(struct podctl *ctl);
/* slices.c */
int cmd_slice_create(struct podctl *ctl);
int cmd_slice_list(struct podctl *ctl);
int cmd_slice_show(struct podctl *ctl);
int cmd_slice_delete(struct podctl *ctl);
int cmd_slice_migrate(struct podctl *ctl);
/* remediation.c */
int cmd_remediation_show(struct podctl *ctl);
int cmd_remediation_reset(struct podctl *ctl);

/* faults.c */
int cmd_fault_list(struct podctl *ctl);
int cmd_fail(struct podctl *ctl);
int cmd_clear(struct podctl *ctl);
int cmd_quarantine_adopt(struct podctl *ctl);
/* quarantine.c */
int cmd_quarantine_list(struct podctl *ctl);
int cmd_quarantine_clear(struct podctl *ctl);
/* webhooks.c */
int cmd_webhook_create(struct podctl *ctl);
int cmd_webhook_list(struct podctl *ctl);
int cmd_webhook_show(struct podctl *ctl);
int cmd_webhook_delete(struct podctl *ctl);
int cmd_webhook_test(struct podctl *ctl);
/* links.c */
int cmd_slice_links(struct podctl *ctl);
/* events.c */
int cmd_event(struct podctl *ctl);
/* audit.c */
int cmd_audit_list(struct podctl *ctl);
/* backup.c */
int cmd_backup(struct podctl *ctl);
/* completion.c */
int cmd_completion_bash(struct podctl *ctl);
int cmd_completion_words(struct podctl *ctl);

#endif
