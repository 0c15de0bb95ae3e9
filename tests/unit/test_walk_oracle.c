/* Two verifiers that share nothing must agree on 10,000 table sets: good ones
 * over random faults, and those with a planted cycle, an unreachable pair, a
 * wrong VC, or with entries at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tool/faults.h"
#include "tpunet.h"
#include "walk_oracle.h"

enum { SETS = 10000, SETS_OF_A_BASE = 20 };

struct sets {
    struct tpunet_topology *topology;
    struct tpunet_tables *tables;
    uint8_t *rows; /* of the base, untouched */
    size_t size;
    uint64_t seed;
};

static uint32_t below(struct sets *s, uint32_t n)
{
    s->seed = s->seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((s->seed >> 33) % n);
}

/* ----------------------------------------------------------------- bases -- */

/* Faults that leave the slice connected, for a mesh few enough to do so. */
static void break_links(struct sets *s)
{
    uint16_t part[WALK_CHIPS_MAX];
    for (uint32_t i = below(s, 6); i > 0; i--) {
        uint32_t chip = below(s, s->topology->n_chips), port = below(s, TPUNET_PORTS);
        uint16_t peer = s->topology->peer[chip * TPUNET_PORTS + port];
        if (peer == TPUNET_NONE)
            continue;
        tpunet_topology_cut(s->topology, chip, port);
        if (tpunet_parts(s->topology, part) == 1)
            continue;
        s->topology->peer[chip * TPUNET_PORTS + port] = peer;
        s->topology->peer[peer * TPUNET_PORTS + tpunet_port_peer(port)] = (uint16_t)chip;
    }
}

/* Routes that a builder made, with a plane for each class. */
static void make_base(struct sets *s, unsigned k)
{
    static const char *const shapes[] = {"2x2x1", "2x2x2", "2x2x4", "2x4x4"};
    const struct tpunet_route_options options = {.vcs = 2 + k % 2};
    struct tpunet_shape shape;
    const char *text = k % 25 == 0 ? "4x4x4" : k % 111 == 1 ? "4x4x8" : shapes[below(s, 4)];
    assert_int_equal(tpunet_shape_parse(&shape, text, k % 222 == 1, NULL), 0);
    assert_int_equal(tpunet_topology_of_shape(&s->topology, &shape, NULL), 0);
    if (k % 5 != 0)
        break_links(s);
    if (k % 7 == 3 && s->topology->n_chips >= 64)
        tpunet_topology_kill(s->topology, below(s, s->topology->n_chips));
    assert_int_equal(tpunet_route_around(&s->tables, s->topology, &options, NULL), 0);

    struct tpunet_tables *t = s->tables;
    size_t plane_size = (size_t)t->n_chips * t->n_chips;
    s->size = TPUNET_CLASSES * plane_size;
    s->rows = malloc(s->size);
    for (unsigned cls = 0; cls < TPUNET_CLASSES; cls++) {
        memcpy(s->rows + cls * plane_size, t->rows + t->plane[cls] * plane_size, plane_size);
        t->plane[cls] = (uint8_t)cls;
    }
    t->n_planes = TPUNET_CLASSES;
    t->n_vcs = 3;
    free(t->rows);
    t->rows = malloc(s->size);
}

static void drop_base(struct sets *s)
{
    free(s->rows);
    tpunet_tables_destroy(s->tables);
    tpunet_topology_destroy(s->topology);
}

/* ----------------------------------------------------------- corruptions -- */

static void leave(struct sets *s)
{
    (void)s;
}

/* Everything on one VC: what the others were for comes back. */
static void plant_cycle(struct sets *s)
{
    for (size_t i = 0; i < s->size; i++)
        s->tables->rows[i] &= 7;
}

static void plant_unreachable_pair(struct sets *s)
{
    uint32_t n = s->tables->n_chips, chip = below(s, n), dst = below(s, n);
    for (unsigned cls = 0; cls < TPUNET_CLASSES && chip != dst; cls++)
        s->tables->rows[((size_t)cls * n + chip) * n + dst] = TPUNET_NO_ROUTE;
}

