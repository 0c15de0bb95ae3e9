/* Slices with a weave of their own on a pod of real processes that is configured
 * for research: found by the tool, given to podmgr, judged by the emulated
 * hardware. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mem.h"

enum { CUBES = 4, OCSES = 48 };

static int setup(void **state)
{
    *state = pod_up(&(struct pod_options){.cubes = 6, .extra_podmgr = "research: true\n"});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

/* The weave of a 4x8x8, as the tool writes it. */
static json_t *find_weave(void)
{
    char path[] = "/tmp/podmgr-weave-XXXXXX";
    char *out;

    assert_int_equal(close(mkstemp(path)), 0);
    char *command = xasprintf("tpunet optimise 4x8x8 --trials 3200 --rounds 1 -o %s", path);
    if (run_program(command, &out) != 0) {
        fail_msg("%s", out);
    }
    json_t *file = json_load_file(path, 0, NULL);
    json_t *next = json_incref(json_object_get(file, "next"));
    assert_int_equal(unlink(path), 0);
    json_decref(file);
    free(command);
    free(out);
    return next;
}

/* On cubes 4, 0, 2, 1. */
static char *body_of(json_t *weave)
{
    json_t *body = json_pack("{s:s,s:[i,i,i,i],s:O}", "topology", "4x8x8", "cubes", 4, 0, 2, 1,
                             "weave", weave);
    char *text = json_dumps(body, JSON_COMPACT);

    json_decref(body);
    return text;
}

static json_t *woven_up(const struct pod *pod, json_t *weave, const char *state)
{
    char *body = body_of(weave);
    json_t *slice = slice_up(pod, body);

    if (strcmp(str(slice, "state"), state) != 0) {
        fail_msg("slice is %s, not %s: %s", str(slice, "state"), state, str(slice, "reason"));
    }
    free(body);
    return slice;
}

/* Each mirror stands where the weave wants it. */
static void assert_mirrors(const struct pod *pod, const json_t *weave, const int cubes[CUBES])
{
    json_t *dump = sim(pod, "dump");

    for (size_t o = 0; o < OCSES; o++) {
        json_t *ocs = json_array_get(json_object_get(dump, "ocs"), o), *map = json_array();
        for (int north = 0; north < 6; north++) { /* the map is sorted */
            for (size_t i = 0; i < CUBES; i++) {
                json_int_t next = json_integer_value(json_array_get(json_array_get(weave, o), i));
                if (cubes[i] == north) {
                    (void)json_array_append_new(map, json_pack("[i,i]", north, cubes[next]));
                }
            }
        }
        if (!json_equal(json_object_get(ocs, "map"), map)) {
            fail_msg("ocs/%zu: %s is not %s", o,
                     json_dumps(json_object_get(ocs, "map"), JSON_COMPACT),
                     json_dumps(map, JSON_COMPACT));
        }
        json_decref(map);
    }
    json_decref(dump);
}

static int64_t flit(const struct pod *pod, const char *src, int cube, int x, int y, int z)
{
    char words[128];

    (void)snprintf(words, sizeof words, "send %s chip/%d-%d-%d-%d", src, cube, x, y, z);
    json_t *json = sim(pod, words);
    int64_t hops = json != NULL ? num(json, "hops") : -1;
    json_decref(json);
    return hops;
}

static void a_woven_slice_comes_alive_moves_and_goes(void **state)
{
    static const int cubes[CUBES] = {4, 0, 2, 1}, moved[CUBES] = {4, 0, 5, 1};
    const struct pod *pod = *state;
    json_t *weave = find_weave();
    json_t *slice = woven_up(pod, weave, "ACTIVE");
    json_t *routes = json_object_get(slice, "routes");
    char path[96];
    long status;

    assert_true(json_is_true(json_object_get(slice, "woven")));
    assert_string_equal(str(routes, "algorithm"), "woven");
    assert_in_range((int)json_number_value(json_object_get(routes, "max_link_load")), 158, 168);
    assert_true(json_number_value(json_object_get(routes, "retained")) > 1.09);
    assert_mirrors(pod, weave, cubes);
    for (int i = 0; i < 64; i++) { /* the longest way over the torus is 10 hops */
        int64_t hops = flit(pod, "chip/4-1-2-0", cubes[i % 4], i / 4 % 4, i * 7 % 4, i / 16);
        assert_in_range(hops, i == 20 ? 0 : 1, 9);
    }
    assert_int_equal(flit(pod, "chip/4-1-2-0", 5, 0, 0, 0), -1); /* air gap */

    (void)snprintf(path, sizeof path, "/v1/slices/%s:migrate?wait=20s", str(slice, "id"));
    json_t *after = http(pod, "POST", path, "{\"replace\":[{\"cube\":2,\"with\":5}]}", &status);
    assert_int_equal(status, 200);
    assert_true(json_is_true(json_object_get(after, "woven")));
    assert_mirrors(pod, weave, moved);
    assert_true(flit(pod, "chip/5-0-0-0", 1, 3, 2, 1) > 0);
    json_decref(after);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    json_decref(weave);
}

