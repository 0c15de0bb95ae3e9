/* /v1/remediation: what podmgr may mend by itself, what of its budgets is used,
 * and the word that resets the breaker. */
#include "api/http.h"
#include "core/remedy.h"

json_t *render_remediation(const struct model *m, struct mono_ns now)
{
    const struct remedy_policy *policy = &m->pod->remedy;

    return json_pack("{s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:f}", "mode", remedy_mode_name(policy->mode),
                     "breaker_open", m->remediation->breaker_open, "cubes_out",
                     (json_int_t)remediation_cubes_out(m), "cubes_out_max",
                     (json_int_t)policy->cubes_out_max, "swaps_last_hour",
                     (json_int_t)remediation_swaps(m, now), "swaps_per_hour_max",
                     (json_int_t)policy->swaps_per_hour_max, "hot_spares",
                     (json_int_t)policy->hot_spares, "confidence_min", policy->confidence_min);
}

void remediation_get(struct request *req)
{
    if (request_query_is(req, NULL, 0)) {
        respond_json(req, 200, render_remediation(req->p->model, clock_read().mono));
    }
}

static void answer_reset(struct request *req)
{
    respond_json(req, 200, render_remediation(req->p->model, clock_read().mono));
}

void remediation_reset_post(struct request *req)
{
    struct event ev = {.kind = EV_RESET_BREAKER};

    if (request_query_is(req, NULL, 0)) {
        req->finish = answer_reset;
        request_defer(req, &ev);
    }
}
