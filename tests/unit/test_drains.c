/* Drains in the core: what is placed, what is moved, when nothing runs over a part,
 * and what comes back when the drain ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "core/incident.h"
#include "core_world.h"
#include "mem.h"

/* --------------------------------------------------------------- helpers -- */

static struct drain_order order_of(const char *target, enum drain_mode mode)
{
    struct drain_order order = {.mode = mode, .reason = "new line card"};

    assert_int_equal(part_parse(&order.part, target, NULL), 0);
    return order;
}

/* The drain, or NULL if it was refused. */
static struct drain *give(struct world *w, const struct drain_order *order)
{
    struct event ev = {.kind = EV_CREATE_DRAIN, .cookie = 7, .who = "operator"};

    ev.drain = xmemdup(order, sizeof *order);
    cw_step(w, &ev);
    return w->status == 0 ? model_drain(w->model, w->made) : NULL;
}

static struct drain *drain(struct world *w, const char *target, enum drain_mode mode)
{
    struct drain_order order = order_of(target, mode);
    struct drain *d = give(w, &order);

    assert_non_null(d);
    return d;
}

static int end(struct world *w, struct id id, uint64_t if_version)
{
    struct event ev = {.kind = EV_END_DRAIN, .cookie = 8, .who = "another operator"};

    ev.del.id = id;
    ev.del.if_version = if_version;
    cw_step(w, &ev);
    return w->status;
}

static unsigned circuits_on(const struct world *w, uint16_t ocs)
{
    unsigned n = 0;

    for (unsigned p = 0; p < PORTS; p++) {
        n += w->map[ocs][p] != TPUNET_NONE;
    }
    return n;
}

/* ------------------------------------------------------------------ cubes -- */

static void a_graceful_cube_waits_for_its_job(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, false);
    struct id id = slice->id;
    struct drain *d = drain(w, "cube/0", DRAIN_GRACEFUL);

    cw_pass(w, 1000);
    assert_int_equal(d->state, ADMIN_DRAINING);
    assert_int_equal(w->model->cubes[0].admin, ADMIN_DRAINING);
    assert_int_equal(w->model->hosts[3].admin, ADMIN_DRAINING);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 0); /* its job goes on */
    cw_delete(w, id, 0);
    cw_pass(w, 300);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_int_equal(w->model->cubes[0].admin, ADMIN_DRAINED);
    assert_non_null(strstr(w->journal, "drain.created"));
    assert_non_null(strstr(w->journal, "drain.drained"));
}

static void now_swaps_the_cube_under_the_job(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, false);
    struct drain *d = drain(w, "host/0-5", DRAIN_NOW);

    cw_pass(w, 600);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 2); /* at the same logical position */
    assert_int_equal(slice->intent->cubes[1], 1);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_int_equal(w->model->hosts[5].admin, ADMIN_DRAINED);
    assert_int_equal(w->model->hosts[6].admin, ADMIN_IN_SERVICE);
    assert_null(cw_fault(w, "cube/0")); /* it is not sick */
}

/* A6 */
static void nothing_new_is_placed(void **state)
{
    static const char *const targets[] = {"cube/0", "host/0-5", "link/0-1-1-1+x", "link/0-3-1-2+x"};
    struct world *w = *state;
    char why[200];

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct id id = drain(w, targets[i], i % 2 == 0 ? DRAIN_NOW : DRAIN_GRACEFUL)->id;
        assert_int_equal(model_drain(w->model, id)->state, ADMIN_DRAINED); /* it was idle */
        assert_false(model_cube_free(w->model, 0, why, sizeof why));
        assert_non_null(strstr(why, targets[i]));
        assert_non_null(strstr(why, "DRAINED since"));
        struct slice *slice = cw_ask_degradable(w, "4x4x4");
        assert_int_equal(slice->intent->cubes[0], 1);
        cw_delete(w, slice->id, 0);
        assert_int_equal(end(w, id, 0), 0);
        assert_true(model_cube_free(w->model, 0, NULL, 0));
    }
}

