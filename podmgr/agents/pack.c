#include "agents/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "part.h"

struct packed {
    Wire__AgentCommand command;
    Wire__AgentBringUp bring_up;
    Wire__AgentRelease release;
    char slice[48];
    char topology[24];
};

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
    pack_rewires(up, m->pod);
    out->command.body_case = WIRE__AGENT_COMMAND__BODY_BRING_UP;
    out->command.bring_up = up;
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
    }
}

void pack_commands(const struct model *m, const struct command *commands, size_t n,
                   struct rpc_request *req)
{
    struct packed *store = xcalloc(n, sizeof *store);
    Wire__AgentCommand **list = xcalloc(n, sizeof *list);
    Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;

    for (size_t i = 0; i < n; i++) {
        const struct slice *slice = model_slice(m, commands[i].slice);
        wire__agent_command__init(&store[i].command);
        store[i].command.sequence = commands[i].seq;
        (void)id_format(commands[i].slice, store[i].slice);
        if (commands[i].release || slice == NULL || slice->generation != commands[i].generation) {
            pack_release(&store[i], m, &commands[i]);
        } else {
            pack_bring_up(&store[i], m, slice, commands[i].check_only);
        }
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

bool unpack_verdict(struct verdict *out, const Wire__AgentVerdict *in)
{
    if (!id_parse(&out->slice, in->slice)) {
        return false;
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
    out->discovered_ms = in->discovered_ms;
    out->proved_ms = in->proved_ms;
    out->installed_ms = in->installed_ms;
    return true;
}
