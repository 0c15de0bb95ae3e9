/* Slices on a full pod of real processes, judged by the emulated hardware. */
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

static int setup(void **state)
{
    *state = pod_up(&(struct pod_options){.mirror_ms = 2});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

static void assert_state(const json_t *slice, const char *state)
{
    if (strcmp(str(slice, "state"), state) != 0) {
        fail_msg("slice is %s, not %s: %s", str(slice, "state"), state, str(slice, "reason"));
    }
}

static int64_t circuits(const struct pod *pod)
{
    json_t *status = sim(pod, "status");
    int64_t n = num(status, "circuits");

    json_decref(status);
    return n;
}

/* Sends a flit between two chips by the installed tables; hops, or -1. */
static int64_t flit(const struct pod *pod, const char *src, const char *dst)
{
    char words[128];

    (void)snprintf(words, sizeof words, "send %s %s", src, dst);
    json_t *json = sim(pod, words);
    int64_t hops = json != NULL ? num(json, "hops") : -1;
    json_decref(json);
    return hops;
}

/* What podmgr shows of a switch is what the switch is. */
static void assert_maps_agree(const struct pod *pod)
{
    json_t *dump = sim(pod, "dump"), *truth;
    size_t i;

    assert_non_null(dump);
    json_array_foreach(json_object_get(dump, "ocs"), i, truth)
    {
        char path[32];
        long status;
        (void)snprintf(path, sizeof path, "/v1/ocs/%zu", i);
        json_t *ocs = http(pod, "GET", path, NULL, &status);
        assert_int_equal(status, 200);
        assert_true(json_equal(json_object_get(ocs, "desired"), json_object_get(truth, "map")));
        assert_true(json_equal(json_object_get(ocs, "observed"), json_object_get(truth, "map")));
        assert_true(json_is_true(json_object_get(ocs, "in_step")));
        json_decref(ocs);
    }
    json_decref(dump);
}

static void three_slices_come_alive_and_go(void **state)
{
    static const struct {
        const char *body;
        int64_t max_hops;
        double max_load;
    } rows[] = {
        {"{\"topology\":\"4x4x8\",\"name\":\"a\"}", 6, 75}, /* twisted by default */
        {"{\"topology\":\"8x8x8\",\"name\":\"b\"}", 12, 522.3},
        {"{\"topology\":\"4x4x4\",\"name\":\"c\"}", 6, 33},
    };
    const struct pod *pod = *state;
    json_t *slices[3];

    for (size_t i = 0; i < 3; i++) {
        slices[i] = slice_up(pod, rows[i].body);
        assert_state(slices[i], "ACTIVE");
        json_t *routes = json_object_get(slices[i], "routes");
        assert_int_equal(num(routes, "max_hops"), rows[i].max_hops);
        assert_true(json_number_value(json_object_get(routes, "max_link_load")) <=
                    rows[i].max_load);
        assert_int_equal(num(routes, "unreachable_pairs"), 0);
    }
    assert_true(json_is_true(json_object_get(slices[0], "twisted")));
    assert_int_equal(circuits(pod), (2 + 8 + 1) * 48);
    assert_maps_agree(pod);
    assert_in_range(flit(pod, "chip/0-0-0-0", "chip/1-3-3-3"), 1, 6);
    assert_int_equal(flit(pod, "chip/2-0-0-0", "chip/9-3-3-3"), 3);  /* by three wraps */
    assert_int_equal(flit(pod, "chip/0-0-0-0", "chip/2-0-0-0"), -1); /* air gap */
    for (size_t i = 0; i < 3; i++) {
        assert_true(slice_down(pod, str(slices[i], "id")));
        json_decref(slices[i]);
    }
    assert_int_equal(circuits(pod), 0);
    assert_maps_agree(pod);
}

static void full_pod_is_one_torus(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"16x16x16\"}");

    assert_state(slice, "ACTIVE");
    assert_int_equal(circuits(pod), 3072);
    assert_int_equal(num(json_object_get(slice, "routes"), "max_hops"), 24);
    json_t *more = slice_up(pod, "{\"topology\":\"4x4x4\"}");
    assert_string_equal(str(more, "code"), "insufficient-capacity");
    json_decref(more);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static void swapped_fibres_are_both_named(void **state)
{
    const struct pod *pod = *state;

    json_decref(sim(pod, "inject swapped-fibres fibre/1+x-2-1 --set with=fibre/0+x-2-1"));
    json_t *slice = slice_up(pod, "{\"topology\":\"4x8x8\",\"twisted\":false}");
    assert_state(slice, "FAILED");
    assert_non_null(strstr(str(slice, "reason"), "fibre/0+x-2-1"));
    assert_non_null(strstr(str(slice, "reason"), "fibre/1+x-2-1"));
    assert_non_null(strstr(str(slice, "reason"), "ocs/6"));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    json_decref(sim(pod, "heal all"));
    assert_int_equal(circuits(pod), 0);
}

/* As an operator does after a repair. */
static void clear_faults(const struct pod *pod)
{
    long status;
    json_t *list = http(pod, "GET", "/v1/faults", NULL, &status), *fault;
    size_t i;

    assert_int_equal(status, 200);
    json_array_foreach(json_object_get(list, "faults"), i, fault)
    {
        char path[128];
        (void)snprintf(path, sizeof path, "/v1/faults?target=%s&reason=repaired",
                       str(fault, "target"));
        json_decref(http(pod, "DELETE", path, NULL, &status));
        assert_int_equal(status, 200);
    }
    json_decref(list);
}

static void broken_parts_are_named(void **state)
{
    static const struct {
        const char *fault, *named;
    } rows[] = {
        {"inject stuck-mirror port/20-n-0", "ocs/20"},
        {"inject ocs-port port/33-s-0", "port/33-s-0"},
        {"inject loss port/7-n-0 --set db=4", "ocs/7"},
        {"inject link link/0-1-1-1+y", "chip/0-1-1-1"},
        {"inject chip chip/0-2-2-2", "chip/0-2-2-2"},
    };
    const struct pod *pod = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *fault = sim(pod, rows[i].fault);
        assert_non_null(fault);
        json_decref(fault);
        json_t *slice = slice_up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[0]}");
        assert_state(slice, "FAILED");
        if (strstr(str(slice, "reason"), rows[i].named) == NULL) {
            fail_msg("'%s' does not name %s", str(slice, "reason"), rows[i].named);
        }
        json_decref(sim(pod, "heal all"));
        assert_true(slice_down(pod, str(slice, "id")));
        json_decref(slice);
        clear_faults(pod);
        pod_await_ready((struct pod *)*state);
    }
    assert_int_equal(circuits(pod), 0);
}

