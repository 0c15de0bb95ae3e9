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
    const struct golden *golden;
    const uint16_t *hosts;
    size_t n_hosts;
    bool pattern;
    uint64_t seed;
    preflight_fn *done;
    void *arg;
    size_t open; /* calls not ended yet, and 1 while they are made */
    uint32_t *chips;
    size_t n_chips;
    struct shift shifts[SHIFTS_MAX];
    unsigned n_shifts;
    struct preflight_result result;
};

static void fail(struct preflight *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct preflight *p, const char *fmt, ...)
{
    struct preflight_result *r = &p->result;
    va_list ap;

    if (r->failures < PREFLIGHT_LINES) {
        va_start(ap, fmt);
        (void)vsnprintf(r->lines[r->failures], sizeof r->lines[0], fmt, ap);
        va_end(ap);
    }
    r->failures++;
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
    const struct golden_limit *limit = &p->golden->metrics[metric];
    const struct metric_info *info = metric_info(metric);
    struct part name = finding_part(host, class_scope(info->class), part);
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
        fail(p, "%s: %s is required and unknown", text, info->name);
    } else {
        bool low = value < limit->min;
        fail(p, "%s: %s %.6g %s is %s %.6g %s", text, info->name, value, info->unit,
             low ? "below" : "above", low ? limit->min : limit->max, info->unit);
    }
}

static void on_reading(void *arg, uint16_t host, enum probe_class class,
                       const struct reading *reading)
{
    struct preflight *p = arg;
    struct part name = finding_part(host, SCOPE_HOST, 0);
    char text[80];

    if (reading == NULL) {
        fail(p, "%s: its instruments do not answer", part_format(&name, text));
    }
    for (size_t m = 0; reading != NULL && m < N_METRICS; m++) {
        if (!p->golden->metrics[m].there || metric_info((enum metric)m)->class != class) {
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

static void on_deliveries(void *arg, const struct probe_delivery *deliveries, size_t n)
{
    const struct shift *shift = arg;
    struct preflight *p = shift->p;

    if (n == 0) {
        fail(p, "transfers: no answer");
    }
    for (size_t i = 0; i < n; i++) {
        struct part from = chip_part(p->chips[i]), to = chip_part(shift->to[i]);
        const struct golden_limit *limit = &p->golden->transfer;
        char names[2][80];
        (void)part_format(&from, names[0]);
        (void)part_format(&to, names[1]);
        p->result.transfers++;
        if (!deliveries[i].delivered) {
            fail(p, "%s to %s: %s", names[0], names[1], deliveries[i].text);
        } else if (limit->there && golden_judge(limit, deliveries[i].us) != GOLDEN_GOOD) {
            fail(p, "%s to %s: %.4g us over %u hops, limit %.4g us", names[0], names[1],
                 deliveries[i].us, deliveries[i].hops, limit->max);
        }
    }
    one_ended(p);
}

static void on_results(void *arg, const struct probe_result *results, size_t n)
{
    struct preflight *p = arg;

    if (n == 0) {
        fail(p, "computations: no answer");
    }
    for (size_t i = 0; i < n; i++) {
        struct part chip = chip_part(p->chips[i]);
        char name[80];
        p->result.computations++;
        if (!results[i].answered) {
            fail(p, "%s: does not compute", part_format(&chip, name));
        } else if (results[i].value != probe_expected(p->chips[i], p->seed, ROUNDS)) {
            fail(p, "%s: computes wrongly", part_format(&chip, name));
        }
    }
    one_ended(p);
}

static void list_chips(struct preflight *p)
{
    p->n_chips = p->n_hosts * CHIPS_A_HOST;
    p->chips = xcalloc(p->n_chips, sizeof *p->chips);
    for (size_t i = 0; i < p->n_chips; i++) {
        struct part chip = hostlist_chip(p->hosts[i / CHIPS_A_HOST], i % CHIPS_A_HOST);
        p->chips[i] =
            chip.cube * (uint32_t)CHIPS_A_CUBE + chip.at[0] + 4U * chip.at[1] + 16U * chip.at[2];
    }
}

static void list_shifts(struct preflight *p)
{
    for (size_t by = 1; by < p->n_chips; by *= 2) {
        struct shift *shift = &p->shifts[p->n_shifts++];
        assert(p->n_shifts <= SHIFTS_MAX);
        *shift = (struct shift){.p = p, .to = xcalloc(p->n_chips, sizeof *shift->to)};
        for (size_t i = 0; i < p->n_chips; i++) {
            shift->to[i] = p->chips[(i + by) % p->n_chips];
        }
    }
}

static void run_pattern(struct preflight *p)
{
    const struct probe_ops *ops = p->probe->ops;

    list_chips(p);
    list_shifts(p);
    if (ops->transfer == NULL || ops->compute == NULL) {
        fail(p, "these instruments can neither send nor compute: leave the pattern out");
        return;
    }
    p->open += p->n_shifts + 1U;
    for (unsigned s = 0; s < p->n_shifts; s++) {
        ops->transfer(p->probe, p->chips, p->shifts[s].to, p->n_chips, on_deliveries,
                      &p->shifts[s]);
    }
    ops->compute(p->probe, p->chips, p->n_chips, p->seed, ROUNDS, on_results, p);
}

void preflight_run(struct probe *probe, const struct golden *golden, const uint16_t *hosts,
                   size_t n_hosts, bool pattern, uint64_t seed, preflight_fn *done, void *arg)
{
    struct preflight *p = xcalloc(1, sizeof *p);

    assert(n_hosts > 0);
    *p = (struct preflight){.probe = probe,
                            .golden = golden,
                            .hosts = hosts,
                            .n_hosts = n_hosts,
                            .pattern = pattern,
                            .seed = seed,
                            .done = done,
                            .arg = arg,
                            .open = 1 + n_hosts * PROBE_CLASSES};
    for (unsigned class = 0; class < PROBE_CLASSES; class ++) {
        for (size_t h = 0; h < n_hosts; h++) {
            probe->ops->read(probe, hosts[h], (enum probe_class) class, on_reading, p);
        }
    }
    probe->ops->flush(probe);
    if (pattern) {
        run_pattern(p);
    }
    one_ended(p);
}
