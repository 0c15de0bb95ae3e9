/* healthd/golden.c and preflight.c: limits with units, and what fails them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "healthd/preflight.h"
#include "mem.h"

static int load(struct golden *out, const char *text, struct error *err)
{
    char file[] = "/tmp/podmgr-test-XXXXXX";
    int fd = mkstemp(file);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    int status = golden_load(out, file, err);
    (void)unlink(file);
    return status;
}

/* ----------------------------------------------------------------- golden -- */

static void units_are_converted(void **state)
{
    static const struct {
        const char *limit;
        enum metric metric;
        double max;
    } rows[] = {
        {"chip-step: {max: 1.1 ms}", METRIC_CHIP_STEP, 1100},
        {"chip-step: {max: 900us}", METRIC_CHIP_STEP, 900},
        {"chip-throttled: {max: 2 s}", METRIC_CHIP_THROTTLED, 2000},
        {"chip-temperature: {max: 85 C}", METRIC_CHIP_TEMPERATURE, 85},
        {"link-light: {max: -1.5 dBm}", METRIC_LINK_LIGHT, -1.5},
        {"link-rate: {max: 0.4 Tbit/s}", METRIC_LINK_RATE, 400},
        {"pcie-width: {max: 100 %}", METRIC_PCIE_WIDTH, 100},
        {"hbm-correctable: {max: 10 errors}", METRIC_HBM_CORRECTABLE, 10},
        {"chip-present: {max: 1}", METRIC_CHIP_PRESENT, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[128];
        struct golden golden;
        struct error err = {0};
        (void)snprintf(text, sizeof text, "limits:\n  %s\n", rows[i].limit);
        if (load(&golden, text, &err) < 0) {
            fail_msg("%s: %s", rows[i].limit, err.text);
        }
        const struct golden_limit *limit = &golden.metrics[rows[i].metric];
        assert_true(limit->there && !limit->required && isinf(limit->min));
        assert_true(fabs(limit->max - rows[i].max) < 1e-9);
    }
}

static void mistakes_are_named_where_they_stand(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"limits:\n  chip-step: {max: 1.1 C}\n",
         ":2:15: limits.chip-step.max: '1.1 C' is of the unit 'C'; this is measured in ns, us"},
        {"limits:\n  chip-step: {max: 1100}\n", "is of the unit ''; this is measured in ns, us"},
        {"limits:\n  link-rate:\n    min: 380 Gbps\n", ":3:5: limits.link-rate.min: '380 Gbps'"},
        {"limits:\n  chip-present: {max: 1 chip}\n", "this is measured in a bare number"},
        {"limits:\n  chip-step: {max: fast}\n", "does not begin with a number"},
        {"limits:\n  chip-step: {max: nan us}\n", "does not begin with a number"},
        {"limits:\n  chip-stepp: {max: 1 us}\n", ":2:3: limits.chip-stepp: no such key"},
        {"limits:\n  chip-step: {maximum: 1 us}\n", "no such key"},
        {"limits:\n  chip-step: {required: true}\n", "has neither min nor max"},
        {"limits:\n  chip-step: {min: 2 ms, max: 1 ms}\n", "is above max"},
        {"limit: {}\n", "limits: is required"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct golden golden;
        struct error err = {0};
        assert_int_equal(load(&golden, rows[i].text, &err), E_CONFIG);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].text, err.text);
        }
    }
}

static void the_example_is_good(void **state)
{
    struct golden golden;
    struct error err = {0};

    (void)state;
    if (golden_load(&golden, "packaging/healthd-golden.yaml.example", &err) < 0) {
        fail_msg("%s", err.text);
    }
}

/* -------------------------------------------------------------- preflight -- */

/* Instruments of which the test decides every answer. */
struct fake {
    struct probe probe;
    uint16_t silent_host; /* 0: none */
    double step_us;       /* of chip 1 of each host */
    uint32_t wrong, mute; /* chips that compute wrongly, or not; 0: none */
    uint32_t lost_from;   /* whose flits die; 0: none */
    uint32_t changed;     /* whose flits arrive changed; 0: none */
    unsigned hops;        /* that every flit makes; 0: 2 */
    bool no_answer;
    size_t transfers, self_transfers;
};

static void fake_read(struct probe *probe, uint16_t host, enum probe_class class,
                      probe_read_fn *done, void *arg)
{
    const struct fake *f = (const struct fake *)probe;
    struct reading reading;

    reading_clear(&reading);
    if (class == PROBE_CHIPS) {
        for (unsigned k = 0; k < 4; k++) {
            *reading_at(&reading, k, METRIC_CHIP_STEP) = k == 1 ? f->step_us : 1000;
        }
    }
    done(arg, host, class, host == f->silent_host && host != 0 ? NULL : &reading);
}

static void fake_flush(struct probe *probe)
{
    (void)probe;
}

static void fake_transfer(struct probe *probe, const uint32_t *from, const uint32_t *to, size_t n,
                          uint64_t seed, probe_transfer_fn *done, void *arg)
{
    struct fake *f = (struct fake *)probe;
    struct probe_delivery *out = xcalloc(n, sizeof *out);

    for (size_t i = 0; i < n; i++) {
        out[i] = (struct probe_delivery){.delivered = from[i] != f->lost_from || from[i] == 0,
                                         .hops = f->hops != 0 ? f->hops : 2,
                                         .value = probe_payload(from[i], to[i], seed) ^
                                                  (from[i] == f->changed && from[i] != 0),
                                         .us = 1,
                                         .died_at = 9,
                                         .text = "its link +x is down"};
        f->self_transfers += from[i] == to[i];
    }
    f->transfers += n;
    done(arg, out, f->no_answer ? 0 : n);
    free(out);
}

