/* slice create, list, show, delete.  podmgr validates; here a mistake is only
 * told early when it could not even be sent. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mem.h"
#include "podctl/podctl.h"

/* ------------------------------------------------- options to the body -- */

static json_t *make_text(const char *text)
{
    return json_string(text); /* NULL if it is not UTF-8 */
}

static json_t *make_true(const char *text)
{
    (void)text;
    return json_true();
}

static json_t *make_false(const char *text)
{
    (void)text;
    return json_false();
}

static json_t *make_number(const char *text)
{
    char *end;

    errno = 0;
    long n = strtol(text, &end, 10);
    return end == text || *end != '\0' || errno != 0 ? NULL : json_integer(n);
}

static json_t *make_numbers(const char *text)
{
    json_t *list = json_array();

    for (char *end;; text = end + 1) {
        long n = strtol(text, &end, 10);
        if (!isdigit((unsigned char)*text) || (*end != ',' && *end != '\0')) {
            json_decref(list);
            return NULL;
        }
        (void)json_array_append_new(list, json_integer(n));
        if (*end == '\0') {
            return list;
        }
    }
}

/* What tpunet optimise wrote: podmgr looks at what it says. */
static json_t *make_weave(const char *path)
{
    json_t *file = json_load_file(path, 0, NULL);
    json_t *next = json_incref(json_object_get(file, "next"));

    json_decref(file);
    return next;
}

static const struct {
    const char *option, *field;
    json_t *(*make)(const char *text);
    const char *must;
} fields_of_body[] = {
    {"name", "name", make_text, "UTF-8 text"},
    {"owner", "owner", make_text, "UTF-8 text"},
    {"cubes", "cubes", make_numbers, "cube numbers such as 1,2,3"},
    {"priority", "priority", make_number, "a whole number"},
    {"twisted", "twisted", make_true, ""},
    {"no-twisted", "twisted", make_false, ""},
    {"weave", "weave", make_weave, "a file of tpunet optimise"},
    {"no-degraded", "accept_degraded", make_false, ""},
};

static bool add_label(json_t *body, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text) {
        return false;
    }
    if (json_object_get(body, "labels") == NULL) {
        (void)json_object_set_new(body, "labels", json_object());
    }
    return json_object_setn_new(json_object_get(body, "labels"), text, (size_t)(equals - text),
                                json_string(equals + 1)) == 0;
}

/* False after a usage error.  Of two that contradict each other the last wins. */
static bool add_option(struct podctl *ctl, json_t *body, const struct given *given)
{
    if (strcmp(given->opt->name, "label") == 0 && !add_label(body, given->value)) {
        (void)ctl_usage(ctl, "--label: '%s' is not KEY=VALUE", given->value);
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(fields_of_body); i++) {
        if (strcmp(given->opt->name, fields_of_body[i].option) != 0) {
            continue;
        }
        json_t *value = fields_of_body[i].make(given->value);
        if (value == NULL) {
            (void)ctl_usage(ctl, "--%s: '%s' is not %s", given->opt->name, given->value,
                            fields_of_body[i].must);
            return false;
        }
        (void)json_object_set_new(body, fields_of_body[i].field, value);
    }
    return true;
}

static json_t *body_of_options(struct podctl *ctl)
{
    json_t *body = json_pack("{s:o*}", "topology", json_string(ctl->args.operands[0]));

    if (json_object_size(body) == 0) {
        (void)ctl_usage(ctl, "the topology is not UTF-8 text");
        json_decref(body);
        return NULL;
    }
    for (size_t i = 0; i < ctl->args.n; i++) {
        if (!add_option(ctl, body, &ctl->args.given[i])) {
            json_decref(body);
            return NULL;
        }
    }
    return body;
}

/* -------------------------------------------------- how it has settled -- */

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL ? text : "";
}

