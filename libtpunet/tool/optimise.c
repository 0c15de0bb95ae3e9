/* `tpunet optimise`: searches a weave that carries more all-to-all traffic than
 * the best torus of the shape, routes and proves both, and compares.
 *
 * A weave is written as JSON:
 *
 *   {"format": "tpunet-weave", "version": 1, "shape": "8x8x8", "twisted": false,
 *    "figures": {...},
 *    "next": [[1, 0, 3, ...], ... 48 lists, OCS by OCS]}
 *
 * next[ocs][i] is the logical cube whose - face the + face of cube i meets.
 * `twisted` says which torus it is compared with; figures are for the reader. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "tool/tool.h"

enum { FORMAT_VERSION = 1, SECONDS_MAX = 86400, TRIALS_MAX = 1 << 30, BATCH = 32 };
#define FORMAT "tpunet-weave"

/* ---------------------------------------------------------------- files -- */

void weave_write_next(FILE *out, const struct tpunet_weave *weave)
{
    if (weave == NULL) {
        (void)fputs("null", out);
        return;
    }
    for (size_t ocs = 0; ocs < TPUNET_OCSES; ocs++) {
        (void)fputs(ocs == 0 ? "[[" : "],\n  [", out);
        for (size_t i = 0; i < weave->n_cubes; i++) {
            (void)fprintf(out, "%s%u", i > 0 ? ", " : "", weave->next[ocs * weave->n_cubes + i]);
        }
    }
    (void)fputs("]]", out);
}

static int fail(struct tpunet_error *err, const char *what)
{
    if (err != NULL) {
        err->code = TPUNET_EINVAL;
        (void)snprintf(err->text, sizeof err->text, "%s", what);
    }
    return TPUNET_EINVAL;
}

int weave_read_next(struct tpunet_weave **out, const struct tpunet_shape *shape, const json_t *next,
                    struct tpunet_error *err)
{
    struct tpunet_weave *weave;
    int rc = tpunet_weave_create(&weave, shape, err);
    if (rc < 0) {
        return rc;
    }
    const size_t n = weave->n_cubes;
    bool good = json_array_size(next) == TPUNET_OCSES;
    for (size_t ocs = 0; good && ocs < TPUNET_OCSES; ocs++) {
        const json_t *list = json_array_get(next, ocs);
        good = json_array_size(list) == n;
        for (size_t i = 0; good && i < n; i++) {
            json_int_t cube = json_integer_value(json_array_get(list, i));
            good = json_is_integer(json_array_get(list, i)) && cube >= 0 && cube < (json_int_t)n;
            weave->next[ocs * n + i] = good ? (uint16_t)cube : 0;
        }
    }
    rc = good ? tpunet_weave_check(weave, err)
              : fail(err, "a weave is 48 lists of one logical cube for each cube");
    if (rc < 0) {
        tpunet_weave_destroy(weave);
        return rc;
    }
    *out = weave;
    return 0;
}

int weave_read(struct tpunet_weave **out, const json_t *json, struct tpunet_error *err)
{
    const char *format = json_string_value(json_object_get(json, "format"));
    const char *text = json_string_value(json_object_get(json, "shape"));
    struct tpunet_shape shape;
    if (format == NULL || strcmp(format, FORMAT) != 0) {
        return fail(err, "this is no file of 'tpunet optimise'");
    }
    if (json_integer_value(json_object_get(json, "version")) != FORMAT_VERSION) {
        return fail(err, "a file of another version");
    }
    if (text == NULL) {
        return fail(err, "'shape' is missing");
    }
    int rc = tpunet_shape_parse(&shape, text, json_is_true(json_object_get(json, "twisted")), err);
    return rc < 0 ? rc : weave_read_next(out, &shape, json_object_get(json, "next"), err);
}

