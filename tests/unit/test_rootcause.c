/* Root cause: a row for each rule, and that order does not matter.  How often
 * it is right over thousands of faults: `make rootcause`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "pod_faults.h"

static const struct pod_noise quiet = {0};
static const struct wall_ms noon = {43200000};

struct setup {
    struct pod_faults pf;
    struct diagnosis d;
};

static int set_up(void **state)
{
    struct setup *s = xcalloc(1, sizeof *s);
    pod_faults_init(&s->pf, 7, false);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    diagnosis_fini(&s->d);
    pod_faults_fini(&s->pf);
    free(s);
    return 0;
}

static void diagnose(struct setup *s)
{
    diagnosis_fini(&s->d);
    rootcause_find(s->pf.map, s->pf.symptoms, s->pf.n_symptoms, &rootcause_defaults, &s->d);
}

static void say(struct setup *s, enum symptom_kind kind, enum severity severity, uint32_t number,
                int64_t at_ms)
{
    VEC_GROW(s->pf.symptoms, s->pf.n_symptoms, s->pf.cap_symptoms);
    s->pf.symptoms[s->pf.n_symptoms++] = (struct symptom){kind, severity, number, {at_ms}, {at_ms}};
}

/* "kind name" of each cause, in order. */
static const char *causes_text(const struct setup *s, char *buf, size_t size)
{
    char name[RISKMAP_NAME_MAX];
    size_t len = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < s->d.n_causes && len < size; i++) {
        len += (size_t)snprintf(buf + len, size - len, "%s%s %s", i > 0 ? ", " : "",
                                risk_kind_name(s->d.causes[i].kind),
                                riskmap_group_name(s->pf.map, s->d.causes[i].group, name));
    }
    return buf;
}

static void assert_causes(const struct setup *s, const char *expected)
{
    char text[1000];
    assert_string_equal(causes_text(s, text, sizeof text), expected);
}

static uint32_t chip(uint16_t cube, uint8_t x, uint8_t y, uint8_t z)
{
    return tpunet_chip_number((struct tpunet_chip){cube, {x, y, z}});
}

/* ----------------------------------------------------- one group, rule 6-9 */

