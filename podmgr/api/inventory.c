/* /v1/pod, cubes, hosts, ocs, operations: reads of the model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http.h"
#include "mem.h"
#include "part.h"

enum { OPERATIONS_SHOWN = 50 };

/* "/v1/cubes/5" names cube/5: the path's segment is the part's name without
 * its kind. */
bool part_of_path(struct request *req, enum part_kind kind, struct part *part)
{
    char name[160];
    struct error err;

    (void)snprintf(name, sizeof name, "%s/%s", part_kind_name(kind), req->id);
    if (part_parse(part, name, &err) < 0 ||
        (kind != PART_OCS && part->cube >= req->p->model->pod->n_cubes)) {
        respond_problem(req, 404, "part-not-found", NULL, "no %s in this pod", name);
        return false;
    }
    return true;
}

void pod_get(struct request *req)
{
    if (request_query_is(req, NULL, 0)) {
        respond_json(req, 200, render_pod(req->p->model));
    }
}

void cubes_list(struct request *req)
{
    const struct model *m = req->p->model;

    if (request_query_is(req, NULL, 0)) {
        json_t *list = json_array();
        for (unsigned c = 0; c < m->pod->n_cubes; c++) {
            (void)json_array_append_new(list, render_cube(m, c));
        }
        respond_json(req, 200, json_pack("{s:o}", "cubes", list));
    }
}

void cube_get(struct request *req)
{
    const struct model *m = req->p->model;
    struct part part;

    if (request_query_is(req, NULL, 0) && part_of_path(req, PART_CUBE, &part)) {
        json_t *cube = render_cube(m, part.cube), *hosts = json_array();
        for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
            (void)json_array_append_new(hosts, render_host(m, part.cube * TPUNET_CUBE_HOSTS + h));
        }
        (void)json_object_set_new(cube, "hosts", hosts);
        respond_json(req, 200, cube);
    }
}

static bool is_health(const char *text)
{
    for (int h = 0; h <= HEALTH_PROBATION; h++) {
        if (strcmp(text, health_name((enum health)h)) == 0) {
            return true;
        }
    }
    return false;
}

void hosts_list(struct request *req)
{
    static const char *const names[] = {"health"};
    const struct model *m = req->p->model;

    if (!request_query_is(req, names, ARRAY_LEN(names))) {
        return;
    }
    const char *health = request_query(req, "health");
    if (health != NULL && !is_health(health)) {
        respond_problem(req, 400, "invalid-parameter", "health", "health: no health '%.32s'",
                        health);
        return;
    }
    json_t *list = json_array();
    for (unsigned h = 0; h < model_hosts(m); h++) {
        if (health == NULL || strcmp(health, health_name(m->hosts[h].health)) == 0) {
            (void)json_array_append_new(list, render_host(m, h));
        }
    }
    respond_json(req, 200, json_pack("{s:o}", "hosts", list));
}

void host_get(struct request *req)
{
    struct part part;

    if (request_query_is(req, NULL, 0) && part_of_path(req, PART_HOST, &part)) {
        respond_json(
            req, 200,
            render_host(req->p->model, part.cube * (unsigned)TPUNET_CUBE_HOSTS + part.host));
    }
}

void ocs_list(struct request *req)
{
    if (request_query_is(req, NULL, 0)) {
        json_t *list = json_array();
        for (unsigned o = 0; o < TPUNET_OCSES; o++) {
            (void)json_array_append_new(list, render_ocs(req->p->model, o, false));
        }
        respond_json(req, 200, json_pack("{s:o}", "ocs", list));
    }
}

void ocs_get(struct request *req)
{
    struct part part;

    if (request_query_is(req, NULL, 0) && part_of_path(req, PART_OCS, &part)) {
        respond_json(req, 200, render_ocs(req->p->model, part.ocs, true));
    }
}

void operations_list(struct request *req)
{
    static const char *const names[] = {"limit"};
    const struct model *m = req->p->model;
    uint64_t limit = OPERATIONS_SHOWN;

    if (!request_query_is(req, names, ARRAY_LEN(names)) ||
        !request_read_number(req, "limit", 1, MODEL_OPS_KEPT, &limit)) {
        return;
    }
    json_t *list = json_array(); /* newest first */
    for (size_t i = m->n_ops; i > 0 && json_array_size(list) < limit; i--) {
        (void)json_array_append_new(list, render_op(m->ops[i - 1]));
    }
    respond_json(req, 200, json_pack("{s:o}", "operations", list));
}

void operation_get(struct request *req)
{
    struct id id;

    if (!request_query_is(req, NULL, 0)) {
        return;
    }
    const struct op *op = id_parse(&id, req->id) ? model_op(req->p->model, id) : NULL;
    if (op == NULL) {
        respond_problem(req, 404, "operation-not-found", NULL,
                        "no operation %s; the last %d finished ones are kept", req->id,
                        MODEL_OPS_KEPT);
    } else {
        respond_json(req, 200, render_op(op));
    }
}
