/* The names of parts: each is read into the right fields and written back the
 * same; what is not a name is refused with a text that says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "part.h"

#define ID_63 "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ.012345678"

static const struct {
    const char *name;
    struct part part;
} golden[] = {
    {"pod/north-1", {.kind = PART_POD, .id = "north-1"}},
    {"pod/" ID_63, {.kind = PART_POD, .id = ID_63}},
    {"cube/0", {.kind = PART_CUBE}},
    {"cube/5", {.kind = PART_CUBE, .cube = 5}},
    {"cube/65535", {.kind = PART_CUBE, .cube = 65535}},
    {"host/5-3", {.kind = PART_HOST, .cube = 5, .host = 3}},
    {"host/63-15", {.kind = PART_HOST, .cube = 63, .host = 15}},
    {"chip/5-3-0-2", {.kind = PART_CHIP, .cube = 5, .at = {3, 0, 2}}},
    {"ocs/47", {.kind = PART_OCS, .ocs = 47}},
    {"port/12-n-5", {.kind = PART_PORT, .ocs = 12, .port = 5}},
    {"port/0-s-67", {.kind = PART_PORT, .port = 67, .south = true}},
    {"fibre/5+x-0-3", {.kind = PART_FIBRE, .cube = 5, .b = 3}},
    {"fibre/63-z-3-1", {.kind = PART_FIBRE, .cube = 63, .minus = true, .axis = 2, .a = 3, .b = 1}},
    {"face/5+x", {.kind = PART_FACE, .cube = 5}},
    {"face/5-y", {.kind = PART_FACE, .cube = 5, .minus = true, .axis = 1}},
    {"link/5-3-0-2+x", {.kind = PART_LINK, .cube = 5, .at = {3, 0, 2}}},
    {"link/5-3-0-2-z", {.kind = PART_LINK, .cube = 5, .at = {3, 0, 2}, .minus = true, .axis = 2}},
    {"power/row.3_b", {.kind = PART_POWER, .id = "row.3_b"}},
    {"slice/train-17", {.kind = PART_SLICE, .id = "train-17"}},
};

static void names_are_read_and_written_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
        struct part part;
        struct error err = {0};
        char buf[80];
        assert_int_equal(part_parse(&part, golden[i].name, &err), 0);
        const struct part *want = &golden[i].part;
        assert_int_equal(part.kind, want->kind);
        assert_int_equal(part.cube, want->cube);
        assert_int_equal(part.host, want->host);
        assert_int_equal(part.ocs, want->ocs);
        assert_int_equal(part.port, want->port);
        assert_memory_equal(part.at, want->at, sizeof part.at);
        assert_int_equal(part.a, want->a);
        assert_int_equal(part.b, want->b);
        assert_int_equal(part.axis, want->axis);
        assert_int_equal(part.minus, want->minus);
        assert_int_equal(part.south, want->south);
        assert_string_equal(part.id, want->id);
        assert_string_equal(part_format(&part, buf), golden[i].name);
        assert_ptr_equal(strstr(golden[i].name, part_kind_name(part.kind)), golden[i].name);
    }
}

static void every_kind_has_a_golden_name(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (size_t i = 0; i < ARRAY_LEN(golden); i++)
        seen |= 1u << golden[i].part.kind;
    assert_int_equal(seen, (1u << (PART_SLICE + 1)) - 1);
}

/* Same part, same name. */
static void a_part_is_itself_and_no_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
        for (size_t k = 0; k < ARRAY_LEN(golden); k++) {
            bool same = strcmp(golden[i].name, golden[k].name) == 0;
            assert_int_equal(part_same(&golden[i].part, &golden[k].part), same);
        }
    }
}

static void every_chip_link_and_fibre_round_trips(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 64 * 6; n++) {
        struct part link = {.kind = PART_LINK, .cube = 63, .at = {n & 3, n >> 2 & 3, n >> 4 & 3}};
        link.axis = (uint8_t)(n / 64 % 3);
        link.minus = n / 64 >= 3;
        struct part fibre = {.kind = PART_FIBRE, .cube = 9, .a = n & 3, .b = n >> 2 & 3};
        fibre.axis = link.axis;
        fibre.minus = link.minus;
        const struct part parts[] = {link, fibre};
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            char first[80], second[80];
            struct part back;
            assert_int_equal(part_parse(&back, part_format(&parts[i], first), NULL), 0);
            assert_string_equal(part_format(&back, second), first);
            assert_true(part_same(&back, &parts[i]));
        }
    }
}

