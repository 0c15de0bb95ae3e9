/* Who watches the links of a slice: each tpunetd that stands for a host of it.
 *
 *   1. A slice that begins to serve is watched by all of them.  Its coordinator
 *      watches since it brought the slice up.
 *   2. Who arrives, or takes hosts over, is told of every slice that serves there.
 *   3. Before the circuits move, or the slice goes, all are told to stop.
 *   4. With the order goes what is believed to be down: each tells what is not so.
 *      A check that finds something down has all of them look again. */
#include "core/internal.h"
#include "core/remedy.h"

static void tell(const struct slice *slice, enum effect_kind kind, uint32_t agent,
                 struct outbox *out)
{
    struct effect *effect = emit_effect(out, kind);

    effect->id = slice->id;
    effect->agent = agent;
    effect->generation = slice->generation;
}

/* All agents of hosts of the slice, each once. */
static void tell_all(const struct model *m, const struct slice *slice, enum effect_kind kind,
                     uint32_t but, struct outbox *out)
{
    uint32_t told[MODEL_HOSTS_MAX];
    size_t n = 0;

    for (unsigned h = 0; h < slice->intent->n_cubes * TPUNET_CUBE_HOSTS; h++) {
        unsigned cube = slice->intent->cubes[h / TPUNET_CUBE_HOSTS];
        uint32_t agent = m->hosts[cube * TPUNET_CUBE_HOSTS + h % TPUNET_CUBE_HOSTS].agent;
        size_t i = n;
        while (i > 0 && told[i - 1] != agent) { /* neighbours mostly share one */
            i--;
        }
        if (i == 0 && agent != 0 && agent != but) {
            told[n++] = agent;
            tell(slice, kind, agent, out);
        }
    }
}

/* Rule 1. */
void watch_begin(const struct model *m, const struct slice *slice, struct outbox *out)
{
    tell_all(m, slice, EFFECT_WATCH, slice->coordinator_agent, out);
}

/* Rule 4, when a check has found what they had not told. */
void watch_again(const struct model *m, const struct slice *slice, struct outbox *out)
{
    tell_all(m, slice, EFFECT_WATCH, 0, out);
}

/* Rule 2. */
void watch_agent_came(const struct model *m, const struct agent *agent, struct outbox *out)
{
    for (size_t s = 0; s < m->n_slices; s++) {
        const struct slice *slice = m->slices[s];
        bool stands_for = false;
        for (size_t i = 0; slice_serves(slice) && i < agent->n_hosts && !stands_for; i++) {
            unsigned host = agent->hosts[i];
            stands_for = m->hosts[host].agent == agent->id &&
                         id_compare(m->cubes[host / TPUNET_CUBE_HOSTS].owner, slice->id) == 0;
        }
        if (stands_for) {
            tell(slice, EFFECT_WATCH, agent->id, out);
        }
    }
}

/* Rule 3. */
void watch_end(const struct model *m, const struct slice *slice, struct outbox *out)
{
    tell_all(m, slice, EFFECT_RELEASE, 0, out);
}

/* Rule 4. */
size_t core_down_ends(const struct model *m, const struct slice *slice, uint32_t agent,
                      struct chip_port *out, size_t max)
{
    const struct symptoms *symptoms = m->remediation->symptoms;
    size_t n = 0;

    for (unsigned h = 0; symptoms != NULL && h < slice->intent->n_cubes * TPUNET_CUBE_HOSTS; h++) {
        uint16_t cube = slice->intent->cubes[h / TPUNET_CUBE_HOSTS];
        unsigned host = h % TPUNET_CUBE_HOSTS;
        bool its = m->hosts[cube * TPUNET_CUBE_HOSTS + host].agent == agent;
        for (unsigned end = 0; its && end < 4 * TPUNET_PORTS && n < max; end++) {
            uint32_t chip = tpunet_chip_number(tpunet_host_chip(cube, host, end / TPUNET_PORTS));
            if (symptoms_is_down(symptoms, chip, end % TPUNET_PORTS)) {
                out[n++] = (struct chip_port){chip, (uint8_t)(end % TPUNET_PORTS)};
            }
        }
    }
    return n;
}
