/* Names of parts: a part has one name, so what is read is written the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "part.h"

void fuzz_part(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), again[80];
    struct part part;
    struct error err;

    if (part_parse(&part, text, &err) == 0) {
        assert(strcmp(part_format(&part, again), text) == 0);
    }
    free(text);
}
