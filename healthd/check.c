#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "healthd.h"
#include "log.h"
#include "preflight.h"

enum { LOOK_MS = 20, READY_MS = 5000 };

struct check {
    const struct healthd_config *config;
    struct golden golden;
    bool pattern;
    struct probe *probe;
    uv_timer_t timer;
    unsigned waited_ms;
    int status;
};

static void print_result(void *arg, const struct preflight_result *result)
{
    struct check *c = arg;
    size_t shown = result->failures < PREFLIGHT_LINES ? result->failures : PREFLIGHT_LINES;

    for (size_t i = 0; i < shown; i++) {
        (void)puts(result->unfit[i].text);
    }
    (void)printf("%zu hosts: %zu values checked, %zu unknown; %zu transfers, %zu computations; "
                 "%zu failures\n",
                 c->config->n_hosts, result->checked, result->unknown, result->transfers,
                 result->computations, result->failures);
    c->status = result->failures > 0;
}

static void on_closed(uv_handle_t *handle)
{
    const struct check *c = handle->data;
    c->probe->ops->destroy(c->probe);
}

static void on_result(void *arg, const struct preflight_result *result)
{
    struct check *c = arg;

    print_result(arg, result);
    uv_close((uv_handle_t *)&c->timer, on_closed); /* not within a call of the probe's */
}

static void on_timer(uv_timer_t *timer)
{
    struct check *c = timer->data;
    uint64_t seed = 0;

    if (c->probe->ready) {
        (void)uv_timer_stop(timer);
        if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
            seed = c->waited_ms; /* any will do */
        }
        preflight_run(c->probe,
                      &(struct preflight_job){.golden = &c->golden,
                                              .hosts = c->config->hosts,
                                              .n_hosts = c->config->n_hosts,
                                              .all = c->config->hosts,
                                              .n_all = c->config->n_hosts,
                                              .pattern = c->pattern,
                                              .seed = seed},
                      on_result, c);
    } else if ((c->waited_ms += LOOK_MS) > READY_MS) {
        log_error("probe", "the instruments cannot be reached");
        c->status = EX_UNAVAILABLE;
        uv_close((uv_handle_t *)timer, on_closed);
    }
}

int healthd_check(const struct healthd_config *config, const char *golden_file, bool pattern)
{
    struct check c = {.config = config, .pattern = pattern};
    uv_loop_t *loop = uv_default_loop();
    struct error err;

    if (golden_load(&c.golden, golden_file, &err) < 0) {
        log_error("golden", "%s", err.text);
        return EX_CONFIG;
    }
    if (healthd_probe(&c.probe, loop, config, &err) < 0) {
        log_error("probe", "%s", err.text);
        return EX_UNAVAILABLE;
    }
    (void)uv_timer_init(loop, &c.timer);
    c.timer.data = &c;
    (void)uv_timer_start(&c.timer, on_timer, 0, LOOK_MS);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    return c.status;
}
