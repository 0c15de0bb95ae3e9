/* A scenario is carried out, and judged by what can be seen from outside. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "scenario.h"

enum { POLL_MS = 25, BEGIN_MS = 20000, AWAIT_MS = 20000 };

struct play {
    const struct scenario *s;
    const struct stage_ops *ops;
    struct stage *stage;
    json_int_t versions[JOBS_MAX]; /* when all jobs ran */
    char *why;
    size_t why_size;
};

static bool no(struct play *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool no(struct play *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(p->why, p->why_size, fmt, ap);
    va_end(ap);
    return false;
}

/* --------------------------------------------------------------- judgement -- */

static json_t *named(json_t *list, const char *key, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, key)), name) == 0) {
            return item;
        }
    }
    return NULL;
}

static const char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));
    return text != NULL ? text : "";
}

static bool has(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), text) == 0) {
            return true;
        }
    }
    return false;
}

static size_t job_index(const struct scenario *s, const char *name)
{
    size_t i = 0;

    while (strcmp(s->jobs[i].name, name) != 0) {
        i++; /* the parser has seen that it is there */
    }
    return i;
}

static bool job_is_as_expected(struct play *p, json_t *seen, const struct job_end *end)
{
    json_t *slice = named(json_object_get(seen, "slices"), "name", end->name);
    const json_t *cubes = json_object_get(slice, "cubes");

    if (strcmp(text_of(slice, "state"), end->state) != 0) {
        return no(p, "job %s is %s, not %s: %s", end->name,
                  slice != NULL ? text_of(slice, "state") : "gone", end->state,
                  text_of(slice, "reason"));
    }
    for (size_t i = 0; i < end->with.n; i++) {
        if (!has(cubes, end->with.at[i])) {
            return no(p, "job %s does not have %s", end->name, end->with.at[i]);
        }
    }
    for (size_t i = 0; i < end->without.n; i++) {
        if (has(cubes, end->without.at[i])) {
            return no(p, "job %s still has %s", end->name, end->without.at[i]);
        }
    }
    json_int_t version = json_integer_value(json_object_get(slice, "version"));
    if (end->untouched && version != p->versions[job_index(p->s, end->name)]) {
        return no(p, "job %s was touched", end->name);
    }
    return true;
}

static bool parts_are_there(struct play *p, json_t *list, const struct part_end *ends, size_t n,
                            const char *what)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *item = named(list, "part", ends[i].part);
        if (item == NULL) {
            return no(p, "there is no %s about %s", what, ends[i].part);
        }
        if (ends[i].state[0] != '\0' && strcmp(text_of(item, "state"), ends[i].state) != 0) {
            return no(p, "the %s about %s is %s, not %s", what, ends[i].part,
                      text_of(item, "state"), ends[i].state);
        }
    }
    return true;
}

static bool no_other_incident(struct play *p, json_t *list)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        bool expected = json_is_true(json_object_get(item, "merged"));
        for (size_t k = 0; k < p->s->n_incidents; k++) {
            expected = expected || strcmp(text_of(item, "part"), p->s->incidents[k].part) == 0;
        }
        if (!expected) {
            return no(p, "there is an incident about %s", text_of(item, "part"));
        }
    }
    if (json_array_size(list) > p->s->n_incidents) {
        size_t own = 0;
        json_array_foreach(list, i, item) own += !json_is_true(json_object_get(item, "merged"));
        return own == p->s->n_incidents || no(p, "there are %zu incidents", own);
    }
    return true;
}

static bool events_are_in_order(struct play *p, const json_t *events)
{
    size_t i, next = 0;
    json_t *event;

    json_array_foreach(events, i, event)
    {
        next +=
            next < p->s->events.n && strcmp(json_string_value(event), p->s->events.at[next]) == 0;
    }
    return next == p->s->events.n ||
           no(p, "%s did not happen%s%s", p->s->events.at[next], next > 0 ? " after " : "",
              next > 0 ? p->s->events.at[next - 1] : "");
}

static bool nothing_forbidden(struct play *p, const json_t *seen)
{
    for (size_t i = 0; i < p->s->never.n; i++) {
        if (has(json_object_get(seen, "events"), p->s->never.at[i])) {
            return no(p, "%s happened", p->s->never.at[i]);
        }
    }
    return true;
}

