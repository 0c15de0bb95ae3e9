/* Allocation that cannot fail: a daemon that is out of memory stops at once
 * (its state is durable and its successor recovers) rather than limp. */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size); /* zeroed */
void *xrealloc_array(void *p, size_t n, size_t size);
char *xstrdup(const char *text);
void *xmemdup(const void *p, size_t size);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more element of a growing array: doubles *cap. */
#define VEC_GROW(items, n, cap)                                                                    \
    do {                                                                                           \
        if ((n) == (cap)) {                                                                        \
            (cap) = (cap) == 0 ? 8 : 2 * (cap);                                                    \
            (items) = xrealloc_array((items), (cap), sizeof *(items));                             \
        }                                                                                          \
    } while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof(a)[0])

#endif
