/* Rules of a conversation with a switch:
 *
 *   1. Attach = identify, fence, read.  Each fence begins a session: what we gave
 *      up on, and the network still has, the switch refuses from then on (D5).  A
 *      claim that is not older than ours
 *      becomes EV_OCS_SUPERSEDED; any other failure is EV_OCS_LOST.
 *   2. One batch is under way; what is asked meanwhile waits and travels in the
 *      next batch, in order, at most BATCH_OPS operations and no two that name
 *      the same port.  A batch leaves only after the core has taken the results
 *      of the last one (dispatch_flush), since its difference depends on them.
 *   3. Only the difference to the map last read travels (D3); nothing is made over
 *      a SUSPECT port, and a break there is tried twice.  An operation whose
 *      difference is empty is answered from that map.
 *   4. The batch names the generation that this map had.  If the switch's is
 *      another, or no answer came, we attach again, and the core asks again
 *      for what is open.  Refused again and again the switch is lost, so that nothing
 *      is repeated without a pause.
 *   5. A generation never falls within a boot.  What an agent tells with a lower
 *      one is of before, and not believed: a circuit that it lacks was not lost
 *      (D8), and one that it lacks may stand (A8).
 */
#include "dispatch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

/* From the third attempt on, breaks do without SUSPECT ports. */
enum { BATCH_OPS = 64, LAST_ATTEMPTS = 2, REFUSALS_MAX = 4 };

enum phase { IDLE, ATTACHING, ATTACHED, APPLYING };

struct conversation {
    struct dispatch *dispatch;
    uint16_t ocs;
    bool connected;
    bool attach_again; /* asked for while something was under way */
    unsigned refusals; /* of batches, since the last one that was done */
    enum phase phase;
    struct ocs_claim claim;
    struct ocs_identity identity;
    struct id *waiting; /* operations to send */
    size_t n_waiting, cap_waiting;
    struct id sent[BATCH_OPS];
    struct id wires[BATCH_OPS]; /* the ids under which they were sent */
    size_t n_sent;
};

struct dispatch {
    const struct model *model;
    struct ocs_driver *driver;
    event_sink_fn *sink;
    void *arg;
    struct conversation talk[TPUNET_OCSES];
};

struct dispatch *dispatch_create(const struct model *m, event_sink_fn *sink, void *arg)
{
    struct dispatch *d = xcalloc(1, sizeof *d);

    d->model = m;
    d->sink = sink;
    d->arg = arg;
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        d->talk[o].dispatch = d;
        d->talk[o].ocs = o;
    }
    return d;
}

void dispatch_destroy(struct dispatch *d)
{
    if (d != NULL) {
        for (unsigned o = 0; o < TPUNET_OCSES; o++) {
            free(d->talk[o].waiting);
        }
        free(d);
    }
}

void dispatch_set_driver(struct dispatch *d, struct ocs_driver *driver)
{
    d->driver = driver;
}

static void post(struct conversation *t, struct event *ev)
{
    t->dispatch->sink(t->dispatch->arg, ev);
}

/* ------------------------------------------------------------- attach -- */

static void lose(struct conversation *t, const char *why)
{
    struct event ev = {.kind = EV_OCS_LOST, .ocs = {.ocs = t->ocs}};

    t->phase = IDLE;
    t->n_waiting = t->n_sent = 0;
    (void)snprintf(ev.ocs.why, sizeof ev.ocs.why, "%s", why);
    post(t, &ev);
}

static void attach(struct conversation *t);

/* Rule 5. */
static bool is_outdated(const struct conversation *t, const struct ocs_answer *answer)
{
    return strcmp(answer->identity.boot_id, t->identity.boot_id) == 0 &&
           answer->identity.generation < t->identity.generation;
}

