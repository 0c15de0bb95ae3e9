/* AgentRequest frames at podmgr, and then everything that it tells its clients:
 * what came from outside must not spoil an answer. */
#include <assert.h>

#include "api/http.h"
#include "fake_rpc.h"
#include "fuzz.h"
#include "pod.h"
#include "podmgr.h"

void fuzz_agent_request(const uint8_t *data, size_t size)
{
    const struct podmgr *p = fuzz_podmgr();
    const uint8_t *frame;
    size_t len;

    while (fuzz_frame(&data, &size, &frame, &len)) {
        fake_rpc_deliver(FUZZ_AGENTS_URL, frame, len);
    }
    fuzz_podmgr_turn();
    for (unsigned host = 0; host < model_hosts(p->model); host++) {
        json_t *json = render_host(p->model, host);
        assert(json != NULL);
        json_decref(json);
    }
    for (size_t i = 0; i < p->model->n_slices; i++) {
        json_t *json = render_slice(p->model->slices[i]);
        assert(json != NULL);
        json_decref(json);
    }
}
