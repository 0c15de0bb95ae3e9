/* What the job on a slice is to do, told with every event of the slice's
 * service.  The rules stand in advice.c; pure.
 *
 * A slice's losses (slice.h) are noted while it does not serve and forgotten
 * once an event has told that it serves again. */
#ifndef PODMGR_CORE_ADVICE_H
#define PODMGR_CORE_ADVICE_H

#include <jansson.h>

#include "core/slice.h"

/* Schedulers compare these names: they never change. */
#define ADVICES(X)                                                                                 \
    X(START, "start")                                                                              \
    X(WAIT, "wait")                                                                                \
    X(CONTINUE, "continue")                                                                        \
    X(RESTART, "restart-from-checkpoint")                                                          \
    X(STOP, "stop")

enum advice {
#define X(name, text) ADVICE_##name,
    ADVICES(X)
#undef X
};
const char *advice_name(enum advice advice);

/* For the slice as it is now. */
enum advice advice_of(const struct slice *slice);

/* Why it stops serving; the first cause of an outage stays. */
void advice_blame(struct slice *slice, const char *cause);
void advice_swapped(struct slice *slice, uint16_t was, uint16_t is);
/* An event has told of the slice as it is. */
void advice_told(struct slice *slice);

/* Adds what a scheduler acts on to an event's data: advice, degraded, and where
 * there is something to say cause, swapped, throughput_retained. */
void advice_add(const struct slice *slice, json_t *data);

#endif
