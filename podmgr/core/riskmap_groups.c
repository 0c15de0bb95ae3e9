/* Which groups a signal is in, and which signals are watched.  Memberships are
 * computed and not stored: half a million of them would be the larger table. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/riskmap_internal.h"

uint32_t riskmap_far_end(const struct riskmap *map, uint32_t end)
{
    uint32_t cube = end / CUBE_ENDS, local = end % CUBE_ENDS;
    uint32_t fibre = map->fibre_of_end[local];

    if (fibre == UINT16_MAX) {
        return cube * CUBE_ENDS + map->copper_peer[local];
    }
    uint32_t far = map->far_port[map->port_of_fibre[cube * CUBE_FIBRES + fibre]];
    if (far == RISKMAP_NONE || map->fibre_of_port[far] == RISKMAP_NONE) {
        return RISKMAP_NONE;
    }
    uint32_t far_fibre = map->fibre_of_port[far];
    return far_fibre / CUBE_FIBRES * CUBE_ENDS + map->end_of_fibre[far_fibre % CUBE_FIBRES];
}

uint32_t riskmap_far_port(const struct riskmap *map, uint32_t port)
{
    return map->far_port[port];
}

/* --------------------------------------------------------- memberships -- */

/* Where the groups of one signal are gathered, each once. */
struct gather {
    const struct riskmap *map;
    uint32_t *groups;
    unsigned n;
};

static void add(struct gather *g, enum risk_kind kind, uint32_t number)
{
    assert(g->n < RISKMAP_OF_SIGNAL);
    g->groups[g->n++] = g->map->group_base[kind] + number;
}

/* For kinds of which a signal has two members at most, the first just before. */
static void add_two(struct gather *g, enum risk_kind kind, uint32_t one, uint32_t other)
{
    add(g, kind, one);
    if (other != one && other != RISKMAP_NONE) {
        add(g, kind, other);
    }
}

static void add_power(struct gather *g, uint8_t domain)
{
    uint32_t group = g->map->group_base[RISK_POWER] + domain;

    for (unsigned i = 0; i < g->n && domain != NO_POWER; i++) {
        if (g->groups[i] == group) {
            return;
        }
    }
    if (domain != NO_POWER) {
        add(g, RISK_POWER, domain);
    }
}

static uint32_t host_of_end(const struct riskmap *map, uint32_t end)
{
    return end / CUBE_ENDS * (uint32_t)TPUNET_CUBE_HOSTS +
           map->host_of_chip[end % CUBE_ENDS / TPUNET_PORTS];
}

/* The chips at both ends, and what holds them. */
static void add_chips(struct gather *g, uint32_t end, uint32_t far)
{
    const struct riskmap *map = g->map;
    uint32_t host = host_of_end(map, end);
    uint32_t far_host = far == RISKMAP_NONE ? host : host_of_end(map, far);

    add_two(g, RISK_CHIP, end / TPUNET_PORTS,
            far == RISKMAP_NONE ? RISKMAP_NONE : far / TPUNET_PORTS);
    add_two(g, RISK_HOST, host, far_host);
    add_two(g, RISK_CUBE, host / (uint32_t)TPUNET_CUBE_HOSTS,
            far_host / (uint32_t)TPUNET_CUBE_HOSTS);
    add_power(g, map->power_of_host[host]);
    add_power(g, map->power_of_host[far_host]);
}

static void add_switch(struct gather *g, uint32_t port)
{
    uint32_t ocs = port / (2U * RISKMAP_PORTS_MAX);

    add(g, RISK_OCS, ocs);
    add(g, RISK_AXIS, ocs / (uint32_t)TPUNET_FACE_LINKS);
    add_power(g, g->map->power_of_ocs[ocs]);
}

/* A fibre, its port and the groups of both; `far` RISKMAP_NONE: one end alone. */
static void add_ports(struct gather *g, uint32_t port, uint32_t far)
{
    const struct riskmap *map = g->map;
    uint32_t fibre = map->fibre_of_port[port];
    uint32_t far_fibre = far != RISKMAP_NONE ? map->fibre_of_port[far] : RISKMAP_NONE;

    add_two(g, RISK_PORT, port, far);
    add_two(g, RISK_PORT_GROUP, port / RISKMAP_PORT_GROUP,
            far != RISKMAP_NONE ? far / RISKMAP_PORT_GROUP : RISKMAP_NONE);
    if (fibre != RISKMAP_NONE) {
        add_two(g, RISK_FIBRE, fibre, far_fibre);
        add_two(g, RISK_FACE, fibre / TPUNET_FACE_LINKS,
                far_fibre != RISKMAP_NONE ? far_fibre / TPUNET_FACE_LINKS : RISKMAP_NONE);
    }
}

static void groups_of_end(struct gather *g, uint32_t end)
{
    const struct riskmap *map = g->map;
    uint32_t far = riskmap_far_end(map, end), local = end % CUBE_ENDS;
    uint32_t observer = map->observer_of_host[host_of_end(map, end)];

    if (map->fibre_of_end[local] == UINT16_MAX) {
        add(g, RISK_LINK, end < far ? end : far);
    } else {
        uint32_t port =
            map->port_of_fibre[end / CUBE_ENDS * CUBE_FIBRES + map->fibre_of_end[local]];
        add_ports(g, port, map->far_port[port]);
        add_switch(g, port);
    }
    add_chips(g, end, far);
    if (observer != RISKMAP_NONE) {
        add(g, RISK_OBSERVER, observer);
    }
}

