/* simulator/fabric_device.c and flit.c: probes' paths, fences, banks, flits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim_fixture.h"
#include "simulator/fabric_device.h"
#include "simulator/flit.h"
#include "simulator/sim_wiring.h"

static const struct sim_stamp gen1 = {"s", 1, 1}, gen2 = {"s", 1, 2};

static struct sim_path at_chip(const char *chip)
{
    return (struct sim_path){.entry = sim_chip(chip)};
}

/* ----------------------------------------------------------------- paths -- */

static void paths_end_where_live_links_end(void **state)
{
    struct sim_fixture *f = *state;
    static const uint8_t hops[] = {0, 0, 2, 9};
    struct sim_path path = {.entry = sim_chip("chip/0-2-0-0"), .hops = hops, .n_hops = 3};
    uint32_t chip;

    assert_false(sim_follow(f->w, &path, &chip)); /* the face is dark */
    sim_make(f, 0, 0, 1);
    assert_true(sim_follow(f->w, &path, &chip));
    assert_int_equal(chip, sim_chip("chip/1-0-1-0"));
    path.n_hops = 4; /* no such port */
    assert_false(sim_follow(f->w, &path, &chip));
    path = (struct sim_path){.entry = 4 * 64};
    assert_false(sim_follow(f->w, &path, &chip)); /* no such chip */
    path.entry = 5;
    assert_true(sim_follow(f->w, &path, &chip));
    assert_int_equal(sim_break(f, "cube", "cube/0", NULL, NULL), 0);
    assert_false(sim_follow(f->w, &path, &chip));
}

/* ---------------------------------------------------------------- fences -- */

static enum sim_fabric_status write_all(struct sim_fixture *f, const struct sim_stamp *stamp,
                                        const char *chip)
{
    uint8_t row[] = {6, 6, 6};
    struct sim_path path = at_chip(chip);
    return sim_write_row(f->w, stamp, &path, 0, 3, 0xf, row, sizeof row);
}

static void a_chip_refuses_older_stamps_and_other_slices(void **state)
{
    static const struct {
        struct sim_stamp stamp;
        enum sim_fabric_status status;
    } rows[] = {
        {{"a", 3, 5}, SIM_FABRIC_OK},    {{"a", 3, 5}, SIM_FABRIC_OK},
        {{"a", 3, 4}, SIM_FABRIC_STALE}, {{"a", 2, 9}, SIM_FABRIC_STALE},
        {{"b", 3, 5}, SIM_FABRIC_STALE}, {{"b", 3, 6}, SIM_FABRIC_OK},
        {{"a", 3, 5}, SIM_FABRIC_STALE}, {{"a", 4, 1}, SIM_FABRIC_OK},
    };
    struct sim_fixture *f = *state;
    struct sim_path path = at_chip("chip/0-0-0-0");

    /* one fence, whatever the command that raised it */
    for (unsigned command = 0; command < 3; command++) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct sim_stamp stamp = rows[i].stamp;
            stamp.epoch += 10 * command;
            enum sim_fabric_status status = command == 0 ? write_all(f, &stamp, "chip/0-0-0-0")
                                            : command == 1
                                                ? sim_quiesce(f->w, &stamp, &path)
                                                : sim_set_port(f->w, &stamp, &path, 0, true);
            assert_int_equal(status, rows[i].status);
        }
    }
}

static void commit_needs_what_was_written(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_path path = at_chip("chip/0-0-0-0");
    const struct sim_chip *chip = &f->w->chips[path.entry];

    assert_int_equal(sim_commit(f->w, &gen1, &path), SIM_FABRIC_BAD);
    assert_int_equal(write_all(f, &gen1, "chip/0-0-0-0"), SIM_FABRIC_OK);
    assert_null(chip->active.rows[0]);
    assert_int_equal(sim_quiesce(f->w, &gen1, &path), SIM_FABRIC_OK);
    assert_true(chip->quiesced);
    assert_int_equal(sim_commit(f->w, &gen1, &path), SIM_FABRIC_OK);
    assert_false(chip->quiesced);
    assert_int_equal(chip->active.rows[0]->refs, 4);                 /* classes share the row */
    assert_int_equal(sim_commit(f->w, &gen1, &path), SIM_FABRIC_OK); /* again: no change */
    assert_int_equal(write_all(f, &gen2, "chip/0-0-0-0"), SIM_FABRIC_OK);
    assert_int_equal(chip->active.stamp.generation, 1);
    assert_int_equal(sim_commit(f->w, &gen2, &path), SIM_FABRIC_OK);
    assert_int_equal(chip->active.stamp.generation, 2);
}

