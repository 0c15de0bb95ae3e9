/* Weaves, and the search for good ones: its figure is counted anew by another
 * method, and a woven slice is laid into a pod, discovered and compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inproc_world.h"
#include "lift.h"

enum { CUBES = 20, PORTS = 24, LINE = 512 };

static struct tpunet_shape shape_of(const char *text)
{
    struct tpunet_shape shape;
    assert_int_equal(tpunet_shape_parse(&shape, text, false, NULL), 0);
    shape.twisted = tpunet_shape_twistable(&shape);
    return shape;
}

static struct tpunet_weave *torus_of(const char *text)
{
    struct tpunet_weave *weave;
    struct tpunet_shape shape = shape_of(text);
    assert_int_equal(tpunet_weave_create(&weave, &shape, NULL), 0);
    return weave;
}

static struct tpunet_weave_search *search_of(const char *text, uint64_t seed, unsigned batches)
{
    struct tpunet_weave_search *search;
    struct tpunet_shape shape = shape_of(text);
    assert_int_equal(tpunet_weave_search_create(&search, &shape, seed, NULL), 0);
    for (unsigned i = 0; i < batches; i++)
        tpunet_weave_search_run(search, 64, 1 - (double)i / batches);
    return search;
}

/* --------------------------------------------------------------- weaves -- */

static void the_first_weave_is_the_torus(void **state)
{
    (void)state;
    static const char *const shapes[] = {"4x4x4", "4x4x8", "8x8x8", "8x8x16"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct tpunet_topology *torus, *woven;
        struct tpunet_weave *weave = torus_of(shapes[i]);
        assert_int_equal(tpunet_weave_check(weave, NULL), 0);
        assert_int_equal(tpunet_topology_of_shape(&torus, &weave->shape, NULL), 0);
        assert_int_equal(tpunet_topology_of_weave(&woven, weave, NULL), 0);
        assert_memory_equal(torus->peer, woven->peer,
                            torus->n_chips * TPUNET_PORTS * sizeof *torus->peer);
        tpunet_topology_destroy(torus);
        tpunet_topology_destroy(woven);
        tpunet_weave_destroy(weave);
    }
    struct tpunet_weave *none;
    struct tpunet_shape mesh = shape_of("2x2x4");
    assert_int_equal(tpunet_weave_create(&none, &mesh, NULL), TPUNET_EINVAL);
}

static void what_is_no_permutation_is_named(void **state)
{
    (void)state;
    static const struct {
        unsigned ocs, cube;
        uint16_t next;
        const char *says;
    } rows[] = {
        {17, 3, 8, "ocs/17: logical cube 3 is to meet cube 8 of 8"},
        {47, 0, TPUNET_NONE, "ocs/47: logical cube 0 is to meet cube 65535 of 8"},
        {5, 6, 1, "ocs/5: logical cubes 0 and 6 are both to meet cube 1"},
    };
    uint16_t cubes[8] = {0, 1, 2, 3, 4, 5, 6, 7}, before[TPUNET_OCSES * 8];
    struct tpunet_intent *intent;
    struct tpunet_error err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tpunet_topology *t = NULL;
        struct tpunet_weave *weave = torus_of("8x8x8");
        assert_int_equal(tpunet_intent_create(&intent, &weave->shape, cubes, 8, NULL), 0);
        memcpy(before, intent->next, sizeof before);
        weave->next[rows[i].ocs * 8 + rows[i].cube] = rows[i].next;
        assert_int_equal(tpunet_weave_check(weave, &err), TPUNET_EINVAL);
        assert_string_equal(err.text, rows[i].says);
        assert_int_equal(tpunet_topology_of_weave(&t, weave, NULL), TPUNET_EINVAL);
        assert_int_equal(tpunet_intent_weave(intent, weave, NULL), TPUNET_EINVAL);
        assert_memory_equal(intent->next, before, sizeof before);
        tpunet_intent_destroy(intent);
        tpunet_weave_destroy(weave);
    }
}

static void a_weave_of_another_shape_is_refused(void **state)
{
    (void)state;
    uint16_t cubes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct tpunet_shape shape = shape_of("4x8x16");
    struct tpunet_weave *weave = torus_of("8x8x8");
    struct tpunet_intent *intent;
    struct tpunet_error err;
    assert_int_equal(tpunet_intent_create(&intent, &shape, cubes, 8, NULL), 0);
    assert_int_equal(tpunet_intent_weave(intent, weave, &err), TPUNET_EINVAL);
    assert_string_equal(err.text, "a weave of 8x8x8 for a slice of 4x8x16");
    tpunet_intent_destroy(intent);
    tpunet_weave_destroy(weave);
}

/* ------------------------------------------------------------- symmetry -- */

