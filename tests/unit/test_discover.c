/* Breadth-first search over a fabric in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inproc_world.h"
#include "tpunet.h"

struct bench {
    struct inproc_world *world;
    struct tpunet_intent *intent;
    struct tpunet_discovery *search;
};

/* A pod of 64 cubes with one slice on it, its cubes from the last one down. */
static struct bench bench_of(const char *text, bool twisted)
{
    struct bench b = {.world = inproc_create(64, 68)};
    struct tpunet_wiring *wiring;
    struct tpunet_shape shape;
    struct tpunet_xc *xcs;
    uint16_t cubes[64];
    size_t n;
    for (uint16_t i = 0; i < 64; i++)
        cubes[i] = (uint16_t)(63 - i);
    assert_int_equal(tpunet_shape_parse(&shape, text, twisted, NULL), 0);
    assert_int_equal(
        tpunet_intent_create(&b.intent, &shape, cubes, tpunet_shape_cubes(&shape), NULL), 0);
    assert_int_equal(tpunet_wiring_create(&wiring, 64, 68, NULL, 0, NULL), 0);
    assert_int_equal(tpunet_intent_xcs(b.intent, wiring, &xcs, &n, NULL), 0);
    inproc_make(b.world, xcs, n);
    assert_int_equal(tpunet_discovery_create(&b.search, 63 * 64, b.intent, NULL), 0);
    free(xcs);
    tpunet_wiring_destroy(wiring);
    return b;
}

static void bench_end(struct bench *b)
{
    tpunet_discovery_destroy(b->search);
    tpunet_intent_destroy(b->intent);
    inproc_destroy(b->world);
}

static void a_whole_slice_is_found_level_by_level(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        size_t chips;
        unsigned diameter;
    } rows[] = {{"2x2x1", false, 4, 2},     {"2x4x4", false, 32, 7},      {"4x4x4", false, 64, 6},
                {"4x4x8", true, 128, 6},    {"4x8x8", true, 256, 6},      {"8x8x8", false, 512, 12},
                {"4x4x12", false, 192, 10}, {"16x16x16", false, 4096, 24}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench b = bench_of(rows[i].text, rows[i].twisted);
        assert_int_equal(inproc_discover(b.world, b.search, NULL), 0);
        const struct tpunet_graph *g = tpunet_discovery_graph(b.search);
        assert_int_equal(g->n, rows[i].chips);
        assert_int_equal(g->chips[g->n - 1].depth, rows[i].diameter);
        /* One call a level, no more. */
        assert_int_equal(inproc_calls(b.world), rows[i].diameter + 1);
        for (size_t k = 0; k < g->n; k++) {
            const struct tpunet_found *found = &g->chips[k], *parent = &g->chips[found->parent];
            assert_int_equal(g->index[found->chip], k);
            assert_true(k == 0 || found->parent < k);
            assert_true(k == 0 || parent->port[found->via].peer == found->chip);
            assert_int_equal(found->depth, k == 0 ? 0 : parent->depth + 1);
        }
        bench_end(&b);
    }
}

/* Two slices share a mirror by mistake: the search stays in its own. */
static void another_slice_is_seen_but_not_entered(void **state)
{
    (void)state;
    struct bench b = bench_of("4x4x8", false);
    inproc_break(b.world, &(struct tpunet_xc){40, 63, 62}, 1);
    inproc_make(b.world, &(struct tpunet_xc){40, 63, 7}, 1);
    assert_int_equal(inproc_discover(b.world, b.search, NULL), 0);
    const struct tpunet_graph *g = tpunet_discovery_graph(b.search);
    unsigned foreign = 0;
    assert_int_equal(g->n, 128);
    for (size_t i = 0; i < g->n; i++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++)
            foreign += g->chips[i].port[port].up && g->chips[i].port[port].peer / 64 == 7;
    }
    assert_int_equal(foreign, 1);
    assert_int_equal(g->index[7 * 64], UINT32_MAX);
    bench_end(&b);
}

static void faults_are_gone_around(void **state)
{
    (void)state;
    struct bench b = bench_of("4x4x8", true);
    inproc_kill_chip(b.world, 63 * 64 + 21);
    for (unsigned port = 0; port < TPUNET_PORTS; port++)
        inproc_cut(b.world, 62 * 64 + 5, port);
    inproc_cut(b.world, 63 * 64, TPUNET_XP);
    assert_int_equal(inproc_discover(b.world, b.search, NULL), 0);
    const struct tpunet_graph *g = tpunet_discovery_graph(b.search);
    assert_int_equal(g->n, 126);
    assert_int_equal(g->index[63 * 64 + 21], UINT32_MAX);
    assert_int_equal(g->index[62 * 64 + 5], UINT32_MAX);
    assert_int_equal(g->chips[g->index[63 * 64 + 1]].depth, 3);
    bench_end(&b);
}

