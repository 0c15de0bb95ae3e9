/* Idempotency keys: which slice a create with this key made (A3).  A key belongs
 * to the caller that used it: another's same key is another key.
 *
 * Kept at least 24 hours, at most KEYS_MAX of them (the oldest go first).
 * Entries are numbered as they come, so the store and expiry speak of numbers;
 * look-up is by hash.  Those of the first schema lack caller and body: they
 * answer anybody who knows the key, so that no upgrade makes a second slice. */
#ifndef PODMGR_CORE_KEYS_H
#define PODMGR_CORE_KEYS_H

#include "core/slice.h"

enum { KEY_LEN_MAX = 128, KEYS_MAX = 100000, KEY_KEEP_MS = 24 * 3600 * 1000 };

struct key_entry {
    uint64_t number;
    char caller[SLICE_CALLER_MAX]; /* "uid 1000"; "" = anybody */
    char key[KEY_LEN_MAX + 1];
    bool has_body;
    uint8_t body_hash[SLICE_HASH_SIZE]; /* of the request's canonical form */
    struct id slice;
    struct wall_ms at;
};
struct keys;

struct keys *keys_create(void);
void keys_destroy(struct keys *keys);
const struct key_entry *keys_find(const struct keys *keys, const char *caller, const char *key);
/* NULL if it is gone. */
const struct key_entry *keys_at(const struct keys *keys, uint64_t number);
/* Not there yet, and the next in the order of numbers. */
bool keys_may_add(const struct keys *keys, const struct key_entry *entry);
/* Asserts keys_may_add(); number 0 asks for the next one.  Returns it. */
uint64_t keys_add(struct keys *keys, const struct key_entry *entry);
/* Drops the oldest entry if its time or place is up; its number, or 0. */
uint64_t keys_expire_one(struct keys *keys, struct wall_ms now);
size_t keys_count(const struct keys *keys);

#endif
