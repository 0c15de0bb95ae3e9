/* The slice machine: what moves a slice from state to state.
 *
 *   1. Create: placement chooses the cubes, the intent and its operation are
 *      made in the same batch as the slice; nothing is sent before that batch
 *      is durable (D6).
 *      With an idempotency key that is on record the answer is the slice that
 *      it made, or 422 if the request is another (A3).
 *   2. The operation done, the intent goes to the coordinator: the first host
 *      in logical order whose agent holds a lease.  If the agent goes before
 *      its verdict, the next one is asked, with a new generation.
 *   3. A good verdict of the current generation makes the slice ACTIVE (A5), a
 *      bad one FAILED with what was found; a FAILED slice keeps its cubes until
 *      it is deleted, so that a person can look.
 *   4. Delete: an open operation ends first, then the circuits are broken, and
 *      only when all are confirmed down are the cubes free (A8).
 *   5. After a restart an ACTIVE slice stays ACTIVE and is checked again: links
 *      compared, nothing written.
 */
#include "core/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/keys.h"
#include "core/placement.h"

static const char *subject_of(const struct slice *slice, char buf[static 64])
{
    char id[48];
    (void)snprintf(buf, 64, "slice/%s", id_format(slice->id, id));
    return buf;
}

static double since_creation_ms(const struct slice *slice, struct now now)
{
    return slice->created_mono.ns != 0 ? mono_ms_since(slice->created_mono, now.mono)
                                       : (double)(now.wall.ms - slice->created.ms);
}

/* The one place where a slice's state changes: move, row, journal. */
static void enter(struct model *m, struct slice *slice, enum slice_state state, struct now now,
                  struct outbox *out)
{
    static const char *const types[] = {
        [SLICE_ACTIVATING] = "slice.created",
        [SLICE_ACTIVE] = "slice.active",
        [SLICE_ACTIVE_DEGRADED] = "slice.degraded",
        [SLICE_RECONFIGURING] = "slice.reconfiguring",
        [SLICE_FAILED] = "slice.failed",
        [SLICE_DEACTIVATING] = "slice.deactivating",
        [SLICE_DELETED] = "slice.deleted",
    };
    char subject[64], shape[24];

    if (state != SLICE_ACTIVATING) {
        slice_move(slice, state, now.wall);
    }
    emit_slice(out, slice->id);
    emit_journal(m, out, now, types[state], subject_of(slice, subject),
                 json_pack("{s:s,s:s,s:s,s:s,s:I}", "name", slice->spec.name, "state",
                           slice_state_name(state), "topology",
                           tpunet_shape_format(&slice->spec.shape, shape), "reason", slice->reason,
                           "version", (json_int_t)slice->version));
}

/* What the audit keeps of a slice before and after a mutation. */
static json_t *audited(const struct slice *slice)
{
    char shape[24];
    json_t *cubes = json_array();

    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        (void)json_array_append_new(cubes, json_integer(slice->intent->cubes[i]));
    }
    return json_pack("{s:s,s:s,s:I,s:s,s:o}", "name", slice->spec.name, "state",
                     slice_state_name(slice->state), "version", (json_int_t)slice->version,
                     "topology", tpunet_shape_format(&slice->spec.shape, shape), "cubes", cubes);
}

static void fail(struct model *m, struct slice *slice, struct now now, struct outbox *out,
                 const char *reason)
{
    (void)snprintf(slice->reason, sizeof slice->reason, "%s", reason);
    enter(m, slice, SLICE_FAILED, now, out);
}

/* ------------------------------------------------------------- create -- */

