/* The configuration file: read, checked, given its defaults, printed.
 *
 * Every mistake is one line, "file:line:column: key: what".  What the file
 * leaves out gets the default that is printed, so `--check-config` shows what
 * is in force.  The rules that go beyond types:
 *
 *   1. A switch has a port a side for each cube.
 *   2. The pattern of the switches' addresses has "%u" once.
 *   3. HTTP listens on loopback only, since there is no TLS. */
#include "config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config_power.h"
#include "config_wiring.h"
#include "core/remediation.h"
#include "core/repair.h"
#include "mem.h"
#include "part.h"
#include "yconf.h"

enum {
    TIMEOUT_MS = 2000,
    LEASE_MS = 1500,
    JOURNAL_KEEP = 100000,
    CUBES_OUT_MAX = 4,
    SWAPS_PER_HOUR_MAX = 8,
    WEBHOOK_TIMEOUT_MS = 10 * 1000,
    WEBHOOK_BACKOFF_MS = 1000,
    WEBHOOK_BACKOFF_MAX_MS = 300 * 1000,
    PREFLIGHT_TIMEOUT_MS = 10000,
    OBSERVERS_RETURN_MS = 1500, /* they dial again within a second */
    SOCKET_PATH_MAX = (int)sizeof((struct sockaddr_un *)0)->sun_path - 1,
    LOOPBACK_NET = 127,
};
static const double confidence_min = 0.6;
static const int64_t repair_ms_max = 30 * 24 * 3600 * INT64_C(1000);
static const double loss_db_max = 3.0; /* below 2 dB is normal (Palomar) */
static const char default_http[] = "127.0.0.1:8470";
static const char default_socket[] = "/run/podmgr/podmgr.sock";
static const char default_database[] = "/var/lib/podmgr/podmgr.db";

/* --------------------------------------------------------------- texts -- */

/* A text that may stand in a line of a log and in quotes: never empty. */
static bool is_printable(const char *text)
{
    size_t len = 0;

    while (text[len] >= ' ' && text[len] <= '~') {
        len++;
    }
    return len > 0 && text[len] == '\0';
}

static char *read_text(struct yconf *doc, const struct yconf_node *map, const char *section,
                       const char *key, const char *dflt)
{
    const char *text = yconf_str(doc, map, key, dflt);

    if (text == NULL) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s.%s", section, key);
        yconf_fail(doc, map, map != NULL ? key : path, "is required");
        text = "";
    } else if (!is_printable(text)) {
        yconf_fail(doc, map, key, "is empty or has characters other than printable ASCII");
    }
    return xstrdup(text);
}

/* ----------------------------------------------------------------- pod -- */

static void read_pod(struct pod *pod, struct yconf *doc, const struct yconf_node *map)
{
    const char *id = yconf_str(doc, map, "id", NULL);
    char name[sizeof "pod/" + 64];
    struct part part;
    struct error err = {0};

    if (id == NULL) {
        yconf_fail(doc, map, map != NULL ? "id" : "pod.id", "is required");
    } else if (strlen(id) >= sizeof pod->id) {
        yconf_fail(doc, map, "id", "has more than %zu characters", sizeof pod->id - 1);
    } else {
        (void)snprintf(name, sizeof name, "pod/%s", id);
        if (part_parse(&part, name, &err) < 0) {
            yconf_fail(doc, map, "id", "%s", err.text);
        }
        (void)snprintf(pod->id, sizeof pod->id, "%s", id);
    }
    unsigned cubes = (unsigned)yconf_int(doc, map, "cubes", 64, 1, MODEL_CUBES_MAX);
    unsigned ports = (unsigned)yconf_int(doc, map, "ports_per_side",
                                         cubes <= 64 ? cubes + 4 : cubes + 8, 1, MODEL_PORTS_MAX);
    if (ports < cubes) {
        yconf_fail(doc, map, "ports_per_side", "an OCS with %u ports a side cannot serve %u cubes",
                   ports, cubes);
    }
    pod->n_cubes = (uint16_t)cubes;
    pod->ports_per_side = (uint16_t)ports;
    pod->vc_classes = (uint8_t)yconf_int(doc, map, "vc_classes", 3, 2, 3);
    yconf_finish(doc, map);
}

/* ----------------------------------------------------------- addresses -- */

static void check_url(struct yconf *doc, const struct yconf_node *map, const char *key,
                      const char *url)
{
    static const char *const schemes[] = {"ipc://", "tcp://", "inproc://"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(url, schemes[i], len) == 0 && url[len] != '\0') {
            return;
        }
    }
    yconf_fail(doc, map, key, "%.80s is not an address such as ipc:///run/x or tcp://10.0.0.1:7",
               url);
}

