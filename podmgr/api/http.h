/* Inside the API: a request as handlers see it, and how they answer.
 *
 * A handler answers now (respond_*), or hands an event to the core and returns
 * after request_defer(): the answer follows when the batch is durable, and
 * with ?wait= when the slice has settled. */
#ifndef PODMGR_API_HTTP_H
#define PODMGR_API_HTTP_H

#include <jansson.h>

#include "core/keys.h"
#include "podmgr.h"

enum api_limits {
    API_BODY_MAX = 256 << 10,
    API_HEADER_BYTES_MAX = 8 << 10,
    API_HEADER_FIELDS_MAX = 64,
    API_JSON_DEPTH_MAX = 16,
    API_DISCARD_MAX = 1 << 20, /* of a body whose request is refused already */
    API_HEADER_DEADLINE_S = 5,
    API_BODY_DEADLINE_S = 10,
    API_ANSWER_DEADLINE_S = 60,    /* for the peer to take it */
    API_CONNECTIONS_PER_PEER = 32, /* an address, on TCP */
    API_CONNECTIONS_PER_UID = 256, /* on the Unix socket */
    API_CONNECTIONS = 1024,
    API_CONNECTIONS_LOCAL = 512, /* of these, for the Unix socket alone */
    API_CONNECTIONS_KEPT = 16,   /* of these, for who is more than a viewer */
    API_ROUTES_MAX = 64,
    API_WAIT_MAX_MS = 600 * 1000,
};

/* In rising order of what they may do; a route names the least that serves. */
enum role { ROLE_NONE, ROLE_VIEWER, ROLE_SCHEDULER, ROLE_OPERATOR, ROLE_ADMIN };
const char *role_name(enum role role);

struct backup_outcome;
struct hook_status;
struct incident;
struct ticket;
struct drain;
struct request;
struct api;
struct route;

typedef void route_fn(struct request *req);
struct route {
    const char *method;
    const char *path; /* "{id}" matches one segment */
    enum role role;
    route_fn *handler;
};
/* routes.c: the whole REST surface.  HEAD is served as GET.  NULL if nothing
 * fits; allow then lists the methods of the path, "" if there is no such path. */
enum { API_ALLOW_MAX = 64 };
const struct route *route_find(const char *method, const char *path, char *id, size_t id_size,
                               char allow[static API_ALLOW_MAX]);
extern const struct route api_routes[];
extern const size_t api_route_count;

/* What a request waits for after its handler returned. */
enum wait_kind {
    WAIT_NOTHING,
    WAIT_SETTLED,
    WAIT_MIGRATED,
    WAIT_DELETED,
    WAIT_EVENTS,
    WAIT_BACKUP,
    WAIT_REPAIR,
    WAIT_OPERATION,
    WAIT_HELD,
};

struct request {
    struct api *api;
    struct podmgr *p;
    const struct route *route;
    void *connection; /* http.c's */
    enum role role;
    char who[64];                /* for the audit */
    char caller[KEY_CALLER_MAX]; /* the same over connections and processes: "uid 1000" */
    uint64_t started_ns;
    char id[80]; /* what {id} matched */
    char *body;
    size_t body_len, body_cap;
    size_t discarded; /* bytes of a body that nobody reads */

    uint64_t cookie; /* of the core event under way, 0 = none */
    enum wait_kind wait;
    unsigned wait_ms; /* 0: do not wait */
    uint64_t deadline_ms;
    struct id made;    /* the slice, or for WAIT_OPERATION the operation */
    route_fn *finish;  /* answers once the core has; NULL: with the slice */
    json_t *last_seen; /* what the answer needs; WAIT_DELETED: the slice as it was */
    uint64_t since;    /* WAIT_EVENTS */
    size_t limit;

    int status; /* 0 until answered */
    char *answer;
    size_t answer_len;
    const char *content_type;
    char location[96], etag[32], allow[API_ALLOW_MAX];
    unsigned retry_after_s;
    struct request *next; /* of the API's list of deferred requests */
};

/* http.c and its parts (server.h) */
const char *request_query(const struct request *req, const char *name);
const char *request_header(const struct request *req, const char *name);
/* The query may hold these names only, each once and with a value; answers
 * 400 otherwise. */
bool request_query_is(struct request *req, const char *const *names, size_t n);
/* Reads ?wait= into wait_ms; answers 400 and returns false if malformed. */
bool request_read_wait(struct request *req);
/* Reads If-Match into *version, 0 = any; answers 412 and returns false if it is
 * no ETag of ours. */
