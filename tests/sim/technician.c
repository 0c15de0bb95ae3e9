/* The technician (F_REPAIR): takes the tickets that are ready, has hands in the part for
 * a while, says that it is done; dismisses some, sends some back, and closes some early.
 * Once nothing breaks any more he sees all of them through. */
#include <stdio.h>
#include <string.h>

#include "core/repair.h"
#include "mem.h"
#include "oracle.h"
#include "sim.h"
#include "simulator/fault.h"

static void advance(struct sim *s, const struct ticket *ticket, enum ticket_state to)
{
    struct repair_step step = {.ticket = ticket->id, .to = to, .note = "the simulation says so"};
    struct event ev = {.kind = EV_ADVANCE_REPAIR, .who = "the technician"};

    ev.cookie = operator_cookie(s);
    ev.repair = xmemdup(&step, sizeof step);
    manager_post(s->current, &ev);
}

/* What he has unplugged does not work. */
static void unplug(struct sim *s, const struct ticket *ticket)
{
    struct part part;
    struct error err;

    if (part_parse(&part, ticket->part, &err) == 0 &&
        (part.kind == PART_CUBE || part.kind == PART_HOST || part.kind == PART_CHIP)) {
        struct fault_request request = {.kind = part_kind_name(part.kind),
                                        .target = ticket->part,
                                        .for_ns = (int64_t)(100 + sim_random(s, 1500)) * MS};
        sim_note(s, "unplugged: %s", ticket->part);
        (void)fault_inject(s->w, &request, &err);
    }
}

static bool chance(struct sim *s, double p)
{
    return sim_chance(s, s->chaos ? p : 0.7);
}

static void work(struct sim *s, const struct ticket *ticket)
{
    switch (ticket->state) {
    case TICKET_OPEN:
    case TICKET_DRAINING:
        if (chance(s, 0.03)) {
            advance(s, ticket, TICKET_CLOSED);
        }
        return;
    case TICKET_READY_FOR_REPAIR:
        if (chance(s, 0.4)) {
            advance(s, ticket, TICKET_IN_REPAIR);
        }
        return;
    case TICKET_IN_REPAIR:
        if (chance(s, 0.4)) {
            advance(s, ticket, TICKET_VERIFYING);
        } else if (s->chaos && sim_chance(s, 0.5)) {
            unplug(s, ticket);
        }
        return;
    case TICKET_VERIFYING:
        if (s->chaos && sim_chance(s, 0.05)) {
            advance(s, ticket, TICKET_IN_REPAIR);
        }
        return;
    case TICKET_PROBATION:
        if (chance(s, 0.1)) {
            advance(s, ticket, TICKET_CLOSED);
        }
        return;
    case TICKET_CLOSED:
        return;
    }
}

void technician_walk(struct sim *s)
{
    const struct tickets *tickets = s->current->model->tickets;

    for (size_t i = 0; s->on[F_REPAIR] && !s->drilling && i < tickets_count(tickets); i++) {
        work(s, tickets_at(tickets, i));
    }
}

void technician_start(struct sim *s)
{
    if (s->on[F_REPAIR]) {
        s->pod.repair.burn_in_ms = 100 + (int64_t)sim_random(s, 800);
        s->pod.repair.probation_ms = 100 + (int64_t)sim_random(s, 800);
    }
}
