/* quarantine list, clear: what a restored backup cannot explain.  To adopt is to
 * create (slices.c). */
#include "podctl/podctl.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

int cmd_quarantine_list(struct podctl *ctl)
{
    static const struct column columns[] = {
        {"CUBES", "cubes", false}, {"CIRCUITS", "circuits", false}, {"SINCE", "since", false}, {0}};
    int code;
    json_t *json = ctl_get(ctl, &code, "/v1/quarantine");

    if (json != NULL) {
        ctl_print_list(ctl, json, "groups", columns);
    }
    json_decref(json);
    return code;
}

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL ? text : "";
}

static int report(struct podctl *ctl, const json_t *op, unsigned wait_ms)
{
    const char *id = text_at(op, "id"), *state = text_at(op, "state");

    if (ctl->json) {
        ctl_print_json(ctl, op);
    } else {
        (void)fprintf(ctl->out, "operation/%s breaks %" JSON_INTEGER_FORMAT " circuits: %s\n", id,
                      json_integer_value(json_object_get(op, "breaks")), state);
    }
    if (strcmp(state, "FAILED") == 0) {
        ctl_complain(ctl, "operation/%s is FAILED: %s", id, text_at(op, "reason"));
        return PODCTL_REFUSED;
    }
    if (strcmp(state, "OPEN") == 0 && wait_ms != 0) {
        ctl_complain(ctl, "operation/%s is still OPEN after %.1f s; see `podctl operation show %s`",
                     id, wait_ms / 1e3, id);
        return PODCTL_UNSETTLED;
    }
    return PODCTL_OK;
}

int cmd_quarantine_clear(struct podctl *ctl)
{
    char *cube = ctl_part_segment("cube", ctl->args.operands[0]);
    unsigned wait_ms = 0;
    int code = PODCTL_USAGE;

    if (ctl_read_wait(ctl, &wait_ms)) {
        char *path = wait_ms != 0
                         ? xasprintf("/v1/cubes/%s:clear-quarantine?wait=%ums", cube, wait_ms)
                         : xasprintf("/v1/cubes/%s:clear-quarantine", cube);
        const struct http_call call = {.method = "POST",
                                       .path = path,
                                       .wait_ms = wait_ms,
                                       .waiting_for = "waiting for the circuits to be dark"};
        json_t *op = ctl_call(ctl, &call, &code);
        if (op != NULL) {
            code = report(ctl, op, wait_ms);
        }
        json_decref(op);
        free(path);
    }
    free(cube);
    return code;
}
