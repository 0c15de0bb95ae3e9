/* The model's containers and the few rules that hold whatever the policy:
 * ids rise, a cube has one owner (A1), an intended circuit joins two free
 * ports of the same owner (D1, D2). */
#include "core/model.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "core/health.h"
#include "core/incident.h"
#include "core/keys.h"
#include "core/remedy.h"
#include "core/repair.h"
#include "core/slice.h"
#include "core/webhooks.h"
#include "mem.h"

#define NAME_CASE(prefix, name)                                                                    \
    case prefix##name:                                                                             \
        return #name;

const char *admin_name(enum admin admin)
{
    switch (admin) {
#define X(name) NAME_CASE(ADMIN_, name)
        ADMIN_STATES(X)
#undef X
    }
    abort();
}

const char *health_name(enum health health)
{
    switch (health) {
#define X(name) NAME_CASE(HEALTH_, name)
        HEALTH_STATES(X)
#undef X
    }
    abort();
}

const char *ocs_state_name(enum ocs_state state)
{
    switch (state) {
#define X(name) NAME_CASE(OCS_STATE_, name)
        OCS_STATES(X)
#undef X
    }
    abort();
}

const char *op_kind_name(enum op_kind kind)
{
    switch (kind) {
        NAME_CASE(OP_, PROGRAM)
        NAME_CASE(OP_, RELEASE)
        NAME_CASE(OP_, RESTORE)
        NAME_CASE(OP_, RECONFIGURE)
    }
    abort();
}

const char *op_state_name(enum op_state state)
{
    switch (state) {
        NAME_CASE(OP_, OPEN)
        NAME_CASE(OP_, DONE)
        NAME_CASE(OP_, FAILED)
    }
    abort();
}

const char *part_state_name(enum part_state state)
{
    switch (state) {
        NAME_CASE(PART_, NONE)
        NAME_CASE(PART_, PENDING)
        NAME_CASE(PART_, DONE)
        NAME_CASE(PART_, FAILED)
        NAME_CASE(PART_, SKIPPED)
    }
    abort();
}

/* ---------------------------------------------------------------- ids -- */

const char *id_format(struct id id, char buf[static 48])
{
    (void)snprintf(buf, 48, "%" PRIu64 "-%" PRIu64, id.epoch, id.seq);
    return buf;
}

bool id_parse(struct id *out, const char *text)
{
    struct id id;
    char canonical[48];
    char *end;

    id.epoch = strtoull(text, &end, 10);
    if (*end != '-') {
        return false;
    }
    id.seq = strtoull(end + 1, &end, 10);
    /* Only the canonical spelling names an id: no signs, blanks or zeros before. */
    if (*end != '\0' || id_is_none(id) || strcmp(id_format(id, canonical), text) != 0) {
        return false;
    }
    *out = id;
    return true;
}

struct id model_new_id(struct model *m)
{
    assert(m->epoch > 0);
    return (struct id){.epoch = m->epoch, .seq = m->next_seq++};
}

/* ------------------------------------------------------------ the pod -- */

struct model *model_create(const struct pod *pod, uint64_t instance)
{
    struct model *m = xcalloc(1, sizeof *m);

    assert(pod->n_cubes > 0 && pod->n_cubes <= MODEL_CUBES_MAX);
    assert(pod->ports_per_side >= pod->n_cubes && pod->ports_per_side <= MODEL_PORTS_MAX);
    m->pod = pod;
    m->instance = instance;
    m->next_seq = 1;
    m->next_event = 1;
    m->next_agent = 1;
    m->keys = keys_create();
    m->incidents = incidents_create();
    m->tickets = tickets_create();
    m->health = health_create();
    m->remediation = remediation_create(pod);
    for (unsigned h = 0; h < model_hosts(m); h++) {
        m->hosts[h].health = HEALTH_UNKNOWN;
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        for (unsigned p = 0; p < MODEL_PORTS_MAX; p++) {
            m->ocs[o].north[p].south = TPUNET_NONE;
            m->ocs[o].north[p].seen = TPUNET_NONE;
            m->ocs[o].owner_of_south[p] = TPUNET_NONE;
        }
    }
    return m;
}