static void weave_write(FILE *out, const struct problem *p, const struct answer *a, uint64_t seed,
                        double torus)
{
    char shape[24];
    assert(p->weave != NULL);
    (void)fprintf(out,
                  "{\"format\": \"" FORMAT "\", \"version\": %d, \"shape\": \"%s\", "
                  "\"twisted\": %s,\n \"figures\": {\"vcs\": %u, \"max_link_load\": %.0f, "
                  "\"hop_bound\": %.4f, \"torus_max_link_load\": %.0f, \"seed\": %" PRIu64
                  "},\n \"next\": ",
                  FORMAT_VERSION, tpunet_shape_format(&p->weave->shape, shape),
                  p->weave->shape.twisted ? "true" : "false", p->vcs, a->proof.max_link_load,
                  a->bounds.hop, torus, seed);
    weave_write_next(out, p->weave);
    (void)fputs("}\n", out);
}

/* --------------------------------------------------------------- search -- */

static struct {
    const char *seconds, *seed, *rounds, *trials, *vcs, *out;
} args;

/* What one round found, its routes proved. */
struct round {
    struct problem problem;
    struct answer answer;
    unsigned long trials;
    uint64_t seed;
};

static unsigned long number(const struct program *program, const char *name, const char *text,
                            unsigned long most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value > most) {
        opts_usage_error(program, "--%s %s: a number up to %lu", name, text, most);
    }
    return value;
}

/* How far a round has come, 0 to 1: by its trials if these are given, else by the
 * clock. */
static double progress(unsigned long trials, unsigned long most, struct mono_ns start,
                       double most_ms)
{
    return most > 0 ? (double)trials / (double)most
                    : mono_ms_since(start, clock_read().mono) / most_ms;
}

static int run_round(struct round *r, const struct tpunet_shape *shape, uint64_t seed,
                     unsigned long most, double most_ms, struct tpunet_error *err)
{
    struct tpunet_weave_search *search;
    struct tpunet_weave *weave;
    const struct mono_ns start = clock_read().mono;
    *r = (struct round){.seed = seed};
    int rc = tpunet_weave_search_create(&search, shape, seed, err);
    if (rc < 0) {
        return rc;
    }
    double done;
    while ((done = progress(r->trials, most, start, most_ms)) < 1) {
        tpunet_weave_search_run(search, BATCH, 1 - done);
        r->trials += BATCH;
    }
    rc = tpunet_weave_create(&weave, shape, err);
    if (rc == 0) {
        memcpy(weave->next, tpunet_weave_search_best(search)->next,
               (size_t)TPUNET_OCSES * weave->n_cubes * sizeof *weave->next);
        rc = problem_weave(&r->problem, weave, "", args.vcs[0] == '2' ? 2 : 3, err);
        if (rc < 0) {
            tpunet_weave_destroy(weave);
        }
    }
    tpunet_weave_search_destroy(search);
    if (rc < 0) {
        return rc;
    }
    rc = answer_init(&r->answer, &r->problem, NULL, err);
    if (rc < 0) {
        problem_fini(&r->problem);
    }
    return rc;
}

static void round_fini(struct round *r)
{
    answer_fini(&r->answer);
    problem_fini(&r->problem);
}

/* The largest load of the torus, as routed and proved. */
static int torus_load(double *out, const char *shape, bool twisted, struct tpunet_error *err)
{
    struct problem p;
    struct answer a;
    int rc = problem_make(&p, shape, twisted, "", 3, err);
    if (rc < 0) {
        return rc;
    }
    rc = answer_init(&a, &p, NULL, err);
    if (rc == 0) {
        *out = a.proof.max_link_load;
        answer_fini(&a);
    }
    problem_fini(&p);
    return rc;
}

static int search_rounds(struct round *best, const struct tpunet_shape *shape, uint64_t seed,
                         unsigned rounds, struct tpunet_error *err)
{
    const unsigned long trials = strtoul(args.trials, NULL, 10);
    const double ms = 1000.0 * (double)strtoul(args.seconds, NULL, 10) / rounds;
    for (unsigned i = 0; i < rounds; i++) {
        struct round r;
        int rc = run_round(&r, shape, seed + i, trials, ms, err);
        if (rc < 0) {
            if (i > 0) {
                round_fini(best);
            }
            return rc;
        }
        (void)printf(
            "round %-2u       %10.0f  largest load; hop bound %.1f, %lu trials, seed %" PRIu64 "\n",
            i + 1, r.answer.proof.max_link_load, r.answer.bounds.hop, r.trials, seed + i);
        if (i > 0 && r.answer.proof.max_link_load >= best->answer.proof.max_link_load) {
            round_fini(&r);
            continue;
        }
        if (i > 0) {
            round_fini(best);
        }
        *best = r;
    }
    return 0;
}

