/* The newest podmgr that has spoken to us; what an older one says is not obeyed.  Its epoch
 * is written to the disk before anything is done for it, so that a restart of ours lets no
 * older one in; a disk that fails holds no slice up.  (Chips refuse older stamps by themselves, but
 * only where the newer podmgr has written to them.) */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "log.h"
#include "tpunetd.h"

enum { TEXT_MAX = 96 };

int claim_load(struct tpunetd *t, struct error *err)
{
    const char *path = t->config->epoch_file;
    uint8_t *bytes = NULL;
    size_t len = 0;
    char text[TEXT_MAX] = "", pod[sizeof t->config->pod];

    if (path == NULL) {
        log_warning("podmgr", "no epoch_file: after a restart an older podmgr is refused only by "
                              "chips that hold a newer stamp");
        return 0;
    }
    if (file_read(path, sizeof text - 1, &bytes, &len, err) < 0) {
        return err->code;
    }
    if (bytes == NULL) {
        return 0; /* nobody has spoken to us yet */
    }
    memcpy(text, bytes, len);
    free(bytes);
    if (sscanf(text, "%31s %" SCNu64, pod, &t->epoch) != 2) {
        return err_set(err, E_CORRUPT,
                       "%s does not say which podmgr was here last; remove it if no older one is "
                       "alive",
                       path);
    }
    if (strcmp(pod, t->config->pod) != 0) {
        return err_set(err, E_CONFIG, "%s is of pod %s, we belong to %s", path, pod,
                       t->config->pod);
    }
    t->stored_epoch = t->epoch;
    return 0;
}

static void store(struct tpunetd *t, bool first)
{
    char text[TEXT_MAX];
    struct error err;
    int len = snprintf(text, sizeof text, "%s %" PRIu64 "\n", t->config->pod, t->epoch);

    if (file_replace(t->config->epoch_file, (const uint8_t *)text, (size_t)len, &err) == 0) {
        t->stored_epoch = t->epoch;
    } else if (first) { /* once; each command tries again */
        log_error("podmgr", "%s; going on, since chips refuse older stamps, too", err.text);
    }
}

bool claim_take(struct tpunetd *t, uint64_t epoch)
{
    bool newer = epoch > t->epoch;

    if (epoch < t->epoch) {
        return false;
    }
    t->epoch = epoch;
    if (t->config->epoch_file != NULL && t->stored_epoch != epoch) {
        store(t, newer);
    }
    return true;
}
