/* simctl's commands: a table of names, each from arguments to JSON. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "flit.h"
#include "mem.h"
#include "rpc.h"
#include "serve.h"
#include "sim.pb-c.h"
#include "sim_wiring.h"

struct control_endpoint {
    struct podsim *p;
    struct rpc_server *rpc;
};

struct args {
    size_t n;
    char **v;
};
/* NULL after filling *err. */
typedef json_t *command_fn(struct world *w, struct args *args, struct error *err);

/* Takes `name VALUE` from what follows the operands; NULL if it is not there. */
static const char *take_option(struct args *args, size_t operands, const char *name)
{
    for (size_t i = operands; i + 1 < args->n; i += 2) {
        if (strcmp(args->v[i], name) == 0) {
            const char *value = args->v[i + 1];
            args->n -= 2;
            memmove(&args->v[i], &args->v[i + 2], (args->n - i) * sizeof *args->v);
            return value;
        }
    }
    return NULL;
}

static bool take_flag(struct args *args, const char *name)
{
    for (size_t i = 0; i < args->n; i++) {
        if (strcmp(args->v[i], name) == 0) {
            args->n--;
            memmove(&args->v[i], &args->v[i + 1], (args->n - i) * sizeof *args->v);
            return true;
        }
    }
    return false;
}

/* What is left after the options must be the operands. */
static bool check_operands(const struct args *args, size_t operands, const char *usage,
                           struct error *err)
{
    if (args->n > operands) {
        (void)err_set(err, E_INVALID, "'%s' is not understood; write: %s", args->v[operands],
                      usage);
    } else if (args->n < operands) {
        (void)err_set(err, E_INVALID, "write: %s", usage);
    }
    return args->n == operands;
}

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

/* -------------------------------------------------------------- listings -- */

static json_t *faults_json(const struct world *w)
{
    json_t *list = json_array();

    for (const struct fault *f = w->faults; f != NULL; f = f->next) {
        char target[80], with[80];
        json_t *item =
            json_pack("{s:i,s:s,s:s,s:f,s:o}", "id", f->id, "kind", fault_kind_name(f), "target",
                      part_format(&f->target, target), "since_s", seconds(f->since_ns), "until_s",
                      f->until_ns > 0 ? json_real(seconds(f->until_ns)) : json_null());
        if (f->with.kind == PART_FIBRE && strcmp(fault_kind_name(f), "swapped-fibres") == 0) {
            (void)json_object_set_new(item, "with", json_string(part_format(&f->with, with)));
        }
        (void)json_array_append_new(list, item);
    }
    return list;
}

static unsigned circuits_of(const struct sim_ocs *o)
{
    unsigned n = 0;
    for (unsigned p = 0; p < SIM_PORTS_MAX; p++) {
        n += o->map[p] != SIM_NONE;
    }
    return n;
}

static json_t *status(struct world *w, struct args *args, struct error *err)
{
    unsigned circuits = 0, agents = 0, up = 0;

    if (!check_operands(args, 0, "status", err)) {
        return NULL;
    }
    for (unsigned o = 0; o < SIM_OCSES; o++) {
        circuits += circuits_of(&w->ocs[o]);
        agents += w->ocs[o].agent_down == 0;
    }
    for (uint32_t i = 0; i < w->n_chips * SIM_CHIP_PORTS; i++) {
        up += w->seen[i] != UINT32_MAX;
    }
    return json_pack("{s:s,s:i,s:i,s:i,s:i,s:i,s:f,s:o}", "pod", w->config->pod, "cubes",
                     w->config->cubes, "chips", w->n_chips, "circuits", circuits, "agents_up",
                     agents, "links_up", up / 2, "time_s", seconds(evq_now_ns(w->evq)), "faults",
                     faults_json(w));
}

static json_t *kinds(struct world *w, struct args *args, struct error *err)
{
    const struct fault_kind_info *info;

    (void)w;
    if (!check_operands(args, 0, "kinds", err)) {
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; (info = fault_kind_at(i)) != NULL; i++) {
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:s,s:s?,s:s}", "kind", info->name, "target",
                                              info->target, "set", info->key, "help", info->help));
    }
    return json_pack("{s:o}", "kinds", list);
}