static bool alike(const struct tpunet_topology *t)
{
    struct lift lift;
    int rc = lift_init(&lift, t, NULL);
    assert_true(rc >= 0);
    if (rc == 0)
        return false;
    for (uint16_t g = 0; g < lift.n_cubes; g++) { /* each translation keeps every link */
        const uint16_t *to = lift.to + (size_t)g * lift.n_cubes;
        assert_int_equal(to[0], g);
        for (uint32_t end = 0; end < lift.n * TPUNET_PORTS; end++) {
            uint32_t image = (uint32_t)to[end / LIFT_LINKS] * LIFT_LINKS + end % LIFT_LINKS;
            uint16_t peer = lift.peer[end], other = lift.peer[image];
            if (peer == TPUNET_NONE)
                assert_int_equal(other, TPUNET_NONE);
            else
                assert_int_equal(other, to[peer / TPUNET_CUBE_CHIPS] * TPUNET_CUBE_CHIPS +
                                            peer % TPUNET_CUBE_CHIPS);
        }
    }
    lift_fini(&lift);
    return true;
}

static void cubes_of_a_torus_are_alike_until_one_link_is_down(void **state)
{
    (void)state;
    static const char *const shapes[] = {"4x4x4", "4x4x8", "4x4x12", "4x8x16", "8x8x16"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct tpunet_topology *t;
        struct tpunet_weave *weave = torus_of(shapes[i]);
        assert_int_equal(tpunet_topology_of_weave(&t, weave, NULL), 0);
        assert_true(alike(t));
        assert_int_equal(tpunet_topology_cut_ocs(t, 40, NULL), 0); /* in all cubes */
        assert_true(alike(t));
        if (weave->n_cubes > 1) {
            tpunet_topology_cut(t, 21, 2);
            assert_false(alike(t));
        }
        tpunet_topology_destroy(t);
        tpunet_weave_destroy(weave);
    }
}

static void cubes_of_an_odd_weave_are_not(void **state)
{
    (void)state;
    struct tpunet_topology *t;
    struct tpunet_weave *weave = torus_of("8x8x8");
    uint16_t *next = &weave->next[(size_t)9 * weave->n_cubes], first = next[0];
    next[0] = next[1]; /* one OCS crosses two of its circuits */
    next[1] = first;
    assert_int_equal(tpunet_topology_of_weave(&t, weave, NULL), 0);
    assert_false(alike(t));
    tpunet_topology_kill(t, 3);
    assert_false(alike(t));
    tpunet_topology_destroy(t);
    tpunet_weave_destroy(weave);
}

/* --------------------------------------------------------------- search -- */

/* Bellman and Ford from every chip of the slice, until nothing gets nearer. */
static double all_distances(const struct tpunet_topology *t, unsigned fibre_hops)
{
    unsigned *dist = calloc(t->n_chips, sizeof *dist);
    double sum = 0;
    for (uint32_t src = 0; src < t->n_chips; src++) {
        for (uint32_t i = 0; i < t->n_chips; i++)
            dist[i] = i == src ? 0 : 10000;
        for (bool nearer = true; nearer;) {
            nearer = false;
            for (uint32_t end = 0; end < t->n_chips * TPUNET_PORTS; end++) {
                bool fibre =
                    logical_ocs(&t->shape, end / TPUNET_PORTS, end % TPUNET_PORTS) != TPUNET_NONE;
                unsigned by = dist[t->peer[end]] + (fibre ? fibre_hops : 1);
                if (by < dist[end / TPUNET_PORTS]) {
                    dist[end / TPUNET_PORTS] = by;
                    nearer = true;
                }
            }
        }
        for (uint32_t i = 0; i < t->n_chips; i++)
            sum += dist[i];
    }
    free(dist);
    return sum;
}

static void its_figure_is_what_all_pairs_say(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        unsigned batches;
    } rows[] = {{"4x4x8", 0}, {"4x4x8", 10}, {"4x4x12", 10}, {"4x8x8", 20}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tpunet_weave_search *search = search_of(rows[i].shape, 7, rows[i].batches);
        struct tpunet_topology *t;
        assert_int_equal(tpunet_topology_of_weave(&t, tpunet_weave_search_best(search), NULL), 0);
        double links = t->n_chips * TPUNET_PORTS, fibres = links / 4;
        double figure =
            all_distances(t, 1) / links / 4 + all_distances(t, 2) / (links + fibres) * 3 / 4;
        assert_true(figure - tpunet_weave_search_figure(search) < 1e-6);
        assert_true(tpunet_weave_search_figure(search) - figure < 1e-6);
        tpunet_topology_destroy(t);
        tpunet_weave_search_destroy(search);
    }
}

