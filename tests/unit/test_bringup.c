/* Bring-up over a fabric in memory, judged by what the chips then forward by. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inproc_world.h"
#include "tpunet.h"

/* ------------------------------------------------------------- fixture -- */

/* A slice on its switches, and a fabric in front of the world that counts, and
 * may hold, every call. */
struct bench {
    struct inproc_world *world;
    struct tpunet_intent *intent;
    struct tpunet_wiring *wiring;
    struct tpunet_stamp stamp;
    struct tpunet_bringup_options options;
    struct tpunet_bringup *bringup;

    struct tpunet_fabric front;
    bool deferred; /* answers wait for deliver() */
    int refuse_in; /* calls until one is refused, -1 never */
    unsigned calls, writes, port_sets;
    size_t most_bytes; /* of rows, in one call */
    tpunet_done_fn *held;
    void *held_arg;
    int held_status;

    unsigned verdicts;
    int status;
    char text[252];
    struct tpunet_verdict verdict;
    bool destroy_when_done;
};

static void hold(void *arg, int status)
{
    struct bench *b = arg;
    b->held_status = status;
}

/* Runs one call of the world, now or (for the caller) later. */
static int pass(struct bench *b, tpunet_done_fn *done, void *arg)
{
    b->held = done;
    b->held_arg = arg;
    if (b->deferred)
        return 0;
    b->held = NULL;
    done(arg, b->held_status);
    return 0;
}

static bool refused(struct bench *b)
{
    assert_null(b->held); /* one call at a time */
    b->calls++;
    return b->refuse_in >= 0 && b->refuse_in-- == 0;
}

static int front_probe(void *ctx, const struct tpunet_path *paths, size_t n,
                       struct tpunet_probe_answer *answers, tpunet_done_fn *done, void *arg)
{
    struct bench *b = ctx;
    const struct tpunet_fabric *f = inproc_fabric(b->world);
    if (refused(b))
        return TPUNET_EFABRIC;
    f->probe(f->ctx, paths, n, answers, hold, b);
    return pass(b, done, arg);
}

static int front_write_rows(void *ctx, const struct tpunet_stamp *stamp, uint32_t n_chips,
                            const struct tpunet_row_write *rows, size_t n, tpunet_done_fn *done,
                            void *arg)
{
    struct bench *b = ctx;
    const struct tpunet_fabric *f = inproc_fabric(b->world);
    if (refused(b))
        return TPUNET_EFABRIC;
    b->writes++;
    b->most_bytes = n * n_chips > b->most_bytes ? n * n_chips : b->most_bytes;
    f->write_rows(f->ctx, stamp, n_chips, rows, n, hold, b);
    return pass(b, done, arg);
}

static int front_quiesce(void *ctx, const struct tpunet_stamp *stamp,
                         const struct tpunet_path *paths, size_t n, tpunet_done_fn *done, void *arg)
{
    struct bench *b = ctx;
    const struct tpunet_fabric *f = inproc_fabric(b->world);
    if (refused(b))
        return TPUNET_EFABRIC;
    f->quiesce(f->ctx, stamp, paths, n, hold, b);
    return pass(b, done, arg);
}

static int front_commit(void *ctx, const struct tpunet_stamp *stamp,
                        const struct tpunet_path *paths, size_t n, tpunet_done_fn *done, void *arg)
{
    struct bench *b = ctx;
    const struct tpunet_fabric *f = inproc_fabric(b->world);
    if (refused(b))
        return TPUNET_EFABRIC;
    f->commit(f->ctx, stamp, paths, n, hold, b);
    return pass(b, done, arg);
}

static int front_set_port(void *ctx, const struct tpunet_stamp *stamp, struct tpunet_path path,
                          unsigned port, bool enabled, tpunet_done_fn *done, void *arg)
{
    struct bench *b = ctx;
    const struct tpunet_fabric *f = inproc_fabric(b->world);
    if (refused(b))
        return TPUNET_EFABRIC;
    b->port_sets++;
    f->set_port(f->ctx, stamp, path, port, enabled, hold, b);
    return pass(b, done, arg);
}

static void deliver(struct bench *b)
{
    tpunet_done_fn *done = b->held;
    assert(done != NULL);
    b->held = NULL;
    done(b->held_arg, b->held_status);
}

