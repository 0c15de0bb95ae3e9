#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "simulator/chance.h"

static void add_duration(struct durations *d, int64_t ns)
{
    VEC_GROW(d->ns, d->n, d->cap);
    d->ns[d->n++] = ns;
}

unsigned sums_found(const struct outcome *out)
{
    unsigned found = 0;

    for (unsigned v = 0; v < V_COUNT; v++) {
        found += out->found[v];
    }
    return found;
}

void sums_add(struct sums *sums, const struct outcome *out)
{
    sums->seeds++;
    sums->hash = chance_mix(sums->hash ^ out->hash);
    sums->events += out->events;
    sums->acked += out->acked;
    sums->simulated_ns += out->simulated_ns;
    for (unsigned v = 0; v < V_COUNT; v++) {
        sums->found[v] += out->found[v];
    }
    for (unsigned f = 0; f < F_COUNT; f++) {
        sums->activated[f] += out->activated[f];
    }
    for (unsigned r = 0; r < R_COUNT; r++) {
        sums->repairs[r] += out->repairs[r];
    }
    if (sums_found(out) > 0) {
        sums->failed++;
    } else if (out->discarded != DISCARD_NOT) {
        sums->discarded[out->discarded]++;
    } else {
        add_duration(&sums->converged, out->converged_ns);
        add_duration(&sums->recovery[out->cause], out->recovery_ns);
    }
}

/* ---------------------------------------------------------------- print -- */

static const char *const faults[] = {
#define X(name, text) text,
    FAULTS(X)
#undef X
};
static const char *const finds[] = {
#define X(name, text) #name ": " text,
    FINDS(X)
#undef X
};
static const char *const repairs[] = {
#define X(name, text) text,
    REPAIRS(X)
#undef X
};
static const char *const causes[] = {
#define X(name, text) text,
    CAUSES(X)
#undef X
};
static const char *const discards[] = {
#define X(name, text) [DISCARD_##name] = (text),
    DISCARDS(X)
#undef X
};

static void print_count(const char *kind, const char *text, uint64_t count)
{
    char line[80];

    (void)snprintf(line, sizeof line, "%s%s", kind, text);
    printf("%-58s %12" PRIu64 "\n", line, count);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double seconds(const struct durations *d, double part)
{
    size_t at = (size_t)(part * (double)d->n);
    return (double)d->ns[at < d->n ? at : d->n - 1] / 1e9;
}

static void print_durations(const char *text, struct durations *d)
{
    if (d->n == 0) {
        return;
    }
    qsort(d->ns, d->n, sizeof *d->ns, compare);
    printf("%-38s %7.3f %7.3f %7.3f %9zu\n", text, seconds(d, 0.5), seconds(d, 0.95),
           seconds(d, 0.99), d->n);
}

void sums_print(struct sums *sums, double took_s)
{
    uint64_t discarded = 0;

    for (unsigned f = 0; f < F_COUNT; f++) {
        print_count("fault: ", faults[f], sums->activated[f]);
    }
    for (unsigned r = 0; r < R_COUNT; r++) {
        print_count("repair: ", repairs[r], sums->repairs[r]);
    }
    for (unsigned v = 0; v < V_COUNT; v++) {
        print_count("", finds[v], sums->found[v]);
    }
    printf("%-38s %7s %7s %7s %9s\n", "recovery, simulated seconds", "p50", "p95", "p99", "seeds");
    for (unsigned c = 0; c < C_COUNT; c++) {
        print_durations(causes[c], &sums->recovery[c]);
    }
    print_durations("all of chaos at once", &sums->converged);
    for (unsigned d = DISCARD_NOT + 1; d < DISCARD_COUNT; d++) {
        print_count("discarded: ", discards[d], sums->discarded[d]);
        discarded += sums->discarded[d];
    }
    print_count("", "seeds that count", sums->seeds - discarded);
    print_count("", "seeds a minute", (uint64_t)((double)sums->seeds * 60 / took_s));
    printf("%-58s %12.2f\n", "simulated days", (double)sums->simulated_ns / 8.64e13);
    print_count("", "events", sums->events);
    print_count("", "acknowledged operations", sums->acked);
    printf("%-54s %016" PRIx64 "\n", "trace hash of all seeds", sums->hash);
}

void sums_fini(struct sums *sums)
{
    free(sums->converged.ns);
    for (unsigned c = 0; c < C_COUNT; c++) {
        free(sums->recovery[c].ns);
    }
}
