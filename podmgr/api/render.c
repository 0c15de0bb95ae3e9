/* The model as the API shows it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/http.h"
#include "core/slice.h"

static json_t *time_json(struct wall_ms at)
{
    char text[32];
    return at.ms == 0 ? json_null() : json_string(wall_format(at, text));
}

static json_t *id_json(struct id id)
{
    char text[48];
    return id_is_none(id) ? json_null() : json_string(id_format(id, text));
}

static json_t *ms_json(double ms)
{
    return ms < 0 ? json_null() : json_real((double)(int64_t)(ms * 1000 + 0.5) / 1000);
}

static json_t *host_name(uint32_t host)
{
    return json_sprintf("host/%u-%u", host / TPUNET_CUBE_HOSTS, host % TPUNET_CUBE_HOSTS);
}

/* -------------------------------------------------------------- slices -- */

static json_t *render_routes(const struct slice_routes *routes)
{
    if (routes->algorithm[0] == '\0') {
        return json_null();
    }
    return json_pack("{s:s,s:i,s:i,s:f,s:I,s:i,s:f}", "algorithm", routes->algorithm, "vcs",
                     (int)routes->vcs, "max_hops", (int)routes->max_hops, "max_link_load",
                     routes->max_link_load, "unreachable_pairs",
                     (json_int_t)routes->unreachable_pairs, "table_bytes_per_chip",
                     (int)routes->table_bytes_per_chip, "retained", routes->retained);
}

static json_t *render_slice_cubes(const struct slice *slice)
{
    json_t *list = json_array();

    for (uint16_t i = 0; i < slice->intent->n_cubes; i++) {
        uint16_t at[TPUNET_AXES];
        tpunet_cube_position(&slice->spec.shape, i, at);
        (void)json_array_append_new(list,
                                    json_pack("{s:o,s:[i,i,i]}", "cube",
                                              json_sprintf("cube/%u", slice->intent->cubes[i]),
                                              "position", at[0], at[1], at[2]));
    }
    return list;
}

static json_t *render_slice_hosts(const struct slice *slice)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
            (void)json_array_append_new(
                list, host_name(slice->intent->cubes[i] * (uint32_t)TPUNET_CUBE_HOSTS + h));
        }
    }
    return list;
}

json_t *render_slice(const struct slice *slice)
{
    char shape[24];
    json_t *labels =
        slice->spec.labels[0] != '\0' ? json_loads(slice->spec.labels, 0, NULL) : json_object();

    json_t *json = json_pack(
        "{s:o,s:s,s:s,s:b,s:s,s:b,s:s,s:s,s:i,s:o,s:b,s:I,s:I,s:o,s:o}", "id", id_json(slice->id),
        "name", slice->spec.name, "topology", tpunet_shape_format(&slice->spec.shape, shape),
        "twisted", slice->spec.shape.twisted, "state", slice_state_name(slice->state), "degraded",
        slice->degraded, "reason", slice->reason, "owner", slice->spec.owner, "priority",
        slice->spec.priority, "labels", labels, "accept_degraded", slice->spec.accept_degraded,
        "version", (json_int_t)slice->version, "generation", (json_int_t)slice->generation,
        "created_at", time_json(slice->created), "changed_at", time_json(slice->changed));
    (void)json_object_set_new(json, "woven", json_boolean(slice_is_woven(slice)));
    (void)json_object_set_new(json, "dead_links", json_integer(slice->dead_links));
    (void)json_object_set_new(json, "operation", id_json(slice->op));
    (void)json_object_set_new(json, "cubes", render_slice_cubes(slice));
    (void)json_object_set_new(json, "hosts", render_slice_hosts(slice));
    (void)json_object_set_new(json, "coordinator",
                              slice->coordinator == UINT32_MAX ? json_null()
                                                               : host_name(slice->coordinator));
    (void)json_object_set_new(json, "verified", json_boolean(slice->verified));
    (void)json_object_set_new(
        json, "timings",
        json_pack("{s:o,s:o,s:o,s:o,s:o}", "planned_ms", ms_json(slice->planned_ms),
                  "programmed_ms", ms_json(slice->programmed_ms), "verified_ms",
                  ms_json(slice->verified_ms), "preflight_ms", ms_json(slice->preflight_ms),
                  "active_ms", ms_json(slice->active_ms)));
    (void)json_object_set_new(json, "routes", render_routes(&slice->routes));
    return json;
}

static json_t *chip_name(uint16_t cube, unsigned axis, bool minus, unsigned a, unsigned b)
{
    struct tpunet_fibre fibre = {
        .cube = cube, .axis = (uint8_t)axis, .minus = minus, .a = (uint8_t)a, .b = (uint8_t)b};
    unsigned port;
    struct tpunet_chip chip = tpunet_fibre_chip(fibre, &port);
    return json_sprintf("chip/%u-%u-%u-%u", chip.cube, chip.at[0], chip.at[1], chip.at[2]);
}