/* Cubes from the last one down, so that logical and physical differ. */
static struct bench *bench_of(const char *text, bool twisted)
{
    struct bench *b = calloc(1, sizeof *b);
    struct tpunet_shape shape;
    struct tpunet_xc *xcs;
    uint16_t cubes[64];
    size_t n;
    for (uint16_t i = 0; i < 64; i++)
        cubes[i] = (uint16_t)(63 - i);
    b->world = inproc_create(64, 68);
    b->stamp = (struct tpunet_stamp){.pod = "p", .slice = "s-1", .epoch = 3, .generation = 7};
    b->refuse_in = -1;
    b->front = (struct tpunet_fabric){.ctx = b,
                                      .probe = front_probe,
                                      .write_rows = front_write_rows,
                                      .quiesce = front_quiesce,
                                      .commit = front_commit,
                                      .set_port = front_set_port};
    assert_int_equal(tpunet_shape_parse(&shape, text, twisted, NULL), 0);
    assert_int_equal(
        tpunet_intent_create(&b->intent, &shape, cubes, tpunet_shape_cubes(&shape), NULL), 0);
    assert_int_equal(tpunet_wiring_create(&b->wiring, 64, 68, NULL, 0, NULL), 0);
    assert_int_equal(tpunet_intent_xcs(b->intent, b->wiring, &xcs, &n, NULL), 0);
    inproc_make(b->world, xcs, n);
    free(xcs);
    return b;
}

static void bench_end(struct bench *b)
{
    tpunet_bringup_destroy(b->bringup);
    tpunet_wiring_destroy(b->wiring);
    tpunet_intent_destroy(b->intent);
    inproc_destroy(b->world);
    free(b);
}

static void on_verdict(void *arg, const struct tpunet_verdict *verdict)
{
    struct bench *b = arg;
    b->verdicts++;
    b->status = verdict->status;
    b->verdict = *verdict;
    memcpy(b->text, verdict->error.text, sizeof b->text);
    assert_int_equal(tpunet_bringup_phase(b->bringup), TPUNET_DONE);
    if (b->destroy_when_done) {
        tpunet_bringup_destroy(b->bringup);
        b->bringup = NULL;
    }
}

static void start(struct bench *b, enum tpunet_bringup_mode mode)
{
    tpunet_bringup_destroy(b->bringup);
    b->verdicts = 0;
    b->options.mode = mode;
    assert_int_equal(tpunet_bringup_create(&b->bringup, &b->front, b->intent, b->wiring, &b->stamp,
                                           63 * 64, &b->options, NULL),
                     0);
    tpunet_bringup_start(b->bringup, on_verdict, b);
}

static uint32_t chip_of(const struct bench *b, uint32_t logical)
{
    uint16_t at[TPUNET_AXES], cube[TPUNET_AXES] = {0, 0, 0};
    struct tpunet_chip chip;
    tpunet_logical_at(&b->intent->shape, logical, at);
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        if (!b->intent->shape.mesh)
            cube[k] = at[k] / 4;
        chip.at[k] = at[k] % 4;
    }
    chip.cube = b->intent->cubes[tpunet_cube_index(&b->intent->shape, cube)];
    return tpunet_chip_number(chip);
}

static bool untouched(const struct bench *b)
{
    for (uint32_t i = 0; i < tpunet_shape_chips(&b->intent->shape); i++) {
        if (inproc_stamp(b->world, chip_of(b, i))->generation != 0)
            return false;
    }
    return true;
}

/* Fences a mesh off from the rest of its cube, as its owner would. */
static void fence(struct bench *b)
{
    const struct tpunet_fabric *f = inproc_fabric(b->world);
    struct tpunet_topology *t;
    assert_int_equal(tpunet_topology_create(&t, b->intent, NULL), 0);
    for (uint32_t i = 0; i < t->n_chips * TPUNET_PORTS; i++) {
        struct tpunet_path path = {.entry = chip_of(b, i / TPUNET_PORTS)};
        if (t->peer[i] == TPUNET_NONE)
            f->set_port(f->ctx, &b->stamp, path, i % TPUNET_PORTS, false, hold, b);
    }
    tpunet_topology_destroy(t);
}

