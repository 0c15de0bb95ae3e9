/* Before a slice is ACTIVE its hosts are checked by their observer, with real
 * processes: podsim, tpunetd, healthd, podmgr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "mem.h"
#include "observer.h"

enum { LIMIT_MS = 20000 };

static const char golden[] = "limits:\n"
                             "  chip-present: {min: 1, required: true}\n"
                             "  chip-temperature: {max: 85 C}\n"
                             "  link-light: {min: -6 dBm}\n"
                             "  transfer: {max: 50 us}\n";

/* ---------------------------------------------------------------- helpers -- */

static bool is_observed(void *arg)
{
    long status;
    json_t *json = http(arg, "GET", "/v1/preflight/goldens", NULL, &status);
    bool observed = status == 200 && json_object_get(json, "hosts_unobserved") != NULL &&
                    num(json, "hosts_unobserved") == 0;

    json_decref(json);
    return observed;
}

static void await_observer(struct pod *pod)
{
    if (!await_until(is_observed, pod, LIMIT_MS)) {
        fail_msg("healthd did not say hello; logs in %s", pod->dir);
    }
}

/* The observer of the tests stands for all hosts again. */
static bool has_returned(void *arg)
{
    long status;
    json_t *json = http(arg, "GET", "/v1/preflight/goldens", NULL, &status), *set;
    bool returned = false;
    size_t i;

    json_array_foreach(json_object_get(json, "sets"), i, set)
    {
        returned = returned || (num(set, "hosts") == 128 &&
                                json_array_size(json_object_get(set, "limits")) > 0);
    }
    json_decref(json);
    return returned;
}

static void await_its_return(struct pod *pod)
{
    if (!await_until(has_returned, pod, LIMIT_MS)) {
        fail_msg("healthd did not come back; logs in %s", pod->dir);
    }
}

static int setup(void **state)
{
    struct pod *pod = pod_up(&(struct pod_options){
        .cubes = 8, .mirror_ms = 2, .remedy = true, .healthd = true, .golden = golden});

    *state = pod;
    await_observer(pod);
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

static void inject(const struct pod *pod, const char *what)
{
    char words[96];

    (void)snprintf(words, sizeof words, "inject %s", what);
    json_t *json = sim(pod, words);
    assert_non_null(json);
    json_decref(json);
}

static void heal_all(const struct pod *pod)
{
    json_decref(sim(pod, "heal all"));
}

static bool has_cube(const json_t *slice, const char *cube)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(slice, "cubes"), i, item)
    {
        if (strcmp(str(item, "cube"), cube) == 0) {
            return true;
        }
    }
    return false;
}

/* The newest entry of the type about the subject; NULL if there is none. */
static json_t *entry_of(const struct pod *pod, const char *type, const char *subject)
{
    long status;
    json_t *json = http(pod, "GET", "/v1/events?since=0&limit=1000", NULL, &status), *entry;
    json_t *found = NULL;
    size_t i;

    json_array_foreach(json_object_get(json, "events"), i, entry)
    {
        if (strcmp(str(entry, "type"), type) == 0 && strcmp(str(entry, "subject"), subject) == 0) {
            json_decref(found);
            found = json_incref(entry);
        }
    }
    json_decref(json);
    return found;
}

struct expected {
    const struct pod *pod;
    const char *list, *member, *key, *value;
};

static bool is_listed(void *arg)
{
    const struct expected *e = arg;
    long status;
    json_t *json = http(e->pod, "GET", e->list, NULL, &status), *item;
    bool listed = false;
    size_t i;

    json_array_foreach(json_object_get(json, e->member), i, item)
    {
        listed = listed || strcmp(str(item, e->key), e->value) == 0;
    }
    json_decref(json);
    return listed;
}

static void await_listed(const struct pod *pod, const char *list, const char *member,
                         const char *key, const char *value)
{
    struct expected e = {pod, list, member, key, value};

    if (!await_until(is_listed, &e, LIMIT_MS)) {
        long status;
        fail_msg("no %s in %s", value, http_text(pod, list, &status));
    }
}

static void clear_part(const struct pod *pod, const char *part)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/faults?target=%s", part);
    json_decref(http(pod, "DELETE", path, NULL, &status));
    assert_int_equal(status, 200);
}

static json_t *up(const struct pod *pod, const char *body, const char *state)
{
    json_t *slice = slice_up(pod, body);

    if (strcmp(str(slice, "state"), state) != 0) {
        fail_msg("%s is %s, not %s: %s; logs in %s", body, str(slice, "state"), state,
                 str(slice, "reason"), pod->dir);
    }
    return slice;
}

