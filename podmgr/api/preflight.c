/* /v1/preflight/goldens: what hosts have to show before a slice gets them, by the
 * word of their observers.  Observers with the same limits share an entry. */
#include <math.h>
#include <string.h>

#include "api/http.h"
#include "core/health.h"

static bool is_same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool is_same(const struct goldens *a, const struct goldens *b)
{
    bool same = (a == NULL) == (b == NULL);

    if (!same || a == NULL) {
        return same;
    }
    same = a->n == b->n && strcmp(a->file, b->file) == 0;
    for (size_t i = 0; i < a->n && same; i++) {
        const struct golden_word *x = &a->limits[i], *y = &b->limits[i];
        same = strcmp(x->metric, y->metric) == 0 && strcmp(x->unit, y->unit) == 0 &&
               is_same_number(x->min, y->min) && is_same_number(x->max, y->max) &&
               x->required == y->required;
    }
    return same;
}

static json_t *number_json(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *render_limits(const struct goldens *goldens)
{
    json_t *list = json_array();

    for (size_t i = 0; goldens != NULL && i < goldens->n; i++) {
        const struct golden_word *word = &goldens->limits[i];
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:o,s:o,s:b}", "metric", word->metric, "unit", word->unit,
                            "min", number_json(word->min), "max", number_json(word->max),
                            "required", word->required));
    }
    return list;
}

/* Only hosts that the observer stands for now. */
static json_int_t count_hosts(const struct model *m, const struct observer *o)
{
    json_int_t n = 0;

    for (size_t h = 0; h < o->n_hosts; h++) {
        n += health_of(m, o->hosts[h])->observer == o->id;
    }
    return n;
}

static json_t *render_set(const struct model *m, const struct observer *all, size_t n, size_t first)
{
    const struct goldens *goldens = all[first].goldens;
    json_t *observers = json_array();
    json_int_t hosts = 0;

    for (size_t i = first; i < n; i++) {
        if (is_same(goldens, all[i].goldens)) {
            (void)json_array_append_new(observers, json_string(all[i].name));
            hosts += count_hosts(m, &all[i]);
        }
    }
    return json_pack("{s:o,s:o,s:I,s:o}", "file",
                     goldens != NULL ? json_string(goldens->file) : json_null(), "observers",
                     observers, "hosts", hosts, "limits", render_limits(goldens));
}

json_t *render_goldens(const struct model *m)
{
    const struct preflight_policy *policy = &m->pod->preflight;
    json_t *sets = json_array();
    json_int_t unobserved = 0;
    size_t n;
    const struct observer *all = health_observers(m, &n);

    for (size_t i = 0; i < n; i++) {
        bool told = false;
        for (size_t k = 0; k < i && !told; k++) {
            told = is_same(all[i].goldens, all[k].goldens);
        }
        if (!told) {
            (void)json_array_append_new(sets, render_set(m, all, n, i));
        }
    }
    for (unsigned h = 0; h < model_hosts(m); h++) {
        unobserved += health_of(m, h)->observer == 0;
    }
    return json_pack("{s:s,s:s,s:I,s:I,s:o}", "mode", preflight_mode_name(policy->mode),
                     "unobserved", policy->required ? "refuse" : "skip", "timeout_ms",
                     (json_int_t)policy->timeout_ms, "hosts_unobserved", unobserved, "sets", sets);
}

void goldens_list(struct request *req)
{
    if (request_query_is(req, NULL, 0)) {
        respond_json(req, 200, render_goldens(req->p->model));
    }
}
