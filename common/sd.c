#include "sd.h"

#include <stdarg.h>
#include <stdio.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#else
static int sd_notify(int unset_environment, const char *state)
{
    (void)unset_environment;
    (void)state;
    return 0;
}
#endif

void sd_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void sd_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void sd_status(const char *fmt, ...)
{
    char state[256] = "STATUS=";
    const int skip = sizeof "STATUS=" - 1;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(state + skip, sizeof state - (size_t)skip, fmt, ap);
    va_end(ap);
    /* A newline would start another assignment of the protocol. */
    for (char *c = state; *c != '\0'; c++) {
        if (*c == '\n') {
            *c = ' ';
        }
    }
    (void)sd_notify(0, state);
}
