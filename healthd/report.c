#include "report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct report {
    uint64_t sequence;
    struct wall_ms at;
    bool snapshot; /* on its way only, never kept */
    struct finding *findings;
    size_t n, cap;
};

struct host_log {
    uint64_t next;          /* number of the next report */
    struct report open;     /* findings without a number yet */
    struct report *waiting; /* oldest first */
    size_t n_waiting, cap_waiting;
    size_t under_way; /* how many of them are */
    bool snapshot;    /* is due */
    bool snapshot_under_way;
    bool muted;
    struct report told; /* what podmgr knows */
};

struct reports {
    const uint16_t *hosts;
    size_t n;
    uint64_t instance, folded;
    struct host_log *logs;
    bool message_under_way;
};

/* ------------------------------------------------------------- findings -- */

static void put(struct report *report, const struct finding *f)
{
    VEC_GROW(report->findings, report->n, report->cap);
    report->findings[report->n++] = *f;
}

/* What is known after the finding. */
static void learn(struct report *told, const struct finding *f)
{
    size_t i = 0;

    while (i < told->n && !finding_same(&told->findings[i], f)) {
        i++;
    }
    if (f->severity == SEVERITY_OK) {
        if (i < told->n) {
            told->findings[i] = told->findings[--told->n];
        }
    } else if (i < told->n) {
        told->findings[i] = *f;
    } else {
        put(told, f);
    }
}

/* The oldest `n` that wait are what podmgr knows now. */
static void take(struct host_log *log, size_t n)
{
    assert(n <= log->n_waiting);
    if (n == 0) {
        return; /* there may be no array to move */
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < log->waiting[i].n; k++) {
            learn(&log->told, &log->waiting[i].findings[k]);
        }
        free(log->waiting[i].findings);
    }
    log->n_waiting -= n;
    memmove(log->waiting, log->waiting + n, log->n_waiting * sizeof *log->waiting);
}

void reports_put(struct reports *r, size_t host, const struct finding *finding)
{
    assert(host < r->n);
    put(&r->logs[host].open, finding);
}

bool reports_seal(struct reports *r, struct wall_ms now)
{
    bool sealed = false;

    for (size_t h = 0; h < r->n; h++) {
        struct host_log *log = &r->logs[h];
        if (log->open.n == 0) {
            continue;
        }
        if (log->n_waiting >= REPORTS_KEPT && log->under_way == 0) {
            take(log, log->n_waiting);
            log->snapshot = true;
            r->folded++;
        }
        log->open.sequence = log->next++;
        log->open.at = now;
        VEC_GROW(log->waiting, log->n_waiting, log->cap_waiting);
        log->waiting[log->n_waiting++] = log->open;
        log->open = (struct report){0};
        sealed = true;
    }
    return sealed;
}

/* ------------------------------------------------------------- messages -- */

Wire__HealthFinding *finding_pack(const struct finding *f)
{
    Wire__HealthFinding *out = xmalloc(sizeof *out);

    wire__health_finding__init(out);
    out->scope = (Wire__HealthScope)f->scope;
    out->index = f->index;
    out->severity = (Wire__HealthSeverity)f->severity;
    out->since_wall_ms = f->since.ms;
    out->check = xstrdup(f->check);
    out->text = xstrdup(f->text);
    return out;
}

static Wire__HealthFinding **pack_all(const struct report *report)
{
    Wire__HealthFinding **out = xcalloc(report->n, sizeof *out);

    for (size_t i = 0; i < report->n; i++) {
        out[i] = finding_pack(&report->findings[i]);
    }
    return out;
}

static Wire__HealthReport *pack(uint16_t host, const struct report *report)
{
    Wire__HealthReport *out = xmalloc(sizeof *out);

    wire__health_report__init(out);
    out->host = host;
    out->sequence = report->sequence;
    out->wall_ms = report->at.ms;
    out->snapshot = report->snapshot;
    out->n_findings = report->n;
    out->findings = pack_all(report);
    return out;
}

