/* Idempotency keys: one slice, drain or webhook for each, however often it is asked
 * for and whatever has become of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/drain.h"
#include "core/keys.h"
#include "core_world.h"
#include "mem.h"

static struct id create_of_kind(struct world *w, enum key_kind kind, const char *caller,
                                const char *key, uint8_t body)
{
    static const enum event_kind kinds[] = {
        [KEY_SLICE] = EV_CREATE_SLICE,
        [KEY_DRAIN] = EV_CREATE_DRAIN,
        [KEY_WEBHOOK] = EV_CREATE_WEBHOOK,
    };
    struct event ev = {.kind = kinds[kind], .cookie = 1, .who = "somebody"};
    char target[16];

    ev.key = xcalloc(1, sizeof *ev.key);
    (void)snprintf(ev.key->key, sizeof ev.key->key, "%s", key);
    (void)snprintf(ev.key->caller, sizeof ev.key->caller, "%s", caller);
    ev.key->body_hash[KEY_HASH_SIZE - 1] = body;
    switch (kind) {
    case KEY_SLICE:
        ev.create = xcalloc(1, sizeof *ev.create);
        assert_int_equal(tpunet_shape_parse(&ev.create->shape, "4x4x4", false, NULL), 0);
        break;
    case KEY_DRAIN: /* the body says which cube */
        ev.drain = xcalloc(1, sizeof *ev.drain);
        (void)snprintf(target, sizeof target, "cube/%u", (unsigned)body % CUBES);
        assert_int_equal(part_parse(&ev.drain->part, target, NULL), 0);
        break;
    case KEY_WEBHOOK:
        ev.webhook = xcalloc(1, sizeof *ev.webhook);
        ev.webhook->cursor = WEBHOOK_FROM_NOW;
        break;
    }
    cw_step(w, &ev);
    return w->made;
}

static struct id create_as(struct world *w, const char *caller, const char *key, uint8_t body)
{
    return create_of_kind(w, KEY_SLICE, caller, key, body);
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

/* Somebody undoes what the key made. */
static void undo(struct world *w, enum key_kind kind, struct id id)
{
    struct event ev = {.cookie = 1, .who = "somebody"};

    switch (kind) {
    case KEY_SLICE:
        ev.kind = EV_DELETE_SLICE;
        ev.del.id = id;
        break;
    case KEY_DRAIN:
        ev.kind = EV_END_DRAIN;
        ev.del.id = id;
        break;
    case KEY_WEBHOOK:
        ev.kind = EV_DELETE_WEBHOOK;
        ev.hook.id = id;
        break;
    }
    cw_step(w, &ev);
    assert_int_equal(w->status, 0);
}

static size_t there(const struct world *w)
{
    return w->model->n_slices + w->model->n_drains + w->model->n_webhooks;
}

/* A late repeat must not drain again what a person has put back into service. */
static void a_key_outlives_what_it_made(void **state)
{
    struct world *w = *state;

    for (enum key_kind kind = KEY_SLICE; kind <= KEY_WEBHOOK; kind++) {
        struct id first = create_of_kind(w, kind, "uid 1", key_kind_name(kind), 2), again;
        unsigned audits = w->audits;

        assert_int_equal(w->status, 0);
        again = create_of_kind(w, kind, "uid 1", key_kind_name(kind), 2);
        assert_int_equal(w->status, 0);
        assert_int_equal(id_compare(again, first), 0);
        assert_int_equal(there(w), 1);
        assert_int_equal(w->audits, audits); /* nothing was done */
        undo(w, kind, first);
        audits = w->audits;
        again = create_of_kind(w, kind, "uid 1", key_kind_name(kind), 2);
        assert_int_equal(w->status, 0);
        assert_int_equal(id_compare(again, first), 0);
        (void)create_of_kind(w, kind, "uid 1", key_kind_name(kind), 3);
        assert_int_equal(w->status, E_MISMATCH);
        assert_string_equal(w->code, "idempotency-key-reused");
        assert_int_equal(there(w), 0);
        assert_int_equal(w->audits, audits);
    }
    cw_tick(w, KEY_KEEP_MS);
    assert_int_equal(keys_count(w->model->keys), 0);
    for (enum key_kind kind = KEY_SLICE; kind <= KEY_WEBHOOK; kind++) {
        (void)create_of_kind(w, kind, "uid 1", key_kind_name(kind), 3);
        assert_int_equal(w->status, 0);
    }
    assert_int_equal(there(w), 3);
}

static void a_key_is_of_one_kind(void **state)
{
    struct world *w = *state;

    for (enum key_kind kind = KEY_SLICE; kind <= KEY_WEBHOOK; kind++) {
        const char *name = key_kind_name(kind);
        (void)create_of_kind(w, kind, "uid 1", name, 2);
        assert_int_equal(w->status, 0);
        for (enum key_kind other = KEY_SLICE; other <= KEY_WEBHOOK; other++) {
            char made[16];
            if (other == kind) {
                continue;
            }
            (void)create_of_kind(w, other, "uid 1", name, 2);
            assert_int_equal(w->status, E_MISMATCH);
            (void)snprintf(made, sizeof made, "made %s/", name);
            assert_non_null(strstr(w->text, made));
        }
        assert_int_equal(there(w), kind + 1);
    }
    assert_int_equal(keys_count(w->model->keys), 3);
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
    struct key_entry old = {.of = {.key = "old"}, .made = {1, 77}, .at = w->now.wall};

    (void)keys_add(w->model->keys, &old);
    assert_int_equal(id_compare(create_as(w, "uid 1", "old", 7), old.made), 0);
    assert_int_equal(id_compare(create_as(w, "uid 2", "old", 8), old.made), 0);
    (void)create_of_kind(w, KEY_DRAIN, "uid 2", "old", 2); /* that it was a slice, they do */
    assert_int_equal(w->status, E_MISMATCH);
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
        (void)snprintf(entry.of.key, sizeof entry.of.key, "key-%d", i);
        (void)snprintf(entry.of.caller, sizeof entry.of.caller, "uid %d", i % 3);
        memcpy(entry.of.body_hash, &i, sizeof i);
        entry.at.ms = 1000 + i;
        assert_int_equal(keys_add(keys, &entry), (uint64_t)i + 1);
        if (i % 2 == 1) { /* one goes for each two that come */
            number = keys_expire_one(keys, (struct wall_ms){1000 + KEY_KEEP_MS + i / 2});
            assert_int_equal(number, ++dropped);
        }
    }
    assert_int_equal(keys_count(keys), 20000 - dropped);
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(entry.of.key, sizeof entry.of.key, "key-%d", i);
        (void)snprintf(entry.of.caller, sizeof entry.of.caller, "uid %d", i % 3);
        const struct key_entry *found = keys_find(keys, entry.of.caller, entry.of.key);
        assert_true(i < (int)dropped
                        ? found == NULL
                        : found != NULL && memcmp(found->of.body_hash, &i, sizeof i) == 0);
    }
    keys_destroy(keys);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, cw_setup_unmended, cw_teardown)
    const struct CMUnitTest tests[] = {
        TEST(same_key_same_slice),
        TEST(a_key_outlives_what_it_made),
        TEST(a_key_is_of_one_kind),
        TEST(a_key_is_its_callers),
        TEST(old_keys_answer_everybody),
        TEST(refused_create_leaves_its_key_free),
        cmocka_unit_test(keys_are_found_through_growth_and_expiry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
