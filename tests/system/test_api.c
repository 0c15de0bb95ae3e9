/* Bad requests against a running podmgr: each gets the named problem and
 * changes nothing: neither the slices, nor the journal, nor a mirror.  Then
 * what ?wait=, If-Match and /v1/events promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "mem.h"
#include "raw.h"

enum { CUBES = 8, JOURNAL_KEEP = 100 };

static int setup(void **state)
{
    *state = pod_up(&(struct pod_options){.cubes = CUBES, .journal_keep = JOURNAL_KEEP});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

/* --------------------------------------------------------- bad requests -- */

/* All that a refused request must leave as it was. */
struct snapshot {
    char *slices;
    int64_t last_event, circuits;
};

static int64_t last_event(const struct pod *pod)
{
    long status;
    json_t *json = http(pod, "GET", "/v1/pod", NULL, &status);
    int64_t last = num(json, "last_event");

    assert_int_equal(status, 200);
    json_decref(json);
    return last;
}

static struct snapshot snapshot(const struct pod *pod)
{
    struct snapshot s = {.last_event = last_event(pod)};
    long status;
    json_t *sim_status = sim(pod, "status");

    s.circuits = num(sim_status, "circuits");
    json_decref(sim_status);
    s.slices = http_text(pod, "/v1/slices", &status);
    assert_int_equal(status, 200);
    return s;
}

static void assert_unchanged(const struct pod *pod, struct snapshot *before)
{
    struct snapshot after = snapshot(pod);

    assert_string_equal(after.slices, before->slices);
    assert_int_equal(after.last_event, before->last_event);
    assert_int_equal(after.circuits, before->circuits);
    free(after.slices);
    free(before->slices);
}

struct bad {
    const char *method, *path, *header, *body;
    long status;
    const char *code, *named; /* the detail holds it */
};

static void assert_refused(const struct pod *pod, const struct bad *bad)
{
    struct snapshot before = snapshot(pod);
    long status;
    json_t *json = http_with(pod, bad->method, bad->path, bad->header, bad->body, &status, NULL);

    if (status != bad->status || strcmp(str(json, "code"), bad->code) != 0 ||
        strstr(str(json, "detail"), bad->named) == NULL) {
        fail_msg("%s %s %.60s: got %ld %s '%s', not %ld %s '%s'", bad->method, bad->path,
                 bad->body != NULL ? bad->body : "", status, str(json, "code"), str(json, "detail"),
                 bad->status, bad->code, bad->named);
    }
    assert_int_equal(num(json, "status"), status);
    json_decref(json);
    assert_unchanged(pod, &before);
}

/* One slice on cube/0, so that something is there to be harmed. */
static json_t *slice_on_cube_0(const struct pod *pod)
{
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[0],\"name\":\"there\"}");

    assert_string_equal(str(slice, "state"), "ACTIVE");
    return slice;
}

#define T(shape) "{\"topology\":\"" shape "\"}"
#define F(field) "{\"topology\":\"4x4x4\"," field "}"

