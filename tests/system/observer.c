#include "observer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { CALL_MS = 20000 };

static void on_reply(void *arg, int status, const uint8_t *body, size_t len)
{
    struct observer_end *o = arg;

    if (o->reply != NULL) {
        wire__health_reply__free_unpacked(o->reply, NULL);
    }
    o->reply = status == 0 ? rpc_unpack(&wire__health_reply__descriptor, body, len) : NULL;
    o->answers++;
}

static void on_state(void *arg, bool connected)
{
    (void)arg;
    (void)connected;
}

void observer_open(struct observer_end *o, const struct pod *pod, const char *name,
                   uint64_t instance)
{
    char url[128];
    struct error err;

    *o = (struct observer_end){.instance = instance};
    (void)snprintf(o->name, sizeof o->name, "%s", name);
    (void)snprintf(url, sizeof url, "ipc://%s/health.sock", pod->dir);
    if (uv_loop_init(&o->loop) != 0 ||
        rpc_client_create(&o->client, &o->loop, url, RPC_MAX_BYTES, on_state, NULL, &err) < 0) {
        abort();
    }
    while (!rpc_client_connected(o->client)) {
        (void)uv_run(&o->loop, UV_RUN_ONCE);
    }
}

void observer_close(struct observer_end *o)
{
    rpc_client_destroy(o->client);
    (void)uv_run(&o->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&o->loop);
    if (o->reply != NULL) {
        wire__health_reply__free_unpacked(o->reply, NULL);
    }
}

void observer_send(struct observer_end *o, Wire__HealthRequest *request)
{
    static char pod[] = "test";

    request->version = request->version == 0 ? RPC_VERSION : request->version;
    request->pod = *request->pod == '\0' ? pod : request->pod;
    request->observer = *request->observer == '\0' ? o->name : request->observer;
    request->instance = request->instance == 0 ? o->instance : request->instance;
    rpc_call(o->client, &request->base, CALL_MS, on_reply, o);
}

void observer_await(struct observer_end *o, size_t answers)
{
    while (o->answers < answers) {
        (void)uv_run(&o->loop, UV_RUN_ONCE);
    }
}

const Wire__HealthReply *observer_ask(struct observer_end *o, Wire__HealthRequest *request)
{
    observer_send(o, request);
    observer_await(o, o->answers + 1);
    return o->reply;
}

const Wire__HealthReply *observer_hello(struct observer_end *o, uint32_t n_hosts)
{
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthHello hello = WIRE__HEALTH_HELLO__INIT;
    uint32_t *hosts = xcalloc(n_hosts, sizeof *hosts);

    for (uint32_t i = 0; i < n_hosts; i++) {
        hosts[i] = i;
    }
    hello.version_min = hello.version_max = RPC_VERSION;
    hello.n_hosts = n_hosts;
    hello.hosts = hosts;
    request.body_case = WIRE__HEALTH_REQUEST__BODY_HELLO;
    request.hello = &hello;
    (void)observer_ask(o, &request);
    free(hosts);
    if (o->reply != NULL) {
        o->epoch = o->reply->epoch;
    }
    return o->reply;
}
