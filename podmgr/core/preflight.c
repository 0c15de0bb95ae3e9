/* The rules:
 *
 *   1. A slice is checked when its tables are proved and installed, once for each
 *      set of cubes: one that has passed, or has served, is not asked again when
 *      it only gets new routes.
 *   2. Every observer that lives and stands for hosts of the slice gets one order.
 *      Each checks its hosts against its golden limits; if all pairs have routes
 *      (and the mode is `full`) it sends from them to all of the slice, and lets
 *      them compute.
 *   3. A host whose observer is unknown or silent is passed over.  Where observers
 *      are required it is waited for; and so it is for grace_ms after podmgr's
 *      start, since observers have to find their way back first.
 *   4. A verdict counts if it is of this epoch, this order and these tables, for
 *      the hosts that its sender was asked about; any other is stale.
 *   5. The preflight ends when no verdict is awaited any more, or after
 *      timeout_ms: who has not answered by then is not fit.
 *   6. A link of the slice that goes down meanwhile, or anything else that begins
 *      the bring-up again, ends it without a result.
 *   7. Each part that is to blame gets a finding `preflight`, SEVERE, for root
 *      cause, until a later preflight finds its host fit or an operator clears
 *      its cube.  The cubes become SUSPECT by podmgr, and others are tried in
 *      their place, as long as no more than cubes_out_max are out of service: a
 *      limit that is too strict does not empty the pod (A7).  Under a slice that has
 *      served these are swaps of the hour, too (slices.c, rule 6). */
#include "core/preflight.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "core/remedy.h"
#include "mem.h"

enum { SILENT_MS = 3000 };
static const uint32_t NOBODY = UINT32_MAX; /* is asked yet, but awaited */

const char *preflight_mode_name(enum preflight_mode mode)
{
    static const char *const names[] = {
        [PREFLIGHT_OFF] = "off", [PREFLIGHT_INTENT] = "intent", [PREFLIGHT_FULL] = "full"};
    return names[mode];
}

void preflight_free(struct preflight *p)
{
    if (p != NULL) {
        free(p->asked);
        free(p);
    }
}

void preflight_drop(struct slice *slice)
{
    preflight_free(slice->preflight);
    slice->preflight = NULL;
}

uint16_t preflight_host(const struct slice *slice, size_t place)
{
    return (uint16_t)(slice->intent->cubes[place / TPUNET_CUBE_HOSTS] * TPUNET_CUBE_HOSTS +
                      place % TPUNET_CUBE_HOSTS);
}

static const char *host_name(uint16_t host, char buf[static 80])
{
    struct part part = finding_part(host, SCOPE_HOST, 0);
    return part_format(&part, buf);
}

/* ---------------------------------------------------------------- asking -- */

const struct slice *preflight_next(const struct model *m, uint32_t observer, uint64_t taken)
{
    const struct slice *next = NULL;

    for (size_t i = 0; i < m->n_slices; i++) {
        const struct preflight *p = m->slices[i]->preflight;
        bool asked = false;
        if (p == NULL || p->order <= taken || (next != NULL && p->order > next->preflight->order)) {
            continue;
        }
        for (size_t h = 0; h < p->n_hosts && !asked; h++) {
            asked = p->asked[h] == observer;
        }
        next = asked ? m->slices[i] : next;
    }
    return next;
}

/* Each observer once. */
static void order_all(const struct preflight *p, struct outbox *out)
{
    bool told[MODEL_HOSTS_MAX + 1] = {false};

    for (size_t h = 0; h < p->n_hosts; h++) {
        uint32_t observer = p->asked[h];
        if (observer != 0 && observer != NOBODY && !told[observer]) {
            told[observer] = true;
            emit_effect(out, EFFECT_PREFLIGHT)->agent = observer;
        }
    }
}

/* Rules 2 and 3. */
static uint32_t whom_to_ask(const struct model *m, uint16_t host, struct now now)
{
    uint32_t observer = health_observer(m, host, now.mono, SILENT_MS);
    bool awaited = m->pod->preflight.required ||
                   mono_ms_since(m->started, now.mono) < m->pod->preflight.grace_ms;

    return observer != 0 ? observer : awaited ? NOBODY : 0;
}

static void finish(struct model *m, struct slice *slice, struct now now, struct outbox *out);