/* Other circuits for the same cubes: `next` of both, by axis. */
static void weave_again(struct bench *b, const uint16_t next[static TPUNET_AXES][2])
{
    struct tpunet_xc *xcs;
    size_t n;
    assert_int_equal(tpunet_intent_xcs(b->intent, b->wiring, &xcs, &n, NULL), 0);
    inproc_break(b->world, xcs, n);
    free(xcs);
    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs++)
        memcpy(&b->intent->next[(size_t)ocs * 2], next[ocs / TPUNET_FACE_LINKS], sizeof next[0]);
    assert_int_equal(tpunet_intent_xcs(b->intent, b->wiring, &xcs, &n, NULL), 0);
    inproc_make(b->world, xcs, n);
    free(xcs);
}

/* --------------------------------------------------------------- tests -- */

/* Every chip forwards by its own row of the proved tables and injects again. */
static void check_installed(const struct bench *b)
{
    struct tpunet_tables *t;
    assert_int_equal(tpunet_route_dor(&t, &b->intent->shape, NULL, NULL), 0);
    for (uint32_t i = 0; i < t->n_chips; i++) {
        uint32_t chip = chip_of(b, i);
        assert_true(inproc_injects(b->world, chip));
        assert_int_equal(inproc_stamp(b->world, chip)->generation, b->stamp.generation);
        assert_int_equal(inproc_stamp(b->world, chip)->epoch, b->stamp.epoch);
        for (unsigned cls = 0; cls < TPUNET_CLASSES; cls++) {
            const uint8_t *row = inproc_row(b->world, chip, cls);
            assert_int_equal(row == NULL, cls > t->n_vcs);
            if (row != NULL)
                assert_memory_equal(row, t->rows + (size_t)i * t->n_chips, t->n_chips);
        }
    }
    tpunet_tables_destroy(t);
}

static void a_slice_comes_up(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        const char *algorithm;
    } rows[] = {{"2x2x1", false, "dor"},        {"2x4x4", false, "dor"},
                {"4x4x4", false, "dor"},        {"4x4x8", true, "dor-twisted"},
                {"4x8x8", true, "dor-twisted"}, {"8x8x8", false, "dor"},
                {"16x16x16", false, "dor"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_of(rows[i].text, rows[i].twisted);
        uint32_t n = tpunet_shape_chips(&b->intent->shape);
        if (b->intent->shape.mesh)
            fence(b);
        start(b, TPUNET_INSTALL);
        assert_int_equal(b->verdicts, 1);
        assert_int_equal(b->status, 0);
        assert_int_equal(b->verdict.n_mismatches, 0);
        assert_int_equal(b->verdict.chips_found, n);
        assert_int_equal(b->verdict.proof.pairs, (uint64_t)n * (n - 1));
        assert_true(b->verdict.proof.acyclic);
        assert_string_equal(b->verdict.algorithm, rows[i].algorithm);
        assert_int_equal(b->verdict.table_bytes_per_chip, n);
        assert_int_equal(b->writes, n < 1024 ? 1 : n * n >> 20);
        assert_true(b->most_bytes <= 1 << 20);
        check_installed(b);
        bench_end(b);
    }
}

/* An outsider's walk: the rows that the chips hold, the neighbours that they
 * report, nothing of the library but the table's bytes.  Takes every packet
 * between chips of the slice but one that may be dead. */
static void walk_all(struct bench *b, unsigned most_hops, uint32_t dead)
{
    static struct tpunet_probe_answer near[64 * 64];
    const struct tpunet_fabric *f = inproc_fabric(b->world);
    uint32_t n = tpunet_shape_chips(&b->intent->shape);
    for (uint32_t i = 0; i < n; i++) {
        struct tpunet_path here = {.entry = chip_of(b, i)};
        f->probe(f->ctx, &here, 1, &near[here.entry], hold, b);
    }
    for (uint32_t src = 0; src < n; src++) {
        for (uint32_t dst = 0; dst < n && src != dead; dst++) {
            if (dst == dead)
                continue;
            uint32_t at = chip_of(b, src);
            unsigned cls = TPUNET_INJECT, hops = 0;
            uint8_t e = inproc_row(b->world, at, cls)[dst];
            for (; tpunet_entry_port(e) != TPUNET_ARRIVED && hops <= most_hops; hops++) {
                assert_true(near[at].port[tpunet_entry_port(e)].up);
                at = near[at].port[tpunet_entry_port(e)].peer;
                cls = TPUNET_VC0 + tpunet_entry_vc(e);
                e = inproc_row(b->world, at, cls)[dst];
            }
            assert_true(hops <= most_hops);
            assert_int_equal(at, chip_of(b, dst));
        }
    }
}