static void bad_slices_are_refused(void **state)
{
    static const struct {
        const char *body;
        long status;
        const char *code, *named;
    } rows[] = {
        {T("0x4x4"), 400, "invalid-topology", "topology: 0x4x4: dimension x is 0"},
        {T("5x4x4"), 400, "invalid-topology", "topology: 5x4x4: dimension x is not a multiple"},
        {T("8x4x4"), 400, "invalid-topology", "topology: 8x4x4: dimensions are not in rising"},
        {T("99999999999x4x4"), 400, "invalid-topology", "topology: 99999999999x4x4: dimension x"},
        {T("4x4x99999999999999999999"), 400, "invalid-topology", "dimension z is above"},
        {T(""), 400, "invalid-topology", "topology: \"\" is not three numbers"},
        {T("4x4"), 400, "invalid-topology", "topology: \"4x4\""},
        {T("4x4x4x4"), 400, "invalid-topology", "topology: \"4x4x4x4\""},
        {T("04x4x4"), 400, "invalid-topology", "topology: \"04x4x4\""},
        {T("-4x4x4"), 400, "invalid-topology", "topology: \"-4x4x4\""},
        {T(" 4x4x4"), 400, "invalid-topology", "topology: \" 4x4x4\""},
        {T("4X4X4"), 400, "invalid-topology", "topology: \"4X4X4\""},
        {T("32x32x32"), 400, "invalid-topology", "topology: 32x32x32: takes 512 cubes"},
        {T("4x4x260"), 400, "invalid-request", "topology: 4x4x260 needs 65 cubes, the pod has 8"},
        {T("8x8x16"), 400, "invalid-request", "topology: 8x8x16 needs 16 cubes, the pod has 8"},
        {T("8x8x8"), 409, "insufficient-capacity", "cube/0 "},
        {T("2x2x4"), 400, "unsupported-topology", "topology: 2x2x4"},
        {T("2x2x1"), 400, "unsupported-topology", "topology: 2x2x1"},
        {T("2x2x3"), 400, "invalid-topology", "topology: 2x2x3"},
        {"{\"topology\":4}", 400, "invalid-field", "topology: must be"},
        {"{\"topology\":null}", 400, "invalid-field", "topology: must be"},
        {"{\"topology\":[4,4,4]}", 400, "invalid-field", "topology: must be"},
        {"{}", 400, "missing-field", "topology"},
        {F("\"twisted\":true"), 400, "invalid-topology", "twisted: 4x4x4"},
        {"{\"twisted\":true,\"topology\":\"4x4x12\"}", 400, "invalid-topology", "twisted: 4x4x12"},
        {"{\"twisted\":true,\"topology\":\"2x2x4\"}", 400, "invalid-topology", "twisted: 2x2x4"},
        {F("\"twisted\":1"), 400, "invalid-field", "twisted: must be"},
        {F("\"cubes\":[0]"), 409, "cube-unavailable", "cubes[0]: cube/0 is not free"},
        {"{\"topology\":\"4x4x8\",\"cubes\":[1,1]}", 400, "invalid-request",
         "cubes[1]: cube/1 is repeated"},
        {"{\"topology\":\"4x4x8\",\"cubes\":[1]}", 400, "invalid-request",
         "cubes: 4x4x8 needs 2 cubes, 1 given"},
        {F("\"cubes\":[1,2]"), 400, "invalid-request", "cubes: 4x4x4 needs 1 cubes, 2 given"},
        {F("\"cubes\":[8]"), 400, "invalid-request", "cubes[0]: no cube/8"},
        {F("\"cubes\":[144]"), 400, "invalid-field", "cubes[0]"},
        {F("\"cubes\":[1,-1]"), 400, "invalid-field", "cubes[1]"},
        {F("\"cubes\":[65537]"), 400, "invalid-field", "cubes[0]"},
        {F("\"cubes\":[\"cube/1\"]"), 400, "invalid-field", "cubes[0]"},
        {F("\"cubes\":[1.0]"), 400, "invalid-field", "cubes[0]"},
        {F("\"cubes\":[]"), 400, "invalid-field", "cubes: must be"},
        {F("\"cubes\":1"), 400, "invalid-field", "cubes: must be"},
        {F("\"name\":\"\""), 400, "invalid-field", "name: must be"},
        {F("\"name\":7"), 400, "invalid-field", "name: must be"},
        {F("\"name\":\"a\\nb\""), 400, "invalid-field", "name: must be a string without control"},
        {F("\"name\":\"a\\u007f\""), 400, "invalid-field", "name: must be a string without"},
        {F("\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\""), 400,
         "invalid-field", "name: must be a string of 1 to 63"},
        {F("\"owner\":\"\\u001b[31m\""), 400, "invalid-field", "owner: must be"},
        {F("\"accept_degraded\":\"yes\""), 400, "invalid-field", "accept_degraded: must be"},
        {F("\"priority\":1.5"), 400, "invalid-field", "priority: must be"},
        {F("\"priority\":1000001"), 400, "invalid-field", "priority: must be"},
        {F("\"labels\":[]"), 400, "invalid-field", "labels: must be"},
        {F("\"labels\":{\"a\":1}"), 400, "invalid-field", "labels: must be"},
        {F("\"labels\":{\"a\":{\"b\":\"c\"}}"), 400, "invalid-field", "labels: must be"},
        {F("\"weave\":[]"), 403, "research-disabled", "weave: this pod takes none"},
        {F("\"colour\":\"red\""), 400, "unknown-field", "'colour'"},
        {F("\"Name\":\"a\""), 400, "unknown-field", "'Name'"},
    };
    const struct pod *pod = *state;
    json_t *slice = slice_on_cube_0(pod);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_refused(pod, &(struct bad){"POST", "/v1/slices?wait=1s", NULL, rows[i].body,
                                          rows[i].status, rows[i].code, rows[i].named});
    }
    char *labels = xcalloc(5000, 1);
    memset(labels, 'l', 4090);
    char *body = xasprintf(F("\"labels\":{\"a\":\"%s\"}"), labels);
    assert_refused(pod, &(struct bad){"POST", "/v1/slices", NULL, body, 400, "invalid-field",
                                      "labels: must be at most 4 KiB"});
    free(body);
    free(labels);
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

