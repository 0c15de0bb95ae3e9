/* One run of the workload.  At a point that is to be tried the process forks:
 * the copy crashes there, starts podmgr again from what the disk holds, lets
 * the pod converge and is judged; the first process hears of it and goes on as
 * if nothing had been.  So a run costs its own time and that of the
 * recoveries, however late in it a point lies. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "mem.h"
#include "simulator/chance.h"
#include "simulator/fault.h"

static const int64_t WORK_MAX = 300 * S, CONVERGE_MAX = 180 * S;

/* ------------------------------------------------------ the store's mode -- */

/* The program is linked with --wrap for two calls of SQLite (and files.c): here alone, and not
 * in the store, `synchronous` can be another, the log of an earlier process can
 * be left as it is, and checkpoints come often enough for a short workload to
 * meet many. */
int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
                        void *arg, char **text);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
                        void *arg, char **text);

int __real_sqlite3_file_control(sqlite3 *db, const char *name, int op, void *arg);
int __wrap_sqlite3_file_control(sqlite3 *db, const char *name, int op, void *arg);

static const struct setup *in_force;
static unsigned replaced;

int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
                        void *arg, char **text)
{
    static const char asked[] = "PRAGMA synchronous = FULL;";
    char other[256];

    if (strncmp(sql, asked, sizeof asked - 1) == 0) {
        replaced++;
        (void)snprintf(
            other, sizeof other, "PRAGMA wal_autocheckpoint = 60; PRAGMA synchronous = %s;%s",
            in_force->synchronous != NULL ? in_force->synchronous : "FULL", sql + sizeof asked - 1);
        sql = other;
    }
    return __real_sqlite3_exec(db, sql, row, arg, text);
}

int __wrap_sqlite3_file_control(sqlite3 *db, const char *name, int op, void *arg)
{
    return in_force->log_as_it_is ? SQLITE_NOTFOUND
                                  : __real_sqlite3_file_control(db, name, op, arg);
}

bool crash_names_stay_unsynced(void)
{
    return in_force->names_unsynced;
}

/* --------------------------------------------------------------- workload -- */

static enum place place_of_world(const struct sim *s)
{
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        if (s->sw[o].moving != NULL) {
            return PLACE_MIRRORS;
        }
    }
    for (size_t i = 0; s->current != NULL && i < s->current->model->n_ops; i++) {
        if (s->current->model->ops[i]->state == OP_OPEN) {
            return PLACE_UNDER_WAY;
        }
    }
    return PLACE_IDLE;
}

bool crash_next(struct crash *c, int64_t limit_ns)
{
    struct sim *s = &c->s;
    int64_t at_ns;

    crash_attend(c);
    if (s->stop || !evq_next_ns(s->w->evq, &at_ns) || at_ns > limit_ns) {
        return false;
    }
    if (crash_step(c, place_of_world(s))) {
        crash_attend(c);
    }
    evq_advance(s->w->evq, at_ns);
    oracle_look(s);
    crash_attend(c);
    if (!c->failing && c->last->store != NULL && !c->last->alive && !s->stop && !c->full) {
        sim_found(s, V_CONVERGE, "podmgr ended by itself");
    }
    return !s->stop;
}

void crash_converge(struct crash *c)
{
    struct sim *s = &c->s;
    int64_t limit = sim_now(s) + CONVERGE_MAX, next = 0;
    const char *why = "nothing happened";

    client_settle(s);
    while (why != NULL && crash_next(c, limit)) {
        if (sim_now(s) >= next) {
            next = sim_now(s) + 50 * MS;
            why = client_idle(s) ? oracle_unsettled(s) : "a client waits";
        }
    }
    if (why != NULL && !s->stop) {
        sim_found(s, V_CONVERGE, "%s", why);
    }
}

void crash_work(struct crash *c, uint64_t acked)
{
    while (c->outcome.acked < acked && crash_next(c, WORK_MAX)) {
    }
}

