/* The REST surface, whole.  A new route is a line here, a handler and a path
 * in openapi.yaml; the role column is the access policy (default deny). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/http.h"

const struct route api_routes[] = {
    {"POST", "/v1/slices", ROLE_SCHEDULER, slices_post},
    {"GET", "/v1/slices", ROLE_VIEWER, slices_list},
    {"GET", "/v1/slices/{id}", ROLE_VIEWER, slice_get},
    {"DELETE", "/v1/slices/{id}", ROLE_SCHEDULER, slice_delete},
    {"GET", "/v1/slices/{id}/links", ROLE_VIEWER, slice_links},
    {"POST", "/v1/slices/{id}:migrate", ROLE_OPERATOR, slice_migrate},
    {"GET", "/v1/faults", ROLE_VIEWER, faults_list},
    {"POST", "/v1/faults", ROLE_OPERATOR, faults_post},
    {"DELETE", "/v1/faults", ROLE_OPERATOR, faults_delete},
    {"GET", "/v1/drains", ROLE_VIEWER, drains_list},
    {"POST", "/v1/drains", ROLE_OPERATOR, drains_post},
    {"POST", "/v1/drains:plan", ROLE_OPERATOR, drains_plan},
    {"GET", "/v1/drains/{id}", ROLE_VIEWER, drain_get},
    {"DELETE", "/v1/drains/{id}", ROLE_OPERATOR, drain_delete},
    {"GET", "/v1/pod", ROLE_VIEWER, pod_get},
    {"GET", "/v1/cubes", ROLE_VIEWER, cubes_list},
    {"GET", "/v1/cubes/{id}", ROLE_VIEWER, cube_get},
    {"POST", "/v1/cubes/{id}:clear-quarantine", ROLE_OPERATOR, quarantine_clear_post},
    {"GET", "/v1/quarantine", ROLE_VIEWER, quarantine_list},
    {"GET", "/v1/remediation", ROLE_VIEWER, remediation_get},
    {"POST", "/v1/remediation:reset-breaker", ROLE_OPERATOR, remediation_reset_post},
    {"GET", "/v1/preflight/goldens", ROLE_VIEWER, goldens_list},
    {"GET", "/v1/hosts", ROLE_VIEWER, hosts_list},
    {"GET", "/v1/hosts/{id}", ROLE_VIEWER, host_get},
    {"GET", "/v1/ocs", ROLE_VIEWER, ocs_list},
    {"GET", "/v1/ocs/{id}", ROLE_VIEWER, ocs_get},
    {"GET", "/v1/operations", ROLE_VIEWER, operations_list},
    {"GET", "/v1/operations/{id}", ROLE_VIEWER, operation_get},
    {"GET", "/v1/incidents", ROLE_VIEWER, incidents_list},
    {"GET", "/v1/incidents/{id}", ROLE_VIEWER, incident_get},
    {"GET", "/v1/repairs", ROLE_VIEWER, repairs_list},
    {"GET", "/v1/repairs/{id}", ROLE_VIEWER, repair_get},
    {"POST", "/v1/repairs/{id}:advance", ROLE_OPERATOR, repair_advance},
    {"GET", "/v1/events", ROLE_VIEWER, events_list},
    {"GET", "/v1/audit", ROLE_OPERATOR, audit_list},
    {"POST", "/v1/backup", ROLE_ADMIN, backup_post},
    {"POST", "/v1/webhooks", ROLE_ADMIN, webhooks_post},
    {"GET", "/v1/webhooks", ROLE_OPERATOR, webhooks_list},
    {"GET", "/v1/webhooks/{id}", ROLE_OPERATOR, webhook_get},
    {"DELETE", "/v1/webhooks/{id}", ROLE_ADMIN, webhook_delete},
    {"POST", "/v1/webhooks/{id}:test", ROLE_ADMIN, webhook_test},
    {"GET", "/metrics", ROLE_VIEWER, metrics_get},
    {"GET", "/healthz", ROLE_VIEWER, health_get},
    {"GET", "/readyz", ROLE_VIEWER, ready_get},
    {"GET", "/openapi.json", ROLE_VIEWER, openapi_get},
};
const size_t api_route_count = sizeof api_routes / sizeof api_routes[0];
_Static_assert(sizeof api_routes / sizeof api_routes[0] <= API_ROUTES_MAX,
               "metrics.c has a row for each route");

const char *role_name(enum role role)
{
    static const char *const names[] = {
        [ROLE_NONE] = "none",         [ROLE_VIEWER] = "viewer", [ROLE_SCHEDULER] = "scheduler",
        [ROLE_OPERATOR] = "operator", [ROLE_ADMIN] = "admin",
    };
    return names[role];
}

static bool matches(const char *pattern, const char *path, char *id, size_t id_size)
{
    const char *brace = strchr(pattern, '{');

    if (brace == NULL) {
        return strcmp(pattern, path) == 0;
    }
    size_t before = (size_t)(brace - pattern);
    const char *after = strchr(brace, '}') + 1;
    if (strncmp(pattern, path, before) != 0) {
        return false;
    }
    size_t len = strcspn(path + before, after[0] == ':' ? "/:" : "/"); /* {id}:verb */
    if (len == 0 || len >= id_size || strcmp(path + before + len, after) != 0) {
        return false;
    }
    memcpy(id, path + before, len);
    id[len] = '\0';
    return true;
}

const struct route *route_find(const char *method, const char *path, char *id, size_t id_size,
                               char allow[static API_ALLOW_MAX])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    int len = 0;

    allow[0] = '\0';
    for (size_t i = 0; i < api_route_count; i++) {
        const struct route *route = &api_routes[i];
        if (!matches(route->path, path, id, id_size)) {
            continue;
        }
        if (strcmp(route->method, wanted) == 0) {
            return route;
        }
        len += snprintf(allow + len, API_ALLOW_MAX - (size_t)len, "%s%s%s", len > 0 ? ", " : "",
                        route->method, strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
        assert(len < API_ALLOW_MAX);
    }
    return NULL;
}