static void crossed_fibres_of_a_woven_slice_are_named(void **state)
{
    const struct pod *pod = *state;
    json_t *weave = find_weave();

    json_decref(sim(pod, "inject swapped-fibres fibre/1+x-2-1 --set with=fibre/0+x-2-1"));
    json_t *slice = woven_up(pod, weave, "FAILED");
    assert_non_null(strstr(str(slice, "reason"), "fibre/1+x-2-1"));
    assert_non_null(strstr(str(slice, "reason"), "fibre/0+x-2-1"));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    json_decref(sim(pod, "heal fibre/1+x-2-1"));
    json_decref(sim(pod, "heal fibre/0+x-2-1"));
    slice = woven_up(pod, weave, "ACTIVE");
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    json_decref(weave);
}

static bool serves_again(void *arg)
{
    const struct pod *pod = *(struct pod **)arg;

    return flit(pod, "chip/4-0-0-0", 1, 3, 3, 3) > 0;
}

/* podmgr, killed, knows the weave when it comes back; a dead switch of a woven
 * slice is gone around. */
static void a_weave_outlives_podmgr_and_a_switch(void **state)
{
    static const int cubes[CUBES] = {4, 0, 2, 1};
    struct pod *pod = *state;
    json_t *weave = find_weave();
    json_t *slice = woven_up(pod, weave, "ACTIVE");
    long status;

    pod_kill_podmgr(pod);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    assert_mirrors(pod, weave, cubes);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);

    json_decref(http(pod, "POST", "/v1/faults", "{\"target\":\"ocs/17\",\"reason\":\"no light\"}",
                     &status));
    assert_int_equal(status, 201);
    slice = woven_up(pod, weave, "ACTIVE_DEGRADED");
    assert_string_equal(str(json_object_get(slice, "routes"), "algorithm"), "woven");
    assert_int_equal(num(slice, "dead_links"), CUBES);
    assert_true(await_until(serves_again, &pod, 10000));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    json_decref(http(pod, "DELETE", "/v1/faults?target=ocs/17&reason=replaced", NULL, &status));
    assert_int_equal(status, 200);
    json_decref(weave);
}

static void what_is_no_weave_is_refused(void **state)
{
    static const struct {
        const char *topology;
        const char *first; /* in place of the list of ocs/0; NULL: that list is left out */
        const char *named;
    } rows[] = {
        {"4x8x8", "[0,1,2]", "48 lists"},    {"4x8x8", "[0,1,2,4]", "48 lists"},
        {"4x8x8", "[0,1,2,-1]", "48 lists"}, {"4x8x8", "[0,1,2,\"3\"]", "48 lists"},
        {"4x8x8", "7", "48 lists"},          {"4x8x8", NULL, "48 lists"},
        {"4x4x8", "[0,1,2,3]", "48 lists"},  {"4x8x8", "[0,1,2,2]", "both to meet cube 2"},
    };
    const struct pod *pod = *state;
    json_t *weave = find_weave();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *changed = json_copy(weave), *answer;
        long status;
        if (rows[i].first == NULL) {
            (void)json_array_remove(changed, 0);
        } else {
            (void)json_array_set_new(changed, 0, json_loads(rows[i].first, JSON_DECODE_ANY, NULL));
        }
        json_t *body = json_pack("{s:s,s:o}", "topology", rows[i].topology, "weave", changed);
        char *text = json_dumps(body, JSON_COMPACT);
        answer = http(pod, "POST", "/v1/slices", text, &status);
        assert_int_equal(status, 400);
        assert_string_equal(str(answer, "code"), "invalid-field");
        assert_string_equal(str(answer, "field"), "weave");
        assert_non_null(strstr(str(answer, "detail"), rows[i].named));
        json_decref(answer);
        json_decref(body);
        free(text);
    }
    json_decref(weave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_woven_slice_comes_alive_moves_and_goes),
        cmocka_unit_test(crossed_fibres_of_a_woven_slice_are_named),
        cmocka_unit_test(a_weave_outlives_podmgr_and_a_switch),
        cmocka_unit_test(what_is_no_weave_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