static void bad_mirror_sends_the_slice_to_other_cubes(void **state)
{
    struct pod *pod = *state;

    json_decref(sim(pod, "inject stuck-mirror port/20-n-0"));
    json_decref(sim(pod, "inject ocs-port port/33-s-1"));
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"accept_degraded\":false}");
    assert_state(slice, "ACTIVE");
    json_t *cubes = json_object_get(slice, "cubes"), *cube;
    size_t i;
    json_array_foreach(cubes, i, cube)
    {
        assert_string_not_equal(str(cube, "cube"), "cube/0");
        assert_string_not_equal(str(cube, "cube"), "cube/1");
    }
    assert_int_equal(circuits(pod), 96); /* and nothing is left of the attempts */
    json_decref(sim(pod, "heal all"));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    clear_faults(pod);
    pod_await_ready(pod);
}

struct slice_wait {
    const struct pod *pod;
    char path[64];
    const char *state;
};

static bool is_in_state(void *arg)
{
    const struct slice_wait *wait = arg;
    long status;
    json_t *slice = http(wait->pod, "GET", wait->path, NULL, &status);
    bool there = status == 200 && strcmp(str(slice, "state"), wait->state) == 0;

    json_decref(slice);
    return there;
}

static bool flits_pass(void *arg)
{
    const struct pod *pod = *(struct pod **)arg;

    return flit(pod, "chip/2-0-0-0", "chip/5-3-3-3") > 0;
}

static bool all_cubes_are_free(void *arg)
{
    long status;
    json_t *pod = http(arg, "GET", "/v1/pod", NULL, &status);
    bool is_free = num(pod, "cubes_free") == num(pod, "cubes");

    json_decref(pod);
    return is_free;
}

