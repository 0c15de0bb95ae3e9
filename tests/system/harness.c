#include "harness.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

enum { READY_MS = 20000, HTTP_MS = 60000, POLL_MS = 3, STOP_MS = 10000, JOURNAL_KEEP = 100000 };

static const char *build_dir(void)
{
    const char *dir = getenv("BUILD");
    return dir != NULL ? dir : "build";
}

static void die(const struct pod *pod, const char *what)
{
    (void)fprintf(stderr, "harness: %s; logs in %s\n", what, pod->dir);
    exit(1);
}

double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

bool await_until(bool (*condition)(void *arg), void *arg, unsigned limit_ms)
{
    double end = now_ms() + limit_ms;

    while (!condition(arg)) {
        if (now_ms() > end) {
            return false;
        }
        (void)poll(NULL, 0, POLL_MS);
    }
    return true;
}

/* -------------------------------------------------------------- processes -- */

/* Its output goes to DIR/NAME.log; it dies with us. */
static pid_t spawn(const struct pod *pod, const char *name, char *const argv[])
{
    char log[128], program[256];
    pid_t parent = getpid();
    pid_t pid;

    (void)snprintf(log, sizeof log, "%s/%s.log", pod->dir, name);
    (void)snprintf(program, sizeof program, "%s/bin/%s", build_dir(), name);
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0) {
            _exit(126);
        }
        (void)execv(program, argv);
        _exit(127);
    }
    return pid;
}

static bool has_ended(void *arg)
{
    pid_t *pid = arg;

    if (*pid > 0 && waitpid(*pid, NULL, WNOHANG) != 0) {
        *pid = 0;
    }
    return *pid == 0;
}

static void end_process(pid_t *pid, int sig)
{
    if (*pid > 0) {
        (void)kill(*pid, sig);
        if (!await_until(has_ended, pid, STOP_MS)) {
            (void)kill(*pid, SIGKILL);
            (void)waitpid(*pid, NULL, 0);
            *pid = 0;
        }
    }
}

