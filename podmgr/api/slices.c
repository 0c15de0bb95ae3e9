/* /v1/slices: what a scheduler asks for, checked field by field. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http.h"
#include "core/slice.h"
#include "mem.h"

enum { SLICES_MAX = 1000 }; /* of a page */

/* ----------------------------------------------------------- the body -- */

/* One row a field of POST /v1/slices; `take` answers the problem itself and
 * returns false. */
struct field {
    const char *name;
    bool (*take)(struct request *req, const char *name, json_t *value, struct slice_spec *spec);
};

static bool bad_field(struct request *req, const char *name, const char *must)
{
    respond_problem(req, 400, "invalid-field", name, "%s: must be %s", name, must);
    return false;
}

static bool take_label_text(struct request *req, const char *name, json_t *value,
                            char out[static SLICE_NAME_MAX])
{
    size_t len = json_string_length(value);

    if (!json_is_string(value) || len == 0 || len >= SLICE_NAME_MAX) {
        return bad_field(req, name, "a string of 1 to 63 bytes");
    }
    for (const char *c = json_string_value(value); *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            return bad_field(req, name, "a string without control characters");
        }
    }
    memcpy(out, json_string_value(value), len + 1);
    return true;
}

static bool take_name(struct request *req, const char *name, json_t *value, struct slice_spec *spec)
{
    return take_label_text(req, name, value, spec->name);
}

static bool take_owner(struct request *req, const char *name, json_t *value,
                       struct slice_spec *spec)
{
    return take_label_text(req, name, value, spec->owner);
}

/* Twisted unless said otherwise, where the shape allows it. */
static bool take_topology(struct request *req, const char *name, json_t *value,
                          struct slice_spec *spec)
{
    struct tpunet_error err;

    if (!json_is_string(value)) {
        return bad_field(req, name, "a string such as \"8x8x16\"");
    }
    const char *text = json_string_value(value);
    if (json_string_length(value) != strlen(text) ||
        tpunet_shape_parse(&spec->shape, text, false, &err) < 0) {
        respond_problem(req, 400, "invalid-topology", name, "topology: %s", err.text);
        return false;
    }
    spec->shape.twisted = tpunet_shape_twistable(&spec->shape);
    return true;
}

static bool take_twisted(struct request *req, const char *name, json_t *value,
                         struct slice_spec *spec)
{
    char shape[24];

    if (!json_is_boolean(value)) {
        return bad_field(req, name, "true or false");
    }
    if (json_is_true(value) && !tpunet_shape_twistable(&spec->shape)) {
        respond_problem(req, 400, "invalid-topology", name,
                        "twisted: %s has no twisted torus; the shapes k x k x 2k and k x 2k x 2k "
                        "have (4x4x8, 4x8x8, 8x8x16, ...)",
                        tpunet_shape_format(&spec->shape, shape));
        return false;
    }
    spec->shape.twisted = json_is_true(value);
    return true;
}

static bool take_cubes(struct request *req, const char *name, json_t *value,
                       struct slice_spec *spec)
{
    size_t n = json_array_size(value);

    if (!json_is_array(value) || n == 0 || n > MODEL_CUBES_MAX) {
        return bad_field(req, name, "a list of 1 to 144 cube numbers, in logical order, x fastest");
    }
    spec->cubes = xcalloc(n, sizeof *spec->cubes);
    spec->n_cubes = n;
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_array_get(value, i);
        json_int_t number = json_integer_value(item);
        if (!json_is_integer(item) || number < 0 || number >= MODEL_CUBES_MAX) {
            respond_problem(req, 400, "invalid-field", name,
                            "cubes[%zu]: must be the number of a cube, 0 to %d", i,
                            MODEL_CUBES_MAX - 1);
            return false;
        }
        spec->cubes[i] = (uint16_t)number;
    }
    return true;
}

