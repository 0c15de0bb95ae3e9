/* What the core promises of switches: mirrors that stick, switches that are silent, dead or
 * lose power, circuits of another hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/incident.h"
#include "core_world.h"
#include "mem.h"

static void stuck_mirror_fails_pinned_cubes_by_name(void **state)
{
    static const uint16_t cubes[] = {0};
    struct world *w = *state;

    cw_stick(w, 17, 0);
    struct slice *slice = cw_ask_on(w, "4x4x4", cubes, 1);
    assert_int_equal(slice->state, SLICE_ACTIVATING); /* it is tried again first */
    unsigned applies = w->applies;
    cw_settle(w);
    assert_int_equal(w->applies - applies, 2 + 47); /* two more attempts, then all back */
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_non_null(strstr(slice->reason, "ocs/17 north 0"));
    assert_non_null(strstr(slice->reason, "mirror stuck"));
    assert_int_equal(w->bring_ups, 0);
    assert_int_equal(cw_lit(w), 0); /* back as a whole */
    assert_true(w->model->ocs[17].suspect[TPUNET_NORTH][0]);
    cw_delete(w, slice->id, 0);
    assert_int_equal(w->model->n_slices, 0);
    assert_false(model_cube_free(w->model, 0, NULL, 0)); /* A6: the port is SUSPECT */
    assert_int_equal(w->model->n_liens, 0);
}

static void stuck_mirror_sends_the_slice_to_another_cube(void **state)
{
    struct world *w = *state;

    cw_stick(w, 17, 0);
    struct slice *slice = cw_ask(w, "4x4x8"); /* cubes 0 and 1 */
    cw_settle(w);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 2);
    assert_int_equal(slice->intent->cubes[1], 1);
    assert_int_equal(slice->placements, 2);
    assert_int_equal(cw_lit(w), 96);
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        assert_int_equal(w->map[o][0], TPUNET_NONE);
    }
    assert_true(id_is_none(w->model->cubes[0].owner));
}

static void words_are_checked(void **state)
{
    static const struct {
        enum event_kind kind;
        const char *part, *code;
    } rows[] = {
        {EV_FAIL_PART, "slice/1-1", "invalid-field"},
        {EV_FAIL_PART, "port/3-n-1", "invalid-field"},
        {EV_FAIL_PART, "cube/9", "part-not-found"},
        {EV_CLEAR_PART, "port/3-n-8", "part-not-found"},
        {EV_CLEAR_PART, "ocs/3", "fault-not-found"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cw_speak(w, rows[i].kind, rows[i].part);
        assert_string_equal(w->code, rows[i].code);
        assert_non_null(strstr(w->text, rows[i].part));
    }
    assert_int_equal(w->model->n_faults, 0);
}

static void failed_cubes_and_hosts_are_not_allocated(void **state)
{
    struct world *w = *state;
    char why[160];

    cw_speak(w, EV_FAIL_PART, "cube/0");
    cw_speak(w, EV_FAIL_PART, "host/1-3");
    assert_false(model_cube_free(w->model, 0, why, sizeof why));
    assert_non_null(strstr(why, "FAILED since"));
    assert_false(model_cube_free(w->model, 1, why, sizeof why));
    assert_non_null(strstr(why, "host/1-3 FAILED since"));
    assert_int_equal(cw_ask(w, "4x4x8")->intent->cubes[0], 2);
    cw_speak(w, EV_CLEAR_PART, "host/1-3");
    assert_true(model_cube_free(w->model, 1, NULL, 0));
    assert_int_equal(w->model->n_faults, 1);
}

/* fail ocs/40, then create and delete slices. */
static void a_dead_switch_freezes_nothing(void **state)
{
    struct world *w = *state;

    struct slice *old = cw_ask_degradable(w, "4x4x8");
    cw_speak(w, EV_FAIL_PART, "ocs/40");
    w->mute[40] = true;
    assert_int_equal(old->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(old->dead_links, 2);
    assert_null(cw_ask(w, "4x4x4")); /* does not accept degraded */
    assert_string_equal(w->code, "switch-failed");

    w->hold_fences = true;
    cw_delete(w, old->id, 0);
    assert_int_equal(w->model->n_slices, 0);
    assert_int_equal(w->model->n_liens, 4);
    assert_false(model_cube_free(w->model, 0, NULL, 0)); /* A8: not fenced yet */
    w->hold_fences = false;
    cw_settle(w);
    assert_true(model_cube_free(w->model, 0, NULL, 0));
    assert_int_equal(w->model->n_liens, 4);

    unsigned applies = w->applies;
    struct slice *slice = cw_ask_degradable(w, "4x4x8");
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->intent->cubes[0], 0);
    assert_int_equal(w->applies, applies + 47); /* the dead one is not asked */
    assert_int_equal(w->map[40][0], 1);         /* fail-static: the old circuit stands */

    w->mute[40] = false;
    w->map[40][0] = 0; /* and something else came up with it */
    w->map[40][1] = TPUNET_NONE;
    cw_speak(w, EV_CLEAR_PART, "ocs/40");
    cw_settle(w);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->dead_links, 0);
    assert_false(slice->degraded);
    assert_int_equal(w->map[40][0], 1);
    assert_int_equal(w->map[40][1], 0);
    assert_int_equal(w->model->n_liens, 0);
    assert_int_equal(w->model->n_faults, 0);
    cw_delete(w, slice->id, 0);
    assert_int_equal(cw_lit(w), 0);
}