static void without_a_spare_it_blocks_until_there_is_one(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, false);
    struct id other = cw_create(w, false)->id;
    struct drain *d = drain(w, "cube/1", DRAIN_NOW);
    struct drain_steps steps;

    cw_pass(w, 1000);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(d->state, ADMIN_DRAINING);
    drain_ask(w->model, d, &steps);
    assert_int_equal(steps.n, 1);
    assert_int_equal(steps.items[0].action, DRAIN_BLOCKED);
    assert_int_equal(id_compare(steps.items[0].slice, slice->id), 0);
    drain_steps_fini(&steps);
    cw_delete(w, other, 0);
    cw_pass(w, 600);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_int_equal(d->state, ADMIN_DRAINED);
}

/* --------------------------------------------------------------- switches -- */

static void now_leads_routes_around_a_switch(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);

    cw_pass(w, 300);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 2);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_int_equal(w->model->ocs[40].admin, ADMIN_DRAINED);
    assert_int_equal(w->model->ocs[40].state, OCS_STATE_REACHABLE); /* it is not broken */
    assert_int_equal(circuits_on(w, 40), 2);                        /* no mirror has moved */

    assert_int_equal(end(w, d->id, 0), 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->dead_links, 0);
    assert_int_equal(w->model->ocs[40].admin, ADMIN_IN_SERVICE);
    assert_int_equal(w->model->n_drains, 0);
}

static void who_demands_all_links_blocks_and_lives(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, false);
    struct id id = slice->id;
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);
    struct drain_steps steps;

    cw_pass(w, 1000);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(d->state, ADMIN_DRAINING);
    drain_ask(w->model, d, &steps);
    assert_int_equal(steps.items[0].rule, 5);
    drain_steps_fini(&steps);
    assert_null(cw_ask(w, "4x4x4"));
    assert_string_equal(w->code, "switch-failed");
    assert_non_null(strstr(w->text, "ocs/40 DRAINING"));
    cw_delete(w, id, 0);
    cw_pass(w, 300);
    assert_int_equal(d->state, ADMIN_DRAINED);
}

/* A slice that is made during a graceful drain goes around; one of before stays. */
static void graceful_keeps_the_old_and_spares_the_new(void **state)
{
    struct world *w = *state;
    struct slice *old = cw_create(w, true);
    struct id old_id = old->id;
    struct drain *d = drain(w, "ocs/40", DRAIN_GRACEFUL);

    cw_pass(w, 600);
    assert_int_equal(old->state, SLICE_ACTIVE);
    assert_int_equal(old->dead_links, 0);
    struct slice *new = cw_ask_degradable(w, "4x4x4");
    assert_int_equal(new->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(circuits_on(w, 40), 2); /* those of the old one */
    assert_int_equal(d->state, ADMIN_DRAINING);
    cw_delete(w, old_id, 0);
    cw_pass(w, 300);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_int_equal(circuits_on(w, 40), 0);

    assert_int_equal(end(w, d->id, 0), 0);
    assert_int_equal(new->state, SLICE_ACTIVE);
    assert_int_equal(circuits_on(w, 40), 1); /* what was left out is made */
}

/* The technician cuts its power: nobody waits for it. */
static void a_drained_switch_may_go_away(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct id id = slice->id;
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);

    cw_pass(w, 300);
    assert_int_equal(d->state, ADMIN_DRAINED);
    cw_lose_power(w, 40);
    cw_pass(w, 2500);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(incidents_count(w->model->incidents), 0); /* it was planned */
    struct slice *new = cw_ask_degradable(w, "4x4x4");
    assert_non_null(new);
    assert_int_equal(new->state, SLICE_ACTIVE_DEGRADED);
    struct id kept = new->id;
    cw_delete(w, id, 0);
    assert_null(model_slice(w->model, id)); /* deleted, not waiting for the switch */
    assert_int_equal(w->model->n_liens > 0, true);

    w->dead[40] = false;
    w->boots[40]++;
    cw_attach(w, 40);
    assert_int_equal(circuits_on(w, 40), 0); /* drained, still */
    assert_int_equal(w->model->n_liens, 0);
    assert_int_equal(end(w, d->id, 0), 0);
    cw_pass(w, 300);
    assert_int_equal(model_slice(w->model, kept)->state, SLICE_ACTIVE);
    assert_int_equal(circuits_on(w, 40), 1);
}

