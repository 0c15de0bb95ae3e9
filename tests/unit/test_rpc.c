/* wire/rpc: real sockets, one loop, both halves in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop_until.h"
#include "mem.h"
#include "rpc.h"
#include "sim.pb-c.h"

/* The guard ticks, since a timer that runs early in a loop turn does not end it. */
enum { CALLS = 1000, TICK_MS = 5, GUARD_TICKS = 4000 };

struct fixture {
    uv_loop_t loop;
    uv_timer_t guard;
    bool timed_out;
    int ticks;
    char url[128];
    struct rpc_server *server;
    struct rpc_client *client;
    int connects, losses;
    /* what the handler does */
    enum { ANSWER, HOLD, DROP } mode;
    struct rpc_request *held[CALLS];
    size_t n_held;
    /* what came back */
    int statuses[CALLS];
    size_t n_done;
    char last_text[64];
    struct rpc_client *victim; /* destroyed by the first answer */
};

static void reply_text(struct rpc_request *req, char *text)
{
    Wire__SimReply reply = WIRE__SIM_REPLY__INIT;
    reply.version = RPC_VERSION;
    reply.ok = 1;
    reply.text = text;
    rpc_reply(req, &reply.base);
}

static void handle(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    struct fixture *f = arg;
    Wire__SimRequest *request = wire__sim_request__unpack(NULL, len, body);

    assert_non_null(request);
    switch (f->mode) {
    case ANSWER:
        reply_text(req, request->command);
        break;
    case HOLD:
        f->held[f->n_held++] = req;
        break;
    case DROP:
        rpc_drop(req);
        break;
    }
    wire__sim_request__free_unpacked(request, NULL);
}

static void on_state(void *arg, bool connected)
{
    struct fixture *f = arg;
    *(connected ? &f->connects : &f->losses) += 1;
}

static void on_done(void *arg, int status, const uint8_t *body, size_t len)
{
    struct fixture *f = arg;

    if (status == 0) {
        Wire__SimReply *reply = wire__sim_reply__unpack(NULL, len, body);
        assert_non_null(reply);
        (void)snprintf(f->last_text, sizeof f->last_text, "%s", reply->text);
        wire__sim_reply__free_unpacked(reply, NULL);
    }
    f->statuses[f->n_done++] = status;
}

static void on_guard(uv_timer_t *timer)
{
    struct fixture *f = timer->data;
    f->timed_out = ++f->ticks >= GUARD_TICKS;
}

static void serve(struct fixture *f)
{
    struct error err;
    assert_int_equal(rpc_server_create(&f->server, &f->loop, f->url, 65536, handle, f, &err), 0);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct error err;

    (void)uv_loop_init(&f->loop);
    (void)uv_timer_init(&f->loop, &f->guard);
    f->guard.data = f;
    (void)uv_timer_start(&f->guard, on_guard, TICK_MS, TICK_MS);
    (void)snprintf(f->url, sizeof f->url, "ipc:///tmp/podmgr-test-rpc-%d.sock", (int)getpid());
    serve(f);
    assert_int_equal(rpc_client_create(&f->client, &f->loop, f->url, 65536, on_state, f, &err), 0);
    LOOP_UNTIL(f, rpc_client_connected(f->client));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    rpc_client_destroy(f->client);
    for (size_t i = 0; i < f->n_held; i++) {
        rpc_drop(f->held[i]);
    }
    rpc_server_destroy(f->server);
    uv_close((uv_handle_t *)&f->guard, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0); /* no handle leaks */
    (void)unlink(f->url + strlen("ipc://"));
    free(f);
    return 0;
}

static void ask(struct fixture *f, char *command, unsigned timeout_ms)
{
    Wire__SimRequest request = WIRE__SIM_REQUEST__INIT;
    request.version = RPC_VERSION;
    request.command = command;
    rpc_call(f->client, &request.base, timeout_ms, on_done, f);
}

static void round_trip(void **state)
{
    struct fixture *f = *state;

    ask(f, "hello", 5000);
    assert_int_equal(f->n_done, 0); /* never from under the caller */
    LOOP_UNTIL(f, f->n_done == 1);
    assert_int_equal(f->statuses[0], 0);
    assert_string_equal(f->last_text, "hello");
}

static void thousand_held_calls_are_answered_in_any_order(void **state)
{
    struct fixture *f = *state;

    f->mode = HOLD;
    for (int i = 0; i < CALLS; i++) {
        ask(f, "x", 15000);
    }
    for (size_t answered = 0; answered < CALLS;) {
        LOOP_UNTIL(f, f->n_held > 0);
        assert_true(f->n_held <= RPC_WINDOW);
        while (f->n_held > 0) { /* newest first */
            reply_text(f->held[--f->n_held], "y");
            answered++;
        }
    }
    LOOP_UNTIL(f, f->n_done == CALLS);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(f->statuses[i], 0);
    }
}

