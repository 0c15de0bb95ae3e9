/* The daemons on the hosts, by what podmgr hears of them: a tpunetd on each host
 * and a healthd for the hosts of a cube.
 *
 * tpunetd as in libtpunet/tpunetd/jobs.c: a slice's links are watched by the tpunetds
 * of its hosts, each those of its chips, from the first good verdict until it is
 * released or installed anew; what changed and changed back meanwhile is no change. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/health.h"
#include "lab.h"
#include "mem.h"

enum { TELL_AGAIN_MS = 500, FENCE_MS = 5 };

struct lab_watch {
    struct id slice;
    uint32_t host;
    bool watched;
    uint8_t *told; /* [logical cube * 64 + chip in it]: ports told to be down */
    size_t n_told;
    uint16_t *cubes;
};

/* ----------------------------------------------------------------- leases -- */

static const char *name_of(unsigned host, char buf[static 64])
{
    (void)snprintf(buf, 64, "tpunetd/host-%u-%u", host / TPUNET_CUBE_HOSTS,
                   host % TPUNET_CUBE_HOSTS);
    return buf;
}

static void greet(struct lab *lab, unsigned host)
{
    struct event ev = {.kind = EV_AGENT_HELLO, .agent = {.instance = host + 1, .n_hosts = 1}};

    (void)name_of(host, ev.agent.name);
    ev.agent.hosts = xmalloc(sizeof *ev.agent.hosts);
    ev.agent.hosts[0] = (uint16_t)host;
    lab_post(lab, &ev);
}

static void greet_health(struct lab *lab, unsigned cube)
{
    struct event ev = {.kind = EV_HEALTH_HELLO, .observer = {.instance = cube + 1}};

    (void)snprintf(ev.observer.name, sizeof ev.observer.name, "healthd/cube-%u", cube);
    ev.observer.hosts = xcalloc(TPUNET_CUBE_HOSTS, sizeof *ev.observer.hosts);
    for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
        ev.observer.hosts[ev.observer.n_hosts++] = (uint16_t)(cube * TPUNET_CUBE_HOSTS + h);
    }
    lab_post(lab, &ev);
}

static void send_snapshot(struct lab *lab, unsigned host, uint32_t observer)
{
    struct event ev = {.kind = EV_HEALTH,
                       .health = {.observer = observer,
                                  .host = (uint16_t)host,
                                  .sequence = ++lab->health_seq[host],
                                  .snapshot = true}};

    lab_post(lab, &ev);
}

void lab_hosts_start(struct lab *lab)
{
    for (unsigned c = 0; c < lab->pod.n_cubes; c++) {
        greet_health(lab, c);
    }
    lab->beat_ns = lab_now_ns(lab);
}

static void beat_health(struct lab *lab, unsigned cube)
{
    uint32_t observer = health_of(lab->model, cube * TPUNET_CUBE_HOSTS)->observer;
    struct event ev = {.kind = EV_HEALTH_LEASE, .lease = {.observer = observer}};
    unsigned silent = 0;

    if (observer == 0) {
        return; /* its hello is on the way */
    }
    ev.lease.n_bytes = 2;
    ev.lease.answering = xcalloc(2, 1);
    for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
        unsigned host = cube * TPUNET_CUBE_HOSTS + h;
        bool answers = lab->hosts[host].healthd_silent == 0;
        silent += !answers;
        ev.lease.answering[h / 8] |= (uint8_t)(answers << h % 8);
        if (answers && health_of(lab->model, host)->next_sequence == 0) {
            send_snapshot(lab, host, observer);
        }
    }
    if (silent == TPUNET_CUBE_HOSTS) { /* itself is away */
        event_fini(&ev);
    } else {
        lab_post(lab, &ev);
    }
}

void lab_beat(struct lab *lab)
{
    for (unsigned host = 0; host < model_hosts(lab->model); host++) {
        if (lab->hosts[host].tpunetd_silent > 0) {
            continue;
        }
        struct event ev = {.kind = EV_AGENT_SEEN, .agent = {.id = lab->model->hosts[host].agent}};
        if (ev.agent.id == 0) {
            greet(lab, host);
        } else {
            lab_post(lab, &ev);
        }
    }
    for (unsigned c = 0; c < lab->pod.n_cubes; c++) {
        beat_health(lab, c);
    }
}

