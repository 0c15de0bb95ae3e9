/* The preflight as a step of the slice machine: what observers say comes in as
 * events, and a small faithful world does what the core asks of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/preflight.h"
#include "core/remedy.h"
#include "core_world.h"
#include "mem.h"

enum { TIMEOUT_MS = 5000, SILENT_MS = 3000 };

/* An observer of the hosts of these cubes; its id. */
static uint32_t observe(struct world *w, const char *name, uint64_t instance, unsigned from,
                        unsigned to)
{
    struct event ev = {.kind = EV_HEALTH_HELLO, .cookie = 5, .observer = {.instance = instance}};

    (void)snprintf(ev.observer.name, sizeof ev.observer.name, "%s", name);
    ev.observer.hosts = xcalloc(CUBES * TPUNET_CUBE_HOSTS, sizeof *ev.observer.hosts);
    for (unsigned h = from * TPUNET_CUBE_HOSTS; h < to * TPUNET_CUBE_HOSTS; h++) {
        ev.observer.hosts[ev.observer.n_hosts++] = (uint16_t)h;
    }
    cw_step(w, &ev);
    return health_observer_named(w->model, name)->id;
}

static void lease(struct world *w, uint32_t observer)
{
    struct event ev = {.kind = EV_HEALTH_LEASE, .lease = {.observer = observer}};
    size_t n;
    const struct observer *o = health_observers(w->model, &n);

    while (o->id != observer) {
        o++;
    }
    ev.lease.n_bytes = (o->n_hosts + 7) / 8;
    ev.lease.answering = xcalloc(ev.lease.n_bytes, 1);
    cw_step(w, &ev);
}

/* Time goes on; the agent lives, and so do these observers (0: none). */
static void pass(struct world *w, unsigned ms, uint32_t one, uint32_t other)
{
    for (unsigned at = 0; at < ms; at += TICK_MS) {
        if (one != 0) {
            lease(w, one);
        }
        if (other != 0) {
            lease(w, other);
        }
        cw_pass(w, TICK_MS);
    }
}

static int setup(void **state)
{
    int status = cw_setup_unmended(state);
    struct world *w = *state;

    w->pod.remedy.cubes_out_max = 2;
    w->pod.preflight = (struct preflight_policy){.mode = PREFLIGHT_FULL, .timeout_ms = TIMEOUT_MS};
    return status;
}

/* --------------------------------------------------------------- helpers -- */

/* On cubes 0 and 1, which are asked for if it is pinned. */
static struct slice *create(struct world *w, bool pinned)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    ev.create->accept_degraded = true;
    if (pinned) {
        ev.create->n_cubes = 2;
        ev.create->cubes = xcalloc(2, sizeof *ev.create->cubes);
        ev.create->cubes[1] = 1;
    }
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, "4x4x8", false, NULL), 0);
    cw_step(w, &ev);
    assert_int_equal(w->status, 0);
    struct slice *slice = model_slice(w->model, w->made);
    assert_non_null(slice);
    return slice;
}

/* A verdict as the observer would give it now; the test spoils it, or sends it. */
static struct event verdict_of(const struct world *w, const struct slice *slice, uint32_t observer)
{
    struct event ev = {
        .kind = EV_PREFLIGHT, .cookie = 3, .fitness = xcalloc(1, sizeof *ev.fitness)};
    struct fitness *f = ev.fitness;
    const struct preflight *p = slice->preflight;

    assert_non_null(p);
    *f = (struct fitness){.observer = observer,
                          .epoch = w->model->epoch,
                          .order = p->order,
                          .slice = slice->id,
                          .generation = slice->generation,
                          .checked = 10,
                          .transfers = 20};
    f->hosts = xcalloc(p->n_hosts, sizeof *f->hosts);
    f->unfit = xcalloc(4, sizeof *f->unfit);
    for (size_t h = 0; h < p->n_hosts; h++) {
        if (p->asked[h] == observer) {
            f->hosts[f->n_hosts++] = preflight_host(slice, h);
        }
    }
    return ev;
}

