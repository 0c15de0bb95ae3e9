/* Routes over broken tori: every connected fault set is served and proved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tpunet.h"

static struct tpunet_topology *topology_of(const char *text, bool twisted)
{
    struct tpunet_shape shape;
    struct tpunet_topology *t;
    assert_int_equal(tpunet_shape_parse(&shape, text, twisted, NULL), 0);
    assert_int_equal(tpunet_topology_of_shape(&t, &shape, NULL), 0);
    return t;
}

static void nothing_down_is_dimension_order(void **state)
{
    (void)state;
    struct tpunet_topology *t = topology_of("4x4x8", false);
    struct tpunet_tables *tables;
    assert_int_equal(tpunet_route_around(&tables, t, NULL, NULL), 0);
    assert_string_equal(tables->algorithm, "dor");
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy(t);
}

static void other_numbers_of_vcs_are_refused(void **state)
{
    (void)state;
    struct tpunet_topology *t = topology_of("4x4x4", false);
    struct tpunet_tables *tables;
    static const unsigned vcs[] = {1, 4};
    for (size_t i = 0; i < 2; i++) {
        const struct tpunet_route_options options = {.vcs = vcs[i]};
        assert_int_equal(tpunet_route_around(&tables, t, &options, NULL), TPUNET_EINVAL);
    }
    tpunet_topology_destroy(t);
}

static void chips_apart_are_named(void **state)
{
    (void)state;
    struct tpunet_topology *t = topology_of("4x4x4", false);
    struct tpunet_tables *tables;
    struct tpunet_error err;
    for (unsigned port = 0; port < TPUNET_PORTS; port++)
        tpunet_topology_cut(t, 21, port);
    assert_int_equal(tpunet_route_around(&tables, t, NULL, &err), TPUNET_EUNREACHABLE);
    assert_string_equal(err.text, "no live links lead from logical chip 0 to 21");
    tpunet_topology_destroy(t);
}

static void prove(const struct tpunet_topology *t, unsigned vcs, double most)
{
    const struct tpunet_route_options options = {.vcs = vcs};
    struct tpunet_tables *tables;
    struct tpunet_bounds bounds;
    struct tpunet_proof proof;
    struct tpunet_error err = {.text = ""};
    assert_int_equal(tpunet_bound(&bounds, t, NULL), 0);
    assert_int_equal(tpunet_route_around(&tables, t, &options, NULL), 0);
    assert_true(tables->n_vcs <= vcs);
    (void)tpunet_verify(tables, t, &proof, &err);
    assert_string_equal(err.text, "");
    double bound = bounds.cut > bounds.hop ? bounds.cut : bounds.hop;
    assert_true(proof.max_link_load >= bound - 0.01);
    if (proof.max_link_load > most * bound)
        fail_msg("the largest load is %.0f, the bound %.1f", proof.max_link_load, bound);
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy((struct tpunet_topology *)(uintptr_t)t);
}

/* One switch of each axis, several of one axis, copper, chips. */
static void faults_of_each_kind(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        uint16_t ocs[4], chips[3]; /* from 1, 0 ends the list */
        uint32_t links;            /* every so many-th link, 0 none */
    } rows[] = {
        {"4x4x8", false, {1}, {0}, 0},           {"4x4x8", false, {48}, {0}, 0},
        {"4x4x8", true, {17}, {0}, 0},           {"4x4x8", false, {33, 34, 35}, {0}, 0},
        {"4x8x8", true, {20, 40}, {7, 100}, 61}, {"4x4x4", false, {1, 17, 33}, {1, 64}, 29},
        {"4x4x4", false, {0}, {1, 2}, 0},        {"2x4x4", false, {0}, {5}, 13},
        {"2x2x1", false, {0}, {0}, 24},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned vcs = 2; vcs <= 3; vcs++) {
            struct tpunet_topology *t = topology_of(rows[i].text, rows[i].twisted);
            for (size_t k = 0; k < 4 && rows[i].ocs[k] != 0; k++)
                assert_int_equal(tpunet_topology_cut_ocs(t, rows[i].ocs[k] - 1U, NULL), 0);
            for (size_t k = 0; k < 3 && rows[i].chips[k] != 0; k++)
                tpunet_topology_kill(t, rows[i].chips[k] - 1U);
            for (uint32_t k = 0; rows[i].links != 0 && k < t->n_chips * TPUNET_PORTS;
                 k += rows[i].links)
                tpunet_topology_cut(t, k / TPUNET_PORTS, k % TPUNET_PORTS);
            prove(t, vcs, 1.5);
        }
    }
}

/* All that is left is a tree, as far as can be from a torus: still served. */
static void a_tree_is_enough(void **state)
{
    (void)state;
    struct tpunet_topology *t = topology_of("4x4x8", false);
    for (uint32_t chip = 0; chip < t->n_chips; chip++) {
        uint16_t at[TPUNET_AXES];
        tpunet_logical_at(&t->shape, chip, at);
        if (at[0] == 3 || at[1] != 0)
            tpunet_topology_cut(t, chip, TPUNET_ZP);
        if (at[1] == 3)
            tpunet_topology_cut(t, chip, TPUNET_YP);
        if (at[0] == 3 || at[1] != 2)
            tpunet_topology_cut(t, chip, TPUNET_XP);
        if (at[0] != 2)
            tpunet_topology_cut(t, chip, TPUNET_ZP);
    }
    prove(t, 2, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_down_is_dimension_order),
        cmocka_unit_test(other_numbers_of_vcs_are_refused),
        cmocka_unit_test(chips_apart_are_named),
        cmocka_unit_test(faults_of_each_kind),
        cmocka_unit_test(a_tree_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
