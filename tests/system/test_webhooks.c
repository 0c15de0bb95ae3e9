/* Webhooks on a pod of real processes: who is told hears everything he asked
 * for, in order, whatever he or podmgr does meanwhile, and nobody waits for him. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mem.h"
#include "receiver.h"
#include "tls_receiver.h"

enum { LIMIT_MS = 20000, TIMEOUT_MS = 300, KEEP = 100 };

static const char secret[] = "correct horse battery staple";

static const char webhooks[] = "webhooks: {timeout_ms: 300, backoff_ms: 20, backoff_max_ms: 100}\n";

/* Also: whom to trust. */
static char authority[] = "/tmp/test_webhooks.XXXXXX";

static int setup(void **state)
{
    int fd = mkstemp(authority);
    ssize_t len = (ssize_t)strlen(tls_trusted_certificate);

    if (fd < 0 || write(fd, tls_trusted_certificate, (size_t)len) != len || close(fd) != 0) {
        return -1;
    }
    char *extra = xasprintf("webhooks: {timeout_ms: 300, backoff_ms: 20, backoff_max_ms: 100, "
                            "ca_file: \"%s\"}\n",
                            authority);
    *state = pod_up(&(struct pod_options){.cubes = 4, .extra_podmgr = extra});
    free(extra);
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return unlink(authority);
}

/* ---------------------------------------------------------------- helpers -- */

/* Its id; the caller frees.  `rest` is more of the body, or "". */
static char *add_hook(const struct pod *pod, const struct receiver *r, const char *rest)
{
    char *body =
        xasprintf("{\"url\":\"http://127.0.0.1:%u/hook?who=me\"%s}", receiver_port(r), rest);
    long status;
    json_t *hook = http(pod, "POST", "/v1/webhooks", body, &status);

    if (status != 201) {
        fail_msg("%s: %ld %s", body, status, str(hook, "detail"));
    }
    char *id = xstrdup(str(hook, "id"));
    json_decref(hook);
    free(body);
    return id;
}

#define SIGNED ",\"secret\":\"correct horse battery staple\""

static json_t *see_hook(const struct pod *pod, const char *id)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/webhooks/%s", id);
    json_t *hook = http(pod, "GET", path, NULL, &status);
    assert_int_equal(status, 200);
    return hook;
}

static void drop_hook(const struct pod *pod, char *id)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/webhooks/%s", id);
    json_decref(http(pod, "DELETE", path, NULL, &status));
    assert_int_equal(status, 200);
    json_decref(http(pod, "GET", path, NULL, &status));
    assert_int_equal(status, 404);
    free(id);
}

/* Events happen: a slice comes and goes. */
static void cycle(const struct pod *pod, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        json_t *slice = slice_up(pod, "{\"topology\":\"4x4x4\"}");
        assert_string_equal(str(slice, "state"), "ACTIVE");
        assert_true(slice_down(pod, str(slice, "id")));
        json_decref(slice);
    }
}

static uint64_t last_event(const struct pod *pod)
{
    long status;
    json_t *json = http(pod, "GET", "/v1/pod", NULL, &status);
    uint64_t last = (uint64_t)num(json, "last_event");

    json_decref(json);
    return last;
}

struct wait {
    const struct pod *pod;
    struct receiver *r;
    const char *id, *state;
    unsigned tries;
};

static bool nothing_is_behind(void *arg)
{
    const struct wait *w = arg;
    json_t *hook = see_hook(w->pod, w->id);
    bool done = num(hook, "behind") == 0;

    json_decref(hook);
    return done;
}

static bool is_in_state(void *arg)
{
    const struct wait *w = arg;
    json_t *hook = see_hook(w->pod, w->id);
    bool is = strcmp(str(hook, "state"), w->state) == 0;

    json_decref(hook);
    return is;
}

static bool has_tried(void *arg)
{
    const struct wait *w = arg;
    struct heard heard = receiver_heard(w->r);
    bool has = heard.tries >= w->tries;

    heard_fini(&heard);
    return has;
}

