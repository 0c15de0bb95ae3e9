/* tpunetd as a whole, in this process: podsim on one side, on the other a
 * podmgr whose every answer the test decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "podsim_fixture.h"
#include "tpunetd/links.h"
#include "tpunetd/route_store.h"
#include "tpunetd/tpunetd.h"

enum { CACHE_BYTES_MAX = 1 << 20 };
enum { CUBES = 2, VERDICTS_MAX = 16, LINKS_MAX = 64 };

struct seen_verdict {
    char slice[32], code[32], text[256];
    uint64_t epoch, generation;
    bool ok, check_only, degraded;
    uint32_t chips_found, mismatch_count, dead_links, vcs;
    double discovered_ms, proved_ms, installed_ms, retained;
};
struct seen_link {
    uint32_t chip, port;
    bool up;
};

struct fixture {
    struct podsim_fixture podsim;
#define loop      podsim.loop
#define timed_out podsim.timed_out
    struct rpc_server *podmgr;
    char *podmgr_url;
    struct tpunetd_config config;
    struct tpunetd daemon;
    /* how podmgr answers */
    Wire__AgentStatus hello_status, verdict_status;
    uint64_t epoch;
    struct rpc_request *poll; /* held */
    uint64_t next_seq;
    /* what it saw */
    unsigned hellos, polls;
    size_t hosts;
    uint64_t taken;
    struct seen_fence {
        uint64_t epoch, generation;
        size_t n;
        uint32_t chip;
        uint32_t port; /* of the first */
    } fenced;
    unsigned n_fenced;
    struct tpunetd next; /* once it was restarted */
    bool restarted;
    uint64_t says_epoch; /* in its answers, if not that of its commands */
    struct seen_verdict verdicts[VERDICTS_MAX];
    size_t n_verdicts;
    struct seen_link links[LINKS_MAX];
    size_t n_links;
};

/* --------------------------------------------------------------- podmgr -- */

static void answer(struct fixture *f, struct rpc_request *req, Wire__AgentStatus status,
                   Wire__AgentCommand *command)
{
    Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;

    reply.version = RPC_VERSION;
    reply.status = status;
    reply.epoch = f->says_epoch != 0 ? f->says_epoch : f->epoch;
    reply.n_commands = command != NULL;
    reply.commands = &command;
    rpc_reply(req, &reply.base);
}

static void see_verdict(struct fixture *f, const Wire__AgentVerdict *in)
{
    struct seen_verdict *out = &f->verdicts[f->n_verdicts++];

    assert_true(f->n_verdicts <= VERDICTS_MAX);
    (void)snprintf(out->slice, sizeof out->slice, "%s", in->slice);
    (void)snprintf(out->code, sizeof out->code, "%s", in->code);
    (void)snprintf(out->text, sizeof out->text, "%s", in->text);
    out->epoch = in->epoch;
    out->generation = in->generation;
    out->ok = in->ok;
    out->check_only = in->check_only;
    out->chips_found = in->chips_found;
    out->mismatch_count = in->mismatch_count;
    out->degraded = in->degraded;
    out->dead_links = in->dead_links;
    out->retained = in->retained;
    out->vcs = in->vcs;
    out->discovered_ms = in->discovered_ms;
    out->proved_ms = in->proved_ms;
    out->installed_ms = in->installed_ms;
}

static void see_links(struct fixture *f, const Wire__AgentLinks *in)
{
    for (size_t i = 0; i < in->n_links; i++) {
        const Wire__AgentLink *link = in->links[i];
        assert_true(f->n_links < LINKS_MAX);
        f->links[f->n_links++] = (struct seen_link){link->chip, link->port, link->up};
    }
}

