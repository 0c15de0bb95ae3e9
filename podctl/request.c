/* What commands share: a request whose failure is told, names to ids, answers
 * as tables or as JSON. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "podctl/podctl.h"

enum { WAIT_DEFAULT_MS = 30 * 1000, WAIT_MAX_MS = 600 * 1000 };

static void print_complaint(struct podctl *ctl, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void print_complaint(struct podctl *ctl, const char *fmt, va_list ap)
{
    (void)fputs("podctl: ", ctl->err);
    (void)vfprintf(ctl->err, fmt, ap);
    (void)fputc('\n', ctl->err);
}

void ctl_complain(struct podctl *ctl, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_complaint(ctl, fmt, ap);
    va_end(ap);
}

int ctl_usage(struct podctl *ctl, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_complaint(ctl, fmt, ap);
    va_end(ap);
    return PODCTL_USAGE;
}

/* ------------------------------------------------------------- calling -- */

int ctl_refused(struct podctl *ctl, const struct answer *answer)
{
    const char *detail = json_string_value(json_object_get(answer->json, "detail"));
    const char *code = json_string_value(json_object_get(answer->json, "code"));

    if (ctl->json) {
        ctl_print_json(ctl, answer->json);
    }
    ctl_complain(ctl, "%s (%s)", detail != NULL ? detail : "refused without a reason",
                 code != NULL ? code : "no code");
    return PODCTL_REFUSED;
}

json_t *ctl_call(struct podctl *ctl, const struct http_call *call, int *exit_code)
{
    struct answer answer;
    struct error err;

    if (client_call(ctl->client, call, &answer, &err) < 0) {
        ctl_complain(ctl, "%s", err.text);
        *exit_code = PODCTL_UNREACHABLE;
        return NULL;
    }
    if (answer.status >= 300) {
        *exit_code = ctl_refused(ctl, &answer);
        json_decref(answer.json);
        return NULL;
    }
    *exit_code = PODCTL_OK;
    return answer.json;
}

json_t *ctl_get(struct podctl *ctl, int *exit_code, const char *path_fmt, ...)
{
    char *path = NULL;
    va_list ap;
    va_start(ap, path_fmt);
    if (vasprintf(&path, path_fmt, ap) < 0) {
        abort();
    }
    va_end(ap);
    json_t *json = ctl_call(ctl, &(struct http_call){.path = path}, exit_code);
    free(path);
    return json;
}

/* --------------------------------------------------------------- names -- */

/* "EPOCH-SEQUENCE", as podmgr writes ids. */
static bool looks_like_id(const char *text)
{
    size_t epoch = strspn(text, "0123456789");
    size_t sequence = text[epoch] == '-' ? strspn(text + epoch + 1, "0123456789") : 0;
    return epoch > 0 && sequence > 0 && text[epoch + 1 + sequence] == '\0';
}

static const char *skip_kind(const char *kind, const char *text)
{
    size_t len = strlen(kind);
    return strncmp(text, kind, len) == 0 && text[len] == '/' ? text + len + 1 : text;
}

static void complain_of_many(struct podctl *ctl, const char *name, const json_t *slices)
{
    char *ids = NULL;
    size_t i;
    json_t *slice;

    json_array_foreach(slices, i, slice)
    {
        char *longer = xasprintf("%s%s%s", ids != NULL ? ids : "", ids != NULL ? ", " : "",
                                 json_string_value(json_object_get(slice, "id")));
        free(ids);
        ids = longer;
    }
    ctl_complain(ctl, "%zu slices are named '%s': %s; say which by its id", json_array_size(slices),
                 name, ids);
    free(ids);
}

int ctl_slice_id(struct podctl *ctl, const char *operand, char id[static 48])
{
    const char *name = skip_kind("slice", operand);
    int code;

    if (looks_like_id(name) && strlen(name) < 48) {
        (void)snprintf(id, 48, "%s", name);
        return PODCTL_OK;
    }
    char *escaped = client_escape(name);
    json_t *json = ctl_get(ctl, &code, "/v1/slices?name=%s", escaped);
    free(escaped);
    if (json == NULL) {
        return code;
    }
    const json_t *slices = json_object_get(json, "slices");
    code = PODCTL_REFUSED;
    if (json_array_size(slices) == 0) {
        ctl_complain(ctl, "no slice has the id or name '%s'; see `podctl slice list`", name);
    } else if (json_array_size(slices) > 1) {
        complain_of_many(ctl, name, slices);
    } else {
        const json_t *slice = json_array_get(slices, 0);
        (void)snprintf(id, 48, "%s", json_string_value(json_object_get(slice, "id")));
        code = PODCTL_OK;
    }
    json_decref(json);
    return code;
}

char *ctl_part_segment(const char *kind, const char *operand)
{
    return client_escape(skip_kind(kind, operand));
}

/* ------------------------------------------------------------- options -- */

/* 500ms, 30s, 2m; a bare number is seconds. */
static bool parse_duration(const char *text, unsigned *ms)
{
    static const struct {
        const char *unit;
        unsigned long ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"", 1000}};
    char *end;

    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *ms = (unsigned)(n * units[i].ms);
            return errno == 0 && n <= WAIT_MAX_MS / units[i].ms;
        }
    }
    return false;
}

bool ctl_read_wait(struct podctl *ctl, unsigned *wait_ms)
{
    const char *text = args_value(&ctl->args, "wait");

    if (args_has(&ctl->args, "wait") && args_has(&ctl->args, "no-wait")) {
        (void)ctl_usage(ctl, "give --wait or --no-wait, not both");
        return false;
    }
    *wait_ms = args_has(&ctl->args, "no-wait") ? 0 : WAIT_DEFAULT_MS;
    if (text != NULL && !parse_duration(text, wait_ms)) {
        (void)ctl_usage(ctl, "--wait: '%s' is not a duration up to 600s, such as 500ms, 30s or 2m",
                        text);
        return false;
    }
    return true;
}

bool ctl_read_number(struct podctl *ctl, const char *option, json_int_t dflt, json_int_t *out)
{
    const char *text = args_value(&ctl->args, option);
    char *end;

    *out = dflt;
    if (text == NULL) {
        return true;
    }
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0) {
        (void)ctl_usage(ctl, "--%s: '%s' is not a number", option, text);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------ printing -- */

void ctl_print_json(struct podctl *ctl, const json_t *json)
{
    (void)json_dumpf(json, ctl->out, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    (void)fputc('\n', ctl->out);
}

void ctl_print_list(struct podctl *ctl, const json_t *json, const char *key,
                    const struct column *columns)
{
    if (ctl->json) {
        ctl_print_json(ctl, json);
        return;
    }
    struct table *table = table_of_list(json_object_get(json, key), columns);
    table_print(table, ctl->out, ctl->colour);
    table_destroy(table);
}

void ctl_print_fields(struct podctl *ctl, const json_t *json, const struct column *fields)
{
    struct table *table = table_of_fields(json, fields);

    table_print(table, ctl->out, ctl->colour);
    table_destroy(table);
}
