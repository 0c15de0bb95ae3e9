#include "health_device.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "mem.h"
#include "probe.pb-c.h"
#include "sim_wiring.h"

enum {
    CHIP_METRICS = WIRE__PROBE_CHIP_METRIC__CHIP_STEP + 1,
    HOST_METRICS = WIRE__PROBE_HOST_METRIC__HOST_KERNEL_ERRORS + 1,
    LINK_METRICS = WIRE__PROBE_LINK_METRIC__LINK_RATE + 1,
};
_Static_assert(SIM_READING_MAX >= SIM_HOST_LINKS * LINK_METRICS, "the links fit");

/* Sound hardware: rates a second, and what sensors show. */
static const double CHIP_CORRECTABLE_RATE = 1e-5; /* about one a day */
static const double LINK_CRC_RATE = 1e-6, LINK_FEC_RATE = 50;
static const double PCIE_CORRECTABLE_RATE = 1e-5, MEMORY_CORRECTABLE_RATE = 1e-6;
static const double KERNEL_RATE = 1e-6, HEARTBEAT_RATE = 100;
static const double CHIP_CELSIUS = 60, HOST_CELSIUS = 45, CELSIUS_SPREAD = 3, CELSIUS_NOISE = 1;
static const double STEP_US = 1000, STEP_SPREAD = 0.01, STEP_NOISE = 0.003;
static const double LINK_GBPS = 400, RATE_SPREAD = 0.002, RATE_NOISE = 0.002;
static const double TRANSMIT_DBM = 1, LIGHT_NOISE = 0.05;
static const double HOP_US = 0.5, RESEND_US = 5;
static const double TWO_TO_32 = 4294967296.0;

struct chip_counters {
    double correctable, uncorrectable, throttled_ms, heartbeat;
};
struct link_counters {
    double crc, fec, retrains;
};
struct host_counters {
    double pcie_correctable, pcie_uncorrectable, memory_correctable, memory_uncorrectable;
    double driver, kernel;
};
/* One host: its ills, its counters, and when they were last brought forward. */
struct host {
    struct sim_host_ills ills;
    struct host_counters counters;
    uint64_t rng, incarnation;
    int64_t at_ns;
    struct sim_chip_ills chip_ills[SIM_HOST_CHIPS];
    struct chip_counters chip[SIM_HOST_CHIPS];
    struct sim_link_ills link_ills[SIM_HOST_LINKS];
    struct link_counters link[SIM_HOST_LINKS];
};
struct sim_instruments {
    size_t n;
    struct host *hosts;
};

/* ---------------------------------------------------------------- places -- */

unsigned sim_host_of(uint32_t chip)
{
    return chip / SIM_CUBE_CHIPS * SIM_CUBE_HOSTS + chip % 4 / 2 + 2 * (chip / 4 % 4 / 2) +
           4 * (chip / 16 % 4);
}

uint32_t sim_host_chip(unsigned host, unsigned k)
{
    unsigned h = host % SIM_CUBE_HOSTS;
    uint8_t at[3] = {(uint8_t)(2 * (h % 2) + k % 2), (uint8_t)(2 * (h / 2 % 2) + k / 2),
                     (uint8_t)(h / 4)};
    return sim_chip_number(host / SIM_CUBE_HOSTS, at);
}

static unsigned place_in_tray(uint32_t chip)
{
    return chip % 2 + 2 * (chip / 4 % 2);
}

static struct host *host_of(const struct world *w, uint32_t chip)
{
    return &w->instruments->hosts[sim_host_of(chip)];
}

bool sim_host_is_silent(const struct world *w, unsigned host)
{
    return w->instruments->hosts[host].ills.silent;
}

/* ----------------------------------------------------------------- noise -- */

static double gaussian(uint64_t *rng)
{
    double u1 = chance_next(rng), u2 = chance_next(rng);
    return chance_gaussian(u1, u2);
}

/* How many of something that happens `rate` times a second in so long: Poisson,
 * by its normal approximation where that is good. */
static double count(uint64_t *rng, double rate, double seconds)
{
    double mean = rate * seconds, n = 0;

    if (mean <= 0) {
        return 0;
    }
    if (mean > 30) {
        return fmax(0, round(mean + sqrt(mean) * gaussian(rng)));
    }
    double limit = exp(-mean), product = chance_next(rng);
    while (product > limit) {
        product *= chance_next(rng);
        n++;
    }
    return n;
}

