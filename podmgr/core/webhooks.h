/* Webhooks as the core and the store know them: who wants to hear of which
 * events, and how far he has.  Sending is podmgr/hooks/.
 *
 * `cursor`: every event up to it was delivered or is none that he wants;
 * `told`: the last number that a delivery which he acknowledged ended with.  Both
 * may be behind the truth by what was delivered since they were last stored: he
 * hears that again after a crash (at least once). */
#ifndef PODMGR_CORE_WEBHOOKS_H
#define PODMGR_CORE_WEBHOOKS_H

#include "core/model.h"

enum {
    WEBHOOKS_MAX = 16,
    WEBHOOK_URL_MAX = 512,
    WEBHOOK_SECRET_MIN = 16,
    WEBHOOK_SECRET_MAX = 128,
    WEBHOOK_OWNER_MAX = 63,
    WEBHOOK_PREFIXES_MAX = 16,
    WEBHOOK_PREFIX_MAX = 47,
    WEBHOOK_TEXT_MAX = 160,
    WEBHOOK_ORIGIN_MAX = 160,
};
#define WEBHOOK_FROM_NOW UINT64_MAX

struct webhook {
    struct id id;
    char url[WEBHOOK_URL_MAX + 1];       /* may hold a token: for operators only */
    char secret[WEBHOOK_SECRET_MAX + 1]; /* "" = unsigned; never leaves podmgr */
    char prefixes[WEBHOOK_PREFIXES_MAX][WEBHOOK_PREFIX_MAX + 1];
    unsigned n_prefixes; /* 0: every event */
    char owner[WEBHOOK_OWNER_MAX + 1];
    char who[64]; /* made it, as in the audit */
    struct wall_ms created;
    uint64_t cursor, told;           /* of a draft: WEBHOOK_FROM_NOW, or where to begin */
    struct wall_ms failing_since;    /* and an event has told so; 0: it is not */
    char disabled[WEBHOOK_TEXT_MAX]; /* why nothing is sent any more; "": it is */
};

/* What podmgr/hooks/ has to say of one. */
enum webhook_news_kind {
    WEBHOOK_PROGRESS,
    WEBHOOK_FAILING,
    WEBHOOK_RECOVERED,
    WEBHOOK_GAP, /* events up to `cursor` were gone before they could be told */
    WEBHOOK_DISABLED,
};
struct webhook_news {
    enum webhook_news_kind kind;
    struct id id;
    uint64_t cursor, told;
    uint64_t gap_from;    /* GAP: the first that is gone */
    struct wall_ms since; /* FAILING */
    char text[WEBHOOK_TEXT_MAX];
};

/* NULL: there is none. */
struct webhook *model_webhook(const struct model *m, struct id id);
void model_add_webhook(struct model *m, const struct webhook *hook); /* rising ids */
/* Also wipes what it held. */
void model_remove_webhook(struct model *m, struct id id);
void webhook_wipe(struct webhook *hook);

/* Is an event of this type for it? */
bool webhook_wants(const struct webhook *hook, const char *type);
/* "https://host:8443": the part of the URL that everybody may see. */
const char *webhook_origin(const struct webhook *hook, char out[static WEBHOOK_ORIGIN_MAX]);

#endif
