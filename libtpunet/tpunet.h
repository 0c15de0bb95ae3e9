/* libtpunet: the torus of an accelerator pod, from fibres to proved routes.
 *
 * The library knows how the chips of a pod are wired (coordinates, faces,
 * optical circuit switches), which cross-connects make a slice, how to find
 * the links that really exist, how to compare them with the intent, how to
 * route over them, and how to prove that the routes are complete and free of
 * deadlock.  It does no I/O, reads no clock, draws no random number, keeps no
 * global state and starts no thread; several threads may use it as long as
 * each object stays with one of them.
 *
 * Sources: Zu et al., "Resiliency at Scale: Managing Google's TPUv4 Machine
 * Learning Supercomputer" (NSDI'24) for the pod, the wiring and wild-first
 * routing; Jouppi et al., "TPU v4" (ISCA'23) for twisted tori; Dally and
 * Seitz (1987) for datelines and channel dependency graphs.
 *
 * Conventions.  Functions return 0 (or a count) or a negative TPUNET_E code;
 * a failed call changes nothing but *err.  `err` may be NULL.  Axes are
 * 0 = x, 1 = y, 2 = z and coordinates are arrays indexed by axis.
 */
#ifndef TPUNET_H
#define TPUNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------- errors -- */

#define TPUNET_ERRORS(X)                                                                           \
    X(EINVAL, -1, "invalid argument")                                                              \
    X(ENOMEM, -2, "out of memory")                                                                 \
    X(ESHAPE, -3, "not a valid slice shape")                                                       \
    X(ETWIST, -4, "this shape has no twisted torus")                                               \
    X(EWIRING, -5, "inconsistent wiring")                                                          \
    X(EMISMATCH, -6, "the fabric is not what was intended")                                        \
    X(EUNREACHABLE, -7, "some pairs of chips have no route")                                       \
    X(ECYCLE, -8, "the channel dependency graph has a cycle")                                      \
    X(EFABRIC, -9, "the fabric did not answer or refused")                                         \
    X(ESTALE, -10, "the fabric holds a newer intent")                                              \
    X(ECANCELED, -11, "canceled")                                                                  \
    X(ETABLES, -12, "chips lack the routes of the slice")

enum tpunet_errcode {
#define X(name, code, text) TPUNET_##name = (code),
    TPUNET_ERRORS(X)
#undef X
};

/* What went wrong, for a person; `text` names the part at fault. */
struct tpunet_error {
    int code;
    char text[252];
};

const char *tpunet_strerror(int code);

/* -------------------------------------------------------- coordinates -- */

enum {
    TPUNET_AXES = 3,
    TPUNET_CUBE_DIM = 4, /* a cube is 4x4x4 chips */
    TPUNET_CUBE_CHIPS = 64,
    TPUNET_CUBE_HOSTS = 16, /* four chips a host, a 2x2x1 tray */
    TPUNET_FACE_LINKS = 16, /* optical links of one face */
    TPUNET_PORTS = 6,       /* ICI ports of a chip */
    TPUNET_OCSES = 48,      /* TPUNET_AXES * TPUNET_FACE_LINKS */
    TPUNET_CUBES_MAX = 144,
    TPUNET_CHIPS_MAX = TPUNET_CUBES_MAX * TPUNET_CUBE_CHIPS,
    TPUNET_NONE = 0xFFFF, /* no chip, no cube, no port */
};

/* Port p of a chip: axis p / 2, direction + when even and - when odd, so the
 * port at the other end of a link is p ^ 1. */
enum tpunet_port { TPUNET_XP, TPUNET_XM, TPUNET_YP, TPUNET_YM, TPUNET_ZP, TPUNET_ZM };

static inline unsigned tpunet_port_axis(unsigned port)
{
    return port >> 1;
}
static inline bool tpunet_port_minus(unsigned port)
{
    return (port & 1U) != 0;
}
static inline unsigned tpunet_port_peer(unsigned port)
{
    return port ^ 1U;
}
const char *tpunet_port_name(unsigned port); /* "+x" ... "-z" */

/* A physical chip: number = cube * 64 + x + 4 y + 16 z, in-cube 0 <= x,y,z <= 3.
 * It is also the identity that a chip reports when it is probed. */
struct tpunet_chip {
    uint16_t cube;
    uint8_t at[TPUNET_AXES];
};
uint32_t tpunet_chip_number(struct tpunet_chip chip);
struct tpunet_chip tpunet_chip_of(uint32_t number);
/* Host h of the cube owns the chip: h = x/2 + 2 (y/2) + 4 z. */
unsigned tpunet_chip_host(struct tpunet_chip chip);
/* The k-th of the four chips of a host, 0 <= k < 4, x fastest. */
struct tpunet_chip tpunet_host_chip(uint16_t cube, unsigned host, unsigned k);

/* ------------------------------------------------------------- shapes -- */

