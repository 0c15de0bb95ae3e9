/* What the files of libtpunet share and nobody else sees. */
#ifndef LIBTPUNET_INTERNAL_H
#define LIBTPUNET_INTERNAL_H

#include "tpunet.h"

/* Fill *err (NULL is fine) and return the code: `return tpunet_fail(...)`. */
int tpunet_fail(struct tpunet_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Here, so that the analyser sees that it never returns success. */
static inline int tpunet_fail_nomem(struct tpunet_error *err)
{
    tpunet_fail(err, TPUNET_ENOMEM, "%s", tpunet_strerror(TPUNET_ENOMEM));
    return TPUNET_ENOMEM;
}

/* Checks a shape that did not come from tpunet_shape_parse().  `name` is how
 * the caller knows it, for the error's text. */
int tpunet_shape_check(const struct tpunet_shape *shape, const char *name,
                       struct tpunet_error *err);
/* Cubes along each axis; 1 x 1 x 1 for a mesh. */
void tpunet_shape_cube_dims(const struct tpunet_shape *shape, uint16_t dims[static TPUNET_AXES]);

/* Which chip of the pod is which of the slice, both ways: physical chip number
 * and logical index, TPUNET_NONE where there is none. */
struct chip_map {
    uint32_t n_chips;
    uint16_t chip_of[TPUNET_CHIPS_MAX];
    uint16_t logical_of[TPUNET_CHIPS_MAX];
};
void chip_map_init(struct chip_map *map, const struct tpunet_intent *intent);

/* Checks what others may have written into an intent: the weave (each - face
 * met at most once) and the origin of a mesh. */
int tpunet_intent_check(const struct tpunet_intent *intent, struct tpunet_error *err);

unsigned tpunet_fibre_ocs(struct tpunet_fibre fibre);
/* The OCS that a logical chip's port is wired to, TPUNET_NONE for copper. */
unsigned logical_ocs(const struct tpunet_shape *shape, uint32_t logical, unsigned port);

/* ports.c: a port of a chip that was found, not as the slice wants it. */
struct port_change {
    uint32_t found; /* index in the graph */
    uint8_t port;
    bool enabled; /* as it should be */
};
/* In the order in which they can be carried out; the caller frees *out.  Dead
 * links are named by physical chips within the pod's bounds. */
int ports_to_change(struct port_change **out, size_t *n, const struct tpunet_graph *graph,
                    const struct tpunet_intent *intent, const struct tpunet_link_end *dead,
                    size_t n_dead, struct tpunet_error *err);
/* The ports to leave by from the entry to this chip; returns how many. */
uint16_t graph_path(const struct tpunet_graph *graph, uint32_t found, uint8_t *hops);

/* Part names for messages: "chip/5-3-0-2", "fibre/5+x-0-3". */
struct part_name {
    char text[32];
};
struct part_name chip_name(uint32_t number);
struct part_name fibre_name(struct tpunet_fibre fibre);

#endif
