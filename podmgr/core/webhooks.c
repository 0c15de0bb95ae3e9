/* The rules:
 *
 *   1. There are WEBHOOKS_MAX at most.
 *   2. One begins with what happens after it was made, or after the event that
 *      the request names, which may be gone: then it hears of a gap first.
 *   3. Its place in the journal only moves on, and never past the last event.
 *   4. Events about webhooks are for the journal alone, or a receiver that is
 *      down would make events for ever.
 *   5. That one fails, or works again, is told once.
 *   6. Who answers that he is gone hears nothing more; what is known of him stays
 *      until it is deleted.
 */
#include "core/webhooks.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"
#include "mem.h"

/* ----------------------------------------------------------------- model -- */

struct webhook *model_webhook(const struct model *m, struct id id)
{
    for (size_t i = 0; i < m->n_webhooks; i++) {
        if (id_compare(m->webhooks[i].id, id) == 0) {
            return &m->webhooks[i];
        }
    }
    return NULL;
}

void model_add_webhook(struct model *m, const struct webhook *hook)
{
    assert(m->n_webhooks < WEBHOOKS_MAX);
    assert(m->n_webhooks == 0 || id_compare(m->webhooks[m->n_webhooks - 1].id, hook->id) < 0);
    assert(hook->told <= hook->cursor);
    if (m->webhooks == NULL) { /* once, so that no growth leaves a secret behind */
        m->webhooks = xcalloc(WEBHOOKS_MAX, sizeof *m->webhooks);
    }
    m->webhooks[m->n_webhooks++] = *hook;
}

void webhook_wipe(struct webhook *hook)
{
    explicit_bzero(hook, sizeof *hook);
}

void model_remove_webhook(struct model *m, struct id id)
{
    struct webhook *hook = model_webhook(m, id);

    assert(hook != NULL);
    size_t behind = m->n_webhooks - 1 - (size_t)(hook - m->webhooks);
    memmove(hook, hook + 1, behind * sizeof *hook);
    webhook_wipe(&m->webhooks[--m->n_webhooks]);
}

/* Rule 4. */
bool webhook_wants(const struct webhook *hook, const char *type)
{
    bool wants = hook->n_prefixes == 0;

    for (unsigned i = 0; i < hook->n_prefixes && !wants; i++) {
        wants = strncmp(type, hook->prefixes[i], strlen(hook->prefixes[i])) == 0;
    }
    return wants && strncmp(type, "webhook.", 8) != 0;
}

const char *webhook_origin(const struct webhook *hook, char out[static WEBHOOK_ORIGIN_MAX])
{
    const char *host = strstr(hook->url, "://");
    size_t before = host != NULL ? (size_t)(host - hook->url) + 3 : 0;

    (void)snprintf(out, WEBHOOK_ORIGIN_MAX, "%.*s",
                   (int)(before + strcspn(hook->url + before, "/?#")), hook->url);
    return out;
}

/* ---------------------------------------------------------------- events -- */

static void tell(struct model *m, struct outbox *out, struct now now, const char *type,
                 const struct webhook *hook, json_t *data)
{
    char subject[64], id[48];

    (void)snprintf(subject, sizeof subject, "webhook/%s", id_format(hook->id, id));
    emit_journal(m, out, now, type, subject, data);
}

/* Never the secret, nor the path of the URL. */
static json_t *described(const struct webhook *hook)
{
    char origin[WEBHOOK_ORIGIN_MAX];
    json_t *prefixes = json_array();

    for (unsigned i = 0; i < hook->n_prefixes; i++) {
        (void)json_array_append_new(prefixes, json_string(hook->prefixes[i]));
    }
    return json_pack("{s:s,s:o,s:b,s:s}", "origin", webhook_origin(hook, origin), "events",
                     prefixes, "signed", hook->secret[0] != '\0', "owner", hook->owner);
}

/* The secret is in no audit record either. */
static void audit(struct outbox *out, const struct event *ev, const char *action,
                  const struct webhook *hook, json_t *before, json_t *after)
{
    char subject[64], id[48];

    (void)snprintf(subject, sizeof subject, "webhook/%s", id_format(hook->id, id));
    emit_audit(out, ev, action, subject, before, after);
}

