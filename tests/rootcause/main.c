/* `make rootcause`: 2,000 seeded faults of a 64-cube pod, full and half loaded,
 * in four modes; how many causes are named rightly, class by class.
 *
 *   rootcause [--json FILE] [N]
 *
 * A named group counts as right only if it is the very group that was broken.
 * Exit 1 if precision or recall is below 0.97. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mem.h"
#include "tests/unit/pod_faults.h"

enum mode { SINGLE, DOUBLE, PARTIAL, NOISY, MODES };
static const char *const mode_names[] = {"single", "double", "partial", "noisy"};
static const double goal = 0.97;

struct tally {
    unsigned faults, found, wrong;
};
struct score {
    struct tally mode[MODES], kind[RISK_KIND_COUNT], all;
    double slowest_ms;
};

/* Which can break in part so that the part, not its members, is to blame. */
static const enum risk_kind partial_kinds[] = {RISK_OCS,  RISK_FACE,    RISK_PORT_GROUP, RISK_CUBE,
                                               RISK_CHIP, RISK_NETWORK, RISK_POWER,      RISK_SELF};

struct fault {
    enum risk_kind kind;
    uint32_t number;
    double fraction;
};

static struct fault draw(struct pod_faults *pf, enum mode mode)
{
    struct fault f = {.fraction = 1};

    if (mode == PARTIAL) {
        f.kind = partial_kinds[pod_random(pf, ARRAY_LEN(partial_kinds))];
        f.fraction = 0.5 + (double)pod_random(pf, 40) / 100;
    } else {
        f.kind = (enum risk_kind)pod_random(pf, RISK_KIND_COUNT);
    }
    f.number = pod_draw(pf, f.kind);
    return f;
}

/* The second fault is one that the first neither hides nor contains. */
static unsigned draw_faults(struct pod_faults *pf, enum mode mode, struct fault faults[static 2])
{
    faults[0] = draw(pf, mode);
    bool two = mode == DOUBLE || (mode == NOISY && pod_random(pf, 3) == 0);
    if (!two || faults[0].kind >= RISK_NETWORK) {
        return 1;
    }
    do {
        faults[1] = draw(pf, mode);
    } while (faults[1].kind >= RISK_NETWORK || !pod_are_apart(pf, faults[0].kind, faults[0].number,
                                                              faults[1].kind, faults[1].number));
    return 2;
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void add(struct score *score, enum mode mode, enum risk_kind kind, struct tally t)
{
    struct tally *rows[] = {&score->mode[mode], &score->kind[kind], &score->all};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rows[i]->faults += t.faults;
        rows[i]->found += t.found;
        rows[i]->wrong += t.wrong;
    }
}

static void tell(const struct pod_faults *pf, uint64_t seed, const struct fault *faults, unsigned n,
                 const struct diagnosis *d)
{
    char name[RISKMAP_NAME_MAX];

    printf("seed %llu:", (unsigned long long)seed);
    for (unsigned i = 0; i < n; i++) {
        printf(" %s %s %.2f;", risk_kind_name(faults[i].kind),
               riskmap_group_name(pf->map, riskmap_group(pf->map, faults[i].kind, faults[i].number),
                                  name),
               faults[i].fraction);
    }
    printf(" named:");
    for (size_t i = 0; i < d->n_causes && i < 6; i++) {
        printf(" %s %s %.2f;", risk_kind_name(d->causes[i].kind),
               riskmap_group_name(pf->map, d->causes[i].group, name), d->causes[i].confidence);
    }
    printf(" (%zu)\n", d->n_causes);
}

static void judge(const struct pod_faults *pf, enum mode mode, uint64_t seed,
                  const struct fault *faults, unsigned n, const struct diagnosis *d, bool verbose,
                  struct score *score)
{
    bool right[2] = {false, false};
    unsigned wrong = 0;

    for (size_t c = 0; c < d->n_causes; c++) {
        bool hit = false;
        for (unsigned i = 0; i < n; i++) {
            bool same =
                riskmap_group(pf->map, faults[i].kind, faults[i].number) == d->causes[c].group;
            right[i] = right[i] || same;
            hit = hit || same;
        }
        wrong += !hit;
    }
    for (unsigned i = 0; i < n; i++) {
        add(score, mode, faults[i].kind, (struct tally){1, right[i], i == 0 ? wrong : 0});
    }
    if (verbose && (wrong > 0 || !right[0] || (n == 2 && !right[1]))) {
        tell(pf, seed, faults, n, d);
    }
}

