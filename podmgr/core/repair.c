/* The rules:
 *
 *   1. A part has one ticket that is not closed.  Another incident that blames
 *      it is added to that ticket.  A switch and its controller are two parts of one
 *      name; what was taken for the controller and nobody has begun on becomes the
 *      ticket of the switch.
 *   2. Blamed in PROBATION it has relapsed: OPEN again, with its history, and
 *      with twice the probation next time.
 *   3. It is READY_FOR_REPAIR when nothing runs over the part, and never before:
 *      a person would unplug it.
 *   4. IN_REPAIR begins and ends with a person's word.
 *   5. VERIFYING ends when nothing was seen for burn_in_ms; what is seen starts
 *      the time anew.  A person can send it back to repair.
 *   6. PROBATION ends by itself after probation_ms, doubled by each relapse, or by
 *      a person's word.
 *   7. Up to READY_FOR_REPAIR a person can dismiss it with a note: nothing was
 *      broken.
 *   8. CLOSED is the end; the newest TICKETS_CLOSED_KEPT are kept.
 *   9. Times are by the wall clock, since they outlive podmgr; one that was set
 *      back begins them anew. */
#include "core/repair.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

const char *ticket_state_name(enum ticket_state state)
{
    static const char *const names[] = {
#define X(name) [TICKET_##name] = #name,
        TICKET_STATES(X)
#undef X
    };
    return names[state];
}

bool ticket_state_parse(enum ticket_state *out, const char *text)
{
    for (int state = 0; state <= TICKET_CLOSED; state++) {
        if (strcmp(text, ticket_state_name((enum ticket_state)state)) == 0) {
            *out = (enum ticket_state)state;
            return true;
        }
    }
    return false;
}

enum health ticket_health(enum ticket_state state)
{
    switch (state) {
    case TICKET_OPEN:
    case TICKET_DRAINING:
    case TICKET_READY_FOR_REPAIR:
    case TICKET_IN_REPAIR:
    case TICKET_VERIFYING:
        return HEALTH_QUARANTINED;
    case TICKET_PROBATION:
        return HEALTH_PROBATION;
    case TICKET_CLOSED:
        return HEALTH_HEALTHY;
    }
    abort();
}

struct repair_params repair_params_of(const struct pod *pod)
{
    struct repair_params params = repair_defaults;

    if (pod->repair.burn_in_ms > 0) {
        params.burn_in_ms = pod->repair.burn_in_ms;
    }
    if (pod->repair.probation_ms > 0) {
        params.probation_ms = pod->repair.probation_ms;
    }
    return params;
}

/* ----------------------------------------------------------------- moves -- */

enum actor { MACHINE = 1, PERSON = 2, NEEDS_NOTE = 4 };
static const struct move {
    enum ticket_state from, to;
    unsigned by;
} moves[] = {
    {TICKET_OPEN, TICKET_DRAINING, MACHINE | PERSON},
    {TICKET_DRAINING, TICKET_READY_FOR_REPAIR, MACHINE},
    {TICKET_READY_FOR_REPAIR, TICKET_DRAINING, MACHINE}, /* somebody uses it again */
    {TICKET_READY_FOR_REPAIR, TICKET_IN_REPAIR, PERSON},
    {TICKET_IN_REPAIR, TICKET_VERIFYING, PERSON},
    {TICKET_VERIFYING, TICKET_IN_REPAIR, PERSON},
    {TICKET_VERIFYING, TICKET_PROBATION, MACHINE},
    {TICKET_PROBATION, TICKET_OPEN, MACHINE},
    {TICKET_PROBATION, TICKET_CLOSED, MACHINE | PERSON},
    {TICKET_OPEN, TICKET_CLOSED, PERSON | NEEDS_NOTE},
    {TICKET_DRAINING, TICKET_CLOSED, PERSON | NEEDS_NOTE},
    {TICKET_READY_FOR_REPAIR, TICKET_CLOSED, PERSON | NEEDS_NOTE},
};

static const struct move *find_move(enum ticket_state from, enum ticket_state to)
{
    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        if (moves[i].from == from && moves[i].to == to) {
            return &moves[i];
        }
    }
    return NULL;
}

static void write_history(struct ticket *ticket, enum ticket_state to, const char *who,
                          const char *note, struct wall_ms now)
{
    if (ticket->n_history == TICKET_HISTORY) {
        memmove(ticket->history, ticket->history + 1,
                (TICKET_HISTORY - 1) * sizeof *ticket->history);
        ticket->n_history--;
    }
    struct ticket_step *step = &ticket->history[ticket->n_history++];
    *step = (struct ticket_step){.at = now, .from = ticket->state, .to = to};
    (void)snprintf(step->who, sizeof step->who, "%s", who);
    (void)snprintf(step->note, sizeof step->note, "%s", note);
}