/* A slice of dim[0] x dim[1] x dim[2] chips.  Below 64 chips a mesh inside one
 * cube (2x2x1, 2x2x2, 2x2x4, 2x4x4), else a torus in whole cubes. */
struct tpunet_shape {
    uint16_t dim[TPUNET_AXES];
    bool twisted;
    bool mesh; /* sub-cube: no wraparound */
};

/* Parses "8x8x16".  `twisted` is taken as given: ask tpunet_shape_twistable()
 * for the default.  TPUNET_ESHAPE (the text says which rule: not three
 * numbers, a dimension that is no multiple of 4, not in rising order, above
 * 4 * TPUNET_CUBES_MAX chips a dimension, more than TPUNET_CUBES_MAX cubes) or
 * TPUNET_ETWIST. */
int tpunet_shape_parse(struct tpunet_shape *out, const char *text, bool twisted,
                       struct tpunet_error *err);
bool tpunet_shape_twistable(const struct tpunet_shape *shape);
/* Writes "8x8x16" and returns buf. */
const char *tpunet_shape_format(const struct tpunet_shape *shape, char buf[static 24]);
uint32_t tpunet_shape_chips(const struct tpunet_shape *shape);
uint32_t tpunet_shape_cubes(const struct tpunet_shape *shape); /* 1 for a mesh */

/* Logical position of a cube in the slice, x fastest: index = i + a (j + b k)
 * for a slice of a x b x c cubes. */
void tpunet_cube_position(const struct tpunet_shape *shape, uint16_t index,
                          uint16_t pos[static TPUNET_AXES]);
uint16_t tpunet_cube_index(const struct tpunet_shape *shape,
                           const uint16_t pos[static TPUNET_AXES]);
/* Logical index of a chip in the slice: X + dim[0] (Y + dim[1] Z) where
 * X, Y, Z are torus coordinates (cube position * 4 + in-cube coordinate). */
uint32_t tpunet_logical_index(const struct tpunet_shape *shape,
                              const uint16_t at[static TPUNET_AXES]);
void tpunet_logical_at(const struct tpunet_shape *shape, uint32_t index,
                       uint16_t at[static TPUNET_AXES]);

/* The cube that the + face of cube `index` meets across `axis`, wraparound and
 * twist included (the rule: crossing the wraparound of a short dimension k
 * also shifts every long dimension 2k by k). */
uint16_t tpunet_next_cube(const struct tpunet_shape *shape, uint16_t index, unsigned axis);

/* ------------------------------------------------------------- wiring -- */

enum tpunet_side { TPUNET_NORTH, TPUNET_SOUTH };

/* One end of a fibre at a cube: face (axis, minus) and in-face position
 * (a, b), the in-cube coordinates on the two other axes in rising order. */
struct tpunet_fibre {
    uint16_t cube;
    uint8_t axis;
    bool minus;
    uint8_t a, b;
};
/* One port of an optical circuit switch. */
struct tpunet_ocs_port {
    uint16_t ocs; /* 16 * axis + a + 4 b */
    uint8_t side; /* enum tpunet_side: + faces north, - faces south */
    uint16_t port;
};
/* A fibre that a technician has moved away from its default port. */
struct tpunet_rewire {
    struct tpunet_fibre fibre;
    uint16_t port; /* same OCS, same side, another port */
};

struct tpunet_wiring; /* the fibres of one pod; immutable */

/* `cubes` <= TPUNET_CUBES_MAX, `ports_per_side` >= cubes.  Cube c is on port c
 * of its 48 OCSes unless moved.  TPUNET_EWIRING names a fibre moved twice, a
 * port out of range or a port with two fibres.  The caller owns *out. */
int tpunet_wiring_create(struct tpunet_wiring **out, unsigned cubes, unsigned ports_per_side,
                         const struct tpunet_rewire *moves, size_t n_moves,
                         struct tpunet_error *err);
void tpunet_wiring_destroy(struct tpunet_wiring *wiring);
unsigned tpunet_wiring_cubes(const struct tpunet_wiring *wiring);
unsigned tpunet_wiring_ports(const struct tpunet_wiring *wiring);
struct tpunet_ocs_port tpunet_wiring_port(const struct tpunet_wiring *wiring,
                                          struct tpunet_fibre fibre);
/* False for a spare port (no fibre). */
bool tpunet_wiring_fibre(const struct tpunet_wiring *wiring, struct tpunet_ocs_port port,
                         struct tpunet_fibre *out);
/* The fibre of a chip's port; false if that port is electrical. */
bool tpunet_chip_fibre(struct tpunet_chip chip, unsigned port, struct tpunet_fibre *out);
struct tpunet_chip tpunet_fibre_chip(struct tpunet_fibre fibre, unsigned *port);

/* ----------------------------------------------------- cross-connects -- */

/* One mirror setting: north port to south port of one OCS. */
struct tpunet_xc {
    uint16_t ocs, north, south;
};

/* What a slice wants of the pod: which cubes, and for every OCS which cube's
 * + face meets which cube's - face.  The circuits are explicit (not only a
 * shape) so that a slice of another weave is the same object. */
