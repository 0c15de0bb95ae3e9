/* Online backups of a running podmgr: whole while slices come and go, under no
 * name but a good one; and what a restored one brings back: everything that was
 * acknowledged before it, and the cubes of what came after it in quarantine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mem.h"
#include "raw.h"

enum { CUBES = 8, BACKUPS = 5 };

static int setup(void **state)
{
    *state = pod_up(&(struct pod_options){.cubes = CUBES});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

static json_t *backup(const struct pod *pod, const char *name, long *status)
{
    char body[128];

    (void)snprintf(body, sizeof body, "{\"name\":\"%s\"}", name);
    return http(pod, "POST", "/v1/backup", body, status);
}

static bool is_there(const struct pod *pod, const char *file)
{
    char *path = xasprintf("%s/%s", pod->dir, file);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

/* --------------------------------------------------------------- churn -- */

struct churn {
    const struct pod *pod;
    atomic_bool stop;
    atomic_uint cycles, failures;
};

static void *come_and_go(void *arg)
{
    struct churn *churn = arg;

    while (!atomic_load(&churn->stop)) {
        json_t *slice = slice_up(churn->pod, "{\"topology\":\"4x4x4\",\"cubes\":[7]}");
        bool whole =
            strcmp(str(slice, "state"), "ACTIVE") == 0 && slice_down(churn->pod, str(slice, "id"));
        atomic_fetch_add(whole ? &churn->cycles : &churn->failures, 1);
        json_decref(slice);
    }
    http_close();
    return NULL;
}

static bool has_begun(void *arg)
{
    struct churn *churn = arg;
    return atomic_load(&churn->cycles) > 0 || atomic_load(&churn->failures) > 0;
}

/* The last one's answer: its audit record is the one that podmgr shows. */
static void assert_head(const struct pod *pod, const json_t *answer)
{
    char path[64];
    long status;

    assert_true(num(answer, "last_audit") > 0);
    (void)snprintf(path, sizeof path, "/v1/audit?since=%lld&limit=1",
                   (long long)num(answer, "last_audit") - 1);
    json_t *page = http(pod, "GET", path, NULL, &status);
    assert_string_equal(str(json_array_get(json_object_get(page, "records"), 0), "hash"),
                        str(answer, "audit_hash"));
    json_decref(page);
}

static void backups_under_load_are_whole(void **state)
{
    const struct pod *pod = *state;
    struct churn churn = {.pod = pod};
    pthread_t thread;
    char name[16], file[32];
    long status;

    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &churn), 0);
    bool begun = await_until(has_begun, &churn, 20000);
    json_t *answers[BACKUPS];
    long statuses[BACKUPS];
    for (int i = 0; i < BACKUPS; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        answers[i] = backup(pod, name, &statuses[i]);
    }
    atomic_store(&churn.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(begun);
    assert_int_equal(churn.failures, 0);
    json_t *now = http(pod, "GET", "/v1/pod", NULL, &status);
    for (int i = 0; i < BACKUPS; i++) {
        assert_int_equal(statuses[i], 201);
        (void)snprintf(file, sizeof file, "n%d.backup", i);
        assert_non_null(strstr(str(answers[i], "file"), file));
        assert_true(is_there(pod, file));
        assert_true(num(answers[i], "size_bytes") > 4096);
        assert_int_equal(num(answers[i], "epoch"), num(now, "epoch"));
        assert_head(pod, answers[i]);
        json_decref(answers[i]);
    }
    json_decref(now);
    assert_false(is_there(pod, ".test.partial"));
    assert_false(is_there(pod, "n0.backup-wal"));
}

/* -------------------------------------------------------------- refused -- */

