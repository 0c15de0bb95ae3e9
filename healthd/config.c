/* healthd.yaml: see packaging/healthd.yaml.example.  A rule of the policy table
 * may be given another limit, window or clear time, never another meaning. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "healthd.h"
#include "hostlist.h"
#include "mem.h"
#include "yconf.h"

enum { PERIOD_MS = 1000, LEASE_MS = 1000, TIME_MAX_MS = 24 * 3600 * 1000 };

static const char *first_of(const char *option, struct yconf *doc, const char *key,
                            const char *dflt)
{
    const char *value = doc != NULL ? yconf_str(doc, yconf_root(doc), key, dflt) : dflt;
    return option != NULL ? option : value;
}

static char *copy_of(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

static void read_rule(struct rule *rule, struct yconf *doc, const struct yconf_node *rules)
{
    const struct yconf_node *map = yconf_map(doc, rules, rule->name);
    double old = rule->limit;

    if (map == NULL) {
        return;
    }
    if (rule->kind == RULE_COUNT || rule->kind == RULE_ABOVE || rule->kind == RULE_BELOW) {
        rule->limit = yconf_num(doc, map, "limit", rule->limit, -1e12, 1e12);
        rule->fine = yconf_num(doc, map, "fine", rule->fine + rule->limit - old, -1e12, 1e12);
        bool crossed = rule->kind == RULE_BELOW   ? rule->fine < rule->limit
                       : rule->kind == RULE_COUNT ? rule->fine >= rule->limit
                                                  : rule->fine > rule->limit;
        if (crossed) {
            yconf_fail(doc, map, "fine", "%g is beyond the limit, %g", rule->fine, rule->limit);
        }
    }
    rule->window_ms =
        (unsigned)yconf_int(doc, map, "window_ms", rule->window_ms, WINDOW_BUCKETS, TIME_MAX_MS);
    rule->clear_ms = (unsigned)yconf_int(doc, map, "clear_ms", rule->clear_ms, 0, TIME_MAX_MS);
    yconf_finish(doc, map);
}

static void read_policy(struct policy *policy, struct yconf *doc)
{
    const struct yconf_node *rules = yconf_map(doc, yconf_root(doc), "rules");

    for (size_t r = 0; r < RULES; r++) {
        read_rule(&policy->rules[r], doc, rules);
    }
    yconf_finish(doc, rules);
}

static int read_cubes(unsigned *out, const char *text, struct error *err)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (*end != '\0' || n < 1 || n > HOSTLIST_CUBES_MAX) {
        return err_set(err, E_CONFIG, "cubes: '%s' is not a number from 1 to %d", text,
                       HOSTLIST_CUBES_MAX);
    }
    *out = (unsigned)n;
    return 0;
}

static int read_all(struct healthd_config *out, const struct healthd_options *o, struct yconf *doc,
                    struct error *err)
{
    const struct yconf_node *root = doc != NULL ? yconf_root(doc) : NULL;
    const char *hosts = first_of(o->hosts, doc, "hosts", "all");
    const char *cubes = first_of(o->cubes, doc, "cubes", "64");

    (void)snprintf(out->pod, sizeof out->pod, "%s", first_of(o->pod, doc, "pod", ""));
    (void)snprintf(out->name, sizeof out->name, "%s", first_of(o->name, doc, "name", "local"));
    out->podmgr_url =
        xstrdup(first_of(o->podmgr, doc, "podmgr_url", "ipc:///run/podmgr/health.sock"));
    out->probe_url = copy_of(first_of(o->probe, doc, "probe_url", NULL));
    out->sysfs_root = xstrdup(first_of(o->sysfs, doc, "sysfs_root", ""));
    out->driver = xstrdup(first_of(NULL, doc, "driver", "accel"));
    out->state_file = copy_of(first_of(o->state, doc, "state_file", NULL));
    out->golden_file = copy_of(first_of(o->golden, doc, "golden", NULL));
    out->policy = policy_default;
    out->period_ms = PERIOD_MS;
    out->lease_ms = LEASE_MS;
    if (doc != NULL) {
        out->period_ms = (unsigned)yconf_int(doc, root, "period_ms", PERIOD_MS, 20, 60000);
        out->lease_ms = (unsigned)yconf_int(doc, root, "lease_ms", LEASE_MS, 100, 60000);
        read_policy(&out->policy, doc);
        yconf_finish(doc, root);
        int status = yconf_error(doc, err);
        if (status < 0) {
            return status;
        }
    }
    if (out->pod[0] == '\0') {
        return err_set(err, E_CONFIG, "which pod? give --pod ID, or 'pod' in the file");
    }
    int status = read_cubes(&out->cubes, cubes, err);
    if (status == 0) {
        status = hostlist_parse(&out->hosts, &out->n_hosts, hosts, out->cubes, err);
    }
    if (status == 0 && out->probe_url == NULL && out->n_hosts != 1) {
        status = err_set(err, E_CONFIG,
                         "hosts: this machine is one host; name it, or give the probe_url of an "
                         "emulated pod");
    }
    return status;
}

int healthd_config_load(struct healthd_config *out, const struct healthd_options *options,
                        struct error *err)
{
    struct yconf *doc = NULL;
    int status = options->file != NULL ? yconf_load(&doc, options->file, err) : 0;

    *out = (struct healthd_config){0};
    if (status == 0) {
        status = read_all(out, options, doc, err);
    }
    yconf_destroy(doc);
    if (status == 0 && out->golden_file != NULL) {
        out->golden = xcalloc(1, sizeof *out->golden);
        status = golden_load(out->golden, out->golden_file, err);
    }
    if (status < 0) {
        healthd_config_fini(out);
    }
    return status;
}

void healthd_config_fini(struct healthd_config *config)
{
    free(config->hosts);
    free(config->podmgr_url);
    free(config->probe_url);
    free(config->sysfs_root);
    free(config->driver);
    free(config->state_file);
    free(config->golden_file);
    free(config->golden);
    *config = (struct healthd_config){0};
}
