/* Configuration files: values, defaults, and for every mistake the place and
 * the words in which a person is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "mem.h"
#include "yconf.h"

static struct yconf *parsed(const char *text)
{
    struct yconf *doc = NULL;
    struct error err = {0};
    if (yconf_parse(&doc, "f.yaml", text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
    return doc;
}

static void values_and_defaults(void **state)
{
    (void)state;
    struct yconf *doc = parsed("# a pod\n"
                               "pod: {id: north-1, cubes: 64, loss_db: 1.5, twist: true}\n"
                               "ocs:\n"
                               "  - address: 'tcp://127.0.0.1:1'\n"
                               "  - address: \"\"\n"
                               "uids: [1000, admin]\n"
                               "low: -9223372036854775808\n"
                               "exp: 1e3\n");
    const struct yconf_node *root = yconf_root(doc);
    const struct yconf_node *pod = yconf_map(doc, root, "pod");
    assert_string_equal(yconf_str(doc, pod, "id", "?"), "north-1");
    assert_int_equal(yconf_int(doc, pod, "cubes", 1, 1, 64), 64);
    assert_string_equal(yconf_str(doc, pod, "cubes", "?"), "64");
    assert_true(yconf_num(doc, pod, "loss_db", 0, 0, 10) == 1.5);
    assert_true(yconf_bool(doc, pod, "twist", false));
    assert_int_equal(yconf_int(doc, root, "low", 0, INT64_MIN, INT64_MAX), INT64_MIN);
    assert_true(yconf_num(doc, root, "exp", 0, 0, 1e6) == 1000);

    assert_string_equal(yconf_str(doc, pod, "absent", "dflt"), "dflt");
    assert_null(yconf_str(doc, pod, "absent", NULL));
    assert_int_equal(yconf_int(doc, pod, "absent", 7, 0, 1), 7);
    assert_true(yconf_bool(doc, pod, "absent", true));
    assert_null(yconf_map(doc, root, "absent"));
    assert_null(yconf_list(doc, root, "absent"));

    const struct yconf_node *ocs = yconf_list(doc, root, "ocs");
    assert_int_equal(yconf_len(ocs), 2);
    for (size_t i = 0; i < 2; i++) {
        const struct yconf_node *item = yconf_item_map(doc, ocs, i);
        assert_string_equal(yconf_str(doc, item, "address", "?"),
                            i == 0 ? "tcp://127.0.0.1:1" : "");
        yconf_finish(doc, item);
    }
    const struct yconf_node *uids = yconf_list(doc, root, "uids");
    assert_string_equal(yconf_item_str(doc, uids, 0), "1000");
    assert_string_equal(yconf_item_str(doc, uids, 1), "admin");

    yconf_finish(doc, pod);
    yconf_finish(doc, root);
    assert_int_equal(yconf_error(doc, NULL), 0);
    yconf_destroy(doc);
}

static void absent_sections_read_as_empty(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "\n", "# nothing\n", "---\n", "{}", "---\n...\n"};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        struct yconf *doc = parsed(empty[i]);
        const struct yconf_node *http = yconf_map(doc, yconf_root(doc), "http");
        assert_null(http);
        assert_int_equal(yconf_int(doc, http, "port", 8080, 1, 65535), 8080);
        assert_null(yconf_list(doc, http, "users"));
        assert_int_equal(yconf_len(NULL), 0);
        yconf_finish(doc, http);
        yconf_finish(doc, yconf_root(doc));
        assert_int_equal(yconf_error(doc, NULL), 0);
        yconf_destroy(doc);
    }
    yconf_destroy(NULL);
}

static void files_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } rows[] = {
        {"a", "f.yaml:1:1: the top of the file is a mapping (KEY: VALUE)"},
        {"- a\n", "f.yaml:1:1: the top of the file is a mapping (KEY: VALUE)"},
        {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: a: given twice"},
        {"pod:\n  x: 1\n  x: 2\n", "f.yaml:3:3: pod.x: given twice"},
        {"a: &x 1\n", "f.yaml:1:4: a: anchors and tags are not used here"},
        {"a: !!str 1\n", "f.yaml:1:4: a: anchors and tags are not used here"},
        {"a: !own {b: 1}\n", "f.yaml:1:4: a: anchors and tags are not used here"},
        {"a: &x [1]\n", "f.yaml:1:4: a: anchors and tags are not used here"},
        {"l:\n - 1\n - *x\n", "f.yaml:3:4: l[1]: aliases are not used here"},
        {"{a: 1}: 2\n", "f.yaml:1:1: a key is a string"},
        {"? [a]\n: 2\n", "f.yaml:1:3: a key is a string"},
        {"\"\": 1\n", "f.yaml:1:1: not a usable key"},
        {"\"a\\0b\": 1\n", "f.yaml:1:1: a: not a usable key"},
        {"a: \"b\\0c\"\n", "f.yaml:1:4: a: has a NUL character"},
        {"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document"},
        {"a: {\n", "f.yaml:2:1: a: while parsing a flow node: did not find expected node content"},
        {"a: 1\n b: 2\n", "f.yaml:2:3: mapping values are not allowed in this context"},
        {"a: \xff\n", "f.yaml:1:1: invalid leading UTF-8 octet (byte 3)"},
        {"a: [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n",
         "f.yaml:1:19: a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested too deeply"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yconf *doc = NULL;
        struct error err = {0};
        assert_int_equal(yconf_parse(&doc, "f.yaml", rows[i].text, strlen(rows[i].text), &err),
                         E_CONFIG);
        assert_string_equal(err.text, rows[i].what);
        assert_null(doc);
    }
}

static void read_all(struct yconf *doc)
{
    const struct yconf_node *root = yconf_root(doc);
    (void)yconf_int(doc, root, "int", 0, 1, 64);
    (void)yconf_num(doc, root, "num", 0, 0, 1);
    (void)yconf_bool(doc, root, "bool", false);
    (void)yconf_str(doc, root, "str", "");
    const struct yconf_node *map = yconf_map(doc, root, "map");
    (void)yconf_int(doc, map, "int", 0, 1, 64);
    yconf_finish(doc, map);
    const struct yconf_node *strings = yconf_list(doc, root, "strings");
    for (size_t i = 0; i < yconf_len(strings); i++)
        (void)yconf_item_str(doc, strings, i);
    const struct yconf_node *maps = yconf_list(doc, root, "maps");
    for (size_t i = 0; i < yconf_len(maps); i++) {
        const struct yconf_node *item = yconf_item_map(doc, maps, i);
        (void)yconf_int(doc, item, "int", 0, 1, 64);
        yconf_finish(doc, item);
    }
    yconf_finish(doc, root);
}

static void values_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } rows[] = {
        {"int: 0\n", "f.yaml:1:1: int: 0 is not in 1 to 64"},
        {"\nint: 65\n", "f.yaml:2:1: int: 65 is not in 1 to 64"},
        {"int: 99999999999999999999\n", "f.yaml:1:1: int: 99999999999999999999 is not in 1 to 64"},
        {"int: 010\n", "f.yaml:1:1: int: a whole number is expected"},
        {"int: 0x10\n", "f.yaml:1:1: int: a whole number is expected"},
        {"int: 1.5\n", "f.yaml:1:1: int: a whole number is expected"},
        {"int: +1\n", "f.yaml:1:1: int: a whole number is expected"},
        {"int: \"1\"\n", "f.yaml:1:1: int: a whole number is expected"},
        {"int:\n", "f.yaml:1:1: int: has no value"},
        {"int: ~\n", "f.yaml:1:1: int: has no value"},
        {"int: [1]\n", "f.yaml:1:1: int: one value is expected, not a list"},
        {"num: .inf\n", "f.yaml:1:1: num: a number is expected"},
        {"num: nan\n", "f.yaml:1:1: num: a number is expected"},
        {"num: 0x1p3\n", "f.yaml:1:1: num: a number is expected"},
        {"num: 1e\n", "f.yaml:1:1: num: a number is expected"},
        {"num: 1e999\n", "f.yaml:1:1: num: 1e999 is not in 0 to 1"},
        {"num: 1.01\n", "f.yaml:1:1: num: 1.01 is not in 0 to 1"},
        {"bool: yes\n", "f.yaml:1:1: bool: true or false is expected"},
        {"bool: 'true'\n", "f.yaml:1:1: bool: true or false is expected"},
        {"str: null\n", "f.yaml:1:1: str: has no value"},
        {"str: {a: b}\n", "f.yaml:1:1: str: one value is expected, not a mapping"},
        {"map: 5\n", "f.yaml:1:1: map: a mapping is expected"},
        {"map: [1]\n", "f.yaml:1:1: map: a mapping is expected"},
        {"map:\n  int: x\n", "f.yaml:2:3: map.int: a whole number is expected"},
        {"map:\n  itn: 5\n", "f.yaml:2:3: map.itn: no such key"},
        {"strings: a\n", "f.yaml:1:1: strings: a list is expected"},
        {"strings: [a, {b: c}]\n", "f.yaml:1:14: strings[1]: one value is expected, not a mapping"},
        {"maps:\n  - int: 1\n  - int: 2\n    inr: 2\n", "f.yaml:4:5: maps[1].inr: no such key"},
        {"maps: [5]\n", "f.yaml:1:8: maps[0]: a mapping is expected"},
        {"zzz: 1\nint: 0\n", "f.yaml:2:1: int: 0 is not in 1 to 64"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yconf *doc = parsed(rows[i].text);
        struct error err = {0};
        read_all(doc);
        assert_int_equal(yconf_error(doc, &err), E_CONFIG);
        assert_string_equal(err.text, rows[i].what);
        yconf_destroy(doc);
    }
}

static void the_callers_own_complaints(void **state)
{
    (void)state;
    static const struct {
        const char *key, *what;
    } rows[] = {
        {"id", "f.yaml:2:3: pod.id: n is taken"},
        {"absent", "f.yaml:1:1: pod.absent: n is taken"},
        {NULL, "f.yaml:1:1: pod: n is taken"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yconf *doc = parsed("pod:\n  id: n\n");
        struct error err = {0};
        yconf_fail(doc, yconf_map(doc, yconf_root(doc), "pod"), rows[i].key, "%s is taken", "n");
        yconf_fail(doc, NULL, "later", "is dropped");
        assert_int_equal(yconf_error(doc, &err), E_CONFIG);
        assert_string_equal(err.text, rows[i].what);
        yconf_destroy(doc);
    }
    struct yconf *doc = parsed("a: 1\n");
    struct error err = {0};
    yconf_fail(doc, NULL, "pod", "is missing");
    (void)yconf_error(doc, &err);
    assert_string_equal(err.text, "f.yaml:1:1: pod: is missing");
    yconf_destroy(doc);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    struct yconf *doc = NULL;
    struct error err = {0};
    size_t len = (1 << 20) + 1;
    char *text = xmalloc(len);
    memset(text, '#', len);
    assert_int_equal(yconf_parse(&doc, "f.yaml", text, len, &err), E_CONFIG);
    assert_string_equal(err.text, "f.yaml: larger than 1 MiB");

    size_t used = 0;
    for (unsigned i = 0; i <= 1024; i++)
        used += (size_t)snprintf(text + used, len - used, "k%u: 1\n", i);
    assert_int_equal(yconf_parse(&doc, "f.yaml", text, used, &err), E_CONFIG);
    assert_string_equal(err.text, "f.yaml:1025:1: k1024: too many keys in one mapping");

    /* A long path is cut, not overrun. */
    used = (size_t)snprintf(text, len, "%0400d: {b: [x, *a]}\n", 1);
    assert_int_equal(yconf_parse(&doc, "f.yaml", text, used, &err), E_CONFIG);
    assert_ptr_equal(strstr(err.text, "f.yaml:1:"), err.text);
    free(text);
}

static void files_are_loaded(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_yconf.XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *file = xasprintf("%s/pod.yaml", dir);
    struct yconf *doc = NULL;
    struct error err = {0};
    assert_int_equal(yconf_load(&doc, file, &err), E_IO);
    assert_non_null(strstr(err.text, "pod.yaml: No such file or directory"));
    assert_int_equal(yconf_load(&doc, dir, &err), E_IO);

    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fputs("cubes: 8\n", stream);
    fclose(stream);
    assert_int_equal(yconf_load(&doc, file, &err), 0);
    assert_int_equal(yconf_int(doc, yconf_root(doc), "cubes", 1, 1, 64), 8);
    yconf_destroy(doc);
    unlink(file);
    rmdir(dir);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_defaults),
        cmocka_unit_test(absent_sections_read_as_empty),
        cmocka_unit_test(files_that_are_refused),
        cmocka_unit_test(values_that_are_refused),
        cmocka_unit_test(the_callers_own_complaints),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(files_are_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
