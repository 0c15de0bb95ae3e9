/* Remediation at work: symptoms come in as events, and a small faithful world
 * does what the core asks of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/remedy.h"
#include "core_world.h"
#include "mem.h"

enum { OCS_LOST = 17 };

/* --------------------------------------------------------------- helpers -- */

static const struct incident *incident_about(const struct world *w, const char *part)
{
    for (size_t i = 0; i < incidents_count(w->model->incidents); i++) {
        const struct incident *incident = incidents_at(w->model->incidents, i);
        if (strcmp(incident->part, part) == 0) {
            return incident;
        }
    }
    fail_msg("no incident about %s", part);
    return NULL;
}

static bool did(const struct incident *incident, const char *what)
{
    for (size_t i = 0; i < incident->n_actions; i++) {
        if (strncmp(incident->actions[i].text, what, strlen(what)) == 0) {
            return true;
        }
    }
    return false;
}

/* ----------------------------------------------------------------- tests -- */

static void a_dead_host_costs_one_cube(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 75);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 0);
    assert_int_equal(slice->intent->cubes[1], 2); /* at the same logical position */
    const struct op *op = model_op(w->model, w->last_op);
    for (size_t i = 0; i < op->n_breaks; i++) { /* x and y join a cube with itself here */
        assert_true(op->breaks[i].ocs >= 32 || op->breaks[i].north == 1);
    }
    assert_int_equal(cw_fault(w, "cube/1")->health, HEALTH_SUSPECT);
    assert_string_equal(cw_fault(w, "cube/1")->who, "podmgr");
    assert_int_equal(remediation_cubes_out(w->model), 1);
    assert_int_equal(remediation_swaps(w->model, w->now.mono), 1);
    cw_pass(w, 2000);
    const struct incident *incident = incident_about(w, "host/1-3");
    assert_true(did(incident, "SWAP") && did(incident, "QUARANTINE") && did(incident, "TICKET"));
    assert_int_equal(incident->n_slices, 1);
    assert_true(incident->recovered.ms != 0);
    const struct ticket *ticket = cw_ticket(w, "host/1-3");
    assert_int_equal(ticket->state, TICKET_READY_FOR_REPAIR);
    assert_int_equal(w->model->n_faults, 1); /* one swap was enough */
}

static const char *last_text(const struct world *w, const char *key)
{
    const char *text = json_string_value(json_object_get(w->last, key));
    return text != NULL ? text : "";
}

/* What a scheduler hears, in the order in which it does. */
static void the_scheduler_hears_what_to_do(void **state)
{
    struct world *w = *state;
    struct slice *swapped = cw_create(w, true);
    char cause[64], id[48];
    json_int_t cube = -1, with = -1;

    assert_string_equal(w->advice, "created=wait active=start ");
    w->advice[0] = '\0';
    cw_kill_host(w, swapped, 1, 3);
    cw_pass(w, 75);
    assert_string_equal(w->advice, "reconfiguring=restart-from-checkpoint "
                                   "active=restart-from-checkpoint ");
    (void)snprintf(cause, sizeof cause, "incident/%s",
                   id_format(incident_about(w, "host/1-3")->id, id));
    assert_string_equal(last_text(w, "cause"), cause);
    assert_int_equal(
        json_unpack(w->last, "{s:[{s:I,s:I}!]}", "swapped", "cube", &cube, "with", &with), 0);
    assert_int_equal(cube, 1);
    assert_int_equal(with, 2);

    w->advice[0] = '\0';
    cw_lose_power(w, OCS_LOST);
    cw_cut_switch(w, swapped, OCS_LOST);
    cw_pass(w, 100);
    assert_string_equal(w->advice, "reconfiguring=wait degraded=continue ");
    (void)snprintf(cause, sizeof cause, "incident/%s",
                   id_format(incident_about(w, "ocs/17")->id, id));
    assert_string_equal(last_text(w, "cause"), cause);
    assert_true(json_is_true(json_object_get(w->last, "degraded")));
    assert_null(json_object_get(w->last, "swapped")); /* told already */
}

