/* Drains as the ledger has them.
 *
 *   A2  what is loaded is what was committed: who drained what does not change,
 *       and none is lost or comes back
 *   A6  no slice gets a cube that is drained, and what is DRAINED has no owner
 *       and no routes over it */
#include "core/drain.h"
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

static bool holds(const struct part *part, enum part_kind kind, unsigned number)
{
    return kind == PART_OCS
               ? part->kind == PART_OCS && part->ocs == number
               : (part->kind == PART_CUBE || part->kind == PART_HOST) && part->cube == number;
}

bool oracle_is_drained(const struct drained *list, enum part_kind kind, unsigned number)
{
    while (list != NULL && !holds(&list->part, kind, number)) {
        list = list->next;
    }
    return list != NULL;
}

static struct drained **find(struct drained **at, struct id id)
{
    while (*at != NULL && id_compare((*at)->id, id) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void drop(struct drained **at)
{
    if (*at != NULL) {
        *at = (*at)->next;
    }
}

void oracle_drain_answered(struct sim *s, const struct event *ev, struct id id)
{
    if (ev->kind == EV_END_DRAIN) {
        drop(find(&s->oracle->answered, id));
    } else {
        struct drained *d = sim_new(s, sizeof *d);
        *d = (struct drained){.next = s->oracle->answered, .id = id, .part = ev->drain->part};
        s->oracle->answered = d;
    }
}

/* ----------------------------------------------------------- the ledger -- */

/* The newest good bring-up says which circuits the routes go around (proof.c);
 * after a restore nothing is known of it. */
static void judge_routes(struct sim *s, const struct drained *d, const struct entry *entry)
{
    char id[48];

    for (size_t i = 0; i < entry->n_xcs && oracle_serves(entry->state); i++) {
        if (entry->xcs[i].ocs == d->part.ocs && entry->around != NULL && !entry->around[i]) {
            sim_found(s, V_A6, "ocs/%u is DRAINED and slice/%s has routes over it", d->part.ocs,
                      id_format(entry->id, id));
            return;
        }
    }
}

static void judge_drained(struct sim *s, const struct drained *d)
{
    char id[48];

    for (uint16_t c = 0; c < s->cubes; c++) {
        const struct entry *owner = s->oracle->owner[c];
        if (holds(&d->part, PART_CUBE, c) && owner != NULL && !oracle_has_left(s, owner, c)) {
            sim_found(s, V_A6, "cube/%u is DRAINED and of slice/%s", c, id_format(owner->id, id));
        }
    }
    for (const struct entry *e = s->oracle->entries; d->part.kind == PART_OCS && e != NULL;
         e = e->next) {
        judge_routes(s, d, e);
    }
}

static void record(struct sim *s, const struct drain *drain)
{
    struct drained **at = find(&s->oracle->drains, drain->id), *d = *at;

    if (d == NULL) {
        d = *at = sim_new(s, sizeof *d);
        *d = (struct drained){.id = drain->id, .part = drain->order.part};
    }
    if (drain->state == ADMIN_DRAINED && d->state != ADMIN_DRAINED) {
        judge_drained(s, d);
    }
    d->state = drain->state;
    d->version = drain->version;
}

void oracle_drains_ended(struct manager *m)
{
    for (size_t i = 0; i < m->out.n_changes && m == m->s->current; i++) {
        const struct change *change = &m->out.changes[i];
        if (change->kind == CHANGE_DRAIN && model_drain(m->model, change->id) == NULL) {
            drop(find(&m->s->oracle->drains, change->id));
        }
    }
}

void oracle_drains_committed(struct manager *m)
{
    for (size_t i = 0; i < m->out.n_changes && m == m->s->current; i++) {
        const struct change *change = &m->out.changes[i];
        const struct drain *drain =
            change->kind == CHANGE_DRAIN ? model_drain(m->model, change->id) : NULL;
        if (drain != NULL) {
            record(m->s, drain);
        }
    }
}

static struct drained *copy(struct sim *s, const struct model *m)
{
    struct drained *list = NULL;

    for (size_t i = 0; i < m->n_drains; i++) {
        const struct drain *drain = m->drains[i];
        struct drained *d = sim_new(s, sizeof *d);
        *d = (struct drained){list, drain->id, drain->order.part, drain->state, drain->version};
        list = d;
    }
    return list;
}

void oracle_drains_loaded(struct sim *s, const struct model *m, bool restored)
{
    size_t n = 0;
    char id[48], name[80];

    for (const struct drained *d = s->oracle->drains; d != NULL && !restored; d = d->next) {
        const struct drain *drain = model_drain(m, d->id);
        n++;
        if (drain == NULL || drain->state != d->state || drain->version != d->version) {
            sim_found(s, V_A2, "drain/%s of %s is lost or another", id_format(d->id, id),
                      part_format(&d->part, name));
        }
    }
    if (!restored && n != m->n_drains) {
        sim_found(s, V_A2, "%zu drains were committed, %zu are loaded", n, m->n_drains);
    }
    if (restored) {
        s->oracle->drains = copy(s, m);
    }
    s->oracle->answered = copy(s, m);
}

void oracle_judge_placed(struct sim *s, struct id slice, unsigned cube)
{
    char id[48];

    if (oracle_is_drained(s->oracle->drains, PART_CUBE, cube)) {
        sim_found(s, V_A6, "slice/%s gets cube/%u, which is drained", id_format(slice, id), cube);
    }
    if (oracle_is_in_hand(s->oracle, cube)) {
        sim_found(s, V_A6, "slice/%s gets cube/%u, in which somebody has hands",
                  id_format(slice, id), cube);
    }
}
