/* slice links: every inter-cube link of a slice, or one of them traced from
 * chip to chip, each piece by the name a technician finds it under. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "part.h"
#include "podctl/podctl.h"

static const char *text_at(const json_t *link, const char *key)
{
    const char *text = json_string_value(json_object_get(link, key));
    return text != NULL ? text : "";
}

/* One end of a link: a chip and its port. */
struct end {
    char chip[80], port[4];
    struct part part;
};

/* "chip/5-3-1-2+x" or "link/5-3-1-2+x"; false after a usage error. */
static bool parse_end(struct podctl *ctl, const char *text, struct end *end)
{
    bool is_chip = strncmp(text, "chip/", 5) == 0;
    char *name = xasprintf("%s%s", is_chip ? "link/" : "", is_chip ? text + 5 : text);
    struct error err;
    int status = part_parse(&end->part, name, &err);

    free(name);
    if (status < 0 || end->part.kind != PART_LINK) {
        (void)ctl_usage(ctl, "--trace: '%s' is not a chip and its port, such as chip/5-3-1-2+x",
                        text);
        return false;
    }
    (void)snprintf(end->chip, sizeof end->chip, "chip/%u-%u-%u-%u", end->part.cube, end->part.at[0],
                   end->part.at[1], end->part.at[2]);
    (void)snprintf(end->port, sizeof end->port, "%c%c", end->part.minus ? '-' : '+',
                   "xyz"[end->part.axis]);
    return true;
}

/* The link that begins or ends there, NULL if none does. */
static json_t *find_link(const json_t *links, const struct end *end, bool *from_plus)
{
    size_t i;
    json_t *link;

    *from_plus = !end->part.minus;
    json_array_foreach(links, i, link)
    {
        if (strcmp(text_at(link, *from_plus ? "from" : "to"), end->chip) == 0 &&
            strcmp(text_at(link, *from_plus ? "from_port" : "to_port"), end->port) == 0) {
            return link;
        }
    }
    return NULL;
}

static int no_link(struct podctl *ctl, const struct end *end)
{
    unsigned face = end->part.minus ? 0 : 3;

    if (end->part.at[end->part.axis] != face) {
        ctl_complain(ctl, "%s %s is a copper link inside cube/%u: no fibre, no switch", end->chip,
                     end->port, end->part.cube);
    } else {
        ctl_complain(ctl, "the slice has no link at %s %s: cube/%u is not one of its cubes",
                     end->chip, end->port, end->part.cube);
    }
    return PODCTL_REFUSED;
}

static char *port_name(const json_t *link, bool south)
{
    const char *slash = strchr(text_at(link, "ocs"), '/');

    return xasprintf("port/%s-%c-%" JSON_INTEGER_FORMAT, slash != NULL ? slash + 1 : "?",
                     south ? 's' : 'n',
                     json_integer_value(json_object_get(link, south ? "south" : "north")));
}

/* Where the fibre is plugged in at its cube. */
static char *fibre_note(const char *name)
{
    struct part part;

    if (part_parse(&part, name, NULL) < 0 || part.kind != PART_FIBRE) {
        return xstrdup("-");
    }
    return xasprintf("face/%u%c%c position %u,%u", part.cube, part.minus ? '-' : '+',
                     "xyz"[part.axis], part.a, part.b);
}

static void add_step(struct table *table, const char *what, char *name, char *note)
{
    table_cell(table, xstrdup(what));
    table_cell(table, name);
    table_cell(table, note);
}

static char *mirror_note(const json_t *link)
{
    const json_t *loss = json_object_get(link, "loss_db");

    if (!json_is_true(json_object_get(link, "connected"))) {
        return xstrdup("NOT CONNECTED");
    }
    return json_is_number(loss) ? xasprintf("connected, loss %.2f dB", json_number_value(loss))
                                : xstrdup("connected, loss unknown");
}

/* From the end that was asked for, through the switch, to the other one. */
static void print_trace(struct podctl *ctl, const json_t *link, bool from_plus)
{
    static const struct {
        const char *chip, *port, *fibre;
        bool south;
    } ends[2] = {{"from", "from_port", "link", false}, {"to", "to_port", "to_fibre", true}};
    const int first = from_plus ? 0 : 1, last = 1 - first;
    struct table *table = table_create_plain(3);

    add_step(table, "chip", xstrdup(text_at(link, ends[first].chip)),
             xasprintf("port %s", text_at(link, ends[first].port)));
    add_step(table, "fibre", xstrdup(text_at(link, ends[first].fibre)),
             fibre_note(text_at(link, ends[first].fibre)));
    add_step(table, "ocs port", port_name(link, ends[first].south),
             xstrdup(ends[first].south ? "south" : "north"));
    add_step(table, "mirror", xstrdup(text_at(link, "ocs")), mirror_note(link));
    add_step(table, "ocs port", port_name(link, ends[last].south),
             xstrdup(ends[last].south ? "south" : "north"));
    add_step(table, "fibre", xstrdup(text_at(link, ends[last].fibre)),
             fibre_note(text_at(link, ends[last].fibre)));
    add_step(table, "chip", xstrdup(text_at(link, ends[last].chip)),
             xasprintf("port %s", text_at(link, ends[last].port)));
    table_print(table, ctl->out, ctl->colour);
    table_destroy(table);
}

static int trace(struct podctl *ctl, const json_t *links, const struct end *end)
{
    bool from_plus;
    const json_t *link = find_link(links, end, &from_plus);

    if (link == NULL) {
        return no_link(ctl, end);
    }
    if (ctl->json) {
        ctl_print_json(ctl, link);
    } else {
        print_trace(ctl, link, from_plus);
    }
    return PODCTL_OK;
}

int cmd_slice_links(struct podctl *ctl)
{
    static const struct column columns[] = {
        {"FROM", "from", false},       {"PORT", "from_port", false},
        {"OCS", "ocs", false},         {"NORTH", "north", false},
        {"SOUTH", "south", false},     {"TO", "to", false},
        {"PORT", "to_port", false},    {"CONNECTED", "connected", false},
        {"LOSS dB", "loss_db", false}, {0},
    };
    const char *traced = args_value(&ctl->args, "trace");
    struct end end;
    char id[48];

    if (traced != NULL && !parse_end(ctl, traced, &end)) {
        return PODCTL_USAGE;
    }
    int code = ctl_slice_id(ctl, ctl->args.operands[0], id);
    json_t *json = code == PODCTL_OK ? ctl_get(ctl, &code, "/v1/slices/%s/links", id) : NULL;
    if (json != NULL && traced != NULL) {
        code = trace(ctl, json_object_get(json, "links"), &end);
    } else if (json != NULL) {
        ctl_print_list(ctl, json, "links", columns);
    }
    json_decref(json);
    return code;
}
