/* Frames at tpunetd: what podmgr answers (fuzz_agent_reply), and what the chips
 * answer while a good bring-up is under way (fuzz_fabric_reply). */
#include <stdlib.h>

#include "fake_rpc.h"
#include "fuzz.h"
#include "libtpunet/tpunetd/tpunetd.h"
#include "pod.h"

enum { HOSTS = 32 };

static char agents_url[] = FUZZ_AGENTS_URL, fabric_url[] = FUZZ_FABRIC_URL;

static void answer_all(const char *url, const uint8_t *data, size_t size, uv_loop_t *loop)
{
    const uint8_t *frame;
    size_t len;

    while (fuzz_frame(&data, &size, &frame, &len) && fake_rpc_answer(url, frame, len)) {
        (void)uv_run(loop, UV_RUN_NOWAIT);
    }
}

/* A life of tpunetd: connected, greeted by podmgr's answers, then the chips'. */
static void live(const uint8_t *agent, size_t agent_size, const uint8_t *fabric, size_t fabric_size)
{
    static uint16_t hosts[HOSTS];
    struct tpunetd_config config = {.pod = "p",
                                    .name = "a",
                                    .fabric_url = fabric_url,
                                    .podmgr_url = agents_url,
                                    .hosts = hosts,
                                    .n_hosts = HOSTS};
    struct tpunetd t = {0};
    uv_loop_t loop;
    struct error err;

    for (uint16_t i = 0; i < HOSTS; i++) {
        hosts[i] = i;
    }
    if (uv_loop_init(&loop) != 0 || tpunetd_start(&t, &loop, &config, &err) < 0) {
        abort();
    }
    fake_rpc_link(FUZZ_FABRIC_URL, true);
    fake_rpc_link(FUZZ_AGENTS_URL, true);
    answer_all(FUZZ_AGENTS_URL, agent, agent_size, &loop);
    answer_all(FUZZ_FABRIC_URL, fabric, fabric_size, &loop);
    tpunetd_stop(&t);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    tpunetd_fini(&t);
    (void)uv_loop_close(&loop);
}

void fuzz_agent_reply(const uint8_t *data, size_t size)
{
    live(data, size, NULL, 0);
}

static size_t put_reply(uint8_t *out, const Wire__AgentReply *reply)
{
    size_t len = wire__agent_reply__pack(reply, out + 2);

    out[0] = (uint8_t)len;
    out[1] = (uint8_t)(len >> 8);
    return len + 2;
}

void fuzz_fabric_reply(const uint8_t *data, size_t size)
{
    static char slice[] = "1-1", topology[] = "4x4x4";
    uint8_t agent[256];
    uint32_t cubes[] = {0};
    Wire__AgentReply hello = WIRE__AGENT_REPLY__INIT, poll = WIRE__AGENT_REPLY__INIT;
    Wire__AgentCommand command = WIRE__AGENT_COMMAND__INIT, *commands[] = {&command};
    Wire__AgentBringUp up = WIRE__AGENT_BRING_UP__INIT;

    hello.version = poll.version = RPC_VERSION;
    hello.epoch = poll.epoch = up.epoch = 1;
    up.slice = slice;
    up.generation = 1;
    up.topology = topology;
    up.n_cubes = 1;
    up.cubes = cubes;
    up.pod_cubes = 2;
    up.ports_per_side = 4;
    up.vc_classes = 3;
    command.sequence = 1;
    command.body_case = WIRE__AGENT_COMMAND__BODY_BRING_UP;
    command.bring_up = &up;
    poll.n_commands = 1;
    poll.commands = commands;
    size_t len = put_reply(agent, &hello);
    len += put_reply(agent + len, &poll);
    live(agent, len, data, size);
}
