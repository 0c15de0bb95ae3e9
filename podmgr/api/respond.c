/* How a handler answers: text, JSON, or a problem document (RFC 9457) with a
 * stable code and a detail that names the field or part at fault. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/http.h"

void respond_text(struct request *req, int status, const char *content_type, char *text)
{
    assert(req->status == 0);
    req->status = status;
    req->content_type = content_type;
    req->answer = text;
    req->answer_len = strlen(text);
}

void respond_json(struct request *req, int status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(10));

    json_decref(json);
    assert(text != NULL);
    respond_text(req, status, status >= 400 ? "application/problem+json" : "application/json",
                 text);
}

void respond_gone(struct request *req, const char *state)
{
    char id[48];

    respond_json(req, 200, json_pack("{s:s,s:s}", "id", id_format(req->made, id), "state", state));
}

static const char *title_of(int status)
{
    switch (status) {
    case 400:
        return "Bad request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not found";
    case 405:
        return "Method not allowed";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 412:
        return "Precondition failed";
    case 413:
        return "Content too large";
    case 422:
        return "Unprocessable content";
    case 429:
        return "Too many requests";
    case 431:
        return "Request header fields too large";
    case 503:
        return "Service unavailable";
    default:
        return "Error";
    }
}

void respond_problem(struct request *req, int status, const char *code, const char *field,
                     const char *fmt, ...)
{
    char detail[640];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);

    /* A client's bytes may stand in the detail, and may be cut within a
     * character: jansson refuses bad UTF-8. */
    json_t *text = json_string(detail);
    for (char *c = detail; text == NULL && *c != '\0'; c++) {
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    }
    json_t *json =
        json_pack("{s:o,s:s,s:i,s:s,s:o}", "type", json_sprintf("urn:podmgr:problem:%s", code),
                  "title", title_of(status), "status", status, "code", code, "detail",
                  text != NULL ? text : json_string(detail));
    if (field != NULL) {
        (void)json_object_set_new(json, "field", json_string(field));
    }
    if (status == 503 || status == 429) {
        req->retry_after_s = 1;
    }
    respond_json(req, status, json);
}

int http_status_of(int err_code)
{
    switch ((enum err_code)err_code) {
    case E_INVALID:
    case E_PARSE:
        return 400;
    case E_DENIED:
        return 403;
    case E_NOT_FOUND:
        return 404;
    case E_CONFLICT:
    case E_FULL:
        return 409;
    case E_STALE:
        return 412;
    case E_MISMATCH:
        return 422;
    case E_TOO_LARGE:
        return 413;
    case E_BUSY:
        return 429;
    case E_UNREACHABLE:
    case E_TIMEOUT:
        return 503;
    case E_IO:
    case E_VERSION:
    case E_CORRUPT:
    case E_CONFIG:
        return 500;
    }
    return 500;
}
