#include "fault_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "fabric_device.h"
#include "ocs_device.h"
#include "sim_wiring.h"

enum { AGENT_RESTART_MS = 200, DEFAULT_LOSS_DB = 3 };

static int parse_target(const struct world *w, struct part *out, const char *text,
                        const struct fault_kind *kind, struct error *err)
{
    int status = part_parse(out, text, err);

    if (status < 0) {
        return status;
    }
    if (out->kind != kind->part) {
        return err_set(err, E_INVALID, "%s: '%s' breaks a target such as %s", text, kind->info.name,
                       kind->info.target);
    }
    bool port_fits = out->kind != PART_PORT || out->port < w->config->ports_per_side;
    if (out->cube >= w->config->cubes || !port_fits) {
        return err_set(err, E_INVALID, "%s: not in this pod of %u cubes, %u ports a side", text,
                       w->config->cubes, w->config->ports_per_side);
    }
    return 0;
}

static bool same_part(const struct part *a, const struct part *b)
{
    char x[80], y[80];
    return strcmp(part_format(a, x), part_format(b, y)) == 0;
}

/* ------------------------------------------------------------- parameters -- */

static int take_direction(const struct world *w, struct fault *f, const char *text,
                          struct error *err)
{
    (void)w;
    if (text == NULL || strcmp(text, "both") == 0) {
        return 0;
    }
    f->one_way = strcmp(text, "out") == 0;
    return f->one_way ? 0 : err_set(err, E_INVALID, "direction: '%s' is not out or both", text);
}

int fault_take_amount(const struct world *w, struct fault *f, const char *text, struct error *err)
{
    const struct fault_kind *kind = f->kind;
    char *end;

    (void)w;
    f->amount = text != NULL ? strtod(text, &end) : kind->dflt;
    if (text != NULL &&
        (*text == '\0' || *end != '\0' || !(f->amount >= kind->min && f->amount <= kind->max))) {
        return err_set(err, E_INVALID, "%s: '%s' is not a number from %g to %g", kind->info.key,
                       text, kind->min, kind->max);
    }
    return 0;
}

static int take_with(const struct world *w, struct fault *f, const char *text, struct error *err)
{
    if (text == NULL) {
        return err_set(err, E_INVALID, "swapped-fibres needs --set with=fibre/6+x-0-3");
    }
    int status = parse_target(w, &f->with, text, f->kind, err);
    if (status == 0 && same_part(&f->target, &f->with)) {
        status = err_set(err, E_INVALID, "with: the same fibre");
    }
    return status;
}

/* ------------------------------------------------------------------ kinds -- */

static void look_at_chip(struct world *w, uint32_t chip)
{
    for (unsigned p = 0; p < SIM_CHIP_PORTS; p++) {
        world_look(w, chip, p);
    }
}

static void kill_chip(struct world *w, uint32_t chip, bool on)
{
    w->chips[chip].dead = (uint8_t)(w->chips[chip].dead + (on ? 1 : -1));
    look_at_chip(w, chip);
}

/* As after a loss of power: without tables, all ports enabled. */
static void forget_all(struct sim_chip *chip)
{
    sim_bank_clear(&chip->active);
    sim_bank_clear(&chip->shadow);
    chip->fence = (struct sim_stamp){0};
    chip->disabled_mask = 0;
    chip->quiesced = false;
}

static void reset_chip(struct world *w, const struct fault *f, bool on)
{
    uint32_t chip = sim_chip_number(f->target.cube, f->target.at);

    if (on) {
        forget_all(&w->chips[chip]);
    }
    kill_chip(w, chip, on);
}

static void set_chip(struct world *w, const struct fault *f, bool on)
{
    kill_chip(w, sim_chip_number(f->target.cube, f->target.at), on);
}

/* Host h owns the chips with h = x/2 + 2 (y/2) + 4 z. */
static void set_host(struct world *w, const struct fault *f, bool on)
{
    unsigned h = f->target.host;

    for (unsigned k = 0; k < 4; k++) {
        uint8_t at[3] = {(uint8_t)(2 * (h % 2) + k % 2), (uint8_t)(2 * (h / 2 % 2) + k / 2),
                         (uint8_t)(h / 4)};
        kill_chip(w, sim_chip_number(f->target.cube, at), on);
    }
}

static void set_cube(struct world *w, const struct fault *f, bool on)
{
    for (uint32_t i = 0; i < SIM_CUBE_CHIPS; i++) {
        kill_chip(w, f->target.cube * (uint32_t)SIM_CUBE_CHIPS + i, on);
    }
}

static void set_link(struct world *w, const struct fault *f, bool on)
{
    uint32_t chip = sim_chip_number(f->target.cube, f->target.at);
    unsigned port = f->target.axis * 2U + f->target.minus;
    struct sim_chip *c = &w->chips[chip];
    uint8_t *count = f->one_way ? &c->mute[port] : &c->cut[port];

    *count = (uint8_t)(*count + (on ? 1 : -1));
    world_look(w, chip, port);
}

