/* The Unix socket of the REST server: one podmgr serves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/http.h"
#include "api/server.h"

static void a_socket_in_use_is_left_alone(void **state)
{
    char dir[] = "/tmp/podmgr-listen-XXXXXX", path[64];
    struct error err = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/podmgr.sock", dir);
    int fd = listen_unix(path, &err);
    assert_true(fd >= 0);
    assert_int_equal(listen_unix(path, &err), E_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "in use"));
    assert_int_equal(access(path, F_OK), 0);

    assert_int_equal(close(fd), 0); /* killed: its file is still there */
    fd = listen_unix(path, &err);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_in_use_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