/* The incident is there at the next tick; what is done about it waits until the
 * rest has been heard, and by then it is about the right part. */
static void it_is_known_before_it_is_mended(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    cw_cut(w, slice, 64 + 1, 0);
    cw_pass(w, TICK_MS);
    assert_int_equal(incidents_count(w->model->incidents), 1);
    const struct incident *incident = incidents_at(w->model->incidents, 0);
    assert_string_equal(incident->part, "link/1-1-0-0+x");
    assert_int_equal(incident->n_actions, 0);
    assert_int_equal(slice->intent->cubes[1], 1);
    cw_kill_host(w, slice, 1, 0); /* whose chip that was */
    cw_pass(w, TICK_MS);
    assert_int_equal(slice->intent->cubes[1], 1);
    cw_pass(w, 75);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_int_equal(incidents_count(w->model->incidents), 1);
    assert_string_equal(incident->part, "host/1-0");
    assert_true(did(incident, "SWAP"));
}

static void a_cleared_cube_stays_cleared(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 1000);
    assert_false(model_cube_free(w->model, 1, NULL, 0));
    cw_speak(w, EV_CLEAR_PART, "cube/1");
    cw_pass(w, 15000);
    assert_true(model_cube_free(w->model, 1, NULL, 0));
    assert_false(incident_is_open(incident_about(w, "host/1-3")));
}

static void without_a_spare_the_slice_fails_by_name(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true), *other = cw_create(w, true);

    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 100);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_non_null(strstr(slice->reason, "host/1-3 is broken and no healthy cube is free"));
    assert_non_null(strstr(w->advice, "failed=stop "));
    assert_non_null(strstr(last_text(w, "cause"), "incident/"));
    assert_int_equal(other->state, SLICE_ACTIVE);
}

static void a_lost_switch_is_gone_around_until_it_is_back(void **state)
{
    struct world *w = *state;
    struct slice *accepts = cw_create(w, true), *refuses = cw_create(w, false);

    cw_lose_power(w, OCS_LOST);
    cw_cut_switch(w, accepts, OCS_LOST);
    cw_cut_switch(w, refuses, OCS_LOST);
    cw_pass(w, 100);
    assert_int_equal(accepts->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(accepts->dead_links, 2);
    assert_int_equal(refuses->state, SLICE_FAILED);
    assert_non_null(strstr(refuses->reason, "ocs/17"));
    assert_int_equal(w->model->ocs[OCS_LOST].state, OCS_STATE_FAILED);
    cw_pass(w, 2000);
    assert_true(did(incident_about(w, "ocs/17"), "REROUTE"));

    w->dead[OCS_LOST] = false;
    w->boots[OCS_LOST]++;
    cw_attach(w, OCS_LOST);
    assert_int_equal(w->model->ocs[OCS_LOST].state, OCS_STATE_REACHABLE);
    assert_null(cw_fault(w, "ocs/17"));
    assert_int_equal(accepts->state, SLICE_ACTIVE);
    assert_int_equal(accepts->dead_links, 0);
}

/* A new podmgr knows no map of a switch that is silent, but that it was lit: what is
 * told of its links counts. */
static void links_over_a_map_that_nobody_knows_count(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct ocs *ocs = &w->model->ocs[OCS_LOST];

    cw_silence(w, OCS_LOST);
    ocs->boot_id[0] = '\0';
    for (unsigned p = 0; p < PORTS; p++) {
        ocs->north[p].seen = TPUNET_NONE;
    }
    cw_pass(w, 100);
    cw_cut_switch(w, slice, OCS_LOST);
    cw_pass(w, 2000);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 2);
}

