/* The only file that knows libmicrohttpd.
 *
 * Two daemons (TCP, Unix socket) without threads of their own; their epoll
 * descriptors are polled by our loop.  A request whose answer must wait is
 * suspended and resumed; at stop all are resumed first, since libmicrohttpd
 * aborts otherwise. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api.h"
#include "api/http.h"
#include "log.h"
#include "mem.h"

enum { SWEEP_MS = 20, MEMORY_PER_CONNECTION = 32 << 10, DESCRIPTORS_MIN = 2048 };

/* libmicrohttpd's own timeout begins again with each byte, so a client that
 * dribbles its head would hold its connection for ever: we watch the time from
 * the accept, or the answer before, to the end of the head. */
struct connection {
    struct connection *next, **link;
    int fd;
    uint64_t waits_since_ms; /* for a head; 0: a request is under way */
};

struct listener {
    struct api *api;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    bool is_unix;
    bool open;
};

struct api {
    struct podmgr *p;
    struct listener tcp, local;
    uv_timer_t sweep;
    int open_handles;
    bool stopping;
    struct request *deferred; /* suspended requests */
    struct connection *connections;
    uint64_t next_cookie;
    char socket_path[sizeof((struct sockaddr_un *)0)->sun_path];
};

/* ----------------------------------------------------------- requests -- */

