/* Between agent messages and the core's data. */
#ifndef PODMGR_AGENTS_PACK_H
#define PODMGR_AGENTS_PACK_H

#include "agent.pb-c.h"
#include "core/core.h"
#include "rpc.h"

/* A key, not a copy: what is sent is what the model says when it is sent. */
struct command {
    uint64_t seq;
    struct id slice;
    uint64_t generation;
    bool check_only;
    bool release;
};

/* Answers a poll with these commands; ends the request.  A bring-up whose
 * slice is gone or has a newer generation travels as a release. */
void pack_commands(const struct model *m, const struct command *commands, size_t n,
                   struct rpc_request *req);
/* False if it names no slice id. */
bool unpack_verdict(struct verdict *out, const Wire__AgentVerdict *in);

#endif
