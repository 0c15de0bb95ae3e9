/* A table set as JSON:
 *
 *   {"format": "tpunet-tables", "version": 1,
 *    "shape": "4x4x8", "twisted": false, "faults": "ocs:17", "vcs": 3,
 *    "algorithm": "wild-first", "n_vcs": 3, "planes": [0, 1, 1, 1],
 *    "weave": null or as in the file of a weave (optimise.c),
 *    "figures": {...},
 *    "rows": [["2600...", ...], ...]}
 *
 * `planes` says which plane serves injection, VC0, VC1, VC2; rows[plane][chip] is
 * a string of two hexadecimal digits a destination, the VC and the port.  Only
 * slice, planes and rows are read back: figures are for the reader, the proof is
 * done again. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "tool/tool.h"

enum { FORMAT_VERSION = 1 };
#define FORMAT "tpunet-tables"

/* -------------------------------------------------------------- writing -- */

static void write_row(FILE *out, const uint8_t *row, uint32_t n, char *hex)
{
    for (uint32_t i = 0; i < n; i++) {
        hex[(size_t)2 * i] = "0123456789abcdef"[row[i] >> 4];
        hex[(size_t)2 * i + 1] = "0123456789abcdef"[row[i] & 15];
    }
    (void)fprintf(out, "\"%.*s\"", (int)(2 * n), hex);
}

void tables_write(FILE *out, const struct problem *p, const struct answer *a)
{
    const struct tpunet_tables *t = a->tables;
    char shape[24], *hex = xmalloc((size_t)2 * t->n_chips);
    (void)fprintf(out,
                  "{\"format\": \"" FORMAT "\", \"version\": %d,\n \"shape\": \"%s\", "
                  "\"twisted\": %s, \"faults\": \"%s\", \"vcs\": %u,\n \"algorithm\": \"%s\", "
                  "\"n_vcs\": %u, \"planes\": [%u, %u, %u, %u],\n",
                  FORMAT_VERSION, tpunet_shape_format(&p->topology->shape, shape),
                  p->topology->shape.twisted ? "true" : "false", p->faults, p->vcs, t->algorithm,
                  t->n_vcs, t->plane[0], t->plane[1], t->plane[2], t->plane[3]);
    (void)fputs(" \"weave\": ", out);
    weave_write_next(out, p->weave);
    (void)fprintf(out,
                  ",\n \"figures\": {\"max_link_load\": %.0f, \"cut_bound\": %.4f, \"hop_bound\": "
                  "%.4f, \"reference\": %.4f, \"retained\": %.4f, \"max_hops\": %u, \"mean_hops\": "
                  "%.4f, \"bytes_per_chip\": %u},\n \"rows\": [",
                  a->proof.max_link_load, a->bounds.cut, a->bounds.hop, a->reference, a->retained,
                  a->proof.max_hops, a->proof.mean_hops, t->n_planes * t->n_chips);
    for (size_t plane = 0; plane < t->n_planes; plane++) {
        for (size_t chip = 0; chip < t->n_chips; chip++) {
            (void)fputs(chip > 0 ? ",\n  " : plane > 0 ? "],\n [" : "[", out);
            write_row(out, t->rows + (plane * t->n_chips + chip) * t->n_chips, t->n_chips, hex);
        }
    }
    (void)fputs("]]}\n", out);
    free(hex);
}

void proof_print(FILE *out, const struct tpunet_tables *tables, const struct tpunet_proof *proof)
{
    (void)fprintf(out, "routes         %10s  %u VCs, %u bytes a chip\n", tables->algorithm,
                  tables->n_vcs, tables->n_planes * tables->n_chips);
    (void)fprintf(out, "pairs          %10llu  all reached, longest %u hops, mean %.3f\n",
                  (unsigned long long)proof->pairs, proof->max_hops, proof->mean_hops);
    (void)fprintf(out, "channels       %10llu  %llu dependencies, no cycle\n",
                  (unsigned long long)proof->channels, (unsigned long long)proof->dependencies);
    (void)fprintf(out, "largest load   %10.0f  packets over one link, all pairs sending one\n",
                  proof->max_link_load);
}

/* -------------------------------------------------------------- reading -- */

