/* podsim for the targets; its mirrors take no time. */
#include <stdlib.h>

#include "fuzz.h"
#include "mem.h"
#include "pod.h"
#include "simulator/serve.h"

enum { INPUTS_A_LIFE = 400 };

static struct {
    uv_loop_t loop;
    struct podsim *podsim;
    unsigned inputs;
} sim;

static char ocs_url[] = "ipc:///ocs-%u", fabric_url[] = FUZZ_FABRIC_URL,
            control_url[] = FUZZ_CONTROL_URL, probe_url[] = FUZZ_PROBE_URL;
static const struct sim_config config = {.pod = "p",
                                         .cubes = 2,
                                         .ports_per_side = 4,
                                         .seed = 1,
                                         .vc_classes = 3,
                                         .ocs_url = ocs_url,
                                         .fabric_url = fabric_url,
                                         .control_url = control_url,
                                         .probe_url = probe_url};

static void end(void)
{
    if (sim.podsim != NULL) {
        podsim_stop(sim.podsim);
        (void)uv_run(&sim.loop, UV_RUN_DEFAULT);
        podsim_fini(sim.podsim);
        (void)uv_loop_close(&sim.loop);
        sim.podsim = NULL;
    }
}

void fuzz_podsim(void)
{
    static bool registered;
    struct error err;

    if (!registered) {
        (void)atexit(end);
        registered = true;
    }
    if (sim.inputs++ >= INPUTS_A_LIFE) {
        end();
    }
    if (sim.podsim == NULL) {
        sim.inputs = 0;
        if (uv_loop_init(&sim.loop) != 0 ||
            podsim_create(&sim.podsim, &sim.loop, &config, &err) < 0) {
            abort();
        }
    }
    (void)uv_run(&sim.loop, UV_RUN_NOWAIT);
}