/* Silent before nothing ran over it: what it holds is unknown (D7). */
static void a_silent_switch_with_work_is_waited_for(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct id id = slice->id;

    cw_silence(w, 40);
    cw_delete(w, id, 0);
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);
    cw_pass(w, 600);
    assert_int_equal(d->state, ADMIN_DRAINING);
    assert_non_null(model_slice(w->model, id));
    w->dead[40] = false;
    cw_attach(w, 40);
    cw_pass(w, 300);
    assert_null(model_slice(w->model, id));
    assert_int_equal(d->state, ADMIN_DRAINED);
}

static void an_optical_link_is_one_port(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain *d = drain(w, "link/0-3-1-2+x", DRAIN_NOW); /* ocs/9, north 0 */

    cw_pass(w, 300);
    assert_int_equal(d->extent.n_ports, 1);
    assert_int_equal(d->extent.ports[0].ocs, 9);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 1);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_int_equal(w->model->ocs[9].admin, ADMIN_IN_SERVICE);
    assert_int_equal(end(w, d->id, 0), 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void a_power_domain_takes_all_of_it(void **state)
{
    static struct power_feed feeds[] = {{"a", {.kind = PART_CUBE, .cube = 1}},
                                        {"a", {.kind = PART_OCS, .ocs = 3}},
                                        {"b", {.kind = PART_CUBE, .cube = 2}}};
    struct world *w = *state;

    w->pod.feeds = feeds;
    w->pod.n_feeds = ARRAY_LEN(feeds);
    struct slice *slice = cw_create(w, true);
    struct drain *d = drain(w, "power/a", DRAIN_NOW);
    cw_pass(w, 900);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 2);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_int_equal(w->model->cubes[1].admin, ADMIN_DRAINED);
    assert_int_equal(w->model->ocs[3].admin, ADMIN_DRAINED);
    assert_int_equal(end(w, d->id, 0), 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    struct drain_order order = order_of("power/c", DRAIN_NOW);
    assert_null(give(w, &order));
    assert_string_equal(w->code, "part-not-found");
}

/* ------------------------------------------------------------ what blocks -- */

/* All switches of the axis on which cw_create()'s slices are longer than a cube. */
static struct drain *drain_axis(struct world *w)
{
    static struct power_feed feeds[TPUNET_FACE_LINKS];

    for (uint16_t i = 0; i < TPUNET_FACE_LINKS; i++) {
        feeds[i] = (struct power_feed){
            "z", {.kind = PART_OCS, .ocs = (uint16_t)(2 * TPUNET_FACE_LINKS + i)}};
    }
    w->pod.feeds = feeds;
    w->pod.n_feeds = ARRAY_LEN(feeds);
    return drain(w, "power/z", DRAIN_NOW);
}

static void assert_blocked(const struct world *w, const struct drain *d, unsigned rule,
                           const char *text)
{
    struct drain_steps steps;

    drain_ask(w->model, d, &steps);
    assert_int_equal(steps.n, 1);
    assert_int_equal(steps.items[0].action, DRAIN_BLOCKED);
    assert_int_equal(steps.items[0].rule, rule);
    assert_non_null(strstr(steps.items[0].text, text));
    drain_steps_fini(&steps);
}

static void come_back(struct world *w, uint16_t ocs)
{
    w->dead[ocs] = false;
    w->boots[ocs]++;
    cw_attach(w, ocs);
}

/* What a slice goes on using is kept in order for it. */
static void who_is_blocked_keeps_its_circuits(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain *d = drain_axis(w);

    cw_pass(w, 600);
    assert_blocked(w, d, 6, "no link is left");
    assert_int_equal(slice->state, SLICE_ACTIVE);
    cw_lose_power(w, 40);
    come_back(w, 40);
    cw_pass(w, 300);
    assert_int_equal(circuits_on(w, 40), 2); /* put back */
    cw_cut_switch(w, slice, 40);             /* not meant to go */
    cw_pass(w, 100);
    assert_true(incidents_count(w->model->incidents) > 0);
    assert_int_equal(d->state, ADMIN_DRAINING);
}

/* A bring-up for another reason does not go around what blocks, and says nothing of
 * it: neither then nor at the next one. */
static void new_routes_for_another_reason_do_not_pass_it(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain *d = drain_axis(w);

    cw_pass(w, 600);
    cw_cut(w, slice, tpunet_chip_number((struct tpunet_chip){0, {3, 1, 2}}), 0); /* ocs/9 */
    cw_pass(w, 2500);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 1); /* and not 33 */
    assert_int_equal(d->state, ADMIN_DRAINING);
    assert_blocked(w, d, 6, "no link is left");
    cw_lose_power(w, 40);
    come_back(w, 40);
    cw_pass(w, 300);
    assert_int_equal(circuits_on(w, 40), 2);
    assert_int_equal(slice->dead_links, 1);
}