/* Ends a step of the attachment unless it may go on. */
static bool step_failed(struct conversation *t, const struct ocs_answer *answer)
{
    if (answer->status == E_UNREACHABLE) {
        lose(t, answer->text);
        return true;
    }
    if (t->attach_again) {
        attach(t); /* the claim changed meanwhile */
        return true;
    }
    if (answer->status == 0 && is_outdated(t, answer)) {
        lose(t, "its agent answered with an older state than before");
        return true;
    }
    if (answer->status == 0) {
        t->identity = answer->identity;
        return false;
    }
    bool ours =
        answer->identity.epoch == t->claim.epoch && answer->identity.instance == t->claim.instance;
    if (answer->status == E_STALE && !ours) {
        struct event ev = {.kind = EV_OCS_SUPERSEDED,
                           .ocs = {.ocs = t->ocs, .identity = answer->identity}};
        t->phase = IDLE;
        post(t, &ev);
        return true;
    }
    lose(t, answer->text);
    return true;
}

static void post_map(struct conversation *t, enum event_kind kind, const struct ocs_answer *answer)
{
    struct event ev = {.kind = kind, .ocs = {.ocs = t->ocs, .identity = answer->identity}};

    ev.ocs.seen = xmemdup(answer->seen, answer->n_seen * sizeof *answer->seen);
    ev.ocs.n_seen = answer->n_seen;
    post(t, &ev);
}

static void on_read(void *arg, const struct ocs_answer *answer)
{
    struct conversation *t = arg;

    if (!step_failed(t, answer)) {
        t->phase = ATTACHED;
        post_map(t, EV_OCS_ATTACHED, answer);
    }
}

static void on_fenced(void *arg, const struct ocs_answer *answer)
{
    struct conversation *t = arg;
    struct ocs_driver *driver = t->dispatch->driver;

    if (!step_failed(t, answer)) {
        driver->ops->read(driver, t->ocs, t->claim, on_read, t);
    }
}

static void on_identified(void *arg, const struct ocs_answer *answer)
{
    struct conversation *t = arg;
    struct ocs_driver *driver = t->dispatch->driver;

    if (!step_failed(t, answer)) {
        driver->ops->fence(driver, t->ocs, t->claim, on_fenced, t);
    }
}

static void attach(struct conversation *t)
{
    struct dispatch *d = t->dispatch;

    t->phase = ATTACHING;
    t->attach_again = false;
    t->n_waiting = t->n_sent = 0; /* the core asks again for what is open */
    t->claim = (struct ocs_claim){
        .epoch = d->model->epoch, .instance = d->model->instance, .session = t->claim.session + 1};
    d->driver->ops->identify(d->driver, t->ocs, on_identified, t);
}

static void want_attach(struct conversation *t)
{
    if (t->dispatch->model->epoch == 0 || !t->connected) {
        return; /* EV_START will ask for it, or dispatch_link() */
    }
    if (t->phase == ATTACHING || t->phase == APPLYING) {
        t->attach_again = true;
    } else {
        attach(t);
    }
}

void dispatch_attach(struct dispatch *d, uint16_t ocs)
{
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        if (ocs == TPUNET_NONE || ocs == o) {
            want_attach(&d->talk[o]);
        }
    }
}

void dispatch_link(void *dispatch, uint16_t ocs, bool connected)
{
    struct dispatch *d = dispatch;
    struct conversation *t = &d->talk[ocs];

    t->connected = connected;
    if (connected) {
        want_attach(t);
    } else if (t->phase == ATTACHED) {
        lose(t, "the connection to its agent was lost");
    } /* else the call under way ends with E_UNREACHABLE */
}

void dispatch_retry(struct dispatch *d)
{
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        struct conversation *t = &d->talk[o];
        if (t->phase == IDLE && t->connected) {
            want_attach(t);
        } else if (t->phase == IDLE && d->model->ocs[o].state == OCS_STATE_UNKNOWN) {
            lose(t, "no connection to its agent");
        }
    }
}

/* -------------------------------------------------------------- apply -- */

/* The part of an operation that the switch does not show yet (rule 3). */
struct difference {
    struct tpunet_xc *breaks, *makes;
    size_t n_breaks, n_makes;
};

