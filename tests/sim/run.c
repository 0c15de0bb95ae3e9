/* One seed: chaos, heal, converge, one more fault alone, audit. */
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "sim.h"
#include "simulator/chance.h"
#include "simulator/fault.h"

enum { ACKED_ENOUGH = 200, FAULTS_ENOUGH = 5 };
static const int64_t CHAOS_MAX = 900 * S, CONVERGE_MAX = 120 * S, STEADY = 65 * S;
/* An incident that has flapped stays open for 640 s, and its part in somebody's hands. */
static const int64_t REPAIRS_MAX = 900 * S;

/* --------------------------------------------------------------- phases -- */

static bool step(struct sim *s, int64_t limit_ns)
{
    int64_t at_ns;

    if (s->stop || !evq_next_ns(s->w->evq, &at_ns) || at_ns > limit_ns) {
        return false;
    }
    evq_advance(s->w->evq, at_ns);
    s->outcome->events++;
    oracle_look(s);
    return true;
}

static void chaos(struct sim *s)
{
    while (s->outcome->acked < ACKED_ENOUGH && step(s, CHAOS_MAX)) {
    }
}

typedef const char *judge_fn(struct sim *s);

/* Time until everything is well, from then on. */
static int64_t await(struct sim *s, judge_fn *judge, int64_t from, int64_t look_every,
                     int64_t limit)
{
    int64_t next = from;
    const char *why = "not looked at yet";

    while (why != NULL && step(s, from + limit)) {
        if (sim_now(s) >= next) {
            next = sim_now(s) + look_every;
            why = client_idle(s) ? judge(s) : "a client waits";
        }
    }
    if (why != NULL && !s->stop) {
        sim_found(s, V_CONVERGE, "%s", why);
    }
    return sim_now(s) - from;
}

static int64_t await_rest(struct sim *s, judge_fn *judge, int64_t from, int64_t look_every)
{
    return await(s, judge, from, look_every, CONVERGE_MAX);
}

static void await_repairs(struct sim *s)
{
    if (s->on[F_REPAIR] && !s->stop) {
        (void)await(s, oracle_unrepaired, sim_now(s), S, REPAIRS_MAX);
    }
}

static void converge(struct sim *s)
{
    chaos_heal(s);
    client_settle(s);
    s->outcome->converged_ns = await_rest(s, oracle_unsettled, sim_now(s), 50 * MS);
    await_repairs(s);
}

/* By podmgr alone, with what is broken still there. */
static bool is_mended(enum drill_cause cause)
{
    return cause == C_DEAD_PORT || cause == C_DEAD_CHIP;
}

/* One cause, and nothing else: what its recovery takes. */
static void drill(struct sim *s)
{
    if (!s->stop) {
        s->drilling = true; /* what a technician does takes his time, not podmgr's */
        int64_t over = drill_strike(s, s->outcome->cause);
        bool mended = is_mended(s->outcome->cause);
        bool goes_on = mended || s->outcome->cause == C_DEAD_SWITCH || s->outcome->cause == C_STUCK;
        judge_fn *judge = mended ? oracle_unmended : goes_on ? oracle_unserved : oracle_unsettled;
        s->outcome->recovery_ns = await_rest(s, judge, over, 2 * MS);
        (void)fault_heal(s->w, "all", NULL);
        s->failed_until_ns = 0;
        s->drilling = false;
        if (goes_on) {
            (void)await_rest(s, oracle_unsettled, sim_now(s), 50 * MS);
        }
        await_repairs(s);
    }
}

static uint64_t writes(const struct sim *s)
{
    return s->applies + s->fabric_writes;
}

static void audit(struct sim *s)
{
    int64_t limit = sim_now(s) + STEADY;
    uint64_t before = writes(s);

    if (s->stop) {
        return;
    }
    while (step(s, limit)) {
    }
    if (!s->stop && writes(s) != before) {
        sim_found(s, V_STEADY, "%llu writes with nothing to do",
                  (unsigned long long)(writes(s) - before));
    }
    const char *why = oracle_unrepaired(s);
    if (why != NULL && !s->stop) {
        sim_found(s, V_CONVERGE, "it did not last: %s", why);
    }
}

