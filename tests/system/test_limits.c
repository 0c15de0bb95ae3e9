/* What podmgr does not take: more than its limits, from clients without
 * manners, from a database of the future, from a wrong configuration.  Each
 * time the rest of the world is served meanwhile, and nothing is left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mem.h"
#include "raw.h"

enum {
    BODY_MAX = 256 << 10,
    FIELDS_MAX = 64,
    PER_PEER = 32,
    PER_UID = 256,
    LOCAL = 512, /* of all users on the Unix socket, */
    KEPT = 16,   /* and of these for who may act */
    DEADLINE_MS = 5000,
    BODY_DEADLINE_MS = 10000,
    HANGERS = 20,
    PIPELINED = 200,
    RSS_SPREAD_KIB = 16 << 10,
    NO_PROGRAM = 127,
};

static char answer[1 << 20];

static int setup(void **state)
{
    *state = pod_up(&(struct pod_options){.cubes = 8});
    return 0;
}

static int teardown(void **state)
{
    pod_down(*state);
    return 0;
}

/* An answer at once, whatever others do. */
static void assert_served(const struct pod *pod)
{
    double start = now_ms();
    long status;

    json_decref(http(pod, "GET", "/v1/pod", NULL, &status));
    assert_int_equal(status, 200);
    assert_true(now_ms() - start < 2000);
}

struct count {
    pid_t pid;
    unsigned at_most;
};

static bool has_few_descriptors(void *arg)
{
    const struct count *count = arg;
    return descriptors(count->pid) <= count->at_most;
}

static void assert_nothing_left(const struct pod *pod, unsigned before)
{
    struct count count = {pod->podmgr, before};

    if (!await_until(has_few_descriptors, &count, 10000)) {
        fail_msg("%u descriptors, %u before", descriptors(pod->podmgr), before);
    }
    assert_served(pod);
}

/* With one connection of our own open, which the next requests use. */
static unsigned descriptors_now(const struct pod *pod)
{
    assert_served(pod);
    return descriptors(pod->podmgr);
}

/* --------------------------------------------------------------- sizes -- */

static void large_bodies_are_refused(void **state)
{
    const struct pod *pod = *state;
    char *body = xcalloc(BODY_MAX + 2, 1);
    long status;

    memset(body, ' ', BODY_MAX);
    json_t *json = http(pod, "POST", "/v1/slices", body, &status);
    assert_int_equal(status, 400); /* just fits: it is only no JSON */
    json_decref(json);
    body[BODY_MAX] = ' ';
    json = http(pod, "POST", "/v1/slices", body, &status);
    assert_int_equal(status, 413);
    assert_string_equal(str(json, "code"), "body-too-large");
    assert_non_null(strstr(str(json, "detail"), "262145 bytes, at most 262144"));
    json_decref(json);

    int fd = raw_unix(pod);
    assert_true(raw_send_text(fd, "POST /v1/slices HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n40001\r\n"));
    assert_true(raw_send(fd, body, BODY_MAX + 1));
    assert_true(raw_send_text(fd, "\r\n0\r\n\r\n"));
    assert_int_equal(raw_finish(fd, answer, sizeof answer), 413);
    assert_non_null(strstr(answer, "body-too-large"));
    free(body);
}

/* Without end: cut after what a refused body may still hold. */
static void endless_bodies_are_cut(void **state)
{
    enum { CHUNKS_MAX = 64 };
    static char chunk[64 << 10];
    const struct pod *pod = *state;
    unsigned before = descriptors_now(pod);
    int fd = raw_unix(pod), sent = 0;

    memset(chunk, 'x', sizeof chunk);
    assert_true(raw_send_text(fd, "POST /v1/slices HTTP/1.1\r\nHost: x\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"));
    while (sent < CHUNKS_MAX && raw_send_text(fd, "10000\r\n") &&
           raw_send(fd, chunk, sizeof chunk) && raw_send_text(fd, "\r\n")) {
        sent++;
    }
    assert_in_range(sent, 10, CHUNKS_MAX - 1);
    (void)close(fd);
    assert_nothing_left(pod, before);
}

static long status_with_headers(const struct pod *pod, int fields, size_t value_len)
{
    int fd = raw_unix(pod);
    char *value = xcalloc(value_len + 1, 1);

    memset(value, 'v', value_len);
    assert_true(raw_send_text(fd, "GET /v1/pod HTTP/1.1\r\n"));
    for (int i = 0; i < fields - 1; i++) {
        char *line = xasprintf("X-%d: %s\r\n", i, value);
        (void)raw_send_text(fd, line); /* may be refused in the middle */
        free(line);
    }
    (void)raw_send_text(fd, "Connection: close\r\n\r\n");
    free(value);
    return raw_finish(fd, answer, sizeof answer);
}