const char *request_query(const struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(const struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

struct name_check {
    const char *const *names;
    size_t n;
    uint32_t seen; /* bit i: names[i] was there */
    char bad[64];
    const char *code, *why; /* NULL: all is well */
};

static enum MHD_Result check_name(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    struct name_check *check = cls;

    (void)kind;
    (void)snprintf(check->bad, sizeof check->bad, "%s", key);
    for (size_t i = 0; i < check->n; i++) {
        if (strcmp(key, check->names[i]) != 0) {
            continue;
        }
        bool repeated = (check->seen & 1U << i) != 0;
        check->seen |= 1U << i;
        check->code = "invalid-parameter";
        check->why = repeated ? "is repeated" : value == NULL ? "has no value" : NULL;
        return check->why == NULL ? MHD_YES : MHD_NO;
    }
    check->code = "unknown-parameter";
    check->why = "is not known here";
    return MHD_NO;
}

bool request_query_is(struct request *req, const char *const *names, size_t n)
{
    struct name_check check = {.names = names, .n = n};

    (void)MHD_get_connection_values(req->connection, MHD_GET_ARGUMENT_KIND, check_name, &check);
    if (check.why != NULL) {
        respond_problem(req, 400, check.code, check.bad, "%s: parameter '%s' %s", req->route->path,
                        check.bad, check.why);
    }
    return check.why == NULL;
}

bool request_read_wait(struct request *req)
{
    const char *text = request_query(req, "wait");
    char *end;

    if (text == NULL) {
        return true;
    }
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    unsigned long unit_ms = strcmp(end, "ms") == 0  ? 1
                            : strcmp(end, "s") == 0 ? 1000
                            : strcmp(end, "m") == 0 ? 60000
                                                    : 0;
    if (text[0] < '0' || text[0] > '9' || unit_ms == 0 || errno != 0 ||
        n > API_WAIT_MAX_MS / unit_ms) {
        respond_problem(req, 400, "invalid-parameter", "wait",
                        "wait: '%.32s' is not a duration up to %d s, such as 30s or 500ms", text,
                        API_WAIT_MAX_MS / 1000);
        return false;
    }
    req->wait_ms = (unsigned)(n * unit_ms);
    return true;
}

bool request_read_number(struct request *req, const char *name, uint64_t min, uint64_t max,
                         uint64_t *out)
{
    const char *text = request_query(req, name);
    char *end;

    if (text == NULL) {
        return true;
    }
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n < min || n > max) {
        respond_problem(req, 400, "invalid-parameter", name,
                        "%s: '%.32s' is not a number from %" PRIu64 " to %" PRIu64, name, text, min,
                        max);
        return false;
    }
    *out = n;
    return true;
}

static void request_free(struct request *req)
{
    free(req->body);
    free(req->answer);
    json_decref(req->last_seen);
    free(req);
}

void request_hold(struct request *req)
{
    req->deadline_ms = uv_now(req->p->loop) + req->wait_ms;
    req->next = req->api->deferred;
    req->api->deferred = req;
    MHD_suspend_connection(req->connection);
}

void request_defer(struct request *req, struct event *ev)
{
    req->cookie = ev->cookie = req->api->next_cookie++;
    memcpy(ev->who, req->who, sizeof ev->who);
    podmgr_post(req->p, ev);
    request_hold(req);
}

/* ----------------------------------------------------- deferred answers -- */

static void resume(struct request **at)
{
    struct request *req = *at;

    assert(req->status != 0);
    *at = req->next;
    MHD_resume_connection(req->connection);
}

static bool slice_wait_is_over(const struct request *req, bool timed_out)
{
    const struct slice *slice = model_slice(req->p->model, req->slice);

    if (timed_out || slice == NULL) {
        return true;
    }
    /* A delete that could not finish leaves the slice FAILED. */
    return req->wait == WAIT_DELETED ? slice->state == SLICE_FAILED
                                     : slice_state_settled(slice->state);
}

/* Answers the request if what it waits for has come. */
static bool try_answer(struct request *req, uint64_t now_ms)
{
    bool timed_out = now_ms >= req->deadline_ms || req->api->stopping;

    if (req->cookie != 0) {
        return false; /* the core has it: its answer decides, and it always comes */
    }
    switch (req->wait) {
    case WAIT_NOTHING:
    case WAIT_BACKUP: /* request_release() ends it */
        return false;
    case WAIT_SETTLED:
    case WAIT_DELETED:
        if (slice_wait_is_over(req, timed_out)) {
            answer_slice(req);
            return true;
        }
        return false;
    case WAIT_EVENTS:
        return answer_events(req, timed_out);
    }
    abort();
}

static void answer_what_can_be(struct api *api)
{
    uint64_t now_ms = uv_now(api->p->loop);

    for (struct request **at = &api->deferred; *at != NULL;) {
        if (try_answer(*at, now_ms)) {
            resume(at);
        } else {
            at = &(*at)->next;
        }
    }
}

void api_reply(struct api *api, const struct effect *effect)
{
    for (struct request **at = &api->deferred; *at != NULL; at = &(*at)->next) {
        struct request *req = *at;
        if (req->cookie != effect->cookie) {
            continue;
        }
        req->cookie = 0;
        if (effect->reply.status < 0) {
            respond_problem(req, http_status_of(effect->reply.status), effect->reply.code, NULL,
                            "%s", effect->reply.text);
            resume(at);
            return;
        }
        req->slice = effect->id;
        if (req->wait_ms == 0) {
            answer_slice(req);
            resume(at);
        }
        return;
    }
}

static void run_daemon(struct listener *listener);

void request_release(struct request *req)
{
    struct api *api = req->api;

    for (struct request **at = &api->deferred; *at != NULL; at = &(*at)->next) {
        if (*at == req) {
            resume(at);
            break;
        }
    }
    run_daemon(&api->tcp);
    run_daemon(&api->local);
}

void api_batch_done(struct api *api, const struct outbox *batch)
{
    if (batch->n_journal > 0) {
        answer_what_can_be(api);
    }
    run_daemon(&api->tcp);
    run_daemon(&api->local);
}

/* ---------------------------------------------------------- connection -- */

static void identify_tcp(struct request *req, int fd)
{
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof peer;
    char address[INET_ADDRSTRLEN] = "?";

    req->role = ROLE_VIEWER; /* loopback without authentication */
    (void)getpeername(fd, (struct sockaddr *)&peer, &len);
    (void)inet_ntop(AF_INET, &peer.sin_addr, address, sizeof address);
    (void)snprintf(req->who, sizeof req->who, "tcp %s:%u %s", address, ntohs(peer.sin_port),
                   role_name(req->role));
}

static void identify_unix(struct request *req, int fd)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        return; /* ROLE_NONE */
    }
    req->role = cred.uid == 0 || cred.uid == geteuid() ? ROLE_ADMIN : ROLE_VIEWER;
    (void)snprintf(req->who, sizeof req->who, "unix uid %u pid %d %s", cred.uid, cred.pid,
                   role_name(req->role));
}

