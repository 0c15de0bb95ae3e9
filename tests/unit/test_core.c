/* The core against a small fake world that answers its effects: what it
 * promises of slices, operations, switches and agents, without any I/O. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/keys.h"
#include "core/placement.h"
#include "mem.h"

enum { CUBES = 4, PORTS = 8 };

/* --------------------------------------------------------- the fake world -- */

struct fixture {
    struct pod pod;
    struct model *model;
    struct outbox out; /* of the last step */
    struct now now;
    uint16_t map[TPUNET_OCSES][PORTS]; /* what the switches really connect */
    uint64_t generation[TPUNET_OCSES];
    bool away[TPUNET_OCSES];        /* cannot be claimed */
    bool mute[TPUNET_OCSES];        /* gets commands, does them, never answers */
    bool dark[TPUNET_OCSES][PORTS]; /* circuits on this north port have no light */
    bool stuck[TPUNET_OCSES];
    uint16_t stuck_north[TPUNET_OCSES]; /* whose mirror it is */
    bool hold_verdicts, bad_verdicts, hold_fences;
    uint64_t last_generation;
    struct id last_wire; /* the last command's id */
    unsigned applies, bring_ups, checks, stops, watches, releases, fences;
    struct reply_seen {
        int status;
        char code[32], text[256];
        struct id id;
    } reply;
};

static void pump(struct fixture *f);

static void step(struct fixture *f, struct event *ev)
{
    ev->now = f->now;
    ev->arrived = f->now.mono;
    outbox_clear(&f->out);
    core_step(f->model, ev, &f->out);
    event_fini(ev);
    pump(f);
}

static struct ocs_identity identity_of(const struct fixture *f, uint16_t ocs)
{
    struct ocs_identity identity = {.generation = f->generation[ocs],
                                    .epoch = f->model->epoch,
                                    .instance = f->model->instance,
                                    .north_ports = PORTS,
                                    .south_ports = PORTS,
                                    .light = true};
    (void)snprintf(identity.boot_id, sizeof identity.boot_id, "boot");
    return identity;
}

static struct seen_circuit look(const struct fixture *f, uint16_t ocs, uint16_t north)
{
    uint16_t south = f->map[ocs][north];
    return (struct seen_circuit){
        .north = north, .south = south, .loss_db = f->dark[ocs][north] ? 60.0F : 1.5F};
}

static void attach(struct fixture *f, uint16_t ocs)
{
    struct event ev = {.kind = EV_OCS_ATTACHED,
                       .ocs = {.ocs = ocs, .identity = identity_of(f, ocs)}};

    ev.ocs.seen = xcalloc(PORTS, sizeof *ev.ocs.seen);
    for (uint16_t p = 0; p < PORTS; p++) {
        if (f->map[ocs][p] != TPUNET_NONE) {
            ev.ocs.seen[ev.ocs.n_seen++] = look(f, ocs, p);
        }
    }
    step(f, &ev);
}

static bool is_stuck(const struct fixture *f, const struct op *op, uint16_t ocs)
{
    bool stuck = false;

    for (size_t i = 0; i < op->n_breaks + op->n_makes; i++) {
        const struct tpunet_xc *xc =
            i < op->n_breaks ? &op->breaks[i] : &op->makes[i - op->n_breaks];
        stuck = stuck || (f->stuck[ocs] && xc->ocs == ocs && xc->north == f->stuck_north[ocs]);
    }
    return stuck;
}

/* Does what a faithful switch does: breaks, then makes; then reads back.  An
 * operation takes effect as a whole or not at all. */
static void apply(struct fixture *f, uint16_t ocs, struct id id)
{
    const struct op *op = model_op(f->model, id);
    struct event ev = {.kind = EV_OCS_APPLIED, .applied = {.ocs = ocs, .n_results = 1}};
    struct ocs_op_result *result = xcalloc(1, sizeof *result);

    f->applies++;
    assert_non_null(op); /* the intent is there before the command (D6) */
    bool stuck = is_stuck(f, op, ocs);
    f->last_wire = op->part[ocs].wire;
    result->op = id;
    result->done = !stuck;
    result->mirror_fault = stuck;
    result->port = f->stuck_north[ocs];
    (void)snprintf(result->text, sizeof result->text, "%s", stuck ? "mirror stuck" : "");
    result->seen = xcalloc(op->n_breaks + op->n_makes, sizeof *result->seen);
    for (size_t i = 0; i < op->n_breaks; i++) {
        const struct tpunet_xc *xc = &op->breaks[i];
        if (xc->ocs == ocs) {
            if (!stuck && f->map[ocs][xc->north] == xc->south) {
                f->map[ocs][xc->north] = TPUNET_NONE;
            }
            result->seen[result->n_seen++] = look(f, ocs, xc->north);
        }
    }
    for (size_t i = 0; i < op->n_makes; i++) {
        const struct tpunet_xc *xc = &op->makes[i];
        if (xc->ocs == ocs) {
            if (!stuck) {
                f->map[ocs][xc->north] = xc->south;
            }
            result->seen[result->n_seen++] = look(f, ocs, xc->north);
        }
    }
    ev.applied.results = result;
    ev.applied.identity = identity_of(f, ocs);
    if (f->mute[ocs]) {
        event_fini(&ev);
    } else {
        step(f, &ev);
    }
}

static void verdict(struct fixture *f, struct id slice, uint64_t generation, bool ok, bool check)
{
    struct event ev = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};

    *ev.verdict = (struct verdict){.slice = slice,
                                   .epoch = f->model->epoch,
                                   .generation = generation,
                                   .ok = ok,
                                   .check_only = check};
    (void)snprintf(ev.verdict->text, sizeof ev.verdict->text, "%s", ok ? "" : "two fibres swapped");
    (void)snprintf(ev.verdict->routes.algorithm, sizeof ev.verdict->routes.algorithm, "dor");
    step(f, &ev);
}

/* The agent disables what it is asked to. */
static void fence(struct fixture *f, const struct effect *effect)
{
    struct event ev = {.kind = EV_FENCED,
                       .fenced = {.epoch = f->model->epoch, .generation = effect->generation}};

    ev.fenced.ports = xcalloc(64, sizeof *ev.fenced.ports);
    ev.fenced.n = core_unfenced(f->model, effect->agent, ev.fenced.ports, 64);
    step(f, &ev);
}

static void carry_out(struct fixture *f, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_REPLY:
        f->reply = (struct reply_seen){.status = effect->reply.status, .id = effect->id};
        if (effect->reply.status < 0) {
            (void)snprintf(f->reply.code, sizeof f->reply.code, "%s", effect->reply.code);
            (void)snprintf(f->reply.text, sizeof f->reply.text, "%s", effect->reply.text);
        }
        return;
    case EFFECT_OCS_ATTACH:
        for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
            if ((effect->ocs == TPUNET_NONE || effect->ocs == o) && !f->away[o]) {
                attach(f, o);
            }
        }
        return;
    case EFFECT_OCS_APPLY:
        apply(f, effect->ocs, effect->id);
        return;
    case EFFECT_BRING_UP:
        f->last_generation = effect->generation;
        *(effect->check_only ? &f->checks : &f->bring_ups) += 1;
        if (!f->hold_verdicts) {
            verdict(f, effect->id, effect->generation, !f->bad_verdicts, effect->check_only);
        }
        return;
    case EFFECT_WATCH:
        f->watches++;
        return;
    case EFFECT_RELEASE:
        f->releases++;
        return;
    case EFFECT_PREFLIGHT:
        break; /* there are no observers */
    case EFFECT_FENCE:
        f->fences++;
        if (!f->hold_fences) {
            fence(f, effect);
        }
        return;
    case EFFECT_STOP:
        f->stops++;
        return;
    }
    fail();
}