/* A switch that is blamed may be broken in part. */
static void who_works_over_a_blamed_switch_is_left_alone(void **state)
{
    struct world *w = *state;
    struct slice *hurt = cw_create(w, true), *works = cw_create(w, false);
    struct event lost = {.kind = EV_OCS_LOST, .ocs = {.ocs = OCS_LOST, .why = "no answer"}};

    w->dead[OCS_LOST] = true;
    cw_step(w, &lost);
    cw_cut_switch(w, hurt, OCS_LOST);
    cw_pass(w, 2000);
    assert_int_equal(w->model->ocs[OCS_LOST].state, OCS_STATE_FAILED);
    assert_int_equal(hurt->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(hurt->dead_links, 2);
    assert_int_equal(works->state, SLICE_ACTIVE);
    cw_cut_switch(w, works, OCS_LOST);
    cw_pass(w, 2000);
    assert_int_equal(works->state, SLICE_FAILED);
}

/* A person is about to pull the plug of what podmgr has blamed already. */
static void a_persons_word_counts_for_all_over_the_switch(void **state)
{
    struct world *w = *state;
    struct slice *hurt = cw_create(w, true), *works = cw_create(w, true);
    struct event word = {.kind = EV_FAIL_PART, .cookie = 3, .who = "operator"};

    cw_cut_switch(w, hurt, OCS_LOST);
    cw_pass(w, 2000);
    assert_int_equal(hurt->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(works->state, SLICE_ACTIVE);
    uint64_t version = hurt->version;
    word.word.part = (struct part){.kind = PART_OCS, .ocs = OCS_LOST};
    cw_step(w, &word);
    cw_pass(w, 200);
    assert_int_equal(works->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(hurt->version, version); /* it goes around the switch already */
}

/* Going around one part is not going around all: what fails later hurts, too. */
static void a_second_switch_is_gone_around_as_well(void **state)
{
    struct world *w = *state;
    struct slice *first = cw_create(w, true), *second = cw_create(w, true);

    cw_cut_switch(w, first, OCS_LOST + 1);
    cw_cut_switch(w, second, OCS_LOST + 1);
    cw_pass(w, 2000);
    assert_int_equal(first->dead_links, 2);
    cw_cut_switch(w, first, OCS_LOST);
    cw_pass(w, 2000);
    assert_int_equal(first->dead_links, 4);
    assert_int_equal(second->state, SLICE_ACTIVE_DEGRADED);
    cw_cut_switch(w, second, OCS_LOST);
    cw_pass(w, 2000);
    assert_int_equal(second->dead_links, 4);
}

/* After a restart no boot id is known: an empty map says it as well. */
static void it_is_back_for_a_new_podmgr_too(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    cw_lose_power(w, OCS_LOST);
    cw_cut_switch(w, slice, OCS_LOST);
    cw_pass(w, 100);
    assert_int_equal(w->model->ocs[OCS_LOST].state, OCS_STATE_FAILED);
    w->model->ocs[OCS_LOST].boot_id[0] = '\0';
    w->dead[OCS_LOST] = false;
    cw_attach(w, OCS_LOST);
    assert_int_equal(w->model->ocs[OCS_LOST].state, OCS_STATE_REACHABLE);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void an_operators_word_stands_when_the_switch_is_back(void **state)
{
    struct world *w = *state;

    (void)cw_create(w, true);
    cw_speak(w, EV_FAIL_PART, "ocs/17");
    w->boots[OCS_LOST]++;
    cw_attach(w, OCS_LOST);
    assert_int_equal(w->model->ocs[OCS_LOST].state, OCS_STATE_FAILED);
}

static void a_dark_fibre_is_gone_around_or_its_cube_swapped(void **state)
{
    struct world *w = *state;

    for (int accepts = 0; accepts < 2; accepts++) {
        struct slice *slice = cw_create(w, accepts != 0);
        uint16_t cube = slice->intent->cubes[1];
        unsigned port;
        struct tpunet_fibre fibre = {.cube = cube, .axis = 0, .a = 1, .b = 2};
        uint32_t chip = tpunet_chip_number(tpunet_fibre_chip(fibre, &port));
        cw_cut(w, slice, chip, port);
        cw_pass(w, 100);
        assert_int_equal(slice->state, accepts != 0 ? SLICE_ACTIVE_DEGRADED : SLICE_ACTIVE);
        assert_int_equal(slice->dead_links, accepts);
        assert_true((slice->intent->cubes[1] == cube) == (accepts != 0));
        cw_delete(w, slice->id, 0);
        cw_pass(w, 2000);
    }
}

/* Which of the two that look at each other is broken nobody can know. */
static void a_cut_bundle_costs_a_cube(void **state)
{
    struct world *w = *state;
    const struct slice *slice = cw_create(w, true);

    for (unsigned i = 0; i < TPUNET_FACE_LINKS; i++) {
        unsigned port;
        struct tpunet_fibre fibre = {
            .cube = 1, .axis = 2, .a = (uint8_t)(i % 4), .b = (uint8_t)(i / 4)};
        uint32_t chip = tpunet_chip_number(tpunet_fibre_chip(fibre, &port));
        cw_cut(w, slice, chip, port);
    }
    cw_pass(w, 200);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(w->model->n_faults, 1);
    assert_int_equal(remediation_swaps(w->model, w->now.mono), 1);
}

static void silence_evicts_nobody(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    w->agent_lives = false;
    cw_pass(w, 10000);
    assert_int_equal(w->model->n_agents, 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[1], 1);
    assert_int_equal(w->model->n_faults, 0);
    assert_int_equal(remediation_swaps(w->model, w->now.mono), 0);
}

static void beyond_the_budget_the_breaker_trips(void **state)
{
    struct world *w = *state;
    struct event reset = {.kind = EV_RESET_BREAKER, .cookie = 4, .who = "operator"};

    w->pod.remedy.swaps_per_hour_max = 0;
    struct slice *slice = cw_create(w, true);
    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 100);
    assert_true(w->model->remediation->breaker_open);
    assert_non_null(strstr(w->journal, "remediation.breaker-open "));
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_int_equal(slice->intent->cubes[1], 1);
    cw_step(w, &reset);
    assert_false(w->model->remediation->breaker_open);
    assert_int_equal(w->out.n_audits, 1);
}

static void behind_an_open_breaker_light_degrades(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    unsigned port;
    struct tpunet_fibre fibre = {.cube = 1, .axis = 0, .a = 1, .b = 2};
    uint32_t chip = tpunet_chip_number(tpunet_fibre_chip(fibre, &port));

    w->model->remediation->breaker_open = true;
    cw_cut(w, slice, chip, port);
    cw_pass(w, 100);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 0);
    assert_int_equal(w->model->n_faults, 0);
    w->model->remediation->breaker_open = false;
    cw_pass(w, 1100);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 1);
}

static void a_dry_run_tells_and_does_nothing(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    w->pod.remedy.mode = REMEDY_DRY_RUN;
    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 3000);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[1], 1);
    assert_int_equal(w->model->n_faults, 0);
    const struct incident *incident = incident_about(w, "host/1-3");
    assert_true(did(incident, "dry run: SWAP"));
    assert_true(did(incident, "TICKET"));
    assert_int_equal(incident->n_actions, 3); /* each thing once */
    assert_int_equal(incident->recovered.ms, 0);
}

