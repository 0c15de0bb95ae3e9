/* Technicians and operators: they go by the tickets, as docs/repair.md says.
 *
 *   1. A ticket that is READY_FOR_REPAIR is begun at once; what is broken in that
 *      place is mended when the drawn time is over, and the ticket is VERIFYING.  A
 *      ticket for nothing costs an hour.
 *   2. When the ticket has come to `clear_at`, what podmgr holds against its part
 *      and the cube around it is cleared.
 *   3. An open breaker is looked at and reset.
 *   4. A daily walk mends what has been broken for a week without a ticket, and
 *      clears what is held against sound parts without one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "year.h"

enum { NOTHING_FOUND_MS = 3600 * 1000, FORGOTTEN_DAYS = 7 };

/* ----------------------------------------------------------- who is meant -- */

/* A ticket about a daemon is about its host. */
static bool parse(struct part *out, const char *name)
{
    const char *host = strstr(name, "/host-");
    char text[48];

    if (host != NULL) {
        (void)snprintf(text, sizeof text, "host/%.40s", host + strlen("/host-"));
    }
    return part_parse(out, host != NULL ? text : name, NULL) == 0;
}

static bool concerns_cube(const struct part *part, unsigned cube)
{
    return (part->kind == PART_CUBE || part->kind == PART_HOST || part->kind == PART_CHIP ||
            part->kind == PART_LINK || part->kind == PART_FACE || part->kind == PART_FIBRE) &&
           part->cube == cube;
}

static struct tpunet_ocs_port port_of(const struct year *y, const struct part *part)
{
    struct tpunet_fibre fibre = {part->cube, part->axis, part->minus, part->a, part->b};

    if (part->kind == PART_FIBRE) {
        return tpunet_wiring_port(y->lab->pod.wiring, fibre);
    }
    return (struct tpunet_ocs_port){part->ocs, part->south ? TPUNET_SOUTH : TPUNET_NORTH,
                                    part->port};
}

/* A technician follows a light path to its other end, and looks around. */
static bool is_near(const struct year *y, const struct part *part, const struct fault_record *f)
{
    bool optical = part->kind == PART_PORT || part->kind == PART_FIBRE || part->kind == PART_OCS;

    if (concerns_cube(part, f->part.cube) && cause_class(f->cause) != CLASS_SWITCH) {
        return true;
    }
    return optical && cause_class(f->cause) != CLASS_HOST && port_of(y, part).ocs == f->part.ocs;
}

/* Is the fault of the model one that this ticket's incident led to? */
static bool is_held_for(const struct year *y, const struct part *part, const struct part *held)
{
    if (held->kind == PART_CUBE || held->kind == PART_HOST) {
        return concerns_cube(part, held->cube);
    }
    if (held->kind == PART_PORT) {
        return (part->kind == PART_PORT || part->kind == PART_FIBRE || part->kind == PART_OCS) &&
               port_of(y, part).ocs == held->ocs;
    }
    return part->kind == PART_OCS && held->ocs == part->ocs;
}

/* Does another ticket that is not that far concern it? */
static bool is_awaited(const struct year *y, const struct part *held)
{
    const struct tickets *list = y->lab->model->tickets;

    for (size_t i = tickets_count(list); i-- > 0;) {
        const struct ticket *ticket = tickets_at(list, i);
        struct part part;
        if (ticket->state != TICKET_CLOSED && ticket->state < y->config->clear_at &&
            parse(&part, ticket->part) && is_held_for(y, &part, held)) {
            return true;
        }
    }
    return false;
}

/* --------------------------------------------------------------- technicians -- */

struct visit {
    struct year *y;
    struct id ticket;
};

static void advance(struct year *y, struct id ticket, enum ticket_state to)
{
    struct event ev = {.kind = EV_ADVANCE_REPAIR, .who = "the technician"};

    ev.repair = xcalloc(1, sizeof *ev.repair);
    ev.repair->ticket = ticket;
    ev.repair->to = to;
    lab_post(y->lab, &ev);
}

static void on_mended(void *arg)
{
    struct visit *visit = arg;
    struct year *y = visit->y;
    const struct ticket *ticket =
        y->over ? NULL : tickets_find(y->lab->model->tickets, visit->ticket);
    struct part part;

    if (ticket != NULL && ticket->state == TICKET_IN_REPAIR && parse(&part, ticket->part)) {
        for (struct fault_record *f = y->faults, *next; f != NULL; f = next) {
            next = f->next;
            if (is_near(y, &part, f)) {
                faults_mend(y, f);
            }
        }
    }
    if (ticket != NULL && ticket->state == TICKET_IN_REPAIR) {
        advance(y, visit->ticket, TICKET_VERIFYING);
    }
    free(visit);
}

