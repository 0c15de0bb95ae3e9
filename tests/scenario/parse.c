/* A scenario's file.  Kinds of faults and their targets are tried out on a pod of
 * that size, so that what is refused is refused before anything runs. */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

#include "core/incident.h"
#include "core/repair.h"
#include "core/slice.h"
#include "mem.h"
#include "simulator/fault.h"
#include "simulator/fault_kinds.h"
#include "yconf.h"

struct reading {
    struct yconf *doc;
    struct scenario *s;
    struct sim_config config;
    struct world *world; /* to try faults on */
};

static void copy(struct reading *r, const struct yconf_node *map, const char *key, word out,
                 const char *dflt)
{
    const char *text = yconf_str(r->doc, map, key, dflt);

    out[0] = '\0';
    if (text == NULL) {
        yconf_fail(r->doc, map, key, "is missing");
    } else if (strlen(text) >= WORD_MAX) {
        yconf_fail(r->doc, map, key, "has more than %d characters", WORD_MAX - 1);
    } else {
        memcpy(out, text, strlen(text) + 1);
    }
}

static unsigned ms_of(struct reading *r, const struct yconf_node *map, const char *key,
                      unsigned dflt)
{
    return (unsigned)yconf_int(r->doc, map, key, dflt, 0, 3600 * 1000);
}

/* A part of this pod, by its name. */
static void check_part(struct reading *r, const struct yconf_node *map, const char *key,
                       const char *name)
{
    struct part part = {.kind = PART_POD};
    struct error err;

    if (name[0] == '\0') {
        return;
    }
    if (part_parse(&part, name, &err) < 0) {
        yconf_fail(r->doc, map, key, "%s", err.text);
    } else if (part.cube >= r->s->cubes) {
        yconf_fail(r->doc, map, key, "%s is not in a pod of %u cubes", name, r->s->cubes);
    }
}

static void read_words(struct reading *r, const struct yconf_node *map, const char *key,
                       struct words *out, bool parts)
{
    const struct yconf_node *list = yconf_list(r->doc, map, key);

    if (yconf_len(list) > LIST_MAX) {
        yconf_fail(r->doc, map, key, "has more than %d items", LIST_MAX);
        return;
    }
    for (size_t i = 0; i < yconf_len(list); i++) {
        const char *text = yconf_item_str(r->doc, list, i);
        (void)snprintf(out->at[out->n], WORD_MAX, "%s", text);
        if (parts) {
            check_part(r, map, key, out->at[out->n]);
        }
        out->n++;
    }
}

/* ------------------------------------------------------------------- jobs -- */

