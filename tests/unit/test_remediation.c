/* Remediation: a row for each rule, and what a cause touches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/remediation.h"
#include "mem.h"

static const uint16_t spares[] = {60, 61};

/* The letters of a row: d slice accepts degraded, b it is busy, w it works,
 * o breaker open, x another domain busy, y dry run, n no spares, h the hour's
 * swaps used up, c the cubes' budget used up, 2 the slice has both cubes,
 * 0 it has none of the cubes, s a second slice that accepts nothing, i the cube is
 * idle, t it has hurt for long, q it is given to nobody already, p port is known. */
static void decide(enum risk_kind kind, enum severity severity, double confidence,
                   const char *letters, struct remedies *out)
{
#define HAS(c) (strchr(letters, (c)) != NULL)
    struct impact impact = {.cubes = {5, 6},
                            .n_cubes = HAS('2') ? 2 : 1,
                            .port_known = HAS('p'),
                            .port = {9, TPUNET_SOUTH, 5},
                            .spare = 64};
    struct remedy_slice slices[2] = {
        {.id = {3, 41},
         .accepts_degraded = HAS('d'),
         .busy = HAS('b'),
         .works = HAS('w'),
         .cubes = {5, 6},
         .n_cubes = HAS('0')   ? 0
                    : HAS('2') ? 2
                               : 1},
        {.id = {3, 42}, .cubes = {6}, .n_cubes = 1},
    };
    const bool is_out[MODEL_CUBES_MAX] = {[5] = HAS('q')};
    struct remedy_input in = {
        .is_out = is_out,
        .kind = kind,
        .severity = severity,
        .confidence = confidence,
        .hurt_ms = HAS('t') ? 10000 : 9999,
        .part = "host/5-3",
        .impact = &impact,
        .slices = slices,
        .n_slices = HAS('i')   ? 0
                    : HAS('s') ? 2
                               : 1,
        .spares = spares,
        .n_spares = HAS('n') ? 0 : ARRAY_LEN(spares),
        .mode = HAS('y') ? REMEDY_DRY_RUN : REMEDY_AUTO,
        .breaker_open = HAS('o'),
        .other_domain_busy = HAS('x'),
        .cubes_out = HAS('c') ? 8 : 0,
        .cubes_out_max = 8,
        .swaps_last_hour = HAS('h') ? 10 : 0,
        .swaps_per_hour_max = 10,
        .confidence_min = 0.25,
    };
    remediation_decide(&in, out);
#undef HAS
}

/* "SWAP 3-41 5>60 (14), ..." */
static const char *text_of(const struct remedies *r, char *buf, size_t size)
{
    size_t len = 0;
    char id[48];

    buf[0] = '\0';
    for (size_t i = 0; i < r->n && len < size; i++) {
        const struct remedy *m = &r->items[i];
        len += (size_t)snprintf(buf + len, size - len, "%s%s%s", i > 0 ? ", " : "",
                                m->only_said ? "say " : "", remedy_kind_name(m->kind));
        if (!id_is_none(m->slice)) {
            len += (size_t)snprintf(buf + len, size - len, " %s", id_format(m->slice, id));
        }
        if (m->cube != TPUNET_NONE) {
            len += (size_t)snprintf(buf + len, size - len, " %u", m->cube);
        }
        if (m->spare != TPUNET_NONE) {
            len += (size_t)snprintf(buf + len, size - len, ">%u", m->spare);
        }
        len += (size_t)snprintf(buf + len, size - len, " (%u)", m->rule);
    }
    return buf;
}

/* In what follows cube 5 is nobody's where the slice has none of the cubes. */
#define SWAP_5 "SWAP 3-41 5>60 (14), QUARANTINE 5 (6)"
#define SWAP_6 "SWAP 3-41 6>61 (14), QUARANTINE 6 (6)"

