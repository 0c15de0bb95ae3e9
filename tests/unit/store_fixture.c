#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "mem.h"

int sf_open_all(struct fixture *f, struct error *err)
{
    int status = store_open(&f->store, f->path, 100, err);

    assert_int_equal(status, 0);
    f->m = model_create(&f->pod, 1);
    return store_load(f->store, f->m, err);
}

void sf_close_all(struct fixture *f)
{
    model_destroy(f->m);
    store_close(f->store);
}

void sf_reopen(struct fixture *f)
{
    struct error err;

    sf_close_all(f);
    assert_int_equal(sf_open_all(f, &err), 0);
}

void sf_change(struct fixture *f, enum change_kind kind, struct id id)
{
    VEC_GROW(f->batch.changes, f->batch.n_changes, f->batch.cap_changes);
    f->batch.changes[f->batch.n_changes++] = (struct change){.kind = kind, .id = id};
}

void sf_commit(struct fixture *f)
{
    struct error err;

    assert_int_equal(store_commit(f->store, f->m, &f->batch, &err), 0);
    outbox_clear(&f->batch);
}

int sf_set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct error err;

    (void)strcpy(f->dir, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/podmgr.db", f->dir);
    f->pod = (struct pod){.id = "pod-1", .n_cubes = 8, .ports_per_side = 12};
    assert_int_equal(tpunet_wiring_create(&f->pod.wiring, 8, 12, NULL, 0, NULL), 0);
    assert_int_equal(sf_open_all(f, &err), 0);
    f->m->epoch = 2;
    sf_change(f, CHANGE_META, (struct id){0});
    sf_commit(f);
    *state = f;
    return 0;
}

int sf_tear_down(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct fixture *f = *state;
    char name[80];

    sf_close_all(f);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        (void)snprintf(name, sizeof name, "%s%s", f->path, suffixes[i]);
        (void)unlink(name);
    }
    (void)rmdir(f->dir);
    outbox_fini(&f->batch);
    tpunet_wiring_destroy(f->pod.wiring);
    free(f);
    return 0;
}
