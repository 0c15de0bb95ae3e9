/* audit list: who changed what, a page from a number on, or the last ones. */
#include "podctl/podctl.h"

enum { SHOWN_BY_DEFAULT = 50 };

/* Where to begin: --since, or so that the last `limit` are shown. */
static int first_since(struct podctl *ctl, json_int_t limit, json_int_t *since)
{
    int code;

    if (!ctl_read_number(ctl, "since", 0, since)) {
        return PODCTL_USAGE;
    }
    if (args_has(&ctl->args, "since")) {
        return PODCTL_OK;
    }
    json_t *page = ctl_get(ctl, &code, "/v1/audit?limit=1");
    json_int_t last = json_integer_value(json_object_get(page, "last"));
    *since = last > limit ? last - limit : 0;
    json_decref(page);
    return code;
}

int cmd_audit_list(struct podctl *ctl)
{
    static const struct column columns[] = {
        {"SEQ", "seq", false},           {"AT", "at", false},
        {"WHO", "who", false},           {"ACTION", "action", false},
        {"SUBJECT", "subject", false},   {"BEFORE", "before.state", false},
        {"AFTER", "after.state", false}, {0},
    };
    json_int_t limit, since;
    int code;

    if (!ctl_read_number(ctl, "limit", SHOWN_BY_DEFAULT, &limit)) {
        return PODCTL_USAGE;
    }
    code = first_since(ctl, limit, &since);
    if (code != PODCTL_OK) {
        return code;
    }
    json_t *page =
        ctl_get(ctl, &code, "/v1/audit?since=%" JSON_INTEGER_FORMAT "&limit=%" JSON_INTEGER_FORMAT,
                since, limit);
    if (page != NULL) {
        ctl_print_list(ctl, page, "records", columns);
    }
    json_decref(page);
    return code;
}
