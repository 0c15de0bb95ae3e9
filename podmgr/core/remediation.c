/* The rules, in the order in which they are asked; the first that applies to a
 * slice decides for it.
 *
 * About the cause:
 *   1. INFO is nobody's business.
 *   2. An observer, the network or podmgr itself: wait and write a ticket.
 *      Silence never evicts.
 *   3. A switch that does not answer while its light goes on: wait, ticket (D7).
 *   4. A cause of which we are not sure enough: wait for more evidence, but no longer
 *      than PATIENCE_MS while a slice is hurt: then the likeliest it is.
 *   5. A part that is merely DEGRADED: a ticket, no slice is touched.
 *   6. A cube to be without is given to nobody: once swapped, or at once if it is
 *      idle and the budget (16) has room: beyond it nobody gets the cube all the same
 *      while it is blamed (remedy.c).  A board of ports takes no idle cubes along.
 *   7. Whoever is to blame gets a ticket; for an optical link it names the spare
 *      port to which a technician can move the fibre.
 *
 * About a slice:
 *   8. One with an operation under way is asked about again after it.
 *   9. One with which nothing SEVERE is wrong is left alone.
 *  10. A breaker that is open stops every swap and new route: the slice is
 *      ACTIVE_DEGRADED if it accepts that, else FAILED.
 *  11. While things change in another failure domain it waits.
 *  12. A switch, a fibre, a port, a port group: new routes if it accepts them.
 *  13. A switch: else FAILED, since no cube has a way around it.  An axis: FAILED.
 *  14. A fibre, a port, a port group without new routes; a link, a chip, a host,
 *      a face, a cube, a power domain: swap the cubes, all of the slice or none.
 *  15. No spare cube left: ACTIVE_DEGRADED or FAILED, as rule 10.
 *  16. Swaps beyond the budget of cubes or of the hour: the breaker trips, a
 *      person is asked, and rule 10 holds.
 *
 * And:
 *  17. Dry run says all this and does nothing of it but tickets.
 *
 * A6 and A7 rest on 6, 11 and 16. */
#include "core/remediation.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

enum { PATIENCE_MS = 10000 };

const char *remedy_kind_name(enum remedy_kind kind)
{
    static const char *const names[] = {
#define X(name) [REMEDY_##name] = #name,
        REMEDY_KINDS(X)
#undef X
    };
    return names[kind];
}

const char *remedy_mode_name(enum remedy_mode mode)
{
    static const char *const names[] = {
        [REMEDY_OFF] = "off", [REMEDY_AUTO] = "auto", [REMEDY_DRY_RUN] = "dry-run"};
    return names[mode];
}

/* How a slice gets rid of a cause, by its kind (rules 2, 3, 12 to 14). */
enum way {
    WAY_NONE,  /* nothing of a slice is to blame */
    WAY_ROUTE, /* around it; a cube for another does not help */
    WAY_EITHER,
    WAY_SWAP,
    WAY_LOST,
};
static const enum way way_of[RISK_KIND_COUNT] = {
    [RISK_LINK] = WAY_SWAP,         [RISK_FIBRE] = WAY_EITHER, [RISK_PORT] = WAY_EITHER,
    [RISK_PORT_GROUP] = WAY_EITHER, [RISK_CHIP] = WAY_SWAP,    [RISK_HOST] = WAY_SWAP,
    [RISK_FACE] = WAY_SWAP,         [RISK_CUBE] = WAY_SWAP,    [RISK_OCS] = WAY_ROUTE,
    [RISK_OCS_CONTROL] = WAY_NONE,  [RISK_AXIS] = WAY_LOST,    [RISK_POWER] = WAY_SWAP,
    [RISK_OBSERVER] = WAY_NONE,     [RISK_NETWORK] = WAY_NONE, [RISK_SELF] = WAY_NONE,
};

/* A decision under way: what is used up of the spares and the budgets. */
struct deciding {
    const struct remedy_input *in;
    struct remedies *out;
    size_t spares_used;
    unsigned swaps, cubes_out;
    bool breaker_open;
};