static void new_slices_leave_the_hot_spares(void **state)
{
    struct world *w = *state;

    w->pod.remedy.hot_spares = 1;
    struct slice *slice = cw_create(w, true);
    assert_null(cw_ask(w, "4x4x8"));
    assert_int_equal(w->status, E_FULL);
    cw_kill_host(w, slice, 1, 3); /* they are for this */
    cw_pass(w, 100);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[1], 2);
}

static void a_cube_in_repair_is_a_spare_taken(void **state)
{
    struct world *w = *state;

    w->pod.remedy.hot_spares = 1;
    cw_kill_host(w, cw_create(w, true), 1, 3); /* now 0 and 2; 1 is out */
    cw_pass(w, 100);
    const struct slice *slice = cw_ask(w, "4x4x4");
    assert_non_null(slice);
    assert_int_equal(slice->intent->cubes[0], 3);
}

/* ----------------------------------- what bring-ups and checks find (found.c) -- */

static void miss(struct world *w, uint16_t cube, const uint8_t *at, unsigned port)
{
    struct tpunet_chip chip = {.cube = cube, .at = {at[0], at[1], at[2]}};
    w->missing[w->n_missing++] = (struct chip_port){tpunet_chip_number(chip), (uint8_t)port};
}

static void broken_copper_found_costs_the_cube(void **state)
{
    struct world *w = *state;

    miss(w, 0, (uint8_t[]){1, 1, 1}, TPUNET_XP);
    const struct slice *slice = cw_ask_degradable(w, "4x4x4");
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 1);
    assert_int_equal(cw_fault(w, "cube/0")->health, HEALTH_SUSPECT);
    cw_pass(w, 200);
    assert_non_null(incident_about(w, "link/0-1-1-1+x"));
    assert_non_null(cw_ticket(w, "link/0-1-1-1+x"));
}

