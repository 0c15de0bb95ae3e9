/* The probe seam, run against each implementation: sysfs on a tree of files, and
 * podsim over its socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "healthd/probe.h"
#include "mem.h"
#include "simulator/health_device.h"
#include "tests/unit/podsim_fixture.h"
#include "tests/unit/sysfs_fixture.h"

enum { READS_MAX = 64 };

struct fixture {
    struct podsim_fixture podsim; /* its loop serves both */
#define loop      podsim.loop
#define timed_out podsim.timed_out
    struct sysfs_fixture tree;
    struct probe *probe;
    void (*make_sick)(struct fixture *f); /* chip 1 of host 0 has an uncorrectable error */
    void (*lose_chip)(struct fixture *f); /* chip 1 of host 0 */
    struct got {
        uint16_t host;
        enum probe_class class;
        bool answered;
        struct reading reading;
    } got[READS_MAX];
    size_t n_got;
};

static void on_reading(void *arg, uint16_t host, enum probe_class class,
                       const struct reading *reading)
{
    struct fixture *f = arg;

    assert_true(f->n_got < READS_MAX);
    struct got *got = &f->got[f->n_got++];
    *got = (struct got){.host = host, .class = class, .answered = reading != NULL};
    if (reading != NULL) {
        got->reading = *reading;
    }
}

static void read_one(struct fixture *f, uint16_t host, enum probe_class class)
{
    f->n_got = 0;
    f->probe->ops->read(f->probe, host, class, on_reading, f);
    f->probe->ops->flush(f->probe);
    LOOP_UNTIL(f, f->n_got == 1);
}

static double value(struct fixture *f, enum metric metric, unsigned part)
{
    read_one(f, 0, metric_info(metric)->class);
    assert_true(f->got[0].answered);
    return *reading_at(&f->got[0].reading, part, metric);
}

/* ------------------------------------------------------ implementations -- */

static void sysfs_sick(struct fixture *f)
{
    sysfs_fixture_write(&f->tree, "sys/devices/pci0000:00/0000:02:00.0/hbm_ue_count", "9\n");
}

static void sysfs_lose(struct fixture *f)
{
    sysfs_fixture_remove(&f->tree, "sys/class/accel/accel1");
}

static void break_it(struct fixture *f, const char *kind, const char *target)
{
    assert_int_equal(sim_break(&f->podsim.sim, kind, target, NULL, NULL), 0);
}

static void podsim_sick(struct fixture *f)
{
    struct sim_chip_ills *ills = sim_chip_ills(f->podsim.sim.w, 1);
    ills->uncorrectable_rate = 1e6; /* enough for the next turn of the loop */
}

static void podsim_lose(struct fixture *f)
{
    break_it(f, "chip", "chip/0-1-0-0");
}

static int setup_sysfs(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct error err;

    podsim_fixture_init(&f->podsim, 1);
    sysfs_fixture_init(&f->tree);
    sysfs_fixture_sound(&f->tree);
    assert_int_equal(sysfs_probe_create(&f->probe, f->tree.root, "accel", &err), 0);
    f->make_sick = sysfs_sick;
    f->lose_chip = sysfs_lose;
    *state = f;
    return 0;
}

static int setup_podsim(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct error err;

    podsim_fixture_init(&f->podsim, 1);
    assert_int_equal(
        podsim_probe_create(&f->probe, &f->loop, "test", f->podsim.sim.config.probe_url, &err), 0);
    LOOP_UNTIL(f, f->probe->ready);
    f->make_sick = podsim_sick;
    f->lose_chip = podsim_lose;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->probe->ops->destroy(f->probe);
    podsim_fixture_fini(&f->podsim);
    if (f->tree.root[0] != '\0') {
        sysfs_fixture_fini(&f->tree);
    }
    free(f);
    return 0;
}

/* -------------------------------------------------------------- contract -- */

static void each_read_is_answered_once(void **state)
{
    struct fixture *f = *state;

    for (unsigned class = 0; class < PROBE_CLASSES; class ++) {
        f->probe->ops->read(f->probe, 0, (enum probe_class) class, on_reading, f);
        f->probe->ops->read(f->probe, 0, (enum probe_class) class, on_reading, f);
    }
    f->probe->ops->flush(f->probe);
    f->probe->ops->flush(f->probe); /* of nothing */
    LOOP_UNTIL(f, f->n_got == 2 * PROBE_CLASSES);
    for (size_t i = 0; i < f->n_got; i++) {
        assert_true(f->got[i].answered);
        assert_int_equal(f->got[i].host, 0);
        assert_int_equal(f->got[i].class, i / 2);
    }
}