void preflight_begin(struct model *m, struct slice *slice, struct now now, struct outbox *out)
{
    const struct preflight_policy *policy = &m->pod->preflight;
    struct preflight *p;

    preflight_drop(slice);
    if (policy->mode == PREFLIGHT_OFF || slice->fit) { /* rule 1 */
        bringup_fit(m, slice, now, out);
        return;
    }
    p = xcalloc(1, sizeof *p);
    p->order = model_new_id(m).seq;
    p->n_hosts = slice->intent->n_cubes * (size_t)TPUNET_CUBE_HOSTS;
    p->asked = xcalloc(p->n_hosts, sizeof *p->asked);
    p->pattern = policy->mode == PREFLIGHT_FULL && slice->routes.unreachable_pairs == 0;
    p->began = now.mono;
    p->until.ns = now.mono.ns + policy->timeout_ms * INT64_C(1000000);
    for (size_t h = 0; h < p->n_hosts; h++) {
        p->asked[h] = whom_to_ask(m, preflight_host(slice, h), now);
        p->open += p->asked[h] != 0;
        p->unobserved += p->asked[h] == 0;
    }
    slice->preflight = p;
    if (p->open == 0) { /* nobody has anything to say */
        preflight_drop(slice);
        slice->fit = true;
        bringup_fit(m, slice, now, out);
        return;
    }
    emit_slice(out, slice->id);
    order_all(p, out);
}

/* -------------------------------------------------------------- answers -- */

static struct unfit *note(struct preflight *p, uint16_t host)
{
    p->failures++;
    if (p->n_unfit == PREFLIGHT_UNFIT) {
        return NULL;
    }
    struct unfit *unfit = &p->unfit[p->n_unfit++];
    *unfit = (struct unfit){.host = host, .scope = SCOPE_HOST};
    return unfit;
}

/* Rule 4. */
static bool is_current(const struct model *m, const struct slice *slice, const struct fitness *f)
{
    return slice != NULL && slice->preflight != NULL && f->epoch == m->epoch &&
           f->order == slice->preflight->order && f->generation == slice->generation;
}

/* Rule 4: an observer speaks of no other slice's parts. */
static bool is_about(const struct model *m, const struct slice *slice, const struct fitness *f)
{
    bool about = true;

    for (size_t i = 0; i < f->n_unfit; i++) {
        struct id owner = m->cubes[f->unfit[i].host / TPUNET_CUBE_HOSTS].owner;
        about = about && id_compare(owner, slice->id) == 0;
    }
    return about;
}

/* Its places among those that are asked; how many hosts it speaks for. */
static size_t take_hosts(struct slice *slice, const struct fitness *f)
{
    struct preflight *p = slice->preflight;
    size_t n = 0;

    for (size_t h = 0; h < p->n_hosts; h++) {
        uint16_t host = preflight_host(slice, h);
        for (size_t i = 0; i < f->n_hosts && p->asked[h] == f->observer; i++) {
            if (f->hosts[i] == host) {
                p->asked[h] = 0;
                p->open--;
                n++;
            }
        }
    }
    return n;
}

static void add_up(struct preflight *p, const struct fitness *f)
{
    p->checked += f->checked;
    p->transfers += f->transfers;
    p->computations += f->computations;
    p->failures += f->failures;
    for (size_t i = 0; i < f->n_unfit && p->n_unfit < PREFLIGHT_UNFIT; i++) {
        p->unfit[p->n_unfit++] = f->unfit[i];
    }
}

void preflight_verdict(struct model *m, struct event *ev, struct outbox *out)
{
    const struct fitness *f = ev->fitness;
    struct slice *slice = model_slice(m, f->slice);
    char id[48];

    if (!is_current(m, slice, f) || !is_about(m, slice, f) || take_hosts(slice, f) == 0) {
        emit_refusal(out, ev->cookie, E_STALE, "stale",
                     "nobody waits for order %" PRIu64 " of slice/%s", f->order,
                     id_format(f->slice, id));
        return;
    }
    emit_done(out, ev->cookie, (struct id){0});
    add_up(slice->preflight, f);
    if (slice->preflight->open == 0) {
        finish(m, slice, ev->now, out);
    }
}

/* Rule 3, as observers come and go. */
static void follow_observers(struct model *m, struct slice *slice, struct now now,
                             struct outbox *out)
{
    struct preflight *p = slice->preflight;
    bool again = false;

    for (size_t h = 0; h < p->n_hosts; h++) {
        uint32_t whom = p->asked[h] != 0 ? whom_to_ask(m, preflight_host(slice, h), now) : 0;
        if (whom == p->asked[h]) {
            continue;
        }
        p->asked[h] = whom;
        p->open -= whom == 0;
        p->unobserved += whom == 0;
        again = again || (whom != 0 && whom != NOBODY);
    }
    if (again) { /* who knows the old order does not look at it twice */
        p->order = model_new_id(m).seq;
        order_all(p, out);
    }
}

