/* What discovery found against what was intended: exactly the planted fault is
 * named, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inproc_world.h"
#include "tpunet.h"

enum { CUBES = 64, PORTS = 68, LINE = 512 };

/* A pod with the slice under test, and two cubes outside of it. */
struct pod {
    struct inproc_world *world;
    struct tpunet_wiring *wiring;
    struct tpunet_intent *intent;
    struct tpunet_topology *links;
    struct tpunet_mismatch *list;
    int n;
    uint16_t others[2]; /* free, or a slice of another owner */
};

static uint32_t seed = 1;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % n;
}

static struct tpunet_intent *cast_slice(struct pod *pod, const char *text, bool twisted,
                                        const uint16_t *cubes)
{
    struct tpunet_shape shape;
    struct tpunet_intent *intent;
    struct tpunet_xc *xcs;
    size_t n;
    assert_int_equal(tpunet_shape_parse(&shape, text, twisted, NULL), 0);
    assert_int_equal(tpunet_intent_create(&intent, &shape, cubes, tpunet_shape_cubes(&shape), NULL),
                     0);
    assert_int_equal(tpunet_intent_xcs(intent, pod->wiring, &xcs, &n, NULL), 0);
    inproc_make(pod->world, xcs, n);
    free(xcs);
    return intent;
}

/* The slice on cubes drawn at random, one fibre moved to a spare port in
 * inventory and world alike; `neighbour` adds the other slice. */
static struct pod pod_of(const char *text, bool twisted, bool neighbour)
{
    struct pod pod = {.world = inproc_create(CUBES, PORTS)};
    uint16_t cubes[CUBES] = {0};
    for (uint16_t i = 0; i < CUBES; i++) {
        uint32_t k = draw(i + 1U);
        cubes[i] = cubes[k];
        cubes[k] = i;
    }
    unsigned port;
    struct tpunet_rewire move = {
        .fibre = {.cube = cubes[0], .axis = 1, .minus = true, .a = 2, .b = 1}, .port = 66};
    uint32_t chip = tpunet_chip_number(tpunet_fibre_chip(move.fibre, &port));
    inproc_move_fibre(pod.world, chip, port, move.port);
    assert_int_equal(tpunet_wiring_create(&pod.wiring, CUBES, PORTS, &move, 1, NULL), 0);
    pod.intent = cast_slice(&pod, text, twisted, cubes);
    assert_int_equal(tpunet_topology_create(&pod.links, pod.intent, NULL), 0);
    memcpy(pod.others, &cubes[CUBES - 2], sizeof pod.others);
    if (neighbour)
        tpunet_intent_destroy(cast_slice(&pod, "4x4x8", false, pod.others));
    return pod;
}

static void pod_end(struct pod *pod)
{
    free(pod->list);
    tpunet_topology_destroy(pod->links);
    tpunet_intent_destroy(pod->intent);
    tpunet_wiring_destroy(pod->wiring);
    inproc_destroy(pod->world);
}

static uint32_t chip_of(const struct pod *pod, uint32_t logical)
{
    const struct tpunet_shape *shape = &pod->intent->shape;
    uint16_t at[TPUNET_AXES], cube[TPUNET_AXES];
    tpunet_logical_at(shape, logical, at);
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        cube[k] = at[k] / TPUNET_CUBE_DIM;
    struct tpunet_chip chip = {
        .cube = pod->intent->cubes[shape->mesh ? 0 : tpunet_cube_index(shape, cube)],
        .at = {at[0] & 3, at[1] & 3, at[2] & 3}};
    return tpunet_chip_number(chip);
}

static void look(struct pod *pod, uint32_t entry, const struct tpunet_link_end *dead, size_t n_dead)
{
    struct tpunet_discovery *search;
    free(pod->list);
    pod->list = NULL;
    assert_int_equal(tpunet_discovery_create(&search, entry, pod->intent, NULL), 0);
    assert_int_equal(inproc_discover(pod->world, search, NULL), 0);
    pod->n = tpunet_place(tpunet_discovery_graph(search), pod->intent, pod->wiring, dead, n_dead,
                          &pod->list, NULL);
    assert_true(pod->n >= 0);
    assert_int_equal(pod->list == NULL, pod->n == 0);
    tpunet_discovery_destroy(search);
}

