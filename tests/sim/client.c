/* A client of the REST API, as seen by the core: it creates and deletes
 * slices, repeats what was not answered with the same key, tries stale
 * versions and used keys, and remembers what it was promised (A2 to A4). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <stdio.h>

#include "core/keys.h"
#include "mem.h"
#include "sim.h"

enum { PATIENCE_MS = 3000, SLICES_MAX = 4096, THINK_MS = 60 };

enum want {
    WANT_CREATE,
    WANT_DELETE,
    WANT_SAME_AGAIN,
    WANT_OTHER_BODY,
    WANT_STALE_DELETE,
    WANT_MIGRATE
};
enum stage { WANTED, LIVE, DELETING, GONE };

struct wish { /* a slice of ours */
    struct slice_spec spec;
    struct create_key key;
    uint16_t cubes[TPUNET_CUBES_MAX];
    enum stage stage;
    bool asked_delete; /* it may be gone though we were not told */
    struct id id;
};
struct client {
    struct wish wishes[SLICES_MAX];
    size_t n;
    bool settling;
    /* The one question that is open, or cookie 0. */
    uint64_t cookie, next_cookie;
    enum want want;
    size_t about;
    int64_t asked_ns;
    /* Another operator who deletes the same version at the same time. */
    struct {
        uint64_t cookie;
        bool ours_won;
    } rival;
};

/* ------------------------------------------------------------- requests -- */

static void ask_with(struct sim *s, enum want want, size_t about, uint64_t if_version)
{
    struct client *c = s->client;
    struct wish *wish = &c->wishes[about];
    struct event ev = {.kind = EV_CREATE_SLICE};

    c->want = want;
    c->about = about;
    c->asked_ns = sim_now(s);
    c->rival.cookie = 0;
    c->rival.ours_won = false;
    ev.cookie = c->cookie = c->next_cookie++;
    (void)snprintf(ev.who, sizeof ev.who, "client of seed %llu", (unsigned long long)s->seed);
    if (want == WANT_DELETE || want == WANT_STALE_DELETE) {
        ev.kind = EV_DELETE_SLICE;
        ev.del.id = wish->id;
        ev.del.if_version = if_version;
        wish->asked_delete = wish->asked_delete || want == WANT_DELETE;
    } else if (want == WANT_MIGRATE) {
        const struct slice *slice = model_slice(s->current->model, wish->id);
        ev.kind = EV_MIGRATE_SLICE;
        ev.migrate.id = wish->id;
        ev.migrate.if_version = if_version;
        ev.migrate.n_swaps = 1;
        ev.migrate.swaps = xcalloc(1, sizeof *ev.migrate.swaps);
        ev.migrate.swaps[0] = (struct swap){
            .cube = slice != NULL ? slice->intent->cubes[sim_random(s, slice->intent->n_cubes)]
                                  : (uint16_t)sim_random(s, s->cubes),
            .with = TPUNET_NONE};
    } else {
        ev.create = xmalloc(sizeof *ev.create);
        *ev.create = wish->spec;
        if (wish->spec.n_cubes > 0) {
            ev.create->cubes = xmemdup(wish->cubes, wish->spec.n_cubes * sizeof *wish->cubes);
        }
        ev.key = xmemdup(&wish->key, sizeof wish->key);
        ev.key->body_hash[0] ^= want == WANT_OTHER_BODY;
    }
    manager_post(s->current, &ev);
}

/* 0: it is gone, or goes already. */
static uint64_t version_to_delete(const struct sim *s, size_t about)
{
    const struct slice *slice = model_slice(s->current->model, s->client->wishes[about].id);
    return slice != NULL && slice->state != SLICE_DEACTIVATING ? slice->version : 0;
}

static uint64_t version_of(const struct sim *s, size_t about)
{
    const struct slice *slice = model_slice(s->current->model, s->client->wishes[about].id);
    return slice != NULL ? slice->version : 0;
}

static void ask(struct sim *s, enum want want, size_t about)
{
    ask_with(s, want, about, want == WANT_STALE_DELETE ? version_of(s, about) + 1000 : 0);
}

static void choose_cubes(struct sim *s, struct wish *wish)
{
    size_t n = tpunet_shape_cubes(&wish->spec.shape), start = (size_t)sim_random(s, s->cubes);

    wish->spec.n_cubes = n;
    for (size_t i = 0; i < n; i++) {
        wish->cubes[i] = (uint16_t)((start + i * (1 + s->seed % 3)) % s->cubes);
    }
}