static void await_all_told(const struct pod *pod, const char *id)
{
    struct wait w = {.pod = pod, .id = id};

    if (!await_until(nothing_is_behind, &w, LIMIT_MS)) {
        json_t *hook = see_hook(pod, id);
        fail_msg("not all is told: %s", json_dumps(hook, JSON_INDENT(1)));
    }
}

static void await_state(const struct pod *pod, const char *id, const char *state)
{
    struct wait w = {.pod = pod, .id = id, .state = state};

    if (!await_until(is_in_state, &w, LIMIT_MS)) {
        json_t *hook = see_hook(pod, id);
        fail_msg("not %s: %s", state, json_dumps(hook, JSON_INDENT(1)));
    }
}

static void await_tries(const struct pod *pod, struct receiver *r, unsigned tries)
{
    struct wait w = {.pod = pod, .r = r, .tries = tries};

    assert_true(await_until(has_tried, &w, LIMIT_MS));
}

static bool starts_with(const json_t *event, const char *prefix)
{
    return strncmp(str(event, "type"), prefix, strlen(prefix)) == 0;
}

/* What it heard is what the journal has since then of this beginning, no more
 * and no less, but for what is about webhooks. */
static void assert_heard(const struct pod *pod, struct receiver *r, uint64_t since,
                         const char *prefix)
{
    struct heard heard = receiver_heard(r);
    char path[96];
    long status;
    size_t i, at = 0;
    json_t *event;

    if (heard.wrong[0] != '\0') {
        fail_msg("%s", heard.wrong);
    }
    (void)snprintf(path, sizeof path, "/v1/events?since=%llu", (unsigned long long)since);
    json_t *json = http(pod, "GET", path, NULL, &status);
    assert_int_equal(status, 200);
    json_array_foreach(json_object_get(json, "events"), i, event)
    {
        if (starts_with(event, prefix) && !starts_with(event, "webhook.")) {
            const json_t *told = json_array_get(heard.events, at++);
            if (told == NULL || !json_equal(told, event)) {
                fail_msg("event %lld is not told, or not as it is", (long long)num(event, "seq"));
            }
        }
    }
    assert_int_equal(json_array_size(heard.events), at);
    assert_true(at > 0);
    json_decref(json);
    heard_fini(&heard);
}

static unsigned count_events(const struct pod *pod, uint64_t since, const char *type)
{
    char path[96];
    long status;
    size_t i;
    unsigned n = 0;
    json_t *event;

    (void)snprintf(path, sizeof path, "/v1/events?since=%llu", (unsigned long long)since);
    json_t *json = http(pod, "GET", path, NULL, &status);
    json_array_foreach(json_object_get(json, "events"), i, event)
    {
        n += strcmp(str(event, "type"), type) == 0;
    }
    json_decref(json);
    return n;
}

/* ------------------------------------------------------------------ tests -- */

static void who_listens_hears_all_in_order(void **state)
{
    const struct pod *pod = *state;
    struct receiver *all = receiver_create(secret), *slices = receiver_create(NULL);
    uint64_t since = last_event(pod);

    receiver_up(all);
    receiver_up(slices);
    char *id_all = add_hook(pod, all, SIGNED ",\"owner\":\"borg\"");
    char *id_slices = add_hook(pod, slices, ",\"events\":[\"slice.act\",\"slice.del\"]");
    cycle(pod, 3);
    await_all_told(pod, id_all);
    await_all_told(pod, id_slices);
    assert_heard(pod, all, since, "");

    struct heard heard = receiver_heard(slices);
    assert_int_equal(json_array_size(heard.events), 6);
    assert_string_equal(str(json_array_get(heard.events, 0), "type"), "slice.active");
    assert_string_equal(str(json_object_get(json_array_get(heard.events, 0), "data"), "advice"),
                        "start");
    assert_string_equal(str(json_array_get(heard.events, 5), "type"), "slice.deleted");
    assert_string_equal(heard.wrong, "");
    assert_int_equal(heard.duplicates, 0);
    heard_fini(&heard);

    json_t *hook = see_hook(pod, id_slices);
    assert_string_equal(str(hook, "state"), "ACTIVE");
    assert_int_equal(num(hook, "delivered"), 6);
    assert_int_equal(num(json_object_get(hook, "last"), "status"), 204);
    json_decref(hook);
    drop_hook(pod, id_all);
    drop_hook(pod, id_slices);
    receiver_destroy(all);
    receiver_destroy(slices);
}