static bool take_accept_degraded(struct request *req, const char *name, json_t *value,
                                 struct slice_spec *spec)
{
    if (!json_is_boolean(value)) {
        return bad_field(req, name, "true or false");
    }
    spec->accept_degraded = json_is_true(value);
    return true;
}

static bool take_adopt(struct request *req, const char *name, json_t *value,
                       struct slice_spec *spec)
{
    if (!json_is_boolean(value)) {
        return bad_field(req, name, "true or false");
    }
    if (json_is_true(value) && req->role < ROLE_OPERATOR) {
        respond_problem(req, 403, "denied", name,
                        "adopt: needs role '%s', this connection has '%s'",
                        role_name(ROLE_OPERATOR), role_name(req->role));
        return false;
    }
    spec->adopt = json_is_true(value);
    return true;
}

static bool take_priority(struct request *req, const char *name, json_t *value,
                          struct slice_spec *spec)
{
    json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < -1000000 || n > 1000000) {
        return bad_field(req, name, "a whole number from -1000000 to 1000000");
    }
    spec->priority = (int32_t)n;
    return true;
}

static bool take_labels(struct request *req, const char *name, json_t *value,
                        struct slice_spec *spec)
{
    const char *key;
    json_t *item;

    if (!json_is_object(value)) {
        return bad_field(req, name, "an object of strings");
    }
    json_object_foreach(value, key, item)
    {
        if (!json_is_string(item)) {
            return bad_field(req, name, "an object of strings");
        }
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    size_t len = strlen(text);
    bool fits = len < sizeof spec->labels;
    if (fits) {
        memcpy(spec->labels, text, len + 1);
    }
    free(text);
    return fits ? true : bad_field(req, name, "at most 4 KiB");
}

/* In the order in which they are taken: twisted and weave need the topology. */
static const struct field fields[] = {
    {"topology", take_topology},
    {"twisted", take_twisted},
    {"name", take_name},
    {"cubes", take_cubes},
    {"accept_degraded", take_accept_degraded},
    {"adopt", take_adopt},
    {"owner", take_owner},
    {"priority", take_priority},
    {"labels", take_labels},
    {"weave", slice_take_weave},
};

static bool take_fields(struct request *req, json_t *body, struct slice_spec *spec)
{
    const char *key;
    json_t *value;

    json_object_foreach(body, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
            known = known || strcmp(fields[i].name, key) == 0;
        }
        if (!known) {
            respond_problem(req, 400, "unknown-field", key, "a slice has no field '%.64s'", key);
            return false;
        }
    }
    if (json_object_get(body, "topology") == NULL) {
        respond_problem(req, 400, "missing-field", "topology",
                        "topology: is needed, for example \"4x4x8\"");
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        value = json_object_get(body, fields[i].name);
        if (value != NULL && !fields[i].take(req, fields[i].name, value, spec)) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------- routes -- */

void slices_post(struct request *req)
{
    static const char *const names[] = {"wait"};
    struct event ev = {.kind = EV_CREATE_SLICE};
    json_t *body;

    if (!request_query_is(req, names, ARRAY_LEN(names)) || !request_read_wait(req) ||
        (body = body_object(req)) == NULL) {
        return;
    }
    ev.create = xcalloc(1, sizeof *ev.create);
    ev.create->accept_degraded = true;
    if (take_fields(req, body, ev.create) && request_read_key(req, body, &ev.key)) {
        req->wait = WAIT_SETTLED;
        request_defer(req, &ev);
    } else {
        event_fini(&ev);
    }
    json_decref(body);
}

/* The slice of the path, or NULL after a 404. */
static const struct slice *slice_of_path(struct request *req)
{
    struct id id;
    const struct slice *slice = id_parse(&id, req->id) ? model_slice(req->p->model, id) : NULL;

    if (slice == NULL) {
        respond_problem(req, 404, "slice-not-found", NULL, "no slice/%s", req->id);
    }
    return slice;
}

static void respond_slice(struct request *req, int status, const struct slice *slice)
{
    char id[48];

    (void)snprintf(req->etag, sizeof req->etag, "\"%" PRIu64 "\"", slice->version);
    if (status == 201 || status == 202) {
        (void)snprintf(req->location, sizeof req->location, "/v1/slices/%s",
                       id_format(slice->id, id));
    }
    respond_json(req, status, render_slice(slice));
}

void slice_get(struct request *req)
{
    if (request_query_is(req, NULL, 0)) {
        const struct slice *slice = slice_of_path(req);
        if (slice != NULL) {
            respond_slice(req, 200, slice);
        }
    }
}

void slice_links(struct request *req)
{
    if (request_query_is(req, NULL, 0)) {
        const struct slice *slice = slice_of_path(req);
        if (slice != NULL) {
            respond_json(req, 200, render_links(req->p->model, slice));
        }
    }
}

/* An ETag of ours is a quoted version; "*" asks for any. */
bool request_read_if_match(struct request *req, uint64_t *version)
{
    const char *text = request_header(req, "If-Match");
    char *end;

    *version = 0;
    if (text == NULL || strcmp(text, "*") == 0) {
        return true;
    }
    if (text[0] == '"' && text[1] >= '1' && text[1] <= '9') {
        *version = strtoull(text + 1, &end, 10);
        if (strcmp(end, "\"") == 0) {
            return true;
        }
    }
    respond_problem(req, 412, "version-mismatch", "If-Match",
                    "If-Match: %.40s is not an ETag of podmgr", text);
    return false;
}

void slice_delete(struct request *req)
{
    static const char *const names[] = {"wait"};
    struct event ev = {.kind = EV_DELETE_SLICE};

    if (!request_query_is(req, names, ARRAY_LEN(names)) || !request_read_wait(req) ||
        !request_read_if_match(req, &ev.del.if_version)) {
        return;
    }
    const struct slice *slice = slice_of_path(req);
    if (slice != NULL) {
        ev.del.id = slice->id;
        req->wait = WAIT_DELETED;
        req->last_seen = render_slice(slice);
        request_defer(req, &ev);
    }
}

/* ------------------------------------------------------------ migrate -- */

static bool take_cube(struct request *req, size_t i, const char *name, json_t *value, uint16_t *out)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || number >= MODEL_CUBES_MAX) {
        respond_problem(req, 400, "invalid-field", "replace",
                        "replace[%zu].%s: must be the number of a cube, 0 to %d", i, name,
                        MODEL_CUBES_MAX - 1);
        return false;
    }
    *out = (uint16_t)number;
    return true;
}

