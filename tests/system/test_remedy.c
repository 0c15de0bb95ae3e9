/* What breaks is mended by itself, on a pod of real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "mem.h"

enum { LIMIT_MS = 20000 };

static int setup(void **state)
{
    *state = pod_up(
        &(struct pod_options){.cubes = 8,
                              .mirror_ms = 2,
                              .remedy = true,
                              .extra_podmgr = "repair: {burn_in_ms: 300, probation_ms: 600}\n"});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

struct expected {
    const struct pod *pod;
    const char *slice, *state;
    const char *without; /* cube that it must not have, or NULL */
};

static json_t *read_slice(const struct pod *pod, const char *id)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/slices/%s", id);
    return http(pod, "GET", path, NULL, &status);
}

static bool has_cube(const json_t *slice, const char *cube)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(slice, "cubes"), i, item)
    {
        if (cube != NULL && strcmp(str(item, "cube"), cube) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_as_expected(void *arg)
{
    const struct expected *e = arg;
    json_t *slice = read_slice(e->pod, e->slice);
    bool as = strcmp(str(slice, "state"), e->state) == 0 && !has_cube(slice, e->without);

    json_decref(slice);
    return as;
}

static void await_slice(const struct pod *pod, const char *id, const char *state,
                        const char *without)
{
    struct expected e = {pod, id, state, without};

    if (!await_until(is_as_expected, &e, LIMIT_MS)) {
        json_t *slice = read_slice(pod, id);
        char *text = json_dumps(slice, JSON_INDENT(1));
        long status;
        char *incidents = http_text(pod, "/v1/incidents", &status);
        char *events = http_text(pod, "/v1/events?since=0&limit=500", &status);
        fail_msg("slice/%s is not %s: %s\n%s\n%s", id, state, text, incidents, events);
    }
}

/* The newest item of the list that is about the part; the caller frees. */
static json_t *about(const struct pod *pod, const char *path, const char *member, const char *part)
{
    long status;
    json_t *list = http(pod, "GET", path, NULL, &status), *item, *found = NULL;
    size_t i;

    assert_int_equal(status, 200);
    json_array_foreach(json_object_get(list, member), i, item)
    {
        if (found == NULL && strcmp(str(item, "part"), part) == 0) {
            found = json_incref(item);
        }
    }
    json_decref(list);
    return found;
}

struct ticket_at {
    const struct pod *pod;
    const char *part, *state;
};

static bool ticket_is_at(void *arg)
{
    const struct ticket_at *t = arg;
    json_t *ticket = about(t->pod, "/v1/repairs", "repairs", t->part);
    bool is = ticket != NULL && strcmp(str(ticket, "state"), t->state) == 0;

    json_decref(ticket);
    return is;
}

static void await_ticket(const struct pod *pod, const char *part, const char *state)
{
    struct ticket_at t = {pod, part, state};

    if (!await_until(ticket_is_at, &t, LIMIT_MS)) {
        long status;
        fail_msg("%s is not %s: %s", part, state, http_text(pod, "/v1/repairs", &status));
    }
}

static void advance(const struct pod *pod, const char *part, const char *to)
{
    json_t *ticket = about(pod, "/v1/repairs", "repairs", part);
    char path[96], body[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/repairs/%s:advance", str(ticket, "id"));
    (void)snprintf(body, sizeof body, "{\"to\":\"%s\",\"note\":\"new tray\"}", to);
    json_decref(http(pod, "POST", path, body, &status));
    assert_int_equal(status, 200);
    json_decref(ticket);
}

static json_t *read_cube(const struct pod *pod, unsigned cube)
{
    char path[32];
    long status;

    (void)snprintf(path, sizeof path, "/v1/cubes/%u", cube);
    return http(pod, "GET", path, NULL, &status);
}

static bool is_free(void *arg)
{
    json_t *cube = read_cube(arg, 1);
    bool free_now = json_is_true(json_object_get(cube, "free"));

    json_decref(cube);
    return free_now;
}

/* From the broken tray back to a cube that a slice can have, with two words of a
 * technician and none of an operator. */
static void what_is_mended_comes_back_by_itself(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[0,1]}");

    json_decref(sim(pod, "inject host host/1-9"));
    await_slice(pod, str(slice, "id"), "ACTIVE", "cube/1");
    await_ticket(pod, "host/1-9", "READY_FOR_REPAIR");
    advance(pod, "host/1-9", "IN_REPAIR");
    json_t *cube = read_cube(pod, 1);
    assert_string_equal(str(cube, "health"), "QUARANTINED");
    assert_true(json_is_string(json_object_get(cube, "ticket")));
    json_decref(cube);
    json_decref(sim(pod, "heal all"));
    advance(pod, "host/1-9", "VERIFYING");
    await_ticket(pod, "host/1-9", "CLOSED");
    assert_true(await_until(is_free, pod, LIMIT_MS));
    cube = read_cube(pod, 1);
    assert_string_equal(str(cube, "health"), "HEALTHY");
    assert_true(json_is_null(json_object_get(cube, "ticket")));
    json_decref(cube);
    json_t *again = slice_up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[1]}");
    assert_string_equal(str(again, "state"), "ACTIVE");
    assert_true(slice_down(pod, str(again, "id")));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(again);
    json_decref(slice);
}

static void the_breaker_can_be_seen_and_reset(void **state)
{
    const struct pod *pod = *state;
    long status;
    json_t *before = http(pod, "GET", "/v1/remediation", NULL, &status);

    assert_int_equal(status, 200);
    assert_string_equal(str(before, "mode"), "auto");
    assert_false(json_is_true(json_object_get(before, "breaker_open")));
    assert_int_equal(num(before, "cubes_out"), 0);
    json_t *after = http(pod, "POST", "/v1/remediation:reset-breaker", NULL, &status);
    assert_int_equal(status, 200);
    assert_true(json_equal(before, after));
    json_decref(after);
    json_decref(http_tcp(pod, "POST", "/v1/remediation:reset-breaker", NULL, &status));
    assert_int_equal(status, 403); /* a viewer's word does not count */
    json_decref(before);
}

/* What the scheduler heard last of the slice: state, advice, throughput that is
 * left, and whether the cause is an incident. */
static void assert_advised(const struct pod *pod, const char *id, const char *advice, double least,
                           double most, const char *swapped)
{
    char subject[64];
    long status;
    size_t i;
    json_t *event, *last = NULL, *json = http(pod, "GET", "/v1/events?since=0", NULL, &status);

    (void)snprintf(subject, sizeof subject, "slice/%s", id);
    json_array_foreach(json_object_get(json, "events"), i, event)
    {
        last = strcmp(str(event, "subject"), subject) == 0 ? event : last;
    }
    assert_non_null(last);
    const json_t *data = json_object_get(last, "data");
    double retained = json_real_value(json_object_get(data, "throughput_retained"));
    char *text = json_dumps(json_object_get(data, "swapped"), JSON_COMPACT | JSON_ENCODE_ANY);
    if (strcmp(str(data, "advice"), advice) != 0 || retained < least || retained > most ||
        strncmp(str(data, "cause"), "incident/", 9) != 0 ||
        (swapped != NULL && (text == NULL || strcmp(text, swapped) != 0))) {
        fail_msg("%s", json_dumps(last, 0));
    }
    free(text);
    json_decref(json);
}

static void a_host_dies_and_its_cube_is_swapped(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[0,1]}");
    char *id = xstrdup(str(slice, "id"));

    assert_string_equal(str(slice, "state"), "ACTIVE");
    json_decref(slice);
    json_decref(sim(pod, "inject host host/1-3"));
    await_slice(pod, id, "ACTIVE", "cube/1");
    slice = read_slice(pod, id);
    assert_true(has_cube(slice, "cube/0")); /* where it was */
    json_decref(slice);
    assert_advised(pod, id, "restart-from-checkpoint", 0.9, 1, "[{\"cube\":1,\"with\":2}]");

    json_t *incident = about(pod, "/v1/incidents", "incidents", "host/1-3");
    json_t *ticket = about(pod, "/v1/repairs", "repairs", "host/1-3");
    if (incident == NULL) {
        long status;
        fail_msg("%s", http_text(pod, "/v1/incidents", &status));
    }
    assert_non_null(ticket);
    json_decref(incident);
    json_decref(ticket);
    json_decref(sim(pod, "heal all"));
    assert_true(slice_down(pod, id));
    free(id);
}

