#include "state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "mem.h"
#include "rpc.h"

enum { STATE_BYTES_MAX = 256 << 20 };

/* ----------------------------------------------------------------- pack -- */

struct packing {
    Wire__HealthState *state;
    size_t *cap; /* of the list that is being made, by host */
    struct now now;
};

static void pack_condition(void *arg, size_t host, const struct raised *raised)
{
    struct packing *p = arg;
    Wire__HealthStateHost *out = p->state->hosts[host];
    Wire__HealthCondition *c = xmalloc(sizeof *c);

    wire__health_condition__init(c);
    c->scope = (Wire__HealthScope)raised->scope;
    c->index = raised->index;
    c->check = xstrdup(raised->check);
    c->since_wall_ms = raised->since.ms;
    c->penalty = raised->penalty;
    c->penalty_wall_ms = p->now.wall.ms;
    c->damped = raised->damped;
    VEC_GROW(out->conditions, out->n_conditions, p->cap[host]);
    out->conditions[out->n_conditions++] = c;
}

static void pack_counter(void *arg, size_t host, const struct counted *counted)
{
    struct packing *p = arg;
    Wire__HealthStateHost *out = p->state->hosts[host];
    Wire__HealthCounter *c = xmalloc(sizeof *c);

    wire__health_counter__init(c);
    c->scope = (Wire__HealthScope)counted->scope;
    c->index = counted->index;
    c->check = xstrdup(counted->check);
    c->value = counted->value;
    c->incarnation = counted->incarnation;
    VEC_GROW(out->counters, out->n_counters, p->cap[host]);
    out->counters[out->n_counters++] = c;
}

static Wire__HealthState *pack(const struct kept *kept, struct now now)
{
    Wire__HealthState *state = xmalloc(sizeof *state);
    struct packing packing = {
        .state = state, .cap = xcalloc(kept->n_hosts, sizeof(size_t)), .now = now};

    wire__health_state__init(state);
    state->version = RPC_VERSION;
    state->pod = xstrdup(kept->pod);
    state->instance = reports_instance(kept->reports);
    state->n_hosts = kept->n_hosts;
    state->hosts = xcalloc(kept->n_hosts, sizeof *state->hosts);
    for (size_t h = 0; h < kept->n_hosts; h++) {
        state->hosts[h] = xmalloc(sizeof **state->hosts);
        wire__health_state_host__init(state->hosts[h]);
        reports_save(kept->reports, h, state->hosts[h]);
    }
    judge_each_raised(kept->judge, now, pack_condition, &packing);
    memset(packing.cap, 0, kept->n_hosts * sizeof(size_t));
    judge_each_counter(kept->judge, pack_counter, &packing);
    free(packing.cap);
    return state;
}

/* ------------------------------------------------------------------ file -- */

int state_save(const struct kept *kept, const char *file, struct now now, struct error *err)
{
    Wire__HealthState *state = pack(kept, now);
    size_t len = wire__health_state__get_packed_size(state);
    uint8_t *bytes = xmalloc(len + 1);

    (void)wire__health_state__pack(state, bytes);
    int status = file_replace(file, bytes, len, err);
    free(bytes);
    wire__health_state__free_unpacked(state, NULL);
    return status;
}

int state_read(Wire__HealthState **in, const char *pod, const char *file, struct error *err)
{
    uint8_t *bytes;
    size_t len = 0;
    int status = file_read(file, STATE_BYTES_MAX, &bytes, &len, err);

    *in = NULL;
    if (status < 0 || bytes == NULL) {
        return status;
    }
    *in = rpc_unpack(&wire__health_state__descriptor, bytes, len);
    free(bytes);
    if (*in == NULL || (*in)->version != RPC_VERSION || strcmp((*in)->pod, pod) != 0) {
        if (*in != NULL) {
            wire__health_state__free_unpacked(*in, NULL);
            *in = NULL;
        }
        return err_set(err, E_CORRUPT, "%s: not a state of pod %s", file, pod);
    }
    return 0;
}

/* --------------------------------------------------------------- restore -- */

static bool index_of(const struct kept *kept, uint32_t host, size_t *index)
{
    for (size_t h = 0; h < kept->n_hosts; h++) {
        if (kept->hosts[h] == host) {
            *index = h;
            return true;
        }
    }
    return false;
}

/* Of a rule that the policy no longer has, podmgr is told that it is over. */
static void restore_condition(const struct kept *kept, size_t host, const Wire__HealthCondition *in,
                              struct now now)
{
    double age = (double)(now.wall.ms - in->penalty_wall_ms) / PENALTY_HALF_LIFE_MS;
    struct raised raised = {.scope = (enum finding_scope)in->scope,
                            .index = (uint8_t)in->index,
                            .check = in->check,
                            .since = {.ms = in->since_wall_ms},
                            .penalty = in->penalty * exp2(-fmax(age, 0)),
                            .damped = in->damped};
    Wire__HealthFinding over = WIRE__HEALTH_FINDING__INIT;
    struct finding finding;

    if (!judge_restore(kept->judge, host, &raised, now)) {
        over.scope = in->scope;
        over.index = in->index;
        over.check = in->check;
        over.since_wall_ms = now.wall.ms;
        over.text = (char *)(uintptr_t) "this check is no more";
        if (finding_unpack(&finding, &over)) {
            reports_put(kept->reports, host, &finding);
        }
    }
}

static void restore_counter(const struct kept *kept, size_t host, const Wire__HealthCounter *in)
{
    struct counted counted = {.scope = (enum finding_scope)in->scope,
                              .index = (uint8_t)in->index,
                              .check = in->check,
                              .value = in->value,
                              .incarnation = in->incarnation};

    if ((unsigned)in->scope <= SCOPE_LINK && in->index < finding_parts(counted.scope)) {
        judge_restore_counter(kept->judge, host, &counted);
    }
}

int state_restore(const struct kept *kept, const Wire__HealthState *in, struct now now,
                  struct error *err)
{
    for (size_t i = 0; i < in->n_hosts; i++) {
        const Wire__HealthStateHost *host = in->hosts[i];
        size_t h;
        if (!index_of(kept, host->host, &h)) {
            continue; /* no longer ours */
        }
        if (!reports_load(kept->reports, h, host)) {
            return err_set(err, E_CORRUPT, "what it has of host %u makes no sense", host->host);
        }
        for (size_t k = 0; k < host->n_conditions; k++) {
            restore_condition(kept, h, host->conditions[k], now);
        }
        for (size_t k = 0; k < host->n_counters; k++) {
            restore_counter(kept, h, host->counters[k]);
        }
    }
    return 0;
}
