/* Forwarding, written from the table model alone (an entry is a byte: bits 0-2
 * the port, 6 = arrived, 7 = no route; bits 4-5 the VC). */
#include "flit.h"

#include <inttypes.h>
#include <string.h>

#include "sim_wiring.h"

enum { ARRIVED = 6 };

static bool same_stamp(const struct sim_stamp *a, const struct sim_stamp *b)
{
    return a->epoch == b->epoch && a->generation == b->generation &&
           strcmp(a->slice, b->slice) == 0;
}

/* The table's entry for a flit that arrived in this class, or E_UNREACHABLE with
 * why there is none. */
static int look_up(const struct world *w, uint32_t at, unsigned cls, const struct sim_bank *target,
                   struct error *err)
{
    const struct sim_bank *bank = &w->chips[at].active;
    const struct sim_row *row = bank->rows[cls];
    static const char *const classes[] = {"injected flits", "VC0", "VC1", "VC2"};

    if (row == NULL) {
        return err_set(err, E_UNREACHABLE, "it has no table for %s", classes[cls]);
    }
    if (!same_stamp(&bank->stamp, &target->stamp) || target->self >= row->len) {
        return err_set(err, E_UNREACHABLE,
                       "it forwards slice '%s' generation %" PRIu64
                       ", the destination slice '%s' generation %" PRIu64,
                       bank->stamp.slice, bank->stamp.generation, target->stamp.slice,
                       target->stamp.generation);
    }
    return row->bytes[target->self];
}

/* One hop: 0, ARRIVED, or E_UNREACHABLE with why the flit died at *at. */
static int forward(const struct world *w, uint32_t dst, uint32_t *at, unsigned *cls,
                   struct sim_hop *hop, struct error *err)
{
    const struct sim_bank *target = &w->chips[dst].active;
    unsigned in_port;
    uint32_t next;
    int entry = look_up(w, *at, *cls, target, err);

    if (entry < 0) {
        return entry;
    }
    unsigned port = (unsigned)entry & 7U, vc = (unsigned)entry >> 4 & 3U; /* the rest is reserved */
    if (port == ARRIVED) {
        return *at == dst ? ARRIVED : err_set(err, E_UNREACHABLE, "it takes the flit for its own");
    }
    if (port > ARRIVED) {
        return err_set(err, E_UNREACHABLE, "its table has no route");
    }
    if (vc >= w->config->vc_classes) {
        return err_set(err, E_UNREACHABLE, "its table says VC%u, which is not there", vc);
    }
    *hop = (struct sim_hop){.chip = *at, .port = (uint8_t)port, .vc = (uint8_t)vc};
    if (!world_link(w, *at, port, &next, &in_port)) {
        return err_set(err, E_UNREACHABLE, "its link %c%c is down", port % 2 != 0 ? '-' : '+',
                       "xyz"[port / 2]);
    }
    *at = next;
    *cls = 1 + vc;
    return 0;
}

int sim_send(const struct world *w, uint32_t src, uint32_t dst, struct sim_hop hops[SIM_HOPS_MAX],
             size_t *n, struct error *err)
{
    unsigned cls = 0;
    uint32_t at = src;
    int status = w->chips[src].dead != 0  ? err_set(err, E_UNREACHABLE, "it is dead")
                 : w->chips[src].quiesced ? err_set(err, E_UNREACHABLE, "it is quiesced")
                                          : 0;

    for (*n = 0; status == 0; *n += status == 0) {
        if (*n == SIM_HOPS_MAX) {
            status = err_set(err, E_UNREACHABLE, "still under way");
        } else {
            status = forward(w, dst, &at, &cls, &hops[*n], err);
        }
    }
    if (status == ARRIVED) {
        return (int)*n;
    }
    char name[32];
    sim_chip_name(at, name);
    return err_prefix(err, "after %zu hops, at %s", *n, name);
}
