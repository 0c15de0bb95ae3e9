/* Webhooks at work: for each one of the model the journal is read from its place
 * on, put into letters and given to the courier, one at a time, until the
 * receiver has it.  The loop's; memory is bounded by a letter a webhook.
 *
 * Where a webhook stands is stored once in SAVE_MS and at a stop: what was
 * delivered since is delivered again after a crash. */
#ifndef PODMGR_HOOKS_H
#define PODMGR_HOOKS_H

#include "hooks/courier.h"
#include "podmgr.h"

/* Of this process, but for where it stands. */
struct hook_status {
    uint64_t cursor, told, delivered;       /* delivered: events */
    unsigned failures;                      /* tries in a row */
    struct wall_ms failing_since, next_try; /* 0: it does not fail */
    struct wall_ms last_at;                 /* of the last try; 0: none yet */
    struct receipt last;
};

int hooks_create(struct hooks **out, struct podmgr *p, struct error *err);
void hooks_destroy(struct hooks *hooks);
/* A batch is durable: somebody may want to hear of it. */
void hooks_batch_done(struct hooks *hooks, const struct outbox *batch);
/* Posts where each stands, before a stop. */
void hooks_save(struct hooks *hooks);

/* False if there is no such webhook. */
bool hooks_status(const struct hooks *hooks, struct id id, struct hook_status *out);

/* Sends a letter that tells nothing, after what is under way to this receiver.
 * `done` is called once, with NULL if the webhook is deleted meanwhile, unless
 * podmgr stops first.  E_NOT_FOUND, E_BUSY: one is under way, E_CONFLICT: it is
 * disabled. */
typedef void hook_test_fn(void *arg, const struct receipt *receipt);
int hooks_test(struct hooks *hooks, struct id id, hook_test_fn *done, void *arg);

#endif
