/* The pod as podmgr knows it: inventory, slices, circuits, operations.
 *
 * Plain data with small accessors; no I/O, no clock.  The core alone changes
 * it (core.h), the store reads it to make it durable, the API reads it to
 * answer.  Everything that outlives a restart can be rebuilt by model_load_*;
 * what cannot (what switches and agents last said) starts as unknown. */
#ifndef PODMGR_CORE_MODEL_H
#define PODMGR_CORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "part.h"
#include "tpunet.h"

/* (epoch, sequence): an epoch never repeats, so neither does an id, whatever
 * backup was restored; and of two ids the older is decidable.  Written "3-41". */
struct id {
    uint64_t epoch;
    uint64_t seq;
};
static inline int id_compare(struct id a, struct id b)
{
    if (a.epoch != b.epoch) {
        return a.epoch < b.epoch ? -1 : 1;
    }
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}
static inline bool id_is_none(struct id id)
{
    return id.epoch == 0;
}
const char *id_format(struct id id, char buf[static 48]);
bool id_parse(struct id *out, const char *text);

enum limits {
    MODEL_CUBES_MAX = TPUNET_CUBES_MAX,
    MODEL_PORTS_MAX = 160,
    MODEL_HOSTS_MAX = MODEL_CUBES_MAX * TPUNET_CUBE_HOSTS,
    MODEL_SLICES_MAX = 4096,
    MODEL_OPS_KEPT = 1000, /* finished operations kept for GET */
};

/* ---------------------------------------------------- inventory states -- */

#define ADMIN_STATES(X) X(IN_SERVICE) X(DRAINING) X(DRAINED)
#define HEALTH_STATES(X)                                                                           \
    X(HEALTHY) X(SUSPECT) X(DEGRADED) X(FAILED) X(UNKNOWN) X(QUARANTINED) X(PROBATION)

enum admin {
#define X(name) ADMIN_##name,
    ADMIN_STATES(X)
#undef X
};
enum health {
#define X(name) HEALTH_##name,
    HEALTH_STATES(X)
#undef X
};
const char *admin_name(enum admin admin);
const char *health_name(enum health health);

struct slice;
struct incidents;
struct tickets;
struct remediation;
struct drain;
struct webhook;

/* A port of a chip: names the link that leaves there. */
struct chip_port {
    uint32_t chip; /* number */
    uint8_t port;
};

/* A host is healthy while a tpunetd that stands for it holds a lease. */
struct host {
    enum admin admin; /* derived from the drains, as of cubes and switches */
    enum health health;
    struct wall_ms since; /* of this health */
    uint32_t agent;       /* id of the agent that stands for it, 0 = none */
    bool failed;          /* by an operator's word, whatever its agent says */
    struct id owner;      /* set when a slice below 64 chips owns it (A1) */
};
struct cube {
    enum admin admin;
    enum health health; /* its own; see cube_health() */
    struct wall_ms since;
    struct id owner;     /* A1: at most one; derived from the slices */
    struct id ticket;    /* by which a person has it in hand, or it is on probation; derived */
    enum health in_hand; /* what that makes of it: QUARANTINED, PROBATION */
    bool unexplained;    /* after a restore: it is in a circuit that nobody intended */
    bool blamed;         /* by an incident, SEVERE and going on (remedy.c, rule 8) */
};

/* ------------------------------------------------------------ switches -- */

/* UNKNOWN until first heard of; UNREACHABLE is not FAILED (D7): that is a
 * word that somebody has said (faults.c).  Only REACHABLE ones are commanded. */
#define OCS_STATES(X) X(UNKNOWN) X(REACHABLE) X(UNREACHABLE) X(FAILED)
enum ocs_state {
#define X(name) OCS_STATE_##name,
    OCS_STATES(X)
#undef X
};
const char *ocs_state_name(enum ocs_state state);

/* A north port: what we intend and what the switch last showed.  What is
 * intended no more and not yet confirmed down stands in the breaks of an open
 * operation, or is a lien. */