/* ------------------------------------------------------------------ links -- */

static struct lab_watch *watch_of(struct lab *lab, struct id slice)
{
    for (size_t i = 0; i < lab->n_watches; i++) {
        if (id_compare(lab->watches[i].slice, slice) == 0) {
            return &lab->watches[i];
        }
    }
    return NULL;
}

static void unwatch(struct lab *lab, struct lab_watch *watch)
{
    free(watch->told);
    free(watch->cubes);
    *watch = lab->watches[--lab->n_watches];
}

static uint8_t ports_down(const struct lab *lab, uint32_t chip)
{
    uint8_t mask = 0;

    for (unsigned port = 0; port < TPUNET_PORTS; port++) {
        uint32_t peer;
        unsigned peer_port;
        mask |= (uint8_t)(!world_peer(lab->w, chip, port, &peer, &peer_port) << port);
    }
    return mask;
}

static uint32_t watched_chip(const struct lab_watch *watch, size_t i)
{
    return watch->cubes[i / TPUNET_CUBE_CHIPS] * (uint32_t)TPUNET_CUBE_CHIPS +
           (uint32_t)(i % TPUNET_CUBE_CHIPS);
}

static unsigned host_of(uint32_t number)
{
    struct tpunet_chip chip = tpunet_chip_of(number);

    return chip.cube * (unsigned)TPUNET_CUBE_HOSTS + tpunet_chip_host(chip);
}

static bool is_heard(const struct lab *lab, unsigned host)
{
    return lab->hosts[host].tpunetd_silent == 0 && lab->model->hosts[host].agent != 0;
}

/* What its tpunetds have not told yet. */
static void report(struct lab *lab, struct lab_watch *watch)
{
    struct event ev = {.kind = EV_LINKS};
    size_t cap = 0;

    for (size_t i = 0; watch->watched && i < watch->n_told; i++) {
        uint32_t chip = watched_chip(watch, i);
        if (!is_heard(lab, host_of(chip))) {
            continue; /* lab_silence_tpunetd() asks again */
        }
        uint8_t down = ports_down(lab, chip), changed = down ^ watch->told[i];
        for (uint8_t port = 0; port < TPUNET_PORTS && changed != 0; port++) {
            if ((changed >> port & 1) != 0) {
                VEC_GROW(ev.links.links, ev.links.n, cap);
                ev.links.links[ev.links.n++] = (struct link_change){
                    .slice = watch->slice, .chip = chip, .port = port, .up = !(down >> port & 1)};
            }
        }
        watch->told[i] = down;
    }
    if (ev.links.n > 0) {
        lab_post(lab, &ev);
        lab_wake(lab, 1000);
    }
}

static void on_report(void *arg)
{
    struct lab *lab = arg;

    lab->report_set = false;
    for (size_t i = 0; lab->model != NULL && i < lab->n_watches; i++) {
        struct lab_watch *watch = &lab->watches[i];
        bool concerned = false;
        uint64_t since = lab->links_told;
        if (lab->w->log_next - since > SIM_LINK_LOG) {
            concerned = true; /* the log has lost some */
            since = lab->w->log_next;
        }
        for (; since < lab->w->log_next && !concerned; since++) {
            unsigned cube = lab->w->log[since % SIM_LINK_LOG].chip / SIM_CUBE_CHIPS;
            for (size_t c = 0; c < watch->n_told / TPUNET_CUBE_CHIPS; c++) {
                concerned = concerned || watch->cubes[c] == cube;
            }
        }
        if (concerned) {
            report(lab, watch);
        }
    }
    lab->links_told = lab->w->log_next;
}

void lab_on_link_events(void *arg)
{
    struct lab *lab = arg;

    if (!lab->report_set) {
        lab->report_set = true;
        lab_after(lab, lab->options.times.link_report, on_report, lab);
    }
}

/* --------------------------------------------------------------- verdicts -- */

struct bringing {
    struct lab *lab;
    unsigned life;
    struct verdict verdict;
    uint32_t host;
};

