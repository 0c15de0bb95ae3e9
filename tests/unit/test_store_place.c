/* The database file itself: who has it, and that it is not exchanged under anybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void beside(const struct fixture *f, const char *suffix, char out[static 80])
{
    (void)snprintf(out, 80, "%s%s", f->path, suffix);
}

/* What is acknowledged would be in a file that nobody opens again. */
static void an_exchanged_database_takes_no_commits(void **state)
{
    struct fixture *f = *state;
    char aside[80], log[80], log_aside[80], text[16] = "";
    struct error err;

    beside(f, ".aside", aside);
    beside(f, "-wal", log);
    beside(f, ".aside-wal", log_aside);
    assert_int_equal(rename(log, log_aside), 0);
    assert_int_equal(rename(f->path, aside), 0);
    write_text(f->path, "another");
    write_text(log, "another");
    f->m->epoch = 3;
    sf_change(f, CHANGE_META, (struct id){0});
    assert_int_equal(store_commit(f->store, f->m, &f->batch, &err), E_BUSY);
    assert_non_null(strstr(err.text, f->path));
    outbox_clear(&f->batch);
    sf_close_all(f);

    FILE *file = fopen(log, "r"); /* closing has not tidied up the other's log */
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_string_equal(text, "another");
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(aside, f->path), 0);
    assert_int_equal(rename(log_aside, log), 0);
    assert_int_equal(sf_open_all(f, &err), 0);
    assert_int_equal(f->m->epoch, 2);
}

/* Restore holds SQLite's lock until the names are exchanged. */
static void what_is_being_restored_is_not_opened(void **state)
{
    struct flock bytes = {.l_type = F_WRLCK, .l_start = 0x40000000, .l_len = 512};
    struct fixture *f = *state;
    struct store *store;
    struct error err;

    sf_close_all(f);
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &bytes), 0);
    assert_true(store_open(&store, f->path, 100, &err) < 0);
    assert_int_equal(err.code, E_BUSY);
    assert_int_equal(close(fd), 0);
    assert_int_equal(sf_open_all(f, &err), 0);
}

/* As root; podmgr itself runs as a user of its own. */
static void what_is_restored_is_its_owners(void **state)
{
    enum { NOBODY = 65534 };
    struct fixture *f = *state;
    char backup[80], aside[160];
    struct stat st;
    struct error err;

    if (geteuid() != 0) {
        skip();
    }
    beside(f, ".backup", backup);
    sf_close_all(f);
    assert_int_equal(rename(f->path, backup), 0);
    for (int exists = 0; exists < 2; exists++) {
        assert_int_equal(chown(exists ? f->path : f->dir, NOBODY, NOBODY), 0);
        assert_int_equal(store_restore(f->path, backup, &f->pod, aside, sizeof aside, &err), 0);
        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_uid, NOBODY);
        assert_int_equal(st.st_gid, NOBODY);
        (void)unlink(aside);
    }
    assert_int_equal(sf_open_all(f, &err), 0);
    for (size_t i = 0; i < 3; i++) { /* and what SQLite has left of reading it */
        beside(f, (const char *[]){".backup", ".backup-wal", ".backup-shm"}[i], backup);
        (void)unlink(backup);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sf_set_up, sf_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_exchanged_database_takes_no_commits),
        TEST(what_is_being_restored_is_not_opened),
        TEST(what_is_restored_is_its_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
