/* yaml2json FILE NAME: prints a C header with the YAML document as JSON text,
 *
 *     static const char NAME[] = "...";
 *
 * for what people write as YAML and a program serves as JSON.  Runs during the
 * build only.  A plain scalar that JSON would read as a number, a boolean or
 * null is one; everything else is a string.  Duplicate keys are refused. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 64, BYTES_A_LINE = 88 };

static const char *file;
static yaml_document_t document;

static _Noreturn void fail(yaml_mark_t at, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static _Noreturn void fail(yaml_mark_t at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fprintf(stderr, "%s:%zu:%zu: ", file, at.line + 1, at.column + 1);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
    exit(EXIT_FAILURE);
}

static const char *text_of(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static json_t *scalar(const yaml_node_t *node)
{
    const char *text = text_of(node);

    if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        json_t *json = text[0] == '\0' ? json_null() : json_loads(text, JSON_DECODE_ANY, NULL);
        if (json != NULL && !json_is_string(json)) {
            return json;
        }
        json_decref(json);
    }
    json_t *json = json_stringn(text, node->data.scalar.length);
    if (json == NULL) {
        fail(node->start_mark, "not UTF-8 text");
    }
    return json;
}

static json_t *convert(int index, int depth);

static json_t *sequence(const yaml_node_t *node, int depth)
{
    json_t *json = json_array();

    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        (void)json_array_append_new(json, convert(*item, depth));
    }
    return json;
}

static json_t *mapping(const yaml_node_t *node, int depth)
{
    json_t *json = json_object();

    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&document, pair->key);
        if (key->type != YAML_SCALAR_NODE) {
            fail(key->start_mark, "a key must be a scalar");
        }
        if (json_object_get(json, text_of(key)) != NULL) {
            fail(key->start_mark, "duplicate key '%s'", text_of(key));
        }
        if (json_object_set_new(json, text_of(key), convert(pair->value, depth)) != 0) {
            fail(key->start_mark, "the key is not UTF-8 text");
        }
    }
    return json;
}

static json_t *convert(int index, int depth)
{
    const yaml_node_t *node = yaml_document_get_node(&document, index);

    if (depth == DEPTH_MAX) {
        fail(node->start_mark, "nested deeper than %d levels", DEPTH_MAX);
    }
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return scalar(node);
    case YAML_SEQUENCE_NODE:
        return sequence(node, depth + 1);
    case YAML_MAPPING_NODE:
        return mapping(node, depth + 1);
    case YAML_NO_NODE:
        break;
    }
    abort();
}

static json_t *load(void)
{
    yaml_parser_t parser;
    FILE *in = fopen(file, "rb");

    if (in == NULL) {
        (void)fprintf(stderr, "%s: %s\n", file, strerror(errno));
        exit(EXIT_FAILURE);
    }
    (void)yaml_parser_initialize(&parser);
    yaml_parser_set_input_file(&parser, in);
    if (!yaml_parser_load(&parser, &document)) {
        fail(parser.problem_mark, "%s", parser.problem != NULL ? parser.problem : "not YAML");
    }
    if (yaml_document_get_root_node(&document) == NULL) {
        fail((yaml_mark_t){0}, "the document is empty");
    }
    json_t *json = convert(1, 0); /* the root is node 1 */
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    (void)fclose(in);
    return json;
}

/* As adjacent literals, a line each.  '?' is escaped because C17 has trigraphs;
 * other bytes are octal, whose three digits end by themselves. */
static void print_header(const char *name, const char *text)
{
    (void)printf("/* Made from %s by tools/yaml2json; do not edit. */\n"
                 "static const char %s[] =",
                 file, name);
    for (size_t i = 0; text[i] != '\0'; i++) {
        unsigned char c = (unsigned char)text[i];
        if (i % BYTES_A_LINE == 0) {
            (void)printf(i == 0 ? "\n    \"" : "\"\n    \"");
        }
        if (c == '"' || c == '\\' || c == '?') {
            (void)printf("\\%c", c);
        } else if (c < ' ' || c > '~') {
            (void)printf("\\%03o", c);
        } else {
            (void)putchar(c);
        }
    }
    (void)printf("\";\n");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: yaml2json FILE NAME\n");
        return 2;
    }
    file = argv[1];
    json_t *json = load();
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    print_header(argv[2], text);
    free(text);
    json_decref(json);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