static const char *line_of(const struct pod *pod, int i, char line[static LINE])
{
    return tpunet_mismatch_format(&pod->list[i], line, LINE);
}

static const struct tpunet_mismatch *the_one(const struct pod *pod, enum tpunet_mismatch_kind kind)
{
    char line[LINE];
    for (int i = 0; i < pod->n; i++)
        line_of(pod, i, line);
    if (pod->n != 1)
        fail_msg("%d mismatches, not one; the last: %s", pod->n, pod->n > 0 ? line : "none");
    if (pod->list->kind != kind)
        fail_msg("not %s: %s", tpunet_mismatch_name(kind), line);
    return pod->list;
}

/* --------------------------------------------------- properties, by draw -- */

static const struct {
    const char *text;
    bool twisted;
} shapes[] = {{"4x4x4", false}, {"4x4x8", false},  {"4x4x8", true},
              {"4x8x8", true},  {"4x4x12", false}, {"8x8x8", false}};
enum { SHAPES = sizeof shapes / sizeof shapes[0], ROUNDS = 40 };

static struct tpunet_link_end draw_end(const struct pod *pod)
{
    return (struct tpunet_link_end){chip_of(pod, draw(pod->links->n_chips)),
                                    (uint8_t)draw(TPUNET_PORTS)};
}

static struct tpunet_link_end draw_fibre(uint16_t cube)
{
    struct tpunet_fibre f = {.cube = cube,
                             .axis = (uint8_t)draw(TPUNET_AXES),
                             .minus = draw(2) != 0,
                             .a = (uint8_t)draw(4),
                             .b = (uint8_t)draw(4)};
    unsigned port;
    uint32_t chip = tpunet_chip_number(tpunet_fibre_chip(f, &port));
    return (struct tpunet_link_end){chip, (uint8_t)port};
}

static bool same_end(struct tpunet_link_end a, struct tpunet_link_end b)
{
    return a.chip == b.chip && a.port == b.port;
}

/* The far end that the topology intends. */
static struct tpunet_link_end far_end(const struct pod *pod, struct tpunet_link_end end)
{
    for (uint32_t i = 0; i < pod->links->n_chips; i++) {
        if (chip_of(pod, i) == end.chip)
            return (struct tpunet_link_end){
                chip_of(pod, pod->links->peer[i * TPUNET_PORTS + end.port]),
                (uint8_t)tpunet_port_peer(end.port)};
    }
    fail_msg("chip %u is not of the slice", end.chip);
    return end;
}

/* Does the swap name the two fibres, or else the two at their far ends? */
static bool names_pair(const struct tpunet_mismatch *m, struct tpunet_link_end a,
                       struct tpunet_link_end b)
{
    struct tpunet_link_end first = {m->chip, m->port};
    struct tpunet_link_end near = {m->expected, (uint8_t)tpunet_port_peer(m->port)};
    struct tpunet_link_end far = {m->found, m->found_port};
    return (same_end(first, a) && same_end(m->second, b)) ||
           (same_end(first, b) && same_end(m->second, a)) ||
           (same_end(near, a) && same_end(far, b)) || (same_end(near, b) && same_end(far, a));
}

static void a_sound_slice_has_no_mismatch(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct pod pod = pod_of(shapes[i].text, shapes[i].twisted, true);
        look(&pod, chip_of(&pod, draw(pod.links->n_chips)), NULL, 0);
        assert_int_equal(pod.n, 0);
        pod_end(&pod);
    }
}

static void a_cut_link_is_missing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUNDS * SHAPES; i++) {
        struct pod pod = pod_of(shapes[i % SHAPES].text, shapes[i % SHAPES].twisted, true);
        struct tpunet_link_end cut = draw_end(&pod), far = far_end(&pod, cut);
        struct tpunet_link_end plus = tpunet_port_minus(cut.port) ? far : cut;
        struct tpunet_fibre fibre;
        inproc_cut(pod.world, cut.chip, cut.port);
        look(&pod, cut.chip, NULL, 0);
        const struct tpunet_mismatch *m = the_one(&pod, TPUNET_LINK_MISSING);
        assert_int_equal(m->chip, plus.chip);
        assert_int_equal(m->port, plus.port);
        assert_int_equal(m->found, UINT32_MAX);
        assert_int_equal(m->optical, tpunet_chip_fibre(tpunet_chip_of(m->chip), m->port, &fibre));
        if (m->optical) {
            struct tpunet_ocs_port at = tpunet_wiring_port(pod.wiring, fibre);
            assert_int_equal(m->at.ocs, at.ocs);
            assert_int_equal(m->at.side, at.side);
            assert_int_equal(m->at.port, at.port);
        }
        look(&pod, cut.chip, &cut, 1);
        assert_int_equal(pod.n, 0);
        look(&pod, cut.chip, &far, 1);
        assert_int_equal(pod.n, 0);
        pod_end(&pod);
    }
}

