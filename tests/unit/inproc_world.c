#include "inproc_world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { AXES = 3, SWITCHES = 48 };
#define NOBODY UINT32_MAX

struct row {
    unsigned refs;
    uint8_t bytes[];
};

struct chip {
    bool alive, injects;
    bool enabled[6], cut[6];
    struct tpunet_stamp stamp, active_stamp;
    struct row *shadow[TPUNET_CLASSES], *active[TPUNET_CLASSES];
};

/* Where a fibre is plugged in: (switch * 2 + side) * ports + port. */
struct inproc_world {
    unsigned cubes, ports, calls, fail_in;
    struct tpunet_fabric fabric;
    struct chip *chips;
    uint32_t *plug;   /* [chip * 6 + port] socket, NOBODY when electrical */
    uint32_t *holder; /* [socket] chip * 6 + port */
    uint32_t *mirror; /* [socket] socket across the switch */
};

static uint32_t socket_of(const struct inproc_world *w, unsigned ocs, bool south, unsigned port)
{
    assert(ocs < SWITCHES && port < w->ports);
    return (ocs * 2 + south) * w->ports + port;
}

/* The wiring rule of the pod: 16 * axis + a + 4 b, where a and b are the two
 * other coordinates in rising axis order; + faces north, - faces south. */
static void plug_in(struct inproc_world *w, uint32_t chip, unsigned port)
{
    unsigned cube = chip / 64, axis = port / 2;
    bool minus = port % 2 == 1;
    unsigned at[AXES] = {chip % 4, chip / 4 % 4, chip / 16 % 4}, others[2], n = 0;
    w->plug[chip * 6 + port] = NOBODY;
    if (at[axis] != (minus ? 0 : 3))
        return;
    for (unsigned k = 0; k < AXES; k++) {
        if (k != axis)
            others[n++] = at[k];
    }
    uint32_t socket = socket_of(w, 16 * axis + others[0] + 4 * others[1], minus, cube);
    w->plug[chip * 6 + port] = socket;
    w->holder[socket] = chip * 6 + port;
}

/* The port that the cable or the light of a port ends at. */
static uint32_t far_end(const struct inproc_world *w, uint32_t chip, unsigned port)
{
    static const int step[6] = {1, -1, 4, -4, 16, -16};
    uint32_t socket = w->plug[chip * 6 + port];
    if (socket == NOBODY)
        return (uint32_t)((int)chip + step[port]) * 6 + (port ^ 1);
    return w->mirror[socket] == NOBODY ? NOBODY : w->holder[w->mirror[socket]];
}

static struct tpunet_port_state look(const struct inproc_world *w, uint32_t chip, unsigned port)
{
    const struct chip *c = &w->chips[chip];
    struct tpunet_port_state s = {.enabled = c->enabled[port]};
    uint32_t far = far_end(w, chip, port);
    if (far == NOBODY || c->cut[port])
        return s;
    const struct chip *peer = &w->chips[far / 6];
    if (!peer->alive || peer->cut[far % 6] || !peer->enabled[far % 6])
        return s;
    s.up = true;
    s.peer = far / 6;
    s.peer_port = (uint8_t)(far % 6);
    return s;
}

/* ------------------------------------------------------------- the world -- */

struct inproc_world *inproc_create(unsigned cubes, unsigned ports)
{
    struct inproc_world *w = calloc(1, sizeof *w);
    size_t n = (size_t)cubes * 64, sockets = (size_t)SWITCHES * 2 * ports;
    assert(w != NULL && cubes <= ports);
    w->cubes = cubes;
    w->ports = ports;
    w->fail_in = UINT32_MAX;
    w->chips = calloc(n, sizeof *w->chips);
    w->plug = malloc(n * 6 * sizeof *w->plug);
    w->holder = malloc(sockets * sizeof *w->holder);
    w->mirror = malloc(sockets * sizeof *w->mirror);
    assert(w->chips != NULL && w->plug != NULL && w->holder != NULL && w->mirror != NULL);
    memset(w->holder, 0xFF, sockets * sizeof *w->holder);
    memset(w->mirror, 0xFF, sockets * sizeof *w->mirror);
    for (uint32_t chip = 0; chip < n; chip++) {
        w->chips[chip].alive = true;
        for (unsigned port = 0; port < 6; port++) {
            w->chips[chip].enabled[port] = true;
            plug_in(w, chip, port);
        }
    }
    return w;
}

static void drop(struct row **row)
{
    if (*row != NULL && --(*row)->refs == 0)
        free(*row);
    *row = NULL;
}

