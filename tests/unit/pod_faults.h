/* A pod in which parts break, and what its observers would report.
 *
 * The physics is written from the hardware's description: a link is up while
 * every chip, fibre, port, mirror and switch on its way is.  It does not use
 * the shared-risk groups that it is to test; only the answer sheet names them. */
#ifndef TESTS_POD_FAULTS_H
#define TESTS_POD_FAULTS_H

#include "core/rootcause.h"

enum { POD_CUBES = 64, POD_PORTS = 68, POD_HOSTS = POD_CUBES * TPUNET_CUBE_HOSTS };

struct pod_noise {
    double lost;    /* probability that a report never comes */
    double late;    /* ... that it is seconds late */
    unsigned flaps; /* unrelated flaps of links */
};

struct pod_faults {
    uint64_t rng;
    struct tpunet_wiring *wiring;
    struct riskmap *map;
    uint16_t south_of[TPUNET_OCSES][POD_PORTS], north_of[TPUNET_OCSES][POD_PORTS];
    bool used[POD_CUBES];

    /* What is broken. */
    bool chip[POD_CUBES * TPUNET_CUBE_CHIPS];
    bool host_silent[POD_HOSTS]; /* its daemon cannot be heard */
    bool host_dead[POD_HOSTS];
    bool liar[POD_HOSTS]; /* its daemon says that all its links are down */
    bool copper[POD_CUBES * TPUNET_CUBE_CHIPS][TPUNET_PORTS];
    bool fibre[POD_CUBES][2 * TPUNET_AXES][TPUNET_FACE_LINKS];
    bool port[TPUNET_OCSES][2][POD_PORTS];
    bool ocs[TPUNET_OCSES], ocs_silent[TPUNET_OCSES];
    bool errors_only; /* links count errors instead of going down */

    struct symptom *symptoms;
    size_t n_symptoms, cap_symptoms;
};

/* Slices of many sizes on shuffled cubes, on all or on half of them.  Power:
 * domain r0..r15 four cubes each, s0..s7 six switches each. */
void pod_faults_init(struct pod_faults *pf, uint64_t seed, bool half_loaded);
void pod_faults_fini(struct pod_faults *pf);
uint64_t pod_random(struct pod_faults *pf, uint64_t below);

/* Breaks a group, or a random `fraction` of what it consists of; `number` as
 * riskmap.h numbers that kind. */
void pod_break(struct pod_faults *pf, enum risk_kind kind, uint32_t number, double fraction);
/* A number of that kind whose break can be seen: part of a slice. */
uint32_t pod_draw(struct pod_faults *pf, enum risk_kind kind);
/* Fills symptoms[]; the breaks happened at `at`. */
void pod_observe(struct pod_faults *pf, struct wall_ms at, const struct pod_noise *noise);
/* Two faults of which neither hides the other. */
bool pod_are_apart(struct pod_faults *pf, enum risk_kind a, uint32_t a_number, enum risk_kind b,
                   uint32_t b_number);

#endif
