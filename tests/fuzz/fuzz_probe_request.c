/* ProbeRequest frames at podsim's instruments. */
#include "fake_rpc.h"
#include "fuzz.h"
#include "pod.h"

void fuzz_probe_request(const uint8_t *data, size_t size)
{
    const uint8_t *frame;
    size_t len;

    fuzz_podsim();
    while (fuzz_frame(&data, &size, &frame, &len)) {
        fake_rpc_deliver(FUZZ_PROBE_URL, frame, len);
    }
}