static void who_was_down_hears_it_later(void **state)
{
    const struct pod *pod = *state;
    struct receiver *r = receiver_create(secret);
    uint64_t since = last_event(pod);
    char *id = add_hook(pod, r, SIGNED);

    cycle(pod, 3);
    await_state(pod, id, "FAILING");
    long status;
    char *metrics = http_text(pod, "/metrics", &status),
         *failing = xasprintf("podmgr_webhook_failing{webhook=\"%s\"} 1\n", id);
    assert_non_null(strstr(metrics, failing));
    free(metrics);
    free(failing);
    json_t *hook = see_hook(pod, id);
    assert_true(num(hook, "behind") > 0);
    assert_true(json_is_string(json_object_get(hook, "failing_since")));
    assert_non_null(strstr(str(json_object_get(hook, "last"), "text"), "connect"));
    json_decref(hook);
    receiver_up(r);
    await_all_told(pod, id);
    assert_heard(pod, r, since, "");
    await_state(pod, id, "ACTIVE");
    assert_true(count_events(pod, since, "webhook.failing") <= 1);
    assert_int_equal(count_events(pod, since, "webhook.failing"),
                     count_events(pod, since, "webhook.recovered"));
    drop_hook(pod, id);
    receiver_destroy(r);
}

/* The silent one costs a time limit a try, and nobody else anything. */
static void nobody_waits_for_the_silent(void **state)
{
    const struct pod *pod = *state;
    struct receiver *silent = receiver_create(secret), *other = receiver_create(secret);
    uint64_t since = last_event(pod);

    receiver_behave(silent, IS_SILENT);
    receiver_up(silent);
    receiver_up(other);
    char *id_silent = add_hook(pod, silent, SIGNED), *id_other = add_hook(pod, other, SIGNED);
    cycle(pod, 1);
    await_tries(pod, silent, 1);
    double start = now_ms();
    cycle(pod, 5);
    await_all_told(pod, id_other);
    double took = now_ms() - start;
    assert_heard(pod, other, since, "");
    await_tries(pod, silent, 3);
    json_t *hook = see_hook(pod, id_silent);
    assert_string_equal(str(hook, "state"), "FAILING");
    assert_int_equal(num(hook, "delivered"), 0);
    assert_true(json_real_value(json_object_get(json_object_get(hook, "last"), "took_ms")) >=
                TIMEOUT_MS - 10);
    json_decref(hook);
    receiver_behave(silent, ANSWERS);
    await_all_told(pod, id_silent);
    assert_heard(pod, silent, since, "");
    (void)printf("five slices beside a silent receiver: %.0f ms until told\n", took);
    drop_hook(pod, id_silent);
    drop_hook(pod, id_other);
    receiver_destroy(silent);
    receiver_destroy(other);
}

static void no_answer_but_2xx_is_a_delivery(void **state)
{
    static const enum manner manners[] = {SAYS_500, REDIRECTS, BABBLES};
    const struct pod *pod = *state;

    for (size_t i = 0; i < ARRAY_LEN(manners); i++) {
        struct receiver *r = receiver_create(secret);
        uint64_t since = last_event(pod);
        receiver_behave(r, manners[i]);
        receiver_up(r);
        char *id = add_hook(pod, r, SIGNED);
        cycle(pod, 1);
        await_tries(pod, r, 4);
        json_t *hook = see_hook(pod, id);
        assert_int_equal(num(hook, "delivered"), 0);
        json_decref(hook);
        receiver_behave(r, ANSWERS);
        await_all_told(pod, id);
        assert_heard(pod, r, since, "");
        drop_hook(pod, id);
        receiver_destroy(r);
    }
}

