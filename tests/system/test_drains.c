/* Planned maintenance on a pod of real processes: a person takes cubes and
 * switches out of service and puts them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "harness.h"
#include "mem.h"

enum { LIMIT_MS = 20000, CUBES = 6 };

static int setup(void **state)
{
    *state = pod_up(
        &(struct pod_options){.cubes = CUBES,
                              .mirror_ms = 2,
                              .remedy = true,
                              .extra_podmgr = "power: [{domain: a, feeds: [cube/5, ocs/3]}]\n"});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

/* --------------------------------------------------------------- helpers -- */

static json_t *read_part(const struct pod *pod, const char *collection, const char *id)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/%s/%s", collection, id);
    return http(pod, "GET", path, NULL, &status);
}

/* Given, and answered 201; the caller frees. */
static json_t *drain(const struct pod *pod, const char *target, const char *mode)
{
    char body[160];
    long status;

    (void)snprintf(body, sizeof body,
                   "{\"target\":\"%s\",\"mode\":\"%s\",\"reason\":\"planned work\"}", target, mode);
    json_t *d = http(pod, "POST", "/v1/drains", body, &status);
    if (status != 201) {
        fail_msg("%s: %ld %s", target, status, str(d, "detail"));
    }
    return d;
}

static json_t *plan(const struct pod *pod, const char *target, const char *mode)
{
    char body[160];
    long status;

    (void)snprintf(body, sizeof body,
                   "{\"target\":\"%s\",\"mode\":\"%s\",\"reason\":\"planned work\"}", target, mode);
    json_t *answer = http(pod, "POST", "/v1/drains:plan", body, &status);
    assert_int_equal(status, 200);
    return answer;
}

static void end(const struct pod *pod, const char *id)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/drains/%s", id);
    json_decref(http(pod, "DELETE", path, NULL, &status));
    assert_int_equal(status, 200);
    json_decref(http(pod, "GET", path, NULL, &status));
    assert_int_equal(status, 404);
}

struct expected {
    const struct pod *pod;
    const char *collection, *id, *state;
};

static bool is_in_state(void *arg)
{
    const struct expected *e = arg;
    json_t *json = read_part(e->pod, e->collection, e->id);
    bool is = strcmp(str(json, "state"), e->state) == 0;

    json_decref(json);
    return is;
}

static void await_state(const struct pod *pod, const char *collection, const char *id,
                        const char *state)
{
    struct expected e = {pod, collection, id, state};

    if (!await_until(is_in_state, &e, LIMIT_MS)) {
        json_t *json = read_part(pod, collection, id);
        char *text = json_dumps(json, JSON_INDENT(1));
        long status;
        fail_msg("%s/%s is not %s: %s\n%s", collection, id, state, text,
                 http_text(pod, "/v1/events?since=0&limit=500", &status));
    }
}

static bool has_cube(const struct pod *pod, const char *slice, const char *cube)
{
    json_t *json = read_part(pod, "slices", slice), *item;
    bool found = false;
    size_t i;

    json_array_foreach(json_object_get(json, "cubes"), i, item)
    {
        found = found || strcmp(str(item, "cube"), cube) == 0;
    }
    json_decref(json);
    return found;
}

/* The slice's entry in a drain or plan, and the action. */
static void assert_action(const json_t *list, const char *slice, const char *action)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(str(item, "slice"), slice) == 0) {
            assert_string_equal(str(item, "action"), action);
            return;
        }
    }
    fail_msg("slice/%s is not listed", slice);
}

static bool is_ready(void *arg)
{
    long status;

    free(http_text(arg, "/readyz", &status));
    return status == 200;
}

/* Also without a switch. */
static void restart_podmgr(struct pod *pod)
{
    pod_start_podmgr(pod);
    assert_true(await_until(is_ready, pod, LIMIT_MS));
}

