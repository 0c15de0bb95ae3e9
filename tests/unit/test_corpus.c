/* Replays the seeds of the fuzz targets (tests/fuzz/corpus/NAME/...) through the
 * same entry points, with whatever compiler and sanitizers are in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "log.h"
#include "mem.h"
#include "tests/fuzz/fuzz.h"

enum { SEED_MAX = 1 << 16 };

static void replay_file(const struct fuzz_target *target, const char *path)
{
    static uint8_t buf[SEED_MAX];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    size_t n = fread(buf, 1, sizeof buf, file);
    assert_int_equal(fclose(file), 0);
    /* Of its exact size, so that a read behind it is seen. */
    uint8_t *data = xmemdup(buf, n);
    target->run(data, n);
    free(data);
}

static void replay(void **state)
{
    const struct fuzz_target *target = *state;
    char dir[128], path[512];
    unsigned n = 0;

    (void)snprintf(dir, sizeof dir, "tests/fuzz/corpus/%s", target->name);
    DIR *entries = opendir(dir);
    if (entries == NULL) {
        fail_msg("no seeds in %s", dir);
        return;
    }
    /* cppcheck-suppress readdirCalled ; our own stream, one thread */
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
            replay_file(target, path);
            n++;
        }
    }
    assert_int_equal(closedir(entries), 0);
    assert_true(n > 0);
    target->run(NULL, 0);
}

int main(void)
{
    struct CMUnitTest *tests = xcalloc(fuzz_target_count, sizeof *tests);

    log_init("test", LOG_FORMAT_TEXT, (enum log_level)0);
    for (size_t i = 0; i < fuzz_target_count; i++) {
        tests[i] = (struct CMUnitTest){.name = fuzz_targets[i].name,
                                       .test_func = replay,
                                       .initial_state = (void *)(uintptr_t)&fuzz_targets[i]};
    }
    int failed = _cmocka_run_group_tests("corpus", tests, fuzz_target_count, NULL, NULL);
    free(tests);
    return failed;
}
