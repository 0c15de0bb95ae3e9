/* What a ticket says to the person who walks to the part: where it is, what to
 * do, and what may be unplugged.  A row a kind; the sentences name parts as
 * everything else does. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/repair.h"

/* %P the part, %C its cube, %O its switch. */
static const struct words {
    const char *action, *safe;
} words[RISK_KIND_COUNT] = {
    [RISK_LINK] = {"reseat the copper of %P at both ends, then replace it",
                   "the trays of %C; the other cubes keep running"},
    [RISK_FIBRE] = {"clean and reseat both ends of %P, then replace the fibre or its optics",
                    "%P alone; its neighbours carry other cubes' links"},
    [RISK_PORT] = {"move the fibre of %P to the spare port and tell the inventory of it; the port "
                   "itself waits for the switch's own repair",
                   "the fibre of %P alone; its neighbours carry other cubes' links"},
    [RISK_PORT_GROUP] = {"replace the board that drives %P and the seven ports after it",
                         "the fibres of these ports; not the switch's power"},
    [RISK_CHIP] = {"replace the tray of %P, or the chip on it", "the trays of %C"},
    [RISK_HOST] = {"reset %P; if it fails again replace the host or its tray", "the trays of %C"},
    [RISK_FACE] = {"reseat the connector of the bundle at %P, then replace the bundle",
                   "the bundle of %P alone"},
    [RISK_CUBE] = {"look for what all trays of %P share: power, cooling, the rack's switch",
                   "everything in %P"},
    [RISK_OCS] = {"restore the power of %P or replace it; its circuits are put back when it "
                  "answers",
                  "all of %O: no slice relies on it"},
    [RISK_OCS_CONTROL] = {"restart or replace the controller of %P, or mend its network; its light "
                          "goes on, so do not cut its power",
                          "the controller's network alone; not the power, not a fibre"},
    [RISK_AXIS] = {"look for what the 16 switches of %P share: power, cooling, their rack",
                   "nothing until it is known which of them are dark"},
    [RISK_POWER] = {"restore %P", "nothing that another domain feeds"},
    [RISK_OBSERVER] = {"look at the daemon of %P on its host and restart it",
                       "nothing: the hardware runs"},
    [RISK_NETWORK] = {"look at the network between podmgr, the hosts and the switches",
                      "nothing: the hardware runs"},
    [RISK_SELF] = {"look at podmgr, its clock and its network before anything else",
                   "nothing: the hardware probably runs"},
};

static void fill(char out[static TICKET_TEXT_MAX], const char *form, const char *part,
                 const struct part *where)
{
    size_t len = 0;

    for (const char *c = form; *c != '\0' && len + 1 < TICKET_TEXT_MAX; c++) {
        size_t room = TICKET_TEXT_MAX - len;
        if (*c != '%') {
            out[len++] = *c;
        } else if (*++c == 'P') {
            len += (size_t)snprintf(out + len, room, "%s", part);
        } else if (*c == 'C') {
            len += (size_t)snprintf(out + len, room, "cube/%u", where->cube);
        } else {
            len += (size_t)snprintf(out + len, room, "ocs/%u", where->ocs);
        }
    }
    out[len < TICKET_TEXT_MAX ? len : TICKET_TEXT_MAX - 1] = '\0';
}

static const char *port_name(struct tpunet_ocs_port port, char buf[static 80])
{
    struct part part = {
        .kind = PART_PORT, .ocs = port.ocs, .south = port.side == TPUNET_SOUTH, .port = port.port};
    return part_format(&part, buf);
}

static void place_chip(const struct part *part, char out[static TICKET_TEXT_MAX])
{
    struct tpunet_chip chip = {part->cube, {part->at[0], part->at[1], part->at[2]}};
    (void)snprintf(out, TICKET_TEXT_MAX,
                   "cube/%u, tray host/%u-%u, chip at x %u, y %u, z %u of the cube", part->cube,
                   part->cube, tpunet_chip_host(chip), part->at[0], part->at[1], part->at[2]);
}

static void place_ocs(const struct part *part, char *out, size_t size)
{
    (void)snprintf(out, size, "switch ocs/%u (axis %c, in-face position %u, %u)", part->ocs,
                   "xyz"[part->ocs / TPUNET_FACE_LINKS], part -> ocs % 4U, part -> ocs / 4U % 4U);
}

