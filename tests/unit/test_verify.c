/* The verifier against a slow oracle that walks every pair, and against
 * planted faults that it must find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tpunet.h"
#include "walk_oracle.h"

struct slice {
    struct tpunet_topology *topology;
    struct tpunet_tables *tables;
};

static struct slice slice_of(const char *text, bool twisted)
{
    struct tpunet_shape shape;
    struct slice s;
    assert_int_equal(tpunet_shape_parse(&shape, text, twisted, NULL), 0);
    assert_int_equal(tpunet_topology_of_shape(&s.topology, &shape, NULL), 0);
    assert_int_equal(tpunet_route_dor(&s.tables, &shape, NULL, NULL), 0);
    return s;
}

static void slice_fini(struct slice *s)
{
    tpunet_tables_destroy(s->tables);
    tpunet_topology_destroy(s->topology);
}

static uint8_t *entry_of(const struct slice *s, unsigned plane, uint32_t chip, uint32_t dst)
{
    size_t n = s->tables->n_chips;
    return &s->tables->rows[(plane * n + chip) * n + dst];
}

/* Replaces the tables by the same routes with a plane for each class, so that
 * a test may change what packets do in one class alone. */
static void spread_planes(struct slice *s)
{
    struct tpunet_tables *t = s->tables;
    size_t size = (size_t)t->n_chips * t->n_chips;
    uint8_t *rows = malloc(4 * size);
    for (unsigned plane = 0; plane < 4; plane++) {
        memcpy(rows + plane * size, t->rows, size);
        t->plane[plane] = (uint8_t)plane;
    }
    free(t->rows);
    t->rows = rows;
    t->n_planes = 4;
    t->n_vcs = 3;
}

/* ------------------------------------------------------------- oracle -- */

static int agree(const struct slice *s)
{
    return walk_agrees(s->tables, s->topology);
}

static void good_tables_pass_as_the_oracle_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
    } rows[] = {{"2x2x1", false}, {"2x2x4", false}, {"2x4x4", false},
                {"4x4x4", false}, {"4x4x8", false}, {"4x4x8", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice s = slice_of(rows[i].text, rows[i].twisted);
        assert_int_equal(agree(&s), 0);
        spread_planes(&s);
        assert_int_equal(agree(&s), 0);
        slice_fini(&s);
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* Any byte, or one of those that look right. */
static uint8_t random_entry(uint32_t *seed)
{
    switch (next_random(seed) % 4) {
    case 0:
        return (uint8_t)next_random(seed);
    case 1:
        return TPUNET_NO_ROUTE;
    default:
        return tpunet_entry(next_random(seed) % TPUNET_PORTS, next_random(seed) % 3);
    }
}

static void damage(struct slice *s, uint32_t *seed)
{
    uint32_t n = s->tables->n_chips, count = 1 + next_random(seed) % 4;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *e = entry_of(s, next_random(seed) % s->tables->n_planes, next_random(seed) % n,
                              next_random(seed) % n);
        *e = random_entry(seed);
    }
    if (next_random(seed) % 4 == 0)
        tpunet_topology_cut(s->topology, next_random(seed) % n, next_random(seed) % TPUNET_PORTS);
}

static void damaged_tables_are_judged_as_the_oracle_says(void **state)
{
    (void)state;
    static const char *const texts[] = {"2x2x2", "2x4x4", "4x4x4"};
    unsigned passed = 0, cyclic = 0, unreachable = 0;
    for (uint32_t seed = 1; seed <= 900; seed++) {
        uint32_t random = seed;
        struct slice s = slice_of(texts[seed % 3], false);
        if (seed % 2 == 0)
            spread_planes(&s);
        damage(&s, &random);
        int rc = agree(&s);
        passed += rc == 0;
        cyclic += rc == TPUNET_ECYCLE;
        unreachable += rc == TPUNET_EUNREACHABLE;
        slice_fini(&s);
    }
    assert_true(passed > 0 && cyclic > 0 && unreachable > 0);
}

/* --------------------------------------------------------- negatives -- */

static void without_datelines_there_is_a_cycle(void **state)
{
    (void)state;
    static const char *const texts[] = {"4x4x4", "4x4x8", "8x8x8"};
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        struct slice s = slice_of(texts[k], false);
        tpunet_tables_destroy(s.tables);
        assert_int_equal(tpunet_route_dor_unsafe(&s.tables, &s.topology->shape, NULL), 0);
        struct tpunet_proof proof;
        struct tpunet_error err;
        assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, &err), TPUNET_ECYCLE);
        assert_false(proof.acyclic);
        assert_non_null(strstr(err.text, "cycle"));
        assert_in_range(proof.cycle_len, 2, 16);
        for (uint32_t i = 0; i < proof.cycle_len; i++) {
            uint32_t chip = proof.cycle[i].chip, j = (i + 1) % proof.cycle_len;
            uint32_t next = s.topology->peer[chip * TPUNET_PORTS + proof.cycle[i].port];
            bool dependent = false;
            assert_int_equal(next, proof.cycle[j].chip);
            for (uint32_t dst = 0; dst < s.tables->n_chips; dst++)
                dependent |= *entry_of(&s, 0, chip, dst) ==
                                 tpunet_entry(proof.cycle[i].port, proof.cycle[i].vc) &&
                             *entry_of(&s, 0, next, dst) ==
                                 tpunet_entry(proof.cycle[j].port, proof.cycle[j].vc);
            assert_true(dependent);
        }
        slice_fini(&s);
    }
}

