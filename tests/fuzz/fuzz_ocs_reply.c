/* OcsReply frames: switch 0 connects, and each frame answers what podmgr asks
 * next.  Then what it tells its clients of that switch. */
#include <assert.h>

#include "api/http.h"
#include "fake_rpc.h"
#include "fuzz.h"
#include "ocs.pb-c.h"
#include "pod.h"
#include "podmgr.h"

/* "Another podmgr has the switch" ends podmgr, on purpose. */
static bool ends_podmgr(const uint8_t *frame, size_t len)
{
    Wire__OcsReply *reply = rpc_unpack(&wire__ocs_reply__descriptor, frame, len);
    bool stale = reply != NULL && reply->status == WIRE__OCS_STATUS__OCS_STALE_EPOCH;

    wire__ocs_reply__free_unpacked(reply, NULL);
    return stale;
}

void fuzz_ocs_reply(const uint8_t *data, size_t size)
{
    const struct podmgr *p = fuzz_podmgr();
    const uint8_t *frame;
    size_t len;

    fake_rpc_link(FUZZ_OCS_URL, true);
    fuzz_podmgr_turn();
    while (fuzz_frame(&data, &size, &frame, &len) && !ends_podmgr(frame, len) &&
           fake_rpc_answer(FUZZ_OCS_URL, frame, len)) {
        fuzz_podmgr_turn();
    }
    json_t *json = render_ocs(p->model, 0, true);
    assert(json != NULL);
    json_decref(json);
    fake_rpc_link(FUZZ_OCS_URL, false);
    fuzz_podmgr_turn();
}
