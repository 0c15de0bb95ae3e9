/* What the core promises of slices, verdicts and agents, without any I/O. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core_world.h"
#include "mem.h"

static void slice_lives_and_goes(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask(w, "4x4x8");

    assert_non_null(slice);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(slice->verified);
    assert_int_equal(cw_lit(w), 96);
    assert_int_equal(slice->coordinator, 0);
    struct id id = slice->id;
    cw_delete(w, id, 0);
    assert_int_equal(w->status, 0);
    assert_null(model_slice(w->model, id));
    assert_int_equal(cw_lit(w), 0);
    assert_int_equal(w->releases, 1);
    for (unsigned c = 0; c < CUBES; c++) {
        assert_true(model_cube_free(w->model, c, NULL, 0));
    }
}

static void no_two_slices_share_a_cube(void **state)
{
    struct world *w = *state;

    assert_non_null(cw_ask(w, "4x4x8"));
    assert_non_null(cw_ask(w, "4x4x8"));
    assert_null(cw_ask(w, "4x4x4"));
    assert_string_equal(w->code, "insufficient-capacity");
    assert_non_null(strstr(w->text, "cube/0 owned by slice/1-1"));
    assert_int_equal(cw_lit(w), 192);
}

static void placement_refusals_name_the_cube(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *topology;
        uint16_t cubes[3];
        size_t n;
        const char *code, *text;
    } rows[] = {
        {"4x4x8", {1}, 1, "invalid-request", "4x4x8 needs 2 cubes, 1 given"},
        {"4x4x8", {1, 1}, 2, "invalid-request", "cube/1 is repeated"},
        {"4x4x8", {1, 9}, 2, "invalid-request", "no cube/9"},
        {"4x4x8", {1, 0}, 2, "cube-unavailable", "cube/0 is not free: owned by slice/"},
        {"8x8x8", {0}, 0, "invalid-request", "8x8x8 needs 8 cubes, the pod has 4"},
    };

    assert_non_null(cw_ask(w, "4x4x4"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_null(
            cw_ask_on(w, rows[i].topology, rows[i].n > 0 ? rows[i].cubes : NULL, rows[i].n));
        assert_string_equal(w->code, rows[i].code);
        assert_non_null(strstr(w->text, rows[i].text));
    }
    assert_int_equal(cw_lit(w), 48); /* refused requests changed nothing */
    assert_int_equal(w->model->n_slices, 1);
}

static void sub_cube_shapes_are_refused_for_now(void **state)
{
    struct world *w = *state;

    assert_null(cw_ask(w, "2x2x4"));
    assert_string_equal(w->code, "unsupported-topology");
}

static void explicit_cubes_keep_their_order(void **state)
{
    struct world *w = *state;
    static const uint16_t cubes[] = {3, 1};
    struct slice *slice = cw_ask_on(w, "4x4x8", cubes, 2);

    assert_non_null(slice);
    assert_int_equal(slice->intent->cubes[0], 3);
    assert_int_equal(w->map[32][3], 1); /* z: north of 3 to south of 1, and back */
    assert_int_equal(w->map[32][1], 3);
    assert_int_equal(w->map[0][3], 3); /* x: one cube long, to itself */
}

static void a_failed_check_is_repeated(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask(w, "4x4x4");

    w->is_bad = true;
    slice->verified = false;
    cw_settle(w);
    assert_true(slice->check_failed);
    assert_int_equal(w->checks, 1);
    cw_settle(w);
    assert_int_equal(w->checks, 2);
    w->is_bad = false;
    cw_settle(w);
    cw_settle(w);
    assert_true(slice->verified);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    unsigned checks = w->checks;
    cw_settle(w);
    assert_int_equal(w->checks, checks);
}

static void chips_without_routes_get_them_again(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask(w, "4x4x4");
    unsigned asked = w->bring_ups;
    struct event ev = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};

    *ev.verdict = (struct verdict){.slice = slice->id,
                                   .epoch = w->model->epoch,
                                   .generation = slice->generation,
                                   .check_only = true,
                                   .code = "tables"};
    cw_step(w, &ev);
    assert_int_equal(w->bring_ups, asked + 1);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(slice->verified);
    assert_int_equal(w->out.n_journal, 1); /* what the chips held is gone */
    assert_non_null(strstr(w->out.journal[0].data, "\"advice\":\"restart-from-checkpoint\""));
}

static void nobody_is_asked_while_circuits_are_missing(void **state)
{
    struct world *w = *state;

    w->is_slow = true;
    struct slice *slice = cw_ask(w, "4x4x4");
    uint64_t generation = slice->generation;
    w->mute[9] = true;
    memset(w->map[9], 0xff, sizeof w->map[9]);
    cw_attach(w, 9); /* what is lost is being put back */
    cw_verdict(w, slice->id, generation, false, false);
    assert_int_equal(slice->state, SLICE_ACTIVATING); /* nothing new in that */
    assert_true(slice->waiting);
    w->mute[9] = w->is_slow = false;
    cw_attach(w, 9);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(slice->generation > generation);
}

