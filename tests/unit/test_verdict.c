/* healthd/verdict.c: a row for each of its 25 rules, then what holds for all:
 * down fast, up slow, flaps damped, the unknown heals nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "healthd/verdict.h"
#include "mem.h"

enum { STEP_MS = 500, SEEN_MAX = 64 };
static const int64_t WALL_MS = INT64_C(1750000000000);

struct fixture {
    struct judge *judge;
    int64_t ms;
    struct reading reading[PROBE_CLASSES];
    struct seen {
        int64_t ms;
        struct finding finding;
    } seen[SEEN_MAX];
    size_t n_seen;
};

static void see(void *arg, size_t host, const struct finding *finding)
{
    struct fixture *f = arg;

    assert_int_equal(host, 0);
    assert_true(f->n_seen < SEEN_MAX);
    f->seen[f->n_seen++] = (struct seen){f->ms, *finding};
}

static struct now now_of(const struct fixture *f)
{
    return (struct now){.mono = {f->ms * 1000000}, .wall = {WALL_MS + f->ms}};
}

/* Sound hardware: sensors in the middle, counters at rest, but the heartbeat. */
static void fixture_init(struct fixture *f)
{
    static const struct {
        enum metric metric;
        double value;
    } sound[] = {
        {METRIC_CHIP_PRESENT, 1}, {METRIC_CHIP_TEMPERATURE, 60}, {METRIC_PCIE_WIDTH, 100},
        {METRIC_PCIE_SPEED, 100}, {METRIC_HOST_TEMPERATURE, 45}, {METRIC_LINK_LIGHT, -0.3},
    };

    *f = (struct fixture){.ms = 1000000};
    f->judge = judge_create(&policy_default, 1, see, f);
    memset(f->reading, 0, sizeof f->reading);
    for (size_t i = 0; i < ARRAY_LEN(sound); i++) {
        enum probe_class class = metric_info(sound[i].metric)->class;
        for (unsigned part = 0; part < finding_parts(class_scope(class)); part++) {
            *reading_at(&f->reading[class], part, sound[i].metric) = sound[i].value;
        }
    }
}

static void fixture_fini(struct fixture *f)
{
    judge_destroy(f->judge);
}

static double *value(struct fixture *f, enum metric metric, unsigned part)
{
    return reading_at(&f->reading[metric_info(metric)->class], part, metric);
}

static bool heart_stands; /* of part 1 */

/* Time passes; the chips' hearts beat. */
static void pass(struct fixture *f, int64_t ms)
{
    for (int64_t end = f->ms + ms; f->ms < end;) {
        f->ms += STEP_MS;
        for (unsigned k = 0; k < 4; k++) {
            *value(f, METRIC_CHIP_HEARTBEAT, k) += heart_stands && k == 1 ? 0 : 50;
        }
        for (unsigned class = 0; class < PROBE_CLASSES; class ++) {
            judge_reading(f->judge, 0, (enum probe_class) class, &f->reading[class], now_of(f));
        }
    }
}

/* ------------------------------------------------------------ the rules -- */

#define S   1000
#define MIN (60 * S)

/* What part 1 (the host: 0) shows: `bad` is enough, `good` is not.  Counters get
 * as much at once.  Raised within `after_ms`. */
static const struct row {
    const char *check;
    enum metric metric;
    enum severity severity;
    double bad, good;
    int64_t after_ms;
} rows[RULES] = {
    {"accelerator-missing", METRIC_CHIP_PRESENT, SEVERITY_FATAL, 0, 1, 3 * S},
    {"hbm-uncorrectable", METRIC_HBM_UNCORRECTABLE, SEVERITY_SEVERE, 1, 0, S},
    {"hbm-correctable", METRIC_HBM_CORRECTABLE, SEVERITY_DEGRADED, 60, 59, S},
    {"hbm-correctable-storm", METRIC_HBM_CORRECTABLE, SEVERITY_SEVERE, 10000, 9999, S},
    {"hot", METRIC_CHIP_TEMPERATURE, SEVERITY_DEGRADED, 91, 90, 6 * S},
    {"overheated", METRIC_CHIP_TEMPERATURE, SEVERITY_SEVERE, 106, 105, 3 * S},
    {"throttled", METRIC_CHIP_THROTTLED, SEVERITY_DEGRADED, 6000, 5999, S},
    {"hung", METRIC_CHIP_HEARTBEAT, SEVERITY_SEVERE, 0, 0, 6 * S},
    {"slow-chip", METRIC_CHIP_STEP, SEVERITY_DEGRADED, SLOW_SLOW, SLOW_BETWEEN, 31 * S},
    {"pcie-correctable", METRIC_PCIE_CORRECTABLE, SEVERITY_INFO, 1000, 999, S},
    {"pcie-uncorrectable", METRIC_PCIE_UNCORRECTABLE, SEVERITY_SEVERE, 1, 0, S},
    {"pcie-width", METRIC_PCIE_WIDTH, SEVERITY_DEGRADED, 50, 100, 3 * S},
    {"pcie-speed", METRIC_PCIE_SPEED, SEVERITY_DEGRADED, 50, 100, 3 * S},
    {"memory-correctable", METRIC_MEMORY_CORRECTABLE, SEVERITY_INFO, 1000, 999, S},
    {"memory-uncorrectable", METRIC_MEMORY_UNCORRECTABLE, SEVERITY_SEVERE, 1, 0, S},
    {"host-hot", METRIC_HOST_TEMPERATURE, SEVERITY_DEGRADED, 86, 85, 11 * S},
    {"power-alarm", METRIC_POWER_ALARMS, SEVERITY_DEGRADED, 1, 0, 6 * S},
    {"driver-errors", METRIC_DRIVER_ERRORS, SEVERITY_DEGRADED, 3, 2, S},
    {"kernel-errors", METRIC_KERNEL_ERRORS, SEVERITY_INFO, 10, 9, S},
    {"link-crc", METRIC_LINK_CRC, SEVERITY_DEGRADED, 10, 9, S},
    {"link-crc-storm", METRIC_LINK_CRC, SEVERITY_SEVERE, 10000, 9999, S},
    {"link-fec", METRIC_LINK_FEC, SEVERITY_DEGRADED, 1e6, 999999, S},
    {"link-retraining", METRIC_LINK_RETRAINS, SEVERITY_DEGRADED, 3, 2, S},
    {"low-light", METRIC_LINK_LIGHT, SEVERITY_DEGRADED, -8.5, -8, 4 * S},
    {"slow-link", METRIC_LINK_RATE, SEVERITY_DEGRADED, SLOW_SLOW, SLOW_BETWEEN, 31 * S},
};

