/* Small files that are read and written whole. */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Writes beside the file, syncs, and renames over it, so that it is the old one
 * or the new one, whatever happens.  E_IO names the file; the old one is then
 * still there. */
int file_replace(const char *file, const uint8_t *bytes, size_t len, struct error *err);
/* The caller frees *bytes; 0 and NULL if there is no file.  E_IO: it cannot be
 * read, or has more than `max` bytes. */
int file_read(const char *file, size_t max, uint8_t **bytes, size_t *len, struct error *err);

#endif
