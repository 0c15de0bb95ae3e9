/* The section `wiring` of the configuration: fibres that are not where they are by default. */
#ifndef PODMGR_CONFIG_WIRING_H
#define PODMGR_CONFIG_WIRING_H

#include <stdio.h>

#include "core/model.h"
#include "yconf.h"

/* Complains to *doc; the pod's cubes and ports are read.  pod->rewires and pod->wiring are
 * the caller's to free either way. */
void config_read_wiring(struct pod *pod, struct yconf *doc, const struct yconf_node *list);
void config_print_wiring(const struct pod *pod, FILE *out);

#endif