static bool is_job(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->n_jobs; i++) {
        if (strcmp(s->jobs[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void check_job(struct reading *r, const struct yconf_node *map, const char *key,
                      const char *name)
{
    if (name[0] != '\0' && !is_job(r->s, name)) {
        yconf_fail(r->doc, map, key, "there is no job '%s'", name);
    }
}

static void check_state(struct reading *r, const struct yconf_node *map, const char *key,
                        const char *state)
{
    enum slice_state parsed;

    if (state[0] != '\0' && !slice_state_parse(&parsed, state)) {
        yconf_fail(r->doc, map, key, "a slice is never '%s'", state);
    }
}

static void read_jobs(struct reading *r, const struct yconf_node *root)
{
    const struct yconf_node *list = yconf_list(r->doc, root, "jobs");

    if (yconf_len(list) == 0 || yconf_len(list) > JOBS_MAX) {
        yconf_fail(r->doc, root, "jobs", "has to have 1 to %d jobs", JOBS_MAX);
        return;
    }
    for (size_t i = 0; i < yconf_len(list); i++) {
        const struct yconf_node *map = yconf_item_map(r->doc, list, i);
        struct wanted_job *job = &r->s->jobs[i];
        struct tpunet_shape shape;
        struct tpunet_error err;
        copy(r, map, "name", job->name, NULL);
        copy(r, map, "shape", job->shape, NULL);
        job->twisted = yconf_bool(r->doc, map, "twisted", false);
        job->accept_degraded = yconf_bool(r->doc, map, "accept_degraded", true);
        read_words(r, map, "cubes", &job->cubes, true);
        if (job->shape[0] != '\0' &&
            tpunet_shape_parse(&shape, job->shape, job->twisted, &err) < 0) {
            yconf_fail(r->doc, map, "shape", "%s", err.text);
        }
        if (is_job(r->s, job->name)) {
            yconf_fail(r->doc, map, "name", "there is a job '%s' already", job->name);
        }
        yconf_finish(r->doc, map);
        r->s->n_jobs++;
    }
}

/* ------------------------------------------------------------------ steps -- */

static bool is_instruments_kind(const char *kind)
{
    for (size_t i = 0; i < n_health_fault_kinds; i++) {
        if (strcmp(health_fault_kinds[i].info.name, kind) == 0) {
            return true;
        }
    }
    return false;
}

static void read_inject(struct reading *r, const struct yconf_node *map, struct step *step)
{
    const char *set = yconf_str(r->doc, map, "set", NULL),
               *equals = set != NULL ? strchr(set, '=') : NULL;
    struct fault_request request = {.kind = step->what, .target = step->target};
    struct error err;
    word verdict;

    copy(r, map, "target", step->target, NULL);
    copy(r, map, "verdict", verdict, "SEVERE");
    step->by_instruments = is_instruments_kind(step->what);
    step->verdict = SEVERITY_OK;
    for (int i = SEVERITY_INFO; i <= SEVERITY_FATAL; i++) {
        if (strcmp(verdict, severity_name((enum severity)i)) == 0) {
            step->verdict = (enum severity)i;
        }
    }
    if (step->verdict == SEVERITY_OK) {
        yconf_fail(r->doc, map, "verdict", "'%s' is none of INFO, DEGRADED, SEVERE, FATAL",
                   verdict);
    }
    if (set != NULL && equals == NULL) {
        yconf_fail(r->doc, map, "set", "is not KEY=VALUE");
    } else if (set != NULL) {
        (void)snprintf(step->key, WORD_MAX, "%.*s", (int)(equals - set), set);
        (void)snprintf(step->value, WORD_MAX, "%s", equals + 1);
        request.key = step->key;
        request.value = step->value;
    }
    if (step->target[0] != '\0') {
        int status = fault_inject(r->world, &request, &err);
        if (status < 0 && status != E_CONFLICT) {
            bool kind = strncmp(err.text, "no fault kind", 13) == 0;
            yconf_fail(r->doc, map, kind ? "inject" : "target", "%s", err.text);
        }
    }
}

static void read_silence(struct reading *r, const struct yconf_node *map, struct step *step)
{
    struct part part;

    if (strcmp(step->target, "all") == 0) {
        return;
    }
    check_part(r, map, "silence", step->target);
    if (part_parse(&part, step->target, NULL) == 0 && part.kind != PART_CUBE &&
        part.kind != PART_HOST) {
        yconf_fail(r->doc, map, "silence", "silent can be a host, a cube, or all");
    } else if (r->s->runs_real) {
        yconf_fail(r->doc, map, "silence",
                   "of real processes only all fall silent; say on: [virtual]");
    }
}

static void read_step(struct reading *r, const struct yconf_node *map, struct step *step)
{
    static const struct {
        const char *key;
        enum step_kind kind;
        bool takes_part;
    } kinds[] = {{"inject", STEP_INJECT, false}, {"heal", STEP_HEAL, true},
                 {"kill", STEP_KILL, false},     {"silence", STEP_SILENCE, false},
                 {"clear", STEP_CLEAR, true},    {"await", STEP_AWAIT, false}};
    size_t given = 0;

    step->at_ms = ms_of(r, map, "at_ms", 0);
    step->for_ms = ms_of(r, map, "for_ms", 0);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *value = yconf_str(r->doc, map, kinds[i].key, NULL);
        if (value == NULL) {
            continue;
        }
        given++;
        step->kind = kinds[i].kind;
        copy(r, map, kinds[i].key,
             step->kind == STEP_INJECT || step->kind == STEP_AWAIT ? step->what : step->target,
             NULL);
        if (kinds[i].takes_part && strcmp(step->target, "all") != 0) {
            check_part(r, map, kinds[i].key, step->target);
        }
    }
    if (given != 1) {
        yconf_fail(r->doc, map, NULL,
                   "a step has one of inject, heal, kill, silence, clear, await; this one has %zu",
                   given);
    } else if (step->kind == STEP_INJECT) {
        read_inject(r, map, step);
    } else if (step->kind == STEP_SILENCE) {
        read_silence(r, map, step);
    } else if (step->kind == STEP_KILL && strcmp(step->target, "podmgr") != 0) {
        yconf_fail(r->doc, map, "kill", "only podmgr is killed");
    } else if (step->kind == STEP_AWAIT) {
        copy(r, map, "job", step->target, NULL);
        check_job(r, map, "job", step->target);
        check_state(r, map, "await", step->what);
    }
    yconf_finish(r->doc, map);
}

static void read_steps(struct reading *r, const struct yconf_node *root)
{
    const struct yconf_node *list = yconf_list(r->doc, root, "steps");

    if (yconf_len(list) > STEPS_MAX) {
        yconf_fail(r->doc, root, "steps", "has more than %d steps", STEPS_MAX);
        return;
    }
    for (size_t i = 0; i < yconf_len(list); i++) {
        read_step(r, yconf_item_map(r->doc, list, i), &r->s->steps[r->s->n_steps++]);
    }
}

/* -------------------------------------------------------------------- end -- */

static void read_parts(struct reading *r, const struct yconf_node *expect, const char *key,
                       struct part_end *out, size_t *n, bool tickets)
{
    const struct yconf_node *list = yconf_list(r->doc, expect, key);

    for (size_t i = 0; i < yconf_len(list) && i < LIST_MAX; i++) {
        const struct yconf_node *map = yconf_item_map(r->doc, list, i);
        struct part_end *end = &out[(*n)++];
        enum ticket_state state;
        copy(r, map, "part", end->part, NULL);
        copy(r, map, "state", end->state, "");
        bool known = tickets ? ticket_state_parse(&state, end->state)
                             : strcmp(end->state, "OPEN") == 0 || strcmp(end->state, "CLOSED") == 0;
        if (end->state[0] != '\0' && !known) {
            yconf_fail(r->doc, map, "state", "%s is never '%s'",
                       tickets ? "a ticket" : "an incident", end->state);
        }
        yconf_finish(r->doc, map);
    }
}

static void read_expect(struct reading *r, const struct yconf_node *root)
{
    const struct yconf_node *expect = yconf_map(r->doc, root, "expect");
    const struct yconf_node *jobs = yconf_list(r->doc, expect, "jobs");
    struct scenario *s = r->s;

    if (expect == NULL) {
        yconf_fail(r->doc, root, "expect", "is missing");
        return;
    }
    s->within_ms = ms_of(r, expect, "within_ms", 10000);
    s->hold_ms = ms_of(r, expect, "hold_ms", 0);
    for (size_t i = 0; i < yconf_len(jobs) && i < JOBS_MAX; i++) {
        const struct yconf_node *map = yconf_item_map(r->doc, jobs, i);
        struct job_end *end = &s->ends[s->n_ends++];
        copy(r, map, "name", end->name, NULL);
        copy(r, map, "state", end->state, NULL);
        check_job(r, map, "name", end->name);
        check_state(r, map, "state", end->state);
        read_words(r, map, "with", &end->with, true);
        read_words(r, map, "without", &end->without, true);
        end->untouched = yconf_bool(r->doc, map, "untouched", false);
        yconf_finish(r->doc, map);
    }
    read_parts(r, expect, "incidents", s->incidents, &s->n_incidents, false);
    read_parts(r, expect, "tickets", s->tickets, &s->n_tickets, true);
    s->only_these = yconf_bool(r->doc, expect, "no_other_incident", false);
    read_words(r, expect, "events", &s->events, false);
    read_words(r, expect, "never", &s->never, false);
    yconf_finish(r->doc, expect);
}

/* ------------------------------------------------------------------- file -- */

static void read_pod(struct reading *r, const struct yconf_node *root)
{
    const struct yconf_node *on = yconf_list(r->doc, root, "on");
    const struct yconf_node *remedy = yconf_map(r->doc, root, "remediation");
    const struct yconf_node *power = yconf_list(r->doc, root, "power");
    struct scenario *s = r->s;

    s->runs_virtual = s->runs_real = on == NULL;
    for (size_t i = 0; i < yconf_len(on); i++) {
        const char *where = yconf_item_str(r->doc, on, i);
        s->runs_virtual = s->runs_virtual || strcmp(where, "virtual") == 0;
        s->runs_real = s->runs_real || strcmp(where, "real") == 0;
        if (strcmp(where, "virtual") != 0 && strcmp(where, "real") != 0) {
            yconf_fail(r->doc, root, "on", "'%s' is neither virtual nor real", where);
        }
    }
    s->cubes = (unsigned)yconf_int(r->doc, root, "cubes", 8, 2, 64);
    s->mirror_ms = ms_of(r, root, "mirror_ms", 2);
    s->hot_spares = (unsigned)yconf_int(r->doc, remedy, "hot_spares", 0, 0, 64);
    s->cubes_out_max = (unsigned)yconf_int(r->doc, remedy, "cubes_out_max", 4, 0, 64);
    s->swaps_per_hour_max = (unsigned)yconf_int(r->doc, remedy, "swaps_per_hour_max", 8, 0, 1000);
    yconf_finish(r->doc, remedy);
    for (size_t i = 0; i < yconf_len(power) && i < ARRAY_LEN(s->power); i++) {
        const struct yconf_node *map = yconf_item_map(r->doc, power, i);
        copy(r, map, "domain", s->power[i].domain, NULL);
        read_words(r, map, "feeds", &s->power[i].parts, true);
        yconf_finish(r->doc, map);
        s->n_power++;
    }
}

int scenario_read(struct scenario *out, const char *file, struct error *err)
{
    struct reading r = {.s = out};
    int status = yconf_load(&r.doc, file, err);

    if (status < 0) {
        return status;
    }
    const struct yconf_node *root = yconf_root(r.doc);
    *out = (struct scenario){.file = file};
    copy(&r, root, "name", out->name, NULL);
    read_pod(&r, root);
    r.config = (struct sim_config){.pod = "try",
                                   .cubes = out->cubes,
                                   .ports_per_side = out->cubes + 4,
                                   .seed = 1,
                                   .vc_classes = 3};
    status = world_create(&r.world, &r.config, err);
    if (status == 0) {
        read_jobs(&r, root);
        read_steps(&r, root);
        read_expect(&r, root);
        yconf_finish(r.doc, root);
        status = yconf_error(r.doc, err);
        world_destroy(r.world);
    }
    yconf_destroy(r.doc);
    return status;
}
