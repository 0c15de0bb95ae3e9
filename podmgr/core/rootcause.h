/* Root cause: from symptoms to the smallest set of shared-risk groups that
 * explains them.
 *
 * Pure: symptoms and what is known of the pod (riskmap.h) in, ranked causes
 * out.  Nothing is remembered between calls; incident.h gives causes a life.
 * The rules stand in rootcause.c. */
#ifndef PODMGR_CORE_ROOTCAUSE_H
#define PODMGR_CORE_ROOTCAUSE_H

#include <stddef.h>

#include "clock.h"
#include "core/riskmap.h"
#include "finding.h"

/* What was seen, and of which signal. */
#define SYMPTOM_KINDS(X)                                                                           \
    X(LINK_DOWN, "link-down", SIGNAL_LINK_END)                                                     \
    X(LINK_FLAP, "link-flap", SIGNAL_LINK_END)                                                     \
    X(LINK_ERRORS, "link-errors", SIGNAL_LINK_END)                                                 \
    X(CHIP_SICK, "chip-sick", SIGNAL_CHIP)                                                         \
    X(HOST_SICK, "host-sick", SIGNAL_HOST)                                                         \
    X(HOST_SILENT, "host-silent", SIGNAL_HOST_LEASE)                                               \
    X(PORT_DARK, "port-dark", SIGNAL_PORT_LIGHT)   /* no light arrives from the fibre */           \
    X(PORT_LOSSY, "port-lossy", SIGNAL_PORT_LIGHT) /* its circuit loses too much */                \
    X(PORT_STUCK, "port-stuck", SIGNAL_PORT_LIGHT) /* the mirror does not move */                  \
    X(OCS_UNREACHABLE, "ocs-unreachable", SIGNAL_OCS)                                              \
    X(OBSERVER_SILENT, "observer-silent", SIGNAL_OBSERVER_LEASE)

enum symptom_kind {
#define X(name, text, signal) SYMPTOM_##name,
    SYMPTOM_KINDS(X)
#undef X
};
enum { SYMPTOM_KIND_COUNT = SYMPTOM_OBSERVER_SILENT + 1 };
const char *symptom_kind_name(enum symptom_kind kind);
enum signal_kind symptom_signal_kind(enum symptom_kind kind);

struct symptom {
    enum symptom_kind kind;
    enum severity severity;
    uint32_t number; /* of the signal, as riskmap.h numbers that kind */
    struct wall_ms first, last;
};

enum { CAUSE_RIVALS_MAX = 3 };

/* A group that explains symptoms, and how sure that is. */
struct cause {
    uint32_t group;
    enum risk_kind kind;
    double confidence; /* 0..1, against every other single explanation */
    enum severity severity;
    struct wall_ms first, last; /* of its symptoms */
    uint32_t *symptoms;         /* evidence: indices into the input, rising */
    size_t n_symptoms;
    uint32_t alone;   /* signals that no other cause explains */
    uint32_t healthy; /* counter-evidence: watched, in the group, and well */
    struct {
        uint32_t group;
        double confidence;
    } rivals[CAUSE_RIVALS_MAX]; /* other explanations of the same, best first */
    size_t n_rivals;
};

struct diagnosis {
    struct cause *causes; /* most recent episode first; in it the strongest first */
    size_t n_causes;
    uint32_t *unexplained; /* indices: noise, or of no part of this pod */
    size_t n_unexplained;
};

struct rootcause_params {
    int64_t episode_gap_ms; /* symptoms further apart are of different episodes */
};
/* More than a lease and a report's way: the host whose links go down now is
 * missed only later. */
static const struct rootcause_params rootcause_defaults = {.episode_gap_ms = 5000};

/* Any order of symptoms gives the same causes. */
void rootcause_find(struct riskmap *map, const struct symptom *symptoms, size_t n,
                    const struct rootcause_params *params, struct diagnosis *out);
void diagnosis_fini(struct diagnosis *d);

/* Counter-evidence by name: writes up to `max` watched signals of the cause's
 * group that no symptom is about, and returns how many it wrote. */
size_t rootcause_healthy(const struct riskmap *map, const struct symptom *symptoms, size_t n,
                         uint32_t group, uint32_t *signals, size_t max);

#endif