/* Carries the effects of one step out, as the shell does after the commit. */
static void pump(struct fixture *f)
{
    struct effect *effects = f->out.effects;
    size_t n = f->out.n_effects;
    char **texts = xcalloc(n, sizeof *texts);

    f->out.effects = NULL;
    f->out.n_effects = f->out.cap_effects = 0;
    for (size_t i = 0; i < n; i++) {
        texts[i] = effects[i].reply.text;
        carry_out(f, &effects[i]);
    }
    for (size_t i = 0; i < n; i++) {
        free(texts[i]);
    }
    free(texts);
    free(effects);
}

static void hello(struct fixture *f, const char *name, uint64_t instance, unsigned from,
                  unsigned to)
{
    struct event ev = {.kind = EV_AGENT_HELLO, .cookie = 9};

    (void)snprintf(ev.agent.name, sizeof ev.agent.name, "%s", name);
    ev.agent.instance = instance;
    ev.agent.hosts = xcalloc(to - from, sizeof *ev.agent.hosts);
    for (unsigned h = from; h < to; h++) {
        ev.agent.hosts[ev.agent.n_hosts++] = (uint16_t)h;
    }
    step(f, &ev);
}

static void tick(struct fixture *f, unsigned ms)
{
    struct event ev = {.kind = EV_TICK};

    f->now.mono.ns += ms * 1000000LL;
    f->now.wall.ms += ms;
    step(f, &ev);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct event start = {.kind = EV_START};

    f->pod = (struct pod){.id = "test",
                          .n_cubes = CUBES,
                          .ports_per_side = PORTS,
                          .vc_classes = 3,
                          .loss_db_max = 3,
                          .lease_ms = 1500};
    assert_int_equal(tpunet_wiring_create(&f->pod.wiring, CUBES, PORTS, NULL, 0, NULL), 0);
    f->model = model_create(&f->pod, 77);
    f->now = (struct now){.mono = {1000000000}, .wall = {1700000000000}};
    outbox_init(&f->out);
    memset(f->map, 0xff, sizeof f->map);
    step(f, &start);
    hello(f, "tpunetd/t1", 1, 0, CUBES * TPUNET_CUBE_HOSTS);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    model_destroy(f->model);
    tpunet_wiring_destroy(f->pod.wiring);
    outbox_fini(&f->out);
    free(f);
    return 0;
}

/* ---------------------------------------------------------------- helpers -- */

static struct slice *create_on(struct fixture *f, const char *topology, const uint16_t *cubes,
                               size_t n)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, topology, false, NULL), 0);
    if (cubes != NULL) {
        ev.create->cubes = xmemdup(cubes, n * sizeof *cubes);
        ev.create->n_cubes = n;
    }
    step(f, &ev);
    return f->reply.status == 0 ? model_slice(f->model, f->reply.id) : NULL;
}

static struct slice *create(struct fixture *f, const char *topology)
{
    return create_on(f, topology, NULL, 0);
}

static void delete_slice(struct fixture *f, struct id id, uint64_t if_version)
{
    struct event ev = {.kind = EV_DELETE_SLICE, .cookie = 2};

    ev.del.id = id;
    ev.del.if_version = if_version;
    step(f, &ev);
}

static size_t lit(const struct fixture *f)
{
    size_t n = 0;

    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        for (unsigned p = 0; p < PORTS; p++) {
            n += f->map[o][p] != TPUNET_NONE;
        }
    }
    return n;
}

/* ------------------------------------------------------------------ tests -- */

static void slice_lives_and_goes(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create(f, "4x4x8");

    assert_non_null(slice);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(slice->verified);
    assert_int_equal(lit(f), 96);
    assert_int_equal(slice->coordinator, 0);
    struct id id = slice->id;
    delete_slice(f, id, 0);
    assert_int_equal(f->reply.status, 0);
    assert_null(model_slice(f->model, id));
    assert_int_equal(lit(f), 0);
    assert_int_equal(f->releases, 1);
    for (unsigned c = 0; c < CUBES; c++) {
        assert_true(model_cube_free(f->model, c, NULL, 0));
    }
}

static void no_two_slices_share_a_cube(void **state)
{
    struct fixture *f = *state;

    assert_non_null(create(f, "4x4x8"));
    assert_non_null(create(f, "4x4x8"));
    assert_null(create(f, "4x4x4"));
    assert_string_equal(f->reply.code, "insufficient-capacity");
    assert_non_null(strstr(f->reply.text, "cube/0 owned by slice/1-1"));
    assert_int_equal(lit(f), 192);
}

static void placement_refusals_name_the_cube(void **state)
{
    struct fixture *f = *state;
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

    assert_non_null(create(f, "4x4x4"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_null(
            create_on(f, rows[i].topology, rows[i].n > 0 ? rows[i].cubes : NULL, rows[i].n));
        assert_string_equal(f->reply.code, rows[i].code);
        assert_non_null(strstr(f->reply.text, rows[i].text));
    }
    assert_int_equal(lit(f), 48); /* refused requests changed nothing */
    assert_int_equal(f->model->n_slices, 1);
}

static void sub_cube_shapes_are_refused_for_now(void **state)
{
    struct fixture *f = *state;

    assert_null(create(f, "2x2x4"));
    assert_string_equal(f->reply.code, "unsupported-topology");
}

static void explicit_cubes_keep_their_order(void **state)
{
    struct fixture *f = *state;
    static const uint16_t cubes[] = {3, 1};
    struct slice *slice = create_on(f, "4x4x8", cubes, 2);

    assert_non_null(slice);
    assert_int_equal(slice->intent->cubes[0], 3);
    assert_int_equal(f->map[32][3], 1); /* z: north of 3 to south of 1, and back */
    assert_int_equal(f->map[32][1], 3);
    assert_int_equal(f->map[0][3], 3); /* x: one cube long, to itself */
}

/* Until nothing is retried any more; agents keep their leases. */
static void settle(struct fixture *f)
{
    for (int i = 0; i < 12; i++) {
        struct event seen = {.kind = EV_AGENT_SEEN, .agent = {.id = 1}};
        step(f, &seen);
        tick(f, 250);
    }
}

static void stick(struct fixture *f, uint16_t ocs, uint16_t north)
{
    f->stuck[ocs] = true;
    f->stuck_north[ocs] = north;
}

static void stuck_mirror_fails_pinned_cubes_by_name(void **state)
{
    static const uint16_t cubes[] = {0};
    struct fixture *f = *state;

    stick(f, 17, 0);
    struct slice *slice = create_on(f, "4x4x4", cubes, 1);
    assert_int_equal(slice->state, SLICE_ACTIVATING); /* it is tried again first */
    unsigned applies = f->applies;
    settle(f);
    assert_int_equal(f->applies - applies, 2 + 47); /* two more attempts, then all back */
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_non_null(strstr(slice->reason, "ocs/17 north 0"));
    assert_non_null(strstr(slice->reason, "mirror stuck"));
    assert_int_equal(f->bring_ups, 0);
    assert_int_equal(lit(f), 0); /* back as a whole */
    assert_true(f->model->ocs[17].suspect[TPUNET_NORTH][0]);
    delete_slice(f, slice->id, 0);
    assert_int_equal(f->model->n_slices, 0);
    assert_false(model_cube_free(f->model, 0, NULL, 0)); /* A6: the port is SUSPECT */
    assert_int_equal(f->model->n_liens, 0);
}

static void stuck_mirror_sends_the_slice_to_another_cube(void **state)
{
    struct fixture *f = *state;

    stick(f, 17, 0);
    struct slice *slice = create(f, "4x4x8"); /* cubes 0 and 1 */
    settle(f);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 2);
    assert_int_equal(slice->intent->cubes[1], 1);
    assert_int_equal(slice->placements, 2);
    assert_int_equal(lit(f), 96);
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        assert_int_equal(f->map[o][0], TPUNET_NONE);
    }
    assert_true(id_is_none(f->model->cubes[0].owner));
}

