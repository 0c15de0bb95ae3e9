/* After a restored backup: what stands is believed, and given to nobody, until it is explained. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core_world.h"
#include "mem.h"

static void after_a_restore_foreign_circuits_are_kept(void **state)
{
    static const uint16_t here[] = {0}, elsewhere[] = {1};
    struct world *w = *state;
    struct slice *slice = cw_ask_on(w, "4x4x4", elsewhere, 1);

    w->model->restored = true;
    w->map[9][0] = 3; /* of a slice made since the backup */
    w->map[9][1] = 2; /* where ours was */
    cw_attach(w, 9);
    assert_int_equal(w->map[9][0], 3);
    assert_int_equal(w->map[9][1], 2); /* ours waits */
    assert_int_equal(slice->state, SLICE_ACTIVE);
    for (unsigned c = 0; c < CUBES; c++)
        assert_int_equal(w->model->cubes[c].health, HEALTH_QUARANTINED);
    assert_null(cw_ask_on(w, "4x4x4", here, 1));
    assert_non_null(strstr(w->text, "QUARANTINED"));

    w->map[9][0] = w->map[9][1] = TPUNET_NONE; /* cleared at the switch */
    cw_attach(w, 9);
    assert_false(w->model->restored);
    assert_int_equal(w->map[9][1], 1); /* put back */
    assert_non_null(cw_ask_on(w, "4x4x4", here, 1));
}

/* The switches keep what they connect; the database is one of before, and empty. */
static void restore_backup(struct world *w)
{
    model_destroy(w->model);
    w->model = model_create(&w->pod, 78);
    w->model->restored = true;
    w->model->epoch = w->model->backup_epoch = 9;
}

static void begin(struct world *w)
{
    struct event start = {.kind = EV_START};

    cw_step(w, &start);
    cw_hello(w, "tpunetd/t1", 1, 0, CUBES * TPUNET_CUBE_HOSTS);
}

static void forget_all(struct world *w)
{
    restore_backup(w);
    begin(w);
}

static void clear_quarantine(struct world *w, uint16_t cube)
{
    struct event ev = {.kind = EV_CLEAR_QUARANTINE, .cookie = 3, .clear = {.cube = cube}};

    cw_step(w, &ev);
}

static struct slice *adopt(struct world *w, const char *topology, const uint16_t *cubes, size_t n)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, topology, false, NULL), 0);
    ev.create->adopt = true;
    ev.create->cubes = xmemdup(cubes, n * sizeof *cubes);
    ev.create->n_cubes = n;
    cw_step(w, &ev);
    return w->status == 0 ? model_slice(w->model, w->made) : NULL;
}

static unsigned quarantined(const struct world *w)
{
    unsigned n = 0;

    for (unsigned c = 0; c < CUBES; c++) {
        n += w->model->cubes[c].health == HEALTH_QUARANTINED;
    }
    return n;
}

static void clearing_breaks_one_group(void **state)
{
    static const uint16_t pair[] = {1, 2}, one[] = {3};
    struct world *w = *state;
    bool group[MODEL_CUBES_MAX];

    (void)cw_ask_on(w, "4x4x8", pair, 2);
    (void)cw_ask_on(w, "4x4x4", one, 1);
    forget_all(w);
    assert_int_equal(quarantined(w), 3);
    assert_int_equal(core_quarantine_group(w->model, 2, group), 96);
    assert_true(group[1] && group[2] && !group[3] && !group[0]);

    clear_quarantine(w, 0);
    assert_int_equal(w->status, E_CONFLICT);
    assert_string_equal(w->code, "not-quarantined");
    clear_quarantine(w, 2);
    assert_int_equal(w->status, 0);
    assert_int_equal(model_op(w->model, w->made)->state, OP_DONE);
    assert_int_equal(cw_lit(w), 48);
    assert_int_equal(quarantined(w), 1);
    assert_true(w->model->restored);
    assert_non_null(cw_ask_on(w, "4x4x8", pair, 2));
    assert_int_equal(cw_lit(w), 48 + 96);

    clear_quarantine(w, 3);
    assert_int_equal(cw_lit(w), 96);
    assert_int_equal(quarantined(w), 0);
    assert_false(w->model->restored);
}

