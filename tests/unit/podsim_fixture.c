#include "podsim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

/* The guard ticks, since a timer that runs early in a loop turn does not end it. */
enum { TICK_MS = 5, GUARD_TICKS = 6000 };

static void on_guard(uv_timer_t *timer)
{
    struct podsim_fixture *f = timer->data;
    f->timed_out = ++f->ticks >= GUARD_TICKS;
}

char *podsim_fixture_url(const struct podsim_fixture *f, const char *name)
{
    return xasprintf("ipc://%s/%s.sock", f->dir, name);
}

void podsim_fixture_init(struct podsim_fixture *f, unsigned cubes)
{
    struct error err;

    memset(f, 0, sizeof *f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/podmgr-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)uv_loop_init(&f->loop);
    (void)uv_timer_init(&f->loop, &f->guard);
    f->guard.data = f;
    (void)uv_timer_start(&f->guard, on_guard, TICK_MS, TICK_MS);
    f->sim.config = (struct sim_config){.pod = "test",
                                        .cubes = cubes,
                                        .ports_per_side = cubes + 4,
                                        .seed = 1,
                                        .vc_classes = 3,
                                        .ocs_url = podsim_fixture_url(f, "ocs-%u"),
                                        .fabric_url = podsim_fixture_url(f, "fabric"),
                                        .control_url = podsim_fixture_url(f, "control"),
                                        .probe_url = podsim_fixture_url(f, "probe")};
    assert_int_equal(podsim_create(&f->podsim, &f->loop, &f->sim.config, &err), 0);
    f->sim.w = podsim_world(f->podsim);
}

static void remove_sockets(const struct podsim_fixture *f)
{
    char path[128];

    for (unsigned i = 0; i < SIM_OCSES; i++) {
        (void)snprintf(path, sizeof path, "%s/ocs-%u.sock", f->dir, i);
        (void)unlink(path);
    }
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"fabric", "control", "podmgr", "probe"};
        (void)snprintf(path, sizeof path, "%s/%s.sock", f->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->dir);
}

void podsim_fixture_fini(struct podsim_fixture *f)
{
    podsim_stop(f->podsim);
    uv_close((uv_handle_t *)&f->guard, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    podsim_fini(f->podsim);
    assert_int_equal(uv_loop_close(&f->loop), 0); /* no handle leaks */
    remove_sockets(f);
    free(f->sim.config.ocs_url);
    free(f->sim.config.fabric_url);
    free(f->sim.config.control_url);
    free(f->sim.config.probe_url);
}

void podsim_fixture_make(struct podsim_fixture *f, const struct tpunet_xc *xcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sim_make(&f->sim, xcs[i].ocs, xcs[i].north, xcs[i].south);
    }
}
