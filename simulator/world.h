/* The emulated hardware of one pod: chips, copper, fibres, mirrors, light.
 *
 * Pure state with a virtual clock: time and randomness come in (world_advance,
 * the seed), nothing goes out but through the hooks.  It has its own wiring
 * and forwarding code, written from the hardware's description alone, so that
 * it can judge what libtpunet computes.
 *
 * Files: world.c (state, who sees whom), sim_wiring.c (chip port to fibre to
 * switch port), chance.c (what the seed draws), ocs_device.c (one switch),
 * op_log.c (what its agent remembers), fabric_device.c (chips' tables), flit.c
 * (forwarding), fault.c (what breaks),
 * health_device.c (the instruments of the hosts), health_faults.c (what they
 * notice), evq.c (future events). */
#ifndef SIMULATOR_WORLD_H
#define SIMULATOR_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "evq.h"
#include "op_log.h"
#include "part.h"

enum {
    SIM_OCSES = 48,
    SIM_CUBES_MAX = 144,
    SIM_PORTS_MAX = 160,
    SIM_CUBE_CHIPS = 64,
    SIM_CHIP_PORTS = 6, /* +x -x +y -y +z -z */
    SIM_CLASSES = 4,    /* inject, VC0, VC1, VC2 */
    SIM_NONE = 0xFFFF,
    SIM_LINK_LOG = 65536, /* link changes that can be asked for */
};

/* --------------------------------------------------------------- fibres -- */

/* Where a fibre ends at the switches: port of one side of one of them. */
struct sim_port {
    uint16_t ocs;
    uint8_t south;
    uint16_t port;
};
/* Fibre number: ((cube * 3 + axis) * 2 + minus) * 16 + a + 4 b. */
enum { SIM_FIBRES_A_CUBE = 96 };

/* ------------------------------------------------------------- switches -- */

/* Who may command a switch, and since which of its sessions: what was sent in
 * an older one comes too late. */
struct sim_claim {
    uint64_t epoch, instance, session;
};

struct sim_ocs {
    char boot_id[40];
    unsigned boots; /* powers lost so far, and one */
    uint64_t generation;
    struct sim_claim claim;      /* on record; survives everything (D4) */
    uint16_t map[SIM_PORTS_MAX]; /* north -> south, or SIM_NONE */
    uint16_t back[SIM_PORTS_MAX];
    uint8_t dark[2][SIM_PORTS_MAX]; /* faults on the port, counted; [0] north */
    uint8_t stuck[2][SIM_PORTS_MAX];
    float extra_loss_db[2][SIM_PORTS_MAX];
    uint8_t agent_down, power_down; /* faults, counted */
    struct op_log *log;
};

/* ---------------------------------------------------------------- chips -- */

struct sim_stamp {
    char slice[32];
    uint64_t epoch, generation;
};
struct sim_row {
    uint32_t refs;
    uint32_t len;
    uint8_t bytes[];
};
struct sim_bank {
    struct sim_stamp stamp;
    uint32_t self, n_chips;
    struct sim_row *rows[SIM_CLASSES];
};
struct sim_chip {
    uint8_t dead;                 /* faults that kill it, counted */
    uint8_t disabled_mask;        /* ports switched off by set_port */
    uint8_t cut[SIM_CHIP_PORTS];  /* faults on the link at this port, counted */
    uint8_t mute[SIM_CHIP_PORTS]; /* faults by which it sends nothing, counted */
    bool quiesced;
    struct sim_stamp fence; /* the newest that this chip has accepted */
    struct sim_bank active, shadow;
};

struct sim_link_event {
    uint64_t seq;
    uint32_t chip;
    uint8_t port;
    bool up;
};

/* ---------------------------------------------------------------- world -- */

struct sim_config {
    char pod[32];
    unsigned cubes, ports_per_side;
    uint64_t seed;
    uint64_t run; /* tells one start of the daemon from the next; 0 in tests */
    double mirror_median_ms, mirror_p99_ms;
    unsigned vc_classes;
    struct sim_move {
        struct part fibre, port;
    } * moves; /* fibres on spare ports */
    size_t n_moves;
    char *ocs_url, *fabric_url, *control_url;
    char *probe_url; /* NULL: the instruments are not served */
};

struct fault;
struct sim_instruments;
struct world {
    const struct sim_config *config;
    struct evq *evq;
    uint64_t rng;
    uint32_t n_chips;
    struct sim_chip *chips;
    uint32_t *seen;             /* [chip][port]: peer * 8 + port, or UINT32_MAX: who it sees now */
    struct sim_port *fibre_end; /* [fibre] */
    uint32_t *port_fibre;       /* [(ocs * 2 + south) * SIM_PORTS_MAX + port], or UINT32_MAX */
    struct sim_ocs *ocs;
    struct sim_instruments *instruments;
    struct sim_link_event *log; /* ring */
    uint64_t log_next;          /* seq of the next event; the first is 1 */
    uint64_t incarnation;
    struct fault *faults;
    unsigned next_fault;
    /* What the shell does when the world changes; may be NULL. */
    void (*on_link_events)(void *arg);
    void (*on_agent)(void *arg, unsigned ocs, bool up);
    void *hook_arg;
};

/* E_CONFIG names a move that does not fit. */
int world_create(struct world **out, const struct sim_config *config, struct error *err);
void world_destroy(struct world *w);
int64_t world_mirror_time_ns(struct world *w); /* of one batch */
/* A new boot id: power was lost (D8). */
void world_new_boot(struct world *w, unsigned ocs);

/* Who chip sees on that port now: false if nobody. */
bool world_peer(const struct world *w, uint32_t chip, unsigned port, uint32_t *peer,
                unsigned *peer_port);
/* The same where both ends see each other: only such a link carries traffic,
 * since flow control needs the way back. */
bool world_link(const struct world *w, uint32_t chip, unsigned port, uint32_t *peer,
                unsigned *peer_port);
/* Whom copper or a circuit leads to, be it lit and alive or not. */
bool world_wired(const struct world *w, uint32_t chip, unsigned port, uint32_t *peer,
                 unsigned *peer_port);
/* Something that decides about this port changed: looks again from both ends,
 * logs, and looks at the neighbours that this changes, old and new. */
void world_look(struct world *w, uint32_t chip, unsigned port);
void world_look_ocs_port(struct world *w, unsigned ocs, bool south, unsigned port);
/* Exchanges the switch ends of two fibres. */
void world_swap_fibres(struct world *w, unsigned one, unsigned other);
/* Loss of the circuit on a north port; dark circuits lose 60 dB. */
float world_loss_db(const struct world *w, unsigned ocs, unsigned north);

#endif
