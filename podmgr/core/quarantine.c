/* Cubes that a restored backup cannot explain: in circuits that nobody intended,
 * perhaps of slices made since the backup.  switches.c marks them; here an
 * operator says what becomes of them.
 *
 *   1. A group is what unexplained circuits join: the cubes of one forgotten
 *      slice.  Half of a torus serves nobody, so a group is cleared as a whole.
 *   2. Clearing breaks the circuits of the group by an operation that is durable
 *      before a mirror moves (D6) and touches no other port (D3).  The cubes are
 *      free when the switches show that it is done (A8).
 *   3. Adopting makes a slice of cubes whose circuits are exactly those that its
 *      shape wants: no mirror moves, and no other unexplained circuit is on
 *      them (D2).  It is brought up as any slice, so ACTIVE means what it
 *      always means (A5).
 */
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "mem.h"

static bool is_unexplained(const struct model *m, struct tpunet_xc xc)
{
    return xc.south != TPUNET_NONE && m->ocs[xc.ocs].north[xc.north].south != xc.south;
}

static bool touches(const struct model *m, struct tpunet_xc xc,
                    const bool cubes[static MODEL_CUBES_MAX])
{
    uint16_t ends[2];

    model_cubes_of(m, xc, ends);
    return (ends[0] != TPUNET_NONE && cubes[ends[0]]) || (ends[1] != TPUNET_NONE && cubes[ends[1]]);
}

/* The unexplained circuits on these cubes, sorted; the caller frees. */
static size_t circuits_on(const struct model *m, const bool cubes[static MODEL_CUBES_MAX],
                          struct tpunet_xc **out)
{
    size_t n = 0, cap = 0;

    *out = NULL;
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        for (uint16_t p = 0; p < m->pod->ports_per_side; p++) {
            struct tpunet_xc xc = {o, p, m->ocs[o].north[p].seen};
            if (is_unexplained(m, xc) && touches(m, xc, cubes)) {
                VEC_GROW(*out, n, cap);
                (*out)[n++] = xc;
            }
        }
    }
    return n;
}

size_t core_quarantine_group(const struct model *m, uint16_t cube,
                             bool cubes[static MODEL_CUBES_MAX])
{
    struct tpunet_xc *xcs = NULL;
    size_t n = 0, before;

    memset(cubes, 0, MODEL_CUBES_MAX * sizeof *cubes);
    cubes[cube] = true;
    do {
        before = n;
        free(xcs);
        n = circuits_on(m, cubes, &xcs);
        for (size_t i = 0; i < n; i++) {
            uint16_t ends[2];
            model_cubes_of(m, xcs[i], ends);
            for (int e = 0; e < 2; e++) {
                if (ends[e] != TPUNET_NONE) {
                    cubes[ends[e]] = true;
                }
            }
        }
    } while (n != before);
    free(xcs);
    return n;
}

/* --------------------------------------------------------------- clear -- */

static size_t drop_open(const struct model *m, struct tpunet_xc *xcs, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (!plan_is_open(m, xcs[i], false)) {
            xcs[kept++] = xcs[i];
        }
    }
    return kept;
}

static json_t *names_of(const bool cubes[static MODEL_CUBES_MAX])
{
    json_t *list = json_array();

    for (unsigned c = 0; c < MODEL_CUBES_MAX; c++) {
        if (cubes[c]) {
            (void)json_array_append_new(list, json_integer(c));
        }
    }
    return list;
}

void quarantine_clear(struct model *m, struct event *ev, struct outbox *out)
{
    unsigned cube = ev->clear.cube;
    bool cubes[MODEL_CUBES_MAX];
    struct tpunet_xc *xcs;
    char id[48];

    if (m->cubes[cube].health != HEALTH_QUARANTINED) {
        emit_refusal(out, ev->cookie, E_CONFLICT, "not-quarantined", "cube/%u is %s", cube,
                     health_name(m->cubes[cube].health));
        return;
    }
    (void)core_quarantine_group(m, (uint16_t)cube, cubes);
    size_t n = circuits_on(m, cubes, &xcs);
    n = drop_open(m, xcs, n);
    if (n == 0) {
        free(xcs);
        emit_refusal(out, ev->cookie, E_CONFLICT, "not-quarantined",
                     "cube/%u: an operation that breaks its circuits is under way", cube);
        return;
    }
    struct id op = ops_break(m, xcs, n, ev->now, out);
    char subject[16];
    (void)snprintf(subject, sizeof subject, "cube/%u", cube);
    emit_audit(out, ev, "quarantine.clear", subject,
               json_pack("{s:o,s:I}", "cubes", names_of(cubes), "circuits", (json_int_t)n),
               json_pack("{s:s}", "operation", id_format(op, id)));
    emit_done(out, ev->cookie, op);
}

