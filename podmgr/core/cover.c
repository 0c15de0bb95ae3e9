#include "core/cover.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum {
    /* The moves cost about picked x sets; beyond these greedy has to do. */
    IMPROVE_PICKED = 32,
    IMPROVE_ROUNDS = 8,
};
static const double EPSILON = 1e-9;
static const double HOPELESS = 40; /* e^-40 is no odds */

struct heap_item {
    double key;
    uint32_t set;
};

/* What greedy goes by.  By gain it may take a huge set that contains everything
 * and is wrong, by gain for the weight paid many small ones instead of the
 * right large one: both are tried. */
enum order { BY_GAIN, BY_YIELD };

struct cover {
    const struct cover_problem *p;
    uint16_t *count; /* [elements] picked sets that contain it */
    bool *in;        /* [sets] picked */
    double *gain;    /* [sets] of picking it now, while not picked */
    uint32_t *picked;
    size_t n_picked, cap_picked;
    enum order order;
    double open; /* cost of the elements that no picked set contains */
    struct heap_item *heap;
    size_t n_heap;
};

/* ------------------------------------------------------------ pick, drop -- */

static void pick(struct cover *c, uint32_t set)
{
    const struct cover_problem *p = c->p;

    assert(!c->in[set]);
    for (uint32_t i = p->set_at[set]; i < p->set_at[set + 1]; i++) {
        uint32_t e = p->members[i];
        assert(c->count[e] < UINT16_MAX);
        if (c->count[e]++ == 0) {
            c->open -= p->cost[e];
            for (uint32_t k = p->element_at[e]; k < p->element_at[e + 1]; k++) {
                c->gain[p->sets[k]] -= p->cost[e];
            }
        }
    }
    c->in[set] = true;
    VEC_GROW(c->picked, c->n_picked, c->cap_picked);
    c->picked[c->n_picked++] = set;
}

static void drop(struct cover *c, uint32_t set)
{
    const struct cover_problem *p = c->p;
    size_t at = 0;

    assert(c->in[set]);
    for (uint32_t i = p->set_at[set]; i < p->set_at[set + 1]; i++) {
        uint32_t e = p->members[i];
        if (--c->count[e] == 0) {
            c->open += p->cost[e];
            for (uint32_t k = p->element_at[e]; k < p->element_at[e + 1]; k++) {
                c->gain[p->sets[k]] += p->cost[e];
            }
        }
    }
    c->in[set] = false;
    while (c->picked[at] != set) {
        at++;
    }
    c->n_picked--;
    memmove(c->picked + at, c->picked + at + 1, (c->n_picked - at) * sizeof *c->picked);
}

/* What a picked set is worth: what would be lost without it. */
static double worth(const struct cover *c, uint32_t set)
{
    const struct cover_problem *p = c->p;
    double sum = p->weight[set];

    for (uint32_t i = p->set_at[set]; i < p->set_at[set + 1]; i++) {
        sum += c->count[p->members[i]] == 1 ? p->cost[p->members[i]] : 0;
    }
    return sum;
}

double cover_score(const struct cover *c)
{
    double score = -c->open;

    for (size_t i = 0; i < c->n_picked; i++) {
        score += c->p->weight[c->picked[i]];
    }
    return score;
}

/* No choice of sets has a larger score.  Let each element pay what its cheapest
 * set asks of each of its members, or its own cost if that is less: no set is
 * paid more than its weight then (linear programming duality). */
static double bound(const struct cover_problem *p)
{
    double sum = 0;

    for (uint32_t e = 0; e < p->n_elements; e++) {
        double price = p->cost[e];
        for (uint32_t k = p->element_at[e]; k < p->element_at[e + 1]; k++) {
            uint32_t s = p->sets[k];
            double share = -p->weight[s] / (p->set_at[s + 1] - p->set_at[s]);
            price = share < price ? share : price;
        }
        sum += price;
    }
    return -sum;
}

/* --------------------------------------------------------------- greedy -- */

static bool before(struct heap_item a, struct heap_item b)
{
    return a.key != b.key ? a.key > b.key : a.set < b.set;
}

static void sift_down(struct heap_item *heap, size_t n, size_t at)
{
    struct heap_item item = heap[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(heap[child + 1], heap[child])) {
            child++;
        }
        if (!before(heap[child], item)) {
            break;
        }
        heap[at] = heap[child];
    }
    heap[at] = item;
}

static double key_of(const struct cover *c, uint32_t set)
{
    return c->order == BY_GAIN ? c->gain[set] : c->gain[set] / -c->p->weight[set];
}

/* Keys only fall while sets are picked, so one that is still what it was when
 * it was put on the heap is the largest. */
