/* A letter: what one request to a receiver holds.  Pure.
 *
 * It tells of the events with numbers in (after, next] that the receiver wants;
 * the next letter's `after` is this one's `next`.  So a receiver that keeps `next`
 * sees a gap, and what he has had, whichever events he asked for.  The same
 * (webhook, incarnation, after, next) is always the same letter. */
#ifndef PODMGR_HOOKS_LETTER_H
#define PODMGR_HOOKS_LETTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/core.h"

enum {
    LETTER_EVENTS = 100,
    LETTER_BYTES = 64 << 10, /* an event more may stand in it */
    LETTER_ID_MAX = 120,
    LETTER_SIGNATURE_MAX = 80,
};

struct letter {
    uint64_t after, next;
    size_t n_events;
    char id[LETTER_ID_MAX]; /* "INCARNATION/WEBHOOK/AFTER-NEXT" */
    char *body;             /* JSON; NULL until sealed */
    size_t body_len;
    json_t *events; /* until it is sealed */
    size_t size;
    bool full; /* takes no more */
};

/* The journal's entry as clients see it. */
json_t *journal_entry_json(const struct journal_entry *entry);

/* The last letter's `next` was `after`; events up to `from` are known to be none. */
void letter_begin(struct letter *letter, uint64_t after, uint64_t from);
/* In order.  Takes or passes over the entry and moves `next`, unless it is full. */
void letter_add(struct letter *letter, const struct webhook *hook,
                const struct journal_entry *entry);
/* In the place of the events from `first` to `last`, which are gone. */
void letter_tell_gap(struct letter *letter, const struct webhook *hook, uint64_t first,
                     uint64_t last, struct wall_ms now);
/* A letter that tells nothing and moves nothing. */
void letter_tell_test(struct letter *letter, const struct webhook *hook, struct wall_ms now);
void letter_seal(struct letter *letter, const struct webhook *hook, const struct model *m);
void letter_fini(struct letter *letter);

/* HMAC-SHA256 with the secret over TIMESTAMP "." BODY, as "sha256=HEX". */
void letter_sign(const char *secret, const char *timestamp, const char *body, size_t len,
                 char out[static LETTER_SIGNATURE_MAX]);

#endif
