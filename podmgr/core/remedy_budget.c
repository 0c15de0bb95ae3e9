/* What remediation may still do (A7), and the breaker that ends it.
 *
 *   1. Cubes that remediation took out of service count until a person has mended them;
 *      on probation they are his doing.  Swaps count for an hour.
 *   2. What would exceed either opens the breaker, which only an operator resets; it
 *      stays open over a restart.  The reset forgets the swaps. */
#include "core/internal.h"
#include "core/remedy.h"
#include "mem.h"

enum { HOUR_MS = 3600 * 1000 };

unsigned remediation_cubes_out(const struct model *m)
{
    unsigned n = 0;

    for (size_t i = 0; i < m->n_faults; i++) {
        const struct part_fault *fault = &m->faults[i];
        n += fault->part.kind == PART_CUBE && fault->health == HEALTH_SUSPECT &&
             m->cubes[fault->part.cube].in_hand != HEALTH_PROBATION;
    }
    return n;
}

unsigned remediation_swaps(const struct model *m, struct mono_ns now)
{
    const struct remediation *r = m->remediation;
    unsigned n = 0;

    for (size_t i = 0; i < r->n_swaps; i++) {
        n += mono_ms_since(r->swaps[i], now) < HOUR_MS;
    }
    return n;
}

const char *remedy_stops(const struct model *m, size_t n_cubes)
{
    if (m->remediation->breaker_open) {
        return "the breaker is open";
    }
    if (m->pod->remedy.mode == REMEDY_DRY_RUN) {
        return "it is a dry run";
    }
    return n_cubes > 0 && remediation_cubes_out(m) + n_cubes > m->pod->remedy.cubes_out_max
               ? "as many cubes are out of service as may be"
               : NULL;
}

bool remedy_may_swap(const struct model *m, size_t n, struct now now)
{
    return !m->remediation->breaker_open &&
           remediation_swaps(m, now.mono) + n <= m->pod->remedy.swaps_per_hour_max;
}

void remedy_swapped(struct model *m, size_t n, struct now now)
{
    struct remediation *r = m->remediation;

    if (r->n_swaps > 0 && remediation_swaps(m, now.mono) == 0) {
        r->n_swaps = 0; /* all of them are older than the budget reaches */
    }
    for (size_t i = 0; i < n; i++) {
        VEC_GROW(r->swaps, r->n_swaps, r->cap_swaps);
        r->swaps[r->n_swaps++] = now.mono;
    }
}

void remedy_trip(struct model *m, const char *why, struct now now, struct outbox *out)
{
    char subject[48];

    if (!m->remediation->breaker_open) {
        m->remediation->breaker_open = true;
        emit_meta(out);
        (void)snprintf(subject, sizeof subject, "pod/%s", m->pod->id);
        emit_journal(m, out, now, "remediation.breaker-open", subject,
                     json_pack("{s:s}", "reason", why));
    }
}

void remedy_reset_breaker(struct model *m, struct event *ev, struct outbox *out)
{
    struct remediation *r = m->remediation;
    char subject[48];

    (void)snprintf(subject, sizeof subject, "pod/%s", m->pod->id);
    if (r->breaker_open) {
        r->breaker_open = false;
        r->n_swaps = 0; /* the operator has seen to them */
        emit_meta(out);
        emit_audit(out, ev, "remediation.reset-breaker", subject,
                   json_pack("{s:b}", "breaker_open", 1), json_pack("{s:b}", "breaker_open", 0));
        emit_journal(m, out, ev->now, "remediation.breaker-reset", subject,
                     json_pack("{s:s}", "by", ev->who));
    }
    emit_done(out, ev->cookie, (struct id){0});
}