static void down(const struct pod *pod, json_t *slice)
{
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static bool is_active(void *arg)
{
    const struct expected *e = arg;
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/slices/%s", e->value);
    json_t *slice = http(e->pod, "GET", path, NULL, &status);
    bool active = strcmp(str(slice, "state"), "ACTIVE") == 0;
    json_decref(slice);
    return active;
}

static void await_active(const struct pod *pod, const char *id)
{
    struct expected e = {.pod = pod, .value = id};

    if (!await_until(is_active, &e, LIMIT_MS)) {
        fail_msg("slice/%s is not ACTIVE; logs in %s", id, pod->dir);
    }
}

/* ------------------------------------------------------------------ tests -- */

static void fit_hosts_cost_little(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = up(pod, "{\"topology\":\"4x4x8\"}", "ACTIVE");
    double ms =
        json_number_value(json_object_get(json_object_get(slice, "timings"), "preflight_ms"));
    char subject[64];

    assert_true(ms > 0 && ms < 5000);
    (void)snprintf(subject, sizeof subject, "slice/%s", str(slice, "id"));
    json_t *entry = entry_of(pod, "slice.preflight", subject);
    const json_t *data = json_object_get(entry, "data");
    assert_int_equal(num(data, "hosts"), 32);
    assert_int_equal(num(data, "unobserved"), 0);
    /* presence and temperature of 128 chips, light of 64 fibres from both ends */
    assert_int_equal(num(data, "transfers"), 128 * 7);
    assert_int_equal(num(data, "computations"), 128);
    assert_true(num(data, "values") >= 256);
    json_decref(entry);
    down(pod, slice);
}

static void the_limits_in_force_are_shown(void **state)
{
    const struct pod *pod = *state;
    long status;
    json_t *json = http(pod, "GET", "/v1/preflight/goldens", NULL, &status);
    const json_t *set = json_array_get(json_object_get(json, "sets"), 0);

    assert_string_equal(str(json, "mode"), "full");
    assert_int_equal(json_array_size(json_object_get(json, "sets")), 1);
    assert_non_null(strstr(str(set, "file"), "golden.yaml"));
    assert_int_equal(num(set, "hosts"), 128);
    const json_t *limits = json_object_get(set, "limits");
    assert_int_equal(json_array_size(limits), 4);
    const json_t *hot = json_array_get(limits, 1);
    assert_string_equal(str(hot, "metric"), "chip-temperature");
    assert_true(json_real_value(json_object_get(hot, "max")) > 84.9);
    assert_true(json_is_null(json_object_get(hot, "min")));
    json_decref(json);
}

/* Hot, but below what healthd calls SEVERE: only the golden limit keeps it out. */
static void a_hot_chip_costs_its_cube(void **state)
{
    const struct pod *pod = *state;

    inject(pod, "hot chip/1-3-0-2");
    json_t *slice = up(pod, "{\"topology\":\"4x4x8\"}", "ACTIVE");
    assert_true(has_cube(slice, "cube/0") && has_cube(slice, "cube/2"));
    await_listed(pod, "/v1/faults", "faults", "target", "cube/1");
    await_listed(pod, "/v1/incidents", "incidents", "part", "chip/1-3-0-2");
    await_listed(pod, "/v1/repairs", "repairs", "part", "chip/1-3-0-2");
    json_t *entry = entry_of(pod, "cube.suspect", "cube/1");
    assert_non_null(strstr(str(json_object_get(entry, "data"), "reason"),
                           "preflight: chip/1-3-0-2: chip-temperature"));
    json_decref(entry);
    down(pod, slice);
    heal_all(pod);
    clear_part(pod, "cube/1");
    down(pod, up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[0,1]}", "ACTIVE"));
}

/* Each in a cube that was asked for, so that the slice FAILs with the reason. */
static void what_is_not_fit_is_named(void **state)
{
    static const struct {
        const char *fault, *says;
    } rows[] = {
        {"hot chip/3-1-1-1", "preflight: chip/3-1-1-1: chip-temperature"},
        {"low-light link/3-3-1-2+x", "preflight: link/3-3-1-2+x: link-light"},
        {"wrong-result chip/3-2-2-2", "preflight: chip/3-2-2-2: computes wrongly"},
        {"corrupt link/3-0-2-1+x", "it arrived changed"},
        {"slow-link link/3-0-0-0+y --set factor=99", "limit 50 us"},
        {"host-dead host/3-5", "preflight: host/3-5: its instruments do not answer"},
    };
    const struct pod *pod = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        inject(pod, rows[i].fault);
        json_t *slice = up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[3]}", "FAILED");
        if (strstr(str(slice, "reason"), rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].fault, str(slice, "reason"));
        }
        down(pod, slice);
        heal_all(pod);
        struct expected e = {pod, "/v1/faults", "faults", "target", "cube/3"};
        if (is_listed(&e)) {
            clear_part(pod, "cube/3");
        }
    }
    down(pod, up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[3]}", "ACTIVE"));
}