/* A packet is sent back to where it came from. */
static void plant_loop(struct sets *s)
{
    uint32_t n = s->tables->n_chips, chip = below(s, n), dst = below(s, n);
    uint8_t entry = tpunet_lookup(s->tables, TPUNET_INJECT, chip, dst);
    if (tpunet_entry_port(entry) >= TPUNET_PORTS)
        return;
    uint32_t next = s->topology->peer[chip * TPUNET_PORTS + tpunet_entry_port(entry)];
    for (unsigned cls = 0; cls < TPUNET_CLASSES && next != dst; cls++)
        s->tables->rows[((size_t)cls * n + next) * n + dst] =
            tpunet_entry(tpunet_port_peer(tpunet_entry_port(entry)), tpunet_entry_vc(entry));
}

static void plant_wrong_vcs(struct sets *s)
{
    for (uint32_t i = below(s, 8); i < 8; i++) {
        uint8_t *entry = &s->tables->rows[below(s, (uint32_t)s->size)];
        if (tpunet_entry_port(*entry) < TPUNET_PORTS)
            *entry = tpunet_entry(tpunet_entry_port(*entry), below(s, 16) == 0 ? 3 : below(s, 3));
    }
}

/* Wrong VCs everywhere, so that nothing but their number speaks for them. */
static void plant_any_vcs(struct sets *s)
{
    for (size_t i = 0; i < s->size; i++) {
        if (tpunet_entry_port(s->tables->rows[i]) < TPUNET_PORTS)
            s->tables->rows[i] = tpunet_entry(tpunet_entry_port(s->tables->rows[i]), below(s, 3));
    }
}

static void plant_entries(struct sets *s)
{
    for (uint32_t i = below(s, 4); i < 4; i++) {
        uint32_t what = below(s, 4);
        s->tables->rows[below(s, (uint32_t)s->size)] =
            what == 0   ? (uint8_t)below(s, 256)
            : what == 1 ? TPUNET_NO_ROUTE
                        : tpunet_entry(below(s, TPUNET_PORTS), below(s, 3));
    }
}

static void cut_a_link(struct sets *s)
{
    tpunet_topology_cut(s->topology, below(s, s->tables->n_chips), below(s, TPUNET_PORTS));
}

static void agree_on_10000_table_sets(void **state)
{
    (void)state;
    /* cut_a_link() is not among them: it breaks the base, so it comes last. */
    static void (*const corruptions[])(struct sets *) = {
        leave,         plant_cycle,   plant_unreachable_pair, plant_loop,   plant_wrong_vcs,
        plant_any_vcs, plant_entries, plant_wrong_vcs,        plant_entries};
    enum { KINDS = sizeof corruptions / sizeof corruptions[0] };
    struct sets s = {.seed = 1};
    unsigned passed = 0, cyclic = 0, unreachable = 0;
    for (unsigned k = 0; k < SETS / SETS_OF_A_BASE; k++) {
        make_base(&s, k);
        for (unsigned i = 0; i < SETS_OF_A_BASE; i++) {
            memcpy(s.tables->rows, s.rows, s.size);
            if (i + 1 == SETS_OF_A_BASE)
                cut_a_link(&s);
            else
                corruptions[i % KINDS](&s);
            int rc = walk_agrees(s.tables, s.topology);
            assert_true(i % KINDS != 0 || i + 1 == SETS_OF_A_BASE || rc == 0);
            passed += rc == 0;
            cyclic += rc == TPUNET_ECYCLE;
            unreachable += rc == TPUNET_EUNREACHABLE;
        }
        drop_base(&s);
    }
    print_message("%u pass, %u have a cycle, %u an unreachable pair\n", passed, cyclic,
                  unreachable);
    assert_int_equal(passed + cyclic + unreachable, SETS);
    assert_true(passed > SETS / 20 && cyclic > SETS / 20 && unreachable > SETS / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agree_on_10000_table_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