static void bad_names_are_refused(void **state)
{
    static const struct {
        const char *body;
        long status;
        const char *code, *named;
    } rows[] = {
        {"{\"name\":\"../up\"}", 400, "invalid-field", "a name, not a path"},
        {"{\"name\":\"a/b\"}", 400, "invalid-field", "name: must be"},
        {"{\"name\":\"/etc/x\"}", 400, "invalid-field", "name: must be"},
        {"{\"name\":\".x\"}", 400, "invalid-field", "name: must be"},
        {"{\"name\":\"\"}", 400, "invalid-field", "name: must be"},
        {"{\"name\":\"a b\"}", 400, "invalid-field", "name: must be"},
        {"{\"name\":\"a\\u0000b\"}", 400, "malformed-json", "NUL"},
        {"{\"name\":7}", 400, "invalid-field", "name: must be"},
        {"{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123x\"}", 400,
         "invalid-field", "1 to 64"},
        {"{\"path\":\"x\"}", 400, "unknown-field", "'path'"},
        {"[]", 400, "malformed-json", "must be a JSON object"},
        {"{\"name\":\"taken\"}", 409, "backup-exists", "taken.backup exists"},
    };
    const struct pod *pod = *state;
    long status;

    json_decref(backup(pod, "taken", &status));
    assert_int_equal(status, 201);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *json = http(pod, "POST", "/v1/backup", rows[i].body, &status);
        if (status != rows[i].status || strcmp(str(json, "code"), rows[i].code) != 0 ||
            strstr(str(json, "detail"), rows[i].named) == NULL) {
            fail_msg("%s: %ld %s '%s'", rows[i].body, status, str(json, "code"),
                     str(json, "detail"));
        }
        json_decref(json);
    }
    json_t *viewer = http_tcp(pod, "POST", "/v1/backup", "{}", &status);
    assert_int_equal(status, 403);
    assert_non_null(strstr(str(viewer, "detail"), "needs role 'admin'"));
    json_decref(viewer);
}

/* The same name twice at once: one is made, the other meets it under way or
 * there already. */
static void one_at_a_time(void **state)
{
    static char answer[2][4096];
    const struct pod *pod = *state;
    int fd[2] = {raw_request(pod, "POST", "/v1/backup", "{\"name\":\"twice\"}"),
                 raw_request(pod, "POST", "/v1/backup", "{\"name\":\"twice\"}")};
    long status[2];

    for (int i = 0; i < 2; i++) {
        status[i] = raw_finish(fd[i], answer[i], sizeof answer[i]);
    }
    int lost = status[0] == 409 ? 0 : 1;
    assert_int_equal(status[lost], 409);
    assert_int_equal(status[1 - lost], 201);
    assert_non_null(strstr(answer[lost], "\"backup-"));
}

/* A client that hangs up, and a podmgr that is killed, leave nothing that the
 * next one minds. */
static void what_is_cut_leaves_nothing(void **state)
{
    struct pod *pod = *state;
    long status;

    (void)close(raw_request(pod, "POST", "/v1/backup", "{\"name\":\"left\"}"));
    (void)close(raw_request(pod, "POST", "/v1/backup", "{\"name\":\"killed\"}"));
    pod_kill_podmgr(pod);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    json_decref(backup(pod, "after", &status));
    assert_int_equal(status, 201);
    assert_false(is_there(pod, ".test.partial"));
}

/* -------------------------------------------------------------- restore -- */

static void restore(const struct pod *pod, const char *name)
{
    char *command =
        xasprintf("podmgr --config %s/podmgr.yaml restore %s/%s.backup", pod->dir, pod->dir, name);
    char *out;
    int status = run_program(command, &out);

    if (status != 0) {
        fail_msg("%s: exit %d: %s", command, status, out);
    }
    free(out);
    free(command);
}

static void assert_slice(const struct pod *pod, const json_t *slice, long expected)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/slices/%s", str(slice, "id"));
    json_t *json = http(pod, "GET", path, NULL, &status);
    assert_int_equal(status, expected);
    if (expected == 200) {
        assert_string_equal(str(json, "state"), "ACTIVE");
    }
    json_decref(json);
}

static bool cube_is(const struct pod *pod, int cube, const char *health)
{
    char path[32];
    long status;

    (void)snprintf(path, sizeof path, "/v1/cubes/%d", cube);
    json_t *json = http(pod, "GET", path, NULL, &status);
    bool is = strcmp(str(json, "health"), health) == 0;
    json_decref(json);
    return is;
}

struct circuits {
    const struct pod *pod;
    int64_t n;
};

static bool switches_show(void *arg)
{
    const struct circuits *wanted = arg;
    json_t *truth = sim(wanted->pod, "status");
    bool shown = num(truth, "circuits") == wanted->n;

    json_decref(truth);
    return shown;
}

static json_t *cubes_of(const struct pod *pod)
{
    long status;
    json_t *json = http(pod, "GET", "/v1/quarantine", NULL, &status);
    json_t *cubes = json_array(), *group, *name;
    size_t i, k;

    assert_int_equal(status, 200);
    json_array_foreach(json_object_get(json, "groups"), i, group)
    {
        json_array_foreach(json_object_get(group, "cubes"), k, name)
        {
            (void)json_array_append(cubes, name);
        }
    }
    json_decref(json);
    return cubes;
}

