#include "pod_faults.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { LEASE_MS = 1500, JITTER_MS = 300, LATE_MS = 3000 };

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

uint64_t pod_random(struct pod_faults *pf, uint64_t below)
{
    return next(&pf->rng) % below;
}

static bool happens(struct pod_faults *pf, double probability)
{
    return (double)(next(&pf->rng) >> 11) * 0x1p-53 < probability;
}

/* ------------------------------------------------------------------ pod -- */

static void make_slice(struct pod_faults *pf, const char *shape_text, const uint16_t *cubes)
{
    struct tpunet_shape shape;
    struct tpunet_intent *intent;
    struct tpunet_xc *xcs;
    size_t n;

    bool ok = tpunet_shape_parse(&shape, shape_text, false, NULL) == 0 &&
              tpunet_intent_create(&intent, &shape, cubes, tpunet_shape_cubes(&shape), NULL) == 0 &&
              tpunet_intent_xcs(intent, pf->wiring, &xcs, &n, NULL) == 0;
    assert(ok);
    for (size_t i = 0; i < n; i++) {
        pf->south_of[xcs[i].ocs][xcs[i].north] = xcs[i].south;
        pf->north_of[xcs[i].ocs][xcs[i].south] = xcs[i].north;
        riskmap_set_circuit(pf->map, xcs[i].ocs, xcs[i].north, xcs[i].south);
    }
    for (unsigned i = 0; i < intent->n_cubes; i++) {
        pf->used[cubes[i]] = true;
    }
    free(xcs);
    tpunet_intent_destroy(intent);
}

static void make_slices(struct pod_faults *pf, bool half_loaded)
{
    static const char *const full[] = {"8x16x16", "8x8x16", "8x8x8", "4x8x8",
                                       "4x4x8",   "4x4x4",  "4x4x4", NULL};
    uint16_t cubes[POD_CUBES];
    unsigned at = 0;

    for (unsigned c = 0; c < POD_CUBES; c++) {
        cubes[c] = (uint16_t)c;
    }
    for (unsigned c = POD_CUBES; c-- > 1;) {
        uint64_t other = pod_random(pf, c + 1);
        uint16_t cube = cubes[c];
        cubes[c] = cubes[other];
        cubes[other] = cube;
    }
    for (const char *const *shape = full + half_loaded; *shape != NULL; shape++) {
        struct tpunet_shape parsed;
        (void)tpunet_shape_parse(&parsed, *shape, false, NULL);
        make_slice(pf, *shape, cubes + at);
        at += tpunet_shape_cubes(&parsed);
    }
}

static void name_power(struct pod_faults *pf)
{
    char id[8];

    for (unsigned c = 0; c < POD_CUBES; c++) {
        struct part part = {.kind = PART_CUBE, .cube = (uint16_t)c};
        (void)snprintf(id, sizeof id, "r%u", c / 4);
        (void)riskmap_add_power(pf->map, id, &part, NULL);
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        struct part part = {.kind = PART_OCS, .ocs = (uint16_t)o};
        (void)snprintf(id, sizeof id, "s%u", o / 6);
        (void)riskmap_add_power(pf->map, id, &part, NULL);
    }
}

void pod_faults_init(struct pod_faults *pf, uint64_t seed, bool half_loaded)
{
    memset(pf, 0, sizeof *pf);
    pf->rng = seed;
    memset(pf->south_of, 0xFF, sizeof pf->south_of);
    memset(pf->north_of, 0xFF, sizeof pf->north_of);
    int rc = tpunet_wiring_create(&pf->wiring, POD_CUBES, POD_PORTS, NULL, 0, NULL);
    assert(rc == 0);
    pf->map = riskmap_create(pf->wiring, POD_HOSTS);
    name_power(pf);
    make_slices(pf, half_loaded);
    for (unsigned h = 0; h < POD_HOSTS; h++) {
        riskmap_set_observer(pf->map, h, h, true);
    }
    for (unsigned c = 0; c < POD_CUBES; c++) {
        riskmap_set_watched(pf->map, c, pf->used[c]);
    }
}

void pod_faults_fini(struct pod_faults *pf)
{
    riskmap_destroy(pf->map);
    tpunet_wiring_destroy(pf->wiring);
    free(pf->symptoms);
}

/* ---------------------------------------------------------------- break -- */

