/* Weighted set cover with the choice of leaving elements out: pick sets so that
 *
 *     score = sum of weight[s] over the sets picked - sum of cost[e] over the
 *             elements that no picked set contains
 *
 * is largest.  Weights are < 0, costs >= 0.  Greedy (Chvatal 1979) and then
 * improved by moves that greedy cannot take back: put a set in and throw out
 * whatever it makes superfluous, forbid a picked set and cover what was its own
 * anew.  Deterministic: ties go to the lower number. */
#ifndef PODMGR_CORE_COVER_H
#define PODMGR_CORE_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed from the caller.  Members of set s are members[set_at[s]] up to
 * set_at[s + 1], the sets of element e sets[element_at[e]] and so on. */
struct cover_problem {
    uint32_t n_elements, n_sets;
    const double *cost, *weight;
    const uint32_t *set_at, *members;
    const uint32_t *element_at, *sets;
};

struct cover;
/* Solves it; what is returned borrows *problem. */
struct cover *cover_solve(const struct cover_problem *problem);
void cover_destroy(struct cover *cover);

double cover_score(const struct cover *cover);
/* The picked sets, best first. */
const uint32_t *cover_picked(const struct cover *cover, size_t *n);
bool cover_has(const struct cover *cover, uint32_t element);
/* How many elements only this picked set contains. */
uint32_t cover_alone(const struct cover *cover, uint32_t set);

/* A set that could stand in the place of a picked one. */
struct cover_rival {
    uint32_t set;
    double loss; /* of score; >= 0 unless both are as good */
};
/* Up to `max` rivals of a picked set, best first; *odds gets the sum of
 * exp(-loss) over all of them and over picking none instead. */
size_t cover_rivals(const struct cover *cover, uint32_t set, struct cover_rival *out, size_t max,
                    double *odds);

#endif