/* Circuits of the switch as the hardware shows them. */
static size_t circuits_of(const struct pod *pod, unsigned ocs)
{
    json_t *dump = sim(pod, "dump --json");
    size_t n =
        json_array_size(json_object_get(json_array_get(json_object_get(dump, "ocs"), ocs), "map"));

    json_decref(dump);
    return n;
}

/* ----------------------------------------------------------------- tests -- */

static void bad_orders_change_nothing(void **state)
{
    static const struct {
        const char *body;
        long status;
        const char *code, *field, *detail;
    } rows[] = {
        {"[]", 400, "malformed-json", "", "must be a JSON object"},
        {"{\"target\":\"cube/1\"}", 400, "missing-field", "reason", "reason: is needed"},
        {"{\"reason\":\"r\"}", 400, "missing-field", "target", "target: is needed"},
        {"{\"target\":\"cube/1\",\"reason\":\"\"}", 400, "invalid-field", "reason", "1 to 159"},
        {"{\"target\":\"cube/1\",\"reason\":\"a\\nb\"}", 400, "invalid-field", "reason", "control"},
        {"{\"target\":\"cube/1\",\"reason\":7}", 400, "invalid-field", "reason", "a string"},
        {"{\"target\":\"cube/1\",\"reason\":\"r\",\"why\":\"x\"}", 400, "unknown-field", "why",
         "no field 'why'"},
        {"{\"target\":\"cube/1\",\"reason\":\"r\",\"mode\":\"fast\"}", 400, "invalid-field", "mode",
         "graceful or now"},
        {"{\"target\":\"cube/1\",\"reason\":\"r\",\"until\":\"tomorrow\"}", 400, "invalid-field",
         "until", "2026-01-31T12:00:00Z"},
        {"{\"target\":\"cube/1\",\"reason\":\"r\",\"until\":\"2020-02-30T00:00:00Z\"}", 400,
         "invalid-field", "until", "must be a time"},
        {"{\"target\":\"cube/1\",\"reason\":\"r\",\"until\":\"2020-02-03T00:00:00Z\"}", 400,
         "invalid-field", "", "until: 2020-02-03T00:00:00.000Z is past"},
        {"{\"target\":\"cube/01\",\"reason\":\"r\"}", 400, "invalid-field", "target", "cube/01"},
        {"{\"target\":\"face/1+x\",\"reason\":\"r\"}", 400, "invalid-field", "", "face/1+x"},
        {"{\"target\":\"cube/6\",\"reason\":\"r\"}", 404, "part-not-found", "", "cube/6"},
        {"{\"target\":\"host/6-0\",\"reason\":\"r\"}", 404, "part-not-found", "", "host/6-0"},
        {"{\"target\":\"link/6-0-0-0+x\",\"reason\":\"r\"}", 404, "part-not-found", "", "link/6"},
        {"{\"target\":\"power/b\",\"reason\":\"r\"}", 404, "part-not-found", "", "power/b"},
    };
    static const char *const paths[] = {"/v1/drains", "/v1/drains:plan"};
    const struct pod *pod = *state;
    long status;

    for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(paths); i++) {
        size_t row = i / ARRAY_LEN(paths);
        json_t *json = http(pod, "POST", paths[i % ARRAY_LEN(paths)], rows[row].body, &status);
        const char *field = json_string_value(json_object_get(json, "field"));
        if (status != rows[row].status || strcmp(str(json, "code"), rows[row].code) != 0 ||
            strcmp(field != NULL ? field : "", rows[row].field) != 0 ||
            strstr(str(json, "detail"), rows[row].detail) == NULL) {
            fail_msg("%s: %ld %s: %s", rows[row].body, status, str(json, "code"),
                     str(json, "detail"));
        }
        json_decref(json);
    }
    json_t *list = http(pod, "GET", "/v1/drains", NULL, &status);
    assert_int_equal(json_array_size(json_object_get(list, "drains")), 0);
    json_decref(list);
    json_decref(http(pod, "GET", "/v1/drains/9-9", NULL, &status));
    assert_int_equal(status, 404);
    json_decref(http(pod, "DELETE", "/v1/drains/nonsense", NULL, &status));
    assert_int_equal(status, 404);
    json_decref(
        http_tcp(pod, "POST", "/v1/drains", "{\"target\":\"cube/1\",\"reason\":\"r\"}", &status));
    assert_int_equal(status, 403);
}