/* What joins the cubes counts, on whatever axis it stands. */
static void what_falls_apart_depends_on_the_circuits(void **state)
{
    static const uint64_t x = 0xFFFF, z = UINT64_C(0xFFFF) << 32;
    static const struct {
        const char *shape;
        bool twisted, woven; /* woven: the switches of x and z exchanged */
        uint64_t lost;
        bool cut;
    } rows[] = {
        {"4x4x4", false, false, UINT64_MAX, false},
        {"4x4x8", false, false, z, true},
        {"4x4x8", false, false, z & (z << 1), false}, /* one is left */
        {"4x4x8", false, false, x, false},            /* each cube has its own way around */
        {"4x4x8", true, false, z, false},             /* the twist leads along it, too */
        {"4x4x8", true, false, x, false},
        {"4x4x8", true, false, UINT64_MAX, true},
        {"4x4x8", false, true, z, false},
        {"4x4x8", false, true, x, true},
        {"8x8x8", false, false, x, true},
    };
    static const uint16_t cubes[] = {0, 1, 2, 3, 4, 5, 6, 7};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice slice = {0};
        struct tpunet_shape shape;
        assert_int_equal(tpunet_shape_parse(&shape, rows[i].shape, false, NULL), 0);
        shape.twisted = rows[i].twisted;
        size_t n = tpunet_shape_cubes(&shape), axis = TPUNET_FACE_LINKS * n;
        assert_int_equal(tpunet_intent_create(&slice.intent, &shape, cubes, n, NULL), 0);
        for (size_t k = 0; rows[i].woven && k < axis; k++) {
            uint16_t next = slice.intent->next[k];
            slice.intent->next[k] = slice.intent->next[2 * axis + k];
            slice.intent->next[2 * axis + k] = next;
        }
        assert_int_equal(drain_cuts(&slice, rows[i].lost), rows[i].cut);
        tpunet_intent_destroy(slice.intent);
    }
}

/* Light is gone around in the order of age, so nobody believes that the first one is. */
static void a_newer_drain_waits_for_one_that_blocks(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain *before = drain(w, "ocs/3", DRAIN_NOW);
    struct id first = drain_axis(w)->id;
    struct drain *after = drain(w, "ocs/4", DRAIN_NOW);
    struct drain *graceful = drain(w, "ocs/5", DRAIN_GRACEFUL);
    char id[48];

    cw_pass(w, 600);
    assert_int_equal(before->state, ADMIN_DRAINED); /* the older one */
    assert_int_equal(slice->dead_links, 2);
    assert_blocked(w, after, 6, id_format(first, id));
    assert_int_equal(end(w, first, 0), 0);
    cw_pass(w, 600);
    assert_int_equal(after->state, ADMIN_DRAINED);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 4);
    assert_int_equal(graceful->state, ADMIN_DRAINING); /* who waits holds nobody */
}

