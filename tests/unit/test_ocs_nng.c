/* The driver against an agent that answers as a test says, over a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "ocs.pb-c.h"
#include "ocs/ocs_nng.h"
#include "rpc.h"

struct fixture {
    uv_loop_t loop;
    struct pod pod;
    bool connected, done, with_map;
    int status;
};

static void handle(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    struct fixture *f = arg;
    Wire__OcsReply reply = WIRE__OCS_REPLY__INIT;
    Wire__OcsIdentity identity = WIRE__OCS_IDENTITY__INIT;
    Wire__OcsMap map = WIRE__OCS_MAP__INIT;

    (void)body;
    (void)len;
    identity.boot_id = "boot-1";
    identity.north_ports = identity.south_ports = 8;
    reply.version = RPC_VERSION;
    reply.identity = &identity;
    reply.map = f->with_map ? &map : NULL;
    rpc_reply(req, &reply.base);
}

static void on_link(void *arg, uint16_t ocs, bool connected)
{
    struct fixture *f = arg;
    f->connected = f->connected || (ocs == 0 && connected);
}

static void on_answer(void *arg, const struct ocs_answer *answer)
{
    struct fixture *f = arg;
    f->done = true;
    f->status = answer->status;
}

/* D8: who tells no map does not tell an empty one. */
static void a_map_that_is_missing_is_not_empty(void **state)
{
    struct fixture f = {.pod = {.id = "test", .n_cubes = 4, .ports_per_side = 8}};
    struct ocs_driver *driver;
    struct rpc_server *server;
    struct error err;
    char url[128], one[128];

    (void)state;
    (void)uv_loop_init(&f.loop);
    (void)snprintf(url, sizeof url, "ipc:///tmp/podmgr-test-ocs-%d-%%u.sock", (int)getpid());
    (void)snprintf(one, sizeof one, "ipc:///tmp/podmgr-test-ocs-%d-0.sock", (int)getpid());
    assert_int_equal(rpc_server_create(&server, &f.loop, one, 65536, handle, &f, &err), 0);
    assert_int_equal(ocs_nng_create(&driver, &f.loop, &f.pod, url, 2000, on_link, &f, &err), 0);
    while (!f.connected) {
        (void)uv_run(&f.loop, UV_RUN_ONCE);
    }
    for (int with_map = 1; with_map >= 0; with_map--) {
        f.with_map = with_map != 0;
        f.done = false;
        driver->ops->read(driver, 0, (struct ocs_claim){.epoch = 1}, on_answer, &f);
        while (!f.done) {
            (void)uv_run(&f.loop, UV_RUN_ONCE);
        }
        assert_int_equal(f.status, f.with_map ? 0 : E_PARSE);
    }
    driver->ops->destroy(driver);
    rpc_server_destroy(server);
    (void)uv_run(&f.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&f.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_map_that_is_missing_is_not_empty)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