static void a_row_for_each_rule(void **state)
{
    static const struct {
        unsigned rule;
        enum risk_kind kind;
        enum severity severity;
        double confidence;
        const char *letters, *expected;
    } rows[] = {
        {1, RISK_LINK, SEVERITY_INFO, 1, "", "NOTHING (1)"},
        {2, RISK_OBSERVER, SEVERITY_SEVERE, 1, "d", "WAIT (2), TICKET (2)"},
        {2, RISK_NETWORK, SEVERITY_FATAL, 1, "", "WAIT (2), TICKET (2)"},
        {2, RISK_SELF, SEVERITY_FATAL, 1, "", "WAIT (2), TICKET (2)"},
        {3, RISK_OCS_CONTROL, SEVERITY_DEGRADED, 1, "", "WAIT (3), TICKET (3)"},
        {4, RISK_HOST, SEVERITY_FATAL, 0.2, "", "WAIT (4)"},
        {4, RISK_HOST, SEVERITY_FATAL, 0.2, "t", SWAP_5 ", TICKET (7)"},
        {5, RISK_LINK, SEVERITY_DEGRADED, 1, "", "TICKET (5)"},
        {6, RISK_HOST, SEVERITY_FATAL, 1, "i", "QUARANTINE 5 (6), TICKET (7)"},
        {6, RISK_PORT_GROUP, SEVERITY_FATAL, 1, "i2", "TICKET (7)"},
        {6, RISK_HOST, SEVERITY_FATAL, 1, "io", "TICKET (7)"},
        {6, RISK_HOST, SEVERITY_FATAL, 1, "iqc", "TICKET (7)"},
        {6, RISK_CUBE, SEVERITY_FATAL, 1, "i2c", "TICKET (7)"},
        {7, RISK_PORT, SEVERITY_SEVERE, 1, "dp", "REROUTE 3-41 (12), TICKET>64 (7)"},
        {8, RISK_HOST, SEVERITY_FATAL, 1, "b", "WAIT 3-41 (8), TICKET (7)"},
        {9, RISK_FIBRE, SEVERITY_SEVERE, 1, "w", "NOTHING 3-41 (9), TICKET (7)"},
        {10, RISK_HOST, SEVERITY_FATAL, 1, "o", "FAIL 3-41 (10), TICKET (7)"},
        {10, RISK_OCS, SEVERITY_FATAL, 1, "od", "DEGRADE 3-41 (10), TICKET (7)"},
        {11, RISK_HOST, SEVERITY_FATAL, 1, "x", "WAIT 3-41 (11), TICKET (7)"},
        {12, RISK_OCS, SEVERITY_FATAL, 1, "d", "REROUTE 3-41 (12), TICKET (7)"},
        {12, RISK_FIBRE, SEVERITY_SEVERE, 1, "d", "REROUTE 3-41 (12), TICKET (7)"},
        {12, RISK_PORT_GROUP, SEVERITY_SEVERE, 1, "d2", "REROUTE 3-41 (12), TICKET (7)"},
        {12, RISK_POWER, SEVERITY_FATAL, 1, "d0s",
         "QUARANTINE 5 (6), REROUTE 3-41 (12), SWAP 3-42 6>60 (14), QUARANTINE 6 (6), TICKET (7)"},
        {13, RISK_OCS, SEVERITY_FATAL, 1, "", "FAIL 3-41 (13), TICKET (7)"},
        {13, RISK_OCS, SEVERITY_FATAL, 1, "ds", "REROUTE 3-41 (12), FAIL 3-42 (13), TICKET (7)"},
        {13, RISK_AXIS, SEVERITY_FATAL, 1, "d", "FAIL 3-41 (13), TICKET (7)"},
        {14, RISK_HOST, SEVERITY_FATAL, 1, "", SWAP_5 ", TICKET (7)"},
        {14, RISK_CHIP, SEVERITY_SEVERE, 1, "d", SWAP_5 ", TICKET (7)"},
        {14, RISK_LINK, SEVERITY_SEVERE, 1, "d", SWAP_5 ", TICKET (7)"},
        {14, RISK_FACE, SEVERITY_SEVERE, 1, "d", SWAP_5 ", TICKET (7)"},
        {14, RISK_FIBRE, SEVERITY_SEVERE, 1, "", SWAP_5 ", TICKET (7)"},
        {14, RISK_POWER, SEVERITY_FATAL, 1, "2", SWAP_5 ", " SWAP_6 ", TICKET (7)"},
        {15, RISK_HOST, SEVERITY_FATAL, 1, "n", "FAIL 3-41 (15), TICKET (7)"},
        {15, RISK_HOST, SEVERITY_FATAL, 1, "dn", "DEGRADE 3-41 (15), TICKET (7)"},
        {15, RISK_POWER, SEVERITY_FATAL, 1, "2s",
         SWAP_5 ", " SWAP_6 ", FAIL 3-42 (15), TICKET (7)"},
        {16, RISK_HOST, SEVERITY_FATAL, 1, "h", "TRIP_BREAKER (16), FAIL 3-41 (10), TICKET (7)"},
        {16, RISK_HOST, SEVERITY_FATAL, 1, "cd",
         "TRIP_BREAKER (16), DEGRADE 3-41 (10), TICKET (7)"},
        {16, RISK_CUBE, SEVERITY_FATAL, 1, "hs",
         "TRIP_BREAKER (16), FAIL 3-41 (10), FAIL 3-42 (10), TICKET (7)"},
        {17, RISK_HOST, SEVERITY_FATAL, 1, "y",
         "say SWAP 3-41 5>60 (14), say QUARANTINE 5 (6), TICKET (7)"},
    };
    char text[600];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct remedies r;
        decide(rows[i].kind, rows[i].severity, rows[i].confidence, rows[i].letters, &r);
        if (strcmp(text_of(&r, text, sizeof text), rows[i].expected) != 0) {
            fail_msg("rule %u, row %zu: %s, expected %s", rows[i].rule, i, text, rows[i].expected);
        }
        remedies_fini(&r);
    }
}

