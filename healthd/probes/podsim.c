/* The instruments of an emulated pod (proto/probe.proto).  Reads that are made
 * before a flush travel together, a thousand hosts in one message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "healthd/probe.h"
#include "hostlist.h"
#include "log.h"
#include "mem.h"
#include "probe.pb-c.h"
#include "rpc.h"

enum { CALL_MS = 5000, HOSTS_A_MESSAGE = 256, MAX_BYTES = 16 << 20 };

_Static_assert((int)PROBE_CHIPS == WIRE__PROBE_CLASS__PROBE_CHIPS &&
                   (int)PROBE_HOST == WIRE__PROBE_CLASS__PROBE_HOST &&
                   (int)PROBE_LINKS == WIRE__PROBE_CLASS__PROBE_LINKS,
               "classes are numbered as on the wire");

struct waiting_read {
    uint16_t host;
    enum probe_class class;
    probe_read_fn *done;
    void *arg;
};

struct podsim_probe {
    struct probe probe;
    char *pod;
    struct rpc_client *client;
    struct waiting_read *reads; /* gathered for the next flush */
    size_t n, cap;
};

/* One message under way. */
struct read_call {
    struct waiting_read *reads;
    size_t n;
};

static void call(struct podsim_probe *p, Wire__ProbeRequest *request, rpc_done_fn *done, void *arg)
{
    request->version = RPC_VERSION;
    request->pod = p->pod;
    rpc_call(p->client, &request->base, CALL_MS, done, arg);
}

/* The reply if it is a good one, to be freed; else says what is wrong. */
static Wire__ProbeReply *take_reply(int status, const uint8_t *body, size_t len)
{
    Wire__ProbeReply *reply =
        status == 0 ? rpc_unpack(&wire__probe_reply__descriptor, body, len) : NULL;

    if (reply == NULL) {
        log_warning("probe", "no answer: %s", status < 0 ? err_name(status) : "not a ProbeReply");
    } else if (reply->status != WIRE__PROBE_STATUS__PROBE_OK) {
        log_error("probe", "refused: %s", reply->text);
        wire__probe_reply__free_unpacked(reply, NULL);
        reply = NULL;
    }
    return reply;
}

/* ----------------------------------------------------------------- reads -- */

static void hand_over(const struct waiting_read *read, const Wire__ProbeReading *in)
{
    struct reading reading;

    if (in == NULL || !in->answered || in->host != read->host ||
        in->class_ != (Wire__ProbeClass)read->class || in->n_values != class_values(read->class)) {
        read->done(read->arg, read->host, read->class, NULL);
        return;
    }
    reading.incarnation = in->incarnation;
    memcpy(reading.values, in->values, in->n_values * sizeof *in->values);
    read->done(read->arg, read->host, read->class, &reading);
}

static void on_readings(void *arg, int status, const uint8_t *body, size_t len)
{
    struct read_call *c = arg;
    Wire__ProbeReply *reply = take_reply(status, body, len);
    bool fits = reply != NULL && reply->n_readings == c->n;

    for (size_t i = 0; i < c->n; i++) {
        hand_over(&c->reads[i], fits ? reply->readings[i] : NULL);
    }
    if (reply != NULL) {
        wire__probe_reply__free_unpacked(reply, NULL);
    }
    free(c->reads);
    free(c);
}

static void read_class(struct probe *probe, uint16_t host, enum probe_class class,
                       probe_read_fn *done, void *arg)
{
    struct podsim_probe *p = (struct podsim_probe *)probe;

    VEC_GROW(p->reads, p->n, p->cap);
    p->reads[p->n++] = (struct waiting_read){host, class, done, arg};
}

/* As many of the reads, from the first on, as are of one class and fit. */
static size_t run_length(const struct waiting_read *reads, size_t n)
{
    size_t len = 1;

    while (len < n && len < HOSTS_A_MESSAGE && reads[len].class == reads[0].class) {
        len++;
    }
    return len;
}

static void send_reads(struct podsim_probe *p, const struct waiting_read *reads, size_t n)
{
    Wire__ProbeRequest request = WIRE__PROBE_REQUEST__INIT;
    Wire__ProbeRead body = WIRE__PROBE_READ__INIT;
    Wire__ProbeClass class = (Wire__ProbeClass)reads[0].class;
    uint32_t hosts[HOSTS_A_MESSAGE];
    struct read_call *c = xcalloc(1, sizeof *c);

    for (size_t i = 0; i < n; i++) {
        hosts[i] = reads[i].host;
    }
    body.n_hosts = n;
    body.hosts = hosts;
    body.n_classes = 1;
    body.classes = &class;
    request.body_case = WIRE__PROBE_REQUEST__BODY_READ;
    request.read = &body;
    c->reads = xmemdup(reads, n * sizeof *reads);
    c->n = n;
    call(p, &request, on_readings, c);
}

static void flush(struct probe *probe)
{
    struct podsim_probe *p = (struct podsim_probe *)probe;
    struct waiting_read *reads = p->reads;
    size_t n = p->n;

    p->reads = NULL; /* those that come meanwhile are for the next flush */
    p->n = p->cap = 0;
    for (size_t at = 0; at < n;) {
        size_t len = run_length(reads + at, n - at);
        send_reads(p, reads + at, len);
        at += len;
    }
    free(reads);
}

/* --------------------------------------------------------------- patterns -- */

