/* `make scenarios`: every file of simulator/scenarios, on both stages; without
 * arguments in virtual time alone, as a part of `make test`.
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
};

static void tell(struct score *score, bool good, const char *where, const char *name,
                 double took_ms, const char *why)
{
    score->failed += !good;
    printf("%sok %u - %-7s %s: %.1f s%s%s\n", good ? "" : "not ", ++score->n, where, name,
           took_ms / 1e3, good ? "" : ": ", good ? "" : why);
    (void)fflush(stdout);
}

static void play(const char *file, bool virtual_too, bool real_too, struct score *score)
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
    bool wanted[] = {s->runs_virtual && virtual_too, s->runs_real && real_too};
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        double took_ms = 0;
        if (wanted[i]) {
            bool good = scenario_run(s, stages[i], &took_ms, why, sizeof why);
            tell(score, good, stages[i]->name, s->name, took_ms, why);
        }
    }
    free(s);
}

int main(int argc, char **argv)
{
    bool virtual_too = true, real_too = false;
    struct score score = {0};
    glob_t files = {0};
    int first = 1;

    if (argc > 1 && (strcmp(argv[1], "--all") == 0 || strcmp(argv[1], "--real") == 0)) {
        real_too = true;
        virtual_too = strcmp(argv[1], "--all") == 0;
        first++;
    }
    log_init("scenario", LOG_FORMAT_TEXT, LOG_ERROR);
    for (int i = first; i < argc; i++) {
        play(argv[i], virtual_too, real_too, &score);
    }
    if (first == argc && glob("simulator/scenarios/*.yaml", 0, NULL, &files) == 0) {
        for (size_t i = 0; i < files.gl_pathc; i++) {
            play(files.gl_pathv[i], virtual_too, real_too, &score);
        }
    }
    globfree(&files);
    printf("%u passed, %u failed\n", score.n - score.failed, score.failed);
    return score.failed == 0 && score.n > 0 ? 0 : 1;
}
