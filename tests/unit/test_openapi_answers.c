/* What podmgr renders against the schemas of the contract: every member is
 * described and of the described type, and every required one is there.  Knows
 * as much of JSON Schema as the contract uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "api/http.h"
#include "core/webhooks.h"
#include "hooks/hooks.h"
#include "hooks/letter.h"
#include "backup.h"
#include "core/drain.h"
#include "core/incident.h"
#include "core/repair.h"
#include "core/slice.h"
#include "mem.h"
#include "openapi_json.h"

static json_t *contract;
static struct pod pod = {
    .id = "pod-1", .n_cubes = 4, .ports_per_side = 6, .vc_classes = 3, .loss_db_max = 3};
static struct model *model;
static struct slice *slice;

/* -------------------------------------------------------------- schemas -- */

static const json_t *schema_named(const char *name)
{
    const json_t *schemas = json_object_get(json_object_get(contract, "components"), "schemas");
    const json_t *schema = json_object_get(schemas, name);

    assert_non_null(schema);
    return schema;
}

static const json_t *followed(const json_t *schema)
{
    static const char prefix[] = "#/components/schemas/";
    const char *ref = json_string_value(json_object_get(schema, "$ref"));

    if (ref == NULL) {
        return schema;
    }
    assert_memory_equal(ref, prefix, sizeof prefix - 1);
    return schema_named(ref + sizeof prefix - 1);
}

static bool is_of_type(const json_t *json, const char *type)
{
    return (strcmp(type, "object") == 0 && json_is_object(json)) ||
           (strcmp(type, "array") == 0 && json_is_array(json)) ||
           (strcmp(type, "string") == 0 && json_is_string(json)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(json)) ||
           (strcmp(type, "number") == 0 && json_is_number(json)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(json)) ||
           (strcmp(type, "null") == 0 && json_is_null(json));
}

static bool type_fits(const json_t *types, const json_t *json)
{
    size_t i;
    json_t *type;

    if (types == NULL || json_is_string(types)) {
        return types == NULL || is_of_type(json, json_string_value(types));
    }
    json_array_foreach(types, i, type)
    {
        if (is_of_type(json, json_string_value(type))) {
            return true;
        }
    }
    return false;
}

static bool is_listed(const json_t *list, const json_t *json)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        if (json_equal(item, json)) {
            return true;
        }
    }
    return list == NULL;
}

/* The schema of a member: its own, or that of any other name. */
static const json_t *member_schema(const json_t *schema, const char *key)
{
    size_t i;
    json_t *part;
    const json_t *member = json_object_get(json_object_get(schema, "properties"), key);

    json_array_foreach(json_object_get(schema, "allOf"), i, part)
    {
        member = member != NULL ? member : member_schema(followed(part), key);
    }
    return member != NULL ? member : json_object_get(schema, "additionalProperties");
}

static void check_required(const json_t *schema, const json_t *json, const char *where)
{
    size_t i;
    json_t *name, *part;

    json_array_foreach(json_object_get(schema, "required"), i, name)
    {
        if (json_is_object(json) && json_object_get(json, json_string_value(name)) == NULL) {
            fail_msg("%s: %s is missing", where, json_string_value(name));
        }
    }
    json_array_foreach(json_object_get(schema, "allOf"), i, part)
    {
        check_required(followed(part), json, where);
    }
}

static void check(const json_t *schema, const json_t *json, const char *where)
{
    const char *key;
    json_t *value;
    size_t i;

    schema = followed(schema);
    if (!type_fits(json_object_get(schema, "type"), json)) {
        fail_msg("%s: is of another type", where);
    }
    if (!is_listed(json_object_get(schema, "enum"), json)) {
        fail_msg("%s: '%s' is not listed", where, json_string_value(json));
    }
    check_required(schema, json, where);
    json_array_foreach(json, i, value)
    {
        check(json_object_get(schema, "items"), value, where);
    }
    json_object_foreach((json_t *)json, key, value)
    {
        char path[160];
        const json_t *member = member_schema(schema, key);
        (void)snprintf(path, sizeof path, "%.120s.%.32s", where, key);
        if (member == NULL && json_object_get(schema, "properties") != NULL) {
            fail_msg("%s: is not described", path);
        }
        if (member != NULL) {
            check(member, value, path);
        }
    }
}

static void assert_fits(const char *schema, json_t *json)
{
    assert_non_null(json);
    check(schema_named(schema), json, schema);
    json_decref(json);
}

/* ---------------------------------------------------------------- tests -- */

static void slices_fit(void **state)
{
    (void)state;
    assert_fits("Slice", render_slice(slice)); /* as new */
    slice->coordinator = 16;
    slice->planned_ms = slice->programmed_ms = slice->verified_ms = slice->active_ms = 1.5;
    slice->routes = (struct slice_routes){.algorithm = "dor", .vcs = 2, .max_link_load = 64};
    (void)snprintf(slice->spec.labels, sizeof slice->spec.labels, "{\"team\":\"a\"}");
    assert_fits("Slice", render_slice(slice));
}

