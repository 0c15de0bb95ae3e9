/* event: the journal, from a sequence number on, and what follows.
 *
 * Following is a chain of long polls, each from the last number seen, so a
 * podmgr that restarts meanwhile costs nothing but the time: no event is lost
 * and none is shown twice.  A new incarnation of the journal numbers anew and
 * is read from its start. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mem.h"
#include "podctl/podctl.h"

enum {
    SHOWN_BY_DEFAULT = 50,
    POLL_MS = 30 * 1000,
    RETRY_FIRST_MS = 100,
    RETRY_MAX_MS = 5000,
};

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL ? text : "";
}

/* Where to begin: --since, or so that the last few are shown. */
static int first_since(struct podctl *ctl, json_int_t *since)
{
    int code;

    if (!ctl_read_number(ctl, "since", 0, since)) {
        return PODCTL_USAGE;
    }
    if (args_has(&ctl->args, "since")) {
        return PODCTL_OK;
    }
    json_t *pod = ctl_get(ctl, &code, "/v1/pod");
    if (pod != NULL) {
        json_int_t last = json_integer_value(json_object_get(pod, "last_event"));
        *since = last > SHOWN_BY_DEFAULT ? last - SHOWN_BY_DEFAULT : 0;
    }
    json_decref(pod);
    return code;
}

/* ------------------------------------------------------------- once -- */

static int list(struct podctl *ctl, json_int_t since)
{
    static const struct column columns[] = {
        {"SEQ", "seq", false},         {"AT", "at", false},     {"TYPE", "type", false},
        {"SUBJECT", "subject", false}, {"DATA", "data", false}, {0},
    };
    json_t *all = NULL, *page;
    size_t n;
    int code;

    do {
        page = ctl_get(ctl, &code, "/v1/events?since=%" JSON_INTEGER_FORMAT, since);
        n = json_array_size(json_object_get(page, "events"));
        since = json_integer_value(json_object_get(page, "next"));
        if (all == NULL) {
            all = page;
        } else if (page != NULL) {
            (void)json_array_extend(json_object_get(all, "events"),
                                    json_object_get(page, "events"));
            (void)json_object_set(all, "next", json_object_get(page, "next"));
            json_decref(page);
        }
    } while (code == PODCTL_OK && n > 0);
    if (code == PODCTL_OK) {
        ctl_print_list(ctl, all, "events", columns);
    }
    json_decref(all);
    return code;
}

/* ---------------------------------------------------------- following -- */

static void print_event(struct podctl *ctl, const json_t *event)
{
    if (ctl->json) {
        (void)json_dumpf(event, ctl->out, JSON_COMPACT);
        (void)fputc('\n', ctl->out);
        return;
    }
    /* One at a time: widths are those that the names usually have. */
    char *data = json_cell(json_object_get(event, "data"));
    (void)fprintf(ctl->out, "%6" JSON_INTEGER_FORMAT "  %s  %-20s  %-16s  %s\n",
                  json_integer_value(json_object_get(event, "seq")), text_at(event, "at"),
                  text_at(event, "type"), text_at(event, "subject"), data);
    free(data);
}

struct follower {
    json_int_t since;
    char *incarnation; /* NULL before the first answer */
    unsigned retry_ms; /* 0 while podmgr answers */
};

static void take_answer(struct podctl *ctl, struct follower *f, const json_t *json)
{
    const char *incarnation = text_at(json, "incarnation");
    size_t i;
    json_t *event;

    if (f->incarnation != NULL && strcmp(f->incarnation, incarnation) != 0) {
        ctl_complain(ctl, "the journal begins anew (incarnation %s)", incarnation);
        f->since = 0;
    } else {
        json_array_foreach(json_object_get(json, "events"), i, event)
        {
            print_event(ctl, event);
        }
        f->since = json_integer_value(json_object_get(json, "next"));
    }
    free(f->incarnation);
    f->incarnation = xstrdup(incarnation);
    (void)fflush(ctl->out);
}

static void wait_to_retry(struct podctl *ctl, struct follower *f, const char *why)
{
    if (f->retry_ms == 0) {
        ctl_complain(ctl, "%s\npodctl: trying again from event %" JSON_INTEGER_FORMAT, why,
                     f->since);
        f->retry_ms = RETRY_FIRST_MS;
    }
    struct timespec pause = {f->retry_ms / 1000, (long)(f->retry_ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
    f->retry_ms = 2 * f->retry_ms > RETRY_MAX_MS ? RETRY_MAX_MS : 2 * f->retry_ms;
}

/* One poll: PODCTL_OK to go on. */
static int poll_once(struct podctl *ctl, struct follower *f)
{
    struct answer answer = {0};
    struct error err;
    char path[96];
    int code = PODCTL_OK;

    (void)snprintf(path, sizeof path, "/v1/events?since=%" JSON_INTEGER_FORMAT "&wait=%dms",
                   f->since, POLL_MS);
    int status = client_call(ctl->client, &(struct http_call){.path = path, .wait_ms = POLL_MS},
                             &answer, &err);
    if (status < 0 && f->incarnation == NULL) {
        ctl_complain(ctl, "%s", err.text);
        code = PODCTL_UNREACHABLE;
    } else if (status < 0) {
        wait_to_retry(ctl, f, err.text);
    } else if (answer.status >= 500) {
        wait_to_retry(ctl, f, text_at(answer.json, "detail"));
    } else if (answer.status >= 300) {
        code = ctl_refused(ctl, &answer);
    } else {
        f->retry_ms = 0;
        take_answer(ctl, f, answer.json);
    }
    json_decref(answer.json);
    return code;
}

static int follow(struct podctl *ctl, json_int_t since)
{
    struct follower f = {.since = since};
    int code = PODCTL_OK;

    while (code == PODCTL_OK && !ferror(ctl->out)) {
        code = poll_once(ctl, &f);
    }
    free(f.incarnation);
    return code;
}

int cmd_event(struct podctl *ctl)
{
    json_int_t since;
    int code = first_since(ctl, &since);

    if (code != PODCTL_OK) {
        return code;
    }
    return args_has(&ctl->args, "follow") ? follow(ctl, since) : list(ctl, since);
}
