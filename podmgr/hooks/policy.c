/* The rules:
 *
 *   1. A whole answer of 2xx is a delivery, whatever its body says.
 *   2. 410 Gone: nothing more is sent.
 *   3. Everything else, redirects and refusals too, is tried again, the same
 *      events first: what is behind them waits, or order would be lost.
 *   4. The n-th try waits backoff_ms, doubled each time up to backoff_max_ms,
 *      less up to half of it by chance, so that many podmgrs do not come at once.
 *   5. A receiver that asks for more time (Retry-After) gets it, up to
 *      backoff_max_ms.
 *   6. It fails, and an event says so, when FAILING tries in a row have.
 */
#include "hooks/policy.h"

#include <assert.h>

enum { FAILING = 3 };

enum hook_verdict hook_judge(const struct hook_outcome *outcome)
{
    if (outcome->answered && outcome->status / 100 == 2) {
        return HOOK_DELIVERED;
    }
    return outcome->answered && outcome->status == 410 ? HOOK_GONE : HOOK_AGAIN;
}

uint64_t hook_delay_ms(const struct hook_policy *policy, unsigned failures,
                       const struct hook_outcome *outcome, uint64_t random)
{
    uint64_t most = policy->backoff_max_ms, delay = policy->backoff_ms;

    assert(failures > 0);
    for (unsigned i = 1; i < failures && delay < most; i++) {
        delay *= 2;
    }
    delay = delay < most ? delay : most;
    delay -= random % (delay / 2 + 1);
    uint64_t asked = outcome->retry_after_s * UINT64_C(1000);
    asked = asked < most ? asked : most;
    return delay > asked ? delay : asked;
}

bool hook_is_failing(unsigned failures)
{
    return failures == FAILING;
}
