/* HTTP byte by byte, for what a well-bred client never does: several requests
 * at once, half of one, none at all, hanging up in the middle. */
#ifndef TESTS_SYSTEM_RAW_H
#define TESTS_SYSTEM_RAW_H

#include <stdbool.h>
#include <stddef.h>

#include "harness.h"

/* A connection; reads and writes give up after 20 s.  Fails the test if podmgr
 * does not take it. */
int raw_unix(const struct pod *pod);
int raw_tcp(const struct pod *pod);

/* False if the other side is gone. */
bool raw_send(int fd, const char *bytes, size_t len);
bool raw_send_text(int fd, const char *text);
/* Reads until podmgr closes or buf is full; ends it with NUL.  The status of
 * the first answer in it, 0 if there is none. */
long raw_read(int fd, char *buf, size_t size);
/* The same, closing fd. */
long raw_finish(int fd, char *buf, size_t size);
/* Sends "METHOD PATH" with "Connection: close" and this body on a new
 * connection to the Unix socket; returns it for raw_finish(). */
int raw_request(const struct pod *pod, const char *method, const char *path, const char *body);

/* Open descriptors of a process. */
unsigned descriptors(pid_t pid);

#endif
