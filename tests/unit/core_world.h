/* A small faithful world around the core: switches that do what they are told,
 * one agent that approves what it is asked, and time that passes when a test says
 * so.  What does not go well is said in a field or by a call. */
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
    uint16_t map[TPUNET_OCSES][PORTS]; /* what the switches really connect */
    bool dead[TPUNET_OCSES];           /* does not answer */
    bool mute[TPUNET_OCSES];           /* does its commands, and never answers them */
    bool dark[TPUNET_OCSES][PORTS];    /* circuits on this north port have no light */
    bool stuck[TPUNET_OCSES];
    uint16_t stuck_north[TPUNET_OCSES]; /* whose mirror it is */
    unsigned boots[TPUNET_OCSES];
    struct id last_op, last_wire; /* that a switch was given */
    struct chip_port missing[24]; /* link ends that bring-ups and checks miss */
    size_t n_missing;
    uint64_t unreachable; /* pairs, of the next verdicts */
    bool agent_lives;
    bool is_slow;     /* verdicts are not told yet */
    bool is_bad;      /* and are bad ones */
    bool hold_fences; /* the agent disables no ports yet */
    unsigned applies, bring_ups, checks, watches, releases, fences, preflights, stops;
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
int cw_setup_unmended(void **state); /* podmgr does nothing by itself */
int cw_teardown(void **state);
/* Lets the core take the event and does what it asks for. */
void cw_step(struct world *w, struct event *ev);
void cw_attach(struct world *w, uint16_t ocs);
/* An agent stands for the hosts from `from` up to, not including, `to`. */
void cw_hello(struct world *w, const char *name, uint64_t instance, unsigned from, unsigned to);
/* One tick, `ms` later. */
void cw_tick(struct world *w, unsigned ms);
void cw_pass(struct world *w, unsigned ms);
/* Until nothing is retried any more. */
void cw_settle(struct world *w);
/* What a coordinator says. */
void cw_verdict(struct world *w, struct id slice, uint64_t generation, bool ok, bool check_only);
/* A slice of that shape, on these cubes (NULL: any); NULL if it is refused. */
struct slice *cw_ask(struct world *w, const char *topology);
struct slice *cw_ask_on(struct world *w, const char *topology, const uint16_t *cubes, size_t n);
struct slice *cw_ask_degradable(struct world *w, const char *topology);
void cw_delete(struct world *w, struct id id, uint64_t if_version);
/* An operator's EV_FAIL_PART or EV_CLEAR_PART. */
void cw_speak(struct world *w, enum event_kind kind, const char *part);
/* A slice of two cubes that is ACTIVE. */
struct slice *cw_create(struct world *w, bool accept_degraded);
struct slice *cw_create_degraded(struct world *w); /* ACTIVE_DEGRADED, around something */
/* The mirror of this north port does not move. */
void cw_stick(struct world *w, uint16_t ocs, uint16_t north);
size_t cw_lit(const struct world *w); /* circuits that the switches show */
/* The switch falls silent, and keeps its map or not. */
void cw_silence(struct world *w, uint16_t ocs);
void cw_lose_power(struct world *w, uint16_t ocs);
/* The slice's watchers tell that links are down: both ends of one, all of a host's
 * chips, those over a switch (whose controller may go on answering). */
void cw_cut(struct world *w, const struct slice *slice, uint32_t chip, unsigned port);
void cw_kill_host(struct world *w, const struct slice *slice, uint16_t cube, unsigned host);
void cw_cut_switch(struct world *w, const struct slice *slice, uint16_t ocs);
struct ticket *cw_ticket(const struct world *w, const char *part); /* not CLOSED, or NULL */
const struct part_fault *cw_fault(const struct world *w, const char *name);

#endif
