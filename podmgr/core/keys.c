#include "core/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* Entries in the order of their numbers (without gaps: entry i has number
 * first_number + i), and an open-addressing index from key to number. */
struct keys {
    struct key_entry *entries;
    size_t first, n, cap; /* live ones are entries[first .. first + n) */
    uint64_t first_number;
    uint64_t *index;   /* number, FREE or GONE */
    size_t index_size; /* a power of two */
    size_t index_used; /* not FREE */
};

enum { INDEX_MIN = 1024 };
static const uint64_t FREE = 0, GONE = UINT64_MAX;

static const char *const kind_names[] = {
    [KEY_SLICE] = "slice",
    [KEY_DRAIN] = "drain",
    [KEY_WEBHOOK] = "webhook",
};

const char *key_kind_name(enum key_kind kind)
{
    return kind_names[kind];
}

bool key_kind_parse(enum key_kind *out, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++) {
        if (strcmp(text, kind_names[i]) == 0) {
            *out = (enum key_kind)i;
            return true;
        }
    }
    return false;
}

static uint64_t hash_of(const char *caller, const char *key) /* FNV-1a */
{
    const char *const texts[] = {caller, key};
    uint64_t h = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (const char *c = texts[i]; *c != '\0'; c++) {
            h = (h ^ (unsigned char)*c) * 0x100000001b3ULL;
        }
    }
    return h;
}

struct keys *keys_create(void)
{
    struct keys *keys = xcalloc(1, sizeof *keys);

    keys->first_number = 1;
    keys->index_size = INDEX_MIN;
    keys->index = xcalloc(keys->index_size, sizeof *keys->index);
    return keys;
}

void keys_destroy(struct keys *keys)
{
    if (keys != NULL) {
        free(keys->entries);
        free(keys->index);
        free(keys);
    }
}

size_t keys_count(const struct keys *keys)
{
    return keys->n;
}

const struct key_entry *keys_at(const struct keys *keys, uint64_t number)
{
    if (number < keys->first_number || number - keys->first_number >= keys->n) {
        return NULL;
    }
    return &keys->entries[keys->first + (number - keys->first_number)];
}

/* The index slot of the key, or of the first place where it may be put. */
static size_t slot_of(const struct keys *keys, const char *caller, const char *key)
{
    size_t mask = keys->index_size - 1, put = SIZE_MAX;
    size_t i = hash_of(caller, key) & mask;

    for (; keys->index[i] != FREE; i = (i + 1) & mask) {
        const struct key_entry *entry = keys_at(keys, keys->index[i]);
        if (entry == NULL) {
            put = put == SIZE_MAX ? i : put; /* GONE */
        } else if (strcmp(entry->of.key, key) == 0 && strcmp(entry->of.caller, caller) == 0) {
            return i;
        }
    }
    return put == SIZE_MAX ? i : put;
}

static size_t slot_of_entry(const struct keys *keys, const struct key_entry *entry)
{
    return slot_of(keys, entry->of.caller, entry->of.key);
}

const struct key_entry *keys_find(const struct keys *keys, const char *caller, const char *key)
{
    const struct key_entry *own = keys_at(keys, keys->index[slot_of(keys, caller, key)]);

    return own != NULL ? own : keys_at(keys, keys->index[slot_of(keys, "", key)]);
}

static void reindex(struct keys *keys)
{
    while (keys->index_size < 4 * (keys->n + 1)) {
        keys->index_size *= 2;
    }
    free(keys->index);
    keys->index = xcalloc(keys->index_size, sizeof *keys->index);
    for (size_t i = 0; i < keys->n; i++) {
        keys->index[slot_of_entry(keys, &keys->entries[keys->first + i])] = keys->first_number + i;
    }
    keys->index_used = keys->n;
}

bool keys_may_add(const struct keys *keys, const struct key_entry *entry)
{
    return keys_at(keys, keys->index[slot_of_entry(keys, entry)]) == NULL &&
           (entry->number == 0 || keys->n == 0 || entry->number == keys->first_number + keys->n);
}

uint64_t keys_add(struct keys *keys, const struct key_entry *entry)
{
    assert(keys_may_add(keys, entry));
    if (keys->n == 0 && entry->number != 0) {
        keys->first_number = entry->number; /* the oldest one that is loaded */
    }
    uint64_t number = keys->first_number + keys->n;
    if (keys->first + keys->n == keys->cap && keys->first > keys->n) {
        memmove(keys->entries, keys->entries + keys->first, keys->n * sizeof *keys->entries);
        keys->first = 0;
    }
    size_t end = keys->first + keys->n;
    VEC_GROW(keys->entries, end, keys->cap);
    keys->entries[end] = *entry;
    keys->entries[end].number = number;
    keys->n++;
    if (2 * (keys->index_used + 1) > keys->index_size) {
        reindex(keys);
    } else {
        size_t slot = slot_of_entry(keys, entry);
        keys->index_used += keys->index[slot] == FREE;
        keys->index[slot] = number;
    }
    return number;
}

uint64_t keys_expire_one(struct keys *keys, struct wall_ms now)
{
    if (keys->n == 0) {
        return 0;
    }
    const struct key_entry *oldest = &keys->entries[keys->first];
    if (keys->n <= KEYS_MAX && now.ms - oldest->at.ms < KEY_KEEP_MS) {
        return 0;
    }
    keys->index[slot_of_entry(keys, oldest)] = GONE;
    keys->first++;
    keys->n--;
    return keys->first_number++;
}
