#include "mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
    if (p == NULL) {
        static const char text[] = "<2>out of memory, stopping\n";
        (void)fwrite(text, 1, sizeof text - 1, stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
    return checked(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *xrealloc_array(void *p, size_t n, size_t size)
{
    return checked(reallocarray(p, n > 0 ? n : 1, size));
}

char *xstrdup(const char *text)
{
    return checked(strdup(text));
}

void *xmemdup(const void *p, size_t size)
{
    void *copy = xmalloc(size);
    if (size > 0) {
        memcpy(copy, p, size);
    }
    return copy;
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    return checked(len < 0 ? NULL : text);
}
