/* Taking parts out of service and putting them back; what that would do first. */
#include "podctl/podctl.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

static const struct column drain_columns[] = {
    {"DRAIN", "id", false},           {"TARGET", "target", false},    {"STATE", "state", false},
    {"MODE", "mode", false},          {"SINCE", "created_at", false}, {"UNTIL", "until", false},
    {"WAITS FOR", "waits_for", true}, {"REASON", "reason", false},    {0},
};
static const struct column drain_fields[] = {
    {"drain", "id", false},
    {"target", "target", false},
    {"state", "state", false},
    {"mode", "mode", false},
    {"reason", "reason", false},
    {"by", "by", false},
    {"since", "created_at", false},
    {"drained", "drained_at", false},
    {"until", "until", false},
    {"cubes", "cubes", false},
    {"switches", "switches", false},
    {"ports", "ports", false},
    {"operation under way", "operation", false},
    {"trouble", "trouble", false},
    {"safe to unplug", "safe_to_unplug", false},
    {"version", "version", false},
    {0},
};
static const struct column plan_fields[] = {
    {"target", "target", false},
    {"mode", "mode", false},
    {"cubes", "cubes", false},
    {"switches", "switches", false},
    {"ports", "ports", false},
    {"drained at once", "drained_at_once", false},
    {"cubes in use", "cubes_in_use", false},
    {"free cubes", "spare_cubes", false},
    {"enough of them", "spare_exists", false},
    {"without redundancy", "without_redundancy", false},
    {0},
};
static const struct column step_columns[] = {
    {"SLICE", "slice", false}, {"NAME", "name", false}, {"ACTION", "action", false},
    {"RULE", "rule", false},   {"WHY", "text", false},  {0},
};

static void print(struct podctl *ctl, const json_t *json, const struct column *fields,
                  const char *slices)
{
    if (ctl->json) {
        ctl_print_json(ctl, json);
        return;
    }
    ctl_print_fields(ctl, json, fields);
    if (json_array_size(json_object_get(json, slices)) > 0) {
        (void)fputc('\n', ctl->out);
        ctl_print_list(ctl, json, slices, step_columns);
    }
}

/* The body of an order; NULL after a usage error. */
static json_t *order_of(struct podctl *ctl, bool is_plan)
{
    const char *reason = args_value(&ctl->args, "reason");
    const char *until = args_value(&ctl->args, "until");
    struct wall_ms at;

    if (reason == NULL && !is_plan) {
        (void)ctl_usage(ctl, "drain create needs --reason: the next person will ask");
        return NULL;
    }
    if (until != NULL && !wall_parse(&at, until)) {
        (void)ctl_usage(ctl, "--until: '%s' is no time such as 2026-01-31T12:00:00Z", until);
        return NULL;
    }
    json_t *body = json_pack("{s:s,s:s,s:s*,s:s*}", "target", ctl->args.operands[0], "reason",
                             reason != NULL ? reason : "a plan", "mode",
                             args_value(&ctl->args, "mode"), "until", until);
    if (body == NULL) {
        (void)ctl_usage(ctl, "the target and the options must be UTF-8");
    }
    return body;
}

static int give(struct podctl *ctl, const char *path, bool is_plan, const struct column *fields,
                const char *slices)
{
    json_t *body = order_of(ctl, is_plan);
    int code = PODCTL_USAGE;

    if (body != NULL) {
        const struct http_call call = {.method = "POST", .path = path, .body = body};
        json_t *answer = ctl_call(ctl, &call, &code);
        if (answer != NULL) {
            print(ctl, answer, fields, slices);
        }
        json_decref(answer);
    }
    json_decref(body);
    return code;
}

int cmd_drain_create(struct podctl *ctl)
{
    return give(ctl, "/v1/drains", false, drain_fields, "waits_for");
}

int cmd_drain_plan(struct podctl *ctl)
{
    return give(ctl, "/v1/drains:plan", true, plan_fields, "slices");
}

int cmd_drain_list(struct podctl *ctl)
{
    int code;
    json_t *json = ctl_get(ctl, &code, "/v1/drains");

    if (json != NULL) {
        ctl_print_list(ctl, json, "drains", drain_columns);
    }
    json_decref(json);
    return code;
}

/* "3-17", "drain/3-17", or the target of one: "ocs/12".  NULL after the complaint. */
static char *drain_segment(struct podctl *ctl, int *code)
{
    const char *operand = ctl->args.operands[0];
    char *found = NULL;
    json_t *item;
    size_t i;

    if (strchr(operand, '/') == NULL || strncmp(operand, "drain/", 6) == 0) {
        return ctl_part_segment("drain", operand);
    }
    json_t *json = ctl_get(ctl, code, "/v1/drains");
    json_array_foreach(json_object_get(json, "drains"), i, item)
    {
        const char *target = json_string_value(json_object_get(item, "target"));
        const char *id = json_string_value(json_object_get(item, "id"));
        if (found == NULL && target != NULL && id != NULL && strcmp(target, operand) == 0) {
            found = xstrdup(id);
        }
    }
    if (json != NULL && found == NULL) {
        ctl_complain(ctl, "%s is not drained", operand);
        *code = PODCTL_REFUSED;
    }
    json_decref(json);
    return found;
}

int cmd_drain_show(struct podctl *ctl)
{
    int code = PODCTL_REFUSED;
    char *segment = drain_segment(ctl, &code);
    json_t *json = segment != NULL ? ctl_get(ctl, &code, "/v1/drains/%s", segment) : NULL;

    if (json != NULL) {
        print(ctl, json, drain_fields, "waits_for");
    }
    json_decref(json);
    free(segment);
    return code;
}

int cmd_drain_end(struct podctl *ctl)
{
    int code = PODCTL_REFUSED;
    char *segment = drain_segment(ctl, &code);

    if (segment == NULL) {
        return code;
    }
    char *path = xasprintf("/v1/drains/%s", segment);
    json_t *json = ctl_call(ctl, &(struct http_call){.method = "DELETE", .path = path}, &code);
    if (json != NULL && ctl->json) {
        ctl_print_json(ctl, json);
    } else if (json != NULL) {
        (void)fprintf(ctl->out, "%s is in service again\n",
                      json_string_value(json_object_get(json, "target")));
    }
    json_decref(json);
    free(path);
    free(segment);
    return code;
}
