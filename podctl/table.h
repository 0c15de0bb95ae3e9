/* Aligned tables of text, and JSON as cells.  Columns of numbers are aligned to
 * the right; states have a colour where the reader is a terminal. */
#ifndef PODCTL_TABLE_H
#define PODCTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct table;

/* Each title is a column; NULL ends them.  */
struct table *table_create(const char *const *titles);
/* The same without a head line. */
struct table *table_create_plain(size_t columns);
void table_destroy(struct table *table);
/* Adds the next cell of the row under way; takes the text (of malloc). */
void table_cell(struct table *table, char *text);
/* Only after whole rows. */
void table_print(const struct table *table, FILE *out, bool colour);

/* What a column of a list, or a line of a description, shows of an object. */
struct column {
    const char *title; /* NULL ends a list of columns */
    const char *path;  /* "timings.active_ms" */
    bool count;        /* how many there are, not which */
};

/* NULL if there is no such member. */
const json_t *json_at(const json_t *json, const char *path);
/* The value for a person: "-" for nothing, yes or no, 1.23, "a b" for a list,
 * "k=v k=v" for what an object has to say.  Free it. */
char *json_cell(const json_t *value);

struct table *table_of_list(const json_t *list, const struct column *columns);
struct table *table_of_fields(const json_t *object, const struct column *fields);

#endif
