/* The graph for routes, judged by distances that the papers give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "internal.h"
#include "ring.h"

static struct tpunet_topology *topology_of(const char *text, bool twisted)
{
    struct tpunet_shape shape;
    struct tpunet_topology *t;
    assert_int_equal(tpunet_shape_parse(&shape, text, twisted, NULL), 0);
    assert_int_equal(tpunet_topology_of_shape(&t, &shape, NULL), 0);
    return t;
}

/* Sum and maximum of the distances from one chip. */
static void distances(const struct tpunet_topology *t, uint32_t from, unsigned *sum,
                      unsigned *diameter, uint32_t *reached)
{
    uint32_t *queue = malloc(t->n_chips * sizeof *queue);
    unsigned *distance = calloc(t->n_chips, sizeof *distance);
    uint32_t head = 0, tail = 0;
    queue[tail++] = from;
    distance[from] = 1;
    for (*sum = 0; head < tail; head++) {
        *diameter = distance[queue[head]] - 1;
        *sum += *diameter;
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t to = t->peer[queue[head] * TPUNET_PORTS + port];
            if (to != TPUNET_NONE && distance[to] == 0) {
                distance[to] = distance[queue[head]] + 1;
                queue[tail++] = to;
            }
        }
    }
    *reached = tail;
    free(queue);
    free(distance);
}

/* Tori look the same from every chip, meshes do not, so every source is walked. */
static void distances_are_the_published_ones(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        double mean; /* over the pairs with itself too, as the papers count */
        unsigned diameter;
    } rows[] = {
        {"4x4x4", false, 3.00, 6},  {"4x4x8", false, 4.00, 8}, {"4x4x8", true, 3.44, 6},
        {"4x8x8", false, 5.00, 10}, {"4x8x8", true, 4.31, 6},  {"8x8x8", false, 6.00, 12},
        {"2x2x1", false, 1.00, 2},  {"2x4x4", false, 3.00, 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_topology *t = topology_of(rows[i].text, rows[i].twisted);
        unsigned long total = 0;
        unsigned widest = 0;
        for (uint32_t from = 0; from < t->n_chips; from++) {
            unsigned sum, far;
            uint32_t reached;
            distances(t, from, &sum, &far, &reached);
            assert_int_equal(reached, t->n_chips);
            total += sum;
            widest = far > widest ? far : widest;
        }
        double mean = (double)total / t->n_chips / t->n_chips;
        if (mean < rows[i].mean - 0.005 || mean > rows[i].mean + 0.005)
            fail_msg("%s%s: mean distance %.3f, not %.2f", rows[i].text,
                     rows[i].twisted ? " twisted" : "", mean, rows[i].mean);
        assert_int_equal(widest, rows[i].diameter);
        tpunet_topology_destroy(t);
    }
}

/* The graph built from circuits is the torus built from steps. */
static void circuits_make_the_torus(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
    } rows[] = {{"4x4x4", false},  {"4x4x8", true},  {"4x8x8", true},
                {"4x8x12", false}, {"8x8x16", true}, {"16x16x16", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_topology *t = topology_of(rows[i].text, rows[i].twisted);
        for (uint32_t chip = 0; chip < t->n_chips; chip++) {
            for (unsigned port = 0; port < TPUNET_PORTS; port++) {
                uint16_t at[TPUNET_AXES];
                tpunet_logical_at(&t->shape, chip, at);
                torus_step(t->shape.dim, t->shape.twisted, at, port);
                assert_int_equal(t->peer[chip * TPUNET_PORTS + port],
                                 tpunet_logical_index(&t->shape, at));
            }
        }
        tpunet_topology_destroy(t);
    }
}

static void a_mesh_has_borders(void **state)
{
    (void)state;
    struct tpunet_topology *t = topology_of("2x2x4", false);
    for (uint32_t chip = 0; chip < t->n_chips; chip++) {
        uint16_t at[TPUNET_AXES];
        tpunet_logical_at(&t->shape, chip, at);
        for (unsigned k = 0; k < TPUNET_AXES; k++) {
            const uint16_t *peer = &t->peer[chip * TPUNET_PORTS + 2 * k];
            assert_int_equal(peer[0] == TPUNET_NONE, at[k] == t->shape.dim[k] - 1);
            assert_int_equal(peer[1] == TPUNET_NONE, at[k] == 0);
        }
    }
    tpunet_topology_destroy(t);
}

