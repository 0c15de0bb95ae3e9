/* Damaged databases.  The input is a list of places (three bytes) and what is
 * there instead (one byte), applied to a good database with a slice in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "mem.h"
#include "pod.h"
#include "podmgr.h"
#include "tpunet.h"

static uint8_t *seed;
static size_t seed_size;
static struct pod pod = {.id = "p", .n_cubes = 2, .ports_per_side = 4, .vc_classes = 3};

static void drop_seed(void)
{
    free(seed);
    tpunet_wiring_destroy(pod.wiring);
}

static void make_seed(void)
{
    static const char body[] = "{\"topology\":\"2x2x1\",\"name\":\"a\"}";
    char path[80];

    fuzz_slice_body((const uint8_t *)body, sizeof body - 1);
    fuzz_podmgr_end();
    (void)snprintf(path, sizeof path, "%s/seed.db", fuzz_dir());
    FILE *file = fopen(path, "r");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        abort();
    }
    seed_size = (size_t)ftell(file);
    seed = xmalloc(seed_size);
    rewind(file);
    if (fread(seed, 1, seed_size, file) != seed_size || fclose(file) != 0 ||
        tpunet_wiring_create(&pod.wiring, 2, 4, NULL, 0, NULL) != 0) {
        abort();
    }
    (void)atexit(drop_seed);
}

static void each_entry(void *arg, const struct journal_entry *entry)
{
    *(size_t *)arg += strlen(entry->data) + strlen(entry->type) + strlen(entry->subject);
}

void fuzz_store(const uint8_t *data, size_t size)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
    struct store *store;
    struct error err;
    char name[96];

    if (seed == NULL) {
        make_seed();
    }
    uint8_t *bytes = xmemdup(seed, seed_size);
    for (size_t i = 0; i + 4 <= size; i += 4) {
        bytes[(data[i] | data[i + 1] << 8 | data[i + 2] << 16) % (int)seed_size] = data[i + 3];
    }
    const char *path = fuzz_file("try.db", bytes, seed_size);
    free(bytes);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
    if (store_open(&store, path, 100, &err) < 0) {
        return;
    }
    struct model *m = model_create(&pod, 1);
    if (store_load(store, m, &err) == 0) {
        size_t read = 0;
        (void)store_journal(store, 0, 100, each_entry, &read, &err);
    }
    model_destroy(m);
    store_close(store);
}
