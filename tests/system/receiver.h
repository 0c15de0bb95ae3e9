/* A receiver of webhooks in the test's own process, on a free port of loopback:
 * raw sockets, so that it can misbehave.  It checks every signature and keeps
 * what the documentation tells receivers to keep. */
#ifndef TESTS_SYSTEM_RECEIVER_H
#define TESTS_SYSTEM_RECEIVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum manner {
    ANSWERS, /* 204 */
    SAYS_500,
    SAYS_GONE,   /* 410 */
    REDIRECTS,   /* 302 to itself */
    BABBLES,     /* bytes that are no HTTP */
    IS_SILENT,   /* takes the request and never answers */
    NEVER_STOPS, /* 200, and a body without an end */
};

/* What it has heard, in the order in which it did. */
struct heard {
    json_t *events; /* each once */
    char incarnation[64];
    uint64_t next;                /* of the last letter that was new */
    unsigned letters, duplicates; /* answered well; events told again */
    unsigned tries;               /* requests, whatever the answer */
    char wrong[512];              /* the first thing that was not as promised; "" */
};

struct receiver;
/* Down at first: connections are refused.  `secret` NULL: unsigned is right. */
struct receiver *receiver_create(const char *secret);
void receiver_destroy(struct receiver *r);
unsigned receiver_port(const struct receiver *r);
void receiver_up(struct receiver *r);
void receiver_behave(struct receiver *r, enum manner manner);
void receiver_delay(struct receiver *r, unsigned ms); /* before each answer */
/* A copy; release with heard_fini(). */
struct heard receiver_heard(struct receiver *r);
void heard_fini(struct heard *heard);

#endif
