/* Incidents and repair tickets outlive podmgr, and rows that make no sense are
 * refused with their name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "core/incident.h"
#include "core/repair.h"
#include "mem.h"
#include "store_fixture.h"

static struct incident *add_incident(struct fixture *f, uint64_t seq)
{
    struct incident *i = xcalloc(1, sizeof *i);

    *i = (struct incident){.id = {2, seq},
                           .kind = RISK_PORT_GROUP,
                           .part = "port/12-n-8",
                           .confidence = 0.625,
                           .rivals = "fibre/5+x-0-3 0.20",
                           .severity = SEVERITY_SEVERE,
                           .began = {10},
                           .opened = {20},
                           .updated = {30},
                           .decided = {25},
                           .symptoms = 24,
                           .healthy = 3,
                           .count = 2};
    (void)incident_touches(i, (struct id){1, 41});
    (void)incident_touches(i, (struct id){2, 3});
    incident_act(i, (struct wall_ms){26}, "cube/6 instead of cube/5");
    incident_act(i, (struct wall_ms){27}, "a tab\tand a\nline");
    incidents_add(f->m->incidents, i);
    sf_change(f, CHANGE_INCIDENT, i->id);
    return i;
}

static struct ticket *add_ticket(struct fixture *f, uint64_t seq)
{
    struct ticket *t = xcalloc(1, sizeof *t);
    struct error err;

    *t = (struct ticket){.id = {2, seq},
                         .kind = RISK_PORT,
                         .part = "port/12-n-8",
                         .position = "switch ocs/12",
                         .action = "move the fibre",
                         .safe = "the fibre",
                         .spare = "port/12-n-9",
                         .opened = {20},
                         .relapses = 1,
                         .version = 4,
                         .incidents = {{2, 1}},
                         .n_incidents = 1};
    assert_int_equal(
        ticket_advance(t, TICKET_DRAINING, "unix uid 0", "go\ton", (struct wall_ms){30}, &err), 0);
    tickets_add(f->m->tickets, t);
    sf_change(f, CHANGE_TICKET, t->id);
    return t;
}

static void they_come_back(void **state)
{
    struct fixture *f = *state;
    struct error err;

    (void)add_incident(f, 1);
    add_incident(f, 2)->merged_into = (struct id){2, 1};
    (void)add_ticket(f, 5);
    sf_commit(f);
    sf_close_all(f);
    assert_int_equal(sf_open_all(f, &err), 0);

    assert_int_equal(incidents_count(f->m->incidents), 2);
    const struct incident *i = incidents_at(f->m->incidents, 0);
    assert_int_equal(i->kind, RISK_PORT_GROUP);
    assert_string_equal(i->part, "port/12-n-8");
    assert_true(i->confidence == 0.625);
    assert_string_equal(i->rivals, "fibre/5+x-0-3 0.20");
    assert_int_equal(i->severity, SEVERITY_SEVERE);
    assert_int_equal(i->began.ms, 10);
    assert_int_equal(i->decided.ms, 25);
    assert_int_equal(i->closed.ms, 0);
    assert_int_equal(i->symptoms, 24);
    assert_int_equal(i->healthy, 3);
    assert_int_equal(i->count, 2);
    assert_int_equal(i->n_slices, 2);
    assert_int_equal(i->slices[1].seq, 3);
    assert_int_equal(i->n_actions, 2);
    assert_int_equal(i->actions[1].at.ms, 27);
    assert_string_equal(i->actions[1].text, "a tab and a line");
    assert_int_equal(incidents_at(f->m->incidents, 1)->merged_into.seq, 1);

    const struct ticket *t = tickets_at(f->m->tickets, 0);
    assert_int_equal(t->state, TICKET_DRAINING);
    assert_string_equal(t->position, "switch ocs/12");
    assert_string_equal(t->spare, "port/12-n-9");
    assert_int_equal(t->relapses, 1);
    assert_int_equal(t->version, 5);
    assert_int_equal(t->incidents[0].seq, 1);
    assert_int_equal(t->n_history, 1);
    assert_int_equal(t->history[0].to, TICKET_DRAINING);
    assert_string_equal(t->history[0].note, "go on");
}

static void what_is_forgotten_goes(void **state)
{
    struct fixture *f = *state;
    struct error err;

    (void)add_incident(f, 1);
    sf_commit(f);
    sf_change(f, CHANGE_INCIDENT, (struct id){2, 1});
    sf_change(f, CHANGE_TICKET, (struct id){2, 5});
    incidents_destroy(f->m->incidents);
    f->m->incidents = incidents_create();
    sf_commit(f);
    sf_close_all(f);
    assert_int_equal(sf_open_all(f, &err), 0);
    assert_int_equal(incidents_count(f->m->incidents), 0);
    assert_int_equal(tickets_count(f->m->tickets), 0);
}

static void rows_without_sense_are_refused(void **state)
{
    static const struct {
        const char *sql, *why;
    } rows[] = {
        {"UPDATE incidents SET kind = 'gremlin'", "incidents, row 2-1: no such kind or severity"},
        {"UPDATE incidents SET severity = 'BAD'", "incidents, row 2-1: no such kind or severity"},
        {"UPDATE incidents SET epoch = 9", "incidents, row 9-1: an id that was never given"},
        {"UPDATE incidents SET count = 0", "incidents, row 2-1: it never was"},
        {"UPDATE incidents SET slices = '3'", "incidents, row 2-1: 'slices' are no ids"},
        {"UPDATE incidents SET actions = 'x'", "incidents, row 2-1: 'actions' make no sense"},
        {"UPDATE incidents SET actions = 'x' || char(9) || 'y' || char(10)",
         "incidents, row 2-1: 'actions' make no sense"},
        {"UPDATE repairs SET state = 'LOST'", "repairs, row 2-5: no such kind or state"},
        {"UPDATE repairs SET seq = 0", "repairs, row 2-0: an id that was never given"},
        {"UPDATE repairs SET incidents = '2-1'",
         "repairs, row 2-5: 'incidents' are no ids, or too many"},
        {"UPDATE repairs SET history = '1'", "repairs, row 2-5: 'history' makes no sense"},
        {"INSERT INTO repairs SELECT epoch, seq + 1, kind, part, state, position, action, safe, "
         "spare, opened_ms, changed_ms, well_since_ms, relapses, version, incidents, history "
         "FROM repairs",
         "repairs, row 2-6: another one of its part is not closed"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err;
        sqlite3 *db;
        (void)add_incident(f, 1);
        (void)add_ticket(f, 5);
        sf_commit(f);
        sf_close_all(f);
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, rows[i].sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(sf_open_all(f, &err), E_CORRUPT);
        if (strstr(err.text, rows[i].why) == NULL) {
            fail_msg("%s: %s", rows[i].sql, err.text);
        }
        sf_close_all(f);
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        assert_int_equal(
            sqlite3_exec(db, "DELETE FROM incidents; DELETE FROM repairs", NULL, NULL, NULL),
            SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(sf_open_all(f, &err), 0);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sf_set_up, sf_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_come_back),
        TEST(what_is_forgotten_goes),
        TEST(rows_without_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
