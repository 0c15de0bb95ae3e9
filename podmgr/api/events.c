/* /v1/events: the journal, ordered, gap-free, resumable by `since`. */
#include <stdio.h>
#include <stdlib.h>

#include "api/http.h"
#include "hooks/letter.h"
#include "mem.h"

enum { EVENTS_MAX = 1000 };

static void add_entry(void *arg, const struct journal_entry *entry)
{
    (void)json_array_append_new(arg, journal_entry_json(entry));
}

/* Answers if there is something to say or the wait is over. */
bool answer_events(struct request *req, bool timed_out)
{
    const struct model *m = req->p->model;
    struct error err;

    if (m->next_event - 1 <= req->since && !timed_out) {
        return false;
    }
    json_t *list = json_array();
    int n = store_journal(req->p->store, req->since, req->limit, add_entry, list, &err);
    if (n < 0) {
        json_decref(list);
        if (n == E_NOT_FOUND) {
            respond_problem(req, 410, "events-expired", "since", "%s", err.text);
        } else {
            respond_problem(req, 500, "store-failed", NULL, "%s", err.text);
        }
        return true;
    }
    json_int_t next = (json_int_t)req->since + n;
    respond_json(req, 200,
                 json_pack("{s:s,s:I,s:s,s:o}", "pod", m->pod->id, "next", next, "incarnation",
                           m->incarnation, "events", list));
    return true;
}

void events_list(struct request *req)
{
    static const char *const names[] = {"since", "limit", "wait"};
    uint64_t limit = EVENTS_MAX;

    if (!request_query_is(req, names, ARRAY_LEN(names)) || !request_read_wait(req) ||
        !request_read_number(req, "since", 0, INT64_MAX, &req->since) ||
        !request_read_number(req, "limit", 1, EVENTS_MAX, &limit)) {
        return;
    }
    req->limit = (size_t)limit;
    req->wait = WAIT_EVENTS;
    if (!answer_events(req, req->wait_ms == 0)) {
        request_hold(req);
    }
}
