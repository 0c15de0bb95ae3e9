/* The shared-risk groups of a pod: which parts make which signals sick when
 * they break.
 *
 * A *signal* is one thing that an observer watches: one end of a link, a
 * chip's and a host's verdict, a host's and an observer's sign of life, the
 * light on a switch port, a switch's answers.  A *group* is one part, or a set
 * of parts with one fate.  The map knows the wiring, the circuits that carry
 * links now, who watches which host, and which parts share power; it answers
 * which groups could have made a signal sick, and how many signals of a group
 * are being watched, so that silence of the unwatched is never taken for
 * health.  rootcause.h reasons with it. */
#ifndef PODMGR_CORE_RISKMAP_H
#define PODMGR_CORE_RISKMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "part.h"
#include "tpunet.h"

enum {
    RISKMAP_PORTS_MAX = 160, /* on each side of a switch */
    RISKMAP_PORT_GROUP = 8,  /* adjacent ports of a side that share a driver board */
    RISKMAP_POWER_MAX = 64,
    RISKMAP_OF_SIGNAL = 24, /* groups that one signal is in, at most */
    RISKMAP_NAME_MAX = 80,
};
#define RISKMAP_NONE UINT32_MAX

/* How each is written: RISK_X, "x". */
#define RISK_KINDS(X)                                                                              \
    X(LINK, "link")             /* copper inside a cube, both directions */                        \
    X(FIBRE, "fibre")           /* from a face to a switch port, with its optics */                \
    X(PORT, "port")             /* of a switch: collimator, mirror */                              \
    X(PORT_GROUP, "port-group") /* RISKMAP_PORT_GROUP adjacent ports */                            \
    X(CHIP, "chip")             /* with its six links */                                           \
    X(HOST, "host")             /* tray: four chips */                                             \
    X(FACE, "face")             /* bundle of 16 fibres */                                          \
    X(CUBE, "cube")                                                                                \
    X(OCS, "ocs")                                                                                  \
    X(OCS_CONTROL, "ocs-control") /* its controller or the way to it; light goes on */             \
    X(AXIS, "axis")               /* the 16 switches of one */                                     \
    X(POWER, "power")             /* domain, from the configuration */                             \
    X(OBSERVER, "observer")       /* the daemon that stands for hosts */                           \
    X(NETWORK, "network")         /* between podmgr and all whom it listens to */                  \
    X(SELF, "self")               /* podmgr, or all that it hears */

enum risk_kind {
#define X(name, text) RISK_##name,
    RISK_KINDS(X)
#undef X
};
enum { RISK_KIND_COUNT = RISK_SELF + 1 };
const char *risk_kind_name(enum risk_kind kind);
bool risk_kind_parse(enum risk_kind *out, const char *text);

enum signal_kind {
    SIGNAL_LINK_END,      /* number: riskmap_end() */
    SIGNAL_CHIP,          /* chip number */
    SIGNAL_HOST,          /* cube * 16 + host */
    SIGNAL_HOST_LEASE,    /* the same */
    SIGNAL_PORT_LIGHT,    /* riskmap_port() */
    SIGNAL_OCS,           /* its number */
    SIGNAL_OBSERVER_LEASE /* the caller's number of the observer */
};
enum { SIGNAL_KIND_COUNT = SIGNAL_OBSERVER_LEASE + 1 };

static inline uint32_t riskmap_end(uint32_t chip, unsigned port)
{
    return chip * (uint32_t)TPUNET_PORTS + port;
}
static inline uint32_t riskmap_port(unsigned ocs, bool south, unsigned port)
{
    return (ocs * 2U + south) * (uint32_t)RISKMAP_PORTS_MAX + port;
}

struct riskmap;

/* `wiring` is copied.  Observers are numbered below `observers_max`. */
struct riskmap *riskmap_create(const struct tpunet_wiring *wiring, unsigned observers_max);
void riskmap_destroy(struct riskmap *map);

/* ------------------------------------------------- what the pod is like -- */

