/* What switches.c (the way to the switches) and switch_agents.c (what stands at
 * its end) share. */
#ifndef TESTS_SIM_SWITCHES_H
#define TESTS_SIM_SWITCHES_H

#include "sim.h"

enum call_kind { CALL_IDENTIFY, CALL_FENCE, CALL_READ, CALL_APPLY };

/* A question to an agent.  Its caller hears one answer: the first that comes in
 * time, or none. */
struct call {
    struct manager *m;
    struct call *next_call, *next_waiting;
    uint16_t ocs;
    enum call_kind kind;
    struct ocs_claim claim;
    uint64_t expected;
    struct sim_op *ops;
    size_t n_ops;
    ocs_answer_fn *done;
    void *arg;
    bool ended;
};
struct letter {
    struct call *call;
    struct ocs_answer answer;
};

/* switches.c */
void switches_answer(struct sim *s, struct letter *letter);

/* switch_agents.c */
struct letter *switch_letter(struct call *call, int status, const char *text);
void switch_request(void *arg); /* a call has come to its agent */
/* The agent came or went.  What waited is lost; a batch under way ends by
 * itself, unless the power went. */
void switch_changed(struct sim *s, unsigned ocs, bool up);

#endif