static bool may_create(const struct model *m, const struct event *ev, struct outbox *out)
{
    char why[400], shape[24];

    if (!core_ready(m, why, sizeof why)) {
        emit_refusal(out, ev->cookie, E_UNREACHABLE, "not-ready", "podmgr is starting: %s", why);
        return false;
    }
    if (ev->create->shape.mesh) {
        emit_refusal(out, ev->cookie, E_INVALID, "unsupported-topology",
                     "topology: %s is below one cube (64 chips); slices are made of whole cubes, "
                     "the smallest is 4x4x4",
                     tpunet_shape_format(&ev->create->shape, shape));
        return false;
    }
    if (m->n_slices == MODEL_SLICES_MAX) {
        emit_refusal(out, ev->cookie, E_FULL, "insufficient-capacity", "there are %zu slices",
                     m->n_slices);
        return false;
    }
    if (!switches_all_reachable(m, why, sizeof why)) {
        emit_refusal(out, ev->cookie, E_UNREACHABLE, "switch-unreachable",
                     "every torus needs all switches: %s", why);
        return false;
    }
    return true;
}

/* A3: true if the key has answered the request. */
static bool key_answers(const struct model *m, const struct event *ev, struct outbox *out)
{
    const struct key_entry *entry =
        ev->create->key[0] != '\0' ? keys_find(m->keys, ev->create->caller, ev->create->key) : NULL;
    char id[48];

    if (entry == NULL) {
        return false;
    }
    if (entry->has_body && memcmp(entry->body_hash, ev->create->body_hash, SLICE_HASH_SIZE) != 0) {
        emit_refusal(out, ev->cookie, E_MISMATCH, "idempotency-key-reused",
                     "Idempotency-Key: %s made slice/%s with another request; take a new key",
                     entry->key, id_format(entry->slice, id));
    } else {
        emit_done(out, ev->cookie, entry->slice);
    }
    return true;
}

static void remember_key(struct model *m, const struct slice *slice, struct now now,
                         struct outbox *out)
{
    struct key_entry entry = {.has_body = true, .slice = slice->id, .at = now.wall};

    if (slice->spec.key[0] != '\0') {
        memcpy(entry.caller, slice->spec.caller, sizeof entry.caller);
        memcpy(entry.key, slice->spec.key, sizeof entry.key);
        memcpy(entry.body_hash, slice->spec.body_hash, sizeof entry.body_hash);
        emit_key(out, keys_add(m->keys, &entry));
    }
}

void slices_expire_keys(struct model *m, struct now now, struct outbox *out)
{
    uint64_t number;

    for (int i = 0; i < 256 && (number = keys_expire_one(m->keys, now.wall)) != 0; i++) {
        emit_key(out, number);
    }
}

static const char *placement_code(int status)
{
    return status == E_INVALID    ? "invalid-request"
           : status == E_CONFLICT ? "cube-unavailable"
                                  : "insufficient-capacity";
}

void slices_create(struct model *m, struct event *ev, struct outbox *out)
{
    uint16_t cubes[MODEL_CUBES_MAX];
    struct tpunet_intent *intent;
    struct error err = {0};
    char subject[64];

    if (key_answers(m, ev, out) || !may_create(m, ev, out)) {
        return;
    }
    int status = placement_choose(m, ev->create, cubes, &err);
    if (status < 0) {
        emit_refusal(out, ev->cookie, status, placement_code(status), "%s", err.text);
        return;
    }
    struct tpunet_error net_err;
    status = tpunet_intent_create(&intent, &ev->create->shape, cubes,
                                  tpunet_shape_cubes(&ev->create->shape), &net_err);
    if (status < 0) {
        emit_refusal(out, ev->cookie, E_INVALID, "invalid-request", "%s", net_err.text);
        return;
    }

    struct slice *slice = slice_create(model_new_id(m), ev->create);
    slice->intent = intent;
    slice->created = slice->changed = ev->now.wall;
    slice->created_mono = ev->arrived;
    if (slice->spec.name[0] == '\0') {
        char id[48];
        (void)snprintf(slice->spec.name, sizeof slice->spec.name, "slice-%s",
                       id_format(slice->id, id));
    }
    slice->planned_ms = since_creation_ms(slice, ev->now);
    model_add_slice(m, slice);
    remember_key(m, slice, ev->now, out);
    enter(m, slice, SLICE_ACTIVATING, ev->now, out);
    emit_audit(out, ev, "slice.create", subject_of(slice, subject), NULL, audited(slice));
    emit_done(out, ev->cookie, slice->id);
    ops_open(m, slice, OP_PROGRAM, ev->now, out);
}