void webhooks_create(struct model *m, struct event *ev, struct outbox *out)
{
    struct webhook hook;
    uint64_t last = m->next_event - 1;

    if (create_is_repeat(m, ev, KEY_WEBHOOK, out)) {
        return;
    }
    hook = *ev->webhook;
    if (m->n_webhooks == WEBHOOKS_MAX) { /* rule 1 */
        emit_refusal(out, ev->cookie, E_FULL, "too-many-webhooks",
                     "there are %d webhooks, which is the most; delete one", WEBHOOKS_MAX);
        webhook_wipe(&hook);
        return;
    }
    if (hook.cursor == WEBHOOK_FROM_NOW) { /* rule 2 */
        hook.cursor = last;
    } else if (hook.cursor > last) {
        emit_refusal(out, ev->cookie, E_INVALID, "invalid-field",
                     "since: the last event is %" PRIu64, last);
        webhook_wipe(&hook);
        return;
    }
    hook.id = model_new_id(m);
    hook.told = hook.cursor;
    hook.created = ev->now.wall;
    (void)snprintf(hook.who, sizeof hook.who, "%s", ev->who);
    model_add_webhook(m, &hook);
    emit_webhook(out, hook.id);
    create_is_made(m, ev, KEY_WEBHOOK, hook.id, out);
    tell(m, out, ev->now, "webhook.created", &hook, described(&hook));
    audit(out, ev, "webhook.create", &hook, NULL, described(&hook));
    emit_done(out, ev->cookie, hook.id);
    webhook_wipe(&hook);
}

void webhooks_delete(struct model *m, struct event *ev, struct outbox *out)
{
    struct webhook *hook = model_webhook(m, ev->hook.id);
    char id[48];

    if (hook == NULL) {
        emit_refusal(out, ev->cookie, E_NOT_FOUND, "webhook-not-found", "no webhook/%s",
                     id_format(ev->hook.id, id));
        return;
    }
    tell(m, out, ev->now, "webhook.deleted", hook, described(hook));
    audit(out, ev, "webhook.delete", hook, described(hook), NULL);
    emit_webhook(out, ev->hook.id);
    emit_done(out, ev->cookie, ev->hook.id);
    model_remove_webhook(m, ev->hook.id);
}

/* ------------------------------------------------------------------ news -- */

static void take_failing(struct model *m, struct webhook *hook, const struct event *ev,
                         struct outbox *out)
{
    char since[32];

    if (hook->failing_since.ms == 0) { /* rule 5 */
        hook->failing_since = ev->hook.since;
        tell(m, out, ev->now, "webhook.failing", hook,
             json_pack("{s:s,s:s}", "since", wall_format(ev->hook.since, since), "reason",
                       ev->hook.text));
    }
}

static void take_recovered(struct model *m, struct webhook *hook, const struct event *ev,
                           struct outbox *out)
{
    char since[32];

    if (hook->failing_since.ms != 0) {
        tell(m, out, ev->now, "webhook.recovered", hook,
             json_pack("{s:s}", "failing_since", wall_format(hook->failing_since, since)));
        hook->failing_since = (struct wall_ms){0};
    }
}

static void take_disabled(struct model *m, struct webhook *hook, const struct event *ev,
                          struct outbox *out)
{
    if (hook->disabled[0] == '\0') { /* rule 6 */
        (void)snprintf(hook->disabled, sizeof hook->disabled, "%s", ev->hook.text);
        tell(m, out, ev->now, "webhook.disabled", hook,
             json_pack("{s:s}", "reason", ev->hook.text));
    }
}

void webhooks_news(struct model *m, struct event *ev, struct outbox *out)
{
    const struct webhook_news *news = &ev->hook;
    struct webhook *hook = model_webhook(m, news->id);

    if (hook == NULL) {
        return; /* deleted meanwhile */
    }
    assert(news->told <= news->cursor && news->cursor < m->next_event); /* rule 3 */
    assert(news->cursor >= hook->cursor && news->told >= hook->told);
    hook->cursor = news->cursor;
    hook->told = news->told;
    emit_webhook(out, hook->id);
    switch (news->kind) {
    case WEBHOOK_PROGRESS:
        return;
    case WEBHOOK_FAILING:
        take_failing(m, hook, ev, out);
        return;
    case WEBHOOK_RECOVERED:
        take_recovered(m, hook, ev, out);
        return;
    case WEBHOOK_GAP:
        tell(m, out, ev->now, "webhook.gap", hook,
             json_pack("{s:I,s:I}", "from", (json_int_t)news->gap_from, "to",
                       (json_int_t)news->cursor));
        return;
    case WEBHOOK_DISABLED:
        take_disabled(m, hook, ev, out);
        return;
    }
    abort();
}