/* Puts a cube (with its hosts), a host or a switch into power domain `domain`
 * named power/ID; a host named by itself leaves its cube's domain.  E_INVALID
 * names a part that has no power of its own or is not in the pod, E_FULL when
 * there are RISKMAP_POWER_MAX domains. */
int riskmap_add_power(struct riskmap *map, const char *id, const struct part *part,
                      struct error *err);
/* North port `north` leads to `south`, TPUNET_NONE: to nothing. */
void riskmap_set_circuit(struct riskmap *map, unsigned ocs, unsigned north, unsigned south);
/* Who stands for the host (RISKMAP_NONE: nobody), and is it heard now?  The
 * name is what people call it. */
void riskmap_set_observer(struct riskmap *map, unsigned host, uint32_t observer, bool heard);
void riskmap_name_observer(struct riskmap *map, uint32_t observer, const char *name);
/* It tells of chips, hosts and rates; that a link is down it does not tell. */
void riskmap_set_tells_no_links(struct riskmap *map, uint32_t observer);
/* Links of a cube that nobody uses may stand unpowered: are they watched?  By
 * default every copper link is, and every fibre that a circuit lights. */
void riskmap_set_watched(struct riskmap *map, unsigned cube, bool watched);

/* --------------------------------------------------------------- queries -- */

/* Signals and groups are numbered densely from 0; RISKMAP_NONE: not in this pod. */
uint32_t riskmap_signals(const struct riskmap *map);
uint32_t riskmap_signal(const struct riskmap *map, enum signal_kind kind, uint32_t number);
enum signal_kind riskmap_signal_kind(const struct riskmap *map, uint32_t signal, uint32_t *number);
uint32_t riskmap_groups(const struct riskmap *map);
uint32_t riskmap_group(const struct riskmap *map, enum risk_kind kind, uint32_t number);
enum risk_kind riskmap_group_kind(const struct riskmap *map, uint32_t group, uint32_t *number);

/* The groups that a signal is in; returns their number.  `far`: also those that
 * only the far port's light tells of (loss is a property of the circuit). */
unsigned riskmap_groups_of(const struct riskmap *map, uint32_t signal, bool far,
                           uint32_t groups[static RISKMAP_OF_SIGNAL]);
/* Would it be reported if it were sick, and by what?  Verdicts and light count
 * as evidence when they are there, never when they are not. */
enum watch { WATCH_LINKS, WATCH_LEASES, WATCH_SWITCHES, WATCH_NOT };
enum watch riskmap_watch(const struct riskmap *map, uint32_t signal);
/* How many watched signals each group has. */
struct watched {
    uint32_t by[WATCH_NOT];
};
/* [riskmap_groups()]; valid until the map is changed. */
const struct watched *riskmap_watched(struct riskmap *map);
/* The other end of a link, RISKMAP_NONE if there is none now. */
uint32_t riskmap_far_end(const struct riskmap *map, uint32_t end);
/* The port to which a circuit leads from that one, numbered as light is; or none. */
uint32_t riskmap_far_port(const struct riskmap *map, uint32_t port);

/* Is the group an observer that does not tell of links? */
bool riskmap_group_tells_no_links(const struct riskmap *map, uint32_t group);
/* How many hosts and switches a power domain feeds. */
uint32_t riskmap_power_parts(const struct riskmap *map, uint32_t domain);
/* Which domain feeds it; RISKMAP_POWER_MAX: none is known. */
uint32_t riskmap_power_of_host(const struct riskmap *map, unsigned host);
uint32_t riskmap_power_of_ocs(const struct riskmap *map, unsigned ocs);

/* "host/5-3", "port/12-n-8" (the first of a port group), "axis/x",
 * "observer/NAME", "network", "self". */
const char *riskmap_group_name(const struct riskmap *map, uint32_t group,
                               char buf[static RISKMAP_NAME_MAX]);
/* The part to which a person walks; false if the group is none. */
bool riskmap_group_part(const struct riskmap *map, uint32_t group, struct part *out);

#endif