static void a_dead_chip_is_one_mismatch(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUNDS * SHAPES; i++) {
        struct pod pod = pod_of(shapes[i % SHAPES].text, shapes[i % SHAPES].twisted, false);
        uint32_t dead = draw(pod.links->n_chips);
        inproc_kill_chip(pod.world, chip_of(&pod, dead));
        look(&pod, chip_of(&pod, (dead + 1) % pod.links->n_chips), NULL, 0);
        assert_int_equal(the_one(&pod, TPUNET_CHIP_MISSING)->chip, chip_of(&pod, dead));
        pod_end(&pod);
    }
}

/* Any two fibres of the slice, at one OCS or at two, whatever their faces. */
static void two_exchanged_fibres_are_one_swap(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUNDS * SHAPES; i++) {
        struct pod pod = pod_of(shapes[i % SHAPES].text, shapes[i % SHAPES].twisted, true);
        uint32_t n = pod.intent->n_cubes;
        struct tpunet_link_end a = draw_fibre(pod.intent->cubes[draw(n)]);
        struct tpunet_link_end b = draw_fibre(pod.intent->cubes[draw(n)]);
        if (i % 2 == 0 && n > 1) /* the same face position of another cube */
            b = (struct tpunet_link_end){
                pod.intent->cubes[draw(n)] * 64U + a.chip % TPUNET_CUBE_CHIPS, a.port};
        inproc_swap_fibres(pod.world, a.chip, a.port, b.chip, b.port);
        look(&pod, a.chip, NULL, 0);
        if (same_end(a, b) || same_end(far_end(&pod, a), b))
            assert_int_equal(pod.n, 0);
        else
            assert_true(names_pair(the_one(&pod, TPUNET_LINK_SWAPPED), a, b));
        pod_end(&pod);
    }
}

/* Exchanged with a fibre of a free cube: one end goes dark, the other sees the
 * stranger, whose fibre is named next to the one that should be there. */
static void exchanged_with_a_free_cube(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUNDS * SHAPES; i++) {
        struct pod pod = pod_of(shapes[i % SHAPES].text, shapes[i % SHAPES].twisted, false);
        struct tpunet_link_end a = draw_fibre(pod.intent->cubes[draw(pod.intent->n_cubes)]);
        struct tpunet_link_end b = draw_fibre(pod.others[0]), far = far_end(&pod, a);
        inproc_swap_fibres(pod.world, a.chip, a.port, b.chip, b.port);
        look(&pod, a.chip, NULL, 0);
        const struct tpunet_mismatch *m = the_one(&pod, TPUNET_LINK_MISDIRECTED);
        assert_int_equal(m->chip, far.chip);
        assert_int_equal(m->port, far.port);
        assert_int_equal(m->expected, a.chip);
        assert_int_equal(m->found, b.chip);
        assert_int_equal(m->found_port, b.port);
        /* The stranger dark as well: all that can be said is what is missing. */
        inproc_kill_chip(pod.world, b.chip);
        look(&pod, a.chip, NULL, 0);
        m = the_one(&pod, TPUNET_LINK_MISSING);
        assert_true(m->chip == a.chip || m->chip == far.chip);
        pod_end(&pod);
    }
}

static void exchanged_with_another_slice(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUNDS * SHAPES; i++) {
        struct pod pod = pod_of(shapes[i % SHAPES].text, shapes[i % SHAPES].twisted, true);
        struct tpunet_link_end a = draw_fibre(pod.intent->cubes[draw(pod.intent->n_cubes)]);
        struct tpunet_link_end b = draw_fibre(pod.others[draw(2)]);
        inproc_swap_fibres(pod.world, a.chip, a.port, b.chip, b.port);
        look(&pod, a.chip, NULL, 0);
        assert_true(names_pair(the_one(&pod, TPUNET_LINK_SWAPPED), a, b));
        pod_end(&pod);
    }
}

