/* podmgr's configuration: what is in force when little is said, every mistake
 * with its place and words, and that the printed form parses back to itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "config.h"
#include "mem.h"

#define NEEDED                                                                                     \
    "ocs: {url: 'ipc:///tmp/ocs-%u.sock'}\n"                                                       \
    "agents: {url: 'tcp://127.0.0.1:7000'}\n"
#define POD "pod: {id: p, cubes: 64}\n"

static char path[] = "/tmp/test_config.XXXXXX";

static int load(struct config *config, const char *text, struct error *err)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return config_load(config, path, err);
}

static struct config loaded(const char *text)
{
    struct config config;
    struct error err = {0};
    if (load(&config, text, &err) < 0)
        fail_msg("%s", err.text);
    return config;
}

static char *printed(const struct config *config)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    config_print(config, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void little_is_needed(void **state)
{
    (void)state;
    struct config config = loaded("pod: {id: p}\n" NEEDED);
    char *text = printed(&config);
    assert_string_equal(text, "pod:\n"
                              "  id: \"p\"\n"
                              "  cubes: 64\n"
                              "  ports_per_side: 68\n"
                              "  vc_classes: 3\n"
                              "wiring: []\n"
                              "power: []\n"
                              "remediation:\n"
                              "  mode: auto\n"
                              "  cubes_out_max: 4\n"
                              "  swaps_per_hour_max: 8\n"
                              "  hot_spares: 0\n"
                              "  confidence_min: 0.6\n"
                              "preflight:\n"
                              "  mode: full\n"
                              "  unobserved: skip\n"
                              "  timeout_ms: 10000\n"
                              "repair:\n"
                              "  burn_in_ms: 900000\n"
                              "  probation_ms: 14400000\n"
                              "research: false\n"
                              "ocs:\n"
                              "  url: \"ipc:///tmp/ocs-%u.sock\"\n"
                              "  timeout_ms: 2000\n"
                              "  loss_db_max: 3\n"
                              "agents:\n"
                              "  url: \"tcp://127.0.0.1:7000\"\n"
                              "  lease_ms: 1500\n"
                              "listen:\n"
                              "  http: \"127.0.0.1:8470\"\n"
                              "  socket: \"/run/podmgr/podmgr.sock\"\n"
                              "state:\n"
                              "  database: \"/var/lib/podmgr/podmgr.db\"\n"
                              "  backup_dir: \"/var/lib/podmgr\"\n"
                              "  journal_keep: 100000\n"
                              "webhooks:\n"
                              "  timeout_ms: 10000\n"
                              "  backoff_ms: 1000\n"
                              "  backoff_max_ms: 300000\n");
    free(text);
    config_fini(&config);

    static const struct {
        const char *text;
        unsigned ports;
    } rows[] = {
        {"pod: {id: p, cubes: 1}\n" NEEDED, 5},
        {"pod: {id: p, cubes: 65}\n" NEEDED, 73},
        {"pod: {id: p, cubes: 144}\n" NEEDED, 152},
        {"pod: {id: p, cubes: 144, ports_per_side: 144}\n" NEEDED, 144},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        config = loaded(rows[i].text);
        assert_int_equal(config.pod.ports_per_side, rows[i].ports);
        assert_int_equal(tpunet_wiring_ports(config.pod.wiring), rows[i].ports);
        config_fini(&config);
    }
}

static void golden_round_trip(void **state)
{
    (void)state;
    static const char golden[] = "pod:\n"
                                 "  id: \"north-1.b_2\"\n"
                                 "  cubes: 144\n"
                                 "  ports_per_side: 160\n"
                                 "  vc_classes: 2\n"
                                 "wiring:\n"
                                 "  - {fibre: \"fibre/5+x-0-3\", port: \"port/12-n-150\"}\n"
                                 "  - {fibre: \"fibre/5-x-0-3\", port: \"port/12-s-150\"}\n"
                                 "  - {fibre: \"fibre/7+z-3-3\", port: \"port/47-n-8\"}\n"
                                 "  - {fibre: \"fibre/8+z-3-3\", port: \"port/47-n-7\"}\n"
                                 "power:\n"
                                 "  - {domain: \"row-a\", feeds: [\"cube/0\", \"ocs/12\"]}\n"
                                 "  - {domain: \"row-b\", feeds: [\"host/0-3\"]}\n"
                                 "remediation:\n"
                                 "  mode: dry-run\n"
                                 "  cubes_out_max: 2\n"
                                 "  swaps_per_hour_max: 5\n"
                                 "  hot_spares: 3\n"
                                 "  confidence_min: 0.75\n"
                                 "preflight:\n"
                                 "  mode: intent\n"
                                 "  unobserved: refuse\n"
                                 "  timeout_ms: 2500\n"
                                 "repair:\n"
                                 "  burn_in_ms: 60000\n"
                                 "  probation_ms: 3600000\n"
                                 "research: true\n"
                                 "ocs:\n"
                                 "  url: \"tcp://10.0.0.1:70%u\"\n"
                                 "  timeout_ms: 50\n"
                                 "  loss_db_max: 2.7\n"
                                 "agents:\n"
                                 "  url: \"ipc:///a \\\"b\\\" \\\\c#: 'd'\"\n"
                                 "  lease_ms: 1900\n"
                                 "listen:\n"
                                 "  http: none\n"
                                 "  socket: \"./s\"\n"
                                 "state:\n"
                                 "  database: \"./db\"\n"
                                 "  backup_dir: \"/mnt/b\"\n"
                                 "  journal_keep: 100\n"
                                 "webhooks:\n"
                                 "  timeout_ms: 100\n"
                                 "  backoff_ms: 10\n"
                                 "  backoff_max_ms: 10\n"
                                 "  ca_file: \"/etc/ca.pem\"\n";
    struct config config = loaded(golden);
    char *text = printed(&config);
    assert_string_equal(text, golden);
    assert_null(config.http_address);
    assert_string_equal(config.agent_url, "ipc:///a \"b\" \\c#: 'd'");
    assert_int_equal(config.pod.n_rewires, 4);
    assert_int_equal(config.pod.n_feeds, 3);
    assert_string_equal(config.pod.feeds[1].domain, "row-a");
    assert_int_equal(config.pod.feeds[1].part.ocs, 12);
    struct tpunet_fibre fibre = {.cube = 7, .axis = 2, .a = 3, .b = 3};
    assert_int_equal(tpunet_wiring_port(config.pod.wiring, fibre).port, 8);

    free(text);
    config_fini(&config);
}

static void example_is_good(void **state)
{
    (void)state;
    struct config config;
    struct error err = {0};
    if (config_load(&config, "packaging/podmgr.yaml.example", &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(config.pod.n_rewires, 2);
    config_fini(&config);
}

static void listeners(void **state)
{
    (void)state;
    struct config config = loaded(POD NEEDED "listen: {http: '127.9.9.9:0'}\n");
    assert_string_equal(config.http_address, "127.9.9.9");
    assert_int_equal(config.http_port, 0);
    config_fini(&config);
}

static void backups_go_beside_the_database(void **state)
{
    static const struct {
        const char *text, *dir;
    } rows[] = {
        {POD NEEDED, "/var/lib/podmgr"},
        {POD NEEDED "state: {database: db}\n", "."},
        {POD NEEDED "state: {database: /db}\n", "/"},
        {POD NEEDED "state: {database: a/b/db}\n", "a/b"},
        {POD NEEDED "state: {database: a/db, backup_dir: /mnt/b}\n", "/mnt/b"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config config = loaded(rows[i].text);
        assert_string_equal(config.backup_dir, rows[i].dir);
        config_fini(&config);
    }
}

#define WIRING(items)            POD "wiring:\n" items NEEDED
#define MOVE(fibre, port)        "- fibre: " fibre "\n  port: " port "\n"
#define POWER(items)             POD "power:\n" items "\n" NEEDED
#define SECTION(section, values) "pod: {id: p}\n" section ": " values "\n"

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where_and_what;
    } rows[] = {
        {"", ":1:1: pod.id: is required"},
        {"pod: {cubes: 4}\n", ":1:1: pod.id: is required"},
        {"pod: {id: a b}\n", ":1:7: pod.id: pod/a?b: the id in"},
        {"pod: {id: ''}\n", ":1:7: pod.id: "},
        {"pod: {id: abcdefghijklmnopqrstuvwxyz012345}\n",
         ":1:7: pod.id: has more than 31 characters"},
        {"pod: {id: p, cubes: 0}\n", ":1:14: pod.cubes: 0 is not in 1 to 144"},
        {"pod: {id: p, cubes: 145}\n", ":1:14: pod.cubes: 145 is not in 1 to 144"},
        {"pod: {id: p, cubes: many}\n", ":1:14: pod.cubes: a whole number is expected"},
        {"pod: {id: p, cubes: 64, ports_per_side: 63}\n",
         ":1:25: pod.ports_per_side: an OCS with 63 ports a side cannot serve 64 cubes"},
        {"pod: {id: p, ports_per_side: 161}\n",
         ":1:14: pod.ports_per_side: 161 is not in 1 to 160"},
        {"pod: {id: p, vc_classes: 4}\n", ":1:14: pod.vc_classes: 4 is not in 2 to 3"},
        {"pod: {id: p, cube: 4}\n", ":1:14: pod.cube: no such key"},
        {"pod: 64\n", ":1:1: pod: a mapping is expected"},
        {POD NEEDED "oops: 1\n", ":4:1: oops: no such key"},
        {POD "remediation: {mode: always}\n" NEEDED,
         ":2:15: remediation.mode: always is neither off, dry-run nor auto"},
        {POD "remediation: {cubes_out_max: -1}\n" NEEDED,
         ":2:15: remediation.cubes_out_max: -1 is not in 0 to 144"},
        {POD "preflight: {mode: on}\n" NEEDED,
         ":2:13: preflight.mode: on is neither off, intent nor full"},
        {POD "preflight: {unobserved: maybe}\n" NEEDED,
         ":2:13: preflight.unobserved: maybe is neither skip nor refuse"},
        {POD "preflight: {timeout_ms: 99}\n" NEEDED,
         ":2:13: preflight.timeout_ms: 99 is not in 100 to 600000"},
        {POD "repair: {burn_in_ms: 0}\n" NEEDED,
         ":2:10: repair.burn_in_ms: 0 is not in 1 to 2592000000"},
        {POD "remediation: {confidence_min: 60}\n" NEEDED,
         ":2:15: remediation.confidence_min: 60 is not in 0 to 1"},

        {WIRING("- 7\n"), ":3:3: wiring[0]: a mapping is expected"},
        {WIRING("- {fibre: fibre/5+x-0-3}\n"), ":3:3: wiring[0].port: is required"},
        {WIRING("- {port: port/12-n-66}\n"), ":3:3: wiring[0].fibre: is required"},
        {WIRING(MOVE("fibre/5+x-0-4", "port/12-n-66")),
         ":3:3: wiring[0].fibre: fibre/5+x-0-4: b is 0 to 3"},
        {WIRING(MOVE("cube/5", "port/12-n-66")),
         ":3:3: wiring[0].fibre: cube/5 is a cube, a fibre is expected"},
        {WIRING(MOVE("fibre/64+x-0-3", "port/12-n-66")),
         ":3:3: wiring[0].fibre: fibre/64+x-0-3: the pod has cubes 0 to 63"},
        {WIRING(MOVE("fibre/5+x-0-3", "port/9-n-66")),
         ":4:3: wiring[0].port: port/9-n-66 is another switch or side: fibre/5+x-0-3 leads to "
         "ocs/12 north"},
        {WIRING(MOVE("fibre/5-x-0-3", "port/12-n-66")),
         ":4:3: wiring[0].port: port/12-n-66 is another switch or side: fibre/5-x-0-3 leads to "
         "ocs/12 south"},
        {WIRING(MOVE("fibre/5+x-0-3", "port/12-n-68")),
         ":4:3: wiring[0].port: port/12-n-68: a switch has ports 0 to 67 a side"},
        {WIRING(MOVE("fibre/5+x-0-3", "port/12-n-66") MOVE("fibre/5+x-0-3", "port/12-n-67")),
         ":5:3: wiring[1].fibre: fibre/5+x-0-3 is wired twice, also by wiring[0]"},
        {WIRING(MOVE("fibre/5+x-0-3", "port/12-n-66") MOVE("fibre/6+x-0-3", "port/12-n-66")),
         ":6:3: wiring[1].port: port/12-n-66 has two fibres, also by wiring[0]"},
        {WIRING(MOVE("fibre/5+x-0-3", "port/12-n-6")),
         ":4:3: wiring[0].port: port/12-n-6 has two fibres: fibre/6+x-0-3 is there unless it is "
         "moved too"},
        {WIRING("- {fibre: fibre/5+x-0-3, port: port/12-n-66, note: x}\n"),
         ":3:46: wiring[0].note: no such key"},

        {POWER("- {feeds: [cube/1]}"), ":3:3: power[0].domain: is required"},
        {POWER("- {domain: a b, feeds: [cube/1]}"), ":3:4: power[0].domain: a b is not 1 to 63 of"},
        {POWER("- {domain: a}"), ":3:3: power[0].feeds: a feeds nothing"},
        {POWER("- {domain: a, feeds: cube/1}"), ":3:15: power[0].feeds: a list is expected"},
        {POWER("- {domain: a, feeds: [{}]}"),
         ":3:23: power[0].feeds[0]: one value is expected, not a mapping"},
        {POWER("- {domain: a, feeds: [cube]}"), ":3:15: power[0].feeds: cube: not a part"},
        {POWER("- {domain: a, feeds: [chip/1-0-0-0]}"),
         ":3:15: power[0].feeds: chip/1-0-0-0 is a chip; a domain feeds cubes, hosts and switches"},
        {POWER("- {domain: a, feeds: [host/64-0]}"),
         ":3:15: power[0].feeds: host/64-0: the pod has cubes 0 to 63"},
        {POWER("- {domain: a, feeds: [cube/1, ocs/2]}\n- {domain: b, feeds: [ocs/2]}"),
         ":4:15: power[1].feeds: ocs/2 is fed by a already"},
        {POWER("- {domain: a, feeds: [cube/1]}\n- {domain: a, feeds: [ocs/2]}"),
         ":4:4: power[1].domain: a is there twice"},
        {POWER("- {domain: a, feeds: [cube/1], volts: 48}"), ":3:32: power[0].volts: no such key"},

        {POD, ":1:1: ocs.url: is required"},
        {SECTION("ocs", "{url: }"), ":2:7: ocs.url: has no value"},
        {SECTION("ocs", "{url: \"ipc://\\n%u\"}"), ":2:7: ocs.url: is empty or has characters"},
        {SECTION("ocs", "{url: 'ipc://x'}"), ":2:7: ocs.url: ipc://x has to contain \"%u\""},
        {SECTION("ocs", "{url: 'ipc://%u%u'}"), ":2:7: ocs.url: ipc://%u%u has to contain"},
        {SECTION("ocs", "{url: 'ipc://%s'}"), ":2:7: ocs.url: ipc://%s has to contain"},
        {SECTION("ocs", "{url: '/tmp/%u'}"), ":2:7: ocs.url: /tmp/%u is not an address"},
        {SECTION("ocs", "{url: 'ipc://%u', timeout_ms: 1.5}"),
         ":2:24: ocs.timeout_ms: a whole number is expected"},
        {SECTION("ocs", "{url: 'ipc://%u', loss_db_max: 0}"),
         ":2:24: ocs.loss_db_max: 0 is not in 0.1 to 30"},
        {"pod: {id: p}\nocs: {url: 'ipc://%u'}\n", ":1:1: agents.url: is required"},

        {POD NEEDED "listen: {http: '0.0.0.0:8470'}\n",
         ":4:10: listen.http: 0.0.0.0:8470 is not a loopback address (127.0.0.0/8): anyone on the "
         "network could command the pod, since TLS is not configured"},
        {POD NEEDED "listen: {http: '10.1.2.3:80'}\n", ":4:10: listen.http: 10.1.2.3:80 is not a"},
        {POD NEEDED "listen: {http: 127.0.0.1}\n", ":4:10: listen.http: 127.0.0.1 is neither"},
        {POD NEEDED "listen: {http: '127.0.0.1:65536'}\n", ":4:10: listen.http: 127.0.0.1:65536"},
        {POD NEEDED "listen: {http: '127.0.0.1:+80'}\n", ":4:10: listen.http: 127.0.0.1:+80 is n"},
        {POD NEEDED "listen: {http: '127.0.0.1:'}\n", ":4:10: listen.http: 127.0.0.1: is neither"},
        {POD NEEDED "listen: {http: 'localhost:80'}\n", ":4:10: listen.http: localhost:80 is neit"},
        {POD NEEDED "listen: {http: ':80'}\n", ":4:10: listen.http: :80 is neither"},
        {POD NEEDED "listen: {socket: '/"
                    "0123456789012345678901234567890123456789012345678901234567890123456789"
                    "0123456789012345678901234567890123456789'}\n",
         ":4:10: listen.socket: has more than the 107 characters"},
        {POD NEEDED "webhooks: {backoff_ms: 500, backoff_max_ms: 499}\n",
         ":4:29: webhooks.backoff_max_ms: 499 is not in 500 to"},
        {POD NEEDED "webhooks: {secret: x}\n", ":4:12: webhooks.secret: "},
        {POD NEEDED "state: {journal_keep: 99}\n", ":4:9: state.journal_keep: 99 is not in 100 to"},
        {POD NEEDED "state: {database: [a]}\n",
         ":4:9: state.database: one value is expected, not a list"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config config = {.http_port = 77};
        struct error err = {0};
        assert_int_equal(load(&config, rows[i].text, &err), E_CONFIG);
        assert_memory_equal(err.text, path, strlen(path));
        const char *place = err.text + strlen(path);
        if (strncmp(place, rows[i].where_and_what, strlen(rows[i].where_and_what)) != 0)
            fail_msg("row %zu: got  %s\n want %s", i, place, rows[i].where_and_what);
        assert_int_equal(config.http_port, 77); /* untouched */
        assert_null(config.database);
    }
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    struct config config;
    struct error err = {0};
    assert_true(config_load(&config, "/nonexistent/podmgr.yaml", &err) < 0);
    assert_non_null(strstr(err.text, "/nonexistent/podmgr.yaml"));
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_is_needed),
        cmocka_unit_test(golden_round_trip),
        cmocka_unit_test(example_is_good),
        cmocka_unit_test(listeners),
        cmocka_unit_test(backups_go_beside_the_database),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_file_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
