/* Slice shapes: which ones exist, how they are written, and where each cube
 * and chip of a slice lies.
 *
 *  1. A shape is three numbers, "4x4x8": no sign, no blank, no leading zero.
 *  2. Below 64 chips it is one of 2x2x1, 2x2x2, 2x2x4, 2x4x4: a mesh inside
 *     one cube (2x2x1, the tray of one host, is the one that does not rise).
 *  3. Else it is a torus of whole cubes: every dimension a multiple of 4, in
 *     non-decreasing order, at most TPUNET_CUBES_MAX cubes.
 *  4. Twisted only k x k x 2k and k x 2k x 2k.
 */
#include "internal.h"
#include "ring.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { DIM_MAX = TPUNET_CUBE_DIM * TPUNET_CUBES_MAX };

static const uint16_t meshes[][TPUNET_AXES] = {{2, 2, 1}, {2, 2, 2}, {2, 2, 4}, {2, 4, 4}};

static bool is_mesh(const uint16_t dim[static TPUNET_AXES])
{
    for (size_t i = 0; i < sizeof meshes / sizeof meshes[0]; i++) {
        if (memcmp(meshes[i], dim, sizeof meshes[i]) == 0)
            return true;
    }
    return false;
}

/* Reads one number and stops behind it.  What is too large for any shape is
 * read as DIM_MAX + 1. */
static bool parse_dim(const char **text, uint16_t *out)
{
    const char *p = *text;
    unsigned value = 0;
    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (unsigned)(*p - '0');
        if (value > DIM_MAX)
            value = DIM_MAX + 1;
    }
    *text = p;
    *out = (uint16_t)value;
    return true;
}

static int check_dims(const struct tpunet_shape *shape, const char *name, struct tpunet_error *err)
{
    const uint16_t *dim = shape->dim;
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        if (dim[k] == 0)
            return tpunet_fail(err, TPUNET_ESHAPE, "%.40s: dimension %c is 0", name, "xyz"[k]);
        if (dim[k] > DIM_MAX)
            return tpunet_fail(err, TPUNET_ESHAPE, "%.40s: dimension %c is above %d chips", name,
                               "xyz"[k], DIM_MAX);
        if (dim[k] % TPUNET_CUBE_DIM != 0)
            return tpunet_fail(err, TPUNET_ESHAPE,
                               "%.40s: dimension %c is not a multiple of 4, nor is this one of "
                               "the shapes below 64 chips: 2x2x1, 2x2x2, 2x2x4, 2x4x4",
                               name, "xyz"[k]);
    }
    if (dim[0] > dim[1] || dim[1] > dim[2])
        return tpunet_fail(err, TPUNET_ESHAPE, "%.40s: dimensions are not in rising order", name);
    uint32_t cubes = tpunet_shape_cubes(shape);
    if (cubes > TPUNET_CUBES_MAX)
        return tpunet_fail(err, TPUNET_ESHAPE, "%.40s: takes %u cubes, above the limit of %d", name,
                           cubes, TPUNET_CUBES_MAX);
    return 0;
}

int tpunet_shape_check(const struct tpunet_shape *shape, const char *name, struct tpunet_error *err)
{
    if (shape->mesh != is_mesh(shape->dim))
        return tpunet_fail(err, TPUNET_ESHAPE,
                           "%.40s: meshes are the shapes 2x2x1, 2x2x2, 2x2x4 and 2x4x4", name);
    if (!shape->mesh) {
        int rc = check_dims(shape, name, err);
        if (rc < 0)
            return rc;
    }
    if (shape->twisted && !tpunet_shape_twistable(shape))
        return tpunet_fail(err, TPUNET_ETWIST,
                           "%.40s has no twisted torus: only k x k x 2k and k x 2k x 2k have",
                           name);
    return 0;
}

