#include "receiver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <nettle/hmac.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

enum { REQUEST_MAX = 512 << 10, HELD_MAX = 64, FRESH_S = 300 };

struct receiver {
    const char *secret;
    int fd, stop; /* bound from the start; listens when it is up */
    unsigned port;
    pthread_t thread;
    bool running;
    int held[HELD_MAX]; /* connections that are never answered */
    size_t n_held;
    pthread_mutex_t lock; /* over what follows */
    enum manner manner;
    unsigned delay_ms;
    struct heard heard;
};

static void complain(struct receiver *r, const char *what, const char *of)
{
    if (r->heard.wrong[0] == '\0') {
        (void)snprintf(r->heard.wrong, sizeof r->heard.wrong, "%s: %.300s", what, of);
    }
}

/* -------------------------------------------------------------- checking -- */

static bool header(const char *head, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);

    for (const char *line = strchr(head, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1 + strspn(line + len + 1, " ");
            (void)snprintf(out, size, "%.*s", (int)strcspn(value, "\r\n"), value);
            return true;
        }
    }
    return false;
}

/* As docs/api.md tells receivers to. */
static void check_signature(struct receiver *r, const char *head, const char *body, size_t len)
{
    char at[32] = "", given[100] = "", wanted[100];
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct hmac_sha256_ctx hmac;

    if (!header(head, "Podmgr-Timestamp", at, sizeof at) ||
        llabs(strtoll(at, NULL, 10) - (long long)time(NULL)) > FRESH_S) {
        complain(r, "no fresh timestamp", head);
    }
    if (header(head, "Podmgr-Signature", given, sizeof given) != (r->secret != NULL)) {
        complain(r, "signed without a secret, or the other way round", head);
    }
    if (r->secret == NULL) {
        return;
    }
    hmac_sha256_set_key(&hmac, strlen(r->secret), (const uint8_t *)r->secret);
    hmac_sha256_update(&hmac, strlen(at), (const uint8_t *)at);
    hmac_sha256_update(&hmac, 1, (const uint8_t *)".");
    hmac_sha256_update(&hmac, len, (const uint8_t *)body);
    hmac_sha256_digest(&hmac, sizeof digest, digest);
    int n = snprintf(wanted, sizeof wanted, "sha256=");
    for (size_t i = 0; i < sizeof digest; i++) {
        n += snprintf(wanted + n, sizeof wanted - (size_t)n, "%02x", digest[i]);
    }
    if (strcmp(wanted, given) != 0) {
        complain(r, "the signature is wrong", given);
    }
}

static uint64_t number(const json_t *json, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(json, key));
}

/* An event that is told again is what it was. */
static void check_again(struct receiver *r, const json_t *event)
{
    size_t i;
    json_t *known;

    r->heard.duplicates++;
    json_array_foreach(r->heard.events, i, known)
    {
        if (number(known, "seq") == number(event, "seq")) {
            if (!json_equal(known, event)) {
                complain(r, "the same number is another event", "");
            }
            return;
        }
    }
    complain(r, "an event comes late", "");
}

static void take_letter(struct receiver *r, const char *head, const json_t *letter)
{
    struct heard *heard = &r->heard;
    const char *incarnation = json_string_value(json_object_get(letter, "incarnation"));
    uint64_t after = number(letter, "after"), next = number(letter, "next"), last = 0;
    char delivery[160] = "";
    size_t i;
    json_t *event;

    (void)header(head, "Podmgr-Delivery", delivery, sizeof delivery);
    if (strcmp(json_string_value(json_object_get(letter, "delivery")), delivery) != 0) {
        complain(r, "header and body name other deliveries", delivery);
    }
    if (strcmp(heard->incarnation, incarnation) != 0) {
        (void)snprintf(heard->incarnation, sizeof heard->incarnation, "%s", incarnation);
        heard->next = after;
    }
    if (after > heard->next) {
        complain(r, "events are missing before", delivery);
    }
    json_array_foreach(json_object_get(letter, "events"), i, event)
    {
        uint64_t seq = number(event, "seq");
        if (strcmp(json_string_value(json_object_get(event, "type")), "webhook.test") == 0) {
            continue;
        }
        if (seq <= last || seq <= after || seq > next) {
            complain(r, "not in order, or not of its letter", delivery);
        }
        last = seq;
        if (seq <= heard->next) {
            check_again(r, event);
        } else {
            (void)json_array_append(heard->events, event);
        }
    }
    heard->next = next > heard->next ? next : heard->next;
    heard->letters++;
}

/* ------------------------------------------------------------ connection -- */

