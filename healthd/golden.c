#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "yconf.h"

/* Units of one dimension, and how much of the first one they are. */
static const struct unit {
    const char *of, *name;
    double factor;
} units[] = {
    {"us", "ns", 1e-3},      {"us", "us", 1},
    {"us", "ms", 1e3},       {"us", "s", 1e6},
    {"ms", "us", 1e-3},      {"ms", "ms", 1},
    {"ms", "s", 1e3},        {"C", "C", 1},
    {"dBm", "dBm", 1},       {"Gbit/s", "Mbit/s", 1e-3},
    {"Gbit/s", "Gbit/s", 1}, {"Gbit/s", "Tbit/s", 1e3},
    {"%", "%", 1},           {"errors", "errors", 1},
    {"frames", "frames", 1}, {"words", "words", 1},
    {"lines", "lines", 1},   {"trainings", "trainings", 1},
    {"alarms", "alarms", 1}, {"steps", "steps", 1},
};

/* A bare number is of the unit "", which only a metric without one has. */
static bool convert(const char *of, const char *name, double *value)
{
    if (*of == '\0' && *name == '\0') {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(units[i].of, of) == 0 && strcmp(units[i].name, name) == 0) {
            *value *= units[i].factor;
            return true;
        }
    }
    return false;
}

static void list_units(char *out, size_t size, const char *of)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(units) && len < size; i++) {
        if (strcmp(units[i].of, of) == 0) {
            len +=
                (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", units[i].name);
        }
    }
}

/* "85 C", in the metric's unit. */
static double read_limit(struct yconf *doc, const struct yconf_node *map, const char *key,
                         const char *of, double dflt)
{
    const char *text = yconf_str(doc, map, key, NULL);
    char list[96], *end;

    if (text == NULL) {
        return dflt;
    }
    double value = strtod(text, &end);
    if (end == text || !isfinite(value)) {
        yconf_fail(doc, map, key, "'%.40s' does not begin with a number", text);
        return dflt;
    }
    const char *unit = end + strspn(end, " ");
    if (!convert(of, unit, &value)) {
        list_units(list, sizeof list, of);
        yconf_fail(doc, map, key, "'%.40s' is of the unit '%.20s'; this is measured in %s", text,
                   unit, *of != '\0' ? list : "a bare number");
    }
    return value;
}

static void read_one(struct golden_limit *out, struct yconf *doc, const struct yconf_node *limits,
                     const char *name, const char *unit)
{
    const struct yconf_node *map = yconf_map(doc, limits, name);

    *out = (struct golden_limit){.there = map != NULL, .min = -INFINITY, .max = INFINITY};
    if (map == NULL) {
        return;
    }
    out->min = read_limit(doc, map, "min", unit, -INFINITY);
    out->max = read_limit(doc, map, "max", unit, INFINITY);
    out->required = yconf_bool(doc, map, "required", false);
    yconf_finish(doc, map);
    if (isinf(out->min) && isinf(out->max)) {
        yconf_fail(doc, limits, name, "has neither min nor max");
    } else if (out->min > out->max) {
        yconf_fail(doc, map, "min", "is above max: nothing can be right");
    }
}

int golden_load(struct golden *out, const char *file, struct error *err)
{
    struct yconf *doc;
    int status = yconf_load(&doc, file, err);

    if (status < 0) {
        return status;
    }
    const struct yconf_node *limits = yconf_map(doc, yconf_root(doc), "limits");
    if (limits == NULL) {
        yconf_fail(doc, NULL, "limits", "is required");
    }
    for (size_t m = 0; m < N_METRICS; m++) {
        const struct metric_info *info = metric_info((enum metric)m);
        read_one(&out->metrics[m], doc, limits, info->name, info->unit);
    }
    read_one(&out->transfer, doc, limits, "transfer", "us");
    yconf_finish(doc, limits);
    yconf_finish(doc, yconf_root(doc));
    status = yconf_error(doc, err);
    yconf_destroy(doc);
    return status;
}

enum golden_outcome golden_judge(const struct golden_limit *limit, double value)
{
    if (isnan(value)) {
        return limit->required ? GOLDEN_BAD : GOLDEN_UNKNOWN;
    }
    return value >= limit->min && value <= limit->max ? GOLDEN_GOOD : GOLDEN_BAD;
}
