#include "route_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "log.h"
#include "mem.h"
#include "tpunetd.h"

/* Solutions take 64 bytes a chip with three VCs, so this is three for each of a
 * hundred shapes of 4,096 chips; their file takes half of it. */
enum { CACHE_BYTES = 64 << 20, ASKED_MAX = 96 };

struct route_store {
    uv_loop_t *loop;
    char *file; /* or NULL */
    bool stopping;
    uv_mutex_t lock; /* of the cache */
    struct tpunet_route_cache *cache;
    unsigned n_routing;      /* bring-ups that wait for routes */
    uint64_t inserts, saved; /* of the cache: last seen, and when last written */
    /* What was asked for; the first n_solved are known, or were in vain.  They stay
     * so that slices of one shape, coming and going, cost nothing. */
    struct tpunet_route_key asked[ASKED_MAX];
    size_t n_asked, n_solved;
    bool busy; /* an errand in the background is under way */
    struct errand {
        struct tpunet_route_key key;
        uint64_t inserts; /* of the cache at its end */
    } errand;
};

static void next_errand(struct route_store *s);

/* ------------------------------------------------------------ life cycle -- */

static void load(struct route_store *s)
{
    uint8_t *bytes;
    size_t len = 0;
    struct error err;
    struct tpunet_error why;

    if (file_read(s->file, CACHE_BYTES, &bytes, &len, &err) < 0) {
        log_warning("routes", "%s; starting with none", err.text);
    } else if (bytes != NULL && tpunet_route_cache_load(s->cache, bytes, len, &why) < 0) {
        log_warning("routes", "%s: %s; starting with none", s->file, why.text);
    }
    free(bytes);
}

struct route_store *route_store_create(uv_loop_t *loop, const char *file)
{
    struct route_store *s = xcalloc(1, sizeof *s);

    s->loop = loop;
    if (tpunet_route_cache_create(&s->cache, CACHE_BYTES, NULL) < 0 || uv_mutex_init(&s->lock)) {
        log_error("routes", "out of memory");
        abort();
    }
    if (file != NULL) {
        s->file = xstrdup(file);
        load(s);
    }
    return s;
}

void route_store_stop(struct route_store *s)
{
    s->stopping = true;
    s->n_solved = s->n_asked;
    next_errand(s);
}

void route_store_destroy(struct route_store *s)
{
    assert(s->stopping && !s->busy && s->n_routing == 0);
    tpunet_route_cache_destroy(s->cache);
    uv_mutex_destroy(&s->lock);
    free(s->file);
    free(s);
}

struct tpunet_route_cache *route_store_cache(struct route_store *s)
{
    return s->cache;
}

/* -------------------------------------------------------------- errands -- */

/* Solving touches nothing but its own, so the cache is free meanwhile. */
static void solve(void *arg)
{
    struct route_store *s = arg;
    struct tpunet_route_solution *solution = NULL;
    struct tpunet_error err;

    uv_mutex_lock(&s->lock);
    bool known = tpunet_route_cache_lookup(s->cache, &s->errand.key) != NULL;
    uv_mutex_unlock(&s->lock);
    int status = known ? 0 : tpunet_route_solve(&solution, &s->errand.key, &err);
    uv_mutex_lock(&s->lock);
    if (solution != NULL && (status = tpunet_route_cache_insert(s->cache, solution, &err)) < 0) {
        tpunet_route_solution_destroy(solution);
    }
    s->errand.inserts = tpunet_route_cache_inserts(s->cache);
    uv_mutex_unlock(&s->lock);
    if (status < 0) {
        log_info("routes", "none prepared around a switch of axis %u: %s", s->errand.key.axis,
                 err.text);
    }
}

static void save(void *arg)
{
    struct route_store *s = arg;
    uint8_t *bytes;
    size_t size;
    struct error err;
    struct tpunet_error why;

    uv_mutex_lock(&s->lock);
    int status = tpunet_route_cache_save(s->cache, &bytes, &size, &why);
    s->errand.inserts = tpunet_route_cache_inserts(s->cache);
    uv_mutex_unlock(&s->lock);
    if (status < 0) {
        log_warning("routes", "%s: %s", s->file, why.text);
        return;
    }
    if (file_replace(s->file, bytes, size, &err) < 0) {
        log_warning("routes", "%s", err.text);
    }
    free(bytes);
}