/* fail ocs/17, then create and delete slices; replace it, and all is well. */
static void a_dead_switch_freezes_nothing(void **state)
{
    struct pod *pod = *state;
    long status;
    json_t *old = slice_up(pod, "{\"topology\":\"4x4x8\"}");
    struct slice_wait wait = {.pod = pod, .state = "ACTIVE_DEGRADED"};

    assert_state(old, "ACTIVE");
    (void)snprintf(wait.path, sizeof wait.path, "/v1/slices/%s", str(old, "id"));
    json_decref(sim(pod, "inject agent-down ocs/17"));
    json_decref(http(pod, "POST", "/v1/faults",
                     "{\"target\":\"ocs/17\",\"reason\":\"no answer, no light\"}", &status));
    assert_int_equal(status, 201);
    assert_true(await_until(is_in_state, &wait, 10000));
    assert_true(flit(pod, "chip/0-0-0-0", "chip/1-3-3-3") > 0); /* around it */

    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\"}");
    assert_state(slice, "ACTIVE_DEGRADED");
    assert_int_equal(num(slice, "dead_links"), 2);
    json_decref(http(pod, "POST", "/v1/slices",
                     "{\"topology\":\"4x4x4\",\"accept_degraded\":false}", &status));
    assert_int_equal(status, 409);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    assert_true(slice_down(pod, str(old, "id")));
    json_decref(old);
    assert_true(await_until(all_cubes_are_free, pod, 10000)); /* the liens are fenced */

    slice = slice_up(pod, "{\"topology\":\"8x8x8\"}"); /* on the very cubes with liens */
    assert_state(slice, "ACTIVE_DEGRADED");
    json_decref(sim(pod, "heal ocs/17"));
    json_decref(http(pod, "DELETE", "/v1/faults?target=ocs/17&reason=replaced", NULL, &status));
    assert_int_equal(status, 200);
    (void)snprintf(wait.path, sizeof wait.path, "/v1/slices/%s", str(slice, "id"));
    wait.state = "ACTIVE";
    assert_true(await_until(is_in_state, &wait, 20000));
    assert_maps_agree(pod);
    assert_int_equal(flit(pod, "chip/0-0-0-0", "chip/7-1-1-1"), 9);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    assert_int_equal(circuits(pod), 0);
}

/* A chip that starts anew has no routes; they are put back, proved. */
static void chips_that_lost_their_routes_get_them_again(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[2,5]}");

    assert_state(slice, "ACTIVE");
    json_decref(sim(pod, "inject chip-reset chip/2-0-0-0"));
    assert_int_equal(flit(pod, "chip/2-0-0-0", "chip/5-3-3-3"), -1);
    assert_true(await_until(flits_pass, &pod, 20000));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static void migrate_moves_one_cube(void **state)
{
    struct pod *pod = *state;
    char path[96];
    long status;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[2,5]}");

    assert_state(slice, "ACTIVE");
    (void)snprintf(path, sizeof path, "/v1/slices/%s:migrate?wait=20s", str(slice, "id"));
    json_t *moved = http(pod, "POST", path, "{\"replace\":[{\"cube\":5,\"with\":1}]}", &status);
    assert_int_equal(status, 200);
    assert_state(moved, "ACTIVE");
    assert_string_equal(str(json_array_get(json_object_get(moved, "cubes"), 1), "cube"), "cube/1");
    assert_true(flit(pod, "chip/2-0-0-0", "chip/1-3-3-3") > 0);
    assert_int_equal(flit(pod, "chip/2-0-0-0", "chip/5-3-3-3"), -1);
    assert_int_equal(circuits(pod), 96);
    json_decref(moved);
    json_decref(http(pod, "POST", path, "{\"replace\":[{\"cube\":5}]}", &status));
    assert_int_equal(status, 400);
    json_decref(http(pod, "POST", path, "{\"replace\":[{\"cube\":\"5\"}]}", &status));
    assert_int_equal(status, 400);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static int64_t sum_of_generations(const struct pod *pod)
{
    json_t *dump = sim(pod, "dump"), *ocs;
    int64_t sum = 0;
    size_t i;

    json_array_foreach(json_object_get(dump, "ocs"), i, ocs)
    {
        sum += num(ocs, "generation");
    }
    json_decref(dump);
    return sum;
}

static bool is_verified(void *arg)
{
    struct {
        const struct pod *pod;
        char path[64];
    } *q = arg;
    long status;
    json_t *slice = http(q->pod, "GET", q->path, NULL, &status);
    bool verified = status == 200 && json_is_true(json_object_get(slice, "verified"));

    json_decref(slice);
    return verified;
}

