/* Weighted set cover: against every choice of sets, on small random problems. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/cover.h"

enum { SETS = 10, ELEMENTS = 10, TRIALS = 2000 };

struct trial {
    bool has[SETS][ELEMENTS];
    double weight[SETS], cost[ELEMENTS];
    uint32_t set_at[SETS + 1], members[SETS * ELEMENTS];
    uint32_t element_at[ELEMENTS + 1], sets[SETS * ELEMENTS];
};

static struct cover_problem problem_of(struct trial *t)
{
    uint32_t n = 0, m = 0;

    for (uint32_t s = 0; s < SETS; s++) {
        t->set_at[s] = n;
        for (uint32_t e = 0; e < ELEMENTS; e++) {
            if (t->has[s][e]) {
                t->members[n++] = e;
            }
        }
    }
    t->set_at[SETS] = n;
    for (uint32_t e = 0; e < ELEMENTS; e++) {
        t->element_at[e] = m;
        for (uint32_t s = 0; s < SETS; s++) {
            if (t->has[s][e]) {
                t->sets[m++] = s;
            }
        }
    }
    t->element_at[ELEMENTS] = m;
    return (struct cover_problem){ELEMENTS,  SETS,       t->cost,       t->weight,
                                  t->set_at, t->members, t->element_at, t->sets};
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return *state >> 33;
}

static void draw(struct trial *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    for (uint32_t s = 0; s < SETS; s++) {
        uint64_t density = 1 + next(&seed) % 6;
        t->weight[s] = -1 - (double)(next(&seed) % 1000) / 50;
        for (uint32_t e = 0; e < ELEMENTS; e++) {
            t->has[s][e] = next(&seed) % 8 < density;
        }
    }
    for (uint32_t e = 0; e < ELEMENTS; e++) {
        t->cost[e] = (double)(next(&seed) % 1000) / 50;
    }
}

static double score_of(const struct trial *t, uint32_t picked)
{
    double score = 0;

    for (uint32_t s = 0; s < SETS; s++) {
        score += (picked >> s & 1U) != 0 ? t->weight[s] : 0;
    }
    for (uint32_t e = 0; e < ELEMENTS; e++) {
        bool covered = false;
        for (uint32_t s = 0; s < SETS; s++) {
            covered = covered || ((picked >> s & 1U) != 0 && t->has[s][e]);
        }
        score -= covered ? 0 : t->cost[e];
    }
    return score;
}

static void as_good_as_trying_all(void **state)
{
    unsigned optimal = 0;

    (void)state;
    for (uint64_t seed = 0; seed < TRIALS; seed++) {
        struct trial t;
        draw(&t, seed);
        struct cover_problem problem = problem_of(&t);
        struct cover *cover = cover_solve(&problem);
        double best = score_of(&t, 0), score = cover_score(cover);
        for (uint32_t picked = 1; picked < 1U << SETS; picked++) {
            double other = score_of(&t, picked);
            best = other > best ? other : best;
        }
        size_t n;
        uint32_t mask = 0;
        const uint32_t *picked = cover_picked(cover, &n);
        for (size_t i = 0; i < n; i++) {
            mask |= 1U << picked[i];
        }
        assert_true(fabs(score - score_of(&t, mask)) < 1e-6);
        assert_true(score <= best + 1e-6);
        assert_true(score >= best * 1.25 - 1e-6); /* both are negative */
        optimal += score >= best - 1e-6;
        cover_destroy(cover);
    }
    assert_true(optimal >= TRIALS * 98 / 100);
}

/* What greedy by gain takes first is wrong here, and greedy by yield there. */
static void either_greed_is_mended(void **state)
{
    static const struct {
        double weight[3];
        uint32_t picked;
    } rows[] = {
        {{-2, -2, -9}, 0x3}, /* two small ones rather than the one with all */
        {{-6, -6, -9}, 0x4}, /* the one with all rather than two small ones */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trial t = {0};
        for (uint32_t e = 0; e < ELEMENTS; e++) {
            t.cost[e] = e < 8 ? 20 : 0;
            t.has[0][e] = e < 4;
            t.has[1][e] = e >= 4 && e < 8;
            t.has[2][e] = e < 8;
        }
        for (uint32_t s = 0; s < SETS; s++) {
            t.weight[s] = s < 3 ? rows[i].weight[s] : -1;
        }
        struct cover_problem problem = problem_of(&t);
        struct cover *cover = cover_solve(&problem);
        size_t n;
        uint32_t mask = 0;
        const uint32_t *picked = cover_picked(cover, &n);
        for (size_t k = 0; k < n; k++) {
            mask |= 1U << picked[k];
        }
        assert_int_equal(mask, rows[i].picked);
        cover_destroy(cover);
    }
}

static void rivals_are_ranked(void **state)
{
    struct trial t = {.weight = {-2, -3, -5, -1, -1, -1, -1, -1, -1, -1}};
    struct cover_rival rivals[2];
    double odds;

    (void)state;
    t.cost[0] = 30;
    t.has[0][0] = t.has[1][0] = t.has[2][0] = true;
    struct cover_problem problem = problem_of(&t);
    struct cover *cover = cover_solve(&problem);
    assert_true(cover_has(cover, 0));
    assert_int_equal(cover_alone(cover, 0), 1);
    assert_int_equal(cover_rivals(cover, 0, rivals, 2, &odds), 2);
    assert_int_equal(rivals[0].set, 1);
    assert_true(fabs(rivals[0].loss - 1) < 1e-9);
    assert_int_equal(rivals[1].set, 2);
    assert_true(fabs(rivals[1].loss - 3) < 1e-9);
    assert_true(fabs(odds - (exp(-1) + exp(-3))) < 1e-9);
    assert_int_equal(cover_rivals(cover, 0, rivals, 1, &odds), 1);
    assert_int_equal(rivals[0].set, 1);
    cover_destroy(cover);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_good_as_trying_all),
        cmocka_unit_test(either_greed_is_mended),
        cmocka_unit_test(rivals_are_ranked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
