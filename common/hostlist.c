#include "hostlist.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static int parse_host(const char *text, unsigned cubes, uint16_t *out, struct error *err)
{
    char name[64];
    struct part part;

    (void)snprintf(name, sizeof name, "host/%s", text);
    int status = part_parse(&part, name, err);
    if (status == 0 && part.cube >= cubes) {
        status = err_set(err, E_INVALID, "%s: the pod has cube/0 to cube/%u", name, cubes - 1);
    }
    if (status == 0) {
        *out = (uint16_t)(part.cube * HOSTS_A_CUBE + part.host);
    }
    return status;
}

/* "3-0" or "3-0..4-15"; marks its hosts. */
static int parse_range(char *item, unsigned cubes, bool *wanted, struct error *err)
{
    char *dots = strstr(item, "..");
    uint16_t first = 0, last = 0;

    if (dots != NULL) {
        *dots = '\0';
    }
    int status = parse_host(item, cubes, &first, err);
    if (status == 0) {
        status = parse_host(dots != NULL ? dots + 2 : item, cubes, &last, err);
    }
    if (status == 0 && last < first) {
        status =
            err_set(err, E_INVALID, "%s..%s: the first host comes after the last", item, dots + 2);
    }
    for (unsigned h = first; status == 0 && h <= last; h++) {
        wanted[h] = true;
    }
    return status;
}

int hostlist_parse(uint16_t **hosts, size_t *n, const char *text, unsigned cubes, struct error *err)
{
    bool wanted[HOSTLIST_MAX] = {false};
    char *copy = xstrdup(text), *rest = copy, *item;
    int status = 0;

    assert(cubes <= HOSTLIST_CUBES_MAX);
    if (strcmp(text, "all") == 0) {
        memset(wanted, true, cubes * (size_t)HOSTS_A_CUBE);
        rest = NULL;
    }
    while (status == 0 && (item = strsep(&rest, ",")) != NULL) {
        status = parse_range(item, cubes, wanted, err);
    }
    free(copy);
    *hosts = NULL;
    *n = 0;
    if (status < 0) {
        return status;
    }
    *hosts = xcalloc(HOSTLIST_MAX, sizeof **hosts);
    for (uint16_t h = 0; h < HOSTLIST_MAX; h++) {
        if (wanted[h]) {
            (*hosts)[(*n)++] = h;
        }
    }
    return 0;
}

struct part hostlist_chip(unsigned host, unsigned k)
{
    unsigned h = host % HOSTS_A_CUBE;

    assert(host < HOSTLIST_MAX && k < CHIPS_A_HOST);
    return (struct part){.kind = PART_CHIP,
                         .cube = (uint16_t)(host / HOSTS_A_CUBE),
                         .at = {(uint8_t)(2 * (h % 2) + k % 2), (uint8_t)(2 * (h / 2 % 2) + k / 2),
                                (uint8_t)(h / 4)}};
}
