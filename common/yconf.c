/* The readers, and how a complaint finds its place. */
#include "yconf.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yconf_internal.h"

enum { PATH_BYTES = 200, WHAT_BYTES = 240 };

/* ---------------------------------------------------------- complaints -- */

/* "pod.wiring[3].ocs": the keys and indices from the root to `node`. */
static size_t put_path(char path[PATH_BYTES], const struct yconf_node *node)
{
    if (node->parent == NULL) {
        path[0] = '\0';
        return 0;
    }
    size_t used = put_path(path, node->parent);
    int len = 0;
    if (node->key != NULL) {
        len = snprintf(path + used, PATH_BYTES - used, "%s%s", used > 0 ? "." : "", node->key);
    } else if (node->parent->kind == YCONF_LIST) {
        len = snprintf(path + used, PATH_BYTES - used, "[%zu]", node->index);
    }
    assert(len >= 0);
    used += (size_t)len;
    return used < PATH_BYTES ? used : PATH_BYTES - 1;
}

void yconf_complain(struct yconf *doc, const struct yconf_node *at, const char *key,
                    const char *what)
{
    if (doc->error.code != 0) {
        return;
    }
    char path[PATH_BYTES];
    size_t used = put_path(path, at);
    if (key != NULL) {
        (void)snprintf(path + used, PATH_BYTES - used, "%s%s", used > 0 ? "." : "", key);
    }
    (void)err_set(&doc->error, E_CONFIG, "%s:%u:%u: %s%s%s", doc->name, at->line, at->column, path,
                  path[0] != '\0' ? ": " : "", what);
}

void yconf_fail(struct yconf *doc, const struct yconf_node *map, const char *key, const char *fmt,
                ...)
{
    char what[WHAT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);

    const struct yconf_node *at = map != NULL ? map : doc->root;
    const struct yconf_node *child = key != NULL ? yconf_child(at, key) : NULL;
    if (child != NULL) {
        yconf_complain(doc, child, NULL, what);
    } else {
        yconf_complain(doc, at, key, what);
    }
}

void yconf_finish(struct yconf *doc, const struct yconf_node *map)
{
    for (size_t i = 0; map != NULL && i < map->n; i++) {
        if (!map->items[i]->known) {
            yconf_complain(doc, map->items[i], NULL, "no such key");
        }
    }
}

int yconf_error(const struct yconf *doc, struct error *err)
{
    return doc->error.code == 0 ? 0 : err_set(err, doc->error.code, "%s", doc->error.text);
}

/* ------------------------------------------------------------- readers -- */

const struct yconf_node *yconf_root(const struct yconf *doc)
{
    return doc->root;
}

struct yconf_node *yconf_child(const struct yconf_node *map, const char *key)
{
    assert(map->kind == YCONF_MAP);
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->items[i]->key, key) == 0) {
            return map->items[i];
        }
    }
    return NULL;
}

static struct yconf_node *fetch(const struct yconf_node *map, const char *key)
{
    struct yconf_node *child = map != NULL ? yconf_child(map, key) : NULL;
    if (child != NULL) {
        child->known = true;
    }
    return child;
}

/* "key:" with nothing behind it, or YAML's words for that. */
static bool is_null(const struct yconf_node *node)
{
    return !node->quoted && (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
                             strcmp(node->text, "null") == 0);
}

/* The text of a scalar with a value; NULL, with a complaint, for others. */
static const char *scalar(struct yconf *doc, const struct yconf_node *node)
{
    if (node->kind != YCONF_SCALAR) {
        yconf_complain(doc, node, NULL,
                       node->kind == YCONF_MAP ? "one value is expected, not a mapping"
                                               : "one value is expected, not a list");
        return NULL;
    }
    if (is_null(node)) {
        yconf_complain(doc, node, NULL, "has no value");
        return NULL;
    }
    return node->text;
}

