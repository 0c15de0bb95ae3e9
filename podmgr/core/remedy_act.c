/* What was decided about an incident is done, once however often it is decided.
 *
 *   1. A swap is one operation a slice.  If it cannot be begun, its cube stays
 *      and it is tried again at the next look.
 *   2. A fibre or port is gone around by calling it SUSPECT, a switch by calling
 *      it FAILED, on podmgr's word (faults.c), and by new routes for the slices that
 *      hurt.  Who works over it is left alone until it hurts, too.
 *   3. Only light has a way around it.  A slice that hurts from a link, chip,
 *      host or cube for which there is no spare FAILs with the reason.
 *   4. While the breaker is open a slice that accepts degraded and hurts from
 *      something optical is shown as ACTIVE_DEGRADED, its routes as they are. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/internal.h"
#include "core/remedy.h"
#include "core/repair.h"
#include "mem.h"

/* In the incident, each thing once. */
static void note(struct mending *w, const char *text)
{
    const struct incident *incident = w->incident;

    for (size_t i = 0; i < incident->n_actions; i++) {
        if (strncmp(incident->actions[i].text, text, INCIDENT_TEXT_MAX - 1) == 0) {
            return;
        }
    }
    incident_act(w->incident, w->now.wall, text);
    emit_incident(w->out, incident->id);
}

static void note_remedy(struct mending *w, const struct remedy *r)
{
    char text[INCIDENT_TEXT_MAX], id[48];

    if (id_is_none(r->slice)) {
        (void)snprintf(text, sizeof text, "%s%s: %s", r->only_said ? "dry run: " : "",
                       remedy_kind_name(r->kind), r->text);
    } else {
        (void)snprintf(text, sizeof text, "%s%s slice/%s: %s", r->only_said ? "dry run: " : "",
                       remedy_kind_name(r->kind), id_format(r->slice, id), r->text);
    }
    note(w, text);
}

/* ------------------------------------------------------------------ swap -- */

/* Rule 1: all the slice's cubes, from the item on. */
static void swap(struct mending *w, const struct remedies *remedies, size_t from)
{
    struct slice *slice = model_slice(w->m, remedies->items[from].slice);
    struct swap swaps[MODEL_CUBES_MAX];
    struct error err = {0};
    size_t n = 0;
    char text[INCIDENT_TEXT_MAX], id[48];

    for (size_t i = from; i < remedies->n; i++) {
        const struct remedy *item = &remedies->items[i];
        if (item->kind == REMEDY_SWAP && id_compare(item->slice, slice->id) == 0) {
            swaps[n++] = (struct swap){item->cube, item->spare};
        }
    }
    if (slices_swap(w->m, slice, swaps, n, remedies->items[from].text, w->now, w->out, &err) < 0) {
        (void)snprintf(text, sizeof text, "no swap of slice/%s yet: %s", id_format(slice->id, id),
                       err.text);
        note(w, text);
        return;
    }
    remedy_swapped(w->m, n, w->now);
    note_remedy(w, &remedies->items[from]);
}

