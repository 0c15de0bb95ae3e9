/* Jobs: the slices that this daemon coordinates, or watches for another.
 *
 *   1. A command of an epoch older than the newest seen is answered "stale".
 *   2. An install of a newer (epoch, generation) replaces the job of its slice;
 *      of an older one is answered "stale"; the same one again is answered with
 *      the verdict on record, or when it is there.
 *   3. A check discovers and compares, and writes nothing; it claims nothing
 *      either, so an install of any generation of its epoch may follow.
 *   4. The links of a slice are watched (jobs_watch.c) from its first good verdict,
 *      or podmgr's order, until its release; what they did since the start of the
 *      bring-up counts.
 *   5. Once a slice is up with full routes, those around one dead switch are prepared.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs_internal.h"
#include "log.h"
#include "mem.h"
#include "part.h"
#include "route_store.h"
#include "tpunetd.h"

enum { MISMATCH_LINES = 64, LINE_BYTES = 512, DOWN_MAX = 512 };

struct jobs *jobs_create(struct tpunetd *t)
{
    struct jobs *jobs = xcalloc(1, sizeof *jobs);
    jobs->t = t;
    return jobs;
}

static void job_free(struct job *job)
{
    tpunet_bringup_destroy(job->bringup);
    tpunet_intent_destroy(job->intent);
    tpunet_wiring_destroy(job->wiring);
    slice_links_fini(&job->links);
    free(job->verdict.bytes);
    free(job);
}

/* A job whose fabric call is under way frees itself when it ends. */
static void job_drop(struct job *job)
{
    job->jobs = NULL;
    if (job->bringup != NULL) {
        tpunet_bringup_cancel(job->bringup);
    } else {
        job_free(job);
    }
}

void jobs_destroy(struct jobs *jobs)
{
    while (jobs->first != NULL) {
        struct job *job = jobs->first;
        jobs->first = job->next;
        job_drop(job);
    }
    free(jobs);
}

struct job **jobs_find(struct jobs *jobs, const char *slice)
{
    struct job **at = &jobs->first;

    while (*at != NULL && strcmp((*at)->stamp.slice, slice) != 0) {
        at = &(*at)->next;
    }
    return at;
}

void jobs_remove_at(struct job **at)
{
    struct job *job = *at;

    *at = job->next;
    job_drop(job);
}

/* ----------------------------------------------------------------- verdicts -- */

static const char *code_of(int status)
{
    switch ((enum tpunet_errcode)status) {
    case TPUNET_EMISMATCH:
        return "mismatch";
    case TPUNET_EUNREACHABLE:
        return "unreachable";
    case TPUNET_ECYCLE:
        return "cycle";
    case TPUNET_EFABRIC:
        return "fabric";
    case TPUNET_ESTALE:
        return "stale";
    case TPUNET_ETABLES:
        return "tables";
    case TPUNET_ECANCELED:
        return "canceled";
    case TPUNET_EINVAL:
    case TPUNET_ENOMEM:
    case TPUNET_ESHAPE:
    case TPUNET_ETWIST:
    case TPUNET_EWIRING:
        return "invalid";
    }
    return "ok";
}

static void init_verdict(Wire__AgentVerdict *out, const struct tpunet_stamp *stamp, bool check_only)
{
    wire__agent_verdict__init(out);
    out->slice = (char *)(uintptr_t)stamp->slice;
    out->epoch = stamp->epoch;
    out->generation = stamp->generation;
    out->check_only = check_only;
}

static void report_failure(struct jobs *jobs, const struct tpunet_stamp *stamp, bool check_only,
                           int status, const char *text)
{
    Wire__AgentVerdict verdict;

    init_verdict(&verdict, stamp, check_only);
    verdict.code = (char *)(uintptr_t)code_of(status);
    verdict.text = (char *)(uintptr_t)text; /* packed only, never written */
    agent_report_verdict(jobs->t->agent, &verdict);
}

/* The lines for people; the caller frees list[0] and list. */
static char **format_mismatches(const struct tpunet_verdict *verdict, size_t n)
{
    char **list = xcalloc(n + 1, sizeof *list);
    char *store = xmalloc(n * LINE_BYTES);

    list[0] = store;
    for (size_t i = 0; i < n; i++) {
        list[i] = store + i * LINE_BYTES;
        (void)tpunet_mismatch_format(&verdict->mismatches[i], list[i], LINE_BYTES);
    }
    return list;
}

