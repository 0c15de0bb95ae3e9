/* The small things that all programs share: errors, clock, memory, log lines
 * and their limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <jansson.h>
#include <cmocka.h>

#include "clock.h"
#include "err.h"
#include "limit.h"
#include "log.h"
#include "mem.h"

static void errors_carry_code_and_text(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(err_set(&err, E_BUSY, "cube/%d is busy", 5), E_BUSY);
    assert_int_equal(err_prefix(&err, "slice/%s", "a"), E_BUSY);
    assert_string_equal(err.text, "slice/a: cube/5 is busy");
    assert_int_equal(err_set(NULL, E_IO, "nobody listens"), E_IO);
    assert_string_equal(err_name(E_STALE), "stale-epoch");
    assert_string_equal(err_name(0), "ok");
    assert_string_equal(err_name(-999), "unknown-error");

    char *longer = xasprintf("%0600d", 1);
    (void)err_set(&err, E_IO, "%s", longer);
    (void)err_prefix(&err, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    free(longer);
}

static void memory_helpers(void **state)
{
    (void)state;
    unsigned *items = NULL;
    size_t n = 0, cap = 0;
    for (unsigned i = 0; i < 100; i++) {
        VEC_GROW(items, n, cap);
        items[n++] = i;
    }
    assert_int_equal(cap, 128);
    assert_int_equal(items[99], 99);
    unsigned *copy = xmemdup(items, n * sizeof *items);
    assert_memory_equal(copy, items, n * sizeof *items);
    void *none = xmalloc(0);
    assert_non_null(none);
    free(none);
    free(copy);
    free(items);
}

static void wall_times_are_rfc3339(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {1795252560123, "2026-11-21T09:16:00.123Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "beyond-year-9999"},
        {INT64_MAX, "beyond-year-9999"},
        {INT64_MIN, "beyond-year-9999"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char buf[32];
        assert_string_equal(wall_format((struct wall_ms){rows[i].ms}, buf), rows[i].text);
    }
}

static void wall_times_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"2026-11-21T09:16:00.123Z", 1795252560123},
        {"2026-11-21t09:16:00z", 1795252560000},
        {"2026-11-21T09:16:00.1Z", 1795252560100},
        {"2026-11-21T09:16:00.123456789Z", 1795252560123},
        {"2026-11-21T10:46:00+01:30", 1795252560000},
        {"2026-11-21T01:16:00-08:00", 1795252560000},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2023-02-29T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-11-21T24:00:00Z", -1},
        {"2026-11-21T09:60:00Z", -1},
        {"2026-11-21T09:16:00", -1}, /* where? */
        {"2026-11-21 09:16:00Z", -1},
        {"2026-11-21T09:16Z", -1},
        {"2026-11-21T09:16:00.Z", -1},
        {"2026-11-21T09:16:00+0100", -1},
        {"2026-11-21T09:16:00Z ", -1},
        {"1969-12-31T23:59:59Z", -1},
        {"tomorrow", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wall_ms at = {-1};
        if (wall_parse(&at, rows[i].text) != (rows[i].ms >= 0) || at.ms != rows[i].ms)
            fail_msg("%s: %lld", rows[i].text, (long long)at.ms);
    }
}

static void the_monotonic_clock_does_not_go_back(void **state)
{
    (void)state;
    struct now a = clock_read(), b = clock_read();
    assert_true(mono_ms_since(a.mono, b.mono) >= 0);
    assert_true(a.wall.ms > 1600000000000);
}

/* -------------------------------------------------------------- limit -- */

static struct mono_ns at_ms(int64_t ms)
{
    return (struct mono_ns){ms * 1000000};
}

