/* The fibres of a pod: from each face position of each cube to a port of an
 * optical switch, and back.  The rule (Zu et al.): the faces of axis k at
 * in-face position (a, b) go to OCS 16 k + a + 4 b, + faces to its north
 * ports, - faces to its south ports, cube c to port c unless a technician has
 * moved that fibre.  Both directions are arrays, so each look-up is O(1). */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tpunet_wiring {
    unsigned cubes, ports;
    uint16_t *port_of; /* [48][2][cubes] port of the cube's fibre */
    uint16_t *cube_of; /* [48][2][ports] cube whose fibre it is, or TPUNET_NONE */
};

unsigned tpunet_fibre_ocs(struct tpunet_fibre f)
{
    return (unsigned)TPUNET_FACE_LINKS * f.axis + f.a + 4U * f.b;
}

static size_t side_of(struct tpunet_fibre f)
{
    return 2U * tpunet_fibre_ocs(f) + (f.minus ? TPUNET_SOUTH : TPUNET_NORTH);
}

static int move_fibres(struct tpunet_wiring *w, const struct tpunet_rewire *moves, size_t n_moves,
                       struct tpunet_error *err)
{
    size_t n_fibres = 2U * TPUNET_OCSES * w->cubes;
    bool *moved = calloc(n_fibres, sizeof *moved);
    int rc = 0;
    if (moved == NULL)
        return tpunet_fail_nomem(err);
    for (size_t i = 0; i < n_moves && rc == 0; i++) {
        struct tpunet_fibre f = moves[i].fibre;
        if (f.cube >= w->cubes || f.axis >= TPUNET_AXES || f.a > 3 || f.b > 3) {
            rc = tpunet_fail(err, TPUNET_EWIRING, "the pod has no %s", fibre_name(f).text);
            break;
        }
        size_t at = side_of(f) * w->cubes + f.cube;
        if (moved[at])
            rc = tpunet_fail(err, TPUNET_EWIRING, "%s is moved twice", fibre_name(f).text);
        else if (moves[i].port >= w->ports)
            rc = tpunet_fail(err, TPUNET_EWIRING,
                             "%s is moved to port %u, but ocs/%u has ports 0 to %u a side",
                             fibre_name(f).text, moves[i].port, tpunet_fibre_ocs(f), w->ports - 1);
        moved[at] = true;
        w->port_of[at] = moves[i].port;
    }
    free(moved);
    return rc;
}

/* Derives cube_of from port_of; here two fibres on one port come out. */
static int invert(struct tpunet_wiring *w, struct tpunet_error *err)
{
    memset(w->cube_of, 0xFF, 2U * TPUNET_OCSES * w->ports * sizeof *w->cube_of);
    for (size_t side = 0; side < 2U * TPUNET_OCSES; side++) {
        for (unsigned cube = 0; cube < w->cubes; cube++) {
            unsigned port = w->port_of[side * w->cubes + cube];
            uint16_t *holder = &w->cube_of[side * w->ports + port];
            if (*holder != TPUNET_NONE)
                return tpunet_fail(
                    err, TPUNET_EWIRING, "ocs/%zu %s %u has two fibres, of cube/%u and cube/%u",
                    side / 2, side % 2 == TPUNET_NORTH ? "north" : "south", port, *holder, cube);
            *holder = (uint16_t)cube;
        }
    }
    return 0;
}