static void on_request(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    struct fixture *f = arg;
    Wire__AgentRequest *in = wire__agent_request__unpack(NULL, len, body);

    assert_non_null(in);
    assert_string_equal(in->pod, "test");
    assert_string_equal(in->agent, "tpunetd/one");
    assert_true(in->instance != 0);
    switch (in->body_case) {
    case WIRE__AGENT_REQUEST__BODY_HELLO:
        f->hellos++;
        f->hosts = in->hello->n_hosts;
        answer(f, req, f->hello_status, NULL);
        break;
    case WIRE__AGENT_REQUEST__BODY_POLL:
        assert_null(f->poll); /* one at a time */
        f->polls++;
        f->taken = in->poll->taken;
        f->poll = req;
        break;
    case WIRE__AGENT_REQUEST__BODY_VERDICT:
        see_verdict(f, in->verdict);
        answer(f, req, f->verdict_status, NULL);
        f->verdict_status = WIRE__AGENT_STATUS__AGENT_OK;
        break;
    case WIRE__AGENT_REQUEST__BODY_LINKS:
        see_links(f, in->links);
        answer(f, req, WIRE__AGENT_STATUS__AGENT_OK, NULL);
        break;
    case WIRE__AGENT_REQUEST__BODY_FENCED:
        f->n_fenced++;
        f->fenced =
            (struct seen_fence){in->fenced->epoch, in->fenced->generation, in->fenced->n_ports,
                                in->fenced->ports[0]->chip, in->fenced->ports[0]->port};
        answer(f, req, WIRE__AGENT_STATUS__AGENT_OK, NULL);
        break;
    case WIRE__AGENT_REQUEST__BODY__NOT_SET:
    case _WIRE__AGENT_REQUEST__BODY__CASE_IS_INT_SIZE:
        fail();
    }
    wire__agent_request__free_unpacked(in, NULL);
}

static void command(struct fixture *f, Wire__AgentCommand *what)
{
    struct rpc_request *poll;

    LOOP_UNTIL(f, f->poll != NULL);
    poll = f->poll;
    f->poll = NULL;
    what->sequence = ++f->next_seq;
    answer(f, poll, WIRE__AGENT_STATUS__AGENT_OK, what);
}

/* A 4x4x4 on cube 0, degraded if there is a link that may be dead. */
static void bring_up_around(struct fixture *f, char *slice, uint64_t generation, bool check_only,
                            Wire__AgentLinkEnd *dead)
{
    Wire__AgentCommand what = WIRE__AGENT_COMMAND__INIT;
    Wire__AgentBringUp up = WIRE__AGENT_BRING_UP__INIT;
    uint32_t cubes[] = {0};

    up.slice = slice;
    up.epoch = f->epoch;
    up.generation = generation;
    up.topology = (char[]){"4x4x4"};
    up.n_cubes = 1;
    up.cubes = cubes;
    up.coordinator = 5;
    up.check_only = check_only;
    up.pod_cubes = CUBES;
    up.ports_per_side = CUBES + 4;
    up.vc_classes = 3;
    up.accept_degraded = dead != NULL;
    up.n_dead_links = dead != NULL;
    up.dead_links = &dead;
    what.body_case = WIRE__AGENT_COMMAND__BODY_BRING_UP;
    what.bring_up = &up;
    command(f, &what);
}

static void bring_up(struct fixture *f, char *slice, uint64_t generation, bool check_only)
{
    bring_up_around(f, slice, generation, check_only, NULL);
}

static void release(struct fixture *f, char *slice, uint64_t generation)
{
    Wire__AgentCommand what = WIRE__AGENT_COMMAND__INIT;
    Wire__AgentRelease body = WIRE__AGENT_RELEASE__INIT;

    body.slice = slice;
    body.epoch = f->epoch;
    body.generation = generation;
    what.body_case = WIRE__AGENT_COMMAND__BODY_RELEASE;
    what.release = &body;
    command(f, &what);
}

