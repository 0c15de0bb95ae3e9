/* Jobs: the slices that this daemon coordinates.
 *
 *   1. A bring-up of a newer (epoch, generation) replaces the job of its slice;
 *      of an older one is answered "stale"; the same one again is answered with
 *      the verdict on record, or when it is there.
 *   2. A check of the present generation discovers and compares, and writes
 *      nothing.
 *   3. The links of a slice are watched from its first good verdict until its
 *      release.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "part.h"
#include "tpunetd.h"

enum { MISMATCH_LINES = 64, LINE_BYTES = 512 };

struct job {
    struct job *next;
    struct jobs *jobs;           /* NULL: replaced or released while it ran */
    struct tpunet_stamp stamp;
    bool check_only;
    bool watched;
    struct tpunet_intent *intent;
    struct tpunet_wiring *wiring;
    struct tpunet_bringup *bringup; /* while it runs */
    struct tpunet_fabric timed;  /* the seam, with a look at the clock */
    const struct tpunet_fabric *seam;
    struct mono_ns started, probed, wrote;
    struct packed_verdict {
        uint8_t *bytes;
        size_t len;
    } verdict;                   /* on record once there */
};

struct jobs {
    struct tpunetd *t;
    struct job *first;
};

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

static struct job **find(struct jobs *jobs, const char *slice)
{
    struct job **at = &jobs->first;

