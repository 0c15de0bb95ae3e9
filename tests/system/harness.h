/* A whole pod of real processes on Unix sockets in a directory of its own:
 * podsim, tpunetd, podmgr, and healthd if asked for.  For the system tests and the benches. */
#ifndef TESTS_SYSTEM_HARNESS_H
#define TESTS_SYSTEM_HARNESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pod_options {
    const char *dir;          /* where its directory is made; NULL: /tmp */
    unsigned cubes;           /* 0: 64 */
    double mirror_ms;         /* median of a batch; 0: at once */
    unsigned journal_keep;    /* 0: 100,000 */
    const char *extra_sim;    /* lines for podsim.yaml, or NULL */
    const char *extra_podmgr; /* lines for podmgr.yaml, or NULL */
    const char *extra_remedy; /* lines for its section remediation, and after it, or NULL */
    bool remedy;              /* podmgr mends by itself */
    bool halves;              /* a second tpunetd stands for the upper half of the cubes */
    unsigned remedy_budget;   /* cubes out at once, and swaps an hour; 0: the default */
    bool healthd;             /* one for all hosts */
    const char *rules;        /* of its policy, for healthd.yaml, or NULL */
    const char *golden;       /* text of its golden limits, or NULL */
};

struct pod {
    char dir[64];
    struct pod_options options;
    pid_t podsim, tpunetd, tpunetd_upper, podmgr, healthd;
};

/* Starts all three and waits until every host is healthy; aborts the test
 * program with the logs' place if that does not come about. */
struct pod *pod_up(const struct pod_options *options);
/* Ends every process by its id and removes the directory. */
void pod_down(struct pod *pod);

void pod_kill_podmgr(struct pod *pod); /* SIGKILL, and reaped */
void pod_start_podmgr(struct pod *pod);
void pod_kill_tpunetd(struct pod *pod);
void pod_start_tpunetd(struct pod *pod);
void pod_kill_healthd(struct pod *pod);
void pod_start_healthd(struct pod *pod);
/* Until podmgr is ready, all switches answer and all hosts have a lease. */
void pod_await_ready(struct pod *pod);

/* One request over podmgr's Unix socket.  `body` may be NULL.  Returns the
 * answer's JSON (NULL if it is none) and fills *status (0: no answer). */
json_t *http(const struct pod *pod, const char *method, const char *path, const char *body,
             long *status);
/* The same with a header line and the answer's ETag (32 bytes, may be NULL). */
json_t *http_with(const struct pod *pod, const char *method, const char *path, const char *header,
                  const char *body, long *status, char *etag);
/* Requests of one thread share a connection; a thread that ends closes it. */
void http_close(void);
/* The port that podmgr was given on loopback. */
unsigned pod_tcp_port(const struct pod *pod);
/* Over loopback TCP without authentication. */
json_t *http_tcp(const struct pod *pod, const char *method, const char *path, const char *body,
                 long *status);
/* Text of an answer that is not JSON; the caller frees. */
char *http_text(const struct pod *pod, const char *path, long *status);

/* Runs simctl with these words ("inject link link/5-3-0-2+x"); NULL if refused. */
json_t *sim(const struct pod *pod, const char *words);
/* Runs a built program and waits; returns its exit status, output to *out
 * (freed by the caller; stdout and stderr together). */
int run_program(const char *command, char **out);

/* Creates a slice, waits, and returns it (state ACTIVE or FAILED). */
json_t *slice_up(const struct pod *pod, const char *body);
/* Deletes and waits; true if it is gone. */
bool slice_down(const struct pod *pod, const char *id);
const char *str(const json_t *json, const char *key);
int64_t num(const json_t *json, const char *key);

double now_ms(void);
long rss_kib(pid_t pid);

/* Polls the condition, a few ms apart, for at most `limit_ms`. */
bool await_until(bool (*condition)(void *arg), void *arg, unsigned limit_ms);

#endif
