/* The contract against the table of routes, both ways, and against itself: what
 * it refers to exists, what it names twice is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

#include "api/http.h"
#include "core/slice.h"
#include "mem.h"
#include "openapi_json.h"

static json_t *contract;

static const json_t *at(const json_t *json, const char *a, const char *b, const char *c)
{
    return json_object_get(json_object_get(json_object_get(json, a), b), c);
}

static bool is_method(const char *key)
{
    static const char *const methods[] = {"get",   "put",  "post",   "delete",
                                          "patch", "head", "options"};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (strcmp(key, methods[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const json_t *operation_of(const struct route *route)
{
    char method[16] = "";

    for (size_t i = 0; route->method[i] != '\0' && i + 1 < sizeof method; i++) {
        method[i] = (char)(route->method[i] | 0x20);
    }
    return at(contract, "paths", route->path, method);
}

static void every_route_is_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_route_count; i++) {
        const struct route *route = &api_routes[i];
        const json_t *operation = operation_of(route);
        if (operation == NULL) {
            fail_msg("%s %s is not in openapi.yaml", route->method, route->path);
        }
        const char *role = json_string_value(json_object_get(operation, "x-role"));
        if (role == NULL || strcmp(role, role_name(route->role)) != 0) {
            fail_msg("%s %s: x-role is not %s", route->method, route->path, role_name(route->role));
        }
        assert_true(json_object_size(json_object_get(operation, "responses")) > 0);
        assert_non_null(json_object_get(operation, "summary"));
    }
}

static bool is_route(const char *method, const char *path)
{
    for (size_t i = 0; i < api_route_count; i++) {
        if (strcasecmp(api_routes[i].method, method) == 0 &&
            strcmp(api_routes[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void everything_described_is_a_route(void **state)
{
    const char *path, *key;
    json_t *item, *operation;
    size_t n = 0;

    (void)state;
    json_object_foreach(json_object_get(contract, "paths"), path, item)
    {
        json_object_foreach(item, key, operation)
        {
            if (is_method(key) && !is_route(key, path)) {
                fail_msg("openapi.yaml: podmgr does not serve %s %s", key, path);
            }
            n += is_method(key);
        }
    }
    assert_int_equal(n, api_route_count);
}

static void operations_have_names_of_their_own(void **state)
{
    json_t *seen = json_object();

    (void)state;
    for (size_t i = 0; i < api_route_count; i++) {
        const char *name =
            json_string_value(json_object_get(operation_of(&api_routes[i]), "operationId"));
        assert_non_null(name);
        assert_null(json_object_get(seen, name));
        (void)json_object_set_new(seen, name, json_true());
    }
    json_decref(seen);
}

/* A path with {id} says what id is. */
static void path_parameters_are_described(void **state)
{
    const char *path;
    json_t *item;

    (void)state;
    json_object_foreach(json_object_get(contract, "paths"), path, item)
    {
        const json_t *parameter = json_array_get(json_object_get(item, "parameters"), 0);
        const char *name = json_string_value(json_object_get(parameter, "name"));
        if ((strchr(path, '{') != NULL) != (name != NULL && strcmp(name, "id") == 0)) {
            fail_msg("openapi.yaml: parameters of %s", path);
        }
    }
}

static const json_t *resolve(const char *ref)
{
    const json_t *json = contract;

    for (const char *part = ref + 2; part != NULL && json != NULL;) {
        const char *slash = strchr(part, '/');
        json = slash != NULL ? json_object_getn(json, part, (size_t)(slash - part))
                             : json_object_get(json, part);
        part = slash != NULL ? slash + 1 : NULL;
    }
    return json;
}

static size_t check_refs(const json_t *json)
{
    const char *key;
    json_t *value;
    size_t i, n = 0;

    json_array_foreach(json, i, value)
    {
        n += check_refs(value);
    }
    json_object_foreach((json_t *)json, key, value)
    {
        if (strcmp(key, "$ref") == 0) {
            const char *ref = json_string_value(value);
            if (strncmp(ref, "#/", 2) != 0 || resolve(ref) == NULL) {
                fail_msg("openapi.yaml: %s leads nowhere", ref);
            }
            n++;
        }
        n += check_refs(value);
    }
    return n;
}

static void references_lead_somewhere(void **state)
{
    (void)state;
    assert_true(check_refs(contract) > api_route_count);
}

/* `schema` is an enumeration, or an object one of whose properties is. */
static void assert_same(const char *schema, const char *property, size_t i, const char *name)
{
    const json_t *of = at(contract, "components", "schemas", schema);
    if (property != NULL) {
        of = json_object_get(json_object_get(of, "properties"), property);
    }
    const char *text = json_string_value(json_array_get(json_object_get(of, "enum"), i));

    if (text == NULL || strcmp(text, name) != 0) {
        fail_msg("openapi.yaml: %s lacks %s", schema, name);
    }
}

static void states_have_the_names_of_the_code(void **state)
{
    (void)state;
    for (int s = SLICE_ACTIVATING; s <= SLICE_DELETED; s++) {
        assert_same("SliceState", NULL, (size_t)s, slice_state_name((enum slice_state)s));
    }
    for (int h = HEALTH_HEALTHY; h <= HEALTH_PROBATION; h++) {
        assert_same("Health", NULL, (size_t)h, health_name((enum health)h));
    }
    for (int a = ADMIN_IN_SERVICE; a <= ADMIN_DRAINED; a++) {
        assert_same("Admin", NULL, (size_t)a, admin_name((enum admin)a));
    }
    for (int o = OCS_STATE_UNKNOWN; o <= OCS_STATE_FAILED; o++) {
        assert_same("Switch", "state", (size_t)o, ocs_state_name((enum ocs_state)o));
    }
    for (int k = OP_PROGRAM; k <= OP_RECONFIGURE; k++) {
        assert_same("Operation", "kind", (size_t)k, op_kind_name((enum op_kind)k));
    }
    for (int s = OP_OPEN; s <= OP_FAILED; s++) {
        assert_same("Operation", "state", (size_t)s, op_state_name((enum op_state)s));
    }
}

static void the_version_is_ours(void **state)
{
    (void)state;
    assert_string_equal(json_string_value(json_object_get(contract, "openapi")), "3.1.0");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(contract, "info"), "version")),
        PODMGR_VERSION);
}

static int set_up(void **state)
{
    (void)state;
    contract = json_loads(openapi_json, JSON_REJECT_DUPLICATES, NULL);
    return contract != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(contract);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(everything_described_is_a_route),
        cmocka_unit_test(operations_have_names_of_their_own),
        cmocka_unit_test(path_parameters_are_described),
        cmocka_unit_test(references_lead_somewhere),
        cmocka_unit_test(states_have_the_names_of_the_code),
        cmocka_unit_test(the_version_is_ours),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
