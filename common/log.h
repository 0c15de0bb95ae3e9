/* Logs to stderr: journald priority prefixes ("<6>text"), or one JSON object a
 * line with log_init(LOG_FORMAT_JSON).  The one piece of global state that the
 * programs share; set up once by main().
 *
 * `source` names what the line is about ("ocs/12", "http"); lines are
 * rate-limited per source, since a flapping link is our normal case.  What was
 * suppressed is said when the source speaks again. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

void log_init(const char *program, enum log_format format, enum log_level threshold);
void log_msg(enum log_level level, const char *source, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(source, ...)   log_msg(LOG_ERROR, source, __VA_ARGS__)
#define log_warning(source, ...) log_msg(LOG_WARNING, source, __VA_ARGS__)
#define log_notice(source, ...)  log_msg(LOG_NOTICE, source, __VA_ARGS__)
#define log_info(source, ...)    log_msg(LOG_INFO, source, __VA_ARGS__)
#define log_debug(source, ...)   log_msg(LOG_DEBUG, source, __VA_ARGS__)

#endif
