/* /metrics in Prometheus' text format, /healthz, /readyz, /openapi.json. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http.h"
#include "backup.h"
#include "core/drain.h"
#include "core/slice.h"
#include "hooks/hooks.h"
#include "openapi_json.h"

enum { CODES = 6 };

/* Requests by route and class of status, for the process's life. */
static struct histogram requests[API_ROUTES_MAX][CODES];

void metrics_count_request(const struct request *req)
{
    if (req->route == NULL) {
        return; /* unknown paths would make the label set unbounded */
    }
    size_t i = (size_t)(req->route - api_routes);
    assert(i < api_route_count);
    histogram_add(&requests[i][req->status / 100 % CODES],
                  (double)(uv_hrtime() - req->started_ns) / 1e9);
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_histogram(FILE *out, const char *name, const char *labels,
                            const struct histogram *h)
{
    const char *comma = labels[0] != '\0' ? "," : "";

    for (int i = 0; i < METRICS_BUCKETS; i++) {
        (void)fprintf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, comma,
                      metrics_le_s[i], h->le[i]);
    }
    (void)fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, h->count);
    (void)fprintf(out, labels[0] != '\0' ? "%s_sum{%s} %g\n" : "%s_sum%s %g\n", name, labels,
                  h->sum_s);
    (void)fprintf(out,
                  labels[0] != '\0' ? "%s_count{%s} %" PRIu64 "\n" : "%s_count%s %" PRIu64 "\n",
                  name, labels, h->count);
}

static void print_slices(FILE *out, const struct model *m)
{
    size_t n[SLICE_DELETED + 1] = {0};

    for (size_t i = 0; i < m->n_slices; i++) {
        n[m->slices[i]->state]++;
    }
    print_head(out, "podmgr_slices", "gauge", "Slices by state.");
    for (int s = 0; s < SLICE_DELETED; s++) {
        (void)fprintf(out, "podmgr_slices{state=\"%s\"} %zu\n",
                      slice_state_name((enum slice_state)s), n[s]);
    }
}

static void print_inventory(FILE *out, const struct model *m)
{
    unsigned owned = 0, free_cubes = 0, hosts[HEALTH_PROBATION + 1] = {0};

    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        owned += !id_is_none(m->cubes[c].owner);
        free_cubes += model_cube_free(m, c, NULL, 0);
    }
    for (unsigned h = 0; h < model_hosts(m); h++) {
        hosts[m->hosts[h].health]++;
    }
    print_head(out, "podmgr_cubes", "gauge", "Cubes by state.");
    (void)fprintf(out,
                  "podmgr_cubes{state=\"owned\"} %u\npodmgr_cubes{state=\"free\"} %u\n"
                  "podmgr_cubes{state=\"unavailable\"} %u\n",
                  owned, free_cubes, m->pod->n_cubes - owned - free_cubes);
    print_head(out, "podmgr_hosts", "gauge", "Hosts by health.");
    for (int h = 0; h <= HEALTH_PROBATION; h++) {
        (void)fprintf(out, "podmgr_hosts{state=\"%s\"} %u\n", health_name((enum health)h),
                      hosts[h]);
    }
}

static void print_drains(FILE *out, const struct model *m)
{
    size_t n[ADMIN_DRAINED + 1] = {0};

    for (size_t i = 0; i < m->n_drains; i++) {
        n[m->drains[i]->state]++;
    }
    print_head(out, "podmgr_drains", "gauge", "Drains that have not ended, by state.");
    for (int s = ADMIN_DRAINING; s <= ADMIN_DRAINED; s++) {
        (void)fprintf(out, "podmgr_drains{state=\"%s\"} %zu\n", admin_name((enum admin)s), n[s]);
    }
}

static void print_light(FILE *out, const struct model *m, const char *name, const char *help,
                        bool power)
{
    print_head(out, name, "gauge", help);
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        for (unsigned p = 0; p < m->pod->ports_per_side && m->ocs[o].supports_light; p++) {
            const struct circuit *circuit = &m->ocs[o].north[p];
            if (circuit->seen == TPUNET_NONE) {
                continue;
            }
            (void)fprintf(out, "%s{ocs=\"%u\",port=\"n-%u\"} %g\n", name, o, p,
                          (double)(power ? circuit->north_dbm : circuit->loss_db));
            if (power) {
                (void)fprintf(out, "%s{ocs=\"%u\",port=\"s-%u\"} %g\n", name, o, circuit->seen,
                              (double)circuit->south_dbm);
            }
        }
    }
}

