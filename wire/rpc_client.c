/* The asking half.  Calls are numbered by us; at most RPC_WINDOW are under way,
 * so that neither side's queues grow without bound, and the rest wait in line. */
#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "rpc.h"
#include "sp.h"

enum { REDIAL_MIN_MS = 100, REDIAL_MAX_MS = 1000, NUMBER_LEN = 4 };

struct call {
    struct call *next;
    uint32_t number;
    uint64_t deadline_ms;   /* loop time */
    struct sp_frame *frame; /* until it is sent */
    rpc_done_fn *done;
    void *arg;
};
struct queue {
    struct call *first, **last;
    size_t n;
};

struct rpc_client {
    uv_loop_t *loop;
    struct sp_address address;
    size_t max_bytes;
    struct sp_conn *conn; /* NULL between dials */
    uv_timer_t redial;
    unsigned redial_ms; /* the next wait */
    uv_timer_t timer;   /* nearest deadline, or "now" when calls failed at once */
    bool connected;
    bool closing;
    int open_handles;
    rpc_state_fn *on_state;
    void *arg;
    uint32_t next_number;
    struct queue waiting, sent;
    struct queue ended; /* to be told; a callback may destroy us meanwhile */
};

static void queue_init(struct queue *q)
{
    *q = (struct queue){.first = NULL, .last = &q->first};
}

static void queue_push(struct queue *q, struct call *call)
{
    call->next = NULL;
    *q->last = call;
    q->last = &call->next;
    q->n++;
}

/* Unlinks *at, a link of the queue. */
static struct call *queue_take(struct queue *q, struct call **at)
{
    struct call *call = *at;

    *at = call->next;
    if (q->last == &call->next) {
        q->last = at;
    }
    q->n--;
    return call;
}

static void finish(struct call *call, int status, const uint8_t *body, size_t len)
{
    sp_frame_destroy(call->frame);
    call->done(call->arg, status, body, len);
    free(call);
}

/* -------------------------------------------------------------- timer -- */

static void on_timer(uv_timer_t *timer);

static uint64_t nearest(const struct queue *q, uint64_t best)
{
    for (const struct call *call = q->first; call != NULL; call = call->next) {
        best = call->deadline_ms < best ? call->deadline_ms : best;
    }
    return best;
}

static void arm_timer(struct rpc_client *client)
{
    uint64_t when = nearest(&client->waiting, nearest(&client->sent, UINT64_MAX));
    uint64_t now = uv_now(client->loop);

    if (client->closing || when == UINT64_MAX) {
        (void)uv_timer_stop(&client->timer);
    } else {
        (void)uv_timer_start(&client->timer, on_timer, when > now ? when - now : 0, 0);
    }
}

/* Moves the calls that are due out of the queue, then ends them: a callback
 * may make new calls, or destroy the client, which ends the rest. */
static void end_calls(struct rpc_client *client, struct queue *q, uint64_t due_ms, int status)
{
    struct queue *ended = &client->ended;

    for (struct call **at = &q->first; *at != NULL;) {
        if ((*at)->deadline_ms <= due_ms) {
            queue_push(ended, queue_take(q, at));
        } else {
            at = &(*at)->next;
        }
    }
    while (ended->first != NULL) {
        finish(queue_take(ended, &ended->first), status, NULL, 0);
    }
}

