/* Lists of numbers as blobs: unsigned 16 bit, little endian. */
#ifndef PODMGR_STORE_BLOB_H
#define PODMGR_STORE_BLOB_H

#include <sqlite3.h>

#include "tpunet.h"

void bind_u16s(sqlite3_stmt *s, int at, const uint16_t *values, size_t n);
void bind_xcs(sqlite3_stmt *s, int at, const struct tpunet_xc *xcs, size_t n);
/* The caller frees; *n is the number of values.  NULL if the length of the
 * blob is not that of whole values. */
uint16_t *column_u16s(sqlite3_stmt *s, int at, size_t *n);
struct tpunet_xc *column_xcs(sqlite3_stmt *s, int at, size_t *n);

#endif