/* As of before the oldest that waits. */
static struct report snapshot_of(const struct host_log *log)
{
    struct report snapshot = log->told;

    snapshot.sequence = (log->n_waiting > 0 ? log->waiting[0].sequence : log->next) - 1;
    snapshot.snapshot = true;
    return snapshot;
}

/* Adds what is due of one host; the number of its findings. */
static size_t add_host(Wire__HealthReports *out, size_t *cap, uint16_t host, struct host_log *log)
{
    size_t findings = 0;

    if (log->snapshot) {
        struct report snapshot = snapshot_of(log);
        VEC_GROW(out->reports, out->n_reports, *cap);
        out->reports[out->n_reports++] = pack(host, &snapshot);
        findings += snapshot.n;
    }
    for (size_t i = 0; i < log->n_waiting; i++) {
        VEC_GROW(out->reports, out->n_reports, *cap);
        out->reports[out->n_reports++] = pack(host, &log->waiting[i]);
        findings += log->waiting[i].n;
    }
    log->snapshot_under_way = log->snapshot;
    log->under_way = log->n_waiting;
    return findings;
}

Wire__HealthReports *reports_next(struct reports *r, uint64_t epoch)
{
    enum { REPORTS_A_MESSAGE = 3000 };
    Wire__HealthReports *out;
    size_t findings = 0, cap = 0;

    if (r->message_under_way) {
        return NULL;
    }
    out = xmalloc(sizeof *out);
    wire__health_reports__init(out);
    out->epoch = epoch;
    for (size_t h = 0;
         h < r->n && findings < FINDINGS_A_MESSAGE && out->n_reports < REPORTS_A_MESSAGE; h++) {
        struct host_log *log = &r->logs[h];
        if (!log->muted && (log->snapshot || log->n_waiting > 0)) {
            findings += add_host(out, &cap, r->hosts[h], log);
        }
    }
    if (out->n_reports == 0) {
        wire__health_reports__free_unpacked(out, NULL);
        return NULL;
    }
    r->message_under_way = true;
    return out;
}

/* The first report of this host that was refused, NULL if none was. */
static const Wire__HealthRefusal *refusal_of(const Wire__HealthReply *reply, uint16_t host)
{
    const Wire__HealthRefusal *first = NULL;

    for (size_t i = 0; i < reply->n_refusals; i++) {
        const Wire__HealthRefusal *refusal = reply->refusals[i];
        if (refusal->host == host && (first == NULL || refusal->sequence < first->sequence)) {
            first = refusal;
        }
    }
    return first;
}

static void settle(struct host_log *log, const Wire__HealthRefusal *refusal)
{
    size_t n = log->under_way;

    if (refusal != NULL) {
        for (n = 0; n < log->under_way && log->waiting[n].sequence < refusal->sequence;) {
            n++;
        }
    }
    bool order = refusal != NULL && refusal->status == WIRE__HEALTH_STATUS__HEALTH_OUT_OF_ORDER;
    if (log->snapshot_under_way && (refusal == NULL || n > 0)) {
        log->snapshot = false;
    }
    take(log, n);
    log->snapshot = log->snapshot || order;
    log->muted = refusal != NULL && !order;
}

size_t reports_taken(struct reports *r, const Wire__HealthReply *reply)
{
    size_t refused = 0;

    for (size_t h = 0; h < r->n; h++) {
        struct host_log *log = &r->logs[h];
        if (log->under_way > 0 || log->snapshot_under_way) {
            settle(log, refusal_of(reply, r->hosts[h]));
            refused += log->muted;
            log->under_way = 0;
            log->snapshot_under_way = false;
        }
    }
    r->message_under_way = false;
    return refused;
}

void reports_lost(struct reports *r)
{
    for (size_t h = 0; h < r->n; h++) {
        r->logs[h].under_way = 0;
        r->logs[h].snapshot_under_way = false;
    }
    r->message_under_way = false;
}

void reports_unmute(struct reports *r)
{
    for (size_t h = 0; h < r->n; h++) {
        r->logs[h].muted = false;
    }
}

