/* Liens: what lets a cube go free although a switch has not confirmed that its
 * circuits are down, so that a dead switch freezes neither deletion nor
 * allocation.
 *
 *   1. A circuit that an operation was to break and that is not confirmed down
 *      leaves a lien on both of its ports.
 *   2. Until the chip port behind it is disabled, the cube is given to nobody;
 *      its host's tpunetd is asked again every second.  A disabled chip port
 *      carries nothing, whatever the mirror does (A8).  While the switch obeys the
 *      cube waits all the same: the circuit is about to be broken.
 *   3. The lien goes when the switch shows the port dark or in a circuit that is
 *      intended.  Until then the circuit is broken as soon as the switch obeys
 *      (plans.c, rule 4).
 *   4. After a restore nothing is fenced: the port may have served since the
 *      backup.  And until all is explained every port is held of a FAILED switch
 *      whose map we have not read, since its mirrors may stand in any circuit made
 *      since; the next podmgr has not read it either.
 *   5. Nor is a port disabled then while a switch that is not given up does not answer, nor
 *      on a cube in a circuit that nobody intended: the job of a slice made since the
 *      backup may run over it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/internal.h"
#include "mem.h"

enum { FENCE_AGAIN_MS = 1000 };

/* -------------------------------------------------------------- the list -- */

static uint32_t rank(struct tpunet_ocs_port port)
{
    return (uint32_t)port.ocs << 17 | (uint32_t)port.side << 16 | port.port;
}

static size_t position(const struct model *m, struct tpunet_ocs_port port)
{
    size_t lo = 0, hi = m->n_liens;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (rank(m->liens[mid].port) < rank(port)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct lien *model_lien(const struct model *m, struct tpunet_ocs_port port)
{
    size_t at = position(m, port);
    bool found = at < m->n_liens && rank(m->liens[at].port) == rank(port);

    return found ? &m->liens[at] : NULL;
}

void model_add_lien(struct model *m, const struct lien *lien)
{
    size_t at = position(m, lien->port);

    if (model_lien(m, lien->port) == NULL) {
        VEC_GROW(m->liens, m->n_liens, m->cap_liens);
        memmove(m->liens + at + 1, m->liens + at, (m->n_liens - at) * sizeof *m->liens);
        m->n_liens++;
    }
    m->liens[at] = *lien;
}

void model_remove_lien(struct model *m, struct tpunet_ocs_port port)
{
    size_t at = position(m, port);

    assert(model_lien(m, port) != NULL);
    m->n_liens--;
    memmove(m->liens + at, m->liens + at + 1, (m->n_liens - at) * sizeof *m->liens);
}

static bool is_ours(const struct model *m, const struct lien *lien)
{
    return lien != NULL && !model_is_doubted(m, lien->slice);
}

bool model_circuit_left(const struct model *m, struct tpunet_xc xc)
{
    return is_ours(m, model_lien(m, (struct tpunet_ocs_port){xc.ocs, TPUNET_NORTH, xc.north})) ||
           is_ours(m, model_lien(m, (struct tpunet_ocs_port){xc.ocs, TPUNET_SOUTH, xc.south}));
}

/* --------------------------------------------------------- come and go -- */

static const char *port_name(struct tpunet_ocs_port port, char buf[static 32])
{
    (void)snprintf(buf, 32, "port/%u-%c-%u", port.ocs, "ns"[port.side], port.port);
    return buf;
}

/* One that was fenced before is fenced anew. */
static void hold(struct model *m, struct lien lien, struct outbox *out)
{
    lien.held = model_new_id(m);
    lien.fenced = false;
    model_add_lien(m, &lien);
    emit_lien(out, lien.port);
    m->fence_asked = (struct mono_ns){0};
}

static void hold_port(struct model *m, struct tpunet_ocs_port port, struct id slice, struct now now,
                      struct outbox *out)
{
    const struct lien *held = model_lien(m, port);
    bool doubted = held != NULL && !is_ours(m, held); /* rule 4: it may be another's all the same */
    struct chip_port chip;
    char name[32], id[48];

    if (!model_chip_port(m, port, &chip)) {
        return;
    }
    hold(m, (struct lien){.port = port, .slice = doubted ? held->slice : slice, .since = now.wall},
         out);
    emit_journal(m, out, now, "lien.held", port_name(port, name),
                 json_pack("{s:s,s:i}", "slice", id_format(slice, id), "cube",
                           (int)tpunet_chip_of(chip.chip).cube));
}

void liens_hold(struct model *m, struct tpunet_xc xc, struct id slice, struct now now,
                struct outbox *out)
{
    hold_port(m, (struct tpunet_ocs_port){xc.ocs, TPUNET_NORTH, xc.north}, slice, now, out);
    hold_port(m, (struct tpunet_ocs_port){xc.ocs, TPUNET_SOUTH, xc.south}, slice, now, out);
}

/* Rule 4. */
void liens_doubt_switch(struct model *m, uint16_t ocs, struct now now, struct outbox *out)
{
    char subject[16];
    int held = 0;

    if (!m->restored || m->ocs[ocs].boot_id[0] != '\0') {
        return;
    }
    for (uint16_t i = 0; i < 2 * m->pod->ports_per_side; i++) {
        struct tpunet_ocs_port port = {ocs, i % 2 == 0 ? TPUNET_NORTH : TPUNET_SOUTH, i / 2};
        struct chip_port chip;
        if (model_lien(m, port) == NULL && model_chip_port(m, port, &chip)) {
            hold(m, (struct lien){.port = port, .since = now.wall}, out);
            held++;
        }
    }
    (void)snprintf(subject, sizeof subject, "ocs/%u", ocs);
    emit_journal(m, out, now, "lien.held", subject,
                 json_pack("{s:i,s:s}", "ports", held, "reason",
                           "FAILED, and its map was not read since the restore"));
}

void liens_start(struct model *m, bool first_of_backup, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_liens && first_of_backup; i++) {
        hold(m, m->liens[i], out);
    }
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        if (m->ocs[o].state == OCS_STATE_FAILED) {
            liens_doubt_switch(m, o, now, out);
        }
    }
}

