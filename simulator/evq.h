/* A queue of future events on a virtual clock: the earliest first, equal times
 * in the order of their making. */
#ifndef SIMULATOR_EVQ_H
#define SIMULATOR_EVQ_H

#include <stdbool.h>
#include <stdint.h>

struct evq;
typedef void evq_fn(void *arg);

struct evq *evq_create(void);
void evq_destroy(struct evq *q); /* events left are dropped, their args not freed */
int64_t evq_now_ns(const struct evq *q);
void evq_at(struct evq *q, int64_t at_ns, evq_fn *fn, void *arg);
/* Takes back the first such event; false if there is none. */
bool evq_cancel(struct evq *q, evq_fn *fn, const void *arg);
/* Time of the earliest event; false if there is none. */
bool evq_next_ns(const struct evq *q, int64_t *at_ns);
/* Runs everything due until then and sets the clock to it.  From inside an
 * event it does nothing: the outer call goes on in order. */
void evq_advance(struct evq *q, int64_t until_ns);

#endif
