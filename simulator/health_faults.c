/* Faults that the instruments notice.  No two of a kind are on one target, so a
 * fault sets its value and healing sets nothing wrong again. */
#include "fault_kinds.h"
#include "health_device.h"
#include "mem.h"
#include "sim_wiring.h"

static struct sim_chip_ills *chip_of(struct world *w, const struct fault *f)
{
    return sim_chip_ills(w, sim_chip_number(f->target.cube, f->target.at));
}

static struct sim_link_ills *link_of(struct world *w, const struct fault *f)
{
    return sim_link_ills(w, sim_chip_number(f->target.cube, f->target.at),
                         f->target.axis * 2U + f->target.minus);
}

static unsigned host_number(const struct fault *f)
{
    return f->target.cube * (unsigned)SIM_CUBE_HOSTS + f->target.host;
}

static struct sim_host_ills *host_of(struct world *w, const struct fault *f)
{
    return sim_host_ills(w, host_number(f));
}

#define SETS(name, part, member)                                                                   \
    static void name(struct world *w, const struct fault *f, bool on)                              \
    {                                                                                              \
        part(w, f)->member = on ? f->amount : 0;                                                   \
    }
#define FLAGS(name, part, member)                                                                  \
    static void name(struct world *w, const struct fault *f, bool on)                              \
    {                                                                                              \
        part(w, f)->member = on;                                                                   \
    }
SETS(set_hbm_ce, chip_of, correctable_rate)
SETS(set_hbm_ue, chip_of, uncorrectable_rate)
SETS(set_hot, chip_of, extra_celsius)
SETS(set_throttle, chip_of, throttle_percent)
SETS(set_slow_chip, chip_of, slow_factor)
FLAGS(set_hang, chip_of, hung)
FLAGS(set_wrong, chip_of, wrong)
FLAGS(set_corrupt, link_of, corrupts)
SETS(set_crc, link_of, crc_rate)
SETS(set_fec, link_of, fec_rate)
SETS(set_retrain, link_of, retrain_rate)
SETS(set_low_light, link_of, light_loss_db)
SETS(set_slow_link, link_of, slow_factor)
SETS(set_pcie_ce, host_of, pcie_correctable_rate)
SETS(set_pcie_ue, host_of, pcie_uncorrectable_rate)
SETS(set_pcie_degraded, host_of, pcie_lost_percent)
SETS(set_memory_ce, host_of, memory_correctable_rate)
SETS(set_memory_ue, host_of, memory_uncorrectable_rate)
SETS(set_hot_host, host_of, extra_celsius)
SETS(set_driver, host_of, driver_rate)
SETS(set_kernel, host_of, kernel_rate)
FLAGS(set_power, host_of, power_alarm)
FLAGS(set_dead, host_of, silent)

static void set_reset(struct world *w, const struct fault *f, bool on)
{
    if (on) {
        sim_reset_counters(w, host_number(f));
    }
}

#define CHIP "chip/5-3-0-2", PART_CHIP
#define LINK "link/5-3-0-2+x", PART_LINK
#define HOST "host/5-3", PART_HOST

/* name, target, key, help, set, default, min, max; no key: no amount */
#define KINDS(X)                                                                                   \
    X("hbm-ce", CHIP, "rate", "correctable errors of its memory a second", set_hbm_ce, 100, 0,     \
      1e6)                                                                                         \
    X("hbm-ue", CHIP, "rate", "uncorrectable errors of its memory a second", set_hbm_ue, 1, 0,     \
      1e6)                                                                                         \
    X("hot", CHIP, "celsius", "so much hotter", set_hot, 40, 0, 200)                               \
    X("throttle", CHIP, "percent", "of its time it is slowed down by itself", set_throttle, 50, 0, \
      100)                                                                                         \
    X("hang", CHIP, NULL, "its firmware makes no step; it forwards all the same", set_hang, 0, 0,  \
      0)                                                                                           \
    X("slow-chip", CHIP, "factor", "the reference kernel takes so many times as long",             \
      set_slow_chip, 1.5, 1, 1000)                                                                 \
    X("wrong-result", CHIP, NULL, "it computes wrongly and says nothing", set_wrong, 0, 0, 0)      \
    X("crc", LINK, "rate", "frames a second that this end receives and throws away", set_crc, 100, \
      0, 1e9)                                                                                      \
    X("fec", LINK, "rate", "words a second that this end has to correct", set_fec, 1e6, 0, 1e9)    \
    X("corrupt", LINK, NULL, "it changes what leaves there, and no check notices", set_corrupt, 0, \
      0, 0)                                                                                        \
    X("retrain", LINK, "rate", "trainings a second", set_retrain, 1, 0, 1000)                      \
    X("low-light", LINK, "db", "so much less light reaches this end", set_low_light, 10, 0, 60)    \
    X("slow-link", LINK, "factor", "so many times slower, without an error", set_slow_link, 1.5,   \
      1, 1000)                                                                                     \
    X("pcie-ce", HOST, "rate", "corrected PCIe errors a second", set_pcie_ce, 100, 0, 1e6)         \
    X("pcie-ue", HOST, "rate", "uncorrected PCIe errors a second", set_pcie_ue, 1, 0, 1e6)         \
    X("pcie-degraded", HOST, "percent", "of the lanes are gone", set_pcie_degraded, 50, 0, 100)    \
    X("memory-ce", HOST, "rate", "corrected memory errors of the host a second", set_memory_ce,    \
      100, 0, 1e6)                                                                                 \
    X("memory-ue", HOST, "rate", "uncorrected memory errors of the host a second", set_memory_ue,  \
      1, 0, 1e6)                                                                                   \
    X("hot-host", HOST, "celsius", "so much hotter", set_hot_host, 50, 0, 200)                     \
    X("power-alarm", HOST, NULL, "a power supply complains", set_power, 0, 0, 0)                   \
    X("driver-errors", HOST, "rate", "complaints of the driver a second", set_driver, 1, 0, 1e6)   \
    X("kernel-errors", HOST, "rate", "other errors in the kernel's log a second", set_kernel, 1,   \
      0, 1e6)                                                                                      \
    X("host-dead", HOST, NULL, "nothing on it answers; its chips forward as they are", set_dead,   \
      0, 0, 0)                                                                                     \
    X("counter-reset", HOST, NULL, "its driver is loaded anew, counters start at 0", set_reset, 0, \
      0, 0)

#define ROW(name, target, part, key, help, set, dflt, min, max)                                    \
    {{name, target, key, help}, part, set, (max) > 0 ? fault_take_amount : NULL, 0, dflt, min, max},
#define EXPAND(...) ROW(__VA_ARGS__)
const struct fault_kind health_fault_kinds[] = {KINDS(EXPAND)};
const size_t n_health_fault_kinds = ARRAY_LEN(health_fault_kinds);
