/* What remediation believes of links, from what it is told.
 *
 *   1. A link that goes down is a symptom, unless it is meant to go.
 *   2. A bring-up or check that ends well has seen every link that its slice uses,
 *      since it began.
 *   3. When a technician says that a part is mended, or an operator clears it, what was
 *      said of it before counts no more: nobody watches the links of a cube that no
 *      slice has.  Who dismisses a ticket says that nothing was broken: how often links
 *      went down counts no more, or the same flaps would open the next ticket. */
#include "core/extent.h"
#include "core/internal.h"
#include "core/remedy.h"

bool remedy_find_circuit(const struct model *m, uint32_t chip, unsigned port, struct tpunet_xc *out)
{
    struct tpunet_fibre fibre;

    if (!tpunet_chip_fibre(tpunet_chip_of(chip), port, &fibre)) {
        return false;
    }
    struct tpunet_ocs_port end = tpunet_wiring_port(m->pod->wiring, fibre);
    uint16_t north = model_north_of(m, end);
    if (north == TPUNET_NONE) {
        return false;
    }
    *out = (struct tpunet_xc){end.ocs, north, m->ocs[end.ocs].north[north].south};
    return true;
}

/* Has the circuit no light that anybody should see?  It is drained; or it was never
 * seen made, and the slice goes around it or it is just being put back. */
static bool is_not_lit(const struct model *m, const struct slice *slice, struct tpunet_xc xc)
{
    bool made = m->ocs[xc.ocs].north[xc.north].seen == xc.south;

    return drains_avoid(m, xc) ||
           (!made && (slice_goes_around(m, slice, xc) || plan_is_open(m, xc, true)));
}

/* Links of a slice that is being changed, or of a cube that it left, are meant to go,
 * and so are those whose circuit is not to be lit: the check after it is made finds
 * what is down then. */
static bool is_meant_to_go(const struct model *m, const struct link_change *change)
{
    const struct slice *slice = model_slice(m, change->slice);
    unsigned cube = tpunet_chip_of(change->chip).cube;
    struct tpunet_xc xc;

    return slice == NULL || !slice_serves(slice) ||
           id_compare(m->cubes[cube].owner, slice->id) != 0 ||
           (remedy_find_circuit(m, change->chip, change->port, &xc) && is_not_lit(m, slice, xc));
}

void remedy_links(struct model *m, const struct event *ev)
{
    struct symptoms *s = m->remediation->symptoms;

    for (size_t i = 0; s != NULL && i < ev->links.n; i++) {
        const struct link_change *change = &ev->links.links[i];
        if (change->up || !is_meant_to_go(m, change)) {
            symptoms_link(s, change->chip, change->port, change->up, ev->now.wall);
        }
    }
}

void remedy_stuck(struct model *m, struct tpunet_ocs_port port, struct now now)
{
    if (m->remediation->symptoms != NULL && port.port < m->pod->ports_per_side) {
        symptoms_stuck(m->remediation->symptoms, port, true, now.wall);
    }
}

typedef void link_fn(struct symptoms *s, uint32_t chip, unsigned port);

static void each_link_of_cube(struct symptoms *s, unsigned cube, link_fn *fn)
{
    for (uint32_t c = 0; c < TPUNET_CUBE_CHIPS; c++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            fn(s, cube * (uint32_t)TPUNET_CUBE_CHIPS + c, port);
        }
    }
}

static void link_behind(const struct model *m, struct tpunet_ocs_port port, link_fn *fn)
{
    struct chip_port end;

    if (model_chip_port(m, port, &end)) {
        fn(m->remediation->symptoms, end.chip, end.port);
    }
}

/* Both ends of what the port leads to: one of them alone says that it is down. */
static void each_link_of_port(const struct model *m, struct tpunet_ocs_port port, link_fn *fn)
{
    uint16_t north = model_north_of(m, port);

    link_behind(m, port, fn);
    if (north != TPUNET_NONE && m->ocs[port.ocs].north[north].south != TPUNET_NONE) {
        uint16_t south = m->ocs[port.ocs].north[north].south;
        link_behind(m, (struct tpunet_ocs_port){port.ocs, TPUNET_NORTH, north}, fn);
        link_behind(m, (struct tpunet_ocs_port){port.ocs, TPUNET_SOUTH, south}, fn);
    }
}

