/* What stands beside the body of a request.  Its query: known names, each once, with
 * values that mean something; and the idempotency key of a create. */
#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "mem.h"

struct name_check {
    const char *const *names;
    size_t n;
    uint32_t seen; /* bit i: names[i] was there */
    char bad[64];
    const char *code, *why; /* NULL: all is well */
};

static bool check_name(void *arg, const char *name, const char *value)
{
    struct name_check *check = arg;

    (void)snprintf(check->bad, sizeof check->bad, "%s", name);
    for (size_t i = 0; i < check->n; i++) {
        if (strcmp(name, check->names[i]) != 0) {
            continue;
        }
        bool repeated = (check->seen & 1U << i) != 0;
        check->seen |= 1U << i;
        check->code = "invalid-parameter";
        check->why = repeated ? "is repeated" : value == NULL ? "has no value" : NULL;
        return check->why == NULL;
    }
    check->code = "unknown-parameter";
    check->why = "is not known here";
    return false;
}

bool request_query_is(struct request *req, const char *const *names, size_t n)
{
    struct name_check check = {.names = names, .n = n};

    http_each_query(req, check_name, &check);
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

/* Two bodies are the same request if they say the same, whatever their spacing and
 * order. */
static void hash_of(const json_t *body, uint8_t out[static KEY_HASH_SIZE])
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    size_t len = strlen(text);
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    sha256_update(&ctx, len, (const uint8_t *)text);
    sha256_digest(&ctx, KEY_HASH_SIZE, out);
    explicit_bzero(text, len); /* a webhook's secret is in it */
    free(text);
}

/* 1 to 128 visible ASCII characters. */
bool request_read_key(struct request *req, const json_t *body, struct create_key **key)
{
    const char *text = request_header(req, "Idempotency-Key");
    size_t len = text != NULL ? strlen(text) : 0;
    bool visible = true;

    *key = NULL;
    if (text == NULL) {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        visible = visible && text[i] > ' ' && text[i] < 0x7f;
    }
    if (len == 0 || len > KEY_LEN_MAX || !visible) {
        respond_problem(req, 400, "invalid-header", "Idempotency-Key",
                        "Idempotency-Key: must be 1 to %d visible ASCII characters", KEY_LEN_MAX);
        return false;
    }
    *key = xcalloc(1, sizeof **key);
    memcpy((*key)->caller, req->caller, sizeof(*key)->caller);
    memcpy((*key)->key, text, len + 1);
    hash_of(body, (*key)->body_hash);
    return true;
}
