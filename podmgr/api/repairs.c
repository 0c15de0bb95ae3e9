/* /v1/incidents and /v1/repairs: what went wrong, and how what broke comes back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http.h"
#include "core/incident.h"
#include "core/repair.h"
#include "mem.h"

enum { SHOWN = 50, SHOWN_MAX = 1000 };

/* ---------------------------------------------------------------- render -- */

static json_t *time_json(struct wall_ms at)
{
    char text[32];
    return at.ms == 0 ? json_null() : json_string(wall_format(at, text));
}

static json_t *id_json(struct id id)
{
    char text[48];
    return id_is_none(id) ? json_null() : json_string(id_format(id, text));
}

static json_t *ids_json(const struct id *ids, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(list, id_json(ids[i]));
    }
    return list;
}

static json_t *ms_json(int64_t ms)
{
    return ms < 0 ? json_null() : json_integer(ms);
}

json_t *render_incident(const struct incident *i)
{
    struct incident_times times = incident_times(i);
    json_t *actions = json_array();

    for (size_t k = 0; k < i->n_actions; k++) {
        (void)json_array_append_new(
            actions,
            json_pack("{s:o,s:s}", "at", time_json(i->actions[k].at), "text", i->actions[k].text));
    }
    json_t *json =
        json_pack("{s:o,s:s,s:s,s:s,s:f,s:s,s:s,s:I,s:I,s:I}", "id", id_json(i->id), "state",
                  incident_is_open(i) ? "OPEN" : "CLOSED", "part", i->part, "kind",
                  risk_kind_name(i->kind), "confidence", i->confidence, "rivals", i->rivals,
                  "severity", severity_name(i->severity), "symptoms", (json_int_t)i->symptoms,
                  "healthy", (json_int_t)i->healthy, "count", (json_int_t)i->count);
    (void)json_object_update_new(
        json, json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "began_at", time_json(i->began),
                        "opened_at", time_json(i->opened), "updated_at", time_json(i->updated),
                        "closed_at", time_json(i->closed), "merged_into", id_json(i->merged_into),
                        "slices", ids_json(i->slices, i->n_slices), "actions", actions));
    (void)json_object_set_new(json, "timings",
                              json_pack("{s:o,s:o,s:o}", "detect_ms", ms_json(times.detect_ms),
                                        "decide_ms", ms_json(times.decide_ms), "recover_ms",
                                        ms_json(times.recover_ms)));
    return json;
}

json_t *render_ticket(const struct ticket *t)
{
    json_t *history = json_array();

    for (size_t i = 0; i < t->n_history; i++) {
        const struct ticket_step *step = &t->history[i];
        (void)json_array_append_new(
            history, json_pack("{s:o,s:s,s:s,s:s,s:s}", "at", time_json(step->at), "from",
                               ticket_state_name(step->from), "to", ticket_state_name(step->to),
                               "who", step->who, "note", step->note));
    }
    json_t *json =
        json_pack("{s:o,s:s,s:s,s:s,s:s,s:s,s:s}", "id", id_json(t->id), "state",
                  ticket_state_name(t->state), "part", t->part, "kind", risk_kind_name(t->kind),
                  "position", t->position, "action", t->action, "safe_to_unplug", t->safe);
    (void)json_object_update_new(
        json, json_pack("{s:o,s:o,s:o,s:I,s:I,s:o,s:o}", "spare_port",
                        t->spare[0] != '\0' ? json_string(t->spare) : json_null(), "opened_at",
                        time_json(t->opened), "changed_at", time_json(t->changed), "relapses",
                        (json_int_t)t->relapses, "version", (json_int_t)t->version, "incidents",
                        ids_json(t->incidents, t->n_incidents), "history", history));
    return json;
}

/* ------------------------------------------------------------- incidents -- */

void incidents_list(struct request *req)
{
    static const char *const names[] = {"state", "limit"};
    const struct incidents *list = req->p->model->incidents;
    uint64_t limit = SHOWN;

    if (!request_query_is(req, names, ARRAY_LEN(names)) ||
        !request_read_number(req, "limit", 1, SHOWN_MAX, &limit)) {
        return;
    }
    const char *state = request_query(req, "state");
    bool open = state != NULL && strcmp(state, "OPEN") == 0;
    if (state != NULL && !open && strcmp(state, "CLOSED") != 0) {
        respond_problem(req, 400, "invalid-parameter", "state",
                        "state: an incident is OPEN or CLOSED, not '%.32s'", state);
        return;
    }
    json_t *shown = json_array(); /* newest first */
    for (size_t i = incidents_count(list); i > 0 && json_array_size(shown) < limit; i--) {
        const struct incident *incident = incidents_at(list, i - 1);
        if (state == NULL || incident_is_open(incident) == open) {
            (void)json_array_append_new(shown, render_incident(incident));
        }
    }
    respond_json(req, 200, json_pack("{s:o}", "incidents", shown));
}

