/* Bring-up of a slice over the fabric seam.
 *
 *   DISCOVERING ──► ROUTING ──► WRITING ──► QUIESCING ──► COMMITTING ──► DONE
 *    probe, place   and prove   shadow bank  injection off  bank switched
 *
 *  0. Ports that the slice needs are enabled and all others disabled (ports.c);
 *     if that changed anything, it is discovered again.
 *  1. What is found must be what is intended, link by link, but for the links
 *     that the caller accepts as dead; else the verdict lists the differences
 *     and nothing has been written.
 *  2. Nothing is written that is not proved on the intended topology without
 *     the dead links, whether these are down at this moment or not.
 *  3. Rows go to the shadow banks, so a failure up to WRITING leaves the slice
 *     forwarding as before.
 *  4. No chip switches banks before all are quiet: two proved tables, mixed,
 *     can deadlock (R1).  A failure after QUIESCING leaves the slice quiet;
 *     the cure is another bring-up with a newer generation.
 *  5. In TPUNET_CHECK mode it stops after rule 1, and asks that every chip forward
 *     by tables of this slice and generation, and that no port is disabled that
 *     the slice needs.
 *
 * Each phase has one step function, called whenever no call of the fabric (or
 * work of the executor) is under way: it starts the next one, or says that the
 * phase is over.  The fabric
 * may answer before its call returns; advance() then just goes round again, so
 * the stack does not grow with the number of calls.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PHASE_OVER = 1, BATCH_BYTES = 1 << 20 };

struct tpunet_bringup {
    const struct tpunet_fabric *fabric;
    const struct tpunet_intent *intent;
    const struct tpunet_wiring *wiring;
    struct tpunet_stamp stamp;
    enum tpunet_bringup_mode mode;
    struct tpunet_route_options route;
    struct tpunet_executor executor; /* without run(): none */
    struct tpunet_link_end *dead;    /* [n_dead], none unless they are accepted */
    size_t n_dead;
    enum tpunet_bringup_phase phase;

    uint32_t entry;
    struct tpunet_discovery *discovery;
    struct tpunet_probe_answer *answers;
    struct port_change *changes; /* NULL before they are known */
    size_t n_changes, next_change;
    uint8_t *change_hops; /* of the call under way */
    size_t n_unrouted;    /* chips that forward by other tables than the slice's */
    uint32_t unrouted;    /* the first of them */

    struct tpunet_topology *topology; /* without the dead links */
    /* The chips found, nearest first, and not dead. */
    size_t n_chips;
    struct tpunet_path *paths; /* [n_chips] */
    uint8_t *hops;             /* arena of the paths */
    uint16_t *logical;         /* [n_chips] */

    int routed; /* what routing and proof ended with */
    struct tpunet_tables *tables;
    struct tpunet_row_write *batch;
    size_t n_written; /* rows, of n_planes * n_chips */

    bool started;
    bool calling;   /* a fabric call is under way */
    bool asked;     /* this phase has made a call already */
    bool advancing; /* advance() is on the stack */
    bool canceled;
    int status; /* of the last fabric call */

    tpunet_verdict_fn *done;
    void *done_arg;
    struct tpunet_verdict verdict;
};

static void advance(struct tpunet_bringup *b);

/* -------------------------------------------------------- fabric calls -- */

static void on_done(void *arg, int status)
{
    struct tpunet_bringup *b = arg;
    assert(b->calling);
    b->calling = false;
    b->status = status;
    if (!b->advancing)
        advance(b);
}

static void begin_call(struct tpunet_bringup *b)
{
    assert(!b->calling && b->advancing);
    b->calling = true;
    b->asked = true;
}

/* Takes what a fabric call returned; a refused one will never call back. */
static int called(struct tpunet_bringup *b, int rc)
{
    if (rc < 0)
        b->calling = false;
    return rc < 0 ? rc : 0;
}

/* --------------------------------------------------------- discovering -- */

/* Rule 5: ports that the slice needs and that somebody disabled since it was
 * installed; an installation enables them. */
