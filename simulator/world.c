/* Wiring of the hardware: the + face fibre of cube c at in-face position
 * (a, b) of axis k goes to switch 16 k + a + 4 b, north port c; the - face
 * fibre to its south port c.  (a, b) are the coordinates on the two other
 * axes, in rising order. */
#include "world.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric_device.h"
#include "fault.h"
#include "mem.h"

static const float DARK_LOSS_DB = 60, LINK_BUDGET_DB = 8;

/* ---------------------------------------------------------------- names -- */

uint32_t sim_chip_number(unsigned cube, const uint8_t at[3])
{
    return cube * SIM_CUBE_CHIPS + at[0] + 4U * at[1] + 16U * at[2];
}

void sim_chip_name(uint32_t chip, char buf[static 32])
{
    (void)snprintf(buf, 32, "chip/%u-%u-%u-%u", chip / SIM_CUBE_CHIPS, chip % 4, chip / 4 % 4,
                   chip / 16 % 4);
}

unsigned sim_fibre_number(unsigned cube, unsigned axis, bool minus, unsigned a, unsigned b)
{
    return ((cube * 3 + axis) * 2 + minus) * 16 + a + 4 * b;
}

void sim_fibre_name(unsigned fibre, char buf[static 32])
{
    (void)snprintf(buf, 32, "fibre/%u%c%c-%u-%u", fibre / SIM_FIBRES_A_CUBE,
                   (fibre / 16 % 2) != 0 ? '-' : '+', "xyz"[fibre / 32 % 3], fibre % 4,
                   fibre / 4 % 4);
}

/* ----------------------------------------------------------------- chance -- */

static uint64_t mix(uint64_t z) /* SplitMix64 */
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

double world_random(struct world *w)
{
    w->rng += 0x9e3779b97f4a7c15ULL;
    return (double)(mix(w->rng) >> 11) * 0x1p-53;
}

static double gaussian(double u1, double u2)
{
    return sqrt(-2 * log(1 - u1)) * cos(2 * M_PI * u2);
}

int64_t world_mirror_time_ns(struct world *w)
{
    double median = w->config->mirror_median_ms, p99 = w->config->mirror_p99_ms;

    if (median <= 0) {
        return 0;
    }
    double sigma = p99 > median ? log(p99 / median) / 2.3263 : 0; /* 2.3263: 99th percentile */
    double u1 = world_random(w), u2 = world_random(w);
    return (int64_t)(median * exp(sigma * gaussian(u1, u2)) * 1e6);
}

float world_loss_db(const struct world *w, unsigned ocs, unsigned north)
{
    const struct sim_ocs *o = &w->ocs[ocs];
    unsigned south = o->map[north];

    if (south == SIM_NONE || o->dark[0][north] != 0 || o->dark[1][south] != 0) {
        return DARK_LOSS_DB;
    }
    /* Each pair of ports has a loss of its own that stays. */
    uint64_t h = mix(w->config->seed ^ mix((ocs * 1024ULL + north) * 1024ULL + south));
    double base = 1.3 + 0.2 * gaussian((double)(h >> 40) * 0x1p-24, (double)(h & 0xffffff) * 0x1p-24);
    base = base < 0.5 ? 0.5 : base > 1.9 ? 1.9 : base;
    return (float)base + o->extra_loss_db[0][north] + o->extra_loss_db[1][south];
}

/* ------------------------------------------------------------ who sees whom -- */

/* The chip port at the cube's end of a fibre. */
static uint32_t chip_of_fibre(unsigned fibre, unsigned *port)
{
    unsigned axis = fibre / 32 % 3, minus = fibre / 16 % 2;
    uint8_t at[3];

    at[axis] = minus != 0 ? 0 : 3;
    at[axis == 0 ? 1 : 0] = (uint8_t)(fibre % 4);
    at[axis == 2 ? 1 : 2] = (uint8_t)(fibre / 4 % 4);
    *port = axis * 2 + minus;
    return sim_chip_number(fibre / SIM_FIBRES_A_CUBE, at);
}

