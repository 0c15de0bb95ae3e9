/* A receiver that speaks TLS and answers 204 to everything (tls_receiver.c). */
#ifndef TESTS_SYSTEM_TLS_RECEIVER_H
#define TESTS_SYSTEM_TLS_RECEIVER_H

#include <stdbool.h>

extern const char tls_trusted_certificate[]; /* PEM */

/* NULL if libmicrohttpd cannot.  End it with MHD_stop_daemon(). */
struct MHD_Daemon *tls_receiver_start(bool trusted, unsigned *port);

#endif