static bool take_swap(struct request *req, size_t i, json_t *item, struct swap *swap)
{
    json_t *with = json_object_get(item, "with");
    size_t known = 1 + (with != NULL);

    if (!json_is_object(item) || json_object_get(item, "cube") == NULL ||
        json_object_size(item) != known) {
        respond_problem(req, 400, "invalid-field", "replace",
                        "replace[%zu]: must be {\"cube\": N} or {\"cube\": N, \"with\": M}", i);
        return false;
    }
    swap->with = TPUNET_NONE;
    return take_cube(req, i, "cube", json_object_get(item, "cube"), &swap->cube) &&
           (with == NULL || take_cube(req, i, "with", with, &swap->with));
}

static bool take_swaps(struct request *req, json_t *body, struct event *ev)
{
    json_t *list = json_object_get(body, "replace");
    size_t n = json_array_size(list);
    bool good = true;

    if (!json_is_array(list) || n == 0 || n > MODEL_CUBES_MAX || json_object_size(body) != 1) {
        respond_problem(req, 400, "invalid-field", "replace",
                        "replace: must be the one field, a list of 1 to %d swaps such as "
                        "{\"cube\": 5, \"with\": 9}",
                        MODEL_CUBES_MAX);
        return false;
    }
    ev->migrate.swaps = xcalloc(n, sizeof *ev->migrate.swaps);
    ev->migrate.n_swaps = n;
    for (size_t i = 0; i < n && good; i++) {
        good = take_swap(req, i, json_array_get(list, i), &ev->migrate.swaps[i]);
    }
    return good;
}