static void a_fibre_on_a_spare_port_is_missing(void **state)
{
    (void)state;
    struct pod pod = pod_of("4x4x8", true, false);
    struct tpunet_link_end moved = draw_fibre(pod.intent->cubes[1]);
    inproc_move_fibre(pod.world, moved.chip, moved.port, 65);
    look(&pod, moved.chip, NULL, 0);
    the_one(&pod, TPUNET_LINK_MISSING);
    pod_end(&pod);
}

/* Three fibres in a ring of exchanges are no pair: three links misdirected. */
static void three_exchanged_fibres_are_three_misdirected(void **state)
{
    (void)state;
    struct pod pod = pod_of("4x4x12", false, false);
    const uint16_t *cubes = pod.intent->cubes;
    uint32_t at = 3 + 4 * 1 + 16 * 3; /* +z face */
    inproc_swap_fibres(pod.world, cubes[0] * 64U + at, TPUNET_ZP, cubes[1] * 64U + at, TPUNET_ZP);
    inproc_swap_fibres(pod.world, cubes[1] * 64U + at, TPUNET_ZP, cubes[2] * 64U + at, TPUNET_ZP);
    look(&pod, cubes[0] * 64U, NULL, 0);
    assert_int_equal(pod.n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pod.list[i].kind, TPUNET_LINK_MISDIRECTED);
        assert_int_equal(pod.list[i].port, TPUNET_ZP);
        assert_true(i == 0 || pod.list[i - 1].chip < pod.list[i].chip);
    }
    pod_end(&pod);
}

/* ------------------------------------------------------------ the words -- */

/* A 4x4x12 on cubes 5, 6, 7 of a pod without surprises. */
static struct pod plain_pod(void)
{
    struct pod pod = {.world = inproc_create(CUBES, PORTS)};
    assert_int_equal(tpunet_wiring_create(&pod.wiring, CUBES, PORTS, NULL, 0, NULL), 0);
    pod.intent = cast_slice(&pod, "4x4x12", false, (uint16_t[]){5, 6, 7});
    return pod;
}

static void words(void **state)
{
    (void)state;
    char line[LINE];
    const uint32_t five = 5 * 64, six = 6 * 64, nine = 9 * 64, face = 48 + 2; /* z = 3, x = 2 */
    struct pod pod = plain_pod();
    inproc_swap_fibres(pod.world, five + face, TPUNET_ZP, six + face, TPUNET_ZP);
    look(&pod, five, NULL, 0);
    the_one(&pod, TPUNET_LINK_SWAPPED);
    assert_string_equal(line_of(&pod, 0, line),
                        "swapped: fibre/5+z-2-0 (ocs/34 north 5) and fibre/6+z-2-0 (ocs/34 north "
                        "6), or their far ends fibre/6-z-2-0 and fibre/7-z-2-0");
    pod_end(&pod);

    pod = plain_pod();
    inproc_swap_fibres(pod.world, five + face, TPUNET_ZP, nine + face, TPUNET_ZP);
    look(&pod, five, NULL, 0);
    the_one(&pod, TPUNET_LINK_MISDIRECTED);
    assert_string_equal(line_of(&pod, 0, line),
                        "misdirected: chip/6-2-0-0 -z on fibre/6-z-2-0 (ocs/34 south 6) leads to "
                        "chip/9-2-0-3 +z on fibre/9+z-2-0, not to chip/5-2-0-3 +z on fibre/5+z-2-0 "
                        "(ocs/34 north 5)");
    pod_end(&pod);

    pod = plain_pod();
    inproc_cut(pod.world, five + face, TPUNET_ZP);
    inproc_cut(pod.world, six + 1, TPUNET_XP);
    inproc_kill_chip(pod.world, 7 * 64 + 63);
    look(&pod, five, NULL, 0);
    assert_int_equal(pod.n, 3);
    assert_string_equal(line_of(&pod, 0, line),
                        "missing: chip/5-2-0-3 +z on fibre/5+z-2-0 (ocs/34 north 5) to "
                        "chip/6-2-0-0 -z on fibre/6-z-2-0 (ocs/34 south 6)");
    assert_string_equal(line_of(&pod, 1, line), "missing: chip/6-1-0-0 +x to chip/6-2-0-0 -x");
    assert_string_equal(line_of(&pod, 2, line), "chip-missing: no live link leads to "
                                                "chip/7-3-3-3, or it does not answer");
    pod_end(&pod);
    assert_string_equal(tpunet_mismatch_name(99), "unknown");
}

