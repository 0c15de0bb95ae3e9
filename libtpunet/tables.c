/* Routing tables as objects: how they are allocated, and how a packet walks
 * through them.  Builders are in route_*.c; the proof is in verify.c. */
#include "routes.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

/* A full slice's rows are 16 MiB that are written once, front to back: asked
 * for in huge pages, they cost 8 page faults in place of 4,096. */
static uint8_t *rows_alloc(size_t size)
{
    if (size < HUGE_PAGE)
        return malloc(size);
    size_t rounded = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    uint8_t *rows = aligned_alloc(HUGE_PAGE, rounded);
    if (rows != NULL)
        (void)madvise(rows, rounded, MADV_HUGEPAGE); /* advice: small pages do as well */
    return rows;
}

int tables_create(struct tpunet_tables **out, uint32_t n_chips, unsigned n_planes, unsigned n_vcs,
                  const char *algorithm, struct tpunet_error *err)
{
    assert(n_chips > 0 && n_planes > 0 && n_planes <= TPUNET_CLASSES);
    assert(n_vcs > 0 && n_vcs < TPUNET_CLASSES);

    struct tpunet_tables *t = malloc(sizeof *t);
    if (t == NULL)
        return tpunet_fail_nomem(err);
    *t = (struct tpunet_tables){
        .n_chips = n_chips,
        .n_planes = (uint8_t)n_planes,
        .n_vcs = (uint8_t)n_vcs,
        .algorithm = algorithm,
        .rows = rows_alloc((size_t)n_planes * n_chips * n_chips),
    };
    if (t->rows == NULL) {
        free(t);
        return tpunet_fail_nomem(err);
    }
    *out = t;
    return 0;
}

void tpunet_tables_destroy(struct tpunet_tables *t)
{
    if (t == NULL)
        return;
    free(t->rows);
    free(t);
}

/* A packet is lost where the verifier would object to the entry: what counts
 * as arrival, or as a live hop, is the same for both. */
int tpunet_walk(const struct tpunet_tables *tables, const struct tpunet_topology *topology,
                uint32_t src, uint32_t dst, struct tpunet_hop *hops, size_t max_hops)
{
    assert(tables->n_chips == topology->n_chips);
    assert(src < tables->n_chips && dst < tables->n_chips);

    unsigned cls = TPUNET_INJECT;
    uint32_t at = src;
    for (size_t n = 0;; n++) {
        uint8_t entry = tpunet_lookup(tables, cls, at, dst);
        unsigned port = tpunet_entry_port(entry), vc = tpunet_entry_vc(entry);
        if (at == dst)
            return port == TPUNET_ARRIVED ? (int)n : TPUNET_EUNREACHABLE;
        if (entry != tpunet_entry(port, vc) || port >= TPUNET_PORTS || vc >= tables->n_vcs ||
            topology->peer[at * TPUNET_PORTS + port] == TPUNET_NONE || n == max_hops)
            return TPUNET_EUNREACHABLE;
        hops[n] = (struct tpunet_hop){.chip = at, .port = (uint8_t)port, .vc = (uint8_t)vc};
        at = topology->peer[at * TPUNET_PORTS + port];
        cls = TPUNET_VC0 + vc;
    }
}
