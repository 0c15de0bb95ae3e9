#include "agents/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "part.h"

enum {
    FENCE_PORTS = 4096, /* of a request; the rest is asked for again */
    DOWN_LINKS = 4096,  /* of a slice at one agent; what is beyond that heals by a bring-up */
};

struct packed {
    Wire__AgentCommand command;
    Wire__AgentBringUp bring_up;
    Wire__AgentRelease release;
    Wire__AgentFence fence;
    char slice[48];
    char topology[24];
};

static Wire__AgentLinkEnd **pack_ends(const struct chip_port *ports, size_t n)
{
    Wire__AgentLinkEnd **ends = xcalloc(n, sizeof *ends);

    for (size_t i = 0; i < n; i++) {
        ends[i] = xcalloc(1, sizeof *ends[i]);
        wire__agent_link_end__init(ends[i]);
        ends[i]->chip = ports[i].chip;
        ends[i]->port = ports[i].port;
    }
    return ends;
}

static void free_ends(Wire__AgentLinkEnd **ends, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(ends[i]);
    }
    free(ends);
}

static void pack_rewires(Wire__AgentBringUp *up, const struct pod *pod)
{
    up->n_rewires = pod->n_rewires;
    up->rewires = xcalloc(pod->n_rewires, sizeof *up->rewires);
    for (size_t i = 0; i < pod->n_rewires; i++) {
        const struct tpunet_fibre *fibre = &pod->rewires[i].fibre;
        struct part part = {.kind = PART_FIBRE,
                            .cube = fibre->cube,
                            .axis = fibre->axis,
                            .minus = fibre->minus,
                            .a = fibre->a,
                            .b = fibre->b};
        char name[80];
        up->rewires[i] = xcalloc(1, sizeof **up->rewires);
        wire__agent_rewire__init(up->rewires[i]);
        up->rewires[i]->fibre = xstrdup(part_format(&part, name));
        up->rewires[i]->port = pod->rewires[i].port;
    }
}

static void pack_bring_up(struct packed *out, const struct model *m, const struct slice *slice,
                          bool check_only)
{
    Wire__AgentBringUp *up = &out->bring_up;
    const struct tpunet_intent *intent = slice->intent;
    size_t n_next = (size_t)TPUNET_OCSES * intent->n_cubes;
    struct chip_port dead[TPUNET_OCSES * MODEL_CUBES_MAX];

    wire__agent_bring_up__init(up);
    up->slice = out->slice;
    up->epoch = m->epoch;
    up->generation = slice->generation;
    up->topology = out->topology;
    (void)tpunet_shape_format(&slice->spec.shape, out->topology);
    up->twisted = slice->spec.shape.twisted;
    up->n_cubes = intent->n_cubes;
    up->cubes = xcalloc(intent->n_cubes, sizeof *up->cubes);
    for (size_t i = 0; i < intent->n_cubes; i++) {
        up->cubes[i] = intent->cubes[i];
    }
    up->n_next = n_next;
    up->next = xcalloc(n_next, sizeof *up->next);
    for (size_t i = 0; i < n_next; i++) {
        up->next[i] = intent->next[i];
    }
    up->coordinator = slice->coordinator;
    up->check_only = check_only;
    up->pod_cubes = m->pod->n_cubes;
    up->ports_per_side = m->pod->ports_per_side;
    up->vc_classes = m->pod->vc_classes;
    up->accept_degraded = slice->spec.accept_degraded;
    up->n_dead_links = core_dead_links(m, slice, dead, sizeof dead / sizeof dead[0]);
    up->dead_links = pack_ends(dead, up->n_dead_links);
    pack_rewires(up, m->pod);
    out->command.body_case = WIRE__AGENT_COMMAND__BODY_BRING_UP;
    out->command.bring_up = up;
}

static void pack_watch(struct packed *out, const struct model *m, const struct slice *slice,
                       uint32_t agent)
{
    struct chip_port down[DOWN_LINKS];

    out->bring_up.watch_only = true;
    out->bring_up.n_down_links = core_down_ends(m, slice, agent, down, DOWN_LINKS);
    out->bring_up.down_links = pack_ends(down, out->bring_up.n_down_links);
}

static void pack_fence(struct packed *out, const struct model *m, uint32_t agent,
                       const struct command *command)
{
    struct chip_port ports[FENCE_PORTS];
    Wire__AgentFence *fence = &out->fence;

    wire__agent_fence__init(fence);
    fence->epoch = command->epoch; /* an older one is refused, and asked for anew */
    fence->generation = command->generation;
    fence->n_ports = core_unfenced(m, agent, ports, FENCE_PORTS);
    fence->ports = pack_ends(ports, fence->n_ports);
    out->command.body_case = WIRE__AGENT_COMMAND__BODY_FENCE;
    out->command.fence = fence;
}

static void pack_release(struct packed *out, const struct model *m, const struct command *command)
{
    wire__agent_release__init(&out->release);
    out->release.slice = out->slice;
    out->release.epoch = m->epoch;
    out->release.generation = command->generation;
    out->command.body_case = WIRE__AGENT_COMMAND__BODY_RELEASE;
    out->command.release = &out->release;
}

