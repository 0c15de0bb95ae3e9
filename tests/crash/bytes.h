/* The contents of a file, in pages that copies share until one of them is written
 * to: a file is copied at every start of podmgr, and little of it is written then. */
#ifndef TESTS_CRASH_BYTES_H
#define TESTS_CRASH_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct page;
/* All zero: empty. */
struct bytes {
    struct page **pages;
    size_t size, cap;
};

void bytes_fini(struct bytes *b);
/* What comes to it is filled so. */
void bytes_resize(struct bytes *b, size_t size, uint8_t filling);
/* Of bytes that there are. */
void bytes_read(const struct bytes *b, void *to, size_t n, size_t offset);
/* Grows if need be; a gap is filled. */
void bytes_write(struct bytes *b, const void *from, size_t n, size_t offset, uint8_t filling);
void bytes_copy(struct bytes *to, const struct bytes *from);
/* Copies the whole pages that hold these bytes, as far as `from` has them. */
void bytes_copy_part(struct bytes *to, const struct bytes *from, size_t n, size_t offset);
/* Do both have just these bytes, in pages that they share? */
bool bytes_share(const struct bytes *a, const struct bytes *b, const void *what, size_t n,
                 size_t offset);

#endif