/* One inter-cube link, from the + port of one chip to the - port of another. */
static json_t *render_link(const struct model *m, const struct slice *slice, unsigned ocs,
                           uint16_t from, uint16_t to)
{
    static const char axes[] = "xyz";
    unsigned axis = ocs / TPUNET_FACE_LINKS, a = ocs % 4, b = ocs / 4 % 4;
    uint16_t cube = slice->intent->cubes[from], peer = slice->intent->cubes[to];
    struct tpunet_fibre plus = {
        .cube = cube, .axis = (uint8_t)axis, .a = (uint8_t)a, .b = (uint8_t)b};
    struct tpunet_fibre minus = plus;

    minus.cube = peer;
    minus.minus = true;
    struct tpunet_ocs_port north = tpunet_wiring_port(m->pod->wiring, plus);
    struct tpunet_ocs_port south = tpunet_wiring_port(m->pod->wiring, minus);
    const struct circuit *circuit = &m->ocs[ocs].north[north.port];
    bool up = circuit->seen == south.port;
    return json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:i,s:i,s:b,s:o}", "link",
        json_sprintf("fibre/%u+%c-%u-%u", cube, axes[axis], a, b), "from",
        chip_name(cube, axis, false, a, b), "from_port", json_sprintf("+%c", axes[axis]), "to",
        chip_name(peer, axis, true, a, b), "to_port", json_sprintf("-%c", axes[axis]), "to_fibre",
        json_sprintf("fibre/%u-%c-%u-%u", peer, axes[axis], a, b), "ocs",
        json_sprintf("ocs/%u", ocs), "north", north.port, "south", south.port, "connected", up,
        "loss_db",
        up && m->ocs[ocs].supports_light ? json_real((double)circuit->loss_db) : json_null());
}

json_t *render_links(const struct model *m, const struct slice *slice)
{
    json_t *list = json_array();
    size_t n = slice->intent->n_cubes;

    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs++) {
        for (uint16_t from = 0; from < n; from++) {
            uint16_t to = slice->intent->next[ocs * n + from];
            if (to != TPUNET_NONE) {
                (void)json_array_append_new(list, render_link(m, slice, ocs, from, to));
            }
        }
    }
    return json_pack("{s:o}", "links", list);
}

/* ----------------------------------------------------------- inventory -- */

static json_t *findings_json(const struct model *m, unsigned host)
{
    const struct host_health *h = health_of(m, host);
    json_t *list = json_array();

    for (size_t i = 0; i < h->n_findings; i++) {
        const struct finding *f = &h->findings[i];
        struct part part = finding_part(host, f->scope, f->index);
        char name[80];
        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:o,s:s}", "part",
                                                    part_format(&part, name), "check", f->check,
                                                    "severity", severity_name(f->severity), "since",
                                                    time_json(f->since), "text", f->text));
    }
    return list;
}

json_t *render_host(const struct model *m, unsigned number)
{
    const struct host *host = &m->hosts[number];
    const struct agent *agent = host->agent != 0 ? model_agent(m, host->agent) : NULL;
    struct id owner =
        id_is_none(host->owner) ? m->cubes[number / TPUNET_CUBE_HOSTS].owner : host->owner;
    json_t *chips = json_array();

    for (unsigned k = 0; k < 4; k++) {
        struct tpunet_chip chip =
            tpunet_host_chip((uint16_t)(number / TPUNET_CUBE_HOSTS), number % TPUNET_CUBE_HOSTS, k);
        (void)json_array_append_new(
            chips, json_sprintf("chip/%u-%u-%u-%u", chip.cube, chip.at[0], chip.at[1], chip.at[2]));
    }
    return json_pack("{s:o,s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:o}", "id", host_name(number), "cube",
                     json_sprintf("cube/%u", number / TPUNET_CUBE_HOSTS), "admin",
                     admin_name(host->admin), "health", health_name(host->health), "since",
                     time_json(host->since), "owner", id_json(owner), "agent",
                     agent != NULL ? json_string(agent->name) : json_null(), "chips", chips,
                     "findings", findings_json(m, number));
}

json_t *render_cube(const struct model *m, unsigned number)
{
    const struct cube *cube = &m->cubes[number];
    char why[160] = "";
    bool is_free = model_cube_free(m, number, why, sizeof why);

    return json_pack("{s:o,s:s,s:s,s:o,s:o,s:o,s:b,s:s}", "id", json_sprintf("cube/%u", number),
                     "admin", admin_name(cube->admin), "health",
                     health_name(model_cube_health(m, number)), "since", time_json(cube->since),
                     "owner", id_json(cube->owner), "ticket", id_json(cube->ticket), "free",
                     is_free, "reason", why);
}

static json_t *pairs(const struct ocs *ocs, unsigned ports, bool desired)
{
    json_t *list = json_array();

    for (unsigned p = 0; p < ports; p++) {
        const struct circuit *circuit = &ocs->north[p];
        uint16_t south = desired ? circuit->south : circuit->seen;
        if (south != TPUNET_NONE) {
            (void)json_array_append_new(list, json_pack("[i,i]", p, south));
        }
    }
    return list;
}

