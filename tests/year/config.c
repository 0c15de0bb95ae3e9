/* simulator/year.yaml: strict, so that a figure that is meant to count does. */
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "year.h"
#include "yconf.h"

static const struct {
    const char *name;
    enum part_class class;
} causes[CAUSE_COUNT] = {
#define X(id, key, part) [CAUSE_##id] = {key, CLASS_##part},
    CAUSES(X)
#undef X
        [CAUSE_OTHER] = {"other", CLASS_HOST},
};
static const char *const classes[CLASS_COUNT] = {"host", "cable", "switch"};

const char *cause_name(enum year_cause cause)
{
    return causes[cause].name;
}

enum part_class cause_class(enum year_cause cause)
{
    return causes[cause].class;
}

/* A key that has to be there. */
static double number(struct yconf *doc, const struct yconf_node *map, const char *key, double min,
                     double max)
{
    double value = yconf_num(doc, map, key, -1e300, min, max);

    if (value < -1e299) {
        yconf_fail(doc, map, key, "is missing");
        return min;
    }
    return value;
}

static unsigned count(struct yconf *doc, const struct yconf_node *map, const char *key, int64_t min,
                      int64_t max)
{
    int64_t value = yconf_int(doc, map, key, INT64_MIN, min, max);

    if (value == INT64_MIN) {
        yconf_fail(doc, map, key, "is missing");
        return (unsigned)min;
    }
    return (unsigned)value;
}

static void read_pod(struct year_config *c, struct yconf *doc, const struct yconf_node *root)
{
    const struct yconf_node *pod = yconf_map(doc, root, "pod");
    const struct yconf_node *remedy = yconf_map(doc, root, "remediation");

    c->cubes = count(doc, pod, "cubes", 2, 64);
    c->spare_ports = count(doc, pod, "spare_ports", 0, 8);
    c->load = number(doc, pod, "load", 0.01, 1);
    yconf_finish(doc, pod);
    c->remedy = (struct remedy_policy){
        .mode = REMEDY_AUTO,
        .hot_spares = count(doc, remedy, "hot_spares", 0, 32),
        .cubes_out_max = count(doc, remedy, "cubes_out_max", 0, MODEL_CUBES_MAX),
        .swaps_per_hour_max = count(doc, remedy, "swaps_per_hour_max", 0, 1000),
        .confidence_min = number(doc, remedy, "confidence_min", 0, 1)};
    yconf_finish(doc, remedy);
    const struct yconf_node *repair = yconf_map(doc, root, "repair");
    c->repair.burn_in_ms = (int64_t)(6e4 * number(doc, repair, "burn_in_minutes", 0.1, 1e4));
    c->repair.probation_ms = (int64_t)(3.6e6 * number(doc, repair, "probation_hours", 0.01, 1e3));
    yconf_finish(doc, repair);
}

static void read_failures(struct year_config *c, struct yconf *doc, const struct yconf_node *root)
{
    const struct yconf_node *rates = yconf_map(doc, root, "failures");
    const struct yconf_node *kinds = yconf_map(doc, root, "failure_kinds");
    const struct yconf_node *hours = yconf_map(doc, root, "repair_hours");
    double sum[CLASS_COUNT] = {0};

    for (int cause = 0; cause < CAUSE_OTHER; cause++) {
        c->share[cause] = number(doc, kinds, causes[cause].name, 0, 1);
        sum[causes[cause].class] += c->share[cause];
    }
    for (int k = 0; k < CLASS_COUNT; k++) {
        const struct yconf_node *of = yconf_map(doc, hours, classes[k]);
        c->failures[k] = number(doc, rates, classes[k], 0, 10);
        c->repair_hours[k].median = number(doc, of, "median", 0.01, 1000);
        c->repair_hours[k].p95 = number(doc, of, "p95", c->repair_hours[k].median, 10000);
        yconf_finish(doc, of);
        if (sum[k] < 0.999 || sum[k] > 1.001) {
            yconf_fail(doc, root, "failure_kinds", "the shares of a %s add up to %g, not to 1",
                       classes[k], sum[k]);
        }
    }
    yconf_finish(doc, rates);
    yconf_finish(doc, kinds);
    yconf_finish(doc, hours);
}

