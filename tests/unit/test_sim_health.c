/* simulator/health_device.c and health_faults.c: sound hardware is quiet, each
 * fault shows in its own metric and in no other, and heals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "probe.pb-c.h"
#include "sim_fixture.h"
#include "simulator/health_device.h"

enum { HOST = 16 + 3, CHIP_METRICS = 7, LINK_METRICS = 5 };

/* What a reading's place is, for host/1-3; its chip 0 is chip/1-2-2-0. */
static double read_at(struct sim_fixture *f, unsigned class, size_t place)
{
    double values[SIM_READING_MAX];
    uint64_t incarnation;
    size_t n = sim_read(f->w, HOST, class, values, &incarnation);

    assert_true(place < n);
    return values[place];
}

static const struct row {
    const char *kind, *target, *key, *value;
    unsigned class;
    size_t place;
    double least, most; /* in a minute for counters, at its end for sensors */
    bool counter;
} rows[] = {
#define CHIP0(metric) WIRE__PROBE_CLASS__PROBE_CHIPS, WIRE__PROBE_CHIP_METRIC__CHIP_##metric
#define LINK0(metric) WIRE__PROBE_CLASS__PROBE_LINKS, WIRE__PROBE_LINK_METRIC__LINK_##metric
#define HOST0(metric) WIRE__PROBE_CLASS__PROBE_HOST, WIRE__PROBE_HOST_METRIC__HOST_##metric
    {"hbm-ce", "chip/1-2-2-0", "rate", "10", CHIP0(HBM_CORRECTABLE), 450, 750, true},
    {"hbm-ue", "chip/1-2-2-0", NULL, NULL, CHIP0(HBM_UNCORRECTABLE), 30, 100, true},
    {"hot", "chip/1-2-2-0", "celsius", "50", CHIP0(TEMPERATURE), 100, 120, false},
    {"throttle", "chip/1-2-2-0", NULL, NULL, CHIP0(THROTTLED), 29990, 30010, true},
    {"hang", "chip/1-2-2-0", NULL, NULL, CHIP0(HEARTBEAT), 0, 0, true},
    {"slow-chip", "chip/1-2-2-0", "factor", "2", CHIP0(STEP), 1900, 2100, false},
    {"chip", "chip/1-2-2-0", NULL, NULL, CHIP0(PRESENT), 0, 0, false},
    {"crc", "link/1-2-2-0+x", NULL, NULL, LINK0(CRC), 5500, 6500, true},
    {"fec", "link/1-2-2-0+x", NULL, NULL, LINK0(FEC), 59e6, 61e6, true},
    {"retrain", "link/1-2-2-0+x", NULL, NULL, LINK0(RETRAINS), 30, 100, true},
    {"slow-link", "link/1-2-2-0+x", "factor", "2", LINK0(RATE), 190, 210, false},
    {"pcie-ce", "host/1-3", NULL, NULL, HOST0(PCIE_CORRECTABLE), 5500, 6500, true},
    {"pcie-ue", "host/1-3", NULL, NULL, HOST0(PCIE_UNCORRECTABLE), 30, 100, true},
    {"pcie-degraded", "host/1-3", NULL, NULL, HOST0(PCIE_WIDTH), 50, 50, false},
    {"memory-ce", "host/1-3", NULL, NULL, HOST0(MEMORY_CORRECTABLE), 5500, 6500, true},
    {"memory-ue", "host/1-3", NULL, NULL, HOST0(MEMORY_UNCORRECTABLE), 30, 100, true},
    {"hot-host", "host/1-3", NULL, NULL, HOST0(TEMPERATURE), 85, 105, false},
    {"power-alarm", "host/1-3", NULL, NULL, HOST0(POWER_ALARMS), 1, 1, false},
    {"driver-errors", "host/1-3", NULL, NULL, HOST0(DRIVER_ERRORS), 30, 100, true},
    {"kernel-errors", "host/1-3", NULL, NULL, HOST0(KERNEL_ERRORS), 30, 100, true},
};

static double shown(struct sim_fixture *f, const struct row *row)
{
    double before = read_at(f, row->class, row->place);

    sim_pass_ms(f, 60000);
    double after = read_at(f, row->class, row->place);
    if (row->counter && after < before) {
        after += 4294967296.0; /* it wrapped */
    }
    return row->counter ? after - before : after;
}

static void each_fault_shows_and_heals(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct sim_fixture f;
        sim_fixture_init(&f, 2, 1);
        double sound = shown(&f, row);
        assert_false(sound >= row->least && sound <= row->most);
        assert_int_equal(sim_break(&f, row->kind, row->target, row->key, row->value), 0);
        double sick = shown(&f, row);
        if (!(sick >= row->least && sick <= row->most)) {
            fail_msg("%s shows %g", row->kind, sick);
        }
        assert_int_equal(sim_heal(&f, row->target), 1);
        double healed = shown(&f, row);
        assert_false(healed >= row->least && healed <= row->most);
        sim_fixture_fini(&f);
    }
}

/* A day of a cube without a fault. */
static void sound_hardware_is_quiet(void **state)
{
    struct sim_fixture f;
    double before[SIM_READING_MAX], after[SIM_READING_MAX];
    uint64_t incarnation;

    (void)state;
    sim_fixture_init(&f, 2, 3);
    for (unsigned class = 0; class < 3; class ++) {
        size_t n = sim_read(f.w, HOST, class, before, &incarnation);
        sim_pass_ms(&f, 24 * 3600 * 1000);
        assert_int_equal(sim_read(f.w, HOST, class, after, &incarnation), n);
    }
    for (size_t l = 0; l < SIM_HOST_LINKS; l++) { /* the class read last */
        size_t at = l * LINK_METRICS;
        assert_true(after[at + WIRE__PROBE_LINK_METRIC__LINK_CRC] <= 5);
        assert_true(after[at + WIRE__PROBE_LINK_METRIC__LINK_RETRAINS] == 0);
        assert_true(isnan(after[at + WIRE__PROBE_LINK_METRIC__LINK_LIGHT])); /* no circuit */
    }
    sim_fixture_fini(&f);
}

