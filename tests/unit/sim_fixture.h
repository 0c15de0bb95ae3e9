/* A small world for the simulator's tests, and short ways to ask and break it. */
#ifndef TESTS_UNIT_SIM_FIXTURE_H
#define TESTS_UNIT_SIM_FIXTURE_H

#include "simulator/fault.h"
#include "simulator/ocs_device.h"
#include "simulator/world.h"

struct sim_fixture {
    struct sim_config config;
    struct world *w;
    uint64_t sequence; /* of the last operation id */
};

/* A pod of `cubes` with 4 spare ports, mirror time 0. */
void sim_fixture_init(struct sim_fixture *f, unsigned cubes, uint64_t seed);
void sim_fixture_fini(struct sim_fixture *f);

/* cmocka's setup and teardown: four cubes. */
int sim_setup(void **state);
int sim_teardown(void **state);

uint32_t sim_chip(const char *name);
/* "link/5-3-1-2+x" -> "link/6-0-1-2-x", or "" when nobody is seen. */
const char *sim_sees(const struct sim_fixture *f, const char *link);

/* A batch of one operation; returns its status. */
int sim_apply(struct sim_fixture *f, unsigned ocs, const struct sim_xc *breaks, size_t n_breaks,
              const struct sim_xc *makes, size_t n_makes);
void sim_make(struct sim_fixture *f, unsigned ocs, unsigned north, unsigned south);
/* Joins the + faces of `cube` on one axis to the - faces of `next`. */
void sim_join(struct sim_fixture *f, unsigned axis, unsigned cube, unsigned next);

/* Injects KIND TARGET [KEY VALUE]; the fault's code. */
int sim_break(struct sim_fixture *f, const char *kind, const char *target, const char *key,
              const char *value);
int sim_heal(struct sim_fixture *f, const char *target);
void sim_pass_ms(struct sim_fixture *f, int64_t ms);

#endif
