/* Idempotency keys: one slice for each, whoever asks how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "core/keys.h"
#include "core_world.h"
#include "mem.h"

static struct id create_as(struct world *w, const char *caller, const char *key, uint8_t body)
{
    struct event ev = {.kind = EV_CREATE_SLICE, .cookie = 1};

    ev.create = xcalloc(1, sizeof *ev.create);
    assert_int_equal(tpunet_shape_parse(&ev.create->shape, "4x4x4", false, NULL), 0);
    (void)snprintf(ev.create->key, sizeof ev.create->key, "%s", key);
    (void)snprintf(ev.create->caller, sizeof ev.create->caller, "%s", caller);
    ev.create->body_hash[SLICE_HASH_SIZE - 1] = body;
    cw_step(w, &ev);
    return w->made;
}

static struct id create_with_key(struct world *w, const char *key, uint8_t body)
{
    return create_as(w, "uid 1", key, body);
}

static void same_key_same_slice(void **state)
{
    struct world *w = *state;
    struct id first = create_with_key(w, "k1", 7);

    assert_int_equal(id_compare(create_with_key(w, "k1", 7), first), 0);
    assert_int_equal(w->model->n_slices, 1);
    (void)create_with_key(w, "k1", 8);
    assert_int_equal(w->status, E_MISMATCH);
    assert_string_equal(w->code, "idempotency-key-reused");
    assert_int_not_equal(id_compare(create_with_key(w, "k2", 7), first), 0);
    cw_delete(w, first, 0);
    assert_int_equal(id_compare(create_with_key(w, "k1", 7), first), 0); /* not a second one */
    assert_int_equal(w->model->n_slices, 1);
    cw_tick(w, KEY_KEEP_MS);
    assert_int_equal(keys_count(w->model->keys), 0);
    assert_int_not_equal(id_compare(create_with_key(w, "k1", 7), first), 0);
}

static void a_key_is_its_callers(void **state)
{
    struct world *w = *state;
    struct id mine = create_as(w, "uid 1", "k", 7), yours = create_as(w, "uid 2", "k", 8);

    assert_int_not_equal(id_compare(mine, yours), 0);
    assert_int_equal(id_compare(create_as(w, "uid 1", "k", 7), mine), 0);
    assert_int_equal(id_compare(create_as(w, "uid 2", "k", 8), yours), 0);
    assert_int_equal(w->model->n_slices, 2);
}

/* Of an older database: nobody knows whose they are, or what was asked. */
static void old_keys_answer_everybody(void **state)
{
    struct world *w = *state;
    struct key_entry old = {.key = "old", .slice = {1, 77}, .at = w->now.wall};

    (void)keys_add(w->model->keys, &old);
    assert_int_equal(id_compare(create_as(w, "uid 1", "old", 7), old.slice), 0);
    assert_int_equal(id_compare(create_as(w, "uid 2", "old", 8), old.slice), 0);
    assert_int_equal(w->model->n_slices, 0);
}

static void refused_create_leaves_its_key_free(void **state)
{
    struct world *w = *state;

    assert_non_null(cw_ask(w, "4x4x8"));
    assert_non_null(cw_ask(w, "4x4x8"));
    (void)create_with_key(w, "k1", 7);
    assert_int_equal(w->status, E_FULL);
    cw_delete(w, w->model->slices[0]->id, 0);
    (void)create_with_key(w, "k1", 7);
    assert_int_equal(w->status, 0);
}

static void keys_are_found_through_growth_and_expiry(void **state)
{
    struct keys *keys = keys_create();
    struct key_entry entry = {.at = {1000}};
    uint64_t dropped = 0, number;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(entry.key, sizeof entry.key, "key-%d", i);
        (void)snprintf(entry.caller, sizeof entry.caller, "uid %d", i % 3);
        memcpy(entry.body_hash, &i, sizeof i);
        entry.at.ms = 1000 + i;
        assert_int_equal(keys_add(keys, &entry), (uint64_t)i + 1);
        if (i % 2 == 1) { /* one goes for each two that come */
            number = keys_expire_one(keys, (struct wall_ms){1000 + KEY_KEEP_MS + i / 2});
            assert_int_equal(number, ++dropped);
        }
    }
    assert_int_equal(keys_count(keys), 20000 - dropped);
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(entry.key, sizeof entry.key, "key-%d", i);
        (void)snprintf(entry.caller, sizeof entry.caller, "uid %d", i % 3);
        const struct key_entry *found = keys_find(keys, entry.caller, entry.key);
        assert_true(i < (int)dropped
                        ? found == NULL
                        : found != NULL && memcmp(found->body_hash, &i, sizeof i) == 0);
    }
    keys_destroy(keys);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, cw_setup_unmended, cw_teardown)
    const struct CMUnitTest tests[] = {
        TEST(same_key_same_slice),
        TEST(a_key_is_its_callers),
        TEST(old_keys_answer_everybody),
        TEST(refused_create_leaves_its_key_free),
        cmocka_unit_test(keys_are_found_through_growth_and_expiry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
