/* Repair tickets as the ledger has them: what a technician has in hand.
 *
 *   A2  what is loaded is what was committed
 *   A6  nobody has the cube when he begins, and nobody gets it before the ticket is
 *       CLOSED, or OPEN again */
#include "core/repair.h"
#include "oracle.h"

#include <stdio.h>

static bool is_worked_on(const struct ticket *ticket)
{
    return ticket != NULL && ticket->state >= TICKET_IN_REPAIR && ticket->state <= TICKET_PROBATION;
}

/* A link that leaves the cube's face is a fibre, and the switch port's ticket. */
static bool leaves_the_cube(const struct part *link)
{
    return link->at[link->axis] == (link->minus ? 0 : 3);
}

/* The cube that the part takes along; SIM_NONE if it is none. */
static uint16_t cube_of(const char *name)
{
    struct part part;

    if (part_parse(&part, name, NULL) < 0) {
        return SIM_NONE;
    }
    bool takes = part.kind == PART_CUBE || part.kind == PART_HOST || part.kind == PART_CHIP ||
                 (part.kind == PART_LINK && !leaves_the_cube(&part));
    return takes ? part.cube : SIM_NONE;
}

static struct worked **find(struct oracle *oracle, struct id id)
{
    struct worked **at = &oracle->worked;

    while (*at != NULL && id_compare((*at)->id, id) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static struct worked *add(struct sim *s, const struct ticket *ticket)
{
    struct worked *w = sim_new(s, sizeof *w);

    *w = (struct worked){s->oracle->worked, ticket->id, cube_of(ticket->part), ticket->version};
    s->oracle->worked = w;
    return w;
}

bool oracle_is_in_hand(const struct oracle *oracle, unsigned cube)
{
    const struct worked *w = oracle->worked;

    while (w != NULL && w->cube != cube) {
        w = w->next;
    }
    return w != NULL;
}

void oracle_repairs_ended(struct manager *m)
{
    for (size_t i = 0; i < m->out.n_changes && m == m->s->current; i++) {
        const struct change *change = &m->out.changes[i];
        if (change->kind == CHANGE_TICKET &&
            !is_worked_on(tickets_find(m->model->tickets, change->id))) {
            struct worked **at = find(m->s->oracle, change->id);
            *at = *at != NULL ? (*at)->next : NULL;
        }
    }
}

static void begin(struct sim *s, const struct ticket *ticket)
{
    const struct worked *w = add(s, ticket);
    const struct entry *owner = w->cube < s->cubes ? s->oracle->owner[w->cube] : NULL;
    char id[48];

    s->outcome->activated[F_REPAIR]++;
    if (owner != NULL && !oracle_has_left(s, owner, w->cube)) {
        sim_found(s, V_A6, "a technician begins at %s, and slice/%s has cube/%u", ticket->part,
                  id_format(owner->id, id), w->cube);
    }
}

void oracle_repairs_committed(struct manager *m)
{
    for (size_t i = 0; i < m->out.n_changes && m == m->s->current; i++) {
        const struct change *change = &m->out.changes[i];
        const struct ticket *ticket =
            change->kind == CHANGE_TICKET ? tickets_find(m->model->tickets, change->id) : NULL;
        if (is_worked_on(ticket)) {
            struct worked *w = *find(m->s->oracle, ticket->id);
            if (w != NULL) {
                w->version = ticket->version;
            } else {
                begin(m->s, ticket);
            }
        }
    }
}

void oracle_repairs_loaded(struct sim *s, const struct model *m, bool restored)
{
    char id[48];

    for (const struct worked *w = s->oracle->worked; w != NULL && !restored; w = w->next) {
        const struct ticket *ticket = tickets_find(m->tickets, w->id);
        if (!is_worked_on(ticket) || ticket->version != w->version) {
            sim_found(s, V_A2, "repair/%s is lost or another", id_format(w->id, id));
        }
    }
    if (restored) {
        s->oracle->worked = NULL;
        for (size_t i = 0; i < tickets_count(m->tickets); i++) {
            if (is_worked_on(tickets_at(m->tickets, i))) {
                (void)add(s, tickets_at(m->tickets, i));
            }
        }
    }
}

/* An observer, the network, podmgr itself: nothing follows from its ticket, and what it
 * has said of hosts lasts until their next preflight. */
static bool only_talks(const struct ticket *ticket)
{
    struct part part;

    return part_parse(&part, ticket->part, NULL) < 0;
}

const char *oracle_unrepaired(struct sim *s)
{
    const char *why = oracle_unsettled(s);
    const struct tickets *tickets = s->current != NULL ? s->current->model->tickets : NULL;
    char id[48];

    for (size_t i = 0; why == NULL && s->on[F_REPAIR] && i < tickets_count(tickets); i++) {
        const struct ticket *ticket = tickets_at(tickets, i);
        if (ticket->state != TICKET_CLOSED && !only_talks(ticket)) {
            (void)snprintf(s->oracle->text, sizeof s->oracle->text, "repair/%s of %s is %s",
                           id_format(ticket->id, id), ticket->part,
                           ticket_state_name(ticket->state));
            why = s->oracle->text;
        }
    }
    return why;
}
