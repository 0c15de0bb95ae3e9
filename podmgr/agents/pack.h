/* Between agent messages and the core's data. */
#ifndef PODMGR_AGENTS_PACK_H
#define PODMGR_AGENTS_PACK_H

#include "agent.pb-c.h"
#include "core/core.h"
#include "rpc.h"

/* A key, not a copy: what is sent is what the model says when it is sent. */
enum command_kind {
    COMMAND_BRING_UP,
    COMMAND_CHECK,
    COMMAND_WATCH,
    COMMAND_RELEASE,
    COMMAND_FENCE
};
struct command {
    enum command_kind kind;
    uint64_t seq;
    struct id slice; /* none: FENCE */
    uint64_t epoch;  /* FENCE: in which the generation was given */
    uint64_t generation;
};

/* Answers a poll with these commands; ends the request.  A bring-up whose
 * slice is gone or has a newer generation travels as a release. */
void pack_commands(const struct model *m, uint32_t agent, const struct command *commands, size_t n,
                   struct rpc_request *req);
/* False if it names no slice id, or what should be a number is none. */
bool unpack_verdict(struct verdict *out, const Wire__AgentVerdict *in, uint32_t chips);
/* False if it names a chip or port that the pod lacks. */
bool unpack_fenced(struct event *out, const Wire__AgentFenced *in, uint32_t chips);

#endif
