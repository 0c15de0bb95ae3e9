#include "fake_rpc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct rpc_server {
    struct rpc_server *next;
    char *url;
    rpc_handler_fn *handler;
    void *arg;
};
struct rpc_request {
    char owned; /* an allocation, so that a lost or doubled reply is seen */
};
struct call {
    struct call *next;
    rpc_done_fn *done;
    void *arg;
};
struct rpc_client {
    struct rpc_client *next;
    char *url;
    rpc_state_fn *on_state;
    void *arg;
    bool up;
    struct call *calls, **last;
};

static struct rpc_server *servers;
static struct rpc_client *clients;

/* ------------------------------------------------------------- server -- */

int rpc_server_create(struct rpc_server **out, uv_loop_t *loop, const char *url, size_t max_bytes,
                      rpc_handler_fn *handler, void *arg, struct error *err)
{
    struct rpc_server *server = xmalloc(sizeof *server);

    (void)loop;
    (void)max_bytes;
    (void)err;
    *server =
        (struct rpc_server){.next = servers, .url = xstrdup(url), .handler = handler, .arg = arg};
    servers = *out = server;
    return 0;
}

void rpc_server_destroy(struct rpc_server *server)
{
    struct rpc_server **at = &servers;

    if (server == NULL) {
        return;
    }
    while (*at != server) {
        at = &(*at)->next;
    }
    *at = server->next;
    free(server->url);
    free(server);
}

void rpc_reply(struct rpc_request *req, const ProtobufCMessage *reply)
{
    size_t size = protobuf_c_message_get_packed_size(reply);
    uint8_t *bytes = xmalloc(size + 1);

    (void)protobuf_c_message_pack(reply, bytes);
    free(bytes);
    free(req);
}

void rpc_drop(struct rpc_request *req)
{
    free(req);
}

void fake_rpc_deliver(const char *url, const uint8_t *body, size_t len)
{
    for (struct rpc_server *server = servers; server != NULL; server = server->next) {
        if (strcmp(server->url, url) == 0) {
            server->handler(server->arg, xcalloc(1, sizeof(struct rpc_request)), body, len);
            return;
        }
    }
}

/* ------------------------------------------------------------- client -- */

int rpc_client_create(struct rpc_client **out, uv_loop_t *loop, const char *url, size_t max_bytes,
                      rpc_state_fn *on_state, void *arg, struct error *err)
{
    struct rpc_client *client = xmalloc(sizeof *client);

    (void)loop;
    (void)max_bytes;
    (void)err;
    *client =
        (struct rpc_client){.next = clients, .url = xstrdup(url), .on_state = on_state, .arg = arg};
    client->last = &client->calls;
    clients = *out = client;
    return 0;
}

static void end_call(struct rpc_client *client, int status, const uint8_t *body, size_t len)
{
    struct call *call = client->calls;

    client->calls = call->next;
    if (client->calls == NULL) {
        client->last = &client->calls;
    }
    call->done(call->arg, status, body, len);
    free(call);
}

/* Those that were there when it began: a callback may call again. */
static void fail_calls(struct rpc_client *client)
{
    size_t n = 0;

    for (const struct call *call = client->calls; call != NULL; call = call->next) {
        n++;
    }
    for (; n > 0; n--) {
        end_call(client, E_UNREACHABLE, NULL, 0);
    }
}

void rpc_client_destroy(struct rpc_client *client)
{
    struct rpc_client **at = &clients;

    if (client == NULL) {
        return;
    }
    client->up = false;
    while (client->calls != NULL) {
        end_call(client, E_UNREACHABLE, NULL, 0);
    }
    while (*at != client) {
        at = &(*at)->next;
    }
    *at = client->next;
    free(client->url);
    free(client);
}

bool rpc_client_connected(const struct rpc_client *client)
{
    return client->up;
}

void rpc_call(struct rpc_client *client, const ProtobufCMessage *request, unsigned timeout_ms,
              rpc_done_fn *done, void *arg)
{
    struct call *call = xmalloc(sizeof *call);
    size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = xmalloc(size + 1);

    (void)timeout_ms;
    (void)protobuf_c_message_pack(request, bytes);
    free(bytes);
    *call = (struct call){.done = done, .arg = arg};
    *client->last = call;
    client->last = &call->next;
}

static struct rpc_client *client_of(const char *url)
{
    struct rpc_client *client = clients;

    while (client != NULL && strcmp(client->url, url) != 0) {
        client = client->next;
    }
    assert(client != NULL);
    return client;
}

void fake_rpc_link(const char *url, bool up)
{
    struct rpc_client *client = client_of(url);

    if (client->up != up) {
        client->up = up;
        fail_calls(client);
        client->on_state(client->arg, up);
    }
}

bool fake_rpc_answer(const char *url, const uint8_t *body, size_t len)
{
    struct rpc_client *client = client_of(url);

    if (client->calls == NULL) {
        return false;
    }
    end_call(client, 0, body, len);
    return true;
}
