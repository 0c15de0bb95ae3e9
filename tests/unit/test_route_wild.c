/* Routes around one dead switch: every switch of small shapes is proved, and
 * its busiest link held against the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "routes.h"
#include "tpunet.h"

enum { POSITIONS = TPUNET_FACE_LINKS, MAX_HOPS = 64 };

static struct tpunet_route_key key_of(const char *text, bool twisted, unsigned axis, unsigned n_vcs)
{
    struct tpunet_route_key key = {
        .axis = (uint8_t)axis, .n_vcs = (uint8_t)n_vcs, .neighbour_weight = 1};
    assert_int_equal(tpunet_shape_parse(&key.shape, text, twisted, NULL), 0);
    return key;
}

static struct tpunet_route_solution *solve(struct tpunet_route_key key)
{
    struct tpunet_route_solution *s;
    assert_int_equal(tpunet_route_solve(&s, &key, NULL), 0);
    return s;
}

/* The links of a slice whose circuits through one switch are down. */
static struct tpunet_topology *without_switch(const struct tpunet_shape *shape, unsigned ocs)
{
    struct tpunet_topology *t;
    assert_int_equal(tpunet_topology_of_shape(&t, shape, NULL), 0);
    unsigned cut = 0;
    for (uint32_t chip = 0; chip < t->n_chips; chip++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port += 2) {
            uint16_t at[TPUNET_AXES];
            struct tpunet_fibre f;
            tpunet_logical_at(shape, chip, at);
            struct tpunet_chip in_cube = {.at = {at[0] % 4, at[1] % 4, at[2] % 4}};
            if (!tpunet_chip_fibre(in_cube, port, &f) || 16U * f.axis + f.a + 4U * f.b != ocs)
                continue;
            tpunet_topology_cut(t, chip, port);
            cut++;
        }
    }
    assert_int_equal(cut, tpunet_shape_cubes(shape));
    return t;
}

/* Proves the tables for one switch; returns the load of the busiest link. */
static double prove(const struct tpunet_route_solution *s, unsigned position)
{
    const struct tpunet_route_key *key = tpunet_route_solution_key(s);
    struct tpunet_topology *topology = without_switch(&key->shape, 16U * key->axis + position);
    struct tpunet_tables *tables;
    struct tpunet_proof proof;
    struct tpunet_error err = {0};
    assert_int_equal(tpunet_route_expand(&tables, s, position % 4, position / 4, &err), 0);
    assert_int_equal(tables->n_vcs, key->n_vcs);
    if (tpunet_verify(tables, topology, &proof, &err) != 0)
        fail_msg("axis %u, switch %u: %s", key->axis, position, err.text);
    assert_int_equal(proof.unreachable_pairs, 0);
    assert_true(proof.acyclic);
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy(topology);
    return proof.max_link_load;
}

/* max_load holds for every switch: on plain tori the bound rounded up, with
 * three VCs and with two. */
static void every_switch_of_a_small_slice(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        unsigned n_vcs;
        double max_load;
    } rows[] = {
        {"4x4x4", false, 3, 34},  {"4x4x8", false, 3, 137},  {"4x8x8", false, 3, 274},
        {"8x8x8", false, 3, 547}, {"4x4x12", false, 3, 308}, {"4x4x8", true, 3, 75},
        {"4x8x8", true, 3, 187},  {"4x4x4", false, 2, 34},   {"4x4x8", false, 2, 137},
        {"4x8x8", false, 2, 274}, {"8x8x8", false, 2, 547},  {"4x4x8", true, 2, 75},
        {"4x8x8", true, 2, 188},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
            struct tpunet_route_solution *s =
                solve(key_of(rows[i].text, rows[i].twisted, axis, rows[i].n_vcs));
            const struct tpunet_route_figures *figures = tpunet_route_solution_figures(s);
            assert_true(figures->max_link_load <= rows[i].max_load);
            assert_true(figures->bound <= figures->max_link_load);
            for (unsigned position = 0; position < POSITIONS; position++)
                assert_true(prove(s, position) == figures->max_link_load);
            tpunet_route_solution_destroy(s);
        }
    }
}

static void one_switch_an_axis_of_a_large_slice(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        double max_load; /* 1.01 times the cut bound, 1.05 times the hop bound */
    } rows[] = {
        {"8x8x16", false, 2206},
        {"16x16x16", false, 8826},
        {"8x8x16", true, 1255},
        {"8x16x16", true, 3141},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
            struct tpunet_route_solution *s = solve(key_of(rows[i].text, rows[i].twisted, axis, 3));
            double load = prove(s, 5 * axis + 3);
            assert_true(load == tpunet_route_solution_figures(s)->max_link_load);
            assert_true(load <= rows[i].max_load);
            tpunet_route_solution_destroy(s);
        }
    }
}

