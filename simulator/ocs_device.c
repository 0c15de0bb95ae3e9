#include "ocs_device.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool same_claimant(const struct sim_ocs *o, struct sim_claim claim)
{
    return claim.epoch != 0 && o->claim.epoch == claim.epoch && o->claim.instance == claim.instance;
}

bool sim_ocs_holds(const struct sim_ocs *o, struct sim_claim claim)
{
    return same_claimant(o, claim) && claim.session == o->claim.session;
}

bool sim_ocs_claim(struct sim_ocs *o, struct sim_claim claim)
{
    if (claim.epoch > o->claim.epoch ||
        (same_claimant(o, claim) && claim.session > o->claim.session)) {
        o->claim = claim;
    }
    return sim_ocs_holds(o, claim);
}

/* ------------------------------------------------------------- judgement -- */

static void refuse(struct sim_op *op, enum sim_op_status status, bool south, unsigned port)
{
    op->result.status = status;
    op->result.south = south;
    op->result.port = (uint16_t)port;
}

const char *sim_op_text(const struct sim_op_result *result, char buf[static 64])
{
    static const char *const what[] = {
        [SIM_OP_DONE] = "",
        [SIM_OP_BAD_PORT] = "does not exist",
        [SIM_OP_BUSY] = "is not free",
        [SIM_OP_ABSENT] = "is not connected as said",
        [SIM_OP_MIRROR] = "has a mirror that does not move",
    };

    buf[0] = '\0';
    if (result->status != SIM_OP_DONE) {
        (void)snprintf(buf, 64, "%s port %u %s", result->south ? "south" : "north", result->port,
                       what[result->status]);
    }
    return buf;
}

bool sim_ocs_all_replayed(const struct sim_ocs *o, const struct sim_op *ops, size_t n)
{
    size_t known = 0;

    for (size_t i = 0; i < n; i++) {
        known += op_log_find(o->log, ops[i].epoch, ops[i].sequence) != NULL;
    }
    return n > 0 && known == n;
}

bool sim_ocs_ids_differ(const struct sim_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (ops[i].epoch == ops[j].epoch && ops[i].sequence == ops[j].sequence) {
                return false;
            }
        }
    }
    return true;
}

struct trial {
    uint16_t map[SIM_PORTS_MAX], back[SIM_PORTS_MAX];
};

static bool ports_exist(const struct world *w, struct sim_op *op, const struct sim_xc *xcs,
                        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool south = xcs[i].north < w->config->ports_per_side;
        unsigned port = south ? xcs[i].south : xcs[i].north;
        if (port >= w->config->ports_per_side) {
            refuse(op, SIM_OP_BAD_PORT, south, port);
            return false;
        }
    }
    return true;
}

static bool mirrors_move(const struct sim_ocs *o, struct sim_op *op, const struct sim_xc *xcs,
                         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool south = o->stuck[0][xcs[i].north] == 0;
        unsigned port = south ? xcs[i].south : xcs[i].north;
        if (o->stuck[south][port] != 0) {
            refuse(op, SIM_OP_MIRROR, south, port);
            return false;
        }
    }
    return true;
}

static bool try_breaks(struct trial *t, struct sim_op *op)
{
    for (size_t i = 0; i < op->n_breaks; i++) {
        const struct sim_xc *xc = &op->breaks[i];
        if (t->map[xc->north] != xc->south) {
            refuse(op, SIM_OP_ABSENT, false, xc->north);
            return false;
        }
        t->map[xc->north] = t->back[xc->south] = SIM_NONE;
    }
    return true;
}

static bool try_makes(struct trial *t, struct sim_op *op)
{
    for (size_t i = 0; i < op->n_makes; i++) {
        const struct sim_xc *xc = &op->makes[i];
        if (t->map[xc->north] != SIM_NONE || t->back[xc->south] != SIM_NONE) {
            bool south = t->map[xc->north] == SIM_NONE;
            refuse(op, SIM_OP_BUSY, south, south ? xc->south : xc->north);
            return false;
        }
        t->map[xc->north] = xc->south;
        t->back[xc->south] = xc->north;
    }
    return true;
}