static void send_waiting(struct rpc_client *client)
{
    while (client->connected && client->sent.n < RPC_WINDOW && client->waiting.first != NULL) {
        struct call *call = queue_take(&client->waiting, &client->waiting.first);
        sp_send(client->conn, call->frame);
        call->frame = NULL;
        queue_push(&client->sent, call);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct rpc_client *client = timer->data;
    uint64_t now = uv_now(client->loop);

    end_calls(client, &client->sent, now, E_TIMEOUT);
    end_calls(client, &client->waiting, now, client->connected ? E_TIMEOUT : E_UNREACHABLE);
    if (!client->closing) {
        send_waiting(client);
        arm_timer(client);
    }
}

/* --------------------------------------------------------- connection -- */

static void on_message(void *arg, struct sp_conn *conn, const uint8_t *h, size_t len)
{
    struct rpc_client *client = arg;

    (void)conn;
    if (len < NUMBER_LEN) {
        return;
    }
    uint32_t number = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
    for (struct call **at = &client->sent.first; *at != NULL; at = &(*at)->next) {
        if ((*at)->number == number) {
            finish(queue_take(&client->sent, at), 0, h + NUMBER_LEN, len - NUMBER_LEN);
            break; /* else: an answer that came too late */
        }
    }
    if (!client->closing) {
        send_waiting(client);
        arm_timer(client);
    }
}

static void on_ready(void *arg, struct sp_conn *conn)
{
    struct rpc_client *client = arg;

    (void)conn;
    client->redial_ms = REDIAL_MIN_MS;
    client->connected = true;
    if (client->on_state != NULL) {
        client->on_state(client->arg, true);
    }
    if (!client->closing) {
        send_waiting(client);
        arm_timer(client);
    }
}

static void on_redial(uv_timer_t *timer);

static void redial_later(struct rpc_client *client)
{
    (void)uv_timer_start(&client->redial, on_redial, client->redial_ms, 0);
    client->redial_ms =
        client->redial_ms < REDIAL_MAX_MS / 2 ? client->redial_ms * 2 : REDIAL_MAX_MS;
}

static void on_lost(void *arg, struct sp_conn *conn)
{
    struct rpc_client *client = arg;
    bool was_connected = client->connected;

    (void)conn;
    client->conn = NULL;
    client->connected = false;
    redial_later(client);
    if (!was_connected) {
        return;
    }
    end_calls(client, &client->sent, UINT64_MAX, E_UNREACHABLE);
    end_calls(client, &client->waiting, UINT64_MAX, E_UNREACHABLE);
    if (!client->closing && client->on_state != NULL) {
        client->on_state(client->arg, false);
    }
    if (!client->closing) {
        arm_timer(client);
    }
}

static void dial(struct rpc_client *client)
{
    static const struct sp_events events = {
        .ready = on_ready, .message = on_message, .lost = on_lost};

    client->conn =
        sp_connect(client->loop, &client->address, SP_REQ, client->max_bytes, &events, client);
    if (client->conn == NULL) {
        redial_later(client);
    }
}

static void on_redial(uv_timer_t *timer)
{
    dial(timer->data);
}

/* --------------------------------------------------------- life cycle -- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct rpc_client *client = handle->data;

    if (--client->open_handles == 0) {
        free(client);
    }
}

int rpc_client_create(struct rpc_client **out, uv_loop_t *loop, const char *url, size_t max_bytes,
                      rpc_state_fn *on_state, void *arg, struct error *err)
{
    struct sp_address address;
    int status = sp_address_parse(&address, url, err);

    if (status < 0) {
        return status;
    }
    struct rpc_client *client = xcalloc(1, sizeof *client);
    client->loop = loop;
    client->address = address;
    client->max_bytes = max_bytes;
    client->on_state = on_state;
    client->arg = arg;
    client->redial_ms = REDIAL_MIN_MS;
    queue_init(&client->waiting);
    queue_init(&client->sent);
    queue_init(&client->ended);
    (void)uv_timer_init(loop, &client->timer);
    (void)uv_timer_init(loop, &client->redial);
    client->timer.data = client->redial.data = client;
    client->open_handles = 2;
    dial(client);
    *out = client;
    return 0;
}

void rpc_client_destroy(struct rpc_client *client)
{
    if (client == NULL) {
        return;
    }
    assert(!client->closing);
    client->closing = true;
    client->connected = false;
    if (client->conn != NULL) {
        sp_close(client->conn);
    }
    end_calls(client, &client->sent, UINT64_MAX, E_UNREACHABLE);
    end_calls(client, &client->waiting, UINT64_MAX, E_UNREACHABLE);
    uv_close((uv_handle_t *)&client->timer, on_handle_closed);
    uv_close((uv_handle_t *)&client->redial, on_handle_closed);
}

bool rpc_client_connected(const struct rpc_client *client)
{
    return client->connected;
}

void rpc_call(struct rpc_client *client, const ProtobufCMessage *request, unsigned timeout_ms,
              rpc_done_fn *done, void *arg)
{
    struct call *call = xcalloc(1, sizeof *call);

    assert(!client->closing);
    /* The high bit ends the list of hops that a request can have. */
    call->number = 0x80000000U | client->next_number++;
    const uint8_t header[NUMBER_LEN] = {(uint8_t)(call->number >> 24),
                                        (uint8_t)(call->number >> 16), (uint8_t)(call->number >> 8),
                                        (uint8_t)call->number};
    call->frame = sp_frame_create(header, sizeof header, request);
    call->done = done;
    call->arg = arg;
    /* Not connected: fails from the loop, not from under the caller. */
    call->deadline_ms = uv_now(client->loop) + (client->connected ? timeout_ms : 0);
    queue_push(&client->waiting, call);
    send_waiting(client);
    arm_timer(client);
}
