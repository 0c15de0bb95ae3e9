/* What the observers (healthd) say of hosts, chips and links: the latest
 * findings, who reported them, and when each host was last heard of.
 *
 * Volatile: after a restart nothing is known until the observers have said
 * hello and sent their snapshots, which they do at once.  What changed is in
 * the journal (`health.verdict`).  Nothing is decided here; remediation reads
 * it through the accessors below. */
#ifndef PODMGR_CORE_HEALTH_H
#define PODMGR_CORE_HEALTH_H

#include "core/model.h"
#include "finding.h"

enum { HEALTH_FINDINGS = 512 }; /* at one host; many times what its parts have checks */

struct host_health {
    uint32_t observer;      /* id; 0 = nobody has said hello for it */
    uint64_t next_sequence; /* 0 = a snapshot is due */
    struct mono_ns heard;   /* when its probe last answered; 0 = never */
    bool silent;            /* the observer lives, but the probe does not answer */
    struct finding *findings;
    size_t n_findings, cap_findings;
};

/* An observer's report of one host. */
struct health_report {
    uint32_t observer;
    uint16_t host;
    uint64_t sequence;
    bool snapshot;
    struct finding *findings;
    size_t n_findings;
};

/* The golden limits of an observer, as it said; NAN where there is none. */
enum { GOLDENS_MAX = 64 };
struct goldens {
    char file[128];
    size_t n;
    struct golden_word {
        char metric[32], unit[16];
        double min, max;
        bool required;
    } limits[GOLDENS_MAX];
};

/* The check of a finding that podmgr made itself, after a preflight. */
#define HEALTH_PREFLIGHT "preflight"

struct observer {
    uint32_t id;
    char name[64]; /* "healthd/NAME" */
    uint64_t instance;
    struct mono_ns seen;
    uint16_t *hosts;
    size_t n_hosts;
    struct goldens *goldens; /* NULL: it knows no limits */
};

struct observed *health_create(void);
void health_destroy(struct observed *health);

const struct host_health *health_of(const struct model *m, unsigned host);
const struct observer *health_observer_named(const struct model *m, const char *name);
/* Its worst finding, NULL if it has none: of a whole host with all its parts, or
 * of one part alone. */
const struct finding *health_worst_of_host(const struct model *m, unsigned host);
const struct finding *health_worst_of_part(const struct model *m, unsigned host,
                                           enum finding_scope scope, unsigned index);
const struct observer *health_observers(const struct model *m, size_t *n);
/* Who stands for the host and was heard within that time; 0: nobody. */
uint32_t health_observer(const struct model *m, unsigned host, struct mono_ns now,
                         unsigned within_ms);
/* Somebody vouches for the host: its probe answered within `within_ms`. */
bool health_is_observed(const struct model *m, unsigned host, struct mono_ns now,
                        unsigned within_ms);

#endif