static void an_answer_without_end_is_cut(void **state)
{
    const struct pod *pod = *state;
    struct receiver *r = receiver_create(secret);
    uint64_t since = last_event(pod);

    receiver_behave(r, NEVER_STOPS);
    receiver_up(r);
    char *id = add_hook(pod, r, SIGNED);
    cycle(pod, 2);
    await_all_told(pod, id);
    assert_heard(pod, r, since, "");
    drop_hook(pod, id);
    receiver_destroy(r);
}

static void who_is_gone_hears_no_more(void **state)
{
    const struct pod *pod = *state;
    struct receiver *r = receiver_create(secret);
    uint64_t since = last_event(pod);
    char path[96];
    long status;

    receiver_behave(r, SAYS_GONE);
    receiver_up(r);
    char *id = add_hook(pod, r, SIGNED);
    cycle(pod, 1);
    await_state(pod, id, "DISABLED");
    cycle(pod, 1);
    struct heard heard = receiver_heard(r);
    assert_int_equal(heard.tries, 1);
    heard_fini(&heard);
    assert_int_equal(count_events(pod, since, "webhook.disabled"), 1);
    (void)snprintf(path, sizeof path, "/v1/webhooks/%s:test", id);
    json_decref(http(pod, "POST", path, NULL, &status));
    assert_int_equal(status, 409);
    drop_hook(pod, id);
    receiver_destroy(r);
}

/* Killed in the middle of a backlog, again and again. */
static void a_killed_podmgr_loses_nothing(void **state)
{
    struct pod *pod = *state;
    struct receiver *r = receiver_create(secret);
    uint64_t since = last_event(pod);
    char *id = add_hook(pod, r, SIGNED);

    receiver_up(r);
    receiver_delay(r, 20);
    for (unsigned round = 0; round < 3; round++) {
        struct heard heard = receiver_heard(r);
        cycle(pod, 2);
        await_tries(pod, r, heard.tries + 1);
        heard_fini(&heard);
        pod_kill_podmgr(pod);
        pod_start_podmgr(pod);
        pod_await_ready(pod);
    }
    cycle(pod, 1);
    await_all_told(pod, id);
    assert_heard(pod, r, since, "");
    struct heard heard = receiver_heard(r);
    (void)printf("three kills: %zu events in %u letters, %u told twice\n",
                 json_array_size(heard.events), heard.letters, heard.duplicates);
    heard_fini(&heard);
    drop_hook(pod, id);
    receiver_destroy(r);
}

/* It does not wait for the silent one either. */
static void a_stopped_podmgr_tells_nothing_twice(void **state)
{
    struct pod *pod = *state;
    struct receiver *r = receiver_create(secret), *silent = receiver_create(secret);
    uint64_t since = last_event(pod);

    receiver_behave(silent, IS_SILENT);
    receiver_up(r);
    receiver_up(silent);
    char *id = add_hook(pod, r, SIGNED), *id_silent = add_hook(pod, silent, SIGNED);
    cycle(pod, 2);
    await_all_told(pod, id);
    await_tries(pod, silent, 1);
    double start = now_ms();
    assert_int_equal(kill(pod->podmgr, SIGTERM), 0);
    int status;
    assert_int_equal(waitpid(pod->podmgr, &status, 0), pod->podmgr);
    pod->podmgr = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)printf("stopped beside a silent receiver in %.0f ms\n", now_ms() - start);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    cycle(pod, 1);
    await_all_told(pod, id);
    assert_heard(pod, r, since, "");
    struct heard heard = receiver_heard(r);
    assert_int_equal(heard.duplicates, 0);
    heard_fini(&heard);
    drop_hook(pod, id);
    drop_hook(pod, id_silent);
    receiver_destroy(r);
    receiver_destroy(silent);
}