static void malformed_rows_are_refused(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_path path = at_chip("chip/0-0-0-0");
    uint8_t row[4] = {0};

    assert_int_equal(sim_write_row(f->w, &gen1, &path, 0, 4, 1, row, 3), SIM_FABRIC_BAD);
    assert_int_equal(sim_write_row(f->w, &gen1, &path, 4, 4, 1, row, 4), SIM_FABRIC_BAD);
    assert_int_equal(sim_write_row(f->w, &gen1, &path, 0, 4, 0, row, 4), SIM_FABRIC_BAD);
    assert_int_equal(sim_write_row(f->w, &gen1, &path, 0, 4, 16, row, 4), SIM_FABRIC_BAD);
    assert_int_equal(sim_set_port(f->w, &gen1, &path, 6, false), SIM_FABRIC_BAD);
}

static void a_disabled_port_is_down_at_both_ends(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_path path = at_chip("chip/0-1-1-1");

    assert_int_equal(sim_set_port(f->w, &gen1, &path, 0, false), SIM_FABRIC_OK);
    assert_string_equal(sim_sees(f, "link/0-1-1-1+x"), "");
    assert_string_equal(sim_sees(f, "link/0-2-1-1-x"), "");
    assert_int_equal(sim_set_port(f->w, &gen1, &path, 0, true), SIM_FABRIC_OK);
    assert_string_equal(sim_sees(f, "link/0-2-1-1-x"), "link/0-1-1-1+x");
}

/* ----------------------------------------------------------------- flits -- */

enum { RING = 8 };

/* Chip p of a ring of two cubes along x. */
static uint32_t ring_chip(unsigned p)
{
    return sim_chip_number(p / 4, (const uint8_t[]){(uint8_t)(p % 4), 0, 0});
}

/* Eastward only: VC0 up to and over the wrap, VC1 after. */
static void fill_ring_row(unsigned self, unsigned cls, uint8_t row[RING])
{
    for (unsigned dst = 0; dst < RING; dst++) {
        bool wraps_yet = dst < self;
        unsigned vc = cls == 2 || (cls == 0 && !wraps_yet) ? 1 : 0;
        vc = cls == 1 && !wraps_yet ? 1 : vc;
        row[dst] = dst == self ? 6 : (uint8_t)(0 | vc << 4);
    }
}

static void install(struct sim_fixture *f, unsigned p, const struct sim_stamp *stamp)
{
    struct sim_path path = {.entry = ring_chip(p)};
    uint8_t row[RING];

    for (unsigned cls = 0; cls < 3; cls++) {
        fill_ring_row(p, cls, row);
        assert_int_equal(sim_write_row(f->w, stamp, &path, p, RING, 1U << cls, row, RING),
                         SIM_FABRIC_OK);
    }
    assert_int_equal(sim_commit(f->w, stamp, &path), SIM_FABRIC_OK);
}

static void make_ring(struct sim_fixture *f)
{
    sim_make(f, 0, 0, 1);
    sim_make(f, 0, 1, 0);
    for (unsigned p = 0; p < RING; p++) {
        install(f, p, &gen1);
    }
}

static void flits_cross_the_wrap_and_change_vc(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_hop hops[SIM_HOPS_MAX];
    static const uint8_t vcs[] = {0, 0, 1, 1}; /* 6 -> 7 -> 0 -> 1 -> 2; 7 -> 0 is the wrap */
    struct error err;
    size_t n;

    make_ring(f);
    assert_int_equal(sim_send(f->w, ring_chip(6), ring_chip(2), hops, &n, &err), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(hops[i].chip, ring_chip((6 + (unsigned)i) % RING));
        assert_int_equal(hops[i].port, 0);
        assert_int_equal(hops[i].vc, vcs[i]);
    }
    for (unsigned src = 0; src < RING; src++) {
        for (unsigned dst = 0; dst < RING; dst++) {
            assert_int_equal(sim_send(f->w, ring_chip(src), ring_chip(dst), hops, &n, &err),
                             (dst + RING - src) % RING);
        }
    }
}