/* Who it is, as the audit will name it, and what it may do. */
static void identify(struct request *req, const struct listener *listener,
                     struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (info != NULL && listener->is_unix) {
        identify_unix(req, info->connect_fd);
    } else if (info != NULL) {
        identify_tcp(req, info->connect_fd);
    }
}

static enum MHD_Result queue_answer(struct request *req)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(req->answer_len, req->answer, MHD_RESPMEM_MUST_FREE);
    char text[16];

    req->answer = NULL;
    (void)MHD_add_response_header(response, "Content-Type", req->content_type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    if (req->location[0] != '\0') {
        (void)MHD_add_response_header(response, "Location", req->location);
    }
    if (req->allow[0] != '\0') {
        (void)MHD_add_response_header(response, "Allow", req->allow);
    }
    if (req->etag[0] != '\0') {
        (void)MHD_add_response_header(response, "ETag", req->etag);
    }
    if (req->retry_after_s != 0) {
        (void)snprintf(text, sizeof text, "%u", req->retry_after_s);
        (void)MHD_add_response_header(response, "Retry-After", text);
    }
    if (req->status == 413) {
        (void)MHD_add_response_header(response, "Connection", "close");
    }
    enum MHD_Result result = MHD_queue_response(req->connection, (unsigned)req->status, response);
    MHD_destroy_response(response);
    metrics_count_request(req);
    return result;
}

/* Everything that can be judged before the body is read. */
static void check_head(struct request *req, const char *method, const char *url)
{
    const char *length = request_header(req, "Content-Length");
    int fields = MHD_get_connection_values(req->connection, MHD_HEADER_KIND, NULL, NULL);
    size_t bytes = MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
                       ->header_size;

    if (fields > API_HEADER_FIELDS_MAX) {
        respond_problem(req, 431, "too-many-headers", NULL, "%d header fields, at most %d", fields,
                        API_HEADER_FIELDS_MAX);
        return;
    }
    if (bytes > API_HEADER_BYTES_MAX) {
        respond_problem(req, 431, "headers-too-large", NULL, "%zu bytes of headers, at most %d",
                        bytes, API_HEADER_BYTES_MAX);
        return;
    }
    req->route = route_find(method, url, req->id, sizeof req->id, req->allow);
    if (req->route == NULL && req->allow[0] == '\0') {
        respond_problem(req, 404, "no-such-path", NULL, "%.120s is not served; see /openapi.json",
                        url);
    } else if (req->route == NULL) {
        respond_problem(req, 405, "method-not-allowed", NULL, "%.16s %.120s is not served, but %s",
                        method, url, req->allow);
    } else if (req->role < req->route->role) {
        respond_problem(req, 403, "denied", NULL,
                        "%s %s needs role '%s', this connection has '%s'; use the Unix socket as "
                        "an authorised user",
                        method, req->route->path, role_name(req->route->role),
                        role_name(req->role));
    } else if (length != NULL && strtoull(length, NULL, 10) > API_BODY_MAX) {
        respond_problem(req, 413, "body-too-large", NULL, "%s bytes, at most %d", length,
                        API_BODY_MAX);
    }
}

/* False to cut the connection: libmicrohttpd cannot answer within a body, so
 * what follows a refusal is read and dropped, but not without end. */
static bool take_body(struct request *req, const char *data, size_t len)
{
    if (req->status != 0) {
        req->discarded += len;
        return req->discarded <= API_DISCARD_MAX;
    }
    if (req->body_len + len > API_BODY_MAX) {
        respond_problem(req, 413, "body-too-large", NULL, "more than %d bytes", API_BODY_MAX);
        return true;
    }
    if (req->body_len + len > req->body_cap) {
        req->body_cap = 2 * (req->body_len + len);
        req->body = xrealloc_array(req->body, req->body_cap, 1);
    }
    memcpy(req->body + req->body_len, data, len);
    req->body_len += len;
    return true;
}

/* ------------------------------------------------------ header deadline -- */

