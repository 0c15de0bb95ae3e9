#include "store/blob.h"

#include <stdlib.h>

#include "mem.h"

static void put_u16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value & 0xff);
    p[1] = (uint8_t)(value >> 8);
}

static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

void bind_u16s(sqlite3_stmt *s, int at, const uint16_t *values, size_t n)
{
    uint8_t *bytes = xmalloc(2 * n);

    for (size_t i = 0; i < n; i++) {
        put_u16(bytes + 2 * i, values[i]);
    }
    (void)sqlite3_bind_blob64(s, at, bytes, 2 * n, free);
}

void bind_xcs(sqlite3_stmt *s, int at, const struct tpunet_xc *xcs, size_t n)
{
    uint8_t *bytes = xmalloc(6 * n);

    for (size_t i = 0; i < n; i++) {
        put_u16(bytes + 6 * i, xcs[i].ocs);
        put_u16(bytes + 6 * i + 2, xcs[i].north);
        put_u16(bytes + 6 * i + 4, xcs[i].south);
    }
    (void)sqlite3_bind_blob64(s, at, bytes, 6 * n, free);
}

uint16_t *column_u16s(sqlite3_stmt *s, int at, size_t *n)
{
    const uint8_t *bytes = sqlite3_column_blob(s, at);
    size_t size = (size_t)sqlite3_column_bytes(s, at);

    *n = size / 2;
    if (size % 2 != 0) {
        return NULL;
    }
    uint16_t *values = xcalloc(*n, sizeof *values);
    for (size_t i = 0; i < *n; i++) {
        values[i] = get_u16(bytes + 2 * i);
    }
    return values;
}

struct tpunet_xc *column_xcs(sqlite3_stmt *s, int at, size_t *n)
{
    const uint8_t *bytes = sqlite3_column_blob(s, at);
    size_t size = (size_t)sqlite3_column_bytes(s, at);

    *n = size / 6;
    if (size % 6 != 0) {
        return NULL;
    }
    struct tpunet_xc *xcs = xcalloc(*n, sizeof *xcs);
    for (size_t i = 0; i < *n; i++) {
        xcs[i] = (struct tpunet_xc){.ocs = get_u16(bytes + 6 * i),
                                    .north = get_u16(bytes + 6 * i + 2),
                                    .south = get_u16(bytes + 6 * i + 4)};
    }
    return xcs;
}
