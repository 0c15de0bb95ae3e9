/* Repair tickets: the table of moves, the rules, and what a person is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/repair.h"
#include "mem.h"

static const struct repair_params params = {
    .burn_in_ms = 1000, .probation_ms = 10000, .drain_at_once = true};

struct setup {
    struct tickets *list;
    uint64_t next_seq;
    struct tpunet_wiring *wiring;
    struct riskmap *map;
};

static int set_up(void **state)
{
    struct setup *s = xcalloc(1, sizeof *s);
    s->list = tickets_create();
    assert_int_equal(tpunet_wiring_create(&s->wiring, 64, 68, NULL, 0, NULL), 0);
    s->map = riskmap_create(s->wiring, 4);
    riskmap_name_observer(s->map, 2, "healthd/rack-2");
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    tickets_destroy(s->list);
    riskmap_destroy(s->map);
    tpunet_wiring_destroy(s->wiring);
    free(s);
    return 0;
}

static struct id new_id(void *arg)
{
    struct setup *s = arg;
    return (struct id){1, ++s->next_seq};
}

static struct ticket *blame(struct setup *s, const char *part, uint64_t incident, int64_t now_ms,
                            bool *changed)
{
    struct ticket draft = {.kind = RISK_HOST};
    (void)snprintf(draft.part, sizeof draft.part, "%s", part);
    return tickets_blame(s->list, &draft, (struct id){1, incident}, (struct wall_ms){now_ms},
                         &params, new_id, s, changed);
}

static bool tick(struct ticket *t, bool drained, bool sick, int64_t now_ms)
{
    struct repair_facts facts = {drained, sick, "slice/3-41 runs over it"};
    return ticket_tick(t, &facts, (struct wall_ms){now_ms}, &params);
}

static int advance(struct ticket *t, enum ticket_state to, const char *note, struct error *err)
{
    return ticket_advance(t, to, "unix uid 0 pid 1 admin", note, (struct wall_ms){50}, err);
}

static void the_whole_way(void **state)
{
    struct setup *s = *state;
    struct error err;
    bool changed;

    struct ticket *t = blame(s, "host/5-3", 7, 100, &changed);
    assert_true(changed);
    assert_int_equal(t->state, TICKET_DRAINING);
    assert_int_equal(t->incidents[0].seq, 7);
    assert_false(tick(t, false, true, 200));
    assert_true(tick(t, true, true, 300));
    assert_int_equal(t->state, TICKET_READY_FOR_REPAIR);
    assert_int_equal(advance(t, TICKET_IN_REPAIR, "", &err), 0);
    assert_false(tick(t, true, true, 400));
    assert_int_equal(advance(t, TICKET_VERIFYING, "new tray", &err), 0);
    assert_false(tick(t, true, true, 500)); /* shows something still */
    assert_false(tick(t, true, false, 1499));
    assert_true(tick(t, true, false, 1500));
    assert_int_equal(t->state, TICKET_PROBATION);
    assert_int_equal(ticket_until(t, &params).ms, 11500);
    assert_false(tick(t, true, false, 11499));
    assert_true(tick(t, true, false, 11500));
    assert_int_equal(t->state, TICKET_CLOSED);
    assert_false(tick(t, true, false, 99999));
    assert_int_equal(t->n_history, 6);
    assert_string_equal(t->history[3].note, "new tray");
    assert_string_equal(t->history[3].who, "unix uid 0 pid 1 admin");
    assert_string_equal(t->history[5].who, "podmgr");
    assert_int_equal(t->version, 7);
    assert_null(tickets_open_of(s->list, RISK_HOST, "host/5-3"));
}

/* Every state against every other: what a person may and may not. */
static void the_table_of_moves(void **state)
{
    static const struct {
        enum ticket_state from, to;
        const char *note;
    } allowed[] = {
        {TICKET_OPEN, TICKET_DRAINING, ""},
        {TICKET_OPEN, TICKET_CLOSED, "false alarm"},
        {TICKET_DRAINING, TICKET_CLOSED, "false alarm"},
        {TICKET_READY_FOR_REPAIR, TICKET_IN_REPAIR, ""},
        {TICKET_READY_FOR_REPAIR, TICKET_CLOSED, "false alarm"},
        {TICKET_IN_REPAIR, TICKET_VERIFYING, ""},
        {TICKET_VERIFYING, TICKET_IN_REPAIR, ""},
        {TICKET_PROBATION, TICKET_CLOSED, ""},
    };

    (void)state;
    for (int from = 0; from <= TICKET_CLOSED; from++) {
        for (int to = 0; to <= TICKET_CLOSED; to++) {
            struct ticket t = {.state = (enum ticket_state)from};
            struct error err = {0};
            const char *note = NULL;
            for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
                if ((int)allowed[i].from == from && (int)allowed[i].to == to) {
                    note = allowed[i].note;
                }
            }
            int rc = advance(&t, (enum ticket_state)to, note != NULL ? note : "please", &err);
            assert_int_equal(rc, note != NULL ? 0 : E_CONFLICT);
            assert_int_equal((int)t.state, note != NULL ? to : from);
            assert_int_equal(t.n_history, note != NULL);
        }
    }
}

