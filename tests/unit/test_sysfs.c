/* healthd/probes/: the sysfs probe on a tree of files, and on this machine. */
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
#include "sysfs_fixture.h"

struct fixture {
    struct sysfs_fixture tree;
    struct probe *probe;
    struct reading reading;
    unsigned answers;
};

static void on_reading(void *arg, uint16_t host, enum probe_class class,
                       const struct reading *reading)
{
    struct fixture *f = arg;

    (void)class;
    assert_int_equal(host, 0);
    assert_non_null(reading);
    f->reading = *reading;
    f->answers++;
}

static void read_class(struct fixture *f, enum probe_class class)
{
    f->answers = 0;
    f->probe->ops->read(f->probe, 0, class, on_reading, f);
    f->probe->ops->flush(f->probe);
    assert_int_equal(f->answers, 1);
}

static double value(struct fixture *f, enum metric metric, unsigned part)
{
    read_class(f, metric_info(metric)->class);
    return *reading_at(&f->reading, part, metric);
}

/* Every metric of a machine on which all is there. */
static void everything_is_read(void **state)
{
    static const struct {
        enum metric metric;
        double value;
    } rows[] = {
        {METRIC_CHIP_PRESENT, 1},         {METRIC_HBM_CORRECTABLE, 7},
        {METRIC_HBM_UNCORRECTABLE, 0},    {METRIC_CHIP_TEMPERATURE, 61.5},
        {METRIC_CHIP_THROTTLED, 120},     {METRIC_CHIP_HEARTBEAT, 4294967000.0},
        {METRIC_CHIP_STEP, 998},          {METRIC_PCIE_CORRECTABLE, 12},
        {METRIC_PCIE_UNCORRECTABLE, 0},   {METRIC_PCIE_WIDTH, 100},
        {METRIC_PCIE_SPEED, 100},         {METRIC_MEMORY_CORRECTABLE, 5},
        {METRIC_MEMORY_UNCORRECTABLE, 1}, {METRIC_HOST_TEMPERATURE, 47.25},
        {METRIC_POWER_ALARMS, 0},         {METRIC_DRIVER_ERRORS, 1},
        {METRIC_KERNEL_ERRORS, 1},        {METRIC_LINK_CRC, 0},
        {METRIC_LINK_FEC, 4096},          {METRIC_LINK_RETRAINS, 1},
        {METRIC_LINK_LIGHT, -0.31},       {METRIC_LINK_RATE, 399.5},
    };
    struct fixture *f = *state;

    assert_int_equal(ARRAY_LEN(rows), N_METRICS);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned parts = finding_parts(class_scope(metric_info(rows[i].metric)->class));
        for (unsigned part = 0; part < parts; part++) {
            double v = value(f, rows[i].metric, part);
            if (!(fabs(v - rows[i].value) < 1e-9)) {
                fail_msg("%s of part %u is %g", metric_info(rows[i].metric)->name, part, v);
            }
        }
    }
    assert_true(f->reading.incarnation != 0);
}