static void move(struct ticket *ticket, enum ticket_state to, enum actor by, const char *who,
                 const char *note, struct wall_ms now)
{
    const struct move *row = find_move(ticket->state, to);

    assert(row != NULL && (row->by & by) != 0);
    write_history(ticket, to, who, note, now);
    ticket->state = to;
    ticket->changed = now;
    ticket->well_since = to == TICKET_VERIFYING ? now : (struct wall_ms){0};
    ticket->version++;
}

/* ----------------------------------------------------------------- lists -- */

struct tickets {
    struct ticket **items;
    size_t n, cap;
};

struct tickets *tickets_create(void)
{
    return xcalloc(1, sizeof(struct tickets));
}

void tickets_destroy(struct tickets *list)
{
    if (list != NULL) {
        for (size_t i = 0; i < list->n; i++) {
            free(list->items[i]);
        }
        free(list->items);
        free(list);
    }
}

size_t tickets_count(const struct tickets *list)
{
    return list->n;
}

struct ticket *tickets_at(const struct tickets *list, size_t i)
{
    assert(i < list->n);
    return list->items[i];
}

struct ticket *tickets_find(const struct tickets *list, struct id id)
{
    for (size_t i = list->n; i-- > 0;) {
        if (id_compare(list->items[i]->id, id) == 0) {
            return list->items[i];
        }
    }
    return NULL;
}

struct ticket *tickets_open_of(const struct tickets *list, enum risk_kind kind, const char *part)
{
    for (size_t i = list->n; i-- > 0;) {
        struct ticket *ticket = list->items[i];
        if (ticket->state != TICKET_CLOSED && ticket->kind == kind &&
            strcmp(ticket->part, part) == 0) {
            return ticket;
        }
    }
    return NULL;
}

void tickets_add(struct tickets *list, struct ticket *ticket)
{
    assert(list->n == 0 || id_compare(list->items[list->n - 1]->id, ticket->id) < 0);
    VEC_GROW(list->items, list->n, list->cap);
    list->items[list->n++] = ticket;
}

bool tickets_forget(struct tickets *list, struct id *id)
{
    size_t closed = 0, oldest = list->n;

    for (size_t i = list->n; i-- > 0;) {
        if (list->items[i]->state == TICKET_CLOSED) {
            closed++;
            oldest = i;
        }
    }
    if (closed <= TICKETS_CLOSED_KEPT) {
        return false;
    }
    *id = list->items[oldest]->id;
    free(list->items[oldest]);
    list->n--;
    memmove(list->items + oldest, list->items + oldest + 1,
            (list->n - oldest) * sizeof *list->items);
    return true;
}

/* --------------------------------------------------------------- machine -- */

static bool add_incident(struct ticket *ticket, struct id incident)
{
    for (size_t i = 0; i < ticket->n_incidents; i++) {
        if (id_compare(ticket->incidents[i], incident) == 0) {
            return false;
        }
    }
    if (ticket->n_incidents == TICKET_INCIDENTS) {
        memmove(ticket->incidents, ticket->incidents + 1,
                (TICKET_INCIDENTS - 1) * sizeof *ticket->incidents);
        ticket->n_incidents--;
    }
    ticket->incidents[ticket->n_incidents++] = incident;
    return true;
}

static void start(struct ticket *ticket, struct wall_ms now, const struct repair_params *params)
{
    if (params->drain_at_once) {
        move(ticket, TICKET_DRAINING, MACHINE, "podmgr", "", now);
    }
}

static struct ticket *open_ticket(struct tickets *list, const struct ticket *draft, struct id id,
                                  struct wall_ms now, const struct repair_params *params)
{
    struct ticket *ticket = xmemdup(draft, sizeof *draft);

    ticket->id = id;
    ticket->state = TICKET_OPEN;
    ticket->opened = ticket->changed = now;
    ticket->version = 1;
    tickets_add(list, ticket);
    start(ticket, now, params);
    return ticket;
}

/* Rule 1: not its controller, but the switch itself. */
static struct ticket *understand_better(struct tickets *list, const struct ticket *draft)
{
    struct ticket *ticket =
        draft->kind == RISK_OCS ? tickets_open_of(list, RISK_OCS_CONTROL, draft->part) : NULL;