static void add_light(json_t *json, const struct ocs *ocs, unsigned ports)
{
    json_t *power = json_object(), *loss = json_object();

    for (unsigned p = 0; p < ports && ocs->supports_light; p++) {
        const struct circuit *circuit = &ocs->north[p];
        char port[16];
        if (circuit->seen == TPUNET_NONE) {
            continue;
        }
        (void)snprintf(port, sizeof port, "n-%u", p);
        (void)json_object_set_new(power, port, json_real((double)circuit->north_dbm));
        (void)json_object_set_new(loss, port, json_real((double)circuit->loss_db));
        (void)snprintf(port, sizeof port, "s-%u", circuit->seen);
        (void)json_object_set_new(power, port, json_real((double)circuit->south_dbm));
    }
    (void)json_object_set_new(json, "power_dbm", power);
    (void)json_object_set_new(json, "loss_db", loss);
}

json_t *render_ocs(const struct model *m, unsigned number, bool maps)
{
    const struct ocs *ocs = &m->ocs[number];
    unsigned ports = m->pod->ports_per_side;
    json_t *desired = pairs(ocs, ports, true), *observed = pairs(ocs, ports, false);
    bool in_step = json_equal(desired, observed);

    json_t *json = json_pack(
        "{s:o,s:o,s:[i,i],s:s,s:s,s:o,s:s,s:I,s:I,s:{s:i,s:i,s:i},s:i,s:i,s:b,s:o}", "id",
        json_sprintf("ocs/%u", number), "axis",
        json_sprintf("%c", "xyz"[number / TPUNET_FACE_LINKS]), "position", number % 4,
        number / 4 % 4, "admin", admin_name(ocs->admin), "state", ocs_state_name(ocs->state),
        "since", time_json(ocs->since), "boot_id", ocs->boot_id, "generation",
        (json_int_t)ocs->generation, "epoch", (json_int_t)ocs->epoch, "ports", "north", ports,
        "south", ports, "spare", ports - m->pod->n_cubes, "desired_circuits",
        (int)json_array_size(desired), "observed_circuits", (int)json_array_size(observed),
        "in_step", in_step, "observed_at", time_json(ocs->observed_at));
    if (maps) {
        (void)json_object_set(json, "desired", desired);
        (void)json_object_set(json, "observed", observed);
        add_light(json, ocs, ports);
    }
    json_decref(desired);
    json_decref(observed);
    return json;
}

json_t *render_op(const struct op *op)
{
    json_t *parts = json_array();

    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        if (op->part[o].state != PART_NONE) {
            (void)json_array_append_new(
                parts, json_pack("{s:o,s:s}", "ocs", json_sprintf("ocs/%u", o), "state",
                                 part_state_name((enum part_state)op->part[o].state)));
        }
    }
    return json_pack("{s:o,s:o,s:s,s:s,s:i,s:i,s:i,s:s,s:o,s:o,s:o}", "id", id_json(op->id),
                     "slice", id_json(op->slice), "kind", op_kind_name(op->kind), "state",
                     op_state_name(op->state), "breaks", (int)op->n_breaks, "makes",
                     (int)op->n_makes, "open_parts", (int)op->open_parts, "reason", op->reason,
                     "created_at", time_json(op->created), "finished_at", time_json(op->finished),
                     "parts", parts);
}

json_t *render_pod(const struct model *m)
{
    unsigned free_cubes = 0, reachable = 0, healthy_hosts = 0;
    size_t slices[SLICE_DELETED + 1] = {0};
    json_t *states = json_object();

    for (unsigned c = 0; c < m->pod->n_cubes; c++) {
        free_cubes += model_cube_free(m, c, NULL, 0);
    }
    for (unsigned o = 0; o < TPUNET_OCSES; o++) {
        reachable += m->ocs[o].state == OCS_STATE_REACHABLE;
    }
    for (unsigned h = 0; h < model_hosts(m); h++) {
        healthy_hosts += m->hosts[h].health == HEALTH_HEALTHY;
    }
    for (size_t i = 0; i < m->n_slices; i++) {
        slices[m->slices[i]->state]++;
    }
    for (int s = 0; s < SLICE_DELETED; s++) {
        (void)json_object_set_new(states, slice_state_name((enum slice_state)s),
                                  json_integer((json_int_t)slices[s]));
    }
    return json_pack("{s:s,s:I,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:o,s:I}", "id", m->pod->id,
                     "epoch", (json_int_t)m->epoch, "incarnation", m->incarnation, "cubes",
                     m->pod->n_cubes, "cubes_free", free_cubes, "hosts", model_hosts(m),
                     "hosts_healthy", healthy_hosts, "chips", m->pod->n_cubes * TPUNET_CUBE_CHIPS,
                     "ocs", TPUNET_OCSES, "ocs_reachable", reachable, "ports_per_side",
                     m->pod->ports_per_side, "vc_classes", m->pod->vc_classes, "slices", states,
                     "last_event", (json_int_t)m->next_event - 1);
}