static void run(uint64_t seed, bool verbose, struct score *score)
{
    static const struct pod_noise quiet = {.lost = 0.01, .late = 0.05},
                                  noisy = {.lost = 0.04, .late = 0.1, .flaps = 20};
    enum mode mode = (enum mode)(seed % MODES);
    struct pod_faults pf;
    struct fault faults[2];
    struct diagnosis d;

    pod_faults_init(&pf, seed, seed / MODES % 2 != 0);
    unsigned n = draw_faults(&pf, mode, faults);
    for (unsigned i = 0; i < n; i++) {
        pod_break(&pf, faults[i].kind, faults[i].number, faults[i].fraction);
    }
    pf.errors_only = n == 1 && (faults[0].kind == RISK_LINK || faults[0].kind == RISK_CHIP) &&
                     pod_random(&pf, 4) == 0;
    pod_observe(&pf, (struct wall_ms){1000000}, mode == NOISY ? &noisy : &quiet);
    double start = now_ms();
    rootcause_find(pf.map, pf.symptoms, pf.n_symptoms, &rootcause_defaults, &d);
    double took = now_ms() - start;
    score->slowest_ms = took > score->slowest_ms ? took : score->slowest_ms;
    judge(&pf, mode, seed, faults, n, &d, verbose, score);
    diagnosis_fini(&d);
    pod_faults_fini(&pf);
}

static double precision_of(struct tally t)
{
    return t.found + t.wrong == 0 ? 1 : (double)t.found / (t.found + t.wrong);
}

static double recall_of(struct tally t)
{
    return t.faults == 0 ? 1 : (double)t.found / t.faults;
}

static void print_row(const char *name, struct tally t)
{
    printf("%-12s %7u %7u %7u %7u %10.4f %8.4f\n", name, t.faults, t.found, t.faults - t.found,
           t.wrong, precision_of(t), recall_of(t));
}

static void print_table(const struct score *score)
{
    printf("%-12s %7s %7s %7s %7s %10s %8s\n", "fault", "faults", "named", "missed", "wrong",
           "precision", "recall");
    for (unsigned k = 0; k < RISK_KIND_COUNT; k++) {
        print_row(risk_kind_name((enum risk_kind)k), score->kind[k]);
    }
    for (unsigned m = 0; m < MODES; m++) {
        print_row(mode_names[m], score->mode[m]);
    }
    print_row("all", score->all);
    printf("slowest analysis %.2f ms\n", score->slowest_ms);
}

/* A pod in which every link is down at both ends, all hosts heard. */
static double storm_ms(void)
{
    struct pod_faults pf;
    double best = 1e9;

    pod_faults_init(&pf, 1, false);
    pod_break(&pf, RISK_SELF, 0, 1);
    pod_observe(&pf, (struct wall_ms){1000000}, &(struct pod_noise){0});
    size_t n = pf.n_symptoms;
    for (int i = 0; i < 9; i++) {
        struct diagnosis d;
        double start = now_ms();
        rootcause_find(pf.map, pf.symptoms, pf.n_symptoms, &rootcause_defaults, &d);
        double took = now_ms() - start;
        best = took < best ? took : best;
        diagnosis_fini(&d);
    }
    printf("%zu symptoms at once: %.2f ms (best of 9)\n", n, best);
    pod_faults_fini(&pf);
    return best;
}

static int write_json(const char *file, const struct score *score, double storm)
{
    FILE *out = fopen(file, "w");

    if (out == NULL) {
        perror(file);
        return -1;
    }
    fprintf(out,
            "[{\"name\":\"rootcause_precision\",\"value\":%.4f,\"unit\":\"ratio\",\"better\":"
            "\"higher\",\"n\":%u,\"median_of\":1},\n"
            "{\"name\":\"rootcause_recall\",\"value\":%.4f,\"unit\":\"ratio\",\"better\":"
            "\"higher\",\"n\":%u,\"median_of\":1},\n"
            "{\"name\":\"rootcause_storm_ms\",\"value\":%.3f,\"unit\":\"ms\",\"better\":\"lower\","
            "\"n\":9,\"median_of\":1}]\n",
            precision_of(score->all), score->all.faults, recall_of(score->all), score->all.faults,
            storm);
    return fclose(out);
}

int main(int argc, char **argv)
{
    const char *json = NULL;
    unsigned long n = 2000;
    bool verbose = false;
    struct score *score = xcalloc(1, sizeof *score);

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
            json = argv[++i];
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            n = strtoul(argv[i], NULL, 10);
        }
    }
    for (uint64_t seed = 0; seed < n; seed++) {
        run(seed, verbose, score);
    }
    print_table(score);
    double storm = storm_ms();
    bool good = precision_of(score->all) >= goal && recall_of(score->all) >= goal;
    if (json != NULL && write_json(json, score, storm) != 0) {
        good = false;
    }
    free(score);
    return good ? 0 : 1;
}