static unsigned part_of(const struct row *row)
{
    return metric_info(row->metric)->class == PROBE_HOST ? 0 : 1;
}

static void pass_slow(struct fixture *f, const struct row *row, enum slowness slowness, int64_t ms)
{
    for (int64_t end = f->ms + ms; f->ms < end; f->ms += STEP_MS) {
        judge_slowness(f->judge, 0, row->metric, part_of(row), slowness, "slow", now_of(f));
    }
}

static void show(struct fixture *f, const struct rule *rule, const struct row *row, bool bad,
                 int64_t ms)
{
    double *v = value(f, row->metric, part_of(row));

    switch (rule->kind) {
    case RULE_COUNT:
        *v += bad ? row->bad : row->good;
        break;
    case RULE_ABOVE:
    case RULE_BELOW:
        *v = bad ? row->bad : row->good;
        break;
    case RULE_STUCK:
        heart_stands = bad;
        break;
    case RULE_SLOW:
        pass_slow(f, row, (enum slowness)(bad ? row->bad : row->good), ms);
        return;
    }
    pass(f, ms);
    heart_stands = false;
}

static const struct seen *seen_of(const struct fixture *f, const char *check)
{
    for (size_t i = f->n_seen; i-- > 0;) {
        if (strcmp(f->seen[i].finding.check, check) == 0) {
            return &f->seen[i];
        }
    }
    return NULL;
}

static void each_rule_has_its_row(void **state)
{
    (void)state;
    for (size_t r = 0; r < RULES; r++) {
        const struct rule *rule = &policy_default.rules[r];
        const struct row *row = &rows[r];
        struct fixture f;
        assert_string_equal(rule->name, row->check);
        fixture_init(&f);
        pass(&f, 2 * S); /* counters have a past */
        show(&f, rule, row, false, 2 * row->after_ms);
        if (seen_of(&f, row->check) != NULL) {
            fail_msg("%s: raised below its limit", row->check);
        }
        fixture_fini(&f);
        fixture_init(&f);
        pass(&f, 2 * S);
        int64_t began_ms = f.ms;
        show(&f, rule, row, true, row->after_ms);
        const struct seen *seen = seen_of(&f, row->check);
        if (seen == NULL) {
            fail_msg("%s: not raised", row->check);
            return;
        }
        assert_int_equal(seen->finding.severity, row->severity);
        assert_int_equal(seen->finding.scope, class_scope(metric_info(row->metric)->class));
        assert_int_equal(seen->finding.index, part_of(row));
        assert_true(seen->ms - began_ms <= row->after_ms);
        assert_true(strlen(seen->finding.text) > 0);
        fixture_fini(&f);
    }
}

static void sound_hardware_is_let_alone(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    pass(&f, 60 * MIN);
    assert_int_equal(f.n_seen, 0);
    fixture_fini(&f);
}

/* ---------------------------------------------------- what holds for all -- */

static void down_fast_up_slow(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    *value(&f, METRIC_CHIP_TEMPERATURE, 2) = 95;
    pass(&f, 6 * S);
    assert_int_equal(f.n_seen, 1);
    *value(&f, METRIC_CHIP_TEMPERATURE, 2) = 88; /* below the limit, not fine yet */
    pass(&f, 10 * MIN);
    assert_int_equal(f.n_seen, 1);
    *value(&f, METRIC_CHIP_TEMPERATURE, 2) = 60;
    pass(&f, MIN - S);
    assert_int_equal(f.n_seen, 1);
    pass(&f, 2 * S);
    assert_int_equal(f.n_seen, 2);
    assert_int_equal(f.seen[1].finding.severity, SEVERITY_OK);
    assert_string_equal(f.seen[1].finding.check, "hot");
    fixture_fini(&f);
}

