/* What the files of the core share and nobody else sees. */
#ifndef PODMGR_CORE_INTERNAL_H
#define PODMGR_CORE_INTERNAL_H

#include <jansson.h>

#include "core/core.h"
#include "core/keys.h"

/* ------------------------------------------------- core.c: the outbox -- */

void emit_meta(struct outbox *out);
void emit_slice(struct outbox *out, struct id id);
void emit_op(struct outbox *out, struct id id);
void emit_circuit(struct outbox *out, struct tpunet_xc xc);
void emit_key(struct outbox *out, uint64_t number);
void emit_incident(struct outbox *out, struct id id);
void emit_ticket(struct outbox *out, struct id id);
void emit_drain(struct outbox *out, struct id id);
void emit_fault(struct outbox *out, const struct part *part);
void emit_webhook(struct outbox *out, struct id id);
void emit_lien(struct outbox *out, struct tpunet_ocs_port port);
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

/* ---------------------------------------- creates.c: idempotency keys (A3) -- */

/* True if the key of the request has answered it, or refused. */
bool create_is_repeat(const struct model *m, const struct event *ev, enum key_kind kind,
                      struct outbox *out);
/* From now on its key answers with it. */
void create_is_made(struct model *m, const struct event *ev, enum key_kind kind, struct id made,
                    struct outbox *out);
/* Old keys go. */
void creates_tick(struct model *m, struct now now, struct outbox *out);

/* ------------------------------------------- slices.c: the slice machine -- */

void slices_create(struct model *m, struct event *ev, struct outbox *out);
void slices_delete(struct model *m, struct event *ev, struct outbox *out);
void slices_migrate(struct model *m, struct event *ev, struct outbox *out);
/* Other cubes under a serving slice without an open operation.  E_UNREACHABLE,
 * E_CONFLICT, or as placement says: nothing has changed. */
int slices_swap(struct model *m, struct slice *slice, const struct swap *swaps, size_t n,
                const char *reason, struct now now, struct outbox *out, struct error *err);
/* The open operation of the slice has ended. */
void slices_op_ended(struct model *m, struct slice *slice, const struct op *op, struct now now,
                     struct outbox *out);
/* Its preflight failed, with the reason: on other cubes than these if that may
 * be, else it FAILs. */
void slices_unfit(struct model *m, struct slice *slice, const bool cubes[static MODEL_CUBES_MAX],
                  bool may_move, struct now now, struct outbox *out);
/* The one place where a slice's state changes: move, row, journal. */
void slice_enter(struct model *m, struct slice *slice, enum slice_state state, struct now now,
                 struct outbox *out);
/* An event of a slice that stays in its state, with the advice; takes `data`. */
void slice_tell(struct model *m, const struct slice *slice, const char *type, struct now now,
                struct outbox *out, json_t *data);
void slice_fail(struct model *m, struct slice *slice, struct now now, struct outbox *out,
                const char *reason);
