/* What looks like a fault and is none: daemons that fall silent and come back,
 * agents that restart, error rates a little too high.  Nothing may be done to a
 * slice because of it. */
#include <stdlib.h>

#include "mem.h"
#include "simulator/fault.h"
#include "year.h"

enum { RACK_CUBES = 4 };

struct blip {
    struct year *y;
    enum noise kind;
    unsigned first, n; /* hosts */
};

static void silence(struct year *y, const struct blip *blip, bool on)
{
    for (unsigned h = blip->first; h < blip->first + blip->n; h++) {
        if (blip->kind != NOISE_OBSERVER) {
            lab_silence_tpunetd(y->lab, h, on);
        }
        lab_silence_healthd(y->lab, h, on);
    }
}

static void restart_agents(struct year *y, unsigned first, unsigned n, double seconds)
{
    for (unsigned o = first; o < first + n; o++) {
        struct part part = {.kind = PART_OCS, .ocs = (uint16_t)o};
        char name[80];
        struct fault_request request = {.kind = "agent-restart",
                                        .target = part_format(&part, name),
                                        .for_ns = (int64_t)(seconds * 1e9)};
        struct error err;
        (void)fault_inject(y->lab->w, &request, &err); /* it restarts already */
    }
}

static void find(struct year *y, unsigned host, bool sick)
{
    lab_find(y->lab, host, SCOPE_LINK, host % FINDING_LINKS, "crc",
             sick ? SEVERITY_DEGRADED : SEVERITY_OK);
}

static void on_over(void *arg)
{
    struct blip *blip = arg;

    if (!blip->y->over && blip->kind == NOISE_FINDING) {
        find(blip->y, blip->first, false);
    } else if (!blip->y->over) {
        silence(blip->y, blip, false);
    }
    free(blip);
}

static void begin(struct year *y, enum noise kind)
{
    double seconds = year_exponential(y, y->config->noise[kind].seconds);
    unsigned cube = (unsigned)lab_random(y->lab, y->config->cubes);
    struct blip blip = {.y = y, .kind = kind, .first = cube * TPUNET_CUBE_HOSTS};

    y->tally->noises[kind]++;
    switch (kind) {
    case NOISE_HOST:
        blip.first += (unsigned)lab_random(y->lab, TPUNET_CUBE_HOSTS);
        blip.n = 1;
        break;
    case NOISE_OBSERVER:
        blip.n = TPUNET_CUBE_HOSTS;
        break;
    case NOISE_RACK:
        blip.first = cube / RACK_CUBES * RACK_CUBES * TPUNET_CUBE_HOSTS;
        blip.n = RACK_CUBES * TPUNET_CUBE_HOSTS;
        break;
    case NOISE_NETWORK:
        blip.first = 0;
        blip.n = y->config->cubes * TPUNET_CUBE_HOSTS;
        restart_agents(y, 0, SIM_OCSES, seconds);
        break;
    case NOISE_AGENT:
        restart_agents(y, (unsigned)lab_random(y->lab, SIM_OCSES), 1, seconds);
        lab_wake(y->lab, seconds * 1e3 + 3000);
        return;
    case NOISE_FINDING:
        blip.first += (unsigned)lab_random(y->lab, TPUNET_CUBE_HOSTS);
        find(y, blip.first, true);
        break;
    case NOISE_COUNT:
        abort();
    }
    silence(y, &blip, true);
    lab_wake(y->lab, kind == NOISE_FINDING ? 2000 : seconds * 1e3 + 5000);
    lab_after(y->lab, seconds * 1e3, on_over, xmemdup(&blip, sizeof blip));
}

struct source {
    struct year *y;
    enum noise kind;
};

static void on_noise(void *arg);

static void arm(struct source *source)
{
    double a_day = source->y->config->noise[source->kind].a_day;

    if (a_day > 0) {
        lab_after(source->y->lab, year_exponential(source->y, 86400e3 / a_day), on_noise, source);
    } else {
        free(source);
    }
}

static void on_noise(void *arg)
{
    struct source *source = arg;

    if (source->y->over) {
        free(source);
        return;
    }
    begin(source->y, source->kind);
    arm(source);
}

void noise_start(struct year *y)
{
    for (int kind = 0; kind < NOISE_COUNT; kind++) {
        struct source *source = xmalloc(sizeof *source);
        *source = (struct source){y, (enum noise)kind};
        arm(source);
    }
}
