/* The links of slices: which are watched, what is told of them.
 *
 *   1. podmgr orders every tpunetd that stands for a host of a slice to watch it;
 *      the coordinator does so from its own verdict on.
 *   2. A watch begins with how the chips say that the links are, and with what
 *      podmgr believes of them; the differences are told. */
#include <stdlib.h>
#include <string.h>

#include "jobs_internal.h"
#include "log.h"
#include "mem.h"

/* ------------------------------------------------------------------ the order -- */

/* What podmgr believes is what it was told: the difference is news. */
static void believe(struct job *job, const Wire__AgentBringUp *in)
{
    slice_links_told_up(&job->links);
    for (size_t i = 0; i < in->n_down_links; i++) {
        const Wire__AgentLinkEnd *end = in->down_links[i];
        uint32_t logical =
            end->chip < TPUNET_CHIPS_MAX ? slice_logical(job->intent, end->chip) : TPUNET_NONE;
        if (logical != TPUNET_NONE && end->port < TPUNET_PORTS) {
            slice_links_tell(&job->links, logical, end->port, false);
        }
    }
}

/* Of a slice that another tpunetd has brought up. */
static struct job *begin(struct jobs *jobs, const struct tpunet_stamp *stamp,
                         const Wire__AgentBringUp *in)
{
    struct job *job = xcalloc(1, sizeof *job);
    struct tpunet_error err = {.text = "the order contradicts itself"};

    *job = (struct job){.next = jobs->first,
                        .jobs = jobs,
                        .stamp = *stamp,
                        .installed = *stamp,
                        .check_only = true};
    if (job_take_intent(job, in, &err) < 0 ||
        slice_links_init(&job->links, job->intent, &err) < 0) {
        log_warning(stamp->slice, "cannot watch: %s", err.text);
        tpunet_intent_destroy(job->intent);
        free(job);
        return NULL;
    }
    jobs->first = job;
    return job;
}

void jobs_watch(struct jobs *jobs, const struct tpunet_stamp *stamp, const Wire__AgentBringUp *in)
{
    struct job **at = jobs_find(jobs, stamp->slice), *job = *at;

    if (stamp->epoch < jobs->t->epoch ||
        (job != NULL && stamp_compare_age(stamp, &job->installed) < 0 &&
         job->installed.epoch != 0)) {
        log_info(stamp->slice, "an order to watch that is too old");
        return;
    }
    (void)claim_take(jobs->t, stamp->epoch);
    if (job != NULL && job->bringup == NULL && stamp_compare_age(stamp, &job->installed) > 0 &&
        job->installed.epoch != 0) {
        jobs_remove_at(at); /* its cubes may be others by now */
        job = NULL;
    }
    if (job == NULL && (job = begin(jobs, stamp, in)) == NULL) {
        return;
    }
    job->watched = true;
    believe(job, in);
    watch_ask_chips(jobs->t->watch);
}

/* -------------------------------------------------------------------- links -- */

void jobs_see_link(struct jobs *jobs, uint32_t chip, unsigned port, bool up, int64_t wall_ms)
{
    for (struct job *job = jobs->first; job != NULL; job = job->next) {
        uint32_t logical = slice_logical(job->intent, chip);
        if (logical != TPUNET_NONE) {
            (void)slice_links_see(&job->links, logical, port, up, wall_ms);
        }
    }
}

uint32_t *jobs_chips(const struct jobs *jobs, size_t *n)
{
    uint32_t *chips = NULL;

    *n = 0;
    for (const struct job *job = jobs->first; job != NULL; job = job->next) {
        uint32_t more = tpunet_shape_chips(&job->intent->shape);
        chips = xrealloc_array(chips, *n + more, sizeof *chips);
        for (uint32_t i = 0; i < more; i++) {
            chips[(*n)++] = slice_chip(job->intent, i);
        }
    }
    return chips;
}

static size_t untold_of(struct job *job, struct link_change *out, size_t max)
{
    uint32_t at = 0, logical;
    size_t n = 0;

    while (n < max && slice_links_untold(&job->links, &at, &logical, &out[n].port, &out[n].up)) {
        out[n].stamp = job->installed;
        memcpy(out[n].stamp.slice, job->stamp.slice, sizeof out[n].stamp.slice);
        out[n].chip = slice_chip(job->intent, logical);
        out[n].wall_ms = job->links.seen_ms;
        n++;
    }
    job->links.untold = n > 0; /* until they are told */
    return n;
}

size_t jobs_untold(struct jobs *jobs, struct link_change *out, size_t max)
{
    size_t n = 0;

    for (struct job *job = jobs->first; job != NULL && n < max; job = job->next) {
        if (job->watched && job->links.untold) {
            n += untold_of(job, out + n, max - n);
        }
    }
    return n;
}

void jobs_tell_again(struct jobs *jobs)
{
    for (struct job *job = jobs->first; job != NULL; job = job->next) {
        slice_links_tell_again(&job->links);
    }
}

void jobs_told(struct jobs *jobs, const struct link_change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct job *job = *jobs_find(jobs, changes[i].stamp.slice);
        if (job != NULL && job->watched &&
            stamp_compare_age(&job->installed, &changes[i].stamp) == 0) {
            slice_links_tell(&job->links, slice_logical(job->intent, changes[i].chip),
                             changes[i].port, changes[i].up);
        }
    }
}