/* More happens than is kept while nobody listens. */
static void what_is_gone_is_told_to_be_gone(void **state)
{
    const struct pod_options options = {.cubes = 4, .journal_keep = KEEP, .extra_podmgr = webhooks};
    struct pod *pod = pod_up(&options);
    struct receiver *r = receiver_create(secret);
    uint64_t since = last_event(pod);
    char *id = add_hook(pod, r, SIGNED);
    long status;

    (void)state;
    for (bool kept = true; kept;) {
        char path[96];
        cycle(pod, 10);
        (void)snprintf(path, sizeof path, "/v1/events?since=%llu&limit=1",
                       (unsigned long long)since + 10);
        json_decref(http(pod, "GET", path, NULL, &status));
        kept = status == 200;
    }
    assert_int_equal(status, 410);
    receiver_up(r);
    await_all_told(pod, id);
    struct heard heard = receiver_heard(r);
    assert_string_equal(heard.wrong, "");
    unsigned gaps = 0;
    uint64_t expected = since + 1;
    size_t i;
    json_t *event;
    json_array_foreach(heard.events, i, event)
    {
        if (strcmp(str(event, "type"), "webhook.gap") == 0) {
            const json_t *data = json_object_get(event, "data");
            gaps++;
            assert_true((uint64_t)num(data, "from") <= expected + 2); /* its own are not told */
            expected = (uint64_t)num(data, "to") + 1;
        } else {
            assert_true((uint64_t)num(event, "seq") >= expected);
            expected = (uint64_t)num(event, "seq") + 1;
        }
    }
    assert_true(gaps >= 1);
    assert_true(count_events(pod, last_event(pod) - 50, "webhook.gap") >= 1);
    heard_fini(&heard);
    drop_hook(pod, id);
    receiver_destroy(r);
    pod_down(pod);
}

static void a_test_is_sent_at_once(void **state)
{
    const struct pod *pod = *state;
    struct receiver *r = receiver_create(secret);
    char path[96];
    long status;
    char *id = add_hook(pod, r, SIGNED);

    (void)snprintf(path, sizeof path, "/v1/webhooks/%s:test", id);
    json_t *outcome = http(pod, "POST", path, NULL, &status);
    assert_int_equal(status, 200);
    assert_true(json_is_false(json_object_get(outcome, "delivered")));
    assert_true(json_is_null(json_object_get(outcome, "status")));
    json_decref(outcome);
    receiver_up(r);
    outcome = http(pod, "POST", path, NULL, &status);
    assert_true(json_is_true(json_object_get(outcome, "delivered")));
    assert_int_equal(num(outcome, "status"), 204);
    json_decref(outcome);
    struct heard heard = receiver_heard(r);
    assert_int_equal(heard.letters, 1);
    assert_string_equal(heard.wrong, "");
    heard_fini(&heard);
    drop_hook(pod, id);
    receiver_destroy(r);
}

static void who_is_not_trusted_hears_nothing(void **state)
{
    static const struct {
        bool trusted;
        const char *host, *text;
    } rows[] = {
        {true, "127.0.0.1", "answered 204"},
        {true, "localhost", "name"}, /* not the certificate's */
        {false, "127.0.0.1", "certificate"},
    };
    const struct pod *pod = *state;
    long status;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned port;
        struct MHD_Daemon *daemon = tls_receiver_start(rows[i].trusted, &port);
        assert_non_null(daemon);
        char *body = xasprintf("{\"url\":\"https://%s:%u/\"}", rows[i].host, port);
        json_t *hook = http(pod, "POST", "/v1/webhooks", body, &status);
        assert_int_equal(status, 201);
        char *path = xasprintf("/v1/webhooks/%s:test", str(hook, "id"));
        json_t *outcome = http(pod, "POST", path, NULL, &status);
        bool delivered = json_is_true(json_object_get(outcome, "delivered"));
        if (delivered != (i == 0) || strstr(str(outcome, "text"), rows[i].text) == NULL) {
            fail_msg("row %zu: %s", i, json_dumps(outcome, 0));
        }
        drop_hook(pod, xstrdup(str(hook, "id")));
        json_decref(outcome);
        json_decref(hook);
        free(path);
        free(body);
        MHD_stop_daemon(daemon);
    }
}

