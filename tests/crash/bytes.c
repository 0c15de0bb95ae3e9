#include "bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { PAGE = 4096 };

struct page {
    size_t users;
    uint8_t at[PAGE];
};

static size_t pages_of(size_t size)
{
    return (size + PAGE - 1) / PAGE;
}

/* ---------------------------------------------------------------- pages -- */

static void leave(struct page *page)
{
    if (--page->users == 0) {
        free(page);
    }
}

static void take(struct bytes *b, size_t i, struct page *page)
{
    page->users++;
    b->pages[i] = page;
}

/* The page, for writing. */
static uint8_t *own(struct bytes *b, size_t i)
{
    struct page *page = b->pages[i];

    if (page->users > 1) {
        page = xmemdup(page, sizeof *page);
        page->users = 0;
        leave(b->pages[i]);
        take(b, i, page);
    }
    return page->at;
}

/* ---------------------------------------------------------------- bytes -- */

static void reserve(struct bytes *b, size_t pages)
{
    if (pages > b->cap) {
        b->cap = pages > 2 * b->cap ? pages : 2 * b->cap;
        b->pages = xrealloc_array(b->pages, b->cap, sizeof(struct page *));
    }
}

void bytes_fini(struct bytes *b)
{
    bytes_resize(b, 0, 0);
    free(b->pages);
    *b = (struct bytes){0};
}

void bytes_resize(struct bytes *b, size_t size, uint8_t filling)
{
    size_t have = pages_of(b->size), want = pages_of(size);

    if (size > b->size && b->size % PAGE != 0) {
        memset(own(b, have - 1) + b->size % PAGE, filling, PAGE - b->size % PAGE);
    }
    reserve(b, want);
    for (size_t i = have; i < want; i++) {
        struct page *page = xmalloc(sizeof *page);
        page->users = 0;
        memset(page->at, filling, PAGE);
        take(b, i, page);
    }
    for (size_t i = want; i < have; i++) {
        leave(b->pages[i]);
    }
    b->size = size;
}

/* How many of n bytes from this offset on are on its page. */
static size_t on_page(size_t n, size_t offset)
{
    size_t room = PAGE - offset % PAGE;
    return n < room ? n : room;
}

void bytes_read(const struct bytes *b, void *to, size_t n, size_t offset)
{
    uint8_t *out = to;

    assert(offset + n <= b->size);
    for (size_t k; n > 0; n -= k, offset += k, out += k) {
        k = on_page(n, offset);
        memcpy(out, b->pages[offset / PAGE]->at + offset % PAGE, k);
    }
}

void bytes_write(struct bytes *b, const void *from, size_t n, size_t offset, uint8_t filling)
{
    const uint8_t *in = from;

    if (offset + n > b->size) {
        bytes_resize(b, offset + n, filling);
    }
    for (size_t k; n > 0; n -= k, offset += k, in += k) {
        k = on_page(n, offset);
        memcpy(own(b, offset / PAGE) + offset % PAGE, in, k);
    }
}

void bytes_copy(struct bytes *to, const struct bytes *from)
{
    bytes_fini(to);
    reserve(to, pages_of(from->size));
    for (size_t i = 0; i < pages_of(from->size); i++) {
        take(to, i, from->pages[i]);
    }
    to->size = from->size;
}

void bytes_copy_part(struct bytes *to, const struct bytes *from, size_t n, size_t offset)
{
    if (offset + n > to->size) {
        bytes_resize(to, offset + n, 0);
    }
    for (size_t i = offset / PAGE; i < pages_of(offset + n) && i < pages_of(from->size); i++) {
        if (to->pages[i] != from->pages[i]) {
            leave(to->pages[i]);
            take(to, i, from->pages[i]);
        }
    }
}

bool bytes_share(const struct bytes *a, const struct bytes *b, const void *what, size_t n,
                 size_t offset)
{
    const uint8_t *at = what;
    bool same = offset + n <= a->size && offset + n <= b->size;

    for (size_t k; same && n > 0; n -= k, offset += k, at += k) {
        const struct page *page = a->pages[offset / PAGE];
        k = on_page(n, offset);
        same = page == b->pages[offset / PAGE] && memcmp(page->at + offset % PAGE, at, k) == 0;
    }
    return same;
}
