/* State, and who sees whom.  What a port sees is worked out from the parts when
 * one of them changes, and kept; the difference is an event in the link log. */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "fabric_device.h"
#include "fault.h"
#include "health_device.h"
#include "mem.h"
#include "sim_wiring.h"

static const float DARK_LOSS_DB = 60, LINK_BUDGET_DB = 8;

int64_t world_mirror_time_ns(struct world *w)
{
    return chance_mirror_ns(&w->rng, w->config->mirror_median_ms, w->config->mirror_p99_ms);
}

float world_loss_db(const struct world *w, unsigned ocs, unsigned north)
{
    const struct sim_ocs *o = &w->ocs[ocs];
    unsigned south = o->map[north];

    if (south == SIM_NONE || o->dark[0][north] != 0 || o->dark[1][south] != 0) {
        return DARK_LOSS_DB;
    }
    float loss_db = (float)chance_pair_loss_db(w->config->seed, ocs, north, south) +
                    o->extra_loss_db[0][north] + o->extra_loss_db[1][south];
    return loss_db < DARK_LOSS_DB ? loss_db : DARK_LOSS_DB;
}

/* ------------------------------------------------------- who sees whom -- */

/* The port at the other end of this fibre's circuit. */
static bool far_end(const struct world *w, unsigned fibre, struct sim_port *out)
{
    struct sim_port end = w->fibre_end[fibre];
    const struct sim_ocs *o = &w->ocs[end.ocs];

    *out = (struct sim_port){.ocs = end.ocs,
                             .south = !end.south,
                             .port = end.south ? o->back[end.port] : o->map[end.port]};
    return out->port != SIM_NONE;
}

bool world_wired(const struct world *w, uint32_t chip, unsigned port, uint32_t *peer,
                 unsigned *peer_port)
{
    static const uint32_t stride[3] = {1, 4, 16};
    struct sim_port far;
    unsigned fibre;

    if (!sim_chip_fibre(chip, port, &fibre)) {
        *peer = port % 2 != 0 ? chip - stride[port / 2] : chip + stride[port / 2];
        *peer_port = port ^ 1U;
        return true;
    }
    if (!far_end(w, fibre, &far)) {
        return false;
    }
    uint32_t other = w->port_fibre[(far.ocs * 2U + far.south) * SIM_PORTS_MAX + far.port];
    if (other == UINT32_MAX) {
        return false;
    }
    *peer = sim_fibre_chip(other, peer_port);
    return true;
}

static bool has_light(const struct world *w, uint32_t chip, unsigned port)
{
    struct sim_port far;
    unsigned fibre;

    if (!sim_chip_fibre(chip, port, &fibre)) {
        return true; /* copper */
    }
    if (!far_end(w, fibre, &far)) {
        return false;
    }
    unsigned north = far.south ? w->fibre_end[fibre].port : far.port;
    return world_loss_db(w, far.ocs, north) <= LINK_BUDGET_DB;
}

static bool port_works(const struct world *w, uint32_t chip, unsigned port)
{
    const struct sim_chip *c = &w->chips[chip];
    return c->dead == 0 && c->cut[port] == 0 && (c->disabled_mask >> port & 1) == 0;
}

/* The truth, worked out from the parts. */
static uint32_t find_peer(const struct world *w, uint32_t chip, unsigned port)
{
    uint32_t peer;
    unsigned peer_port;

    if (!port_works(w, chip, port) || !has_light(w, chip, port) ||
        !world_wired(w, chip, port, &peer, &peer_port) || !port_works(w, peer, peer_port) ||
        w->chips[peer].mute[peer_port] != 0) {
        return UINT32_MAX;
    }
    return peer * 8 + peer_port;
}

bool world_peer(const struct world *w, uint32_t chip, unsigned port, uint32_t *peer,
                unsigned *peer_port)
{
    uint32_t seen = w->seen[chip * SIM_CHIP_PORTS + port];

    *peer = seen / 8;
    *peer_port = seen % 8;
    return seen != UINT32_MAX;
}

bool world_link(const struct world *w, uint32_t chip, unsigned port, uint32_t *peer,
                unsigned *peer_port)
{
    return world_peer(w, chip, port, peer, peer_port) &&
           w->seen[*peer * SIM_CHIP_PORTS + *peer_port] == chip * 8 + port;
}

static void log_link(struct world *w, uint32_t chip, unsigned port, bool up)
{
    w->log[w->log_next % SIM_LINK_LOG] =
        (struct sim_link_event){.seq = w->log_next, .chip = chip, .port = (uint8_t)port, .up = up};
    w->log_next++;
    if (w->on_link_events != NULL) {
        w->on_link_events(w->hook_arg);
    }
}

