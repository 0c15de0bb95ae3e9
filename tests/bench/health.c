/* What the observers of 1,024 hosts cost podmgr: a burst of findings made
 * durable, and a lease a second of each host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "finding.h"
#include "mem.h"
#include "tests/bench/bench.h"
#include "tests/system/observer.h"

enum { HOSTS = 1024, BURSTS = 4, LEASE_S = 3 };

/* ------------------------------------------------------------- preflight -- */

static bool is_observed(void *arg)
{
    long status;
    json_t *json = http(arg, "GET", "/v1/preflight/goldens", NULL, &status);
    bool observed = status == 200 && num(json, "hosts_unobserved") == 0;

    json_decref(json);
    return observed;
}

static struct sample preflight_of(const char *body)
{
    struct pod *pod = bench_observed_pod();

    if (!await_until(is_observed, pod, 20000)) {
        bench_die("healthd said no hello");
    }
    json_t *slice = bench_activate_on(pod, body);
    double ms =
        json_number_value(json_object_get(json_object_get(slice, "timings"), "preflight_ms"));
    if (!(ms > 0)) {
        bench_die("the slice was not checked");
    }
    bench_delete(slice);
    return (struct sample){ms, 1};
}

struct sample bench_preflight_4x4x8(unsigned run)
{
    (void)run;
    return preflight_of("{\"topology\":\"4x4x8\"}");
}

struct sample bench_preflight_4096(unsigned run)
{
    (void)run;
    return preflight_of("{\"topology\":\"16x16x16\"}");
}

/* ---------------------------------------------------------------- events -- */

/* A report of every link of every host, in one message a hundred hosts. */
struct burst {
    Wire__HealthFinding findings[FINDING_LINKS], *finding_list[FINDING_LINKS];
    Wire__HealthReport reports[HOSTS], *list[HOSTS];
};

static char check[] = "link-crc", text[] = "3120 frames in 10 s, limit 10";

static struct burst *make_burst(uint64_t sequence, bool raised)
{
    struct burst *b = xcalloc(1, sizeof *b);

    for (unsigned l = 0; l < FINDING_LINKS; l++) {
        wire__health_finding__init(&b->findings[l]);
        b->findings[l].scope = WIRE__HEALTH_SCOPE__SCOPE_LINK;
        b->findings[l].index = l;
        b->findings[l].check = check;
        b->findings[l].text = text;
        b->findings[l].severity =
            raised ? WIRE__HEALTH_SEVERITY__SEVERITY_DEGRADED : WIRE__HEALTH_SEVERITY__SEVERITY_OK;
        b->finding_list[l] = &b->findings[l];
    }
    for (uint32_t h = 0; h < HOSTS; h++) {
        wire__health_report__init(&b->reports[h]);
        b->reports[h].host = h;
        b->reports[h].sequence = sequence;
        b->reports[h].snapshot = sequence == 0;
        b->reports[h].wall_ms = clock_read().wall.ms;
        b->reports[h].n_findings = FINDING_LINKS;
        b->reports[h].findings = b->finding_list;
        b->list[h] = &b->reports[h];
    }
    return b;
}

static void send_burst(struct observer_end *o, uint64_t sequence, bool raised)
{
    enum { A_MESSAGE = 128 };
    struct burst *b = make_burst(sequence, raised);
    size_t before = o->answers;

    for (size_t h = 0; h < HOSTS; h += A_MESSAGE) {
        Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
        Wire__HealthReports reports = WIRE__HEALTH_REPORTS__INIT;
        reports.epoch = o->epoch;
        reports.n_reports = A_MESSAGE;
        reports.reports = b->list + h;
        request.body_case = WIRE__HEALTH_REQUEST__BODY_REPORTS;
        request.reports = &reports;
        observer_send(o, &request);
    }
    observer_await(o, before + HOSTS / A_MESSAGE);
    if (o->reply == NULL || o->reply->n_refusals > 0) {
        bench_die("podmgr took not all findings");
    }
    free(b);
}

struct sample bench_intake_events(unsigned run)
{
    struct observer_end o;

    observer_open(&o, bench_pod(), "healthd/burst", 1 + run);
    (void)observer_hello(&o, HOSTS);
    send_burst(&o, 0, false);
    double start_ms = now_ms();
    for (uint64_t i = 1; i <= BURSTS; i++) {
        send_burst(&o, i, i % 2 != 0);
    }
    double seconds = (now_ms() - start_ms) / 1e3;
    observer_close(&o);
    size_t n = (size_t)BURSTS * HOSTS * FINDING_LINKS;
    return (struct sample){.value = (double)n / seconds, .n = n};
}

/* ---------------------------------------------------------------- leases -- */

struct spread {
    struct observer_end *o;
    unsigned next;
};

/* Seconds of processor time: fields 14 and 15, and the name before them may have
 * blanks. */
static double cpu_s(pid_t pid)
{
    enum { STATE = 3, USER = 14 };
    char path[64], line[512] = "";

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    char *at = file != NULL && fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    for (unsigned field = STATE; at != NULL && field <= USER; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        bench_die("%s cannot be read", path);
        return 0;
    }
    (void)fclose(file);
    unsigned long user = strtoul(at, &at, 10), system = strtoul(at, NULL, 10);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void lease(struct observer_end *o, unsigned host)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthLease body = WIRE__HEALTH_LEASE__INIT;
    uint8_t bit = 1;

    (void)snprintf(o->name, sizeof o->name, "healthd/%u", host);
    body.epoch = o->epoch;
    body.answering.data = &bit;
    body.answering.len = 1;
    request.body_case = WIRE__HEALTH_REQUEST__BODY_LEASE;
    request.lease = &body;
    observer_send(o, &request);
}

static void hello(struct observer_end *o, uint32_t host)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthHello body = WIRE__HEALTH_HELLO__INIT;

    (void)snprintf(o->name, sizeof o->name, "healthd/%u", host);
    body.version_min = body.version_max = RPC_VERSION;
    body.n_hosts = 1;
    body.hosts = &host;
    request.body_case = WIRE__HEALTH_REQUEST__BODY_HELLO;
    request.hello = &body;
    if (observer_ask(o, &request) == NULL) {
        bench_die("no answer to a hello");
    }
    o->epoch = o->reply->epoch;
}

static void on_tick(uv_timer_t *timer)
{
    struct spread *spread = timer->data;

    for (unsigned i = 0; i < HOSTS / 64; i++) { /* 64 ticks a second */
        lease(spread->o, spread->next++ % HOSTS);
    }
}

/* A process for each host: 1,024 messages a second, spread evenly.  Includes
 * what podmgr does anyway. */
struct sample bench_intake_cpu(unsigned run)
{
    struct observer_end o;
    struct spread spread = {&o, 0};
    uv_timer_t timer;
    const struct pod *pod = bench_pod();

    observer_open(&o, pod, "healthd/0", 100 + run);
    for (uint32_t host = 0; host < HOSTS; host++) {
        hello(&o, host);
    }
    (void)uv_timer_init(&o.loop, &timer);
    timer.data = &spread;
    (void)uv_timer_start(&timer, on_tick, 0, 1000 / 64);
    double start_ms = now_ms(), start_s = cpu_s(pod->podmgr);
    observer_await(&o, o.answers + (size_t)LEASE_S * HOSTS);
    double spent_s = cpu_s(pod->podmgr) - start_s, seconds = (now_ms() - start_ms) / 1e3;
    uv_close((uv_handle_t *)&timer, NULL);
    observer_close(&o);
    return (struct sample){.value = 100 * spent_s / seconds, .n = (size_t)LEASE_S * HOSTS};
}
