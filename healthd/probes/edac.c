/* EDAC: errors that the memory controllers corrected, and could not
 * (Documentation/driver-api/edac.rst). */
#include <stdio.h>

#include "sysfs.h"

static void add_controller(void *arg, const char *path, const char *name)
{
    struct reading *out = arg;

    (void)name;
    sysfs_add(reading_at(out, 0, METRIC_MEMORY_CORRECTABLE), sysfs_number("%s/ce_count", path));
    sysfs_add(reading_at(out, 0, METRIC_MEMORY_UNCORRECTABLE), sysfs_number("%s/ue_count", path));
}

void edac_read(const char *root, struct reading *out)
{
    char dir[512];

    (void)snprintf(dir, sizeof dir, "%s/sys/devices/system/edac/mc", root);
    sysfs_each(dir, "mc", add_controller, out);
}
