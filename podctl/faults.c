/* What is not to be relied on: list it, say so, take it back. */
#include "podctl/podctl.h"

#include <stdlib.h>

#include "mem.h"

int cmd_fault_list(struct podctl *ctl)
{
    static const struct column faults[] = {
        {"PART", "target", false}, {"HEALTH", "health", false}, {"SINCE", "since", false},
        {"BY", "by", false},       {"REASON", "reason", false}, {0},
    };
    static const struct column liens[] = {
        {"LIEN ON", "port", false}, {"CUBE", "cube", false},     {"OF", "slice", false},
        {"SINCE", "since", false},  {"FENCED", "fenced", false}, {0},
    };
    int code;
    json_t *json = ctl_get(ctl, &code, "/v1/faults");

    if (json != NULL && ctl->json) {
        ctl_print_json(ctl, json);
    } else if (json != NULL) {
        ctl_print_list(ctl, json, "faults", faults);
        if (json_array_size(json_object_get(json, "liens")) > 0) {
            (void)fputc('\n', ctl->out);
            ctl_print_list(ctl, json, "liens", liens);
        }
    }
    json_decref(json);
    return code;
}

static int finish(struct podctl *ctl, const struct http_call *call, const char *done)
{
    int code;
    json_t *json = ctl_call(ctl, call, &code);

    if (json != NULL && ctl->json) {
        ctl_print_json(ctl, json);
    } else if (json != NULL) {
        (void)fprintf(ctl->out, "%s %s\n", json_string_value(json_object_get(json, "target")),
                      done);
    }
    json_decref(json);
    return code;
}

int cmd_fail(struct podctl *ctl)
{
    const char *reason = args_value(&ctl->args, "reason");

    if (reason == NULL) {
        return ctl_usage(ctl, "fail needs --reason: the next person will ask");
    }
    json_t *body = json_pack("{s:s,s:s}", "target", ctl->args.operands[0], "reason", reason);
    if (body == NULL) {
        return ctl_usage(ctl, "the part and the reason must be UTF-8");
    }
    int code =
        finish(ctl, &(struct http_call){.method = "POST", .path = "/v1/faults", .body = body},
               "is FAILED");
    json_decref(body);
    return code;
}

int cmd_clear(struct podctl *ctl)
{
    const char *reason = args_value(&ctl->args, "reason");
    char *target = client_escape(ctl->args.operands[0]);
    char *why = client_escape(reason != NULL ? reason : "");
    char *path = reason != NULL ? xasprintf("/v1/faults?target=%s&reason=%s", target, why)
                                : xasprintf("/v1/faults?target=%s", target);
    int code = finish(ctl, &(struct http_call){.method = "DELETE", .path = path}, "is cleared");

    free(path);
    free(why);
    free(target);
    return code;
}