/* From now on its coordinator tells what changes. */
static void begin_watch(struct lab *lab, const struct slice *slice, uint32_t host)
{
    struct lab_watch *watch = watch_of(lab, slice->id);

    assert(watch != NULL && watch->host == host);
    free(watch->told);
    free(watch->cubes);
    watch->cubes =
        xmemdup(slice->intent->cubes, slice->intent->n_cubes * sizeof *slice->intent->cubes);
    watch->n_told = (size_t)slice->intent->n_cubes * TPUNET_CUBE_CHIPS;
    watch->told = xcalloc(watch->n_told, 1);
    watch->watched = true;
    for (size_t i = 0; i < watch->n_told; i++) {
        watch->told[i] = ports_down(lab, watched_chip(watch, i));
    }
}

static void tell(void *arg)
{
    struct bringing *b = arg;
    struct lab *lab = b->lab;
    struct event ev = {.kind = EV_VERDICT};

    if (b->life != lab->life || lab->model == NULL) {
        free(b);
        return;
    }
    const struct slice *slice = model_slice(lab->model, b->verdict.slice);
    const struct lab_watch *watch = watch_of(lab, b->verdict.slice);
    if (slice == NULL || watch == NULL || watch->host != b->host ||
        slice->generation != b->verdict.generation) {
        free(b); /* replaced or released while it ran */
        return;
    }
    if (lab->hosts[b->host].tpunetd_silent > 0) {
        if (lab->model->hosts[b->host].agent != 0) { /* podmgr waits for it */
            lab_after(lab, TELL_AGAIN_MS, tell, b);
        } else {
            free(b);
        }
        return;
    }
    b->verdict.ok = lab_slice_is_whole(lab, slice);
    if (b->verdict.ok) {
        begin_watch(lab, slice, b->host);
    } else {
        (void)snprintf(b->verdict.text, sizeof b->verdict.text,
                       "the fabric is not what was intended");
        (void)snprintf(b->verdict.code, sizeof b->verdict.code, "mismatch");
        b->verdict.n_down = lab_links_down(lab, slice, b->verdict.down, VERDICT_DOWN_MAX);
    }
    ev.verdict = xmemdup(&b->verdict, sizeof b->verdict);
    lab_post(lab, &ev);
    free(b);
}

/* Chip ports that a lien had disabled serve the new slice. */
static void enable_ports(struct lab *lab, const struct slice *slice)
{
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        uint32_t first = slice->intent->cubes[i] * (uint32_t)TPUNET_CUBE_CHIPS;
        for (uint32_t chip = first; chip < first + TPUNET_CUBE_CHIPS; chip++) {
            uint8_t was = lab->w->chips[chip].disabled_mask;
            lab->w->chips[chip].disabled_mask = 0;
            for (unsigned port = 0; port < TPUNET_PORTS && was != 0; port++) {
                world_look(lab->w, chip, port);
            }
        }
    }
}

void lab_bring_up(struct lab *lab, const struct effect *effect)
{
    const struct slice *slice = model_slice(lab->model, effect->id);
    const struct lab_times *times = &lab->options.times;

    if (slice == NULL || slice->generation != effect->generation) {
        return;
    }
    struct lab_watch *watch = watch_of(lab, slice->id);
    if (watch == NULL) {
        VEC_GROW(lab->watches, lab->n_watches, lab->cap_watches);
        watch = &lab->watches[lab->n_watches++];
        *watch = (struct lab_watch){.slice = slice->id};
    }
    watch->watched = watch->watched && effect->check_only;
    watch->host = slice->coordinator;
    if (!effect->check_only) {
        enable_ports(lab, slice);
    }
    struct bringing *b = xcalloc(1, sizeof *b);
    double chips = tpunet_shape_chips(&slice->spec.shape);
    double ms = times->bringup + chips * times->bringup_a_chip;
    if (slice->dead_links > 0) {
        ms += times->reroute + chips * times->reroute_a_chip;
    }
    *b = (struct bringing){.lab = lab,
                           .life = lab->life,
                           .host = slice->coordinator,
                           .verdict = {.slice = slice->id,
                                       .epoch = lab->model->epoch,
                                       .generation = effect->generation,
                                       .check_only = effect->check_only}};
    lab_after(lab, ms, tell, b);
}