static void kill_host(struct pod_faults *pf, uint32_t host)
{
    pf->host_dead[host] = pf->host_silent[host] = true;
    for (unsigned k = 0; k < 4; k++) {
        struct tpunet_chip chip =
            tpunet_host_chip((uint16_t)(host / TPUNET_CUBE_HOSTS), host % TPUNET_CUBE_HOSTS, k);
        pf->chip[tpunet_chip_number(chip)] = true;
    }
}

static void cut_copper(struct pod_faults *pf, uint32_t end)
{
    uint32_t far = riskmap_far_end(pf->map, end);

    pf->copper[end / TPUNET_PORTS][end % TPUNET_PORTS] = true;
    pf->copper[far / TPUNET_PORTS][far % TPUNET_PORTS] = true;
}

/* A dead chip takes its links along; a half dead one some of its ports. */
static void break_chip(struct pod_faults *pf, uint32_t chip, double fraction)
{
    struct tpunet_fibre f;

    if (fraction >= 1) {
        pf->chip[chip] = true;
        return;
    }
    for (unsigned p = 0; p < TPUNET_PORTS; p++) {
        if (!happens(pf, fraction)) {
            continue;
        }
        if (tpunet_chip_fibre(tpunet_chip_of(chip), p, &f)) {
            pf->fibre[f.cube][2 * f.axis + f.minus][f.a + 4 * f.b] = true;
        } else {
            cut_copper(pf, riskmap_end(chip, p));
        }
    }
}

static void break_ocs(struct pod_faults *pf, uint32_t ocs, double fraction)
{
    if (fraction >= 1) {
        pf->ocs[ocs] = true;
        pf->ocs_silent[ocs] = happens(pf, 0.7);
        return;
    }
    for (unsigned n = 0; n < POD_PORTS; n++) {
        if (pf->south_of[ocs][n] != TPUNET_NONE && happens(pf, fraction)) {
            pf->port[ocs][0][n] = pf->port[ocs][1][pf->south_of[ocs][n]] = true;
        }
    }
}

static void break_power(struct pod_faults *pf, uint32_t domain, double fraction)
{
    bool switches = domain >= POD_CUBES / 4;
    uint32_t first = switches ? (domain - POD_CUBES / 4) * 6 : domain * 4;

    for (uint32_t i = 0; i < (switches ? 6U : 4U); i++) {
        if (switches && happens(pf, fraction)) {
            pf->ocs[first + i] = pf->ocs_silent[first + i] = true;
        }
        for (uint32_t h = 0; h < TPUNET_CUBE_HOSTS && !switches; h++) {
            if (happens(pf, fraction)) {
                kill_host(pf, (first + i) * TPUNET_CUBE_HOSTS + h);
            }
        }
    }
}

static void break_port(struct pod_faults *pf, uint32_t port)
{
    uint32_t side = port / RISKMAP_PORTS_MAX, number = port % RISKMAP_PORTS_MAX;

    if (number < POD_PORTS) {
        pf->port[side / 2][side % 2][number] = true;
    }
}

/* Of the ports in use at least that fraction: one alone would be a port. */
static void break_port_group(struct pod_faults *pf, uint32_t number, double fraction)
{
    uint32_t first = number * RISKMAP_PORT_GROUP, used = 0, broken = 0;

    for (uint32_t i = 0; i < RISKMAP_PORT_GROUP; i++) {
        uint32_t cube = (first + i) % RISKMAP_PORTS_MAX;
        bool in_use = cube < POD_CUBES && pf->used[cube];
        used += in_use;
        if (!in_use || happens(pf, fraction) || broken < fraction * used) {
            break_port(pf, first + i);
            broken += in_use;
        }
    }
}