static size_t filter(const struct model *m, uint16_t number, const struct tpunet_xc *xcs, size_t n,
                     bool present, bool dead_too, struct tpunet_xc *out)
{
    const struct ocs *ocs = &m->ocs[number];
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (xcs[i].ocs == number && (dead_too || !model_circuit_dead(m, xcs[i])) &&
            (ocs->north[xcs[i].north].seen == xcs[i].south) == present) {
            out[kept++] = xcs[i];
        }
    }
    return kept;
}

static struct difference difference_of(const struct conversation *t, const struct op *op)
{
    const struct model *m = t->dispatch->model;
    struct difference diff = {
        .breaks = xcalloc(MODEL_PORTS_MAX, sizeof *diff.breaks),
        .makes = xcalloc(MODEL_PORTS_MAX, sizeof *diff.makes),
    };

    diff.n_breaks = filter(m, t->ocs, op->breaks, op->n_breaks, true,
                           op->part[t->ocs].attempts < LAST_ATTEMPTS, diff.breaks);
    diff.n_makes = filter(m, t->ocs, op->makes, op->n_makes, false, false, diff.makes);
    return diff;
}

/* Takes the results over; copies what is read back.  The switch knows an
 * operation by the id of the attempt. */
static void post_applied(struct conversation *t, const struct id *ops,
                         const struct ocs_op_result *results, size_t n)
{
    struct event ev = {.kind = EV_OCS_APPLIED, .applied = {.ocs = t->ocs, .identity = t->identity}};

    ev.applied.results = xmemdup(results, n * sizeof *results);
    ev.applied.n_results = n;
    for (size_t i = 0; i < n; i++) {
        ev.applied.results[i].op = ops[i];
        ev.applied.results[i].seen =
            xmemdup(results[i].seen, results[i].n_seen * sizeof *results[i].seen);
    }
    post(t, &ev);
}

static bool answers_all(const struct conversation *t, const struct ocs_answer *answer)
{
    bool all = answer->n_results == t->n_sent;

    for (size_t i = 0; i < t->n_sent && all; i++) {
        all = id_compare(answer->results[i].op, t->wires[i]) == 0;
    }
    return all;
}

static void on_applied(void *arg, const struct ocs_answer *answer)
{
    struct conversation *t = arg;

    assert(t->phase == APPLYING);
    t->phase = ATTACHED;
    if (answer->status == 0 && !answers_all(t, answer)) {
        lose(t, "its agent did not answer for every operation"); /* attach asks again */
        return;
    }
    if (answer->status == 0) {
        t->identity = answer->identity;
        t->refusals = 0;
        post_applied(t, t->sent, answer->results, answer->n_results);
        t->n_sent = 0;
        if (t->attach_again) {
            attach(t);
        }
        return; /* dispatch_flush() sends what waits */
    }
    char source[16];
    (void)snprintf(source, sizeof source, "ocs/%u", t->ocs);
    log_warning(source, "batch of %zu operations not confirmed: %s", t->n_sent, answer->text);
    if (answer->status == E_STALE) {
        (void)step_failed(t, answer);
    } else if (answer->status == E_UNREACHABLE || !t->connected) {
        lose(t, answer->text);
    } else if (answer->status != E_TIMEOUT && ++t->refusals == REFUSALS_MAX) {
        t->refusals = 0;
        lose(t, answer->text); /* dispatch_retry() attaches, later */
    } else {
        attach(t);
    }
}

/* Answers an operation that has nothing to change here (rule 3). */
static void answer_from_map(struct conversation *t, struct id op)
{
    struct ocs_op_result result = {.done = true};
    post_applied(t, &op, &result, 1);
}

/* Ports that the operations of a batch name. */
struct touched {
    bool north[MODEL_PORTS_MAX], south[MODEL_PORTS_MAX];
};

static void touch(struct touched *touched, const struct tpunet_xc *xcs, size_t n, uint16_t ocs)
{
    for (size_t i = 0; i < n; i++) {
        if (xcs[i].ocs == ocs) {
            touched->north[xcs[i].north] = touched->south[xcs[i].south] = true;
        }
    }
}

/* An operation may break and make the same port; two operations may not name
 * the same one.  What counts is all that it names, not its difference: the
 * operations before it in the batch change what its difference would be. */
