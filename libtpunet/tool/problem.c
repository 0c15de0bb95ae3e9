#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "tool/faults.h"
#include "tool/tool.h"

/* Takes the topology over. */
static int problem_finish(struct problem *p, const char *faults, struct tpunet_error *err)
{
    int rc = faults_apply(p->topology, faults, err);
    if (rc < 0) {
        tpunet_topology_destroy(p->topology);
        return rc;
    }
    p->faults = xstrdup(faults);
    return 0;
}

int problem_make(struct problem *p, const char *shape, bool twisted, const char *faults,
                 unsigned vcs, struct tpunet_error *err)
{
    struct tpunet_shape parsed;
    *p = (struct problem){.vcs = vcs};
    int rc = tpunet_shape_parse(&parsed, shape, twisted, err);
    if (rc == 0) {
        rc = tpunet_topology_of_shape(&p->topology, &parsed, err);
    }
    return rc < 0 ? rc : problem_finish(p, faults, err);
}

int problem_weave(struct problem *p, struct tpunet_weave *weave, const char *faults, unsigned vcs,
                  struct tpunet_error *err)
{
    *p = (struct problem){.vcs = vcs};
    int rc = tpunet_topology_of_weave(&p->topology, weave, err);
    if (rc == 0) {
        rc = problem_finish(p, faults, err);
    }
    if (rc == 0) {
        p->weave = weave;
    }
    return rc;
}

/* All faults of the command line as one list: the option may be repeated, and
 * the table of options keeps the last. */
static char *join_faults(int argc, char **argv, const char *last)
{
    char *list = xstrdup("");
    for (int i = 0; i < argc; i++) {
        const char *value = NULL;
        if ((strcmp(argv[i], "--fault") == 0 || strcmp(argv[i], "-f") == 0) && i + 1 < argc) {
            value = argv[++i];
        } else if (strncmp(argv[i], "--fault=", 8) == 0) {
            value = argv[i] + 8;
        }
        if (value != NULL) {
            char *longer = xasprintf("%s%s%s", list, list[0] != '\0' ? "," : "", value);
            free(list);
            list = longer;
        }
    }
    if (list[0] == '\0' && last != NULL) { /* in another spelling */
        free(list);
        list = xstrdup(last);
    }
    return list;
}

static struct tpunet_weave *weave_load(const struct program *program, const char *path)
{
    struct tpunet_weave *weave;
    struct tpunet_error err;
    json_error_t where;
    json_t *json = json_load_file(path, 0, &where);
    if (json == NULL) {
        opts_usage_error(program, "%s:%d: %s", path, where.line, where.text);
    }
    if (weave_read(&weave, json, &err) < 0) {
        opts_usage_error(program, "%s: %s", path, err.text);
    }
    json_decref(json);
    return weave;
}

void problem_init(struct problem *p, const struct program *program, const struct problem_args *args,
                  int argc, char **argv, int first)
{
    struct tpunet_error err;
    const char *vcs = args->vcs != NULL ? args->vcs : "3";

    if (args->weave != NULL ? first != argc || args->twisted : argc - first != 1) {
        opts_usage_error(program, args->weave != NULL
                                      ? "--weave names the shape too: no operand, no --twisted"
                                      : "which shape? one, such as 8x8x8");
    }
    if (strcmp(vcs, "2") != 0 && strcmp(vcs, "3") != 0) {
        opts_usage_error(program, "--vcs %s: 2 or 3", vcs);
    }
    char *faults = join_faults(argc, argv, args->fault);
    const unsigned n_vcs = vcs[0] == '2' ? 2 : 3;
    if (args->weave != NULL) {
        struct tpunet_weave *weave = weave_load(program, args->weave);
        if (problem_weave(p, weave, faults, n_vcs, &err) < 0) {
            opts_usage_error(program, "%s", err.text);
        }
    } else if (problem_make(p, argv[first], args->twisted, faults, n_vcs, &err) < 0) {
        opts_usage_error(program, "%s", err.text);
    }
    free(faults);
}

void problem_fini(struct problem *p)
{
    tpunet_topology_destroy(p->topology);
    tpunet_weave_destroy(p->weave);
    free(p->faults);
}

const char *problem_name(const struct problem *p, char buf[static 32])
{
    char shape[24];
    (void)snprintf(buf, 32, "%s%s", tpunet_shape_format(&p->topology->shape, shape),
                   p->weave != NULL             ? " woven"
                   : p->topology->shape.twisted ? " twisted"
                                                : "");
    return buf;
}

int answer_init(struct answer *a, const struct problem *p, struct tpunet_route_cache *cache,
                struct tpunet_error *err)
{
    const struct tpunet_route_options options = {.vcs = p->vcs, .cache = cache};
    *a = (struct answer){.reference = tpunet_reference_load(&p->topology->shape)};
    int rc = tpunet_bound(&a->bounds, p->topology, err);
    if (rc < 0) {
        return rc;
    }
    struct mono_ns start = clock_read().mono;
    rc = tpunet_route_around(&a->tables, p->topology, &options, err);
    if (rc < 0) {
        return rc;
    }
    struct mono_ns solved = clock_read().mono;
    rc = tpunet_verify(a->tables, p->topology, &a->proof, err);
    a->solve_ms = mono_ms_since(start, solved);
    a->proof_ms = mono_ms_since(solved, clock_read().mono);
    if (a->proof.max_link_load > 0) {
        a->retained = a->reference / a->proof.max_link_load;
    }
    if (rc < 0) {
        answer_fini(a);
    }
    return rc;
}

void answer_fini(struct answer *a)
{
    tpunet_tables_destroy(a->tables);
}

double answer_bound(const struct answer *a)
{
    return a->bounds.cut > a->bounds.hop ? a->bounds.cut : a->bounds.hop;
}

uint32_t *link_loads(const struct tpunet_tables *tables, const struct tpunet_topology *topology)
{
    enum { MOST_HOPS = TPUNET_CLASSES * TPUNET_CHIPS_MAX };
    struct tpunet_hop *hops = xcalloc(MOST_HOPS, sizeof *hops);
    uint32_t *load = xcalloc((size_t)topology->n_chips * TPUNET_PORTS, sizeof *load);
    for (uint32_t src = 0; src < topology->n_chips; src++) {
        for (uint32_t dst = 0; dst < topology->n_chips && !topology->dead[src]; dst++) {
            int n =
                topology->dead[dst] ? 0 : tpunet_walk(tables, topology, src, dst, hops, MOST_HOPS);
            for (int i = 0; i < n; i++) {
                load[hops[i].chip * TPUNET_PORTS + hops[i].port]++;
            }
        }
    }
    free(hops);
    return load;
}
