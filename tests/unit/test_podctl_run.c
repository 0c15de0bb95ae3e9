/* podctl as a whole against a podmgr that answers from a table: what is asked,
 * what is printed, and the exit code of each outcome.  The server is a child
 * process on a Unix socket; it notes every request in memory both share. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "mem.h"
#include "podctl/podctl.h"

enum { WORDS = 12, NOTES = 64 << 10, ANSWERS_MAX = 12 };

/* Status 0 closes the connection without an answer.  `times` 0: always. */
struct canned {
    const char *request; /* "GET /v1/pod" */
    int status;
    const char *body;
    int times;
};

static char directory[] = "/tmp/podctl-test-XXXXXX";
static char socket_path[64];
static char *notes; /* what was asked, one request after the other */
static pid_t server;

/* ------------------------------------------------------------- server -- */

/* Reads until the header's end and Content-Length bytes more. */
static bool read_request(int fd, char *text, size_t size)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = read(fd, text + len, size - 1 - len);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "Content-Length:");
        if (end != NULL) {
            size_t body = length != NULL ? strtoul(length + 15, NULL, 10) : 0;
            if (len >= (size_t)(end + 4 - text) + body) {
                return true;
            }
        }
    }
}

static void answer_request(int fd, struct canned *canned, const char *text)
{
    for (struct canned *row = canned; row->request != NULL; row++) {
        size_t len = strlen(row->request);
        if (strncmp(text, row->request, len) != 0 || text[len] != ' ' || row->times < 0) {
            continue;
        }
        row->times = row->times == 1 ? -1 : row->times > 1 ? row->times - 1 : 0;
        if (row->status != 0) {
            (void)dprintf(fd,
                          "HTTP/1.1 %d Canned\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          row->status, strlen(row->body), row->body);
        }
        return;
    }
    (void)dprintf(fd, "HTTP/1.1 500 None\r\nContent-Length: 28\r\nConnection: close\r\n\r\n"
                      "{\"detail\":\"nothing is canned\"}");
}

static _Noreturn void serve(int listener, struct canned *canned)
{
    static char text[16 << 10];

    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            _exit(1);
        }
        if (read_request(fd, text, sizeof text)) {
            strncat(notes, text, NOTES - 1 - strlen(notes));
            answer_request(fd, canned, text);
        }
        (void)close(fd);
    }
}

static void start(const struct canned *canned)
{
    static struct canned copy[ANSWERS_MAX];
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    memset(copy, 0, sizeof copy);
    for (size_t i = 0; canned[i].request != NULL; i++) {
        assert_true(i + 1 < ANSWERS_MAX);
        copy[i] = canned[i];
    }
    (void)unlink(socket_path);
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", socket_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(listener, 8), 0);
    notes[0] = '\0';
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        serve(listener, copy);
    }
    (void)close(listener);
}

static void stop(void)
{
    if (server > 0) {
        (void)kill(server, SIGKILL);
        (void)waitpid(server, NULL, 0);
        server = 0;
    }
}

/* ------------------------------------------------------------- podctl -- */

struct outcome {
    int code;
    char *out, *err;
};

static struct outcome run(const char *const words[WORDS])
{
    struct outcome outcome = {0};
    size_t out_len, err_len;
    FILE *out = open_memstream(&outcome.out, &out_len);
    FILE *err = open_memstream(&outcome.err, &err_len);
    char *argv[WORDS + 2] = {xstrdup("podctl")}, *all[WORDS + 2];
    int argc = 1;

    for (; argc <= WORDS && words[argc - 1] != NULL; argc++) {
        argv[argc] = xstrdup(words[argc - 1]);
    }
    memcpy(all, argv, sizeof all); /* podctl permutes its own */
    outcome.code = podctl_run(argc, argv, out, err);
    for (int i = 0; i < argc; i++) {
        free(all[i]);
    }
    (void)fclose(out);
    (void)fclose(err);
    return outcome;
}

static void assert_has(const char *text, const char *part)
{
    if (part != NULL && strstr(text, part) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", part, text);
    }
}

static void expect(const char *const words[WORDS], int code, const char *out, const char *err)
{
    struct outcome outcome = run(words);

    if (outcome.code != code) {
        fail_msg("%s %s: exit %d, not %d:\n%s", words[0], words[1] != NULL ? words[1] : "",
                 outcome.code, code, outcome.err);
    }
    assert_has(outcome.out, out);
    assert_has(outcome.err, err);
    free(outcome.out);
    free(outcome.err);
}

struct row {
    const char *words[WORDS];
    int code;
    const char *out, *err, *asked; /* parts that must be there */
};

static void expect_rows(const struct canned *canned, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        start(canned);
        expect(rows[i].words, rows[i].code, rows[i].out, rows[i].err);
        stop();
        assert_has(notes, rows[i].asked);
    }
}

/* -------------------------------------------------------------- tests -- */

#define SLICE(id, name, state, reason, active)                                                     \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"topology\":\"4x4x8\",\"twisted\":true,"            \
    "\"state\":\"" state "\",\"reason\":\"" reason "\",\"labels\":{\"k\":\"v\"},"                  \
    "\"cubes\":[{\"cube\":\"cube/5\",\"position\":[0,0,1]}],\"hosts\":[\"host/5-0\"],"             \
    "\"timings\":{\"planned_ms\":0.1,\"programmed_ms\":40.5,\"verified_ms\":80,"                   \
    "\"active_ms\":" active "}}"
