/* hwmon: temperatures in thousandths of a degree, alarms as 0 or 1
 * (Documentation/hwmon/sysfs-interface.rst). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sysfs.h"

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static void add_temperature(void *arg, const char *path, const char *name)
{
    if (ends_with(name, "_input")) {
        sysfs_most(arg, sysfs_number("%s", path) / 1000);
    }
}

double hwmon_hottest(const char *dir)
{
    double hottest = (double)NAN;

    sysfs_each(dir, "temp", add_temperature, &hottest);
    return hottest;
}

/* Those of power, current and voltage; a fan's or a temperature's is not. */
static void add_alarm(void *arg, const char *path, const char *name)
{
    bool electric = strncmp(name, "in", 2) == 0 || strncmp(name, "power", 5) == 0 ||
                    strncmp(name, "curr", 4) == 0;

    if (electric && ends_with(name, "_alarm")) {
        sysfs_add(arg, sysfs_number("%s", path));
    }
}

static void add_device(void *arg, const char *path, const char *name)
{
    struct reading *out = arg;

    (void)name;
    sysfs_most(reading_at(out, 0, METRIC_HOST_TEMPERATURE), hwmon_hottest(path));
    sysfs_each(path, "", add_alarm, reading_at(out, 0, METRIC_POWER_ALARMS));
}

void hwmon_read(const char *root, struct reading *out)
{
    char dir[512];

    (void)snprintf(dir, sizeof dir, "%s/sys/class/hwmon", root);
    sysfs_each(dir, "hwmon", add_device, out);
}
