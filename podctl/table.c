#include "podctl/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define BOLD   "\033[1m"
#define PLAIN  "\033[0m"

/* The states of slices, parts, switches and operations. */
static const struct {
    const char *word, *colour;
} colours[] = {
    {"ACTIVE", GREEN},        {"HEALTHY", GREEN},        {"REACHABLE", GREEN},
    {"DONE", GREEN},          {"ACTIVATING", YELLOW},    {"ACTIVE_DEGRADED", YELLOW},
    {"DEACTIVATING", YELLOW}, {"DEGRADED", YELLOW},      {"DRAINED", YELLOW},
    {"DRAINING", YELLOW},     {"OPEN", YELLOW},          {"PENDING", YELLOW},
    {"PROBATION", YELLOW},    {"RECONFIGURING", YELLOW}, {"SUSPECT", YELLOW},
    {"UNKNOWN", YELLOW},      {"FAILED", RED},           {"QUARANTINED", RED},
    {"UNREACHABLE", RED},
};

struct table {
    size_t columns;
    bool head;
    char **cells; /* row by row, the head first */
    size_t n, cap;
};

struct table *table_create_plain(size_t columns)
{
    struct table *table = xcalloc(1, sizeof *table);

    assert(columns > 0);
    table->columns = columns;
    return table;
}

struct table *table_create(const char *const *titles)
{
    size_t n = 0;

    while (titles[n] != NULL) {
        n++;
    }
    struct table *table = table_create_plain(n);
    table->head = true;
    for (size_t i = 0; i < n; i++) {
        table_cell(table, xstrdup(titles[i]));
    }
    return table;
}

void table_destroy(struct table *table)
{
    if (table != NULL) {
        for (size_t i = 0; i < table->n; i++) {
            free(table->cells[i]);
        }
        free(table->cells);
        free(table);
    }
}

/* A name that somebody chose must not move the reader's cursor. */
static void tame(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
        if (*c < ' ' || *c == 0x7f) {
            *c = '?';
        } else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) {
            c[0] = c[1] = '?';
        }
    }
}

void table_cell(struct table *table, char *text)
{
    tame(text);
    VEC_GROW(table->cells, table->n, table->cap);
    table->cells[table->n++] = text;
}

/* Code points: bytes that do not continue a UTF-8 sequence. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

/* Not an id such as 3-41, nor a time. */
static bool is_number(const char *text)
{
    size_t sign = text[0] == '-';
    return text[sign] != '\0' && text[sign + strspn(text + sign, "0123456789.")] == '\0';
}

struct layout {
    size_t width;
    bool right;
};

static struct layout lay_out(const struct table *table, size_t column)
{
    struct layout layout = {0};
    size_t numbers = 0, texts = 0;

    for (size_t i = column; i < table->n; i += table->columns) {
        size_t width = width_of(table->cells[i]);
        layout.width = width > layout.width ? width : layout.width;
        if (i >= table->columns && strcmp(table->cells[i], "-") != 0) {
            numbers += is_number(table->cells[i]);
            texts += !is_number(table->cells[i]);
        }
    }
    layout.right = table->head && numbers > 0 && texts == 0;
    return layout;
}

static const char *colour_of(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(colours); i++) {
        if (strcmp(colours[i].word, text) == 0) {
            return colours[i].colour;
        }
    }
    return NULL;
}

static void print_cell(FILE *out, const char *text, struct layout layout, bool last,
                       const char *colour)
{
    int pad = (int)(layout.width - width_of(text));

    (void)fprintf(out, "%*s%s%s%s%*s", layout.right ? pad : 0, "", colour != NULL ? colour : "",
                  text, colour != NULL ? PLAIN : "", layout.right || last ? 0 : pad, "");
    (void)fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *table, FILE *out, bool colour)
{
    struct layout *layouts = xcalloc(table->columns, sizeof *layouts);

    assert(table->n % table->columns == 0);
    for (size_t column = 0; column < table->columns; column++) {
        layouts[column] = lay_out(table, column);
    }
    for (size_t i = 0; i < table->n; i++) {
        size_t column = i % table->columns;
        const char *shade = !colour                             ? NULL
                            : table->head && i < table->columns ? BOLD
                                                                : colour_of(table->cells[i]);
        print_cell(out, table->cells[i], layouts[column], column + 1 == table->columns, shade);
    }
    free(layouts);
}

/* ---------------------------------------------------------------- JSON -- */

const json_t *json_at(const json_t *json, const char *path)
{
    const char *dot;

    while ((dot = strchr(path, '.')) != NULL) {
        json = json_object_getn(json, path, (size_t)(dot - path));
        path = dot + 1;
    }
    return json_object_get(json, path);
}

/* Appends a word to a line of words; frees the word. */
static char *add_word(char *line, const char *separator, char *word)
{
    char *longer = line == NULL ? xstrdup(word) : xasprintf("%s%s%s", line, separator, word);

    free(line);
    free(word);
    return longer;
}

static char *list_cell(const json_t *list)
{
    char *line = NULL;
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        /* A position reads as 0,1,2; names as words. */
        line = add_word(line, json_is_integer(item) ? "," : " ", json_cell(item));
    }
    return line != NULL ? line : xstrdup("-");
}

static char *object_cell(const json_t *object)
{
    char *line = NULL;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        char *text = json_cell(value);
        if (strcmp(text, "-") != 0) {
            line = add_word(line, " ", xasprintf("%s=%s", key, text));
        }
        free(text);
    }
    return line != NULL ? line : xstrdup("-");
}

char *json_cell(const json_t *value)
{
    if (value == NULL) {
        return xstrdup("-");
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return object_cell(value);
    case JSON_ARRAY:
        return list_cell(value);
    case JSON_STRING:
        return xstrdup(json_string_length(value) > 0 ? json_string_value(value) : "-");
    case JSON_INTEGER:
        return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL:
        return xasprintf("%.2f", json_real_value(value));
    case JSON_TRUE:
        return xstrdup("yes");
    case JSON_FALSE:
        return xstrdup("no");
    case JSON_NULL:
        return xstrdup("-");
    }
    abort();
}

static char *column_cell(const json_t *object, const struct column *column)
{
    const json_t *value = json_at(object, column->path);
    return column->count ? xasprintf("%zu", json_array_size(value)) : json_cell(value);
}

struct table *table_of_list(const json_t *list, const struct column *columns)
{
    const char *titles[24];
    size_t n = 0, i;
    json_t *item;

    for (; columns[n].title != NULL; n++) {
        assert(n + 1 < ARRAY_LEN(titles));
        titles[n] = columns[n].title;
    }
    titles[n] = NULL;
    struct table *table = table_create(titles);
    json_array_foreach(list, i, item)
    {
        for (size_t k = 0; k < n; k++) {
            table_cell(table, column_cell(item, &columns[k]));
        }
    }
    return table;
}

struct table *table_of_fields(const json_t *object, const struct column *fields)
{
    struct table *table = table_create_plain(2);

    for (const struct column *field = fields; field->title != NULL; field++) {
        table_cell(table, xstrdup(field->title));
        table_cell(table, column_cell(object, field));
    }
    return table;
}
