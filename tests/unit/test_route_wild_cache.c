/* The cache of solutions: what is found, what goes first, and that what comes
 * back from disk is what went there, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tpunet.h"

enum { ROOM = 1 << 20 };

static struct tpunet_route_key key_of(const char *text, unsigned axis, unsigned n_vcs)
{
    struct tpunet_route_key key = {
        .axis = (uint8_t)axis, .n_vcs = (uint8_t)n_vcs, .neighbour_weight = 1};
    assert_int_equal(tpunet_shape_parse(&key.shape, text, false, NULL), 0);
    return key;
}

static struct tpunet_route_cache *cache_of(size_t max_bytes)
{
    struct tpunet_route_cache *cache;
    assert_int_equal(tpunet_route_cache_create(&cache, max_bytes, NULL), 0);
    return cache;
}

static void insert(struct tpunet_route_cache *cache, struct tpunet_route_key key)
{
    struct tpunet_route_solution *s;
    assert_int_equal(tpunet_route_solve(&s, &key, NULL), 0);
    assert_int_equal(tpunet_route_cache_insert(cache, s, NULL), 0);
}

static bool holds(struct tpunet_route_cache *cache, struct tpunet_route_key key)
{
    return tpunet_route_cache_lookup(cache, &key) != NULL;
}

/* Every part of the key tells solutions apart. */
static void a_solution_is_found_by_its_whole_key(void **state)
{
    (void)state;
    const struct tpunet_route_key key = key_of("4x4x8", 2, 3);
    struct tpunet_route_key other[5] = {key, key, key, key, key};
    other[0].shape.twisted = true;
    other[1].shape.dim[1] = 8;
    other[2].axis = 1;
    other[3].n_vcs = 2;
    other[4].neighbour_weight = 2;

    struct tpunet_route_cache *cache = cache_of(ROOM);
    assert_false(holds(cache, key));
    insert(cache, key);
    assert_true(holds(cache, key));
    for (size_t i = 0; i < 5; i++) {
        assert_false(holds(cache, other[i]));
        insert(cache, other[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        const struct tpunet_route_solution *s = tpunet_route_cache_lookup(cache, &other[i]);
        assert_memory_equal(tpunet_route_solution_key(s), &other[i], sizeof other[i]);
    }
    tpunet_route_cache_destroy(cache);
    tpunet_route_cache_destroy(NULL);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct tpunet_route_key key[4];
    for (unsigned axis = 0; axis < 3; axis++)
        key[axis] = key_of("4x4x4", axis, 3);
    key[3] = key_of("4x4x4", 0, 2);
    /* Room for three solutions of 64 choices a chip. */
    struct tpunet_route_cache *cache = cache_of(3 * (64 * 64 + 256));
    for (unsigned i = 0; i < 3; i++)
        insert(cache, key[i]);
    insert(cache, key[2]); /* in place of the old one */
    assert_true(holds(cache, key[0]));
    insert(cache, key[3]);
    assert_true(holds(cache, key[0]));
    assert_false(holds(cache, key[1]));
    assert_true(holds(cache, key[2]));
    assert_true(holds(cache, key[3]));

    struct tpunet_route_key large = key_of("4x8x8", 0, 3);
    struct tpunet_route_solution *s;
    assert_int_equal(tpunet_route_solve(&s, &large, NULL), 0);
    assert_int_equal(tpunet_route_cache_insert(cache, s, NULL), TPUNET_EINVAL);
    tpunet_route_solution_destroy(s);
    assert_true(holds(cache, key[3]));
    tpunet_route_cache_destroy(cache);
}

static void save(const struct tpunet_route_cache *cache, uint8_t **bytes, size_t *size)
{
    assert_int_equal(tpunet_route_cache_save(cache, bytes, size, NULL), 0);
}

static void what_was_saved_comes_back(void **state)
{
    (void)state;
    const struct tpunet_route_key key[2] = {key_of("4x4x8", 2, 3), key_of("4x4x12", 0, 2)};
    struct tpunet_route_cache *cache = cache_of(ROOM), *loaded = cache_of(ROOM);
    insert(cache, key[0]);
    insert(cache, key[1]);
    insert(loaded, key_of("4x4x4", 0, 3)); /* gives way */
    uint8_t *bytes, *again;
    size_t size, size_again;
    save(cache, &bytes, &size);
    assert_int_equal(tpunet_route_cache_load(loaded, bytes, size, NULL), 0);
    save(loaded, &again, &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, again, size);
    assert_false(holds(loaded, key_of("4x4x4", 0, 3)));

    for (unsigned i = 0; i < 2; i++) {
        const struct tpunet_route_solution *a = tpunet_route_cache_lookup(cache, &key[i]);
        const struct tpunet_route_solution *b = tpunet_route_cache_lookup(loaded, &key[i]);
        assert_memory_equal(tpunet_route_solution_figures(a), tpunet_route_solution_figures(b),
                            sizeof(struct tpunet_route_figures));
        struct tpunet_tables *ta, *tb;
        assert_int_equal(tpunet_route_expand(&ta, a, 1, 2, NULL), 0);
        assert_int_equal(tpunet_route_expand(&tb, b, 1, 2, NULL), 0);
        assert_memory_equal(ta->rows, tb->rows, 2 * (size_t)ta->n_chips * ta->n_chips);
        tpunet_tables_destroy(ta);
        tpunet_tables_destroy(tb);
    }
    free(bytes);
    free(again);
    tpunet_route_cache_destroy(cache);
    tpunet_route_cache_destroy(loaded);
}

/* A smaller cache keeps what was used last. */
static void a_file_larger_than_the_cache_is_cut_short(void **state)
{
    (void)state;
    struct tpunet_route_cache *cache = cache_of(ROOM), *small = cache_of(64 * 64 + 256);
    insert(cache, key_of("4x4x4", 0, 3));
    insert(cache, key_of("4x4x4", 1, 3));
    uint8_t *bytes;
    size_t size;
    save(cache, &bytes, &size);
    assert_int_equal(tpunet_route_cache_load(small, bytes, size, NULL), 0);
    assert_false(holds(small, key_of("4x4x4", 0, 3)));
    assert_true(holds(small, key_of("4x4x4", 1, 3)));
    free(bytes);
    tpunet_route_cache_destroy(cache);
    tpunet_route_cache_destroy(small);
}

/* FNV-1a over all but the last eight bytes, written there: damage that the
 * checksum does not see. */
static void seal(uint8_t *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i + 8 < size; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    for (unsigned i = 0; i < 8; i++)
        bytes[size - 8 + i] = (uint8_t)(sum >> 8 * i);
}

static void expect_refused(struct tpunet_route_cache *cache, const uint8_t *bytes, size_t size)
{
    struct tpunet_error err = {0};
    assert_int_equal(tpunet_route_cache_load(cache, bytes, size, &err), TPUNET_EINVAL);
    assert_true(err.text[0] != '\0');
    assert_true(holds(cache, key_of("4x4x4", 1, 3)));
}

static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    struct tpunet_route_cache *cache = cache_of(ROOM), *victim = cache_of(ROOM);
    insert(cache, key_of("4x4x4", 2, 3));
    insert(victim, key_of("4x4x4", 1, 3));
    uint8_t *bytes;
    size_t size;
    save(cache, &bytes, &size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        expect_refused(victim, bytes, size);
        bytes[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < size; cut++)
        expect_refused(victim, bytes, cut);

    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {
        {8, 2},     /* version */
        {12, 2},    /* more solutions than there are */
        {16, 5},    /* a dimension */
        {16, 8},    /* a larger shape than there are choices */
        {22, 1},    /* twisted, which 4x4x4 has not */
        {23, 3},    /* axis */
        {24, 1},    /* VCs */
        {26, 0},    /* neighbour weight */
        {44, 0x07}, /* no such choice */
        {44, 0x70},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t old = bytes[rows[i].at];
        bytes[rows[i].at] = rows[i].value;
        seal(bytes, size);
        expect_refused(victim, bytes, size);
        bytes[rows[i].at] = old;
    }
    seal(bytes, size);
    assert_int_equal(tpunet_route_cache_load(victim, bytes, size, NULL), 0);
    free(bytes);
    tpunet_route_cache_destroy(cache);
    tpunet_route_cache_destroy(victim);
}

/* A choice that is well-formed but wrong gets past the loader; the proof
 * refuses its tables. */
static void a_wrong_choice_does_not_survive_the_proof(void **state)
{
    (void)state;
    const struct tpunet_route_key key = key_of("4x4x8", 2, 3);
    struct tpunet_route_cache *cache = cache_of(ROOM);
    insert(cache, key);
    uint8_t *bytes;
    size_t size;
    save(cache, &bytes, &size);
    bytes[44] = (uint8_t)((bytes[44] & 0xF0U) | TPUNET_XP); /* a wild hop to oneself */
    seal(bytes, size);
    assert_int_equal(tpunet_route_cache_load(cache, bytes, size, NULL), 0);
    struct tpunet_tables *tables;
    struct tpunet_topology *topology;
    struct tpunet_proof proof;
    assert_int_equal(
        tpunet_route_expand(&tables, tpunet_route_cache_lookup(cache, &key), 0, 0, NULL), 0);
    assert_int_equal(tpunet_topology_of_shape(&topology, &key.shape, NULL), 0);
    assert_int_equal(tpunet_verify(tables, topology, &proof, NULL), TPUNET_EUNREACHABLE);
    tpunet_tables_destroy(tables);
    tpunet_topology_destroy(topology);
    tpunet_route_cache_destroy(cache);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_solution_is_found_by_its_whole_key),
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(what_was_saved_comes_back),
        cmocka_unit_test(a_file_larger_than_the_cache_is_cut_short),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(a_wrong_choice_does_not_survive_the_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
