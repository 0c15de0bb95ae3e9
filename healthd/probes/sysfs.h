/* The sources of the sysfs probe, one a file, and what they share.  Each fills
 * the metrics that it can find out of the reading, and leaves the others
 * unknown: a file that is missing, or holds no number, is never a zero. */
#ifndef HEALTHD_PROBES_SYSFS_H
#define HEALTHD_PROBES_SYSFS_H

#include "healthd/metric.h"

/* The number that a file begins with; NAN if there is none. */
double sysfs_number(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The number after this word of a file ("TOTAL_ERR_COR 3"); NAN if there is none. */
double sysfs_word(const char *path, const char *word);
bool sysfs_exists(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Calls with the path of each entry of the directory whose name begins so. */
typedef void sysfs_each_fn(void *arg, const char *path, const char *name);
void sysfs_each(const char *dir, const char *prefix, sysfs_each_fn *fn, void *arg);
/* Sums and extremes of what is known: NAN until something is. */
void sysfs_add(double *sum, double value);
void sysfs_most(double *most, double value);
void sysfs_least(double *least, double value);

/* pcie.c: errors of all devices (AER), width and speed of the accelerators. */
void pcie_read(const char *root, struct reading *out);
/* edac.c: errors of the host's memory. */
void edac_read(const char *root, struct reading *out);
/* hwmon.c: temperatures and alarms. */
void hwmon_read(const char *root, struct reading *out);
double hwmon_hottest(const char *dir); /* of the sensors in it, degrees Celsius */
/* accel.c: chips and links.  A chip that was there once and is no more, or is
 * missing among others, is absent; where there is none at all nothing is known. */
struct accel {
    bool seen[4];
};
void accel_read_chips(struct accel *accel, const char *root, struct reading *out);
void accel_read_links(const char *root, struct reading *out);

/* kmsg.c: counts lines of the kernel's log. */
struct kmsg;
struct kmsg *kmsg_create(const char *root, const char *driver);
void kmsg_destroy(struct kmsg *kmsg);
void kmsg_read(struct kmsg *kmsg, struct reading *out);

#endif
