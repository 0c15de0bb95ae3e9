/* simulator/world.c, sim_wiring.c, evq.c, chance.c: who sees whom, by the
 * hardware's description. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim_fixture.h"
#include "simulator/chance.h"
#include "simulator/sim_wiring.h"

/* -------------------------------------------------------------- wiring -- */

static void golden_wiring(void **state)
{
    static const struct {
        const char *chip;
        unsigned port;
        struct sim_port end;
    } rows[] = {
        {"chip/5-3-1-2", 0, {9, 0, 5}},  /* +x -> ocs/9 north 5 */
        {"chip/5-1-0-2", 3, {25, 1, 5}}, /* -y -> ocs/25 south 5 */
        {"chip/7-2-3-3", 4, {46, 0, 7}}, /* +z -> ocs/46 north 7 */
        {"chip/0-0-0-0", 1, {0, 1, 0}},    {"chip/63-3-3-3", 0, {15, 0, 63}},
        {"chip/63-0-0-0", 5, {32, 1, 63}},
    };
    struct sim_fixture f;
    unsigned fibre, port;

    (void)state;
    sim_fixture_init(&f, 64, 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t chip = sim_chip(rows[i].chip);
        assert_true(sim_chip_fibre(chip, rows[i].port, &fibre));
        struct sim_port end = f.w->fibre_end[fibre];
        assert_int_equal(end.ocs, rows[i].end.ocs);
        assert_int_equal(end.south, rows[i].end.south);
        assert_int_equal(end.port, rows[i].end.port);
        assert_int_equal(sim_fibre_chip(fibre, &port), chip);
        assert_int_equal(port, rows[i].port);
    }
    assert_false(sim_chip_fibre(sim_chip("chip/5-2-1-2"), 0, &fibre)); /* copper */
    sim_fixture_fini(&f);
}

static void each_switch_port_has_one_fibre(void **state)
{
    struct sim_fixture *f = *state;
    unsigned seen = 0;

    for (unsigned fibre = 0; fibre < f->config.cubes * SIM_FIBRES_A_CUBE; fibre++) {
        seen += *sim_fibre_at(f->w, f->w->fibre_end[fibre]) == fibre;
    }
    assert_int_equal(seen, f->config.cubes * SIM_FIBRES_A_CUBE);
}

static int create_moved(struct world **w, struct sim_config *config, const char *fibre,
                        const char *port)
{
    struct sim_move move;
    struct error err;

    assert_int_equal(part_parse(&move.fibre, fibre, &err), 0);
    assert_int_equal(part_parse(&move.port, port, &err), 0);
    config->moves = &move;
    config->n_moves = 1;
    int status = world_create(w, config, &err);
    config->moves = NULL;
    config->n_moves = 0;
    return status;
}

static void fibres_move_to_spare_ports(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_fixture moved = {.config = f->config};

    assert_int_equal(create_moved(&moved.w, &moved.config, "fibre/1+x-0-3", "port/12-n-6"), 0);
    sim_make(&moved, 12, 6, 2);
    assert_string_equal(sim_sees(&moved, "link/1-3-0-3+x"), "link/2-0-0-3-x");
    sim_make(&moved, 12, 1, 3); /* its old port leads nowhere */
    assert_string_equal(sim_sees(&moved, "link/3-0-0-3-x"), "");
    sim_fixture_fini(&moved);

    static const char *const wrong[] = {"port/11-n-6", "port/12-s-6", "port/12-n-8", "port/12-n-2"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(create_moved(&moved.w, &moved.config, "fibre/1+x-0-3", wrong[i]),
                         E_CONFIG);
    }
}

/* --------------------------------------------------------- who sees whom -- */

static void copper_is_always_there(void **state)
{
    struct sim_fixture *f = *state;

    assert_string_equal(sim_sees(f, "link/2-1-2-3+x"), "link/2-2-2-3-x");
    assert_string_equal(sim_sees(f, "link/2-1-2-3-z"), "link/2-1-2-2+z");
    assert_string_equal(sim_sees(f, "link/2-3-2-3+x"), ""); /* a face is dark at first */
    assert_int_equal(f->w->log_next, 1);
}

static void light_joins_plus_to_minus(void **state)
{
    struct sim_fixture *f = *state;

    sim_make(f, 9, 0, 3);
    assert_string_equal(sim_sees(f, "link/0-3-1-2+x"), "link/3-0-1-2-x");
    assert_string_equal(sim_sees(f, "link/3-0-1-2-x"), "link/0-3-1-2+x");
    sim_make(f, 25, 1, 1); /* a cube with itself */
    assert_string_equal(sim_sees(f, "link/1-1-3-2+y"), "link/1-1-0-2-y");
}