/* ----------------------------------------------- words, liens, detours -- */

static void speak(struct fixture *f, enum event_kind kind, const char *part)
{
    struct event ev = {.kind = kind, .cookie = 3};

    assert_int_equal(part_parse(&ev.word.part, part, NULL), 0);
    (void)snprintf(ev.word.reason, sizeof ev.word.reason, "smoke");
    (void)snprintf(ev.who, sizeof ev.who, "unix uid 7");
    f->reply.status = 1;
    step(f, &ev);
}

static struct slice *create_degradable(struct fixture *f, const char *topology)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    ev.create->accept_degraded = true;
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, topology, false, NULL), 0);
    step(f, &ev);
    return f->reply.status == 0 ? model_slice(f->model, f->reply.id) : NULL;
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
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        speak(f, rows[i].kind, rows[i].part);
        assert_string_equal(f->reply.code, rows[i].code);
        assert_non_null(strstr(f->reply.text, rows[i].part));
    }
    assert_int_equal(f->model->n_faults, 0);
}

static void failed_cubes_and_hosts_are_not_allocated(void **state)
{
    struct fixture *f = *state;
    char why[160];

    speak(f, EV_FAIL_PART, "cube/0");
    speak(f, EV_FAIL_PART, "host/1-3");
    assert_false(model_cube_free(f->model, 0, why, sizeof why));
    assert_non_null(strstr(why, "FAILED since"));
    assert_false(model_cube_free(f->model, 1, why, sizeof why));
    assert_non_null(strstr(why, "host/1-3 FAILED since"));
    assert_int_equal(create(f, "4x4x8")->intent->cubes[0], 2);
    speak(f, EV_CLEAR_PART, "host/1-3");
    assert_true(model_cube_free(f->model, 1, NULL, 0));
    assert_int_equal(f->model->n_faults, 1);
}

/* fail ocs/40, then create and delete slices. */
static void a_dead_switch_freezes_nothing(void **state)
{
    struct fixture *f = *state;

    struct slice *old = create_degradable(f, "4x4x8");
    speak(f, EV_FAIL_PART, "ocs/40");
    f->mute[40] = true;
    assert_int_equal(old->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(old->dead_links, 2);
    assert_null(create(f, "4x4x4")); /* does not accept degraded */
    assert_string_equal(f->reply.code, "switch-failed");

    f->hold_fences = true;
    delete_slice(f, old->id, 0);
    assert_int_equal(f->model->n_slices, 0);
    assert_int_equal(f->model->n_liens, 4);
    assert_false(model_cube_free(f->model, 0, NULL, 0)); /* A8: not fenced yet */
    f->hold_fences = false;
    settle(f);
    assert_true(model_cube_free(f->model, 0, NULL, 0));
    assert_int_equal(f->model->n_liens, 4);

    unsigned applies = f->applies;
    struct slice *slice = create_degradable(f, "4x4x8");
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(slice->intent->cubes[0], 0);
    assert_int_equal(f->applies, applies + 47); /* the dead one is not asked */
    assert_int_equal(f->map[40][0], 1);         /* fail-static: the old circuit stands */

    f->mute[40] = false;
    f->map[40][0] = 0; /* and something else came up with it */
    f->map[40][1] = TPUNET_NONE;
    speak(f, EV_CLEAR_PART, "ocs/40");
    settle(f);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->dead_links, 0);
    assert_false(slice->degraded);
    assert_int_equal(f->map[40][0], 1);
    assert_int_equal(f->map[40][1], 0);
    assert_int_equal(f->model->n_liens, 0);
    assert_int_equal(f->model->n_faults, 0);
    delete_slice(f, slice->id, 0);
    assert_int_equal(lit(f), 0);
}

