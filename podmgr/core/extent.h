/* What a part takes along when a person has hands in it: the cubes whose chips
 * stop, the switches, the single ports.  Drains and repair tickets ask the same
 * questions of it. */
#ifndef PODMGR_CORE_EXTENT_H
#define PODMGR_CORE_EXTENT_H

#include "core/model.h"
#include "core/riskmap.h"

struct extent {
    bool cubes[MODEL_CUBES_MAX];
    uint64_t ocs; /* bit o: all of ocs/o */
    struct tpunet_ocs_port ports[RISKMAP_PORT_GROUP];
    size_t n_ports;
};

/* False for a part that this pod lacks, or that nobody can take out by itself (a
 * slice, the pod).  A host, a chip or a copper link takes its cube along, since
 * slices are made of whole cubes; a link between cubes is the switch port of its
 * fibre; a power domain is what hangs on it. */
bool extent_of_part(const struct model *m, const struct part *part, struct extent *out);
/* Of what a repair ticket blames; all false for what only talks. */
void extent_of_blamed(const struct model *m, enum risk_kind kind, const char *part,
                      struct extent *out);

bool extent_has_circuit(const struct extent *e, struct tpunet_xc xc);
/* May a new slice not have this cube?  Its own, or that behind one of the ports. */
bool extent_holds_cube(const struct model *m, const struct extent *e, unsigned cube);
/* The port itself, or its whole switch. */
bool extent_has_port(const struct extent *e, struct tpunet_ocs_port port);

#endif
