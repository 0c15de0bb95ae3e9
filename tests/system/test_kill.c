/* kill -9 of podmgr under load, again and again: clients outside check every
 * acknowledgement (A2), and the emulated hardware has the last word.
 * KILLS=100 in the environment makes the loop as long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "mem.h"

enum { CLIENTS = 8, KILLS = 10, RETRY_MS = 5, ANSWER_MS = 60000 };

struct load {
    struct pod *pod;
    atomic_bool stop;
    atomic_uint creates, deletes, refused, unanswered;
    /* violations */
    atomic_uint lost, doubled, undeleted;
};
struct client {
    struct load *load;
    unsigned number, turn;
};

/* Asks until somebody answers other than "not ready"; the request is the same
 * each time, so the answer to any of the tries will do. */
static json_t *insist(struct client *c, const char *method, const char *path, const char *header,
                      const char *body, long *status)
{
    double end = now_ms() + ANSWER_MS;

    for (;;) {
        json_t *json = http_with(c->load->pod, method, path, header, body, status, NULL);
        if ((*status != 0 && *status != 503) || now_ms() > end) {
            return json;
        }
        atomic_fetch_add(&c->load->unanswered, 1);
        json_decref(json);
        (void)poll(NULL, 0, RETRY_MS);
    }
}

/* An acknowledged slice is there, with the id that its key gave before. */
static void check_present(struct client *c, const char *id, const char *key, const char *body)
{
    char path[96];
    long status;

    (void)snprintf(path, sizeof path, "/v1/slices/%s", id);
    json_decref(insist(c, "GET", path, NULL, NULL, &status));
    if (status != 200) {
        atomic_fetch_add(&c->load->lost, 1);
    }
    json_t *again = insist(c, "POST", "/v1/slices", key, body, &status);
    if (strcmp(str(again, "id"), id) != 0) {
        atomic_fetch_add(&c->load->doubled, 1);
    }
    json_decref(again);
}

/* 404 to a repeated delete: an earlier try was done though not answered. */
static void delete_for_good(struct client *c, const char *id)
{
    char path[96];
    long status;

    for (unsigned tries = 0; tries < 1000; tries++) {
        (void)snprintf(path, sizeof path, "/v1/slices/%s?wait=5s", id);
        json_decref(insist(c, "DELETE", path, NULL, NULL, &status));
        if (status == 200 || status == 404) {
            break;
        }
    }
    (void)snprintf(path, sizeof path, "/v1/slices/%s", id);
    json_decref(insist(c, "GET", path, NULL, NULL, &status));
    if (status != 404) {
        atomic_fetch_add(&c->load->undeleted, 1);
    }
    atomic_fetch_add(&c->load->deletes, 1);
}

static void *run_client(void *arg)
{
    static const char *const bodies[] = {"{\"topology\":\"4x4x4\"}", "{\"topology\":\"4x4x8\"}"};
    struct client *c = arg;

    while (!atomic_load(&c->load->stop)) {
        const char *body = bodies[c->turn % 2];
        char key[64];
        long status;
        (void)snprintf(key, sizeof key, "Idempotency-Key: client-%u-%u", c->number, c->turn++);
        json_t *slice = insist(c, "POST", "/v1/slices?wait=2s", key, body, &status);
        if (status == 200 || status == 201 || status == 202) {
            atomic_fetch_add(&c->load->creates, 1);
            check_present(c, str(slice, "id"), key, body);
            delete_for_good(c, str(slice, "id"));
        } else {
            atomic_fetch_add(&c->load->refused, 1);
            (void)poll(NULL, 0, RETRY_MS);
        }
        json_decref(slice);
    }
    http_close();
    return NULL;
}

static bool enough_happened(void *arg)
{
    struct {
        struct load *load;
        unsigned creates;
    } *q = arg;
    return atomic_load(&q->load->creates) >= q->creates;
}

static void nothing_acknowledged_is_lost(void **state)
{
    const char *env = getenv("KILLS");
    unsigned kills = env != NULL ? (unsigned)strtoul(env, NULL, 10) : KILLS;
    struct load load = {.pod = pod_up(&(struct pod_options){.cubes = 16, .mirror_ms = 1})};
    struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    unsigned seed = 11;
    bool stuck = false;

    (void)state;
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.load = &load, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
    }
    for (unsigned k = 0; k < kills; k++) {
        /* Each life acknowledges something, then dies a few ms later, wherever
         * it is then. */
        struct {
            struct load *load;
            unsigned creates;
        } query = {&load, atomic_load(&load.creates) + 1 + (unsigned)rand_r(&seed) % 8};
        if (!await_until(enough_happened, &query, ANSWER_MS)) {
            stuck = true; /* the clients are joined before anything is asserted */
            break;
        }
        (void)poll(NULL, 0, rand_r(&seed) % 20);
        pod_kill_podmgr(load.pod);
        pod_start_podmgr(load.pod);
    }
    atomic_store(&load.stop, true);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    print_message("%u kills, %u creates, %u deletes acknowledged, %u refused, %u unanswered\n",
                  kills, load.creates, load.deletes, load.refused, load.unanswered);
    assert_false(stuck);
    assert_int_equal(load.lost, 0);
    assert_int_equal(load.doubled, 0);
    assert_int_equal(load.undeleted, 0);
    assert_int_equal(load.creates, load.deletes);

    long status;
    pod_await_ready(load.pod);
    json_t *list = http(load.pod, "GET", "/v1/slices", NULL, &status);
    json_t *truth = sim(load.pod, "status");
    assert_int_equal(json_array_size(json_object_get(list, "slices")), 0);
    assert_int_equal(num(truth, "circuits"), 0);
    json_decref(list);
    json_decref(truth);
    pod_down(load.pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_acknowledged_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
