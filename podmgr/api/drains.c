/* /v1/drains: parts that a person takes out of service, what is still in the way,
 * and what an order would do before it is given. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http.h"
#include "core/drain.h"
#include "mem.h"

/* ---------------------------------------------------------------- render -- */

static json_t *time_json(struct wall_ms at)
{
    char text[32];
    return at.ms == 0 ? json_null() : json_string(wall_format(at, text));
}

static json_t *id_json(struct id id)
{
    char text[48];
    return id_is_none(id) ? json_null() : json_string(id_format(id, text));
}

/* What the part takes along. */
static void add_extent(json_t *json, const struct model *m, const struct extent *e)
{
    json_t *cubes = json_array(), *switches = json_array(), *ports = json_array();

    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        if (e->cubes[c]) {
            (void)json_array_append_new(cubes, json_sprintf("cube/%u", c));
        }
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        if ((e->ocs >> o & 1) != 0) {
            (void)json_array_append_new(switches, json_sprintf("ocs/%u", o));
        }
    }
    for (size_t i = 0; i < e->n_ports; i++) {
        const struct tpunet_ocs_port *p = &e->ports[i];
        (void)json_array_append_new(
            ports, json_sprintf("port/%u-%c-%u", p->ocs, "ns"[p->side], p -> port));
    }
    (void)json_object_set_new(json, "cubes", cubes);
    (void)json_object_set_new(json, "switches", switches);
    (void)json_object_set_new(json, "ports", ports);
}

/* Every slice that is in the way, or for a plan that the order concerns. */
static json_t *steps_json(const struct model *m, const struct drain_steps *steps)
{
    json_t *list = json_array();

    for (size_t i = 0; i < steps->n; i++) {
        const struct drain_step *step = &steps->items[i];
        const struct slice *slice = model_slice(m, step->slice);
        json_t *replace = json_array();
        for (size_t k = 0; k < step->n_swaps; k++) {
            const struct swap *swap = &steps->swaps[step->first_swap + k];
            (void)json_array_append_new(
                replace, json_pack("{s:o,s:o}", "cube", json_sprintf("cube/%u", swap->cube), "with",
                                   json_sprintf("cube/%u", swap->with)));
        }
        (void)json_array_append_new(
            list, json_pack("{s:o,s:s,s:s,s:I,s:s,s:o}", "slice", id_json(step->slice), "name",
                            slice->spec.name, "action", drain_action_name(step->action), "rule",
                            (json_int_t)step->rule, "text", step->text, "replace", replace));
    }
    return list;
}

/* Once it is DRAINED. */
static const char *safe_to_unplug(const struct part *part, char *buf, size_t size)
{
    char name[80];

    (void)part_format(part, name);
    switch (part->kind) {
    case PART_OCS:
        (void)snprintf(buf, size, "all of %s: no route leads over it", name);
        break;
    case PART_LINK:
        (void)snprintf(buf, size, "%s at both ends; its neighbours may carry others' links", name);
        break;
    case PART_CUBE:
    case PART_HOST:
        (void)snprintf(buf, size, "everything in cube/%u", part->cube);
        break;
    case PART_POWER:
        (void)snprintf(buf, size, "all that %s feeds", name);
        break;
    case PART_POD:
    case PART_CHIP:
    case PART_PORT:
    case PART_FIBRE:
    case PART_FACE:
    case PART_SLICE:
        (void)snprintf(buf, size, "%s", name);
        break;
    }
    return buf;
}

json_t *render_drain(const struct model *m, const struct drain *d)
{
    struct drain_steps steps;
    char name[80], safe[160];
    bool drained = d->state == ADMIN_DRAINED;

    drain_ask(m, d, &steps);
    json_t *json =
        json_pack("{s:o,s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:I}", "id", id_json(d->id), "target",
                  part_format(&d->order.part, name), "mode", drain_mode_name(d->order.mode),
                  "state", admin_name(d->state), "reason", d->order.reason, "by", d->who,
                  "created_at", time_json(d->created), "drained_at", time_json(d->drained), "until",
                  time_json(d->order.until), "version", (json_int_t)d->version);
    add_extent(json, m, &d->extent);
    (void)json_object_set_new(json, "waits_for", steps_json(m, &steps));
    (void)json_object_set_new(json, "operation", id_json(steps.op));
    (void)json_object_set_new(json, "trouble", json_string(d->trouble));
    (void)json_object_set_new(
        json, "safe_to_unplug",
        drained ? json_string(safe_to_unplug(&d->order.part, safe, sizeof safe)) : json_null());
    drain_steps_fini(&steps);
    return json;
}