/* ------------------------------------------------------------------ dump -- */

static json_t *ocs_json(const struct world *w)
{
    json_t *list = json_array();

    for (unsigned o = 0; o < SIM_OCSES; o++) {
        const struct sim_ocs *ocs = &w->ocs[o];
        json_t *map = json_array();
        for (unsigned p = 0; p < SIM_PORTS_MAX; p++) {
            if (ocs->map[p] != SIM_NONE) {
                (void)json_array_append_new(map, json_pack("[i,i]", p, ocs->map[p]));
            }
        }
        (void)json_array_append_new(list, json_pack("{s:i,s:o,s:s,s:I,s:I}", "id", o, "map", map,
                                                    "boot_id", ocs->boot_id, "epoch",
                                                    (json_int_t)ocs->claim.epoch, "generation",
                                                    (json_int_t)ocs->generation));
    }
    return list;
}

static json_t *link_json(uint32_t chip, unsigned port)
{
    char name[32];
    sim_chip_name(chip, name);
    return json_sprintf("link%s%c%c", strchr(name, '/'), port % 2 != 0 ? '-' : '+',
                        "xyz"[port / 2]);
}

/* "neighbours": every port that sees somebody, and whom; "down_links": the ports
 * that copper or a circuit connects, yet they see nobody. */
static void add_links(json_t *json, const struct world *w)
{
    json_t *neighbours = json_array(), *down = json_array();

    for (uint32_t i = 0; i < w->n_chips * SIM_CHIP_PORTS; i++) {
        uint32_t chip = i / SIM_CHIP_PORTS, peer;
        unsigned port = i % SIM_CHIP_PORTS, peer_port;
        if (world_peer(w, chip, port, &peer, &peer_port)) {
            (void)json_array_append_new(
                neighbours, json_pack("[o,o]", link_json(chip, port), link_json(peer, peer_port)));
        } else if (world_wired(w, chip, port, &peer, &peer_port)) {
            (void)json_array_append_new(down, link_json(chip, port));
        }
    }
    (void)json_object_set_new(json, "neighbours", neighbours);
    (void)json_object_set_new(json, "down_links", down);
}

static char *hex(const struct sim_row *row)
{
    static const char digits[] = "0123456789abcdef";
    char *text = xmalloc(2 * (size_t)row->len + 1);

    for (size_t i = 0; i < row->len; i++) {
        text[2 * i] = digits[row->bytes[i] >> 4];
        text[2 * i + 1] = digits[row->bytes[i] & 15];
    }
    text[2 * (size_t)row->len] = '\0';
    return text;
}

/* Per chip the distinct rows in hex, and which row each class uses. */
static json_t *table_json(const struct sim_bank *bank)
{
    json_t *rows = json_array(), *classes = json_array();

    for (unsigned c = 0; c < SIM_CLASSES; c++) {
        unsigned same = 0;
        while (same < c && bank->rows[same] != bank->rows[c]) {
            same++;
        }
        if (bank->rows[c] == NULL) {
            (void)json_array_append_new(classes, json_null());
        } else if (same < c) {
            (void)json_array_append(classes, json_array_get(classes, same));
        } else {
            char *text = hex(bank->rows[c]);
            (void)json_array_append_new(classes, json_integer((json_int_t)json_array_size(rows)));
            (void)json_array_append_new(rows, json_string(text));
            free(text);
        }
    }
    return json_pack("{s:s,s:I,s:I,s:i,s:o,s:o}", "slice", bank->stamp.slice, "epoch",
                     (json_int_t)bank->stamp.epoch, "generation",
                     (json_int_t)bank->stamp.generation, "self", bank->self, "classes", classes,
                     "rows", rows);
}

