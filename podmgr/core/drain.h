/* Drains: a person takes a part out of service for a while.
 *
 *                      nothing runs over it
 *     (order) ──> DRAINING ──────────────> DRAINED
 *                    │   <──────────────────  │      somebody uses it after all
 *                    │                        │
 *                    └───── ended by a person, or at the time that he gave ─────> gone
 *
 * From its first moment nothing new is placed on the part (A6).  A graceful drain
 * then waits for the jobs that use it; one that is "now" moves them off.  Only
 * the person's word ends it: no repair, no recovery, no restart.  What becomes of
 * each slice is decided by drain_rules.c, which is pure; drains.c asks it until
 * all is done, the API asks it for a preview. */
#ifndef PODMGR_CORE_DRAIN_H
#define PODMGR_CORE_DRAIN_H

#include "core/core.h"
#include "core/extent.h"

enum drain_mode { DRAIN_GRACEFUL, DRAIN_NOW };
const char *drain_mode_name(enum drain_mode mode); /* "graceful", "now" */
bool drain_mode_parse(enum drain_mode *out, const char *text);

enum { DRAINS_MAX = 1024, DRAIN_REASON_MAX = 160, DRAIN_TEXT_MAX = 200 };

/* What a person asks for. */
struct drain_order {
    struct part part;
    enum drain_mode mode;
    char reason[DRAIN_REASON_MAX];
    struct wall_ms until; /* 0: until it is ended */
};

struct drain {
    struct id id; /* slices with a later id were made around the part */
    struct drain_order order;
    enum admin state;                /* DRAINING or DRAINED */
    char who[64];                    /* as in the audit */
    struct wall_ms created, drained; /* drained 0: not yet */
    uint64_t version;                /* rises with each change: the ETag */
    struct extent extent;            /* derived */
    char trouble[DRAIN_TEXT_MAX];    /* of this process: why the last move could not begin */
};

/* -------------------------------------------------------------- decision -- */

#define DRAIN_ACTIONS(X)                                                                           \
    X(NONE)    /* nothing of it runs over the part */                                              \
    X(WAIT)    /* it is on its way, or its job has to end */                                       \
    X(SWAP)    /* other cubes under it */                                                          \
    X(REROUTE) /* routes that go around the part */                                                \
    X(BLOCKED) /* it cannot be moved: a person decides */
enum drain_action {
#define X(name) DRAIN_##name,
    DRAIN_ACTIONS(X)
#undef X
};
const char *drain_action_name(enum drain_action action);

/* A slice that has something of the part. */
struct drain_slice {
    struct id id;
    bool accepts_degraded;
    bool busy;                       /* an operation on it is open, or it is being brought up */
    bool failed;                     /* it serves nobody and keeps its cubes until it is deleted */
    bool leaving;                    /* it is being deleted */
    bool light;                      /* its routes use a switch or port of the part */
    bool cut;                        /* without them it would fall apart */
    struct id behind;                /* an older drain that holds it (drain_holds()), or none */
    uint16_t cubes[MODEL_CUBES_MAX]; /* of the part's that are its own */
    size_t n_cubes;
};
struct drain_input {
    enum drain_mode mode;
    const char *part; /* for texts */
    const struct drain_slice *slices;
    size_t n_slices;
    const uint16_t *spares; /* cubes that may be taken, in the order of preference */
    size_t n_spares;
};
struct drain_step {
    struct id slice;
    enum drain_action action;
    unsigned rule; /* of drain_rules.c that said so */
    size_t first_swap, n_swaps;
    size_t n_cubes; /* of the part's that are its own */
    char text[DRAIN_TEXT_MAX];
};
struct drain_steps {
    struct drain_step *items; /* one a slice, in the order of the input */
    size_t n, cap;
    struct swap *swaps;
    size_t n_swaps, cap_swaps;
    size_t n_open; /* items that are not NONE */
    struct id op;  /* an open operation that moves mirrors of the part, none: none */
};
void drain_decide(const struct drain_input *in, struct drain_steps *out);
void drain_steps_fini(struct drain_steps *steps);

/* ---------------------------------------------------------- on the model -- */

/* What is true of a drain, or of one that is only thought of (an id that is later
 * than all: DRAIN_PREVIEW), and what follows; nothing is changed. */
#define DRAIN_PREVIEW ((struct id){UINT64_MAX, 1})
void drain_ask(const struct model *m, const struct drain *drain, struct drain_steps *out);
/* Free cubes outside the extent, in placement's order; returns their number. */
size_t drain_spares(const struct model *m, const struct extent *extent,
                    uint16_t out[static MODEL_CUBES_MAX]);

/* May the order be given?  0, or a negative code with *code for the problem; fills
 * *extent. */
int drain_check(const struct model *m, const struct drain_order *order, struct wall_ms now,
                struct extent *extent, const char **code, struct error *err);

struct drain *model_drain(const struct model *m, struct id id);               /* NULL if gone */
struct drain *model_drain_of(const struct model *m, const struct part *part); /* or NULL */
void model_add_drain(struct model *m, struct drain *drain); /* takes it; derives its extent */
void model_remove_drain(struct model *m, struct id id);     /* frees it */
/* The drain because of which the cube is given to nobody, or NULL. */
const struct drain *model_cube_drain(const struct model *m, unsigned cube);
/* Has a person a right to switch it off? */
bool model_cube_drained(const struct model *m, unsigned cube);

/* Does the slice go around the light of the part because of this drain?  Then its
 * circuits there are as dead ones, from the moment when such routes are asked for. */
bool drain_avoids(const struct drain *d, const struct slice *slice);
/* The oldest drain that is "now", and older than `before`, around which the slice cannot
 * go yet: cubes of the part are its own, or (rule 6) it would be cut; NULL: none.
 * *lost has the switches that it is without, those of the drains up to there too. */
const struct drain *drain_holds(const struct model *m, const struct slice *slice, struct id before,
                                uint64_t *lost);
/* Would the loss of these switches leave cubes of the slice without any link to the
 * others? */
bool drain_cuts(const struct slice *slice, uint64_t lost);
/* A slice that is coming up goes around all drains that are "now", up to the first
 * that holds it. */
void drains_pass(const struct model *m, struct slice *slice, struct outbox *out);

/* Is a switch, with all its circuits, the person's?  Of a new slice (NULL), or of
 * one that may have been there before the drain. */
bool drains_avoid_switch(const struct model *m, unsigned ocs, const struct slice *slice);

#endif