static void a_source_gets_its_burst_then_its_rate(void **state)
{
    (void)state;
    struct limit *limit = xcalloc(1, sizeof *limit);
    unsigned passed = 0;
    for (unsigned i = 0; i < 1000; i++)
        passed += limit_ask(limit, "ocs/1", at_ms(0)).pass;
    assert_int_equal(passed, LIMIT_BURST);
    assert_true(limit_ask(limit, "ocs/2", at_ms(0)).pass);

    struct limit_verdict next = limit_ask(limit, "ocs/1", at_ms(1000 / LIMIT_PER_SECOND));
    assert_true(next.pass);
    assert_int_equal(next.suppressed, 1000 - LIMIT_BURST);

    passed = 0;
    for (unsigned i = 1; i <= 10000; i++)
        passed += limit_ask(limit, "ocs/1", at_ms(1000 / LIMIT_PER_SECOND + i)).pass;
    assert_in_range(passed, 10 * LIMIT_PER_SECOND - 1, 10 * LIMIT_PER_SECOND);

    /* Rest refills the bucket, and no further. */
    passed = 0;
    for (unsigned i = 0; i < 1000; i++)
        passed += limit_ask(limit, "ocs/1", at_ms(3600000)).pass;
    assert_int_equal(passed, LIMIT_BURST);
    free(limit);
}

static void a_full_table_forgets_the_silent_and_says_so(void **state)
{
    (void)state;
    struct limit *limit = xcalloc(1, sizeof *limit);
    for (unsigned i = 0; i < LIMIT_BURST + 7; i++)
        (void)limit_ask(limit, "noisy", at_ms(0));
    unsigned told = 0;
    for (unsigned i = 0; i < 10 * LIMIT_SETS * LIMIT_WAYS; i++) {
        char source[32];
        snprintf(source, sizeof source, "source/%u", i);
        struct limit_verdict verdict = limit_ask(limit, source, at_ms(1 + i));
        assert_true(verdict.pass);
        if (verdict.evicted.suppressed > 0) {
            assert_string_equal(verdict.evicted.source, "noisy");
            assert_int_equal(verdict.evicted.suppressed, 7);
            told++;
        }
    }
    assert_int_equal(told, 1);
    free(limit);
}

static void odd_source_names_have_a_bucket_too(void **state)
{
    (void)state;
    struct limit *limit = xcalloc(1, sizeof *limit);
    char *a = xasprintf("%0100d", 1), *b = xasprintf("%0100d", 2);
    const char *const names[] = {"", a, b};
    unsigned passed = 0;
    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        for (unsigned i = 0; i < 1000; i++)
            passed += limit_ask(limit, names[n], at_ms(0)).pass;
    }
    /* a and b differ only beyond what a slot keeps: one source. */
    assert_int_equal(passed, 2 * LIMIT_BURST);
    free(a);
    free(b);
    free(limit);
}

/* ---------------------------------------------------------------- log -- */

/* Stderr goes to a pipe while the lines are logged; the caller frees the text. */
static int capture_start(int pipe_fds[2])
{
    assert_int_equal(pipe(pipe_fds), 0);
    assert_true(fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 18) > 0);
    int saved = dup(STDERR_FILENO);
    dup2(pipe_fds[1], STDERR_FILENO);
    close(pipe_fds[1]);
    return saved;
}

static char *capture_end(int pipe_fds[2], int saved)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    char *text = xcalloc(1, (1 << 18) + 1);
    size_t len = 0;
    for (ssize_t n; (n = read(pipe_fds[0], text + len, (1 << 18) - len)) > 0;)
        len += (size_t)n;
    close(pipe_fds[0]);
    return text;
}

static void text_lines(void **state)
{
    (void)state;
    int fds[2], saved = capture_start(fds);
    log_init("podmgr", LOG_FORMAT_TEXT, LOG_INFO);
    log_info("ocs/12", "map read, %d circuits", 64);
    log_error("http", "bad name \"a\nb\" \x7f \xff caf\xc3\xa9");
    log_debug("http", "below the threshold");
    char *text = capture_end(fds, saved);
    assert_string_equal(text,
                        "<6>podmgr: ocs/12: map read, 64 circuits\n"
                        "<3>podmgr: http: bad name \"a\\x0ab\" \\x7f \xef\xbf\xbd caf\xc3\xa9\n");
    free(text);
}