int tpunet_wiring_create(struct tpunet_wiring **out, unsigned cubes, unsigned ports_per_side,
                         const struct tpunet_rewire *moves, size_t n_moves,
                         struct tpunet_error *err)
{
    if (cubes == 0 || cubes > TPUNET_CUBES_MAX)
        return tpunet_fail(err, TPUNET_EWIRING, "a pod has 1 to %d cubes, not %u", TPUNET_CUBES_MAX,
                           cubes);
    if (ports_per_side < cubes || ports_per_side >= TPUNET_NONE)
        return tpunet_fail(err, TPUNET_EWIRING,
                           "%u ports on each side of an OCS do not serve %u cubes", ports_per_side,
                           cubes);
    struct tpunet_wiring *w = malloc(sizeof *w);
    if (w == NULL)
        return tpunet_fail_nomem(err);
    int rc = TPUNET_ENOMEM;
    size_t sides = 2U * TPUNET_OCSES;
    *w = (struct tpunet_wiring){.cubes = cubes, .ports = ports_per_side};
    w->port_of = calloc(sides * cubes, sizeof *w->port_of);
    w->cube_of = malloc(sides * ports_per_side * sizeof *w->cube_of);
    if (w->port_of == NULL || w->cube_of == NULL) {
        tpunet_fail_nomem(err);
        goto err_after_alloc;
    }
    for (size_t i = 0; i < sides * cubes; i++)
        w->port_of[i] = (uint16_t)(i % cubes);
    if ((rc = move_fibres(w, moves, n_moves, err)) < 0 || (rc = invert(w, err)) < 0)
        goto err_after_alloc;
    *out = w;
    return 0;

err_after_alloc:
    tpunet_wiring_destroy(w);
    return rc;
}

void tpunet_wiring_destroy(struct tpunet_wiring *wiring)
{
    if (wiring == NULL)
        return;
    free(wiring->port_of);
    free(wiring->cube_of);
    free(wiring);
}

unsigned tpunet_wiring_cubes(const struct tpunet_wiring *wiring)
{
    return wiring->cubes;
}

unsigned tpunet_wiring_ports(const struct tpunet_wiring *wiring)
{
    return wiring->ports;
}

struct tpunet_ocs_port tpunet_wiring_port(const struct tpunet_wiring *wiring,
                                          struct tpunet_fibre fibre)
{
    assert(fibre.cube < wiring->cubes && fibre.axis < TPUNET_AXES);
    assert(fibre.a < TPUNET_CUBE_DIM && fibre.b < TPUNET_CUBE_DIM);
    return (struct tpunet_ocs_port){
        .ocs = (uint16_t)tpunet_fibre_ocs(fibre),
        .side = fibre.minus ? TPUNET_SOUTH : TPUNET_NORTH,
        .port = wiring->port_of[side_of(fibre) * wiring->cubes + fibre.cube],
    };
}

bool tpunet_wiring_fibre(const struct tpunet_wiring *wiring, struct tpunet_ocs_port port,
                         struct tpunet_fibre *out)
{
    assert(port.ocs < TPUNET_OCSES && port.side <= TPUNET_SOUTH && port.port < wiring->ports);
    uint16_t cube = wiring->cube_of[(2U * port.ocs + port.side) * wiring->ports + port.port];
    if (cube == TPUNET_NONE)
        return false;
    *out = (struct tpunet_fibre){
        .cube = cube,
        .axis = (uint8_t)(port.ocs / TPUNET_FACE_LINKS),
        .minus = port.side == TPUNET_SOUTH,
        .a = port.ocs & 3U,
        .b = port.ocs >> 2 & 3U,
    };
    return true;
}

bool tpunet_chip_fibre(struct tpunet_chip chip, unsigned port, struct tpunet_fibre *out)
{
    assert(port < TPUNET_PORTS);
    unsigned axis = tpunet_port_axis(port);
    bool minus = tpunet_port_minus(port);
    if (chip.at[axis] != (minus ? 0 : TPUNET_CUBE_DIM - 1))
        return false;
    *out = (struct tpunet_fibre){
        .cube = chip.cube,
        .axis = (uint8_t)axis,
        .minus = minus,
        .a = chip.at[axis == 0 ? 1 : 0],
        .b = chip.at[axis == 2 ? 1 : 2],
    };
    return true;
}

struct tpunet_chip tpunet_fibre_chip(struct tpunet_fibre fibre, unsigned *port)
{
    assert(fibre.axis < TPUNET_AXES);
    struct tpunet_chip chip = {.cube = fibre.cube};
    chip.at[fibre.axis] = fibre.minus ? 0 : TPUNET_CUBE_DIM - 1;
    chip.at[fibre.axis == 0 ? 1 : 0] = fibre.a;
    chip.at[fibre.axis == 2 ? 1 : 2] = fibre.b;
    *port = 2U * fibre.axis + (fibre.minus ? 1 : 0);
    return chip;
}
