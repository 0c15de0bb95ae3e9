/* Fuzz targets: each takes bytes that somebody else could have written and
 * hands them to the code that would read them.  fuzz_main.c drives one under
 * libFuzzer, tests/unit/test_corpus.c replays the seeds with any compiler.
 * A target checks nothing but that its code comes back: asserts, sanitizers
 * and the time limit are the judges. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void fuzz_fn(const uint8_t *data, size_t size);
struct fuzz_target {
    const char *name;
    fuzz_fn *run;
};
extern const struct fuzz_target fuzz_targets[];
extern const size_t fuzz_target_count;

fuzz_fn fuzz_yconf, fuzz_part, fuzz_config, fuzz_shape, fuzz_id, fuzz_http, fuzz_slice_body;
fuzz_fn fuzz_agent_request, fuzz_ocs_reply, fuzz_ocs_request, fuzz_fabric_request;
fuzz_fn fuzz_sim_request, fuzz_agent_reply, fuzz_fabric_reply, fuzz_store, fuzz_route_cache;
fuzz_fn fuzz_health_request, fuzz_health_reply, fuzz_health_state, fuzz_health_config;
fuzz_fn fuzz_probe_request, fuzz_probe_reply, fuzz_tables;

/* fixture.c */
/* The input as a string: allocated exactly, so that a read behind it is seen. */
char *fuzz_text(const uint8_t *data, size_t size);
/* A directory in memory if there is one; made once, removed at exit. */
const char *fuzz_dir(void);
/* Writes DIR/name and returns its path, valid until the next call. */
const char *fuzz_file(const char *name, const void *data, size_t size);
/* Takes the next frame off the input: two bytes of length, then as many as there
 * are.  False at the end. */
bool fuzz_frame(const uint8_t **data, size_t *size, const uint8_t **frame, size_t *len);

#endif