static void one_broken_group_is_named(void **state)
{
    struct setup *s = *state;
    static const struct {
        enum risk_kind kind;
        uint32_t number;
        const char *cause;
    } rows[] = {
        {RISK_LINK, 5 * 384 + 1 * 6 + TPUNET_XP, "link link/5-1-0-0+x"},
        {RISK_FIBRE, 5 * 96 + 17, "fibre fibre/5-x-1-0"},
        {RISK_PORT, (9 * 2 + 1) * RISKMAP_PORTS_MAX + 12, "port port/9-s-12"},
        {RISK_PORT_GROUP, (9 * 2 + 1) * RISKMAP_PORTS_MAX / 8 + 1, "port-group port/9-s-8"},
        {RISK_CHIP, 5 * 64 + 3, "chip chip/5-3-0-0"},
        {RISK_HOST, 5 * 16 + 3, "host host/5-3"},
        {RISK_FACE, 5 * 6 + 3, "face face/5-y"},
        {RISK_CUBE, 5, "cube cube/5"},
        {RISK_OCS, 12, "ocs ocs/12"},
        {RISK_OCS_CONTROL, 12, "ocs-control ocs/12"},
        {RISK_AXIS, 1, "axis axis/y"},
        {RISK_POWER, 3, "power power/r3"},
        {RISK_POWER, 17, "power power/s1"},
        {RISK_OBSERVER, 83, "observer observer/tpunetd/5-3"},
        {RISK_NETWORK, 0, "network network"},
        {RISK_SELF, 0, "self self"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        pod_faults_fini(&s->pf);
        pod_faults_init(&s->pf, 7, false);
        riskmap_name_observer(s->pf.map, 83, "tpunetd/5-3");
        pod_break(&s->pf, rows[i].kind, rows[i].number, 1);
        pod_observe(&s->pf, noon, &quiet);
        diagnose(s);
        assert_causes(s, rows[i].cause);
        assert_int_equal(s->d.n_unexplained, 0);
        assert_true(s->d.causes[0].confidence > 0.75);
        assert_int_equal(s->d.causes[0].n_symptoms, s->pf.n_symptoms);
    }
}

static void half_of_a_group_is_the_group(void **state)
{
    struct setup *s = *state;
    static const struct {
        enum risk_kind kind;
        uint32_t number;
        const char *cause;
    } rows[] = {
        {RISK_OCS, 12, "ocs ocs/12"},
        {RISK_FACE, 5 * 6 + 3, "face face/5-y"},
        {RISK_CUBE, 5, "cube cube/5"},
        {RISK_PORT_GROUP, (9 * 2 + 1) * RISKMAP_PORTS_MAX / 8 + 1, "port-group port/9-s-8"},
        {RISK_NETWORK, 0, "network network"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        pod_faults_fini(&s->pf);
        pod_faults_init(&s->pf, 7, false);
        pod_break(&s->pf, rows[i].kind, rows[i].number, 0.6);
        pod_observe(&s->pf, noon, &quiet);
        diagnose(s);
        assert_causes(s, rows[i].cause);
        assert_true(i == 4 || s->d.causes[0].healthy > 0);
    }
}

/* ------------------------------------------------------------ rules one by one */

static void rule_1_one_signal_is_one_piece_of_evidence(void **state)
{
    struct setup *s = *state;
    uint32_t end = riskmap_end(chip(5, 1, 0, 0), TPUNET_XP);

    say(s, SYMPTOM_LINK_FLAP, SEVERITY_INFO, end, noon.ms);
    say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, end, noon.ms + 100);
    say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, riskmap_far_end(s->pf.map, end), noon.ms + 90);
    diagnose(s);
    assert_causes(s, "link link/5-1-0-0+x");
    assert_int_equal(s->d.causes[0].n_symptoms, 3);
    assert_int_equal(s->d.causes[0].alone, 2);
    assert_int_equal(s->d.causes[0].severity, SEVERITY_SEVERE);
    assert_int_equal(s->d.causes[0].first.ms, noon.ms);
}

static void rule_2_episodes_are_explained_apart(void **state)
{
    struct setup *s = *state;
    struct pod_faults *pf = &s->pf;

    /* Half of a switch in the morning, the rest at noon: that switch twice, and
     * what is down since the morning is not well at noon. */
    pod_break(pf, RISK_OCS, 12, 1);
    pod_observe(pf, noon, &quiet);
    for (size_t i = 0; i < pf->n_symptoms; i++) {
        uint32_t end = pf->symptoms[i].number;
        uint32_t far =
            pf->symptoms[i].kind == SYMPTOM_LINK_DOWN ? riskmap_far_end(pf->map, end) : 0;
        if ((end < far ? end : far) / 384 % 2 == 0) {
            pf->symptoms[i].first.ms -= 3600000;
        }
    }
    diagnose(s);
    assert_causes(s, "ocs ocs/12, ocs ocs/12");
    assert_int_equal(s->d.causes[0].healthy, s->d.causes[1].healthy);
    assert_true(s->d.causes[0].first.ms >= noon.ms && s->d.causes[1].first.ms < noon.ms);
}

