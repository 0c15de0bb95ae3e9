/* Drains as rows: what was ordered never changes, the state does.  A drain that
 * has ended has no row; the journal and the audit tell of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/drain.h"
#include "mem.h"
#include "store/sqlite_util.h"

/* One batch may hold the end of a drain and a new one of the same part: the
 * changes are put in the order of their ids, so the older goes first. */
int store_put_drain(struct store *store, const struct model *m, struct id id, struct error *err)
{
    const struct drain *d = model_drain(m, id);
    enum stmt which = d == NULL ? ST_DRAIN_DELETE : ST_DRAIN_PUT;
    sqlite3_stmt *s = store->stmt[which];
    char name[80];

    bind_u64(s, 1, id.epoch);
    bind_u64(s, 2, id.seq);
    if (d != NULL) {
        const struct drain_order *order = &d->order;
        (void)sqlite3_bind_text(s, 3, part_format(&order->part, name), -1, SQLITE_TRANSIENT);
        (void)sqlite3_bind_text(s, 4, drain_mode_name(order->mode), -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 5, admin_name(d->state), -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 6, d->who, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(s, 7, order->reason, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(s, 8, d->created.ms);
        (void)sqlite3_bind_int64(s, 9, d->drained.ms);
        (void)sqlite3_bind_int64(s, 10, order->until.ms);
        bind_u64(s, 11, d->version);
    }
    return store_run(store, which, err);
}

static void copy_text(char *out, size_t size, sqlite3_stmt *s, int at)
{
    (void)snprintf(out, size, "%s", sqlite3_column_text(s, at));
}

/* NULL, or what is wrong. */
static const char *take_drain(struct drain *d, const struct model *m, sqlite3_stmt *s)
{
    struct drain_order *order = &d->order;
    const char *state = (const char *)sqlite3_column_text(s, 4);
    struct extent extent;

    if (!store_id_was_taken(m, d->id)) {
        return "an id that was never given";
    }
    if (part_parse(&order->part, (const char *)sqlite3_column_text(s, 2), NULL) < 0) {
        return "its target is no part";
    }
    /* A power domain can leave the configuration; its drain then holds nothing. */
    if (order->part.kind != PART_POWER && !extent_of_part(m, &order->part, &extent)) {
        return "its target is not in this pod";
    }
    bool drained = strcmp(state, admin_name(ADMIN_DRAINED)) == 0;
    if (!drain_mode_parse(&order->mode, (const char *)sqlite3_column_text(s, 3)) ||
        (!drained && strcmp(state, admin_name(ADMIN_DRAINING)) != 0)) {
        return "no such mode or state";
    }
    d->state = drained ? ADMIN_DRAINED : ADMIN_DRAINING;
    copy_text(d->who, sizeof d->who, s, 5);
    copy_text(order->reason, sizeof order->reason, s, 6);
    d->created.ms = sqlite3_column_int64(s, 7);
    d->drained.ms = sqlite3_column_int64(s, 8);
    order->until.ms = sqlite3_column_int64(s, 9);
    d->version = column_u64(s, 10);
    return NULL;
}

int store_load_drain(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct drain *d = xcalloc(1, sizeof *d);

    d->id = (struct id){column_u64(s, 0), column_u64(s, 1)};
    const char *wrong = take_drain(d, m, s);
    if (wrong != NULL) {
        struct id id = d->id;
        free(d);
        return store_contradiction(store, err, "drains", id, wrong);
    }
    model_add_drain(m, d);
    return 0;
}
