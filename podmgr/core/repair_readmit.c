/* How a mended part comes back by itself.
 *
 *   1. When a technician says that it is done (VERIFYING), what was seen of the part
 *      before counts no more: a link that nobody uses would never be seen to be up.
 *   2. What podmgr itself said of light (a switch FAILED, a port SUSPECT) it takes
 *      back when the ticket is on PROBATION: dark it would prove nothing, and every
 *      slice around it pays for it.  Circuits are put back, slices get their full
 *      routes; a relapse takes it out again.
 *   3. What it said of cubes it takes back when the ticket is CLOSED; A6: a cube on
 *      probation is given to nobody.  So is one behind a port that is.
 *   4. From IN_REPAIR to PROBATION a cube is given to nobody, whatever else is said
 *      of it: a person has hands in it.
 *   5. While another ticket that is not as far blames the same, the word stays.
 *   6. An operator's word is his to take back, and so is a drain. */
#include <stdio.h>
#include <string.h>

#include "core/extent.h"
#include "core/internal.h"
#include "core/remedy.h"
#include "core/repair.h"

/* Rule 5: does a ticket but this one, in a state before `state`, hold it? */
static bool is_held(const struct model *m, const struct ticket *but, enum ticket_state state,
                    const struct part *part)
{
    struct extent extent;

    for (size_t i = 0; i < tickets_count(m->tickets); i++) {
        const struct ticket *t = tickets_at(m->tickets, i);
        if (t == but || t->state >= state) {
            continue;
        }
        extent_of_blamed(m, t->kind, t->part, &extent);
        struct tpunet_ocs_port port = {part->ocs, part->south ? TPUNET_SOUTH : TPUNET_NORTH,
                                       part->port};
        bool held = part->kind == PART_CUBE  ? extent_holds_cube(m, &extent, part->cube)
                    : part->kind == PART_OCS ? (extent.ocs >> part->ocs & 1) != 0
                                             : extent_has_port(&extent, port);
        if (held) {
            return true;
        }
    }
    return false;
}

static void take_back(struct model *m, const struct ticket *ticket, enum ticket_state state,
                      const struct part *part, struct now now, struct outbox *out)
{
    char why[96], id[48];

    if (!is_held(m, ticket, state, part)) {
        (void)snprintf(why, sizeof why, "repair/%s is %s", id_format(ticket->id, id),
                       ticket_state_name(ticket->state));
        if (faults_take_back(m, part, why, now, out)) {
            faults_look_again(m, part, now, out);
        }
    }
}

/* Rule 2. */
static void readmit_light(struct model *m, const struct ticket *ticket, const struct extent *e,
                          struct now now, struct outbox *out)
{
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        struct part part = {.kind = PART_OCS, .ocs = o};
        if ((e->ocs >> o & 1) != 0) {
            take_back(m, ticket, TICKET_PROBATION, &part, now, out);
        }
    }
    for (size_t i = 0; i < e->n_ports; i++) {
        struct part part = {.kind = PART_PORT,
                            .ocs = e->ports[i].ocs,
                            .south = e->ports[i].side == TPUNET_SOUTH,
                            .port = e->ports[i].port};
        take_back(m, ticket, TICKET_PROBATION, &part, now, out);
    }
}

/* Rule 3. */
static void readmit_cubes(struct model *m, const struct ticket *ticket, const struct extent *e,
                          struct now now, struct outbox *out)
{
    for (uint16_t c = 0; c < m->pod->n_cubes; c++) {
        struct part part = {.kind = PART_CUBE, .cube = c};
        if (extent_holds_cube(m, e, c)) {
            take_back(m, ticket, TICKET_CLOSED, &part, now, out);
        }
    }
}

/* Rule 4. */
void core_mark_repairs(struct model *m)
{
    struct extent extent;

    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        m->cubes[c].ticket = (struct id){0};
        m->cubes[c].in_hand = HEALTH_HEALTHY;
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        m->ocs[o].mended = false;
    }
    for (size_t i = 0; i < tickets_count(m->tickets); i++) {
        const struct ticket *t = tickets_at(m->tickets, i);
        if (t->state < TICKET_IN_REPAIR || t->state > TICKET_PROBATION) {
            continue;
        }
        extent_of_blamed(m, t->kind, t->part, &extent);
        for (unsigned c = 0; c < m->pod->n_cubes; c++) {
            bool graver = m->cubes[c].in_hand != HEALTH_QUARANTINED;
            if (extent_holds_cube(m, &extent, c) && graver) {
                m->cubes[c].ticket = t->id;
                m->cubes[c].in_hand = ticket_health(t->state);
            }
        }
        for (unsigned o = 0; t->state == TICKET_VERIFYING && o < TPUNET_OCSES; o++) {
            m->ocs[o].mended = m->ocs[o].mended || (extent.ocs >> o & 1) != 0;
        }
    }
}

void repairs_dismissed(struct model *m, const struct ticket *ticket)
{
    struct extent extent;

    extent_of_blamed(m, ticket->kind, ticket->part, &extent);
    remedy_dismissed(m, &extent);
}

void repairs_follow(struct model *m, struct now now, const struct ticket *ticket,
                    struct outbox *out)
{
    struct extent extent;

    core_mark_repairs(m);
    extent_of_blamed(m, ticket->kind, ticket->part, &extent);
    switch (ticket->state) {
    case TICKET_OPEN:
    case TICKET_DRAINING:
    case TICKET_READY_FOR_REPAIR:
    case TICKET_IN_REPAIR:
        return;
    case TICKET_VERIFYING: /* rule 1 */
        remedy_mended(m, &extent, now);
        for (uint16_t h = 0; h < model_hosts(m); h++) {
            if (extent.cubes[h / TPUNET_CUBE_HOSTS]) {
                health_forgive(m, h, now, out);
            }
        }
        return;
    case TICKET_PROBATION:
        readmit_light(m, ticket, &extent, now, out);
        return;
    case TICKET_CLOSED:
        readmit_light(m, ticket, &extent, now, out);
        readmit_cubes(m, ticket, &extent, now, out);
        return;
    }
}