static void json_lines_are_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "plain",
        "quote \" backslash \\ tab \t newline \n bell \a del \x7f",
        "caf\xc3\xa9 \xf0\x9f\x94\xa5",
        /* not UTF-8: stray, overlong, surrogate, too large, cut */
        "\x80",
        "\xc0\xaf",
        "\xe0\x80\x80",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf0\x9f\x94",
        "\xe2\x82",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int fds[2], saved = capture_start(fds);
        log_init("podmgr", LOG_FORMAT_JSON, LOG_DEBUG);
        log_warning("json", "%s", texts[i]);
        char *text = capture_end(fds, saved);
        json_error_t error;
        json_t *line = json_loads(text, 0, &error);
        assert_non_null(line);
        assert_string_equal(json_string_value(json_object_get(line, "level")), "warning");
        assert_string_equal(json_string_value(json_object_get(line, "program")), "podmgr");
        assert_string_equal(json_string_value(json_object_get(line, "source")), "json");
        assert_int_equal(strlen(json_string_value(json_object_get(line, "time"))), 24);
        const char *back = json_string_value(json_object_get(line, "text"));
        if (i < 3)
            assert_string_equal(back, texts[i]);
        else
            assert_ptr_equal(strstr(back, "\xef\xbf\xbd"), back);
        assert_int_equal(text[strlen(text) - 1], '\n');
        json_decref(line);
        free(text);
    }
}

static void long_lines_are_cut_and_stay_well_formed(void **state)
{
    (void)state;
    char *bells = xmalloc(6001), *accents = xmalloc(6002);
    memset(bells, '\a', 6000);
    bells[6000] = '\0';
    for (unsigned i = 0; i < 6000; i += 2)
        memcpy(accents + i, "\xc3\xa9", 3);
    const struct {
        const char *source, *text;
    } rows[] = {{"long", bells}, {"long", accents}, {bells, "x"}, {accents, bells}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
            int fds[2], saved = capture_start(fds);
            log_init("podmgr", (enum log_format)format, LOG_INFO);
            log_info(rows[i].source, "%s", rows[i].text);
            char *text = capture_end(fds, saved);
            assert_in_range(strlen(text), 100, 4096);
            assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
            assert_non_null(strstr(text, "..."));
            assert_null(strstr(text, "\xef\xbf\xbd"));
            if (format == LOG_FORMAT_JSON) {
                json_t *line = json_loads(text, 0, NULL);
                assert_non_null(line);
                json_decref(line);
            }
            free(text);
        }
    }
    free(bells);
    free(accents);
}

static void what_was_suppressed_is_told(void **state)
{
    (void)state;
    int fds[2], saved = capture_start(fds);
    log_init("podmgr", LOG_FORMAT_TEXT, LOG_INFO);
    /* The real clock: keep asking until the bucket has earned a line again. */
    char *text = NULL;
    unsigned asked = 0;
    for (; asked < 1000; asked++) { /* more than the burst: some are suppressed */
        log_info("flap", "link down");
    }
    struct mono_ns start = clock_read().mono;
    bool earned; /* looked at before the last line is asked for */
    do {
        earned = mono_ms_since(start, clock_read().mono) > 1000.0 / LIMIT_PER_SECOND + 1;
        log_info("flap", "link down");
        asked++;
    } while (!earned);
    log_info("other", "fine");
    text = capture_end(fds, saved);
    assert_non_null(strstr(text, "<4>podmgr: flap: "));
    assert_non_null(strstr(text, " lines suppressed\n<6>podmgr: flap: link down\n"));
    assert_non_null(strstr(text, "<6>podmgr: other: fine\n"));
    unsigned lines = 0;
    for (const char *at = text; (at = strstr(at, "link down")) != NULL; at++)
        lines++;
    assert_in_range(lines, LIMIT_BURST, asked / 2);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_carry_code_and_text),
        cmocka_unit_test(memory_helpers),
        cmocka_unit_test(wall_times_are_rfc3339),
        cmocka_unit_test(wall_times_are_read),
        cmocka_unit_test(the_monotonic_clock_does_not_go_back),
        cmocka_unit_test(a_source_gets_its_burst_then_its_rate),
        cmocka_unit_test(a_full_table_forgets_the_silent_and_says_so),
        cmocka_unit_test(odd_source_names_have_a_bucket_too),
        cmocka_unit_test(text_lines),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(long_lines_are_cut_and_stay_well_formed),
        cmocka_unit_test(what_was_suppressed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