static void a_target_is_drained_once(void **state)
{
    static const char body[] = "{\"target\":\"cube/4\",\"reason\":\"first\"}";
    const struct pod *pod = *state;
    char path[96], etag[32];
    long status;
    json_t *first =
        http_with(pod, "POST", "/v1/drains", "Idempotency-Key: k1", body, &status, etag);

    assert_int_equal(status, 201);
    assert_string_equal(str(first, "state"), "DRAINED"); /* nothing was on it */
    json_t *again =
        http_with(pod, "POST", "/v1/drains", "Idempotency-Key: k1", body, &status, NULL);
    assert_int_equal(status, 201);
    assert_string_equal(str(again, "id"), str(first, "id"));
    json_decref(again);
    json_decref(http_with(pod, "POST", "/v1/drains", "Idempotency-Key: k1",
                          "{\"target\":\"cube/4\",\"reason\":\"x\"}", &status, NULL));
    assert_int_equal(status, 422);
    json_t *refused = http(pod, "POST", "/v1/drains", body, &status);
    assert_int_equal(status, 409);
    assert_string_equal(str(refused, "code"), "drain-exists");
    (void)snprintf(path, sizeof path, "drain/%s", str(first, "id"));
    assert_non_null(strstr(str(refused, "detail"), path));
    assert_non_null(strstr(str(refused, "detail"), "first"));
    json_decref(refused);
    (void)snprintf(path, sizeof path, "/v1/drains/%s", str(first, "id"));
    json_decref(http_with(pod, "DELETE", path, "If-Match: \"77\"", NULL, &status, NULL));
    assert_int_equal(status, 412);
    char header[64];
    (void)snprintf(header, sizeof header, "If-Match: %s", etag);
    json_decref(http_with(pod, "DELETE", path, header, NULL, &status, NULL));
    assert_int_equal(status, 200);
    json_decref(first);
}

static void a_cube_waits_for_its_job_or_is_swapped(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[0,1]}");
    char *id = xstrdup(str(slice, "id"));
    long status;

    json_decref(slice);
    json_t *d = drain(pod, "cube/0", "graceful");
    assert_string_equal(str(d, "state"), "DRAINING");
    assert_action(json_object_get(d, "waits_for"), id, "WAIT");
    assert_true(json_is_null(json_object_get(d, "safe_to_unplug")));
    json_t *planned = plan(pod, "cube/1", "now");
    assert_action(json_object_get(planned, "slices"), id, "SWAP");
    assert_true(json_is_true(json_object_get(planned, "spare_exists")));
    assert_int_equal(num(planned, "spare_cubes"), 4);
    json_decref(planned);

    json_t *other = drain(pod, "cube/1", "now");
    await_state(pod, "drains", str(other, "id"), "DRAINED");
    await_state(pod, "slices", id, "ACTIVE");
    assert_false(has_cube(pod, id, "cube/1"));
    assert_true(has_cube(pod, id, "cube/0")); /* graceful: its job goes on there */
    json_t *refused =
        http(pod, "POST", "/v1/slices", "{\"topology\":\"4x4x4\",\"cubes\":[1]}", &status);
    assert_int_equal(status, 409);
    assert_non_null(strstr(str(refused, "detail"), "cube/1 DRAINED since"));
    json_decref(refused);

    assert_true(slice_down(pod, id));
    await_state(pod, "drains", str(d, "id"), "DRAINED");
    char *metrics = http_text(pod, "/metrics", &status);
    assert_non_null(strstr(metrics, "podmgr_drains{state=\"DRAINED\"} 2\n"));
    free(metrics);
    json_t *cube = read_part(pod, "cubes", "0");
    assert_string_equal(str(cube, "admin"), "DRAINED");
    assert_string_equal(str(cube, "health"), "HEALTHY");
    json_decref(cube);
    end(pod, str(d, "id"));
    end(pod, str(other, "id"));
    cube = read_part(pod, "cubes", "1");
    assert_string_equal(str(cube, "admin"), "IN_SERVICE");
    assert_true(json_is_true(json_object_get(cube, "free")));
    json_decref(cube);
    json_decref(other);
    json_decref(d);
    free(id);
}

