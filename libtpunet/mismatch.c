/* Mismatches in words: one line each, in the names that are on the labels. */
#include "internal.h"

#include <stdio.h>

static const char *const names[] = {
    [TPUNET_LINK_MISSING] = "missing",      [TPUNET_LINK_EXTRA] = "extra",
    [TPUNET_LINK_SWAPPED] = "swapped",      [TPUNET_LINK_MISDIRECTED] = "misdirected",
    [TPUNET_CHIP_MISSING] = "chip-missing", [TPUNET_CHIP_EXTRA] = "chip-extra",
};

const char *tpunet_mismatch_name(unsigned kind)
{
    return kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

struct words {
    char text[192];
};

/* "fibre/5+x-0-3", or "" when the port is electrical. */
static struct part_name fibre_of(uint32_t chip, unsigned port)
{
    struct tpunet_fibre fibre;
    if (tpunet_chip_fibre(tpunet_chip_of(chip), port, &fibre))
        return fibre_name(fibre);
    return (struct part_name){""};
}

/* "fibre/5+x-0-3 (ocs/12 north 5)" */
static struct words fibre_at(uint32_t chip, unsigned port, struct tpunet_ocs_port at)
{
    struct words w;
    snprintf(w.text, sizeof w.text, "%s (ocs/%u %s %u)", fibre_of(chip, port).text, at.ocs,
             at.side == TPUNET_NORTH ? "north" : "south", at.port);
    return w;
}

/* "chip/5-3-0-3 +x", and its fibre if the name alone can tell. */
static struct words end_of(uint32_t chip, unsigned port)
{
    struct words w;
    struct part_name fibre = fibre_of(chip, port);
    snprintf(w.text, sizeof w.text, "%s %s%s%s", chip_name(chip).text, tpunet_port_name(port),
             fibre.text[0] != '\0' ? " on " : "", fibre.text);
    return w;
}

/* The same with the OCS port. */
static struct words end_at(uint32_t chip, unsigned port, bool optical, struct tpunet_ocs_port at)
{
    struct words w;
    if (!optical)
        return end_of(chip, port);
    snprintf(w.text, sizeof w.text, "%s %s on %s", chip_name(chip).text, tpunet_port_name(port),
             fibre_at(chip, port, at).text);
    return w;
}

static void format_swap(const struct tpunet_mismatch *m, char *buf, size_t size)
{
    struct words first = fibre_at(m->chip, m->port, m->at);
    struct words second = fibre_at(m->second.chip, m->second.port, m->other);
    snprintf(buf, size, "swapped: %s and %s, or their far ends %s and %s", first.text, second.text,
             fibre_of(m->expected, tpunet_port_peer(m->port)).text,
             fibre_of(m->found, m->found_port).text);
}

const char *tpunet_mismatch_format(const struct tpunet_mismatch *m, char *buf, size_t size)
{
    struct words from = end_at(m->chip, m->port, m->optical, m->at), to = {""}, found = {""};
    const char *name = tpunet_mismatch_name(m->kind);
    if (m->expected != UINT32_MAX)
        to = end_at(m->expected, tpunet_port_peer(m->port), m->optical, m->other);
    if (m->found != UINT32_MAX)
        found = end_of(m->found, m->found_port);
    switch ((enum tpunet_mismatch_kind)m->kind) {
    case TPUNET_LINK_MISSING:
        snprintf(buf, size, "%s: %s to %s", name, from.text, to.text);
        break;
    case TPUNET_LINK_EXTRA:
        snprintf(buf, size, "%s: %s leads to %s", name, from.text, found.text);
        break;
    case TPUNET_LINK_SWAPPED:
        format_swap(m, buf, size);
        break;
    case TPUNET_LINK_MISDIRECTED:
        snprintf(buf, size, "%s: %s leads to %s, not to %s", name, from.text, found.text, to.text);
        break;
    case TPUNET_CHIP_MISSING:
        snprintf(buf, size, "%s: no live link leads to %s, or it does not answer", name,
                 chip_name(m->chip).text);
        break;
    case TPUNET_CHIP_EXTRA:
        snprintf(buf, size, "%s: %s is reached, yet not of this slice", name,
                 chip_name(m->chip).text);
        break;
    }
    return buf;
}