static void packets_get_where_they_are_sent(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x8", true);
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, 0);
    assert_false(b->verdict.degraded);
    assert_true(b->verdict.retained > 0.97 && b->verdict.retained <= 1);
    walk_all(b, 6, TPUNET_NONE);
    bench_end(b);
}

/* Cuts links, given by logical chip and port, and lists them as dead.  An end
 * is listed in its other name every second time. */
static struct tpunet_link_end *cut_links(struct bench *b, const uint16_t (*links)[2], size_t n)
{
    struct tpunet_link_end *dead = calloc(n, sizeof *dead);
    struct tpunet_topology *t;
    assert_int_equal(tpunet_topology_create(&t, b->intent, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t chip = links[i][0];
        unsigned port = links[i][1];
        inproc_cut(b->world, chip_of(b, chip), port);
        if (i % 2 == 1) {
            chip = t->peer[chip * TPUNET_PORTS + port];
            port = tpunet_port_peer(port);
        }
        dead[i] = (struct tpunet_link_end){.chip = chip_of(b, chip), .port = (uint8_t)port};
    }
    tpunet_topology_destroy(t);
    return dead;
}

static void accepted_dead_links_are_gone_around(void **state)
{
    (void)state;
    static const uint16_t links[][2] = {
        {3, TPUNET_XP}, {3, TPUNET_YP}, {40, TPUNET_ZM}, {17, TPUNET_XM}, {90, TPUNET_ZP}};
    static const bool twisted[] = {false, true};
    for (size_t i = 0; i < 4; i++) {
        struct bench *b = bench_of("4x4x8", twisted[i % 2]);
        struct tpunet_link_end *dead = cut_links(b, links, 5);
        b->options = (struct tpunet_bringup_options){
            .route = {.vcs = i < 2 ? 2 : 3}, .accept_degraded = true, .n_dead = 5, .dead = dead};
        start(b, TPUNET_INSTALL);
        assert_int_equal(b->status, 0);
        assert_true(b->verdict.degraded);
        assert_int_equal(b->verdict.n_dead_links, 5);
        assert_int_equal(b->verdict.n_dead_chips, 0);
        assert_int_equal(b->verdict.n_mismatches, 0);
        assert_int_equal(b->verdict.n_vcs, b->options.route.vcs);
        assert_true(b->verdict.retained > 0.6 && b->verdict.retained < 1);
        walk_all(b, 16, TPUNET_NONE);
        start(b, TPUNET_CHECK);
        assert_int_equal(b->status, 0);

        b->options.n_dead = 4; /* the fifth was not accepted */
        start(b, TPUNET_INSTALL);
        assert_int_equal(b->status, TPUNET_EMISMATCH);
        assert_int_equal(b->verdict.n_mismatches, 1);
        b->options.n_dead = 5;
        b->options.accept_degraded = false;
        start(b, TPUNET_INSTALL);
        assert_int_equal(b->status, TPUNET_EMISMATCH);
        assert_int_equal(b->verdict.n_mismatches, 5);
        bench_end(b);
        free(dead);
    }
}

/* Links on the list are not used, whether they are down by now or not; those of
 * other slices on it change nothing. */
static void a_listed_link_is_not_used(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x4", false);
    const struct tpunet_link_end dead[] = {{chip_of(b, 5), TPUNET_XP}, {0, TPUNET_XP}};
    b->options =
        (struct tpunet_bringup_options){.accept_degraded = true, .n_dead = 2, .dead = dead};
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, 0);
    assert_int_equal(b->verdict.n_dead_links, 1);
    assert_int_equal(b->port_sets, 2); /* it was up: both ends are disabled */
    for (uint32_t dst = 0; dst < 64; dst++) {
        const uint8_t *row = inproc_row(b->world, dead[0].chip, TPUNET_INJECT);
        assert_int_not_equal(tpunet_entry_port(row[dst]), TPUNET_XP);
    }
    walk_all(b, 8, TPUNET_NONE);
    b->options.dead = dead + 1;
    b->options.n_dead = 1;
    b->stamp.generation++;
    start(b, TPUNET_CHECK); /* writes nothing, so the ports stay disabled */
    assert_int_equal(b->status, TPUNET_ETABLES);
    assert_non_null(strstr(b->verdict.error.text, "2 ports that the slice needs are disabled"));
    assert_int_equal(b->port_sets, 2);
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, 0);
    assert_int_equal(b->port_sets, 4); /* enabled again */
    assert_false(b->verdict.degraded);
    check_installed(b);
    bench_end(b);
}