static void bad_bodies_are_refused(void **state)
{
    static const struct {
        const char *body, *named;
    } rows[] = {
        {"", "line 1"},
        {"   ", "line 1"},
        {"topology=4x4x4", "line 1, column"},
        {"[]", "must be a JSON object"},
        {"[{\"topology\":\"4x4x4\"}]", "must be a JSON object"},
        {"\"4x4x4\"", "line 1"},
        {"{\"topology\":\"4x4x4\"} x", "end of file"},
        {"{\"topology\":\"4x4x4\"}{}", "end of file"},
        {"{\"topology\":\"4x4x4\",}", "line 1"},
        {"{\"topology\":\"4x4x4\"", "line 1"},
        {"{\"topology\":\"4x4x4\",\"topology\":\"4x4x8\"}", "duplicate object key"},
        {"{\"topology\":\"4x4x4\",\"labels\":{\"a\":\"1\",\"a\":\"2\"}}", "duplicate object key"},
        {"{\"topology\":\"4x4x4\",\"name\":\"\xff\xfe\"}", "unable to decode byte 0xff"},
        {"{\"topology\":\"4x4x4\",\"name\":\"\xc0\xaf\"}", "unable to decode byte 0xc0"},
        {"{\"topology\":\"4x4x4\",\"name\":\"\\ud800\"}", "invalid Unicode"},
        {"{\"topology\":\"4x4x4\",\"name\":\"a\\u0000b\"}", "u0000"},
        {"{\"topology\":\"4x4x4\",\"a\\u0000b\":1}", "u0000"},
        {"{\"topology\":\"4x4x4\",\"name\":\"a\nb\"}", "unexpected newline"},
        {"{\"topology\":\"4x4x4\",\"priority\":99999999999999999999}", "too big integer"},
        {"{\"topology\":\"4x4x4\",\"priority\":1e999}", "real number overflow"},
        {"{\"labels\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "nested deeper than 16"},
        {"[[[[[[[[[[[[[[[[[", "nested deeper than 16"},
    };
    const struct pod *pod = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_refused(pod, &(struct bad){"POST", "/v1/slices", NULL, rows[i].body, 400,
                                          "malformed-json", rows[i].named});
    }
}