/* Rule 3: is the port in a circuit that is not intended? */
static bool still_stands(const struct model *m, struct tpunet_ocs_port port)
{
    const struct ocs *ocs = &m->ocs[port.ocs];

    for (uint16_t p = 0; p < MODEL_PORTS_MAX; p++) {
        const struct circuit *circuit = &ocs->north[p];
        uint16_t mine = port.side == TPUNET_NORTH ? p : circuit->seen;
        if (circuit->seen != TPUNET_NONE && mine == port.port) {
            return circuit->seen != circuit->south;
        }
    }
    return false;
}

void liens_settle(struct model *m, uint16_t ocs, struct outbox *out)
{
    for (size_t i = m->n_liens; i-- > 0;) {
        struct tpunet_ocs_port port = m->liens[i].port;
        if (port.ocs == ocs && m->ocs[ocs].state == OCS_STATE_REACHABLE && !still_stands(m, port)) {
            model_remove_lien(m, port);
            emit_lien(out, port);
        }
    }
}

/* ---------------------------------------------------------------- fence -- */

static struct chip_port behind(const struct model *m, const struct lien *lien)
{
    struct chip_port port = {0};
    bool wired = model_chip_port(m, lien->port, &port);

    assert(wired); /* hold_port() saw to it */
    return port;
}

static uint32_t agent_of(const struct model *m, struct chip_port port)
{
    struct tpunet_chip chip = tpunet_chip_of(port.chip);
    return m->hosts[chip.cube * TPUNET_CUBE_HOSTS + tpunet_chip_host(chip)].agent;
}

/* Rule 5. */
static bool may_be_anothers(const struct model *m, const struct cube *cube)
{
    char why[400];

    return m->restored &&
           (cube->unexplained || !switches_all_reachable(m, NULL, true, why, sizeof why));
}

/* While a slice owns the cube its own bring-up disables what is dead. */
static bool wants_fence(const struct model *m, const struct lien *lien)
{
    const struct cube *cube = &m->cubes[tpunet_chip_of(behind(m, lien).chip).cube];

    return !lien->fenced && id_is_none(cube->owner) && !may_be_anothers(m, cube);
}

size_t core_unfenced(const struct model *m, uint32_t agent, struct chip_port *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_liens && n < max; i++) {
        struct chip_port port = behind(m, &m->liens[i]);
        if (wants_fence(m, &m->liens[i]) && agent_of(m, port) == agent) {
            out[n++] = port;
        }
    }
    return n;
}

void liens_tick(struct model *m, struct now now, struct outbox *out)
{
    bool asked[MODEL_HOSTS_MAX] = {false};

    if (m->fence_asked.ns != 0 && mono_ms_since(m->fence_asked, now.mono) < FENCE_AGAIN_MS) {
        return;
    }
    m->fence_asked = now.mono;
    for (size_t i = 0; i < m->n_liens; i++) {
        uint32_t agent = agent_of(m, behind(m, &m->liens[i]));
        size_t slot = 0;
        while (slot < m->n_agents && m->agents[slot]->id != agent) {
            slot++;
        }
        if (!wants_fence(m, &m->liens[i]) || slot == m->n_agents || asked[slot]) {
            continue;
        }
        asked[slot] = true;
        struct effect *effect = emit_effect(out, EFFECT_FENCE);
        effect->agent = agent;
        struct id id = model_new_id(m);
        effect->epoch = id.epoch;
        effect->generation = id.seq;
    }
}

/* A port that was held again since the request is not fenced by it. */
void liens_fenced(struct model *m, struct event *ev, struct outbox *out)
{
    const struct id request = {ev->fenced.epoch, ev->fenced.generation};

    for (size_t i = 0; i < m->n_liens; i++) {
        struct lien *lien = &m->liens[i];
        struct chip_port port = behind(m, lien);
        bool later = id_compare(lien->held, request) < 0;
        for (size_t k = 0; k < ev->fenced.n && later && !lien->fenced; k++) {
            lien->fenced =
                ev->fenced.ports[k].chip == port.chip && ev->fenced.ports[k].port == port.port;
            if (lien->fenced) {
                emit_lien(out, lien->port);
            }
        }
    }
    emit_done(out, ev->cookie, (struct id){0});
}