/* Rule 5. */
static void give_up(const struct model *m, struct slice *slice)
{
    struct preflight *p = slice->preflight;

    for (size_t h = 0; h < p->n_hosts; h++) {
        uint16_t host = preflight_host(slice, h);
        struct unfit *unfit = p->asked[h] != 0 ? note(p, host) : NULL;
        char name[80];
        if (unfit != NULL) {
            unfit->unplaced = p->asked[h] == NOBODY;
            (void)snprintf(unfit->text, sizeof unfit->text,
                           unfit->unplaced ? "%s: nobody observes it"
                                           : "%s: no verdict within %u ms",
                           host_name(host, name), m->pod->preflight.timeout_ms);
        }
        p->asked[h] = 0;
    }
    p->open = 0;
}

void preflight_tick(struct model *m, struct now now, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        if (slice->preflight == NULL) {
            continue;
        }
        follow_observers(m, slice, now, out);
        if (now.mono.ns >= slice->preflight->until.ns) {
            give_up(m, slice);
        }
        if (slice->preflight->open == 0) {
            finish(m, slice, now, out);
        }
    }
}

/* --------------------------------------------------------------- the end -- */

static void pass(struct model *m, struct slice *slice, struct preflight *p, struct now now,
                 struct outbox *out)
{
    slice->fit = true;
    slice->preflight_ms = mono_ms_since(p->began, now.mono);
    for (size_t h = 0; h < p->n_hosts; h++) {
        uint16_t host = preflight_host(slice, h);
        if (health_observer(m, host, now.mono, SILENT_MS) != 0) {
            health_forgive(m, host, now, out);
        }
    }
    slice_tell(m, slice, "slice.preflight", now, out,
               json_pack("{s:I,s:I,s:I,s:I,s:I,s:f}", "hosts",
                         (json_int_t)(p->n_hosts - p->unobserved), "unobserved",
                         (json_int_t)p->unobserved, "values", (json_int_t)p->checked, "transfers",
                         (json_int_t)p->transfers, "computations", (json_int_t)p->computations,
                         "ms", slice->preflight_ms));
    bringup_fit(m, slice, now, out);
}

/* Rule 7: the cubes to blame; how many. */
static size_t blame(struct model *m, const struct preflight *p, bool cubes[static MODEL_CUBES_MAX],
                    struct now now, struct outbox *out)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_unfit; i++) {
        const struct unfit *unfit = &p->unfit[i];
        uint16_t cube = unfit->host / TPUNET_CUBE_HOSTS;
        if (unfit->unplaced) {
            continue;
        }
        n += !cubes[cube];
        cubes[cube] = true;
        health_blame(m, unfit->host, unfit->scope, unfit->index, unfit->text, now, out);
    }
    return n;
}

static void keep_back(struct model *m, const bool cubes[static MODEL_CUBES_MAX], const char *reason,
                      struct now now, struct outbox *out)
{
    for (uint16_t c = 0; c < m->pod->n_cubes; c++) {
        struct part cube = {.kind = PART_CUBE, .cube = c};
        if (cubes[c]) {
            faults_say(m, &cube, reason, now, out);
        }
    }
}

static void refuse(struct model *m, struct slice *slice, struct preflight *p, struct now now,
                   struct outbox *out)
{
    bool cubes[MODEL_CUBES_MAX] = {false};
    char more[48] = "";
    size_t n = blame(m, p, cubes, now, out);
    const char *stops = remedy_stops(m, n);
    bool may = n > 0 && stops == NULL;

    if (p->failures > 1) {
        (void)snprintf(more, sizeof more, "; and %" PRIu64 " more", p->failures - 1);
    }
    (void)snprintf(slice->reason, sizeof slice->reason, "preflight: %s%s", p->unfit[0].text, more);
    if (n > 0 && stops != NULL) {
        slice_add_reason(slice, "no other cubes: %s", stops);
    }
    slice_tell(m, slice, "slice.preflight-failed", now, out,
               json_pack("{s:s,s:I,s:I,s:b}", "reason", slice->reason, "failures",
                         (json_int_t)p->failures, "cubes", (json_int_t)n, "kept_back", may));
    if (may) {
        keep_back(m, cubes, slice->reason, now, out);
    }
    slices_unfit(m, slice, cubes, may, now, out);
}

static void finish(struct model *m, struct slice *slice, struct now now, struct outbox *out)
{
    struct preflight *p = slice->preflight;

    slice->preflight = NULL;
    if (p->failures == 0) {
        pass(m, slice, p, now, out);
    } else {
        assert(p->n_unfit > 0); /* the boundary sees to it */
        refuse(m, slice, p, now, out);
    }
    preflight_free(p);
}