static void what_it_finds_are_permutations_of_cubes_alike(void **state)
{
    (void)state;
    static const char *const shapes[] = {"4x4x8", "4x8x8", "8x8x8", "8x8x16", "12x12x12"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct tpunet_weave_search *search = search_of(shapes[i], i, 0);
        double torus = tpunet_weave_search_figure(search);
        tpunet_weave_search_run(search, 300, 0.5);
        const struct tpunet_weave *weave = tpunet_weave_search_best(search);
        struct tpunet_topology *t;
        assert_true(tpunet_weave_search_figure(search) < torus);
        assert_int_equal(tpunet_weave_check(weave, NULL), 0);
        assert_int_equal(tpunet_topology_of_weave(&t, weave, NULL), 0);
        assert_true(alike(t));
        tpunet_topology_destroy(t);
        tpunet_weave_search_destroy(search);
    }
}

static void a_seed_gives_the_same_weave_again(void **state)
{
    (void)state;
    struct tpunet_weave_search *a = search_of("4x8x8", 3, 8), *b = search_of("4x8x8", 3, 8),
                               *c = search_of("4x8x8", 4, 8);
    const size_t bytes = TPUNET_OCSES * 4 * sizeof(uint16_t);
    assert_memory_equal(tpunet_weave_search_best(a)->next, tpunet_weave_search_best(b)->next,
                        bytes);
    assert_memory_not_equal(tpunet_weave_search_best(a)->next, tpunet_weave_search_best(c)->next,
                            bytes);
    tpunet_weave_search_destroy(a);
    tpunet_weave_search_destroy(b);
    tpunet_weave_search_destroy(c);
}

static void one_cube_has_nothing_to_weave(void **state)
{
    (void)state;
    static const char *const shapes[] = {"4x4x4", "2x4x4"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct tpunet_shape shape = shape_of(shapes[i]);
        struct tpunet_weave_search *search;
        assert_int_equal(tpunet_weave_search_create(&search, &shape, 1, NULL), TPUNET_EINVAL);
    }
}

/* ---------------------------------------------------------- in the pod -- */

struct pod {
    struct inproc_world *world;
    struct tpunet_wiring *wiring;
    struct tpunet_intent *intent;
    struct tpunet_xc *xcs;
    size_t n_xcs;
};

/* A woven 8x8x8 on cubes out of order. */
static struct pod woven_pod(void)
{
    static const uint16_t cubes[8] = {19, 3, 7, 0, 12, 11, 5, 18};
    struct pod pod = {.world = inproc_create(CUBES, PORTS)};
    struct tpunet_weave_search *search = search_of("8x8x8", 5, 5);
    const struct tpunet_weave *weave = tpunet_weave_search_best(search);
    assert_int_equal(tpunet_wiring_create(&pod.wiring, CUBES, PORTS, NULL, 0, NULL), 0);
    assert_int_equal(tpunet_intent_create(&pod.intent, &weave->shape, cubes, 8, NULL), 0);
    assert_int_equal(tpunet_intent_weave(pod.intent, weave, NULL), 0);
    assert_int_equal(tpunet_intent_xcs(pod.intent, pod.wiring, &pod.xcs, &pod.n_xcs, NULL), 0);
    inproc_make(pod.world, pod.xcs, pod.n_xcs);
    tpunet_weave_search_destroy(search);
    return pod;
}

static void pod_end(struct pod *pod)
{
    free(pod->xcs);
    tpunet_intent_destroy(pod->intent);
    tpunet_wiring_destroy(pod->wiring);
    inproc_destroy(pod->world);
}

static int compare(const struct pod *pod, struct tpunet_mismatch **list)
{
    struct tpunet_discovery *d;
    assert_int_equal(tpunet_discovery_create(&d, 19 * TPUNET_CUBE_CHIPS, pod->intent, NULL), 0);
    assert_int_equal(inproc_discover(pod->world, d, NULL), 0);
    int n = tpunet_place(tpunet_discovery_graph(d), pod->intent, pod->wiring, NULL, 0, list, NULL);
    tpunet_discovery_destroy(d);
    return n;
}

static void a_woven_slice_is_found_as_intended(void **state)
{
    (void)state;
    struct pod pod = woven_pod();
    struct tpunet_mismatch *list = NULL;
    unsigned per_ocs[TPUNET_OCSES] = {0};
    assert_int_equal(pod.n_xcs, TPUNET_OCSES * 8);
    for (size_t i = 0; i < pod.n_xcs; i++)
        per_ocs[pod.xcs[i].ocs]++;
    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs++)
        assert_int_equal(per_ocs[ocs], 8);
    assert_int_equal(compare(&pod, &list), 0);
    assert_null(list);
    pod_end(&pod);
}