/* --------------------------------------------------------------- adopt -- */

/* Rule 3: named, there, each once, quarantined and nobody's. */
static int take_cubes(const struct model *m, const struct slice_spec *spec, uint16_t *out,
                      bool cubes[static MODEL_CUBES_MAX], struct error *err)
{
    uint32_t needed = tpunet_shape_cubes(&spec->shape);

    if (spec->cubes == NULL || spec->n_cubes != needed) {
        return err_set(err, E_INVALID, "cubes: to adopt, name all %u cubes in logical order",
                       needed);
    }
    memset(cubes, 0, MODEL_CUBES_MAX * sizeof *cubes);
    for (size_t i = 0; i < needed; i++) {
        unsigned cube = spec->cubes[i];
        if (cube >= m->pod->n_cubes || cubes[cube]) {
            return err_set(err, E_INVALID, "cubes[%zu]: cube/%u is repeated or not in the pod", i,
                           cube);
        }
        if (m->cubes[cube].health != HEALTH_QUARANTINED || !id_is_none(m->cubes[cube].owner)) {
            return err_set(err, E_CONFLICT,
                           "cubes[%zu]: cube/%u is %s%s; only QUARANTINED ones "
                           "that nobody owns are adopted",
                           i, cube, health_name(m->cubes[cube].health),
                           id_is_none(m->cubes[cube].owner) ? "" : " and owned");
        }
        cubes[cube] = true;
        out[i] = spec->cubes[i];
    }
    return 0;
}

/* Both lists are sorted. */
static int compare_circuits(const struct model *m, bool accept_degraded,
                            const struct tpunet_xc *wanted, size_t n_wanted,
                            const struct tpunet_xc *there, size_t n_there, struct error *err)
{
    for (size_t i = 0; i < n_wanted; i++) {
        const struct tpunet_xc *xc = &wanted[i];
        uint16_t seen = m->ocs[xc->ocs].north[xc->north].seen;
        if (seen == TPUNET_NONE && accept_degraded && model_circuit_broken(m, *xc)) {
            continue; /* the slice goes around it */
        }
        if (seen == TPUNET_NONE) {
            return err_set(err, E_CONFLICT, "ocs/%u north %u is dark, the slice wants south %u",
                           xc->ocs, xc->north, xc->south);
        }
        if (seen != xc->south) {
            return err_set(err, E_CONFLICT,
                           "ocs/%u north %u leads to south %u, the slice wants south %u; other "
                           "cubes, another order or shape, or twisted?",
                           xc->ocs, xc->north, seen, xc->south);
        }
        if (m->ocs[xc->ocs].supports_light && !model_circuit_dead(m, *xc) &&
            !(m->ocs[xc->ocs].north[xc->north].loss_db <= (float)m->pod->loss_db_max)) {
            return err_set(err, E_CONFLICT,
                           "ocs/%u north %u to south %u loses %.1f dB, at most %.1f is good: the "
                           "slice would be rolled back",
                           xc->ocs, xc->north, xc->south,
                           (double)m->ocs[xc->ocs].north[xc->north].loss_db, m->pod->loss_db_max);
        }
    }
    for (size_t i = 0; i < n_there; i++) {
        if (bsearch(&there[i], wanted, n_wanted, sizeof *wanted, tpunet_xc_compare) == NULL) {
            return err_set(err, E_CONFLICT,
                           "ocs/%u north %u to south %u is on these cubes and not of this slice",
                           there[i].ocs, there[i].north, there[i].south);
        }
    }
    return 0;
}

int quarantine_adopt(const struct model *m, const struct slice_spec *spec, uint16_t *out,
                     struct error *err)
{
    bool cubes[MODEL_CUBES_MAX];
    struct tpunet_xc *wanted = NULL, *there = NULL;
    struct tpunet_intent *intent;
    struct tpunet_error net_err;
    size_t n_wanted;
    int status = take_cubes(m, spec, out, cubes, err);

    if (status < 0) {
        return status;
    }
    if (slice_spec_intent(&intent, spec, out, &net_err) < 0) {
        return err_set(err, E_INVALID, "%s", net_err.text);
    }
    status = tpunet_intent_xcs(intent, m->pod->wiring, &wanted, &n_wanted, &net_err);
    if (status < 0) {
        status = err_set(err, E_INVALID, "%s", net_err.text);
    } else {
        size_t n_there = circuits_on(m, cubes, &there);
        status = compare_circuits(m, spec->accept_degraded, wanted, n_wanted, there, n_there, err);
    }
    free(wanted);
    free(there);
    tpunet_intent_destroy(intent);
    return status;
}