static void add_unfit(struct event *ev, uint16_t host, bool unplaced, const char *text)
{
    struct unfit *unfit = &ev->fitness->unfit[ev->fitness->n_unfit++];

    *unfit = (struct unfit){.host = host, .scope = SCOPE_CHIP, .index = 2, .unplaced = unplaced};
    (void)snprintf(unfit->text, sizeof unfit->text, "%s", text);
    ev->fitness->failures++;
}

static void say_fit(struct world *w, const struct slice *slice, uint32_t observer)
{
    struct event ev = verdict_of(w, slice, observer);

    cw_step(w, &ev);
    assert_int_equal(w->status, 0);
}

static void say_unfit(struct world *w, const struct slice *slice, uint32_t observer, uint16_t host)
{
    struct event ev = verdict_of(w, slice, observer);

    add_unfit(&ev, host, false, "chip/1-0-1-0: chip-temperature 92 C is above 85 C");
    cw_step(w, &ev);
    assert_int_equal(w->status, 0);
}

static bool has_finding(const struct world *w, unsigned host)
{
    const struct finding *f = health_worst_of_host(w->model, host);

    return f != NULL && strcmp(f->check, HEALTH_PREFLIGHT) == 0 && f->severity == SEVERITY_SEVERE;
}

static bool is_kept_back(const struct world *w, uint16_t cube)
{
    struct part part = {.kind = PART_CUBE, .cube = cube};
    return model_fault(w->model, &part) != NULL;
}

/* ----------------------------------------------------------------- tests -- */

static void with_nobody_to_ask_it_is_active_at_once(void **state)
{
    struct world *w = *state;
    const struct slice *slice = create(w, false);

    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(slice->preflight_ms < 0);
    assert_int_equal(w->preflights, 0);
    assert_null(strstr(w->journal, "slice.preflight"));
}

static void off_is_off(void **state)
{
    struct world *w = *state;

    w->pod.preflight.mode = PREFLIGHT_OFF;
    (void)observe(w, "healthd/a", 1, 0, CUBES);
    assert_int_equal(create(w, false)->state, SLICE_ACTIVE);
    assert_int_equal(w->preflights, 0);
}

/* Rules 2 and 5. */
static void all_verdicts_are_awaited(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, 1), b = observe(w, "healthd/b", 1, 1, CUBES);
    struct slice *slice = create(w, false);

    assert_int_equal(slice->state, SLICE_ACTIVATING);
    assert_int_equal(w->preflights, 2);
    assert_ptr_equal(preflight_next(w->model, a, 0), slice);
    assert_null(preflight_next(w->model, a, slice->preflight->order));
    assert_true(slice->preflight->pattern);
    pass(w, 100, a, b);
    say_fit(w, slice, a);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    assert_null(preflight_next(w->model, a, 0)); /* it has been heard */
    assert_ptr_equal(preflight_next(w->model, b, 0), slice);
    say_fit(w, slice, b);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(slice->preflight_ms >= 100 && slice->preflight_ms < 200);
    assert_true(slice->active_ms >= slice->preflight_ms);
    assert_non_null(strstr(w->journal, "slice.preflight slice.active"));
}

static void without_routes_for_all_nothing_is_sent(void **state)
{
    struct world *w = *state;

    (void)observe(w, "healthd/a", 1, 0, CUBES);
    w->unreachable = 126; /* a chip is left out */
    assert_false(create(w, false)->preflight->pattern);
    w->unreachable = 0;
    w->pod.preflight.mode = PREFLIGHT_INTENT;
    assert_false(create(w, false)->preflight->pattern);
}

