/* What a daemon tells systemd (Type=notify).  Without libsystemd at build
 * time, or when systemd did not start the process, these do nothing. */
#ifndef COMMON_SD_H
#define COMMON_SD_H

void sd_ready(void);
void sd_stopping(void);
/* One line for `systemctl status`. */
void sd_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
