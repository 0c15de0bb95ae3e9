/* Requests whose answer must wait: for the core, whose reply comes when the
 * batch is durable, for a slice to settle, for an event, for a backup.  They
 * are suspended, and resumed with their answer; at stop all are resumed first,
 * since libmicrohttpd aborts otherwise. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "core/slice.h"

void request_hold(struct request *req)
{
    req->deadline_ms = uv_now(req->p->loop) + req->wait_ms;
    req->next = req->api->deferred;
    req->api->deferred = req;
    http_suspend(req);
}

void request_defer(struct request *req, struct event *ev)
{
    req->cookie = ev->cookie = req->api->next_cookie++;
    memcpy(ev->who, req->who, sizeof ev->who);
    podmgr_post(req->p, ev);
    request_hold(req);
}

/* ----------------------------------------------------- deferred answers -- */

static void resume(struct request **at)
{
    struct request *req = *at;

    assert(req->status != 0);
    *at = req->next;
    http_resume(req);
}

static bool slice_wait_is_over(const struct request *req, bool timed_out)
{
    const struct slice *slice = model_slice(req->p->model, req->made);

    if (timed_out || slice == NULL) {
        return true;
    }
    /* A delete that could not finish leaves the slice FAILED. */
    return req->wait == WAIT_DELETED ? slice->state == SLICE_FAILED
                                     : slice_state_settled(slice->state);
}

static bool operation_is_over(const struct request *req)
{
    const struct op *op = model_op(req->p->model, req->made);

    return op == NULL || op->state != OP_OPEN;
}

/* Answers the request if what it waits for has come. */
static bool try_answer(struct request *req, uint64_t now_ms)
{
    bool timed_out = now_ms >= req->deadline_ms || req->api->stopping;

    if (req->cookie != 0) {
        return false; /* the core has it: its answer decides, and it always comes */
    }
    switch (req->wait) {
    case WAIT_NOTHING:
    case WAIT_BACKUP: /* request_release() ends it */
    case WAIT_HELD:   /* likewise */
    case WAIT_REPAIR: /* the core's reply does */
        return false;
    case WAIT_SETTLED:
    case WAIT_MIGRATED:
    case WAIT_DELETED:
        if (slice_wait_is_over(req, timed_out)) {
            answer_slice(req);
            return true;
        }
        return false;
    case WAIT_OPERATION:
        if (timed_out || operation_is_over(req)) {
            answer_operation(req);
            return true;
        }
        return false;
    case WAIT_EVENTS:
        return answer_events(req, timed_out);
    }
    abort();
}

void waiting_answer_what_can_be(struct api *api)
{
    uint64_t now_ms = uv_now(api->p->loop);

    for (struct request **at = &api->deferred; *at != NULL;) {
        if (try_answer(*at, now_ms)) {
            resume(at);
        } else {
            at = &(*at)->next;
        }
    }
}

void api_reply(struct api *api, const struct effect *effect)
{
    for (struct request **at = &api->deferred; *at != NULL; at = &(*at)->next) {
        struct request *req = *at;
        if (req->cookie != effect->cookie) {
            continue;
        }
        req->cookie = 0;
        if (effect->reply.status < 0) {
            respond_problem(req, http_status_of(effect->reply.status), effect->reply.code, NULL,
                            "%s", effect->reply.text);
            resume(at);
            return;
        }
        if (req->wait == WAIT_REPAIR) {
            answer_repair(req);
            resume(at);
            return;
        }
        req->made = effect->id;
        if (req->finish != NULL) {
            req->finish(req);
            resume(at);
        } else if (req->wait_ms == 0 && req->wait == WAIT_OPERATION) {
            answer_operation(req);
            resume(at);
        } else if (req->wait_ms == 0) {
            answer_slice(req);
            resume(at);
        }
        return;
    }
}

void request_release(struct request *req)
{
    struct api *api = req->api;

    for (struct request **at = &api->deferred; *at != NULL; at = &(*at)->next) {
        if (*at == req) {
            resume(at);
            break;
        }
    }
    http_run(api);
}

void api_batch_done(struct api *api, const struct outbox *batch)
{
    if (batch->n_journal > 0) {
        waiting_answer_what_can_be(api);
    }
    http_run(api);
}

void waiting_end(struct api *api)
{
    api->stopping = true;
    while (api->deferred != NULL) {
        struct request *req = api->deferred;
        if (req->cookie != 0 || req->wait == WAIT_NOTHING || req->wait == WAIT_BACKUP ||
            req->wait == WAIT_HELD) {
            respond_problem(req, 503, "stopping", NULL, "podmgr is stopping; ask again");
        } else {
            (void)try_answer(req, UINT64_MAX);
        }
        resume(&api->deferred);
    }
}