static void each_link(const struct model *m, const struct extent *extent, link_fn *fn)
{
    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        if (extent->cubes[c]) {
            each_link_of_cube(m->remediation->symptoms, c, fn);
        }
    }
    for (size_t i = 0; i < extent->n_ports; i++) {
        each_link_of_port(m, extent->ports[i], fn);
    }
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        for (uint16_t p = 0; (extent->ocs >> o & 1) != 0 && p < m->pod->ports_per_side; p++) {
            each_link_of_port(m, (struct tpunet_ocs_port){o, TPUNET_NORTH, p}, fn);
            each_link_of_port(m, (struct tpunet_ocs_port){o, TPUNET_SOUTH, p}, fn);
        }
    }
}

static void forget_recalled(struct model *m, uint16_t cube)
{
    struct extent extent;

    for (size_t i = incidents_count(m->incidents); i-- > 0;) {
        struct incident *incident = incidents_at(m->incidents, i);
        if (incident->recalled) {
            extent_of_blamed(m, incident->kind, incident->part, &extent);
            incident->recalled = !extent_holds_cube(m, &extent, cube);
        }
    }
}

void remedy_cleared(struct model *m, const struct part *part, struct now now)
{
    struct symptoms *s = m->remediation->symptoms;

    if (s == NULL) {
        return;
    }
    if (part->kind == PART_CUBE || part->kind == PART_HOST) {
        each_link_of_cube(s, part->cube, symptoms_forget_link);
        m->cubes[part->cube].blamed = false; /* until the next look */
        forget_recalled(m, part->cube);
    } else if (part->kind == PART_PORT) {
        struct tpunet_ocs_port port = {part->ocs, part->south ? TPUNET_SOUTH : TPUNET_NORTH,
                                       part->port};
        link_behind(m, port, symptoms_forget_link);
        symptoms_stuck(s, port, false, now.wall);
    }
}

void remedy_mended(struct model *m, const struct extent *extent, struct now now)
{
    if (m->remediation->symptoms == NULL) {
        return;
    }
    each_link(m, extent, symptoms_forget_link);
    for (uint16_t c = 0; c < m->pod->n_cubes; c++) {
        if (extent->cubes[c]) {
            m->cubes[c].blamed = false;
            forget_recalled(m, c);
        }
    }
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        for (uint16_t i = 0; i < 2 * m->pod->ports_per_side; i++) {
            struct tpunet_ocs_port port = {o, i % 2 == 0 ? TPUNET_NORTH : TPUNET_SOUTH, i / 2};
            if (extent_has_port(extent, port)) {
                symptoms_stuck(m->remediation->symptoms, port, false, now.wall);
            }
        }
    }
}

void remedy_verifying(struct model *m, const struct extent *extent)
{
    if (m->remediation->symptoms != NULL) {
        each_link(m, extent, symptoms_forget_idle_link);
    }
}

void remedy_dismissed(struct model *m, const struct extent *extent)
{
    if (m->remediation->symptoms != NULL) {
        each_link(m, extent, symptoms_calm_link);
    }
}

void remedy_asked(const struct model *m, struct slice *slice)
{
    if (m->remediation->symptoms != NULL) {
        slice->asked_serial = symptoms_serial(m->remediation->symptoms);
    }
}

void remedy_proved(struct model *m, const struct slice *slice, struct now now)
{
    struct symptoms *s = m->remediation->symptoms;
    struct tpunet_xc xc;

    for (unsigned i = 0; s != NULL && i < slice->intent->n_cubes; i++) {
        uint32_t first = slice->intent->cubes[i] * (uint32_t)TPUNET_CUBE_CHIPS;
        for (uint32_t chip = first; chip < first + TPUNET_CUBE_CHIPS; chip++) {
            for (unsigned port = 0; port < TPUNET_PORTS; port++) {
                if (symptoms_is_down(s, chip, port) &&
                    !(remedy_find_circuit(m, chip, port, &xc) && model_circuit_dead(m, xc))) {
                    symptoms_proved(s, chip, port, slice->asked_serial, now.wall);
                }
            }
        }
    }
}
