/* What breaks under a slice of 8x8x8 while podmgr mends by itself: how long
 * until it is known, and how long from there until the slice works again.
 *
 * Each run breaks another part; afterwards all is healed and forgiven, so that
 * a run finds the pod as the first one did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "mem.h"
#include "rpc.h"
#include "sim.pb-c.h"
#include "tests/bench/bench.h"
#include "tests/system/harness.h"

enum { WAIT_MS = 20000, CUBES = 8, A_PAGE = 1000 };

/* ------------------------------------------------------------- the breaking -- */

struct blow {
    uv_loop_t loop;
    struct rpc_client *client;
    bool connected, landed;
};

static void on_state(void *arg, bool connected)
{
    ((struct blow *)arg)->connected = connected;
}

static void on_done(void *arg, int status, const uint8_t *body, size_t len)
{
    struct blow *blow = arg;
    Wire__SimReply *reply =
        status == 0 ? rpc_unpack(&wire__sim_reply__descriptor, body, len) : NULL;

    if (reply == NULL || !reply->ok) {
        bench_die("podsim refused: %s", reply != NULL ? reply->text : "no answer");
    }
    blow->landed = true;
    wire__sim_reply__free_unpacked(reply, NULL);
}

/* Over podsim's control socket itself, since starting simctl takes as long as
 * what is measured.  Returns when it was sent: the part broke after it. */
static int64_t inject(const struct pod *pod, char *kind, char *part)
{
    Wire__SimRequest request = WIRE__SIM_REQUEST__INIT;
    struct blow blow = {0};
    char url[128], command[] = "inject", *args[] = {kind, part};
    struct error err;

    (void)snprintf(url, sizeof url, "ipc://%s/control.sock", pod->dir);
    if (uv_loop_init(&blow.loop) != 0 ||
        rpc_client_create(&blow.client, &blow.loop, url, RPC_MAX_BYTES, on_state, &blow, &err) <
            0) {
        bench_die("no connection to podsim");
    }
    while (!blow.connected) {
        (void)uv_run(&blow.loop, UV_RUN_ONCE);
    }
    request.version = RPC_VERSION;
    request.command = command;
    request.args = args;
    request.n_args = ARRAY_LEN(args);
    int64_t sent_ms = clock_read().wall.ms;
    rpc_call(blow.client, &request.base, WAIT_MS, on_done, &blow);
    while (!blow.landed) {
        (void)uv_run(&blow.loop, UV_RUN_ONCE);
    }
    rpc_client_destroy(blow.client);
    (void)uv_run(&blow.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&blow.loop);
    return sent_ms;
}

/* --------------------------------------------------------------- the journal -- */

/* "2026-11-21T09:16:00.123Z" */
static int64_t wall_of(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (rest == NULL || *rest != '.') {
        bench_die("'%s' is no time", text);
        return 0;
    }
    return (int64_t)timegm(&tm) * 1000 + strtol(rest + 1, NULL, 10);
}

static json_t *page(const struct pod *pod, int64_t since, const char *wait)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/events?since=%lld&limit=%d%s", (long long)since, A_PAGE,
                   wait);
    json_t *json = http(pod, "GET", path, NULL, &status);
    if (status != 200) {
        bench_die("the journal does not answer");
    }
    return json;
}

static int64_t journal_end(const struct pod *pod)
{
    int64_t since = 0, next = 0;

    do {
        since = next;
        json_t *json = page(pod, since, "");
        next = num(json, "next");
        json_decref(json);
    } while (next > since);
    return next;
}

/* What a client that follows the journal sees; so all of it is durable. */
struct seen {
    char slice[64];
    int64_t reported_ms; /* the first link down, as podmgr took it */
    int64_t incident_ms; /* the client hears of the incident */
    int64_t working_ms;  /* and last, that the slice serves */
    bool recovered;
};

static void take_event(struct seen *seen, const json_t *ev, int64_t now_ms)
{
    const char *type = str(ev, "type");
    bool serves = strcmp(type, "slice.active") == 0 || strcmp(type, "slice.degraded") == 0;

    if (strcmp(type, "link.down") == 0 && seen->reported_ms == 0) {
        seen->reported_ms = wall_of(str(ev, "at"));
    } else if (strcmp(type, "incident.opened") == 0 && seen->incident_ms == 0) {
        seen->incident_ms = now_ms;
    } else if (strcmp(type, "incident.recovered") == 0) {
        seen->recovered = true;
    } else if (serves && strcmp(str(ev, "subject"), seen->slice) == 0) {
        seen->working_ms = now_ms;
    }
}