static void note(void *arg, int status)
{
    *(int *)arg = status;
}

/* Both ports that lead to the last of four chips are disabled: it is not in the
 * graph, though its light is on. */
static void a_disabled_port_is_no_way(void **state)
{
    (void)state;
    struct bench b = bench_of("2x2x1", false);
    static const struct tpunet_stamp stamp = {.pod = "p", .slice = "s", .epoch = 1};
    static const struct {
        uint32_t chip;
        unsigned port;
    } rows[] = {{63 * 64 + 1, TPUNET_YP}, {63 * 64 + 4, TPUNET_XP}};
    const struct tpunet_fabric *fabric = inproc_fabric(b.world);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = 1;
        struct tpunet_path path = {.entry = rows[i].chip};
        assert_int_equal(
            fabric->set_port(fabric->ctx, &stamp, path, rows[i].port, false, note, &status), 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(inproc_discover(b.world, b.search, NULL), 0);
    assert_int_equal(tpunet_discovery_graph(b.search)->n, 3);
    bench_end(&b);
}

/* Nonsense from the fabric is refused and leaves the search as it was. */
static void bad_answers(void **state)
{
    (void)state;
    struct bench b = bench_of("4x4x8", false);
    const struct tpunet_path *paths;
    struct tpunet_error err;
    struct tpunet_probe_answer good = {.answered = true, .chip = 63 * 64}, bad = {0};
    assert_int_equal(tpunet_discovery_frontier(b.search, &paths), 1);
    assert_int_equal(paths[0].entry, 63 * 64);
    assert_int_equal(paths[0].n_hops, 0);

    assert_int_equal(tpunet_discovery_answer(b.search, &good, 2, &err), TPUNET_EINVAL);
    assert_int_equal(tpunet_discovery_answer(b.search, &bad, 1, &err), TPUNET_EFABRIC);
    assert_string_equal(err.text, "the entry, chip/63-0-0-0, does not answer");
    bad = good;
    bad.chip = 5;
    assert_int_equal(tpunet_discovery_answer(b.search, &bad, 1, &err), TPUNET_EFABRIC);
    assert_string_equal(err.text, "chip number 5 answers at the entry, chip/63-0-0-0");
    bad = good;
    bad.port[3] = (struct tpunet_port_state){.up = true, .peer = 9216, .peer_port = 2};
    assert_int_equal(tpunet_discovery_answer(b.search, &bad, 1, &err), TPUNET_EFABRIC);
    assert_string_equal(err.text, "chip/63-0-0-0 -y claims to see port 2 of chip number 9216");
    assert_int_equal(tpunet_discovery_graph(b.search)->n, 0);

    good.port[0] =
        (struct tpunet_port_state){.up = true, .enabled = true, .peer = 62 * 64, .peer_port = 1};
    assert_int_equal(tpunet_discovery_answer(b.search, &good, 1, &err), 0);
    assert_int_equal(tpunet_discovery_frontier(b.search, &paths), 1);
    assert_int_equal(paths[0].n_hops, 1);
    assert_int_equal(paths[0].hops[0], TPUNET_XP);
    assert_int_equal(tpunet_discovery_answer(b.search, &good, 1, &err), TPUNET_EFABRIC);
    assert_string_equal(
        err.text, "chip number 4032 answers behind chip/63-0-0-0 +x, where chip/62-0-0-0 was seen");

    struct tpunet_probe_answer silent = {.answered = false};
    assert_int_equal(tpunet_discovery_answer(b.search, &silent, 1, &err), 0);
    assert_int_equal(tpunet_discovery_graph(b.search)->n, 1);
    assert_int_equal(tpunet_discovery_frontier(b.search, &paths), 0);
    bench_end(&b);
}

static void the_entry_and_the_intent_are_checked(void **state)
{
    (void)state;
    struct bench b = bench_of("4x4x8", false);
    struct tpunet_discovery *d = NULL;
    assert_int_equal(tpunet_discovery_create(&d, 0, b.intent, NULL), TPUNET_EINVAL);
    assert_int_equal(tpunet_discovery_create(&d, UINT32_MAX, b.intent, NULL), TPUNET_EINVAL);
    b.intent->next[0] = 2;
    assert_int_equal(tpunet_discovery_create(&d, 63 * 64, b.intent, NULL), TPUNET_EINVAL);
    assert_null(d);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_slice_is_found_level_by_level),
        cmocka_unit_test(another_slice_is_seen_but_not_entered),
        cmocka_unit_test(faults_are_gone_around),
        cmocka_unit_test(a_disabled_port_is_no_way),
        cmocka_unit_test(bad_answers),
        cmocka_unit_test(the_entry_and_the_intent_are_checked),
    };
    return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
