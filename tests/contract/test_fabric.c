/* The fabric seam: one suite, run on the fabric in memory and on tpunetd's
 * over nng to podsim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "tests/unit/inproc_world.h"
#include "tests/unit/podsim_fixture.h"
#include "tpunetd/tpunetd.h"

enum { CUBES = 3, PORTS = CUBES + 4 };

/* ------------------------------------------------------ implementations -- */

struct rig {
    const struct implementation *impl;
    const struct tpunet_fabric *fabric;
    struct inproc_world *inproc;
    struct podsim_fixture podsim;
    struct tpunetd daemon; /* only what fabric_nng looks at */
    struct tpunetd_config config;
    struct fabric_session session;
    /* the last call */
    unsigned ends;
    int status;
};

struct implementation {
    const char *name;
    void (*open)(struct rig *r);
    void (*close)(struct rig *r);
    void (*make)(struct rig *r, const struct tpunet_xc *xcs, size_t n);
    void (*kill_chip_0)(struct rig *r);
};

static void inproc_open(struct rig *r)
{
    r->inproc = inproc_create(CUBES, PORTS);
    r->fabric = inproc_fabric(r->inproc);
}

static void inproc_close(struct rig *r)
{
    inproc_destroy(r->inproc);
}

static void inproc_circuits(struct rig *r, const struct tpunet_xc *xcs, size_t n)
{
    inproc_make(r->inproc, xcs, n);
}

static void inproc_kill_chip_0(struct rig *r)
{
    inproc_kill_chip(r->inproc, 0);
}

static void nng_open(struct rig *r)
{
    struct error err;

    podsim_fixture_init(&r->podsim, CUBES);
    (void)snprintf(r->config.pod, sizeof r->config.pod, "test");
    r->config.fabric_url = r->podsim.sim.config.fabric_url;
    r->daemon = (struct tpunetd){.loop = &r->podsim.loop, .config = &r->config};
    assert_int_equal(fabric_nng_create(&r->daemon.fabric, &r->daemon, &err), 0);
    fabric_session_init(&r->session, r->daemon.fabric);
    r->fabric = &r->session.seam;
    LOOP_UNTIL(&r->podsim, rpc_client_connected(fabric_nng_client(r->daemon.fabric)));
}

static void nng_close(struct rig *r)
{
    fabric_nng_stop(r->daemon.fabric);
    podsim_fixture_fini(&r->podsim);
    fabric_nng_fini(r->daemon.fabric);
}

static void nng_circuits(struct rig *r, const struct tpunet_xc *xcs, size_t n)
{
    podsim_fixture_make(&r->podsim, xcs, n);
}

static void nng_kill_chip_0(struct rig *r)
{
    assert_true(sim_break(&r->podsim.sim, "chip", "chip/0-0-0-0", NULL, NULL) >= 0);
}

static const struct implementation implementations[] = {
    {"in memory", inproc_open, inproc_close, inproc_circuits, inproc_kill_chip_0},
    {"nng", nng_open, nng_close, nng_circuits, nng_kill_chip_0},
};

/* ---------------------------------------------------------------- calls -- */

static void on_end(void *arg, int status)
{
    struct rig *r = arg;
    r->ends++;
    r->status = status;
}

/* Waits for the end of a call that was begun; returns its status. */
static int ended(struct rig *r, int rc)
{
    assert_int_equal(rc, 0);
    while (r->ends == 0) {
        (void)uv_run(&r->podsim.loop, UV_RUN_ONCE);
        assert_false(r->podsim.timed_out);
    }
    assert_int_equal(r->ends, 1);
    r->ends = 0;
    return r->status;
}

static int do_probe(struct rig *r, const struct tpunet_path *paths, size_t n,
                    struct tpunet_probe_answer *answers)
{
    return ended(r, r->fabric->probe(r->fabric->ctx, paths, n, answers, on_end, r));
}

static int do_write(struct rig *r, const struct tpunet_stamp *stamp, struct tpunet_path path)
{
    static const uint8_t row[64] = {TPUNET_ARRIVED};
    struct tpunet_row_write write = {.path = path, .class_mask = 1, .row = row};
    return ended(r, r->fabric->write_rows(r->fabric->ctx, stamp, 64, &write, 1, on_end, r));
}

static int do_quiesce(struct rig *r, const struct tpunet_stamp *stamp, struct tpunet_path path)
{
    return ended(r, r->fabric->quiesce(r->fabric->ctx, stamp, &path, 1, on_end, r));
}

static int do_commit(struct rig *r, const struct tpunet_stamp *stamp, struct tpunet_path path)
{
    return ended(r, r->fabric->commit(r->fabric->ctx, stamp, &path, 1, on_end, r));
}

static struct tpunet_stamp stamp_of(const char *slice, uint64_t epoch, uint64_t generation)
{
    struct tpunet_stamp stamp = {.pod = "test", .epoch = epoch, .generation = generation};
    (void)snprintf(stamp.slice, sizeof stamp.slice, "%s", slice);
    return stamp;
}