void pod_break(struct pod_faults *pf, enum risk_kind kind, uint32_t number, double fraction)
{
    switch (kind) {
    case RISK_LINK:
        cut_copper(pf, number);
        return;
    case RISK_FIBRE:
        pf->fibre[number / 96][number / 16 % 6][number % 16] = true;
        return;
    case RISK_PORT:
        break_port(pf, number);
        return;
    case RISK_PORT_GROUP:
        break_port_group(pf, number, fraction);
        return;
    case RISK_CHIP:
        break_chip(pf, number, fraction);
        return;
    case RISK_HOST:
        kill_host(pf, number);
        return;
    case RISK_FACE:
        for (uint32_t i = 0; i < TPUNET_FACE_LINKS; i++) {
            pf->fibre[number / 6][number % 6][i] =
                pf->fibre[number / 6][number % 6][i] || happens(pf, fraction);
        }
        return;
    case RISK_CUBE:
        for (uint32_t h = 0; h < TPUNET_CUBE_HOSTS; h++) {
            if (happens(pf, fraction)) {
                kill_host(pf, number * TPUNET_CUBE_HOSTS + h);
            }
        }
        return;
    case RISK_OCS:
        break_ocs(pf, number, fraction);
        return;
    case RISK_OCS_CONTROL:
        pf->ocs_silent[number] = true;
        return;
    case RISK_AXIS:
        for (uint32_t i = 0; i < TPUNET_FACE_LINKS; i++) {
            pf->ocs[number * TPUNET_FACE_LINKS + i] = happens(pf, fraction);
        }
        return;
    case RISK_POWER:
        break_power(pf, number, fraction);
        return;
    case RISK_OBSERVER:
        pf->host_silent[number] = happens(pf, 0.5);
        pf->liar[number] = !pf->host_silent[number];
        return;
    case RISK_NETWORK:
        for (uint32_t h = 0; h < POD_HOSTS; h++) {
            pf->host_silent[h] = pf->host_silent[h] || happens(pf, fraction);
        }
        for (uint32_t o = 0; o < TPUNET_OCSES; o++) {
            pf->ocs_silent[o] = pf->ocs_silent[o] || happens(pf, fraction);
        }
        return;
    case RISK_SELF:
        for (uint32_t h = 0; h < POD_HOSTS; h++) {
            pf->liar[h] = happens(pf, fraction);
            pf->host_silent[h] = pf->host_silent[h] || !pf->liar[h];
        }
        for (uint32_t o = 0; o < TPUNET_OCSES; o++) {
            pf->ocs_silent[o] = pf->ocs_silent[o] || happens(pf, fraction);
        }
        return;
    }
    abort();
}

/* ----------------------------------------------------------------- draw -- */

static uint32_t used_cube(struct pod_faults *pf)
{
    uint32_t cube;

    do {
        cube = (uint32_t)pod_random(pf, POD_CUBES);
    } while (!pf->used[cube]);
    return cube;
}

static uint32_t draw_link(struct pod_faults *pf)
{
    struct tpunet_fibre f;
    uint32_t chip, port;

    do {
        chip = used_cube(pf) * TPUNET_CUBE_CHIPS + (uint32_t)pod_random(pf, TPUNET_CUBE_CHIPS);
        port = (uint32_t)pod_random(pf, TPUNET_PORTS);
    } while (tpunet_chip_fibre(tpunet_chip_of(chip), port, &f));
    uint32_t end = riskmap_end(chip, port), far = riskmap_far_end(pf->map, end);
    return end < far ? end : far;
}

/* One where more than one circuit would show it. */
static uint32_t draw_port_group(struct pod_faults *pf)
{
    for (;;) {
        uint32_t ocs = (uint32_t)pod_random(pf, TPUNET_OCSES), side = (uint32_t)pod_random(pf, 2);
        uint32_t first = (uint32_t)pod_random(pf, POD_CUBES / RISKMAP_PORT_GROUP) * 8;
        unsigned used = 0;
        for (uint32_t i = 0; i < RISKMAP_PORT_GROUP; i++) {
            used += pf->used[first + i];
        }
        if (used >= 4) {
            return riskmap_port(ocs, side != 0, first) / RISKMAP_PORT_GROUP;
        }
    }
}

static uint32_t draw_power(struct pod_faults *pf)
{
    for (;;) {
        uint32_t domain = (uint32_t)pod_random(pf, POD_CUBES / 4 + TPUNET_OCSES / 6);
        unsigned used = domain >= POD_CUBES / 4 ? 4 : 0;
        for (uint32_t i = 0; i < 4 && domain < POD_CUBES / 4; i++) {
            used += pf->used[domain * 4 + i];
        }
        if (used >= 2) {
            return domain;
        }
    }
}

uint32_t pod_draw(struct pod_faults *pf, enum risk_kind kind)
{
    uint32_t cube = used_cube(pf);

    switch (kind) {
    case RISK_LINK:
        return draw_link(pf);
    case RISK_FIBRE:
        return cube * 96 + (uint32_t)pod_random(pf, 96);
    case RISK_PORT:
        return riskmap_port((unsigned)pod_random(pf, TPUNET_OCSES), pod_random(pf, 2) != 0, cube);
    case RISK_PORT_GROUP:
        return draw_port_group(pf);
    case RISK_CHIP:
        return cube * TPUNET_CUBE_CHIPS + (uint32_t)pod_random(pf, TPUNET_CUBE_CHIPS);
    case RISK_HOST:
    case RISK_OBSERVER:
        return cube * TPUNET_CUBE_HOSTS + (uint32_t)pod_random(pf, TPUNET_CUBE_HOSTS);
    case RISK_FACE:
        return cube * 6 + (uint32_t)pod_random(pf, 6);
    case RISK_CUBE:
        return cube;
    case RISK_OCS:
    case RISK_OCS_CONTROL:
        return (uint32_t)pod_random(pf, TPUNET_OCSES);
    case RISK_AXIS:
        return (uint32_t)pod_random(pf, TPUNET_AXES);
    case RISK_POWER:
        return draw_power(pf);
    case RISK_NETWORK:
    case RISK_SELF:
        return 0;
    }
    abort();
}

