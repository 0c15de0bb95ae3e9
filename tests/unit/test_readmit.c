/* How a mended part comes back: a row a rule of repair_readmit.c, in the world of
 * remediation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "core/remedy.h"
#include "core_world.h"
#include "mem.h"

enum { BURN_IN_MS = 2000, PROBATION_MS = 3000, OCS_CUT = 17 };

static int setup(void **state)
{
    int status = cw_setup(state);
    struct world *w = *state;

    w->pod.repair = (struct repair_policy){BURN_IN_MS, PROBATION_MS};
    return status;
}

/* --------------------------------------------------------------- helpers -- */

static struct ticket *ticket_of(const struct world *w, const char *part)
{
    struct ticket *ticket = cw_ticket(w, part);

    if (ticket == NULL) {
        fail_msg("no ticket of %s", part);
    }
    return ticket;
}

static int advance(struct world *w, const struct ticket *ticket, enum ticket_state to)
{
    struct event ev = {.kind = EV_ADVANCE_REPAIR, .cookie = 9, .who = "technician"};

    ev.repair = xcalloc(1, sizeof *ev.repair);
    *ev.repair = (struct repair_step){.ticket = ticket->id, .to = to, .note = "new tray"};
    cw_step(w, &ev);
    return w->status;
}

/* A technician's work, from READY_FOR_REPAIR on. */
static void mend(struct world *w, const struct ticket *ticket)
{
    cw_pass(w, 1200);
    assert_int_equal(ticket->state, TICKET_READY_FOR_REPAIR);
    assert_int_equal(advance(w, ticket, TICKET_IN_REPAIR), 0);
    cw_pass(w, 500);
    assert_int_equal(advance(w, ticket, TICKET_VERIFYING), 0);
}

/* A slice whose host 1-3 has died; its cube was swapped. */
static struct ticket *after_a_dead_host(struct world *w)
{
    struct slice *slice = cw_create(w, true);

    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 100);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_int_equal(model_cube_health(w->model, 1), HEALTH_SUSPECT);
    return ticket_of(w, "host/1-3");
}

/* ----------------------------------------------------------------- tests -- */

/* Rules 1, 3 and 4. */
static void a_cube_comes_back_by_itself(void **state)
{
    struct world *w = *state;
    struct ticket *ticket = after_a_dead_host(w);
    char why[160];

    mend(w, ticket);
    assert_false(model_cube_free(w->model, 1, why, sizeof why));
    assert_int_equal(model_cube_health(w->model, 1), HEALTH_QUARANTINED);
    assert_int_equal(remediation_cubes_out(w->model), 1);
    cw_pass(w, BURN_IN_MS + 1200); /* nobody uses the links that were down */
    assert_int_equal(ticket->state, TICKET_PROBATION);
    assert_non_null(cw_fault(w, "cube/1"));
    assert_int_equal(remediation_cubes_out(w->model), 0);        /* a person's doing now */
    assert_false(model_cube_free(w->model, 1, why, sizeof why)); /* A6 */
    cw_pass(w, PROBATION_MS + 1200);
    assert_int_equal(ticket->state, TICKET_CLOSED);
    assert_null(cw_fault(w, "cube/1"));
    assert_true(model_cube_free(w->model, 1, NULL, 0));
    assert_int_equal(remediation_cubes_out(w->model), 0);
    assert_non_null(strstr(w->journal, "part.cleared"));
}

/* Rule 6. */
static void an_operators_word_stays(void **state)
{
    struct world *w = *state;
    struct ticket *ticket = after_a_dead_host(w);

    cw_speak(w, EV_FAIL_PART, "cube/1");
    mend(w, ticket);
    cw_pass(w, BURN_IN_MS + PROBATION_MS + 2500);
    assert_int_equal(ticket->state, TICKET_CLOSED);
    assert_string_equal(cw_fault(w, "cube/1")->who, "operator");
    assert_false(model_cube_free(w->model, 1, NULL, 0));
    cw_speak(w, EV_CLEAR_PART, "cube/1");
    assert_true(model_cube_free(w->model, 1, NULL, 0));
}

