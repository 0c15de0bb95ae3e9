/* Incidents: a cause's life from the first symptom to its end, rule by rule, on
 * what root cause really says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/incident.h"
#include "mem.h"
#include "pod_faults.h"

static const struct incident_params params = {
    .quiet_ms = 10000, .return_ms = 3600000, .damp_max = 3};

struct setup {
    struct pod_faults pf;
    struct incidents *list;
    uint64_t next_seq;
    char news[400];
};

static int set_up(void **state)
{
    struct setup *s = xcalloc(1, sizeof *s);
    pod_faults_init(&s->pf, 7, false);
    s->list = incidents_create();
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    incidents_destroy(s->list);
    pod_faults_fini(&s->pf);
    free(s);
    return 0;
}

static struct id new_id(void *arg)
{
    struct setup *s = arg;
    return (struct id){1, ++s->next_seq};
}

static const char *news_name(enum incident_news_kind kind)
{
    static const char *const names[] = {
#define X(name) #name,
        INCIDENT_NEWS(X)
#undef X
    };
    return names[kind];
}

/* Looks at the symptoms of now; the news as "OPENED 1, CLOSED 2". */
static const char *look(struct setup *s, int64_t now_ms)
{
    struct diagnosis d;
    size_t n, len = 0;

    rootcause_find(s->pf.map, s->pf.symptoms, s->pf.n_symptoms, &rootcause_defaults, &d);
    struct incident_look at = {s->pf.map, s->pf.symptoms, &d, {now_ms}, new_id, s};
    struct incident_news *news = incidents_look(s->list, &at, &params, &n);
    s->news[0] = '\0';
    for (size_t i = 0; i < n && len < sizeof s->news; i++) {
        len += (size_t)snprintf(s->news + len, sizeof s->news - len, "%s%s %u", i > 0 ? ", " : "",
                                news_name(news[i].kind), (unsigned)news[i].id.seq);
    }
    free(news);
    diagnosis_fini(&d);
    return s->news;
}

static void say(struct setup *s, enum symptom_kind kind, uint32_t number, int64_t at_ms)
{
    VEC_GROW(s->pf.symptoms, s->pf.n_symptoms, s->pf.cap_symptoms);
    s->pf.symptoms[s->pf.n_symptoms++] =
        (struct symptom){kind, SEVERITY_SEVERE, number, {at_ms}, {at_ms}};
}

/* Both ends of the link of that cube's +x face on switch `ocs` (0 to 15). */
static void cut(struct setup *s, uint16_t cube, unsigned ocs, int64_t at_ms)
{
    struct tpunet_fibre fibre = {cube, 0, false, (uint8_t)(ocs % 4), (uint8_t)(ocs / 4)};
    unsigned port;
    uint32_t end = riskmap_end(tpunet_chip_number(tpunet_fibre_chip(fibre, &port)), 0);

    say(s, SYMPTOM_LINK_DOWN, end, at_ms);
    say(s, SYMPTOM_LINK_DOWN, riskmap_far_end(s->pf.map, end), at_ms);
    say(s, SYMPTOM_PORT_DARK, riskmap_port(ocs, false, cube), at_ms);
}

static void clear(struct setup *s)
{
    s->pf.n_symptoms = 0;
}

static const struct incident *incident(const struct setup *s, uint64_t seq)
{
    return incidents_find(s->list, (struct id){1, seq});
}

static void rule_1_and_3_one_cause_one_incident(void **state)
{
    struct setup *s = *state;

    cut(s, 5, 0, 1000);
    assert_string_equal(look(s, 1040), "OPENED 1");
    cut(s, 9, 7, 1000);
    assert_string_equal(look(s, 1050), "OPENED 2");
    assert_string_equal(look(s, 2000), "");
    assert_int_equal(incidents_count(s->list), 2);
    assert_string_equal(incident(s, 1)->part, "fibre/5+x-0-0");
    assert_int_equal(incident(s, 1)->kind, RISK_FIBRE);
    assert_int_equal(incident(s, 1)->severity, SEVERITY_SEVERE);
    assert_int_equal(incident(s, 1)->symptoms, 3);
    assert_int_equal(incident(s, 1)->count, 1);
    assert_int_equal(incident_times(incident(s, 1)).detect_ms, 40);
    assert_int_equal(incident_times(incident(s, 1)).decide_ms, -1);
    assert_null(incident(s, 3));
}