struct tpunet_intent {
    struct tpunet_shape shape;
    uint16_t n_cubes;
    uint8_t origin[TPUNET_AXES]; /* of a mesh: in-cube coordinates of its first chip */
    uint16_t *cubes;             /* [n_cubes] physical cube of each logical one */
    uint16_t *next;              /* [48][n_cubes] logical index, or TPUNET_NONE */
};
/* The torus of `shape` on `cubes` (copied), or a mesh in the first corner of
 * its cube.  TPUNET_EINVAL names a repeated cube or a wrong count.  Who wants
 * another weave overwrites next[] and origin[]. */
int tpunet_intent_create(struct tpunet_intent **out, const struct tpunet_shape *shape,
                         const uint16_t *cubes, size_t n_cubes, struct tpunet_error *err);
void tpunet_intent_destroy(struct tpunet_intent *intent);

/* The cross-connects of an intent, sorted by (ocs, north); 48 a cube of a
 * torus, none for a mesh (*out is then NULL).  TPUNET_EINVAL names a cube that
 * the wiring does not have, or a - face that two + faces claim.  The caller
 * frees *out with free(). */
int tpunet_intent_xcs(const struct tpunet_intent *intent, const struct tpunet_wiring *wiring,
                      struct tpunet_xc **out, size_t *n, struct tpunet_error *err);
/* The minimal change from `have` to `want`, both sorted: breaks = have - want,
 * makes = want - have (D3).  The caller frees both. */
int tpunet_xc_diff(const struct tpunet_xc *have, size_t n_have, const struct tpunet_xc *want,
                   size_t n_want, struct tpunet_xc **breaks, size_t *n_breaks,
                   struct tpunet_xc **makes, size_t *n_makes);
int tpunet_xc_compare(const void *a, const void *b); /* for qsort: (ocs, north, south) */

/* ------------------------------------------------------------- weaves -- */

/* Which cube's + face meets which cube's - face on each OCS, apart from any cubes
 * in particular.  The torus is one weave of a shape; others have shorter ways
 * between the chips, so more all-to-all throughput, and no rings along the axes.
 * Coordinates, and what "logical" means, stay those of the shape. */
struct tpunet_weave {
    struct tpunet_shape shape; /* whole cubes; twisted or not as it is to be compared with */
    uint16_t n_cubes;
    uint16_t *next; /* [48][n_cubes] logical index: each OCS a permutation */
};
/* The weave of the torus itself, to be changed.  TPUNET_EINVAL for a mesh.  The
 * caller owns *out. */
int tpunet_weave_create(struct tpunet_weave **out, const struct tpunet_shape *shape,
                        struct tpunet_error *err);
void tpunet_weave_destroy(struct tpunet_weave *weave);
/* TPUNET_EINVAL, naming OCS and cubes, unless all 48 are permutations. */
int tpunet_weave_check(const struct tpunet_weave *weave, struct tpunet_error *err);
/* Makes the weave (copied) that of the intent.  TPUNET_EINVAL if it is none, or
 * one of another shape: then the intent is as it was. */
int tpunet_intent_weave(struct tpunet_intent *intent, const struct tpunet_weave *weave,
                        struct tpunet_error *err);

/* A search for a weave with more all-to-all throughput (docs/routing.md).  All
 * circuits of an OCS move its cubes by the same translation of the shape's torus,
 * so that all cubes stay alike: 48 translations are chosen by threshold accepting
 * (Dueck and Scheuer 1990), starting from the torus.  What is made small is the
 * mean of two lower bounds of the largest link load: the sum of all distances over
 * the links, and the same where fibres count twice, since they are what runs out
 * first.
 *
 * It reads no clock: run() makes `trials` changes, each kept if it makes the
 * figure worse by no more than about heat * 0.2 %; the caller lowers heat from 1 to 0.
 * The same seed and calls give the same weave. */
struct tpunet_weave_search;
/* TPUNET_EINVAL if there is nothing to choose (a mesh, or a single cube).  The
 * caller owns *out. */
int tpunet_weave_search_create(struct tpunet_weave_search **out, const struct tpunet_shape *shape,
                               uint64_t seed, struct tpunet_error *err);
void tpunet_weave_search_destroy(struct tpunet_weave_search *search);
void tpunet_weave_search_run(struct tpunet_weave_search *search, unsigned trials, double heat);
/* The best so far, the search's own until the next run() or destroy(). */
const struct tpunet_weave *tpunet_weave_search_best(struct tpunet_weave_search *search);
/* The figure of the best: no routes have a much lower largest link load. */
double tpunet_weave_search_figure(const struct tpunet_weave_search *search);

/* ------------------------------------------------------------- fabric -- */