/* 0 if the weave is better than the torus and was written. */
static int tell(const struct round *best, double torus)
{
    const struct answer *a = &best->answer;
    proof_print(stdout, a->tables, &a->proof);
    (void)printf("hop bound      %10.1f  all distances / links, of this weave\n", a->bounds.hop);
    (void)printf("gain           %10.3f  largest load of the torus / of the weave\n",
                 torus / a->proof.max_link_load);
    if (a->proof.max_link_load >= torus) {
        (void)fprintf(stderr, "tpunet: nothing better than the torus was found\n");
        return EXIT_REFUTED;
    }
    if (args.out == NULL) {
        return 0;
    }
    FILE *out = fopen(args.out, "we");
    if (out == NULL) {
        perror(args.out);
        return EXIT_REFUTED;
    }
    weave_write(out, &best->problem, a, best->seed, torus);
    if (fclose(out) != 0) {
        perror(args.out);
        return EXIT_REFUTED;
    }
    return 0;
}

int cmd_optimise(int argc, char **argv)
{
    static const struct opt options[] = {
        {"seconds", 's', "N", "how long to search, all rounds (default 20)", &args.seconds, NULL},
        {"rounds", 0, "N", "searches with other seeds, the best counts (default 4)", &args.rounds,
         NULL},
        {"trials", 0, "N", "so many a round in place of --seconds: the same result everywhere",
         &args.trials, NULL},
        {"seed", 0, "N", "of the first round (default 1)", &args.seed, NULL},
        {"vcs", 0, "2|3", "virtual channels of a link (default 3)", &args.vcs, NULL},
        {"output", 'o', "FILE", "write the weave, for --weave of the other commands", &args.out,
         NULL},
        {0}};
    static const struct program program = {
        .name = "tpunet optimise",
        .operands = "SHAPE",
        .about = "Searches circuits for the cubes of a slice that carry more all-to-all traffic\n"
                 "than the best torus of the shape (the twisted one where there is one).  Both\n"
                 "are routed and proved; the largest link loads are compared.  The ways between\n"
                 "chips get shorter, but the rings along the axes are gone.",
        .options = options};
    struct tpunet_error err = {.text = ""};
    struct tpunet_shape shape;
    struct round best = {.seed = 0};
    double torus = 0;

    args.seconds = "20", args.rounds = "4", args.trials = "0", args.seed = "1", args.vcs = "3";
    int first = opts_parse(&program, argc, argv);
    if (argc - first != 1 || tpunet_shape_parse(&shape, argv[first], false, &err) < 0) {
        opts_usage_error(&program, "which shape? %s",
                         err.text[0] != '\0' ? err.text : "one, such as 8x8x8");
    }
    shape.twisted = tpunet_shape_twistable(&shape);
    if (strcmp(args.vcs, "2") != 0 && strcmp(args.vcs, "3") != 0) {
        opts_usage_error(&program, "--vcs %s: 2 or 3", args.vcs);
    }
    (void)number(&program, "seconds", args.seconds, SECONDS_MAX);
    (void)number(&program, "trials", args.trials, TRIALS_MAX);
    const unsigned rounds = (unsigned)number(&program, "rounds", args.rounds, 1000);
    const uint64_t seed = number(&program, "seed", args.seed, UINT32_MAX);

    int rc = torus_load(&torus, argv[first], shape.twisted, &err);
    if (rc == 0) {
        (void)printf("slice          %s\n", argv[first]);
        (void)printf("torus          %10.0f  largest load of the %s torus, routed and proved\n",
                     torus, shape.twisted ? "twisted" : "plain");
        rc = search_rounds(&best, &shape, seed, rounds > 0 ? rounds : 1, &err);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "tpunet: %s\n", err.text);
        return EXIT_REFUTED;
    }
    rc = tell(&best, torus);
    round_fini(&best);
    return rc;
}
