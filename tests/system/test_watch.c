/* The links of a slice are watched by each tpunetd that stands for a host of it,
 * not only by the one that brought it up. */
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
    *state = pod_up(&(struct pod_options){.cubes = 8, .halves = true});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

struct awaited {
    const struct pod *pod;
    const char *type, *subject;
    int64_t since; /* an event after this one */
};

static int64_t last_event(const struct pod *pod, const struct awaited *wanted)
{
    char path[64];
    long status;
    size_t i;
    int64_t seq = 0;
    json_t *event;

    (void)snprintf(path, sizeof path, "/v1/events?limit=1000&since=%lld",
                   wanted != NULL ? (long long)wanted->since : 0LL);
    json_t *json = http(pod, "GET", path, NULL, &status);
    json_array_foreach(json_object_get(json, "events"), i, event)
    {
        if (wanted == NULL || (strcmp(str(event, "type"), wanted->type) == 0 &&
                               strcmp(str(event, "subject"), wanted->subject) == 0)) {
            seq = num(event, "seq");
        }
    }
    json_decref(json);
    return seq;
}

static bool has_come(void *arg)
{
    const struct awaited *wanted = arg;

    return last_event(wanted->pod, wanted) > 0;
}

static void expect(const struct pod *pod, int64_t since, const char *type, const char *subject)
{
    struct awaited wanted = {pod, type, subject, since};

    if (!await_until(has_come, &wanted, LIMIT_MS)) {
        fail_msg("no %s %s after event %lld", type, subject, (long long)since);
    }
}

/* Cubes 3 and 4 are of one slice and of two daemons; the coordinator stands for 3. */
static void all_of_its_daemons_watch(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[3,4]}");
    int64_t before = last_event(pod, NULL);

    assert_string_equal(str(slice, "coordinator"), "host/3-0");
    json_decref(sim(pod, "inject link link/3-1-1-1+x"));
    expect(pod, before, "link.down", "link/3-1-1-1+x");
    json_decref(sim(pod, "inject link link/4-1-1-1+x"));
    expect(pod, before, "link.down", "link/4-1-1-1+x");

    /* A podmgr that starts anew hears of both; one that came up unseen is told. */
    before = last_event(pod, NULL);
    pod_kill_podmgr(pod);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    expect(pod, before, "link.down", "link/3-1-1-1+x");
    expect(pod, before, "link.down", "link/4-1-1-1+x");
    before = last_event(pod, NULL);
    json_decref(sim(pod, "heal all"));
    expect(pod, before, "link.up", "link/4-1-1-1+x");
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

/* A new tpunetd was not there when the link went down. */
static void a_new_daemon_asks_its_chips(void **state)
{
    struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[3,4]}");

    pod_kill_tpunetd(pod);
    json_decref(sim(pod, "inject link link/4-2-1-1+y"));
    int64_t before = last_event(pod, NULL);
    pod_start_tpunetd(pod);
    expect(pod, before, "link.down", "link/4-2-1-1+y");
    json_decref(sim(pod, "heal all"));
    expect(pod, before, "link.up", "link/4-2-1-1+y");
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_its_daemons_watch),
        cmocka_unit_test(a_new_daemon_asks_its_chips),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