static void values_are_sensible_or_unknown(void **state)
{
    struct fixture *f = *state;

    for (unsigned m = 0; m < N_METRICS; m++) {
        const struct metric_info *info = metric_info((enum metric)m);
        for (unsigned part = 0; part < finding_parts(class_scope(info->class)); part++) {
            double v = value(f, (enum metric)m, part);
            assert_true(isnan(v) || fabs(v) < 1e15);
            assert_true(info->kind == METRIC_GAUGE || isnan(v) || v >= 0);
            assert_true(info->kind != METRIC_COUNTER_32 || isnan(v) || v < 4294967296.0);
        }
    }
    assert_true(f->got[0].reading.incarnation != 0);
}

static void an_error_is_counted(void **state)
{
    struct fixture *f = *state;
    double before = value(f, METRIC_HBM_UNCORRECTABLE, 1);
    double other = value(f, METRIC_HBM_UNCORRECTABLE, 2);

    f->make_sick(f);
    assert_true(value(f, METRIC_HBM_UNCORRECTABLE, 1) > before);
    assert_true(value(f, METRIC_HBM_UNCORRECTABLE, 2) == other);
}

static void a_lost_chip_is_absent_and_else_unknown(void **state)
{
    struct fixture *f = *state;

    assert_true(value(f, METRIC_CHIP_PRESENT, 1) == 1);
    f->lose_chip(f);
    assert_true(value(f, METRIC_CHIP_PRESENT, 1) == 0);
    assert_true(isnan(value(f, METRIC_CHIP_TEMPERATURE, 1)));
    assert_true(isnan(value(f, METRIC_LINK_CRC, 6)));
    assert_true(!isnan(value(f, METRIC_CHIP_TEMPERATURE, 2)));
}

/* Beyond the contract: podsim stands for many hosts, and some are dead. */
static void podsim_has_many_hosts(void **state)
{
    struct fixture *f = *state;

    break_it(f, "host-dead", "host/0-5");
    for (uint16_t host = 0; host < 20; host++) { /* there are 16 */
        f->probe->ops->read(f->probe, host, PROBE_HOST, on_reading, f);
    }
    f->probe->ops->flush(f->probe);
    LOOP_UNTIL(f, f->n_got == 20);
    for (uint16_t host = 0; host < 20; host++) {
        assert_int_equal(f->got[host].host, host);
        assert_int_equal(f->got[host].answered, host != 5 && host < 16);
    }
}

static void on_results(void *arg, const struct probe_result *results, size_t n)
{
    struct fixture *f = arg;

    assert_int_equal(n, 2);
    assert_true(results[0].answered && results[0].value == probe_expected(3, 77, 64));
    assert_true(results[1].answered && results[1].value != probe_expected(4, 77, 64));
    f->n_got = 1;
}

static void on_deliveries(void *arg, const struct probe_delivery *deliveries, size_t n)
{
    struct fixture *f = arg;

    assert_int_equal(n, 1);
    assert_false(deliveries[0].delivered); /* no tables are installed */
    assert_non_null(strstr(deliveries[0].text, "chip/0-3-0-0: it has no table"));
    f->n_got = 2;
}

static void podsim_computes_and_sends(void **state)
{
    static const uint32_t chips[] = {3, 4};
    struct fixture *f = *state;

    break_it(f, "wrong-result", "chip/0-0-1-0");
    f->probe->ops->compute(f->probe, chips, 2, 77, 64, on_results, f);
    LOOP_UNTIL(f, f->n_got == 1);
    f->probe->ops->transfer(f->probe, &chips[0], &chips[1], 1, 77, on_deliveries, f);
    LOOP_UNTIL(f, f->n_got == 2);
}

/* An end in the middle of it all leaves nobody waiting. */
static void what_is_under_way_ends_with_the_probe(void **state)
{
    struct fixture *f = *state;
    struct error err;

    f->probe->ops->read(f->probe, 0, PROBE_LINKS, on_reading, f);
    f->probe->ops->flush(f->probe);
    f->probe->ops->read(f->probe, 0, PROBE_HOST, on_reading, f); /* not flushed */
    f->probe->ops->destroy(f->probe);
    assert_int_equal(f->n_got, 2);
    assert_false(f->got[0].answered || f->got[1].answered);
    assert_int_equal(
        podsim_probe_create(&f->probe, &f->loop, "test", f->podsim.sim.config.probe_url, &err), 0);
}

#define SYSFS(name)                                                                                \
    {                                                                                              \
#name " (sysfs)", name, setup_sysfs, teardown, NULL                                        \
    }
#define PODSIM(name)                                                                               \
    {                                                                                              \
#name " (podsim)", name, setup_podsim, teardown, NULL                                      \
    }
int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSFS(each_read_is_answered_once),
        PODSIM(each_read_is_answered_once),
        SYSFS(values_are_sensible_or_unknown),
        PODSIM(values_are_sensible_or_unknown),
        SYSFS(an_error_is_counted),
        PODSIM(an_error_is_counted),
        SYSFS(a_lost_chip_is_absent_and_else_unknown),
        PODSIM(a_lost_chip_is_absent_and_else_unknown),
        PODSIM(podsim_has_many_hosts),
        PODSIM(podsim_computes_and_sends),
        PODSIM(what_is_under_way_ends_with_the_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