    while (*at != NULL && strcmp((*at)->stamp.slice, slice) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void remove_at(struct job **at)
{
    struct job *job = *at;

    *at = job->next;
    job_drop(job);
}

const char *jobs_slice_of(const struct jobs *jobs, uint32_t chip)
{
    uint16_t cube = tpunet_chip_of(chip).cube;

    for (const struct job *job = jobs->first; job != NULL; job = job->next) {
        for (unsigned i = 0; job->watched && i < job->intent->n_cubes; i++) {
            if (job->intent->cubes[i] == cube) {
                return job->stamp.slice;
            }
        }
    }
    return NULL;
}

/* ------------------------------------------------------------ the timed seam -- */

static int timed_probe(void *ctx, const struct tpunet_path *paths, size_t n,
                       struct tpunet_probe_answer *answers, tpunet_done_fn *done, void *arg)
{
    struct job *job = ctx;
    job->probed = clock_read().mono;
    return job->seam->probe(job->seam->ctx, paths, n, answers, done, arg);
}

static int timed_write_rows(void *ctx, const struct tpunet_stamp *stamp, uint32_t n_chips,
                            const struct tpunet_row_write *rows, size_t n, tpunet_done_fn *done,
                            void *arg)
{
    struct job *job = ctx;

    if (job->wrote.ns == 0) {
        job->wrote = clock_read().mono;
    }
    return job->seam->write_rows(job->seam->ctx, stamp, n_chips, rows, n, done, arg);
}

static int timed_quiesce(void *ctx, const struct tpunet_stamp *stamp,
                         const struct tpunet_path *paths, size_t n, tpunet_done_fn *done, void *arg)
{
    struct job *job = ctx;
    return job->seam->quiesce(job->seam->ctx, stamp, paths, n, done, arg);
}

static int timed_commit(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                        size_t n, tpunet_done_fn *done, void *arg)
{
    struct job *job = ctx;
    return job->seam->commit(job->seam->ctx, stamp, paths, n, done, arg);
}

static int timed_set_port(void *ctx, const struct tpunet_stamp *stamp, struct tpunet_path path,
                          unsigned port, bool enabled, tpunet_done_fn *done, void *arg)
{
    struct job *job = ctx;
    return job->seam->set_port(job->seam->ctx, stamp, path, port, enabled, done, arg);
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
                           int status, char *text)
{
    Wire__AgentVerdict verdict;

    init_verdict(&verdict, stamp, check_only);
    verdict.code = (char *)(uintptr_t)code_of(status);
    verdict.text = text;
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

static void report(struct job *job, const struct tpunet_verdict *verdict)
{
    Wire__AgentVerdict out;
    size_t n = verdict->n_mismatches < MISMATCH_LINES ? verdict->n_mismatches : MISMATCH_LINES;
    char **lines = format_mismatches(verdict, n);
    struct mono_ns now = clock_read().mono;

    init_verdict(&out, &job->stamp, job->check_only);
    out.ok = verdict->status == 0;
    out.code = (char *)(uintptr_t)code_of(verdict->status);
    out.text = (char *)(uintptr_t)(verdict->status == 0 ? "" : verdict->error.text);
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
    out.discovered_ms = mono_ms_since(job->started, job->probed);
    if (job->wrote.ns != 0) {
        out.proved_ms = mono_ms_since(job->probed, job->wrote);
        out.installed_ms = mono_ms_since(job->wrote, now);
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
        if (part_parse(&part, in->rewires[i]->fibre, NULL) < 0 || part.kind != PART_FIBRE) {
            status = TPUNET_EWIRING;
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

static int take_intent(struct job *job, const Wire__AgentBringUp *in, struct tpunet_error *err)
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

static int job_start(struct job *job, const Wire__AgentBringUp *in, struct tpunet_error *err)
{
    uint32_t host = in->coordinator;
    int status = take_wiring(job, in, err);

    if (status == 0) {
        status = take_intent(job, in, err);
    }
    if (status < 0 || host / TPUNET_CUBE_HOSTS >= in->pod_cubes) {
        return status < 0 ? status : TPUNET_EINVAL;
    }
    uint32_t entry = tpunet_chip_number(tpunet_host_chip((uint16_t)(host / TPUNET_CUBE_HOSTS),
                                                         host % TPUNET_CUBE_HOSTS, 0));
    job->seam = fabric_nng_seam(job->jobs->t->fabric);
    job->timed = (struct tpunet_fabric){.ctx = job,
                                        .probe = timed_probe,
                                        .write_rows = timed_write_rows,
                                        .quiesce = timed_quiesce,
                                        .commit = timed_commit,
                                        .set_port = timed_set_port};
    return tpunet_bringup_create(&job->bringup, &job->timed, job->intent, job->wiring, &job->stamp,
                                 entry, job->check_only ? TPUNET_CHECK : TPUNET_INSTALL, err);
}

static void start_new(struct jobs *jobs, const struct tpunet_stamp *stamp, bool watched,
                      const Wire__AgentBringUp *in)
{
    struct job *job = xcalloc(1, sizeof *job);
    struct tpunet_error err = {.text = "the command contradicts itself"};

    job->jobs = jobs;
    job->stamp = *stamp;
    job->check_only = in->check_only;
    job->watched = watched;
    job->started = job->probed = clock_read().mono;
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

static int compare_age(const struct tpunet_stamp *a, const struct tpunet_stamp *b)
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

void jobs_bring_up(struct jobs *jobs, const Wire__AgentBringUp *in)
{
    struct tpunet_stamp stamp = {.epoch = in->epoch, .generation = in->generation};
    struct job **at = find(jobs, in->slice);
    bool watched = false;

    (void)snprintf(stamp.pod, sizeof stamp.pod, "%s", jobs->t->config->pod);
    (void)snprintf(stamp.slice, sizeof stamp.slice, "%s", in->slice);
    if (in->epoch < jobs->t->epoch) {
        report_failure(jobs, &stamp, in->check_only, TPUNET_ESTALE,
                       "a newer podmgr has spoken to this tpunetd");
        return;
    }
    if (*at != NULL) {
        struct job *job = *at;
        int age = compare_age(&stamp, &job->stamp);
        if (age < 0) {
            report_failure(jobs, &stamp, in->check_only, TPUNET_ESTALE,
                           "this tpunetd holds a newer intent of the slice");
            return;
        }
        if (age == 0 && !in->check_only && job->verdict.bytes != NULL) {
            repeat_verdict(jobs, job);
            return;
        }
        if (age == 0 && job->check_only == in->check_only && job->bringup != NULL) {
            return; /* under way: its verdict will come */
        }
        watched = job->watched;
        remove_at(at);
    }
    start_new(jobs, &stamp, watched, in);
}

void jobs_release(struct jobs *jobs, const Wire__AgentRelease *in)
{
    struct job **at = find(jobs, in->slice);

    if (*at != NULL && in->epoch >= jobs->t->epoch) {
        remove_at(at);
    }
}
