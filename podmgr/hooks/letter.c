#include "hooks/letter.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/webhooks.h"
#include "hooks/sign.h"
#include "mem.h"

json_t *journal_entry_json(const struct journal_entry *entry)
{
    json_t *data = json_loads(entry->data, 0, NULL);
    char at[32];

    return json_pack("{s:I,s:s,s:s,s:s,s:o}", "seq", (json_int_t)entry->seq, "at",
                     wall_format(entry->at, at), "type", entry->type, "subject", entry->subject,
                     "data", data != NULL ? data : json_object());
}

void letter_begin(struct letter *letter, uint64_t after, uint64_t from)
{
    assert(after <= from);
    *letter = (struct letter){.after = after, .next = from, .events = json_array()};
}

static void put(struct letter *letter, const struct journal_entry *entry)
{
    (void)json_array_append_new(letter->events, journal_entry_json(entry));
    letter->size += strlen(entry->data) + strlen(entry->type) + strlen(entry->subject) + 100;
    letter->n_events++;
    letter->full = letter->n_events == LETTER_EVENTS || letter->size >= LETTER_BYTES;
}

void letter_add(struct letter *letter, const struct webhook *hook,
                const struct journal_entry *entry)
{
    if (letter->full) {
        return;
    }
    assert(entry->seq > letter->next);
    letter->next = entry->seq;
    if (webhook_wants(hook, entry->type)) {
        put(letter, entry);
    }
}

static void put_own(struct letter *letter, const struct webhook *hook, const char *type,
                    struct wall_ms now, char *data)
{
    char id[48];
    struct journal_entry entry = {.seq = letter->next, .at = now, .type = type, .data = data};

    (void)snprintf(entry.subject, sizeof entry.subject, "webhook/%s", id_format(hook->id, id));
    put(letter, &entry);
    letter->full = true;
}

void letter_tell_gap(struct letter *letter, const struct webhook *hook, uint64_t first,
                     uint64_t last, struct wall_ms now)
{
    char data[80];

    assert(letter->n_events == 0 && first > letter->after && last >= first);
    (void)snprintf(data, sizeof data, "{\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}", first, last);
    letter->next = last;
    put_own(letter, hook, "webhook.gap", now, data);
}

void letter_tell_test(struct letter *letter, const struct webhook *hook, struct wall_ms now)
{
    char data[] = "{}";

    put_own(letter, hook, "webhook.test", now, data);
    (void)snprintf(letter->id, sizeof letter->id, "test-%" PRId64, now.ms);
}

void letter_seal(struct letter *letter, const struct webhook *hook, const struct model *m)
{
    char webhook[48], range[64];

    assert(letter->n_events > 0 && letter->body == NULL);
    (void)snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, letter->after, letter->next);
    if (letter->id[0] != '\0') {
        (void)snprintf(range, sizeof range, "%.60s", letter->id);
    }
    (void)snprintf(letter->id, sizeof letter->id, "%.32s/%s/%s", m->incarnation,
                   id_format(hook->id, webhook), range);
    json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:o}", "delivery", letter->id, "pod",
                             m->pod->id, "incarnation", m->incarnation, "webhook", webhook, "after",
                             (json_int_t)letter->after, "next", (json_int_t)letter->next, "events",
                             letter->events);
    letter->events = NULL;
    letter->body = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(10));
    assert(letter->body != NULL); /* what was stored is UTF-8 */
    letter->body_len = strlen(letter->body);
    json_decref(json);
}

void letter_fini(struct letter *letter)
{
    json_decref(letter->events);
    free(letter->body);
    *letter = (struct letter){0};
}

void letter_sign(const char *secret, const char *timestamp, const char *body, size_t len,
                 char out[static LETTER_SIGNATURE_MAX])
{
    const struct sign_part parts[] = {{timestamp, strlen(timestamp)}, {".", 1}, {body, len}};
    char hex[SIGN_HEX + 1];

    sign_parts(secret, strlen(secret), parts, ARRAY_LEN(parts), hex);
    (void)snprintf(out, LETTER_SIGNATURE_MAX, "sha256=%s", hex);
}
