/* The courier: takes requests to receivers and brings back how each ended, from a
 * thread of its own, so that no receiver, resolver or handshake holds the event
 * loop up.  It and url.c alone know libcurl.
 *
 * A receiver is not trusted: his answer is read up to COURIER_ANSWER_MAX and thrown
 * away, redirects are not followed, no proxy, cookie, netrc or credentials come
 * from anywhere. */
#ifndef PODMGR_HOOKS_COURIER_H
#define PODMGR_HOOKS_COURIER_H

#include <uv.h>

#include "err.h"
#include "hooks/policy.h"

enum { COURIER_ANSWER_MAX = 16 << 10, COURIER_MAX = 48, PARCEL_HEADERS = 6 };

struct parcel {
    uint64_t number; /* the sender's */
    const char *url;
    const char *body;
    size_t body_len;
    char headers[PARCEL_HEADERS][160]; /* "Name: value"; "" ends them */
};

struct receipt {
    uint64_t number;
    struct hook_outcome outcome;
    double took_ms;
    char text[120]; /* what went wrong; never more of the URL than its host */
};

struct courier_config {
    unsigned timeout_ms; /* of one request, from its name's look-up to its answer's end */
    const char *ca_file; /* NULL: the system's */
};

struct courier;
typedef void courier_done_fn(void *arg, const struct receipt *receipt);

int courier_create(struct courier **out, uv_loop_t *loop, const struct courier_config *config,
                   courier_done_fn *done, void *arg, struct error *err);
/* Drops what is under way; `done` is not called any more. */
void courier_destroy(struct courier *courier);
/* Copies the parcel.  False if COURIER_MAX are under way. */
bool courier_send(struct courier *courier, const struct parcel *parcel);

/* url.c: http or https, a host, no credentials, no fragment, nothing but visible ASCII.
 * E_INVALID says what is wrong, without quoting the URL. */
int courier_check_url(const char *url, struct error *err);

#endif
