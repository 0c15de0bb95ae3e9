#include "hooks/courier.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

enum { POLL_MS = 1000, CONNECTIONS = 16 };

/* A request on its way: the loop's until it is queued, the thread's until it is
 * done, then the loop's again. */
struct errand {
    struct errand *next;
    CURL *curl;
    struct curl_slist *headers;
    char *url, *body;
    size_t body_len, answered; /* bytes */
    char complaint[CURL_ERROR_SIZE];
    struct receipt receipt;
};

struct courier {
    struct courier_config config;
    char *ca_file;
    courier_done_fn *done;
    void *arg;
    uv_async_t async;
    pthread_t thread;
    CURLM *multi;
    struct errand *active; /* the thread's */
    size_t under_way;      /* the loop's */
    pthread_mutex_t lock;
    struct errand *waiting, **waiting_end, *finished; /* under the lock */
    bool stopping;                                    /* likewise */
};

static void errand_destroy(struct errand *errand)
{
    curl_slist_free_all(errand->headers);
    free(errand->url);
    free(errand->body);
    free(errand);
}

/* ------------------------------------------------------------ the thread -- */

/* Past the limit the connection is cut: the status is all that counts. */
static size_t on_answer(char *bytes, size_t size, size_t n, void *arg)
{
    struct errand *errand = arg;

    (void)bytes;
    errand->answered += size * n;
    return errand->answered <= COURIER_ANSWER_MAX ? size * n : 0;
}

