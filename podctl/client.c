#include "podctl/client.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

enum { CONNECT_TIMEOUT_MS = 5000, ANSWER_TIMEOUT_MS = 30000 };

struct client {
    CURL *curl;
    char *socket; /* NULL: TCP */
    char *base;   /* URL without the path */
    FILE *progress;
    const char *waiting_for; /* of the call under way */
    struct mono_ns started;
    char *body; /* of the answer under way */
    size_t len, cap;
    char curl_error[CURL_ERROR_SIZE];
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct client *client = arg;
    size_t len = size * n;

    if (client->len + len > client->cap) {
        client->cap = 2 * (client->len + len);
        client->body = xrealloc_array(client->body, client->cap, 1);
    }
    memcpy(client->body + client->len, data, len);
    client->len += len;
    return len;
}

/* libcurl calls it about once a second while nothing arrives. */
static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct client *client = arg;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    double seconds = mono_ms_since(client->started, clock_read().mono) / 1e3;
    if (seconds >= 0.5) {
        (void)fprintf(client->progress, "\r\033[K%s, %.0f s", client->waiting_for, seconds);
        (void)fflush(client->progress);
    }
    return 0;
}

struct client *client_create(const char *socket, const char *url, FILE *progress)
{
    struct client *client = xcalloc(1, sizeof *client);

    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    client->curl = curl_easy_init();
    assert(client->curl != NULL);
    client->progress = progress;
    if (url != NULL) {
        size_t len = strlen(url);
        while (len > 0 && url[len - 1] == '/') {
            len--;
        }
        client->base = xasprintf("%.*s", (int)len, url);
    } else {
        client->base = xstrdup("http://podmgr");
        client->socket = xstrdup(socket);
    }
    return client;
}

void client_destroy(struct client *client)
{
    if (client != NULL) {
        curl_easy_cleanup(client->curl);
        curl_global_cleanup();
        free(client->socket);
        free(client->base);
        free(client->body);
        free(client);
    }
}

static void set_up(struct client *client, const struct http_call *call, const char *url)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl); /* keeps the connection */
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_error);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)call->wait_ms + ANSWER_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    if (client->socket != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
    }
    if (call->method != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    }
    if (client->progress != NULL && call->waiting_for != NULL) {
        client->waiting_for = call->waiting_for;
        client->started = clock_read().mono;
        (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
    }
}

static struct curl_slist *headers_of(const struct http_call *call)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");

    if (call->body != NULL) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
    }
    if (call->idempotency_key != NULL) {
        char *line = xasprintf("Idempotency-Key: %s", call->idempotency_key);
        headers = curl_slist_append(headers, line);
        free(line);
    }
    return headers;
}

static int unreachable(const struct client *client, CURLcode code, struct error *err)
{
    const char *why = client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(code);
    long cause = 0;

    (void)curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &cause);
    if (code == CURLE_COULDNT_CONNECT && cause != 0) {
        why = strerror((int)cause);
    }
    if (code != CURLE_COULDNT_CONNECT && code != CURLE_COULDNT_RESOLVE_HOST) {
        return err_set(err, E_UNREACHABLE,
                       "podmgr at %s did not answer to the end: %s; what was asked may have been "
                       "done",
                       client->socket != NULL ? client->socket : client->base, why);
    }
    if (client->socket != NULL) {
        return err_set(err, E_UNREACHABLE,
                       "cannot reach podmgr on the socket %s: %s\n"
                       "Is it running (`systemctl status podmgr`)?  Another socket: --socket PATH "
                       "or PODCTL_SOCKET; over TCP: --url http://127.0.0.1:8470",
                       client->socket, why);
    }
    return err_set(err, E_UNREACHABLE,
                   "cannot reach podmgr at %s: %s\n"
                   "Is it running, and does it listen there (http.address in its configuration)?",
                   client->base, why);
}

int client_call(struct client *client, const struct http_call *call, struct answer *out,
                struct error *err)
{
    char *url = xasprintf("%s%s", client->base, call->path);
    char *body = call->body != NULL ? json_dumps(call->body, JSON_COMPACT) : NULL;
    struct curl_slist *headers = headers_of(call);
    json_error_t where;

    client->len = 0;
    client->curl_error[0] = '\0';
    set_up(client, call, url);
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    if (body != NULL) {
        (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode code = curl_easy_perform(client->curl);
    if (client->progress != NULL && call->waiting_for != NULL) {
        (void)fputs("\r\033[K", client->progress);
        (void)fflush(client->progress);
    }
    curl_slist_free_all(headers);
    free(body);
    free(url);
    if (code != CURLE_OK) {
        return unreachable(client, code, err);
    }
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &out->status);
    out->json = json_loadb(client->len > 0 ? client->body : "", client->len, 0, &where);
    if (out->json == NULL) {
        return err_set(err, E_PARSE,
                       "what answers at %s is not podmgr: status %ld, and its body is not JSON "
                       "(line %d: %s)",
                       client->socket != NULL ? client->socket : client->base, out->status,
                       where.line, where.text);
    }
    return 0;
}

char *client_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);

    assert(escaped != NULL);
    char *copy = xstrdup(escaped);
    curl_free(escaped);
    return copy;
}
