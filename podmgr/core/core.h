/* The core: one event and the model in, changes and effects out.
 *
 * It does no I/O, reads no clock (time comes in the event), draws no random
 * number and starts no thread.  The shell (../shell.c) lets it take a batch of
 * events, commits all their changes in one transaction, and only then carries
 * the effects out: durable before visible (D6, A2).
 *
 * Changes are keys: "slice 3-41 changed".  The store derives the rows from the
 * model at commit, so a change is written once however often it was made, and
 * an object that is gone is deleted.  Journal entries are values. */
#ifndef PODMGR_CORE_CORE_H
#define PODMGR_CORE_CORE_H

#include "err.h"
#include "health.h"
#include "model.h"
#include "repair.h"
#include "slice.h"
#include "webhooks.h"

/* ------------------------------------------------------------- events -- */

/* A result of a batch on a switch, or a map that was read, for one north port. */
struct seen_circuit {
    uint16_t north, south; /* south TPUNET_NONE: dark */
    float north_dbm, south_dbm, loss_db;
};
/* Where a switch stands, as it said itself. */
struct ocs_identity {
    char boot_id[40];
    uint64_t generation, epoch, instance;
    uint16_t north_ports, south_ports;
    bool light;
};
struct ocs_op_result {
    struct id op;
    bool done;
    char text[160];    /* why not; names port and mirror */
    bool mirror_fault; /* the mirror of this port did not move: */
    bool south;
    uint16_t port;
    struct seen_circuit *seen; /* the touched north ports, read back */
    size_t n_seen;
};

enum event_kind {
    EV_START, /* the model is loaded: take the epoch */
    EV_TICK,
    EV_CREATE_SLICE,
    EV_DELETE_SLICE,
    EV_MIGRATE_SLICE,
    EV_FAIL_PART,  /* an operator's word */
    EV_CLEAR_PART, /* and its withdrawal */
    EV_CLEAR_QUARANTINE,
    EV_OCS_ATTACHED,   /* fenced with our epoch, map read */
    EV_OCS_LOOKED,     /* map read again, nothing of ours under way */
    EV_OCS_SUPERSEDED, /* it holds a claim that is not older than ours */
    EV_OCS_LOST,
    EV_OCS_APPLIED,
    EV_AGENT_HELLO,
    EV_AGENT_SEEN,
    EV_VERDICT,
    EV_LINKS,
    EV_HEALTH_HELLO,
    EV_HEALTH_LEASE,
    EV_HEALTH,    /* a report of one host */
    EV_PREFLIGHT, /* an observer's verdict about hosts of a slice */
    EV_ADVANCE_REPAIR,
    EV_RESET_BREAKER, /* an operator's word */
    EV_CREATE_DRAIN,  /* so are these */
    EV_END_DRAIN,     /* in `del` */
    EV_FENCED,        /* an agent has disabled chip ports */
    EV_CREATE_WEBHOOK,
    EV_DELETE_WEBHOOK,
    EV_WEBHOOK_NEWS,
};

enum { VERDICT_DOWN_MAX = 512 }; /* ends: a cube that is missing has 384 */
struct verdict {
    struct id slice;
    uint64_t epoch, generation;
    bool ok, check_only;
    char code[24];
    char text[SLICE_REASON_MAX];
    struct slice_routes routes;
    double discovered_ms, proved_ms, installed_ms;
    struct chip_port down[VERDICT_DOWN_MAX]; /* intended links that were not there */
    size_t n_down;
};

struct link_change {
    struct id slice;
    uint32_t chip;
    uint8_t port;
    bool up;
};

struct fitness; /* core/preflight.h */

/* A person's move of a repair ticket. */
struct repair_step {
    struct id ticket;
    enum ticket_state to;
    char note[TICKET_NOTE_MAX];
    uint64_t if_version; /* 0 = any (A4) */
};

/* Cubes to swap under a slice: `with` TPUNET_NONE lets placement choose. */
struct swap {
    uint16_t cube, with;
};

struct event {
    enum event_kind kind;
    struct mono_ns arrived; /* when the shell took it */
    struct now now;         /* of the batch */
    uint64_t cookie;        /* of the request to answer, 0 = nobody waits */
    char who[64];           /* of a mutation: "unix uid 0 pid 812 admin" */
    struct create_key *key; /* of a create, owned, NULL: none; core/keys.h */
    union {
        struct slice_spec *create; /* taken by the core */
        struct {
            struct id id;
            uint64_t if_version; /* 0 = any (A4) */
        } del;
        struct {
            struct id id;
            uint64_t if_version;
            struct swap *swaps; /* owned */
            size_t n_swaps;
        } migrate;
        struct {
            struct part part;
            char reason[160];
        } word;
        struct {
            uint64_t epoch, generation; /* of the request */
            struct chip_port *ports;    /* owned */
            size_t n;
        } fenced;
        struct {
            uint16_t cube;
        } clear;
        struct {
            uint16_t ocs;
            struct ocs_identity identity;
            struct seen_circuit *seen;
            size_t n_seen;
            char why[120]; /* LOST */
        } ocs;
        struct {
            uint16_t ocs;
            struct ocs_identity identity;
            struct ocs_op_result *results;
            size_t n_results;
        } applied;
        struct {
            char name[64];
            uint64_t instance;
            uint16_t *hosts;
            size_t n_hosts;
            uint32_t id; /* SEEN */
        } agent;
        struct verdict *verdict;
        struct {
            struct link_change *links;
            size_t n;
        } links;
        struct {
            char name[64];
            uint64_t instance;
            uint16_t *hosts;
            size_t n_hosts;
            struct goldens *goldens; /* NULL: it knows no limits */
        } observer;                  /* HEALTH_HELLO */
        struct {
            uint32_t observer;
            uint8_t *answering; /* bit i: the i-th of its hosts */
            size_t n_bytes;
        } lease;
        struct health_report health;
        struct fitness *fitness;    /* PREFLIGHT */
        struct repair_step *repair; /* ADVANCE_REPAIR */
        struct drain_order *drain;  /* CREATE_DRAIN, owned; core/drain.h */
        struct webhook *webhook;    /* CREATE_WEBHOOK: a draft, owned */
        struct webhook_news hook;   /* WEBHOOK_NEWS; DELETE_WEBHOOK: only its id */
    };
};

