/* SimRequest frames at podsim's control port. */
#include "fake_rpc.h"
#include "fuzz.h"
#include "pod.h"

void fuzz_sim_request(const uint8_t *data, size_t size)
{
    const uint8_t *frame;
    size_t len;

    fuzz_podsim();
    while (fuzz_frame(&data, &size, &frame, &len)) {
        fake_rpc_deliver(FUZZ_CONTROL_URL, frame, len);
    }
}