/* Rule 2. */
static void check_pattern(struct yconf *doc, const struct yconf_node *map, const char *url)
{
    const char *percent = strchr(url, '%');

    if (percent == NULL || percent[1] != 'u' || strchr(percent + 1, '%') != NULL) {
        yconf_fail(doc, map, "url",
                   "%.80s has to contain \"%%u\", the number of the switch, once and no other %%",
                   url);
    }
}

/* Rule 3.  "none" leaves the address NULL. */
static void read_http(struct config *config, struct yconf *doc, const struct yconf_node *map)
{
    const char *text = yconf_str(doc, map, "http", default_http);
    char address[INET_ADDRSTRLEN];
    struct in_addr parsed;
    char *end;

    if (strcmp(text, "none") == 0) {
        return;
    }
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (len > 0 && len < sizeof address) {
        memcpy(address, text, len);
    } else {
        len = 0;
    }
    address[len] = '\0';
    unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;
    bool port_good = colon != NULL && colon[1] >= '0' && colon[1] <= '9' && *end == '\0' &&
                     end - colon <= 6 && port <= UINT16_MAX;
    if (!port_good || inet_pton(AF_INET, address, &parsed) != 1) {
        yconf_fail(doc, map, "http", "%.80s is neither IPV4:PORT, such as %s, nor none", text,
                   default_http);
        return;
    }
    if (ntohl(parsed.s_addr) >> 24 != LOOPBACK_NET) {
        yconf_fail(doc, map, "http",
                   "%s is not a loopback address (127.0.0.0/8): anyone on the network could "
                   "command the pod, since TLS is not configured",
                   text);
        return;
    }
    config->http_address = xstrdup(address);
    config->http_port = (uint16_t)port;
}

/* ---------------------------------------------------------------- file -- */

static void read_ocs(struct config *config, struct yconf *doc, const struct yconf_node *map)
{
    config->ocs_url = read_text(doc, map, "ocs", "url", NULL);
    check_url(doc, map, "url", config->ocs_url);
    check_pattern(doc, map, config->ocs_url);
    config->ocs_timeout_ms =
        (unsigned)yconf_int(doc, map, "timeout_ms", TIMEOUT_MS, 10, 600 * 1000);
    config->pod.loss_db_max = yconf_num(doc, map, "loss_db_max", loss_db_max, 0.1, 30);
    yconf_finish(doc, map);
}

static void read_agents(struct config *config, struct yconf *doc, const struct yconf_node *map)
{
    config->agent_url = read_text(doc, map, "agents", "url", NULL);
    check_url(doc, map, "url", config->agent_url);
    const char *health_url = yconf_str(doc, map, "health_url", NULL);
    if (health_url != NULL) {
        config->health_url = read_text(doc, map, "agents", "health_url", NULL);
        check_url(doc, map, "health_url", health_url);
    }
    config->pod.lease_ms = (unsigned)yconf_int(doc, map, "lease_ms", LEASE_MS, 1000, 600 * 1000);
    yconf_finish(doc, map);
}

static void read_listen(struct config *config, struct yconf *doc, const struct yconf_node *map)
{
    read_http(config, doc, map);
    config->http_socket = read_text(doc, map, "listen", "socket", default_socket);
    if (strlen(config->http_socket) > SOCKET_PATH_MAX) {
        yconf_fail(doc, map, "socket", "has more than the %d characters that a socket may have",
                   SOCKET_PATH_MAX);
    }
    yconf_finish(doc, map);
}

static void read_remediation(struct remedy_policy *policy, struct yconf *doc,
                             const struct yconf_node *map)
{
    const char *mode = yconf_str(doc, map, "mode", remedy_mode_name(REMEDY_AUTO));
    int i = REMEDY_DRY_RUN;

    while (i > REMEDY_OFF && strcmp(mode, remedy_mode_name((enum remedy_mode)i)) != 0) {
        i--;
    }
    if (strcmp(mode, remedy_mode_name((enum remedy_mode)i)) != 0) {
        yconf_fail(doc, map, "mode", "%.40s is neither off, dry-run nor auto", mode);
    }
    policy->mode = (enum remedy_mode)i;
    policy->cubes_out_max =
        (unsigned)yconf_int(doc, map, "cubes_out_max", CUBES_OUT_MAX, 0, MODEL_CUBES_MAX);
    policy->swaps_per_hour_max =
        (unsigned)yconf_int(doc, map, "swaps_per_hour_max", SWAPS_PER_HOUR_MAX, 0, 1000);
    policy->hot_spares = (unsigned)yconf_int(doc, map, "hot_spares", 0, 0, MODEL_CUBES_MAX);
    policy->confidence_min = yconf_num(doc, map, "confidence_min", confidence_min, 0, 1);
    yconf_finish(doc, map);
}