static bool is_good(const struct sim_op *op)
{
    return !op->replayed && op->result.status == SIM_OP_DONE;
}

/* All good operations together must fit; when one does not it is refused and
 * the rest are tried again without it. */
static void judge_together(const struct sim_ocs *o, struct sim_op *ops, size_t n)
{
    for (bool fits = false; !fits;) {
        struct trial t;
        fits = true;
        memcpy(t.map, o->map, sizeof t.map);
        memcpy(t.back, o->back, sizeof t.back);
        for (size_t i = 0; i < n && fits; i++) {
            fits = !is_good(&ops[i]) || try_breaks(&t, &ops[i]);
        }
        for (size_t i = 0; i < n && fits; i++) {
            fits = !is_good(&ops[i]) || try_makes(&t, &ops[i]);
        }
    }
}

static void judge_alone(const struct world *w, const struct sim_ocs *o, struct sim_op *op)
{
    const struct sim_op_result *record = op_log_find(o->log, op->epoch, op->sequence);

    op->replayed = record != NULL;
    if (record != NULL) {
        op->result = *record;
        return;
    }
    op->result = (struct sim_op_result){.epoch = op->epoch, .sequence = op->sequence};
    if (ports_exist(w, op, op->breaks, op->n_breaks) &&
        ports_exist(w, op, op->makes, op->n_makes) &&
        mirrors_move(o, op, op->breaks, op->n_breaks)) {
        (void)mirrors_move(o, op, op->makes, op->n_makes);
    }
}

/* --------------------------------------------------------------- effects -- */

static void disconnect(struct world *w, unsigned number, unsigned north)
{
    struct sim_ocs *o = &w->ocs[number];
    unsigned south = o->map[north];

    assert(south != SIM_NONE && o->back[south] == north); /* D1 */
    o->map[north] = o->back[south] = SIM_NONE;
    world_look_ocs_port(w, number, false, north);
    world_look_ocs_port(w, number, true, south);
}

static void connect_ports(struct world *w, unsigned number, const struct sim_xc *xc)
{
    struct sim_ocs *o = &w->ocs[number];

    assert(o->map[xc->north] == SIM_NONE && o->back[xc->south] == SIM_NONE); /* D1 */
    o->map[xc->north] = xc->south;
    o->back[xc->south] = xc->north;
    world_look_ocs_port(w, number, false, xc->north);
    world_look_ocs_port(w, number, true, xc->south);
}

bool sim_ocs_begin(struct world *w, unsigned ocs, struct sim_op *ops, size_t n)
{
    struct sim_ocs *o = &w->ocs[ocs];
    bool changed = false;

    for (size_t i = 0; i < n; i++) {
        judge_alone(w, o, &ops[i]);
    }
    judge_together(o, ops, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; is_good(&ops[i]) && k < ops[i].n_breaks; k++) {
            disconnect(w, ocs, ops[i].breaks[k].north);
        }
        changed = changed || (is_good(&ops[i]) && ops[i].n_breaks + ops[i].n_makes > 0);
    }
    return changed;
}

void sim_ocs_finish(struct world *w, unsigned ocs, struct sim_op *ops, size_t n, bool changed)
{
    struct sim_ocs *o = &w->ocs[ocs];

    for (size_t i = 0; i < n; i++) {
        if (ops[i].replayed) {
            continue;
        }
        for (size_t k = 0; is_good(&ops[i]) && k < ops[i].n_makes; k++) {
            connect_ports(w, ocs, &ops[i].makes[k]);
        }
        op_log_add(o->log, &ops[i].result);
    }
    o->generation += changed;
}

void sim_ocs_lose_power(struct world *w, unsigned ocs)
{
    struct sim_ocs *o = &w->ocs[ocs];

    for (unsigned p = 0; p < SIM_PORTS_MAX; p++) {
        if (o->map[p] != SIM_NONE) {
            disconnect(w, ocs, p);
        }
    }
    o->generation++;
    world_new_boot(w, ocs);
}
