/* The stage in virtual time: tests/lab with a database on the disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "scenario.h"
#include "simulator/fault.h"
#include "simulator/health_device.h"
#include "tests/lab/lab.h"

enum { RESTART_MS = 300, HEAL_MAX = 64 };

struct found {
    word target, kind;
};
struct stage {
    struct lab *lab;
    struct power_feed feeds[4 * LIST_MAX];
    char database[64];
    json_t *events;
    struct found found[HEAL_MAX]; /* by healthd, until it is healed */
    size_t n_found;
};

static void on_journal(void *arg, const struct journal_entry *entry)
{
    struct stage *stage = arg;

    (void)json_array_append_new(stage->events, json_string(entry->type));
}

static void pass(struct stage *stage, unsigned ms)
{
    lab_wake(stage->lab, ms + 100.0);
    lab_run(stage->lab, lab_now_ns(stage->lab) + ms * LAB_MS);
}

static double now_ms(struct stage *stage)
{
    return (double)lab_now_ns(stage->lab) / 1e6;
}

static void remove_database(const struct stage *stage)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock"};
    char path[80];

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        (void)snprintf(path, sizeof path, "%s%s", stage->database, suffixes[i]);
        (void)unlink(path);
    }
}

static struct stage *up(const struct scenario *s)
{
    struct stage *stage = xcalloc(1, sizeof *stage);
    struct lab_options options = {.cubes = s->cubes,
                                  .ports_per_side = s->cubes + 4,
                                  .seed = 7,
                                  .times = {.mirror_median = s->mirror_ms,
                                            .mirror_p99 = 3.0 * s->mirror_ms,
                                            .call = 1,
                                            .link_report = 10,
                                            .health_report = 500,
                                            .bringup = 20,
                                            .bringup_a_chip = 0.03,
                                            .reroute = 20,
                                            .reroute_a_chip = 0.05,
                                            .beat = 250,
                                            .look = 30000},
                                  .remedy = {.mode = REMEDY_AUTO,
                                             .hot_spares = s->hot_spares,
                                             .cubes_out_max = s->cubes_out_max,
                                             .swaps_per_hour_max = s->swaps_per_hour_max,
                                             .confidence_min = 0.6},
                                  .feeds = stage->feeds,
                                  .lease_ms = 1500,
                                  .database = stage->database};

    for (size_t i = 0; i < s->n_power; i++) {
        for (size_t k = 0; k < s->power[i].parts.n; k++) {
            struct power_feed *feed = &stage->feeds[options.n_feeds++];
            (void)snprintf(feed->domain, sizeof feed->domain, "%s", s->power[i].domain);
            (void)part_parse(&feed->part, s->power[i].parts.at[k], NULL);
        }
    }
    (void)snprintf(stage->database, sizeof stage->database, "/tmp/scenario-%ld.db", (long)getpid());
    remove_database(stage);
    stage->events = json_array();
    stage->lab = lab_create(&options);
    stage->lab->on_journal = on_journal;
    stage->lab->hook_arg = stage;
    pass(stage, 2000);
    return stage;
}

static void down(struct stage *stage)
{
    lab_destroy(stage->lab);
    remove_database(stage);
    json_decref(stage->events);
    free(stage);
}

static void create(struct stage *stage, const struct wanted_job *job)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .who = "the scenario"};

    ev.create = xcalloc(1, sizeof *ev.create);
    (void)snprintf(ev.create->name, sizeof ev.create->name, "%.60s", job->name);
    (void)tpunet_shape_parse(&ev.create->shape, job->shape, job->twisted, NULL);
    ev.create->accept_degraded = job->accept_degraded;
    ev.create->cubes = job->cubes.n > 0 ? xcalloc(job->cubes.n, sizeof *ev.create->cubes) : NULL;
    for (size_t i = 0; i < job->cubes.n; i++) {
        struct part part;
        if (part_parse(&part, job->cubes.at[i], NULL) == 0) {
            ev.create->cubes[ev.create->n_cubes++] = part.cube;
        }
    }
    lab_post(stage->lab, &ev);
    pass(stage, 10);
}

/* ------------------------------------------------------------------ actions -- */

/* What healthd says of the part. */
static void tell_verdict(struct stage *stage, const char *target, const char *check,
                         enum severity severity)
{
    struct part part;
    unsigned host = 0, index = 0;
    enum finding_scope scope = SCOPE_HOST;

    if (part_parse(&part, target, NULL) < 0) {
        return;
    }
    if (part.kind == PART_HOST) {
        host = part.cube * (unsigned)TPUNET_CUBE_HOSTS + part.host;
    } else {
        struct tpunet_chip chip = {.cube = part.cube, .at = {part.at[0], part.at[1], part.at[2]}};
        host = part.cube * (unsigned)TPUNET_CUBE_HOSTS + tpunet_chip_host(chip);
        for (unsigned k = 0; k < 4; k++) {
            index = tpunet_chip_number(tpunet_host_chip(part.cube, host % TPUNET_CUBE_HOSTS, k)) ==
                            tpunet_chip_number(chip)
                        ? k
                        : index;
        }
        scope = part.kind == PART_CHIP ? SCOPE_CHIP : SCOPE_LINK;
        index = part.kind == PART_CHIP ? index : index * TPUNET_PORTS + part.axis * 2U + part.minus;
    }
    lab_find(stage->lab, host, scope, index, check, severity);
}