static void bad_names_and_parameters_are_refused(void **state)
{
    static const struct bad rows[] = {
        {"GET", "/v1/slices/77-1", NULL, NULL, 404, "slice-not-found", "slice/77-1"},
        {"DELETE", "/v1/slices/77-1", NULL, NULL, 404, "slice-not-found", "slice/77-1"},
        {"GET", "/v1/slices/77-1/links", NULL, NULL, 404, "slice-not-found", "slice/77-1"},
        {"GET", "/v1/slices/00", NULL, NULL, 404, "slice-not-found", "slice/00"},
        {"GET", "/v1/slices/1-0", NULL, NULL, 404, "slice-not-found", "slice/1-0"},
        {"GET", "/v1/slices/+1-1", NULL, NULL, 404, "slice-not-found", "slice/"},
        {"DELETE", "/v1/slices/01-1", NULL, NULL, 404, "slice-not-found", "slice/01-1"},
        {"GET", "/v1/slices/1-1%00", NULL, NULL, 404, "slice-not-found", "slice/1-1%00"},
        {"GET", "/v1/slices/%ff%fe", NULL, NULL, 404, "slice-not-found", "slice/??"},
        {"GET", "/v1/slices/%2e%2e", NULL, NULL, 404, "slice-not-found", "slice/.."},
        {"GET", "/v1/slices/99999999999999999999999-99999999999999999999", NULL, NULL, 404,
         "slice-not-found", "slice/99999999999999999999999-"},
        {"GET", "/v1/slices/%2e%2e%2fpod", NULL, NULL, 404, "no-such-path", "../pod"},
        {"GET", "/v1/slices/", NULL, NULL, 404, "no-such-path", "/v1/slices/"},
        {"GET", "/v1/cubes/8", NULL, NULL, 404, "part-not-found", "cube/8"},
        {"GET", "/v1/cubes/05", NULL, NULL, 404, "part-not-found", "cube/05"},
        {"GET", "/v1/cubes/-1", NULL, NULL, 404, "part-not-found", "cube/-1"},
        {"GET", "/v1/cubes/99999999999999999999", NULL, NULL, 404, "part-not-found", "cube/9999"},
        {"GET", "/v1/cubes/%2e%2e", NULL, NULL, 404, "part-not-found", "cube/.."},
        {"GET", "/v1/hosts/8-0", NULL, NULL, 404, "part-not-found", "host/8-0"},
        {"GET", "/v1/hosts/0-16", NULL, NULL, 404, "part-not-found", "host/0-16"},
        {"GET", "/v1/hosts/0", NULL, NULL, 404, "part-not-found", "host/0"},
        {"GET", "/v1/ocs/48", NULL, NULL, 404, "part-not-found", "ocs/48"},
        {"GET", "/v1/ocs/x", NULL, NULL, 404, "part-not-found", "ocs/x"},
        {"GET", "/v1/ocs/4294967296", NULL, NULL, 404, "part-not-found", "ocs/4294967296"},
        {"GET", "/v1/operations/77-1", NULL, NULL, 404, "operation-not-found", "77-1"},
        {"GET", "/v1/operations/00", NULL, NULL, 404, "operation-not-found", "00"},
        {"GET", "/", NULL, NULL, 404, "no-such-path", "/"},
        {"GET", "/v1", NULL, NULL, 404, "no-such-path", "/v1"},
        {"GET", "/v2/pod", NULL, NULL, 404, "no-such-path", "/v2/pod"},
        {"GET", "/v1/pod/", NULL, NULL, 404, "no-such-path", "/v1/pod/"},
        {"GET", "//v1/pod", NULL, NULL, 404, "no-such-path", "//v1/pod"},
        {"PUT", "/v1/slices", NULL, "{}", 405, "method-not-allowed", "POST, GET"},
        {"POST", "/v1/pod", NULL, "{}", 405, "method-not-allowed", "GET"},
        {"PATCH", "/v1/slices/1-1", NULL, "{}", 405, "method-not-allowed", "GET, HEAD, DELETE"},
        {"DELETE", "/v1/events", NULL, NULL, 405, "method-not-allowed", "GET"},
        {"BREW", "/v1/pod", NULL, NULL, 405, "method-not-allowed", "BREW"},
        {"GET", "/v1/pod?x=1", NULL, NULL, 400, "unknown-parameter", "'x'"},
        {"GET", "/v1/slices?Limit=1", NULL, NULL, 400, "unknown-parameter", "'Limit'"},
        {"POST", "/v1/slices?dry=1", NULL, T("4x4x4"), 400, "unknown-parameter", "'dry'"},
        {"DELETE", "/v1/slices/1-1?force=1", NULL, NULL, 400, "unknown-parameter", "'force'"},
        {"GET", "/v1/slices?%ff=1", NULL, NULL, 400, "unknown-parameter", "'?'"},
        {"POST", "/v1/slices?wait=30", NULL, T("4x4x4"), 400, "invalid-parameter", "wait: '30'"},
        {"POST", "/v1/slices?wait=-1s", NULL, T("4x4x4"), 400, "invalid-parameter", "wait: '-1s'"},
        {"POST", "/v1/slices?wait=%201s", NULL, T("4x4x4"), 400, "invalid-parameter", "wait: ' 1s"},
        {"POST", "/v1/slices?wait=601s", NULL, T("4x4x4"), 400, "invalid-parameter", "600 s"},
        {"POST", "/v1/slices?wait=99999999999999999999m", NULL, T("4x4x4"), 400,
         "invalid-parameter", "wait: '9999"},
        {"POST", "/v1/slices?wait=1s&wait=2s", NULL, T("4x4x4"), 400, "invalid-parameter",
         "'wait' is repeated"},
        {"POST", "/v1/slices?wait", NULL, T("4x4x4"), 400, "invalid-parameter", "'wait' has no v"},
        {"GET", "/v1/slices?limit=0", NULL, NULL, 400, "invalid-parameter", "limit: '0'"},
        {"GET", "/v1/slices?limit=1001", NULL, NULL, 400, "invalid-parameter", "limit: '1001'"},
        {"GET", "/v1/slices?limit=ten", NULL, NULL, 400, "invalid-parameter", "limit: 'ten'"},
        {"GET", "/v1/slices?state=active", NULL, NULL, 400, "invalid-parameter", "state: "},
        {"GET", "/v1/slices?page_token=x", NULL, NULL, 400, "invalid-parameter", "page_token: "},
        {"GET", "/v1/hosts?health=FINE", NULL, NULL, 400, "invalid-parameter", "health: "},
        {"GET", "/v1/operations?limit=0", NULL, NULL, 400, "invalid-parameter", "limit: '0'"},
        {"GET", "/v1/events?since=-1", NULL, NULL, 400, "invalid-parameter", "since: '-1'"},
        {"GET", "/v1/events?since=9223372036854775808", NULL, NULL, 400, "invalid-parameter",
         "since: '9223372036854775808'"},
        {"GET", "/v1/events?limit=0", NULL, NULL, 400, "invalid-parameter", "limit: '0'"},
        {"GET", "/v1/audit?since=-1", NULL, NULL, 400, "invalid-parameter", "since: '-1'"},
        {"GET", "/v1/audit?limit=0", NULL, NULL, 400, "invalid-parameter", "limit: '0'"},
        {"GET", "/v1/audit?limit=501", NULL, NULL, 400, "invalid-parameter", "from 1 to 500"},
        {"GET", "/v1/audit?wait=1s", NULL, NULL, 400, "unknown-parameter", "'wait'"},
        {"GET", "/v1/events?wait=1h", NULL, NULL, 400, "invalid-parameter", "wait: '1h'"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_refused(*state, &rows[i]);
    }
}

static void methods_of_a_path_are_in_allow(void **state)
{
    char answer[4096];

    assert_int_equal(
        raw_finish(raw_request(*state, "PUT", "/v1/slices/1-1", "{}"), answer, sizeof answer), 405);
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD, DELETE\r\n"));
    assert_int_equal(raw_finish(raw_request(*state, "HEAD", "/v1/pod", ""), answer, sizeof answer),
                     200);
    assert_null(strchr(answer, '{'));
}

/* ---------------------------------------------------- lives of a slice -- */

static void stale_versions_are_refused(void **state)
{
    static const char *const wrong[] = {
        "If-Match: \"999\"", "If-Match: 1",      "If-Match: \"x\"",
        "If-Match: W/\"1\"", "If-Match: \"-1\"", "If-Match: \"99999999999999999999999\""};
    const struct pod *pod = *state;
    json_t *slice = slice_on_cube_0(pod);
    char *path = xasprintf("/v1/slices/%s", str(slice, "id"));
    char *wait = xasprintf("%s?wait=10s", path);
    char etag[32], header[64];
    long status;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_refused(pod, &(struct bad){"DELETE", path, wrong[i], NULL, 412, "version-mismatch",
                                          "If-Match"});
    }
    json_decref(http_with(pod, "GET", path, NULL, NULL, &status, etag));
    (void)snprintf(header, sizeof header, "If-Match: %s", etag);
    json_t *gone = http_with(pod, "DELETE", wait, header, NULL, &status, NULL);
    assert_int_equal(status, 200);
    assert_string_equal(str(gone, "state"), "DELETED");
    json_decref(gone);
    json_decref(slice);
    free(wait);
    free(path);
}

