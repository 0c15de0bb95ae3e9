/* /v1/audit: who changed what, by the number of the record.  A page is bounded,
 * so that reading years of records never holds the loop for long. */
#include <stdio.h>

#include "api/http.h"
#include "mem.h"

enum { AUDIT_PAGE = 100, AUDIT_PAGE_MAX = 500 };

/* What the core wrote is JSON; a hand in the database may have spoiled it. */
static json_t *text_as_json(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

    return json != NULL ? json : json_null();
}

void render_hash(const uint8_t hash[STORE_HASH_SIZE], char hex[static 2 * STORE_HASH_SIZE + 1])
{
    for (size_t i = 0; i < STORE_HASH_SIZE; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
}

json_t *render_audit(uint64_t seq, const struct audit_entry *entry,
                     const uint8_t hash[STORE_HASH_SIZE])
{
    char at[32], hex[2 * STORE_HASH_SIZE + 1];

    render_hash(hash, hex);
    return json_pack("{s:I,s:s,s:s,s:s,s:s,s:o,s:o,s:s}", "seq", (json_int_t)seq, "at",
                     wall_format(entry->at, at), "who", entry->who, "action", entry->action,
                     "subject", entry->subject, "before", text_as_json(entry->before), "after",
                     text_as_json(entry->after), "hash", hex);
}

static void add_record(void *arg, uint64_t seq, const struct audit_entry *entry,
                       const uint8_t hash[STORE_HASH_SIZE])
{
    (void)json_array_append_new(arg, render_audit(seq, entry, hash));
}

void audit_list(struct request *req)
{
    static const char *const names[] = {"since", "limit"};
    uint64_t since = 0, limit = AUDIT_PAGE;
    struct error err;

    if (!request_query_is(req, names, ARRAY_LEN(names)) ||
        !request_read_number(req, "since", 0, INT64_MAX, &since) ||
        !request_read_number(req, "limit", 1, AUDIT_PAGE_MAX, &limit)) {
        return;
    }
    json_t *list = json_array();
    int n = store_audit_read(req->p->store, since, (size_t)limit, add_record, list, &err);
    if (n < 0) {
        json_decref(list);
        respond_problem(req, 500, "store-failed", NULL, "%s", err.text);
        return;
    }
    struct audit_tip tip = store_audit_tip(req->p->store);
    respond_json(req, 200,
                 json_pack("{s:s,s:I,s:I,s:o}", "pod", req->p->model->pod->id, "next",
                           (json_int_t)since + n, "last", (json_int_t)tip.seq, "records", list));
}
