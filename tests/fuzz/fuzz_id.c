/* Ids: an accepted one is written as it was read. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "fuzz.h"

void fuzz_id(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), again[48];
    struct id id;

    if (id_parse(&id, text)) {
        assert(strcmp(id_format(id, again), text) == 0);
    }
    free(text);
}
