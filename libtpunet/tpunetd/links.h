/* The links of one slice as its chips see them: which ports belong to it,
 * which are down, and what podmgr has been told.  What changes and changes
 * back before it is told is not told: this is a state, not a history.  Pure. */
#ifndef TPUNETD_LINKS_H
#define TPUNETD_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "tpunet.h"

struct slice_links {
    uint32_t n_chips;
    uint8_t *own;    /* [n_chips] by logical index: bit p, port p is the slice's */
    uint8_t *down;   /* as last seen */
    uint8_t *told;   /* down, as podmgr knows it */
    uint8_t *again;  /* to be told as it is, whatever podmgr knows */
    bool untold;     /* there may be a difference */
    int64_t seen_ms; /* wall time of the last change seen */
};

/* All of the intended links, up. */
int slice_links_init(struct slice_links *l, const struct tpunet_intent *intent,
                     struct tpunet_error *err);
void slice_links_fini(struct slice_links *l);
/* True if that is news. */
bool slice_links_see(struct slice_links *l, uint32_t logical, unsigned port, bool up,
                     int64_t wall_ms);
/* The first difference between seen and told at or after *at, a place that
 * starts as 0 and is moved past it; false when there are no more. */
bool slice_links_untold(const struct slice_links *l, uint32_t *at, uint32_t *logical,
                        unsigned *port, bool *up);
void slice_links_tell(struct slice_links *l, uint32_t logical, unsigned port, bool up);
/* Whom we tell believes that all are up. */
void slice_links_told_up(struct slice_links *l);
/* Whom we tell may have forgotten: what is down, or was when it was told, is news. */
void slice_links_tell_again(struct slice_links *l);

/* Between chip numbers and logical indices; TPUNET_NONE for a chip of others. */
uint32_t slice_logical(const struct tpunet_intent *intent, uint32_t chip);
uint32_t slice_chip(const struct tpunet_intent *intent, uint32_t logical);

#endif