static bool light_leads(const struct world *w, unsigned fibre, unsigned *other)
{
    struct sim_port end = w->fibre_end[fibre];
    const struct sim_ocs *o = &w->ocs[end.ocs];
    unsigned far = end.south ? o->back[end.port] : o->map[end.port];

    if (far == SIM_NONE || world_loss_db(w, end.ocs, end.south ? far : end.port) > LINK_BUDGET_DB) {
        return false;
    }
    *other = w->port_fibre[(end.ocs * 2U + !end.south) * SIM_PORTS_MAX + far];
    return *other != UINT32_MAX;
}

static bool port_works(const struct world *w, uint32_t chip, unsigned port)
{
    const struct sim_chip *c = &w->chips[chip];
    return c->dead == 0 && c->cut[port] == 0 && (c->disabled_mask >> port & 1) == 0;
}

/* The truth, worked out from the parts. */
static uint32_t find_peer(const struct world *w, uint32_t chip, unsigned port)
{
    unsigned axis = port / 2, minus = port % 2, peer_port = port ^ 1U, fibre;
    static const uint32_t stride[3] = {1, 4, 16};
    unsigned at = chip / stride[axis] % 4;
    uint32_t peer;

    if (!port_works(w, chip, port)) {
        return UINT32_MAX;
    }
    if (at == (minus != 0 ? 0U : 3U)) { /* a face: through the light */
        unsigned u = axis == 0 ? 1 : 0, v = axis == 2 ? 1 : 2;
        unsigned mine = sim_fibre_number(chip / SIM_CUBE_CHIPS, axis, minus != 0,
                                         chip / stride[u] % 4, chip / stride[v] % 4);
        if (!light_leads(w, mine, &fibre)) {
            return UINT32_MAX;
        }
        peer = chip_of_fibre(fibre, &peer_port);
    } else {
        peer = minus != 0 ? chip - stride[axis] : chip + stride[axis];
    }
    return port_works(w, peer, peer_port) ? peer * 8 + peer_port : UINT32_MAX;
}

bool world_peer(const struct world *w, uint32_t chip, unsigned port, uint32_t *peer,
                unsigned *peer_port)
{
    uint32_t seen = w->seen[chip * SIM_CHIP_PORTS + port];

    *peer = seen / 8;
    *peer_port = seen % 8;
    return seen != UINT32_MAX;
}

static void log_link(struct world *w, uint32_t chip, unsigned port, bool up)
{
    w->log[w->log_next % SIM_LINK_LOG] = (struct sim_link_event){
        .seq = w->log_next, .chip = chip, .port = (uint8_t)port, .up = up};
    w->log_next++;
    if (w->on_link_events != NULL) {
        w->on_link_events(w->hook_arg);
    }
}

void world_look(struct world *w, uint32_t chip, unsigned port)
{
    uint32_t *seen = &w->seen[chip * SIM_CHIP_PORTS + port];
    uint32_t old = *seen, now = find_peer(w, chip, port);

    if (old == now) {
        return;
    }
    *seen = now;
    if (old != UINT32_MAX) {
        log_link(w, chip, port, false);
        world_look(w, old / 8, old % 8);
    }
    if (now != UINT32_MAX) {
        log_link(w, chip, port, true);
        world_look(w, now / 8, now % 8);
    }
}

void world_look_fibre(struct world *w, unsigned fibre)
{
    unsigned port;
    uint32_t chip = chip_of_fibre(fibre, &port);
    world_look(w, chip, port);
}

void world_look_ocs_port(struct world *w, unsigned ocs, bool south, unsigned port)
{
    uint32_t fibre = w->port_fibre[(ocs * 2 + south) * SIM_PORTS_MAX + port];

    if (fibre != UINT32_MAX) {
        world_look_fibre(w, fibre);
    }
}

static uint32_t *fibre_at(struct world *w, struct sim_port end)
{
    return &w->port_fibre[(end.ocs * 2U + end.south) * SIM_PORTS_MAX + end.port];
}

void world_swap_fibres(struct world *w, unsigned one, unsigned other)
{
    struct sim_port end = w->fibre_end[one];

    w->fibre_end[one] = w->fibre_end[other];
    w->fibre_end[other] = end;
    *fibre_at(w, w->fibre_end[one]) = one;
    *fibre_at(w, w->fibre_end[other]) = other;
    world_look_fibre(w, one);
    world_look_fibre(w, other);
}

