/* What jobs.c and jobs_watch.c share. */
#ifndef TPUNETD_JOBS_INTERNAL_H
#define TPUNETD_JOBS_INTERNAL_H

#include "links.h"
#include "tpunetd.h"

struct job {
    struct job *next;
    struct jobs *jobs; /* NULL: replaced or released while it ran */
    struct tpunet_stamp stamp;
    bool check_only;
    bool watched; /* its links are told */
    unsigned vcs; /* of a link */
    struct tpunet_intent *intent;
    struct tpunet_wiring *wiring;
    struct tpunet_bringup *bringup; /* while it runs */
    struct fabric_session session;
    struct mono_ns started;
    struct tpunet_stamp installed; /* the newest install asked for; rule 2 */
    struct slice_links links;
    struct packed_verdict {
        uint8_t *bytes;
        size_t len;
    } verdict; /* on record once there */
};

struct jobs {
    struct tpunetd *t;
    struct job *first;
};

/* The place of the job of this slice, or where one would be added. */
struct job **jobs_find(struct jobs *jobs, const char *slice);
void jobs_remove_at(struct job **at);
int job_take_intent(struct job *job, const Wire__AgentBringUp *in, struct tpunet_error *err);
/* By epoch, then by generation; negative: a is older. */
int stamp_compare_age(const struct tpunet_stamp *a, const struct tpunet_stamp *b);
/* podmgr's order to watch a slice that serves. */
void jobs_watch(struct jobs *jobs, const struct tpunet_stamp *stamp, const Wire__AgentBringUp *in);

#endif
