/* libFuzzer's entry: runs the target that the environment's FUZZ_TARGET names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "log.h"

static fuzz_fn *target_named(const char *name)
{
    for (size_t i = 0; i < fuzz_target_count; i++) {
        if (name != NULL && strcmp(name, fuzz_targets[i].name) == 0) {
            return fuzz_targets[i].run;
        }
    }
    (void)fprintf(stderr, "FUZZ_TARGET names no target\n");
    exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fuzz_fn *run;

    if (run == NULL) {
        /* What refuses an input says so, which is no news here; FUZZ_LOG shows it. */
        log_init("fuzz", LOG_FORMAT_TEXT, getenv("FUZZ_LOG") != NULL ? LOG_ERROR : 0);
        run = target_named(getenv("FUZZ_TARGET"));
    }
    run(data, size);
    return 0;
}