static void large_headers_are_refused(void **state)
{
    const struct pod *pod = *state;

    assert_int_equal(status_with_headers(pod, FIELDS_MAX, 1), 200);
    assert_int_equal(status_with_headers(pod, FIELDS_MAX + 1, 1), 431);
    assert_non_null(strstr(answer, "too-many-headers"));
    assert_int_equal(status_with_headers(pod, 3, 4 << 10), 431);
    assert_non_null(strstr(answer, "headers-too-large"));
    assert_int_equal(status_with_headers(pod, 3, 3 << 10), 200);
    assert_int_equal(status_with_headers(pod, 3, 64 << 10), 431);
    assert_served(pod);
}

/* ------------------------------------------------------------- manners -- */

/* It sends a byte now and then, which restarts every idle timeout. */
static void is_cut_after(int fd, const char *begin, unsigned deadline_ms)
{
    struct pollfd closed = {.fd = fd, .events = POLLIN};
    double start = now_ms();

    assert_true(raw_send_text(fd, begin));
    while (poll(&closed, 1, 200) == 0 && now_ms() - start < 4 * deadline_ms) {
        (void)raw_send_text(fd, "o");
    }
    assert_in_range((uint64_t)(now_ms() - start), deadline_ms - 500, deadline_ms + 3000);
    (void)close(fd);
}

static void slow_heads_are_cut(void **state)
{
    unsigned before = descriptors_now(*state);

    is_cut_after(raw_tcp(*state), "GET /v1/p", DEADLINE_MS);
    assert_nothing_left(*state, before);
}

static void slow_bodies_are_cut(void **state)
{
    unsigned before = descriptors_now(*state);

    is_cut_after(raw_unix(*state),
                 "POST /v1/slices HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n{",
                 BODY_DEADLINE_MS);
    assert_nothing_left(*state, before);
}

/* It asks for much and reads nothing. */
static void slow_readers_cost_little(void **state)
{
    const struct pod *pod = *state;
    unsigned before = descriptors_now(pod);
    long rss_before = rss_kib(pod->podmgr);
    int fd = raw_unix(pod);

    for (int i = 0; i < PIPELINED; i++) {
        assert_true(raw_send_text(fd, "GET /v1/hosts HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    assert_served(pod);
    assert_nothing_left(pod, before); /* cut by the idle timeout */
    assert_true(rss_kib(pod->podmgr) - rss_before < RSS_SPREAD_KIB);
    (void)close(fd);
}

static void a_peer_has_so_many_connections(void **state)
{
    static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    const struct pod *pod = *state;
    unsigned before = descriptors_now(pod);
    int fds[PER_PEER];

    for (int i = 0; i < PER_PEER; i++) {
        fds[i] = raw_tcp(pod);
        assert_true(raw_send_text(fds[i], ask));
        assert_int_equal(raw_read(fds[i], answer, 16), 200); /* its first bytes */
    }
    int more = raw_tcp(pod);
    (void)raw_send_text(more, ask);
    assert_int_equal(raw_finish(more, answer, sizeof answer), 0);
    assert_served(pod);
    int local = raw_request(pod, "GET", "/healthz", "");
    assert_int_equal(raw_finish(local, answer, sizeof answer), 200);
    for (int i = 0; i < PER_PEER; i++) {
        (void)close(fds[i]);
    }
    assert_nothing_left(pod, before);
}

/* A child of another user: how many of `n` connections got an answer.  It holds
 * them until `hold` is closed. */
static pid_t crowd(const struct pod *pod, uid_t uid, unsigned n, int hold, int told)
{
    static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0) {
        return pid;
    }
    unsigned served = 0;
    char byte;
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s/podmgr.sock", pod->dir);
    bool changed = setuid(uid) == 0;
    for (unsigned i = 0; i < n && changed; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool sent = fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0 &&
                    raw_send_text(fd, ask);
        served += sent && raw_read(fd, answer, 16) == 200; /* its first bytes */
    }
    (void)!write(told, &served, sizeof served);
    (void)!read(hold, &byte, 1);
    _exit(0);
}

static void users_leave_room_for_others(void **state)
{
    enum { SOMEBODY = 65533, NOBODY = 65534 };
    static const struct {
        uid_t uid;
        unsigned asked, served;
    } rows[] = {
        {SOMEBODY, PER_UID + 3, PER_UID},
        {NOBODY, PER_UID, LOCAL - KEPT - PER_UID},
    };
    const struct pod *pod = *state;
    pid_t pids[ARRAY_LEN(rows)];
    int hold[2], told[2];

    if (geteuid() != 0) {
        skip();
    }
    unsigned before = descriptors_now(pod), served;
    assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    assert_int_equal(chmod(pod->dir, 0711), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        pids[i] = crowd(pod, rows[i].uid, rows[i].asked, hold[0], told[1]);
        assert_int_equal(read(told[0], &served, sizeof served), sizeof served);
        assert_int_equal(served, rows[i].served);
    }
    int fd = raw_request(pod, "GET", "/healthz", ""); /* who may act still gets in */
    assert_int_equal(raw_finish(fd, answer, sizeof answer), 200);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void)kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        (void)close(hold[i]);
        (void)close(told[i]);
    }
    assert_nothing_left(pod, before);
}