/* Rule 4, of a part on which no other word is. */
static void what_is_in_hand_is_given_to_nobody(void **state)
{
    struct world *w = *state;
    struct ticket *ticket = after_a_dead_host(w);
    char why[160];

    cw_speak(w, EV_CLEAR_PART, "cube/1"); /* only the ticket is left */
    cw_pass(w, 1200);
    assert_true(model_cube_free(w->model, 1, NULL, 0));
    mend(w, ticket);
    assert_null(cw_fault(w, "cube/1"));
    assert_false(model_cube_free(w->model, 1, why, sizeof why));
    assert_non_null(strstr(why, "QUARANTINED by repair/"));
    cw_pass(w, BURN_IN_MS + 1200);
    assert_false(model_cube_free(w->model, 1, why, sizeof why));
    assert_non_null(strstr(why, "PROBATION by repair/"));
    assert_int_equal(advance(w, ticket, TICKET_CLOSED), 0); /* a person may */
    assert_true(model_cube_free(w->model, 1, NULL, 0));
}

/* The technician reads READY_FOR_REPAIR; a slice comes; he begins. */
static void nobody_begins_on_what_is_in_use_again(void **state)
{
    struct world *w = *state;
    struct ticket *ticket = after_a_dead_host(w);

    cw_speak(w, EV_CLEAR_PART, "cube/1");
    cw_pass(w, 1200);
    assert_int_equal(ticket->state, TICKET_READY_FOR_REPAIR);
    const struct slice *slice = cw_ask(w, "4x4x4");
    assert_non_null(slice);
    assert_int_equal(slice->intent->cubes[0], 1);
    unsigned audits = w->audits;
    assert_int_equal(advance(w, ticket, TICKET_IN_REPAIR), E_CONFLICT);
    assert_non_null(strstr(w->text, "host/1-3 is in use again: slice/"));
    assert_int_equal(w->audits, audits);
}

/* Rule 2: its controller answers all the while, so no loss of power says that it
 * is well. */
static void a_switch_comes_back_on_probation(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    cw_cut_switch(w, slice, OCS_CUT);
    cw_pass(w, 200);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(w->model->ocs[OCS_CUT].state, OCS_STATE_FAILED);
    struct ticket *ticket = ticket_of(w, "ocs/17");
    mend(w, ticket);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    cw_pass(w, BURN_IN_MS + 1200);
    assert_int_equal(ticket->state, TICKET_PROBATION);
    assert_null(cw_fault(w, "ocs/17"));
    assert_int_equal(w->model->ocs[OCS_CUT].state, OCS_STATE_REACHABLE);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->dead_links, 0);

    /* It breaks again: the same ticket, once more from the start. */
    cw_cut_switch(w, slice, OCS_CUT);
    cw_pass(w, 200);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_ptr_equal(ticket_of(w, "ocs/17"), ticket);
    assert_int_equal(ticket->relapses, 1);
    assert_int_equal(w->model->ocs[OCS_CUT].state, OCS_STATE_FAILED);
}

/* What goes around a switch that is given up has no light there, be it mended or
 * not: its watchers' word is no reason to blame a cube or the switch anew. */
static void dark_links_of_what_goes_around_blame_nobody(void **state)
{
    struct world *w = *state;
    struct slice *old = cw_create(w, true);

    cw_cut_switch(w, old, OCS_CUT);
    cw_pass(w, 200);
    struct ticket *ticket = ticket_of(w, "ocs/17");
    struct slice *late = cw_create_degraded(w);
    cw_cut_switch(w, late, OCS_CUT); /* never lit */
    mend(w, ticket);
    cw_cut_switch(w, late, OCS_CUT); /* told anew: podmgr has just forgotten it */
    cw_pass(w, BURN_IN_MS + 1200);
    assert_int_equal(ticket->state, TICKET_PROBATION);
    assert_int_equal(incidents_count(w->model->incidents), 1);
    assert_int_equal(w->model->n_faults, 0);
    assert_int_equal(late->state, SLICE_ACTIVE);
    assert_int_equal(old->state, SLICE_ACTIVE);
}

