/* /v1/quarantine: what a restored backup cannot explain, by groups of cubes that
 * unknown circuits join; and the word that clears a group. */
#include <string.h>

#include "api/http.h"
#include "part.h"

json_t *render_quarantine_group(const struct model *m, uint16_t cube,
                                bool cubes[static MODEL_CUBES_MAX])
{
    size_t circuits = core_quarantine_group(m, cube, cubes);
    json_t *names = json_array();
    char at[32];

    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        if (cubes[c]) {
            (void)json_array_append_new(names, json_sprintf("cube/%u", c));
        }
    }
    return json_pack("{s:o,s:I,s:s}", "cubes", names, "circuits", (json_int_t)circuits, "since",
                     wall_format(m->cubes[cube].since, at));
}

void quarantine_list(struct request *req)
{
    const struct model *m = req->p->model;
    bool told[MODEL_CUBES_MAX] = {false}, group[MODEL_CUBES_MAX];

    if (!request_query_is(req, NULL, 0)) {
        return;
    }
    json_t *list = json_array();
    for (uint16_t c = 0; c < m->pod->n_cubes; c++) {
        if (m->cubes[c].health != HEALTH_QUARANTINED || told[c]) {
            continue;
        }
        (void)json_array_append_new(list, render_quarantine_group(m, c, group));
        for (unsigned g = 0; g < MODEL_CUBES_MAX; g++) {
            told[g] = told[g] || group[g];
        }
    }
    respond_json(req, 200,
                 json_pack("{s:b,s:o}", "unexplained_restore", m->restored, "groups", list));
}

void quarantine_clear_post(struct request *req)
{
    static const char *const names[] = {"wait"};
    struct event ev = {.kind = EV_CLEAR_QUARANTINE};
    struct part part;

    if (request_query_is(req, names, sizeof names / sizeof names[0]) && request_read_wait(req) &&
        part_of_path(req, PART_CUBE, &part)) {
        ev.clear.cube = part.cube;
        req->wait = WAIT_OPERATION;
        request_defer(req, &ev);
    }
}

/* The answer to what an operation does, ended or not. */
void answer_operation(struct request *req)
{
    const struct op *op = model_op(req->p->model, req->made);
    char id[48];

    if (op == NULL) { /* ended, and pruned within the wait */
        respond_problem(req, 404, "operation-not-found", NULL, "operation %s has ended long ago",
                        id_format(req->made, id));
        return;
    }
    if (op->state == OP_OPEN) {
        (void)snprintf(req->location, sizeof req->location, "/v1/operations/%s",
                       id_format(op->id, id));
    }
    respond_json(req, op->state == OP_OPEN ? 202 : 200, render_op(op));
}
