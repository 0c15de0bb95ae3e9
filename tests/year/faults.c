/* What breaks, at the published rates: each class of parts is a Poisson process,
 * each fault strikes one part of it, whoever uses it or nobody. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "simulator/fault.h"
#include "year.h"

/* How long podmgr's clock ticks as always after a change; longer while a daemon may
 * fall silent (lab_silence_*). */
enum { BOARD_PORTS = 8, AWAKE_MS = 5000, LOOKED_MS = 1000 };

/* ----------------------------------------------------------- on and off -- */

/* What the simulator knows as faults, of this record's targets. */
static void each_injection(struct year *y, const struct fault_record *f, bool on)
{
    static const char *const kinds[CAUSE_COUNT] = {
        [CAUSE_HOST_DEAD] = "host",          [CAUSE_HOST_CHIP] = "chip",
        [CAUSE_CABLE_DARK] = "ocs-port",     [CAUSE_CABLE_LINK] = "link",
        [CAUSE_SWITCH_POWER] = "power-loss", [CAUSE_SWITCH_AGENT] = "agent-down",
        [CAUSE_SWITCH_BOARD] = "ocs-port"};
    unsigned n = f->cause == CAUSE_SWITCH_BOARD ? BOARD_PORTS : 1;
    struct part part = f->part;

    for (unsigned i = 0; kinds[f->cause] != NULL && i < n; i++) {
        char name[80];
        struct error err;
        struct fault_request request = {.kind = kinds[f->cause],
                                        .target = part_format(&part, name)};
        if (on) {
            (void)fault_inject(y->lab->w, &request, &err); /* it may be broken already */
        } else {
            (void)fault_heal(y->lab->w, name, &err);
        }
        part.port++;
    }
}

static void silence(struct year *y, const struct fault_record *f, bool on)
{
    if (f->cause == CAUSE_HOST_DEAD || f->cause == CAUSE_HOST_HUNG) {
        lab_silence_tpunetd(y->lab, f->host, on);
        lab_silence_healthd(y->lab, f->host, on);
    }
    if (f->host != TPUNET_NONE) {
        y->lab->hosts[f->host].broken += on ? 1U : -1U;
    }
}

struct verdict_due {
    struct year *y;
    uint16_t host;
    enum finding_scope scope;
    unsigned index;
    bool sick;
};

static void on_verdict_due(void *arg)
{
    struct verdict_due *due = arg;

    if (!due->y->over) {
        lab_find(due->y->lab, due->host, due->scope, due->index,
                 due->scope == SCOPE_CHIP ? "chip-absent" : "memory-ue",
                 due->sick ? SEVERITY_FATAL : SEVERITY_OK);
    }
    free(due);
}

static void healthd_sees(struct year *y, const struct fault_record *f, bool sick)
{
    struct verdict_due due = {.y = y, .host = f->host, .scope = SCOPE_HOST, .sick = sick};

    if (f->cause == CAUSE_HOST_CHIP) {
        due.scope = SCOPE_CHIP;
        for (unsigned k = 0; k < 4; k++) {
            struct tpunet_chip chip =
                tpunet_host_chip(f->part.cube, f->host % TPUNET_CUBE_HOSTS, k);
            due.index = memcmp(chip.at, f->part.at, sizeof chip.at) == 0 ? k : due.index;
        }
    }
    if (f->cause == CAUSE_HOST_CHIP || f->cause == CAUSE_HOST_SICK) {
        lab_after(y->lab, y->config->times.health_report, on_verdict_due,
                  xmemdup(&due, sizeof due));
    }
}

/* podmgr looks at all maps each half a minute, whenever that is. */
static void on_look(void *arg)
{
    struct year *y = arg;

    if (!y->over) {
        lab_look(y->lab);
        lab_wake(y->lab, LOOKED_MS);
    }
}

static void look_soon(struct year *y)
{
    lab_after(y->lab, year_chance(y) * y->config->times.look, on_look, y);
}

static void strike(struct year *y, const struct fault_record *draft)
{
    struct fault_record *f = xmemdup(draft, sizeof *draft);

    f->since_ns = lab_now_ns(y->lab);
    f->next = y->faults;
    y->faults = f;
    y->tally->faults[f->cause]++;
    y->last_cause = f->cause;
    lab_wake(y->lab, AWAKE_MS);
    each_injection(y, f, true);
    silence(y, f, true);
    healthd_sees(y, f, true);
    look_soon(y);
    jobs_judge(y);
}

void faults_mend(struct year *y, struct fault_record *fault)
{
    struct fault_record **at = &y->faults;

    while (*at != fault) {
        at = &(*at)->next;
    }
    *at = fault->next;
    y->last_cause = fault->cause;
    lab_wake(y->lab, AWAKE_MS);
    each_injection(y, fault, false);
    silence(y, fault, false);
    healthd_sees(y, fault, false);
    look_soon(y);
    jobs_judge(y);
    free(fault);
}