static void fence(struct fixture *f, uint32_t chip, uint32_t port, uint64_t generation)
{
    Wire__AgentCommand what = WIRE__AGENT_COMMAND__INIT;
    Wire__AgentFence body = WIRE__AGENT_FENCE__INIT;
    Wire__AgentLinkEnd end = WIRE__AGENT_LINK_END__INIT, *ends[] = {&end};

    end.chip = chip;
    end.port = port;
    body.epoch = f->epoch;
    body.generation = generation;
    body.n_ports = 1;
    body.ports = ends;
    what.body_case = WIRE__AGENT_COMMAND__BODY_FENCE;
    what.fence = &body;
    command(f, &what);
}

/* Waits for the next verdict. */
static const struct seen_verdict *verdict(struct fixture *f)
{
    size_t before = f->n_verdicts;

    LOOP_UNTIL(f, f->n_verdicts > before);
    return &f->verdicts[before];
}

/* -------------------------------------------------------------- fixture -- */

static void podmgr_open(struct fixture *f)
{
    struct error err;

    assert_int_equal(
        rpc_server_create(&f->podmgr, &f->loop, f->podmgr_url, RPC_MAX_BYTES, on_request, f, &err),
        0);
}

static void podmgr_close(struct fixture *f)
{
    if (f->poll != NULL) {
        rpc_drop(f->poll);
        f->poll = NULL;
    }
    rpc_server_destroy(f->podmgr);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct error err;

    podsim_fixture_init(&f->podsim, CUBES);
    for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
        sim_join(&f->podsim.sim, axis, 0, 0);
    }
    f->podmgr_url = podsim_fixture_url(&f->podsim, "podmgr");
    f->epoch = 1;
    podmgr_open(f);
    (void)snprintf(f->config.pod, sizeof f->config.pod, "test");
    (void)snprintf(f->config.name, sizeof f->config.name, "one");
    f->config.fabric_url = xstrdup(f->podsim.sim.config.fabric_url);
    f->config.podmgr_url = xstrdup(f->podmgr_url);
    f->config.route_cache = xasprintf("%s/routes", f->podsim.dir);
    f->config.epoch_file = xasprintf("%s/epoch", f->podsim.dir);
    assert_int_equal(tpunetd_parse_hosts(&f->config, "all", CUBES, &err), 0);
    assert_int_equal(tpunetd_start(&f->daemon, &f->loop, &f->config, &err), 0);
    LOOP_UNTIL(f, f->poll != NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tpunetd_stop(f->restarted ? &f->next : &f->daemon);
    podmgr_close(f);
    podsim_fixture_fini(&f->podsim);
    tpunetd_fini(&f->daemon);
    if (f->restarted) {
        tpunetd_fini(&f->next);
    }
    (void)unlink(f->config.route_cache);
    (void)unlink(f->config.epoch_file); /* the last in the directory */
    (void)rmdir(f->podsim.dir);
    tpunetd_config_fini(&f->config);
    free(f->podmgr_url);
    free(f);
    return 0;
}

/* ---------------------------------------------------------------- cases -- */

static void brings_a_slice_up(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->hellos, 1);
    assert_int_equal(f->hosts, CUBES * TPUNET_CUBE_HOSTS);
    bring_up(f, "1-1", 7, false);
    const struct seen_verdict *v = verdict(f);
    assert_true(v->ok);
    assert_string_equal(v->slice, "1-1");
    assert_int_equal(v->generation, 7);
    assert_int_equal(v->chips_found, 64);
    assert_true(v->discovered_ms > 0 && v->proved_ms > 0 && v->installed_ms > 0);
    LOOP_UNTIL(f, f->taken == 1);
}

static void says_what_is_wrong(void **state)
{
    struct fixture *f = *state;

    assert_true(sim_break(&f->podsim.sim, "link", "link/0-1-1-1+x", NULL, NULL) >= 0);
    bring_up(f, "1-1", 7, false);
    const struct seen_verdict *v = verdict(f);
    assert_false(v->ok);
    assert_string_equal(v->code, "mismatch");
    assert_int_equal(v->mismatch_count, 1);
    assert_non_null(strstr(v->text, "chip/0-1-1-1"));
}

