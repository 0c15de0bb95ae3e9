/* podsim's sockets: 48 switch agents, the chips' fabric, the hosts' instruments,
 * the control port. */
#ifndef SIMULATOR_SERVE_H
#define SIMULATOR_SERVE_H

#include <uv.h>

#include "world.h"

struct podsim;

int podsim_create(struct podsim **out, uv_loop_t *loop, const struct sim_config *config,
                  struct error *err);
/* Closes its sockets; the loop runs out by itself, then podsim_fini(). */
void podsim_stop(struct podsim *p);
void podsim_fini(struct podsim *p);
struct world *podsim_world(struct podsim *p);
/* Lets happen what is due by now.  Each callback that the loop makes begins with
 * it, and nothing else does it: what is being worked on changes under nobody. */
struct world *podsim_tick(struct podsim *p);
/* Wakes the loop for the world's next event: call after anything that made one. */
void podsim_arm(struct podsim *p);

/* One file an endpoint. */
struct ocs_endpoint;
struct fabric_endpoint;
struct control_endpoint;
struct probe_endpoint;
int ocs_endpoint_create(struct ocs_endpoint **out, struct podsim *p, uv_loop_t *loop,
                        struct error *err);
void ocs_endpoint_stop(struct ocs_endpoint *e);
void ocs_endpoint_fini(struct ocs_endpoint *e);
void ocs_endpoint_agent(struct ocs_endpoint *e, unsigned ocs, bool up);
int fabric_endpoint_create(struct fabric_endpoint **out, struct podsim *p, uv_loop_t *loop,
                           struct error *err);
void fabric_endpoint_stop(struct fabric_endpoint *e);
void fabric_endpoint_fini(struct fabric_endpoint *e);
void fabric_endpoint_changed(struct fabric_endpoint *e);
int control_endpoint_create(struct control_endpoint **out, struct podsim *p, uv_loop_t *loop,
                            struct error *err);
void control_endpoint_stop(struct control_endpoint *e);
void control_endpoint_fini(struct control_endpoint *e);
/* *out is NULL if the configuration names no address for it. */
int probe_endpoint_create(struct probe_endpoint **out, struct podsim *p, uv_loop_t *loop,
                          struct error *err);
void probe_endpoint_stop(struct probe_endpoint *e);
void probe_endpoint_fini(struct probe_endpoint *e);

/* config.c */
int sim_config_load(struct sim_config *out, const char *file, struct error *err);
void sim_config_fini(struct sim_config *config);
/* Fills the pattern's one %u. */
void sim_ocs_url(const struct sim_config *config, unsigned ocs, char *buf, size_t size);

#endif
