/* Symptoms: a row for each rule, on a small pod's model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/core.h"
#include "core/symptoms.h"
#include "mem.h"

enum { CUBES = 4, PORTS = 6 };

struct setup {
    struct pod pod;
    struct model *m;
    struct slice *slice;
    struct symptoms *symptoms;
    struct outbox out;
    char text[2000];
};

static struct now at(int64_t ms)
{
    return (struct now){.mono = {ms * 1000000}, .wall = {ms}};
}

/* A slice of cubes 0 and 1, all its circuits made and bright. */
static void add_slice(struct setup *s)
{
    static const uint16_t cubes[] = {0, 1};
    struct slice_spec spec = {.name = "n"};
    struct tpunet_xc *xcs;
    size_t n;

    assert_int_equal(tpunet_shape_parse(&spec.shape, "4x4x8", false, NULL), 0);
    s->slice = slice_create((struct id){1, 1}, &spec);
    assert_int_equal(tpunet_intent_create(&s->slice->intent, &spec.shape, cubes, 2, NULL), 0);
    s->slice->state = SLICE_ACTIVE;
    model_add_slice(s->m, s->slice);
    assert_int_equal(tpunet_intent_xcs(s->slice->intent, s->pod.wiring, &xcs, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        model_intend(s->m, xcs[i], s->slice->id);
        struct circuit *c = &s->m->ocs[xcs[i].ocs].north[xcs[i].north];
        c->seen = xcs[i].south;
        c->north_dbm = -1;
        c->south_dbm = -2;
        c->loss_db = 1;
    }
    free(xcs);
}

static int set_up(void **state)
{
    struct setup *s = xcalloc(1, sizeof *s);

    s->pod = (struct pod){
        .id = "p", .n_cubes = CUBES, .ports_per_side = PORTS, .loss_db_max = 3, .lease_ms = 1500};
    assert_int_equal(tpunet_wiring_create(&s->pod.wiring, CUBES, PORTS, NULL, 0, NULL), 0);
    s->m = model_create(&s->pod, 1);
    s->m->epoch = 1;
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        s->m->ocs[o].state = OCS_STATE_REACHABLE;
        s->m->ocs[o].supports_light = true;
        s->m->ocs[o].observed_at.ms = 900;
    }
    add_slice(s);
    s->symptoms = symptoms_create(&s->pod, &symptom_defaults);
    outbox_init(&s->out);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    symptoms_destroy(s->symptoms);
    outbox_fini(&s->out);
    model_destroy(s->m);
    tpunet_wiring_destroy(s->pod.wiring);
    free(s);
    return 0;
}

/* "kind number SEVERITY since", one after the other. */
static const char *symptoms_at(struct setup *s, int64_t ms)
{
    size_t n, len = 0;
    const struct symptom *all = symptoms_now(s->symptoms, s->m, at(ms), &n);

    s->text[0] = '\0';
    for (size_t i = 0; i < n && len < sizeof s->text; i++) {
        len += (size_t)snprintf(s->text + len, sizeof s->text - len, "%s%s %u %s %lld",
                                i > 0 ? ", " : "", symptom_kind_name(all[i].kind), all[i].number,
                                severity_name(all[i].severity), (long long)all[i].first.ms);
    }
    return s->text;
}

static void step(struct setup *s, struct event *ev)
{
    core_step(s->m, ev, &s->out);
    event_fini(ev);
    outbox_clear(&s->out);
}

static void agent_hello(struct setup *s, const char *name, uint16_t first, uint16_t n, int64_t ms)
{
    struct event ev = {.kind = EV_AGENT_HELLO, .now = at(ms)};

    (void)snprintf(ev.agent.name, sizeof ev.agent.name, "%s", name);
    ev.agent.instance = 1;
    ev.agent.hosts = xcalloc(n, sizeof *ev.agent.hosts);
    ev.agent.n_hosts = n;
    for (uint16_t i = 0; i < n; i++) {
        ev.agent.hosts[i] = (uint16_t)(first + i);
    }
    step(s, &ev);
}

/* Ticks until the agents' leases have ended. */
static void let_leases_end(struct setup *s, int64_t from_ms)
{
    for (int64_t ms = from_ms; ms <= from_ms + 2000; ms += 500) {
        struct event ev = {.kind = EV_TICK, .now = at(ms)};
        step(s, &ev);
    }
}

