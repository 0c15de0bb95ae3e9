/* podmgr/core/health.c: its six rules, and what remediation reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "mem.h"

enum { CUBES = 2, PORTS = 4, LEASE_MS = 1500 };

struct fixture {
    struct pod pod;
    struct model *model;
    struct outbox out; /* of the last step */
    struct now now;
};

static void step(struct fixture *f, struct event *ev)
{
    ev->now = f->now;
    ev->cookie = 1;
    outbox_clear(&f->out);
    core_step(f->model, ev, &f->out);
    event_fini(ev);
}

/* What the caller was told: 0 or an E_ code; and whether it was new. */
static int outcome(const struct fixture *f, bool *fresh)
{
    assert_int_equal(f->out.n_effects, 1);
    assert_int_equal(f->out.effects[0].kind, EFFECT_REPLY);
    if (fresh != NULL) {
        *fresh = f->out.effects[0].id.epoch != 0;
    }
    return f->out.effects[0].reply.status;
}

static bool hello(struct fixture *f, const char *name, uint64_t instance, uint16_t first, size_t n)
{
    struct event ev = {.kind = EV_HEALTH_HELLO};
    bool fresh;

    (void)snprintf(ev.observer.name, sizeof ev.observer.name, "%s", name);
    ev.observer.instance = instance;
    ev.observer.hosts = xcalloc(n, sizeof *ev.observer.hosts);
    ev.observer.n_hosts = n;
    for (size_t i = 0; i < n; i++) {
        ev.observer.hosts[i] = (uint16_t)(first + i);
    }
    step(f, &ev);
    assert_int_equal(outcome(f, &fresh), 0);
    return fresh;
}

static void lease(struct fixture *f, const char *name, uint8_t first_byte)
{
    struct event ev = {.kind = EV_HEALTH_LEASE};

    const struct observer *o = health_observer_named(f->model, name);
    ev.lease.observer = o->id;
    ev.lease.n_bytes = (o->n_hosts + 7) / 8;
    ev.lease.answering = xcalloc(ev.lease.n_bytes, 1);
    ev.lease.answering[0] = first_byte;
    step(f, &ev);
}

/* Findings in words: "hot2 low-light0" of chip 1; the digit is the severity. */
static int report(struct fixture *f, const char *name, uint16_t host, uint64_t sequence,
                  bool snapshot, const char *words)
{
    struct event ev = {.kind = EV_HEALTH};
    char *copy = xstrdup(words), *rest = copy, *word;

    ev.health.observer = health_observer_named(f->model, name)->id;
    ev.health.host = host;
    ev.health.sequence = sequence;
    ev.health.snapshot = snapshot;
    ev.health.findings = xcalloc(8, sizeof *ev.health.findings);
    while (*words != '\0' && (word = strsep(&rest, " ")) != NULL) {
        struct finding *finding = &ev.health.findings[ev.health.n_findings++];
        size_t len = strlen(word) - 1;
        *finding = (struct finding){.scope = SCOPE_CHIP,
                                    .index = 1,
                                    .severity = (enum severity)(word[len] - '0'),
                                    .since = f->now.wall};
        memcpy(finding->check, word, len);
    }
    free(copy);
    step(f, &ev);
    return outcome(f, NULL);
}

/* The journal of the last step in words: "chip/0-1-0-0 hot OK>DEGRADED". */
static const char *journal(const struct fixture *f)
{
    static char text[512];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < f->out.n_journal; i++) {
        const struct journal_entry *entry = &f->out.journal[i];
        json_t *data = json_loads(entry->data, 0, NULL);
        const char *check = json_string_value(json_object_get(data, "check"));
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i > 0 ? "; " : "",
                                entry->subject);
        if (check != NULL) {
            len += (size_t)snprintf(text + len, sizeof text - len, " %s %s>%s", check,
                                    json_string_value(json_object_get(data, "was")),
                                    json_string_value(json_object_get(data, "severity")));
        } else {
            len += (size_t)snprintf(text + len, sizeof text - len, " %s", entry->type);
        }
        json_decref(data);
    }
    return text;
}

/* ------------------------------------------------------------------ tests -- */

static void findings_are_what_holds_now(void **state)
{
    struct fixture *f = *state;

    assert_true(hello(f, "a", 1, 0, 16));
    assert_string_equal(journal(f), "a observer.arrived");
    assert_null(health_worst_of_host(f->model, 0));
    assert_int_equal(report(f, "a", 0, 0, true, ""), 0);
    assert_int_equal(report(f, "a", 0, 1, false, "hot2 hung3"), 0);
    assert_string_equal(journal(f), "chip/0-1-0-0 hot OK>DEGRADED; chip/0-1-0-0 hung OK>SEVERE");
    assert_string_equal(health_worst_of_host(f->model, 0)->check, "hung");
    assert_string_equal(health_worst_of_part(f->model, 0, SCOPE_CHIP, 1)->check, "hung");
    assert_null(health_worst_of_part(f->model, 0, SCOPE_CHIP, 2));
    assert_null(health_worst_of_part(f->model, 0, SCOPE_LINK, 1));
    assert_int_equal(report(f, "a", 0, 2, false, "hot2"), 0); /* the same again is no news */
    assert_string_equal(journal(f), "");
    assert_int_equal(report(f, "a", 0, 3, false, "hung0 hot4"), 0);
    assert_string_equal(journal(f), "chip/0-1-0-0 hung SEVERE>OK; chip/0-1-0-0 hot DEGRADED>FATAL");
    assert_int_equal(report(f, "a", 0, 4, false, "unheard-of0"), 0);
    assert_string_equal(journal(f), "");
    assert_int_equal(health_of(f->model, 0)->n_findings, 1);
}

