/* The words after `podctl`: options before and after the command's name, some
 * repeated (--label), some with an argument that may be left out (--wait), for
 * which common/opts.h has no place.  Nothing is printed and nothing exits. */
#ifndef PODCTL_ARGS_H
#define PODCTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

enum { ARGS_OPTIONS_MAX = 24 }; /* those of every command plus those of one */

struct cmd_opt {
    const char *name;  /* long name, without the dashes; NULL ends a table */
    char short_name;   /* 0: none */
    const char *arg;   /* what --help calls the argument; NULL: a flag */
    bool arg_optional; /* then only as --name=ARG */
    const char *help;
};

struct args { /* starts as all zeros */
    struct given {
        const struct cmd_opt *opt;
        const char *value; /* of argv; NULL for a flag */
    } * given;             /* in the order of the command line */
    size_t n, cap;
    char **operands; /* of argv */
    size_t n_operands;
};

/* Adds the options of argv[1..] that stand in the tables (`own` may be NULL)
 * and sets the operands.  stop_at_operand leaves the words from the first
 * operand on unread, for options that follow belong to it.  E_INVALID names
 * the word at fault. */
int args_parse(struct args *args, const struct cmd_opt *common, const struct cmd_opt *own,
               bool stop_at_operand, int argc, char **argv, struct error *err);
void args_fini(struct args *args);

bool args_has(const struct args *args, const char *name);
/* The last one given, NULL if none. */
const char *args_value(const struct args *args, const char *name);

#endif