static int find_disabled(struct tpunet_bringup *b)
{
    const struct tpunet_graph *graph = tpunet_discovery_graph(b->discovery);
    struct port_change *changes;
    size_t n_changes, n = 0, first = 0;
    int rc = ports_to_change(&changes, &n_changes, graph, b->intent, b->dead, b->n_dead,
                             &b->verdict.error);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n_changes; i++) {
        first = n == 0 ? i : first;
        n += changes[i].enabled;
    }
    if (n > 0)
        rc = tpunet_fail(&b->verdict.error, TPUNET_ETABLES,
                         "%zu ports that the slice needs are disabled, the first is %s%s", n,
                         chip_name(graph->chips[changes[first].found].chip).text,
                         tpunet_port_name(changes[first].port));
    free(changes);
    return rc;
}

static int compare_with_intent(struct tpunet_bringup *b)
{
    struct tpunet_verdict *v = &b->verdict;
    const struct tpunet_graph *graph = tpunet_discovery_graph(b->discovery);
    v->chips_found = graph->n;
    int disabled = b->mode == TPUNET_CHECK ? find_disabled(b) : 0;
    if (disabled < 0)
        return disabled;
    int n =
        tpunet_place(graph, b->intent, b->wiring, b->dead, b->n_dead, &v->mismatches, &v->error);
    if (n < 0)
        return n;
    if (n == 0 && b->mode == TPUNET_CHECK && b->n_unrouted > 0)
        return tpunet_fail(&v->error, TPUNET_ETABLES,
                           "%zu chips do not forward by the slice's routes, the first is %s",
                           b->n_unrouted, chip_name(b->unrouted).text);
    if (n == 0)
        return PHASE_OVER;
    char text[160];
    v->n_mismatches = (size_t)n;
    return tpunet_fail(&v->error, TPUNET_EMISMATCH, "%d difference%s from the intent, first: %s", n,
                       n == 1 ? "" : "s",
                       tpunet_mismatch_format(&v->mismatches[0], text, sizeof text));
}

/* Rule 5.  A check may be of a later epoch than the tables: it is the generation
 * that names them, within a slice. */
static void look_at_tables(struct tpunet_bringup *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct tpunet_probe_answer *a = &b->answers[i];
        if (a->answered && (a->generation != b->stamp.generation || a->epoch > b->stamp.epoch ||
                            strcmp(a->slice, b->stamp.slice) != 0)) {
            b->unrouted = b->n_unrouted == 0 ? a->chip : b->unrouted;
            b->n_unrouted++;
        }
    }
}

static int discover_anew(struct tpunet_bringup *b)
{
    tpunet_discovery_destroy(b->discovery);
    b->discovery = NULL;
    b->asked = false;
    return tpunet_discovery_create(&b->discovery, b->entry, b->intent, &b->verdict.error);
}

/* Rule 0, a port at a time: few are ever to be changed. */
static int step_ports(struct tpunet_bringup *b)
{
    const struct tpunet_graph *graph = tpunet_discovery_graph(b->discovery);
    const struct port_change *change = &b->changes[b->next_change++];
    uint8_t *hops = realloc(b->change_hops, graph->chips[change->found].depth + 1U);
    if (hops == NULL)
        return tpunet_fail_nomem(&b->verdict.error);
    b->change_hops = hops;
    struct tpunet_path path = {.entry = b->entry, .hops = hops};
    path.n_hops = graph_path(graph, change->found, hops);
    begin_call(b);
    return called(b, b->fabric->set_port(b->fabric->ctx, &b->stamp, path, change->port,
                                         change->enabled, on_done, b));
}

/* The search is over: set the ports right, or go on. */
static int step_found(struct tpunet_bringup *b)
{
    if (b->mode == TPUNET_CHECK || b->changes != NULL)
        return compare_with_intent(b);
    int rc = ports_to_change(&b->changes, &b->n_changes, tpunet_discovery_graph(b->discovery),
                             b->intent, b->dead, b->n_dead, &b->verdict.error);
    if (rc < 0)
        return rc;
    return b->n_changes > 0 ? step_ports(b) : compare_with_intent(b);
}