static void print_timings(struct podctl *ctl, const json_t *slice)
{
    const json_t *timings = json_object_get(slice, "timings");
    const json_t *active = json_object_get(timings, "active_ms");

    if (json_is_number(active)) {
        (void)fprintf(ctl->out, " in %.1f ms (planned %.1f, programmed %.1f, verified %.1f)",
                      json_number_value(active),
                      json_number_value(json_object_get(timings, "planned_ms")),
                      json_number_value(json_object_get(timings, "programmed_ms")),
                      json_number_value(json_object_get(timings, "verified_ms")));
    }
}

/* What podmgr answered to a request that waited for `wanted`. */
static int report(struct podctl *ctl, const json_t *slice, const char *wanted, unsigned wait_ms)
{
    const char *id = text_at(slice, "id"), *name = text_at(slice, "name");
    const char *state = text_at(slice, "state");
    bool failed = strcmp(state, "FAILED") == 0;
    bool done = strncmp(state, wanted, strlen(wanted)) == 0; /* also ACTIVE_DEGRADED */

    if (ctl->json) {
        ctl_print_json(ctl, slice);
    } else if (!failed && (done || wait_ms == 0)) {
        (void)fprintf(ctl->out, "slice/%s %s %s%s: %s", id, name, text_at(slice, "topology"),
                      json_is_true(json_object_get(slice, "woven"))     ? " woven"
                      : json_is_true(json_object_get(slice, "twisted")) ? " twisted"
                                                                        : "",
                      state);
        if (done && strcmp(wanted, "ACTIVE") == 0) {
            print_timings(ctl, slice);
        }
        (void)fputc('\n', ctl->out);
    }
    if (failed) {
        ctl_complain(ctl, "slice/%s %s is FAILED: %s", id, name, text_at(slice, "reason"));
        return PODCTL_SLICE_FAILED;
    }
    if (!done && wait_ms != 0) {
        ctl_complain(ctl, "slice/%s %s is still %s after %.1f s; see `podctl slice show %s`", id,
                     name, state, wait_ms / 1e3, id);
        return PODCTL_UNSETTLED;
    }
    return PODCTL_OK;
}

/* One request, and how its slice came out: the exit code. */
static int ask(struct podctl *ctl, const char *wanted, const struct http_call *call)
{
    int code;
    json_t *slice = ctl_call(ctl, call, &code);

    if (slice != NULL) {
        code = report(ctl, slice, wanted, call->wait_ms);
    }
    json_decref(slice);
    return code;
}

/* ------------------------------------------------------------ commands -- */

/* podmgr recognises a request that arrives twice by it. */
static void make_key(char key[static 48])
{
    unsigned char bytes[16];
    char *at = stpcpy(key, "podctl-");

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        abort(); /* cannot be: at most 256 bytes come at once */
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        at += sprintf(at, "%02x", bytes[i]);
    }
}

static int create(struct podctl *ctl, bool adopt)
{
    char key[48], path[64] = "/v1/slices", waiting_for[96];
    unsigned wait_ms;

    if (!ctl_read_wait(ctl, &wait_ms)) {
        return PODCTL_USAGE;
    }
    json_t *body = body_of_options(ctl);
    if (body == NULL) {
        return PODCTL_USAGE;
    }
    if (adopt) {
        (void)json_object_set_new(body, "adopt", json_true());
    }
    if (wait_ms != 0) {
        (void)snprintf(path, sizeof path, "/v1/slices?wait=%ums", wait_ms);
    }
    (void)snprintf(waiting_for, sizeof waiting_for, "waiting for %.64s to become ACTIVE",
                   ctl->args.operands[0]);
    make_key(key);
    int code = ask(ctl, "ACTIVE",
                   &(struct http_call){.method = "POST",
                                       .path = path,
                                       .body = body,
                                       .idempotency_key = key,
                                       .wait_ms = wait_ms,
                                       .waiting_for = waiting_for});
    json_decref(body);
    return code;
}

int cmd_slice_create(struct podctl *ctl)
{
    return create(ctl, false);
}