void model_destroy(struct model *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->n_slices; i++) {
        slice_destroy(m->slices[i]);
    }
    for (size_t i = 0; i < m->n_ops; i++) {
        op_destroy(m->ops[i]);
    }
    while (m->n_agents > 0) {
        model_remove_agent(m, m->agents[0]->id);
    }
    while (m->n_webhooks > 0) {
        model_remove_webhook(m, m->webhooks[0].id);
    }
    free(m->webhooks);
    keys_destroy(m->keys);
    incidents_destroy(m->incidents);
    remediation_destroy(m->remediation);
    tickets_destroy(m->tickets);
    health_destroy(m->health);
    for (size_t i = 0; i < m->n_drains; i++) {
        free(m->drains[i]);
    }
    free(m->drains);
    free(m->faults);
    free(m->liens);
    free(m->slices);
    free(m->ops);
    free(m);
}

enum health model_cube_health(const struct model *m, unsigned cube)
{
    /* How bad each state is, best first. */
    static const uint8_t rank[] = {
        [HEALTH_HEALTHY] = 0,  [HEALTH_PROBATION] = 1,   [HEALTH_UNKNOWN] = 2, [HEALTH_SUSPECT] = 3,
        [HEALTH_DEGRADED] = 4, [HEALTH_QUARANTINED] = 5, [HEALTH_FAILED] = 6,
    };
    enum health worst = m->cubes[cube].health;

    if (rank[m->cubes[cube].in_hand] > rank[worst]) {
        worst = m->cubes[cube].in_hand;
    }
    for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
        enum health health = m->hosts[cube * TPUNET_CUBE_HOSTS + h].health;
        if (m->hosts[cube * TPUNET_CUBE_HOSTS + h].failed) {
            health = HEALTH_FAILED;
        }
        if (rank[health] > rank[worst]) {
            worst = health;
        }
    }
    return worst;
}

/* The host that keeps a cube from being healthy, for the person who asks why. */
static const struct host *sick_host(const struct model *m, unsigned cube, unsigned *number)
{
    for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
        const struct host *host = &m->hosts[cube * TPUNET_CUBE_HOSTS + h];
        if (host->health != HEALTH_HEALTHY || host->failed) {
            *number = h;
            return host;
        }
    }
    return NULL;
}

static bool is_of_cube(const struct model *m, struct tpunet_ocs_port port, unsigned cube)
{
    struct tpunet_fibre fibre;
    return tpunet_wiring_fibre(m->pod->wiring, port, &fibre) && fibre.cube == cube;
}

const struct part_fault *model_port_fault(const struct model *m, unsigned cube)
{
    for (size_t i = 0; i < m->n_faults; i++) {
        const struct part *part = &m->faults[i].part;
        struct tpunet_ocs_port port = {part->ocs, part->south, part->port};
        if (part->kind == PART_PORT && is_of_cube(m, port, cube)) {
            return &m->faults[i];
        }
    }
    return NULL;
}

/* Neither a SUSPECT port (A6) nor a lien, unless it is fenced and its switch
 * given up: one that obeys is about to break the circuit (A8). */
