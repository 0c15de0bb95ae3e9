#include "clock.h"

#include <stdio.h>
#include <string.h>
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

/* Exactly n digits; -1 if there are others. */
static int read_digits(const char **text, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*text)++) {
        if (**text < '0' || **text > '9') {
            return -1;
        }
        value = value * 10 + (**text - '0');
    }
    return value;
}

static bool skip(const char **text, const char *any)
{
    if (**text == '\0' || strchr(any, **text) == NULL) {
        return false;
    }
    (*text)++;
    return true;
}

static bool read_fraction(const char **text, int64_t *ms)
{
    int digits = 0;

    *ms = 0;
    if (**text != '.') {
        return true;
    }
    for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, digits++) {
        *ms = digits < 3 ? *ms * 10 + (**text - '0') : *ms;
    }
    for (int i = digits; i < 3; i++) {
        *ms *= 10;
    }
    return digits > 0 && digits <= 9;
}

/* Minutes east of Greenwich. */
static bool read_offset(const char **text, int *minutes)
{
    bool west = **text == '-';

    *minutes = 0;
    if (skip(text, "Zz")) {
        return true;
    }
    if (!skip(text, "+-")) {
        return false;
    }
    int hours = read_digits(text, 2);
    int rest = skip(text, ":") ? read_digits(text, 2) : -1;
    *minutes = (hours * 60 + rest) * (west ? -1 : 1);
    return hours >= 0 && hours < 24 && rest >= 0 && rest < 60;
}

bool wall_parse(struct wall_ms *out, const char *text)
{
    struct tm tm = {0}, back;
    int64_t ms = 0;
    int offset = 0;

    int year = read_digits(&text, 4);
    int month = skip(&text, "-") ? read_digits(&text, 2) : -1;
    int day = skip(&text, "-") ? read_digits(&text, 2) : -1;
    int hour = skip(&text, "Tt") ? read_digits(&text, 2) : -1;
    int minute = skip(&text, ":") ? read_digits(&text, 2) : -1;
    int second = skip(&text, ":") ? read_digits(&text, 2) : -1;
    if (year < 1970 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 59 || !read_fraction(&text, &ms) || !read_offset(&text, &offset) ||
        *text != '\0') {
        return false;
    }
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    time_t days = timegm(&tm);
    if (gmtime_r(&days, &back) == NULL || back.tm_mday != day || back.tm_mon != month - 1) {
        return false; /* no such day */
    }
    int64_t seconds = (int64_t)days + hour * 3600 + minute * 60 + second - offset * 60;
    out->ms = seconds * 1000 + ms;
    return out->ms > 0;
}
