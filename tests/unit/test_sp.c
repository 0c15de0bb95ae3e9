/* wire/sp: what goes over the wire is nng's, as libnng itself judges, and who
 * breaks its rules is cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop_until.h"
#include "mem.h"
#include "rpc.h"
#include "sim.pb-c.h"
#include "sp.h"

enum { TICK_MS = 2, GUARD_TICKS = 5000, MAX_BYTES = 65536 };

struct fixture {
    uv_loop_t loop;
    uv_timer_t guard;
    int ticks;
    bool timed_out;
    char url[64];
    struct rpc_server *server;
    struct rpc_client *client;
    unsigned asked;
    int status;
    unsigned answered;
    char text[32];
};

static void on_guard(uv_timer_t *timer)
{
    struct fixture *f = timer->data;
    f->timed_out = ++f->ticks >= GUARD_TICKS;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    (void)uv_loop_init(&f->loop);
    (void)uv_timer_init(&f->loop, &f->guard);
    f->guard.data = f;
    (void)uv_timer_start(&f->guard, on_guard, TICK_MS, TICK_MS);
    (void)snprintf(f->url, sizeof f->url, "ipc:///tmp/podmgr-test-sp-%d.sock", (int)getpid());
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    rpc_client_destroy(f->client);
    rpc_server_destroy(f->server);
    uv_close((uv_handle_t *)&f->guard, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0); /* no handle leaks */
    (void)unlink(f->url + strlen("ipc://"));
    free(f);
    return 0;
}

/* Answers with the command it was asked. */
static void echo(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    struct fixture *f = arg;
    Wire__SimRequest *request = wire__sim_request__unpack(NULL, len, body);
    Wire__SimReply reply = WIRE__SIM_REPLY__INIT;

    assert_non_null(request);
    f->asked++;
    reply.text = request->command;
    rpc_reply(req, &reply.base);
    wire__sim_request__free_unpacked(request, NULL);
}

static void serve(struct fixture *f)
{
    struct error err;
    assert_int_equal(rpc_server_create(&f->server, &f->loop, f->url, MAX_BYTES, echo, f, &err), 0);
}

static void dial(struct fixture *f)
{
    struct error err;
    assert_int_equal(rpc_client_create(&f->client, &f->loop, f->url, MAX_BYTES, NULL, NULL, &err),
                     0);
    LOOP_UNTIL(f, rpc_client_connected(f->client));
}

static void on_done(void *arg, int status, const uint8_t *body, size_t len)
{
    struct fixture *f = arg;

    f->status = status;
    f->answered++;
    if (status == 0) {
        Wire__SimReply *reply = wire__sim_reply__unpack(NULL, len, body);
        assert_non_null(reply);
        (void)snprintf(f->text, sizeof f->text, "%s", reply->text);
        wire__sim_reply__free_unpacked(reply, NULL);
    }
}

static void ask(struct fixture *f, char *command)
{
    Wire__SimRequest request = WIRE__SIM_REQUEST__INIT;
    request.command = command;
    rpc_call(f->client, &request.base, 5000, on_done, f);
}

/* ------------------------------------------------------- against libnng -- */

static nng_msg *packed(const ProtobufCMessage *message)
{
    nng_msg *msg;

    assert_int_equal(nng_msg_alloc(&msg, protobuf_c_message_get_packed_size(message)), 0);
    (void)protobuf_c_message_pack(message, nng_msg_body(msg));
    return msg;
}

static bool received(nng_socket socket, nng_msg **msg)
{
    return nng_recvmsg(socket, msg, NNG_FLAG_NONBLOCK) == 0;
}

static void libnng_asks_us(void **state)
{
    struct fixture *f = *state;
    Wire__SimRequest request = WIRE__SIM_REQUEST__INIT;
    nng_socket socket;
    nng_msg *msg;

    serve(f);
    request.command = (char[]){"from libnng"};
    assert_int_equal(nng_req0_open(&socket), 0);
    assert_int_equal(nng_dial(socket, f->url, NULL, NNG_FLAG_NONBLOCK), 0);
    msg = packed(&request.base);
    LOOP_UNTIL(f, nng_sendmsg(socket, msg, NNG_FLAG_NONBLOCK) == 0);
    LOOP_UNTIL(f, received(socket, &msg));
    Wire__SimReply *reply = wire__sim_reply__unpack(NULL, nng_msg_len(msg), nng_msg_body(msg));
    assert_non_null(reply);
    assert_string_equal(reply->text, "from libnng");
    wire__sim_reply__free_unpacked(reply, NULL);
    nng_msg_free(msg);
    (void)nng_close(socket);
}