static bool cube_ports_free(const struct model *m, unsigned cube, char *why, size_t size)
{
    const struct part_fault *fault = model_port_fault(m, cube);
    char name[80], at[32], id[48];

    if (fault != NULL) {
        (void)snprintf(why, size, "%s %s since %s", part_format(&fault->part, name),
                       health_name(fault->health), wall_format(fault->since, at));
        return false;
    }
    for (size_t i = 0; i < m->n_liens; i++) {
        const struct lien *lien = &m->liens[i];
        struct tpunet_ocs_port port = lien->port;
        bool harmless = lien->fenced && model_given_up(m, port.ocs);
        if (!harmless && is_of_cube(m, port, cube)) {
            bool known = !id_is_none(lien->slice);
            (void)snprintf(why, size, "port/%u-%c-%u%s%s not confirmed down since %s", port.ocs,
                           "ns"[port.side], port.port, known ? " of slice/" : "",
                           known ? id_format(lien->slice, id) : "", wall_format(lien->since, at));
            return false;
        }
    }
    return true;
}

static bool cube_free_reason(const struct model *m, unsigned index, char *why, size_t size)
{
    const struct cube *cube = &m->cubes[index];
    char id[48], at[32];
    unsigned h = 0;

    if (!id_is_none(cube->owner)) {
        (void)snprintf(why, size, "owned by slice/%s", id_format(cube->owner, id));
        return false;
    }
    const struct drain *drain = model_cube_drain(m, index);
    if (drain != NULL) { /* A6 */
        char name[80];
        (void)snprintf(why, size, "%s %s since %s, drain/%s", part_format(&drain->order.part, name),
                       admin_name(drain->state), wall_format(drain->created, at),
                       id_format(drain->id, id));
        return false;
    }
    if (cube->health != HEALTH_HEALTHY) {
        (void)snprintf(why, size, "%s since %s", health_name(cube->health),
                       wall_format(cube->since, at));
        return false;
    }
    if (!id_is_none(cube->ticket)) { /* A6 */
        (void)snprintf(why, size, "%s by repair/%s", health_name(cube->in_hand),
                       id_format(cube->ticket, id));
        return false;
    }
    const struct host *host = sick_host(m, index, &h);
    if (host != NULL) {
        (void)snprintf(why, size, "host/%u-%u %s since %s", index, h,
                       health_name(host->failed ? HEALTH_FAILED : host->health),
                       wall_format(host->since, at));
        return false;
    }
    if (cube->blamed) {
        (void)snprintf(why, size, "an incident blames a part of it");
        return false;
    }
    return cube_ports_free(m, index, why, size);
}

bool model_cube_free(const struct model *m, unsigned cube, char *why, size_t why_size)
{
    char unused[160];

    assert(cube < m->pod->n_cubes);
    if (why == NULL && !id_is_none(m->cubes[cube].owner)) {
        return false; /* most are owned, and the words cost more than the answer */
    }
    return why != NULL ? cube_free_reason(m, cube, why, why_size)
                       : cube_free_reason(m, cube, unused, sizeof unused);
}

/* ----------------------------------------------------- sorted vectors -- */

/* Position of the first element whose id is not below `id`; ids rise, so a new
 * element belongs at the end and insertion is cheap. */
static size_t slice_position(const struct model *m, struct id id)
{
    size_t lo = 0, hi = m->n_slices;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (id_compare(m->slices[mid]->id, id) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct slice *model_slice(const struct model *m, struct id id)
{
    size_t i = slice_position(m, id);
    return i < m->n_slices && id_compare(m->slices[i]->id, id) == 0 ? m->slices[i] : NULL;
}

void model_add_slice(struct model *m, struct slice *slice)
{
    size_t at = slice_position(m, slice->id);

    assert(model_slice(m, slice->id) == NULL && m->n_slices < MODEL_SLICES_MAX);
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        struct cube *cube = &m->cubes[slice->intent->cubes[i]];
        assert(id_is_none(cube->owner)); /* A1 */
        cube->owner = slice->id;
    }
    VEC_GROW(m->slices, m->n_slices, m->cap_slices);
    memmove(m->slices + at + 1, m->slices + at, (m->n_slices - at) * sizeof *m->slices);
    m->slices[at] = slice;
    m->n_slices++;
}

void model_remove_slice(struct model *m, struct id id)
{
    size_t at = slice_position(m, id);
    struct slice *slice = model_slice(m, id);

    assert(slice != NULL);
    model_free_departed(m, slice);
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        struct cube *cube = &m->cubes[slice->intent->cubes[i]];
        assert(id_compare(cube->owner, id) == 0);
        cube->owner = (struct id){0};
    }
    m->n_slices--;
    memmove(m->slices + at, m->slices + at + 1, (m->n_slices - at) * sizeof *m->slices);
    slice_destroy(slice);
}