int cmd_quarantine_adopt(struct podctl *ctl)
{
    return create(ctl, true);
}

static int delete_one(struct podctl *ctl, const char *operand, unsigned wait_ms)
{
    char id[48], path[128], waiting_for[96];
    int code = ctl_slice_id(ctl, operand, id);

    if (code != PODCTL_OK) {
        return code;
    }
    int len = snprintf(path, sizeof path, "/v1/slices/%s", id);
    if (wait_ms != 0) {
        (void)snprintf(path + len, sizeof path - (size_t)len, "?wait=%ums", wait_ms);
    }
    (void)snprintf(waiting_for, sizeof waiting_for, "waiting for slice/%s to be DELETED", id);
    return ask(
        ctl, "DELETED",
        &(struct http_call){
            .method = "DELETE", .path = path, .wait_ms = wait_ms, .waiting_for = waiting_for});
}

/* All are tried; the first failure is the exit code. */
int cmd_slice_delete(struct podctl *ctl)
{
    int code = PODCTL_OK;
    unsigned wait_ms;

    if (!ctl_read_wait(ctl, &wait_ms)) {
        return PODCTL_USAGE;
    }
    for (size_t i = 0; i < ctl->args.n_operands; i++) {
        int one = delete_one(ctl, ctl->args.operands[i], wait_ms);
        code = code == PODCTL_OK ? one : code;
        if (one == PODCTL_UNREACHABLE) {
            return code;
        }
    }
    return code;
}

/* "5" or "5=9" into {"cube": 5, "with": 9}; NULL after a usage error. */
static json_t *swap_of(struct podctl *ctl, const char *text)
{
    char *end = NULL;
    unsigned long cube = strtoul(text, &end, 10), with = 0;
    bool good = text[0] >= '0' && text[0] <= '9', named = *end == '=';

    if (good && named) {
        const char *second = end + 1;
        with = strtoul(second, &end, 10);
        good = second[0] >= '0' && second[0] <= '9';
    }
    if (!good || *end != '\0') {
        (void)ctl_usage(ctl, "--replace: '%s' is not a cube such as 5, nor a swap such as 5=9",
                        text);
        return NULL;
    }
    json_t *swap = json_pack("{s:I}", "cube", (json_int_t)cube);
    if (named) {
        (void)json_object_set_new(swap, "with", json_integer((json_int_t)with));
    }
    return swap;
}

static json_t *swaps_of_options(struct podctl *ctl)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ctl->args.n; i++) {
        if (strcmp(ctl->args.given[i].opt->name, "replace") == 0) {
            json_t *swap = swap_of(ctl, ctl->args.given[i].value);
            if (swap == NULL) {
                json_decref(list);
                return NULL;
            }
            (void)json_array_append_new(list, swap);
        }
    }
    if (json_array_size(list) == 0) {
        (void)ctl_usage(ctl, "slice migrate needs --replace CUBE");
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:o}", "replace", list);
}

int cmd_slice_migrate(struct podctl *ctl)
{
    char id[48], path[128], waiting_for[96];
    unsigned wait_ms;
    int code = PODCTL_USAGE;

    if (!ctl_read_wait(ctl, &wait_ms)) {
        return code;
    }
    json_t *body = swaps_of_options(ctl);
    if (body == NULL || (code = ctl_slice_id(ctl, ctl->args.operands[0], id)) != PODCTL_OK) {
        json_decref(body);
        return code;
    }
    int len = snprintf(path, sizeof path, "/v1/slices/%s:migrate", id);
    if (wait_ms != 0) {
        (void)snprintf(path + len, sizeof path - (size_t)len, "?wait=%ums", wait_ms);
    }
    (void)snprintf(waiting_for, sizeof waiting_for, "waiting for slice/%s to be ACTIVE again", id);
    code = ask(ctl, "ACTIVE",
               &(struct http_call){.method = "POST",
                                   .path = path,
                                   .body = body,
                                   .wait_ms = wait_ms,
                                   .waiting_for = waiting_for});
    json_decref(body);
    return code;
}

