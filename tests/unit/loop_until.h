/* For tests with a libuv loop: `f` has a `loop` and a flag `timed_out` that a
 * guard timer of the fixture sets. */
#ifndef TESTS_UNIT_LOOP_UNTIL_H
#define TESTS_UNIT_LOOP_UNTIL_H

/* Runs the loop until it holds; a condition that never does fails the test. */
#define LOOP_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        while (!(condition) && !(f)->timed_out) {                                                  \
            (void)uv_run(&(f)->loop, UV_RUN_ONCE);                                                 \
        }                                                                                          \
        assert_false((f)->timed_out);                                                              \
    } while (0)

#endif
