/* simctl: the hand that breaks and heals the emulated hardware. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opts.h"
#include "rpc.h"
#include "sim.pb-c.h"

enum { CALL_MS = 60000, EXIT_REFUSED = 1, EXIT_UNREACHABLE = 3 };

struct call {
    uv_loop_t *loop;
    struct rpc_client *client;
    Wire__SimRequest request;
    const char *url;
    bool follow; /* `watch`: ask again and again */
    bool asked;
    uv_timer_t timer;
    char since[32];
    char *args[2];
    int exit_code;
};

static void ask(struct call *call);

static void end(struct call *call)
{
    (void)uv_timer_stop(&call->timer);
    uv_stop(call->loop);
}

static void on_pause_over(uv_timer_t *timer)
{
    ask(timer->data);
}

/* One line an event; then waits a little and asks for what came since. */
static void print_events(struct call *call, const char *text)
{
    json_t *json = json_loads(text, 0, NULL), *ev;
    size_t i;

    json_array_foreach(json_object_get(json, "events"), i, ev)
    {
        (void)printf("%8lld %s %s\n", (long long)json_integer_value(json_object_get(ev, "seq")),
                     json_string_value(json_object_get(ev, "link")),
                     json_is_true(json_object_get(ev, "up")) ? "up" : "down");
    }
    (void)fflush(stdout);
    (void)snprintf(call->since, sizeof call->since, "%lld",
                   (long long)json_integer_value(json_object_get(json, "next")));
    json_decref(json);
    call->args[0] = "--since";
    call->args[1] = call->since;
    call->request.args = call->args;
    call->request.n_args = 2;
    (void)uv_timer_start(&call->timer, on_pause_over, 100, 0);
}

static void on_done(void *arg, int status, const uint8_t *body, size_t len)
{
    struct call *call = arg;
    Wire__SimReply *reply =
        status == 0 ? rpc_unpack(&wire__sim_reply__descriptor, body, len) : NULL;

    if (reply == NULL) {
        (void)fprintf(stderr, "simctl: no answer from podsim at %s; is it running?\n", call->url);
        call->exit_code = EXIT_UNREACHABLE;
        end(call);
        return;
    }
    if (!reply->ok) {
        (void)fprintf(stderr, "simctl: %s\n", reply->text);
        call->exit_code = EXIT_REFUSED;
        end(call);
    } else if (call->follow) {
        print_events(call, reply->text);
    } else {
        (void)puts(reply->text);
        end(call);
    }
    wire__sim_reply__free_unpacked(reply, NULL);
}

static void ask(struct call *call)
{
    call->asked = true;
    (void)uv_timer_stop(&call->timer);
    rpc_call(call->client, &call->request.base, CALL_MS, on_done, call);
}

static void on_state(void *arg, bool connected)
{
    struct call *call = arg;

    if (connected && !call->asked) {
        ask(call);
    }
}

static void on_no_connection(uv_timer_t *timer)
{
    struct call *call = timer->data;
    on_done(call, E_UNREACHABLE, NULL, 0);
}

int main(int argc, char **argv)
{
    static const char *url;
    static bool json;
    static const struct opt options[] = {
        {"url", 'u', "URL",
         "podsim's control socket (default $SIMCTL_URL, else "
         "ipc:///run/podsim/control.sock)",
         &url, NULL},
        {"json", 0, NULL, "accepted for clarity: every answer but watch's is JSON", NULL, &json},
        {0}};
    static const struct program program = {
        .name = "simctl",
        .operands = "COMMAND [ARG]...",
        .about = "Looks at and breaks the emulated hardware of podsim.\n\n"
                 "  status                            circuits, links, faults\n"
                 "  kinds                             the kinds of faults and their targets\n"
                 "  inject KIND TARGET [--for 10s] [--set KEY=VALUE]\n"
                 "  heal TARGET|all\n"
                 "  dump [--json] [--tables]          the whole truth\n"
                 "  send CHIP CHIP                    a flit by the installed tables\n"
                 "  watch [--since SEQ]               link changes as they come\n\n"
                 "Exit status: 0 done, 1 refused, 2 usage, 3 podsim does not answer.",
        .options = options,
        .commands = true};
    struct call call = {.request = WIRE__SIM_REQUEST__INIT};
    struct error err;
    int first = opts_parse(&program, argc, argv);

    if (first == argc) {
        opts_usage_error(&program, "which command?");
    }
    const char *env = getenv("SIMCTL_URL");
    call.url = url != NULL ? url : env != NULL ? env : "ipc:///run/podsim/control.sock";
    call.loop = uv_default_loop();
    call.request.version = RPC_VERSION;
    call.request.command = argv[first];
    call.request.args = argv + first + 1;
    call.request.n_args = (size_t)(argc - first - 1);
    call.follow = strcmp(argv[first], "watch") == 0;
    (void)uv_timer_init(call.loop, &call.timer);
    call.timer.data = &call;
    (void)uv_timer_start(&call.timer, on_no_connection, 3000, 0);
    if (rpc_client_create(&call.client, call.loop, call.url, 256 << 20, on_state, &call, &err) <
        0) {
        (void)fprintf(stderr, "simctl: %s\n", err.text);
        return EXIT_UNREACHABLE;
    }
    (void)uv_run(call.loop, UV_RUN_DEFAULT);
    rpc_client_destroy(call.client);
    uv_close((uv_handle_t *)&call.timer, NULL);
    (void)uv_run(call.loop, UV_RUN_DEFAULT);
    return call.exit_code;
}