static void assert_not_in(char *text)
{
    assert_non_null(text);
    assert_null(strstr(text, secret));
    free(text);
}

static void secrets_stay_inside(void **state)
{
    const struct pod *pod = *state;
    struct receiver *r = receiver_create(secret);
    char command[160], *log = NULL, path[96];
    long status;

    receiver_up(r);
    char *id = add_hook(pod, r, SIGNED);
    cycle(pod, 1);
    await_all_told(pod, id);
    json_t *hook = see_hook(pod, id);
    assert_true(json_is_true(json_object_get(hook, "signed")));
    assert_null(json_object_get(hook, "secret"));
    json_decref(hook);
    assert_not_in(http_text(pod, "/v1/webhooks", &status));
    assert_not_in(http_text(pod, "/v1/audit?limit=500", &status));
    (void)snprintf(path, sizeof path, "/v1/events?since=%llu",
                   (unsigned long long)last_event(pod) - 40);
    assert_not_in(http_text(pod, path, &status));
    (void)snprintf(command, sizeof command, "cat %s/podmgr.log", pod->dir);
    (void)run_program(command, &log);
    assert_not_in(log);
    /* Whoever may only look sees no URL either: it may hold a token. */
    json_decref(http_tcp(pod, "GET", "/v1/webhooks", NULL, &status));
    assert_int_equal(status, 403);
    json_decref(http_tcp(pod, "POST", "/v1/webhooks", "{\"url\":\"http://127.0.0.1/\"}", &status));
    assert_int_equal(status, 403);
    drop_hook(pod, id);
    receiver_destroy(r);
}

static void bad_requests_change_nothing(void **state)
{
#define URL "\"url\":\"http://127.0.0.1:1/\""
    static const struct {
        const char *body, *code, *detail;
    } rows[] = {
        {"{}", "missing-field", "url: is needed"},
        {"{\"url\":7}", "invalid-field", "url: must be a string"},
        {"{\"url\":\"\"}", "invalid-field", "url: must be a string"},
        {"{\"url\":\"ftp://x/\"}", "invalid-field", "https:// or http://"},
        {"{\"url\":\"file:///etc/passwd\"}", "invalid-field", "https:// or http://"},
        {"{\"url\":\"gopher://127.0.0.1:25/_x\"}", "invalid-field", "https:// or http://"},
        {"{\"url\":\"127.0.0.1:80\"}", "invalid-field", "url: "},
        {"{\"url\":\"http://\"}", "invalid-field", "url: "},
        {"{\"url\":\"http://a b/\"}", "invalid-field", "visible ASCII"},
        {"{\"url\":\"http://u:p@host/\"}", "invalid-field", "no user or password"},
        {"{\"url\":\"http://host/#x\"}", "invalid-field", "no fragment"},
        {"{" URL ",\"secret\":\"short\"}", "invalid-field", "16 to 128 bytes"},
        {"{" URL ",\"secret\":7}", "invalid-field", "16 to 128 bytes"},
        {"{" URL ",\"events\":[]}", "invalid-field", "events: must be a list"},
        {"{" URL ",\"events\":\"slice.\"}", "invalid-field", "events: must be a list"},
        {"{" URL ",\"events\":[\"Slice\"]}", "invalid-field", "events: must be a list"},
        {"{" URL ",\"events\":[\"webhook.gap\"]}", "invalid-field", "told to none"},
        {"{" URL ",\"owner\":\"\"}", "invalid-field", "owner: "},
        {"{" URL ",\"since\":-1}", "invalid-field", "since: "},
        {"{" URL ",\"since\":99999999}", "invalid-field", "since: the last event is"},
        {"{" URL ",\"colour\":1}", "unknown-field", "no field 'colour'"},
        {"{" URL "," URL "}", "malformed-json", "duplicate"},
        {"[]", "malformed-json", "must be a JSON object"},
    };
    const struct pod *pod = *state;
    long status;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *json = http(pod, "POST", "/v1/webhooks", rows[i].body, &status);
        if (status != 400 || strcmp(str(json, "code"), rows[i].code) != 0 ||
            strstr(str(json, "detail"), rows[i].detail) == NULL) {
            fail_msg("%s: %ld %s", rows[i].body, status, json_dumps(json, 0));
        }
        json_decref(json);
    }
    json_t *list = http(pod, "GET", "/v1/webhooks", NULL, &status);
    assert_int_equal(json_array_size(json_object_get(list, "webhooks")), 0);
    json_decref(list);
}

