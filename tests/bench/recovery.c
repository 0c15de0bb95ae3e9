/* A full pod of 64 one-cube slices, 3,072 circuits, whose manager is killed or
 * whose switches all lose power: how long until it is as before. */
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/system/harness.h"

enum { SLICES = 64, SWITCHES = 48, LIMIT_MS = 60000 };

static void fill(json_t *slices[static SLICES])
{
    for (size_t i = 0; i < SLICES; i++) {
        slices[i] = bench_activate("{\"topology\":\"4x4x4\"}");
    }
}

static void empty(json_t *slices[static SLICES])
{
    pod_await_ready(bench_pod());
    for (size_t i = 0; i < SLICES; i++) {
        bench_delete(slices[i]);
    }
}

static bool is_ready(void *arg)
{
    long status;

    json_decref(http(arg, "GET", "/readyz", NULL, &status));
    return status == 200;
}

static bool switches_are(const struct pod *pod, const char *state, int64_t circuits)
{
    long status;
    json_t *json = http(pod, "GET", "/v1/ocs", NULL, &status), *ocs;
    size_t i, n = 0;

    json_array_foreach(json_object_get(json, "ocs"), i, ocs)
    {
        n += strcmp(str(ocs, "state"), state) == 0 &&
             (circuits < 0 || (num(ocs, "observed_circuits") == circuits &&
                               json_is_true(json_object_get(ocs, "in_step"))));
    }
    json_decref(json);
    return n == SWITCHES;
}

static bool are_all_away(void *arg)
{
    return switches_are(arg, "UNREACHABLE", -1);
}

static bool are_all_in_step(void *arg)
{
    return switches_are(arg, "REACHABLE", SLICES);
}

static void must(struct pod *pod, bool (*condition)(void *arg), const char *what)
{
    if (!await_until(condition, pod, LIMIT_MS)) {
        bench_die("%s: not within %d ms", what, LIMIT_MS);
    }
}

struct sample bench_restart(unsigned run)
{
    struct pod *pod = bench_pod();
    json_t *slices[SLICES];

    (void)run;
    fill(slices);
    pod_kill_podmgr(pod);
    double start_ms = now_ms();
    pod_start_podmgr(pod);
    must(pod, is_ready, "ready after a restart");
    double took_ms = now_ms() - start_ms;
    empty(slices);
    return (struct sample){took_ms, 1};
}

/* What the emulated hardware says, not podmgr. */
static int64_t true_circuits(const struct pod *pod)
{
    json_t *truth = sim(pod, "status");
    int64_t n = num(truth, "circuits");

    json_decref(truth);
    return n;
}

struct sample bench_restore(unsigned run)
{
    struct pod *pod = bench_pod();
    json_t *slices[SLICES];
    char words[48];

    (void)run;
    fill(slices);
    for (int i = 0; i < SWITCHES; i++) {
        (void)snprintf(words, sizeof words, "inject power-loss ocs/%d", i);
        json_decref(sim(pod, words));
    }
    must(pod, are_all_away, "all switches UNREACHABLE");
    if (true_circuits(pod) != 0) {
        bench_die("power loss left circuits");
    }
    double start_ms = now_ms();
    json_decref(sim(pod, "heal all"));
    must(pod, are_all_in_step, "all switches in step again");
    double took_ms = now_ms() - start_ms;
    if (true_circuits(pod) != (int64_t)SLICES * SWITCHES) {
        bench_die("podmgr says in step, the switches lack circuits");
    }
    empty(slices);
    return (struct sample){took_ms, 1};
}