static void read_people(struct year_config *c, struct yconf *doc, const struct yconf_node *root)
{
    const struct yconf_node *people = yconf_map(doc, root, "people");
    const char *clear_at = yconf_str(doc, people, "clear_at", "");

    c->clear_at = strcmp(clear_at, "PROBATION") == 0 ? TICKET_PROBATION : TICKET_CLOSED;
    if (strcmp(clear_at, ticket_state_name(c->clear_at)) != 0) {
        yconf_fail(doc, people, "clear_at", "is neither PROBATION nor CLOSED");
    }
    c->breaker_reset_minutes = number(doc, people, "breaker_reset_minutes", 0.1, 1e5);
    c->watchdog_seconds = number(doc, people, "watchdog_seconds", 1, 1e6);
    c->resubmit_seconds = number(doc, people, "resubmit_seconds", 0.001, 1e5);
    c->walk_hours = number(doc, people, "walk_hours", 0.1, 1e4);
    yconf_finish(doc, people);
}

static void read_jobs(struct year_config *c, struct yconf *doc, const struct yconf_node *root)
{
    const struct yconf_node *jobs = yconf_map(doc, root, "jobs"),
                            *mix = yconf_list(doc, jobs, "mix");

    c->mean_hours = number(doc, jobs, "mean_hours", 0.1, 10000);
    c->accept_degraded = number(doc, jobs, "accept_degraded", 0, 1);
    c->restart_seconds = number(doc, jobs, "restart_seconds", 0, 1e5);
    if (yconf_len(mix) == 0 || yconf_len(mix) > MIX_MAX) {
        yconf_fail(doc, jobs, "mix", "has to have 1 to %d shapes", MIX_MAX);
        return;
    }
    for (size_t i = 0; i < yconf_len(mix); i++) {
        const struct yconf_node *item = yconf_item_map(doc, mix, i);
        const char *shape = yconf_str(doc, item, "shape", "");
        struct tpunet_error err;
        if (tpunet_shape_parse(&c->mix[i].shape, shape, yconf_bool(doc, item, "twisted", false),
                               &err) < 0 ||
            c->mix[i].shape.mesh) {
            yconf_fail(doc, item, "shape", "%.20s is no torus of whole cubes", shape);
        }
        c->mix[i].share = number(doc, item, "share", 0, 100);
        yconf_finish(doc, item);
        c->n_mix++;
    }
    yconf_finish(doc, jobs);
}

static void read_times(struct year_config *c, struct yconf *doc, const struct yconf_node *root)
{
    const struct yconf_node *times = yconf_map(doc, root, "times_ms"),
                            *noise = yconf_map(doc, root, "noise");
    static const char *const noises[NOISE_COUNT] = {
#define X(name, key) [NOISE_##name] = (key),
        NOISES(X)
#undef X
    };

    c->times = (struct lab_times){.mirror_median = number(doc, times, "mirror_median", 0, 10000),
                                  .mirror_p99 = number(doc, times, "mirror_p99", 0, 60000),
                                  .call = number(doc, times, "call", 0.01, 1000),
                                  .link_report = number(doc, times, "link_report", 0.01, 60000),
                                  .health_report = number(doc, times, "health_report", 0.01, 1e6),
                                  .bringup = number(doc, times, "bringup", 0.01, 60000),
                                  .bringup_a_chip = number(doc, times, "bringup_a_chip", 0, 100),
                                  .reroute = number(doc, times, "reroute", 0, 60000),
                                  .reroute_a_chip = number(doc, times, "reroute_a_chip", 0, 100),
                                  .beat = number(doc, times, "beat", 10, 60000),
                                  .look = number(doc, times, "look", 1000, 1e7)};
    c->lease_ms = count(doc, times, "lease", 1000, 600000);
    yconf_finish(doc, times);
    for (int i = 0; i < NOISE_COUNT; i++) {
        const struct yconf_node *one = yconf_map(doc, noise, noises[i]);
        c->noise[i].a_day = number(doc, one, "a_day", 0, 10000);
        c->noise[i].seconds = number(doc, one, "seconds", 0.01, 86400);
        yconf_finish(doc, one);
    }
    yconf_finish(doc, noise);
}

int year_config_read(struct year_config *out, const char *file, struct error *err)
{
    struct yconf *doc;
    int status = yconf_load(&doc, file, err);

    if (status < 0) {
        return status;
    }
    const struct yconf_node *root = yconf_root(doc);
    *out = (struct year_config){.years = count(doc, root, "years", 0, 1000),
                                .quiet_days = count(doc, root, "quiet_days", 0, 1000000),
                                .seed = count(doc, root, "seed", 0, 1000000000)};
    read_pod(out, doc, root);
    read_failures(out, doc, root);
    read_people(out, doc, root);
    read_jobs(out, doc, root);
    read_times(out, doc, root);
    yconf_finish(doc, root);
    status = yconf_error(doc, err);
    yconf_destroy(doc);
    return status;
}