/* Somebody else's thread, which does its work when the test says so. */
struct slow_hand {
    void (*work)(void *arg);
    tpunet_done_fn *done;
    void *arg;
    int refusal;
};

static int slow_run(void *ctx, void (*work)(void *arg), tpunet_done_fn *done, void *arg)
{
    struct slow_hand *hand = ctx;
    if (hand->refusal == 0)
        *hand = (struct slow_hand){.work = work, .done = done, .arg = arg};
    return hand->refusal;
}

static void routes_may_be_made_elsewhere(void **state)
{
    (void)state;
    static const struct {
        bool cancel;
        int refusal, status;
        const char *text;
    } rows[] = {{false, 0, 0, ""},
                {true, 0, TPUNET_ECANCELED, "routing: canceled"},
                {false, TPUNET_ENOMEM, TPUNET_ENOMEM, "routing: out of memory"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slow_hand hand = {.refusal = rows[i].refusal};
        const struct tpunet_executor executor = {.ctx = &hand, .run = slow_run};
        struct bench *b = bench_of("4x4x8", true);
        b->options.executor = &executor;
        start(b, TPUNET_INSTALL);
        if (rows[i].refusal == 0) {
            assert_int_equal(b->verdicts, 0);
            assert_int_equal(tpunet_bringup_phase(b->bringup), TPUNET_ROUTING);
            if (rows[i].cancel)
                tpunet_bringup_cancel(b->bringup);
            assert_true(untouched(b));
            hand.work(hand.arg);
            assert_int_equal(b->verdicts, 0);
            hand.done(hand.arg, 0);
        }
        assert_int_equal(b->verdicts, 1);
        assert_int_equal(b->status, rows[i].status);
        assert_non_null(strstr(b->text, rows[i].text));
        if (b->status == 0)
            check_installed(b);
        else
            assert_true(untouched(b));
        bench_end(b);
    }
}

static void a_dead_chip_is_left_out(void **state)
{
    (void)state;
    static const uint16_t links[][2] = {{9, 0}, {9, 1}, {9, 2}, {9, 3}, {9, 4}, {9, 5}};
    struct bench *b = bench_of("4x4x8", false);
    struct tpunet_link_end *dead = cut_links(b, links, 6);
    inproc_kill_chip(b->world, chip_of(b, 9));
    b->options =
        (struct tpunet_bringup_options){.accept_degraded = true, .n_dead = 6, .dead = dead};
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, 0);
    assert_int_equal(b->verdict.n_dead_chips, 1);
    assert_int_equal(b->verdict.chips_found, 127);
    assert_int_equal(b->verdict.proof.pairs, 127 * 126);
    assert_null(inproc_row(b->world, chip_of(b, 9), TPUNET_INJECT));
    walk_all(b, 16, 9);
    b->options.n_dead = 5; /* then it is missing, not dead */
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, TPUNET_EMISMATCH);
    assert_int_equal(b->verdict.mismatches[0].kind, TPUNET_CHIP_MISSING);
    bench_end(b);
    free(dead);
}

static void a_list_of_no_links_is_refused(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x4", false);
    static const struct tpunet_link_end dead[] = {{TPUNET_CHIPS_MAX, 0}, {0, TPUNET_PORTS}};
    for (size_t i = 0; i < 2; i++) {
        b->options =
            (struct tpunet_bringup_options){.accept_degraded = true, .n_dead = 1, .dead = &dead[i]};
        assert_int_equal(tpunet_bringup_create(&b->bringup, &b->front, b->intent, b->wiring,
                                               &b->stamp, 63 * 64, &b->options, NULL),
                         TPUNET_EINVAL);
        assert_null(b->bringup);
    }
    bench_end(b);
}

