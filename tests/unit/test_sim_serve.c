/* podsim on its sockets: the three protocols as a client sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabric.pb-c.h"
#include "mem.h"
#include "ocs.pb-c.h"
#include "rpc.h"
#include "sim.pb-c.h"
#include "simulator/serve.h"

enum { GUARD_MS = 20000, CALL_MS = 15000, TEXT_MAX = 8192 };

struct fixture {
    uv_loop_t loop;
    uv_timer_t guard;
    bool timed_out;
    char dir[64];
    struct sim_config config;
    struct podsim *podsim;
    struct rpc_client *ocs, *fabric, *control; /* of ocs/9 */
};

struct answer {
    const ProtobufCMessageDescriptor *type;
    ProtobufCMessage *message;
    int status;
    bool done;
};

/* ------------------------------------------------------------- plumbing -- */

static void on_guard(uv_timer_t *timer)
{
    ((struct fixture *)timer->data)->timed_out = true;
}

static void run_until(struct fixture *f, const bool *condition)
{
    while (!*condition && !f->timed_out) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_false(f->timed_out);
}

static void run_until_connected(struct fixture *f, const struct rpc_client *client, bool connected)
{
    while (rpc_client_connected(client) != connected && !f->timed_out) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_false(f->timed_out);
}

static struct rpc_client *dial(struct fixture *f, const char *name)
{
    struct rpc_client *client;
    struct error err;
    char url[128];

    (void)snprintf(url, sizeof url, "ipc://%s/%s.sock", f->dir, name);
    assert_int_equal(rpc_client_create(&client, &f->loop, url, 64 << 20, NULL, NULL, &err), 0);
    run_until_connected(f, client, true);
    return client;
}

static int setup_with(void **state, double mirror_ms)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct error err;

    (void)uv_loop_init(&f->loop);
    (void)uv_timer_init(&f->loop, &f->guard);
    f->guard.data = f;
    (void)uv_timer_start(&f->guard, on_guard, GUARD_MS, 0);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/podsim-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->config = (struct sim_config){.pod = "test",
                                    .cubes = 4,
                                    .ports_per_side = 8,
                                    .seed = 1,
                                    .vc_classes = 3,
                                    .mirror_median_ms = mirror_ms,
                                    .ocs_url = xasprintf("ipc://%s/ocs-%%u.sock", f->dir),
                                    .fabric_url = xasprintf("ipc://%s/fabric.sock", f->dir),
                                    .control_url = xasprintf("ipc://%s/control.sock", f->dir)};
    assert_int_equal(podsim_create(&f->podsim, &f->loop, &f->config, &err), 0);
    f->ocs = dial(f, "ocs-9");
    f->fabric = dial(f, "fabric");
    f->control = dial(f, "control");
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 0);
}

/* Mirrors that settle when the test is long over. */
static int setup_slow(void **state)
{
    return setup_with(state, 60000);
}

static int setup_moving(void **state)
{
    return setup_with(state, 5);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    rpc_client_destroy(f->ocs);
    rpc_client_destroy(f->fabric);
    rpc_client_destroy(f->control);
    podsim_stop(f->podsim);
    uv_close((uv_handle_t *)&f->guard, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0); /* no handle leaks */
    podsim_fini(f->podsim);
    sim_config_fini(&f->config);
    assert_int_equal(rmdir(f->dir), 0); /* no socket file is left behind */
    free(f);
    return 0;
}

static void on_answer(void *arg, int status, const uint8_t *body, size_t len)
{
    struct answer *answer = arg;

    answer->status = status;
    if (status == 0) {
        answer->message = protobuf_c_message_unpack(answer->type, NULL, len, body);
        assert_non_null(answer->message);
    }
    answer->done = true;
}

static void *wait_for(struct fixture *f, struct answer *answer)
{
    run_until(f, &answer->done);
    assert_int_equal(answer->status, 0);
    return answer->message;
}