static void on_connection(void *cls, struct MHD_Connection *connection, void **slot,
                          enum MHD_ConnectionNotificationCode code)
{
    struct listener *listener = cls;
    struct connection *c = *slot;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        *c->link = c->next;
        if (c->next != NULL) {
            c->next->link = c->link;
        }
        free(c);
        return;
    }
    c = *slot = xcalloc(1, sizeof *c);
    c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->waits_since_ms = uv_now(listener->api->p->loop);
    c->next = listener->api->connections;
    c->link = &listener->api->connections;
    if (c->next != NULL) {
        c->next->link = &c->next;
    }
    listener->api->connections = c;
}

static struct connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* Only shut down: libmicrohttpd sees the end of the stream and closes it. */
static void cut_slow_heads(struct api *api)
{
    uint64_t now_ms = uv_now(api->p->loop);

    for (struct connection *c = api->connections; c != NULL; c = c->next) {
        if (c->waits_since_ms != 0 && now_ms - c->waits_since_ms >= API_HEADER_DEADLINE_S * 1000) {
            c->waits_since_ms = 0;
            (void)shutdown(c->fd, SHUT_RDWR);
        }
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct api *api = timer->data;

    cut_slow_heads(api);
    answer_what_can_be(api);
}

/* ------------------------------------------------------------- requests -- */

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_size, void **slot)
{
    struct listener *listener = cls;
    struct request *req = *slot;

    (void)version;
    if (req == NULL) {
        req = xcalloc(1, sizeof *req);
        *slot = req;
        req->api = listener->api;
        req->p = listener->api->p;
        req->connection = connection;
        req->started_ns = uv_hrtime();
        identify(req, listener, connection);
        connection_of(connection)->waits_since_ms = 0;
        check_head(req, method, url);
        return req->status == 413 ? queue_answer(req) : MHD_YES;
    }
    if (*data_size > 0) {
        bool go_on = take_body(req, data, *data_size);
        *data_size = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    if (req->status == 0) {
        req->route->handler(req);
    }
    return req->status != 0 ? queue_answer(req) : MHD_YES; /* else it is suspended */
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code)
{
    const struct listener *listener = cls;

    (void)code;
    connection_of(connection)->waits_since_ms = uv_now(listener->api->p->loop);
    if (*slot != NULL) {
        request_free(*slot);
        *slot = NULL;
    }
}

/* ------------------------------------------------------------ listeners -- */

static void on_due(uv_timer_t *timer);

static void run_daemon(struct listener *listener)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    if (!listener->open) {
        return;
    }
    (void)MHD_run(listener->daemon);
    if (MHD_get_timeout(listener->daemon, &timeout_ms) == MHD_YES) {
        (void)uv_timer_start(&listener->timer, on_due, timeout_ms, 0);
    } else {
        (void)uv_timer_stop(&listener->timer);
    }
}

static void on_due(uv_timer_t *timer)
{
    run_daemon(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run_daemon(poll->data);
}

/* "%00" stays as it is: behind a NUL, part of a name would go unread. */
static size_t unescape(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strstr(text, "%00") != NULL ? strlen(text) : MHD_http_unescape(text);
}

static void log_from_mhd(void *cls, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void log_from_mhd(void *cls, const char *fmt, va_list ap)
{
    char text[256];

    (void)cls;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    log_warning("http", "%s", text);
}

static int start_daemon(struct listener *listener, int fd, unsigned limit, unsigned per_peer,
                        struct error *err)
{
    struct api *api = listener->api;

    listener->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access,
        listener, MHD_OPTION_EXTERNAL_LOGGER, log_from_mhd, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, listener, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, listener, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
        MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_peer,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)API_HEADER_DEADLINE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_END);
    if (listener->daemon == NULL) {
        (void)close(fd);
        return err_set(err, E_IO, "cannot start the HTTP server");
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    (void)uv_poll_init(api->p->loop, &listener->poll, info->epoll_fd);
    (void)uv_timer_init(api->p->loop, &listener->timer);
    listener->poll.data = listener->timer.data = listener;
    (void)uv_poll_start(&listener->poll, UV_READABLE, on_ready);
    listener->open = true;
    api->open_handles += 2;
    return 0;
}

static int listen_tcp(struct api *api, struct error *err)
{
    const struct config *config = api->p->config;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(config->http_port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || inet_pton(AF_INET, config->http_address, &addr.sin_addr) != 1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, 128) != 0) {
        int cause = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return err_set(err, E_IO, "cannot listen on %s:%u: %s", config->http_address,
                       config->http_port, strerror(cause));
    }
    return start_daemon(&api->tcp, fd, API_CONNECTIONS - API_CONNECTIONS_LOCAL,
                        API_CONNECTIONS_PER_PEER, err);
}