static void a_mirror_that_does_not_move_keeps_the_quarantine(void **state)
{
    static const uint16_t one[] = {3};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x4", one, 1);
    forget_all(w);
    cw_stick(w, 7, 3);
    clear_quarantine(w, 3);
    assert_int_equal(w->status, 0);
    struct id id = w->made;
    for (int i = 0; i < 100 && model_op(w->model, id)->state == OP_OPEN; i++) {
        cw_tick(w, 250);
    }
    assert_int_equal(model_op(w->model, id)->state, OP_FAILED);
    assert_non_null(strstr(model_op(w->model, id)->reason, "ocs/7 north 3"));
    assert_int_equal(cw_lit(w), 1);
    assert_int_equal(quarantined(w), 1);
    w->stuck[7] = false;
    clear_quarantine(w, 3);
    assert_int_equal(cw_lit(w), 0);
    assert_int_equal(quarantined(w), 0);
}

/* Refused only while an operation has yet to reach the switch, not once it gave up there. */
static void what_was_given_up_is_cleared_again(void **state)
{
    static const uint16_t one[] = {3};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x4", one, 1);
    forget_all(w);
    cw_stick(w, 7, 3);
    w->mute[8] = true;
    clear_quarantine(w, 3);
    struct id first = w->made;
    clear_quarantine(w, 3);
    assert_string_equal(w->code, "not-quarantined");
    assert_non_null(strstr(w->text, "under way"));
    cw_settle(w);
    assert_int_equal(model_op(w->model, first)->state, OP_OPEN); /* ocs/8 never answers */
    w->stuck[7] = false;
    clear_quarantine(w, 3);
    assert_int_equal(w->status, 0);
    assert_int_equal(model_op(w->model, w->made)->n_breaks, 1);
    assert_int_equal(w->map[7][3], TPUNET_NONE);
}

/* A backup says that a dead switch's port is fenced; since then it may have served. */
static void after_a_restore_no_fence_is_believed(void **state)
{
    struct world *w = *state;
    struct part_fault dead = {.part = {.kind = PART_OCS, .ocs = 40}, .health = HEALTH_FAILED};
    struct lien lien = {.port = {40, TPUNET_NORTH, 2}, .slice = {1, 5}, .fenced = true};

    restore_backup(w);
    model_add_fault(w->model, &dead);
    model_add_lien(w->model, &lien);
    w->dead[40] = w->hold_fences = true;
    begin(w);
    assert_int_equal(w->model->n_liens, 2 * CUBES); /* nobody knows what it connects */
    for (unsigned c = 0; c < CUBES; c++) {
        assert_false(model_cube_free(w->model, c, NULL, 0));
    }
    assert_null(cw_ask_degradable(w, "4x4x4"));

    w->hold_fences = false;
    cw_settle(w);
    assert_non_null(cw_ask_degradable(w, "4x4x4"));
    w->dead[40] = false;
    cw_speak(w, EV_CLEAR_PART, "ocs/40");
    cw_settle(w);
    assert_int_equal(w->model->n_liens, 0);
}

/* The word came after the restore, the map before: then it is known. */
static void after_a_restore_a_switch_that_was_read_is_not_doubted(void **state)
{
    struct world *w = *state;

    forget_all(w);
    w->model->restored = true;
    cw_speak(w, EV_FAIL_PART, "ocs/40");
    assert_int_equal(w->model->n_liens, 0);
    w->model->ocs[41].boot_id[0] = '\0';
    cw_speak(w, EV_FAIL_PART, "ocs/41");
    assert_int_equal(w->model->n_liens, 2 * CUBES);
}

