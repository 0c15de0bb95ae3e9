#include "sp.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum {
    GREETING_LEN = 8,
    PREFIX_LEN = 9,       /* a type, always 1, and the length; on tcp without the type */
    READ_MIN = 64 << 10,  /* room offered to one read, at least */
    KEEP_MAX = 256 << 10, /* an empty buffer above this is given back */
};

struct sp_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } uv;
    uv_connect_t connect;
    enum sp_protocol self;
    bool ipc;
    bool greeted; /* by the peer */
    bool closing;
    size_t max_bytes;
    const struct sp_events *events;
    void *arg;
    uint8_t *in; /* what was read and not yet taken */
    size_t n_in, cap_in;
};

/* Packed for ipc; on tcp the first byte, the type, is left out. */
struct sp_frame {
    uv_write_t request;
    struct sp_conn *conn;
    size_t len;
    uint8_t bytes[];
};

static size_t prefix_len(const struct sp_conn *conn)
{
    return conn->ipc ? PREFIX_LEN : PREFIX_LEN - 1;
}

static void on_closed(uv_handle_t *handle)
{
    struct sp_conn *conn = handle->data;

    free(conn->in);
    free(conn);
}

void sp_close(struct sp_conn *conn)
{
    if (!conn->closing) {
        conn->closing = true;
        uv_close(&conn->uv.handle, on_closed);
    }
}

static void lose(struct sp_conn *conn)
{
    if (!conn->closing) {
        sp_close(conn);
        conn->events->lost(conn->arg, conn);
    }
}

/* -------------------------------------------------------------- sending -- */

static struct sp_frame *frame_alloc(size_t len)
{
    struct sp_frame *frame = xmalloc(sizeof *frame + len);

    frame->len = len;
    return frame;
}

struct sp_frame *sp_frame_create(const uint8_t *header, size_t header_len,
                                 const ProtobufCMessage *body)
{
    uint64_t len = header_len + protobuf_c_message_get_packed_size(body);
    struct sp_frame *frame = frame_alloc(PREFIX_LEN + len);

    frame->bytes[0] = 1;
    for (unsigned i = 1; i < PREFIX_LEN; i++) {
        frame->bytes[i] = (uint8_t)(len >> (8 * (PREFIX_LEN - 1 - i)));
    }
    memcpy(frame->bytes + PREFIX_LEN, header, header_len);
    (void)protobuf_c_message_pack(body, frame->bytes + PREFIX_LEN + header_len);
    return frame;
}

void sp_frame_destroy(struct sp_frame *frame)
{
    free(frame);
}

static void on_written(uv_write_t *request, int status)
{
    struct sp_frame *frame = (struct sp_frame *)request;

    if (status < 0) {
        lose(frame->conn);
    }
    sp_frame_destroy(frame);
}

static void put(struct sp_conn *conn, struct sp_frame *frame, size_t skip)
{
    uv_buf_t buf = uv_buf_init((char *)frame->bytes + skip, (unsigned)(frame->len - skip));

    frame->conn = conn;
    if (uv_write(&frame->request, &conn->uv.stream, &buf, 1, on_written) != 0) {
        sp_frame_destroy(frame); /* reading will find the connection lost */
    }
}

void sp_send(struct sp_conn *conn, struct sp_frame *frame)
{
    assert(conn->greeted && !conn->closing);
    put(conn, frame, PREFIX_LEN - prefix_len(conn));
}

static void send_greeting(struct sp_conn *conn)
{
    const uint8_t greeting[GREETING_LEN] = {0, 'S', 'P', 0, 0, (uint8_t)conn->self, 0, 0};
    struct sp_frame *frame = frame_alloc(GREETING_LEN);

    memcpy(frame->bytes, greeting, sizeof greeting);
    put(conn, frame, 0);
}

size_t sp_unsent(const struct sp_conn *conn)
{
    return uv_stream_get_write_queue_size(&conn->uv.stream);
}

/* ------------------------------------------------------------ receiving -- */

