#include "preflight.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "hostlist.h"
#include "mem.h"

enum { ROUNDS = 64, CHIPS_A_CUBE = 64, SHIFTS_MAX = 16 };

/* One call: every chip to the one so many places further on. */
struct shift {
    struct preflight *p;
    uint32_t *to;
};

struct preflight {
    struct probe *probe;
    struct preflight_job job;
    preflight_fn *done;
    void *arg;
    size_t open;     /* calls not ended yet, and 1 while they are made */
    uint32_t *chips; /* of the hosts */
    size_t n_chips;
    struct shift shifts[SHIFTS_MAX];
    unsigned n_shifts;
    struct preflight_result result;
};

/* What failed, and where; the text follows. */
static struct preflight_unfit at_part(uint16_t host, enum finding_scope scope, unsigned index)
{
    return (struct preflight_unfit){.host = host, .scope = scope, .index = (uint8_t)index};
}

static void fail(struct preflight *p, struct preflight_unfit what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void fail(struct preflight *p, struct preflight_unfit what, const char *fmt, ...)
{
    struct preflight_result *r = &p->result;
    va_list ap;

    if (r->failures < PREFLIGHT_LINES) {
        va_start(ap, fmt);
        (void)vsnprintf(what.text, sizeof what.text, fmt, ap);
        va_end(ap);
        r->unfit[r->failures] = what;
    }
    r->failures++;
}

/* Nobody answered: seen from the first host. */
static void fail_unplaced(struct preflight *p, const char *text)
{
    struct preflight_unfit what = at_part(p->job.hosts[0], SCOPE_HOST, 0);

    what.unplaced = true;
    fail(p, what, "%s", text);
}

static void one_ended(struct preflight *p)
{
    if (--p->open == 0) {
        p->done(p->arg, &p->result);
        for (unsigned s = 0; s < p->n_shifts; s++) {
            free(p->shifts[s].to);
        }
        free(p->chips);
        free(p);
    }
}

/* ---------------------------------------------------------------- intent -- */

static void check_value(struct preflight *p, uint16_t host, enum metric metric, unsigned part,
                        double value)
{
    const struct golden_limit *limit = &p->job.golden->metrics[metric];
    const struct metric_info *info = metric_info(metric);
    enum finding_scope scope = class_scope(info->class);
    struct part name = finding_part(host, scope, part);
    char text[80];

    p->result.checked++;
    switch (golden_judge(limit, value)) {
    case GOLDEN_GOOD:
        return;
    case GOLDEN_UNKNOWN:
        p->result.unknown++;
        return;
    case GOLDEN_BAD:
        break;
    }
    (void)part_format(&name, text);
    if (isnan(value)) {
        fail(p, at_part(host, scope, part), "%s: %s is required and unknown", text, info->name);
    } else {
        bool low = value < limit->min;
        fail(p, at_part(host, scope, part), "%s: %s %.6g %s is %s %.6g %s", text, info->name, value,
             info->unit, low ? "below" : "above", low ? limit->min : limit->max, info->unit);
    }
}

static void on_reading(void *arg, uint16_t host, enum probe_class class,
                       const struct reading *reading)
{
    struct preflight *p = arg;
    struct part name = finding_part(host, SCOPE_HOST, 0);
    char text[80];

    if (reading == NULL) {
        fail(p, at_part(host, SCOPE_HOST, 0), "%s: its instruments do not answer",
             part_format(&name, text));
    }
    for (size_t m = 0; reading != NULL && p->job.golden != NULL && m < N_METRICS; m++) {
        if (!p->job.golden->metrics[m].there || metric_info((enum metric)m)->class != class) {
            continue;
        }
        for (unsigned part = 0; part < finding_parts(class_scope(class)); part++) {
            check_value(p, host, (enum metric)m, part,
                        *reading_at((struct reading *)(uintptr_t)reading, part, (enum metric)m));
        }
    }
    one_ended(p);
}

/* ------------------------------------------------------------- end to end -- */

static struct part chip_part(uint32_t chip)
{
    return (struct part){.kind = PART_CHIP,
                         .cube = (uint16_t)(chip / CHIPS_A_CUBE),
                         .at = {chip % 4, chip / 4 % 4, chip / 16 % 4}};
}

static uint32_t number_of(uint16_t host, unsigned k)
{
    struct part chip = hostlist_chip(host, k);
    return chip.cube * (uint32_t)CHIPS_A_CUBE + chip.at[0] + 4U * chip.at[1] + 16U * chip.at[2];
}

/* The chip as a part of its host. */
static struct preflight_unfit at_chip(uint32_t chip)
{
    for (unsigned h = 0; h < HOSTS_A_CUBE; h++) {
        uint16_t host = (uint16_t)(chip / CHIPS_A_CUBE * HOSTS_A_CUBE + h);
        for (unsigned k = 0; k < CHIPS_A_HOST; k++) {
            if (number_of(host, k) == chip) {
                return at_part(host, SCOPE_CHIP, k);
            }
        }
    }
    abort(); /* each chip has its host */
}

static void judge_delivery(struct preflight *p, uint32_t src, uint32_t dst,
                           const struct probe_delivery *d)
{
    static const struct golden_limit none = {.there = false};
    const struct golden_limit *limit = p->job.golden != NULL ? &p->job.golden->transfer : &none;
    struct part from = chip_part(src), to = chip_part(dst);
    char names[2][80];

    (void)part_format(&from, names[0]);
    (void)part_format(&to, names[1]);
    p->result.transfers++;
    if (!d->delivered) {
        fail(p, at_chip(d->died_at), "%s to %s: %s", names[0], names[1], d->text);
    } else if (d->value != probe_payload(src, dst, p->job.seed)) {
        struct preflight_unfit what = at_chip(src);
        what.unplaced = d->hops != 1; /* else it is the link between them */
        fail(p, what, "%s to %s: it arrived changed, over %u hops", names[0], names[1], d->hops);
    } else if (limit->there && golden_judge(limit, d->us) != GOLDEN_GOOD) {
        struct preflight_unfit what = at_chip(src);
        what.unplaced = true; /* somewhere on its way */
        fail(p, what, "%s to %s: %.4g us over %u hops, limit %.4g us", names[0], names[1], d->us,
             d->hops, limit->max);
    }
}

static void on_deliveries(void *arg, const struct probe_delivery *deliveries, size_t n)
{
    const struct shift *shift = arg;
    struct preflight *p = shift->p;

    if (n == 0) {
        fail_unplaced(p, "transfers: no answer");
    }
    for (size_t i = 0; i < n; i++) {
        judge_delivery(p, p->chips[i], shift->to[i], &deliveries[i]);
    }
    one_ended(p);
}

static void on_results(void *arg, const struct probe_result *results, size_t n)
{
    struct preflight *p = arg;

    if (n == 0) {
        fail_unplaced(p, "computations: no answer");
    }
    for (size_t i = 0; i < n; i++) {
        struct part chip = chip_part(p->chips[i]);
        char name[80];
        p->result.computations++;
        if (!results[i].answered) {
            fail(p, at_chip(p->chips[i]), "%s: does not compute", part_format(&chip, name));
        } else if (results[i].value != probe_expected(p->chips[i], p->job.seed, ROUNDS)) {
            fail(p, at_chip(p->chips[i]), "%s: computes wrongly", part_format(&chip, name));
        }
    }
    one_ended(p);
}

static int compare_hosts(const void *a, const void *b)
{
    const uint16_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The hosts' places in the whole, in its order; `at` has room for all. */
static size_t find_places(const struct preflight_job *job, size_t *at)
{
    uint16_t *sorted = xmemdup(job->hosts, job->n_hosts * sizeof *sorted);
    size_t n = 0;

    qsort(sorted, job->n_hosts, sizeof *sorted, compare_hosts);
    for (size_t i = 0; i < job->n_all; i++) {
        if (bsearch(&job->all[i], sorted, job->n_hosts, sizeof *sorted, compare_hosts) != NULL) {
            at[n++] = i;
        }
    }
    free(sorted);
    return n;
}

/* From the chips of the hosts to those so many places further on in the whole. */
static void list_shifts(struct preflight *p)
{
    const struct preflight_job *job = &p->job;
    size_t *places = xcalloc(job->n_all, sizeof *places), n_all = job->n_all * CHIPS_A_HOST;

    p->n_chips = find_places(job, places) * CHIPS_A_HOST;
    p->chips = xcalloc(p->n_chips, sizeof *p->chips);
    for (size_t i = 0; i < p->n_chips; i++) {
        p->chips[i] = number_of(job->all[places[i / CHIPS_A_HOST]], i % CHIPS_A_HOST);
    }
    for (size_t by = 1; by < n_all; by *= 2) {
        struct shift *shift = &p->shifts[p->n_shifts++];
        assert(p->n_shifts <= SHIFTS_MAX);
        *shift = (struct shift){.p = p, .to = xcalloc(p->n_chips, sizeof *shift->to)};
        for (size_t i = 0; i < p->n_chips; i++) {
            size_t to = (places[i / CHIPS_A_HOST] * CHIPS_A_HOST + i % CHIPS_A_HOST + by) % n_all;
            shift->to[i] = number_of(job->all[to / CHIPS_A_HOST], to % CHIPS_A_HOST);
        }
    }
    free(places);
}

static void run_pattern(struct preflight *p)
{
    const struct probe_ops *ops = p->probe->ops;

    if (ops->transfer == NULL || ops->compute == NULL) {
        fail_unplaced(p, "these instruments can neither send nor compute: leave the pattern out");
        return;
    }
    list_shifts(p);
    p->open += p->n_shifts + 1U;
    for (unsigned s = 0; s < p->n_shifts; s++) {
        ops->transfer(p->probe, p->chips, p->shifts[s].to, p->n_chips, p->job.seed, on_deliveries,
                      &p->shifts[s]);
    }
    ops->compute(p->probe, p->chips, p->n_chips, p->job.seed, ROUNDS, on_results, p);
}

void preflight_run(struct probe *probe, const struct preflight_job *job, preflight_fn *done,
                   void *arg)
{
    struct preflight *p = xcalloc(1, sizeof *p);

    assert(job->n_hosts > 0);
    *p = (struct preflight){.probe = probe,
                            .job = *job,
                            .done = done,
                            .arg = arg,
                            .open = 1 + job->n_hosts * PROBE_CLASSES};
    for (unsigned class = 0; class < PROBE_CLASSES; class ++) {
        for (size_t h = 0; h < job->n_hosts; h++) {
            probe->ops->read(probe, job->hosts[h], (enum probe_class) class, on_reading, p);
        }
    }
    probe->ops->flush(probe);
    if (job->pattern) {
        run_pattern(p);
    }
    one_ended(p);
}
