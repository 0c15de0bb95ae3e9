/* Idempotency keys: which slice, drain or webhook a create with this key made (A3).
 * A key belongs to the caller that used it: another's same key is another key.  It
 * outlives what it made: a late repeat must not do again what somebody has undone.
 *
 * Kept at least 24 hours, at most KEYS_MAX of them (the oldest go first).
 * Entries are numbered as they come, so the store and expiry speak of numbers;
 * look-up is by hash.  Those of the first schema lack caller and body: they
 * answer anybody who knows the key, so that no upgrade makes a second slice.
 * What a repeat is answered is in creates.c. */
#ifndef PODMGR_CORE_KEYS_H
#define PODMGR_CORE_KEYS_H

#include "model.h"

enum {
    KEY_LEN_MAX = 128,
    KEY_CALLER_MAX = 64,
    KEY_HASH_SIZE = 32, /* SHA-256 */
    KEYS_MAX = 100000,
    KEY_KEEP_MS = 24 * 3600 * 1000
};

enum key_kind { KEY_SLICE, KEY_DRAIN, KEY_WEBHOOK };
const char *key_kind_name(enum key_kind kind); /* "slice", as in "slice/3-41" */
bool key_kind_parse(enum key_kind *out, const char *text);

/* A key as a request brings it. */
struct create_key {
    char caller[KEY_CALLER_MAX]; /* "uid 1000"; "" = anybody */
    char key[KEY_LEN_MAX + 1];
    uint8_t body_hash[KEY_HASH_SIZE]; /* of the request's canonical form */
};

struct key_entry {
    uint64_t number;
    struct create_key of;
    bool has_body;
    enum key_kind kind;
    struct id made;
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