static void rule_4_the_unwatched_are_not_fine(void **state)
{
    struct setup *s = *state;

    /* Eight of sixteen links of a face are down, and nobody watches the other
     * eight: no counter-evidence, so surer than with eight that are up. */
    for (unsigned watched = 0; watched < 2; watched++) {
        s->pf.n_symptoms = 0;
        for (uint32_t h = 0; h < POD_HOSTS; h++) {
            riskmap_set_observer(s->pf.map, h, h, true);
        }
        for (uint8_t a = 0; a < 4; a++) {
            for (uint8_t b = 0; b < 4; b++) {
                uint32_t end = riskmap_end(chip(5, 3, a, b), TPUNET_XP);
                uint32_t far = riskmap_far_end(s->pf.map, end);
                if (a < 2) {
                    say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, end, noon.ms);
                    say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, far, noon.ms);
                    say(s, SYMPTOM_PORT_DARK, SEVERITY_DEGRADED, riskmap_port(a + 4U * b, false, 5),
                        noon.ms);
                } else if (watched == 0) {
                    struct tpunet_chip c[2] = {tpunet_chip_of(end / 6), tpunet_chip_of(far / 6)};
                    for (int i = 0; i < 2; i++) {
                        unsigned host = c[i].cube * 16U + tpunet_chip_host(c[i]);
                        riskmap_set_observer(s->pf.map, host, host, false);
                    }
                }
            }
        }
        diagnose(s);
        assert_causes(s, "face face/5+x");
        assert_int_equal(s->d.causes[0].healthy, watched == 0 ? 0 : 16);
    }
}

static void rule_5_a_mere_flap_has_no_cause(void **state)
{
    struct setup *s = *state;
    uint32_t end = riskmap_end(chip(5, 1, 0, 0), TPUNET_XP);

    say(s, SYMPTOM_LINK_FLAP, SEVERITY_INFO, end, noon.ms);
    say(s, SYMPTOM_LINK_FLAP, SEVERITY_INFO, riskmap_far_end(s->pf.map, end), noon.ms);
    diagnose(s);
    assert_int_equal(s->d.n_causes, 0);
    assert_int_equal(s->d.n_unexplained, 2);
    s->pf.symptoms[0].severity = s->pf.symptoms[1].severity = SEVERITY_DEGRADED;
    diagnose(s);
    assert_causes(s, "link link/5-1-0-0+x");
}

static void rule_7_which_part_shows_what(void **state)
{
    struct setup *s = *state;
    static const struct {
        enum symptom_kind kind;
        const char *cause;
    } rows[] = {
        {SYMPTOM_PORT_STUCK, "port port/0-n-5"},
        {SYMPTOM_PORT_LOSSY, "port port/0-n-5"},
        {SYMPTOM_PORT_DARK, "fibre fibre/5+x-0-0"},
    };
    uint32_t end = riskmap_end(chip(5, 3, 0, 0), TPUNET_XP);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        s->pf.n_symptoms = 0;
        say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, end, noon.ms);
        say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, riskmap_far_end(s->pf.map, end), noon.ms);
        say(s, rows[i].kind, SEVERITY_SEVERE, riskmap_port(0, false, 5), noon.ms);
        diagnose(s);
        assert_causes(s, rows[i].cause);
        assert_true(s->d.causes[0].confidence > 0.75);
    }
}

/* A board's circuits lose light, as a read-back shows long after their links went
 * down: both ports of each say so, and the switch's other links are well. */
static void rule_7_loss_at_both_ports_is_the_boards(void **state)
{
    struct setup *s = *state;

    for (unsigned north = 0; north < RISKMAP_PORT_GROUP - 2; north++) {
        uint32_t port = riskmap_port(0, false, north);
        uint32_t far = riskmap_far_port(s->pf.map, port);
        assert_int_not_equal(far, RISKMAP_NONE);
        assert_int_equal(riskmap_far_port(s->pf.map, far), port);
        say(s, SYMPTOM_PORT_LOSSY, SEVERITY_SEVERE, port, noon.ms);
        say(s, SYMPTOM_PORT_LOSSY, SEVERITY_SEVERE, far, noon.ms);
    }
    diagnose(s);
    assert_int_equal(s->d.n_causes, 1);
    assert_int_equal(s->d.causes[0].kind, RISK_PORT_GROUP);
    assert_int_equal(s->d.causes[0].n_symptoms, 2 * (RISKMAP_PORT_GROUP - 2));
}

static void rule_8_silence_with_live_links_is_the_daemons(void **state)
{
    struct setup *s = *state;

    say(s, SYMPTOM_HOST_SILENT, SEVERITY_DEGRADED, 83, noon.ms);
    say(s, SYMPTOM_OCS_UNREACHABLE, SEVERITY_DEGRADED, 12, noon.ms);
    riskmap_set_observer(s->pf.map, 83, 83, false);
    diagnose(s);
    assert_causes(s, "observer observer/83, ocs-control ocs/12");
}

