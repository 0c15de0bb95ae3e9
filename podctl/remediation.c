/* remediation show, reset: what podmgr mends by itself. */
#include "podctl/podctl.h"

static const struct column fields[] = {
    {"mode", "mode", false},
    {"breaker open", "breaker_open", false},
    {"cubes out", "cubes_out", false},
    {"at most", "cubes_out_max", false},
    {"swaps in the last hour", "swaps_last_hour", false},
    {"at most", "swaps_per_hour_max", false},
    {"hot spares", "hot_spares", false},
    {"least confidence", "confidence_min", false},
    {0},
};

static int show(struct podctl *ctl, const struct http_call *call)
{
    int code;
    json_t *json = ctl_call(ctl, call, &code);

    if (json != NULL && ctl->json) {
        ctl_print_json(ctl, json);
    } else if (json != NULL) {
        ctl_print_fields(ctl, json, fields);
    }
    json_decref(json);
    return code;
}

int cmd_remediation_show(struct podctl *ctl)
{
    return show(ctl, &(struct http_call){.method = "GET", .path = "/v1/remediation"});
}

int cmd_remediation_reset(struct podctl *ctl)
{
    return show(ctl,
                &(struct http_call){.method = "POST", .path = "/v1/remediation:reset-breaker"});
}