static void read_preflight(struct preflight_policy *policy, struct yconf *doc,
                           const struct yconf_node *map)
{
    const char *mode = yconf_str(doc, map, "mode", preflight_mode_name(PREFLIGHT_FULL));
    const char *unobserved = yconf_str(doc, map, "unobserved", "skip");
    int i = PREFLIGHT_FULL;

    while (i > PREFLIGHT_OFF && strcmp(mode, preflight_mode_name((enum preflight_mode)i)) != 0) {
        i--;
    }
    if (strcmp(mode, preflight_mode_name((enum preflight_mode)i)) != 0) {
        yconf_fail(doc, map, "mode", "%.40s is neither off, intent nor full", mode);
    }
    policy->mode = (enum preflight_mode)i;
    policy->required = strcmp(unobserved, "refuse") == 0;
    if (!policy->required && strcmp(unobserved, "skip") != 0) {
        yconf_fail(doc, map, "unobserved", "%.40s is neither skip nor refuse", unobserved);
    }
    policy->timeout_ms =
        (unsigned)yconf_int(doc, map, "timeout_ms", PREFLIGHT_TIMEOUT_MS, 100, 600 * 1000);
    yconf_finish(doc, map);
}

static void read_repair(struct repair_policy *policy, struct yconf *doc,
                        const struct yconf_node *map)
{
    policy->burn_in_ms =
        yconf_int(doc, map, "burn_in_ms", repair_defaults.burn_in_ms, 1, repair_ms_max);
    policy->probation_ms =
        yconf_int(doc, map, "probation_ms", repair_defaults.probation_ms, 1, repair_ms_max);
    yconf_finish(doc, map);
}