static void rule_1_one_ticket_a_part(void **state)
{
    struct setup *s = *state;
    bool changed;

    struct ticket *t = blame(s, "host/5-3", 7, 100, &changed);
    uint64_t version = t->version;
    assert_ptr_equal(blame(s, "host/5-3", 7, 200, &changed), t);
    assert_false(changed);
    assert_int_equal(t->version, version);
    assert_ptr_equal(blame(s, "host/5-3", 8, 300, &changed), t);
    assert_true(changed);
    assert_int_equal(t->n_incidents, 2);
    assert_ptr_not_equal(blame(s, "host/5-4", 8, 300, &changed), t);
    assert_int_equal(tickets_count(s->list), 2);
    for (uint64_t i = 10; i < 10 + TICKET_INCIDENTS; i++) {
        (void)blame(s, "host/5-3", i, 400, &changed);
    }
    assert_int_equal(t->n_incidents, TICKET_INCIDENTS);
    assert_int_equal(t->incidents[0].seq, 10);
}

/* Its light is gone, too: what may be unplugged, and when, is another answer. */
static void rule_1_not_the_controller_but_the_switch(void **state)
{
    struct setup *s = *state;
    struct ticket control = {.kind = RISK_OCS_CONTROL, .part = "ocs/5", .action = "restart it"},
                  ocs = {.kind = RISK_OCS, .part = "ocs/5", .action = "replace it"};
    bool changed;

    for (int begun = 0; begun < 2; begun++) {
        struct ticket *t = tickets_blame(s->list, &control, (struct id){1, 7}, (struct wall_ms){1},
                                         &params, new_id, s, &changed);
        t->state = begun ? TICKET_IN_REPAIR : t->state;
        uint64_t version = t->version;
        struct ticket *u = tickets_blame(s->list, &ocs, (struct id){1, 7}, (struct wall_ms){2},
                                         &params, new_id, s, &changed);
        assert_true(changed);
        assert_true((u == t) == !begun);
        assert_int_equal(u->kind, RISK_OCS);
        assert_string_equal(u->action, "replace it");
        assert_true(begun || u->version > version);
        u->state = TICKET_CLOSED;
    }
}

static void rule_2_relapse(void **state)
{
    struct setup *s = *state;
    struct error err;
    bool changed;

    struct ticket *t = blame(s, "host/5-3", 7, 100, &changed);
    for (uint64_t again = 0; again < 8; again++) {
        (void)tick(t, true, false, 300);
        assert_int_equal(advance(t, TICKET_IN_REPAIR, "", &err), 0);
        assert_int_equal(advance(t, TICKET_VERIFYING, "", &err), 0);
        assert_true(tick(t, true, false, 5000));
        assert_int_equal(t->state, TICKET_PROBATION);
        uint64_t doublings = again < 5 ? again : 5;
        assert_int_equal(ticket_until(t, &params).ms, 5000 + (params.probation_ms << doublings));
        assert_ptr_equal(blame(s, "host/5-3", 20 + again, 6000, &changed), t);
        assert_true(changed);
        assert_int_equal(t->relapses, again + 1);
        assert_int_equal(t->state, TICKET_DRAINING);
    }
    assert_string_equal(t->history[5].note, "relapse: incident 1-20");
    assert_true(t->n_history <= TICKET_HISTORY);
}

