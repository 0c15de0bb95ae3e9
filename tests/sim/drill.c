/* One fault in a pod that is otherwise well, to see what its recovery takes.
 *
 * Recovery is counted from when the cause is over (power is back, the process
 * starts, the way is free) until everything is as it should be: the duration of
 * an outage is the simulation's choice, what follows is podmgr's.  A mirror that
 * is stuck under a new slice stays so, and the count begins at once. */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"
#include "simulator/fault.h"

static const int64_t OUTAGE = 500 * MS, CUT = 2500 * MS;

static void break_part(struct sim *s, const char *kind, const char *target, int64_t for_ns)
{
    struct fault_request request = {.kind = kind, .target = target, .for_ns = for_ns};
    struct error err;

    sim_note(s, "%s %s", kind, target);
    if (fault_inject(s->w, &request, &err) < 0) {
        abort(); /* nothing else is broken */
    }
}

/* A slice more, or one less if there is no room. */
static void work(struct sim *s, bool room)
{
    if (room || !client_delete_one(s)) {
        client_create_one(s, "4x4x4", true);
    }
}

static bool any_free_cube(const struct sim *s, unsigned *cube)
{
    for (*cube = 0; *cube < s->cubes; (*cube)++) {
        if (model_cube_free(s->current->model, *cube, NULL, 0)) {
            return true;
        }
    }
    return false;
}

static int64_t outage_of_switch(struct sim *s, const char *kind)
{
    unsigned ocs = (unsigned)sim_random(s, SIM_OCSES);
    char name[32];

    (void)snprintf(name, sizeof name, "ocs/%u", ocs);
    break_part(s, kind, name, OUTAGE);
    if (s->w->ocs[ocs].power_down != 0) {
        oracle_lost_power(s, ocs);
    }
    return sim_now(s) + OUTAGE;
}

static int64_t cut_switch(struct sim *s)
{
    unsigned ocs = (unsigned)sim_random(s, SIM_OCSES), cube;

    switch_cut(s, ocs, false, CUT);
    switch_cut(s, ocs, true, CUT);
    work(s, any_free_cube(s, &cube));
    return sim_now(s) + CUT;
}

static int64_t stick(struct sim *s)
{
    unsigned cube;
    bool room = any_free_cube(s, &cube);
    char name[32];

    (void)snprintf(name, sizeof name, "port/%u-n-%u", (unsigned)sim_random(s, SIM_OCSES),
                   room ? cube : (unsigned)sim_random(s, s->cubes));
    break_part(s, "stuck-mirror", name, room ? 0 : OUTAGE);
    work(s, room);
    return sim_now(s) + (room ? 0 : OUTAGE);
}

/* It never comes back; from the operator's word on, nothing waits for it. */
static int64_t kill_switch(struct sim *s)
{
    unsigned ocs = (unsigned)sim_random(s, SIM_OCSES), cube;
    char name[16];

    (void)snprintf(name, sizeof name, "ocs/%u", ocs);
    break_part(s, "agent-down", name, 0);
    operator_fail_switch(s, ocs, 3600 * S);
    work(s, any_free_cube(s, &cube) && sim_chance(s, 0.5));
    return sim_now(s);
}

/* A switch port or a chip under a slice; it stays broken until podmgr has found a way. */
static int64_t break_under_a_slice(struct sim *s, bool port)
{
    const struct model *m = s->current->model;
    char name[32];

    if (m->n_slices == 0) {
        return sim_now(s);
    }
    const struct slice *slice = m->slices[sim_random(s, m->n_slices)];
    unsigned cube = slice->intent->cubes[sim_random(s, slice->intent->n_cubes)];
    if (port) {
        (void)snprintf(name, sizeof name, "port/%u-n-%u", (unsigned)sim_random(s, SIM_OCSES), cube);
    } else {
        (void)snprintf(name, sizeof name, "chip/%u-%u-%u-%u", cube, (unsigned)sim_random(s, 4),
                       (unsigned)sim_random(s, 4), (unsigned)sim_random(s, 4));
    }
    break_part(s, port ? "ocs-port" : "chip", name, 0);
    return sim_now(s);
}

int64_t drill_strike(struct sim *s, enum drill_cause cause)
{
    struct daemon *d = &s->daemons[sim_random(s, s->n_daemons)];

    switch (cause) {
    case C_CRASH:
        return manager_kill(s->current);
    case C_SWITCH_AGENT:
        return outage_of_switch(s, "agent-down");
    case C_POWER:
        return outage_of_switch(s, "power-loss");
    case C_PARTITION:
        return cut_switch(s);
    case C_STUCK:
        return stick(s);
    case C_TPUNETD:
        daemon_restart(d, OUTAGE);
        return sim_now(s) + OUTAGE;
    case C_LEASE: {
        int64_t past = s->pod.lease_ms * MS + OUTAGE;
        daemon_silence(d, past);
        return sim_now(s) + past;
    }
    case C_DEAD_SWITCH:
        return kill_switch(s);
    case C_DEAD_PORT:
    case C_DEAD_CHIP:
        return break_under_a_slice(s, cause == C_DEAD_PORT);
    case C_COUNT:
        break;
    }
    abort();
}