/* ------------------------------------------------------------- delete -- */

static void release_circuits(struct model *m, struct slice *slice, struct now now,
                             struct outbox *out)
{
    if (slice->coordinator_agent != 0) {
        struct effect *effect = emit_effect(out, EFFECT_RELEASE);
        effect->id = slice->id;
        effect->agent = slice->coordinator_agent;
        effect->generation = slice->generation;
        slice->coordinator_agent = 0;
    }
    ops_open(m, slice, OP_RELEASE, now, out);
}

void slices_delete(struct model *m, struct event *ev, struct outbox *out)
{
    struct slice *slice = model_slice(m, ev->del.id);
    char id[48], subject[64];

    if (slice == NULL) {
        emit_refusal(out, ev->cookie, E_NOT_FOUND, "slice-not-found", "no slice/%s",
                     id_format(ev->del.id, id));
        return;
    }
    if (ev->del.if_version != 0 && ev->del.if_version != slice->version) {
        emit_refusal(out, ev->cookie, E_STALE, "version-mismatch",
                     "slice/%s has version %" PRIu64 ", If-Match says %" PRIu64 "; read it again",
                     id_format(slice->id, id), slice->version, ev->del.if_version);
        return;
    }
    emit_done(out, ev->cookie, slice->id);
    if (slice->state == SLICE_DEACTIVATING) {
        return; /* a second delete asks for what already happens */
    }
    json_t *before = audited(slice);
    enter(m, slice, SLICE_DEACTIVATING, ev->now, out);
    emit_audit(out, ev, "slice.delete", subject_of(slice, subject), before, audited(slice));
    if (id_is_none(slice->op)) {
        release_circuits(m, slice, ev->now, out);
    }
}

/* ----------------------------------------------------------- bring-up -- */

/* The first host in logical order whose agent holds a lease (rule 2). */
static bool choose_coordinator(struct model *m, struct slice *slice)
{
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
            uint32_t number = slice->intent->cubes[i] * (uint32_t)TPUNET_CUBE_HOSTS + h;
            if (m->hosts[number].agent != 0) {
                slice->coordinator = number;
                slice->coordinator_agent = m->hosts[number].agent;
                return true;
            }
        }
    }
    slice->coordinator_agent = 0;
    return false;
}

static void bring_up(struct model *m, struct slice *slice, bool check_only, struct outbox *out)
{
    if (!choose_coordinator(m, slice)) {
        if (!check_only) {
            (void)snprintf(slice->reason, sizeof slice->reason,
                           "waiting for a host of the slice whose tpunetd holds a lease");
            emit_slice(out, slice->id);
        }
        return;
    }
    if (!check_only) {
        /* Rises across slices too: chips refuse what is older than they hold. */
        slice->generation = model_new_id(m).seq;
        slice->reason[0] = '\0';
    }
    emit_slice(out, slice->id);
    struct effect *effect = emit_effect(out, EFFECT_BRING_UP);
    effect->id = slice->id;
    effect->agent = slice->coordinator_agent;
    effect->generation = slice->generation;
    effect->check_only = check_only;
}

void slices_op_ended(struct model *m, struct slice *slice, const struct op *op, struct now now,
                     struct outbox *out)
{
    emit_slice(out, slice->id);
    if (op->kind == OP_RELEASE) {
        if (op->state == OP_FAILED) {
            fail(m, slice, now, out, op->reason);
            return;
        }
        enter(m, slice, SLICE_DELETED, now, out);
        model_remove_slice(m, slice->id);
        return;
    }
    if (slice->state == SLICE_DEACTIVATING) {
        release_circuits(m, slice, now, out); /* it was deleted meanwhile (rule 4) */
        return;
    }
    if (op->state == OP_FAILED) {
        fail(m, slice, now, out, op->reason);
        return;
    }
    slice->programmed_ms = since_creation_ms(slice, now);
    bring_up(m, slice, false, out);
}

/* Generations begin anew with each epoch, so only the pair names an intent; a
 * slice whose switches still move has not been handed to anybody. */
