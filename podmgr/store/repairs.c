/* Incidents and repair tickets as rows.  Their lists are short and only read as
 * a whole, so they are texts: ids a word each, actions and history a line each,
 * its fields parted by tabs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/incident.h"
#include "core/repair.h"
#include "mem.h"
#include "store/sqlite_util.h"

/* ----------------------------------------------------------------- texts -- */

struct text {
    char *bytes;
    size_t len, cap;
};

static void add_text(struct text *t, const char *text)
{
    for (; *text != '\0'; text++) {
        VEC_GROW(t->bytes, t->len, t->cap);
        t->bytes[t->len++] = *text;
    }
}

/* A field: what parts fields and lines becomes a blank. */
static void add_field(struct text *t, const char *text, char end)
{
    for (; *text != '\0'; text++) {
        VEC_GROW(t->bytes, t->len, t->cap);
        t->bytes[t->len++] = *text == '\t' || *text == '\n' ? ' ' : *text;
    }
    add_text(t, (char[]){end, '\0'});
}

static void add_ms(struct text *t, struct wall_ms at)
{
    char number[32];

    (void)snprintf(number, sizeof number, "%" PRId64, at.ms);
    add_field(t, number, '\t');
}

static void bind_and_free(sqlite3_stmt *s, int at, struct text *t)
{
    (void)sqlite3_bind_text(s, at, t->len > 0 ? t->bytes : "", (int)t->len, SQLITE_TRANSIENT);
    free(t->bytes);
}

static void bind_ids(sqlite3_stmt *s, int at, const struct id *ids, size_t n)
{
    struct text t = {0};
    char id[48];

    for (size_t i = 0; i < n; i++) {
        add_field(&t, id_format(ids[i], id), ' ');
    }
    bind_and_free(s, at, &t);
}

static void bind_copy(sqlite3_stmt *s, int at, const char *text)
{
    (void)sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
}

static void copy_text(char *out, size_t size, sqlite3_stmt *s, int at)
{
    (void)snprintf(out, size, "%s", sqlite3_column_text(s, at));
}

/* Takes the text up to `end` into out and moves *text behind it; false if there
 * is no `end`. */
static bool take_field(const char **text, char end, char *out, size_t size)
{
    const char *stop = strchr(*text, end);
    size_t len = stop != NULL ? (size_t)(stop - *text) : 0;

    if (stop == NULL || len >= size) {
        return false;
    }
    memcpy(out, *text, len);
    out[len] = '\0';
    *text = stop + 1;
    return true;
}

static bool take_ms(const char **text, struct wall_ms *out)
{
    char number[32], *end;

    if (!take_field(text, '\t', number, sizeof number)) {
        return false;
    }
    out->ms = strtoll(number, &end, 10);
    return number[0] != '\0' && *end == '\0';
}

static bool take_id(const char **text, struct id *out)
{
    char word[48];
    return take_field(text, ' ', word, sizeof word) && id_parse(out, word);
}

/* ------------------------------------------------------------- incidents -- */

static int delete_row(struct store *store, enum stmt which, struct id id, struct error *err)
{
    bind_u64(store->stmt[which], 1, id.epoch);
    bind_u64(store->stmt[which], 2, id.seq);
    return store_run(store, which, err);
}

int store_put_incident(struct store *store, const struct model *m, struct id id, struct error *err)
{
    const struct incident *i = incidents_find(m->incidents, id);
    sqlite3_stmt *s = store->stmt[ST_INCIDENT_PUT];
    struct text actions = {0};

    if (i == NULL) {
        return delete_row(store, ST_INCIDENT_DELETE, id, err);
    }
    bind_u64(s, 1, id.epoch);
    bind_u64(s, 2, id.seq);
    bind_copy(s, 3, risk_kind_name(i->kind));
    bind_copy(s, 4, i->part);
    (void)sqlite3_bind_double(s, 5, i->confidence);
    bind_copy(s, 6, i->rivals);
    bind_copy(s, 7, severity_name(i->severity));
    const struct wall_ms times[] = {i->began,  i->opened,  i->updated,
                                    i->closed, i->decided, i->recovered};
    for (size_t k = 0; k < ARRAY_LEN(times); k++) {
        (void)sqlite3_bind_int64(s, 8 + (int)k, times[k].ms);
    }
    bind_u64(s, 14, i->symptoms);
    bind_u64(s, 15, i->healthy);
    bind_u64(s, 16, i->count);
    bind_u64(s, 17, i->merged_into.epoch);
    bind_u64(s, 18, i->merged_into.seq);
    bind_ids(s, 19, i->slices, i->n_slices);
    for (size_t k = 0; k < i->n_actions; k++) {
        add_ms(&actions, i->actions[k].at);
        add_field(&actions, i->actions[k].text, '\n');
    }
    bind_and_free(s, 20, &actions);
    return store_run(store, ST_INCIDENT_PUT, err);
}