static json_t *tables_json(const struct world *w)
{
    json_t *tables = json_object();

    for (uint32_t c = 0; c < w->n_chips; c++) {
        char name[32];
        if (w->chips[c].active.rows[0] != NULL) {
            sim_chip_name(c, name);
            (void)json_object_set_new(tables, name, table_json(&w->chips[c].active));
        }
    }
    return tables;
}

static json_t *dump(struct world *w, struct args *args, struct error *err)
{
    bool tables = take_flag(args, "--tables");

    (void)take_flag(args, "--json"); /* which it is anyway */
    if (!check_operands(args, 0, "dump [--json] [--tables]", err)) {
        return NULL;
    }
    json_t *json = json_pack("{s:f,s:o,s:o}", "time", seconds(evq_now_ns(w->evq)), "ocs",
                             ocs_json(w), "faults", faults_json(w));
    add_links(json, w);
    if (tables) {
        (void)json_object_set_new(json, "tables", tables_json(w));
    }
    return json;
}

/* --------------------------------------------------------------- actions -- */

static int parse_duration(const char *text, int64_t *ns, struct error *err)
{
    char *end;
    double n = strtod(text, &end);
    double unit = strcmp(end, "ms") == 0  ? 1e6
                  : strcmp(end, "s") == 0 ? 1e9
                  : strcmp(end, "m") == 0 ? 60e9
                  : strcmp(end, "h") == 0 ? 3600e9
                                          : 0;

    if (unit == 0 || !(n > 0) || n * unit > 1e18) {
        return err_set(err, E_INVALID, "--for: '%s' is not a duration such as 10s or 500ms", text);
    }
    *ns = (int64_t)(n * unit);
    return 0;
}

static json_t *inject(struct world *w, struct args *args, struct error *err)
{
    const char *duration = take_option(args, 2, "--for"), *set = take_option(args, 2, "--set");
    struct fault_request request = {0};
    char *key = NULL, *equals;

    if (!check_operands(args, 2, "inject KIND TARGET [--for 10s] [--set KEY=VALUE]", err)) {
        return NULL;
    }
    if (duration != NULL && parse_duration(duration, &request.for_ns, err) < 0) {
        return NULL;
    }
    if (set != NULL) {
        key = xstrdup(set);
        equals = strchr(key, '=');
        request.value = equals != NULL ? equals + 1 : "";
        key[strcspn(key, "=")] = '\0';
    }
    request.key = key;
    request.kind = args->v[0];
    request.target = args->v[1];
    int status_code = fault_inject(w, &request, err);
    free(key);
    return status_code < 0 ? NULL
                           : json_pack("{s:s,s:s,s:i}", "injected", args->v[0], "target",
                                       args->v[1], "id", w->next_fault - 1);
}

static json_t *heal(struct world *w, struct args *args, struct error *err)
{
    if (!check_operands(args, 1, "heal TARGET, or: heal all", err)) {
        return NULL;
    }
    int healed = fault_heal(w, args->v[0], err);
    return healed < 0 ? NULL : json_pack("{s:i}", "healed", healed);
}

static bool parse_chip(const struct world *w, const char *text, uint32_t *chip, struct error *err)
{
    struct part part;

    if (part_parse(&part, text, err) < 0) {
        return false;
    }
    if (part.kind != PART_CHIP || part.cube >= w->config->cubes) {
        (void)err_set(err, E_INVALID, "%s is no chip of this pod; write chip/5-3-0-2", text);
        return false;
    }
    *chip = sim_chip_number(part.cube, part.at);
    return true;
}

static json_t *send_flit(struct world *w, struct args *args, struct error *err)
{
    struct sim_hop hops[SIM_HOPS_MAX];
    uint32_t src, dst;
    size_t n;

    if (!check_operands(args, 2, "send SRC DST, such as chip/0-0-0-0 chip/1-3-3-3", err) ||
        !parse_chip(w, args->v[0], &src, err) || !parse_chip(w, args->v[1], &dst, err) ||
        sim_send(w, src, dst, hops, &n, err) < 0) {
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(list, json_pack("{s:o,s:i}", "link",
                                                    link_json(hops[i].chip, hops[i].port), "vc",
                                                    hops[i].vc));
    }
    return json_pack("{s:i,s:o}", "hops", (int)n, "path", list);
}