/* Every shape of up to eight cubes, one switch an axis. */
static void all_small_shapes(void **state)
{
    (void)state;
    unsigned shapes = 0;
    for (unsigned cubes = 0; cubes < 8 * 8 * 8 * 2; cubes++) {
        const unsigned a = 1 + cubes / 2 % 8, b = 1 + cubes / 16 % 8, c = 1 + cubes / 128;
        struct tpunet_shape shape = {
            .dim = {(uint16_t)(4 * a), (uint16_t)(4 * b), (uint16_t)(4 * c)}};
        if (a > b || b > c || a * b * c > 8)
            continue;
        if (cubes % 2 != 0 && !tpunet_shape_twistable(&shape))
            continue;
        shape.twisted = cubes % 2 != 0;
        shapes++;
        for (unsigned i = 0; i < 2 * TPUNET_AXES; i++) {
            struct tpunet_route_solution *s =
                solve((struct tpunet_route_key){shape, (uint8_t)(i / 2), (uint8_t)(2 + i % 2), 1});
            const struct tpunet_route_figures *figures = tpunet_route_solution_figures(s);
            assert_true(prove(s, (7 * shapes + i) % POSITIONS) == figures->max_link_load);
            assert_true(figures->max_link_load <= figures->bound * 1.04);
            tpunet_route_solution_destroy(s);
        }
    }
    assert_int_equal(shapes, 14);
}

/* Loads of the links, by walking every pair. */
struct loads {
    struct tpunet_topology *left;
    uint32_t *all, *near; /* [n_chips * 6] routes of all pairs, of neighbours */
};

static struct loads walk_all(const struct tpunet_route_solution *s, unsigned position)
{
    const struct tpunet_route_key *key = tpunet_route_solution_key(s);
    struct tpunet_topology *whole;
    struct tpunet_tables *tables;
    struct loads l = {.left = without_switch(&key->shape, 16U * key->axis + position)};
    assert_int_equal(tpunet_topology_of_shape(&whole, &key->shape, NULL), 0);
    assert_int_equal(tpunet_route_expand(&tables, s, position % 4, position / 4, NULL), 0);
    const uint32_t n = whole->n_chips;
    l.all = calloc(n * TPUNET_PORTS, sizeof *l.all);
    l.near = calloc(n * TPUNET_PORTS, sizeof *l.near);
    for (uint32_t pair = 0; pair < n * n; pair++) {
        uint32_t src = pair / n, dst = pair % n;
        struct tpunet_hop hops[MAX_HOPS];
        bool near = false;
        for (unsigned port = 0; port < TPUNET_PORTS; port++)
            near |= whole->peer[src * TPUNET_PORTS + port] == dst;
        int length = tpunet_walk(tables, l.left, src, dst, hops, MAX_HOPS);
        assert_true(length >= (src != dst));
        for (int h = 0; h < length; h++) {
            uint32_t link = hops[h].chip * TPUNET_PORTS + hops[h].port;
            l.all[link]++;
            l.near[link] += near;
            assert_true(h == 0 || hops[h].vc < 2); /* wild hops come first */
        }
    }
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy(whole);
    return l;
}

/* The busiest link when neighbours count as `weight` pairs. */
static uint32_t busiest(const struct loads *l, uint32_t weight)
{
    uint32_t most = 0;
    for (uint32_t link = 0; link < l->left->n_chips * TPUNET_PORTS; link++) {
        uint32_t load = l->all[link] + (weight - 1) * l->near[link];
        most = load > most ? load : most;
    }
    return most;
}

static void loads_fini(struct loads *l)
{
    tpunet_topology_destroy(l->left);
    free(l->all);
    free(l->near);
}

/* What the search believes of its routes is what walking them counts, and a
 * weight is worth what docs/routing.md says. */
