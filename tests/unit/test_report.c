/* healthd/report.c and state.c: nothing is lost, nothing is numbered twice, and
 * the peer that forgot is told again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "healthd/report.h"
#include "healthd/state.h"
#include "mem.h"

enum { HOSTS = 3 };
static const uint16_t hosts[HOSTS] = {4, 9, 1023};

struct fixture {
    struct reports *reports;
    char dir[64], file[96];
};

static struct finding finding(const char *check, enum severity severity)
{
    struct finding f = {.scope = SCOPE_CHIP, .index = 2, .severity = severity, .since = {77}};

    (void)snprintf(f.check, sizeof f.check, "%s", check);
    (void)snprintf(f.text, sizeof f.text, "60 errors");
    return f;
}

static void put(struct fixture *f, size_t host, const char *check, enum severity severity)
{
    struct finding new = finding(check, severity);

    reports_put(f->reports, host, &new);
    assert_true(reports_seal(f->reports, (struct wall_ms){1000}));
}

/* The next message in words: "4:1[hot=2] 9:S0[]", S for a snapshot. */
static const char *next(struct fixture *f)
{
    static char text[1024];
    Wire__HealthReports *m = reports_next(f->reports, 5);
    int len = 0;

    text[0] = '\0';
    for (size_t i = 0; m != NULL && i < m->n_reports; i++) {
        const Wire__HealthReport *r = m->reports[i];
        assert_int_equal(m->epoch, 5);
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%u:%s%llu[", i > 0 ? " " : "",
                        r->host, r->snapshot ? "S" : "", (unsigned long long)r->sequence);
        for (size_t k = 0; k < r->n_findings; k++) {
            len += snprintf(text + len, sizeof text - (size_t)len, "%s%s=%d", k > 0 ? " " : "",
                            r->findings[k]->check, (int)r->findings[k]->severity);
        }
        len += snprintf(text + len, sizeof text - (size_t)len, "]");
    }
    if (m != NULL) {
        wire__health_reports__free_unpacked(m, NULL);
    }
    return text;
}

/* Answered: all good, or with one refusal. */
static size_t taken(struct fixture *f, uint32_t host, uint64_t sequence, Wire__HealthStatus status)
{
    Wire__HealthReply reply = WIRE__HEALTH_REPLY__INIT;
    Wire__HealthRefusal refusal = WIRE__HEALTH_REFUSAL__INIT, *list[] = {&refusal};

    refusal.host = host;
    refusal.sequence = sequence;
    refusal.status = status;
    reply.n_refusals = status != WIRE__HEALTH_STATUS__HEALTH_OK;
    reply.refusals = list;
    return reports_taken(f->reports, &reply);
}

static size_t all_taken(struct fixture *f)
{
    return taken(f, 0, 0, WIRE__HEALTH_STATUS__HEALTH_OK);
}

/* ------------------------------------------------------------------ tests -- */

static void numbered_in_order_until_taken(void **state)
{
    struct fixture *f = *state;

    assert_false(reports_seal(f->reports, (struct wall_ms){1}));
    assert_string_equal(next(f), "");
    put(f, 0, "hot", SEVERITY_DEGRADED);
    put(f, 0, "hbm", SEVERITY_SEVERE);
    put(f, 2, "hot", SEVERITY_DEGRADED);
    assert_string_equal(next(f), "4:1[hot=2] 4:2[hbm=3] 1023:1[hot=2]");
    assert_string_equal(next(f), ""); /* one message at a time */
    put(f, 0, "hot", SEVERITY_OK);
    reports_lost(f->reports);
    assert_string_equal(next(f), "4:1[hot=2] 4:2[hbm=3] 4:3[hot=0] 1023:1[hot=2]");
    put(f, 0, "hung", SEVERITY_SEVERE); /* while it is on its way */
    assert_int_equal(all_taken(f), 0);
    assert_string_equal(next(f), "4:4[hung=3]");
    assert_int_equal(all_taken(f), 0);
    assert_string_equal(next(f), "");
}

