/* simulator/fault.c: every kind breaks something and heals without a trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim_fixture.h"
#include "simulator/chance.h"

/* Two rings of two cubes on each axis. */
static void join_all(struct sim_fixture *f)
{
    for (unsigned axis = 0; axis < 3; axis++) {
        for (unsigned cube = 0; cube < 4; cube++) {
            sim_join(f, axis, cube, cube ^ 1U);
        }
    }
}

static size_t seen_bytes(const struct sim_fixture *f)
{
    return f->w->n_chips * SIM_CHIP_PORTS * sizeof *f->w->seen;
}

static unsigned count_differences(const struct sim_fixture *f, const uint32_t *before)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < f->w->n_chips * SIM_CHIP_PORTS; i++) {
        n += f->w->seen[i] != before[i];
    }
    return n;
}

/* `ports`: how many chip ports see something else while the fault is there. */
static const struct row {
    const char *kind, *target, *key, *value;
    unsigned ports;
    bool lost; /* for good: the circuits are gone */
} rows[] = {
    {"link", "link/1-0-1-2+x", NULL, NULL, 2, false},
    {"link", "link/1-3-1-2+x", "direction", "both", 2, false},
    {"link", "link/1-3-1-2+x", "direction", "out", 1, false},
    {"chip", "chip/1-3-3-3", NULL, NULL, 12, false},
    {"host", "host/1-3", NULL, NULL, 40, false},
    {"cube", "cube/1", NULL, NULL, 64 * 6 + 96, false},
    {"ocs-port", "port/12-n-1", NULL, NULL, 2, false},
    {"ocs-port", "port/12-s-1", NULL, NULL, 2, false},
    {"stuck-mirror", "port/12-n-1", NULL, NULL, 0, false},
    {"loss", "port/12-n-1", NULL, NULL, 0, false},
    {"loss", "port/12-s-1", "db", "9.5", 2, false},
    {"swapped-fibres", "fibre/0+x-0-3", "with", "fibre/2+x-0-3", 4, false},
    {"swapped-fibres", "fibre/0+x-0-3", "with", "fibre/0-y-1-1", 4, false},
    {"agent-restart", "ocs/12", NULL, NULL, 0, false},
    {"chip-reset", "chip/1-3-3-3", NULL, NULL, 12, false},
    {"agent-down", "ocs/12", NULL, NULL, 0, false},
    {"hbm-ce", "chip/1-3-3-3", "rate", "5", 0, false},
    {"hbm-ue", "chip/1-3-3-3", NULL, NULL, 0, false},
    {"hot", "chip/1-3-3-3", NULL, NULL, 0, false},
    {"throttle", "chip/1-3-3-3", NULL, NULL, 0, false},
    {"hang", "chip/1-3-3-3", NULL, NULL, 0, false},
    {"slow-chip", "chip/1-3-3-3", NULL, NULL, 0, false},
    {"wrong-result", "chip/1-3-3-3", NULL, NULL, 0, false},
    {"corrupt", "link/1-2-2-2+z", NULL, NULL, 0, false},
    {"crc", "link/1-0-1-2+x", NULL, NULL, 0, false},
    {"fec", "link/1-0-1-2+x", NULL, NULL, 0, false},
    {"retrain", "link/1-0-1-2+x", NULL, NULL, 0, false},
    {"low-light", "link/1-0-1-2-x", NULL, NULL, 0, false},
    {"slow-link", "link/1-0-1-2+x", NULL, NULL, 0, false},
    {"pcie-ce", "host/1-3", NULL, NULL, 0, false},
    {"pcie-ue", "host/1-3", NULL, NULL, 0, false},
    {"pcie-degraded", "host/1-3", NULL, NULL, 0, false},
    {"memory-ce", "host/1-3", NULL, NULL, 0, false},
    {"memory-ue", "host/1-3", NULL, NULL, 0, false},
    {"hot-host", "host/1-3", NULL, NULL, 0, false},
    {"power-alarm", "host/1-3", NULL, NULL, 0, false},
    {"driver-errors", "host/1-3", NULL, NULL, 0, false},
    {"kernel-errors", "host/1-3", NULL, NULL, 0, false},
    {"host-dead", "host/1-3", NULL, NULL, 0, false},
    {"counter-reset", "host/1-3", NULL, NULL, 0, false},
    {"power-loss", "ocs/12", NULL, NULL, 8, true},
};

static void each_kind_breaks_and_heals_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct sim_fixture f;
        sim_fixture_init(&f, 4, 1);
        join_all(&f);
        uint32_t *before = xmemdup(f.w->seen, seen_bytes(&f));
        float loss_db = world_loss_db(f.w, 12, 1);
        assert_int_equal(sim_break(&f, row->kind, row->target, row->key, row->value), 0);
        assert_int_equal(count_differences(&f, before), row->ports);
        assert_int_equal(sim_heal(&f, row->target), 1);
        assert_int_equal(count_differences(&f, before), row->lost ? row->ports : 0);
        assert_true(row->lost || world_loss_db(f.w, 12, 1) == loss_db);
        assert_int_equal(f.w->ocs[12].agent_down, 0);
        assert_null(f.w->faults);
        free(before);
        sim_fixture_fini(&f);
    }
}

