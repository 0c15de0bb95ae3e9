/* What the job on a slice is told to do: a row for each rule of advice.c, and
 * what is remembered between two events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/advice.h"
#include "mem.h"

static void rules(void **state)
{
    static const struct {
        unsigned rule;
        enum slice_state state;
        bool served, swapped, chips, check_failed;
        uint16_t dead_links;
        const char *advice;
    } rows[] = {
        {1, SLICE_FAILED, false, false, false, false, 0, "stop"},
        {1, SLICE_FAILED, true, true, true, true, 2, "stop"},
        {1, SLICE_DEACTIVATING, true, false, false, false, 0, "stop"},
        {1, SLICE_DELETED, true, false, false, false, 0, "stop"},
        {2, SLICE_ACTIVATING, false, false, false, false, 0, "wait"},
        {2, SLICE_ACTIVATING, false, true, false, false, 0, "wait"}, /* other cubes: no job yet */
        {3, SLICE_ACTIVE, false, false, false, false, 0, "start"},
        {3, SLICE_ACTIVE_DEGRADED, false, true, false, false, 2, "start"},
        {4, SLICE_RECONFIGURING, true, true, false, false, 0, "restart-from-checkpoint"},
        {4, SLICE_RECONFIGURING, true, false, true, false, 0, "restart-from-checkpoint"},
        {4, SLICE_ACTIVE, true, true, false, false, 0, "restart-from-checkpoint"},
        {4, SLICE_ACTIVE_DEGRADED, true, true, false, false, 2, "restart-from-checkpoint"},
        {5, SLICE_ACTIVE_DEGRADED, true, false, false, false, 0, "wait"},
        {5, SLICE_ACTIVE, true, false, false, true, 0, "wait"},
        {6, SLICE_RECONFIGURING, true, false, false, false, 0, "wait"},
        {7, SLICE_ACTIVE, true, false, false, false, 0, "continue"},
        {7, SLICE_ACTIVE_DEGRADED, true, false, false, false, 2, "continue"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice slice = {.state = rows[i].state,
                              .served = rows[i].served,
                              .check_failed = rows[i].check_failed,
                              .dead_links = rows[i].dead_links,
                              .losses = {.chips = rows[i].chips}};
        if (rows[i].swapped) {
            advice_swapped(&slice, 4, 5);
        }
        if (strcmp(advice_name(advice_of(&slice)), rows[i].advice) != 0) {
            fail_msg("row %zu (rule %u): %s, not %s", i, rows[i].rule,
                     advice_name(advice_of(&slice)), rows[i].advice);
        }
    }
}

static void losses_last_until_it_serves_again(void **state)
{
    struct slice slice = {.state = SLICE_RECONFIGURING, .served = true};

    (void)state;
    advice_blame(&slice, "");
    advice_blame(&slice, "incident/1-2");
    advice_blame(&slice, "request");
    advice_swapped(&slice, 1, 7);
    advice_told(&slice);
    assert_string_equal(slice.losses.cause, "incident/1-2"); /* the first */
    assert_int_equal(slice.losses.n_cubes, 1);
    slice.state = SLICE_ACTIVE;
    advice_told(&slice);
    assert_string_equal(slice.losses.cause, "");
    assert_int_equal(advice_of(&slice), ADVICE_CONTINUE);
}

static void a_spare_that_is_swapped_too_is_one_swap(void **state)
{
    struct slice slice = {.state = SLICE_RECONFIGURING, .served = true};

    (void)state;
    advice_swapped(&slice, 1, 7);
    advice_swapped(&slice, 2, 8);
    advice_swapped(&slice, 7, 9);
    assert_int_equal(slice.losses.n_cubes, 2);
    assert_int_equal(slice.losses.cubes[0].was, 1);
    assert_int_equal(slice.losses.cubes[0].is, 9);
}

/* What is not known is not there, rather than null. */
static void data_says_what_is_known(void **state)
{
    struct slice slice = {.state = SLICE_ACTIVE, .served = true};
    json_t *data = json_object();

    (void)state;
    advice_add(&slice, data);
    json_t *expected = json_pack("{s:s,s:b}", "advice", "continue", "degraded", 0);
    assert_true(json_equal(data, expected));
    json_decref(data);
    json_decref(expected);

    slice = (struct slice){.state = SLICE_ACTIVE_DEGRADED,
                           .served = true,
                           .degraded = true,
                           .dead_links = 4,
                           .routes = {.algorithm = "wild", .retained = 0.75}};
    advice_blame(&slice, "ocs/17");
    advice_swapped(&slice, 1, 7);
    data = json_object();
    advice_add(&slice, data);
    expected = json_pack("{s:s,s:b,s:s,s:[{s:i,s:i}],s:f}", "advice", "restart-from-checkpoint",
                         "degraded", 1, "cause", "ocs/17", "swapped", "cube", 1, "with", 7,
                         "throughput_retained", 0.75);
    assert_non_null(expected);
    assert_true(json_equal(data, expected));
    json_decref(data);
    json_decref(expected);

    slice.dead_links = 0; /* its routes are those of before: nobody knows what they carry */
    data = json_object();
    advice_add(&slice, data);
    assert_null(json_object_get(data, "throughput_retained"));
    json_decref(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(losses_last_until_it_serves_again),
        cmocka_unit_test(a_spare_that_is_swapped_too_is_one_swap),
        cmocka_unit_test(data_says_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