static void broken_light_found_costs_both_ports(void **state)
{
    struct world *w = *state;

    miss(w, 0, (uint8_t[]){3, 1, 2}, TPUNET_XP); /* ocs/9, and back to cube/0 */
    const struct slice *slice = cw_ask_degradable(w, "4x4x4");
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 1);
    assert_int_equal(cw_fault(w, "port/9-n-0")->health, HEALTH_SUSPECT);
    assert_int_equal(cw_fault(w, "port/9-s-0")->health, HEALTH_SUSPECT);
    assert_int_equal(w->model->n_faults, 2);
}

static void broken_light_found_is_no_end_for_who_refuses_it(void **state)
{
    struct world *w = *state;

    miss(w, 0, (uint8_t[]){3, 1, 2}, TPUNET_XP);
    const struct slice *slice = cw_ask(w, "4x4x4");
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 1);
}

static void found_where_nothing_may_be_done_the_slice_fails(void **state)
{
    static const char *const reasons[] = {
        "missing links; nothing is done about it: it is a dry run",
        "missing links; nothing is done about it: the breaker is open",
        "missing links; nothing is done about it: as many cubes are out of service as may be",
    };
    struct world *w = *state;

    miss(w, 0, (uint8_t[]){1, 1, 1}, TPUNET_XP);
    for (int i = 0; i < 3; i++) {
        w->pod.remedy.mode = i == 0 ? REMEDY_DRY_RUN : REMEDY_AUTO;
        w->model->remediation->breaker_open = i == 1;
        w->pod.remedy.cubes_out_max = i == 2 ? 0 : 4;
        const struct slice *slice = cw_ask_degradable(w, "4x4x4");
        assert_int_equal(slice->state, SLICE_FAILED);
        assert_string_equal(slice->reason, reasons[i]);
        assert_int_equal(w->model->n_faults, 0);
        cw_delete(w, slice->id, 0);
    }
}

/* A7: the spare of a swap is broken, too.  podmgr takes another: that is one more. */
static void what_is_found_under_a_job_counts_as_a_swap(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    miss(w, 2, (uint8_t[]){1, 1, 1}, TPUNET_XP);
    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 100);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[1], 3);
    assert_int_equal(remediation_swaps(w->model, w->now.mono), 2);
    assert_false(w->model->remediation->breaker_open);
}

static void beyond_the_hour_it_fails_and_a_person_is_asked(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    w->pod.remedy.swaps_per_hour_max = 1;
    miss(w, 2, (uint8_t[]){1, 1, 1}, TPUNET_XP);
    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 100);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_int_equal(slice->intent->cubes[1], 2); /* where it was when it was found */
    assert_non_null(strstr(slice->reason, "missing links; no other cubes, the breaker has tripped: "
                                          "1 swaps in the last hour of 1: slice/"));
    assert_non_null(strstr(w->journal, "remediation.breaker-open "));
    assert_true(w->model->remediation->breaker_open);
    assert_int_equal(remediation_swaps(w->model, w->now.mono), 1);
}

/* It needs no cube for that, so no budget is exceeded. */
static void beyond_the_hour_light_is_gone_around(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    w->pod.remedy.swaps_per_hour_max = 1;
    miss(w, 2, (uint8_t[]){3, 1, 2}, TPUNET_XP); /* ocs/9 */
    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 100);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 1);
    assert_false(w->model->remediation->breaker_open);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_int_equal(remediation_swaps(w->model, w->now.mono), 1);
    assert_non_null(cw_fault(w, "port/9-n-2"));
}

