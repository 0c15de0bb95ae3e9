/* Lower bounds against values known from closed forms and from hand counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tpunet.h"

static struct tpunet_topology *topology_of(const char *text, bool twisted)
{
    struct tpunet_shape shape;
    struct tpunet_topology *t;
    assert_int_equal(tpunet_shape_parse(&shape, text, twisted, NULL), 0);
    assert_int_equal(tpunet_topology_of_shape(&t, &shape, NULL), 0);
    return t;
}

static void assert_near(double a, double b)
{
    if (fabs(a - b) > 0.05)
        fail_msg("%f is not %f", a, b);
}

/* Without faults: N n / 8 on plain tori; 73.3 and 184 on the twisted ones, and
 * the routes' own mean distances (3.44 and 4.31 hops over 6 links). */
static void whole_slices(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        double reference;
    } rows[] = {{"4x4x8", false, 128},    {"4x8x8", false, 256}, {"8x8x8", false, 512},
                {"8x8x16", false, 2048},  {"4x4x4", false, 32},  {"4x4x8", true, 73.3},
                {"4x8x8", true, 184},     {"2x2x1", false, 2},   {"2x2x4", false, 16},
                {"16x16x16", false, 8192}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_topology *t = topology_of(rows[i].text, rows[i].twisted);
        struct tpunet_bounds b;
        assert_near(tpunet_reference_load(&t->shape), rows[i].reference);
        assert_int_equal(tpunet_bound(&b, t, NULL), 0);
        assert_near(b.cut > b.hop ? b.cut : b.hop, rows[i].reference);
        tpunet_topology_destroy(t);
    }
}

/* One OCS down weakens the worst slab of its axis. */
static void one_switch_down(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double cut;
    } rows[] = {{"4x4x8", 136.5}, {"4x8x8", 273.1}, {"8x8x8", 546.1}, {"8x8x16", 2184.5}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_topology *t = topology_of(rows[i].text, false);
        struct tpunet_bounds b;
        assert_int_equal(tpunet_topology_cut_ocs(t, 2 * TPUNET_FACE_LINKS + 5, NULL), 0);
        assert_int_equal(tpunet_bound(&b, t, NULL), 0);
        assert_near(b.cut, rows[i].cut);
        assert_int_equal(b.axis, 2);
        assert_int_equal(b.hi - b.lo, t->shape.dim[2] / 2);
        assert_int_equal(tpunet_topology_cut_ocs(t, TPUNET_OCSES, NULL), TPUNET_EINVAL);
        tpunet_topology_destroy(t);
    }
}

static void a_chip_on_one_link(void **state)
{
    (void)state;
    struct tpunet_topology *t = topology_of("4x4x4", false);
    struct tpunet_bounds b;
    for (unsigned port = 0; port < TPUNET_PORTS; port++) {
        if (port != TPUNET_YM)
            tpunet_topology_cut(t, 21, port);
    }
    assert_int_equal(tpunet_bound(&b, t, NULL), 0);
    assert_near(b.cut, 63);
    assert_int_equal(b.axis, TPUNET_AXES);
    assert_int_equal(b.chip, 21);
    tpunet_topology_destroy(t);
}

static void chips_apart(void **state)
{
    (void)state;
    struct tpunet_topology *t = topology_of("4x4x4", false);
    struct tpunet_bounds b;
    struct tpunet_error err;
    for (unsigned port = 0; port < TPUNET_PORTS; port++)
        tpunet_topology_cut(t, 21, port);
    assert_int_equal(tpunet_bound(&b, t, &err), TPUNET_EUNREACHABLE);
    assert_string_equal(err.text,
                        "no live links lead from logical chip 0 to 21, nor to 0 others of 64");
    uint16_t part[64];
    assert_int_equal(tpunet_parts(t, part), 2);
    for (unsigned chip = 0; chip < 64; chip++)
        assert_int_equal(part[chip], chip == 21);
    tpunet_topology_kill(t, 21);
    assert_int_equal(t->n_dead, 1);
    assert_int_equal(tpunet_parts(t, part), 1);
    assert_int_equal(part[21], TPUNET_NONE);
    assert_int_equal(tpunet_bound(&b, t, NULL), 0);
    tpunet_topology_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_slices),
        cmocka_unit_test(one_switch_down),
        cmocka_unit_test(a_chip_on_one_link),
        cmocka_unit_test(chips_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