int tpunet_shape_parse(struct tpunet_shape *out, const char *text, bool twisted,
                       struct tpunet_error *err)
{
    struct tpunet_shape shape = {.twisted = twisted};
    const char *p = text;
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        if ((k > 0 && *p++ != 'x') || !parse_dim(&p, &shape.dim[k]))
            goto err_syntax;
    }
    if (*p != '\0')
        goto err_syntax;
    shape.mesh = is_mesh(shape.dim);
    int rc = tpunet_shape_check(&shape, text, err);
    if (rc == 0)
        *out = shape;
    return rc;

err_syntax:
    return tpunet_fail(err, TPUNET_ESHAPE,
                       "\"%.40s\" is not three numbers like 4x4x8 (no sign, blank or leading "
                       "zero)",
                       text);
}

bool tpunet_shape_twistable(const struct tpunet_shape *shape)
{
    const uint16_t *dim = shape->dim;
    return !shape->mesh && dim[2] == 2 * dim[0] && (dim[1] == dim[0] || dim[1] == dim[2]);
}

const char *tpunet_shape_format(const struct tpunet_shape *shape, char buf[static 24])
{
    snprintf(buf, 24, "%ux%ux%u", shape->dim[0], shape->dim[1], shape->dim[2]);
    return buf;
}

uint32_t tpunet_shape_chips(const struct tpunet_shape *shape)
{
    return (uint32_t)shape->dim[0] * shape->dim[1] * shape->dim[2];
}

uint32_t tpunet_shape_cubes(const struct tpunet_shape *shape)
{
    return shape->mesh ? 1 : tpunet_shape_chips(shape) / TPUNET_CUBE_CHIPS;
}

void tpunet_shape_cube_dims(const struct tpunet_shape *shape, uint16_t dims[static TPUNET_AXES])
{
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        dims[k] = shape->mesh ? 1 : shape->dim[k] / TPUNET_CUBE_DIM;
}

/* Mixed-radix numbers over the three axes, x fastest. */
static uint32_t join(const uint16_t len[static TPUNET_AXES], const uint16_t at[static TPUNET_AXES])
{
    assert(at[0] < len[0] && at[1] < len[1] && at[2] < len[2]);
    return at[0] + (uint32_t)len[0] * (at[1] + (uint32_t)len[1] * at[2]);
}

static void split(const uint16_t len[static TPUNET_AXES], uint32_t index,
                  uint16_t at[static TPUNET_AXES])
{
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        at[k] = (uint16_t)(index % len[k]);
        index /= len[k];
    }
    assert(index == 0);
}

void tpunet_cube_position(const struct tpunet_shape *shape, uint16_t index,
                          uint16_t pos[static TPUNET_AXES])
{
    uint16_t dims[TPUNET_AXES];
    tpunet_shape_cube_dims(shape, dims);
    split(dims, index, pos);
}

uint16_t tpunet_cube_index(const struct tpunet_shape *shape, const uint16_t pos[static TPUNET_AXES])
{
    uint16_t dims[TPUNET_AXES];
    tpunet_shape_cube_dims(shape, dims);
    return (uint16_t)join(dims, pos);
}

uint32_t tpunet_logical_index(const struct tpunet_shape *shape,
                              const uint16_t at[static TPUNET_AXES])
{
    return join(shape->dim, at);
}

void tpunet_logical_at(const struct tpunet_shape *shape, uint32_t index,
                       uint16_t at[static TPUNET_AXES])
{
    split(shape->dim, index, at);
}

uint16_t tpunet_next_cube(const struct tpunet_shape *shape, uint16_t index, unsigned axis)
{
    assert(!shape->mesh && axis < TPUNET_AXES);
    uint16_t dims[TPUNET_AXES], pos[TPUNET_AXES];
    tpunet_shape_cube_dims(shape, dims);
    split(dims, index, pos);
    torus_step(dims, shape->twisted, pos, 2 * axis);
    return (uint16_t)join(dims, pos);
}