static void greedy(struct cover *c, uint32_t forbidden)
{
    c->n_heap = 0;
    for (uint32_t s = 0; s < c->p->n_sets; s++) {
        if (!c->in[s] && s != forbidden && c->gain[s] > EPSILON) {
            c->heap[c->n_heap++] = (struct heap_item){key_of(c, s), s};
        }
    }
    for (size_t i = c->n_heap / 2; i-- > 0;) {
        sift_down(c->heap, c->n_heap, i);
    }
    while (c->n_heap > 0 && c->open > EPSILON) {
        struct heap_item *top = &c->heap[0];
        double key = key_of(c, top->set);
        bool pays = c->gain[top->set] > EPSILON;
        if (pays && key >= top->key - EPSILON) {
            pick(c, top->set);
            pays = false;
        }
        if (pays) {
            top->key = key;
        } else {
            *top = c->heap[--c->n_heap];
        }
        if (c->n_heap > 0) {
            sift_down(c->heap, c->n_heap, 0);
        }
    }
}

/* ------------------------------------------------------------ improvement -- */

/* Throws out what is worth less than nothing, the worst first. */
static void prune(struct cover *c)
{
    for (;;) {
        uint32_t worst = UINT32_MAX;
        double least = -EPSILON;
        for (size_t i = 0; i < c->n_picked; i++) {
            double value = worth(c, c->picked[i]);
            if (value < least) {
                least = value;
                worst = c->picked[i];
            }
        }
        if (worst == UINT32_MAX) {
            return;
        }
        drop(c, worst);
    }
}

static void restore(struct cover *c, const uint32_t *picked, size_t n)
{
    while (c->n_picked > 0) {
        drop(c, c->picked[c->n_picked - 1]);
    }
    for (size_t i = 0; i < n; i++) {
        pick(c, picked[i]);
    }
}

/* What the picked sets are worth, so that hopeless moves are seen as such. */
struct standing {
    uint32_t set;
    double worth, shared; /* shared: of what is its own, with the set looked at */
};

static size_t take_standings(const struct cover *c, struct standing *out)
{
    for (size_t i = 0; i < c->n_picked; i++) {
        out[i] = (struct standing){c->picked[i], worth(c, c->picked[i]), 0};
    }
    return c->n_picked;
}

/* Can picking `set` pay at all?  It makes a picked set superfluous only if it
 * takes over more than that one is worth; throwing out a third only raises the
 * worth of both. */
static bool may_pay(const struct cover *c, uint32_t set, struct standing *standings, size_t n)
{
    const struct cover_problem *p = c->p;
    double hope = c->gain[set];

    for (size_t m = 0; m < n; m++) {
        standings[m].shared = 0;
    }
    for (uint32_t i = p->set_at[set]; i < p->set_at[set + 1]; i++) {
        uint32_t e = p->members[i];
        for (uint32_t k = p->element_at[e]; k < p->element_at[e + 1] && c->count[e] == 1; k++) {
            for (size_t m = 0; m < n && c->in[p->sets[k]]; m++) {
                standings[m].shared += standings[m].set == p->sets[k] ? p->cost[e] : 0;
            }
        }
    }
    for (size_t m = 0; m < n; m++) {
        double saved = standings[m].shared - standings[m].worth;
        hope += saved > 0 ? saved : 0;
    }
    return hope > EPSILON;
}

/* One move and what follows of it; undone unless the score rises. */
static bool try_move(struct cover *c, uint32_t put_in, uint32_t forbid)
{
    uint32_t saved[IMPROVE_PICKED];
    size_t n_saved = c->n_picked;
    double score = cover_score(c);

    memcpy(saved, c->picked, n_saved * sizeof *saved);
    if (put_in != UINT32_MAX) {
        pick(c, put_in);
        prune(c);
    }
    if (forbid != UINT32_MAX) {
        drop(c, forbid);
    }
    greedy(c, forbid);
    prune(c);
    if (cover_score(c) > score + EPSILON) {
        return true;
    }
    restore(c, saved, n_saved);
    return false;
}

static bool improve_once(struct cover *c)
{
    struct standing standings[IMPROVE_PICKED];

    if (c->n_picked >= IMPROVE_PICKED) {
        return false;
    }
    size_t n = take_standings(c, standings);
    for (uint32_t s = 0; s < c->p->n_sets; s++) {
        if (!c->in[s] && may_pay(c, s, standings, n) && try_move(c, s, UINT32_MAX)) {
            return true;
        }
    }
    for (size_t i = 0; i < c->n_picked; i++) {
        if (try_move(c, UINT32_MAX, c->picked[i])) {
            return true;
        }
    }
    return false;
}