/* The ends of links that are not there: of a missing chip all six. */
static size_t list_down(const struct tpunet_verdict *verdict, Wire__AgentLinkEnd *ends)
{
    size_t n = 0;

    for (size_t i = 0; i < verdict->n_mismatches; i++) {
        const struct tpunet_mismatch *m = &verdict->mismatches[i];
        bool chip = m->kind == TPUNET_CHIP_MISSING;
        if (!chip && m->kind != TPUNET_LINK_MISSING) {
            continue;
        }
        for (unsigned port = 0; port < TPUNET_PORTS && n < DOWN_MAX; port++) {
            if (chip || port == m->port) {
                wire__agent_link_end__init(&ends[n]);
                ends[n].chip = m->chip;
                ends[n++].port = port;
            }
        }
    }
    return n;
}

static void report(struct job *job, const struct tpunet_verdict *verdict)
{
    Wire__AgentVerdict out;
    size_t n = verdict->n_mismatches < MISMATCH_LINES ? verdict->n_mismatches : MISMATCH_LINES;
    char **lines = format_mismatches(verdict, n);
    const struct fabric_session *session = &job->session;
    struct mono_ns now = clock_read().mono;
    char text[sizeof verdict->error.text + sizeof session->complaint + 2];

    init_verdict(&out, &job->stamp, job->check_only);
    out.ok = verdict->status == 0;
    out.code = (char *)(uintptr_t)code_of(verdict->status);
    if (verdict->status != 0) {
        (void)snprintf(text, sizeof text, "%s%s%s", verdict->error.text,
                       session->complaint[0] != '\0' ? ": " : "", session->complaint);
        out.text = text;
    }
    out.n_mismatches = n;
    out.mismatches = lines;
    out.mismatch_count = (uint32_t)verdict->n_mismatches;
    out.chips_found = (uint32_t)verdict->chips_found;
    out.algorithm = (char *)(uintptr_t)(verdict->algorithm != NULL ? verdict->algorithm : "");
    out.vcs = verdict->n_vcs;
    out.max_hops = verdict->proof.max_hops;
    out.max_link_load = verdict->proof.max_link_load;
    out.unreachable_pairs = verdict->proof.unreachable_pairs;
    out.table_bytes_per_chip = (uint32_t)verdict->table_bytes_per_chip;
    out.degraded = verdict->degraded;
    out.dead_links = verdict->n_dead_links;
    out.dead_chips = verdict->n_dead_chips;
    out.retained = verdict->retained;
    if (session->probed.ns != 0) {
        out.discovered_ms = mono_ms_since(job->started, session->probed);
    }
    if (session->wrote.ns != 0) {
        out.proved_ms = mono_ms_since(session->probed, session->wrote);
        out.installed_ms = mono_ms_since(session->wrote, now);
    }
    Wire__AgentLinkEnd ends[DOWN_MAX], *down[DOWN_MAX];
    out.n_down = list_down(verdict, ends);
    out.down = down;
    for (size_t i = 0; i < out.n_down; i++) {
        down[i] = &ends[i];
    }
    agent_report_verdict(job->jobs->t->agent, &out);
    if (!job->check_only) {
        job->verdict.len = wire__agent_verdict__get_packed_size(&out);
        job->verdict.bytes = xmalloc(job->verdict.len);
        (void)wire__agent_verdict__pack(&out, job->verdict.bytes);
    }
    free(lines[0]);
    free(lines);
}

static void on_verdict(void *arg, const struct tpunet_verdict *verdict)
{
    struct job *job = arg;

    if (job->jobs == NULL) { /* nobody asks any more */
        job_free(job);
        return;
    }
    report(job, verdict);
    job->watched = job->watched || verdict->status == 0;
    /* What is kept ready are routes of tori: no use to another weave. */
    if (verdict->status == 0 && !job->check_only && !verdict->degraded &&
        strncmp(verdict->algorithm, "dor", 3) == 0) {
        route_store_prepare(job->jobs->t->routes, &job->intent->shape, job->vcs);
    }
    log_info(job->stamp.slice, "%s %s: %zu chips, %.1f ms", job->check_only ? "check" : "bring-up",
             code_of(verdict->status), verdict->chips_found,
             mono_ms_since(job->started, clock_read().mono));
    tpunet_bringup_destroy(job->bringup);
    job->bringup = NULL;
}

/* ----------------------------------------------------------------- commands -- */

