/* The error convention of all programs: a function returns 0 (or a count) or a
 * negative code from this one list, and may fill a `struct error` with a text
 * for a person.  A failed call has no side effect.
 *
 * A code's name is also the stable `code` of an API problem document. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#define ERRORS(X)                                                                                  \
    X(E_INVALID, -1, "invalid")                                                                    \
    X(E_NOT_FOUND, -2, "not-found")                                                                \
    X(E_CONFLICT, -3, "conflict")                                                                  \
    X(E_BUSY, -4, "busy")                                                                          \
    X(E_IO, -5, "io-error")                                                                        \
    X(E_PARSE, -6, "malformed")                                                                    \
    X(E_TOO_LARGE, -7, "too-large")                                                                \
    X(E_TIMEOUT, -8, "timeout")                                                                    \
    X(E_STALE, -9, "stale-epoch")                                                                  \
    X(E_VERSION, -10, "unsupported-version")                                                       \
    X(E_DENIED, -11, "denied")                                                                     \
    X(E_CORRUPT, -12, "corrupt")                                                                   \
    X(E_UNREACHABLE, -13, "unreachable")                                                           \
    X(E_CONFIG, -14, "configuration-error")                                                        \
    X(E_FULL, -15, "full")                                                                         \
    X(E_MISMATCH, -16, "mismatch")

enum err_code {
#define X(name, code, text) name = (code),
    ERRORS(X)
#undef X
};

struct error {
    int code;
    char text[480];
};

const char *err_name(int code);

/* Fills *err (NULL is fine) and returns code, so that callers can write
 * `return err_set(err, E_INVALID, "cube/%u is busy", c)`. */
int err_set(struct error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text that is there; returns err's code. */
int err_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