/* The cubes of the quarantine, and no others, are QUARANTINED. */
static void assert_quarantined(const struct pod *pod, const char *names)
{
    json_t *cubes = cubes_of(pod), *expected = json_loads(names, 0, NULL);

    if (!json_equal(cubes, expected)) {
        fail_msg("not %s", names);
    }
    for (int cube = 0; cube < CUBES; cube++) {
        char name[16];
        (void)snprintf(name, sizeof name, "\"cube/%d\"", cube);
        assert_true(cube_is(pod, cube, strstr(names, name) != NULL ? "QUARANTINED" : "HEALTHY"));
    }
    json_decref(cubes);
    json_decref(expected);
}

static void assert_circuits(const struct pod *pod, int64_t n)
{
    struct circuits all = {pod, n};

    assert_true(await_until(switches_show, &all, 10000));
}

/* What an operator does with what is not explained. */
static void end_quarantine(const struct pod *pod)
{
    long status;
    json_t *refused = http(pod, "POST", "/v1/cubes/0:clear-quarantine", NULL, &status);

    assert_int_equal(status, 409);
    assert_string_equal(str(refused, "code"), "not-quarantined");
    json_decref(refused);
    refused = http_tcp(pod, "POST", "/v1/cubes/4:clear-quarantine", NULL, &status);
    assert_int_equal(status, 403);
    json_decref(refused);

    json_t *op = http(pod, "POST", "/v1/cubes/4:clear-quarantine?wait=20s", NULL, &status);
    assert_int_equal(status, 200);
    assert_string_equal(str(op, "state"), "DONE");
    assert_int_equal(num(op, "breaks"), 96);
    json_decref(op);
    assert_circuits(pod, 48 * (2 + 1 + 1));
    assert_quarantined(pod, "[\"cube/6\"]");

    json_t *wrong = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[6,4],\"adopt\":true}");
    assert_string_equal(str(wrong, "code"), "cube-unavailable");
    json_decref(wrong);
    json_t *adopted = slice_up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[6],\"adopt\":true}");
    assert_string_equal(str(adopted, "state"), "ACTIVE");
    assert_circuits(pod, 48 * (2 + 1 + 1));
    assert_quarantined(pod, "[]");
    assert_true(slice_down(pod, str(adopted, "id")));
    json_decref(adopted);
}

/* Each word is on record. */
static void assert_audited(const struct pod *pod, const char *const *actions, size_t n)
{
    long status;
    json_t *page = http(pod, "GET", "/v1/audit?limit=1", NULL, &status);
    char path[64];

    (void)snprintf(path, sizeof path, "/v1/audit?since=%lld",
                   (long long)num(page, "last") - (long long)n);
    json_decref(page);
    page = http(pod, "GET", path, NULL, &status);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(str(json_array_get(json_object_get(page, "records"), i), "action"),
                            actions[i]);
    }
    json_decref(page);
}

static void restored_backups_bring_back_what_was_acknowledged(void **state)
{
    static const char *const said[] = {"quarantine.clear", "slice.adopt", "slice.delete"};
    struct pod *pod = *state;
    json_t *kept = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[0,1]}");
    json_t *deleted_later = slice_up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[2]}");
    long status;

    json_t *answer = backup(pod, "night", &status);
    assert_int_equal(status, 201);
    assert_true(slice_down(pod, str(deleted_later, "id")));
    json_t *made_later = slice_up(pod, "{\"topology\":\"4x4x8\",\"cubes\":[4,5]}");
    assert_string_equal(str(made_later, "state"), "ACTIVE");
    json_decref(slice_up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[6]}"));

    pod_kill_podmgr(pod);
    restore(pod, "night");
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    assert_slice(pod, kept, 200);
    assert_slice(pod, deleted_later, 200);
    assert_slice(pod, made_later, 404);
    json_t *refused = slice_up(pod, "{\"topology\":\"4x4x4\",\"cubes\":[5]}");
    assert_string_equal(str(refused, "code"), "cube-unavailable");
    assert_non_null(strstr(str(refused, "detail"), "QUARANTINED"));
    json_decref(refused);
    /* What is unknown is left alone; what was deleted too late is back. */
    assert_circuits(pod, 48 * (2 + 1 + 2 + 1));
    assert_quarantined(pod, "[\"cube/4\",\"cube/5\",\"cube/6\"]");
    end_quarantine(pod);
    assert_audited(pod, said, ARRAY_LEN(said));
    json_decref(answer);
    json_decref(kept);
    json_decref(deleted_later);
    json_decref(made_later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backups_under_load_are_whole),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(what_is_cut_leaves_nothing),
        cmocka_unit_test(restored_backups_bring_back_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
