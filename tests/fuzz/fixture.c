/* What all targets share: text, files, frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "mem.h"

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = xmalloc(size + 1);

    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}

static char dir[32];

static void remove_dir(void)
{
    static const char *const names[] = {"yaml",   "seed.db",    "seed.db-wal", "seed.db-shm",
                                        "try.db", "try.db-wal", "try.db-shm",  "try.db-journal",
                                        "socket", "state",      "state.new"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[80];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

const char *fuzz_dir(void)
{
    if (dir[0] == '\0') {
        (void)snprintf(dir, sizeof dir, "%s/fuzz.XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (mkdtemp(dir) == NULL) {
            abort();
        }
        (void)atexit(remove_dir);
    }
    return dir;
}

const char *fuzz_file(const char *name, const void *data, size_t size)
{
    static char path[80];

    (void)snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
    FILE *file = fopen(path, "w");
    if (file == NULL || (size > 0 && fwrite(data, 1, size, file) != size) || fclose(file) != 0) {
        abort();
    }
    return path;
}

bool fuzz_frame(const uint8_t **data, size_t *size, const uint8_t **frame, size_t *len)
{
    if (*size < 2) {
        return false;
    }
    size_t said = (size_t)((*data)[0] | (*data)[1] << 8);
    *frame = *data + 2;
    *len = said < *size - 2 ? said : *size - 2;
    *data += 2 + *len;
    *size -= 2 + *len;
    return true;
}