static void release(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

/* ------------------------------------------------------------- switches -- */

static Wire__OcsRequest ocs_request(Wire__OcsRequest__BodyCase body, uint64_t epoch)
{
    static Wire__OcsIdentify identify = WIRE__OCS_IDENTIFY__INIT;
    static Wire__OcsFence fence = WIRE__OCS_FENCE__INIT;
    static Wire__OcsRead read = WIRE__OCS_READ__INIT;
    Wire__OcsRequest request = WIRE__OCS_REQUEST__INIT;

    request.version = RPC_VERSION;
    request.pod = "test";
    request.ocs = 9;
    request.epoch = epoch;
    request.instance = 1;
    request.body_case = body;
    if (body == WIRE__OCS_REQUEST__BODY_IDENTIFY) {
        request.identify = &identify;
    } else if (body == WIRE__OCS_REQUEST__BODY_FENCE) {
        request.fence = &fence;
    } else if (body == WIRE__OCS_REQUEST__BODY_READ) {
        request.read = &read;
    }
    return request;
}

static struct answer *ask_ocs(struct fixture *f, struct answer *answer, Wire__OcsRequest request)
{
    *answer = (struct answer){.type = &wire__ocs_reply__descriptor};
    rpc_call(f->ocs, &request.base, CALL_MS, on_answer, answer);
    return answer;
}

static Wire__OcsReply *call_ocs(struct fixture *f, Wire__OcsRequest__BodyCase body, uint64_t epoch)
{
    struct answer answer;
    return wait_for(f, ask_ocs(f, &answer, ocs_request(body, epoch)));
}

static void claim(struct fixture *f, uint64_t epoch)
{
    Wire__OcsReply *reply = call_ocs(f, WIRE__OCS_REQUEST__BODY_FENCE, epoch);
    assert_int_equal(reply->status, WIRE__OCS_STATUS__OCS_OK);
    release(reply);
}

/* One operation that makes north -> south. */
static void ask_make(struct fixture *f, struct answer *answer, uint64_t epoch, uint64_t generation,
                     uint64_t sequence, uint32_t north, uint32_t south)
{
    Wire__OcsCircuit make = WIRE__OCS_CIRCUIT__INIT, *makes = &make;
    Wire__OcsOp op = WIRE__OCS_OP__INIT, *ops = &op;
    Wire__OcsApply apply = WIRE__OCS_APPLY__INIT;
    Wire__OcsRequest request = ocs_request(WIRE__OCS_REQUEST__BODY_APPLY, epoch);

    make.north = north;
    make.south = south;
    op.epoch = epoch;
    op.sequence = sequence;
    op.makes = &makes;
    op.n_makes = 1;
    apply.expected_generation = generation;
    apply.ops = &ops;
    apply.n_ops = 1;
    request.apply = &apply;
    (void)ask_ocs(f, answer, request);
}

static Wire__OcsReply *make(struct fixture *f, uint64_t epoch, uint64_t generation,
                            uint64_t sequence, uint32_t north, uint32_t south)
{
    struct answer answer;
    ask_make(f, &answer, epoch, generation, sequence, north, south);
    return wait_for(f, &answer);
}

static void an_operation_end_to_end(void **state)
{
    struct fixture *f = *state;
    Wire__OcsReply *reply = call_ocs(f, WIRE__OCS_REQUEST__BODY_IDENTIFY, 0);

    assert_int_equal(reply->identity->ocs, 9);
    assert_int_equal(reply->identity->generation, 1);
    assert_int_equal(reply->identity->north_ports, 8);
    assert_true(reply->identity->durable_fence && reply->identity->op_log);
    release(reply);
    claim(f, 3);
    reply = make(f, 3, 1, 1, 0, 1);
    assert_int_equal(reply->status, WIRE__OCS_STATUS__OCS_OK);
    assert_int_equal(reply->identity->generation, 2);
    assert_int_equal(reply->results[0]->status, WIRE__OCS_OP_STATUS__OCS_OP_DONE);
    assert_int_equal(reply->results[0]->readback[0]->south, 1);
    assert_true(reply->results[0]->readback[0]->loss_db < 2);
    release(reply);
    reply = call_ocs(f, WIRE__OCS_REQUEST__BODY_READ, 0);
    assert_int_equal(reply->map->n_circuits, 1);
    assert_true(reply->map->circuits[0]->south_power_dbm > -2);
    release(reply);
}

static void refusals_and_replays(void **state)
{
    struct fixture *f = *state;
    Wire__OcsReply *reply = make(f, 3, 1, 1, 0, 1);

    assert_int_equal(reply->status, WIRE__OCS_STATUS__OCS_STALE_EPOCH); /* nobody claimed it */
    release(reply);
    claim(f, 3);
    release(make(f, 3, 1, 1, 0, 1));
    reply = make(f, 3, 1, 2, 1, 2);
    assert_int_equal(reply->status, WIRE__OCS_STATUS__OCS_WRONG_GENERATION);
    assert_int_equal(reply->identity->generation, 2);
    release(reply);
    reply = make(f, 3, 1, 1, 0, 1); /* sent again: its answer was lost */
    assert_int_equal(reply->status, WIRE__OCS_STATUS__OCS_OK);
    assert_true(reply->results[0]->replayed);
    assert_int_equal(reply->results[0]->status, WIRE__OCS_OP_STATUS__OCS_OP_DONE);
    assert_int_equal(reply->identity->generation, 2);
    release(reply);
    reply = make(f, 3, 2, 3, 0, 2);
    assert_int_equal(reply->results[0]->status, WIRE__OCS_OP_STATUS__OCS_OP_REFUSED_BUSY);
    assert_string_equal(reply->results[0]->text, "north port 0 is not free");
    release(reply);
    claim(f, 4);
    reply = make(f, 3, 2, 4, 1, 2);
    assert_int_equal(reply->status, WIRE__OCS_STATUS__OCS_STALE_EPOCH);
    assert_int_equal(reply->identity->epoch, 4);
    release(reply);
}

static void strangers_are_refused(void **state)
{
    struct fixture *f = *state;
    Wire__OcsRequest requests[4];
    static const Wire__OcsStatus want[] = {
        WIRE__OCS_STATUS__OCS_WRONG_VERSION, WIRE__OCS_STATUS__OCS_WRONG_TARGET,
        WIRE__OCS_STATUS__OCS_WRONG_TARGET, WIRE__OCS_STATUS__OCS_MALFORMED};

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        requests[i] = ocs_request(WIRE__OCS_REQUEST__BODY_READ, 0);
    }
    requests[0].version = 2;
    requests[1].pod = "other";
    requests[2].ocs = 10;
    requests[3].body_case = WIRE__OCS_REQUEST__BODY__NOT_SET;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct answer answer;
        Wire__OcsReply *reply = wait_for(f, ask_ocs(f, &answer, requests[i]));
        assert_int_equal(reply->status, want[i]);
        assert_int_equal(reply->identity->ocs, 9); /* always there */
        release(reply);
    }
}