static bool inject(struct stage *stage, const struct step *step, char why[static 200])
{
    struct fault_request request = {.kind = step->what,
                                    .target = step->target,
                                    .key = step->key[0] != '\0' ? step->key : NULL,
                                    .value = step->key[0] != '\0' ? step->value : NULL,
                                    .for_ns = step->for_ms * LAB_MS};
    struct error err;

    if (fault_inject(stage->lab->w, &request, &err) < 0) {
        (void)snprintf(why, 200, "%.190s", err.text);
        return false;
    }
    if (step->by_instruments && stage->n_found < HEAL_MAX) {
        struct found *found = &stage->found[stage->n_found++];
        memcpy(found->target, step->target, sizeof found->target);
        memcpy(found->kind, step->what, sizeof found->kind);
        pass(stage, (unsigned)stage->lab->options.times.health_report);
        tell_verdict(stage, step->target, step->what, step->verdict);
    }
    return true;
}

static bool heal(struct stage *stage, const char *target, char why[static 200])
{
    struct error err;

    if (fault_heal(stage->lab->w, target, &err) < 0) {
        (void)snprintf(why, 200, "%.190s", err.text);
        return false;
    }
    for (size_t i = stage->n_found; i-- > 0;) {
        if (strcmp(target, "all") == 0 || strcmp(target, stage->found[i].target) == 0) {
            tell_verdict(stage, stage->found[i].target, stage->found[i].kind, SEVERITY_OK);
            stage->found[i] = stage->found[--stage->n_found];
        }
    }
    return true;
}

static void silence(struct stage *stage, const char *target, bool on)
{
    struct part part = {.kind = PART_POD};

    if (strcmp(target, "all") != 0) {
        (void)part_parse(&part, target, NULL);
    }
    for (unsigned h = 0; h < stage->lab->pod.n_cubes * (unsigned)TPUNET_CUBE_HOSTS; h++) {
        bool meant = part.kind == PART_POD ||
                     (h / TPUNET_CUBE_HOSTS == part.cube &&
                      (part.kind == PART_CUBE || h % TPUNET_CUBE_HOSTS == part.host));
        if (meant) {
            lab_silence_tpunetd(stage->lab, h, on);
            lab_silence_healthd(stage->lab, h, on);
        }
    }
}

struct sound {
    struct stage *stage;
    word target;
};

static void on_heard_again(void *arg)
{
    struct sound *sound = arg;

    if (sound->stage->lab->model != NULL) {
        silence(sound->stage, sound->target, false);
    }
    free(sound);
}

static bool act(struct stage *stage, const struct step *step, char why[static 200])
{
    struct event ev = {.kind = EV_CLEAR_PART, .who = "the scenario"};
    struct sound *sound;

    switch (step->kind) {
    case STEP_INJECT:
        return inject(stage, step, why);
    case STEP_HEAL:
        return heal(stage, step->target, why);
    case STEP_KILL:
        lab_kill(stage->lab);
        pass(stage, RESTART_MS);
        lab_start(stage->lab);
        return true;
    case STEP_SILENCE:
        silence(stage, step->target, true);
        if (step->for_ms > 0) {
            sound = xcalloc(1, sizeof *sound);
            sound->stage = stage;
            memcpy(sound->target, step->target, sizeof sound->target);
            lab_after(stage->lab, step->for_ms, on_heard_again, sound);
        }
        return true;
    case STEP_CLEAR:
        (void)part_parse(&ev.word.part, step->target, NULL);
        lab_post(stage->lab, &ev);
        return true;
    case STEP_AWAIT:
        break;
    }
    abort();
}

/* --------------------------------------------------------------------- look -- */

static json_t *slices_of(const struct model *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_slices; i++) {
        const struct slice *slice = m->slices[i];
        json_t *cubes = json_array();
        for (unsigned c = 0; c < slice->intent->n_cubes; c++) {
            (void)json_array_append_new(cubes, json_sprintf("cube/%u", slice->intent->cubes[c]));
        }
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:I,s:o}", "name", slice->spec.name, "state",
                            slice_state_name(slice->state), "reason", slice->reason, "version",
                            (json_int_t)slice->version, "cubes", cubes));
    }
    return list;
}

static json_t *look(struct stage *stage)
{
    const struct model *m = stage->lab->model;
    json_t *incidents = json_array(), *tickets = json_array();

    for (size_t i = incidents_count(m->incidents); i-- > 0;) {
        const struct incident *incident = incidents_at(m->incidents, i);
        (void)json_array_append_new(incidents,
                                    json_pack("{s:s,s:s,s:b}", "part", incident->part, "state",
                                              incident_is_open(incident) ? "OPEN" : "CLOSED",
                                              "merged", !id_is_none(incident->merged_into)));
    }
    for (size_t i = tickets_count(m->tickets); i-- > 0;) {
        const struct ticket *ticket = tickets_at(m->tickets, i);
        (void)json_array_append_new(tickets, json_pack("{s:s,s:s}", "part", ticket->part, "state",
                                                       ticket_state_name(ticket->state)));
    }
    return json_pack("{s:o,s:o,s:o,s:O}", "slices", slices_of(m), "incidents", incidents, "tickets",
                     tickets, "events", stage->events);
}

const struct stage_ops stage_virtual = {.name = "virtual",
                                        .up = up,
                                        .down = down,
                                        .create = create,
                                        .act = act,
                                        .pass = pass,
                                        .now_ms = now_ms,
                                        .look = look};