struct pattern_call {
    size_t n;
    probe_transfer_fn *transfer;
    probe_compute_fn *compute;
    void *arg;
};

/* One for each item, and each died at a chip that there can be. */
static bool deliveries_fit(const Wire__ProbeReply *reply, size_t n)
{
    bool fit = reply != NULL && reply->n_deliveries == n;

    for (size_t i = 0; fit && i < n; i++) {
        fit = reply->deliveries[i]->died_at < (uint32_t)HOSTLIST_MAX * CHIPS_A_HOST;
    }
    return fit;
}

static void on_deliveries(void *arg, int status, const uint8_t *body, size_t len)
{
    struct pattern_call *c = arg;
    Wire__ProbeReply *reply = take_reply(status, body, len);
    size_t n = deliveries_fit(reply, c->n) ? c->n : 0;
    struct probe_delivery *out = xcalloc(n, sizeof *out);

    for (size_t i = 0; i < n; i++) {
        const Wire__ProbeDelivery *in = reply->deliveries[i];
        out[i] = (struct probe_delivery){.delivered = in->delivered,
                                         .hops = in->hops,
                                         .us = in->microseconds,
                                         .died_at = in->died_at,
                                         .value = in->value};
        (void)snprintf(out[i].text, sizeof out[i].text, "%s", in->text);
    }
    c->transfer(c->arg, out, n);
    if (reply != NULL) {
        wire__probe_reply__free_unpacked(reply, NULL);
    }
    free(out);
    free(c);
}

static void transfer(struct probe *probe, const uint32_t *from, const uint32_t *to, size_t n,
                     uint64_t seed, probe_transfer_fn *done, void *arg)
{
    Wire__ProbeRequest request = WIRE__PROBE_REQUEST__INIT;
    Wire__ProbeTransfer body = WIRE__PROBE_TRANSFER__INIT;
    struct pattern_call *c = xcalloc(1, sizeof *c);

    body.n_from = body.n_to = n;
    body.from = (uint32_t *)(uintptr_t)from; /* packed only, never written */
    body.to = (uint32_t *)(uintptr_t)to;
    body.seed = seed;
    request.body_case = WIRE__PROBE_REQUEST__BODY_TRANSFER;
    request.transfer = &body;
    *c = (struct pattern_call){.n = n, .transfer = done, .arg = arg};
    call((struct podsim_probe *)probe, &request, on_deliveries, c);
}

static void on_results(void *arg, int status, const uint8_t *body, size_t len)
{
    struct pattern_call *c = arg;
    Wire__ProbeReply *reply = take_reply(status, body, len);
    size_t n = reply != NULL && reply->n_results == c->n ? c->n : 0;
    struct probe_result *out = xcalloc(n, sizeof *out);

    for (size_t i = 0; i < n; i++) {
        out[i].answered = reply->results[i]->answered;
        out[i].value = reply->results[i]->value;
    }
    c->compute(c->arg, out, n);
    if (reply != NULL) {
        wire__probe_reply__free_unpacked(reply, NULL);
    }
    free(out);
    free(c);
}

static void compute(struct probe *probe, const uint32_t *chips, size_t n, uint64_t seed,
                    unsigned rounds, probe_compute_fn *done, void *arg)
{
    Wire__ProbeRequest request = WIRE__PROBE_REQUEST__INIT;
    Wire__ProbeCompute body = WIRE__PROBE_COMPUTE__INIT;
    struct pattern_call *c = xcalloc(1, sizeof *c);

    body.n_chips = n;
    body.chips = (uint32_t *)(uintptr_t)chips;
    body.seed = seed;
    body.rounds = rounds;
    request.body_case = WIRE__PROBE_REQUEST__BODY_COMPUTE;
    request.compute = &body;
    *c = (struct pattern_call){.n = n, .compute = done, .arg = arg};
    call((struct podsim_probe *)probe, &request, on_results, c);
}

uint64_t probe_expected(uint32_t chip, uint64_t seed, unsigned rounds)
{
    uint64_t v = seed ^ chip;

    for (unsigned i = 0; i < rounds; i++) { /* SplitMix64, without its state */
        v += 0x9e3779b97f4a7c15ULL;
        v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ULL;
        v = (v ^ (v >> 27)) * 0x94d049bb133111ebULL;
        v ^= v >> 31;
    }
    return v;
}

/* ------------------------------------------------------------- life cycle -- */

static void destroy(struct probe *probe)
{
    struct podsim_probe *p = (struct podsim_probe *)probe;

    flush(probe);
    rpc_client_destroy(p->client); /* ends the calls under way */
    free(p->reads);
    free(p->pod);
    free(p);
}

static void on_state(void *arg, bool connected)
{
    struct podsim_probe *p = arg;

    p->probe.ready = connected;
    log_info("probe", connected ? "connected" : "connection lost");
}

int podsim_probe_create(struct probe **out, uv_loop_t *loop, const char *pod, const char *url,
                        struct error *err)
{
    static const struct probe_ops ops = {.read = read_class,
                                         .flush = flush,
                                         .transfer = transfer,
                                         .compute = compute,
                                         .destroy = destroy};
    struct podsim_probe *p = xcalloc(1, sizeof *p);

    p->probe.ops = &ops;
    p->pod = xstrdup(pod);
    int status = rpc_client_create(&p->client, loop, url, MAX_BYTES, on_state, p, err);
    if (status < 0) {
        free(p->pod);
        free(p);
        return status;
    }
    *out = &p->probe;
    return 0;
}
