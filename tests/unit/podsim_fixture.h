/* podsim inside the test's own process and loop: its sockets in a directory of
 * its own, its world at hand. */
#ifndef TESTS_UNIT_PODSIM_FIXTURE_H
#define TESTS_UNIT_PODSIM_FIXTURE_H

#include <stdbool.h>
#include <uv.h>

#include "loop_until.h"
#include "sim_fixture.h"
#include "simulator/serve.h"
#include "tpunet.h"

struct podsim_fixture {
    uv_loop_t loop;
    uv_timer_t guard;
    int ticks;
    bool timed_out;
    char dir[64];
    struct podsim *podsim;
    struct sim_fixture sim; /* for the short ways to break it */
};

/* `cubes` with 4 spare ports, mirror time 0, pod "test". */
void podsim_fixture_init(struct podsim_fixture *f, unsigned cubes);
/* Stops podsim and runs the loop out: what the test opened must be closing. */
void podsim_fixture_fini(struct podsim_fixture *f);
/* "ipc://DIR/NAME.sock"; the caller frees. */
char *podsim_fixture_url(const struct podsim_fixture *f, const char *name);
void podsim_fixture_make(struct podsim_fixture *f, const struct tpunet_xc *xcs, size_t n);

#endif