static int take_wiring(struct job *job, const Wire__AgentBringUp *in, struct tpunet_error *err)
{
    struct tpunet_rewire *moves = xcalloc(in->n_rewires, sizeof *moves);
    int status = 0;

    for (size_t i = 0; i < in->n_rewires && status == 0; i++) {
        struct part part;
        if (part_parse(&part, in->rewires[i]->fibre, NULL) < 0 || part.kind != PART_FIBRE ||
            in->rewires[i]->port > UINT16_MAX) {
            status = TPUNET_EWIRING;
            break;
        }
        moves[i] = (struct tpunet_rewire){.fibre = {.cube = part.cube,
                                                    .axis = part.axis,
                                                    .minus = part.minus,
                                                    .a = part.a,
                                                    .b = part.b},
                                          .port = (uint16_t)in->rewires[i]->port};
    }
    if (status == 0) {
        status = tpunet_wiring_create(&job->wiring, in->pod_cubes, in->ports_per_side, moves,
                                      in->n_rewires, err);
    }
    free(moves);
    return status;
}

int job_take_intent(struct job *job, const Wire__AgentBringUp *in, struct tpunet_error *err)
{
    struct tpunet_shape shape;
    uint16_t cubes[TPUNET_CUBES_MAX];
    int status = tpunet_shape_parse(&shape, in->topology, in->twisted, err);

    if (status < 0 || in->n_cubes > TPUNET_CUBES_MAX) {
        return status < 0 ? status : TPUNET_EINVAL;
    }
    for (size_t i = 0; i < in->n_cubes; i++) {
        if (in->cubes[i] >= in->pod_cubes) {
            return TPUNET_EINVAL;
        }
        cubes[i] = (uint16_t)in->cubes[i];
    }
    status = tpunet_intent_create(&job->intent, &shape, cubes, in->n_cubes, err);
    if (status < 0 || in->n_next == 0) {
        return status;
    }
    if (in->n_next != (size_t)TPUNET_OCSES * in->n_cubes) {
        return TPUNET_EINVAL;
    }
    for (size_t i = 0; i < in->n_next; i++) {
        if (in->next[i] >= in->n_cubes && in->next[i] != TPUNET_NONE) {
            return TPUNET_EINVAL;
        }
        job->intent->next[i] = (uint16_t)in->next[i];
    }
    return 0;
}

static int create_bringup(struct job *job, const Wire__AgentBringUp *in, uint32_t entry,
                          struct tpunet_error *err)
{
    struct route_store *routes = job->jobs->t->routes;
    const bool around = in->accept_degraded && in->n_dead_links > 0;
    const struct tpunet_executor executor = route_store_executor(routes, around);
    struct tpunet_link_end *dead = xcalloc(in->n_dead_links + 1, sizeof *dead);
    struct tpunet_bringup_options options = {
        .mode = job->check_only ? TPUNET_CHECK : TPUNET_INSTALL,
        .route = {.vcs = in->vc_classes, .cache = around ? route_store_cache(routes) : NULL},
        .executor = &executor,
        .accept_degraded = in->accept_degraded,
        .n_dead = in->n_dead_links,
        .dead = dead,
    };

    for (size_t i = 0; i < in->n_dead_links; i++) { /* a port that fits no byte is none */
        uint32_t port = in->dead_links[i]->port;
        dead[i] =
            (struct tpunet_link_end){.chip = in->dead_links[i]->chip,
                                     .port = (uint8_t)(port < TPUNET_PORTS ? port : TPUNET_PORTS)};
    }
    int status = tpunet_bringup_create(&job->bringup, &job->session.seam, job->intent, job->wiring,
                                       &job->stamp, entry, &options, err);
    free(dead);
    return status;
}

static int job_start(struct job *job, const Wire__AgentBringUp *in, struct tpunet_error *err)
{
    uint32_t host = in->coordinator;
    int status = take_wiring(job, in, err);

    if (status == 0) {
        status = job_take_intent(job, in, err);
    }
    if (status < 0 || host / TPUNET_CUBE_HOSTS >= in->pod_cubes) {
        return status < 0 ? status : TPUNET_EINVAL;
    }
    uint32_t entry = tpunet_chip_number(
        tpunet_host_chip((uint16_t)(host / TPUNET_CUBE_HOSTS), host % TPUNET_CUBE_HOSTS, 0));
    if (job->links.n_chips == 0 && (status = slice_links_init(&job->links, job->intent, err)) < 0) {
        return status;
    }
    fabric_session_init(&job->session, job->jobs->t->fabric);
    return create_bringup(job, in, entry, err);
}

