/* Routes over woven slices: proved, walked by the second verifier, and held to
 * limits that no torus of the size reaches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tpunet.h"
#include "walk_oracle.h"

static struct tpunet_topology *woven_by(uint64_t seed, const char *text, unsigned batches)
{
    struct tpunet_shape shape;
    struct tpunet_weave_search *search;
    struct tpunet_topology *t;
    assert_int_equal(tpunet_shape_parse(&shape, text, false, NULL), 0);
    shape.twisted = tpunet_shape_twistable(&shape);
    assert_int_equal(tpunet_weave_search_create(&search, &shape, seed, NULL), 0);
    for (unsigned i = 0; i < batches; i++)
        tpunet_weave_search_run(search, 64, 1 - (double)i / batches);
    assert_int_equal(tpunet_topology_of_weave(&t, tpunet_weave_search_best(search), NULL), 0);
    tpunet_weave_search_destroy(search);
    return t;
}

static struct tpunet_topology *woven(const char *text, unsigned batches)
{
    return woven_by(1, text, batches);
}

static struct tpunet_tables *route(const struct tpunet_topology *t, unsigned vcs,
                                   const char *algorithm, struct tpunet_proof *proof)
{
    struct tpunet_tables *tables;
    const struct tpunet_route_options options = {.vcs = vcs};
    assert_int_equal(tpunet_route_around(&tables, t, &options, NULL), 0);
    assert_string_equal(tables->algorithm, algorithm);
    assert_int_equal(tpunet_verify(tables, t, proof, NULL), 0);
    return tables;
}

/* The best tori of these sizes carry 74, 184, 512 and 1190. */
static void more_goes_through_than_through_any_torus(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        unsigned batches, vcs, limit;
    } rows[] = {
        {"4x4x8", 200, 3, 73}, {"4x4x8", 200, 2, 73}, {"4x8x8", 200, 3, 163},
        {"8x8x8", 60, 3, 372}, {"8x8x8", 60, 2, 385}, {"8x8x16", 30, 3, 860},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tpunet_topology *t = woven(rows[i].shape, rows[i].batches);
        struct tpunet_bounds bounds;
        struct tpunet_proof proof;
        struct tpunet_tables *tables = route(t, rows[i].vcs, "woven", &proof);
        assert_int_equal(tables->n_vcs, rows[i].vcs);
        assert_int_equal(tpunet_bound(&bounds, t, NULL), 0);
        assert_true(bounds.hop <= proof.max_link_load && bounds.cut <= proof.max_link_load);
        assert_true(proof.max_link_load <= rows[i].limit);
        assert_true(tpunet_reference_load(&t->shape) > proof.max_link_load);
        tpunet_tables_destroy(tables);
        tpunet_topology_destroy(t);
    }
}

static void the_second_verifier_agrees(void **state)
{
    (void)state;
    for (unsigned vcs = 2; vcs <= 3; vcs++) {
        struct tpunet_topology *t = woven("4x4x8", 20);
        struct tpunet_proof proof;
        struct tpunet_tables *tables = route(t, vcs, "woven", &proof);
        assert_int_equal(walk_agrees(tables, t), 0);
        tables->rows[5 * t->n_chips + 100] = TPUNET_NO_ROUTE; /* of injection */
        assert_int_equal(walk_agrees(tables, t), TPUNET_EUNREACHABLE);
        tpunet_tables_destroy(tables);
        tpunet_topology_destroy(t);
    }
}

/* Good weaves and bad: of those that the search has hardly begun, packets must
 * often go on where they came from, if the order of the channels let them. */
static void many_weaves_are_proved(void **state)
{
    (void)state;
    static const char *const shapes[] = {"4x4x8", "4x4x12", "4x8x8", "4x8x12"};
    for (uint64_t seed = 0; seed < 48; seed++) {
        struct tpunet_topology *t = woven_by(seed, shapes[seed % 4], 1 + (unsigned)seed % 5);
        struct tpunet_proof proof;
        tpunet_tables_destroy(route(t, seed % 3 == 0 ? 3 : 2, "woven", &proof));
        tpunet_topology_destroy(t);
    }
}

static void neighbours_talk_directly(void **state)
{
    (void)state;
    struct tpunet_topology *t = woven("8x8x8", 10);
    struct tpunet_proof proof;
    struct tpunet_tables *tables = route(t, 3, "woven", &proof);
    for (uint32_t end = 0; end < t->n_chips * TPUNET_PORTS; end++) {
        struct tpunet_hop hop;
        assert_int_equal(tpunet_walk(tables, t, end / TPUNET_PORTS, t->peer[end], &hop, 1), 1);
    }
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy(t);
}

/* A dead OCS takes the same link from all cubes, which are still alike. */
static void dead_switches_are_gone_around(void **state)
{
    (void)state;
    static const unsigned dead[] = {0, 21, 46}; /* one an axis, one after the other */
    struct tpunet_topology *t = woven("8x8x8", 40);
    for (size_t i = 0; i < sizeof dead / sizeof *dead; i++) {
        struct tpunet_bounds bounds;
        struct tpunet_proof proof;
        assert_int_equal(tpunet_topology_cut_ocs(t, dead[i], NULL), 0);
        assert_int_equal(tpunet_bound(&bounds, t, NULL), 0);
        tpunet_tables_destroy(route(t, 3, "woven", &proof));
        assert_true(proof.max_link_load <= bounds.hop * 1.05);
    }
    tpunet_topology_destroy(t);
}

/* What is not the same in all cubes is served all the same. */
static void other_faults_fall_back(void **state)
{
    (void)state;
    struct tpunet_topology *t = woven("4x8x8", 20);
    struct tpunet_proof proof;
    tpunet_topology_cut(t, 37, 0);
    tpunet_tables_destroy(route(t, 3, "up-down", &proof));
    tpunet_topology_kill(t, 90);
    tpunet_tables_destroy(route(t, 2, "up-down", &proof));
    tpunet_topology_destroy(t);
    t = woven("12x12x12", 1); /* two VCs are too few for the order of its channels */
    tpunet_tables_destroy(route(t, 2, "up-down", &proof));
    tpunet_topology_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_goes_through_than_through_any_torus),
        cmocka_unit_test(the_second_verifier_agrees),
        cmocka_unit_test(many_weaves_are_proved),
        cmocka_unit_test(neighbours_talk_directly),
        cmocka_unit_test(dead_switches_are_gone_around),
        cmocka_unit_test(other_faults_fall_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
