/* libtpunet on 4,096 chips, one thread, no process but this one. */
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/system/harness.h"
#include "tests/unit/inproc_world.h"

static const struct tpunet_shape full_pod = {.dim = {16, 16, 16}};

static void must(int status, const struct tpunet_error *err)
{
    if (status != 0) {
        bench_die("libtpunet: %d %s", status, err->text);
    }
}

/* A whole pod in memory whose mirrors make one torus. */
static struct fixture {
    struct inproc_world *world;
    struct tpunet_wiring *wiring;
    struct tpunet_intent *intent;
} * fixture(void)
{
    static struct fixture f;
    uint16_t cubes[64];
    struct tpunet_error err;
    struct tpunet_xc *xcs;
    size_t n;

    if (f.world != NULL) {
        return &f;
    }
    for (uint16_t c = 0; c < 64; c++) {
        cubes[c] = c;
    }
    must(tpunet_wiring_create(&f.wiring, 64, 128, NULL, 0, &err), &err);
    must(tpunet_intent_create(&f.intent, &full_pod, cubes, 64, &err), &err);
    must(tpunet_intent_xcs(f.intent, f.wiring, &xcs, &n, &err), &err);
    f.world = inproc_create(64, 128);
    inproc_make(f.world, xcs, n);
    free(xcs);
    return &f;
}

struct sample bench_discover(unsigned run)
{
    const struct fixture *f = fixture();
    struct tpunet_mismatch *mismatches;
    struct tpunet_discovery *d;
    struct tpunet_error err;

    (void)run;
    double start_ms = now_ms();
    must(tpunet_discovery_create(&d, 0, f->intent, &err), &err);
    must(inproc_discover(f->world, d, &err), &err);
    must(tpunet_place(tpunet_discovery_graph(d), f->intent, f->wiring, NULL, 0, &mismatches, &err),
         &err);
    double took_ms = now_ms() - start_ms;
    tpunet_discovery_destroy(d);
    return (struct sample){took_ms, 1};
}

struct sample bench_routes(unsigned run)
{
    struct tpunet_tables *tables;
    struct tpunet_error err;

    (void)run;
    double start_ms = now_ms();
    must(tpunet_route_dor(&tables, &full_pod, NULL, &err), &err);
    double took_ms = now_ms() - start_ms;
    tpunet_tables_destroy(tables); /* so that the next run gets cold pages again */
    return (struct sample){took_ms, 1};
}

struct sample bench_proof(unsigned run)
{
    static struct tpunet_tables *tables;
    static struct tpunet_topology *topology;
    struct tpunet_proof proof;
    struct tpunet_error err;

    (void)run;
    if (tables == NULL) {
        must(tpunet_route_dor(&tables, &full_pod, NULL, &err), &err);
        must(tpunet_topology_of_shape(&topology, &full_pod, &err), &err);
    }
    double start_ms = now_ms();
    must(tpunet_verify(tables, topology, &proof, &err), &err);
    return (struct sample){now_ms() - start_ms, 1};
}