/* The whole of it: blocked, drained, its power cut, podmgr killed, and back. */
static void a_switch_is_replaced(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\"}");
    json_t *strict = slice_up(pod, "{\"topology\":\"4x4x4\",\"accept_degraded\":false}");
    char *id = xstrdup(str(slice, "id")), *strict_id = xstrdup(str(strict, "id"));
    long status;

    json_t *planned = plan(pod, "ocs/33", "now");
    assert_action(json_object_get(planned, "slices"), id, "REROUTE");
    assert_action(json_object_get(planned, "slices"), strict_id, "BLOCKED");
    assert_true(json_array_size(json_object_get(planned, "without_redundancy")) > 0);
    json_decref(planned);
    json_t *d = drain(pod, "ocs/33", "now");
    await_state(pod, "slices", id, "ACTIVE_DEGRADED");
    json_t *waiting = read_part(pod, "drains", str(d, "id"));
    assert_string_equal(str(waiting, "state"), "DRAINING");
    assert_action(json_object_get(waiting, "waits_for"), strict_id, "BLOCKED");
    json_decref(waiting);
    json_t *alive = read_part(pod, "slices", strict_id);
    assert_string_equal(str(alive, "state"), "ACTIVE");
    assert_int_equal(num(alive, "version"), num(strict, "version"));
    json_decref(alive);
    assert_true(slice_down(pod, strict_id));
    await_state(pod, "drains", str(d, "id"), "DRAINED");

    pod_kill_podmgr(pod);
    json_decref(sim(pod, "inject power-loss ocs/33"));
    restart_podmgr(pod);
    json_t *again = read_part(pod, "drains", str(d, "id"));
    assert_string_equal(str(again, "state"), "DRAINED");
    assert_string_equal(str(again, "reason"), "planned work");
    json_decref(again);
    json_t *more = slice_up(pod, "{\"topology\":\"4x4x4\"}"); /* around it */
    assert_string_equal(str(more, "state"), "ACTIVE_DEGRADED");
    json_t *tickets = http(pod, "GET", "/v1/repairs", NULL, &status);
    assert_int_equal(json_array_size(json_object_get(tickets, "repairs")), 0); /* planned */
    json_decref(tickets);

    json_decref(sim(pod, "heal all"));
    pod_await_ready(pod);
    assert_int_equal(circuits_of(pod, 33), 0); /* in its person's hands still */
    end(pod, str(d, "id"));
    await_state(pod, "slices", id, "ACTIVE");
    await_state(pod, "slices", str(more, "id"), "ACTIVE");
    json_t *whole = read_part(pod, "slices", id);
    assert_true(json_is_false(json_object_get(whole, "degraded")));
    assert_int_equal(num(whole, "dead_links"), 0);
    json_decref(whole);
    assert_int_equal(circuits_of(pod, 33), 3);
    assert_true(slice_down(pod, id));
    assert_true(slice_down(pod, str(more, "id")));
    json_decref(more);
    json_decref(d);
    json_decref(strict);
    json_decref(slice);
    free(strict_id);
    free(id);
}