static bool verdict_is_current(const struct model *m, const struct slice *slice,
                               const struct verdict *verdict)
{
    return slice != NULL && id_is_none(slice->op) && slice->generation != 0 &&
           slice->generation == verdict->generation && verdict->epoch == m->epoch;
}

void slices_verdict(struct model *m, struct event *ev, struct outbox *out)
{
    const struct verdict *verdict = ev->verdict;
    struct slice *slice = model_slice(m, verdict->slice);
    char subject[64];

    emit_done(out, ev->cookie, verdict->slice); /* taken, whatever it is worth now */
    if (!verdict_is_current(m, slice, verdict)) {
        return;
    }
    if (verdict->check_only) {
        slice->verified = verdict->ok;
        emit_journal(m, out, ev->now, verdict->ok ? "slice.checked" : "slice.check-failed",
                     subject_of(slice, subject), json_pack("{s:s}", "reason", verdict->text));
        return;
    }
    if (slice->state != SLICE_ACTIVATING) {
        return;
    }
    if (!verdict->ok) {
        fail(m, slice, ev->now, out, verdict->text);
        return;
    }
    slice->verified = true;
    slice->routes = verdict->routes;
    slice->active_ms = since_creation_ms(slice, ev->now);
    /* Installing follows verifying at the coordinator; the rest is transport. */
    slice->verified_ms = slice->active_ms - verdict->installed_ms;
    enter(m, slice, SLICE_ACTIVE, ev->now, out);
}

void slices_links(struct model *m, struct event *ev, struct outbox *out)
{
    for (size_t i = 0; i < ev->links.n; i++) {
        const struct link_change *change = &ev->links.links[i];
        const struct slice *slice = model_slice(m, change->slice);
        if (slice == NULL ||
            (slice->state != SLICE_ACTIVE && slice->state != SLICE_ACTIVE_DEGRADED)) {
            continue; /* its circuits are meant to move */
        }
        struct tpunet_chip chip = tpunet_chip_of(change->chip);
        char link[48], id[48];
        (void)snprintf(link, sizeof link, "link/%u-%u-%u-%u%s", chip.cube, chip.at[0], chip.at[1],
                       chip.at[2], tpunet_port_name(change->port));
        emit_journal(m, out, ev->now, change->up ? "link.up" : "link.down", link,
                     json_pack("{s:s}", "slice", id_format(slice->id, id)));
    }
    emit_done(out, ev->cookie, (struct id){0});
}

void slices_restored(struct model *m, struct slice *slice, struct outbox *out)
{
    slice->verified = false;
    if (slice->state == SLICE_ACTIVE || slice->state == SLICE_ACTIVE_DEGRADED) {
        bring_up(m, slice, true, out);
    }
}

/* ------------------------------------------------------------- agents -- */

static bool lacks_coordinator(const struct slice *slice)
{
    return slice->coordinator_agent == 0 && id_is_none(slice->op);
}

static bool is_serving(const struct slice *slice)
{
    return slice->state == SLICE_ACTIVE || slice->state == SLICE_ACTIVE_DEGRADED;
}

static void seek_coordinator(struct model *m, struct slice *slice, struct outbox *out)
{
    if (!lacks_coordinator(slice)) {
        return;
    }
    if (slice->state == SLICE_ACTIVATING) {
        bring_up(m, slice, false, out);
    } else if (is_serving(slice)) {
        bring_up(m, slice, true, out); /* rule 5 */
    }
}

void slices_agent_came(struct model *m, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        seek_coordinator(m, m->slices[i], out);
    }
}

void slices_epoch_taken(struct model *m, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        m->slices[i]->coordinator_agent = 0;
        seek_coordinator(m, m->slices[i], out);
    }
}

void slices_agent_gone(struct model *m, uint32_t agent, struct outbox *out)
{
    for (size_t i = 0; i < m->n_slices; i++) {
        struct slice *slice = m->slices[i];
        if (slice->coordinator_agent == agent) {
            slice->coordinator_agent = 0;
            seek_coordinator(m, slice, out);
        }
    }
}
