/* webhook create, list, show, delete, test: who is told of events as they
 * happen. */
#include "podctl/podctl.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "mem.h"

enum { SECRET_FILE_MAX = 4096, TEST_WAIT_MS = 120 * 1000 };

static const struct column fields[] = {
    {"webhook", "id", false},
    {"url", "url", false},
    {"events", "events", false},
    {"signed", "signed", false},
    {"owner", "owner", false},
    {"created", "created_at", false},
    {"by", "created_by", false},
    {"state", "state", false},
    {"reason", "reason", false},
    {"told up to event", "told", false},
    {"events behind", "behind", false},
    {"events delivered", "delivered", false},
    {"failures", "failures", false},
    {"failing since", "failing_since", false},
    {"next try", "next_try_at", false},
    {"last try", "last.at", false},
    {"  ended", "last.text", false},
    {"  took ms", "last.took_ms", false},
    {0},
};

static int show(struct podctl *ctl, json_t *json, int code)
{
    if (json != NULL && ctl->json) {
        ctl_print_json(ctl, json);
    } else if (json != NULL) {
        ctl_print_fields(ctl, json, fields);
    }
    json_decref(json);
    return code;
}

int cmd_webhook_list(struct podctl *ctl)
{
    static const struct column columns[] = {
        {"WEBHOOK", "id", false},     {"STATE", "state", false},
        {"BEHIND", "behind", false},  {"SIGNED", "signed", false},
        {"LAST", "last.text", false}, {"OWNER", "owner", false},
        {"URL", "url", false},        {0}};
    int code;
    json_t *json = ctl_get(ctl, &code, "/v1/webhooks");

    if (json != NULL) {
        ctl_print_list(ctl, json, "webhooks", columns);
    }
    json_decref(json);
    return code;
}

int cmd_webhook_show(struct podctl *ctl)
{
    char *segment = ctl_part_segment("webhook", ctl->args.operands[0]);
    int code;
    json_t *json = ctl_get(ctl, &code, "/v1/webhooks/%s", segment);

    free(segment);
    return show(ctl, json, code);
}

/* The first line of the file: never an option's argument, which everybody on the
 * machine can see.  False after a complaint. */
static bool add_secret(struct podctl *ctl, json_t *body)
{
    const char *file = args_value(&ctl->args, "secret-file");
    struct error err;
    uint8_t *bytes = NULL;
    size_t len = 0;

    if (file == NULL) {
        return true;
    }
    if (file_read(file, SECRET_FILE_MAX, &bytes, &len, &err) < 0) {
        ctl_complain(ctl, "--secret-file: %s", err.text);
        return false;
    }
    if (bytes == NULL) {
        ctl_complain(ctl, "--secret-file: no such file: %s", file);
        return false;
    }
    const uint8_t *end = memchr(bytes, '\n', len);
    json_t *secret = json_stringn((const char *)bytes, end != NULL ? (size_t)(end - bytes) : len);
    explicit_bzero(bytes, len);
    free(bytes);
    if (secret == NULL) {
        ctl_complain(ctl, "--secret-file: the first line must be UTF-8 text");
        return false;
    }
    (void)json_object_set_new(body, "secret", secret);
    return true;
}

/* False after a complaint. */
static bool add_options(struct podctl *ctl, json_t *body)
{
    const char *owner = args_value(&ctl->args, "owner");
    json_t *events = json_array();
    json_int_t since;
    bool good = ctl_read_number(ctl, "since", -1, &since);

    for (size_t i = 0; i < ctl->args.n; i++) {
        if (strcmp(ctl->args.given[i].opt->name, "event") == 0) {
            good =
                json_array_append_new(events, json_string(ctl->args.given[i].value)) == 0 && good;
        }
    }
    if (json_array_size(events) > 0) {
        (void)json_object_set(body, "events", events);
    }
    json_decref(events);
    if (since >= 0) {
        (void)json_object_set_new(body, "since", json_integer(since));
    }
    if (owner != NULL) {
        good = json_object_set_new(body, "owner", json_string(owner)) == 0 && good;
    }
    return good;
}

int cmd_webhook_create(struct podctl *ctl)
{
    json_t *body = json_pack("{s:s}", "url", ctl->args.operands[0]);
    int code = PODCTL_USAGE;

    if (body == NULL) {
        return ctl_usage(ctl, "the URL must be ASCII");
    }
    if (add_options(ctl, body) && add_secret(ctl, body)) {
        const struct http_call call = {.method = "POST", .path = "/v1/webhooks", .body = body};
        json_t *json = ctl_call(ctl, &call, &code);
        code = show(ctl, json, code);
    }
    json_decref(body);
    return code;
}

int cmd_webhook_delete(struct podctl *ctl)
{
    char *segment = ctl_part_segment("webhook", ctl->args.operands[0]);
    char *path = xasprintf("/v1/webhooks/%s", segment);
    const struct http_call call = {.method = "DELETE", .path = path};
    int code;
    json_t *json = ctl_call(ctl, &call, &code);

    if (json != NULL && ctl->json) {
        ctl_print_json(ctl, json);
    } else if (json != NULL) {
        (void)fprintf(ctl->out, "webhook/%s is deleted\n",
                      json_string_value(json_object_get(json, "id")));
    }
    json_decref(json);
    free(path);
    free(segment);
    return code;
}

int cmd_webhook_test(struct podctl *ctl)
{
    char *segment = ctl_part_segment("webhook", ctl->args.operands[0]);
    char *path = xasprintf("/v1/webhooks/%s:test", segment);
    const struct http_call call = {.method = "POST",
                                   .path = path,
                                   .wait_ms = TEST_WAIT_MS,
                                   .waiting_for = "waiting for the receiver's answer"};
    int code;
    json_t *json = ctl_call(ctl, &call, &code);

    if (json != NULL) {
        bool delivered = json_is_true(json_object_get(json, "delivered"));
        const char *text = json_string_value(json_object_get(json, "text"));
        if (ctl->json) {
            ctl_print_json(ctl, json);
        } else if (delivered) {
            (void)fprintf(ctl->out, "delivered: the receiver %s\n", text);
        }
        if (!delivered) {
            ctl_complain(ctl, "not delivered: %s", text);
            code = PODCTL_REFUSED;
        }
    }
    json_decref(json);
    free(path);
    free(segment);
    return code;
}