static void goes_around_accepted_links(void **state)
{
    struct fixture *f = *state;
    Wire__AgentLinkEnd dead = WIRE__AGENT_LINK_END__INIT;

    dead.chip = 1 + 4 * 1 + 16 * 1;
    dead.port = TPUNET_XP;
    assert_true(sim_break(&f->podsim.sim, "link", "link/0-1-1-1+x", NULL, NULL) >= 0);
    bring_up_around(f, "1-1", 7, false, &dead);
    const struct seen_verdict *v = verdict(f);
    assert_true(v->ok);
    assert_true(v->degraded);
    assert_int_equal(v->dead_links, 1);
    assert_int_equal(v->vcs, 3);
    assert_true(v->retained > 0.6 && v->retained < 1);
    dead.port = TPUNET_YM; /* another link: the dead one was not accepted */
    bring_up_around(f, "1-1", 8, false, &dead);
    assert_string_equal(verdict(f)->code, "mismatch");
    dead.port = 256; /* no port, and not port 0 either */
    bring_up_around(f, "1-1", 9, false, &dead);
    assert_string_equal(verdict(f)->code, "invalid");
}

/* Which axes of the 4x4x4 the file has solutions for, as a mask. */
static unsigned axes_on_file(const char *file)
{
    struct tpunet_route_cache *cache;
    struct tpunet_route_key key = {.shape = {.dim = {4, 4, 4}}, .n_vcs = 3, .neighbour_weight = 1};
    struct error err;
    uint8_t *bytes;
    size_t len;
    unsigned mask = 0;

    assert_int_equal(file_read(file, CACHE_BYTES_MAX, &bytes, &len, &err), 0);
    if (bytes == NULL) {
        return 0;
    }
    assert_int_equal(tpunet_route_cache_create(&cache, CACHE_BYTES_MAX, NULL), 0);
    assert_int_equal(tpunet_route_cache_load(cache, bytes, len, NULL), 0);
    for (; key.axis < TPUNET_AXES; key.axis++) {
        mask |= (unsigned)(tpunet_route_cache_lookup(cache, &key) != NULL) << key.axis;
    }
    tpunet_route_cache_destroy(cache);
    free(bytes);
    return mask;
}

static void full_routes_prepare_for_dead_switches(void **state)
{
    struct fixture *f = *state;

    bring_up(f, "1-1", 7, true);
    assert_true(verdict(f)->check_only);
    assert_int_equal(axes_on_file(f->config.route_cache), 0);
    bring_up(f, "1-1", 7, false);
    assert_true(verdict(f)->ok);
    LOOP_UNTIL(f, axes_on_file(f->config.route_cache) == 7);
}

/* ocs/32 has one circuit of a slice of one cube. */
static void routes_around_a_switch_are_kept(void **state)
{
    struct fixture *f = *state;
    Wire__AgentLinkEnd dead = WIRE__AGENT_LINK_END__INIT;

    dead.chip = 16 * (TPUNET_CUBE_DIM - 1);
    dead.port = TPUNET_ZP;
    bring_up_around(f, "1-1", 7, false, &dead);
    const struct seen_verdict *v = verdict(f);
    assert_true(v->ok && v->degraded);
    LOOP_UNTIL(f, axes_on_file(f->config.route_cache) == 4);
}

/* What a store that begins with these bytes (NULL: no file) leaves behind. */
static unsigned axes_after(const char *file, const uint8_t *bytes, size_t len, bool prepare)
{
    const struct tpunet_shape shape = {.dim = {4, 4, 4}};
    struct error err;
    uv_loop_t loop_of_store;

    (void)unlink(file);
    if (bytes != NULL) {
        assert_int_equal(file_replace(file, bytes, len, &err), 0);
    }
    assert_int_equal(uv_loop_init(&loop_of_store), 0);
    struct route_store *s = route_store_create(&loop_of_store, file);
    if (prepare) {
        route_store_prepare(s, &shape, 3);
        route_store_prepare(s, &shape, 0); /* the same */
        (void)uv_run(&loop_of_store, UV_RUN_DEFAULT);
    }
    route_store_stop(s);
    (void)uv_run(&loop_of_store, UV_RUN_DEFAULT);
    route_store_destroy(s);
    assert_int_equal(uv_loop_close(&loop_of_store), 0);
    return axes_on_file(file);
}