/* What this very part differs from its like by: always the same, normal. */
static double character(const struct world *w, uint32_t part, unsigned metric)
{
    uint64_t state = chance_mix(w->config->seed ^ chance_mix(part * 64ULL + metric + 1));
    return gaussian(&state);
}

/* ------------------------------------------------------------- counting -- */

static void forward_chip(struct host *h, unsigned k, double seconds)
{
    const struct sim_chip_ills *ills = &h->chip_ills[k];
    struct chip_counters *c = &h->chip[k];

    c->correctable += count(&h->rng, CHIP_CORRECTABLE_RATE + ills->correctable_rate, seconds);
    c->uncorrectable += count(&h->rng, ills->uncorrectable_rate, seconds);
    c->throttled_ms += ills->throttle_percent * 10 * seconds;
    c->heartbeat += ills->hung ? 0 : HEARTBEAT_RATE * seconds;
}

static void forward_link(struct host *h, unsigned l, double seconds)
{
    const struct sim_link_ills *ills = &h->link_ills[l];
    struct link_counters *c = &h->link[l];

    c->crc += count(&h->rng, LINK_CRC_RATE + ills->crc_rate, seconds);
    c->fec += count(&h->rng, LINK_FEC_RATE + ills->fec_rate, seconds);
    c->retrains += count(&h->rng, ills->retrain_rate, seconds);
}

/* Brings the host's counters to the present. */
static void forward(const struct world *w, struct host *h)
{
    int64_t now_ns = evq_now_ns(w->evq);
    double seconds = (double)(now_ns - h->at_ns) / 1e9;
    const struct sim_host_ills *ills = &h->ills;
    struct host_counters *c = &h->counters;

    if (now_ns == h->at_ns) {
        return;
    }
    h->at_ns = now_ns;
    for (unsigned k = 0; k < SIM_HOST_CHIPS; k++) {
        forward_chip(h, k, seconds);
    }
    for (unsigned l = 0; l < SIM_HOST_LINKS; l++) {
        forward_link(h, l, seconds);
    }
    c->pcie_correctable +=
        count(&h->rng, PCIE_CORRECTABLE_RATE + ills->pcie_correctable_rate, seconds);
    c->pcie_uncorrectable += count(&h->rng, ills->pcie_uncorrectable_rate, seconds);
    c->memory_correctable +=
        count(&h->rng, MEMORY_CORRECTABLE_RATE + ills->memory_correctable_rate, seconds);
    c->memory_uncorrectable += count(&h->rng, ills->memory_uncorrectable_rate, seconds);
    c->driver += count(&h->rng, ills->driver_rate, seconds);
    c->kernel += count(&h->rng, KERNEL_RATE + ills->kernel_rate, seconds);
}

struct sim_chip_ills *sim_chip_ills(struct world *w, uint32_t chip)
{
    struct host *h = host_of(w, chip);

    forward(w, h);
    return &h->chip_ills[place_in_tray(chip)];
}

struct sim_link_ills *sim_link_ills(struct world *w, uint32_t chip, unsigned port)
{
    struct host *h = host_of(w, chip);

    forward(w, h);
    return &h->link_ills[place_in_tray(chip) * SIM_CHIP_PORTS + port];
}

struct sim_host_ills *sim_host_ills(struct world *w, unsigned host)
{
    struct host *h = &w->instruments->hosts[host];

    forward(w, h);
    return &h->ills;
}

void sim_reset_counters(struct world *w, unsigned host)
{
    struct host *h = &w->instruments->hosts[host];

    forward(w, h);
    h->incarnation++;
    h->counters = (struct host_counters){0};
    memset(h->chip, 0, sizeof h->chip);
    memset(h->link, 0, sizeof h->link);
}

/* -------------------------------------------------------------- readings -- */

