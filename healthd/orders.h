/* What podmgr ordered: preflights of our hosts of a slice, each run once, and
 * kept until podmgr has its verdict or nobody waits for it any more.
 *
 * Volatile: after a restart podmgr orders again what it still waits for. */
#ifndef HEALTHD_ORDERS_H
#define HEALTHD_ORDERS_H

#include "health.pb-c.h"
#include "healthd.h"

struct orders;
struct orders *orders_create(struct healthd *d);
/* After the instruments have ended all calls. */
void orders_destroy(struct orders *o);

/* False: it makes no sense here, and is not taken.  One that is known already is
 * taken without effect. */
bool orders_take(struct orders *o, const Wire__HealthOrder *in);
/* The instruments may be back: what ended without them is done again. */
void orders_resume(struct orders *o);
/* Can more be taken?  Else podmgr is not asked for any. */
bool orders_have_room(const struct orders *o);
/* The oldest verdict that podmgr does not have, for the caller to free with
 * wire__health_verdict__free_unpacked(); NULL: none. */
Wire__HealthVerdict *orders_next(const struct orders *o);
/* podmgr has it, or does not want it. */
void orders_told(struct orders *o, uint64_t number);
/* podmgr has restarted: nobody waits for any of them. */
void orders_forget(struct orders *o);

#endif
