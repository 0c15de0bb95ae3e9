/* HTTP to podmgr, over its Unix socket or a URL; the only file of podctl that
 * knows libcurl.  One connection, kept open between calls. */
#ifndef PODCTL_CLIENT_H
#define PODCTL_CLIENT_H

#include <jansson.h>
#include <stdio.h>

#include "err.h"

struct client;

struct http_call {
    const char *method;          /* NULL: GET */
    const char *path;            /* with its query, escaped */
    const json_t *body;          /* NULL: none */
    const char *idempotency_key; /* NULL: none */
    unsigned wait_ms;            /* how long podmgr was asked to hold its answer */
    const char *waiting_for;     /* shown meanwhile, if somebody watches; NULL: nothing */
};

struct answer {
    long status;
    json_t *json; /* the caller's */
};

/* Through the URL if there is one, else through the socket.  `progress` is the
 * terminal that shows what is waited for, NULL if nobody watches. */
struct client *client_create(const char *socket, const char *url, FILE *progress);
void client_destroy(struct client *client);

/* 0 with whatever podmgr answered (also a problem), or E_UNREACHABLE with what
 * to do about it, or E_PARSE if that which answered is no podmgr. */
int client_call(struct client *client, const struct http_call *call, struct answer *out,
                struct error *err);
/* For a segment of a path or the value of a query; free it. */
char *client_escape(const char *text);

#endif
