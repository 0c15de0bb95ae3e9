/* podmgr for the targets, with its own loop and real HTTP over a Unix socket. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "fake_rpc.h"
#include "fuzz.h"
#include "mem.h"
#include "pod.h"
#include "podmgr.h"

enum { INPUTS_A_LIFE = 400, HOSTS = 32, TURNS = 12 };

static struct {
    struct podmgr podmgr;
    uv_loop_t loop;
    struct config config;
    char socket[64];
    unsigned inputs;
    bool runs;
} pod;

void fuzz_podmgr_end(void)
{
    if (pod.runs) {
        podmgr_stop(&pod.podmgr);
        (void)uv_run(&pod.loop, UV_RUN_DEFAULT);
        podmgr_fini(&pod.podmgr);
        (void)uv_loop_close(&pod.loop);
        config_fini(&pod.config);
        pod.runs = false;
    }
}

static void say_hello(void)
{
    Wire__AgentRequest request = WIRE__AGENT_REQUEST__INIT;
    Wire__AgentHello hello = WIRE__AGENT_HELLO__INIT;
    static char name[] = "tpunetd/a", pod_id[] = "p";
    uint32_t hosts[HOSTS];
    uint8_t bytes[256];

    for (uint32_t i = 0; i < HOSTS; i++) {
        hosts[i] = i;
    }
    hello.version_min = hello.version_max = RPC_VERSION;
    hello.n_hosts = HOSTS;
    hello.hosts = hosts;
    request.version = RPC_VERSION;
    request.pod = pod_id;
    request.agent = name;
    request.instance = 1;
    request.body_case = WIRE__AGENT_REQUEST__BODY_HELLO;
    request.hello = &hello;
    assert(wire__agent_request__get_packed_size(&request) <= sizeof bytes);
    fake_rpc_deliver(FUZZ_AGENTS_URL, bytes, wire__agent_request__pack(&request, bytes));
}

static void start(void)
{
    char yaml[512];
    struct error err;
    const char *dir = fuzz_dir();
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char path[80];
        (void)snprintf(path, sizeof path, "%s/seed.db%s", dir, suffixes[i]);
        (void)unlink(path);
    }
    (void)snprintf(pod.socket, sizeof pod.socket, "%s/socket", dir);
    int len = snprintf(yaml, sizeof yaml,
                       "pod: {id: p, cubes: 2, ports_per_side: 4}\n"
                       "ocs: {url: 'ipc:///ocs-%%u'}\n"
                       "research: true\n"
                       "agents: {url: '" FUZZ_AGENTS_URL "', health_url: '" FUZZ_HEALTH_URL "',\n"
                       "         lease_ms: 60000}\n"
                       "listen: {http: none, socket: %s}\n"
                       "state: {database: %s/seed.db, journal_keep: 100}\n",
                       pod.socket, dir);
    if (config_load(&pod.config, fuzz_file("yaml", yaml, (size_t)len), &err) < 0 ||
        uv_loop_init(&pod.loop) != 0 ||
        podmgr_start(&pod.podmgr, &pod.loop, &pod.config, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    pod.runs = true;
    pod.inputs = 0;
    say_hello();
    fuzz_podmgr_turn();
}

struct podmgr *fuzz_podmgr(void)
{
    static bool registered;

    if (!registered) {
        (void)fuzz_dir(); /* so that it is removed after the end */
        (void)atexit(fuzz_podmgr_end);
        registered = true;
    }
    if (pod.inputs++ >= INPUTS_A_LIFE) {
        fuzz_podmgr_end();
    }
    if (!pod.runs) {
        start();
    }
    return &pod.podmgr;
}

void fuzz_podmgr_turn(void)
{
    for (int i = 0; i < 3; i++) {
        (void)uv_run(&pod.loop, UV_RUN_NOWAIT);
    }
}

void fuzz_podmgr_http(const void *bytes, size_t len)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char answer[4096];
    bool answered = false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(addr.sun_path, pod.socket, strlen(pod.socket) + 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        abort();
    }
    (void)send(fd, bytes, len, 0);
    for (int i = 0; i < TURNS; i++) {
        (void)uv_run(&pod.loop, UV_RUN_NOWAIT);
        ssize_t n = recv(fd, answer, sizeof answer, 0);
        if (n == 0 || (n < 0 && (errno != EAGAIN || answered))) {
            break;
        }
        answered = answered || n > 0;
    }
    (void)close(fd);
    fuzz_podmgr_turn();
}