/* ------------------------------------------------------------------ plan -- */

static void warn(json_t *list, bool when, json_t *text)
{
    if (when) {
        (void)json_array_append_new(list, text);
    } else {
        json_decref(text);
    }
}

/* What one more failure would hit harder than now. */
static json_t *without_redundancy(const struct model *m, const struct drain *draft,
                                  const struct drain_steps *steps, size_t spares)
{
    json_t *list = json_array();
    size_t left = spares - steps->n_swaps;
    unsigned wanted = m->pod->remedy.hot_spares > 0 ? m->pod->remedy.hot_spares : 1;

    for (size_t i = 0; i < steps->n; i++) {
        const struct slice *slice = model_slice(m, steps->items[i].slice);
        bool twice = steps->items[i].action == DRAIN_REROUTE && slice->dead_links > 0;
        warn(list, twice,
             json_sprintf("slice/%llu-%llu goes around %u links already",
                          (unsigned long long)slice->id.epoch, (unsigned long long)slice->id.seq,
                          (unsigned)slice->dead_links));
        warn(list, steps->items[i].action == DRAIN_REROUTE && !twice,
             json_sprintf("slice/%llu-%llu would go around the part; what fails then adds to it",
                          (unsigned long long)slice->id.epoch, (unsigned long long)slice->id.seq));
    }
    warn(list, left < wanted,
         json_sprintf("%zu free cubes would be left to swap in, %u are wanted", left, wanted));
    warn(list, draft->extent.ocs != 0,
         json_string("new slices go around the switches, or are refused without accept_degraded"));
    return list;
}

json_t *render_drain_plan(const struct model *m, const struct drain *draft)
{
    struct drain_steps steps;
    uint16_t cubes[MODEL_CUBES_MAX];
    size_t spares = drain_spares(m, &draft->extent, cubes), needed = 0;
    char name[80];

    drain_ask(m, draft, &steps);
    for (size_t i = 0; i < steps.n; i++) {
        needed += steps.items[i].n_cubes;
    }
    json_t *json = json_pack(
        "{s:s,s:s,s:o,s:o,s:b,s:b,s:I,s:I,s:o}", "target", part_format(&draft->order.part, name),
        "mode", drain_mode_name(draft->order.mode), "slices", steps_json(m, &steps), "operation",
        id_json(steps.op), "drained_at_once", steps.n_open == 0 && id_is_none(steps.op),
        "spare_exists", spares >= needed, "spare_cubes", (json_int_t)spares, "cubes_in_use",
        (json_int_t)needed, "without_redundancy", without_redundancy(m, draft, &steps, spares));
    add_extent(json, m, &draft->extent);
    drain_steps_fini(&steps);
    return json;
}

/* ------------------------------------------------------------- the order -- */

static bool bad_field(struct request *req, const char *name, const char *must)
{
    respond_problem(req, 400, "invalid-field", name, "%s: must be %s", name, must);
    return false;
}

static bool take_target(struct request *req, const char *text, struct drain_order *order)
{
    struct error err;

    if (part_parse(&order->part, text, &err) < 0) {
        respond_problem(req, 400, "invalid-field", "target", "target: %s", err.text);
        return false;
    }
    return true;
}

