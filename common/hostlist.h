/* Which hosts a daemon stands for, as its command line says it. */
#ifndef COMMON_HOSTLIST_H
#define COMMON_HOSTLIST_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "part.h"

enum {
    HOSTS_A_CUBE = 16,
    CHIPS_A_HOST = 4, /* a 2x2x1 tray */
    HOSTLIST_CUBES_MAX = 144,
    HOSTLIST_MAX = HOSTLIST_CUBES_MAX * HOSTS_A_CUBE,
};

/* "all", or a list such as "0-0..3-15,7-2"; `cubes` bounds it.  Fills *hosts with
 * an array that the caller frees: cube * 16 + host, rising, each once.
 * E_INVALID names the item at fault; *hosts is then NULL. */
int hostlist_parse(uint16_t **hosts, size_t *n, const char *text, unsigned cubes,
                   struct error *err);

/* Chip k of a host's tray: x = 2 (h % 2) + k % 2, y = 2 (h / 2 % 2) + k / 2,
 * z = h / 4. */
struct part hostlist_chip(unsigned host, unsigned k);

#endif