static void the_figures_are_what_walks_count(void **state)
{
    (void)state;
    static const struct {
        uint16_t weight;
        uint32_t all_to_all, weighted, weighted_without; /* without: solved for 1 */
    } rows[] = {
        {1, 547, 547, 547}, {16, 548, 563, 577}, {64, 551, 614, 673}, {256, 564, 819, 1057}};
    struct tpunet_route_key key = key_of("8x8x8", false, 2, 3);
    struct tpunet_route_solution *plain = solve(key);
    struct loads without = walk_all(plain, 6);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        key.neighbour_weight = rows[i].weight;
        struct tpunet_route_solution *s = solve(key);
        const struct tpunet_route_figures *figures = tpunet_route_solution_figures(s);
        struct loads l = walk_all(s, 6);
        assert_int_equal(busiest(&l, rows[i].weight), figures->max_link_load);
        assert_int_equal(busiest(&l, 1), rows[i].all_to_all);
        assert_int_equal(figures->max_link_load, rows[i].weighted);
        assert_int_equal(busiest(&without, rows[i].weight), rows[i].weighted_without);
        memset(l.all, 0, l.left->n_chips * TPUNET_PORTS * sizeof *l.all);
        assert_int_equal(busiest(&l, 2), figures->neighbour_load);
        assert_int_equal(figures->neighbour_load, 2);
        loads_fini(&l);
        tpunet_route_solution_destroy(s);
    }
    loads_fini(&without);
    tpunet_route_solution_destroy(plain);
}

static void the_same_key_gives_the_same_tables(void **state)
{
    (void)state;
    struct tpunet_route_key key = key_of("4x8x8", true, 1, 3);
    key.neighbour_weight = 5;
    struct tpunet_route_options options = {.neighbour_weight = 5};
    struct tpunet_tables *t[3];
    for (unsigned i = 0; i < 2; i++) {
        struct tpunet_route_solution *s = solve(key);
        assert_int_equal(tpunet_route_expand(&t[i], s, 3, 2, NULL), 0);
        tpunet_route_solution_destroy(s);
    }
    struct tpunet_topology *around = without_switch(&key.shape, 16 + 3 + 4 * 2);
    assert_int_equal(tpunet_route_around(&t[2], around, &options, NULL), 0);
    tpunet_topology_destroy(around);
    size_t size = 2 * (size_t)t[0]->n_chips * t[0]->n_chips;
    assert_memory_equal(t[0]->rows, t[1]->rows, size);
    assert_memory_equal(t[0]->rows, t[2]->rows, size);
    for (unsigned i = 0; i < 3; i++)
        tpunet_tables_destroy(t[i]);
}

/* Routes of one dead switch do not pass for those of another. */
static void another_switch_is_not_served(void **state)
{
    (void)state;
    struct tpunet_route_solution *s = solve(key_of("4x4x8", false, 2, 3));
    const struct tpunet_shape *shape = &tpunet_route_solution_key(s)->shape;
    struct tpunet_topology *other = without_switch(shape, 32 + 7);
    struct tpunet_tables *tables;
    struct tpunet_proof proof;
    assert_int_equal(tpunet_route_expand(&tables, s, 2, 1, NULL), 0);
    assert_int_equal(tpunet_verify(tables, other, &proof, NULL), TPUNET_EUNREACHABLE);
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy(other);
    tpunet_route_solution_destroy(s);
}

static void keys_are_checked(void **state)
{
    (void)state;
    const struct tpunet_route_key good = key_of("4x4x8", false, 2, 3);
    struct {
        struct tpunet_route_key key;
        int code;
    } rows[6];
    for (size_t i = 0; i < 6; i++)
        rows[i].key = good;
    rows[0].key.axis = 3, rows[0].code = TPUNET_EINVAL;
    rows[1].key.n_vcs = 1, rows[1].code = TPUNET_EINVAL;
    rows[2].key.n_vcs = 4, rows[2].code = TPUNET_EINVAL;
    rows[3].key.neighbour_weight = 0, rows[3].code = TPUNET_EINVAL;
    rows[4].key.shape.dim[0] = 5, rows[4].code = TPUNET_ESHAPE;
    rows[5].key.shape = (struct tpunet_shape){.dim = {2, 2, 4}, .mesh = true};
    rows[5].code = TPUNET_EINVAL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_route_solution *s = NULL;
        struct tpunet_error err = {0};
        assert_int_equal(tpunet_route_solve(&s, &rows[i].key, &err), rows[i].code);
        assert_int_equal(err.code, rows[i].code);
        assert_null(s);
    }
    struct tpunet_route_solution *s = solve(good);
    struct tpunet_tables *tables = NULL;
    assert_int_equal(tpunet_route_expand(&tables, s, 4, 0, NULL), TPUNET_EINVAL);
    assert_int_equal(tpunet_route_expand(&tables, s, 0, 4, NULL), TPUNET_EINVAL);
    assert_null(tables);
    tpunet_route_solution_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_switch_of_a_small_slice),
        cmocka_unit_test(one_switch_an_axis_of_a_large_slice),
        cmocka_unit_test(all_small_shapes),
        cmocka_unit_test(the_figures_are_what_walks_count),
        cmocka_unit_test(the_same_key_gives_the_same_tables),
        cmocka_unit_test(another_switch_is_not_served),
        cmocka_unit_test(keys_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
