/* Create and delete one-cube slices from many clients at once, each waiting
 * for ACTIVE and for DELETED.  Three rows look at the same cycles: how many a
 * second, and how long the middle and the slowest hundredth took. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "tests/bench/bench.h"
#include "tests/system/harness.h"

enum { CLIENTS = 32, RUN_MS = 5000, CYCLES_MAX = 10000 };

struct client {
    pthread_t thread;
    double end_ms;
    char failure[400]; /* empty while all is well */
    size_t n;
    double took_ms[CYCLES_MAX];
};

/* The runs so far: whichever row comes first measures, the others look. */
static struct cycles {
    double per_s;
    size_t n;
    double *took_ms; /* [n], rising */
} * runs;
static size_t n_runs, cap_runs;

static void fail(struct client *client, const char *what, long status, const json_t *json)
{
    (void)snprintf(client->failure, sizeof client->failure, "%s: status %ld, %s %s%s", what, status,
                   str(json, "state"), str(json, "reason"), str(json, "detail"));
}

/* True if a slice came alive and went.  No room is not a cycle and no failure:
 * the client asks again. */
static bool cycle(const struct pod *pod, struct client *client)
{
    char path[128];
    long status;
    json_t *slice = http(pod, "POST", "/v1/slices?wait=30s", "{\"topology\":\"4x4x4\"}", &status);

    if (status != 201 || strcmp(str(slice, "state"), "ACTIVE") != 0) {
        if (status != 409) {
            fail(client, "create", status, slice);
        }
        json_decref(slice);
        return false;
    }
    (void)snprintf(path, sizeof path, "/v1/slices/%s?wait=30s", str(slice, "id"));
    json_decref(slice);
    slice = http(pod, "DELETE", path, NULL, &status);
    bool gone = status == 200 && strcmp(str(slice, "state"), "DELETED") == 0;
    if (!gone) {
        fail(client, "delete", status, slice);
    }
    json_decref(slice);
    return gone;
}

static void *run_client(void *arg)
{
    struct client *client = arg;
    double start_ms;

    while ((start_ms = now_ms()) < client->end_ms && client->n < CYCLES_MAX &&
           client->failure[0] == '\0') {
        if (cycle(bench_pod(), client)) {
            client->took_ms[client->n++] = now_ms() - start_ms;
        }
    }
    http_close();
    return NULL;
}

static struct cycles gather(const struct client *clients, double took_ms)
{
    struct cycles all = {0};

    for (size_t i = 0; i < CLIENTS; i++) {
        if (clients[i].failure[0] != '\0') {
            bench_die("one-cube slices: %s", clients[i].failure);
        }
        all.took_ms = xrealloc_array(all.took_ms, all.n + clients[i].n + 1, sizeof(double));
        memcpy(all.took_ms + all.n, clients[i].took_ms, clients[i].n * sizeof(double));
        all.n += clients[i].n;
    }
    if (all.n == 0) {
        bench_die("no cycle in %d ms", RUN_MS);
    }
    qsort(all.took_ms, all.n, sizeof(double), compare_doubles);
    all.per_s = (double)all.n / (took_ms / 1000);
    return all;
}

static struct cycles measure(void)
{
    struct client *clients = xcalloc(CLIENTS, sizeof *clients);

    (void)bench_pod();
    double start_ms = now_ms();
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].end_ms = start_ms + RUN_MS;
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0) {
            bench_die("cannot start a client's thread");
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        (void)pthread_join(clients[i].thread, NULL);
    }
    struct cycles all = gather(clients, now_ms() - start_ms);
    free(clients);
    return all;
}

static const struct cycles *cycles_of(unsigned run)
{
    while (n_runs <= run) {
        VEC_GROW(runs, n_runs, cap_runs);
        runs[n_runs++] = measure();
    }
    return &runs[run];
}

static struct sample quantile(const struct cycles *all, double q)
{
    return (struct sample){all->took_ms[(size_t)(q * (double)(all->n - 1))], all->n};
}

struct sample bench_cycles_per_s(unsigned run)
{
    const struct cycles *all = cycles_of(run);
    return (struct sample){all->per_s, all->n};
}

struct sample bench_cycle_p50(unsigned run)
{
    return quantile(cycles_of(run), 0.5);
}

struct sample bench_cycle_p99(unsigned run)
{
    return quantile(cycles_of(run), 0.99);
}
