/* What the outcome of a delivery means, and when the next try is due.  Pure; the
 * rules stand in policy.c. */
#ifndef PODMGR_HOOKS_POLICY_H
#define PODMGR_HOOKS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct hook_policy {
    unsigned backoff_ms;     /* before the second try */
    unsigned backoff_max_ms; /* doubled up to this */
};

/* Of one try. */
struct hook_outcome {
    bool answered;          /* whole, within the time limit */
    unsigned status;        /* HTTP, 0: none */
    unsigned retry_after_s; /* what the receiver asked for; 0: nothing */
};

enum hook_verdict { HOOK_DELIVERED, HOOK_AGAIN, HOOK_GONE };
enum hook_verdict hook_judge(const struct hook_outcome *outcome);

/* Before the next try, after `failures` in a row (1: the first); `random` is any
 * number. */
uint64_t hook_delay_ms(const struct hook_policy *policy, unsigned failures,
                       const struct hook_outcome *outcome, uint64_t random);

/* It is time to tell that this one fails. */
bool hook_is_failing(unsigned failures);

#endif