static void the_unknown_heals_nothing_and_raises_nothing(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    *value(&f, METRIC_LINK_LIGHT, 5) = -9;
    pass(&f, 5 * S);
    assert_int_equal(f.n_seen, 1);
    for (unsigned class = 0; class < PROBE_CLASSES; class ++) {
        reading_clear(&f.reading[class]); /* everything is unknown */
    }
    pass(&f, 60 * MIN);
    assert_int_equal(f.n_seen, 1);
    fixture_fini(&f);
}

/* Raises and heals as fast as the clear time lets it; returns when it healed, or
 * 0 if it did not within two hours. */
static int64_t flap(struct fixture *f)
{
    size_t before = f->n_seen;

    *value(f, METRIC_LINK_LIGHT, 5) = -9;
    pass(f, 4 * S);
    *value(f, METRIC_LINK_LIGHT, 5) = -0.3;
    for (int64_t end = f->ms + 120 * MIN; f->ms < end && f->n_seen < before + 2;) {
        pass(f, S);
    }
    return f->n_seen == before + 2 ? f->ms : 0;
}

static void what_flaps_is_damped(void **state)
{
    struct fixture f;
    int64_t last_ms;

    (void)state;
    fixture_init(&f);
    for (unsigned i = 0; i < 3; i++) {
        last_ms = f.ms;
        assert_in_range(flap(&f) - last_ms, MIN, MIN + 6 * S); /* the clear time alone */
    }
    last_ms = f.ms;
    assert_true(flap(&f) - last_ms > 20 * MIN); /* the fourth is held */
    assert_non_null(strstr(f.seen[6].finding.text, "flaps"));
    assert_int_equal(f.n_seen, 8);
    last_ms = f.ms;
    assert_in_range(flap(&f) - last_ms, MIN, MIN + 6 * S); /* and forgiven */
    fixture_fini(&f);
}

static void keep(void *arg, size_t host, const struct raised *raised)
{
    struct raised *out = arg;

    assert_int_equal(host, 0);
    *out = *raised;
}

static void what_is_raised_outlives_the_judge(void **state)
{
    struct fixture f, g;
    struct raised raised = {.check = NULL};

    (void)state;
    fixture_init(&f);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(flap(&f) != 0);
    }
    *value(&f, METRIC_LINK_LIGHT, 5) = -9;
    pass(&f, 4 * S);
    judge_each_raised(f.judge, now_of(&f), keep, &raised);
    assert_string_equal(raised.check, "low-light");
    assert_true(raised.damped);
    fixture_init(&g);
    assert_true(judge_restore(g.judge, 0, &raised, now_of(&g)));
    pass(&g, 5 * MIN);
    assert_int_equal(g.n_seen, 0); /* neither told again nor cleared: it is damped */
    pass(&g, 60 * MIN);
    assert_int_equal(g.n_seen, 1);
    assert_int_equal(g.seen[0].finding.severity, SEVERITY_OK);
    raised.check = "no-such-rule";
    assert_false(judge_restore(g.judge, 0, &raised, now_of(&g)));
    fixture_fini(&f);
    fixture_fini(&g);
}

/* The window is as full as it was at the raise, at least. */
static void lost_data_is_not_forgiven_by_a_restart(void **state)
{
    struct raised raised = {.scope = SCOPE_CHIP,
                            .index = 1,
                            .check = "hbm-uncorrectable",
                            .since = {WALL_MS},
                            .penalty = 1000};
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_true(judge_restore(f.judge, 0, &raised, now_of(&f)));
    pass(&f, 50 * MIN);
    assert_int_equal(f.n_seen, 0);
    pass(&f, 15 * MIN);
    assert_int_equal(f.n_seen, 1);
    fixture_fini(&f);
}

static void give(void *arg, size_t host, const struct counted *counted)
{
    judge_restore_counter(arg, host, counted);
}

static void what_came_while_nobody_looked_is_found(void **state)
{
    struct fixture f, g;

    (void)state;
    fixture_init(&f);
    pass(&f, 2 * S);
    fixture_init(&g);
    judge_each_counter(f.judge, give, g.judge);
    *value(&g, METRIC_HBM_UNCORRECTABLE, 1) += 1;
    *value(&g, METRIC_HBM_CORRECTABLE, 2) += 1000; /* its past is not kept */
    pass(&g, S);
    assert_int_equal(g.n_seen, 1);
    assert_string_equal(g.seen[0].finding.check, "hbm-uncorrectable");
    fixture_fini(&f);
    fixture_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_has_its_row),
        cmocka_unit_test(sound_hardware_is_let_alone),
        cmocka_unit_test(down_fast_up_slow),
        cmocka_unit_test(the_unknown_heals_nothing_and_raises_nothing),
        cmocka_unit_test(what_flaps_is_damped),
        cmocka_unit_test(what_is_raised_outlives_the_judge),
        cmocka_unit_test(lost_data_is_not_forgiven_by_a_restart),
        cmocka_unit_test(what_came_while_nobody_looked_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
