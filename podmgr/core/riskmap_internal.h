/* What riskmap.c (the pod: numbers, changes, names) and riskmap_groups.c (which
 * signal is in which group) share. */
#ifndef PODMGR_CORE_RISKMAP_INTERNAL_H
#define PODMGR_CORE_RISKMAP_INTERNAL_H

#include "core/riskmap.h"

enum {
    CUBE_ENDS = TPUNET_CUBE_CHIPS * TPUNET_PORTS,
    CUBE_FIBRES = 2 * TPUNET_AXES * TPUNET_FACE_LINKS,
    PORT_NUMBERS = 2 * TPUNET_OCSES * RISKMAP_PORTS_MAX,
    PORT_GROUPS = PORT_NUMBERS / RISKMAP_PORT_GROUP,
    NO_POWER = RISKMAP_POWER_MAX,
};
_Static_assert(RISKMAP_PORTS_MAX % RISKMAP_PORT_GROUP == 0, "a port group is of one side");

struct observer {
    bool tells_no_links;
    char name[RISKMAP_NAME_MAX - 16];
    uint32_t host; /* the only one that it stands for, or RISKMAP_NONE */
    uint32_t cube; /* the only one where its hosts are, or RISKMAP_NONE */
    uint32_t n_hosts;
};

struct riskmap {
    uint32_t n_cubes, n_hosts, n_observers;
    uint32_t signal_base[SIGNAL_KIND_COUNT + 1], group_base[RISK_KIND_COUNT + 1];

    /* One cube's ends, the same in all. */
    uint8_t host_of_chip[TPUNET_CUBE_CHIPS];
    uint16_t fibre_of_end[CUBE_ENDS]; /* in the cube; UINT16_MAX: copper */
    uint16_t copper_peer[CUBE_ENDS];  /* in the cube; of optical ends unused */
    uint16_t end_of_fibre[CUBE_FIBRES];

    uint32_t *port_of_fibre;              /* [cubes * CUBE_FIBRES] */
    uint32_t fibre_of_port[PORT_NUMBERS]; /* or RISKMAP_NONE */
    uint32_t far_port[PORT_NUMBERS];      /* through the switch, or RISKMAP_NONE */

    char power_id[RISKMAP_POWER_MAX][64];
    unsigned n_power;
    uint32_t power_parts[RISKMAP_POWER_MAX + 1]; /* the last: without a domain */
    uint8_t *power_of_host;                      /* or NO_POWER */
    uint8_t power_of_ocs[TPUNET_OCSES];

    uint32_t *observer_of_host; /* or RISKMAP_NONE */
    bool *heard;                /* [hosts] */
    bool *unwatched;            /* [cubes] */
    struct observer *observers;

    uint8_t *kind_of_group;
    struct watched *watched; /* [groups] */
    bool watched_valid;
};

#endif