static void hanging_up_while_waiting_leaves_nothing(void **state)
{
    const struct pod *pod = *state;
    unsigned before = descriptors_now(pod);
    long status;

    for (int i = 0; i < HANGERS; i++) {
        (void)close(raw_request(pod, "GET", "/v1/events?since=1000000&wait=1s", ""));
    }
    (void)close(raw_request(pod, "POST", "/v1/slices?wait=10s", "{\"topology\":\"8x8x8\"}"));
    assert_nothing_left(pod, before);
    json_t *list = http(pod, "GET", "/v1/slices", NULL, &status);
    json_t *slice;
    size_t i;
    json_array_foreach(json_object_get(list, "slices"), i, slice)
    {
        assert_true(slice_down(pod, str(slice, "id"))); /* accepted all the same */
    }
    json_decref(list);
}

/* ------------------------------------------------------------- metrics -- */

/* Exit status of `promtool check metrics` on this page. */
static int promtool_verdict(const struct pod *pod, const char *page)
{
    char *path = xasprintf("%s/metrics", pod->dir);
    FILE *file = fopen(path, "w+");
    int status;

    assert_non_null(file);
    assert_true(fputs(page, file) >= 0);
    assert_int_equal(fflush(file), 0);
    rewind(file);
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(fileno(file), STDIN_FILENO) == STDIN_FILENO) {
            (void)execlp("promtool", "promtool", "check", "metrics", NULL);
        }
        _exit(NO_PROGRAM);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)fclose(file);
    free(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void metrics_are_well_formed(void **state)
{
    static const char *const names[] = {
        "podmgr_slices{state=",
        "podmgr_slice_activation_seconds_bucket{",
        "podmgr_cubes{state=",
        "podmgr_hosts{state=",
        "podmgr_ocs_cross_connects{ocs=",
        "podmgr_ocs_reconfigure_seconds_bucket{",
        "podmgr_ocs_readback_mismatch_total",
        "podmgr_ocs_port_power_dbm{ocs=",
        "podmgr_ocs_insertion_loss_db{ocs=",
        "podmgr_cross_connects_total",
        "podmgr_commit_seconds_bucket{",
        "podmgr_last_backup_timestamp_seconds ",
        "podmgr_http_request_seconds_bucket{route=",
        "podmgr_build_info{version=",
    };
    const struct pod *pod = *state;
    json_t *slice = slice_up(pod, "{\"topology\":\"4x4x4\"}");
    long status;
    char *text = http_text(pod, "/metrics", &status);

    assert_int_equal(status, 200);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strstr(text, names[i]) == NULL) {
            fail_msg("no %s", names[i]);
        }
    }
    assert_true(slice_down(pod, str(slice, "id")));
    json_decref(slice);
    int verdict = promtool_verdict(pod, text);
    free(text);
    if (verdict == NO_PROGRAM) {
        skip();
    }
    assert_int_equal(verdict, 0);
}

/* --------------------------------------------------------------- start -- */

