/* What a verdict of a bring-up is worth (A5): a good one is held against the
 * world, which has wiring and forwarding of its own.
 *
 *   - each circuit is there, and both of its ends see each other
 *   - each link inside the cubes is up
 *   - after an installation: each chip forwards by the tables of this verdict's
 *     stamp, and flits between sampled pairs arrive
 *
 * What broke while the bring-up ran is no fault of the verdict, so it is judged
 * only if no link of the slice changed since it began. */
#include "oracle.h"

#include <stdio.h>
#include <string.h>

#include "simulator/chance.h"
#include "simulator/flit.h"
#include "simulator/sim_wiring.h"

enum { PAIRS = 32 };

/* The chip port whose fibre belongs there: switch 16 axis + a + 4 b serves the
 * fibres at (a, b) of its axis, + faces north, cube c on port c. */
static uint32_t chip_at(unsigned ocs, bool south, unsigned port, unsigned *chip_port)
{
    return sim_fibre_chip(sim_fibre_number(port, ocs / 16, south, ocs % 4, ocs / 4 % 4), chip_port);
}

static bool holds(const struct world *w, const struct tpunet_xc *xc)
{
    unsigned north_port, south_port, peer_port;
    uint32_t north = chip_at(xc->ocs, false, xc->north, &north_port);
    uint32_t south = chip_at(xc->ocs, true, xc->south, &south_port), peer;

    return world_link(w, north, north_port, &peer, &peer_port) && peer == south &&
           peer_port == south_port;
}

/* The circuits whose links a bring-up was to go around. */
static void mark_around(struct sim *s, struct entry *entry, const struct tpunet_link_end *dead,
                        size_t n_dead)
{
    entry->around = sim_new(s, entry->n_xcs * sizeof *entry->around);
    for (size_t i = 0; i < entry->n_xcs && n_dead > 0; i++) {
        unsigned port;
        uint32_t chip = chip_at(entry->xcs[i].ocs, false, entry->xcs[i].north, &port);
        for (size_t k = 0; k < n_dead; k++) {
            entry->around[i] = entry->around[i] || (dead[k].chip == chip && dead[k].port == port);
        }
    }
}

/* A link inside its cubes that is down, or UINT32_MAX. */
static uint32_t down_copper(const struct sim *s, const struct entry *entry)
{
    unsigned n = (unsigned)entry->n_cubes * SIM_CUBE_CHIPS * SIM_CHIP_PORTS, fibre, peer_port;
    uint32_t peer;

    for (unsigned i = 0; i < n; i++) {
        uint32_t chip = entry->cubes[i / SIM_CHIP_PORTS / SIM_CUBE_CHIPS] * SIM_CUBE_CHIPS +
                        i / SIM_CHIP_PORTS % SIM_CUBE_CHIPS;
        if (!sim_chip_fibre(chip, i % SIM_CHIP_PORTS, &fibre) &&
            !world_link(s->w, chip, i % SIM_CHIP_PORTS, &peer, &peer_port)) {
            return chip * SIM_CHIP_PORTS + i % SIM_CHIP_PORTS;
        }
    }
    return UINT32_MAX;
}

/* A circuit that it does not go around and that joins nobody, or NULL. */
static const struct tpunet_xc *down_circuit(const struct sim *s, const struct entry *entry)
{
    for (size_t i = 0; i < entry->n_xcs; i++) {
        if ((entry->around == NULL || !entry->around[i]) && !holds(s->w, &entry->xcs[i])) {
            return &entry->xcs[i];
        }
    }
    return NULL;
}

bool oracle_uses_down_link(const struct sim *s, const struct entry *entry)
{
    return down_circuit(s, entry) != NULL || down_copper(s, entry) != UINT32_MAX;
}

static void judge_links(struct sim *s, const struct entry *entry, const char *name)
{
    const struct tpunet_xc *xc = down_circuit(s, entry);
    uint32_t end = down_copper(s, entry);

    if (xc != NULL) {
        sim_found(s, V_A5, "slice/%s is verified, and ocs/%u north %u to south %u joins nobody",
                  name, xc->ocs, xc->north, xc->south);
    } else if (end != UINT32_MAX) {
        sim_found(s, V_A5, "slice/%s is verified, and port %u of chip %u is down", name,
                  end % SIM_CHIP_PORTS, end / SIM_CHIP_PORTS);
    }
}

