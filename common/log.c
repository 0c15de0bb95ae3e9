/* A line is built on the stack and leaves in one write(2) of at most LINE_BYTES
 * bytes, so that lines of several threads or processes on one pipe do not mix
 * (PIPE_BUF is 4096).  What does not fit is cut, and the cut is shown. */
#include "log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "limit.h"

enum { LINE_BYTES = 4096, TEXT_BYTES = 2048 };

static struct {
    const char *program;
    enum log_format format;
    enum log_level threshold;
    struct limit limit;
} logger = {.program = "-", .threshold = LOG_INFO};

struct line {
    size_t len;
    char text[LINE_BYTES];
};

void log_init(const char *program, enum log_format format, enum log_level threshold)
{
    logger.program = program;
    logger.format = format;
    logger.threshold = threshold;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error";
    case LOG_WARNING:
        return "warning";
    case LOG_NOTICE:
        return "notice";
    case LOG_INFO:
        return "info";
    case LOG_DEBUG:
        return "debug";
    }
    return "?";
}

/* Appends all of `text` or nothing, and keeps `room` bytes for what must follow. */
static bool append(struct line *line, const char *text, size_t len, size_t room)
{
    if (line->len + len + room > sizeof line->text) {
        return false;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
    return true;
}

/* Length of the well-formed UTF-8 sequence that s starts with, 0 if it is none
 * (overlong forms, surrogates and values past U+10FFFF included). */
static size_t utf8_len(const unsigned char *s)
{
    if (s[0] < 0x80) {
        return 1;
    }
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || outside ? 0 : n;
}

/* Every line that leaves is printable UTF-8: a name from the network must not
 * be able to fake a second line or to break a JSON reader. */
static void append_clean(struct line *line, const char *text, enum log_format format)
{
    const size_t room = 16; /* the ellipsis and the end of the object */
    const unsigned char *s = (const unsigned char *)text;
    for (size_t n; *s != '\0'; s += n) {
        char escape[8];
        const char *piece = (const char *)s;
        size_t len = n = utf8_len(s);
        if (n == 0) {
            n = 1;
            piece = "\xef\xbf\xbd"; /* U+FFFD */
            len = 3;
        } else if (*s < 0x20 || *s == 0x7f) {
            piece = escape;
            len = (size_t)snprintf(escape, sizeof escape,
                                   format == LOG_FORMAT_JSON ? "\\u%04x" : "\\x%02x", *s);
        } else if (format == LOG_FORMAT_JSON && (*s == '"' || *s == '\\')) {
            len = (size_t)snprintf(escape, sizeof escape, "\\%c", *s);
            piece = escape;
        }
        if (!append(line, piece, len, room)) {
            (void)append(line, "...", 3, 0);
            return;
        }
    }
}

static void append_member(struct line *line, const char *key, const char *value)
{
    char start[32];
    int len = snprintf(start, sizeof start, "%s\"%s\":\"", line->len == 0 ? "{" : ",", key);
    if (append(line, start, (size_t)len, 16)) {
        append_clean(line, value, LOG_FORMAT_JSON);
        (void)append(line, "\"", 1, 0);
    }
}

static void put_line(enum log_level level, const char *source, const char *text, struct now now)
{
    struct line line;
    line.len = 0;
    if (logger.format == LOG_FORMAT_JSON) {
        char when[32];
        append_member(&line, "time", wall_format(now.wall, when));
        append_member(&line, "level", level_name(level));
        append_member(&line, "program", logger.program);
        append_member(&line, "source", source);
        append_member(&line, "text", text);
        (void)append(&line, "}\n", 2, 0);
    } else {
        char start[8];
        int len = snprintf(start, sizeof start, "<%d>", (int)level);
        (void)append(&line, start, (size_t)len, 0);
        append_clean(&line, logger.program, LOG_FORMAT_TEXT);
        (void)append(&line, ": ", 2, 16);
        append_clean(&line, source, LOG_FORMAT_TEXT);
        (void)append(&line, ": ", 2, 16);
        append_clean(&line, text, LOG_FORMAT_TEXT);
        (void)append(&line, "\n", 1, 0);
    }
    /* Nothing sensible can be done about a log that cannot be written. */
    ssize_t written = write(STDERR_FILENO, line.text, line.len);
    (void)written;
}

static void put_suppressed(const char *source, unsigned count, struct now now)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%u line%s suppressed", count, count == 1 ? "" : "s");
    put_line(LOG_WARNING, source, text, now);
}

void log_msg(enum log_level level, const char *source, const char *fmt, ...)
{
    if (level > logger.threshold) {
        return;
    }
    struct now now = clock_read();
    struct limit_verdict verdict = limit_ask(&logger.limit, source, now.mono);

    if (verdict.evicted.suppressed > 0) {
        put_suppressed(verdict.evicted.source, verdict.evicted.suppressed, now);
    }
    if (!verdict.pass) {
        return;
    }
    if (verdict.suppressed > 0) {
        put_suppressed(source, verdict.suppressed, now);
    }
    char text[TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (len >= TEXT_BYTES) {
        /* The cut may halve a UTF-8 sequence: overwrite its remains too. */
        size_t end = TEXT_BYTES - 4;
        while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80) {
            end--;
        }
        memcpy(text + end, "...", sizeof "...");
    }
    put_line(level, source, text, now);
}