static char *file_bytes(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = xcalloc(4 << 20, 1);

    assert_non_null(file);
    *len = fread(bytes, 1, 4 << 20, file);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

/* The schema's version is a big-endian word at byte 60 of the database. */
static void write_schema_version(const char *path, unsigned char version)
{
    const unsigned char word[4] = {0, 0, 0, version};
    FILE *file = fopen(path, "r+b");

    assert_non_null(file);
    assert_int_equal(fseek(file, 60, SEEK_SET), 0);
    assert_int_equal(fwrite(word, 1, sizeof word, file), sizeof word);
    assert_int_equal(fclose(file), 0);
}

static void newer_databases_are_left_alone(void **state)
{
    struct pod *pod = *state;
    char *path = xasprintf("%s/podmgr.db", pod->dir);
    char *command = xasprintf("podmgr --config %s/podmgr.yaml", pod->dir);
    char *out;
    size_t len[2];
    int status;

    assert_int_equal(kill(pod->podmgr, SIGTERM), 0); /* in order, so that no log is left */
    assert_int_equal(waitpid(pod->podmgr, &status, 0), pod->podmgr);
    assert_int_equal(status, 0);
    unsigned char ours = 0;
    char *bytes = file_bytes(path, &len[0]);
    ours = (unsigned char)bytes[63];
    free(bytes);
    write_schema_version(path, 99);
    char *before = file_bytes(path, &len[0]);

    assert_int_not_equal(run_program(command, &out), 0);
    char *both = xasprintf("schema version 99 is newer than this podmgr's %u", ours);
    assert_non_null(strstr(out, both));
    assert_non_null(strstr(out, path));
    char *after = file_bytes(path, &len[1]);
    assert_int_equal(len[0], len[1]);
    assert_memory_equal(before, after, len[0]);

    write_schema_version(path, ours);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
    free(both);
    free(out);
    free(before);
    free(after);
    free(command);
    free(path);
}

/* As a full disk: podmgr says so and stops, and starts again where there is room. */
static void a_file_at_the_limit_of_its_size(void **state)
{
    const struct rlimit limit = {.rlim_cur = 200 << 10, .rlim_max = RLIM_INFINITY};
    struct pod *pod = *state;
    char *path = xasprintf("%s/podmgr.log", pod->dir);
    int status = 0;
    long answered = 0;
    pid_t ended = 0;

    assert_int_equal(prlimit(pod->podmgr, RLIMIT_FSIZE, &limit, NULL), 0);
    for (double end = now_ms() + 30000; ended == 0 && now_ms() < end;) {
        json_t *slice =
            http(pod, "POST", "/v1/slices?wait=5s", "{\"topology\":\"4x4x4\"}", &answered);
        if (answered == 201 || answered == 200) {
            (void)slice_down(pod, str(slice, "id"));
        }
        json_decref(slice);
        ended = waitpid(pod->podmgr, &status, WNOHANG);
    }
    assert_int_equal(ended, pod->podmgr);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 74);
    size_t len;
    char *log = file_bytes(path, &len);
    assert_non_null(strstr(log, "cannot commit, stopping; nothing acknowledged is lost: "));
    assert_non_null(strstr(log, "podmgr.db: write: "));
    free(log);
    free(path);
    pod_start_podmgr(pod);
    pod_await_ready(pod);
}

static void wrong_configurations_are_named(void **state)
{
#define REST "ocs: {url: 'ipc://%u'}\nagents: {url: 'ipc://a'}\n"
    static const struct {
        const char *text, *named;
    } rows[] = {
        {"pod: {id: p, cube: 4}\n" REST, "bad.yaml:1:14: pod.cube: no such key"},
        {"pod: {id: p}\n" REST "oops: 1\n", "bad.yaml:4:1: oops: no such key"},
        {"pod: {id: p, cubes: many}\n" REST, "bad.yaml:1:14: pod.cubes: a whole number"},
        {"pod: [p]\n" REST, "bad.yaml:1:1: pod: a mapping"},
        {"pod: {id: p, cubes: 64, ports_per_side: 63}\n" REST,
         "bad.yaml:1:25: pod.ports_per_side: an OCS with 63 ports"},
        {"pod: {id: p}\nwiring:\n- {fibre: fibre/5+x-0-3, port: port/12-n-66}\n"
         "- {fibre: fibre/5+x-0-3, port: port/12-n-67}\n" REST,
         "bad.yaml:4:4: wiring[1].fibre: fibre/5+x-0-3 is wired twice"},
        {"pod: {id: p}\nwiring:\n- {fibre: fibre/5+x-0-3, port: port/12-n-66}\n"
         "- {fibre: fibre/6+x-0-3, port: port/12-n-66}\n" REST,
         "bad.yaml:4:26: wiring[1].port: port/12-n-66 has two fibres"},
        {"pod: {id: p\n", "bad.yaml:2:1: "},
    };
#undef REST
    const struct pod *pod = *state;
    char *path = xasprintf("%s/bad.yaml", pod->dir);
    char *command = xasprintf("podmgr --check-config --config %s", path);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *out;
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs(rows[i].text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        int status = run_program(command, &out);
        if (status != 78 || strstr(out, rows[i].named) == NULL) {
            fail_msg("row %zu: exit %d, %s", i, status, out);
        }
        free(out);
    }
    free(command);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_bodies_are_refused),
        cmocka_unit_test(endless_bodies_are_cut),
        cmocka_unit_test(large_headers_are_refused),
        cmocka_unit_test(a_peer_has_so_many_connections),
        cmocka_unit_test(users_leave_room_for_others),
        cmocka_unit_test(hanging_up_while_waiting_leaves_nothing),
        cmocka_unit_test(slow_heads_are_cut),
        cmocka_unit_test(slow_bodies_are_cut),
        cmocka_unit_test(slow_readers_cost_little),
        cmocka_unit_test(metrics_are_well_formed),
        cmocka_unit_test(newer_databases_are_left_alone),
        cmocka_unit_test(a_file_at_the_limit_of_its_size),
        cmocka_unit_test(wrong_configurations_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