/* A mesh is fenced off: every live port on its border is an extra link. */
static void the_border_of_a_mesh_is_dark(void **state)
{
    (void)state;
    char line[LINE];
    struct pod pod = {.world = inproc_create(2, 2)};
    assert_int_equal(tpunet_wiring_create(&pod.wiring, 2, 2, NULL, 0, NULL), 0);
    pod.intent = cast_slice(&pod, "2x2x1", false, (uint16_t[]){1});
    look(&pod, 64, NULL, 0);
    assert_int_equal(pod.n, 8); /* four chips: four sides of one port, one roof each */
    assert_string_equal(line_of(&pod, 0, line), "extra: chip/1-0-0-0 +z leads to chip/1-0-0-1 -z");
    for (uint32_t chip = 0; chip < 64; chip++) {
        if (chip > 15 || (chip & 3) > 1 || (chip >> 2 & 3) > 1)
            inproc_kill_chip(pod.world, 64 + chip);
    }
    look(&pod, 64, NULL, 0);
    assert_int_equal(pod.n, 0);
    pod_end(&pod);
}

/* A graph from elsewhere may hold chips that the slice does not own. */
static void an_extra_chip_is_named(void **state)
{
    (void)state;
    struct pod pod = plain_pod();
    struct tpunet_intent *two = NULL;
    struct tpunet_discovery *search;
    struct tpunet_shape shape = {.dim = {4, 4, 8}};
    assert_int_equal(tpunet_discovery_create(&search, 5 * 64, pod.intent, NULL), 0);
    assert_int_equal(inproc_discover(pod.world, search, NULL), 0);
    assert_int_equal(tpunet_intent_create(&two, &shape, (uint16_t[]){5, 6}, 2, NULL), 0);
    int n = tpunet_place(tpunet_discovery_graph(search), two, pod.wiring, NULL, 0, &pod.list, NULL);
    unsigned extra = 0;
    for (int i = 0; i < n; i++)
        extra += pod.list[i].kind == TPUNET_CHIP_EXTRA && pod.list[i].chip / 64 == 7;
    assert_int_equal(extra, 64);
    tpunet_intent_destroy(two);
    tpunet_discovery_destroy(search);
    pod_end(&pod);
}

static void bad_arguments(void **state)
{
    (void)state;
    struct pod pod = plain_pod();
    struct tpunet_wiring *small;
    struct tpunet_error err;
    struct tpunet_graph empty = {0};
    assert_int_equal(tpunet_wiring_create(&small, 6, 6, NULL, 0, NULL), 0);
    assert_int_equal(tpunet_place(&empty, pod.intent, small, NULL, 0, &pod.list, &err),
                     TPUNET_EINVAL);
    assert_string_equal(err.text, "cube/6 is not one of the pod's 6 cubes");
    struct tpunet_link_end dead = {0, 6};
    assert_int_equal(tpunet_place(&empty, pod.intent, pod.wiring, &dead, 1, &pod.list, &err),
                     TPUNET_EINVAL);
    assert_null(pod.list);
    tpunet_wiring_destroy(small);
    pod_end(&pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_slice_has_no_mismatch),
        cmocka_unit_test(a_cut_link_is_missing),
        cmocka_unit_test(a_dead_chip_is_one_mismatch),
        cmocka_unit_test(two_exchanged_fibres_are_one_swap),
        cmocka_unit_test(exchanged_with_a_free_cube),
        cmocka_unit_test(exchanged_with_another_slice),
        cmocka_unit_test(a_fibre_on_a_spare_port_is_missing),
        cmocka_unit_test(three_exchanged_fibres_are_three_misdirected),
        cmocka_unit_test(words),
        cmocka_unit_test(the_border_of_a_mesh_is_dark),
        cmocka_unit_test(an_extra_chip_is_named),
        cmocka_unit_test(bad_arguments),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
