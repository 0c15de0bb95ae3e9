/* Fault-free routes, judged by walks, by published distances and by the load
 * of the busiest link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ring.h"
#include "tpunet.h"

static const uint8_t orders[][TPUNET_AXES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                              {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
enum { N_ORDERS = sizeof orders / sizeof orders[0], MAX_HOPS = 64 };

struct slice {
    struct tpunet_shape shape;
    struct tpunet_topology *topology;
    struct tpunet_tables *tables;
};

static struct slice slice_of(const char *text, bool twisted, const uint8_t *order)
{
    struct slice s;
    assert_int_equal(tpunet_shape_parse(&s.shape, text, twisted, NULL), 0);
    assert_int_equal(tpunet_topology_of_shape(&s.topology, &s.shape, NULL), 0);
    assert_int_equal(tpunet_route_dor(&s.tables, &s.shape, order, NULL), 0);
    return s;
}

static void slice_fini(struct slice *s)
{
    tpunet_tables_destroy(s->tables);
    tpunet_topology_destroy(s->topology);
}

/* All orders of a plain torus carry exactly N n / 8 on the busiest link; the
 * limits of twisted tori are 1.02 times the hop bound. */
static void loads_are_even_in_every_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        uint32_t max_hops;
        double max_load;
    } rows[] = {
        {"4x4x4", false, 6, 32},     {"4x4x8", false, 8, 128},   {"4x8x8", false, 10, 256},
        {"8x8x8", false, 12, 512},   {"4x4x12", false, 10, 288}, {"8x8x16", false, 16, 2048},
        {"4x4x8", true, 6, 75},      {"4x8x8", true, 6, 187},    {"8x8x16", true, 12, 1213},
        {"8x16x16", true, 12, 3035},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < N_ORDERS; k++) {
            struct slice s = slice_of(rows[i].text, rows[i].twisted, orders[k]);
            struct tpunet_proof proof;
            assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, NULL), 0);
            assert_int_equal(proof.unreachable_pairs, 0);
            assert_int_equal(proof.max_hops, rows[i].max_hops);
            assert_true(proof.max_link_load <= rows[i].max_load);
            slice_fini(&s);
        }
    }
}

static void a_full_pod_is_routed_and_proved(void **state)
{
    (void)state;
    struct slice s = slice_of("16x16x16", false, NULL);
    struct tpunet_proof proof;
    assert_int_equal(tpunet_verify(s.tables, s.topology, &proof, NULL), 0);
    assert_int_equal(proof.pairs, 4096 * 4095);
    assert_int_equal(proof.max_hops, 24);
    assert_true(proof.acyclic);
    assert_true(proof.max_link_load == 8192);
    slice_fini(&s);
}

/* Graph distances from one chip, by breadth-first search. */
static void distances(const struct tpunet_topology *t, uint32_t from, int *distance)
{
    uint32_t *queue = malloc(t->n_chips * sizeof *queue);
    uint32_t head = 0, tail = 0;
    for (uint32_t chip = 0; chip < t->n_chips; chip++)
        distance[chip] = -1;
    queue[tail++] = from;
    distance[from] = 0;
    for (; head < tail; head++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t to = t->peer[queue[head] * TPUNET_PORTS + port];
            if (to == TPUNET_NONE || distance[to] >= 0)
                continue;
            distance[to] = distance[queue[head]] + 1;
            queue[tail++] = to;
        }
    }
    assert_int_equal(tail, t->n_chips);
    free(queue);
}

static unsigned rank_of(const uint8_t *order, unsigned axis)
{
    unsigned rank = 0;
    while (rank < TPUNET_AXES && order[rank] != axis)
        rank++;
    return rank;
}

/* Runs of one direction in the order of the axes; per run VC0 up to the hop
 * that wraps, VC1 after it, and VC1 all along when no hop wraps. */
static void check_route(const struct slice *s, const uint8_t *order, const struct tpunet_hop *hops,
                        int n)
{
    for (int i = 0; i < n; i++) {
        unsigned axis = tpunet_port_axis(hops[i].port);
        if (i > 0 && hops[i].port != hops[i - 1].port)
            assert_true(rank_of(order, axis) > rank_of(order, tpunet_port_axis(hops[i - 1].port)));
        bool wrap_ahead = false;
        for (int j = i; j < n && hops[j].port == hops[i].port; j++) {
            uint16_t at[TPUNET_AXES];
            tpunet_logical_at(&s->shape, hops[j].chip, at);
            wrap_ahead |= ring_wraps(at[axis], tpunet_port_minus(hops[j].port), s->shape.dim[axis]);
        }
        assert_int_equal(hops[i].vc, s->shape.mesh || wrap_ahead ? 0 : 1);
    }
}

static void every_route_is_minimal_in_order_and_on_the_right_vc(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
    } rows[] = {{"2x2x1", false}, {"2x4x4", false}, {"4x4x4", false},
                {"4x4x8", false}, {"4x4x8", true},  {"4x8x8", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < N_ORDERS; k++) {
            struct slice s = slice_of(rows[i].text, rows[i].twisted, orders[k]);
            int *distance = malloc(s.topology->n_chips * sizeof *distance);
            for (uint32_t src = 0; src < s.topology->n_chips; src++) {
                distances(s.topology, src, distance);
                for (uint32_t dst = 0; dst < s.topology->n_chips; dst++) {
                    struct tpunet_hop hops[MAX_HOPS];
                    int n = tpunet_walk(s.tables, s.topology, src, dst, hops, MAX_HOPS);
                    assert_int_equal(n, distance[dst]);
                    check_route(&s, orders[k], hops, n);
                }
            }
            free(distance);
            slice_fini(&s);
        }
    }
}

static void no_order_means_xyz(void **state)
{
    (void)state;
    struct slice a = slice_of("4x4x8", true, NULL), b = slice_of("4x4x8", true, orders[0]);
    assert_memory_equal(a.tables->rows, b.tables->rows, 128 * 128);
    assert_string_equal(a.tables->algorithm, "dor-twisted");
    slice_fini(&a);
    slice_fini(&b);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    static const uint8_t twice[] = {0, 1, 1}, high[] = {0, 1, 3};
    struct tpunet_shape shape, bad = {.dim = {5, 5, 5}};
    struct tpunet_tables *t = NULL;
    struct tpunet_error err;
    assert_int_equal(tpunet_shape_parse(&shape, "4x4x8", true, NULL), 0);
    assert_int_equal(tpunet_route_dor(&t, &shape, twice, &err), TPUNET_EINVAL);
    assert_non_null(strstr(err.text, "0, 1, 1"));
    assert_int_equal(tpunet_route_dor(&t, &shape, high, NULL), TPUNET_EINVAL);
    assert_int_equal(tpunet_route_dor(&t, &bad, NULL, &err), TPUNET_ESHAPE);
    assert_int_equal(tpunet_route_dor_unsafe(&t, &bad, &err), TPUNET_ESHAPE);
    assert_int_equal(tpunet_route_dor_unsafe(&t, &shape, &err), TPUNET_EINVAL);
    assert_null(t);
    tpunet_tables_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_are_even_in_every_order),
        cmocka_unit_test(a_full_pod_is_routed_and_proved),
        cmocka_unit_test(every_route_is_minimal_in_order_and_on_the_right_vc),
        cmocka_unit_test(no_order_means_xyz),
        cmocka_unit_test(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