static size_t count_hooks(const struct pod *pod)
{
    long status;
    json_t *list = http(pod, "GET", "/v1/webhooks", NULL, &status);
    size_t n = json_array_size(json_object_get(list, "webhooks"));

    json_decref(list);
    return n;
}

static void a_key_makes_one_webhook(void **state)
{
    static const char body[] = "{\"url\":\"http://127.0.0.1:1/\"" SIGNED "}",
                      other[] = "{\"url\":\"http://127.0.0.1:1/\"" SIGNED ",\"owner\":\"x\"}",
                      key[] = "Idempotency-Key: hook-1";
    struct pod *pod = *state;
    size_t before = count_hooks(pod);
    long status;

    json_decref(
        http_with(pod, "POST", "/v1/webhooks", "Idempotency-Key:  a b", body, &status, NULL));
    assert_int_equal(status, 400);
    json_t *first = http_with(pod, "POST", "/v1/webhooks", key, body, &status, NULL);
    assert_int_equal(status, 201);
    pod_kill_podmgr(pod);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    json_t *again = http_with(pod, "POST", "/v1/webhooks", key, body, &status, NULL);
    assert_int_equal(status, 201);
    assert_string_equal(str(again, "id"), str(first, "id"));
    assert_true(json_is_true(json_object_get(again, "signed")));
    assert_null(json_object_get(again, "secret"));
    json_decref(again);
    json_t *refused = http_with(pod, "POST", "/v1/webhooks", key, other, &status, NULL);
    assert_int_equal(status, 422);
    assert_string_equal(str(refused, "code"), "idempotency-key-reused");
    json_decref(refused);
    assert_int_equal(count_hooks(pod), before + 1);

    drop_hook(pod, xstrdup(str(first, "id")));
    again = http_with(pod, "POST", "/v1/webhooks", key, body, &status, NULL);
    assert_int_equal(status, 200);
    assert_string_equal(str(again, "id"), str(first, "id"));
    assert_string_equal(str(again, "state"), "DELETED");
    assert_int_equal(count_hooks(pod), before);
    json_decref(again);
    json_decref(first);
}

static void there_are_sixteen_at_most(void **state)
{
    const struct pod *pod = *state;
    struct receiver *r = receiver_create(NULL);
    char *ids[16];
    long status;

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        ids[i] = add_hook(pod, r, "");
    }
    json_t *json = http(pod, "POST", "/v1/webhooks", "{\"url\":\"http://127.0.0.1:1/\"}", &status);
    assert_int_equal(status, 409);
    assert_string_equal(str(json, "code"), "too-many-webhooks");
    json_decref(json);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        drop_hook(pod, ids[i]);
    }
    receiver_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_requests_change_nothing),
        cmocka_unit_test(who_listens_hears_all_in_order),
        cmocka_unit_test(who_was_down_hears_it_later),
        cmocka_unit_test(nobody_waits_for_the_silent),
        cmocka_unit_test(no_answer_but_2xx_is_a_delivery),
        cmocka_unit_test(an_answer_without_end_is_cut),
        cmocka_unit_test(who_is_gone_hears_no_more),
        cmocka_unit_test(a_killed_podmgr_loses_nothing),
        cmocka_unit_test(a_stopped_podmgr_tells_nothing_twice),
        cmocka_unit_test(what_is_gone_is_told_to_be_gone),
        cmocka_unit_test(a_test_is_sent_at_once),
        cmocka_unit_test(who_is_not_trusted_hears_nothing),
        cmocka_unit_test(secrets_stay_inside),
        cmocka_unit_test(a_key_makes_one_webhook),
        cmocka_unit_test(there_are_sixteen_at_most),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
