/* Crash points: a workload of the real core and store against the simulated
 * switches and daemons of tests/sim, on a disk in memory.
 *
 *   sweep.c   main: classes, controls, the table
 *   run.c     the workload
 *   points.c  at each point a copy of the process crashes, while the first goes on
 *   recover.c what the copy does then
 *   restore.c the same for `podmgr restore`
 *   manager.c podmgr: what podmgr/shell.c does around the core
 *   record.c  what was acknowledged, and whether it is what is loaded
 *   disk.c, vfs.c, files.c  the disk, and the ways to it
 *
 * A point is a call of SQLite that changes the disk, or a step of podmgr or of
 * the world: SQLite does not get there, or the step is not taken. */
#ifndef TESTS_CRASH_H
#define TESTS_CRASH_H

#include "disk.h"
#include "tests/sim/sim.h"
#include "vfs.h"

#define PLACES(X)                                                                                  \
    X(CREATE, "a file is created")                                                                 \
    X(WRITE, "a write")                                                                            \
    X(TRUNCATE, "a truncation")                                                                    \
    X(SYNC, "a sync")                                                                              \
    X(DELETE, "a file is deleted")                                                                 \
    X(RENAME, "a file is renamed")                                                                 \
    X(EVENT, "the core takes an event")                                                            \
    X(COMMIT, "the intent is not committed")                                                       \
    X(COMMITTED, "the intent is committed, nothing was said")                                      \
    X(EFFECT, "some effects are out, some are not")                                                \
    X(MIRRORS, "mirrors move")                                                                     \
    X(UNDER_WAY, "operations are sent, applied, answered, read back")                              \
    X(IDLE, "no operation is open")
enum place {
#define X(name, text) PLACE_##name,
    PLACES(X)
#undef X
        PLACE_COUNT
};

#define CLASSES(X)                                                                                 \
    X(KILL, "kill", "killed")                                                                      \
    X(POWER, "power", "power loss, nothing unsynced is kept")                                      \
    X(TORN, "torn", "power loss, some unsynced sectors are kept")                                  \
    X(TWICE, "twice", "any of these, and again in the recovery")                                   \
    X(EIO, "eio", "a call fails: EIO")                                                             \
    X(FSYNC, "fsync", "a sync fails for good, and then the power")                                 \
    X(FULL, "full", "the disk is full from here on")
enum crash_class {
#define X(name, word, text) CLASS_##name,
    CLASSES(X)
#undef X
        CLASS_COUNT
};

/* What a run is to be: podmgr as it is, or with a fault that has to be found. */
struct setup {
    const char *synchronous;     /* NULL: what the store asks for */
    bool restores;               /* the workload is one `podmgr restore` */
    bool names_unsynced;         /* the directory is not synced by the restore */
    bool log_as_it_is;           /* what an earlier process left is not written again */
    bool effects_first;          /* before the commit */
    bool goes_on;                /* after a commit that failed */
    unsigned every[CLASS_COUNT]; /* of a class, each n-th point; 0: none */
    uint64_t seed, only_point;   /* only_point: this one alone, with a trace */
    bool to_first_find;
};

struct tally {
    uint64_t points, swept, places[PLACE_COUNT];
    uint64_t of_class[CLASS_COUNT], tried[CLASS_COUNT], struck[CLASS_COUNT], found[CLASS_COUNT];
    uint64_t commits, acked, stopped, finds;
};

enum { TABLES_MAX = 16, TABLE_NAME_MAX = 24 };
struct digest {
    unsigned n;
    uint64_t all;
    struct {
        char name[TABLE_NAME_MAX];
        uint64_t rows;
    } table[TABLES_MAX];
};

/* What was promised to the outside, and on what state it rests. */
struct record {
    struct digest rows; /* after the last commit */
    uint64_t commits, audits, next_event, epoch;
};

/* What a copy that crashed tells the one that did not. */
struct report {
    bool found, struck, adopted, stopped;
    uint64_t rows; /* adopted: the state that was under way */
    char text[320];
};

struct crash {
    struct sim s; /* first: the parts of tests/sim know this only */
    struct outcome outcome;
    const struct setup *setup;
    struct tally *tally;
    struct disk disk;
    struct record record;
    struct manager *last;
    bool in_commit; /* of `last`: whether it is durable is open */
    /* This copy of the process. */
    unsigned level; /* crashes on the way here */
    enum crash_class class;
    int answer; /* pipe */
    bool crashed, failing, full;
    bool quiet; /* no points */
    int64_t failing_until_ns;
    uint64_t born_in_commit, points, second_point;
    struct report report;
    /* Of the copies that took over the commit under way. */
    struct adoption {
        uint64_t point, rows;
        enum crash_class class;
    } * adoptions;
    size_t n_adoptions, cap_adoptions;
    struct {
        struct digest backup; /* rows */
        char aside[200];
        bool told;
    } restore;
    uint64_t power_commit, power_durable; /* of the last point of power loss */
};

extern const char *const place_texts[PLACE_COUNT];
extern const char *const class_words[CLASS_COUNT];

/* run.c */
void crash_run(const struct setup *setup, struct tally *tally);
bool crash_next(struct crash *c, int64_t limit_ns); /* event of the world; false: no more */
void crash_start(struct crash *c);
void crash_work(struct crash *c, uint64_t acked); /* until so many are acknowledged */
bool crash_names_stay_unsynced(void);
void crash_converge(struct crash *c); /* no new work, until all is settled */

/* recover.c */
_Noreturn void crash_aftermath(struct crash *c);
void crash_attend(struct crash *c); /* to a crash or failure of this copy, if there is one */
enum crash_class crash_any(const struct crash *c); /* of those without a failure before */

/* restore.c */
void restore_workload(struct crash *c);
void restore_judge(struct crash *c); /* of a copy that crashed in it */

/* points.c */
int crash_gate(void *arg, enum disk_call call, bool grows); /* vfs_gate_fn */
bool crash_step(struct crash *c, enum place place);         /* true: the world stops here */

/* manager.c, besides what sim.h declares */
bool crash_manager_start(struct crash *c);
void crash_manager_stop(struct crash *c); /* in order */
void crash_manager_cut(struct crash *c);  /* as a kill does; its batch stays for the judge */

/* record.c */
void record_init(struct record *r);
void record_rows(struct digest *out, struct store *store);
void record_committed(struct crash *c, const struct manager *m);
/* What the start of a podmgr has loaded, against the record. */
void record_judge(struct crash *c, const struct manager *m);
/* The chain of a database that nobody has open; and, once it is judged, its
 * length. */
void record_read_audit(struct crash *c, struct audit_tip *tip);
void record_judge_audit(struct crash *c, const struct audit_tip *tip);
/* A failure has to be told in words, of its own kind. */
void record_judge_words(struct crash *c, const struct error *err);

#endif
