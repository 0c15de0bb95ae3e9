/* sim SEEDS [FROM [first]]: many seeds, two at a time, each in a process of its
 * own, so that an assert of one is a find like any other; "first" ends with the
 * first find.
 * sim --seed X [--trace]: one seed in this process, for a debugger. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "table.h"

enum { WORKERS = 2 };

struct worker {
    pid_t pid;
    int pipe;
    uint64_t seed;
};
static void run_child(uint64_t seed, int out)
{
    struct outcome outcome;

    sim_run(seed, false, &outcome);
    _exit(write(out, &outcome, sizeof outcome) == sizeof outcome ? 0 : 1);
}

static void start(struct worker *worker, uint64_t seed)
{
    int ends[2];

    (void)fflush(NULL);
    if (pipe(ends) != 0 || (worker->pid = fork()) < 0) {
        perror("sim");
        exit(1);
    }
    if (worker->pid == 0) {
        (void)close(ends[0]);
        run_child(seed, ends[1]);
    }
    (void)close(ends[1]);
    worker->pipe = ends[0];
    worker->seed = seed;
}

static void finish(struct worker *worker, struct outcome *out)
{
    int status;

    if (read(worker->pipe, out, sizeof *out) != sizeof *out) {
        *out = (struct outcome){.seed = worker->seed};
        out->found[V_DIED] = 1;
        (void)snprintf(out->text, sizeof out->text, "died; the message is above");
    }
    (void)close(worker->pipe);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
    }
}

/* A find, or why it does not count, on a line of its own. */
static void tell(const struct outcome *out)
{
    if (sums_found(out) > 0) {
        printf("seed %" PRIu64 ": %s\n  again: make sim SEED=%" PRIu64 "\n", out->seed, out->text,
               out->seed);
    } else if (out->discarded != DISCARD_NOT) {
        printf("seed %" PRIu64 " discarded: %s\n", out->seed, out->text);
    }
    (void)fflush(stdout);
}

static double clock_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A seed that does not repeat itself could not be looked into. */
static bool repeats(const struct outcome *before)
{
    struct worker worker;
    struct outcome again;

    start(&worker, before->seed);
    finish(&worker, &again);
    if (again.hash != before->hash) {
        printf("seed %" PRIu64 ": trace hash %016" PRIx64 ", and %016" PRIx64 " when run again\n",
               before->seed, before->hash, again.hash);
    }
    return again.hash == before->hash;
}

static int run_many(uint64_t first, uint64_t n, bool to_first_find)
{
    struct worker workers[WORKERS];
    struct outcome first_out = {0};
    struct sums sums = {0};
    double began_s = clock_s();

    for (uint64_t i = 0; i < n && i < WORKERS; i++) {
        start(&workers[i], first + i);
    }
    for (uint64_t i = 0; i < n && !(to_first_find && sums.failed > 0);
         i++) { /* in the order of seeds: the output is the same */
        struct outcome out;
        finish(&workers[i % WORKERS], &out);
        if (i + WORKERS < n) {
            start(&workers[i % WORKERS], first + i + WORKERS);
        }
        first_out = i == 0 ? out : first_out;
        tell(&out);
        sums_add(&sums, &out);
    }
    sums_print(&sums, clock_s() - began_s);
    sums.failed += n > 0 && !repeats(&first_out);
    printf("%s 1 - %" PRIu64 " seeds, %" PRIu64 " with finds\n", sums.failed == 0 ? "ok" : "not ok",
           sums.seeds, sums.failed);
    sums_fini(&sums);
    return sums.failed == 0 ? 0 : 1;
}

static int run_one(uint64_t seed, bool trace)
{
    struct outcome out;

    sim_run(seed, trace, &out);
    printf("seed %" PRIu64 ": trace hash %016" PRIx64 ", %" PRIu64 " events, %" PRIu64
           " acknowledged, %.1f s simulated, converged in %.3f s, recovered in %.3f s\n%s\n",
           seed, out.hash, out.events, out.acked, (double)out.simulated_ns / 1e9,
           (double)out.converged_ns / 1e9, (double)out.recovery_ns / 1e9, out.text);
    return sums_found(&out) == 0 ? 0 : 1;
}

/* Databases come and go with every start of podmgr: their memory is kept, so that
 * the kernel need not clear it anew each time. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

int main(int argc, char **argv)
{
    uint64_t n = 40, seed = 0;
    bool one = argc > 2 && strcmp(argv[1], "--seed") == 0;

    keep_memory();
    log_init("sim", LOG_FORMAT_TEXT, LOG_ERROR);
    daemons_prepare();
    if (!one && argc > 1) {
        n = strtoull(argv[1], NULL, 10);
    }
    if (argc > 2) {
        seed = strtoull(argv[2], NULL, 10);
    }
    return one ? run_one(seed, argc > 3) : run_many(seed > 0 ? seed : 1, n, argc > 3);
}
