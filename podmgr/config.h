/* podmgr's configuration file; every key is described in
 * packaging/podmgr.yaml.example. */
#ifndef PODMGR_CONFIG_H
#define PODMGR_CONFIG_H

#include <stdio.h>

#include "core/model.h"
#include "err.h"

struct config {
    struct pod pod;
    char *ocs_url;      /* pattern, "%u" is the number of the switch */
    char *agent_url;    /* where daemons on hosts dial in */
    char *health_url;   /* where their observers dial in, NULL = nowhere */
    char *http_address; /* "127.0.0.1", NULL = no TCP listener */
    uint16_t http_port; /* 0 = any free one */
    char *http_socket;  /* Unix socket path */
    char *database;     /* path of the SQLite file */
    char *backup_dir;   /* where online backups go */
    unsigned ocs_timeout_ms;
    unsigned journal_keep; /* entries kept at least */
    struct {
        unsigned timeout_ms; /* of one delivery */
        unsigned backoff_ms, backoff_max_ms;
        char *ca_file; /* whom https receivers are verified by; NULL = the system's */
    } webhooks;
};

/* E_CONFIG with "file:line:column: key: what". */
int config_load(struct config *out, const char *file, struct error *err);
void config_fini(struct config *config);
/* Prints the normalised configuration; it parses back to itself. */
void config_print(const struct config *config, FILE *out);

#endif