static void write_file(const struct pod *pod, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void write_file(const struct pod *pod, const char *name, const char *fmt, ...)
{
    char path[128];
    va_list ap;

    (void)snprintf(path, sizeof path, "%s/%s", pod->dir, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        die(pod, "cannot write a configuration");
    }
    va_start(ap, fmt);
    (void)vfprintf(file, fmt, ap);
    va_end(ap);
    (void)fclose(file);
}

static void write_configs(const struct pod *pod)
{
    const struct pod_options *o = &pod->options;
    char budget[80] = "";

    if (o->remedy_budget > 0) {
        (void)snprintf(budget, sizeof budget, "  cubes_out_max: %u\n  swaps_per_hour_max: %u\n",
                       o->remedy_budget < o->cubes ? o->remedy_budget : o->cubes, o->remedy_budget);
    }

    write_file(pod, "podsim.yaml",
               "pod: test\ncubes: %u\nseed: 7\nmirror_time_ms: {median: %g}\n"
               "ocs_url: \"ipc://%s/ocs-%%u.sock\"\nfabric_url: \"ipc://%s/fabric.sock\"\n"
               "control_url: \"ipc://%s/control.sock\"\nprobe_url: \"ipc://%s/probe.sock\"\n%s",
               o->cubes, o->mirror_ms, pod->dir, pod->dir, pod->dir, pod->dir,
               o->extra_sim != NULL ? o->extra_sim : "");
    write_file(
        pod, "podmgr.yaml",
        "pod: {id: test, cubes: %u}\nocs: {url: \"ipc://%s/ocs-%%u.sock\"}\n"
        "agents: {url: \"ipc://%s/agents.sock\", health_url: \"ipc://%s/health.sock\"}\n"
        "listen: {http: \"127.0.0.1:0\", socket: \"%s/podmgr.sock\"}\n"
        "state: {database: \"%s/podmgr.db\", journal_keep: %u}\nremediation:\n  mode: %s\n%s%s%s",
        o->cubes, pod->dir, pod->dir, pod->dir, pod->dir, pod->dir,
        o->journal_keep != 0 ? o->journal_keep : JOURNAL_KEEP, o->remedy ? "auto" : "off", budget,
        o->extra_remedy != NULL ? o->extra_remedy : "",
        o->extra_podmgr != NULL ? o->extra_podmgr : "");
}

static void write_healthd_config(const struct pod *pod)
{
    const struct pod_options *o = &pod->options;
    char golden[128] = "";

    if (o->golden != NULL) {
        write_file(pod, "golden.yaml", "%s", o->golden);
        (void)snprintf(golden, sizeof golden, "golden: \"%s/golden.yaml\"\n", pod->dir);
    }
    write_file(pod, "healthd.yaml",
               "pod: test\nname: h1\ncubes: %u\nhosts: all\nperiod_ms: 100\nlease_ms: 250\n"
               "probe_url: \"ipc://%s/probe.sock\"\npodmgr_url: \"ipc://%s/health.sock\"\n"
               "state_file: \"%s/healthd.state\"\n%s%s",
               o->cubes, pod->dir, pod->dir, pod->dir, golden, o->rules != NULL ? o->rules : "");
}

static void start_podsim(struct pod *pod)
{
    char config[128];
    (void)snprintf(config, sizeof config, "%s/podsim.yaml", pod->dir);
    pod->podsim = spawn(pod, "podsim", (char *[]){"podsim", "--config", config, NULL});
}

static pid_t start_tpunetd(struct pod *pod, char *name, char *hosts)
{
    char fabric[128], podmgr[128], cubes[16], epoch[128];

    (void)snprintf(epoch, sizeof epoch, "%s/%s.epoch", pod->dir, name);
    (void)snprintf(fabric, sizeof fabric, "ipc://%s/fabric.sock", pod->dir);
    (void)snprintf(podmgr, sizeof podmgr, "ipc://%s/agents.sock", pod->dir);
    (void)snprintf(cubes, sizeof cubes, "%u", pod->options.cubes);
    return spawn(pod, "tpunetd",
                 (char *[]){"tpunetd", "--pod", "test", "--hosts", hosts, "--cubes", cubes,
                            "--fabric", fabric, "--podmgr", podmgr, "--name", name, "--epoch-file",
                            epoch, NULL});
}

void pod_start_tpunetd(struct pod *pod)
{
    unsigned cubes = pod->options.cubes;
    char lower[32] = "all", upper[32];

    if (pod->options.halves) {
        (void)snprintf(lower, sizeof lower, "0-0..%u-15", cubes / 2 - 1);
        (void)snprintf(upper, sizeof upper, "%u-0..%u-15", cubes / 2, cubes - 1);
        pod->tpunetd_upper = start_tpunetd(pod, "t2", upper);
    }
    pod->tpunetd = start_tpunetd(pod, "t1", lower);
}

void pod_start_podmgr(struct pod *pod)
{
    char config[128];
    (void)snprintf(config, sizeof config, "%s/podmgr.yaml", pod->dir);
    pod->podmgr = spawn(pod, "podmgr", (char *[]){"podmgr", "--config", config, NULL});
}

void pod_start_healthd(struct pod *pod)
{
    char config[128];
    (void)snprintf(config, sizeof config, "%s/healthd.yaml", pod->dir);
    pod->healthd = spawn(pod, "healthd", (char *[]){"healthd", "--config", config, NULL});
}

void pod_kill_healthd(struct pod *pod)
{
    end_process(&pod->healthd, SIGKILL);
}

void pod_kill_podmgr(struct pod *pod)
{
    end_process(&pod->podmgr, SIGKILL);
}

void pod_kill_tpunetd(struct pod *pod)
{
    end_process(&pod->tpunetd, SIGKILL);
    end_process(&pod->tpunetd_upper, SIGKILL);
}

static bool is_ready(void *arg)
{
    const struct pod *pod = arg;
    long status;
    json_t *json = http(pod, "GET", "/v1/pod", NULL, &status);
    bool ready = status == 200 && num(json, "ocs_reachable") == 48 &&
                 num(json, "hosts_healthy") == num(json, "hosts");

    json_decref(json);
    return ready;
}

void pod_await_ready(struct pod *pod)
{
    if (!await_until(is_ready, pod, READY_MS)) {
        die(pod, "the pod did not become ready");
    }
}

struct pod *pod_up(const struct pod_options *options)
{
    struct pod *pod = xcalloc(1, sizeof *pod);

    pod->options = *options;
    pod->options.cubes = options->cubes != 0 ? options->cubes : 64;
    (void)snprintf(pod->dir, sizeof pod->dir, "%s/podmgr-test-XXXXXX",
                   options->dir != NULL ? options->dir : "/tmp");
    if (mkdtemp(pod->dir) == NULL) {
        die(pod, "cannot make a directory");
    }
    write_configs(pod);
    start_podsim(pod);
    pod_start_podmgr(pod);
    pod_start_tpunetd(pod);
    if (pod->options.healthd) {
        write_healthd_config(pod);
        pod_start_healthd(pod);
    }
    pod_await_ready(pod);
    return pod;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void pod_down(struct pod *pod)
{
    end_process(&pod->podmgr, SIGTERM);
    end_process(&pod->tpunetd, SIGTERM);
    end_process(&pod->tpunetd_upper, SIGTERM);
    end_process(&pod->healthd, SIGTERM);
    end_process(&pod->podsim, SIGTERM);
    if (getenv("KEEP") == NULL) {
        (void)nftw(pod->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    free(pod);
}

long rss_kib(pid_t pid)
{
    char path[64], line[128];
    long kib = -1;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}

/* ------------------------------------------------------------------- http -- */

struct text {
    char *bytes;
    size_t len, cap;
};

static size_t take_bytes(char *data, size_t size, size_t n, void *arg)
{
    struct text *text = arg;

    if (text->len + size * n + 1 > text->cap) {
        text->cap = 2 * (text->len + size * n + 1);
        text->bytes = xrealloc_array(text->bytes, text->cap, 1);
    }
    memcpy(text->bytes + text->len, data, size * n);
    text->len += size * n;
    text->bytes[text->len] = '\0';
    return size * n;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
    char *etag = arg;

    if (etag != NULL && size * n > 8 && strncasecmp(data, "ETag: ", 6) == 0) {
        (void)snprintf(etag, 32, "%.*s", (int)(size * n - 8), data + 6);
    }
    return size * n;
}

struct exchange {
    const char *method, *url, *socket, *header, *body;
    char *etag;
};

static _Thread_local CURL *easy; /* one connection a thread, kept open */

void http_close(void)
{
    curl_easy_cleanup(easy);
    easy = NULL;
}

static CURL *easy_handle(void)
{
    if (easy == NULL) {
        easy = curl_easy_init();
    }
    curl_easy_reset(easy);
    return easy;
}

static char *exchange(const struct exchange *x, long *status)
{
    CURL *handle = easy_handle();
    struct curl_slist *headers = NULL;
    struct text text = {0};

    *status = 0;
    headers = curl_slist_append(headers, "Expect:");
    if (x->header != NULL) {
        headers = curl_slist_append(headers, x->header);
    }
    (void)curl_easy_setopt(handle, CURLOPT_URL, x->url);
    if (x->socket != NULL) {
        (void)curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, x->socket);
    }
    (void)curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, x->method);
    (void)curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)HTTP_MS);
    (void)curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_bytes);
    (void)curl_easy_setopt(handle, CURLOPT_WRITEDATA, &text);
    (void)curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(handle, CURLOPT_HEADERDATA, x->etag);
    if (x->body != NULL) {
        (void)curl_easy_setopt(handle, CURLOPT_POSTFIELDS, x->body);
    }
    if (curl_easy_perform(handle) == CURLE_OK) {
        (void)curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, status);
    }
    curl_slist_free_all(headers);
    return text.bytes;
}