static struct tpunet_path path_to(uint32_t entry, const uint8_t *hops, uint16_t n)
{
    return (struct tpunet_path){.entry = entry, .hops = hops, .n_hops = n};
}

/* ---------------------------------------------------------------- cases -- */

static void chips_answer_for_themselves(struct rig *r)
{
    static const uint8_t east[] = {TPUNET_XP}, dark[] = {TPUNET_XM};
    const struct tpunet_path paths[] = {
        path_to(0, NULL, 0),                         /* the entry itself */
        path_to(0, east, 1),                         /* over copper */
        path_to(0, dark, 1),                         /* into a dark fibre */
        path_to(CUBES * TPUNET_CUBE_CHIPS, NULL, 0), /* no such chip */
        path_to(64 + 21, NULL, 0),
    };
    struct tpunet_probe_answer a[ARRAY_LEN(paths)];

    assert_int_equal(do_probe(r, paths, ARRAY_LEN(paths), a), 0);
    assert_true(a[0].answered && a[1].answered && !a[2].answered && !a[3].answered);
    assert_int_equal(a[0].chip, 0);
    assert_int_equal(a[1].chip, 1);
    assert_int_equal(a[4].chip, 64 + 21);
    assert_true(a[0].port[TPUNET_XP].up && a[0].port[TPUNET_XP].enabled);
    assert_int_equal(a[0].port[TPUNET_XP].peer, 1);
    assert_int_equal(a[0].port[TPUNET_XP].peer_port, TPUNET_XM);
    assert_false(a[0].port[TPUNET_XM].up);
}

static void circuits_carry_commands(struct rig *r)
{
    static const uint8_t west[] = {TPUNET_XM};
    const struct tpunet_xc xc = {.ocs = 0, .north = 1, .south = 0}; /* cube 1 + to cube 0 - */
    struct tpunet_path path = path_to(0, west, 1);
    struct tpunet_probe_answer a;

    r->impl->make(r, &xc, 1);
    assert_int_equal(do_probe(r, &path, 1, &a), 0);
    assert_true(a.answered);
    assert_int_equal(a.chip, 64 + 3);
    assert_int_equal(a.port[TPUNET_XP].peer, 0);
}

static void dead_chips_are_silent(struct rig *r)
{
    static const uint8_t west[] = {TPUNET_XM};
    const struct tpunet_path paths[] = {path_to(0, NULL, 0), path_to(1, west, 1),
                                        path_to(1, NULL, 0)};
    struct tpunet_probe_answer a[3];

    r->impl->kill_chip_0(r);
    assert_int_equal(do_probe(r, paths, 3, a), 0);
    assert_true(!a[0].answered && !a[1].answered && a[2].answered);
    assert_false(a[2].port[TPUNET_XM].up);
}

static void large_calls_keep_their_order(struct rig *r)
{
    enum { N = 5000 };
    struct tpunet_path *paths = xcalloc(N, sizeof *paths);
    struct tpunet_probe_answer *a = xcalloc(N, sizeof *a);

    for (uint32_t i = 0; i < N; i++) {
        paths[i] = path_to(i % (CUBES * TPUNET_CUBE_CHIPS), NULL, 0);
    }
    assert_int_equal(do_probe(r, paths, N, a), 0);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(a[i].chip, i % (CUBES * TPUNET_CUBE_CHIPS));
    }
    free(paths);
    free(a);
}

static void writes_are_fenced(struct rig *r)
{
    static const struct {
        const char *slice;
        uint64_t epoch, generation;
        int status;
    } rows[] = {
        {"1-1", 1, 5, 0},
        {"1-1", 1, 5, 0},             /* again */
        {"1-1", 1, 4, TPUNET_ESTALE}, /* an older generation */
        {"1-2", 1, 5, TPUNET_ESTALE}, /* as old, of another slice */
        {"1-2", 1, 6, 0},             /* newer: the chip changes hands */
        {"1-1", 1, 5, TPUNET_ESTALE},
        {"2-1", 2, 1, 0}, /* generations begin anew with an epoch */
        {"1-2", 1, 7, TPUNET_ESTALE},
    };
    struct tpunet_path path = path_to(9, NULL, 0);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tpunet_stamp stamp = stamp_of(rows[i].slice, rows[i].epoch, rows[i].generation);
        assert_int_equal(do_write(r, &stamp, path), rows[i].status);
        assert_int_equal(do_quiesce(r, &stamp, path), rows[i].status);
        assert_int_equal(do_commit(r, &stamp, path), rows[i].status);
    }
}

