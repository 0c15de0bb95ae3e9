/* `podmgr restore` at every point: whatever happens, the database is either the
 * one before or the backup, each whole; once the operator was told that it is
 * restored it is the backup, and what was there is kept under its new name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

static const char backup[] = "/backup.db";

/* What a start would find; false if it would refuse. */
static bool look(struct crash *c, const char *path, struct digest *rows, bool *restored)
{
    struct store *store;
    struct error err;

    if (store_open(&store, path, 1000, &err) < 0) {
        sim_found(&c->s, V_A2, "%s", err.text);
        return false;
    }
    struct model *m = model_create(&c->s.pod, 0);
    int status = store_load(store, m, &err);
    if (status < 0) {
        sim_found(&c->s, V_A2, "%s", err.text);
    }
    record_rows(rows, store);
    *restored = m->restored;
    model_destroy(m);
    store_close(store);
    return status == 0;
}

static void judge_aside(struct crash *c)
{
    struct digest rows;
    bool restored;

    if (disk_find(&c->disk, c->restore.aside) == NULL) {
        sim_found(&c->s, V_A2, "what was there is gone");
    } else if (look(c, c->restore.aside, &rows, &restored) && rows.all != c->record.rows.all) {
        sim_found(&c->s, V_A2, "what was there is not as it was committed");
    }
}

static void restore_again(struct crash *c)
{
    struct error err;

    if (store_restore(c->s.db, backup, &c->s.pod, c->restore.aside, sizeof c->restore.aside, &err) <
        0) {
        sim_found(&c->s, V_A2, "another attempt fails: %s", err.text);
    }
    c->restore.told = true;
}

/* The mark and the incarnation are new, the rest is the backup's. */
static bool is_backup(const struct crash *c, const struct digest *rows, bool restored)
{
    const struct digest *then = &c->restore.backup;
    bool same = restored && rows->n == then->n;

    for (unsigned i = 0; same && i < rows->n; i++) {
        same = strcmp(rows->table[i].name, then->table[i].name) == 0 &&
               (rows->table[i].rows == then->table[i].rows ||
                strcmp(rows->table[i].name, "meta") == 0);
    }
    return same;
}

/* What a start would find is the backup. */
static bool look_for_backup(struct crash *c)
{
    struct digest rows;
    bool restored;

    if (c->s.stop || !look(c, c->s.db, &rows, &restored)) {
        return false;
    }
    bool found = is_backup(c, &rows, restored);
    if (!found && rows.all != c->record.rows.all) {
        sim_found(&c->s, V_A2, "the database is neither the old one nor the backup");
    }
    return found;
}

/* Who was not told tries again. */
void restore_judge(struct crash *c)
{
    if (!look_for_backup(c) && !c->s.stop) {
        if (c->restore.told) {
            sim_found(&c->s, V_A2, "restored, the operator was told, and it is the old one");
        } else {
            restore_again(c);
        }
    }
    disk_lose_power(&c->disk, NULL);
    bool found = look_for_backup(c);
    if (!found && c->restore.told && !c->s.stop) {
        sim_found(&c->s, V_A2, "restored, the operator was told, and the power takes it back");
    } else if (found) {
        judge_aside(c);
    }
}

void restore_workload(struct crash *c)
{
    struct error err;

    c->quiet = true;
    crash_start(c);
    crash_work(c, 3);
    crash_manager_stop(c);
    disk_copy(&c->disk, disk_find(&c->disk, c->s.db), backup, false);
    disk_sync_names(&c->disk);
    c->restore.backup = c->record.rows;
    crash_start(c);
    crash_work(c, 6);
    crash_manager_cut(c); /* its log stays behind */
    c->quiet = false;
    int status =
        store_restore(c->s.db, backup, &c->s.pod, c->restore.aside, sizeof c->restore.aside, &err);
    c->restore.told = status == 0;
    crash_attend(c);
    (void)crash_step(c, PLACE_COMMITTED);
    crash_attend(c);
    if (status < 0) {
        sim_found(&c->s, V_A2, "%s", err.text);
    }
    c->quiet = true;
    if (!c->s.stop && !look_for_backup(c)) {
        sim_found(&c->s, V_A2, "restored, and it is the old one");
    }
    judge_aside(c);
}