static void silence_times_out(void **state)
{
    struct fixture *f = *state;

    f->mode = DROP;
    ask(f, "x", 30);
    LOOP_UNTIL(f, f->n_done == 1);
    assert_int_equal(f->statuses[0], E_TIMEOUT);
    f->mode = ANSWER;
    ask(f, "still there", 5000);
    LOOP_UNTIL(f, f->n_done == 2);
    assert_string_equal(f->last_text, "still there");
}

static void loss_fails_calls_at_once_and_redials(void **state)
{
    struct fixture *f = *state;

    f->mode = HOLD;
    ask(f, "x", 60000);
    LOOP_UNTIL(f, f->n_held == 1);
    rpc_drop(f->held[--f->n_held]);
    rpc_server_destroy(f->server);
    LOOP_UNTIL(f, f->n_done == 1);
    assert_int_equal(f->statuses[0], E_UNREACHABLE);
    assert_int_equal(f->losses, 1);
    ask(f, "nobody there", 60000);
    LOOP_UNTIL(f, f->n_done == 2);
    assert_int_equal(f->statuses[1], E_UNREACHABLE);

    f->mode = ANSWER;
    serve(f);
    LOOP_UNTIL(f, f->connects == 2);
    ask(f, "back", 5000);
    LOOP_UNTIL(f, f->n_done == 3);
    assert_string_equal(f->last_text, "back");
}

static void oversize_request_is_not_taken(void **state)
{
    struct fixture *f = *state;
    char *big = xmalloc(100001);

    memset(big, 'a', 100000);
    big[100000] = '\0';
    ask(f, big, 60000);
    free(big);
    LOOP_UNTIL(f, f->n_done == 1); /* the server cuts the connection */
    assert_int_equal(f->statuses[0], E_UNREACHABLE);
    LOOP_UNTIL(f, f->connects == 2);
    ask(f, "small", 5000);
    LOOP_UNTIL(f, f->n_done == 2);
    assert_string_equal(f->last_text, "small");
}

static void destroy_ends_calls(void **state)
{
    struct fixture *f = *state;
    struct error err;

    f->mode = HOLD;
    ask(f, "x", 60000);
    LOOP_UNTIL(f, f->n_held == 1);
    rpc_client_destroy(f->client);
    assert_int_equal(f->n_done, 1);
    assert_int_equal(f->statuses[0], E_UNREACHABLE);
    reply_text(f->held[--f->n_held], "to nobody");
    assert_int_equal(rpc_client_create(&f->client, &f->loop, f->url, 65536, on_state, f, &err), 0);
}

static void on_done_destroy(void *arg, int status, const uint8_t *body, size_t len)
{
    struct fixture *f = arg;

    (void)body;
    (void)len;
    f->statuses[f->n_done++] = status;
    rpc_client_destroy(f->victim);
    f->victim = NULL;
}

static void a_callback_may_destroy_the_client(void **state)
{
    struct fixture *f = *state;
    Wire__SimRequest request = WIRE__SIM_REQUEST__INIT;
    struct error err;

    request.command = (char[]){"x"};
    f->mode = DROP;
    assert_int_equal(rpc_client_create(&f->victim, &f->loop, f->url, 65536, NULL, NULL, &err), 0);
    LOOP_UNTIL(f, rpc_client_connected(f->victim));
    rpc_call(f->victim, &request.base, 10, on_done_destroy, f);
    for (int i = 1; i < 4; i++) {
        rpc_call(f->victim, &request.base, i < 2 ? 10 : 60000, on_done, f);
    }
    LOOP_UNTIL(f, f->n_done > 0);
    assert_int_equal(f->n_done, 4); /* all have ended when the callback is back */
    assert_int_equal(f->statuses[0], E_TIMEOUT);
    assert_int_equal(f->statuses[3], E_UNREACHABLE);
}

static void calls_in_line_end_with_the_connection(void **state)
{
    struct fixture *f = *state;

    f->mode = HOLD;
    for (int i = 0; i < 2 * RPC_WINDOW; i++) {
        ask(f, "x", 60000);
    }
    LOOP_UNTIL(f, f->n_held == RPC_WINDOW);
    rpc_server_destroy(f->server);
    LOOP_UNTIL(f, f->n_done == 2 * RPC_WINDOW);
    for (size_t i = 0; i < f->n_done; i++) {
        assert_int_equal(f->statuses[i], E_UNREACHABLE);
    }
    serve(f);
}

static void bad_url_is_named(void **state)
{
    struct fixture *f = *state;
    struct rpc_server *server;
    struct error err;

    assert_int_equal(rpc_server_create(&server, &f->loop, "ipc:///nonexistent/dir/x.sock", 65536,
                                       handle, f, &err),
                     E_IO);
    assert_non_null(strstr(err.text, "/nonexistent/dir/x.sock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(thousand_held_calls_are_answered_in_any_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(silence_times_out, setup, teardown),
        cmocka_unit_test_setup_teardown(loss_fails_calls_at_once_and_redials, setup, teardown),
        cmocka_unit_test_setup_teardown(oversize_request_is_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(destroy_ends_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(a_callback_may_destroy_the_client, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_in_line_end_with_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_url_is_named, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
