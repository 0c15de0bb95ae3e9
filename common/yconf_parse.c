/* YAML text to the tree of yconf_internal.h, by libyaml's events.  Only the part
 * of YAML that a person means in a configuration is let through. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "mem.h"
#include "yconf_internal.h"

struct build {
    struct yconf *doc;
    struct yconf_node *open; /* the mapping or list being filled; NULL at the top */
    unsigned depth;
    char *key; /* read, its value still to come */
    yaml_mark_t key_at;
    bool ended; /* the first document is complete */
};

static void destroy_node(struct yconf_node *node)
{
    for (size_t i = 0; i < node->n; i++) {
        destroy_node(node->items[i]); /* no deeper than YCONF_DEPTH_MAX */
    }
    free(node->items);
    free(node->key);
    free(node->text);
    free(node);
}

void yconf_destroy(struct yconf *doc)
{
    if (doc == NULL) {
        return;
    }
    if (doc->root != NULL) {
        destroy_node(doc->root);
    }
    free(doc->name);
    free(doc);
}

/* A complaint about something that is not (yet) a node of the tree. */
static void refuse(struct build *b, yaml_mark_t at, const char *what)
{
    struct yconf_node here = {
        .line = (unsigned)at.line + 1,
        .column = (unsigned)at.column + 1,
        .parent = b->open,
        .key = b->key,
        .index = b->open != NULL ? b->open->n : 0,
    };
    yconf_complain(b->doc, &here, NULL, what);
}

static void take_key(struct build *b, const yaml_event_t *event)
{
    char *key = xstrdup((const char *)event->data.scalar.value);
    assert(b->key == NULL);
    b->key = key;
    b->key_at = event->start_mark;
    if (key[0] == '\0' || strlen(key) != event->data.scalar.length) {
        refuse(b, event->start_mark, "not a usable key");
    } else if (yconf_child(b->open, key) != NULL) {
        refuse(b, event->start_mark, "given twice");
    } else if (b->open->n == YCONF_KEYS_MAX) {
        refuse(b, event->start_mark, "too many keys in one mapping");
    }
}

static struct yconf_node *add_node(struct build *b, enum yconf_kind kind, yaml_mark_t mark)
{
    yaml_mark_t at = b->key != NULL ? b->key_at : mark;
    struct yconf_node *node = xcalloc(1, sizeof *node);
    *node = (struct yconf_node){
        .kind = kind,
        .line = (unsigned)at.line + 1,
        .column = (unsigned)at.column + 1,
        .parent = b->open,
        .key = b->key,
    };
    b->key = NULL;
    if (b->open == NULL) {
        b->doc->root = node;
        return node;
    }
    struct yconf_node *open = b->open;
    VEC_GROW(open->items, open->n, open->cap);
    node->index = open->n;
    open->items[open->n++] = node;
    return node;
}

static bool key_expected(const struct build *b)
{
    return b->open != NULL && b->open->kind == YCONF_MAP && b->key == NULL;
}

static void take_scalar(struct build *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL) {
        refuse(b, event->start_mark, "anchors and tags are not used here");
    } else if (key_expected(b)) {
        take_key(b, event);
    } else if (b->open == NULL) {
        /* libyaml reports a document of nothing but comments as an empty scalar. */
        if (event->data.scalar.length > 0 || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
            refuse(b, event->start_mark, "the top of the file is a mapping (KEY: VALUE)");
        }
    } else if (strlen(text) != event->data.scalar.length) {
        refuse(b, event->start_mark, "has a NUL character");
    } else {
        struct yconf_node *node = add_node(b, YCONF_SCALAR, event->start_mark);
        node->text = xstrdup(text);
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    }
}

static void take_start(struct build *b, enum yconf_kind kind, yaml_mark_t at, bool decorated)
{
    if (decorated) {
        refuse(b, at, "anchors and tags are not used here");
    } else if (key_expected(b)) {
        refuse(b, at, "a key is a string");
    } else if (b->open == NULL && kind != YCONF_MAP) {
        refuse(b, at, "the top of the file is a mapping (KEY: VALUE)");
    } else if (b->depth == YCONF_DEPTH_MAX) {
        refuse(b, at, "nested too deeply");
    } else {
        b->open = add_node(b, kind, at);
        b->depth++;
    }
}

static void take_event(struct build *b, const yaml_event_t *event)
{
    /* yaml_event_type_t is libyaml's: its future members would be syntax that
     * this reader does not know, so the default refuses them. */
    switch ((int)event->type) {
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (b->ended) {
            refuse(b, event->start_mark, "a second document");
        }
        break;
    case YAML_DOCUMENT_END_EVENT:
        b->ended = true;
        break;
    case YAML_SCALAR_EVENT:
        take_scalar(b, event);
        break;
    case YAML_MAPPING_START_EVENT:
        take_start(b, YCONF_MAP, event->start_mark,
                   event->data.mapping_start.anchor != NULL ||
                       event->data.mapping_start.tag != NULL);
        break;
    case YAML_SEQUENCE_START_EVENT:
        take_start(b, YCONF_LIST, event->start_mark,
                   event->data.sequence_start.anchor != NULL ||
                       event->data.sequence_start.tag != NULL);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        assert(b->open != NULL && b->key == NULL);
        b->open = b->open->parent;
        b->depth--;
        break;
    default:
        refuse(b, event->start_mark, "aliases are not used here");
    }
}

static void take_syntax_error(struct build *b, const yaml_parser_t *parser)
{
    char what[160];
    yaml_mark_t at = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR) {
        /* Raised ahead of the scanner, with a byte offset and no mark. */
        at = parser->mark;
        (void)snprintf(what, sizeof what, "%s (byte %zu)", parser->problem, parser->problem_offset);
    } else {
        (void)snprintf(what, sizeof what, "%s%s%s", parser->context != NULL ? parser->context : "",
                       parser->context != NULL ? ": " : "",
                       parser->problem != NULL ? parser->problem : "cannot be read");
    }
    refuse(b, at, what);
}

static void parse_events(struct build *b, const char *text, size_t len)
{
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        refuse(b, (yaml_mark_t){0}, "libyaml cannot start");
        return;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    for (bool end = false; !end && b->doc->error.code == 0;) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            take_syntax_error(b, &parser);
            break;
        }
        take_event(b, &event);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

int yconf_parse(struct yconf **out, const char *name, const char *text, size_t len,
                struct error *err)
{
    if (len > YCONF_BYTES_MAX) {
        return err_set(err, E_CONFIG, "%s: larger than 1 MiB", name);
    }
    struct yconf *doc = xcalloc(1, sizeof *doc);
    doc->name = xstrdup(name);
    struct build b = {.doc = doc};
    parse_events(&b, text, len);
    free(b.key);
    b.key = NULL;
    if (yconf_error(doc, err) < 0) {
        yconf_destroy(doc);
        return E_CONFIG;
    }
    if (doc->root == NULL) {
        (void)add_node(&b, YCONF_MAP, (yaml_mark_t){0});
    }
    *out = doc;
    return 0;
}

int yconf_load(struct yconf **out, const char *file, struct error *err)
{
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        return err_set(err, E_IO, "%s: %s", file, strerror(errno));
    }
    char *text = xmalloc(YCONF_BYTES_MAX + 1);
    size_t len = fread(text, 1, YCONF_BYTES_MAX + 1, stream);
    int rc = ferror(stream) ? err_set(err, E_IO, "%s: %s", file, strerror(errno))
                            : yconf_parse(out, file, text, len, err);
    free(text);
    (void)fclose(stream);
    return rc;
}