static void link(struct setup *s, unsigned port, bool up, int64_t ms)
{
    symptoms_link(s->symptoms, 1, port, up, (struct wall_ms){ms});
}

static void rule_1_a_link_is_down_until_it_is_up(void **state)
{
    struct setup *s = *state;

    assert_string_equal(symptoms_at(s, 1000), "");
    link(s, 0, false, 1000);
    link(s, 0, false, 1500); /* said twice */
    assert_string_equal(symptoms_at(s, 2000), "link-down 6 SEVERE 1000");
    link(s, 0, true, 2500);
    assert_string_equal(symptoms_at(s, 3000), "link-flap 6 INFO 1000");
    assert_string_equal(symptoms_at(s, 3600000), "");
    link(s, 0, true, 3600000); /* up as it was */
    assert_string_equal(symptoms_at(s, 3600000), "");

    /* Mended by a person. */
    link(s, 0, false, 4000000);
    assert_string_equal(symptoms_at(s, 4000100), "link-down 6 SEVERE 4000000");
    symptoms_forget_link(s->symptoms, 1, 1);
    assert_string_equal(symptoms_at(s, 4000300), "link-down 6 SEVERE 4000000");
    symptoms_forget_link(s->symptoms, 1, 0);
    assert_string_equal(symptoms_at(s, 4000300), "");
}

/* The penalty fades by the wall clock, which may be set back. */
static void rule_2_flapping_ends_for_a_person_or_a_clock_set_back(void **state)
{
    struct setup *s = *state;

    for (int64_t ms = 901000; ms < 921000; ms += 1000) {
        link(s, 0, ms % 2000 == 0, ms);
    }
    assert_string_equal(symptoms_at(s, 921000), "link-flap 6 SEVERE 919000");
    assert_string_equal(symptoms_at(s, 1000), "link-flap 6 SEVERE 919000");
    assert_string_equal(symptoms_at(s, 701000), "link-flap 6 DEGRADED 919000");
    symptoms_calm_link(s->symptoms, 1, 0);
    assert_string_equal(symptoms_at(s, 702000), "");
    link(s, 0, false, 703000);
    symptoms_calm_link(s->symptoms, 1, 0);
    assert_string_equal(symptoms_at(s, 704000), "link-down 6 SEVERE 703000");
}

static void rule_2_what_flapped_and_was_mended_begins_anew(void **state)
{
    struct setup *s = *state;

    for (int64_t ms = 1000; ms < 21000; ms += 1000) {
        link(s, 0, ms % 2000 == 0, ms);
    }
    assert_string_equal(symptoms_at(s, 21000), "link-flap 6 SEVERE 19000");
    symptoms_forget_link(s->symptoms, 1, 0);
    assert_string_equal(symptoms_at(s, 21100), "");
}

static void rule_1_another_circuit_another_link(void **state)
{
    struct setup *s = *state;
    /* chip 3 of cube 0, port +x: fibre/0+x-0-0, ocs/0 north 0 */
    symptoms_link(s->symptoms, 3, TPUNET_XP, false, (struct wall_ms){1000});
    assert_string_equal(symptoms_at(s, 1000), "link-down 18 SEVERE 1000");
    assert_int_equal(riskmap_far_end(symptoms_map(s->symptoms), 18), 1);
    s->m->ocs[0].north[0].seen = TPUNET_NONE;
    (void)symptoms_at(s, 1100);
    assert_int_equal(riskmap_far_end(symptoms_map(s->symptoms), 18), RISKMAP_NONE);
    assert_string_equal(symptoms_at(s, 1200), "link-flap 18 INFO 1000");
    s->m->ocs[0].north[0].seen = 2;
    (void)symptoms_at(s, 1300);
    assert_int_equal(riskmap_far_end(symptoms_map(s->symptoms), 18), 2 * 384 + 1);
}

