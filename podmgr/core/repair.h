/* Repair tickets: a broken part's way back into service, with a person's hands
 * where hands are needed.
 *
 *            start        drained          begin        done
 *     OPEN ────────> DRAINING ───> READY_FOR_REPAIR ───> IN_REPAIR ───> VERIFYING
 *      ^  \               \              /                   ^           │    │
 *      │   └───────────────┴── dismiss ─┴──> CLOSED          └── redo ───┘    │ burned in
 *      │                                       ^                              v
 *      └────────────── relapse ────────────────┼──────────────────────── PROBATION
 *                                              └────── time is up ────────────┘
 *
 * Drained, burned in, relapse and the end of probation are the machine's; start
 * is either's; the rest are a person's.  The table of moves is in repair.c, with
 * the rules.  Pure: time, ids and facts come in, news goes out. */
#ifndef PODMGR_CORE_REPAIR_H
#define PODMGR_CORE_REPAIR_H

#include "core/model.h"
#include "core/riskmap.h"

#define TICKET_STATES(X)                                                                           \
    X(OPEN) X(DRAINING) X(READY_FOR_REPAIR) X(IN_REPAIR) X(VERIFYING) X(PROBATION) X(CLOSED)
enum ticket_state {
#define X(name) TICKET_##name,
    TICKET_STATES(X)
#undef X
};
const char *ticket_state_name(enum ticket_state state);
bool ticket_state_parse(enum ticket_state *out, const char *text);

enum {
    TICKET_TEXT_MAX = 320,
    TICKET_NOTE_MAX = 160,
    TICKET_HISTORY = 64, /* the last ones are kept */
    TICKET_INCIDENTS = 16,
    TICKETS_CLOSED_KEPT = 1000,
};

struct ticket_step {
    struct wall_ms at;
    enum ticket_state from, to;
    char who[64]; /* "podmgr", or as in the audit */
    char note[TICKET_NOTE_MAX];
};

struct ticket {
    struct id id;
    enum ticket_state state;
    enum risk_kind kind;
    char part[RISKMAP_NAME_MAX];
    char position[TICKET_TEXT_MAX]; /* where to walk */
    char action[TICKET_TEXT_MAX];   /* what to do there */
    char safe[TICKET_TEXT_MAX];     /* what may be unplugged once READY_FOR_REPAIR */
    char spare[RISKMAP_NAME_MAX];   /* port to which its fibre can be moved, "" = none */
    struct wall_ms opened, changed;
    struct wall_ms well_since; /* VERIFYING: since when it shows nothing */
    uint32_t relapses;
    uint64_t version; /* rises with each change: the ETag */
    struct id incidents[TICKET_INCIDENTS];
    size_t n_incidents;
    struct ticket_step history[TICKET_HISTORY];
    size_t n_history;
};
/* Says where the group is, what to do about it and what is safe, in words.
 * `spare` may be TPUNET_NONE. */
void ticket_describe(struct ticket *ticket, const struct riskmap *map,
                     const struct tpunet_wiring *wiring, uint32_t group, uint16_t spare);

struct tickets; /* sorted by id */
struct tickets *tickets_create(void);
void tickets_destroy(struct tickets *list);
size_t tickets_count(const struct tickets *list);
struct ticket *tickets_at(const struct tickets *list, size_t i);
struct ticket *tickets_find(const struct tickets *list, struct id id); /* NULL if gone */
/* That is not CLOSED; a switch and its controller have one name. */
struct ticket *tickets_open_of(const struct tickets *list, enum risk_kind kind, const char *part);
void tickets_add(struct tickets *list, struct ticket *ticket); /* takes it; newest id */

struct repair_params {
    int64_t burn_in_ms;   /* without a symptom, before probation */
    int64_t probation_ms; /* doubled by each relapse */
    bool drain_at_once;   /* a new ticket starts by itself */
};
static const struct repair_params repair_defaults = {
    .burn_in_ms = 15 * 60 * 1000, .probation_ms = 4 * 3600 * 1000LL, .drain_at_once = true};
/* The defaults, but for what the configuration says. */
struct repair_params repair_params_of(const struct pod *pod);

/* An incident blames the part of *draft (a ticket described but not yet in the
 * list).  Returns the part's ticket: the one that is not closed, which hears of
 * it and relapses if it was on its way back, or a new one, a copy of *draft;
 * *changed if it is not as before. */
struct ticket *tickets_blame(struct tickets *list, const struct ticket *draft, struct id incident,
                             struct wall_ms now, const struct repair_params *params,
                             struct id (*new_id)(void *arg), void *arg, bool *changed);

/* What is true of the part now. */
struct repair_facts {
    bool drained;                 /* nothing runs over it */
    bool sick;                    /* an open incident blames it */
    char in_use[TICKET_NOTE_MAX]; /* by whom, while it is not drained */
};
/* What the machine does by itself; true if the state changed. */
bool ticket_tick(struct ticket *ticket, const struct repair_facts *facts, struct wall_ms now,
                 const struct repair_params *params);
/* When probation ends, if it is PROBATION; else 0. */
struct wall_ms ticket_until(const struct ticket *ticket, const struct repair_params *params);
/* A person's move.  E_CONFLICT says what may be done instead, or what is awaited
 * first; E_INVALID: a note is needed. */
int ticket_advance(struct ticket *ticket, enum ticket_state to, const char *who, const char *note,
                   struct wall_ms now, struct error *err);
/* Drops the oldest closed ones beyond TICKETS_CLOSED_KEPT; *id is one that is
 * gone, false: none is left to drop. */
bool tickets_forget(struct tickets *list, struct id *id);

/* What a ticket in this state makes of its part's health; from IN_REPAIR on a cube
 * with it is given to nobody (A6), before that a fault on it says so. */
enum health ticket_health(enum ticket_state state);

#endif