static void writes_that_lead_nowhere_fail(struct rig *r)
{
    static const uint8_t dark[] = {TPUNET_XM};
    struct tpunet_stamp stamp = stamp_of("1-1", 1, 1);
    struct tpunet_path path = path_to(0, dark, 1);

    assert_int_equal(do_write(r, &stamp, path), TPUNET_EFABRIC);
    assert_int_equal(do_quiesce(r, &stamp, path), TPUNET_EFABRIC);
    assert_int_equal(do_commit(r, &stamp, path), TPUNET_EFABRIC);
    assert_int_equal(
        ended(r, r->fabric->set_port(r->fabric->ctx, &stamp, path, 0, false, on_end, r)),
        TPUNET_EFABRIC);
}

static void disabled_ports_part_neighbours(struct rig *r)
{
    static const uint8_t east[] = {TPUNET_XP};
    struct tpunet_stamp stamp = stamp_of("1-1", 1, 1);
    const struct tpunet_path paths[] = {path_to(0, NULL, 0), path_to(1, NULL, 0),
                                        path_to(0, east, 1)};
    struct tpunet_probe_answer a[3];

    for (int enabled = 0; enabled <= 1; enabled++) {
        assert_int_equal(ended(r, r->fabric->set_port(r->fabric->ctx, &stamp, paths[0], TPUNET_XP,
                                                      enabled == 1, on_end, r)),
                         0);
        assert_int_equal(do_probe(r, paths, 3, a), 0);
        assert_int_equal(a[0].port[TPUNET_XP].enabled, enabled);
        assert_int_equal(a[1].port[TPUNET_XM].up, enabled);
        assert_int_equal(a[2].answered, enabled);
    }
}

/* -------------------------------------------------------- a whole slice -- */

struct slice {
    struct tpunet_intent *intent;
    struct tpunet_wiring *wiring;
    struct tpunet_bringup *bringup;
    struct rig *rig;
    size_t n_mismatches, chips_found;
};

static void on_verdict(void *arg, const struct tpunet_verdict *verdict)
{
    struct slice *s = arg;
    s->n_mismatches = verdict->n_mismatches;
    s->chips_found = verdict->chips_found;
    on_end(s->rig, verdict->status);
}

static int bring_up(struct rig *r, struct slice *s, const struct tpunet_xc *xcs, size_t n)
{
    struct tpunet_stamp stamp = stamp_of("1-1", 1, 1);

    r->impl->make(r, xcs, n);
    assert_int_equal(tpunet_bringup_create(&s->bringup, r->fabric, s->intent, s->wiring, &stamp,
                                           s->intent->cubes[0] * 64U, NULL, NULL),
                     0);
    tpunet_bringup_start(s->bringup, on_verdict, s);
    return ended(r, 0);
}

static void slices_come_up(struct rig *r)
{
    static const uint16_t cubes[] = {2, 0};
    struct tpunet_shape shape;
    struct slice s = {.rig = r};
    struct tpunet_xc *xcs;
    size_t n;

    assert_int_equal(tpunet_shape_parse(&shape, "4x4x8", true, NULL), 0);
    assert_int_equal(tpunet_intent_create(&s.intent, &shape, cubes, 2, NULL), 0);
    assert_int_equal(tpunet_wiring_create(&s.wiring, CUBES, PORTS, NULL, 0, NULL), 0);
    assert_int_equal(tpunet_intent_xcs(s.intent, s.wiring, &xcs, &n, NULL), 0);
    assert_int_equal(bring_up(r, &s, xcs, n - 1), TPUNET_EMISMATCH); /* one circuit is missing */
    assert_int_equal(s.n_mismatches, 1);
    tpunet_bringup_destroy(s.bringup);
    assert_int_equal(bring_up(r, &s, xcs + n - 1, 1), 0);
    assert_int_equal(s.chips_found, 128);
    tpunet_bringup_destroy(s.bringup);
    tpunet_wiring_destroy(s.wiring);
    tpunet_intent_destroy(s.intent);
    free(xcs);
}

/* --------------------------------------------------------------- runner -- */

typedef void case_fn(struct rig *r);

static void run_on_all(case_fn *fn)
{
    for (size_t i = 0; i < ARRAY_LEN(implementations); i++) {
        struct rig *r = xcalloc(1, sizeof *r);
        print_message("  %s\n", implementations[i].name);
        r->impl = &implementations[i];
        r->impl->open(r);
        fn(r);
        r->impl->close(r);
        free(r);
    }
}

#define CASES(X)                                                                                   \
    X(chips_answer_for_themselves)                                                                 \
    X(circuits_carry_commands)                                                                     \
    X(dead_chips_are_silent)                                                                       \
    X(large_calls_keep_their_order)                                                                \
    X(writes_are_fenced)                                                                           \
    X(writes_that_lead_nowhere_fail)                                                               \
    X(disabled_ports_part_neighbours)                                                              \
    X(slices_come_up)

#define X(name)                                                                                    \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        run_on_all(name);                                                                          \
    }
CASES(X)
#undef X

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name) cmocka_unit_test(test_##name),
        CASES(X)
#undef X
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
