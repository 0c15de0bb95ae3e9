/* A ring in order of age, threaded by hash chains. */
#include "op_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { BUCKETS = SIM_OP_LOG, END = 0xFFFF };

struct op_log {
    uint64_t n;             /* results ever added */
    uint16_t head[BUCKETS]; /* slot of the ring, or END */
    uint16_t next[SIM_OP_LOG];
    struct sim_op_result ring[SIM_OP_LOG];
};

static unsigned bucket_of(uint64_t epoch, uint64_t sequence)
{
    uint64_t h = (epoch * 0x9e3779b97f4a7c15ULL ^ sequence) * 0xbf58476d1ce4e5b9ULL;
    return (unsigned)(h >> 40) % BUCKETS;
}

struct op_log *op_log_create(void)
{
    struct op_log *log = xcalloc(1, sizeof *log);
    memset(log->head, 0xff, sizeof log->head);
    return log;
}

void op_log_destroy(struct op_log *log)
{
    free(log);
}

const struct sim_op_result *op_log_find(const struct op_log *log, uint64_t epoch, uint64_t sequence)
{
    for (unsigned at = log->head[bucket_of(epoch, sequence)]; at != END; at = log->next[at]) {
        const struct sim_op_result *r = &log->ring[at];
        if (r->epoch == epoch && r->sequence == sequence) {
            return r;
        }
    }
    return NULL;
}

static void forget(struct op_log *log, unsigned slot)
{
    uint16_t *at = &log->head[bucket_of(log->ring[slot].epoch, log->ring[slot].sequence)];

    while (*at != slot) {
        assert(*at != END);
        at = &log->next[*at];
    }
    *at = log->next[slot];
}

void op_log_add(struct op_log *log, const struct sim_op_result *result)
{
    unsigned slot = (unsigned)(log->n % SIM_OP_LOG);
    uint16_t *head = &log->head[bucket_of(result->epoch, result->sequence)];

    assert(op_log_find(log, result->epoch, result->sequence) == NULL); /* D5 */
    if (log->n >= SIM_OP_LOG) {
        forget(log, slot);
    }
    log->ring[slot] = *result;
    log->next[slot] = *head;
    *head = (uint16_t)slot;
    log->n++;
}
