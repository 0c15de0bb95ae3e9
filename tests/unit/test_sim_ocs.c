/* simulator/ocs_device.c and op_log.c: one switch and what its agent keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim_fixture.h"
#include "simulator/chance.h"

/* --------------------------------------------------------------- claims -- */

static void first_claimant_of_an_epoch_wins(void **state)
{
    static const struct {
        struct sim_claim claim;
        bool taken;
    } rows[] = {{{0, 9, 0}, false}, {{3, 7, 2}, true},  {{3, 7, 2}, true}, {{3, 8, 9}, false},
                {{2, 7, 9}, false}, {{3, 7, 1}, false}, {{3, 7, 3}, true}, {{3, 7, 2}, false},
                {{4, 8, 1}, true},  {{3, 7, 4}, false}, {{4, 8, 1}, true}};
    struct sim_ocs o = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(sim_ocs_claim(&o, rows[i].claim), rows[i].taken);
        assert_int_equal(sim_ocs_holds(&o, rows[i].claim), rows[i].taken);
    }
}

static void claim_survives_restart_and_power_loss(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_ocs *o = &f->w->ocs[12];
    char before[40];

    assert_true(sim_ocs_claim(o, (struct sim_claim){5, 1, 1}));
    sim_make(f, 12, 0, 1);
    memcpy(before, o->boot_id, sizeof before);
    assert_int_equal(sim_break(f, "agent-restart", "ocs/12", NULL, NULL), 0);
    assert_int_equal(o->agent_down, 1);
    sim_pass_ms(f, 1000);
    assert_int_equal(o->agent_down, 0);
    assert_int_equal(o->map[0], 1); /* fail-static */
    assert_string_equal(o->boot_id, before);

    assert_int_equal(sim_break(f, "power-loss", "ocs/12", NULL, NULL), 0);
    assert_int_equal(sim_heal(f, "ocs/12"), 1);
    assert_int_equal(o->map[0], SIM_NONE);
    assert_string_not_equal(o->boot_id, before);                 /* D8 */
    assert_false(sim_ocs_claim(o, (struct sim_claim){4, 1, 9})); /* D4 */
    assert_true(sim_ocs_holds(o, (struct sim_claim){5, 1, 1}));
}

/* ----------------------------------------------------------- operations -- */

