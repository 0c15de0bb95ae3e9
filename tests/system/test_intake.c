/* What podmgr takes from observers and what it refuses, with the right word: the
 * wrong host, replays, gaps, other epochs, the future, the malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "observer.h"

enum { HOSTS = 16 };

/* One report with one finding, of which a row changes what it wants. */
struct made {
    Wire__HealthRequest request;
    Wire__HealthReports reports;
    Wire__HealthReport report, *report_list[1];
    Wire__HealthFinding finding, *finding_list[1];
};

static char check[] = "hot", text[] = "95.0 C, limit 90 for 5 s";

static Wire__HealthRequest *make(struct made *m, const struct observer_end *o, uint32_t host,
                                 uint64_t sequence)
{
    wire__health_request__init(&m->request);
    wire__health_reports__init(&m->reports);
    wire__health_report__init(&m->report);
    wire__health_finding__init(&m->finding);
    m->finding.scope = WIRE__HEALTH_SCOPE__SCOPE_CHIP;
    m->finding.index = 1;
    m->finding.check = check;
    m->finding.severity = WIRE__HEALTH_SEVERITY__SEVERITY_DEGRADED;
    m->finding.since_wall_ms = 1000;
    m->finding.text = text;
    m->finding_list[0] = &m->finding;
    m->report.host = host;
    m->report.sequence = sequence;
    m->report.wall_ms = clock_read().wall.ms;
    m->report.n_findings = 1;
    m->report.findings = m->finding_list;
    m->report_list[0] = &m->report;
    m->reports.epoch = o->epoch;
    m->reports.n_reports = 1;
    m->reports.reports = m->report_list;
    m->request.body_case = WIRE__HEALTH_REQUEST__BODY_REPORTS;
    m->request.reports = &m->reports;
    return &m->request;
}

/* How one report fared: of the message, or of the report. */
static Wire__HealthStatus ask(struct observer_end *o, struct made *m)
{
    const Wire__HealthReply *reply = observer_ask(o, &m->request);

    assert_non_null(reply);
    if (reply->status != WIRE__HEALTH_STATUS__HEALTH_OK || reply->n_refusals == 0) {
        return reply->status;
    }
    assert_int_equal(reply->n_refusals, 1);
    assert_int_equal(reply->refusals[0]->host, m->report.host);
    assert_int_equal(reply->refusals[0]->sequence, m->report.sequence);
    assert_true(strlen(reply->refusals[0]->text) > 0);
    return reply->refusals[0]->status;
}

static Wire__HealthStatus report(struct observer_end *o, uint32_t host, uint64_t sequence,
                                 bool snapshot)
{
    struct made m;

    (void)make(&m, o, host, sequence);
    m.report.snapshot = snapshot;
    return ask(o, &m);
}

#define OK           WIRE__HEALTH_STATUS__HEALTH_OK
#define SAY_HELLO    WIRE__HEALTH_STATUS__HEALTH_SAY_HELLO
#define MALFORMED    WIRE__HEALTH_STATUS__HEALTH_MALFORMED
#define OUT_OF_ORDER WIRE__HEALTH_STATUS__HEALTH_OUT_OF_ORDER

static void reports_are_numbered(void **state)
{
    struct observer_end o;

    observer_open(&o, *state, "healthd/numbered", 1);
    assert_int_equal(report(&o, 3, 0, true), SAY_HELLO);
    const Wire__HealthReply *hello = observer_hello(&o, HOSTS);
    assert_int_equal(hello->status, OK);
    assert_true(hello->fresh);
    assert_int_equal(report(&o, 3, 1, false), OUT_OF_ORDER); /* a snapshot is due */
    assert_int_equal(report(&o, 3, 7, true), OK);
    assert_int_equal(report(&o, 3, 8, false), OK);
    assert_int_equal(report(&o, 3, 8, false), OK); /* taken before: no effect */
    assert_int_equal(report(&o, 3, 2, true), OK);
    assert_int_equal(report(&o, 3, 10, false), OUT_OF_ORDER);
    assert_int_equal(report(&o, 3, 12, true), OK); /* a snapshot fills the gap */
    assert_int_equal(report(&o, 3, 13, false), OK);
    assert_false(observer_hello(&o, HOSTS)->fresh); /* a lost connection forgets nothing */
    assert_int_equal(report(&o, 3, 14, false), OK);
    o.instance = 2; /* a new process without its state */
    assert_int_equal(report(&o, 3, 15, false), SAY_HELLO);
    assert_true(observer_hello(&o, HOSTS)->fresh);
    assert_int_equal(report(&o, 3, 1, false), OUT_OF_ORDER);
    assert_int_equal(report(&o, 3, 0, true), OK);
    observer_close(&o);
}

