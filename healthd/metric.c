#include "metric.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* The first metric of each class, and the end. */
static const unsigned first[PROBE_CLASSES + 1] = {METRIC_CHIP_PRESENT, METRIC_PCIE_CORRECTABLE,
                                                  METRIC_LINK_CRC, N_METRICS};

#define PLACE_PROBE_CHIPS METRIC_CHIP_PRESENT
#define PLACE_PROBE_HOST  METRIC_PCIE_CORRECTABLE
#define PLACE_PROBE_LINKS METRIC_LINK_CRC
static const struct metric_info infos[] = {
#define X(id, class, name, kind, unit) {name, unit, class, kind, METRIC_##id - PLACE_##class},
    METRICS(X)
#undef X
};

const struct metric_info *metric_info(enum metric metric)
{
    assert((size_t)metric < ARRAY_LEN(infos));
    return &infos[metric];
}

bool metric_named(const char *name, enum metric *out)
{
    for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
        if (strcmp(infos[i].name, name) == 0) {
            *out = (enum metric)i;
            return true;
        }
    }
    return false;
}

unsigned class_metrics(enum probe_class class)
{
    return first[class + 1] - first[class];
}

enum finding_scope class_scope(enum probe_class class)
{
    static const enum finding_scope scopes[] = {SCOPE_CHIP, SCOPE_HOST, SCOPE_LINK};

    assert((size_t) class < ARRAY_LEN(scopes));
    return scopes[class];
}

size_t class_values(enum probe_class class)
{
    size_t n = (size_t)class_metrics(class) * finding_parts(class_scope(class));

    assert(n <= READING_MAX);
    return n;
}

void reading_clear(struct reading *reading)
{
    reading->incarnation = 0;
    for (size_t i = 0; i < READING_MAX; i++) {
        reading->values[i] = (double)NAN;
    }
}
