/* A machine's /sys, /proc and /dev as files in a directory of their own, for the
 * sysfs probe. */
#ifndef TESTS_UNIT_SYSFS_FIXTURE_H
#define TESTS_UNIT_SYSFS_FIXTURE_H

struct sysfs_fixture {
    char root[64];
};

void sysfs_fixture_init(struct sysfs_fixture *f); /* an empty /sys */
void sysfs_fixture_fini(struct sysfs_fixture *f);
/* Makes the directories on the way and writes the file anew. */
void sysfs_fixture_write(const struct sysfs_fixture *f, const char *path, const char *text);
/* Adds to the end of a file. */
void sysfs_fixture_append(const struct sysfs_fixture *f, const char *path, const char *text);
void sysfs_fixture_remove(const struct sysfs_fixture *f, const char *path); /* a tree */
/* Four accelerators with everything that a driver may show, memory controllers,
 * sensors, a log. */
void sysfs_fixture_sound(const struct sysfs_fixture *f);

#endif
