/* Shapes of slices: an accepted one is written as it was read. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tpunet.h"

void fuzz_shape(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), again[24];
    struct tpunet_shape shape;
    struct tpunet_error err;

    for (int twisted = 0; twisted < 2; twisted++) {
        if (tpunet_shape_parse(&shape, text, twisted != 0, &err) == 0) {
            assert(strcmp(tpunet_shape_format(&shape, again), text) == 0);
            assert(tpunet_shape_cubes(&shape) <= TPUNET_CUBES_MAX);
        }
    }
    free(text);
}
