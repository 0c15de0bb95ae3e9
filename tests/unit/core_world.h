/* A small faithful world around the core: switches that do what they are told,
 * one agent that approves what it is asked, and time that passes when a test says
 * so. */
#ifndef TESTS_CORE_WORLD_H
#define TESTS_CORE_WORLD_H

#include <jansson.h>

#include "core/core.h"

enum { CUBES = 4, PORTS = 8, TICK_MS = 25 };

struct world {
    struct pod pod;
    struct model *model;
    struct outbox out;
    struct now now;
    uint16_t map[TPUNET_OCSES][PORTS];
    bool dead[TPUNET_OCSES]; /* does not answer */
    unsigned boots[TPUNET_OCSES];
    struct id last_op;
    struct chip_port missing[24]; /* link ends that bring-ups and checks miss */
    size_t n_missing;
    bool agent_lives;
    bool is_slow;  /* verdicts are not told yet */
    int status;    /* of the last reply */
    char code[32]; /* the same, if it refused */
    char text[256];
    unsigned audits; /* records so far */
    struct id made;
    char journal[8192]; /* types, a space behind each */
    char advice[2048];  /* of slices: "active=start ..." */
    json_t *last;       /* data of the last event with advice */
};

/* Fixtures of cmocka: a pod of CUBES cubes that is ready. */
int cw_setup(void **state);
int cw_teardown(void **state);
/* Lets the core take the event and does what it asks for. */
void cw_step(struct world *w, struct event *ev);
void cw_attach(struct world *w, uint16_t ocs);
void cw_hello(struct world *w);
void cw_pass(struct world *w, unsigned ms);
/* A slice of two cubes that is ACTIVE. */
struct slice *cw_create(struct world *w, bool accept_degraded);
struct slice *cw_create_degraded(struct world *w); /* ACTIVE_DEGRADED, around something */
/* The switch falls silent, and keeps its map or not. */
void cw_silence(struct world *w, uint16_t ocs);
void cw_lose_power(struct world *w, uint16_t ocs);
/* The slice's watchers tell that links are down: both ends of one, all of a host's
 * chips, those over a switch (whose controller may go on answering). */
void cw_cut(struct world *w, const struct slice *slice, uint32_t chip, unsigned port);
void cw_kill_host(struct world *w, const struct slice *slice, uint16_t cube, unsigned host);
void cw_cut_switch(struct world *w, const struct slice *slice, uint16_t ocs);
const struct part_fault *cw_fault(const struct world *w, const char *name);

#endif
