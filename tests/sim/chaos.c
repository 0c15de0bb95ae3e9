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
 * keeps any other from having a successor.  And it makes no more slices: their
 * database is not the one that counts. */
static bool two_managers(struct sim *s)
{
    for (unsigned o = 0; s->current != NULL && o < TPUNET_OCSES; o++) {
        if (s->current->model->ocs[o].state != OCS_STATE_REACHABLE ||
            s->current->model->ocs[o].epoch != s->current->model->epoch) {
            return false;
        }
    }
    if (s->current == NULL || !s->current->alive || manager_has_requests(s->current)) {
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

static bool wall(struct sim *s)
{
    static const int64_t half_day_ms = INT64_C(11) * 3600 * 1000; /* keys live for a day */

    s->wall_offset_ms = (int64_t)sim_random(s, (uint64_t)half_day_ms * 2) - half_day_ms;
    sim_note(s, "wall clock %lld ms off", (long long)s->wall_offset_ms);
    if (s->current != NULL && s->current->alive && sim_chance(s, 0.3)) {
        (void)manager_kill(s->current);
    }
    return true;
}

static bool pause_manager(struct sim *s)
{
    if (s->current == NULL || !s->current->alive || manager_is_paused(s->current)) {
        return false;
    }
    s->current->paused_until_ns = sim_now(s) + (int64_t)(500 + sim_random(s, 6000)) * MS;
    sim_note(s, "podmgr is paused");
    return true;
}

static bool group(struct sim *s)
{
    unsigned ocs = (unsigned)sim_random(s, SIM_OCSES), first = (unsigned)sim_random(s, s->cubes);
    char side = sim_chance(s, 0.5) ? 'n' : 's', name[32];
    int64_t ns = (int64_t)(50 + sim_random(s, 4000)) * MS;
    bool any = false;

    for (unsigned p = first / 8 * 8; p < first / 8 * 8 + 8; p++) {
        (void)snprintf(name, sizeof name, "port/%u-%c-%u", ocs, side, p);
        any = break_part(s, "ocs-port", name, ns) || any;
    }
    return any;
}

struct drift {
    struct sim *s;
    unsigned ocs, south, port, steps;
};

static void drift_on(void *arg)
{
    static const float step_db = 0.5F;
    struct drift *d = arg;
    struct sim *s = d->s;
    float *extra_db = &s->w->ocs[d->ocs].extra_loss_db[d->south][d->port];

    if (d->steps == 12 || !s->chaos) {
        *extra_db -= step_db * (float)d->steps; /* somebody adjusts it */
    } else {
        *extra_db += step_db;
        d->steps++;
        sim_after(s, 300 * MS, drift_on, d);
    }
    world_look_ocs_port(s->w, d->ocs, d->south, d->port);
}

static bool drift(struct sim *s)
{
    struct drift *d = sim_new(s, sizeof *d);

    *d = (struct drift){s, (unsigned)sim_random(s, SIM_OCSES), sim_chance(s, 0.5),
                        (unsigned)sim_random(s, s->cubes), 0};
    drift_on(d);
    return true;
}

/* At a patch panel, so both of one switch and side. */
static bool swap(struct sim *s)
{
    unsigned one = (unsigned)sim_random(s, s->cubes), other = (unsigned)sim_random(s, s->cubes);
    char tail[16], name[32], with[32];
    struct fault_request request = {.kind = "swapped-fibres",
                                    .target = name,
                                    .key = "with",
                                    .value = with,
                                    .for_ns = (int64_t)(50 + sim_random(s, 4000)) * MS};
    struct error err;

    (void)snprintf(tail, sizeof tail, "%c%c-%u-%u", "+-"[sim_random(s, 2)], "xyz"[sim_random(s, 3)],
                   (unsigned)sim_random(s, 4), (unsigned)sim_random(s, 4));
    (void)snprintf(name, sizeof name, "fibre/%u%s", one, tail);
    (void)snprintf(with, sizeof with, "fibre/%u%s", other, tail);
    sim_note(s, "swap %s %s", name, with);
    return fault_inject(s->w, &request, &err) == 0;
}

static bool link_down(struct sim *s)
{
    char name[32];
    struct fault_request request = {.kind = "link",
                                    .target = name,
                                    .key = "direction",
                                    .value = sim_chance(s, 0.5) ? "out" : "both",
                                    .for_ns = (int64_t)(50 + sim_random(s, 4000)) * MS};
    struct error err;

    (void)snprintf(name, sizeof name, "link/%u-%u-%u-%u%c%c", (unsigned)sim_random(s, s->cubes),
                   (unsigned)sim_random(s, 4), (unsigned)sim_random(s, 4),
                   (unsigned)sim_random(s, 4), "+-"[sim_random(s, 2)], "xyz"[sim_random(s, 3)]);
    sim_note(s, "%s down, direction %s", name, request.value);
    return fault_inject(s->w, &request, &err) == 0;
}

static bool chip(struct sim *s)
{
    unsigned cube = (unsigned)sim_random(s, s->cubes);
    int64_t ns = (int64_t)(50 + sim_random(s, 3000)) * MS;
    char name[32];

    switch (sim_random(s, 3)) {
    case 0:
        (void)snprintf(name, sizeof name, "chip/%u-%u-%u-%u", cube, (unsigned)sim_random(s, 4),
                       (unsigned)sim_random(s, 4), (unsigned)sim_random(s, 4));
        return break_part(s, "chip", name, ns);
    case 1:
        (void)snprintf(name, sizeof name, "host/%u-%u", cube, (unsigned)sim_random(s, 16));
        return break_part(s, "host", name, ns);
    default:
        (void)snprintf(name, sizeof name, "cube/%u", cube);
        return break_part(s, "cube", name, ns);
    }
}

struct flapping {
    struct daemon *d;
    unsigned left;
};

static void flap_on(void *arg)
{
    struct flapping *f = arg;

    if (f->left-- > 0 && f->d->s->chaos) {
        if (f->d->up) {
            daemon_restart(f->d, 30 * MS);
        }
        sim_after(f->d->s, (int64_t)(100 + sim_random(f->d->s, 500)) * MS, flap_on, f);
    }
}

static bool flap(struct sim *s)
{
    struct flapping *f = sim_new(s, sizeof *f);

    *f = (struct flapping){&s->daemons[sim_random(s, s->n_daemons)], 8};
    flap_on(f);
    return true;
}

static bool impostor(struct sim *s)
{
    daemon_impersonate(s, (int64_t)(500 + sim_random(s, 3000)) * MS);
    return true;
}

/* A backup now, and some time later the machine is restored from it. */
static bool restore(struct sim *s)
{
    if (s->current == NULL || !s->current->alive) {
        return false;
    }
    if (sim_chance(s, 0.6)) {
        storage_back_up(s);
        return false;
    }
    if (s->outcome->activated[F_RESTORE] > 1 || !storage_has_backup(s)) {
        return false;
    }
    sim_note(s, "an old backup is restored");
    (void)manager_kill(s->current);
    if (!storage_restore(s)) {
        return false;
    }
    sim_after(s, (int64_t)(3000 + sim_random(s, 7000)) * MS, switch_clear_foreign, s);
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
    {NULL, F_WALL, 5000, wall},
    {NULL, F_PAUSE, 9000, pause_manager},
    {NULL, F_GROUP, 6000, group},
    {NULL, F_DRIFT, 2500, drift},
    {NULL, F_SWAP, 4000, swap},
    {NULL, F_FLAP, 12000, flap},
    {NULL, F_IMPOSTOR, 9000, impostor},
    {NULL, F_REPLAY, 300, daemon_replay},
    {NULL, F_RESTORE, 8000, restore},
    {NULL, F_LINK, 3000, link_down},
    {NULL, F_FAILED, 9000, operator_fail},
    {NULL, F_DRAINED, 6000, operator_drain},
    {NULL, F_CHIP, 5000, chip},
    {NULL, F_OBSERVER, 4000, observer_strike},
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
    s->on[F_REPAIR] = s->on[F_REPAIR] && sim_chance(s, 0.5); /* he takes his time */
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        s->sw[o].blind = s->on[F_BLIND] && sim_chance(s, 0.25);
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
    storage_heal(s);
    s->failed_until_ns = s->drained_until_ns = 0;
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