void inproc_destroy(struct inproc_world *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < (size_t)w->cubes * 64; i++) {
        for (unsigned c = 0; c < TPUNET_CLASSES; c++) {
            drop(&w->chips[i].shadow[c]);
            drop(&w->chips[i].active[c]);
        }
    }
    free(w->chips);
    free(w->plug);
    free(w->holder);
    free(w->mirror);
    free(w);
}

void inproc_make(struct inproc_world *w, const struct tpunet_xc *xcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t north = socket_of(w, xcs[i].ocs, false, xcs[i].north);
        uint32_t south = socket_of(w, xcs[i].ocs, true, xcs[i].south);
        assert(w->mirror[north] == NOBODY && w->mirror[south] == NOBODY);
        w->mirror[north] = south;
        w->mirror[south] = north;
    }
}

void inproc_break(struct inproc_world *w, const struct tpunet_xc *xcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t north = socket_of(w, xcs[i].ocs, false, xcs[i].north);
        uint32_t south = socket_of(w, xcs[i].ocs, true, xcs[i].south);
        assert(w->mirror[north] == south && w->mirror[south] == north);
        w->mirror[north] = NOBODY;
        w->mirror[south] = NOBODY;
    }
}

void inproc_swap_fibres(struct inproc_world *w, uint32_t chip_a, unsigned port_a, uint32_t chip_b,
                        unsigned port_b)
{
    uint32_t a = chip_a * 6 + port_a, b = chip_b * 6 + port_b;
    uint32_t at_a = w->plug[a], at_b = w->plug[b];
    assert(at_a != NOBODY && at_b != NOBODY);
    w->plug[a] = at_b;
    w->plug[b] = at_a;
    w->holder[at_a] = b;
    w->holder[at_b] = a;
}

void inproc_move_fibre(struct inproc_world *w, uint32_t chip, unsigned port, unsigned ocs_port)
{
    uint32_t from = w->plug[chip * 6 + port];
    assert(from != NOBODY && ocs_port < w->ports);
    uint32_t to = from - from % w->ports + ocs_port;
    assert(w->holder[to] == NOBODY);
    w->holder[from] = NOBODY;
    w->holder[to] = chip * 6 + port;
    w->plug[chip * 6 + port] = to;
}

void inproc_cut(struct inproc_world *w, uint32_t chip, unsigned port)
{
    w->chips[chip].cut[port] = true;
}

void inproc_kill_chip(struct inproc_world *w, uint32_t chip)
{
    w->chips[chip].alive = false;
}

void inproc_fail_after(struct inproc_world *w, unsigned n)
{
    w->fail_in = n;
}

const uint8_t *inproc_row(const struct inproc_world *w, uint32_t chip, unsigned cls)
{
    const struct row *row = w->chips[chip].active[cls];
    return row == NULL ? NULL : row->bytes;
}

const struct tpunet_stamp *inproc_stamp(const struct inproc_world *w, uint32_t chip)
{
    return &w->chips[chip].stamp;
}

bool inproc_injects(const struct inproc_world *w, uint32_t chip)
{
    return w->chips[chip].injects;
}

unsigned inproc_calls(const struct inproc_world *w)
{
    return w->calls;
}

/* -------------------------------------------------------------- the seam -- */

/* Follows a path over enabled live links; NULL where it breaks off. */
static struct chip *reach(struct inproc_world *w, const struct tpunet_path *path)
{
    uint32_t at = path->entry;
    if (at >= w->cubes * 64U || !w->chips[at].alive)
        return NULL;
    for (unsigned i = 0; i < path->n_hops; i++) {
        struct tpunet_port_state s = look(w, at, path->hops[i]);
        if (!s.up || !s.enabled)
            return NULL;
        at = s.peer;
    }
    return &w->chips[at];
}

static bool failing(struct inproc_world *w)
{
    w->calls++;
    return w->fail_in-- == 0;
}

static int probe(void *ctx, const struct tpunet_path *paths, size_t n,
                 struct tpunet_probe_answer *answers, tpunet_done_fn *done, void *arg)
{
    struct inproc_world *w = ctx;
    bool fails = failing(w);
    for (size_t i = 0; i < n && !fails; i++) {
        const struct chip *chip = reach(w, &paths[i]);
        answers[i] = (struct tpunet_probe_answer){.answered = chip != NULL};
        if (chip == NULL)
            continue;
        answers[i].chip = (uint32_t)(chip - w->chips);
        memcpy(answers[i].slice, chip->active_stamp.slice, sizeof answers[i].slice);
        answers[i].epoch = chip->active_stamp.epoch;
        answers[i].generation = chip->active_stamp.generation;
        for (unsigned port = 0; port < 6; port++)
            answers[i].port[port] = look(w, answers[i].chip, port);
    }
    done(arg, fails ? TPUNET_EFABRIC : 0);
    return 0;
}

