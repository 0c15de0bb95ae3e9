/* The deterministic simulation: the real core, store, dispatcher and bring-up
 * against the simulator's world, in one thread on one virtual clock.
 *
 *   client.c ──requests──> manager.c ──calls──> switches.c ──> the world
 *                              │                    ^
 *                              └──bring-ups──> bringups.c
 *   chaos.c breaks things, drill.c one alone; the oracle (oracle.h) watches
 *   every change; run.c runs a seed, main.c many of them, table.c says what came
 *   of it.  context.c is what all of these stand on.
 *
 * A seed decides everything.  Memory of a seed is taken from one arena and
 * lives until the seed's end, so no message has an owner to forget it. */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "core/core.h"
#include "ocs/dispatch.h"
#include "simulator/ocs_device.h"
#include "simulator/world.h"
#include "store/store.h"

#define MS INT64_C(1000000)
#define S  (1000 * MS)

/* ----------------------------------------------------- faults and finds -- */

#define FAULTS(X)                                                                                  \
    X(CRASH, "podmgr killed at a random step")                                                     \
    X(TWO_MANAGERS, "an old podmgr runs on beside the new one")                                    \
    X(DROP, "message to or from a switch dropped")                                                 \
    X(DELAY, "message delayed past the time limit")                                                \
    X(DUPLICATE, "message delivered twice, the second time late")                                  \
    X(REORDER, "message overtaken by later ones")                                                  \
    X(LOST_ANSWER, "answer to a client lost")                                                      \
    X(SWITCH_AGENT, "switch agent restarted, map kept")                                            \
    X(POWER, "switch lost power and map")                                                          \
    X(STUCK, "mirror stuck")                                                                       \
    X(DARK, "switch port dark")                                                                    \
    X(TPUNETD, "tpunetd restarted")                                                                \
    X(LEASE, "tpunetd silent past its lease")                                                      \
    X(FOREIGN, "circuit that nobody intended")                                                     \
    X(PARTITION, "way to or from a switch cut, one way or both")                                   \
    X(WALL, "wall clock jumped, at times over a restart")                                          \
    X(PAUSE, "podmgr paused, at times past a lease")                                               \
    X(WRONG_PORT, "mirror went to another port")                                                   \
    X(BLIND, "dark, and the switch sees no light")                                                 \
    X(GROUP, "group of switch ports dark")                                                         \
    X(DRIFT, "mirror drifts, loss grows")                                                          \
    X(SWAP, "two fibres exchanged")                                                                \
    X(PARTIAL, "batch done in part, then the agent restarts")                                      \
    X(STALE_READ, "map of before read back")                                                       \
    X(FLAP, "tpunetd comes and goes")                                                              \
    X(IMPOSTOR, "daemon claims the hosts or the name of another")                                  \
    X(REPLAY, "old verdict told again")                                                            \
    X(RACE, "two operators delete one version of a slice")                                         \
    X(FULL, "disk full")                                                                           \
    X(EIO, "write to the disk failed")                                                             \
    X(FSYNC, "sync of the disk failed")                                                            \
    X(MACHINE, "power of podmgr's machine lost")                                                   \
    X(RESTORE, "old backup restored")                                                              \
    X(LINK, "link down, one way or both")                                                          \
    X(CHIP, "chip, host or cube dead")                                                             \
    X(FAILED, "operator fails a switch or a cube")                                                 \
    X(OBSERVER, "healthd silent, restarted, or telling what it may not")                           \
    X(DRAINED, "operator drains a switch, a host or a cube")                                       \
    X(REPAIR, "technician works on what a ticket blames")
enum fault_class {
#define X(name, text) F_##name,
    FAULTS(X)
#undef X
        F_COUNT
};

#define FINDS(X)                                                                                   \
    X(D1, "a port with two peers")                                                                 \
    X(D2, "a circuit between owners")                                                              \
    X(D3, "foreign ports touched")                                                                 \
    X(D4, "stale commands accepted")                                                               \
    X(D5, "operations with two effects")                                                           \
    X(D6, "changes before their intent")                                                           \
    X(D7, "work or evictions though a switch is silent")                                           \
    X(D8, "maps taken as lost")                                                                    \
    X(A1, "double allocations")                                                                    \
    X(A2, "lost")                                                                                  \
    X(A3, "retries with another result")                                                           \
    X(A4, "stale versions accepted")                                                               \
    X(A5, "ACTIVE without proof")                                                                  \
    X(A6, "silent or drained parts allocated")                                                     \
    X(A7, "repairs beyond their budget")                                                           \
    X(A8, "cubes freed too early")                                                                 \
    X(A9, "refusals that changed something")                                                       \
    X(A10, "mutations without their audit record")                                                 \
    X(CONVERGE, "runs not converged")                                                              \
    X(STEADY, "writes in the steady state")                                                        \
    X(DIED, "asserts and crashes")