/* One that no drain alone would cut, but all of them. */
static void the_last_switch_of_an_axis_blocks(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    char name[16];

    for (unsigned o = 32; o < 48; o++) {
        (void)snprintf(name, sizeof name, "ocs/%u", o);
        (void)drain(w, name, DRAIN_NOW);
    }
    cw_pass(w, 600);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->dead_links, 30);
    assert_blocked(w, w->model->drains[15], 6, "no link is left");
    assert_int_equal(end(w, w->model->drains[4]->id, 0), 0);
    cw_pass(w, 600);
    assert_int_equal(slice->dead_links, 30);
    assert_int_equal(w->model->drains[14]->state, ADMIN_DRAINED);
}

/* Cubes and light of a part go at once: until there are spares its light is used. */
static void who_waits_for_cubes_keeps_its_circuits(void **state)
{
    static struct power_feed feeds[] = {{"a", {.kind = PART_CUBE, .cube = 1}},
                                        {"a", {.kind = PART_OCS, .ocs = 40}}};
    struct world *w = *state;

    w->pod.feeds = feeds;
    w->pod.n_feeds = ARRAY_LEN(feeds);
    struct slice *slice = cw_create(w, true);
    struct id other = cw_create(w, false)->id;
    struct drain *d = drain(w, "power/a", DRAIN_NOW);
    cw_pass(w, 300);
    cw_lose_power(w, 40);
    come_back(w, 40);
    cw_pass(w, 300);
    assert_int_equal(circuits_on(w, 40), 4);
    cw_delete(w, other, 0);
    cw_pass(w, 900);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_int_equal(slice->dead_links, 2);
}

/* The person may have unplugged it: it is not given back for another's reason. */
static void what_is_drained_stays_so_when_it_is_well_again(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);

    cw_speak(w, EV_FAIL_PART, "ocs/40");
    struct drain *d = drain(w, "ocs/40", DRAIN_GRACEFUL);
    assert_int_equal(d->state, ADMIN_DRAINED);
    cw_speak(w, EV_CLEAR_PART, "ocs/40");
    cw_pass(w, 600);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(end(w, d->id, 0), 0);
    cw_pass(w, 600);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

/* While a slice is brought up for another reason it goes around it all the same. */
static void what_is_drained_stays_so_while_slices_come_up(void **state)
{
    for (enum drain_mode mode = DRAIN_GRACEFUL; mode <= DRAIN_NOW; mode++) {
        struct world *w = *state;
        struct slice *slice = cw_create(w, true);

        cw_speak(w, EV_FAIL_PART, "ocs/40");
        struct drain *d = drain(w, "ocs/40", mode);
        cw_speak(w, EV_CLEAR_PART, "ocs/40");
        cw_pass(w, 300);
        cw_silence(w, 40); /* the person has unplugged it */
        w->is_slow = true;
        cw_speak(w, EV_FAIL_PART, "ocs/41");
        cw_pass(w, 3000);
        assert_int_equal(slice->state, SLICE_RECONFIGURING);
        assert_int_equal(d->state, ADMIN_DRAINED);
        assert_true(model_given_up(w->model, 40));
        assert_null(cw_ticket(w, "ocs/40"));

        cw_delete(w, slice->id, 0);
        assert_null(model_slice(w->model, w->made)); /* nobody waits for ocs/40 */
        assert_int_equal(d->state, ADMIN_DRAINED);
        (void)cw_teardown(state);
        (void)cw_setup(state);
    }
}

/* ------------------------------------------- which circuits, not how many -- */

static const struct part ports[] = {{.kind = PART_PORT, .ocs = 9}, {.kind = PART_PORT, .ocs = 10}};