static size_t op_position(const struct model *m, struct id id)
{
    size_t lo = 0, hi = m->n_ops;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (id_compare(m->ops[mid]->id, id) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct op *model_op(const struct model *m, struct id id)
{
    size_t i = op_position(m, id);
    return i < m->n_ops && id_compare(m->ops[i]->id, id) == 0 ? m->ops[i] : NULL;
}

void model_add_op(struct model *m, struct op *op)
{
    size_t at = op_position(m, op->id);

    assert(model_op(m, op->id) == NULL);
    VEC_GROW(m->ops, m->n_ops, m->cap_ops);
    memmove(m->ops + at + 1, m->ops + at, (m->n_ops - at) * sizeof *m->ops);
    m->ops[at] = op;
    m->n_ops++;
}

void model_remove_op(struct model *m, struct id id)
{
    size_t at = op_position(m, id);
    struct op *op = model_op(m, id);

    assert(op != NULL && op->state != OP_OPEN);
    m->n_ops--;
    memmove(m->ops + at, m->ops + at + 1, (m->n_ops - at) * sizeof *m->ops);
    op_destroy(op);
}

void op_destroy(struct op *op)
{
    if (op != NULL) {
        free(op->breaks);
        free(op->makes);
        free(op);
    }
}

static void plan_part(const struct model *m, struct op *op, uint16_t ocs)
{
    struct op_part *part = &op->part[ocs];

    if (part->state == PART_NONE) {
        bool skip = model_given_up(m, ocs);
        part->state = op->state != OP_OPEN ? PART_DONE : skip ? PART_SKIPPED : PART_PENDING;
        part->wire = op->id;
        op->open_parts = (uint16_t)(op->open_parts + (part->state == PART_PENDING));
    }
}

void model_plan_parts(const struct model *m, struct op *op)
{
    op->open_parts = 0;
    memset(op->part, 0, sizeof op->part);
    for (size_t i = 0; i < op->n_breaks; i++) {
        plan_part(m, op, op->breaks[i].ocs);
    }
    for (size_t i = 0; i < op->n_makes; i++) {
        plan_part(m, op, op->makes[i].ocs);
    }
}

/* ------------------------------------------------------------- agents -- */

struct agent *model_agent(const struct model *m, uint32_t id)
{
    for (size_t i = 0; i < m->n_agents; i++) {
        if (m->agents[i]->id == id) {
            return m->agents[i];
        }
    }
    return NULL;
}

struct agent *model_agent_named(const struct model *m, const char *name)
{
    for (size_t i = 0; i < m->n_agents; i++) {
        if (strcmp(m->agents[i]->name, name) == 0) {
            return m->agents[i];
        }
    }
    return NULL;
}

void model_remove_agent(struct model *m, uint32_t id)
{
    for (size_t i = 0; i < m->n_agents; i++) {
        if (m->agents[i]->id == id) {
            free(m->agents[i]->hosts);
            free(m->agents[i]);
            m->agents[i] = m->agents[--m->n_agents];
            return;
        }
    }
}

/* ----------------------------------------------------------- circuits -- */

void model_cubes_of(const struct model *m, struct tpunet_xc xc, uint16_t cubes[static 2])
{
    const struct tpunet_ocs_port ends[2] = {{xc.ocs, TPUNET_NORTH, xc.north},
                                            {xc.ocs, TPUNET_SOUTH, xc.south}};

    for (unsigned e = 0; e < 2; e++) {
        struct tpunet_fibre fibre;
        bool wired = ends[e].port < m->pod->ports_per_side &&
                     tpunet_wiring_fibre(m->pod->wiring, ends[e], &fibre);
        cubes[e] = wired ? fibre.cube : TPUNET_NONE;
    }
}

uint16_t model_north_of(const struct model *m, struct tpunet_ocs_port port)
{
    return port.side == TPUNET_NORTH ? port.port : m->ocs[port.ocs].owner_of_south[port.port];
}

bool model_chip_port(const struct model *m, struct tpunet_ocs_port port, struct chip_port *out)
{
    struct tpunet_fibre fibre;

    if (port.port >= m->pod->ports_per_side || !tpunet_wiring_fibre(m->pod->wiring, port, &fibre)) {
        return false;
    }
    struct tpunet_chip chip = {.cube = fibre.cube};
    chip.at[fibre.axis] = fibre.minus ? 0 : TPUNET_CUBE_DIM - 1;
    chip.at[fibre.axis == 0 ? 1 : 0] = fibre.a;
    chip.at[fibre.axis == 2 ? 1 : 2] = fibre.b;
    *out = (struct chip_port){tpunet_chip_number(chip), (uint8_t)(2 * fibre.axis + fibre.minus)};
    return true;
}

void model_intend(struct model *m, struct tpunet_xc xc, struct id slice)
{
    struct ocs *ocs = &m->ocs[xc.ocs];
    struct circuit *circuit = &ocs->north[xc.north];
    uint16_t cubes[2];

    model_cubes_of(m, xc, cubes);
    assert(circuit->south == TPUNET_NONE && ocs->owner_of_south[xc.south] == TPUNET_NONE); /* D1 */
    for (unsigned e = 0; e < 2; e++) {
        assert(cubes[e] != TPUNET_NONE &&
               id_compare(m->cubes[cubes[e]].owner, slice) == 0); /* D2 */
    }
    circuit->south = xc.south;
    circuit->slice = slice;
    ocs->owner_of_south[xc.south] = xc.north;
}

void model_forget(struct model *m, struct tpunet_xc xc)
{
    struct ocs *ocs = &m->ocs[xc.ocs];
    struct circuit *circuit = &ocs->north[xc.north];

    assert(circuit->south == xc.south && ocs->owner_of_south[xc.south] == xc.north);
    circuit->south = TPUNET_NONE;
    circuit->slice = (struct id){0};
    ocs->owner_of_south[xc.south] = TPUNET_NONE;
}

void model_change_intent(struct model *m, struct slice *slice, struct tpunet_intent *to)
{
    for (unsigned i = 0; i < to->n_cubes; i++) {
        struct cube *cube = &m->cubes[to->cubes[i]];
        assert(id_is_none(cube->owner) || id_compare(cube->owner, slice->id) == 0); /* A1 */
        cube->owner = slice->id;
    }
    tpunet_intent_destroy(slice->intent);
    slice->intent = to;
}

void model_free_departed(struct model *m, const struct slice *slice)
{
    bool stays[MODEL_CUBES_MAX] = {false};

    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        stays[slice->intent->cubes[i]] = true;
    }
    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        if (!stays[c] && id_compare(m->cubes[c].owner, slice->id) == 0) {
            m->cubes[c].owner = (struct id){0};
        }
    }
}

void model_keep_departing(struct model *m, const struct op *op)
{
    model_free_departed(m, model_slice(m, op->slice));
    for (size_t i = 0; i < op->n_breaks; i++) {
        uint16_t cubes[2];
        model_cubes_of(m, op->breaks[i], cubes);
        for (unsigned e = 0; e < 2; e++) {
            if (cubes[e] != TPUNET_NONE && id_is_none(m->cubes[cubes[e]].owner)) {
                m->cubes[cubes[e]].owner = op->slice;
            }
        }
    }
}