/* Rule 4. */
static void stale_verdicts_are_refused(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, 1), b = observe(w, "healthd/b", 1, 1, CUBES);
    struct slice *slice = create(w, false);

    for (int i = 0; i < 7; i++) {
        struct event ev = verdict_of(w, slice, a);
        struct fitness *f = ev.fitness;
        f->epoch -= i == 0;
        f->order -= i == 1;
        f->generation -= i == 2;
        f->slice.seq += i == 3;
        f->observer = i == 4 ? b : a; /* who was not asked about these */
        f->n_hosts = i == 5 ? 0 : f->n_hosts;
        f->hosts[0] = i == 6 ? 3 * TPUNET_CUBE_HOSTS : f->hosts[0];
        f->n_hosts = i == 6 ? 1 : f->n_hosts; /* a host of another's slice */
        cw_step(w, &ev);
        assert_int_equal(w->status, E_STALE);
        assert_string_equal(w->code, "stale");
    }
    assert_int_equal(slice->preflight->open, 2 * TPUNET_CUBE_HOSTS);
    say_fit(w, slice, a);
    say_fit(w, slice, b);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

/* Rule 7. */
static void an_unfit_cube_is_kept_back_and_another_taken(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);
    uint64_t generation = slice->generation;

    say_unfit(w, slice, a, TPUNET_CUBE_HOSTS + 3);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    assert_int_equal(slice->intent->cubes[0], 0);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_true(slice->generation > generation);
    assert_true(is_kept_back(w, 1) && !is_kept_back(w, 0));
    assert_true(has_finding(w, TPUNET_CUBE_HOSTS + 3));
    assert_non_null(strstr(w->journal, "health.verdict slice.preflight-failed cube.suspect "
                                       "slice.replaced"));
    say_fit(w, slice, a); /* of the cubes that it has now */
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(has_finding(w, TPUNET_CUBE_HOSTS + 3)); /* it was not among them */

    cw_speak(w, EV_CLEAR_PART, "cube/1");
    assert_int_equal(w->status, 0);
    assert_false(has_finding(w, TPUNET_CUBE_HOSTS + 3));
}

static void a_later_preflight_takes_the_finding_back(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, true);

    w->pod.remedy.cubes_out_max = 0; /* so that the cube is not kept back */
    say_unfit(w, slice, a, 3);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_true(has_finding(w, 3));
    cw_delete(w, slice->id, 0);
    slice = create(w, true);
    say_fit(w, slice, a);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_false(has_finding(w, 3));
}

static void pinned_it_fails_by_name(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, true);

    say_unfit(w, slice, a, TPUNET_CUBE_HOSTS + 3);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_string_equal(slice->reason,
                        "preflight: chip/1-0-1-0: chip-temperature 92 C is above 85 C");
    assert_true(is_kept_back(w, 1));
    assert_null(slice->preflight);
}

static void beyond_the_budget_nothing_is_kept_back(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);
    struct event ev = verdict_of(w, slice, a);

    w->pod.remedy.cubes_out_max = 1;
    add_unfit(&ev, 3, false, "one");
    add_unfit(&ev, TPUNET_CUBE_HOSTS + 3, false, "two");
    cw_step(w, &ev);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_string_equal(
        slice->reason,
        "preflight: one; and 1 more; no other cubes: as many cubes are out of service "
        "as may be");
    assert_true(!is_kept_back(w, 0) && !is_kept_back(w, 1));
}

static void what_nobody_can_place_blames_no_cube(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);
    struct event ev = verdict_of(w, slice, a);

    add_unfit(&ev, 3, true, "chip/0-0-0-0 to chip/1-0-0-0: 90 us over 3 hops, limit 50 us");
    cw_step(w, &ev);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_non_null(strstr(slice->reason, "limit 50 us"));
    assert_true(!is_kept_back(w, 0) && !has_finding(w, 3));
}

/* Rule 5. */
static void who_lives_and_does_not_answer_is_not_fit(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, 1), b = observe(w, "healthd/b", 1, 1, CUBES);
    struct slice *slice = create(w, true);

    say_fit(w, slice, a);
    pass(w, TIMEOUT_MS - TICK_MS, a, b);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    pass(w, 2 * TICK_MS, a, b);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_string_equal(slice->reason,
                        "preflight: host/1-0: no verdict within 5000 ms; and 15 more");
}

