/* An observer that says what the test wants, to a real podmgr. */
#ifndef TESTS_SYSTEM_OBSERVER_H
#define TESTS_SYSTEM_OBSERVER_H

#include <uv.h>

#include "harness.h"
#include "health.pb-c.h"
#include "rpc.h"

struct observer_end {
    uv_loop_t loop;
    struct rpc_client *client;
    char name[64];
    uint64_t instance, epoch;
    size_t answers;           /* so far */
    Wire__HealthReply *reply; /* the last one */
};

/* Connects; no hello yet. */
void observer_open(struct observer_end *o, const struct pod *pod, const char *name,
                   uint64_t instance);
void observer_close(struct observer_end *o);
/* Fills version, pod, name and instance where they are not, sends, and waits for
 * the answer, which stays valid until the next call. */
const Wire__HealthReply *observer_ask(struct observer_end *o, Wire__HealthRequest *request);
/* The same without waiting; `answers` counts on. */
void observer_send(struct observer_end *o, Wire__HealthRequest *request);
void observer_await(struct observer_end *o, size_t answers);
/* Says hello for hosts 0 to n - 1 and takes over the epoch. */
const Wire__HealthReply *observer_hello(struct observer_end *o, uint32_t n_hosts);

#endif