void incident_get(struct request *req)
{
    struct id id;

    if (!request_query_is(req, NULL, 0)) {
        return;
    }
    const struct incident *incident =
        id_parse(&id, req->id) ? incidents_find(req->p->model->incidents, id) : NULL;
    if (incident == NULL) {
        respond_problem(req, 404, "incident-not-found", NULL,
                        "no incident %s; the last %d closed ones are kept", req->id,
                        INCIDENTS_CLOSED_KEPT);
    } else {
        respond_json(req, 200, render_incident(incident));
    }
}

/* --------------------------------------------------------------- repairs -- */

void repairs_list(struct request *req)
{
    static const char *const names[] = {"state", "limit"};
    const struct tickets *list = req->p->model->tickets;
    uint64_t limit = SHOWN;
    enum ticket_state wanted = TICKET_OPEN;

    if (!request_query_is(req, names, ARRAY_LEN(names)) ||
        !request_read_number(req, "limit", 1, SHOWN_MAX, &limit)) {
        return;
    }
    const char *state = request_query(req, "state");
    if (state != NULL && !ticket_state_parse(&wanted, state)) {
        respond_problem(req, 400, "invalid-parameter", "state", "state: no state '%.32s'", state);
        return;
    }
    json_t *shown = json_array(); /* newest first */
    for (size_t i = tickets_count(list); i > 0 && json_array_size(shown) < limit; i--) {
        const struct ticket *ticket = tickets_at(list, i - 1);
        if (state == NULL || ticket->state == wanted) {
            (void)json_array_append_new(shown, render_ticket(ticket));
        }
    }
    respond_json(req, 200, json_pack("{s:o}", "repairs", shown));
}

/* The ticket of the path, or NULL after a 404. */
static const struct ticket *ticket_of_path(struct request *req)
{
    struct id id;
    const struct ticket *ticket =
        id_parse(&id, req->id) ? tickets_find(req->p->model->tickets, id) : NULL;

    if (ticket == NULL) {
        respond_problem(req, 404, "repair-not-found", NULL,
                        "no repair/%s; the last %d closed ones are kept", req->id,
                        TICKETS_CLOSED_KEPT);
    }
    return ticket;
}

static void respond_ticket(struct request *req, const struct ticket *ticket)
{
    (void)snprintf(req->etag, sizeof req->etag, "\"%" PRIu64 "\"", ticket->version);
    respond_json(req, 200, render_ticket(ticket));
}

void repair_get(struct request *req)
{
    if (request_query_is(req, NULL, 0)) {
        const struct ticket *ticket = ticket_of_path(req);
        if (ticket != NULL) {
            respond_ticket(req, ticket);
        }
    }
}

/* A note is a line of text that fits as a whole. */
static bool is_note(const json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL || json_string_length(value) >= TICKET_NOTE_MAX ||
        strlen(text) != json_string_length(value)) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

/* False after a problem. */
static bool take_step(struct request *req, json_t *body, struct repair_step *step)
{
    const char *key;
    json_t *value;
    bool has_to = false;

    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "to") == 0) {
            has_to =
                json_is_string(value) && ticket_state_parse(&step->to, json_string_value(value));
            if (!has_to) {
                respond_problem(req, 400, "invalid-field", "to",
                                "to: must be a state of a ticket, such as IN_REPAIR");
                return false;
            }
        } else if (strcmp(key, "note") == 0 && is_note(value)) {
            (void)snprintf(step->note, sizeof step->note, "%s", json_string_value(value));
        } else if (strcmp(key, "note") == 0) {
            respond_problem(req, 400, "invalid-field", "note",
                            "note: must be a line of at most %d bytes", TICKET_NOTE_MAX - 1);
            return false;
        } else {
            respond_problem(req, 400, "unknown-field", key, "a move has no field '%.64s'", key);
            return false;
        }
    }
    if (!has_to) {
        respond_problem(req, 400, "missing-field", "to", "to: is needed, for example IN_REPAIR");
    }
    return has_to;
}

void repair_advance(struct request *req)
{
    struct event ev = {.kind = EV_ADVANCE_REPAIR};
    struct repair_step step = {0};
    json_t *body;

    if (!request_query_is(req, NULL, 0) || !request_read_if_match(req, &step.if_version) ||
        (body = body_object(req)) == NULL) {
        return;
    }
    bool good = take_step(req, body, &step);
    json_decref(body);
    const struct ticket *ticket = good ? ticket_of_path(req) : NULL;
    if (ticket != NULL) {
        step.ticket = ticket->id;
        ev.repair = xmemdup(&step, sizeof step);
        req->wait = WAIT_REPAIR;
        request_defer(req, &ev);
    }
}

void answer_repair(struct request *req)
{
    const struct ticket *ticket = ticket_of_path(req);

    if (ticket != NULL) {
        respond_ticket(req, ticket);
    }
}