/* What the podmgr before has read of a FAILED switch, the next one has not. */
static void after_a_restore_each_start_doubts_failed_switches(void **state)
{
    struct lien fenced = {.port = {40, TPUNET_NORTH, 2}, .slice = {11, 5}, .fenced = true};
    struct part_fault dead = {.part = {.kind = PART_OCS, .ocs = 40}, .health = HEALTH_FAILED};
    struct world *w = *state;

    restore_backup(w);
    w->model->epoch = 11;
    model_add_fault(w->model, &dead);
    model_add_lien(w->model, &fenced);
    w->dead[40] = w->hold_fences = true;
    begin(w);
    assert_int_equal(w->model->n_liens, 2 * CUBES);
    assert_true(model_lien(w->model, fenced.port)->fenced); /* it was fenced since the restore */
    assert_null(cw_ask_degradable(w, "4x4x4"));
}

/* A slice that went around the switch has left nothing there that it could break. */
static void after_a_restore_whoever_leaves_explains_nothing(void **state)
{
    struct world *w = *state;

    restore_backup(w);
    w->dead[40] = true;
    w->map[40][0] = w->map[9][3] = 3; /* of a slice made since the backup */
    begin(w);
    cw_speak(w, EV_FAIL_PART, "ocs/40");
    cw_settle(w);
    struct slice *slice = cw_ask_degradable(w, "4x4x4");
    assert_non_null(slice);
    assert_int_equal(slice->intent->cubes[0], 0);
    cw_delete(w, slice->id, 0);
    w->dead[40] = false;
    cw_speak(w, EV_CLEAR_PART, "ocs/40");
    cw_settle(w);
    assert_int_equal(w->map[40][0], 3);
    assert_int_equal(w->model->cubes[0].health, HEALTH_QUARANTINED);
}

static void what_is_adopted_does_not_move(void **state)
{
    static const uint16_t pair[] = {1, 2}, turned[] = {2, 0}, one[] = {1};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x8", pair, 2);
    forget_all(w);
    assert_null(adopt(w, "4x4x8", one, 1));
    assert_string_equal(w->code, "invalid-request");
    assert_null(adopt(w, "4x4x4", one, 1));
    assert_string_equal(w->code, "cube-unavailable");
    assert_non_null(strstr(w->text, "ocs/32 north 1 leads to south 2"));
    assert_null(adopt(w, "4x4x8", turned, 2));
    assert_non_null(strstr(w->text, "cube/0 is HEALTHY"));
    assert_int_equal(w->model->n_slices, 0);

    struct slice *slice = adopt(w, "4x4x8", pair, 2);
    assert_non_null(slice);
    assert_int_equal(slice->state, SLICE_ACTIVE);
    assert_int_equal(cw_lit(w), 96);
    for (unsigned i = 0; i < 48; i++) {
        assert_int_equal(w->map[i][1], i < 32 ? 1 : 2);
    }
    assert_int_equal(quarantined(w), 0);
    assert_false(w->model->restored);
    cw_delete(w, slice->id, 0);
    assert_int_equal(cw_lit(w), 0);
}

/* "The job shall live": what is adopted keeps its circuits, dim or not. */
static void adopting_a_dim_circuit_breaks_nothing(void **state)
{
    static const uint16_t one[] = {3};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x4", one, 1);
    w->dark[7][3] = true; /* since it was made */
    forget_all(w);
    (void)adopt(w, "4x4x4", one, 1);
    cw_settle(w);
    assert_int_equal(cw_lit(w), 48);
}

static unsigned fenced_of(const struct world *w, uint16_t cube)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->model->n_liens; i++) {
        struct chip_port chip;
        if (model_chip_port(w->model, w->model->liens[i].port, &chip) &&
            tpunet_chip_of(chip.chip).cube == cube) {
            n += w->model->liens[i].fenced;
        }
    }
    return n;
}

/* ocs/40 was FAILED when the backup was made, and is well since: a slice made since runs
 * over it. */