/* What another podmgr loads: the maps are read anew. */
static void restart(struct world *w)
{
    struct event start = {.kind = EV_START};

    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        w->model->ocs[o].boot_id[0] = '\0';
        for (uint16_t p = 0; p < MODEL_PORTS_MAX; p++) {
            w->model->ocs[o].north[p].seen = TPUNET_NONE;
        }
        if (w->model->ocs[o].state != OCS_STATE_FAILED) {
            w->model->ocs[o].state = OCS_STATE_UNKNOWN;
        }
    }
    cw_step(w, &start);
    cw_pass(w, 200);
}

/* A new podmgr: what was never made there was not lost. */
static void what_was_never_made_proves_no_loss_of_power(void **state)
{
    struct world *w = *state;
    struct slice *old = cw_create(w, true);
    struct event ev = {.kind = EV_DELETE_SLICE, .cookie = 2};

    cw_cut_switch(w, old, OCS_CUT);
    cw_pass(w, 200);
    assert_int_equal(w->model->ocs[OCS_CUT].state, OCS_STATE_FAILED);
    struct slice *late = cw_create_degraded(w); /* around the switch that has no light */
    ev.del.id = old->id;
    cw_step(w, &ev);
    cw_pass(w, 200);
    assert_int_equal(w->model->ocs[OCS_CUT].state, OCS_STATE_FAILED);
    restart(w);
    assert_non_null(cw_fault(w, "ocs/17")); /* its controller answered all the while */
    assert_int_equal(w->model->ocs[OCS_CUT].state, OCS_STATE_FAILED);
    assert_int_equal(late->state, SLICE_ACTIVE_DEGRADED);
}

