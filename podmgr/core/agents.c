/* The daemons that stand for hosts, and their leases.
 *
 *   1. A hello registers an agent for its hosts; a later one of the same name
 *      replaces it (a restart); a host has one agent, the newest.  When that one
 *      goes, another that stands for the host takes it over.
 *   2. Whatever an agent sends renews its lease; silence longer than lease_ms
 *      ends it and its hosts become UNKNOWN: not dead, but not allocated (A6).
 *   3. Our own stall is not their silence: a tick that comes late renews all.
 */
#include "core/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static void set_hosts(struct model *m, const struct agent *agent, enum health health,
                      struct wall_ms at)
{
    for (size_t i = 0; i < agent->n_hosts; i++) {
        struct host *host = &m->hosts[agent->hosts[i]];
        if (health != HEALTH_HEALTHY && host->agent != agent->id) {
            continue; /* another agent stands for it by now */
        }
        host->agent = health == HEALTH_HEALTHY ? agent->id : 0;
        if (host->health != health) {
            host->health = health;
            host->since = at;
        }
    }
}

/* True if there were any. */
static bool take_orphans(struct model *m, const struct agent *agent, struct wall_ms at)
{
    bool took = false;

    for (size_t i = 0; i < agent->n_hosts; i++) {
        struct host *host = &m->hosts[agent->hosts[i]];
        if (host->agent == 0) {
            host->agent = agent->id;
            host->health = HEALTH_HEALTHY;
            host->since = at;
            took = true;
        }
    }
    return took;
}

static void drop(struct model *m, struct agent *agent, struct now now, const char *why,
                 struct outbox *out)
{
    uint32_t id = agent->id;

    set_hosts(m, agent, HEALTH_UNKNOWN, now.wall);
    emit_journal(m, out, now, "agent.lost", agent->name,
                 json_pack("{s:I,s:s}", "hosts", (json_int_t)agent->n_hosts, "reason", why));
    model_remove_agent(m, id);
    for (size_t i = 0; i < m->n_agents; i++) {
        if (take_orphans(m, m->agents[i], now.wall)) {
            watch_agent_came(m, m->agents[i], out);
        }
    }
    bringup_agent_gone(m, id, now, out);
}

void agents_hello(struct model *m, struct event *ev, struct outbox *out)
{
    struct agent *old = model_agent_named(m, ev->agent.name);

    if (old != NULL && old->instance == ev->agent.instance) {
        old->seen = ev->now.mono;
        emit_done(out, ev->cookie, (struct id){0});
        return;
    }
    if (old == NULL && m->n_agents == ARRAY_LEN(m->agents)) {
        emit_refusal(out, ev->cookie, E_FULL, "too-many-agents", "%zu agents are known already",
                     m->n_agents);
        return;
    }
    if (old != NULL) {
        drop(m, old, ev->now, "a new instance of it said hello", out);
    }
    struct agent *agent = xcalloc(1, sizeof *agent);
    agent->id = m->next_agent++;
    memcpy(agent->name, ev->agent.name, sizeof agent->name);
    agent->instance = ev->agent.instance;
    agent->seen = ev->now.mono;
    agent->hosts = ev->agent.hosts; /* taken over */
    agent->n_hosts = ev->agent.n_hosts;
    ev->agent.hosts = NULL;
    m->agents[m->n_agents++] = agent;
    set_hosts(m, agent, HEALTH_HEALTHY, ev->now.wall);
    emit_journal(m, out, ev->now, "agent.arrived", agent->name,
                 json_pack("{s:I}", "hosts", (json_int_t)agent->n_hosts));
    emit_done(out, ev->cookie, (struct id){0});
    bringup_agent_came(m, ev->now, out);
    watch_agent_came(m, agent, out);
}

void agents_seen(struct model *m, struct event *ev)
{
    struct agent *agent = model_agent(m, ev->agent.id);

    if (agent != NULL) {
        agent->seen = ev->now.mono;
    }
}

void agents_tick(struct model *m, struct event *ev, struct outbox *out)
{
    bool stalled = mono_ms_since(m->last_tick, ev->now.mono) > m->pod->lease_ms / 2.0;

    m->last_tick = ev->now.mono;
    if (stalled) {
        health_renew(m, ev->now);
    }
    for (size_t i = m->n_agents; i-- > 0;) {
        struct agent *agent = m->agents[i];
        if (stalled) {
            agent->seen = ev->now.mono;
        } else if (mono_ms_since(agent->seen, ev->now.mono) > m->pod->lease_ms) {
            drop(m, agent, ev->now, "its lease ended", out);
        }
    }
}