static void dead_flits_say_where_and_why(void **state)
{
    static const struct {
        const char *what, *target;
        const char *text;
    } rows[] = {
        {"link", "link/1-0-0-0+x", "after 4 hops, at chip/1-0-0-0: its link +x is down"},
        {"chip", "chip/1-2-0-0", "after 5 hops, at chip/1-1-0-0: its link +x is down"},
        {"chip", "chip/0-0-0-0", "after 0 hops, at chip/0-0-0-0: it is dead"},
        {"ocs-port", "port/0-s-1", "after 3 hops, at chip/0-3-0-0: its link +x is down"},
    };
    struct sim_fixture *f = *state;
    struct sim_hop hops[SIM_HOPS_MAX];
    struct error err;
    size_t n;

    make_ring(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(sim_break(f, rows[i].what, rows[i].target, NULL, NULL), 0);
        assert_int_equal(sim_send(f->w, ring_chip(0), ring_chip(7), hops, &n, &err), E_UNREACHABLE);
        assert_string_equal(err.text, rows[i].text);
        assert_int_equal(sim_heal(f, "all"), 1);
    }
    assert_int_equal(sim_send(f->w, ring_chip(0), ring_chip(7), hops, &n, &err), 7);
}

static void generations_do_not_mix(void **state)
{
    struct sim_fixture *f = *state;
    struct sim_path first = {.entry = ring_chip(0)};
    struct sim_hop hops[SIM_HOPS_MAX];
    struct error err;
    size_t n;

    make_ring(f);
    assert_int_equal(sim_quiesce(f->w, &gen2, &first), SIM_FABRIC_OK);
    assert_int_equal(sim_send(f->w, ring_chip(0), ring_chip(1), hops, &n, &err), E_UNREACHABLE);
    assert_non_null(strstr(err.text, "it is quiesced"));
    for (unsigned p = 0; p < RING; p++) { /* R1: until the last has it, some pair is cut off */
        install(f, p, &gen2);
        int there = sim_send(f->w, ring_chip(0), ring_chip(7), hops, &n, &err);
        assert_int_equal(there, p == RING - 1 ? 7 : E_UNREACHABLE);
        assert_true(p == RING - 1 || strstr(err.text, "generation 2") != NULL);
    }
}

static void bad_tables_kill_flits(void **state)
{
    static const struct {
        uint8_t entry; /* of chip 2 for destination 5, class VC1 */
        const char *text;
    } rows[] = {
        {7, "after 2 hops, at chip/0-2-0-0: its table has no route"},
        {6, "after 2 hops, at chip/0-2-0-0: it takes the flit for its own"},
        {0x30, "after 2 hops, at chip/0-2-0-0: its table says VC3, which is not there"},
        {0x20, "after 3 hops, at chip/0-3-0-0: it has no table for VC2"},
        {0x11, "after 1024 hops, at chip/0-2-0-0: still under way"}, /* back west */
    };
    struct sim_fixture *f = *state;
    struct sim_hop hops[SIM_HOPS_MAX];
    struct error err;
    size_t n;

    make_ring(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t *entry = &f->w->chips[ring_chip(2)].active.rows[2]->bytes[5];
        *entry = rows[i].entry;
        assert_int_equal(sim_send(f->w, ring_chip(0), ring_chip(5), hops, &n, &err), E_UNREACHABLE);
        assert_string_equal(err.text, rows[i].text);
    }
    assert_int_equal(sim_send(f->w, sim_chip("chip/3-0-0-0"), ring_chip(5), hops, &n, &err),
                     E_UNREACHABLE);
    assert_non_null(strstr(err.text, "it has no table for injected flits"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_end_where_live_links_end, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(a_chip_refuses_older_stamps_and_other_slices, sim_setup,
                                        sim_teardown),
        cmocka_unit_test_setup_teardown(commit_needs_what_was_written, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(malformed_rows_are_refused, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(a_disabled_port_is_down_at_both_ends, sim_setup,
                                        sim_teardown),
        cmocka_unit_test_setup_teardown(flits_cross_the_wrap_and_change_vc, sim_setup,
                                        sim_teardown),
        cmocka_unit_test_setup_teardown(dead_flits_say_where_and_why, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(generations_do_not_mix, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(bad_tables_kill_flits, sim_setup, sim_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