static CURLcode set_up(const struct courier *courier, struct errand *errand)
{
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_POST, 1},
        {CURLOPT_POSTFIELDSIZE, (long)errand->body_len},
        {CURLOPT_TIMEOUT_MS, (long)courier->config.timeout_ms},
        {CURLOPT_CONNECTTIMEOUT_MS, (long)courier->config.timeout_ms},
        {CURLOPT_FOLLOWLOCATION, 0},
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
        {CURLOPT_SSL_VERIFYPEER, 1},
        {CURLOPT_SSL_VERIFYHOST, 2},
        {CURLOPT_NETRC, CURL_NETRC_IGNORED},
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_QUICK_EXIT, 1}, /* nobody waits for a resolver that hangs */
        {CURLOPT_TCP_KEEPALIVE, 1},
    };
    const struct {
        CURLoption option;
        const void *value;
    } pointers[] = {
        {CURLOPT_URL, errand->url},
        {CURLOPT_PROTOCOLS_STR, "http,https"},
        {CURLOPT_PROXY, ""}, /* none, whatever the environment says */
        {CURLOPT_POSTFIELDS, errand->body},
        {CURLOPT_HTTPHEADER, errand->headers},
        {CURLOPT_ERRORBUFFER, errand->complaint},
        {CURLOPT_WRITEDATA, errand},
        {CURLOPT_PRIVATE, errand},
    };
    CURLcode rc = curl_easy_setopt(errand->curl, CURLOPT_WRITEFUNCTION, on_answer);

    for (size_t i = 0; i < ARRAY_LEN(numbers) && rc == CURLE_OK; i++) {
        rc = curl_easy_setopt(errand->curl, numbers[i].option, numbers[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(pointers) && rc == CURLE_OK; i++) {
        rc = curl_easy_setopt(errand->curl, pointers[i].option, pointers[i].value);
    }
    if (rc == CURLE_OK && courier->ca_file != NULL) {
        rc = curl_easy_setopt(errand->curl, CURLOPT_CAINFO, courier->ca_file);
    }
    return rc;
}

static void finish(struct courier *courier, struct errand *errand, CURLcode rc)
{
    struct receipt *receipt = &errand->receipt;
    long status = 0;
    curl_off_t took_us = 0, retry_after_s = 0;

    (void)curl_easy_getinfo(errand->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(errand->curl, CURLINFO_TOTAL_TIME_T, &took_us);
    (void)curl_easy_getinfo(errand->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    bool cut = rc == CURLE_WRITE_ERROR && errand->answered > COURIER_ANSWER_MAX;
    receipt->outcome = (struct hook_outcome){
        .answered = rc == CURLE_OK || cut,
        .status = status >= 100 && status <= 999 ? (unsigned)status : 0,
        .retry_after_s = retry_after_s < 0              ? 0
                         : retry_after_s > 24 * 60 * 60 ? 24 * 60 * 60
                                                        : (unsigned)retry_after_s};
    receipt->took_ms = (double)took_us / 1e3;
    if (receipt->outcome.answered) {
        (void)snprintf(receipt->text, sizeof receipt->text, "answered %u", receipt->outcome.status);
    } else {
        (void)snprintf(receipt->text, sizeof receipt->text, "%s",
                       errand->complaint[0] != '\0' ? errand->complaint : curl_easy_strerror(rc));
    }
    curl_easy_cleanup(errand->curl);
    errand->curl = NULL;
    for (struct errand **at = &courier->active; *at != NULL; at = &(*at)->next) {
        if (*at == errand) {
            *at = errand->next;
            break;
        }
    }
    (void)pthread_mutex_lock(&courier->lock);
    errand->next = courier->finished;
    courier->finished = errand;
    (void)pthread_mutex_unlock(&courier->lock);
    (void)uv_async_send(&courier->async);
}

static void begin(struct courier *courier, struct errand *errand)
{
    errand->curl = curl_easy_init();
    if (errand->curl == NULL) {
        abort(); /* out of memory, as everywhere */
    }
    CURLcode rc = set_up(courier, errand);
    if (rc != CURLE_OK) {
        finish(courier, errand, rc);
    } else if (curl_multi_add_handle(courier->multi, errand->curl) != CURLM_OK) {
        finish(courier, errand, CURLE_FAILED_INIT);
    } else {
        errand->next = courier->active;
        courier->active = errand;
    }
}

static void take_finished(struct courier *courier)
{
    const CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(courier->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            struct errand *errand = NULL;
            CURLcode rc = msg->data.result;
            (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &errand);
            (void)curl_multi_remove_handle(courier->multi, msg->easy_handle);
            finish(courier, errand, rc);
        }
    }
}

/* What waits, or NULL with *stop set when the loop has gone. */
static struct errand *take_waiting(struct courier *courier, bool *stop)
{
    (void)pthread_mutex_lock(&courier->lock);
    struct errand *errand = courier->waiting;
    courier->waiting = NULL;
    courier->waiting_end = &courier->waiting;
    *stop = courier->stopping;
    (void)pthread_mutex_unlock(&courier->lock);
    return errand;
}

static void *serve(void *arg)
{
    struct courier *courier = arg;
    bool stop = false;
    int running;

    while (!stop) {
        struct errand *next, *errand = take_waiting(courier, &stop);
        for (; errand != NULL; errand = next) {
            next = errand->next;
            begin(courier, errand);
        }
        (void)curl_multi_perform(courier->multi, &running);
        take_finished(courier);
        if (!stop) {
            (void)curl_multi_poll(courier->multi, NULL, 0, POLL_MS, NULL);
        }
    }
    return NULL;
}

/* -------------------------------------------------------------- the loop -- */

static void on_async(uv_async_t *async)
{
    struct courier *courier = async->data;
    struct errand *next, *errand;

    (void)pthread_mutex_lock(&courier->lock);
    errand = courier->finished;
    courier->finished = NULL;
    (void)pthread_mutex_unlock(&courier->lock);
    for (; errand != NULL; errand = next) {
        next = errand->next;
        courier->under_way--;
        courier->done(courier->arg, &errand->receipt);
        errand_destroy(errand);
    }
}

/* Signals are the loop's. */
static int start_thread(struct courier *courier)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&courier->thread, NULL, serve, courier);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int courier_create(struct courier **out, uv_loop_t *loop, const struct courier_config *config,
                   courier_done_fn *done, void *arg, struct error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return err_set(err, E_IO, "webhooks: libcurl cannot be initialised");
    }
    struct courier *courier = xcalloc(1, sizeof *courier);
    courier->config = *config;
    courier->ca_file = config->ca_file != NULL ? xstrdup(config->ca_file) : NULL;
    courier->done = done;
    courier->arg = arg;
    courier->waiting_end = &courier->waiting;
    courier->multi = curl_multi_init();
    if (courier->multi == NULL) {
        abort();
    }
    (void)curl_multi_setopt(courier->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
    (void)pthread_mutex_init(&courier->lock, NULL);
    (void)uv_async_init(loop, &courier->async, on_async);
    courier->async.data = courier;
    if (start_thread(courier) != 0) {
        courier->stopping = true;
        courier_destroy(courier);
        return err_set(err, E_IO, "webhooks: no thread for deliveries");
    }
    *out = courier;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct courier *courier = handle->data;

    free(courier->ca_file);
    free(courier);
}

static void destroy_list(struct errand *errand)
{
    while (errand != NULL) {
        struct errand *next = errand->next;
        errand_destroy(errand);
        errand = next;
    }
}

void courier_destroy(struct courier *courier)
{
    if (courier == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&courier->lock);
    bool running = !courier->stopping;
    courier->stopping = true;
    (void)pthread_mutex_unlock(&courier->lock);
    if (running) {
        (void)curl_multi_wakeup(courier->multi);
        (void)pthread_join(courier->thread, NULL);
    }
    for (struct errand *errand = courier->active; errand != NULL; errand = errand->next) {
        (void)curl_multi_remove_handle(courier->multi, errand->curl);
        curl_easy_cleanup(errand->curl);
    }
    destroy_list(courier->active);
    destroy_list(courier->waiting);
    destroy_list(courier->finished);
    (void)curl_multi_cleanup(courier->multi);
    curl_global_cleanup();
    (void)pthread_mutex_destroy(&courier->lock);
    uv_close((uv_handle_t *)&courier->async, on_closed);
}

bool courier_send(struct courier *courier, const struct parcel *parcel)
{
    if (courier->under_way == COURIER_MAX) {
        return false;
    }
    struct errand *errand = xcalloc(1, sizeof *errand);
    errand->url = xstrdup(parcel->url);
    errand->body = xmemdup(parcel->body, parcel->body_len);
    errand->body_len = parcel->body_len;
    errand->receipt.number = parcel->number;
    for (size_t i = 0; i < PARCEL_HEADERS && parcel->headers[i][0] != '\0'; i++) {
        struct curl_slist *list = curl_slist_append(errand->headers, parcel->headers[i]);
        if (list == NULL) {
            abort();
        }
        errand->headers = list;
    }
    courier->under_way++;
    (void)pthread_mutex_lock(&courier->lock);
    *courier->waiting_end = errand;
    courier->waiting_end = &errand->next;
    (void)pthread_mutex_unlock(&courier->lock);
    (void)curl_multi_wakeup(courier->multi);
    return true;
}