static int step_discover(struct tpunet_bringup *b)
{
    if (b->next_change > 0 && b->next_change < b->n_changes)
        return step_ports(b);
    if (b->next_change > 0 && b->next_change == b->n_changes) {
        b->n_changes = b->next_change = 0;
        int rc = discover_anew(b);
        if (rc < 0)
            return rc;
    }

    const struct tpunet_path *paths;
    struct tpunet_error *err = &b->verdict.error;
    size_t n = tpunet_discovery_frontier(b->discovery, &paths);
    if (b->asked) {
        look_at_tables(b, n);
        int rc = tpunet_discovery_answer(b->discovery, b->answers, n, err);
        if (rc < 0)
            return rc;
        n = tpunet_discovery_frontier(b->discovery, &paths);
    }
    if (n == 0)
        return step_found(b);
    free(b->answers);
    b->answers = calloc(n, sizeof *b->answers);
    if (b->answers == NULL)
        return tpunet_fail_nomem(err);
    begin_call(b);
    return called(b, b->fabric->probe(b->fabric->ctx, paths, n, b->answers, on_done, b));
}

/* ------------------------------------------------------------- routing -- */

/* Takes the dead links out of the topology, and the chips that they leave
 * without any. */
static void cut_dead(struct tpunet_bringup *b, const struct chip_map *map)
{
    struct tpunet_topology *t = b->topology;
    for (size_t i = 0; i < b->n_dead; i++) {
        uint16_t logical = map->logical_of[b->dead[i].chip];
        unsigned port = b->dead[i].port;
        if (logical == TPUNET_NONE || t->peer[logical * TPUNET_PORTS + port] == TPUNET_NONE)
            continue;
        tpunet_topology_cut(t, logical, port);
        b->verdict.n_dead_links++;
    }
    for (uint32_t chip = 0; b->verdict.n_dead_links > 0 && chip < t->n_chips; chip++) {
        unsigned port = 0;
        while (port < TPUNET_PORTS && t->peer[chip * TPUNET_PORTS + port] == TPUNET_NONE)
            port++;
        if (port == TPUNET_PORTS)
            tpunet_topology_kill(t, chip);
    }
    b->verdict.n_dead_chips = t->n_dead;
    b->verdict.degraded = b->verdict.n_dead_links > 0;
}

/* The way to each chip found: its parent's way and one hop more. */
static void spell_paths(struct tpunet_bringup *b, const struct tpunet_graph *graph)
{
    uint8_t *hops = b->hops;
    for (size_t i = 0; i < graph->n; i++) {
        const struct tpunet_found *f = &graph->chips[i];
        if (f->depth > 0) {
            assert(f->parent < i && b->paths[f->parent].n_hops == f->depth - 1);
            memcpy(hops, b->paths[f->parent].hops, f->depth - 1U);
            hops[f->depth - 1] = f->via;
        }
        b->paths[i] =
            (struct tpunet_path){.entry = graph->chips[0].chip, .n_hops = f->depth, .hops = hops};
        hops += f->depth;
    }
}

/* Who was found alive, and the way to each. */
static int list_chips(struct tpunet_bringup *b, const struct chip_map *map)
{
    const struct tpunet_graph *graph = tpunet_discovery_graph(b->discovery);
    size_t n_hops = 0;
    for (size_t i = 0; i < graph->n; i++)
        n_hops += graph->chips[i].depth;
    assert(graph->n > 0);
    b->paths = malloc(graph->n * sizeof *b->paths);
    b->logical = malloc(graph->n * sizeof *b->logical);
    b->hops = malloc(n_hops + 1);
    if (b->paths == NULL || b->logical == NULL || b->hops == NULL)
        return tpunet_fail_nomem(&b->verdict.error);
    spell_paths(b, graph);
    for (size_t i = 0; i < graph->n; i++) {
        uint16_t logical = map->logical_of[graph->chips[i].chip];
        if (b->topology->dead[logical])
            continue;
        b->paths[b->n_chips] = b->paths[i];
        b->logical[b->n_chips++] = logical;
    }
    assert(b->n_chips == map->n_chips - b->topology->n_dead);
    return 0;
}

static int find_chips(struct tpunet_bringup *b)
{
    struct chip_map *map = malloc(sizeof *map);
    if (map == NULL)
        return tpunet_fail_nomem(&b->verdict.error);
    chip_map_init(map, b->intent);
    cut_dead(b, map);
    int rc = list_chips(b, map);
    free(map);
    return rc;
}