const char *yconf_str(struct yconf *doc, const struct yconf_node *map, const char *key,
                      const char *dflt)
{
    const struct yconf_node *node = fetch(map, key);
    const char *text = node != NULL ? scalar(doc, node) : NULL;
    return text != NULL ? text : dflt;
}

/* -?(0|[1-9][0-9]*): 010 is eight to YAML 1.1 and ten to a person, so neither. */
static bool is_whole(const char *text)
{
    text += *text == '-';
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '\0' && (text[0] != '0' || digits == 1);
}

int64_t yconf_int(struct yconf *doc, const struct yconf_node *map, const char *key, int64_t dflt,
                  int64_t min, int64_t max)
{
    const struct yconf_node *node = fetch(map, key);
    const char *text = node != NULL ? scalar(doc, node) : NULL;
    if (text == NULL) {
        return dflt;
    }
    if (node->quoted || !is_whole(text)) {
        yconf_complain(doc, node, NULL, "a whole number is expected");
        return dflt;
    }
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0 || value < min || value > max) {
        yconf_fail(doc, map, key, "%.40s is not in %lld to %lld", text, (long long)min,
                   (long long)max);
        return dflt;
    }
    return value;
}

double yconf_num(struct yconf *doc, const struct yconf_node *map, const char *key, double dflt,
                 double min, double max)
{
    const struct yconf_node *node = fetch(map, key);
    const char *text = node != NULL ? scalar(doc, node) : NULL;
    if (text == NULL) {
        return dflt;
    }
    char *end = NULL;
    double value = strtod(text, &end);
    /* strtod alone would also take hexadecimal, "inf" and "nan". */
    if (node->quoted || text[strspn(text, "0123456789+-.eE")] != '\0' || *end != '\0') {
        yconf_complain(doc, node, NULL, "a number is expected");
        return dflt;
    }
    if (!isfinite(value) || value < min || value > max) {
        yconf_fail(doc, map, key, "%.40s is not in %g to %g", text, min, max);
        return dflt;
    }
    return value;
}

bool yconf_bool(struct yconf *doc, const struct yconf_node *map, const char *key, bool dflt)
{
    const struct yconf_node *node = fetch(map, key);
    const char *text = node != NULL ? scalar(doc, node) : NULL;
    if (text == NULL) {
        return dflt;
    }
    bool yes = strcmp(text, "true") == 0;
    if (node->quoted || (!yes && strcmp(text, "false") != 0)) {
        yconf_complain(doc, node, NULL, "true or false is expected");
        return dflt;
    }
    return yes;
}

static const struct yconf_node *of_kind(struct yconf *doc, const struct yconf_node *node,
                                        enum yconf_kind kind)
{
    if (node != NULL && node->kind != kind) {
        yconf_complain(doc, node, NULL,
                       kind == YCONF_MAP ? "a mapping is expected" : "a list is expected");
        return NULL;
    }
    return node;
}

const struct yconf_node *yconf_map(struct yconf *doc, const struct yconf_node *map, const char *key)
{
    return of_kind(doc, fetch(map, key), YCONF_MAP);
}

const struct yconf_node *yconf_list(struct yconf *doc, const struct yconf_node *map,
                                    const char *key)
{
    return of_kind(doc, fetch(map, key), YCONF_LIST);
}

size_t yconf_len(const struct yconf_node *list)
{
    assert(list == NULL || list->kind == YCONF_LIST);
    return list != NULL ? list->n : 0;
}

const struct yconf_node *yconf_item_map(struct yconf *doc, const struct yconf_node *list, size_t i)
{
    assert(i < yconf_len(list));
    return of_kind(doc, list->items[i], YCONF_MAP);
}

const char *yconf_item_str(struct yconf *doc, const struct yconf_node *list, size_t i)
{
    assert(i < yconf_len(list));
    const char *text = scalar(doc, list->items[i]);
    return text != NULL ? text : "";
}
