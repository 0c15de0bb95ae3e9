/* A slice and its life.
 *
 *                 plan                 verdict ok
 *   (request) ──────────> ACTIVATING ─────────────> ACTIVE <──────┐
 *                             │                       │  │        │
 *              switch refuses │                       │  └─> ACTIVE_DEGRADED
 *              or mismatch    v                       │           │
 *                          FAILED                     v           │
 *                             │       delete     RECONFIGURING ───┘
 *                             └──────────┐  ┌─────────┘
 *                                        v  v
 *                                    DEACTIVATING ──> DELETED
 *                                             all circuits confirmed down (A8)
 *
 * DELETED is the last thing said of a slice; then its record goes.  The table
 * of allowed moves is in slice.c; an internal illegal move asserts, a client's
 * is refused before. */
#ifndef PODMGR_CORE_SLICE_H
#define PODMGR_CORE_SLICE_H

#include "model.h"

#define SLICE_STATES(X)                                                                            \
    X(ACTIVATING) X(ACTIVE) X(ACTIVE_DEGRADED) X(RECONFIGURING) X(FAILED) X(DEACTIVATING) X(DELETED)

enum slice_state {
#define X(name) SLICE_##name,
    SLICE_STATES(X)
#undef X
};
const char *slice_state_name(enum slice_state state);
bool slice_state_parse(enum slice_state *out, const char *text);
/* ACTIVE, ACTIVE_DEGRADED, FAILED, DELETED: what a waiting client waits for. */
bool slice_state_settled(enum slice_state state);

enum {
    SLICE_NAME_MAX = 64,
    SLICE_LABELS_MAX = 4096,
    SLICE_REASON_MAX = 1024,
};

/* What a client asks for; validated by the API for syntax, by the core for
 * sense. */
struct slice_spec {
    char name[SLICE_NAME_MAX];
    struct tpunet_shape shape;
    uint16_t *cubes; /* NULL: placement chooses */
    size_t n_cubes;
    uint16_t *weave; /* [48][n_weave / 48] as tpunet_weave.next; NULL: the torus */
    size_t n_weave;
    bool adopt; /* these cubes, with the circuits that they have */
    bool accept_degraded;
    char owner[SLICE_NAME_MAX];
    int32_t priority;
    char labels[SLICE_LABELS_MAX]; /* JSON object text, "" = none */
};

struct slice_routes {
    char algorithm[16]; /* "" until proved */
    uint32_t vcs, max_hops, table_bytes_per_chip;
    double max_link_load;
    uint64_t unreachable_pairs;
    double retained; /* all-to-all throughput against the same slice without faults */
};

/* What its job has lost since the slice last served: the ground of the advice
 * in its events (advice.h). */
enum { SLICE_CAUSE_MAX = 80 };
struct slice_losses {
    char cause[SLICE_CAUSE_MAX]; /* "incident/3-12", "ocs/17", "request"; "": none known */
    bool chips;                  /* some have lost their tables, so all that they held */
    uint16_t n_cubes;
    struct {
        uint16_t was, is;
    } cubes[MODEL_CUBES_MAX]; /* swapped */
};

/* By switch and north port. */
struct circuit_set {
    uint64_t at[TPUNET_OCSES][(MODEL_PORTS_MAX + 63) / 64];
};

static inline bool circuit_set_has(const struct circuit_set *set, unsigned ocs, unsigned north)
{
    return (set->at[ocs][north / 64] >> north % 64 & 1) != 0;
}
static inline void circuit_set_add(struct circuit_set *set, unsigned ocs, unsigned north)
{
    set->at[ocs][north / 64] |= UINT64_C(1) << north % 64;
}

struct preflight;
struct slice {
    struct id id;
    struct slice_spec spec; /* spec.cubes unused after placement */
    enum slice_state state;
    bool degraded;
    bool pinned;               /* its cubes were asked for by number */
    uint16_t placements;       /* how often its cubes were chosen */
    uint16_t dead_links;       /* that its routes go around */
    struct circuit_set around; /* which they are, since others may die; of an old database: none */
    char reason[SLICE_REASON_MAX];
    uint64_t version;    /* rises with each change: the ETag */
    uint64_t generation; /* of the intent given to the fabric */
    struct id routed; /* up to this drain it goes around those that are "now", if it accepts that */
    struct tpunet_intent *intent; /* cubes and explicit circuits */
    struct id op;                 /* open operation, none if settled */
    struct wall_ms created;
    struct wall_ms changed;                                   /* last change of state */
    struct mono_ns created_mono, changed_mono;                /* 0 after a restart */
    double planned_ms, programmed_ms, verified_ms, active_ms; /* since creation; < 0: not yet */
    double preflight_ms; /* how long the last one took that it passed; < 0: none */
    struct slice_routes routes;
    struct slice_losses losses;
    bool served;          /* once, to its job's knowledge */
    uint32_t coordinator; /* host number, UINT32_MAX = none yet */
    uint32_t coordinator_agent;
    /* Of this process: */
    uint64_t asked_serial;       /* of its last bring-up or check: symptoms_serial() */
    bool waiting;                /* for its circuits, or for a coordinator */
    bool verified;               /* since the last loss or start (A5) */
    bool check_failed;           /* and told of */
    struct mono_ns check_at;     /* when to ask (again) */
    bool fit;                    /* these cubes have passed the preflight, or have served */
    struct preflight *preflight; /* under way (core/preflight.h), else NULL */
};

struct slice *slice_create(struct id id, const struct slice_spec *spec);
void slice_destroy(struct slice *slice);
/* Moves the state; asserts that the table allows it; bumps the version. */
void slice_move(struct slice *slice, enum slice_state to, struct wall_ms now);
bool slice_may_move(enum slice_state from, enum slice_state to);
/* A job may be running on it. */
bool slice_serves(const struct slice *slice);
/* Is the cube of its intent?  One that it is leaving is not, though still its own. */
bool slice_has_cube(const struct slice *slice, unsigned cube);
void slice_spec_fini(struct slice_spec *spec);
/* What the spec wants of these cubes, its weave included. */
int slice_spec_intent(struct tpunet_intent **out, const struct slice_spec *spec,
                      const uint16_t *cubes, struct tpunet_error *err);
/* Its circuits are not those of its shape's torus. */
bool slice_is_woven(const struct slice *slice);

#endif