static void sort_picked(struct cover *c)
{
    for (size_t i = 1; i < c->n_picked; i++) {
        uint32_t set = c->picked[i];
        double value = worth(c, set);
        size_t at = i;
        for (; at > 0 && (worth(c, c->picked[at - 1]) < value ||
                          (worth(c, c->picked[at - 1]) <= value && c->picked[at - 1] > set));
             at--) {
            c->picked[at] = c->picked[at - 1];
        }
        c->picked[at] = set;
    }
}

static void solve_by(struct cover *c, enum order order, double best)
{
    c->order = order;
    greedy(c, UINT32_MAX);
    if (c->n_picked < IMPROVE_PICKED && cover_score(c) < best) {
        prune(c);
        for (int round = 0; round < IMPROVE_ROUNDS && improve_once(c); round++) {
        }
    }
}

static void solve(struct cover *c)
{
    double best = bound(c->p) - 1e-6;

    solve_by(c, BY_GAIN, best);
    double score = cover_score(c);
    if (score < best) {
        size_t n = c->n_picked;
        uint32_t *picked = xmalloc((n + 1) * sizeof *picked);
        memcpy(picked, c->picked, n * sizeof *picked);
        restore(c, NULL, 0);
        solve_by(c, BY_YIELD, best);
        if (cover_score(c) <= score + EPSILON) {
            restore(c, picked, n);
        }
        free(picked);
    }
    if (c->n_picked < IMPROVE_PICKED) {
        sort_picked(c);
    }
}

struct cover *cover_solve(const struct cover_problem *p)
{
    struct cover *c = xcalloc(1, sizeof *c);

    c->p = p;
    c->count = xcalloc(p->n_elements + 1, sizeof *c->count);
    c->in = xcalloc(p->n_sets + 1, sizeof *c->in);
    c->gain = xcalloc(p->n_sets + 1, sizeof *c->gain);
    c->heap = xcalloc(p->n_sets + 1, sizeof *c->heap);
    for (uint32_t s = 0; s < p->n_sets; s++) {
        assert(p->weight[s] < 0);
        c->gain[s] = p->weight[s];
        for (uint32_t i = p->set_at[s]; i < p->set_at[s + 1]; i++) {
            c->gain[s] += p->cost[p->members[i]];
        }
    }
    for (uint32_t e = 0; e < p->n_elements; e++) {
        c->open += p->cost[e];
    }
    solve(c);
    return c;
}

void cover_destroy(struct cover *c)
{
    if (c != NULL) {
        free(c->count);
        free(c->in);
        free(c->gain);
        free(c->heap);
        free(c->picked);
        free(c);
    }
}

/* ---------------------------------------------------------------- answers -- */

const uint32_t *cover_picked(const struct cover *c, size_t *n)
{
    *n = c->n_picked;
    return c->picked;
}

bool cover_has(const struct cover *c, uint32_t element)
{
    assert(element < c->p->n_elements);
    return c->count[element] > 0;
}

uint32_t cover_alone(const struct cover *c, uint32_t set)
{
    uint32_t n = 0;

    for (uint32_t i = c->p->set_at[set]; i < c->p->set_at[set + 1]; i++) {
        n += c->count[c->p->members[i]] == 1;
    }
    return n;
}

static void rank(struct cover_rival *out, size_t *n, size_t max, struct cover_rival rival)
{
    size_t at = *n;

    while (at > 0 && (rival.loss < out[at - 1].loss ||
                      (rival.loss <= out[at - 1].loss && rival.set < out[at - 1].set))) {
        at--;
    }
    if (at == max) {
        return;
    }
    *n += *n < max;
    memmove(out + at + 1, out + at, (*n - at - 1) * sizeof *out);
    out[at] = rival;
}

size_t cover_rivals(const struct cover *c, uint32_t set, struct cover_rival *out, size_t max,
                    double *odds)
{
    const struct cover_problem *p = c->p;
    double *shared = xcalloc(p->n_sets, sizeof *shared), own = 0;
    size_t n = 0;

    assert(c->in[set]);
    for (uint32_t i = p->set_at[set]; i < p->set_at[set + 1]; i++) {
        uint32_t e = p->members[i];
        if (c->count[e] == 1) {
            own += p->cost[e];
            for (uint32_t k = p->element_at[e]; k < p->element_at[e + 1]; k++) {
                shared[p->sets[k]] += p->cost[e];
            }
        }
    }
    *odds = exp(-(own + p->weight[set]));
    for (uint32_t s = 0; s < p->n_sets; s++) {
        if (!c->in[s] && shared[s] > 0) {
            double loss = (p->weight[set] - p->weight[s]) + (own - shared[s]);
            *odds += loss < HOPELESS ? exp(-loss) : 0;
            rank(out, &n, max, (struct cover_rival){s, loss});
        }
    }
    free(shared);
    return n;
}
