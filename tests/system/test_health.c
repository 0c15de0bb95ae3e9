/* From a symptom in the emulated hardware to podmgr's journal, with real
 * processes: podsim, healthd, podmgr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { AWAIT_MS = 15000 };

/* Windows and clear times that a test can wait for. */
static const char rules[] = "rules:\n"
                            "  hbm-uncorrectable: {window_ms: 800, clear_ms: 200}\n"
                            "  hot: {window_ms: 200, clear_ms: 200}\n"
                            "  link-crc: {clear_ms: 200}\n"
                            "  low-light: {window_ms: 200, clear_ms: 200}\n"
                            "  slow-chip: {window_ms: 500, clear_ms: 200}\n"
                            "  slow-link: {window_ms: 500, clear_ms: 200}\n"
                            "  pcie-width: {window_ms: 200, clear_ms: 200}\n"
                            "  accelerator-missing: {window_ms: 200, clear_ms: 200}\n";

/* ---------------------------------------------------------------- journal -- */

struct wanted {
    const struct pod *pod;
    const char *type, *subject;
    const char *check, *severity; /* NULL: any */
    int64_t after;                /* sequence number */
    int64_t seq;                  /* where it was found */
};

static bool is_wanted(const struct wanted *w, const json_t *entry)
{
    const json_t *data = json_object_get(entry, "data");

    return num(entry, "seq") > w->after && strcmp(str(entry, "type"), w->type) == 0 &&
           strcmp(str(entry, "subject"), w->subject) == 0 &&
           (w->check == NULL || strcmp(str(data, "check"), w->check) == 0) &&
           (w->severity == NULL || strcmp(str(data, "severity"), w->severity) == 0);
}

static bool is_in_the_journal(void *arg)
{
    struct wanted *w = arg;
    char path[96];
    long status;
    const json_t *entry;
    size_t i;

    (void)snprintf(path, sizeof path, "/v1/events?since=%lld&limit=1000", (long long)w->after);
    json_t *json = http(w->pod, "GET", path, NULL, &status);
    w->seq = 0;
    json_array_foreach(json_object_get(json, "events"), i, entry)
    {
        if (w->seq == 0 && is_wanted(w, entry)) {
            w->seq = num(entry, "seq");
        }
    }
    json_decref(json);
    return w->seq != 0;
}

static int64_t await_entry(const struct pod *pod, int64_t after, const char *type,
                           const char *subject, const char *check, const char *severity)
{
    struct wanted w = {.pod = pod,
                       .after = after,
                       .type = type,
                       .subject = subject,
                       .check = check,
                       .severity = severity};

    if (!await_until(is_in_the_journal, &w, AWAIT_MS)) {
        fail_msg("no %s of %s %s %s in the journal; logs in %s", type, subject,
                 check != NULL ? check : "", severity != NULL ? severity : "", pod->dir);
    }
    return w.seq;
}

static void simctl(const struct pod *pod, const char *fmt, const char *kind, const char *target)
{
    char words[160];

    (void)snprintf(words, sizeof words, fmt, kind, target);
    json_t *json = sim(pod, words);
    assert_non_null(json);
    json_decref(json);
}

#define INJECT "inject %s %s"

static void heal(const struct pod *pod, const char *target)
{
    char words[96];

    (void)snprintf(words, sizeof words, "heal %s", target);
    json_t *json = sim(pod, words);
    assert_non_null(json);
    json_decref(json);
}

/* ------------------------------------------------------------------ tests -- */

static void a_symptom_becomes_a_finding_and_clears(void **state)
{
    static const struct {
        const char *kind, *target, *check, *severity;
    } rows[] = {
        {"hbm-ue", "chip/1-3-2-1", "hbm-uncorrectable", "SEVERE"},
        {"hot", "chip/0-0-0-0", "hot", "DEGRADED"},
        {"crc", "link/1-1-2-3+y", "link-crc", "DEGRADED"},
        {"pcie-degraded", "host/1-15", "pcie-width", "DEGRADED"},
        {"chip", "chip/0-2-2-2", "accelerator-missing", "FATAL"},
    };
    struct pod *pod = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        simctl(pod, INJECT, rows[i].kind, rows[i].target);
        int64_t seq =
            await_entry(pod, 0, "health.verdict", rows[i].target, rows[i].check, rows[i].severity);
        heal(pod, rows[i].target);
        (void)await_entry(pod, seq, "health.verdict", rows[i].target, rows[i].check, "OK");
    }
}

static void the_slow_one_is_found_among_its_peers(void **state)
{
    struct pod *pod = *state;

    simctl(pod, INJECT, "slow-chip", "chip/1-0-0-3");
    simctl(pod, INJECT, "slow-link", "link/0-1-1-1+x");
    int64_t seq = await_entry(pod, 0, "health.verdict", "chip/1-0-0-3", "slow-chip", "DEGRADED");
    (void)await_entry(pod, 0, "health.verdict", "link/0-1-1-1+x", "slow-link", "DEGRADED");
    heal(pod, "chip/1-0-0-3");
    heal(pod, "link/0-1-1-1+x");
    (void)await_entry(pod, seq, "health.verdict", "chip/1-0-0-3", "slow-chip", "OK");
}

static void a_dead_host_is_silent_not_sick(void **state)
{
    struct pod *pod = *state;

    simctl(pod, INJECT, "host-dead", "host/1-7");
    int64_t seq = await_entry(pod, 0, "host.silent", "host/1-7", NULL, NULL);
    heal(pod, "host/1-7");
    (void)await_entry(pod, seq, "host.answers", "host/1-7", NULL, NULL);
}