    if (ticket == NULL || ticket->state >= TICKET_IN_REPAIR) {
        return NULL;
    }
    ticket->kind = draft->kind;
    memcpy(ticket->position, draft->position, sizeof ticket->position);
    memcpy(ticket->action, draft->action, sizeof ticket->action);
    memcpy(ticket->safe, draft->safe, sizeof ticket->safe);
    memcpy(ticket->spare, draft->spare, sizeof ticket->spare);
    return ticket;
}

struct ticket *tickets_blame(struct tickets *list, const struct ticket *draft, struct id incident,
                             struct wall_ms now, const struct repair_params *params,
                             struct id (*new_id)(void *arg), void *arg, bool *changed)
{
    struct ticket *ticket = tickets_open_of(list, draft->kind, draft->part);
    char text[48], note[TICKET_NOTE_MAX];
    bool better = ticket == NULL && (ticket = understand_better(list, draft)) != NULL;

    if (ticket == NULL) {
        ticket = open_ticket(list, draft, new_id(arg), now, params);
        *changed = add_incident(ticket, incident);
        return ticket;
    }
    bool relapsed = ticket->state == TICKET_PROBATION;
    *changed = add_incident(ticket, incident) || relapsed || better;
    if (*changed) {
        ticket->version++;
    }
    if (relapsed) {
        (void)snprintf(note, sizeof note, "relapse: incident %s", id_format(incident, text));
        ticket->relapses++;
        move(ticket, TICKET_OPEN, MACHINE, "podmgr", note, now);
        start(ticket, now, params);
    }
    return ticket;
}

struct wall_ms ticket_until(const struct ticket *ticket, const struct repair_params *params)
{
    enum { DOUBLINGS_MAX = 5 };
    uint32_t doublings = ticket->relapses < DOUBLINGS_MAX ? ticket->relapses : DOUBLINGS_MAX;

    if (ticket->state != TICKET_PROBATION) {
        return (struct wall_ms){0};
    }
    return (struct wall_ms){ticket->changed.ms + (params->probation_ms << doublings)};
}

bool ticket_tick(struct ticket *ticket, const struct repair_facts *facts, struct wall_ms now,
                 const struct repair_params *params)
{
    switch (ticket->state) {
    case TICKET_OPEN:
    case TICKET_IN_REPAIR:
    case TICKET_CLOSED:
        return false;
    case TICKET_DRAINING:
        if (facts->drained) {
            move(ticket, TICKET_READY_FOR_REPAIR, MACHINE, "podmgr", "nothing runs over it", now);
        }
        return facts->drained;
    case TICKET_READY_FOR_REPAIR:
        if (!facts->drained) {
            move(ticket, TICKET_DRAINING, MACHINE, "podmgr", facts->in_use, now);
        }
        return !facts->drained;
    case TICKET_VERIFYING:
        if (facts->sick || now.ms < ticket->well_since.ms) {
            ticket->well_since = now;
            return false;
        }
        if (now.ms - ticket->well_since.ms < params->burn_in_ms) {
            return false;
        }
        move(ticket, TICKET_PROBATION, MACHINE, "podmgr", "burned in", now);
        return true;
    case TICKET_PROBATION:
        if (now.ms < ticket->changed.ms) {
            ticket->changed = now;
        }
        if (now.ms < ticket_until(ticket, params).ms) {
            return false;
        }
        move(ticket, TICKET_CLOSED, MACHINE, "podmgr", "probation is over", now);
        return true;
    }
    abort();
}

/* ---------------------------------------------------------------- person -- */

/* What a person may do in that state, for the one who tried something else. */
static void list_moves(enum ticket_state from, char *out, size_t size)
{
    size_t len = 0;

    (void)snprintf(out, size, "nothing");
    for (size_t i = 0; i < ARRAY_LEN(moves) && len < size; i++) {
        if (moves[i].from == from && (moves[i].by & PERSON) != 0) {
            len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "",
                                    ticket_state_name(moves[i].to));
        }
    }
}

int ticket_advance(struct ticket *ticket, enum ticket_state to, const char *who, const char *note,
                   struct wall_ms now, struct error *err)
{
    const struct move *row = find_move(ticket->state, to);
    char may[160];

    if (row == NULL || (row->by & PERSON) == 0) {
        list_moves(ticket->state, may, sizeof may);
        return err_set(err, E_CONFLICT,
                       "to: a ticket that is %s is not made %s by hand; from there "
                       "a person can make it %s%s",
                       ticket_state_name(ticket->state), ticket_state_name(to), may,
                       row != NULL ? ", the rest follows by itself" : "");
    }
    if ((row->by & NEEDS_NOTE) != 0 && note[0] == '\0') {
        return err_set(err, E_INVALID, "note: say why it is closed without a repair");
    }
    move(ticket, to, PERSON, who, note, now);
    return 0;
}