static void rule_2_what_flaps_is_one_symptom(void **state)
{
    struct setup *s = *state;
    int64_t ms = 1000;

    for (int i = 0; i < 4; i++) {
        link(s, 0, false, ms);
        (void)symptoms_at(s, ms);
        link(s, 0, true, ms + 500);
        (void)symptoms_at(s, ms + 500);
        ms += 1000;
    }
    assert_string_equal(symptoms_at(s, 5000), "link-flap 6 DEGRADED 4000");
    link(s, 0, false, 6000); /* its onset stays */
    assert_string_equal(symptoms_at(s, 6000), "link-down 6 SEVERE 4000");
    link(s, 0, true, 6500);
    int64_t half_life = symptom_defaults.half_life_ms;
    assert_string_equal(symptoms_at(s, 6000 + 2 * half_life), "link-flap 6 DEGRADED 4000");
    assert_string_equal(symptoms_at(s, 6000 + 3 * half_life), "link-flap 6 INFO 4000");
    assert_string_equal(symptoms_at(s, 6000 + 5 * half_life), "");
    for (int i = 0; i < 9; i++) {
        link(s, 0, false, 9000000 + i);
        link(s, 0, true, 9000000 + i);
    }
    assert_string_equal(symptoms_at(s, 9000100), "link-flap 6 SEVERE 9000008");
}

static void rule_3_findings_are_symptoms(void **state)
{
    struct setup *s = *state;
    static const struct finding findings[] = {
        {SCOPE_LINK, 7, SEVERITY_DEGRADED, {500}, "link-crc", ""},
        {SCOPE_CHIP, 3, SEVERITY_FATAL, {600}, "accelerator-missing", ""},
        {SCOPE_HOST, 0, SEVERITY_INFO, {700}, "kernel-errors", ""},
    };
    struct event hello = {.kind = EV_HEALTH_HELLO, .now = at(1000)};
    struct event report = {.kind = EV_HEALTH, .now = at(1000)};

    (void)snprintf(hello.observer.name, sizeof hello.observer.name, "healthd/a");
    hello.observer.hosts = xcalloc(1, sizeof *hello.observer.hosts);
    hello.observer.hosts[0] = 17; /* host/1-1 */
    hello.observer.n_hosts = 1;
    step(s, &hello);
    report.health = (struct health_report){.observer = health_of(s->m, 17)->observer,
                                           .host = 17,
                                           .snapshot = true,
                                           .findings = xcalloc(3, sizeof(struct finding)),
                                           .n_findings = 3};
    memcpy(report.health.findings, findings, sizeof findings);
    step(s, &report);
    /* host/1-1 has the chips x 2..3, y 0..1, z 0 of cube 1: 66, 67, 70, 71 */
    assert_string_equal(symptoms_at(s, 1000), "link-errors 403 DEGRADED 500, chip-sick 71 FATAL "
                                              "600, host-sick 17 INFO 700");
}

static void rules_4_and_5_silence(void **state)
{
    struct setup *s = *state;

    agent_hello(s, "tpunetd/a", 4, 2, 1000);
    agent_hello(s, "tpunetd/b", 6, 1, 1000);
    assert_string_equal(symptoms_at(s, 1000), ""); /* the others were never heard */
    let_leases_end(s, 1000);
    assert_string_equal(symptoms_at(s, 3000),
                        "host-silent 4 DEGRADED 3000, host-silent 5 DEGRADED 3000, host-silent 6 "
                        "DEGRADED 3000, observer-silent 2309 DEGRADED 3000, observer-silent 2311 "
                        "DEGRADED 3000");
    /* One of two is heard through another daemon: the first is still silent. */
    agent_hello(s, "tpunetd/c", 5, 1, 4000);
    assert_string_equal(symptoms_at(s, 4000),
                        "host-silent 4 DEGRADED 3000, host-silent 6 DEGRADED 3000, observer-silent "
                        "2309 DEGRADED 3000, observer-silent 2311 DEGRADED 3000");
    char name[RISKMAP_NAME_MAX];
    struct riskmap *map = symptoms_map(s->symptoms);
    assert_string_equal(riskmap_group_name(map, riskmap_group(map, RISK_OBSERVER, 2309), name),
                        "observer/tpunetd/a");
}

static void rule_6_switches(void **state)
{
    struct setup *s = *state;

    s->m->ocs[7].state = OCS_STATE_UNREACHABLE;
    s->m->ocs[7].since.ms = 800;
    s->m->ocs[8].state = OCS_STATE_FAILED;
    assert_string_equal(symptoms_at(s, 1000),
                        "ocs-unreachable 7 DEGRADED 800, ocs-unreachable 8 FATAL 0");
    /* Fail-static: its circuits are those last seen. */
    assert_int_equal(riskmap_far_end(symptoms_map(s->symptoms), 18), 1);
}

