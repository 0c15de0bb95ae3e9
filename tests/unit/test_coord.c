/* Coordinates of chips, hosts and ports; steps around rings and tori. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "internal.h"
#include "ring.h"

static void every_chip_number_round_trips(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < TPUNET_CHIPS_MAX; n++)
        assert_int_equal(tpunet_chip_number(tpunet_chip_of(n)), n);
    struct tpunet_chip chip = {.cube = 5, .at = {3, 1, 2}};
    assert_int_equal(tpunet_chip_number(chip), 5 * 64 + 3 + 4 + 32);
    assert_string_equal(chip_name(tpunet_chip_number(chip)).text, "chip/5-3-1-2");
}

static void hosts_partition_a_cube_into_trays(void **state)
{
    (void)state;
    for (unsigned host = 0; host < TPUNET_CUBE_HOSTS; host++) {
        struct tpunet_chip first = tpunet_host_chip(7, host, 0);
        for (unsigned k = 0; k < 4; k++) {
            struct tpunet_chip chip = tpunet_host_chip(7, host, k);
            assert_int_equal(chip.cube, 7);
            assert_int_equal(tpunet_chip_host(chip), host);
            assert_int_equal(chip.at[0], first.at[0] + (k & 1));
            assert_int_equal(chip.at[1], first.at[1] + (k >> 1));
            assert_int_equal(chip.at[2], first.at[2]);
        }
    }
    struct tpunet_chip chip = {.cube = 0, .at = {3, 1, 2}};
    assert_int_equal(tpunet_chip_host(chip), 1 + 0 + 8);
}

static void ports_pair_up(void **state)
{
    (void)state;
    static const char *const names[] = {"+x", "-x", "+y", "-y", "+z", "-z"};
    for (unsigned p = 0; p < TPUNET_PORTS; p++) {
        assert_string_equal(tpunet_port_name(p), names[p]);
        assert_int_equal(tpunet_port_axis(tpunet_port_peer(p)), tpunet_port_axis(p));
        assert_int_not_equal(tpunet_port_minus(tpunet_port_peer(p)), tpunet_port_minus(p));
    }
    assert_string_equal(tpunet_port_name(TPUNET_PORTS), "?");
}

static void ring_arithmetic(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 20; n++) {
        for (unsigned p = 0; p < n; p++) {
            assert_int_equal(ring_step(ring_step(p, false, n), true, n), p);
            assert_int_equal(ring_wraps(p, false, n), p == n - 1);
            assert_int_equal(ring_wraps(p, true, n), p == 0);
            for (unsigned q = 0; q < n; q++) {
                int d = ring_delta(p, q, n);
                assert_true(2 * d <= (int)n && 2 * d > -(int)n);
                assert_int_equal(ring_add(p, (unsigned)(d + (int)n) % n, n), q);
            }
        }
    }
}

static void a_step_and_back_is_no_step(void **state)
{
    (void)state;
    static const struct {
        uint16_t len[TPUNET_AXES];
        bool twisted;
    } tori[] = {{{4, 4, 4}, false}, {{4, 4, 8}, true}, {{4, 8, 8}, true},
                {{1, 2, 2}, true},  {{1, 1, 2}, true}, {{4, 8, 12}, false}};
    for (size_t i = 0; i < sizeof tori / sizeof tori[0]; i++) {
        const uint16_t *len = tori[i].len;
        for (unsigned n = 0; n < (unsigned)len[0] * len[1] * len[2]; n++) {
            for (unsigned port = 0; port < TPUNET_PORTS; port++) {
                uint16_t from[] = {(uint16_t)(n % len[0]), (uint16_t)(n / len[0] % len[1]),
                                   (uint16_t)(n / len[0] / len[1])};
                uint16_t at[] = {from[0], from[1], from[2]};
                torus_step(len, tori[i].twisted, at, port);
                torus_step(len, tori[i].twisted, at, tpunet_port_peer(port));
                assert_memory_equal(at, from, sizeof at);
            }
        }
    }
}

static void the_seam_of_a_short_axis_shifts_every_long_one(void **state)
{
    (void)state;
    static const struct {
        uint16_t len[TPUNET_AXES], from[TPUNET_AXES];
        unsigned port;
        uint16_t to[TPUNET_AXES];
    } rows[] = {
        {{4, 4, 8}, {3, 1, 1}, TPUNET_XP, {0, 1, 5}}, {{4, 4, 8}, {0, 1, 5}, TPUNET_XM, {3, 1, 1}},
        {{4, 4, 8}, {2, 3, 6}, TPUNET_YP, {2, 0, 2}}, {{4, 4, 8}, {2, 3, 7}, TPUNET_ZP, {2, 3, 0}},
        {{4, 4, 8}, {1, 3, 7}, TPUNET_XP, {2, 3, 7}}, {{4, 8, 8}, {3, 1, 6}, TPUNET_XP, {0, 5, 2}},
        {{4, 8, 8}, {3, 7, 6}, TPUNET_YP, {3, 0, 6}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t at[] = {rows[i].from[0], rows[i].from[1], rows[i].from[2]};
        torus_step(rows[i].len, true, at, rows[i].port);
        assert_memory_equal(at, rows[i].to, sizeof at);
    }
}

static void every_code_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(tpunet_strerror(0), "success");
    assert_string_equal(tpunet_strerror(TPUNET_ESHAPE), "not a valid slice shape");
    assert_string_equal(tpunet_strerror(-99), "unknown error");
    struct tpunet_error err;
    assert_int_equal(tpunet_fail(&err, TPUNET_EWIRING, "ocs/%d", 7), TPUNET_EWIRING);
    assert_int_equal(err.code, TPUNET_EWIRING);
    assert_string_equal(err.text, "ocs/7");
    assert_int_equal(tpunet_fail(NULL, TPUNET_EINVAL, "unheard"), TPUNET_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chip_number_round_trips),
        cmocka_unit_test(hosts_partition_a_cube_into_trays),
        cmocka_unit_test(ports_pair_up),
        cmocka_unit_test(ring_arithmetic),
        cmocka_unit_test(a_step_and_back_is_no_step),
        cmocka_unit_test(the_seam_of_a_short_axis_shifts_every_long_one),
        cmocka_unit_test(every_code_has_a_text),
    };
    return cmocka_run_group_tests_name("coord", tests, NULL, NULL);
}