static void refusals_name_the_port(void **state)
{
    struct sim_fixture *f = *state;
    static const struct {
        struct sim_xc brk, make; /* north SIM_NONE: none */
        enum sim_op_status status;
        uint16_t port;
        bool south;
    } rows[] = {
        {{SIM_NONE, 0}, {8, 0}, SIM_OP_BAD_PORT, 8, false},
        {{SIM_NONE, 0}, {0, 8}, SIM_OP_BAD_PORT, 8, true},
        {{SIM_NONE, 0}, {1, 3}, SIM_OP_BUSY, 1, false},
        {{SIM_NONE, 0}, {3, 2}, SIM_OP_BUSY, 2, true},
        {{1, 3}, {SIM_NONE, 0}, SIM_OP_ABSENT, 1, false},
        {{0, 0}, {SIM_NONE, 0}, SIM_OP_ABSENT, 0, false},
        {{6, 6}, {SIM_NONE, 0}, SIM_OP_MIRROR, 6, false},
        {{SIM_NONE, 0}, {4, 7}, SIM_OP_MIRROR, 7, true},
    };

    sim_make(f, 3, 1, 2);
    sim_make(f, 3, 6, 6);
    assert_int_equal(sim_break(f, "stuck-mirror", "port/3-n-6", NULL, NULL), 0);
    assert_int_equal(sim_break(f, "stuck-mirror", "port/3-s-7", NULL, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim_xc brk = rows[i].brk, make = rows[i].make;
        struct sim_op op = {.epoch = 2,
                            .sequence = i,
                            .breaks = &brk,
                            .makes = &make,
                            .n_breaks = brk.north != SIM_NONE,
                            .n_makes = make.north != SIM_NONE};
        uint64_t generation = f->w->ocs[3].generation;
        assert_false(sim_ocs_begin(f->w, 3, &op, 1));
        sim_ocs_finish(f->w, 3, &op, 1, false);
        assert_int_equal(op.result.status, rows[i].status);
        assert_int_equal(op.result.port, rows[i].port);
        assert_int_equal(op.result.south, rows[i].south);
        assert_int_equal(f->w->ocs[3].generation, generation);
    }
    assert_int_equal(f->w->ocs[3].map[1], 2);
    assert_int_equal(f->w->ocs[3].map[6], 6);
}

static void an_operation_is_whole_or_not_at_all(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_xc makes[] = {{0, 0}, {1, 0}};

    assert_int_equal(sim_apply(f, 5, NULL, 0, makes, 2), SIM_OP_BUSY);
    assert_int_equal(f->w->ocs[5].map[0], SIM_NONE);
    assert_int_equal(f->w->ocs[5].generation, 1);
}

static void a_bad_operation_leaves_the_others(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_xc a = {0, 1}, b = {2, 1}, c = {3, 3};
    struct sim_op ops[] = {{.epoch = 1, .sequence = 101, .makes = &a, .n_makes = 1},
                           {.epoch = 1, .sequence = 102, .makes = &b, .n_makes = 1},
                           {.epoch = 1, .sequence = 103, .makes = &c, .n_makes = 1}};

    assert_true(sim_ocs_begin(f->w, 5, ops, 3));
    sim_ocs_finish(f->w, 5, ops, 3, true);
    assert_int_equal(ops[0].result.status, SIM_OP_DONE);
    assert_int_equal(ops[1].result.status, SIM_OP_BUSY);
    assert_int_equal(ops[2].result.status, SIM_OP_DONE);
    assert_int_equal(f->w->ocs[5].map[0], 1);
    assert_int_equal(f->w->ocs[5].map[3], 3);
    assert_int_equal(f->w->ocs[5].generation, 2);
}

static void breaks_of_all_come_before_makes_of_all(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_xc old = {0, 1}, new = {2, 1};

    sim_make(f, 5, 0, 1);
    struct sim_op ops[] = {{.epoch = 1, .sequence = 101, .makes = &new, .n_makes = 1},
                           {.epoch = 1, .sequence = 102, .breaks = &old, .n_breaks = 1}};
    assert_true(sim_ocs_begin(f->w, 5, ops, 2));
    assert_string_equal(sim_sees(f, "link/1-0-1-1-x"), ""); /* dark while mirrors move */
    assert_int_equal(f->w->ocs[5].back[1], SIM_NONE);
    sim_ocs_finish(f->w, 5, ops, 2, true);
    assert_int_equal(ops[0].result.status, SIM_OP_DONE);
    assert_string_equal(sim_sees(f, "link/1-0-1-1-x"), "link/2-3-1-1+x");
}

static void a_replay_gets_the_stored_result_and_does_nothing(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_xc xc = {0, 1};
    struct sim_op op = {.epoch = 1, .sequence = 100, .makes = &xc, .n_makes = 1};
    struct sim_op again = op, other = {.epoch = 1, .sequence = 101};

    assert_true(sim_ocs_begin(f->w, 5, &op, 1));
    sim_ocs_finish(f->w, 5, &op, 1, true);
    assert_false(op.replayed);
    assert_int_equal(sim_apply(f, 5, &xc, 1, NULL, 0), SIM_OP_DONE);
    assert_true(sim_ocs_all_replayed(&f->w->ocs[5], &again, 1));
    assert_false(sim_ocs_all_replayed(&f->w->ocs[5], &other, 1));
    assert_false(sim_ocs_begin(f->w, 5, &again, 1));
    sim_ocs_finish(f->w, 5, &again, 1, false);
    assert_true(again.replayed);
    assert_int_equal(again.result.status, SIM_OP_DONE);
    assert_int_equal(f->w->ocs[5].map[0], SIM_NONE); /* the older one does not win (D5) */
}

static void the_log_keeps_the_last_4096(void **state)
{
    struct op_log *log = op_log_create();

    (void)state;
    for (uint64_t i = 0; i < SIM_OP_LOG + 100; i++) {
        struct sim_op_result r = {.epoch = 1 + i / 1000, .sequence = i, .port = (uint16_t)i};
        op_log_add(log, &r);
    }
    for (uint64_t i = 0; i < SIM_OP_LOG + 100; i++) {
        const struct sim_op_result *r = op_log_find(log, 1 + i / 1000, i);
        assert_int_equal(r != NULL, i >= 100);
        assert_true(r == NULL || r->port == (uint16_t)i);
    }
    op_log_destroy(log);
}

/* ------------------------------------------------------------ property -- */

static void check_bijection(const struct sim_fixture *f, const struct sim_ocs *o)
{
    for (unsigned p = 0; p < f->config.ports_per_side; p++) {
        assert_true(o->map[p] == SIM_NONE || o->back[o->map[p]] == p);
        assert_true(o->back[p] == SIM_NONE || o->map[o->back[p]] == p);
    }
}

static unsigned below(uint64_t *rng, unsigned n)
{
    return (unsigned)(chance_next(rng) * n);
}

static size_t draw(struct sim_xc *out, size_t max, unsigned ports, uint64_t *rng,
                   const struct sim_ocs *o)
{
    size_t n = below(rng, (unsigned)max + 1);

    for (size_t i = 0; i < n; i++) {
        out[i].north = (uint16_t)below(rng, ports);
        /* half the time the circuit that is there */
        out[i].south =
            o != NULL && below(rng, 2) != 0 ? o->map[out[i].north] : (uint16_t)below(rng, ports);
    }
    return n;
}

/* D1 after any batch; what was refused changed nothing, what was done is there. */
static void any_batches_leave_a_bijection(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_ocs *o = &f->w->ocs[7];
    unsigned done = 0, refused = 0;
    uint64_t rng = 42;

    for (unsigned round = 0; round < 3000; round++) {
        struct sim_xc breaks[3][4], makes[3][4];
        struct sim_op ops[3];
        for (size_t i = 0; i < 3; i++) {
            ops[i] = (struct sim_op){
                .epoch = 1, .sequence = round * 3 + i, .breaks = breaks[i], .makes = makes[i]};
            ops[i].n_breaks = draw(breaks[i], 2, 8, &rng, o);
            ops[i].n_makes = draw(makes[i], 3, 9, &rng, NULL);
        }
        bool changed = sim_ocs_begin(f->w, 7, ops, 3);
        check_bijection(f, o);
        sim_ocs_finish(f->w, 7, ops, 3, changed);
        check_bijection(f, o);
        for (size_t i = 0; i < 3; i++) {
            bool ok = ops[i].result.status == SIM_OP_DONE;
            done += ok;
            refused += !ok;
            for (size_t k = 0; ok && k < ops[i].n_makes; k++) {
                assert_int_equal(o->map[makes[i][k].north], makes[i][k].south);
            }
        }
    }
    assert_true(done > 500 && refused > 500); /* or the draw proves nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_claimant_of_an_epoch_wins),
        cmocka_unit_test_setup_teardown(claim_survives_restart_and_power_loss, sim_setup,
                                        sim_teardown),
        cmocka_unit_test_setup_teardown(refusals_name_the_port, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(an_operation_is_whole_or_not_at_all, sim_setup,
                                        sim_teardown),
        cmocka_unit_test_setup_teardown(a_bad_operation_leaves_the_others, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(breaks_of_all_come_before_makes_of_all, sim_setup,
                                        sim_teardown),
        cmocka_unit_test_setup_teardown(a_replay_gets_the_stored_result_and_does_nothing, sim_setup,
                                        sim_teardown),
        cmocka_unit_test(the_log_keeps_the_last_4096),
        cmocka_unit_test_setup_teardown(any_batches_leave_a_bijection, sim_setup, sim_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