void crash_start(struct crash *c)
{
    c->last = NULL;
    bool started = crash_manager_start(c);
    if (c->crashed || (c->failing && !started)) {
        crash_aftermath(c);
    }
}

/* A switch loses its map: it is put back by an operation of its own. */
static void switch_loses_power(struct crash *c, unsigned ocs)
{
    char name[16];
    struct fault_request request = {.kind = "power-loss", .target = name, .for_ns = 200 * MS};
    struct error err;

    (void)snprintf(name, sizeof name, "ocs/%u", ocs);
    if (c->s.stop || fault_inject(c->s.w, &request, &err) < 0) {
        return;
    }
    oracle_lost_power(&c->s, ocs);
}

static void stop_and_start(struct crash *c)
{
    if (c->s.stop) {
        return;
    }
    crash_manager_stop(c);
    if (c->crashed || c->failing) {
        crash_aftermath(c);
    }
    crash_start(c);
}

/* An empty disk, the first start, slices come and go, an orderly stop and a
 * start, lost maps, more slices, and the end. */
static void workload(struct crash *c)
{
    crash_start(c);
    crash_work(c, 4);
    switch_loses_power(c, 7);
    crash_work(c, 6);
    stop_and_start(c);
    switch_loses_power(c, 30);
    crash_work(c, 10);
    if (!c->s.stop) {
        crash_converge(c);
    }
    if (!c->s.stop) {
        crash_manager_stop(c);
        crash_attend(c);
    }
}

/* ------------------------------------------------------------- life cycle -- */

static void build(struct crash *c)
{
    struct sim *s = &c->s;
    struct tpunet_error net_err;
    struct error err;

    s->outcome = &c->outcome;
    s->seed = c->setup->seed;
    s->rng = chance_mix(s->seed);
    s->cubes = 5;
    s->config = (struct sim_config){.pod = "crash",
                                    .cubes = s->cubes,
                                    .ports_per_side = s->cubes + 1,
                                    .seed = s->seed,
                                    .mirror_median_ms = 10,
                                    .mirror_p99_ms = 30,
                                    .vc_classes = 3};
    s->pod = (struct pod){.id = "crash",
                          .n_cubes = (uint16_t)s->cubes,
                          .ports_per_side = (uint16_t)(s->cubes + 1),
                          .vc_classes = 3,
                          .loss_db_max = 3,
                          .lease_ms = 3000};
    if (world_create(&s->w, &s->config, &err) < 0 ||
        tpunet_wiring_create(&s->pod.wiring, s->cubes, s->cubes + 1, NULL, 0, &net_err) < 0) {
        abort();
    }
    (void)snprintf(s->db, sizeof s->db, "/state.db");
    record_init(&c->record);
}

void crash_run(const struct setup *setup, struct tally *tally)
{
    struct crash *c = xcalloc(1, sizeof *c);
    struct sim *s = &c->s;

    *tally = (struct tally){0};
    c->setup = setup;
    c->tally = tally;
    in_force = setup;
    replaced = 0;
    build(c);
    vfs_install(&c->disk, crash_gate, c);
    oracle_init(s);
    switches_init(s);
    daemons_init(s);
    client_init(s);
    if (setup->restores) {
        restore_workload(c);
    } else {
        workload(c);
    }
    tally->commits = c->record.commits;
    tally->acked = c->outcome.acked;
    if (c->outcome.text[0] != '\0') {
        tally->finds++;
        printf("# in the run itself: %s\n", c->outcome.text);
    }
    if (replaced == 0) {
        tally->finds++;
        printf("# the store no longer asks for synchronous = FULL where that is replaced\n");
    }
    s->stop = c->crashed = true; /* no more points */
    crash_manager_stop(c);
    daemons_fini(s);
    tpunet_wiring_destroy(s->pod.wiring);
    world_destroy(s->w);
    sim_free_all(s);
    disk_fini(&c->disk);
    free(c->adoptions);
    free(c);
}
