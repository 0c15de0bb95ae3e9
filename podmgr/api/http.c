/* The only file that knows libmicrohttpd.
 *
 * Two daemons (TCP, Unix socket) without threads of their own; their epoll
 * descriptors are polled by our loop. */
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/server.h"
#include "log.h"
#include "mem.h"

enum { SWEEP_MS = 20, MEMORY_PER_CONNECTION = 32 << 10 };

/* ----------------------------------------------------------- requests -- */

const char *request_query(const struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(const struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

struct each_query {
    query_fn *each;
    void *arg;
};

static enum MHD_Result pass_query(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    const struct each_query *q = cls;

    (void)kind;
    return q->each(q->arg, key, value) ? MHD_YES : MHD_NO;
}

void http_each_query(const struct request *req, query_fn *each, void *arg)
{
    struct each_query q = {each, arg};

    (void)MHD_get_connection_values(req->connection, MHD_GET_ARGUMENT_KIND, pass_query, &q);
}

static void request_free(struct request *req)
{
    free(req->body);
    free(req->answer);
    json_decref(req->last_seen);
    free(req);
}

static struct connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void http_suspend(struct request *req)
{
    peer_enters(req->api, connection_of(req->connection), PHASE_HELD);
    MHD_suspend_connection(req->connection);
}

void http_resume(struct request *req)
{
    MHD_resume_connection(req->connection);
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
    peer_enters(req->api, connection_of(req->connection), PHASE_ANSWER);
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

/* ---------------------------------------------------------- connection -- */

static void on_connection(void *cls, struct MHD_Connection *connection, void **slot,
                          enum MHD_ConnectionNotificationCode code)
{
    const struct listener *listener = cls;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        peer_left(*slot);
    } else {
        *slot = peer_arrived(
            listener->api,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
            listener->is_unix);
    }
}

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
        peer_identify(connection_of(connection), req);
        peer_enters(req->api, connection_of(connection), PHASE_BODY);
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
    peer_enters(listener->api, connection_of(connection), PHASE_HEAD);
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

void http_run(struct api *api)
{
    run_daemon(&api->tcp);
    run_daemon(&api->local);
}

static void on_sweep(uv_timer_t *timer)
{
    struct api *api = timer->data;

    peers_cut_slow(api);
    waiting_answer_what_can_be(api);
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

static int serve_tcp(struct api *api, struct error *err)
{
    int fd = listen_tcp(api->p->config, err);

    return fd < 0 ? fd
                  : start_daemon(&api->tcp, fd, API_CONNECTIONS - API_CONNECTIONS_LOCAL,
                                 API_CONNECTIONS_PER_PEER, err);
}

static int serve_unix(struct api *api, struct error *err)
{
    int fd = listen_unix(api->p->config->http_socket, err);

    if (fd < 0) {
        return fd;
    }
    (void)snprintf(api->socket_path, sizeof api->socket_path, "%s", api->p->config->http_socket);
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

int api_create(struct api **out, struct podmgr *p, struct error *err)
{
    struct api *api = xcalloc(1, sizeof *api);
    int status = 0;

    listen_allow_descriptors();
    api->p = p;
    api->next_cookie = 1;
    api->tcp.api = api->local.api = api;
    api->local.is_unix = true;
    (void)uv_timer_init(p->loop, &api->sweep);
    api->sweep.data = api;
    api->open_handles = 1;
    (void)uv_timer_start(&api->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    if (p->config->http_address != NULL) {
        status = serve_tcp(api, err);
    }
    if (status == 0) {
        status = serve_unix(api, err);
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
    waiting_end(api);
    stop_listener(&api->tcp);
    stop_listener(&api->local);
    if (api->socket_path[0] != '\0') {
        (void)unlink(api->socket_path);
    }
    uv_close((uv_handle_t *)&api->sweep, on_closed);
}