static void libnng_answers_us(void **state)
{
    struct fixture *f = *state;
    Wire__SimReply reply = WIRE__SIM_REPLY__INIT;
    nng_socket socket;
    nng_msg *msg;

    assert_int_equal(nng_rep0_open(&socket), 0);
    assert_int_equal(nng_listen(socket, f->url, NULL, 0), 0);
    dial(f);
    ask(f, "to libnng");
    LOOP_UNTIL(f, received(socket, &msg));
    Wire__SimRequest *request =
        wire__sim_request__unpack(NULL, nng_msg_len(msg), nng_msg_body(msg));
    assert_non_null(request);
    assert_string_equal(request->command, "to libnng");
    wire__sim_request__free_unpacked(request, NULL);
    nng_msg_free(msg);
    reply.text = (char[]){"yes"};
    msg = packed(&reply.base);
    LOOP_UNTIL(f, nng_sendmsg(socket, msg, NNG_FLAG_NONBLOCK) == 0);
    LOOP_UNTIL(f, f->answered == 1);
    assert_string_equal(f->text, "yes");
    rpc_client_destroy(f->client);
    f->client = NULL;
    (void)nng_close(socket);
}

/* ------------------------------------------------------------- over tcp -- */

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

static void tcp_carries_the_same(void **state)
{
    struct fixture *f = *state;

    (void)snprintf(f->url, sizeof f->url, "tcp://127.0.0.1:%d", free_port());
    serve(f);
    dial(f);
    ask(f, "over tcp");
    LOOP_UNTIL(f, f->answered == 1);
    assert_string_equal(f->text, "over tcp");
}

/* -------------------------------------------------------- rule breakers -- */

/* Connects without any library, says this, and waits to be cut off. */
static void say_and_await_the_end(struct fixture *f, const void *bytes, size_t n)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char heard[64];
    ssize_t got = -1;

    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", f->url + strlen("ipc://"));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
    LOOP_UNTIL(f, (got = recv(fd, heard, sizeof heard, MSG_DONTWAIT)) == 0 ||
                      (got < 0 && errno == ECONNRESET));
    (void)close(fd);
}

#define GREETING "\0SP\0\0\x30\0\0"
#define LEN(n)   "\0\0\0\0\0\0\0" n

static void rule_breakers_are_cut_off(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
#define ROW(text) {text, sizeof(text) - 1}
        ROW("GET / HTTP/1.1\r\n\r\n"),
        ROW("\0SP\0\0\x31\0\0"),                       /* a rep, like us */
        ROW("\0SP\1\0\x30\0\0"),                       /* another version */
        ROW(GREETING "\2" LEN("\4") "\x80\0\0\1"),     /* a type that ipc does not have */
        ROW(GREETING "\1\xff\0\0\0\0\0\0\0"),          /* huge */
        ROW(GREETING "\1\0\0\0\0\0\1\0\1"),            /* one byte too large */
        ROW(GREETING "\1" LEN("\0")),                  /* no header */
        ROW(GREETING "\1" LEN("\x08") "\0\0\0\1abcd"), /* a header without an end */
#undef ROW
    };

    serve(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        say_and_await_the_end(f, rows[i].bytes, rows[i].n);
    }
    assert_int_equal(f->asked, 0);
    dial(f);
    ask(f, "and goes on");
    LOOP_UNTIL(f, f->answered == 1);
    assert_string_equal(f->text, "and goes on");
}

/* A header of several hops comes back as it came, and bytes may come singly. */
static void hops_come_back(void **state)
{
    static const char request[] = "\1" LEN("\x0b") "\0\0\0\7"
                                                   "\x80\0\0\1"
                                                   "\x12\1x";
    static const char reply[] = GREETING "\1" LEN("\x0b") "\0\0\0\7"
                                                          "\x80\0\0\1"
                                                          "\x1a\1x";
    struct fixture *f = *state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char heard[64];
    size_t n = 0;

    serve(f);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", f->url + strlen("ipc://"));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(send(fd, GREETING, 8, MSG_NOSIGNAL), 8);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    while (n < sizeof reply - 1 && !f->timed_out) {
        ssize_t got = recv(fd, heard + n, sizeof heard - n, MSG_DONTWAIT);
        n += got > 0 ? (size_t)got : 0;
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(n, sizeof reply - 1);
    heard[5] = 0x30; /* its greeting names the other protocol */
    assert_memory_equal(heard, reply, n);
    (void)close(fd);
}

static void addresses(void **state)
{
    static const struct {
        const char *url;
        bool good;
    } rows[] = {
        {"ipc:///run/x.sock", true},
        {"tcp://127.0.0.1:9000", true},
        {"tcp://[::1]:9000", true},
        {"ipc://", false},
        {"tcp://127.0.0.1", false},
        {"tcp://127.0.0.1:0", false},
        {"tcp://127.0.0.1:70000", false},
        {"tcp://127.0.0.1:9x", false},
        {"tcp://[::1:9000", false},
        {"tcp://somewhere:9000", false},
        {"tcp://:9000", false},
        {"http://127.0.0.1:1", false},
        {"", false},
    };
    char deep[256] = "ipc:///";
    struct sp_address address;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(sp_address_parse(&address, rows[i].url, &err) == 0, rows[i].good);
    }
    memset(deep + 7, 'a', sizeof deep - 8);
    assert_int_equal(sp_address_parse(&address, deep, &err), E_INVALID);
}

int main(void)
{
#define LIVE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(libnng_asks_us),       LIVE(libnng_answers_us),
        LIVE(tcp_carries_the_same), LIVE(rule_breakers_are_cut_off),
        LIVE(hops_come_back),       cmocka_unit_test(addresses),
    };
#undef LIVE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
