/* Points, and the copies of the process that crash at them. */
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"
#include "mem.h"

enum { COPY_LIMIT_S = 60, FINDS_SHOWN = 5 };

/* ----------------------------------------------------------------- copies -- */

static void become_copy(struct crash *c, enum crash_class class, int answer)
{
    (void)alarm(COPY_LIMIT_S);
    c->level++;
    c->class = class;
    c->answer = answer;
    c->report = (struct report){.found = false};
    c->second_point = 0;
    c->n_adoptions = 0;
    c->born_in_commit = c->record.commits;
    c->s.trace = c->setup->only_point != 0;
    if (class < CLASS_EIO) {
        c->crashed = true;
    } else {
        c->failing = true;
        c->full = class == CLASS_FULL;
        c->failing_until_ns = sim_now(&c->s) + (c->full ? 30 : 3) * S;
    }
}

static void hear(struct crash *c, enum crash_class class, uint64_t point, int pipe, pid_t pid)
{
    struct report report;
    int status;

    if (read(pipe, &report, sizeof report) != sizeof report) {
        report = (struct report){.found = true, .struck = true};
        (void)snprintf(report.text, sizeof report.text, "podmgr died; the message is above");
    }
    (void)close(pipe);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (report.adopted) {
        VEC_GROW(c->adoptions, c->n_adoptions, c->cap_adoptions);
        c->adoptions[c->n_adoptions++] = (struct adoption){point, report.rows, class};
    }
    if (c->level > 0) {
        c->report.struck = c->report.struck || report.struck;
        if (report.found && !c->report.found) {
            c->report.found = true;
            memcpy(c->report.text, report.text, sizeof report.text);
        }
        return;
    }
    c->tally->tried[class]++;
    c->tally->struck[class] += report.struck;
    c->tally->stopped += report.stopped;
    if (report.found && c->setup->to_first_find) {
        printf("# %s\n", report.text);
    } else if (report.found && c->tally->found[class] < FINDS_SHOWN) {
        printf("# %s\n#   again: make crash POINT=%" PRIu64 " CLASS=%s SEED=%" PRIu64 "%s\n",
               report.text, point, class_words[class], c->setup->seed,
               c->setup->restores ? " RESTORE=1" : "");
    }
    c->tally->found[class] += report.found;
    c->tally->finds += report.found;
}

/* True in the copy. */
static bool try_here(struct crash *c, enum crash_class class, uint64_t point)
{
    int ends[2];
    pid_t pid;

    (void)fflush(NULL);
    if (pipe(ends) != 0 || (pid = fork()) < 0) {
        perror("crash");
        exit(1);
    }
    if (pid == 0) {
        (void)close(ends[0]);
        become_copy(c, class, ends[1]);
        return true;
    }
    (void)close(ends[1]);
    hear(c, class, point, ends[0], pid);
    return false;
}

/* ----------------------------------------------------------------- points -- */

/* Two points of one commit with no sync between them leave the same behind when
 * power goes, so they are one. */
static bool is_power_point(struct crash *c)
{
    if (!disk_has_unsynced(&c->disk) ||
        (c->power_commit == c->record.commits && c->power_durable == c->disk.durable_changes)) {
        return false;
    }
    c->power_commit = c->record.commits;
    c->power_durable = c->disk.durable_changes;
    return true;
}

static bool applies(struct crash *c, enum crash_class class, enum place place, bool grows)
{
    switch (class) {
    case CLASS_KILL:
    case CLASS_TWICE:
        return true;
    case CLASS_POWER:
        return is_power_point(c);
    case CLASS_TORN:
        return disk_has_unsynced(&c->disk);
    case CLASS_EIO:
        return place <= PLACE_RENAME && place != PLACE_SYNC;
    case CLASS_FSYNC:
        return place == PLACE_SYNC;
    case CLASS_FULL:
        return place <= PLACE_RENAME && grows;
    case CLASS_COUNT:
        break;
    }
    abort();
}

static bool is_due(const struct crash *c, enum crash_class class, uint64_t number)
{
    const struct setup *setup = c->setup;

    if (setup->only_point != 0) {
        return c->points == setup->only_point && setup->every[class] != 0;
    }
    return setup->every[class] != 0 && (number + setup->seed) % setup->every[class] == 0 &&
           !c->s.stop;
}

/* True in a copy that is to crash here. */
static bool point(struct crash *c, enum place place, bool grows)
{
    struct tally *tally = c->tally;

    if (c->quiet) {
        return false;
    }
    c->points++;
    if (c->level > 0) {
        /* What a failed sync left unwritten, only a loss of power shows. */
        return c->points == c->second_point &&
               try_here(c, c->class == CLASS_FSYNC ? CLASS_POWER : crash_any(c), c->points);
    }
    bool tried = false;
    for (enum crash_class class = 0; class < CLASS_COUNT; class = (enum crash_class)(class + 1)) {
        if (applies(c, class, place, grows) && is_due(c, class, tally->of_class[class]++)) {
            tried = true;
            if (try_here(c, class, c->points)) {
                return true;
            }
            if (c->setup->to_first_find && tally->found[class] > 0) {
                c->s.stop = true;
            }
        }
    }
    tally->points++;
    tally->swept += tried;
    tally->places[place] += tried;
    return false;
}

bool crash_step(struct crash *c, enum place place)
{
    return !c->crashed && point(c, place, false) && c->crashed;
}

int crash_gate(void *arg, enum disk_call call, bool grows)
{
    static const enum place places[] = {
        [CALL_CREATE] = PLACE_CREATE,     [CALL_WRITE] = PLACE_WRITE,
        [CALL_TRUNCATE] = PLACE_TRUNCATE, [CALL_SYNC] = PLACE_SYNC,
        [CALL_DELETE] = PLACE_DELETE,     [CALL_RENAME] = PLACE_RENAME};
    static const int failures[] = {[CALL_CREATE] = SQLITE_IOERR,
                                   [CALL_WRITE] = SQLITE_IOERR_WRITE,
                                   [CALL_TRUNCATE] = SQLITE_IOERR_TRUNCATE,
                                   [CALL_SYNC] = SQLITE_IOERR_FSYNC,
                                   [CALL_DELETE] = SQLITE_IOERR_DELETE,
                                   [CALL_RENAME] = SQLITE_IOERR};
    struct crash *c = arg;

    if (!c->crashed && point(c, places[call], grows) && !c->crashed) {
        return c->full ? SQLITE_FULL : failures[call];
    }
    if (c->crashed) {
        return SQLITE_IOERR;
    }
    return c->full && grows ? SQLITE_FULL : SQLITE_OK;
}
