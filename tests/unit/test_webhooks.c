/* Webhooks without any socket: the core's rules, when to try again, what a letter
 * holds, how it is signed, which URLs are good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/core.h"
#include "core/webhooks.h"
#include "hooks/courier.h"
#include "hooks/letter.h"
#include "hooks/policy.h"
#include "hooks/sign.h"
#include "mem.h"

/* ------------------------------------------------------------- signature -- */

/* RFC 4231, section 4; the fifth vector is of a truncated digest. */
static void signatures_are_those_of_rfc_4231(void **state)
{
    static const struct {
        const char *key;
        size_t key_len; /* the key's first byte so often; 0: as it is */
        const char *data;
        size_t data_len; /* likewise */
        const char *hex;
    } rows[] = {
        {"\x0b", 20, "Hi There", 0,
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", 0, "what do ya want for nothing?", 0,
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"\xaa", 20, "\xdd", 50,
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16"
         "\x17\x18\x19",
         0, "\xcd", 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {"\xaa", 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0,
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {"\xaa", 131,
         "This is a test using a larger than block-size key and a larger than block-size data. "
         "The key needs to be hashed before being used by the HMAC algorithm.",
         0, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char key[140], data[160], hex[SIGN_HEX + 1];
        size_t key_len = rows[i].key_len != 0 ? rows[i].key_len : strlen(rows[i].key);
        size_t data_len = rows[i].data_len != 0 ? rows[i].data_len : strlen(rows[i].data);
        memset(key, rows[i].key[0], sizeof key);
        memset(data, rows[i].data[0], sizeof data);
        if (rows[i].key_len == 0) {
            memcpy(key, rows[i].key, key_len);
        }
        if (rows[i].data_len == 0) {
            memcpy(data, rows[i].data, data_len);
        }
        for (size_t cut = 0; cut <= data_len; cut += 7) { /* wherever the parts meet */
            const struct sign_part parts[] = {{data, cut}, {data + cut, data_len - cut}};
            sign_parts(key, key_len, parts, ARRAY_LEN(parts), hex);
            assert_string_equal(hex, rows[i].hex);
        }
    }
}

/* The seventh vector, which happens to have a full stop in it. */
static void letters_are_signed_with_their_time(void **state)
{
    char key[132] = "", out[LETTER_SIGNATURE_MAX];
    const char *body = " The key needs to be hashed before being used by the HMAC algorithm.";

    (void)state;
    memset(key, 0xaa, 131);
    letter_sign(key,
                "This is a test using a larger than block-size key and a larger than block-size "
                "data",
                body, strlen(body), out);
    assert_string_equal(out,
                        "sha256=9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* ---------------------------------------------------------------- policy -- */

static void outcomes_are_judged(void **state)
{
    static const struct {
        unsigned rule;
        bool answered;
        unsigned status;
        enum hook_verdict verdict;
    } rows[] = {
        {1, true, 200, HOOK_DELIVERED}, {1, true, 204, HOOK_DELIVERED},
        {1, true, 299, HOOK_DELIVERED}, {2, true, 410, HOOK_GONE},
        {3, true, 302, HOOK_AGAIN},     {3, true, 400, HOOK_AGAIN},
        {3, true, 404, HOOK_AGAIN},     {3, true, 429, HOOK_AGAIN},
        {3, true, 500, HOOK_AGAIN},     {3, true, 100, HOOK_AGAIN},
        {3, true, 0, HOOK_AGAIN},       {3, false, 0, HOOK_AGAIN},
        {3, false, 200, HOOK_AGAIN}, /* not whole */
        {3, false, 410, HOOK_AGAIN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hook_outcome outcome = {rows[i].answered, rows[i].status, 0};
        if (hook_judge(&outcome) != rows[i].verdict) {
            fail_msg("row %zu (rule %u): %u", i, rows[i].rule, rows[i].status);
        }
    }
}

static void tries_wait_longer_and_longer(void **state)
{
    static const struct hook_policy policy = {1000, 300000};
    static const struct {
        unsigned rule, failures, retry_after_s;
        uint64_t least_ms, most_ms;
    } rows[] = {
        {4, 1, 0, 500, 1000},      {4, 2, 0, 1000, 2000},      {4, 3, 0, 2000, 4000},
        {4, 9, 0, 128000, 256000}, {4, 10, 0, 150000, 300000}, {4, 4000000000U, 0, 150000, 300000},
        {5, 1, 7, 7000, 7000},     {5, 9, 7, 128000, 256000},  {5, 1, 4000000000U, 300000, 300000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hook_outcome outcome = {.retry_after_s = rows[i].retry_after_s};
        uint64_t least = UINT64_MAX, most = 0;
        for (uint64_t random = 0; random < 400000; random++) {
            uint64_t ms = hook_delay_ms(&policy, rows[i].failures, &outcome, random);
            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        if (least != rows[i].least_ms || most != rows[i].most_ms) {
            fail_msg("row %zu (rule %u): %llu to %llu", i, rows[i].rule, (unsigned long long)least,
                     (unsigned long long)most);
        }
    }
    assert_false(hook_is_failing(2)); /* rule 6 */
    assert_true(hook_is_failing(3));
    assert_false(hook_is_failing(4)); /* once */
}

/* ------------------------------------------------------------------ URLs -- */

static void urls_are_checked(void **state)
{
    static const struct {
        const char *url, *wrong; /* NULL: it is good */
    } rows[] = {
        {"https://scheduler.example/podmgr", NULL},
        {"http://127.0.0.1:8080", NULL},
        {"http://[::1]:8080/x?y=z&w=%20", NULL},
        {"HTTPS://UPPER.example/", NULL},
        {"ftp://h/", "must begin with https:// or http://"},
        {"file:///etc/passwd", "must begin with https:// or http://"},
        {"javascript:alert(1)", "url: "},
        {"https://", "url: "},
        {"https://h:99999/", "is no URL"},
        {"https://u@h/", "no user or password"},
        {"https://:p@h/", "no user or password"},
        {"https://h/#f", "no fragment"},
        {"https://h/a b", "visible ASCII"},
        {"https://h/\r\nX-Evil: 1", "visible ASCII"},
        {"https://h/caf\xc3\xa9", "visible ASCII"},
        {"", "is no URL"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = {.text = ""};
        int status = courier_check_url(rows[i].url, &err);
        if ((status == 0) != (rows[i].wrong == NULL) ||
            (status < 0 && strstr(err.text, rows[i].wrong) == NULL)) {
            fail_msg("%s: %d %s", rows[i].url, status, err.text);
        }
    }
}

static void everybody_may_see_the_origin(void **state)
{
    static const struct {
        const char *url, *origin;
    } rows[] = {
        {"https://h.example:8443/token/abc", "https://h.example:8443"},
        {"http://h?token=abc", "http://h"},
        {"http://h", "http://h"},
        {"https://[::1]:1/x", "https://[::1]:1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct webhook hook = {.id = {1, 1}};
        char origin[WEBHOOK_ORIGIN_MAX];
        (void)snprintf(hook.url, sizeof hook.url, "%s", rows[i].url);
        assert_string_equal(webhook_origin(&hook, origin), rows[i].origin);
    }
}

/* --------------------------------------------------------------- letters -- */

struct fixture {
    struct pod pod;
    struct model *m;
    struct outbox out;
    struct webhook hook; /* of slices */
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    f->pod = (struct pod){.id = "test", .n_cubes = 4, .ports_per_side = 8, .vc_classes = 3};
    assert_int_equal(tpunet_wiring_create(&f->pod.wiring, 4, 8, NULL, 0, NULL), 0);
    f->m = model_create(&f->pod, 7);
    f->m->epoch = 1;
    f->m->next_event = 11; /* the last one is 10 */
    (void)snprintf(f->m->incarnation, sizeof f->m->incarnation, "abc");
    f->hook = (struct webhook){
        .id = {1, 5}, .url = "http://h/", .prefixes = {"slice.", "link.down"}, .n_prefixes = 2};
    outbox_init(&f->out);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    outbox_fini(&f->out);
    model_destroy(f->m);
    tpunet_wiring_destroy(f->pod.wiring);
    free(f);
    return 0;
}

static void add(struct letter *letter, const struct webhook *hook, uint64_t seq, const char *type)
{
    char data[] = "{\"n\":1}";
    struct journal_entry entry = {.seq = seq, .type = type, .subject = "x/1", .data = data};

    letter_add(letter, hook, &entry);
}

static void a_letter_says_from_where_to_where(void **state)
{
    struct fixture *f = *state;
    struct letter letter;

    letter_begin(&letter, 3, 5);
    add(&letter, &f->hook, 6, "ocs.drift");
    assert_int_equal(letter.n_events, 0);
    assert_int_equal(letter.next, 6); /* nothing to send, but that much is seen to */
    add(&letter, &f->hook, 7, "slice.active");
    add(&letter, &f->hook, 8, "link.up");
    add(&letter, &f->hook, 9, "link.down");
    add(&letter, &f->hook, 10, "webhook.failing");
    letter_seal(&letter, &f->hook, f->m);
    assert_string_equal(letter.id, "abc/1-5/3-10");
    json_t *json = json_loadb(letter.body, letter.body_len, 0, NULL);
    json_t *expected = json_pack(
        "{s:s,s:s,s:s,s:s,s:i,s:i,s:[{s:i,s:s,s:s,s:s,s:{s:i}},{s:i,s:s,s:s,s:s,s:{s:i}}]}",
        "delivery", "abc/1-5/3-10", "pod", "test", "incarnation", "abc", "webhook", "1-5", "after",
        3, "next", 10, "events", "seq", 7, "at", "1970-01-01T00:00:00.000Z", "type", "slice.active",
        "subject", "x/1", "data", "n", 1, "seq", 9, "at", "1970-01-01T00:00:00.000Z", "type",
        "link.down", "subject", "x/1", "data", "n", 1);
    assert_non_null(expected);
    assert_true(json_equal(json, expected));
    json_decref(json);
    json_decref(expected);
    letter_fini(&letter);
}

static void a_full_letter_takes_no_more(void **state)
{
    struct fixture *f = *state;
    struct letter letter;

    letter_begin(&letter, 0, 0);
    for (uint64_t seq = 1; seq <= 2 * LETTER_EVENTS; seq++) {
        add(&letter, &f->hook, seq, "slice.active");
    }
    assert_int_equal(letter.n_events, LETTER_EVENTS);
    assert_int_equal(letter.next, LETTER_EVENTS);
    letter_fini(&letter);

    char *data = xmalloc(30001);
    (void)snprintf(data, 30001, "{\"n\":\"%029990d\"}", 7);
    letter_begin(&letter, 0, 0);
    for (uint64_t seq = 1; seq <= 10; seq++) {
        struct journal_entry entry = {.seq = seq, .type = "slice.x", .data = data};
        letter_add(&letter, &f->hook, &entry);
    }
    assert_int_equal(letter.n_events, 3); /* the last one went beyond LETTER_BYTES */
    assert_int_equal(letter.next, 3);
    letter_fini(&letter);
    free(data);
}

static void a_gap_is_told_in_the_place_of_what_is_gone(void **state)
{
    struct fixture *f = *state;
    struct letter letter;
    json_int_t seq = 0, from = 0, to = 0;
    const char *type = NULL;

    letter_begin(&letter, 3, 5);
    letter_tell_gap(&letter, &f->hook, 6, 9, (struct wall_ms){1});
    add(&letter, &f->hook, 10, "slice.active"); /* in the next one */
    letter_seal(&letter, &f->hook, f->m);
    assert_string_equal(letter.id, "abc/1-5/3-9");
    json_t *json = json_loadb(letter.body, letter.body_len, 0, NULL);
    assert_int_equal(json_unpack(json, "{s:[{s:I,s:s,s:{s:I,s:I}}!]}", "events", "seq", &seq,
                                 "type", &type, "data", "from", &from, "to", &to),
                     0);
    assert_string_equal(type, "webhook.gap");
    assert_true(seq == 9 && from == 6 && to == 9);
    json_decref(json);
    letter_fini(&letter);
}

static void a_test_moves_nothing(void **state)
{
    struct fixture *f = *state;
    struct letter letter;

    letter_begin(&letter, 4, 4);
    letter_tell_test(&letter, &f->hook, (struct wall_ms){17});
    letter_seal(&letter, &f->hook, f->m);
    assert_string_equal(letter.id, "abc/1-5/test-17");
    assert_int_equal(letter.next, 4);
    assert_non_null(strstr(letter.body, "webhook.test"));
    letter_fini(&letter);
}

/* ------------------------------------------------------------------ core -- */

static void step(struct fixture *f, struct event *ev)
{
    ev->now.wall.ms = 1700000000000;
    (void)snprintf(ev->who, sizeof ev->who, "unix uid 0");
    outbox_clear(&f->out);
    core_step(f->m, ev, &f->out);
    event_fini(ev);
}

static struct id create(struct fixture *f, uint64_t since)
{
    struct event ev = {.kind = EV_CREATE_WEBHOOK, .cookie = 1};

    ev.webhook = xcalloc(1, sizeof *ev.webhook);
    (void)snprintf(ev.webhook->url, sizeof ev.webhook->url, "https://h/token");
    (void)snprintf(ev.webhook->secret, sizeof ev.webhook->secret, "sixteen bytes ok");
    ev.webhook->cursor = since;
    step(f, &ev);
    return f->out.effects[0].id;
}

static void say(struct fixture *f, struct id id, enum webhook_news_kind kind, uint64_t cursor,
                uint64_t told)
{
    struct event ev = {.kind = EV_WEBHOOK_NEWS,
                       .hook = {.kind = kind,
                                .id = id,
                                .cursor = cursor,
                                .told = told,
                                .gap_from = 3,
                                .since = {1600000000000},
                                .text = "refused"}};
    step(f, &ev);
}

static void assert_told(const struct fixture *f, const char *type, const char *data)
{
    assert_int_equal(f->out.n_journal, 1);
    assert_string_equal(f->out.journal[0].type, type);
    assert_string_equal(f->out.journal[0].data, data);
    assert_string_equal(f->out.journal[0].subject, "webhook/1-1");
}

static void one_is_made_and_deleted(void **state)
{
    struct fixture *f = *state;
    static const char described[] =
        "{\"origin\":\"https://h\",\"events\":[],\"signed\":true,\"owner\":\"\"}";
    struct id id = create(f, WEBHOOK_FROM_NOW);
    const struct webhook *hook = model_webhook(f->m, id);

    assert_non_null(hook);
    assert_int_equal(hook->cursor, 10); /* rule 2: its own creation comes after it */
    assert_int_equal(hook->told, 10);
    assert_string_equal(hook->who, "unix uid 0");
    assert_told(f, "webhook.created", described); /* neither secret nor token */
    assert_int_equal(f->out.n_audits, 1);
    assert_string_equal(f->out.audits[0].action, "webhook.create");
    assert_string_equal(f->out.audits[0].after, described);
    assert_int_equal(f->out.n_changes, 1);

    struct event ev = {.kind = EV_DELETE_WEBHOOK, .cookie = 1, .hook = {.id = id}};
    step(f, &ev);
    assert_told(f, "webhook.deleted", described);
    assert_string_equal(f->out.audits[0].before, described);
    assert_int_equal(f->m->n_webhooks, 0);
    assert_int_equal(f->m->webhooks[0].secret[0], 0); /* wiped */
    step(f, &ev);
    assert_int_equal(f->out.effects[0].reply.status, E_NOT_FOUND);
    say(f, id, WEBHOOK_PROGRESS, 10, 10); /* late news of it */
    assert_int_equal(f->out.n_changes, 0);
}

static void it_begins_where_it_is_asked_to(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(model_webhook(f->m, create(f, 0))->cursor, 0);
    assert_int_equal(model_webhook(f->m, create(f, 4))->told, 4);
    (void)create(f, 99);
    assert_int_equal(f->out.effects[0].reply.status, E_INVALID);
    assert_int_equal(f->m->n_webhooks, 2);
    while (f->m->n_webhooks < WEBHOOKS_MAX) {
        (void)create(f, 0);
    }
    (void)create(f, 0); /* rule 1 */
    assert_string_equal(f->out.effects[0].reply.code, "too-many-webhooks");
    assert_int_equal(f->out.n_changes + f->out.n_journal + f->out.n_audits, 0);
}

static void its_life_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct id id = create(f, 2);
    struct webhook *hook = model_webhook(f->m, id);

    say(f, id, WEBHOOK_PROGRESS, 4, 3);
    assert_int_equal(f->out.n_journal, 0); /* rule 4: no news of no news */
    assert_int_equal(f->out.n_changes, 1);
    assert_int_equal(hook->cursor, 4);
    assert_int_equal(hook->told, 3);
    say(f, id, WEBHOOK_FAILING, 4, 3);
    assert_told(f, "webhook.failing",
                "{\"since\":\"2020-09-13T12:26:40.000Z\",\"reason\":\"refused\"}");
    say(f, id, WEBHOOK_FAILING, 4, 3); /* rule 5: after a restart of podmgr */
    assert_int_equal(f->out.n_journal, 0);
    say(f, id, WEBHOOK_GAP, 5, 5);
    assert_told(f, "webhook.gap", "{\"from\":3,\"to\":5}");
    say(f, id, WEBHOOK_RECOVERED, 6, 6);
    assert_told(f, "webhook.recovered", "{\"failing_since\":\"2020-09-13T12:26:40.000Z\"}");
    say(f, id, WEBHOOK_RECOVERED, 6, 6);
    assert_int_equal(f->out.n_journal, 0);
    say(f, id, WEBHOOK_DISABLED, 6, 6); /* rule 6 */
    assert_told(f, "webhook.disabled", "{\"reason\":\"refused\"}");
    assert_string_equal(hook->disabled, "refused");
    assert_int_equal(f->out.n_audits, 0); /* nobody asked for any of it */
}

static void nobody_hears_of_webhooks(void **state)
{
    struct fixture *f = *state;
    struct webhook all = {.id = {1, 1}};

    assert_true(webhook_wants(&all, "slice.active"));
    assert_false(webhook_wants(&all, "webhook.failing")); /* rule 4 */
    assert_true(webhook_wants(&f->hook, "slice.active"));
    assert_true(webhook_wants(&f->hook, "link.down"));
    assert_false(webhook_wants(&f->hook, "link.up"));
    assert_false(webhook_wants(&f->hook, "slic"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_of_rfc_4231),
        cmocka_unit_test(letters_are_signed_with_their_time),
        cmocka_unit_test(outcomes_are_judged),
        cmocka_unit_test(tries_wait_longer_and_longer),
        cmocka_unit_test(urls_are_checked),
        cmocka_unit_test(everybody_may_see_the_origin),
        TEST(a_letter_says_from_where_to_where),
        TEST(a_full_letter_takes_no_more),
        TEST(a_gap_is_told_in_the_place_of_what_is_gone),
        TEST(a_test_moves_nothing),
        TEST(one_is_made_and_deleted),
        TEST(it_begins_where_it_is_asked_to),
        TEST(its_life_is_told_once),
        TEST(nobody_hears_of_webhooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