static struct remedy *add(struct deciding *d, enum remedy_kind kind, unsigned rule, const char *fmt,
                          ...) __attribute__((format(printf, 4, 5)));
static struct remedy *add(struct deciding *d, enum remedy_kind kind, unsigned rule, const char *fmt,
                          ...)
{
    VEC_GROW(d->out->items, d->out->n, d->out->cap);
    struct remedy *r = &d->out->items[d->out->n++];
    va_list ap;

    *r = (struct remedy){.kind = kind,
                         .rule = rule,
                         .only_said = d->in->mode == REMEDY_DRY_RUN && kind != REMEDY_TICKET,
                         .cube = TPUNET_NONE,
                         .spare = TPUNET_NONE};
    va_start(ap, fmt);
    (void)vsnprintf(r->text, sizeof r->text, fmt, ap);
    va_end(ap);
    return r;
}

/* ------------------------------------------------------------- the cause -- */

static void write_ticket(struct deciding *d, unsigned rule)
{
    const struct impact *impact = d->in->impact;
    struct part port = {.kind = PART_PORT,
                        .ocs = impact->port.ocs,
                        .south = impact->port.side == TPUNET_SOUTH,
                        .port = impact->spare};
    char name[80];

    if (impact->port_known && impact->spare != TPUNET_NONE) {
        add(d, REMEDY_TICKET, rule, "repair %s; its fibre can be moved to the spare %s",
            d->in->part, part_format(&port, name))
            ->spare = impact->spare;
    } else {
        add(d, REMEDY_TICKET, rule, "repair %s", d->in->part);
    }
}

/* Rules 1 to 5; true if no slice is to be touched. */
static bool ends_with_the_cause(struct deciding *d)
{
    const struct remedy_input *in = d->in;

    if (in->severity <= SEVERITY_INFO) {
        add(d, REMEDY_NOTHING, 1, "%s: nothing that lasts", in->part);
        return true;
    }
    if (way_of[in->kind] == WAY_NONE) {
        unsigned rule = in->kind == RISK_OCS_CONTROL ? 3 : 2;
        add(d, REMEDY_WAIT, rule, "%s does not answer; nothing says that its hardware is broken",
            in->part);
        write_ticket(d, rule);
        return true;
    }
    if (in->confidence < in->confidence_min && in->hurt_ms < PATIENCE_MS) {
        add(d, REMEDY_WAIT, 4, "%s is to blame with confidence %.2f; %.2f is needed", in->part,
            in->confidence, in->confidence_min);
        return true;
    }
    if (in->severity < SEVERITY_SEVERE) {
        write_ticket(d, 5);
        return true;
    }
    return false;
}

/* Is somebody's cube among those that the impact wants to be without? */
static bool is_used(const struct remedy_input *in, uint16_t cube)
{
    for (size_t i = 0; i < in->n_slices; i++) {
        for (size_t k = 0; k < in->slices[i].n_cubes; k++) {
            if (in->slices[i].cubes[k] == cube) {
                return true;
            }
        }
    }
    return false;
}

static void trip(struct deciding *d, size_t more)
{
    const struct remedy_input *in = d->in;

    add(d, REMEDY_TRIP_BREAKER, 16,
        "%u swaps in the last hour of %u, %u cubes out of %u: %s would need %zu more",
        in->swaps_last_hour + d->swaps, in->swaps_per_hour_max, d->cubes_out, in->cubes_out_max,
        in->part, more);
    d->breaker_open = true;
}

/* Rule 6, of cubes that no slice has; the others follow their swap. */
static void quarantine_idle(struct deciding *d)
{
    const struct remedy_input *in = d->in;
    const struct impact *impact = in->impact;

    for (size_t i = 0; i < impact->n_cubes && in->kind != RISK_PORT_GROUP; i++) {
        uint16_t cube = impact->cubes[i];
        if (is_used(in, cube) || d->breaker_open || in->is_out[cube] ||
            d->cubes_out >= in->cubes_out_max) {
            continue;
        }
        add(d, REMEDY_QUARANTINE, 6, "cube/%u is idle and %s is broken", cube, in->part)->cube =
            cube;
        d->cubes_out++;
    }
}

