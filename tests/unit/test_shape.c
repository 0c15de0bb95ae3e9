/* Which shapes exist, how they are written, where cubes and chips lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "internal.h"

static void good_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted, mesh, twistable;
        uint32_t chips, cubes;
    } rows[] = {
        {"2x2x1", false, true, false, 4, 1},        {"2x2x2", false, true, false, 8, 1},
        {"2x2x4", false, true, false, 16, 1},       {"2x4x4", false, true, false, 32, 1},
        {"4x4x4", false, false, false, 64, 1},      {"4x4x8", false, false, true, 128, 2},
        {"4x4x8", true, false, true, 128, 2},       {"4x8x8", true, false, true, 256, 4},
        {"8x8x8", false, false, false, 512, 8},     {"8x8x16", true, false, true, 1024, 16},
        {"8x16x16", true, false, true, 2048, 32},   {"16x16x16", false, false, false, 4096, 64},
        {"4x8x12", false, false, false, 384, 6},    {"4x4x256", false, false, false, 4096, 64},
        {"4x4x260", false, false, false, 4160, 65}, {"4x4x576", false, false, false, 9216, 144},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_shape shape;
        struct tpunet_error err;
        char text[24];
        assert_int_equal(tpunet_shape_parse(&shape, rows[i].text, rows[i].twisted, &err), 0);
        assert_string_equal(tpunet_shape_format(&shape, text), rows[i].text);
        assert_int_equal(shape.mesh, rows[i].mesh);
        assert_int_equal(shape.twisted, rows[i].twisted);
        assert_int_equal(tpunet_shape_twistable(&shape), rows[i].twistable);
        assert_int_equal(tpunet_shape_chips(&shape), rows[i].chips);
        assert_int_equal(tpunet_shape_cubes(&shape), rows[i].cubes);
    }
}

/* Each bad topology is refused with the rule that it breaks. */
static void bad_shapes(void **state)
{
    (void)state;
    static const char syntax[] = "is not three numbers like 4x4x8";
    static const char four[] = "is not a multiple of 4";
    static const struct {
        const char *text;
        bool twisted;
        int code;
        const char *says;
    } rows[] = {
        {"0x4x4", false, TPUNET_ESHAPE, "dimension x is 0"},
        {"4x4x0", false, TPUNET_ESHAPE, "dimension z is 0"},
        {"5x4x4", false, TPUNET_ESHAPE, four},
        {"4x6x8", false, TPUNET_ESHAPE, "dimension y"},
        {"1x2x2", false, TPUNET_ESHAPE, four},
        {"2x2x8", false, TPUNET_ESHAPE, "2x2x1, 2x2x2, 2x2x4, 2x4x4"},
        {"4x4x2", false, TPUNET_ESHAPE, four},
        {"8x4x4", false, TPUNET_ESHAPE, "not in rising order"},
        {"4x8x4", false, TPUNET_ESHAPE, "not in rising order"},
        {"4x4x580", false, TPUNET_ESHAPE, "dimension z is above 576 chips"},
        {"4x8x576", false, TPUNET_ESHAPE, "takes 288 cubes, above the limit of 144"},
        {"576x576x576", false, TPUNET_ESHAPE, "takes 2985984 cubes"},
        {"99999999999x4x4", false, TPUNET_ESHAPE, "dimension x is above 576 chips"},
        {"4x4x18446744073709551620", false, TPUNET_ESHAPE, "dimension z is above 576"},
        {"", false, TPUNET_ESHAPE, syntax},
        {"x", false, TPUNET_ESHAPE, syntax},
        {"4x4", false, TPUNET_ESHAPE, syntax},
        {"4x4x", false, TPUNET_ESHAPE, syntax},
        {"4x4x4x4", false, TPUNET_ESHAPE, syntax},
        {"4x4x4 ", false, TPUNET_ESHAPE, syntax},
        {" 4x4x4", false, TPUNET_ESHAPE, syntax},
        {"+4x4x4", false, TPUNET_ESHAPE, syntax},
        {"-4x4x4", false, TPUNET_ESHAPE, syntax},
        {"04x4x4", false, TPUNET_ESHAPE, syntax},
        {"4X4X4", false, TPUNET_ESHAPE, syntax},
        {"4x4x4", true, TPUNET_ETWIST, "4x4x4 has no twisted torus"},
        {"4x4x12", true, TPUNET_ETWIST, "k x k x 2k"},
        {"4x8x16", true, TPUNET_ETWIST, "k x 2k x 2k"},
        {"2x2x4", true, TPUNET_ETWIST, "2x2x4 has no twisted torus"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_shape shape, before;
        struct tpunet_error err;
        memset(&shape, 0x5A, sizeof shape);
        memcpy(&before, &shape, sizeof shape);
        assert_int_equal(tpunet_shape_parse(&shape, rows[i].text, rows[i].twisted, &err),
                         rows[i].code);
        assert_int_equal(err.code, rows[i].code);
        if (strstr(err.text, rows[i].says) == NULL)
            fail_msg("\"%s\": the error says \"%s\"", rows[i].text, err.text);
        assert_memory_equal(&shape, &before, sizeof shape);
    }
}

static void a_long_text_is_quoted_in_part(void **state)
{
    (void)state;
    char text[4000];
    struct tpunet_shape shape;
    struct tpunet_error err;
    memset(text, '4', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(tpunet_shape_parse(&shape, text, false, &err), TPUNET_ESHAPE);
    assert_true(strlen(err.text) < 200);
}

/* The same rules hold for shapes that were not parsed. */
static void hand_made_shapes_are_checked(void **state)
{
    (void)state;
    struct tpunet_shape not_mesh = {.dim = {4, 4, 4}, .mesh = true};
    struct tpunet_shape no_wrap = {.dim = {2, 2, 1}, .mesh = false};
    struct tpunet_shape good = {.dim = {4, 4, 8}, .twisted = true};
    assert_int_equal(tpunet_shape_check(&not_mesh, "a", NULL), TPUNET_ESHAPE);
    assert_int_equal(tpunet_shape_check(&no_wrap, "b", NULL), TPUNET_ESHAPE);
    assert_int_equal(tpunet_shape_check(&good, "c", NULL), 0);
}

static void indices_round_trip(void **state)
{
    (void)state;
    struct tpunet_shape shape;
    assert_int_equal(tpunet_shape_parse(&shape, "4x8x12", false, NULL), 0);
    for (uint16_t i = 0; i < tpunet_shape_cubes(&shape); i++) {
        uint16_t pos[TPUNET_AXES];
        tpunet_cube_position(&shape, i, pos);
        assert_int_equal(i, pos[0] + 1 * (pos[1] + 2 * pos[2]));
        assert_int_equal(tpunet_cube_index(&shape, pos), i);
    }
    for (uint32_t i = 0; i < tpunet_shape_chips(&shape); i++) {
        uint16_t at[TPUNET_AXES];
        tpunet_logical_at(&shape, i, at);
        assert_int_equal(i, at[0] + 4 * (at[1] + 8 * at[2]));
        assert_int_equal(tpunet_logical_index(&shape, at), i);
    }
}

static void next_cubes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool twisted;
        uint16_t index;
        uint16_t next[TPUNET_AXES];
    } rows[] = {
        {"4x4x4", false, 0, {0, 0, 0}}, /* its own - face, through the OCS */
        {"4x4x8", false, 0, {0, 0, 1}}, {"4x4x8", false, 1, {1, 1, 0}},
        {"4x4x8", true, 0, {1, 1, 1}},  {"4x4x8", true, 1, {0, 0, 0}},
        {"4x8x8", true, 0, {3, 1, 2}},  {"4x8x8", true, 1, {2, 0, 3}},
        {"8x8x8", false, 7, {6, 5, 3}}, {"8x8x16", true, 1, {8, 3, 5}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tpunet_shape shape;
        assert_int_equal(tpunet_shape_parse(&shape, rows[i].text, rows[i].twisted, NULL), 0);
        for (unsigned axis = 0; axis < TPUNET_AXES; axis++)
            assert_int_equal(tpunet_next_cube(&shape, rows[i].index, axis), rows[i].next[axis]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_shapes),
        cmocka_unit_test(bad_shapes),
        cmocka_unit_test(a_long_text_is_quoted_in_part),
        cmocka_unit_test(hand_made_shapes_are_checked),
        cmocka_unit_test(indices_round_trip),
        cmocka_unit_test(next_cubes),
    };
    return cmocka_run_group_tests_name("shape", tests, NULL, NULL);
}
