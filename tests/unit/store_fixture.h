/* A database of its own in /tmp, for tests of what the store keeps. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "core/core.h"
#include "store/store.h"

struct fixture {
    char dir[40], path[64];
    struct pod pod;
    struct model *m;
    struct store *store;
    struct outbox batch;
};

/* Fixtures of cmocka: a pod of 8 cubes, epoch 2 committed. */
int sf_set_up(void **state);
int sf_tear_down(void **state);
/* Opens the database and loads a new model; what loading says. */
int sf_open_all(struct fixture *f, struct error *err);
void sf_close_all(struct fixture *f);
void sf_reopen(struct fixture *f); /* as a restart does, which must succeed */
/* Into the batch; and the batch into the database. */
void sf_change(struct fixture *f, enum change_kind kind, struct id id);
void sf_commit(struct fixture *f);

#endif
