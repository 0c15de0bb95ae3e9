/* SIGTERM and SIGINT end a daemon in its own loop; SIGHUP does not kill it:
 * nothing can be reloaded yet, and it says so. */
#ifndef WIRE_STOP_SIGNAL_H
#define WIRE_STOP_SIGNAL_H

#include <uv.h>

struct stop_signal {
    uv_signal_t term, interrupt, hangup;
    void (*stop)(void *arg);
    void *arg;
};
/* `stop` is called once, from the loop; the handles are closed by then. */
void stop_signal_watch(struct stop_signal *s, uv_loop_t *loop, void (*stop)(void *arg), void *arg);

#endif