/* "?state=S&name=N&limit=1000" from the options given. */
static char *list_path(struct podctl *ctl, const char *page_token)
{
    static const char *const filters[] = {"state", "name", "owner"};
    char *path = xstrdup("/v1/slices?limit=1000");

    for (size_t i = 0; i <= ARRAY_LEN(filters); i++) {
        const char *name = i < ARRAY_LEN(filters) ? filters[i] : "page_token";
        const char *value = i < ARRAY_LEN(filters) ? args_value(&ctl->args, name) : page_token;
        if (value != NULL) {
            char *escaped = client_escape(value);
            char *longer = xasprintf("%s&%s=%s", path, name, escaped);
            free(path);
            free(escaped);
            path = longer;
        }
    }
    return path;
}

int cmd_slice_list(struct podctl *ctl)
{
    static const struct column columns[] = {
        {"SLICE", "id", false},
        {"NAME", "name", false},
        {"TOPOLOGY", "topology", false},
        {"TWISTED", "twisted", false},
        {"STATE", "state", false},
        {"CUBES", "cubes", true},
        {"HOSTS", "hosts", true},
        {"OWNER", "owner", false},
        {"ACTIVE ms", "timings.active_ms", false},
        {"CREATED", "created_at", false},
        {"REASON", "reason", false},
        {0},
    };
    json_t *all = json_pack("{s:[]}", "slices");
    char *token = NULL;
    int code;

    do {
        char *path = list_path(ctl, token);
        json_t *page = ctl_get(ctl, &code, "%s", path);
        free(path);
        free(token);
        token = NULL;
        if (page != NULL) {
            const char *next = text_at(page, "next_page_token");
            (void)json_array_extend(json_object_get(all, "slices"),
                                    json_object_get(page, "slices"));
            token = next[0] != '\0' ? xstrdup(next) : NULL;
        }
        json_decref(page);
    } while (token != NULL);
    if (code == PODCTL_OK) {
        ctl_print_list(ctl, all, "slices", columns);
    }
    json_decref(all);
    return code;
}

int cmd_slice_show(struct podctl *ctl)
{
    static const struct column fields[] = {
        {"slice", "id", false},
        {"name", "name", false},
        {"topology", "topology", false},
        {"twisted", "twisted", false},
        {"woven", "woven", false},
        {"state", "state", false},
        {"degraded", "degraded", false},
        {"reason", "reason", false},
        {"owner", "owner", false},
        {"priority", "priority", false},
        {"labels", "labels", false},
        {"accepts degraded", "accept_degraded", false},
        {"version", "version", false},
        {"generation", "generation", false},
        {"created", "created_at", false},
        {"changed", "changed_at", false},
        {"open operation", "operation", false},
        {"coordinator", "coordinator", false},
        {"verified", "verified", false},
        {"hosts", "hosts", true},
        {"planned ms", "timings.planned_ms", false},
        {"programmed ms", "timings.programmed_ms", false},
        {"verified ms", "timings.verified_ms", false},
        {"preflight ms", "timings.preflight_ms", false},
        {"active ms", "timings.active_ms", false},
        {"routes", "routes", false},
        {0},
    };
    static const struct column cubes[] = {
        {"CUBE", "cube", false}, {"POSITION", "position", false}, {0}};
    char id[48];
    int code = ctl_slice_id(ctl, ctl->args.operands[0], id);
    json_t *slice = code == PODCTL_OK ? ctl_get(ctl, &code, "/v1/slices/%s", id) : NULL;

    if (slice != NULL && ctl->json) {
        ctl_print_json(ctl, slice);
    } else if (slice != NULL) {
        ctl_print_fields(ctl, slice, fields);
        (void)fputc('\n', ctl->out);
        ctl_print_list(ctl, slice, "cubes", cubes);
    }
    json_decref(slice);
    return code;
}