static void damaged_routes_are_solved_anew(void **state)
{
    char dir[] = "/tmp/podmgr-test-XXXXXX";
    struct error err;
    uint8_t *bytes;
    size_t len;

    (void)state;
    assert_non_null(mkdtemp(dir));
    char *file = xasprintf("%s/routes", dir);
    assert_int_equal(axes_after(file, NULL, 0, false), 0);
    assert_int_equal(axes_after(file, NULL, 0, true), 7);
    assert_int_equal(file_read(file, CACHE_BYTES_MAX, &bytes, &len, &err), 0);
    assert_int_equal(axes_after(file, bytes, len, false), 7); /* left alone */
    bytes[len / 2] ^= 1;
    assert_int_equal(axes_after(file, bytes, len, true), 7);
    assert_int_equal(axes_after(file, bytes, 0, true), 7);
    free(bytes);
    assert_int_equal(file_read(file, len - 1, &bytes, &len, &err), E_IO);
    assert_null(bytes);
    (void)unlink(file);
    (void)rmdir(dir);
    free(file);
}

/* A refused report beside a held poll once left the daemon mute. */
static void reports_until_acknowledged(void **state)
{
    struct fixture *f = *state;

    f->verdict_status = WIRE__AGENT_STATUS__AGENT_SAY_HELLO;
    bring_up(f, "1-1", 7, false);
    LOOP_UNTIL(f, f->n_verdicts == 2);
    assert_int_equal(f->hellos, 2);
    assert_string_equal(f->verdicts[1].slice, "1-1");
    assert_int_equal(f->verdicts[1].generation, 7);
}

static void refused_reports_are_dropped(void **state)
{
    struct fixture *f = *state;

    f->verdict_status = WIRE__AGENT_STATUS__AGENT_MALFORMED;
    bring_up(f, "1-1", 7, false);
    (void)verdict(f);
    bring_up(f, "1-1", 8, false);
    assert_int_equal(verdict(f)->generation, 8);
    assert_int_equal(f->n_verdicts, 2);
}

static void reports_to_the_next_podmgr(void **state)
{
    struct fixture *f = *state;
    unsigned polls = f->polls;

    bring_up(f, "1-1", 7, false);
    LOOP_UNTIL(f, f->polls > polls); /* the command was taken */
    podmgr_close(f);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT); /* its socket file goes */
    f->n_verdicts = 0;                     /* heard or not, it was not acknowledged */
    f->epoch = 2;
    f->next_seq = 0;
    podmgr_open(f);
    LOOP_UNTIL(f, f->hellos == 2 && f->poll != NULL);
    if (f->n_verdicts == 0) {
        bring_up(f, "1-1", 7, true);
    }
    LOOP_UNTIL(f, f->n_verdicts > 0);
    assert_true(f->verdicts[0].ok);
}

static void repeated_command_repeats_the_verdict(void **state)
{
    struct fixture *f = *state;

    bring_up(f, "1-1", 7, false);
    double first = verdict(f)->installed_ms;
    bring_up(f, "1-1", 7, false);
    const struct seen_verdict *v = verdict(f);
    assert_true(v->ok);
    assert_true(v->installed_ms == first); /* not carried out again */
}

static void older_commands_are_stale(void **state)
{
    struct fixture *f = *state;

    f->epoch = 3;
    bring_up(f, "1-1", 7, false);
    assert_true(verdict(f)->ok);
    bring_up(f, "1-1", 6, false);
    assert_string_equal(verdict(f)->code, "stale");
    f->says_epoch = 3; /* one that was on its way */
    f->epoch = 2;
    bring_up(f, "1-2", 9, false);
    assert_string_equal(verdict(f)->code, "stale");
    fence(f, 3, TPUNET_XP, 9);
    f->epoch = 3;
    fence(f, 7, TPUNET_XP, 10);
    LOOP_UNTIL(f, f->n_fenced == 1);
    assert_int_equal(f->fenced.chip, 7); /* chip 3 was never written to and would have obeyed */
    assert_int_equal(f->podsim.sim.w->chips[3].disabled_mask, 0);
}