static void deleting_twice_at_once_is_deleting_once(void **state)
{
    const struct pod *pod = *state;
    json_t *slice = slice_on_cube_0(pod);
    char *path = xasprintf("/v1/slices/%s?wait=10s", str(slice, "id"));
    static char answer[2][1 << 14];
    int fd[2] = {raw_request(pod, "DELETE", path, ""), raw_request(pod, "DELETE", path, "")};

    for (int i = 0; i < 2; i++) {
        long status = raw_finish(fd[i], answer[i], sizeof answer[i]);
        assert_true(status == 200 || status == 404); /* 404: it was gone before it was asked */
    }
    assert_non_null(strstr(answer[0], "\"DELETED\""));
    assert_refused(
        pod, &(struct bad){"DELETE", path, NULL, NULL, 404, "slice-not-found", str(slice, "id")});
    json_decref(slice);
    free(path);
}

static void waiting_ends_with_what_came(void **state)
{
    const struct pod *pod = *state;
    long status;
    json_t *slice = http(pod, "POST", "/v1/slices?wait=20s", F("\"cubes\":[2]"), &status);

    assert_int_equal(status, 201);
    assert_string_equal(str(slice, "state"), "ACTIVE");
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);

    json_decref(sim(pod, "inject stuck-mirror port/20-n-2"));
    slice = http(pod, "POST", "/v1/slices?wait=20s", F("\"cubes\":[2]"), &status);
    assert_int_equal(status, 200);
    assert_string_equal(str(slice, "state"), "FAILED");
    assert_non_null(strstr(str(slice, "reason"), "ocs/20"));
    json_decref(sim(pod, "heal all"));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
}