/* podmgr forgets; healthd tells it what holds, and what came and went. */
static void a_new_podmgr_hears_all_again(void **state)
{
    struct pod *pod = *state;

    simctl(pod, INJECT, "hot", "chip/0-3-3-3");
    int64_t seq = await_entry(pod, 0, "health.verdict", "chip/0-3-3-3", "hot", "DEGRADED");
    pod_kill_podmgr(pod);
    simctl(pod, INJECT, "hot", "chip/1-3-3-3");
    simctl(pod, "inject %s %s --for 600ms --set rate=100", "hbm-ue", "chip/1-0-3-3");
    pod_start_podmgr(pod);
    (void)await_entry(pod, seq, "health.verdict", "chip/0-3-3-3", "hot", "DEGRADED");
    (void)await_entry(pod, seq, "health.verdict", "chip/1-3-3-3", "hot", "DEGRADED");
    (void)await_entry(pod, seq, "health.verdict", "chip/1-0-3-3", "hbm-uncorrectable", "SEVERE");
    heal(pod, "chip/0-3-3-3");
    heal(pod, "chip/1-3-3-3");
    (void)await_entry(pod, seq, "health.verdict", "chip/0-3-3-3", "hot", "OK");
}

static bool has_no_fault(void *arg)
{
    json_t *json = sim(arg, "status");
    bool none = json_array_size(json_object_get(json, "faults")) == 0;

    json_decref(json);
    return none;
}

static void await_heal(struct pod *pod)
{
    assert_true(await_until(has_no_fault, pod, AWAIT_MS));
}

/* While it holds, GET shows it. */
static void findings_are_shown(void **state)
{
    struct pod *pod = *state;
    long status;

    simctl(pod, INJECT, "hot", "chip/1-1-1-0");
    int64_t seq = await_entry(pod, 0, "health.verdict", "chip/1-1-1-0", "hot", "DEGRADED");
    json_t *host = http(pod, "GET", "/v1/hosts/1-0", NULL, &status);
    const json_t *findings = json_object_get(host, "findings");
    assert_int_equal(json_array_size(findings), 1);
    assert_string_equal(str(json_array_get(findings, 0), "part"), "chip/1-1-1-0");
    assert_string_equal(str(json_array_get(findings, 0), "check"), "hot");
    assert_string_equal(str(json_array_get(findings, 0), "severity"), "DEGRADED");
    json_decref(host);
    heal(pod, "chip/1-1-1-0");
    (void)await_entry(pod, seq, "health.verdict", "chip/1-1-1-0", "hot", "OK");
    host = http(pod, "GET", "/v1/hosts/1-0", NULL, &status);
    assert_int_equal(json_array_size(json_object_get(host, "findings")), 0);
    json_decref(host);
}

/* What was not acknowledged survives healthd's death, and a sick part is not
 * found healthy by the next. */
static void a_new_healthd_goes_on_where_the_old_one_was(void **state)
{
    struct pod *pod = *state;

    simctl(pod, INJECT, "hot", "chip/0-1-0-0");
    int64_t seq = await_entry(pod, 0, "health.verdict", "chip/0-1-0-0", "hot", "DEGRADED");
    pod_kill_healthd(pod);
    heal(pod, "chip/0-1-0-0");
    simctl(pod, "inject %s %s --for 100ms --set rate=1000", "hbm-ue", "chip/0-2-3-0");
    await_heal(pod);
    pod_start_healthd(pod);
    (void)await_entry(pod, seq, "health.verdict", "chip/0-2-3-0", "hbm-uncorrectable", "SEVERE");
    (void)await_entry(pod, seq, "health.verdict", "chip/0-1-0-0", "hot", "OK");
}

/* On a slice that is ACTIVE: its tables carry the pattern. */
static void preflight_tells_a_fit_slice_from_an_unfit_one(void **state)
{
    static const struct {
        const char *kind, *target, *says;
    } rows[] = {
        {NULL, NULL, "; 0 failures"},
        {"slow-chip", "chip/1-2-1-0", "chip/1-2-1-0: chip-step 1"},
        {"wrong-result", "chip/0-3-1-0", "chip/0-3-1-0: computes wrongly"},
        {"link", "link/0-1-1-1+x", "its link +x is down"},
        {"low-light", "link/0-3-1-1+x", "link/0-3-1-1+x: link-light -"},
        {"host-dead", "host/0-4", "host/0-4: its instruments do not answer"},
    };
    struct pod *pod = *state;
    char command[256], *out;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x8\"}");

    assert_string_equal(str(slice, "state"), "ACTIVE");
    (void)snprintf(command, sizeof command,
                   "healthd --pod test --cubes 2 --probe ipc://%s/probe.sock --preflight "
                   "packaging/healthd-golden.yaml.example",
                   pod->dir);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].kind != NULL) {
            simctl(pod, INJECT, rows[i].kind, rows[i].target);
        }
        int status = run_program(command, &out);
        if (status != (rows[i].kind != NULL) || strstr(out, rows[i].says) == NULL) {
            fail_msg("%s: status %d: %s", rows[i].kind != NULL ? rows[i].kind : "sound", status,
                     out);
        }
        free(out);
        if (rows[i].kind != NULL) {
            heal(pod, rows[i].target);
        }
    }
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static int setup(void **state)
{
    *state = pod_up(&(struct pod_options){.cubes = 2, .healthd = true, .rules = rules});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            preflight_tells_a_fit_slice_from_an_unfit_one), /* first: counters are at 0 */
        cmocka_unit_test(a_symptom_becomes_a_finding_and_clears),
        cmocka_unit_test(the_slow_one_is_found_among_its_peers),
        cmocka_unit_test(findings_are_shown),
        cmocka_unit_test(a_dead_host_is_silent_not_sick),
        cmocka_unit_test(a_new_podmgr_hears_all_again),
        cmocka_unit_test(a_new_healthd_goes_on_where_the_old_one_was),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