/* A check of a slice that is watched goes on with its links as they are. */
static void inherit(struct job *job, struct job *old, bool check_only)
{
    job->installed = old->installed;
    if (check_only && old->watched) {
        job->watched = true;
        job->links = old->links;
        old->links = (struct slice_links){.n_chips = 0};
    }
}

/* `old` is the job to be replaced, or NULL. */
static void start_new(struct jobs *jobs, const struct tpunet_stamp *stamp, struct job **old,
                      const Wire__AgentBringUp *in)
{
    struct job *job = xcalloc(1, sizeof *job);
    struct tpunet_error err = {.text = "the command contradicts itself"};

    job->jobs = jobs;
    job->stamp = *stamp;
    job->check_only = in->check_only;
    job->vcs = in->vc_classes;
    job->started = clock_read().mono;
    if (*old != NULL) {
        inherit(job, *old, in->check_only);
        jobs_remove_at(old);
    }
    if (!in->check_only) {
        job->installed = *stamp;
    }
    int status = job_start(job, in, &err);
    if (status < 0) {
        report_failure(jobs, stamp, in->check_only, status, err.text);
        job_free(job);
        return;
    }
    job->next = jobs->first;
    jobs->first = job;
    tpunet_bringup_start(job->bringup, on_verdict, job);
}

int stamp_compare_age(const struct tpunet_stamp *a, const struct tpunet_stamp *b)
{
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch ? -1 : 1;
    }
    return a->generation < b->generation ? -1 : a->generation > b->generation;
}

static void repeat_verdict(struct jobs *jobs, const struct job *job)
{
    Wire__AgentVerdict *verdict =
        wire__agent_verdict__unpack(NULL, job->verdict.len, job->verdict.bytes);

    agent_report_verdict(jobs->t->agent, verdict);
    wire__agent_verdict__free_unpacked(verdict, NULL);
}

/* Rules 1 and 2; NULL if the command is not too old. */
static const char *why_stale(const struct jobs *jobs, const struct job *job,
                             const struct tpunet_stamp *stamp, bool check_only)
{
    if (stamp->epoch < jobs->t->epoch) {
        return "a newer podmgr has spoken to this tpunetd";
    }
    if (job != NULL && !check_only && stamp_compare_age(stamp, &job->installed) < 0) {
        return "this tpunetd holds a newer intent of the slice";
    }
    return NULL;
}

/* The same command again; true if it needs no more than was done. */
static bool is_repeated(struct jobs *jobs, const struct job *job, const struct tpunet_stamp *stamp,
                        bool check_only)
{
    if (stamp_compare_age(stamp, &job->stamp) != 0 || job->check_only != check_only) {
        return false;
    }
    if (job->verdict.bytes != NULL) {
        repeat_verdict(jobs, job);
    }
    return job->bringup != NULL || job->verdict.bytes != NULL;
}

void jobs_bring_up(struct jobs *jobs, const Wire__AgentBringUp *in)
{
    struct tpunet_stamp stamp = {.epoch = in->epoch, .generation = in->generation};
    struct job **at = jobs_find(jobs, in->slice);

    if (in->slice[0] == '\0' || strlen(in->slice) >= sizeof stamp.slice) {
        log_warning("podmgr", "a bring-up of a slice that cannot be: %.80s", in->slice);
        return;
    }
    (void)snprintf(stamp.pod, sizeof stamp.pod, "%s", jobs->t->config->pod);
    (void)snprintf(stamp.slice, sizeof stamp.slice, "%s", in->slice);
    if (in->watch_only) {
        jobs_watch(jobs, &stamp, in);
        return;
    }
    const char *stale = why_stale(jobs, *at, &stamp, in->check_only);
    if (stale != NULL) {
        report_failure(jobs, &stamp, in->check_only, TPUNET_ESTALE, stale);
        return;
    }
    (void)claim_take(jobs->t, in->epoch);
    if (*at == NULL || !is_repeated(jobs, *at, &stamp, in->check_only)) {
        start_new(jobs, &stamp, at, in);
    }
}

void jobs_release(struct jobs *jobs, const Wire__AgentRelease *in)
{
    struct tpunet_stamp stamp = {.epoch = in->epoch, .generation = in->generation};
    struct job **at = jobs_find(jobs, in->slice);

    if (*at != NULL && why_stale(jobs, *at, &stamp, false) == NULL) {
        jobs_remove_at(at);
    }
}