static void neighbours_are_mutual_and_ring_closes(void **state)
{
    struct sim_fixture *f = *state;
    uint32_t at = sim_chip("chip/0-0-2-1"), peer;
    unsigned port;

    for (unsigned c = 0; c < 4; c++) {
        sim_join(f, 0, c, (c + 1) % 4);
    }
    for (uint32_t i = 0; i < f->w->n_chips * SIM_CHIP_PORTS; i++) {
        if (world_peer(f->w, i / 6, i % 6, &peer, &port)) {
            assert_true(world_link(f->w, i / 6, i % 6, &peer, &port));
        }
    }
    for (unsigned hop = 0; hop < 16; hop++) {
        assert_true(world_peer(f->w, at, 0, &at, &port));
        assert_int_equal(port, 1);
    }
    assert_int_equal(at, sim_chip("chip/0-0-2-1"));
}

static void changes_are_logged_in_order(void **state)
{
    struct sim_fixture *f = *state;
    static const struct {
        const char *chip;
        unsigned port;
        bool up;
    } want[] = {{"chip/0-3-0-0", 0, true},  {"chip/1-0-0-0", 1, true}, {"chip/0-3-0-0", 0, false},
                {"chip/1-0-0-0", 1, false}, {"chip/0-3-0-0", 0, true}, {"chip/2-0-0-0", 1, true}};

    sim_make(f, 0, 0, 1);
    assert_int_equal(sim_apply(f, 0, &(struct sim_xc){0, 1}, 1, &(struct sim_xc){0, 2}, 1),
                     SIM_OP_DONE);
    assert_int_equal(f->w->log_next, 1 + ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct sim_link_event *ev = &f->w->log[i + 1];
        assert_int_equal(ev->seq, i + 1);
        assert_int_equal(ev->chip, sim_chip(want[i].chip));
        assert_int_equal(ev->port, want[i].port);
        assert_int_equal(ev->up, want[i].up);
    }
}

static void sound_circuits_lose_less_than_2_db(void **state)
{
    struct sim_fixture *f = *state;
    double sum = 0;
    unsigned n = 0;

    for (unsigned ocs = 0; ocs < SIM_OCSES; ocs++) {
        for (unsigned p = 0; p < 4; p++) {
            sim_make(f, ocs, p, 3 - p);
            float loss_db = world_loss_db(f->w, ocs, p);
            assert_true(loss_db >= 0.5F && loss_db < 2);
            assert_true(loss_db == world_loss_db(f->w, ocs, p)); /* it stays */
            sum += loss_db;
            n++;
        }
    }
    assert_true(fabs(sum / n - 1.3) < 0.1);
    assert_true(world_loss_db(f->w, 0, 7) == 60); /* dark */
}

/* ------------------------------------------------------- time and chance -- */

struct tape {
    struct evq *q;
    char text[16];
    size_t n;
};
struct mark {
    struct tape *tape;
    char letter;
};

static void on_mark(void *arg)
{
    struct mark *mark = arg;
    struct tape *tape = mark->tape;

    tape->text[tape->n++] = mark->letter;
    evq_advance(tape->q, evq_now_ns(tape->q) + 1000); /* from inside: nothing */
}

static void events_come_in_order_of_time_then_of_making(void **state)
{
    struct tape tape = {.q = evq_create()};
    struct mark marks[] = {{&tape, 'c'}, {&tape, 'a'}, {&tape, 'b'}, {&tape, 'd'}, {&tape, 'p'}};
    int64_t at[] = {30, 10, 10, 40, -5}, next;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        evq_at(tape.q, at[i], on_mark, &marks[i]);
    }
    evq_advance(tape.q, 35);
    assert_string_equal(tape.text, "pabc"); /* the past is now */
    assert_int_equal(evq_now_ns(tape.q), 35);
    assert_true(evq_next_ns(tape.q, &next));
    assert_int_equal(next, 40);
    evq_advance(tape.q, 40);
    assert_string_equal(tape.text, "pabcd");
    assert_false(evq_next_ns(tape.q, &next));
    evq_destroy(tape.q);
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void mirror_times_have_median_and_p99(void **state)
{
    enum { N = 20000 };
    int64_t *times = xcalloc(N, sizeof *times);
    uint64_t rng = 7;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        times[i] = chance_mirror_ns(&rng, 10, 30);
    }
    qsort(times, N, sizeof *times, compare_times);
    assert_true(llabs(times[N / 2] - 10000000) < 500000);
    assert_true(llabs(times[N * 99 / 100] - 30000000) < 3000000);
    assert_int_equal(chance_mirror_ns(&rng, 0, 0), 0);
    free(times);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_wiring),
        cmocka_unit_test_setup_teardown(each_switch_port_has_one_fibre, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(fibres_move_to_spare_ports, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(copper_is_always_there, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(light_joins_plus_to_minus, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(neighbours_are_mutual_and_ring_closes, sim_setup,
                                        sim_teardown),
        cmocka_unit_test_setup_teardown(changes_are_logged_in_order, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(sound_circuits_lose_less_than_2_db, sim_setup,
                                        sim_teardown),
        cmocka_unit_test(events_come_in_order_of_time_then_of_making),
        cmocka_unit_test(mirror_times_have_median_and_p99),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