static void killed_podmgr_finds_its_slice_and_moves_no_mirror(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"8x8x8\"}");
    struct {
        const struct pod *pod;
        char path[64];
    } query = {.pod = pod};
    long status;

    assert_state(slice, "ACTIVE");
    (void)snprintf(query.path, sizeof query.path, "/v1/slices/%s", str(slice, "id"));
    int64_t before = sum_of_generations(pod);
    pod_kill_podmgr(pod);
    assert_int_equal(flit(pod, "chip/0-0-0-0", "chip/7-1-1-1"), 9); /* still forwards */
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    json_t *again = http(pod, "GET", query.path, NULL, &status);
    assert_int_equal(status, 200);
    assert_state(again, "ACTIVE");
    assert_true(await_until(is_verified, &query, 10000)); /* checked again, not rebuilt */
    assert_int_equal(sum_of_generations(pod), before);
    assert_int_equal(circuits(pod), 8 * 48);
    json_decref(again);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static void same_key_makes_one_slice_over_a_restart(void **state)
{
    static const char key[] = "Idempotency-Key: retry-after-timeout-1";
    struct pod *pod = *state;
    long status;

    json_t *first = http_with(pod, "POST", "/v1/slices?wait=30s", key, "{\"topology\":\"4x4x4\"}",
                              &status, NULL);
    assert_int_equal(status, 201);
    pod_kill_podmgr(pod);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    json_t *again = http_with(pod, "POST", "/v1/slices?wait=30s", key,
                              "{ \"topology\" : \"4x4x4\" }", &status, NULL);
    assert_int_equal(status, 201);
    assert_string_equal(str(first, "id"), str(again, "id"));
    json_t *other = http_with(pod, "POST", "/v1/slices?wait=30s", key, "{\"topology\":\"4x4x8\"}",
                              &status, NULL);
    assert_int_equal(status, 422);
    assert_string_equal(str(other, "code"), "idempotency-key-reused");
    assert_int_equal(circuits(pod), 48);
    assert_true(slice_down(pod, str(first, "id")));
    json_decref(first);
    json_decref(again);
    json_decref(other);
}

static bool has_circuits(void *arg)
{
    struct {
        const struct pod *pod;
        int64_t n;
    } *q = arg;
    return circuits(q->pod) == q->n;
}

static void power_loss_of_a_switch_is_put_right(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"8x8x8\"}");
    struct {
        const struct pod *pod;
        int64_t n;
    } query = {pod, 8 * 48};

    assert_state(slice, "ACTIVE");
    json_decref(sim(pod, "inject power-loss ocs/12"));
    assert_int_equal(circuits(pod), 8 * 47);
    json_decref(sim(pod, "heal ocs/12"));
    assert_true(await_until(has_circuits, &query, 10000));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static void switch_agent_restart_moves_nothing(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\"}");
    int64_t before = sum_of_generations(pod);

    json_decref(sim(pod, "inject agent-restart ocs/12"));
    pod_await_ready(pod);
    assert_int_equal(sum_of_generations(pod), before);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static bool link_is_told(void *arg)
{
    const struct pod *pod = arg;
    long status;
    char *text = http_text(pod, "/v1/events?limit=1000", &status);
    bool told =
        text != NULL && strstr(text, "link.down") != NULL && strstr(text, "link/0-1-1-1+y") != NULL;

    free(text);
    return told;
}

static void link_change_of_a_slice_reaches_the_journal(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[0]}");

    assert_state(slice, "ACTIVE");
    json_decref(sim(pod, "inject link link/0-1-1-1+y"));
    assert_true(await_until(link_is_told, pod, 10000));
    json_decref(sim(pod, "heal all"));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_slices_come_alive_and_go),
        cmocka_unit_test(full_pod_is_one_torus),
        cmocka_unit_test(swapped_fibres_are_both_named),
        cmocka_unit_test(broken_parts_are_named),
        cmocka_unit_test(bad_mirror_sends_the_slice_to_other_cubes),
        cmocka_unit_test(a_dead_switch_freezes_nothing),
        cmocka_unit_test(chips_that_lost_their_routes_get_them_again),
        cmocka_unit_test(migrate_moves_one_cube),
        cmocka_unit_test(link_change_of_a_slice_reaches_the_journal),
        cmocka_unit_test(same_key_makes_one_slice_over_a_restart),
        cmocka_unit_test(power_loss_of_a_switch_is_put_right),
        cmocka_unit_test(switch_agent_restart_moves_nothing),
        cmocka_unit_test(killed_podmgr_finds_its_slice_and_moves_no_mirror),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
