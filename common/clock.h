/* Time comes in from outside: the shells read it once per loop turn and pass
 * it on.  Monotonic for leases and durations, wall for what people and the
 * database see. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mono_ns {
    int64_t ns;
};
struct wall_ms {
    int64_t ms; /* since 1970-01-01T00:00:00Z */
};
struct now {
    struct mono_ns mono;
    struct wall_ms wall;
};

struct now clock_read(void);

static inline double mono_ms_since(struct mono_ns then, struct mono_ns now)
{
    return (double)(now.ns - then.ns) / 1e6;
}

/* RFC 3339 UTC with milliseconds, "2026-11-21T09:16:00.123Z"; returns buf. */
const char *wall_format(struct wall_ms t, char buf[static 32]);
/* Reads such a time, with up to nine digits of a second and Z or an offset such as
 * +01:00; false if it is none, or before 1970. */
bool wall_parse(struct wall_ms *out, const char *text);

#endif
