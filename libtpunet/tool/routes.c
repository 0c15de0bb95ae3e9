#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "tool/tool.h"

static void complain(const struct tpunet_error *err)
{
    (void)fprintf(stderr, "tpunet: %s\n", err->text);
}

/* --------------------------------------------------------------- bounds -- */

static void print_cut(const struct problem *p, const struct tpunet_bounds *b)
{
    if (b->axis == TPUNET_AXES) {
        (void)printf("cut bound      %10.1f  around chip %u\n", b->cut, b->chip);
    } else {
        (void)printf("cut bound      %10.1f  planes %c = %d to %d against the other %d\n", b->cut,
                     "xyz"[b->axis], b -> lo, b -> hi - 1,
                     p -> topology -> shape.dim[b->axis] - (b->hi - b->lo));
    }
}

static void print_bounds(const struct problem *p, const struct tpunet_bounds *b, double reference)
{
    print_cut(p, b);
    (void)printf("hop bound      %10.1f  all distances / live links\n", b->hop);
    (void)printf("reference      %10.1f  of the slice without faults\n", reference);
}

/* Who is apart from whom, a line a part. */
static void print_parts(const struct problem *p)
{
    const struct tpunet_topology *t = p->topology;
    uint16_t *part = xcalloc(t->n_chips, sizeof *part);
    int n = tpunet_parts(t, part);
    for (int i = 0; i < n; i++) {
        uint32_t size = 0;
        for (uint32_t chip = 0; chip < t->n_chips; chip++) {
            size += part[chip] == i;
        }
        (void)printf("part %d of %u chips:", i, size);
        for (uint32_t chip = 0, told = 0; chip < t->n_chips && told < 16; chip++) {
            if (part[chip] == i) {
                (void)printf(" %u%s", chip, ++told == 16 && size > 16 ? " ..." : "");
            }
        }
        (void)printf("\n");
    }
    free(part);
}

int cmd_bound(int argc, char **argv)
{
    static struct problem_args args;
    static const struct opt options[] = {PROBLEM_OPTIONS(&args), {0}};
    static const struct program program = {
        .name = "tpunet bound",
        .operands = "SHAPE",
        .about = "The least that the largest link load can be when every chip sends one packet\n"
                 "to every other: the worst cut (pairs across / links across, over slabs of an\n"
                 "axis and single chips), and all distances over all live links.",
        .options = options};
    struct tpunet_bounds bounds;
    struct tpunet_error err;
    struct problem p;
    char name[32];

    problem_init(&p, &program, &args, argc, argv, opts_parse(&program, argc, argv));
    int rc = tpunet_bound(&bounds, p.topology, &err);
    if (rc == 0) {
        (void)printf("slice          %s%s%s\n", problem_name(&p, name),
                     p.faults[0] != '\0' ? ", down: " : "", p.faults);
        print_bounds(&p, &bounds, tpunet_reference_load(&p.topology->shape));
    } else {
        complain(&err);
        print_parts(&p);
    }
    problem_fini(&p);
    return rc == 0 ? 0 : EXIT_REFUTED;
}

/* --------------------------------------------------------------- routes -- */

static void print_answer(const struct problem *p, const struct answer *a)
{
    char name[32];
    (void)printf("slice          %s%s%s\n", problem_name(p, name),
                 p->faults[0] != '\0' ? ", down: " : "", p->faults);
    proof_print(stdout, a->tables, &a->proof);
    print_bounds(p, &a->bounds, a->reference);
    (void)printf("retained       %10.3f  reference / largest load\n", a->retained);
    (void)printf("time           %10.1f  ms to route, %.1f ms to prove\n", a->solve_ms,
                 a->proof_ms);
}

static int write_svg(const char *path, const struct problem *p, const struct answer *a)
{
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        perror(path);
        return -1;
    }
    picture_svg(out, p, a);
    if (fclose(out) != 0) {
        perror(path);
        return -1;
    }
    return 0;
}

int cmd_routes(int argc, char **argv)
{
    static struct problem_args args;
    static const char *svg;
    static bool json, dot;
    static const struct opt options[] = {
        PROBLEM_OPTIONS(&args),
        {"json", 0, NULL, "print the tables, for tpunet verify", NULL, &json},
        {"dot", 0, NULL, "print the links with their loads, for Graphviz", NULL, &dot},
        {"svg", 0, "FILE", "draw the load of every link", &svg, NULL},
        {0}};
    static const struct program program = {
        .name = "tpunet routes",
        .operands = "SHAPE",
        .about = "Routes around what is down, proves them complete and free of deadlock, and\n"
                 "compares their largest link load with what no routes can beat.",
        .options = options};
    struct tpunet_error err;
    struct problem p;
    struct answer a;

    problem_init(&p, &program, &args, argc, argv, opts_parse(&program, argc, argv));
    int rc = answer_init(&a, &p, NULL, &err);
    if (rc < 0) {
        complain(&err);
        print_parts(&p);
        problem_fini(&p);
        return EXIT_REFUTED;
    }
    if (json) {
        tables_write(stdout, &p, &a);
    } else if (dot) {
        picture_dot(stdout, &p, &a);
    } else {
        print_answer(&p, &a);
    }
    if (svg != NULL) {
        rc = write_svg(svg, &p, &a);
    }
    answer_fini(&a);
    problem_fini(&p);
    return rc == 0 ? 0 : EXIT_REFUTED;
}
