/* The body of POST /v1/slices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mem.h"
#include "pod.h"

void fuzz_slice_body(const uint8_t *data, size_t size)
{
    char head[128];
    int len = snprintf(head, sizeof head,
                       "POST /v1/slices HTTP/1.1\r\nHost: p\r\nConnection: close\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                       size);
    char *bytes = xmalloc((size_t)len + size);

    memcpy(bytes, head, (size_t)len);
    if (size > 0) {
        memcpy(bytes + len, data, size);
    }
    (void)fuzz_podmgr();
    fuzz_podmgr_http(bytes, (size_t)len + size);
    free(bytes);
}
