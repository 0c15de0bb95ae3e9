/* The stage of real processes: tests/system/harness.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "scenario.h"
#include "tests/system/harness.h"

enum { PAGE = 500, SLICE_MS = 10 };

struct stage {
    struct pod *pod;
    double heard_at; /* when the daemons start again; 0: they run */
    char *config;
};

static struct stage *up(const struct scenario *s)
{
    struct stage *stage = xcalloc(1, sizeof *stage);
    char text[4096];
    size_t len = (size_t)snprintf(
        text, sizeof text, "  hot_spares: %u\n  cubes_out_max: %u\n  swaps_per_hour_max: %u\n%s",
        s->hot_spares, s->cubes_out_max, s->swaps_per_hour_max, s->n_power > 0 ? "power:\n" : "");

    for (size_t i = 0; i < s->n_power; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "  - domain: %s\n    feeds: [",
                                s->power[i].domain);
        for (size_t k = 0; k < s->power[i].parts.n && len < sizeof text; k++) {
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", k > 0 ? ", " : "",
                                    s->power[i].parts.at[k]);
        }
        len += (size_t)snprintf(text + len, sizeof text - len, "]\n");
    }
    stage->config = xstrdup(text);
    stage->pod = pod_up(&(struct pod_options){.cubes = s->cubes,
                                              .mirror_ms = s->mirror_ms,
                                              .remedy = true,
                                              .healthd = true,
                                              .extra_remedy = stage->config});
    return stage;
}

static void down(struct stage *stage)
{
    pod_down(stage->pod);
    http_close();
    free(stage->config);
    free(stage);
}

static double stage_now_ms(struct stage *stage)
{
    (void)stage;
    return now_ms();
}

static void speak_again(struct stage *stage)
{
    if (stage->heard_at > 0 && now_ms() >= stage->heard_at) {
        stage->heard_at = 0;
        pod_start_tpunetd(stage->pod);
        pod_start_healthd(stage->pod);
    }
}

static void pass(struct stage *stage, unsigned ms)
{
    double end = now_ms() + ms;

    do {
        double left = end - now_ms();
        (void)poll(NULL, 0, left > SLICE_MS ? SLICE_MS : (int)left + 1);
        speak_again(stage);
    } while (now_ms() < end);
}

static void create(struct stage *stage, const struct wanted_job *job)
{
    json_t *cubes = json_array();
    long status;

    for (size_t i = 0; i < job->cubes.n; i++) {
        (void)json_array_append_new(cubes, json_integer(strtol(job->cubes.at[i] + 5, NULL, 10)));
    }
    json_t *body = json_pack("{s:s,s:s,s:b,s:b}", "name", job->name, "topology", job->shape,
                             "twisted", job->twisted, "accept_degraded", job->accept_degraded);
    if (job->cubes.n > 0) {
        (void)json_object_set(body, "cubes", cubes);
    }
    char *text = json_dumps(body, 0);
    json_decref(http(stage->pod, "POST", "/v1/slices", text, &status));
    free(text);
    json_decref(cubes);
    json_decref(body);
}

/* ------------------------------------------------------------------ actions -- */

static bool tell_simulator(struct stage *stage, const char *words, char why[static 200])
{
    json_t *answer = sim(stage->pod, words);
    bool taken = answer != NULL;

    json_decref(answer);
    if (!taken) {
        (void)snprintf(why, 200, "simctl %.150s was refused", words);
    }
    return taken;
}