static void see_inserts(struct route_store *s, uint64_t inserts)
{
    s->inserts = inserts > s->inserts ? inserts : s->inserts;
}

static void on_solved(void *arg, int status)
{
    struct route_store *s = arg;

    (void)status;
    s->busy = false;
    see_inserts(s, s->errand.inserts);
    next_errand(s);
}

/* A file that could not be written is tried again when the cache has grown again. */
static void on_saved(void *arg, int status)
{
    struct route_store *s = arg;

    s->saved = s->errand.inserts;
    on_solved(arg, status);
}

/* Rules 2 and 3. */
static void next_errand(struct route_store *s)
{
    const struct tpunet_executor pool = worker_executor(s->loop);

    if (s->busy || (s->n_routing > 0 && !s->stopping)) {
        return;
    }
    if (s->n_solved < s->n_asked) {
        s->errand.key = s->asked[s->n_solved++];
        s->busy = pool.run(pool.ctx, solve, on_solved, s) == 0;
    } else if (s->file != NULL && s->inserts > s->saved) {
        s->busy = pool.run(pool.ctx, save, on_saved, s) == 0;
    }
}

static bool same_key(const struct tpunet_route_key *a, const struct tpunet_route_key *b)
{
    return memcmp(a->shape.dim, b->shape.dim, sizeof a->shape.dim) == 0 &&
           a->shape.twisted == b->shape.twisted && a->axis == b->axis && a->n_vcs == b->n_vcs;
}

static void enqueue(struct route_store *s, const struct tpunet_route_key *key)
{
    for (size_t i = 0; i < s->n_asked; i++) {
        if (same_key(&s->asked[i], key)) {
            return;
        }
    }
    if (s->n_asked == ASKED_MAX && s->n_solved == s->n_asked) {
        s->n_asked = s->n_solved = 0;
    }
    if (s->n_asked < ASKED_MAX) { /* beyond, it is solved when it is needed */
        s->asked[s->n_asked++] = *key;
    }
}

void route_store_prepare(struct route_store *s, const struct tpunet_shape *shape, unsigned vcs)
{
    if (s->stopping || shape->mesh) { /* a mesh has no circuits */
        return;
    }
    for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
        enqueue(s, &(struct tpunet_route_key){.shape = *shape,
                                              .axis = (uint8_t)axis,
                                              .n_vcs = (uint8_t)(vcs == 0 ? 3 : vcs),
                                              .neighbour_weight = 1});
    }
    next_errand(s);
}

/* ------------------------------------------------------- routes of bring-ups -- */

struct routing {
    struct route_store *store;
    bool cached;
    uint64_t inserts;
    void (*work)(void *arg);
    tpunet_done_fn *done;
    void *arg;
};

static void route(void *arg)
{
    struct routing *r = arg;

    if (!r->cached) {
        r->work(r->arg);
        return;
    }
    uv_mutex_lock(&r->store->lock);
    r->work(r->arg);
    r->inserts = tpunet_route_cache_inserts(r->store->cache);
    uv_mutex_unlock(&r->store->lock);
}

static void on_routed(void *arg, int status)
{
    struct routing r = *(struct routing *)arg;

    free(arg);
    r.store->n_routing--;
    see_inserts(r.store, r.inserts);
    r.done(r.arg, status);
    next_errand(r.store);
}

static int run(struct route_store *s, bool cached, void (*work)(void *arg), tpunet_done_fn *done,
               void *arg)
{
    const struct tpunet_executor pool = worker_executor(s->loop);
    struct routing *r = xcalloc(1, sizeof *r);

    *r = (struct routing){.store = s, .cached = cached, .work = work, .done = done, .arg = arg};
    int status = pool.run(pool.ctx, route, on_routed, r);
    if (status < 0) {
        free(r);
        return status;
    }
    s->n_routing++;
    return 0;
}

static int run_cached(void *ctx, void (*work)(void *arg), tpunet_done_fn *done, void *arg)
{
    return run(ctx, true, work, done, arg);
}

static int run_plain(void *ctx, void (*work)(void *arg), tpunet_done_fn *done, void *arg)
{
    return run(ctx, false, work, done, arg);
}

struct tpunet_executor route_store_executor(struct route_store *s, bool cached)
{
    return (struct tpunet_executor){.ctx = s, .run = cached ? run_cached : run_plain};
}