static void every_kind_has_a_row(void **state)
{
    const struct fault_kind_info *info;

    (void)state;
    for (size_t k = 0; (info = fault_kind_at(k)) != NULL; k++) {
        size_t i = 0;
        while (i < ARRAY_LEN(rows) && strcmp(rows[i].kind, info->name) != 0) {
            i++;
        }
        assert_true(i < ARRAY_LEN(rows));
    }
}

static void a_swap_leads_to_the_wrong_cube(void **state)
{
    struct sim_fixture *f = *state;

    join_all(f);
    assert_int_equal(sim_break(f, "swapped-fibres", "fibre/0+x-0-3", "with", "fibre/2+x-0-3"), 0);
    assert_string_equal(sim_sees(f, "link/0-3-0-3+x"), "link/3-0-0-3-x");
    assert_string_equal(sim_sees(f, "link/2-3-0-3+x"), "link/1-0-0-3-x");
    assert_int_equal(sim_heal(f, "fibre/2+x-0-3"), 1); /* by either name */
    assert_string_equal(sim_sees(f, "link/0-3-0-3+x"), "link/1-0-0-3-x");
}

static void one_way_link_carries_nothing(void **state)
{
    struct sim_fixture *f = *state;
    uint32_t peer;
    unsigned port;

    join_all(f);
    assert_int_equal(sim_break(f, "link", "link/0-3-0-0+x", "direction", "out"), 0);
    assert_string_equal(sim_sees(f, "link/0-3-0-0+x"), "link/1-0-0-0-x"); /* it hears */
    assert_string_equal(sim_sees(f, "link/1-0-0-0-x"), "");
    assert_false(world_link(f->w, sim_chip("chip/0-3-0-0"), 0, &peer, &port));
    /* the mirror takes the circuit away and gives it back: the deaf end notices too */
    struct sim_xc xc = {0, 1};
    assert_int_equal(sim_apply(f, 0, &xc, 1, NULL, 0), SIM_OP_DONE);
    assert_string_equal(sim_sees(f, "link/0-3-0-0+x"), "");
    assert_int_equal(sim_apply(f, 0, NULL, 0, &xc, 1), SIM_OP_DONE);
    assert_string_equal(sim_sees(f, "link/0-3-0-0+x"), "link/1-0-0-0-x");
    assert_string_equal(sim_sees(f, "link/1-0-0-0-x"), "");
}

static void overlapping_faults_heal_one_by_one(void **state)
{
    struct sim_fixture *f = *state;

    assert_int_equal(sim_break(f, "cube", "cube/1", NULL, NULL), 0);
    assert_int_equal(sim_break(f, "host", "host/1-0", NULL, NULL), 0);
    assert_int_equal(sim_break(f, "chip", "chip/1-0-0-0", NULL, NULL), 0);
    assert_int_equal(sim_heal(f, "cube/1"), 1);
    assert_string_equal(sim_sees(f, "link/1-2-2-2+x"), "link/1-3-2-2-x");
    assert_string_equal(sim_sees(f, "link/1-1-0-0+x"), "");
    assert_int_equal(sim_heal(f, "host/1-0"), 1);
    assert_string_equal(sim_sees(f, "link/1-1-0-0+x"), "link/1-2-0-0-x");
    assert_string_equal(sim_sees(f, "link/1-1-0-0-x"), "");
    assert_int_equal(sim_heal(f, "all"), 1);
    assert_string_equal(sim_sees(f, "link/1-1-0-0-x"), "link/1-0-0-0+x");
}

