/* Sound hardware with its noise, read and judged for days of virtual time: what is
 * found is counted by severity, and nobody may be evicted.  HOST_DAYS=1000 in the
 * environment makes it long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "healthd/verdict.h"
#include "mem.h"
#include "sim_fixture.h"
#include "simulator/health_device.h"

enum { HOSTS = 16, PERIOD_MS = 5000, DAY_MS = 24 * 3600 * 1000, CHIPS = 4, PORTS = 24 };

struct tally {
    unsigned long found[SEVERITY_FATAL + 1];
};

static void count(void *arg, size_t host, const struct finding *finding)
{
    struct tally *tally = arg;

    (void)host;
    tally->found[finding->severity]++;
    if (finding->severity >= SEVERITY_DEGRADED) {
        print_message("host %zu part %u: %s: %s\n", host, finding->index, finding->check,
                      finding->text);
    }
}

struct peers {
    struct failslow *failslow;
    double cost[HOSTS * PORTS];
    enum slowness slowness[HOSTS * PORTS];
};

static void judge_host(struct world *w, struct judge *judge, unsigned host, struct peers *chips,
                       struct peers *links, struct now now)
{
    for (unsigned class = 0; class < PROBE_CLASSES; class ++) {
        struct reading reading;
        uint64_t incarnation;
        assert_int_equal(sim_read(w, host, class, reading.values, &incarnation),
                         class_values((enum probe_class) class));
        reading.incarnation = incarnation;
        judge_reading(judge, host, (enum probe_class) class, &reading, now);
        for (unsigned k = 0; class == PROBE_CHIPS && k < CHIPS; k++) {
            chips->cost[host * CHIPS + k] = *reading_at(&reading, k, METRIC_CHIP_STEP);
        }
        for (unsigned l = 0; class == PROBE_LINKS && l < PORTS; l++) {
            links->cost[host * PORTS + l] = 1 / *reading_at(&reading, l, METRIC_LINK_RATE);
        }
    }
}

static void judge_peers(struct judge *judge, struct peers *peers, unsigned parts,
                        enum metric metric, struct now now)
{
    failslow_round(peers->failslow, peers->cost, peers->slowness);
    for (unsigned i = 0; i < HOSTS * parts; i++) {
        judge_slowness(judge, i / parts, metric, i % parts, peers->slowness[i], "slow", now);
    }
}

static void nobody_sound_is_evicted(void **state)
{
    const char *env = getenv("HOST_DAYS");
    double host_days = env != NULL ? strtod(env, NULL) : 2;
    int64_t end_ms = (int64_t)(host_days / HOSTS * DAY_MS);
    struct tally tally = {{0}};
    struct judge *judge = judge_create(&policy_default, HOSTS, count, &tally);
    struct peers chips = {.failslow = failslow_create((size_t)HOSTS * CHIPS)};
    struct peers links = {.failslow = failslow_create((size_t)HOSTS * PORTS)};
    struct sim_fixture f;

    (void)state;
    sim_fixture_init(&f, 1, 11);
    for (unsigned axis = 0; axis < 3; axis++) {
        sim_join(&f, axis, 0, 0);
    }
    for (int64_t ms = PERIOD_MS; ms <= end_ms; ms += PERIOD_MS) {
        struct now now = {.mono = {ms * 1000000}, .wall = {INT64_C(1750000000000) + ms}};
        sim_pass_ms(&f, PERIOD_MS);
        for (unsigned host = 0; host < HOSTS; host++) {
            judge_host(f.w, judge, host, &chips, &links, now);
        }
        judge_peers(judge, &chips, CHIPS, METRIC_CHIP_STEP, now);
        judge_peers(judge, &links, PORTS, METRIC_LINK_RATE, now);
    }
    print_message("%g days of one host: %lu INFO, %lu DEGRADED, %lu SEVERE, %lu FATAL\n", host_days,
                  tally.found[SEVERITY_INFO], tally.found[SEVERITY_DEGRADED],
                  tally.found[SEVERITY_SEVERE], tally.found[SEVERITY_FATAL]);
    assert_int_equal(tally.found[SEVERITY_SEVERE] + tally.found[SEVERITY_FATAL], 0);
    assert_int_equal(tally.found[SEVERITY_DEGRADED], 0);
    failslow_destroy(chips.failslow);
    failslow_destroy(links.failslow);
    judge_destroy(judge);
    sim_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_sound_is_evicted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