/* The fabric seam: how the library reaches chips.  Everything is in band: a
 * chip is addressed by the chip where the command enters and the ports to
 * leave by, hop after hop; what live links do not reach gives no answer.
 *
 * Calls start work and return 0, after which `done` is called exactly once,
 * perhaps before the call returns; or they return a negative code and `done`
 * is never called.  All buffers belong to the caller and stay valid until
 * `done`.  A status passed to `done` is 0, TPUNET_EFABRIC or TPUNET_ESTALE. */
struct tpunet_path {
    uint32_t entry; /* chip number */
    uint16_t n_hops;
    const uint8_t *hops; /* port to leave by, per hop */
};

/* What a chip says of one of its ports. */
struct tpunet_port_state {
    bool up; /* light or copper, and a live neighbour */
    bool enabled;
    uint8_t peer_port; /* valid when up */
    uint32_t peer;     /* chip number, valid when up */
};
struct tpunet_probe_answer {
    bool answered;
    uint32_t chip;
    /* Of the tables that it forwards by; slice "": it has none. */
    char slice[32];
    uint64_t epoch, generation;
    struct tpunet_port_state port[TPUNET_PORTS];
};

/* Fences every write: a chip refuses a stamp older than the one it holds,
 * ordered by (epoch, generation), and a slice id other than its own unless the
 * stamp is newer. */
struct tpunet_stamp {
    char pod[32];
    char slice[32];
    uint64_t epoch;
    uint64_t generation;
};

enum { TPUNET_CLASSES = 4 }; /* inject, VC0, VC1, VC2 */

/* One row for one chip's shadow bank: for each destination the byte of the
 * table model below, for the classes named in the mask (bit c = class c). */
struct tpunet_row_write {
    struct tpunet_path path;
    uint32_t self; /* logical index of the chip */
    uint8_t class_mask;
    const uint8_t *row; /* [n_chips] */
};

typedef void tpunet_done_fn(void *arg, int status);

struct tpunet_fabric {
    void *ctx;
    /* Asks the chip at the end of each path who it is and who is on its ports. */
    int (*probe)(void *ctx, const struct tpunet_path *paths, size_t n,
                 struct tpunet_probe_answer *answers, tpunet_done_fn *done, void *arg);
    /* Writes rows to the shadow banks. */
    int (*write_rows)(void *ctx, const struct tpunet_stamp *stamp, uint32_t n_chips,
                      const struct tpunet_row_write *rows, size_t n, tpunet_done_fn *done,
                      void *arg);
    /* Stops injection of the slice at these chips and waits until no flit of
     * it is under way. */
    int (*quiesce)(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                   size_t n, tpunet_done_fn *done, void *arg);
    /* Makes the shadow bank the forwarding one and allows injection (R1: one
     * generation forwards per slice). */
    int (*commit)(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                  size_t n, tpunet_done_fn *done, void *arg);
    /* Enables or disables one port of the chip at the end of the path. */
    int (*set_port)(void *ctx, const struct tpunet_stamp *stamp, struct tpunet_path path,
                    unsigned port, bool enabled, tpunet_done_fn *done, void *arg);
};

/* ---------------------------------------------------------- discovery -- */

/* The graph found by breadth-first search: chips in the order of discovery,
 * each with the path that reached it. */
struct tpunet_found {
    uint32_t chip;   /* as reported */
    uint32_t parent; /* index in chips[], itself for the entry */
    uint8_t via;     /* port of the parent that leads here */
    uint16_t depth;
    struct tpunet_port_state port[TPUNET_PORTS];
};
struct tpunet_graph {
    struct tpunet_found *chips;
    size_t n;
    uint32_t *index; /* chip number -> position in chips[], or UINT32_MAX */
    size_t index_len;
};

/* The search as a machine without I/O: take the frontier, ask the fabric, give
 * the answers back, until the frontier is empty. */
struct tpunet_discovery;
/* Chips outside the intended cubes are seen on their neighbour's port but
 * never asked: the search does not wander into another slice.  `intent` must
 * outlive the search; TPUNET_EINVAL if the entry is not in it. */
int tpunet_discovery_create(struct tpunet_discovery **out, uint32_t entry_chip,
                            const struct tpunet_intent *intent, struct tpunet_error *err);
void tpunet_discovery_destroy(struct tpunet_discovery *d);
/* The chips to probe now; *paths stays valid until the next call.  Returns
 * their number, 0 when the search is complete. */
size_t tpunet_discovery_frontier(struct tpunet_discovery *d, const struct tpunet_path **paths);
/* Answers to the frontier, in its order.  A chip that does not answer is left
 * out of the graph.  TPUNET_EFABRIC: the entry is silent, an answer makes no
 * sense, or another chip answers than the one that was seen there. */
int tpunet_discovery_answer(struct tpunet_discovery *d, const struct tpunet_probe_answer *answers,
                            size_t n, struct tpunet_error *err);
const struct tpunet_graph *tpunet_discovery_graph(const struct tpunet_discovery *d);

/* ---------------------------------------------------------- placement -- */

