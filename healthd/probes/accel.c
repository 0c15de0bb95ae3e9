/* The accelerators of the machine: accel0 to accel3 of the kernel's accel class
 * are chips 0 to 3 of the tray.  Presence and temperature are where every driver
 * has them; the names of the other attributes are those that docs/health.md asks
 * of a driver, and what it does not have is unknown. */
#include <math.h>
#include <stdio.h>

#include "hostlist.h"
#include "sysfs.h"

static void add_hottest(void *arg, const char *path, const char *name)
{
    (void)name;
    sysfs_most(arg, hwmon_hottest(path));
}

static void read_chip(const char *device, unsigned k, struct reading *out)
{
    char dir[600];

    *reading_at(out, k, METRIC_HBM_CORRECTABLE) = sysfs_number("%s/hbm_ce_count", device);
    *reading_at(out, k, METRIC_HBM_UNCORRECTABLE) = sysfs_number("%s/hbm_ue_count", device);
    *reading_at(out, k, METRIC_CHIP_THROTTLED) = sysfs_number("%s/throttled_ms", device);
    *reading_at(out, k, METRIC_CHIP_HEARTBEAT) = sysfs_number("%s/heartbeat", device);
    *reading_at(out, k, METRIC_CHIP_STEP) = sysfs_number("%s/step_us", device);
    (void)snprintf(dir, sizeof dir, "%s/hwmon", device);
    sysfs_each(dir, "hwmon", add_hottest, reading_at(out, k, METRIC_CHIP_TEMPERATURE));
}

void accel_read_chips(struct accel *accel, const char *root, struct reading *out)
{
    bool here[CHIPS_A_HOST], any = false;

    for (unsigned k = 0; k < CHIPS_A_HOST; k++) {
        here[k] = sysfs_exists("%s/sys/class/accel/accel%u", root, k);
        accel->seen[k] = accel->seen[k] || here[k];
        any = any || here[k];
    }
    for (unsigned k = 0; k < CHIPS_A_HOST; k++) {
        char device[512];
        if (here[k]) {
            (void)snprintf(device, sizeof device, "%s/sys/class/accel/accel%u/device", root, k);
            read_chip(device, k, out);
        }
        if (here[k] || any || accel->seen[k]) {
            *reading_at(out, k, METRIC_CHIP_PRESENT) = here[k];
        }
    }
}

void accel_read_links(const char *root, struct reading *out)
{
    for (unsigned l = 0; l < FINDING_LINKS; l++) {
        char port[512];
        (void)snprintf(port, sizeof port, "%s/sys/class/accel/accel%u/device/ici/%u", root,
                       l / FINDING_PORTS, l % FINDING_PORTS);
        *reading_at(out, l, METRIC_LINK_CRC) = sysfs_number("%s/crc_errors", port);
        *reading_at(out, l, METRIC_LINK_FEC) = sysfs_number("%s/fec_corrected", port);
        *reading_at(out, l, METRIC_LINK_RETRAINS) = sysfs_number("%s/retrains", port);
        *reading_at(out, l, METRIC_LINK_LIGHT) = sysfs_number("%s/rx_power_mdbm", port) / 1000;
        *reading_at(out, l, METRIC_LINK_RATE) = sysfs_number("%s/rate_mbps", port) / 1000;
    }
}