/* ------------------------------------------------------------- life cycle -- */

static void wire(struct world *w)
{
    for (unsigned f = 0; f < w->config->cubes * SIM_FIBRES_A_CUBE; f++) {
        unsigned axis = f / 32 % 3, minus = f / 16 % 2, position = f % 16;
        w->fibre_end[f] = (struct sim_port){.ocs = (uint16_t)(16 * axis + position),
                                            .south = (uint8_t)minus,
                                            .port = (uint16_t)(f / SIM_FIBRES_A_CUBE)};
        *fibre_at(w, w->fibre_end[f]) = f;
    }
}

static int move_fibre(struct world *w, const struct sim_move *move, struct error *err)
{
    const struct part *f = &move->fibre, *p = &move->port;
    char fibre_name[80], port_name[80];

    (void)part_format(f, fibre_name);
    (void)part_format(p, port_name);
    if (f->cube >= w->config->cubes || p->port >= w->config->ports_per_side) {
        return err_set(err, E_CONFIG, "%s to %s: not in this pod", fibre_name, port_name);
    }
    unsigned number = sim_fibre_number(f->cube, f->axis, f->minus, f->a, f->b);
    struct sim_port to = {.ocs = p->ocs, .south = p->south, .port = p->port};
    if (to.ocs != w->fibre_end[number].ocs || to.south != w->fibre_end[number].south ||
        *fibre_at(w, to) != UINT32_MAX) {
        return err_set(err, E_CONFIG, "%s to %s: another switch or side, or the port is taken",
                       fibre_name, port_name);
    }
    *fibre_at(w, w->fibre_end[number]) = UINT32_MAX;
    w->fibre_end[number] = to;
    *fibre_at(w, to) = number;
    return 0;
}

static void power_on(struct world *w, unsigned number)
{
    struct sim_ocs *o = &w->ocs[number];

    (void)snprintf(o->boot_id, sizeof o->boot_id, "%02u-%016llx", number,
                   (unsigned long long)mix(w->config->seed * 64 + number));
    o->generation = 1;
    o->log = xcalloc(SIM_OP_LOG, sizeof *o->log);
    for (unsigned p = 0; p < SIM_PORTS_MAX; p++) {
        o->map[p] = o->back[p] = SIM_NONE;
    }
}

int world_create(struct world **out, const struct sim_config *config, struct error *err)
{
    struct world *w = xcalloc(1, sizeof *w);
    size_t n_ports = (size_t)SIM_OCSES * 2 * SIM_PORTS_MAX;
    int status = 0;

    w->config = config;
    w->evq = evq_create();
    w->rng = config->seed;
    w->incarnation = mix(config->seed + 1) | 1;
    w->n_chips = config->cubes * SIM_CUBE_CHIPS;
    w->chips = xcalloc(w->n_chips, sizeof *w->chips);
    w->seen = xcalloc((size_t)w->n_chips * SIM_CHIP_PORTS, sizeof *w->seen);
    w->fibre_end = xcalloc(config->cubes * (size_t)SIM_FIBRES_A_CUBE, sizeof *w->fibre_end);
    w->port_fibre = xcalloc(n_ports, sizeof *w->port_fibre);
    w->ocs = xcalloc(SIM_OCSES, sizeof *w->ocs);
    w->log = xcalloc(SIM_LINK_LOG, sizeof *w->log);
    w->log_next = 1;
    w->next_fault = 1;
    memset(w->port_fibre, 0xff, n_ports * sizeof *w->port_fibre);
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        power_on(w, o);
    }
    wire(w);
    for (size_t i = 0; i < config->n_moves && status == 0; i++) {
        status = move_fibre(w, &config->moves[i], err);
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
        free(w->ocs[o].log);
    }
    evq_destroy(w->evq);
    free(w->chips);
    free(w->seen);
    free(w->fibre_end);
    free(w->port_fibre);
    free(w->ocs);
    free(w->log);
    free(w);
}