static void a_switch_that_fails_under_an_operation_is_not_waited_for(void **state)
{
    struct fixture *f = *state;

    f->mute[17] = true;
    struct slice *yes = create_degradable(f, "4x4x4"), *no = create(f, "4x4x4");
    assert_int_equal(yes->state, SLICE_ACTIVATING);
    speak(f, EV_FAIL_PART, "ocs/17");
    assert_int_equal(yes->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(no->state, SLICE_FAILED);
    assert_string_equal(no->reason, "ocs/17 is FAILED");
    delete_slice(f, no->id, 0);
    delete_slice(f, yes->id, 0);
    assert_int_equal(f->model->n_slices, 0);
    assert_int_equal(f->model->n_liens, 4);
}

/* A circuit that does not come down holds no delete up, but its cubes. */
static void delete_over_a_stuck_mirror_leaves_liens(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create(f, "4x4x4");

    stick(f, 40, 0);
    delete_slice(f, slice->id, 0);
    settle(f);
    assert_int_equal(f->model->n_slices, 0);
    assert_int_equal(f->model->n_liens, 2);
    assert_int_equal(lit(f), 1);
    settle(f); /* fenced, and given to nobody all the same: the switch serves */
    assert_true(f->model->liens[0].fenced);
    assert_false(model_cube_free(f->model, 0, NULL, 0));

    f->stuck[40] = false;
    speak(f, EV_CLEAR_PART, "port/40-n-0");
    assert_int_equal(lit(f), 0);
    assert_int_equal(f->model->n_liens, 0);
    assert_true(model_cube_free(f->model, 0, NULL, 0));
}

static void a_slice_that_serves_goes_around_or_fails(void **state)
{
    struct fixture *f = *state;
    struct slice *yes = create_degradable(f, "4x4x4"), *no = create(f, "4x4x4");

    speak(f, EV_FAIL_PART, "ocs/40");
    assert_int_equal(yes->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(no->state, SLICE_FAILED);
    assert_non_null(strstr(no->reason, "ocs/40 is FAILED: smoke"));
    speak(f, EV_FAIL_PART, "ocs/40"); /* said already */
    assert_int_equal(yes->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(f->bring_ups, 3);
}

/* A switch that was called FAILED and had lost nothing: no operation tells that
 * its circuits are back. */
static void full_routes_come_back_with_the_word(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create_degradable(f, "4x4x8");
    unsigned applies = f->applies;

    speak(f, EV_FAIL_PART, "ocs/40");
    f->away[40] = true;
    speak(f, EV_CLEAR_PART, "ocs/40"); /* too early: it does not answer yet */
    settle(f);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    speak(f, EV_FAIL_PART, "ocs/41"); /* as many are dead as before, and others */
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(f->bring_ups, 3);

    speak(f, EV_CLEAR_PART, "ocs/41");
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED); /* what ocs/40 shows is a memory */
    attach(f, 40);
    pump(f);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->dead_links, 0);
    assert_int_equal(f->applies, applies); /* no mirror moved for it */
}

static void a_loss_that_cannot_be_put_right_is_asked_for_three_times(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create_degradable(f, "4x4x4");

    memset(f->map[9], 0xff, sizeof f->map[9]);
    stick(f, 9, 0);
    unsigned applies = f->applies;
    attach(f, 9);
    assert_false(slice->verified);
    settle(f);
    assert_int_equal(f->applies, applies + 3);
    assert_true(f->model->ocs[9].suspect[TPUNET_NORTH][0]);
    assert_int_equal(slice->state, SLICE_ACTIVE_DEGRADED);
    attach(f, 9); /* looked at again: not asked for again */
    settle(f);
    assert_int_equal(f->applies, applies + 3);

    f->stuck[9] = false;
    speak(f, EV_CLEAR_PART, "port/9-n-0");
    assert_int_equal(f->map[9][0], 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void power_lost_between_doing_and_answering(void **state)
{
    struct fixture *f = *state;

    f->mute[3] = true;
    struct slice *slice = create(f, "4x4x4");
    struct id first = f->last_wire;
    f->mute[3] = false;
    memset(f->map[3], 0xff, sizeof f->map[3]);
    (void)snprintf(f->model->ocs[3].boot_id, sizeof f->model->ocs[3].boot_id, "before");
    attach(f, 3);
    assert_int_not_equal(id_compare(first, f->last_wire), 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void release_leaves_nothing_on_our_ports(void **state)
{
    static const uint16_t cubes[] = {0};
    struct fixture *f = *state;
    struct slice *slice = create_on(f, "4x4x4", cubes, 1);

    f->map[9][0] = 3; /* by another hand: ours leads elsewhere */
    f->model->ocs[9].north[0].seen = 3;
    delete_slice(f, slice->id, 0);
    assert_int_equal(f->map[9][0], TPUNET_NONE); /* A8 */
    assert_int_equal(lit(f), 0);
}

static void a_failed_check_is_repeated(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create(f, "4x4x4");

    f->bad_verdicts = true;
    slice->verified = false;
    settle(f);
    assert_true(slice->check_failed);
    assert_int_equal(f->checks, 1);
    settle(f);
    assert_int_equal(f->checks, 2);
    f->bad_verdicts = false;
    settle(f);
    settle(f);
    assert_true(slice->verified);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    unsigned checks = f->checks;
    settle(f);
    assert_int_equal(f->checks, checks);
}

static void chips_without_routes_get_them_again(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create(f, "4x4x4");
    unsigned asked = f->bring_ups;
    struct event ev = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};

    *ev.verdict = (struct verdict){.slice = slice->id,
                                   .epoch = f->model->epoch,
                                   .generation = slice->generation,
                                   .check_only = true,
                                   .code = "tables"};
    step(f, &ev);
    assert_int_equal(f->bring_ups, asked + 1);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(slice->verified);
    assert_int_equal(f->out.n_journal, 1); /* what the chips held is gone */
    assert_non_null(strstr(f->out.journal[0].data, "\"advice\":\"restart-from-checkpoint\""));
}

static void a_circuit_that_stood_already_is_judged(void **state)
{
    static const uint16_t cubes[] = {2};
    struct fixture *f = *state;

    f->map[5][2] = 2; /* by hand, and dark */
    f->dark[5][2] = true;
    attach(f, 5);
    struct slice *slice = create_on(f, "4x4x4", cubes, 1);
    settle(f);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_non_null(strstr(slice->reason, "port/5-n-2"));
}

static void nobody_is_asked_while_circuits_are_missing(void **state)
{
    struct fixture *f = *state;

    f->hold_verdicts = true;
    struct slice *slice = create(f, "4x4x4");
    uint64_t generation = slice->generation;
    f->mute[9] = true;
    memset(f->map[9], 0xff, sizeof f->map[9]);
    attach(f, 9); /* what is lost is being put back */
    verdict(f, slice->id, generation, false, false);
    assert_int_equal(slice->state, SLICE_ACTIVATING); /* nothing new in that */
    assert_true(slice->waiting);
    f->mute[9] = f->hold_verdicts = false;
    attach(f, 9);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_true(slice->generation > generation);
}

/* ---------------------------------------------------------------- migrate -- */

static void migrate(struct fixture *f, struct id id, uint16_t cube, uint16_t with)
{
    struct event ev = {.kind = EV_MIGRATE_SLICE, .cookie = 4};

    ev.migrate.id = id;
    ev.migrate.swaps = xmemdup(&(struct swap){cube, with}, sizeof *ev.migrate.swaps);
    ev.migrate.n_swaps = 1;
    step(f, &ev);
}

static void migrate_swaps_one_cube_in_one_operation(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create(f, "4x4x8");
    unsigned applies = f->applies;

    migrate(f, slice->id, 1, TPUNET_NONE);
    assert_int_equal(f->reply.status, 0);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(slice->intent->cubes[0], 0);
    assert_int_equal(slice->intent->cubes[1], 2);
    assert_int_equal(f->applies, applies + 48);
    const struct op *op = f->model->ops[f->model->n_ops - 1];
    assert_int_equal(op->kind, OP_RECONFIGURE);
    assert_true(op->n_breaks <= 96 && op->n_makes <= 96);
    assert_int_equal(lit(f), 96);
    assert_true(model_cube_free(f->model, 1, NULL, 0));
    assert_false(model_cube_free(f->model, 2, NULL, 0));
    assert_int_equal(f->releases, 1);
}

/* A restarted podmgr knows only the breaks: they, and nothing else, keep a cube
 * with the slice that leaves it (A8). */
static void what_is_left_is_kept_by_what_stands(void **state)
{
    struct fixture *f = *state;
    struct slice *dark = create(f, "4x4x4"), *seen = create(f, "4x4x4");

    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        f->model->ocs[o].north[0].seen = TPUNET_NONE;
        f->mute[o] = true;
    }
    migrate(f, dark->id, 0, 2);
    migrate(f, seen->id, 1, 3);
    assert_int_equal(model_op(f->model, dark->op)->state, OP_OPEN);
    assert_int_equal(model_op(f->model, dark->op)->n_breaks, 0);
    assert_true(id_is_none(f->model->cubes[0].owner));
    assert_int_equal(model_op(f->model, seen->op)->n_breaks, 48);
    assert_int_equal(id_compare(f->model->cubes[1].owner, seen->id), 0);
}

static void migrate_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create(f, "4x4x8"), *other = create(f, "4x4x4");
    static const struct {
        uint16_t cube, with;
        const char *code, *text;
    } rows[] = {
        {3, TPUNET_NONE, "invalid-request", "cube/3 is not of this slice"},
        {1, 2, "cube-unavailable", "cube/2 is not free: owned by"},
        {1, 9, "invalid-request", "no cube/9"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        migrate(f, slice->id, rows[i].cube, rows[i].with);
        assert_string_equal(f->reply.code, rows[i].code);
        assert_non_null(strstr(f->reply.text, rows[i].text));
        assert_int_equal(slice->state, SLICE_ACTIVE);
    }
    migrate(f, slice->id, 1, 3);
    assert_int_equal(f->reply.status, 0);
    migrate(f, other->id, 2, 0); /* slice has 0 and 3 now */
    assert_string_equal(f->reply.code, "cube-unavailable");
    f->mute[3] = true;
    migrate(f, slice->id, 3, 1);
    assert_int_equal(slice->state, SLICE_RECONFIGURING);
    assert_false(model_cube_free(f->model, 3, NULL, 0)); /* A8: both until it is done */
    assert_false(model_cube_free(f->model, 1, NULL, 0));
    migrate(f, slice->id, 1, 3);
    assert_string_equal(f->reply.code, "state-conflict");
    delete_slice(f, slice->id, 0);
    f->mute[3] = false;
    attach(f, 3);
    assert_int_equal(f->model->n_slices, 1);
    assert_int_equal(lit(f), 48);
    assert_true(model_cube_free(f->model, 3, NULL, 0));
}

static void a_done_word_without_light_is_not_done(void **state)
{
    static const uint16_t cubes[] = {2};
    struct fixture *f = *state;

    f->dark[5][2] = true;
    struct slice *slice = create_on(f, "4x4x4", cubes, 1);
    settle(f);
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_non_null(strstr(slice->reason, "port/5-n-2"));
    assert_true(f->model->ocs[5].suspect[TPUNET_NORTH][2]);
    assert_true(f->model->ocs[5].suspect[TPUNET_SOUTH][2]);
}

static void lost_answer_is_asked_again_on_attach(void **state)
{
    struct fixture *f = *state;

    f->mute[3] = true; /* it does the work and the answer is lost */
    struct slice *slice = create(f, "4x4x4");
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    f->mute[3] = false;
    unsigned before = f->applies;
    attach(f, 3);
    assert_int_equal(f->applies, before + 1);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void delete_waits_for_the_open_operation(void **state)
{
    struct fixture *f = *state;

    f->mute[3] = true;
    struct slice *slice = create(f, "4x4x4");
    struct id id = slice->id;
    delete_slice(f, id, 0);
    assert_int_equal(slice->state, SLICE_DEACTIVATING);
    assert_false(model_cube_free(f->model, 0, NULL, 0)); /* A8 */
    f->mute[3] = false;
    attach(f, 3);
    assert_null(model_slice(f->model, id));
    assert_int_equal(lit(f), 0);
    assert_int_equal(f->bring_ups, 0);
}

static void unreachable_switch_stops_new_slices_only(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create(f, "4x4x4");
    struct event lost = {.kind = EV_OCS_LOST, .ocs = {.ocs = 12}};

    (void)snprintf(lost.ocs.why, sizeof lost.ocs.why, "gone");
    step(f, &lost);
    assert_int_equal(f->model->ocs[12].state, OCS_STATE_UNREACHABLE);
    assert_int_equal(slice->state, SLICE_ACTIVE); /* D7 */
    assert_null(create(f, "4x4x4"));
    assert_string_equal(f->reply.code, "switch-unreachable");
    assert_non_null(strstr(f->reply.text, "ocs/12 UNREACHABLE since"));
    attach(f, 12);
    assert_non_null(create(f, "4x4x4"));
}

static void bad_verdict_fails_with_what_was_found(void **state)
{
    struct fixture *f = *state;

    f->bad_verdicts = true;
    struct slice *slice = create(f, "4x4x4");
    assert_int_equal(slice->state, SLICE_FAILED);
    assert_string_equal(slice->reason, "two fibres swapped");
}

static void verdict_of_an_older_generation_is_ignored(void **state)
{
    struct fixture *f = *state;

    f->hold_verdicts = true;
    struct slice *slice = create(f, "4x4x4");
    uint64_t generation = slice->generation;
    verdict(f, slice->id, generation - 1, true, false);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    verdict(f, slice->id, generation, true, false);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void superseded(struct fixture *f, uint16_t ocs, uint64_t epoch)
{
    struct event ev = {.kind = EV_OCS_SUPERSEDED,
                       .ocs = {.ocs = ocs, .identity = {.epoch = epoch, .instance = 5}}};
    step(f, &ev);
}

static void no_verdict_counts_while_the_switches_move(void **state)
{
    struct fixture *f = *state;

    f->mute[3] = true; /* the operation stays open */
    struct slice *slice = create(f, "4x4x4");
    verdict(f, slice->id, 0, true, false); /* nobody was asked yet */
    assert_int_equal(slice->state, SLICE_ACTIVATING);
    verdict(f, slice->id, 0, false, false);
    assert_int_equal(slice->state, SLICE_ACTIVATING);
}

static void epoch_taken_anew_asks_for_verdicts_again(void **state)
{
    struct fixture *f = *state;
    struct slice *active = create(f, "4x4x4");
    unsigned checks = f->checks;

    f->hold_verdicts = true;
    struct slice *pending = create(f, "4x4x4");
    uint64_t old_epoch = f->model->epoch, old_generation = pending->generation;
    unsigned asked = f->bring_ups;
    f->model->ocs[4].epoch = 0; /* never held by this process */
    superseded(f, 4, 41);
    assert_int_equal(f->bring_ups, asked + 1);
    assert_int_equal(f->checks, checks + 1);
    struct event late = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};
    *late.verdict = (struct verdict){
        .slice = pending->id, .epoch = old_epoch, .generation = old_generation, .ok = true};
    step(f, &late);
    assert_int_equal(pending->state, SLICE_ACTIVATING);
    verdict(f, pending->id, pending->generation, true, false);
    assert_int_equal(pending->state, SLICE_ACTIVE);
    assert_int_equal(active->state, SLICE_ACTIVE);
}

static void next_coordinator_takes_over_with_a_new_generation(void **state)
{
    struct fixture *f = *state;

    hello(f, "tpunetd/t2", 2, 0, 1); /* stands for host/0-0 from now on */
    f->hold_verdicts = true;
    struct slice *slice = create(f, "4x4x4");
    uint64_t generation = slice->generation;
    assert_int_equal(slice->coordinator, 0);
    for (int i = 0; i < 8; i++) { /* t1 speaks, t2 is silent */
        struct event seen = {.kind = EV_AGENT_SEEN, .agent = {.id = 1}};
        step(f, &seen);
        tick(f, 250);
    }
    assert_int_equal(slice->coordinator_agent, 1);
    assert_true(slice->generation > generation);
    assert_int_equal(f->model->hosts[0].health, HEALTH_HEALTHY); /* t1 stands for it, too */
    assert_int_equal(f->model->hosts[0].agent, 1);
    verdict(f, slice->id, slice->generation, true, false);
    assert_int_equal(slice->state, SLICE_ACTIVE);
}

static void our_own_stall_is_not_their_silence(void **state)
{
    struct fixture *f = *state;

    tick(f, 250);
    tick(f, 60000);
    assert_int_equal(f->model->n_agents, 1);
    assert_int_equal(f->model->hosts[5].health, HEALTH_HEALTHY);
}

static void stale_version_is_refused(void **state)
{
    struct fixture *f = *state;
    struct slice *slice = create(f, "4x4x4");

    delete_slice(f, slice->id, slice->version + 1);
    assert_int_equal(f->reply.status, E_STALE);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    delete_slice(f, slice->id, slice->version);
    assert_int_equal(f->reply.status, 0);
}

static void power_loss_is_put_right_in_one_operation(void **state)
{
    struct fixture *f = *state;
    struct slice *one = create(f, "4x4x8"), *two = create(f, "4x4x4");
    unsigned applies = f->applies, checks = f->checks;

    memset(f->map[9], 0xff, sizeof f->map[9]);
    attach(f, 9);
    assert_int_equal(f->applies, applies + 1);
    assert_int_equal(lit(f), 3 * 48);
    assert_int_equal(one->state, SLICE_ACTIVE);
    assert_int_equal(f->checks, checks + 2); /* both are looked at again */
    assert_true(one->verified && two->verified);
}

static void nothing_missing_nothing_moves(void **state)
{
    struct fixture *f = *state;

    assert_non_null(create(f, "4x4x8"));
    unsigned applies = f->applies;
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        attach(f, o);
    }
    assert_int_equal(f->applies, applies);
}

static void foreign_circuit_is_left_until_its_port_is_needed(void **state)
{
    struct fixture *f = *state;

    f->map[9][0] = 3; /* nobody intended this */
    attach(f, 9);
    assert_int_equal(f->model->ocs[9].foreign, 1);
    assert_int_equal(f->map[9][0], 3);
    static const uint16_t elsewhere[] = {1}, here[] = {0};
    assert_non_null(create_on(f, "4x4x4", elsewhere, 1));
    assert_int_equal(f->map[9][0], 3);
    struct slice *slice = create_on(f, "4x4x4", here, 1);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(f->map[9][0], 0);
    delete_slice(f, slice->id, 0);
    assert_int_equal(f->map[9][0], TPUNET_NONE);
}

static void after_a_restore_foreign_circuits_are_kept(void **state)
{
    static const uint16_t here[] = {0}, elsewhere[] = {1};
    struct fixture *f = *state;
    struct slice *slice = create_on(f, "4x4x4", elsewhere, 1);

    f->model->restored = true;
    f->map[9][0] = 3; /* of a slice made since the backup */
    f->map[9][1] = 2; /* where ours was */
    attach(f, 9);
    assert_int_equal(f->map[9][0], 3);
    assert_int_equal(f->map[9][1], 2); /* ours waits */
    assert_int_equal(slice->state, SLICE_ACTIVE);
    for (unsigned c = 0; c < CUBES; c++)
        assert_int_equal(f->model->cubes[c].health, HEALTH_QUARANTINED);
    assert_null(create_on(f, "4x4x4", here, 1));
    assert_non_null(strstr(f->reply.text, "QUARANTINED"));

    f->map[9][0] = f->map[9][1] = TPUNET_NONE; /* cleared at the switch */
    attach(f, 9);
    assert_false(f->model->restored);
    assert_int_equal(f->map[9][1], 1); /* put back */
    assert_non_null(create_on(f, "4x4x4", here, 1));
}

/* The switches keep what they connect; the database is one of before. */
static void forget_all(struct fixture *f)
{
    struct event start = {.kind = EV_START};

    model_destroy(f->model);
    f->model = model_create(&f->pod, 78);
    f->model->restored = true;
    step(f, &start);
    hello(f, "tpunetd/t1", 1, 0, CUBES * TPUNET_CUBE_HOSTS);
}

static void clear_quarantine(struct fixture *f, uint16_t cube)
{
    struct event ev = {.kind = EV_CLEAR_QUARANTINE, .cookie = 3, .clear = {.cube = cube}};

    step(f, &ev);
}

static struct slice *adopt(struct fixture *f, const char *topology, const uint16_t *cubes, size_t n)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, topology, false, NULL), 0);
    ev.create->adopt = true;
    ev.create->cubes = xmemdup(cubes, n * sizeof *cubes);
    ev.create->n_cubes = n;
    step(f, &ev);
    return f->reply.status == 0 ? model_slice(f->model, f->reply.id) : NULL;
}