static void rule_2_understood_better(void **state)
{
    struct setup *s = *state;

    /* Two links, then half a minute later the whole switch: the earlier ones were
     * its first signs. */
    cut(s, 5, 0, 1000);
    assert_string_equal(look(s, 1001), "OPENED 1");
    cut(s, 9, 0, 1500);
    (void)look(s, 1501);
    assert_int_equal(incidents_count(s->list), 2);
    for (uint16_t cube = 0; cube < POD_CUBES; cube++) {
        if (cube != 5 && cube != 9) {
            cut(s, cube, 0, 2000);
        }
    }
    clear(s);
    for (uint16_t cube = 0; cube < POD_CUBES; cube++) {
        cut(s, cube, 0, cube == 5 ? 1000 : cube == 9 ? 1500 : 2000);
    }
    for (size_t i = 0; i < s->pf.n_symptoms; i++) { /* the switch, not 64 fibres */
        if (s->pf.symptoms[i].kind == SYMPTOM_PORT_DARK) {
            s->pf.symptoms[i].kind = SYMPTOM_PORT_LOSSY;
        }
    }
    assert_string_equal(look(s, 2010), "UPDATED 1, MERGED 2");
    assert_string_equal(incident(s, 1)->part, "ocs/0");
    assert_int_equal(incident(s, 1)->began.ms, 1000);
    assert_int_equal(incident(s, 2)->merged_into.seq, 1);
    assert_false(incident_is_open(incident(s, 2)));
    assert_string_equal(look(s, 2020), "");
}

static void rule_4_gone_is_over_after_a_while(void **state)
{
    struct setup *s = *state;

    cut(s, 5, 0, 1000);
    (void)look(s, 1000);
    clear(s);
    assert_string_equal(look(s, 5000), "");
    assert_string_equal(look(s, 14999), "");
    assert_string_equal(look(s, 15000), "CLOSED 1");
    assert_int_equal(incident(s, 1)->closed.ms, 15000);
    assert_int_equal(incident_times(incident(s, 1)).recover_ms, 4000);
    assert_string_equal(look(s, 16000), "");
}

static void rule_4_a_clock_that_was_set_back_holds_nothing_up(void **state)
{
    struct setup *s = *state;

    cut(s, 5, 0, 1000);
    (void)look(s, 500000);
    clear(s);
    assert_string_equal(look(s, 501000), "");
    assert_string_equal(look(s, 2000), "");
    assert_string_equal(look(s, 11999), "");
    assert_string_equal(look(s, 12000), "CLOSED 1");
}

static void rule_5_what_comes_back_is_the_same(void **state)
{
    struct setup *s = *state;

    cut(s, 5, 0, 1000);
    (void)look(s, 1000);
    clear(s);
    (void)look(s, 2000);
    assert_string_equal(look(s, 12000), "CLOSED 1");
    cut(s, 5, 0, 60000);
    assert_string_equal(look(s, 60000), "REOPENED 1");
    assert_int_equal(incident(s, 1)->count, 2);
    assert_int_equal(incident_times(incident(s, 1)).recover_ms, -1);
    clear(s);
    (void)look(s, 70000);
    assert_string_equal(look(s, 90000), "CLOSED 1");
    cut(s, 5, 0, 90000 + params.return_ms + 1);
    assert_string_equal(look(s, 90000 + params.return_ms + 1), "OPENED 2");
}

static void rule_6_flapping_is_one_incident(void **state)
{
    struct setup *s = *state;
    int64_t now = 1000;

    /* Up for longer and longer than the quiet that closes it at first. */
    for (unsigned turn = 0; turn < 20; turn++) {
        cut(s, 5, 0, now);
        (void)look(s, now);
        clear(s);
        now += 1000;
        (void)look(s, now);
        now += turn < 3 ? 9000 : 30000;
        assert_string_equal(look(s, now), "");
    }
    assert_int_equal(incidents_count(s->list), 1);
    assert_int_equal(incident(s, 1)->count, 20);
    assert_true(incident_is_open(incident(s, 1)));
    /* Doubled damp_max times at most, so it does end. */
    now += params.quiet_ms << params.damp_max;
    assert_string_equal(look(s, now), "CLOSED 1");
}