static void what_comes_while_mirrors_move_waits(void **state)
{
    struct fixture *f = *state;
    struct answer first, second;
    uint32_t peer;
    unsigned port;

    claim(f, 3);
    ask_make(f, &first, 3, 1, 1, 0, 1);
    (void)ask_ocs(f, &second, ocs_request(WIRE__OCS_REQUEST__BODY_READ, 0));
    Wire__OcsReply *map = wait_for(f, &second);
    assert_true(first.done);
    assert_int_equal(map->map->n_circuits, 1);
    assert_true(world_peer(podsim_world(f->podsim), 3 + 4 + 32, 0, &peer, &port));
    release(map);
    release(first.message);
}

/* ------------------------------------------------------------- control -- */

/* The JSON, or NULL with the refusal in `text`. */
static json_t *control(struct fixture *f, char text[static TEXT_MAX], const char *line)
{
    struct answer answer = {.type = &wire__sim_reply__descriptor};
    Wire__SimRequest request = WIRE__SIM_REQUEST__INIT;
    char *copy = xstrdup(line), *words[8] = {NULL}, *save = NULL;
    size_t n = 0;

    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        words[n++] = word;
    }
    request.version = RPC_VERSION;
    request.command = words[0];
    request.args = words + 1;
    request.n_args = n - 1;
    rpc_call(f->control, &request.base, CALL_MS, on_answer, &answer);
    Wire__SimReply *reply = wait_for(f, &answer);
    json_t *json = reply->ok ? json_loads(reply->text, 0, NULL) : NULL;
    assert_true(!reply->ok || json != NULL);
    (void)snprintf(text, TEXT_MAX, "%s", reply->text);
    release(reply);
    free(copy);
    return json;
}

