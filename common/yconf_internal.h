/* The tree between the parser (yconf_parse.c) and the readers (yconf.c). */
#ifndef COMMON_YCONF_INTERNAL_H
#define COMMON_YCONF_INTERNAL_H

#include "yconf.h"

enum { YCONF_BYTES_MAX = 1 << 20, YCONF_DEPTH_MAX = 16, YCONF_KEYS_MAX = 1024 };

enum yconf_kind { YCONF_SCALAR, YCONF_MAP, YCONF_LIST };

struct yconf_node {
    enum yconf_kind kind;
    bool quoted;               /* a scalar that was not plain */
    bool known;                /* a mapping's child: some reader asked for its key */
    unsigned line, column;     /* from 1; of the key in a mapping */
    struct yconf_node *parent; /* NULL: the root */
    char *key;                 /* a mapping's child; else NULL */
    size_t index;              /* in the parent */
    char *text;                /* a scalar */
    struct yconf_node **items; /* a mapping's or a list's children */
    size_t n, cap;
};

struct yconf {
    char *name; /* of the file */
    struct yconf_node *root;
    struct error error; /* the first; code 0: none */
};

struct yconf_node *yconf_child(const struct yconf_node *map, const char *key);
/* The place where `at` stands, its path, then `key` if not NULL.  The first
 * complaint is kept, later ones are dropped. */
void yconf_complain(struct yconf *doc, const struct yconf_node *at, const char *key,
                    const char *what);

#endif