static void a_snapshot_replaces_all(void **state)
{
    struct fixture *f = *state;

    (void)hello(f, "a", 1, 0, 16);
    (void)report(f, "a", 3, 0, true, "hot2 hung3 low2");
    assert_int_equal(report(f, "a", 3, 9, true, "hot3"), 0);
    assert_string_equal(journal(f), "chip/0-3-2-0 low DEGRADED>OK; chip/0-3-2-0 hung SEVERE>OK; "
                                    "chip/0-3-2-0 hot DEGRADED>SEVERE");
    assert_int_equal(report(f, "a", 3, 9, false, "hung3"), 0); /* taken before: no effect */
    assert_string_equal(journal(f), "");
    assert_int_equal(report(f, "a", 3, 11, false, "hung3"), E_CONFLICT);
    assert_int_equal(health_of(f->model, 3)->n_findings, 1);
}

/* Rules 1, 2 and 6. */
static void what_was_found_survives_its_observer(void **state)
{
    struct fixture *f = *state;

    (void)hello(f, "a", 1, 0, 16);
    (void)report(f, "a", 3, 0, true, "hot2");
    assert_false(hello(f, "a", 1, 0, 16)); /* again: nothing is forgotten */
    assert_int_equal(report(f, "a", 3, 1, false, "low2"), 0);
    assert_true(hello(f, "b", 1, 0, 8)); /* takes hosts 0 to 7 */
    assert_int_equal(report(f, "a", 3, 2, false, "hung3"), E_DENIED);
    assert_int_equal(health_of(f->model, 3)->n_findings, 2);
    assert_int_equal(report(f, "b", 3, 5, false, "hung3"), E_CONFLICT); /* a snapshot is due */
    assert_int_equal(report(f, "b", 3, 5, true, "hot2"), 0);
    assert_string_equal(journal(f), "chip/0-3-2-0 low DEGRADED>OK");
    assert_true(hello(f, "b", 2, 0, 8)); /* a new instance */
    assert_int_equal(report(f, "b", 3, 6, false, "hung3"), E_CONFLICT);
    assert_int_equal(health_of(f->model, 3)->n_findings, 1);
}

static void leases_say_who_answers(void **state)
{
    struct fixture *f = *state;

    (void)hello(f, "a", 1, 0, 8);
    assert_false(health_is_observed(f->model, 0, f->now.mono, LEASE_MS));
    lease(f, "a", 0xfe); /* all but host 0 */
    assert_string_equal(journal(f), "host/0-0 host.silent");
    assert_false(health_is_observed(f->model, 0, f->now.mono, LEASE_MS));
    assert_true(health_is_observed(f->model, 1, f->now.mono, LEASE_MS));
    lease(f, "a", 0xfe);
    assert_string_equal(journal(f), ""); /* no news */
    lease(f, "a", 0xff);
    assert_string_equal(journal(f), "host/0-0 host.answers");
    f->now.mono.ns += (LEASE_MS + 1) * INT64_C(1000000);
    assert_false(health_is_observed(f->model, 1, f->now.mono, LEASE_MS));
}

/* Ticks that come late are our stall, not their silence. */
static void our_stall_is_not_their_silence(void **state)
{
    struct event tick = {.kind = EV_TICK};
    struct fixture *f = *state;

    (void)hello(f, "a", 1, 0, 8);
    lease(f, "a", 0xfe);
    step(f, &tick);
    f->now.mono.ns += 10 * LEASE_MS * INT64_C(1000000);
    step(f, &tick);
    assert_true(health_is_observed(f->model, 1, f->now.mono, LEASE_MS));
    assert_false(health_is_observed(f->model, 0, f->now.mono, LEASE_MS)); /* it is silent */
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct tpunet_error err;

    f->pod =
        (struct pod){.id = "test", .n_cubes = CUBES, .ports_per_side = PORTS, .lease_ms = LEASE_MS};
    assert_int_equal(tpunet_wiring_create(&f->pod.wiring, CUBES, PORTS, NULL, 0, &err), 0);
    f->model = model_create(&f->pod, 1);
    f->now = (struct now){.mono = {1000000000}, .wall = {INT64_C(1750000000000)}};
    f->model->last_tick = f->now.mono;
    outbox_init(&f->out);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    outbox_fini(&f->out);
    model_destroy(f->model);
    tpunet_wiring_destroy(f->pod.wiring);
    free(f);
    return 0;
}

/* The lease was measured against the hello before, as podmgr/agents/health.c does, and both
 * wait in one queue. */
static void a_lease_is_of_the_hosts_that_it_was_sent_for(void **state)
{
    struct fixture *f = *state;
    struct event ev = {.kind = EV_HEALTH_LEASE};

    (void)hello(f, "a", 1, 0, 8);
    ev.lease.observer = health_observer_named(f->model, "a")->id;
    ev.lease.answering = xcalloc(1, 1);
    ev.lease.n_bytes = 1;
    (void)hello(f, "a", 1, 0, 64);
    step(f, &ev); /* it says nothing of the others */
    assert_int_equal(f->out.n_journal, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(findings_are_what_holds_now),
        TEST(a_snapshot_replaces_all),
        TEST(what_was_found_survives_its_observer),
        TEST(leases_say_who_answers),
        TEST(our_stall_is_not_their_silence),
        TEST(a_lease_is_of_the_hosts_that_it_was_sent_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