/* Light: unknown on copper and without a circuit, about -0.3 dBm with one. */
static void light_needs_a_circuit(void **state)
{
    enum { PORT_PLUS_X = 0, CHIP_AT_THE_FACE = 1 }; /* chip/1-3-2-0 */
    struct sim_fixture f;
    size_t place =
        (CHIP_AT_THE_FACE * 6 + PORT_PLUS_X) * LINK_METRICS + WIRE__PROBE_LINK_METRIC__LINK_LIGHT;

    (void)state;
    sim_fixture_init(&f, 2, 1);
    assert_true(isnan(read_at(&f, WIRE__PROBE_CLASS__PROBE_LINKS, place)));
    sim_join(&f, 0, 1, 1);
    double dbm = read_at(&f, WIRE__PROBE_CLASS__PROBE_LINKS, place);
    assert_true(dbm > -1.5 && dbm < 0.8);
    assert_int_equal(sim_break(&f, "low-light", "link/1-3-2-0+x", NULL, NULL), 0);
    assert_true(read_at(&f, WIRE__PROBE_CLASS__PROBE_LINKS, place) < dbm - 9);
    assert_int_equal(sim_break(&f, "loss", "port/2-n-1", "db", "2"), 0);
    assert_true(read_at(&f, WIRE__PROBE_CLASS__PROBE_LINKS, place) < dbm - 11);
    sim_fixture_fini(&f);
}

static void a_silent_host_says_nothing_and_lets_nobody_in(void **state)
{
    struct sim_fixture f;
    double values[SIM_READING_MAX];
    uint64_t incarnation, value;

    (void)state;
    sim_fixture_init(&f, 2, 1);
    assert_true(sim_compute(f.w, sim_chip("chip/1-2-2-0"), 1, 1, &value));
    assert_int_equal(sim_break(&f, "host-dead", "host/1-3", NULL, NULL), 0);
    assert_int_equal(sim_read(f.w, HOST, 0, values, &incarnation), 0);
    assert_true(sim_host_is_silent(f.w, sim_host_of(sim_chip("chip/1-2-2-0"))));
    assert_string_equal(sim_sees(&f, "link/1-1-2-0+x"), "link/1-2-2-0-x"); /* it forwards */
    assert_false(sim_compute(f.w, sim_chip("chip/1-2-2-0"), 1, 1, &value));
    sim_fixture_fini(&f);
}

static void counters_start_anew_with_the_driver(void **state)
{
    struct sim_fixture f;
    double values[SIM_READING_MAX];
    uint64_t before, after;

    (void)state;
    sim_fixture_init(&f, 2, 1);
    (void)sim_read(f.w, HOST, WIRE__PROBE_CLASS__PROBE_LINKS, values, &before);
    assert_true(values[WIRE__PROBE_LINK_METRIC__LINK_FEC] > 0);
    assert_int_equal(sim_break(&f, "counter-reset", "host/1-3", NULL, NULL), 0);
    (void)sim_read(f.w, HOST, WIRE__PROBE_CLASS__PROBE_LINKS, values, &after);
    assert_true(values[WIRE__PROBE_LINK_METRIC__LINK_FEC] == 0);
    assert_true(before != after);
    sim_fixture_fini(&f);
}

/* Who else is read does not matter, and the same seed is the same story. */
static void hosts_draw_from_streams_of_their_own(void **state)
{
    struct sim_fixture f, g;
    double one[SIM_READING_MAX], other[SIM_READING_MAX], unused[SIM_READING_MAX];
    uint64_t incarnation;

    (void)state;
    sim_fixture_init(&f, 2, 9);
    sim_fixture_init(&g, 2, 9);
    for (unsigned i = 0; i < 10; i++) {
        sim_pass_ms(&f, 1000);
        sim_pass_ms(&g, 1000);
        (void)sim_read(g.w, HOST - 1, 0, unused, &incarnation);
        size_t n = sim_read(f.w, HOST, 0, one, &incarnation);
        assert_int_equal(sim_read(g.w, HOST, 0, other, &incarnation), n);
        assert_memory_equal(one, other, n * sizeof *one);
    }
    sim_fixture_fini(&f);
    sim_fixture_fini(&g);
}

/* A fault that came and went between two readings has left its mark. */
static void what_came_and_went_was_counted(void **state)
{
    struct sim_fixture f;

    (void)state;
    sim_fixture_init(&f, 2, 1);
    double before = read_at(&f, CHIP0(HBM_UNCORRECTABLE));
    assert_int_equal(sim_break(&f, "hbm-ue", "chip/1-2-2-0", "rate", "100"), 0);
    sim_pass_ms(&f, 1000);
    assert_int_equal(sim_heal(&f, "chip/1-2-2-0"), 1);
    sim_pass_ms(&f, 1000);
    assert_true(read_at(&f, CHIP0(HBM_UNCORRECTABLE)) > before + 50);
    sim_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_shows_and_heals),
        cmocka_unit_test(sound_hardware_is_quiet),
        cmocka_unit_test(light_needs_a_circuit),
        cmocka_unit_test(a_silent_host_says_nothing_and_lets_nobody_in),
        cmocka_unit_test(counters_start_anew_with_the_driver),
        cmocka_unit_test(hosts_draw_from_streams_of_their_own),
        cmocka_unit_test(what_came_and_went_was_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
