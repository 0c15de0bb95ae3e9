#include "core/remedy.h"
#include "core_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"

static void pump(struct world *w);

static void note_advice(struct world *w, const struct journal_entry *entry)
{
    json_t *data = json_loads(entry->data, 0, NULL);
    const char *advice = json_string_value(json_object_get(data, "advice"));
    size_t len = strlen(w->advice);

    if (strncmp(entry->type, "slice.", 6) == 0) {
        assert_non_null(advice);
        (void)snprintf(w->advice + len, sizeof w->advice - len, "%s=%s ", entry->type + 6, advice);
        json_decref(w->last);
        w->last = json_incref(data);
    }
    json_decref(data);
}

void cw_step(struct world *w, struct event *ev)
{
    ev->now = w->now;
    ev->arrived = w->now.mono;
    outbox_clear(&w->out);
    core_step(w->model, ev, &w->out);
    event_fini(ev);
    w->audits += (unsigned)w->out.n_audits;
    for (size_t i = 0; i < w->out.n_journal; i++) {
        size_t len = strlen(w->journal);
        (void)snprintf(w->journal + len, sizeof w->journal - len, "%s ", w->out.journal[i].type);
        note_advice(w, &w->out.journal[i]);
    }
    pump(w);
}

static struct ocs_identity identity_of(const struct world *w, uint16_t ocs)
{
    struct ocs_identity identity = {.epoch = w->model->epoch,
                                    .instance = w->model->instance,
                                    .north_ports = PORTS,
                                    .south_ports = PORTS};

    (void)snprintf(identity.boot_id, sizeof identity.boot_id, "boot-%u", w->boots[ocs]);
    return identity;
}

void cw_attach(struct world *w, uint16_t ocs)
{
    struct event ev = {.kind = EV_OCS_ATTACHED,
                       .ocs = {.ocs = ocs, .identity = identity_of(w, ocs)}};

    ev.ocs.seen = xcalloc(PORTS, sizeof *ev.ocs.seen);
    for (uint16_t p = 0; p < PORTS; p++) {
        if (w->map[ocs][p] != TPUNET_NONE) {
            ev.ocs.seen[ev.ocs.n_seen++] =
                (struct seen_circuit){.north = p, .south = w->map[ocs][p], .loss_db = 1};
        }
    }
    cw_step(w, &ev);
}

static void apply(struct world *w, uint16_t ocs, struct id id)
{
    const struct op *op = model_op(w->model, id);
    struct event ev = {.kind = EV_OCS_APPLIED, .applied = {.ocs = ocs, .n_results = 1}};
    struct ocs_op_result *result = xcalloc(1, sizeof *result);

    assert_non_null(op);
    w->last_op = id;
    result->op = id;
    result->done = true;
    result->seen = xcalloc(op->n_breaks + op->n_makes, sizeof *result->seen);
    for (size_t i = 0; i < op->n_breaks + op->n_makes; i++) {
        bool breaks = i < op->n_breaks;
        const struct tpunet_xc *xc = breaks ? &op->breaks[i] : &op->makes[i - op->n_breaks];
        if (xc->ocs == ocs) {
            w->map[ocs][xc->north] = breaks ? TPUNET_NONE : xc->south;
            result->seen[result->n_seen++] = (struct seen_circuit){
                .north = xc->north, .south = w->map[ocs][xc->north], .loss_db = 1};
        }
    }
    ev.applied.results = result;
    ev.applied.identity = identity_of(w, ocs);
    cw_step(w, &ev);
}

/* Nobody looks for a link that is known to be dead; named by its + end. */
static bool is_known(const struct world *w, const struct slice *slice, struct chip_port end)
{
    struct chip_port dead[TPUNET_OCSES * CUBES];
    size_t n = core_dead_links(w->model, slice, dead, ARRAY_LEN(dead));

    while (n > 0 && (dead[n - 1].chip != end.chip || dead[n - 1].port != end.port)) {
        n--;
    }
    return n > 0;
}

static void approve(struct world *w, const struct effect *effect)
{
    struct event ev = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};

    *ev.verdict = (struct verdict){.slice = effect->id,
                                   .epoch = w->model->epoch,
                                   .generation = effect->generation,
                                   .check_only = effect->check_only};
    const struct slice *slice = model_slice(w->model, effect->id);
    for (size_t i = 0; i < w->n_missing; i++) {
        for (unsigned c = 0; c < slice->intent->n_cubes; c++) {
            if (slice->intent->cubes[c] == w->missing[i].chip / TPUNET_CUBE_CHIPS &&
                !is_known(w, slice, w->missing[i])) {
                ev.verdict->down[ev.verdict->n_down++] = w->missing[i];
            }
        }
    }
    ev.verdict->ok = ev.verdict->n_down == 0;
    (void)snprintf(ev.verdict->text, sizeof ev.verdict->text, "missing links");
    cw_step(w, &ev);
}

static void carry_out(struct world *w, const struct effect *effect)
{
    if (effect->kind == EFFECT_REPLY) {
        w->status = effect->reply.status;
        (void)snprintf(w->code, sizeof w->code, "%s",
                       effect->reply.status < 0 ? effect->reply.code : "");
        (void)snprintf(w->text, sizeof w->text, "%s",
                       effect->reply.status < 0 ? effect->reply.text : "");
        w->made = effect->id;
    } else if (effect->kind == EFFECT_OCS_ATTACH) {
        for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
            if ((effect->ocs == TPUNET_NONE || effect->ocs == o) && !w->dead[o]) {
                cw_attach(w, o);
            }
        }
    } else if (effect->kind == EFFECT_OCS_APPLY && !w->dead[effect->ocs]) {
        apply(w, effect->ocs, effect->id);
    } else if (effect->kind == EFFECT_BRING_UP && !w->is_slow) {
        approve(w, effect);
    }
}