static void a_check_writes_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x8", true);
    start(b, TPUNET_CHECK);
    assert_int_equal(b->verdicts, 1);
    assert_int_equal(b->status, TPUNET_ETABLES); /* the links are right, the routes not there */
    assert_non_null(strstr(b->verdict.error.text, "128 chips do not forward by the slice's"));
    assert_int_equal(b->verdict.chips_found, 128);
    assert_true(untouched(b));
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, 0);
    b->stamp.epoch++; /* the next podmgr asks */
    start(b, TPUNET_CHECK);
    assert_int_equal(b->status, 0);
    b->stamp.generation++;
    start(b, TPUNET_CHECK);
    assert_int_equal(b->status, TPUNET_ETABLES);
    bench_end(b);
}

static void a_wrong_fabric_is_named_and_not_written(void **state)
{
    (void)state;
    static const enum tpunet_bringup_mode modes[] = {TPUNET_INSTALL, TPUNET_CHECK};
    for (size_t i = 0; i < 2; i++) {
        struct bench *b = bench_of("4x4x8", true);
        inproc_swap_fibres(b->world, chip_of(b, 3), TPUNET_XP, chip_of(b, 67), TPUNET_XP);
        start(b, modes[i]);
        assert_int_equal(b->verdicts, 1);
        assert_int_equal(b->status, TPUNET_EMISMATCH);
        assert_int_equal(b->verdict.n_mismatches, 1);
        assert_int_equal(b->verdict.mismatches[0].kind, TPUNET_LINK_SWAPPED);
        assert_non_null(strstr(b->text, "discovering: 1 difference from the intent, first: "));
        assert_true(untouched(b));
        bench_end(b);
    }
    struct bench *b = bench_of("4x4x4", false);
    inproc_cut(b->world, chip_of(b, 0), TPUNET_YP);
    inproc_cut(b->world, chip_of(b, 9), TPUNET_YP);
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, TPUNET_EMISMATCH);
    assert_non_null(strstr(b->text, "2 differences"));
    assert_true(untouched(b));
    bench_end(b);
}

/* Each call in turn fails, or is refused: one verdict, no call after it, and
 * never a chip on the new tables unless all may be. */
static void a_failing_fabric_ends_it(void **state)
{
    (void)state;
    static const char *const names[] = {
        "discovering: ", "writing routes: ", "quiescing: ", "committing: "};
    struct bench *good = bench_of("4x4x8", true);
    start(good, TPUNET_INSTALL);
    unsigned calls = good->calls;
    bench_end(good);
    for (unsigned k = 0; k < 2 * calls; k++) {
        unsigned at = k / 2;
        struct bench *b = bench_of("4x4x8", true);
        if (k % 2 == 0)
            inproc_fail_after(b->world, at);
        else
            b->refuse_in = (int)at;
        start(b, TPUNET_INSTALL);
        assert_int_equal(b->verdicts, 1);
        assert_int_equal(b->status, TPUNET_EFABRIC);
        assert_int_equal(b->calls, at + 1);
        assert_non_null(strstr(b->text, names[at + 3 < calls ? 0 : at + 4 - calls]));
        for (uint32_t i = 0; i < 128; i++)
            assert_null(inproc_row(b->world, chip_of(b, i), TPUNET_INJECT));
        bench_end(b);
    }
}

static void an_older_generation_is_stale(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x4", false);
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, 0);
    b->stamp.generation = 6;
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, TPUNET_ESTALE);
    assert_non_null(strstr(b->text, "writing routes: "));
    assert_true(inproc_injects(b->world, chip_of(b, 0)));
    b->stamp.generation = 8;
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, 0);
    check_installed(b);
    bench_end(b);
}

/* The fabric answers later: the phases go by in order, one call at a time. */
static void it_moves_when_the_fabric_answers(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x8", true);
    enum tpunet_bringup_phase last = TPUNET_DISCOVERING;
    b->deferred = b->destroy_when_done = true;
    start(b, TPUNET_INSTALL);
    while (b->verdicts == 0) {
        assert_true(tpunet_bringup_phase(b->bringup) >= last);
        last = tpunet_bringup_phase(b->bringup);
        deliver(b);
    }
    assert_int_equal(last, TPUNET_COMMITTING);
    assert_int_equal(b->verdicts, 1);
    assert_int_equal(b->status, 0);
    assert_null(b->bringup);
    check_installed(b);
    bench_end(b);
}