struct circuit {
    uint16_t south;  /* intended, or TPUNET_NONE */
    struct id slice; /* whose intent */
    uint16_t seen;   /* observed south port, or TPUNET_NONE */
    float north_dbm, south_dbm, loss_db;
};
struct ocs {
    enum admin admin;
    enum ocs_state state;
    struct wall_ms since;
    struct wall_ms observed_at;
    char boot_id[40];
    uint64_t generation;
    uint64_t epoch; /* highest claim that it reported */
    bool supports_light;
    bool answers;                     /* we talk to it, FAILED or not */
    bool mended;                      /* a ticket of it is VERIFYING; derived */
    unsigned foreign;                 /* circuits that nobody intended, when last looked at */
    bool suspect[2][MODEL_PORTS_MAX]; /* by enum tpunet_side; see struct part_fault */
    struct circuit north[MODEL_PORTS_MAX];
    uint16_t owner_of_south[MODEL_PORTS_MAX]; /* north port intended for it, or NONE */
};

/* ----------------------------------------------------------- operations -- */

enum op_kind { OP_PROGRAM, OP_RELEASE, OP_RESTORE, OP_RECONFIGURE };
enum op_state { OP_OPEN, OP_DONE, OP_FAILED };
const char *op_kind_name(enum op_kind kind);
const char *op_state_name(enum op_state state);

/* SKIPPED: the switch is FAILED and was not asked, or was not waited for. */
enum part_state { PART_NONE, PART_PENDING, PART_DONE, PART_FAILED, PART_SKIPPED };
const char *part_state_name(enum part_state state);

/* How far an operation is at one switch.  A switch keeps the result of an id
 * for ever (D5), so each attempt after the first goes out under an id of its
 * own. */
struct op_part {
    uint8_t state; /* enum part_state */
    uint8_t attempts;
    struct id wire;          /* the id that the switch hears */
    struct mono_ns retry_at; /* of the next attempt; 0: none is waiting */
};

/* One change of the switches: explicit breaks and makes, both sorted by (ocs,
 * north), and how far each switch is.  RESTORE puts back what a switch lost and
 * clears its liens, for all slices; the others are on behalf of one slice:
 * PROGRAM makes its circuits, RELEASE breaks them, RECONFIGURE leads from the
 * circuits on one set of cubes to those on another. */
struct op {
    struct id id;
    struct id slice; /* none: RESTORE */
    enum op_kind kind;
    enum op_state state;
    struct wall_ms created, finished;
    struct tpunet_xc *breaks, *makes;
    size_t n_breaks, n_makes;
    struct op_part part[TPUNET_OCSES];
    uint16_t open_parts;
    char reason[240]; /* why it failed: names switch, port, mirror */
};

/* ------------------------------------------------------ faults, liens -- */

/* A part not to be relied on: FAILED by an operator's word (a switch, cube or
 * host) or podmgr's (a switch), or SUSPECT by what was read back (a port) or by
 * remediation (a port, a cube).  It stays so until an
 * operator clears it, or podmgr takes its own word back (repair_readmit.c). */
struct part_fault {
    struct part part;
    enum health health;
    struct wall_ms since;
    char who[64]; /* "podmgr", or as in the audit */
    char reason[200];
};

/* A port of a cube that went free before its circuit was confirmed down.  Once
 * the chip port behind it is disabled (fenced) nothing can come through, and
 * the cube may be given to another slice (A8).  It goes when the switch shows
 * that the port is dark, or in a circuit that is intended. */
struct lien {
    struct tpunet_ocs_port port;
    struct id held;  /* names the occasion; later requests to fence confirm it */
    struct id slice; /* whose circuit it was; none: what the port is in is not known */
    struct wall_ms since;
    bool fenced;
};

/* -------------------------------------------------------------- agents -- */

struct agent {
    uint32_t id;
    char name[64]; /* "tpunetd/NAME" */
    uint64_t instance;
    struct mono_ns seen;
    uint16_t *hosts;
    size_t n_hosts;
};

/* ---------------------------------------------------------------- pod -- */

