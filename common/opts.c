#include "opts.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Past every short option: a long option's code is its row plus LONG_CODE. */
enum { LONG_CODE = 256, HELP_CODE = LONG_CODE + OPTS_MAX, VERSION_CODE };

void opts_usage_error(const struct program *program, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fprintf(stderr, "%s: ", program->name);
    (void)vfprintf(stderr, fmt, ap);
    (void)fprintf(stderr, "\ntry `%s --help`\n", program->name);
    va_end(ap);
    exit(OPTS_EXIT_USAGE);
}

static void print_option(char short_name, const char *name, const char *arg, const char *help)
{
    char left[64];
    const char *dash = short_name != 0 ? "-" : " ";
    (void)snprintf(left, sizeof left, "%s%c%c --%s%s%s", dash, short_name != 0 ? short_name : ' ',
                   short_name != 0 ? ',' : ' ', name, arg != NULL ? " " : "",
                   arg != NULL ? arg : "");
    printf("  %-28s  %s\n", left, help);
}

static _Noreturn void print_help(const struct program *program)
{
    printf("Usage: %s [OPTION]...%s%s\n\n%s\n\nOptions:\n", program->name,
           program->operands != NULL ? " " : "", program->operands != NULL ? program->operands : "",
           program->about);
    for (const struct opt *opt = program->options; opt->name != NULL; opt++) {
        print_option(opt->short_name, opt->name, opt->arg, opt->help);
    }
    print_option('h', "help", NULL, "print this and exit");
    print_option(0, "version", NULL, "print the version and exit");
    exit(EXIT_SUCCESS);
}

struct tables {
    size_t n;
    struct option longs[OPTS_MAX + 3];
    char shorts[2 * OPTS_MAX + 8];
};

/* getopt's two tables from ours.  The leading ':' makes it tell a missing
 * argument from an unknown option; '+' stops it at the first operand. */
static void build_tables(struct tables *t, const struct program *program)
{
    *t = (struct tables){0};
    char *s = stpcpy(t->shorts, program->commands ? "+:h" : ":h");
    for (const struct opt *opt = program->options; opt->name != NULL; opt++, t->n++) {
        assert(t->n < OPTS_MAX && (opt->arg != NULL ? opt->value != NULL : opt->flag != NULL));
        t->longs[t->n] = (struct option){opt->name, opt->arg != NULL, NULL, LONG_CODE + (int)t->n};
        if (opt->short_name != 0) {
            *s++ = opt->short_name;
            s = stpcpy(s, opt->arg != NULL ? ":" : "");
        }
    }
    t->longs[t->n] = (struct option){"help", no_argument, NULL, HELP_CODE};
    t->longs[t->n + 1] = (struct option){"version", no_argument, NULL, VERSION_CODE};
}

static _Noreturn void refuse(const struct program *program, const struct tables *t,
                             const char *word, int code)
{
    if (optopt == 0) {
        opts_usage_error(program, "unknown or ambiguous option %s", word);
    }
    const char *what = code == ':' ? "needs an argument" : "takes no argument";
    if (optopt < LONG_CODE && code == '?') {
        opts_usage_error(program, "unknown option -%c", optopt);
    }
    if (optopt < LONG_CODE) {
        opts_usage_error(program, "option -%c %s", optopt, what);
    }
    const struct option *found = t->longs;
    while (found->val != optopt) {
        found++;
    }
    opts_usage_error(program, "option --%s %s", found->name, what);
}

static void apply(const struct program *program, int code)
{
    const struct opt *opt = program->options;
    if (code >= LONG_CODE) {
        opt += code - LONG_CODE;
    } else {
        while (opt->short_name != code) {
            opt++;
        }
    }
    if (opt->arg != NULL) {
        *opt->value = optarg;
    } else {
        *opt->flag = true;
    }
}

int opts_parse(const struct program *program, int argc, char **argv)
{
    struct tables tables;
    build_tables(&tables, program);
    optind = 0; /* glibc: start anew, also for the command of a command */
    opterr = 0;
    for (int code; (code = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1;) {
        switch (code) {
        case 'h':
        case HELP_CODE:
            print_help(program);
        case VERSION_CODE:
            printf("%s %s\n", program->name, PODMGR_VERSION);
            exit(EXIT_SUCCESS);
        case ':':
        case '?':
            refuse(program, &tables, argv[optind - 1], code);
        default:
            apply(program, code);
        }
    }
    if (program->operands == NULL && optind < argc) {
        opts_usage_error(program, "unexpected argument %s", argv[optind]);
    }
    return optind;
}
