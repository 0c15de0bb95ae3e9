/* healthd/failslow.c: each of its six rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "healthd/failslow.h"
#include "mem.h"
#include "simulator/chance.h"

enum { PARTS = 16, WARM = 16 };

/* Parts that differ by nature by a few percent, and a bit of noise. */
static void draw(double cost[PARTS], uint64_t *rng, double all)
{
    for (unsigned i = 0; i < PARTS; i++) {
        cost[i] = 1000 * all * (1 + 0.01 * (i % 5)) * (1 + 0.002 * chance_next(rng));
    }
}

static struct failslow *warm(uint64_t *rng)
{
    struct failslow *f = failslow_create(PARTS);
    enum slowness out[PARTS];
    double cost[PARTS];

    for (unsigned round = 0; round < WARM; round++) {
        draw(cost, rng, 1);
        failslow_round(f, cost, out);
    }
    return f;
}

static void one_part_against_peers_and_past(void **state)
{
    static const struct {
        const char *what;
        double all, one; /* factors of all parts, and of part 3 beside */
        enum slowness one_is, rest_is;
    } rows[] = {
        {"all as always", 1, 1, SLOW_FINE, SLOW_FINE},
        {"rule 1: slow among peers that are not", 1, 1.5, SLOW_SLOW, SLOW_FINE},
        {"rule 1: all slow together, nobody's fault", 1.5, 1, SLOW_FINE, SLOW_FINE},
        {"rule 1: slower still than slow peers", 1.5, 1.5, SLOW_SLOW, SLOW_FINE},
        {"rule 3: between fine and slow", 1, 1.08, SLOW_BETWEEN, SLOW_FINE},
        {"faster is no fault", 1, 0.5, SLOW_FINE, SLOW_FINE},
        {"rule 4: unknown", 1, (double)NAN, SLOW_UNKNOWN, SLOW_FINE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t rng = 1;
        struct failslow *f = warm(&rng);
        enum slowness out[PARTS];
        double cost[PARTS];
        draw(cost, &rng, rows[i].all);
        cost[3] *= rows[i].one;
        failslow_round(f, cost, out);
        for (unsigned k = 0; k < PARTS; k++) {
            if (out[k] != (k == 3 ? rows[i].one_is : rows[i].rest_is)) {
                fail_msg("%s: part %u is %d", rows[i].what, k, out[k]);
            }
        }
        failslow_destroy(f);
    }
}

/* Rule 4: too few peers, too little past. */
static void who_cannot_be_judged(void **state)
{
    struct failslow *f = failslow_create(PARTS);
    enum slowness out[PARTS];
    double cost[PARTS];
    uint64_t rng = 1;

    (void)state;
    draw(cost, &rng, 1);
    failslow_round(f, cost, out);
    assert_int_equal(out[0], SLOW_UNKNOWN); /* no past */
    failslow_destroy(f);
    f = warm(&rng);
    for (unsigned i = 3; i < PARTS; i++) {
        cost[i] = (double)NAN;
    }
    cost[0] = 5000;
    failslow_round(f, cost, out);
    assert_int_equal(out[0], SLOW_UNKNOWN); /* two peers */
    failslow_destroy(f);
}

/* Rule 5: what is slow for an hour is slow still; what always was has no past. */
static void nobody_gets_used_to_being_slow(void **state)
{
    uint64_t rng = 1;
    struct failslow *late = warm(&rng), *always = failslow_create(PARTS);
    enum slowness out[PARTS];
    double cost[PARTS];

    (void)state;
    for (unsigned round = 0; round < 3600; round++) {
        draw(cost, &rng, 1);
        cost[3] *= 1.4;
        failslow_round(late, cost, out);
        assert_int_equal(out[3], SLOW_SLOW);
        failslow_round(always, cost, out);
        assert_int_equal(out[3], SLOW_UNKNOWN);
    }
    failslow_destroy(late);
    failslow_destroy(always);
}

/* Rule 6. */
static void equal_peers_make_nobody_slow(void **state)
{
    struct failslow *f = failslow_create(PARTS);
    enum slowness out[PARTS];
    double cost[PARTS];

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < PARTS; i++) {
            cost[i] = 1000;
        }
        cost[3] = round < 19 ? 1000 : 1020;
        failslow_round(f, cost, out);
    }
    assert_int_equal(out[3], SLOW_FINE);
    failslow_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_part_against_peers_and_past),
        cmocka_unit_test(who_cannot_be_judged),
        cmocka_unit_test(nobody_gets_used_to_being_slow),
        cmocka_unit_test(equal_peers_make_nobody_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
