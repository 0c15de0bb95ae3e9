/* Link changes of our hosts, by long polls on the chips' endpoint, passed on
 * for the slices that we watch.
 *
 * Looks are a few milliseconds apart, so that a burst of changes is one
 * answer, and what changed and changed back meanwhile is no change.  After a
 * look that brought something the next one does not wait: what podmgr hears is
 * then as new as can be.  When events were lost, or the numbering began anew,
 * events alone do not tell how the links are: the chips are asked. */
#include <stdlib.h>
#include <string.h>

#include "fabric.pb-c.h"
#include "log.h"
#include "mem.h"
#include "tpunetd.h"

enum { HOLD_MS = 10000, SLACK_MS = 5000, PACE_MS = 5, RETRY_MS = 500 };

struct watch {
    struct tpunetd *t;
    uv_timer_t timer; /* the next look */
    bool stopped;
    bool asking;    /* a look is under way */
    bool busy;      /* the last look brought something */
    bool unsure;    /* the chips have to be asked */
    bool probing;   /* they are */
    uint64_t since; /* 0: from now on */
    uint64_t incarnation;
    struct fabric_session session;
    struct tpunet_path *paths;
    struct tpunet_probe_answer *answers;
    size_t n_probes;
};

static void look(struct watch *w);

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

static void look_again(struct watch *w, unsigned in_ms)
{
    if (!w->stopped) {
        (void)uv_timer_start(&w->timer, on_timer, in_ms, 0);
    }
}

/* ------------------------------------------------------------ asking chips -- */

static bool is_local(const struct tpunetd_config *config, uint32_t number)
{
    struct tpunet_chip chip = tpunet_chip_of(number);
    unsigned host = chip.cube * (unsigned)TPUNET_CUBE_HOSTS + tpunet_chip_host(chip);

    for (size_t i = 0; i < config->n_hosts; i++) {
        if (config->hosts[i] == host) {
            return true;
        }
    }
    return false;
}

/* A chip that does not answer has all its links down. */
static void take_probes(struct watch *w)
{
    int64_t wall_ms = clock_read().wall.ms;

    for (size_t i = 0; i < w->n_probes; i++) {
        for (unsigned p = 0; p < TPUNET_PORTS; p++) {
            jobs_see_link(w->t->jobs, w->paths[i].entry, p,
                          w->answers[i].answered && w->answers[i].port[p].up, wall_ms);
        }
    }
}

static void on_probed(void *arg, int status)
{
    struct watch *w = arg;

    w->probing = false;
    if (!w->stopped && status == 0) {
        take_probes(w);
        agent_wake(w->t->agent);
    }
    w->unsure = w->unsure || status != 0;
    look_again(w, status == 0 ? PACE_MS : RETRY_MS);
}

/* Beside a look that waits: both come from one server, in the order in which it
 * saw things.  Who becomes unsure meanwhile asks again. */
static void ask_chips(struct watch *w)
{
    size_t n;

    w->unsure = false;
    uint32_t *chips = jobs_chips(w->t->jobs, &n);

    free(w->paths);
    free(w->answers);
    w->paths = xcalloc(n, sizeof *w->paths);
    w->answers = xcalloc(n, sizeof *w->answers);
    w->n_probes = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_local(w->t->config, chips[i])) {
            w->paths[w->n_probes++].entry = chips[i];
        }
    }
    free(chips);
    if (w->n_probes == 0) {
        return;
    }
    log_info("watch", "asking %zu chips how their links are", w->n_probes);
    fabric_session_init(&w->session, w->t->fabric);
    w->probing = true;
    (void)w->session.seam.probe(w->session.seam.ctx, w->paths, w->n_probes, w->answers, on_probed,
                                w);
}

/* ----------------------------------------------------------------- looking -- */

static void take_events(struct watch *w, const Wire__FabricEvents *events)
{
    int64_t wall_ms = clock_read().wall.ms;

    for (size_t i = 0; i < events->n_events; i++) {
        const Wire__FabricLinkEvent *ev = events->events[i];
        if (ev->chip < TPUNET_CHIPS_MAX && ev->port < TPUNET_PORTS) {
            jobs_see_link(w->t->jobs, ev->chip, ev->port, ev->up, wall_ms);
        }
    }
    w->since = events->next;
    w->busy = events->n_events > 0;
    w->unsure =
        w->unsure || events->lost || (w->incarnation != 0 && w->incarnation != events->incarnation);
    w->incarnation = events->incarnation;
}

static void on_reply(void *arg, int status, const uint8_t *body, size_t len)
{
    struct watch *w = arg;
    Wire__FabricReply *reply =
        status == 0 ? rpc_unpack(&wire__fabric_reply__descriptor, body, len) : NULL;
    bool good = reply != NULL && reply->events != NULL;

    w->asking = false;
    if (good && !w->stopped) {
        take_events(w, reply->events);
        agent_wake(w->t->agent);
    }
    if (reply != NULL) {
        wire__fabric_reply__free_unpacked(reply, NULL);
    }
    look_again(w, good ? PACE_MS : RETRY_MS);
}

static void look(struct watch *w)
{
    Wire__FabricWatch body = WIRE__FABRIC_WATCH__INIT;
    Wire__FabricRequest request = WIRE__FABRIC_REQUEST__INIT;
    const struct tpunetd_config *config = w->t->config;
    struct rpc_client *client = fabric_nng_client(w->t->fabric);

    if (!rpc_client_connected(client)) {
        return; /* watch_resume() begins again */
    }
    if (w->unsure && !w->probing) {
        ask_chips(w);
    }
    if (w->asking) {
        return;
    }
    body.since = w->since;
    body.timeout_ms = w->busy ? 0 : HOLD_MS;
    body.hosts = xcalloc(config->n_hosts, sizeof *body.hosts);
    for (size_t i = 0; i < config->n_hosts; i++) {
        body.hosts[i] = config->hosts[i];
    }
    body.n_hosts = config->n_hosts;
    request.version = RPC_VERSION;
    request.pod = (char *)(uintptr_t)config->pod;
    request.body_case = WIRE__FABRIC_REQUEST__BODY_WATCH;
    request.watch = &body;
    w->asking = true;
    rpc_call(client, &request.base, body.timeout_ms + SLACK_MS, on_reply, w);
    free(body.hosts);
}

void watch_ask_chips(struct watch *w)
{
    w->unsure = true;
    look(w);
}

void watch_resume(struct watch *w)
{
    look(w);
}

struct watch *watch_create(struct tpunetd *t)
{
    struct watch *w = xcalloc(1, sizeof *w);

    w->t = t;
    (void)uv_timer_init(t->loop, &w->timer);
    w->timer.data = w;
    look_again(w, 0);
    return w;
}

void watch_stop(struct watch *w)
{
    w->stopped = true;
    uv_close((uv_handle_t *)&w->timer, NULL);
}

void watch_fini(struct watch *w)
{
    free(w->paths);
    free(w->answers);
    free(w);
}