static void do_control(struct fixture *f, const char *line)
{
    char text[TEXT_MAX];
    json_t *json = control(f, text, line);
    assert_non_null(json);
    json_decref(json);
}

static void an_agent_restarts_and_remembers(void **state)
{
    struct fixture *f = *state;

    claim(f, 3);
    release(make(f, 3, 1, 1, 0, 1));
    do_control(f, "inject agent-restart ocs/9 --for 20ms");
    run_until_connected(f, f->ocs, false);
    run_until_connected(f, f->ocs, true);
    Wire__OcsReply *reply = make(f, 3, 1, 1, 0, 1);
    assert_true(reply->results[0]->replayed);
    assert_int_equal(reply->identity->epoch, 3);
    assert_int_equal(reply->results[0]->readback[0]->south, 1);
    release(reply);
}

static void power_lost_in_the_midst_of_a_batch(void **state)
{
    struct fixture *f = *state;
    struct answer lost;
    char before[40];

    claim(f, 3);
    (void)snprintf(before, sizeof before, "%s", podsim_world(f->podsim)->ocs[9].boot_id);
    ask_make(f, &lost, 3, 1, 1, 0, 1);
    do_control(f, "inject power-loss ocs/9");
    run_until(f, &lost.done);
    assert_int_equal(lost.status, E_UNREACHABLE);
    do_control(f, "heal ocs/9");
    run_until_connected(f, f->ocs, true);
    Wire__OcsReply *reply = call_ocs(f, WIRE__OCS_REQUEST__BODY_READ, 3); /* at once, not in 60 s */
    assert_int_equal(reply->map->n_circuits, 0);
    assert_string_not_equal(reply->identity->boot_id, before); /* D8 */
    assert_int_equal(reply->identity->epoch, 3);               /* D4 */
    assert_null(op_log_find(podsim_world(f->podsim)->ocs[9].log, 3, 1));
    release(reply);
}

static void commands_answer_json_or_say_what_is_wrong(void **state)
{
    static const struct {
        const char *line;
        const char *text; /* what it says: of the JSON, or of the refusal */
        bool ok;
    } rows[] = {
        {"status", "\"circuits\":0", true},
        {"kinds", "swapped-fibres", true},
        {"inject chip chip/0-1-1-1 --for 1h", "\"injected\":\"chip\"", true},
        {"inject loss port/9-n-1 --for 1h --set db=4", "\"id\":2", true},
        {"heal port/9-n-1", "\"healed\":1", true},
        {"heal all", "\"healed\":1", true},
        {"watch --since 1", "link/0-1-1-1+x", true},
        {"watch", "\"events\":[]", true},
        {"dump --tables --json", "\"boot_id\"", true},
        {"fly", "no command 'fly'; there are status", false},
        {"status now", "'now' is not understood", false},
        {"inject chip", "write: inject KIND TARGET", false},
        {"inject chip chip/0-0-0-0 --for soon", "'soon' is not a duration", false},
        {"inject chip chip/0-0-0-0 --fro 1s", "'--fro' is not understood", false},
        {"inject chip cube/0", "such as chip/5-3-0-2", false},
        {"heal cube/0", "cube/0 has no fault", false},
        {"send chip/0-0-0-0 cube/1", "cube/1 is no chip of this pod", false},
        {"send chip/0-0-0-0 chip/0-1-0-0", "no table for injected flits", false},
        {"watch --since x", "'x' is not a number", false},
    };
    struct fixture *f = *state;
    char text[TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *json = control(f, text, rows[i].line);
        assert_int_equal(json != NULL, rows[i].ok);
        assert_non_null(strstr(text, rows[i].text));
        json_decref(json);
    }
}