void year_faults_free(struct year *y)
{
    while (y->faults != NULL) {
        struct fault_record *f = y->faults;
        y->faults = f->next;
        free(f);
    }
}

/* ------------------------------------------------------------------- dice -- */

static enum year_cause draw_cause(struct year *y, enum part_class class)
{
    double at = year_chance(y);
    enum year_cause last = CAUSE_OTHER;

    for (int i = 0; i < CAUSE_OTHER; i++) {
        enum year_cause cause = (enum year_cause)i;
        if (cause_class(cause) == class && y->config->share[i] > 0) {
            last = cause;
            if (at < y->config->share[i]) {
                return cause;
            }
            at -= y->config->share[i];
        }
    }
    return last;
}

static unsigned dice(struct year *y, unsigned sides)
{
    return (unsigned)lab_random(y->lab, sides);
}

/* The part that breaks. */
static struct part draw_part(struct year *y, enum year_cause cause, uint16_t *host)
{
    struct part part = {.cube = (uint16_t)dice(y, y->config->cubes)};
    struct tpunet_fibre fibre = {.cube = part.cube,
                                 .axis = (uint8_t)dice(y, 3),
                                 .minus = dice(y, 2) != 0,
                                 .a = (uint8_t)dice(y, 4),
                                 .b = (uint8_t)dice(y, 4)};
    struct tpunet_ocs_port port = tpunet_wiring_port(y->lab->pod.wiring, fibre);
    unsigned chip_port;
    struct tpunet_chip chip = tpunet_fibre_chip(fibre, &chip_port);

    *host = TPUNET_NONE;
    switch (cause_class(cause)) {
    case CLASS_HOST:
        part.kind = cause == CAUSE_HOST_CHIP ? PART_CHIP : PART_HOST;
        part.host = (uint16_t)dice(y, TPUNET_CUBE_HOSTS);
        *host = (uint16_t)(part.cube * TPUNET_CUBE_HOSTS + part.host);
        chip = tpunet_host_chip(part.cube, part.host, dice(y, 4));
        memcpy(part.at, chip.at, sizeof part.at);
        return part;
    case CLASS_CABLE:
        part.axis = fibre.axis;
        part.minus = fibre.minus;
        memcpy(part.at, chip.at, sizeof part.at);
        part.kind = cause == CAUSE_CABLE_DARK ? PART_PORT : PART_LINK;
        part.ocs = port.ocs;
        part.south = port.side == TPUNET_SOUTH;
        part.port = port.port;
        return part;
    case CLASS_SWITCH:
        part.kind = cause == CAUSE_SWITCH_BOARD ? PART_PORT : PART_OCS;
        part.ocs = (uint16_t)dice(y, SIM_OCSES);
        part.south = dice(y, 2) != 0;
        part.port = (uint16_t)(dice(y, y->config->cubes / BOARD_PORTS) * BOARD_PORTS);
        return part;
    case CLASS_COUNT:
        break;
    }
    abort();
}

static double parts_of(const struct year *y, enum part_class class)
{
    static const double a_cube[] = {
        [CLASS_HOST] = TPUNET_CUBE_HOSTS, [CLASS_CABLE] = 48, [CLASS_SWITCH] = 0};

    return class == CLASS_SWITCH ? SIM_OCSES : a_cube[class] * y->config->cubes;
}

struct process {
    struct year *y;
    enum part_class class;
};

static void on_fault(void *arg);

static void arm(struct process *p)
{
    double a_day = p->y->config->failures[p->class] / 100 * parts_of(p->y, p->class);

    if (a_day > 0) {
        lab_after(p->y->lab, year_exponential(p->y, 86400e3 / a_day), on_fault, p);
    } else {
        free(p);
    }
}

static void on_fault(void *arg)
{
    struct process *p = arg;
    struct fault_record f = {.cause = CAUSE_OTHER};

    if (p->y->over) {
        free(p);
        return;
    }
    f.cause = draw_cause(p->y, p->class);
    f.part = draw_part(p->y, f.cause, &f.host);
    for (const struct fault_record *other = p->y->faults; other != NULL; other = other->next) {
        if (other->cause == f.cause && memcmp(&other->part, &f.part, sizeof f.part) == 0) {
            arm(p); /* it is broken already */
            return;
        }
    }
    strike(p->y, &f);
    arm(p);
}

void faults_begin(struct year *y)
{
    for (int class = 0; class < CLASS_COUNT; class ++) {
        struct process *p = xmalloc(sizeof *p);
        *p = (struct process){y, (enum part_class) class};
        arm(p);
    }
}