static void look_at_port(struct world *w, const struct part *port)
{
    const struct sim_ocs *o = &w->ocs[port->ocs];
    uint16_t far = port->south ? o->back[port->port] : o->map[port->port];

    world_look_ocs_port(w, port->ocs, port->south, port->port);
    if (far != SIM_NONE) {
        world_look_ocs_port(w, port->ocs, !port->south, far);
    }
}

static void set_dark(struct world *w, const struct fault *f, bool on)
{
    uint8_t *dark = &w->ocs[f->target.ocs].dark[f->target.south][f->target.port];

    *dark = (uint8_t)(*dark + (on ? 1 : -1));
    look_at_port(w, &f->target);
}

static void set_stuck(struct world *w, const struct fault *f, bool on)
{
    uint8_t *stuck = &w->ocs[f->target.ocs].stuck[f->target.south][f->target.port];
    *stuck = (uint8_t)(*stuck + (on ? 1 : -1));
}

static void set_loss(struct world *w, const struct fault *f, bool on)
{
    float *extra = &w->ocs[f->target.ocs].extra_loss_db[f->target.south][f->target.port];

    *extra += (float)(on ? f->amount : -f->amount);
    look_at_port(w, &f->target);
}

static void set_swap(struct world *w, const struct fault *f, bool on)
{
    const struct part *a = &f->target, *b = &f->with;

    (void)on; /* an exchange undoes itself */
    world_swap_fibres(w, sim_fibre_number(a->cube, a->axis, a->minus, a->a, a->b),
                      sim_fibre_number(b->cube, b->axis, b->minus, b->a, b->b));
}

static void set_agent(struct world *w, const struct fault *f, bool on)
{
    struct sim_ocs *o = &w->ocs[f->target.ocs];
    bool was_up = o->agent_down == 0;

    o->agent_down = (uint8_t)(o->agent_down + (on ? 1 : -1));
    bool is_up = o->agent_down == 0;
    if (was_up != is_up && w->on_agent != NULL) {
        w->on_agent(w->hook_arg, f->target.ocs, is_up);
    }
}

static void set_power(struct world *w, const struct fault *f, bool on)
{
    struct sim_ocs *o = &w->ocs[f->target.ocs];

    o->power_down = (uint8_t)(o->power_down + (on ? 1 : -1));
    if (on && o->power_down == 1) {
        sim_ocs_lose_power(w, f->target.ocs);
    }
    set_agent(w, f, on);
}

static const char any_link[] = "link/5-3-0-2+x", any_port[] = "port/12-n-5",
                  any_fibre[] = "fibre/5+x-0-3", any_ocs[] = "ocs/12";

static const struct fault_kind kinds[] = {
    {.info = {"link", any_link, "direction",
              "the link is down; --set direction=out: this end sends nothing"},
     .part = PART_LINK,
     .set = set_link,
     .take = take_direction},
    {.info = {"chip", "chip/5-3-0-2", NULL, "the chip is dead: no neighbour sees it"},
     .part = PART_CHIP,
     .set = set_chip},
    {.info = {"chip-reset", "chip/5-3-0-2", NULL, "the chip starts anew: its routes are lost"},
     .part = PART_CHIP,
     .set = reset_chip,
     .default_for_ns = AGENT_RESTART_MS * 1000000LL},
    {.info = {"host", "host/5-3", NULL, "the host's four chips are dead"},
     .part = PART_HOST,
     .set = set_host},
    {.info = {"cube", "cube/5", NULL, "all chips of the cube are dead"},
     .part = PART_CUBE,
     .set = set_cube},
    {.info = {"ocs-port", any_port, NULL, "the port is dark, whatever its mirror does"},
     .part = PART_PORT,
     .set = set_dark},
    {.info = {"stuck-mirror", any_port, NULL, "the mirror does not move from where it is"},
     .part = PART_PORT,
     .set = set_stuck},
    {.info = {"loss", any_port, "db", "extra insertion loss; --set db=2.5 (default 3)"},
     .part = PART_PORT,
     .set = set_loss,
     .take = fault_take_amount,
     .dflt = DEFAULT_LOSS_DB,
     .max = 60},
    {.info = {"swapped-fibres", any_fibre, "with",
              "two fibres exchanged; --set with=fibre/6+x-0-3"},
     .part = PART_FIBRE,
     .set = set_swap,
     .take = take_with},
    {.info = {"agent-restart", any_ocs, NULL, "the agent goes away and comes back; the map stays"},
     .part = PART_OCS,
     .set = set_agent,
     .default_for_ns = AGENT_RESTART_MS * 1000000LL},
    {.info = {"agent-down", any_ocs, NULL, "the agent is away until healed; the map stays"},
     .part = PART_OCS,
     .set = set_agent},
    {.info = {"power-loss", any_ocs, NULL, "power is gone until healed; the map is lost"},
     .part = PART_OCS,
     .set = set_power},
};

