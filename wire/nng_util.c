#include "nng_util.h"

int nng_failed(struct error *err, const char *what, const char *url, int rv)
{
    return err_set(err, E_IO, "cannot %s %s: %s", what, url, nng_strerror(rv));
}

int nng_poll_start(uv_loop_t *loop, nng_socket socket, uv_poll_t *poll, uv_poll_cb on_readable)
{
    int fd;
    int rv = nng_socket_get_int(socket, NNG_OPT_RECVFD, &fd);

    if (rv == 0 && uv_poll_init(loop, poll, fd) != 0) {
        rv = NNG_EINVAL;
    }
    if (rv == 0) {
        (void)uv_poll_start(poll, UV_READABLE, on_readable);
    }
    return rv;
}

nng_msg *nng_msg_packed(const ProtobufCMessage *message)
{
    nng_msg *msg;

    if (nng_msg_alloc(&msg, protobuf_c_message_get_packed_size(message)) != 0) {
        return NULL;
    }
    (void)protobuf_c_message_pack(message, nng_msg_body(msg));
    return msg;
}
