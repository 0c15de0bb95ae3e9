/* Options of podctl: repeated, with an argument that may be left out, before
 * and after the operands; and how each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "podctl/args.h"

enum { WORDS = 8 };

static const struct cmd_opt common[] = {
    {"output", 'o', "FORMAT", false, "how"}, {"help", 'h', NULL, false, "this"}, {0}};
static const struct cmd_opt own[] = {
    {"label", 0, "K=V", false, "a label"}, {"wait", 0, "TIME", true, "wait"}, {0}};

static int parse(struct args *args, bool stop, const char *const words[WORDS], struct error *err)
{
    static char copies[WORDS][32];
    static char *argv[WORDS + 2]; /* the operands point into it */
    int argc = 1;

    (void)snprintf(copies[0], sizeof copies[0], "podctl");
    argv[0] = copies[0];
    for (; argc < WORDS && words[argc - 1] != NULL; argc++) {
        (void)snprintf(copies[argc], sizeof copies[argc], "%s", words[argc - 1]);
        argv[argc] = copies[argc];
    }
    argv[argc] = NULL;
    return args_parse(args, common, own, stop, argc, argv, err);
}

/* "label=a=b wait | 4x4x8" */
static char *describe(const struct args *args)
{
    char *text = xstrdup("");

    for (size_t i = 0; i < args->n; i++) {
        const char *value = args->given[i].value;
        char *longer = xasprintf("%s%s%s%s ", text, args->given[i].opt->name,
                                 value != NULL ? "=" : "", value != NULL ? value : "");
        free(text);
        text = longer;
    }
    for (size_t i = 0; i < args->n_operands; i++) {
        char *longer = xasprintf("%s%s%s", text, i == 0 ? "| " : " ", args->operands[i]);
        free(text);
        text = longer;
    }
    return text;
}

static void lines_are_read(void **state)
{
    static const struct {
        bool stop;
        const char *words[WORDS], *want;
    } rows[] = {
        {false, {NULL}, ""},
        {false, {"4x4x8"}, "| 4x4x8"},
        {false, {"4x4x8", "-o", "json"}, "output=json | 4x4x8"},
        {false, {"-ojson", "a", "b"}, "output=json | a b"},
        {false, {"--label", "a=b", "--label=c=d", "x"}, "label=a=b label=c=d | x"},
        {false, {"--wait", "x"}, "wait | x"},
        {false, {"--wait=5s", "x"}, "wait=5s | x"},
        {false, {"--", "--wait"}, "| --wait"},
        {true, {"-h", "slice", "--wait"}, "help | slice --wait"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct args args = {0};
        struct error err;
        assert_int_equal(parse(&args, rows[i].stop, rows[i].words, &err), 0);
        char *text = describe(&args);
        assert_string_equal(text, rows[i].want);
        free(text);
        args_fini(&args);
    }
}

static void mistakes_are_told(void **state)
{
    static const struct {
        const char *words[WORDS], *what;
    } rows[] = {
        {{"--bogus"}, "unknown or ambiguous option --bogus"},
        {{"a", "-x", "b"}, "unknown option -x"},
        {{"--label"}, "option --label needs an argument"},
        {{"-o"}, "option --output needs an argument"},
        {{"--help=3"}, "option --help takes no argument"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct args args = {0};
        struct error err;
        assert_int_equal(parse(&args, false, rows[i].words, &err), E_INVALID);
        assert_string_equal(err.text, rows[i].what);
        args_fini(&args);
    }
}

static void the_last_one_counts(void **state)
{
    static const char *const words[WORDS] = {"-o", "json", "--wait", "--output", "table"};
    struct args args = {0};
    struct error err;

    (void)state;
    assert_int_equal(parse(&args, false, words, &err), 0);
    assert_string_equal(args_value(&args, "output"), "table");
    assert_true(args_has(&args, "wait"));
    assert_null(args_value(&args, "wait"));
    assert_false(args_has(&args, "label"));
    args_fini(&args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(the_last_one_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
