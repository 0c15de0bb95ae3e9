/* A list of domains, each with what it feeds:
 *
 *   1. A domain has a name of its own, and feeds something.
 *   2. What it feeds is a cube (with its hosts), a host or a switch of this pod.
 *   3. A part is fed by one domain; a host may have another than its cube. */
#include "config_power.h"

#include <stdlib.h>
#include <string.h>

#include "core/riskmap.h"
#include "mem.h"

/* Rule 2. */
static bool read_fed(struct part *out, const struct pod *pod, struct yconf *doc,
                     const struct yconf_node *item, const char *text)
{
    struct error err = {0};

    if (part_parse(out, text, &err) < 0) {
        yconf_fail(doc, item, "feeds", "%s", err.text);
        return false;
    }
    if (out->kind != PART_CUBE && out->kind != PART_HOST && out->kind != PART_OCS) {
        yconf_fail(doc, item, "feeds", "%s is a %s; a domain feeds cubes, hosts and switches", text,
                   part_kind_name(out->kind));
        return false;
    }
    if (out->cube >= pod->n_cubes) {
        yconf_fail(doc, item, "feeds", "%s: the pod has cubes 0 to %u", text, pod->n_cubes - 1U);
        return false;
    }
    return true;
}

/* Rule 3. */
static bool is_fed(const struct pod *pod, const struct part *part, const char **domain)
{
    for (size_t i = 0; i < pod->n_feeds; i++) {
        if (part_same(&pod->feeds[i].part, part)) {
            *domain = pod->feeds[i].domain;
            return true;
        }
    }
    return false;
}

/* Rule 1. */
static bool read_name(char name[static POWER_NAME_MAX], const struct pod *pod, struct yconf *doc,
                      const struct yconf_node *item)
{
    const char *text = yconf_str(doc, item, "domain", NULL);
    char full[sizeof "power/" + POWER_NAME_MAX];
    struct error err = {0};
    struct part part;

    if (text == NULL) {
        yconf_fail(doc, item, "domain", "is required");
        return false;
    }
    (void)snprintf(full, sizeof full, "power/%s", text);
    if (strlen(text) >= POWER_NAME_MAX || part_parse(&part, full, &err) < 0) {
        yconf_fail(doc, item, "domain", "%.80s is not 1 to 63 of A-Z a-z 0-9 . _ -", text);
        return false;
    }
    for (size_t i = 0; i < pod->n_feeds; i++) {
        if (strcmp(pod->feeds[i].domain, text) == 0) {
            yconf_fail(doc, item, "domain", "%s is there twice", text);
            return false;
        }
    }
    (void)snprintf(name, POWER_NAME_MAX, "%s", text);
    return true;
}

static void read_domain(struct pod *pod, struct yconf *doc, const struct yconf_node *item)
{
    const struct yconf_node *feeds = yconf_list(doc, item, "feeds");
    char name[POWER_NAME_MAX];
    const char *other;

    if (!read_name(name, pod, doc, item)) {
        return;
    }
    if (yconf_len(feeds) == 0) {
        yconf_fail(doc, item, "feeds", "%s feeds nothing", name);
    }
    size_t n = pod->n_feeds + yconf_len(feeds);
    pod->feeds = xrealloc_array(pod->feeds, n + 1, sizeof *pod->feeds);
    for (size_t i = 0; i < yconf_len(feeds) && yconf_error(doc, NULL) == 0; i++) {
        const char *text = yconf_item_str(doc, feeds, i);
        struct power_feed feed;
        if (yconf_error(doc, NULL) < 0 || !read_fed(&feed.part, pod, doc, item, text)) {
            return;
        }
        if (is_fed(pod, &feed.part, &other)) {
            yconf_fail(doc, item, "feeds", "%s is fed by %s already", text, other);
            return;
        }
        memcpy(feed.domain, name, sizeof name);
        pod->feeds[pod->n_feeds++] = feed;
    }
}

void config_read_power(struct pod *pod, struct yconf *doc, const struct yconf_node *list)
{
    if (yconf_len(list) > RISKMAP_POWER_MAX) {
        yconf_fail(doc, NULL, "power", "there are at most %d domains", RISKMAP_POWER_MAX);
    }
    for (size_t i = 0; i < yconf_len(list) && yconf_error(doc, NULL) == 0; i++) {
        const struct yconf_node *item = yconf_item_map(doc, list, i);
        read_domain(pod, doc, item);
        yconf_finish(doc, item);
    }
}

void config_print_power(const struct pod *pod, FILE *out)
{
    char name[80];

    (void)fputs(pod->n_feeds == 0 ? "power: []\n" : "power:\n", out);
    for (size_t i = 0; i < pod->n_feeds; i++) {
        const struct power_feed *feed = &pod->feeds[i];
        bool first = i == 0 || strcmp(pod->feeds[i - 1].domain, feed->domain) != 0;
        bool last = i + 1 == pod->n_feeds || strcmp(pod->feeds[i + 1].domain, feed->domain) != 0;
        if (first) {
            (void)fprintf(out, "  - {domain: \"%s\", feeds: [", feed->domain);
        }
        (void)fprintf(out, "%s\"%s\"%s", first ? "" : ", ", part_format(&feed->part, name),
                      last ? "]}\n" : "");
    }
}