static void restart_daemon(struct fixture *f)
{
    struct error err;

    tpunetd_stop(&f->daemon);
    if (f->poll != NULL) {
        rpc_drop(f->poll);
        f->poll = NULL;
    }
    f->restarted = true;
    assert_int_equal(tpunetd_start(&f->next, &f->loop, &f->config, &err), 0);
}

/* A deposed podmgr that is still there must not get a tpunetd that was restarted. */
static void over_a_restart_no_older_podmgr_is_obeyed(void **state)
{
    struct fixture *f = *state;

    f->epoch = 3;
    bring_up(f, "1-1", 7, true);
    (void)verdict(f);
    f->epoch = 2;
    f->hellos = 0;
    restart_daemon(f);
    LOOP_UNTIL(f, f->hellos == 2); /* greeted, not accepted, greeted again */
    assert_null(f->poll);
    f->epoch = 3;
    LOOP_UNTIL(f, f->poll != NULL);
}

/* Generations begin anew with an epoch; the check carries the old one. */
static void check_does_not_fence(void **state)
{
    struct fixture *f = *state;

    bring_up(f, "1-1", 7, false);
    assert_true(verdict(f)->ok);
    f->epoch = 2;
    bring_up(f, "1-1", 7, true);
    const struct seen_verdict *v = verdict(f);
    assert_true(v->ok && v->check_only);
    bring_up(f, "1-1", 3, false);
    assert_true(verdict(f)->ok);
}

static void nonsense_is_invalid(void **state)
{
    struct fixture *f = *state;
    Wire__AgentCommand what = WIRE__AGENT_COMMAND__INIT;
    Wire__AgentBringUp up = WIRE__AGENT_BRING_UP__INIT;

    up.slice = (char[]){"1-1"};
    up.epoch = 1;
    up.topology = (char[]){"4x4x5"};
    up.pod_cubes = up.ports_per_side = CUBES;
    what.body_case = WIRE__AGENT_COMMAND__BODY_BRING_UP;
    what.bring_up = &up;
    command(f, &what);
    assert_string_equal(verdict(f)->code, "invalid");
    bring_up(f, "1-1", 1, false); /* and the daemon goes on */
    assert_true(verdict(f)->ok);
}

static void links_of_slices_are_reported(void **state)
{
    struct fixture *f = *state;

    bring_up(f, "1-1", 7, false);
    (void)verdict(f);
    assert_true(sim_break(&f->podsim.sim, "link", "link/0-1-1-1+x", NULL, NULL) >= 0);
    LOOP_UNTIL(f, f->n_links == 2); /* from both ends */
    assert_false(f->links[0].up || f->links[1].up);
    assert_int_equal(f->links[0].chip, sim_chip("chip/0-1-1-1"));
    assert_int_equal(f->links[0].port, TPUNET_XP);
    assert_int_equal(f->links[1].chip, sim_chip("chip/0-2-1-1"));
    assert_true(sim_heal(&f->podsim.sim, "all") >= 0);
    LOOP_UNTIL(f, f->n_links == 4);
    assert_true(f->links[2].up && f->links[3].up);
}