static void silence_never_evicts(void **state)
{
    static const enum risk_kind kinds[] = {RISK_OBSERVER, RISK_NETWORK, RISK_SELF,
                                           RISK_OCS_CONTROL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (int severity = SEVERITY_OK; severity <= SEVERITY_FATAL; severity++) {
            struct remedies r;
            decide(kinds[i], (enum severity)severity, 1, "d2s", &r);
            for (size_t k = 0; k < r.n; k++) {
                assert_true(r.items[k].kind == REMEDY_WAIT || r.items[k].kind == REMEDY_TICKET ||
                            r.items[k].kind == REMEDY_NOTHING);
            }
            remedies_fini(&r);
        }
    }
}

static void texts_are_for_people(void **state)
{
    struct remedies r;

    (void)state;
    decide(RISK_HOST, SEVERITY_FATAL, 1, "", &r);
    assert_string_equal(r.items[0].text, "host/5-3 is broken: cube/60 instead of cube/5");
    remedies_fini(&r);
    decide(RISK_PORT, SEVERITY_SEVERE, 1, "dp", &r);
    assert_string_equal(r.items[1].text,
                        "repair host/5-3; its fibre can be moved to the spare port/9-s-64");
    remedies_fini(&r);
    decide(RISK_HOST, SEVERITY_FATAL, 1, "h", &r);
    assert_string_equal(r.items[0].text, "10 swaps in the last hour of 10, 0 cubes out of 8: "
                                         "host/5-3 would need 1 more");
    remedies_fini(&r);
}

/* ---------------------------------------------------------------- impact -- */

struct setup {
    struct pod pod;
    struct model *m;
    struct riskmap *map;
};

static int set_up(void **state)
{
    struct setup *s = xcalloc(1, sizeof *s);
    /* cube 5's +x fibre at (0, 0) is on the spare port 8 already */
    static const struct tpunet_rewire moved = {{5, 0, false, 0, 0}, 8};

    s->pod = (struct pod){.id = "p", .n_cubes = 8, .ports_per_side = 12};
    assert_int_equal(tpunet_wiring_create(&s->pod.wiring, 8, 12, &moved, 1, NULL), 0);
    s->m = model_create(&s->pod, 1);
    s->map = riskmap_create(s->pod.wiring, 1);
    for (unsigned c = 0; c < 8; c++) {
        struct part part = {.kind = PART_CUBE, .cube = (uint16_t)c};
        assert_int_equal(riskmap_add_power(s->map, c < 2 ? "a" : "b", &part, NULL), 0);
    }
    struct part ocs = {.kind = PART_OCS, .ocs = 12};
    assert_int_equal(riskmap_add_power(s->map, "a", &ocs, NULL), 0);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    riskmap_destroy(s->map);
    model_destroy(s->m);
    tpunet_wiring_destroy(s->pod.wiring);
    free(s);
    return 0;
}

