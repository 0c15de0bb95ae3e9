/* podsim, tpunetd and podmgr as processes of their own: what a slice costs from
 * the request to ACTIVE, and what the daemons weigh with a full pod. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/system/harness.h"

static struct pod *pod;

static struct pod *up(const struct pod_options *options)
{
    struct pod_options o = *options;
    const char *build = getenv("BUILD");

    if (pod != NULL && (pod->options.remedy != o.remedy || pod->options.healthd != o.healthd)) {
        bench_pod_down();
    }
    if (pod == NULL) {
        o.dir = build != NULL ? build : "build";
        pod = pod_up(&o);
        /* In its first second a podmgr waits for observers that may not be there. */
        bench_delete(bench_activate_on(pod, "{\"topology\":\"4x4x4\"}"));
    }
    return pod;
}

struct pod *bench_pod(void)
{
    return up(&(struct pod_options){0});
}

struct pod *bench_mending_pod(void)
{
    return up(&(struct pod_options){.remedy = true, .remedy_budget = 1000});
}

struct pod *bench_observed_pod(void)
{
    static char golden[4096];
    FILE *file = fopen("packaging/healthd-golden.yaml.example", "r");

    if (file == NULL) {
        bench_die("no packaging/healthd-golden.yaml.example; run it from the top of the tree");
        return NULL;
    }
    golden[fread(golden, 1, sizeof golden - 1, file)] = '\0';
    (void)fclose(file);
    return up(&(struct pod_options){.healthd = true, .golden = golden});
}

void bench_pod_down(void)
{
    if (pod != NULL) {
        pod_down(pod);
        pod = NULL;
    }
}

const char *bench_pod_logs(void)
{
    static char text[96];

    if (pod != NULL) {
        (void)snprintf(text, sizeof text, "; logs in %s", pod->dir);
    }
    return text;
}

json_t *bench_activate(const char *body)
{
    return bench_activate_on(bench_pod(), body);
}

json_t *bench_activate_on(const struct pod *on, const char *body)
{
    json_t *slice = slice_up(on, body);

    if (strcmp(str(slice, "state"), "ACTIVE") != 0) {
        bench_die("%s is '%s', not ACTIVE: %s%s", body, str(slice, "state"), str(slice, "reason"),
                  str(slice, "detail"));
    }
    return slice;
}

void bench_delete(json_t *slice)
{
    if (!slice_down(pod, str(slice, "id"))) {
        bench_die("slice/%s could not be deleted", str(slice, "id"));
    }
    json_decref(slice);
}

static struct sample activate(const char *body)
{
    (void)bench_pod(); /* its start is not measured */
    double start_ms = now_ms();
    json_t *slice = bench_activate(body);
    double took_ms = now_ms() - start_ms;

    bench_delete(slice);
    return (struct sample){took_ms, 1};
}

struct sample bench_activate_8(unsigned run)
{
    (void)run;
    return activate("{\"topology\":\"8x8x8\"}");
}

struct sample bench_activate_16(unsigned run)
{
    (void)run;
    return activate("{\"topology\":\"16x16x16\"}");
}

struct sample bench_bringup(unsigned run)
{
    json_t *slice = bench_activate("{\"topology\":\"16x16x16\"}");
    const json_t *timings = json_object_get(slice, "timings");
    double took_ms = json_number_value(json_object_get(timings, "active_ms")) -
                     json_number_value(json_object_get(timings, "programmed_ms"));

    (void)run;
    bench_delete(slice);
    return (struct sample){took_ms, 1};
}

struct sample bench_podmgr_rss(unsigned run)
{
    json_t *slice = bench_activate("{\"topology\":\"16x16x16\"}");
    double mib = (double)rss_kib(pod->podmgr) / 1024;

    (void)run;
    bench_delete(slice);
    return (struct sample){mib, 1};
}

struct sample bench_podsim_rss(unsigned run)
{
    json_t *slice = bench_activate("{\"topology\":\"16x16x16\"}");
    double mib = (double)rss_kib(pod->podsim) / 1024;

    (void)run;
    bench_delete(slice);
    return (struct sample){mib, 1};
}
