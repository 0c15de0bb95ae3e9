/* incident, repair: what went wrong, and the tickets by which it is put right. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "podctl/podctl.h"

static const struct column incident_columns[] = {
    {"INCIDENT", "id", false},
    {"STATE", "state", false},
    {"PART", "part", false},
    {"KIND", "kind", false},
    {"CONFIDENCE", "confidence", false},
    {"SEVERITY", "severity", false},
    {"SYMPTOMS", "symptoms", false},
    {"COUNT", "count", false},
    {"SLICES", "slices", true},
    {"OPENED", "opened_at", false},
    {0},
};
static const struct column incident_fields[] = {
    {"incident", "id", false},
    {"state", "state", false},
    {"part", "part", false},
    {"kind", "kind", false},
    {"confidence", "confidence", false},
    {"or it is", "rivals", false},
    {"severity", "severity", false},
    {"symptoms", "symptoms", false},
    {"well for all that", "healthy", false},
    {"times it came", "count", false},
    {"began", "began_at", false},
    {"opened", "opened_at", false},
    {"updated", "updated_at", false},
    {"closed", "closed_at", false},
    {"part of", "merged_into", false},
    {"slices", "slices", false},
    {"detected in ms", "timings.detect_ms", false},
    {"decided in ms", "timings.decide_ms", false},
    {"recovered in ms", "timings.recover_ms", false},
    {0},
};
static const struct column action_columns[] = {{"AT", "at", false}, {"ACTION", "text", false}, {0}};

static const struct column repair_columns[] = {
    {"REPAIR", "id", false},          {"STATE", "state", false},
    {"PART", "part", false},          {"SPARE", "spare_port", false},
    {"RELAPSES", "relapses", false},  {"OPENED", "opened_at", false},
    {"CHANGED", "changed_at", false}, {0},
};
static const struct column repair_fields[] = {
    {"repair", "id", false},
    {"state", "state", false},
    {"part", "part", false},
    {"where", "position", false},
    {"what to do", "action", false},
    {"safe to unplug", "safe_to_unplug", false},
    {"spare port", "spare_port", false},
    {"opened", "opened_at", false},
    {"changed", "changed_at", false},
    {"relapses", "relapses", false},
    {"incidents", "incidents", false},
    {"version", "version", false},
    {0},
};
static const struct column history_columns[] = {
    {"AT", "at", false},   {"FROM", "from", false}, {"TO", "to", false},
    {"WHO", "who", false}, {"NOTE", "note", false}, {0},
};

/* The list of /v1/COLLECTION, filtered by --state and --limit. */
static int list(struct podctl *ctl, const char *collection, const struct column *columns)
{
    const char *state = args_value(&ctl->args, "state");
    json_int_t limit;
    int code;

    if (!ctl_read_number(ctl, "limit", 50, &limit)) {
        return PODCTL_USAGE;
    }
    char *value = client_escape(state != NULL ? state : "");
    json_t *json = ctl_get(ctl, &code, "/v1/%s?limit=%" JSON_INTEGER_FORMAT "%s%s", collection,
                           limit, state != NULL ? "&state=" : "", value);
    free(value);
    if (json != NULL) {
        ctl_print_list(ctl, json, collection, columns);
    }
    json_decref(json);
    return code;
}

/* One object, then its list `key` if it has any. */
static void print(struct podctl *ctl, const json_t *json, const struct column *fields,
                  const char *key, const struct column *columns)
{
    if (ctl->json) {
        ctl_print_json(ctl, json);
        return;
    }
    ctl_print_fields(ctl, json, fields);
    if (json_array_size(json_object_get(json, key)) > 0) {
        (void)fputc('\n', ctl->out);
        ctl_print_list(ctl, json, key, columns);
    }
}

/* The object of /v1/<kind>s that the first operand names. */
static int show(struct podctl *ctl, const char *kind, const struct column *fields, const char *key,
                const struct column *columns)
{
    char *segment = ctl_part_segment(kind, ctl->args.operands[0]);
    int code;
    json_t *json = ctl_get(ctl, &code, "/v1/%ss/%s", kind, segment);

    free(segment);
    if (json != NULL) {
        print(ctl, json, fields, key, columns);
    }
    json_decref(json);
    return code;
}

int cmd_incident_list(struct podctl *ctl)
{
    return list(ctl, "incidents", incident_columns);
}

int cmd_incident_show(struct podctl *ctl)
{
    return show(ctl, "incident", incident_fields, "actions", action_columns);
}

int cmd_repair_list(struct podctl *ctl)
{
    return list(ctl, "repairs", repair_columns);
}

int cmd_repair_show(struct podctl *ctl)
{
    return show(ctl, "repair", repair_fields, "history", history_columns);
}

int cmd_repair_advance(struct podctl *ctl)
{
    const char *note = args_value(&ctl->args, "note");
    json_t *body = json_pack("{s:s,s:s*}", "to", ctl->args.operands[1], "note", note);
    int code;

    if (body == NULL) {
        return ctl_usage(ctl, "the state and --note must be UTF-8 text");
    }
    char *segment = ctl_part_segment("repair", ctl->args.operands[0]);
    char *path = xasprintf("/v1/repairs/%s:advance", segment);
    const struct http_call call = {.method = "POST", .path = path, .body = body};
    json_t *repair = ctl_call(ctl, &call, &code);
    if (repair != NULL) {
        print(ctl, repair, repair_fields, "history", history_columns);
    }
    json_decref(repair);
    json_decref(body);
    free(path);
    free(segment);
    return code;
}