static void doubt(struct world *w, unsigned i)
{
    struct part_fault fault = {.part = ports[i], .health = HEALTH_SUSPECT, .who = "test"};

    model_add_fault(w->model, &fault);
}

/* The slice goes around ports[0], which is mended while ports[1] breaks; that a switch is
 * silent keeps it from new routes. */
static struct slice *exchange(struct world *w)
{
    struct slice *slice = cw_create(w, true);

    doubt(w, 0);
    cw_speak(w, EV_FAIL_PART, "ocs/20"); /* so it is asked for new routes */
    assert_int_equal(slice->dead_links, 3);
    cw_silence(w, 30);
    model_remove_fault(w->model, &ports[0]);
    doubt(w, 1);
    return slice;
}

static void one_mended_and_another_broken_is_not_the_same(void **state)
{
    struct world *w = *state;
    struct slice *slice = exchange(w);
    struct drain *d = drain(w, "link/0-3-1-2+x", DRAIN_GRACEFUL); /* ports[0] */
    struct drain *e = drain(w, "link/0-3-2-2+x", DRAIN_GRACEFUL); /* ports[1] */

    assert_int_equal(d->extent.ports[0].ocs, 9);
    assert_int_equal(e->extent.ports[0].ocs, 10);
    assert_int_equal(e->state, ADMIN_DRAINING); /* its routes may lead over it */
    assert_int_equal(end(w, d->id, 0), 0);
    w->dead[30] = false;
    cw_attach(w, 30);
    assert_int_equal(slice->dead_links, 3); /* asked anew, since one is back */
    cw_pass(w, 300);
    assert_int_equal(e->state, ADMIN_DRAINED);
}

/* What has changed between the question and the answer. */
static void routes_around_another_circuit_are_asked_for_again(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct event fail = {.kind = EV_FAIL_PART, .now = w->now, .word = {.part = {.kind = PART_OCS}}};
    struct event answer = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};

    doubt(w, 0);
    fail.word.part.ocs = 20;
    outbox_clear(&w->out);
    core_step(w->model, &fail, &w->out); /* nobody answers yet */
    event_fini(&fail);
    assert_int_equal(slice->state, SLICE_RECONFIGURING);
    *answer.verdict = (struct verdict){
        .slice = slice->id, .epoch = w->model->epoch, .generation = slice->generation, .ok = true};
    model_remove_fault(w->model, &ports[0]);
    doubt(w, 1);
    uint64_t asked = slice->generation;
    cw_step(w, &answer);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_true(slice->generation > asked);
    assert_int_equal(drain(w, "link/0-3-2-2+x", DRAIN_GRACEFUL)->state, ADMIN_DRAINED);
}

/* Only their number is on record. */
static void a_new_podmgr_recalls_what_it_may(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);

    cw_pass(w, 300);
    for (int others = 0; others < 2; others++) {
        struct event start = {.kind = EV_START};
        uint64_t version = slice->version;
        if (others != 0) { /* of an old database: nobody knows which they are */
            slice->around = (struct circuit_set){0};
        }
        cw_step(w, &start);
        cw_pass(w, 600);
        assert_int_equal(slice->version > version, others != 0); /* asked for new routes */
        assert_int_equal(slice->dead_links, 2);
        assert_int_equal(d->state, ADMIN_DRAINED);
    }
}

/* ------------------------------------------------------------ the person -- */

