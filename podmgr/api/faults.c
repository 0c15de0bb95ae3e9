/* /v1/faults: what is not to be relied on, on whose word, and the liens that
 * switches left behind. */
#include <stdio.h>
#include <string.h>

#include "api/http.h"
#include "mem.h"

json_t *render_fault(const struct part_fault *fault)
{
    char name[80], at[32];

    return json_pack("{s:s,s:s,s:s,s:s,s:s}", "target", part_format(&fault->part, name), "health",
                     health_name(fault->health), "since", wall_format(fault->since, at), "by",
                     fault->who, "reason", fault->reason);
}

json_t *render_lien(const struct model *m, const struct lien *lien)
{
    struct chip_port behind = {0};
    char id[48], at[32];

    (void)model_chip_port(m, lien->port, &behind);
    json_t *slice = id_is_none(lien->slice) ? json_null()
                                            : json_sprintf("slice/%s", id_format(lien->slice, id));
    return json_pack(
        "{s:o,s:o,s:o,s:s,s:b}", "port",
        json_sprintf("port/%u-%c-%u", lien->port.ocs, "ns"[lien->port.side], lien -> port.port),
        "cube", json_sprintf("cube/%u", tpunet_chip_of(behind.chip).cube), "slice", slice, "since",
        wall_format(lien->since, at), "fenced", lien->fenced);
}

void faults_list(struct request *req)
{
    const struct model *m = req->p->model;

    if (!request_query_is(req, NULL, 0)) {
        return;
    }
    json_t *faults = json_array(), *liens = json_array();
    for (size_t i = 0; i < m->n_faults; i++) {
        (void)json_array_append_new(faults, render_fault(&m->faults[i]));
    }
    for (size_t i = 0; i < m->n_liens; i++) {
        (void)json_array_append_new(liens, render_lien(m, &m->liens[i]));
    }
    respond_json(req, 200, json_pack("{s:o,s:o}", "faults", faults, "liens", liens));
}

static bool take_target(struct request *req, const char *text, struct part *part)
{
    struct error err;

    if (text == NULL) {
        respond_problem(req, 400, "missing-field", "target",
                        "target: is needed, for example \"ocs/17\"");
        return false;
    }
    if (part_parse(part, text, &err) < 0) {
        respond_problem(req, 400, "invalid-field", "target", "target: %s", err.text);
        return false;
    }
    return true;
}

/* Printable text of 1 to 159 bytes. */
static bool take_reason(struct request *req, const char *text, char *out, size_t size)
{
    size_t len = text != NULL ? strlen(text) : 0;
    bool good = len > 0 && len < size;

    for (size_t i = 0; i < len; i++) {
        good = good && (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
    }
    if (!good) {
        respond_problem(req, 400, text == NULL ? "missing-field" : "invalid-field", "reason",
                        "reason: must be text of 1 to %zu bytes without control characters",
                        size - 1);
        return false;
    }
    memcpy(out, text, len + 1);
    return true;
}

static void answer_failed(struct request *req)
{
    struct part part;
    const char *target = json_string_value(json_object_get(req->last_seen, "target"));
    const struct part_fault *fault =
        part_parse(&part, target, NULL) == 0 ? model_fault(req->p->model, &part) : NULL;

    /* Cleared in the same batch: it was on record all the same. */
    respond_json(req, 201, fault != NULL ? render_fault(fault) : json_incref(req->last_seen));
}

void faults_post(struct request *req)
{
    struct event ev = {.kind = EV_FAIL_PART};
    const char *key;
    json_t *value, *body = request_query_is(req, NULL, 0) ? body_object(req) : NULL;

    if (body == NULL) {
        return;
    }
    json_object_foreach(body, key, value)
    {
        bool known = strcmp(key, "target") == 0 || strcmp(key, "reason") == 0;
        if (!known || !json_is_string(value) ||
            strlen(json_string_value(value)) != json_string_length(value)) {
            respond_problem(req, 400, known ? "invalid-field" : "unknown-field", key,
                            known ? "%.64s: must be a string" : "a fault has no field '%.64s'",
                            key);
            json_decref(body);
            return;
        }
    }
    if (take_target(req, json_string_value(json_object_get(body, "target")), &ev.word.part) &&
        take_reason(req, json_string_value(json_object_get(body, "reason")), ev.word.reason,
                    sizeof ev.word.reason)) {
        req->last_seen = json_incref(body);
        req->finish = answer_failed;
        request_defer(req, &ev);
    }
    json_decref(body);
}

static void answer_cleared(struct request *req)
{
    respond_json(req, 200, json_incref(req->last_seen));
}

void faults_delete(struct request *req)
{
    static const char *const names[] = {"target", "reason"};
    struct event ev = {.kind = EV_CLEAR_PART};

    if (!request_query_is(req, names, ARRAY_LEN(names))) {
        return;
    }
    const char *target = request_query(req, "target"), *reason = request_query(req, "reason");
    if (take_target(req, target, &ev.word.part) &&
        (reason == NULL || take_reason(req, reason, ev.word.reason, sizeof ev.word.reason))) {
        req->last_seen = json_pack("{s:s,s:b}", "target", target, "cleared", true);
        req->finish = answer_cleared;
        request_defer(req, &ev);
    }
}
