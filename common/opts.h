/* The command line, as every program reads it: options in a table, GNU style,
 * with --help and --version for all.
 *
 *     static const char *config = "/etc/podmgr/podmgr.yaml";
 *     static bool json;
 *     static const struct opt options[] = {
 *         OPT_CONFIG(&config, "/etc/podmgr/podmgr.yaml"), OPT_LOG_JSON(&json), {0}};
 *     static const struct program program = {
 *         .name = "podmgr", .about = "Owns the intent of a pod.", .options = options};
 *     opts_parse(&program, argc, argv);
 *
 * --help and --version print to stdout and exit 0.  A mistake prints one line
 * and a hint to stderr and exits with OPTS_EXIT_USAGE. */
#ifndef COMMON_OPTS_H
#define COMMON_OPTS_H

#include <stdbool.h>

enum { OPTS_EXIT_USAGE = 2, OPTS_MAX = 32 };

struct opt {
    const char *name; /* long name, without the dashes; NULL ends the table */
    char short_name;  /* 0: none */
    const char *arg;  /* what --help calls the argument; NULL: a flag */
    const char *help;
    const char **value; /* set to the argument (of argv, not copied) */
    bool *flag;         /* set to true */
};

#define OPT_CONFIG(target, dflt)                                                                   \
    {                                                                                              \
        "config", 'c', "FILE", "configuration (default " dflt ")", (target), NULL                  \
    }
#define OPT_LOG_JSON(target)                                                                       \
    {                                                                                              \
        "log-json", 0, NULL, "log one JSON object a line", NULL, (target)                          \
    }

struct program {
    const char *name;
    const char *operands;      /* for the usage line, e.g. "COMMAND [ARG]..."; NULL: none taken */
    const char *about;         /* a sentence or a paragraph */
    const struct opt *options; /* at most OPTS_MAX */
    bool commands;             /* stop at the first operand: what follows has its own options */
};

/* Returns the index in argv of the first operand (argc if there is none);
 * argv is permuted so that operands come last. */
int opts_parse(const struct program *program, int argc, char **argv);
/* For complaints about operands, in the same form; does not return. */
_Noreturn void opts_usage_error(const struct program *program, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
