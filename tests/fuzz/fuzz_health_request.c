/* HealthRequest frames at podmgr, from an observer that has said hello for all
 * hosts, and then what the core says of them. */
#include <assert.h>

#include "core/health.h"
#include "fake_rpc.h"
#include "fuzz.h"
#include "health.pb-c.h"
#include "pod.h"
#include "podmgr.h"
#include "rpc.h"

enum { HOSTS = 32 };

static void say_hello(void)
{
    static char name[] = "healthd/a", pod[] = "p";
    Wire__HealthRequest request = WIRE__HEALTH_REQUEST__INIT;
    Wire__HealthHello hello = WIRE__HEALTH_HELLO__INIT;
    uint32_t hosts[HOSTS];
    uint8_t bytes[256];

    for (uint32_t i = 0; i < HOSTS; i++) {
        hosts[i] = i;
    }
    hello.version_min = hello.version_max = RPC_VERSION;
    hello.n_hosts = HOSTS;
    hello.hosts = hosts;
    request.version = RPC_VERSION;
    request.pod = pod;
    request.observer = name;
    request.instance = 1;
    request.body_case = WIRE__HEALTH_REQUEST__BODY_HELLO;
    request.hello = &hello;
    assert(wire__health_request__get_packed_size(&request) <= sizeof bytes);
    fake_rpc_deliver(FUZZ_HEALTH_URL, bytes, wire__health_request__pack(&request, bytes));
    fuzz_podmgr_turn();
}

void fuzz_health_request(const uint8_t *data, size_t size)
{
    const struct podmgr *p = fuzz_podmgr();
    const uint8_t *frame;
    size_t len;

    say_hello();
    while (fuzz_frame(&data, &size, &frame, &len)) {
        fake_rpc_deliver(FUZZ_HEALTH_URL, frame, len);
    }
    fuzz_podmgr_turn();
    for (unsigned host = 0; host < model_hosts(p->model); host++) {
        const struct finding *worst = health_worst_of_host(p->model, host);
        assert(worst == NULL || worst->severity > SEVERITY_OK);
        assert(health_of(p->model, host)->n_findings <= HEALTH_FINDINGS);
    }
}