static void rule_3_not_ready_while_in_use(void **state)
{
    struct setup *s = *state;
    struct error err;
    bool changed;

    struct ticket *t = blame(s, "ocs/12", 7, 100, &changed);
    assert_int_equal(advance(t, TICKET_READY_FOR_REPAIR, "hurry", &err), E_CONFLICT);
    assert_string_equal(err.text, "to: a ticket that is DRAINING is not made READY_FOR_REPAIR by "
                                  "hand; from there a person can make it CLOSED, the rest follows "
                                  "by itself");
    assert_true(tick(t, true, true, 200));
    assert_true(tick(t, false, true, 300)); /* somebody came back */
    assert_int_equal(t->state, TICKET_DRAINING);
    assert_string_equal(t->history[t->n_history - 1].note, "slice/3-41 runs over it");
}

static void rule_3_without_a_start_nothing_drains(void **state)
{
    struct setup *s = *state;
    struct repair_params careful = params;
    struct ticket draft = {.part = "host/5-3"};
    struct error err;
    bool changed;

    careful.drain_at_once = false;
    struct ticket *t = tickets_blame(s->list, &draft, (struct id){1, 7}, (struct wall_ms){1},
                                     &careful, new_id, s, &changed);
    assert_int_equal(t->state, TICKET_OPEN);
    assert_false(tick(t, true, true, 200));
    assert_int_equal(advance(t, TICKET_DRAINING, "", &err), 0);
    assert_true(tick(t, true, true, 300));
}

static void rule_5_burn_in_starts_anew(void **state)
{
    struct ticket t = {.state = TICKET_IN_REPAIR};
    struct error err;

    (void)state;
    assert_int_equal(advance(&t, TICKET_VERIFYING, "", &err), 0); /* at 50 */
    assert_false(tick(&t, true, false, 1049));
    assert_false(tick(&t, true, true, 1050));
    assert_false(tick(&t, true, false, 2049));
    assert_true(tick(&t, true, false, 2050));
}

static void rule_9_a_clock_that_was_set_back_holds_nothing_up(void **state)
{
    struct ticket t = {.state = TICKET_VERIFYING, .well_since = {500000}};

    (void)state;
    assert_false(tick(&t, true, false, 1000));
    assert_false(tick(&t, true, false, 1999));
    assert_true(tick(&t, true, false, 2000));
    assert_int_equal(t.state, TICKET_PROBATION);
    assert_false(tick(&t, true, false, 500));
    assert_false(tick(&t, true, false, 10499));
    assert_true(tick(&t, true, false, 10500));
    assert_int_equal(t.state, TICKET_CLOSED);
}

static void rule_7_dismissal_needs_a_reason(void **state)
{
    struct ticket t = {.state = TICKET_OPEN};
    struct error err;

    (void)state;
    assert_int_equal(advance(&t, TICKET_CLOSED, "", &err), E_INVALID);
    assert_string_equal(err.text, "note: say why it is closed without a repair");
    assert_int_equal(t.state, TICKET_OPEN);
    assert_int_equal(advance(&t, TICKET_CLOSED, "cable was pulled on purpose", &err), 0);
}

static void rule_8_the_old_are_forgotten(void **state)
{
    struct setup *s = *state;
    struct id gone;

    for (unsigned i = 0; i < TICKETS_CLOSED_KEPT + 2; i++) {
        struct ticket *t = xcalloc(1, sizeof *t);
        t->id = new_id(s);
        t->state = i == 0 ? TICKET_OPEN : TICKET_CLOSED;
        tickets_add(s->list, t);
    }
    assert_true(tickets_forget(s->list, &gone));
    assert_int_equal(gone.seq, 2);
    assert_false(tickets_forget(s->list, &gone));
    assert_non_null(tickets_find(s->list, (struct id){1, 1}));
    assert_null(tickets_find(s->list, (struct id){1, 2}));
    assert_int_equal(tickets_count(s->list), TICKETS_CLOSED_KEPT + 1);
}

static void a_part_is_not_given_out_before_it_is_closed(void **state)
{
    (void)state;
    for (int s = 0; s <= TICKET_CLOSED; s++) {
        enum health expected = s == TICKET_CLOSED      ? HEALTH_HEALTHY
                               : s == TICKET_PROBATION ? HEALTH_PROBATION
                                                       : HEALTH_QUARANTINED;
        enum ticket_state parsed;
        assert_int_equal(ticket_health((enum ticket_state)s), expected);
        assert_true(ticket_state_parse(&parsed, ticket_state_name((enum ticket_state)s)));
        assert_int_equal((int)parsed, s);
    }
    enum ticket_state untouched = TICKET_OPEN;
    assert_false(ticket_state_parse(&untouched, "open"));
}