bool request_read_if_match(struct request *req, uint64_t *version);
/* Reads Idempotency-Key and hashes the body: *key is its owner's, NULL if there is
 * none; answers 400 and returns false if malformed. */
bool request_read_key(struct request *req, const json_t *body, struct create_key **key);
/* Reads an unsigned query parameter into *out, which holds the default; answers
 * 400 and returns false if bad. */
bool request_read_number(struct request *req, const char *name, uint64_t min, uint64_t max,
                         uint64_t *out);
/* Passes the event to the core; the answer comes later. */
void request_defer(struct request *req, struct event *ev);
/* Keeps the request open for req->wait without an event. */
void request_hold(struct request *req);
/* Sends the answer that a held request was given by who held it. */
void request_release(struct request *req);

/* respond.c */
void respond_json(struct request *req, int status, json_t *json); /* takes json */
/* A create whose key made something earlier that is gone since, or that somebody
 * undid in the same batch. */
void respond_gone(struct request *req, const char *state);
void respond_text(struct request *req, int status, const char *content_type, char *text);
void respond_problem(struct request *req, int status, const char *code, const char *field,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
int http_status_of(int err_code);

/* strict.c: JSON bodies, no surprises */
/* NULL after answering the problem: not JSON, duplicate key, too deep, not an
 * object. */
json_t *body_object(struct request *req);

/* inventory.c: "/v1/cubes/5" names cube/5.  False after a 404. */
struct part;
enum part_kind;
bool part_of_path(struct request *req, enum part_kind kind, struct part *part);

/* handlers */
/* weave.c: a field of POST /v1/slices, which answers the problem itself. */
struct slice_spec;
bool slice_take_weave(struct request *req, const char *name, json_t *value,
                      struct slice_spec *spec);
route_fn slices_post, slices_list, slice_get, slice_delete, slice_links, slice_migrate;
route_fn faults_list, faults_post, faults_delete;
route_fn drains_list, drains_post, drains_plan, drain_get, drain_delete;
route_fn pod_get, cubes_list, cube_get, hosts_list, host_get, ocs_list, ocs_get;
route_fn incidents_list, incident_get, repairs_list, repair_get, repair_advance;
route_fn operation_get, operations_list, events_list, audit_list, backup_post;
route_fn quarantine_list, quarantine_clear_post;
route_fn remediation_get, remediation_reset_post;
route_fn webhooks_post, webhooks_list, webhook_get, webhook_delete, webhook_test;
route_fn goldens_list;
route_fn metrics_get, health_get, ready_get, openapi_get;

/* render.c: the model as JSON; audit.c: a record; backup.c */
json_t *render_slice(const struct slice *slice);
json_t *render_cube(const struct model *m, unsigned cube);
json_t *render_host(const struct model *m, unsigned host);
json_t *render_ocs(const struct model *m, unsigned ocs, bool maps);
json_t *render_op(const struct op *op);
json_t *render_pod(const struct model *m);
json_t *render_incident(const struct incident *incident);
json_t *render_ticket(const struct ticket *ticket);
json_t *render_webhook(const struct model *m, const struct webhook *hook,
                       const struct hook_status *status);
json_t *render_goldens(const struct model *m);
json_t *render_remediation(const struct model *m, struct mono_ns now);
/* Also marks the group's cubes. */
json_t *render_quarantine_group(const struct model *m, uint16_t cube,
                                bool cubes[static MODEL_CUBES_MAX]);
void render_hash(const uint8_t hash[STORE_HASH_SIZE], char hex[static 2 * STORE_HASH_SIZE + 1]);
json_t *render_backup(const struct backup_outcome *outcome);
json_t *render_audit(uint64_t seq, const struct audit_entry *entry,
                     const uint8_t hash[STORE_HASH_SIZE]);
json_t *render_fault(const struct part_fault *fault);
json_t *render_drain(const struct model *m, const struct drain *drain);
json_t *render_drain_plan(const struct model *m, const struct drain *draft);
json_t *render_lien(const struct model *m, const struct lien *lien);
json_t *render_links(const struct model *m, const struct slice *slice);

/* Called by http.c when a held request may be answered. */
void answer_slice(struct request *req);
void answer_repair(struct request *req);
void answer_operation(struct request *req);
bool answer_events(struct request *req, bool timed_out);

void metrics_count_request(const struct request *req);

#endif
