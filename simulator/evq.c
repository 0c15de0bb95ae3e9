#include "evq.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"

struct item {
    int64_t at_ns;
    uint64_t order;
    evq_fn *fn;
    void *arg;
};
struct evq {
    int64_t now_ns;
    bool running;
    uint64_t next_order;
    struct item *heap;
    size_t n, cap;
};

struct evq *evq_create(void)
{
    return xcalloc(1, sizeof(struct evq));
}

void evq_destroy(struct evq *q)
{
    if (q != NULL) {
        free(q->heap);
        free(q);
    }
}

int64_t evq_now_ns(const struct evq *q)
{
    return q->now_ns;
}

static bool before(const struct item *a, const struct item *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void swap(struct item *a, struct item *b)
{
    struct item t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(struct evq *q, size_t i)
{
    for (; i > 0 && before(&q->heap[i], &q->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        swap(&q->heap[i], &q->heap[(i - 1) / 2]);
    }
}

static void sift_down(struct evq *q, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < q->n; child++) {
            least = before(&q->heap[child], &q->heap[least]) ? child : least;
        }
        if (least == i) {
            return;
        }
        swap(&q->heap[i], &q->heap[least]);
        i = least;
    }
}

static struct item take(struct evq *q, size_t i)
{
    struct item item = q->heap[i];

    q->heap[i] = q->heap[--q->n];
    if (i < q->n) {
        sift_up(q, i);
        sift_down(q, i);
    }
    return item;
}

void evq_at(struct evq *q, int64_t at_ns, evq_fn *fn, void *arg)
{
    VEC_GROW(q->heap, q->n, q->cap);
    q->heap[q->n++] = (struct item){.at_ns = at_ns > q->now_ns ? at_ns : q->now_ns,
                                    .order = q->next_order++,
                                    .fn = fn,
                                    .arg = arg};
    sift_up(q, q->n - 1);
}

bool evq_cancel(struct evq *q, evq_fn *fn, const void *arg)
{
    for (size_t i = 0; i < q->n; i++) {
        if (q->heap[i].fn == fn && q->heap[i].arg == arg) {
            (void)take(q, i);
            return true;
        }
    }
    return false;
}

bool evq_next_ns(const struct evq *q, int64_t *at_ns)
{
    if (q->n == 0) {
        return false;
    }
    *at_ns = q->heap[0].at_ns;
    return true;
}

void evq_advance(struct evq *q, int64_t until_ns)
{
    if (q->running) {
        return;
    }
    assert(until_ns >= q->now_ns);
    q->running = true;
    while (q->n > 0 && q->heap[0].at_ns <= until_ns) {
        struct item item = take(q, 0);
        q->now_ns = item.at_ns;
        item.fn(item.arg);
    }
    q->now_ns = until_ns;
    q->running = false;
}
