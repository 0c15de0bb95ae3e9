/* Remediation: what to do about a broken part.
 *
 * A pure decision: the cause, whom it touches, what is left to mend with, and
 * what the operator allows in; actions out.  The rules stand as a numbered
 * table in remediation.c.  Who carries the actions out asks again whenever
 * something has changed; asking twice gives the same answer. */
#ifndef PODMGR_CORE_REMEDIATION_H
#define PODMGR_CORE_REMEDIATION_H

#include "core/model.h"
#include "core/rootcause.h"

/* ---------------------------------------------------------------- impact -- */

/* What a cause puts out of order. */
struct impact {
    uint16_t cubes[MODEL_CUBES_MAX]; /* rising: those to be without, to be rid of the cause */
    size_t n_cubes;
    bool ocs[TPUNET_OCSES]; /* broken as a whole */
    bool port_known;        /* the port whose fibre could be moved to a spare one */
    struct tpunet_ocs_port port;
    uint16_t spare; /* free and dark on the same side, or TPUNET_NONE */
};
/* Of a group of the map (riskmap.h) on a pod. */
void remediation_impact(const struct model *m, const struct riskmap *map, uint32_t group,
                        struct impact *out);

/* -------------------------------------------------------------- decision -- */

/* A slice that the cause touches. */
struct remedy_slice {
    struct id id;
    bool accepts_degraded;
    bool busy;  /* an operation on it is open: it is asked about again after it */
    bool works; /* nothing SEVERE is wrong with it: it need not be touched at once */
    uint16_t cubes[MODEL_CUBES_MAX]; /* of the impact's that are its own */
    size_t n_cubes;
};

struct remedy_input {
    enum risk_kind kind;
    enum severity severity;
    double confidence;
    double hurt_ms;   /* how long a slice has been hurt by it */
    const char *part; /* for texts */
    const struct impact *impact;
    const struct remedy_slice *slices;
    size_t n_slices;

    const uint16_t *spares; /* cubes that may be taken, in the order of preference */
    size_t n_spares;
    enum remedy_mode mode;
    bool breaker_open;
    bool other_domain_busy; /* remediation changes things in another failure domain now */
    const bool *is_out; /* [MODEL_CUBES_MAX]: cubes that are not to be taken: given to nobody, or
                           somebody's */
    unsigned cubes_out, cubes_out_max; /* made unavailable by remediation, now */
    unsigned swaps_last_hour, swaps_per_hour_max;
    double confidence_min;
};

#define REMEDY_KINDS(X)                                                                            \
    X(NOTHING)                                                                                     \
    X(WAIT)         /* ask again when what `text` names has changed */                             \
    X(SWAP)         /* cube -> spare at the same logical position of the slice */                  \
    X(REROUTE)      /* new routes that avoid the part */                                           \
    X(DEGRADE)      /* go on without the part: ACTIVE_DEGRADED */                                  \
    X(FAIL)         /* the slice is FAILED, with the reason */                                     \
    X(QUARANTINE)   /* give the cube to nobody until it is repaired */                             \
    X(TICKET)       /* a person has to see to the part */                                          \
    X(TRIP_BREAKER) /* stop acting; an operator resets it */

enum remedy_kind {
#define X(name) REMEDY_##name,
    REMEDY_KINDS(X)
#undef X
};
const char *remedy_kind_name(enum remedy_kind kind);
const char *remedy_mode_name(enum remedy_mode mode); /* "off", "auto", "dry-run" */

struct remedy {
    enum remedy_kind kind;
    unsigned rule;        /* of remediation.c that said so */
    bool only_said;       /* dry run: told, not done */
    struct id slice;      /* SWAP, REROUTE, DEGRADE, FAIL, WAIT */
    uint16_t cube, spare; /* SWAP, QUARANTINE; TICKET: spare port or TPUNET_NONE */
    char text[200];       /* reason, for people */
};

struct remedies {
    struct remedy *items;
    size_t n, cap;
};
void remediation_decide(const struct remedy_input *in, struct remedies *out);
void remedies_fini(struct remedies *r);

#endif