static unsigned quarantined(const struct fixture *f)
{
    unsigned n = 0;

    for (unsigned c = 0; c < CUBES; c++) {
        n += f->model->cubes[c].health == HEALTH_QUARANTINED;
    }
    return n;
}

static void clearing_breaks_one_group(void **state)
{
    static const uint16_t pair[] = {1, 2}, one[] = {3};
    struct fixture *f = *state;
    bool group[MODEL_CUBES_MAX];

    (void)create_on(f, "4x4x8", pair, 2);
    (void)create_on(f, "4x4x4", one, 1);
    forget_all(f);
    assert_int_equal(quarantined(f), 3);
    assert_int_equal(core_quarantine_group(f->model, 2, group), 96);
    assert_true(group[1] && group[2] && !group[3] && !group[0]);

    clear_quarantine(f, 0);
    assert_int_equal(f->reply.status, E_CONFLICT);
    assert_string_equal(f->reply.code, "not-quarantined");
    clear_quarantine(f, 2);
    assert_int_equal(f->reply.status, 0);
    assert_int_equal(model_op(f->model, f->reply.id)->state, OP_DONE);
    assert_int_equal(lit(f), 48);
    assert_int_equal(quarantined(f), 1);
    assert_true(f->model->restored);
    assert_non_null(create_on(f, "4x4x8", pair, 2));
    assert_int_equal(lit(f), 48 + 96);

    clear_quarantine(f, 3);
    assert_int_equal(lit(f), 96);
    assert_int_equal(quarantined(f), 0);
    assert_false(f->model->restored);
}

