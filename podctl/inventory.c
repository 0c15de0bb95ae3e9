/* pod, cube, host, ocs, operation: what podmgr knows, as tables. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "podctl/podctl.h"

static const struct column pod_fields[] = {
    {"pod", "id", false},
    {"epoch", "epoch", false},
    {"incarnation", "incarnation", false},
    {"cubes", "cubes", false},
    {"cubes free", "cubes_free", false},
    {"hosts", "hosts", false},
    {"hosts healthy", "hosts_healthy", false},
    {"chips", "chips", false},
    {"switches", "ocs", false},
    {"switches reachable", "ocs_reachable", false},
    {"ports a side", "ports_per_side", false},
    {"VC classes", "vc_classes", false},
    {"slices", "slices", false},
    {"last event", "last_event", false},
    {0},
};
static const struct column cube_columns[] = {
    {"CUBE", "id", false},       {"ADMIN", "admin", false},
    {"HEALTH", "health", false}, {"OWNER", "owner", false},
    {"FREE", "free", false},     {"SINCE", "since", false},
    {"REASON", "reason", false}, {0},
};
static const struct column host_columns[] = {
    {"HOST", "id", false},
    {"ADMIN", "admin", false},
    {"HEALTH", "health", false},
    {"OWNER", "owner", false},
    {"AGENT", "agent", false},
    {"SINCE", "since", false},
    {0},
};
static const struct column host_fields[] = {
    {"host", "id", false},       {"cube", "cube", false},   {"admin", "admin", false},
    {"health", "health", false}, {"since", "since", false}, {"owner", "owner", false},
    {"agent", "agent", false},   {"chips", "chips", false}, {0},
};
static const struct column ocs_columns[] = {
    {"OCS", "id", false},
    {"AXIS", "axis", false},
    {"POSITION", "position", false},
    {"STATE", "state", false},
    {"DESIRED", "desired_circuits", false},
    {"OBSERVED", "observed_circuits", false},
    {"IN STEP", "in_step", false},
    {"EPOCH", "epoch", false},
    {"GENERATION", "generation", false},
    {"OBSERVED AT", "observed_at", false},
    {0},
};
static const struct column ocs_fields[] = {
    {"switch", "id", false},
    {"axis", "axis", false},
    {"position", "position", false},
    {"state", "state", false},
    {"since", "since", false},
    {"boot id", "boot_id", false},
    {"epoch", "epoch", false},
    {"generation", "generation", false},
    {"ports", "ports", false},
    {"desired circuits", "desired_circuits", false},
    {"observed circuits", "observed_circuits", false},
    {"in step", "in_step", false},
    {"observed at", "observed_at", false},
    {0},
};
static const struct column operation_columns[] = {
    {"OPERATION", "id", false},
    {"SLICE", "slice", false},
    {"KIND", "kind", false},
    {"STATE", "state", false},
    {"BREAKS", "breaks", false},
    {"MAKES", "makes", false},
    {"OPEN PARTS", "open_parts", false},
    {"CREATED", "created_at", false},
    {"FINISHED", "finished_at", false},
    {"REASON", "reason", false},
    {0},
};
static const struct column operation_fields[] = {
    {"operation", "id", false},
    {"slice", "slice", false},
    {"kind", "kind", false},
    {"state", "state", false},
    {"breaks", "breaks", false},
    {"makes", "makes", false},
    {"open parts", "open_parts", false},
    {"created", "created_at", false},
    {"finished", "finished_at", false},
    {"reason", "reason", false},
    {0},
};
static const struct column part_columns[] = {{"OCS", "ocs", false}, {"STATE", "state", false}, {0}};

int cmd_pod(struct podctl *ctl)
{
    int code;
    json_t *pod = ctl_get(ctl, &code, "/v1/pod");

    if (pod != NULL && ctl->json) {
        ctl_print_json(ctl, pod);
    } else if (pod != NULL) {
        ctl_print_fields(ctl, pod, pod_fields);
    }
    json_decref(pod);
    return code;
}

static int print_list_of(struct podctl *ctl, const char *path, const char *key,
                         const struct column *columns)
{
    int code;
    json_t *json = ctl_get(ctl, &code, "%s", path);

    if (json != NULL) {
        ctl_print_list(ctl, json, key, columns);
    }
    json_decref(json);
    return code;
}

int cmd_cube_list(struct podctl *ctl)
{
    return print_list_of(ctl, "/v1/cubes", "cubes", cube_columns);
}

int cmd_ocs_list(struct podctl *ctl)
{
    return print_list_of(ctl, "/v1/ocs", "ocs", ocs_columns);
}

int cmd_host_list(struct podctl *ctl)
{
    const char *health = args_value(&ctl->args, "health");
    char *value = client_escape(health != NULL ? health : "");
    char *path = xasprintf("/v1/hosts%s%s", health != NULL ? "?health=" : "", value);
    int code = print_list_of(ctl, path, "hosts", host_columns);

    free(path);
    free(value);
    return code;
}

int cmd_operation_list(struct podctl *ctl)
{
    json_int_t limit;
    char path[64];

    if (!ctl_read_number(ctl, "limit", 50, &limit)) {
        return PODCTL_USAGE;
    }
    (void)snprintf(path, sizeof path, "/v1/operations?limit=%" JSON_INTEGER_FORMAT, limit);
    return print_list_of(ctl, path, "operations", operation_columns);
}

/* The part that the first operand names; `more` prints what fields do not. */
static int show(struct podctl *ctl, const char *kind, const char *collection,
                const struct column *fields, void (*more)(struct podctl *ctl, const json_t *part))
{
    int code;
    char *segment = ctl_part_segment(kind, ctl->args.operands[0]);
    json_t *part = ctl_get(ctl, &code, "/v1/%s/%s", collection, segment);

    free(segment);
    if (part != NULL && ctl->json) {
        ctl_print_json(ctl, part);
    } else if (part != NULL) {
        ctl_print_fields(ctl, part, fields);
        if (more != NULL) {
            (void)fputc('\n', ctl->out);
            more(ctl, part);
        }
    }
    json_decref(part);
    return code;
}

