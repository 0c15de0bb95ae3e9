/* A request as a client writes it: line, query, headers, body. */
#include "fuzz.h"
#include "pod.h"

void fuzz_http(const uint8_t *data, size_t size)
{
    (void)fuzz_podmgr();
    fuzz_podmgr_http(data, size);
}