static void a_switch_that_fails_under_an_operation_is_not_waited_for(void **state)
{
    struct world *w = *state;

    w->mute[17] = true;
    struct slice *yes = cw_ask_degradable(w, "4x4x4"), *no = cw_ask(w, "4x4x4");
    assert_int_equal(yes->state, SLICE_ACTIVATING);
    cw_speak(w, EV_FAIL_PART, "ocs/17");
    assert_int_equal(yes->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(no->state, SLICE_FAILED);
    assert_string_equal(no->reason, "ocs/17 is FAILED");
    cw_delete(w, no->id, 0);
    cw_delete(w, yes->id, 0);
    assert_int_equal(w->model->n_slices, 0);
    assert_int_equal(w->model->n_liens, 4);
}

/* A circuit that does not come down holds no delete up, but its cubes. */
static void delete_over_a_stuck_mirror_leaves_liens(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask(w, "4x4x4");

    cw_stick(w, 40, 0);
    cw_delete(w, slice->id, 0);
    cw_settle(w);
    assert_int_equal(w->model->n_slices, 0);
    assert_int_equal(w->model->n_liens, 2);
    assert_int_equal(cw_lit(w), 1);
    cw_settle(w); /* fenced, and given to nobody all the same: the switch serves */
    assert_true(w->model->liens[0].fenced);
    assert_false(model_cube_free(w->model, 0, NULL, 0));

    w->stuck[40] = false;
    cw_speak(w, EV_CLEAR_PART, "port/40-n-0");
    assert_int_equal(cw_lit(w), 0);
    assert_int_equal(w->model->n_liens, 0);
    assert_true(model_cube_free(w->model, 0, NULL, 0));
}

static void a_slice_that_serves_goes_around_or_fails(void **state)
{
    struct world *w = *state;
    struct slice *yes = cw_ask_degradable(w, "4x4x4"), *no = cw_ask(w, "4x4x4");

    cw_speak(w, EV_FAIL_PART, "ocs/40");
    assert_int_equal(yes->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(no->state, SLICE_FAILED);
    assert_non_null(strstr(no->reason, "ocs/40 is FAILED: smoke"));
    cw_speak(w, EV_FAIL_PART, "ocs/40"); /* said already */
    assert_int_equal(yes->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(w->bring_ups, 3);
}

/* A switch that was called FAILED and had lost nothing: no operation tells that
 * its circuits are back. */
static void full_routes_come_back_with_the_word(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask_degradable(w, "4x4x8");
    unsigned applies = w->applies;

    cw_speak(w, EV_FAIL_PART, "ocs/40");
    w->dead[40] = true;
    cw_speak(w, EV_CLEAR_PART, "ocs/40"); /* too early: it does not answer yet */
    cw_settle(w);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    cw_speak(w, EV_FAIL_PART, "ocs/41"); /* as many are dead as before, and others */
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(w->bring_ups, 3);

    cw_speak(w, EV_CLEAR_PART, "ocs/41");
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED); /* what ocs/40 shows is a memory */
    cw_attach(w, 40);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->dead_links, 0);
    assert_int_equal(w->applies, applies); /* no mirror moved for it */
}

static void a_loss_that_cannot_be_put_right_is_asked_for_three_times(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask_degradable(w, "4x4x4");

    memset(w->map[9], 0xff, sizeof w->map[9]);
    cw_stick(w, 9, 0);
    unsigned applies = w->applies;
    cw_attach(w, 9);
    assert_false(slice->verified);
    cw_settle(w);
    assert_int_equal(w->applies, applies + 3);
    assert_true(w->model->ocs[9].suspect[TPUNET_NORTH][0]);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    cw_attach(w, 9); /* looked at again: not asked for again */
    cw_settle(w);
    assert_int_equal(w->applies, applies + 3);

    w->stuck[9] = false;
    cw_speak(w, EV_CLEAR_PART, "port/9-n-0");
    assert_int_equal(w->map[9][0], 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void power_lost_between_doing_and_answering(void **state)
{
    struct world *w = *state;

    w->mute[3] = true;
    struct slice *slice = cw_ask(w, "4x4x4");
    struct id first = w->last_wire;
    w->mute[3] = false;
    memset(w->map[3], 0xff, sizeof w->map[3]);
    (void)snprintf(w->model->ocs[3].boot_id, sizeof w->model->ocs[3].boot_id, "before");
    cw_attach(w, 3);
    assert_int_not_equal(id_compare(first, w->last_wire), 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void release_leaves_nothing_on_our_ports(void **state)
{
    static const uint16_t cubes[] = {0};
    struct world *w = *state;
    struct slice *slice = cw_ask_on(w, "4x4x4", cubes, 1);

    w->map[9][0] = 3; /* by another hand: ours leads elsewhere */
    w->model->ocs[9].north[0].seen = 3;
    cw_delete(w, slice->id, 0);
    assert_int_equal(w->map[9][0], TPUNET_NONE); /* A8 */
    assert_int_equal(cw_lit(w), 0);
}

static void a_circuit_that_stood_already_is_judged(void **state)
{
    static const uint16_t cubes[] = {2};
    struct world *w = *state;

    w->map[5][2] = 2; /* by hand, and dark */
    w->dark[5][2] = true;
    cw_attach(w, 5);
    struct slice *slice = cw_ask_on(w, "4x4x4", cubes, 1);
    cw_settle(w);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_non_null(strstr(slice->reason, "port/5-n-2"));
}

static void a_done_word_without_light_is_not_done(void **state)
{
    static const uint16_t cubes[] = {2};
    struct world *w = *state;

    w->dark[5][2] = true;
    struct slice *slice = cw_ask_on(w, "4x4x4", cubes, 1);
    cw_settle(w);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_non_null(strstr(slice->reason, "port/5-n-2"));
    assert_true(w->model->ocs[5].suspect[TPUNET_NORTH][2]);
    assert_true(w->model->ocs[5].suspect[TPUNET_SOUTH][2]);
}

static void lost_answer_is_asked_again_on_attach(void **state)
{
    struct world *w = *state;

    w->mute[3] = true; /* it does the work and the answer is lost */
    struct slice *slice = cw_ask(w, "4x4x4");
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    w->mute[3] = false;
    unsigned before = w->applies;
    cw_attach(w, 3);
    assert_int_equal(w->applies, before + 1);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void unreachable_switch_stops_new_slices_only(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_ask(w, "4x4x4");
    struct event lost = {.kind = EV_OCS_LOST, .ocs = {.ocs = 12}};

    (void)snprintf(lost.ocs.why, sizeof lost.ocs.why, "gone");
    cw_step(w, &lost);
    assert_int_equal(w->model->ocs[12].state, OCS_STATE_UNREACHABLE);
    assert_int_equal(slice->state, SLICE_ACTIVE); /* D7 */
    assert_null(cw_ask(w, "4x4x4"));
    assert_string_equal(w->code, "switch-unreachable");
    assert_non_null(strstr(w->text, "ocs/12 UNREACHABLE since"));
    cw_attach(w, 12);
    assert_non_null(cw_ask(w, "4x4x4"));
}

static void superseded(struct world *w, uint16_t ocs, uint64_t epoch)
{
    struct event ev = {.kind = EV_OCS_SUPERSEDED,
                       .ocs = {.ocs = ocs, .identity = {.epoch = epoch, .instance = 5}}};
    cw_step(w, &ev);
}

static void epoch_taken_anew_asks_for_verdicts_again(void **state)
{
    struct world *w = *state;
    struct slice *active = cw_ask(w, "4x4x4");
    unsigned checks = w->checks;

    w->is_slow = true;
    struct slice *pending = cw_ask(w, "4x4x4");
    uint64_t old_epoch = w->model->epoch, old_generation = pending->generation;
    unsigned asked = w->bring_ups;
    w->model->ocs[4].epoch = 0; /* never held by this process */
    superseded(w, 4, 41);
    assert_int_equal(w->bring_ups, asked + 1);
    assert_int_equal(w->checks, checks + 1);
    struct event late = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};
    *late.verdict = (struct verdict){
        .slice = pending->id, .epoch = old_epoch, .generation = old_generation, .ok = true};
    cw_step(w, &late);
    assert_int_equal(pending->state, SLICE_ACTIVATING);
    cw_verdict(w, pending->id, pending->generation, true, false);
    assert_int_equal(pending->state, SLICE_ACTIVE);
    assert_int_equal(active->state, SLICE_ACTIVE);
}

static void power_loss_is_put_right_in_one_operation(void **state)
{
    struct world *w = *state;
    struct slice *one = cw_ask(w, "4x4x8"), *two = cw_ask(w, "4x4x4");
    unsigned applies = w->applies, checks = w->checks;

    memset(w->map[9], 0xff, sizeof w->map[9]);
    cw_attach(w, 9);
    assert_int_equal(w->applies, applies + 1);
    assert_int_equal(cw_lit(w), 3 * 48);
    assert_int_equal(one->state, SLICE_ACTIVE);
    assert_int_equal(w->checks, checks + 2); /* both are looked at again */
    assert_true(one->verified && two->verified);
}

static void nothing_missing_nothing_moves(void **state)
{
    struct world *w = *state;

    assert_non_null(cw_ask(w, "4x4x8"));
    unsigned applies = w->applies;
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        cw_attach(w, o);
    }
    assert_int_equal(w->applies, applies);
}

static void foreign_circuit_is_left_until_its_port_is_needed(void **state)
{
    struct world *w = *state;

    w->map[9][0] = 3; /* nobody intended this */
    cw_attach(w, 9);
    assert_int_equal(w->model->ocs[9].foreign, 1);
    assert_int_equal(w->map[9][0], 3);
    static const uint16_t elsewhere[] = {1}, here[] = {0};
    assert_non_null(cw_ask_on(w, "4x4x4", elsewhere, 1));
    assert_int_equal(w->map[9][0], 3);
    struct slice *slice = cw_ask_on(w, "4x4x4", here, 1);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(w->map[9][0], 0);
    cw_delete(w, slice->id, 0);
    assert_int_equal(w->map[9][0], TPUNET_NONE);
}

static void newer_manager_stops_us(void **state)
{
    struct world *w = *state;

    superseded(w, 4, w->model->epoch + 1);
    assert_int_equal(w->stops, 1);
}

static void old_database_takes_an_epoch_above_all(void **state)
{
    struct world *w = *state;

    w->model->ocs[4].epoch = 0; /* never held by this process */
    superseded(w, 4, 41);
    assert_int_equal(w->stops, 0);
    assert_int_equal(w->model->epoch, 42);
    assert_non_null(cw_ask(w, "4x4x4"));
    assert_int_equal(w->made.epoch, 42);
}

static void fail_op_blaming(struct world *w, uint16_t ocs, struct id op, uint16_t port)
{
    struct event ev = {.kind = EV_OCS_APPLIED, .applied = {.ocs = ocs, .n_results = 1}};

    ev.applied.identity = (struct ocs_identity){.epoch = w->model->epoch,
                                                .instance = w->model->instance,
                                                .north_ports = PORTS,
                                                .south_ports = PORTS,
                                                .light = true,
                                                .boot_id = "boot-0"};
    ev.applied.results = xcalloc(1, sizeof *ev.applied.results);
    ev.applied.results->op = op;
    ev.applied.results->mirror_fault = true;
    ev.applied.results->port = port;
    (void)snprintf(ev.applied.results->text, sizeof ev.applied.results->text, "mirror stuck");
    cw_step(w, &ev);
}

/* The decoder lets ports pass that the pod lacks, or of others. */
static void only_ports_of_the_operation_are_blamed(void **state)
{
    static const uint16_t one[] = {1}, other[] = {2};
    static const uint16_t ports[] = {PORTS + 3, 1};
    struct world *w = *state;
    struct slice *bystander = cw_ask_on(w, "4x4x4", one, 1);

    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        w->mute[9] = true;
        w->map[9][2] = TPUNET_NONE;
        struct slice *slice = cw_ask_on(w, "4x4x4", other, 1);
        struct id id = slice->id;
        w->map[9][2] = TPUNET_NONE;
        struct id op = slice->op;
        fail_op_blaming(w, 9, op, ports[i]);
        fail_op_blaming(w, 9, op, ports[i]);
        for (size_t k = 0; k < w->model->n_faults; k++) {
            assert_true(model_knows(w->model, &w->model->faults[k].part));
        }
        assert_int_equal(bystander->state, SLICE_ACTIVE);
        w->mute[9] = false;
        cw_delete(w, id, 0);
        cw_attach(w, 9);
        cw_settle(w);
    }
    assert_int_equal(w->model->n_faults, 0);
}

/* Its own circuit is dim, and the agent says that another slice's mirror is stuck. */
static void no_cause_is_found_in_others_ports(void **state)
{
    static const uint16_t one[] = {1}, other[] = {2};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x4", other, 1);
    w->mute[7] = w->dark[7][1] = true;
    struct slice *slice = cw_ask_on(w, "4x4x4", one, 1);
    w->model->ocs[7].north[1].seen = 1;
    w->model->ocs[7].north[1].loss_db = 60;
    for (int i = 0; i < 2; i++) {
        fail_op_blaming(w, 7, slice->op, 2);
    }
    w->mute[7] = false;
    cw_settle(w);
    assert_true(w->model->ocs[7].suspect[TPUNET_NORTH][1]);
    assert_false(w->model->ocs[7].suspect[TPUNET_NORTH][2]);
    for (size_t i = 0; i < incidents_count(w->model->incidents); i++) {
        assert_string_not_equal(incidents_at(w->model->incidents, i)->part, "port/7-n-2");
    }
}

/* No epoch is above it, and a database with a larger one is refused at the next start. */
static void an_epoch_beyond_all_is_nobodys(void **state)
{
    static const uint64_t epochs[] = {UINT64_MAX, UINT64_MAX - 1, (uint64_t)INT64_MAX};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(epochs); i++) {
        w->model->ocs[4].epoch = 0; /* never held by this process */
        superseded(w, 4, epochs[i]);
        assert_true(w->model->epoch > 0 && w->model->epoch <= INT64_MAX);
    }
    cw_attach(w, 4);
    assert_non_null(cw_ask(w, "4x4x4"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, cw_setup_unmended, cw_teardown)
    const struct CMUnitTest tests[] = {
        TEST(stuck_mirror_fails_pinned_cubes_by_name),
        TEST(stuck_mirror_sends_the_slice_to_another_cube),
        TEST(words_are_checked),
        TEST(failed_cubes_and_hosts_are_not_allocated),
        TEST(a_dead_switch_freezes_nothing),
        TEST(a_switch_that_fails_under_an_operation_is_not_waited_for),
        TEST(delete_over_a_stuck_mirror_leaves_liens),
        TEST(a_slice_that_serves_goes_around_or_fails),
        TEST(full_routes_come_back_with_the_word),
        TEST(a_loss_that_cannot_be_put_right_is_asked_for_three_times),
        TEST(power_lost_between_doing_and_answering),
        TEST(release_leaves_nothing_on_our_ports),
        TEST(a_circuit_that_stood_already_is_judged),
        TEST(a_done_word_without_light_is_not_done),
        TEST(lost_answer_is_asked_again_on_attach),
        TEST(unreachable_switch_stops_new_slices_only),
        TEST(epoch_taken_anew_asks_for_verdicts_again),
        TEST(power_loss_is_put_right_in_one_operation),
        TEST(nothing_missing_nothing_moves),
        TEST(foreign_circuit_is_left_until_its_port_is_needed),
        TEST(newer_manager_stops_us),
        TEST(old_database_takes_an_epoch_above_all),
        TEST(only_ports_of_the_operation_are_blamed),
        TEST(no_cause_is_found_in_others_ports),
        TEST(an_epoch_beyond_all_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