/* A10: as many records on the disk as were committed, and none was changed. */
static void verify_audit(struct sim *s)
{
    struct audit_tip tip;
    struct error err;

    if (s->stop || s->current == NULL) {
        return;
    }
    (void)manager_kill(s->current);
    if (store_audit_verify(s->db, &tip, &err) < 0) {
        sim_found(s, V_A10, "%s", err.text);
    } else if (tip.seq != oracle_audits(s)) {
        sim_found(s, V_A10, "%llu audit records were committed, %llu are there",
                  (unsigned long long)oracle_audits(s), (unsigned long long)tip.seq);
    }
}

static void judge_worth(struct sim *s)
{
    struct outcome *out = s->outcome;
    uint64_t faults = 0;

    for (unsigned f = 0; f < F_COUNT; f++) {
        faults += out->activated[f];
    }
    if (!s->stop && (out->acked < ACKED_ENOUGH || faults < FAULTS_ENOUGH)) {
        out->discarded = faults < FAULTS_ENOUGH ? DISCARD_FAULTS : DISCARD_OPERATIONS;
        (void)snprintf(out->text, sizeof out->text, "%llu operations acknowledged, %llu faults",
                       (unsigned long long)out->acked, (unsigned long long)faults);
    }
}

/* ----------------------------------------------------------- life cycle -- */

static void build(struct sim *s)
{
    struct error err;
    struct tpunet_error net_err;

    s->outcome->cause = (enum drill_cause)(s->seed % C_COUNT);
    s->cubes = sim_chance(s, 0.1) ? 64 : 4 + (unsigned)sim_random(s, 13);
    s->config = (struct sim_config){.pod = "sim",
                                    .cubes = s->cubes,
                                    .ports_per_side = s->cubes + 4,
                                    .seed = s->seed,
                                    .mirror_median_ms = 10,
                                    .mirror_p99_ms = 30,
                                    .vc_classes = 3};
    s->pod = (struct pod){
        .id = "sim",
        .n_cubes = (uint16_t)s->cubes,
        .ports_per_side = (uint16_t)(s->cubes + 4),
        .vc_classes = 3,
        .loss_db_max = 3,
        .lease_ms = 3000,
        .preflight = {.mode = PREFLIGHT_FULL, .grace_ms = 500, .timeout_ms = 10000},
        .remedy = {.mode = sim_chance(s, 0.75) || is_mended(s->outcome->cause) ? REMEDY_AUTO
                                                                               : REMEDY_OFF,
                   .cubes_out_max = 1 + (unsigned)sim_random(s, 4),
                   .swaps_per_hour_max = 2 + (unsigned)sim_random(s, 30),
                   .hot_spares = (unsigned)sim_random(s, 2),
                   .confidence_min = 0.5}};
    if (world_create(&s->w, &s->config, &err) < 0 ||
        tpunet_wiring_create(&s->pod.wiring, s->cubes, s->cubes + 4, NULL, 0, &net_err) < 0) {
        abort();
    }
    (void)snprintf(s->db, sizeof s->db, "podmgr.db");
}

void sim_run(uint64_t seed, bool trace, struct outcome *out)
{
    struct sim *s = xcalloc(1, sizeof *s);

    *out = (struct outcome){.seed = seed, .hash = UINT64_C(0xCBF29CE484222325)};
    s->seed = seed;
    s->rng = chance_mix(seed);
    s->outcome = out;
    s->trace = trace;
    build(s);
    storage_init(s);
    oracle_init(s);
    switches_init(s);
    daemons_init(s);
    observers_init(s);
    client_init(s);
    operator_start(s);
    chaos_init(s);
    technician_start(s);
    manager_start(s);
    chaos(s);
    converge(s);
    drill(s);
    audit(s);
    verify_audit(s);
    judge_worth(s);
    out->simulated_ns = sim_now(s);

    s->stop = true;
    managers_fini(s);
    daemons_fini(s);
    storage_fini(s);
    tpunet_wiring_destroy(s->pod.wiring);
    world_destroy(s->w);
    sim_free_all(s);
    free(s);
}