static json_t *exchange_json(const struct exchange *x, long *status)
{
    char *text = exchange(x, status);
    json_t *json = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    free(text);
    return json;
}

json_t *http_with(const struct pod *pod, const char *method, const char *path, const char *header,
                  const char *body, long *status, char *etag)
{
    char socket[128], url[2048];

    (void)snprintf(socket, sizeof socket, "%s/podmgr.sock", pod->dir);
    (void)snprintf(url, sizeof url, "http://podmgr%s", path);
    return exchange_json(&(struct exchange){method, url, socket, header, body, etag}, status);
}

json_t *http(const struct pod *pod, const char *method, const char *path, const char *body,
             long *status)
{
    return http_with(pod, method, path, NULL, body, status, NULL);
}

/* podmgr says it in its log. */
unsigned pod_tcp_port(const struct pod *pod)
{
    char path[128], line[512];
    unsigned port = 0;

    (void)snprintf(path, sizeof path, "%s/podmgr.log", pod->dir);
    FILE *log = fopen(path, "r");
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, "http://127.0.0.1:");
        if (at != NULL) {
            port = (unsigned)strtoul(at + strlen("http://127.0.0.1:"), NULL, 10);
        }
    }
    if (log != NULL) {
        (void)fclose(log);
    }
    return port;
}