static void a_switch_dies_and_comes_back(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\"}");
    char *id = xstrdup(str(slice, "id"));

    assert_string_equal(str(slice, "state"), "ACTIVE");
    json_decref(slice);
    json_decref(sim(pod, "inject power-loss ocs/17"));
    await_slice(pod, id, "ACTIVE_DEGRADED", NULL);
    assert_advised(pod, id, "continue", 0.5, 0.999, NULL);
    json_t *ticket = about(pod, "/v1/repairs", "repairs", "ocs/17");
    assert_non_null(ticket);
    json_decref(ticket);
    json_decref(sim(pod, "heal all"));
    await_slice(pod, id, "ACTIVE", NULL);
    assert_true(slice_down(pod, id));
    free(id);
}

struct blamed {
    const struct pod *pod;
    const char *part;
};

static bool has_ticket(void *arg)
{
    const struct blamed *b = arg;
    json_t *ticket = about(b->pod, "/v1/repairs", "repairs", b->part);
    bool has = ticket != NULL;

    json_decref(ticket);
    return has;
}

static void a_silent_controller_costs_nobody_anything(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\"}");
    struct blamed blamed = {pod, "ocs/5"};

    json_decref(sim(pod, "inject agent-down ocs/5"));
    assert_true(await_until(has_ticket, &blamed, LIMIT_MS));
    json_t *after = read_slice(pod, str(slice, "id"));
    assert_string_equal(str(after, "state"), "ACTIVE");
    assert_int_equal(num(after, "version"), num(slice, "version"));
    json_decref(after);
    json_decref(sim(pod, "heal all"));
    pod_await_ready(*state);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static void a_dark_port_is_gone_around(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[4,5]}");

    json_decref(sim(pod, "inject ocs-port port/20-n-4"));
    await_slice(pod, str(slice, "id"), "ACTIVE_DEGRADED", NULL);
    json_decref(sim(pod, "heal all"));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_breaker_can_be_seen_and_reset),
        cmocka_unit_test(what_is_mended_comes_back_by_itself),
        cmocka_unit_test(a_host_dies_and_its_cube_is_swapped),
        cmocka_unit_test(a_switch_dies_and_comes_back),
        cmocka_unit_test(a_silent_controller_costs_nobody_anything),
        cmocka_unit_test(a_dark_port_is_gone_around),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