static void faults_end_when_their_time_is_up(void **state)
{
    struct sim_fixture *f = *state;
    struct fault_request request = {.kind = "chip", .target = "chip/1-0-0-0", .for_ns = 5000000};
    struct error err;

    assert_int_equal(fault_inject(f->w, &request, &err), 0);
    sim_pass_ms(f, 4);
    assert_string_equal(sim_sees(f, "link/1-1-0-0-x"), "");
    sim_pass_ms(f, 1);
    assert_string_equal(sim_sees(f, "link/1-1-0-0-x"), "link/1-0-0-0+x");
    assert_int_equal(fault_inject(f->w, &request, &err), 0);
    assert_int_equal(sim_heal(f, "all"), 1); /* healed early: its end finds nothing */
    assert_int_equal(sim_break(f, "chip", "chip/1-0-0-0", NULL, NULL), 0);
    sim_pass_ms(f, 100);
    assert_string_equal(sim_sees(f, "link/1-1-0-0-x"), "");
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *kind, *target, *key, *value;
        int code;
        const char *text;
    } bad[] = {
        {"gremlin", "cube/1", NULL, NULL, E_INVALID,
         "no fault kind 'gremlin'; there are link, chip"},
        {"chip", "cube/1", NULL, NULL, E_INVALID, "breaks a target such as chip/5-3-0-2"},
        {"chip", "chip/4-0-0-0", NULL, NULL, E_INVALID, "not in this pod of 4 cubes"},
        {"ocs-port", "port/12-n-8", NULL, NULL, E_INVALID, "not in this pod"},
        {"host", "host/1-16", NULL, NULL, E_INVALID, "host is 0 to 15"},
        {"swapped-fibres", "fibre/0+x-0-0", NULL, NULL, E_INVALID, "needs --set with="},
        {"swapped-fibres", "fibre/0+x-0-0", "with", "fibre/0+x-0-0", E_INVALID, "the same fibre"},
        {"swapped-fibres", "fibre/0+x-0-0", "with", "cube/1", E_INVALID, "such as fibre/"},
        {"loss", "port/12-n-1", "db", "much", E_INVALID, "not a number from 0 to 60"},
        {"loss", "port/12-n-1", "db", "nan", E_INVALID, "not a number"},
        {"loss", "port/12-n-1", "dB", "3", E_INVALID, "'loss' has no 'dB'; it has db"},
        {"chip", "chip/0-0-0-0", "db", "3", E_INVALID, "it takes nothing"},
        {"link", "link/0-0-0-0+x", "direction", "in", E_INVALID, "not out or both"},
        {"chip", "chip/1-1-1-1", NULL, NULL, E_CONFLICT, "chip/1-1-1-1 has this fault already"},
        {"swapped-fibres", "fibre/3+x-0-0", "with", "fibre/2+x-0-0", E_CONFLICT, "heal it first"},
    };
    struct sim_fixture *f = *state;
    struct error err;

    assert_int_equal(sim_break(f, "chip", "chip/1-1-1-1", NULL, NULL), 0);
    assert_int_equal(sim_break(f, "swapped-fibres", "fibre/1+x-0-0", "with", "fibre/2+x-0-0"), 0);
    uint64_t log_next = f->w->log_next;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct fault_request request = {
            .kind = bad[i].kind, .target = bad[i].target, .key = bad[i].key, .value = bad[i].value};
        assert_int_equal(fault_inject(f->w, &request, &err), bad[i].code);
        assert_non_null(strstr(err.text, bad[i].text));
    }
    assert_int_equal(f->w->log_next, log_next);
    assert_int_equal(fault_heal(f->w, "cube/2", &err), E_NOT_FOUND);
    assert_int_equal(fault_heal(f->w, "bad", &err), E_INVALID);
}

/* ----------------------------------------------------------------- chaos -- */

static unsigned below(uint64_t *rng, unsigned n)
{
    return (unsigned)(chance_next(rng) * n);
}

static uint64_t hash_log(const struct sim_fixture *f)
{
    uint64_t h = 0;
    for (uint64_t seq = 1; seq < f->w->log_next; seq++) {
        const struct sim_link_event *ev = &f->w->log[seq % SIM_LINK_LOG];
        h = chance_mix(h ^ (ev->chip * 16ULL + ev->port * 2ULL + ev->up));
    }
    return h;
}

/* Draws faults and circuits; returns a hash of all that happened. */
static uint64_t run_chaos(uint64_t seed, bool *restored)
{
    struct sim_fixture f;
    uint64_t rng = seed;

    sim_fixture_init(&f, 4, seed);
    f.config.mirror_median_ms = 10;
    f.config.mirror_p99_ms = 30;
    join_all(&f);
    uint32_t *before = xmemdup(f.w->seen, seen_bytes(&f));
    for (unsigned i = 0; i < 400; i++) {
        const struct row *row = &rows[below(&rng, ARRAY_LEN(rows) - 1)]; /* not the power */
        struct fault_request request = {.kind = row->kind,
                                        .target = row->target,
                                        .key = row->key,
                                        .value = row->value,
                                        .for_ns = 1 + below(&rng, 50) * 1000000};
        struct error err;
        (void)fault_inject(f.w, &request, &err);
        evq_advance(f.w->evq, evq_now_ns(f.w->evq) + world_mirror_time_ns(f.w));
    }
    (void)sim_heal(&f, "all");
    *restored = count_differences(&f, before) == 0;
    uint64_t hash = chance_mix(hash_log(&f) ^ (uint64_t)evq_now_ns(f.w->evq));
    free(before);
    sim_fixture_fini(&f);
    return hash;
}

static void chaos_heals_and_the_same_seed_is_the_same_story(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        bool restored, again;
        uint64_t hash = run_chaos(seed, &restored);
        assert_true(restored);
        assert_true(hash == run_chaos(seed, &again));
        assert_true(hash != last);
        last = hash;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_breaks_and_heals_exactly),
        cmocka_unit_test(every_kind_has_a_row),
        cmocka_unit_test_setup_teardown(a_swap_leads_to_the_wrong_cube, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(one_way_link_carries_nothing, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(overlapping_faults_heal_one_by_one, sim_setup,
                                        sim_teardown),
        cmocka_unit_test_setup_teardown(faults_end_when_their_time_is_up, sim_setup, sim_teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_named, sim_setup, sim_teardown),
        cmocka_unit_test(chaos_heals_and_the_same_seed_is_the_same_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
