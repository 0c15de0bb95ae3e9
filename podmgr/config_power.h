/* The section `power` of the configuration: which parts share a feed. */
#ifndef PODMGR_CONFIG_POWER_H
#define PODMGR_CONFIG_POWER_H

#include <stdio.h>

#include "core/model.h"
#include "yconf.h"

/* Complains to *doc; pod->feeds is the caller's to free either way. */
void config_read_power(struct pod *pod, struct yconf *doc, const struct yconf_node *list);
void config_print_power(const struct pod *pod, FILE *out);

#endif