static void print_hosts(struct podctl *ctl, const json_t *cube)
{
    ctl_print_list(ctl, cube, "hosts", host_columns);
}

static void print_parts(struct podctl *ctl, const json_t *operation)
{
    ctl_print_list(ctl, operation, "parts", part_columns);
}

/* Where [north, south] pairs lead from `north`; NULL if nowhere. */
static const json_t *south_of(const json_t *pairs, json_int_t north)
{
    size_t i;
    json_t *pair;

    json_array_foreach(pairs, i, pair)
    {
        if (json_integer_value(json_array_get(pair, 0)) == north) {
            return json_array_get(pair, 1);
        }
    }
    return NULL;
}

static const json_t *of_port(const json_t *ocs, const char *what, char side, json_int_t port)
{
    char key[32];

    (void)snprintf(key, sizeof key, "%c-%" JSON_INTEGER_FORMAT, side, port);
    return json_object_get(json_object_get(ocs, what), key);
}

/* Desired and observed map side by side, one north port a line. */
static void print_circuits(struct podctl *ctl, const json_t *ocs)
{
    static const char *const titles[] = {"NORTH",     "DESIRED",   "OBSERVED", "LOSS dB",
                                         "NORTH dBm", "SOUTH dBm", NULL};
    const json_t *desired = json_object_get(ocs, "desired");
    const json_t *observed = json_object_get(ocs, "observed");
    json_int_t ports = json_integer_value(json_at(ocs, "ports.north"));
    struct table *table = table_create(titles);

    for (json_int_t north = 0; north < ports; north++) {
        const json_t *want = south_of(desired, north), *have = south_of(observed, north);
        if (want == NULL && have == NULL) {
            continue;
        }
        table_cell(table, xasprintf("%" JSON_INTEGER_FORMAT, north));
        table_cell(table, json_cell(want));
        table_cell(table, json_cell(have));
        table_cell(table, json_cell(of_port(ocs, "loss_db", 'n', north)));
        table_cell(table, json_cell(of_port(ocs, "power_dbm", 'n', north)));
        table_cell(table, json_cell(have == NULL ? NULL
                                                 : of_port(ocs, "power_dbm", 's',
                                                           json_integer_value(have))));
    }
    table_print(table, ctl->out, ctl->colour);
    table_destroy(table);
}

int cmd_cube_show(struct podctl *ctl)
{
    static const struct column fields[] = {
        {"cube", "id", false},       {"admin", "admin", false},
        {"health", "health", false}, {"since", "since", false},
        {"owner", "owner", false},   {"free", "free", false},
        {"reason", "reason", false}, {0},
    };
    return show(ctl, "cube", "cubes", fields, print_hosts);
}

int cmd_host_show(struct podctl *ctl)
{
    return show(ctl, "host", "hosts", host_fields, NULL);
}

int cmd_ocs_show(struct podctl *ctl)
{
    return show(ctl, "ocs", "ocs", ocs_fields, print_circuits);
}

int cmd_operation_show(struct podctl *ctl)
{
    return show(ctl, "operation", "operations", operation_fields, print_parts);
}
