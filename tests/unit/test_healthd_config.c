/* healthd/config.c: the example, the options that win, mistakes where they stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "healthd/healthd.h"
#include "mem.h"

static const struct rule *rule_named(const struct policy *policy, const char *name)
{
    for (size_t r = 0; r < RULES; r++) {
        if (strcmp(policy->rules[r].name, name) == 0) {
            return &policy->rules[r];
        }
    }
    fail_msg("no rule %s", name);
    return NULL;
}

static void the_example_is_good(void **state)
{
    struct healthd_options options = {.file = "packaging/healthd.yaml.example"};
    struct healthd_config config;
    struct error err = {0};

    (void)state;
    if (healthd_config_load(&config, &options, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(config.pod, "pod-a");
    assert_int_equal(config.n_hosts, 1);
    assert_int_equal(config.hosts[0], 5 * 16 + 3);
    assert_null(config.probe_url);
    assert_true(rule_named(&config.policy, "hot")->limit == 92);
    assert_true(rule_named(&config.policy, "hot")->fine == 86);
    assert_int_equal(rule_named(&config.policy, "link-crc")->window_ms, 10000);
    assert_true(rule_named(&config.policy, "overheated")->limit == 105); /* as it was */
    healthd_config_fini(&config);
}

static void options_win(void **state)
{
    struct healthd_options options = {.file = "packaging/healthd.yaml.example",
                                      .pod = "q",
                                      .hosts = "0-0..1-15",
                                      .probe = "ipc:///x",
                                      .state = "/y"};
    struct healthd_config config;
    struct error err;

    (void)state;
    assert_int_equal(healthd_config_load(&config, &options, &err), 0);
    assert_string_equal(config.pod, "q");
    assert_int_equal(config.n_hosts, 32);
    assert_string_equal(config.probe_url, "ipc:///x");
    assert_string_equal(config.state_file, "/y");
    healthd_config_fini(&config);
}

static void mistakes_are_named_where_they_stand(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"hosts: 0-0\n", "which pod?"},
        {"pod: p\nhosts: 0-0..0-1\n", "this machine is one host"},
        {"pod: p\nhosts: 99-0\n", "host/99-0: the pod has cube/0 to cube/63"},
        {"pod: p\ncubes: 200\nhosts: 0-0\n", "cubes: '200' is not a number from 1 to 144"},
        {"pod: p\nhosts: 0-0\nperiod_ms: 1\n", ":3:1: period_ms: "},
        {"pod: p\nhosts: 0-0\nstatefile: /x\n", ":3:1: statefile: no such key"},
        {"pod: p\nhosts: 0-0\nrules: {hott: {limit: 1}}\n", ":3:9: rules.hott: no such key"},
        {"pod: p\nhosts: 0-0\nrules: {hot: {severity: FATAL}}\n",
         "rules.hot.severity: no such key"},
        {"pod: p\nhosts: 0-0\nrules: {hot: {limit: 90, fine: 95}}\n",
         ":3:26: rules.hot.fine: 95 is beyond the limit, 90"},
        {"pod: p\nhosts: 0-0\nrules: {link-crc: {limit: 5, fine: 5}}\n", "is beyond the limit"},
        {"pod: p\nhosts: 0-0\nrules: {low-light: {limit: -8, fine: -9}}\n", "is beyond the limit"},
        {"pod: p\nhosts: 0-0\nrules: {hung: {limit: 5}}\n", "rules.hung.limit: no such key"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char file[] = "/tmp/podmgr-test-XXXXXX";
        struct healthd_options options = {.file = file};
        struct healthd_config config;
        struct error err = {0};
        int fd = mkstemp(file);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, rows[i].text, strlen(rows[i].text)),
                         (ssize_t)strlen(rows[i].text));
        assert_int_equal(close(fd), 0);
        assert_true(healthd_config_load(&config, &options, &err) < 0);
        (void)unlink(file);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].text, err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_good),
        cmocka_unit_test(options_win),
        cmocka_unit_test(mistakes_are_named_where_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