static void packed_fini(struct packed *out)
{
    if (out->command.body_case == WIRE__AGENT_COMMAND__BODY_BRING_UP) {
        for (size_t i = 0; i < out->bring_up.n_rewires; i++) {
            free(out->bring_up.rewires[i]->fibre);
            free(out->bring_up.rewires[i]);
        }
        free(out->bring_up.rewires);
        free(out->bring_up.cubes);
        free(out->bring_up.next);
        free_ends(out->bring_up.dead_links, out->bring_up.n_dead_links);
        free_ends(out->bring_up.down_links, out->bring_up.n_down_links);
    } else if (out->command.body_case == WIRE__AGENT_COMMAND__BODY_FENCE) {
        free_ends(out->fence.ports, out->fence.n_ports);
    }
}

static void pack_one(struct packed *out, const struct model *m, uint32_t agent,
                     const struct command *command)
{
    const struct slice *slice = model_slice(m, command->slice);

    wire__agent_command__init(&out->command);
    out->command.sequence = command->seq;
    (void)id_format(command->slice, out->slice);
    if (command->kind == COMMAND_FENCE) {
        pack_fence(out, m, agent, command);
    } else if (command->kind == COMMAND_RELEASE || slice == NULL ||
               slice->generation != command->generation) {
        pack_release(out, m, command);
    } else {
        pack_bring_up(out, m, slice, command->kind == COMMAND_CHECK);
        if (command->kind == COMMAND_WATCH) {
            pack_watch(out, m, slice, agent);
        }
    }
}

void pack_commands(const struct model *m, uint32_t agent, const struct command *commands, size_t n,
                   struct rpc_request *req)
{
    struct packed *store = xcalloc(n, sizeof *store);
    Wire__AgentCommand **list = xcalloc(n, sizeof *list);
    Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;

    for (size_t i = 0; i < n; i++) {
        pack_one(&store[i], m, agent, &commands[i]);
        list[i] = &store[i].command;
    }
    reply.version = RPC_VERSION;
    reply.status = WIRE__AGENT_STATUS__AGENT_OK;
    reply.epoch = m->epoch;
    reply.n_commands = n;
    reply.commands = list;
    rpc_reply(req, &reply.base);
    for (size_t i = 0; i < n; i++) {
        packed_fini(&store[i]);
    }
    free(list);
    free(store);
}

/* What a person needs: "2 differences from the intent: missing: ...; swapped:
 * ...", as much as fits; without differences the verdict's own text. */
static void join_mismatches(char *out, size_t size, const Wire__AgentVerdict *in)
{
    size_t len = in->mismatch_count == 0
                     ? (size_t)snprintf(out, size, "%s", in->text)
                     : (size_t)snprintf(out, size, "%u difference%s from the intent",
                                        in->mismatch_count, in->mismatch_count == 1 ? "" : "s");

    for (size_t i = 0; i < in->n_mismatches && len + 32 < size; i++) {
        int added =
            snprintf(out + len, size - len, "%s%s", i == 0 ? ": " : "; ", in->mismatches[i]);
        if ((size_t)added >= size - len) {
            (void)snprintf(out + size - 32, 32, "... (%u in all)", in->mismatch_count);
            return;
        }
        len += (size_t)added;
    }
}

bool unpack_verdict(struct verdict *out, const Wire__AgentVerdict *in, uint32_t chips)
{
    const double numbers[] = {in->max_link_load, in->retained, in->discovered_ms, in->proved_ms,
                              in->installed_ms};

    if (!id_parse(&out->slice, in->slice)) {
        return false;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!(numbers[i] >= 0 && numbers[i] < 1e15)) {
            return false; /* the database holds no NaN, and JSON no infinity */
        }
    }
    out->epoch = in->epoch;
    out->generation = in->generation;
    out->ok = in->ok;
    out->check_only = in->check_only;
    (void)snprintf(out->code, sizeof out->code, "%s", in->code);
    join_mismatches(out->text, sizeof out->text, in);
    (void)snprintf(out->routes.algorithm, sizeof out->routes.algorithm, "%s", in->algorithm);
    out->routes.vcs = in->vcs;
    out->routes.max_hops = in->max_hops;
    out->routes.table_bytes_per_chip = in->table_bytes_per_chip;
    out->routes.max_link_load = in->max_link_load;
    out->routes.unreachable_pairs = in->unreachable_pairs;
    out->routes.retained = in->retained;
    out->discovered_ms = in->discovered_ms;
    out->proved_ms = in->proved_ms;
    out->installed_ms = in->installed_ms;
    for (size_t i = 0; i < in->n_down && out->n_down < VERDICT_DOWN_MAX; i++) {
        if (in->down[i]->chip < chips && in->down[i]->port < TPUNET_PORTS) {
            out->down[out->n_down++] =
                (struct chip_port){in->down[i]->chip, (uint8_t)in->down[i]->port};
        }
    }
    return true;
}

bool unpack_fenced(struct event *out, const Wire__AgentFenced *in, uint32_t chips)
{
    out->fenced.epoch = in->epoch;
    out->fenced.generation = in->generation;
    for (size_t i = 0; i < in->n_ports; i++) {
        if (in->ports[i]->chip >= chips || in->ports[i]->port >= TPUNET_PORTS) {
            return false;
        }
    }
    out->fenced.ports = xcalloc(in->n_ports, sizeof *out->fenced.ports);
    out->fenced.n = in->n_ports;
    for (size_t i = 0; i < in->n_ports; i++) {
        out->fenced.ports[i] = (struct chip_port){in->ports[i]->chip, (uint8_t)in->ports[i]->port};
    }
    return true;
}
