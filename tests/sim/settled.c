/* Is everything as it should be once nothing is broken any more? */
#include "oracle.h"

#include <stdio.h>

static const char *unsettled_slice(struct oracle *oracle, const struct sim *s,
                                   const struct entry *entry)
{
    const struct slice *slice = model_slice(s->current->model, entry->id);
    char id[48];

    if (slice == NULL || slice->state != SLICE_ACTIVE || !id_is_none(slice->op) ||
        !slice->verified) { /* it is checked, and mended if need be */
        (void)snprintf(oracle->text, sizeof oracle->text, "slice/%s is %s: %.100s",
                       id_format(entry->id, id), slice_state_name(entry->state),
                       slice != NULL ? slice->reason : "gone");
        return oracle->text;
    }
    for (size_t i = 0; i < entry->n_xcs; i++) {
        const struct tpunet_xc *xc = &entry->xcs[i];
        if (s->w->ocs[xc->ocs].map[xc->north] != xc->south ||
            world_loss_db(s->w, xc->ocs, xc->north) > (float)s->pod.loss_db_max) {
            (void)snprintf(oracle->text, sizeof oracle->text,
                           "slice/%s lacks ocs/%u north %u to south %u", id_format(entry->id, id),
                           xc->ocs, xc->north, xc->south);
            return oracle->text;
        }
    }
    return NULL;
}

static const char *unexplained_circuit(struct oracle *oracle, const struct sim *s)
{
    for (uint16_t o = 0; o < SIM_OCSES; o++) {
        for (uint16_t p = 0; p < s->config.ports_per_side; p++) {
            struct tpunet_xc xc = {o, p, s->w->ocs[o].map[p]};
            if (xc.south != SIM_NONE && oracle->foreign[o][p] != xc.south &&
                !oracle_intends(oracle, oracle->owner[p], xc)) {
                (void)snprintf(oracle->text, sizeof oracle->text,
                               "ocs/%u north %u to south %u is nobody's", o, p, xc.south);
                return oracle->text;
            }
        }
    }
    return NULL;
}

const char *oracle_unserved(struct sim *s)
{
    struct oracle *oracle = s->oracle;
    char id[48];

    for (const struct entry *entry = oracle->entries; entry != NULL; entry = entry->next) {
        if (!oracle_serves(entry->state)) {
            (void)snprintf(oracle->text, sizeof oracle->text, "slice/%s is %s beside a broken part",
                           id_format(entry->id, id), slice_state_name(entry->state));
            return oracle->text;
        }
    }
    return NULL;
}

const char *oracle_unmended(struct sim *s)
{
    struct oracle *oracle = s->oracle;
    const char *why = oracle_unserved(s);
    char id[48];

    for (const struct entry *entry = oracle->entries; entry != NULL && why == NULL;
         entry = entry->next) {
        if (oracle_uses_down_link(s, entry)) {
            (void)snprintf(oracle->text, sizeof oracle->text, "slice/%s still uses what is broken",
                           id_format(entry->id, id));
            why = oracle->text;
        }
    }
    return why;
}

const char *oracle_unsettled(struct sim *s)
{
    struct oracle *oracle = s->oracle;

    if (s->current == NULL || !core_ready(s->current->model, oracle->text, sizeof oracle->text)) {
        return s->current == NULL ? "podmgr is down" : oracle->text;
    }
    for (const struct manager *m = s->managers; m != NULL; m = m->next) {
        if (m != s->current && m->alive) {
            return "an old podmgr is alive";
        }
    }
    const struct model *model = s->current->model;
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        if (model->ocs[o].state != OCS_STATE_REACHABLE) {
            (void)snprintf(oracle->text, sizeof oracle->text, "ocs/%u is %s", o,
                           ocs_state_name(model->ocs[o].state));
            return oracle->text;
        }
    }
    if (model->n_drains > 0) {
        return "the operator has not ended all drains";
    }
    if (model->n_faults > 0) {
        return "the operator has not cleared all parts";
    }
    for (unsigned i = 0; i < s->n_daemons; i++) {
        const struct agent *agent = model_agent_named(model, s->daemons[i].name);
        if (agent == NULL || agent->instance != s->daemons[i].instance) {
            return "a daemon has not said hello";
        }
    }
    for (unsigned c = 0; c < s->cubes; c++) {
        if (model_cube_health(model, c) != HEALTH_HEALTHY && !oracle_is_in_hand(oracle, c)) {
            (void)snprintf(oracle->text, sizeof oracle->text, "cube/%u is %s", c,
                           health_name(model_cube_health(model, c)));
            return oracle->text;
        }
    }
    if (model->n_liens > 0) {
        return "a port holds a lien";
    }
    for (size_t i = 0; i < model->n_ops; i++) {
        const struct op *op = model->ops[i];
        if (op->state == OP_OPEN) {
            unsigned o = 0;
            char id[48];
            while (op->part[o].state != PART_PENDING) {
                o++;
            }
            (void)snprintf(oracle->text, sizeof oracle->text,
                           "operation %s (%s) is open at ocs/%u, %u attempts",
                           id_format(op->id, id), op_kind_name(op->kind), o, op->part[o].attempts);
            return oracle->text;
        }
    }
    for (const struct entry *entry = oracle->entries; entry != NULL; entry = entry->next) {
        const char *why = unsettled_slice(oracle, s, entry);
        if (why != NULL) {
            return why;
        }
    }
    return unexplained_circuit(oracle, s);
}