static void planted_entries_are_found_and_named(void **state)
{
    (void)state;
    static const struct {
        uint8_t entry;
        uint32_t chip, dst;
        const char *text;
    } rows[] = {
        {TPUNET_NO_ROUTE, 17, 99, "no route"},
        {TPUNET_ARRIVED, 17, 99, "arrived"},
        {TPUNET_ARRIVED | 8, 17, 99, "no such port"},
        {TPUNET_XP, 99, 99, "the chip itself"},
        {TPUNET_NO_ROUTE, 127, 127, "the chip itself"},
        {TPUNET_XP | 2 << 4, 17, 99, "no such port or virtual channel"},
        {TPUNET_XP | 3 << 4, 0, 1, "no such port or virtual channel"},
        {TPUNET_XP | 8, 0, 127, "no such port or virtual channel"},
        {TPUNET_XP | 0x80, 127, 0, "no such port or virtual channel"},
        {0xFF, 64, 63, "no such port or virtual channel"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice s = slice_of("4x4x8", false);
        struct tpunet_proof proof;
        struct tpunet_error err;
        char where[64];
        *entry_of(&s, 0, rows[i].chip, rows[i].dst) = rows[i].entry;
        assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, &err), TPUNET_EUNREACHABLE);
        assert_int_equal(proof.bad_chip, rows[i].chip);
        assert_int_equal(proof.bad_dst, rows[i].dst);
        assert_true(proof.unreachable_pairs > 0);
        snprintf(where, sizeof where, "chip %u, destination %u", rows[i].chip, rows[i].dst);
        assert_non_null(strstr(err.text, where));
        assert_non_null(strstr(err.text, rows[i].text));
        slice_fini(&s);
    }
}

static void an_entry_over_a_cut_link_is_found(void **state)
{
    (void)state;
    struct slice s = slice_of("4x4x8", true);
    struct tpunet_proof proof;
    struct tpunet_error err;
    tpunet_topology_cut(s.topology, 5, TPUNET_ZM);
    assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, &err), TPUNET_EUNREACHABLE);
    assert_non_null(strstr(err.text, "link is down"));
    assert_true(proof.unreachable_pairs > 0);
    assert_int_equal(tpunet_entry_port(*entry_of(&s, 0, proof.bad_chip, proof.bad_dst)),
                     proof.bad_chip == 5 ? TPUNET_ZM : TPUNET_ZP);
    slice_fini(&s);
}

/* At a dead chip and for one, "no route" is right, and nothing else is. */
static void a_dead_chip_takes_no_part(void **state)
{
    (void)state;
    struct slice s = slice_of("4x4x4", false);
    struct tpunet_proof proof;
    struct tpunet_error err;
    tpunet_topology_kill(s.topology, 9);
    tpunet_tables_destroy(s.tables);
    assert_int_equal(tpunet_route_around(&s.tables, s.topology, NULL, NULL), 0);
    assert_int_equal(agree(&s), 0);
    assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, NULL), 0);
    assert_int_equal(proof.pairs, 63 * 62);
    static const uint32_t where[][2] = {{9, 3}, {3, 9}, {9, 9}};
    static const uint8_t what[] = {TPUNET_XP, TPUNET_ARRIVED};
    for (size_t i = 0; i < 6; i++) {
        uint8_t *e = entry_of(&s, 1, where[i / 2][0], where[i / 2][1]);
        assert_int_equal(*e, TPUNET_NO_ROUTE);
        *e = what[i % 2];
        assert_int_equal(agree(&s), TPUNET_EUNREACHABLE);
        assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, &err), TPUNET_EUNREACHABLE);
        assert_non_null(strstr(err.text, "the chip is dead"));
        assert_int_equal(proof.bad_chip, where[i / 2][0]);
        assert_int_equal(proof.bad_dst, where[i / 2][1]);
        *e = TPUNET_NO_ROUTE;
    }
    slice_fini(&s);
}