/* The light that arrives at a port comes from the face's chip. */
static void groups_of_light(struct gather *g, uint32_t port, bool far)
{
    const struct riskmap *map = g->map;
    uint32_t fibre = map->fibre_of_port[port];

    add_ports(g, port, far ? map->far_port[port] : RISKMAP_NONE);
    add_switch(g, port);
    if (fibre != RISKMAP_NONE) {
        add_chips(g, fibre / CUBE_FIBRES * CUBE_ENDS + map->end_of_fibre[fibre % CUBE_FIBRES],
                  RISKMAP_NONE);
    }
}

static void groups_of_host(struct gather *g, uint32_t host)
{
    const struct riskmap *map = g->map;

    add(g, RISK_HOST, host);
    add(g, RISK_CUBE, host / (uint32_t)TPUNET_CUBE_HOSTS);
    add_power(g, map->power_of_host[host]);
    if (map->observer_of_host[host] != RISKMAP_NONE) {
        add(g, RISK_OBSERVER, map->observer_of_host[host]);
    }
}

static void groups_of_observer(struct gather *g, uint32_t number)
{
    const struct observer *o = &g->map->observers[number];

    add(g, RISK_OBSERVER, number);
    if (o->n_hosts == 0) {
        return;
    }
    if (o->host != RISKMAP_NONE) {
        add(g, RISK_HOST, o->host);
        add_power(g, g->map->power_of_host[o->host]);
    }
    if (o->cube != RISKMAP_NONE) {
        add(g, RISK_CUBE, o->cube);
    }
}

unsigned riskmap_groups_of(const struct riskmap *map, uint32_t signal, bool far,
                           uint32_t groups[static RISKMAP_OF_SIGNAL])
{
    struct gather g = {map, groups, 0};
    uint32_t number;

    switch (riskmap_signal_kind(map, signal, &number)) {
    case SIGNAL_LINK_END:
        groups_of_end(&g, number);
        break;
    case SIGNAL_CHIP:
        add(&g, RISK_CHIP, number);
        groups_of_host(&g, host_of_end(map, riskmap_end(number, 0)));
        break;
    case SIGNAL_HOST:
        groups_of_host(&g, number);
        break;
    case SIGNAL_HOST_LEASE:
        groups_of_host(&g, number);
        add(&g, RISK_NETWORK, 0);
        break;
    case SIGNAL_PORT_LIGHT:
        groups_of_light(&g, number, far);
        break;
    case SIGNAL_OCS:
        add(&g, RISK_OCS, number);
        add(&g, RISK_OCS_CONTROL, number);
        add(&g, RISK_AXIS, number / (uint32_t)TPUNET_FACE_LINKS);
        add_power(&g, map->power_of_ocs[number]);
        add(&g, RISK_NETWORK, 0);
        break;
    case SIGNAL_OBSERVER_LEASE:
        groups_of_observer(&g, number);
        add(&g, RISK_NETWORK, 0);
        break;
    }
    add(&g, RISK_SELF, 0);
    return g.n;
}

enum watch riskmap_watch(const struct riskmap *map, uint32_t signal)
{
    uint32_t number;

    switch (riskmap_signal_kind(map, signal, &number)) {
    case SIGNAL_LINK_END:
        return map->heard[host_of_end(map, number)] && !map->unwatched[number / CUBE_ENDS] &&
                       riskmap_far_end(map, number) != RISKMAP_NONE
                   ? WATCH_LINKS
                   : WATCH_NOT;
    case SIGNAL_HOST_LEASE:
        return map->observer_of_host[number] != RISKMAP_NONE ? WATCH_LEASES : WATCH_NOT;
    case SIGNAL_OCS:
        return WATCH_SWITCHES;
    case SIGNAL_CHIP:
    case SIGNAL_HOST:
    case SIGNAL_PORT_LIGHT:
    case SIGNAL_OBSERVER_LEASE:
        return WATCH_NOT;
    }
    abort();
}

static void count_watched(struct riskmap *map, enum signal_kind kind)
{
    uint32_t groups[RISKMAP_OF_SIGNAL];

    for (uint32_t s = map->signal_base[kind]; s < map->signal_base[kind + 1]; s++) {
        enum watch by = riskmap_watch(map, s);
        unsigned n = by != WATCH_NOT ? riskmap_groups_of(map, s, false, groups) : 0;
        for (unsigned i = 0; i < n; i++) {
            map->watched[groups[i]].by[by]++;
        }
    }
}

/* Signals of other kinds are watched by nobody (riskmap_watch), and are many. */
const struct watched *riskmap_watched(struct riskmap *map)
{
    if (!map->watched_valid) {
        memset(map->watched, 0, riskmap_groups(map) * sizeof *map->watched);
        count_watched(map, SIGNAL_LINK_END);
        count_watched(map, SIGNAL_HOST_LEASE);
        count_watched(map, SIGNAL_OCS);
        map->watched_valid = true;
    }
    return map->watched;
}