/* Several cubes of a slice are several items; the first stands for them. */
static bool is_first_swap(const struct remedies *remedies, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (remedies->items[i].kind == REMEDY_SWAP &&
            id_compare(remedies->items[i].slice, remedies->items[at].slice) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_in_use(const struct model *m, uint16_t cube)
{
    const struct slice *slice = model_slice(m, m->cubes[cube].owner);

    return slice != NULL && slice_has_cube(slice, cube);
}

static void quarantine(struct mending *w, const struct remedy *r)
{
    struct part cube = {.kind = PART_CUBE, .cube = r->cube};

    if (model_fault(w->m, &cube) == NULL && !is_in_use(w->m, r->cube)) {
        faults_say(w->m, &cube, r->text, w->now, w->out);
        note_remedy(w, r);
    }
}

/* ------------------------------------------------------------ go around -- */

/* Rule 2. */
static void doubt_ports(struct mending *w, const char *reason)
{
    struct tpunet_ocs_port port = w->impact.port;
    struct part part = {
        .kind = PART_PORT, .ocs = port.ocs, .port = port.port, .south = port.side == TPUNET_SOUTH};
    unsigned n = 1;

    if (w->cause->kind == RISK_PORT_GROUP) {
        n = RISKMAP_PORT_GROUP;
        (void)riskmap_group_part(symptoms_map(w->m->remediation->symptoms), w->cause->group, &part);
    }
    for (unsigned i = 0; i < n && part.port < w->m->pod->ports_per_side; i++, part.port++) {
        faults_say(w->m, &part, reason, w->now, w->out);
    }
}

static void go_around(struct mending *w, const struct remedy *r)
{
    struct slice *slice = model_slice(w->m, r->slice);
    bool switches = false;
    char reason[160], id[48];

    (void)snprintf(reason, sizeof reason, "incident/%s blames %s", id_format(w->incident->id, id),
                   w->incident->part);

    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        struct part ocs = {.kind = PART_OCS, .ocs = o};
        if (w->impact.ocs[o]) {
            switches = true;
            faults_say(w->m, &ocs, reason, w->now, w->out);
        }
    }
    if (!switches) {
        doubt_ports(w, reason);
    }
    if (slice_serves(slice) && id_is_none(slice->op)) {
        bringup_again(w->m, slice, reason, w->now, w->out);
    }
    note_remedy(w, r);
}

/* Rules 3 and 4. */
static void go_without(struct mending *w, const struct remedy *r)
{
    struct slice *slice = model_slice(w->m, r->slice);
    bool optical =
        w->impact.port_known || w->cause->kind == RISK_OCS || w->cause->kind == RISK_PORT_GROUP;

    if (r->kind == REMEDY_FAIL || !optical) {
        bringup_stop(w->m, slice, w->out);
        slice_fail(w->m, slice, w->now, w->out, r->text);
    } else if (slice->state == SLICE_ACTIVE) {
        (void)snprintf(slice->reason, sizeof slice->reason, "%s", r->text);
        slice->degraded = true;
        slice_enter(w->m, slice, SLICE_ACTIVE_DEGRADED, w->now, w->out);
    }
    note_remedy(w, r);
}

/* ---------------------------------------------------------------- ticket -- */

static struct id new_id(void *arg)
{
    return model_new_id(arg);
}

static void write_ticket(struct mending *w, const struct remedy *r)
{
    struct ticket *draft = xcalloc(1, sizeof *draft);
    const struct repair_params params = repair_params_of(w->m->pod);
    bool changed = false;
    char subject[64], id[48], incident[48];

    ticket_describe(draft, symptoms_map(w->m->remediation->symptoms), w->m->pod->wiring,
                    w->cause->group, r->spare);
    const struct ticket *ticket = tickets_blame(w->m->tickets, draft, w->incident->id, w->now.wall,
                                                &params, new_id, w->m, &changed);
    free(draft);
    if (changed) {
        (void)snprintf(subject, sizeof subject, "repair/%s", id_format(ticket->id, id));
        core_mark_repairs(w->m); /* it may have relapsed */
        emit_ticket(w->out, ticket->id);
        emit_journal(w->m, w->out, w->now, "repair.blamed", subject,
                     json_pack("{s:s,s:s,s:s}", "part", ticket->part, "state",
                               ticket_state_name(ticket->state), "incident",
                               id_format(w->incident->id, incident)));
        note_remedy(w, r);
    }
}

/* ------------------------------------------------------------------- all -- */

static void carry_out(struct mending *w, const struct remedies *remedies, size_t i)
{
    const struct remedy *r = &remedies->items[i];

    switch (r->kind) {
    case REMEDY_NOTHING:
    case REMEDY_WAIT:
    case REMEDY_REROUTE:
        return;
    case REMEDY_SWAP:
        if (is_first_swap(remedies, i)) {
            swap(w, remedies, i);
        }
        return;
    case REMEDY_DEGRADE:
    case REMEDY_FAIL:
        go_without(w, r);
        return;
    case REMEDY_QUARANTINE:
        quarantine(w, r);
        return;
    case REMEDY_TICKET:
        write_ticket(w, r);
        return;
    case REMEDY_TRIP_BREAKER:
        remedy_trip(w->m, r->text, w->now, w->out);
        note_remedy(w, r);
        return;
    }
}

/* New routes last: who does not accept them is out of their way by then. */
void remedy_carry_out(struct mending *w, const struct remedies *remedies)
{
    w->m->mending = w->incident->id;
    for (size_t i = 0; i < remedies->n; i++) {
        const struct remedy *r = &remedies->items[i];
        if (!r->only_said) {
            carry_out(w, remedies, i);
        } else if (r->kind != REMEDY_NOTHING && r->kind != REMEDY_WAIT) {
            note_remedy(w, r);
        }
    }
    for (size_t i = 0; i < remedies->n; i++) {
        if (remedies->items[i].kind == REMEDY_REROUTE && !remedies->items[i].only_said) {
            go_around(w, &remedies->items[i]);
        }
    }
    w->m->mending = (struct id){0};
}
