/* Solutions that are kept: a bounded cache, and its form on disk.
 *
 * The cache is a list, most recently used first; at most three solutions a
 * shape are of use, so a list it may be.
 *
 * On disk, all numbers little-endian: the magic, the version, the number of
 * solutions, the solutions from the most recently used on, and a checksum
 * (FNV-1a, 64 bits) of all of that.  Choices are packed two a byte.  A file
 * that fails in anything is refused whole.  What the checksum cannot see, a
 * solution that an older release found for other base routes, the version
 * tells: it rises with every change to route_wild_base.c that moves a route. */
#include "route_wild.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, HEADER_BYTES = 16, CHECKSUM_BYTES = 8, SOLUTION_BYTES = 28 };

static const char magic[8] = "tpuwild";

struct entry {
    struct entry *next;
    struct tpunet_route_solution *solution;
};

struct tpunet_route_cache {
    size_t max_bytes, bytes;
    uint64_t inserts;
    struct entry *first;
};

static size_t bytes_of(const struct tpunet_route_solution *s)
{
    return sizeof(struct entry) + sizeof *s + s->n_choices;
}

static bool same_key(const struct tpunet_route_key *a, const struct tpunet_route_key *b)
{
    return memcmp(a->shape.dim, b->shape.dim, sizeof a->shape.dim) == 0 &&
           a->shape.twisted == b->shape.twisted && a->shape.mesh == b->shape.mesh &&
           a->axis == b->axis && a->n_vcs == b->n_vcs && a->neighbour_weight == b->neighbour_weight;
}

int tpunet_route_cache_create(struct tpunet_route_cache **out, size_t max_bytes,
                              struct tpunet_error *err)
{
    struct tpunet_route_cache *cache = malloc(sizeof *cache);
    if (cache == NULL)
        return tpunet_fail_nomem(err);
    *cache = (struct tpunet_route_cache){.max_bytes = max_bytes};
    *out = cache;
    return 0;
}

/* Unlinks the entry that *at points to. */
static void drop(struct tpunet_route_cache *cache, struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    cache->bytes -= bytes_of(entry->solution);
    tpunet_route_solution_destroy(entry->solution);
    free(entry);
}

void tpunet_route_cache_destroy(struct tpunet_route_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->first != NULL)
        drop(cache, &cache->first);
    free(cache);
}

static struct entry **find(struct tpunet_route_cache *cache, const struct tpunet_route_key *key)
{
    struct entry **at = &cache->first;
    while (*at != NULL && !same_key(&(*at)->solution->key, key))
        at = &(*at)->next;
    return at;
}

const struct tpunet_route_solution *tpunet_route_cache_lookup(struct tpunet_route_cache *cache,
                                                              const struct tpunet_route_key *key)
{
    struct entry **at = find(cache, key), *entry = *at;
    if (entry == NULL)
        return NULL;
    *at = entry->next;
    entry->next = cache->first;
    cache->first = entry;
    return entry->solution;
}

/* Drops from the end until `bytes` fit. */
static void make_room(struct tpunet_route_cache *cache, size_t bytes)
{
    while (cache->bytes + bytes > cache->max_bytes) {
        struct entry **at = &cache->first;
        assert(*at != NULL);
        while ((*at)->next != NULL)
            at = &(*at)->next;
        drop(cache, at);
    }
}

int tpunet_route_cache_insert(struct tpunet_route_cache *cache, struct tpunet_route_solution *s,
                              struct tpunet_error *err)
{
    size_t bytes = bytes_of(s);
    if (bytes > cache->max_bytes)
        return tpunet_fail(err, TPUNET_EINVAL, "a solution of %zu bytes for a cache of %zu", bytes,
                           cache->max_bytes);
    struct entry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return tpunet_fail_nomem(err);
    struct entry **old = find(cache, &s->key);
    if (*old != NULL)
        drop(cache, old);
    make_room(cache, bytes);
    *entry = (struct entry){cache->first, s};
    cache->first = entry;
    cache->bytes += bytes;
    cache->inserts++;
    return 0;
}

uint64_t tpunet_route_cache_inserts(const struct tpunet_route_cache *cache)
{
    return cache->inserts;
}

/* -------------------------------------------------------------- on disk -- */

static uint64_t checksum(const uint8_t *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static void put(uint8_t **at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++, value >>= 8)
        *(*at)++ = (uint8_t)value;
}

static uint64_t get(const uint8_t **at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t) * (*at)++ << 8 * i;
    return value;
}

static size_t packed_bytes(size_t n_choices)
{
    return (n_choices + 1) / 2;
}

static void put_solution(uint8_t **at, const struct tpunet_route_solution *s)
{
    const struct tpunet_route_key *key = &s->key;
    uint64_t bound;
    memcpy(&bound, &s->figures.bound, sizeof bound);
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        put(at, key->shape.dim[k], 2);
    put(at, key->shape.twisted, 1);
    put(at, key->axis, 1);
    put(at, key->n_vcs, 1);
    put(at, 0, 1);
    put(at, key->neighbour_weight, 2);
    put(at, s->figures.max_link_load, 4);
    put(at, s->figures.neighbour_load, 4);
    put(at, bound, 8);
    for (size_t i = 0; i < s->n_choices; i += 2) {
        unsigned second = i + 1 < s->n_choices ? s->choice[i + 1] : 0;
        put(at, s->choice[i] | second << 4, 1);
    }
}