static int route_and_prove(struct tpunet_bringup *b)
{
    struct tpunet_verdict *v = &b->verdict;
    int rc = tpunet_route_around(&b->tables, b->topology, &b->route, &v->error);
    if (rc != 0)
        return rc;
    v->algorithm = b->tables->algorithm;
    v->n_vcs = b->tables->n_vcs;
    v->table_bytes_per_chip = (size_t)b->tables->n_planes * b->tables->n_chips;
    rc = tpunet_verify(b->tables, b->topology, &v->proof, &v->error);
    if (v->proof.max_link_load > 0)
        v->retained = tpunet_reference_load(&b->intent->shape) / v->proof.max_link_load;
    return rc;
}

/* May be on another thread: see struct tpunet_executor. */
static void work_on_routes(void *arg)
{
    struct tpunet_bringup *b = arg;
    b->routed = route_and_prove(b);
}

static int step_route(struct tpunet_bringup *b)
{
    if (b->asked)
        return b->routed < 0 ? b->routed : PHASE_OVER;
    int rc = tpunet_topology_create(&b->topology, b->intent, &b->verdict.error);
    if (rc == 0)
        rc = find_chips(b);
    if (rc != 0)
        return rc;
    if (b->executor.run != NULL) {
        begin_call(b);
        return called(b, b->executor.run(b->executor.ctx, work_on_routes, on_done, b));
    }
    work_on_routes(b);
    return b->routed < 0 ? b->routed : PHASE_OVER;
}

/* ------------------------------------------------------------- writing -- */

/* The used classes whose rows are on this plane. */
static uint8_t classes_on(const struct tpunet_tables *t, unsigned plane)
{
    unsigned mask = 0;
    for (unsigned cls = 0; cls <= t->n_vcs; cls++)
        mask |= (unsigned)(t->plane[cls] == plane) << cls;
    return (uint8_t)mask;
}

/* Row k of all there are to write: chip by chip, the farthest first, while the
 * links that lead there are idle. */
static struct tpunet_row_write row_write(const struct tpunet_bringup *b, size_t k)
{
    const struct tpunet_tables *t = b->tables;
    size_t found = b->n_chips - 1 - k / t->n_planes, plane = k % t->n_planes;
    uint16_t self = b->logical[found];
    return (struct tpunet_row_write){
        .path = b->paths[found],
        .self = self,
        .class_mask = classes_on(t, (unsigned)plane),
        .row = t->rows + (plane * t->n_chips + self) * t->n_chips,
    };
}

static int step_write(struct tpunet_bringup *b)
{
    const struct tpunet_tables *t = b->tables;
    size_t total = b->n_chips * t->n_planes, n = 0;
    size_t most = total < BATCH_BYTES / t->n_chips ? total : BATCH_BYTES / t->n_chips;
    if (b->n_written == total)
        return PHASE_OVER;
    if (b->batch == NULL)
        b->batch = malloc(most * sizeof *b->batch);
    if (b->batch == NULL)
        return tpunet_fail_nomem(&b->verdict.error);
    for (; n < most && b->n_written < total; n++)
        b->batch[n] = row_write(b, b->n_written++);
    begin_call(b);
    return called(
        b, b->fabric->write_rows(b->fabric->ctx, &b->stamp, t->n_chips, b->batch, n, on_done, b));
}

/* ---------------------------------------------------------- activating -- */

static int step_quiesce(struct tpunet_bringup *b)
{
    if (b->asked)
        return PHASE_OVER;
    begin_call(b);
    return called(b,
                  b->fabric->quiesce(b->fabric->ctx, &b->stamp, b->paths, b->n_chips, on_done, b));
}

static int step_commit(struct tpunet_bringup *b)
{
    if (b->asked)
        return PHASE_OVER;
    begin_call(b);
    return called(b,
                  b->fabric->commit(b->fabric->ctx, &b->stamp, b->paths, b->n_chips, on_done, b));
}

/* -------------------------------------------------------------- driver -- */

/* step() returns 0 when a call is under way (or already answered), PHASE_OVER,
 * or an error. */
static const struct {
    const char *name;
    int (*step)(struct tpunet_bringup *b);
} phases[] = {
    [TPUNET_DISCOVERING] = {"discovering", step_discover},
    [TPUNET_ROUTING] = {"routing", step_route},
    [TPUNET_WRITING] = {"writing routes", step_write},
    [TPUNET_QUIESCING] = {"quiescing", step_quiesce},
    [TPUNET_COMMITTING] = {"committing", step_commit},
};

