/* Symptoms: what is wrong now, as root cause wants to hear it.
 *
 * The model knows what observers found, who is silent, what the switches show;
 * links come and go as events.  This file puts it together, with the onsets, and
 * damps what flaps.  It also keeps the map of shared risks in step with the
 * model.  Volatile: after a restart observers and switches say everything anew.
 * The rules stand in symptoms.c. */
#ifndef PODMGR_CORE_SYMPTOMS_H
#define PODMGR_CORE_SYMPTOMS_H

#include "core/model.h"
#include "core/rootcause.h"

struct symptom_params {
    unsigned silence_ms;  /* unheard for so long a host is silent */
    int64_t half_life_ms; /* of a link's penalty for flapping */
    double flaps, evict;  /* penalties from which it is DEGRADED, SEVERE */
    double forgiven;      /* below it flapping is over */
};
static const struct symptom_params symptom_defaults = {
    .silence_ms = 3000, .half_life_ms = 5 * 60 * 1000, .flaps = 3, .evict = 8, .forgiven = 1};

struct symptoms;
/* Knows nobody and nothing.  Both arguments are borrowed. */
struct symptoms *symptoms_create(const struct pod *pod, const struct symptom_params *params);
void symptoms_destroy(struct symptoms *s);
/* The map that the symptoms' numbers are of. */
struct riskmap *symptoms_map(struct symptoms *s);

/* An end of a link went down or came up. */
void symptoms_link(struct symptoms *s, uint32_t chip, unsigned port, bool up, struct wall_ms at);
/* Rises with each link that goes down: no clock, since clocks jump. */
uint64_t symptoms_serial(const struct symptoms *s);
/* The link was found up by who began to look when the serial was this. */
void symptoms_proved(struct symptoms *s, uint32_t chip, unsigned port, uint64_t serial,
                     struct wall_ms at);
bool symptoms_is_down(const struct symptoms *s, uint32_t chip, unsigned port);
/* A person has mended the link: what was said of it before counts no more. */
void symptoms_forget_link(struct symptoms *s, uint32_t chip, unsigned port);
/* The same, if it is of no slice: nobody would ever say that it is up. */
void symptoms_forget_idle_link(struct symptoms *s, uint32_t chip, unsigned port);
/* How often it went down counts no more; what it is stays, if somebody watches it. */
void symptoms_calm_link(struct symptoms *s, uint32_t chip, unsigned port);
/* A mirror did not move, or does again. */
void symptoms_stuck(struct symptoms *s, struct tpunet_ocs_port port, bool stuck, struct wall_ms at);

/* What is wrong, by the model and by what was said above; the map follows.
 * Valid until the next call. */
const struct symptom *symptoms_now(struct symptoms *s, const struct model *m, struct now now,
                                   size_t *n);

#endif
