/* What a cause puts out of order: the cubes to be without to be rid of it, the
 * switches that are gone, the port from which a fibre could be moved. */
#include <assert.h>
#include <stdlib.h>

#include "core/remediation.h"

static void add_cube(struct impact *out, unsigned cube)
{
    size_t at = out->n_cubes;

    for (size_t i = 0; i < out->n_cubes; i++) {
        if (out->cubes[i] == cube) {
            return;
        }
    }
    for (; at > 0 && out->cubes[at - 1] > cube; at--) {
        out->cubes[at] = out->cubes[at - 1];
    }
    out->cubes[at] = (uint16_t)cube;
    out->n_cubes++;
}

/* Ruled out as a spare: a port with a fibre, an intended circuit, or light. */
static bool is_spare(const struct model *m, struct tpunet_ocs_port port)
{
    const struct ocs *ocs = &m->ocs[port.ocs];
    struct tpunet_fibre fibre;

    if (tpunet_wiring_fibre(m->pod->wiring, port, &fibre)) {
        return false;
    }
    if (port.side == TPUNET_NORTH) {
        return ocs->north[port.port].south == TPUNET_NONE &&
               ocs->north[port.port].seen == TPUNET_NONE;
    }
    for (unsigned n = 0; n < m->pod->ports_per_side; n++) {
        if (ocs->north[n].south == port.port || ocs->north[n].seen == port.port) {
            return false;
        }
    }
    return true;
}

static void take_port(const struct model *m, struct tpunet_ocs_port port, struct impact *out)
{
    struct tpunet_ocs_port spare = port;
    struct tpunet_fibre fibre;

    out->port_known = true;
    out->port = port;
    if (port.port < m->pod->ports_per_side && tpunet_wiring_fibre(m->pod->wiring, port, &fibre)) {
        add_cube(out, fibre.cube);
    }
    for (spare.port = 0; spare.port < m->pod->ports_per_side; spare.port++) {
        if (is_spare(m, spare)) {
            out->spare = spare.port;
            return;
        }
    }
}

static void take_port_group(const struct model *m, const struct part *first, struct impact *out)
{
    for (unsigned i = 0; i < RISKMAP_PORT_GROUP; i++) {
        struct tpunet_ocs_port port = {first->ocs, first->south ? TPUNET_SOUTH : TPUNET_NORTH,
                                       (uint16_t)(first->port + i)};
        struct tpunet_fibre fibre;
        if (port.port < m->pod->ports_per_side &&
            tpunet_wiring_fibre(m->pod->wiring, port, &fibre)) {
            add_cube(out, fibre.cube);
        }
    }
}

static void take_power(const struct model *m, const struct riskmap *map, uint32_t domain,
                       struct impact *out)
{
    for (unsigned h = 0; h < model_hosts(m); h++) {
        if (riskmap_power_of_host(map, h) == domain) {
            add_cube(out, h / TPUNET_CUBE_HOSTS);
        }
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        out->ocs[o] = riskmap_power_of_ocs(map, o) == domain;
    }
}

void remediation_impact(const struct model *m, const struct riskmap *map, uint32_t group,
                        struct impact *out)
{
    struct part part = {0};
    uint32_t number;
    enum risk_kind kind = riskmap_group_kind(map, group, &number);

    *out = (struct impact){.spare = TPUNET_NONE};
    (void)riskmap_group_part(map, group, &part);
    switch (kind) {
    case RISK_LINK:
    case RISK_CHIP:
    case RISK_HOST:
    case RISK_FACE:
    case RISK_CUBE:
        add_cube(out, part.cube);
        return;
    case RISK_FIBRE:
        take_port(
            m,
            tpunet_wiring_port(m->pod->wiring, (struct tpunet_fibre){part.cube, part.axis,
                                                                     part.minus, part.a, part.b}),
            out);
        return;
    case RISK_PORT:
        take_port(
            m,
            (struct tpunet_ocs_port){part.ocs, part.south ? TPUNET_SOUTH : TPUNET_NORTH, part.port},
            out);
        return;
    case RISK_PORT_GROUP:
        take_port_group(m, &part, out);
        return;
    case RISK_OCS:
        out->ocs[number] = true;
        return;
    case RISK_AXIS:
        for (unsigned i = 0; i < TPUNET_FACE_LINKS; i++) {
            out->ocs[number * TPUNET_FACE_LINKS + i] = true;
        }
        return;
    case RISK_POWER:
        take_power(m, map, number, out);
        return;
    case RISK_OCS_CONTROL:
    case RISK_OBSERVER:
    case RISK_NETWORK:
    case RISK_SELF:
        return;
    }
    abort();
}