/* Rule 3. */
static void who_falls_silent_is_passed_over(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, 1);
    (void)observe(w, "healthd/b", 1, 1, CUBES);
    struct slice *slice = create(w, false);

    say_fit(w, slice, a);
    pass(w, SILENT_MS, a, 0);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    pass(w, 2 * TICK_MS, a, 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void where_observers_are_required_they_are_waited_for(void **state)
{
    struct world *w = *state;

    w->pod.preflight.required = true;
    struct slice *slice = create(w, true);
    pass(w, 1000, 0, 0);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    uint32_t a = observe(w, "healthd/a", 1, 0, 1);
    pass(w, 100, a, 0);
    assert_ptr_equal(preflight_next(w->model, a, 0), slice);
    say_fit(w, slice, a);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    pass(w, TIMEOUT_MS, a, 0);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_string_equal(slice->reason, "preflight: host/1-0: nobody observes it; and 15 more");
    assert_false(is_kept_back(w, 1));
}

static void after_our_start_they_have_time_to_come_back(void **state)
{
    struct world *w = *state;

    w->pod.preflight.grace_ms = 1500; /* of which 100 are over */
    struct slice *slice = create(w, false);
    pass(w, 1375, 0, 0);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    uint32_t a = observe(w, "healthd/a", 1, 0, 1);
    pass(w, 50, a, 0); /* and no longer for the others */
    say_fit(w, slice, a);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    struct slice *next = create(w, false);
    assert_int_equal(next->state, SLICE_ACTIVE); /* on cubes that nobody observes */
}

static void an_observer_that_restarts_gets_its_order_again(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);
    uint64_t order = slice->preflight->order;

    assert_int_equal(observe(w, "healthd/a", 2, 0, CUBES), a);
    pass(w, 100, a, 0);
    assert_ptr_equal(preflight_next(w->model, a, 0), slice);
    assert_int_equal(slice->preflight->order, order);
    say_fit(w, slice, a);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void hosts_that_another_observes_by_now_are_its_to_check(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);
    struct event late = verdict_of(w, slice, a);
    uint32_t b = observe(w, "healthd/b", 1, 1, 2);

    pass(w, TICK_MS, a, b);
    assert_ptr_equal(preflight_next(w->model, b, 0), slice);
    assert_ptr_equal(preflight_next(w->model, a, late.fitness->order), slice); /* asked anew */
    cw_step(w, &late);
    assert_int_equal(w->status, E_STALE);
    say_fit(w, slice, a);
    say_fit(w, slice, b);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

/* Rule 6. */
static void a_link_that_goes_down_meanwhile_begins_it_again(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);
    struct event late = verdict_of(w, slice, a);
    struct event ev = {.kind = EV_LINKS, .links = {.n = 2}};

    ev.links.links = xcalloc(2, sizeof *ev.links.links);
    ev.links.links[0] = (struct link_change){.slice = slice->id, .chip = 0};
    ev.links.links[1] = (struct link_change){.slice = slice->id, .chip = 1};
    cw_step(w, &ev);
    assert_int_equal(w->bring_ups, 2); /* once for both ends */
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    cw_step(w, &late);
    assert_int_equal(w->status, E_STALE);
    say_fit(w, slice, a);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void a_delete_meanwhile_ends_it(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);
    struct event late = verdict_of(w, slice, a);

    cw_delete(w, slice->id, 0);
    assert_int_equal(w->model->n_slices, 0);
    cw_step(w, &late);
    assert_int_equal(w->status, E_STALE);
    assert_null(preflight_next(w->model, a, 0));
}

/* Rule 1: only other cubes are checked again. */
static void what_has_served_is_not_asked_for_new_routes(void **state)
{
    struct world *w = *state;
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);

    say_fit(w, slice, a);
    unsigned orders = w->preflights;
    cw_speak(w, EV_FAIL_PART, "ocs/17");
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(w->preflights, orders);

    struct event migrate = {.kind = EV_MIGRATE_SLICE, .migrate = {.id = slice->id, .n_swaps = 1}};
    migrate.migrate.swaps = xcalloc(1, sizeof *migrate.migrate.swaps);
    migrate.migrate.swaps[0] = (struct swap){1, 3};
    cw_step(w, &migrate);
    assert_int_equal(slice->state, SLICE_RECONFIGURING);
    assert_int_equal(w->preflights, orders + 1);
    say_fit(w, slice, a);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
}

