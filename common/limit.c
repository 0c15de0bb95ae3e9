#include "limit.h"

#include <string.h>

/* FNV-1a over what the slot can hold of the name. */
static unsigned set_of(const char *source)
{
    uint32_t hash = 2166136261u;
    size_t stored = sizeof((struct limit_slot *)0)->source - 1;
    for (size_t i = 0; i < stored && source[i] != '\0'; i++) {
        hash = (hash ^ (unsigned char)source[i]) * 16777619u;
    }
    return hash % LIMIT_SETS;
}

/* The source's slot, else a free one, else the one that was silent longest. */
static struct limit_slot *slot_for(struct limit_slot set[LIMIT_WAYS], const char *source)
{
    struct limit_slot *victim = &set[0];
    for (unsigned w = 0; w < LIMIT_WAYS; w++) {
        struct limit_slot *slot = &set[w];
        if (strncmp(slot->source, source, sizeof slot->source - 1) == 0) {
            return slot;
        }
        bool older = slot->last.ns < victim->last.ns;
        if (victim->source[0] != '\0' && (slot->source[0] == '\0' || older)) {
            victim = slot;
        }
    }
    return victim;
}

struct limit_verdict limit_ask(struct limit *limit, const char *source, struct mono_ns now)
{
    struct limit_verdict verdict = {0};
    if (source[0] == '\0') {
        source = "-";
    }
    struct limit_slot *slot = slot_for(limit->slots[set_of(source)], source);
    if (strncmp(slot->source, source, sizeof slot->source - 1) != 0) {
        if (slot->suppressed > 0) {
            verdict.evicted = *slot;
        }
        *slot = (struct limit_slot){.last = now, .tokens = LIMIT_BURST};
        strncpy(slot->source, source, sizeof slot->source - 1);
    }

    double earned = (double)(now.ns - slot->last.ns) * LIMIT_PER_SECOND / 1e9;
    slot->tokens += earned > 0 ? earned : 0;
    if (slot->tokens > LIMIT_BURST) {
        slot->tokens = LIMIT_BURST;
    }
    slot->last = now;
    if (slot->tokens < 1) {
        slot->suppressed++;
        return verdict;
    }
    slot->tokens -= 1;
    verdict.pass = true;
    verdict.suppressed = slot->suppressed;
    slot->suppressed = 0;
    return verdict;
}
