/* simulator/config.c: the example loads, and mistakes are named where they stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "simulator/serve.h"

static int load_text(struct sim_config *out, const char *text, struct error *err)
{
    char file[] = "/tmp/podsim-test-XXXXXX";
    int fd = mkstemp(file);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    int status = sim_config_load(out, file, err);
    (void)unlink(file);
    return status;
}

static void the_example_loads(void **state)
{
    struct sim_config config;
    struct world *w;
    struct error err;
    char url[64];

    (void)state;
    assert_int_equal(sim_config_load(&config, "packaging/podsim.yaml.example", &err), 0);
    assert_int_equal(config.cubes, 64);
    assert_int_equal(config.ports_per_side, 68);
    assert_int_equal(config.n_moves, 1);
    sim_ocs_url(&config, 47, url, sizeof url);
    assert_string_equal(url, "ipc:///run/podsim/ocs-47.sock");
    assert_int_equal(world_create(&w, &config, &err), 0);
    world_destroy(w);
    sim_config_fini(&config);
}

static void defaults_follow_the_size_of_the_pod(void **state)
{
    struct sim_config config;
    struct error err;

    (void)state;
    assert_int_equal(load_text(&config, "cubes: 144\nmirror_time_ms: {median: 4}\n", &err), 0);
    assert_int_equal(config.ports_per_side, 152);
    assert_true(config.mirror_p99_ms == 12);
    sim_config_fini(&config);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        {"cubs: 4\n", "1:1: cubs"},
        {"cubes: 145\n", "1:1: cubes"},
        {"cubes: 8\nports_per_side: 7\n", "2:1: ports_per_side: 8 cubes need as many ports"},
        {"vc_classes: 4\n", "1:1: vc_classes"},
        {"pod: a-name-of-far-more-than-31-characters\n", "1:1: pod: is 1 to 31 characters"},
        {"ocs_url: ipc:///x\n", "1:1: ocs_url: needs one %u"},
        {"ocs_url: ipc:///%u%s\n", "1:1: ocs_url: needs one %u"},
        {"mirror_time_ms: {median: -1}\n", "mirror_time_ms.median"},
        {"mirror_time_ms: {mean: 1}\n", "mirror_time_ms.mean"},
        {"wiring:\n  - {fibre: cube/1, port: port/12-n-66}\n", "fibre: write fibre/"},
        {"wiring:\n  - {fibre: fibre/5+x-0-3, port: 66}\n", "port: write port/"},
    };
    struct sim_config config;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(load_text(&config, rows[i].text, &err), E_CONFIG);
        assert_non_null(strstr(err.text, rows[i].complaint));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_loads),
        cmocka_unit_test(defaults_follow_the_size_of_the_pod),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