/* Nobody's job is disturbed by it: that is placement. */
static void a_new_slice_costs_no_swaps(void **state)
{
    struct world *w = *state;

    w->pod.remedy.swaps_per_hour_max = 0;
    miss(w, 0, (uint8_t[]){1, 1, 1}, TPUNET_XP);
    const struct slice *slice = cw_ask_degradable(w, "4x4x4");
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 1);
    assert_int_equal(remediation_swaps(w->model, w->now.mono), 0);
    assert_false(w->model->remediation->breaker_open);
}

/* Whoever watched the links has died with them. */
static void what_a_check_misses_is_mended(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    for (unsigned k = 0; k < 4; k++) {
        struct tpunet_chip chip = tpunet_host_chip(0, 0, k);
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            miss(w, 0, chip.at, port);
        }
    }
    slice->verified = false;
    slice->check_at = (struct mono_ns){0};
    cw_pass(w, 200);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 2);
    assert_non_null(incident_about(w, "host/0-0"));
}

static void what_is_blamed_is_not_given_again(void **state)
{
    struct world *w = *state;
    const struct slice *slice = cw_create(w, true);

    w->model->remediation->breaker_open = true;
    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 100);
    assert_int_equal(slice->state, SLICE_FAILED);
    cw_delete(w, slice->id, 0);
    assert_true(model_cube_free(w->model, 0, NULL, 0));
    assert_false(model_cube_free(w->model, 1, NULL, 0));
    cw_pass(w, 5000); /* behind an open breaker nothing is done about it */
    assert_int_equal(w->model->n_faults, 0);
    assert_false(model_cube_free(w->model, 1, NULL, 0));
    w->model->remediation->breaker_open = false;
    cw_pass(w, 1100);
    cw_speak(w, EV_CLEAR_PART, "cube/1"); /* SUSPECT by now, since it is idle */
    cw_pass(w, 100);
    assert_true(model_cube_free(w->model, 1, NULL, 0));
}

/* What another podmgr loads: incidents, tickets and the breaker, but no symptom. */
static void restart(struct world *w)
{
    struct event start = {.kind = EV_START};
    struct model *old = w->model, *m = model_create(&w->pod, 78);
    struct incidents *none = m->incidents;

    m->epoch = old->epoch;
    m->remediation->breaker_open = old->remediation->breaker_open;
    m->incidents = old->incidents;
    old->incidents = none;
    for (size_t i = 0; i < incidents_count(m->incidents); i++) { /* store_load_incident() */
        struct incident *incident = incidents_at(m->incidents, i);
        incident->recalled = incident_is_open(incident);
    }
    model_destroy(old);
    w->model = m;
    cw_step(w, &start);
    cw_hello(w, "tpunetd/t1", 1, 0, CUBES * TPUNET_CUBE_HOSTS);
    cw_pass(w, 100);
}

/* Nobody watches the links of a cube that no slice has: no symptom comes again. */
static void a_new_podmgr_does_not_give_what_is_blamed(void **state)
{
    struct world *w = *state;
    const struct slice *slice = cw_create(w, true);

    w->model->remediation->breaker_open = true;
    cw_kill_host(w, slice, 1, 3);
    cw_pass(w, 100);
    cw_delete(w, slice->id, 0);
    cw_pass(w, 1100);
    assert_false(model_cube_free(w->model, 1, NULL, 0));
    restart(w);
    assert_true(model_cube_free(w->model, 0, NULL, 0));
    assert_false(model_cube_free(w->model, 1, NULL, 0));
    cw_pass(w, (unsigned)incident_defaults.quiet_ms + 2000); /* nothing says so any more */
    assert_true(model_cube_free(w->model, 1, NULL, 0));
}