/* A person moves the slice to cube/3, which is not fit. */
static struct slice *migrate_to_unfit(struct world *w, enum remedy_mode mode,
                                      unsigned swaps_per_hour_max)
{
    uint32_t a = observe(w, "healthd/a", 1, 0, CUBES);
    struct slice *slice = create(w, false);
    struct event migrate = {.kind = EV_MIGRATE_SLICE, .migrate = {.id = slice->id, .n_swaps = 1}};

    w->pod.remedy.mode = mode;
    w->pod.remedy.swaps_per_hour_max = swaps_per_hour_max;
    say_unfit(w, slice, a, 3); /* no job is on it yet: that costs no swap */
    say_fit(w, slice, a);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 2);
    migrate.migrate.swaps = xcalloc(1, sizeof *migrate.migrate.swaps);
    migrate.migrate.swaps[0] = (struct swap){1, 3};
    cw_step(w, &migrate); /* nor does a person's word */
    assert_int_equal(remediation_swaps(w->model, w->now.mono), 0);
    say_unfit(w, slice, a, 3 * TPUNET_CUBE_HOSTS);
    assert_true(is_kept_back(w, 3));
    return slice;
}

static void assert_moved_on(const struct world *w, const struct slice *slice, unsigned swaps)
{
    assert_int_equal(slice->state, SLICE_RECONFIGURING);
    assert_int_equal(slice->intent->cubes[1], 1);
    assert_int_equal(remediation_swaps(w->model, w->now.mono), swaps);
    assert_false(w->model->remediation->breaker_open);
}

/* A7 */
static void under_a_job_another_cube_is_a_swap(void **state)
{
    struct world *w = *state;

    assert_moved_on(w, migrate_to_unfit(w, REMEDY_AUTO, 1), 1);
}

static void beyond_the_hour_a_person_is_asked(void **state)
{
    struct world *w = *state;
    struct slice *slice = migrate_to_unfit(w, REMEDY_AUTO, 0);

    assert_int_equal(slice->state, SLICE_FAILED);
    assert_int_equal(slice->intent->cubes[1], 3);
    assert_true(w->model->remediation->breaker_open);
    assert_non_null(
        strstr(slice->reason, "the breaker has tripped: 0 swaps in the last hour of 0"));
}

/* It was a person who had the slice moved, and nothing else moves slices. */
static void with_remediation_off_nothing_is_counted(void **state)
{
    struct world *w = *state;

    assert_moved_on(w, migrate_to_unfit(w, REMEDY_OFF, 0), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, cw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(with_nobody_to_ask_it_is_active_at_once),
        TEST(off_is_off),
        TEST(all_verdicts_are_awaited),
        TEST(without_routes_for_all_nothing_is_sent),
        TEST(stale_verdicts_are_refused),
        TEST(an_unfit_cube_is_kept_back_and_another_taken),
        TEST(a_later_preflight_takes_the_finding_back),
        TEST(pinned_it_fails_by_name),
        TEST(beyond_the_budget_nothing_is_kept_back),
        TEST(what_nobody_can_place_blames_no_cube),
        TEST(who_lives_and_does_not_answer_is_not_fit),
        TEST(who_falls_silent_is_passed_over),
        TEST(where_observers_are_required_they_are_waited_for),
        TEST(after_our_start_they_have_time_to_come_back),
        TEST(an_observer_that_restarts_gets_its_order_again),
        TEST(hosts_that_another_observes_by_now_are_its_to_check),
        TEST(a_link_that_goes_down_meanwhile_begins_it_again),
        TEST(a_delete_meanwhile_ends_it),
        TEST(what_has_served_is_not_asked_for_new_routes),
        TEST(under_a_job_another_cube_is_a_swap),
        TEST(beyond_the_hour_a_person_is_asked),
        TEST(with_remediation_off_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