enum tpunet_mismatch_kind {
    TPUNET_LINK_MISSING,     /* intended, not there: both ends see nothing */
    TPUNET_LINK_EXTRA,       /* there, between two ports meant to be dark */
    TPUNET_LINK_SWAPPED,     /* two fibres exchanged: `other` is the second */
    TPUNET_LINK_MISDIRECTED, /* leads to another chip or port than intended */
    TPUNET_CHIP_MISSING,     /* no live link leads to it, or it is silent */
    TPUNET_CHIP_EXTRA,       /* reached, yet not of this slice */
};

/* One end of a link. */
struct tpunet_link_end {
    uint32_t chip;
    uint8_t port;
};

/* One difference between fabric and intent, so exact that a person can walk
 * to it.  Optical links carry their OCS ports on both sides. */
struct tpunet_mismatch {
    uint8_t kind; /* enum tpunet_mismatch_kind */
    uint8_t port; /* of `chip` */
    bool optical;
    uint32_t chip;     /* physical chip number */
    uint32_t expected; /* peer chip number, or UINT32_MAX */
    uint32_t found;    /* peer chip number, or UINT32_MAX */
    uint8_t found_port;
    struct tpunet_ocs_port at;     /* of (chip, port), when optical */
    struct tpunet_ocs_port other;  /* the intended far end; the second fibre when swapped */
    struct tpunet_link_end second; /* the chip port of the second fibre, when swapped */
};
const char *tpunet_mismatch_name(unsigned kind); /* "missing", "extra", ... */
/* One line and returns buf (512 bytes hold every line): "swapped:
 * fibre/5+x-0-3 (ocs/12 north 5) and fibre/6+x-0-3 (ocs/12 north 6), or ...". */
const char *tpunet_mismatch_format(const struct tpunet_mismatch *m, char *buf, size_t size);

/* Compares what was found with the intent, chip by chip and link by link, and
 * lists each difference once, sorted by (chip, port).  Returns their number;
 * *out is NULL when 0, else the caller frees it.  TPUNET_EINVAL: the intent is
 * none of this wiring.
 *
 * An intended link that is not there is one entry: MISDIRECTED from the end
 * that sees something else (the + end first), MISSING from its + end when both
 * are dark.  Two links whose ends are exchanged are one SWAPPED, whether at
 * one OCS, at two, or with a fibre of another slice that shines; from the
 * links alone the exchange of the two far fibres looks the same, so the line
 * names these as well.  A missing chip is one entry, its links none.
 * A link counts when both of its ends see each other and are enabled.
 * `dead` may be NULL, or a list of [n_dead] {chip, port} links (either end)
 * known to be down and not to be reported as missing; nor is a chip of which
 * all links are. */
int tpunet_place(const struct tpunet_graph *graph, const struct tpunet_intent *intent,
                 const struct tpunet_wiring *wiring, const struct tpunet_link_end *dead,
                 size_t n_dead, struct tpunet_mismatch **out, struct tpunet_error *err);

/* ----------------------------------------------------------- topology -- */

/* The links that routes may use: logical chips and their neighbours. */
struct tpunet_topology {
    struct tpunet_shape shape;
    uint32_t n_chips;
    uint16_t *peer; /* [n_chips][6] logical chip, or TPUNET_NONE when down */
    bool *dead;     /* [n_chips] no source, no destination, no links */
    uint32_t n_dead;
};
/* All links of the intended slice; mesh borders are TPUNET_NONE. */
int tpunet_topology_create(struct tpunet_topology **out, const struct tpunet_intent *intent,
                           struct tpunet_error *err);
/* The same from a shape alone (logical cubes 0..n-1), or from a weave. */
int tpunet_topology_of_shape(struct tpunet_topology **out, const struct tpunet_shape *shape,
                             struct tpunet_error *err);
int tpunet_topology_of_weave(struct tpunet_topology **out, const struct tpunet_weave *weave,
                             struct tpunet_error *err);
void tpunet_topology_destroy(struct tpunet_topology *t);
/* Takes one link down, both directions; no effect if it is down already. */
void tpunet_topology_cut(struct tpunet_topology *t, uint32_t logical, unsigned port);
/* Takes a chip out: all its links, and it as source and destination. */
void tpunet_topology_kill(struct tpunet_topology *t, uint32_t logical);
/* Takes every circuit of one OCS down: 16 * axis + a + 4 b, the links of `axis`
 * that leave a cube at the in-cube coordinates a, b on the two other axes in
 * rising order.  TPUNET_EINVAL if there is no such OCS; a mesh has no circuits. */
int tpunet_topology_cut_ocs(struct tpunet_topology *t, unsigned ocs, struct tpunet_error *err);

/* ------------------------------------------------------------- routes -- */

/* Table model.  An entry says, for a packet at a chip, bound for a destination
 * and arriving in a class (INJECT, or the VC it came on), which port to leave
 * by and on which VC:  bits 0-2 port (0..5, 6 = arrived, 7 = no route), bits
 * 4-5 VC.  Destinations are logical indices.  Classes whose rows are equal
 * share a plane, so a dimension-ordered table takes n_chips bytes a chip and a
 * fault-tolerant one twice that. */
