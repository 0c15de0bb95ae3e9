/* Intents, their cross-connects, and the smallest change between two sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tpunet.h"

enum { CUBES = 64, PORTS = 68 };

static struct tpunet_wiring *wiring;

static int set_up(void **state)
{
    (void)state;
    return tpunet_wiring_create(&wiring, CUBES, PORTS, NULL, 0, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    tpunet_wiring_destroy(wiring);
    return 0;
}

static struct tpunet_intent *intent_of(const char *text, bool twisted, const uint16_t *cubes)
{
    struct tpunet_shape shape;
    struct tpunet_intent *intent;
    assert_int_equal(tpunet_shape_parse(&shape, text, twisted, NULL), 0);
    assert_int_equal(tpunet_intent_create(&intent, &shape, cubes, tpunet_shape_cubes(&shape), NULL),
                     0);
    return intent;
}

static size_t xcs_of(const char *text, bool twisted, const uint16_t *cubes, struct tpunet_xc **xcs)
{
    struct tpunet_intent *intent = intent_of(text, twisted, cubes);
    size_t n;
    assert_int_equal(tpunet_intent_xcs(intent, wiring, xcs, &n, NULL), 0);
    tpunet_intent_destroy(intent);
    return n;
}

static void identity(uint16_t cubes[CUBES])
{
    for (uint16_t i = 0; i < CUBES; i++)
        cubes[i] = i;
}

static void forty_eight_circuits_a_cube(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        size_t n;
    } rows[] = {{"2x2x1", false, 0},      {"2x4x4", false, 0},      {"4x4x4", false, 48},
                {"4x4x8", true, 96},      {"4x8x8", true, 192},     {"8x8x8", false, 384},
                {"4x4x256", false, 3072}, {"16x16x16", false, 3072}};
    uint16_t cubes[CUBES];
    identity(cubes);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_xc *xcs;
        bool north[TPUNET_OCSES][PORTS] = {{false}}, south[TPUNET_OCSES][PORTS] = {{false}};
        size_t n = xcs_of(rows[i].text, rows[i].twisted, cubes, &xcs);
        assert_int_equal(n, rows[i].n);
        assert_int_equal(xcs == NULL, n == 0);
        assert(xcs != NULL || n == 0);
        for (size_t k = 0; k < n; k++) {
            assert_false(north[xcs[k].ocs][xcs[k].north]);
            assert_false(south[xcs[k].ocs][xcs[k].south]);
            north[xcs[k].ocs][xcs[k].north] = south[xcs[k].ocs][xcs[k].south] = true;
            assert_true(k == 0 || tpunet_xc_compare(&xcs[k - 1], &xcs[k]) < 0);
        }
        free(xcs);
    }
}

static void one_cube_meets_itself(void **state)
{
    (void)state;
    struct tpunet_xc *xcs;
    assert_int_equal(xcs_of("4x4x4", false, (uint16_t[]){17}, &xcs), 48);
    for (uint16_t ocs = 0; ocs < TPUNET_OCSES; ocs++) {
        assert_int_equal(xcs[ocs].ocs, ocs);
        assert_int_equal(xcs[ocs].north, 17);
        assert_int_equal(xcs[ocs].south, 17);
    }
    free(xcs);
}

/* Another cube in place of one: 96 circuits go, 96 come, 2 on each OCS. */
static void a_cube_swap_is_small(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        size_t changed;
    } rows[] = {
        {"8x8x16", true, 96}, {"8x8x8", false, 96}, {"4x4x12", false, 64}, {"4x4x4", false, 48}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t cubes[CUBES];
        struct tpunet_xc *have, *want, *breaks, *makes;
        size_t n_breaks, n_makes, on[TPUNET_OCSES] = {0};
        identity(cubes);
        size_t n_have = xcs_of(rows[i].text, rows[i].twisted, cubes, &have);
        cubes[0] = 63;
        size_t n_want = xcs_of(rows[i].text, rows[i].twisted, cubes, &want);
        assert_int_equal(
            tpunet_xc_diff(have, n_have, want, n_want, &breaks, &n_breaks, &makes, &n_makes), 0);
        assert_int_equal(n_breaks, rows[i].changed);
        assert_int_equal(n_makes, rows[i].changed);
        for (size_t k = 0; k < n_makes; k++) {
            assert_true(makes[k].north == 63 || makes[k].south == 63);
            assert_true(++on[makes[k].ocs] <= 2);
        }
        free(have);
        free(want);
        free(breaks);
        free(makes);
    }
}