static void who_forgot_is_told_what_it_knew_and_then_the_rest(void **state)
{
    struct fixture *f = *state;

    put(f, 0, "hot", SEVERITY_DEGRADED);
    put(f, 0, "hbm", SEVERITY_SEVERE);
    (void)next(f);
    (void)all_taken(f);
    put(f, 0, "hot", SEVERITY_OK);
    put(f, 0, "hung", SEVERITY_SEVERE);
    put(f, 0, "hung", SEVERITY_OK); /* came and went */
    reports_start_over(f->reports);
    assert_string_equal(next(f),
                        "4:S2[hot=2 hbm=3] 4:3[hot=0] 4:4[hung=3] 4:5[hung=0] 9:S0[] 1023:S0[]");
    reports_lost(f->reports); /* no answer: all of it again */
    assert_non_null(strstr(next(f), "4:S2["));
    (void)all_taken(f);
    assert_string_equal(next(f), "");
    reports_start_over(f->reports);
    assert_string_equal(next(f), "4:S5[hbm=3] 9:S0[] 1023:S0[]");
}

static void what_is_refused(void **state)
{
    struct fixture *f = *state;

    put(f, 0, "hot", SEVERITY_DEGRADED);
    put(f, 0, "hbm", SEVERITY_SEVERE);
    put(f, 1, "hot", SEVERITY_DEGRADED);
    (void)next(f);
    /* the first of host 4 was taken, the second was not: a number is missing */
    assert_int_equal(taken(f, 4, 2, WIRE__HEALTH_STATUS__HEALTH_OUT_OF_ORDER), 0);
    assert_string_equal(next(f), "4:S1[hot=2] 4:2[hbm=3]");
    /* another observer stands for it: nothing more of this host until it is unmuted */
    assert_int_equal(taken(f, 4, 1, WIRE__HEALTH_STATUS__HEALTH_WRONG_HOST), 1);
    assert_string_equal(next(f), "");
    put(f, 1, "hung", SEVERITY_SEVERE);
    assert_string_equal(next(f), "9:2[hung=3]");
    (void)all_taken(f);
    reports_unmute(f->reports);
    assert_string_equal(next(f), "4:S1[hot=2] 4:2[hbm=3]");
}

static void too_long_a_history_becomes_a_snapshot(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < REPORTS_KEPT; i++) {
        put(f, 0, "hot", i % 2 == 0 ? SEVERITY_DEGRADED : SEVERITY_OK);
    }
    put(f, 0, "hbm", SEVERITY_SEVERE);
    assert_int_equal(reports_folded(f->reports), 1);
    assert_string_equal(next(f), "4:S256[] 4:257[hbm=3]");
}

/* A burst of all links of all hosts fits into a few messages, none too large. */
static void a_burst_is_cut_into_messages(void **state)
{
    enum { MANY = 1024 };
    struct fixture f = {.reports = NULL};
    uint16_t *all = xcalloc(MANY, sizeof *all);
    size_t reports = 0, messages = 0;
    Wire__HealthReports *m;

    (void)state;
    for (uint16_t i = 0; i < MANY; i++) {
        all[i] = i;
    }
    f.reports = reports_create(all, MANY, 1);
    for (unsigned l = 0; l < FINDING_LINKS; l++) {
        for (size_t h = 0; h < MANY; h++) {
            struct finding new = finding("link-crc", SEVERITY_DEGRADED);
            new.scope = SCOPE_LINK;
            new.index = (uint8_t)l;
            reports_put(f.reports, h, &new);
        }
    }
    assert_true(reports_seal(f.reports, (struct wall_ms){1}));
    while ((m = reports_next(f.reports, 5)) != NULL) {
        assert_true(wire__health_reports__get_packed_size(m) < 1 << 20);
        reports += m->n_reports;
        messages++;
        wire__health_reports__free_unpacked(m, NULL);
        (void)all_taken(&f);
    }
    assert_int_equal(reports, MANY);
    assert_in_range(messages, 2, 8);
    reports_destroy(f.reports);
    free(all);
}

/* ------------------------------------------------------------------ state -- */

static void sink(void *arg, size_t host, const struct finding *f)
{
    (void)arg;
    (void)host;
    (void)f;
}

static const struct now now = {.mono = {1000000000}, .wall = {INT64_C(1750000000000)}};

static struct kept kept_of(struct reports *reports, struct judge *judge)
{
    return (struct kept){
        .pod = "p", .hosts = hosts, .n_hosts = HOSTS, .reports = reports, .judge = judge};
}

static void count(void *arg, size_t host, const struct raised *raised)
{
    unsigned *n = arg;

    assert_int_equal(host, 1);
    assert_string_equal(raised->check, "hot");
    (*n)++;
}

static void count_counter(void *arg, size_t host, const struct counted *counted)
{
    unsigned *n = arg;

    assert_int_equal(host, 2);
    assert_int_equal(counted->index, 3);
    assert_true(counted->value == 5 && counted->incarnation == 9);
    (*n)++;
}