static void look_from(struct world *w, uint32_t chip, unsigned port)
{
    uint32_t *seen = &w->seen[chip * SIM_CHIP_PORTS + port];
    uint32_t old = *seen, now = find_peer(w, chip, port);

    if (old == now) {
        return;
    }
    *seen = now;
    if (old != UINT32_MAX) {
        log_link(w, chip, port, false);
        look_from(w, old / 8, old % 8);
    }
    if (now != UINT32_MAX) {
        log_link(w, chip, port, true);
        look_from(w, now / 8, now % 8);
    }
}

void world_look(struct world *w, uint32_t chip, unsigned port)
{
    uint32_t peer;
    unsigned peer_port;

    look_from(w, chip, port);
    if (world_wired(w, chip, port, &peer, &peer_port)) {
        look_from(w, peer, peer_port); /* a mute end is seen by nobody, yet sees */
    }
}

static void look_at_fibre(struct world *w, unsigned fibre)
{
    unsigned port;
    uint32_t chip = sim_fibre_chip(fibre, &port);
    world_look(w, chip, port);
}

void world_look_ocs_port(struct world *w, unsigned ocs, bool south, unsigned port)
{
    uint32_t fibre = w->port_fibre[(ocs * 2 + south) * SIM_PORTS_MAX + port];

    if (fibre != UINT32_MAX) {
        look_at_fibre(w, fibre);
    }
}

void world_swap_fibres(struct world *w, unsigned one, unsigned other)
{
    sim_swap_fibres(w, one, other);
    look_at_fibre(w, one);
    look_at_fibre(w, other);
}

/* ------------------------------------------------------------- life cycle -- */

void world_new_boot(struct world *w, unsigned number)
{
    struct sim_ocs *o = &w->ocs[number];
    uint64_t id = w->config->seed ^ chance_mix(w->config->run);

    o->boots++;
    (void)snprintf(o->boot_id, sizeof o->boot_id, "%02u-%016" PRIx64, number,
                   chance_mix(chance_mix(id) + number * 65536ULL + o->boots));
}

static void create_ocs(struct world *w, unsigned number)
{
    struct sim_ocs *o = &w->ocs[number];

    o->generation = 1;
    o->log = op_log_create();
    for (unsigned p = 0; p < SIM_PORTS_MAX; p++) {
        o->map[p] = o->back[p] = SIM_NONE;
    }
    world_new_boot(w, number);
}

int world_create(struct world **out, const struct sim_config *config, struct error *err)
{
    struct world *w = xcalloc(1, sizeof *w);
    size_t n_ports = (size_t)SIM_OCSES * 2 * SIM_PORTS_MAX;
    int status = 0;

    w->config = config;
    w->evq = evq_create();
    w->rng = config->seed;
    w->incarnation = chance_mix(config->seed + chance_mix(config->run + 1)) | 1;
    w->n_chips = config->cubes * SIM_CUBE_CHIPS;
    w->chips = xcalloc(w->n_chips, sizeof *w->chips);
    w->seen = xcalloc((size_t)w->n_chips * SIM_CHIP_PORTS, sizeof *w->seen);
    w->fibre_end = xcalloc(config->cubes * (size_t)SIM_FIBRES_A_CUBE, sizeof *w->fibre_end);
    w->port_fibre = xcalloc(n_ports, sizeof *w->port_fibre);
    w->ocs = xcalloc(SIM_OCSES, sizeof *w->ocs);
    w->log = xcalloc(SIM_LINK_LOG, sizeof *w->log);
    w->instruments = sim_instruments_create(w);
    w->log_next = 1;
    w->next_fault = 1;
    memset(w->port_fibre, 0xff, n_ports * sizeof *w->port_fibre);
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        create_ocs(w, o);
    }
    sim_wire(w);
    for (size_t i = 0; i < config->n_moves && status == 0; i++) {
        status = sim_move_fibre(w, &config->moves[i], err);
    }
    if (status < 0) {
        world_destroy(w);
        return status;
    }
    for (uint32_t i = 0; i < w->n_chips * SIM_CHIP_PORTS; i++) {
        w->seen[i] = find_peer(w, i / SIM_CHIP_PORTS, i % SIM_CHIP_PORTS);
    }
    *out = w;
    return 0;
}

void world_destroy(struct world *w)
{
    if (w == NULL) {
        return;
    }
    faults_destroy(w);
    for (uint32_t c = 0; c < w->n_chips; c++) {
        sim_bank_clear(&w->chips[c].active);
        sim_bank_clear(&w->chips[c].shadow);
    }
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        op_log_destroy(w->ocs[o].log);
    }
    sim_instruments_destroy(w->instruments);
    evq_destroy(w->evq);
    free(w->chips);
    free(w->seen);
    free(w->fibre_end);
    free(w->port_fibre);
    free(w->ocs);
    free(w->log);
    free(w);
}
