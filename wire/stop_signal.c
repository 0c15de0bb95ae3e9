#include "stop_signal.h"

#include "log.h"
#include "sd.h"

static void on_stop(uv_signal_t *handle, int number)
{
    struct stop_signal *s = handle->data;

    log_notice("daemon", "stopping on signal %d", number);
    sd_stopping();
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
    uv_close((uv_handle_t *)&s->hangup, NULL);
    s->stop(s->arg);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    log_notice("daemon", "SIGHUP: the configuration is read at start only; restart to apply it");
}

static void watch(struct stop_signal *s, uv_loop_t *loop, uv_signal_t *handle, uv_signal_cb on,
                  int number)
{
    (void)uv_signal_init(loop, handle);
    handle->data = s;
    (void)uv_signal_start(handle, on, number);
}

void stop_signal_watch(struct stop_signal *s, uv_loop_t *loop, void (*stop)(void *arg), void *arg)
{
    s->stop = stop;
    s->arg = arg;
    watch(s, loop, &s->term, on_stop, SIGTERM);
    watch(s, loop, &s->interrupt, on_stop, SIGINT);
    watch(s, loop, &s->hangup, on_hangup, SIGHUP);
}