static void print_switches(FILE *out, const struct model *m)
{
    print_head(out, "podmgr_ocs_cross_connects", "gauge", "Cross-connects of a switch.");
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        unsigned desired = 0, observed = 0;
        for (unsigned p = 0; p < m->pod->ports_per_side; p++) {
            const struct circuit *circuit = &m->ocs[o].north[p];
            desired += circuit->south != TPUNET_NONE;
            observed += circuit->seen != TPUNET_NONE;
        }
        (void)fprintf(out,
                      "podmgr_ocs_cross_connects{ocs=\"%u\",state=\"desired\"} %u\n"
                      "podmgr_ocs_cross_connects{ocs=\"%u\",state=\"observed\"} %u\n",
                      o, desired, o, observed);
    }
    print_light(out, m, "podmgr_ocs_insertion_loss_db",
                "Insertion loss of the circuit on a north port.", false);
    print_light(out, m, "podmgr_ocs_port_power_dbm", "Light that a port receives.", true);
}

static void print_webhooks(FILE *out, const struct podmgr *p)
{
    const struct model *m = p->model;
    struct hook_status status;
    char id[48];

    print_head(out, "podmgr_webhook_events_behind", "gauge",
               "Events that a webhook was not told of yet.");
    for (size_t i = 0; i < m->n_webhooks; i++) {
        (void)hooks_status(p->hooks, m->webhooks[i].id, &status);
        (void)fprintf(out, "podmgr_webhook_events_behind{webhook=\"%s\"} %" PRIu64 "\n",
                      id_format(m->webhooks[i].id, id), m->next_event - 1 - status.cursor);
    }
    print_head(out, "podmgr_webhook_failing", "gauge",
               "Whether the last tries of a webhook failed, or it is disabled.");
    for (size_t i = 0; i < m->n_webhooks; i++) {
        (void)hooks_status(p->hooks, m->webhooks[i].id, &status);
        bool failing = status.failing_since.ms != 0 || m->webhooks[i].disabled[0] != '\0';
        (void)fprintf(out, "podmgr_webhook_failing{webhook=\"%s\"} %d\n",
                      id_format(m->webhooks[i].id, id), failing);
    }
}

static void print_requests(FILE *out)
{
    print_head(out, "podmgr_http_request_seconds", "histogram",
               "Time to answer, by route and class of status.");
    for (size_t i = 0; i < api_route_count; i++) {
        for (int c = 0; c < CODES; c++) {
            char labels[160];
            if (requests[i][c].count > 0) {
                (void)snprintf(labels, sizeof labels, "route=\"%s %s\",code=\"%dxx\"",
                               api_routes[i].method, api_routes[i].path, c);
                print_histogram(out, "podmgr_http_request_seconds", labels, &requests[i][c]);
            }
        }
    }
}

void metrics_get(struct request *req)
{
    const struct podmgr *p = req->p;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (out == NULL) {
        respond_problem(req, 503, "no-memory", NULL, "cannot build the page");
        return;
    }
    print_head(out, "podmgr_build_info", "gauge", "Version of podmgr.");
    (void)fprintf(out, "podmgr_build_info{version=\"%s\",pod=\"%s\"} 1\n", PODMGR_VERSION,
                  p->model->pod->id);
    print_slices(out, p->model);
    print_inventory(out, p->model);
    print_drains(out, p->model);
    print_switches(out, p->model);
    print_webhooks(out, p);
    print_head(out, "podmgr_cross_connects_total", "counter",
               "Circuits made or broken since start.");
    (void)fprintf(out, "podmgr_cross_connects_total %" PRIu64 "\n", p->metrics.cross_connects);
    print_head(out, "podmgr_ocs_readback_mismatch_total", "counter",
               "Read-backs that contradicted the intent.");
    (void)fprintf(out, "podmgr_ocs_readback_mismatch_total %" PRIu64 "\n",
                  p->metrics.readback_mismatches);
    print_head(out, "podmgr_last_backup_timestamp_seconds", "gauge",
               "When the last backup since start was complete, 0 if none.");
    (void)fprintf(out, "podmgr_last_backup_timestamp_seconds %" PRId64 "\n",
                  backup_last(p->backup).ms / 1000);
    print_head(out, "podmgr_commit_seconds", "histogram", "Time of a durable commit.");
    print_histogram(out, "podmgr_commit_seconds", "", &p->metrics.commit);
    print_head(out, "podmgr_slice_activation_seconds", "histogram", "From request to ACTIVE.");
    print_histogram(out, "podmgr_slice_activation_seconds", "", &p->metrics.activation);
    print_head(out, "podmgr_ocs_reconfigure_seconds", "histogram",
               "From the intent of an operation to its last read-back.");
    print_histogram(out, "podmgr_ocs_reconfigure_seconds", "", &p->metrics.reconfigure);
    print_requests(out);
    (void)fclose(out);
    respond_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", text);
}

void health_get(struct request *req)
{
    respond_json(req, 200, json_pack("{s:s}", "status", "alive"));
}

void ready_get(struct request *req)
{
    char why[200];

    if (core_ready(req->p->model, why, sizeof why)) {
        respond_json(req, 200, json_pack("{s:s}", "status", "ready"));
    } else {
        respond_problem(req, 503, "not-ready", NULL, "%s", why);
    }
}

void openapi_get(struct request *req)
{
    respond_text(req, 200, "application/json", strdup(openapi_json));
}