/* A change of one file, and what becomes of the metric; NAN: unknown. */
static void what_changes_shows_and_what_is_gone_is_unknown(void **state)
{
#define DEVICE "sys/devices/pci0000:00/0000:02:00.0/"
    static const struct {
        const char *path, *text; /* NULL: removed */
        enum metric metric;
        unsigned part;
        double value;
    } rows[] = {
        {DEVICE "current_link_width", "8\n", METRIC_PCIE_WIDTH, 0, 50},
        {DEVICE "current_link_speed", "8.0 GT/s PCIe\n", METRIC_PCIE_SPEED, 0, 50},
        {DEVICE "aer_dev_fatal", "TOTAL_ERR_FATAL 2\n", METRIC_PCIE_UNCORRECTABLE, 0, 2},
        {DEVICE "hbm_ue_count", "4\n", METRIC_HBM_UNCORRECTABLE, 1, 4},
        {DEVICE "hbm_ue_count", "rubbish\n", METRIC_HBM_UNCORRECTABLE, 1, (double)NAN},
        {DEVICE "hbm_ue_count", "", METRIC_HBM_UNCORRECTABLE, 1, (double)NAN},
        {DEVICE "hbm_ue_count", NULL, METRIC_HBM_UNCORRECTABLE, 1, (double)NAN},
        {DEVICE "heartbeat", NULL, METRIC_CHIP_HEARTBEAT, 1, (double)NAN},
        {DEVICE "hwmon", NULL, METRIC_CHIP_TEMPERATURE, 1, (double)NAN},
        {DEVICE "ici/3/rx_power_mdbm", "-9200\n", METRIC_LINK_LIGHT, 9, -9.2},
        {DEVICE "ici/3/rx_power_mdbm", NULL, METRIC_LINK_LIGHT, 9, (double)NAN},
        {DEVICE "ici", NULL, METRIC_LINK_CRC, 9, (double)NAN},
        {"sys/class/hwmon/hwmon1/power1_alarm", "1\n", METRIC_POWER_ALARMS, 0, 1},
        {"sys/class/hwmon", NULL, METRIC_HOST_TEMPERATURE, 0, (double)NAN},
        {"sys/class/hwmon", NULL, METRIC_POWER_ALARMS, 0, (double)NAN},
        {"sys/devices/system/edac", NULL, METRIC_MEMORY_CORRECTABLE, 0, (double)NAN},
        {"sys/bus/pci", NULL, METRIC_PCIE_CORRECTABLE, 0, (double)NAN},
        {"sys/class/accel/accel1", NULL, METRIC_CHIP_PRESENT, 1, 0},
        {"sys/class/accel", NULL, METRIC_CHIP_PRESENT, 3, (double)NAN}, /* never seen any */
        {"sys/class/accel", NULL, METRIC_PCIE_WIDTH, 0, (double)NAN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f = {.answers = 0};
        struct error err;
        sysfs_fixture_init(&f.tree);
        sysfs_fixture_sound(&f.tree);
        if (rows[i].text != NULL) {
            sysfs_fixture_write(&f.tree, rows[i].path, rows[i].text);
        } else {
            sysfs_fixture_remove(&f.tree, rows[i].path);
        }
        assert_int_equal(sysfs_probe_create(&f.probe, f.tree.root, "accel", &err), 0);
        double v = value(&f, rows[i].metric, rows[i].part);
        bool right = isnan(rows[i].value) ? isnan(v) : fabs(v - rows[i].value) < 1e-9;
        if (!right) {
            fail_msg("%s %s: %s is %g", rows[i].path, rows[i].text != NULL ? "changed" : "gone",
                     metric_info(rows[i].metric)->name, v);
        }
        f.probe->ops->destroy(f.probe);
        sysfs_fixture_fini(&f.tree);
    }
}

static void a_chip_that_was_there_is_missed(void **state)
{
    struct fixture *f = *state;

    assert_true(value(f, METRIC_CHIP_PRESENT, 3) == 1);
    sysfs_fixture_remove(&f->tree, "sys/class/accel");
    assert_true(value(f, METRIC_CHIP_PRESENT, 3) == 0);
    assert_true(isnan(value(f, METRIC_HBM_CORRECTABLE, 3)));
}

static void the_log_is_counted_as_it_grows(void **state)
{
    struct fixture *f = *state;

    assert_true(value(f, METRIC_DRIVER_ERRORS, 0) == 1);
    sysfs_fixture_append(&f->tree, "dev/kmsg", "2,5,50,-;accel accel2: reset fail");
    assert_true(value(f, METRIC_DRIVER_ERRORS, 0) == 1); /* half a line */
    sysfs_fixture_append(&f->tree, "dev/kmsg",
                         "ed\n11,6,60,-;daemon error\n3;no fields\nrubbish\n,;\n\n;\n");
    assert_true(value(f, METRIC_DRIVER_ERRORS, 0) == 2);
    assert_true(value(f, METRIC_KERNEL_ERRORS, 0) == 2); /* 11 is error of facility 1 */
}

static void a_boot_is_a_new_incarnation(void **state)
{
    struct fixture *f = *state;

    read_class(f, PROBE_HOST);
    unsigned long long before = f->reading.incarnation;
    sysfs_fixture_write(&f->tree, "proc/sys/kernel/random/boot_id", "another\n");
    read_class(f, PROBE_HOST);
    assert_true(f->reading.incarnation != before);
}

/* Whatever this machine has: values that are known are sensible. */
static void this_machine_can_be_read(void **state)
{
    struct fixture f = {.answers = 0};
    struct error err;

    (void)state;
    assert_int_equal(sysfs_probe_create(&f.probe, "", "accel", &err), 0);
    for (unsigned class = 0; class < PROBE_CLASSES; class ++) {
        read_class(&f, (enum probe_class) class);
        for (size_t i = 0; i < class_values((enum probe_class) class); i++) {
            assert_true(isnan(f.reading.values[i]) || fabs(f.reading.values[i]) < 1e18);
        }
    }
    f.probe->ops->destroy(f.probe);
    assert_int_equal(sysfs_probe_create(&f.probe, "/nonexistent", "accel", &err), E_CONFIG);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct error err;

    sysfs_fixture_init(&f->tree);
    sysfs_fixture_sound(&f->tree);
    assert_int_equal(sysfs_probe_create(&f->probe, f->tree.root, "accel", &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->probe->ops->destroy(f->probe);
    sysfs_fixture_fini(&f->tree);
    free(f);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_is_read),
        cmocka_unit_test(what_changes_shows_and_what_is_gone_is_unknown),
        TEST(a_chip_that_was_there_is_missed),
        TEST(the_log_is_counted_as_it_grows),
        TEST(a_boot_is_a_new_incarnation),
        cmocka_unit_test(this_machine_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
