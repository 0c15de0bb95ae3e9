#include "core/remedy.h"
#include "core/repair.h"
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
                                    .south_ports = PORTS,
                                    .light = true};

    (void)snprintf(identity.boot_id, sizeof identity.boot_id, "boot-%u", w->boots[ocs]);
    return identity;
}

static struct seen_circuit look(const struct world *w, uint16_t ocs, uint16_t north)
{
    return (struct seen_circuit){
        .north = north, .south = w->map[ocs][north], .loss_db = w->dark[ocs][north] ? 60.0F : 1.5F};
}

void cw_attach(struct world *w, uint16_t ocs)
{
    struct event ev = {.kind = EV_OCS_ATTACHED,
                       .ocs = {.ocs = ocs, .identity = identity_of(w, ocs)}};

    ev.ocs.seen = xcalloc(PORTS, sizeof *ev.ocs.seen);
    for (uint16_t p = 0; p < PORTS; p++) {
        if (w->map[ocs][p] != TPUNET_NONE) {
            ev.ocs.seen[ev.ocs.n_seen++] = look(w, ocs, p);
        }
    }
    cw_step(w, &ev);
}

/* Breaks come first. */
static const struct tpunet_xc *circuit_of(const struct op *op, size_t i)
{
    return i < op->n_breaks ? &op->breaks[i] : &op->makes[i - op->n_breaks];
}

static bool is_stuck(const struct world *w, const struct op *op, uint16_t ocs)
{
    bool stuck = false;

    for (size_t i = 0; i < op->n_breaks + op->n_makes && w->stuck[ocs]; i++) {
        const struct tpunet_xc *xc = circuit_of(op, i);
        stuck = stuck || (xc->ocs == ocs && xc->north == w->stuck_north[ocs]);
    }
    return stuck;
}

static void move(struct world *w, const struct tpunet_xc *xc, bool breaks)
{
    uint16_t *south = &w->map[xc->ocs][xc->north];

    if (!breaks) {
        *south = xc->south;
    } else if (*south == xc->south) {
        *south = TPUNET_NONE;
    }
}

/* Does what a faithful switch does: breaks, then makes; then reads back.  An
 * operation takes effect as a whole or not at all. */
static void apply(struct world *w, uint16_t ocs, struct id id)
{
    const struct op *op = model_op(w->model, id);
    struct event ev = {.kind = EV_OCS_APPLIED, .applied = {.ocs = ocs, .n_results = 1}};
    struct ocs_op_result *result = xcalloc(1, sizeof *result);

    assert_non_null(op); /* the intent is there before the command (D6) */
    w->applies++;
    w->last_op = id;
    w->last_wire = op->part[ocs].wire;
    result->op = id;
    result->mirror_fault = is_stuck(w, op, ocs);
    result->done = !result->mirror_fault;
    result->port = w->stuck_north[ocs];
    (void)snprintf(result->text, sizeof result->text, "%s", result->done ? "" : "mirror stuck");
    result->seen = xcalloc(op->n_breaks + op->n_makes, sizeof *result->seen);
    for (size_t i = 0; i < op->n_breaks + op->n_makes; i++) {
        const struct tpunet_xc *xc = circuit_of(op, i);
        if (xc->ocs == ocs) {
            if (result->done) {
                move(w, xc, i < op->n_breaks);
            }
            result->seen[result->n_seen++] = look(w, ocs, xc->north);
        }
    }
    ev.applied.results = result;
    ev.applied.identity = identity_of(w, ocs);
    if (w->mute[ocs]) {
        event_fini(&ev);
    } else {
        cw_step(w, &ev);
    }
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

static void take_missing(struct world *w, struct verdict *verdict)
{
    const struct slice *slice = model_slice(w->model, verdict->slice);

    for (size_t i = 0; i < w->n_missing; i++) {
        for (unsigned c = 0; c < slice->intent->n_cubes; c++) {
            if (slice->intent->cubes[c] == w->missing[i].chip / TPUNET_CUBE_CHIPS &&
                !is_known(w, slice, w->missing[i])) {
                verdict->down[verdict->n_down++] = w->missing[i];
            }
        }
    }
    if (verdict->n_down > 0) {
        verdict->ok = false;
        (void)snprintf(verdict->text, sizeof verdict->text, "missing links");
    }
}

void cw_verdict(struct world *w, struct id slice, uint64_t generation, bool ok, bool check_only)
{
    struct event ev = {.kind = EV_VERDICT, .verdict = xcalloc(1, sizeof(struct verdict))};

    *ev.verdict = (struct verdict){.slice = slice,
                                   .epoch = w->model->epoch,
                                   .generation = generation,
                                   .ok = ok,
                                   .check_only = check_only,
                                   .routes = {.unreachable_pairs = w->unreachable}};
    (void)snprintf(ev.verdict->text, sizeof ev.verdict->text, "%s", ok ? "" : "two fibres swapped");
    (void)snprintf(ev.verdict->routes.algorithm, sizeof ev.verdict->routes.algorithm, "dor");
    take_missing(w, ev.verdict);
    cw_step(w, &ev);
}

/* The agent disables what it is asked to. */
static void fence(struct world *w, const struct effect *effect)
{
    struct event ev = {.kind = EV_FENCED,
                       .fenced = {.epoch = effect->epoch, .generation = effect->generation}};

    ev.fenced.ports = xcalloc(64, sizeof *ev.fenced.ports);
    ev.fenced.n = core_unfenced(w->model, effect->agent, ev.fenced.ports, 64);
    cw_step(w, &ev);
}

static void hear(struct world *w, const struct effect *effect)
{
    bool refused = effect->reply.status < 0;

    w->status = effect->reply.status;
    w->made = effect->id;
    (void)snprintf(w->code, sizeof w->code, "%s", refused ? effect->reply.code : "");
    (void)snprintf(w->text, sizeof w->text, "%s", refused ? effect->reply.text : "");
}

static void carry_out(struct world *w, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_REPLY:
        hear(w, effect);
        return;
    case EFFECT_OCS_ATTACH:
        for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
            if ((effect->ocs == TPUNET_NONE || effect->ocs == o) && !w->dead[o]) {
                cw_attach(w, o);
            }
        }
        return;
    case EFFECT_OCS_APPLY:
        if (!w->dead[effect->ocs]) {
            apply(w, effect->ocs, effect->id);
        }
        return;
    case EFFECT_BRING_UP:
        *(effect->check_only ? &w->checks : &w->bring_ups) += 1;
        if (!w->is_slow) {
            cw_verdict(w, effect->id, effect->generation, !w->is_bad, effect->check_only);
        }
        return;
    case EFFECT_WATCH:
        w->watches++;
        return;
    case EFFECT_RELEASE:
        w->releases++;
        return;
    case EFFECT_PREFLIGHT:
        w->preflights++;
        return;
    case EFFECT_FENCE:
        w->fences++;
        if (!w->hold_fences) {
            fence(w, effect);
        }
        return;
    case EFFECT_STOP:
        w->stops++;
        return;
    }
    fail();
}

