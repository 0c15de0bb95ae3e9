/* Scenarios: a pod, jobs on it, what breaks when, and what has to come of it
 * (simulator/scenarios/NAME.yaml; docs/simulator.md has the format).
 *
 *   parse.c    the file, strict; every mistake with its file, line and column
 *   run.c      carries it out and judges, on either of two pods:
 *   virtual.c  tests/lab: podmgr's core and store in virtual time
 *   real.c     podsim, podmgr, tpunetd and healthd as processes
 *   main.c     all files, a line each, "N passed, N failed" */
#ifndef TESTS_SCENARIO_H
#define TESTS_SCENARIO_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "finding.h"

enum { JOBS_MAX = 8, STEPS_MAX = 64, LIST_MAX = 32, WORD_MAX = 80 };

typedef char word[WORD_MAX];
struct words {
    size_t n;
    word at[LIST_MAX];
};

struct wanted_job {
    word name, shape;
    bool twisted, accept_degraded;
    struct words cubes; /* "cube/0"; none: placement chooses */
};

enum step_kind { STEP_INJECT, STEP_HEAL, STEP_KILL, STEP_SILENCE, STEP_CLEAR, STEP_AWAIT };
struct step {
    enum step_kind kind;
    unsigned at_ms; /* after the beginning, or after the last await */
    word what;      /* INJECT: kind of fault; AWAIT: state */
    word target;    /* part; AWAIT: job; SILENCE: a cube, or "all" */
    word key, value;
    unsigned for_ms;
    bool by_instruments; /* a fault that only healthd notices: */
    enum severity verdict;
};

struct job_end {
    word name, state;
    struct words with, without; /* cubes */
    bool untouched;             /* its version is as it was */
};
struct part_end {
    word part, state; /* state "": any */
};
struct scenario {
    const char *file;
    word name;
    bool runs_virtual, runs_real;
    unsigned cubes, mirror_ms;
    unsigned hot_spares, cubes_out_max, swaps_per_hour_max;
    struct {
        word domain;
        struct words parts;
    } power[4];
    size_t n_power;
    struct wanted_job jobs[JOBS_MAX];
    size_t n_jobs;
    struct step steps[STEPS_MAX];
    size_t n_steps;
    /* The end: */
    unsigned within_ms, hold_ms;
    struct job_end ends[JOBS_MAX];
    size_t n_ends;
    struct part_end incidents[LIST_MAX], tickets[LIST_MAX];
    size_t n_incidents, n_tickets;
    bool only_these;            /* no other incident */
    struct words events, never; /* events in this order, others between; none of these */
};
int scenario_read(struct scenario *out, const char *file, struct error *err);

/* A pod that a scenario can be played on. */
struct stage;
struct stage_ops {
    const char *name;
    struct stage *(*up)(const struct scenario *s);
    void (*down)(struct stage *stage);
    void (*create)(struct stage *stage, const struct wanted_job *job);
    /* False with what was refused in `why`. */
    bool (*act)(struct stage *stage, const struct step *step, char why[static 200]);
    void (*pass)(struct stage *stage, unsigned ms);
    double (*now_ms)(struct stage *stage);
    /* {"slices": [{"name", "state", "version", "cubes": ["cube/0"]}], "incidents":
     * [{"part", "state"}], "tickets": [{"part", "state"}], "events": ["slice.active"]};
     * NULL: podmgr does not answer.  The caller frees. */
    json_t *(*look)(struct stage *stage);
};
extern const struct stage_ops stage_virtual, stage_real;

/* True if it came out as expected; else *why says what did not. */
bool scenario_run(const struct scenario *s, const struct stage_ops *ops, double *took_ms, char *why,
                  size_t why_size);

#endif