static void a_power_domain_and_an_optical_link(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[4,5]}");
    const char *id = str(slice, "id");

    json_t *d = drain(pod, "power/a", "now");
    await_state(pod, "drains", str(d, "id"), "DRAINED");
    await_state(pod, "slices", id, "ACTIVE_DEGRADED");
    assert_false(has_cube(pod, id, "cube/5"));
    end(pod, str(d, "id"));
    json_decref(d);
    await_state(pod, "slices", id, "ACTIVE");

    d = drain(pod, "link/4-3-1-2+x", "now");
    await_state(pod, "drains", str(d, "id"), "DRAINED");
    await_state(pod, "slices", id, "ACTIVE_DEGRADED");
    assert_string_equal(json_string_value(json_array_get(json_object_get(d, "ports"), 0)),
                        "port/9-n-4");
    end(pod, str(d, "id"));
    await_state(pod, "slices", id, "ACTIVE");
    assert_true(slice_down(pod, id));
    json_decref(d);
    json_decref(slice);
}

struct ending {
    const struct pod *pod;
    char path[96];
};

static bool is_gone(void *arg)
{
    struct ending *e = arg;
    long status;

    json_decref(http(e->pod, "GET", e->path, NULL, &status));
    return status == 404;
}

/* Wall time, over a restart. */
static void it_ends_when_it_was_said_to(void **state)
{
    struct pod *pod = *state;
    struct ending e = {.pod = pod};
    char body[160], until[32];
    long status;

    (void)wall_format((struct wall_ms){clock_read().wall.ms + 1500}, until);
    (void)snprintf(body, sizeof body,
                   "{\"target\":\"cube/2\",\"reason\":\"short\",\"until\":\"%s\"}", until);
    json_t *d = http(pod, "POST", "/v1/drains", body, &status);
    assert_int_equal(status, 201);
    assert_string_equal(str(d, "until"), until);
    (void)snprintf(e.path, sizeof e.path, "/v1/drains/%s", str(d, "id"));
    pod_kill_podmgr(pod);
    restart_podmgr(pod);
    assert_true(await_until(is_gone, &e, LIMIT_MS));
    json_decref(d);
}

/* A late repeat does not take out of service again what somebody has put back, and a
 * used key gives no other order, whatever restarts meanwhile. */
static void a_key_outlives_its_drain(void **state)
{
    static const char body[] = "{\"target\":\"cube/4\",\"reason\":\"r\"}",
                      other[] = "{\"target\":\"cube/5\",\"reason\":\"r\"}",
                      key[] = "Idempotency-Key: z1";
    struct pod *pod = *state;
    long status;
    json_t *first = http_with(pod, "POST", "/v1/drains", key, body, &status, NULL);

    assert_int_equal(status, 201);
    end(pod, str(first, "id"));
    for (int restarts = 0; restarts < 2; restarts++) {
        json_t *again = http_with(pod, "POST", "/v1/drains", key, body, &status, NULL);
        assert_int_equal(status, 200);
        assert_string_equal(str(again, "id"), str(first, "id"));
        assert_string_equal(str(again, "state"), "ENDED");
        json_decref(again);
        json_t *refused = http_with(pod, "POST", "/v1/drains", key, other, &status, NULL);
        assert_int_equal(status, 422);
        assert_string_equal(str(refused, "code"), "idempotency-key-reused");
        json_decref(refused);
        json_decref(
            http_with(pod, "POST", "/v1/slices", key, "{\"topology\":\"4x4x4\"}", &status, NULL));
        assert_int_equal(status, 422);
        json_t *list = http(pod, "GET", "/v1/drains", NULL, &status);
        assert_int_equal(json_array_size(json_object_get(list, "drains")), 0);
        json_decref(list);
        if (restarts == 0) {
            pod_kill_podmgr(pod);
            restart_podmgr(pod);
        }
    }
    json_decref(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_orders_change_nothing),
        cmocka_unit_test(a_target_is_drained_once),
        cmocka_unit_test(a_cube_waits_for_its_job_or_is_swapped),
        cmocka_unit_test(a_switch_is_replaced),
        cmocka_unit_test(a_power_domain_and_an_optical_link),
        cmocka_unit_test(it_ends_when_it_was_said_to),
        cmocka_unit_test(a_key_outlives_its_drain),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
