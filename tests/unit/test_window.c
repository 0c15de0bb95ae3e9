/* healthd/window.c: counters that wrap and restart, and sliding sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "healthd/window.h"
#include "mem.h"

static const double TOP = 4294967296.0; /* 2^32 */

static void counters_rise_wrap_and_restart(void **state)
{
    static const struct {
        double before, after;
        bool same; /* incarnation */
        unsigned bits;
        double delta;
    } rows[] = {
        {100, 100, true, 32, 0},
        {100, 130, true, 32, 30},
        {4294967290.0, 4, true, 32, 10}, /* wrapped */
        {4294967290.0, 4, true, 0, 4},   /* this one cannot wrap: it was reset */
        {1000, 4, true, 32, 4},          /* far from the top: reset */
        {4294967290.0, 4, false, 32, 4}, /* a new incarnation says so */
        {100, 130, false, 32, 130},
        {4294967290.0, 2000000000.0, true, 32, 2000000000.0}, /* too far for a wrap */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct counter c = {0};
        assert_true(isnan(counter_take(&c, rows[i].before, 7, rows[i].bits)));
        double delta = counter_take(&c, rows[i].after, rows[i].same ? 7 : 8, rows[i].bits);
        assert_true(delta == rows[i].delta);
    }
    assert_true(TOP == ldexp(1, 32));
}

static void the_unknown_is_not_counted_and_not_lost(void **state)
{
    struct counter c = {0};

    (void)state;
    assert_true(isnan(counter_take(&c, (double)NAN, 7, 32)));
    assert_true(isnan(counter_take(&c, 5, 7, 32)));
    assert_true(isnan(counter_take(&c, (double)NAN, 7, 32)));
    assert_true(counter_take(&c, 9, 7, 32) == 4); /* what came while nobody knew */
}

static void sums_slide(void **state)
{
    enum { SPAN = 8000 };
    struct window w = {0};

    (void)state;
    window_add(&w, SPAN, 1000000, 3);
    assert_true(window_sum(&w, SPAN, 1000000) == 3);
    window_add(&w, SPAN, 1004000, 2);
    assert_true(window_sum(&w, SPAN, 1006999) == 5); /* 7/8 of the span */
    assert_true(window_sum(&w, SPAN, 1008000) == 2); /* the first is over */
    assert_true(window_sum(&w, SPAN, 1012000) == 0); /* so is the second */
    window_add(&w, SPAN, 9000000, 1);                /* after long silence */
    assert_true(window_sum(&w, SPAN, 9000000) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_rise_wrap_and_restart),
        cmocka_unit_test(the_unknown_is_not_counted_and_not_lost),
        cmocka_unit_test(sums_slide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