void reports_start_over(struct reports *r)
{
    reports_unmute(r);
    for (size_t h = 0; h < r->n; h++) {
        r->logs[h].snapshot = true;
    }
}

uint64_t reports_folded(const struct reports *r)
{
    return r->folded;
}

/* ---------------------------------------------------------------- state -- */

void reports_save(const struct reports *r, size_t host, Wire__HealthStateHost *out)
{
    const struct host_log *log = &r->logs[host];

    out->host = r->hosts[host];
    out->next_sequence = log->next;
    out->n_told = log->told.n;
    out->told = pack_all(&log->told);
    out->n_pending = log->n_waiting;
    out->pending = xcalloc(log->n_waiting, sizeof *out->pending);
    for (size_t i = 0; i < log->n_waiting; i++) {
        out->pending[i] = pack(r->hosts[host], &log->waiting[i]);
    }
}

bool finding_unpack(struct finding *out, const Wire__HealthFinding *in)
{
    if ((unsigned)in->scope > SCOPE_LINK ||
        in->index >= finding_parts((enum finding_scope)in->scope) ||
        (unsigned)in->severity > SEVERITY_FATAL || strlen(in->check) >= sizeof out->check ||
        strlen(in->text) >= sizeof out->text) {
        return false;
    }
    *out = (struct finding){.scope = (enum finding_scope)in->scope,
                            .index = (uint8_t)in->index,
                            .severity = (enum severity)in->severity,
                            .since = {.ms = in->since_wall_ms}};
    (void)snprintf(out->check, sizeof out->check, "%s", in->check);
    (void)snprintf(out->text, sizeof out->text, "%s", in->text);
    return true;
}

static bool unpack_all(struct report *out, Wire__HealthFinding *const *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct finding f;
        if (!finding_unpack(&f, in[i])) {
            return false;
        }
        put(out, &f);
    }
    return true;
}

static void log_fini(struct host_log *log)
{
    for (size_t i = 0; i < log->n_waiting; i++) {
        free(log->waiting[i].findings);
    }
    free(log->waiting);
    free(log->open.findings);
    free(log->told.findings);
}

/* Numbers rise by one and end before the next. */
static bool unpack_log(struct host_log *log, const Wire__HealthStateHost *in)
{
    log->next = in->next_sequence;
    if (in->next_sequence == 0 || in->n_pending >= in->next_sequence ||
        !unpack_all(&log->told, in->told, in->n_told)) {
        return false;
    }
    for (size_t i = 0; i < in->n_pending; i++) {
        const Wire__HealthReport *report = in->pending[i];
        VEC_GROW(log->waiting, log->n_waiting, log->cap_waiting);
        struct report *out = &log->waiting[log->n_waiting++];
        *out = (struct report){.sequence = report->sequence, .at = {.ms = report->wall_ms}};
        if (report->sequence != in->next_sequence - in->n_pending + i ||
            !unpack_all(out, report->findings, report->n_findings)) {
            return false;
        }
    }
    return true;
}

bool reports_load(struct reports *r, size_t host, const Wire__HealthStateHost *in)
{
    struct host_log log = {0};

    assert(host < r->n);
    if (!unpack_log(&log, in)) {
        log_fini(&log);
        return false;
    }
    log_fini(&r->logs[host]);
    r->logs[host] = log;
    return true;
}

/* ------------------------------------------------------------ life cycle -- */

struct reports *reports_create(const uint16_t *hosts, size_t n, uint64_t instance)
{
    struct reports *r = xcalloc(1, sizeof *r);

    *r = (struct reports){.hosts = hosts, .n = n, .instance = instance};
    r->logs = xcalloc(n, sizeof *r->logs);
    for (size_t h = 0; h < n; h++) {
        r->logs[h].next = 1;
    }
    return r;
}

void reports_destroy(struct reports *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t h = 0; h < r->n; h++) {
        log_fini(&r->logs[h]);
    }
    free(r->logs);
    free(r);
}

uint64_t reports_instance(const struct reports *r)
{
    return r->instance;
}
