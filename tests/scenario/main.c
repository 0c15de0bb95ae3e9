/* `make scenarios`: every file of simulator/scenarios, on both stages; without
 * arguments in virtual time alone, as a part of `make test`.  Then those files that
 * are wrong, each of which has to be refused where it is wrong.
 *
 *   scenario [--all | --real] [FILE...]
 *
 * A line each, as TAP has it, and in the end "N passed, N failed". */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "scenario.h"

struct score {
    unsigned n, failed;
    bool virtual_too, real_too;
};

static void tell(struct score *score, bool good, const char *where, const char *name,
                 double took_ms, const char *why)
{
    score->failed += !good;
    printf("%sok %u - %-7s %s: %.1f s%s%s\n", good ? "" : "not ", ++score->n, where, name,
           took_ms / 1e3, good ? "" : ": ", good ? "" : why);
    (void)fflush(stdout);
}

static void play(const char *file, struct score *score)
{
    struct scenario *s = xcalloc(1, sizeof *s);
    const struct stage_ops *stages[] = {&stage_virtual, &stage_real};
    struct error err;
    char why[600] = "";

    if (scenario_read(s, file, &err) < 0) {
        tell(score, false, "read", file, 0, err.text);
        free(s);
        return;
    }
    bool wanted[] = {s->runs_virtual && score->virtual_too, s->runs_real && score->real_too};
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        double took_ms = 0;
        if (wanted[i]) {
            bool good = scenario_run(s, stages[i], &took_ms, why, sizeof why);
            tell(score, good, stages[i]->name, s->name, took_ms, why);
        }
    }
    free(s);
}

/* A file that is wrong says on its first line where, and what is to be heard. */
static void refuse(const char *file, struct score *score)
{
    struct scenario *s = xcalloc(1, sizeof *s);
    struct error err = {.text = "it was read"};
    char line[200] = "", expected[400];
    FILE *in = fopen(file, "r");

    if (in != NULL) {
        line[fread(line, 1, sizeof line - 1, in)] = '\0';
        (void)fclose(in);
    }
    line[strcspn(line, "\n")] = '\0';
    (void)snprintf(expected, sizeof expected, "%s:%s", file, strlen(line) > 2 ? line + 2 : "?");
    bool good = scenario_read(s, file, &err) == E_CONFIG && strstr(err.text, expected) == err.text;
    tell(score, good, "refused", file, 0, err.text);
    free(s);
}

typedef void file_fn(const char *file, struct score *score);

static void each(const char *pattern, file_fn *fn, struct score *score)
{
    glob_t files = {0};

    if (glob(pattern, 0, NULL, &files) == 0) {
        for (size_t i = 0; i < files.gl_pathc; i++) {
            fn(files.gl_pathv[i], score);
        }
    }
    globfree(&files);
}

int main(int argc, char **argv)
{
    struct score score = {.virtual_too = true};
    int first = 1;

    if (argc > 1 && (strcmp(argv[1], "--all") == 0 || strcmp(argv[1], "--real") == 0)) {
        score.real_too = true;
        score.virtual_too = strcmp(argv[1], "--all") == 0;
        first++;
    }
    log_init("scenario", LOG_FORMAT_TEXT, LOG_ERROR);
    for (int i = first; i < argc; i++) {
        play(argv[i], &score);
    }
    if (first == argc) {
        each("simulator/scenarios/*.yaml", play, &score);
        each("tests/scenario/wrong/*.yaml", refuse, &score);
    }
    printf("%u passed, %u failed\n", score.n - score.failed, score.failed);
    return score.failed == 0 && score.n > 0 ? 0 : 1;
}
