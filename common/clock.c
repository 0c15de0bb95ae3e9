#include "clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts); /* cannot fail for the two clocks below */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct now clock_read(void)
{
    return (struct now){
        .mono = {read_ns(CLOCK_MONOTONIC)},
        .wall = {read_ns(CLOCK_REALTIME) / 1000000},
    };
}

const char *wall_format(struct wall_ms t, char buf[static 32])
{
    /* Rounded towards the past, so that a time before 1970 keeps 0 <= ms < 1000. */
    int64_t ms = (t.ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)(t.ms / 1000 - (t.ms % 1000 < 0));
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
        (void)snprintf(buf, 32, "beyond-year-9999");
        return buf;
    }
    (void)snprintf(buf, 32, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
    return buf;
}
