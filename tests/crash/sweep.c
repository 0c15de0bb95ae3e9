/* The sweeps: podmgr as it is, which has to survive every point, and podmgr
 * with a fault, which must not.  A control that is not found fails the run: a
 * judge who finds nothing may be blind.
 *
 * crash            every n-th point, for `make test`
 * crash --full     all that `make crash` promises
 * crash --point P --class C [--seed S] [--restore 1]: one again, with its trace */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crash.h"
#include "log.h"
#include "mem.h"

const char *const place_texts[PLACE_COUNT] = {
#define X(name, text) text,
    PLACES(X)
#undef X
};
const char *const class_words[CLASS_COUNT] = {
#define X(name, word, text) word,
    CLASSES(X)
#undef X
};
static const char *const class_texts[CLASS_COUNT] = {
#define X(name, word, text) text,
    CLASSES(X)
#undef X
};

struct control {
    const char *name;
    struct setup setup;
};

static const unsigned full[CLASS_COUNT] = {1, 1, 1, 3, 1, 1, 1};
static const unsigned quick[CLASS_COUNT] = {61, 11, 31, 97, 67, 11, 31};

static const struct control controls[] = {
    {"synchronous = OFF", {.synchronous = "OFF", .every = {[CLASS_POWER] = 7}}},
    {"synchronous = NORMAL", {.synchronous = "NORMAL", .every = {[CLASS_POWER] = 7}}},
    {"synchronous = OFF, torn", {.synchronous = "OFF", .every = {[CLASS_TORN] = 29}}},
    {"synchronous = NORMAL, torn", {.synchronous = "NORMAL", .every = {[CLASS_TORN] = 29}}},
    {"the log is not rewritten", {.log_as_it_is = true, .every = {[CLASS_FSYNC] = 3}}},
    {"restore: the directory is not synced",
     {.restores = true, .names_unsynced = true, .every = {[CLASS_TORN] = 1}}},
    {"effects before the commit", {.effects_first = true, .every = {[CLASS_KILL] = 29}}},
    {"on after a failed commit", {.goes_on = true, .every = {[CLASS_EIO] = 29}}},
};

static double clock_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_tally(const struct tally *t)
{
    printf("# %" PRIu64 " points, %" PRIu64 " swept; %" PRIu64 " commits, %" PRIu64
           " operations acknowledged\n",
           t->points, t->swept, t->commits, t->acked);
    printf("# %-56s %7s %7s %7s %7s\n", "", "points", "tried", "struck", "finds");
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        printf("# %-5s %-50s %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64 "\n", class_words[i],
               class_texts[i], t->of_class[i], t->tried[i], t->struck[i], t->found[i]);
    }
    printf("# podmgr stopped itself at %" PRIu64 " of the failures\n", t->stopped);
    for (unsigned i = 0; i < PLACE_COUNT; i++) {
        if (t->places[i] == 0) {
            continue;
        }
        printf("# points where %-56s %7" PRIu64 "\n", place_texts[i], t->places[i]);
    }
}

/* A class none of whose crashes came about says nothing. */
static bool all_struck(const struct setup *setup, const struct tally *t)
{
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        if (setup->every[i] > 0 && t->struck[i] == 0) {
            printf("# %s: no point struck\n", class_words[i]);
            return false;
        }
    }
    return true;
}

/* The program as it is; returns whether nothing was found. */
static bool sweep(unsigned test, const struct setup *setup)
{
    struct tally tally;

    crash_run(setup, &tally);
    print_tally(&tally);
    bool good = tally.finds == 0 && (setup->only_point != 0 || all_struck(setup, &tally));
    printf("%s %u - %s, seed %" PRIu64 ": %" PRIu64 " finds\n", good ? "ok" : "not ok", test,
           setup->restores ? "podmgr restore" : "podmgr", setup->seed, tally.finds);
    return good;
}

static bool is_found(unsigned test, const struct control *control, uint64_t seed)
{
    struct setup setup = control->setup;
    struct tally tally;
    uint64_t tried = 0;

    setup.seed = seed;
    setup.to_first_find = true;
    crash_run(&setup, &tally);
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        tried += tally.tried[i];
    }
    printf("%s %u - control: %s: %sfound after %" PRIu64 " tries\n",
           tally.finds > 0 ? "ok" : "not ok", test, control->name, tally.finds > 0 ? "" : "not ",
           tried);
    return tally.finds > 0;
}

static int run_all(const unsigned every[static CLASS_COUNT], uint64_t seed)
{
    struct setup setup = {.seed = seed};
    double began_s = clock_s();
    unsigned test = 1;

    memcpy(setup.every, every, sizeof setup.every);
    bool good = sweep(test, &setup);
    setup.restores = true;
    for (unsigned i = 0; i < CLASS_COUNT; i++) { /* its points are few */
        setup.every[i] = i != CLASS_TWICE;
    }
    good = sweep(++test, &setup) && good;
    for (size_t i = 0; i < ARRAY_LEN(controls); i++) {
        good = is_found(++test, &controls[i], seed) && good;
    }
    printf("1..%u\n# %.1f s\n", test, clock_s() - began_s);
    return good ? 0 : 1;
}

static int run_one(uint64_t point, const char *word, uint64_t seed, bool restores)
{
    struct setup setup = {.seed = seed, .only_point = point, .restores = restores};

    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        setup.every[i] = strcmp(word, class_words[i]) == 0;
    }
    return sweep(1, &setup) ? 0 : 1;
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return argv[i + 1];
        }
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    uint64_t seed = strtoull(option(argc, argv, "--seed", "1"), NULL, 10);
    uint64_t point = strtoull(option(argc, argv, "--point", "0"), NULL, 10);

    log_init("crash", LOG_FORMAT_TEXT, LOG_ERROR);
    if (point != 0) {
        return run_one(point, option(argc, argv, "--class", "kill"), seed,
                       option(argc, argv, "--restore", NULL) != NULL);
    }
    return run_all(argc > 1 && strcmp(argv[1], "--full") == 0 ? full : quick, seed);
}