static void differences(void **state)
{
    (void)state;
    static const struct tpunet_xc a[] = {{0, 1, 1}, {0, 2, 3}, {5, 0, 0}};
    static const struct tpunet_xc b[] = {{0, 1, 1}, {0, 2, 4}, {4, 9, 9}};
    struct tpunet_xc *breaks, *makes;
    size_t n_breaks, n_makes;
    assert_int_equal(tpunet_xc_diff(a, 3, b, 3, &breaks, &n_breaks, &makes, &n_makes), 0);
    assert_int_equal(n_breaks, 2);
    assert_memory_equal(breaks, &a[1], 2 * sizeof *a);
    assert_int_equal(n_makes, 2);
    assert_memory_equal(makes, &b[1], 2 * sizeof *b);
    free(breaks);
    free(makes);
    assert_int_equal(tpunet_xc_diff(a, 3, a, 3, &breaks, &n_breaks, &makes, &n_makes), 0);
    assert_int_equal(n_breaks + n_makes, 0);
    free(breaks);
    free(makes);
    assert_int_equal(tpunet_xc_diff(NULL, 0, b, 3, &breaks, &n_breaks, &makes, &n_makes), 0);
    assert_int_equal(n_breaks, 0);
    assert_int_equal(n_makes, 3);
    free(breaks);
    free(makes);
}

static void bad_intents(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t cubes[3];
        size_t n;
        const char *says;
    } rows[] = {
        {"4x4x8", {1}, 1, "4x4x8 takes 2 cubes, not 1"},
        {"4x4x8", {1, 2, 3}, 3, "4x4x8 takes 2 cubes, not 3"},
        {"4x4x8", {7, 7}, 2, "cube/7 is named twice"},
        {"4x4x8", {7, 144}, 2, "cube/144 is above the limit of 144 cubes"},
        {"2x2x1", {7, 8}, 2, "2x2x1 takes 1 cubes, not 2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_shape shape;
        struct tpunet_intent *intent = NULL;
        struct tpunet_error err;
        assert_int_equal(tpunet_shape_parse(&shape, rows[i].text, false, NULL), 0);
        assert_int_equal(tpunet_intent_create(&intent, &shape, rows[i].cubes, rows[i].n, &err),
                         TPUNET_EINVAL);
        assert_string_equal(err.text, rows[i].says);
        assert_null(intent);
    }
    struct tpunet_intent *intent = NULL;
    struct tpunet_shape odd = {.dim = {5, 4, 4}};
    assert_int_equal(tpunet_intent_create(&intent, &odd, (uint16_t[]){0}, 1, NULL), TPUNET_ESHAPE);
    tpunet_intent_destroy(NULL);
}

static void bad_weaves(void **state)
{
    (void)state;
    static const struct {
        uint16_t cube, next;
        const char *says;
    } rows[] = {
        {1, 0, "ocs/32: two cubes are to meet the - face of cube/1"},
        {1, 3, "ocs/32: cube/0 is to meet logical cube 3 of 3"},
        {64, 1, "cube/64 is not one of the pod's 64 cubes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t cubes[] = {0, rows[i].cube, 2};
        struct tpunet_intent *intent = intent_of("4x4x12", false, cubes);
        struct tpunet_xc *xcs = NULL;
        struct tpunet_error err;
        size_t n = 0;
        if (rows[i].next == 0) {
            intent->next[32 * 3 + 0] = 1;
            intent->next[32 * 3 + 2] = 1;
        } else {
            intent->next[32 * 3 + 0] = rows[i].next;
        }
        assert_int_equal(tpunet_intent_xcs(intent, wiring, &xcs, &n, &err), TPUNET_EINVAL);
        assert_string_equal(err.text, rows[i].says);
        assert_null(xcs);
        tpunet_intent_destroy(intent);
    }
}

/* A circuit that the intent leaves out is not made. */
static void a_weave_may_have_gaps(void **state)
{
    (void)state;
    struct tpunet_intent *intent = intent_of("4x4x8", false, (uint16_t[]){3, 4});
    struct tpunet_xc *xcs;
    size_t n;
    intent->next[7 * 2 + 1] = TPUNET_NONE;
    assert_int_equal(tpunet_intent_xcs(intent, wiring, &xcs, &n, NULL), 0);
    assert_int_equal(n, 95);
    free(xcs);
    tpunet_intent_destroy(intent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forty_eight_circuits_a_cube),
        cmocka_unit_test(one_cube_meets_itself),
        cmocka_unit_test(a_cube_swap_is_small),
        cmocka_unit_test(differences),
        cmocka_unit_test(bad_intents),
        cmocka_unit_test(bad_weaves),
        cmocka_unit_test(a_weave_may_have_gaps),
    };
    return cmocka_run_group_tests_name("circuits", tests, set_up, tear_down);
}