static void wish_for(struct sim *s, const char *shape, bool accept_degraded)
{
    struct client *c = s->client;
    struct wish *wish = &c->wishes[c->n];
    struct slice_spec *spec = &wish->spec;
    struct tpunet_error err;

    assert(c->n < SLICES_MAX);
    *wish = (struct wish){0};
    if (tpunet_shape_parse(&spec->shape, shape, false, &err) < 0) {
        abort();
    }
    spec->shape.twisted = tpunet_shape_twistable(&spec->shape) && sim_chance(s, 0.5);
    spec->accept_degraded = accept_degraded;
    (void)snprintf(wish->key.key, sizeof wish->key.key, "key-%zu", c->n);
    memcpy(wish->key.body_hash, &c->n, sizeof c->n);
}

static void create(struct sim *s)
{
    static const char *const shapes[] = {"4x4x4", "4x4x4", "4x4x4",  "4x4x4", "4x4x8",
                                         "4x4x8", "4x4x8", "4x4x12", "4x8x8"};
    struct client *c = s->client;

    if (c->n == SLICES_MAX - 1) { /* the last one is the drill's */
        return;
    }
    wish_for(s, shapes[sim_random(s, ARRAY_LEN(shapes))], sim_chance(s, 0.5));
    if (sim_chance(s, 0.2)) {
        choose_cubes(s, &c->wishes[c->n]);
    }
    ask(s, WANT_CREATE, c->n++);
}

/* -------------------------------------------------------------- answers -- */

static void created(struct sim *s, struct wish *wish, const struct effect *effect)
{
    char id[48], other[48];

    if (effect->reply.status == 0 && wish->stage == WANTED) {
        wish->stage = LIVE;
        wish->id = effect->id;
        s->outcome->acked++;
        for (size_t i = 0; i < s->client->n; i++) {
            struct wish *one = &s->client->wishes[i];
            if (one != wish && id_compare(one->id, wish->id) == 0) {
                sim_found(s, V_A3, "two keys made slice/%s", id_format(wish->id, id));
            }
        }
    } else if (effect->reply.status == 0 && id_compare(effect->id, wish->id) != 0) {
        sim_found(s, V_A3, "key %s made slice/%s and slice/%s", wish->key.key,
                  id_format(wish->id, id), id_format(effect->id, other));
    } else if (effect->reply.status != 0 && wish->stage == WANTED) {
        wish->stage = GONE; /* refused for good: the next wish has another key */
    } else if (effect->reply.status != 0) {
        sim_found(s, V_A3, "key %s is forgotten: %s", wish->key.key, effect->reply.text);
    }
}

static void deleted(struct sim *s, struct wish *wish, const struct effect *effect)
{
    char id[48];

    if (effect->reply.status == 0) {
        s->outcome->acked += wish->stage == LIVE;
        wish->stage = DELETING;
    } else if (effect->reply.status == E_STALE && s->client->rival.cookie != 0) {
        return; /* the other one has won */
    } else if (effect->reply.status == E_NOT_FOUND) {
        wish->stage = GONE; /* an earlier request of ours, or it ended meanwhile */
    } else {
        sim_found(s, V_A2, "slice/%s cannot be deleted: %s", id_format(wish->id, id),
                  effect->reply.text);
    }
}

/* The same delete by two, each with the version that both have read. */
static void race(struct sim *s, size_t about)
{
    struct client *c = s->client;
    struct event ev = {.kind = EV_DELETE_SLICE, .who = "another client"};

    ev.del.id = c->wishes[about].id;
    ev.del.if_version = version_to_delete(s, about);
    if (ev.del.if_version == 0 || !sim_fault(s, F_RACE, 0.1)) {
        ask(s, WANT_DELETE, about);
        return;
    }
    ask_with(s, WANT_DELETE, about, ev.del.if_version);
    ev.cookie = c->rival.cookie = c->next_cookie++;
    manager_post(s->current, &ev);
}

/* Only one of them may win (A4). */
static void judge_race(struct sim *s, const struct effect *effect)
{
    struct client *c = s->client;

    if (effect->cookie == c->cookie) {
        c->rival.ours_won = effect->reply.status == 0;
    } else if (c->rival.cookie != 0 && effect->cookie == c->rival.cookie &&
               effect->reply.status == 0 && c->rival.ours_won) {
        sim_found(s, V_A4, "one version of a slice was deleted twice");
    }
}

void client_answer(struct sim *s, const struct effect *effect)
{
    struct client *c = s->client;
    struct wish *wish = &c->wishes[c->about];

    judge_race(s, effect);
    sim_note(s, "answer %llu: %d", (unsigned long long)effect->cookie, effect->reply.status);
    if (effect->cookie != c->cookie || sim_fault(s, F_LOST_ANSWER, 0.03)) {
        return;
    }
    c->cookie = 0;
    switch (c->want) {
    case WANT_CREATE:
    case WANT_SAME_AGAIN:
        created(s, wish, effect);
        return;
    case WANT_DELETE:
        deleted(s, wish, effect);
        return;
    case WANT_OTHER_BODY:
        if (effect->reply.status != E_MISMATCH) {
            sim_found(s, V_A3, "key %s served another body", wish->key.key);
        }
        return;
    case WANT_STALE_DELETE:
        if (effect->reply.status != E_STALE && effect->reply.status != E_NOT_FOUND) {
            sim_found(s, V_A4, "a delete of version 1000 ahead was taken");
        }
        return;
    case WANT_MIGRATE:
        s->outcome->acked += effect->reply.status == 0;
        return;
    }
}

