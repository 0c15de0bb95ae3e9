/* The asking half: a raw req socket with one dialer.  Calls are numbered by us;
 * at most RPC_WINDOW are under way, so that the other side's queues never
 * overflow, and the rest wait in line. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mem.h"
#include "nng_util.h"

enum { REDIAL_MS = 1500 }; /* above the dialer's own longest pause */

struct call {
    struct call *next;
    uint32_t number;
    uint64_t deadline_ms; /* loop time */
    nng_msg *msg;         /* until it is sent */
    rpc_done_fn *done;
    void *arg;
};
struct queue {
    struct call *first, **last;
    size_t n;
};

struct rpc_client {
    uv_loop_t *loop;
    nng_socket socket;
    uv_poll_t poll;
    uv_async_t async;  /* nng's threads tell us of connections by it */
    uv_timer_t timer;  /* nearest deadline, or "now" when calls failed at once */
    uv_timer_t redial; /* runs while nobody answers */
    nng_dialer dialer;
    char *url;
    size_t max_bytes;
    atomic_int pipe; /* the connection that is up, or 0; set by nng's threads */
    int seen_pipe;   /* the one that the loop knows of */
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
    if (call->msg != NULL) {
        nng_msg_free(call->msg);
    }
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
        nng_msg *msg = client->waiting.first->msg;
        if (nng_sendmsg(client->socket, msg, NNG_FLAG_NONBLOCK) != 0) {
            return; /* no room: the next reply or timer tries again */
        }
        struct call *call = queue_take(&client->waiting, &client->waiting.first);
        call->msg = NULL;
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

/* ------------------------------------------------------------ receive -- */

static uint32_t reply_number(nng_msg *msg)
{
    const uint8_t *h = nng_msg_header(msg);

    if (nng_msg_header_len(msg) < 4) {
        return 0;
    }
    return (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
}

static void take_reply(struct rpc_client *client, nng_msg *msg)
{
    uint32_t number = reply_number(msg);

    for (struct call **at = &client->sent.first; *at != NULL; at = &(*at)->next) {
        if ((*at)->number == number) {
            finish(queue_take(&client->sent, at), 0, nng_msg_body(msg), nng_msg_len(msg));
            break; /* else: an answer that came too late */
        }
    }
    nng_msg_free(msg);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct rpc_client *client = poll->data;
    nng_msg *msg;

    (void)status;
    (void)events;
    for (int i = 0; i < RPC_TURN_MAX && !client->closing; i++) {
        if (nng_recvmsg(client->socket, &msg, NNG_FLAG_NONBLOCK) != 0) {
            break;
        }
        take_reply(client, msg);
    }
    if (!client->closing) {
        send_waiting(client);
        arm_timer(client);
    }
}

/* --------------------------------------------------------- connection -- */

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct rpc_client *client = arg;
    int id = nng_pipe_id(pipe);

    /* A connection that dies while it is being made is removed without ever
     * having been added: only the end of the one that is up counts. */
    if (event == NNG_PIPE_EV_ADD_POST) {
        atomic_store(&client->pipe, id);
    } else {
        (void)atomic_compare_exchange_strong(&client->pipe, &id, 0);
    }
    (void)uv_async_send(&client->async);
}

static void on_async(uv_async_t *async)
{
    struct rpc_client *client = async->data;
    int pipe = atomic_load(&client->pipe), old = client->seen_pipe;

    if (client->closing) {
        return;
    }
    client->seen_pipe = pipe;
    if (old != 0 && pipe != old) {
        client->connected = false;
        (void)uv_timer_again(&client->redial);
        end_calls(client, &client->sent, UINT64_MAX, E_UNREACHABLE);
        end_calls(client, &client->waiting, UINT64_MAX, E_UNREACHABLE);
        if (client->on_state != NULL && !client->closing) {
            client->on_state(client->arg, false);
        }
    }
    if (!client->closing && pipe != 0 && pipe != old) {
        client->connected = true;
        (void)uv_timer_stop(&client->redial);
        if (client->on_state != NULL) {
            client->on_state(client->arg, true);
        }
    }
    if (!client->closing) {
        send_waiting(client);
        arm_timer(client);
    }
}

static int dial(struct rpc_client *client)
{
    nng_dialer dialer;
    int rv = nng_dialer_create(&dialer, client->socket, client->url);

    if (rv != 0) {
        return rv;
    }
    client->dialer = dialer;
    rv = nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, client->max_bytes);
    if (rv == 0) {
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, 100);
    }
    if (rv == 0) {
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, 1000);
    }
    return rv == 0 ? nng_dialer_start(dialer, NNG_FLAG_NONBLOCK) : rv;
}

