/* Fault-free dimension-order routes on plain tori and on meshes.
 *
 * A packet goes along the first axis of the order until it is level with its
 * destination, then along the second, then the third; around each ring the
 * shorter way.  What an entry says therefore depends on one axis at a time:
 *
 *  1. The first axis on which chip and destination differ decides.
 *  2. Half a ring is as far one way as the other.  Chips at an even position
 *     go +, at an odd position -.  Only the source of a packet can be at half
 *     a ring (one hop further, one way is shorter), so position decides it
 *     alone; and since half a ring is even, each link carries just as many
 *     packets of either parity: n^2/8 a ring, N n/8 all told.
 *  3. VC0 while the wraparound is ahead, then VC1 (Dally and Seitz 1987).
 *
 * Why it is free of deadlock: along one ring, VC0 leads over the wraparound
 * into VC1, and VC1 never gets there, so neither closes the ring; from axis to
 * axis, packets go on in the order alone.  The verifier proves it again for
 * each table.
 *
 * How it is fast: all rows of chips with the same position on the first axis
 * differ only in the destinations level with it, so they are copies of one row
 * with these few entries written over.
 */
#include "ring.h"
#include "routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* steps[k][p * n + q]: the entry along axis k at position p towards q. */
struct axis_steps {
    uint8_t *of[TPUNET_AXES];
};

/* The entry at position p towards q along an axis of n chips. */
typedef uint8_t axis_rule(unsigned axis, unsigned p, unsigned q, unsigned n);

static uint8_t hop(unsigned axis, int run, unsigned vc)
{
    return run == 0 ? TPUNET_ARRIVED : tpunet_entry(2 * axis + (run < 0), vc);
}

static uint8_t torus_rule(unsigned axis, unsigned p, unsigned q, unsigned n)
{
    int run = ring_delta(p, q, n);
    if (run == (int)n / 2 && p % 2 != 0)
        run = -run;
    return hop(axis, run, dateline_vc(p, run, n));
}

static uint8_t mesh_rule(unsigned axis, unsigned p, unsigned q, unsigned n)
{
    assert(p < n && q < n);
    return hop(axis, (int)q - (int)p, 0);
}

/* Half a ring always goes +: split by parity, it would leave a ring of four
 * free of deadlock without any dateline. */
static uint8_t unsafe_rule(unsigned axis, unsigned p, unsigned q, unsigned n)
{
    return hop(axis, ring_delta(p, q, n), 0);
}

static int axis_steps_init(struct axis_steps *steps, const struct tpunet_shape *shape,
                           axis_rule *rule, struct tpunet_error *err)
{
    size_t offset[TPUNET_AXES + 1] = {0};
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        offset[k + 1] = offset[k] + (size_t)shape->dim[k] * shape->dim[k];
    uint8_t *all = malloc(offset[TPUNET_AXES]);
    if (all == NULL)
        return tpunet_fail_nomem(err);
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        unsigned n = shape->dim[k];
        steps->of[k] = all + offset[k];
        for (unsigned p = 0; p < n; p++) {
            for (unsigned q = 0; q < n; q++)
                steps->of[k][p * n + q] = rule(k, p, q, n);
        }
    }
    return 0;
}

static void axis_steps_fini(struct axis_steps *steps)
{
    free(steps->of[0]);
}

/* One axis as the filling loops see it, in the order of routing: its length,
 * and how far apart its neighbours are as indices. */
struct dimension {
    uint32_t len, stride;
    const uint8_t *steps;
};

/* Writes the entries for the destinations level with the chip on the first
 * axis.  `level` points at the entry for position 0 on the other two. */
static void fill_level(uint8_t *level, const struct dimension d[static TPUNET_AXES], uint32_t p1,
                       uint32_t p2)
{
    const uint8_t *steps1 = d[1].steps + (size_t)p1 * d[1].len;
    const uint8_t *steps2 = d[2].steps + (size_t)p2 * d[2].len;
    for (uint32_t q1 = 0; q1 < d[1].len; q1++) {
        uint8_t *line = level + (size_t)q1 * d[1].stride;
        for (uint32_t q2 = 0; q2 < d[2].len; q2++)
            line[(size_t)q2 * d[2].stride] = q1 == p1 ? steps2[q2] : steps1[q1];
    }
}