static void pump(struct world *w)
{
    struct effect *effects = w->out.effects;
    size_t n = w->out.n_effects;

    w->out.effects = NULL;
    w->out.n_effects = w->out.cap_effects = 0;
    for (size_t i = 0; i < n; i++) {
        carry_out(w, &effects[i]);
        free(effects[i].reply.text);
    }
    free(effects);
}

void cw_hello(struct world *w)
{
    struct event ev = {.kind = EV_AGENT_HELLO, .agent = {.name = "tpunetd/t1", .instance = 1}};

    ev.agent.hosts = xcalloc(CUBES * TPUNET_CUBE_HOSTS, sizeof *ev.agent.hosts);
    for (uint16_t h = 0; h < CUBES * TPUNET_CUBE_HOSTS; h++) {
        ev.agent.hosts[ev.agent.n_hosts++] = h;
    }
    cw_step(w, &ev);
}

void cw_pass(struct world *w, unsigned ms)
{
    for (unsigned at = 0; at < ms; at += TICK_MS) {
        struct event tick = {.kind = EV_TICK}, seen = {.kind = EV_AGENT_SEEN, .agent = {.id = 1}};
        w->now.mono.ns += TICK_MS * INT64_C(1000000);
        w->now.wall.ms += TICK_MS;
        if (w->agent_lives) {
            cw_step(w, &seen);
        }
        cw_step(w, &tick);
    }
}

int cw_setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct event start = {.kind = EV_START};

    w->pod = (struct pod){.id = "test",
                          .n_cubes = CUBES,
                          .ports_per_side = PORTS,
                          .vc_classes = 3,
                          .loss_db_max = 3,
                          .lease_ms = 1500,
                          .remedy = {.mode = REMEDY_AUTO,
                                     .cubes_out_max = 4,
                                     .swaps_per_hour_max = 8,
                                     .confidence_min = 0.6}};
    assert_int_equal(tpunet_wiring_create(&w->pod.wiring, CUBES, PORTS, NULL, 0, NULL), 0);
    w->model = model_create(&w->pod, 77);
    w->now = (struct now){.mono = {1000000000}, .wall = {1700000000000}};
    w->agent_lives = true;
    outbox_init(&w->out);
    memset(w->map, 0xff, sizeof w->map);
    cw_step(w, &start);
    cw_hello(w);
    cw_pass(w, 100);
    *state = w;
    return 0;
}

int cw_teardown(void **state)
{
    struct world *w = *state;

    json_decref(w->last);
    model_destroy(w->model);
    tpunet_wiring_destroy(w->pod.wiring);
    outbox_fini(&w->out);
    free(w);
    return 0;
}

static struct slice *create(struct world *w, bool accept_degraded, enum slice_state becomes)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    ev.create->accept_degraded = accept_degraded;
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, "4x4x8", false, NULL), 0);
    cw_step(w, &ev);
    assert_int_equal(w->status, 0);
    struct slice *slice = model_slice(w->model, w->made);
    assert_non_null(slice);
    assert_int_equal(slice->state, becomes);
    cw_pass(w, 100);
    return slice;
}

struct slice *cw_create(struct world *w, bool accept_degraded)
{
    return create(w, accept_degraded, SLICE_ACTIVE);
}

struct slice *cw_create_degraded(struct world *w)
{
    return create(w, true, SLICE_ACTIVE_DEGRADED);
}

void cw_silence(struct world *w, uint16_t ocs)
{
    struct event ev = {.kind = EV_OCS_LOST, .ocs = {.ocs = ocs, .why = "no answer"}};

    w->dead[ocs] = true;
    cw_step(w, &ev);
}

void cw_lose_power(struct world *w, uint16_t ocs)
{
    memset(w->map[ocs], 0xff, sizeof w->map[ocs]);
    cw_silence(w, ocs);
}

const struct part_fault *cw_fault(const struct world *w, const char *name)
{
    struct part part;

    assert_int_equal(part_parse(&part, name, NULL), 0);
    return model_fault(w->model, &part);
}

void cw_cut(struct world *w, const struct slice *slice, uint32_t chip, unsigned port)
{
    uint32_t end = riskmap_end(chip, port),
             far = riskmap_far_end(symptoms_map(w->model->remediation->symptoms), end);
    struct event ev = {.kind = EV_LINKS, .links = {.n = far == RISKMAP_NONE ? 1 : 2}};

    ev.links.links = xcalloc(2, sizeof *ev.links.links);
    ev.links.links[0] =
        (struct link_change){.slice = slice->id, .chip = chip, .port = (uint8_t)port};
    if (far != RISKMAP_NONE) {
        ev.links.links[1] = (struct link_change){
            .slice = slice->id, .chip = far / TPUNET_PORTS, .port = (uint8_t)(far % TPUNET_PORTS)};
    }
    cw_step(w, &ev);
}

void cw_kill_host(struct world *w, const struct slice *slice, uint16_t cube, unsigned host)
{
    for (unsigned k = 0; k < 4; k++) {
        uint32_t chip = tpunet_chip_number(tpunet_host_chip(cube, host, k));
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            cw_cut(w, slice, chip, port);
        }
    }
}

void cw_cut_switch(struct world *w, const struct slice *slice, uint16_t ocs)
{
    for (uint16_t p = 0; p < PORTS; p++) {
        const struct circuit *c = &w->model->ocs[ocs].north[p];
        struct chip_port end;
        if (c->south != TPUNET_NONE && id_compare(c->slice, slice->id) == 0 &&
            model_chip_port(w->model, (struct tpunet_ocs_port){ocs, TPUNET_NORTH, p}, &end)) {
            cw_cut(w, slice, end.chip, end.port);
        }
    }
}