/* Rule 1. */
static void begin(struct year *y, const struct ticket *ticket)
{
    struct visit *visit = xmalloc(sizeof *visit);
    double ms = NOTHING_FOUND_MS;
    struct part part;

    *visit = (struct visit){y, ticket->id};
    for (struct fault_record *f = y->faults; f != NULL; f = f->next) {
        if (parse(&part, ticket->part) && is_near(y, &part, f)) {
            enum part_class class = cause_class(f->cause);
            ms = 3.6e6 * year_lognormal(y, y->config->repair_hours[class].median,
                                        y->config->repair_hours[class].p95);
            f->seen_to = true;
            break;
        }
    }
    advance(y, ticket->id, TICKET_IN_REPAIR);
    lab_after(y->lab, ms, on_mended, visit);
}

/* ----------------------------------------------------------------- operators -- */

static void clear(struct year *y, const struct part *part)
{
    struct event ev = {.kind = EV_CLEAR_PART, .who = "the operator", .word = {.part = *part}};

    (void)snprintf(ev.word.reason, sizeof ev.word.reason, "repaired");
    lab_post(y->lab, &ev);
    lab_wake(y->lab, 2000);
}

/* Rule 2. */
static void clear_for(struct year *y, const struct ticket *ticket)
{
    const struct model *m = y->lab->model;
    struct part part;

    if (!parse(&part, ticket->part)) {
        return;
    }
    for (size_t i = 0; i < m->n_faults; i++) {
        if (is_held_for(y, &part, &m->faults[i].part) && !is_awaited(y, &m->faults[i].part)) {
            clear(y, &m->faults[i].part);
        }
    }
}

/* Rule 3. */
static void on_breaker(void *arg)
{
    struct year *y = arg;
    struct event ev = {.kind = EV_RESET_BREAKER, .who = "the operator"};

    if (!y->over) {
        lab_post(y->lab, &ev);
        lab_wake(y->lab, 5000);
    }
}

static bool is_sound(const struct year *y, const struct part *held)
{
    for (const struct fault_record *f = y->faults; f != NULL; f = f->next) {
        bool same_cube = held->kind == PART_CUBE || held->kind == PART_HOST;
        if (same_cube ? f->part.cube == held->cube && cause_class(f->cause) != CLASS_SWITCH
                      : f->part.ocs == held->ocs && cause_class(f->cause) != CLASS_HOST) {
            return false;
        }
    }
    return true;
}

/* Rule 4. */
static void on_walk(void *arg)
{
    struct year *y = arg;
    const struct model *m = y->lab->model;
    int64_t now = lab_now_ns(y->lab);

    if (y->over) {
        return;
    }
    for (struct fault_record *f = y->faults, *next; f != NULL; f = next) {
        next = f->next;
        if (!f->seen_to && now - f->since_ns > FORGOTTEN_DAYS * 86400 * LAB_S) {
            y->tally->healed_by_walk++;
            faults_mend(y, f);
        }
    }
    for (size_t i = 0; i < m->n_faults; i++) {
        const struct part *part = &m->faults[i].part;
        if (lab_wall(y->lab).ms - m->faults[i].since.ms > 3600 * 1000 && is_sound(y, part) &&
            !is_awaited(y, part)) {
            y->tally->cleared_by_walk++;
            clear(y, part);
        }
    }
    lab_after(y->lab, y->config->walk_hours * 3.6e6, on_walk, y);
}

void people_start(struct year *y)
{
    lab_after(y->lab, y->config->walk_hours * 3.6e6, on_walk, y);
}

void people_journal(struct year *y, const struct journal_entry *entry)
{
    struct tally *t = y->tally;
    struct id id;

    t->incidents += strcmp(entry->type, "incident.opened") == 0;
    t->merged += strcmp(entry->type, "incident.merged") == 0;
    t->reopened += strcmp(entry->type, "incident.reopened") == 0;
    if (strcmp(entry->type, "remediation.breaker-open") == 0) {
        t->breaker_trips++;
        lab_after(y->lab, y->config->breaker_reset_minutes * 6e4, on_breaker, y);
    }
    if (strncmp(entry->subject, "repair/", 7) != 0 || !id_parse(&id, entry->subject + 7)) {
        return;
    }
    const struct ticket *ticket = tickets_find(y->lab->model->tickets, id);
    if (id_compare(id, y->newest_ticket) > 0) {
        y->newest_ticket = id;
        t->tickets++;
    }
    if (ticket == NULL || strcmp(entry->type, "repair.advanced") != 0) {
        return;
    }
    if (ticket->state == TICKET_READY_FOR_REPAIR) {
        begin(y, ticket);
    } else if (ticket->state == y->config->clear_at) {
        clear_for(y, ticket);
    }
}