static bool severity_parse(enum severity *out, const char *text)
{
    for (int severity = SEVERITY_OK; severity <= SEVERITY_FATAL; severity++) {
        if (strcmp(text, severity_name((enum severity)severity)) == 0) {
            *out = (enum severity)severity;
            return true;
        }
    }
    return false;
}

static const char *take_lists(struct incident *i, sqlite3_stmt *s)
{
    const char *slices = (const char *)sqlite3_column_text(s, 18);
    const char *actions = (const char *)sqlite3_column_text(s, 19);
    struct id slice;

    while (*slices != '\0') {
        if (!take_id(&slices, &slice)) {
            return "'slices' are no ids";
        }
        (void)incident_touches(i, slice);
    }
    while (*actions != '\0') {
        struct incident_action *action = &i->actions[i->n_actions];
        if (i->n_actions == INCIDENT_ACTIONS || !take_ms(&actions, &action->at) ||
            !take_field(&actions, '\n', action->text, sizeof action->text)) {
            return "'actions' make no sense";
        }
        i->n_actions++;
    }
    return NULL;
}

/* NULL, or what is wrong. */
static const char *take_incident(struct incident *i, const struct model *m, sqlite3_stmt *s)
{
    if (!store_id_was_taken(m, i->id)) {
        return "an id that was never given";
    }
    if (!risk_kind_parse(&i->kind, (const char *)sqlite3_column_text(s, 2)) ||
        !severity_parse(&i->severity, (const char *)sqlite3_column_text(s, 6))) {
        return "no such kind or severity";
    }
    copy_text(i->part, sizeof i->part, s, 3);
    i->confidence = sqlite3_column_double(s, 4);
    copy_text(i->rivals, sizeof i->rivals, s, 5);
    struct wall_ms *const times[] = {&i->began,  &i->opened,  &i->updated,
                                     &i->closed, &i->decided, &i->recovered};
    for (size_t k = 0; k < ARRAY_LEN(times); k++) {
        times[k]->ms = sqlite3_column_int64(s, 7 + (int)k);
    }
    i->symptoms = (uint32_t)column_u64(s, 13);
    i->healthy = (uint32_t)column_u64(s, 14);
    i->count = (uint32_t)column_u64(s, 15);
    i->merged_into = (struct id){column_u64(s, 16), column_u64(s, 17)};
    if (i->count == 0 || i->opened.ms == 0) {
        return "it never was";
    }
    return take_lists(i, s);
}

int store_load_incident(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct incident *incident = xcalloc(1, sizeof *incident);

    incident->id = (struct id){column_u64(s, 0), column_u64(s, 1)};
    const char *wrong = take_incident(incident, m, s);
    if (wrong != NULL) {
        struct id id = incident->id;
        incident_destroy(incident);
        return store_contradiction(store, err, "incidents", id, wrong);
    }
    incident->recalled = incident_is_open(incident) && incident->gone.ms == 0;
    incidents_add(m->incidents, incident);
    return 0;
}

/* --------------------------------------------------------------- tickets -- */

static void bind_history(sqlite3_stmt *s, int at, const struct ticket *t)
{
    struct text history = {0};

    for (size_t i = 0; i < t->n_history; i++) {
        const struct ticket_step *step = &t->history[i];
        add_ms(&history, step->at);
        add_field(&history, ticket_state_name(step->from), '\t');
        add_field(&history, ticket_state_name(step->to), '\t');
        add_field(&history, step->who, '\t');
        add_field(&history, step->note, '\n');
    }
    bind_and_free(s, at, &history);
}