static bool lists_link(const json_t *list, const char *link)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), link) == 0) {
            return true;
        }
    }
    return false;
}

static void dump_is_the_truth(void **state)
{
    struct fixture *f = *state;
    char text[TEXT_MAX];

    claim(f, 3);
    release(make(f, 3, 1, 1, 0, 1));
    do_control(f, "inject ocs-port port/9-n-0");
    json_t *json = control(f, text, "dump");
    json_t *ocs = json_array_get(json_object_get(json, "ocs"), 9);
    json_t *circuit = json_array_get(json_object_get(ocs, "map"), 0);
    assert_int_equal(json_integer_value(json_array_get(circuit, 1)), 1);
    assert_int_equal(json_integer_value(json_object_get(ocs, "epoch")), 3);
    assert_int_equal(json_array_size(json_object_get(json, "neighbours")), 4 * 144 * 2);
    json_t *down = json_object_get(json, "down_links");
    assert_int_equal(json_array_size(down), 2);
    assert_true(lists_link(down, "link/0-3-1-2+x") && lists_link(down, "link/1-0-1-2-x"));
    json_decref(json);
}

/* -------------------------------------------------------------- fabric -- */

static Wire__FabricRequest fabric_request(Wire__FabricRequest__BodyCase body)
{
    Wire__FabricRequest request = WIRE__FABRIC_REQUEST__INIT;
    request.version = RPC_VERSION;
    request.pod = "test";
    request.body_case = body;
    return request;
}

static void ask_fabric(struct fixture *f, struct answer *answer, const Wire__FabricRequest *request)
{
    *answer = (struct answer){.type = &wire__fabric_reply__descriptor};
    rpc_call(f->fabric, &request->base, CALL_MS, on_answer, answer);
}

static void probes_answer_where_links_lead(void **state)
{
    struct fixture *f = *state;
    uint8_t hops[] = {0, 2, 0, 0, 0};
    Wire__FabricPath path[2] = {WIRE__FABRIC_PATH__INIT, WIRE__FABRIC_PATH__INIT};
    Wire__FabricPath *paths[] = {&path[0], &path[1]};
    Wire__FabricProbe probe = WIRE__FABRIC_PROBE__INIT;
    Wire__FabricRequest request = fabric_request(WIRE__FABRIC_REQUEST__BODY_PROBE);
    struct answer answer;

    path[0].hops = (ProtobufCBinaryData){.data = hops, .len = 2};
    path[1].hops = (ProtobufCBinaryData){.data = hops, .len = sizeof hops};
    probe.paths = paths;
    probe.n_paths = 2;
    request.probe = &probe;
    ask_fabric(f, &answer, &request);
    Wire__FabricReply *reply = wait_for(f, &answer);
    assert_int_equal(reply->status, WIRE__FABRIC_STATUS__FABRIC_OK);
    assert_true(reply->answers[0]->answered);
    assert_int_equal(reply->answers[0]->chip, 1 + 4);
    assert_int_equal(reply->answers[0]->up_mask, 0x1f); /* its -z face is dark */
    assert_int_equal(reply->answers[0]->enabled_mask, 0x3f);
    assert_int_equal(reply->answers[0]->peers[0], 2 + 4);
    assert_int_equal(reply->answers[0]->peer_ports.data[0], 1);
    assert_false(reply->answers[1]->answered); /* out at a dark face */
    release(reply);
}

