/* The field `weave` of a slice: the circuits of each OCS in place of the torus of
 * the shape, as `tpunet optimise` finds them (docs/routing.md).  Research, so only
 * where the configuration says so. */
#include "api/http.h"
#include "core/slice.h"
#include "mem.h"

static bool bad_weave(struct request *req, const char *what)
{
    respond_problem(req, 400, "invalid-field", "weave", "weave: %s", what);
    return false;
}

/* The 48 lists, one after the other; false if they are none of n numbers each. */
static bool take_lists(const json_t *value, size_t n, uint16_t *next)
{
    for (size_t i = 0; i < TPUNET_OCSES * n; i++) {
        const json_t *list = json_array_get(value, i / n);
        const json_t *item = json_array_get(list, i % n);
        json_int_t cube = json_integer_value(item);
        if (json_array_size(list) != n || !json_is_integer(item) || cube < 0 ||
            cube >= (json_int_t)n) {
            return false;
        }
        next[i] = (uint16_t)cube;
    }
    return json_array_size(value) == TPUNET_OCSES;
}

bool slice_take_weave(struct request *req, const char *name, json_t *value, struct slice_spec *spec)
{
    const size_t n = tpunet_shape_cubes(&spec->shape);
    struct tpunet_error err;

    if (!req->p->model->pod->research) {
        respond_problem(req, 403, "research-disabled", name,
                        "weave: this pod takes none; podmgr's configuration would have to say "
                        "research: true");
        return false;
    }
    spec->n_weave = TPUNET_OCSES * n;
    spec->weave = xcalloc(spec->n_weave, sizeof *spec->weave);
    if (!take_lists(value, n, spec->weave)) {
        return bad_weave(req, "must be 48 lists, OCS by OCS, of one logical cube for each cube");
    }
    const struct tpunet_weave weave = {
        .shape = spec->shape, .n_cubes = (uint16_t)n, .next = spec->weave};
    return tpunet_weave_check(&weave, &err) == 0 || bad_weave(req, err.text);
}
