/* Configuration files: YAML read into a tree whose nodes know their file, line
 * and column, and a reader that refuses unknown keys, so that every mistake is
 * named where it stands ("podmgr.yaml:12:3: pod.cubes: ...").
 *
 * Use: yconf_load(); fetch keys with yconf_* by name from a mapping, each of
 * which marks the key as known; yconf_finish(map) then fails on any key that
 * nobody fetched.  The first error wins and is kept in the document: readers
 * go on with their defaults, and yconf_error() tells in the end.
 *
 * A map or list may be NULL (an optional one that is absent, or one after an
 * error): it reads as empty, so that sections need no `if`. */
#ifndef COMMON_YCONF_H
#define COMMON_YCONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct yconf; /* a document */
struct yconf_node;

/* One document of at most 1 MiB, depth 16, 1,024 keys a mapping, whose top is a
 * mapping (an empty file is an empty one); anchors, aliases, tags and duplicate
 * keys are refused.  E_IO, or E_CONFIG with "file:line:column: path: what".
 * Nodes and strings live until yconf_destroy(). */
int yconf_load(struct yconf **out, const char *file, struct error *err);
int yconf_parse(struct yconf **out, const char *name, const char *text, size_t len,
                struct error *err);
void yconf_destroy(struct yconf *doc);

const struct yconf_node *yconf_root(const struct yconf *doc);
/* Readers of a mapping's keys.  `dflt` is returned when the key is absent; a key
 * without a value is an error.  Numbers and booleans are decimal and
 * true/false, unquoted; anything may be read as a string. */
const char *yconf_str(struct yconf *doc, const struct yconf_node *map, const char *key,
                      const char *dflt);
int64_t yconf_int(struct yconf *doc, const struct yconf_node *map, const char *key, int64_t dflt,
                  int64_t min, int64_t max);
double yconf_num(struct yconf *doc, const struct yconf_node *map, const char *key, double dflt,
                 double min, double max);
bool yconf_bool(struct yconf *doc, const struct yconf_node *map, const char *key, bool dflt);
/* NULL when absent; an error when present and of another type. */
const struct yconf_node *yconf_map(struct yconf *doc, const struct yconf_node *map,
                                   const char *key);
const struct yconf_node *yconf_list(struct yconf *doc, const struct yconf_node *map,
                                    const char *key);
size_t yconf_len(const struct yconf_node *list);
/* An item of a list: a mapping (NULL after a complaint), or a string ("" after
 * one).  i < yconf_len(). */
const struct yconf_node *yconf_item_map(struct yconf *doc, const struct yconf_node *list, size_t i);
const char *yconf_item_str(struct yconf *doc, const struct yconf_node *list, size_t i);

/* The caller's own complaint about key `key` of `map` (NULL: the map itself):
 * records file, line, column and the key's full path. */
void yconf_fail(struct yconf *doc, const struct yconf_node *map, const char *key, const char *fmt,
                ...) __attribute__((format(printf, 4, 5)));
/* Refuses keys of this mapping that were never asked for. */
void yconf_finish(struct yconf *doc, const struct yconf_node *map);
/* 0, or E_CONFIG with the first complaint. */
int yconf_error(const struct yconf *doc, struct error *err);

#endif