static void a_cut_takes_both_directions(void **state)
{
    (void)state;
    struct tpunet_topology *t = topology_of("4x4x8", true);
    uint16_t peer = t->peer[3 * TPUNET_PORTS + TPUNET_XP];
    unsigned sum, far;
    uint32_t reached;
    tpunet_topology_cut(t, 3, TPUNET_XP);
    tpunet_topology_cut(t, 3, TPUNET_XP);
    assert_int_equal(t->peer[3 * TPUNET_PORTS + TPUNET_XP], TPUNET_NONE);
    assert_int_equal(t->peer[peer * TPUNET_PORTS + TPUNET_XM], TPUNET_NONE);
    for (unsigned port = 1; port < TPUNET_PORTS; port++)
        tpunet_topology_cut(t, 3, port);
    distances(t, 0, &sum, &far, &reached);
    assert_int_equal(reached, t->n_chips - 1);
    tpunet_topology_destroy(t);
}

/* Chips keep their logical place whatever cubes the slice got. */
static void the_chip_map_goes_both_ways(void **state)
{
    (void)state;
    static const uint16_t cubes[] = {143, 0, 77, 12};
    struct tpunet_shape shape;
    struct tpunet_intent *intent;
    struct chip_map *map = malloc(sizeof *map);
    assert_int_equal(tpunet_shape_parse(&shape, "4x8x8", true, NULL), 0);
    assert_int_equal(tpunet_intent_create(&intent, &shape, cubes, 4, NULL), 0);
    chip_map_init(map, intent);
    assert_int_equal(map->n_chips, 256);
    for (uint32_t logical = 0; logical < 256; logical++)
        assert_int_equal(map->logical_of[map->chip_of[logical]], logical);
    uint16_t at[] = {1, 2, 7}; /* position (0, 0, 1): the third cube */
    assert_int_equal(map->chip_of[tpunet_logical_index(&shape, at)], 77 * 64 + 1 + 8 + 48);
    assert_int_equal(map->logical_of[0], tpunet_logical_index(&shape, (uint16_t[]){0, 4, 0}));
    assert_int_equal(map->logical_of[5 * 64], TPUNET_NONE);
    tpunet_intent_destroy(intent);
    free(map);
}

static void a_mesh_may_lie_anywhere_in_its_cube(void **state)
{
    (void)state;
    struct tpunet_shape shape;
    struct tpunet_intent *intent;
    struct tpunet_topology *t;
    struct chip_map *map = malloc(sizeof *map);
    assert_int_equal(tpunet_shape_parse(&shape, "2x2x2", false, NULL), 0);
    assert_int_equal(tpunet_intent_create(&intent, &shape, (uint16_t[]){9}, 1, NULL), 0);
    memcpy(intent->origin, (uint8_t[]){2, 0, 2}, 3);
    assert_int_equal(tpunet_topology_create(&t, intent, NULL), 0);
    chip_map_init(map, intent);
    assert_int_equal(map->chip_of[0], 9 * 64 + 2 + 32);
    assert_int_equal(map->chip_of[7], 9 * 64 + 3 + 4 + 48);
    tpunet_topology_destroy(t);
    memcpy(intent->origin, (uint8_t[]){0, 3, 0}, 3);
    struct tpunet_error err;
    assert_int_equal(tpunet_topology_create(&t, intent, &err), TPUNET_EINVAL);
    assert_string_equal(err.text, "the mesh reaches out of cube/9 along y");
    tpunet_intent_destroy(intent);
    free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_the_published_ones),
        cmocka_unit_test(circuits_make_the_torus),
        cmocka_unit_test(a_mesh_has_borders),
        cmocka_unit_test(a_cut_takes_both_directions),
        cmocka_unit_test(the_chip_map_goes_both_ways),
        cmocka_unit_test(a_mesh_may_lie_anywhere_in_its_cube),
    };
    return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