static void read_chip(const struct world *w, struct host *h, uint32_t chip, double *out)
{
    unsigned k = place_in_tray(chip);
    const struct sim_chip_ills *ills = &h->chip_ills[k];
    const struct chip_counters *c = &h->chip[k];
    double slow = ills->slow_factor > 0 ? ills->slow_factor : 1;

    for (unsigned m = 0; m < CHIP_METRICS; m++) {
        out[m] = (double)NAN;
    }
    out[WIRE__PROBE_CHIP_METRIC__CHIP_PRESENT] = w->chips[chip].dead == 0;
    if (w->chips[chip].dead != 0) {
        return;
    }
    out[WIRE__PROBE_CHIP_METRIC__CHIP_HBM_CORRECTABLE] = fmod(c->correctable, TWO_TO_32);
    out[WIRE__PROBE_CHIP_METRIC__CHIP_HBM_UNCORRECTABLE] = fmod(c->uncorrectable, TWO_TO_32);
    out[WIRE__PROBE_CHIP_METRIC__CHIP_TEMPERATURE] =
        CHIP_CELSIUS + CELSIUS_SPREAD * fmax(-2, fmin(2, character(w, chip, 0))) +
        CELSIUS_NOISE * gaussian(&h->rng) + ills->extra_celsius;
    out[WIRE__PROBE_CHIP_METRIC__CHIP_THROTTLED] = floor(c->throttled_ms);
    out[WIRE__PROBE_CHIP_METRIC__CHIP_HEARTBEAT] = floor(fmod(c->heartbeat, TWO_TO_32));
    out[WIRE__PROBE_CHIP_METRIC__CHIP_STEP] =
        STEP_US * slow * (1 + STEP_SPREAD * fmax(-2, fmin(2, character(w, chip, 1)))) *
        (1 + STEP_NOISE * gaussian(&h->rng));
}

/* Light falls on a fibre that a circuit joins to another, whoever lives there. */
static double light_dbm(const struct world *w, struct host *h, uint32_t chip, unsigned port)
{
    const struct sim_link_ills *ills = &h->link_ills[place_in_tray(chip) * SIM_CHIP_PORTS + port];
    unsigned fibre;

    if (!sim_chip_fibre(chip, port, &fibre)) {
        return (double)NAN; /* copper */
    }
    struct sim_port end = w->fibre_end[fibre];
    unsigned north = end.south ? w->ocs[end.ocs].back[end.port] : end.port;
    if (north == SIM_NONE || w->ocs[end.ocs].map[north] == SIM_NONE) {
        return (double)NAN;
    }
    return TRANSMIT_DBM - (double)world_loss_db(w, end.ocs, north) - ills->light_loss_db +
           LIGHT_NOISE * gaussian(&h->rng);
}

static void read_link(const struct world *w, struct host *h, uint32_t chip, unsigned port,
                      double *out)
{
    unsigned l = place_in_tray(chip) * SIM_CHIP_PORTS + port, peer_port;
    const struct sim_link_ills *ills = &h->link_ills[l];
    const struct link_counters *c = &h->link[l];
    uint32_t peer;

    for (unsigned m = 0; m < LINK_METRICS; m++) {
        out[m] = (double)NAN;
    }
    if (w->chips[chip].dead != 0) {
        return;
    }
    out[WIRE__PROBE_LINK_METRIC__LINK_CRC] = fmod(c->crc, TWO_TO_32);
    out[WIRE__PROBE_LINK_METRIC__LINK_FEC] = fmod(c->fec, TWO_TO_32);
    out[WIRE__PROBE_LINK_METRIC__LINK_RETRAINS] = fmod(c->retrains, TWO_TO_32);
    out[WIRE__PROBE_LINK_METRIC__LINK_LIGHT] = light_dbm(w, h, chip, port);
    if (world_peer(w, chip, port, &peer, &peer_port)) {
        double slow = ills->slow_factor > 0 ? ills->slow_factor : 1;
        double trait = fmax(-2, fmin(2, character(w, chip, 2 + port)));
        out[WIRE__PROBE_LINK_METRIC__LINK_RATE] =
            LINK_GBPS / slow * (1 + RATE_SPREAD * trait) * (1 + RATE_NOISE * gaussian(&h->rng));
    }
}

static void read_host(struct host *h, double *out)
{
    const struct host_counters *c = &h->counters;

    out[WIRE__PROBE_HOST_METRIC__HOST_PCIE_CORRECTABLE] = c->pcie_correctable;
    out[WIRE__PROBE_HOST_METRIC__HOST_PCIE_UNCORRECTABLE] = c->pcie_uncorrectable;
    out[WIRE__PROBE_HOST_METRIC__HOST_PCIE_WIDTH] = 100 - h->ills.pcie_lost_percent;
    out[WIRE__PROBE_HOST_METRIC__HOST_PCIE_SPEED] = 100;
    out[WIRE__PROBE_HOST_METRIC__HOST_MEMORY_CORRECTABLE] = c->memory_correctable;
    out[WIRE__PROBE_HOST_METRIC__HOST_MEMORY_UNCORRECTABLE] = c->memory_uncorrectable;
    out[WIRE__PROBE_HOST_METRIC__HOST_TEMPERATURE] =
        HOST_CELSIUS + CELSIUS_NOISE * gaussian(&h->rng) + h->ills.extra_celsius;
    out[WIRE__PROBE_HOST_METRIC__HOST_POWER_ALARMS] = h->ills.power_alarm;
    out[WIRE__PROBE_HOST_METRIC__HOST_DRIVER_ERRORS] = c->driver;
    out[WIRE__PROBE_HOST_METRIC__HOST_KERNEL_ERRORS] = c->kernel;
}