static void a_mirror_that_does_not_move_keeps_the_quarantine(void **state)
{
    static const uint16_t one[] = {3};
    struct fixture *f = *state;

    (void)create_on(f, "4x4x4", one, 1);
    forget_all(f);
    stick(f, 7, 3);
    clear_quarantine(f, 3);
    assert_int_equal(f->reply.status, 0);
    struct id id = f->reply.id;
    for (int i = 0; i < 100 && model_op(f->model, id)->state == OP_OPEN; i++) {
        tick(f, 250);
    }
    assert_int_equal(model_op(f->model, id)->state, OP_FAILED);
    assert_non_null(strstr(model_op(f->model, id)->reason, "ocs/7 north 3"));
    assert_int_equal(lit(f), 1);
    assert_int_equal(quarantined(f), 1);
    f->stuck[7] = false;
    clear_quarantine(f, 3);
    assert_int_equal(lit(f), 0);
    assert_int_equal(quarantined(f), 0);
}

/* Refused only while an operation has yet to reach the switch, not once it gave up there. */
static void what_was_given_up_is_cleared_again(void **state)
{
    static const uint16_t one[] = {3};
    struct fixture *f = *state;

    (void)create_on(f, "4x4x4", one, 1);
    forget_all(f);
    stick(f, 7, 3);
    f->mute[8] = true;
    clear_quarantine(f, 3);
    struct id first = f->reply.id;
    clear_quarantine(f, 3);
    assert_string_equal(f->reply.code, "not-quarantined");
    assert_non_null(strstr(f->reply.text, "under way"));
    settle(f);
    assert_int_equal(model_op(f->model, first)->state, OP_OPEN); /* ocs/8 never answers */
    f->stuck[7] = false;
    clear_quarantine(f, 3);
    assert_int_equal(f->reply.status, 0);
    assert_int_equal(model_op(f->model, f->reply.id)->n_breaks, 1);
    assert_int_equal(f->map[7][3], TPUNET_NONE);
}