static void links_of_others_are_not(void **state)
{
    struct fixture *f = *state;

    bring_up(f, "1-1", 7, false);
    (void)verdict(f);
    release(f, "1-1", 7);
    LOOP_UNTIL(f, f->taken == 2);
    assert_true(sim_break(&f->podsim.sim, "link", "link/0-1-1-1+x", NULL, NULL) >= 0);
    assert_true(sim_break(&f->podsim.sim, "link", "link/1-1-1-1+x", NULL, NULL) >= 0);
    assert_true(sim_heal(&f->podsim.sim, "all") >= 0);
    bring_up(f, "1-2", 8, false);
    assert_true(verdict(f)->ok);
    /* A report would have come with the looks that this change takes. */
    assert_true(sim_break(&f->podsim.sim, "link", "link/0-0-1-1+x", NULL, NULL) >= 0);
    LOOP_UNTIL(f, f->n_links == 2);
    assert_int_equal(f->links[0].chip, sim_chip("chip/0-0-1-1"));
}

static void stops_in_the_middle(void **state)
{
    struct fixture *f = *state;
    size_t polls = f->polls;

    bring_up(f, "1-1", 7, false);
    LOOP_UNTIL(f, f->polls > polls); /* begun; teardown ends it */
}

/* ------------------------------------------------------- without a loop -- */

static void host_lists(void **state)
{
    static const struct {
        const char *text;
        int n, first, last; /* n < 0: refused */
    } rows[] = {
        {"all", 32, 0, 31},         {"0-3", 1, 3, 3},        {"0-0..1-15", 32, 0, 31},
        {"1-2,0-1..0-2", 3, 1, 18}, {"0-1,0-1", 1, 1, 1},    {"", -1, 0, 0},
        {"2-0", -1, 0, 0},          {"0-16", -1, 0, 0},      {"1-0..0-0", -1, 0, 0},
        {"0-0,", -1, 0, 0},         {"0-0...1-0", -1, 0, 0},
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tpunetd_config config = {.n_hosts = 0};
        int status = tpunetd_parse_hosts(&config, rows[i].text, CUBES, &err);
        assert_int_equal(status < 0, rows[i].n < 0);
        if (status == 0) {
            assert_int_equal(config.n_hosts, rows[i].n);
            assert_int_equal(config.hosts[0], rows[i].first);
            assert_int_equal(config.hosts[config.n_hosts - 1], rows[i].last);
        }
        tpunetd_config_fini(&config);
    }
}

static void links_are_a_state(void **state)
{
    static const uint16_t cubes[] = {3, 1};
    struct tpunet_shape shape;
    struct tpunet_intent *intent;
    struct slice_links links;
    uint32_t at = 0, logical;
    unsigned port;
    bool up;

    (void)state;
    assert_int_equal(tpunet_shape_parse(&shape, "4x4x8", true, NULL), 0);
    assert_int_equal(tpunet_intent_create(&intent, &shape, cubes, 2, NULL), 0);
    assert_int_equal(slice_links_init(&links, intent, NULL), 0);
    for (uint32_t i = 0; i < 128; i++) {
        assert_int_equal(slice_logical(intent, slice_chip(intent, i)), i);
    }
    assert_int_equal(slice_logical(intent, 0), TPUNET_NONE);

    assert_false(slice_links_see(&links, 100, 2, true, 1)); /* no news */
    assert_true(slice_links_see(&links, 100, 2, false, 2));
    assert_true(slice_links_untold(&links, &at, &logical, &port, &up));
    assert_true(logical == 100 && port == 2 && !up);
    assert_false(slice_links_untold(&links, &at, &logical, &port, &up));
    slice_links_tell(&links, 100, 2, false);
    at = 0;
    assert_false(slice_links_untold(&links, &at, &logical, &port, &up));
    assert_true(slice_links_see(&links, 100, 2, true, 3)); /* there and back: nothing to tell */
    slice_links_tell(&links, 100, 2, true);
    assert_false(slice_links_untold(&links, &at, &logical, &port, &up));

    (void)slice_links_see(&links, 7, 0, false, 4); /* a new podmgr knows of neither */
    slice_links_tell(&links, 7, 0, false);
    (void)slice_links_see(&links, 9, 1, false, 4);
    slice_links_tell(&links, 9, 1, false);
    slice_links_tell_again(&links);
    (void)slice_links_see(&links, 9, 1, true,
                          5); /* the old one, which may be this one, has it down */
    at = 0;
    assert_true(slice_links_untold(&links, &at, &logical, &port, &up));
    assert_true(logical == 7 && port == 0 && !up);
    slice_links_tell(&links, 7, 0, false);
    assert_true(slice_links_untold(&links, &at, &logical, &port, &up));
    assert_true(logical == 9 && port == 1 && up);
    slice_links_tell(&links, 9, 1, true);
    at = 0;
    assert_false(slice_links_untold(&links, &at, &logical, &port, &up));
    slice_links_fini(&links);
    tpunet_intent_destroy(intent);
}