enum { TPUNET_ARRIVED = 6, TPUNET_NO_ROUTE = 7 };
enum tpunet_class { TPUNET_INJECT, TPUNET_VC0, TPUNET_VC1, TPUNET_VC2 };

static inline uint8_t tpunet_entry(unsigned port, unsigned vc)
{
    return (uint8_t)(port | vc << 4);
}
static inline unsigned tpunet_entry_port(uint8_t e)
{
    return e & 7U;
}
static inline unsigned tpunet_entry_vc(uint8_t e)
{
    return (e >> 4) & 3U;
}

struct tpunet_tables {
    uint32_t n_chips;
    uint8_t n_planes;
    uint8_t plane[TPUNET_CLASSES]; /* class -> plane */
    uint8_t n_vcs;                 /* VC classes used */
    const char *algorithm;         /* static name: "dor", ... */
    uint8_t *rows;                 /* [n_planes][n_chips][n_chips] */
};
static inline uint8_t tpunet_lookup(const struct tpunet_tables *t, unsigned cls, uint32_t chip,
                                    uint32_t dst)
{
    size_t n = t->n_chips;
    return t->rows[((size_t)t->plane[cls] * n + chip) * n + dst];
}

/* Fault-free dimension-order routes: minimal around each ring, VC0 while the
 * dateline lies ahead (the wrap hop itself is VC0), VC1 after; ties of half a
 * ring broken by parity so that both directions carry the same load.  Twisted
 * tori follow a minimal lattice vector, axes in the given order.  Meshes need
 * one VC.  `order` is a permutation of the axes, NULL for x, y, z. */
int tpunet_route_dor(struct tpunet_tables **out, const struct tpunet_shape *shape,
                     const uint8_t *order, struct tpunet_error *err);
/* The same without datelines, and half a ring always +: the verifier's
 * negative control.  Plain tori only, else TPUNET_EINVAL. */
int tpunet_route_dor_unsafe(struct tpunet_tables **out, const struct tpunet_shape *shape,
                            struct tpunet_error *err);
/* Routes over the links that are up, whatever is down: tpunet_route_dor() when
 * that is nothing, wild-first routes when it is one OCS (below), dimension order
 * with detours ("detour") when it is links of few axes and VCs are three, "woven" for
 * another weave than the shape's with all cubes alike and nothing down but whole OCSes, else
 * ("up-down") shortest paths in an acyclic order of the channels with the load
 * balanced, which serve every pair that the links connect.  A chip that is
 * marked dead is neither served nor used.  TPUNET_EINVAL for other numbers of VCs than 2 and 3;
 * TPUNET_EUNREACHABLE, naming a pair, when the links leave chips apart.  What
 * comes out is still to be proved. */
struct tpunet_route_cache; /* see below */
struct tpunet_route_options {
    unsigned vcs;                     /* virtual channels of a link: 2 or 3; 0 stands for 3 */
    struct tpunet_route_cache *cache; /* asked first for one dead OCS, and given what it lacked */
    uint16_t neighbour_weight;        /* of tpunet_route_key, for one dead OCS; 0 stands for 1 */
};
int tpunet_route_around(struct tpunet_tables **out, const struct tpunet_topology *topology,
                        const struct tpunet_route_options *options, struct tpunet_error *err);
void tpunet_tables_destroy(struct tpunet_tables *t);

/* -------------------------------------- routes around one dead switch -- */

/* Wild-first routing (Zu et al., NSDI'24) when one optical circuit switch is
 * dead: a packet may make one hop out of order as its first, then follows
 * dimension-order routes that begin with the axis of the switch.  Which pairs
 * do so is found by a search that minimises the largest link load of
 * all-to-all traffic (docs/routing.md).
 *
 * The 16 switches of an axis are alike up to translation, so a solution stands
 * for all of them: solve once (slow), expand for one switch (fast), prove.
 * Solving touches nothing but its arguments: any thread may do it. */
struct tpunet_route_key {
    struct tpunet_shape shape; /* whole cubes */
    uint8_t axis;              /* of the dead switch */
    uint8_t n_vcs;             /* 2 or 3 */
    uint16_t neighbour_weight; /* a pair of neighbouring chips counts as so many pairs, >= 1;
                                * 1 balances for all-to-all alone */
};
struct tpunet_route_figures {
    double bound;            /* of the busiest link, all-to-all: see docs/routing.md */
    uint32_t max_link_load;  /* of all-to-all, neighbours weighted; compare tpunet_proof */
    uint32_t neighbour_load; /* routes between neighbouring chips over one link; 1 without fault */
};
struct tpunet_route_solution; /* immutable; 64 n_chips bytes with 3 VCs, up to n_chips^2 with 2 */

/* The caller owns *out.  TPUNET_EINVAL, TPUNET_ESHAPE, TPUNET_ETWIST for the
 * key; TPUNET_EUNREACHABLE if some pair has no route with one wild hop (never
 * with 3 VCs). */