/* Carries the effects of one step out, as the shell does after the commit. */
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

void cw_hello(struct world *w, const char *name, uint64_t instance, unsigned from, unsigned to)
{
    struct event ev = {.kind = EV_AGENT_HELLO, .cookie = 9, .agent = {.instance = instance}};

    (void)snprintf(ev.agent.name, sizeof ev.agent.name, "%s", name);
    ev.agent.hosts = xcalloc(to - from, sizeof *ev.agent.hosts);
    for (unsigned h = from; h < to; h++) {
        ev.agent.hosts[ev.agent.n_hosts++] = (uint16_t)h;
    }
    cw_step(w, &ev);
}

void cw_tick(struct world *w, unsigned ms)
{
    struct event tick = {.kind = EV_TICK};

    w->now.mono.ns += ms * INT64_C(1000000);
    w->now.wall.ms += ms;
    cw_step(w, &tick);
}

static void live(struct world *w)
{
    struct event seen = {.kind = EV_AGENT_SEEN, .agent = {.id = 1}};

    if (w->agent_lives) {
        cw_step(w, &seen);
    }
}

void cw_pass(struct world *w, unsigned ms)
{
    for (unsigned at = 0; at < ms; at += TICK_MS) {
        live(w);
        cw_tick(w, TICK_MS);
    }
}

void cw_settle(struct world *w)
{
    for (int i = 0; i < 12; i++) {
        live(w);
        cw_tick(w, 250);
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
    cw_hello(w, "tpunetd/t1", 1, 0, CUBES * TPUNET_CUBE_HOSTS);
    cw_pass(w, 100);
    *state = w;
    return 0;
}

int cw_setup_unmended(void **state)
{
    int status = cw_setup(state);
    struct world *w = *state;

    w->pod.remedy = (struct remedy_policy){.mode = REMEDY_OFF};
    return status;
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

static struct slice *ask(struct world *w, const char *topology, bool accept_degraded,
                         const uint16_t *cubes, size_t n)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    ev.create->accept_degraded = accept_degraded;
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, topology, false, NULL), 0);
    if (cubes != NULL) {
        ev.create->cubes = xmemdup(cubes, n * sizeof *cubes);
        ev.create->n_cubes = n;
    }
    cw_step(w, &ev);
    return w->status == 0 ? model_slice(w->model, w->made) : NULL;
}

struct slice *cw_ask_on(struct world *w, const char *topology, const uint16_t *cubes, size_t n)
{
    return ask(w, topology, false, cubes, n);
}

struct slice *cw_ask(struct world *w, const char *topology)
{
    return ask(w, topology, false, NULL, 0);
}

struct slice *cw_ask_degradable(struct world *w, const char *topology)
{
    return ask(w, topology, true, NULL, 0);
}

static struct slice *create(struct world *w, bool accept_degraded, enum slice_state becomes)
{
    struct slice *slice = ask(w, "4x4x8", accept_degraded, NULL, 0);

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

void cw_delete(struct world *w, struct id id, uint64_t if_version)
{
    struct event ev = {
        .kind = EV_DELETE_SLICE, .cookie = 2, .del = {.id = id, .if_version = if_version}};

    cw_step(w, &ev);
}

void cw_speak(struct world *w, enum event_kind kind, const char *part)
{
    struct event ev = {.kind = kind, .cookie = 3};

    assert_int_equal(part_parse(&ev.word.part, part, NULL), 0);
    (void)snprintf(ev.word.reason, sizeof ev.word.reason, "smoke");
    (void)snprintf(ev.who, sizeof ev.who, "operator");
    w->status = 1;
    cw_step(w, &ev);
}

void cw_stick(struct world *w, uint16_t ocs, uint16_t north)
{
    w->stuck[ocs] = true;
    w->stuck_north[ocs] = north;
}

size_t cw_lit(const struct world *w)
{
    size_t n = 0;

    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        for (unsigned p = 0; p < PORTS; p++) {
            n += w->map[o][p] != TPUNET_NONE;
        }
    }
    return n;
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

struct ticket *cw_ticket(const struct world *w, const char *part)
{
    for (size_t i = tickets_count(w->model->tickets); i-- > 0;) {
        struct ticket *ticket = tickets_at(w->model->tickets, i);
        if (ticket->state != TICKET_CLOSED && strcmp(ticket->part, part) == 0) {
            return ticket;
        }
    }
    return NULL;
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