static uint32_t chip_of(const struct entry *entry, uint64_t draw)
{
    return entry->cubes[draw / SIM_CUBE_CHIPS % entry->n_cubes] * SIM_CUBE_CHIPS +
           (uint32_t)(draw % SIM_CUBE_CHIPS);
}

static void judge_routes(struct sim *s, const struct entry *entry, const struct verdict *verdict,
                         const char *name)
{
    static struct sim_hop hops[SIM_HOPS_MAX];
    struct error err;
    size_t n;

    for (size_t i = 0; i < entry->n_cubes * SIM_CUBE_CHIPS; i++) {
        const struct sim_bank *bank = &s->w->chips[chip_of(entry, i)].active;
        if (bank->stamp.epoch != verdict->epoch || bank->stamp.generation != verdict->generation ||
            strcmp(bank->stamp.slice, name) != 0) {
            sim_found(s, V_A5, "slice/%s is installed, and chip %u has other tables", name,
                      chip_of(entry, i));
            return;
        }
    }
    for (uint64_t i = 0; i < PAIRS; i++) {
        uint64_t draw = chance_mix(verdict->epoch * 1000003 + verdict->generation * 64 + i);
        uint32_t from = chip_of(entry, draw), to = chip_of(entry, draw >> 32);
        if (from != to && sim_send(s->w, from, to, hops, &n, &err) < 0) {
            sim_found(s, V_A5, "slice/%s is installed, and no flit goes from chip %u to %u: %s",
                      name, from, to, err.text);
            return;
        }
    }
}

static bool is_untouched(const struct sim *s, const struct entry *entry, uint64_t since)
{
    bool untouched = s->w->log_next - since < SIM_LINK_LOG;

    for (uint64_t seq = since; untouched && seq < s->w->log_next; seq++) {
        const struct sim_link_event *event = &s->w->log[seq % SIM_LINK_LOG];
        untouched = s->oracle->owner[event->chip / SIM_CUBE_CHIPS] != entry;
    }
    return untouched;
}

/* The slice may have other cubes by now. */
static bool is_of(const struct tpunet_intent *intent, const struct entry *entry)
{
    return intent->n_cubes == entry->n_cubes &&
           memcmp(intent->cubes, entry->cubes, entry->n_cubes * sizeof *entry->cubes) == 0;
}

void oracle_proved(struct sim *s, const struct verdict *verdict, const struct tpunet_intent *intent,
                   uint64_t links_since, const struct tpunet_link_end *dead, size_t n_dead)
{
    struct entry *entry = oracle_entry(s->oracle, verdict->slice);
    char name[48];

    if (!verdict->ok || entry == NULL || !is_of(intent, entry)) {
        return;
    }
    (void)id_format(entry->id, name);
    mark_around(s, entry, dead, n_dead);
    if (is_untouched(s, entry, links_since)) {
        judge_links(s, entry, name);
        if (!verdict->check_only) {
            judge_routes(s, entry, verdict, name);
        }
    }
    if (!verdict->check_only) {
        entry->proved_epoch = verdict->epoch;
        entry->proved_generation = verdict->generation;
    }
}

void oracle_judge_active(struct sim *s, const struct entry *entry, const struct model *m)
{
    const struct slice *slice = model_slice(m, entry->id);
    size_t unlit = 0, around = 0;
    char id[48];

    (void)id_format(entry->id, id);
    for (size_t i = 0; i < entry->n_xcs; i++) {
        bool goes_around = entry->around != NULL && entry->around[i];
        unlit += !entry->lit[i] && !goes_around;
        around += goes_around;
    }
    if (unlit > 0) {
        sim_found(s, V_A5, "slice/%s is ACTIVE, and %zu of its circuits were never seen lit", id,
                  unlit);
    } else if (entry->proved_epoch != m->epoch || entry->proved_generation != slice->generation) {
        sim_found(s, V_A5, "slice/%s is ACTIVE of epoch %llu, generation %llu without proof", id,
                  (unsigned long long)m->epoch, (unsigned long long)slice->generation);
    } else if (around > 0 && slice->state != SLICE_ACTIVE_DEGRADED) {
        sim_found(s, V_A5, "slice/%s goes around %zu circuits and is not called degraded", id,
                  around);
    }
}
