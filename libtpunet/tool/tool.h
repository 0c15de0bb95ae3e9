/* tpunet: the library's routes from the command line.
 *
 *   main.c      which command
 *   problem.c   shape, faults and VCs as given; routes and figures for them
 *   faults.c    fault sets as text
 *   routes.c    `tpunet routes`, `tpunet bound`: what people read
 *   tables.c    the JSON form of a table set; `tpunet verify` reads it
 *   picture.c   link loads as Graphviz and as SVG
 *   compare.c   `tpunet compare`
 *   optimise.c  `tpunet optimise`, and the JSON form of a weave
 *
 * A command returns the exit status: 0, or 1 when the slice cannot be served or
 * the tables are refuted; mistakes of the caller end the program with 2. */
#ifndef TPUNET_TOOL_H
#define TPUNET_TOOL_H

#include <jansson.h>
#include <stdio.h>

#include "opts.h"
#include "tpunet.h"

enum { EXIT_REFUTED = 1 };

int cmd_routes(int argc, char **argv);
int cmd_bound(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_optimise(int argc, char **argv);

/* A slice and what is down in it. */
struct problem {
    struct tpunet_topology *topology;
    unsigned vcs;
    char *faults;               /* a list for faults_apply(), "" for none */
    struct tpunet_weave *weave; /* NULL: the torus of the shape */
};
/* What every command that takes a problem understands. */
struct problem_args {
    const char *vcs, *fault, *weave;
    bool twisted;
};
#define PROBLEM_OPTIONS(args)                                                                      \
    {"fault",                                                                                      \
     'f',                                                                                          \
     "FAULT",                                                                                      \
     "ocs:N, link:CHIP+x, chip:CHIP or random:SEED, several by commas;\n"                          \
     "                                CHIP is an index or X.Y.Z; may be repeated",                 \
     &(args)->fault,                                                                               \
     NULL},                                                                                        \
        {"weave",        'w', "FILE", "the weave that tpunet optimise wrote, in place of a shape", \
         &(args)->weave, NULL},                                                                    \
        {"vcs", 0, "2|3", "virtual channels of a link (default 3)", &(args)->vcs, NULL},           \
    {                                                                                              \
        "twisted", 't', NULL, "the twisted torus of the shape", NULL, &(args)->twisted             \
    }

/* Reads the one operand, a shape (none with --weave), and the options; mistakes end
 * the program. */
void problem_init(struct problem *p, const struct program *program, const struct problem_args *args,
                  int argc, char **argv, int first);
/* The same from parts, for files: 0 or a negative code. */
int problem_make(struct problem *p, const char *shape, bool twisted, const char *faults,
                 unsigned vcs, struct tpunet_error *err);
/* The same for a weave, which it takes over if it succeeds. */
int problem_weave(struct problem *p, struct tpunet_weave *weave, const char *faults, unsigned vcs,
                  struct tpunet_error *err);
void problem_fini(struct problem *p);
/* "8x8x8 twisted", "8x8x8 woven"; returns buf. */
const char *problem_name(const struct problem *p, char buf[static 32]);

/* Routes for a problem, proved, and how good they are. */
struct answer {
    struct tpunet_tables *tables;
    struct tpunet_proof proof;
    struct tpunet_bounds bounds;
    double reference, retained;
    double solve_ms, proof_ms;
};
int answer_init(struct answer *a, const struct problem *p, struct tpunet_route_cache *cache,
                struct tpunet_error *err);
void answer_fini(struct answer *a);
double answer_bound(const struct answer *a); /* the larger one */

/* Packets over each link, [n_chips * 6], all pairs sending one; free() it. */
uint32_t *link_loads(const struct tpunet_tables *tables, const struct tpunet_topology *topology);

/* tables.c */
/* Proves what tables_write() wrote, or who else; what is proved goes to `out`. */
int tables_verify(FILE *out, const json_t *json, struct tpunet_error *err);
void tables_write(FILE *out, const struct problem *p, const struct answer *a);
void proof_print(FILE *out, const struct tpunet_tables *tables, const struct tpunet_proof *proof);

/* optimise.c */
/* The circuits of each OCS, as JSON: what both kinds of files hold. */
void weave_write_next(FILE *out, const struct tpunet_weave *weave);
int weave_read_next(struct tpunet_weave **out, const struct tpunet_shape *shape, const json_t *next,
                    struct tpunet_error *err);
/* A whole file.  The caller destroys *out. */
int weave_read(struct tpunet_weave **out, const json_t *json, struct tpunet_error *err);

/* picture.c */
void picture_dot(FILE *out, const struct problem *p, const struct answer *a);
void picture_svg(FILE *out, const struct problem *p, const struct answer *a);

#endif