static void a_host_has_one_observer_the_newest(void **state)
{
    struct observer_end one, other;

    observer_open(&one, *state, "healthd/one", 1);
    observer_open(&other, *state, "healthd/other", 2);
    (void)observer_hello(&one, HOSTS);
    assert_int_equal(report(&one, 3, 0, true), OK);
    (void)observer_hello(&other, 4); /* hosts 0 to 3 */
    assert_int_equal(report(&one, 3, 1, false), WIRE__HEALTH_STATUS__HEALTH_WRONG_HOST);
    assert_int_equal(report(&one, 4, 0, true), OK);
    assert_int_equal(report(&other, 3, 0, true), OK);
    assert_int_equal(report(&other, 4, 0, true), WIRE__HEALTH_STATUS__HEALTH_WRONG_HOST);
    observer_close(&one);
    observer_close(&other);
}

/* Everything else that can be wrong with a report: what it does to a good one, and
 * the word it gets. */
static void bad_host(struct made *m)
{
    m->report.host = HOSTS;
}
static void bad_time(struct made *m)
{
    m->report.wall_ms += INT64_C(3600000);
}
static void bad_scope(struct made *m)
{
    m->finding.scope = (Wire__HealthScope)3;
}
static void bad_chip(struct made *m)
{
    m->finding.index = 4;
}
static void bad_link(struct made *m)
{
    m->finding.scope = WIRE__HEALTH_SCOPE__SCOPE_LINK;
    m->finding.index = 24;
}
static void bad_severity(struct made *m)
{
    m->finding.severity = (Wire__HealthSeverity)5;
}
static void bad_check(struct made *m)
{
    static char bad[] = "Hot!";
    m->finding.check = bad;
}
static void no_check(struct made *m)
{
    static char none[] = "";
    m->finding.check = none;
}
static void long_check(struct made *m)
{
    static char bad[] = "a-name-of-a-check-that-is-too-long";
    m->finding.check = bad;
}
static void long_text(struct made *m)
{
    static char bad[200];
    memset(bad, 'x', sizeof bad - 1);
    m->finding.text = bad;
}
static void bad_since(struct made *m)
{
    m->finding.since_wall_ms = -1;
}
static void last_number(struct made *m)
{
    m->report.sequence = UINT64_MAX;
}
static void old_epoch(struct made *m)
{
    m->reports.epoch--;
}
static void future_epoch(struct made *m)
{
    m->reports.epoch++;
}
static void wrong_version(struct made *m)
{
    m->request.version = 9;
}
static void wrong_pod(struct made *m)
{
    static char bad[] = "another";
    m->request.pod = bad;
}
static void stranger(struct made *m)
{
    static char bad[] = "healthd/stranger";
    m->request.observer = bad;
}
static void long_name(struct made *m)
{
    static char bad[80];
    memset(bad, 'x', sizeof bad - 1);
    m->request.observer = bad;
}
static void empty(struct made *m)
{
    m->request.body_case = WIRE__HEALTH_REQUEST__BODY__NOT_SET;
}