/* May a write with this stamp reach the chip? */
static int admit(const struct chip *chip, const struct tpunet_stamp *stamp)
{
    if (chip == NULL)
        return TPUNET_EFABRIC;
    const struct tpunet_stamp *held = &chip->stamp;
    if (stamp->epoch != held->epoch)
        return stamp->epoch > held->epoch ? 0 : TPUNET_ESTALE;
    if (stamp->generation != held->generation)
        return stamp->generation > held->generation ? 0 : TPUNET_ESTALE;
    return strcmp(stamp->slice, held->slice) == 0 ? 0 : TPUNET_ESTALE;
}

static int admit_all(struct inproc_world *w, const struct tpunet_stamp *stamp,
                     const struct tpunet_path *paths, size_t n)
{
    int rc = failing(w) ? TPUNET_EFABRIC : 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = admit(reach(w, &paths[i]), stamp);
    return rc;
}

static void load_row(struct chip *chip, const struct tpunet_row_write *write, uint32_t n_chips)
{
    struct row *row = malloc(sizeof *row + n_chips);
    assert(row != NULL && write->class_mask != 0);
    row->refs = 0;
    memcpy(row->bytes, write->row, n_chips);
    for (unsigned c = 0; c < TPUNET_CLASSES; c++) {
        if ((write->class_mask >> c & 1) == 0)
            continue;
        drop(&chip->shadow[c]);
        chip->shadow[c] = row;
        row->refs++;
    }
}

static int write_rows(void *ctx, const struct tpunet_stamp *stamp, uint32_t n_chips,
                      const struct tpunet_row_write *rows, size_t n, tpunet_done_fn *done,
                      void *arg)
{
    struct inproc_world *w = ctx;
    int rc = failing(w) ? TPUNET_EFABRIC : 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = admit(reach(w, &rows[i].path), stamp);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct chip *chip = reach(w, &rows[i].path);
        chip->stamp = *stamp;
        load_row(chip, &rows[i], n_chips);
    }
    done(arg, rc);
    return 0;
}

static int quiesce(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                   size_t n, tpunet_done_fn *done, void *arg)
{
    struct inproc_world *w = ctx;
    int rc = admit_all(w, stamp, paths, n);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct chip *chip = reach(w, &paths[i]);
        chip->stamp = *stamp;
        chip->injects = false;
    }
    done(arg, rc);
    return 0;
}

static int commit(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                  size_t n, tpunet_done_fn *done, void *arg)
{
    struct inproc_world *w = ctx;
    int rc = admit_all(w, stamp, paths, n);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct chip *chip = reach(w, &paths[i]);
        chip->stamp = chip->active_stamp = *stamp;
        chip->injects = true;
        for (unsigned c = 0; c < TPUNET_CLASSES; c++) {
            drop(&chip->active[c]);
            chip->active[c] = chip->shadow[c];
            chip->shadow[c] = NULL;
        }
    }
    done(arg, rc);
    return 0;
}

static int set_port(void *ctx, const struct tpunet_stamp *stamp, struct tpunet_path path,
                    unsigned port, bool enabled, tpunet_done_fn *done, void *arg)
{
    struct inproc_world *w = ctx;
    int rc = admit_all(w, stamp, &path, 1);
    if (rc == 0)
        reach(w, &path)->enabled[port] = enabled;
    done(arg, rc);
    return 0;
}

const struct tpunet_fabric *inproc_fabric(struct inproc_world *w)
{
    w->fabric = (struct tpunet_fabric){
        .ctx = w,
        .probe = probe,
        .write_rows = write_rows,
        .quiesce = quiesce,
        .commit = commit,
        .set_port = set_port,
    };
    return &w->fabric;
}

static void note_status(void *arg, int status)
{
    *(int *)arg = status;
}

int inproc_discover(struct inproc_world *w, struct tpunet_discovery *d, struct tpunet_error *err)
{
    const struct tpunet_path *paths;
    struct tpunet_probe_answer *answers = NULL;
    int rc = 0;
    for (size_t n; rc == 0 && (n = tpunet_discovery_frontier(d, &paths)) > 0;) {
        struct tpunet_probe_answer *more = realloc(answers, n * sizeof *answers);
        assert(more != NULL);
        answers = more;
        probe(w, paths, n, answers, note_status, &rc);
        if (rc == 0)
            rc = tpunet_discovery_answer(d, answers, n, err);
    }
    free(answers);
    return rc;
}