/* Where a file is: what stands before the last slash. */
static const char *dir_of(const char *path, char dir[static PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return ".";
    }
    (void)snprintf(dir, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return dir;
}

static void read_state(struct config *config, struct yconf *doc, const struct yconf_node *map)
{
    char dir[PATH_MAX];

    config->database = read_text(doc, map, "state", "database", default_database);
    config->backup_dir = read_text(doc, map, "state", "backup_dir", dir_of(config->database, dir));
    config->journal_keep =
        (unsigned)yconf_int(doc, map, "journal_keep", JOURNAL_KEEP, 100, 100 * 1000 * 1000);
    yconf_finish(doc, map);
}

static void read_webhooks(struct config *config, struct yconf *doc, const struct yconf_node *map)
{
    config->webhooks.timeout_ms =
        (unsigned)yconf_int(doc, map, "timeout_ms", WEBHOOK_TIMEOUT_MS, 100, 60 * 1000);
    config->webhooks.backoff_ms =
        (unsigned)yconf_int(doc, map, "backoff_ms", WEBHOOK_BACKOFF_MS, 10, 60 * 1000);
    config->webhooks.backoff_max_ms =
        (unsigned)yconf_int(doc, map, "backoff_max_ms", WEBHOOK_BACKOFF_MAX_MS,
                            config->webhooks.backoff_ms, 24 * 3600 * 1000);
    if (yconf_str(doc, map, "ca_file", NULL) != NULL) {
        config->webhooks.ca_file = read_text(doc, map, "webhooks", "ca_file", NULL);
    }
    yconf_finish(doc, map);
}

int config_load(struct config *out, const char *file, struct error *err)
{
    struct config config = {0};
    struct yconf *doc;
    int status = yconf_load(&doc, file, err);

    if (status < 0) {
        return status;
    }
    const struct yconf_node *root = yconf_root(doc);
    read_pod(&config.pod, doc, yconf_map(doc, root, "pod"));
    config_read_wiring(&config.pod, doc, yconf_list(doc, root, "wiring"));
    config_read_power(&config.pod, doc, yconf_list(doc, root, "power"));
    read_remediation(&config.pod.remedy, doc, yconf_map(doc, root, "remediation"));
    read_preflight(&config.pod.preflight, doc, yconf_map(doc, root, "preflight"));
    read_repair(&config.pod.repair, doc, yconf_map(doc, root, "repair"));
    config.pod.research = yconf_bool(doc, root, "research", false);
    read_ocs(&config, doc, yconf_map(doc, root, "ocs"));
    read_agents(&config, doc, yconf_map(doc, root, "agents"));
    read_listen(&config, doc, yconf_map(doc, root, "listen"));
    read_state(&config, doc, yconf_map(doc, root, "state"));
    read_webhooks(&config, doc, yconf_map(doc, root, "webhooks"));
    if (config.health_url != NULL) {
        config.pod.preflight.grace_ms = OBSERVERS_RETURN_MS;
    }
    yconf_finish(doc, root);
    status = yconf_error(doc, err);
    yconf_destroy(doc);
    if (status < 0) {
        config_fini(&config);
        return status;
    }
    *out = config;
    return 0;
}

void config_fini(struct config *config)
{
    tpunet_wiring_destroy(config->pod.wiring);
    free(config->pod.rewires);
    free(config->pod.feeds);
    free(config->ocs_url);
    free(config->agent_url);
    free(config->health_url);
    free(config->http_address);
    free(config->http_socket);
    free(config->database);
    free(config->backup_dir);
    free(config->webhooks.ca_file);
    *config = (struct config){0};
}

/* --------------------------------------------------------------- print -- */

static void print_text(FILE *out, const char *key, const char *text)
{
    (void)fprintf(out, "  %s: \"", key);
    for (; *text != '\0'; text++) {
        (void)fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    (void)fputs("\"\n", out);
}

/* The shortest decimal that reads back as the same number. */
static void print_number(FILE *out, const char *key, double value)
{
    char text[32];
    int digits = 1;

    do {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
    } while (strtod(text, NULL) != value && digits++ < 17);
    (void)fprintf(out, "  %s: %s\n", key, text);
}

void config_print(const struct config *config, FILE *out)
{
    const struct pod *pod = &config->pod;

    (void)fputs("pod:\n", out);
    print_text(out, "id", pod->id);
    (void)fprintf(out, "  cubes: %u\n  ports_per_side: %u\n  vc_classes: %u\n", pod->n_cubes,
                  pod->ports_per_side, pod->vc_classes);
    config_print_wiring(pod, out);
    config_print_power(pod, out);
    (void)fprintf(out,
                  "remediation:\n  mode: %s\n  cubes_out_max: %u\n  swaps_per_hour_max: %u\n"
                  "  hot_spares: %u\n",
                  remedy_mode_name(pod->remedy.mode), pod->remedy.cubes_out_max,
                  pod->remedy.swaps_per_hour_max, pod->remedy.hot_spares);
    print_number(out, "confidence_min", pod->remedy.confidence_min);
    (void)fprintf(out, "preflight:\n  mode: %s\n  unobserved: %s\n  timeout_ms: %u\n",
                  preflight_mode_name(pod->preflight.mode),
                  pod->preflight.required ? "refuse" : "skip", pod->preflight.timeout_ms);
    (void)fprintf(out, "repair:\n  burn_in_ms: %" PRId64 "\n  probation_ms: %" PRId64 "\n",
                  pod->repair.burn_in_ms, pod->repair.probation_ms);
    (void)fprintf(out, "research: %s\n", pod->research ? "true" : "false");
    (void)fputs("ocs:\n", out);
    print_text(out, "url", config->ocs_url);
    (void)fprintf(out, "  timeout_ms: %u\n", config->ocs_timeout_ms);
    print_number(out, "loss_db_max", pod->loss_db_max);
    (void)fputs("agents:\n", out);
    print_text(out, "url", config->agent_url);
    if (config->health_url != NULL) {
        print_text(out, "health_url", config->health_url);
    }
    (void)fprintf(out, "  lease_ms: %u\n", pod->lease_ms);
    (void)fputs("listen:\n", out);
    if (config->http_address != NULL) {
        (void)fprintf(out, "  http: \"%s:%u\"\n", config->http_address, config->http_port);
    } else {
        (void)fputs("  http: none\n", out);
    }
    print_text(out, "socket", config->http_socket);
    (void)fputs("state:\n", out);
    print_text(out, "database", config->database);
    print_text(out, "backup_dir", config->backup_dir);
    (void)fprintf(out, "  journal_keep: %u\n", config->journal_keep);
    (void)fprintf(out, "webhooks:\n  timeout_ms: %u\n  backoff_ms: %u\n  backoff_max_ms: %u\n",
                  config->webhooks.timeout_ms, config->webhooks.backoff_ms,
                  config->webhooks.backoff_max_ms);
    if (config->webhooks.ca_file != NULL) {
        print_text(out, "ca_file", config->webhooks.ca_file);
    }
}
