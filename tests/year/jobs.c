/* Who asks for slices, and what each had of what it asked for.
 *
 *   1. The year begins with jobs drawn from the mix until the load is reached, and
 *      a job that ends is followed by one of its shape: so the pod stays as full, and
 *      small jobs do not crowd out the large ones.
 *   2. A job is to have its chips from when its slice first works until it ends.
 *      It has them while podmgr says that the slice serves and the emulated
 *      hardware agrees: every chip alive, every host able to work, every link that
 *      its routes use up.  All other time is lost, to the fault that came last.
 *   3. A slice that FAILED is deleted and asked for anew; so is one whose job has
 *      made no progress for watchdog_seconds.
 *   4. A request that is refused waits, and so does a slice that cannot be deleted:
 *      told apart, since nobody has the slice yet, or needs it any more.
 *   5. Requests are made in the order in which their jobs came, one after the other;
 *      so who lost a slice goes first, as schedulers put what they requeue, and a large
 *      job is not kept waiting by small ones.  Who waits for anything but room (a
 *      switch that is FAILED) holds nobody up. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "year.h"

enum { DRAWS = 60, AGAIN_MS = 60000, SLOW_DELETE_MS = 5000 };

struct errand {
    struct year *y;
    struct job *job;
    uint64_t number; /* of the job that it is about */
    struct id slice;
};

static void later(struct year *y, struct job *job, double ms, evq_fn *fn)
{
    struct errand *errand = xmalloc(sizeof *errand);

    *errand = (struct errand){y, job, job->number, job->slice};
    lab_after(y->lab, ms, fn, errand);
}

/* False if the job has gone meanwhile, or has another slice. */
static bool is_current(const struct errand *errand)
{
    return errand->job->used && errand->job->number == errand->number &&
           id_compare(errand->job->slice, errand->slice) == 0 && !errand->y->over;
}

/* --------------------------------------------------------------- the books -- */

static double chip_seconds(const struct year *y, const struct job *job, int64_t since_ns)
{
    return job->chips * (double)(lab_now_ns(y->lab) - since_ns) / 1e9;
}

static void book_waiting(struct year *y, struct job *job)
{
    if (job->waits_ns >= 0) {
        y->tally->waited += chip_seconds(y, job, job->waits_ns);
        job->waits_ns = -1;
    }
}

static void book_loss(struct year *y, struct job *job, bool recovered)
{
    struct tally *t = y->tally;

    if (job->lost_ns < 0) {
        return;
    }
    t->lost[job->cause] += chip_seconds(y, job, job->lost_ns);
    if (recovered && t->n_samples < SAMPLES_MAX) {
        t->samples[t->n_samples++] = (struct sample){
            (float)((double)(lab_now_ns(y->lab) - job->lost_ns) / 1e6), (uint8_t)job->cause};
    }
    job->lost_ns = -1;
}

static void book_degraded(struct year *y, struct job *job, bool degraded)
{
    if (!degraded && job->degraded_ns >= 0) {
        y->tally->degraded += chip_seconds(y, job, job->degraded_ns);
        job->degraded_ns = -1;
    } else if (degraded && job->degraded_ns < 0) {
        job->degraded_ns = lab_now_ns(y->lab);
    }
}

static void book_end(struct year *y, struct job *job)
{
    book_loss(y, job, false);
    book_degraded(y, job, false);
    if (job->has_run) {
        y->tally->asked += chip_seconds(y, job, job->asked_ns);
    }
}

/* --------------------------------------------------------------- requests -- */

static void delete_slice(struct year *y, struct job *job)
{
    struct event ev = {.kind = EV_DELETE_SLICE, .who = "the scheduler", .del = {.id = job->slice}};

    lab_post(y->lab, &ev);
}

static void request(struct year *y, struct job *job)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .who = "the scheduler"};

    ev.cookie = job->cookie = ++y->next_cookie;
    ev.create = xmemdup(&job->spec, sizeof job->spec);
    lab_post(y->lab, &ev);
}

static bool has_none(const struct job *job)
{
    return job->used && !job->ending && id_is_none(job->slice);
}

/* Rule 5: who is to be asked for next; NULL: nobody waits for room. */
static struct job *first_in_line(struct year *y)
{
    struct job *first = NULL;

    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &y->jobs[i];
        bool waits = has_none(job) && !job->steps_aside;
        if (waits && (first == NULL || job->number < first->number)) {
            first = job;
        }
    }
    return first;
}