static void what_is_wrong_has_its_word(void **state)
{
    static const struct {
        void (*spoil)(struct made *m);
        Wire__HealthStatus status;
    } rows[] = {
        {bad_host, WIRE__HEALTH_STATUS__HEALTH_NO_SUCH_HOST},
        {bad_time, WIRE__HEALTH_STATUS__HEALTH_FUTURE},
        {bad_scope, MALFORMED},
        {bad_chip, MALFORMED},
        {bad_link, MALFORMED},
        {bad_severity, MALFORMED},
        {bad_check, MALFORMED},
        {no_check, MALFORMED},
        {long_check, MALFORMED},
        {long_text, MALFORMED},
        {bad_since, MALFORMED},
        {last_number, MALFORMED},
        {old_epoch, WIRE__HEALTH_STATUS__HEALTH_OLD_EPOCH},
        {future_epoch, WIRE__HEALTH_STATUS__HEALTH_FUTURE},
        {wrong_version, WIRE__HEALTH_STATUS__HEALTH_WRONG_VERSION},
        {wrong_pod, WIRE__HEALTH_STATUS__HEALTH_WRONG_POD},
        {stranger, SAY_HELLO},
        {long_name, MALFORMED},
        {empty, MALFORMED},
    };
    struct observer_end o;

    observer_open(&o, *state, "healthd/spoilt", 1);
    (void)observer_hello(&o, HOSTS);
    assert_int_equal(report(&o, 5, 0, true), OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct made m;
        (void)make(&m, &o, 5, 1);
        rows[i].spoil(&m);
        Wire__HealthStatus status = ask(&o, &m);
        if (status != rows[i].status) {
            fail_msg("row %zu: %d: %s", i, (int)status, o.reply->text);
        }
    }
    assert_int_equal(report(&o, 5, 1, false), OK); /* none of it left a trace */
    observer_close(&o);
}

static Wire__HealthStatus hello_with(struct observer_end *o, uint32_t version, uint32_t *hosts,
                                     size_t n)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthHello hello = WIRE__HEALTH_HELLO__INIT;

    hello.version_min = hello.version_max = version;
    hello.hosts = hosts;
    hello.n_hosts = n;
    request.body_case = WIRE__HEALTH_REQUEST__BODY_HELLO;
    request.hello = &hello;
    return observer_ask(o, &request)->status;
}

static Wire__HealthStatus lease_with(struct observer_end *o, uint64_t epoch, size_t bytes)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthLease lease = WIRE__HEALTH_LEASE__INIT;
    uint8_t bits[8] = {0xff, 0xff};

    lease.epoch = epoch;
    lease.answering.data = bits;
    lease.answering.len = bytes;
    request.body_case = WIRE__HEALTH_REQUEST__BODY_LEASE;
    request.lease = &lease;
    return observer_ask(o, &request)->status;
}

static void hellos_and_leases_are_checked(void **state)
{
    uint32_t rising[] = {1, 2, 5}, twice[] = {1, 1}, falling[] = {2, 1}, beyond[] = {15, 16};
    struct observer_end o;

    observer_open(&o, *state, "healthd/checked", 1);
    assert_int_equal(lease_with(&o, 1, 1), SAY_HELLO);
    assert_int_equal(hello_with(&o, 2, rising, 3), WIRE__HEALTH_STATUS__HEALTH_WRONG_VERSION);
    assert_int_equal(hello_with(&o, 1, twice, 2), MALFORMED);
    assert_int_equal(hello_with(&o, 1, falling, 2), MALFORMED);
    assert_int_equal(hello_with(&o, 1, beyond, 2), WIRE__HEALTH_STATUS__HEALTH_NO_SUCH_HOST);
    assert_int_equal(lease_with(&o, 1, 1), SAY_HELLO); /* none of these was one */
    assert_int_equal(hello_with(&o, 1, rising, 3), OK);
    uint64_t epoch = o.reply->epoch;
    assert_int_equal(lease_with(&o, epoch, 1), OK);
    assert_int_equal(lease_with(&o, epoch, 0), MALFORMED);
    assert_int_equal(lease_with(&o, epoch, 2), MALFORMED);
    assert_int_equal(lease_with(&o, epoch - 1, 1), WIRE__HEALTH_STATUS__HEALTH_OLD_EPOCH);
    assert_int_equal(lease_with(&o, epoch + 1, 1), WIRE__HEALTH_STATUS__HEALTH_FUTURE);
    observer_close(&o);
}

static int setup(void **state)
{
    *state = pod_up(&(struct pod_options){.cubes = 1});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_are_numbered),
        cmocka_unit_test(a_host_has_one_observer_the_newest),
        cmocka_unit_test(what_is_wrong_has_its_word),
        cmocka_unit_test(hellos_and_leases_are_checked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