/* Behind what the slice's reason says already. */
void slice_add_reason(struct slice *slice, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Why it is about to stop serving: the incident under remediation, else this part
 * or word. */
void slice_blame(const struct model *m, struct slice *slice, const char *otherwise);
const char *slice_subject(const struct slice *slice, char buf[static 64]);
double slice_age_ms(const struct slice *slice, struct now now);

/* Other cubes for those that are SUSPECT, or behind SUSPECT ports, under a slice
 * that is coming up; false if it cannot have them.  has_way: it can do without. */
bool slices_other_cubes(struct model *m, struct slice *slice, bool has_way, struct now now,
                        struct outbox *out);

/* ------------------------------------- found.c: what a bring-up found down -- */

void found_symptoms(struct model *m, const struct slice *slice, const struct verdict *verdict,
                    struct now now);
/* True if the slice goes on, with other cubes or around it; else its reason says what
 * was found, and why remediation did nothing about it if it is not off. */
bool found_down(struct model *m, struct slice *slice, const struct verdict *verdict, struct now now,
                struct outbox *out);

/* ------------------------------------- bringup.c: slices and their agents -- */

/* slice_circuits.c */
typedef bool circuit_fn(const struct model *m, struct tpunet_xc xc, void *arg);
/* The circuits intended for the slice, until `each` returns false; the result says whether
 * it never did. */
bool slice_each_circuit(const struct model *m, const struct slice *slice, circuit_fn *each,
                        void *arg);
bool slice_circuit_stands(const struct model *m, struct tpunet_xc xc, void *arg); /* or is dead */
bool slice_is_whole(const struct model *m, const struct slice *slice);            /* all of them */
/* Does one lose too much light?  The first. */
bool slice_is_dim(const struct model *m, const struct slice *slice, struct tpunet_xc *dim);
void slice_find_dead(const struct model *m, const struct slice *slice, struct circuit_set *out);
/* The routes that are asked for now go around what is dead. */
void slice_go_around(const struct model *m, struct slice *slice);
/* Is this intended circuit of the slice one that is dead or drained, and that its last
 * routes were to go around?  And does it serve on them? */
bool slice_goes_around(const struct model *m, const struct slice *slice, struct tpunet_xc xc);
bool slice_is_without(const struct model *m, const struct slice *slice, struct tpunet_xc xc);
/* Is something well again that its routes go around? */
bool slice_has_some_back(const struct model *m, const struct slice *slice);

/* Hands the slice's intent to a coordinator, once its circuits are there. */
void bringup_start(struct model *m, struct slice *slice, struct now now, struct outbox *out);
/* Another generation of the slice's intent, by which verdicts are told apart. */
void bringup_new_generation(struct model *m, struct slice *slice);
/* A serving slice gets its routes anew. */
void bringup_again(struct model *m, struct slice *slice, const char *reason, struct now now,
                   struct outbox *out);
void bringup_verdict(struct model *m, struct event *ev, struct outbox *out);
void bringup_links(struct model *m, struct event *ev, struct outbox *out);
void bringup_tick(struct model *m, struct now now, struct outbox *out);
/* A switch lost circuits of the slice. */
void bringup_lost(struct slice *slice, struct outbox *out);
/* An operation that puts circuits of the slice back has ended. */
void bringup_circuits_moved(struct model *m, struct slice *slice, struct now now,
                            struct outbox *out);
/* podmgr itself does not rely on a switch or a port: who is coming up over it and
 * accepts that goes around it.  Who serves is for remediation. */
void bringup_part_doubted(struct model *m, struct part part, const char *reason, struct now now,
                          struct outbox *out);
/* A switch or a port is no longer to be relied on: slices with circuits there
 * go around them, or fail with the reason. */
void bringup_part_lost(struct model *m, struct part part, const char *reason, struct now now,
                       struct outbox *out);
/* A switch has shown its map: what was dead may be good again. */
void bringup_looked(struct model *m, struct now now, struct outbox *out);
/* Nobody is asked any more, nobody is to watch the slice's links. */
void bringup_stop(const struct model *m, struct slice *slice, struct outbox *out);

/* --------------------------------------------------------------- watch.c -- */

/* The slice serves; it is about to change or go. */
void watch_begin(const struct model *m, const struct slice *slice, struct outbox *out);
void watch_again(const struct model *m, const struct slice *slice, struct outbox *out);
void watch_end(const struct model *m, const struct slice *slice, struct outbox *out);
/* The agent has hosts that it had not before. */
void watch_agent_came(const struct model *m, const struct agent *agent, struct outbox *out);
/* An agent came (somebody may coordinate now) or went. */
void bringup_agent_came(struct model *m, struct now now, struct outbox *out);
void bringup_agent_gone(struct model *m, uint32_t agent, struct now now, struct outbox *out);
/* Verdicts of the epoch before count no more: ask again. */
void bringup_epoch_taken(struct model *m, struct now now, struct outbox *out);

/* Its hosts are fit: it is ACTIVE, if nothing has changed since its verdict. */
void bringup_fit(struct model *m, struct slice *slice, struct now now, struct outbox *out);

/* -------------------------------------------------------- preflight.c -- */

/* The slice's tables are proved and installed; bringup_fit() or slices_unfit()
 * follows, perhaps before the call returns. */
void preflight_begin(struct model *m, struct slice *slice, struct now now, struct outbox *out);
/* Nobody waits for it any more. */
void preflight_drop(struct slice *slice);
void preflight_verdict(struct model *m, struct event *ev, struct outbox *out);
void preflight_tick(struct model *m, struct now now, struct outbox *out);

/* ------------------------------------------------------- operations.c -- */

/* Each opens an operation for the slice, whose result is slices_op_ended(),
 * perhaps before the call returns. */
void ops_program(struct model *m, struct slice *slice, struct now now, struct outbox *out);
void ops_reconfigure(struct model *m, struct slice *slice, struct tpunet_intent *to, struct now now,
                     struct outbox *out); /* takes `to` */
void ops_release(struct model *m, struct slice *slice, struct now now, struct outbox *out);
void ops_applied(struct model *m, struct event *ev, struct outbox *out);
/* The switch is back: send again what it has not confirmed. */
void ops_resend(struct model *m, uint16_t ocs, bool lost_power, struct outbox *out);
/* The switch is FAILED: nobody waits for it any more. */
void ops_skip(struct model *m, uint16_t ocs, struct now now, struct outbox *out);
/* Puts back what slices have on this switch and the switch does not show, and
 * clears its liens, in one operation; nothing if nothing is to be done. */
void ops_restore(struct model *m, uint16_t ocs, struct now now, struct outbox *out);
void ops_tick(struct model *m, struct now now, struct outbox *out);

/* ------------------------------------------------------------ plans.c -- */

/* Fills the breaks and makes of an operation that leads the slice from what is
 * intended for it to `wanted` (sorted), and changes the intent. */
void plan_slice(struct model *m, struct op *op, const struct tpunet_xc *wanted, size_t n_wanted,
                struct outbox *out);
void plan_restore(const struct model *m, struct op *op, uint16_t ocs);
/* Adds the obstacles on this switch that have been seen since; true if any. */
bool plan_again(const struct model *m, struct op *op, uint16_t ocs);
/* Does an open operation make (else: break) the circuit? */
bool plan_is_open(const struct model *m, struct tpunet_xc xc, bool made);

/* ------------------------------------------------- faults.c, liens.c -- */

void faults_fail(struct model *m, struct event *ev, struct outbox *out);
void faults_clear(struct model *m, struct event *ev, struct outbox *out);
/* podmgr's own word, if nothing is on record of the part: a switch is FAILED, a cube
 * or a port SUSPECT.  Slices that serve over it are the caller's business. */
void faults_say(struct model *m, const struct part *part, const char *reason, struct now now,
                struct outbox *out);
/* podmgr's own word on the part is over, if there is one; an operator's stays. */
bool faults_take_back(struct model *m, const struct part *part, const char *why, struct now now,
                      struct outbox *out);
/* What is known of a part that nobody calls bad any more is asked for anew. */
void faults_look_again(struct model *m, const struct part *part, struct now now,
                       struct outbox *out);
void faults_suspect(struct model *m, struct tpunet_ocs_port port, const char *reason,
                    struct now now, struct outbox *out);
/* Both ports of a circuit of the slice are freed unconfirmed. */
void liens_hold(struct model *m, struct tpunet_xc xc, struct id slice, struct now now,
                struct outbox *out);
/* At a start, which has read no map.  If the database is of before (the first start after a
 * restore, or switches say so), what a lien says of fences is, too. */
void liens_start(struct model *m, bool first_of_backup, struct now now, struct outbox *out);
/* The switch is FAILED: if a restore left its map unknown, all of it is held. */
void liens_doubt_switch(struct model *m, uint16_t ocs, struct now now, struct outbox *out);
/* The map of this switch was read: liens that it disproves go. */
void liens_settle(struct model *m, uint16_t ocs, struct outbox *out);
void liens_fenced(struct model *m, struct event *ev, struct outbox *out);
/* Asks the agents to fence what is not fenced yet, once a second. */
void liens_tick(struct model *m, struct now now, struct outbox *out);

/* Breaks circuits that nobody intends, on an operator's word (sorted; taken). */
struct id ops_break(struct model *m, struct tpunet_xc *breaks, size_t n, struct now now,
                    struct outbox *out);

/* ----------------------------------------------------------- drains.c -- */

void drains_create(struct model *m, struct event *ev, struct outbox *out);
void drains_end(struct model *m, struct event *ev, struct outbox *out);
/* The database is of before: drains may have ended since, and slices have other routes than
 * it says. */
void drains_doubt(struct model *m, struct now now, struct outbox *out);
/* Ends those whose time is up, moves jobs off, sees who is drained. */
void drains_tick(struct model *m, struct now now, struct outbox *out);

/* ------------------------------------------------------- quarantine.c -- */

void quarantine_clear(struct model *m, struct event *ev, struct outbox *out);
/* In the place of placement, for what the switches connect already. */
int quarantine_adopt(const struct model *m, const struct slice_spec *spec, uint16_t *cubes,
                     struct error *err);

/* --------------------------------------------------------- switches.c -- */

/* Marks the cubes that a restored backup cannot explain, frees the others. */
void switches_quarantine(struct model *m, struct now now, struct outbox *out);

void switches_start(struct model *m, struct event *ev, struct outbox *out);
void switches_attached(struct model *m, struct event *ev, struct outbox *out);
void switches_looked(struct model *m, struct event *ev, struct outbox *out);
void switches_superseded(struct model *m, struct event *ev, struct outbox *out);
void switches_lost(struct model *m, struct event *ev, struct outbox *out);
void switches_saw(struct ocs *ocs, const struct seen_circuit *seen, size_t n, struct wall_ms at);
/* Has the slice (NULL: a new one) all the switches that it needs?  One that accepts
 * degraded does without those that are FAILED, or drained from under it; a new
 * one that does not gets no drained one. */
bool switches_all_reachable(const struct model *m, const struct slice *slice, bool accept_degraded,
                            char *why, size_t why_size);

/* ----------------------------------------------------------- agents.c -- */

void agents_hello(struct model *m, struct event *ev, struct outbox *out);
void agents_seen(struct model *m, struct event *ev);
void agents_tick(struct model *m, struct event *ev, struct outbox *out);

/* ----------------------------------------------------------- health.c -- */

/* The reply's id has epoch 1 if this instance was not known. */
void health_hello(struct model *m, struct event *ev, struct outbox *out);
void health_lease(struct model *m, struct event *ev, struct outbox *out);
void health_report(struct model *m, struct event *ev, struct outbox *out);
/* podmgr's own word on a part of the host: a SEVERE finding `preflight`. */
void health_blame(struct model *m, uint16_t host, enum finding_scope scope, unsigned index,
                  const char *text, struct now now, struct outbox *out);
/* And the end of all of them at this host. */
void health_forgive(struct model *m, uint16_t host, struct now now, struct outbox *out);
/* We stalled: who answered before has not fallen silent by that. */
void health_renew(struct model *m, struct now now);

/* -------------------------------------------------------- webhooks.c -- */

void webhooks_create(struct model *m, struct event *ev, struct outbox *out);
void webhooks_delete(struct model *m, struct event *ev, struct outbox *out);
void webhooks_news(struct model *m, struct event *ev, struct outbox *out);

/* --------------------------------------------------- repair_events.c -- */

void repairs_advance(struct model *m, struct event *ev, struct outbox *out);
struct ticket;
/* Of the ticket's last move. */
void repairs_tell(struct model *m, struct now now, const struct ticket *ticket, struct outbox *out);

/* ------------------------------------------------- repair_readmit.c -- */

/* A person has closed it without a repair. */
void repairs_dismissed(struct model *m, const struct ticket *ticket);
/* What follows from the ticket's last move for its part. */
void repairs_follow(struct model *m, struct now now, const struct ticket *ticket,
                    struct outbox *out);

#endif