/* -------------------------------------------------------------- actions -- */

/* What GET would tell of it. */
static void look_at(struct sim *s, size_t about)
{
    struct wish *wish = &s->client->wishes[about];
    const struct slice *slice = model_slice(s->current->model, wish->id);
    char id[48];

    if (slice == NULL && wish->stage == LIVE && !wish->asked_delete) {
        sim_found(s, V_A2, "slice/%s was promised and is gone", id_format(wish->id, id));
    } else if (slice == NULL) {
        wish->stage = GONE;
    } else if (slice->state == SLICE_FAILED) {
        ask(s, WANT_DELETE, about);
    }
}

/* Any of ours that matter still. */
static bool pick(struct sim *s, bool gone_too, size_t *out)
{
    const struct client *c = s->client;
    size_t start = c->n > 0 ? (size_t)sim_random(s, c->n) : 0;

    for (size_t i = 0; i < c->n; i++) {
        const struct wish *wish = &c->wishes[(start + i) % c->n];
        if (wish->stage == LIVE || wish->stage == DELETING ||
            (gone_too && wish->stage == GONE && !id_is_none(wish->id))) {
            *out = (start + i) % c->n;
            return true;
        }
    }
    return false;
}

static void act(struct sim *s)
{
    struct client *c = s->client;
    uint64_t dice = sim_random(s, 100);
    size_t about;

    if (dice < 45) {
        create(s);
    } else if (dice < 85 && pick(s, false, &about)) {
        if (c->wishes[about].stage == LIVE && dice < 70) {
            race(s, about);
        } else {
            look_at(s, about);
        }
    } else if (pick(s, dice >= 90, &about)) {
        ask(s,
            dice < 90   ? WANT_MIGRATE
            : dice < 94 ? WANT_SAME_AGAIN
            : dice < 97 ? WANT_OTHER_BODY
                        : WANT_STALE_DELETE,
            about);
    }
}

static void settle_one(struct sim *s)
{
    struct client *c = s->client;

    for (size_t i = 0; i < c->n && c->cookie == 0; i++) {
        if (c->wishes[i].stage == LIVE || c->wishes[i].stage == DELETING) {
            look_at(s, i);
        }
    }
}

static void think(void *arg)
{
    struct sim *s = arg;
    struct client *c = s->client;

    sim_after(s, (int64_t)(1 + sim_random(s, 2 * THINK_MS)) * MS, think, s);
    if (s->current == NULL || !s->current->alive) {
        return;
    }
    if (c->cookie != 0) {
        if (sim_now(s) - c->asked_ns > PATIENCE_MS * MS) {
            ask(s, c->want, c->about); /* not answered: the same again */
        }
    } else if (c->settling) {
        settle_one(s);
    } else {
        act(s);
    }
}

void client_init(struct sim *s)
{
    s->client = sim_new(s, sizeof *s->client);
    s->client->next_cookie = 1;
    sim_after(s, 100 * MS, think, s);
}

void client_settle(struct sim *s)
{
    s->client->settling = true;
}

void client_restored(struct sim *s)
{
    struct client *c = s->client;
    const struct model *m = s->current->model;

    c->cookie = c->rival.cookie = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct wish *wish = &c->wishes[i];
        const struct key_entry *entry = keys_find(m->keys, wish->key.caller, wish->key.key);
        const struct slice *slice = entry != NULL ? model_slice(m, entry->made) : NULL;
        wish->id = entry != NULL ? entry->made : (struct id){0};
        wish->stage = slice != NULL ? LIVE : GONE;
        wish->asked_delete = true; /* perhaps */
    }
}

bool client_may_ask(const struct sim *s)
{
    return s->client->cookie == 0 && s->current != NULL && s->current->alive;
}

void client_create_one(struct sim *s, const char *shape, bool accept_degraded)
{
    wish_for(s, shape, accept_degraded);
    ask(s, WANT_CREATE, s->client->n++);
}

bool client_delete_one(struct sim *s)
{
    size_t about;
    bool any = pick(s, false, &about);

    if (any) {
        ask(s, WANT_DELETE, about);
    }
    return any;
}

bool client_idle(const struct sim *s)
{
    return s->client->cookie == 0;
}
