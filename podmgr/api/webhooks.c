/* /v1/webhooks: who is told of events as they happen.  What a receiver was given
 * as its secret never comes out again. */
#include "core/webhooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http.h"
#include "hooks/hooks.h"
#include "mem.h"

/* ---------------------------------------------------------------- render -- */

static json_t *time_json(struct wall_ms at)
{
    char text[32];
    return at.ms == 0 ? json_null() : json_string(wall_format(at, text));
}

static json_t *last_json(const struct hook_status *status)
{
    if (status->last_at.ms == 0) {
        return json_null();
    }
    return json_pack("{s:o,s:o,s:s,s:f}", "at", time_json(status->last_at), "status",
                     status->last.outcome.status == 0 ? json_null()
                                                      : json_integer(status->last.outcome.status),
                     "text", status->last.text, "took_ms", status->last.took_ms);
}

json_t *render_webhook(const struct model *m, const struct webhook *hook,
                       const struct hook_status *status)
{
    bool failing = status->failures > 0 || status->failing_since.ms != 0;
    const char *state = hook->disabled[0] != '\0' ? "DISABLED" : failing ? "FAILING" : "ACTIVE";
    json_t *prefixes = json_array();
    char id[48];

    for (unsigned i = 0; i < hook->n_prefixes; i++) {
        (void)json_array_append_new(prefixes, json_string(hook->prefixes[i]));
    }
    json_t *json =
        json_pack("{s:s,s:s,s:o,s:b,s:s,s:s,s:o,s:s,s:s}", "id", id_format(hook->id, id), "url",
                  hook->url, "events", prefixes, "signed", hook->secret[0] != '\0', "owner",
                  hook->owner, "created_by", hook->who, "created_at", time_json(hook->created),
                  "state", state, "reason", hook->disabled);
    (void)json_object_update_new(
        json, json_pack("{s:I,s:I,s:I,s:i,s:o,s:o,s:o}", "told", (json_int_t)status->told, "behind",
                        (json_int_t)(m->next_event - 1 - status->cursor), "delivered",
                        (json_int_t)status->delivered, "failures", (int)status->failures,
                        "failing_since", time_json(status->failing_since), "next_try_at",
                        time_json(status->next_try), "last", last_json(status)));
    return json;
}

static json_t *rendered(const struct request *req, const struct webhook *hook)
{
    struct hook_status status;

    (void)hooks_status(req->p->hooks, hook->id, &status);
    return render_webhook(req->p->model, hook, &status);
}

/* ------------------------------------------------------------------ reads -- */

/* NULL after a 404. */
static const struct webhook *webhook_of_path(struct request *req)
{
    const struct webhook *hook = NULL;
    struct id id;

    if (id_parse(&id, req->id)) {
        hook = model_webhook(req->p->model, id);
    }
    if (hook == NULL) {
        respond_problem(req, 404, "webhook-not-found", NULL, "no webhook/%s", req->id);
    }
    return hook;
}

void webhooks_list(struct request *req)
{
    const struct model *m = req->p->model;

    if (!request_query_is(req, NULL, 0)) {
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < m->n_webhooks; i++) {
        (void)json_array_append_new(list, rendered(req, &m->webhooks[i]));
    }
    respond_json(req, 200, json_pack("{s:o}", "webhooks", list));
}

void webhook_get(struct request *req)
{
    const struct webhook *hook = request_query_is(req, NULL, 0) ? webhook_of_path(req) : NULL;

    if (hook != NULL) {
        respond_json(req, 200, rendered(req, hook));
    }
}

/* ----------------------------------------------------------------- create -- */

/* A string without control characters of min to max bytes; false otherwise. */
static bool take_text(const json_t *value, size_t min, size_t max, char *out)
{
    const char *text = json_string_value(value);
    size_t len = text != NULL ? strlen(text) : 0;

    if (text == NULL || len != json_string_length(value) || len < min || len > max) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            return false;
        }
    }
    memcpy(out, text, len + 1);
    return true;
}

static bool take_url(struct request *req, const json_t *value, struct webhook *hook)
{
    struct error err = {.text = ""};

    if (take_text(value, 1, WEBHOOK_URL_MAX, hook->url) &&
        courier_check_url(hook->url, &err) == 0) {
        return true;
    }
    if (err.text[0] == '\0') {
        (void)err_set(&err, E_INVALID, "url: must be a string of at most %d bytes",
                      WEBHOOK_URL_MAX);
    }
    respond_problem(req, 400, "invalid-field", "url", "%s", err.text);
    return false;
}

/* Nothing of it is quoted. */
static bool take_secret(struct request *req, const json_t *value, struct webhook *hook)
{
    if (take_text(value, WEBHOOK_SECRET_MIN, WEBHOOK_SECRET_MAX, hook->secret)) {
        return true;
    }
    respond_problem(req, 400, "invalid-field", "secret",
                    "secret: must be a string of %d to %d bytes without control characters",
                    WEBHOOK_SECRET_MIN, WEBHOOK_SECRET_MAX);
    return false;
}

static bool is_prefix(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz.-";

    return strspn(text, allowed) == strlen(text) && strncmp(text, "webhook.", 8) != 0;
}