/* A backup says that a dead switch's port is fenced; since then it may have served. */
static void after_a_restore_no_fence_is_believed(void **state)
{
    struct fixture *f = *state;
    struct event start = {.kind = EV_START};
    struct part_fault dead = {.part = {.kind = PART_OCS, .ocs = 40}, .health = HEALTH_FAILED};
    struct lien lien = {.port = {40, TPUNET_NORTH, 2}, .slice = {1, 5}, .fenced = true};

    model_destroy(f->model);
    f->model = model_create(&f->pod, 78);
    f->model->restored = true;
    f->model->epoch = f->model->backup_epoch = 9;
    model_add_fault(f->model, &dead);
    model_add_lien(f->model, &lien);
    f->away[40] = f->hold_fences = true;
    step(f, &start);
    hello(f, "tpunetd/t1", 1, 0, CUBES * TPUNET_CUBE_HOSTS);
    assert_int_equal(f->model->n_liens, 2 * CUBES); /* nobody knows what it connects */
    for (unsigned c = 0; c < CUBES; c++) {
        assert_false(model_cube_free(f->model, c, NULL, 0));
    }
    assert_null(create_degradable(f, "4x4x4"));

    f->hold_fences = false;
    settle(f);
    assert_non_null(create_degradable(f, "4x4x4"));
    f->away[40] = false;
    speak(f, EV_CLEAR_PART, "ocs/40");
    settle(f);
    assert_int_equal(f->model->n_liens, 0);
}

/* The word came after the restore, the map before: then it is known. */
static void after_a_restore_a_switch_that_was_read_is_not_doubted(void **state)
{
    struct fixture *f = *state;

    forget_all(f);
    f->model->restored = true;
    speak(f, EV_FAIL_PART, "ocs/40");
    assert_int_equal(f->model->n_liens, 0);
    f->model->ocs[41].boot_id[0] = '\0';
    speak(f, EV_FAIL_PART, "ocs/41");
    assert_int_equal(f->model->n_liens, 2 * CUBES);
}

/* What the podmgr before has read of a FAILED switch, the next one has not. */
static void after_a_restore_each_start_doubts_failed_switches(void **state)
{
    struct event start = {.kind = EV_START};
    struct lien fenced = {.port = {40, TPUNET_NORTH, 2}, .slice = {11, 5}, .fenced = true};
    struct part_fault dead = {.part = {.kind = PART_OCS, .ocs = 40}, .health = HEALTH_FAILED};
    struct fixture *f = *state;

    model_destroy(f->model);
    f->model = model_create(&f->pod, 78);
    f->model->restored = true;
    f->model->backup_epoch = 9;
    f->model->epoch = 11;
    model_add_fault(f->model, &dead);
    model_add_lien(f->model, &fenced);
    f->away[40] = f->hold_fences = true;
    step(f, &start);
    hello(f, "tpunetd/t1", 1, 0, CUBES * TPUNET_CUBE_HOSTS);
    assert_int_equal(f->model->n_liens, 2 * CUBES);
    assert_true(model_lien(f->model, fenced.port)->fenced); /* it was fenced since the restore */
    assert_null(create_degradable(f, "4x4x4"));
}

static void what_is_adopted_does_not_move(void **state)
{
    static const uint16_t pair[] = {1, 2}, turned[] = {2, 0}, one[] = {1};
    struct fixture *f = *state;

    (void)create_on(f, "4x4x8", pair, 2);
    forget_all(f);
    assert_null(adopt(f, "4x4x8", one, 1));
    assert_string_equal(f->reply.code, "invalid-request");
    assert_null(adopt(f, "4x4x4", one, 1));
    assert_string_equal(f->reply.code, "cube-unavailable");
    assert_non_null(strstr(f->reply.text, "ocs/32 north 1 leads to south 2"));
    assert_null(adopt(f, "4x4x8", turned, 2));
    assert_non_null(strstr(f->reply.text, "cube/0 is HEALTHY"));
    assert_int_equal(f->model->n_slices, 0);

    struct slice *slice = adopt(f, "4x4x8", pair, 2);
    assert_non_null(slice);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(lit(f), 96);
    for (unsigned i = 0; i < 48; i++) {
        assert_int_equal(f->map[i][1], i < 32 ? 1 : 2);
    }
    assert_int_equal(quarantined(f), 0);
    assert_false(f->model->restored);
    delete_slice(f, slice->id, 0);
    assert_int_equal(lit(f), 0);
}

static struct id create_as(struct fixture *f, const char *caller, const char *key, uint8_t body)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, "4x4x4", false, NULL), 0);
    (void)snprintf(ev.create->key, sizeof ev.create->key, "%s", key);
    (void)snprintf(ev.create->caller, sizeof ev.create->caller, "%s", caller);
    ev.create->body_hash[SLICE_HASH_SIZE - 1] = body;
    step(f, &ev);
    return f->reply.id;
}

static struct id create_with_key(struct fixture *f, const char *key, uint8_t body)
{
    return create_as(f, "uid 1", key, body);
}

static void same_key_same_slice(void **state)
{
    struct fixture *f = *state;
    struct id first = create_with_key(f, "k1", 7);

    assert_int_equal(id_compare(create_with_key(f, "k1", 7), first), 0);
    assert_int_equal(f->model->n_slices, 1);
    (void)create_with_key(f, "k1", 8);
    assert_int_equal(f->reply.status, E_MISMATCH);
    assert_string_equal(f->reply.code, "idempotency-key-reused");
    assert_int_not_equal(id_compare(create_with_key(f, "k2", 7), first), 0);
    delete_slice(f, first, 0);
    assert_int_equal(id_compare(create_with_key(f, "k1", 7), first), 0); /* not a second one */
    assert_int_equal(f->model->n_slices, 1);
    tick(f, KEY_KEEP_MS);
    assert_int_equal(keys_count(f->model->keys), 0);
    assert_int_not_equal(id_compare(create_with_key(f, "k1", 7), first), 0);
}

static void a_key_is_its_callers(void **state)
{
    struct fixture *f = *state;
    struct id mine = create_as(f, "uid 1", "k", 7), yours = create_as(f, "uid 2", "k", 8);

    assert_int_not_equal(id_compare(mine, yours), 0);
    assert_int_equal(id_compare(create_as(f, "uid 1", "k", 7), mine), 0);
    assert_int_equal(id_compare(create_as(f, "uid 2", "k", 8), yours), 0);
    assert_int_equal(f->model->n_slices, 2);
}

/* Of an older database: nobody knows whose they are, or what was asked. */
static void old_keys_answer_everybody(void **state)
{
    struct fixture *f = *state;
    struct key_entry old = {.key = "old", .slice = {1, 77}, .at = f->now.wall};

    (void)keys_add(f->model->keys, &old);
    assert_int_equal(id_compare(create_as(f, "uid 1", "old", 7), old.slice), 0);
    assert_int_equal(id_compare(create_as(f, "uid 2", "old", 8), old.slice), 0);
    assert_int_equal(f->model->n_slices, 0);
}