static void what_is_not_a_name_is_refused(void **state)
{
    (void)state;
    static const char unknown[] = "not a part; a part is written KIND/NAME, KIND one of pod cube "
                                  "host chip ocs port fibre face link power slice";
    static const struct {
        const char *name, *what;
    } rows[] = {
        {"", unknown},
        {"cube", unknown},
        {"cubes/5", unknown},
        {"Cube/5", unknown},
        {"/5", unknown},
        {"cube/", "cube is written cube/CUBE"},
        {"cube/x", "cube is written cube/CUBE"},
        {"cube/-1", "cube is written cube/CUBE"},
        {"cube/+1", "cube is written cube/CUBE"},
        {"cube/5/", "cube is written cube/CUBE"},
        {"cube/5-3", "cube is written cube/CUBE"},
        {"cube/05", "cube has a leading zero"},
        {"cube/65536", "cube is 0 to 65535"},
        {"cube/99999999999999999999", "cube is 0 to 65535"},
        {"host/5", "host is written host/CUBE-HOST"},
        {"host/5-", "host is written host/CUBE-HOST"},
        {"host/5-16", "host is 0 to 15"},
        {"host/5-3-0", "host is written host/CUBE-HOST"},
        {"chip/5-3-0", "chip is written chip/CUBE-X-Y-Z"},
        {"chip/5-4-0-2", "x is 0 to 3"},
        {"chip/5-3-4-2", "y is 0 to 3"},
        {"chip/5-3-0-4", "z is 0 to 3"},
        {"ocs/48", "ocs is 0 to 47"},
        {"ocs/00", "ocs has a leading zero"},
        {"port/12-e-5", "port is written port/OCS-SIDE-PORT, SIDE n or s"},
        {"port/12-n", "port is written port/OCS-SIDE-PORT, SIDE n or s"},
        {"port/48-n-5", "ocs is 0 to 47"},
        {"fibre/5x-0-3", "fibre is written fibre/CUBE+AXIS-A-B"},
        {"fibre/5+w-0-3", "the face is one of +x -x +y -y +z -z"},
        {"fibre/5+x-4-3", "a is 0 to 3"},
        {"fibre/5+x-0-4", "b is 0 to 3"},
        {"face/5", "face is written face/CUBE+AXIS"},
        {"face/5+", "the face is one of +x -x +y -y +z -z"},
        {"face/5+xx", "face is written face/CUBE+AXIS"},
        {"link/5-3-0-2", "link is written link/CUBE-X-Y-Z+AXIS"},
        {"link/5-3-0-2x", "link is written link/CUBE-X-Y-Z+AXIS"},
        {"slice/", "the id in slice/ID is 1 to 63 of A-Z a-z 0-9 . _ -"},
        {"slice/a/b", "the id in slice/ID is 1 to 63 of A-Z a-z 0-9 . _ -"},
        {"pod/a?b", "the id in pod/ID is 1 to 63 of A-Z a-z 0-9 . _ -"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct part part = {.kind = PART_SLICE, .cube = 77};
        struct error err = {0};
        char want[sizeof err.text];
        snprintf(want, sizeof want, "%s: %s", rows[i].name, rows[i].what);
        assert_int_equal(part_parse(&part, rows[i].name, &err), E_INVALID);
        assert_string_equal(err.text, want);
        assert_int_equal(part.kind, PART_SLICE);
        assert_int_equal(part.cube, 77);
    }
}

static void a_complaint_quotes_printably_and_in_bounds(void **state)
{
    (void)state;
    struct part part;
    struct error err;
    assert_int_equal(part_parse(&part, "cube/\x01\xff 5\n", &err), E_INVALID);
    assert_string_equal(err.text, "cube/???5?: cube is written cube/CUBE");
    assert_int_equal(part_parse(&part, "power/" ID_63 "x", &err), E_INVALID);
    assert_ptr_equal(strstr(err.text, "power/abc"), err.text);
    assert_int_equal(strcspn(err.text, ":"), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written_back),
        cmocka_unit_test(every_kind_has_a_golden_name),
        cmocka_unit_test(a_part_is_itself_and_no_other),
        cmocka_unit_test(every_chip_link_and_fibre_round_trips),
        cmocka_unit_test(what_is_not_a_name_is_refused),
        cmocka_unit_test(a_complaint_quotes_printably_and_in_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