int store_put_ticket(struct store *store, const struct model *m, struct id id, struct error *err)
{
    const struct ticket *t = tickets_find(m->tickets, id);
    sqlite3_stmt *s = store->stmt[ST_TICKET_PUT];

    if (t == NULL) {
        return delete_row(store, ST_TICKET_DELETE, id, err);
    }
    bind_u64(s, 1, id.epoch);
    bind_u64(s, 2, id.seq);
    bind_copy(s, 3, risk_kind_name(t->kind));
    bind_copy(s, 4, t->part);
    bind_copy(s, 5, ticket_state_name(t->state));
    bind_copy(s, 6, t->position);
    bind_copy(s, 7, t->action);
    bind_copy(s, 8, t->safe);
    bind_copy(s, 9, t->spare);
    (void)sqlite3_bind_int64(s, 10, t->opened.ms);
    (void)sqlite3_bind_int64(s, 11, t->changed.ms);
    (void)sqlite3_bind_int64(s, 12, t->well_since.ms);
    bind_u64(s, 13, t->relapses);
    bind_u64(s, 14, t->version);
    bind_ids(s, 15, t->incidents, t->n_incidents);
    bind_history(s, 16, t);
    return store_run(store, ST_TICKET_PUT, err);
}

static bool take_state(const char **text, enum ticket_state *out)
{
    char name[32];
    return take_field(text, '\t', name, sizeof name) && ticket_state_parse(out, name);
}

static const char *take_history(struct ticket *t, const char *text)
{
    while (*text != '\0') {
        struct ticket_step *step = &t->history[t->n_history];
        if (t->n_history == TICKET_HISTORY || !take_ms(&text, &step->at) ||
            !take_state(&text, &step->from) || !take_state(&text, &step->to) ||
            !take_field(&text, '\t', step->who, sizeof step->who) ||
            !take_field(&text, '\n', step->note, sizeof step->note)) {
            return "'history' makes no sense";
        }
        t->n_history++;
    }
    return NULL;
}

static const char *take_ticket(struct ticket *t, const struct model *m, sqlite3_stmt *s)
{
    const char *incidents = (const char *)sqlite3_column_text(s, 14);

    if (!store_id_was_taken(m, t->id)) {
        return "an id that was never given";
    }
    if (!risk_kind_parse(&t->kind, (const char *)sqlite3_column_text(s, 2)) ||
        !ticket_state_parse(&t->state, (const char *)sqlite3_column_text(s, 4))) {
        return "no such kind or state";
    }
    copy_text(t->part, sizeof t->part, s, 3);
    copy_text(t->position, sizeof t->position, s, 5);
    copy_text(t->action, sizeof t->action, s, 6);
    copy_text(t->safe, sizeof t->safe, s, 7);
    copy_text(t->spare, sizeof t->spare, s, 8);
    t->opened.ms = sqlite3_column_int64(s, 9);
    t->changed.ms = sqlite3_column_int64(s, 10);
    t->well_since.ms = sqlite3_column_int64(s, 11);
    t->relapses = (uint32_t)column_u64(s, 12);
    t->version = column_u64(s, 13);
    if (t->state != TICKET_CLOSED && tickets_open_of(m->tickets, t->kind, t->part) != NULL) {
        return "another one of its part is not closed";
    }
    while (*incidents != '\0') {
        if (t->n_incidents == TICKET_INCIDENTS ||
            !take_id(&incidents, &t->incidents[t->n_incidents])) {
            return "'incidents' are no ids, or too many";
        }
        t->n_incidents++;
    }
    return take_history(t, (const char *)sqlite3_column_text(s, 15));
}

int store_load_ticket(struct store *store, struct model *m, sqlite3_stmt *s, struct error *err)
{
    struct ticket *ticket = xcalloc(1, sizeof *ticket);

    ticket->id = (struct id){column_u64(s, 0), column_u64(s, 1)};
    const char *wrong = take_ticket(ticket, m, s);
    if (wrong != NULL) {
        struct id id = ticket->id;
        free(ticket);
        return store_contradiction(store, err, "repairs", id, wrong);
    }
    tickets_add(m->tickets, ticket);
    return 0;
}