static evq_fn request_again;

static void wait_for_room(struct year *y, struct job *job)
{
    if (job->waits_ns < 0 && !job->has_run) {
        job->waits_ns = lab_now_ns(y->lab);
    }
    if (!job->asks_again) {
        job->asks_again = true;
        later(y, job, AGAIN_MS, request_again);
    }
}

static void request_in_turn(struct year *y, struct job *job)
{
    if (job == first_in_line(y)) {
        request(y, job);
    } else {
        wait_for_room(y, job);
    }
}

static void request_again(void *arg)
{
    struct errand *errand = arg;
    struct job *job = errand->job;

    if (job->number == errand->number) {
        job->asks_again = false;
    }
    if (is_current(errand) && has_none(job) && job->cookie == 0) {
        job->steps_aside = false;
        request_in_turn(errand->y, job);
    }
    free(errand);
}

/* There may be room. */
static void request_next(struct year *y)
{
    struct job *job = first_in_line(y);

    if (job != NULL && job->cookie == 0) {
        request(y, job);
    }
}

/* ----------------------------------------------------------------- drawing -- */

static size_t draw_shape(struct year *y)
{
    double sum = 0, at;
    size_t i = 0;

    for (size_t k = 0; k < y->config->n_mix; k++) {
        sum += y->config->mix[k].share;
    }
    at = year_chance(y) * sum;
    while (i + 1 < y->config->n_mix && at >= y->config->mix[i].share) {
        at -= y->config->mix[i++].share;
    }
    return i;
}

static void start_job(struct year *y, struct job *job, struct tpunet_shape shape)
{
    *job = (struct job){.used = true,
                        .number = ++y->next_job,
                        .cubes = tpunet_shape_cubes(&shape),
                        .chips = tpunet_shape_chips(&shape),
                        .lost_ns = -1,
                        .degraded_ns = -1,
                        .waits_ns = -1};
    job->spec.shape = shape;
    job->spec.accept_degraded = year_chance(y) < y->config->accept_degraded;
    y->tally->jobs++;
    request_in_turn(y, job);
}

/* Rule 1. */
void jobs_start(struct year *y)
{
    unsigned cubes = 0;
    size_t n = 0;

    for (unsigned draws = 0; draws < DRAWS && n < JOBS_MAX; draws++) {
        const struct tpunet_shape *shape = &y->config->mix[draw_shape(y)].shape;
        if (cubes + tpunet_shape_cubes(shape) <= y->cubes_target) {
            cubes += tpunet_shape_cubes(shape);
            start_job(y, &y->jobs[n++], *shape);
        }
    }
}

/* Rule 3. */
static void give_back(void *arg)
{
    struct errand *errand = arg;
    struct job *job = errand->job;

    if (is_current(errand) && !job->ending && !job->resubmits && !job->works) {
        job->resubmits = true;
        errand->y->tally->resubmitted++;
        delete_slice(errand->y, job);
    }
    free(errand);
}

static void on_watchdog(void *arg)
{
    struct errand *errand = arg;
    struct job *job = errand->job;
    struct year *y = errand->y;

    if (is_current(errand) && !job->works && !job->resubmits && !job->ending &&
        (double)(lab_now_ns(y->lab) - job->lost_ns) >= y->config->watchdog_seconds * 1e9) {
        const struct slice *slice = model_slice(y->lab->model, job->slice);
        y->tally->watchdog[job->cause] += slice != NULL && slice_serves(slice);
        give_back(errand);
        return;
    }
    free(errand);
}

static void on_end(void *arg)
{
    struct errand *errand = arg;
    struct year *y = errand->y;
    struct job *job = errand->job;

    if (!job->used || job->number != errand->number || y->over) {
        free(errand);
        return;
    }
    book_end(y, job);
    book_waiting(y, job);
    job->ending = true;
    job->works = false;
    if (id_is_none(job->slice)) {
        start_job(y, job, job->spec.shape); /* it was waiting for a slice anew */
    } else {
        job->waits_ns = lab_now_ns(y->lab); /* until it is gone */
        if (!job->resubmits) {
            delete_slice(y, job);
        }
    }
    free(errand);
}