/* Makes room so that `need` bytes in all fit. */
static void reserve(struct sp_conn *conn, size_t need)
{
    if (need > conn->cap_in) {
        conn->in = xrealloc_array(conn->in, need, 1);
        conn->cap_in = need;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct sp_conn *conn = handle->data;

    (void)suggested;
    if (conn->cap_in - conn->n_in < READ_MIN / 2) {
        reserve(conn, conn->n_in + READ_MIN);
    }
    *buf = uv_buf_init((char *)conn->in + conn->n_in, (unsigned)(conn->cap_in - conn->n_in));
}

/* The length of the first message in `in`; false until it is known. */
static bool message_len(const struct sp_conn *conn, const uint8_t *in, size_t n, uint64_t *len)
{
    size_t prefix = prefix_len(conn);

    if (n < prefix) {
        return false;
    }
    *len = 0;
    for (size_t i = prefix - 8; i < prefix; i++) {
        *len = *len << 8 | in[i];
    }
    return true;
}

/* Takes whole messages from the buffer; returns the bytes taken. */
static size_t take_messages(struct sp_conn *conn)
{
    size_t taken = 0, prefix = prefix_len(conn);
    uint64_t len;

    if (conn->in == NULL) {
        return 0; /* the greeting was all */
    }
    while (!conn->closing && message_len(conn, conn->in + taken, conn->n_in - taken, &len)) {
        const uint8_t *message = conn->in + taken;
        if (len > conn->max_bytes || (conn->ipc && message[0] != 1)) {
            lose(conn);
            break;
        }
        if (conn->n_in - taken < prefix + len) {
            reserve(conn, taken + prefix + len); /* it comes in as few reads as can be */
            break;
        }
        taken += prefix + len;
        conn->events->message(conn->arg, conn, message + prefix, len);
    }
    return taken;
}

static size_t take_greeting(struct sp_conn *conn)
{
    enum sp_protocol peer = conn->self == SP_REQ ? SP_REP : SP_REQ;
    const uint8_t expected[GREETING_LEN] = {0, 'S', 'P', 0, 0, (uint8_t)peer};

    if (conn->greeted || conn->n_in < GREETING_LEN) {
        return 0;
    }
    if (memcmp(conn->in, expected, GREETING_LEN - 2) != 0) { /* the last two are reserved */
        lose(conn);
        return 0;
    }
    conn->greeted = true;
    conn->events->ready(conn->arg, conn);
    return GREETING_LEN;
}

static void drop_taken(struct sp_conn *conn, size_t taken)
{
    conn->n_in -= taken;
    if (conn->n_in > 0) {
        memmove(conn->in, conn->in + taken, conn->n_in);
    } else if (conn->cap_in > KEEP_MAX) {
        free(conn->in);
        conn->in = NULL;
        conn->cap_in = 0;
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct sp_conn *conn = stream->data;

    (void)buf;
    if (n < 0) {
        lose(conn);
        return;
    }
    conn->n_in += (size_t)n;
    drop_taken(conn, take_greeting(conn));
    if (conn->greeted) {
        drop_taken(conn, take_messages(conn));
    }
}

static bool start(struct sp_conn *conn)
{
    send_greeting(conn);
    return uv_read_start(&conn->uv.stream, on_alloc, on_read) == 0;
}

/* ----------------------------------------------------------- life cycle -- */

static struct sp_conn *conn_create(uv_loop_t *loop, bool ipc, enum sp_protocol self,
                                   size_t max_bytes, const struct sp_events *events, void *arg)
{
    struct sp_conn *conn = xcalloc(1, sizeof *conn);

    conn->ipc = ipc;
    conn->self = self;
    conn->max_bytes = max_bytes;
    conn->events = events;
    conn->arg = arg;
    if (ipc) {
        (void)uv_pipe_init(loop, &conn->uv.pipe, 0);
    } else {
        (void)uv_tcp_init(loop, &conn->uv.tcp);
    }
    conn->uv.handle.data = conn;
    (void)signal(SIGPIPE, SIG_IGN); /* writing to who is gone is an error, not an end */
    return conn;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct sp_conn *conn = request->data;

    if (conn->closing) {
        return;
    }
    if (status < 0) {
        lose(conn);
        return;
    }
    if (!conn->ipc) {
        (void)uv_tcp_nodelay(&conn->uv.tcp, 1);
    }
    if (!start(conn)) {
        lose(conn);
    }
}

struct sp_conn *sp_connect(uv_loop_t *loop, const struct sp_address *to, enum sp_protocol self,
                           size_t max_bytes, const struct sp_events *events, void *arg)
{
    struct sp_conn *conn = conn_create(loop, to->ipc, self, max_bytes, events, arg);

    conn->connect.data = conn;
    if (to->ipc) {
        uv_pipe_connect(&conn->connect, &conn->uv.pipe, to->path, on_connected);
    } else if (uv_tcp_connect(&conn->connect, &conn->uv.tcp, (const struct sockaddr *)&to->tcp,
                              on_connected) != 0) {
        sp_close(conn);
        return NULL;
    }
    return conn;
}

struct sp_conn *sp_accept(uv_stream_t *listener, enum sp_protocol self, size_t max_bytes,
                          const struct sp_events *events, void *arg)
{
    struct sp_conn *conn =
        conn_create(listener->loop, listener->type == UV_NAMED_PIPE, self, max_bytes, events, arg);

    if (uv_accept(listener, &conn->uv.stream) != 0) {
        sp_close(conn);
        return NULL;
    }
    if (!conn->ipc) {
        (void)uv_tcp_nodelay(&conn->uv.tcp, 1);
    }
    if (!start(conn)) {
        sp_close(conn);
        return NULL;
    }
    return conn;
}