static void migrate(struct world *w, struct id id, uint16_t cube, uint16_t with)
{
    struct event ev = {.kind = EV_MIGRATE_SLICE, .cookie = 4};

    ev.migrate.id = id;
    ev.migrate.swaps = xmemdup(&(struct swap){cube, with}, sizeof *ev.migrate.swaps);
    ev.migrate.n_swaps = 1;
    cw_step(w, &ev);
}

static void migrate_swaps_one_cube_in_one_operation(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask(w, "4x4x8");
    unsigned applies = w->applies;

    migrate(w, slice->id, 1, TPUNET_NONE);
    assert_int_equal(w->status, 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 0);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_int_equal(w->applies, applies + 48);
    const struct op *op = w->model->ops[w->model->n_ops - 1];
    assert_int_equal(op->kind, OP_RECONFIGURE);
    assert_true(op->n_breaks <= 96 && op->n_makes <= 96);
    assert_int_equal(cw_lit(w), 96);
    assert_true(model_cube_free(w->model, 1, NULL, 0));
    assert_false(model_cube_free(w->model, 2, NULL, 0));
    assert_int_equal(w->releases, 1);
}

/* A restarted podmgr knows only the breaks: they, and nothing else, keep a cube
 * with the slice that leaves it (A8). */
static void what_is_left_is_kept_by_what_stands(void **state)
{
    struct world *w = *state;
    struct slice *dark = cw_ask(w, "4x4x4"), *seen = cw_ask(w, "4x4x4");

    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        w->model->ocs[o].north[0].seen = TPUNET_NONE;
        w->mute[o] = true;
    }
    migrate(w, dark->id, 0, 2);
    migrate(w, seen->id, 1, 3);
    assert_int_equal(model_op(w->model, dark->op)->state, OP_OPEN);
    assert_int_equal(model_op(w->model, dark->op)->n_breaks, 0);
    assert_true(id_is_none(w->model->cubes[0].owner));
    assert_int_equal(model_op(w->model, seen->op)->n_breaks, 48);
    assert_int_equal(id_compare(w->model->cubes[1].owner, seen->id), 0);
}