/* Mirrors that take their time: the answer comes before they have settled. */
static void waiting_ends_in_time(void **state)
{
    struct pod *slow = pod_up(&(struct pod_options){.cubes = 1, .mirror_ms = 700});
    static char answer[1 << 14];

    (void)state;
    long status = raw_finish(raw_request(slow, "POST", "/v1/slices?wait=50ms", T("4x4x4")), answer,
                             sizeof answer);
    assert_int_equal(status, 202);
    assert_non_null(strstr(answer, "\"ACTIVATING\""));
    const char *location = strstr(answer, "\r\nLocation: /v1/slices/");
    assert_non_null(location);
    char *path = xasprintf("%.*s", (int)strcspn(location + 12, "\r"), location + 12);
    json_t *slice = http(slow, "GET", path, NULL, &status);
    assert_int_equal(status, 200);
    assert_true(slice_down(slow, str(slice, "id")));
    json_decref(slice);
    free(path);
    pod_down(slow);
}

static void viewers_may_only_look(void **state)
{
    static const struct {
        const char *method, *path, *body, *needed;
    } rows[] = {
        {"POST", "/v1/slices", T("4x4x4"), "needs role 'scheduler'"},
        {"DELETE", "/v1/slices/1-1", NULL, "needs role 'scheduler'"},
        {"GET", "/v1/audit", NULL, "needs role 'operator'"},
    };
    const struct pod *pod = *state;
    struct snapshot before = snapshot(pod);
    long status;

    json_decref(http_tcp(pod, "GET", "/v1/slices", NULL, &status));
    assert_int_equal(status, 200);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *json = http_tcp(pod, rows[i].method, rows[i].path, rows[i].body, &status);
        assert_int_equal(status, 403);
        assert_string_equal(str(json, "code"), "denied");
        assert_non_null(strstr(str(json, "detail"), rows[i].needed));
        assert_non_null(strstr(str(json, "detail"), "'viewer'"));
        json_decref(json);
    }
    assert_unchanged(pod, &before);
}

static void pages_hold_every_slice_once(void **state)
{
    const struct pod *pod = *state;
    json_t *slices[3];
    char path[128] = "/v1/slices?limit=1";
    long status;

    for (size_t i = 0; i < 3; i++) {
        slices[i] = slice_up(pod, T("4x4x4"));
    }
    for (size_t i = 0; i < 3; i++) {
        json_t *page = http(pod, "GET", path, NULL, &status);
        json_t *list = json_object_get(page, "slices");
        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(str(json_array_get(list, 0), "id"), str(slices[i], "id"));
        assert_int_equal(json_object_get(page, "next_page_token") != NULL, i < 2);
        (void)snprintf(path, sizeof path, "/v1/slices?limit=1&page_token=%s",
                       str(page, "next_page_token"));
        json_decref(page);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(slice_down(pod, str(slices[i], "id")));
        json_decref(slices[i]);
    }
}

