/* Frames at healthd: what its instruments answer (fuzz_probe_reply), what podmgr
 * does (fuzz_health_reply); its state file, its configuration, golden limits. */
#include <stdlib.h>
#include <unistd.h>

#include "fake_rpc.h"
#include "fuzz.h"
#include "healthd/golden.h"
#include "healthd/healthd.h"
#include "mem.h"
#include "pod.h"

enum { HOSTS = 2 };

static char health_url[] = FUZZ_HEALTH_URL, probe_url[] = FUZZ_PROBE_URL;

static void answer_all(const char *url, const uint8_t *data, size_t size, uv_loop_t *loop)
{
    const uint8_t *frame;
    size_t len;

    while (fuzz_frame(&data, &size, &frame, &len) && fake_rpc_answer(url, frame, len)) {
        (void)uv_run(loop, UV_RUN_NOWAIT);
    }
}

/* A life of healthd with something to report from the start. */
static void live(char *state_file, const uint8_t *probe, size_t probe_size, const uint8_t *health,
                 size_t health_size)
{
    static uint16_t hosts[HOSTS] = {0, 1};
    struct healthd_config config = {.pod = "p",
                                    .name = "a",
                                    .cubes = 1,
                                    .hosts = hosts,
                                    .n_hosts = HOSTS,
                                    .podmgr_url = health_url,
                                    .probe_url = probe_url,
                                    .state_file = state_file,
                                    .period_ms = 20,
                                    .lease_ms = 100,
                                    .policy = policy_default};
    struct finding sick = {.severity = SEVERITY_INFO, .since = {1}, .check = "hot"};
    struct healthd d = {0};
    uv_loop_t loop;
    struct error err;

    if (uv_loop_init(&loop) != 0 || healthd_start(&d, &loop, &config, &err) < 0) {
        abort();
    }
    reports_put(d.reports, 0, &sick);
    (void)reports_seal(d.reports, (struct wall_ms){1});
    fake_rpc_link(FUZZ_PROBE_URL, true);
    fake_rpc_link(FUZZ_HEALTH_URL, true);
    (void)uv_run(&loop, UV_RUN_NOWAIT); /* the first round */
    answer_all(FUZZ_PROBE_URL, probe, probe_size, &loop);
    answer_all(FUZZ_HEALTH_URL, health, health_size, &loop);
    healthd_stop(&d);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    healthd_fini(&d);
    (void)uv_loop_close(&loop);
}

void fuzz_probe_reply(const uint8_t *data, size_t size)
{
    live(NULL, data, size, NULL, 0);
}

void fuzz_health_reply(const uint8_t *data, size_t size)
{
    live(NULL, NULL, 0, data, size);
}

void fuzz_health_state(const uint8_t *data, size_t size)
{
    char *file = xstrdup(fuzz_file("state", data, size));

    live(file, NULL, 0, NULL, 0);
    live(file, NULL, 0, NULL, 0); /* what it wrote is good */
    (void)unlink(file);
    free(file);
}

void fuzz_health_config(const uint8_t *data, size_t size)
{
    const char *file = fuzz_file("yaml", data, size);
    struct healthd_options options = {.file = file};
    struct healthd_config config;
    struct golden golden;
    struct error err;

    (void)golden_load(&golden, file, &err);
    if (healthd_config_load(&config, &options, &err) == 0) {
        healthd_config_fini(&config);
    }
}
