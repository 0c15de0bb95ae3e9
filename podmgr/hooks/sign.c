#include "hooks/sign.h"

#include <nettle/hmac.h>
#include <stdio.h>
#include <string.h>

void sign_parts(const void *key, size_t key_len, const struct sign_part *parts, size_t n,
                char hex[static SIGN_HEX + 1])
{
    struct hmac_sha256_ctx hmac;
    uint8_t digest[SHA256_DIGEST_SIZE];

    hmac_sha256_set_key(&hmac, key_len, key);
    for (size_t i = 0; i < n; i++) {
        hmac_sha256_update(&hmac, parts[i].len, parts[i].bytes);
    }
    hmac_sha256_digest(&hmac, sizeof digest, digest);
    explicit_bzero(&hmac, sizeof hmac); /* the key can be had from it */
    for (size_t i = 0; i < sizeof digest; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
}