int tpunet_route_solve(struct tpunet_route_solution **out, const struct tpunet_route_key *key,
                       struct tpunet_error *err);
void tpunet_route_solution_destroy(struct tpunet_route_solution *s);
const struct tpunet_route_key *tpunet_route_solution_key(const struct tpunet_route_solution *s);
const struct tpunet_route_figures *tpunet_route_solution_figures(
    const struct tpunet_route_solution *s);
/* Tables for the switch at in-face position (a, b) of the axis, two planes:
 * injection, and all other classes.  They have still to be proved. */
int tpunet_route_expand(struct tpunet_tables **out, const struct tpunet_route_solution *s,
                        unsigned a, unsigned b, struct tpunet_error *err);

/* Solutions kept in memory, most recently used first; those at the end go when
 * a new one would take the cache above its size.  At most three solutions (one
 * an axis) are of use for a shape and a number of VCs. */
int tpunet_route_cache_create(struct tpunet_route_cache **out, size_t max_bytes,
                              struct tpunet_error *err);
void tpunet_route_cache_destroy(struct tpunet_route_cache *cache);
/* The cache's own, until the next insert, load or destroy; NULL if not there. */
const struct tpunet_route_solution *tpunet_route_cache_lookup(struct tpunet_route_cache *cache,
                                                              const struct tpunet_route_key *key);
/* Takes the solution over, in place of an older one of its key.  TPUNET_EINVAL
 * if it alone is above the cache's size: it stays the caller's. */
int tpunet_route_cache_insert(struct tpunet_route_cache *cache, struct tpunet_route_solution *s,
                              struct tpunet_error *err);
/* How many solutions were ever inserted: rises when there is something to save. */
uint64_t tpunet_route_cache_inserts(const struct tpunet_route_cache *cache);
/* The whole cache as *size bytes for a file, half a byte a choice; the caller
 * frees *out with free(). */
int tpunet_route_cache_save(const struct tpunet_route_cache *cache, uint8_t **out, size_t *size,
                            struct tpunet_error *err);
/* Replaces what is in the cache by what was saved, as much as fits.
 * TPUNET_EINVAL for a file of another version, damaged or cut short: nothing
 * changes.  Routes from a file are proved like all others before they forward. */
int tpunet_route_cache_load(struct tpunet_route_cache *cache, const uint8_t *bytes, size_t size,
                            struct tpunet_error *err);

/* ------------------------------------------------------------ verifier -- */

/* What was proved of a table set on a topology. */
struct tpunet_proof {
    uint64_t pairs; /* ordered pairs of distinct chips, the dead left out */
    uint64_t unreachable_pairs;
    uint32_t bad_chip, bad_dst; /* the first bad entry, or "no route" that a packet meets */
    uint32_t max_hops;          /* of the routes that arrive */
    double mean_hops;           /* sum of the link loads / pairs */
    double max_link_load;       /* routes over the busiest directed link, all pairs once */
    uint64_t channels;          /* (link, VC) in use */
    uint64_t dependencies;      /* edges of the channel dependency graph */
    bool acyclic;
    uint32_t cycle_len; /* of the witness below, 0 if acyclic */
    struct {
        uint32_t chip;
        uint8_t port, vc;
    } cycle[16]; /* the first channels of one cycle */
};
/* Proves that every entry is valid (no entry over a dead link, "arrived" only
 * on the diagonal), every pair has a route, and the channel dependency graph
 * over (link, VC) has no cycle.  Of the classes that share no plane with
 * injection, only those in which a packet can arrive need a route; "no route"
 * is right for the others, and alone right at a dead chip or for one.  Returns 0;
 * TPUNET_EUNREACHABLE, for any entry at fault, the text naming chip and
 * destination; TPUNET_ECYCLE; TPUNET_EINVAL for tables that are malformed or of
 * another size.  *proof is filled but for TPUNET_EINVAL and TPUNET_ENOMEM; with
 * a cycle, unreachable_pairs and the figures of hops and load stay 0. */
int tpunet_verify(const struct tpunet_tables *tables, const struct tpunet_topology *topology,
                  struct tpunet_proof *proof, struct tpunet_error *err);
/* Walks one route; returns the number of hops written, or TPUNET_EUNREACHABLE
 * when the packet is lost or needs more than max_hops. */
struct tpunet_hop {
    uint32_t chip;
    uint8_t port, vc;
};
int tpunet_walk(const struct tpunet_tables *tables, const struct tpunet_topology *topology,
                uint32_t src, uint32_t dst, struct tpunet_hop *hops, size_t max_hops);

/* -------------------------------------------------------------- bounds -- */

/* The parts that the links leave: fills part[n_chips] with 0, 1, ... in order of
 * their first chips, TPUNET_NONE for the dead, and returns how many there are.
 * No routes serve two chips of different parts. */
int tpunet_parts(const struct tpunet_topology *topology, uint16_t *part);

