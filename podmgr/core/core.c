/* The outbox, and the table from events to those who handle them. */
#include "core/internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/preflight.h"
#include "core/remedy.h"
#include "mem.h"

/* ------------------------------------------------------------- outbox -- */

void outbox_init(struct outbox *out)
{
    memset(out, 0, sizeof *out);
}

void outbox_clear(struct outbox *out)
{
    for (size_t i = 0; i < out->n_journal; i++) {
        free(out->journal[i].data);
    }
    for (size_t i = 0; i < out->n_audits; i++) {
        free(out->audits[i].before);
        free(out->audits[i].after);
    }
    for (size_t i = 0; i < out->n_effects; i++) {
        free(out->effects[i].reply.text);
    }
    out->n_changes = out->n_journal = out->n_audits = out->n_effects = 0;
}

void outbox_fini(struct outbox *out)
{
    outbox_clear(out);
    free(out->changes);
    free(out->journal);
    free(out->audits);
    free(out->effects);
}

static struct change *add_change(struct outbox *out, enum change_kind kind)
{
    VEC_GROW(out->changes, out->n_changes, out->cap_changes);
    struct change *change = &out->changes[out->n_changes++];
    *change = (struct change){.kind = kind};
    return change;
}

void emit_meta(struct outbox *out)
{
    (void)add_change(out, CHANGE_META);
}

void emit_slice(struct outbox *out, struct id id)
{
    add_change(out, CHANGE_SLICE)->id = id;
}

void emit_op(struct outbox *out, struct id id)
{
    add_change(out, CHANGE_OP)->id = id;
}

void emit_circuit(struct outbox *out, struct tpunet_xc xc)
{
    struct change *change = add_change(out, CHANGE_CIRCUIT);
    change->circuit.ocs = xc.ocs;
    change->circuit.north = xc.north;
}

void emit_key(struct outbox *out, uint64_t number)
{
    add_change(out, CHANGE_KEY)->key = number;
}

void emit_incident(struct outbox *out, struct id id)
{
    add_change(out, CHANGE_INCIDENT)->id = id;
}

void emit_ticket(struct outbox *out, struct id id)
{
    add_change(out, CHANGE_TICKET)->id = id;
}

void emit_drain(struct outbox *out, struct id id)
{
    add_change(out, CHANGE_DRAIN)->id = id;
}

void emit_fault(struct outbox *out, const struct part *part)
{
    add_change(out, CHANGE_FAULT)->part = *part;
}

void emit_webhook(struct outbox *out, struct id id)
{
    add_change(out, CHANGE_WEBHOOK)->id = id;
}

void emit_lien(struct outbox *out, struct tpunet_ocs_port port)
{
    add_change(out, CHANGE_LIEN)->port = port;
}

struct effect *emit_effect(struct outbox *out, enum effect_kind kind)
{
    VEC_GROW(out->effects, out->n_effects, out->cap_effects);
    struct effect *effect = &out->effects[out->n_effects++];
    *effect = (struct effect){.kind = kind};
    return effect;
}

void emit_done(struct outbox *out, uint64_t cookie, struct id id)
{
    if (cookie != 0) {
        struct effect *effect = emit_effect(out, EFFECT_REPLY);
        effect->cookie = cookie;
        effect->id = id;
    }
}

void emit_refusal(struct outbox *out, uint64_t cookie, int status, const char *code,
                  const char *fmt, ...)
{
    assert(status < 0);
    if (cookie == 0) {
        return;
    }
    char text[640];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);

    struct effect *effect = emit_effect(out, EFFECT_REPLY);
    effect->cookie = cookie;
    effect->reply.status = status;
    effect->reply.code = code;
    effect->reply.text = xstrdup(text);
}

void emit_journal(struct model *m, struct outbox *out, struct now now, const char *type,
                  const char *subject, json_t *data)
{
    VEC_GROW(out->journal, out->n_journal, out->cap_journal);
    struct journal_entry *entry = &out->journal[out->n_journal++];

    *entry = (struct journal_entry){.seq = m->next_event++, .at = now.wall, .type = type};
    (void)snprintf(entry->subject, sizeof entry->subject, "%s", subject);
    entry->data = data != NULL ? json_dumps(data, JSON_COMPACT) : xstrdup("{}");
    assert(entry->data != NULL); /* the core makes only valid UTF-8 */
    json_decref(data);
}

static char *text_of(json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : xstrdup("null");

    assert(text != NULL); /* the core makes only valid UTF-8 */
    json_decref(json);
    return text;
}

void emit_audit(struct outbox *out, const struct event *ev, const char *action, const char *subject,
                json_t *before, json_t *after)
{
    VEC_GROW(out->audits, out->n_audits, out->cap_audits);
    struct audit_entry *entry = &out->audits[out->n_audits++];

    *entry = (struct audit_entry){.at = ev->now.wall, .action = action};
    (void)snprintf(entry->who, sizeof entry->who, "%s", ev->who);
    (void)snprintf(entry->subject, sizeof entry->subject, "%s", subject);
    entry->before = text_of(before);
    entry->after = text_of(after);
}

/* ------------------------------------------------------------- events -- */

