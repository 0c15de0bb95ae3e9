#include "healthd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "hostlist.h"
#include "log.h"
#include "mem.h"
#include "orders.h"
#include "state.h"

static void on_finding(void *arg, size_t host, const struct finding *f)
{
    struct healthd *d = arg;
    struct part part = finding_part(d->config->hosts[host], f->scope, f->index);
    char name[80];

    log_msg(f->severity >= SEVERITY_SEVERE ? LOG_WARNING : LOG_NOTICE, part_format(&part, name),
            "%s %s: %s", f->check, severity_name(f->severity), f->text);
    reports_put(d->reports, host, f);
}

static struct kept kept_of(struct healthd *d)
{
    return (struct kept){.pod = d->config->pod,
                         .hosts = d->config->hosts,
                         .n_hosts = d->config->n_hosts,
                         .reports = d->reports,
                         .judge = d->judge};
}

bool healthd_save(struct healthd *d, struct now now)
{
    struct kept kept = kept_of(d);
    struct error err;

    if (d->config->state_file != NULL && state_save(&kept, d->config->state_file, now, &err) < 0) {
        log_error("state", "%s; reports wait until it can be written", err.text);
        return false;
    }
    return true;
}

static void forget(struct healthd *d)
{
    judge_destroy(d->judge);
    reports_destroy(d->reports);
    d->judge = NULL;
    d->reports = NULL;
}

static void begin_anew(struct healthd *d, uint64_t instance)
{
    const struct healthd_config *config = d->config;

    d->reports = reports_create(config->hosts, config->n_hosts, instance);
    d->judge = judge_create(&config->policy, config->n_hosts, on_finding, d);
}

static int draw_instance(uint64_t *instance, struct error *err)
{
    if (getrandom(instance, sizeof *instance, 0) != (ssize_t)sizeof *instance) {
        return err_set(err, E_IO, "no randomness for the instance id");
    }
    return 0;
}

/* With the state file's instance and contents, or as a new one. */
static int begin(struct healthd *d, struct error *err)
{
    const char *file = d->config->state_file;
    Wire__HealthState *state = NULL;
    struct error why;
    uint64_t instance;
    int status = draw_instance(&instance, err);

    if (status < 0) {
        return status;
    }
    int restored = file != NULL ? state_read(&state, d->config->pod, file, &why) : 0;
    begin_anew(d, state != NULL ? state->instance : instance);
    if (state != NULL) {
        struct kept kept = kept_of(d);
        restored = state_restore(&kept, state, clock_read(), &why);
        wire__health_state__free_unpacked(state, NULL);
    }
    if (restored == E_IO) {
        forget(d);
        *err = why; /* it is there, and must not be overwritten */
        return E_IO;
    }
    if (restored < 0) {
        log_warning("state", "%s; starting over", why.text);
        forget(d);
        begin_anew(d, instance);
    }
    return 0;
}

int healthd_probe(struct probe **out, uv_loop_t *loop, const struct healthd_config *config,
                  struct error *err)
{
    return config->probe_url != NULL
               ? podsim_probe_create(out, loop, config->pod, config->probe_url, err)
               : sysfs_probe_create(out, config->sysfs_root, config->driver, err);
}

int healthd_start(struct healthd *d, uv_loop_t *loop, const struct healthd_config *config,
                  struct error *err)
{
    *d = (struct healthd){.loop = loop, .config = config};
    int status = begin(d, err);
    if (status < 0) {
        return status;
    }
    status = healthd_probe(&d->probe, loop, config, err);
    if (status < 0) {
        goto err_after_state;
    }
    d->orders = orders_create(d);
    status = uplink_create(&d->uplink, d, err);
    if (status < 0) {
        goto err_after_probe;
    }
    d->round = round_create(d);
    return 0;

err_after_probe:
    orders_destroy(d->orders);
    d->probe->ops->destroy(d->probe);
err_after_state:
    forget(d);
    return status;
}

void healthd_stop(struct healthd *d)
{
    struct now now = clock_read();

    (void)reports_seal(d->reports, now.wall); /* of a round that is not over */
    (void)healthd_save(d, now);
    uplink_stop(d->uplink);
    round_stop(d->round);
    d->probe->ops->destroy(d->probe);
}

void healthd_fini(struct healthd *d)
{
    uplink_fini(d->uplink);
    round_fini(d->round);
    orders_destroy(d->orders);
    forget(d);
}