enum find {
#define X(name, text) V_##name,
    FINDS(X)
#undef X
        V_COUNT
};

/* What a pod that is otherwise well recovers from, one at a time. */
#define CAUSES(X)                                                                                  \
    X(CRASH, "podmgr killed")                                                                      \
    X(SWITCH_AGENT, "switch agent restarted")                                                      \
    X(POWER, "switch lost power")                                                                  \
    X(PARTITION, "switch cut off under work")                                                      \
    X(STUCK, "mirror stuck under work")                                                            \
    X(TPUNETD, "tpunetd restarted")                                                                \
    X(LEASE, "tpunetd silent past its lease")                                                      \
    X(DEAD_SWITCH, "switch dead and failed, work goes on")                                         \
    X(DEAD_PORT, "port of a switch dark under a slice, mended")                                    \
    X(DEAD_CHIP, "chip of a slice dead, mended")
enum drill_cause {
#define X(name, text) C_##name,
    CAUSES(X)
#undef X
        C_COUNT
};

/* What podmgr did about broken parts by itself. */
#define REPAIRS(X)                                                                                 \
    X(SWAP, "cube under a slice exchanged")                                                        \
    X(AGAIN, "slice brought up anew, around what broke or back")                                   \
    X(OUT, "cube taken out of service")                                                            \
    X(BREAKER, "breaker tripped")
enum repair {
#define X(name, text) R_##name,
    REPAIRS(X)
#undef X
        R_COUNT
};

/* Why a seed does not count. */
#define DISCARDS(X)                                                                                \
    X(OPERATIONS, "too few operations acknowledged")                                               \
    X(FAULTS, "too few faults struck")
enum discard {
    DISCARD_NOT,
#define X(name, text) DISCARD_##name,
    DISCARDS(X)
#undef X
        DISCARD_COUNT
};

/* What a run of one seed comes to. */
struct outcome {
    uint64_t seed, hash, events, acked, activated[F_COUNT];
    int64_t simulated_ns;
    int64_t converged_ns; /* from the end of chaos */
    enum drill_cause cause;
    int64_t recovery_ns; /* from when the cause was over */
    unsigned found[V_COUNT];
    uint64_t repairs[R_COUNT];
    enum discard discarded;
    char text[400]; /* the first find, or why it was discarded */
};

/* ------------------------------------------------------------ the parts -- */

struct call;
struct sw {
    struct call *first, **last; /* wait while the mirrors move */
    struct call *moving;
    struct sim_op *ops;
    size_t n_ops;
    bool changed;
    unsigned boots;
    int64_t cut_until_ns[2]; /* what goes to the agent, what comes from it */
    bool blind;              /* it has no light levels to tell */
    struct {                 /* before its last change */
        unsigned boots;
        uint64_t generation;
        uint16_t map[SIM_PORTS_MAX];
    } old;
};

struct manager {
    struct ocs_driver driver; /* first: the dispatcher's calls come back by it */
    struct sim *s;
    struct manager *next;
    bool alive;
    char path[64];
    struct store *store;
    struct model *model;
    struct dispatch *dispatch;
    struct call *calls; /* not ended yet, newest first */
    bool connected[TPUNET_OCSES];
    struct event *queue;
    size_t n, cap;
    bool turn_set, commit_failed;
    struct outbox out;
    unsigned ticks;
    int crash_in; /* steps; negative: not planned */
    int64_t paused_until_ns;
};

enum { DAEMONS_MAX = 4, OBSERVERS_MAX = 3, TOLD_KEPT = 16 };
struct daemon {
    struct sim *s;
    char name[64];
    uint64_t instance, epoch;
    uint16_t *hosts;
    size_t n_hosts;
    bool up, silent;
    int64_t delivered_ns; /* when the newest command arrives */
    struct job *jobs;
    struct eye *eyes;
};

struct client;
struct oracle;
struct storage;

