/* A file of solved routes: what is accepted is written again as it was read,
 * and lays tables without a fault, whatever they then are worth. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tpunet.h"

enum { ROOM = 64 << 20, CHECKSUM_BYTES = 8 };

/* Random damage would end at the checksum: the input gets a right one (FNV-1a). */
static void seal(uint8_t *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    size_t end = size - CHECKSUM_BYTES;

    for (size_t i = 0; i < end; i++) {
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    for (unsigned i = 0; i < CHECKSUM_BYTES; i++) {
        bytes[end + i] = (uint8_t)(sum >> 8 * i);
    }
}

/* The tables of what is found in the cache under the keys of one-cube slices. */
static void expand_all(struct tpunet_route_cache *cache)
{
    for (uint8_t i = 0; i < 2 * TPUNET_AXES; i++) {
        struct tpunet_route_key key = {{.dim = {4, 4, 4}}, i / 2, (uint8_t)(2 + i % 2), 1};
        const struct tpunet_route_solution *s = tpunet_route_cache_lookup(cache, &key);
        struct tpunet_tables *tables;
        if (s != NULL && tpunet_route_expand(&tables, s, i % 4U, 3, NULL) == 0) {
            tpunet_tables_destroy(tables);
        }
    }
}

void fuzz_route_cache(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 1), *again;
    size_t size_again;
    struct tpunet_route_cache *cache;

    assert(bytes != NULL && tpunet_route_cache_create(&cache, ROOM, NULL) == 0);
    memcpy(bytes, data, size);
    if (size >= CHECKSUM_BYTES) {
        seal(bytes, size);
    }
    if (tpunet_route_cache_load(cache, bytes, size, NULL) == 0) {
        assert(tpunet_route_cache_save(cache, &again, &size_again, NULL) == 0);
        free(again);
        expand_all(cache);
    }
    tpunet_route_cache_destroy(cache);
    free(bytes);
}