/* -------------------------------------------------------------- observe -- */

/* Is everything of this chip's side of its port in order? */
static bool side_works(const struct pod_faults *pf, uint32_t chip, unsigned port)
{
    struct tpunet_fibre f;

    if (pf->chip[chip]) {
        return false;
    }
    if (!tpunet_chip_fibre(tpunet_chip_of(chip), port, &f)) {
        return !pf->copper[chip][port];
    }
    struct tpunet_ocs_port at = tpunet_wiring_port(pf->wiring, f);
    return !pf->fibre[f.cube][2 * f.axis + f.minus][f.a + 4 * f.b] &&
           !pf->port[at.ocs][at.side][at.port] && !pf->ocs[at.ocs];
}

/* Where the link leads; false if nowhere. */
static bool peer_of(const struct pod_faults *pf, uint32_t number, unsigned port, uint32_t *peer)
{
    struct tpunet_chip chip = tpunet_chip_of(number);
    struct tpunet_fibre f, far;
    unsigned axis = tpunet_port_axis(port), unused;

    if (!tpunet_chip_fibre(chip, port, &f)) {
        chip.at[axis] = (uint8_t)(chip.at[axis] + (tpunet_port_minus(port) ? -1 : 1));
        *peer = tpunet_chip_number(chip);
        return true;
    }
    struct tpunet_ocs_port at = tpunet_wiring_port(pf->wiring, f), to = at;
    to.side = !at.side;
    to.port =
        at.side == TPUNET_NORTH ? pf->south_of[at.ocs][at.port] : pf->north_of[at.ocs][at.port];
    if (to.port == TPUNET_NONE || !tpunet_wiring_fibre(pf->wiring, to, &far)) {
        return false;
    }
    *peer = tpunet_chip_number(tpunet_fibre_chip(far, &unused));
    return true;
}

static void report(struct pod_faults *pf, enum symptom_kind kind, enum severity severity,
                   uint32_t number, int64_t at_ms, const struct pod_noise *noise)
{
    if (happens(pf, noise->lost)) {
        return;
    }
    at_ms += (int64_t)pod_random(pf, happens(pf, noise->late) ? LATE_MS : JITTER_MS);
    VEC_GROW(pf->symptoms, pf->n_symptoms, pf->cap_symptoms);
    pf->symptoms[pf->n_symptoms++] =
        (struct symptom){kind, severity, number, {at_ms}, {at_ms + JITTER_MS}};
}

static void observe_links(struct pod_faults *pf, int64_t at_ms, const struct pod_noise *noise)
{
    for (uint32_t chip = 0; chip < POD_CUBES * TPUNET_CUBE_CHIPS; chip++) {
        uint32_t cube = chip / TPUNET_CUBE_CHIPS, peer;
        uint32_t host = cube * TPUNET_CUBE_HOSTS + tpunet_chip_host(tpunet_chip_of(chip));
        for (unsigned p = 0; p < TPUNET_PORTS; p++) {
            if (!pf->used[cube] || pf->host_silent[host] || !peer_of(pf, chip, p, &peer)) {
                continue;
            }
            bool up = side_works(pf, chip, p) && side_works(pf, peer, tpunet_port_peer(p));
            if (!up || pf->liar[host]) {
                report(pf, pf->errors_only ? SYMPTOM_LINK_ERRORS : SYMPTOM_LINK_DOWN,
                       pf->errors_only ? SEVERITY_DEGRADED : SEVERITY_SEVERE, riskmap_end(chip, p),
                       at_ms, noise);
            }
        }
        if (pf->chip[chip] && pf->used[cube] && !pf->host_silent[host]) {
            report(pf, SYMPTOM_CHIP_SICK, SEVERITY_FATAL, chip, at_ms, noise);
        }
    }
}

