/* What a person reads: cells of JSON, aligned columns, colours, harmless text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "podctl/table.h"

static void values_become_cells(void **state)
{
    static const struct {
        const char *json, *cell;
    } rows[] = {
        {"null", "-"},        {"\"\"", "-"},
        {"\"a b\"", "a b"},   {"12", "12"},
        {"1.2345", "1.23"},   {"true", "yes"},
        {"false", "no"},      {"[]", "-"},
        {"[0,1,2]", "0,1,2"}, {"[\"chip/0-0-0-0\",\"chip/0-1-0-0\"]", "chip/0-0-0-0 chip/0-1-0-0"},
        {"{}", "-"},          {"{\"north\":68,\"why\":\"\"}", "north=68"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *json = json_loads(rows[i].json, JSON_DECODE_ANY, NULL);
        char *cell = json_cell(json);
        assert_string_equal(cell, rows[i].cell);
        free(cell);
        json_decref(json);
    }
    char *cell = json_cell(NULL);
    assert_string_equal(cell, "-");
    free(cell);
}

static char *printed(struct table *table, bool colour)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    table_print(table, out, colour);
    table_destroy(table);
    (void)fclose(out);
    return text;
}

static const struct column columns[] = {
    {"ID", "id", false},
    {"N", "deep.n", false},
    {"HOSTS", "hosts", true},
    {"STATE", "state", false},
    {0},
};

static struct table *sample(void)
{
    json_t *list =
        json_loads("[{\"id\":\"1-2\",\"deep\":{\"n\":7},\"hosts\":[1,2],"
                   "\"state\":\"ACTIVE\"},"
                   "{\"id\":\"\\u00e9t\\u00e9\",\"deep\":{\"n\":1234},\"state\":\"FAILED\"},"
                   "{\"id\":\"longer\\u001b[2J\\u009b\",\"hosts\":[]}]",
                   0, NULL);
    struct table *table = table_of_list(list, columns);

    json_decref(list);
    return table;
}

static void columns_are_aligned(void **state)
{
    char *text = printed(sample(), false);

    (void)state;
    assert_string_equal(text, "ID               N  HOSTS  STATE\n"
                              "1-2              7      2  ACTIVE\n"
                              "\u00e9t\u00e9           1234      0  FAILED\n"
                              "longer?[2J??     -      0  -\n");
    free(text);
}

static void states_have_colours(void **state)
{
    char *text = printed(sample(), true);

    (void)state;
    assert_non_null(strstr(text, "\033[32mACTIVE\033[0m\n"));
    assert_non_null(strstr(text, "\033[31mFAILED\033[0m\n"));
    assert_non_null(strstr(text, "\033[1mSTATE\033[0m\n"));
    free(text);
}

static void fields_stand_below_each_other(void **state)
{
    json_t *json = json_loads("{\"id\":\"1-2\",\"deep\":{\"n\":7}}", 0, NULL);
    char *text = printed(table_of_fields(json, columns), false);

    (void)state;
    assert_string_equal(text, "ID     1-2\nN      7\nHOSTS  0\nSTATE  -\n");
    free(text);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_cells),
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(states_have_colours),
        cmocka_unit_test(fields_stand_below_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
