/* Receivers of webhooks that speak TLS, on free ports of loopback: one whose
 * certificate podmgr is told to trust, and one that nobody knows.  Both are for
 * 127.0.0.1, made for this test alone, and good for a hundred years:
 *
 *   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes
 *       -days 36500 -subj "/CN=webhook test good" -addext subjectAltName=IP:127.0.0.1 */
#include "tls_receiver.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

const char tls_trusted_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBoTCCAUagAwIBAgIUTh6fOGW/y+ElTWexV3vQQ7XbefcwCgYIKoZIzj0EAwIw\n"
    "HDEaMBgGA1UEAwwRd2ViaG9vayB0ZXN0IGdvb2QwIBcNMjYxMTIxMTU1MTAxWhgP\n"
    "MjEyNjEwMjgxNTUxMDFaMBwxGjAYBgNVBAMMEXdlYmhvb2sgdGVzdCBnb29kMFkw\n"
    "EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExoAUjhsrQlofSNNibe2AWioIz+cbV4JL\n"
    "P7GhEBGit7mHyy6zly/09JcKr4jQZR59wMdngnDVtD5FVJV2NV+fJaNkMGIwHQYD\n"
    "VR0OBBYEFI4QPJH03yvhnnNthV6CX32N+cIsMB8GA1UdIwQYMBaAFI4QPJH03yvh\n"
    "nnNthV6CX32N+cIsMA8GA1UdEwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAK\n"
    "BggqhkjOPQQDAgNJADBGAiEAlRTy5JtcLGT+DB9EkgnJBnELDnXSadBtRyr57VOT\n"
    "7rgCIQC6TLmEmXcOGnfOBpOBdhrI7itUP1nSwIpfaNAY1EqAYA==\n"
    "-----END CERTIFICATE-----\n";
static const char trusted_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFfhpccTXLYHs+ldI\n"
    "18FMJSQiYV9XJ4T9K1XKwD07y5OhRANCAATGgBSOGytCWh9I02Jt7YBaKgjP5xtX\n"
    "gks/saEQEaK3uYfLLrOXL/T0lwqviNBlHn3Ax2eCcNW0PkVUlXY1X58l\n"
    "-----END PRIVATE KEY-----\n";
static const char unknown_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBnjCCAUSgAwIBAgIUY1tayQJaYkc6pD5JVQYua1lhF78wCgYIKoZIzj0EAwIw\n"
    "GzEZMBcGA1UEAwwQd2ViaG9vayB0ZXN0IGJhZDAgFw0yNjExMjExNTUxMDFaGA8y\n"
    "MTI2MTAyODE1NTEwMVowGzEZMBcGA1UEAwwQd2ViaG9vayB0ZXN0IGJhZDBZMBMG\n"
    "ByqGSM49AgEGCCqGSM49AwEHA0IABCwY1H0o+KN2ysFNKyEa1No9dQJ8qYpYTWk5\n"
    "WVNCkwnliBx2joYxvJXEL0mCR7IrreeYMOLe6PPp6lKvlBCDzLqjZDBiMB0GA1Ud\n"
    "DgQWBBThvu9ZGXkyzdu675O7xWv6o1YYRzAfBgNVHSMEGDAWgBThvu9ZGXkyzdu6\n"
    "75O7xWv6o1YYRzAPBgNVHRMBAf8EBTADAQH/MA8GA1UdEQQIMAaHBH8AAAEwCgYI\n"
    "KoZIzj0EAwIDSAAwRQIhAInKKaob7HEwkLfo3xh9z2dVi7HItOnYJM2d/jEjQMAG\n"
    "AiB502ETTEFpTra1H0oPotBJ4g2mfS28qNsZhj9Zc+/Feg==\n"
    "-----END CERTIFICATE-----\n";
static const char unknown_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrmlD0JrgP0ST5rxv\n"
    "4NF2UfNBwnHIiGp9B8iwTzJWvM+hRANCAAQsGNR9KPijdsrBTSshGtTaPXUCfKmK\n"
    "WE1pOVlTQpMJ5Ygcdo6GMbyVxC9JgkeyK63nmDDi3ujz6epSr5QQg8y6\n"
    "-----END PRIVATE KEY-----\n";

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    static char seen;

    (void)cls;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    struct MHD_Response *answer = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, answer);
    MHD_destroy_response(answer);
    return queued;
}

struct MHD_Daemon *tls_receiver_start(bool trusted, unsigned *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_TLS | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request, NULL,
        MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_HTTPS_MEM_CERT,
        trusted ? tls_trusted_certificate : unknown_certificate, MHD_OPTION_HTTPS_MEM_KEY,
        trusted ? trusted_key : unknown_key, MHD_OPTION_END);

    if (daemon != NULL) {
        *port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    }
    return daemon;
}