static void follow(const struct pod *pod, struct seen *seen, int64_t since)
{
    double limit_ms = now_ms() + WAIT_MS;

    while (!seen->recovered) {
        json_t *json = page(pod, since, "&wait=1s"), *ev;
        int64_t heard_ms = clock_read().wall.ms;
        size_t i;
        json_array_foreach(json_object_get(json, "events"), i, ev)
        {
            take_event(seen, ev, heard_ms);
        }
        since = num(json, "next");
        json_decref(json);
        if (now_ms() > limit_ms) {
            bench_die("%s: reported %d, incident %d, works again %d, recovered %d", seen->slice,
                      seen->reported_ms != 0, seen->incident_ms != 0, seen->working_ms != 0,
                      seen->recovered);
        }
    }
}

/* ---------------------------------------------------------------- forgiving -- */

struct word {
    const struct pod *pod;
    const char *part; /* NULL: any */
};

static bool is_out(void *arg)
{
    const struct word *word = arg;
    long status;
    json_t *json = http(word->pod, "GET", "/v1/faults", NULL, &status), *fault;
    bool out = false;
    size_t i;

    json_array_foreach(json_object_get(json, "faults"), i, fault)
    {
        out = out || word->part == NULL || strcmp(str(fault, "target"), word->part) == 0;
    }
    json_decref(json);
    return out;
}

static bool is_in(void *arg)
{
    return !is_out(arg);
}

/* What was swapped is out of service until a person says otherwise; a switch
 * that comes back is taken back without. */
static void forgive(struct pod *pod, const char *cube)
{
    struct word word = {pod, cube};
    long status;

    if (cube != NULL && !await_until(is_out, &word, WAIT_MS)) {
        bench_die("%s is not kept back", cube);
    }
    json_decref(sim(pod, "heal all"));
    pod_await_ready(pod);
    if (cube != NULL) {
        char *path = xasprintf("/v1/faults?target=%s", cube);
        json_decref(http(pod, "DELETE", path, NULL, &status));
        free(path);
    }
    word.part = NULL;
    if (!await_until(is_in, &word, WAIT_MS)) {
        bench_die("the pod is not as before: something is out of service");
    }
}

/* --------------------------------------------------------------------- rows -- */

static bool has_cube(const json_t *slice, const char *cube)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(slice, "cubes"), i, item)
    {
        if (strcmp(str(item, "cube"), cube) == 0) {
            return true;
        }
    }
    return false;
}

/* The slice must be in the state, and no longer over the cube if one is named. */
static void must_be(const struct pod *pod, const char *subject, const char *state,
                    const char *without)
{
    char *path = xasprintf("/v1/slices/%s", subject + strlen("slice/"));
    long status;
    json_t *slice = http(pod, "GET", path, NULL, &status);

    if (strcmp(str(slice, "state"), state) != 0 || (without != NULL && has_cube(slice, without))) {
        bench_die("%s is '%s', not %s%s%s: %s", subject, str(slice, "state"), state,
                  without != NULL ? " without " : "", without != NULL ? without : "",
                  str(slice, "reason"));
    }
    json_decref(slice);
    free(path);
}

static struct seen break_it(char *kind, char *part, const char *cube)
{
    struct pod *pod = bench_mending_pod();
    json_t *slice = bench_activate_on(pod, "{\"topology\":\"8x8x8\",\"cubes\":[0,1,2,3,4,5,6,7],"
                                           "\"accept_degraded\":true}");
    struct seen seen = {0};

    (void)snprintf(seen.slice, sizeof seen.slice, "slice/%s", str(slice, "id"));
    int64_t since = journal_end(pod);
    int64_t sent_ms = inject(pod, kind, part);
    follow(pod, &seen, since);
    seen.incident_ms -= sent_ms;
    must_be(pod, seen.slice, cube != NULL ? "ACTIVE" : "ACTIVE_DEGRADED", cube);
    forgive(pod, cube);
    bench_delete(slice);
    return seen;
}

static struct sample working(const struct seen *seen)
{
    return (struct sample){(double)(seen->working_ms - seen->reported_ms), 1};
}

struct sample bench_failover_cube(unsigned run)
{
    char part[32], cube[32];

    (void)snprintf(part, sizeof part, "host/%u-%u", run % CUBES, run / CUBES % 16);
    (void)snprintf(cube, sizeof cube, "cube/%u", run % CUBES);
    struct seen seen = break_it("host", part, cube);
    return working(&seen);
}

struct sample bench_failover_ocs(unsigned run)
{
    char part[32];

    (void)snprintf(part, sizeof part, "ocs/%u", 17 * (run + 1) % 48);
    struct seen seen = break_it("power-loss", part, NULL);
    return working(&seen);
}

/* A link of copper. */
struct sample bench_detect_link_down(unsigned run)
{
    char part[32], cube[32];

    (void)snprintf(part, sizeof part, "link/%u-1-%u-%u+x", run % CUBES, run / CUBES % 4,
                   run / (4 * CUBES) % 4);
    (void)snprintf(cube, sizeof cube, "cube/%u", run % CUBES);
    struct seen seen = break_it("link", part, cube);
    return (struct sample){(double)seen.incident_ms, 1};
}
