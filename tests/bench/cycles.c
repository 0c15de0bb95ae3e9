/* Create and delete one-cube slices from many clients at once.
 *
 * Four rows look at the same cycles, in which each client waits for ACTIVE and
 * for DELETED: how many a second, how long the middle and the slowest hundredth
 * took, and what podmgr's own histogram says of the commits meanwhile.  A fifth
 * times the creates alone, answered as soon as they are durable. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "tests/bench/bench.h"
#include "tests/system/harness.h"

enum { CLIENTS = 32, RUN_MS = 5000, CYCLES_MAX = 10000, BUCKETS_MAX = 32 };

struct client;
/* How long the timed part took; negative if there was no room, which is no
 * failure: the client asks again. */
typedef double turn_fn(const struct pod *pod, struct client *client);

struct client {
    pthread_t thread;
    turn_fn *turn;
    double end_ms;
    char failure[400]; /* empty while all is well */
    size_t n;
    double took_ms[CYCLES_MAX];
};

/* A cumulative histogram, as /metrics shows it. */
struct buckets {
    size_t n;
    double le_ms[BUCKETS_MAX]; /* rising, the last one infinite */
    double count[BUCKETS_MAX];
};

/* The runs so far: whichever row comes first measures, the others look. */
static struct cycles {
    double per_s;
    size_t n;
    double *took_ms; /* [n], rising */
    struct buckets commits;
} * runs;
static size_t n_runs, cap_runs;

static void fail(struct client *client, const char *what, long status, const json_t *json)
{
    (void)snprintf(client->failure, sizeof client->failure, "%s: status %ld, %s %s%s", what, status,
                   str(json, "state"), str(json, "reason"), str(json, "detail"));
}

static bool is_gone(const struct pod *pod, struct client *client, const char *id)
{
    char path[128];
    long status;

    (void)snprintf(path, sizeof path, "/v1/slices/%s?wait=30s", id);
    json_t *slice = http(pod, "DELETE", path, NULL, &status);
    bool gone = status == 200 && strcmp(str(slice, "state"), "DELETED") == 0;
    if (!gone) {
        fail(client, "delete", status, slice);
    }
    json_decref(slice);
    return gone;
}

/* A slice comes alive and goes. */
static double cycle(const struct pod *pod, struct client *client)
{
    double start_ms = now_ms();
    long status;
    json_t *slice = http(pod, "POST", "/v1/slices?wait=30s", "{\"topology\":\"4x4x4\"}", &status);
    bool alive = status == 201 && strcmp(str(slice, "state"), "ACTIVE") == 0;

    if (!alive && status != 409) {
        fail(client, "create", status, slice);
    }
    bool whole = alive && is_gone(pod, client, str(slice, "id"));
    json_decref(slice);
    return whole ? now_ms() - start_ms : -1;
}

/* A slice is asked for; that it goes again is not timed. */
static double accept_one(const struct pod *pod, struct client *client)
{
    double start_ms = now_ms();
    long status;
    json_t *slice = http(pod, "POST", "/v1/slices", "{\"topology\":\"4x4x4\"}", &status);
    double took_ms = now_ms() - start_ms;

    if (status != 202 && status != 409) {
        fail(client, "create", status, slice);
    }
    bool whole = status == 202 && is_gone(pod, client, str(slice, "id"));
    json_decref(slice);
    return whole ? took_ms : -1;
}

static void *run_client(void *arg)
{
    struct client *client = arg;

    while (now_ms() < client->end_ms && client->n < CYCLES_MAX && client->failure[0] == '\0') {
        double took_ms = client->turn(bench_pod(), client);
        if (took_ms >= 0) {
            client->took_ms[client->n++] = took_ms;
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

static struct cycles run_clients(turn_fn *turn)
{
    struct client *clients = xcalloc(CLIENTS, sizeof *clients);

    (void)bench_pod();
    double start_ms = now_ms();
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].turn = turn;
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

static struct sample quantile(const struct cycles *all, double q)
{
    return (struct sample){all->took_ms[(size_t)(q * (double)(all->n - 1))], all->n};
}

/* ------------------------------------------------------------- commits -- */

static struct buckets read_commits(void)
{
    static const char bucket[] = "podmgr_commit_seconds_bucket{le=\"";
    struct buckets b = {0};
    long status;
    char *page = http_text(bench_pod(), "/metrics", &status), *end;

    const char *at = page != NULL ? strstr(page, bucket) : NULL;
    for (; at != NULL; at = strstr(end, bucket)) {
        if (b.n == BUCKETS_MAX) {
            bench_die("podmgr_commit_seconds has more than %d buckets", BUCKETS_MAX);
        }
        b.le_ms[b.n] = strtod(at + strlen(bucket), &end) * 1000;
        b.count[b.n++] = strtod(end + strlen("\"} "), NULL);
    }
    free(page);
    if (b.n == 0 || !isinf(b.le_ms[b.n - 1])) {
        bench_die("no podmgr_commit_seconds in /metrics (status %ld)", status);
    }
    return b;
}

static struct buckets since(const struct buckets *before)
{
    struct buckets b = read_commits();

    for (size_t i = 0; i < b.n; i++) {
        b.count[i] -= before->count[i];
    }
    return b;
}

/* As Prometheus' histogram_quantile(): between two bounds it is taken as
 * linear, and above the last finite one it is that bound. */
static struct sample bucket_quantile(const struct buckets *b, double q)
{
    double rank = q * b->count[b->n - 1], low_ms = 0, below = 0;

    for (size_t i = 0; i + 1 < b->n; i++) {
        if (b->count[i] >= rank && b->count[i] > below) {
            double share = (rank - below) / (b->count[i] - below);
            return (struct sample){low_ms + share * (b->le_ms[i] - low_ms),
                                   (size_t)b->count[b->n - 1]};
        }
        low_ms = b->le_ms[i];
        below = b->count[i];
    }
    return (struct sample){low_ms, (size_t)b->count[b->n - 1]};
}

/* ---------------------------------------------------------------- rows -- */

static const struct cycles *cycles_of(unsigned run)
{
    while (n_runs <= run) {
        struct buckets before = read_commits();
        VEC_GROW(runs, n_runs, cap_runs);
        runs[n_runs] = run_clients(cycle);
        runs[n_runs++].commits = since(&before);
    }
    return &runs[run];
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

struct sample bench_commit_p99(unsigned run)
{
    return bucket_quantile(&cycles_of(run)->commits, 0.99);
}

struct sample bench_accept_p99(unsigned run)
{
    struct cycles all = run_clients(accept_one);
    struct sample sample = quantile(&all, 0.99);

    (void)run;
    free(all.took_ms);
    return sample;
}
