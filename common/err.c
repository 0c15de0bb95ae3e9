#include "err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_name(int code)
{
    switch ((enum err_code)code) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        ERRORS(X)
#undef X
    }
    return code == 0 ? "ok" : "unknown-error";
}

int err_set(struct error *err, int code, const char *fmt, ...)
{
    assert(code < 0);
    if (err != NULL) {
        va_list ap;
        va_start(ap, fmt);
        err->code = code;
        (void)vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return code;
}

int err_prefix(struct error *err, const char *fmt, ...)
{
    assert(err != NULL && err->code < 0);
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);

    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (len >= 0 && (size_t)len < sizeof err->text) {
        (void)snprintf(err->text + len, sizeof err->text - (size_t)len, ": %s", old);
    }
    return err->code;
}