/* Silence is a symptom while it is verified. */
static void a_switch_that_is_silent_does_not_burn_in(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    cw_cut_switch(w, slice, OCS_CUT);
    cw_pass(w, 200);
    struct ticket *ticket = ticket_of(w, "ocs/17");
    mend(w, ticket);
    cw_silence(w, OCS_CUT);
    cw_pass(w, 2 * BURN_IN_MS + 2000);
    assert_int_equal(ticket->state, TICKET_VERIFYING);
    assert_non_null(cw_fault(w, "ocs/17"));
    w->dead[OCS_CUT] = false;
    cw_attach(w, OCS_CUT);
    cw_pass(w, BURN_IN_MS + 1500);
    assert_int_equal(ticket->state, TICKET_PROBATION);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

/* Rule 2, and the cube behind the port as rule 3 says. */
static void a_port_comes_back_on_probation(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct part_fault port = {.part = {.kind = PART_PORT, .ocs = 9, .port = 0},
                              .health = HEALTH_SUSPECT,
                              .who = "podmgr"};
    struct ticket *draft = xcalloc(1, sizeof *draft);
    const struct repair_params params = repair_params_of(&w->pod);
    struct id id = slice->id;

    model_add_fault(w->model, &port);
    *draft = (struct ticket){
        .id = model_new_id(w->model), .kind = RISK_PORT, .part = "port/9-n-0", .version = 1};
    tickets_add(w->model->tickets, draft);
    assert_int_equal(params.burn_in_ms, BURN_IN_MS);
    cw_delete(w, id, 0);
    assert_int_equal(advance(w, draft, TICKET_DRAINING), 0);
    mend(w, draft);
    cw_pass(w, BURN_IN_MS + 1200);
    assert_int_equal(draft->state, TICKET_PROBATION);
    assert_null(cw_fault(w, "port/9-n-0"));
    assert_false(model_cube_free(w->model, 0, NULL, 0)); /* A6 */
    cw_pass(w, PROBATION_MS + 1200);
    assert_int_equal(draft->state, TICKET_CLOSED);
    assert_true(model_cube_free(w->model, 0, NULL, 0));
}

/* Rule 5. */
static void another_ticket_holds_the_word(void **state)
{
    struct world *w = *state;
    struct ticket *ticket = after_a_dead_host(w);
    struct ticket *other = xcalloc(1, sizeof *other);

    *other = (struct ticket){
        .id = model_new_id(w->model), .kind = RISK_CHIP, .part = "chip/1-0-0-0", .version = 1};
    tickets_add(w->model->tickets, other);
    mend(w, ticket);
    cw_pass(w, BURN_IN_MS + PROBATION_MS + 2500);
    assert_int_equal(ticket->state, TICKET_CLOSED);
    assert_non_null(cw_fault(w, "cube/1"));
    assert_int_equal(advance(w, other, TICKET_CLOSED), 0);
    assert_null(cw_fault(w, "cube/1"));
}

/* Rule 6: a drain outlives the ticket, and a ticket waits for no less than the
 * drain does. */
static void a_drain_is_another_word(void **state)
{
    struct world *w = *state;
    struct ticket *ticket = after_a_dead_host(w);
    struct event ev = {.kind = EV_CREATE_DRAIN, .cookie = 7, .who = "operator"};

    ev.drain = xcalloc(1, sizeof *ev.drain);
    (void)snprintf(ev.drain->reason, sizeof ev.drain->reason, "rack moves");
    assert_int_equal(part_parse(&ev.drain->part, "cube/1", NULL), 0);
    cw_step(w, &ev);
    const struct drain *d = model_drain(w->model, w->made);
    assert_int_equal(d->state, ADMIN_DRAINED);
    mend(w, ticket);
    cw_pass(w, BURN_IN_MS + PROBATION_MS + 2500);
    assert_int_equal(ticket->state, TICKET_CLOSED);
    assert_null(cw_fault(w, "cube/1"));
    assert_int_equal(w->model->n_drains, 1);
    assert_string_equal(d->order.reason, "rack moves");
    assert_false(model_cube_free(w->model, 1, NULL, 0));
}

/* Who says that nothing was broken is not told the same a second later. */
static void what_is_dismissed_is_not_blamed_for_the_same_flaps(void **state)
{
    struct world *w = *state;
    struct symptoms *s = w->model->remediation->symptoms;
    const char *part = "link/0-1-1-1+x";
    uint32_t chip = tpunet_chip_number((struct tpunet_chip){.cube = 0, .at = {1, 1, 1}});

    (void)cw_create(w, true);
    for (int i = 0; i < 10; i++) {
        symptoms_link(s, chip, TPUNET_XP, i % 2 != 0, w->now.wall);
    }
    cw_pass(w, 2500);
    struct id id = ticket_of(w, part)->id;
    assert_int_equal(advance(w, ticket_of(w, part), TICKET_CLOSED), 0);
    cw_pass(w, 15000);
    assert_null(cw_ticket(w, part));
    assert_int_equal(tickets_find(w->model->tickets, id)->state, TICKET_CLOSED);
}

/* A slice went while a link was down, and with it whoever would say that it is up. */
static void what_nobody_watches_holds_no_burn_in_up(void **state)
{
    struct world *w = *state;
    struct ticket *ticket = after_a_dead_host(w);
    uint32_t chip = tpunet_chip_number(tpunet_host_chip(1, 3, 0));

    mend(w, ticket);
    symptoms_link(w->model->remediation->symptoms, chip, TPUNET_XP, false, w->now.wall);
    cw_pass(w, BURN_IN_MS + 2500);
    assert_int_equal(ticket->state, TICKET_PROBATION);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, cw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cube_comes_back_by_itself),
        TEST(an_operators_word_stays),
        TEST(what_is_in_hand_is_given_to_nobody),
        TEST(nobody_begins_on_what_is_in_use_again),
        TEST(what_was_never_made_proves_no_loss_of_power),
        TEST(a_switch_comes_back_on_probation),
        TEST(dark_links_of_what_goes_around_blame_nobody),
        TEST(a_switch_that_is_silent_does_not_burn_in),
        TEST(a_port_comes_back_on_probation),
        TEST(another_ticket_holds_the_word),
        TEST(a_drain_is_another_word),
        TEST(what_is_dismissed_is_not_blamed_for_the_same_flaps),
        TEST(what_nobody_watches_holds_no_burn_in_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
