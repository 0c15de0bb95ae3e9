/* Request bodies: JSON with nothing unexpected in it. */
#include <string.h>

#include "api/http.h"

/* jansson's own limit is 2,048; ours is checked before it recurses. */
static bool depth_is_fine(const char *text, size_t len)
{
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > API_JSON_DEPTH_MAX) {
                return false;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

json_t *body_object(struct request *req)
{
    json_error_t error;

    if (!depth_is_fine(req->body, req->body_len)) {
        respond_problem(req, 400, "malformed-json", NULL, "nested deeper than %d levels",
                        API_JSON_DEPTH_MAX);
        return NULL;
    }
    json_t *json = json_loadb(req->body != NULL ? req->body : "", req->body_len,
                              JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        respond_problem(req, 400, "malformed-json", NULL, "line %d, column %d: %s", error.line,
                        error.column, error.text);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        respond_problem(req, 400, "malformed-json", NULL, "the body must be a JSON object");
        return NULL;
    }
    return json;
}