/* "No route" is an error where packets come, and right where none does. */
static void only_the_classes_that_packets_use_need_a_route(void **state)
{
    (void)state;
    struct slice s = slice_of("4x4x4", false);
    struct tpunet_proof proof;
    struct tpunet_error err;
    spread_planes(&s);
    for (uint32_t chip = 0; chip < 64; chip++) {
        for (uint32_t dst = 0; dst < 64; dst++)
            *entry_of(&s, 3, chip, dst) = chip == dst ? TPUNET_ARRIVED : TPUNET_NO_ROUTE;
    }
    assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, &err), 0);
    /* 0 -> 2 goes +x by chip 1, without a wrap, so it arrives there on VC1. */
    *entry_of(&s, 2, 1, 2) = TPUNET_NO_ROUTE;
    assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, &err), TPUNET_EUNREACHABLE);
    assert_int_equal(proof.bad_chip, 1);
    assert_int_equal(proof.bad_dst, 2);
    assert_int_equal(proof.unreachable_pairs, 1);
    assert_non_null(strstr(err.text, "on VC1"));
    slice_fini(&s);
}

/* Right ports on the wrong VC: complete, yet not free of deadlock. */
static void one_virtual_channel_too_few_is_a_cycle(void **state)
{
    (void)state;
    struct slice s = slice_of("4x4x8", true);
    struct tpunet_proof proof;
    for (size_t i = 0; i < 128 * 128; i++)
        s.tables->rows[i] &= 7;
    assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, NULL), TPUNET_ECYCLE);
    assert_true(proof.cycle_len > 1);
    slice_fini(&s);
}

static void malformed_tables_are_refused(void **state)
{
    (void)state;
    struct slice a = slice_of("4x4x4", false), b = slice_of("4x4x8", false);
    struct tpunet_proof proof;
    assert_int_equal(tpunet_verify(a.tables, b.topology, &proof, NULL), TPUNET_EINVAL);
    a.tables->plane[TPUNET_VC1] = 1;
    assert_int_equal(tpunet_verify(a.tables, a.topology, &proof, NULL), TPUNET_EINVAL);
    a.tables->plane[TPUNET_VC1] = 0;
    a.tables->n_vcs = 4;
    assert_int_equal(tpunet_verify(a.tables, a.topology, &proof, NULL), TPUNET_EINVAL);
    slice_fini(&a);
    slice_fini(&b);
}

static void a_walk_reports_what_is_lost(void **state)
{
    (void)state;
    struct slice s = slice_of("4x4x4", false);
    struct tpunet_hop hops[8];
    assert_int_equal(tpunet_walk(s.tables, s.topology, 0, 0, hops, 0), 0);
    assert_int_equal(tpunet_walk(s.tables, s.topology, 0, 2, hops, 8), 2);
    assert_int_equal(hops[1].chip, 1);
    assert_int_equal(tpunet_walk(s.tables, s.topology, 0, 2, hops, 1), TPUNET_EUNREACHABLE);
    *entry_of(&s, 0, 1, 2) = TPUNET_NO_ROUTE;
    assert_int_equal(tpunet_walk(s.tables, s.topology, 0, 2, hops, 8), TPUNET_EUNREACHABLE);
    *entry_of(&s, 0, 1, 2) = TPUNET_XM | 1 << 4; /* back and forth */
    assert_int_equal(tpunet_walk(s.tables, s.topology, 0, 2, hops, 8), TPUNET_EUNREACHABLE);
    slice_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tables_pass_as_the_oracle_says),
        cmocka_unit_test(damaged_tables_are_judged_as_the_oracle_says),
        cmocka_unit_test(without_datelines_there_is_a_cycle),
        cmocka_unit_test(planted_entries_are_found_and_named),
        cmocka_unit_test(an_entry_over_a_cut_link_is_found),
        cmocka_unit_test(a_dead_chip_takes_no_part),
        cmocka_unit_test(only_the_classes_that_packets_use_need_a_route),
        cmocka_unit_test(one_virtual_channel_too_few_is_a_cycle),
        cmocka_unit_test(malformed_tables_are_refused),
        cmocka_unit_test(a_walk_reports_what_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
