/* Drains outlive podmgr, their times and words as they were given; a row that makes
 * no sense is refused with its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "core/drain.h"
#include "mem.h"
#include "store_fixture.h"

static struct drain *add(struct fixture *f, uint64_t seq, const char *target)
{
    struct drain *d = xcalloc(1, sizeof *d);

    *d = (struct drain){
        .id = {2, seq},
        .order = {.mode = DRAIN_NOW, .reason = "new line card", .until = {1800000000000}},
        .state = ADMIN_DRAINING,
        .who = "unix uid 0 pid 1 admin",
        .created = {1700000000000},
        .version = 1};
    assert_int_equal(part_parse(&d->order.part, target, NULL), 0);
    model_add_drain(f->m, d);
    sf_change(f, CHANGE_DRAIN, d->id);
    return d;
}

static void what_was_ordered_comes_back(void **state)
{
    static const char *const targets[] = {"ocs/12", "cube/5", "host/7-3", "link/5-3-0-2+x"};
    struct fixture *f = *state;
    struct drain before[ARRAY_LEN(targets)];

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        before[i] = *add(f, i + 1, targets[i]);
    }
    sf_commit(f);
    sf_reopen(f);
    assert_int_equal(f->m->n_drains, ARRAY_LEN(targets));
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const struct drain *d = f->m->drains[i];
        char name[80];
        assert_int_equal(id_compare(d->id, before[i].id), 0);
        assert_string_equal(part_format(&d->order.part, name), targets[i]);
        assert_int_equal(d->order.mode, DRAIN_NOW);
        assert_string_equal(d->order.reason, "new line card");
        assert_int_equal(d->order.until.ms, 1800000000000);
        assert_int_equal(d->state, ADMIN_DRAINING);
        assert_string_equal(d->who, before[i].who);
        assert_int_equal(d->created.ms, 1700000000000);
        assert_int_equal(d->version, 1);
        assert_memory_equal(d->extent.cubes, before[i].extent.cubes, sizeof d->extent.cubes);
        assert_int_equal(d->extent.ocs, before[i].extent.ocs);
        assert_int_equal(d->extent.n_ports, before[i].extent.n_ports);
    }
    assert_int_equal(f->m->ocs[12].admin, ADMIN_DRAINING);
    assert_int_equal(f->m->cubes[5].admin, ADMIN_DRAINING);
    assert_int_equal(f->m->hosts[7 * TPUNET_CUBE_HOSTS + 3].admin, ADMIN_DRAINING);
}

static void the_state_moves_and_the_end_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct drain *d = add(f, 1, "ocs/12");

    sf_commit(f);
    d->state = ADMIN_DRAINED;
    d->drained.ms = 1700000000500;
    d->version = 2;
    sf_change(f, CHANGE_DRAIN, d->id);
    sf_commit(f);
    sf_reopen(f);
    assert_int_equal(f->m->drains[0]->state, ADMIN_DRAINED);
    assert_int_equal(f->m->drains[0]->drained.ms, 1700000000500);
    assert_int_equal(f->m->drains[0]->version, 2);

    /* Ended and given again in one batch: the part is another drain's by then. */
    sf_change(f, CHANGE_DRAIN, f->m->drains[0]->id);
    model_remove_drain(f->m, f->m->drains[0]->id);
    (void)add(f, 2, "ocs/12");
    sf_commit(f);
    sf_reopen(f);
    assert_int_equal(f->m->n_drains, 1);
    assert_int_equal(f->m->drains[0]->id.seq, 2);
    sf_change(f, CHANGE_DRAIN, f->m->drains[0]->id);
    model_remove_drain(f->m, f->m->drains[0]->id);
    sf_commit(f);
    sf_reopen(f);
    assert_int_equal(f->m->n_drains, 0);
    assert_int_equal(f->m->ocs[12].admin, ADMIN_IN_SERVICE);
}

/* A switch that podmgr gave up is not waited for after a restart, nor while its
 * state is not known yet: an operation must have somebody to end it. */
static void a_drained_switch_is_known_at_load(void **state)
{
    struct fixture *f = *state;
    struct drain *d = add(f, 1, "ocs/12");

    d->state = ADMIN_DRAINED;
    sf_commit(f);
    sf_reopen(f);
    assert_int_equal(f->m->ocs[12].admin, ADMIN_DRAINED);
    assert_false(model_given_up(f->m, 12));
    f->m->ocs[12].state = OCS_STATE_UNREACHABLE;
    assert_true(model_given_up(f->m, 12));
    f->m->ocs[12].state = OCS_STATE_REACHABLE;
    assert_false(model_given_up(f->m, 12));
}

static void rows_that_make_no_sense(void **state)
{
    static const struct {
        const char *sql, *what;
    } rows[] = {
        {"UPDATE drains SET epoch = 9", "row 9-1: an id that was never given"},
        {"UPDATE drains SET target = 'cube/05'", "row 2-1: its target is no part"},
        {"UPDATE drains SET target = 'cube/8'", "row 2-1: its target is not in this pod"},
        {"UPDATE drains SET target = 'slice/1-1'", "row 2-1: its target is not in this pod"},
        {"UPDATE drains SET mode = 'soon'", "row 2-1: no such mode or state"},
        {"UPDATE drains SET state = 'IN_SERVICE'", "row 2-1: no such mode or state"},
    };
    struct fixture *f = *state;

    (void)add(f, 1, "cube/5");
    sf_commit(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = {0};
        sqlite3 *db;
        char good[128], *why = NULL;

        sf_close_all(f);
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, rows[i].sql, NULL, NULL, &why), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(sf_open_all(f, &err), E_CORRUPT);
        if (strstr(err.text, "table drains, ") == NULL || strstr(err.text, rows[i].what) == NULL) {
            fail_msg("%s: %s", rows[i].sql, err.text);
        }
        sf_close_all(f);
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        (void)snprintf(good, sizeof good,
                       "UPDATE drains SET epoch = 2, target = 'cube/5', mode = 'now', "
                       "state = 'DRAINING'");
        assert_int_equal(sqlite3_exec(db, good, NULL, NULL, &why), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(sf_open_all(f, &err), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_ordered_comes_back, sf_set_up, sf_tear_down),
        cmocka_unit_test_setup_teardown(the_state_moves_and_the_end_leaves_nothing, sf_set_up,
                                        sf_tear_down),
        cmocka_unit_test_setup_teardown(a_drained_switch_is_known_at_load, sf_set_up, sf_tear_down),
        cmocka_unit_test_setup_teardown(rows_that_make_no_sense, sf_set_up, sf_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
