/* What is wrong with a part: the word between the observers and podmgr. */
#ifndef COMMON_FINDING_H
#define COMMON_FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "part.h"

#define SEVERITIES(X) X(OK) X(INFO) X(DEGRADED) X(SEVERE) X(FATAL)
enum severity { /* SEVERE and above: evict */
#define X(name) SEVERITY_##name,
                SEVERITIES(X)
#undef X
};
const char *severity_name(enum severity severity);

enum finding_scope { SCOPE_HOST, SCOPE_CHIP, SCOPE_LINK };
enum {
    FINDING_PORTS = 6,  /* of a chip: +x -x +y -y +z -z */
    FINDING_LINKS = 24, /* of a host: chip * 6 + port, each in the direction that it receives */
};
/* How many parts of that kind a host has. */
unsigned finding_parts(enum finding_scope scope);

/* One check of one part that is not as it should be; OK: no longer so. */
struct finding {
    enum finding_scope scope;
    uint8_t index; /* chip of the tray, or link */
    enum severity severity;
    struct wall_ms since; /* of this severity */
    char check[32];       /* the rule's name: lower case, digits, hyphens */
    char text[160];       /* evidence */
};

bool finding_same(const struct finding *a, const struct finding *b); /* part and check */
/* host/5-3, chip/5-3-0-2 or link/5-3-0-2+x. */
struct part finding_part(unsigned host, enum finding_scope scope, unsigned index);

#endif