/* Ends with a failure; error.text is what the step said, if it said anything. */
static void fail(struct tpunet_bringup *b, int status)
{
    struct tpunet_verdict *v = &b->verdict;
    struct tpunet_error said = v->error;
    v->status = status;
    tpunet_fail(&v->error, status, "%s: %s", phases[b->phase].name,
                said.code == status ? said.text : tpunet_strerror(status));
    b->phase = TPUNET_DONE;
}

static void next_phase(struct tpunet_bringup *b)
{
    b->phase = b->mode == TPUNET_CHECK ? TPUNET_DONE : b->phase + 1;
    b->asked = false;
}

static void advance(struct tpunet_bringup *b)
{
    b->advancing = true;
    while (!b->calling && b->phase != TPUNET_DONE) {
        int rc = b->canceled ? TPUNET_ECANCELED : b->status;
        if (rc == 0)
            rc = phases[b->phase].step(b);
        if (rc < 0)
            fail(b, rc);
        else if (rc == PHASE_OVER)
            next_phase(b);
    }
    b->advancing = false;
    if (!b->calling)
        b->done(b->done_arg, &b->verdict);
}

static int take_options(struct tpunet_bringup *b, const struct tpunet_bringup_options *options,
                        struct tpunet_error *err)
{
    b->mode = options->mode;
    b->route = options->route;
    if (options->executor != NULL)
        b->executor = *options->executor;
    if (!options->accept_degraded || options->n_dead == 0)
        return 0;
    for (size_t i = 0; i < options->n_dead; i++) {
        if (options->dead[i].chip >= TPUNET_CHIPS_MAX || options->dead[i].port >= TPUNET_PORTS)
            return tpunet_fail(err, TPUNET_EINVAL, "dead link %zu: no port %u of chip number %u", i,
                               options->dead[i].port, options->dead[i].chip);
    }
    b->dead = malloc(options->n_dead * sizeof *b->dead);
    if (b->dead == NULL)
        return tpunet_fail_nomem(err);
    memcpy(b->dead, options->dead, options->n_dead * sizeof *b->dead);
    b->n_dead = options->n_dead;
    return 0;
}

int tpunet_bringup_create(struct tpunet_bringup **out, const struct tpunet_fabric *fabric,
                          const struct tpunet_intent *intent, const struct tpunet_wiring *wiring,
                          const struct tpunet_stamp *stamp, uint32_t entry_chip,
                          const struct tpunet_bringup_options *options, struct tpunet_error *err)
{
    static const struct tpunet_bringup_options whole = {.mode = TPUNET_INSTALL};
    if (options == NULL)
        options = &whole;
    struct tpunet_bringup *b = calloc(1, sizeof *b);
    if (b == NULL)
        return tpunet_fail_nomem(err);
    int rc = take_options(b, options, err);
    if (rc == 0)
        rc = tpunet_discovery_create(&b->discovery, entry_chip, intent, err);
    if (rc < 0) {
        free(b->dead);
        free(b);
        return rc;
    }
    b->entry = entry_chip;
    b->fabric = fabric;
    b->intent = intent;
    b->wiring = wiring;
    b->stamp = *stamp;
    b->phase = TPUNET_DISCOVERING;
    *out = b;
    return 0;
}

void tpunet_bringup_start(struct tpunet_bringup *b, tpunet_verdict_fn *done, void *arg)
{
    assert(!b->started && done != NULL);
    b->started = true;
    b->done = done;
    b->done_arg = arg;
    advance(b);
}

enum tpunet_bringup_phase tpunet_bringup_phase(const struct tpunet_bringup *b)
{
    return b->phase;
}

void tpunet_bringup_cancel(struct tpunet_bringup *b)
{
    if (b->phase < TPUNET_COMMITTING)
        b->canceled = true;
}

void tpunet_bringup_destroy(struct tpunet_bringup *b)
{
    if (b == NULL)
        return;
    assert(!b->calling && !b->advancing);
    tpunet_discovery_destroy(b->discovery);
    tpunet_tables_destroy(b->tables);
    tpunet_topology_destroy(b->topology);
    free(b->dead);
    free(b->answers);
    free(b->changes);
    free(b->change_hops);
    free(b->paths);
    free(b->hops);
    free(b->logical);
    free(b->batch);
    free(b->verdict.mismatches);
    free(b);
}