static int fail(struct tpunet_error *err, const char *what)
{
    err->code = TPUNET_EINVAL;
    (void)snprintf(err->text, sizeof err->text, "%s", what);
    return TPUNET_EINVAL;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_row(uint8_t *row, uint32_t n, const json_t *text)
{
    const char *hex = json_string_value(text);
    if (hex == NULL || json_string_length(text) != (size_t)2 * n) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        int high = hex_digit(hex[(size_t)2 * i]), low = hex_digit(hex[(size_t)2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        row[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int read_rows(struct tpunet_tables *t, const json_t *planes, struct tpunet_error *err)
{
    size_t n = t->n_chips;
    for (size_t plane = 0; plane < t->n_planes; plane++) {
        const json_t *rows = json_array_get(planes, plane);
        if (json_array_size(rows) != n) {
            return fail(err, "a plane is no list of a row a chip");
        }
        for (size_t chip = 0; chip < n; chip++) {
            if (!read_row(t->rows + (plane * n + chip) * n, t->n_chips,
                          json_array_get(rows, chip))) {
                return fail(err, "a row is no string of two hexadecimal digits a chip");
            }
        }
    }
    return 0;
}

/* Numbers out of range stay out of range, for the verifier to refuse. */
static uint8_t small_number(const json_t *value)
{
    json_int_t n = json_integer_value(value);
    return json_is_integer(value) && n >= 0 && n < UINT8_MAX ? (uint8_t)n : UINT8_MAX;
}

/* Of malloc, so not for tpunet_tables_destroy(): fields point nowhere else. */
static int read_tables(struct tpunet_tables *t, const json_t *json, uint32_t n_chips,
                       struct tpunet_error *err)
{
    const json_t *rows = json_object_get(json, "rows"), *planes = json_object_get(json, "planes");
    size_t n_planes = json_array_size(rows);
    if (n_planes < 1 || n_planes > TPUNET_CLASSES || json_array_size(planes) != TPUNET_CLASSES) {
        return fail(err, "'rows' has 1 to 4 planes, 'planes' 4 numbers");
    }
    *t = (struct tpunet_tables){.n_chips = n_chips,
                                .n_planes = (uint8_t)n_planes,
                                .n_vcs = small_number(json_object_get(json, "n_vcs")),
                                .algorithm = json_string_value(json_object_get(json, "algorithm"))};
    for (size_t cls = 0; cls < TPUNET_CLASSES; cls++) {
        t->plane[cls] = small_number(json_array_get(planes, cls));
    }
    t->algorithm = t->algorithm != NULL ? t->algorithm : "unnamed";
    t->rows = xmalloc(n_planes * n_chips * n_chips);
    return read_rows(t, rows, err);
}

static int read_problem(struct problem *p, const json_t *json, struct tpunet_error *err)
{
    const char *format = json_string_value(json_object_get(json, "format"));
    const char *shape = json_string_value(json_object_get(json, "shape"));
    const char *faults = json_string_value(json_object_get(json, "faults"));
    if (format == NULL || strcmp(format, FORMAT) != 0) {
        return fail(err, "this is no file of 'tpunet routes --json'");
    }
    if (json_integer_value(json_object_get(json, "version")) != FORMAT_VERSION) {
        return fail(err, "a file of another version");
    }
    if (shape == NULL || faults == NULL) {
        return fail(err, "'shape' and 'faults' are missing");
    }
    const bool twisted = json_is_true(json_object_get(json, "twisted"));
    const json_t *next = json_object_get(json, "weave");
    struct tpunet_weave *weave = NULL;
    struct tpunet_shape parsed;
    if (next == NULL || json_is_null(next)) {
        return problem_make(p, shape, twisted, faults, 3, err);
    }
    int rc = tpunet_shape_parse(&parsed, shape, twisted, err);
    if (rc == 0) {
        rc = weave_read_next(&weave, &parsed, next, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = problem_weave(p, weave, faults, 3, err);
    if (rc < 0) {
        tpunet_weave_destroy(weave);
    }
    return rc;
}

int tables_verify(FILE *out, const json_t *json, struct tpunet_error *err)
{
    struct tpunet_tables tables = {.rows = NULL};
    struct tpunet_proof proof;
    struct problem p;
    char name[32];
    int rc = read_problem(&p, json, err);
    if (rc < 0) {
        return rc;
    }
    rc = read_tables(&tables, json, p.topology->n_chips, err);
    if (rc == 0) {
        rc = tpunet_verify(&tables, p.topology, &proof, err);
    }
    if (rc == 0) {
        (void)fprintf(out, "slice          %s%s%s\n", problem_name(&p, name),
                      p.faults[0] != '\0' ? ", down: " : "", p.faults);
        proof_print(out, &tables, &proof);
        (void)fprintf(out, "proved\n");
    }
    free(tables.rows);
    problem_fini(&p);
    return rc;
}

int cmd_verify(int argc, char **argv)
{
    static const struct opt options[] = {{0}};
    static const struct program program = {
        .name = "tpunet verify",
        .operands = "FILE",
        .about = "Proves the tables that 'tpunet routes --json' wrote, whoever has changed them\n"
                 "since: every pair is reached, nothing can deadlock.  \"-\" is standard input.",
        .options = options};
    int first = opts_parse(&program, argc, argv);
    struct tpunet_error err = {.text = ""};
    json_error_t where;

    if (argc - first != 1) {
        opts_usage_error(&program, "which file?");
    }
    json_t *json = strcmp(argv[first], "-") == 0 ? json_loadf(stdin, 0, &where)
                                                 : json_load_file(argv[first], 0, &where);
    if (json == NULL) {
        (void)fprintf(stderr, "tpunet: %s:%d: %s\n", argv[first], where.line, where.text);
        return EXIT_REFUTED;
    }
    int rc = tables_verify(stdout, json, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "tpunet: %s: %s\n", argv[first], err.text);
    }
    json_decref(json);
    return rc == 0 ? 0 : EXIT_REFUTED;
}
