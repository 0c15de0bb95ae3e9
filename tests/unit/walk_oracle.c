#include "walk_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum {
    VCS = 3,
    LINKS = WALK_CHIPS_MAX * TPUNET_PORTS,
    CHANNELS = LINKS * VCS,
    CHIP_CHANNELS = TPUNET_PORTS * VCS,
    STATES = WALK_CHIPS_MAX * TPUNET_CLASSES
};

struct walker {
    const struct tpunet_tables *tables;
    const struct tpunet_topology *topology;
    struct walk_verdict verdict;
    uint32_t load[LINKS];
    bool used[CHANNELS];
    /* asks[c][k]: who holds channel c asks for the k-th channel of the chip
     * where c ends. */
    bool asks[CHANNELS][CHIP_CHANNELS];
    enum { WHITE, GREY, BLACK } colour[CHANNELS];
};

/* -------------------------------------------------------------- entries -- */

static bool is_hop(const struct walker *w, uint32_t chip, uint8_t entry)
{
    unsigned port = entry & 0xF, vc = entry >> 4; /* bit 3 and bits 6, 7 are zero */
    return port < TPUNET_PORTS && vc < w->tables->n_vcs &&
           w->topology->peer[chip * TPUNET_PORTS + port] != TPUNET_NONE;
}

static bool may_be_there(const struct walker *w, uint32_t chip, uint32_t dst, uint8_t entry)
{
    if (w->topology->dead[chip] || w->topology->dead[dst])
        return entry == TPUNET_NO_ROUTE;
    if (chip == dst)
        return entry == TPUNET_ARRIVED;
    return entry == TPUNET_NO_ROUTE || is_hop(w, chip, entry);
}

static void look_at_entries(struct walker *w)
{
    const struct tpunet_tables *t = w->tables;
    size_t n = t->n_chips;
    for (size_t i = 0; i < t->n_planes * n * n; i++) {
        if (!may_be_there(w, (uint32_t)(i / n % n), (uint32_t)(i % n), t->rows[i]))
            w->verdict.bad_entry = true;
    }
}

/* ---------------------------------------------------------------- walks -- */

/* One packet, until it arrives, is lost, or comes to where it was. */
static void walk(struct walker *w, uint32_t src, uint32_t dst)
{
    bool seen[STATES] = {false};
    uint32_t at = src, cls = TPUNET_INJECT, hops = 0, holds = CHANNELS;
    while (!seen[at * TPUNET_CLASSES + cls]) {
        uint8_t entry = tpunet_lookup(w->tables, cls, at, dst);
        seen[at * TPUNET_CLASSES + cls] = true;
        if (at == dst && entry == TPUNET_ARRIVED) {
            w->verdict.max_hops = hops > w->verdict.max_hops ? hops : w->verdict.max_hops;
            return;
        }
        if (at == dst || !is_hop(w, at, entry))
            break;
        uint32_t port = entry & 0xFU, vc = entry >> 4U, own = port * VCS + vc;
        if (holds != CHANNELS)
            w->asks[holds][own] = true;
        holds = at * CHIP_CHANNELS + own;
        w->used[holds] = true;
        w->load[at * TPUNET_PORTS + port]++;
        w->verdict.hops++;
        hops++;
        at = w->topology->peer[at * TPUNET_PORTS + port];
        cls = TPUNET_VC0 + vc;
    }
    /* Round again: the last channel asks for the first one after the place
     * where the packet has been before. */
    if (seen[at * TPUNET_CLASSES + cls] && at != dst) {
        uint8_t entry = tpunet_lookup(w->tables, cls, at, dst);
        if (is_hop(w, at, entry) && holds != CHANNELS)
            w->asks[holds][(entry & 0xFU) * VCS + (entry >> 4U)] = true;
    }
    w->verdict.lost++;
}

/* --------------------------------------------------------------- cycles -- */

static uint32_t chip_at_end(const struct walker *w, uint32_t channel)
{
    return w->topology->peer[channel / VCS];
}

/* A grey channel asked for again closes a cycle. */
static bool leads_to_cycle(struct walker *w, uint32_t channel)
{
    w->colour[channel] = GREY;
    for (uint32_t k = 0; k < CHIP_CHANNELS; k++) {
        if (!w->asks[channel][k])
            continue;
        uint32_t next = chip_at_end(w, channel) * CHIP_CHANNELS + k;
        if (w->colour[next] == GREY || (w->colour[next] == WHITE && leads_to_cycle(w, next)))
            return true;
    }
    w->colour[channel] = BLACK;
    return false;
}

static void sum_up(struct walker *w)
{
    struct walk_verdict *v = &w->verdict;
    v->acyclic = true;
    for (uint32_t i = 0; i < LINKS; i++)
        v->max_load = w->load[i] > v->max_load ? w->load[i] : v->max_load;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        v->channels += w->used[c];
        for (uint32_t k = 0; k < CHIP_CHANNELS; k++)
            v->dependencies += w->asks[c][k];
        if (v->acyclic && w->colour[c] == WHITE && leads_to_cycle(w, c))
            v->acyclic = false;
    }
}

struct walk_verdict walk_all_pairs(const struct tpunet_tables *tables,
                                   const struct tpunet_topology *topology)
{
    assert_true(tables->n_chips <= WALK_CHIPS_MAX);
    struct walker *w = calloc(1, sizeof *w);
    w->tables = tables;
    w->topology = topology;
    look_at_entries(w);
    for (uint32_t src = 0; src < tables->n_chips; src++) {
        for (uint32_t dst = 0; dst < tables->n_chips; dst++) {
            if (src != dst && !topology->dead[src] && !topology->dead[dst])
                walk(w, src, dst);
        }
    }
    sum_up(w);
    struct walk_verdict verdict = w->verdict;
    free(w);
    return verdict;
}

int walk_agrees(const struct tpunet_tables *tables, const struct tpunet_topology *topology)
{
    struct walk_verdict v = walk_all_pairs(tables, topology);
    struct tpunet_proof proof;
    int rc = tpunet_verify(tables, topology, &proof, NULL);
    assert_int_equal(proof.channels, v.channels);
    assert_int_equal(proof.dependencies, v.dependencies);
    assert_int_equal(proof.acyclic, v.acyclic);
    if (v.acyclic) {
        assert_int_equal(rc, v.bad_entry || v.lost > 0 ? TPUNET_EUNREACHABLE : 0);
        assert_int_equal(proof.unreachable_pairs, v.lost);
        assert_int_equal(proof.max_hops, v.max_hops);
        assert_int_equal((uint64_t)(proof.mean_hops * (double)proof.pairs + 0.5), v.hops);
        assert_true(proof.max_link_load == v.max_load);
    } else {
        /* Who goes round for ever is lost, and a cycle: no entry need be at fault. */
        assert_true(rc == TPUNET_ECYCLE || (rc == TPUNET_EUNREACHABLE && v.lost > 0) ||
                    (rc == TPUNET_EUNREACHABLE && v.bad_entry));
        assert_true(rc == TPUNET_EUNREACHABLE || !v.bad_entry);
    }
    return rc;
}
