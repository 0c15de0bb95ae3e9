/* backup: asks podmgr for a copy of its database and says where it is. */
#include "podctl/podctl.h"

enum { PATIENCE_MS = 600 * 1000 };

int cmd_backup(struct podctl *ctl)
{
    static const struct column fields[] = {
        {"file", "file", false},
        {"size_bytes", "size_bytes", false},
        {"epoch", "epoch", false},
        {"last_audit", "last_audit", false},
        {"audit_hash", "audit_hash", false},
        {"took_ms", "took_ms", false},
        {0},
    };
    const char *name = args_value(&ctl->args, "name");
    json_t *body = name != NULL ? json_pack("{s:s}", "name", name) : json_object();
    int code;

    if (body == NULL) {
        return ctl_usage(ctl, "--name: '%s' is not UTF-8 text", name);
    }
    const struct http_call call = {.method = "POST",
                                   .path = "/v1/backup",
                                   .body = body,
                                   .wait_ms = PATIENCE_MS,
                                   .waiting_for = "the backup"};
    json_t *backup = ctl_call(ctl, &call, &code);
    if (backup != NULL && ctl->json) {
        ctl_print_json(ctl, backup);
    } else if (backup != NULL) {
        ctl_print_fields(ctl, backup, fields);
    }
    json_decref(backup);
    json_decref(body);
    return code;
}