static void orders_are_checked(void **state)
{
    static const struct {
        const char *target;
        int64_t until_ms;
        int status;
        const char *code, *text;
    } rows[] = {
        {"cube/4", 0, E_NOT_FOUND, "part-not-found", "cube/4 is not in this pod of 4 cubes"},
        {"host/9-0", 0, E_NOT_FOUND, "part-not-found", "host/9-0"},
        {"power/x", 0, E_NOT_FOUND, "part-not-found", "power/x"},
        {"chip/0-0-0-0", 0, E_INVALID, "invalid-field", "only a cube, host, switch, link"},
        {"slice/1-1", 0, E_INVALID, "invalid-field", "target: slice/1-1"},
        {"cube/1", 1, E_INVALID, "invalid-field", "until: 1970-01-01T00:00:00.001Z is past"},
        {"ocs/7", 0, E_CONFLICT, "drain-exists", "new line card"},
    };
    struct world *w = *state;
    struct drain *first = drain(w, "ocs/7", DRAIN_GRACEFUL);
    unsigned audits = w->audits;
    char name[64], id[48];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct drain_order order = order_of(rows[i].target, DRAIN_NOW);
        order.until.ms = rows[i].until_ms;
        assert_null(give(w, &order));
        assert_int_equal(w->status, rows[i].status);
        assert_string_equal(w->code, rows[i].code);
        assert_non_null(strstr(w->text, rows[i].text));
    }
    (void)snprintf(name, sizeof name, "drain/%s of operator", id_format(first->id, id));
    assert_non_null(strstr(w->text, name)); /* the existing one is named */
    assert_int_equal(w->model->n_drains, 1);
    assert_int_equal(w->audits, audits);
}

static void an_end_is_of_a_version(void **state)
{
    struct world *w = *state;
    unsigned audits = w->audits;
    struct drain *d = drain(w, "ocs/7", DRAIN_GRACEFUL);
    struct id id = d->id;

    assert_int_equal(w->audits, audits + 1);
    assert_int_equal(d->version, 2); /* DRAINED at once */
    assert_int_equal(end(w, id, 1), E_STALE);
    assert_int_equal(w->model->n_drains, 1);
    assert_int_equal(end(w, id, 2), 0);
    assert_int_equal(w->audits, audits + 2);
    assert_int_equal(end(w, id, 0), E_NOT_FOUND);
    assert_int_equal(w->audits, audits + 2);
}

/* Only his word, or the time that he gave. */
static void it_ends_when_its_time_is_up(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain_order order = order_of("ocs/40", DRAIN_NOW);

    order.until.ms = w->now.wall.ms + 2000;
    (void)give(w, &order);
    cw_pass(w, 1500);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(w->model->n_drains, 1);
    cw_pass(w, 1000);
    assert_int_equal(w->model->n_drains, 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_non_null(strstr(w->journal, "drain.ended"));
}

static void nothing_but_his_word_ends_it(void **state)
{
    struct world *w = *state;
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);

    cw_speak(w, EV_FAIL_PART, "ocs/40");
    cw_speak(w, EV_CLEAR_PART, "ocs/40");
    cw_lose_power(w, 40);
    w->dead[40] = false;
    w->boots[40]++;
    cw_attach(w, 40);
    cw_pass(w, 5000);
    assert_int_equal(w->model->n_drains, 1);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_string_equal(d->order.reason, "new line card");
    assert_string_equal(d->who, "operator");
}

/* After a restore the drain may be of before, and the map is not known (D7). */
static void a_drain_of_a_backup_is_doubted(void **state)
{
    struct world *w = *state;
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);

    cw_silence(w, 40);
    assert_int_equal(d->state, ADMIN_DRAINED);
    assert_true(model_given_up(w->model, 40));
    w->model->restored = true;
    w->model->ocs[40].boot_id[0] = '\0'; /* as a new process knows it */
    assert_false(model_given_up(w->model, 40));
    assert_null(cw_ask_degradable(w, "4x4x4"));
    assert_string_equal(w->code, "switch-unreachable");
    w->dead[40] = false;
    cw_attach(w, 40);
    assert_non_null(cw_ask_degradable(w, "4x4x4"));
}

/* It may have ended since the backup, and the slice have got its full routes back. */
static void after_a_restore_routes_are_asked_for_anew(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);
    struct event start = {.kind = EV_START};

    cw_pass(w, 600);
    assert_int_equal(d->state, ADMIN_DRAINED);
    uint64_t version = slice->version;
    w->model->restored = true;
    w->model->backup_epoch = w->model->epoch;
    w->is_slow = true;
    cw_step(w, &start);
    cw_pass(w, 600);
    assert_int_equal(d->state, ADMIN_DRAINING); /* nobody knows what the chips hold */
    assert_true(slice->version > version);
}