static void refused_create_leaves_its_key_free(void **state)
{
    struct fixture *f = *state;

    assert_non_null(create(f, "4x4x8"));
    assert_non_null(create(f, "4x4x8"));
    (void)create_with_key(f, "k1", 7);
    assert_int_equal(f->reply.status, E_FULL);
    delete_slice(f, f->model->slices[0]->id, 0);
    (void)create_with_key(f, "k1", 7);
    assert_int_equal(f->reply.status, 0);
}

static void keys_are_found_through_growth_and_expiry(void **state)
{
    struct keys *keys = keys_create();
    struct key_entry entry = {.at = {1000}};
    uint64_t dropped = 0, number;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(entry.key, sizeof entry.key, "key-%d", i);
        (void)snprintf(entry.caller, sizeof entry.caller, "uid %d", i % 3);
        memcpy(entry.body_hash, &i, sizeof i);
        entry.at.ms = 1000 + i;
        assert_int_equal(keys_add(keys, &entry), (uint64_t)i + 1);
        if (i % 2 == 1) { /* one goes for each two that come */
            number = keys_expire_one(keys, (struct wall_ms){1000 + KEY_KEEP_MS + i / 2});
            assert_int_equal(number, ++dropped);
        }
    }
    assert_int_equal(keys_count(keys), 20000 - dropped);
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(entry.key, sizeof entry.key, "key-%d", i);
        (void)snprintf(entry.caller, sizeof entry.caller, "uid %d", i % 3);
        const struct key_entry *found = keys_find(keys, entry.caller, entry.key);
        assert_true(i < (int)dropped
                        ? found == NULL
                        : found != NULL && memcmp(found->body_hash, &i, sizeof i) == 0);
    }
    keys_destroy(keys);
}

static void newer_manager_stops_us(void **state)
{
    struct fixture *f = *state;

    superseded(f, 4, f->model->epoch + 1);
    assert_int_equal(f->stops, 1);
}

static void old_database_takes_an_epoch_above_all(void **state)
{
    struct fixture *f = *state;

    f->model->ocs[4].epoch = 0; /* never held by this process */
    superseded(f, 4, 41);
    assert_int_equal(f->stops, 0);
    assert_int_equal(f->model->epoch, 42);
    assert_non_null(create(f, "4x4x4"));
    assert_int_equal(f->reply.id.epoch, 42);
}

static void journal_has_no_gap(void **state)
{
    struct fixture *f = *state;
    uint64_t before = f->model->next_event;
    struct event ev = {.kind = EV_OCS_LOST, .ocs = {.ocs = 1}};

    ev.now = f->now;
    outbox_clear(&f->out);
    core_step(f->model, &ev, &f->out);
    assert_int_equal(f->out.n_journal, 1);
    assert_int_equal(f->out.journal[0].seq, before);
    core_step(f->model, &ev, &f->out); /* lost already: nothing new to say */
    assert_int_equal(f->out.n_journal, 1);
    assert_int_equal(f->model->next_event, before + 1);
}

static void one_audit_record_for_each_mutation(void **state)
{
    struct fixture *f = *state;
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1, .now = f->now};
    struct event again = {.kind = EV_DELETE_SLICE, .cookie = 2, .now = f->now};

    ev.create = xcalloc(1, sizeof *ev.create);
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, "4x4x4", false, NULL), 0);
    (void)snprintf(ev.who, sizeof ev.who, "unix uid 7 pid 8 admin");
    outbox_clear(&f->out);
    core_step(f->model, &ev, &f->out);
    event_fini(&ev);
    assert_int_equal(f->out.n_audits, 1);
    assert_string_equal(f->out.audits[0].who, "unix uid 7 pid 8 admin");
    assert_string_equal(f->out.audits[0].action, "slice.create");
    assert_string_equal(f->out.audits[0].before, "null");
    assert_non_null(strstr(f->out.audits[0].after, "\"state\":\"ACTIVATING\""));

    again.del.id = f->model->slices[0]->id;
    outbox_clear(&f->out);
    again.del.if_version = 99; /* refused */
    core_step(f->model, &again, &f->out);
    assert_int_equal(f->out.n_audits, 0);
    again.del.if_version = 0;
    core_step(f->model, &again, &f->out);
    core_step(f->model, &again, &f->out); /* asks for what already happens */
    assert_int_equal(f->out.n_audits, 1);
    assert_string_equal(f->out.audits[0].action, "slice.delete");
    assert_non_null(strstr(f->out.audits[0].before, "\"state\":\"ACTIVATING\""));
    assert_non_null(strstr(f->out.audits[0].after, "\"state\":\"DEACTIVATING\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(slice_lives_and_goes),
        TEST(no_two_slices_share_a_cube),
        TEST(placement_refusals_name_the_cube),
        TEST(sub_cube_shapes_are_refused_for_now),
        TEST(explicit_cubes_keep_their_order),
        TEST(stuck_mirror_fails_pinned_cubes_by_name),
        TEST(stuck_mirror_sends_the_slice_to_another_cube),
        TEST(a_done_word_without_light_is_not_done),
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
        TEST(a_failed_check_is_repeated),
        TEST(chips_without_routes_get_them_again),
        TEST(a_circuit_that_stood_already_is_judged),
        TEST(nobody_is_asked_while_circuits_are_missing),
        TEST(migrate_swaps_one_cube_in_one_operation),
        TEST(what_is_left_is_kept_by_what_stands),
        TEST(migrate_is_refused_by_name),
        TEST(lost_answer_is_asked_again_on_attach),
        TEST(delete_waits_for_the_open_operation),
        TEST(unreachable_switch_stops_new_slices_only),
        TEST(bad_verdict_fails_with_what_was_found),
        TEST(verdict_of_an_older_generation_is_ignored),
        TEST(no_verdict_counts_while_the_switches_move),
        TEST(epoch_taken_anew_asks_for_verdicts_again),
        TEST(next_coordinator_takes_over_with_a_new_generation),
        TEST(our_own_stall_is_not_their_silence),
        TEST(stale_version_is_refused),
        TEST(power_loss_is_put_right_in_one_operation),
        TEST(nothing_missing_nothing_moves),
        TEST(foreign_circuit_is_left_until_its_port_is_needed),
        TEST(after_a_restore_foreign_circuits_are_kept),
        TEST(clearing_breaks_one_group),
        TEST(a_mirror_that_does_not_move_keeps_the_quarantine),
        TEST(what_was_given_up_is_cleared_again),
        TEST(after_a_restore_no_fence_is_believed),
        TEST(after_a_restore_a_switch_that_was_read_is_not_doubted),
        TEST(after_a_restore_each_start_doubts_failed_switches),
        TEST(what_is_adopted_does_not_move),
        TEST(same_key_same_slice),
        TEST(a_key_is_its_callers),
        TEST(old_keys_answer_everybody),
        TEST(refused_create_leaves_its_key_free),
        cmocka_unit_test(keys_are_found_through_growth_and_expiry),
        TEST(newer_manager_stops_us),
        TEST(old_database_takes_an_epoch_above_all),
        TEST(journal_has_no_gap),
        TEST(one_audit_record_for_each_mutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
