/* Fibres and OCS ports: the wiring rule, moved fibres, bad inventories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tpunet.h"

static struct tpunet_wiring *wiring_of(unsigned cubes, unsigned ports,
                                       const struct tpunet_rewire *moves, size_t n)
{
    struct tpunet_wiring *w;
    assert_int_equal(tpunet_wiring_create(&w, cubes, ports, moves, n, NULL), 0);
    return w;
}

static void golden_rows(void **state)
{
    (void)state;
    static const struct {
        struct tpunet_chip chip;
        unsigned port;
        struct tpunet_ocs_port at;
    } rows[] = {
        {{5, {3, 1, 2}}, TPUNET_XP, {9, TPUNET_NORTH, 5}},
        {{5, {1, 0, 2}}, TPUNET_YM, {25, TPUNET_SOUTH, 5}},
        {{7, {2, 3, 3}}, TPUNET_ZP, {46, TPUNET_NORTH, 7}},
        {{0, {0, 0, 0}}, TPUNET_XM, {0, TPUNET_SOUTH, 0}},
        {{63, {3, 3, 3}}, TPUNET_YP, {31, TPUNET_NORTH, 63}},
    };
    struct tpunet_wiring *w = wiring_of(64, 68, NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_fibre fibre;
        assert_true(tpunet_chip_fibre(rows[i].chip, rows[i].port, &fibre));
        struct tpunet_ocs_port at = tpunet_wiring_port(w, fibre);
        assert_int_equal(at.ocs, rows[i].at.ocs);
        assert_int_equal(at.side, rows[i].at.side);
        assert_int_equal(at.port, rows[i].at.port);
    }
    tpunet_wiring_destroy(w);
}

static void every_fibre_has_its_own_port(void **state)
{
    (void)state;
    struct tpunet_wiring *w = wiring_of(144, 152, NULL, 0);
    unsigned optical = 0;
    for (uint32_t n = 0; n < 144 * TPUNET_CUBE_CHIPS; n++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            struct tpunet_fibre fibre, back;
            unsigned back_port;
            if (!tpunet_chip_fibre(tpunet_chip_of(n), port, &fibre))
                continue;
            optical++;
            assert_int_equal(tpunet_chip_number(tpunet_fibre_chip(fibre, &back_port)), n);
            assert_int_equal(back_port, port);
            assert_true(tpunet_wiring_fibre(w, tpunet_wiring_port(w, fibre), &back));
            assert_int_equal(tpunet_chip_number(tpunet_fibre_chip(back, &back_port)), n);
            assert_int_equal(back_port, port);
        }
    }
    assert_int_equal(optical, 144 * 96);
    struct tpunet_fibre none;
    assert_false(tpunet_wiring_fibre(w, (struct tpunet_ocs_port){3, TPUNET_NORTH, 144}, &none));
    tpunet_wiring_destroy(w);
}

static void a_moved_fibre_leaves_its_port(void **state)
{
    (void)state;
    /* To a spare, and another fibre onto the port so freed. */
    static const struct tpunet_rewire moves[] = {{{5, 0, false, 0, 3}, 64},
                                                 {{6, 0, false, 0, 3}, 5}};
    struct tpunet_wiring *w = wiring_of(64, 68, moves, 2);
    struct tpunet_fibre fibre;
    assert_int_equal(tpunet_wiring_port(w, moves[0].fibre).port, 64);
    assert_true(tpunet_wiring_fibre(w, (struct tpunet_ocs_port){12, TPUNET_NORTH, 64}, &fibre));
    assert_int_equal(fibre.cube, 5);
    assert_true(tpunet_wiring_fibre(w, (struct tpunet_ocs_port){12, TPUNET_NORTH, 5}, &fibre));
    assert_int_equal(fibre.cube, 6);
    assert_false(tpunet_wiring_fibre(w, (struct tpunet_ocs_port){12, TPUNET_NORTH, 6}, &fibre));
    assert_true(tpunet_wiring_fibre(w, (struct tpunet_ocs_port){12, TPUNET_SOUTH, 5}, &fibre));
    assert_int_equal(fibre.cube, 5);
    tpunet_wiring_destroy(w);
}

static void bad_wirings(void **state)
{
    (void)state;
    static const struct {
        unsigned cubes, ports;
        struct tpunet_rewire moves[2];
        size_t n;
        const char *says;
    } rows[] = {
        {0, 68, {{{0}, 0}}, 0, "a pod has 1 to 144 cubes, not 0"},
        {145, 152, {{{0}, 0}}, 0, "a pod has 1 to 144 cubes, not 145"},
        {64, 63, {{{0}, 0}}, 0, "63 ports on each side of an OCS do not serve 64 cubes"},
        {64, 70000, {{{0}, 0}}, 0, "70000 ports on each side of an OCS do not serve 64 cubes"},
        {64, 68, {{{64, 0, false, 0, 0}, 64}}, 1, "the pod has no fibre/64+x-0-0"},
        {64, 68, {{{1, 3, false, 0, 0}, 64}}, 1, "the pod has no fibre/1+?-0-0"},
        {64, 68, {{{1, 1, true, 4, 0}, 64}}, 1, "the pod has no fibre/1-y-4-0"},
        {64,
         68,
         {{{1, 1, true, 3, 0}, 68}},
         1,
         "fibre/1-y-3-0 is moved to port 68, but ocs/19 has ports 0 to 67 a side"},
        {64,
         68,
         {{{1, 2, false, 0, 0}, 64}, {{1, 2, false, 0, 0}, 65}},
         2,
         "fibre/1+z-0-0 is moved twice"},
        {64,
         68,
         {{{1, 2, false, 0, 0}, 64}, {{2, 2, false, 0, 0}, 64}},
         2,
         "ocs/32 north 64 has two fibres, of cube/1 and cube/2"},
        {64,
         68,
         {{{1, 2, true, 0, 0}, 9}},
         1,
         "ocs/32 south 9 has two fibres, of cube/1 and cube/9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_wiring *w = NULL;
        struct tpunet_error err;
        assert_int_equal(
            tpunet_wiring_create(&w, rows[i].cubes, rows[i].ports, rows[i].moves, rows[i].n, &err),
            TPUNET_EWIRING);
        assert_string_equal(err.text, rows[i].says);
        assert_null(w);
    }
    tpunet_wiring_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_rows),
        cmocka_unit_test(every_fibre_has_its_own_port),
        cmocka_unit_test(a_moved_fibre_leaves_its_port),
        cmocka_unit_test(bad_wirings),
    };
    return cmocka_run_group_tests_name("wiring", tests, NULL, NULL);
}