static void say(int fd, const char *text)
{
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Head and body, NULL if the peer hung up before that. */
static char *read_request(int fd, char **body, size_t *body_len)
{
    char *bytes = xcalloc(1, REQUEST_MAX + 1), length[32];
    size_t n = 0;

    while (n < REQUEST_MAX) {
        ssize_t got = recv(fd, bytes + n, REQUEST_MAX - n, 0);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
        char *end = strstr(bytes, "\r\n\r\n");
        if (end != NULL && header(bytes, "Content-Length", length, sizeof length)) {
            *body = end + 4;
            *body_len = strtoul(length, NULL, 10);
            if (n == (size_t)(*body - bytes) + *body_len) {
                return bytes;
            }
        }
    }
    free(bytes);
    return NULL;
}

static void never_stop(int fd)
{
    char bytes[4096];

    memset(bytes, 'x', sizeof bytes);
    say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    do {
        say(fd, "1000\r\n");
    } while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) > 0 &&
             send(fd, "\r\n", 2, MSG_NOSIGNAL) > 0);
}

/* False if the connection is to stay open. */
static bool answer(struct receiver *r, int fd, enum manner manner)
{
    char redirect[160];

    switch (manner) {
    case ANSWERS:
        say(fd, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        return true;
    case SAYS_500:
        say(fd, "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops");
        return true;
    case SAYS_GONE:
        say(fd, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return true;
    case REDIRECTS:
        (void)snprintf(redirect, sizeof redirect,
                       "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/other\r\n"
                       "Content-Length: 0\r\nConnection: close\r\n\r\n",
                       r->port);
        say(fd, redirect);
        return true;
    case BABBLES:
        say(fd, "\x01\xff\xfe HTTP is what others speak\n\n200 OK\n");
        return true;
    case IS_SILENT:
        return false;
    case NEVER_STOPS:
        never_stop(fd);
        return true;
    }
    abort();
}

static void serve_one(struct receiver *r, int fd)
{
    char *body = NULL;
    size_t len = 0;
    char *head = read_request(fd, &body, &len);

    (void)pthread_mutex_lock(&r->lock);
    enum manner manner = r->manner;
    unsigned delay_ms = r->delay_ms;
    r->heard.tries += head != NULL;
    if (head != NULL) {
        check_signature(r, head, body, len);
        if (strncmp(head, "POST /hook?who=me HTTP/1.1\r\n", 28) != 0) {
            complain(r, "not what was asked for", head);
        }
    }
    if (head != NULL && (manner == ANSWERS || manner == NEVER_STOPS)) {
        json_t *letter = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
        take_letter(r, head, letter);
        json_decref(letter);
    }
    (void)pthread_mutex_unlock(&r->lock);
    free(head);
    (void)poll(NULL, 0, (int)delay_ms);
    if (head == NULL || answer(r, fd, manner) || r->n_held == HELD_MAX) {
        (void)close(fd);
    } else {
        r->held[r->n_held++] = fd;
    }
}

static void *serve(void *arg)
{
    struct receiver *r = arg;

    for (;;) {
        struct pollfd fds[] = {{.fd = r->stop, .events = POLLIN}, {.fd = r->fd, .events = POLLIN}};
        (void)poll(fds, 2, -1);
        if (fds[0].revents != 0) {
            return NULL;
        }
        int fd = accept(r->fd, NULL, NULL);
        if (fd >= 0) {
            serve_one(r, fd);
        }
    }
}

/* -------------------------------------------------------------- lifetime -- */

struct receiver *receiver_create(const char *secret)
{
    struct receiver *r = xcalloc(1, sizeof *r);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    r->secret = secret;
    r->heard.events = json_array();
    (void)pthread_mutex_init(&r->lock, NULL);
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r->stop = eventfd(0, EFD_CLOEXEC);
    assert(bind(r->fd, (struct sockaddr *)&at, sizeof at) == 0);
    assert(getsockname(r->fd, (struct sockaddr *)&at, &len) == 0);
    r->port = ntohs(at.sin_port);
    return r;
}

void receiver_up(struct receiver *r)
{
    assert(!r->running && listen(r->fd, 16) == 0);
    r->running = true;
    assert(pthread_create(&r->thread, NULL, serve, r) == 0);
}

void receiver_destroy(struct receiver *r)
{
    if (r->running) {
        (void)eventfd_write(r->stop, 1);
        (void)pthread_join(r->thread, NULL);
    }
    for (size_t i = 0; i < r->n_held; i++) {
        (void)close(r->held[i]);
    }
    (void)close(r->fd);
    (void)close(r->stop);
    json_decref(r->heard.events);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

unsigned receiver_port(const struct receiver *r)
{
    return r->port;
}

void receiver_behave(struct receiver *r, enum manner manner)
{
    (void)pthread_mutex_lock(&r->lock);
    r->manner = manner;
    (void)pthread_mutex_unlock(&r->lock);
}

void receiver_delay(struct receiver *r, unsigned ms)
{
    (void)pthread_mutex_lock(&r->lock);
    r->delay_ms = ms;
    (void)pthread_mutex_unlock(&r->lock);
}

struct heard receiver_heard(struct receiver *r)
{
    (void)pthread_mutex_lock(&r->lock);
    struct heard heard = r->heard;
    heard.events = json_deep_copy(r->heard.events);
    (void)pthread_mutex_unlock(&r->lock);
    return heard;
}

void heard_fini(struct heard *heard)
{
    json_decref(heard->events);
}