static void meshes_have_borders(void **state)
{
    static const uint16_t cubes[] = {2};
    struct tpunet_shape shape;
    struct tpunet_intent *intent;
    struct slice_links links;

    (void)state;
    assert_int_equal(tpunet_shape_parse(&shape, "2x2x4", false, NULL), 0);
    assert_int_equal(tpunet_intent_create(&intent, &shape, cubes, 1, NULL), 0);
    intent->origin[1] = 2;
    assert_int_equal(slice_links_init(&links, intent, NULL), 0);
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(slice_logical(intent, slice_chip(intent, i)), i);
    }
    assert_int_equal(slice_chip(intent, 0), 2 * 64 + 8);
    assert_int_equal(slice_logical(intent, 2 * 64), TPUNET_NONE);      /* below it */
    assert_int_equal(slice_logical(intent, 2 * 64 + 10), TPUNET_NONE); /* beside it */
    assert_false(slice_links_see(&links, 0, TPUNET_XM, false, 1));
    assert_true(slice_links_see(&links, 0, TPUNET_XP, false, 1));
    slice_links_fini(&links);
    tpunet_intent_destroy(intent);
}

static void ports_are_disabled_on_command(void **state)
{
    struct fixture *f = *state;
    const struct sim_chip *chip = &f->podsim.sim.w->chips[3];

    fence(f, 3, TPUNET_XP, 9);
    LOOP_UNTIL(f, f->n_fenced == 1);
    assert_int_equal(f->fenced.epoch, f->epoch);
    assert_int_equal(f->fenced.generation, 9);
    assert_int_equal(f->fenced.n, 1);
    assert_int_equal(f->fenced.chip, 3);
    assert_int_equal(f->fenced.port, TPUNET_XP);
    assert_int_equal(chip->disabled_mask, 1U << TPUNET_XP);
    fence(f, 3, TPUNET_YP, 8); /* older than what the chip holds */
    fence(f, 7, TPUNET_XP, 10);
    LOOP_UNTIL(f, f->n_fenced == 2);
    assert_int_equal(f->fenced.chip, 7); /* of the other there is nothing to say */
    assert_int_equal(chip->disabled_mask, 1U << TPUNET_XP);
}

#undef loop
#undef timed_out

int main(void)
{
#define LIVE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(brings_a_slice_up),
        LIVE(says_what_is_wrong),
        LIVE(goes_around_accepted_links),
        LIVE(full_routes_prepare_for_dead_switches),
        LIVE(routes_around_a_switch_are_kept),
        LIVE(reports_until_acknowledged),
        LIVE(refused_reports_are_dropped),
        LIVE(reports_to_the_next_podmgr),
        LIVE(repeated_command_repeats_the_verdict),
        LIVE(older_commands_are_stale),
        LIVE(over_a_restart_no_older_podmgr_is_obeyed),
        LIVE(check_does_not_fence),
        LIVE(nonsense_is_invalid),
        LIVE(links_of_slices_are_reported),
        LIVE(links_of_others_are_not),
        LIVE(stops_in_the_middle),
        LIVE(ports_are_disabled_on_command),
        cmocka_unit_test(damaged_routes_are_solved_anew),
        cmocka_unit_test(host_lists),
        cmocka_unit_test(links_are_a_state),
        cmocka_unit_test(meshes_have_borders),
    };
#undef LIVE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
