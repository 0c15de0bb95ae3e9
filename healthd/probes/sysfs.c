/* The instruments of the machine it runs on, as the kernel shows them.  With a
 * root other than "" it reads a copy of the tree, which is how it is tested. */
#include "sysfs.h"

#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "healthd/probe.h"
#include "mem.h"

enum { PATH_BYTES = 512, TEXT_BYTES = 4096 };

/* ----------------------------------------------------------------- files -- */

static bool read_text(const char *path, char text[static TEXT_BYTES])
{
    FILE *file = fopen(path, "re");
    size_t n = file != NULL ? fread(text, 1, TEXT_BYTES - 1, file) : 0;

    if (file != NULL) {
        (void)fclose(file);
    }
    text[n] = '\0';
    return n > 0;
}

static double number_in(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    return end != text && isfinite(value) ? value : (double)NAN;
}

double sysfs_number(const char *fmt, ...)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    va_list ap;

    va_start(ap, fmt);
    int len = vsnprintf(path, sizeof path, fmt, ap);
    va_end(ap);
    return len < PATH_BYTES && read_text(path, text) ? number_in(text) : (double)NAN;
}

double sysfs_word(const char *path, const char *word)
{
    char text[TEXT_BYTES];
    const char *at = read_text(path, text) ? strstr(text, word) : NULL;

    return at != NULL ? number_in(at + strlen(word)) : (double)NAN;
}

bool sysfs_exists(const char *fmt, ...)
{
    char path[PATH_BYTES];
    va_list ap;

    va_start(ap, fmt);
    int len = vsnprintf(path, sizeof path, fmt, ap);
    va_end(ap);
    return len < PATH_BYTES && access(path, F_OK) == 0;
}

void sysfs_each(const char *dir, const char *prefix, sysfs_each_fn *fn, void *arg)
{
    DIR *entries = opendir(dir);

    if (entries == NULL) {
        return;
    }
    /* cppcheck-suppress readdirCalled ; our own stream, one thread */
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[PATH_BYTES];
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) < PATH_BYTES) {
            fn(arg, path, entry->d_name);
        }
    }
    (void)closedir(entries);
}

void sysfs_add(double *sum, double value)
{
    if (!isnan(value)) {
        *sum = isnan(*sum) ? value : *sum + value;
    }
}

void sysfs_most(double *most, double value)
{
    *most = fmax(*most, value); /* of which a NAN is passed over */
}

void sysfs_least(double *least, double value)
{
    *least = fmin(*least, value);
}

/* ----------------------------------------------------------------- probe -- */

struct sysfs_probe {
    struct probe probe;
    char *root;
    struct kmsg *kmsg;
    struct accel accel;
};

/* The kernel's counters begin anew with each boot. */
static unsigned long long boot_of(const char *root)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    unsigned long long hash = 14695981039346656037ULL; /* FNV-1a */

    if (snprintf(path, sizeof path, "%s/proc/sys/kernel/random/boot_id", root) >= PATH_BYTES ||
        !read_text(path, text)) {
        return 0;
    }
    for (const char *c = text; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    }
    return hash;
}

static void read_class(struct probe *probe, uint16_t host, enum probe_class class,
                       probe_read_fn *done, void *arg)
{
    struct sysfs_probe *p = (struct sysfs_probe *)probe;
    struct reading reading;

    reading_clear(&reading);
    reading.incarnation = boot_of(p->root);
    switch (class) {
    case PROBE_CHIPS:
        accel_read_chips(&p->accel, p->root, &reading);
        break;
    case PROBE_HOST:
        pcie_read(p->root, &reading);
        edac_read(p->root, &reading);
        hwmon_read(p->root, &reading);
        kmsg_read(p->kmsg, &reading);
        break;
    case PROBE_LINKS:
        accel_read_links(p->root, &reading);
        break;
    case PROBE_CLASSES:
        abort();
    }
    done(arg, host, class, &reading);
}

static void flush(struct probe *probe)
{
    (void)probe; /* nothing was gathered */
}

static void destroy(struct probe *probe)
{
    struct sysfs_probe *p = (struct sysfs_probe *)probe;

    kmsg_destroy(p->kmsg);
    free(p->root);
    free(p);
}

int sysfs_probe_create(struct probe **out, const char *root, const char *driver, struct error *err)
{
    static const struct probe_ops ops = {.read = read_class, .flush = flush, .destroy = destroy};
    struct sysfs_probe *p;

    if (!sysfs_exists("%s/sys", root)) {
        return err_set(err, E_CONFIG, "%s/sys is not there", root);
    }
    p = xcalloc(1, sizeof *p);
    p->probe = (struct probe){.ops = &ops, .ready = true};
    p->root = xstrdup(root);
    p->kmsg = kmsg_create(root, driver);
    *out = &p->probe;
    return 0;
}
