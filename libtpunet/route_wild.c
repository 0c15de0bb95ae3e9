/* Plans around one dead switch, solved and laid over tables; see
 * route_wild.h. */
#include "ring.h"
#include "route_wild.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ solutions -- */

static int check_key(const struct tpunet_route_key *key, struct tpunet_error *err)
{
    char name[24];
    int rc = tpunet_shape_check(&key->shape, tpunet_shape_format(&key->shape, name), err);
    if (rc < 0)
        return rc;
    if (key->shape.mesh)
        return tpunet_fail(err, TPUNET_EINVAL, "%s uses no optical circuit switch", name);
    if (key->axis >= TPUNET_AXES)
        return tpunet_fail(err, TPUNET_EINVAL, "axis %u", key->axis);
    if (key->n_vcs < 2 || key->n_vcs > 3)
        return tpunet_fail(err, TPUNET_EINVAL, "%u virtual channels: 2 or 3 are needed",
                           key->n_vcs);
    if (key->neighbour_weight < 1)
        return tpunet_fail(err, TPUNET_EINVAL, "a neighbour weight of 0: 1 is the least");
    return 0;
}

/* Pairs told apart: see struct places. */
static size_t count_choices(const struct tpunet_route_key *key)
{
    size_t n = tpunet_shape_chips(&key->shape), places = n;
    if (key->n_vcs == 3)
        places = CLASSES;
    else if (!key->shape.twisted)
        places = n / key->shape.dim[key->axis] * TPUNET_CUBE_DIM;
    return places * n;
}

int solution_check(const struct tpunet_route_key *key, size_t *n_choices, struct tpunet_error *err)
{
    int rc = check_key(key, err);
    if (rc < 0)
        return rc;
    *n_choices = count_choices(key);
    return 0;
}

int solution_create(struct tpunet_route_solution **out, const struct tpunet_route_key *key,
                    struct tpunet_error *err)
{
    size_t n_choices;
    int rc = solution_check(key, &n_choices, err);
    if (rc < 0)
        return rc;
    struct tpunet_route_solution *s = malloc(sizeof *s + n_choices);
    if (s == NULL)
        return tpunet_fail_nomem(err);
    s->key = *key;
    s->figures = (struct tpunet_route_figures){0};
    s->n_choices = n_choices;
    *out = s;
    return 0;
}

void tpunet_route_solution_destroy(struct tpunet_route_solution *s)
{
    free(s);
}

const struct tpunet_route_key *tpunet_route_solution_key(const struct tpunet_route_solution *s)
{
    return &s->key;
}

const struct tpunet_route_figures *tpunet_route_solution_figures(
    const struct tpunet_route_solution *s)
{
    return &s->figures;
}

/* What solving and expanding both start from. */
static int frame_init(struct base_routes *base, struct places *places,
                      const struct tpunet_route_key *key, struct tpunet_error *err)
{
    int rc = base_routes_init(base, &key->shape, key->axis, err);
    if (rc < 0)
        return rc;
    rc = places_init(places, base, key->n_vcs, err);
    if (rc < 0)
        base_routes_fini(base);
    return rc;
}

static void frame_fini(struct base_routes *base, struct places *places)
{
    places_fini(places);
    base_routes_fini(base);
}