/* A host's tpunetd begins with what podmgr believes of its chips. */
void lab_watch_order(struct lab *lab, const struct effect *effect)
{
    const struct slice *slice = model_slice(lab->model, effect->id);
    struct lab_watch *watch = watch_of(lab, effect->id);
    struct chip_port down[4 * TPUNET_PORTS];

    if (slice == NULL || watch == NULL || !watch->watched) {
        return;
    }
    size_t n = core_down_ends(lab->model, slice, effect->agent, down, ARRAY_LEN(down));
    for (size_t i = 0; i < watch->n_told; i++) {
        uint32_t chip = watched_chip(watch, i);
        if (lab->model->hosts[host_of(chip)].agent == effect->agent) {
            watch->told[i] = 0;
            for (size_t k = 0; k < n; k++) {
                unsigned bit = down[k].chip == chip ? 1U << down[k].port : 0;
                watch->told[i] = (uint8_t)(watch->told[i] | bit);
            }
        }
    }
    report(lab, watch);
}

void lab_release(struct lab *lab, const struct effect *effect)
{
    struct lab_watch *watch = watch_of(lab, effect->id);

    if (watch != NULL) {
        unwatch(lab, watch);
    }
}

/* ----------------------------------------------------------------- fences -- */

struct fencing {
    struct lab *lab;
    unsigned life;
    struct event ev;
};

static void disable(void *arg)
{
    struct fencing *f = arg;

    if (f->life != f->lab->life) {
        event_fini(&f->ev);
        free(f);
        return;
    }
    for (size_t i = 0; i < f->ev.fenced.n; i++) {
        const struct chip_port *port = &f->ev.fenced.ports[i];
        f->lab->w->chips[port->chip].disabled_mask |= (uint8_t)(1U << port->port);
        world_look(f->lab->w, port->chip, port->port);
    }
    lab_post(f->lab, &f->ev);
    free(f);
}

void lab_fence(struct lab *lab, const struct effect *effect)
{
    const struct agent *agent = model_agent(lab->model, effect->agent);
    struct chip_port ports[TPUNET_OCSES * SIM_CUBES_MAX];

    if (agent == NULL || lab->hosts[agent->hosts[0]].tpunetd_silent > 0) {
        return; /* podmgr asks again */
    }
    struct fencing *f = xcalloc(1, sizeof *f);
    size_t n = core_unfenced(lab->model, effect->agent, ports, ARRAY_LEN(ports));
    *f = (struct fencing){.lab = lab,
                          .life = lab->life,
                          .ev = {.kind = EV_FENCED,
                                 .fenced = {.epoch = lab->model->epoch,
                                            .generation = effect->generation,
                                            .ports = xmemdup(ports, n * sizeof *ports),
                                            .n = n}}};
    lab_after(lab, FENCE_MS, disable, f);
}

/* ----------------------------------------------------- silence and findings -- */

void lab_silence_tpunetd(struct lab *lab, unsigned host, bool on)
{
    lab->hosts[host].tpunetd_silent += on ? 1U : -1U;
    for (size_t i = 0; lab->hosts[host].tpunetd_silent == 0 && i < lab->n_watches; i++) {
        if (lab->model != NULL) {
            report(lab, &lab->watches[i]);
        }
    }
    lab_wake(lab, lab->options.lease_ms + symptom_defaults.silence_ms + 3000.0);
}

void lab_silence_healthd(struct lab *lab, unsigned host, bool on)
{
    lab->hosts[host].healthd_silent += on ? 1U : -1U;
    lab_wake(lab, lab->options.lease_ms + symptom_defaults.silence_ms + 3000.0);
}

void lab_find(struct lab *lab, unsigned host, enum finding_scope scope, unsigned index,
              const char *check, enum severity severity)
{
    if (lab->model == NULL) {
        return;
    }
    const struct host_health *health = health_of(lab->model, host);
    struct event ev = {.kind = EV_HEALTH,
                       .health = {.observer = health->observer, .host = (uint16_t)host}};
    struct finding *finding = xcalloc(1, sizeof *finding);

    *finding = (struct finding){
        .scope = scope, .index = (uint8_t)index, .severity = severity, .since = lab_wall(lab)};
    (void)snprintf(finding->check, sizeof finding->check, "%s", check);
    ev.health.findings = finding;
    ev.health.n_findings = 1;
    ev.health.sequence = health->next_sequence;
    lab->health_seq[host] = health->next_sequence;
    lab_post(lab, &ev);
    lab_wake(lab, 2000);
}