/* ------------------------------------------------------------- events -- */

static json_t *events_after(const struct pod *pod, int64_t since, int limit)
{
    char *path = xasprintf("/v1/events?since=%lld&limit=%d", (long long)since, limit);
    long status;
    json_t *json = http(pod, "GET", path, NULL, &status);

    assert_int_equal(status, 200);
    free(path);
    return json;
}

static void events_have_no_gap(void **state)
{
    const struct pod *pod = *state;
    int64_t since = 0, last = last_event(pod);

    assert_true(last > 10);
    while (since < last) {
        json_t *page = events_after(pod, since, 7), *event;
        size_t i;
        assert_in_range(json_array_size(json_object_get(page, "events")), 1, 7);
        json_array_foreach(json_object_get(page, "events"), i, event)
        {
            assert_int_equal(num(event, "seq"), ++since);
        }
        assert_int_equal(num(page, "next"), since);
        json_decref(page);
    }
    json_t *none = events_after(pod, last, 7);
    assert_int_equal(json_array_size(json_object_get(none, "events")), 0);
    assert_int_equal(num(none, "next"), last);
    json_decref(none);
}

static void waiting_for_events_ends_with_one(void **state)
{
    const struct pod *pod = *state;
    int64_t last = last_event(pod);
    char *path = xasprintf("/v1/events?since=%lld&wait=20s", (long long)last);
    char *seq = xasprintf("\"seq\":%lld,", (long long)last + 1);
    static char answer[1 << 15];
    int fd = raw_request(pod, "GET", path, "");
    double start = now_ms();

    json_t *slice = slice_on_cube_0(pod);
    assert_int_equal(raw_finish(fd, answer, sizeof answer), 200);
    assert_true(now_ms() - start < 10000);
    assert_non_null(strstr(answer, seq));
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);

    char *brief = xasprintf("/v1/events?since=%lld&wait=50ms", (long long)last_event(pod));
    assert_int_equal(raw_finish(raw_request(pod, "GET", brief, ""), answer, sizeof answer), 200);
    assert_non_null(strstr(answer, "\"events\":[]"));
    free(brief);
    free(seq);
    free(path);
}

static void numbering_goes_on_after_a_restart(void **state)
{
    struct pod *pod = *state;
    int64_t last = last_event(pod);
    json_t *before = events_after(pod, last - 1, 1);

    pod_kill_podmgr(pod);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    json_t *after = events_after(pod, last - 1, 1000);
    assert_string_equal(str(after, "incarnation"), str(before, "incarnation"));
    assert_true(json_equal(json_array_get(json_object_get(after, "events"), 0),
                           json_array_get(json_object_get(before, "events"), 0)));
    assert_true(num(after, "next") >= last);
    json_decref(before);
    json_decref(after);
}

static void expired_events_are_gone_not_skipped(void **state)
{
    enum { CYCLES_MAX = 300 };
    const struct pod *pod = *state;
    long status = 200;
    json_t *json = NULL;

    for (int i = 0; i < CYCLES_MAX && status == 200; i++) {
        json_decref(json);
        json_t *slice = slice_up(pod, T("4x4x4"));
        assert_true(slice_down(pod, str(slice, "id")));
        json_decref(slice);
        json = http(pod, "GET", "/v1/events?since=0&limit=1", NULL, &status);
    }
    assert_int_equal(status, 410);
    assert_string_equal(str(json, "code"), "events-expired");
    assert_string_equal(str(json, "field"), "since");
    json_decref(json);
    json_t *kept = events_after(pod, last_event(pod) - JOURNAL_KEEP + 1, 1);
    assert_int_equal(json_array_size(json_object_get(kept, "events")), 1);
    json_decref(kept);
}

/* -------------------------------------------------------------- audit -- */

static void hash_number(struct sha256_ctx *ctx, uint64_t value)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    sha256_update(ctx, sizeof bytes, bytes);
}

static void hash_text(struct sha256_ctx *ctx, const char *text)
{
    hash_number(ctx, strlen(text));
    sha256_update(ctx, strlen(text), (const uint8_t *)text);
}