static void rule_7_light(void **state)
{
    struct setup *s = *state;
    struct circuit *c = &s->m->ocs[9].north[1];
    char expected[120];

    c->loss_db = 5;
    (void)snprintf(expected, sizeof expected, "port-lossy %u SEVERE 900, port-lossy %u SEVERE 900",
                   riskmap_port(9, false, 1), riskmap_port(9, true, c->south));
    assert_string_equal(symptoms_at(s, 1000), expected);
    s->m->ocs[9].observed_at.ms = 1500; /* looked again: since then still */
    assert_string_equal(symptoms_at(s, 1600), expected);
    c->loss_db = NAN;
    assert_string_equal(symptoms_at(s, 1600), expected);
    c->north_dbm = -60;
    (void)snprintf(expected, sizeof expected, "port-dark %u DEGRADED 900",
                   riskmap_port(9, false, 1));
    assert_string_equal(symptoms_at(s, 1600), expected);
    s->slice->op = (struct id){1, 5}; /* it is being changed */
    assert_string_equal(symptoms_at(s, 1600), "");
    s->slice->op = (struct id){0};
    s->m->ocs[9].supports_light = false;
    assert_string_equal(symptoms_at(s, 1600), "");
}

static void rule_7_stuck_mirrors(void **state)
{
    struct setup *s = *state;
    struct tpunet_ocs_port port = {9, TPUNET_SOUTH, 2};

    symptoms_stuck(s->symptoms, port, true, (struct wall_ms){1000});
    symptoms_stuck(s->symptoms, port, true, (struct wall_ms){2000});
    assert_string_equal(symptoms_at(s, 3000), "port-stuck 3042 SEVERE 1000");
    symptoms_stuck(s->symptoms, port, false, (struct wall_ms){4000});
    assert_string_equal(symptoms_at(s, 5000), "");
}

static void rule_8_what_hangs_on_one_feed(void **state)
{
    struct setup *s = *state;
    static struct power_feed feeds[] = {
        {"a", {.kind = PART_HOST, .cube = 1, .host = 2}},
        {"b", {.kind = PART_CUBE, .cube = 1}},
        {"b", {.kind = PART_OCS, .ocs = 9}},
    };

    symptoms_destroy(s->symptoms);
    s->pod.feeds = feeds;
    s->pod.n_feeds = ARRAY_LEN(feeds);
    s->symptoms = symptoms_create(&s->pod, &symptom_defaults);
    struct riskmap *map = symptoms_map(s->symptoms);
    assert_int_equal(riskmap_power_of_host(map, 17), 0); /* the cubes come first */
    assert_int_equal(riskmap_power_of_host(map, 18), 1);
    assert_int_equal(riskmap_power_of_ocs(map, 9), 0);
    assert_int_equal(riskmap_power_of_ocs(map, 8), RISKMAP_POWER_MAX);
    assert_int_equal(riskmap_power_parts(map, 0), 16);
}

static void rule_8_what_is_watched(void **state)
{
    struct setup *s = *state;
    struct riskmap *map = symptoms_map(s->symptoms);

    agent_hello(s, "tpunetd/a", 0, 64, 1000); /* all four cubes' hosts */
    (void)symptoms_at(s, 1000);
    uint32_t ours = riskmap_signal(map, SIGNAL_LINK_END, 6);
    uint32_t idle = riskmap_signal(map, SIGNAL_LINK_END, 3 * 384 + 6);
    assert_int_equal(riskmap_watch(map, ours), WATCH_LINKS);
    assert_int_equal(riskmap_watch(map, idle), WATCH_NOT);
    s->m->cubes[3].owner = (struct id){1, 2};
    (void)symptoms_at(s, 1100);
    assert_int_equal(riskmap_watch(map, idle), WATCH_LINKS);
    s->m->cubes[3].owner = (struct id){0};
    let_leases_end(s, 1200);
    (void)symptoms_at(s, 3300);
    assert_int_equal(riskmap_watch(map, ours), WATCH_NOT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rule_1_a_link_is_down_until_it_is_up),
        TEST(rule_1_another_circuit_another_link),
        TEST(rule_2_what_flapped_and_was_mended_begins_anew),
        TEST(rule_2_flapping_ends_for_a_person_or_a_clock_set_back),
        TEST(rule_2_what_flaps_is_one_symptom),
        TEST(rule_3_findings_are_symptoms),
        TEST(rules_4_and_5_silence),
        TEST(rule_6_switches),
        TEST(rule_7_light),
        TEST(rule_7_stuck_mirrors),
        TEST(rule_8_what_hangs_on_one_feed),
        TEST(rule_8_what_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
