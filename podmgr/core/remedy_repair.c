/* Tickets follow what is true of their parts.
 *
 *   1. A part of a cube is drained when no slice has the cube.
 *   2. A fibre, port or switch is drained when no circuit over it is intended, or
 *      when it is given up and every slice over it serves without it.
 *   3. Nothing of a slice runs over what only talks: a controller, a daemon, the
 *      network. */
#include <stdio.h>
#include <string.h>

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
    bool without = slice != NULL && model_circuit_dead(m, xc) &&
                   (slice->state == SLICE_FAILED ||
                    (slice->state == SLICE_ACTIVE_DEGRADED && bringup_goes_around(m, slice)));
    if (!without) {
        say_user(facts, m->ocs[ocs].north[north].slice);
    }
}

static void ask_ports(const struct model *m, const struct part *first, unsigned n,
                      struct repair_facts *facts)
{
    for (uint16_t p = first->port; p < first->port + n && p < m->pod->ports_per_side; p++) {
        uint16_t north = model_north_of(m, (struct tpunet_ocs_port){first->ocs, first->south, p});
        if (north != TPUNET_NONE) {
            ask_circuit(m, first->ocs, north, facts);
        }
    }
}

static void ask_fibre(const struct model *m, const struct part *part, struct repair_facts *facts)
{
    struct tpunet_ocs_port port =
        tpunet_wiring_port(m->pod->wiring, (struct tpunet_fibre){part->cube, part->axis,
                                                                 part->minus, part->a, part->b});
    struct part end = {
        .kind = PART_PORT, .ocs = port.ocs, .south = port.side == TPUNET_SOUTH, .port = port.port};

    ask_ports(m, &end, 1, facts);
}

static void ask_switch(const struct model *m, uint16_t ocs, struct repair_facts *facts)
{
    for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
        ask_circuit(m, ocs, p, facts);
    }
}

static void ask_domain(const struct model *m, const char *name, struct repair_facts *facts)
{
    for (size_t i = 0; i < m->pod->n_feeds; i++) {
        const struct power_feed *feed = &m->pod->feeds[i];
        if (strcmp(feed->domain, name) == 0) {
            if (feed->part.kind == PART_OCS) {
                ask_switch(m, feed->part.ocs, facts);
            } else {
                ask_cube(m, feed->part.cube, facts);
            }
        }
    }
}

static struct repair_facts facts_of(const struct model *m, const struct ticket *ticket)
{
    struct repair_facts facts = {.drained = true};
    const char *slash = strchr(ticket->part, '/');
    struct part part = {0};
    bool parsed = part_parse(&part, ticket->part, NULL) == 0;

    switch (ticket->kind) {
    case RISK_LINK:
    case RISK_CHIP:
    case RISK_HOST:
    case RISK_FACE:
    case RISK_CUBE:
        if (parsed) {
            ask_cube(m, part.cube, &facts);
        }
        break;
    case RISK_FIBRE:
        if (parsed) {
            ask_fibre(m, &part, &facts);
        }
        break;
    case RISK_PORT:
    case RISK_PORT_GROUP:
        if (parsed) {
            ask_ports(m, &part, ticket->kind == RISK_PORT ? 1 : RISKMAP_PORT_GROUP, &facts);
        }
        break;
    case RISK_OCS:
        if (parsed) {
            ask_switch(m, part.ocs, &facts);
        }
        break;
    case RISK_AXIS:
        for (uint16_t i = 0; slash != NULL && slash[1] >= 'x' && i < TPUNET_FACE_LINKS; i++) {
            ask_switch(m, (uint16_t)((slash[1] - 'x') * TPUNET_FACE_LINKS + i), &facts);
        }
        break;
    case RISK_POWER:
        ask_domain(m, slash != NULL ? slash + 1 : "", &facts);
        break;
    case RISK_OCS_CONTROL: /* rule 3 */
    case RISK_OBSERVER:
    case RISK_NETWORK:
    case RISK_SELF:
        break;
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
    struct id gone;

    for (size_t i = tickets_count(m->tickets); i-- > 0;) {
        struct ticket *ticket = tickets_at(m->tickets, i);
        if (ticket->state == TICKET_CLOSED) {
            continue;
        }
        struct repair_facts facts = facts_of(m, ticket);
        if (ticket_tick(ticket, &facts, now.wall, &repair_defaults)) {
            repairs_tell(m, now, ticket, out);
        }
    }
    while (tickets_forget(m->tickets, &gone)) {
        emit_ticket(out, gone);
    }
}