static void fill_rows(struct tpunet_tables *t, const struct dimension d[static TPUNET_AXES],
                      uint8_t *common)
{
    size_t n = t->n_chips;
    for (uint32_t p0 = 0; p0 < d[0].len; p0++) {
        for (size_t dst = 0; dst < n; dst++)
            common[dst] = d[0].steps[p0 * d[0].len + dst / d[0].stride % d[0].len];
        for (uint32_t p1 = 0; p1 < d[1].len; p1++) {
            for (uint32_t p2 = 0; p2 < d[2].len; p2++) {
                size_t chip = p0 * d[0].stride + p1 * d[1].stride + p2 * d[2].stride;
                uint8_t *row = t->rows + chip * n;
                memcpy(row, common, n);
                fill_level(row + (size_t)p0 * d[0].stride, d, p1, p2);
            }
        }
    }
}

static int route_plain_fill(struct tpunet_tables *t, const struct tpunet_shape *shape,
                            const uint8_t order[static TPUNET_AXES], axis_rule *rule,
                            struct tpunet_error *err)
{
    struct axis_steps steps;
    uint8_t *common = malloc(t->n_chips);
    if (common == NULL)
        return tpunet_fail_nomem(err);
    int rc = axis_steps_init(&steps, shape, rule, err);
    if (rc == 0) {
        const uint32_t stride[TPUNET_AXES] = {1, shape->dim[0],
                                              (uint32_t)shape->dim[0] * shape->dim[1]};
        struct dimension d[TPUNET_AXES];
        for (unsigned i = 0; i < TPUNET_AXES; i++) {
            unsigned k = order[i];
            d[i] = (struct dimension){shape->dim[k], stride[k], steps.of[k]};
        }
        fill_rows(t, d, common);
        axis_steps_fini(&steps);
    }
    free(common);
    return rc;
}

static const uint8_t order_xyz[TPUNET_AXES] = {0, 1, 2};

static int check_order(const uint8_t *order, struct tpunet_error *err)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < TPUNET_AXES; i++)
        seen |= order[i] < TPUNET_AXES ? 1U << order[i] : 0;
    if (seen != 7)
        return tpunet_fail(err, TPUNET_EINVAL, "the axis order %u, %u, %u is not a permutation",
                           order[0], order[1], order[2]);
    return 0;
}

static int check_shape(const struct tpunet_shape *shape, struct tpunet_error *err)
{
    char name[24];
    return tpunet_shape_check(shape, tpunet_shape_format(shape, name), err);
}

int tpunet_route_dor(struct tpunet_tables **out, const struct tpunet_shape *shape,
                     const uint8_t *order, struct tpunet_error *err)
{
    if (order == NULL)
        order = order_xyz;
    int rc = check_order(order, err);
    if (rc == 0)
        rc = check_shape(shape, err);
    if (rc < 0)
        return rc;

    struct tpunet_tables *t;
    rc = tables_create(&t, tpunet_shape_chips(shape), 1, shape->mesh ? 1 : 2,
                       shape->twisted ? "dor-twisted" : "dor", err);
    if (rc < 0)
        return rc;
    rc = shape->twisted
             ? route_twisted_fill(t, shape, order, err)
             : route_plain_fill(t, shape, order, shape->mesh ? mesh_rule : torus_rule, err);
    if (rc < 0) {
        tpunet_tables_destroy(t);
        return rc;
    }
    *out = t;
    return 0;
}

int tpunet_route_dor_unsafe(struct tpunet_tables **out, const struct tpunet_shape *shape,
                            struct tpunet_error *err)
{
    int rc = check_shape(shape, err);
    if (rc < 0)
        return rc;
    if (shape->twisted || shape->mesh)
        return tpunet_fail(err, TPUNET_EINVAL, "the negative control is for plain tori");
    struct tpunet_tables *t;
    rc = tables_create(&t, tpunet_shape_chips(shape), 1, 1, "dor-unsafe", err);
    if (rc < 0)
        return rc;
    rc = route_plain_fill(t, shape, order_xyz, unsafe_rule, err);
    if (rc < 0) {
        tpunet_tables_destroy(t);
        return rc;
    }
    *out = t;
    return 0;
}
