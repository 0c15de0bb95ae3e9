/* The outbox: what podmgr has to hear, until it has acknowledged it.
 *
 * Findings of a host are gathered, sealed into a report with the next number of
 * that host, and kept in order.  Beside them stands what podmgr was told and
 * has acknowledged: when it has forgotten (a restart) or misses a number, a
 * snapshot of that goes first and the reports follow, so that what came and
 * went meanwhile is heard of too.  One message is under way at a time; it
 * carries what is due of all hosts.
 *
 * A host with more than 256 reports waiting (podmgr is away for long, a link
 * flaps) gives up its history: its present state becomes the snapshot.
 *
 * Pure: no I/O.  state.c makes it durable before anything is sent. */
#ifndef HEALTHD_REPORT_H
#define HEALTHD_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "finding.h"
#include "health.pb-c.h"

enum { REPORTS_KEPT = 256 /* a host */, FINDINGS_A_MESSAGE = 8192 };

struct reports;
/* `hosts` must outlive it. */
struct reports *reports_create(const uint16_t *hosts, size_t n, uint64_t instance);
void reports_destroy(struct reports *r);
uint64_t reports_instance(const struct reports *r);

/* `host` is an index into the hosts. */
void reports_put(struct reports *r, size_t host, const struct finding *finding);
/* Numbers what was put since; true if there was something. */
bool reports_seal(struct reports *r, struct wall_ms now);

/* podmgr knows nothing of us: snapshots of all hosts, and all that waits. */
void reports_start_over(struct reports *r);
/* The next message, or NULL if nothing is due or one is under way; the caller
 * frees it with wire__health_reports__free_unpacked(). */
Wire__HealthReports *reports_next(struct reports *r, uint64_t epoch);
/* It was answered: all but those refused is acknowledged.  Returns the number of
 * reports refused for another reason than their order; their hosts say nothing
 * until reports_start_over() or reports_unmute(). */
size_t reports_taken(struct reports *r, const Wire__HealthReply *reply);
/* It was not: the same again. */
void reports_lost(struct reports *r);
void reports_unmute(struct reports *r);
/* Histories given up since the start. */
uint64_t reports_folded(const struct reports *r);

/* For the state file: fills what concerns a host; the strings are its own. */
void reports_save(const struct reports *r, size_t host, Wire__HealthStateHost *out);
/* False, and nothing is changed, if it is not what reports_save() makes. */
bool reports_load(struct reports *r, size_t host, const Wire__HealthStateHost *in);

/* Between messages and findings; false if out of bounds. */
Wire__HealthFinding *finding_pack(const struct finding *f);
bool finding_unpack(struct finding *out, const Wire__HealthFinding *in);

#endif