static void the_state_file_holds_all(void **state)
{
    struct fixture *f = *state;
    struct judge *judge = judge_create(&policy_default, HOSTS, sink, NULL);
    struct kept kept = kept_of(f->reports, judge);
    struct raised raised = {
        .scope = SCOPE_CHIP, .index = 1, .check = "hot", .since = {55}, .penalty = 2000};
    struct counted counted = {.scope = SCOPE_CHIP,
                              .index = 3,
                              .check = "hbm-uncorrectable",
                              .value = 5,
                              .incarnation = 9};
    Wire__HealthState *in;
    struct error err;
    unsigned n = 0, n_counted = 0;

    assert_int_equal(state_read(&in, "p", f->file, &err), 0);
    assert_null(in); /* none yet */
    assert_true(judge_restore(judge, 1, &raised, now));
    judge_restore_counter(judge, 2, &counted);
    put(f, 0, "hot", SEVERITY_DEGRADED);
    (void)next(f);
    (void)all_taken(f);
    put(f, 0, "hbm", SEVERITY_SEVERE);
    assert_int_equal(state_save(&kept, f->file, now, &err), 0);
    judge_destroy(judge);
    reports_destroy(f->reports);

    f->reports = reports_create(hosts, HOSTS, 42);
    judge = judge_create(&policy_default, HOSTS, sink, NULL);
    kept = kept_of(f->reports, judge);
    assert_int_equal(state_read(&in, "p", f->file, &err), 0);
    assert_int_equal(in->instance, 42);
    assert_int_equal(state_restore(&kept, in, now, &err), 0);
    wire__health_state__free_unpacked(in, NULL);
    judge_each_raised(judge, now, count, &n);
    assert_int_equal(n, 1);
    judge_each_counter(judge, count_counter, &n_counted);
    assert_int_equal(n_counted, 1);
    assert_string_equal(next(f), "4:2[hbm=3]"); /* with its number */
    reports_lost(f->reports);
    reports_start_over(f->reports);
    assert_non_null(strstr(next(f), "4:S1[hot=2] 4:2[hbm=3]"));
    judge_destroy(judge);
}

static void write_bytes(const char *file, const void *bytes, size_t n)
{
    FILE *out = fopen(file, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

static void a_spoilt_state_file_is_refused(void **state)
{
    struct fixture *f = *state;
    Wire__HealthState *in;
    struct error err;

    write_bytes(f->file, "\xff\xff\xff", 3);
    assert_int_equal(state_read(&in, "p", f->file, &err), E_CORRUPT);
    write_bytes(f->file, "\x08\x01\x12\x01q", 5); /* version 1, pod q */
    assert_int_equal(state_read(&in, "p", f->file, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "not a state of pod p"));
    assert_int_equal(state_read(&in, "p", f->dir, &err), E_IO);
}

static void numbers_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        uint64_t next;
        uint64_t pending[2];
        size_t n;
        bool good;
    } rows[] = {
        {1, {0, 0}, 0, true},  {3, {1, 2}, 2, true},  {3, {2, 0}, 1, true},  {0, {0, 0}, 0, false},
        {3, {1, 0}, 1, false}, {3, {2, 1}, 2, false}, {2, {1, 2}, 2, false}, {1, {0, 0}, 1, false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Wire__HealthStateHost host = WIRE__HEALTH_STATE_HOST__INIT;
        Wire__HealthReport reports[2], *list[2] = {&reports[0], &reports[1]};
        for (size_t k = 0; k < 2; k++) {
            wire__health_report__init(&reports[k]);
            reports[k].sequence = rows[i].pending[k];
        }
        host.next_sequence = rows[i].next;
        host.n_pending = rows[i].n;
        host.pending = list;
        assert_int_equal(reports_load(f->reports, 0, &host), rows[i].good);
    }
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    f->reports = reports_create(hosts, HOSTS, 42);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/podmgr-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->file, sizeof f->file, "%s/state", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    reports_destroy(f->reports);
    (void)unlink(f->file);
    assert_int_equal(rmdir(f->dir), 0); /* nothing is left beside it */
    free(f);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbered_in_order_until_taken),
        TEST(who_forgot_is_told_what_it_knew_and_then_the_rest),
        TEST(what_is_refused),
        TEST(too_long_a_history_becomes_a_snapshot),
        cmocka_unit_test(a_burst_is_cut_into_messages),
        TEST(the_state_file_holds_all),
        TEST(a_spoilt_state_file_is_refused),
        TEST(numbers_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