static void a_person_is_told_where_and_what(void **state)
{
    static const struct {
        enum risk_kind kind;
        uint32_t number;
        const char *position, *action;
    } rows[] = {
        {RISK_LINK, 5 * 384 + 6, "cube/5, tray host/5-0, chip at x 1, y 0, z 0 of the cube",
         "reseat the copper of link/5-1-0-0+x at both ends, then replace it"},
        {RISK_FIBRE, 5 * 96 + 12,
         "from cube/5, face +x, position 0, 3 (chip/5-3-0-3) to "
         "port/12-n-5",
         "clean and reseat both ends of fibre/5+x-0-3, then replace the fibre or its optics"},
        {RISK_PORT, (12 * 2 + 1) * RISKMAP_PORTS_MAX + 5,
         "switch ocs/12 (axis x, in-face position 0, 3), south port 5, fibre of cube/5, face -x",
         NULL},
        {RISK_PORT, 12 * 2 * RISKMAP_PORTS_MAX + 66,
         "switch ocs/12 (axis x, in-face position 0, 3), north port 66, no fibre", NULL},
        {RISK_PORT_GROUP, 12 * 2 * RISKMAP_PORTS_MAX / 8,
         "switch ocs/12 (axis x, in-face position 0, 3), north port 0, fibre of cube/0, face +x",
         "replace the board that drives port/12-n-0 and the seven ports after it"},
        {RISK_CHIP, 5 * 64 + 63, "cube/5, tray host/5-15, chip at x 3, y 3, z 3 of the cube", NULL},
        {RISK_HOST, 5 * 16 + 7, "cube/5, tray 7 (x 2 to 3, y 2 to 3, z 1)",
         "reset host/5-7; if it fails again replace the host or its tray"},
        {RISK_FACE, 5 * 6 + 5, "cube/5, connector of face -z, to ocs/32 to ocs/47", NULL},
        {RISK_CUBE, 5, "cube/5", NULL},
        {RISK_OCS, 46, "switch ocs/46 (axis z, in-face position 2, 3)", NULL},
        {RISK_OCS_CONTROL, 46, "switch ocs/46 (axis z, in-face position 2, 3)", NULL},
        {RISK_AXIS, 1, "axis/y", NULL},
        {RISK_OBSERVER, 2, "observer/healthd/rack-2", NULL},
        {RISK_NETWORK, 0, "network", NULL},
        {RISK_SELF, 0, "self", NULL},
    };
    const struct setup *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ticket t = {0};
        ticket_describe(&t, s->map, s->wiring, riskmap_group(s->map, rows[i].kind, rows[i].number),
                        TPUNET_NONE);
        assert_string_equal(t.position, rows[i].position);
        if (rows[i].action != NULL) {
            assert_string_equal(t.action, rows[i].action);
        }
        assert_true(t.action[0] != '\0' && t.safe[0] != '\0' && t.spare[0] == '\0');
        assert_null(strchr(t.action, '%'));
        assert_null(strchr(t.safe, '%'));
    }
}

static void the_spare_port_is_named(void **state)
{
    const struct setup *s = *state;
    struct ticket t = {0};

    ticket_describe(&t, s->map, s->wiring, riskmap_group(s->map, RISK_FIBRE, 5 * 96 + 16), 65);
    assert_string_equal(t.part, "fibre/5-x-0-0");
    assert_string_equal(t.spare, "port/0-s-65");
    ticket_describe(&t, s->map, s->wiring,
                    riskmap_group(s->map, RISK_PORT, 12 * 2 * RISKMAP_PORTS_MAX + 5), 66);
    assert_string_equal(t.spare, "port/12-n-66");
    ticket_describe(&t, s->map, s->wiring, riskmap_group(s->map, RISK_HOST, 5), 66);
    assert_string_equal(t.spare, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_whole_way),
        TEST(the_table_of_moves),
        TEST(rule_1_one_ticket_a_part),
        TEST(rule_1_not_the_controller_but_the_switch),
        TEST(rule_2_relapse),
        TEST(rule_3_not_ready_while_in_use),
        TEST(rule_3_without_a_start_nothing_drains),
        TEST(rule_5_burn_in_starts_anew),
        TEST(rule_7_dismissal_needs_a_reason),
        TEST(rule_8_the_old_are_forgotten),
        TEST(rule_9_a_clock_that_was_set_back_holds_nothing_up),
        TEST(a_part_is_not_given_out_before_it_is_closed),
        TEST(a_person_is_told_where_and_what),
        TEST(the_spare_port_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