static void links_fit(void **state)
{
    json_t *json = render_links(model, slice), *link;
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(json_object_get(json, "links")), 2 * TPUNET_OCSES);
    json_array_foreach(json_object_get(json, "links"), i, link)
    {
        assert_fits("Link", json_incref(link));
    }
    json_decref(json);
}

static void the_inventory_fits(void **state)
{
    struct ocs *ocs = &model->ocs[0];

    (void)state;
    assert_fits("Pod", render_pod(model));
    assert_fits("Cube", render_cube(model, 0));
    assert_fits("Cube", render_cube(model, 3));
    assert_fits("Host", render_host(model, 17));
    assert_fits("Switch", render_ocs(model, 0, false));
    assert_fits("SwitchWithMaps", render_ocs(model, 0, true));
    ocs->supports_light = true;
    ocs->north[1].seen = 2;
    ocs->north[1].loss_db = 1.5F;
    ocs->observed_at = (struct wall_ms){1};
    assert_fits("SwitchWithMaps", render_ocs(model, 0, true));
}

static void faults_and_liens_fit(void **state)
{
    struct part_fault fault = {.part = {.kind = PART_OCS, .ocs = 17}, .health = HEALTH_FAILED};
    struct lien lien = {.port = {17, TPUNET_SOUTH, 2}, .slice = {1, 1}};

    (void)state;
    assert_fits("Fault", render_fault(&fault));
    assert_fits("Lien", render_lien(model, &lien));
}

static void operations_fit(void **state)
{
    struct op op = {.id = {1, 9}, .slice = {1, 1}, .kind = OP_PROGRAM, .open_parts = 1};

    (void)state;
    op.part[3].state = PART_DONE;
    op.part[4].state = PART_PENDING;
    assert_fits("Operation", render_op(&op));
    op.state = OP_FAILED;
    op.finished = (struct wall_ms){5};
    (void)snprintf(op.reason, sizeof op.reason, "ocs/4 north 3: stuck");
    assert_fits("Operation", render_op(&op));
}

static void incidents_fit(void **state)
{
    struct incident i = {.id = {1, 9}, .kind = RISK_HOST, .severity = SEVERITY_FATAL, .count = 1};

    (void)state;
    assert_fits("Incident", render_incident(&i));
    i.opened.ms = i.closed.ms = i.recovered.ms = 5;
    (void)incident_touches(&i, (struct id){1, 1});
    incident_act(&i, (struct wall_ms){6}, "cube/6 instead of cube/5");
    assert_fits("Incident", render_incident(&i));
    free(i.slices);
}

static void repairs_fit(void **state)
{
    struct ticket t = {.id = {1, 9}, .kind = RISK_PORT, .spare = "port/12-n-64"};
    struct error err;

    (void)state;
    assert_int_equal(ticket_advance(&t, TICKET_DRAINING, "me", "now", (struct wall_ms){1}, &err),
                     0);
    t.incidents[t.n_incidents++] = (struct id){1, 8};
    assert_fits("Repair", render_ticket(&t));
    t.spare[0] = '\0';
    assert_fits("Repair", render_ticket(&t));
}

static void drains_fit(void **state)
{
    struct drain d = {.id = {1, 9}, .state = ADMIN_DRAINING, .version = 1};

    (void)state;
    assert_int_equal(part_parse(&d.order.part, "cube/2", NULL), 0);
    assert_true(extent_of_part(model, &d.order.part, &d.extent));
    assert_fits("Drain", render_drain(model, &d)); /* the slice waits */
    assert_fits("DrainPlan", render_drain_plan(model, &d));
    slice->state = SLICE_ACTIVE;
    d.order.mode = DRAIN_NOW;
    assert_fits("DrainPlan", render_drain_plan(model, &d));
    assert_int_equal(part_parse(&d.order.part, "link/0-3-1-2+x", NULL), 0);
    assert_true(extent_of_part(model, &d.order.part, &d.extent));
    d.state = ADMIN_DRAINED;
    d.drained.ms = d.order.until.ms = 5;
    assert_fits("Drain", render_drain(model, &d));
    slice->state = SLICE_ACTIVATING;
}

static void audit_records_fit(void **state)
{
    static const uint8_t hash[STORE_HASH_SIZE] = {0xab};
    struct audit_entry entry = {.at = {1},
                                .who = "unix uid 0 pid 1 admin",
                                .action = "slice.create",
                                .subject = "slice/1-1",
                                .before = (char[]){"null"},
                                .after = (char[]){"{\"state\":\"ACTIVATING\"}"}};
    json_t *record = render_audit(7, &entry, hash);

    (void)state;
    assert_int_equal(strncmp(json_string_value(json_object_get(record, "hash")), "ab00", 4), 0);
    assert_fits("AuditRecord", record);
    entry.after = (char[]){"spoiled"};
    assert_fits("AuditRecord", render_audit(8, &entry, hash));
}

