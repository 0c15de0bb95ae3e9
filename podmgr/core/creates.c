/* What all creates (of slices, drains and webhooks) have in common: with an
 * idempotency key that is on record the answer is what the key has made, there or
 * gone since, and a request that says something else is refused (A3).  Whether it
 * could be done now is not asked any more: it was done.
 *
 * A create that is refused leaves no key behind. */
#include "core/internal.h"

#include <string.h>

bool create_is_repeat(const struct model *m, const struct event *ev, enum key_kind kind,
                      struct outbox *out)
{
    const struct create_key *key = ev->key;
    const struct key_entry *entry = key != NULL ? keys_find(m->keys, key->caller, key->key) : NULL;
    char id[48];

    if (entry == NULL) {
        return false;
    }
    bool same_body =
        !entry->has_body || memcmp(entry->of.body_hash, key->body_hash, KEY_HASH_SIZE) == 0;
    if (entry->kind == kind && same_body) {
        emit_done(out, ev->cookie, entry->made);
    } else {
        emit_refusal(out, ev->cookie, E_MISMATCH, "idempotency-key-reused",
                     "Idempotency-Key: %s made %s/%s with another request; take a new key",
                     key->key, key_kind_name(entry->kind), id_format(entry->made, id));
    }
    return true;
}

void create_is_made(struct model *m, const struct event *ev, enum key_kind kind, struct id made,
                    struct outbox *out)
{
    if (ev->key != NULL) {
        const struct key_entry entry = {
            .of = *ev->key, .has_body = true, .kind = kind, .made = made, .at = ev->now.wall};
        emit_key(out, keys_add(m->keys, &entry));
    }
}

void creates_tick(struct model *m, struct now now, struct outbox *out)
{
    uint64_t number;

    for (int i = 0; i < 256 && (number = keys_expire_one(m->keys, now.wall)) != 0; i++) {
        emit_key(out, number);
    }
}