/* healthd calls all its hosts sick while a link goes down: tpunetd told of the link. */
static void rule_8_who_tells_no_links_takes_none_down(void **state)
{
    struct setup *s = *state;
    uint32_t end = riskmap_end(chip(5, 1, 0, 0), TPUNET_XP);

    for (int no_links = 0; no_links < 2; no_links++) {
        s->pf.n_symptoms = 0;
        for (unsigned i = 0; i < 3 * TPUNET_CUBE_HOSTS; i++) { /* of three feeds */
            unsigned h = (5 + i % 3 * 16) * TPUNET_CUBE_HOSTS + i / 3;
            riskmap_set_observer(s->pf.map, h, 5, true);
            say(s, SYMPTOM_HOST_SICK, SEVERITY_SEVERE, h, noon.ms);
        }
        if (no_links != 0) {
            riskmap_set_tells_no_links(s->pf.map, 5);
        }
        say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, end, noon.ms);
        say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, riskmap_far_end(s->pf.map, end), noon.ms);
        diagnose(s);
        assert_causes(s, no_links != 0 ? "observer observer/5, link link/5-1-0-0+x"
                                       : "observer observer/5");
    }
}

static void rule_9_many_silent_at_once_are_not_the_cubes(void **state)
{
    struct setup *s = *state;

    for (uint32_t h = 0; h < POD_HOSTS / 2; h++) {
        say(s, SYMPTOM_HOST_SILENT, SEVERITY_DEGRADED, h, noon.ms + h);
        say(s, SYMPTOM_OBSERVER_SILENT, SEVERITY_DEGRADED, h, noon.ms + h);
        riskmap_set_observer(s->pf.map, h, h, false);
    }
    diagnose(s);
    assert_causes(s, "network network");
}

static void rule_10_confidence_is_shared_with_rivals(void **state)
{
    struct setup *s = *state;
    uint32_t end = riskmap_end(chip(5, 3, 0, 0), TPUNET_XP);
    char name[RISKMAP_NAME_MAX];

    /* Without a word of light it may be either fibre or either port. */
    say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, end, noon.ms);
    say(s, SYMPTOM_LINK_DOWN, SEVERITY_SEVERE, riskmap_far_end(s->pf.map, end), noon.ms);
    diagnose(s);
    assert_int_equal(s->d.n_causes, 1);
    const struct cause *cause = &s->d.causes[0];
    assert_int_equal(cause->kind, RISK_FIBRE);
    assert_true(cause->confidence > 0.25 && cause->confidence < 0.35);
    assert_int_equal(cause->n_rivals, 3);
    assert_int_equal(riskmap_group_kind(s->pf.map, cause->rivals[0].group, &(uint32_t){0}),
                     RISK_FIBRE);
    double sum = cause->confidence;
    for (size_t i = 0; i < cause->n_rivals; i++) {
        sum += cause->rivals[i].confidence;
        assert_non_null(riskmap_group_name(s->pf.map, cause->rivals[i].group, name));
    }
    assert_true(sum > 0.9 && sum <= 1);
}

/* ------------------------------------------------------------ more than a rule */

static void order_does_not_matter(void **state)
{
    struct setup *s = *state;
    struct pod_faults *pf = &s->pf;
    char before[1000], after[1000];

    pod_break(pf, RISK_HOST, 83, 1);
    pod_break(pf, RISK_OCS, 12, 1);
    pod_break(pf, RISK_FACE, 20 * 6 + 1, 0.7);
    pod_observe(pf, noon, &(struct pod_noise){0.02, 0.1, 20});
    diagnose(s);
    causes_text(s, before, sizeof before);
    for (int turn = 0; turn < 5; turn++) {
        for (size_t i = pf->n_symptoms; i-- > 1;) {
            uint64_t other = pod_random(pf, i + 1);
            struct symptom symptom = pf->symptoms[i];
            pf->symptoms[i] = pf->symptoms[other];
            pf->symptoms[other] = symptom;
        }
        diagnose(s);
        assert_string_equal(causes_text(s, after, sizeof after), before);
    }
    assert_string_equal(before, "ocs ocs/12, face face/20-x, host host/5-3");
}