int tpunet_route_solve(struct tpunet_route_solution **out, const struct tpunet_route_key *key,
                       struct tpunet_error *err)
{
    struct tpunet_route_solution *s;
    struct base_routes base;
    struct places places;
    int rc = solution_create(&s, key, err);
    if (rc < 0)
        return rc;
    rc = frame_init(&base, &places, key, err);
    if (rc == 0) {
        rc = wild_search(s, &base, &places, err);
        frame_fini(&base, &places);
    }
    if (rc < 0) {
        tpunet_route_solution_destroy(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* --------------------------------------------------------------- tables -- */

/* One chip's view while its two rows are written. */
struct pen {
    const struct base_routes *base;
    uint16_t at[TPUNET_AXES];            /* the chip */
    unsigned cls;                        /* its class */
    const uint8_t *port;                 /* [n] base routes of its class */
    const uint16_t *run;                 /* [n] */
    const uint8_t *choice;               /* [n] plan of its place */
    const uint8_t *wild;                 /* [6] of its place */
    uint16_t wraps[TPUNET_PORTS + 2];    /* the shortest run that wraps around */
    uint8_t *inject, *transit;           /* its rows */
    uint8_t *inject_line, *transit_line; /* scratch, [dim[0]] */
};

static uint8_t first_entry(const struct pen *pen, uint32_t d, unsigned port)
{
    if (pen->wild[port] != TPUNET_NO_ROUTE)
        return pen->wild[port];
    return tpunet_entry(port, run_in_order(pen->base, pen->cls, d, port) < pen->wraps[port]);
}

/* Entries for the differences d .. d + dim[0] - 1. */
static void find_entries(const struct pen *pen, uint32_t d)
{
    for (uint32_t x = 0; x < pen->base->shape.dim[0]; x++, d++) {
        unsigned port = pen->port[d], choice = pen->choice[d];
        uint8_t entry = tpunet_entry(port, pen->run[d] < pen->wraps[port]);
        pen->transit_line[x] = entry;
        pen->inject_line[x] = choice == AS_BASE ? entry : first_entry(pen, d, choice);
    }
}

/* Where the difference `by` leads from the chip. */
static uint32_t destination(const struct pen *pen, const uint16_t by[static TPUNET_AXES])
{
    const struct tpunet_shape *shape = &pen->base->shape;
    uint16_t to[TPUNET_AXES] = {pen->at[0], pen->at[1], pen->at[2]};
    torus_add(shape->dim, shape->twisted, to, by);
    return tpunet_logical_index(shape, to);
}

/* Lays a line of differences, all of x at `y` and `z`, over the rows: first
 * the destinations short of the wraparound of x, then those behind it. */
static void write_line(const struct pen *pen, uint16_t y, uint16_t z)
{
    const uint32_t width = pen->base->shape.dim[0], ahead = width - pen->at[0];
    uint32_t to = destination(pen, (uint16_t[TPUNET_AXES]){0, y, z});
    memcpy(pen->transit + to, pen->transit_line, ahead);
    memcpy(pen->inject + to, pen->inject_line, ahead);
    if (ahead == width)
        return;
    to = destination(pen, (uint16_t[TPUNET_AXES]){(uint16_t)ahead, y, z});
    memcpy(pen->transit + to, pen->transit_line + ahead, pen->at[0]);
    memcpy(pen->inject + to, pen->inject_line + ahead, pen->at[0]);
}

static void write_rows(const struct pen *pen)
{
    const uint16_t *dim = pen->base->shape.dim;
    uint32_t d = 0;
    for (uint16_t z = 0; z < dim[2]; z++) {
        for (uint16_t y = 0; y < dim[1]; y++, d += dim[0]) {
            find_entries(pen, d);
            write_line(pen, y, z);
        }
    }
}

/* The dateline rule, turned around for one position: packets whose run is
 * shorter than wraps[port] are on VC1. */
static void find_datelines(struct pen *pen, const uint16_t at[static TPUNET_AXES])
{
    for (unsigned port = 0; port < TPUNET_PORTS; port++) {
        unsigned axis = tpunet_port_axis(port), from = from_dateline(pen->base, at, axis);
        pen->wraps[port] =
            (uint16_t)(tpunet_port_minus(port) ? from + 1 : pen->base->shape.dim[axis] - from);
    }
}

/* `to_canonical` moves the dead lines to coordinates 0 modulo 4, and with them
 * the datelines. */
static void fill_tables(struct tpunet_tables *t, const struct tpunet_route_solution *s,
                        const struct base_routes *base, const struct places *places,
                        const uint16_t to_canonical[static TPUNET_AXES], uint8_t *lines)
{
    const struct tpunet_shape *shape = &base->shape;
    const size_t n = base->n;
    struct pen pen = {.base = base, .inject_line = lines, .transit_line = lines + shape->dim[0]};
    for (uint32_t chip = 0; chip < n; chip++) {
        uint16_t at[TPUNET_AXES];
        tpunet_logical_at(shape, chip, pen.at);
        memcpy(at, pen.at, sizeof at);
        torus_add(shape->dim, shape->twisted, at, to_canonical);
        uint32_t place = place_of(places, at);
        pen.cls = places->cls[place];
        pen.port = base->port + pen.cls * n;
        pen.run = base->run + pen.cls * n;
        pen.choice = s->choice + place * n;
        pen.wild = places->wild[place];
        pen.inject = t->rows + chip * n;
        pen.transit = t->rows + (n + chip) * n;
        find_datelines(&pen, at);
        write_rows(&pen);
    }
}

int tpunet_route_expand(struct tpunet_tables **out, const struct tpunet_route_solution *s,
                        unsigned a, unsigned b, struct tpunet_error *err)
{
    const struct tpunet_shape *shape = &s->key.shape;
    if (a >= TPUNET_CUBE_DIM || b >= TPUNET_CUBE_DIM)
        return tpunet_fail(err, TPUNET_EINVAL, "in-face position %u, %u", a, b);
    struct base_routes base;
    struct places places;
    struct tpunet_tables *t;
    int rc = frame_init(&base, &places, &s->key, err);
    if (rc < 0)
        return rc;
    assert(s->n_choices == (size_t)places.n * base.n);
    uint8_t *lines = malloc(2U * shape->dim[0]);
    rc = lines == NULL ? tpunet_fail_nomem(err)
                       : tables_create(&t, base.n, 2, s->key.n_vcs, "wild-first", err);
    if (rc == 0) {
        const unsigned first = s->key.axis == 0, second = s->key.axis == 2 ? 1 : 2;
        uint16_t to_canonical[TPUNET_AXES] = {0};
        to_canonical[first] = (uint16_t)ring_add(0, shape->dim[first] - a, shape->dim[first]);
        to_canonical[second] = (uint16_t)ring_add(0, shape->dim[second] - b, shape->dim[second]);
        for (unsigned cls = TPUNET_VC0; cls < TPUNET_CLASSES; cls++)
            t->plane[cls] = 1;
        fill_tables(t, s, &base, &places, to_canonical, lines);
        *out = t;
    }
    free(lines);
    frame_fini(&base, &places);
    return rc;
}
