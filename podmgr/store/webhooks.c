/* Webhooks as rows; their prefixes are a text, a word each. */
#include "core/webhooks.h"

#include <stdio.h>
#include <string.h>

#include "store/sqlite_util.h"

static void bind_copy(sqlite3_stmt *s, int at, const char *text)
{
    (void)sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
}

int store_put_webhook(struct store *store, const struct model *m, struct id id, struct error *err)
{
    const struct webhook *hook = model_webhook(m, id);
    enum stmt which = hook == NULL ? ST_WEBHOOK_DELETE : ST_WEBHOOK_PUT;
    sqlite3_stmt *s = store->stmt[which];
    char prefixes[WEBHOOK_PREFIXES_MAX * (WEBHOOK_PREFIX_MAX + 1) + 1] = "";
    size_t len = 0;

    bind_u64(s, 1, id.epoch);
    bind_u64(s, 2, id.seq);
    if (hook != NULL) {
        for (unsigned i = 0; i < hook->n_prefixes; i++) {
            len +=
                (size_t)snprintf(prefixes + len, sizeof prefixes - len, "%s ", hook->prefixes[i]);
        }
        bind_copy(s, 3, hook->url);
        (void)sqlite3_bind_text(s, 4, hook->secret, -1, SQLITE_STATIC); /* no copy to wipe */
        bind_copy(s, 5, prefixes);
        bind_copy(s, 6, hook->owner);
        bind_copy(s, 7, hook->who);
        (void)sqlite3_bind_int64(s, 8, hook->created.ms);
        bind_u64(s, 9, hook->cursor);
        bind_u64(s, 10, hook->told);
        (void)sqlite3_bind_int64(s, 11, hook->failing_since.ms);
        bind_copy(s, 12, hook->disabled);
    }
    int status = store_run(store, which, err);
    (void)sqlite3_clear_bindings(s);
    return status;
}

/* False if the text does not fit. */
static bool take_text(char *out, size_t size, sqlite3_stmt *s, int at)
{
    return (size_t)snprintf(out, size, "%s", sqlite3_column_text(s, at)) < size;
}

static bool take_prefixes(struct webhook *hook, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (len == 0 || len > WEBHOOK_PREFIX_MAX || text[len] != ' ' ||
            hook->n_prefixes == WEBHOOK_PREFIXES_MAX) {
            return false;
        }
        memcpy(hook->prefixes[hook->n_prefixes++], text, len);
        text += len + 1;
    }
    return true;
}

/* NULL, or what is wrong. */
static const char *take_webhook(struct webhook *hook, const struct model *m, sqlite3_stmt *s)
{
    if (!store_id_was_taken(m, hook->id)) {
        return "an id that was never given";
    }
    if (m->n_webhooks == WEBHOOKS_MAX) {
        return "more than there can be";
    }
    if (!take_text(hook->url, sizeof hook->url, s, 2) ||
        !take_text(hook->secret, sizeof hook->secret, s, 3) ||
        !take_text(hook->owner, sizeof hook->owner, s, 5) ||
        !take_text(hook->who, sizeof hook->who, s, 6) ||
        !take_text(hook->disabled, sizeof hook->disabled, s, 11)) {
        return "a text is too long";
    }
    if (!take_prefixes(hook, (const char *)sqlite3_column_text(s, 4))) {
        return "'events' makes no sense";
    }
    hook->created.ms = sqlite3_column_int64(s, 7);
    hook->cursor = column_u64(s, 8);
    hook->told = column_u64(s, 9);
    hook->failing_since.ms = sqlite3_column_int64(s, 10);
    return hook->told <= hook->cursor && hook->cursor < m->next_event
               ? NULL
               : "'cursor' or 'told' is no place in the journal";
}

int store_load_webhook(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct webhook hook = {.id = {column_u64(s, 0), column_u64(s, 1)}};
    const char *wrong = take_webhook(&hook, m, s);
    struct id id = hook.id;

    if (wrong == NULL) {
        model_add_webhook(m, &hook);
    }
    webhook_wipe(&hook);
    return wrong == NULL ? 0 : store_contradiction(store, err, "webhooks", id, wrong);
}
