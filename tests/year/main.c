/* `make year`: years of a pod at the published failure rates, and days of noise
 * without a fault.  A year is a process of its own, two at a time.
 *
 * Status 1: less than the goal, or a slice was touched for nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "year.h"

static const double goal = 0.9998;

enum { AT_ONCE = 2 };

struct options {
    const char *config, *json;
    long years, quiet_days, seed; /* negative: as configured */
};

struct running {
    pid_t pid;
    int fd;
    bool quiet;
};

static bool start(struct running *r, const struct year_config *config, uint64_t seed, bool quiet)
{
    int ends[2];

    if (pipe(ends) < 0) {
        return false;
    }
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct tally *tally = xcalloc(1, sizeof *tally);
        (void)close(ends[0]);
        year_run(config, seed, quiet, tally);
        for (size_t at = 0; at < sizeof *tally;) {
            ssize_t n = write(ends[1], (const char *)tally + at, sizeof *tally - at);
            if (n <= 0) {
                _exit(1);
            }
            at += (size_t)n;
        }
        free(tally);
        _exit(0);
    }
    (void)close(ends[1]);
    *r = (struct running){pid, ends[0], quiet};
    return pid > 0;
}

/* Its tally, once it is there. */
static bool take(const struct running *r, struct tally *out)
{
    size_t at = 0;
    ssize_t n = 1;
    int status;

    while (at < sizeof *out && n > 0) {
        n = read(r->fd, (char *)out + at, sizeof *out - at);
        at += n > 0 ? (size_t)n : 0;
    }
    (void)close(r->fd);
    return waitpid(r->pid, &status, 0) == r->pid && status == 0 && at == sizeof *out;
}

/* What there is so far stands in the file after each year. */
static bool run_all(const struct year_config *config, const char *json, struct tally *years,
                    struct tally *quiet)
{
    unsigned n_quiet = (config->quiet_days + YEAR_DAYS - 1) / YEAR_DAYS,
             n = config->years + n_quiet;
    struct running running[AT_ONCE];
    struct tally *one = xcalloc(1, sizeof *one);
    bool good = true;

    for (unsigned i = 0; i < n + AT_ONCE && good; i++) {
        struct running *r = &running[i % AT_ONCE];
        if (i >= AT_ONCE && i - AT_ONCE < n) {
            good = take(r, one);
            tally_add(r->quiet ? quiet : years, one);
            good = good && (json == NULL || report_write(json, config, years, quiet) == 0);
            (void)fprintf(stderr, "%u of %u: %s\n", i - AT_ONCE + 1, n,
                          r->quiet ? "without a fault" : "a year");
        }
        if (i < n) {
            struct year_config part = *config;
            unsigned at = i - config->years; /* of the quiet ones */
            if (i >= config->years && at + 1 == n_quiet) {
                part.quiet_days = config->quiet_days - at * YEAR_DAYS;
            }
            good = good && start(r, &part, config->seed * 1000 + i, i >= config->years);
        }
    }
    free(one);
    return good;
}

static bool parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){
        .config = "simulator/year.yaml", .years = -1, .quiet_days = -1, .seed = -1};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            return false;
        }
        if (strcmp(argv[i], "--config") == 0) {
            o->config = argv[i + 1];
        } else if (strcmp(argv[i], "--json") == 0) {
            o->json = argv[i + 1];
        } else if (strcmp(argv[i], "--years") == 0) {
            o->years = strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--quiet-days") == 0) {
            o->quiet_days = strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            o->seed = strtol(argv[i + 1], NULL, 10);
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct year_config config;
    struct options o;
    struct error err;

    if (!parse(&o, argc, argv)) {
        (void)fprintf(stderr, "usage: year [--config FILE] [--json FILE] [--years N] "
                              "[--quiet-days N] [--seed N]\n");
        return 2;
    }
    if (year_config_read(&config, o.config, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    struct tally *years = xcalloc(1, sizeof *years), *quiet = xcalloc(1, sizeof *quiet);
    config.years = o.years >= 0 ? (unsigned)o.years : config.years;
    config.quiet_days = o.quiet_days >= 0 ? (unsigned)o.quiet_days : config.quiet_days;
    config.seed = o.seed >= 0 ? (uint64_t)o.seed : config.seed;
    log_init("year", LOG_FORMAT_TEXT, LOG_ERROR);
    bool good = run_all(&config, o.json, years, quiet);
    report_print(&config, years, quiet);
    good = good && quiet->touched_by_noise == 0 &&
           (years->days == 0 || tally_availability(years) >= goal);
    free(years);
    free(quiet);
    return good ? 0 : 1;
}