static void it_can_be_canceled_until_it_commits(void **state)
{
    (void)state;
    for (unsigned at = 0;; at++) {
        struct bench *b = bench_of("4x4x4", false);
        b->deferred = true;
        start(b, TPUNET_INSTALL);
        for (unsigned i = 0; i < at; i++)
            deliver(b);
        enum tpunet_bringup_phase phase = tpunet_bringup_phase(b->bringup);
        unsigned calls = b->calls;
        tpunet_bringup_cancel(b->bringup);
        assert_int_equal(b->verdicts, 0);
        deliver(b);
        assert_int_equal(b->verdicts, 1);
        assert_int_equal(b->calls, calls);
        assert_int_equal(b->status, phase == TPUNET_COMMITTING ? 0 : TPUNET_ECANCELED);
        bench_end(b);
        if (phase == TPUNET_COMMITTING)
            break;
    }
}

static void canceled_before_it_starts_it_asks_nobody(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x4", false);
    assert_int_equal(tpunet_bringup_create(&b->bringup, &b->front, b->intent, b->wiring, &b->stamp,
                                           63 * 64, NULL, NULL),
                     0);
    tpunet_bringup_cancel(b->bringup);
    tpunet_bringup_start(b->bringup, on_verdict, b);
    assert_int_equal(b->status, TPUNET_ECANCELED);
    assert_int_equal(b->calls, 0);
    bench_end(b);
}

/* A weave that the routes do not fit is refused by the proof, not installed:
 * here the cubes meet along x, while routes look for the other one along z. */
/* The torus with two axes exchanged: routes in the order of the shape's axes would
 * deadlock, and are not what it gets. */
static void another_weave_gets_routes_of_its_own(void **state)
{
    (void)state;
    static const uint16_t next[TPUNET_AXES][2] = {{1, 0}, {0, 1}, {0, 1}};
    struct bench *b = bench_of("4x4x8", false);
    weave_again(b, next);
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->verdict.n_mismatches, 0);
    assert_int_equal(b->verdict.chips_found, 128);
    assert_int_equal(b->status, 0);
    assert_string_equal(b->verdict.algorithm, "woven");
    assert_true(b->verdict.proof.acyclic);
    bench_end(b);
}

static void without_routes_nothing_is_installed(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x8", false);
    b->options.route.vcs = 5;
    start(b, TPUNET_INSTALL);
    assert_int_equal(b->status, TPUNET_EINVAL);
    assert_non_null(strstr(b->text, "routing: links with 5 virtual channels"));
    assert_true(untouched(b));
    bench_end(b);
}

static void the_entry_must_be_of_the_slice(void **state)
{
    (void)state;
    struct bench *b = bench_of("4x4x4", false);
    assert_int_equal(tpunet_bringup_create(&b->bringup, &b->front, b->intent, b->wiring, &b->stamp,
                                           0, NULL, NULL),
                     TPUNET_EINVAL);
    assert_null(b->bringup);
    bench_end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_comes_up),
        cmocka_unit_test(packets_get_where_they_are_sent),
        cmocka_unit_test(accepted_dead_links_are_gone_around),
        cmocka_unit_test(a_listed_link_is_not_used),
        cmocka_unit_test(routes_may_be_made_elsewhere),
        cmocka_unit_test(a_dead_chip_is_left_out),
        cmocka_unit_test(a_list_of_no_links_is_refused),
        cmocka_unit_test(a_check_writes_nothing),
        cmocka_unit_test(a_wrong_fabric_is_named_and_not_written),
        cmocka_unit_test(a_failing_fabric_ends_it),
        cmocka_unit_test(an_older_generation_is_stale),
        cmocka_unit_test(it_moves_when_the_fabric_answers),
        cmocka_unit_test(it_can_be_canceled_until_it_commits),
        cmocka_unit_test(canceled_before_it_starts_it_asks_nobody),
        cmocka_unit_test(another_weave_gets_routes_of_its_own),
        cmocka_unit_test(without_routes_nothing_is_installed),
        cmocka_unit_test(the_entry_must_be_of_the_slice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
