#include "core/extent.h"

#include <stdlib.h>
#include <string.h>

static void add_port(const struct model *m, struct tpunet_ocs_port port, struct extent *out)
{
    if (port.port < m->pod->ports_per_side && out->n_ports < RISKMAP_PORT_GROUP) {
        out->ports[out->n_ports++] = port;
    }
}

static void add_fibre(const struct model *m, struct tpunet_fibre fibre, struct extent *out)
{
    add_port(m, tpunet_wiring_port(m->pod->wiring, fibre), out);
}

/* Rule of the header: copper is inside a cube, light is a port. */
static void add_link(const struct model *m, const struct part *link, struct extent *out)
{
    struct tpunet_chip chip = {link->cube, {link->at[0], link->at[1], link->at[2]}};
    struct tpunet_fibre fibre;

    if (tpunet_chip_fibre(chip, 2U * link->axis + link->minus, &fibre)) {
        add_fibre(m, fibre, out);
    } else {
        out->cubes[link->cube] = true;
    }
}

static bool add_power(const struct model *m, const char *domain, struct extent *out)
{
    bool known = false;

    for (size_t i = 0; i < m->pod->n_feeds; i++) {
        const struct power_feed *feed = &m->pod->feeds[i];
        if (strcmp(feed->domain, domain) != 0) {
            continue;
        }
        known = true;
        if (feed->part.kind == PART_OCS) {
            out->ocs |= UINT64_C(1) << feed->part.ocs;
        } else {
            out->cubes[feed->part.cube] = true;
        }
    }
    return known;
}

bool extent_of_part(const struct model *m, const struct part *part, struct extent *out)
{
    struct tpunet_fibre fibre = {part->cube, part->axis, part->minus, part->a, part->b};
    bool has_cube = part->cube < m->pod->n_cubes;

    memset(out, 0, sizeof *out);
    switch (part->kind) {
    case PART_CUBE:
    case PART_HOST:
    case PART_CHIP:
    case PART_FACE:
        if (has_cube) {
            out->cubes[part->cube] = true;
        }
        return has_cube;
    case PART_LINK:
        if (has_cube) {
            add_link(m, part, out);
        }
        return has_cube;
    case PART_FIBRE:
        if (has_cube) {
            add_fibre(m, fibre, out);
        }
        return has_cube;
    case PART_PORT:
        add_port(m,
                 (struct tpunet_ocs_port){part->ocs, part->south ? TPUNET_SOUTH : TPUNET_NORTH,
                                          part->port},
                 out);
        return out->n_ports > 0;
    case PART_OCS:
        out->ocs = UINT64_C(1) << part->ocs;
        return true;
    case PART_POWER:
        return add_power(m, part->id, out);
    case PART_POD:
    case PART_SLICE:
        return false;
    }
    abort();
}

void extent_of_blamed(const struct model *m, enum risk_kind kind, const char *name,
                      struct extent *out)
{
    struct part part = {0};
    const char *slash = strchr(name, '/');
    bool parsed = part_parse(&part, name, NULL) == 0;

    memset(out, 0, sizeof *out);
    switch (kind) {
    case RISK_LINK:
    case RISK_CHIP:
    case RISK_HOST:
    case RISK_FACE:
    case RISK_CUBE:
        if (parsed && part.cube < m->pod->n_cubes) {
            out->cubes[part.cube] = true; /* of a face all fibres: its cube goes */
        }
        return;
    case RISK_FIBRE:
    case RISK_PORT:
    case RISK_OCS:
    case RISK_POWER:
        if (parsed) {
            (void)extent_of_part(m, &part, out);
        }
        return;
    case RISK_PORT_GROUP:
        for (unsigned i = 0; parsed && i < RISKMAP_PORT_GROUP; i++) {
            struct tpunet_ocs_port port = {part.ocs, part.south ? TPUNET_SOUTH : TPUNET_NORTH,
                                           (uint16_t)(part.port + i)};
            add_port(m, port, out);
        }
        return;
    case RISK_AXIS:
        if (slash != NULL && slash[1] >= 'x' && slash[1] <= 'z') {
            out->ocs = UINT64_C(0xffff) << ((slash[1] - 'x') * TPUNET_FACE_LINKS);
        }
        return;
    case RISK_OCS_CONTROL:
    case RISK_OBSERVER:
    case RISK_NETWORK:
    case RISK_SELF:
        return;
    }
    abort();
}

bool extent_has_port(const struct extent *e, struct tpunet_ocs_port port)
{
    bool found = (e->ocs >> port.ocs & 1) != 0;

    for (size_t i = 0; i < e->n_ports && !found; i++) {
        found = e->ports[i].ocs == port.ocs && e->ports[i].side == port.side &&
                e->ports[i].port == port.port;
    }
    return found;
}

bool extent_has_circuit(const struct extent *e, struct tpunet_xc xc)
{
    return extent_has_port(e, (struct tpunet_ocs_port){xc.ocs, TPUNET_NORTH, xc.north}) ||
           extent_has_port(e, (struct tpunet_ocs_port){xc.ocs, TPUNET_SOUTH, xc.south});
}

bool extent_holds_cube(const struct model *m, const struct extent *e, unsigned cube)
{
    bool found = e->cubes[cube];
    struct tpunet_fibre fibre;

    for (size_t i = 0; i < e->n_ports && !found; i++) {
        found = tpunet_wiring_fibre(m->pod->wiring, e->ports[i], &fibre) && fibre.cube == cube;
    }
    return found;
}
