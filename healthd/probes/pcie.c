/* PCIe: the kernel sums up Advanced Error Reporting per device in aer_dev_*;
 * what a link negotiated stands beside what it could
 * (Documentation/PCI/pcieaer-howto.rst, ABI/testing/sysfs-bus-pci). */
#include <math.h>
#include <stdio.h>

#include "sysfs.h"

struct errors {
    double correctable, uncorrectable;
};

static void add_device(void *arg, const char *path, const char *name)
{
    struct errors *e = arg;
    char file[600];

    (void)name;
    (void)snprintf(file, sizeof file, "%s/aer_dev_correctable", path);
    sysfs_add(&e->correctable, sysfs_word(file, "TOTAL_ERR_COR"));
    (void)snprintf(file, sizeof file, "%s/aer_dev_nonfatal", path);
    sysfs_add(&e->uncorrectable, sysfs_word(file, "TOTAL_ERR_NONFATAL"));
    (void)snprintf(file, sizeof file, "%s/aer_dev_fatal", path);
    sysfs_add(&e->uncorrectable, sysfs_word(file, "TOTAL_ERR_FATAL"));
}

/* A maximum of 0 or 255 lanes is how the kernel says that it does not know. */
static double percent(double now, double most)
{
    return most > 0 && most < 255 ? 100 * now / most : (double)NAN;
}

static void add_accelerator(void *arg, const char *path, const char *name)
{
    struct reading *out = arg;

    (void)name;
    sysfs_least(reading_at(out, 0, METRIC_PCIE_WIDTH),
                percent(sysfs_number("%s/device/current_link_width", path),
                        sysfs_number("%s/device/max_link_width", path)));
    sysfs_least(reading_at(out, 0, METRIC_PCIE_SPEED),
                percent(sysfs_number("%s/device/current_link_speed", path),
                        sysfs_number("%s/device/max_link_speed", path)));
}

void pcie_read(const char *root, struct reading *out)
{
    struct errors e = {(double)NAN, (double)NAN};
    char dir[512];

    (void)snprintf(dir, sizeof dir, "%s/sys/bus/pci/devices", root);
    sysfs_each(dir, "", add_device, &e);
    *reading_at(out, 0, METRIC_PCIE_CORRECTABLE) = e.correctable;
    *reading_at(out, 0, METRIC_PCIE_UNCORRECTABLE) = e.uncorrectable;
    (void)snprintf(dir, sizeof dir, "%s/sys/class/accel", root);
    sysfs_each(dir, "accel", add_accelerator, out);
}
