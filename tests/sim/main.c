/* sim SEEDS [FROM [first]]: many seeds, two at a time, each in a process of its
 * own, so that an assert of one is a find like any other; "first" ends with the
 * first find.
 * sim --seed X [--trace]: one seed in this process, for a debugger. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "table.h"

/* Seeds differ in how long they take: others go ahead of one that takes long. */
enum { WORKERS = 2, AHEAD = 64 };

struct worker {
    pid_t pid; /* 0: none */
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
    worker->pid = 0;
}

/* One that has something to say, or has died. */
static struct worker *wait_for_one(struct worker workers[static WORKERS])
{
    struct pollfd fds[WORKERS];

    for (int i = 0; i < WORKERS; i++) {
        fds[i] =
            (struct pollfd){.fd = workers[i].pid != 0 ? workers[i].pipe : -1, .events = POLLIN};
    }
    while (poll(fds, WORKERS, -1) < 0 && errno == EINTR) {
    }
    for (int i = 0; i < WORKERS; i++) {
        if (fds[i].revents != 0) {
            return &workers[i];
        }
    }
    perror("sim: poll");
    exit(1);
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

struct ahead {
    bool done;
    struct outcome out;
};

static void run_all(uint64_t first, uint64_t n, bool to_first_find, struct sums *sums,
                    struct outcome *first_out)
{
    struct worker workers[WORKERS] = {{0}};
    struct ahead *ahead = xcalloc(AHEAD, sizeof *ahead);
    uint64_t started = 0, told = 0;

    while (told < n && !(to_first_find && sums->failed > 0)) {
        for (int i = 0; i < WORKERS; i++) {
            if (workers[i].pid == 0 && started < n && started < told + AHEAD) {
                start(&workers[i], first + started++);
            }
        }
        struct worker *worker = wait_for_one(workers);
        struct ahead *a = &ahead[(worker->seed - first) % AHEAD];
        finish(worker, &a->out);
        a->done = true;
        for (a = &ahead[told % AHEAD]; a->done; a = &ahead[told % AHEAD]) {
            tell(&a->out); /* in the order of seeds: the output is the same */
            sums_add(sums, &a->out);
            *first_out = told++ == 0 ? a->out : *first_out;
            a->done = false;
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        if (workers[i].pid != 0) {
            finish(&workers[i], &ahead[0].out);
        }
    }
    free(ahead);
}

static int run_many(uint64_t first, uint64_t n, bool to_first_find)
{
    struct outcome first_out = {0};
    struct sums sums = {0};
    double began_s = clock_s();

    run_all(first, n, to_first_find, &sums, &first_out);
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
