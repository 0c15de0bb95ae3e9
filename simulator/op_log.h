/* What a switch's agent remembers of the operations it has judged: the last
 * SIM_OP_LOG results, found by operation id, so that a replayed operation gets
 * its first answer and has no second effect (D5). */
#ifndef SIMULATOR_OP_LOG_H
#define SIMULATOR_OP_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum { SIM_OP_LOG = 4096 };

/* Same values as wire.OcsOpStatus. */
enum sim_op_status { SIM_OP_DONE, SIM_OP_BAD_PORT, SIM_OP_BUSY, SIM_OP_ABSENT, SIM_OP_MIRROR };

struct sim_op_result {
    uint64_t epoch, sequence; /* the operation's id */
    enum sim_op_status status;
    uint16_t port; /* at fault, unless done */
    bool south;
};

struct op_log;
struct op_log *op_log_create(void);
void op_log_destroy(struct op_log *log);
/* NULL when it is not on record (any more). */
const struct sim_op_result *op_log_find(const struct op_log *log, uint64_t epoch,
                                        uint64_t sequence);
/* The id must not be on record; the oldest result makes room. */
void op_log_add(struct op_log *log, const struct sim_op_result *result);

#endif
