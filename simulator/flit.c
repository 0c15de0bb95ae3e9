#include "flit.h"

#include <string.h>

static bool same_stamp(const struct sim_stamp *a, const struct sim_stamp *b)
{
    return a->epoch == b->epoch && a->generation == b->generation &&
           strcmp(a->slice, b->slice) == 0;
}

int sim_send(const struct world *w, uint32_t src, uint32_t dst, struct sim_hop hops[SIM_HOPS_MAX],
             size_t *n, struct error *err)
{
    const struct sim_bank *target = &w->chips[dst].active;
    uint32_t at = src;
    unsigned cls = 0, in_port;
    char name[32];

    *n = 0;
    if (w->chips[src].quiesced) {
        sim_chip_name(src, name);
        return err_set(err, E_UNREACHABLE, "%s does not inject: it is quiesced", name);
    }
    while (at != dst) {
        const struct sim_chip *chip = &w->chips[at];
        const struct sim_row *row = chip->active.rows[cls];
        sim_chip_name(at, name);
        if (row == NULL) {
            return err_set(err, E_UNREACHABLE, "%s has no table for class %u", name, cls);
        }
        if (!same_stamp(&chip->active.stamp, &target->stamp) || target->self >= row->len) {
            return err_set(err, E_UNREACHABLE, "%s forwards another slice or generation", name);
        }
        uint8_t entry = row->bytes[target->self]; /* bits 0-2 port, 4-5 VC */
        unsigned port = entry & 7U, vc = entry >> 4 & 3U;
        if (port >= SIM_CHIP_PORTS) {
            return err_set(err, E_UNREACHABLE, "%s has no route", name);
        }
        if (*n == SIM_HOPS_MAX) {
            return err_set(err, E_UNREACHABLE, "%s: still under way after %d hops", name,
                           SIM_HOPS_MAX);
        }
        hops[(*n)++] = (struct sim_hop){.chip = at, .port = (uint8_t)port, .vc = (uint8_t)vc};
        if (!world_peer(w, at, port, &at, &in_port)) {
            return err_set(err, E_UNREACHABLE, "%s sends into a dead link on port %u", name, port);
        }
        cls = 1 + vc;
    }
    return (int)*n;
}