void slice_migrate(struct request *req)
{
    static const char *const names[] = {"wait"};
    struct event ev = {.kind = EV_MIGRATE_SLICE};
    json_t *body;

    if (!request_query_is(req, names, ARRAY_LEN(names)) || !request_read_wait(req) ||
        !request_read_if_match(req, &ev.migrate.if_version) || (body = body_object(req)) == NULL) {
        return;
    }
    const struct slice *slice = slice_of_path(req);
    if (slice != NULL && take_swaps(req, body, &ev)) {
        ev.migrate.id = slice->id;
        req->wait = WAIT_MIGRATED;
        request_defer(req, &ev);
    } else {
        event_fini(&ev);
    }
    json_decref(body);
}

/* The answer to a create or delete, settled or not. */
void answer_slice(struct request *req)
{
    const struct slice *slice = model_slice(req->p->model, req->made);

    if (slice == NULL && req->last_seen != NULL) {
        (void)json_object_set_new(req->last_seen, "state",
                                  json_string(slice_state_name(SLICE_DELETED)));
        respond_json(req, 200, json_incref(req->last_seen));
    } else if (slice == NULL) { /* made by this key earlier, and gone since */
        respond_gone(req, slice_state_name(SLICE_DELETED));
    } else if (req->wait == WAIT_DELETED) {
        respond_slice(req, slice->state == SLICE_FAILED ? 200 : 202, slice);
    } else if (req->wait == WAIT_MIGRATED) {
        respond_slice(req, slice_state_settled(slice->state) ? 200 : 202, slice);
    } else if (slice->state == SLICE_FAILED) {
        respond_slice(req, 200, slice);
    } else {
        respond_slice(req, slice_state_settled(slice->state) ? 201 : 202, slice);
    }
}

struct filter {
    const char *state, *name, *owner;
};

static bool passes(const struct slice *slice, const struct filter *filter)
{
    return (filter->state == NULL || strcmp(filter->state, slice_state_name(slice->state)) == 0) &&
           (filter->name == NULL || strcmp(filter->name, slice->spec.name) == 0) &&
           (filter->owner == NULL || strcmp(filter->owner, slice->spec.owner) == 0);
}

void slices_list(struct request *req)
{
    static const char *const names[] = {"state", "name", "owner", "limit", "page_token"};
    struct filter filter;
    uint64_t limit = SLICES_MAX;
    struct id after = {0};
    enum slice_state unused;

    if (!request_query_is(req, names, ARRAY_LEN(names)) ||
        !request_read_number(req, "limit", 1, SLICES_MAX, &limit)) {
        return;
    }
    filter = (struct filter){request_query(req, "state"), request_query(req, "name"),
                             request_query(req, "owner")};
    if (filter.state != NULL && !slice_state_parse(&unused, filter.state)) {
        respond_problem(req, 400, "invalid-parameter", "state", "state: no state '%.32s'",
                        filter.state);
        return;
    }
    const char *token = request_query(req, "page_token");
    if (token != NULL && !id_parse(&after, token)) {
        respond_problem(req, 400, "invalid-parameter", "page_token",
                        "page_token: give the one that the last page named");
        return;
    }
    const struct model *m = req->p->model;
    json_t *list = json_array(), *page = json_pack("{s:o}", "slices", list);
    struct id last = {0};
    for (size_t i = 0; i < m->n_slices; i++) {
        const struct slice *slice = m->slices[i];
        if (id_compare(slice->id, after) <= 0 || !passes(slice, &filter)) {
            continue;
        }
        if (json_array_size(list) == limit) {
            char id[48];
            (void)json_object_set_new(page, "next_page_token", json_string(id_format(last, id)));
            break;
        }
        (void)json_array_append_new(list, render_slice(slice));
        last = slice->id;
    }
    respond_json(req, 200, page);
}
