/* Tickets follow what is true of their parts.
 *
 *   1. A part of a cube is drained when no slice has the cube.
 *   2. A fibre, port or switch is drained when no circuit over it is intended, or
 *      when it is given up, or drained by a person, and every slice over it serves
 *      without it.
 *   3. Nothing of a slice runs over what only talks: a controller, a daemon, the
 *      network.
 *   4. While a part is being verified, a link of it that was down when its slice went
 *      does not count: nobody would ever say that it is up. */
#include <stdio.h>
#include <string.h>

#include "core/extent.h"
#include "core/internal.h"
#include "core/remedy.h"
#include "core/repair.h"

static void say_user(struct repair_facts *facts, struct id slice)
{
    char id[48];

    facts->drained = false;
    (void)snprintf(facts->in_use, sizeof facts->in_use, "slice/%s uses it", id_format(slice, id));
}

/* Rule 1. */
static void ask_cube(const struct model *m, unsigned cube, struct repair_facts *facts)
{
    if (cube < m->pod->n_cubes && !id_is_none(m->cubes[cube].owner)) {
        say_user(facts, m->cubes[cube].owner);
    }
}

/* Rule 2. */
static void ask_circuit(const struct model *m, uint16_t ocs, uint16_t north,
                        struct repair_facts *facts)
{
    struct tpunet_xc xc = {ocs, north, m->ocs[ocs].north[north].south};

    if (xc.south == TPUNET_NONE) {
        return;
    }
    const struct slice *slice = model_slice(m, m->ocs[ocs].north[north].slice);
    bool without = slice != NULL && (slice_is_without(m, slice, xc) ||
                                     (slice->state == SLICE_FAILED && model_circuit_dead(m, xc)));
    if (!without) {
        say_user(facts, m->ocs[ocs].north[north].slice);
    }
}

static void ask_switch(const struct model *m, uint16_t ocs, struct repair_facts *facts)
{
    for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
        ask_circuit(m, ocs, p, facts);
    }
}

struct repair_facts remedy_facts(const struct model *m, const struct ticket *ticket)
{
    struct repair_facts facts = {.drained = true};
    struct extent extent;

    extent_of_blamed(m, ticket->kind, ticket->part, &extent); /* rule 3: perhaps nothing */
    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        if (extent.cubes[c]) {
            ask_cube(m, c, &facts);
        }
    }
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        if ((extent.ocs >> o & 1) != 0) {
            ask_switch(m, o, &facts);
        }
    }
    for (size_t i = 0; i < extent.n_ports; i++) {
        uint16_t north = model_north_of(m, extent.ports[i]);
        if (north != TPUNET_NONE) {
            ask_circuit(m, extent.ports[i].ocs, north, &facts);
        }
    }
    for (size_t i = incidents_count(m->incidents); i-- > 0 && !facts.sick;) {
        const struct incident *incident = incidents_at(m->incidents, i);
        facts.sick = incident_is_open(incident) && incident->gone.ms == 0 &&
                     strcmp(incident->part, ticket->part) == 0;
    }
    return facts;
}

void remedy_repairs(struct model *m, struct now now, struct outbox *out)
{
    const struct repair_params params = repair_params_of(m->pod);
    struct extent extent;
    struct id gone;

    for (size_t i = tickets_count(m->tickets); i-- > 0;) {
        struct ticket *ticket = tickets_at(m->tickets, i);
        if (ticket->state == TICKET_CLOSED) {
            continue;
        }
        if (ticket->state == TICKET_VERIFYING) { /* rule 4 */
            extent_of_blamed(m, ticket->kind, ticket->part, &extent);
            remedy_verifying(m, &extent);
        }
        struct repair_facts facts = remedy_facts(m, ticket);
        if (ticket_tick(ticket, &facts, now.wall, &params)) {
            repairs_tell(m, now, ticket, out);
            repairs_follow(m, now, ticket, out);
        }
    }
    while (tickets_forget(m->tickets, &gone)) {
        emit_ticket(out, gone);
    }
}
