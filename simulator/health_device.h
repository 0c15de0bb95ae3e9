/* The instruments of the hosts: counters and sensors of chips, links, PCIe,
 * memory, power and kernel, as healthd reads them (proto/probe.proto).
 *
 * Each host draws its noise from a stream of its own, so that what one reads
 * does not depend on who else is read.  Counters run on when they are read:
 * what would have been counted since the last reading is drawn at once.  The
 * noise of sound hardware is in health_device.c. */
#ifndef SIMULATOR_HEALTH_DEVICE_H
#define SIMULATOR_HEALTH_DEVICE_H

#include "flit.h"
#include "world.h"

enum {
    SIM_HOST_CHIPS = 4,
    SIM_HOST_LINKS = SIM_HOST_CHIPS * SIM_CHIP_PORTS,
    SIM_CUBE_HOSTS = 16,
    SIM_READING_MAX = 120, /* values of the largest class, the links */
};

/* What faults set; all zero when nothing is wrong. */
struct sim_chip_ills {
    double correctable_rate, uncorrectable_rate; /* a second */
    double extra_celsius, throttle_percent, slow_factor;
    bool hung, wrong;
};
struct sim_link_ills {
    double crc_rate, fec_rate, retrain_rate; /* a second */
    double light_loss_db, slow_factor;
    bool corrupts;
};
struct sim_host_ills {
    double pcie_correctable_rate, pcie_uncorrectable_rate, pcie_lost_percent;
    double memory_correctable_rate, memory_uncorrectable_rate;
    double extra_celsius, driver_rate, kernel_rate;
    bool power_alarm, silent;
};

struct sim_instruments;
struct sim_instruments *sim_instruments_create(const struct world *w);
void sim_instruments_destroy(struct sim_instruments *instruments);

/* To be changed: what was counted with the old ones is counted first. */
struct sim_chip_ills *sim_chip_ills(struct world *w, uint32_t chip);
struct sim_link_ills *sim_link_ills(struct world *w, uint32_t chip, unsigned port);
struct sim_host_ills *sim_host_ills(struct world *w, unsigned host);
/* The driver is loaded anew: all counters of the host start at 0. */
void sim_reset_counters(struct world *w, unsigned host);

unsigned sim_host_of(uint32_t chip);
uint32_t sim_host_chip(unsigned host, unsigned k);
/* Nothing on the host answers: neither instruments nor the way to its chips. */
bool sim_host_is_silent(const struct world *w, unsigned host);

/* One reading of a class (proto's ProbeClass) in the order of its metrics; NAN
 * is unknown.  Returns the number of values, 0 if the host is silent. */
size_t sim_read(struct world *w, unsigned host, unsigned class, double values[SIM_READING_MAX],
                uint64_t *incarnation);

/* What became of a flit; `end` is where. */
struct sim_delivery {
    unsigned hops;
    double us;
    uint32_t end;
    uint64_t value;
};
/* A flit by the installed tables, with the time that it takes on these links and
 * what they make of it; E_UNREACHABLE as sim_send(). */
int sim_transfer(struct world *w, uint32_t from, uint32_t to, uint64_t seed,
                 struct sim_delivery *out, struct error *err);
/* False if the chip does not answer. */
bool sim_compute(struct world *w, uint32_t chip, uint64_t seed, unsigned rounds, uint64_t *value);

#endif