json_t *http_tcp(const struct pod *pod, const char *method, const char *path, const char *body,
                 long *status)
{
    char url[2048];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", pod_tcp_port(pod), path);
    return exchange_json(&(struct exchange){method, url, NULL, NULL, body, NULL}, status);
}

char *http_text(const struct pod *pod, const char *path, long *status)
{
    char socket[128], url[2048];

    (void)snprintf(socket, sizeof socket, "%s/podmgr.sock", pod->dir);
    (void)snprintf(url, sizeof url, "http://podmgr%s", path);
    return exchange(&(struct exchange){"GET", url, socket, NULL, NULL, NULL}, status);
}

/* --------------------------------------------------------------- commands -- */

int run_program(const char *command, char **out)
{
    struct text text = {0};
    char line[4096];
    size_t n;
    char *full = xasprintf("%s/bin/%s 2>&1", build_dir(), command);
    FILE *pipe = popen(full, "r"); /* NOLINT(cert-env33-c): fixed words of the test */

    free(full);
    while (pipe != NULL && (n = fread(line, 1, sizeof line, pipe)) > 0) {
        (void)take_bytes(line, 1, n, &text);
    }
    *out = text.bytes != NULL ? text.bytes : xstrdup("");
    int status = pipe != NULL ? pclose(pipe) : -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

json_t *sim(const struct pod *pod, const char *words)
{
    char *command = xasprintf("simctl --url ipc://%s/control.sock %s", pod->dir, words);
    char *out;
    int status = run_program(command, &out);
    json_t *json = status == 0 ? json_loads(out, 0, NULL) : NULL;

    free(command);
    free(out);
    return json;
}

const char *str(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL ? text : "";
}

int64_t num(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

json_t *slice_up(const struct pod *pod, const char *body)
{
    long status;
    return http(pod, "POST", "/v1/slices?wait=30s", body, &status);
}

bool slice_down(const struct pod *pod, const char *id)
{
    char path[128];
    long status;

    (void)snprintf(path, sizeof path, "/v1/slices/%s?wait=30s", id);
    json_t *json = http(pod, "DELETE", path, NULL, &status);
    bool gone = status == 200 && strcmp(str(json, "state"), "DELETED") == 0;
    json_decref(json);
    return gone;
}