static bool act(struct stage *stage, const struct step *step, char why[static 200])
{
    char words[512], path[64 + WORD_MAX];
    long status;

    switch (step->kind) {
    case STEP_INJECT:
        (void)snprintf(words, sizeof words, "inject %s %s%s%s%s%s", step->what, step->target,
                       step->key[0] != '\0' ? " --set " : "", step->key,
                       step->key[0] != '\0' ? "=" : "", step->value);
        if (step->for_ms > 0) {
            size_t len = strlen(words);
            (void)snprintf(words + len, sizeof words - len, " --for %ums", step->for_ms);
        }
        return tell_simulator(stage, words, why);
    case STEP_HEAL:
        (void)snprintf(words, sizeof words, "heal %s", step->target);
        return tell_simulator(stage, words, why);
    case STEP_KILL:
        pod_kill_podmgr(stage->pod);
        http_close();
        pod_start_podmgr(stage->pod);
        return true;
    case STEP_SILENCE:
        pod_kill_tpunetd(stage->pod);
        pod_kill_healthd(stage->pod);
        stage->heard_at = step->for_ms > 0 ? now_ms() + step->for_ms : 0;
        return true;
    case STEP_CLEAR:
        (void)snprintf(path, sizeof path, "{\"target\":\"%s\"}", step->target);
        json_decref(http(stage->pod, "POST", "/v1/faults:clear", path, &status));
        (void)snprintf(why, 200, "clear %s: status %ld", step->target, status);
        return status == 200;
    case STEP_AWAIT:
        break;
    }
    abort();
}

/* --------------------------------------------------------------------- look -- */

static json_t *member(struct stage *stage, const char *path, const char *key)
{
    long status;
    json_t *answer = http(stage->pod, "GET", path, NULL, &status);
    json_t *list = status == 200 ? json_incref(json_object_get(answer, key)) : NULL;

    json_decref(answer);
    return list;
}

/* As the other stage has it: cubes by name, and who is merged. */
static void simplify(json_t *slices, json_t *incidents)
{
    size_t i, k;
    json_t *item, *cube;

    json_array_foreach(slices, i, item)
    {
        json_t *names = json_array();
        json_array_foreach(json_object_get(item, "cubes"), k, cube)
        {
            (void)json_array_append(names, json_object_get(cube, "cube"));
        }
        (void)json_object_set_new(item, "cubes", names);
    }
    json_array_foreach(incidents, i, item)
    {
        bool merged = json_is_string(json_object_get(item, "merged_into"));
        (void)json_object_set_new(item, "merged", json_boolean(merged));
    }
}

/* The types of all events so far; NULL: podmgr does not answer. */
static json_t *list_events(struct stage *stage)
{
    json_t *types = json_array(), *page, *event;
    json_int_t since = 0;
    size_t i, n;

    do {
        char path[80];
        (void)snprintf(path, sizeof path, "/v1/events?since=%lld&limit=%d", (long long)since, PAGE);
        page = member(stage, path, "events");
        json_array_foreach(page, i, event)
        {
            (void)json_array_append(types, json_object_get(event, "type"));
            since = json_integer_value(json_object_get(event, "seq"));
        }
        n = json_array_size(page);
        if (page == NULL) {
            json_decref(types);
            return NULL;
        }
        json_decref(page);
    } while (n == PAGE);
    return types;
}

static json_t *look(struct stage *stage)
{
    speak_again(stage);
    json_t *slices = member(stage, "/v1/slices", "slices");
    json_t *incidents = member(stage, "/v1/incidents?limit=1000", "incidents");
    json_t *tickets = member(stage, "/v1/repairs", "repairs");
    json_t *types = list_events(stage);

    if (slices == NULL || incidents == NULL || tickets == NULL || types == NULL) {
        json_decref(slices);
        json_decref(incidents);
        json_decref(tickets);
        json_decref(types);
        return NULL;
    }
    simplify(slices, incidents);
    return json_pack("{s:o,s:o,s:o,s:o}", "slices", slices, "incidents", incidents, "tickets",
                     tickets, "events", types);
}

const struct stage_ops stage_real = {.name = "real",
                                     .up = up,
                                     .down = down,
                                     .create = create,
                                     .act = act,
                                     .pass = pass,
                                     .now_ms = stage_now_ms,
                                     .look = look};
