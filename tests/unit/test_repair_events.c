/* A person's moves of repair tickets through the core: one audit record, one
 * event, one row; a refusal leaves nothing.  And the path that leads there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/http.h"
#include "core/core.h"
#include "core/repair.h"
#include "mem.h"

struct setup {
    struct pod pod;
    struct model *m;
    struct outbox out;
};

static int set_up(void **state)
{
    struct setup *s = xcalloc(1, sizeof *s);
    struct ticket *ticket = xcalloc(1, sizeof *ticket);

    s->pod = (struct pod){.id = "p", .n_cubes = 2, .ports_per_side = 4};
    s->m = model_create(&s->pod, 1);
    s->m->epoch = 1;
    ticket->id = (struct id){1, 9};
    ticket->state = TICKET_READY_FOR_REPAIR;
    ticket->version = 3;
    (void)strcpy(ticket->part, "host/1-3");
    tickets_add(s->m->tickets, ticket);
    outbox_init(&s->out);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    outbox_fini(&s->out);
    model_destroy(s->m);
    free(s);
    return 0;
}

static const struct effect *advance(struct setup *s, uint64_t seq, enum ticket_state to,
                                    uint64_t if_version)
{
    struct repair_step step = {{1, seq}, to, "new tray", if_version};
    struct event ev = {.kind = EV_ADVANCE_REPAIR,
                       .cookie = 5,
                       .who = "unix uid 0 pid 1 admin",
                       .now = {.wall = {1000}}};

    outbox_clear(&s->out);
    ev.repair = xmemdup(&step, sizeof step);
    core_step(s->m, &ev, &s->out);
    event_fini(&ev);
    assert_int_equal(s->out.n_effects, 1);
    assert_int_equal(s->out.effects[0].cookie, 5);
    return &s->out.effects[0];
}

static void a_move_is_recorded_once(void **state)
{
    struct setup *s = *state;
    const struct effect *reply = advance(s, 9, TICKET_IN_REPAIR, 3);

    assert_int_equal(reply->reply.status, 0);
    assert_int_equal(reply->id.seq, 9);
    assert_int_equal(s->out.n_changes, 1);
    assert_int_equal(s->out.changes[0].kind, CHANGE_TICKET);
    assert_int_equal(s->out.n_journal, 1);
    assert_string_equal(s->out.journal[0].type, "repair.advanced");
    assert_string_equal(s->out.journal[0].subject, "repair/1-9");
    assert_non_null(strstr(s->out.journal[0].data, "\"to\":\"IN_REPAIR\""));
    assert_int_equal(s->out.n_audits, 1);
    assert_string_equal(s->out.audits[0].action, "repair.advance");
    assert_string_equal(s->out.audits[0].before,
                        "{\"part\":\"host/1-3\",\"state\":\"READY_FOR_REPAIR\",\"version\":3}");
    assert_string_equal(s->out.audits[0].after,
                        "{\"part\":\"host/1-3\",\"state\":\"IN_REPAIR\",\"version\":4}");
}

static void a_refusal_leaves_nothing(void **state)
{
    static const struct {
        uint64_t seq;
        enum ticket_state to;
        uint64_t if_version;
        int status;
        const char *code;
    } rows[] = {
        {8, TICKET_IN_REPAIR, 0, E_NOT_FOUND, "repair-not-found"},
        {9, TICKET_IN_REPAIR, 2, E_STALE, "version-mismatch"},
        {9, TICKET_PROBATION, 0, E_CONFLICT, "wrong-state"},
    };
    struct setup *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct effect *reply = advance(s, rows[i].seq, rows[i].to, rows[i].if_version);
        assert_int_equal(reply->reply.status, rows[i].status);
        assert_string_equal(reply->reply.code, rows[i].code);
        assert_int_equal(s->out.n_changes + s->out.n_journal + s->out.n_audits, 0);
        assert_int_equal(tickets_at(s->m->tickets, 0)->version, 3);
    }
}

static void the_verb_is_no_part_of_the_id(void **state)
{
    char id[80], allow[API_ALLOW_MAX];

    (void)state;
    const struct route *route =
        route_find("POST", "/v1/repairs/3-41:advance", id, sizeof id, allow);
    assert_non_null(route);
    assert_string_equal(route->path, "/v1/repairs/{id}:advance");
    assert_string_equal(id, "3-41");
    route = route_find("GET", "/v1/repairs/3-41", id, sizeof id, allow);
    assert_string_equal(route->path, "/v1/repairs/{id}");
    assert_null(route_find("POST", "/v1/repairs/3-41:advance:now", id, sizeof id, allow));
    assert_null(route_find("POST", "/v1/repairs/:advance", id, sizeof id, allow));
    assert_null(route_find("POST", "/v1/repairs/3-41", id, sizeof id, allow));
    assert_string_equal(allow, "GET, HEAD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_move_is_recorded_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_leaves_nothing, set_up, tear_down),
        cmocka_unit_test(the_verb_is_no_part_of_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