static void quarantine_groups_fit(void **state)
{
    bool cubes[MODEL_CUBES_MAX];

    (void)state;
    assert_fits("QuarantineGroup", render_quarantine_group(model, 3, cubes));
}

static void goldens_fit(void **state)
{
    struct event ev = {.kind = EV_HEALTH_HELLO, .observer = {.name = "healthd/a", .n_hosts = 1}};
    struct outbox out;

    (void)state;
    assert_fits("Goldens", render_goldens(model)); /* of nobody */
    ev.observer.hosts = xcalloc(1, sizeof *ev.observer.hosts);
    ev.observer.goldens = xcalloc(1, sizeof *ev.observer.goldens);
    *ev.observer.goldens = (struct goldens){
        .file = "/etc/golden.yaml",
        .n = 1,
        .limits = {{.metric = "chip-temperature", .unit = "C", .min = (double)NAN, .max = 85}}};
    outbox_init(&out);
    core_step(model, &ev, &out);
    event_fini(&ev);
    outbox_fini(&out);
    json_t *json = render_goldens(model);
    const json_t *set = json_array_get(json_object_get(json, "sets"), 0);
    assert_int_equal(json_integer_value(json_object_get(set, "hosts")), 1);
    assert_int_equal(json_integer_value(json_object_get(json, "hosts_unobserved")), 63);
    assert_int_equal(json_array_size(json_object_get(set, "limits")), 1);
    assert_fits("Goldens", json);
}

static void remediation_fits(void **state)
{
    (void)state;
    assert_fits("Remediation", render_remediation(model, (struct mono_ns){1}));
}

static void backups_fit(void **state)
{
    (void)state;
    assert_fits("Backup", render_backup(&(struct backup_outcome){
                              .name = "n", .path = "/d/n.backup", .took_ms = 1.5}));
}

static void what_is_gone_fits(void **state)
{
    static const char *const states[] = {"DELETED", "ENDED"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        struct request req = {.made = {3, 17}};
        respond_gone(&req, states[i]);
        assert_int_equal(req.status, 200);
        assert_fits("Gone", json_loads(req.answer, 0, NULL));
        free(req.answer);
    }
}

static void webhooks_fit(void **state)
{
    struct webhook hook = {.id = {1, 2},
                           .url = "https://s.example/x",
                           .secret = "0123456789abcdef",
                           .prefixes = {"slice."},
                           .n_prefixes = 1,
                           .created = {1}};
    struct hook_status status = {.told = 1};
    char data[] = "{}";
    struct journal_entry entry = {.seq = 3, .type = "slice.active", .data = data};
    struct letter letter;

    (void)state;
    assert_fits("Webhook", render_webhook(model, &hook, &status));
    status = (struct hook_status){
        .failures = 2,
        .failing_since = {1},
        .next_try = {2},
        .last_at = {1},
        .last = {.outcome = {.answered = true, .status = 500}, .text = "answered 500"}};
    assert_fits("Webhook", render_webhook(model, &hook, &status));
    (void)snprintf(hook.disabled, sizeof hook.disabled, "gone");
    json_t *json = render_webhook(model, &hook, &status);
    assert_null(json_object_get(json, "secret"));
    assert_fits("Webhook", json);

    letter_begin(&letter, 1, 2);
    letter_add(&letter, &hook, &entry);
    letter_seal(&letter, &hook, model);
    assert_fits("WebhookDelivery", json_loadb(letter.body, letter.body_len, 0, NULL));
    letter_fini(&letter);
}

static int set_up(void **state)
{
    static const uint16_t cubes[] = {2, 1};
    struct tpunet_error err;
    struct slice_spec spec = {.name = "train", .accept_degraded = true};

    (void)state;
    contract = json_loads(openapi_json, 0, NULL);
    if (contract == NULL || tpunet_wiring_create(&pod.wiring, 4, 6, NULL, 0, &err) < 0 ||
        tpunet_shape_parse(&spec.shape, "4x4x8", true, &err) < 0) {
        return -1;
    }
    model = model_create(&pod, 1);
    slice = slice_create((struct id){1, 1}, &spec);
    if (tpunet_intent_create(&slice->intent, &spec.shape, cubes, ARRAY_LEN(cubes), &err) < 0) {
        return -1;
    }
    model_add_slice(model, slice);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    model_destroy(model);
    tpunet_wiring_destroy(pod.wiring);
    json_decref(contract);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_fit),           cmocka_unit_test(links_fit),
        cmocka_unit_test(the_inventory_fits),   cmocka_unit_test(incidents_fit),
        cmocka_unit_test(repairs_fit),          cmocka_unit_test(drains_fit),
        cmocka_unit_test(faults_and_liens_fit), cmocka_unit_test(operations_fit),
        cmocka_unit_test(audit_records_fit),    cmocka_unit_test(remediation_fits),
        cmocka_unit_test(backups_fit),          cmocka_unit_test(quarantine_groups_fit),
        cmocka_unit_test(goldens_fit),          cmocka_unit_test(webhooks_fit),
        cmocka_unit_test(what_is_gone_fits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