static struct impact impact_of(const struct setup *s, enum risk_kind kind, uint32_t number)
{
    struct impact impact;
    remediation_impact(s->m, s->map, riskmap_group(s->map, kind, number), &impact);
    return impact;
}

static void what_a_cause_puts_out_of_order(void **state)
{
    static const struct {
        enum risk_kind kind;
        uint32_t number;
        size_t n_cubes;
        uint16_t cube; /* the first */
        unsigned n_ocs;
    } rows[] = {
        {RISK_LINK, 5 * 384 + 6, 1, 5, 0}, {RISK_CHIP, 5 * 64, 1, 5, 0},
        {RISK_HOST, 83, 1, 5, 0},          {RISK_FACE, 5 * 6 + 1, 1, 5, 0},
        {RISK_CUBE, 5, 1, 5, 0},           {RISK_FIBRE, 5 * 96, 1, 5, 0},
        {RISK_PORT, 8, 1, 5, 0},           {RISK_PORT, 5, 0, 0, 0},
        {RISK_PORT_GROUP, 20, 8, 0, 0},    {RISK_OCS, 12, 0, 0, 1},
        {RISK_AXIS, 2, 0, 0, 16},          {RISK_POWER, 0, 2, 0, 1},
        {RISK_POWER, 1, 6, 2, 0},          {RISK_OCS_CONTROL, 12, 0, 0, 0},
        {RISK_OBSERVER, 0, 0, 0, 0},       {RISK_NETWORK, 0, 0, 0, 0},
        {RISK_SELF, 0, 0, 0, 0},
    };
    const struct setup *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct impact impact = impact_of(s, rows[i].kind, rows[i].number);
        unsigned n_ocs = 0;
        for (unsigned o = 0; o < TPUNET_OCSES; o++) {
            n_ocs += impact.ocs[o];
        }
        assert_int_equal(impact.n_cubes, rows[i].n_cubes);
        assert_true(impact.n_cubes == 0 || impact.cubes[0] == rows[i].cube);
        assert_int_equal(n_ocs, rows[i].n_ocs);
    }
}

static void a_spare_port_is_free_and_dark(void **state)
{
    const struct setup *s = *state;

    struct impact impact = impact_of(s, RISK_PORT, 2);
    assert_true(impact.port_known);
    assert_int_equal(impact.port.port, 2);
    assert_int_equal(impact.spare, 5); /* whose fibre has moved to 8 */
    s->m->ocs[0].north[5].seen = 3;    /* something shines there */
    assert_int_equal(impact_of(s, RISK_PORT, 2).spare, 9);
    s->m->ocs[0].north[9].south = 4; /* or is meant to */
    assert_int_equal(impact_of(s, RISK_PORT, 2).spare, 10);

    /* South: nobody's far end. */
    uint32_t south = RISKMAP_PORTS_MAX + 2;
    assert_int_equal(impact_of(s, RISK_PORT, south).spare, 8);
    s->m->ocs[0].north[1].seen = 8;
    assert_int_equal(impact_of(s, RISK_PORT, south).spare, 9);
    for (uint16_t p = 0; p < 4; p++) {
        s->m->ocs[0].north[p].south = (uint16_t)(8 + p);
    }
    assert_int_equal(impact_of(s, RISK_PORT, south).spare, TPUNET_NONE);
}

#define IMPACT(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_for_each_rule),  cmocka_unit_test(silence_never_evicts),
        cmocka_unit_test(texts_are_for_people), IMPACT(what_a_cause_puts_out_of_order),
        IMPACT(a_spare_port_is_free_and_dark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