struct sim {
    uint64_t seed, rng;
    struct outcome *outcome;
    bool trace, stop, chaos, drilling;
    bool on[F_COUNT];
    unsigned cubes;
    struct sim_config config;
    struct world *w;
    struct pod pod;
    char db[64];                        /* what the next podmgr starts from */
    bool restored;                      /* and that is an old backup */
    struct manager *managers, *current; /* current: NULL while podmgr is down */
    struct sw sw[SIM_OCSES];
    struct daemon daemons[DAEMONS_MAX];
    unsigned n_daemons;
    struct healthd *observers;
    unsigned n_observers;
    bool look_set;                   /* a look at the links is to come */
    uint64_t applies, fabric_writes; /* that podmgr and the daemons sent */
    uint64_t foreign_ids;
    int64_t wall_offset_ms;
    uint64_t words;                 /* of the operator */
    int64_t failed_until_ns;        /* what he failed is not repaired before */
    int64_t drained_until_ns;       /* nor what he drained put back */
    struct verdict told[TOLD_KEPT]; /* ring */
    unsigned n_told;
    struct client *client;
    struct oracle *oracle;
    struct storage *storage;
    struct chunk *arena;
};

/* run.c */
void sim_run(uint64_t seed, bool trace, struct outcome *out);

/* context.c */
void *sim_new(struct sim *s, size_t size); /* zeroed */
void *sim_copy(struct sim *s, const void *bytes, size_t size);
void sim_free_all(struct sim *s);
uint64_t sim_random(struct sim *s, uint64_t below);
bool sim_chance(struct sim *s, double p);
bool sim_fault(struct sim *s, enum fault_class class, double p); /* counts it */
int64_t sim_now(const struct sim *s);
void sim_after(struct sim *s, int64_t ns, evq_fn *fn, void *arg);
bool manager_is_paused(const struct manager *m);
/* Into the trace hash, and to stderr with --trace. */
void sim_note(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_found(struct sim *s, enum find find, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* operator.c */
void operator_start(struct sim *s);
bool operator_fail(struct sim *s);
bool operator_drain(struct sim *s);
void operator_fail_switch(struct sim *s, unsigned ocs, int64_t for_ns);
uint64_t operator_cookie(struct sim *s); /* of one more word */

/* technician.c */
void technician_start(struct sim *s);
void technician_walk(struct sim *s); /* podmgr lives */

/* manager.c */
void manager_start(struct sim *s);
void manager_start_second(struct sim *s);           /* the current one runs on, deposed */
bool manager_has_requests(const struct manager *m); /* of clients, not taken yet */
int64_t manager_kill(struct manager *m);            /* when the next one starts */
void manager_post(struct manager *m, struct event *ev);
void managers_fini(struct sim *s);

/* storage.c */
void storage_init(struct sim *s);
void storage_fini(struct sim *s);
/* The database as a kill or a loss of power leaves it now, under a new name. */
void storage_fork(struct sim *s, const char *from, bool lost_power);
void storage_close(struct sim *s, struct store *store); /* of a dead process: it tidies nothing */
void storage_remove(struct sim *s, const char *path);
void storage_arm(struct sim *s);    /* a commit comes */
bool storage_disarm(struct sim *s); /* did a fault strike? */
bool storage_is_full(const struct sim *s);
void storage_heal(struct sim *s);
uint64_t storage_next_event(struct sim *s, const char *path); /* that a start would load */
void storage_back_up(struct sim *s);
bool storage_has_backup(const struct sim *s);
bool storage_restore(struct sim *s); /* false: there is no room */
uint64_t storage_backup_audits(const struct sim *s);

/* switches.c */
extern const struct ocs_driver_ops switches_ops;
void switches_init(struct sim *s);
void switches_connect(struct manager *m); /* to every agent that is up */
void switch_cut(struct sim *s, unsigned ocs, bool from_agent, int64_t ns);

/* switch_agents.c */
void switch_foreign(struct sim *s);
/* Somebody breaks what is not podmgr's, again and again until it can explain all
 * that there is. */
void switch_clear_foreign(void *sim);

/* daemons.c */
void daemons_init(struct sim *s);
void daemons_fini(struct sim *s);
void daemons_fence(struct manager *m, const struct effect *effect);
void daemons_watch(struct manager *m, const struct effect *effect);
void daemons_release(struct manager *m, const struct effect *effect);
void daemon_restart(struct daemon *d, int64_t down_ns);
void daemon_silence(struct daemon *d, int64_t ns);
void daemon_impersonate(struct sim *s, int64_t ns);
bool daemon_is_heard(const struct daemon *d); /* podmgr knows it and takes what it says */

/* bringups.c */
/* Before any run: what all of them would solve again. */
void daemons_prepare(void);
void daemons_bring_up(struct manager *m, const struct effect *effect);
bool daemon_replay(struct sim *s); /* false: there is nothing to tell */
struct tpunet_intent *daemon_copy_intent(const struct tpunet_intent *in);

/* watch.c: the links of the slices that a daemon coordinates */
void watch_init(struct sim *s);
/* After a good verdict; the intent is taken; since: place in the world's log of links. */
void watch_eye(struct daemon *d, const struct verdict *verdict, struct tpunet_intent *intent,
               uint64_t since);
/* On podmgr's order: from how the links are now, and what it believes of them. */
void watch_order(struct daemon *d, const struct slice *slice, uint64_t epoch,
                 const struct chip_port *down, size_t n_down);
void watch_tell(struct daemon *d);
void watch_tell_again(struct daemon *d); /* podmgr may have forgotten */
void watch_drop(struct daemon *d, struct id slice, uint64_t epoch, uint64_t generation);
void watch_drop_all(struct daemon *d);

/* observers.c */
#define COOKIE_MISSPOKEN (UINT64_C(1) << 61) /* of a report that must not count */
void observers_init(struct sim *s);
void observers_preflight(struct manager *m, const struct effect *effect);
bool observer_strike(struct sim *s); /* false: it came to nothing */

/* client.c */
void client_init(struct sim *s);
void client_answer(struct sim *s, const struct effect *effect);
void client_settle(struct sim *s); /* no new work: only what is open, and failed slices go */
bool client_idle(const struct sim *s);
void client_restored(struct sim *s); /* what was promised since the backup is void */
/* For a client that settles and has no question open. */
bool client_may_ask(const struct sim *s);
void client_create_one(struct sim *s, const char *shape, bool accept_degraded);
bool client_delete_one(struct sim *s); /* false: there is none */

/* chaos.c */
void chaos_init(struct sim *s);
void chaos_heal(struct sim *s);

/* drill.c: one cause; when it will be over. */
int64_t drill_strike(struct sim *s, enum drill_cause cause);

/* ledger.c: what is durable */
void oracle_committed(struct manager *m);
void oracle_loaded(struct manager *m);
void oracle_restored(struct manager *m, uint64_t audits); /* an old backup is loaded */
uint64_t oracle_audits(const struct sim *s);
/* The switch hears of an operation under this id. */
void oracle_sent(struct sim *s, const struct model *m, uint16_t ocs, struct id wire);

/* witness.c: takes a step of the core and judges it */
void oracle_step(struct manager *m, struct event *ev);
void oracle_heard(struct sim *s, const uint16_t *hosts, size_t n);

/* proof.c: a bring-up has ended; since: the place in the log of links when it began;
 * dead: links that it was to go around */
void oracle_proved(struct sim *s, const struct verdict *verdict, const struct tpunet_intent *intent,
                   uint64_t links_since, const struct tpunet_link_end *dead, size_t n_dead);

/* oracle.c: the switches */
void oracle_init(struct sim *s);
void oracle_fenced(struct sim *s, unsigned ocs, struct ocs_claim claim);
void oracle_moved(struct sim *s, unsigned ocs, struct ocs_claim claim, const struct sim_op *ops,
                  size_t n, bool finished);
void oracle_lost_power(struct sim *s, unsigned ocs);
void oracle_foreign(struct sim *s, unsigned ocs, struct sim_xc xc);
void oracle_broken_by_hand(struct sim *s, unsigned ocs, unsigned north);
/* It stands and is nobody's. */
bool oracle_is_foreign(const struct sim *s, unsigned ocs, unsigned north);
/* A restored backup does not explain all circuits yet. */
bool oracle_is_restored(const struct sim *s);
void oracle_look(struct sim *s); /* one switch after the other, a step each */
/* settled.c: NULL when everything is as it should be, or what is not yet. */
const char *oracle_unsettled(struct sim *s);
const char *oracle_unrepaired(struct sim *s); /* besides, a technician still has work */
/* NULL when every slice serves, be it degraded: no work waits for a dead switch. */
const char *oracle_unserved(struct sim *s);
/* NULL when besides every link that a slice's routes use is up. */
const char *oracle_unmended(struct sim *s);

#endif
