/* A podmgr, a podsim or a tpunetd inside the process, on the fake wire.  Each
 * lives for some hundred inputs, since a start costs as much as many of them. */
#ifndef TESTS_FUZZ_POD_H
#define TESTS_FUZZ_POD_H

#include <stddef.h>

struct podmgr; /* podmgr.h; tpunetd names other things the same */

#define FUZZ_AGENTS_URL  "ipc:///agents"
#define FUZZ_OCS_URL     "ipc:///ocs-0" /* of switch 0 */
#define FUZZ_FABRIC_URL  "ipc:///fabric"
#define FUZZ_CONTROL_URL "ipc:///control"
#define FUZZ_HEALTH_URL  "ipc:///health"
#define FUZZ_PROBE_URL   "ipc:///probe"

/* Counts an input; pod "p" of two cubes, all of whose hosts have a daemon. */
struct podmgr *fuzz_podmgr(void);
/* Lets its loop turn some times. */
void fuzz_podmgr_turn(void);
/* Ends it, so that its database ("seed.db") is complete. */
void fuzz_podmgr_end(void);
/* Sends these bytes over a connection of their own and waits for an answer, or
 * till there is nothing left to do. */
void fuzz_podmgr_http(const void *bytes, size_t len);

/* Counts an input and lets due things happen; pod "p" of two cubes. */
void fuzz_podsim(void);

#endif
