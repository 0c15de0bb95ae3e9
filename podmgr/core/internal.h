/* What the files of the core share and nobody else sees. */
#ifndef PODMGR_CORE_INTERNAL_H
#define PODMGR_CORE_INTERNAL_H

#include <jansson.h>

#include "core/core.h"

/* ------------------------------------------------- core.c: the outbox -- */

void emit_meta(struct outbox *out);
void emit_slice(struct outbox *out, struct id id);
void emit_op(struct outbox *out, struct id id);
void emit_circuit(struct outbox *out, struct tpunet_xc xc);
void emit_key(struct outbox *out, uint64_t number);
void emit_incident(struct outbox *out, struct id id);
void emit_ticket(struct outbox *out, struct id id);
struct effect *emit_effect(struct outbox *out, enum effect_kind kind);
void emit_done(struct outbox *out, uint64_t cookie, struct id id);
void emit_refusal(struct outbox *out, uint64_t cookie, int status, const char *code,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Takes `data`. */
void emit_journal(struct model *m, struct outbox *out, struct now now, const char *type,
                  const char *subject, json_t *data);
/* Takes both; NULL where there is nothing. */
void emit_audit(struct outbox *out, const struct event *ev, const char *action, const char *subject,
                json_t *before, json_t *after);

/* ------------------------------------------- slices.c: the slice machine -- */

void slices_create(struct model *m, struct event *ev, struct outbox *out);
void slices_expire_keys(struct model *m, struct now now, struct outbox *out);
void slices_delete(struct model *m, struct event *ev, struct outbox *out);
void slices_verdict(struct model *m, struct event *ev, struct outbox *out);
void slices_links(struct model *m, struct event *ev, struct outbox *out);
/* The open operation of the slice has ended. */
void slices_op_ended(struct model *m, struct slice *slice, const struct op *op, struct now now,
                     struct outbox *out);
/* Its circuits on a switch were lost and are restored: check its links again. */
void slices_restored(struct model *m, struct slice *slice, struct outbox *out);
/* An agent came (somebody may coordinate now) or went. */
void slices_agent_came(struct model *m, struct outbox *out);
/* Verdicts of the epoch before count no more: ask again. */
void slices_epoch_taken(struct model *m, struct outbox *out);
void slices_agent_gone(struct model *m, uint32_t agent, struct outbox *out);

/* ------------------------------------------------------- operations.c -- */

/* Opens an operation for the slice and sends it to every switch that it
 * concerns.  If nothing is to be done the operation ends at once. */
void ops_open(struct model *m, struct slice *slice, enum op_kind kind, struct now now,
              struct outbox *out);
void ops_applied(struct model *m, struct event *ev, struct outbox *out);
/* The switch is back: send again what it has not confirmed. */
void ops_resend(struct model *m, uint16_t ocs, struct outbox *out);
/* Puts back what slices have on this switch and the switch does not show, in
 * one operation; nothing if nothing is missing. */
void ops_restore(struct model *m, uint16_t ocs, struct now now, struct outbox *out);

/* --------------------------------------------------------- switches.c -- */

void switches_start(struct model *m, struct event *ev, struct outbox *out);
void switches_attached(struct model *m, struct event *ev, struct outbox *out);
void switches_looked(struct model *m, struct event *ev, struct outbox *out);
void switches_superseded(struct model *m, struct event *ev, struct outbox *out);
void switches_lost(struct model *m, struct event *ev, struct outbox *out);
void switches_saw(struct ocs *ocs, const struct seen_circuit *seen, size_t n, struct wall_ms at);
bool switches_all_reachable(const struct model *m, char *why, size_t why_size);

/* ----------------------------------------------------------- agents.c -- */

void agents_hello(struct model *m, struct event *ev, struct outbox *out);
void agents_seen(struct model *m, struct event *ev);
void agents_tick(struct model *m, struct event *ev, struct outbox *out);

/* ----------------------------------------------------------- health.c -- */

/* The reply's id has epoch 1 if this instance was not known. */
void health_hello(struct model *m, struct event *ev, struct outbox *out);
void health_lease(struct model *m, struct event *ev, struct outbox *out);
void health_report(struct model *m, struct event *ev, struct outbox *out);
/* We stalled: who answered before has not fallen silent by that. */
void health_renew(struct model *m, struct now now);

/* --------------------------------------------------- repair_events.c -- */

void repairs_advance(struct model *m, struct event *ev, struct outbox *out);

#endif
