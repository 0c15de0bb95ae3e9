/* Incidents: what belongs together is one story, told from its first symptom to
 * its end.
 *
 * Root causes come and go with every analysis; an incident is a cause with a
 * life.  It is opened once, updated while evidence grows or the cause is
 * understood better, and closed when the cause has been gone for long enough.
 * The rules stand in incident.c.  Pure: time and ids come in; what changed goes
 * out as news, for the journal and the store. */
#ifndef PODMGR_CORE_INCIDENT_H
#define PODMGR_CORE_INCIDENT_H

#include "core/model.h"
#include "core/rootcause.h"

enum {
    INCIDENT_ACTIONS = 32, /* the last ones are kept */
    INCIDENT_TEXT_MAX = 200,
    INCIDENTS_CLOSED_KEPT = 1000,
};

struct incident_action {
    struct wall_ms at;
    char text[INCIDENT_TEXT_MAX];
};

struct incident {
    struct mono_ns hurt_since; /* of this process: a slice is hurt since, 0: none is */
    struct id id;
    enum risk_kind kind; /* of the cause */
    char part[RISKMAP_NAME_MAX];
    double confidence;
    char rivals[INCIDENT_TEXT_MAX]; /* "fibre/9-x-0-0 0.30, port/0-n-5 0.20" */
    enum severity severity;         /* the gravest so far */
    struct wall_ms began;           /* first symptom */
    struct wall_ms opened, updated, closed;
    struct wall_ms decided, recovered; /* first action; all slices work again; 0: not yet */
    uint32_t symptoms, healthy;        /* evidence and counter-evidence, when last seen */
    uint32_t count;                    /* times that the cause came */
    struct id merged_into;             /* it turned out to be part of that one */
    struct id *slices;                 /* touched, in the order in which they were */
    size_t n_slices, cap_slices;
    struct incident_action actions[INCIDENT_ACTIONS];
    size_t n_actions;

    /* Not kept over a restart: */
    uint64_t *signals; /* that it explained when last seen, rising */
    size_t n_signals;
    struct wall_ms gone; /* since when the cause is away; 0: it is there */
    bool recalled;       /* open when podmgr started, and its cause was not seen since */
};
static inline bool incident_is_open(const struct incident *incident)
{
    return incident->closed.ms == 0;
}
void incident_destroy(struct incident *incident);

struct incidents; /* sorted by id */
struct incidents *incidents_create(void);
void incidents_destroy(struct incidents *list);
size_t incidents_count(const struct incidents *list);
struct incident *incidents_at(const struct incidents *list, size_t i);
struct incident *incidents_find(const struct incidents *list, struct id id); /* NULL if gone */
void incidents_add(struct incidents *list, struct incident *incident); /* takes it; newest id */

#define INCIDENT_NEWS(X) X(OPENED) X(UPDATED) X(REOPENED) X(MERGED) X(CLOSED) X(FORGOTTEN)
enum incident_news_kind {
#define X(name) INCIDENT_##name,
    INCIDENT_NEWS(X)
#undef X
};
struct incident_news {
    enum incident_news_kind kind;
    struct id id; /* FORGOTTEN: there is no such incident any more */
};

struct incident_params {
    int64_t quiet_ms;  /* a cause gone for so long is over */
    int64_t return_ms; /* one that comes back within this is the same incident */
    unsigned damp_max; /* each return doubles quiet_ms, so often at most */
};
static const struct incident_params incident_defaults = {
    .quiet_ms = 10 * 1000, .return_ms = 3600 * 1000, .damp_max = 6};

/* One look at the pod. */
struct incident_look {
    const struct riskmap *map;
    const struct symptom *symptoms;
    const struct diagnosis *diagnosis;
    struct wall_ms now;
    struct id (*new_id)(void *arg);
    void *arg;
};
/* Returns the news, each incident at most once, oldest id first; free() it. */
struct incident_news *incidents_look(struct incidents *list, const struct incident_look *look,
                                     const struct incident_params *params, size_t *n_news);

/* What remediation does about it; true if that is new. */
bool incident_touches(struct incident *incident, struct id slice);
void incident_act(struct incident *incident, struct wall_ms now, const char *text);
void incident_recover(struct incident *incident, struct wall_ms now);
/* Milliseconds from the first symptom to the incident, from there to the first
 * action and to recovery; < 0: not yet. */
struct incident_times {
    int64_t detect_ms, decide_ms, recover_ms;
};
struct incident_times incident_times(const struct incident *incident);

#endif