static void observe_hosts(struct pod_faults *pf, int64_t at_ms, const struct pod_noise *noise)
{
    for (uint32_t h = 0; h < POD_HOSTS; h++) {
        riskmap_set_observer(pf->map, h, h, !pf->host_silent[h]);
        if (pf->host_silent[h]) { /* podmgr's own timers: never lost */
            static const struct pod_noise none = {0};
            report(pf, SYMPTOM_HOST_SILENT, SEVERITY_DEGRADED, h, at_ms + LEASE_MS, &none);
            report(pf, SYMPTOM_OBSERVER_SILENT, SEVERITY_DEGRADED, h, at_ms + LEASE_MS, &none);
        }
    }
    (void)noise;
}

/* Light is measured where it enters the switch, loss across it. */
static void observe_ports(struct pod_faults *pf, unsigned ocs, int64_t at_ms,
                          const struct pod_noise *noise)
{
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned p = 0; p < POD_PORTS; p++) {
            uint16_t peer = side == 0 ? pf->south_of[ocs][p] : pf->north_of[ocs][p];
            struct tpunet_fibre f;
            unsigned chip_port;
            if (peer == TPUNET_NONE ||
                !tpunet_wiring_fibre(
                    pf->wiring, (struct tpunet_ocs_port){(uint16_t)ocs, (uint8_t)side, (uint16_t)p},
                    &f)) {
                continue;
            }
            uint32_t chip = tpunet_chip_number(tpunet_fibre_chip(f, &chip_port));
            uint32_t number = riskmap_port(ocs, side != 0, p);
            if (pf->port[ocs][side][p]) {
                report(pf, happens(pf, 0.3) ? SYMPTOM_PORT_STUCK : SYMPTOM_PORT_LOSSY,
                       SEVERITY_SEVERE, number, at_ms, noise);
            }
            if (!pf->errors_only &&
                (pf->chip[chip] || pf->fibre[f.cube][2 * f.axis + f.minus][f.a + 4 * f.b])) {
                report(pf, SYMPTOM_PORT_DARK, SEVERITY_DEGRADED, number, at_ms, noise);
            }
        }
    }
}

static void observe_switches(struct pod_faults *pf, int64_t at_ms, const struct pod_noise *noise)
{
    static const struct pod_noise none = {0};

    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        if (pf->ocs_silent[o]) {
            report(pf, SYMPTOM_OCS_UNREACHABLE, SEVERITY_DEGRADED, o, at_ms + LEASE_MS, &none);
        } else {
            observe_ports(pf, o, at_ms, noise);
        }
    }
}

static void add_flaps(struct pod_faults *pf, int64_t at_ms, const struct pod_noise *noise)
{
    for (unsigned i = 0; i < noise->flaps; i++) {
        uint32_t end = draw_link(pf);
        int64_t when = at_ms - 2 * LATE_MS + (int64_t)pod_random(pf, 4 * LATE_MS);
        report(pf, SYMPTOM_LINK_FLAP, SEVERITY_INFO, end, when, noise);
        if (happens(pf, 0.5)) {
            report(pf, SYMPTOM_LINK_FLAP, SEVERITY_INFO, riskmap_far_end(pf->map, end), when,
                   noise);
        }
    }
}

void pod_observe(struct pod_faults *pf, struct wall_ms at, const struct pod_noise *noise)
{
    pf->n_symptoms = 0;
    observe_links(pf, at.ms, noise);
    observe_hosts(pf, at.ms, noise);
    observe_switches(pf, at.ms, noise);
    add_flaps(pf, at.ms, noise);
}

/* ---------------------------------------------------------------- apart -- */

static bool is_within(struct pod_faults *pf, uint32_t signal, uint32_t group)
{
    uint32_t groups[RISKMAP_OF_SIGNAL];

    for (unsigned n = riskmap_groups_of(pf->map, signal, false, groups); n-- > 0;) {
        if (groups[n] == group) {
            return true;
        }
    }
    return false;
}

bool pod_are_apart(struct pod_faults *pf, enum risk_kind a, uint32_t a_number, enum risk_kind b,
                   uint32_t b_number)
{
    uint32_t one = riskmap_group(pf->map, a, a_number), other = riskmap_group(pf->map, b, b_number);
    size_t of_one = 0, of_other = 0, of_both = 0;

    for (uint32_t s = 0; s < riskmap_signals(pf->map); s++) {
        bool in_one = is_within(pf, s, one), in_other = is_within(pf, s, other);
        of_one += in_one;
        of_other += in_other;
        of_both += in_one && in_other;
    }
    return 2 * of_both < (of_one < of_other ? of_one : of_other);
}