static void parts_of_another_pod_are_unexplained(void **state)
{
    struct setup *s = *state;

    say(s, SYMPTOM_LINK_DOWN, SEVERITY_FATAL, POD_CUBES * 384, noon.ms);
    say(s, SYMPTOM_OCS_UNREACHABLE, SEVERITY_FATAL, TPUNET_OCSES, noon.ms);
    say(s, SYMPTOM_HOST_SILENT, SEVERITY_FATAL, UINT32_MAX, noon.ms);
    diagnose(s);
    assert_int_equal(s->d.n_causes, 0);
    assert_int_equal(s->d.n_unexplained, 3);
    s->pf.n_symptoms = 0;
    diagnose(s);
    assert_int_equal(s->d.n_causes, 0);
    assert_int_equal(s->d.n_unexplained, 0);
}

static void counter_evidence_has_names(void **state)
{
    struct setup *s = *state;
    uint32_t signals[4], number;

    pod_break(&s->pf, RISK_OCS, 12, 0.6);
    pod_observe(&s->pf, noon, &quiet);
    diagnose(s);
    assert_causes(s, "ocs ocs/12");
    size_t n = rootcause_healthy(s->pf.map, s->pf.symptoms, s->pf.n_symptoms, s->d.causes[0].group,
                                 signals, 4);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(riskmap_signal_kind(s->pf.map, signals[i], &number), SIGNAL_LINK_END);
    }
    size_t all = s->d.causes[0].healthy;
    uint32_t *every = xcalloc(all + 1, sizeof *every);
    assert_int_equal(rootcause_healthy(s->pf.map, s->pf.symptoms, s->pf.n_symptoms,
                                       s->d.causes[0].group, every, all + 1),
                     all);
    free(every);
}

static void power_domains_are_checked(void **state)
{
    struct setup *s = *state;
    struct error err;
    struct part chip_part = {.kind = PART_CHIP}, far = {.kind = PART_CUBE, .cube = POD_CUBES};
    struct part cube = {.kind = PART_CUBE};
    char id[8];

    assert_int_equal(riskmap_add_power(s->pf.map, "r0", &chip_part, &err), E_INVALID);
    assert_string_equal(err.text, "power/r0: chip/0-0-0-0 has no power of its own");
    assert_int_equal(riskmap_add_power(s->pf.map, "r0", &far, &err), E_INVALID);
    assert_string_equal(err.text, "power/r0: the pod has no cube/64");
    for (unsigned i = 24; i < RISKMAP_POWER_MAX; i++) {
        (void)snprintf(id, sizeof id, "x%u", i);
        assert_int_equal(riskmap_add_power(s->pf.map, id, &cube, &err), 0);
    }
    assert_int_equal(riskmap_add_power(s->pf.map, "last", &cube, &err), E_FULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_broken_group_is_named),
        TEST(half_of_a_group_is_the_group),
        TEST(rule_1_one_signal_is_one_piece_of_evidence),
        TEST(rule_2_episodes_are_explained_apart),
        TEST(rule_4_the_unwatched_are_not_fine),
        TEST(rule_5_a_mere_flap_has_no_cause),
        TEST(rule_7_which_part_shows_what),
        TEST(rule_7_loss_at_both_ports_is_the_boards),
        TEST(rule_8_silence_with_live_links_is_the_daemons),
        TEST(rule_8_who_tells_no_links_takes_none_down),
        TEST(rule_9_many_silent_at_once_are_not_the_cubes),
        TEST(rule_10_confidence_is_shared_with_rivals),
        TEST(order_does_not_matter),
        TEST(parts_of_another_pod_are_unexplained),
        TEST(counter_evidence_has_names),
        TEST(power_domains_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