/* While the observer is stopped a slice waits for it, whoever restarts. */
static char *create_and_stop(struct pod *pod)
{
    long status;

    assert_int_equal(kill(pod->healthd, SIGSTOP), 0);
    json_t *slice = http(pod, "POST", "/v1/slices?wait=300ms", "{\"topology\":\"4x4x8\"}", &status);
    assert_int_equal(status, 202);
    assert_string_equal(str(slice, "state"), "ACTIVATING");
    char *id = xstrdup(str(slice, "id"));
    json_decref(slice);
    return id;
}

static void assert_checked(const struct pod *pod, const char *id)
{
    char subject[64];

    (void)snprintf(subject, sizeof subject, "slice/%s", id);
    json_t *entry = entry_of(pod, "slice.preflight", subject);
    assert_int_equal(num(json_object_get(entry, "data"), "hosts"), 32);
    json_decref(entry);
}

static void podmgr_may_restart_in_the_middle(void **state)
{
    struct pod *pod = *state;
    json_t *serving = up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[7]}", "ACTIVE");
    char *id = create_and_stop(pod);

    inject(pod, "hot chip/7-0-0-0"); /* what serves is not asked again (A5) */
    pod_kill_podmgr(pod);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    assert_int_equal(kill(pod->healthd, SIGCONT), 0);
    await_active(pod, id);
    assert_checked(pod, id); /* it was waited for, though nobody had said hello */
    await_active(pod, str(serving, "id"));
    await_observer(pod);
    assert_true(slice_down(pod, id));
    down(pod, serving);
    heal_all(pod);
    free(id);
}

static void healthd_may_restart_in_the_middle(void **state)
{
    struct pod *pod = *state;
    char *id = create_and_stop(pod);

    pod_kill_healthd(pod);
    pod_start_healthd(pod);
    await_active(pod, id);
    assert_checked(pod, id);
    assert_true(slice_down(pod, id));
    free(id);
}

static void a_swapped_cube_is_checked_too(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[0,1]}", "ACTIVE");
    char path[96];
    long status;

    inject(pod, "hot chip/5-0-0-0");
    (void)snprintf(path, sizeof path, "/v1/slices/%s:migrate?wait=20s", str(slice, "id"));
    json_t *after = http(pod, "POST", path, "{\"replace\":[{\"cube\":1,\"with\":5}]}", &status);
    assert_string_equal(str(after, "state"), "ACTIVE"); /* on a third one */
    json_decref(after);
    (void)snprintf(path, sizeof path, "slice/%s", str(slice, "id"));
    json_t *entry = entry_of(pod, "slice.preflight-failed", path);
    assert_non_null(strstr(str(json_object_get(entry, "data"), "reason"),
                           "preflight: chip/5-0-0-0: chip-temperature"));
    json_decref(entry);
    down(pod, slice);
    heal_all(pod);
    clear_part(pod, "cube/5");
}

/* ------------------------------------------------------- the wire itself -- */

static const Wire__HealthReply *answer(struct observer_end *o, Wire__HealthVerdict *verdict)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;

    request.body_case = WIRE__HEALTH_REQUEST__BODY_VERDICT;
    request.verdict = verdict;
    const Wire__HealthReply *reply = observer_ask(o, &request);
    assert_non_null(reply);
    return reply;
}

static void send_poll(struct observer_end *o, uint64_t taken, uint32_t hold_ms)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthPoll poll = WIRE__HEALTH_POLL__INIT;

    poll.epoch = o->epoch;
    poll.taken = taken;
    poll.hold_ms = hold_ms;
    request.body_case = WIRE__HEALTH_REQUEST__BODY_POLL;
    request.poll = &poll;
    observer_send(o, &request);
}

