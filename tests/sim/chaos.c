/* What breaks, and when.  Each seed has its own subset of the classes; each
 * class strikes at times of its own. */
#include <stdio.h>

#include "mem.h"
#include "sim.h"
#include "simulator/fault.h"

struct striker {
    struct sim *s;
    enum fault_class class;
    unsigned mean_ms;
    bool (*strike)(struct sim *s); /* false: it came to nothing */
};

static bool break_part(struct sim *s, const char *kind, const char *target, int64_t for_ns)
{
    struct fault_request request = {.kind = kind, .target = target, .for_ns = for_ns};
    struct error err;

    sim_note(s, "%s %s", kind, target);
    return fault_inject(s->w, &request, &err) == 0;
}

static bool crash(struct sim *s)
{
    if (s->current == NULL || !s->current->alive) {
        return false;
    }
    if (sim_chance(s, 0.2)) {
        (void)manager_kill(s->current);
    } else {
        s->current->crash_in = (int)sim_random(s, 40);
    }
    return true;
}

/* Only one that holds all switches may be deposed: the lock on the database
 * keeps any other from having a successor. */
static bool two_managers(struct sim *s)
{
    for (unsigned o = 0; s->current != NULL && o < TPUNET_OCSES; o++) {
        if (s->current->model->ocs[o].state != OCS_STATE_REACHABLE ||
            s->current->model->ocs[o].epoch != s->current->model->epoch) {
            return false;
        }
    }
    if (s->current == NULL || !s->current->alive) {
        return false;
    }
    manager_start_second(s);
    return true;
}

static const char *any_ocs(struct sim *s, char buf[static 16], unsigned *ocs)
{
    *ocs = (unsigned)sim_random(s, SIM_OCSES);
    (void)snprintf(buf, 16, "ocs/%u", *ocs);
    return buf;
}

static bool switch_agent(struct sim *s)
{
    char name[16];
    unsigned ocs;
    return break_part(s, "agent-down", any_ocs(s, name, &ocs),
                      (int64_t)(50 + sim_random(s, 1500)) * MS);
}

static bool power(struct sim *s)
{
    char name[16];
    unsigned ocs;
    bool lost = break_part(s, "power-loss", any_ocs(s, name, &ocs),
                           (int64_t)(50 + sim_random(s, 1500)) * MS);

    if (lost) {
        oracle_lost_power(s, ocs);
    }
    return lost;
}

static const char *any_port(struct sim *s, char buf[static 32])
{
    (void)snprintf(buf, 32, "port/%u-%c-%u", (unsigned)sim_random(s, SIM_OCSES),
                   sim_chance(s, 0.5) ? 'n' : 's', (unsigned)sim_random(s, s->cubes));
    return buf;
}

static bool stuck(struct sim *s)
{
    char name[32];
    return break_part(s, "stuck-mirror", any_port(s, name),
                      (int64_t)(50 + sim_random(s, 5000)) * MS);
}

static bool dark(struct sim *s)
{
    char name[32];
    return break_part(s, "ocs-port", any_port(s, name), (int64_t)(50 + sim_random(s, 5000)) * MS);
}

static bool tpunetd(struct sim *s)
{
    struct daemon *d = &s->daemons[sim_random(s, s->n_daemons)];

    if (!d->up) {
        return false;
    }
    daemon_restart(d, (int64_t)(20 + sim_random(s, 1000)) * MS);
    return true;
}

static bool lease(struct sim *s)
{
    struct daemon *d = &s->daemons[sim_random(s, s->n_daemons)];

    if (d->silent) {
        return false;
    }
    daemon_silence(d, (int64_t)(2500 + sim_random(s, 2000)) * MS);
    return true;
}

/* One way or both; a connection that is cut both ways stays open on our side. */
static bool partition(struct sim *s)
{
    unsigned ocs = (unsigned)sim_random(s, SIM_OCSES), ways = 1 + (unsigned)sim_random(s, 3);
    int64_t ns = (int64_t)(200 + sim_random(s, 5000)) * MS;

    for (unsigned way = 0; way < 2; way++) {
        if ((ways >> way & 1) != 0) {
            switch_cut(s, ocs, way == 1, ns);
        }
    }
    return true;
}

static bool foreign(struct sim *s)
{
    switch_foreign(s); /* counts by itself */
    return false;
}

static const struct striker strikers[] = {
    {NULL, F_CRASH, 2500, crash},
    {NULL, F_TWO_MANAGERS, 6000, two_managers},
    {NULL, F_SWITCH_AGENT, 4000, switch_agent},
    {NULL, F_POWER, 6000, power},
    {NULL, F_STUCK, 3000, stuck},
    {NULL, F_DARK, 3000, dark},
    {NULL, F_TPUNETD, 5000, tpunetd},
    {NULL, F_LEASE, 9000, lease},
    {NULL, F_FOREIGN, 1500, foreign},
    {NULL, F_PARTITION, 4000, partition},
};

static void strike(void *arg)
{
    struct striker *striker = arg;
    struct sim *s = striker->s;

    if (!s->chaos) {
        return;
    }
    s->outcome->activated[striker->class] += striker->strike(s);
    sim_after(s, (int64_t)(1 + sim_random(s, 2 * striker->mean_ms)) * MS, strike, striker);
}

void chaos_init(struct sim *s)
{
    s->chaos = true;
    for (unsigned f = 0; f < F_COUNT; f++) {
        s->on[f] = sim_chance(s, 0.5);
    }
    for (size_t i = 0; i < ARRAY_LEN(strikers); i++) {
        struct striker *striker = sim_copy(s, &strikers[i], sizeof strikers[i]);
        striker->s = s;
        if (s->on[striker->class]) {
            sim_after(s, (int64_t)(1 + sim_random(s, 2 * striker->mean_ms)) * MS, strike, striker);
        }
    }
}

void chaos_heal(struct sim *s)
{
    s->chaos = false;
    (void)fault_heal(s->w, "all", NULL);
    for (struct manager *m = s->managers; m != NULL; m = m->next) {
        m->crash_in = -1;
    }
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        s->sw[o].cut_until_ns[0] = s->sw[o].cut_until_ns[1] = 0;
    }
    for (unsigned i = 0; i < s->n_daemons; i++) {
        s->daemons[i].silent = false;
    }
}