static bool take_reason(struct request *req, const char *text, struct drain_order *order)
{
    size_t len = strlen(text);
    bool good = len > 0 && len < sizeof order->reason;

    for (size_t i = 0; i < len; i++) {
        good = good && (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
    }
    if (!good) {
        return bad_field(req, "reason", "text of 1 to 159 bytes without control characters");
    }
    memcpy(order->reason, text, len + 1);
    return true;
}

static bool take_mode(struct request *req, const char *text, struct drain_order *order)
{
    return drain_mode_parse(&order->mode, text) || bad_field(req, "mode", "graceful or now");
}

static bool take_until(struct request *req, const char *text, struct drain_order *order)
{
    return wall_parse(&order->until, text) ||
           bad_field(req, "until", "a time such as 2026-01-31T12:00:00Z");
}

static const struct field {
    const char *name;
    bool needed;
    bool (*take)(struct request *req, const char *text, struct drain_order *order);
} fields[] = {
    {"target", true, take_target},
    {"reason", true, take_reason},
    {"mode", false, take_mode},
    {"until", false, take_until},
};

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

/* False after a problem. */
static bool take_order(struct request *req, json_t *body, struct drain_order *order)
{
    const char *key;
    json_t *value;

    json_object_foreach(body, key, value)
    {
        const struct field *field = find_field(key);
        const char *text = json_string_value(value);
        if (field == NULL) {
            respond_problem(req, 400, "unknown-field", key, "a drain has no field '%.64s'", key);
            return false;
        }
        if (text == NULL || strlen(text) != json_string_length(value)) {
            return bad_field(req, field->name, "a string");
        }
        if (!field->take(req, text, order)) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].needed && json_object_get(body, fields[i].name) == NULL) {
            respond_problem(req, 400, "missing-field", fields[i].name, "%s: is needed",
                            fields[i].name);
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------- handlers -- */

static void respond_drain(struct request *req, int status, const struct drain *d)
{
    char id[48];

    (void)snprintf(req->etag, sizeof req->etag, "\"%" PRIu64 "\"", d->version);
    if (status == 201) {
        (void)snprintf(req->location, sizeof req->location, "/v1/drains/%s", id_format(d->id, id));
    }
    respond_json(req, status, render_drain(req->p->model, d));
}

static void answer_created(struct request *req)
{
    const struct drain *d = model_drain(req->p->model, req->made);

    if (d != NULL) {
        respond_drain(req, 201, d);
    } else {
        respond_gone(req, "ENDED");
    }
}

void drains_post(struct request *req)
{
    struct event ev = {.kind = EV_CREATE_DRAIN};
    struct drain_order order = {.mode = DRAIN_GRACEFUL};
    json_t *body = request_query_is(req, NULL, 0) ? body_object(req) : NULL;

    if (body == NULL) {
        return;
    }
    if (take_order(req, body, &order) && request_read_key(req, body, &ev.key)) {
        ev.drain = xmemdup(&order, sizeof order);
        req->finish = answer_created;
        request_defer(req, &ev);
    }
    json_decref(body);
}

/* Judged as the order would be, at once: nothing is changed, so nothing has to be
 * durable. */
void drains_plan(struct request *req)
{
    const struct model *m = req->p->model;
    struct drain draft = {.id = DRAIN_PREVIEW, .order = {.mode = DRAIN_GRACEFUL}};
    json_t *body = request_query_is(req, NULL, 0) ? body_object(req) : NULL;
    struct error err;
    const char *code;

    if (body == NULL) {
        return;
    }
    if (take_order(req, body, &draft.order)) {
        int status = drain_check(m, &draft.order, clock_read().wall, &draft.extent, &code, &err);
        if (status < 0) {
            respond_problem(req, http_status_of(status), code, NULL, "%s", err.text);
        } else {
            respond_json(req, 200, render_drain_plan(m, &draft));
        }
    }
    json_decref(body);
}

void drains_list(struct request *req)
{
    const struct model *m = req->p->model;

    if (request_query_is(req, NULL, 0)) {
        json_t *list = json_array();
        for (size_t i = m->n_drains; i-- > 0;) { /* newest first */
            (void)json_array_append_new(list, render_drain(m, m->drains[i]));
        }
        respond_json(req, 200, json_pack("{s:o}", "drains", list));
    }
}

/* The drain of the path, or NULL after a 404. */
static const struct drain *drain_of_path(struct request *req)
{
    struct id id;
    const struct drain *d = id_parse(&id, req->id) ? model_drain(req->p->model, id) : NULL;

    if (d == NULL) {
        respond_problem(req, 404, "drain-not-found", NULL,
                        "no drain/%s; one that has ended is in the journal", req->id);
    }
    return d;
}

void drain_get(struct request *req)
{
    const struct drain *d = request_query_is(req, NULL, 0) ? drain_of_path(req) : NULL;

    if (d != NULL) {
        respond_drain(req, 200, d);
    }
}

static void answer_ended(struct request *req)
{
    respond_json(req, 200, json_incref(req->last_seen));
}

void drain_delete(struct request *req)
{
    struct event ev = {.kind = EV_END_DRAIN};

    if (!request_query_is(req, NULL, 0) || !request_read_if_match(req, &ev.del.if_version)) {
        return;
    }
    const struct drain *d = drain_of_path(req);
    if (d != NULL) {
        ev.del.id = d->id;
        req->last_seen = render_drain(req->p->model, d);
        req->finish = answer_ended;
        request_defer(req, &ev);
    }
}
