/* Which URLs a webhook may have. */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/courier.h"

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK && text[0] != '\0';

    curl_free(text);
    return has;
}

static bool is_scheme(CURLU *url, const char *scheme)
{
    char *text = NULL;
    bool is =
        curl_url_get(url, CURLUPART_SCHEME, &text, 0) == CURLUE_OK && strcmp(text, scheme) == 0;

    curl_free(text);
    return is;
}

/* NULL, or what is wrong. */
static const char *judge_url(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f) {
            return "must be visible ASCII: escape what is not";
        }
    }
    CURLU *url = curl_url();
    if (url == NULL) {
        abort();
    }
    const char *wrong = NULL;
    if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
        wrong = "is no URL, such as https://scheduler.example/podmgr";
    } else if (!is_scheme(url, "https") && !is_scheme(url, "http")) {
        wrong = "must begin with https:// or http://";
    } else if (!has_part(url, CURLUPART_HOST)) {
        wrong = "names no host";
    } else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD)) {
        wrong = "may hold no user or password: use a secret";
    } else if (strchr(text, '#') != NULL) {
        wrong = "may have no fragment";
    }
    curl_url_cleanup(url);
    return wrong;
}

int courier_check_url(const char *url, struct error *err)
{
    const char *wrong = judge_url(url);

    return wrong == NULL ? 0 : err_set(err, E_INVALID, "url: %s", wrong);
}