/* nng 1.5's dialer gives up for good when a connection dies in the midst of
 * its handshake (seen about once in 150 kills of a peer): while nobody answers
 * it is made anew now and then. */
static void on_redial(uv_timer_t *timer)
{
    struct rpc_client *client = timer->data;

    if (atomic_load(&client->pipe) == 0) {
        (void)nng_dialer_close(client->dialer);
        (void)dial(client);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct rpc_client *client = handle->data;

    if (--client->open_handles == 0) {
        free(client->url);
        free(client);
    }
}

int rpc_client_create(struct rpc_client **out, uv_loop_t *loop, const char *url, size_t max_bytes,
                      rpc_state_fn *on_state, void *arg, struct error *err)
{
    nng_socket socket;
    int rv = nng_req0_open_raw(&socket);

    if (rv != 0) {
        return nng_failed(err, "open a socket for", url, rv);
    }
    struct rpc_client *client = xcalloc(1, sizeof *client);
    client->loop = loop;
    client->socket = socket;
    client->on_state = on_state;
    client->arg = arg;
    client->url = xstrdup(url);
    client->max_bytes = max_bytes;
    client->poll.data = client->async.data = client->timer.data = client->redial.data = client;
    queue_init(&client->waiting);
    queue_init(&client->sent);
    queue_init(&client->ended);
    (void)nng_socket_set_int(socket, NNG_OPT_SENDBUF, RPC_WINDOW);
    (void)nng_socket_set_int(socket, NNG_OPT_RECVBUF, RPC_WINDOW);

    rv = nng_poll_start(loop, socket, &client->poll, on_readable);
    if (rv != 0) {
        (void)nng_close(socket);
        free(client->url);
        free(client);
        return nng_failed(err, "poll", url, rv);
    }
    (void)uv_async_init(loop, &client->async, on_async);
    (void)uv_timer_init(loop, &client->timer);
    (void)uv_timer_init(loop, &client->redial);
    (void)uv_timer_start(&client->redial, on_redial, REDIAL_MS, REDIAL_MS);
    client->open_handles = 4;
    (void)nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_pipe, client);
    (void)nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, client);
    rv = dial(client);
    if (rv != 0) {
        rpc_client_destroy(client);
        return nng_failed(err, "dial", url, rv);
    }
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
    (void)uv_poll_stop(&client->poll);
    (void)nng_close(client->socket); /* no callback of nng runs after this */
    end_calls(client, &client->sent, UINT64_MAX, E_UNREACHABLE);
    end_calls(client, &client->waiting, UINT64_MAX, E_UNREACHABLE);
    uv_close((uv_handle_t *)&client->poll, on_handle_closed);
    uv_close((uv_handle_t *)&client->async, on_handle_closed);
    uv_close((uv_handle_t *)&client->timer, on_handle_closed);
    uv_close((uv_handle_t *)&client->redial, on_handle_closed);
}

bool rpc_client_connected(const struct rpc_client *client)
{
    return client->connected;
}

/* The header of a raw request is its number, high bit set, big endian. */
static bool number_message(nng_msg *msg, uint32_t number)
{
    return nng_msg_header_append_u32(msg, number) == 0;
}

void rpc_call(struct rpc_client *client, const ProtobufCMessage *request, unsigned timeout_ms,
              rpc_done_fn *done, void *arg)
{
    struct call *call = xcalloc(1, sizeof *call);

    assert(!client->closing);
    call->number = 0x80000000U | client->next_number++;
    call->msg = nng_msg_packed(request);
    call->done = done;
    call->arg = arg;
    if (call->msg == NULL || !number_message(call->msg, call->number)) {
        abort(); /* out of memory */
    }
    /* Not connected: fails from the loop, not from under the caller. */
    call->deadline_ms = uv_now(client->loop) + (client->connected ? timeout_ms : 0);
    queue_push(&client->waiting, call);
    send_waiting(client);
    arm_timer(client);
}