/* No routes have a lower largest link load than either of these, all pairs of
 * live chips sending one packet each.  Links count once a direction. */
struct tpunet_bounds {
    double cut; /* most pairs a link across any slab or around any chip; see below */
    double hop; /* sum of the distances / live links */
    /* Where the cut bound is reached: the chips with lo <= coordinate < hi on
     * `axis`, or (axis == TPUNET_AXES) the one chip `chip`. */
    uint8_t axis;
    uint16_t lo, hi;
    uint32_t chip;
};
/* Tries every slab of every axis and every chip as one side of the cut: pairs
 * across / links across.  TPUNET_EUNREACHABLE, naming a pair, when the links
 * leave live chips apart. */
int tpunet_bound(struct tpunet_bounds *out, const struct tpunet_topology *topology,
                 struct tpunet_error *err);
/* The least that the largest link load of the shape can be when nothing is
 * down, by the same bounds: N n / 8 on a plain torus whose longest axis is n, the
 * hop bound on a twisted one.  What faulty routes retain of the all-to-all
 * throughput is this over their largest load. */
double tpunet_reference_load(const struct tpunet_shape *shape);

/* ----------------------------------------------------------- bring-up -- */

/* Brings a slice up over the fabric seam: discover, place, route, prove,
 * install.  Without I/O of its own, it moves when the fabric answers. */
enum tpunet_bringup_mode {
    TPUNET_INSTALL, /* the whole way; first enables the ports that it needs, and no others */
    TPUNET_CHECK,   /* discover, place, and ask which tables are in use: nothing is written */
};
enum tpunet_bringup_phase {
    TPUNET_DISCOVERING,
    TPUNET_ROUTING,
    TPUNET_WRITING,
    TPUNET_QUIESCING,
    TPUNET_COMMITTING,
    TPUNET_DONE,
};
/* Routes of a large slice may take seconds, which a loop that has leases to renew
 * cannot spare.  run() has work(arg) called on some thread, then, on the thread
 * of the bring-up, done(arg, 0); or it returns a negative code and neither is
 * called.  The work touches the bring-up and options.route.cache alone. */
struct tpunet_executor {
    void *ctx;
    int (*run)(void *ctx, void (*work)(void *arg), tpunet_done_fn *done, void *arg);
};
struct tpunet_bringup_options {
    enum tpunet_bringup_mode mode;
    struct tpunet_route_options route;      /* a cache must outlive the bring-up */
    const struct tpunet_executor *executor; /* copied; NULL: routes are made at once */
    /* With accept_degraded, links of `dead` (either end, physical chips; copied)
     * may be down: they are no mismatch, routes go around them whether they are
     * down or not, and a chip with no other link is left out.  Links of other
     * slices may be among them.  Without it the list is not looked at. */
    bool accept_degraded;
    size_t n_dead;
    const struct tpunet_link_end *dead;
};
struct tpunet_verdict {
    int status; /* 0, or why the slice is not up */
    struct tpunet_error error;
    struct tpunet_mismatch *mismatches; /* owned by the bring-up */
    size_t n_mismatches;
    size_t chips_found;
    struct tpunet_proof proof;
    const char *algorithm;
    uint8_t n_vcs;
    size_t table_bytes_per_chip;
    bool degraded;                       /* routes go around dead links */
    uint32_t n_dead_links, n_dead_chips; /* of the slice */
    double retained;                     /* reference load / largest load, 0 before the proof */
};
struct tpunet_bringup;
typedef void tpunet_verdict_fn(void *arg, const struct tpunet_verdict *verdict);
/* `fabric`, `intent` and `wiring` must outlive the bring-up.  `entry_chip` is
 * a chip of the slice, else TPUNET_EINVAL.  `options` may be NULL: a whole
 * slice is installed. */
int tpunet_bringup_create(struct tpunet_bringup **out, const struct tpunet_fabric *fabric,
                          const struct tpunet_intent *intent, const struct tpunet_wiring *wiring,
                          const struct tpunet_stamp *stamp, uint32_t entry_chip,
                          const struct tpunet_bringup_options *options, struct tpunet_error *err);
/* Starts it; `done` is called once, perhaps before this returns, and may
 * destroy the bring-up.  The verdict is the bring-up's.  Its status is 0, or
 * TPUNET_EMISMATCH with the list (nothing was written), or what a phase ended
 * with; the error's text names the phase. */
void tpunet_bringup_start(struct tpunet_bringup *b, tpunet_verdict_fn *done, void *arg);
enum tpunet_bringup_phase tpunet_bringup_phase(const struct tpunet_bringup *b);
/* Not while a fabric call is under way: cancel first, and wait for `done`. */
void tpunet_bringup_destroy(struct tpunet_bringup *b);
/* Ends it with TPUNET_ECANCELED once the call under way has ended.  Committing
 * is the point of no return: from there on, this does nothing. */
void tpunet_bringup_cancel(struct tpunet_bringup *b);

#ifdef __cplusplus
}
#endif
#endif