static bool is_as_expected(struct play *p, json_t *seen)
{
    const struct scenario *s = p->s;
    json_t *incidents = json_object_get(seen, "incidents");

    for (size_t i = 0; i < s->n_ends; i++) {
        if (!job_is_as_expected(p, seen, &s->ends[i])) {
            return false;
        }
    }
    return parts_are_there(p, incidents, s->incidents, s->n_incidents, "incident") &&
           parts_are_there(p, json_object_get(seen, "tickets"), s->tickets, s->n_tickets,
                           "ticket") &&
           (!s->only_these || no_other_incident(p, incidents)) &&
           events_are_in_order(p, json_object_get(seen, "events")) && nothing_forbidden(p, seen);
}

/* ------------------------------------------------------------------- waiting -- */

typedef bool seen_fn(struct play *p, json_t *seen, const void *arg);

static bool await(struct play *p, seen_fn *fn, const void *arg, unsigned limit_ms)
{
    double end = p->ops->now_ms(p->stage) + limit_ms;

    for (;;) {
        json_t *seen = p->ops->look(p->stage);
        bool good = seen != NULL ? fn(p, seen, arg) : no(p, "podmgr does not answer");
        json_decref(seen);
        if (good || p->ops->now_ms(p->stage) > end) {
            return good;
        }
        p->ops->pass(p->stage, POLL_MS);
    }
}

static bool all_run(struct play *p, json_t *seen, const void *arg)
{
    (void)arg;
    for (size_t i = 0; i < p->s->n_jobs; i++) {
        json_t *slice = named(json_object_get(seen, "slices"), "name", p->s->jobs[i].name);
        if (strncmp(text_of(slice, "state"), "ACTIVE", 6) != 0) {
            return no(p, "job %s does not begin: %s %s", p->s->jobs[i].name,
                      text_of(slice, "state"), text_of(slice, "reason"));
        }
        p->versions[i] = json_integer_value(json_object_get(slice, "version"));
    }
    return true;
}

static bool job_is(struct play *p, json_t *seen, const void *arg)
{
    const struct step *step = arg;
    json_t *slice = named(json_object_get(seen, "slices"), "name", step->target);

    return strcmp(text_of(slice, "state"), step->what) == 0 ||
           no(p, "await: job %s is %s, not %s: %s", step->target, text_of(slice, "state"),
              step->what, text_of(slice, "reason"));
}

static bool has_ended_well(struct play *p, json_t *seen, const void *arg)
{
    (void)arg;
    return is_as_expected(p, seen);
}

/* --------------------------------------------------------------------- play -- */

static bool play_steps(struct play *p)
{
    double began = p->ops->now_ms(p->stage);
    char why[200];

    for (size_t i = 0; i < p->s->n_steps; i++) {
        const struct step *step = &p->s->steps[i];
        double now = p->ops->now_ms(p->stage) - began;
        if (now < step->at_ms) {
            p->ops->pass(p->stage, step->at_ms - (unsigned)now);
        }
        if (step->kind == STEP_AWAIT) {
            if (!await(p, job_is, step, step->for_ms > 0 ? step->for_ms : AWAIT_MS)) {
                return false;
            }
            began = p->ops->now_ms(p->stage);
        } else if (!p->ops->act(p->stage, step, why)) {
            return no(p, "step %zu: %s", i + 1, why);
        }
    }
    return true;
}

/* For so long it stays as it was found. */
static bool holds(struct play *p)
{
    double end = p->ops->now_ms(p->stage) + p->s->hold_ms;

    while (p->ops->now_ms(p->stage) < end) {
        p->ops->pass(p->stage, POLL_MS);
        json_t *seen = p->ops->look(p->stage);
        bool good = seen != NULL && is_as_expected(p, seen);
        json_decref(seen);
        if (!good) {
            return false;
        }
    }
    return true;
}

bool scenario_run(const struct scenario *s, const struct stage_ops *ops, double *took_ms, char *why,
                  size_t why_size)
{
    struct play p = {.s = s, .ops = ops, .why = why, .why_size = why_size};

    p.stage = ops->up(s);
    for (size_t i = 0; i < s->n_jobs; i++) {
        ops->create(p.stage, &s->jobs[i]);
    }
    bool good = await(&p, all_run, NULL, BEGIN_MS);
    double began = ops->now_ms(p.stage);
    good = good && play_steps(&p) && await(&p, has_ended_well, NULL, s->within_ms);
    *took_ms = ops->now_ms(p.stage) - began;
    good = good && holds(&p);
    ops->down(p.stage);
    return good;
}