/* A new podmgr has heard of no symptom yet: that is not "well again". */
static void what_limps_limps_on_under_a_new_podmgr(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct event start = {.kind = EV_START};
    unsigned port;
    struct tpunet_fibre fibre = {.cube = 1, .axis = 0, .a = 1, .b = 2};
    uint32_t chip = tpunet_chip_number(tpunet_fibre_chip(fibre, &port));

    w->model->remediation->breaker_open = true;
    cw_cut(w, slice, chip, port);
    cw_pass(w, 100);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    w->missing[0] = (struct chip_port){chip, (uint8_t)port};
    w->n_missing = 1;
    remediation_destroy(w->model->remediation); /* what is of this process */
    w->model->remediation = remediation_create(&w->pod);
    w->model->remediation->breaker_open = true;
    slice->verified = false;
    w->is_slow = true; /* a check takes as long as a discovery */
    cw_step(w, &start);
    cw_pass(w, 1000);
    w->is_slow = false;
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    cw_pass(w, 12000);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    w->n_missing = 0; /* well indeed */
    cw_pass(w, 12000);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void advance(struct world *w, const struct ticket *ticket, enum ticket_state to)
{
    struct event ev = {.kind = EV_ADVANCE_REPAIR, .cookie = 5, .who = "technician"};

    ev.repair = xcalloc(1, sizeof *ev.repair);
    ev.repair->ticket = ticket->id;
    ev.repair->to = to;
    cw_step(w, &ev);
    assert_int_equal(w->status, 0);
}

static void a_technicians_word_begins_the_burn_in(void **state)
{
    struct world *w = *state;

    cw_kill_host(w, cw_create(w, true), 1, 3);
    cw_pass(w, 2000);
    const struct ticket *ticket = cw_ticket(w, "host/1-3");
    advance(w, ticket, TICKET_IN_REPAIR);
    cw_pass(w, 20000);
    assert_true(incident_is_open(incident_about(w, "host/1-3")));
    advance(w, ticket, TICKET_VERIFYING);
    cw_pass(w, 12000);
    assert_false(incident_is_open(incident_about(w, "host/1-3")));
    w->now.wall.ms += repair_defaults.burn_in_ms;
    cw_pass(w, 1000);
    assert_int_equal(ticket->state, TICKET_PROBATION);
    assert_non_null(cw_fault(w, "cube/1")); /* given to nobody all the same */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, cw_setup, cw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dead_host_costs_one_cube),
        TEST(the_scheduler_hears_what_to_do),
        TEST(it_is_known_before_it_is_mended),
        TEST(a_cleared_cube_stays_cleared),
        TEST(without_a_spare_the_slice_fails_by_name),
        TEST(a_lost_switch_is_gone_around_until_it_is_back),
        TEST(links_over_a_map_that_nobody_knows_count),
        TEST(who_works_over_a_blamed_switch_is_left_alone),
        TEST(a_persons_word_counts_for_all_over_the_switch),
        TEST(a_second_switch_is_gone_around_as_well),
        TEST(it_is_back_for_a_new_podmgr_too),
        TEST(an_operators_word_stands_when_the_switch_is_back),
        TEST(a_dark_fibre_is_gone_around_or_its_cube_swapped),
        TEST(a_cut_bundle_costs_a_cube),
        TEST(silence_evicts_nobody),
        TEST(beyond_the_budget_the_breaker_trips),
        TEST(behind_an_open_breaker_light_degrades),
        TEST(a_dry_run_tells_and_does_nothing),
        TEST(new_slices_leave_the_hot_spares),
        TEST(a_cube_in_repair_is_a_spare_taken),
        TEST(broken_copper_found_costs_the_cube),
        TEST(broken_light_found_costs_both_ports),
        TEST(broken_light_found_is_no_end_for_who_refuses_it),
        TEST(found_where_nothing_may_be_done_the_slice_fails),
        TEST(what_is_found_under_a_job_counts_as_a_swap),
        TEST(beyond_the_hour_it_fails_and_a_person_is_asked),
        TEST(beyond_the_hour_light_is_gone_around),
        TEST(a_new_slice_costs_no_swaps),
        TEST(what_a_check_misses_is_mended),
        TEST(what_is_blamed_is_not_given_again),
        TEST(a_new_podmgr_does_not_give_what_is_blamed),
        TEST(what_limps_limps_on_under_a_new_podmgr),
        TEST(a_technicians_word_begins_the_burn_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