#define PROBLEM(status, code, detail)                                                              \
    "{\"status\":" status ",\"code\":\"" code "\",\"detail\":\"" detail "\"}"

static void what_is_wrong_in_the_line_is_told(void **state)
{
    static const struct {
        const char *words[WORDS], *err;
    } rows[] = {
        {{NULL}, "Usage: podctl"},
        {{"frobnicate"}, "no command 'frobnicate'"},
        {{"slice"}, "'slice' needs one more word"},
        {{"slice", "melt"}, "no command 'slice melt'"},
        {{"slice", "show"}, "slice show needs SLICE"},
        {{"slice", "show", "a", "b"}, "unexpected argument 'b'"},
        {{"pod", "--bogus"}, "unknown or ambiguous option --bogus"},
        {{"pod", "-o", "xml"}, "'xml' is neither table nor json"},
        {{"slice", "create", "4x4x4", "--wait", "--no-wait"}, "not both"},
        {{"slice", "create", "4x4x4", "--wait=1h"}, "'1h' is not a duration"},
        {{"slice", "create", "4x4x4", "--wait=601s"}, "'601s' is not a duration"},
        {{"slice", "create", "4x4x8", "--weave", "/dev/null"}, "'/dev/null' is not a file of"},
        {{"slice", "create", "4x4x4", "--cubes", "1,x"}, "'1,x' is not cube numbers"},
        {{"slice", "create", "4x4x4", "--cubes", "1,"}, "'1,' is not cube numbers"},
        {{"slice", "create", "4x4x4", "--priority", "high"}, "'high' is not a whole number"},
        {{"slice", "create", "4x4x4", "--label", "=v"}, "'=v' is not KEY=VALUE"},
        {{"slice", "create", "4x4x4", "--name", "\xff"}, "is not UTF-8 text"},
        {{"slice", "create", "\xff"}, "the topology is not UTF-8 text"},
        {{"slice", "links", "1-2", "--trace", "chip/5-3-1-2"}, "is not a chip and its port"},
        {{"event", "--since", "-1"}, "'-1' is not a number"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(rows[i].words, PODCTL_USAGE, NULL, rows[i].err);
    }
}

static void help_is_printed(void **state)
{
    (void)state;
    expect((const char *[WORDS]){"--help"}, PODCTL_OK, "slice delete SLICE...", NULL);
    expect((const char *[WORDS]){"--help"}, PODCTL_OK, "  3  podmgr cannot be reached", NULL);
    expect((const char *[WORDS]){"slice", "--help"}, PODCTL_OK, "slice links SLICE", NULL);
    expect((const char *[WORDS]){"slice", "create", "-h"}, PODCTL_OK, "--wait[=TIME]", NULL);
    expect((const char *[WORDS]){"slice", "create", "-h"}, PODCTL_OK, "  5  the slice has not",
           NULL);
    expect((const char *[WORDS]){"--version"}, PODCTL_OK, "podctl " PODMGR_VERSION "\n", NULL);
}

static void nobody_there_is_exit_3(void **state)
{
    static const struct canned page[] = {{"GET /v1/pod", 200, "<html>", 0}, {0}};
    static const struct canned mute[] = {{"GET /v1/pod", 0, NULL, 0}, {0}};
    static const char *const pod[WORDS] = {"pod"};

    (void)state;
    (void)unlink(socket_path);
    expect(pod, PODCTL_UNREACHABLE, NULL, socket_path);
    expect(pod, PODCTL_UNREACHABLE, NULL, "No such file or directory");
    expect(pod, PODCTL_UNREACHABLE, NULL, "--socket PATH");
    expect((const char *[WORDS]){"event", "--follow", "--since", "0"}, PODCTL_UNREACHABLE, NULL,
           "cannot reach podmgr");
    start(page);
    expect(pod, PODCTL_UNREACHABLE, NULL, "is not podmgr");
    stop();
    start(mute);
    expect(pod, PODCTL_UNREACHABLE, NULL, "did not answer to the end");
    stop();
}

static void a_slice_is_created(void **state)
{
    static const struct {
        struct canned canned[2];
        struct row row;
    } rows[] = {
        {{{"POST /v1/slices?wait=30000ms", 201, SLICE("1-5", "train", "ACTIVE", "", "84.25"), 0}},
         {{"slice", "create", "4x4x8", "--name", "train"},
          PODCTL_OK,
          "slice/1-5 train 4x4x8 twisted: ACTIVE in 84.2 ms (planned 0.1, programmed 40.5, "
          "verified 80.0)\n",
          NULL,
          "{\"topology\":\"4x4x8\",\"name\":\"train\"}"}},
        {{{"POST /v1/slices?wait=500ms", 200, SLICE("1-5", "t", "FAILED", "swapped", "null"), 0}},
         {{"slice", "create", "4x4x8", "--wait=500ms"},
          PODCTL_SLICE_FAILED,
          NULL,
          "slice/1-5 t is FAILED: swapped",
          "Idempotency-Key: podctl-"}},
        {{{"POST /v1/slices?wait=2000ms", 202, SLICE("1-5", "t", "ACTIVATING", "", "null"), 0}},
         {{"slice", "create", "4x4x8", "--wait=2"},
          PODCTL_UNSETTLED,
          NULL,
          "slice/1-5 t is still ACTIVATING after 2.0 s",
          NULL}},
        {{{"POST /v1/slices", 202, SLICE("1-5", "t", "ACTIVATING", "", "null"), 0}},
         {{"slice", "create", "4x4x8", "--no-wait", "--cubes", "1,2", "--twisted", "--no-twisted",
           "--label", "a=b", "--label=c="},
          PODCTL_OK,
          "slice/1-5 t 4x4x8 twisted: ACTIVATING\n",
          NULL,
          "\"cubes\":[1,2],\"twisted\":false,\"labels\":{\"a\":\"b\",\"c\":\"\"}}"}},
        {{{"POST /v1/slices", 202, SLICE("1-5", "t", "ACTIVATING", "", "null"), 0}},
         {{"-o", "json", "slice", "create", "4x4x8", "--no-wait", "--no-degraded", "--priority",
           "-3", "--owner", "me"},
          PODCTL_OK,
          "  \"id\": \"1-5\",\n",
          NULL,
          "\"accept_degraded\":false,\"priority\":-3,\"owner\":\"me\"}"}},
        {{{"POST /v1/slices?wait=30000ms", 409,
           PROBLEM("409", "insufficient-capacity", "cube/3 is drained"), 0}},
         {{"slice", "create", "4x4x8", "-o", "json"},
          PODCTL_REFUSED,
          "\"code\": \"insufficient-capacity\"",
          "podctl: cube/3 is drained (insufficient-capacity)\n",
          NULL}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect_rows(rows[i].canned, &rows[i].row, 1);
    }
}

static void slices_are_found_by_name(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/slices?name=train", 200,
         "{\"slices\":[" SLICE("1-5", "train", "ACTIVE", "", "1") "]}", 0},
        {"GET /v1/slices?name=two", 200,
         "{\"slices\":[" SLICE("1-6", "two", "ACTIVE", "", "1") "," SLICE("1-7", "two", "ACTIVE",
                                                                          "", "1") "]}",
         0},
        {"GET /v1/slices?name=a%2Fb%20c", 200, "{\"slices\":[]}", 0},
        {"GET /v1/slices/1-5", 200, SLICE("1-5", "train", "ACTIVE", "", "1"), 0},
        {"GET /v1/slices/9-9", 404, PROBLEM("404", "slice-not-found", "no slice/9-9"), 0},
        {"DELETE /v1/slices/1-5?wait=30000ms", 200, SLICE("1-5", "train", "DELETED", "", "1"), 0},
        {"DELETE /v1/slices/1-8?wait=1000ms", 202, SLICE("1-8", "x", "DEACTIVATING", "", "1"), 0},
        {"GET /v1/slices?limit=1000&state=ACTIVE", 200,
         "{\"slices\":[" SLICE("1-5", "train", "ACTIVE", "", "1") "],\"next_page_token\":\"1-5\"}",
         0},
        {"GET /v1/slices?limit=1000&state=ACTIVE&page_token=1-5", 200,
         "{\"slices\":[" SLICE("1-6", "two", "ACTIVE", "", "12.5") "]}", 0},
        {0},
    };
    static const struct row rows[] = {
        {{"slice", "show", "train"}, PODCTL_OK, "cube/5  0,0,1\n", NULL, "GET /v1/slices/1-5 "},
        {{"slice", "show", "slice/1-5"}, PODCTL_OK, "labels            k=v\n", NULL, NULL},
        {{"slice", "show", "1-5", "-o", "json"}, PODCTL_OK, "\"verified_ms\": 80", NULL, NULL},
        {{"slice", "show", "two"},
         PODCTL_REFUSED,
         NULL,
         "2 slices are named 'two': 1-6, 1-7",
         NULL},
        {{"slice", "show", "a/b c"},
         PODCTL_REFUSED,
         NULL,
         "no slice has the id or name 'a/b c'",
         NULL},
        {{"slice", "show", "9-9"}, PODCTL_REFUSED, NULL, "no slice/9-9 (slice-not-found)", NULL},
        {{"slice", "delete", "train"},
         PODCTL_OK,
         "slice/1-5 train 4x4x8 twisted: DELETED\n",
         NULL,
         NULL},
        {{"slice", "delete", "1-8", "train", "--wait=1s"},
         PODCTL_UNSETTLED,
         NULL,
         "slice/1-8 x is still DEACTIVATING after 1.0 s",
         "GET /v1/slices?name=train "},
        {{"slice", "list", "--state", "ACTIVE"}, PODCTL_OK, "12.50", NULL, "page_token=1-5"},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

#define LINK                                                                                       \
    "{\"links\":[{\"link\":\"fibre/5+x-1-2\",\"from\":\"chip/5-3-1-2\",\"from_port\":\"+x\","      \
    "\"to\":\"chip/7-0-1-2\",\"to_port\":\"-x\",\"to_fibre\":\"fibre/7-x-1-2\",\"ocs\":\"ocs/9\"," \
    "\"north\":5,\"south\":7,\"connected\":true,\"loss_db\":1.234}]}"

static void a_link_is_traced(void **state)
{
    static const struct canned canned[] = {{"GET /v1/slices/1-5/links", 200, LINK, 0}, {0}};
    static const struct row rows[] = {
        {{"slice", "links", "1-5"},
         PODCTL_OK,
         "chip/5-3-1-2  +x    ocs/9      5      7",
         NULL,
         NULL},
        {{"slice", "links", "1-5", "--trace", "chip/5-3-1-2+x"},
         PODCTL_OK,
         "chip      chip/5-3-1-2   port +x\n"
         "fibre     fibre/5+x-1-2  face/5+x position 1,2\n"
         "ocs port  port/9-n-5     north\n"
         "mirror    ocs/9          connected, loss 1.23 dB\n"
         "ocs port  port/9-s-7     south\n"
         "fibre     fibre/7-x-1-2  face/7-x position 1,2\n"
         "chip      chip/7-0-1-2   port -x\n",
         NULL,
         NULL},
        {{"slice", "links", "1-5", "--trace", "link/7-0-1-2-x"},
         PODCTL_OK,
         "chip      chip/7-0-1-2   port -x\nfibre     fibre/7-x-1-2",
         NULL,
         NULL},
        {{"slice", "links", "1-5", "--trace", "chip/5-3-1-2+x", "-o", "json"},
         PODCTL_OK,
         "\"link\": \"fibre/5+x-1-2\"",
         NULL,
         NULL},
        {{"slice", "links", "1-5", "--trace", "chip/5-2-1-2+x"},
         PODCTL_REFUSED,
         NULL,
         "a copper link inside cube/5",
         NULL},
        {{"slice", "links", "1-5", "--trace", "chip/6-3-1-2+x"},
         PODCTL_REFUSED,
         NULL,
         "cube/6 is not one of its cubes",
         NULL},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

static void parts_are_shown(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/pod", 200, "{\"id\":\"pod-1\",\"slices\":{\"ACTIVE\":2},\"last_event\":3}", 0},
        {"GET /v1/cubes", 200, "{\"cubes\":[{\"id\":\"cube/0\",\"free\":true}]}", 0},
        {"GET /v1/cubes/5", 200,
         "{\"id\":\"cube/5\",\"health\":\"HEALTHY\",\"hosts\":[{\"id\":\"host/5-0\"}]}", 0},
        {"GET /v1/hosts?health=FAILED", 200, "{\"hosts\":[{\"id\":\"host/1-2\"}]}", 0},
        {"GET /v1/hosts/5-3", 200, "{\"id\":\"host/5-3\",\"chips\":[\"chip/5-0-0-0\"]}", 0},
        {"GET /v1/ocs", 200, "{\"ocs\":[{\"id\":\"ocs/12\",\"position\":[0,3]}]}", 0},
        {"GET /v1/ocs/12", 200,
         "{\"id\":\"ocs/12\",\"ports\":{\"north\":4,\"south\":4},\"desired\":[[0,1],[2,3]],"
         "\"observed\":[[0,1]],\"loss_db\":{\"n-0\":1.5},\"power_dbm\":{\"n-0\":-3.5,\"s-1\":-5}}",
         0},
        {"GET /v1/operations?limit=7", 200, "{\"operations\":[{\"id\":\"1-6\",\"makes\":384}]}", 0},
        {"GET /v1/operations/1-6", 200,
         "{\"id\":\"1-6\",\"parts\":[{\"ocs\":\"ocs/0\",\"state\":\"DONE\"}]}", 0},
        {0},
    };
    static const struct row rows[] = {
        {{"pod"}, PODCTL_OK, "slices              ACTIVE=2\n", NULL, NULL},
        {{"cube", "list"}, PODCTL_OK, "cube/0  ", NULL, NULL},
        {{"cube", "show", "cube/5"}, PODCTL_OK, "host/5-0", NULL, NULL},
        {{"cube", "show", "5", "-o", "json"}, PODCTL_OK, "\"id\": \"cube/5\"", NULL, NULL},
        {{"host", "list", "--health", "FAILED"}, PODCTL_OK, "host/1-2", NULL, NULL},
        {{"host", "show", "5-3"}, PODCTL_OK, "chips   chip/5-0-0-0\n", NULL, NULL},
        {{"ocs", "list"}, PODCTL_OK, "ocs/12  -     0,3       -", NULL, NULL},
        {{"ocs", "show", "ocs/12"},
         PODCTL_OK,
         "NORTH  DESIRED  OBSERVED  LOSS dB  NORTH dBm  SOUTH dBm\n"
         "    0        1         1     1.50      -3.50         -5\n"
         "    2        3         -        -          -          -\n",
         NULL,
         NULL},
        {{"operation", "list", "--limit", "7"}, PODCTL_OK, "384", NULL, NULL},
        {{"operation", "show", "operation/1-6"}, PODCTL_OK, "ocs/0  DONE\n", NULL, NULL},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

static void what_went_wrong_is_shown(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/incidents?limit=50&state=OPEN", 200,
         "{\"incidents\":[{\"id\":\"1-8\",\"part\":\"host/5-3\",\"slices\":[\"1-5\"]}]}", 0},
        {"GET /v1/incidents/1-8", 200,
         "{\"id\":\"1-8\",\"actions\":[{\"at\":\"now\",\"text\":\"cube/6 instead of cube/5\"}]}",
         0},
        {"GET /v1/repairs?limit=50", 200,
         "{\"repairs\":[{\"id\":\"1-9\",\"part\":\"host/5-3\",\"relapses\":0}]}", 0},
        {"GET /v1/repairs/1-9", 200, "{\"id\":\"1-9\",\"position\":\"cube/5, tray 3\"}", 0},
        {"POST /v1/repairs/1-9:advance", 200,
         "{\"id\":\"1-9\",\"state\":\"VERIFYING\",\"history\":[{\"note\":\"new tray\"}]}", 0},
        {0},
    };
    static const struct row rows[] = {
        {{"incident", "list", "--state", "OPEN"}, PODCTL_OK, "host/5-3", NULL, NULL},
        {{"incident", "show", "1-8"}, PODCTL_OK, "cube/6 instead of cube/5\n", NULL, NULL},
        {{"repair", "list"}, PODCTL_OK, "1-9     -      host/5-3", NULL, NULL},
        {{"repair", "show", "repair/1-9"}, PODCTL_OK, "cube/5, tray 3\n", NULL, NULL},
        {{"repair", "advance", "1-9", "VERIFYING", "--note", "new tray"},
         PODCTL_OK,
         "new tray\n",
         NULL,
         "{\"to\":\"VERIFYING\",\"note\":\"new tray\"}"},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

#define EVENTS(next, incarnation, events)                                                          \
    "{\"next\":" next ",\"incarnation\":\"" incarnation "\",\"events\":[" events "]}"
#define EVENT(seq, type)                                                                           \
    "{\"seq\":" seq ",\"at\":\"2026-01-01T00:00:00.000Z\",\"type\":\"" type "\","                  \
    "\"subject\":\"slice/1-5\",\"data\":{\"name\":\"t\"}}"

static void events_are_listed(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/pod", 200, "{\"last_event\":60}", 0},
        {"GET /v1/events?since=10", 200, EVENTS("11", "a", EVENT("11", "slice.created")), 0},
        {"GET /v1/events?since=11", 200, EVENTS("12", "a", EVENT("12", "slice.active")), 0},
        {"GET /v1/events?since=12", 200, EVENTS("12", "a", ""), 0},
        {0},
    };
    static const struct row rows[] = {
        {{"event"}, PODCTL_OK, "11  2026-01-01T00:00:00.000Z  slice.created", NULL, NULL},
        {{"event", "--since", "11"},
         PODCTL_OK,
         "12  2026-01-01T00:00:00.000Z  slice.active",
         NULL,
         NULL},
        {{"event", "-o", "json"}, PODCTL_OK, "\"next\": 12", NULL, NULL},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

#define RECORD(seq, before, after)                                                                 \
    "{\"seq\":" seq ",\"at\":\"2026-01-01T00:00:00.000Z\",\"who\":\"unix uid 0 pid 7 admin\","     \
    "\"action\":\"slice.delete\",\"subject\":\"slice/1-5\",\"before\":" before ",\"after\":" after \
    ",\"hash\":\"00\"}"

static void audit_records_are_listed(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/audit?limit=1", 200, "{\"next\":1,\"last\":60,\"records\":[]}", 0},
        {"GET /v1/audit?since=10&limit=50", 200,
         "{\"next\":11,\"last\":60,\"records\":[" RECORD("11", "{\"state\":\"ACTIVE\"}",
                                                         "null") "]}",
         0},
        {"GET /v1/audit?since=58&limit=2", 200,
         "{\"next\":59,\"last\":60,\"records\":[" RECORD("59", "null", "null") "]}", 0},
        {"GET /v1/audit?since=0&limit=501", 400,
         PROBLEM("400", "invalid-parameter", "limit: '501' is not a number from 1 to 500"), 0},
        {0},
    };
    static const struct row rows[] = {
        {{"audit", "list"},
         PODCTL_OK,
         "11  2026-01-01T00:00:00.000Z  unix uid 0 pid 7 admin  slice.delete  slice/1-5  ACTIVE",
         NULL,
         NULL},
        {{"audit", "list", "--limit", "2"}, PODCTL_OK, "59  2026", NULL, NULL},
        {{"audit", "list", "--since", "10", "-o", "json"},
         PODCTL_OK,
         "\"hash\": \"00\"",
         NULL,
         NULL},
        {{"audit", "list", "--since", "0", "--limit", "501"},
         PODCTL_REFUSED,
         NULL,
         "(invalid-parameter)",
         NULL},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

#define OPERATION(state, reason)                                                                   \
    "{\"id\":\"3-7\",\"state\":\"" state "\",\"breaks\":96,\"reason\":\"" reason "\"}"

static void quarantine_is_ended(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/quarantine", 200,
         "{\"unexplained_restore\":true,\"groups\":[{\"cubes\":[\"cube/4\",\"cube/5\"],"
         "\"circuits\":96,\"since\":\"2026-01-01T00:00:00.000Z\"}]}",
         0},
        {"POST /v1/cubes/4:clear-quarantine?wait=30000ms", 200, OPERATION("DONE", ""), 0},
        {"POST /v1/cubes/5:clear-quarantine?wait=1000ms", 202, OPERATION("OPEN", ""), 0},
        {"POST /v1/cubes/6:clear-quarantine?wait=30000ms", 200, OPERATION("FAILED", "stuck"), 0},
        {"POST /v1/cubes/7:clear-quarantine", 409, PROBLEM("409", "not-quarantined", "HEALTHY"), 0},
        {"POST /v1/slices", 202, SLICE("1-5", "t", "ACTIVATING", "", "null"), 0},
        {0},
    };
    static const struct row rows[] = {
        {{"quarantine", "list"}, PODCTL_OK, "cube/4 cube/5        96  2026", NULL, NULL},
        {{"quarantine", "clear", "cube/4"},
         PODCTL_OK,
         "operation/3-7 breaks 96 circuits: DONE\n",
         NULL,
         NULL},
        {{"quarantine", "clear", "5", "--wait=1s"},
         PODCTL_UNSETTLED,
         NULL,
         "still OPEN after 1.0 s",
         NULL},
        {{"quarantine", "clear", "6", "-o", "json"},
         PODCTL_REFUSED,
         "\"reason\": \"stuck\"",
         "is FAILED: stuck",
         NULL},
        {{"quarantine", "clear", "7", "--no-wait"},
         PODCTL_REFUSED,
         NULL,
         "(not-quarantined)",
         NULL},
        {{"quarantine", "adopt", "4x4x8", "--cubes", "4,5", "--no-wait"},
         PODCTL_OK,
         "slice/1-5",
         NULL,
         "{\"topology\":\"4x4x8\",\"cubes\":[4,5],\"adopt\":true}"},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

#define WEBHOOK                                                                                    \
    "{\"id\":\"1-5\",\"url\":\"https://h/x\",\"events\":[\"slice.\"],\"signed\":true,"             \
    "\"owner\":\"borg\",\"state\":\"FAILING\",\"behind\":7,"                                       \
    "\"last\":{\"text\":\"answered 500\"}}"
#define TESTED(delivered, text)                                                                    \
    "{\"delivered\":" delivered ",\"status\":null,\"text\":\"" text "\",\"took_ms\":1.5}"

static char secret_path[80];

static void webhooks_are_managed(void **state)
{
    static const struct canned canned[] = {
        {"POST /v1/webhooks", 201, WEBHOOK, 0},
        {"GET /v1/webhooks", 200, "{\"webhooks\":[" WEBHOOK "]}", 0},
        {"GET /v1/webhooks/1-5", 200, WEBHOOK, 0},
        {"DELETE /v1/webhooks/1-5", 200, "{\"id\":\"1-5\",\"deleted\":true}", 0},
        {"POST /v1/webhooks/1-5:test", 200, TESTED("true", "answered 204"), 0},
        {"POST /v1/webhooks/1-6:test", 200, TESTED("false", "refused"), 0},
        {0},
    };
    static const struct row rows[] = {
        {{"webhook", "create", "https://h/x", "--event=slice.", "--event", "link.", "--owner=borg",
          "--since", "5", "--secret-file", secret_path},
         PODCTL_OK,
         "state             FAILING",
         NULL,
         "{\"url\":\"https://h/"
         "x\",\"events\":[\"slice.\",\"link.\"],\"since\":5,\"owner\":\"borg\","
         "\"secret\":\"sixteen bytes ok\"}"},
        {{"webhook", "create", "https://h/x"}, PODCTL_OK, NULL, NULL, "{\"url\":\"https://h/x\"}"},
        {{"webhook", "create", "https://h/x", "--secret-file", "/nonexistent"},
         PODCTL_USAGE,
         NULL,
         "--secret-file: no such file",
         NULL},
        {{"webhook", "list"},
         PODCTL_OK,
         "1-5      FAILING       7  yes     answered 500",
         NULL,
         NULL},
        {{"webhook", "show", "webhook/1-5"}, PODCTL_OK, "events behind     7", NULL, NULL},
        {{"webhook", "delete", "1-5"}, PODCTL_OK, "webhook/1-5 is deleted\n", NULL, NULL},
        {{"webhook", "test", "1-5"},
         PODCTL_OK,
         "delivered: the receiver answered 204\n",
         NULL,
         NULL},
        {{"webhook", "test", "1-6"}, PODCTL_REFUSED, NULL, "not delivered: refused", NULL},
    };

    (void)state;
    (void)snprintf(secret_path, sizeof secret_path, "%s/secret", directory);
    FILE *file = fopen(secret_path, "w");
    assert_non_null(file);
    assert_true(fputs("sixteen bytes ok\nand another line\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    expect_rows(canned, rows, ARRAY_LEN(rows));
    assert_int_equal(remove(secret_path), 0);
}

#define REMEDIATION(open)                                                                          \
    "{\"mode\":\"auto\",\"breaker_open\":" open ",\"cubes_out\":1,\"cubes_out_max\":4,"            \
    "\"swaps_last_hour\":1,\"swaps_per_hour_max\":8,\"hot_spares\":0,\"confidence_min\":0.6}"

static void the_breaker_is_shown_and_reset(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/remediation", 200, REMEDIATION("true"), 0},
        {"POST /v1/remediation:reset-breaker", 200, REMEDIATION("false"), 0},
        {0},
    };
    static const struct row rows[] = {
        {{"remediation", "show"}, PODCTL_OK, "breaker open            yes", NULL, NULL},
        {{"remediation", "reset"}, PODCTL_OK, "breaker open            no", NULL, NULL},
        {{"remediation", "reset", "-o", "json"}, PODCTL_OK, "\"breaker_open\": false", NULL, NULL},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

#define DRAIN(id, state, waits)                                                                    \
    "{\"id\":\"" id "\",\"target\":\"ocs/12\",\"state\":\"" state "\",\"mode\":\"now\","           \
    "\"reason\":\"new line card\",\"by\":\"me\",\"created_at\":\"2026-01-31T12:00:00.000Z\","      \
    "\"drained_at\":null,\"until\":null,\"cubes\":[],\"switches\":[\"ocs/12\"],\"ports\":[],"      \
    "\"operation\":null,\"trouble\":\"\",\"safe_to_unplug\":null,\"version\":1,\"waits_for\":"     \
    "[" waits "]}"
#define STEP                                                                                       \
    "{\"slice\":\"1-5\",\"name\":\"train\",\"action\":\"BLOCKED\",\"rule\":5,\"text\":\"it uses "  \
    "ocs/12\",\"replace\":[]}"

static void parts_are_drained_and_come_back(void **state)
{
    static const struct canned canned[] = {
        {"POST /v1/drains", 201, DRAIN("3-7", "DRAINING", STEP), 0},
        {"POST /v1/drains:plan", 200,
         "{\"target\":\"ocs/12\",\"mode\":\"now\",\"slices\":[" STEP "],\"spare_exists\":true,"
         "\"without_redundancy\":[\"slice/1-5 would go around\"]}",
         0},
        {"GET /v1/drains", 200, "{\"drains\":[" DRAIN("3-7", "DRAINED", "") "]}", 0},
        {"GET /v1/drains/3-7", 200, DRAIN("3-7", "DRAINED", ""), 0},
        {"DELETE /v1/drains/3-7", 200, DRAIN("3-7", "DRAINED", ""), 0},
        {0},
    };
    static const struct canned refusing[] = {
        {"POST /v1/drains", 409, PROBLEM("409", "drain-exists", "ocs/12 is DRAINING already"), 0},
        {0},
    };
    static const struct row refused = {{"drain", "create", "ocs/12", "--reason", "again"},
                                       PODCTL_REFUSED,
                                       NULL,
                                       "(drain-exists)",
                                       NULL};
    static const struct row rows[] = {
        {{"drain", "create", "ocs/12", "--mode", "now", "--reason", "new line card", "--until",
          "2030-01-31T12:00:00Z"},
         PODCTL_OK,
         "it uses ocs/12",
         NULL,
         "{\"target\":\"ocs/12\",\"reason\":\"new line card\",\"mode\":\"now\","
         "\"until\":\"2030-01-31T12:00:00Z\"}"},
        {{"drain", "plan", "ocs/12", "--mode", "now"},
         PODCTL_OK,
         "slice/1-5 would go around",
         NULL,
         NULL},
        {{"drain", "list"}, PODCTL_OK, "ocs/12  DRAINED", NULL, NULL},
        {{"drain", "show", "drain/3-7"}, PODCTL_OK, "new line card", NULL, NULL},
        {{"drain", "end", "ocs/12"}, PODCTL_OK, "ocs/12 is in service again\n", NULL, NULL},
        {{"drain", "end", "ocs/13"}, PODCTL_REFUSED, NULL, "ocs/13 is not drained", NULL},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
    expect_rows(refusing, &refused, 1);
    expect((const char *[WORDS]){"drain", "create", "ocs/12"}, PODCTL_USAGE, NULL,
           "needs --reason");
    expect((const char *[WORDS]){"drain", "create", "ocs/12", "--reason", "r", "--until", "soon"},
           PODCTL_USAGE, NULL, "'soon' is no time");
    expect((const char *[WORDS]){"drain", "create", "--help"}, PODCTL_OK, "--until TIME", NULL);
}

#define BACKUP "{\"name\":\"n\",\"file\":\"/b/n.backup\",\"size_bytes\":4096,\"took_ms\":12.5}"

static void a_backup_is_made(void **state)
{
    static const struct {
        struct canned canned[2];
        struct row row;
    } rows[] = {
        {{{"POST /v1/backup", 201, BACKUP, 0}},
         {{"backup", "--name", "n"}, PODCTL_OK, "/b/n.backup\n", NULL, "{\"name\":\"n\"}"}},
        {{{"POST /v1/backup", 201, BACKUP, 0}},
         {{"backup", "-o", "json"}, PODCTL_OK, "\"size_bytes\": 4096", NULL, "{}"}},
        {{{"POST /v1/backup", 409, PROBLEM("409", "backup-exists", "n exists"), 0}},
         {{"backup", "--name", "n"}, PODCTL_REFUSED, NULL, "n exists (backup-exists)", NULL}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect_rows(rows[i].canned, &rows[i].row, 1);
    }
    expect((const char *[WORDS]){"backup", "--name", "\xff"}, PODCTL_USAGE, NULL, "is not UTF-8");
}

/* A dropped connection and a podmgr that stops cost nothing; a new incarnation
 * is read from its start; a refusal ends it. */
static void following_survives_a_restart(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/events?since=4&wait=30000ms", 200, EVENTS("5", "a", EVENT("5", "slice.created")),
         0},
        {"GET /v1/events?since=5&wait=30000ms", 0, NULL, 1},
        {"GET /v1/events?since=5&wait=30000ms", 503, PROBLEM("503", "stopping", "stopping"), 1},
        {"GET /v1/events?since=5&wait=30000ms", 200, EVENTS("6", "a", EVENT("6", "slice.active")),
         1},
        {"GET /v1/events?since=6&wait=30000ms", 200, EVENTS("6", "b", ""), 1},
        {"GET /v1/events?since=0&wait=30000ms", 200, EVENTS("1", "b", EVENT("1", "epoch.taken")),
         1},
        {"GET /v1/events?since=1&wait=30000ms", 410, PROBLEM("410", "events-expired", "gone"), 1},
        {0},
    };
    static const char *const words[WORDS] = {"event", "--follow", "--since", "4", "-o", "json"};

    (void)state;
    start(canned);
    struct outcome outcome = run(words);
    stop();
    assert_int_equal(outcome.code, PODCTL_REFUSED);
    assert_has(outcome.out, "{\"seq\":5,");
    assert_has(strstr(outcome.out, "{\"seq\":5,"), "{\"seq\":6,");
    assert_has(strstr(outcome.out, "{\"seq\":6,"), "{\"seq\":1,");
    assert_has(outcome.err, "trying again from event 5");
    assert_has(outcome.err, "begins anew (incarnation b)");
    assert_has(outcome.err, "gone (events-expired)");
    free(outcome.out);
    free(outcome.err);
}

static void words_are_completed(void **state)
{
    static const struct canned canned[] = {
        {"GET /v1/slices", 200, "{\"slices\":[" SLICE("1-5", "train", "ACTIVE", "", "1") "]}", 0},
        {0}};
    static const struct row rows[] = {
        {{"completion", "words"},
         PODCTL_OK,
         "pod\ncube\nhost\nocs\nslice\nfault\nfail\nclear\ndrain\nquarantine\nremediation\noperatio"
         "n\ninci"
         "dent\nrepair"
         "\nevent\nwebhook\naudit\nbackup\n",
         NULL,
         NULL},
        {{"completion", "words", "--", "-o", "json", "slice"},
         PODCTL_OK,
         "create\nlist\nshow\nlinks\ndelete\nmigrate\n",
         NULL,
         NULL},
        {{"completion", "words", "--", "slice", "links"}, PODCTL_OK, "--trace\n", NULL, NULL},
        {{"completion", "words", "--", "slice", "links"}, PODCTL_OK, "train\n1-5\n", NULL, NULL},
        {{"completion", "words", "--", "bogus"}, PODCTL_OK, NULL, NULL, NULL},
        {{"completion", "bash"}, PODCTL_OK, "complete -o default -F _podctl podctl\n", NULL, NULL},
    };

    (void)state;
    expect_rows(canned, rows, ARRAY_LEN(rows));
}

static int set_up(void **state)
{
    (void)state;
    notes = mmap(NULL, NOTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (notes == MAP_FAILED || mkdtemp(directory) == NULL) {
        return -1;
    }
    (void)snprintf(socket_path, sizeof socket_path, "%s/podmgr.sock", directory);
    return setenv("PODCTL_SOCKET", socket_path, 1);
}

static int after_each(void **state)
{
    (void)state;
    stop();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(socket_path);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_in_the_line_is_told),
        cmocka_unit_test(help_is_printed),
        cmocka_unit_test_teardown(nobody_there_is_exit_3, after_each),
        cmocka_unit_test_teardown(a_slice_is_created, after_each),
        cmocka_unit_test_teardown(slices_are_found_by_name, after_each),
        cmocka_unit_test_teardown(a_link_is_traced, after_each),
        cmocka_unit_test_teardown(parts_are_shown, after_each),
        cmocka_unit_test_teardown(what_went_wrong_is_shown, after_each),
        cmocka_unit_test_teardown(events_are_listed, after_each),
        cmocka_unit_test_teardown(audit_records_are_listed, after_each),
        cmocka_unit_test_teardown(parts_are_drained_and_come_back, after_each),
        cmocka_unit_test_teardown(a_backup_is_made, after_each),
        cmocka_unit_test_teardown(quarantine_is_ended, after_each),
        cmocka_unit_test_teardown(webhooks_are_managed, after_each),
        cmocka_unit_test_teardown(the_breaker_is_shown_and_reset, after_each),
        cmocka_unit_test_teardown(following_survives_a_restart, after_each),
        cmocka_unit_test_teardown(words_are_completed, after_each),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
