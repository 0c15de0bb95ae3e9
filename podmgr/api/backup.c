/* POST /v1/backup: a copy of the database, answered when it is verified and
 * durable.  The body names it, or nothing; never a path. */
#include "backup.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/http.h"

/* After the pod and the second. */
static void default_name(const struct request *req, char name[static BACKUP_NAME_MAX + 1])
{
    time_t now = (time_t)(clock_read().wall.ms / 1000);
    struct tm tm;
    char at[24];

    (void)gmtime_r(&now, &tm);
    (void)strftime(at, sizeof at, "%Y%m%dT%H%M%SZ", &tm);
    (void)snprintf(name, BACKUP_NAME_MAX + 1, "%s-%s", req->p->model->pod->id, at);
}

/* False after a problem. */
static bool take_name(struct request *req, char name[static BACKUP_NAME_MAX + 1])
{
    const char *key;
    json_t *body, *value;
    bool good = true;

    default_name(req, name);
    if (req->body_len == 0) {
        return true;
    }
    body = body_object(req);
    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "name") != 0) {
            respond_problem(req, 400, "unknown-field", key, "a backup has no field '%.64s'", key);
            good = false;
        } else if (!json_is_string(value) ||
                   strlen(json_string_value(value)) != json_string_length(value) ||
                   !backup_name_is_good(json_string_value(value))) {
            respond_problem(req, 400, "invalid-field", "name",
                            "name: must be 1 to %d of A-Z a-z 0-9 . _ -, first a letter or a "
                            "digit: a name, not a path",
                            BACKUP_NAME_MAX);
            good = false;
        } else {
            (void)snprintf(name, BACKUP_NAME_MAX + 1, "%s", json_string_value(value));
        }
        if (!good) {
            break;
        }
    }
    json_decref(body);
    return body != NULL && good;
}

json_t *render_backup(const struct backup_outcome *outcome)
{
    char hash[2 * STORE_HASH_SIZE + 1];

    render_hash(outcome->facts.audit.hash, hash);
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:s,s:f}", "name", outcome->name, "file", outcome->path,
                     "size_bytes", (json_int_t)outcome->facts.size_bytes, "epoch",
                     (json_int_t)outcome->facts.epoch, "last_audit",
                     (json_int_t)outcome->facts.audit.seq, "audit_hash", hash, "took_ms",
                     outcome->took_ms);
}

static void respond_failure(struct request *req, int status, const char *text)
{
    const char *code = status == E_BUSY       ? "backup-under-way"
                       : status == E_CONFLICT ? "backup-exists"
                                              : "backup-failed";

    respond_problem(req, status == E_BUSY || status == E_CONFLICT ? 409 : 500, code, NULL, "%s",
                    text);
}

static void on_done(void *arg, const struct backup_outcome *outcome)
{
    struct request *req = arg;

    if (outcome->status < 0) {
        respond_failure(req, outcome->status, outcome->err.text);
    } else {
        respond_json(req, 201, render_backup(outcome));
    }
    request_release(req);
}

void backup_post(struct request *req)
{
    char name[BACKUP_NAME_MAX + 1];
    struct error err;

    if (!request_query_is(req, NULL, 0) || !take_name(req, name)) {
        return;
    }
    int status = backup_start(req->p->backup, name, on_done, req, &err);
    if (status < 0) {
        respond_failure(req, status, err.text);
    } else {
        req->wait = WAIT_BACKUP;
        request_hold(req);
    }
}