static void after_a_restore_no_port_of_a_forgotten_slice_is_disabled(void **state)
{
    static const uint16_t one[] = {3};
    struct part_fault dead = {.part = {.kind = PART_OCS, .ocs = 40}, .health = HEALTH_FAILED};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x4", one, 1);
    restore_backup(w);
    model_add_fault(w->model, &dead);
    begin(w);
    cw_settle(w);
    assert_int_equal(w->model->cubes[3].health, HEALTH_QUARANTINED);
    assert_int_equal(fenced_of(w, 3), 0);
    assert_int_equal(fenced_of(w, 2), 2); /* nobody has that one */
    assert_non_null(cw_ask_degradable(w, "4x4x4"));
}

/* The same with a lien of the backup, whose port has served since. */
static void after_a_restore_no_lien_disables_a_forgotten_slice(void **state)
{
    static const uint16_t one[] = {3};
    struct lien lien = {.port = {40, TPUNET_NORTH, 3}, .slice = {1, 5}, .fenced = true};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x4", one, 1);
    restore_backup(w);
    model_add_lien(w->model, &lien);
    begin(w);
    cw_settle(w);
    assert_int_equal(w->model->cubes[3].health, HEALTH_QUARANTINED);
    assert_int_equal(fenced_of(w, 3), 0);
}

/* A slice of the backup was deleted since, and another, of cubes 1 and 2, made on its cube
 * that shares some circuits with it. */
static struct slice *share_circuits(struct world *w)
{
    static const uint16_t one[] = {1};
    struct slice *gone = cw_ask_on(w, "4x4x4", one, 1);

    w->model->restored = true;
    w->model->backup_epoch = w->model->epoch;
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        w->map[o][1] = o < 32 ? 1 : 2;
        w->map[o][2] = o < 32 ? 2 : 1;
    }
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        cw_attach(w, o);
    }
    assert_int_equal(quarantined(w), 2);
    return gone;
}

static void after_a_restore_nothing_moves_off_what_is_quarantined(void **state)
{
    struct world *w = *state;
    struct event ev = {.kind = EV_MIGRATE_SLICE, .cookie = 4};

    ev.migrate.id = share_circuits(w)->id;
    ev.migrate.swaps = xmemdup(&(struct swap){1, 3}, sizeof *ev.migrate.swaps);
    ev.migrate.n_swaps = 1;
    cw_step(w, &ev);
    assert_int_equal(w->status, E_CONFLICT);
    assert_non_null(strstr(w->text, "cube/1 is in circuits that nobody intended"));
    assert_int_equal(cw_lit(w), 96);
}

/* What was asked of a switch while it was silent is asked anew when it shows its map. */
static void after_a_restore_a_delete_spares_what_a_silent_switch_has(void **state)
{
    struct world *w = *state;
    struct slice *gone = share_circuits(w);

    cw_silence(w, 7);
    cw_delete(w, gone->id, 0);
    assert_int_equal(w->model->n_slices, 1); /* it waits for ocs/7 */
    w->dead[7] = false;
    cw_attach(w, 7);
    assert_int_equal(w->model->n_slices, 0);
    assert_int_equal(cw_lit(w), 96);
}

/* What is left of a RELEASE may be nothing, and podmgr restarts before it has said so. */
static void a_release_of_nothing_ends(void **state)
{
    struct world *w = *state;
    struct slice *gone = share_circuits(w);

    cw_silence(w, 7);
    cw_delete(w, gone->id, 0);
    struct op *op = model_op(w->model, gone->op);
    assert_int_equal(op->state, OP_OPEN);
    op->n_breaks = op->open_parts = 0; /* as it is loaded */
    op->part[7].state = PART_NONE;
    cw_tick(w, 25);
    assert_int_equal(w->model->n_slices, 0);
}