/* --------------------------------------------------------------- a slice -- */

/* Rules 10 and 15: as it is. */
static void without(struct deciding *d, const struct remedy_slice *slice, unsigned rule,
                    const char *why)
{
    enum remedy_kind kind = slice->accepts_degraded ? REMEDY_DEGRADE : REMEDY_FAIL;

    add(d, kind, rule, "%s is broken and %s", d->in->part, why)->slice = slice->id;
}

/* Rule 16: all cubes of the slice or none. */
static bool over_budget(const struct deciding *d, size_t n_cubes)
{
    const struct remedy_input *in = d->in;

    return in->swaps_last_hour + d->swaps + n_cubes > in->swaps_per_hour_max ||
           d->cubes_out + n_cubes > in->cubes_out_max;
}

static void swap_cubes(struct deciding *d, const struct remedy_slice *slice)
{
    const struct remedy_input *in = d->in;

    assert(slice->n_cubes > 0);
    if (in->n_spares - d->spares_used < slice->n_cubes) {
        without(d, slice, 15, "no healthy cube is free");
        return;
    }
    if (over_budget(d, slice->n_cubes)) {
        trip(d, slice->n_cubes);
        without(d, slice, 10, "the breaker has tripped");
        return;
    }
    for (size_t i = 0; i < slice->n_cubes; i++) {
        uint16_t spare = in->spares[d->spares_used++];
        struct remedy *r = add(d, REMEDY_SWAP, 14, "%s is broken: cube/%u instead of cube/%u",
                               in->part, spare, slice->cubes[i]);
        r->slice = slice->id;
        r->cube = slice->cubes[i];
        r->spare = spare;
        d->swaps++;
        d->cubes_out++;
        add(d, REMEDY_QUARANTINE, 6, "%s is broken", in->part)->cube = slice->cubes[i];
    }
}

static void decide_slice(struct deciding *d, const struct remedy_slice *slice)
{
    const struct remedy_input *in = d->in;
    enum way way = way_of[in->kind];

    if (slice->n_cubes == 0 && way != WAY_LOST) {
        way = WAY_ROUTE; /* only through switches, such as those of a power domain */
    }
    if (slice->busy) {
        add(d, REMEDY_WAIT, 8, "an operation on the slice is under way")->slice = slice->id;
    } else if (slice->works) {
        add(d, REMEDY_NOTHING, 9, "nothing SEVERE is wrong with it")->slice = slice->id;
    } else if (d->breaker_open) {
        without(d, slice, 10, "the breaker is open: an operator has to reset it");
    } else if (in->other_domain_busy) {
        add(d, REMEDY_WAIT, 11, "another failure domain is being mended")->slice = slice->id;
    } else if ((way == WAY_ROUTE || way == WAY_EITHER) && slice->accepts_degraded) {
        add(d, REMEDY_REROUTE, 12, "around %s", in->part)->slice = slice->id;
    } else if (way == WAY_ROUTE || way == WAY_LOST) {
        add(d, REMEDY_FAIL, 13, "%s is broken and %s", in->part,
            way == WAY_LOST ? "no route leads around it" : "the slice demands fault-free routes")
            ->slice = slice->id;
    } else {
        swap_cubes(d, slice);
    }
}

void remediation_decide(const struct remedy_input *in, struct remedies *out)
{
    struct deciding d = {
        .in = in, .out = out, .cubes_out = in->cubes_out, .breaker_open = in->breaker_open};

    assert(in->part != NULL && in->impact != NULL);
    *out = (struct remedies){0};
    if (ends_with_the_cause(&d)) {
        return;
    }
    quarantine_idle(&d);
    for (size_t i = 0; i < in->n_slices; i++) {
        decide_slice(&d, &in->slices[i]);
    }
    write_ticket(&d, 7);
}

void remedies_fini(struct remedies *r)
{
    free(r->items);
    *r = (struct remedies){0};
}
