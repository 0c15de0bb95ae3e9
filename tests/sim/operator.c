/* The operator: looks from time to time at what podmgr does not rely on, and
 * clears what has been repaired. */
#include "sim.h"

enum { WALK_MS = 1500 };

static bool is_repaired(const struct sim *s, const struct part *part)
{
    const struct sim_ocs *o = &s->w->ocs[part->ocs];

    return part->kind == PART_PORT && o->stuck[part->south][part->port] == 0 &&
           o->dark[part->south][part->port] == 0 && o->extra_loss_db[part->south][part->port] == 0;
}

static void walk(void *arg)
{
    struct sim *s = arg;
    struct manager *m = s->current;

    for (size_t i = 0; m != NULL && m->alive && i < m->model->n_faults; i++) {
        const struct part *part = &m->model->faults[i].part;
        if (is_repaired(s, part)) {
            struct event ev = {.kind = EV_CLEAR_PART, .word = {.part = *part}};
            manager_post(m, &ev);
        }
    }
    sim_after(s, (int64_t)(1 + sim_random(s, 2 * WALK_MS)) * MS, walk, s);
}

void operator_start(struct sim *s)
{
    sim_after(s, WALK_MS * MS, walk, s);
}