static bool fits(struct touched *batch, const struct op *op, uint16_t ocs)
{
    struct touched own = {0};

    touch(&own, op->breaks, op->n_breaks, ocs);
    touch(&own, op->makes, op->n_makes, ocs);
    for (size_t p = 0; p < MODEL_PORTS_MAX; p++) {
        if ((own.north[p] && batch->north[p]) || (own.south[p] && batch->south[p])) {
            return false;
        }
    }
    touch(batch, op->breaks, op->n_breaks, ocs);
    touch(batch, op->makes, op->n_makes, ocs);
    return true;
}

static void send_batch(struct conversation *t)
{
    struct dispatch *d = t->dispatch;
    struct ocs_batch_op ops[BATCH_OPS];
    struct difference diffs[BATCH_OPS];
    struct touched touched = {0};
    size_t n = 0, taken = 0;

    if (t->phase != ATTACHED) {
        return;
    }
    for (; taken < t->n_waiting && n < BATCH_OPS; taken++) {
        const struct op *op = model_op(d->model, t->waiting[taken]);
        if (op == NULL || op->state != OP_OPEN) {
            continue;
        }
        if (!fits(&touched, op, t->ocs)) {
            break; /* it waits for the next batch, and those behind it too */
        }
        diffs[n] = difference_of(t, op);
        if (diffs[n].n_breaks + diffs[n].n_makes == 0) {
            free(diffs[n].breaks);
            free(diffs[n].makes);
            answer_from_map(t, op->id);
            continue;
        }
        ops[n] = (struct ocs_batch_op){.id = op->part[t->ocs].wire,
                                       .breaks = diffs[n].breaks,
                                       .n_breaks = diffs[n].n_breaks,
                                       .makes = diffs[n].makes,
                                       .n_makes = diffs[n].n_makes};
        t->sent[n] = op->id;
        t->wires[n] = ops[n].id;
        n++;
    }
    t->n_waiting -= taken;
    memmove(t->waiting, t->waiting + taken, t->n_waiting * sizeof *t->waiting);
    t->n_sent = n;
    if (n > 0) {
        t->phase = APPLYING;
        d->driver->ops->apply(d->driver, t->ocs, t->claim, t->identity.generation, ops, n,
                              on_applied, t);
    }
    for (size_t i = 0; i < n; i++) {
        free(diffs[i].breaks);
        free(diffs[i].makes);
    }
}

static bool already_asked(const struct conversation *t, struct id op)
{
    for (size_t i = 0; i < t->n_sent; i++) {
        if (id_compare(t->sent[i], op) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < t->n_waiting; i++) {
        if (id_compare(t->waiting[i], op) == 0) {
            return true;
        }
    }
    return false;
}

void dispatch_apply(struct dispatch *d, uint16_t ocs, struct id op)
{
    struct conversation *t = &d->talk[ocs];

    if (t->phase == IDLE || t->phase == ATTACHING || already_asked(t, op)) {
        return; /* when attached, the core asks again */
    }
    VEC_GROW(t->waiting, t->n_waiting, t->cap_waiting);
    t->waiting[t->n_waiting++] = op;
}

void dispatch_flush(struct dispatch *d)
{
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        if (d->talk[o].n_waiting > 0) {
            send_batch(&d->talk[o]);
        }
    }
}

/* --------------------------------------------------------------- look -- */

static void on_looked(void *arg, const struct ocs_answer *answer)
{
    struct conversation *t = arg;

    /* A batch that was sent meanwhile makes this look old. */
    if (answer->status != 0 || t->phase != ATTACHED ||
        answer->identity.generation != t->identity.generation) {
        if (answer->status == 0 && t->phase == ATTACHED) {
            attach(t); /* somebody changed the map: rule 4 */
        }
        return;
    }
    post_map(t, EV_OCS_LOOKED, answer);
}

void dispatch_look(struct dispatch *d)
{
    for (uint16_t o = 0; o < TPUNET_OCSES; o++) {
        struct conversation *t = &d->talk[o];
        if (t->phase == ATTACHED && t->connected) {
            d->driver->ops->read(d->driver, o, t->claim, on_looked, t);
        }
    }
}
