/* podsim.yaml: see packaging/podsim.yaml.example. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "serve.h"
#include "yconf.h"

static void read_moves(struct sim_config *out, struct yconf *doc, const struct yconf_node *list)
{
    struct error err;

    out->moves = xcalloc(yconf_len(list), sizeof *out->moves);
    for (size_t i = 0; i < yconf_len(list); i++) {
        const struct yconf_node *item = yconf_item_map(doc, list, i);
        struct sim_move *move = &out->moves[out->n_moves++];
        if (part_parse(&move->fibre, yconf_str(doc, item, "fibre", ""), &err) < 0 ||
            move->fibre.kind != PART_FIBRE) {
            yconf_fail(doc, item, "fibre", "write fibre/5+x-0-3");
        } else if (part_parse(&move->port, yconf_str(doc, item, "port", ""), &err) < 0 ||
                   move->port.kind != PART_PORT) {
            yconf_fail(doc, item, "port", "write port/12-n-66");
        }
        yconf_finish(doc, item);
    }
}

static bool has_one_number(const char *pattern)
{
    const char *percent = strchr(pattern, '%');
    return percent != NULL && percent[1] == 'u' && strchr(percent + 1, '%') == NULL;
}

static void read_all(struct sim_config *out, struct yconf *doc)
{
    const struct yconf_node *root = yconf_root(doc);
    const struct yconf_node *mirror = yconf_map(doc, root, "mirror_time_ms");

    const char *pod = yconf_str(doc, root, "pod", "sim");

    if (strlen(pod) == 0 || strlen(pod) >= sizeof out->pod) {
        yconf_fail(doc, root, "pod", "is 1 to %zu characters", sizeof out->pod - 1);
    }
    (void)snprintf(out->pod, sizeof out->pod, "%s", pod);
    out->cubes = (unsigned)yconf_int(doc, root, "cubes", 64, 1, SIM_CUBES_MAX);
    unsigned spare = out->cubes > 64 ? 8 : 4;
    out->ports_per_side =
        (unsigned)yconf_int(doc, root, "ports_per_side", out->cubes + spare, 1, SIM_PORTS_MAX);
    if (out->ports_per_side < out->cubes) {
        yconf_fail(doc, root, "ports_per_side", "%u cubes need as many ports", out->cubes);
    }
    out->seed = (uint64_t)yconf_int(doc, root, "seed", 1, 0, INT64_MAX);
    out->vc_classes = (unsigned)yconf_int(doc, root, "vc_classes", 3, 2, 3);
    out->mirror_median_ms = yconf_num(doc, mirror, "median", 10, 0, 60000);
    out->mirror_p99_ms = yconf_num(doc, mirror, "p99", 3 * out->mirror_median_ms, 0, 600000);
    yconf_finish(doc, mirror);
    out->ocs_url = xstrdup(yconf_str(doc, root, "ocs_url", "ipc:///run/podsim/ocs-%u.sock"));
    out->fabric_url = xstrdup(yconf_str(doc, root, "fabric_url", "ipc:///run/podsim/fabric.sock"));
    const char *probe_url = yconf_str(doc, root, "probe_url", NULL);
    out->probe_url = probe_url != NULL ? xstrdup(probe_url) : NULL;
    out->control_url =
        xstrdup(yconf_str(doc, root, "control_url", "ipc:///run/podsim/control.sock"));
    if (!has_one_number(out->ocs_url)) {
        yconf_fail(doc, root, "ocs_url", "needs one %%u for the number of the switch");
    }
    read_moves(out, doc, yconf_list(doc, root, "wiring"));
    yconf_finish(doc, root);
}

int sim_config_load(struct sim_config *out, const char *file, struct error *err)
{
    struct yconf *doc;
    int status = yconf_load(&doc, file, err);

    if (status < 0) {
        return status;
    }
    *out = (struct sim_config){0};
    read_all(out, doc);
    status = yconf_error(doc, err);
    yconf_destroy(doc);
    if (status < 0) {
        sim_config_fini(out);
    }
    return status;
}

void sim_config_fini(struct sim_config *config)
{
    free(config->moves);
    free(config->ocs_url);
    free(config->fabric_url);
    free(config->control_url);
    free(config->probe_url);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void sim_ocs_url(const struct sim_config *config, unsigned ocs, char *buf, size_t size)
{
    (void)snprintf(buf, size, config->ocs_url, ocs); /* checked: one %u */
}
#pragma GCC diagnostic pop