static void fake_compute(struct probe *probe, const uint32_t *chips, size_t n, uint64_t seed,
                         unsigned rounds, probe_compute_fn *done, void *arg)
{
    const struct fake *f = (const struct fake *)probe;
    struct probe_result *out = xcalloc(n, sizeof *out);

    for (size_t i = 0; i < n; i++) {
        out[i].answered = chips[i] != f->mute || chips[i] == 0;
        out[i].value =
            probe_expected(chips[i], seed, rounds) ^ (chips[i] == f->wrong && chips[i] != 0);
    }
    done(arg, out, f->no_answer ? 0 : n);
    free(out);
}

static void keep(void *arg, const struct preflight_result *result)
{
    struct preflight_result *out = arg;
    *out = *result;
}

static void fit_and_unfit_sets_of_hosts(void **state)
{
    static const struct probe_ops ops = {
        .read = fake_read, .flush = fake_flush, .transfer = fake_transfer, .compute = fake_compute};
    static const struct {
        struct fake fake;
        size_t failures;
        const char *first;
        const char *blames; /* NULL: nobody, or which part is not known */
    } rows[] = {
        {{.step_us = 1000}, 0, "", NULL},
        {{.step_us = 1200},
         16,
         "chip/0-1-0-0: chip-step 1200 us is above 1100 us", /* of each host */
         "chip/0-1-0-0"},
        {{.step_us = (double)NAN},
         16,
         "chip/0-1-0-0: chip-step is required and unknown",
         "chip/0-1-0-0"},
        {{.step_us = 1000, .silent_host = 3},
         3,
         "host/0-3: its instruments do not answer",
         "host/0-3"},
        {{.step_us = 1000, .wrong = 5}, 1, "chip/0-1-1-0: computes wrongly", "chip/0-1-1-0"},
        {{.step_us = 1000, .mute = 5}, 1, "chip/0-1-1-0: does not compute", "chip/0-1-1-0"},
        {{.step_us = 1000, .lost_from = 5},
         6,
         "chip/0-1-1-0 to chip/0-2-0-0: its link +x is down", /* at each distance */
         "chip/0-1-2-0"},                                     /* where it died */
        {{.step_us = 1000, .changed = 5},
         6,
         "chip/0-1-1-0 to chip/0-2-0-0: it arrived changed, over 2 hops",
         NULL}, /* somewhere on its way */
        {{.step_us = 1000, .changed = 5, .hops = 1},
         6,
         "chip/0-1-1-0 to chip/0-2-0-0: it arrived changed, over 1 hops",
         "chip/0-1-1-0"},
        {{.step_us = 1000, .no_answer = true}, 7, "transfers: no answer", NULL},
    };
    struct golden golden;
    struct error err;
    uint16_t hosts[16];

    (void)state;
    for (uint16_t h = 0; h < 16; h++) {
        hosts[h] = h;
    }
    assert_int_equal(
        load(&golden,
             "limits: {chip-step: {max: 1.1 ms, required: true}, link-crc: {max: 0 frames}}", &err),
        0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake fake = rows[i].fake;
        struct preflight_result *result = xcalloc(1, sizeof *result);
        fake.probe = (struct probe){.ops = &ops, .ready = true};
        preflight_run(&fake.probe,
                      &(struct preflight_job){.golden = &golden,
                                              .hosts = hosts,
                                              .n_hosts = 16,
                                              .all = hosts,
                                              .n_all = 16,
                                              .pattern = true,
                                              .seed = 7 + i},
                      keep, result);
        const struct preflight_unfit *first = &result->unfit[0];
        if (result->failures != rows[i].failures || strcmp(first->text, rows[i].first) != 0) {
            fail_msg("row %zu: %zu failures, the first: %s", i, result->failures, first->text);
        }
        struct part blamed = finding_part(first->host, first->scope, first->index);
        char name[80];
        if (rows[i].blames != NULL) {
            assert_string_equal(part_format(&blamed, name), rows[i].blames);
        }
        assert_int_equal(first->unplaced, rows[i].failures > 0 && rows[i].blames == NULL);
        assert_int_equal(fake.transfers, 64 * 6); /* 1, 2, 4, 8, 16, 32 further on */
        assert_int_equal(fake.self_transfers, 0);
        free(result);
    }
}

/* Two observers, each with its hosts, send together what one of all would. */
static void each_sends_from_its_own_to_all(void **state)
{
    static const struct probe_ops ops = {
        .read = fake_read, .flush = fake_flush, .transfer = fake_transfer, .compute = fake_compute};
    static const uint16_t all[] = {20, 3, 17, 1}, first[] = {3, 17}, second[] = {1, 20};
    const uint16_t *hosts[] = {first, second};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct fake fake = {.probe = {.ops = &ops, .ready = true}, .step_us = 1e9};
        struct preflight_result *result = xcalloc(1, sizeof *result);
        preflight_run(&fake.probe,
                      &(struct preflight_job){
                          .hosts = hosts[i], .n_hosts = 2, .all = all, .n_all = 4, .pattern = true},
                      keep, result);
        assert_int_equal(result->failures, 0); /* there are no limits */
        assert_int_equal(result->checked, 0);
        assert_int_equal(result->transfers, 8 * 4); /* 1, 2, 4, 8 further on among 16 */
        assert_int_equal(result->computations, 8);
        assert_int_equal(fake.self_transfers, 0);
        free(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_converted),
        cmocka_unit_test(mistakes_are_named_where_they_stand),
        cmocka_unit_test(the_example_is_good),
        cmocka_unit_test(fit_and_unfit_sets_of_hosts),
        cmocka_unit_test(each_sends_from_its_own_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
