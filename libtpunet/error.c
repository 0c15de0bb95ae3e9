/* Errors: the one list of codes, and the texts that name the part at fault. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

const char *tpunet_strerror(int code)
{
    switch (code) {
#define X(name, value, text)                                                                       \
    case value:                                                                                    \
        return text;
        TPUNET_ERRORS(X)
#undef X
    case 0:
        return "success";
    }
    return "unknown error";
}

int tpunet_fail(struct tpunet_error *err, int code, const char *fmt, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
        err->code = code;
    }
    return code;
}
