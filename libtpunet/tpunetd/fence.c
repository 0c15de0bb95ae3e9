/* Disabling chip ports of our hosts that podmgr names: circuits behind them are
 * not confirmed down, and nothing may come through once their cubes serve
 * others.  A chip that holds a newer stamp refuses; podmgr is told only of what
 * was done, and asks again for the rest. */
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "tpunetd.h"

struct fence {
    struct tpunetd *t;
    struct fabric_session session;
    struct tpunet_stamp stamp;
    struct fence_port {
        struct fence *fence;
        uint32_t chip;
        uint8_t port;
        bool done;
    } * ports;
    size_t n, under_way;
};

static void finish(struct fence *fence)
{
    Wire__AgentFenced report = WIRE__AGENT_FENCED__INIT;
    Wire__AgentLinkEnd *ends = xcalloc(fence->n, sizeof *ends);
    Wire__AgentLinkEnd **list = xcalloc(fence->n, sizeof *list);

    report.epoch = fence->stamp.epoch;
    report.generation = fence->stamp.generation;
    report.ports = list;
    for (size_t i = 0; i < fence->n; i++) {
        if (fence->ports[i].done) {
            Wire__AgentLinkEnd *end = &ends[report.n_ports];
            wire__agent_link_end__init(end);
            end->chip = fence->ports[i].chip;
            end->port = fence->ports[i].port;
            list[report.n_ports++] = end;
        }
    }
    log_notice("podmgr", "%zu of %zu chip ports disabled", report.n_ports, fence->n);
    if (report.n_ports > 0) {
        agent_report_fenced(fence->t->agent, &report);
    }
    free(list);
    free(ends);
    free(fence->ports);
    free(fence);
}

static void on_set(void *arg, int status)
{
    struct fence_port *port = arg;
    struct fence *fence = port->fence;

    port->done = status == 0;
    if (--fence->under_way == 0) {
        finish(fence);
    }
}

void fence_ports(struct tpunetd *t, const Wire__AgentFence *command)
{
    if (!claim_take(t, command->epoch)) {
        log_warning("podmgr", "an order to disable ports that is too old");
        return;
    }
    struct fence *fence = xcalloc(1, sizeof *fence);
    fence->t = t;
    fence->n = command->n_ports;
    fence->ports = xcalloc(fence->n, sizeof *fence->ports);
    fence->stamp.epoch = command->epoch;
    fence->stamp.generation = command->generation;
    (void)snprintf(fence->stamp.pod, sizeof fence->stamp.pod, "%s", t->config->pod);
    fabric_session_init(&fence->session, t->fabric);
    fence->under_way = 1; /* ours, until all are asked */
    for (size_t i = 0; i < fence->n; i++) {
        struct fence_port *port = &fence->ports[i];
        struct tpunet_path path = {.entry = command->ports[i]->chip};
        *port = (struct fence_port){.fence = fence,
                                    .chip = command->ports[i]->chip,
                                    .port = (uint8_t)command->ports[i]->port};
        fence->under_way++;
        if (fence->session.seam.set_port(fence->session.seam.ctx, &fence->stamp, path, port->port,
                                         false, on_set, port) < 0) {
            fence->under_way--; /* not one of our hosts; podmgr learns that it is not done */
        }
    }
    if (--fence->under_way == 0) {
        finish(fence);
    }
}
