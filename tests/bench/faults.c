/* libtpunet after a switch has died: routes around it, one thread, no process
 * but this one.  A run takes the next axis. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/system/harness.h"
#include "tool/faults.h"
#include "tpunet.h"

enum { POSITION_A = 2, POSITION_B = 1 };

static void must(int status, const struct tpunet_error *err)
{
    if (status != 0) {
        bench_die("libtpunet: %d %s", status, err->text);
    }
}

static struct tpunet_route_key key_of(unsigned dim, unsigned run)
{
    uint16_t n = (uint16_t)dim;

    return (struct tpunet_route_key){
        .shape = {.dim = {n, n, n}}, .axis = (uint8_t)(run % 3), .n_vcs = 3, .neighbour_weight = 1};
}

/* The slice's links without those of the switch. */
static struct tpunet_topology *faulty(const struct tpunet_route_key *key)
{
    struct tpunet_topology *topology;
    struct tpunet_error err;

    must(tpunet_topology_of_shape(&topology, &key->shape, &err), &err);
    const unsigned first = key->axis == 0, second = key->axis == 2 ? 1 : 2;
    for (uint32_t chip = 0; chip < topology->n_chips; chip++) {
        uint16_t at[TPUNET_AXES];
        tpunet_logical_at(&key->shape, chip, at);
        if (at[first] % TPUNET_CUBE_DIM == POSITION_A &&
            at[second] % TPUNET_CUBE_DIM == POSITION_B &&
            at[key->axis] % TPUNET_CUBE_DIM == TPUNET_CUBE_DIM - 1) {
            tpunet_topology_cut(topology, chip, 2U * key->axis);
        }
    }
    return topology;
}

static void expand_and_prove(const struct tpunet_route_solution *s,
                             const struct tpunet_topology *topology)
{
    struct tpunet_tables *tables;
    struct tpunet_proof proof;
    struct tpunet_error err;

    must(tpunet_route_expand(&tables, s, POSITION_A, POSITION_B, &err), &err);
    must(tpunet_verify(tables, topology, &proof, &err), &err);
    tpunet_tables_destroy(tables);
}

static struct sample cold(unsigned dim, unsigned run)
{
    struct tpunet_route_key key = key_of(dim, run);
    struct tpunet_topology *topology = faulty(&key);
    struct tpunet_route_solution *s;
    struct tpunet_error err;

    double start_ms = now_ms();
    must(tpunet_route_solve(&s, &key, &err), &err);
    expand_and_prove(s, topology);
    double took_ms = now_ms() - start_ms;
    tpunet_route_solution_destroy(s);
    tpunet_topology_destroy(topology);
    return (struct sample){took_ms, 1};
}

static struct sample cached(unsigned dim, unsigned run)
{
    static struct tpunet_route_cache *cache;
    struct tpunet_route_key key = key_of(dim, run);
    struct tpunet_topology *topology = faulty(&key);
    struct tpunet_error err;

    if (cache == NULL) {
        must(tpunet_route_cache_create(&cache, 64 << 20, &err), &err);
    }
    if (tpunet_route_cache_lookup(cache, &key) == NULL) {
        struct tpunet_route_solution *s;
        must(tpunet_route_solve(&s, &key, &err), &err);
        must(tpunet_route_cache_insert(cache, s, &err), &err);
    }
    double start_ms = now_ms();
    expand_and_prove(tpunet_route_cache_lookup(cache, &key), topology);
    double took_ms = now_ms() - start_ms;
    tpunet_topology_destroy(topology);
    return (struct sample){took_ms, 1};
}

struct sample bench_ft_cold_8(unsigned run)
{
    return cold(8, run);
}

struct sample bench_ft_cold_16(unsigned run)
{
    return cold(16, run);
}

struct sample bench_ft_cached_8(unsigned run)
{
    return cached(8, run);
}

struct sample bench_ft_cached_16(unsigned run)
{
    return cached(16, run);
}

static struct sample around(unsigned dim, const char *faults)
{
    uint16_t n = (uint16_t)dim;
    const struct tpunet_shape shape = {.dim = {n, n, n}};
    struct tpunet_topology *topology;
    struct tpunet_tables *tables;
    struct tpunet_proof proof;
    struct tpunet_error err;

    must(tpunet_topology_of_shape(&topology, &shape, &err), &err);
    must(faults_apply(topology, faults, &err), &err);
    double start_ms = now_ms();
    must(tpunet_route_around(&tables, topology, NULL, &err), &err);
    must(tpunet_verify(tables, topology, &proof, &err), &err);
    double took_ms = now_ms() - start_ms;
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy(topology);
    return (struct sample){took_ms, 1};
}

/* Several switches, links and chips at once; a run takes the next set. */
struct sample bench_ft_random_8(unsigned run)
{
    char faults[32];

    (void)snprintf(faults, sizeof faults, "random:%u", run);
    return around(8, faults);
}

struct sample bench_ft_link_16(unsigned run)
{
    static const char *const faults[] = {"link:5+x", "link:1000+y", "link:4000+z"};

    return around(16, faults[run % 3]);
}

/* A line "NAME: <n> kB" of /proc/self/status. */
static double own_mib(const char *name)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    unsigned long kib = 0;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtoul(line + strlen(name) + 1, NULL, 10);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return (double)kib / 1024;
}

/* What a cold solve adds to this process at its peak. */
struct sample bench_ft_peak(unsigned run)
{
    FILE *f = fopen("/proc/self/clear_refs", "we");

    if (f == NULL || fputs("5", f) < 0 || fclose(f) != 0) { /* 5: forget the peak so far */
        bench_die("/proc/self/clear_refs cannot be written");
    }
    double before_mib = own_mib("VmRSS");
    (void)cold(16, run);
    return (struct sample){own_mib("VmHWM") - before_mib, 1};
}
