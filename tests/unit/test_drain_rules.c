/* What becomes of a slice under a drain: a row a rule, whatever else is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/drain.h"
#include "mem.h"

static const struct row {
    const char *name;
    enum drain_mode mode;
    struct drain_slice slice;
    size_t n_spares;
    unsigned rule;
    enum drain_action action;
    const char *text;
} rows[] = {
    {"nothing of it is there", DRAIN_NOW, {.accepts_degraded = true}, 0, 1, DRAIN_NONE, "nothing"},
    {"it is being deleted",
     DRAIN_NOW,
     {.leaving = true, .busy = true, .cubes = {5}, .n_cubes = 1},
     4,
     2,
     DRAIN_WAIT,
     "being deleted"},
    {"it is being changed",
     DRAIN_NOW,
     {.busy = true, .accepts_degraded = true, .light = true},
     4,
     2,
     DRAIN_WAIT,
     "under way"},
    {"FAILED over light", DRAIN_NOW, {.failed = true, .light = true}, 0, 3, DRAIN_NONE, "FAILED"},
    {"FAILED on a cube",
     DRAIN_NOW,
     {.failed = true, .cubes = {5}, .n_cubes = 1},
     4,
     3,
     DRAIN_BLOCKED,
     "keeps cube/5 until it is deleted"},
    {"FAILED on a cube, graceful",
     DRAIN_GRACEFUL,
     {.failed = true, .cubes = {5}, .n_cubes = 1},
     4,
     3,
     DRAIN_BLOCKED,
     "keeps cube/5"},
    {"a job on a cube",
     DRAIN_GRACEFUL,
     {.accepts_degraded = true, .cubes = {5}, .n_cubes = 1},
     4,
     4,
     DRAIN_WAIT,
     "until its job ends"},
    {"a job over light",
     DRAIN_GRACEFUL,
     {.accepts_degraded = true, .light = true},
     4,
     4,
     DRAIN_WAIT,
     "until its job ends"},
    {"it wants all links", DRAIN_NOW, {.light = true}, 4, 5, DRAIN_BLOCKED, "fault-free"},
    {"it wants all links, and its cube goes too",
     DRAIN_NOW,
     {.light = true, .cubes = {5}, .n_cubes = 1},
     4,
     5,
     DRAIN_BLOCKED,
     "fault-free"},
    {"the last switch of an axis",
     DRAIN_NOW,
     {.accepts_degraded = true, .light = true, .cut = true},
     4,
     6,
     DRAIN_BLOCKED,
     "no link is left"},
    {"behind one that blocks",
     DRAIN_NOW,
     {.accepts_degraded = true, .light = true, .cubes = {5}, .n_cubes = 1, .behind = {3, 9}},
     4,
     6,
     DRAIN_BLOCKED,
     "drain/3-9 is older"},
    {"a cube", DRAIN_NOW, {.cubes = {5}, .n_cubes = 1}, 1, 7, DRAIN_SWAP, "cube/40 instead of"},
    {"cubes and light",
     DRAIN_NOW,
     {.accepts_degraded = true, .light = true, .cubes = {5, 6}, .n_cubes = 2},
     2,
     7,
     DRAIN_SWAP,
     "and others"},
    {"one spare too few",
     DRAIN_NOW,
     {.accepts_degraded = true, .cubes = {5, 6}, .n_cubes = 2},
     1,
     8,
     DRAIN_BLOCKED,
     "2 of its cubes are of power/a and 1 others are free"},
    {"light alone",
     DRAIN_NOW,
     {.accepts_degraded = true, .light = true},
     0,
     9,
     DRAIN_REROUTE,
     "routes around power/a"},
};
static const uint16_t spares[] = {40, 41, 42, 43};

static void a_row_a_rule(void **state)
{
    bool seen[10] = {false};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct drain_input in = {.mode = rows[i].mode,
                                       .part = "power/a",
                                       .slices = &rows[i].slice,
                                       .n_slices = 1,
                                       .spares = spares,
                                       .n_spares = rows[i].n_spares};
        struct drain_steps steps;
        drain_decide(&in, &steps);
        const struct drain_step *step = &steps.items[0];
        if (steps.n != 1 || step->rule != rows[i].rule || step->action != rows[i].action ||
            strstr(step->text, rows[i].text) == NULL ||
            steps.n_open != (rows[i].action != DRAIN_NONE)) {
            fail_msg("%s: %s by rule %u: %s", rows[i].name, drain_action_name(step->action),
                     step->rule, step->text);
        }
        assert_int_equal(step->n_swaps, step->action == DRAIN_SWAP ? rows[i].slice.n_cubes : 0);
        seen[step->rule] = true;
        drain_steps_fini(&steps);
    }
    for (unsigned rule = 1; rule < ARRAY_LEN(seen); rule++) {
        assert_true(seen[rule]);
    }
}

/* Two slices of two cubes, three spares: the first gets two, the second none. */
static void a_spare_is_given_once(void **state)
{
    static const struct drain_slice slices[] = {
        {.id = {1, 1}, .cubes = {5, 6}, .n_cubes = 2},
        {.id = {1, 2}, .cubes = {7, 8}, .n_cubes = 2},
        {.id = {1, 3}, .cubes = {9}, .n_cubes = 1},
    };
    const struct drain_input in = {.mode = DRAIN_NOW,
                                   .part = "power/a",
                                   .slices = slices,
                                   .n_slices = ARRAY_LEN(slices),
                                   .spares = spares,
                                   .n_spares = 3};
    struct drain_steps steps;

    (void)state;
    drain_decide(&in, &steps);
    assert_int_equal(steps.items[0].action, DRAIN_SWAP);
    assert_int_equal(steps.items[1].action, DRAIN_BLOCKED);
    assert_int_equal(steps.items[2].action, DRAIN_SWAP);
    assert_int_equal(steps.n_swaps, 3);
    assert_int_equal(steps.swaps[0].cube, 5);
    assert_int_equal(steps.swaps[1].with, 41);
    assert_int_equal(steps.swaps[steps.items[2].first_swap].cube, 9);
    assert_int_equal(steps.swaps[steps.items[2].first_swap].with, 42);
    drain_steps_fini(&steps);
}

static void modes_have_names(void **state)
{
    enum drain_mode mode = DRAIN_GRACEFUL;

    (void)state;
    assert_true(drain_mode_parse(&mode, "now"));
    assert_int_equal(mode, DRAIN_NOW);
    assert_true(drain_mode_parse(&mode, drain_mode_name(DRAIN_GRACEFUL)));
    assert_int_equal(mode, DRAIN_GRACEFUL);
    assert_false(drain_mode_parse(&mode, "NOW"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_a_rule),
        cmocka_unit_test(a_spare_is_given_once),
        cmocka_unit_test(modes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