void jobs_reply(struct year *y, uint64_t cookie, struct id id, const struct reply *reply)
{
    for (size_t i = 0; i < JOBS_MAX && cookie != 0; i++) {
        struct job *job = &y->jobs[i];
        if (!job->used || job->cookie != cookie) {
            continue;
        }
        job->cookie = 0;
        if (reply->status == 0) {
            book_waiting(y, job);
            job->slice = id;
            request_next(y);
        } else { /* rule 4 */
            y->tally->refused += !job->was_refused;
            job->was_refused = true;
            job->steps_aside = strcmp(reply->code, "insufficient-capacity") != 0;
            wait_for_room(y, job);
            if (job->steps_aside) {
                request_next(y);
            }
        }
        return;
    }
}

/* ---------------------------------------------------------------- judgement -- */

static void lose(struct year *y, struct job *job)
{
    job->works = false;
    job->cause = y->last_cause;
    job->lost_ns = lab_now_ns(y->lab);
    y->tally->hits[job->cause]++;
    y->tally->jobs_touched += !job->touched;
    job->touched = true;
    y->tally->restarts += job->chips * y->config->restart_seconds;
    later(y, job, y->config->watchdog_seconds * 1e3, on_watchdog);
}

static void begin_running(struct year *y, struct job *job)
{
    job->has_run = true;
    job->asked_ns = job->lost_ns >= 0 ? job->lost_ns : lab_now_ns(y->lab);
    later(y, job, year_exponential(y, y->config->mean_hours) * 3.6e6, on_end);
}

/* Rule 2. */
static void judge(struct year *y, struct job *job)
{
    const struct slice *slice =
        id_is_none(job->slice) ? NULL : model_slice(y->lab->model, job->slice);
    bool works =
        slice != NULL && slice_serves(slice) && !job->resubmits && lab_slice_works(y->lab, slice);

    if (job->ending) {
        return;
    }
    book_degraded(y, job, works && slice->state == SLICE_ACTIVE_DEGRADED);
    if (works && !job->works) {
        job->works = true;
        if (!job->has_run) {
            begin_running(y, job);
        }
        book_loss(y, job, true);
    } else if (!works && job->works) {
        lose(y, job);
    }
}

void jobs_judge(struct year *y)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (y->jobs[i].used) {
            judge(y, &y->jobs[i]);
        }
    }
}

/* ---------------------------------------------------------------- what is said -- */

static struct job *job_of(struct year *y, struct id slice)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (y->jobs[i].used && id_compare(y->jobs[i].slice, slice) == 0) {
            return &y->jobs[i];
        }
    }
    return NULL;
}

static void on_deleted(struct year *y, struct job *job)
{
    job->slice = (struct id){0};
    if (job->resubmits && !job->ending) {
        job->resubmits = false;
        request_in_turn(y, job);
        return;
    }
    if (job->waits_ns >= 0 && lab_now_ns(y->lab) - job->waits_ns > SLOW_DELETE_MS * LAB_MS) {
        book_waiting(y, job);
    }
    start_job(y, job, job->spec.shape);
    request_next(y);
}

static void on_failed(struct year *y, struct job *job)
{
    y->tally->failed_slices++;
    if (job->lost_ns < 0 && !job->ending) { /* it never came up */
        job->works = true;
        lose(y, job);
    }
    later(y, job, y->config->resubmit_seconds * 1e3, give_back);
}

void jobs_journal(struct year *y, const struct journal_entry *entry)
{
    struct id id;
    struct job *job;

    if (strncmp(entry->subject, "slice/", 6) != 0 || !id_parse(&id, entry->subject + 6) ||
        (job = job_of(y, id)) == NULL) {
        return;
    }
    const struct slice *slice = model_slice(y->lab->model, id);
    judge(y, job);
    if (strcmp(entry->type, "slice.deleted") == 0) {
        on_deleted(y, job);
    } else if (strcmp(entry->type, "slice.failed") == 0) {
        on_failed(y, job);
    } else if (strcmp(entry->type, "slice.reconfiguring") == 0 && slice != NULL) {
        y->tally->swaps += strstr(slice->reason, " instead of ") != NULL;
        y->tally->touched_by_noise += y->quiet;
    } else if (strcmp(entry->type, "slice.degraded") == 0 && slice != NULL) {
        y->tally->reroutes += slice->dead_links > 0;
        y->tally->touched_by_noise += y->quiet;
    }
    if (y->quiet && strcmp(entry->type, "slice.failed") == 0) {
        y->tally->touched_by_noise++;
    }
}

void jobs_end(struct year *y)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &y->jobs[i];
        if (job->used) {
            book_waiting(y, job);
        }
        if (job->used && !job->ending) {
            book_end(y, job);
        }
    }
}
