/* What a bring-up or a check found down, though every circuit is made and lit.
 *
 * Links are watched while a slice serves.  So what broke before is found here and
 * nowhere else; and a slice asked for anew would get the same lowest free cubes
 * again.  The rules:
 *
 *   1. Each link end that is missing is a symptom, at both ends: root cause blames,
 *      and somebody gets a ticket.  That is all for a slice that serves: remediation
 *      mends it.
 *   2. A slice that is coming up gets other cubes for those that are to blame, as
 *      after a bad read-back (slices.c, rule 3).  To blame is a cube one of whose copper
 *      links is down; it is SUSPECT.  For an optical link between two cubes that are
 *      not, both its ports are SUSPECT: which fibre it is nobody can know.
 *      Without spare cubes a slice that has served and accepts degraded goes around
 *      what is optical.
 *   3. Only where remediation may act: not in a dry run, not behind an open breaker,
 *      no more cubes than may be out, and under a slice that has served no more swaps
 *      an hour than may be (slices.c, rule 6; A7).  Else the slice FAILs with what was
 *      found, and why nothing was done about it. */
#include <stdio.h>
#include <string.h>

#include "core/internal.h"
#include "core/remedy.h"

static const char reason[] = "a bring-up found it down";

static struct part cube_of(uint32_t chip)
{
    return (struct part){.kind = PART_CUBE, .cube = (uint16_t)(chip / TPUNET_CUBE_CHIPS)};
}

static bool is_optical(uint32_t chip, unsigned port)
{
    struct tpunet_fibre fibre;

    return tpunet_chip_fibre(tpunet_chip_of(chip), port, &fibre);
}

static bool is_of(const struct slice *slice, uint32_t chip)
{
    return slice_has_cube(slice, chip / (uint32_t)TPUNET_CUBE_CHIPS);
}

/* Rule 1. */
void found_symptoms(struct model *m, const struct slice *slice, const struct verdict *verdict,
                    struct now now)
{
    struct symptoms *s = m->remediation->symptoms;

    for (size_t i = 0; s != NULL && i < verdict->n_down; i++) {
        const struct chip_port *end = &verdict->down[i];
        if (!is_of(slice, end->chip)) {
            continue;
        }
        uint32_t far = riskmap_far_end(symptoms_map(s), riskmap_end(end->chip, end->port));
        symptoms_link(s, end->chip, end->port, false, now.wall);
        if (far != RISKMAP_NONE) {
            symptoms_link(s, far / TPUNET_PORTS, far % TPUNET_PORTS, false, now.wall);
        }
    }
}

/* Rule 2, of copper; why not, or NULL. */
static const char *blame_cube(struct model *m, uint32_t chip, struct now now, struct outbox *out)
{
    struct part cube = cube_of(chip);

    if (model_fault(m, &cube) != NULL) {
        return NULL;
    }
    const char *stops = remedy_stops(m, 1); /* rule 3 */
    if (stops == NULL) {
        faults_say(m, &cube, reason, now, out);
    }
    return stops;
}

/* Rule 2, of light. */
static void blame_ports(struct model *m, const struct chip_port *end, struct now now,
                        struct outbox *out)
{
    struct tpunet_fibre fibre, other;
    struct part here = cube_of(end->chip);

    if (!tpunet_chip_fibre(tpunet_chip_of(end->chip), end->port, &fibre) ||
        model_fault(m, &here) != NULL) {
        return;
    }
    struct tpunet_ocs_port port = tpunet_wiring_port(m->pod->wiring, fibre);
    uint16_t north = model_north_of(m, port);
    if (north == TPUNET_NONE) {
        return;
    }
    struct tpunet_ocs_port ends[] = {{port.ocs, TPUNET_NORTH, north},
                                     {port.ocs, TPUNET_SOUTH, m->ocs[port.ocs].north[north].south}};
    for (int i = 0; i < 2; i++) {
        struct part there = {.kind = PART_CUBE};
        if (tpunet_wiring_fibre(m->pod->wiring, ends[i], &other)) {
            there.cube = other.cube;
            if (model_fault(m, &there) != NULL) {
                return; /* that cube explains it */
            }
        }
    }
    for (int i = 0; i < 2; i++) {
        struct part part = {.kind = PART_PORT,
                            .ocs = ends[i].ocs,
                            .port = ends[i].port,
                            .south = ends[i].side == TPUNET_SOUTH};
        faults_say(m, &part, reason, now, out);
    }
}

static bool is_copper(const struct slice *slice, const struct chip_port *end)
{
    return is_of(slice, end->chip) && !is_optical(end->chip, end->port);
}

/* Rule 2; why not, or NULL. */
static const char *blame(struct model *m, const struct slice *slice, const struct verdict *verdict,
                         struct now now, struct outbox *out)
{
    const char *stops = remedy_stops(m, 0);

    for (size_t i = 0; i < verdict->n_down && stops == NULL; i++) {
        if (is_copper(slice, &verdict->down[i])) {
            stops = blame_cube(m, verdict->down[i].chip, now, out);
        }
    }
    for (size_t i = 0; i < verdict->n_down && stops == NULL; i++) {
        if (is_of(slice, verdict->down[i].chip)) {
            blame_ports(m, &verdict->down[i], now, out);
        }
    }
    return stops;
}

/* Rule 2: it has served, and all that is down is light. */
static bool may_go_around(const struct slice *slice, const struct verdict *verdict)
{
    bool may = slice->state == SLICE_RECONFIGURING && slice->spec.accept_degraded;

    for (size_t i = 0; i < verdict->n_down; i++) {
        may = may && !is_copper(slice, &verdict->down[i]);
    }
    return may;
}

bool found_down(struct model *m, struct slice *slice, const struct verdict *verdict, struct now now,
                struct outbox *out)
{
    (void)snprintf(slice->reason, sizeof slice->reason, "%s", verdict->text);
    if (m->pod->remedy.mode == REMEDY_OFF || verdict->n_down == 0) {
        return false;
    }
    bool around = may_go_around(slice, verdict);
    slice->waiting = true; /* what follows for slices over a SUSPECT port is decided here */
    const char *stops = blame(m, slice, verdict, now, out);
    if (stops == NULL && slices_other_cubes(m, slice, around, now, out)) {
        return true;
    }
    slice->waiting = false;
    if (stops == NULL && around) {
        bringup_start(m, slice, now, out);
        return true;
    }
    if (stops != NULL) {
        slice_add_reason(slice, "nothing is done about it: %s", stops);
    }
    return false;
}