static bool take_events(struct request *req, const json_t *value, struct webhook *hook)
{
    size_t i, n = json_array_size(value);
    json_t *item;
    bool good = json_is_array(value) && n >= 1 && n <= WEBHOOK_PREFIXES_MAX;

    json_array_foreach(value, i, item)
    {
        good = good && take_text(item, 1, WEBHOOK_PREFIX_MAX, hook->prefixes[i]) &&
               is_prefix(hook->prefixes[i]);
    }
    if (!good) {
        respond_problem(req, 400, "invalid-field", "events",
                        "events: must be a list of 1 to %d beginnings of event types, such as "
                        "\"slice.\" or \"link.down\"; events about webhooks are told to none",
                        WEBHOOK_PREFIXES_MAX);
        return false;
    }
    hook->n_prefixes = (unsigned)n;
    return true;
}

static bool take_owner(struct request *req, const json_t *value, struct webhook *hook)
{
    if (take_text(value, 1, WEBHOOK_OWNER_MAX, hook->owner)) {
        return true;
    }
    respond_problem(req, 400, "invalid-field", "owner",
                    "owner: must be a string of 1 to %d bytes without control characters",
                    WEBHOOK_OWNER_MAX);
    return false;
}

static bool take_since(struct request *req, const json_t *value, struct webhook *hook)
{
    json_int_t since = json_integer_value(value);

    if (!json_is_integer(value) || since < 0) {
        respond_problem(req, 400, "invalid-field", "since",
                        "since: must be the number of an event, or 0 for all that are kept");
        return false;
    }
    hook->cursor = (uint64_t)since;
    return true;
}

/* False after a problem. */
static bool take_webhook(struct request *req, const json_t *body, struct webhook *hook)
{
    static const struct {
        const char *name;
        bool (*take)(struct request *req, const json_t *value, struct webhook *hook);
    } fields[] = {
        {"url", take_url},     {"secret", take_secret}, {"events", take_events},
        {"owner", take_owner}, {"since", take_since},
    };
    const char *key;
    json_t *value;

    hook->cursor = WEBHOOK_FROM_NOW;
    json_object_foreach((json_t *)body, key, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(fields) && strcmp(key, fields[i].name) != 0) {
            i++;
        }
        if (i == ARRAY_LEN(fields)) {
            respond_problem(req, 400, "unknown-field", key, "a webhook has no field '%.64s'", key);
            return false;
        }
        if (!fields[i].take(req, value, hook)) {
            return false;
        }
    }
    if (hook->url[0] == '\0') {
        respond_problem(req, 400, "missing-field", "url",
                        "url: is needed, for example https://scheduler.example/podmgr");
    }
    return hook->url[0] != '\0';
}

static void answer_created(struct request *req)
{
    const struct webhook *hook = model_webhook(req->p->model, req->made);
    char id[48];

    if (hook == NULL) {
        respond_gone(req, "DELETED");
        return;
    }
    (void)snprintf(req->location, sizeof req->location, "/v1/webhooks/%s", id_format(hook->id, id));
    respond_json(req, 201, rendered(req, hook));
}

void webhooks_post(struct request *req)
{
    struct event ev = {.kind = EV_CREATE_WEBHOOK};
    json_t *body = request_query_is(req, NULL, 0) ? body_object(req) : NULL;

    if (body == NULL) {
        return;
    }
    ev.webhook = xcalloc(1, sizeof *ev.webhook);
    if (take_webhook(req, body, ev.webhook) && request_read_key(req, body, &ev.key)) {
        req->finish = answer_created;
        request_defer(req, &ev);
    } else {
        event_fini(&ev);
    }
    json_decref(body);
    explicit_bzero(req->body, req->body_len); /* the secret in it */
}

/* ----------------------------------------------------------------- delete -- */

static void answer_deleted(struct request *req)
{
    char id[48];

    respond_json(req, 200, json_pack("{s:s,s:b}", "id", id_format(req->made, id), "deleted", true));
}

void webhook_delete(struct request *req)
{
    const struct webhook *hook = request_query_is(req, NULL, 0) ? webhook_of_path(req) : NULL;

    if (hook != NULL) {
        struct event ev = {.kind = EV_DELETE_WEBHOOK, .hook = {.id = hook->id}};
        req->finish = answer_deleted;
        request_defer(req, &ev);
    }
}

/* ------------------------------------------------------------------- test -- */

static void on_tested(void *arg, const struct receipt *receipt)
{
    struct request *req = arg;

    if (receipt == NULL) {
        respond_problem(req, 404, "webhook-not-found", NULL, "webhook/%s is deleted", req->id);
    } else {
        respond_json(req, 200,
                     json_pack("{s:b,s:o,s:s,s:f}", "delivered",
                               hook_judge(&receipt->outcome) == HOOK_DELIVERED, "status",
                               receipt->outcome.status == 0 ? json_null()
                                                            : json_integer(receipt->outcome.status),
                               "text", receipt->text, "took_ms", receipt->took_ms));
    }
    request_release(req);
}

void webhook_test(struct request *req)
{
    const struct webhook *hook = request_query_is(req, NULL, 0) ? webhook_of_path(req) : NULL;

    if (hook == NULL) {
        return;
    }
    int status = hooks_test(req->p->hooks, hook->id, on_tested, req);
    if (status < 0) {
        respond_problem(req, 409, "state-conflict", NULL,
                        status == E_BUSY ? "webhook/%s: another test is under way"
                                         : "webhook/%s is disabled: delete it and make it anew",
                        req->id);
        return;
    }
    req->wait = WAIT_HELD;
    request_hold(req);
}