/* An operation that was begun before the drain ends as it was planned. */
static void a_drain_meets_an_open_operation(void **state)
{
    struct world *w = *state;

    w->dead[40] = true; /* takes the command and does not answer */
    struct slice *slice = cw_ask_degradable(w, "4x4x4");
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    struct drain *d = drain(w, "ocs/40", DRAIN_NOW);
    cw_pass(w, 600);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    assert_int_equal(d->state, ADMIN_DRAINING);
    w->dead[40] = false;
    cw_attach(w, 40);
    cw_pass(w, 600);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(circuits_on(w, 40), 1);
    assert_int_equal(d->state, ADMIN_DRAINED);
}

static void a_plan_changes_nothing(void **state)
{
    struct world *w = *state;
    struct slice *slice = cw_create(w, true);
    struct drain draft = {.id = DRAIN_PREVIEW, .order = order_of("ocs/40", DRAIN_NOW)};
    struct drain_steps steps;
    struct error err;
    const char *code;
    uint64_t version = slice->version, next = w->model->next_seq;

    assert_int_equal(drain_check(w->model, &draft.order, w->now.wall, &draft.extent, &code, &err),
                     0);
    drain_ask(w->model, &draft, &steps);
    assert_int_equal(steps.n, 1);
    assert_int_equal(steps.items[0].action, DRAIN_REROUTE);
    drain_steps_fini(&steps);
    draft.order = order_of("cube/1", DRAIN_NOW);
    assert_int_equal(drain_check(w->model, &draft.order, w->now.wall, &draft.extent, &code, &err),
                     0);
    drain_ask(w->model, &draft, &steps);
    assert_int_equal(steps.items[0].action, DRAIN_SWAP);
    assert_int_equal(steps.swaps[0].cube, 1);
    assert_int_equal(steps.swaps[0].with, 2);
    drain_steps_fini(&steps);
    assert_int_equal(slice->version, version);
    assert_int_equal(w->model->next_seq, next);
    assert_int_equal(w->model->n_drains, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, cw_setup, cw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_graceful_cube_waits_for_its_job),
        TEST(now_swaps_the_cube_under_the_job),
        TEST(nothing_new_is_placed),
        TEST(without_a_spare_it_blocks_until_there_is_one),
        TEST(now_leads_routes_around_a_switch),
        TEST(who_demands_all_links_blocks_and_lives),
        TEST(graceful_keeps_the_old_and_spares_the_new),
        TEST(a_drained_switch_may_go_away),
        TEST(a_silent_switch_with_work_is_waited_for),
        TEST(an_optical_link_is_one_port),
        TEST(a_power_domain_takes_all_of_it),
        TEST(who_is_blocked_keeps_its_circuits),
        TEST(new_routes_for_another_reason_do_not_pass_it),
        cmocka_unit_test(what_falls_apart_depends_on_the_circuits),
        TEST(a_newer_drain_waits_for_one_that_blocks),
        TEST(the_last_switch_of_an_axis_blocks),
        TEST(who_waits_for_cubes_keeps_its_circuits),
        TEST(what_is_drained_stays_so_when_it_is_well_again),
        TEST(what_is_drained_stays_so_while_slices_come_up),
        TEST(one_mended_and_another_broken_is_not_the_same),
        TEST(routes_around_another_circuit_are_asked_for_again),
        TEST(a_new_podmgr_recalls_what_it_may),
        TEST(orders_are_checked),
        TEST(an_end_is_of_a_version),
        TEST(it_ends_when_its_time_is_up),
        TEST(nothing_but_his_word_ends_it),
        TEST(a_drain_of_a_backup_is_doubted),
        TEST(after_a_restore_routes_are_asked_for_anew),
        TEST(a_drain_meets_an_open_operation),
        TEST(a_plan_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
