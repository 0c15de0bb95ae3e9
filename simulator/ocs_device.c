#include "ocs_device.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

bool sim_ocs_holds(const struct sim_ocs *o, uint64_t epoch, uint64_t instance)
{
    return epoch != 0 && o->epoch == epoch && o->instance == instance;
}

bool sim_ocs_claim(struct sim_ocs *o, uint64_t epoch, uint64_t instance)
{
    if (epoch > o->epoch) {
        o->epoch = epoch;
        o->instance = instance;
    }
    return sim_ocs_holds(o, epoch, instance);
}

/* ------------------------------------------------------------- judgement -- */

static const struct sim_op_result *on_record(const struct sim_ocs *o, const struct sim_op *op)
{
    size_t n = o->log_n < SIM_OP_LOG ? o->log_n : SIM_OP_LOG;

    for (size_t i = 0; i < n; i++) { /* newest first: replays are of late ones */
        const struct sim_op_result *r = &o->log[(o->log_n - 1 - i) % SIM_OP_LOG];
        if (r->epoch == op->epoch && r->sequence == op->sequence) {
            return r;
        }
    }
    return NULL;
}

static void refuse(struct sim_op *op, enum sim_op_status status, bool south, unsigned port,
                   const char *what)
{
    op->result.status = (int)status;
    op->result.south = south;
    op->result.port = (uint16_t)port;
    (void)snprintf(op->result.text, sizeof op->result.text, "%s port %u %s",
                   south ? "south" : "north", port, what);
}

struct trial {
    uint16_t map[SIM_PORTS_MAX], back[SIM_PORTS_MAX];
};

static bool ports_exist(const struct world *w, struct sim_op *op, const struct sim_xc *xcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool south = xcs[i].north < w->config->ports_per_side;
        unsigned port = south ? xcs[i].south : xcs[i].north;
        if (port >= w->config->ports_per_side) {
            refuse(op, SIM_OP_BAD_PORT, south, port, "does not exist");
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
            refuse(op, SIM_OP_MIRROR, south, port, "has a mirror that does not move");
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
            refuse(op, SIM_OP_ABSENT, false, xc->north, "is not connected as said");
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
            refuse(op, SIM_OP_BUSY, south, south ? xc->south : xc->north, "is not free");
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
    const struct sim_op_result *record = on_record(o, op);

    op->replayed = record != NULL;
    if (record != NULL) {
        op->result = *record;
        return;
    }
    op->result = (struct sim_op_result){.epoch = op->epoch, .sequence = op->sequence};
    if (ports_exist(w, op, op->breaks, op->n_breaks) && ports_exist(w, op, op->makes, op->n_makes) &&
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
        for (size_t k = 0; is_good(&ops[i]) && k < ops[i].n_makes && o->power_down == 0; k++) {
            connect_ports(w, ocs, &ops[i].makes[k]);
        }
        o->log[o->log_n++ % SIM_OP_LOG] = ops[i].result;
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
    (void)snprintf(o->boot_id, sizeof o->boot_id, "%02u-%016" PRIx64, ocs,
                   (uint64_t)(world_random(w) * 0x1p53));
}
