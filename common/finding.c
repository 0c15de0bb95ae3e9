#include "finding.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hostlist.h"
#include "mem.h"

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {
#define X(name) #name,
        SEVERITIES(X)
#undef X
    };
    assert((size_t)severity < ARRAY_LEN(names));
    return names[severity];
}

unsigned finding_parts(enum finding_scope scope)
{
    switch (scope) {
    case SCOPE_HOST:
        return 1;
    case SCOPE_CHIP:
        return CHIPS_A_HOST;
    case SCOPE_LINK:
        return FINDING_LINKS;
    }
    abort();
}

bool finding_same(const struct finding *a, const struct finding *b)
{
    return a->scope == b->scope && a->index == b->index && strcmp(a->check, b->check) == 0;
}

struct part finding_part(unsigned host, enum finding_scope scope, unsigned index)
{
    struct part part = {.kind = PART_HOST,
                        .cube = (uint16_t)(host / HOSTS_A_CUBE),
                        .host = (uint16_t)(host % HOSTS_A_CUBE)};

    assert(index < finding_parts(scope));
    switch (scope) {
    case SCOPE_HOST:
        return part;
    case SCOPE_CHIP:
        return hostlist_chip(host, index);
    case SCOPE_LINK:
        part = hostlist_chip(host, index / FINDING_PORTS);
        part.kind = PART_LINK;
        part.axis = (uint8_t)(index % FINDING_PORTS / 2);
        part.minus = index % 2 != 0;
        return part;
    }
    abort();
}