static void orders_and_verdicts_are_stamped(void **state)
{
    struct pod *pod = *state;
    struct observer_end o;
    Wire__HealthVerdict verdict = WIRE__HEALTH_VERDICT__INIT;
    Wire__HealthUnfit bad = WIRE__HEALTH_UNFIT__INIT, *list = &bad;
    static char no_slice[] = "slice", why[] = "host/0-0: it smokes";
    long status;

    pod_kill_healthd(pod);
    observer_open(&o, pod, "healthd/hand", 1);
    assert_non_null(observer_hello(&o, 128));
    send_poll(&o, 0, 50); /* nothing waits: answered empty, when its time is over */
    observer_await(&o, 2);
    assert_int_equal(o.reply->n_orders, 0);

    send_poll(&o, 0, 10000);
    json_t *slice = http(pod, "POST", "/v1/slices", "{\"topology\":\"4x4x8\"}", &status);
    assert_int_equal(status, 202);
    observer_await(&o, 3);
    assert_int_equal(o.reply->n_orders, 1);
    const Wire__HealthOrder *order = o.reply->orders[0];
    assert_string_equal(order->slice, str(slice, "id"));
    assert_int_equal(order->n_hosts, 32);
    assert_int_equal(order->n_yours, 32);
    assert_true(order->pattern && order->epoch == o.epoch && order->generation > 0);
    verdict.epoch = o.epoch;
    verdict.order = order->order;
    verdict.slice = xstrdup(order->slice);
    verdict.generation = order->generation;
    verdict.n_hosts = order->n_yours;
    verdict.hosts = xmemdup(order->yours, order->n_yours * sizeof *verdict.hosts);
    bad.text = why;

    verdict.order++;
    assert_int_equal(answer(&o, &verdict)->status, WIRE__HEALTH_STATUS__HEALTH_STALE);
    verdict.order--;
    verdict.epoch--;
    assert_int_equal(answer(&o, &verdict)->status, WIRE__HEALTH_STATUS__HEALTH_OLD_EPOCH);
    verdict.epoch++;
    verdict.failures = 1; /* and none is named */
    assert_int_equal(answer(&o, &verdict)->status, WIRE__HEALTH_STATUS__HEALTH_MALFORMED);
    verdict.n_unfit = 1;
    verdict.unfit = &list;
    bad.index = 1; /* a host has one part */
    assert_int_equal(answer(&o, &verdict)->status, WIRE__HEALTH_STATUS__HEALTH_MALFORMED);
    bad.index = 0;
    bad.host = 128;
    assert_int_equal(answer(&o, &verdict)->status, WIRE__HEALTH_STATUS__HEALTH_MALFORMED);
    verdict.failures = verdict.n_unfit = 0;
    char *id = verdict.slice;
    verdict.slice = no_slice;
    assert_int_equal(answer(&o, &verdict)->status, WIRE__HEALTH_STATUS__HEALTH_MALFORMED);
    verdict.slice = id;
    assert_int_equal(answer(&o, &verdict)->status, WIRE__HEALTH_STATUS__HEALTH_OK);
    assert_int_equal(answer(&o, &verdict)->status, WIRE__HEALTH_STATUS__HEALTH_STALE);
    await_active(pod, id);
    down(pod, slice);
    free(id);
    free(verdict.hosts);
    observer_close(&o);
    pod_start_healthd(pod);
    await_its_return(pod);
}

static void a_wrong_unit_is_named_where_it_stands(void **state)
{
    const struct pod *pod = *state;
    char *out, *file = xasprintf("%s/wrong.yaml", pod->dir);
    FILE *wrong = fopen(file, "w");

    assert_non_null(wrong);
    (void)fputs("limits:\n  chip-temperature: {max: 85 us}\n", wrong);
    assert_int_equal(fclose(wrong), 0);
    char *command = xasprintf("healthd --pod test --hosts 0-0 --probe ipc://%s/probe.sock "
                              "--golden %s",
                              pod->dir, file);
    assert_int_equal(run_program(command, &out), 78);
    assert_non_null(strstr(out, "wrong.yaml:2:22: limits.chip-temperature.max: '85 us'"));
    free(command);
    free(file);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_hosts_cost_little),
        cmocka_unit_test(the_limits_in_force_are_shown),
        cmocka_unit_test(a_hot_chip_costs_its_cube),
        cmocka_unit_test(what_is_not_fit_is_named),
        cmocka_unit_test(podmgr_may_restart_in_the_middle),
        cmocka_unit_test(healthd_may_restart_in_the_middle),
        cmocka_unit_test(a_swapped_cube_is_checked_too),
        cmocka_unit_test(orders_and_verdicts_are_stamped),
        cmocka_unit_test(a_wrong_unit_is_named_where_it_stands),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