static void rule_7_no_news_of_wobbles(void **state)
{
    struct setup *s = *state;

    cut(s, 5, 0, 1000);
    (void)look(s, 1000);
    say(s, SYMPTOM_LINK_ERRORS, s->pf.symptoms[0].number, 1100);
    assert_string_equal(look(s, 1100), "");
    s->pf.symptoms[0].severity = SEVERITY_FATAL;
    assert_string_equal(look(s, 1200), "UPDATED 1");
    assert_int_equal(incident(s, 1)->severity, SEVERITY_FATAL);
    s->pf.symptoms[0].severity = SEVERITY_DEGRADED;
    assert_string_equal(look(s, 1300), "");
    assert_int_equal(incident(s, 1)->severity, SEVERITY_FATAL);
}

static void rule_8_the_old_are_forgotten(void **state)
{
    struct setup *s = *state;

    for (unsigned i = 0; i < INCIDENTS_CLOSED_KEPT + 2; i++) {
        struct incident *old = xcalloc(1, sizeof *old);
        old->id = new_id(s);
        old->opened.ms = 1;
        old->closed.ms = i == 0 ? 0 : 2; /* the first is open still */
        old->gone.ms = i == 0 ? 1000 : 0;
        old->count = 1;
        (void)snprintf(old->part, sizeof old->part, "x%u", i);
        incidents_add(s->list, old);
    }
    assert_string_equal(look(s, 1000), "FORGOTTEN 2");
    assert_int_equal(incidents_count(s->list), INCIDENTS_CLOSED_KEPT + 1);
    assert_non_null(incident(s, 1));
    assert_null(incident(s, 2));
    assert_non_null(incident(s, 3));
}

static void episodes_of_one_part_are_one_incident(void **state)
{
    struct setup *s = *state;

    pod_break(&s->pf, RISK_OCS, 12, 1);
    pod_observe(&s->pf, (struct wall_ms){100000}, &(struct pod_noise){0});
    for (size_t i = 0; i < s->pf.n_symptoms; i += 2) {
        s->pf.symptoms[i].first.ms -= 50000;
    }
    assert_string_equal(look(s, 101000), "OPENED 1");
    assert_int_equal(incident(s, 1)->began.ms / 1000, 50);
    assert_string_equal(look(s, 102000), "");
    assert_int_equal(incidents_count(s->list), 1);
}

static void actions_and_times_are_kept(void **state)
{
    struct setup *s = *state;
    char text[40];

    cut(s, 5, 0, 1000);
    (void)look(s, 1010);
    struct incident *i = incidents_find(s->list, (struct id){1, 1});
    assert_true(incident_touches(i, (struct id){1, 99}));
    assert_false(incident_touches(i, (struct id){1, 99}));
    assert_int_equal(i->n_slices, 1);
    for (unsigned k = 0; k < INCIDENT_ACTIONS + 3; k++) {
        (void)snprintf(text, sizeof text, "action %u", k);
        incident_act(i, (struct wall_ms){1015 + k}, text);
    }
    assert_int_equal(i->n_actions, INCIDENT_ACTIONS);
    assert_string_equal(i->actions[0].text, "action 3");
    incident_recover(i, (struct wall_ms){1100});
    incident_recover(i, (struct wall_ms){2000});
    struct incident_times times = incident_times(i);
    assert_int_equal(times.detect_ms, 10);
    assert_int_equal(times.decide_ms, 5);
    assert_int_equal(times.recover_ms, 90);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rule_1_and_3_one_cause_one_incident),
        TEST(rule_2_understood_better),
        TEST(rule_4_gone_is_over_after_a_while),
        TEST(rule_5_what_comes_back_is_the_same),
        TEST(rule_4_a_clock_that_was_set_back_holds_nothing_up),
        TEST(rule_6_flapping_is_one_incident),
        TEST(rule_7_no_news_of_wobbles),
        TEST(rule_8_the_old_are_forgotten),
        TEST(episodes_of_one_part_are_one_incident),
        TEST(actions_and_times_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
