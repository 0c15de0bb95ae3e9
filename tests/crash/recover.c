/* What a copy does once it has crashed: the disk loses what the class says, podmgr
 * starts from the rest, the pod converges, and at each start and in the end
 * what is there is held against the record. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crash.h"
#include "simulator/chance.h"

enum { RECOVERY_POINTS = 500 };

/* A crash without a failure before it. */
enum crash_class crash_any(const struct crash *c)
{
    return (enum crash_class)(chance_mix(c->points + c->setup->seed) % (CLASS_TORN + 1));
}

static void cut(struct crash *c, enum crash_class class)
{
    uint64_t z = chance_mix(c->setup->seed * 1000003 + c->points);
    struct disk_loss loss = {.seed = z,
                             .sector = (z & 1) != 0 ? 512 : 4096,
                             .kept = (z & 2) != 0   ? 0.5
                                     : (z & 4) != 0 ? 0.1
                                                    : 0.9,
                             .filling = (z & 8) != 0 ? 0xA5 : 0};

    crash_manager_cut(c);
    if (class == CLASS_POWER) {
        disk_lose_power(&c->disk, NULL);
    } else if (class == CLASS_TORN) {
        disk_lose_power(&c->disk, &loss);
    }
}

static bool start_again(struct crash *c)
{
    struct audit_tip tip;

    record_read_audit(c, &tip);
    if (!crash_manager_start(c)) {
        return false;
    }
    record_judge_audit(c, &tip);
    return true;
}

/* While the disk is still full podmgr may start or not, but not do harm. */
static void start_in_vain(struct crash *c)
{
    int64_t limit = sim_now(&c->s) + 2 * S;

    if (crash_manager_start(c)) {
        while (c->last->alive && crash_next(c, limit)) {
        }
    }
    crash_manager_cut(c);
    c->full = false;
}

/* In the end, whatever SQLite did not sync by then cannot matter. */
static void judge_end(struct crash *c)
{
    struct audit_tip tip;

    if (c->s.stop) {
        return;
    }
    record_rows(&c->record.rows, c->last->store);
    crash_manager_cut(c);
    disk_lose_power(&c->disk, NULL);
    record_read_audit(c, &tip);
    if (crash_manager_start(c)) {
        record_judge_audit(c, &tip);
    }
}

_Noreturn static void tell_and_exit(struct crash *c)
{
    struct report *report = &c->report;

    report->found = report->found || c->outcome.text[0] != '\0';
    if (c->outcome.text[0] != '\0') {
        (void)snprintf(report->text, sizeof report->text, "%.300s", c->outcome.text);
    }
    _exit(write(c->answer, report, sizeof *report) == sizeof *report ? 0 : 1);
}

/* This copy has crashed. */
_Noreturn void crash_aftermath(struct crash *c)
{
    bool again = c->level == 1 && !c->setup->restores &&
                 (c->class == CLASS_TWICE || c->class == CLASS_FSYNC);

    c->report.struck = !again;
    c->failing = false;
    cut(c, c->class == CLASS_TWICE ? crash_any(c) : c->class);
    if (c->setup->restores) {
        c->full = false;
        restore_judge(c);
        tell_and_exit(c);
    }
    if (c->full) {
        start_in_vain(c);
    }
    c->second_point = again ? c->points + 1 + chance_mix(c->points) % RECOVERY_POINTS : 0;
    if (!c->s.stop && start_again(c)) {
        crash_converge(c);
        judge_end(c);
    }
    tell_and_exit(c);
}

/* A failure that nobody noticed, or that was noticed much later, ends too. */
void crash_attend(struct crash *c)
{
    if (c->crashed) {
        crash_aftermath(c);
    }
    if (c->failing && (!c->last->alive || c->last->store == NULL || c->s.stop ||
                       sim_now(&c->s) > c->failing_until_ns)) {
        crash_aftermath(c);
    }
}