static void ask_watch(struct fixture *f, struct answer *answer, uint64_t since, uint32_t host,
                      uint32_t timeout_ms)
{
    Wire__FabricWatch watch = WIRE__FABRIC_WATCH__INIT;
    Wire__FabricRequest request = fabric_request(WIRE__FABRIC_REQUEST__BODY_WATCH);

    watch.since = since;
    watch.hosts = &host;
    watch.n_hosts = 1;
    watch.timeout_ms = timeout_ms;
    request.watch = &watch;
    ask_fabric(f, answer, &request);
}

static void a_watch_is_held_until_its_host_has_news(void **state)
{
    struct fixture *f = *state;
    struct answer first, held, other;

    ask_watch(f, &first, 0, 0, 0);
    Wire__FabricReply *reply = wait_for(f, &first);
    uint64_t since = reply->events->next;
    release(reply);
    ask_watch(f, &held, since, 0, 10000);
    ask_watch(f, &other, since, 16 + 15, 50);
    do_control(f, "inject link link/0-1-1-0+x");
    reply = wait_for(f, &held);
    assert_int_equal(reply->events->n_events, 1); /* the other end is another host's */
    assert_int_equal(reply->events->events[0]->chip, 1 + 4);
    assert_int_equal(reply->events->events[0]->port, 0);
    assert_false(reply->events->events[0]->up);
    assert_int_equal(reply->events->next, since + 2);
    release(reply);
    reply = wait_for(f, &other); /* its time is up */
    assert_int_equal(reply->events->n_events, 0);
    assert_int_equal(reply->events->next, since + 2);
    release(reply);
    ask_watch(f, &held, since + 1000, 0, 10000); /* numbers of another incarnation */
    reply = wait_for(f, &held);
    assert_true(reply->events->lost);
    release(reply);
}

static void stale_writes_are_refused(void **state)
{
    struct fixture *f = *state;
    static const Wire__FabricStatus want[] = {WIRE__FABRIC_STATUS__FABRIC_OK,
                                              WIRE__FABRIC_STATUS__FABRIC_STALE,
                                              WIRE__FABRIC_STATUS__FABRIC_MALFORMED};
    static const uint64_t epochs[] = {2, 1, 0};

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        Wire__FabricStamp stamp = WIRE__FABRIC_STAMP__INIT;
        Wire__FabricPath path = WIRE__FABRIC_PATH__INIT;
        Wire__FabricSetPort set_port = WIRE__FABRIC_SET_PORT__INIT;
        Wire__FabricRequest request = fabric_request(WIRE__FABRIC_REQUEST__BODY_SET_PORT);
        struct answer answer;
        stamp.slice = "s";
        stamp.epoch = epochs[i];
        set_port.stamp = &stamp;
        set_port.path = &path;
        request.set_port = &set_port;
        ask_fabric(f, &answer, &request);
        Wire__FabricReply *reply = wait_for(f, &answer);
        assert_int_equal(reply->status, want[i]);
        release(reply);
    }
}

static void a_new_start_is_new_hardware(void **state)
{
    struct fixture *f = *state, *other;
    void *second;

    assert_int_equal(setup(&second), 0);
    other = second;
    const struct world *a = podsim_world(f->podsim), *b = podsim_world(other->podsim);
    assert_string_not_equal(a->ocs[0].boot_id, b->ocs[0].boot_id); /* D8 */
    assert_true(a->incarnation != b->incarnation);
    assert_int_equal(teardown(&second), 0);
}

#define TEST(name, before) cmocka_unit_test_setup_teardown(name, before, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_operation_end_to_end, setup),
        TEST(refusals_and_replays, setup),
        TEST(strangers_are_refused, setup),
        TEST(what_comes_while_mirrors_move_waits, setup_moving),
        TEST(an_agent_restarts_and_remembers, setup),
        TEST(power_lost_in_the_midst_of_a_batch, setup_slow),
        TEST(commands_answer_json_or_say_what_is_wrong, setup),
        TEST(dump_is_the_truth, setup),
        TEST(probes_answer_where_links_lead, setup),
        TEST(a_watch_is_held_until_its_host_has_news, setup),
        TEST(stale_writes_are_refused, setup),
        TEST(a_new_start_is_new_hardware, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