/* What the configuration says; constant while podmgr runs. */
enum { POWER_NAME_MAX = 64 };
/* A cube with its hosts, a host or a switch, and the feed that it hangs on. */
struct power_feed {
    char domain[POWER_NAME_MAX];
    struct part part;
};
/* What remediation may do by itself (core/remedy.h). */
enum remedy_mode { REMEDY_OFF, REMEDY_AUTO, REMEDY_DRY_RUN };
struct remedy_policy {
    enum remedy_mode mode;
    unsigned cubes_out_max;      /* made unavailable by it, at once */
    unsigned swaps_per_hour_max; /* beyond it the breaker trips */
    unsigned hot_spares;         /* cubes that new slices leave free */
    double confidence_min;       /* below it a cause is only watched */
};
/* What hosts have to show before a slice gets them (core/preflight.h). */
enum preflight_mode { PREFLIGHT_OFF, PREFLIGHT_INTENT, PREFLIGHT_FULL };
const char *preflight_mode_name(enum preflight_mode mode);
struct preflight_policy {
    enum preflight_mode mode;
    bool required;       /* hosts that nobody observes are waited for; else: */
    unsigned grace_ms;   /* only so long after podmgr's start */
    unsigned timeout_ms; /* for all of it */
};
/* How long what was mended is watched (core/repair.h); 0: the default. */
struct repair_policy {
    int64_t burn_in_ms, probation_ms;
};
struct pod {
    char id[32];
    uint16_t n_cubes;
    uint16_t ports_per_side;
    uint8_t vc_classes;
    double loss_db_max; /* above it a circuit is not good */
    unsigned lease_ms;
    struct tpunet_wiring *wiring;
    struct tpunet_rewire *rewires;
    size_t n_rewires;
    struct power_feed *feeds; /* a domain's one after the other */
    size_t n_feeds;
    struct remedy_policy remedy;
    struct preflight_policy preflight;
    struct repair_policy repair;
    bool research; /* slices may ask for a weave of their own */
};

struct model {
    const struct pod *pod;
    uint64_t epoch;        /* of this process; 0 before it is taken */
    uint64_t instance;     /* random, of this process */
    uint64_t next_seq;     /* of ids in this epoch */
    uint64_t next_event;   /* of the journal */
    char incarnation[40];  /* of the journal: changes when numbering restarts */
    bool restored;         /* from a backup, and the switches show what it cannot explain */
    uint64_t backup_epoch; /* restored: ids up to this epoch are of before */

    struct cube cubes[MODEL_CUBES_MAX];
    struct host hosts[MODEL_HOSTS_MAX];
    struct ocs ocs[TPUNET_OCSES];

    struct slice **slices; /* sorted by id */
    size_t n_slices, cap_slices;
    struct op **ops; /* sorted by id */
    size_t n_ops, cap_ops;
    struct agent *agents[MODEL_HOSTS_MAX];
    size_t n_agents;
    uint32_t next_agent;
    struct observed *health;         /* core/health.h: what the observers say */
    struct incidents *incidents;     /* core/incident.h */
    struct tickets *tickets;         /* core/repair.h */
    struct remediation *remediation; /* core/remedy.h */
    struct id mending;               /* the incident for whose sake the core acts just now */
    struct keys *keys;               /* core/keys.h: what creates with a key made */
    struct part_fault *faults;       /* sorted by name */
    size_t n_faults, cap_faults;
    struct lien *liens; /* sorted by port */
    size_t n_liens, cap_liens;
    struct drain **drains; /* core/drain.h, sorted by id */
    size_t n_drains, cap_drains;
    uint64_t drained_ocs;         /* bit o: a drain concerns ocs/o or a port of it */
    struct mono_ns drains_looked; /* at all of them */
    struct webhook *webhooks;     /* core/webhooks.h; sorted by id */
    size_t n_webhooks;
    struct mono_ns fence_asked; /* when agents were last asked to fence */
    struct mono_ns last_tick;   /* tells our own stalls from silent agents */
    struct mono_ns started;     /* EV_START */
};

struct model *model_create(const struct pod *pod, uint64_t instance);
void model_destroy(struct model *m);