size_t sim_read(struct world *w, unsigned host, unsigned class, double values[SIM_READING_MAX],
                uint64_t *incarnation)
{
    struct host *h = &w->instruments->hosts[host];

    if (h->ills.silent) {
        return 0;
    }
    forward(w, h);
    *incarnation = h->incarnation;
    if (class == WIRE__PROBE_CLASS__PROBE_HOST) {
        read_host(h, values);
        return HOST_METRICS;
    }
    if (class == WIRE__PROBE_CLASS__PROBE_CHIPS) {
        for (unsigned k = 0; k < SIM_HOST_CHIPS; k++) {
            read_chip(w, h, sim_host_chip(host, k), values + (size_t)k * CHIP_METRICS);
        }
        return (size_t)SIM_HOST_CHIPS * CHIP_METRICS;
    }
    for (unsigned l = 0; l < SIM_HOST_LINKS; l++) {
        read_link(w, h, sim_host_chip(host, l / SIM_CHIP_PORTS), l % SIM_CHIP_PORTS,
                  values + (size_t)l * LINK_METRICS);
    }
    return (size_t)SIM_HOST_LINKS * LINK_METRICS;
}

/* --------------------------------------------------------------- working -- */

static uint64_t fold(uint64_t v)
{
    return chance_mix(v + 0x9e3779b97f4a7c15ULL);
}

int sim_transfer(struct world *w, uint32_t from, uint32_t to, uint64_t seed,
                 struct sim_delivery *out, struct error *err)
{
    struct sim_hop path[SIM_HOPS_MAX];
    size_t n;
    int status = sim_send(w, from, to, path, &n, err);
    unsigned in_port;

    *out = (struct sim_delivery){
        .hops = (unsigned)n, .end = from, .value = fold(seed ^ (from + (to << 16)))};
    for (size_t i = 0; i < n; i++) {
        const struct sim_link_ills *ills = sim_link_ills(w, path[i].chip, path[i].port);
        out->us += HOP_US * (ills->slow_factor > 0 ? ills->slow_factor : 1) +
                   (ills->crc_rate > 0 ? RESEND_US : 0);
        out->value ^= ills->corrupts;
        if (!world_link(w, path[i].chip, path[i].port, &out->end, &in_port)) {
            out->end = path[i].chip; /* never: the flit has just been there */
        }
    }
    return status < 0 ? status : 0;
}

bool sim_compute(struct world *w, uint32_t chip, uint64_t seed, unsigned rounds, uint64_t *value)
{
    const struct sim_chip_ills *ills = sim_chip_ills(w, chip);
    uint64_t v = seed ^ chip;

    if (w->chips[chip].dead != 0 || ills->hung || sim_host_is_silent(w, sim_host_of(chip))) {
        return false;
    }
    for (unsigned i = 0; i < rounds; i++) {
        v = fold(v);
    }
    *value = ills->wrong ? v ^ 1 : v;
    return true;
}

/* ------------------------------------------------------------ life cycle -- */

struct sim_instruments *sim_instruments_create(const struct world *w)
{
    struct sim_instruments *in = xcalloc(1, sizeof *in);

    in->n = w->n_chips / SIM_HOST_CHIPS;
    in->hosts = xcalloc(in->n, sizeof *in->hosts);
    for (size_t i = 0; i < in->n; i++) {
        struct host *h = &in->hosts[i];
        h->rng = chance_mix(w->config->seed ^ chance_mix(i + 1));
        h->incarnation = chance_mix(h->rng ^ w->config->run) | 1;
        for (unsigned l = 0; l < SIM_HOST_LINKS; l++) {
            h->link[l].fec = floor(TWO_TO_32 * chance_next(&h->rng)); /* in use for long */
        }
        for (unsigned k = 0; k < SIM_HOST_CHIPS; k++) {
            h->chip[k].heartbeat = floor(TWO_TO_32 * chance_next(&h->rng));
        }
    }
    return in;
}

void sim_instruments_destroy(struct sim_instruments *instruments)
{
    if (instruments != NULL) {
        free(instruments->hosts);
        free(instruments);
    }
}