static void migrate_is_refused_by_name(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask(w, "4x4x8"), *other = cw_ask(w, "4x4x4");
    static const struct {
        uint16_t cube, with;
        const char *code, *text;
    } rows[] = {
        {3, TPUNET_NONE, "invalid-request", "cube/3 is not of this slice"},
        {1, 2, "cube-unavailable", "cube/2 is not free: owned by"},
        {1, 9, "invalid-request", "no cube/9"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        migrate(w, slice->id, rows[i].cube, rows[i].with);
        assert_string_equal(w->code, rows[i].code);
        assert_non_null(strstr(w->text, rows[i].text));
        assert_int_equal(slice->state, SLICE_ACTIVE);
    }
    migrate(w, slice->id, 1, 3);
    assert_int_equal(w->status, 0);
    migrate(w, other->id, 2, 0); /* slice has 0 and 3 now */
    assert_string_equal(w->code, "cube-unavailable");
    w->mute[3] = true;
    migrate(w, slice->id, 3, 1);
    assert_int_equal(slice->state, SLICE_RECONFIGURING);
    assert_false(model_cube_free(w->model, 3, NULL, 0)); /* A8: both until it is done */
    assert_false(model_cube_free(w->model, 1, NULL, 0));
    migrate(w, slice->id, 1, 3);
    assert_string_equal(w->code, "state-conflict");
    cw_delete(w, slice->id, 0);
    w->mute[3] = false;
    cw_attach(w, 3);
    assert_int_equal(w->model->n_slices, 1);
    assert_int_equal(cw_lit(w), 48);
    assert_true(model_cube_free(w->model, 3, NULL, 0));
}

static void delete_waits_for_the_open_operation(void **state)
{
    struct world *w = *state;

    w->mute[3] = true;
    struct slice *slice = cw_ask(w, "4x4x4");
    struct id id = slice->id;
    cw_delete(w, id, 0);
    assert_int_equal(slice->state, SLICE_DEACTIVATING);
    assert_false(model_cube_free(w->model, 0, NULL, 0)); /* A8 */
    w->mute[3] = false;
    cw_attach(w, 3);
    assert_null(model_slice(w->model, id));
    assert_int_equal(cw_lit(w), 0);
    assert_int_equal(w->bring_ups, 0);
}

static void bad_verdict_fails_with_what_was_found(void **state)
{
    struct world *w = *state;

    w->is_bad = true;
    struct slice *slice = cw_ask(w, "4x4x4");
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_string_equal(slice->reason, "two fibres swapped");
}

static void verdict_of_an_older_generation_is_ignored(void **state)
{
    struct world *w = *state;

    w->is_slow = true;
    struct slice *slice = cw_ask(w, "4x4x4");
    uint64_t generation = slice->generation;
    cw_verdict(w, slice->id, generation - 1, true, false);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    cw_verdict(w, slice->id, generation, true, false);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void no_verdict_counts_while_the_switches_move(void **state)
{
    struct world *w = *state;

    w->mute[3] = true; /* the operation stays open */
    struct slice *slice = cw_ask(w, "4x4x4");
    cw_verdict(w, slice->id, 0, true, false); /* nobody was asked yet */
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    cw_verdict(w, slice->id, 0, false, false);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
}

static void next_coordinator_takes_over_with_a_new_generation(void **state)
{
    struct world *w = *state;

    cw_hello(w, "tpunetd/t2", 2, 0, 1); /* stands for host/0-0 from now on */
    w->is_slow = true;
    struct slice *slice = cw_ask(w, "4x4x4");
    uint64_t generation = slice->generation;
    assert_int_equal(slice->coordinator, 0);
    for (int i = 0; i < 8; i++) { /* t1 speaks, t2 is silent */
        struct event seen = {.kind = EV_AGENT_SEEN, .agent = {.id = 1}};
        cw_step(w, &seen);
        cw_tick(w, 250);
    }
    assert_int_equal(slice->coordinator_agent, 1);
    assert_true(slice->generation > generation);
    assert_int_equal(w->model->hosts[0].health, HEALTH_HEALTHY); /* t1 stands for it, too */
    assert_int_equal(w->model->hosts[0].agent, 1);
    cw_verdict(w, slice->id, slice->generation, true, false);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void our_own_stall_is_not_their_silence(void **state)
{
    struct world *w = *state;

    cw_tick(w, 250);
    cw_tick(w, 60000);
    assert_int_equal(w->model->n_agents, 1);
    assert_int_equal(w->model->hosts[5].health, HEALTH_HEALTHY);
}

static void stale_version_is_refused(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask(w, "4x4x4");

    cw_delete(w, slice->id, slice->version + 1);
    assert_int_equal(w->status, E_STALE);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    cw_delete(w, slice->id, slice->version);
    assert_int_equal(w->status, 0);
}

static void journal_has_no_gap(void **state)
{
    struct world *w = *state;
    uint64_t before = w->model->next_event;
    struct event ev = {.kind = EV_OCS_LOST, .ocs = {.ocs = 1}};

    ev.now = w->now;
    outbox_clear(&w->out);
    core_step(w->model, &ev, &w->out);
    assert_int_equal(w->out.n_journal, 1);
    assert_int_equal(w->out.journal[0].seq, before);
    core_step(w->model, &ev, &w->out); /* lost already: nothing new to say */
    assert_int_equal(w->out.n_journal, 1);
    assert_int_equal(w->model->next_event, before + 1);
}

static void one_audit_record_for_each_mutation(void **state)
{
    struct world *w = *state;
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1, .now = w->now};
    struct event again = {.kind = EV_DELETE_SLICE, .cookie = 2, .now = w->now};

    ev.create = xcalloc(1, sizeof *ev.create);
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, "4x4x4", false, NULL), 0);
    (void)snprintf(ev.who, sizeof ev.who, "unix uid 7 pid 8 admin");
    outbox_clear(&w->out);
    core_step(w->model, &ev, &w->out);
    event_fini(&ev);
    assert_int_equal(w->out.n_audits, 1);
    assert_string_equal(w->out.audits[0].who, "unix uid 7 pid 8 admin");
    assert_string_equal(w->out.audits[0].action, "slice.create");
    assert_string_equal(w->out.audits[0].before, "null");
    assert_non_null(strstr(w->out.audits[0].after, "\"state\":\"ACTIVATING\""));

    again.del.id = w->model->slices[0]->id;
    outbox_clear(&w->out);
    again.del.if_version = 99; /* refused */
    core_step(w->model, &again, &w->out);
    assert_int_equal(w->out.n_audits, 0);
    again.del.if_version = 0;
    core_step(w->model, &again, &w->out);
    core_step(w->model, &again, &w->out); /* asks for what already happens */
    assert_int_equal(w->out.n_audits, 1);
    assert_string_equal(w->out.audits[0].action, "slice.delete");
    assert_non_null(strstr(w->out.audits[0].before, "\"state\":\"ACTIVATING\""));
    assert_non_null(strstr(w->out.audits[0].after, "\"state\":\"DEACTIVATING\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, cw_setup_unmended, cw_teardown)
    const struct CMUnitTest tests[] = {
        TEST(slice_lives_and_goes),
        TEST(no_two_slices_share_a_cube),
        TEST(placement_refusals_name_the_cube),
        TEST(sub_cube_shapes_are_refused_for_now),
        TEST(explicit_cubes_keep_their_order),
        TEST(a_failed_check_is_repeated),
        TEST(chips_without_routes_get_them_again),
        TEST(nobody_is_asked_while_circuits_are_missing),
        TEST(migrate_swaps_one_cube_in_one_operation),
        TEST(what_is_left_is_kept_by_what_stands),
        TEST(migrate_is_refused_by_name),
        TEST(delete_waits_for_the_open_operation),
        TEST(bad_verdict_fails_with_what_was_found),
        TEST(verdict_of_an_older_generation_is_ignored),
        TEST(no_verdict_counts_while_the_switches_move),
        TEST(next_coordinator_takes_over_with_a_new_generation),
        TEST(our_own_stall_is_not_their_silence),
        TEST(stale_version_is_refused),
        TEST(journal_has_no_gap),
        TEST(one_audit_record_for_each_mutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
