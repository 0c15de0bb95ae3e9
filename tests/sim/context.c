/* What all parts of the simulation stand on: memory of the seed, chance, the
 * virtual clock, the trace, the finds. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sim.h"
#include "simulator/chance.h"

enum { CHUNK_BYTES = 1 << 20 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *sim_new(struct sim *s, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (s->arena == NULL || s->arena->used + size > s->arena->size) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        struct chunk *chunk = xcalloc(1, sizeof *chunk + room);
        chunk->size = room;
        chunk->next = s->arena;
        s->arena = chunk;
    }
    s->arena->used += size;
    return s->arena->bytes + s->arena->used - size;
}

void *sim_copy(struct sim *s, const void *bytes, size_t size)
{
    void *copy = sim_new(s, size);

    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

void sim_free_all(struct sim *s)
{
    while (s->arena != NULL) {
        struct chunk *chunk = s->arena;
        s->arena = chunk->next;
        free(chunk);
    }
}

uint64_t sim_random(struct sim *s, uint64_t below)
{
    s->rng += UINT64_C(0x9E3779B97F4A7C15);
    return chance_mix(s->rng) % below;
}

bool sim_chance(struct sim *s, double p)
{
    return (double)sim_random(s, 1000000) < p * 1e6;
}

bool sim_fault(struct sim *s, enum fault_class class, double p)
{
    bool strikes = s->chaos && s->on[class] && sim_chance(s, p);

    s->outcome->activated[class] += strikes;
    return strikes;
}

int64_t sim_now(const struct sim *s)
{
    return evq_now_ns(s->w->evq);
}

void sim_after(struct sim *s, int64_t ns, evq_fn *fn, void *arg)
{
    evq_at(s->w->evq, sim_now(s) + ns, fn, arg);
}

bool manager_is_paused(const struct manager *m)
{
    return sim_now(m->s) < m->paused_until_ns;
}

void sim_note(struct sim *s, const char *fmt, ...)
{
    char line[400];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (s->trace) {
        (void)fprintf(stderr, "%11.6f %s\n", (double)sim_now(s) / 1e9, line);
    }
    uint64_t hash = s->outcome->hash ^ (uint64_t)sim_now(s);
    for (const char *c = line; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
    }
    s->outcome->hash = hash;
}

void sim_found(struct sim *s, enum find find, const char *fmt, ...)
{
    static const char *const names[] = {
#define X(name, text) #name,
        FINDS(X)
#undef X
    };
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sim_note(s, "FOUND %s: %s", names[find], text);
    s->outcome->found[find]++;
    if (!s->stop) {
        (void)snprintf(s->outcome->text, sizeof s->outcome->text, "%s at %.6f s: %s", names[find],
                       (double)sim_now(s) / 1e9, text);
    }
    s->stop = true;
}