/* ------------------------------------------------------------ changes -- */

enum change_kind {
    CHANGE_META,
    CHANGE_SLICE,
    CHANGE_OP,
    CHANGE_CIRCUIT,
    CHANGE_KEY,
    CHANGE_INCIDENT,
    CHANGE_TICKET,
    CHANGE_FAULT,
    CHANGE_LIEN,
    CHANGE_DRAIN,
    CHANGE_WEBHOOK,
};
struct change {
    enum change_kind kind;
    union {
        struct id id; /* slice, op, incident, ticket, drain, webhook */
        struct {
            uint16_t ocs, north;
        } circuit;
        uint64_t key;                /* number of an idempotency key */
        struct part part;            /* fault */
        struct tpunet_ocs_port port; /* lien */
    };
};

/* One line of the journal: ordered, gap-free, resumable. */
struct journal_entry {
    uint64_t seq;
    struct wall_ms at;
    const char *type; /* static: "slice.active", "ocs.unreachable", ... */
    char subject[80]; /* part name */
    char *data;       /* JSON object text */
};

/* Who changed what (A10): one for each mutation, none for a refusal. */
struct audit_entry {
    struct wall_ms at;
    char who[64];
    const char *action;   /* static: "slice.create", "slice.delete" */
    char subject[80];     /* part name */
    char *before, *after; /* JSON texts; "null": it was or is not there */
};

/* ------------------------------------------------------------ effects -- */

enum effect_kind {
    EFFECT_REPLY,      /* answer the request `cookie` */
    EFFECT_OCS_ATTACH, /* identify, fence, read the map of `ocs` (or all: TPUNET_NONE) */
    EFFECT_OCS_APPLY,  /* send what operation `id` wants of switch `ocs` */
    EFFECT_BRING_UP,   /* hand the intent of slice `id` to its coordinator */
    EFFECT_WATCH,      /* tell agent `agent` to watch the links of slice `id` */
    EFFECT_RELEASE,    /* tell agent `agent` to stop watching slice `id` */
    EFFECT_PREFLIGHT,  /* observer `agent` has an order (preflight_next()) */
    EFFECT_FENCE,      /* tell agent `agent` to disable its chip ports under unfenced liens */
    EFFECT_STOP,       /* another manager took over: stop at once; see text */
};
/* What a client hears.  status 0: `id` names the slice. */
struct reply {
    int status;       /* 0 or an E_ code */
    const char *code; /* stable code of the problem: "insufficient-capacity" */
    char *text;       /* detail, owned by the outbox; NULL when status is 0 */
};
struct effect {
    enum effect_kind kind;
    uint64_t cookie;
    struct id id;
    uint16_t ocs;
    uint32_t agent;
    bool check_only;
    uint64_t epoch; /* FENCE: of its generation; it may have risen since in the same batch */
    uint64_t generation;
    struct reply reply;
    char text[160];
};

struct outbox {
    struct change *changes;
    size_t n_changes, cap_changes;
    struct journal_entry *journal;
    size_t n_journal, cap_journal;
    struct audit_entry *audits;
    size_t n_audits, cap_audits;
    struct effect *effects;
    size_t n_effects, cap_effects;
};
void outbox_init(struct outbox *out);
void outbox_clear(struct outbox *out); /* frees texts, keeps the arrays */
void outbox_fini(struct outbox *out);

/* Takes one event.  Owned payloads of the event are taken over or freed by
 * event_fini(), which the caller calls after the step. */
void core_step(struct model *m, struct event *ev, struct outbox *out);
void event_fini(struct event *ev);

/* Derives from the tickets which cubes and switches a person has in hand; after a
 * load, and whenever one has moved. */
void core_mark_repairs(struct model *m);

/* What an agent is to disable: chip ports of its hosts under unfenced liens. */
size_t core_unfenced(const struct model *m, uint32_t agent, struct chip_port *out, size_t max);
/* The links of the slice that are not to be used, by the port at their + face. */
size_t core_dead_links(const struct model *m, const struct slice *slice, struct chip_port *out,
                       size_t max);

/* The ends of the slice's links that are believed to be down and are the agent's to
 * watch (watch.c). */
size_t core_down_ends(const struct model *m, const struct slice *slice, uint32_t agent,
                      struct chip_port *out, size_t max);

/* The cubes that unexplained circuits join with this one, and how many circuits
 * they are (quarantine.c). */
size_t core_quarantine_group(const struct model *m, uint16_t cube,
                             bool cubes[static MODEL_CUBES_MAX]);

/* Ready to serve: the epoch is taken and every switch has answered once or is
 * known to be unreachable.  If not, *why says what is awaited. */
bool core_ready(const struct model *m, char *why, size_t why_size);

#endif
