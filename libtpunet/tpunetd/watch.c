/* Link changes of our hosts, by long polls on the fabric: numbered, so none is
 * missed, and passed on for the slices that we coordinate. */
#include <stdlib.h>
#include <string.h>

#include "fabric.pb-c.h"
#include "log.h"
#include "mem.h"
#include "tpunetd.h"

enum { HOLD_MS = 10000, CALL_MS = 15000, RETRY_MS = 500 };

struct watch {
    struct tpunetd *t;
    uint64_t since;              /* 0: from now on */
    uint64_t incarnation;
    bool asking;
    uv_timer_t retry;
};

static void ask(struct watch *w);

static void report(struct watch *w, const Wire__FabricEvents *events)
{
    Wire__AgentLinks links = WIRE__AGENT_LINKS__INIT;
    Wire__AgentLink *store = xcalloc(events->n_events, sizeof *store);
    int64_t wall_ms = clock_read().wall.ms;

    links.links = xcalloc(events->n_events, sizeof *links.links);
    for (size_t i = 0; i < events->n_events; i++) {
        const Wire__FabricLinkEvent *ev = events->events[i];
        const char *slice = jobs_slice_of(w->t->jobs, ev->chip);
        if (slice == NULL) {
            continue;
        }
        Wire__AgentLink *out = &store[links.n_links];
        wire__agent_link__init(out);
        out->slice = (char *)(uintptr_t)slice;
        out->chip = ev->chip;
        out->port = ev->port;
        out->up = ev->up;
        out->wall_ms = wall_ms;
        links.links[links.n_links++] = out;
    }
    if (links.n_links > 0) {
        links.first_seq = events->events[0]->seq;
        agent_report_links(w->t->agent, &links);
    }
    free(links.links);
    free(store);
}

static void take_events(struct watch *w, const Wire__FabricEvents *events)
{
    if (w->incarnation != events->incarnation) {
        if (w->incarnation != 0) {
            log_warning("watch", "the fabric numbers its link events anew");
        }
        w->incarnation = events->incarnation;
    }
    if (events->lost) {
        log_warning("watch", "link events were lost between two polls");
    }
    report(w, events);
    w->since = events->next;
}

static void on_reply(void *arg, int status, const uint8_t *body, size_t len)
{
    struct watch *w = arg;
    Wire__FabricReply *reply = status == 0 ? wire__fabric_reply__unpack(NULL, len, body) : NULL;
    bool good = reply != NULL && reply->events != NULL;

    w->asking = false;
    if (good) {
        take_events(w, reply->events);
    }
    if (reply != NULL) {
        wire__fabric_reply__free_unpacked(reply, NULL);
    }
    if (good) {
        ask(w);
    } else if (status == E_UNREACHABLE) {
        w->since = 0; /* the fabric restarted: watch_resume() begins anew */
    } else if (!uv_is_closing((uv_handle_t *)&w->retry)) {
        (void)uv_timer_start(&w->retry, w->retry.timer_cb, RETRY_MS, 0);
    }
}

static void ask(struct watch *w)
{
    Wire__FabricWatch body = WIRE__FABRIC_WATCH__INIT;
    Wire__FabricRequest request = WIRE__FABRIC_REQUEST__INIT;
    const struct tpunetd_config *config = w->t->config;
    struct rpc_client *client = fabric_nng_client(w->t->fabric);

    if (w->asking || !rpc_client_connected(client)) {
        return;
    }
    body.since = w->since;
    body.timeout_ms = HOLD_MS;
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
    rpc_call(client, &request.base, CALL_MS, on_reply, w);
    free(body.hosts);
}

static void on_retry(uv_timer_t *timer)
{
    ask(timer->data);
}

void watch_resume(struct watch *w)
{
    ask(w);
}

struct watch *watch_create(struct tpunetd *t)
{
    struct watch *w = xcalloc(1, sizeof *w);

    w->t = t;
    (void)uv_timer_init(t->loop, &w->retry);
    w->retry.data = w;
    (void)uv_timer_start(&w->retry, on_retry, RETRY_MS, 0);
    return w;
}

void watch_stop(struct watch *w)
{
    uv_close((uv_handle_t *)&w->retry, NULL);
}

void watch_fini(struct watch *w)
{
    free(w);
}
