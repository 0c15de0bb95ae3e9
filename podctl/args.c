#include "podctl/args.h"

#include <assert.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* Past every short option: a long option's code is its row plus LONG_CODE. */
enum { LONG_CODE = 256 };

struct tables {
    const struct cmd_opt *rows[ARGS_OPTIONS_MAX];
    struct option longs[ARGS_OPTIONS_MAX + 1];
    char shorts[2 * ARGS_OPTIONS_MAX + 3];
    size_t n;
};

static char *add_rows(struct tables *t, char *shorts, const struct cmd_opt *rows)
{
    for (const struct cmd_opt *row = rows; row != NULL && row->name != NULL; row++, t->n++) {
        assert(t->n < ARGS_OPTIONS_MAX);
        assert(!row->arg_optional || row->arg != NULL);
        int has_arg = row->arg_optional  ? optional_argument
                      : row->arg != NULL ? required_argument
                                         : no_argument;
        t->rows[t->n] = row;
        t->longs[t->n] = (struct option){row->name, has_arg, NULL, LONG_CODE + (int)t->n};
        if (row->short_name != 0) {
            *shorts++ = row->short_name;
            shorts = stpcpy(shorts, row->arg != NULL ? ":" : "");
        }
    }
    return shorts;
}

static const struct cmd_opt *row_of(const struct tables *t, int code)
{
    if (code >= LONG_CODE) {
        return t->rows[code - LONG_CODE];
    }
    for (size_t i = 0; i < t->n; i++) {
        if (t->rows[i]->short_name == code) {
            return t->rows[i];
        }
    }
    return NULL;
}

static int refuse(const struct tables *t, int code, const char *word, struct error *err)
{
    const struct cmd_opt *row = optopt != 0 ? row_of(t, optopt) : NULL;

    if (row != NULL) {
        return err_set(err, E_INVALID, "option --%s %s", row->name,
                       code == ':' ? "needs an argument" : "takes no argument");
    }
    return optopt != 0 ? err_set(err, E_INVALID, "unknown option -%c", optopt)
                       : err_set(err, E_INVALID, "unknown or ambiguous option %s", word);
}

int args_parse(struct args *args, const struct cmd_opt *common, const struct cmd_opt *own,
               bool stop_at_operand, int argc, char **argv, struct error *err)
{
    struct tables t = {0};
    int code;

    /* The ':' makes getopt tell a missing argument from an unknown option. */
    char *shorts = stpcpy(t.shorts, stop_at_operand ? "+:" : ":");
    (void)add_rows(&t, add_rows(&t, shorts, common), own);
    optind = 0; /* glibc: start anew */
    opterr = 0;
    while ((code = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
        if (code == ':' || code == '?') {
            return refuse(&t, code, argv[optind - 1], err);
        }
        VEC_GROW(args->given, args->n, args->cap);
        args->given[args->n++] = (struct given){row_of(&t, code), optarg};
    }
    args->operands = argv + optind;
    args->n_operands = (size_t)(argc - optind);
    return 0;
}

void args_fini(struct args *args)
{
    free(args->given);
    *args = (struct args){0};
}

static const struct given *last_given(const struct args *args, const char *name)
{
    for (size_t i = args->n; i > 0; i--) {
        if (strcmp(args->given[i - 1].opt->name, name) == 0) {
            return &args->given[i - 1];
        }
    }
    return NULL;
}

bool args_has(const struct args *args, const char *name)
{
    return last_given(args, name) != NULL;
}

const char *args_value(const struct args *args, const char *name)
{
    const struct given *given = last_given(args, name);
    return given != NULL ? given->value : NULL;
}