/* The first has to go before the other can be adopted. */
static void after_a_restore_a_delete_spares_what_is_quarantined(void **state)
{
    static const uint16_t pair[] = {1, 2};
    struct world *w = *state;
    struct slice *gone = share_circuits(w);

    cw_delete(w, gone->id, 0);
    assert_int_equal(w->model->n_slices, 0);
    assert_int_equal(cw_lit(w), 96);
    assert_int_equal(quarantined(w), 2);
    assert_non_null(adopt(w, "4x4x8", pair, 2));
    assert_false(w->model->restored);
}

/* It was made around a switch that is dead, and shows no circuit there. */
static void what_goes_around_a_dead_switch_is_adopted(void **state)
{
    static const uint16_t one[] = {3};
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};
    struct part_fault dead = {.part = {.kind = PART_OCS, .ocs = 40}, .health = HEALTH_FAILED};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x4", one, 1);
    memset(w->map[40], 0xff, sizeof w->map[40]);
    restore_backup(w);
    model_add_fault(w->model, &dead);
    w->dead[40] = true;
    begin(w);
    cw_settle(w);
    assert_int_equal(quarantined(w), 1);
    ev.create = xcalloc(1, sizeof *ev.create);
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, "4x4x4", false, NULL), 0);
    ev.create->adopt = ev.create->accept_degraded = true;
    ev.create->cubes = xmemdup(one, sizeof one);
    ev.create->n_cubes = 1;
    cw_step(w, &ev);
    assert_int_equal(w->status, 0);
    assert_int_equal(model_slice(w->model, w->made)->state, SLICE_ACTIVE_DEGRADED);
    assert_int_equal(cw_lit(w), 47);
}

/* Nobody ran `podmgr restore`: an old file was put back, or an empty one begun. */
static void a_database_that_is_behind_is_doubted_as_a_restored_one(void **state)
{
    struct event ev = {.kind = EV_OCS_SUPERSEDED,
                       .ocs = {.ocs = 4, .identity = {.epoch = 41, .instance = 5}}};
    static const uint16_t one[] = {3};
    struct world *w = *state;

    (void)cw_ask_on(w, "4x4x4", one, 1);
    restore_backup(w);
    w->model->restored = false;
    memset(w->dead, true, sizeof w->dead);
    begin(w);
    memset(w->dead, false, sizeof w->dead);
    cw_step(w, &ev);
    assert_int_equal(w->model->epoch, 42);
    assert_true(w->model->restored);
    assert_non_null(strstr(w->journal, "database.behind"));
    assert_int_equal(quarantined(w), 1);
    assert_null(cw_ask_on(w, "4x4x4", one, 1));
    assert_int_equal(cw_lit(w), 48);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, cw_setup_unmended, cw_teardown)
    const struct CMUnitTest tests[] = {
        TEST(after_a_restore_foreign_circuits_are_kept),
        TEST(clearing_breaks_one_group),
        TEST(a_mirror_that_does_not_move_keeps_the_quarantine),
        TEST(what_was_given_up_is_cleared_again),
        TEST(after_a_restore_no_fence_is_believed),
        TEST(after_a_restore_a_switch_that_was_read_is_not_doubted),
        TEST(after_a_restore_each_start_doubts_failed_switches),
        TEST(after_a_restore_whoever_leaves_explains_nothing),
        TEST(what_is_adopted_does_not_move),
        TEST(adopting_a_dim_circuit_breaks_nothing),
        TEST(after_a_restore_no_port_of_a_forgotten_slice_is_disabled),
        TEST(after_a_restore_no_lien_disables_a_forgotten_slice),
        TEST(after_a_restore_a_delete_spares_what_is_quarantined),
        TEST(after_a_restore_a_delete_spares_what_a_silent_switch_has),
        TEST(after_a_restore_nothing_moves_off_what_is_quarantined),
        TEST(a_release_of_nothing_ends),
        TEST(what_goes_around_a_dead_switch_is_adopted),
        TEST(a_database_that_is_behind_is_doubted_as_a_restored_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
