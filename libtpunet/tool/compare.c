/* `tpunet compare`: every shape with each of its 48 switches dead in turn, the
 * worst one counting, and random fault sets. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "tool/faults.h"
#include "tool/tool.h"

enum { CACHE_BYTES = 256 << 20 };

/* Goals: the bound rounded up and 1 % on plain tori; on twisted ones a number,
 * or 5 % above the hop bound. */
static const struct row {
    const char *shape;
    bool twisted;
    double goal; /* 0: 1 % or 5 % as above */
} rows[] = {
    {"4x4x8", false, 0},  {"4x8x8", false, 0},    {"8x8x8", false, 0},
    {"8x8x16", false, 0}, {"16x16x16", false, 0}, {"4x4x8", true, 76},
    {"4x8x8", true, 189}, {"8x8x16", true, 0},    {"8x16x16", true, 0},
};

static const char *only;
static bool quick;

static void must(int rc, const struct tpunet_error *err)
{
    if (rc < 0) {
        (void)fprintf(stderr, "tpunet: %s\n", err->text);
        exit(EXIT_REFUTED);
    }
}

/* ---------------------------------------------------------- dead switches -- */

/* Over all switches with so many VCs. */
struct worst {
    double load, bound, reference, slowest_ms;
};

static struct worst worst_of_switches(const struct row *row, unsigned vcs)
{
    struct tpunet_route_cache *cache;
    struct tpunet_error err;
    struct worst w = {0};
    must(tpunet_route_cache_create(&cache, CACHE_BYTES, &err), &err);
    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs += quick ? TPUNET_FACE_LINKS : 1) {
        char fault[16];
        struct problem p;
        struct answer a;
        (void)snprintf(fault, sizeof fault, "ocs:%u", ocs);
        must(problem_make(&p, row->shape, row->twisted, fault, vcs, &err), &err);
        must(answer_init(&a, &p, cache, &err), &err);
        if (a.proof.max_link_load > w.load) {
            w.load = a.proof.max_link_load;
            w.bound = answer_bound(&a);
        }
        w.reference = a.reference;
        w.slowest_ms =
            a.solve_ms + a.proof_ms > w.slowest_ms ? a.solve_ms + a.proof_ms : w.slowest_ms;
        answer_fini(&a);
        problem_fini(&p);
    }
    tpunet_route_cache_destroy(cache);
    return w;
}

static double goal_of(const struct row *row, const struct worst *w)
{
    if (row->goal > 0) {
        return row->goal;
    }
    return row->twisted ? 1.05 * w->bound : 1.01 * (double)(uint32_t)(w->bound + 0.999);
}

static void compare_switches(void)
{
    (void)printf("One dead switch, the worst of %s: largest link load, all pairs sending one\n\n",
                 quick ? "one an axis" : "48");
    (void)printf("%-18s %9s %9s %9s | %9s %9s %9s | %9s %9s\n", "slice", "reference", "bound",
                 "goal", "3 VCs", "retained", "ms", "2 VCs", "retained");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (only != NULL && strcmp(only, rows[i].shape) != 0) {
            continue;
        }
        struct worst three = worst_of_switches(&rows[i], 3), two = worst_of_switches(&rows[i], 2);
        (void)printf("%-9s%-9s %9.1f %9.1f %9.1f | %9.0f %9.3f %9.0f | %9.0f %9.3f\n",
                     rows[i].shape, rows[i].twisted ? " twisted" : "", three.reference, three.bound,
                     goal_of(&rows[i], &three), three.load, three.reference / three.load,
                     three.slowest_ms, two.load, two.reference / two.load);
        (void)fflush(stdout);
    }
}

/* ------------------------------------------------------- random fault sets -- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The sets of random:1 to random:n: those that leave the live chips connected
 * must be proved; how good they are is the largest load over the bound. */
static void compare_random(const char *shape, unsigned vcs, unsigned n)
{
    double *ratio = xcalloc(n, sizeof *ratio), *ms = xcalloc(n, sizeof *ms);
    unsigned proved = 0, apart = 0;
    for (unsigned seed = 1; seed <= n; seed++) {
        struct tpunet_error err;
        struct problem p;
        struct answer a;
        char fault[32];
        (void)snprintf(fault, sizeof fault, "random:%u", seed);
        must(problem_make(&p, shape, false, fault, vcs, &err), &err);
        uint16_t part[TPUNET_CHIPS_MAX];
        if (tpunet_parts(p.topology, part) > 1) {
            apart++;
        } else {
            must(answer_init(&a, &p, NULL, &err), &err);
            ratio[proved] = a.proof.max_link_load / answer_bound(&a);
            ms[proved++] = a.solve_ms + a.proof_ms;
            answer_fini(&a);
        }
        problem_fini(&p);
    }
    qsort(ratio, proved, sizeof *ratio, compare_doubles);
    qsort(ms, proved, sizeof *ms, compare_doubles);
    if (proved > 0) {
        (void)printf("%-18s %5u %9u %9u %9u | %9.3f %9.3f %9.3f | %9.0f %9.0f\n", shape, vcs, n,
                     n - apart, proved, ratio[proved / 2], ratio[proved - 1 - proved / 100],
                     ratio[proved - 1], ms[proved / 2], ms[proved - 1]);
    }
    (void)fflush(stdout);
    free(ratio);
    free(ms);
}

static void compare_fault_sets(unsigned n)
{
    static const char *const shapes[] = {"4x4x8", "8x8x8"};
    (void)printf("\n1-3 dead switches, 0-8 links, 0-2 chips: largest link load / bound\n\n");
    (void)printf("%-18s %5s %9s %9s %9s | %9s %9s %9s | %9s %9s\n", "slice", "VCs", "sets",
                 "connected", "proved", "median", "p99", "worst", "median ms", "worst ms");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (unsigned vcs = 3; vcs >= 2 && (only == NULL || strcmp(only, shapes[i]) == 0); vcs--) {
            compare_random(shapes[i], vcs, n);
        }
    }
}

int cmd_compare(int argc, char **argv)
{
    static const char *random_sets;
    static const struct opt options[] = {
        {"shape", 's', "SHAPE", "this one alone", &only, NULL},
        {"quick", 'q', NULL, "one switch an axis in place of all 16", NULL, &quick},
        {"random", 'r', "N", "and N random fault sets of 4x4x8 and 8x8x8", &random_sets, NULL},
        {0}};
    static const struct program program = {
        .name = "tpunet compare",
        .about = "Largest link loads against bounds and goals, and what is left of all-to-all\n"
                 "throughput: reference / largest load.",
        .options = options};
    unsigned long n = 0;

    (void)opts_parse(&program, argc, argv);
    if (random_sets != NULL) {
        char *end;
        n = strtoul(random_sets, &end, 10);
        if (*end != '\0' || n < 1 || n > 1000000) {
            opts_usage_error(&program, "--random %s: how many sets?", random_sets);
        }
    }
    compare_switches();
    if (n > 0) {
        compare_fault_sets((unsigned)n);
    }
    return 0;
}