static const struct fault_kind *kind_at(size_t i)
{
    size_t rest = i - ARRAY_LEN(kinds);

    if (i < ARRAY_LEN(kinds)) {
        return &kinds[i];
    }
    return rest < n_health_fault_kinds ? &health_fault_kinds[rest] : NULL;
}

const struct fault_kind_info *fault_kind_at(size_t i)
{
    const struct fault_kind *kind = kind_at(i);
    return kind != NULL ? &kind->info : NULL;
}

const char *fault_kind_name(const struct fault *fault)
{
    return fault->kind->info.name;
}

/* ------------------------------------------------------------ inject, heal -- */

static const struct fault_kind *find_kind(const char *name, struct error *err)
{
    const struct fault_kind *kind;
    char list[448] = "";

    for (size_t i = 0; (kind = kind_at(i)) != NULL; i++) {
        if (strcmp(kind->info.name, name) == 0) {
            return kind;
        }
        size_t len = strlen(list);
        (void)snprintf(list + len, sizeof list - len, "%s%s", len > 0 ? ", " : "", kind->info.name);
    }
    (void)err_set(err, E_INVALID, "no fault kind '%s'; there are %s", name, list);
    return NULL;
}

static int take_parameter(const struct world *w, struct fault *f,
                          const struct fault_request *request, struct error *err)
{
    const struct fault_kind *kind = f->kind;

    if (request->key != NULL &&
        (kind->info.key == NULL || strcmp(kind->info.key, request->key) != 0)) {
        return err_set(err, E_INVALID, "'%s' has no '%s'; %s%s", kind->info.name, request->key,
                       kind->info.key != NULL ? "it has " : "it takes nothing",
                       kind->info.key != NULL ? kind->info.key : "");
    }
    return kind->take != NULL ? kind->take(w, f, request->value, err) : 0;
}

/* A swap of a swapped fibre could not be taken off alone. */
static int check_not_there(const struct world *w, const struct fault *new, struct error *err)
{
    char name[80];

    for (const struct fault *f = w->faults; f != NULL; f = f->next) {
        bool touches = same_part(&f->target, &new->target);
        if (f->kind == new->kind && f->kind->set == set_swap) {
            touches = touches || same_part(&f->with, &new->with) ||
                      same_part(&f->with, &new->target) || same_part(&f->target, &new->with);
        }
        if (f->kind == new->kind && touches) {
            return err_set(err, E_CONFLICT, "%s has this fault already: %s; heal it first",
                           part_format(&f->target, name), f->kind->info.name);
        }
    }
    return 0;
}

static void take_off(struct world *w, struct fault **at)
{
    struct fault *f = *at;

    *at = f->next;
    f->kind->set(w, f, false);
    free(f);
}

/* One event may find several faults whose time is up, and the next one none. */
static void on_expiry(void *arg)
{
    struct world *w = arg;
    int64_t now_ns = evq_now_ns(w->evq);

    for (struct fault **at = &w->faults; *at != NULL;) {
        if ((*at)->until_ns != 0 && (*at)->until_ns <= now_ns) {
            take_off(w, at);
        } else {
            at = &(*at)->next;
        }
    }
}

int fault_inject(struct world *w, const struct fault_request *request, struct error *err)
{
    struct fault f = {.kind = find_kind(request->kind, err)};

    if (f.kind == NULL) {
        return E_INVALID;
    }
    int status = parse_target(w, &f.target, request->target, f.kind, err);
    if (status == 0) {
        status = take_parameter(w, &f, request, err);
    }
    if (status == 0) {
        status = check_not_there(w, &f, err);
    }
    if (status < 0) {
        return status;
    }
    int64_t for_ns = request->for_ns > 0 ? request->for_ns : f.kind->default_for_ns;
    f.id = w->next_fault++;
    f.since_ns = evq_now_ns(w->evq);
    f.until_ns = for_ns > 0 ? f.since_ns + for_ns : 0;
    f.next = w->faults;
    w->faults = xmemdup(&f, sizeof f);
    if (for_ns > 0) {
        evq_at(w->evq, f.until_ns, on_expiry, w);
    }
    f.kind->set(w, w->faults, true);
    return 0;
}

int fault_heal(struct world *w, const char *target, struct error *err)
{
    struct part part;
    bool all = strcmp(target, "all") == 0;
    int healed = 0;

    if (!all && part_parse(&part, target, err) < 0) {
        return E_INVALID;
    }
    for (struct fault **at = &w->faults; *at != NULL;) {
        bool swap = (*at)->kind->set == set_swap;
        if (all || same_part(&(*at)->target, &part) || (swap && same_part(&(*at)->with, &part))) {
            take_off(w, at);
            healed++;
        } else {
            at = &(*at)->next;
        }
    }
    if (healed == 0 && !all) {
        return err_set(err, E_NOT_FOUND, "%s has no fault; see simctl status", target);
    }
    return healed;
}

void faults_destroy(struct world *w)
{
    while (w->faults != NULL) {
        struct fault *f = w->faults;
        w->faults = f->next;
        free(f);
    }
}