static inline unsigned model_hosts(const struct model *m)
{
    return m->pod->n_cubes * (unsigned)TPUNET_CUBE_HOSTS;
}
struct id model_new_id(struct model *m);

struct slice *model_slice(const struct model *m, struct id id); /* NULL if gone */
void model_add_slice(struct model *m, struct slice *slice);     /* takes it */
void model_remove_slice(struct model *m, struct id id);         /* frees it */
struct op *model_op(const struct model *m, struct id id);
void model_add_op(struct model *m, struct op *op);
void model_remove_op(struct model *m, struct id id);
void op_destroy(struct op *op);
/* Which switches an operation concerns: pending while it is open, but for
 * those that are FAILED. */
void model_plan_parts(const struct model *m, struct op *op);
struct agent *model_agent(const struct model *m, uint32_t id);
struct agent *model_agent_named(const struct model *m, const char *name);
void model_remove_agent(struct model *m, uint32_t id);

/* Worst of a cube and its hosts: what placement asks (A6). */
enum health model_cube_health(const struct model *m, unsigned cube);
/* May cube be given to a new slice?  If not, *why says so ("owned by ..."). */
bool model_cube_free(const struct model *m, unsigned cube, char *why, size_t why_size);
/* What is on record of a switch port that leads to the cube; NULL: nothing. */
const struct part_fault *model_port_fault(const struct model *m, unsigned cube);

/* The only writers of intended circuits; they assert D1 and D2. */
void model_intend(struct model *m, struct tpunet_xc xc, struct id slice);
void model_forget(struct model *m, struct tpunet_xc xc);
/* After a restore: of the backup, so whatever it had may be another's by now. */
static inline bool model_is_doubted(const struct model *m, struct id slice)
{
    return m->restored && slice.epoch <= m->backup_epoch;
}
/* Makes `to` the slice's intent (taken).  Its cubes are the slice's from now on. */
void model_change_intent(struct model *m, struct slice *slice, struct tpunet_intent *to);
/* Of the cubes that the slice leaves, those behind what the operation is to break
 * stay with it until model_free_departed() (A8); the others are free. */
void model_keep_departing(struct model *m, const struct op *op);
void model_free_departed(struct model *m, const struct slice *slice);
/* Cubes at either end of the circuit, TPUNET_NONE for a spare port. */
void model_cubes_of(const struct model *m, struct tpunet_xc xc, uint16_t cubes[static 2]);
/* The intended circuit at the port, named by its north port; TPUNET_NONE: none
 * at this south port. */
uint16_t model_north_of(const struct model *m, struct tpunet_ocs_port port);

/* The chip port behind a port of a switch; false for a spare one. */
bool model_chip_port(const struct model *m, struct tpunet_ocs_port port, struct chip_port *out);

/* A switch, port, cube or host that this pod has. */
bool model_knows(const struct model *m, const struct part *part);

/* faults.c, liens.c.  A fault or lien that is not there is NULL. */
struct part_fault *model_fault(const struct model *m, const struct part *part);
void model_add_fault(struct model *m, const struct part_fault *fault); /* or changes it */
void model_remove_fault(struct model *m, const struct part *part);
struct lien *model_lien(const struct model *m, struct tpunet_ocs_port port);
void model_add_lien(struct model *m, const struct lien *lien); /* or changes it */
void model_remove_lien(struct model *m, struct tpunet_ocs_port port);
/* A lien on either port of the circuit, of this history and not only of the one
 * that a restored backup knew. */
bool model_circuit_left(const struct model *m, struct tpunet_xc xc);
/* Is a circuit not to be relied on: over a FAILED switch or a SUSPECT port? */
bool model_circuit_broken(const struct model *m, struct tpunet_xc xc);
/* Or one that its slice is to do without because of a drain? */
bool drains_avoid(const struct model *m, struct tpunet_xc xc);
bool model_circuit_dead(const struct model *m, struct tpunet_xc xc);
/* A switch for which nobody waits: FAILED, or DRAINED and silent. */
bool model_given_up(const struct model *m, unsigned ocs);

#endif