/* Two circuits of one OCS crossed, as a wrong mirror would. */
static void a_crossed_circuit_is_named(void **state)
{
    (void)state;
    struct pod pod = woven_pod();
    struct tpunet_mismatch *list = NULL;
    const struct tpunet_xc *a = &pod.xcs[(size_t)37 * 8 + 2], *b = a + 3;
    const struct tpunet_xc crossed[2] = {{a->ocs, a->north, b->south},
                                         {b->ocs, b->north, a->south}};
    char line[LINE], north[2][32];
    inproc_break(pod.world, a, 1);
    inproc_break(pod.world, b, 1);
    inproc_make(pod.world, crossed, 2);
    assert_int_equal(compare(&pod, &list), 1);
    assert_int_equal(list->kind, TPUNET_LINK_SWAPPED);
    assert_int_equal(list->at.ocs, 37);
    (void)tpunet_mismatch_format(list, line, sizeof line);
    (void)snprintf(north[0], sizeof north[0], "ocs/37 north %u", a->north);
    (void)snprintf(north[1], sizeof north[1], "ocs/37 north %u", b->north);
    assert_non_null(strstr(line, north[0]));
    assert_non_null(strstr(line, north[1]));
    free(list);
    pod_end(&pod);
}

/* The torus is not what was woven: every circuit that differs is told. */
static void the_torus_is_not_taken_for_the_weave(void **state)
{
    (void)state;
    struct pod pod = woven_pod();
    struct tpunet_mismatch *list = NULL;
    struct tpunet_intent *torus;
    struct tpunet_xc *xcs, *breaks, *makes;
    size_t n, n_breaks, n_makes;
    assert_int_equal(tpunet_intent_create(&torus, &pod.intent->shape, pod.intent->cubes, 8, NULL),
                     0);
    assert_int_equal(tpunet_intent_xcs(torus, pod.wiring, &xcs, &n, NULL), 0);
    assert_int_equal(
        tpunet_xc_diff(pod.xcs, pod.n_xcs, xcs, n, &breaks, &n_breaks, &makes, &n_makes), 0);
    inproc_break(pod.world, breaks, n_breaks);
    inproc_make(pod.world, makes, n_makes);
    int found = compare(&pod, &list);
    assert_true(found > 0 && found <= (int)n_breaks && found >= (int)n_breaks / 2);
    free(list);
    free(breaks);
    free(makes);
    free(xcs);
    tpunet_intent_destroy(torus);
    pod_end(&pod);
}

static void on_verdict(void *arg, const struct tpunet_verdict *verdict)
{
    struct tpunet_verdict *out = arg;
    *out = *verdict;
}

static void a_woven_slice_comes_up_with_proved_routes(void **state)
{
    (void)state;
    struct pod pod = woven_pod();
    struct tpunet_bringup *bringup;
    struct tpunet_verdict verdict = {.status = 1};
    const struct tpunet_stamp stamp = {
        .pod = "pod/a", .slice = "slice/1", .epoch = 1, .generation = 1};
    assert_int_equal(tpunet_bringup_create(&bringup, inproc_fabric(pod.world), pod.intent,
                                           pod.wiring, &stamp, 19 * TPUNET_CUBE_CHIPS, NULL, NULL),
                     0);
    tpunet_bringup_start(bringup, on_verdict, &verdict);
    assert_int_equal(verdict.status, 0);
    assert_string_equal(verdict.algorithm, "woven");
    assert_true(verdict.proof.acyclic && verdict.retained > 1.3 && !verdict.degraded);
    for (size_t i = 0; i < 8; i++)
        assert_true(inproc_injects(pod.world, pod.intent->cubes[i] * (uint32_t)TPUNET_CUBE_CHIPS));
    tpunet_bringup_destroy(bringup);
    pod_end(&pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_weave_is_the_torus),
        cmocka_unit_test(what_is_no_permutation_is_named),
        cmocka_unit_test(a_weave_of_another_shape_is_refused),
        cmocka_unit_test(cubes_of_a_torus_are_alike_until_one_link_is_down),
        cmocka_unit_test(cubes_of_an_odd_weave_are_not),
        cmocka_unit_test(its_figure_is_what_all_pairs_say),
        cmocka_unit_test(what_it_finds_are_permutations_of_cubes_alike),
        cmocka_unit_test(a_seed_gives_the_same_weave_again),
        cmocka_unit_test(one_cube_has_nothing_to_weave),
        cmocka_unit_test(a_woven_slice_is_found_as_intended),
        cmocka_unit_test(a_crossed_circuit_is_named),
        cmocka_unit_test(the_torus_is_not_taken_for_the_weave),
        cmocka_unit_test(a_woven_slice_comes_up_with_proved_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
