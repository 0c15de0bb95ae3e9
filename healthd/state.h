/* The state file: the outbox and the raised checks, so that a restart neither
 * loses a report, nor numbers two alike, nor finds a sick part healthy.
 *
 * It is written whole, to a file beside it, synced and renamed over the old
 * one, so that it is either the old or the new.  What cannot be read is said and
 * set aside: the observer then starts over as a new instance, and podmgr takes
 * its snapshots. */
#ifndef HEALTHD_STATE_H
#define HEALTHD_STATE_H

#include "report.h"
#include "verdict.h"

/* Everything that is kept; `reports` was created for these hosts. */
struct kept {
    const char *pod;
    const uint16_t *hosts;
    size_t n_hosts;
    struct reports *reports;
    struct judge *judge;
};

/* E_IO names the file; the old one is then still there. */
int state_save(const struct kept *kept, const char *file, struct now now, struct error *err);
/* Fills *instance and reads the message; 0 and *in NULL if there is no file;
 * E_IO, or E_CORRUPT: it is not a state of this pod. */
int state_read(Wire__HealthState **in, const char *pod, const char *file, struct error *err);
/* Puts back what it has of these hosts.  E_CORRUPT: what was put back until then
 * must not be used. */
int state_restore(const struct kept *kept, const Wire__HealthState *in, struct now now,
                  struct error *err);

#endif
