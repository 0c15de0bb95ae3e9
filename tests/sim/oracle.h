/* What the files of the oracle share.
 *
 *   oracle.c   the switches: every change of them against the ledger
 *   ledger.c   what was made durable: slices, owners, operations, audit records
 *   drained.c  what was drained, and what that promises
 *   repaired.c what a technician has in hand, likewise
 *   witness.c  what the core was told, and what it answered
 *   proof.c    what a verdict of a bring-up is worth
 *   settled.c  is everything as it should be in the end? */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "sim.h"

enum { ORACLE_BUCKETS = 1024, ORACLE_HOSTS_MAX = SIM_CUBES_MAX * TPUNET_CUBE_HOSTS };

struct entry { /* a slice on record */
    struct entry *next;
    struct id id;
    enum slice_state state;
    uint64_t version;
    uint16_t *cubes;
    size_t n_cubes;
    struct tpunet_xc *xcs;
    bool *lit; /* of each: it was read back, within the loss limit (A5) */
    size_t n_xcs, n_lit;
    uint16_t *old_cubes; /* that it leaves, until the operation has ended (A8) */
    struct tpunet_xc *old_xcs;
    struct id leaving; /* that operation */
    size_t n_old_cubes, n_old_xcs;
    uint64_t proved_epoch, proved_generation; /* the newest good bring-up (A5) */
    bool *around;                             /* of each circuit: it goes around that one */
    bool delete_asked;
};
struct record { /* an operation on record */
    struct record *next;
    struct id id, slice;
    struct tpunet_xc *breaks, *makes;
    size_t n_breaks, n_makes;
    uint64_t effects;  /* bit per switch */
    bool deposed;      /* of a podmgr that another one has replaced */
    struct record *of; /* of an attempt under an id of its own: the operation */
};
struct drained { /* a drain on record */
    struct drained *next;
    struct id id;
    struct part part;
    enum admin state;
    uint64_t version;
};
struct worked { /* a ticket from IN_REPAIR to PROBATION */
    struct worked *next;
    struct id id;
    uint16_t cube; /* SIM_NONE: no cube's */
    uint64_t version;
};
struct intended { /* a circuit on record */
    uint16_t south;
    struct id slice;
};
struct oracle {
    struct entry *entries;
    struct record *records[ORACLE_BUCKETS];
    struct entry *owner[SIM_CUBES_MAX];
    struct drained *drains;
    struct worked *worked;
    struct ocs_claim claim[SIM_OCSES];
    uint16_t map[SIM_OCSES][SIM_PORTS_MAX]; /* as last looked at */
    uint16_t foreign[SIM_OCSES][SIM_PORTS_MAX];
    /* After a restore, until podmgr says that all is explained: what stood then
     * and is of no slice that it knows; claims up to old_epoch are of before. */
    bool restored, of_before;
    uint64_t old_epoch;
    /* Claims up to loaded_epoch are of podmgrs before the newest. */
    bool late;
    uint64_t loaded_epoch;
    uint16_t unexplained[SIM_OCSES][SIM_PORTS_MAX];
    struct intended intended[SIM_OCSES][SIM_PORTS_MAX];
    uint16_t left[SIM_OCSES][SIM_PORTS_MAX]; /* stands, of a slice that is gone from there (A8) */
    unsigned looked;
    uint64_t audits; /* committed */
    /* What the newest podmgr was told: switches that answer, circuits that they
     * show, and when a daemon last spoke for a host. */
    bool reached[SIM_OCSES];
    bool failed[SIM_OCSES];   /* by somebody's word, until it is taken back */
    struct drained *answered; /* drains, until he ends them */
    uint8_t told_down[SIM_CUBES_MAX * SIM_CUBE_CHIPS];  /* bit per port: the link is down */
    uint8_t told_flaps[SIM_CUBES_MAX * SIM_CUBE_CHIPS]; /* of the chip's links: times down */
    unsigned swaps;                         /* that podmgr has begun by itself, since it started */
    uint16_t lit[SIM_OCSES][SIM_PORTS_MAX]; /* south port of what it was shown lit */
    int64_t heard_ns[ORACLE_HOSTS_MAX];
    char text[200];
};

/* oracle.c: a circuit that stood at the restore and stands still */
bool oracle_is_unexplained(const struct sim *s, unsigned ocs, unsigned north);
/* The chip port of the cube behind the switch's north (minus: south) port. */
bool oracle_port_enabled(const struct sim *s, unsigned cube, unsigned ocs, bool minus);

/* drained.c: drains, and what they promise */
/* Of this batch: those that ended, before its slices are judged; then the others. */
void oracle_drains_ended(struct manager *m);
void oracle_drains_committed(struct manager *m);
void oracle_drains_loaded(struct sim *s, const struct model *m, bool restored);
/* A drain was answered: given or ended. */
void oracle_drain_answered(struct sim *s, const struct event *ev, struct id id);
bool oracle_is_drained(const struct drained *list, enum part_kind kind, unsigned number);
/* Somebody gets the cube: no drain on record holds it (A6). */
void oracle_judge_placed(struct sim *s, struct id slice, unsigned cube);
/* A cube that is being left is free when nothing of the slice stands there (A8). */
bool oracle_has_left(const struct sim *s, const struct entry *entry, uint16_t cube);

/* repaired.c: as drained.c has it */
void oracle_repairs_ended(struct manager *m);
void oracle_repairs_committed(struct manager *m);
void oracle_repairs_loaded(struct sim *s, const struct model *m, bool restored);
bool oracle_is_in_hand(const struct oracle *oracle, unsigned cube);

/* ledger.c */
struct record **oracle_record(struct oracle *oracle, struct id id);
struct entry *oracle_entry(struct oracle *oracle, struct id id);
bool oracle_serves(enum slice_state state);
bool oracle_intends(const struct oracle *oracle, const struct entry *entry, struct tpunet_xc xc);
/* proof.c: is a link down that its routes use? */
bool oracle_uses_down_link(const struct sim *s, const struct entry *entry);
/* ACTIVE for good reasons? */
void oracle_judge_active(struct sim *s, const struct entry *entry, const struct model *m);

#endif