static void hash_json(struct sha256_ctx *ctx, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    hash_text(ctx, text);
    free(text);
}

/* Milliseconds of "2026-01-31T12:00:00.000Z". */
static uint64_t wall_of(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    assert_non_null(rest);
    return (uint64_t)timegm(&tm) * 1000 + strtoul(rest + 1, NULL, 10);
}

/* The chain anew, as docs/store.md describes it, from what is shown alone. */
static void assert_chained(const json_t *record, uint8_t hash[static SHA256_DIGEST_SIZE])
{
    struct sha256_ctx ctx;
    char hex[2 * SHA256_DIGEST_SIZE + 1];

    sha256_init(&ctx);
    sha256_update(&ctx, SHA256_DIGEST_SIZE, hash);
    hash_number(&ctx, (uint64_t)num(record, "seq"));
    hash_number(&ctx, wall_of(str(record, "at")));
    hash_text(&ctx, str(record, "who"));
    hash_text(&ctx, str(record, "action"));
    hash_text(&ctx, str(record, "subject"));
    hash_json(&ctx, json_object_get(record, "before"));
    hash_json(&ctx, json_object_get(record, "after"));
    sha256_digest(&ctx, SHA256_DIGEST_SIZE, hash);
    for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    assert_string_equal(str(record, "hash"), hex);
}

static void audit_pages_are_whole_and_chained(void **state)
{
    const struct pod *pod = *state;
    uint8_t hash[SHA256_DIGEST_SIZE] = {0};
    json_t *slice = slice_on_cube_0(pod), *page = NULL, *record;
    char path[64], subject[64];
    int64_t since = 0, last;
    long status;
    size_t i;

    (void)snprintf(subject, sizeof subject, "slice/%s", str(slice, "id"));
    assert_true(slice_down(pod, str(slice, "id")));
    do {
        json_decref(page);
        (void)snprintf(path, sizeof path, "/v1/audit?since=%lld&limit=7", (long long)since);
        page = http(pod, "GET", path, NULL, &status);
        assert_int_equal(status, 200);
        assert_in_range(json_array_size(json_object_get(page, "records")), 1, 7);
        last = num(page, "last");
        json_array_foreach(json_object_get(page, "records"), i, record)
        {
            assert_int_equal(num(record, "seq"), ++since);
            assert_chained(record, hash);
        }
        assert_int_equal(num(page, "next"), since);
    } while (since < last);

    record = json_array_get(json_object_get(page, "records"), i - 1);
    assert_string_equal(str(record, "action"), "slice.delete");
    assert_string_equal(str(record, "subject"), subject);
    assert_string_equal(str(json_object_get(record, "before"), "state"), "ACTIVE");
    assert_string_equal(str(json_object_get(record, "after"), "state"), "DEACTIVATING");
    assert_non_null(strstr(str(record, "who"), "unix uid "));
    json_decref(page);
    json_decref(slice);

    (void)snprintf(path, sizeof path, "/v1/audit?since=%lld", (long long)last);
    page = http(pod, "GET", path, NULL, &status);
    assert_int_equal(json_array_size(json_object_get(page, "records")), 0);
    assert_int_equal(num(page, "next"), last);
    json_decref(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_slices_are_refused),
        cmocka_unit_test(bad_bodies_are_refused),
        cmocka_unit_test(bad_names_and_parameters_are_refused),
        cmocka_unit_test(methods_of_a_path_are_in_allow),
        cmocka_unit_test(stale_versions_are_refused),
        cmocka_unit_test(deleting_twice_at_once_is_deleting_once),
        cmocka_unit_test(waiting_ends_with_what_came),
        cmocka_unit_test(waiting_ends_in_time),
        cmocka_unit_test(viewers_may_only_look),
        cmocka_unit_test(pages_hold_every_slice_once),
        cmocka_unit_test(events_have_no_gap),
        cmocka_unit_test(waiting_for_events_ends_with_one),
        cmocka_unit_test(audit_pages_are_whole_and_chained),
        cmocka_unit_test(numbering_goes_on_after_a_restart),
        cmocka_unit_test(expired_events_are_gone_not_skipped),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