static bool unpack(struct tpunet_route_solution *s, const uint8_t **at)
{
    for (size_t i = 0; i < s->n_choices; i += 2) {
        unsigned both = (unsigned)get(at, 1);
        if ((both & 15) > AS_BASE || both >> 4 > AS_BASE)
            return false;
        s->choice[i] = both & 15;
        if (i + 1 < s->n_choices)
            s->choice[i + 1] = (uint8_t)(both >> 4);
    }
    return true;
}

/* Reads one solution; the text of a failure is the caller's. */
static struct tpunet_route_solution *get_solution(const uint8_t **at, const uint8_t *end)
{
    struct tpunet_route_solution *s;
    struct tpunet_route_key key = {0};
    struct tpunet_route_figures figures;
    size_t n_choices;
    if (end - *at < SOLUTION_BYTES)
        return NULL;
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        key.shape.dim[k] = (uint16_t)get(at, 2);
    key.shape.twisted = get(at, 1) != 0;
    key.axis = (uint8_t)get(at, 1);
    key.n_vcs = (uint8_t)get(at, 1);
    (void)get(at, 1);
    key.neighbour_weight = (uint16_t)get(at, 2);
    figures.max_link_load = (uint32_t)get(at, 4);
    figures.neighbour_load = (uint32_t)get(at, 4);
    uint64_t bound = get(at, 8);
    memcpy(&figures.bound, &bound, sizeof bound);
    if (solution_check(&key, &n_choices, NULL) < 0 ||
        (size_t)(end - *at) < packed_bytes(n_choices) || solution_create(&s, &key, NULL) < 0)
        return NULL;
    s->figures = figures;
    if (!unpack(s, at)) {
        tpunet_route_solution_destroy(s);
        return NULL;
    }
    return s;
}

int tpunet_route_cache_save(const struct tpunet_route_cache *cache, uint8_t **out, size_t *size,
                            struct tpunet_error *err)
{
    size_t bytes = HEADER_BYTES + CHECKSUM_BYTES;
    uint32_t n = 0;
    for (const struct entry *e = cache->first; e != NULL; e = e->next, n++)
        bytes += SOLUTION_BYTES + packed_bytes(e->solution->n_choices);
    uint8_t *all = malloc(bytes), *at = all;
    if (all == NULL)
        return tpunet_fail_nomem(err);
    memcpy(at, magic, sizeof magic);
    at += sizeof magic;
    put(&at, VERSION, 4);
    put(&at, n, 4);
    for (const struct entry *e = cache->first; e != NULL; e = e->next)
        put_solution(&at, e->solution);
    put(&at, checksum(all, bytes - CHECKSUM_BYTES), CHECKSUM_BYTES);
    assert(at == all + bytes);
    *out = all;
    *size = bytes;
    return 0;
}

static int check_file(const uint8_t *bytes, size_t size, struct tpunet_error *err)
{
    if (size < HEADER_BYTES + CHECKSUM_BYTES || memcmp(bytes, magic, sizeof magic) != 0)
        return tpunet_fail(err, TPUNET_EINVAL, "not a cache of routes");
    const uint8_t *version = bytes + sizeof magic, *sum = bytes + size - CHECKSUM_BYTES;
    uint64_t found = get(&version, 4);
    if (found != VERSION)
        return tpunet_fail(err, TPUNET_EINVAL, "a cache of routes of version %llu, not %d",
                           (unsigned long long)found, VERSION);
    if (get(&sum, CHECKSUM_BYTES) != checksum(bytes, size - CHECKSUM_BYTES))
        return tpunet_fail(err, TPUNET_EINVAL, "the checksum of the cache of routes is wrong");
    return 0;
}

int tpunet_route_cache_load(struct tpunet_route_cache *cache, const uint8_t *bytes, size_t size,
                            struct tpunet_error *err)
{
    int rc = check_file(bytes, size, err);
    if (rc < 0)
        return rc;
    const uint8_t *at = bytes + sizeof magic + 4, *end = bytes + size - CHECKSUM_BYTES;
    struct tpunet_route_cache loaded = {.max_bytes = cache->max_bytes, .inserts = cache->inserts};
    struct entry **last = &loaded.first;
    for (uint64_t n = get(&at, 4); n > 0; n--) {
        struct tpunet_route_solution *s = get_solution(&at, end);
        struct entry *entry = malloc(sizeof *entry);
        if (s == NULL || entry == NULL) {
            rc = s == NULL ? tpunet_fail(err, TPUNET_EINVAL, "a solution in the cache is malformed")
                           : tpunet_fail_nomem(err);
            tpunet_route_solution_destroy(s);
            free(entry);
            goto err_after_entries;
        }
        *entry = (struct entry){NULL, s};
        *last = entry;
        last = &entry->next;
        loaded.bytes += bytes_of(s);
    }
    make_room(&loaded, 0);
    while (cache->first != NULL)
        drop(cache, &cache->first);
    *cache = loaded;
    return 0;
err_after_entries:
    while (loaded.first != NULL)
        drop(&loaded, &loaded.first);
    return rc;
}