static void place_fibre(const struct tpunet_wiring *wiring, struct tpunet_fibre f,
                        char out[static TICKET_TEXT_MAX])
{
    char port[80];
    unsigned unused;
    struct tpunet_chip chip = tpunet_fibre_chip(f, &unused);

    (void)snprintf(out, TICKET_TEXT_MAX,
                   "from cube/%u, face %c%c, position %u, %u (chip/%u-%u-%u-%u) to %s", f.cube,
                   f.minus ? '-' : '+', 'x' + f.axis, f.a, f.b, chip.cube, chip.at[0], chip.at[1],
                   chip.at[2], port_name(tpunet_wiring_port(wiring, f), port));
}

static void place_port(const struct tpunet_wiring *wiring, const struct part *part,
                       char out[static TICKET_TEXT_MAX])
{
    struct tpunet_ocs_port port = {part->ocs, part->south ? TPUNET_SOUTH : TPUNET_NORTH,
                                   part->port};
    struct tpunet_fibre f;
    char place[80];

    place_ocs(part, place, sizeof place);
    if (port.port < tpunet_wiring_ports(wiring) && tpunet_wiring_fibre(wiring, port, &f)) {
        (void)snprintf(out, TICKET_TEXT_MAX, "%s, %s port %u, fibre of cube/%u, face %c%c", place,
                       part->south ? "south" : "north", part->port, f.cube, f.minus ? '-' : '+',
                       'x' + f.axis);
    } else {
        (void)snprintf(out, TICKET_TEXT_MAX, "%s, %s port %u, no fibre", place,
                       part->south ? "south" : "north", part->port);
    }
}

static void place(const struct tpunet_wiring *wiring, enum risk_kind kind, const struct part *part,
                  const char *name, char out[static TICKET_TEXT_MAX])
{
    struct tpunet_fibre fibre = {part->cube, part->axis, part->minus, part->a, part->b};

    switch (kind) {
    case RISK_LINK:
    case RISK_CHIP:
        place_chip(part, out);
        return;
    case RISK_FIBRE:
        place_fibre(wiring, fibre, out);
        return;
    case RISK_PORT:
    case RISK_PORT_GROUP:
        place_port(wiring, part, out);
        return;
    case RISK_HOST:
        (void)snprintf(out, TICKET_TEXT_MAX, "cube/%u, tray %u (x %u to %u, y %u to %u, z %u)",
                       part->cube, part->host, part->host % 2 * 2U, part->host % 2 * 2U + 1,
                       part->host / 2 % 2 * 2U, part->host / 2 % 2 * 2U + 1, part->host / 4U);
        return;
    case RISK_FACE:
        (void)snprintf(out, TICKET_TEXT_MAX, "cube/%u, connector of face %c%c, to ocs/%u to ocs/%u",
                       part->cube, part->minus ? '-' : '+', 'x' + part->axis, part->axis * 16U,
                       part->axis * 16U + 15);
        return;
    case RISK_OCS:
    case RISK_OCS_CONTROL:
        place_ocs(part, out, TICKET_TEXT_MAX);
        return;
    case RISK_CUBE:
    case RISK_AXIS:
    case RISK_POWER:
    case RISK_OBSERVER:
    case RISK_NETWORK:
    case RISK_SELF:
        (void)snprintf(out, TICKET_TEXT_MAX, "%s", name);
        return;
    }
}

void ticket_describe(struct ticket *ticket, const struct riskmap *map,
                     const struct tpunet_wiring *wiring, uint32_t group, uint16_t spare)
{
    struct part part = {0};
    uint32_t number;

    ticket->kind = riskmap_group_kind(map, group, &number);
    (void)riskmap_group_name(map, group, ticket->part);
    (void)riskmap_group_part(map, group, &part);
    assert(words[ticket->kind].action != NULL);
    place(wiring, ticket->kind, &part, ticket->part, ticket->position);
    fill(ticket->action, words[ticket->kind].action, ticket->part, &part);
    fill(ticket->safe, words[ticket->kind].safe, ticket->part, &part);
    ticket->spare[0] = '\0';
    if (spare != TPUNET_NONE && (ticket->kind == RISK_PORT || ticket->kind == RISK_FIBRE)) {
        struct tpunet_ocs_port port = {part.ocs, part.south ? TPUNET_SOUTH : TPUNET_NORTH, 0};
        if (ticket->kind == RISK_FIBRE) {
            port = tpunet_wiring_port(
                wiring, (struct tpunet_fibre){part.cube, part.axis, part.minus, part.a, part.b});
        }
        port.port = spare;
        (void)port_name(port, ticket->spare);
    }
}
