/* Everything is numbered and every table is an array: a storm of all links of
 * a pod asks for half a million memberships in a few milliseconds. */
#include "core/riskmap_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

const char *risk_kind_name(enum risk_kind kind)
{
    static const char *const names[] = {
#define X(name, text) [RISK_##name] = (text),
        RISK_KINDS(X)
#undef X
    };
    return names[kind];
}

bool risk_kind_parse(enum risk_kind *out, const char *text)
{
    for (int kind = 0; kind < RISK_KIND_COUNT; kind++) {
        if (strcmp(text, risk_kind_name((enum risk_kind)kind)) == 0) {
            *out = (enum risk_kind)kind;
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------ one cube -- */

static void number_cube(struct riskmap *map)
{
    for (uint32_t c = 0; c < TPUNET_CUBE_CHIPS; c++) {
        struct tpunet_chip chip = tpunet_chip_of(c);
        map->host_of_chip[c] = (uint8_t)tpunet_chip_host(chip);
        for (unsigned p = 0; p < TPUNET_PORTS; p++) {
            uint32_t end = riskmap_end(c, p);
            struct tpunet_fibre f;
            if (tpunet_chip_fibre(chip, p, &f)) {
                unsigned face = 2U * f.axis + f.minus;
                map->fibre_of_end[end] = (uint16_t)(face * TPUNET_FACE_LINKS + f.a + 4U * f.b);
                map->end_of_fibre[map->fibre_of_end[end]] = (uint16_t)end;
                continue;
            }
            struct tpunet_chip next = chip;
            unsigned axis = tpunet_port_axis(p);
            next.at[axis] = (uint8_t)(next.at[axis] + (tpunet_port_minus(p) ? -1 : 1));
            map->fibre_of_end[end] = UINT16_MAX;
            map->copper_peer[end] =
                (uint16_t)riskmap_end(tpunet_chip_number(next), tpunet_port_peer(p));
        }
    }
}

static void number_fibres(struct riskmap *map, const struct tpunet_wiring *wiring)
{
    memset(map->fibre_of_port, 0xFF, sizeof map->fibre_of_port);
    memset(map->far_port, 0xFF, sizeof map->far_port);
    for (uint32_t cube = 0; cube < map->n_cubes; cube++) {
        for (uint32_t i = 0; i < CUBE_FIBRES; i++) {
            unsigned face = i / TPUNET_FACE_LINKS, place = i % TPUNET_FACE_LINKS;
            struct tpunet_fibre f = {(uint16_t)cube, (uint8_t)(face / 2), face % 2 != 0,
                                     (uint8_t)(place % 4), (uint8_t)(place / 4)};
            struct tpunet_ocs_port at = tpunet_wiring_port(wiring, f);
            uint32_t port = riskmap_port(at.ocs, at.side == TPUNET_SOUTH, at.port);
            map->port_of_fibre[cube * CUBE_FIBRES + i] = port;
            map->fibre_of_port[port] = cube * CUBE_FIBRES + i;
        }
    }
}

static void lay_out(uint32_t *base, const uint32_t *sizes, unsigned n)
{
    base[0] = 0;
    for (unsigned i = 0; i < n; i++) {
        base[i + 1] = base[i] + sizes[i];
    }
}

static void number_all(struct riskmap *map)
{
    uint32_t cubes = map->n_cubes, hosts = map->n_hosts;
    const uint32_t signals[SIGNAL_KIND_COUNT] = {
        [SIGNAL_LINK_END] = cubes * CUBE_ENDS,
        [SIGNAL_CHIP] = cubes * TPUNET_CUBE_CHIPS,
        [SIGNAL_HOST] = hosts,
        [SIGNAL_HOST_LEASE] = hosts,
        [SIGNAL_PORT_LIGHT] = PORT_NUMBERS,
        [SIGNAL_OCS] = TPUNET_OCSES,
        [SIGNAL_OBSERVER_LEASE] = map->n_observers,
    };
    const uint32_t groups[RISK_KIND_COUNT] = {
        [RISK_LINK] = cubes * CUBE_ENDS, /* by its lower end */
        [RISK_FIBRE] = cubes * CUBE_FIBRES,
        [RISK_PORT] = PORT_NUMBERS,
        [RISK_PORT_GROUP] = PORT_GROUPS,
        [RISK_CHIP] = cubes * TPUNET_CUBE_CHIPS,
        [RISK_HOST] = hosts,
        [RISK_FACE] = cubes * 2 * TPUNET_AXES,
        [RISK_CUBE] = cubes,
        [RISK_OCS] = TPUNET_OCSES,
        [RISK_OCS_CONTROL] = TPUNET_OCSES,
        [RISK_AXIS] = TPUNET_AXES,
        [RISK_POWER] = RISKMAP_POWER_MAX,
        [RISK_OBSERVER] = map->n_observers,
        [RISK_NETWORK] = 1,
        [RISK_SELF] = 1,
    };
    lay_out(map->signal_base, signals, SIGNAL_KIND_COUNT);
    lay_out(map->group_base, groups, RISK_KIND_COUNT);
}

struct riskmap *riskmap_create(const struct tpunet_wiring *wiring, unsigned observers_max)
{
    struct riskmap *map = xcalloc(1, sizeof *map);

    assert(tpunet_wiring_ports(wiring) <= RISKMAP_PORTS_MAX && observers_max < RISKMAP_NONE);
    map->n_cubes = tpunet_wiring_cubes(wiring);
    map->n_hosts = map->n_cubes * (uint32_t)TPUNET_CUBE_HOSTS;
    map->n_observers = observers_max;
    map->port_of_fibre = xcalloc((size_t)map->n_cubes * CUBE_FIBRES, sizeof *map->port_of_fibre);
    map->power_of_host = xmalloc(map->n_hosts);
    memset(map->power_of_host, NO_POWER, map->n_hosts);
    memset(map->power_of_ocs, NO_POWER, sizeof map->power_of_ocs);
    map->power_parts[NO_POWER] = map->n_hosts + TPUNET_OCSES;
    map->observer_of_host = xcalloc(map->n_hosts, sizeof *map->observer_of_host);
    memset(map->observer_of_host, 0xFF, map->n_hosts * sizeof *map->observer_of_host);
    map->heard = xcalloc(map->n_hosts, sizeof *map->heard);
    map->unwatched = xcalloc(map->n_cubes, sizeof *map->unwatched);
    map->observers = xcalloc(observers_max + 1, sizeof *map->observers);
    number_cube(map);
    number_fibres(map, wiring);
    number_all(map);
    map->watched = xcalloc(riskmap_groups(map), sizeof *map->watched);
    map->kind_of_group = xmalloc(riskmap_groups(map));
    for (unsigned kind = 0; kind < RISK_KIND_COUNT; kind++) {
        memset(map->kind_of_group + map->group_base[kind], (int)kind,
               map->group_base[kind + 1] - map->group_base[kind]);
    }
    return map;
}

void riskmap_destroy(struct riskmap *map)
{
    if (map != NULL) {
        free(map->port_of_fibre);
        free(map->power_of_host);
        free(map->observer_of_host);
        free(map->heard);
        free(map->unwatched);
        free(map->observers);
        free(map->watched);
        free(map->kind_of_group);
        free(map);
    }
}

/* ------------------------------------------------------------- changes -- */

static int find_power(struct riskmap *map, const char *id, struct error *err)
{
    for (unsigned i = 0; i < map->n_power; i++) {
        if (strcmp(map->power_id[i], id) == 0) {
            return (int)i;
        }
    }
    if (map->n_power == RISKMAP_POWER_MAX) {
        return err_set(err, E_FULL, "power/%s: there are %d power domains already", id,
                       RISKMAP_POWER_MAX);
    }
    (void)snprintf(map->power_id[map->n_power], sizeof map->power_id[0], "%s", id);
    return (int)map->n_power++;
}

static void move_power(struct riskmap *map, uint8_t *domain, int to)
{
    map->power_parts[*domain]--;
    map->power_parts[to]++;
    *domain = (uint8_t)to;
}

int riskmap_add_power(struct riskmap *map, const char *id, const struct part *part,
                      struct error *err)
{
    char name[80];
    bool whole_cube = part->kind == PART_CUBE;

    if (!whole_cube && part->kind != PART_HOST && part->kind != PART_OCS) {
        return err_set(err, E_INVALID, "power/%s: %s has no power of its own", id,
                       part_format(part, name));
    }
    if (part->kind != PART_OCS && part->cube >= map->n_cubes) {
        return err_set(err, E_INVALID, "power/%s: the pod has no %s", id, part_format(part, name));
    }
    int domain = find_power(map, id, err);
    if (domain < 0) {
        return domain;
    }
    map->watched_valid = false;
    if (part->kind == PART_OCS) {
        move_power(map, &map->power_of_ocs[part->ocs], domain);
        return 0;
    }
    uint32_t first = part->cube * (uint32_t)TPUNET_CUBE_HOSTS;
    for (uint32_t h = whole_cube ? 0 : part->host;
         h < (whole_cube ? (uint32_t)TPUNET_CUBE_HOSTS : part->host + 1U); h++) {
        move_power(map, &map->power_of_host[first + h], domain);
    }
    return 0;
}

void riskmap_set_circuit(struct riskmap *map, unsigned ocs, unsigned north, unsigned south)
{
    uint32_t n = riskmap_port(ocs, false, north);

    assert(ocs < TPUNET_OCSES && north < RISKMAP_PORTS_MAX);
    map->watched_valid = false;
    if (map->far_port[n] != RISKMAP_NONE) {
        map->far_port[map->far_port[n]] = RISKMAP_NONE;
        map->far_port[n] = RISKMAP_NONE;
    }
    if (south != TPUNET_NONE) {
        uint32_t s = riskmap_port(ocs, true, south);
        assert(south < RISKMAP_PORTS_MAX);
        if (map->far_port[s] != RISKMAP_NONE) {
            map->far_port[map->far_port[s]] = RISKMAP_NONE;
        }
        map->far_port[n] = s;
        map->far_port[s] = n;
    }
}

/* Of whom an observer's silence tells: of the one host or cube for which it stands. */
static void add_host(struct observer *o, uint32_t host)
{
    uint32_t cube = host / (uint32_t)TPUNET_CUBE_HOSTS;

    o->host = o->n_hosts == 0 ? host : RISKMAP_NONE;
    o->cube = o->n_hosts == 0 || o->cube == cube ? cube : RISKMAP_NONE;
    o->n_hosts++;
}

/* Again of all its hosts, when it has lost one. */
static void describe_observer(struct riskmap *map, uint32_t number)
{
    map->observers[number].n_hosts = 0;
    for (uint32_t h = 0; h < map->n_hosts; h++) {
        if (map->observer_of_host[h] == number) {
            add_host(&map->observers[number], h);
        }
    }
}

void riskmap_set_observer(struct riskmap *map, unsigned host, uint32_t observer, bool heard)
{
    uint32_t before = map->observer_of_host[host];

    assert(host < map->n_hosts && (observer == RISKMAP_NONE || observer < map->n_observers));
    map->watched_valid = false;
    map->heard[host] = heard;
    if (before == observer) {
        return;
    }
    map->observer_of_host[host] = observer;
    if (before != RISKMAP_NONE) {
        describe_observer(map, before);
    }
    if (observer != RISKMAP_NONE) {
        add_host(&map->observers[observer], host);
    }
}

void riskmap_set_tells_no_links(struct riskmap *map, uint32_t observer)
{
    assert(observer < map->n_observers);
    map->observers[observer].tells_no_links = true;
}

bool riskmap_group_tells_no_links(const struct riskmap *map, uint32_t group)
{
    uint32_t number;

    return riskmap_group_kind(map, group, &number) == RISK_OBSERVER &&
           map->observers[number].tells_no_links;
}

void riskmap_name_observer(struct riskmap *map, uint32_t observer, const char *name)
{
    assert(observer < map->n_observers);
    (void)snprintf(map->observers[observer].name, sizeof map->observers[observer].name, "%s", name);
}

void riskmap_set_watched(struct riskmap *map, unsigned cube, bool watched)
{
    assert(cube < map->n_cubes);
    map->watched_valid = false;
    map->unwatched[cube] = !watched;
}

uint32_t riskmap_power_parts(const struct riskmap *map, uint32_t domain)
{
    assert(domain < RISKMAP_POWER_MAX);
    return map->power_parts[domain];
}

uint32_t riskmap_power_of_host(const struct riskmap *map, unsigned host)
{
    assert(host < map->n_hosts);
    return map->power_of_host[host];
}

uint32_t riskmap_power_of_ocs(const struct riskmap *map, unsigned ocs)
{
    assert(ocs < TPUNET_OCSES);
    return map->power_of_ocs[ocs];
}

/* ------------------------------------------------------------- numbers -- */

uint32_t riskmap_signals(const struct riskmap *map)
{
    return map->signal_base[SIGNAL_KIND_COUNT];
}

uint32_t riskmap_groups(const struct riskmap *map)
{
    return map->group_base[RISK_KIND_COUNT];
}

uint32_t riskmap_signal(const struct riskmap *map, enum signal_kind kind, uint32_t number)
{
    uint32_t size = map->signal_base[kind + 1] - map->signal_base[kind];
    return number < size ? map->signal_base[kind] + number : RISKMAP_NONE;
}

uint32_t riskmap_group(const struct riskmap *map, enum risk_kind kind, uint32_t number)
{
    uint32_t size = map->group_base[kind + 1] - map->group_base[kind];
    return number < size ? map->group_base[kind] + number : RISKMAP_NONE;
}

enum signal_kind riskmap_signal_kind(const struct riskmap *map, uint32_t signal, uint32_t *number)
{
    unsigned kind = 0;

    assert(signal < riskmap_signals(map));
    while (signal >= map->signal_base[kind + 1]) {
        kind++;
    }
    *number = signal - map->signal_base[kind];
    return (enum signal_kind)kind;
}

enum risk_kind riskmap_group_kind(const struct riskmap *map, uint32_t group, uint32_t *number)
{
    assert(group < riskmap_groups(map));
    *number = group - map->group_base[map->kind_of_group[group]];
    return (enum risk_kind)map->kind_of_group[group];
}

/* --------------------------------------------------------------- names -- */

static struct part fibre_part(uint32_t fibre)
{
    uint32_t place = fibre % TPUNET_FACE_LINKS, face = fibre / TPUNET_FACE_LINKS;
    return (struct part){.kind = PART_FIBRE,
                         .cube = (uint16_t)(face / 6),
                         .axis = (uint8_t)(face % 6 / 2),
                         .minus = face % 2 != 0,
                         .a = (uint8_t)(place % 4),
                         .b = (uint8_t)(place / 4)};
}

static struct part chip_part(uint32_t number)
{
    struct tpunet_chip chip = tpunet_chip_of(number);
    return (struct part){
        .kind = PART_CHIP, .cube = chip.cube, .at = {chip.at[0], chip.at[1], chip.at[2]}};
}

static struct part port_part(uint32_t port)
{
    uint32_t side = port / RISKMAP_PORTS_MAX;
    return (struct part){.kind = PART_PORT,
                         .ocs = (uint16_t)(side / 2),
                         .south = side % 2 != 0,
                         .port = (uint16_t)(port % RISKMAP_PORTS_MAX)};
}

bool riskmap_group_part(const struct riskmap *map, uint32_t group, struct part *out)
{
    uint32_t n;

    switch (riskmap_group_kind(map, group, &n)) {
    case RISK_LINK:
        *out = chip_part(n / TPUNET_PORTS);
        out->kind = PART_LINK;
        out->axis = (uint8_t)tpunet_port_axis(n % TPUNET_PORTS);
        out->minus = tpunet_port_minus(n % TPUNET_PORTS);
        return true;
    case RISK_FIBRE:
        *out = fibre_part(n);
        return true;
    case RISK_PORT:
        *out = port_part(n);
        return true;
    case RISK_PORT_GROUP:
        *out = port_part(n * RISKMAP_PORT_GROUP);
        return true;
    case RISK_CHIP:
        *out = chip_part(n);
        return true;
    case RISK_HOST:
        *out = (struct part){.kind = PART_HOST,
                             .cube = (uint16_t)(n / TPUNET_CUBE_HOSTS),
                             .host = (uint16_t)(n % TPUNET_CUBE_HOSTS)};
        return true;
    case RISK_FACE:
        *out = fibre_part(n * TPUNET_FACE_LINKS);
        out->kind = PART_FACE;
        return true;
    case RISK_CUBE:
        *out = (struct part){.kind = PART_CUBE, .cube = (uint16_t)n};
        return true;
    case RISK_OCS:
    case RISK_OCS_CONTROL:
        *out = (struct part){.kind = PART_OCS, .ocs = (uint16_t)n};
        return true;
    case RISK_POWER:
        *out = (struct part){.kind = PART_POWER};
        memcpy(out->id, map->power_id[n], sizeof out->id);
        return true;
    case RISK_AXIS:
    case RISK_OBSERVER:
    case RISK_NETWORK:
    case RISK_SELF:
        return false;
    }
    abort();
}

const char *riskmap_group_name(const struct riskmap *map, uint32_t group,
                               char buf[static RISKMAP_NAME_MAX])
{
    struct part part;
    uint32_t n;
    enum risk_kind kind = riskmap_group_kind(map, group, &n);

    if (riskmap_group_part(map, group, &part)) {
        return part_format(&part, buf);
    }
    if (kind == RISK_AXIS) {
        (void)snprintf(buf, RISKMAP_NAME_MAX, "axis/%c", "xyz"[n]);
    } else if (kind == RISK_OBSERVER && map->observers[n].name[0] != '\0') {
        (void)snprintf(buf, RISKMAP_NAME_MAX, "observer/%s", map->observers[n].name);
    } else if (kind == RISK_OBSERVER) {
        (void)snprintf(buf, RISKMAP_NAME_MAX, "observer/%u", n);
    } else {
        (void)snprintf(buf, RISKMAP_NAME_MAX, "%s", risk_kind_name(kind));
    }
    return buf;
}