void core_step(struct model *m, struct event *ev, struct outbox *out)
{
    switch (ev->kind) {
    case EV_START:
        m->started = ev->now.mono;
        switches_start(m, ev, out);
        return;
    case EV_TICK:
        agents_tick(m, ev, out);
        ops_tick(m, ev->now, out);
        liens_tick(m, ev->now, out);
        bringup_tick(m, ev->now, out);
        preflight_tick(m, ev->now, out);
        creates_tick(m, ev->now, out);
        drains_tick(m, ev->now, out);
        remedy_tick(m, ev->now, out);
        return;
    case EV_CREATE_SLICE:
        slices_create(m, ev, out);
        return;
    case EV_DELETE_SLICE:
        slices_delete(m, ev, out);
        return;
    case EV_MIGRATE_SLICE:
        slices_migrate(m, ev, out);
        return;
    case EV_FAIL_PART:
        faults_fail(m, ev, out);
        return;
    case EV_CLEAR_PART:
        faults_clear(m, ev, out);
        return;
    case EV_CLEAR_QUARANTINE:
        quarantine_clear(m, ev, out);
        return;
    case EV_OCS_ATTACHED:
        switches_attached(m, ev, out);
        return;
    case EV_OCS_LOOKED:
        switches_looked(m, ev, out);
        return;
    case EV_OCS_SUPERSEDED:
        switches_superseded(m, ev, out);
        return;
    case EV_OCS_LOST:
        switches_lost(m, ev, out);
        return;
    case EV_OCS_APPLIED:
        ops_applied(m, ev, out);
        return;
    case EV_AGENT_HELLO:
        agents_hello(m, ev, out);
        return;
    case EV_AGENT_SEEN:
        agents_seen(m, ev);
        return;
    case EV_VERDICT:
        bringup_verdict(m, ev, out);
        return;
    case EV_LINKS:
        remedy_links(m, ev);
        bringup_links(m, ev, out);
        return;
    case EV_FENCED:
        liens_fenced(m, ev, out);
        return;
    case EV_HEALTH_HELLO:
        health_hello(m, ev, out);
        return;
    case EV_HEALTH_LEASE:
        health_lease(m, ev, out);
        return;
    case EV_HEALTH:
        health_report(m, ev, out);
        return;
    case EV_PREFLIGHT:
        preflight_verdict(m, ev, out);
        return;
    case EV_ADVANCE_REPAIR:
        repairs_advance(m, ev, out);
        return;
    case EV_RESET_BREAKER:
        remedy_reset_breaker(m, ev, out);
        return;
    case EV_CREATE_DRAIN:
        drains_create(m, ev, out);
        return;
    case EV_END_DRAIN:
        drains_end(m, ev, out);
        return;
    case EV_CREATE_WEBHOOK:
        webhooks_create(m, ev, out);
        return;
    case EV_DELETE_WEBHOOK:
        webhooks_delete(m, ev, out);
        return;
    case EV_WEBHOOK_NEWS:
        webhooks_news(m, ev, out);
        return;
    }
    abort();
}

void event_fini(struct event *ev)
{
    free(ev->key);
    switch (ev->kind) {
    case EV_CREATE_SLICE:
        if (ev->create != NULL) {
            slice_spec_fini(ev->create);
            free(ev->create);
        }
        return;
    case EV_OCS_ATTACHED:
    case EV_OCS_LOOKED:
    case EV_OCS_SUPERSEDED:
    case EV_OCS_LOST:
        free(ev->ocs.seen);
        return;
    case EV_OCS_APPLIED:
        for (size_t i = 0; i < ev->applied.n_results; i++) {
            free(ev->applied.results[i].seen);
        }
        free(ev->applied.results);
        return;
    case EV_AGENT_HELLO:
        free(ev->agent.hosts);
        return;
    case EV_VERDICT:
        free(ev->verdict);
        return;
    case EV_LINKS:
        free(ev->links.links);
        return;
    case EV_HEALTH_HELLO:
        free(ev->observer.hosts);
        free(ev->observer.goldens);
        return;
    case EV_HEALTH_LEASE:
        free(ev->lease.answering);
        return;
    case EV_HEALTH:
        free(ev->health.findings);
        return;
    case EV_PREFLIGHT:
        if (ev->fitness != NULL) {
            free(ev->fitness->hosts);
            free(ev->fitness->unfit);
            free(ev->fitness);
        }
        return;
    case EV_ADVANCE_REPAIR:
        free(ev->repair);
        return;
    case EV_CREATE_DRAIN:
        free(ev->drain);
        return;
    case EV_MIGRATE_SLICE:
        free(ev->migrate.swaps);
        return;
    case EV_FENCED:
        free(ev->fenced.ports);
        return;
    case EV_CREATE_WEBHOOK:
        webhook_wipe(ev->webhook);
        free(ev->webhook);
        return;
    case EV_START:
    case EV_TICK:
    case EV_DELETE_SLICE:
    case EV_FAIL_PART:
    case EV_CLEAR_PART:
    case EV_CLEAR_QUARANTINE:
    case EV_AGENT_SEEN:
    case EV_RESET_BREAKER:
    case EV_END_DRAIN:
    case EV_DELETE_WEBHOOK:
    case EV_WEBHOOK_NEWS:
        return;
    }
    abort();
}

bool core_ready(const struct model *m, char *why, size_t why_size)
{
    unsigned unknown = 0, first = 0;

    if (m->epoch == 0) {
        (void)snprintf(why, why_size, "the epoch is not taken yet");
        return false;
    }
    for (unsigned o = TPUNET_OCSES; o-- > 0;) {
        if (m->ocs[o].state == OCS_STATE_UNKNOWN) {
            unknown++;
            first = o;
        }
    }
    if (unknown > 0) {
        (void)snprintf(why, why_size, "%u switches have not answered yet, the first is ocs/%u",
                       unknown, first);
        return false;
    }
    return true;
}