/* Everybody on the machine may read; what a peer may do is its uid's role. */
static int listen_unix(struct api *api, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const char *path = api->p->config->http_socket;
    struct stat st;

    if (strlen(path) >= sizeof addr.sun_path) {
        return err_set(err, E_IO, "socket path %s is longer than %zu characters", path,
                       sizeof addr.sun_path - 1);
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        (void)unlink(path); /* the database lock proves that no podmgr serves it */
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || chmod(path, 0666) != 0 ||
        listen(fd, 128) != 0) {
        int cause = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return err_set(err, E_IO, "cannot listen on %s: %s", path, strerror(cause));
    }
    memcpy(api->socket_path, addr.sun_path, sizeof api->socket_path);
    return start_daemon(&api->local, fd, API_CONNECTIONS_LOCAL, 0, err);
}

uint16_t api_port(const struct api *api)
{
    const union MHD_DaemonInfo *info =
        api->tcp.open ? MHD_get_daemon_info(api->tcp.daemon, MHD_DAEMON_INFO_LISTEN_FD) : NULL;
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof addr;

    if (info == NULL || getsockname(info->listen_fd, (struct sockaddr *)&addr, &len) != 0) {
        return 0;
    }
    return ntohs(addr.sin_port);
}

/* The usual soft limit is 1,024, less than connections, switches and files. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MIN) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MIN ? limit.rlim_max : DESCRIPTORS_MIN;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int api_create(struct api **out, struct podmgr *p, struct error *err)
{
    struct api *api = xcalloc(1, sizeof *api);
    int status = 0;

    allow_descriptors();
    api->p = p;
    api->next_cookie = 1;
    api->tcp.api = api->local.api = api;
    api->local.is_unix = true;
    (void)uv_timer_init(p->loop, &api->sweep);
    api->sweep.data = api;
    api->open_handles = 1;
    (void)uv_timer_start(&api->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    if (p->config->http_address != NULL) {
        status = listen_tcp(api, err);
    }
    if (status == 0) {
        status = listen_unix(api, err);
    }
    if (status < 0) {
        api_destroy(api);
        return status;
    }
    *out = api;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct api *api = handle->data;

    if (--api->open_handles == 0) {
        free(api);
    }
}

static void stop_listener(struct listener *listener)
{
    if (listener->open) {
        listener->open = false;
        (void)uv_poll_stop(&listener->poll);
        (void)MHD_run(listener->daemon); /* resumed requests get their answers out */
        MHD_stop_daemon(listener->daemon);
        listener->poll.data = listener->timer.data = listener->api;
        uv_close((uv_handle_t *)&listener->poll, on_closed);
        uv_close((uv_handle_t *)&listener->timer, on_closed);
    }
}

void api_destroy(struct api *api)
{
    if (api == NULL) {
        return;
    }
    api->stopping = true;
    while (api->deferred != NULL) {
        struct request *req = api->deferred;
        if (req->cookie != 0 || req->wait == WAIT_NOTHING || req->wait == WAIT_BACKUP) {
            respond_problem(req, 503, "stopping", NULL, "podmgr is stopping; ask again");
        } else {
            (void)try_answer(req, UINT64_MAX);
        }
        resume(&api->deferred);
    }
    stop_listener(&api->tcp);
    stop_listener(&api->local);
    if (api->socket_path[0] != '\0') {
        (void)unlink(api->socket_path);
    }
    uv_close((uv_handle_t *)&api->sweep, on_closed);
}