/* Link changes after a sequence number. */
static json_t *watch(struct world *w, struct args *args, struct error *err)
{
    const char *text = take_option(args, 0, "--since");
    char *end = NULL;
    uint64_t seq = text != NULL ? strtoull(text, &end, 10) : w->log_next;
    uint64_t oldest = w->log_next > SIM_LINK_LOG ? w->log_next - SIM_LINK_LOG : 1;

    if (!check_operands(args, 0, "watch [--since SEQ]", err)) {
        return NULL;
    }
    if (text != NULL && (*text < '0' || *text > '9' || *end != '\0')) {
        (void)err_set(err, E_INVALID, "--since: '%s' is not a number", text);
        return NULL;
    }
    json_t *list = json_array();
    for (seq = seq < oldest ? oldest : seq; seq < w->log_next; seq++) {
        const struct sim_link_event *ev = &w->log[seq % SIM_LINK_LOG];
        (void)json_array_append_new(list,
                                    json_pack("{s:I,s:o,s:b}", "seq", (json_int_t)ev->seq, "link",
                                              link_json(ev->chip, ev->port), "up", ev->up));
    }
    return json_pack("{s:I,s:o}", "next", (json_int_t)w->log_next, "events", list);
}

static const struct {
    const char *name;
    command_fn *fn;
} commands[] = {
    {"status", status}, {"kinds", kinds},    {"inject", inject}, {"heal", heal},
    {"dump", dump},     {"send", send_flit}, {"watch", watch},
};

/* ------------------------------------------------------------- endpoint -- */

static json_t *run_command(struct control_endpoint *e, const char *name, struct args *args,
                           struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            json_t *json = commands[i].fn(podsim_tick(e->p), args, err);
            podsim_arm(e->p);
            return json;
        }
    }
    (void)err_set(err, E_INVALID,
                  "no command '%s'; there are status, kinds, inject, heal, dump, send, watch",
                  name);
    return NULL;
}

/* The JSON as text, or NULL with the reason in *err. */
static char *answer(struct control_endpoint *e, const Wire__SimRequest *in, struct error *err)
{
    if (in == NULL || in->version != RPC_VERSION) {
        (void)err_set(err, E_VERSION, "not a SimRequest of version %d", RPC_VERSION);
        return NULL;
    }
    /* The list is used up by the command; the words stay the message's. */
    struct args args = {.n = in->n_args, .v = xmemdup(in->args, in->n_args * sizeof *in->args)};
    json_t *json = run_command(e, in->command, &args, err);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    free(args.v);
    return text;
}

static void on_request(void *arg, struct rpc_request *req, const uint8_t *body, size_t len)
{
    Wire__SimReply reply = WIRE__SIM_REPLY__INIT;
    Wire__SimRequest *in = rpc_unpack(&wire__sim_request__descriptor, body, len);
    struct error err;
    char *text = answer(arg, in, &err);

    reply.version = RPC_VERSION;
    reply.ok = text != NULL;
    reply.text = text != NULL ? text : err.text;
    rpc_reply(req, &reply.base);
    free(text);
    if (in != NULL) {
        wire__sim_request__free_unpacked(in, NULL);
    }
}

int control_endpoint_create(struct control_endpoint **out, struct podsim *p, uv_loop_t *loop,
                            struct error *err)
{
    struct control_endpoint *e = xcalloc(1, sizeof *e);

    e->p = p;
    *out = e;
    return rpc_server_create(&e->rpc, loop, podsim_world(p)->config->control_url, 1 << 20,
                             on_request, e, err);
}

void control_endpoint_stop(struct control_endpoint *e)
{
    if (e != NULL) {
        rpc_server_destroy(e->rpc);
    }
}

void control_endpoint_fini(struct control_endpoint *e)
{
    free(e);
}
