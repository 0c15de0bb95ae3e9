/* HMAC-SHA256 (RFC 2104, vectors in RFC 4231) of what stands in several places. */
#ifndef PODMGR_HOOKS_SIGN_H
#define PODMGR_HOOKS_SIGN_H

#include <stddef.h>

enum { SIGN_HEX = 64 };

struct sign_part {
    const void *bytes;
    size_t len;
};

/* Of the parts one behind the other, in hexadecimal. */
void sign_parts(const void *key, size_t key_len, const struct sign_part *parts, size_t n,
                char hex[static SIGN_HEX + 1]);

#endif
