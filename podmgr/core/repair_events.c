/* Repair tickets as people move them: the version that is meant, the move, its
 * record. */
#include <assert.h>
#include <stdio.h>

#include "core/internal.h"
#include "core/remedy.h"
#include "core/repair.h"

static json_t *audited(const struct ticket *ticket)
{
    return json_pack("{s:s,s:s,s:I}", "part", ticket->part, "state",
                     ticket_state_name(ticket->state), "version", (json_int_t)ticket->version);
}

void repairs_tell(struct model *m, struct now now, const struct ticket *ticket, struct outbox *out)
{
    const struct ticket_step *step = &ticket->history[ticket->n_history - 1];
    char subject[64], id[48];

    (void)snprintf(subject, sizeof subject, "repair/%s", id_format(ticket->id, id));
    emit_ticket(out, ticket->id);
    emit_journal(m, out, now, "repair.advanced", subject,
                 json_pack("{s:s,s:s,s:s,s:s,s:s}", "part", ticket->part, "from",
                           ticket_state_name(step->from), "to", ticket_state_name(step->to), "who",
                           step->who, "note", step->note));
}

void repairs_advance(struct model *m, struct event *ev, struct outbox *out)
{
    const struct repair_step *step = ev->repair;
    struct ticket *ticket = tickets_find(m->tickets, step->ticket);
    char subject[64], id[48];
    struct error err;

    if (ticket == NULL) {
        emit_refusal(out, ev->cookie, E_NOT_FOUND, "repair-not-found", "no repair/%s",
                     id_format(step->ticket, id));
        return;
    }
    if (step->if_version != 0 && step->if_version != ticket->version) {
        emit_refusal(out, ev->cookie, E_STALE, "version-mismatch",
                     "If-Match: repair/%s has version %llu", id_format(step->ticket, id),
                     (unsigned long long)ticket->version);
        return;
    }
    struct repair_facts facts = remedy_facts(m, ticket);
    if (step->to == TICKET_IN_REPAIR && ticket->state == TICKET_READY_FOR_REPAIR &&
        !facts.drained) { /* since podmgr last looked */
        emit_refusal(out, ev->cookie, E_CONFLICT, "wrong-state", "to: %s is in use again: %s",
                     ticket->part, facts.in_use);
        return;
    }
    bool dismissed = step->to == TICKET_CLOSED && ticket->state < TICKET_IN_REPAIR;
    json_t *before = audited(ticket);
    int status = ticket_advance(ticket, step->to, ev->who, step->note, ev->now.wall, &err);
    if (status < 0) {
        json_decref(before);
        emit_refusal(out, ev->cookie, status,
                     status == E_CONFLICT ? "wrong-state" : "invalid-field", "%s", err.text);
        return;
    }
    assert(ticket->n_history > 0);
    repairs_tell(m, ev->now, ticket, out);
    (void)snprintf(subject, sizeof subject, "repair/%s", id_format(ticket->id, id));
    emit_audit(out, ev, "repair.advance", subject, before, audited(ticket));
    emit_done(out, ev->cookie, ticket->id);
    if (dismissed) {
        repairs_dismissed(m, ticket);
    }
    repairs_follow(m, ev->now, ticket, out);
}
